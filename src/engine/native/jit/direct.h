// Direct convolutions with generated tiles.
#pragma once
#include <engine/native/jit/code_cache.h>
#include <engine/native/jit/geometry.h>
#include <engine/native/jit/tile_code.h>

namespace chorus::jit {

/// From the code cache, generated when it is new; null when memory for code is refused.
Kernel find_tile_kernel(const TileKey& key);

/// Which part of a sum a task computes: sums in turns are kept in the output; only the last turn has bias and activation.
enum class Turn : uint8_t { only, first, middle, last, nothing };  ///< nothing: no products, but bias and activation

/// A convolution whose tasks can be run one by one, in any order; it needs no scratch.
class TaskCall : public ConvCall {
 public:
  virtual int64_t tasks() const noexcept = 0;
  virtual void task(const ConvBuffers& buffers, int64_t index, Turn turn = Turn::only) const noexcept = 0;
};

/// Where results go, in pixels; for convolutions that write some pixels of a larger picture, or slices of volumes.
struct Grid {
  int64_t first = 0, column_step = 1, row_step = 0, plane = 0;  ///< plane 0: the output is dense
  int64_t input_plane = 0;  ///< pixels between input blocks; 0: dense
};

/// What lies behind the packed weights: other weights that are used next are prefetched at the end.
enum class More : uint8_t { nothing, weights };

/// Null when memory for code is refused. level: avx2 or avx512.
std::shared_ptr<const TaskCall> make_direct(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level,
                                            More more = More::nothing, const Grid& grid = {});
/// Generates what make_direct needs for these sizes, or for any where extents are open.
bool generate_direct(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level, More more = More::nothing,
                     const Grid& grid = {});

}  // namespace chorus::jit
