#include <engine/native/jit/direct.h>
#include <engine/native/jit/narrow.h>

#include <core/thread_pool.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdio>
#include <cstring>

namespace chorus::jit {
namespace {

using fast::ConvSizes;

constexpr int64_t kTaskVectors = 2048;  // converted by one task
constexpr int64_t kRows = 32;           // of a task that takes rows apart
constexpr int64_t kPixelBytes = kBlock * 2;

constexpr int64_t parts(int64_t n, int64_t size) { return (n + size - 1) / size; }

/// Matrix registers take whole rows of pixels: the rounded picture gets a border of zeros.
bool has_border(const ConvProblem& p) {
  const fast::ConvShape& s = p.shape;
  return p.unit == Unit::matrices && (s.pad_top | s.pad_bottom | s.pad_left | s.pad_right) != 0;
}
/// The direct convolution behind the rounding, over an input in blocks.
ConvProblem inner(const ConvProblem& p) {
  ConvProblem q = p;
  q.source = Source::blocked;
  if (has_border(p)) q.shape.pad_top = q.shape.pad_bottom = q.shape.pad_left = q.shape.pad_right = 0;
  return q;
}
ConvSizes inner(const ConvProblem& p, ConvSizes z) {
  if (!has_border(p)) return z;
  z.height += p.shape.pad_top + p.shape.pad_bottom;
  z.width += p.shape.pad_left + p.shape.pad_right;
  return z;
}

Kernel find_narrow(Level level) {
  int32_t words[16] = {};
  words[0] = static_cast<int32_t>(level);
  words[15] = 4;  // the family: other kernels have other numbers here
  return find_kernel(std::as_bytes(std::span(words)), [&] { return narrow_code(level); });
}

class NarrowCall final : public ConvCall {
 public:
  NarrowCall(const ConvProblem& problem, const ConvSizes& sizes)
      : p_(problem), z_(sizes), wide_(inner(problem, sizes)), blocks_(blocks(problem.shape.in_channels)),
        pixels_(wide_.height * wide_.width) {}
  bool generate(Level level) {
    convert_ = find_narrow(level);
    direct_ = make_direct(inner(p_), wide_, level);
    if (convert_ == nullptr || direct_ == nullptr) return false;
    std::snprintf(name_, sizeof name_, "bf16 %s", direct_->name());
    return true;
  }
  size_t scratch_bytes(int) const noexcept override {
    return static_cast<size_t>(std::max<int64_t>(z_.batch * blocks_ * pixels_ * kPixelBytes, 0));
  }
  void run(const ConvBuffers& b, ThreadPool& pool) const noexcept override {
    if (direct_->tasks() == 0) return;
    if (has_border(p_))
      take_framed(b, pool);
    else
      p_.source == Source::rows ? take_rows(b, pool) : take_blocks(b, pool);
    ConvBuffers q = b;
    q.input = static_cast<const float*>(b.scratch);
    q.input_image = blocks_ * pixels_ * kBlock / 2;
    direct_->run(q, pool);
  }
  const char* name() const noexcept override { return name_; }

 private:
  ConvProblem p_;
  ConvSizes z_, wide_;  // with its border
  int64_t blocks_, pixels_;  // with the border
  Kernel convert_ = nullptr;
  std::shared_ptr<const TaskCall> direct_;
  char name_[56] = {};

