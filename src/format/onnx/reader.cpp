#include <fmt/format.h>
#include <format/onnx/source.h>

#include <unordered_map>

namespace chorus::onnx {
namespace {

using Opsets = std::map<std::string, int, std::less<>>;

std::string normal_domain(std::string_view domain) { return domain == "ai.onnx" ? std::string() : std::string(domain); }

std::pair<std::string, int> parse_opset(std::string_view message, const Source& source) {
  std::pair<std::string, int> result{"", 1};
  wire::Reader reader = source.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    if (field.number == 1) result.first = normal_domain(wire::text(field, reader, "domain"));
    if (field.number == 2) {
      if (field.as_int() < 1 || field.as_int() > 100000) reader.fail(fmt::format("operator set version {} does not exist", field.as_int()));
      result.second = static_cast<int>(field.as_int());
    }
  }
  return result;
}

class GraphReader {
 public:
  GraphReader(Source& source, const Opsets& opsets, const GraphReader* outer) : source_(source), opsets_(opsets), outer_(outer) {}

  std::shared_ptr<Graph> read_graph(std::string_view message);
  std::shared_ptr<Graph> read_function_body(const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
                                            const std::vector<std::string_view>& nodes, const std::vector<std::string_view>& infos);
  AttrValue read_attribute(std::string_view message, std::string* name);

 private:
  struct Info {
    std::string name, doc;
    Type type;
    Metadata metadata;
  };
  Info read_info(std::string_view message);
  void add_initializer(std::string_view message, bool sparse);
  void add_node(std::string_view message);
  void describe(ValueId id, Info info);
  ValueId operand(std::string_view name, const wire::Reader& reader);
  ValueId result(std::string_view name);
  bool visible(std::string_view name) const {
    for (const GraphReader* g = this; g != nullptr; g = g->outer_) {
      if (g->names_.find(std::string(name)) != g->names_.end()) return true;
    }
    return false;
  }
  void count_value() {
    if (++source_.values > source_.limits.values) throw Error(Code::budget, fmt::format("the file has more than {} values", source_.limits.values));
  }

  Source& source_;
  const Opsets& opsets_;
  const GraphReader* outer_;
  std::shared_ptr<Graph> graph_ = std::make_shared<Graph>();
  std::unordered_map<std::string, ValueId> names_;
};

GraphReader::Info GraphReader::read_info(std::string_view message) {
  Info info;
  wire::Reader reader = source_.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    switch (field.number) {
      case 1: info.name = wire::text(field, reader, "name"); break;
      case 2: info.type = parse_type(wire::text(field, reader, "type"), source_); break;
      case 3: info.doc = wire::text(field, reader, "doc_string"); break;
      case 4: info.metadata.push_back(parse_entry(wire::text(field, reader, "metadata_props"), source_)); break;
      default: break;
    }
  }
  return info;
}

void GraphReader::describe(ValueId id, Info info) {
  GraphValue& v = graph_->value(id);
  if (info.type.kind != ValueKind::none && !v.is_constant()) {
    v.type = std::move(info.type);
    v.declared = true;
  }
  v.doc = std::move(info.doc);
  v.metadata = std::move(info.metadata);
}

// A name that no node of this graph makes: for a body it is a value of the graph around it, which becomes a further input.
ValueId GraphReader::operand(std::string_view name, const wire::Reader& reader) {
  if (name.empty()) return kNone;
  if (auto it = names_.find(std::string(name)); it != names_.end()) return it->second;
  if (outer_ == nullptr || !outer_->visible(name)) {
    reader.fail(fmt::format("value \"{}\" is read but nothing before makes it", name));
  }
  count_value();
  const ValueId id = graph_->add_value(std::string(name));
  graph_->captures.emplace_back(id, std::string(name));
  names_.emplace(std::string(name), id);
  return id;
}

ValueId GraphReader::result(std::string_view name) {
  if (name.empty()) return kNone;
  if (auto it = names_.find(std::string(name)); it != names_.end()) return it->second;
  count_value();
  const ValueId id = graph_->add_value(std::string(name));
  names_.emplace(std::string(name), id);
  return id;
}

