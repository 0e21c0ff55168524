// Losses over classes.
#include <array>

#include "table.h"

namespace chorus_mindspore {
namespace {

// -w[target] x[target] for logarithms x [N, C, …], summed as the node asks; targets equal to ignore_index count nothing.
void weigh(Call& c, const Tensor& x, size_t target_operand, size_t weight_operand) {
  const Tensor target = c.cast(c.in(target_operand), kInt64);
  const int64_t classes = x.dim(1);
  Ints list = to_ints(target);
  const int64_t ignored = c.i("ignore_index", 0);
  const bool ignores = c.given("ignore_index");
  std::vector<uint8_t> counts(list.size(), 1);
  for (size_t k = 0; k < list.size(); ++k) {
    if (ignores && list[k] == ignored) {
      counts[k] = 0;
      list[k] = 0;
      continue;
    }
    if (list[k] < 0 || list[k] >= classes)
      c.fail(CH_BAD_INPUT,
             "class " + std::to_string(list[k]) + " is out of range for " + std::to_string(classes) + " classes");
  }
  const Tensor at = copy_of(kInt64, target.dims(), list.data());
  const Tensor kept = c.cast(copy_of(kBool, target.dims(), counts.data()), x.type());
  Ints order = {0};
  for (int64_t d = 2; d < x.rank(); ++d) order.push_back(d);
  order.push_back(1);
  const Tensor last = x.rank() == 2 ? x : c.transpose(x, order);
  const int64_t rows = target.count();
  const Tensor flat = c.reshape(last, {rows, classes});
  const Tensor chosen =
      c.reshape(c.op("GatherD").in(flat).i(1).in(c.reshape(at, {rows, 1})).one(flat.type(), {rows, 1}), target.dims());
  Tensor weight = kept;
  if (c.has(weight_operand)) {
    const Tensor of_classes = c.gather(c.cast(c.in(weight_operand), x.type()), at, 0);
    weight = c.bin("Mul", of_classes, kept);
  }
  const Tensor loss = c.un("Neg", c.bin("Mul", chosen, weight));
  const std::string_view how = c.s("reduction", "mean");
  if (how == "none") return c.out(0, loss);
  Ints all;
  for (int64_t d = 0; d < loss.rank(); ++d) all.push_back(d);
  const Tensor sum = c.reduce("ReduceSum", loss, all, false);
  c.out(0, how == "sum" ? sum : c.bin("Div", sum, c.reduce("ReduceSum", weight, all, false)));
}

void negative_likelihood(Call& c) {
  c.require(c.in(0).rank() >= 2, "the scores have no axis of classes");
  weigh(c, c.in(0), 1, 2);
}

// Over the last axis.
Tensor log_softmax(Call& c, const Tensor& x) { return c.op("LogSoftmax").in(x).i(-1).one(x.type(), x.dims()); }

void cross_entropy(Call& c) {
  const Tensor x = c.in(0);
  c.require(x.rank() >= 2, "the scores have no axis of classes");
  Ints last = {0}, first = {0, x.rank() - 1};
  for (int64_t d = 2; d < x.rank(); ++d) last.push_back(d), first.push_back(d - 1);
  last.push_back(1);
  const Tensor logs = x.rank() == 2 ? log_softmax(c, x) : c.transpose(log_softmax(c, c.transpose(x, last)), first);
  weigh(c, logs, 1, 2);
  c.out(1, logs);
}

constexpr std::array kRows = std::to_array<Row>({
    {"NegativeLogLikelihoodLoss", negative_likelihood, "Mul,Neg,ReduceSum,Div",
     "classes are gathered: NLLLoss takes float32 of two axes", Widen::sums},
    {"SoftmaxCrossEntropyLoss", cross_entropy, "Mul,Neg,ReduceSum,Div,LogSoftmax",
     "as NegativeLogLikelihoodLoss after LogSoftmax", Widen::sums},
});

}  // namespace

std::span<const Row> loss_rows() { return kRows; }

}  // namespace chorus_mindspore
