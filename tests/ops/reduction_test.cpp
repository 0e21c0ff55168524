#include "ops/op_case.h"

#include <chorus/error.h>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace chorus::testing {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();
constexpr DType kF32 = DType::float32, kI64 = DType::int64;

TEST(Reduction, GridsRunAndAgreeWithDecompositions) {
  for (const char* op :
       {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
        "ReduceSum", "ReduceSumSquare", "ArgMax", "ArgMin", "CumSum", "CumProd", "TopK", "Hardmax"}) {
    EXPECT_GE(run_grid(op), 5) << op;
  }
}

Value ints(std::initializer_list<int64_t> v) { return Value::of<int64_t>({static_cast<int64_t>(v.size())}, v); }

/// Sum, largest and log-sum-exp of x over the flagged axes, by plain loops in float64.
struct Loops {
  std::vector<double> sum, top, lse;
};
Loops loops(const Value& x, const std::vector<bool>& flags) {
  int64_t outputs = 1;
  for (int d = 0; d < x.rank(); ++d) outputs *= flags[static_cast<size_t>(d)] ? 1 : x.shape()[d];
  Loops out{
      std::vector<double>(static_cast<size_t>(outputs)), std::vector<double>(static_cast<size_t>(outputs), -kInf), {}};
  std::vector<long double> exps(static_cast<size_t>(outputs));
  for (int64_t i = 0; i < x.numel(); ++i) {
    int64_t rest = i, at = 0, step = 1;
    for (int d = x.rank() - 1; d >= 0; --d) {
      const int64_t index = rest % x.shape()[d];
      rest /= x.shape()[d];
      if (flags[static_cast<size_t>(d)]) continue;
      at += index * step;
      step *= x.shape()[d];
    }
    const double v = x.as<float>()[static_cast<size_t>(i)];
    out.sum[static_cast<size_t>(at)] += v;
    out.top[static_cast<size_t>(at)] = std::max(out.top[static_cast<size_t>(at)], v);
    exps[static_cast<size_t>(at)] += std::exp(static_cast<long double>(v));
  }
  for (const long double e : exps) out.lse.push_back(static_cast<double>(std::log(e)));
  return out;
}

TEST(Reduction, EverySetOfAxesAgreesWithLoops) {
  const Value x = make_input({.kind = GridOperand::Kind::made, .dtype = kF32, .shape = {3, 2, 5, 4}}, 5);
  for (int mask = 1; mask < 16; ++mask) {
    std::vector<bool> flags(4);
    std::vector<int64_t> axes;
    for (int d = 0; d < 4; ++d) {
      flags[static_cast<size_t>(d)] = (mask >> d & 1) != 0;
      if (mask >> d & 1) axes.push_back(d % 2 == 0 ? d : d - 4);
    }
    const Loops wanted = loops(x, flags);
    const Value operand = Value::of<int64_t>({static_cast<int64_t>(axes.size())}, std::span<const int64_t>(axes));
    for (const int keep : {0, 1}) {
      const auto run = [&](std::string_view op) {
        return run_one({.op = op, .inputs = {x, operand}, .attributes = {{"keepdims", keep}}, .threads = 3});
      };
      const auto close = [&](const Value& got, const std::vector<double>& v, double tolerance) {
        ASSERT_EQ(got.numel(), static_cast<int64_t>(v.size()));
        EXPECT_EQ(got.rank(), keep != 0 ? 4 : 4 - static_cast<int>(axes.size()));
        for (size_t i = 0; i < v.size(); ++i) EXPECT_NEAR(got.to_doubles()[i], v[i], tolerance) << mask;
      };
      close(run("ReduceSum"), wanted.sum, 2e-6);
      close(run("ReduceMax"), wanted.top, 0);
      close(run("ReduceLogSumExp"), wanted.lse, 1e-6);
    }
  }
}

