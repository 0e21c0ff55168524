// Which numbers the products of generated tiles are made of.
#pragma once
#include <engine/native/candidate.h>
#include <engine/native/jit/conv.h>

namespace chorus::native::steps {

/// bfloat16 where the caller asks for it and the kernels and the processor can; `problem` is complete but for its element and method.
inline jit::Element element_of(const StepDescription& step, jit::ConvProblem problem, jit::Level level) {
  const CpuFeatures& features = step.cpu != nullptr ? *step.cpu : cpu();
  problem.element = jit::Element::bf16;
  const bool narrow = step.precision == Precision::bf16 && level == jit::Level::avx512 && features.avx512_bf16;
  return narrow && jit::refusal(problem) == nullptr ? jit::Element::bf16 : jit::Element::f32;
}

/// Matrix registers where the problem, complete with its element, and the processor can.
inline jit::Unit unit_of(const StepDescription& step, jit::ConvProblem problem) {
  const CpuFeatures& features = step.cpu != nullptr ? *step.cpu : cpu();
  problem.unit = jit::Unit::matrices;
  const bool can = problem.element == jit::Element::bf16 && features.amx_bf16 && jit::refusal(problem) == nullptr;
  return can && request_amx() ? jit::Unit::matrices : jit::Unit::vectors;
}

}  // namespace chorus::native::steps
