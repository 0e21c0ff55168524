#include <graph/graph.h>

#include <algorithm>
#include <queue>
#include <unordered_map>
#include <unordered_set>

namespace chorus {

struct Graph::Names {
  std::unordered_map<std::string, ValueId> by_name;
  std::unordered_map<std::string, int64_t> next;  // stem → next number to try
};

Graph::Graph() : names_(std::make_unique<Names>()) {}
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph::Graph(const Graph& other)
    : name(other.name), doc(other.doc), metadata(other.metadata), raw_fields(other.raw_fields), opsets(other.opsets),
      checks(other.checks), captures(other.captures), nodes_(other.nodes_), values_(other.values_),
      inputs_(other.inputs_), outputs_(other.outputs_), names_(std::make_unique<Names>(*other.names_)),
      live_nodes_(other.live_nodes_) {}

ValueId Graph::find_value(std::string_view wanted) const noexcept {
  auto it = names_->by_name.find(std::string(wanted));
  return it == names_->by_name.end() ? kNone : it->second;
}

std::string Graph::where(NodeId id) const {
  const Node& n = node(id);
  std::string text = n.name.empty() ? "node #" + std::to_string(id) : "node \"" + n.name + "\"";
  text += " (" + (n.domain.empty() ? n.type : n.domain + "." + n.type) + ")";
  if (n.file_offset >= 0) text += ", file offset " + std::to_string(n.file_offset);
  return text;
}

std::string Graph::unique_name(std::string_view stem) {
  std::string candidate = stem.empty() ? "value" : std::string(stem);
  if (names_->by_name.find(candidate) == names_->by_name.end()) return candidate;
  int64_t& next = names_->next[candidate];
  for (;;) {
    std::string numbered = candidate + "_" + std::to_string(++next);
    if (names_->by_name.find(numbered) == names_->by_name.end()) return numbered;
  }
}

ValueId Graph::add_value(std::string value_name, Type type) {
  const auto id = static_cast<ValueId>(values_.size());
  GraphValue v;
  v.name = unique_name(value_name);
  v.type = std::move(type);
  names_->by_name.emplace(v.name, id);
  values_.push_back(std::move(v));
  return id;
}

ValueId Graph::add_input(std::string value_name, Type type) {
  const ValueId id = add_value(std::move(value_name), std::move(type));
  value(id).is_input = true;
  inputs_.push_back(id);
  return id;
}

ValueId Graph::add_constant(std::string value_name, Value data) {
  const ValueId id = add_value(std::move(value_name), Type::of(data));
  value(id).constant = std::move(data);
  return id;
}

void Graph::add_output(ValueId id) {
  outputs_.push_back(id);
  ++value(id).times_output;
}

void Graph::set_outputs(std::vector<ValueId> ids) {
  for (ValueId id : outputs_) --value(id).times_output;
  outputs_ = std::move(ids);
  for (ValueId id : outputs_) ++value(id).times_output;
}

void Graph::set_inputs(std::vector<ValueId> ids) {
  for (ValueId id : inputs_) value(id).is_input = false;
  inputs_ = std::move(ids);
  for (ValueId id : inputs_) value(id).is_input = true;
}

NodeId Graph::add_node(Node n) {
  const auto id = static_cast<NodeId>(nodes_.size());
  for (size_t i = 0; i < n.outputs.size(); ++i) {
    const ValueId out = n.outputs[i];
    if (out == kNone) continue;
    GraphValue& v = value(out);
    if (v.producer != kNone || v.is_input || v.is_constant()) {
      throw Error(
          Code::bad_input,
          "value \"" + v.name + "\" is produced twice: by " +
              (v.producer != kNone ? where(v.producer) : std::string(v.is_input ? "a graph input" : "an initializer")) +
              " and by node \"" + n.name + "\" (" + n.type + ")",
          {}, "give every output a name of its own");
    }
  }
  for (size_t i = 0; i < n.outputs.size(); ++i) {
    if (n.outputs[i] == kNone) continue;
    value(n.outputs[i]).producer = id;
    value(n.outputs[i]).output = static_cast<int32_t>(i);
  }
  for (size_t i = 0; i < n.inputs.size(); ++i) {
    if (n.inputs[i] != kNone) value(n.inputs[i]).uses.push_back({id, static_cast<int32_t>(i)});
  }
  for (size_t i = 0; i < n.captured.size(); ++i)
    value(n.captured[i]).uses.push_back({id, kCapturedOperand + static_cast<int32_t>(i)});
  n.alive = true;
  nodes_.push_back(std::move(n));
  ++live_nodes_;
  return id;
}

NodeId Graph::add_node(std::string_view op, std::span<const ValueId> operands, Attributes attributes, int output_count,
                       std::string_view domain, std::string_view node_name) {
  Node n;
  n.op = find_op(domain, op);
  if (n.op == nullptr) throw Error(Code::unsupported, "operator \"" + std::string(op) + "\" has no row in the table");
  n.version = static_cast<int>(n.op->versions.size()) - 1;
  n.domain = std::string(n.op->domain);
  n.type = std::string(op);
  n.name = std::string(node_name);
  n.inputs.assign(operands.begin(), operands.end());
  n.attributes = std::move(attributes);
  for (int i = 0; i < output_count; ++i) {
    std::string stem = node_name.empty() ? std::string(op) : std::string(node_name);
    n.outputs.push_back(add_value(output_count == 1 ? stem : stem + "." + std::to_string(i)));
  }
  return add_node(std::move(n));
}

void Graph::unlink_operand(ValueId id, Use use) {
  auto& uses = value(id).uses;
  // From the back: nodes are mostly removed in the reverse of the order in which they were added.
  auto it = std::find(uses.rbegin(), uses.rend(), use);
  if (it != uses.rend()) {
    *it = uses.back();
    uses.pop_back();
  }
}

void Graph::remove_node(NodeId id) {
  Node& n = node(id);
  for (ValueId out : n.outputs) {
    if (out == kNone || (value(out).uses.empty() && !is_output(out))) continue;
    throw Error(Code::internal, "remove_node: output \"" + value(out).name + "\" is still used", where(id));
  }
  for (size_t i = 0; i < n.inputs.size(); ++i) {
    if (n.inputs[i] != kNone) unlink_operand(n.inputs[i], {id, static_cast<int32_t>(i)});
  }
  for (size_t i = 0; i < n.captured.size(); ++i)
    unlink_operand(n.captured[i], {id, kCapturedOperand + static_cast<int32_t>(i)});
  for (ValueId out : n.outputs) {
    if (out == kNone) continue;
    GraphValue& v = value(out);
    names_->by_name.erase(v.name);
    v.alive = false;
    v.producer = kNone;
  }
  n.alive = false;
  n.inputs.clear();
  n.captured.clear();
  n.outputs.clear();
  n.attributes = {};
  --live_nodes_;
}

void Graph::set_operand(NodeId id, int operand, ValueId to) {
  Node& n = node(id);
  const auto i = static_cast<size_t>(operand);
  if (i >= n.inputs.size()) n.inputs.resize(i + 1, kNone);
  if (n.inputs[i] == to) return;
  if (n.inputs[i] != kNone) unlink_operand(n.inputs[i], {id, operand});
  n.inputs[i] = to;
  if (to != kNone) value(to).uses.push_back({id, operand});
  while (!n.inputs.empty() && n.inputs.back() == kNone) n.inputs.pop_back();
}

void Graph::add_captured(NodeId id, ValueId what) {
  Node& n = node(id);
  value(what).uses.push_back({id, kCapturedOperand + static_cast<int32_t>(n.captured.size())});
  n.captured.push_back(what);
}

void Graph::set_captured(NodeId id, std::vector<ValueId> values) {
  Node& n = node(id);
  for (size_t i = n.captured.size(); i-- > 0;)
    unlink_operand(n.captured[i], {id, kCapturedOperand + static_cast<int32_t>(i)});
  n.captured.clear();
  for (ValueId what : values) add_captured(id, what);
}

void Graph::replace_uses(ValueId from, ValueId to) {
  if (from == to) return;
  const bool interface = is_output(to);
  std::vector<Use> uses = std::move(value(from).uses);
  value(from).uses.clear();
  for (const Use& use : uses) {
    Node& user = node(use.node);
    if (use.operand >= kCapturedOperand)
      user.captured[static_cast<size_t>(use.operand - kCapturedOperand)] = to;
    else
      user.inputs[static_cast<size_t>(use.operand)] = to;
    value(to).uses.push_back(use);
  }
  if (!is_output(from)) return;
  std::replace(outputs_.begin(), outputs_.end(), from, to);
  value(to).times_output += std::exchange(value(from).times_output, 0);
  // The names of graph outputs are part of the interface. If `to` is itself an interface name, the caller must not merge them.
  GraphValue& new_value = value(to);
  if (new_value.is_input || new_value.is_constant() || interface) {
    throw Error(Code::internal, "replace_uses: output \"" + value(from).name + "\" cannot take the place of \"" +
                                    new_value.name + "\"");
  }
  const std::string kept = value(from).name;
  names_->by_name.erase(kept);
  names_->by_name.erase(new_value.name);
  value(from).name = unique_name(new_value.name);
  names_->by_name.emplace(value(from).name, from);
  new_value.name = kept;
  new_value.declared = new_value.declared || value(from).declared;
  new_value.doc = value(from).doc;
  new_value.metadata = value(from).metadata;
  names_->by_name.emplace(kept, to);
}

bool Graph::can_replace(ValueId from, ValueId to) const noexcept {
  return !is_output(from) || (value(to).producer != kNone && !is_output(to));
}

void Graph::drop_output(NodeId id, int output) {
  Node& n = node(id);
  ValueId& out = n.outputs[static_cast<size_t>(output)];
  if (out == kNone) return;
  GraphValue& v = value(out);
  if (!v.uses.empty() || is_output(out))
    throw Error(Code::internal, "drop_output: \"" + v.name + "\" is still used", where(id));
  names_->by_name.erase(v.name);
  v.alive = false;
  v.producer = kNone;
  out = kNone;
  while (!n.outputs.empty() && n.outputs.back() == kNone) n.outputs.pop_back();
}

ValueId Graph::make_output(NodeId id, int output) {
  const auto i = static_cast<size_t>(output);
  if (node(id).outputs.size() <= i) node(id).outputs.resize(i + 1, kNone);
  if (node(id).outputs[i] != kNone) return node(id).outputs[i];
  const ValueId made = add_value(node(id).name.empty() ? node(id).type : node(id).name);
  value(made).producer = id;
  value(made).output = output;
  return node(id).outputs[i] = made;
}

void Graph::remove_value(ValueId id) {
  GraphValue& v = value(id);
  if (!v.uses.empty() || v.producer != kNone || is_output(id)) {
    throw Error(Code::internal, "remove_value: \"" + v.name + "\" is still in use");
  }
  names_->by_name.erase(v.name);
  if (v.is_input) inputs_.erase(std::remove(inputs_.begin(), inputs_.end(), id), inputs_.end());
  v.alive = false;
  v.constant = Value();
}

void Graph::rename(ValueId id, std::string new_name) {
  GraphValue& v = value(id);
  if (v.name == new_name) return;
  names_->by_name.erase(v.name);
  v.name = unique_name(new_name);
  names_->by_name.emplace(v.name, id);
}

std::vector<NodeId> Graph::order() const {
  // Kahn's algorithm with the smallest id first: stable, and the file's order when that is already one.
  std::vector<int32_t> missing(nodes_.size(), 0);
  std::priority_queue<NodeId, std::vector<NodeId>, std::greater<>> ready;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i].alive) continue;
    for (ValueId in : nodes_[i].inputs) missing[i] += in != kNone && value(in).producer != kNone;
    for (ValueId in : nodes_[i].captured) missing[i] += value(in).producer != kNone;
    if (missing[i] == 0) ready.push(static_cast<NodeId>(i));
  }
  std::vector<NodeId> sorted;
  sorted.reserve(static_cast<size_t>(live_nodes_));
  while (!ready.empty()) {
    const NodeId id = ready.top();
    ready.pop();
    sorted.push_back(id);
    for (ValueId out : node(id).outputs) {
      if (out == kNone) continue;
      for (const Use& use : value(out).uses) {
        if (--missing[static_cast<size_t>(use.node)] == 0) ready.push(use.node);
      }
    }
  }
  if (static_cast<int>(sorted.size()) != live_nodes_) {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].alive && missing[i] > 0) {
        throw Error(Code::bad_input, "the graph has a cycle: a node waits for its own result",
                    where(static_cast<NodeId>(i)), "break the cycle; loops are written with Loop or Scan");
      }
    }
  }
  return sorted;
}

