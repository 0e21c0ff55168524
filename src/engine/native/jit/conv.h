// Generated convolutions over channels in blocks of 16 (NCHW16c): what is accepted, packed weights, and the call.
//
//   compile:  ConvProblem p{shape, …};  if (accepts(p, level)) { buffer(packed_weight_bytes(p)); pack_weights(p, w, scale, …); }
//   bind:     auto call = ConvCall::make(p, sizes, level);   // chooses tiles, generates what is not in the code cache
//   run:      call->run(buffers, pool);                      // no allocation, lock, exception; bit-equal for any pool
//
// Blocked tensor: [N, ceil(C / 16), H, W, 16] float32, base aligned to 64 bytes. The lanes behind the last channel may hold any
// value: no kernel here lets them flow into a real lane, and what a kernel writes there follows from zero weights and zero bias.
#pragma once
#include <core/cpu.h>
#include <engine/native/fast/conv.h>
#include <engine/native/fast/epilogue.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace chorus {
class ThreadPool;
}

namespace chorus::jit {

inline constexpr int64_t kBlock = 16;
constexpr int64_t blocks(int64_t channels) { return (channels + kBlock - 1) / kBlock; }
/// Floats of a blocked tensor.
constexpr int64_t blocked_count(int64_t n, int64_t c, int64_t h, int64_t w) { return n * blocks(c) * h * w * kBlock; }

/// What code is generated for. `plain` runs everything below in portable C++ (slow): other processors, and where the system
/// refuses executable memory.
enum class Level : uint8_t { plain, avx2, avx512 };
/// The best level for these features; `plain` too when executable memory is refused or switched off (CHORUS_JIT=off).
/// Blocked layouts pay only from avx2 on.
Level level(const CpuFeatures& features) noexcept;

enum class Source : uint8_t {
  blocked,  ///< input NCHW16c
  planar,  ///< input NCHW, in_channels <= 4, groups 1 (the first layer); the output is blocked all the same
  rows,  ///< input [H * W, in_channels] row-major: the left matrix of a product; 1x1 filters without strides and pads
};

/// How output and residual lie.
enum class Target : uint8_t {
  blocked,
  rows,  ///< [H * W, out_channels] row-major, out_channels a multiple of 16; 1x1 filters without strides and pads
};

/// Winograd computes 3x3, stride 1, dilation 1, groups 1 with fewer products and more rounding: F(4x4) with a quarter of them, F(2x2)
/// with 4 of 9. The largest error stays below 1e-5 of the largest |sum| for inputs and weights of one size (tests measure it);
/// numbers of very different sizes that meet in one tile of 6x6 pixels lose more than direct sums do. Weights are packed for a method.
enum class Method : uint8_t { direct, winograd4, winograd2 };

/// Transposed convolutions have the operator's own shape (weights [in, out / groups, kh, kw], output_pad): every residue of the output
/// pixel modulo the strides is a direct convolution with some of the filter's positions.
enum class Direction : uint8_t { forward, transposed };

/// The outermost spatial axis of volumes, [N, C, D, H, W]; blocked [N, ceil(C / 16), D, H, W, 16].
struct Depth {
  int64_t size = 0;  ///< of the input, known at bind (any number above 0 before); 0: pictures, without this axis
  int64_t kernel = 1, stride = 1, dilation = 1, pad_front = 0, pad_back = 0;
};

/// Height and width of the input: the same in all calls, or known at bind only. Open problems need no code but what `generate` made:
/// widths are cut into few kinds of tiles.
enum class Extents : uint8_t { fixed, open };

/// What products are made of; sums, bias, residual and results are float32 in any case. bf16: input and weights are rounded to bfloat16
/// (relative error 2^-9 each) and numbers below 2^-126 count as zero; only where CpuFeatures::avx512_bf16 is.
/// bytes: products of unsigned input and signed weights, both bytes, in blocks; residual (none, or int32, added before) and sums are int32
/// in the place of floats, exact; without bias and activation, of any filter without pads, only where CpuFeatures::avx512_vnni is.
enum class Element : uint8_t { f32, bf16, bytes };

/// What computes: vector registers, or matrix registers (AMX): bfloat16 with whole blocks of input channels, only where
/// CpuFeatures::amx_bf16 is and request_amx() was granted. Packed weights are the same.
enum class Unit : uint8_t { vectors, matrices };

/// How the work of one method is cut; 0: by the cost model. Results of two tilings may differ in the last bits (small tiles add in two sums).
struct Tiling {
  int out_blocks = 0;  ///< of a tile, 1 … 4
  int pixels = 0;  ///< the most of a tile
  int chunk = 0;  ///< direct: KiB of input that a task works on; Winograd: tiles whose products are computed together
  bool operator==(const Tiling&) const = default;
};

struct ConvProblem {
  fast::ConvShape shape;
  Element element = Element::f32;
  Unit unit = Unit::vectors;
  Extents extents = Extents::fixed;
  Depth depth;
  Direction direction = Direction::forward;
  Source source = Source::blocked;
  Target target = Target::blocked;
  Method method = Method::direct;
  Tiling tiling;
  bool bias = false;
  bool residual = false;  ///< a blocked tensor of the output's shape
  fast::ResidualPlace residual_place = fast::ResidualPlace::before_activation;
  /// none, relu, clip, leaky_relu, hard_swish, hard_sigmoid, sigmoid, silu, as in fast::Epilogue.
  fast::Activation activation = fast::Activation::none;
  float alpha = 0, beta = 0;
  /// Element::bytes: results are bytes in blocks (16 bytes per pixel and block) or rows, input pictures of any pads and filters with
  /// groups 1 (or of multiples of 16), or planar with up to 4 channels; ConvBuffers::bias are ByteChannels, `zero` is the output's zero
  /// point, alpha and beta its least and largest value (below zero: signed bytes), `border` the byte that stands for what lies outside the picture.
  bool requantize = false;
  float zero = 0;
  uint8_t border = 0;
  uint8_t flip = 0;  ///< planar: bits of the input's bytes that are turned; 0x80 makes unsigned bytes of signed ones
};

/// Null: accepted. Otherwise the reason: "groups of 6 channels" … Accepted are any kernel, stride, dilation and pads with groups
/// 1; groups whose channel counts (in and out) are multiples of 16, or equal and divisors of 16 (computed as dense blocks);
/// and depthwise with one output channel per input channel. Transposed: dilation 1, strides up to the filter's size, groups 1 or of
/// multiples of 16. Volumes: direct, forward, not depthwise, no residual behind the activation.
const char* refusal(const ConvProblem& problem) noexcept;

/// Generates the code of calls at these sizes (height and width; the batch is of no account), or at any sizes for open extents, some
/// 0.1 ms per kernel that is new. ConvCall::make finds it then. Nothing where memory for code is refused.
void generate(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level);

/// Direct for all but the cases where Winograd saves time at these (typical) sizes; height or width 0: unknown.
Method preferred_method(const ConvProblem& problem, const fast::ConvSizes& typical, Level level) noexcept;

/// Bytes of packed weights, a multiple of 64; the buffer must be aligned to 64. The form depends on shape, source and method only.
size_t packed_weight_bytes(const ConvProblem& problem) noexcept;
/// weights [out_channels, in_channels / groups, (kernel_d,) kernel_h, kernel_w], transposed [in_channels, out_channels / groups, …]; scale [out_channels] or null is multiplied in.
void pack_weights(const ConvProblem& problem, const float* weights, const float* scale, float* packed) noexcept;
/// Of Element::bytes: weights [out_channels, in_channels / groups, kernel_h, kernel_w].
void pack_byte_weights(const ConvProblem& problem, const int8_t* weights, void* packed) noexcept;
/// Floats of a bias: 16 * blocks(out_channels), zeros behind the last channel.
constexpr int64_t bias_count(int64_t out_channels) { return blocks(out_channels) * kBlock; }

struct ConvBuffers {
  const float* input = nullptr;
  const float* weights = nullptr;  ///< packed
  const float* bias = nullptr;  ///< [bias_count]; read only if the problem has a bias
  const float* residual = nullptr;  ///< may be the output itself (in place), otherwise does not overlap it
  float* output = nullptr;
  void* scratch = nullptr;  ///< scratch_bytes(pool.threads()), aligned to 64
  /// Floats (bytes where the problem requantizes) from one image to the next; 0: dense. For tensors that are a range of channel blocks of a larger one (Concat, Split).
  int64_t input_image = 0, output_image = 0, residual_image = 0;
};

/// A convolution at fixed sizes: tasks, tiles, and the code for them. Immutable; shared by any number of callers.
class ConvCall {
 public:
  virtual ~ConvCall() = default;
  /// Never null. Generates kernels that the code cache lacks (none behind `generate`), kept for the process; when memory for code is
  /// refused the call runs plain C++. The problem must be accepted.
  static std::shared_ptr<const ConvCall> make(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level);
  virtual size_t scratch_bytes(int threads) const noexcept = 0;
  virtual void run(const ConvBuffers& buffers, ThreadPool& pool) const noexcept = 0;
  /// "direct.avx512 14x2", "winograd4.avx512", "depthwise.avx2", "plain": for profiles.
  virtual const char* name() const noexcept = 0;
};

}  // namespace chorus::jit
