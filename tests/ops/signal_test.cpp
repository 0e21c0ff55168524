// Transforms against their definition and their inverse; windows by known points.
#include <ops/table.h>
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numbers>

#include "ops/op_case.h"

namespace chorus {
namespace {
using testing::expect_close;
using testing::make;
using testing::run_one;

TEST(Signal, GridsRun) {
  for (const OpDef& def : families::signal_ops()) EXPECT_GE(testing::run_grid(def.name), 2) << def.name;
}

Value wave(int64_t n) {
  Value x = Value::tensor(DType::float64, Shape{1, n, 2});
  for (int64_t i = 0; i < 2 * n; ++i)
    x.as_mutable<double>()[static_cast<size_t>(i)] = std::sin(1.7 * static_cast<double>(i * i + 1));
  return x;
}

TEST(Signal, TransformsFollowTheDefinitionAndInvert) {
  for (const int64_t n : {1, 2, 3, 7, 8, 12, 20}) {
    const Value x = wave(n), y = run_one({.op = "DFT", .inputs = {x}});
    Value wanted = Value::tensor(DType::float64, Shape{1, n, 2});
    for (int64_t k = 0; k < n; ++k) {
      double re = 0, im = 0;
      for (int64_t j = 0; j < n; ++j) {
        const double t = -2 * std::numbers::pi * static_cast<double>(j * k) / static_cast<double>(n);
        const double a = x.as<double>()[static_cast<size_t>(2 * j)], b = x.as<double>()[static_cast<size_t>(2 * j + 1)];
        re += a * std::cos(t) - b * std::sin(t);
        im += a * std::sin(t) + b * std::cos(t);
      }
      wanted.as_mutable<double>()[static_cast<size_t>(2 * k)] = re;
      wanted.as_mutable<double>()[static_cast<size_t>(2 * k + 1)] = im;
    }
    expect_close(y, wanted, 1e-12);
    expect_close(run_one({.op = "DFT", .inputs = {y}, .attributes = {{"inverse", 1}}}), x, 1e-12);
  }
}

// The definition in float64, on what float32 stores: the error of a fast transform grows with log n alone.
TEST(Signal, Float32IsAsExactAsItsRoundingsAllow) {
  // Every radix, their products, primes beyond a butterfly (7, 11, 47), primes that go through a convolution (53, 101, 1009), squares of primes.
  for (const int64_t n : {1,  2,  3,  4,  5,  6,  7,   8,   10,  11,  12,  15,   16,   20,   25,  27,
                          32, 47, 49, 53, 60, 64, 101, 106, 121, 240, 343, 1009, 1024, 1155, 2809}) {
    Value x = Value::tensor(DType::float32, Shape{1, n, 2});
    for (int64_t i = 0; i < 2 * n; ++i)
      x.as_mutable<float>()[static_cast<size_t>(i)] =
          static_cast<float>(std::sin(1.7 * static_cast<double>(i * i + 1)));
    const std::vector<double> in = x.to_doubles();
    for (const int64_t inverse : {0, 1}) {
      const std::vector<double> y =
          run_one({.op = "DFT", .inputs = {x}, .attributes = {{"inverse", inverse}}}).to_doubles();
      double largest = 0, error = 0;
      for (int64_t k = 0; k < n; ++k) {
        std::complex<double> sum = 0;
        for (int64_t j = 0; j < n; ++j) {
          const double t =
              (inverse != 0 ? 2 : -2) * std::numbers::pi * static_cast<double>(j * k % n) / static_cast<double>(n);
          sum += std::complex<double>(in[static_cast<size_t>(2 * j)], in[static_cast<size_t>(2 * j + 1)]) *
                 std::polar(1.0, t);
        }
        if (inverse != 0) sum /= static_cast<double>(n);
        largest = std::max(largest, std::abs(sum));
        error = std::max(error, std::abs(sum - std::complex<double>(y[static_cast<size_t>(2 * k)],
                                                                    y[static_cast<size_t>(2 * k + 1)])));
      }
      EXPECT_LE(error, 1.5e-7 * (1 + std::log2(static_cast<double>(n))) * largest)
          << n << (inverse != 0 ? " inverse" : "");
    }
  }
}

// By the definition this length would take 10^10 products.
TEST(Signal, ALargePrimeIsFast) {
  const int64_t n = 100003;
  Value x = Value::tensor(DType::float64, Shape{1, n, 2});
  double energy = 0;
  for (int64_t i = 0; i < 2 * n; ++i) {
    const double v = std::cos(0.3 * static_cast<double>(i)) + static_cast<double>(i % 7);
    x.as_mutable<double>()[static_cast<size_t>(i)] = v;
    energy += v * v;
  }
  const Value y = run_one({.op = "DFT", .inputs = {x}});
  double transformed = 0;
  for (const double v : y.to_doubles()) transformed += v * v;
  EXPECT_NEAR(transformed / static_cast<double>(n) / energy, 1, 1e-12);  // Parseval
  expect_close(run_one({.op = "DFT", .inputs = {y}, .attributes = {{"inverse", 1}}}), x, 1e-11);
}

TEST(Signal, OneSideGivesTheRealSignalBack) {
  const Value x = make(DType::float64, {1, 6, 1}, {1, -2, 0.5, 3, 4, -1});
  const Value half = run_one({.op = "DFT", .inputs = {x}, .attributes = {{"onesided", 1}}});
  EXPECT_EQ(half.shape(), (Shape{1, 4, 2}));
  expect_close(run_one({.op = "DFT", .inputs = {half}, .attributes = {{"onesided", 1}, {"inverse", 1}}}), x, 1e-12);
}

TEST(Signal, FramesAreTransformedOneByOne) {
  const Value x = make(DType::float64, {1, 6, 1}, {1, 2, 3, 4, 5, 6}), step = make(DType::int64, {}, {2}), none{},
              length = make(DType::int64, {}, {2});
  // Bins of two elements: sum and difference.
  expect_close(run_one({.op = "STFT", .inputs = {x, step, none, length}}),
               make(DType::float64, {1, 3, 2, 2}, {3, 0, -1, 0, 7, 0, -1, 0, 11, 0, -1, 0}), 1e-12);
}

TEST(Signal, Windows) {
  const Value four = make(DType::int64, {}, {4}), five = make(DType::int64, {}, {5});
  expect_close(run_one({.op = "HannWindow", .inputs = {four}}), make(DType::float32, {4}, {0, 0.5, 1, 0.5}), 1e-7);
  expect_close(run_one({.op = "HannWindow", .inputs = {five}, .attributes = {{"periodic", 0}}}),
               make(DType::float32, {5}, {0, 0.5, 1, 0.5, 0}), 1e-7);
  EXPECT_EQ(
      testing::infer_str(
          {.op = "HannWindow", .inputs = {Type::tensor(DType::int64, {})}, .values = {{0, Dims{Dim::symbol("n")}}}}),
      "float32[n]");
}

}  // namespace
}  // namespace chorus
