#include <engine/plugin/graph_view.h>

namespace chorus::plugin {

GraphView::GraphView(Model model) {
  host_.model = std::move(model);
  host_.order = graph().order();
  main_ = show(graph(), host_.order);
  main_->host = &host_;
}

const ch_type* GraphView::show(const Type& type) {
  ch_type& out = types_.emplace_back();
  out.size = sizeof out;
  out.kind = static_cast<uint16_t>(type.kind);
  out.dtype = static_cast<uint16_t>(type.dtype);
  if (type.has_rank) {
    std::vector<int64_t> dims;
    for (const Dim& d : type.dims) dims.push_back(d.is_number() ? d.number() : -1);
    out.has_rank = 1;
    out.rank = static_cast<uint32_t>(dims.size());
    out.dims = keep(dims_, std::move(dims));
  }
  if (type.elem) out.elem = show(*type.elem);
  return &out;
}

const ch_attribute* GraphView::show(const Attributes::Item& item) {
  ch_attribute& out = attributes_.emplace_back();
  out.size = sizeof out;
  out.kind = static_cast<uint16_t>(item.value.kind());
  out.name = str_of(item.name);
  const AttrValue& v = item.value;
  if (const auto* f = v.get<float>()) out.f = *f;
  if (const auto* i = v.get<int64_t>()) out.i = *i;
  if (const auto* s = v.get<std::string>()) out.s = str_of(*s);
  if (const auto* list = v.get<std::vector<float>>()) out.floats = list->data(), out.count = list->size();
  if (const auto* list = v.get<std::vector<int64_t>>()) out.ints = list->data(), out.count = list->size();
  if (const auto* list = v.get<std::vector<std::string>>()) {
    std::vector<ch_str> strings;
    for (const std::string& s : *list) strings.push_back(str_of(s));
    out.count = strings.size();
    out.strings = keep(strings_, std::move(strings));
  }
  std::vector<const ch_value*> tensors;
  if (const auto* t = v.get<Value>()) tensors.push_back(views_.add(*t));
  if (const auto* list = v.get<std::vector<Value>>()) {
    for (const Value& t : *list) tensors.push_back(views_.add(t));
  }
  if (!tensors.empty()) {
    out.count = tensors.size();
    out.tensors = keep(value_lists_, std::move(tensors));
  }
  std::vector<const ch_graph*> graphs;
  if (const auto* g = v.get<GraphPtr>()) graphs.push_back(show(**g, (*g)->order()));
  if (const auto* list = v.get<std::vector<GraphPtr>>()) {
    for (const GraphPtr& g : *list) graphs.push_back(show(*g, g->order()));
  }
  if (!graphs.empty()) {
    out.count = graphs.size();
    out.graphs = keep(graph_lists_, std::move(graphs));
  }
  return &out;
}

const ch_node* GraphView::show(const Node& node, const std::vector<int32_t>& index) {
  ch_node& out = nodes_.emplace_back();
  out.size = sizeof out;
  out.since = node.op != nullptr ? node.op->versions[static_cast<size_t>(node.version)].since : 0;
  out.domain = str_of(node.domain);
  out.op = str_of(node.type);
  out.name = str_of(node.name);
  auto ids = [&](const std::vector<ValueId>& values) {
    std::vector<int32_t> list;
    for (ValueId id : values) list.push_back(id == kNone ? CH_NO_INDEX : index[static_cast<size_t>(id)]);
    return keep(indices_, std::move(list));
  };
  out.inputs = ids(node.inputs);
  out.n_inputs = static_cast<uint32_t>(node.inputs.size());
  out.outputs = ids(node.outputs);
  out.n_outputs = static_cast<uint32_t>(node.outputs.size());
  out.captured = ids(node.captured);
  out.n_captured = static_cast<uint32_t>(node.captured.size());
  std::vector<const ch_attribute*> attributes;
  for (const auto& item : node.attributes.items()) attributes.push_back(show(item));
  out.n_attributes = static_cast<uint32_t>(attributes.size());
  out.attributes = keep(attribute_lists_, std::move(attributes));
  return &out;
}

ch_graph* GraphView::show(const Graph& graph, const std::vector<NodeId>& order) {
  std::vector<int32_t> index(static_cast<size_t>(graph.value_capacity()), CH_NO_INDEX);
  std::vector<const ch_value_info*> infos;
  std::vector<const ch_value*> constants;
  for (ValueId id = 0; id < graph.value_capacity(); ++id) {
    const GraphValue& v = graph.value(id);
    if (!v.alive) continue;
    index[static_cast<size_t>(id)] = static_cast<int32_t>(infos.size());
    ch_value_info& info = infos_.emplace_back();
    info.size = sizeof info;
    info.constant = v.is_constant() ? static_cast<int32_t>(constants.size()) : CH_NO_INDEX;
    info.name = str_of(v.name);
    info.type = show(v.type);
    infos.push_back(&info);
    if (v.is_constant()) constants.push_back(views_.add(v.constant));
  }
  auto ports = [&](std::span<const ValueId> values) {
    std::vector<int32_t> list;
    for (ValueId id : values) list.push_back(index[static_cast<size_t>(id)]);
    return keep(indices_, std::move(list));
  };
  std::vector<const ch_node*> nodes;
  for (NodeId id : order) nodes.push_back(show(graph.node(id), index));
  ch_graph& out = graphs_.emplace_back();
  out.size = sizeof out;
  out.n_values = static_cast<uint32_t>(infos.size());
  out.n_nodes = static_cast<uint32_t>(nodes.size());
  out.n_inputs = static_cast<uint32_t>(graph.inputs().size());
  out.n_outputs = static_cast<uint32_t>(graph.outputs().size());
  out.n_constants = static_cast<uint32_t>(constants.size());
  out.inputs = ports(graph.inputs());
  out.outputs = ports(graph.outputs());
  out.values = keep(info_lists_, std::move(infos));
  out.nodes = keep(node_lists_, std::move(nodes));
  out.constants = keep(value_lists_, std::move(constants));
  return &out;
}

}  // namespace chorus::plugin
