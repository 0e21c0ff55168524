#include <graph/passes/bodies.h>

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <tuple>

namespace chorus::passes {
namespace {

using Key = std::tuple<std::string, std::string, std::string>;   // domain, name, overload

constexpr int64_t kWalked = -1;

class Inliner {
 public:
  explicit Inliner(PassContext& context) : context_(context) {
    if (context.functions == nullptr) return;
    for (const Function& f : *context.functions) functions_[{f.domain, f.name, f.overload}] = &f;
  }
  int run(Graph& graph, int nesting);

 private:
  const Function* function_of(const Node& n) const {
    if (n.op != nullptr) return nullptr;   // the table knows the operator: its kernel is the meaning
    auto it = functions_.find({n.domain, n.type, n.overload});
    return it == functions_.end() ? nullptr : it->second;
  }
  const Graph& closed_body(const Function& f);
  void bind_attributes(Attributes& attributes, const Attributes& given, const Function& f, int depth);
  std::vector<NodeId> expand(Graph& graph, NodeId call, const Function& f);
  /// The nodes of one body, and those that will be there `at_last`, when what it calls is in its place too.
  void spend(int nodes, int64_t at_last, const Graph& graph, NodeId call);
  std::vector<const Function*> callees(const Function& f) const;
  int64_t nodes_of(const Function& f);

