// Convolutions of known networks with the generated kernels: GFLOP/s and the share of this core's peak, with weights that are as
// cold as in a model: layers run one after the other, each from memory of its own, and a loop of multiply-adds runs between them.
// conv_bench [network] [avx512|avx2] [rounds]; times are those of the thread, so that other programs matter little.
#include <core/thread_pool.h>
#include <engine/native/jit/conv.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "conv_layers.h"
#include "peak.h"

namespace {

using namespace chorus;
using namespace chorus::jit;

struct Memory {
  explicit Memory(size_t bytes) : size((bytes + 127) / 64 * 64), p(static_cast<float*>(std::aligned_alloc(64, size))) {
    for (size_t i = 0; i < size / 4; ++i)
      p[i] = static_cast<float>(static_cast<int>(i * 2654435761u >> 20) % 17 - 8) * 0.1f;
  }
  Memory(Memory&& m) noexcept : size(m.size), p(m.p) { m.p = nullptr; }
  ~Memory() { std::free(p); }
  size_t size;
  float* p;
};

struct Layer {
  bench::ConvLayer row;
  ConvProblem problem;
  fast::ConvSizes sizes;
  std::shared_ptr<const ConvCall> call;
  Memory weights, bias, scratch;
  size_t input_bytes, output_bytes;
  double flops = 0;
  std::vector<double> seconds;
};

Layer make_layer(const bench::ConvLayer& r, Level level, const char* method) {
  ConvProblem p;
  fast::ConvShape& s = p.shape;
  s.in_channels = r.in, s.out_channels = r.out, s.groups = r.groups;
  s.kernel_h = s.kernel_w = r.kernel, s.stride_h = s.stride_w = r.stride;
  s.pad_top = s.pad_left = s.pad_bottom = s.pad_right = r.kernel / 2;
  p.source = r.in <= 4 ? Source::planar : Source::blocked;
  p.bias = true, p.activation = std::getenv("CONV_SILU") != nullptr ? fast::Activation::silu : fast::Activation::relu;
  const fast::ConvSizes z{1, r.size, r.size};
  if (std::strcmp(method, "auto") == 0) p.method = preferred_method(p, z, level);
  if (std::strncmp(method, "winograd", 8) == 0) {
    p.method = method[8] == '2' ? Method::winograd2 : Method::winograd4;
    if (refusal(p) != nullptr) p.method = Method::direct;
  }
  const int64_t h = fast::conv_out_height(s, z), w = fast::conv_out_width(s, z);
  auto call = ConvCall::make(p, z, level);
  Memory raw(static_cast<size_t>(s.out_channels * s.in_channels / s.groups * s.kernel_h * s.kernel_w) * 4);
  const auto bytes = [](int64_t floats) { return static_cast<size_t>(floats) * 4; };
  Layer l{r,
          p,
          z,
          call,
          Memory(packed_weight_bytes(p)),
          Memory(bytes(bias_count(s.out_channels))),
          Memory(call->scratch_bytes(1)),
          bytes(blocked_count(1, s.in_channels, r.size, r.size)),
          bytes(blocked_count(1, s.out_channels, h, w)),
          2.0 * static_cast<double>(h * w * s.out_channels * (s.in_channels / s.groups) * s.kernel_h * s.kernel_w),
          {}};
  pack_weights(p, raw.p, nullptr, l.weights.p);
  return l;
}

/// The value below which a fifth lies: other programs only add time.
double quiet(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 5];
}

void network(const std::string& name, Level level, int rounds, const char* method, bool hot) {
  std::vector<Layer> layers;
  for (const bench::ConvLayer& r : bench::conv_layers(name)) {
    for (int64_t i = 0; i < r.count; ++i) layers.push_back(make_layer(r, level, method));
  }
  if (layers.empty()) return;
  ThreadPool pool(ThreadPool::Options{});
  std::vector<double> peaks;
  // Tensors between layers lie in two places in turn, as the plan of a model lays them out.
  size_t largest = 0;
  for (const Layer& l : layers) largest = std::max({largest, l.input_bytes, l.output_bytes});
  const Memory first(largest), second(largest);
  const float* input = first.p;
  float* output = second.p;
  for (int i = 0; i < rounds; ++i) {
    for (Layer& l : layers) {
      const ConvBuffers b{input, l.weights.p, l.bias.p, nullptr, output, l.scratch.p};
      if (hot) l.call->run(b, pool);
      const double start = bench::thread_seconds();
      l.call->run(b, pool);
      l.seconds.push_back(bench::thread_seconds() - start);
      const float* next = output;
      output = const_cast<float*>(input), input = next;
    }
    peaks.push_back(1 / bench::peak_gflops(level == Level::avx512));
  }
  const double peak = 1 / quiet(peaks);
  std::printf("%s: peak of this core %.1f GFLOP/s, %d rounds\n", name.c_str(), peak, rounds);
  double time = 0, flops = 0;
  for (size_t i = 0; i < layers.size(); i += static_cast<size_t>(layers[i].row.count)) {
    const Layer& l = layers[i];
    std::vector<double> all;
    for (size_t j = i; j < i + static_cast<size_t>(l.row.count); ++j)
      all.insert(all.end(), layers[j].seconds.begin(), layers[j].seconds.end());
    const double t = quiet(all);
    time += t * l.row.count, flops += l.flops * l.row.count;
    std::printf("  %-3lldx %5lld -> %-5lld %lldx%lld/%lld %4lld  g%-5lld %9.1f us %7.1f GFLOP/s %6.1f %%  %s\n",
                static_cast<long long>(l.row.count), static_cast<long long>(l.row.in),
                static_cast<long long>(l.row.out), static_cast<long long>(l.row.kernel),
                static_cast<long long>(l.row.kernel), static_cast<long long>(l.row.stride),
                static_cast<long long>(l.row.size), static_cast<long long>(l.row.groups), t * 1e6, l.flops / t * 1e-9,
                l.flops / t * 1e-7 / peak, l.call->name());
  }
  std::printf("  all: %.2f ms, %.1f GFLOP/s, %.1f %% of the peak\n", time * 1e3, flops / time * 1e-9,
              flops / time * 1e-7 / peak);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string only = argc > 1 ? argv[1] : "all";
  const bool narrow = argc > 2 && std::strcmp(argv[2], "avx2") == 0;
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 15;
  const Level best = level(narrow ? masked(cpu(), "avx512") : cpu());
  for (const char* name : bench::networks) {
    if (only == "all" || only == name) network(name, best, rounds, argc > 4 ? argv[4] : "auto", argc > 5);
  }
  return 0;
}
