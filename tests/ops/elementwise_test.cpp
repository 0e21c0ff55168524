#include "ops/op_case.h"

#include <chorus/error.h>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace chorus::testing {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();
constexpr DType kF32 = DType::float32, kI64 = DType::int64, kBool = DType::boolean;

TEST(Elementwise, GridsRunAndAgreeWithDecompositions) {
  for (const char* op : {"Add",      "Sub",        "Mul",       "Div",         "Mod",     "Pow",
                         "Max",      "Min",        "Mean",      "Sum",         "And",     "Or",
                         "Xor",      "Equal",      "Less",      "LessOrEqual", "Greater", "GreaterOrEqual",
                         "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor",  "PRelu",   "Where"}) {
    EXPECT_GE(run_grid(op), 3) << op;
  }
}

Value two(std::string_view op, DType type, std::initializer_list<double> a, std::initializer_list<double> b,
          Attributes attributes = {}) {
  return run_one(
      {.op = op,
       .inputs = {make(type, {static_cast<int64_t>(a.size())}, a), make(type, {static_cast<int64_t>(b.size())}, b)},
       .attributes = std::move(attributes)});
}

TEST(Elementwise, IntegersWrapAndTruncate) {
  expect_close(two("Add", DType::int8, {127, -128}, {1, -1}), make(DType::int8, {2}, {-128, 127}));
  expect_close(two("Div", kI64, {7, -7, 7, -7}, {2, 2, -2, -2}), make(kI64, {4}, {3, -3, -3, 3}));
  const Value lowest = Value::of<int64_t>({1}, {INT64_MIN}), minus = Value::of<int64_t>({1}, {-1});
  expect_close(run_one({.op = "Div", .inputs = {lowest, minus}}), lowest);
  expect_close(run_one({.op = "Mul", .inputs = {lowest, minus}}), lowest);
  expect_close(run_one({.op = "Mod", .inputs = {lowest, minus}}), make(kI64, {1}, {0}));
  EXPECT_THROW(two("Div", DType::int32, {1}, {0}), Error);
  EXPECT_THROW(two("Mod", DType::uint8, {1}, {0}), Error);
}

TEST(Elementwise, RemaindersFollowTheDocument) {
  expect_close(two("Mod", kI64, {7, -7, 7, -7}, {3, 3, -3, -3}), make(kI64, {4}, {1, 2, -2, -1}));
  expect_close(two("Mod", kI64, {7, -7, 7, -7}, {3, 3, -3, -3}, {{"fmod", 1}}), make(kI64, {4}, {1, -1, 1, -1}));
  expect_close(two("Mod", kF32, {-1, 1, kInf, 1, kNan, 2, 5.5}, {kInf, -kInf, 2, 0, 1, kInf, -2}),
               make(kF32, {7}, {kInf, -kInf, kNan, kNan, kNan, 2, -0.5}));
  const Value zero = two("Mod", kF32, {0.0, -0.0}, {-2, 2});
  EXPECT_TRUE(std::signbit(zero.as<float>()[0]));
  EXPECT_FALSE(std::signbit(zero.as<float>()[1]));
}

TEST(Elementwise, PowersOfIntegers) {
  expect_close(
      run_one({.op = "Pow", .inputs = {make(kI64, {4}, {2, -1, -3, 1}), make(DType::int32, {4}, {10, -3, 3, -5})}}),
      make(kI64, {4}, {1024, -1, -27, 1}));
  expect_close(run_one({.op = "Pow", .inputs = {make(DType::int32, {2}, {4, 2}), make(kF32, {2}, {0.5, 3.5})}}),
               make(DType::int32, {2}, {2, 11}));
  EXPECT_THROW(run_one({.op = "Pow", .inputs = {make(kI64, {1}, {0}), make(kI64, {1}, {-1})}}), Error);
}

TEST(Elementwise, NanPropagatesThroughMaxAndMin) {
  expect_close(two("Max", kF32, {kNan, 1, -kInf}, {1, kNan, 2}), make(kF32, {3}, {kNan, kNan, 2}));
  expect_close(two("Min", kF32, {kNan, 1, -kInf}, {1, kNan, 2}), make(kF32, {3}, {kNan, kNan, -kInf}));
}

TEST(Elementwise, ComparesExactly) {
  expect_close(two("Equal", kF32, {kNan, -0.0, kInf}, {kNan, 0, kInf}), make(kBool, {3}, {0, 1, 1}));
  expect_close(two("LessOrEqual", kF32, {kNan, 1, 2}, {1, 1, 1}), make(kBool, {3}, {0, 1, 0}));
  const Value big = Value::of<uint64_t>({2}, {UINT64_MAX, 0}), one = Value::of<uint64_t>({1}, {1});
  expect_close(run_one({.op = "Less", .inputs = {big, one}}), make(kBool, {2}, {0, 1}));
  const Value near = Value::of<int64_t>({1}, {(1LL << 53) + 1}), base = Value::of<int64_t>({1}, {1LL << 53});
  expect_close(run_one({.op = "Equal", .inputs = {near, base}}), make(kBool, {1}, {0}));
}

