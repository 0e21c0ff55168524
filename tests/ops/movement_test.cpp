// Rows, rules and kernels of the operators that move elements.
#include <ops/movement_shape.h>
#include <ops/table.h>
#include <gtest/gtest.h>

#include "ops/op_case.h"

namespace chorus {
namespace {
using testing::expect_close;
using testing::infer_op;
using testing::infer_str;
using testing::make;
using testing::run_one;

Dim sym(const char* name) { return Dim::symbol(name); }
Value ints(std::initializer_list<int64_t> v) { return Value::of<int64_t>(Shape{static_cast<int64_t>(v.size())}, v); }
Type f32(Dims dims) { return Type::tensor(DType::float32, std::move(dims)); }
Type i64(Dims dims) { return Type::tensor(DType::int64, std::move(dims)); }

TEST(Movement, GridsRun) {
  for (const OpDef& def : families::movement_ops()) EXPECT_GE(testing::run_grid(def.name), 3) << def.name;
}

TEST(Movement, ReshapeKeepsSymbols) {
  const Dim b = sym("batch"), s = sym("seq");
  const Dims shape{b, s, 12, 64};
  EXPECT_EQ(infer_str({.op = "Reshape", .inputs = {f32({b, s, 768}), i64({4})}, .values = {{1, shape}}}),
            f32(shape).str());
  EXPECT_EQ(
      infer_str({.op = "Reshape", .inputs = {f32({b, s, 768}), i64({4})}, .constants = {{}, ints({0, 0, 12, 64})}}),
      f32(shape).str());
  EXPECT_EQ(
      infer_str({.op = "Reshape", .inputs = {f32({b, s, 12, 64}), i64({3})}, .constants = {{}, ints({0, 0, -1})}}),
      f32({b, s, 768}).str());
  EXPECT_EQ(
      infer_str({.op = "Reshape", .inputs = {f32({b, 512, 1, s}), i64({3})}, .constants = {{}, ints({0, 512, -1})}}),
      f32({b, 512, s}).str());
  EXPECT_EQ(infer_str({.op = "Reshape", .inputs = {f32({b, s, 768}), i64({2})}, .constants = {{}, ints({-1, 768})}}),
            f32({b * s, 768}).str());
}

TEST(Movement, ReshapeRefuses) {
  const auto bad = [](Dims from, std::initializer_list<int64_t> to) {
    EXPECT_THROW(infer_op({.op = "Reshape", .inputs = {f32(std::move(from)), i64({1})}, .constants = {{}, ints(to)}}),
                 Error);
  };
  bad({2, 3}, {4, 2});
  bad({2, 3}, {-1, 4});
  bad({2, 3}, {-1, -1});
  bad({2, 3}, {-2, 3});
  bad({2}, {2, 0});
}

TEST(Movement, ShapeChainsStaySymbolic) {
  const Dim h = sym("h"), w = sym("w");
  const auto shape = infer_op({.op = "Shape", .inputs = {f32({1, 3, h, w})}});
  ASSERT_TRUE(shape.values[0].has_value());
  const auto part = infer_op({.op = "Slice",
                              .inputs = {i64({4}), i64({1}), i64({1})},
                              .constants = {{}, ints({2}), ints({INT64_MAX})},
                              .values = {{0, *shape.values[0]}}});
  ASSERT_TRUE(part.values[0].has_value());
  EXPECT_TRUE((*part.values[0])[0].same(h));
  EXPECT_TRUE((*part.values[0])[1].same(w));
  const auto joined = infer_op({.op = "Concat",
                                .inputs = {i64({1}), i64({2})},
                                .attributes = {{"axis", 0}},
                                .constants = {ints({-1})},
                                .values = {{1, *part.values[0]}}});
  ASSERT_TRUE(joined.values[0].has_value());
  EXPECT_TRUE((*joined.values[0])[0].is(-1));
  EXPECT_TRUE((*joined.values[0])[2].same(w));
}

TEST(Movement, SliceOfSymbolicExtents) {
  const Dim n = sym("n");
  const auto slice = [&](std::initializer_list<int64_t> s, std::initializer_list<int64_t> e, int64_t step) {
    return infer_op({.op = "Slice",
                     .inputs = {f32({n, 4}), i64({1}), i64({1}), i64({1}), i64({1})},
                     .constants = {{}, ints(s), ints(e), ints({0}), ints({step})}})
        .types[0]
        .dims[0];
  };
  EXPECT_TRUE(slice({0}, {INT64_MAX}, 1).same(n));
  EXPECT_TRUE(slice({0}, {INT32_MAX}, 1).same(n));
  EXPECT_TRUE(slice({-1}, {INT64_MIN}, -1).same(n));
  // What stays an expression must have NumPy's value for every extent.
  const auto at = [](const Dim& d, int64_t v) {
    return *d.evaluate([&](std::string_view) { return std::optional<int64_t>(v); });
  };
  for (const int64_t step : {1, 2, 3, -1, -2}) {
    for (int64_t s = -5; s <= 5; ++s) {
      for (int64_t e = -5; e <= 5; ++e) {
        const Dim d = slice({s}, {e}, step);
        for (int64_t extent = 0; extent < 7; ++extent) {
          // Counted one by one; going backwards ONNX clamps starts to [0, extent - 1] and ends to [-1, extent - 1].
          const auto clamp = [&](int64_t v, int64_t low) {
            if (v < 0) v += extent;
            return std::max(low, std::min(v, step > 0 ? extent : extent - 1));
          };
          int64_t wanted = 0;
          const int64_t last = clamp(e, step > 0 ? 0 : -1);
          for (int64_t i = clamp(s, 0); extent > 0 && (step > 0 ? i < last : i > last); i += step) ++wanted;
          EXPECT_EQ(at(d, extent), wanted)
              << "slice " << s << ":" << e << ":" << step << " of " << extent << ": " << d.str();
        }
      }
    }
  }
}

TEST(Movement, SliceRunsLikeItsRule) {
  const Value x = make(DType::float32, {5}, {0, 1, 2, 3, 4});
  const auto run = [&](int64_t s, int64_t e, int64_t step) {
    return run_one({.op = "Slice", .inputs = {x, ints({s}), ints({e}), ints({0}), ints({step})}}).to_doubles();
  };
  EXPECT_EQ(run(-1, INT64_MIN, -2), (std::vector<double>{4, 2, 0}));
  EXPECT_EQ(run(1, INT64_MAX, 3), (std::vector<double>{1, 4}));
  EXPECT_EQ(run(3, 3, 1), (std::vector<double>{}));
  EXPECT_EQ(run(INT64_MAX, 0, INT64_MIN), (std::vector<double>{4}));
  EXPECT_EQ(run(-100, 2, INT64_MAX), (std::vector<double>{0}));
}

TEST(Movement, PadModes) {
  const Value x = make(DType::float32, {3}, {1, 2, 3});
  const auto run = [&](const char* mode, std::initializer_list<int64_t> pads) {
    return run_one({.op = "Pad", .inputs = {x, ints(pads)}, .attributes = {{"mode", mode}}}).to_doubles();
  };
  EXPECT_EQ(run("constant", {1, 2}), (std::vector<double>{0, 1, 2, 3, 0, 0}));
  EXPECT_EQ(run("edge", {2, 1}), (std::vector<double>{1, 1, 1, 2, 3, 3}));
  EXPECT_EQ(run("reflect", {2, 2}), (std::vector<double>{3, 2, 1, 2, 3, 2, 1}));
  EXPECT_EQ(run("wrap", {4, 2}), (std::vector<double>{3, 1, 2, 3, 1, 2, 3, 1, 2}));
  EXPECT_EQ(run("constant", {-1, 1}), (std::vector<double>{2, 3, 0}));
}

TEST(Movement, WrongDataIsAnErrorOfTheCall) {
  const Value x = make(DType::float32, {2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_THROW(run_one({.op = "Slice", .inputs = {x, ints({0}), ints({1}), ints({2})}}), Error);
  EXPECT_THROW(run_one({.op = "Slice", .inputs = {x, ints({0}), ints({1}), ints({0}), ints({0})}}), Error);
  EXPECT_THROW(run_one({.op = "ReverseSequence", .inputs = {x, ints({1, 1, 9})}}), Error);
  EXPECT_THROW(run_one({.op = "Pad", .inputs = {x, ints({0, -2, 0, -2})}}), Error);
  EXPECT_THROW(run_one({.op = "Transpose", .inputs = {x}, .attributes = {{"perm", std::vector<int64_t>{0, 0}}}}),
               Error);
  EXPECT_THROW(run_one({.op = "Tile", .inputs = {x, ints({INT64_MAX, INT64_MAX})}}), Error);
}

}  // namespace
}  // namespace chorus
