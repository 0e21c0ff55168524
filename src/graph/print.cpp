#include <graph/graph.h>

#include <fmt/format.h>

namespace chorus {

// One line per input, constant, node and output; stable, so that tests can compare it.
std::string Graph::str() const {
  std::string text = fmt::format("graph \"{}\"", name);
  for (const auto& [domain, version] : opsets)
    text += fmt::format(" {}:{}", domain.empty() ? "ai.onnx" : domain, version);
  text += "\n";
  for (ValueId id : inputs_) text += fmt::format("  input  %{}: {}\n", value(id).name, value(id).type.str());
  for (const GraphValue& v : values_) {
    if (v.alive && v.is_constant() && !v.is_input) text += fmt::format("  const  %{}: {}\n", v.name, v.constant.str(8));
  }
  for (NodeId id : order()) {
    const Node& n = node(id);
    std::string line = "  ";
    for (size_t i = 0; i < n.outputs.size(); ++i) {
      line += (i ? ", " : "") + (n.outputs[i] == kNone ? std::string("-") : "%" + value(n.outputs[i]).name);
    }
    line += " = " + (n.domain.empty() ? n.type : n.domain + "." + n.type);
    if (n.op != nullptr) line += fmt::format("-{}", n.op->versions[static_cast<size_t>(n.version)].since);
    line += "(";
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      line += (i ? ", " : "") + (n.inputs[i] == kNone ? std::string("-") : "%" + value(n.inputs[i]).name);
    }
    line += ")";
    for (size_t i = 0; i < n.captured.size(); ++i) line += (i ? ", %" : " reads %") + value(n.captured[i]).name;
    for (const auto& item : n.attributes.items()) line += " " + item.name + "=" + item.value.str();
    line += " :";
    for (ValueId out : n.outputs) line += " " + (out == kNone ? std::string("-") : value(out).type.str());
    if (!n.name.empty()) line += "  # " + n.name;
    text += line + "\n";
  }
  for (ValueId id : outputs_) text += fmt::format("  output %{}: {}\n", value(id).name, value(id).type.str());
  return text;
}

}  // namespace chorus
