#include "claims.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace chorus_openvino {
namespace {

std::string_view kind_name(uint16_t kind) {
  return kind == CH_SEQUENCE ? "sequences" : kind == CH_OPTIONAL ? "optional values" : "maps";
}

// What can be told from the types of the operands.
std::string type_refusal(const ch_graph& graph, const ch_node& node) {
  for (const auto& [list, n] : {std::pair(node.inputs, node.n_inputs), std::pair(node.outputs, node.n_outputs)}) {
    for (uint32_t i = 0; i < n; ++i) {
      if (list[i] == CH_NO_INDEX) continue;
      const ch_type* type = graph.values[list[i]]->type;
      const std::string op(view(node.op));
      if (type->kind > CH_TENSOR) return op + ": OpenVINO has no " + std::string(kind_name(type->kind));
      if (type->kind == CH_TENSOR && type->dtype != 0 && to_openvino_type(type->dtype) == 0) {
        return op + ": OpenVINO has no element type of ONNX's number " + std::to_string(type->dtype);
      }
    }
  }
  return {};
}

bool has_body(const ch_node& node) {
  return std::any_of(node.attributes, node.attributes + node.n_attributes,
                     [](const ch_attribute* a) { return a->kind == 5 || a->kind == 10; });
}

// "Det-22", "util::SequenceInsert", "com.microsoft.Gelu-1": the type of the operator.
std::string bare(std::string_view name) {
  const size_t dash = name.rfind('-');
  if (dash != std::string_view::npos && name.find_first_not_of("0123456789", dash + 1) == std::string_view::npos) {
    name = name.substr(0, dash);
  }
  const size_t before = name.find_last_of(".:");
  return std::string(before == std::string_view::npos ? name : name.substr(before + 1));
}

// The reader's own words about an operator that it tried to convert, else that it has no rule for it.
std::string reason_of(const std::string& op, const std::string& said) {
  const size_t at = said.find("-- " + op + "-");
  const size_t message = at == std::string::npos ? at : said.find("with a message:", at);
  if (message == std::string::npos) return op + ": OpenVINO has no conversion of this operator";
  std::string words = said.substr(message + 15, 4000);
  words.resize(std::min(words.find("; Summary"), words.size()));
  const size_t last = words.find("; -- ");
  words.resize(std::min(last, words.size()));
  const size_t first = words.find_first_not_of("; ");
  return op + ": OpenVINO cannot convert it: " + (first == std::string::npos ? "no reason given" : words.substr(first));
}

void mark(const ch_graph& graph, const std::string& said, std::vector<std::string>& reasons) {
  const std::vector<std::string> named = named_operators(said);
  bool any = false;
  for (uint32_t i = 0; i < graph.n_nodes; ++i) {
    const std::string op(view(graph.nodes[i]->op));
    if (std::find(named.begin(), named.end(), op) == named.end()) continue;
    any = true;
    if (reasons[i].empty()) reasons[i] = reason_of(op, said);
  }
  if (any) return;
  // Inside a body or a function, or a model that it does not read at all.
  for (uint32_t i = 0; i < graph.n_nodes; ++i) {
    const ch_node& node = *graph.nodes[i];
    const bool inside = has_body(node) || node.since == 0;
    if (inside) any = true;
    if (inside && reasons[i].empty()) reasons[i] = std::string(view(node.op)) + ": inside it: " + said;
  }
  if (any) return;
  for (std::string& reason : reasons) {
    if (reason.empty()) reason = "OpenVINO does not read the model: " + said;
  }
}

}  // namespace

std::vector<std::string> named_operators(std::string_view report) {
  std::vector<std::string> found;
  for (const std::string_view lead : {"No conversion rule found for operations: ", "Conversion is failed for: "}) {
    for (size_t at = report.find(lead); at != std::string_view::npos; at = report.find(lead, at)) {
      at += lead.size();
      std::string_view rest = report.substr(at, report.find_first_of(";\n", at) - at);
      while (!rest.empty()) {
        const size_t comma = rest.find(", ");
        const std::string name = bare(rest.substr(0, comma));
        if (!name.empty()) found.push_back(name);
        rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 2);
      }
    }
  }
  return found;
}

// Values of a body that nothing in it makes are looked up outside, by name.
bool is_used(const ch_graph& graph, std::string_view name) {
  auto is = [&](int32_t v) { return v != CH_NO_INDEX && view(graph.values[v]->name) == name; };
  if (std::any_of(graph.outputs, graph.outputs + graph.n_outputs, is)) return true;
  for (uint32_t i = 0; i < graph.n_nodes; ++i) {
    const ch_node& node = *graph.nodes[i];
    if (std::any_of(node.inputs, node.inputs + node.n_inputs, is)) return true;
    for (uint32_t a = 0; a < node.n_attributes; ++a) {
      const ch_attribute& attribute = *node.attributes[a];
      if (attribute.kind != 5 && attribute.kind != 10) continue;
      for (uint64_t g = 0; g < (attribute.kind == 5 ? 1 : attribute.count); ++g) {
        if (is_used(*attribute.graphs[g], name)) return true;
      }
    }
  }
  return false;
}

std::vector<std::string> refusals(const Functions& ov, const OvCore* core, const ch_host& host, const ch_graph& graph) {
  std::vector<std::string> reasons(graph.n_nodes);
  bool refused = false;
  for (uint32_t i = 0; i < graph.n_nodes; ++i) {
    reasons[i] = type_refusal(graph, *graph.nodes[i]);
    if (reasons[i].empty()) reasons[i] = silent_refusal(graph, *graph.nodes[i]);
    refused = refused || !reasons[i].empty();
  }
  if (refused) return reasons;  // the reader would say the same in more words
  std::string bytes;
  try {
    bytes = onnx_bytes(host, graph, kMaxOpset, kMaxIr);
  } catch (const Failure& failure) {
    if (failure.code == CH_BUDGET) throw;
    for (uint32_t i = 0; i < graph.n_nodes; ++i) {
      const ch_node& node = *graph.nodes[i];
      const bool newer = node.since > kMaxOpset && view(node.domain).empty();
      if (newer)
        reasons[i] = std::string(view(node.op)) + ": version " + std::to_string(node.since) +
                     " is newer than OpenVINO knows; " + failure.what();
      refused = refused || newer;
    }
    if (!refused) throw;
    return reasons;
  }
  OvModel* model = nullptr;
  const Status status = ov.core_read_model_from_memory_buffer(core, bytes.data(), bytes.size(), nullptr, &model);
  if (status == Status::ok)
    ov.model_free(model);
  else
    mark(graph, last_message(ov), reasons);
  return reasons;
}

}  // namespace chorus_openvino
