// GFLOP/s of the fast kernels on one thread and their share of this machine's peak, measured by a loop of fused
// multiply-adds around each row. On a quiet machine: taskset -c 1 bin/fast_bench [avx512|avx2|portable] [part of a
// name]. "exhaustive" as the name: the errors of exp and tanh over all floats instead (minutes).
#include <engine/native/fast/kernels.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "peak.h"

namespace {

using namespace chorus;
using namespace chorus::fast;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Least time of a call over at least `seconds` and five calls, in seconds.
template <class Body>
double least_time(Body&& body, double seconds = 0.15) {
  body();
  double best = 1e9;
  const double start = now();
  for (int i = 0; i < 5 || now() - start < seconds; ++i) {
    const double before = now();
    body();
    const double t = now() - before;
    if (t < best) best = t;
  }
  return best;
}

/// GFLOP/s of a loop of fused multiply-adds; 0: none for this level.
double measured_peak(Level level) { return level == Level::portable ? 0 : bench::peak_gflops(level == Level::avx512); }

struct Floats {
  explicit Floats(size_t n) : bytes((n * 4 + 127) / 64 * 64), p(static_cast<float*>(std::aligned_alloc(64, bytes))) {
    for (size_t i = 0; i < bytes / 4; ++i)
      p[i] = static_cast<float>(static_cast<int>(i * 2654435761u >> 20) % 17 - 8) * 0.1f;
  }
  ~Floats() { std::free(p); }
  Floats(const Floats&) = delete;
  Floats& operator=(const Floats&) = delete;
  size_t bytes;
  float* p;
};

struct Bench {
  const FastKernels& f;
  ThreadPool& pool;
  const char* only;

  void row(const std::string& name, double flops, double t) const {
    std::printf("%-48s %9.1f us %8.1f GFLOP/s", name.c_str(), t * 1e6, flops / t * 1e-9);
    const double peak = measured_peak(f.level);  // just now: the clock changes with time
    if (peak > 0) std::printf(" %5.1f %%", flops / t * 1e-7 / peak);
    std::printf("\n");
  }

  void gemm(int64_t m, int64_t n, int64_t k, Packed packed, Form tb = Form::normal, int64_t batch = 1) const {
    static const char* names[] = {"both dynamic", "A packed", "B packed"};
    const std::string name = "gemm " + std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) + " " +
                             (tb == Form::transposed ? "B^T " : "") +
                             (batch > 1 ? "batch " + std::to_string(batch) + " " : "") + names[int(packed)];
    if (name.find(only) == std::string::npos) return;
    Floats a(static_cast<size_t>(m * k * batch)), b(static_cast<size_t>(k * n * batch)),
        c(static_cast<size_t>(m * n * batch));
    Floats pa(f.gemm_packed_a_bytes(m, k) / 4), pb(f.gemm_packed_b_bytes(k, n) / 4);
    GemmArgs g;
    g.shape = {m, n, k, Form::normal, tb, packed, batch};
    g.a = a.p, g.b = b.p, g.c = c.p, g.lda = k, g.ldb = tb == Form::normal ? n : k, g.ldc = n;
    g.stride_a = m * k, g.stride_b = k * n, g.stride_c = m * n;
    if (packed == Packed::a) f.gemm_pack_a(m, k, a.p, k, Form::normal, pa.p), g.a = pa.p, g.stride_a = 0;
    if (packed == Packed::b) f.gemm_pack_b(k, n, b.p, g.ldb, tb, pb.p), g.b = pb.p, g.stride_b = 0;
    Floats scratch(f.gemm_scratch_bytes(g.shape, pool.threads()) / 4);
    g.scratch = scratch.p;
    row(name, 2.0 * static_cast<double>(m * n * k * batch), least_time([&] { f.gemm_run(g, pool); }));
  }

  void conv(const char* label, ConvShape s, ConvSizes z, Activation act = Activation::relu) const {
    const int64_t h = conv_out_height(s, z), w = conv_out_width(s, z);
    const std::string name = std::string("conv ") + label;
    if (name.find(only) == std::string::npos) return;
    Floats in(static_cast<size_t>(z.batch * s.in_channels * z.height * z.width));
    const int64_t k = s.in_channels / s.groups * s.kernel_h * s.kernel_w;
    Floats weights(static_cast<size_t>(s.out_channels * k)), packed(f.conv_packed_weight_bytes(s) / 4);
    Floats out(static_cast<size_t>(z.batch * s.out_channels * h * w)), bias(static_cast<size_t>(s.out_channels));
    Floats scratch(f.conv_scratch_bytes(s, z, pool.threads()) / 4);
    f.conv_pack_weights(s, weights.p, packed.p);
    ConvArgs a{s, z, in.p, packed.p, out.p, {}, scratch.p};
    a.epilogue.bias = bias.p, a.epilogue.activation = act;
    row(name, 2.0 * static_cast<double>(z.batch * s.out_channels * h * w * k),
        least_time([&] { f.conv_run(a, pool); }));
  }
};