TEST(Reduction, NothingHasAValueToo) {
  const Value none = Value::tensor(kF32, {2, 0});
  const auto run = [&](std::string_view op) {
    return run_one({.op = op, .inputs = {none, ints({1})}, .attributes = {{"keepdims", 0}}});
  };
  expect_close(run("ReduceSum"), make(kF32, {2}, {0, 0}));
  expect_close(run("ReduceProd"), make(kF32, {2}, {1, 1}));
  expect_close(run("ReduceMax"), make(kF32, {2}, {-kInf, -kInf}));
  expect_close(run("ReduceMin"), make(kF32, {2}, {kInf, kInf}));
  expect_close(run("ReduceLogSum"), make(kF32, {2}, {-kInf, -kInf}));
  expect_close(run("ReduceLogSumExp"), make(kF32, {2}, {-kInf, -kInf}));
  expect_close(run_one({.op = "ReduceMax", .inputs = {Value::tensor(DType::int8, {0})}}),
               make(DType::int8, {1}, {-128}));
  expect_close(run_one({.op = "ReduceMin", .inputs = {Value::tensor(DType::uint8, {0})}}),
               make(DType::uint8, {1}, {255}));
  expect_close(run_one({.op = "ReduceMax", .inputs = {Value::tensor(DType::boolean, {0})}}),
               make(DType::boolean, {1}, {0}));
}

TEST(Reduction, InfinitiesAndNan) {
  expect_close(run_one({.op = "ReduceLogSumExp",
                        .inputs = {make(kF32, {2, 3}, {1000, 1000, -kInf, kInf, 1, 2})},
                        .attributes = {{"axes", std::vector<int64_t>{1}}},
                        .version = 13}),
               make(kF32, {2, 1}, {1000 + std::log(2.0), kInf}), 1e-6);
  expect_close(run_one({.op = "ReduceMax", .inputs = {make(kF32, {3}, {1, kNan, 5})}}), make(kF32, {1}, {kNan}));
}

TEST(Reduction, EmptyAxesMeanAllOrNone) {
  const Value x = make(kF32, {2, 2}, {1, -2, 3, -4});
  expect_close(run_one({.op = "ReduceL1", .inputs = {x, ints({})}}), make(kF32, {1, 1}, {10}));
  expect_close(run_one({.op = "ReduceL1", .inputs = {x, ints({})}, .attributes = {{"noop_with_empty_axes", 1}}}),
               make(kF32, {2, 2}, {1, 2, 3, 4}));
  EXPECT_THROW(run_one({.op = "ReduceSum", .inputs = {x, ints({2})}}), Error);
  EXPECT_THROW(run_one({.op = "ReduceSum", .inputs = {x, ints({0, -2})}}), Error);
}

TEST(Reduction, ArgTakesFirstOrLast) {
  const Value x = make(DType::int32, {2, 3}, {1, 3, 3, 7, 2, 7});
  expect_close(run_one({.op = "ArgMax", .inputs = {x}, .attributes = {{"axis", 1}, {"keepdims", 0}}}),
               make(kI64, {2}, {1, 0}));
  expect_close(
      run_one({.op = "ArgMax", .inputs = {x}, .attributes = {{"axis", 1}, {"keepdims", 0}, {"select_last_index", 1}}}),
      make(kI64, {2}, {2, 2}));
  expect_close(run_one({.op = "ArgMin", .inputs = {x}, .attributes = {{"axis", 0}}}), make(kI64, {1, 3}, {0, 1, 0}));
  expect_close(run_one({.op = "ArgMax", .inputs = {make(kF32, {3}, {1, kNan, kInf})}}), make(kI64, {1}, {1}));
  EXPECT_THROW(infer_op({.op = "ArgMax", .inputs = {Type::tensor(kF32, {0})}}), Error);
}

