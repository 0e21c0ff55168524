#include "tensor.h"

#include <paddle/phi/core/memory/malloc.h>

#include <numeric>

#include "ops.h"

namespace chorus_paddle {
namespace {

namespace api = paddle::experimental;

struct Pair {
  int onnx;
  Type paddle;
};
constexpr Pair kTypes[] = {{1, kFloat},
                           {2, kByte},
                           {3, kChar},
                           {4, Type::UINT16},
                           {5, kShort},
                           {6, kInt},
                           {7, kLong},
                           {9, kBool},
                           {10, kHalf},
                           {11, kDouble},
                           {12, Type::UINT32},
                           {13, Type::UINT64},
                           {14, Type::COMPLEX64},
                           {15, Type::COMPLEX128},
                           {16, kBfloat},
                           {17, Type::FLOAT8_E4M3FN},
                           {19, Type::FLOAT8_E5M2}};

void keep(phi::Allocation*) {}  // the deleter of the host's memory: it tells borrowed from own

Tensor over(std::shared_ptr<phi::Allocation> memory, Type type, const Ints& shape, size_t offset = 0) {
  const phi::DenseTensorMeta meta(type, common::make_ddim(shape), phi::DataLayout::NCHW, offset);
  return paddle::Tensor(std::make_shared<phi::DenseTensor>(std::move(memory), meta));
}

// The same elements of a contiguous tensor under another shape or type.
Tensor again(const Tensor& x, Type type, const Ints& shape) {
  return over(x.dense().Holder(), type, shape, x.dense().meta().offset);
}

int64_t product(const Ints& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

std::vector<int> narrow_ints(const Ints& values) { return {values.begin(), values.end()}; }

int64_t at_axis(int64_t axis, int64_t rank) { return axis < 0 ? axis + rank : axis; }

}  // namespace

Type to_paddle(int dtype) noexcept {
  for (const Pair& p : kTypes) {
    if (p.onnx == dtype) return p.paddle;
  }
  return kUndefined;
}

int to_onnx(Type type) noexcept {
  for (const Pair& p : kTypes) {
    if (p.paddle == type) return p.onnx;
  }
  return 0;
}

size_t bytes_of(Type type) noexcept {
  switch (type) {
    case Type::COMPLEX128: return 16;
    case kDouble:
    case kLong:
    case Type::UINT64:
    case Type::COMPLEX64: return 8;
    case kFloat:
    case kInt:
    case Type::UINT32: return 4;
    case kHalf:
    case kBfloat:
    case kShort:
    case Type::UINT16: return 2;
    default: return 1;
  }
}

int64_t Tensor::size(int64_t axis) const { return dense().dims()[static_cast<int>(at_axis(axis, dim()))]; }

Ints Tensor::sizes() const {
  Ints shape;
  for (int d = 0; d < dense().dims().size(); ++d) shape.push_back(dense().dims()[d]);
  return shape;
}

const void* Tensor::data() const { return static_cast<const char*>(dense().Holder()->ptr()) + dense().meta().offset; }

Tensor Tensor::contiguous() const { return dense().meta().is_contiguous() ? *this : Tensor(own_.contiguous()); }

Tensor Tensor::copy() const {
  const Tensor plain = contiguous();
  return copy_of(type(), sizes(), numel() == 0 ? nullptr : plain.data());
}

Tensor Tensor::to(Type t) const { return t == type() ? *this : Tensor(api::cast(own_, t)); }

Tensor Tensor::reinterpret(Type t) const { return t == type() ? *this : again(contiguous(), t, sizes()); }

Tensor Tensor::reshape(Ints shape) const {
  int64_t known = 1, open = -1;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == -1 && open < 0)
      open = static_cast<int64_t>(d);
    else
      known *= shape[d];
  }
  if (open >= 0 && known != 0 && numel() % known == 0) shape[static_cast<size_t>(open)] = numel() / known;
  if (product(shape) != numel() || (open >= 0 && known == 0))
    throw Failure(CH_BAD_INPUT, "the elements do not fit the shape");
  return again(contiguous(), type(), shape);
}

