// The table of one level. Included after a level's vec.h.
#pragma once
#include <engine/native/fast/generic/attention.h>
#include <engine/native/fast/generic/blocked.h>
#include <engine/native/fast/generic/conv.h>
#include <engine/native/fast/generic/conv_transpose.h>
#include <engine/native/fast/generic/elementwise.h>
#include <engine/native/fast/generic/gemm.h>
#include <engine/native/fast/generic/image.h>
#include <engine/native/fast/generic/recurrent.h>
#include <engine/native/fast/generic/reduce.h>
#include <engine/native/fast/generic/rows.h>
#include <engine/native/fast/kernels.h>

#define CHORUS_FAST_TEXT_OF(name) #name
#define CHORUS_FAST_TEXT(name) CHORUS_FAST_TEXT_OF(name)

namespace chorus::fast::CHORUS_FAST_LEVEL {

const FastKernels& table() noexcept;
const FastKernels& table() noexcept {
  static constexpr FastKernels all{
      .level = Level::CHORUS_FAST_LEVEL,
      .name = CHORUS_FAST_TEXT(CHORUS_FAST_LEVEL),
      .gemm_packed_a_bytes = gemm_packed_a_bytes,
      .gemm_packed_b_bytes = gemm_packed_b_bytes,
      .gemm_pack_a = gemm_pack_a,
      .gemm_pack_b = gemm_pack_b,
      .gemm_scratch_bytes = gemm_scratch_bytes,
      .gemm_run = gemm_run,
      .conv_packed_weight_bytes = conv_packed_weight_bytes,
      .conv_pack_weights = conv_pack_weights,
      .conv_scratch_bytes = conv_scratch_bytes,
      .conv_run = conv_run,
      .conv_transpose_packed_weight_bytes = conv_transpose_packed_weight_bytes,
      .conv_transpose_pack_weights = conv_transpose_pack_weights,
      .conv_transpose_scratch_bytes = conv_transpose_scratch_bytes,
      .conv_transpose_run = conv_transpose_run,
      .unary_run = unary_run,
      .binary_run = binary_run,
      .transpose_run = transpose_run,
      .softmax_run = softmax_run,
      .norm_run = norm_run,
      .attention_scratch_bytes = attention_scratch_bytes,
      .attention_run = attention_run,
      .recurrent_group = recurrent_group,
      .recurrent_packed_floats = recurrent_packed_floats,
      .recurrent_pack = recurrent_pack,
      .recurrent_scratch_bytes = recurrent_scratch_bytes,
      .recurrent_run = recurrent_run,
      .reduce_scratch_bytes = reduce_scratch_bytes,
      .reduce_run = reduce_run,
      .pool_scratch_bytes = pool_scratch_bytes,
      .pool_run = pool_run,
      .resize_scratch_bytes = resize_scratch_bytes,
      .resize_run = resize_run,
      .block_channels = block_channels,
      .unblock_channels = unblock_channels,
      .chain_run = chain_run,
      .blocked_pool_run = blocked_pool_run,
      .blocked_resize_run = blocked_resize_run,
      .channel_map_run = channel_map_run,
  };
  return all;
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
