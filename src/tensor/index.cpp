// Indexing by numbers, slices, new axes and an ellipsis, as Slice and Reshape.
#include <chorus/ops.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace chorus {
namespace {

struct Plan {
  std::vector<int64_t> starts, ends, axes, steps;   // of Slice
  std::vector<int64_t> shape;                       // of the result
  bool reshapes = false;
};

// As Python: ends beyond the dimension are cut. Returns how many elements are left.
int64_t add_slice(Plan& plan, const Slice& s, int64_t axis, int64_t extent) {
  if (s.step == 0) throw Error(Code::bad_input, fmt::format("index: the step of dimension {} is 0", axis));
  const auto cut = [&](std::optional<int64_t> at, int64_t otherwise) {
    if (!at) return otherwise;
    const int64_t v = *at < 0 ? *at + extent : *at;
    return s.step > 0 ? std::clamp<int64_t>(v, 0, extent) : std::clamp<int64_t>(v, -1, extent - 1);
  };
  const int64_t start = cut(s.start, s.step > 0 ? 0 : extent - 1), stop = cut(s.stop, s.step > 0 ? extent : -1);
  const int64_t distance = s.step > 0 ? stop - start : start - stop;
  const int64_t step = s.step > 0                                      ? s.step
                       : s.step == std::numeric_limits<int64_t>::min() ? std::numeric_limits<int64_t>::max()
                                                                       : -s.step;
  const int64_t left = distance <= 0 ? 0 : (distance - 1) / step + 1;
  if (start == 0 && stop == extent && s.step == 1) return left;
  plan.starts.push_back(start);
  // Slice reads -1 as the last element: "before the first" is any number further down.
  plan.ends.push_back(left == 0 ? start : stop < 0 ? -extent - 1 : stop);
  plan.axes.push_back(axis);
  plan.steps.push_back(s.step);
  return left;
}

Plan make_plan(const Shape& shape, std::span<const Index> at) {
  const auto consumed = std::count_if(at.begin(), at.end(), [](const Index& i) {
    return i.kind() == Index::Kind::number || i.kind() == Index::Kind::slice;
  });
  if (consumed > shape.rank()) {
    throw Error(Code::shape, fmt::format("index: {} indices for a tensor of shape {} (rank {})", consumed, shape.str(),
                                         shape.rank()));
  }
  if (std::count_if(at.begin(), at.end(), [](const Index& i) { return i.kind() == Index::Kind::ellipsis; }) > 1) {
    throw Error(Code::bad_input, "index: more than one ellipsis");
  }
  Plan plan;
  int axis = 0;
  const auto whole = [&](int64_t count) {
    for (int64_t i = 0; i < count; ++i) plan.shape.push_back(shape[axis++]);
  };
  for (const Index& i : at) {
    switch (i.kind()) {
      case Index::Kind::ellipsis: whole(shape.rank() - consumed); break;
      case Index::Kind::new_axis:
        plan.shape.push_back(1);
        plan.reshapes = true;
        break;
      case Index::Kind::slice: {
        const int64_t left = add_slice(plan, i.slice(), axis, shape[axis]);
        plan.shape.push_back(left);
        ++axis;
        break;
      }
      case Index::Kind::number: {
        const int64_t extent = shape[axis], n = i.number() < 0 ? i.number() + extent : i.number();
        if (n < 0 || n >= extent) {
          throw Error(Code::shape,
                      fmt::format("index: {} is out of range for dimension {} of size {}", i.number(), axis, extent),
                      {}, fmt::format("the tensor has shape {}", shape.str()));
        }
        if (extent != 1) add_slice(plan, Slice{n, n + 1, 1}, axis, extent);
        plan.reshapes = true;
        ++axis;
        break;
      }
    }
  }
  whole(shape.rank() - axis);
  return plan;
}

}  // namespace

Tensor Tensor::index(std::span<const Index> at) const {
  const Plan plan = make_plan(shape(), at);
  Tensor result = *this;
  if (!plan.axes.empty()) result = chorus::slice(result, plan.starts, plan.ends, plan.axes, plan.steps);
  return plan.reshapes ? reshape(result, plan.shape, 1) : result;
}
Tensor Tensor::index(std::initializer_list<Index> at) const {
  return index(std::span<const Index>(at.begin(), at.size()));
}
Tensor Tensor::operator[](const Index& at) const { return index({at}); }
Tensor Tensor::operator[](std::initializer_list<Index> at) const { return index(at); }
Tensor index(const Tensor& tensor, std::initializer_list<Index> at) { return tensor.index(at); }

}  // namespace chorus