void GraphReader::add_initializer(std::string_view message, bool sparse) {
  NamedTensor tensor;
  if (sparse) {
    SparseValue value = parse_sparse_tensor(message, source_, &tensor.name);
    tensor.value = sparse_to_dense(value, source_.limits.tensor_bytes);
  } else {
    tensor = parse_tensor(message, source_);
  }
  if (tensor.name.empty()) throw Error(Code::bad_input, "an initializer has no name", fmt::format("file offset {}", message.data() - source_.base));
  if (auto it = names_.find(tensor.name); it != names_.end()) {
    GraphValue& v = graph_->value(it->second);   // an input with a default
    if (!v.is_input || v.is_constant()) throw Error(Code::bad_input, fmt::format("value \"{}\" is defined twice", tensor.name));
    v.constant = std::move(tensor.value);
    v.metadata.insert(v.metadata.end(), tensor.metadata.begin(), tensor.metadata.end());
    return;
  }
  count_value();
  const ValueId id = graph_->add_constant(tensor.name, std::move(tensor.value));
  graph_->value(id).doc = std::move(tensor.doc);
  graph_->value(id).metadata = std::move(tensor.metadata);
  names_.emplace(tensor.name, id);
}

AttrValue GraphReader::read_attribute(std::string_view message, std::string* name) {
  AttrValue value;
  AttrKind kind = AttrKind::undefined;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string> strings;
  std::vector<Value> tensors;
  std::vector<GraphPtr> graphs;
  std::vector<SparseValue> sparse;
  std::vector<Type> types;
  AttrValue single;
  wire::Reader reader = source_.reader(message);
  wire::Field field;
  auto graph = [&](std::string_view body) { return GraphReader(source_, opsets_, this).read_graph(body); };
  while (reader.next(field)) {
    switch (field.number) {
      case 1: *name = wire::text(field, reader, "name"); break;
      case 2: single.data = field.as_float(); break;
      case 3: single.data = field.as_int(); break;
      case 4: single.data = std::string(wire::text(field, reader, "s")); break;
      case 5: single.data = parse_tensor(wire::text(field, reader, "t"), source_).value; break;
      case 6: single.data = GraphPtr(graph(wire::text(field, reader, "g"))); break;
      case 7: wire::append_floats(field, floats, reader); break;
      case 8: wire::append_varints(field, ints, reader); break;
      case 9: strings.emplace_back(wire::text(field, reader, "strings")); break;
      case 10: tensors.push_back(parse_tensor(wire::text(field, reader, "tensors"), source_).value); break;
      case 11: graphs.push_back(graph(wire::text(field, reader, "graphs"))); break;
      case 13: value.doc = wire::text(field, reader, "doc_string"); break;
      case 14: single.data = parse_type(wire::text(field, reader, "tp"), source_); break;
      case 15: types.push_back(parse_type(wire::text(field, reader, "type_protos"), source_)); break;
      case 20:
        if (field.value > 14) reader.fail(fmt::format("attribute type {} does not exist", field.value));
        kind = static_cast<AttrKind>(field.value);
        break;
      case 21: value.ref_name = wire::text(field, reader, "ref_attr_name"); break;
      case 22: single.data = parse_sparse_tensor(wire::text(field, reader, "sparse_tensor"), source_, nullptr); break;
      case 23: sparse.push_back(parse_sparse_tensor(wire::text(field, reader, "sparse_tensors"), source_, nullptr)); break;
      default: break;
    }
  }
  value.declared = kind;
  if (!value.ref_name.empty()) return value;
  switch (kind) {
    case AttrKind::reals: value.data = std::move(floats); break;
    case AttrKind::integers: value.data = std::move(ints); break;
    case AttrKind::strings: value.data = std::move(strings); break;
    case AttrKind::tensors: value.data = std::move(tensors); break;
    case AttrKind::graphs: value.data = std::move(graphs); break;
    case AttrKind::sparse_tensors: value.data = std::move(sparse); break;
    case AttrKind::types: value.data = std::move(types); break;
    case AttrKind::real: value.data = single.get<float>() ? *single.get<float>() : 0.0f; break;
    case AttrKind::integer: value.data = single.get<int64_t>() ? *single.get<int64_t>() : int64_t{0}; break;
    case AttrKind::string: value.data = single.get<std::string>() ? *single.get<std::string>() : std::string(); break;
    case AttrKind::undefined:   // files of IR version 1 leave the type out
      if (!floats.empty()) value.data = std::move(floats);
      else if (!ints.empty()) value.data = std::move(ints);
      else if (!strings.empty()) value.data = std::move(strings);
      else if (!tensors.empty()) value.data = std::move(tensors);
      else if (!graphs.empty()) value.data = std::move(graphs);
      else value.data = std::move(single.data);
      break;
    default:
      value.data = std::move(single.data);
      if (value.kind() != kind) reader.fail(fmt::format("attribute \"{}\" says it is a {} but holds none", *name, attr_kind_name(kind)));
  }
  return value;
}