void Graph::compact() {
  std::vector<ValueId> new_value(values_.size(), kNone);
  std::vector<NodeId> new_node(nodes_.size(), kNone);
  const std::vector<NodeId> sorted = order();
  std::deque<GraphValue> values;
  std::deque<Node> nodes;
  for (size_t i = 0; i < values_.size(); ++i) {
    if (!values_[i].alive) continue;
    new_value[i] = static_cast<ValueId>(values.size());
    values.push_back(std::move(values_[i]));
  }
  for (NodeId id : sorted) {
    new_node[static_cast<size_t>(id)] = static_cast<NodeId>(nodes.size());
    nodes.push_back(std::move(nodes_[static_cast<size_t>(id)]));
  }
  auto map_value = [&](ValueId& id) {
    if (id != kNone) id = new_value[static_cast<size_t>(id)];
  };
  for (Node& n : nodes) {
    for (ValueId& id : n.inputs) map_value(id);
    for (ValueId& id : n.captured) map_value(id);
    for (ValueId& id : n.outputs) map_value(id);
  }
  for (GraphValue& v : values) {
    if (v.producer != kNone) v.producer = new_node[static_cast<size_t>(v.producer)];
    for (Use& use : v.uses) use.node = new_node[static_cast<size_t>(use.node)];
  }
  for (ValueId& id : inputs_) map_value(id);
  for (ValueId& id : outputs_) map_value(id);
  for (auto& capture : captures) map_value(capture.first);
  for (DimCheck& check : checks) {
    if (check.node != kNone) check.node = new_node[static_cast<size_t>(check.node)];
  }
  values_ = std::move(values);
  nodes_ = std::move(nodes);
  live_nodes_ = static_cast<int>(nodes_.size());
  for (auto& [key, id] : names_->by_name) map_value(id);
}

}  // namespace chorus
