#include "support.h"

#include "support/proves.h"

namespace chorus::fast::testing {
namespace {

void same(const Guarded& a, const Guarded& b, const std::string& text) {
  ASSERT_EQ(std::memcmp(a.data(), b.data(), a.size() * 4), 0) << text;
}

std::vector<double> pool_truth(const PoolArgs& s, const float* x) {
  std::vector<double> y;
  for (int64_t p = 0; p < s.planes; ++p)
    for (int64_t oy = 0; oy < s.out_height; ++oy)
      for (int64_t ox = 0; ox < s.out_width; ++ox) {
        double top = -std::numeric_limits<double>::infinity(), sum = 0;
        int64_t inside = 0, padded = 0;
        bool nan = false;
        for (int64_t i = 0; i < s.kernel_h; ++i)
          for (int64_t j = 0; j < s.kernel_w; ++j) {
            const int64_t iy = oy * s.stride_h - s.pad_top + i * s.dilation_h;
            const int64_t ix = ox * s.stride_w - s.pad_left + j * s.dilation_w;
            if (iy < s.height + s.pad_bottom && ix < s.width + s.pad_right) ++padded;
            if (iy < 0 || iy >= s.height || ix < 0 || ix >= s.width) continue;
            const double v = x[(p * s.height + iy) * s.width + ix];
            nan = nan || std::isnan(v);
            top = std::fmax(top, v), sum += v, ++inside;
          }
        const int64_t count = s.kind == Pool::average ? inside : padded;
        y.push_back(s.kind == Pool::max ? (nan ? std::numeric_limits<double>::quiet_NaN() : top)
                    : count == 0        ? 0
                                        : sum / static_cast<double>(count));
      }
  return y;
}

TEST(FastPool, AllKinds) {
  Random random(41);
  for (int i = 0; i < 500; ++i) {
    PoolArgs s;
    s.kind = static_cast<Pool>(i % 3);
    s.planes = random.whole(0, 4), s.height = random.whole(1, 30), s.width = random.whole(1, 90);
    s.kernel_h = random.whole(1, 5), s.kernel_w = random.whole(1, 5);
    s.stride_h = random.whole(1, 3), s.stride_w = random.whole(1, 3);
    if (random.whole(0, 3) == 0) s.dilation_h = random.whole(1, 3), s.dilation_w = random.whole(1, 3);
    s.pad_top = random.whole(0, s.kernel_h - 1), s.pad_left = random.whole(0, s.kernel_w - 1);
    s.pad_bottom = random.whole(0, s.kernel_h - 1), s.pad_right = random.whole(0, s.kernel_w - 1);
    const int64_t ceil = random.whole(0, 1);
    const auto extent = [&](int64_t in, int64_t pads, int64_t kernel, int64_t dilation, int64_t stride) {
      const int64_t room = in + pads - ((kernel - 1) * dilation + 1);
      return room < 0 ? 0 : (room + ceil * (stride - 1)) / stride + 1;
    };
    s.out_height = extent(s.height, s.pad_top + s.pad_bottom, s.kernel_h, s.dilation_h, s.stride_h);
    s.out_width = extent(s.width, s.pad_left + s.pad_right, s.kernel_w, s.dilation_w, s.stride_w);
    Guarded x = random.fill(s.planes * s.height * s.width);
    if (x.size() > 0 && i % 7 == 0) x[x.size() / 3] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<double> want = pool_truth(s, x.data());
    for (const FastKernels* f : levels()) {
      Guarded first(want.size(), random.whole(0, 1) == 0 ? Edge::at_end : Edge::at_begin), other(want.size());
      for (int threads = 1; threads <= 3; ++threads) {
        s.x = x.data(), s.y = threads == 1 ? first.data() : other.data();
        Room scratch(f->pool_scratch_bytes(s, threads));
        s.scratch = scratch.data();
        f->pool_run(s, pool_of(threads));
        if (threads > 1) {
          ASSERT_NO_FATAL_FAILURE(same(first, other, f->name));
        }
      }
      for (size_t j = 0; j < want.size(); ++j) {
        if (std::isnan(want[j]) || std::isinf(want[j])) {
          ASSERT_TRUE(std::isnan(want[j]) ? std::isnan(first[j]) : first[j] == want[j]) << f->name << i << " at " << j;
        } else {
          ASSERT_NEAR(first[j], want[j], s.kind == Pool::max ? 0 : 1e-6) << f->name << " case " << i << " at " << j;
        }
      }
    }
  }
}

TEST(FastResize, NearestAndLinear) {
  Random random(42);
  for (int i = 0; i < 200; ++i) {
    ResizeArgs s;
    s.kind = static_cast<Resize>(i % 2);
    s.planes = random.whole(0, 5), s.height = random.whole(1, 20), s.width = random.whole(1, 60);
    s.out_height = random.whole(0, 40), s.out_width = random.whole(0, 90);
    std::vector<int32_t> low_y, high_y, low_x, high_x;
    for (int64_t j = 0; j < s.out_height; ++j) {
      low_y.push_back(static_cast<int32_t>(random.whole(0, s.height - 1)));
      high_y.push_back(static_cast<int32_t>(random.whole(0, s.height - 1)));
    }
    for (int64_t j = 0; j < s.out_width; ++j) {
      low_x.push_back(static_cast<int32_t>(random.whole(0, s.width - 1)));
      high_x.push_back(static_cast<int32_t>(random.whole(0, s.width - 1)));
    }
    const Guarded x = random.fill(s.planes * s.height * s.width), weight_y = random.fill(s.out_height, 0, 1);
    const Guarded weight_x = random.fill(s.out_width, 0, 1);
    const bool linear = s.kind == Resize::linear;
    s.rows = {low_y.data(), linear ? high_y.data() : nullptr, linear ? weight_y.data() : nullptr};
    s.columns = {low_x.data(), linear ? high_x.data() : nullptr, linear ? weight_x.data() : nullptr};
    const size_t outputs = static_cast<size_t>(s.planes * s.out_height * s.out_width);
    for (const FastKernels* f : levels()) {
      Guarded first(outputs, random.whole(0, 1) == 0 ? Edge::at_end : Edge::at_begin), other(outputs);
      for (int threads = 1; threads <= 3; ++threads) {
        s.x = x.data(), s.y = threads == 1 ? first.data() : other.data();
        Room scratch(f->resize_scratch_bytes(s, threads));
        s.scratch = scratch.data();
        f->resize_run(s, pool_of(threads));
        if (threads > 1) {
          ASSERT_NO_FATAL_FAILURE(same(first, other, f->name));
        }
      }
      for (int64_t p = 0; p < s.planes; ++p)
        for (int64_t y = 0; y < s.out_height; ++y)
          for (int64_t c = 0; c < s.out_width; ++c) {
            const auto at = [&](int32_t r, int32_t q) {
              return static_cast<double>(x[(p * s.height + r) * s.width + q]);
            };
            double want = at(low_y[y], low_x[c]);
            if (linear) {
              const double v = weight_y[y], u = weight_x[c];
              want = (want * (1 - v) + at(high_y[y], low_x[c]) * v) * (1 - u) +
                     (at(low_y[y], high_x[c]) * (1 - v) + at(high_y[y], high_x[c]) * v) * u;
            }
            ASSERT_NEAR(first[(p * s.out_height + y) * s.out_width + c], want, linear ? 4e-7 : 0)
                << f->name << " " << i;
          }
    }
  }
}

}  // namespace
}  // namespace chorus::fast::testing
