#include <engine/native/jit/direct.h>
#include <engine/native/jit/volume.h>

#include <core/thread_pool.h>

#include <algorithm>
#include <cstdio>

namespace chorus::jit {
namespace {

using fast::ConvSizes;

ConvProblem slice_of(const ConvProblem& p) {
  ConvProblem q = p;
  q.depth = {};
  return q;
}
Grid grid_of(const ConvProblem& p, const ConvSizes& z) {
  const int64_t area = out_height(p, z) * out_width(p, z);
  return {0, 1, out_width(p, z), out_depth(p) * area, p.depth.size * z.height * z.width};
}

class VolumeCall final : public ConvCall {
 public:
  VolumeCall(const ConvProblem& problem, const ConvSizes& sizes) : p_(problem), z_(sizes), depth_(out_depth(problem)) {}
  bool generate(Level level);
  size_t scratch_bytes(int) const noexcept override { return 0; }
  void run(const ConvBuffers& buffers, ThreadPool& pool) const noexcept override;
  const char* name() const noexcept override { return name_; }

 private:
  ConvProblem p_;
  ConvSizes z_;
  int64_t depth_;
  std::shared_ptr<const TaskCall> slice_;
  char name_[48] = "volume";

  void task(const ConvBuffers& b, const Images& image, int64_t n, int64_t oz, int64_t index) const noexcept;
};

bool VolumeCall::generate(Level level) {
  if (depth_ <= 0 || out_height(p_, z_) * out_width(p_, z_) <= 0 || z_.batch <= 0) return true;
  slice_ = make_direct(slice_of(p_), {1, z_.height, z_.width}, level, More::nothing, grid_of(p_, z_));
  if (slice_ == nullptr) return false;
  std::snprintf(name_, sizeof name_, "volume %s", slice_->name());
  return true;
}

/// One task of an output slice: every depth of the filter that meets a slice of the input, in turns.
void VolumeCall::task(const ConvBuffers& b, const Images& image, int64_t n, int64_t oz, int64_t index) const noexcept {
  const Depth& d = p_.depth;
  const Geometry g = geometry(p_);
  const int64_t iz = oz * d.stride - d.pad_front;
  const int64_t first = iz < 0 ? std::min((-iz + d.dilation - 1) / d.dilation, d.kernel) : 0;
  const int64_t end = std::clamp<int64_t>((d.size - iz + d.dilation - 1) / d.dilation, first, d.kernel);
  const int64_t in_slice = z_.height * z_.width * (p_.source == Source::planar ? 1 : kBlock);
  const int64_t out_slice = out_height(p_, z_) * out_width(p_, z_) * kBlock;
  ConvBuffers q = b;
  q.output += n * image.output + oz * out_slice;
  if (q.residual != nullptr) q.residual += n * image.residual + oz * out_slice;
  if (first == end) slice_->task(q, index, Turn::nothing);
  for (int64_t i = first; i < end; ++i) {
    q.input = b.input + n * image.input + (iz + i * d.dilation) * in_slice;
    q.weights = b.weights + i * g.out_blocks * g.out_block_floats;
    const Turn turn = end - first == 1 ? Turn::only
                      : i == first     ? Turn::first
                      : i + 1 == end   ? Turn::last
                                       : Turn::middle;
    slice_->task(q, index, turn);
  }
}

void VolumeCall::run(const ConvBuffers& b, ThreadPool& pool) const noexcept {
  if (slice_ == nullptr) return;
  const Images image = images(p_, z_, b);
  const int64_t tasks = slice_->tasks();
  pool.parallel_for(z_.batch * depth_ * tasks,
                    [&](int64_t i, int) { task(b, image, i / tasks / depth_, i / tasks % depth_, i % tasks); });
}

}  // namespace

std::shared_ptr<const ConvCall> make_volume(const ConvProblem& problem, const ConvSizes& sizes, Level level) {
  auto call = std::make_shared<VolumeCall>(problem, sizes);
  if (!call->generate(level)) return nullptr;
  return call;
}

void generate_volume(const ConvProblem& problem, const ConvSizes& sizes, Level level) {
  Grid grid = grid_of(problem, sizes);
  if (grid.plane <= 0) grid.plane = 1;  // extents that are not known: code does not depend on it
  generate_direct(slice_of(problem), {1, sizes.height, sizes.width}, level, More::nothing, grid);
}

}  // namespace chorus::jit
