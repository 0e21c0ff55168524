#include <engine/native/jit/bytes.h>
#include <engine/native/jit/geometry.h>
#include <engine/native/jit/narrow.h>
#include <engine/native/jit/transposed.h>
#include <engine/native/jit/winograd.h>

#include <algorithm>
#include <cstring>

namespace chorus::jit {

using fast::Activation;
using fast::ConvShape;

Form form_of(const ConvShape& s, Source source) noexcept {
  if (source == Source::planar) return Form::planar;
  if (s.groups == 1) return Form::dense;
  const int64_t in = s.in_channels / s.groups, out = s.out_channels / s.groups;
  if (in == 1 && out == 1) return Form::depthwise;
  return in % kBlock == 0 && out % kBlock == 0 ? Form::grouped : Form::diagonal;
}

namespace {

/// Every pixel of such a border would want code of its own.
bool wide_borders(const ConvShape& s) noexcept {
  const auto wide = [](int64_t pad) { return pad > 16; };
  return wide(s.pad_left) || wide(s.pad_right);
}

}  // namespace

const char* refusal(const ConvProblem& p) noexcept {
  const ConvShape& s = p.shape;
  if (s.in_channels < 1 || s.out_channels < 1 || s.groups < 1) return "no channels";
  if (s.kernel_h < 1 || s.kernel_w < 1 || s.stride_h < 1 || s.stride_w < 1) return "no kernel";
  // Kernels unroll the width of the filter where it meets a border; their immediates are 32 bits.
  if (s.kernel_w > 31 || s.stride_w > 64 || s.dilation_w > 64 || s.kernel_h > 4096)
    return "a filter beyond 31 columns, stride or dilation beyond 64";
  // Each tile that meets a border has code of its own.
  if (s.pad_left > 64 || s.pad_right > 64) return "borders beyond 64 columns";
  if (p.extents == Extents::open && wide_borders(s)) return "borders beyond 16 columns at widths that are not known";
  switch (p.activation) {
    case Activation::none:
    case Activation::relu:
    case Activation::clip:
    case Activation::leaky_relu:
    case Activation::hard_swish:
    case Activation::hard_sigmoid:
    case Activation::sigmoid:
    case Activation::silu: break;
    default: return "an activation that is not generated";
  }
  if (is_volume(p)) {
    const Depth& d = p.depth;
    if (d.kernel < 1 || d.stride < 1 || d.dilation < 1 || d.pad_front < 0) return "no kernel";
    if (p.direction != Direction::forward || p.method != Method::direct || form_of(s, p.source) == Form::depthwise)
      return "a volume of another form";
    if (p.residual && p.residual_place == fast::ResidualPlace::after_activation)
      return "a volume with a residual behind the activation";
  }
  if (p.direction == Direction::transposed) {
    if (const char* reason = transposed_refusal(p)) return reason;
  }
  if (p.source == Source::planar && (s.in_channels > 4 || s.groups != 1)) return "a planar input of many channels";
  if (p.source == Source::rows || p.target == Target::rows) {
    const bool points = s.kernel_h == 1 && s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_top == 0 &&
                        s.pad_bottom == 0 && s.pad_left == 0 && s.pad_right == 0;
    if (!points || s.groups != 1 || p.source == Source::planar || p.direction != Direction::forward || is_volume(p))
      return "rows of a convolution that is not a product";
    if (p.target == Target::rows && s.out_channels % kBlock != 0) return "rows that are not whole blocks of 16";
    if (s.in_channels > 1 << 20 || s.out_channels > 1 << 20) return "rows beyond 2^20 columns";
  }
  if (form_of(s, p.source) == Form::diagonal) {
    const int64_t in = s.in_channels / s.groups, out = s.out_channels / s.groups;
    if (in != out || kBlock % in != 0 || s.in_channels % kBlock != 0) return "groups that do not fill blocks of 16";
  }
  if (p.element == Element::bytes) {
    if (const char* reason = bytes_refusal(p)) return reason;
  }
  if (p.unit == Unit::matrices && p.element != Element::bf16) return "matrix registers for other than bfloat16";
  if (p.element == Element::bf16) {
    if (const char* reason = narrow_refusal(p)) return reason;
  }
  if (p.method != Method::direct && !winograd_fits(p)) return "not a 3x3 convolution of stride 1";
  return nullptr;
}

Geometry geometry(const ConvProblem& p) noexcept {
  const ConvShape& s = p.shape;
  Geometry g;
  g.form = form_of(s, p.source);
  g.out_blocks = blocks(s.out_channels);
  g.blocks_per_group = g.out_blocks;
  g.in_blocks = blocks(s.in_channels);
  switch (g.form) {
    case Form::dense: g.last_lanes = s.in_channels - (g.in_blocks - 1) * kBlock; break;
    case Form::planar:
      g.in_blocks = s.in_channels;
      g.lanes = g.last_lanes = 1;
      break;
    case Form::grouped:
      g.in_blocks /= s.groups;
      g.blocks_per_group = g.out_blocks / s.groups;
      break;
    case Form::diagonal: g.in_blocks = g.blocks_per_group = 1; break;
    case Form::depthwise:
      g.in_blocks = g.blocks_per_group = 1;
      g.lanes = g.last_lanes = 1;
      break;
  }
  if (p.element == Element::bf16) g.lanes = kBlock / 2, g.last_lanes = (g.last_lanes + 1) / 2;
  if (p.element == Element::bytes && g.form != Form::depthwise)
    g.lanes = kBlock / 4, g.last_lanes = (g.last_lanes + 3) / 4;
  if (p.element == Element::bytes && p.requantize && p.source == Source::planar) {  // one four per pixel
    g.form = Form::dense;
    g.in_blocks = g.lanes = g.last_lanes = 1;
  }
  g.tap = g.lanes * kBlock;
  g.out_block_floats = g.in_blocks * s.kernel_h * s.kernel_w * g.tap;
  return g;
}

size_t packed_weight_bytes(const ConvProblem& p) noexcept {
  if (p.direction == Direction::transposed) return transposed_packed_bytes(p);
  if (p.method != Method::direct) return winograd_packed_bytes(p);
  const Geometry g = geometry(p);
  const int64_t sets = is_volume(p) ? p.depth.kernel : 1;
  return static_cast<size_t>(sets * g.out_blocks * g.out_block_floats) * sizeof(float);
}

namespace {

/// The weights between one output block and one of the input blocks that it reads: they lie together.
/// `filter`: floats from one filter to the next.
void pack_block(const ConvProblem& p, const Geometry& g, int64_t k, int64_t c, const float* weights, int64_t filter,
                const float* scale, float* packed) noexcept {
  const ConvShape& s = p.shape;
  const int64_t in_group = s.in_channels / s.groups, out_group = s.out_channels / s.groups;
  const int64_t taps = s.kernel_h * s.kernel_w, lanes = p.element == Element::bf16 ? kBlock : g.lanes;
  for (int64_t o = k * kBlock; o < std::min((k + 1) * kBlock, s.out_channels); ++o) {
    const float factor = scale != nullptr ? scale[o] : 1.0f;
    // Of the channels that the block reads, those of this output's group.
    const int64_t first = g.form == Form::depthwise ? 0 : o / out_group * in_group - g.first_in(k) * kBlock;
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const int64_t i = c * lanes + lane - first;
      if (i < 0 || i >= in_group) continue;
      const float* from = weights + (o * in_group + i) * filter;
      if (p.element == Element::bf16) {
        auto* to = reinterpret_cast<uint16_t*>(packed) + (lane / 2 * kBlock + o % kBlock) * 2 + lane % 2;
        for (int64_t t = 0; t < taps; ++t) to[t * g.tap * 2] = rounded(from[t] * factor);
        continue;
      }
      float* to = packed + lane * kBlock + o % kBlock;
      for (int64_t t = 0; t < taps; ++t) to[t * g.tap] = from[t] * factor;
    }
  }
}

}  // namespace

