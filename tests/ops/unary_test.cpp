#include "ops/op_case.h"

#include <chorus/error.h>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

namespace chorus::testing {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();
constexpr DType kF32 = DType::float32, kF64 = DType::float64, kBool = DType::boolean;

TEST(Unary, GridsRunAndAgreeWithDecompositions) {
  for (const char* op : {"Abs",   "Neg",   "Ceil", "Floor", "Round", "Sqrt",  "Reciprocal", "Exp",        "Log",
                         "Sin",   "Cos",   "Tan",  "Asin",  "Acos",  "Atan",  "Sinh",       "Cosh",       "Asinh",
                         "Acosh", "Atanh", "Erf",  "Sign",  "IsNaN", "IsInf", "Not",        "BitwiseNot", "Identity"}) {
    EXPECT_GE(run_grid(op), 3) << op;
  }
}

Value one(std::string_view op, DType type, std::initializer_list<double> x, Attributes attributes = {}) {
  return run_one(
      {.op = op, .inputs = {make(type, {static_cast<int64_t>(x.size())}, x)}, .attributes = std::move(attributes)});
}

// Wanted values: tables of the functions (Abramowitz & Stegun), to 15 digits.
TEST(Unary, FunctionsHaveTheirTabulatedValues) {
  expect_close(one("Exp", kF64, {0, 1, -1}), make(kF64, {3}, {1, 2.718281828459045, 0.367879441171442}), 1e-15);
  expect_close(one("Log", kF64, {1, 10, 0, -1}), make(kF64, {4}, {0, 2.302585092994046, -kInf, kNan}), 1e-15);
  expect_close(one("Erf", kF64, {0, 0.5, 1, -2}),
               make(kF64, {4}, {0, 0.520499877813047, 0.842700792949715, -0.995322265018953}), 1e-14);
  expect_close(one("Sin", kF64, {std::numbers::pi / 6, -0.0}), make(kF64, {2}, {0.5, 0}), 1e-15);
  expect_close(one("Acos", kF64, {0.5, 1, 2}), make(kF64, {3}, {std::numbers::pi / 3, 0, kNan}), 1e-15);
  expect_close(one("Asinh", kF64, {1, 1e-10}), make(kF64, {2}, {0.881373587019543, 1e-10}), 1e-15);
  expect_close(one("Atanh", kF64, {0.5, 1}), make(kF64, {2}, {0.549306144334055, kInf}), 1e-15);
}

TEST(Unary, RoundsTiesToEven) {
  expect_close(one("Round", kF32, {0.5, 1.5, 2.5, -0.5, -1.5, 2.4999998}), make(kF32, {6}, {0, 2, 2, 0, -2, 2}));
  expect_close(one("Ceil", kF32, {-0.5, 0.1}), make(kF32, {2}, {0, 1}));
  expect_close(one("Floor", kF32, {-0.5, 0.9}), make(kF32, {2}, {-1, 0}));
}

TEST(Unary, EdgesOfIntegersAndFloats) {
  expect_close(one("Abs", DType::int8, {-128, -5}), make(DType::int8, {2}, {-128, 5}));
  expect_close(one("Neg", DType::int8, {-128, 5}), make(DType::int8, {2}, {-128, -5}));
  expect_close(one("Sign", kF32, {kNan, -3, 0, kInf}), make(kF32, {4}, {kNan, -1, 0, 1}));
  expect_close(one("Sign", DType::uint8, {0, 200}), make(DType::uint8, {2}, {0, 1}));
  EXPECT_TRUE(std::signbit(one("Neg", kF32, {0}).as<float>()[0]));
  expect_close(one("Sqrt", kF32, {-1, 4}), make(kF32, {2}, {kNan, 2}));
  expect_close(one("IsInf", kF32, {kInf, -kInf, kNan}, {{"detect_negative", 0}}), make(kBool, {3}, {1, 0, 0}));
  expect_close(one("IsNaN", DType::float8e4m3fn, {kNan, 1}), make(kBool, {2}, {1, 0}));
  expect_close(one("BitwiseNot", DType::uint8, {0, 255, 3}), make(DType::uint8, {3}, {255, 0, 252}));
}

TEST(Unary, OldErfOfIntegersIsCut) {
  expect_close(run_one({.op = "Erf", .inputs = {make(DType::int32, {6}, {0, 1, -9, 3, -4, 5})}, .version = 9}),
               make(DType::int32, {6}, {0, 0, -1, 0, -1, 1}));  // erf(4) rounds to 1 in float32
}

TEST(Unary, KeepsTypesOfAnyKind) {
  const Dim n = Dim::symbol("n");
  EXPECT_EQ(infer_str({.op = "Exp", .inputs = {Type::tensor(kF32, {n, 2})}}), "float32[n, 2]");
  EXPECT_EQ(infer_str({.op = "IsNaN", .inputs = {Type::tensor(kF32)}}), "bool");
  EXPECT_EQ(infer_str({.op = "Identity", .inputs = {Type::sequence(Type::tensor(kF32, {n}))}}), "sequence(float32[n])");
  const auto r = infer_op({.op = "Neg", .inputs = {Type::tensor(DType::int64, {2})}, .values = {{0, Dims{n, 3}}}});
  ASSERT_TRUE(r.values[0]);
  EXPECT_EQ((*r.values[0])[0].str(), (Dim(0) - n).str());
  EXPECT_EQ((*r.values[0])[1].str(), "-3");
}

}  // namespace
}  // namespace chorus::testing
