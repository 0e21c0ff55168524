// chorus check FOLDER: every ONNX test case below a folder on every engine, each in a worker, against a float64 oracle.
#pragma once
#include "engine_runs.h"

#include <string>

namespace chorus::app {

/// A case is a folder with model.onnx and test_data_set_0/input_*.pb. What an engine refuses is no fault; what it computes wrongly, or dies of,
/// is printed, and written below `write` (unless empty) as ENGINE/CASE.onnx, .npz and .md. Draws of random operators are left out. Returns the
/// number of faults.
int check_cases(const ComparisonOptions& options, const std::string& write, bool json);

}  // namespace chorus::app
