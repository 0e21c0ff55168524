// Tensors from numbers and shapes.
#include "table.h"

#include <cmath>

namespace chorus_torch {
namespace {

Tensor host_ints(const Ints& values) { return at::tensor(values, at::TensorOptions(at::kLong)); }

void constant(Call& c) {
  for (uint32_t a = 0; a < c.node().n_attributes; ++a) {
    const ch_attribute& attribute = *c.node().attributes[a];
    const std::string_view name = view(attribute.name);
    if (name == "value") return c.out(0, view_of(*attribute.tensors[0]));
    if (name == "value_int") return c.out(0, at::scalar_tensor(attribute.i, at::TensorOptions(at::kLong)));
    if (name == "value_float") return c.out(0, at::scalar_tensor(attribute.f, at::TensorOptions(at::kFloat)));
    if (name == "value_ints") return c.out(0, host_ints({attribute.ints, attribute.ints + attribute.count}));
    if (name == "value_floats") {
      const std::vector<float> values(attribute.floats, attribute.floats + attribute.count);
      return c.out(0, at::tensor(values, at::TensorOptions(at::kFloat)));
    }
  }
  c.fail(CH_UNSUPPORTED, "PyTorch has no constant of this kind");
}

std::string constant_refusal(const Node& node) {
  for (const char* name : {"value_string", "value_strings", "sparse_value"}) {
    if (node.given(name)) return std::string("PyTorch has no constant of the kind ") + name;
  }
  return {};
}

void shape(Call& c) {
  const Tensor x = c.in(0);
  const int64_t rank = x.dim();
  auto bound = [rank](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + rank : v, 0, rank); };
  const int64_t start = bound(c.i("start", 0)), end = bound(c.i("end", rank));
  Ints dims;
  for (int64_t d = start; d < end; ++d) dims.push_back(x.size(d));
  c.out(0, host_ints(dims));
}

void size(Call& c) { c.out(0, at::scalar_tensor(c.in(0).numel(), at::TensorOptions(at::kLong))); }

void constant_of_shape(Call& c) {
  const Ints dims = c.ints(0);
  const ch_attribute* value = attribute(c.node(), "value");
  const Tensor one = value == nullptr ? at::zeros({1}, at::TensorOptions(at::kFloat)) : view_of(*value->tensors[0]);
  c.room(dims, one.scalar_type());
  c.out(0, one.reshape(Ints{}).expand(dims).clone(at::MemoryFormat::Contiguous));
}

void eye_like(Call& c) {
  const Tensor x = c.in(0);
  c.require(x.dim() == 2, "the input must have two axes");
  const ScalarType type = c.given("dtype") ? to_torch(static_cast<int>(c.i("dtype", 1))) : x.scalar_type();
  const int64_t k = c.i("k", 0);
  const Tensor row = at::arange(x.size(0), at::TensorOptions(at::kLong)).unsqueeze(1),
               column = at::arange(x.size(1), at::TensorOptions(at::kLong));
  c.out(0, at::eq(column, at::add(row, k)).to(type));
}

void range(Call& c) {
  const Tensor start = c.in(0), delta = c.in(2);
  const double first = c.number(0, 0), limit = c.number(1, 0), step = c.number(2, 1);
  c.require(step != 0 && std::isfinite(step) && std::isfinite(first) && std::isfinite(limit),
            "the numbers make no range");
  const double count = std::max(0.0, std::ceil((limit - first) / step));
  c.require(count < 0x1p62, "the range is too long");
  const auto n = static_cast<int64_t>(count);
  c.room({n}, start.scalar_type());
  const Tensor places =
      at::arange(n, at::TensorOptions(at::isFloatingType(start.scalar_type()) ? at::kDouble : at::kLong));
  const ScalarType wide = places.scalar_type();
  c.out(
      0,
      at::add(at::mul(places, delta.to(wide).reshape(Ints{})), start.to(wide).reshape(Ints{})).to(start.scalar_type()));
}

constexpr Row kRows[] = {
    {"Constant", constant, kAll, "tensor", {}, constant_refusal},
    {"Shape", shape, kAll, "sizes"},
    {"Size", size, kAll, "numel"},
    {"ConstantOfShape", constant_of_shape, kAll, "expand"},
    {"EyeLike", eye_like, kAll, "eq", "eye has no other diagonals"},
    {"Range", range, kNumbers, "arange", "the length depends on rounding there: counted in float64"},
};

}  // namespace

std::span<const Row> creation_rows() { return kRows; }

}  // namespace chorus_torch
