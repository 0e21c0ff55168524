#include <graph/passes/bodies.h>

#include <algorithm>
#include <string_view>

namespace chorus::passes {
namespace {

bool one_of(std::string_view type, std::initializer_list<std::string_view> types) {
  return std::find(types.begin(), types.end(), type) != types.end();
}

// Dims of the output are proved to be those of operand 0.
bool same_shape(const Graph& graph, const Node& n) {
  const Type& in = graph.value(n.inputs[0]).type;
  const Type& out = graph.value(n.outputs[0]).type;
  if (!in.has_rank || !out.has_rank) return false;
  return std::equal(in.dims.begin(), in.dims.end(), out.dims.begin(), out.dims.end(),
                    [](const Dim& a, const Dim& b) { return Dim::equal(a, b) == Dim::Truth::yes; });
}

bool given(const Node& n, size_t operand) { return operand < n.inputs.size() && n.inputs[operand] != kNone; }

template <class Test>
bool constant_ints(const Graph& graph, const Node& n, size_t operand, Test test) {
  const Value* v = constant_operand(graph, n, operand);
  if (v == nullptr || !v->is_tensor() || !is_integer(v->dtype())) return false;
  const std::vector<int64_t> items = v->to_int64s();
  return std::all_of(items.begin(), items.end(), test);
}

bool is_still_transpose(const Graph& graph, const Node& n) {
  const auto perm = n.attrs().integers("perm");
  if (perm.empty()) {
    const int rank = graph.value(n.inputs[0]).type.rank();
    return rank == 0 || rank == 1;
  }
  for (size_t i = 0; i < perm.size(); ++i) {
    if (perm[i] != static_cast<int64_t>(i)) return false;
  }
  return true;
}

bool is_full_slice(const Graph& graph, const Node& n) {
  // With positive steps as many elements as there are can only be all of them, in order.
  return same_shape(graph, n) && (!given(n, 4) || constant_ints(graph, n, 4, [](int64_t step) { return step > 0; }));
}

bool changes_nothing(const Graph& graph, const Node& n) {
  const std::string_view type = n.type;
  if (type == "Identity") return true;
  if (type == "Dropout") return is_inference_dropout(graph, n);
  if (type == "Cast") {
    const DType in = graph.value(n.inputs[0]).type.dtype;
    return in != DType::undefined && in == graph.value(n.outputs[0]).type.dtype;
  }
  if (one_of(type, {"Reshape", "Expand", "Tile", "Squeeze", "Unsqueeze", "Flatten"})) return same_shape(graph, n);
  if (type == "Transpose") return is_still_transpose(graph, n);
  if (type == "Slice") return is_full_slice(graph, n);
  if (type == "Pad") return constant_ints(graph, n, 1, [](int64_t pad) { return pad == 0; });
  if (one_of(type, {"Concat", "Sum", "Max", "Min", "Mean"})) return n.inputs.size() == 1;
  if (type == "Clip") return !given(n, 1) && !given(n, 2);
  if (one_of(type, {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"})) {
    return n.attrs().integer("noop_with_empty_axes") != 0 && !given(n, 1);
  }
  return false;
}

}  // namespace

// Names of the interface stay: where an input would have to become an output, the Identity is kept.
int remove_identity(Graph& graph, PassContext&) {
  int changes = 0;
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    if (!is_newest(n, n.type) || n.inputs.empty() || n.inputs[0] == kNone || n.outputs.size() != 1 ||
        n.outputs[0] == kNone)
      continue;
    const ValueId from = n.outputs[0], to = n.inputs[0];
    if (!changes_nothing(graph, n) || !graph.can_replace(from, to)) continue;
    graph.replace_uses(from, to);
    graph.remove_node(id);
    ++changes;
  }
  return changes;
}

}  // namespace chorus::passes