void pack_weights(const ConvProblem& p, const float* weights, const float* scale, float* packed) noexcept {
  if (p.direction == Direction::transposed) return transposed_pack(p, weights, scale, packed);
  if (p.method != Method::direct) return winograd_pack(p, weights, scale, packed);
  const Geometry g = geometry(p);
  const int64_t taps = p.shape.kernel_h * p.shape.kernel_w, sets = is_volume(p) ? p.depth.kernel : 1;
  std::memset(packed, 0, packed_weight_bytes(p));
  for (int64_t i = 0; i < sets * g.out_blocks * g.in_blocks; ++i) {
    const int64_t c = i % g.in_blocks, k = i / g.in_blocks % g.out_blocks, d = i / g.in_blocks / g.out_blocks;
    float* to = packed + (d * g.out_blocks + k) * g.out_block_floats + c * taps * g.tap;
    pack_block(p, g, k, c, weights + d * taps, sets * taps, scale, to);
  }
}

int64_t out_depth(const ConvProblem& p) noexcept {
  const Depth& d = p.depth;
  return is_volume(p) ? fast::conv_extent(d.size, d.kernel, d.stride, d.dilation, d.pad_front, d.pad_back) : 1;
}
int64_t out_height(const ConvProblem& p, const fast::ConvSizes& z) noexcept {
  return p.direction == Direction::forward ? fast::conv_out_height(p.shape, z)
                                           : fast::conv_transpose_out_height(p.shape, z);
}
int64_t out_width(const ConvProblem& p, const fast::ConvSizes& z) noexcept {
  return p.direction == Direction::forward ? fast::conv_out_width(p.shape, z)
                                           : fast::conv_transpose_out_width(p.shape, z);
}

Images images(const ConvProblem& p, const fast::ConvSizes& z, const ConvBuffers& b) noexcept {
  const ConvShape& s = p.shape;
  const int64_t depth = is_volume(p) ? p.depth.size : 1;
  const int64_t in = depth * (p.source == Source::blocked ? blocked_count(1, s.in_channels, z.height, z.width)
                                                          : s.in_channels * z.height * z.width);
  const int64_t out = out_depth(p) * blocked_count(1, s.out_channels, out_height(p, z), out_width(p, z));
  return {b.input_image != 0 ? b.input_image : in, b.output_image != 0 ? b.output_image : out,
          b.residual_image != 0 ? b.residual_image : out};
}

}  // namespace chorus::jit
