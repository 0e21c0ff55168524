// A difference of OpenVINO that can be mended in the model it is given: ReduceMax over minus infinities alone, and ReduceMin over infinities,
// give the least and the greatest float32. Expansions of Attention compare that result with infinity to find rows that are masked altogether.
#pragma once
#include <chorus/engine_abi.h>

#include <string>
#include <string_view>

namespace chorus_openvino {

/// Whether a ReduceMax or ReduceMin of the graph is compared with something, so that its infinities matter.
bool needs_infinities(const ch_graph& graph, const ch_node& node);

/// The ONNX bytes with a node behind every such operator (of float32; others are refused) that gives the infinity back. Throws Failure where the bytes are no model.
std::string with_infinities(const ch_graph& graph, std::string model);

}  // namespace chorus_openvino
