// Pictures that tests make, and what is asked of them.
#pragma once
#include <data/image/image.h>

#include <chorus/error.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <concepts>
#include <string>

namespace chorus::testing {

/// Pseudo-random bytes, the same for the same seed on every machine.
inline Image noise(int64_t width, int64_t height, Colour colour, uint32_t seed) {
  Image image = make_image(width, height, colour);
  for (uint8_t& v : image.data) {
    seed = seed * 1664525u + 1013904223u;
    v = static_cast<uint8_t>(seed >> 24);
  }
  return image;
}

inline Image white(int64_t width, int64_t height, Colour colour = Colour::rgb) {
  Image image = make_image(width, height, colour);
  std::fill(image.data.begin(), image.data.end(), uint8_t{255});
  return image;
}

/// Channel c of a pixel; the border goes on outside.
inline double value(const Image& image, int64_t x, int64_t y, int64_t c) {
  return image.row(
      std::clamp<int64_t>(y, 0, image.height - 1))[std::clamp<int64_t>(x, 0, image.width - 1) * image.channels + c];
}

inline int64_t dark(const Image& image) {
  return std::count_if(image.data.begin(), image.data.end(), [](uint8_t v) { return v < 128; });
}

/// What the call says is wrong with its file; empty when nothing is.
std::string message_of(const std::invocable auto& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_TRUE(error.code() == Code::bad_input || error.code() == Code::not_found) << error.what();
    return error.what();
  }
  return {};
}

}  // namespace chorus::testing
