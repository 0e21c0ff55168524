#include <engine/native/jit/bytes.h>
#include <engine/native/jit/code_cache.h>
#include <engine/native/jit/direct.h>
#include <engine/native/jit/geometry.h>
#include <engine/native/jit/narrow.h>
#include <engine/native/jit/transposed.h>
#include <engine/native/jit/volume.h>
#include <engine/native/jit/winograd.h>

#include <core/thread_pool.h>

#include <algorithm>
#include <cmath>

namespace chorus::jit {
namespace {

constexpr double kColdCycles = 0.06;       // per byte of weights that come from memory, behind the products
constexpr double kTransformCycles = 6;     // per value of 16 channels, both transforms and their memory

class PlainCall final : public ConvCall {
 public:
  PlainCall(const ConvProblem& problem, const fast::ConvSizes& sizes) : problem_(problem), sizes_(sizes) {}
  size_t scratch_bytes(int) const noexcept override { return 0; }
  void run(const ConvBuffers& buffers, ThreadPool& pool) const noexcept override {
    if (problem_.element == Element::bytes)
      run_bytes_plain(problem_, sizes_, buffers, pool);
    else if (problem_.direction == Direction::transposed)
      run_transposed_plain(problem_, sizes_, buffers, pool);
    else if (problem_.method == Method::direct)
      run_plain(problem_, sizes_, buffers, pool);
    else
      run_winograd_plain(problem_, sizes_, buffers, pool);
  }
  const char* name() const noexcept override { return "plain"; }

 private:
  ConvProblem problem_;
  fast::ConvSizes sizes_;
};

}  // namespace

Level level(const CpuFeatures& features) noexcept {
  if (!code_allowed()) return Level::plain;
  const bool has_avx2 = features.avx2 && features.fma;
  if (has_avx2 && features.avx512f && features.avx512bw && features.avx512dq && features.avx512vl) return Level::avx512;
  return has_avx2 ? Level::avx2 : Level::plain;
}

Method preferred_method(const ConvProblem& problem, const fast::ConvSizes& typical, Level level) noexcept {
  if (level == Level::plain || !winograd_fits(problem)) return Method::direct;
  const fast::ConvShape& s = problem.shape;
  const auto height = static_cast<double>(typical.height > 0 ? fast::conv_out_height(s, typical) : 28);
  const auto width = static_cast<double>(typical.width > 0 ? fast::conv_out_width(s, typical) : 28);
  const auto batch = static_cast<double>(std::max<int64_t>(typical.batch, 1));
  const auto in = static_cast<double>(blocks(s.in_channels)), out = static_cast<double>(blocks(s.out_channels));
  const double lanes = level == Level::avx512 ? 16 : 8;
  // Cycles: two vectors of products each, at the share of the peak that was measured; filter rows outside the picture cost nothing.
  const double block = 16 * 16 / (2 * lanes);
  const double border = (1 - 2 / (3 * height)) * (1 - 2 / (3 * width));
  const double direct =
      batch * height * width * 9 * border * in * out * block / 0.97 + 9 * in * out * 1024 * kColdCycles;
  Method best = Method::direct;
  double least = direct * 0.9;  // less rounding is worth something
  for (const Method method : {Method::winograd4, Method::winograd2}) {
    const double m = method == Method::winograd4 ? 4 : 2, n = (m + 2) * (m + 2);
    const double tiles = batch * std::ceil(height / m) * std::ceil(width / m);
    const double products = tiles * n * in * out * block / 0.9 + n * in * out * 1024 * kColdCycles;
    const double transforms = tiles * (in + out) * n * 16 / lanes * kTransformCycles;
    if (products + transforms < least) best = method, least = products + transforms;
  }
  return best;
}

void generate(const ConvProblem& problem, const fast::ConvSizes& given, Level level) {
  if (level == Level::plain) return;
  const fast::ConvSizes sizes{1, given.height, given.width};
  if (is_volume(problem))
    generate_volume(problem, sizes, level);
  else if (problem.direction == Direction::transposed)
    generate_transposed(problem, sizes, level);
  else if (problem.element == Element::bf16)
    generate_narrow(problem, sizes, level);
  else if (problem.requantize)
    generate_bytes(problem, sizes, level);
  else if (problem.method != Method::direct)
    generate_winograd(problem, sizes, level);
  else
    generate_direct(problem, sizes, level);
}

std::shared_ptr<const ConvCall> ConvCall::make(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level) {
  std::shared_ptr<const ConvCall> call;
  if (level != Level::plain) {
    call = is_volume(problem)                           ? make_volume(problem, sizes, level)
           : problem.direction == Direction::transposed ? make_transposed(problem, sizes, level)
           : problem.element == Element::bf16           ? make_narrow(problem, sizes, level)
           : problem.requantize                         ? make_bytes(problem, sizes, level)
           : problem.method != Method::direct           ? make_winograd(problem, sizes, level)
                                                        : make_direct(problem, sizes, level);
  }
  return call != nullptr ? call : std::make_shared<PlainCall>(problem, sizes);
}

}  // namespace chorus::jit
