#include <engine/native/jit/bytes.h>

#include <core/thread_pool.h>

#include <cstring>

namespace chorus::jit {
namespace {

/// Sums of bytes stay below 2^31 up to so many channels: 255 * 128 each.
constexpr int64_t kMostByteChannels = 65'000;

}  // namespace

const char* bytes_refusal(const ConvProblem& p) noexcept {
  const fast::ConvShape& s = p.shape;
  if (s.kernel_h != 1 || s.kernel_w != 1 || s.stride_h != 1 || s.stride_w != 1 || s.groups != 1 || s.pad_top != 0 ||
      s.pad_left != 0 || s.pad_bottom != 0 || s.pad_right != 0 || p.source != Source::blocked ||
      p.direction != Direction::forward || p.method != Method::direct || is_volume(p))
    return "bytes of another form than a product";
  if (p.bias || p.activation != fast::Activation::none ||
      (p.residual && p.residual_place != fast::ResidualPlace::before_activation))
    return "bytes with a bias or an activation";
  return s.in_channels > kMostByteChannels ? "bytes of so many channels that int32 does not hold their sums" : nullptr;
}

void pack_byte_weights(const ConvProblem& p, const int8_t* weights, void* packed) noexcept {
  const Geometry g = geometry(p);
  const int64_t in = p.shape.in_channels;
  std::memset(packed, 0, packed_weight_bytes(p));
  for (int64_t o = 0; o < p.shape.out_channels; ++o) {
    auto* block = static_cast<int8_t*>(packed) + o / kBlock * g.out_block_floats * 4;
    for (int64_t c = 0; c < in; ++c) block[(c / 4 * kBlock + o % kBlock) * 4 + c % 4] = weights[o * in + c];
  }
}

void run_bytes_plain(const ConvProblem& p, const fast::ConvSizes& z, const ConvBuffers& b, ThreadPool& pool) noexcept {
  const Geometry g = geometry(p);
  const int64_t pixels = z.height * z.width, channels = p.shape.out_channels;
  const bool rows = p.target == Target::rows;
  const int64_t out_image = b.output_image != 0 ? b.output_image : g.out_blocks * kBlock * pixels;
  const int64_t in_image = b.input_image != 0 ? b.input_image : g.in_blocks * g.lanes * pixels;
  const auto* weights = reinterpret_cast<const int8_t*>(b.weights);
  pool.parallel_for(z.batch * pixels, [&](int64_t task, int) {
    const int64_t n = task / pixels, pixel = task % pixels;
    const auto* x = reinterpret_cast<const uint8_t*>(b.input + n * in_image);
    for (int64_t o = 0; o < g.out_blocks * kBlock; ++o) {
      const int8_t* w = weights + o / kBlock * g.out_block_floats * 4;
      const int64_t at =
          n * out_image + (rows ? pixel * channels + o : (o / kBlock * pixels + pixel) * kBlock + o % kBlock);
      int32_t sum = 0;
      if (p.residual) std::memcpy(&sum, b.residual + at, sizeof sum);
      for (int64_t c = 0; c < p.shape.in_channels; ++c)
        sum += int32_t{x[(c / kBlock * pixels + pixel) * kBlock + c % kBlock]} *
               w[(c / 4 * kBlock + o % kBlock) * 4 + c % 4];
      std::memcpy(b.output + at, &sum, sizeof sum);
    }
  });
}

}  // namespace chorus::jit
