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

bool is_empty(const ch_graph& graph, const ch_node& node) {
  return std::any_of(node.inputs, node.inputs + node.n_inputs, [&](int32_t v) {
    if (v == CH_NO_INDEX) return false;
    const ch_type& type = *graph.values[v]->type;
    return type.has_rank != 0 && std::count(type.dims, type.dims + type.rank, 0) > 0;
  });
}

// A constant condition that selects no element.
bool selects_nothing(const ch_graph& graph, const ch_node& node) {
  const int32_t condition = node.n_inputs > 1 ? node.inputs[1] : CH_NO_INDEX;
  const int32_t constant = condition == CH_NO_INDEX ? CH_NO_INDEX : graph.values[condition]->constant;
  if (constant == CH_NO_INDEX) return false;
  const ch_value& v = *graph.constants[constant];
  const auto* bytes = static_cast<const unsigned char*>(v.buffer.data) + v.offset;
  int64_t count = 1;
  for (uint32_t d = 0; d < v.rank; ++d) count *= v.dims[d];
  return std::none_of(bytes, bytes + count, [](unsigned char b) { return b != 0; });
}

// Operand i as it is known: null where it is none or no constant.
const ch_value* constant_of(const ch_graph& graph, const ch_node& node, uint32_t i) {
  const int32_t v = i < node.n_inputs ? node.inputs[i] : CH_NO_INDEX;
  const int32_t constant = v == CH_NO_INDEX ? CH_NO_INDEX : graph.values[v]->constant;
  return constant == CH_NO_INDEX ? nullptr : graph.constants[constant];
}

// Version 11 is over all axes from `axis` on; where that is the last alone, both mean the same.
bool is_over_several_axes(const ch_graph& graph, const ch_node& node) {
  if (node.since >= 13 || node.n_inputs == 0) return false;
  const ch_type& type = *graph.values[node.inputs[0]]->type;
  const ch_attribute* axis = attribute(node, "axis");
  const int64_t at = axis == nullptr ? 1 : axis->i;
  if (type.has_rank == 0) return at != -1;
  const int64_t from = at < 0 ? at + type.rank : at;
  for (int64_t d = from + 1; d < type.rank; ++d) {
    if (type.dims[d] != 1) return true;
  }
  return false;
}

// What is left of a reduction over no axes: the magnitude, the square, the logarithm.
bool leaves_out_magnitude(const ch_graph& graph, const ch_node& node, const std::string& op) {
  if (op != "ReduceL1" && op != "ReduceL2" && op != "ReduceSumSquare" && op != "ReduceLogSum") return false;
  if (!is_set(node, "noop_with_empty_axes")) return false;
  if (node.n_inputs < 2 || node.inputs[1] == CH_NO_INDEX) return true;
  const ch_value* axes = constant_of(graph, node, 1);
  return axes == nullptr || axes->rank == 0 || axes->dims[0] == 0;
}

std::vector<int64_t> ints_of(const ch_node& node, const char* name, size_t n, int64_t otherwise) {
  const ch_attribute* a = attribute(node, name);
  if (a == nullptr || a->count != n) return std::vector<int64_t>(n, otherwise);
  return {a->ints, a->ints + a->count};
}

// Rounded up, the number of windows holds one that begins behind the picture and the padding before it; ONNX leaves it out.
bool has_window_behind(const ch_graph& graph, const ch_node& node) {
  const ch_attribute* kernel = attribute(node, "kernel_shape");
  if (kernel == nullptr || node.n_inputs == 0) return false;
  const auto n = static_cast<size_t>(kernel->count);
  const ch_type& type = *graph.values[node.inputs[0]]->type;
  const std::vector<int64_t> pads = ints_of(node, "pads", 2 * n, 0), strides = ints_of(node, "strides", n, 1);
  const std::vector<int64_t> dilations = ints_of(node, "dilations", n, 1);
  for (size_t d = 0; d < n; ++d) {
    const int64_t size = type.has_rank != 0 && type.rank == n + 2 ? type.dims[2 + d] : -1;
    const int64_t spanned = (kernel->ints[d] - 1) * dilations[d] + 1, end = pads[n + d],
                  stride = std::max<int64_t>(1, strides[d]);
    if (size < 0 && (end > 0 || stride > spanned)) return true;  // may have one
    const int64_t last = (size + pads[d] + end - spanned + stride - 1) / stride * stride;
    if (size >= 0 && last >= size + pads[d]) return true;
  }
  return false;
}