  PassContext& context_;
  std::map<Key, const Function*> functions_;
  std::map<const Function*, std::shared_ptr<const Graph>> closed_;
  std::map<const Function*, int64_t> nodes_;  ///< that a call becomes, with all calls inside; kWalked: not known yet
  int64_t made_ = 0;  ///< nodes of all copies: calls in two branches of bodies in bodies double at every level
};

const Graph& Inliner::closed_body(const Function& f) {
  auto& body = closed_[&f];
  if (!body) {
    auto copy = std::make_shared<Graph>(*f.body);
    close_bodies(*copy, context_);
    body = std::move(copy);
  }
  return *body;
}

void Inliner::spend(int nodes, int64_t at_last, const Graph& graph, NodeId call) {
  const bool too_many = made_ + at_last > context_.max_nodes;
  made_ += nodes;
  if (too_many)
    throw Error(Code::budget, fmt::format("function calls grow the graph past {} nodes", context_.max_nodes),
                graph.where(call));
}

std::vector<const Function*> Inliner::callees(const Function& f) const {
  std::vector<const Function*> found;
  std::vector<const Graph*> graphs{f.body.get()};
  while (!graphs.empty()) {
    const Graph& graph = *graphs.back();
    graphs.pop_back();
    for (NodeId id = 0; id < graph.node_capacity(); ++id) {
      const Node& n = graph.node(id);
      if (!n.alive) continue;
      if (const Function* callee = function_of(n)) found.push_back(callee);
      for (const auto& item : n.attributes.items()) {
        if (const GraphPtr* body = item.value.get<GraphPtr>()) graphs.push_back(body->get());
      }
    }
  }
  return found;
}

// Nodes that a call becomes, counted before one is made: forty functions that call the one before twice are 2^40. ONNX has no
// recursion; without this check a cycle of calls costs the whole budget of nodes before it is refused.
int64_t Inliner::nodes_of(const Function& f) {
  if (const auto known = nodes_.find(&f); known != nodes_.end()) return known->second;
  nodes_.emplace(&f, kWalked);
  std::vector<std::pair<const Function*, std::vector<const Function*>>> path;
  path.emplace_back(&f, callees(f));
  while (!path.empty()) {
    const Function* at = path.back().first;
    if (path.back().second.empty()) {
      int64_t sum = at->body->node_count() + 1;
      for (const Function* callee : callees(*at)) sum = std::min(sum + nodes_[callee], int64_t{context_.max_nodes} + 1);
      nodes_[at] = sum;
      path.pop_back();
      continue;
    }
    const Function* next = path.back().second.back();
    path.back().second.pop_back();
    const auto [known, fresh] = nodes_.emplace(next, kWalked);
    if (fresh) {
      path.emplace_back(next, callees(*next));
    } else if (known->second == kWalked) {
      throw Error(Code::bad_input, fmt::format("function \"{}\" calls itself", next->name), {},
                  "ONNX has no recursion: use a Loop");
    }
  }
  return nodes_[&f];
}

// Nobody gives `id` a value: the nodes that read it do without.
void leave_out(Graph& body, ValueId id) {
  const std::vector<Use> uses = body.value(id).uses;
  for (const Use& use : uses) {
    if (use.operand < kCapturedOperand) body.set_operand(use.node, use.operand, kNone);
  }
  if (!body.value(id).uses.empty() || body.is_output(id)) {
    throw Error(Code::bad_input,
                "a body inside a function needs \"" + body.value(id).name + "\", which the call leaves out", {},
                "give the call this operand");
  }
}

// References to the function's attributes become what the caller gave, or the default; without either the attribute is absent.
void Inliner::bind_attributes(Attributes& attributes, const Attributes& given, const Function& f, int depth) {
  if (depth > context_.max_depth)
    throw Error(Code::budget, fmt::format("bodies are nested deeper than {}", context_.max_depth));
  std::vector<std::string> absent;
  for (auto& item : attributes.items()) {
    if (!item.value.ref_name.empty()) {
      const AttrValue* value = given.find(item.value.ref_name);
      if (value == nullptr) value = f.defaults.find(item.value.ref_name);
      if (value == nullptr) {
        absent.push_back(item.name);
        continue;
      }
      item.value = *value;
      continue;  // the caller's: a body in it refers to nothing of this function
    }
    const GraphPtr* inner = item.value.get<GraphPtr>();
    if (inner == nullptr) continue;
    auto body = std::make_shared<Graph>(**inner);
    for (NodeId id = 0; id < body->node_capacity(); ++id) {
      if (body->node(id).alive) bind_attributes(body->node(id).attributes, given, f, depth + 1);
    }
    item.value.data = GraphPtr(std::move(body));
  }
  for (const std::string& name : absent) attributes.erase(name);
}

// A body may read an operand that the call leaves out: it is left out there too.
void omit_captured(Node& node, const std::vector<ValueId>& to) {
  for (size_t i = node.captured.size(); i-- > 0;) {
    if (to[static_cast<size_t>(node.captured[i])] != kNone) continue;
    for (auto& item : node.attributes.items()) {
      const GraphPtr* old = item.value.get<GraphPtr>();
      if (old == nullptr) continue;
      auto body = std::make_shared<Graph>(**old);
      std::vector<ValueId> inputs(body->inputs().begin(), body->inputs().end());
      const size_t at = inputs.size() - node.captured.size() + i;
      leave_out(*body, inputs[at]);
      inputs.erase(inputs.begin() + static_cast<std::ptrdiff_t>(at));
      body->set_inputs(std::move(inputs));
      item.value.data = GraphPtr(std::move(body));
    }
    node.captured.erase(node.captured.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

/// Throws where the call gives more operands or takes more outputs than the function has, or leaves out an attribute.
void check_call(const Graph& graph, NodeId call, const Function& f, const Graph& body) {
  const Node& caller = graph.node(call);
  if (caller.inputs.size() > body.inputs().size() || caller.outputs.size() > body.outputs().size()) {
    throw Error(Code::bad_input,
                fmt::format("function \"{}\" takes {} operands and gives {} outputs; the call has {} and {}", f.name,
                            body.inputs().size(), body.outputs().size(), caller.inputs.size(), caller.outputs.size()),
                graph.where(call));
  }
  for (const std::string& name : f.attributes) {
    if (caller.attributes.find(name) == nullptr)
      throw Error(Code::bad_input, fmt::format("attribute \"{}\" of function \"{}\" is missing", name, f.name),
                  graph.where(call));
  }
}

std::vector<NodeId> Inliner::expand(Graph& graph, NodeId call, const Function& f) {
  const int64_t at_last = nodes_of(f);
  const Graph& body = closed_body(f);
  spend(body.node_count() + 1, at_last, graph, call);
  const Node caller = graph.node(call);
  check_call(graph, call, f, body);
  std::vector<ValueId> to(static_cast<size_t>(body.value_capacity()), kNone);
  for (size_t i = 0; i < body.inputs().size(); ++i)
    to[static_cast<size_t>(body.inputs()[i])] = i < caller.inputs.size() ? caller.inputs[i] : kNone;
  const std::string prefix = caller.name.empty() ? f.name : caller.name;
  for (ValueId id = 0; id < body.value_capacity(); ++id) {
    const GraphValue& v = body.value(id);
    if (!v.alive || v.is_input) continue;
    to[static_cast<size_t>(id)] = v.is_constant() ? graph.add_constant(prefix + "/" + v.name, v.constant)
                                                  : graph.add_value(prefix + "/" + v.name, v.type);
  }
  auto mapped = [&](const std::vector<ValueId>& ids) {
    std::vector<ValueId> result;
    for (ValueId id : ids) result.push_back(id == kNone ? kNone : to[static_cast<size_t>(id)]);
    return result;
  };
  std::vector<NodeId> made;
  for (NodeId id : body.order()) {
    Node copy = body.node(id);
    copy.inputs = mapped(copy.inputs);
    while (!copy.inputs.empty() && copy.inputs.back() == kNone) copy.inputs.pop_back();
    if (copy.op != nullptr && static_cast<int>(copy.inputs.size()) < copy.schema().min_inputs()) {
      throw Error(Code::bad_input,
                  fmt::format("{}: the call of \"{}\" gives too few operands for it", copy.type, caller.type),
                  graph.where(call));
    }
    copy.outputs = mapped(copy.outputs);
    omit_captured(copy, to);
    copy.captured = mapped(copy.captured);
    copy.name = copy.name.empty() ? std::string() : prefix + "/" + copy.name;
    copy.file_offset = caller.file_offset;
    bind_attributes(copy.attributes, caller.attributes, f, 0);
    made.push_back(graph.add_node(std::move(copy)));
  }
  for (size_t i = 0; i < caller.outputs.size(); ++i) {
    if (caller.outputs[i] == kNone) continue;
    ValueId result = to[static_cast<size_t>(body.outputs()[i])];
    if (result == kNone)
      throw Error(Code::bad_input,
                  fmt::format("output {} of function \"{}\" is an operand that the call leaves out", i, f.name),
                  graph.where(call));
    if (!graph.can_replace(caller.outputs[i], result)) {
      const ValueId operand[] = {result};
      made.push_back(graph.add_node("Identity", operand, {}, 1, "", prefix));
      result = graph.node(made.back()).outputs[0];
    }
    graph.replace_uses(caller.outputs[i], result);
  }
  for (const auto& [domain, version] : body.opsets) graph.opsets.try_emplace(domain, version);
  graph.remove_node(call);
  return made;
}

int Inliner::run(Graph& graph, int nesting) {
  if (nesting > context_.max_depth)
    throw Error(Code::budget, fmt::format("bodies are nested deeper than {}", context_.max_depth));
  int changes = 0;
  std::deque<std::pair<NodeId, int>> work;
  for (NodeId id : graph.order()) work.emplace_back(id, 0);
  while (!work.empty()) {
    const auto [id, depth] = work.front();
    work.pop_front();
    if (has_bodies(graph.node(id))) {
      changes += change_bodies(graph, id, BodyTypes::as_they_are, [&](Graph& body) { return run(body, nesting + 1); });
    }
    const Function* f = function_of(graph.node(id));
    if (f == nullptr) continue;
    if (depth >= context_.max_depth) {
      throw Error(Code::budget,
                  fmt::format("function \"{}\" is called at depth {}: functions call themselves or are nested too deep",
                              f->name, depth),
                  graph.where(id));
    }
    for (NodeId made : expand(graph, id, *f)) work.emplace_back(made, depth + 1);
    ++changes;
  }
  return changes;
}

}  // namespace

int inline_functions(Graph& graph, PassContext& context) {
  if (context.functions == nullptr || context.functions->empty()) return 0;
  return Inliner(context).run(graph, 0);
}

}  // namespace chorus::passes
