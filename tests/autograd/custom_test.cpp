// Operators that are registered at run time: gradients on tensors, from a plug-in, and the checks of a user's row.
#include <chorus/autograd.h>
#include <chorus/call.h>
#include <chorus/model.h>
#include <chorus/ops.h>
#include <ops/gradients/rules.h>
#include <ops/op_def.h>
#include <ops/table.h>

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

namespace chorus {
namespace {

using Tensors = std::vector<api::CustomTensor>;
using Numbers = api::CustomOp::Numbers;
using Extents = std::vector<std::vector<int64_t>>;

int64_t count(const api::CustomTensor& t) { return Shape(t.shape).numel(); }
template <class T>
const T* data(const api::CustomTensor& t) {
  return static_cast<const T*>(t.data);
}

/// y = a · b^power, z = the sum of y; b is broadcast when it has one element. `slope`: a factor on the gradient of a, 1 is right.
api::CustomOp product_op(const std::string& name, double slope = 1) {
  api::CustomOp op;
  op.domain = "my";
  op.name = name;
  op.signature = "(T a, T b, i64? note) -> (T y, T z) {power: int = 1}; T = f32 f64";
  op.shape = [](const Extents& inputs, const Numbers&) { return Extents{inputs[0], {}}; };
  op.doc = "a b^power and its sum.";
  op.cases = "f64[2,3] f64[2,3]@0.5..2 power=2; f64[3] f64[1]@1..2 i64{4} power=3; f32[0] f32[0]; f64[] f64[]@1..2";
  const auto each = [](const Tensors& in, const Numbers& number, auto&& use) {
    const double power = number("power");
    const int64_t n = count(in[0]), m = count(in[1]);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t k = m == 1 ? 0 : i;
      const bool wide = in[0].dtype == DType::float64;
      use(i, k, wide ? data<double>(in[0])[i] : data<float>(in[0])[i],
          wide ? data<double>(in[1])[k] : data<float>(in[1])[k], power);
    }
  };
  const auto store = [](void* to, DType type, int64_t i, double v) {
    if (type == DType::float64)
      static_cast<double*>(to)[i] += v;
    else
      static_cast<float*>(to)[i] += static_cast<float>(v);
  };
  op.compute = [=](const Tensors& in, Tensors& out, const Numbers& number) -> std::string {
    if (count(in[1]) != 1 && count(in[1]) != count(in[0])) return "b does not fit a";
    const DType type = in[0].dtype;
    const auto clear = [&](int o) {
      std::memset(out[static_cast<size_t>(o)].out, 0,
                  static_cast<size_t>(count(out[static_cast<size_t>(o)]) * dtype_bits(type) / 8));
    };
    if (count(out[0]) > 0) clear(0);
    clear(1);
    each(in, number, [&](int64_t i, int64_t, double a, double b, double power) {
      store(out[0].out, type, i, a * std::pow(b, power));
      store(out[1].out, type, 0, a * std::pow(b, power));
    });
    return "";
  };
  op.gradient = [=](const Tensors& in, const Tensors& out, const Tensors& from, Tensors& to,
                    const Numbers& number) -> std::string {
    const DType type = in[0].dtype;
    if (out.size() != 2 || from.size() != 2 || to.size() != in.size()) return "a number of tensors is wrong";
    const auto flow = [&](size_t o, int64_t i) {
      return type == DType::float64 ? data<double>(from[o])[i] : data<float>(from[o])[i];
    };
    each(in, number, [&](int64_t i, int64_t k, double a, double b, double power) {
      const double dy = flow(0, i) + flow(1, 0);
      if (to[0].out != nullptr) store(to[0].out, type, i, slope * dy * std::pow(b, power));
      if (to[1].out != nullptr) store(to[1].out, type, k, dy * a * power * std::pow(b, power - 1));
    });
    return "";
  };
  return op;
}

std::string joined(const std::vector<std::string>& problems) {
  std::string all;
  for (const std::string& p : problems) all += p + "\n";
  return all;
}
bool says(const std::string& text, const std::string& what) { return text.find(what) != std::string::npos; }

TEST(CustomGradient, FlowsThroughTensors) {
  api::RegisterOp(product_op("Product"));
  const Tensor a = requires_grad(initialize({2.0, 3.0}, DType::float64)),
               b = requires_grad(initialize({5.0, 7.0}, DType::float64));
  const auto y = call_operator("my", "Product", {a, b}, {{"power", 2}}, 2);
  EXPECT_EQ(y[0].to_doubles(), (std::vector<double>{50, 147}));
  EXPECT_EQ(y[1].item<double>(), 197);
  // Through both outputs at once, and an operator of the table behind: d(3 Σ y + Σ y) = 4 b², 8 a b.
  backward(sum(y[0] * Tensor(3.0)) + y[1]);
  EXPECT_EQ(gradient(a).to_doubles(), (std::vector<double>{100, 196}));
  EXPECT_EQ(gradient(b).to_doubles(), (std::vector<double>{80, 168}));
  // Through one of two; and for one operand alone.
  const Tensor one = requires_grad(initialize({1.5, -2.0}, DType::float64));
  backward(call_operator("my", "Product", {one, initialize({2.0, 4.0}, DType::float64)}, {}, 2)[1]);
  EXPECT_EQ(gradient(one).to_doubles(), (std::vector<double>{2, 4}));
  EXPECT_EQ(api::CheckOp("my", "Product"), std::vector<std::string>{});
}

TEST(CustomGradient, IsNeverTakenForZero) {
  api::CustomOp silent = product_op("Silent");
  silent.gradient = nullptr;
  api::RegisterOp(silent);
  const Tensor a = requires_grad(initialize({2.0}, DType::float64));
  const Tensor y = call_operator("my", "Silent", {a, a}, {}, 2)[1];
  try {
    backward(y);
    FAIL() << "there was a gradient";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
    EXPECT_TRUE(says(error.what(), "Silent")) << error.what();
  }
  // Nor is the second derivative of one that states the first alone.
  api::RegisterOp(product_op("Once"));
  const KeepHistory scope;
  const Tensor dy = grad(call_operator("my", "Once", {a, a}, {}, 2)[1], a, {.differentiable = true});
  try {
    grad(dy, a).eval();
    FAIL() << "there was a second derivative";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
    EXPECT_TRUE(says(error.what(), "OnceGradient")) << error.what();
  }
  api::CustomOp both = product_op("Both");
  both.no_gradient = "labels";
  EXPECT_THROW(api::RegisterOp(both), Error);
  EXPECT_THROW(call_operator("my", "Both", {a, a}), Error);
}

TEST(CustomGradient, ErrorsOfTheFunctionNameTheNode) {
  api::CustomOp op = product_op("Sulking");
  op.gradient = [](const Tensors&, const Tensors&, const Tensors&, Tensors&, const Numbers&) -> std::string {
    return "not today";
  };
  api::RegisterOp(op);
  op.name = "Throwing";
  op.gradient = [](const Tensors&, const Tensors&, const Tensors&, Tensors&, const Numbers&) -> std::string {
    throw std::runtime_error("not at all");
  };
  api::RegisterOp(op);
  for (const auto& [name, said] : {std::pair{"Sulking", "not today"}, std::pair{"Throwing", "not at all"}}) {
    const Tensor a = requires_grad(initialize({2.0}, DType::float64));
    try {
      backward(call_operator("my", name, {a, a}, {}, 2)[1]);
      gradient(a).eval();
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_TRUE(says(error.what(), said)) << error.what();
    }
  }
}

// A pending gradient reads the tensor that it belongs to: the two must not keep each other.
TEST(Backward, GradientsThatNobodyEvaluatesAreFreed) {
  std::weak_ptr<const void> kept;
  {
    const Tensor a = requires_grad(initialize({2.0, 3.0}, DType::float64));
    const Tensor y = a * a;
    y.eval();
    backward(sum(y * a));
    kept = std::shared_ptr<const void>(gradient(a).expr());
    EXPECT_FALSE(gradient(a).evaluated());
  }
  EXPECT_TRUE(kept.expired());
}

TEST(CustomGradient, OfAPlugin) {
  api::LoadPlugin(CHORUS_TEST_PLUGIN);
  const Tensor x = requires_grad(initialize({-4.0, -1.0, 0.0, 2.0, 5.0}));
  backward(sum(call_operator("my", "Swish6", {x})[0]));
  const std::vector<double> wanted{0, 1.0 / 6, 0.5, 7.0 / 6, 1};  // (2 x + 3) / 6 between -3 and 3
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(gradient(x).to_doubles()[i], wanted[i], 1e-6);
  EXPECT_EQ(api::CheckOp("my", "Swish6"), std::vector<std::string>{});
}

TEST(CallOperator, RefusesWhatDoesNotFit) {
  const Tensor x = initialize({1.0, 2.0});
  EXPECT_THROW(call_operator("my", "Nowhere", {x}), Error);
  EXPECT_THROW(call_operator("", "LeakyRelu", {x}, {{"beta", 1}}), Error);
  EXPECT_THROW(call_operator("", "Gelu", {x}, {{"approximate", 1}}), Error);
  EXPECT_THROW(call_operator("", "Softmax", {x}, {{"axis", 0.5}}), Error);
  EXPECT_EQ(call_operator("", "LeakyRelu", {-x}, {{"alpha", 0.5}})[0].to_doubles(), (std::vector<double>{-0.5, -1}));
}

// Each planted fault is said, and nothing else.
TEST(CheckOp, FindsWhatIsWrong) {
  EXPECT_THROW(api::CheckOp("my", "Nowhere"), Error);
  const auto problems = [](api::CustomOp op) {
    api::RegisterOp(op);
    return joined(api::CheckOp(op.domain, op.name));
  };
  EXPECT_TRUE(says(problems(product_op("WrongSlope", 1.01)), "differences say"));
  api::CustomOp op = product_op("NoCases");
  op.cases = "";
  EXPECT_TRUE(says(problems(op), "no cases"));
  op = product_op("BadCases");
  op.cases = "f64[2";
  EXPECT_NE(problems(op), "");
  op = product_op("NoGradientSaid");
  op.gradient = nullptr;
  EXPECT_TRUE(says(problems(op), "neither a gradient nor a reason"));
  op = product_op("FalseReason");
  op.gradient = nullptr;
  op.no_gradient = "labels";
  EXPECT_TRUE(says(problems(op), "no gradient but differences say"));
  op = product_op("Restless");
  op.no_gradient = "";
  op.compute = [inner = op.compute, runs = std::make_shared<int>(0)](const Tensors& in, Tensors& out,
                                                                     const Numbers& number) -> std::string {
    std::string said = inner(in, out, number);
    if (in[0].dtype == DType::float64) *static_cast<double*>(out[1].out) += ++*runs;
    return said;
  };
  EXPECT_TRUE(says(problems(op), "differs from run to run"));
  // A rule that promises another extent while nothing is known than the one that it gives the kernel.
  op = product_op("WrongShape");
  op.shape = [](const Extents& inputs, const Numbers&) {
    Extents out{inputs[0], {}};
    for (int64_t& d : out[0]) d = d < 0 ? 9 : d;
    return out;
  };
  EXPECT_TRUE(says(problems(op), "the shape rule says"));
  EXPECT_FALSE(says(problems(product_op("Right")), "\n"));
}

// The same checks on the rows of the table: nothing is wrong with them but what is named here.
TEST(CheckOp, OfEveryRow) {
  // Cases without bodies; a Gradient node; no decoder of pictures in this process.
  static const std::set<std::string_view> kExcepted = {"If", "Loop", "Scan", "SequenceMap", "Gradient", "ImageDecoder"};
  // Operands that docs/gradients.md excepts (the regions of Resize and RoiAlign, the elements of Unique, which ONNX marks so too), and
  // derivatives that are refused; a narrow integer type that only our kernels know.
  static const std::pair<std::string_view, std::string_view> kKnown[] = {
      {"Resize", "input 1 element"}, {"RoiAlign", "input 1 element"},
      {"Unique", "no gradient but"}, {"GridSampleGrad", "second derivative"},
      {"Slice", "does not take"},    {"Expand", "does not take"},
      {"Gather", "does not take"},   {"ConstantOfShape", "does not take"}};
  int rows = 0;
  for (const OpDef* def : built_in_ops()) {
    if (kExcepted.count(def->name) != 0) continue;
    ++rows;
    for (const std::string& problem : api::CheckOp(std::string(def->domain), std::string(def->name))) {
      const bool known = (gradients::is_not_derived(*def) && says(problem, "neither a gradient")) ||
                         std::any_of(std::begin(kKnown), std::end(kKnown), [&](const auto& k) {
                           return def->name == k.first && says(problem, std::string(k.second));
                         });
      EXPECT_TRUE(known) << def->name << ": " << problem;
    }
  }
  EXPECT_GE(rows, 220);
}

}  // namespace
}  // namespace chorus