void transposed(const Bench& b, const char* label, ConvShape s, ConvSizes z) {
  const std::string name = std::string("conv transpose ") + label;
  if (name.find(b.only) == std::string::npos) return;
  const int64_t pixels = conv_transpose_out_height(s, z) * conv_transpose_out_width(s, z);
  const int64_t macs = s.in_channels * s.out_channels * s.kernel_h * s.kernel_w;
  Floats in(static_cast<size_t>(z.batch * s.in_channels * z.height * z.width)), weights(static_cast<size_t>(macs));
  Floats packed(b.f.conv_transpose_packed_weight_bytes(s) / 4),
      out(static_cast<size_t>(z.batch * s.out_channels * pixels));
  Floats scratch(b.f.conv_transpose_scratch_bytes(s, z, b.pool.threads()) / 4),
      bias(static_cast<size_t>(s.out_channels));
  b.f.conv_transpose_pack_weights(s, weights.p, packed.p);
  ConvArgs a{s, z, in.p, packed.p, out.p, {}, scratch.p};
  a.epilogue.bias = bias.p;
  b.row(name, 2.0 * static_cast<double>(z.batch * z.height * z.width * macs),
        least_time([&] { b.f.conv_transpose_run(a, b.pool); }));
}

/// Kernels that memory bounds: elements per nanosecond.
template <class Body>
void stream(const Bench& b, const std::string& label, int64_t n, Body&& body) {
  const std::string name = "stream " + label;
  if (name.find(b.only) == std::string::npos) return;
  const double t = least_time(body);
  std::printf("%-48s %9.1f us %8.2f elements/ns\n", name.c_str(), t * 1e6, static_cast<double>(n) / t * 1e-9);
}

void streams(const Bench& b) {
  const int64_t n = 1 << 16;
  Floats x(n), y(n), z(n);
  const char* names[] = {"exp", "log", "tanh", "sigmoid", "erf", "gelu_erf", "gelu_tanh", "silu", "hard_swish"};
  for (int i = 0; i < 9; ++i)
    stream(b, names[i], n, [&] { b.f.unary_run({static_cast<Unary>(i), x.p, y.p, n, 0, 0}, b.pool); });
  stream(b, "softmax 128x512", n, [&] { b.f.softmax_run({Softmax::normal, x.p, y.p, 128, 512, 1}, b.pool); });
  stream(b, "layer norm 128x512", n, [&] { b.f.norm_run({Norm::layer, x.p, y.p, 128, 512, x.p, x.p}, b.pool); });
  stream(b, "sum 128x512", n, [&] { b.f.reduce_run({Reduce::sum, x.p, y.p, 128, 512, 1}, b.pool); });
  stream(b, "transpose 256x256", n, [&] { b.f.transpose_run({x.p, y.p, 1, 256, 256, 1}, b.pool); });
  BinaryArgs add{Binary::add, x.p, y.p, z.p};
  add.inner = n;
  stream(b, "add", n, [&] { b.f.binary_run(add, b.pool); });
}

ConvShape square(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t groups = 1) {
  ConvShape s;
  s.in_channels = in, s.out_channels = out, s.groups = groups;
  s.kernel_h = s.kernel_w = kernel, s.stride_h = s.stride_w = stride;
  s.pad_top = s.pad_left = s.pad_bottom = s.pad_right = kernel / 2;
  return s;
}

void products(const Bench& b) {
  for (const Packed p : {Packed::a, Packed::b, Packed::none}) b.gemm(512, 512, 512, p);
  b.gemm(512, 512, 512, Packed::none, Form::transposed);
  b.gemm(1024, 1024, 1024, Packed::none);
  b.gemm(128, 128, 64, Packed::none, Form::transposed, 12);
  b.gemm(128, 64, 128, Packed::none, Form::normal, 12);
  b.gemm(1, 1024, 1024, Packed::b);
  b.gemm(4, 1024, 1024, Packed::b);
  b.gemm(8, 1024, 1024, Packed::b);
  b.gemm(1024, 1, 1024, Packed::a);
  b.gemm(1024, 4, 1024, Packed::a);
  b.gemm(40, 6625, 120, Packed::b);
  b.gemm(4, 1024, 1024, Packed::none, Form::transposed);
}

