// Operators by their names: those that a program or plug-in registered, and all others.
#pragma once
#include <chorus/tensor.h>

#include <map>
#include <string>
#include <vector>

namespace chorus {

/// The outputs of an operator of `domain` ("" is ai.onnx) on tensors. `attributes`: numbers, for attributes of kind int and float.
/// Types and shapes are checked at once, as for the functions of chorus/ops.h, and gradients flow where the operator has one.
/// Throws Error(not_found) for an unknown operator, Error(bad_input) for an attribute that it has not or that takes no number.
///   Tensor y = call_operator("my", "Swish6", {x})[0];
CHORUS_API std::vector<Tensor> call_operator(const std::string& domain, const std::string& name,
                                             const std::vector<Tensor>& inputs,
                                             const std::map<std::string, double>& attributes = {}, int outputs = 1);

}  // namespace chorus
