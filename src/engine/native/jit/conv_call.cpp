#include <engine/native/jit/code_cache.h>
#include <engine/native/jit/direct.h>
#include <engine/native/jit/geometry.h>

#include <core/thread_pool.h>

namespace chorus::jit {
namespace {

class PlainCall final : public ConvCall {
 public:
  PlainCall(const ConvProblem& problem, const fast::ConvSizes& sizes) : problem_(problem), sizes_(sizes) {}
  size_t scratch_bytes(int) const noexcept override { return 0; }
  void run(const ConvBuffers& buffers, ThreadPool& pool) const noexcept override {
    run_plain(problem_, sizes_, buffers, pool);
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

Method preferred_method(const ConvProblem&, const fast::ConvSizes&, Level) noexcept { return Method::direct; }

std::shared_ptr<const ConvCall> ConvCall::make(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level) {
  std::shared_ptr<const ConvCall> call;
  if (level != Level::plain) call = make_direct(problem, sizes, level);
  return call != nullptr ? call : std::make_shared<PlainCall>(problem, sizes);
}

}  // namespace chorus::jit
