// Recurrent cells by the fast kernels, and what is left to the reference.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "step_case.h"

namespace chorus::testing {
namespace {

/// Numbers small enough that a long sequence does not magnify roundings.
Value small(Dice& dice, const Shape& shape, double scale) {
  const Value wide = dice.floats(shape);
  std::vector<float> v(wide.as<float>().begin(), wide.as<float>().end());
  for (float& x : v) x *= static_cast<float>(scale);
  return Value::of<float>(shape, std::span<const float>(v));
}

struct CellCase {
  std::string_view op = "LSTM";
  int64_t gates = 4, steps = 5, batch = 2, input = 3, hidden = 4;
  std::string direction = "forward";
  bool layout = false, bias = true, lengths = false, states = false, after = false;
  Attributes more;
};

struct Built {
  GraphCase graph;
  std::vector<Value> inputs;
};

Dims numbers(const Shape& s) { return Dims(s.begin(), s.end()); }

Built build(const CellCase& k, Dice& dice) {
  Built b;
  const int64_t d = k.direction == "bidirectional" ? 2 : 1, rows = k.gates * k.hidden;
  const double scale = 1 / std::sqrt(static_cast<double>(k.hidden + k.input));
  const Shape x = k.layout ? Shape{k.batch, k.steps, k.input} : Shape{k.steps, k.batch, k.input};
  const Shape state = k.layout ? Shape{k.batch, d, k.hidden} : Shape{d, k.batch, k.hidden};
  const auto input = [&](const char* name, Value value) {
    const ValueId id = b.graph.in(name, numbers(value.shape()), value.dtype());
    b.inputs.push_back(std::move(value));
    return id;
  };
  std::vector<ValueId> operands{input("x", dice.floats(x)),
                                b.graph.constant(small(dice, Shape{d, rows, k.input}, scale)),
                                b.graph.constant(small(dice, Shape{d, rows, k.hidden}, scale)),
                                k.bias ? b.graph.constant(small(dice, Shape{d, 2 * rows}, 0.3)) : kNone, kNone};
  if (k.lengths) {
    std::vector<int32_t> lengths;
    for (int64_t i = 0; i < k.batch; ++i) lengths.push_back(static_cast<int32_t>(dice.roll(0, k.steps)));
    operands[4] = input("lengths", Value::of<int32_t>(Shape{k.batch}, std::span<const int32_t>(lengths)));
  }
  if (k.states) {
    operands.push_back(input("h", small(dice, state, 0.5)));
    if (k.op == "LSTM") operands.push_back(input("c", small(dice, state, 0.5)));
  }
  Attributes attributes = k.more;
  attributes.set("hidden_size", k.hidden);
  attributes.set("direction", k.direction);
  attributes.set("layout", int64_t{k.layout});
  if (k.op == "GRU") attributes.set("linear_before_reset", int64_t{k.after});
  const int outputs = k.op == "LSTM" ? 3 : 2;
  const ValueId y = b.graph.op(k.op, operands, attributes, outputs);
  for (int o = 0; o < outputs; ++o) b.graph.out(b.graph.other(y, o), "y" + std::to_string(o));
  return b;
}

void expect_cell(const CellCase& k, Dice& dice, std::string_view kernel) {
  const Built b = build(k, dice);
  expect_steps(b.graph, b.inputs, 1e-5, kernel,
               std::string(k.op) + " " + k.direction + " steps " + std::to_string(k.steps) + " batch " +
                   std::to_string(k.batch) + " input " + std::to_string(k.input) + " hidden " +
                   std::to_string(k.hidden));
}

TEST(RecurrentSteps, CellsOfAnySize) {
  Dice dice(71);
  for (int i = 0; i < 60; ++i) {
    CellCase k;
    k.op = i % 3 == 0 ? "LSTM" : i % 3 == 1 ? "GRU" : "RNN";
    k.gates = i % 3 == 0 ? 4 : i % 3 == 1 ? 3 : 1;
    k.steps = dice.roll(1, 9);
    k.batch = dice.roll(1, 8);
    k.input = dice.roll(1, 20);
    k.hidden = dice.roll(1, i % 5 == 0 ? 70 : 34);
    const char* directions[] = {"forward", "reverse", "bidirectional"};
    k.direction = directions[dice.roll(0, 2)];
    k.layout = dice.coin(), k.bias = dice.coin(), k.lengths = dice.coin(), k.states = dice.coin(),
    k.after = dice.coin();
    ASSERT_NO_FATAL_FAILURE(expect_cell(k, dice, k.op == "LSTM" ? "lstm." : k.op == "GRU" ? "gru." : "rnn."));
  }
}

TEST(RecurrentSteps, ALongSequence) {
  Dice dice(72);
  CellCase k;
  k.steps = 200, k.batch = 1, k.input = 24, k.hidden = 40, k.direction = "bidirectional";
  expect_cell(k, dice, "lstm.");
}

TEST(RecurrentSteps, RelusInsteadOfTangents) {
  Dice dice(73);
  CellCase k;
  k.op = "RNN", k.gates = 1;
  k.more.set("activations", std::vector<std::string>{"Relu"});
  expect_cell(k, dice, "rnn.");
}

TEST(RecurrentSteps, OtherFunctionsAndLimitsAreLeftToTheReference) {
  Dice dice(74);
  CellCase k;
  k.more.set("clip", 0.5F);
  expect_cell(k, dice, "reference");
  k.more = {};
  k.more.set("activations", std::vector<std::string>{"HardSigmoid", "Tanh", "Tanh"});
  expect_cell(k, dice, "reference");
  k.more = {};
  k.more.set("input_forget", int64_t{1});
  expect_cell(k, dice, "reference");
}

TEST(RecurrentSteps, ALengthBeyondTheStepsIsRefused) {
  Dice dice(75);
  CellCase k;
  k.lengths = true;
  const Built b = build(k, dice);
  std::vector<Value> inputs = b.inputs;
  const int32_t lengths[] = {2, 6};
  inputs[1] = Value::of<int32_t>(Shape{2}, std::span<const int32_t>(lengths));
  const auto instance = compile_steps(b.graph.graph)->instance();
  std::vector<Value> outputs(3);
  try {
    instance->run(inputs, outputs, {});
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("6 at position 1 is not in [0, 5]"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace chorus::testing