// Examples of the ONNX document.
TEST(Reduction, CumulativeSumsAndProducts) {
  const auto run = [](std::string_view op, int exclusive, int reverse) {
    return run_one({.op = op,
                    .inputs = {make(kF32, {3}, {1, 2, 3}), Value::scalar<int32_t>(0)},
                    .attributes = {{"exclusive", exclusive}, {"reverse", reverse}}});
  };
  expect_close(run("CumSum", 0, 0), make(kF32, {3}, {1, 3, 6}));
  expect_close(run("CumSum", 1, 0), make(kF32, {3}, {0, 1, 3}));
  expect_close(run("CumSum", 0, 1), make(kF32, {3}, {6, 5, 3}));
  expect_close(run("CumSum", 1, 1), make(kF32, {3}, {5, 3, 0}));
  expect_close(run("CumProd", 1, 0), make(kF32, {3}, {1, 1, 2}));
  expect_close(run("CumProd", 0, 1), make(kF32, {3}, {6, 6, 3}));
}

TEST(Reduction, TopKIsStable) {
  const Value x = make(kF32, {2, 4}, {3, 1, 3, kNan, 4, 4, 4, -kInf});
  const auto r = run_op({.op = "TopK", .inputs = {x, ints({3})}, .outputs = 2});
  expect_close(r[0], make(kF32, {2, 3}, {kNan, 3, 3, 4, 4, 4}));
  expect_close(r[1], make(kI64, {2, 3}, {3, 0, 2, 0, 1, 2}));
  const auto small =
      run_op({.op = "TopK", .inputs = {x, ints({1})}, .attributes = {{"axis", 0}, {"largest", 0}}, .outputs = 2});
  expect_close(small[1], make(kI64, {1, 4}, {0, 0, 0, 1}));  // NaN counts as largest
  EXPECT_THROW(run_op({.op = "TopK", .inputs = {x, ints({5})}, .outputs = 2}), Error);
}

TEST(Reduction, OldHardmaxIsFlat) {
  const Value x = make(kF32, {1, 2, 2}, {1, 2, 9, 4});
  expect_close(run_one({.op = "Hardmax", .inputs = {x}, .attributes = {{"axis", 1}}, .version = 11}),
               make(kF32, {1, 2, 2}, {0, 0, 1, 0}));
  expect_close(run_one({.op = "Hardmax", .inputs = {x}, .attributes = {{"axis", 1}}}),
               make(kF32, {1, 2, 2}, {0, 0, 1, 1}));
  const Value none = run_one({.op = "Hardmax", .inputs = {make(kF32, {2, 3, 0}, {})}, .version = 11});
  EXPECT_EQ(none.shape(), (Shape{2, 3, 0}));
}

TEST(Reduction, ShapesAreSymbolic) {
  const Dim n = Dim::symbol("n");
  const Type x = Type::tensor(kF32, {n, 3, 4});
  EXPECT_EQ(infer_str({.op = "ReduceSum", .inputs = {x, Type::tensor(kI64, {1})}, .constants = {Value(), ints({1})}}),
            "float32[n, 1, 4]");
  EXPECT_EQ(infer_str({.op = "ReduceSum",
                       .inputs = {x, Type::tensor(kI64, {1})},
                       .attributes = {{"keepdims", 0}},
                       .constants = {Value(), ints({-1})}}),
            "float32[n, 3]");
  EXPECT_EQ(infer_op({.op = "ReduceSum", .inputs = {x, Type::tensor(kI64, {2})}, .attributes = {{"keepdims", 0}}})
                .types[0]
                .rank(),
            1);
  EXPECT_EQ(infer_str({.op = "TopK", .inputs = {x, Type::tensor(kI64, {1})}, .outputs = 2, .values = {{1, Dims{n}}}}),
            "float32[n, 3, n]");
  EXPECT_EQ(infer_str({.op = "ArgMax", .inputs = {x}, .attributes = {{"axis", -1}, {"keepdims", 0}}}), "int64[n, 3]");
  const auto r = infer_op({.op = "ReduceProd",
                           .inputs = {Type::tensor(kI64, {2})},
                           .attributes = {{"keepdims", 0}},
                           .values = {{0, Dims{n, 3}}}});
  ASSERT_TRUE(r.values[0]);
  EXPECT_EQ((*r.values[0])[0].str(), (n * 3).str());
}

}  // namespace
}  // namespace chorus::testing