void convolutions(const Bench& b) {
  b.conv("resnet 7x7 s2 3-64 224", square(3, 64, 7, 2), {1, 224, 224});
  b.conv("resnet 3x3 64-64 56", square(64, 64, 3, 1), {1, 56, 56});
  b.conv("resnet 3x3 128-128 28", square(128, 128, 3, 1), {1, 28, 28});
  b.conv("resnet 3x3 256-256 14", square(256, 256, 3, 1), {1, 14, 14});
  b.conv("resnet 3x3 512-512 7", square(512, 512, 3, 1), {1, 7, 7});
  b.conv("resnet 3x3 s2 128-128 56", square(128, 128, 3, 2), {1, 56, 56});
  b.conv("resnet 1x1 64-256 56", square(64, 256, 1, 1), {1, 56, 56});
  b.conv("resnet 1x1 256-64 56", square(256, 64, 1, 1), {1, 56, 56});
  b.conv("resnet 1x1 512-128 28", square(512, 128, 1, 1), {1, 28, 28});
  b.conv("resnet 1x1 256-1024 14", square(256, 1024, 1, 1), {1, 14, 14});
  b.conv("resnet 1x1 1024-256 14", square(1024, 256, 1, 1), {1, 14, 14});
  b.conv("resnet 1x1 2048-512 7", square(2048, 512, 1, 1), {1, 7, 7});
  b.conv("resnet 1x1 s2 256-512 56", square(256, 512, 1, 2), {1, 56, 56});
  b.conv("mobile 3x3 16-16 80", square(16, 16, 3, 1), {1, 80, 80});
  b.conv("mobile 1x1 16-64 80", square(16, 64, 1, 1), {1, 80, 80});
  b.conv("mobile 1x1 24-72 6x40 batch 6", square(24, 72, 1, 1), {6, 6, 40});
  b.conv("mobile 1x1 200-80 3x40 batch 6", square(200, 80, 1, 1), {6, 3, 40});
  b.conv("squeeze 1x1 480-120 1x1", square(480, 120, 1, 1), {1, 1, 1});
  b.conv("squeeze 1x1 480-120 1x1 batch 6", square(480, 120, 1, 1), {6, 1, 1});
  b.conv("depthwise 3x3 64 56", square(64, 64, 3, 1, 64), {1, 56, 56});
  b.conv("depthwise 3x3 s2 64 56", square(64, 64, 3, 2, 64), {1, 56, 56});
  b.conv("depthwise 5x5 120 28", square(120, 120, 5, 1, 120), {1, 28, 28});
  b.conv("depthwise 5x5 s2 120 28", square(120, 120, 5, 2, 120), {1, 28, 28});
  b.conv("depthwise 3x3 200 6x40", square(200, 200, 3, 1, 200), {1, 6, 40});
  ConvShape up = square(64, 64, 2, 2);
  up.pad_top = up.pad_left = up.pad_bottom = up.pad_right = 0;
  transposed(b, "2x2 s2 64-64 80", up, {1, 80, 80});
  up.in_channels = 24, up.out_channels = 1;
  transposed(b, "2x2 s2 24-1 160", up, {1, 160, 160});
  transposed(b, "3x3 s2 64-64 40", square(64, 64, 3, 2), {1, 40, 40});
  b.conv("grouped 3x3 128-128 g32 28", square(128, 128, 3, 1, 32), {1, 28, 28});
}

/// Worst error over all floats, in spacings of the exact value.
void exhaustive(const FastKernels& f, Unary op, const char* name, double (*truth)(double)) {
  constexpr uint32_t block = 1u << 16;
  std::vector<float> x(block), y(block);
  ThreadPool alone(ThreadPool::Options{});
  double worst = 0;
  float at = 0;
  for (uint64_t first = 0; first < (uint64_t{1} << 32); first += block) {
    for (uint32_t i = 0; i < block; ++i) {
      const uint32_t bits = static_cast<uint32_t>(first) + i;
      std::memcpy(&x[i], &bits, 4);
    }
    f.unary_run({op, x.data(), y.data(), block, 0, 0}, alone);
    for (uint32_t i = 0; i < block; ++i) {
      const double want = truth(x[i]);
      const float rounded = static_cast<float>(want);
      if (std::isnan(want) ? std::isnan(y[i]) : y[i] == rounded) continue;
      const double spacing = std::fabs(want) < 0x1p-126 ? 0x1p-149 : std::ldexp(1.0, std::ilogb(want) - 23);
      const double e = std::isfinite(rounded) && std::isfinite(y[i]) ? std::fabs(y[i] - want) / spacing : 1e30;
      if (e > worst) worst = e, at = x[i];
    }
  }
  std::printf("%s: %.4f ulp at %.9g over all 2^32 floats\n", name, worst, static_cast<double>(at));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string wanted = argc > 1 ? argv[1] : "avx512";
  const char* off = wanted == "portable" ? "avx512, avx2" : wanted == "avx2" ? "avx512" : "";
  const FastKernels& f = kernels(masked(cpu(), off));
  ThreadPool::Options options;
  if (const char* threads = std::getenv("CHORUS_BENCH_THREADS")) options.threads = std::atoi(threads);
  ThreadPool pool(options);
  const Bench bench{f, pool, argc > 2 ? argv[2] : ""};
  std::printf("level %s, %d thread(s), peak of one core %.1f GFLOP/s\n", f.name, pool.threads(),
              measured_peak(f.level));
  if (std::string(bench.only) == "exhaustive") {
    exhaustive(f, Unary::exp, "exp", [](double x) { return std::exp(x); });
    exhaustive(f, Unary::tanh, "tanh", [](double x) { return std::tanh(x); });
    return 0;
  }
  products(bench);
  convolutions(bench);
  streams(bench);
  return 0;
}
