#include <engine/native/jit/bytes.h>
#include <engine/native/jit/direct.h>

#include <core/thread_pool.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace chorus::jit {
namespace {

using fast::ConvShape;
using fast::ConvSizes;

/// Sums of bytes stay below 2^31 up to so many products: 255 * 128 each.
constexpr int64_t kMostByteProducts = 65'000;
constexpr int64_t kTaskBytes = 16 << 10;  // copied by one task

constexpr int64_t parts(int64_t n, int64_t size) { return (n + size - 1) / size; }
bool has_pads(const ConvShape& s) noexcept {
  return s.pad_top != 0 || s.pad_left != 0 || s.pad_bottom != 0 || s.pad_right != 0;
}
/// Bytes of a pixel in a block of the input as the tiles read it.
int64_t pixel_bytes(const ConvProblem& p) noexcept { return p.source == Source::planar ? 4 : kBlock; }

ConvSizes padded(const ConvProblem& p, const ConvSizes& z) noexcept {
  return {z.batch, z.height + p.shape.pad_top + p.shape.pad_bottom, z.width + p.shape.pad_left + p.shape.pad_right};
}
ConvProblem inner(const ConvProblem& p) noexcept {
  ConvProblem q = p;
  q.shape.pad_top = q.shape.pad_left = q.shape.pad_bottom = q.shape.pad_right = 0;
  return q;
}

/// The input is copied into a picture with its borders where it has any, planes are brought together; the rest is direct.
class ByteCall final : public ConvCall {
 public:
  ByteCall(const ConvProblem& problem, const ConvSizes& sizes)
      : p_(problem), z_(sizes), padded_(padded(problem, sizes)),
        blocks_(problem.source == Source::planar ? 1 : blocks(problem.shape.in_channels)), pixel_(pixel_bytes(problem)),
        copies_(problem.source == Source::planar || has_pads(problem.shape)) {}
  bool generate(Level level) {
    direct_ = make_direct(inner(p_), padded_, level);
    if (direct_ == nullptr) return false;
    std::snprintf(name_, sizeof name_, "bytes %s", direct_->name());
    return true;
  }
  size_t scratch_bytes(int) const noexcept override {
    return copies_ ? static_cast<size_t>(std::max<int64_t>(z_.batch * image(), 0)) + 64 : 0;
  }
  void run(const ConvBuffers& b, ThreadPool& pool) const noexcept override {
    if (direct_->tasks() == 0) return;
    const int64_t out_pixels = fast::conv_out_height(p_.shape, z_) * fast::conv_out_width(p_.shape, z_);
    const int64_t dense = blocks_ * z_.height * z_.width * kBlock;
    ConvBuffers q = b;
    q.input_image = (b.input_image != 0 ? b.input_image : dense) / 4;
    q.output_image = (b.output_image != 0 ? b.output_image : blocks(p_.shape.out_channels) * out_pixels * kBlock) / 4;
    if (copies_) {
      copy(b, pool);
      q.input = static_cast<const float*>(b.scratch);
      q.input_image = image() / 4;
    }
    direct_->run(q, pool);
  }
  const char* name() const noexcept override { return name_; }

 private:
  ConvProblem p_;
  ConvSizes z_, padded_;
  int64_t blocks_, pixel_;
  bool copies_;
  std::shared_ptr<const TaskCall> direct_;
  char name_[56] = {};

  int64_t row_bytes() const noexcept { return padded_.width * pixel_; }
  int64_t image() const noexcept { return blocks_ * padded_.height * row_bytes(); }

