// What exporters spell out in simple operators becomes the operator that ONNX has for it, which has a kernel.
#pragma once
#include <graph/pass.h>

namespace chorus::native {

/// A pass over float32: Gelu by tanh, LayerNormalization and RMSNormalization along the last axis with constant weights. Results differ by
/// rounding.
int spelled_forms(Graph& graph, PassContext& context);
/// Products, scale, mask and Softmax over heads [batch, heads, length, size] become Attention.
int spelled_attention(Graph& graph, PassContext& context);

}  // namespace chorus::native
