// Element by element between integers and floats: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear, Cast, and sums of two quantised tensors. Every operation
// is the one that ONNX writes, in float32, so results are those of the reference kernels in every bit.
#pragma once
#include <engine/native/jit/code_cache.h>
#include <engine/native/jit/epilogue_code.h>

#include <cstdint>

namespace chorus::jit {

enum class ByteMap : uint8_t {
  quantize,  ///< a: floats, y: bytes
  dequantize,  ///< a: unsigned bytes, y: floats
  dequantize_signed,
  add,  ///< a, b: unsigned bytes; y: bytes
  add_signed,  ///< a, b: signed bytes; y: bytes
  to_real,  ///< a: int32, y: floats
  range,  ///< a: floats; y: 16 floats, the least so far, and 16, the largest; what is no number counts for nothing
};

/// Each number 16 times. Of a result in bytes: alpha and beta are the least and the largest, `zero` its zero point.
struct alignas(64) ByteMapParams {
  EpilogueParams out;
  float step[16];  ///< the result's scale
  float zero_a[16], scale_a[16], zero_b[16], scale_b[16];
};
void fill(float (&lanes)[16], float value) noexcept;

struct ByteMapArgs {
  const void *a, *b;
  void* y;
  const ByteMapParams* params;
  int64_t vectors;  ///< of 16 elements, >= 1
};

/// AVX-512 only.
Code byte_map_code(ByteMap kind);
Kernel find_byte_map(ByteMap kind);
/// Element [first, first + count) in C++: what is left of a vector, and where there is no code.
void run_byte_map_plain(ByteMap kind, const ByteMapArgs& args, int64_t first, int64_t count) noexcept;

}  // namespace chorus::jit
