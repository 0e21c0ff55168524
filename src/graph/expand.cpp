#include <graph/infer.h>
#include <graph/node_context.h>

#include <fmt/format.h>

namespace chorus {
namespace {

// Refs are value ids of the graph. Nodes are added as the rule emits them; a refusal takes them away again.
class ExpandContext final : public GraphNodeContext<OpBuilder> {
 public:
  ExpandContext(Graph& graph, NodeId id) : GraphNodeContext(graph, id), target_(graph) {}
  Ref in(int i) override { return {operand(i)}; }
  const Type& type_of(Ref ref) const override { return graph_.value(ref.id).type; }
  using GraphNodeContext::constant;
  Ref constant(Value value) override {
    const ValueId id = target_.add_constant(stem(), std::move(value));
    constants_.push_back(id);
    return {id};
  }
  void next(std::string_view domain, int version) override {
    domain_ = std::string(domain);
    version_ = version;
  }
  std::vector<Ref> emit(std::string_view name, std::span<const Ref> inputs, Attributes attributes,
                        int outputs) override {
    Node n;
    n.op = find_op(domain_, name);
#ifdef CHORUS_LITE
    if (n.op == nullptr) {
      throw Error(Code::unsupported,
                  fmt::format("{} is computed by \"{}\", which is not in this build", node().type, name),
                  graph_.where(id_), "name it in the option CHORUS_OPERATORS of the build");
    }
#endif
    if (n.op == nullptr)
      throw Error(Code::internal, fmt::format("an expansion emits \"{}\", which has no row", name), graph_.where(id_));
    n.version = version_ > 0 ? n.op->version_index(version_) : static_cast<int>(n.op->versions.size()) - 1;
    if (n.version < 0)
      throw Error(Code::internal, fmt::format("an expansion emits {}-{}, which does not exist", name, version_),
                  graph_.where(id_));
    n.domain = std::string(n.op->domain);
    n.type = std::string(name);
    n.name = node().name.empty() ? std::string() : node().name + "/" + std::string(name);
    n.file_offset = node().file_offset;
    for (Ref ref : inputs) n.inputs.push_back(ref ? ref.id : kNone);
    while (!n.inputs.empty() && n.inputs.back() == kNone) n.inputs.pop_back();
    n.attributes = std::move(attributes);
    std::vector<Ref> refs;
    for (int i = 0; i < outputs; ++i) {
      refs.push_back({target_.add_value(stem())});
      n.outputs.push_back(refs.back().id);
    }
    domain_.clear();
    version_ = 0;
    nodes_.push_back(target_.add_node(std::move(n)));
    infer_node(target_, nodes_.back());
    return refs;
  }
  void undo() {
    for (auto it = nodes_.rbegin(); it != nodes_.rend(); ++it) target_.remove_node(*it);
    for (ValueId id : constants_) target_.remove_value(id);
  }
  const std::vector<NodeId>& nodes() const { return nodes_; }
  bool made(NodeId node) const { return !nodes_.empty() && node >= nodes_.front(); }

 private:
  std::string stem() const {
    for (ValueId out : node().outputs) {
      if (out != kNone) return graph_.value(out).name;
    }
    return node().type;
  }
  Graph& target_;
  std::string domain_;
  int version_ = 0;
  std::vector<NodeId> nodes_;
  std::vector<ValueId> constants_;
};

}  // namespace

bool Expander::expand(Graph& graph, NodeId id, Rule rule, std::string* reason) {
  ExpandContext context(graph, id);
  Expansion result = rule(context);
  if (!result.ok()) {
    context.undo();
    if (reason != nullptr) *reason = result.refusal;
    return false;
  }
  // A version step may give the same operator one version up: then keep the node's own name and metadata.
  const std::string name = graph.node(id).name;
  const Metadata metadata = graph.node(id).metadata;
  const std::string doc = graph.node(id).doc, type = graph.node(id).type;
  const std::vector<ValueId> old = graph.node(id).outputs;
  for (size_t i = 0; i < old.size(); ++i) {
    if (old[i] == kNone) continue;
    const bool used = !graph.value(old[i]).uses.empty() || graph.is_output(old[i]);
    Ref ref = i < result.outputs.size() ? result.outputs[i] : Ref{};
    if (!ref) {
      if (used)
        throw Error(Code::internal, fmt::format("an expansion leaves output {} out, which is used", i),
                    graph.where(id));
      continue;
    }
    if (used && !graph.can_replace(old[i], ref.id)) {
      // The rule passed an operand through (or one value twice): an Identity keeps the output's name.
      const ValueId copy = static_cast<OpBuilder&>(context).op("Identity", {ref}).id;
      ref = {copy};
    }
    const std::string old_name = graph.value(old[i]).name;
    const bool was_declared = graph.value(old[i]).declared;
    const bool is_output = graph.is_output(old[i]);
    graph.replace_uses(old[i], ref.id);
    // What the rule made takes the old name; an operand that it passed through keeps its own.
    if (!is_output && !graph.is_output(ref.id) && context.made(graph.value(ref.id).producer)) {
      graph.rename(old[i], old_name + ".old");
      graph.rename(ref.id, old_name);
      graph.value(ref.id).declared = was_declared;
    }
  }
  graph.remove_node(id);
  if (context.nodes().size() == 1 && graph.node(context.nodes()[0]).type == type) {
    Node& made = graph.node(context.nodes()[0]);
    made.name = name;
    made.metadata = metadata;
    made.doc = doc;
  }
  return true;
}

}  // namespace chorus
