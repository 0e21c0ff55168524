#include "ops/op_case.h"

#include <chorus/error.h>
#include <core/random.h>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace chorus::testing {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();
constexpr DType kF32 = DType::float32, kF64 = DType::float64;

TEST(Activation, GridsRunAndAgreeWithDecompositions) {
  for (const char* op :
       {"Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Softplus",
        "Softsign", "ThresholdedRelu", "Gelu", "Mish", "Swish", "SwiGLU", "Shrink", "Clip", "Dropout"}) {
    EXPECT_GE(run_grid(op), 3) << op;
  }
}

Value one(std::string_view op, DType type, std::initializer_list<double> x, Attributes attributes = {}) {
  return run_one(
      {.op = op, .inputs = {make(type, {static_cast<int64_t>(x.size())}, x)}, .attributes = std::move(attributes)});
}

// Wanted values: the formulas of the ONNX document, worked out with 16 digits.
TEST(Activation, FunctionsHaveTheirValues) {
  expect_close(one("Relu", kF32, {-1, 0, 2, kNan}), make(kF32, {4}, {0, 0, 2, kNan}));
  expect_close(one("Sigmoid", kF64, {0, 1, -1, -1000, 1000}),
               make(kF64, {5}, {0.5, 0.7310585786300049, 0.2689414213699951, 0, 1}), 1e-15);
  expect_close(one("Softplus", kF64, {0, 1, -800, 800}),
               make(kF64, {4}, {0.6931471805599453, 1.3132616875182228, 0, 800}), 1e-15);
  expect_close(one("Gelu", kF64, {1, -1}), make(kF64, {2}, {0.8413447460685429, -0.15865525393145707}), 1e-15);
  expect_close(one("Gelu", kF64, {1}, {{"approximate", "tanh"}}), make(kF64, {1}, {0.8411919906082768}), 1e-14);
  expect_close(one("Elu", kF64, {-1, 1}), make(kF64, {2}, {-0.6321205588285577, 1}), 1e-15);
  expect_close(one("Celu", kF64, {-1, 1}, {{"alpha", 2.0}}), make(kF64, {2}, {-0.7869386805747332, 1}), 1e-15);
  expect_close(one("HardSwish", kF64, {-4, 0, 1, 4}), make(kF64, {4}, {0, 0, 4.0 / 6, 4}), 1e-15);
  expect_close(one("Mish", kF64, {1}), make(kF64, {1}, {0.8650983882673103}), 1e-14);
  expect_close(one("Swish", kF64, {1}), make(kF64, {1}, {0.7310585786300049}), 1e-14);
  expect_close(one("Shrink", kF64, {-2, -0.5, 0.5, 2}, {{"lambd", 1.5}, {"bias", 0.5}}),
               make(kF64, {4}, {-1.5, 0, 0, 1.5}), 1e-15);
  expect_close(one("ThresholdedRelu", kF64, {1, 1.5, kNan}), make(kF64, {3}, {0, 1.5, 0}));
}

TEST(Activation, ClipTakesLimitsAsOperandsOrAttributes) {
  const Value x = make(kF32, {4}, {-3, 0.5, 3, kNan}), low = make(kF32, {}, {-1}), high = make(kF32, {}, {1});
  expect_close(run_one({.op = "Clip", .inputs = {x, low, high}}), make(kF32, {4}, {-1, 0.5, 1, kNan}));
  expect_close(run_one({.op = "Clip", .inputs = {x, Value(), high}}), make(kF32, {4}, {-3, 0.5, 1, kNan}));
  expect_close(run_one({.op = "Clip", .inputs = {x, high, low}}), make(kF32, {4}, {-1, -1, -1, kNan}));
  expect_close(run_one({.op = "Clip", .inputs = {x}, .attributes = {{"max", 1.0}}, .version = 6}),
               make(kF32, {4}, {-3, 0.5, 1, kNan}));
  expect_close(run_one({.op = "Clip", .inputs = {x}, .attributes = {{"min", -1.0}}, .version = 1}),
               make(kF32, {4}, {-1, 0.5, 3, kNan}));
  const Value ends = make(kF32, {2}, {-kInf, kInf});
  const double most = std::numeric_limits<float>::max();  // the default of the attributes: infinities are outside
  expect_close(run_one({.op = "Clip", .inputs = {ends}, .attributes = {{"min", 0.0}}, .version = 6}),
               make(kF32, {2}, {0, most}));
  expect_close(run_one({.op = "Clip", .inputs = {ends}, .version = 1}), make(kF32, {2}, {-most, most}));
  expect_close(run_one({.op = "Clip", .inputs = {ends}}), ends);
  EXPECT_THROW(run_one({.op = "Clip", .inputs = {x, x}}), Error);
}

TEST(Activation, DropoutKeepsItsShareAndScales) {
  const int64_t n = 20000;
  Value x = Value::tensor(kF32, {n});
  for (float& v : x.as_mutable<float>()) v = 1;
  const OpCall call{
      .op = "Dropout", .inputs = {x, make(kF32, {}, {0.25}), Value::scalar(true)}, .outputs = 2, .seed = 7};
  const auto r = run_op(call);
  int64_t kept = 0;
  for (int64_t i = 0; i < n; ++i) {
    const bool mask = r[1].as<bool>()[static_cast<size_t>(i)];
    EXPECT_EQ(r[0].as<float>()[static_cast<size_t>(i)], mask ? 1.0F / 0.75F : 0.0F);
    kept += mask;
  }
  EXPECT_NEAR(static_cast<double>(kept) / n, 0.75, 5 * std::sqrt(0.25 * 0.75 / n));
  OpCall threads = call, other = call;
  threads.threads = 4;
  other.seed = 8;
  EXPECT_TRUE(run_op(threads)[0].identical(r[0]));
  EXPECT_FALSE(run_op(other)[0].identical(r[0]));
  const auto quiet = run_op({.op = "Dropout", .inputs = {x, make(kF32, {}, {0.25})}, .outputs = 2});
  EXPECT_TRUE(quiet[0].identical(x));
  const auto old = run_op({.op = "Dropout", .inputs = {x}, .attributes = {{"is_test", 1}}, .outputs = 2, .version = 6});
  EXPECT_TRUE(old[0].identical(x));
  EXPECT_TRUE(old[1].identical(x));  // a mask of ones of the data's type
}

// Known answers of Philox4x32-10 (Random123's kat_vectors).
TEST(Random, PhiloxGivesItsKnownAnswers) {
  EXPECT_EQ(philox4x32(0, 0, 0), (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32(~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88),
            (std::array<uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

}  // namespace
}  // namespace chorus::testing
