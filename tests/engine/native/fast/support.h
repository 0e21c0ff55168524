// What the tests of the fast kernels share: levels to force, operands that end or begin at an unmapped page, random
// data.
#pragma once
#include <engine/native/fast/kernels.h>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "support/sanitized.h"

namespace chorus::fast::testing {

using chorus::testing::kSanitized;

/// The tables of all levels that this machine can run, each forced by masking what is above it.
inline std::vector<const FastKernels*> levels() {
  std::vector<const FastKernels*> all;
  for (const char* off : {"", "avx512", "avx512, avx2"}) {
    const FastKernels* table = &kernels(masked(cpu(), off));
    if (all.empty() || all.back() != table) all.push_back(table);
  }
  return all;
}

enum class Edge { at_end, at_begin };  // where the unmapped page lies

/// Floats whose last (first) element touches an unmapped page.
class Guarded {
 public:
  Guarded(size_t floats, Edge edge = Edge::at_end) : size_(floats) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    bytes_ = (floats * sizeof(float) + page - 1) / page * page;
    total_ = bytes_ + 2 * page;
    base_ = static_cast<char*>(mmap(nullptr, total_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED) std::abort();
    mprotect(base_, page, PROT_NONE);
    mprotect(base_ + page + bytes_, page, PROT_NONE);
    char* first = base_ + page + (edge == Edge::at_end ? bytes_ - floats * sizeof(float) : 0);
    data_ = reinterpret_cast<float*>(first);
  }
  ~Guarded() {
    if (base_ != nullptr) munmap(base_, total_);
  }
  Guarded(Guarded&& o) noexcept { *this = std::move(o); }
  Guarded& operator=(Guarded&& o) noexcept {
    std::swap(base_, o.base_), std::swap(data_, o.data_), std::swap(size_, o.size_);
    std::swap(bytes_, o.bytes_), std::swap(total_, o.total_);
    return *this;
  }
  float* data() { return data_; }
  const float* data() const { return data_; }
  size_t size() const { return size_; }
  float& operator[](size_t i) { return data_[i]; }
  float operator[](size_t i) const { return data_[i]; }

 private:
  char* base_ = nullptr;
  float* data_ = nullptr;
  size_t size_ = 0, bytes_ = 0, total_ = 0;
};

/// 64-byte aligned bytes for packed weights and scratch, full of NaN, with an unmapped page behind them.
class Room {
 public:
  explicit Room(size_t bytes) : memory_((bytes + 63) / 64 * 16) {
    std::memset(memory_.data(), 0xff, memory_.size() * sizeof(float));
  }
  float* data() { return memory_.data(); }

 private:
  Guarded memory_;
};

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  int64_t whole(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine_); }
  float real(float low = -1, float high = 1) { return std::uniform_real_distribution<float>(low, high)(engine_); }
  Guarded fill(int64_t n, float low = -1, float high = 1) {
    Guarded g(static_cast<size_t>(n), whole(0, 1) == 0 ? Edge::at_end : Edge::at_begin);
    for (size_t i = 0; i < g.size(); ++i) g[i] = real(low, high);
    return g;
  }

 private:
  std::mt19937 engine_;
};

inline ThreadPool& pool_of(int threads) {
  static std::unique_ptr<ThreadPool> pools[4];
  auto& pool = pools[threads];
  if (pool == nullptr) {
    ThreadPool::Options options;
    options.threads = threads;
    pool = std::make_unique<ThreadPool>(options);
  }
  return *pool;
}

/// The epilogue in float64.
inline double activate(const Epilogue& e, double x) {
  const double a = e.alpha, b = e.beta;
  switch (e.activation) {
    case Activation::none: return x;
    case Activation::relu: return x < 0 ? 0 : x;
    case Activation::clip: return x < a ? a : x > b ? b : x;
    case Activation::leaky_relu: return x < 0 ? a * x : x;
    case Activation::hard_swish: return x * std::fmin(std::fmax(x / 6 + 0.5, 0), 1);
    case Activation::hard_sigmoid: return std::fmin(std::fmax(a * x + b, 0), 1);
    case Activation::sigmoid: return 1 / (1 + std::exp(-x));
    case Activation::silu: return x / (1 + std::exp(-x));
    case Activation::tanh: return std::tanh(x);
    case Activation::gelu_erf: return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case Activation::gelu_tanh: return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  }
  return 0;
}
inline double finish(const Epilogue& e, double x, int64_t channel, double residual) {
  if (e.bias != nullptr) x += e.bias[channel];
  if (e.scale != nullptr) x *= e.scale[channel];
  if (e.shift != nullptr) x += e.shift[channel];
  if (e.residual_place == ResidualPlace::before_activation) x += residual;
  x = activate(e, x);
  return e.residual_place == ResidualPlace::after_activation ? x + residual : x;
}

/// A random epilogue and the arrays that it points to.
struct RandomEpilogue {
  Guarded bias, scale, shift, residual;
  Epilogue e;
  RandomEpilogue(Random& random, int64_t channels, int64_t outputs, ChannelAxis axis)
      : bias(random.fill(channels)), scale(random.fill(channels)), shift(random.fill(channels)),
        residual(random.fill(outputs)) {
    e.axis = axis;
    if (random.whole(0, 2) > 0) e.bias = bias.data();
    if (random.whole(0, 3) == 0) {
      e.scale = scale.data();
      if (random.whole(0, 1) == 0) e.shift = shift.data();
    }
    if (random.whole(0, 2) == 0) e.residual = residual.data();
    e.residual_place = static_cast<ResidualPlace>(random.whole(0, 1));
    const int64_t kind = random.whole(0, 14);
    e.activation = kind <= 10 ? static_cast<Activation>(kind) : Activation::none;
    e.alpha = e.activation == Activation::clip ? -0.5f : 0.2f;
    e.beta = 0.5f;
  }
};

}  // namespace chorus::fast::testing