// Windows that begin or end behind the picture.
std::string window_refusal(const ch_graph& graph, const ch_node& node, const std::string& op) {
  if (!is_set(node, "ceil_mode")) return {};
  if (op == "AveragePool" && is_set(node, "count_include_pad"))
    return op + ": OpenVINO counts places behind the padding (ceil_mode with count_include_pad)";
  if (op == "LpPool")
    return op + ": OpenVINO divides by the length of a window that reaches behind the picture (ceil_mode)";
  if (op == "MaxPool" && has_window_behind(graph, node))
    return op + ": OpenVINO keeps a window that begins behind the picture (ceil_mode)";
  return {};
}

// Where its reader passes over an attribute and the result is another one: better refused than wrong.
std::string silent_refusal(const ch_graph& graph, const ch_node& node) {
  const std::string op(view(node.op));
  if (!view(node.domain).empty()) return {};
  auto ignores = [&](const char* what) { return op + ": OpenVINO passes over " + what; };
  if (op == "Attention") {
    for (const char* name : {"left_window_size", "right_window_size"}) {
      if (attribute(node, name) != nullptr) return ignores(name);
    }
  }
  if (op == "Resize") {
    for (const char* name : {"antialias", "exclude_outside"}) {
      if (is_set(node, name)) return ignores(name);
    }
    const ch_attribute* policy = attribute(node, "keep_aspect_ratio_policy");
    if (policy != nullptr && view(policy->s) != "stretch") return ignores("keep_aspect_ratio_policy");
  }
  if ((op == "RNN" || op == "GRU" || op == "LSTM") && is_set(node, "layout")) return ignores("layout = 1");
  if (op == "LSTM" && node.n_inputs > 7 && node.inputs[7] != CH_NO_INDEX) return ignores("the peepholes P");
  if (op == "DFT" && node.since >= 20 && node.n_inputs > 2 && node.inputs[2] != CH_NO_INDEX)
    return ignores("the input axis");
  if ((op == "Cast" || op == "CastLike") && node.n_outputs > 0 && node.outputs[0] != CH_NO_INDEX) {
    const uint16_t to = graph.values[node.outputs[0]]->type->dtype;
    if (to == 17 || to == 19 || to == 23 || to == 24)
      return op + ": OpenVINO neither saturates nor rounds to ONNX's element type " + std::to_string(to) +
             " as ONNX does";
  }
  if (op == "Tile" && node.n_inputs > 1 && node.inputs[1] != CH_NO_INDEX &&
      graph.values[node.inputs[1]]->constant == CH_NO_INDEX) {
    return op + ": OpenVINO reads beyond the input where the repeats are no constant";
  }
  if ((op == "Gather" && is_empty(graph, node)) || (op == "Compress" && selects_nothing(graph, node)))
    return op + ": OpenVINO divides by zero when it compiles this operator for no elements";
  if (op == "Softmax" && is_over_several_axes(graph, node))
    return op + ": OpenVINO takes version " + std::to_string(node.since) +
           " over one axis, where ONNX takes it over all from `axis` on";
  if (leaves_out_magnitude(graph, node, op))
    return op + ": OpenVINO makes nothing of noop_with_empty_axes but the input";
  if (std::string why = window_refusal(graph, node, op); !why.empty()) return why;
  const ch_attribute* mode = attribute(node, "mode");
  if (op == "RoiAlign" && mode != nullptr && view(mode->s) == "max")
    return op + ": OpenVINO takes another maximum than ONNX";
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