void GraphReader::add_node(std::string_view message) {
  if (++source_.nodes > source_.limits.nodes) throw Error(Code::budget, fmt::format("the file has more than {} nodes", source_.limits.nodes));
  Node n;
  n.file_offset = message.data() - source_.base;
  std::vector<std::string_view> inputs, outputs, attributes;
  wire::Reader reader = source_.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    switch (field.number) {
      case 1: inputs.push_back(wire::text(field, reader, "input")); break;
      case 2: outputs.push_back(wire::text(field, reader, "output")); break;
      case 3: n.name = wire::text(field, reader, "name"); break;
      case 4: n.type = wire::text(field, reader, "op_type"); break;
      case 5: attributes.push_back(wire::text(field, reader, "attribute")); break;
      case 6: n.doc = wire::text(field, reader, "doc_string"); break;
      case 7: n.domain = normal_domain(wire::text(field, reader, "domain")); break;
      case 8: n.overload = wire::text(field, reader, "overload"); break;
      case 9: n.metadata.push_back(parse_entry(wire::text(field, reader, "metadata_props"), source_)); break;
      default: n.raw_fields.append(field.raw); break;
    }
  }
  try {
    for (std::string_view name : inputs) n.inputs.push_back(operand(name, reader));
    while (!n.inputs.empty() && n.inputs.back() == kNone) n.inputs.pop_back();
    for (std::string_view attribute : attributes) {
      std::string name;
      AttrValue value = read_attribute(attribute, &name);
      n.attributes.set(name, std::move(value));
    }
    for (std::string_view name : outputs) n.outputs.push_back(result(name));
    while (!n.outputs.empty() && n.outputs.back() == kNone) n.outputs.pop_back();
    n.op = find_op(n.domain, n.type);
    const auto opset = opsets_.find(n.domain);
    if (n.op != nullptr) {
      n.version = opset == opsets_.end() ? -1 : n.op->version_index(opset->second);
      if (n.version < 0) n.op = nullptr;   // younger than the model's operator set, or a function of the model: inference says so
    }
    graph_->add_node(std::move(n));
  } catch (const Error& error) {
    throw error.at(fmt::format("node \"{}\" ({}), file offset {}", n.name, n.type, n.file_offset));
  }
}

std::shared_ptr<Graph> GraphReader::read_graph(std::string_view message) {
  const Depth depth(source_);
  graph_->opsets = opsets_;
  std::vector<std::string_view> nodes, initializers, sparse, inputs, outputs, infos;
  wire::Reader reader = source_.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    switch (field.number) {
      case 1: nodes.push_back(wire::text(field, reader, "node")); break;
      case 2: graph_->name = wire::text(field, reader, "name"); break;
      case 5: initializers.push_back(wire::text(field, reader, "initializer")); break;
      case 10: graph_->doc = wire::text(field, reader, "doc_string"); break;
      case 11: inputs.push_back(wire::text(field, reader, "input")); break;
      case 12: outputs.push_back(wire::text(field, reader, "output")); break;
      case 13: infos.push_back(wire::text(field, reader, "value_info")); break;
      case 15: sparse.push_back(wire::text(field, reader, "sparse_initializer")); break;
      case 16: graph_->metadata.push_back(parse_entry(wire::text(field, reader, "metadata_props"), source_)); break;
      default: graph_->raw_fields.append(field.raw); break;
    }
  }
  for (std::string_view input : inputs) {
    Info info = read_info(input);
    if (names_.count(info.name) != 0) reader.fail(fmt::format("input \"{}\" is listed twice", info.name));
    count_value();
    const ValueId id = graph_->add_input(info.name, {});
    names_.emplace(info.name, id);
    describe(id, std::move(info));
  }
  for (std::string_view tensor : initializers) add_initializer(tensor, false);
  for (std::string_view tensor : sparse) add_initializer(tensor, true);
  for (std::string_view node : nodes) add_node(node);
  for (std::string_view output : outputs) {
    Info info = read_info(output);
    const ValueId id = operand(info.name, reader);
    if (id == kNone) reader.fail("an output of the graph has no name");
    graph_->add_output(id);
    describe(id, std::move(info));
  }
  for (std::string_view value : infos) {
    Info info = read_info(value);
    if (auto it = names_.find(info.name); it != names_.end() && !graph_->value(it->second).declared) describe(it->second, std::move(info));
  }
  return graph_;
}

std::shared_ptr<Graph> GraphReader::read_function_body(const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
                                                       const std::vector<std::string_view>& nodes, const std::vector<std::string_view>& infos) {
  const Depth depth(source_);
  graph_->opsets = opsets_;
  for (const std::string& name : inputs) names_.emplace(name, graph_->add_input(name, {}));
  for (std::string_view node : nodes) add_node(node);
  for (const std::string& name : outputs) {
    auto it = names_.find(name);
    if (it == names_.end()) throw Error(Code::bad_input, fmt::format("output \"{}\" of a function is made by nothing in it", name));
    graph_->add_output(it->second);
  }
  for (std::string_view value : infos) {
    Info info = read_info(value);
    if (auto it = names_.find(info.name); it != names_.end()) describe(it->second, std::move(info));
  }
  return graph_;
}