  void copy(const ConvBuffers& b, ThreadPool& pool) const noexcept {
    const int64_t rows = z_.batch * blocks_ * padded_.height;
    const int64_t step = std::max<int64_t>(kTaskBytes / std::max<int64_t>(row_bytes(), 1), 1);
    pool.parallel_for(parts(rows, step), [&](int64_t task, int) {
      for (int64_t row = task * step; row < std::min((task + 1) * step, rows); ++row) copy_row(b, row);
    });
  }
  void copy_row(const ConvBuffers& b, int64_t row) const noexcept {
    const int64_t y = row % padded_.height - p_.shape.pad_top, block = row / padded_.height % blocks_;
    const int64_t n = row / padded_.height / blocks_;
    auto* to = static_cast<uint8_t*>(b.scratch) + row * row_bytes();
    if (y < 0 || y >= z_.height) {
      std::memset(to, p_.border, static_cast<size_t>(row_bytes()));
      return;
    }
    const int64_t left = p_.shape.pad_left * pixel_, width = z_.width * pixel_;
    std::memset(to, p_.border, static_cast<size_t>(left));
    const auto* from = reinterpret_cast<const uint8_t*>(b.input);
    if (p_.source == Source::planar) {
      const int64_t plane = z_.height * z_.width,
                    stride = b.input_image != 0 ? b.input_image : p_.shape.in_channels * plane;
      join(from + n * stride + y * z_.width, plane, to + left);
    } else {
      const int64_t plane = z_.height * width, stride = b.input_image != 0 ? b.input_image : blocks_ * plane;
      std::memcpy(to + left, from + n * stride + block * plane + y * width, static_cast<size_t>(width));
    }
    std::memset(to + left + width, p_.border, static_cast<size_t>(row_bytes() - left - width));
  }
  /// A row of each plane becomes fours; the weights of channels that are not there are zero.
  void join(const uint8_t* from, int64_t plane, uint8_t* to) const noexcept {
    const uint8_t* c[4];
    for (int64_t i = 0; i < 4; ++i) c[i] = from + std::min(i, p_.shape.in_channels - 1) * plane;
    const uint8_t flip = p_.flip;
    for (int64_t x = 0; x < z_.width; ++x) {
      const uint32_t four =
          uint32_t{c[0][x]} | uint32_t{c[1][x]} << 8 | uint32_t{c[2][x]} << 16 | uint32_t{c[3][x]} << 24;
      const uint32_t turned = four ^ flip * 0x01010101U;
      std::memcpy(to + x * 4, &turned, 4);
    }
  }
};

}  // namespace

const char* bytes_refusal(const ConvProblem& p) noexcept {
  const ConvShape& s = p.shape;
  if (p.direction != Direction::forward || p.method != Method::direct || is_volume(p) || p.source == Source::rows)
    return "bytes of another form than a product";
  if (p.bias || p.activation != fast::Activation::none ||
      (p.residual && (p.requantize || p.residual_place != fast::ResidualPlace::before_activation)))
    return "bytes with a bias or an activation";
  if (s.in_channels / s.groups * s.kernel_h * s.kernel_w > kMostByteProducts)
    return "bytes of so many channels that int32 does not hold their sums";
  if (p.requantize) return nullptr;
  if (has_pads(s) || p.source != Source::blocked) return "bytes of another form than a product";
  const Form form = form_of(s, p.source);
  return form == Form::depthwise || form == Form::diagonal ? "bytes of small groups" : nullptr;
}

namespace {
/// Where a weight lies in its output block: of input channel `c` among those that the block reads.
int64_t weight_place(const Geometry& g, int64_t taps, int64_t c, int64_t o) noexcept {
  if (g.form == Form::depthwise) return o % kBlock * 4;
  const int64_t block = g.lanes * 4;
  return c / block * taps * g.tap * 4 + (c % block / 4 * kBlock + o % kBlock) * 4 + c % 4;
}
}  // namespace

void pack_byte_weights(const ConvProblem& p, const int8_t* weights, void* packed) noexcept {
  const Geometry g = geometry(p);
  const ConvShape& s = p.shape;
  const int64_t in = s.in_channels / s.groups, out = s.out_channels / s.groups, taps = s.kernel_h * s.kernel_w;
  std::memset(packed, 0, packed_weight_bytes(p));
  for (int64_t o = 0; o < s.out_channels; ++o) {
    auto* block = static_cast<int8_t*>(packed) + o / kBlock * g.out_block_floats * 4;
    for (int64_t c = 0; c < in; ++c) {
      // Of the channels that the block reads.
      int8_t* to = block + weight_place(g, taps, o / out * in - g.first_in(o / kBlock) * kBlock + c, o);
      for (int64_t t = 0; t < taps; ++t) to[t * g.tap * 4] = weights[(o * in + c) * taps + t];
    }
  }
}

