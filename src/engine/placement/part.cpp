// A part of a graph as a model of its own.
#include <engine/placement/placement.h>

#include <graph/infer.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace chorus::placement {
namespace {

// Extents that only the whole graph knows how to compute are open here.
Type boundary_type(Type type) {
  for (Dim& d : type.dims) {
    if (d.is_symbolic() && !d.as_symbol()) d = Dim::unknown();
  }
  return type;
}

class Extraction {
 public:
  Extraction(const Graph& from, Graph& to) : from_(from), to_(to) {}

  void add(NodeId id) {
    Node copy = from_.node(id);
    const std::string stem = copy.name;   // engines that read ONNX take each name once
    for (int n = 1; !copy.name.empty() && !names_.insert(copy.name).second; ++n)
      copy.name = stem + "_" + std::to_string(n);
    for (ValueId& in : copy.inputs) in = operand(in);
    for (ValueId& in : copy.captured) in = operand(in);
    for (ValueId& out : copy.outputs) {
      if (out == kNone) continue;
      const GraphValue& v = from_.value(out);
      const ValueId own = to_.add_value(v.name, boundary_type(v.type));
      known_.emplace(out, own);
      made_.push_back(out);
      out = own;
    }
    to_.add_node(std::move(copy));
    inside_.push_back(id);
  }

  void add_outputs() {
    std::sort(inside_.begin(), inside_.end());
    for (ValueId id : made_) {
      const GraphValue& v = from_.value(id);
      const bool read = std::any_of(v.uses.begin(), v.uses.end(), [&](const Use& use) {
        return !std::binary_search(inside_.begin(), inside_.end(), use.node);
      });
      if (read || from_.is_output(id)) to_.add_output(known_.at(id));
    }
  }

 private:
  ValueId operand(ValueId id) {
    if (id == kNone) return kNone;
    if (const auto known = known_.find(id); known != known_.end()) return known->second;
    const GraphValue& v = from_.value(id);
    const bool constant = v.is_constant() && !v.is_input;   // an input with a default may be given anew
    const ValueId own = constant ? to_.add_constant(v.name, v.constant) : to_.add_input(v.name, boundary_type(v.type));
    known_.emplace(id, own);
    return own;
  }

  const Graph& from_;
  Graph& to_;
  std::unordered_map<ValueId, ValueId> known_;
  std::unordered_set<std::string> names_;
  std::vector<ValueId> made_;
  std::vector<NodeId> inside_;
};

}  // namespace

Model part_of(const Model& model, const Graph& graph, std::span<const NodeId> nodes) {
  auto part = std::make_shared<Graph>();
  part->name = graph.name;
  part->opsets = graph.opsets;
  Extraction extraction(graph, *part);
  for (NodeId id : nodes) extraction.add(id);
  extraction.add_outputs();
  const auto order = part->order();
  const bool known = std::all_of(order.begin(), order.end(), [&](NodeId id) { return part->node(id).op != nullptr; });
  if (known) infer_types(*part);
  Model made;
  made.graph = std::move(part);
  made.ir_version = model.ir_version;
  made.source = model.source;
  return made;
}

}  // namespace chorus::placement
