// Suppression and pooling of regions on small pictures.
#include <core/picture.h>
#include <ops/table.h>
#include <gtest/gtest.h>

#include <limits>

#include "ops/op_case.h"

namespace chorus {
namespace {
using testing::expect_close;
using testing::make;
using testing::run_one;

/// Knows one file: a PNM of two pixels.
bool two_pixels(std::span<const uint8_t> bytes, Picture* out) noexcept {
  if (bytes.size() != 17 || bytes[0] != 'P') return false;
  *out = {1, 2, {bytes.begin() + 11, bytes.end()}};
  return true;
}
struct WithDecoder {
  WithDecoder() { set_picture_decoder(two_pixels); }
  ~WithDecoder() { set_picture_decoder(nullptr); }
};

TEST(Vision, GridsRun) {
  const WithDecoder installed;
  for (const OpDef& def : families::vision_ops()) EXPECT_GE(testing::run_grid(def.name), 4) << def.name;
}

TEST(Vision, ImageDecoderOrdersTheChannels) {
  const auto run = [](std::vector<uint8_t> bytes, std::string format) {
    const Value x = Value::of<uint8_t>(Shape{static_cast<int64_t>(bytes.size())}, std::span<const uint8_t>(bytes));
    return run_one({.op = "ImageDecoder", .inputs = {x}, .attributes = {{"pixel_format", std::move(format)}}});
  };
  std::vector<uint8_t> file(17, 'P');
  for (uint8_t i = 0; i < 6; ++i) file[11 + i] = static_cast<uint8_t>(i * 50);
  EXPECT_THROW(run(file, "RGB"), Error);  // nobody decodes
  const WithDecoder installed;
  expect_close(run(file, "RGB"), make(DType::uint8, {1, 2, 3}, {0, 50, 100, 150, 200, 250}));
  expect_close(run(file, "BGR"), make(DType::uint8, {1, 2, 3}, {100, 50, 0, 250, 200, 150}));
  // ITU-R 601: 0.299 R + 0.587 G + 0.114 B
  expect_close(run(file, "Grayscale"), make(DType::uint8, {1, 2, 1}, {41, 191}));
  EXPECT_EQ(run({1, 2, 3}, "Grayscale").shape().str(), "[0, 0, 1]");
  EXPECT_EQ(run({}, "BGR").shape().str(), "[0, 0, 3]");
  EXPECT_THROW(run(file, "CMYK"), Error);
}

TEST(Vision, CenterCropPadCutsAndAddsTheOddElementAtTheEnd) {
  const Value x = make(DType::int32, {4}, {1, 2, 3, 4});
  const auto run = [&](int64_t n) {
    return run_one({.op = "CenterCropPad", .inputs = {x, Value::of<int64_t>(Shape{1}, {n})}});
  };
  expect_close(run(3), make(DType::int32, {3}, {1, 2, 3}));
  expect_close(run(1), make(DType::int32, {1}, {2}));
  expect_close(run(7), make(DType::int32, {7}, {0, 1, 2, 3, 4, 0, 0}));
  EXPECT_THROW(run(-1), Error);
  EXPECT_THROW(run_one({.op = "CenterCropPad", .inputs = {x, Value::of<int64_t>(Shape{2}, {1, 2})}}), Error);
  EXPECT_EQ(testing::infer_str(
                {.op = "CenterCropPad",
                 .inputs = {Type::tensor(DType::float32, {Dim::symbol("n"), 5}), Type::tensor(DType::int64, {1})},
                 .attributes = {{"axes", std::vector<int64_t>{-1}}},
                 .values = {{1, {Dim::symbol("w")}}}}),
            "float32[n, w]");
}

TEST(Vision, SuppressionKeepsTheBestOfEachHeap) {
  // Two heaps of two boxes; within a heap the overlap is 1/3 and 1.
  const Value boxes = make(DType::float32, {1, 4, 4}, {0, 0, 1, 2, 0, 1, 1, 3, 5, 5, 6, 6, 6, 6, 5, 5});
  const Value scores = make(DType::float32, {1, 1, 4}, {0.5, 0.9, 0.7, 0.7}), most = make(DType::int64, {}, {9});
  const auto run = [&](double overlap) {
    return run_one({.op = "NonMaxSuppression", .inputs = {boxes, scores, most, make(DType::float32, {}, {overlap})}});
  };
  expect_close(run(0.3), make(DType::int64, {2, 3}, {0, 0, 1, 0, 0, 2}));
  expect_close(run(0.5), make(DType::int64, {3, 3}, {0, 0, 1, 0, 0, 2, 0, 0, 0}));
}

TEST(Vision, RoiAlignOfARampIsTheRampAtTheBinsCentres) {
  Value x = Value::tensor(DType::float64, Shape{1, 1, 8, 8});
  for (int64_t i = 0; i < 64; ++i)
    x.as_mutable<double>()[static_cast<size_t>(i)] = 10.0 * static_cast<double>(i / 8) + static_cast<double>(i % 8);
  const Value rois = make(DType::float64, {1, 4}, {1.5, 2.5, 5.5, 6.5}), image = make(DType::int64, {1}, {0});
  // half_pixel: the region begins at (1, 2); bins of 2 x 2 have their centres at 2, 4 and 3, 5.
  expect_close(
      run_one(
          {.op = "RoiAlign", .inputs = {x, rois, image}, .attributes = {{"output_height", 2}, {"output_width", 2}}}),
      make(DType::float64, {1, 1, 2, 2}, {32, 34, 52, 54}), 1e-12);
  const Value wrong = make(DType::int64, {1}, {1});
  EXPECT_THROW(run_one({.op = "RoiAlign", .inputs = {x, rois, wrong}}), Error);
}

// 0 times infinity is no place: nothing is read there.
TEST(Vision, ARegionScaledByInfinityIsEmpty) {
  const Value x = make(DType::float32, {1, 1, 2, 2}, {1, 2, 3, 4}),
              regions = make(DType::float32, {1, 5}, {0, 0, 0, 1, 1});
  const Value y = run_one({.op = "MaxRoiPool",
                           .inputs = {x, regions},
                           .attributes = {{"pooled_shape", std::vector<int64_t>{1, 1}},
                                          {"spatial_scale", std::numeric_limits<double>::infinity()}}});
  EXPECT_EQ(y.to_doubles(), std::vector<double>{0});
}

}  // namespace
}  // namespace chorus
