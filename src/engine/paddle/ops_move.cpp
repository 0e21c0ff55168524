// What only moves elements, for every type: where PaddlePaddle has no kernel for one, its bits travel as whole numbers.
#include <paddle/phi/core/kernel_factory.h>

#include <algorithm>

#include "ops.h"

namespace chorus_paddle {
namespace api = paddle::experimental;

Types kernel_types(const char* kernel) {
  Types types = 0;
  const auto& all = phi::KernelFactory::Instance().kernels();
  const auto found = all.find(kernel);
  if (found == all.end()) return 0;
  for (const auto& [key, unused] : found->second) {
    if (key.backend() == phi::Backend::CPU) types |= type_bit(key.dtype());
  }
  return types;
}

namespace {

// How elements of a type pass through a kernel that may lack it.
class Passage {
 public:
  Passage(Types have, Type own) : own_(own), as_(own), wide_(own) {
    if ((have & type_bit(own)) != 0) return;
    const size_t bytes = bytes_of(own);
    as_ = bytes == 16 ? Type::COMPLEX128 : bytes == 8 ? kLong : bytes == 4 ? kInt : bytes == 2 ? kShort : kByte;
    if (bytes == 1 && (have & type_bit(kByte)) == 0 && (have & type_bit(kChar)) != 0) as_ = kChar;
    wide_ = bytes < 4 && (have & type_bit(as_)) == 0 ? kInt : as_;
  }
  Tensor in(const Tensor& x) const { return x.reinterpret(as_).to(wide_); }
  Tensor out(const Tensor& y) const { return y.to(as_).reinterpret(own_); }

