// expand_gradient: Gradient nodes (ai.onnx.preview.training) against derivatives worked out by hand.
#include "graph/graph_case.h"

namespace chorus {
namespace {
using testing::GraphCase;
using testing::make;
using testing::ops_of;

constexpr std::string_view kTraining = "ai.onnx.preview.training";
using Names = std::vector<std::string>;

ValueId gradient(GraphCase& c, std::vector<ValueId> at, Names xs, std::string y, Names zs = {}) {
  const int outputs = static_cast<int>(xs.size());
  Attributes attributes{{"xs", std::move(xs)}, {"y", std::move(y)}};
  if (!zs.empty()) attributes.set("zs", std::move(zs));
  return c.op("Gradient", std::move(at), std::move(attributes), outputs, 0, kTraining);
}

/// What the graph gives once its Gradient nodes are expanded.
std::vector<std::vector<double>> run(GraphCase& c, const std::vector<Value>& inputs) {
  PassContext context;
  EXPECT_GT(passes::expand_gradient(c.graph, context), 0);
  verify(c.graph);
  EXPECT_EQ(passes::expand_gradient(c.graph, context), 0);
  infer_types(c.graph);
  std::vector<std::vector<double>> results;
  for (const Value& value : testing::run_graph(c.graph, inputs)) {
    const std::span<const float> data = value.as<float>();
    results.emplace_back(data.begin(), data.end());
  }
  return results;
}

std::string refusal(GraphCase& c) {
  PassContext context;
  try {
    passes::expand_gradient(c.graph, context);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

using Rows = std::vector<std::vector<double>>;

TEST(ExpandGradient, OfAProductAndASum) {
  GraphCase c;
  const ValueId a = c.in("a", {2}), b = c.in("b", {2});
  const ValueId y = c.op("Add", {c.op("Mul", {a, b}), a});
  c.out(y, "y");
  const ValueId da = gradient(c, {a, b}, {"a", "b"}, "y");
  c.out(da, "da");
  c.out(c.other(da, 1), "db");
  const auto f = [](double x, double z) { return make(DType::float32, Shape{2}, {x, z}); };
  EXPECT_EQ(run(c, {f(2, 3), f(5, 7)}), (Rows{{12, 24}, {6, 8}, {2, 3}}));
}

TEST(ExpandGradient, IsAFunctionOfItsOperands) {
  GraphCase c;
  const ValueId x = c.in("x", {1}), z = c.in("z", {1}), at = c.in("at", {1});
  c.graph.rename(c.op("Mul", {c.op("Mul", {x, x}), z}), "inner");
  // d(x x z)/dx = 2 x z at x = at, z = x; y is needed by nothing else.
  c.out(gradient(c, {at, x}, {"x"}, "inner", {"z"}), "slope");
  const auto f = [](double v) { return make(DType::float32, Shape{1}, {v}); };
  EXPECT_EQ(run(c, {f(3), f(100), f(5)}), (Rows{{30}}));
}

TEST(ExpandGradient, TwiceGivesTheSecondDerivativeAndUnusedGivesZeros) {
  GraphCase c;
  const ValueId x = c.in("x", {2}), other = c.in("other", {2});
  c.graph.rename(c.op("Mul", {c.op("Mul", {x, x}), x}), "y");
  // Stands before the gradient that it differentiates: names, not edges, tie them.
  const ValueId second = gradient(c, {x, other}, {"x", "other"}, "y");
  c.graph.rename(second, "slope");
  c.out(c.other(second, 1), "nothing");
  c.out(gradient(c, {x}, {"x"}, "slope"), "curvature");
  const auto f = [](double a, double b) { return make(DType::float32, Shape{2}, {a, b}); };
  EXPECT_EQ(run(c, {f(2, -3), f(1, 1)}), (Rows{{0, 0}, {12, -18}}));
}

TEST(ExpandGradient, CutsAtTensorsBetweenNodes) {
  GraphCase c;
  const ValueId x = c.in("x", {1});
  const ValueId h = c.op("Mul", {x, x});
  c.graph.rename(h, "h");
  c.graph.rename(c.op("Mul", {h, x}), "y");
  // With respect to h and x as two free tensors: dy/dh = x, dy/dx = h, not 3 x x.
  const ValueId slope = gradient(c, {h, x}, {"h", "x"}, "y");
  c.out(slope, "dh");
  c.out(c.other(slope, 1), "dx");
  EXPECT_EQ(run(c, {make(DType::float32, Shape{1}, {3})}), (Rows{{3}, {9}}));
}

// A second draw is not the one that y was computed with.
TEST(ExpandGradient, RandomNumbersAreNotDrawnTwice) {
  GraphCase c;
  const ValueId x = c.in("x", {4}), p = c.constant(Value::scalar<float>(0.5f)),
                on = c.constant(Value::scalar<bool>(true));
  const ValueId dropped = c.op("Dropout", {c.op("Mul", {x, x}), p, on});
  c.graph.rename(dropped, "dropped");
  const ValueId y = c.op("Mul", {dropped, x});
  c.out(y, "y");
  GraphCase behind = c;
  c.out(gradient(c, {x}, {"x"}, "y"), "slope");
  EXPECT_NE(refusal(c).find("Dropout between its x and y has random numbers"), std::string::npos) << refusal(c);
  // Cut behind it, nothing is drawn again: dy/dx at this draw is what was dropped; and noise that x does not reach is shared.
  behind.out(gradient(behind, {x, behind.graph.find_value("dropped")}, {"x"}, "y", {"dropped"}), "slope");
  PassContext context;
  EXPECT_EQ(passes::expand_gradient(behind.graph, context), 1);
  EXPECT_EQ(ops_of(behind.graph).find("Dropout"), ops_of(behind.graph).rfind("Dropout")) << ops_of(behind.graph);
  GraphCase still;  // at inference nothing is drawn
  const ValueId s = still.in("s", {1});
  still.out(still.op("Mul", {still.op("Dropout", {s, still.constant(Value::scalar<float>(0.5f))}), s}), "t");
  still.out(gradient(still, {s}, {"s"}, "t"), "slope");
  EXPECT_EQ(run(still, {make(DType::float32, Shape{1}, {3})}), (Rows{{9}, {6}}));
  GraphCase noise;
  const ValueId z = noise.in("z", {4});
  const ValueId drawn = noise.op("RandomNormalLike", {noise.floats(Shape{4}, {0, 0, 0, 0})});
  noise.out(noise.op("Mul", {z, drawn}), "w");
  noise.out(gradient(noise, {z}, {"z"}, "w"), "slope");
  EXPECT_EQ(passes::expand_gradient(noise.graph, context), 1);
  EXPECT_EQ(ops_of(noise.graph).find("Random"), ops_of(noise.graph).rfind("Random")) << ops_of(noise.graph);
}

TEST(ExpandGradient, SaysWhatIsWrong) {
  GraphCase c;
  const ValueId x = c.in("x", {1});
  c.out(gradient(c, {x}, {"x"}, "nowhere"), "slope");
  EXPECT_NE(refusal(c).find("y \"nowhere\" is no tensor"), std::string::npos) << refusal(c);
  GraphCase of_itself;
  const ValueId z = of_itself.in("z", {1});
  of_itself.out(gradient(of_itself, {z}, {"z"}, "slope"), "slope");
  EXPECT_NE(refusal(of_itself).find("depends on its own gradient"), std::string::npos) << refusal(of_itself);
  GraphCase few;
  few.out(gradient(few, {few.in("w", {1})}, {"w"}, "w", {"w"}), "slope");
  EXPECT_NE(refusal(few).find("1 operands for 2 names"), std::string::npos) << refusal(few);
}

}  // namespace
}  // namespace chorus
