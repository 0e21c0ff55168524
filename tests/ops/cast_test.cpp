#include "ops/op_case.h"

#include <chorus/error.h>
#include <core/convert.h>

#include <gtest/gtest.h>

#include <complex>
#include <limits>

namespace chorus::testing {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();
constexpr DType kF32 = DType::float32, kI8 = DType::int8, kU8 = DType::uint8;

Attributes to(DType type) { return {{"to", static_cast<int64_t>(type)}}; }

TEST(Cast, GridsRunAndAgreeWithDecompositions) {
  for (const char* op :
       {"Cast", "CastLike", "BitCast", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}) {
    EXPECT_GE(run_grid(op), 4) << op;
  }
}

TEST(Cast, ConvertsNumbers) {
  const Value x = make(kF32, {5}, {1.9, -1.9, 0.5, 300, 0});
  expect_close(run_one({.op = "Cast", .inputs = {x}, .attributes = to(DType::int32)}),
               make(DType::int32, {5}, {1, -1, 0, 300, 0}));
  expect_close(run_one({.op = "Cast", .inputs = {x}, .attributes = to(DType::boolean)}),
               make(DType::boolean, {5}, {1, 1, 1, 1, 0}));
  expect_close(
      run_one({.op = "Cast", .inputs = {make(kF32, {3}, {1000, kNan, -1000})}, .attributes = to(DType::float8e4m3fn)}),
      make(DType::float8e4m3fn, {3}, {448, kNan, -448}));
  expect_close(
      run_one(
          {.op = "Cast", .inputs = {make(DType::int32, {2}, {3, -3})}, .attributes = {{"to", "FLOAT"}}, .version = 1}),
      make(kF32, {2}, {3, -3}));
}

TEST(Cast, ReadsAndWritesStrings) {
  const std::string texts[] = {"3.14", "1e-5", "1E8", "+INF", "-inf", "NaN", " -7 "};
  expect_close(run_one({.op = "Cast", .inputs = {Value::strings({7}, texts)}, .attributes = to(DType::float64)}),
               make(DType::float64, {7}, {3.14, 1e-5, 1e8, kInf, -kInf, kNan, -7}));
  const Value out =
      run_one({.op = "Cast", .inputs = {make(kF32, {4}, {3.14F, 1000, -kInf, kNan})}, .attributes = to(DType::string)});
  EXPECT_EQ(out.strings()[0], "3.14");
  EXPECT_EQ(out.strings()[1], "1000");
  EXPECT_EQ(out.strings()[2], "-INF");
  EXPECT_EQ(out.strings()[3], "NaN");
  const std::string wrong[] = {"a"};
  EXPECT_THROW(run_one({.op = "Cast", .inputs = {Value::strings({1}, wrong)}, .attributes = to(kF32)}), Error);
}

TEST(Cast, ViewsComplexNumbersAsPairs) {
  EXPECT_EQ(run_grid("ViewAsReal", 0, "chorus"), 4);
  EXPECT_EQ(run_grid("ViewAsComplex", 0, "chorus"), 4);
  const Value pairs = make(kF32, {2, 2}, {1, 2, 3, -1});
  const Value numbers = run_one({.op = "ViewAsComplex", .inputs = {pairs}, .domain = "chorus"});
  ASSERT_EQ(numbers.dtype(), DType::complex64);
  std::complex<double> second;
  load_c128(numbers.dtype(), numbers.data(), 1, 1, &second);
  EXPECT_EQ(second, std::complex<double>(3, -1));
  expect_close(run_one({.op = "ViewAsReal", .inputs = {numbers}, .domain = "chorus"}), pairs);
  EXPECT_THROW(run_one({.op = "ViewAsComplex", .inputs = {make(kF32, {3}, {1, 2, 3})}, .domain = "chorus"}), Error);
  EXPECT_THROW(run_one({.op = "ViewAsComplex", .inputs = {make(kF32, {}, {1})}, .domain = "chorus"}), Error);
}

TEST(Cast, RefusesTypesThatItCannotMake) {
  EXPECT_THROW(infer_op({.op = "Cast", .inputs = {Type::tensor(kF32)}, .attributes = {{"to", 99}}}), Error);
  EXPECT_THROW(infer_op({.op = "Cast", .inputs = {Type::tensor(kF32)}, .attributes = to(DType::complex64)}), Error);
  EXPECT_THROW(infer_op({.op = "BitCast", .inputs = {Type::tensor(kF32)}, .attributes = to(DType::int64)}), Error);
  EXPECT_EQ(
      infer_str({.op = "BitCast", .inputs = {Type::tensor(kF32, {Dim::symbol("n")})}, .attributes = to(DType::int32)}),
      "int32[n]");
}

// Example of the ONNX document.
TEST(Quantize, FollowsTheDocument) {
  const Value x = make(kF32, {6}, {0, 2, 3, 1000, -254, -1000}), scale = make(kF32, {}, {2}),
              zero = make(kU8, {}, {128});
  expect_close(run_one({.op = "QuantizeLinear", .inputs = {x, scale, zero}}),
               make(kU8, {6}, {128, 129, 130, 255, 1, 0}));
  expect_close(run_one({.op = "DequantizeLinear", .inputs = {make(kU8, {4}, {0, 3, 128, 255}), scale, zero}}),
               make(kF32, {4}, {-256, -250, 0, 254}));
}

TEST(Quantize, ScalesPerAxisAndPerBlock) {
  const Value x = make(kI8, {2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  expect_close(
      run_one({.op = "DequantizeLinear", .inputs = {x, make(kF32, {2}, {10, 100})}, .attributes = {{"axis", 0}}}),
      make(kF32, {2, 4}, {10, 20, 30, 40, 500, 600, 700, 800}));
  expect_close(run_one({.op = "DequantizeLinear",
                        .inputs = {x, make(kF32, {2, 2}, {1, 10, 100, 1000})},
                        .attributes = {{"axis", 1}, {"block_size", 3}}}),
               make(kF32, {2, 4}, {1, 2, 3, 40, 500, 600, 700, 8000}));
  EXPECT_THROW(
      run_one({.op = "DequantizeLinear", .inputs = {x, make(kF32, {3}, {1, 1, 1})}, .attributes = {{"axis", 1}}}),
      Error);
  EXPECT_THROW(infer_op({.op = "QuantizeLinear",
                         .inputs = {Type::tensor(kF32, {2}), Type::tensor(kF32, {}), Type::tensor(kU8, {})},
                         .attributes = {{"output_dtype", static_cast<int64_t>(kI8)}}}),
               Error);
}

TEST(Quantize, DynamicRangeHoldsZero) {
  const auto r =
      run_op({.op = "DynamicQuantizeLinear", .inputs = {make(kF32, {6}, {0, 2, -3, -2.5, 1.34, 0.5})}, .outputs = 3});
  expect_close(r[0], make(kU8, {6}, {153, 255, 0, 26, 221, 179}));
  expect_close(r[1], make(kF32, {}, {0.019607843831181526}));
  expect_close(r[2], make(kU8, {}, {153}));
}

}  // namespace
}  // namespace chorus::testing
