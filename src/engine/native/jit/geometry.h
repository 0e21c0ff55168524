// How a convolution falls into blocks of 16 channels: shared by packing, the plain loops and the generated kernels.
#pragma once
#include <engine/native/jit/conv.h>

namespace chorus::jit {

enum class Form : uint8_t {
  dense,      ///< groups 1
  grouped,    ///< channels of a group, in and out, are multiples of 16
  diagonal,   ///< several groups per block: computed dense, with zero weights between groups
  depthwise,
  planar,
};

/// Weights, in floats; those of volumes are as many sets as the filter is deep, one after the other: [out block][in block of its group][kernel_h][kernel_w][16 in][16 out]; planar
/// [out block][in channel][kernel_h][kernel_w][16]; depthwise [block][kernel_h][kernel_w][16] (bytes: in numbers of four bytes, of which the lowest counts). Bfloat16: [8 pairs in][16 out][2] for the last two.
struct Geometry {
  Form form = Form::dense;
  int64_t out_blocks = 0;
  int64_t in_blocks = 0;  ///< that one output block reads; planar: channels
  int64_t blocks_per_group = 0;  ///< output blocks that read the same input blocks
  int64_t lanes =
      kBlock;  ///< numbers of four bytes per input block: 16 channels, 8 pairs of bfloat16; planar and depthwise 1
  int64_t last_lanes = kBlock;  ///< of the last input block
  int64_t tap = 0;  ///< floats of weights per kernel position and input block
  int64_t out_block_floats = 0;  ///< weights of one output block

  /// First input block that output block k reads.
  int64_t first_in(int64_t k) const { return form == Form::depthwise ? k : k / blocks_per_group * in_blocks; }
};

Form form_of(const fast::ConvShape& shape, Source source) noexcept;
Geometry geometry(const ConvProblem& problem) noexcept;

inline bool is_volume(const ConvProblem& problem) noexcept { return problem.depth.size > 0; }
/// 1 for pictures.
int64_t out_depth(const ConvProblem& problem) noexcept;
/// Extents of the output, of either direction.
int64_t out_height(const ConvProblem& problem, const fast::ConvSizes& sizes) noexcept;
int64_t out_width(const ConvProblem& problem, const fast::ConvSizes& sizes) noexcept;

/// Offsets between images, 0 replaced by the dense ones.
struct Images {
  int64_t input, output, residual;
};
Images images(const ConvProblem& problem, const fast::ConvSizes& sizes, const ConvBuffers& buffers) noexcept;

/// Residual and activation of one result that has its bias.
float finish_plain(const ConvProblem& problem, float sum, float residual) noexcept;

/// The convolution in portable C++ over packed direct weights.
void run_plain(const ConvProblem& problem, const fast::ConvSizes& sizes, const ConvBuffers& buffers,
               ThreadPool& pool) noexcept;

}  // namespace chorus::jit
