#include <format/onnx/source.h>
#include <format/onnx/writer.h>
#include <fmt/format.h>

namespace chorus::onnx {

GraphWriter::GraphWriter(const Graph& graph, const Opsets& opsets, ExternalData* external, const GraphWriter* outer,
                         const Node* owner)
    : graph_(graph), opsets_(opsets), external_(external), outer_(outer), details_(graph.raw_fields),
      names_(static_cast<size_t>(graph.value_capacity())),
      from_outside_(static_cast<size_t>(graph.value_capacity()), false) {
  name_values(owner);
}

bool GraphWriter::taken(const std::string& name) const {
  for (const GraphWriter* g = this; g != nullptr; g = g->outer_) {
    if (g->used_.count(name) != 0) return true;
  }
  return false;
}

std::string GraphWriter::own_name(const std::string& wanted) {
  std::string name = wanted.empty() ? "value" : wanted;
  for (int64_t n = 1; taken(name); ++n) name = fmt::format("{}_{}", wanted.empty() ? "value" : wanted, n);
  used_.insert(name);
  return name;
}

// The written name of what a graph further out calls `name`.
const std::string& GraphWriter::outer_name(const std::string& name) const {
  for (const GraphWriter* g = outer_; g != nullptr; g = g->outer_) {
    if (const ValueId id = g->graph_.find_value(name); id != kNone) return g->names_[static_cast<size_t>(id)];
  }
  throw Error(Code::bad_input, fmt::format("a body reads \"{}\", which nothing around it makes", name));
}

void GraphWriter::name_values(const Node* owner) {
  formal_inputs_ = graph_.inputs().size();
  if (owner != nullptr && outer_ != nullptr && !owner->captured.empty()) {   // closed form: Node::captured
    if (owner->captured.size() > formal_inputs_)
      throw Error(Code::internal, "a body has fewer inputs than its node captures values", owner->name);
    formal_inputs_ -= owner->captured.size();
    for (size_t i = 0; i < owner->captured.size(); ++i) {
      const auto inner = static_cast<size_t>(graph_.inputs()[formal_inputs_ + i]);
      names_[inner] = outer_->name_of(owner->captured[i]);
      from_outside_[inner] = true;
    }
  }
  for (const auto& [value, name] : graph_.captures) {                        // open form: Graph::captures
    names_[static_cast<size_t>(value)] = outer_name(name);
    from_outside_[static_cast<size_t>(value)] = true;
  }
  for (ValueId id = 0; id < graph_.value_capacity(); ++id) {
    const GraphValue& v = graph_.value(id);
    if (v.alive && !from_outside_[static_cast<size_t>(id)]) names_[static_cast<size_t>(id)] = own_name(v.name);
  }
}

bool GraphWriter::is_initializer(ValueId id) const {
  const GraphValue& v = graph_.value(id);
  return v.alive && v.is_constant() && v.producer == kNone && !from_outside_[static_cast<size_t>(id)];
}

wire::Writer GraphWriter::type_of(const GraphValue& v) const {
  if (const std::string_view* kept = details_.find(DetailKind::value_type, v.name)) {
    Source source;
    source.base = kept->data();
    if (type_message(parse_type(*kept, source)).str() == type_message(v.type).str()) {   // nothing has changed since
      wire::Writer out;
      out.raw(*kept);
      return out;
    }
  }
  return type_message(v.type);
}

wire::Writer GraphWriter::info_message(ValueId id) const {
  const GraphValue& v = graph_.value(id);
  wire::Writer out;
  out.bytes(1, name_of(id));
  if (v.type.kind != ValueKind::none || details_.find(DetailKind::value_type, v.name) != nullptr)
    out.message(2, type_of(v));
  if (is_initializer(id) && !v.is_input) return out;   // its text is the tensor's
  out.text(3, v.doc);
  write_entries(out, 4, v.metadata);
  return out;
}

const std::string_view* GraphWriter::sparse_form(const GraphValue& v) const {
  const std::string_view* kept = details_.find(DetailKind::sparse_initializer, v.name);
  if (kept == nullptr) return nullptr;
  try {
    Source source;
    source.base = kept->data();
    return sparse_to_dense(parse_sparse_tensor(*kept, source).value, source).identical(v.constant) ? kept : nullptr;
  } catch (const Error&) {
    return nullptr;   // its parts lie in another file: the dense form is as good
  }
}

wire::Writer GraphWriter::initializer_message(ValueId id) {
  const GraphValue& v = graph_.value(id);
  const int64_t bytes = v.constant.dtype() == DType::string || !v.constant.is_tensor()
                            ? 0
                            : dtype_bytes(v.constant.dtype(), v.constant.numel());
  wire::Writer out;
  if (external_ != nullptr && external_->least_bytes > 0 && bytes >= external_->least_bytes) {
    for (int64_t d : v.constant.shape()) out.integer(1, d);
    out.integer(2, static_cast<int64_t>(v.constant.dtype()));
    const int64_t offset = external_->append({static_cast<const char*>(v.constant.data()), static_cast<size_t>(bytes)});
    write_entries(
        out, 13,
        {{"location", external_->location}, {"offset", std::to_string(offset)}, {"length", std::to_string(bytes)}});
    out.integer(14, 1);
  } else {
    out = tensor_message(v.constant);
  }
  if (const std::string_view* said =
          v.is_input && name_of(id) == v.name ? details_.find(DetailKind::input_default, v.name) : nullptr) {
    out.raw(*said);
    return out;
  }
  out.bytes(8, name_of(id));
  if (v.is_input) return out;
  out.text(12, v.doc);
  write_entries(out, 16, v.metadata);
  return out;
}

void GraphWriter::write_constants(wire::Writer& out) {
  for (ValueId id = 0; id < graph_.value_capacity(); ++id) {
    if (!is_initializer(id)) continue;
    const GraphValue& v = graph_.value(id);
    const std::string_view* sparse = name_of(id) == v.name ? sparse_form(v) : nullptr;
    try {
      if (sparse != nullptr)
        out.bytes(15, *sparse);
      else
        out.message(5, initializer_message(id));
    } catch (const Error& error) {
      throw error.at(fmt::format("value \"{}\"", v.name));
    }
  }
}

// A body's output that is a value from outside, or stands in the list twice, goes through an Identity: other readers want a producer
// inside and one name for each output.
void GraphWriter::write_outputs(wire::Writer& out) {
  std::unordered_set<ValueId> seen;
  for (ValueId id : graph_.outputs()) {
    const GraphValue& v = graph_.value(id);
    const bool again = !seen.insert(id).second;
    wire::Writer info;
    if (outer_ != nullptr && (again || from_outside_[static_cast<size_t>(id)])) {
      copies_.emplace_back(name_of(id), own_name(v.name));
      info.bytes(1, copies_.back().second);
      if (v.type.kind != ValueKind::none) info.message(2, type_message(v.type));
    } else if (const std::string_view* kept = details_.find(DetailKind::output_info, v.name);
               kept != nullptr && name_of(id) == v.name) {
      info.raw(*kept);
    } else {
      info = info_message(id);
    }
    out.message(12, info);
  }
}

void GraphWriter::write_infos(wire::Writer& out, int field) const {
  for (ValueId id = 0; id < graph_.value_capacity(); ++id) {
    const GraphValue& v = graph_.value(id);
    if (!v.alive || from_outside_[static_cast<size_t>(id)] || v.is_constant()) continue;
    if (field == 13 && (v.is_input || graph_.is_output(id))) continue;  // a function has no other place for them
    if (v.declared || !v.doc.empty() || !v.metadata.empty()) out.message(field, info_message(id));
  }
}

void GraphWriter::write_nodes(wire::Writer& out, int field) {
  for (NodeId id : graph_.order()) {
    try {
      out.message(field, node_message(id));
    } catch (const Error& error) {
      throw error.at(graph_.where(id));
    }
  }
  for (const auto& [from, to] : copies_) {
    wire::Writer node;
    node.bytes(1, from);
    node.bytes(2, to);
    node.bytes(4, "Identity");
    out.message(field, node);
  }
}

wire::Writer GraphWriter::graph_message() {
  wire::Writer outputs;
  write_outputs(outputs);  // decides which copies the nodes end with
  wire::Writer out;
  write_nodes(out, 1);
  out.bytes(2, graph_.name.empty() ? "graph" : graph_.name);
  write_constants(out);
  out.text(10, graph_.doc);
  for (size_t i = 0; i < formal_inputs_; ++i) out.message(11, info_message(graph_.inputs()[i]));
  out.raw(outputs.str());
  write_infos(out, 13);
  write_entries(out, 16, graph_.metadata);
  out.raw(details_.rest());
  return out;
}

wire::Writer GraphWriter::function_message(const Function& function) {
  wire::Writer out;
  out.text(1, function.name);
  for (ValueId id : graph_.inputs()) out.bytes(4, name_of(id));
  for (ValueId id : graph_.outputs()) out.bytes(5, name_of(id));
  for (const std::string& name : function.attributes) out.bytes(6, name);
  for (ValueId id = 0; id < graph_.value_capacity(); ++id) {  // a function has no initializers
    if (!is_initializer(id)) continue;
    wire::Writer attribute, node;
    attribute.bytes(1, "value");
    attribute.message(5, tensor_message(graph_.value(id).constant));
    attribute.integer(20, static_cast<int64_t>(AttrKind::tensor));
    node.bytes(2, name_of(id));
    node.bytes(4, "Constant");
    node.message(5, attribute);
    out.message(7, node);
  }
  write_nodes(out, 7);
  out.text(8, function.doc);
  for (const auto& [domain, version] : graph_.opsets) {
    wire::Writer opset;
    opset.bytes(1, domain);
    opset.integer(2, version);
    out.message(9, opset);
  }
  out.bytes(10, function.domain);
  for (const auto& item : function.defaults.items())
    out.message(11, attribute_message(item.name, item.value, details_, nullptr));
  write_infos(out, 12);
  out.text(13, function.overload);
  write_entries(out, 14, function.metadata);
  out.raw(details_.rest());
  return out;
}

wire::Writer GraphWriter::node_message(NodeId id) {
  const Node& n = graph_.node(id);
  if (n.op != nullptr) {
    const auto opset = opsets_.find(n.domain);
    if (opset == opsets_.end() || n.op->version_index(opset->second) != n.version) {
      throw Error(Code::internal, fmt::format("{} is of version {}, which the file's operator sets do not mean", n.type,
                                              n.op->versions[static_cast<size_t>(n.version)].since));
    }
  }
  const Details details(n.raw_fields);
  wire::Writer out;
  for (ValueId in : n.inputs) out.bytes(1, name_of(in));
  for (ValueId o : n.outputs) out.bytes(2, name_of(o));
  out.text(3, n.name);
  out.bytes(4, n.type);
  for (const auto& item : n.attributes.items()) {
    try {
      out.message(5, attribute_message(item.name, item.value, details, &n));
    } catch (const Error& error) {
      throw error.at(fmt::format("attribute \"{}\"", item.name));
    }
  }
  out.text(6, n.doc);
  out.text(7, n.domain);
  out.text(8, n.overload);
  write_entries(out, 9, n.metadata);
  out.raw(details.rest());
  return out;
}

wire::Writer GraphWriter::attribute_message(const std::string& name, const AttrValue& value, const Details& details,
                                            const Node* owner) {
  wire::Writer out;
  out.bytes(1, name);
  if (value.ref_name.empty()) write_attribute_data(out, name, value, details, owner);
  out.text(13, value.doc);
  if (value.kind() != AttrKind::undefined) out.integer(20, static_cast<int64_t>(value.kind()));
  out.text(21, value.ref_name);
  return out;
}

namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

wire::Writer sparse_message(const SparseValue& value, const std::string_view* said_values,
                            const std::string_view* said_indices) {
  wire::Writer values = tensor_message(value.values), indices = tensor_message(value.indices), out;
  if (said_values != nullptr) values.raw(*said_values);
  if (said_indices != nullptr) indices.raw(*said_indices);
  out.message(1, values);
  out.message(2, indices);
  for (int64_t d : value.shape) out.integer(3, d);
  return out;
}

}  // namespace

