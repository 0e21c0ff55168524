// Memory between unmapped pages, blocked tensors, and a convolution in float64 as the truth.
#pragma once
#include <engine/native/jit/conv.h>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace chorus::jit::test {

/// Which unmapped page the memory touches: a read or write beyond that end stops the program.
enum class Guard : uint8_t { before, behind };

class Guarded {
 public:
  Guarded(int64_t floats, Guard guard) : count_(floats) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t bytes = static_cast<size_t>(floats) * sizeof(float), inner = (bytes + page - 1) / page * page;
    size_ = inner + 2 * page;
    base_ = static_cast<std::byte*>(mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (inner > 0) mprotect(base_ + page, inner, PROT_READ | PROT_WRITE);
    data_ = reinterpret_cast<float*>(base_ + page + (guard == Guard::behind ? inner - bytes : 0));
  }
  ~Guarded() { munmap(base_, size_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  float* data() { return data_; }
  int64_t count() const { return count_; }

 private:
  int64_t count_;
  size_t size_ = 0;
  std::byte* base_ = nullptr;
  float* data_ = nullptr;
};

inline std::vector<float> random_floats(int64_t count, uint32_t seed, float low = -1, float high = 1) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> v(static_cast<size_t>(count));
  for (float& x : v) x = uniform(random);
  return v;
}

/// The lanes behind the last channel become NaN: they must not reach any result.
inline void to_blocked(const std::vector<float>& plain, int64_t n, int64_t c, int64_t pixels, float* blocked) {
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t b = 0; b < blocks(c); ++b) {
      for (int64_t p = 0; p < pixels; ++p) {
        for (int64_t l = 0; l < kBlock; ++l) {
          const int64_t channel = b * kBlock + l;
          blocked[((i * blocks(c) + b) * pixels + p) * kBlock + l] =
              channel < c ? plain[static_cast<size_t>((i * c + channel) * pixels + p)]
                          : std::numeric_limits<float>::quiet_NaN();
        }
      }
    }
  }
}
inline float blocked_at(const float* data, int64_t n, int64_t c, int64_t channels, int64_t pixels, int64_t p) {
  return data[((n * blocks(channels) + c / kBlock) * pixels + p) * kBlock + c % kBlock];
}

struct Truth {
  std::vector<double> value, size;  ///< results before the activation; sums of absolute products
};
inline Truth convolve(const fast::ConvShape& s, const fast::ConvSizes& z, const std::vector<float>& x,
                      const std::vector<float>& w) {
  const int64_t oh = fast::conv_out_height(s, z), ow = fast::conv_out_width(s, z);
  const int64_t ig = s.in_channels / s.groups, og = s.out_channels / s.groups;
  Truth t;
  for (int64_t n = 0; n < z.batch; ++n) {
    for (int64_t o = 0; o < s.out_channels; ++o) {
      for (int64_t p = 0; p < oh * ow; ++p) {
        double sum = 0, size = 0;
        for (int64_t i = 0; i < ig; ++i) {
          const int64_t c = o / og * ig + i;
          for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
            const int64_t y = p / ow * s.stride_h - s.pad_top + ky * s.dilation_h;
            if (y < 0 || y >= z.height) continue;
            for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
              const int64_t a = p % ow * s.stride_w - s.pad_left + kx * s.dilation_w;
              if (a < 0 || a >= z.width) continue;
              const double product =
                  double{x[static_cast<size_t>(((n * s.in_channels + c) * z.height + y) * z.width + a)]} *
                  double{w[static_cast<size_t>(((o * ig + i) * s.kernel_h + ky) * s.kernel_w + kx)]};
              sum += product, size += std::fabs(product);
            }
          }
        }
        t.value.push_back(sum), t.size.push_back(size);
      }
    }
  }
  return t;
}

/// Every input adds to the outputs that its filter reaches; weights [in, out / groups, kernel_h, kernel_w].
inline Truth convolve_transposed(const fast::ConvShape& s, const fast::ConvSizes& z, const std::vector<float>& x,
                                 const std::vector<float>& w) {
  const int64_t oh = fast::conv_transpose_out_height(s, z), ow = fast::conv_transpose_out_width(s, z);
  const int64_t ig = s.in_channels / s.groups, og = s.out_channels / s.groups;
  Truth t;
  t.value.resize(static_cast<size_t>(z.batch * s.out_channels * oh * ow));
  t.size.resize(t.value.size());
  for (int64_t i = 0; i < z.batch * s.in_channels * z.height * z.width; ++i) {
    const int64_t ix = i % z.width, iy = i / z.width % z.height, c = i / z.width / z.height % s.in_channels;
    const int64_t n = i / z.width / z.height / s.in_channels;
    for (int64_t j = 0; j < og * s.kernel_h * s.kernel_w; ++j) {
      const int64_t kx = j % s.kernel_w, ky = j / s.kernel_w % s.kernel_h,
                    o = c / ig * og + j / s.kernel_w / s.kernel_h;
      const int64_t oy = iy * s.stride_h - s.pad_top + ky * s.dilation_h,
                    ox = ix * s.stride_w - s.pad_left + kx * s.dilation_w;
      if (oy < 0 || ox < 0 || oy >= oh || ox >= ow) continue;
      const double product =
          double{x[static_cast<size_t>(i)]} * double{w[static_cast<size_t>(c * og * s.kernel_h * s.kernel_w + j)]};
      const auto at = static_cast<size_t>(((n * s.out_channels + o) * oh + oy) * ow + ox);
      t.value[at] += product, t.size[at] += std::fabs(product);
    }
  }
  return t;
}

inline double activation(const ConvProblem& p, double x) {
  using fast::Activation;
  const double a = p.alpha, b = p.beta;
  switch (p.activation) {
    case Activation::relu: return x < 0 ? 0 : x;
    case Activation::clip: return std::fmin(std::fmax(x, a), b);
    case Activation::leaky_relu: return x < 0 ? a * x : x;
    case Activation::hard_swish: return x * std::fmin(std::fmax(x / 6 + 0.5, 0), 1);
    case Activation::hard_sigmoid: return std::fmin(std::fmax(a * x + b, 0), 1);
    case Activation::sigmoid: return 1 / (1 + std::exp(-x));
    case Activation::silu: return x / (1 + std::exp(-x));
    default: return x;
  }
}

}  // namespace chorus::jit::test
