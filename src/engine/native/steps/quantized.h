// What the candidates of quantised work share.
#pragma once
#include <engine/native/jit/byte_map.h>
#include <engine/native/plan/quantized.h>
#include <engine/native/steps/support.h>

namespace chorus::native::steps {

/// A picture of bytes that can lie in channel blocks.
bool is_byte_picture(const Graph& graph, ValueId value);
/// Least and largest byte of a result, as floats around `zero` (the zero point in the layout at hand): what Relu and Clip leave.
struct ByteRange {
  float least, largest;
};
ByteRange byte_range(const QuantizedStep& step);
/// Elements of a blocked image with its padding lanes.
int64_t blocked_image(const TensorView& t) noexcept;

/// Element by element in tasks; y is all of one task's for ByteMap::range. `kernel` null: in C++.
void run_byte_map(jit::ByteMap kind, jit::Kernel kernel, const jit::ByteMapParams& params, const void* a, const void* b,
                  void* y, int64_t count, ThreadPool& pool) noexcept;
/// A constant operand of any node; null when it is none.
const Value* fixed(const Graph& graph, const Node& node, size_t operand);
/// Of a DequantizeLinear of weights: one scale, or one per channel on `axis`; all zero points are `zero`.
bool read_byte_scales(const Graph& graph, const Node& node, int64_t channels, int64_t zero, int64_t axis,
                      std::vector<float>* out);
/// Operand 2 as real numbers: constants of float32, or of int32 behind a DequantizeLinear.
bool read_byte_bias(const StepDescription& step, int64_t channels, std::vector<double>* out);
/// What makes a result of a sum of `depth` products: the integer part of the bias is added before, so that sums stay exact.
/// `sums`: of each channel's weights.
void set_byte_channels(const QuantizedStep& step, std::span<const float> scales, std::span<const double> bias,
                       int64_t depth, const int32_t* sums, jit::ByteChannels* out);
/// Code for vectors of 16 is there.
bool has_byte_code(const StepDescription& step);
/// Null where there is none: the same in C++.
jit::Kernel find_byte_code(const StepDescription& step, jit::ByteMap kind);

std::span<const Candidate> quantized_convolution_steps();
/// MatMul and Gemm with constant weights.
std::span<const Candidate> quantized_product_steps();
/// DynamicQuantizeLinear and Cast from int32 to float32.
std::span<const Candidate> dynamic_quantize_steps();

}  // namespace chorus::native::steps