Function read_function(std::string_view message, Source& source, const Opsets& model_opsets) {
  Function f;
  Opsets opsets;
  std::vector<std::string> inputs, outputs;
  std::vector<std::string_view> nodes, infos, defaults;
  wire::Reader reader = source.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    switch (field.number) {
      case 1: f.name = wire::text(field, reader, "name"); break;
      case 4: inputs.emplace_back(wire::text(field, reader, "input")); break;
      case 5: outputs.emplace_back(wire::text(field, reader, "output")); break;
      case 6: f.attributes.emplace_back(wire::text(field, reader, "attribute")); break;
      case 7: nodes.push_back(wire::text(field, reader, "node")); break;
      case 8: f.doc = wire::text(field, reader, "doc_string"); break;
      case 9: opsets.insert(parse_opset(wire::text(field, reader, "opset_import"), source)); break;
      case 10: f.domain = normal_domain(wire::text(field, reader, "domain")); break;
      case 11: defaults.push_back(wire::text(field, reader, "attribute_proto")); break;
      case 12: infos.push_back(wire::text(field, reader, "value_info")); break;
      case 13: f.overload = wire::text(field, reader, "overload"); break;
      case 14: f.metadata.push_back(parse_entry(wire::text(field, reader, "metadata_props"), source)); break;
      default: break;
    }
  }
  if (opsets.empty()) opsets = model_opsets;
  try {
    GraphReader body(source, opsets, nullptr);
    for (std::string_view attribute : defaults) {
      std::string name;
      AttrValue value = body.read_attribute(attribute, &name);
      f.defaults.set(name, std::move(value));
    }
    f.body = body.read_function_body(inputs, outputs, nodes, infos);
  } catch (const Error& error) {
    throw error.at(fmt::format("function \"{}.{}\"", f.domain, f.name));
  }
  return f;
}

Model read(std::string_view bytes, Source& source, const std::string& name) {
  Model model;
  model.source = name;
  Opsets opsets;
  std::string_view graph;
  bool has_graph = false;
  std::vector<std::string_view> functions;
  wire::Reader reader = source.reader(bytes);
  wire::Field field;
  while (reader.next(field)) {
    switch (field.number) {
      case 1: model.ir_version = field.as_int(); break;
      case 2: model.producer_name = wire::text(field, reader, "producer_name"); break;
      case 3: model.producer_version = wire::text(field, reader, "producer_version"); break;
      case 4: model.domain = wire::text(field, reader, "domain"); break;
      case 5: model.model_version = field.as_int(); break;
      case 6: model.doc = wire::text(field, reader, "doc_string"); break;
      case 7: graph = wire::text(field, reader, "graph"); has_graph = true; break;
      case 8: opsets.insert(parse_opset(wire::text(field, reader, "opset_import"), source)); break;
      case 14: model.metadata.push_back(parse_entry(wire::text(field, reader, "metadata_props"), source)); break;
      case 25: functions.push_back(wire::text(field, reader, "functions")); break;
      default: model.raw_fields.append(field.raw); break;
    }
  }
  if (!has_graph) throw Error(Code::bad_input, "the file holds no ONNX graph", {}, "give a model file (.onnx)");
  if (opsets.empty()) opsets.emplace("", 1);   // IR versions 1 and 2 had no operator sets
  for (std::string_view f : functions) model.functions.push_back(read_function(f, source, opsets));
  GraphReader reader_of_graph(source, opsets, nullptr);
  model.graph = reader_of_graph.read_graph(graph);
  return model;
}

}  // namespace

Model read_model(std::string_view bytes, std::shared_ptr<const void> owner, const std::string& folder, const std::string& name,
                 const ReadLimits& limits) {
  Source source;
  source.base = bytes.data();
  source.owner = std::move(owner);
  source.folder = folder;
  source.limits = limits;
  if (static_cast<int64_t>(bytes.size()) > limits.file_bytes) {
    throw Error(Code::budget, fmt::format("the model has {} bytes; the limit is {}", bytes.size(), limits.file_bytes), name);
  }
  try {
    return read(bytes, source, name);
  } catch (const Error& error) {
    throw error.at(name);
  }
}

Model read_model(const std::string& path, const ReadLimits& limits) {
  FileOptions options;
  options.max_bytes = limits.file_bytes;
  auto file = std::make_shared<MappedFile>(path, options);
  const auto bytes = file->bytes();
  const size_t slash = path.find_last_of('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const std::string_view view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return read_model(view, std::move(file), folder, path, limits);
}

}  // namespace chorus::onnx
