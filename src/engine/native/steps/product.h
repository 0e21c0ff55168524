// What the candidates of matrix products share.
#pragma once
#include <engine/native/steps/support.h>

#include <vector>

namespace chorus::native::steps {

/// factor · C of a constant operand that is one number or one per column of the result, as a row; false: it is something else.
bool constant_row(const StepDescription& step, int operand, float factor, std::vector<float>* row);
/// MatMul or Gemm with a constant right matrix by generated tiles.
Candidate tile_step(std::string_view op);
/// Rows [first, last) of a matrix of bytes [rows, k] into blocks of 16 columns; int8 becomes unsigned by another sign bit.
void bytes_into_blocks(const TensorView& a, int64_t first, int64_t last, int64_t rows, int64_t k, uint8_t* to) noexcept;
/// ConvInteger with constant weights by generated tiles of bytes.
Candidate integer_convolution_step();
/// MatMulInteger with a constant right matrix by generated tiles of bytes.
Candidate byte_step();

}  // namespace chorus::native::steps
