// Where PaddlePaddle means something else than ONNX: one case for each row of the mapping that says so, with the answer worked out by hand. Each fails
// when the row calls PaddlePaddle without its conversion.
#include "engine/differences.h"

#include <limits>

namespace chorus {
namespace {

using testing::Difference;
using testing::GraphCase;
using testing::kInfinity;
using testing::message_of;

// Beyond those of every engine.
const Difference kCases[] = {
    {"Mod", "f32{-5.0,5.0} f32{3.0,-3.0} fmod=1", {-2, 2}},
    {"Mod", "i32{-2147483648} i32{-1}", {0}},
    {"Div", "i32{-2147483648} i32{-1}", {-2147483648.0}},
    {"Clip", "f32{5.0,8.0} f32(9.0) f32(7.0)", {7, 7}},
    {"BitShift", "u32{4000000000,1} u32{1,40} direction='RIGHT'", {2000000000, 0}},
    {"Where", "bool{1,0} f32{1.0,2.0} f32(3.0)", {1, 3}},
    {"IsInf", "f32{-1e39,1e39} detect_negative=0", {0, 1}},
    {"Relu", "f32{2.0,-1.0} ", {2, 0}},
    {"Cast", "f32{1e6,-1.0} to=f8e4m3fn saturate=0", {std::nan(""), -1}},
    {"Selu", "f32{-1.0,1.0} alpha=2.0 gamma=0.5", {std::exp(-1.0) - 1, 0.5}},
    {"HardSigmoid", "f64{3.0} alpha=0.0009765625 beta=0.0", {3.0 / 1024}},
    {"Mish", "f64{25.0}", {25 * std::tanh(std::log1p(std::exp(25.0)))}},
    {"ThresholdedRelu", "f64{0.10000000000000001,0.2} alpha=0.1", {0, 0.2}},
    {"LogSoftmax", "f32{1000.0,-1000.0}", {0, -2000}},
    {"ReduceLogSumExp", "f32{-1e39,0.0}", {0}},
    {"ReduceLogSumExp", "f32{-1e39,-1e39}", {-kInfinity}},
    {"Trilu", "u8{2,2:1,2,3,4} upper=0", {1, 0, 3, 4}},
    {"GatherND", "f32{2,2:1.0,2.0,3.0,4.0} i64{2,1:-1,0} batch_dims=1", {2, 3}},
    {"Einsum", "f64{1,2:1.0,2.0} equation='Ba'", {1, 2}},
    {"ConvTranspose", "f32{1,1,2:1.0,2.0} f32{1,1,2:1.0,1.0} pads=[1,0] output_padding=[1]", {3, 2, 0}},
    {"MaxPool", "f32{2,1,2:1.0,2.0,3.0,4.0} kernel_shape=[2] out=2", {1, 3}, 1},
    {"MaxPool", "f32{1,1,3:1.0,5.0,2.0} kernel_shape=[2] dilations=[2]", {2}},
    {"AveragePool", "f32{1,1,3:1.0,5.0,2.0} kernel_shape=[2] dilations=[2]", {1.5}},
};

// Tested below by themselves.
const std::set<std::string_view> kElsewhere = {"NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"};

class PaddleDifferences : public testing::InstalledEngine {
 protected:
  PaddleDifferences() : InstalledEngine("paddle") {}
};

TEST_F(PaddleDifferences, AreConverted) {
  EXPECT_GT(testing::expect_converted(*engine_, testing::kDifferences, true), 80);
  testing::expect_converted(*engine_, kCases, false);
}

// A row that speaks of a difference needs a case.
TEST_F(PaddleDifferences, EachHasACase) {
  std::set<std::string_view> cases = kElsewhere;
  for (const Difference& d : testing::kDifferences) cases.insert(d.op);
  for (const Difference& d : kCases) cases.insert(d.op);
  int seen = 0;
  EXPECT_EQ(testing::without_case(*engine_, cases, seen), "");
  EXPECT_GT(seen, 50);
}

TEST_F(PaddleDifferences, ReluKeepsNan) {
  GraphCase c;
  c.out(c.op("Relu", {c.in("x", {2})}), "y");
  const Value y = run(c, {Value::of<float>(Shape{2}, {std::nanf(""), -3.0F})})[0];
  EXPECT_TRUE(std::isnan(y.as<float>()[0]));
  EXPECT_EQ(y.as<float>()[1], 0);
}

TEST_F(PaddleDifferences, NoLabelIsIgnoredUnasked) {
  for (const char* op : {"NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"}) {
    GraphCase c;
    c.out(c.op(op, {c.in("x", {2, 3}), c.in("labels", {2}, DType::int64)}), "y");
    Code code = Code::ok;
    message_of([&] { run(c, {testing::noise(Shape{2, 3}), Value::of<int64_t>(Shape{2}, {-100, 1})}); }, &code);
    EXPECT_EQ(code, Code::bad_input) << op;
  }
}

}  // namespace
}  // namespace chorus