  void take_blocks(const ConvBuffers& b, ThreadPool& pool) const noexcept {
    const int64_t image = b.input_image != 0 ? b.input_image : blocks_ * pixels_ * kBlock;
    const int64_t vectors = blocks_ * pixels_, chunks = parts(vectors, kTaskVectors);
    pool.parallel_for(z_.batch * chunks, [&](int64_t task, int) {
      const int64_t n = task / chunks, first = task % chunks * kTaskVectors;
      NarrowArgs a{b.input + n * image + first * kBlock,
                   static_cast<uint16_t*>(b.scratch) + (n * vectors + first) * kBlock, kBlock * 4, kPixelBytes,
                   std::min(kTaskVectors, vectors - first)};
      convert_(&a);
    });
  }
  /// Planes of channel blocks, with a border of zeros.
  void take_framed(const ConvBuffers& b, ThreadPool& pool) const noexcept {
    const fast::ConvShape& s = p_.shape;
    const int64_t plane = z_.height * z_.width, image = b.input_image != 0 ? b.input_image : blocks_ * plane * kBlock;
    pool.parallel_for(z_.batch * blocks_, [&](int64_t task, int) {
      const int64_t n = task / blocks_, c = task % blocks_;
      auto* to = static_cast<uint16_t*>(b.scratch) + task * pixels_ * kBlock;
      const auto border = [&](int64_t pixels) {
        std::memset(to, 0, static_cast<size_t>(pixels * kPixelBytes));
        to += pixels * kBlock;
      };
      border(s.pad_top * wide_.width);
      for (int64_t y = 0; y < z_.height; ++y) {
        border(s.pad_left);
        NarrowArgs a{b.input + n * image + (c * plane + y * z_.width) * kBlock, to, kBlock * 4, kPixelBytes, z_.width};
        if (z_.width > 0) convert_(&a);
        to += z_.width * kBlock;
        border(s.pad_right);
      }
      border(s.pad_bottom * wide_.width);
    });
  }
  /// [rows, channels] into blocks.
  void take_rows(const ConvBuffers& b, ThreadPool& pool) const noexcept {
    const int64_t chunks = parts(pixels_, kRows), channels = p_.shape.in_channels;
    pool.parallel_for(chunks, [&](int64_t task, int) {
      const int64_t first = task * kRows, count = std::min(kRows, pixels_ - first);
      for (int64_t c = 0; c < blocks_; ++c) {
        NarrowArgs a{b.input + first * channels + c * kBlock,
                     static_cast<uint16_t*>(b.scratch) + (c * pixels_ + first) * kBlock, channels * 4, kPixelBytes,
                     count};
        convert_(&a);
      }
    });
  }
};

}  // namespace

const char* narrow_refusal(const ConvProblem& p) noexcept {
  if (p.direction != Direction::forward || p.method != Method::direct || is_volume(p) || p.source == Source::planar)
    return "bfloat16 of another form";
  if (form_of(p.shape, p.source) == Form::depthwise) return "bfloat16 of single channels";
  // A lane behind the last channel may hold any number, NaN too: no pair may be half of it.
  if (p.shape.in_channels % 2 != 0) return "bfloat16 of an odd number of channels";
  if (p.source == Source::rows && p.shape.in_channels % kBlock != 0) return "bfloat16 rows that are not whole blocks";
  if (p.unit == Unit::matrices && p.shape.in_channels % kBlock != 0)
    return "matrix registers with a part of a block of channels";
  return nullptr;
}

uint16_t rounded(float x) noexcept {
  const auto bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<uint16_t>(bits >> 16 | 0x40U);
  if ((bits & 0x7f800000U) == 0) return static_cast<uint16_t>(bits >> 16 & 0x8000U);  // as the processor does
  return static_cast<uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}
float widened(uint16_t bits) noexcept { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

Code narrow_code(Level level) {
  enum : int { r_args, r_source, r_target, r_source_step, r_target_step, r_count };
  const auto argument = [](size_t offset) { return Mem{r_args, -1, 1, static_cast<int32_t>(offset)}; };
  Code c;
  c.level = level;
  c.get(r_source, argument(offsetof(NarrowArgs, source)));
  c.get(r_target, argument(offsetof(NarrowArgs, target)));
  c.get(r_count, argument(offsetof(NarrowArgs, count)));
  const int again = c.new_label();
  c.bind(again);
  c.load(0, {r_source, -1, 1, 0});
  c.vec(Op::store_half, 1, 0, Mem{r_target, -1, 1, 0});
  c.add_mem(r_source, argument(offsetof(NarrowArgs, source_step)));
  c.add_mem(r_target, argument(offsetof(NarrowArgs, target_step)));
  c.loop(r_count, again);
  c.finish();
  return c;
}

std::shared_ptr<const ConvCall> make_narrow(const ConvProblem& problem, const ConvSizes& sizes, Level level) {
  if (level != Level::avx512) return nullptr;
  auto call = std::make_shared<NarrowCall>(problem, sizes);
  if (!call->generate(level)) return nullptr;
  return call;
}

void generate_narrow(const ConvProblem& problem, const ConvSizes& sizes, Level level) {
  if (level != Level::avx512) return;
  find_narrow(level);
  generate_direct(inner(problem), inner(problem, sizes), level);
}

}  // namespace chorus::jit
