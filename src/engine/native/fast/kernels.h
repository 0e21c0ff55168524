// The table of fast kernels of one instruction-set level. All functions are pure, allocate nothing, lock nothing and do
// not throw; arguments are trusted (shapes were checked when the plan was made). Results are bit-equal for any pool.
#pragma once
#include <engine/native/fast/attention.h>
#include <engine/native/fast/blocked.h>
#include <engine/native/fast/conv.h>
#include <engine/native/fast/elementwise.h>
#include <engine/native/fast/gemm.h>
#include <engine/native/fast/image.h>
#include <engine/native/fast/recurrent.h>
#include <engine/native/fast/rows.h>

#include <core/cpu.h>
#include <core/thread_pool.h>

namespace chorus::fast {

enum class Level : uint8_t { portable, avx2, avx512 };

struct FastKernels {
  Level level;
  const char* name;  ///< "portable", "avx2", "avx512"

  /// Packed form of one matrix (a batch of constants is packed one by one); 64-byte aligned buffers, multiples of 64.
  size_t (*gemm_packed_a_bytes)(int64_t m, int64_t k) noexcept;
  size_t (*gemm_packed_b_bytes)(int64_t k, int64_t n) noexcept;
  void (*gemm_pack_a)(int64_t m, int64_t k, const float* a, int64_t lda, Form form, float* packed) noexcept;
  void (*gemm_pack_b)(int64_t k, int64_t n, const float* b, int64_t ldb, Form form, float* packed) noexcept;
  size_t (*gemm_scratch_bytes)(const GemmShape& shape, int threads) noexcept;
  void (*gemm_run)(const GemmArgs& args, ThreadPool& pool) noexcept;

  size_t (*conv_packed_weight_bytes)(const ConvShape& shape) noexcept;
  void (*conv_pack_weights)(const ConvShape& shape, const float* weights, float* packed) noexcept;
  size_t (*conv_scratch_bytes)(const ConvShape& shape, const ConvSizes& sizes, int threads) noexcept;
  void (*conv_run)(const ConvArgs& args, ThreadPool& pool) noexcept;

  size_t (*conv_transpose_packed_weight_bytes)(const ConvShape& shape) noexcept;
  void (*conv_transpose_pack_weights)(const ConvShape& shape, const float* weights, float* packed) noexcept;
  size_t (*conv_transpose_scratch_bytes)(const ConvShape& shape, const ConvSizes& sizes, int threads) noexcept;
  void (*conv_transpose_run)(const ConvArgs& args, ThreadPool& pool) noexcept;

  void (*unary_run)(const UnaryArgs& args, ThreadPool& pool) noexcept;
  void (*binary_run)(const BinaryArgs& args, ThreadPool& pool) noexcept;
  void (*transpose_run)(const TransposeArgs& args, ThreadPool& pool) noexcept;

  void (*softmax_run)(const SoftmaxArgs& args, ThreadPool& pool) noexcept;
  void (*norm_run)(const NormArgs& args, ThreadPool& pool) noexcept;
  size_t (*attention_scratch_bytes)(const AttentionArgs& args, int threads) noexcept;
  void (*attention_run)(const AttentionArgs& args, ThreadPool& pool) noexcept;
  int64_t recurrent_group;  ///< hidden units side by side, see recurrent_column
  size_t (*recurrent_packed_floats)(Cell cell, int64_t hidden) noexcept;  ///< of one direction
  void (*recurrent_pack)(Cell cell, int64_t hidden, const float* r, float* packed) noexcept;
  size_t (*recurrent_scratch_bytes)(const RecurrentArgs& args, int threads) noexcept;
  void (*recurrent_run)(const RecurrentArgs& args, ThreadPool& pool) noexcept;
  size_t (*reduce_scratch_bytes)(const ReduceArgs& args) noexcept;
  void (*reduce_run)(const ReduceArgs& args, ThreadPool& pool) noexcept;

  size_t (*pool_scratch_bytes)(const PoolArgs& args, int threads) noexcept;
  void (*pool_run)(const PoolArgs& args, ThreadPool& pool) noexcept;
  size_t (*resize_scratch_bytes)(const ResizeArgs& args, int threads) noexcept;
  void (*resize_run)(const ResizeArgs& args, ThreadPool& pool) noexcept;

  void (*block_channels)(const ReorderArgs& args, ThreadPool& pool) noexcept;
  void (*unblock_channels)(const ReorderArgs& args, ThreadPool& pool) noexcept;
  void (*chain_run)(const ChainArgs& args, ThreadPool& pool) noexcept;
  void (*blocked_pool_run)(const BlockedPoolArgs& args, ThreadPool& pool) noexcept;
  void (*blocked_resize_run)(const BlockedResizeArgs& args, ThreadPool& pool) noexcept;
  void (*channel_map_run)(const ChannelMapArgs& args, ThreadPool& pool) noexcept;
};

/// The table of the highest level that `features` allows: kernels(cpu()), or kernels(masked(cpu(), "avx512")) to
/// force a lower one. AVX-512 needs F, BW, DQ and VL; AVX2 needs FMA too.
const FastKernels& kernels(const CpuFeatures& features) noexcept;

}  // namespace chorus::fast
