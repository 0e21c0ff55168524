// The value that a Constant node stands for.
#pragma once
#include <ops/context.h>

#include <string>

namespace chorus {

/// From exactly one of value, sparse_value (made dense), value_int, value_ints, value_float, value_floats, value_string and
/// value_strings. Throws Error(bad_input) saying what is wrong, Error(budget) for a sparse tensor of more than 4 GiB.
Value constant_value(const Attributes& attributes);

}  // namespace chorus
