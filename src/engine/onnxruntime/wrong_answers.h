// What ONNX Runtime is known to answer wrongly, or to fail at in the run.
#pragma once
#include <chorus/engine_abi.h>

#include <string>

namespace chorus_ort {

/// A sentence for a node that ONNX Runtime would take and compute wrongly; empty where nothing is known.
std::string wrong_refusal(const ch_graph& graph, const ch_node& node);

}  // namespace chorus_ort