uint8_t requantized(const ConvProblem& p, const ByteChannels& block, int64_t lane, int32_t sum) noexcept {
  const auto l = static_cast<size_t>(lane);
  const auto whole = static_cast<int32_t>(static_cast<uint32_t>(sum) + static_cast<uint32_t>(block.start[l]));
  float v = std::nearbyint(std::fma(static_cast<float>(whole), block.factor[l], block.shift[l])) + p.zero;
  v = v > p.alpha ? v : p.alpha;  // no number: the least
  return static_cast<uint8_t>(static_cast<int32_t>(v < p.beta ? v : p.beta));
}

std::shared_ptr<const ConvCall> make_bytes(const ConvProblem& problem, const ConvSizes& sizes, Level level) {
  if (level != Level::avx512) return nullptr;
  auto call = std::make_shared<ByteCall>(problem, sizes);
  if (!call->generate(level)) return nullptr;
  return call;
}

void generate_bytes(const ConvProblem& problem, const ConvSizes& sizes, Level level) {
  if (level != Level::avx512) return;
  // Sizes that are not known stay so: their borders count for nothing.
  ConvSizes z = padded(problem, sizes);
  if (sizes.height <= 0) z.height = sizes.height;
  if (sizes.width <= 0) z.width = sizes.width;
  generate_direct(inner(problem), z, level);
}

void run_bytes_plain(const ConvProblem& p, const fast::ConvSizes& z, const ConvBuffers& b, ThreadPool& pool) noexcept {
  const ConvShape& s = p.shape;
  const Geometry g = geometry(p);
  const int64_t oh = fast::conv_out_height(s, z), ow = fast::conv_out_width(s, z), area = z.height * z.width;
  const bool planar = p.source == Source::planar, rows = p.target == Target::rows;
  const int64_t in = s.in_channels / s.groups, out_group = s.out_channels / s.groups, taps = s.kernel_h * s.kernel_w;
  const int64_t unit = p.requantize ? 1 : 4;  // of the distances between images, in bytes
  const int64_t in_image = b.input_image != 0 ? b.input_image * unit
                           : planar           ? s.in_channels * area
                                              : blocks(s.in_channels) * area * kBlock;
  const int64_t out_image = b.output_image != 0 ? b.output_image : g.out_blocks * oh * ow * kBlock;
  const auto* channels = reinterpret_cast<const ByteChannels*>(b.bias);
  pool.parallel_for(z.batch * oh * ow, [&](int64_t task, int) {
    const int64_t ox = task % ow, oy = task / ow % oh, n = task / ow / oh;
    const auto* x = reinterpret_cast<const uint8_t*>(b.input) + n * in_image;
    const auto at = [&](int64_t c, int64_t iy, int64_t ix) {
      if (iy < 0 || iy >= z.height || ix < 0 || ix >= z.width) return int32_t{p.border};
      const int64_t pixel = iy * z.width + ix;
      return planar ? int32_t{static_cast<uint8_t>(x[c * area + pixel] ^ p.flip)}
                    : int32_t{x[(c / kBlock * area + pixel) * kBlock + c % kBlock]};
    };
    for (int64_t o = 0; o < g.out_blocks * kBlock; ++o) {
      const auto* w = reinterpret_cast<const int8_t*>(b.weights) + o / kBlock * g.out_block_floats * 4;
      const int64_t first = std::min(o, s.out_channels - 1) / out_group * in;
      const int64_t to = n * out_image + (rows ? (oy * ow + ox) * s.out_channels + o
                                               : ((o / kBlock * oh + oy) * ow + ox) * kBlock + o % kBlock);
      int32_t sum = 0;
      if (p.residual) std::memcpy(&sum, b.residual + to, sizeof sum);
      for (int64_t c = 0; c < in; ++c) {
        const int64_t place = weight_place(g, taps, first + c - g.first_in(o / kBlock) * kBlock, o);
        for (int64_t t = 0; t < taps; ++t)
          sum += w[place + t * g.tap * 4] * at(first + c, oy * s.stride_h - s.pad_top + t / s.kernel_w * s.dilation_h,
                                               ox * s.stride_w - s.pad_left + t % s.kernel_w * s.dilation_w);
      }
      if (p.requantize)
        reinterpret_cast<uint8_t*>(b.output)[to] = requantized(p, channels[o / kBlock], o % kBlock, sum);
      else
        std::memcpy(b.output + to, &sum, sizeof sum);
    }
  });
}

}  // namespace chorus::jit
