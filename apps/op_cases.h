// The case grids of the operator table as ONNX models with inputs, for evaluators other than ours.
#pragma once
#include <string>

namespace chorus::app {

/// FOLDER/<domain>.<operator>/<number>/model.onnx and test_data_set_<k>/input_<i>.pb: one model per case of each row of ONNX, and
/// as many draws of its operands as make at least `per_operator` data sets. Expected outputs are for others to add.
/// Rows of the domain chorus have no other evaluator and are left out. Returns the number of models.
int write_op_cases(const std::string& folder, int per_operator);

}  // namespace chorus::app
