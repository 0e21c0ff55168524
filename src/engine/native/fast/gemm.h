// Contract of matrix multiplication: C = epilogue(alpha * A·B + beta * C), row-major, batched, one side may be packed
// once.
#pragma once
#include <engine/native/fast/epilogue.h>

#include <cstddef>
#include <cstdint>

namespace chorus {
class ThreadPool;
}

namespace chorus::fast {

enum class Form : uint8_t { normal, transposed };
enum class Packed : uint8_t {
  none,
  a,
  b
};  ///< which operand was packed by gemm_pack_a / gemm_pack_b of the same table

/// A is [M, K] (transposed: stored [K, M]); B is [K, N] (transposed: stored [N, K]); C is [M, N]. Any size may be 0.
struct GemmShape {
  int64_t m = 0, n = 0, k = 0;
  Form a_form = Form::normal;  ///< of an operand that is not packed
  Form b_form = Form::normal;
  Packed packed = Packed::none;
  int64_t batch = 1;
};

struct GemmArgs {
  GemmShape shape;
  const float* a = nullptr;  ///< the matrix, or its packed form
  const float* b = nullptr;
  float* c = nullptr;
  int64_t lda = 0, ldb = 0, ldc = 0;  ///< floats between stored rows; unused for a packed side
  int64_t stride_a = 0, stride_b = 0, stride_c = 0;  ///< floats between matrices of a batch; 0 shares an operand
  float alpha = 1, beta = 0;  ///< beta 0: C is not read
  Epilogue epilogue;  ///< the residual has ldc and stride_c
  void* scratch = nullptr;  ///< gemm_scratch_bytes(shape, pool.threads()), 64-byte aligned
};

}  // namespace chorus::fast
