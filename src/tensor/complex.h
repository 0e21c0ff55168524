// Complex operands of the C++ operators.
#pragma once
#include <chorus/tensor.h>

namespace chorus {

enum class ComplexOp : uint8_t { add, sub, mul, div, equal };
/// At least one operand is complex; the other is converted.
Tensor complex_arithmetic(ComplexOp op, const Tensor& a, const Tensor& b);
inline bool any_complex(const Tensor& a, const Tensor& b) { return is_complex(a.dtype()) || is_complex(b.dtype()); }

}  // namespace chorus
