// Hollow tensors: type and shape without elements, for weights that a program has packed into a form of its own. Reading one gives
// zeros from pages that cost no memory, so a mistake is wrong numbers in a test and never a crash.
#pragma once
#include <chorus/value.h>

namespace chorus {

/// A dense tensor (element type not string) that holds no elements; kind none when the system has no addresses left for it.
Value hollow_value(DType dtype, const Shape& shape) noexcept;
bool is_hollow(const Value& value) noexcept;

}  // namespace chorus
