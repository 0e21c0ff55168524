// Losses over classes.
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/rules.h>
#include <ops/table.h>
#include <fmt/format.h>

namespace chorus {
namespace {

/// scores [N, C, d...], labels [N, d...], weights [C].
void check_classes(ShapeContext& ctx) {
  const Type &x = rules::tensor_input(ctx, 0), &labels = rules::tensor_input(ctx, 1);
  rules::require_rank_at_least(ctx, 0, 2);
  const std::string_view r = ctx.attrs().string("reduction", "mean");
  if (r != "none" && r != "mean" && r != "sum")
    ctx.fail(Code::bad_input, fmt::format("reduction '{}' does not exist", r), "use none, mean or sum");
  if (!x.has_rank) return;
  rules::require_rank(ctx, 1, x.rank() - 1);
  for (size_t i = 0; labels.has_rank && i < labels.dims.size(); ++i) {
    ctx.require_equal(x.dims[i == 0 ? 0 : i + 1], labels.dims[i], "extents of scores and labels");
  }
  if (ctx.has_input(2)) {
    rules::require_rank(ctx, 2, 1);
    if (ctx.input(2).has_rank) ctx.require_equal(x.dims[1], ctx.input(2).dims[0], "number of classes and of weights");
  }
}

void infer_loss(ShapeContext& ctx) {
  check_classes(ctx);
  const Type& x = ctx.input(0);
  if (ctx.attrs().string("reduction", "mean") != "none") {
    ctx.set_output(0, Type::tensor(x.dtype, Dims{}));
  } else if (ctx.input(1).has_rank) {
    ctx.set_output(0, Type::tensor(x.dtype, ctx.input(1).dims));
  } else {
    ctx.set_output(0, Type::tensor(x.dtype));
  }
  if (ctx.has_output(1)) ctx.set_output(1, x);
}

Expansion log_softmax_and_likelihood(OpBuilder& b) {
  const Ref logs = b.op("LogSoftmax", {b.in(0)}, {{"axis", 1}});
  const Ref loss =
      b.op("NegativeLogLikelihoodLoss", {logs, b.in(1), b.has_input(2) ? b.in(2) : Ref{}}, b.attrs().all());
  if (b.outputs() < 2) return loss;
  return Expansion(std::vector<Ref>{loss, logs});
}

Cost cost_softmax_loss(const CostContext& ctx) {
  Cost c = rules::cost_traffic(ctx);
  c.flops = 4 * ctx.count(false, 0);
  c.transcendental = ctx.count(false, 0);
  return c;
}

constexpr Version kNegativeLogLikelihoodLoss[] = {
    {12,
     "(T input, Tind target, T? weight) -> (T loss) {ignore_index: int, reduction: string = 'mean'}; T = ieee; Tind = "
     "i32 i64"},
    {13,
     "(T input, Tind target, T? weight) -> (T loss) {ignore_index: int, reduction: string = 'mean'}; T = ieee; Tind = "
     "i32 i64"},
    {22,
     "(T input, Tind target, T? weight) -> (T loss) {ignore_index: int, reduction: string = 'mean'}; T = floats; Tind "
     "= i32 i64"},
};
constexpr Version kSoftmaxCrossEntropyLoss[] = {
    {12,
     "(T scores, Tind labels, T? weights) -> (T output, T? log_prob) {ignore_index: int, reduction: string = 'mean'}; "
     "T = ieee; Tind = i32 i64"},
    {13,
     "(T scores, Tind labels, T? weights) -> (T output, T? log_prob) {ignore_index: int, reduction: string = 'mean'}; "
     "T = floats; Tind = i32 i64"},
};

constexpr OpDef kTable[] = {
    row({.name = "NegativeLogLikelihoodLoss",
         .api = {"negative_log_likelihood_loss"},
         .versions = kNegativeLogLikelihoodLoss,
         .infer = infer_loss,
         .meaning = Primitive{"a choice per sample and a weighted mean"},
         .cost = rules::cost_traffic,
         .accumulate = Accumulate::float32,
         .ulp = 4,
         .grid = "f32[3,5] i64{1,0,4}; f32[3,5] i64{1,0,4} f32[5]@0..1; f32[2,3,2] i64{2,2:0,2,1,1} reduction='none'; "
                 "f32[2,3,2] i32{2,2:0,2,1,1} f32[3]@0..1 reduction='sum'; f32[3,5] i64{1,-1,4} ignore_index=-1; "
                 "f32[3,5] i64{1,2,4} f32[5]@0..1 ignore_index=2 reduction='mean'; f16[2,3] i64{0,1}",
         .doc = "-input[n, target[n, d...], d...] * weight[target], 0 where target equals ignore_index. input [N, C, "
                "d...] log probabilities, target [N, d...]. reduction: none; sum; mean: the sum over the sum of the "
                "weights of the targets that count (1 each without weight)."}),
    row({.name = "SoftmaxCrossEntropyLoss",
         .api = {"softmax_cross_entropy_loss"},
         .versions = kSoftmaxCrossEntropyLoss,
         .infer = infer_loss,
         .meaning = Decompose{log_softmax_and_likelihood},
         .cost = cost_softmax_loss,
         .accumulate = Accumulate::float32,
         .ulp = 8,
         .grid = "f32[3,5] i64{1,0,4}; f32[3,5] i64{1,0,4} f32[5]@0..1 out=2; f32[2,3,2] i64{2,2:0,2,1,1} "
                 "reduction='none' out=2; f32[3,5] i64{1,-1,4} ignore_index=-1 reduction='sum'; f64[3,5] i32{1,2,4} "
                 "f64[5]@0..1 ignore_index=2; bf16[2,3] i64{0,1}",
         .doc = "The negative log likelihood of log(softmax(scores)) over axis 1: scores [N, C, d...], labels [N, "
                "d...], weights [C]; log_prob [N, C, d...] are the logarithms. reduction and ignore_index as in "
                "NegativeLogLikelihoodLoss."}),
};

}  // namespace

std::span<const OpDef> families::loss_ops() {
  static constexpr auto kAll = gradients::differentiable(kTable, gradients::kLoss);
  return chosen<kAll>();
}

}  // namespace chorus
