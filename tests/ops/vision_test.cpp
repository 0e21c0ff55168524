// Suppression and pooling of regions on small pictures.
#include <ops/table.h>
#include <gtest/gtest.h>

#include "ops/op_case.h"

namespace chorus {
namespace {
using testing::expect_close;
using testing::make;
using testing::run_one;

TEST(Vision, GridsRun) {
  for (const OpDef& def : families::vision_ops()) EXPECT_GE(testing::run_grid(def.name), 4) << def.name;
}

TEST(Vision, SuppressionKeepsTheBestOfEachHeap) {
  // Two heaps of two boxes; within a heap the overlap is 1/3 and 1.
  const Value boxes = make(DType::float32, {1, 4, 4}, {0, 0, 1, 2, 0, 1, 1, 3, 5, 5, 6, 6, 6, 6, 5, 5});
  const Value scores = make(DType::float32, {1, 1, 4}, {0.5, 0.9, 0.7, 0.7}), most = make(DType::int64, {}, {9});
  const auto run = [&](double overlap) { return run_one({.op = "NonMaxSuppression", .inputs = {boxes, scores, most, make(DType::float32, {}, {overlap})}}); };
  expect_close(run(0.3), make(DType::int64, {2, 3}, {0, 0, 1, 0, 0, 2}));
  expect_close(run(0.5), make(DType::int64, {3, 3}, {0, 0, 1, 0, 0, 2, 0, 0, 0}));
}

TEST(Vision, RoiAlignOfARampIsTheRampAtTheBinsCentres) {
  Value x = Value::tensor(DType::float64, Shape{1, 1, 8, 8});
  for (int64_t i = 0; i < 64; ++i) x.as_mutable<double>()[static_cast<size_t>(i)] = 10.0 * static_cast<double>(i / 8) + static_cast<double>(i % 8);
  const Value rois = make(DType::float64, {1, 4}, {1.5, 2.5, 5.5, 6.5}), image = make(DType::int64, {1}, {0});
  // half_pixel: the region begins at (1, 2); bins of 2 x 2 have their centres at 2, 4 and 3, 5.
  expect_close(run_one({.op = "RoiAlign", .inputs = {x, rois, image}, .attributes = {{"output_height", 2}, {"output_width", 2}}}),
               make(DType::float64, {1, 1, 2, 2}, {32, 34, 52, 54}), 1e-12);
  const Value wrong = make(DType::int64, {1}, {1});
  EXPECT_THROW(run_one({.op = "RoiAlign", .inputs = {x, rois, wrong}}), Error);
}

}  // namespace
}  // namespace chorus