Tensor Tensor::flatten(int64_t from, int64_t to) const {
  const int64_t rank = dim();
  Ints shape = sizes();
  if (rank == 0) return reshape({1});
  const auto first = shape.begin() + at_axis(from, rank), last = shape.begin() + at_axis(to, rank) + 1;
  const int64_t joined = std::accumulate(first, last, int64_t{1}, std::multiplies<>());
  *first = joined;
  shape.erase(first + 1, last);
  return reshape(shape);
}

Tensor Tensor::squeeze(int64_t axis) const {
  Ints shape = sizes();
  shape.erase(shape.begin() + at_axis(axis, dim()));
  return reshape(shape);
}

Tensor Tensor::unsqueeze(int64_t axis) const {
  Ints shape = sizes();
  shape.insert(shape.begin() + at_axis(axis, dim() + 1), 1);
  return reshape(shape);
}

Tensor Tensor::permute(const Ints& order) const {
  if (dim() < 2) return *this;
  return api::transpose(own_, narrow_ints(order));
}

Tensor Tensor::transpose(int64_t a, int64_t b) const {
  Ints order(static_cast<size_t>(dim()));
  std::iota(order.begin(), order.end(), 0);
  std::swap(order[static_cast<size_t>(at_axis(a, dim()))], order[static_cast<size_t>(at_axis(b, dim()))]);
  return permute(order);
}

Tensor Tensor::select(int64_t axis, int64_t at) const { return narrow(axis, at_axis(at, size(axis)), 1).squeeze(axis); }

Tensor view_of(const ch_value& v) {
  const Type type = v.kind == CH_TENSOR ? to_paddle(v.dtype) : kUndefined;
  if (type == kUndefined) {
    throw Failure(CH_UNSUPPORTED, "PaddlePaddle has no element type of ONNX's number " + std::to_string(v.dtype),
                  "use another engine, such as native");
  }
  alignas(64) static char nothing[64];
  const Ints shape(v.dims, v.dims + v.rank);
  const size_t bytes = static_cast<size_t>(product(shape)) * bytes_of(type);
  void* data = v.buffer.data == nullptr ? nothing : static_cast<char*>(v.buffer.data) + v.offset;
  return over(std::make_shared<phi::Allocation>(data, bytes, keep, phi::CPUPlace()), type, shape);
}

bool is_borrowed(const Tensor& t) { return t.dense().Holder() != nullptr && t.dense().Holder()->deleter() == keep; }

Ints to_ints(const Tensor& t) {
  if (t.numel() == 0) return {};
  const Tensor plain = t.to(kLong).contiguous();
  const auto* data = static_cast<const int64_t*>(plain.data());
  return {data, data + plain.numel()};
}

double to_number(const Tensor& t) {
  if (t.numel() == 0) throw Failure(CH_BAD_INPUT, "a number is needed where there is none");
  return *static_cast<const double*>(t.to(kDouble).contiguous().data());
}

Tensor copy_of(Type type, const Ints& shape, const void* data) {
  const Tensor made = fresh(shape, type);
  if (made.numel() > 0) std::memcpy(const_cast<void*>(made.data()), data, made.nbytes());
  return made;
}

Tensor fresh(const Ints& shape, Type type) {
  const size_t bytes = std::max<size_t>(static_cast<size_t>(product(shape)) * bytes_of(type), 1);
  return over(paddle::memory::AllocShared(phi::CPUPlace(), bytes), type, shape);
}

Tensor full(const Ints& shape, double value, Type type) {
  return api::full(phi::IntArray(shape), phi::Scalar(value), type, phi::CPUPlace());
}
Tensor zeros(const Ints& shape, Type type) { return full(shape, 0, type); }
Tensor of_ints(const Ints& values) { return copy_of(kLong, {static_cast<int64_t>(values.size())}, values.data()); }
Tensor of_doubles(const std::vector<double>& values) {
  return copy_of(kDouble, {static_cast<int64_t>(values.size())}, values.data());
}
Tensor scalar(double value, Type type) { return full({}, value, type); }
Tensor scalar_long(int64_t value) { return copy_of(kLong, {}, &value); }

Tensor arange(int64_t n) {
  Ints values(static_cast<size_t>(n));
  std::iota(values.begin(), values.end(), 0);
  return of_ints(values);
}

}  // namespace chorus_paddle
