// TensorFlow through the plug-in interface. Truth: numbers worked out by hand from ONNX's document, and properties. See InstalledEngine.
#include <core/clock.h>
#include <engine/plugin/plugin.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <limits>
#include <thread>

#include "engine/engine_case.h"

namespace chorus {
namespace {

using testing::GraphCase;
using testing::make;
using testing::message_of;
using testing::model_of;
using testing::noise;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class TensorFlow : public testing::InstalledEngine {
 protected:
  TensorFlow() : InstalledEngine("tensorflow") {}
  std::vector<Value> op(std::string_view type, const std::vector<Value>& inputs, const Attributes& attributes = {},
                        int outputs = 1) {
    GraphCase c;
    std::vector<ValueId> in;
    for (const Value& v : inputs) {
      Dims dims;
      for (int64_t d : v.shape().dims()) dims.push_back(d);
      in.push_back(c.in("x" + std::to_string(in.size()), dims, v.dtype()));
    }
    const ValueId first = c.op(type, in, attributes, outputs);
    for (int i = 0; i < outputs; ++i) c.out(c.other(first, i), "y" + std::to_string(i));
    CompileOptions options;
    options.fallback = Fallback::none;
    return testing::run_program(*engine_->compile(model_of(c), options), inputs);
  }
  // Type and shape too; tolerance relative and absolute.
  void expect(const Value& made, const Value& wanted, double tolerance = 0) {
    ASSERT_EQ(made.dtype(), wanted.dtype());
    ASSERT_EQ(made.shape(), wanted.shape());
    const auto a = made.to_doubles(), b = wanted.to_doubles();
    for (size_t i = 0; i < a.size(); ++i) {
      if (std::isnan(b[i])) {
        EXPECT_TRUE(std::isnan(a[i])) << i;
      } else if (a[i] != b[i]) {
        EXPECT_NEAR(a[i], b[i], tolerance * (1 + std::fabs(b[i]))) << i;
      }
    }
  }
};

Value floats(const Shape& shape, std::initializer_list<float> v) { return Value::of<float>(shape, v); }
Value longs(const Shape& shape, std::initializer_list<int64_t> v) { return Value::of<int64_t>(shape, v); }
Attributes one(std::string_view name, AttrValue value) {
  Attributes made;
  made.set(name, std::move(value));
  return made;
}

// Each of these fails where the note in the row's mapping is not followed.

TEST_F(TensorFlow, RoundsHalfToEven) {
  expect(op("Round", {floats({4}, {0.5F, 1.5F, -2.5F, 2.4F})})[0], floats({4}, {0, 2, -2, 2}));
}

TEST_F(TensorFlow, ModHasTheSignOfTheDivisorAndFmodOfTheDividend) {
  const Value a = longs({4}, {-7, 7, -7, 7}), b = longs({4}, {3, -3, -3, 3});
  expect(op("Mod", {a, b})[0], longs({4}, {2, -2, -1, 1}));
  expect(op("Mod", {a, b}, one("fmod", int64_t{1}))[0], longs({4}, {-1, 1, -1, 1}));
}

TEST_F(TensorFlow, DivisionOfIntegersCutsTowardsZero) {
  expect(op("Div", {longs({3}, {-7, 7, -9}), longs({3}, {2, -2, 4})})[0], longs({3}, {-3, -3, -2}));
}

TEST_F(TensorFlow, PowTakesTwoTypes) {
  expect(op("Pow", {make(DType::int32, {3}, {2, -3, 5}), floats({3}, {3, 2, 0.5F})})[0],
         make(DType::int32, {3}, {8, 9, 2}));
}

TEST_F(TensorFlow, ShiftsBeyondTheWidthMoveAllBitsOut) {
  const Value x = make(DType::uint8, {4}, {255, 255, 255, 255}), by = make(DType::uint8, {4}, {1, 7, 8, 200});
  expect(op("BitShift", {x, by}, one("direction", std::string("LEFT")))[0], make(DType::uint8, {4}, {254, 128, 0, 0}));
  expect(op("BitShift", {x, by}, one("direction", std::string("RIGHT")))[0], make(DType::uint8, {4}, {127, 1, 0, 0}));
}

TEST_F(TensorFlow, UnsignedNumbersHaveAbsAndSign) {
  const Value x = make(DType::uint16, {3}, {0, 7, 65535});
  expect(op("Abs", {x})[0], x);
  expect(op("Sign", {x})[0], make(DType::uint16, {3}, {0, 1, 1}));
}

TEST_F(TensorFlow, IsInfTakesOneSign) {
  const float inf = std::numeric_limits<float>::infinity();
  const Value x = floats({3}, {inf, -inf, 1});
  expect(op("IsInf", {x}, one("detect_negative", int64_t{0}))[0], make(DType::boolean, {3}, {1, 0, 0}));
  expect(op("IsInf", {x}, one("detect_positive", int64_t{0}))[0], make(DType::boolean, {3}, {0, 1, 0}));
}

TEST_F(TensorFlow, ClipKeepsNanAndTakesOneBound) {
  expect(op("Clip", {floats({3}, {kNan, -5, 5}), floats({}, {-1}), floats({}, {1})})[0], floats({3}, {kNan, -1, 1}));
  expect(op("Clip", {floats({2}, {-5, 5}), floats({}, {-1})})[0], floats({2}, {-1, 5}));
}

TEST_F(TensorFlow, MaxAndMinKeepNan) {
  const Value a = floats({2}, {kNan, 1}), b = floats({2}, {1, kNan});
  expect(op("Max", {a, b})[0], floats({2}, {kNan, kNan}));
  expect(op("Min", {a, b})[0], floats({2}, {kNan, kNan}));
}

TEST_F(TensorFlow, CastWrapsWhatDoesNotFit) {
  Attributes to = one("to", int64_t{2});
  expect(op("Cast", {floats({3}, {-1, 300, 7.9F})}, to)[0], make(DType::uint8, {3}, {255, 44, 7}));
}

TEST_F(TensorFlow, ActivationsTakeTheirConstants) {
  const Value x = floats({3}, {-1, 0, 2});
  const float e = static_cast<float>(std::expm1(-1.0));
  expect(op("Elu", {x}, one("alpha", 3.0F))[0], floats({3}, {3 * e, 0, 2}), 1e-6);
  Attributes selu = one("alpha", 2.0F);
  selu.set("gamma", 3.0F);
  expect(op("Selu", {x}, selu)[0], floats({3}, {6 * e, 0, 6}), 1e-6);
}

// TensorFlow's own Softplus is exp(x) below -13.9 in float32 and x beyond 13.9.
TEST_F(TensorFlow, SoftplusHasNoThreshold) {
  for (double x : {-20.0, -14.5, 13.9, 14.2, 20.0, 0.0}) {
    const Value y = op("Softplus", {Value::of<double>(Shape{1}, {x})})[0];
    EXPECT_NEAR(y.as<double>()[0] / std::log1p(std::exp(x)), 1, 1e-12) << x;
  }
  expect(op("Softplus", {floats({2}, {200, -200})})[0], floats({2}, {200, 0}));
}

TEST_F(TensorFlow, SoftmaxOverAnyAxis) {
  const Value y = op("Softmax", {floats({2, 2}, {0, 1, std::log(3.0F), 1})}, one("axis", int64_t{0}))[0];
  expect(y, floats({2, 2}, {0.25F, 0.5F, 0.75F, 0.5F}), 1e-6);
}

TEST_F(TensorFlow, SumsOfHalvesAreKeptInFloat32) {
  const std::vector<uint16_t> ones(4096, 0x3c00);  // in float16 a sum of ones stops at 2048
  const Value x = Value::copy_of(DType::float16, Shape{4096}, ones.data(), 2 * ones.size());
  EXPECT_EQ(op("ReduceSum", {x})[0].to_doubles()[0], 4096);
}

TEST_F(TensorFlow, MeanOfIntegersIsTheirSumDivided) {
  expect(op("ReduceMean", {make(DType::int32, {4}, {1, 1, 1, 1})})[0], make(DType::int32, {1}, {1}));
  expect(op("ReduceMean", {make(DType::int32, {2}, {-3, -4})})[0], make(DType::int32, {1}, {-3}));
}

TEST_F(TensorFlow, ExtremesOfBooleans) {
  const Value x = make(DType::boolean, {2, 2}, {0, 1, 1, 1}), axis = longs({1}, {1});
  expect(op("ReduceMax", {x, axis}, one("keepdims", int64_t{0}))[0], make(DType::boolean, {2}, {1, 1}));
  expect(op("ReduceMin", {x, axis}, one("keepdims", int64_t{0}))[0], make(DType::boolean, {2}, {0, 1}));
}

TEST_F(TensorFlow, ArgMaxTakesTheFirstOrTheLastOfEquals) {
  const Value x = floats({1, 4}, {1, 5, 5, 0});
  Attributes last = one("axis", int64_t{1});
  expect(op("ArgMax", {x}, last)[0], longs({1, 1}, {1}));
  last.set("select_last_index", int64_t{1});
  expect(op("ArgMax", {x}, last)[0], longs({1, 1}, {2}));
  expect(op("ArgMin", {floats({1, 3}, {2, 2, 3})}, last)[0], longs({1, 1}, {1}));
}

TEST_F(TensorFlow, TopKOfTheSmallest) {
  Attributes smallest = one("largest", int64_t{0});
  const auto made = op("TopK", {longs({4}, {5, INT64_MIN, 9, INT64_MAX}), longs({1}, {2})}, smallest, 2);
  expect(made[0], longs({2}, {INT64_MIN, 5}));
  expect(made[1], longs({2}, {1, 0}));
}

TEST_F(TensorFlow, SliceGoesDownToTheFirstElement) {
  const Value x = longs({5}, {0, 1, 2, 3, 4});
  expect(op("Slice", {x, longs({1}, {3}), longs({1}, {INT64_MIN}), longs({1}, {0}), longs({1}, {-2})})[0],
         longs({2}, {3, 1}));
  expect(op("Slice", {x, longs({1}, {-100}), longs({1}, {2})})[0], longs({2}, {0, 1}));
  expect(op("Slice", {x, longs({1}, {4}), longs({1}, {1})})[0], Value::tensor(DType::int64, Shape{0}));
}

TEST_F(TensorFlow, ExpandKeepsExtentsBesideOne) {
  expect(op("Expand", {floats({2, 1}, {1, 2}), longs({3}, {2, 1, 2})})[0], floats({2, 2, 2}, {1, 1, 2, 2, 1, 1, 2, 2}));
}

TEST_F(TensorFlow, PadCutsAndMirrorsTwice) {
  const Value x = floats({3}, {1, 2, 3});
  expect(op("Pad", {x, longs({2}, {-1, 1}), floats({}, {9})})[0], floats({3}, {2, 3, 9}));
  expect(op("Pad", {x, longs({2}, {3, 0})}, one("mode", std::string("reflect")))[0], floats({6}, {2, 3, 2, 1, 2, 3}));
  expect(op("Pad", {x, longs({2}, {1, 2})}, one("mode", std::string("wrap")))[0], floats({6}, {3, 1, 2, 3, 1, 2}));
}

TEST_F(TensorFlow, DepthToSpaceInBothOrders) {
  const Value x = floats({1, 8, 1, 1}, {0, 1, 2, 3, 4, 5, 6, 7});
  Attributes order = one("blocksize", int64_t{2});
  expect(op("DepthToSpace", {x}, order)[0], floats({1, 2, 2, 2}, {0, 2, 4, 6, 1, 3, 5, 7}));
  order.set("mode", std::string("CRD"));
  expect(op("DepthToSpace", {x}, order)[0], floats({1, 2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST_F(TensorFlow, TriluCountsFromAnyDiagonal) {
  const Value x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  expect(op("Trilu", {x, longs({}, {1})})[0], floats({2, 3}, {0, 2, 3, 0, 0, 6}));
  expect(op("Trilu", {x, longs({}, {-1})}, one("upper", int64_t{0}))[0], floats({2, 3}, {0, 0, 0, 4, 0, 0}));
}

TEST_F(TensorFlow, PositionsCountFromTheEnd) {
  const Value x = floats({3}, {10, 20, 30});
  expect(op("Gather", {x, longs({2}, {-1, 0})})[0], floats({2}, {30, 10}));
  expect(op("GatherElements", {x, longs({2}, {-2, 2})})[0], floats({2}, {20, 30}));
  expect(op("GatherND", {x, longs({1, 1}, {-3})})[0], floats({1}, {10}));
  expect(op("ScatterElements", {x, longs({1}, {-1}), floats({1}, {7})})[0], floats({3}, {10, 20, 7}));
  expect(op("ScatterND", {x, longs({1, 1}, {-1}), floats({1}, {7})})[0], floats({3}, {10, 20, 7}));
  expect(op("OneHot", {longs({2}, {-1, 0}), longs({}, {3}), floats({2}, {0, 1})})[0],
         floats({2, 3}, {0, 0, 1, 1, 0, 0}));
}

TEST_F(TensorFlow, PositionsOutOfRangeAreMistakes) {
  const Value x = floats({3}, {10, 20, 30});
  for (int64_t p : {int64_t{3}, int64_t{-4}, INT64_MAX}) {
    Code code = Code::ok;
    EXPECT_NE(message_of([&] { op("Gather", {x, longs({1}, {p})}); }, &code).find("out of range"), std::string::npos);
    EXPECT_EQ(code, Code::bad_input);
    EXPECT_NE(message_of([&] { op("GatherND", {x, longs({1, 1}, {p})}); }).find("out of range"), std::string::npos);
    EXPECT_NE(message_of([&] {
                op("ScatterND", {x, longs({1, 1}, {p}), floats({1}, {1})});
              }).find("out of range"),
              std::string::npos);
  }
}

TEST_F(TensorFlow, UniqueIsSorted) {
  const auto made = op("Unique", {floats({5}, {2, 1, 1, 3, 2})}, {}, 4);
  expect(made[0], floats({3}, {1, 2, 3}));
  expect(made[1], longs({3}, {1, 0, 3}));
  expect(made[2], longs({5}, {1, 0, 0, 2, 1}));
  expect(made[3], longs({3}, {2, 2, 1}));
}

TEST_F(TensorFlow, MatMulOfVectors) {
  const Value v = floats({2}, {1, 2}), m = floats({2, 2}, {1, 2, 3, 4});
  expect(op("MatMul", {v, m})[0], floats({2}, {7, 10}));
  expect(op("MatMul", {m, v})[0], floats({2}, {5, 11}));
  expect(op("MatMul", {v, v})[0], floats({}, {5}));
}

// Uneven pads, a stride and a dilation, in groups: a sum over taps worked out here.
TEST_F(TensorFlow, ConvolutionWithUnevenPadsAndGroups) {
  const Value x = noise(Shape{2, 4, 5, 6}, 1), w = noise(Shape{6, 2, 3, 2}, 2), b = noise(Shape{6}, 3);
  Attributes a = one("pads", std::vector<int64_t>{2, 0, 1, 3});
  a.set("strides", std::vector<int64_t>{1, 2});
  a.set("dilations", std::vector<int64_t>{2, 1});
  a.set("group", int64_t{2});
  const Value y = op("Conv", {x, w, b}, a)[0];
  ASSERT_EQ(y.shape(), Shape({2, 6, 4, 4}));
  const auto at = [](const Value& v, int64_t i) { return static_cast<double>(v.as<float>()[static_cast<size_t>(i)]); };
  for (int64_t i = 0; i < y.numel(); ++i) {
    const int64_t ow = i % 4, oh = i / 4 % 4, m = i / 16 % 6, n = i / 96;
    double sum = at(b, m);
    for (int64_t k = 0; k < 12; ++k) {
      const int64_t kw = k % 2, kh = k / 2 % 3, c = k / 6, ih = oh + 2 * kh - 2, iw = 2 * ow + kw;
      if (ih < 0 || ih >= 5 || iw >= 6) continue;
      sum += at(x, ((n * 4 + m / 3 * 2 + c) * 5 + ih) * 6 + iw) * at(w, ((m * 2 + c) * 3 + kh) * 2 + kw);
    }
    EXPECT_NEAR(at(y, i), sum, 1e-4);
  }
}

TEST_F(TensorFlow, TransposedConvolutionIsCutAndDilated) {
  Attributes a = one("dilations", std::vector<int64_t>{2});
  a.set("strides", std::vector<int64_t>{2});
  a.set("pads", std::vector<int64_t>{1, 0});
  a.set("output_padding", std::vector<int64_t>{1});
  // The full transpose of [1, 2] with taps 0 and 2 of weights [3, 5]: 3, 0, 5 + 6, 0, 10; one cut in front, one zero behind.
  expect(op("ConvTranspose", {floats({1, 1, 2}, {1, 2}), floats({1, 1, 2}, {3, 5})}, a)[0],
         floats({1, 1, 5}, {0, 11, 0, 10, 0}), 1e-6);
}

TEST_F(TensorFlow, MeansOverPadsCountAsONNXSays) {
  Attributes a = one("kernel_shape", std::vector<int64_t>{2, 2});
  a.set("pads", std::vector<int64_t>{1, 1, 0, 0});
  const Value x = floats({1, 1, 2, 2}, {4, 8, 12, 16});
  expect(op("AveragePool", {x}, a)[0], floats({1, 1, 2, 2}, {4, 6, 8, 10}), 1e-6);
  a.set("count_include_pad", int64_t{1});
  expect(op("AveragePool", {x}, a)[0], floats({1, 1, 2, 2}, {1, 3, 4, 10}), 1e-6);
}

TEST_F(TensorFlow, MaxPoolTellsPositionsAndDilates) {
  Attributes a = one("kernel_shape", std::vector<int64_t>{2, 2});
  a.set("dilations", std::vector<int64_t>{1, 2});
  const auto made = op("MaxPool", {floats({1, 2, 2, 3}, {1, 9, 2, 3, 9, 4, -1, 0, -2, -3, 0, -4})}, a, 2);
  expect(made[0], floats({1, 2, 1, 1}, {4, -1}));
  expect(made[1], longs({1, 2, 1, 1}, {5, 6}));
}

TEST_F(TensorFlow, ResizeFollowsEveryCoordinateRule) {
  const Value x = floats({1, 1, 1, 4}, {1, 2, 3, 4}), none = Value::tensor(DType::float32, Shape{0}),
              scales = floats({4}, {1, 1, 1, 2});
  auto resized = [&](const char* rule) {
    Attributes a = one("mode", std::string("linear"));
    a.set("coordinate_transformation_mode", std::string(rule));
    return op("Resize", {x, none, scales}, a)[0];
  };
  expect(resized("asymmetric"), floats({1, 1, 1, 8}, {1, 1.5F, 2, 2.5F, 3, 3.5F, 4, 4}), 1e-6);
  expect(resized("half_pixel"), floats({1, 1, 1, 8}, {1, 1.25F, 1.75F, 2.25F, 2.75F, 3.25F, 3.75F, 4}), 1e-6);
  expect(resized("align_corners"),
         floats({1, 1, 1, 8}, {1, 10 / 7.F, 13 / 7.F, 16 / 7.F, 19 / 7.F, 22 / 7.F, 25 / 7.F, 4}), 1e-6);
}

TEST_F(TensorFlow, EinsumTakesSpaces) {
  const Value v = floats({2}, {1, 2});
  expect(op("Einsum", {v, v}, one("equation", std::string("i, j -> ij")))[0], floats({2, 2}, {1, 2, 2, 4}));
}

// One head, two queries: the first sees one key, and where a mask hides all keys there is nothing to share.
TEST_F(TensorFlow, AttentionOfAQueryThatSeesNoKeyIsZero) {
  const Value q = floats({1, 1, 2, 1}, {0, 0}), k = floats({1, 1, 2, 1}, {1, 2}), v = floats({1, 1, 2, 1}, {3, 5});
  expect(op("Attention", {q, k, v}, one("is_causal", int64_t{1}))[0], floats({1, 1, 2, 1}, {3, 4}), 1e-6);
  const Value mask = make(DType::boolean, {2, 2}, {0, 0, 0, 1});
  expect(op("Attention", {q, k, v, mask})[0], floats({1, 1, 2, 1}, {0, 5}), 1e-6);
}

TEST_F(TensorFlow, QuantisedNumbersSaturate) {
  const Value scale = floats({}, {2}), zero = make(DType::uint8, {}, {128});
  expect(op("QuantizeLinear", {floats({5}, {0, 3, 5, 1000, -1000}), scale, zero})[0],
         make(DType::uint8, {5}, {128, 130, 130, 255, 0}));
  expect(op("DequantizeLinear", {make(DType::uint8, {2}, {130, 0}), scale, zero})[0], floats({2}, {4, -256}));
}

TEST_F(TensorFlow, LossesLeaveIgnoredClassesOut) {
  Attributes ignore = one("ignore_index", int64_t{-1});
  const Value x = floats({3, 2}, {-1, -2, -3, -4, -5, -6}), classes = longs({3}, {1, -1, 0}),
              weights = floats({2}, {3, 1});
  expect(op("NegativeLogLikelihoodLoss", {x, classes, weights}, ignore)[0], floats({}, {(2 * 1 + 5 * 3) / 4.F}), 1e-6);
}

// The plug-in.

TEST_F(TensorFlow, TypesWithoutAKernelAreComputedInWiderOnes) {
  expect(op("Add", {make(DType::int8, {2}, {127, -3}), make(DType::int8, {2}, {1, 1})})[0],
         make(DType::int8, {2}, {-128, -2}));
  expect(op("Erf", {make(DType::bfloat16, {1}, {0})})[0], make(DType::bfloat16, {1}, {0}));
}

TEST_F(TensorFlow, EveryElementTypeComesBack) {
  for (DType t : {DType::float32, DType::uint8, DType::int8, DType::uint16, DType::int16, DType::int32, DType::int64,
                  DType::boolean, DType::float16, DType::float64, DType::uint32, DType::uint64, DType::bfloat16,
                  DType::complex64, DType::complex128}) {
    GraphCase c;
    c.out(c.op("Flatten", {c.in("x", {Dim::symbol("n"), 2}, t)}), "y");
    std::vector<unsigned char> data(static_cast<size_t>(dtype_bytes(t, 6)));
    for (size_t i = 0; i < data.size(); ++i)
      data[i] = t == DType::boolean ? i & 1 : static_cast<unsigned char>(17 * i + 3);
    const Value x = Value::copy_of(t, Shape{3, 2}, data.data(), data.size());
    std::vector<Value> y;
    ASSERT_EQ(message_of([&] { y = run(c, {x}); }), "") << dtype_name(t);
    EXPECT_TRUE(y[0].identical(x)) << dtype_name(t);
  }
}

TEST_F(TensorFlow, WritesIntoGivenBuffers) {
  const auto program = engine_->compile(testing::one_node("Neg", 1, {Dim::symbol("n")}), {});
  const auto instance = program->instance();
  const Value x = noise(Shape{1000});
  std::vector<Value> y = {Value::tensor(DType::float32, Shape{1000})};
  const void* place = y[0].data();
  instance->run(std::vector<Value>{x}, y, {});
  EXPECT_EQ(y[0].data(), place);
  for (size_t i = 0; i < 1000; ++i) EXPECT_EQ(y[0].as<float>()[i], -x.as<float>()[i]);
  std::vector<Value> wrong = {Value::tensor(DType::float32, Shape{999})};
  EXPECT_NE(message_of([&] { instance->run(std::vector<Value>{x}, wrong, {}); }), "");
  instance->run(std::vector<Value>{x}, y, {});  // and works after the failure
}

// The host's memory of an input is borrowed for one call: no result may lie in it, and none may be written over it.
TEST_F(TensorFlow, ResultsAreNotTheInputs) {
  GraphCase c;
  const ValueId x = c.in("x", {2, 3});
  c.out(c.op("Reshape", {x, c.ints({3, 2})}), "view");
  c.out(c.op("Identity", {x}), "same");
  c.out(c.op("Neg", {x}), "other");
  const auto program = engine_->compile(model_of(c), {});
  const auto instance = program->instance();
  const Value input = noise(Shape{2, 3});
  const std::vector<double> before = input.to_doubles();
  std::vector<Value> out(3);
  instance->run(std::vector<Value>{input}, out, {});
  EXPECT_NE(out[0].data(), input.data());
  EXPECT_NE(out[1].data(), input.data());
  EXPECT_EQ(out[0].to_doubles(), before);
  EXPECT_EQ(input.to_doubles(), before);
}

TEST_F(TensorFlow, RefusesWithASentenceForEachNode) {
  GraphCase c;
  c.out(c.op("StringConcat", {c.op("Transpose", {c.in("x", {2, 3}, DType::string)}), c.in("y", {3, 2}, DType::string)}),
        "z");
  Code code = Code::ok;
  const std::string said = message_of([&] { engine_->compile(model_of(c), {}); }, &code);
  EXPECT_EQ(code, Code::unsupported);
  EXPECT_NE(said.find("refuses 2 of 2 nodes"), std::string::npos) << said;
  EXPECT_NE(said.find("Transpose: tensors of strings"), std::string::npos) << said;
}

TEST_F(TensorFlow, DecomposesWhatItLacksUnlessAskedNotTo) {
  GraphCase c;
  c.out(c.op("SwiGLU", {c.in("gate", {2}), c.in("x", {2})}), "y");
  CompileOptions options;
  options.fallback = Fallback::none;
  Code code = Code::ok;
  const std::string said = message_of([&] { engine_->compile(model_of(c), options); }, &code);
  EXPECT_EQ(code, Code::unsupported);
  EXPECT_NE(said.find("SwiGLU: TensorFlow has no such operator"), std::string::npos) << said;
  const auto gated = [](double gate, double x) { return static_cast<float>(gate / (1 + std::exp(-gate)) * x); };
  expect(run(c, {floats({2}, {2, -1}), floats({2}, {3, 5})})[0], floats({2}, {gated(2, 3), gated(-1, 5)}), 1e-6);
}

TEST_F(TensorFlow, BodiesSeeWhatTheyCapture) {
  GraphCase c;
  const ValueId outer = c.in("outer", {2}), x = c.in("x", {2});
  GraphCase body;
  body.in("i", {}, DType::int64);
  const ValueId on = body.in("on", {}, DType::boolean), v = body.in("v", {2}), seen = body.in("seen", {2});
  body.out(body.op("Identity", {on}), "again");
  body.out(body.op("Add", {v, seen}), "next");
  Node loop;
  loop.op = find_op("", "Loop");
  loop.type = "Loop";
  loop.version = static_cast<int>(loop.op->versions.size()) - 1;
  loop.inputs = {c.constant(Value::of<int64_t>(Shape{}, {3})), kNone, x};
  loop.captured = {outer};
  loop.attributes = one("body", testing::shared(std::move(body.graph)));
  loop.outputs = {c.graph.add_value("y")};
  const ValueId y = c.graph.node(c.graph.add_node(std::move(loop))).outputs[0];
  c.out(y, "y");
  expect(run(c, {floats({2}, {1, 10}), floats({2}, {0, 5})})[0], floats({2}, {3, 35}));
}

TEST_F(TensorFlow, ALongRunEndsAtItsDeadline) {
  GraphCase c;
  ValueId v = c.in("x", {300, 300});
  const ValueId w = c.constant(noise(Shape{300, 300}, 5));
  for (int i = 0; i < 400; ++i) v = c.op("MatMul", {v, w});
  c.out(v, "y");
  const auto program = engine_->compile(model_of(c), {});
  StopToken stop;
  RunOptions options;
  options.stop = &stop;
  const Value x = noise(Shape{300, 300});
  const auto instance = program->instance();
  std::vector<Value> y(1);
  stop.set_deadline(now_ns() + 20'000'000);
  Code code = Code::ok;
  message_of([&] { instance->run(std::vector<Value>{x}, y, options); }, &code);
  EXPECT_EQ(code, Code::timeout);
  stop.reset();
  y.assign(1, Value());
  EXPECT_EQ(message_of([&] { instance->run(std::vector<Value>{x}, y, options); }), "");  // the instance works again
}

TEST_F(TensorFlow, TwoInstancesAtOnce) {
  const auto program = engine_->compile(testing::one_node("Neg", 1, {Dim::symbol("n")}), {});
  auto work = [&](uint64_t seed) {
    const auto instance = program->instance();
    for (uint64_t i = 0; i < 50; ++i) {
      const Value x = noise(Shape{17}, seed + i);
      std::vector<Value> y(1);
      instance->run(std::vector<Value>{x}, y, {});
      for (size_t k = 0; k < 17; ++k) EXPECT_EQ(y[0].as<float>()[k], -x.as<float>()[k]);
    }
  };
  std::thread other([&] { work(1000); });
  work(2000);
  other.join();
}

// Its contexts would share the threads of the first without the adapter's switch.
TEST_F(TensorFlow, ProgramsHaveTheThreadsThatTheyAskFor) {
  const auto tasks = [] {
    const std::filesystem::directory_iterator list("/proc/self/task");
    return std::distance(begin(list), end(list));
  };
  GraphCase c;
  c.out(c.op("MatMul", {c.in("x", {400, 400}), c.in("y", {400, 400})}), "z");
  const std::vector<Value> inputs = {noise(Shape{400, 400}, 1), noise(Shape{400, 400}, 2)};
  const Value one_thread = run(c, inputs, 1)[0];
  const auto before = tasks();
  expect(run(c, inputs, 9)[0], one_thread, 1e-4);
  EXPECT_GE(tasks(), before + 7);
}

TEST_F(TensorFlow, EmptyTensors) {
  const Value none = Value::tensor(DType::float32, Shape{0, 3, 4, 4}), w = noise(Shape{2, 3, 3, 3});
  EXPECT_EQ(op("Conv", {none, w})[0].shape(), Shape({0, 2, 2, 2}));
  EXPECT_EQ(op("ConvTranspose", {none, noise(Shape{3, 2, 3, 3})})[0].shape(), Shape({0, 2, 6, 6}));
  const Attributes kernel = one("kernel_shape", std::vector<int64_t>{2, 2});
  EXPECT_EQ(op("MaxPool", {none}, kernel)[0].shape(), Shape({0, 3, 3, 3}));
  EXPECT_EQ(op("AveragePool", {none}, kernel)[0].shape(), Shape({0, 3, 3, 3}));
  EXPECT_EQ(op("Softmax", {none})[0].shape(), none.shape());
  EXPECT_EQ(op("Transpose", {none})[0].shape(), Shape({4, 4, 3, 0}));
  const Value flat = Value::tensor(DType::float32, Shape{0}), thin = Value::tensor(DType::float32, Shape{2, 0});
  expect(op("ReduceSum", {flat})[0], floats({1}, {0}));
  expect(op("MatMul", {thin, Value::tensor(DType::float32, Shape{0, 1})})[0], floats({2, 1}, {0, 0}));
  EXPECT_EQ(op("Concat", {flat, flat}, one("axis", int64_t{0}))[0].shape(), Shape({0}));
  EXPECT_EQ(op("Gather", {floats({2}, {1, 2}), Value::tensor(DType::int64, Shape{0})})[0].shape(), Shape({0}));
}

TEST_F(TensorFlow, TooMuchMemoryIsRefusedBeforeItIsTaken) {
  GraphCase c;
  c.out(c.op("Expand", {c.in("x", {1}), c.in("shape", {2}, DType::int64)}), "y");
  CompileOptions options;
  options.memory_budget = 1 << 20;
  const auto program = engine_->compile(model_of(c), options);
  Code code = Code::ok;
  message_of([&] { testing::run_program(*program, {floats({1}, {1}), longs({2}, {1 << 20, 1 << 20})}); }, &code);
  EXPECT_EQ(code, Code::budget);
}

TEST(TensorFlowAbsent, SaysWhatHelps) {
  const char* before = std::getenv("CHORUS_TENSORFLOW_LIBRARY");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("CHORUS_TENSORFLOW_LIBRARY", "/nonexistent/libtensorflow_cc.so.2", 1);
  Code code = Code::ok;
  const std::string path = std::string(CHORUS_PLUGINS) + "/libchorus_engine_tensorflow.so";
  const std::string said = message_of([&] { plugin::load_engine(path, "tensorflow", ""); }, &code);
  before == nullptr ? ::unsetenv("CHORUS_TENSORFLOW_LIBRARY") : ::setenv("CHORUS_TENSORFLOW_LIBRARY", kept.c_str(), 1);
  EXPECT_EQ(code, Code::unavailable);
  EXPECT_NE(said.find("./dev engines tensorflow"), std::string::npos) << said;
  EXPECT_NE(said.find("/nonexistent/"), std::string::npos) << said;
}

}  // namespace
}  // namespace chorus
