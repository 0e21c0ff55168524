// Runs captured nodes one by one with the native engine's kernels, without a graph.
#pragma once
#include <engine/native/call.h>
#include <tensor/capture.h>

#include <vector>

namespace chorus {

/// values[number] of the kept nodes is filled in; others are let go after their last use. Throws Error.
void run_node_by_node(const Capture& captured, std::vector<Value>& values, native::CallEnvironment& environment);

}  // namespace chorus
