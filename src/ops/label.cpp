#include <ops/label.h>
#include <ops/rules.h>

#include <fmt/format.h>

#include <algorithm>

namespace chorus::ml {

Table read_table(ShapeContext& ctx, int i) {
  const Type& x = rules::tensor_input(ctx, i);
  if (!x.has_rank) return {ctx.fresh(), Dim::unknown()};
  if (x.rank() != 1 && x.rank() != 2)
    ctx.fail(Code::shape, fmt::format("operand {} has shape {}, [N, C] or [C] is needed", i, x.str()));
  const Dim rows = x.rank() == 1 ? Dim(1) : x.dims[0];
  return {rows.is_unknown() ? ctx.fresh() : rows, x.dims.back()};
}

void require_post_transform(const NodeContext& ctx) {
  static constexpr std::string_view kKnown[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
  const std::string_view name = ctx.attrs().string("post_transform");
  if (std::find(std::begin(kKnown), std::end(kKnown), name) == std::end(kKnown)) {
    ctx.fail(Code::bad_input, fmt::format("post_transform '{}' does not exist", name),
             "use NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT");
  }
}

int64_t require_label_sets(const NodeContext& ctx, std::string_view integers, std::string_view strings) {
  const size_t numbers = ctx.attrs().integers(integers).size(), texts = ctx.attrs().strings(strings).size();
  if ((numbers > 0) == (texts > 0)) {
    ctx.fail(Code::bad_input, fmt::format("{} has {} members, {} {}", integers, numbers, strings, texts),
             "give exactly one of the two");
  }
  return static_cast<int64_t>(std::max(numbers, texts));
}

DType label_type(const NodeContext& ctx, std::string_view strings) {
  return ctx.attrs().strings(strings).empty() ? DType::int64 : DType::string;
}

Labels read_labels(const NodeContext& ctx, std::string_view stem) {
  const AttrReader& a = ctx.attrs();
  Labels found;
  int sets = 0;
  const auto take = [&](DType type, size_t n) {
    if (n == 0) return;
    found = {type, static_cast<int64_t>(n)};
    ++sets;
  };
  take(DType::string, a.strings(fmt::format("{}_strings", stem)).size());
  take(DType::int64, a.integers(fmt::format("{}_int64s", stem)).size());
  take(DType::float32, a.reals(fmt::format("{}_floats", stem)).size());
  if (const Value* t = a.tensor(fmt::format("{}_tensor", stem)); t != nullptr) {
    take(t->dtype(), static_cast<size_t>(t->numel()));
  }
  if (sets != 1) {
    ctx.fail(Code::bad_input, fmt::format("{} of the attributes {}_* have members", sets, stem),
             fmt::format("give exactly one of {0}_strings, {0}_int64s, {0}_floats, {0}_tensor", stem));
  }
  return found;
}

}  // namespace chorus::ml
