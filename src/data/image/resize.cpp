#include <chorus/error.h>
#include <data/image/resize.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace chorus {
namespace {

constexpr int kWeightBits = 11;
constexpr int kOne = 1 << kWeightBits;

/// For each output index the lower of two source indices and its two weights (sum 2048 up to rounding).
struct Taps {
  std::vector<int32_t> index;
  std::vector<int16_t> low, high;
};

int16_t weight(float w) { return static_cast<int16_t>(std::lrintf(w * kOne)); }

Taps taps(int64_t from, int64_t to, bool clamp) {
  Taps t;
  t.index.resize(static_cast<size_t>(to));
  t.low.resize(static_cast<size_t>(to));
  t.high.resize(static_cast<size_t>(to));
  const double scale = 1.0 / (static_cast<double>(to) / static_cast<double>(from));
  for (int64_t i = 0; i < to; ++i) {
    float f = static_cast<float>((static_cast<double>(i) + 0.5) * scale - 0.5);
    int64_t at = static_cast<int64_t>(std::floor(f));
    f -= static_cast<float>(at);
    if (clamp && at < 0) at = 0, f = 0;
    if (clamp && at >= from - 1) at = from - 1, f = 0;
    const auto k = static_cast<size_t>(i);
    t.index[k] = static_cast<int32_t>(at);
    t.low[k] = weight(1.0f - f);
    t.high[k] = weight(f);
  }
  return t;
}

template <int kChannels>
void scale_row(const uint8_t* from, int64_t last, const Taps& t, int64_t width, int16_t* to) {
  const int32_t* index = t.index.data();
  const int16_t *low = t.low.data(), *high = t.high.data();
  for (int64_t x = 0; x < width; ++x, to += kChannels) {
    const uint8_t* p = from + index[x] * kChannels;
    const uint8_t* q = index[x] < last ? p + kChannels : p;
    for (int c = 0; c < kChannels; ++c) to[c] = static_cast<int16_t>((p[c] * low[x] + q[c] * high[x]) >> 4);
  }
}

void scale_row(const Image& image, int64_t y, const Taps& t, int64_t width, int16_t* to) {
  const uint8_t* from = image.row(y);
  switch (image.channels) {
    case 1: return scale_row<1>(from, image.width - 1, t, width, to);
    case 2: return scale_row<2>(from, image.width - 1, t, width, to);
    case 3: return scale_row<3>(from, image.width - 1, t, width, to);
    default: return scale_row<4>(from, image.width - 1, t, width, to);
  }
}

void blend_rows(const int16_t* a, const int16_t* b, int16_t low, int16_t high, int64_t count, uint8_t* to) {
  // Each product is cut on its own; the result never leaves 0..255 because the weights add up to 2048 at most.
  for (int64_t i = 0; i < count; ++i) {
    const auto upper = static_cast<int16_t>((low * a[i]) >> 16), lower = static_cast<int16_t>((high * b[i]) >> 16);
    to[i] = static_cast<uint8_t>(static_cast<int16_t>(upper + lower + 2) >> 2);
  }
}

Image halve(const Image& image) {
  Image out = make_image(image.width / 2, image.height / 2, image.colour);
  const int64_t n = image.channels;
  for (int64_t y = 0; y < out.height; ++y) {
    const uint8_t *a = image.row(2 * y), *b = image.row(2 * y + 1);
    uint8_t* to = out.row(y);
    for (int64_t x = 0; x < out.width; ++x)
      for (int64_t c = 0; c < n; ++c) {
        const int64_t at = 2 * x * n + c;
        to[x * n + c] = static_cast<uint8_t>((a[at] + a[at + n] + b[at] + b[at + n] + 2) >> 2);
      }
  }
  return out;
}

void check(const Image& image, int64_t width, int64_t height, const char* where) {
  if (image.empty() || image.bits != 8 || width < 1 || height < 1)
    throw Error(Code::bad_input,
                fmt::format("cannot turn {} x {} pixels of {} bits into {} x {}", image.width, image.height, image.bits,
                            width, height),
                where, "use sizes of at least 1 and 8 bits");
}

}  // namespace

Image resize_linear(const Image& image, int64_t width, int64_t height) {
  check(image, width, height, "resize_linear");
  if (width == image.width && height == image.height) return image;
  if (width * 2 == image.width && height * 2 == image.height) return halve(image);
  Image out = make_image(width, height, image.colour);
  out.palette = image.palette;
  out.orientation = image.orientation;
  const Taps columns = taps(image.width, width, true), rows = taps(image.height, height, false);
  const int64_t count = width * image.channels;
  std::vector<int16_t> store(static_cast<size_t>(2 * count));
  int16_t* line[2] = {store.data(), store.data() + count};
  int64_t held[2] = {-1, -1};
  for (int64_t y = 0; y < height; ++y) {
    const auto k = static_cast<size_t>(y);
    int64_t want[2];
    for (int64_t i = 0; i < 2; ++i) want[i] = std::clamp<int64_t>(rows.index[k] + i, 0, image.height - 1);
    if (held[1] == want[0]) {
      std::swap(line[0], line[1]);
      std::swap(held[0], held[1]);
    }
    for (int i = 0; i < 2; ++i) {
      if (held[i] == want[i]) continue;
      if (i == 1 && want[1] == want[0])
        std::memcpy(line[1], line[0], static_cast<size_t>(count) * sizeof(int16_t));
      else
        scale_row(image, want[i], columns, width, line[i]);
      held[i] = want[i];
    }
    blend_rows(line[0], line[1], rows.low[k], rows.high[k], count, out.row(y));
  }
  return out;
}

}  // namespace chorus
