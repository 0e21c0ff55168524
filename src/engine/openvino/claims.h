// Which nodes OpenVINO refuses. Its C interface has no query of a model, but its reader lists all that it cannot convert: that list is read.
#pragma once
#include <chorus/engine_abi.h>

#include <string>
#include <string_view>
#include <vector>

#include "values.h"

namespace chorus_openvino {

inline constexpr int kMaxOpset = 25, kMaxIr = 13;  ///< asked of the host's conversion

/// One reason per node, empty where nothing speaks against it. Throws Failure where the reader's complaint names no node.
std::vector<std::string> refusals(const Functions& ov, const OvCore* core, const ch_host& host, const ch_graph& graph);

/// What OpenVINO would answer wrongly without a word: better refused than wrong. Empty where nothing is known.
std::string silent_refusal(const ch_graph& graph, const ch_node& node);

/// Whether a node, a body of one, or an output takes the value.
bool is_used(const ch_graph& graph, std::string_view name);

/// The types of operators that a report of the reader names ("-- No conversion rule found for operations: Det-22, util::SequenceInsert"
/// and "-- Conversion is failed for: Cast-28"): "Det", "SequenceInsert", "Cast".
std::vector<std::string> named_operators(std::string_view report);

}  // namespace chorus_openvino
