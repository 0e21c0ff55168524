#include <chorus/infer.h>
#include <chorus/io.h>

#include "fixture.h"
#include "support/proves.h"

#include <core/convert.h>
#include <runtime/io.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstring>
#include <limits>

namespace chorus {
namespace {

using testing::error_of;
using testing::fixture_config;
using testing::noise;

TEST(Convert, SaturatesToIntegers) {
  const double reals[] = {-1e300, -1.9, -0.5, std::nan(""), 0.9, 127.5, 255.9, 1e19, 1e300};
  const auto converted = [&]<class T>(T) {
    std::vector<T> out(std::size(reals));
    convert_saturating(DType::float64, reals, dtype_of<T>(), out.data(), static_cast<int64_t>(out.size()));
    return out;
  };
  EXPECT_EQ(converted(uint8_t{}), (std::vector<uint8_t>{0, 0, 0, 0, 0, 127, 255, 255, 255}));
  EXPECT_EQ(converted(int8_t{}), (std::vector<int8_t>{-128, -1, 0, 0, 0, 127, 127, 127, 127}));
  using I = std::numeric_limits<int64_t>;
  EXPECT_EQ(converted(int64_t{}), (std::vector<int64_t>{I::min(), -1, 0, 0, 0, 127, 255, I::max(), I::max()}));
  const uint64_t top = std::numeric_limits<uint64_t>::max();
  EXPECT_EQ(converted(uint64_t{}), (std::vector<uint64_t>{0, 0, 0, 0, 0, 127, 255, 10000000000000000000ULL, top}));
}

TEST(Convert, SaturatesBetweenIntegers) {
  const uint64_t large[] = {0, 200, std::numeric_limits<uint64_t>::max()};
  int8_t small[3];
  convert_saturating(DType::uint64, large, DType::int8, small, 3);
  EXPECT_EQ(small[0], 0);
  EXPECT_EQ(small[1], 127);
  EXPECT_EQ(small[2], 127);
  int64_t wide[3];
  convert_saturating(DType::uint64, large, DType::int64, wide, 3);
  EXPECT_EQ(wide[2], std::numeric_limits<int64_t>::max());
  const int32_t negative[] = {-5, 70000};
  uint16_t u[2];
  convert_saturating(DType::int32, negative, DType::uint16, u, 2);
  EXPECT_EQ(u[0], 0);
  EXPECT_EQ(u[1], 65535);
  bool flags[2];
  convert_saturating(DType::int32, negative, DType::boolean, flags, 2);
  EXPECT_TRUE(flags[0] && flags[1]);
  EXPECT_EQ(error_of([&] { convert_saturating(DType::complex64, negative, DType::float32, wide, 1); }).code(),
            Code::type);
  EXPECT_EQ(error_of([&] { convert_saturating(DType::string, negative, DType::float32, wide, 1); }).code(), Code::type);
}

TEST(Io, InputByCopyBorrowAndConversion) {
  Predictor predictor(fixture_config("convbnrelu"));
  InputTensor* x = predictor.GetInputTensor("x");
  std::vector<uint8_t> picture(32 * 32 * 3);
  for (size_t i = 0; i < picture.size(); ++i) picture[i] = static_cast<uint8_t>(i * 31 + i / 7);
  x->copy(picture.data(), DType::uint8, static_cast<int64_t>(picture.size()), DataLayout::channels_last);
  const auto* data = static_cast<const float*>(x->data());
  for (size_t c = 0; c < 3; ++c) {
    for (size_t h = 0; h < 32; ++h) {
      for (size_t w = 0; w < 32; ++w)
        ASSERT_EQ(data[(c * 32 + h) * 32 + w], static_cast<float>(picture[(h * 32 + w) * 3 + c]));
    }
  }

  const std::vector<float> values = noise(3 * 32 * 32);
  x->copy(values);
  predictor.Run();
  const std::vector<float> by_copy = predictor.GetOutputTensor("y")->to_vector<float>();
  const auto in_use = [] {
    const auto info = mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  const size_t before = in_use();
  x->borrow(values.data(), DType::float32, {1, 3, 32, 32});
  predictor.Run();
  EXPECT_EQ(x->data(), values.data());
  EXPECT_LT(in_use(), before + values.size() * sizeof(float));
  EXPECT_EQ(predictor.GetOutputTensor("y")->to_vector<float>(), by_copy);

  for (const Error& error : {error_of([&] { x->copy(std::vector<float>(5)); }), error_of([&] {
                               x->borrow(values.data(), DType::float64, {1, 3, 32, 32});
                             }),
                             error_of([&] {
                               x->borrow(values.data(), DType::float32, {1, 3, 32, 31});
                             }),
                             error_of([&] {
                               x->Reshape({3, 32, 32});
                             }),
                             error_of([&] { x->copy(std::vector<std::string>{"a"}); }),
                             error_of([&] { x->copy(static_cast<const float*>(nullptr)); })}) {
    EXPECT_TRUE(error.code() == Code::shape || error.code() == Code::type || error.code() == Code::bad_input)
        << error.what();
    EXPECT_NE(error.message().find("\"x\""), std::string::npos) << error.what();
  }
  testing::proves("E-IO-01");
}

TEST(Io, OutputByCopyViewAndOwnBuffer) {
  const std::string bytes = testing::fixture_bytes("branch3");
  const api::Model model = api::Model::LoadBuffer(bytes.data(), bytes.size());
  api::Instance instance = model.Compile().CreateInstance();
  for (size_t i = 0; i < 2; ++i) instance.input(i).copy(noise(16, i));
  instance.input("scale").copy(std::vector<float>{2.0f});
  std::vector<float> own(8, -1.0f);
  instance.output("right").use_buffer(own.data(), DType::float32, {2, 4}, sizeof(float) * 8);
  instance.Run();
  const std::vector<float> by_copy = instance.output(1).to_vector<float>();
  const api::OutputView view = instance.output("right").view();
  EXPECT_EQ(view.bytes(), 32u);
  EXPECT_EQ(view.shape(), (std::vector<int64_t>{2, 4}));
  EXPECT_EQ(std::memcmp(view.data(), by_copy.data(), 32), 0);
  EXPECT_EQ(own, by_copy);
  EXPECT_EQ(view.data(), own.data());
  EXPECT_EQ(&instance.output(0), &instance.output("left"));
  EXPECT_EQ(&instance.output(1), &instance.output("right"));
  const api::OutputView left = instance.output("left").view();

  instance.Run();
  EXPECT_TRUE(left.stale());
  EXPECT_EQ(error_of([&] { left.data(); }).code(), Code::bad_input);
  EXPECT_EQ(error_of([&] { instance.output(2); }).code(), Code::not_found);
  EXPECT_EQ(error_of([&] {
              instance.output("left").use_buffer(own.data(), DType::float32, {2, 4}, 31);
            }).code(),
            Code::shape);
  EXPECT_EQ(error_of([&] {
              instance.output("left").use_buffer(own.data(), DType::int32, {2, 4}, 32);
            }).code(),
            Code::type);
  instance.output("right").use_buffer(nullptr, DType::float32, {}, 0);
  instance.Run();
  EXPECT_NE(instance.output("right").view().data(), own.data());
  EXPECT_EQ(instance.output("right").to_vector<float>(), by_copy);
  testing::proves("E-IO-02");
}

TEST(Io, OneOpenExtentFollowsFromTheCount) {
  Predictor predictor(fixture_config("dyn"));
  InputTensor* tokens = predictor.GetInputTensor("tokens");
  EXPECT_EQ(error_of([&] { tokens->copy(noise(32)); }).code(), Code::shape);  // two extents are open
  tokens->Reshape({1, 2, 16});
  tokens->copy(noise(32));
  void* memory = tokens->mutable_data();
  EXPECT_EQ(tokens->mutable_data(), memory);
  predictor.Run();
  EXPECT_EQ(tokens->mutable_data(), memory);  // no run holds it: no second copy
}

}  // namespace
}  // namespace chorus
