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

Level level(const CpuFeatures&) noexcept { return Level::plain; }
Method preferred_method(const ConvProblem&, const fast::ConvSizes&, Level) noexcept { return Method::direct; }

std::shared_ptr<const ConvCall> ConvCall::make(const ConvProblem& problem, const fast::ConvSizes& sizes, Level) {
  return std::make_shared<PlainCall>(problem, sizes);
}

}  // namespace chorus::jit
