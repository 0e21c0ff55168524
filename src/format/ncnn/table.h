// The mapping from operators to ncnn's layers.
#pragma once
#include <format/ncnn/emitter.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace chorus::ncnn {

/// What the elements of a row's operands and results may be; a blob holds 32-bit floats.
enum class Elements : uint8_t {
  floats,    ///< float32
  carried,  ///< also types whose values a float32 holds: integers, bool; the operator only moves them
  own_check  ///< the function says
};

struct Row {
  std::string_view op;  ///< of ai.onnx, in its newest version
  void (*write)(Emitter&);
  Elements elements = Elements::floats;
  std::string_view note;  ///< where ncnn means something else, and what is done about it
};

std::span<const Row> rows();
const Row* find_row(const Node& node);

// Families, one file each.
void write_unary(Emitter& e);
void write_activation(Emitter& e);
void write_clip(Emitter& e);
void write_prelu(Emitter& e);
void write_binary(Emitter& e);
void write_pow(Emitter& e);
void write_fold(Emitter& e);
void write_conv(Emitter& e);
void write_conv_transpose(Emitter& e);
void write_pool(Emitter& e);
void write_global_pool(Emitter& e);
void write_matmul(Emitter& e);
void write_gemm(Emitter& e);
void write_reduce(Emitter& e);
void write_softmax(Emitter& e);
void write_cumsum(Emitter& e);
void write_batch_norm(Emitter& e);
void write_layer_norm(Emitter& e);
void write_rms_norm(Emitter& e);
void write_instance_norm(Emitter& e);
void write_group_norm(Emitter& e);
void write_lrn(Emitter& e);
void write_alias(Emitter& e);
void write_cast(Emitter& e);
void write_transpose(Emitter& e);
void write_concat(Emitter& e);
void write_split(Emitter& e);
void write_slice(Emitter& e);
void write_pad(Emitter& e);
void write_expand(Emitter& e);
void write_tile(Emitter& e);
void write_gather(Emitter& e);
void write_depth_to_space(Emitter& e);
void write_space_to_depth(Emitter& e);
void write_resize(Emitter& e);
void write_lstm(Emitter& e);
void write_gru(Emitter& e);
void write_rnn(Emitter& e);

}  // namespace chorus::ncnn