 private:
  Type own_, as_, wide_;
};

template <class F>
Tensor moved(Types have, const Tensor& x, F&& call) {
  const Passage passage(have, x.type());
  return passage.out(call(passage.in(x)));
}

int64_t at_axis(int64_t axis, int64_t rank) { return axis < 0 ? axis + rank : axis; }

Ints with(Ints shape, int64_t axis, int64_t extent) {
  shape[static_cast<size_t>(axis)] = extent;
  return shape;
}

}  // namespace

Tensor Tensor::expand(const Ints& shape) const {
  if (sizes() == shape) return *this;
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return fresh(shape, type());
  static const Types have = kernel_types("expand");
  return moved(have, *this, [&](const Tensor& x) { return api::expand(x, phi::IntArray(shape)); });
}

Tensor Tensor::slice(int64_t axis, int64_t begin, int64_t end, int64_t step) const {
  const int64_t a = at_axis(axis, dim()), n = size(a);
  if (begin < 0 || end > n || begin > end) throw Failure(CH_BAD_INPUT, "a range lies outside of its axis");
  if (begin == 0 && end == n && step == 1) return *this;
  const int64_t count = (end - begin + step - 1) / step;
  if (count == 0 || numel() == 0) return fresh(with(sizes(), a, count), type());
  static const Types have = kernel_types("slice"), strided = kernel_types("strided_slice");
  if (step == 1) {
    return moved(have, *this, [&](const Tensor& x) {
      return api::slice(x, {a}, phi::IntArray({begin}), phi::IntArray({end}), {1}, {});
    });
  }
  return moved(strided, *this, [&](const Tensor& x) {
    return api::strided_slice(x, {static_cast<int>(a)}, phi::IntArray({begin}), phi::IntArray({end}),
                              phi::IntArray({std::min(step, n)}));
  });
}

Tensor Tensor::index_select(int64_t axis, const Tensor& places) const {
  const int64_t a = at_axis(axis, dim());
  if (numel() == 0 || places.numel() == 0) {
    const Ints shape = with(sizes(), a, places.numel());
    if (size(a) == 0 && places.numel() > 0) throw Failure(CH_BAD_INPUT, "a place lies outside of an empty axis");
    return fresh(shape, type());
  }
  static const Types have = kernel_types("index_select");
  return moved(have, *this, [&](const Tensor& x) { return api::index_select(x, places, static_cast<int>(a)); });
}

Tensor where(const Tensor& condition, const Tensor& x, const Tensor& y) {
  const Ints shape = broadcast_shape(condition.sizes(), broadcast_shape(x.sizes(), y.sizes()));
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return fresh(shape, x.type());
  static const Types have = kernel_types("where");
  const Passage passage(have, x.type());
  return passage.out(api::where(condition.expand(shape), passage.in(x).expand(shape), passage.in(y).expand(shape)));
}
Tensor where(const Tensor& condition, double x, const Tensor& y) { return where(condition, scalar(x, y.type()), y); }
Tensor where(const Tensor& condition, const Tensor& x, double y) { return where(condition, x, scalar(y, x.type())); }

Tensor concat(const Tensors& parts, int64_t axis) {
  if (parts.empty()) throw Failure(CH_BAD_INPUT, "there is nothing to join");
  const Type type = parts[0].type();
  static const Types have = kernel_types("concat");
  const Passage passage(have, type);
  std::vector<paddle::Tensor> list;
  Ints shape = parts[0].sizes();
  const auto a = static_cast<size_t>(at_axis(axis, parts[0].dim()));
  shape.at(a) = 0;
  for (const Tensor& t : parts) {
    if (t.dim() != parts[0].dim() || t.type() != type) throw Failure(CH_BAD_INPUT, "the parts differ in rank or type");
    for (size_t d = 0; d < shape.size(); ++d) {
      if (d != a && t.sizes()[d] != shape[d]) throw Failure(CH_BAD_INPUT, "the parts differ in another axis");
    }
    shape[a] += t.sizes()[a];
    if (t.numel() > 0) list.push_back(passage.in(t));
  }
  if (list.empty()) return fresh(shape, type);
  if (list.size() == 1) return passage.out(list[0]);
  return passage.out(api::concat(list, static_cast<int64_t>(a)));
}

Tensor stack(const Tensors& parts, int64_t axis) {
  Tensors list;
  for (const Tensor& t : parts) list.push_back(t.unsqueeze(axis));
  return concat(list, axis);
}

Tensor flip(const Tensor& x, int64_t axis) {
  if (x.numel() == 0 || x.dim() == 0) return x;
  static const Types have = kernel_types("flip");
  return moved(have, x, [&](const Tensor& t) { return api::flip(t, {static_cast<int>(at_axis(axis, x.dim()))}); });
}

Tensor repeat(const Tensor& x, const Ints& times) {
  Ints shape = x.sizes();
  for (size_t d = 0; d < shape.size(); ++d) shape[d] *= times.at(d);
  if (shape == x.sizes()) return x;
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return fresh(shape, x.type());
  static const Types have = kernel_types("tile");
  return moved(have, x, [&](const Tensor& t) { return api::tile(t, phi::IntArray(times)); });
}

Tensor repeat_each(const Tensor& x, int64_t times, int64_t axis) {
  const int64_t a = at_axis(axis, x.dim());
  Ints shape = x.sizes(), wide = shape;
  wide.insert(wide.begin() + a + 1, times);
  shape[static_cast<size_t>(a)] *= times;
  return x.unsqueeze(a + 1).expand(wide).reshape(shape);
}

Tensor pad(const Tensor& given, const Ints& before, const Ints& after, const Tensor& value) {
  Tensor x = given;
  std::vector<int> pads;
  Ints shape;
  for (size_t d = 0; d < before.size(); ++d) {
    const auto axis = static_cast<int64_t>(d);
    const int64_t n = x.size(axis), cut = std::max<int64_t>(0, -before[d]), less = std::max<int64_t>(0, -after[d]);
    if (cut > n || less > n - cut) {  // what is cut away goes into the padding of the other side
      if (n + before[d] + after[d] < 0) throw Failure(CH_BAD_INPUT, "a negative pad takes away more than there is");
      x = x.slice(axis, 0, 0);
      pads.push_back(0);
      pads.push_back(static_cast<int>(n + before[d] + after[d]));
    } else {
      x = x.slice(axis, cut, n - less);
      pads.push_back(static_cast<int>(std::max<int64_t>(0, before[d])));
      pads.push_back(static_cast<int>(std::max<int64_t>(0, after[d])));
    }
    shape.push_back(x.size(axis) + pads[2 * d] + pads[2 * d + 1]);
  }
  if (shape == x.sizes()) return x;
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return fresh(shape, x.type());
  if (x.numel() == 0) return value.reshape({}).expand(shape);
  if (shape.size() > 6) throw Failure(CH_UNSUPPORTED, "PaddlePaddle pads at most six axes");
  static const Types have = kernel_types("pad");
  const Passage passage(have, x.type());
  const Tensor plain = passage.in(value.reshape({}));
  const phi::Scalar fill = plain.type() == kLong ? phi::Scalar(to_ints(plain)[0]) : phi::Scalar(to_number(plain));
  return passage.out(api::pad(passage.in(x), pads, fill));
}
Tensor pad(const Tensor& x, const Ints& before, const Ints& after, double value) {
  return pad(x, before, after, scalar(value, x.type()));
}

namespace {

void check_places(const Tensor& places, int64_t n) {
  for (int64_t at : to_ints(places)) {
    if (at < 0 || at >= n) throw Failure(CH_BAD_INPUT, "a place lies outside of its axis");
  }
}

}  // namespace

Tensor take_along(const Tensor& x, int64_t axis, const Tensor& places) {
  const int64_t a = at_axis(axis, x.dim());
  if (places.numel() == 0) return fresh(places.sizes(), x.type());
  if (x.dim() != places.dim()) throw Failure(CH_BAD_INPUT, "the places have another rank");
  if (x.dim() == 0) return x;
  check_places(places, x.size(a));
  static const Types have = kernel_types("take_along_axis");
  return moved(have, x, [&](const Tensor& t) { return api::take_along_axis(t, places, static_cast<int>(a)); });
}

Tensor put_along(const Tensor& x, int64_t axis, const Tensor& places, const Tensor& updates, const char* how) {
  const int64_t a = at_axis(axis, x.dim());
  if (places.numel() == 0) return x;
  if (x.dim() != places.dim() || x.dim() == 0) throw Failure(CH_BAD_INPUT, "the places have another rank");
  check_places(places, x.size(a));
  static const Types have = kernel_types("put_along_axis");
  const Passage passage(have, x.type());
  return passage.out(api::put_along_axis(passage.in(x), places, passage.in(updates), static_cast<int>(a), how, true));
}

Tensor nonzero(const Tensor& x) {
  if (x.numel() == 0) return fresh({0, x.dim()}, kLong);
  return api::nonzero(x.type() == kBool || x.type() == kFloat || x.type() == kLong ? x : Tensor(x.to(kDouble)));
}

}  // namespace chorus_paddle