TEST(Elementwise, ShiftsSignedNumbers) {
  const Value x = make(DType::int8, {5}, {-128, -1, 127, 5, -7}), y = make(DType::int8, {5}, {1, 7, 8, -1, 100});
  expect_close(run_one({.op = "BitShift", .inputs = {x, y}, .attributes = {{"direction", "RIGHT"}}}),
               make(DType::int8, {5}, {-64, -1, 0, 0, -1}));
  expect_close(run_one({.op = "BitShift", .inputs = {x, y}, .attributes = {{"direction", "LEFT"}}}),
               make(DType::int8, {5}, {0, -128, 0, 0, 0}));
}

TEST(Elementwise, OldVersionsBroadcastFromTheirAxis) {
  const Value x = make_input({.kind = GridOperand::Kind::made, .dtype = kF32, .shape = {2, 3, 4, 5}}, 1);
  const Value y = make(kF32, {3, 1}, {1, 2, 3});
  const Value old = run_one(
      {.op = "Add", .inputs = {x, y.reshaped({3})}, .attributes = {{"axis", 1}, {"broadcast", 1}}, .version = 6});
  expect_close(old, run_one({.op = "Add", .inputs = {x, y.reshaped({3, 1, 1})}}));
  const Value slope = run_one({.op = "PRelu", .inputs = {x, y.reshaped({3})}, .version = 6});
  expect_close(slope, run_one({.op = "PRelu", .inputs = {x, y.reshaped({3, 1, 1})}}));
}

TEST(Elementwise, ShapesAreSymbolic) {
  const Dim n = Dim::symbol("n"), m = Dim::symbol("m");
  EXPECT_EQ(infer_str({.op = "Add", .inputs = {Type::tensor(kF32, {n, 1, 3}), Type::tensor(kF32, {4, 1})}}),
            "float32[n, 4, 3]");
  EXPECT_EQ(infer_str({.op = "Less", .inputs = {Type::tensor(kF32, {n, 2}), Type::tensor(kF32, {n, 1})}}),
            "bool[n, 2]");
  EXPECT_EQ(infer_str({.op = "Add", .inputs = {Type::tensor(kF32), Type::tensor(kF32, {4, 1})}}), "float32");
  EXPECT_EQ(infer_str({.op = "Add", .inputs = {Type::tensor(kF32, {n}), Type::tensor(kF32, {7})}}), "float32[7]");
  const Type both = infer_op({.op = "Add", .inputs = {Type::tensor(kF32, {n}), Type::tensor(kF32, {m})}}).types[0];
  for (const auto& [a, b, result] : {std::tuple{1, 5, 5}, {5, 1, 5}, {4, 4, 4}, {1, 0, 0}, {0, 1, 0}, {1, 1, 1}}) {
    EXPECT_EQ(both.dims[0].evaluate(
                  [&, a = a, b = b](std::string_view s) { return std::optional<int64_t>(s == "n" ? a : b); }),
              result);
  }
  try {
    infer_op({.op = "Add", .inputs = {Type::tensor(kF32, {2, 3}), Type::tensor(kF32, {4})}});
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "Add: shapes [2, 3] and [4] do not broadcast: 3 and 4");
  }
}

TEST(Elementwise, ValuesAreFollowed) {
  const Dim n = Dim::symbol("n");
  const Type ints = Type::tensor(kI64, {2});
  const auto value = [&](std::string_view op, Dims a, std::initializer_list<int64_t> b) {
    const auto r = infer_op({.op = op,
                             .inputs = {ints, ints},
                             .constants = {Value(), Value::of<int64_t>({2}, b)},
                             .values = {{0, std::move(a)}}});
    return r.values[0] ? (*r.values[0])[0].str() + " " + (*r.values[0])[1].str() : std::string("none");
  };
  EXPECT_EQ(value("Add", {n, 3}, {1, 2}), (n + 1).str() + " 5");
  EXPECT_EQ(value("Div", {n, -7}, {2, 2}), floordiv(n, 2).str() + " -3");
  EXPECT_EQ(value("Mod", {n, -7}, {2, 3}), mod(n, 2).str() + " 2");
  EXPECT_EQ(value("Less", {n, 1}, {0, 2}), "0 1");
  EXPECT_EQ(value("Equal", {n, 1}, {-1, 1}), "0 1");
}

}  // namespace
}  // namespace chorus::testing