void GraphWriter::write_attribute_data(wire::Writer& out, const std::string& name, const AttrValue& value,
                                       const Details& details, const Node* owner) {
  auto tensor = [&](const Value& v, int64_t index) {
    wire::Writer message = tensor_message(v);
    if (const std::string_view* said = details.find(DetailKind::attribute_tensor, name, index)) message.raw(*said);
    return message;
  };
  auto sparse = [&](const SparseValue& v, int64_t index) {
    return sparse_message(v, details.find(DetailKind::attribute_tensor, name, 2 * index),
                          details.find(DetailKind::attribute_tensor, name, 2 * index + 1));
  };
  auto type = [&](const Type& t, int64_t index) {
    const std::string_view* kept = details.find(DetailKind::attribute_type, name, index);
    wire::Writer message;
    if (kept != nullptr)
      message.raw(*kept);
    else
      message = type_message(t);
    return message;
  };
  auto graph = [&](const GraphPtr& g) { return GraphWriter(*g, opsets_, nullptr, this, owner).graph_message(); };
  auto each = [&](int field, const auto& list, auto&& message) {
    for (size_t i = 0; i < list.size(); ++i) out.message(field, message(list[i], static_cast<int64_t>(i)));
  };
  std::visit(Overloaded{
                 [](std::monostate) {},
                 [&](float v) { out.real(2, v); },
                 [&](int64_t v) { out.integer(3, v); },
                 [&](const std::string& v) { out.bytes(4, v); },
                 [&](const Value& v) { out.message(5, tensor(v, 0)); },
                 [&](const GraphPtr& v) { out.message(6, graph(v)); },
                 [&](const std::vector<float>& v) {
                   for (float f : v) out.real(7, f);
                 },
                 [&](const std::vector<int64_t>& v) {
                   for (int64_t i : v) out.integer(8, i);
                 },
                 [&](const std::vector<std::string>& v) {
                   for (const std::string& s : v) out.bytes(9, s);
                 },
                 [&](const std::vector<Value>& v) { each(10, v, tensor); },
                 [&](const std::vector<GraphPtr>& v) {
                   for (const GraphPtr& g : v) out.message(11, graph(g));
                 },
                 [&](const SparseValue& v) { out.message(22, sparse(v, 0)); },
                 [&](const std::vector<SparseValue>& v) { each(23, v, sparse); },
                 [&](const Type& v) { out.message(14, type(v, 0)); },
                 [&](const std::vector<Type>& v) { each(15, v, type); },
             },
             value.data);
}

}  // namespace chorus::onnx
