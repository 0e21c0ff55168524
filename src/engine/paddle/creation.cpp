// Tensors from numbers and shapes.
#include "table.h"

#include <cmath>

namespace chorus_paddle {
namespace {

void constant(Call& c) {
  for (uint32_t a = 0; a < c.node().n_attributes; ++a) {
    const ch_attribute& attribute = *c.node().attributes[a];
    const std::string_view name = view(attribute.name);
    if (name == "value") return c.out(0, view_of(*attribute.tensors[0]));
    if (name == "value_int") return c.out(0, scalar_long(attribute.i));
    if (name == "value_float") return c.out(0, copy_of(kFloat, {}, &attribute.f));
    if (name == "value_ints") return c.out(0, of_ints({attribute.ints, attribute.ints + attribute.count}));
    if (name == "value_floats") {
      return c.out(0, copy_of(kFloat, {static_cast<int64_t>(attribute.count)}, attribute.floats));
    }
  }
  c.fail(CH_UNSUPPORTED, "PaddlePaddle has no constant of this kind");
}

std::string constant_refusal(const Node& node) {
  for (const char* name : {"value_string", "value_strings", "sparse_value"}) {
    if (node.given(name)) return std::string("PaddlePaddle has no constant of the kind ") + name;
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
  c.out(0, of_ints(dims));
}

void size(Call& c) { c.out(0, scalar_long(c.in(0).numel())); }

void constant_of_shape(Call& c) {
  const Ints dims = c.ints(0);
  const ch_attribute* value = attribute(c.node(), "value");
  const Tensor one = value == nullptr ? zeros({1}, kFloat) : view_of(*value->tensors[0]);
  c.room(dims, one.type());
  c.out(0, one.reshape({}).expand(dims).copy());
}

void eye_like(Call& c) {
  const Tensor x = c.in(0);
  c.require(x.dim() == 2, "the input must have two axes");
  const Type type = c.given("dtype") ? to_paddle(static_cast<int>(c.i("dtype", 1))) : x.type();
  const int64_t k = c.i("k", 0);
  const Tensor row = arange(x.size(0)).unsqueeze(1), column = arange(x.size(1));
  c.out(0, eq(column, add(row, static_cast<double>(k))).to(type));
}

void range(Call& c) {
  const Tensor start = c.in(0), delta = c.in(2);
  const double first = c.number(0, 0), limit = c.number(1, 0), step = c.number(2, 1);
  c.require(step != 0 && std::isfinite(step) && std::isfinite(first) && std::isfinite(limit),
            "the numbers make no range");
  const double count = std::max(0.0, std::ceil((limit - first) / step));
  c.require(count < 0x1p62, "the range is too long");
  const auto n = static_cast<int64_t>(count);
  c.room({n}, start.type());
  const Type wide = is_float(start.type()) ? kDouble : kLong;
  c.out(0, add(mul(arange(n).to(wide), delta.to(wide).reshape({})), start.to(wide).reshape({})));
}

constexpr Row kRows[] = {
    {"Constant", constant, kAll, "(memory)", {}, constant_refusal},
    {"Shape", shape, kAll, "(shape)"},
    {"Size", size, kAll, "(shape)"},
    {"ConstantOfShape", constant_of_shape, kAll, "expand"},
    {"EyeLike", eye_like, kAll, "eq", "eye has no other diagonals"},
    {"Range", range, kNumbers, "multiply, add"},
};

}  // namespace

std::span<const Row> creation_rows() { return kRows; }

}  // namespace chorus_paddle
