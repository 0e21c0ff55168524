// Operators of C++ and the few functions that are not rows of the table.
#include <chorus/ops.h>
#include <tensor/call.h>
#include <tensor/complex.h>
#include <fmt/format.h>

#include <algorithm>

namespace chorus {
namespace {
bool integral(const Tensor& t) {
  const DType type = t.dtype();
  return is_integer(type);
}
}  // namespace

Tensor operator+(const Tensor& a, const Tensor& b) {
  return any_complex(a, b) ? complex_arithmetic(ComplexOp::add, a, b) : add(a, b);
}
Tensor operator-(const Tensor& a, const Tensor& b) {
  return any_complex(a, b) ? complex_arithmetic(ComplexOp::sub, a, b) : sub(a, b);
}
Tensor operator*(const Tensor& a, const Tensor& b) {
  return any_complex(a, b) ? complex_arithmetic(ComplexOp::mul, a, b) : mul(a, b);
}
Tensor operator/(const Tensor& a, const Tensor& b) {
  if (any_complex(a, b)) return complex_arithmetic(ComplexOp::div, a, b);
  return integral(a) && integral(b) ? div(cast_to(a, DType::float32), cast_to(b, DType::float32)) : div(a, b);
}
Tensor operator%(const Tensor& a, const Tensor& b) { return mod(a, b); }
Tensor operator-(const Tensor& a) { return is_complex(a.dtype()) ? Tensor(0) - a : neg(a); }
Tensor operator==(const Tensor& a, const Tensor& b) {
  return any_complex(a, b) ? complex_arithmetic(ComplexOp::equal, a, b) : equal(a, b);
}
Tensor operator!=(const Tensor& a, const Tensor& b) { return logical_not(a == b); }
Tensor operator<(const Tensor& a, const Tensor& b) { return less(a, b); }
Tensor operator<=(const Tensor& a, const Tensor& b) { return less_equal(a, b); }
Tensor operator>(const Tensor& a, const Tensor& b) { return greater(a, b); }
Tensor operator>=(const Tensor& a, const Tensor& b) { return greater_equal(a, b); }
Tensor operator!(const Tensor& a) { return logical_not(a); }

Tensor square(const Tensor& tensor) { return mul(tensor, tensor); }

Tensor Tensor::to(DType type) const { return cast_to(*this, type); }
Tensor Tensor::to(const Device& device) const {
  if (device != this->device()) {
    throw Error(Code::unavailable, "device \"" + device.str() + "\" is not available to tensors", {},
                "the devices are: cpu");
  }
  return *this;
}

Tensor permute(const Tensor& tensor, const std::vector<int64_t>& dims) {
  const auto rank = static_cast<size_t>(tensor.rank());
  std::vector<int64_t> order;
  std::vector<bool> seen(rank);
  bool valid = dims.size() == rank;
  for (size_t i = 0; valid && i < rank; ++i) {
    const int64_t d = dims[i] < 0 ? dims[i] + static_cast<int64_t>(rank) : dims[i];
    valid = d >= 0 && d < static_cast<int64_t>(rank) && !seen[static_cast<size_t>(d)];
    if (valid) seen[static_cast<size_t>(d)] = true;
    order.push_back(d);
  }
  if (!valid) {
    throw Error(Code::shape,
                fmt::format("permute: {} is no order of the {} dimensions of a tensor of shape {}", shape_str(dims),
                            rank, tensor.shape().str()),
                {}, "name every dimension once");
  }
  return transpose(tensor, order);
}

Tensor stack(const std::vector<Tensor>& tensors, int64_t axis) {
  if (tensors.empty()) throw Error(Code::bad_input, "stack: no tensors");
  std::vector<Tensor> wide;
  for (const Tensor& t : tensors) wide.push_back(unsqueeze(t, {axis}));
  return concat(wide, axis);
}

std::vector<Tensor> split(const Tensor& tensor, int64_t parts, int64_t axis) {
  const Shape shape = tensor.shape();
  const int64_t rank = shape.rank(), at = axis < 0 ? axis + rank : axis;
  if (at < 0 || at >= rank)
    throw Error(Code::shape, fmt::format("split: axis {} is out of range for shape {}", axis, shape.str()));
  if (parts < 1 || parts > std::max<int64_t>(shape[static_cast<int>(at)], 1)) {
    throw Error(Code::shape,
                fmt::format("split: {} parts of dimension {} of extent {}", parts, at, shape[static_cast<int>(at)]));
  }
  return split_outputs(static_cast<int>(parts), tensor, {}, at, parts);
}

}  // namespace chorus
