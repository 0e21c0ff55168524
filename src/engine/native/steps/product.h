// What the candidates of matrix products share.
#pragma once
#include <engine/native/steps/support.h>

#include <vector>

namespace chorus::native::steps {

/// factor · C of a constant operand that is one number or one per column of the result, as a row; false: it is something else.
bool constant_row(const StepDescription& step, int operand, float factor, std::vector<float>* row);
/// MatMul or Gemm with a constant right matrix by generated tiles.
Candidate tile_step(std::string_view op);
/// MatMulInteger with a constant right matrix by generated tiles of bytes.
Candidate byte_step();

}  // namespace chorus::native::steps
