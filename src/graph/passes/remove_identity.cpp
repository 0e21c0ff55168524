#include <graph/pass.h>

#include <algorithm>

namespace chorus::passes {
namespace {

// Dims of the output are proved to be those of operand 0.
bool same_shape(const Graph& graph, const Node& n) {
  const Type& in = graph.value(n.inputs[0]).type;
  const Type& out = graph.value(n.outputs[0]).type;
  if (!in.has_rank || !out.has_rank || in.dims.size() != out.dims.size()) return false;
  for (size_t d = 0; d < in.dims.size(); ++d) {
    if (Dim::equal(in.dims[d], out.dims[d]) != Dim::Truth::yes) return false;
  }
  return true;
}

bool changes_nothing(const Graph& graph, const Node& n) {
  if (n.type == "Identity") return graph.value(n.inputs[0]).type.kind != ValueKind::none;
  if (n.type == "Dropout") {   // inference form: training_mode absent or constant false
    if (n.outputs.size() > 1) return false;
    if (n.inputs.size() < 3 || n.inputs[2] == kNone) return true;
    const GraphValue& training = graph.value(n.inputs[2]);
    return training.is_constant() && !training.is_input && training.constant.numel() == 1 && training.constant.to_int64s()[0] == 0;
  }
  if (n.type == "Cast") return graph.value(n.inputs[0]).type.dtype == graph.value(n.outputs[0]).type.dtype && graph.value(n.inputs[0]).type.dtype != DType::undefined;
  if (n.type == "Reshape" || n.type == "Expand" || n.type == "Tile" || n.type == "Squeeze" || n.type == "Unsqueeze" || n.type == "Flatten") return same_shape(graph, n);
  if (n.type == "Transpose") {
    const auto perm = n.attrs().integers("perm");
    for (size_t i = 0; i < perm.size(); ++i) {
      if (perm[i] != static_cast<int64_t>(i)) return false;
    }
    return !perm.empty();
  }
  if (n.type == "Concat" || n.type == "Sum" || n.type == "Max" || n.type == "Min" || n.type == "Mean") return n.inputs.size() == 1;
  return false;
}

}  // namespace

int remove_identity(Graph& graph, PassContext&) {
  int changes = 0;
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    if (!n.alive || n.op == nullptr || !n.domain.empty() || n.inputs.empty() || n.inputs[0] == kNone || n.outputs.empty() || n.outputs[0] == kNone) continue;
    const ValueId from = n.outputs[0], to = n.inputs[0];
    if (!changes_nothing(graph, n) || !graph.can_replace(from, to)) continue;
    graph.replace_uses(from, to);
    graph.remove_node(id);
    ++changes;
  }
  return changes;
}

}  // namespace chorus::passes
