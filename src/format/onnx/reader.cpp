#include <format/onnx/details.h>
#include <format/onnx/proto.h>
#include <format/onnx/source.h>
#include <fmt/format.h>

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
      const int64_t version = wire::integer(field, reader, "version");
      if (version < 1 || version > 100000) reader.fail(fmt::format("operator set version {} does not exist", version));
      result.second = static_cast<int>(version);
    }
  }
  return result;
}

constexpr size_t kMostOpsets = 256;         // every graph of the file holds the list
constexpr size_t kMostAttributes = 1024;    // of one node; they are searched one by one

void add_opset(Opsets& opsets, const wire::Field& field, const wire::Reader& reader, const Source& source) {
  if (opsets.size() >= kMostOpsets) reader.fail(fmt::format("more than {} operator sets are imported", kMostOpsets));
  opsets.insert(parse_opset(wire::text(field, reader, "opset_import"), source));
}

class GraphReader {
 public:
  GraphReader(Source& source, const Opsets& opsets, const GraphReader* outer)
      : source_(source), opsets_(opsets), outer_(outer) {
    source_.spend_node("graphs and nodes");
    source_.spend_values(static_cast<int64_t>(opsets.size()), {});
    graph_->opsets = opsets;
  }

  std::shared_ptr<Graph> read_graph(std::string_view message);
  std::shared_ptr<Graph> read_function_body(const std::vector<std::string_view>& inputs,
                                            const std::vector<std::string_view>& outputs,
                                            const std::vector<std::string_view>& nodes,
                                            const std::vector<std::string_view>& infos);
  AttrValue read_attribute(std::string_view message, std::string& name, std::string& details);
  std::string& raw_fields() { return graph_->raw_fields; }

 private:
  struct Info {
    std::string name, doc;
    Type type;
    std::string_view type_bytes;     // of the file; null data: no type
    Metadata metadata;
  };
  Info read_info(std::string_view message);
  void add_initializer(std::string_view message);
  void add_sparse_initializer(std::string_view message);
  ValueId add_constant(const std::string& name, Value value, std::string_view message);
  void add_node(std::string_view message);
  void add_nodes(std::span<const std::string_view> nodes);
  std::string later_maker(std::string_view name) const;
  void connect(Node& n, const std::vector<std::string_view>& inputs, const std::vector<std::string_view>& outputs,
               const std::vector<std::string_view>& attributes, const wire::Reader& reader);
  void add_output(std::string_view message);
  void add_info(std::string_view message, int field);
  void describe(ValueId id, Info info);
  ValueId add_value(std::string_view name);
  ValueId operand(std::string_view name, const wire::Reader& reader);
  ValueId result(std::string_view name, const wire::Reader& reader);
  ValueId find(std::string_view name) const {
    const auto it = names_.find(std::string(name));
    return it == names_.end() ? kNone : it->second;
  }
  bool visible(std::string_view name) const {
    for (const GraphReader* g = this; g != nullptr; g = g->outer_) {
      if (g->find(name) != kNone) return true;
    }
    return false;
  }

  Source& source_;
  const Opsets& opsets_;
  const GraphReader* outer_;
  std::shared_ptr<Graph> graph_ = std::make_shared<Graph>();
  std::unordered_map<std::string, ValueId> names_;
  std::span<const std::string_view> later_;  ///< nodes from the one that is read on
};

GraphReader::Info GraphReader::read_info(std::string_view message) {
  Info info;
  wire::Reader reader = source_.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    switch (field.number) {
      case 1: info.name = wire::text(field, reader, "name"); break;
      case 2:
        info.type_bytes = wire::text(field, reader, "type");
        info.type = parse_type(info.type_bytes, source_);
        break;
      case 3: info.doc = wire::text(field, reader, "doc_string"); break;
      case 4: info.metadata.push_back(parse_entry(wire::text(field, reader, "metadata_props"), source_)); break;
      default: break;
    }
  }
  return info;
}

// For values that are not described yet. What Type leaves out (denotations, opaque types) is kept beside it.
void GraphReader::describe(ValueId id, Info info) {
  GraphValue& v = graph_->value(id);
  if (info.type_bytes.data() != nullptr) {
    if (type_message(info.type).str() != info.type_bytes) {
      add_detail(graph_->raw_fields, {DetailKind::value_type, v.name, 0, info.type_bytes});
    }
    v.type = std::move(info.type);
    v.declared = true;
  }
  v.doc = std::move(info.doc);
  v.metadata = std::move(info.metadata);
}

ValueId GraphReader::add_value(std::string_view name) {
  source_.spend_values(1, name);
  const ValueId id = graph_->add_value(std::string(name));
  names_.emplace(std::string(name), id);
  return id;
}

// The node, of those not read yet, that makes a value; empty when none does.
std::string GraphReader::later_maker(std::string_view name) const {
  for (std::string_view message : later_) {
    std::string_view own, type;
    bool makes = false;
    wire::Reader reader = source_.reader(message);
    wire::Field field;
    while (reader.next(field)) {
      if (field.number == 2) makes |= wire::text(field, reader, "output") == name;
      if (field.number == 3) own = wire::text(field, reader, "name");
      if (field.number == 4) type = wire::text(field, reader, "op_type");
    }
    if (makes) return fmt::format("node \"{}\" ({})", own, type);
  }
  return {};
}

// A name that no node of this graph makes: for a body it is a value of the graph around it, which becomes a further input.
ValueId GraphReader::operand(std::string_view name, const wire::Reader& reader) {
  if (name.empty()) return kNone;
  if (const ValueId id = find(name); id != kNone) return id;
  if (outer_ == nullptr || !outer_->visible(name)) {
    const std::string maker = later_maker(name);
    reader.fail(
        fmt::format("value \"{}\" is read but nothing before makes it{}", name,
                    maker.empty() ? "" : fmt::format(": {} does, which must stand before, without a cycle", maker)));
  }
  const ValueId id = add_value(name);
  graph_->captures.emplace_back(id, std::string(name));
  return id;
}

ValueId GraphReader::result(std::string_view name, const wire::Reader& reader) {
  if (name.empty()) return kNone;
  if (find(name) != kNone)
    reader.fail(fmt::format("value \"{}\" is made a second time; names of values are unique", name));
  return add_value(name);
}

ValueId GraphReader::add_constant(const std::string& name, Value value, std::string_view message) {
  const std::string where = fmt::format("file offset {}", source_.offset(message));
  if (name.empty()) throw Error(Code::bad_input, "an initializer has no name", where);
  if (const ValueId id = find(name); id != kNone) {  // an input with a default
    GraphValue& v = graph_->value(id);
    if (!v.is_input || v.is_constant())
      throw Error(Code::bad_input, fmt::format("value \"{}\" is defined twice", name), where);
    if (v.declared) Type::meet(v.type, Type::of(value), name);  // throws where they contradict
    v.constant = std::move(value);
    return id;
  }
  source_.spend_values(1, name);
  const ValueId id = graph_->add_constant(name, std::move(value));
  names_.emplace(name, id);
  return id;
}

void GraphReader::add_initializer(std::string_view message) {
  NamedTensor tensor = parse_tensor(message, source_);
  const ValueId id = add_constant(tensor.name, std::move(tensor.value), message);
  GraphValue& v = graph_->value(id);
  if (v.is_input) {  // text and metadata of the value are the input's own
    if (!tensor.doc.empty() || !tensor.metadata.empty())
      add_detail(graph_->raw_fields, {DetailKind::input_default, v.name, 0, tensor.said});
    return;
  }
  v.doc = std::move(tensor.doc);
  v.metadata = std::move(tensor.metadata);
}

void GraphReader::add_sparse_initializer(std::string_view message) {
  const NamedSparse sparse = parse_sparse_tensor(message, source_);
  const ValueId id = add_constant(sparse.name, sparse_to_dense(sparse.value, source_), message);
  add_detail(graph_->raw_fields, {DetailKind::sparse_initializer, graph_->value(id).name, 0, message});
}

AttrValue GraphReader::read_attribute(std::string_view message, std::string& name, std::string& details) {
  return parse_attribute(message, source_, name, details, [this](std::string_view body) -> GraphPtr {
    return GraphReader(source_, opsets_, this).read_graph(body);
  });
}

void GraphReader::connect(Node& n, const std::vector<std::string_view>& inputs,
                          const std::vector<std::string_view>& outputs, const std::vector<std::string_view>& attributes,
                          const wire::Reader& reader) {
  if (n.type.empty()) reader.fail("a node has no operator");
  for (std::string_view name : inputs) n.inputs.push_back(operand(name, reader));
  while (!n.inputs.empty() && n.inputs.back() == kNone) n.inputs.pop_back();
  if (attributes.size() > kMostAttributes)
    reader.fail(fmt::format("a node has {} attributes, more than {}", attributes.size(), kMostAttributes));
  for (std::string_view attribute : attributes) {
    std::string name;
    AttrValue value = read_attribute(attribute, name, n.raw_fields);
    if (n.attributes.find(name) != nullptr) reader.fail(fmt::format("attribute \"{}\" is given twice", name));
    n.attributes.set(name, std::move(value));
  }
  for (std::string_view name : outputs) n.outputs.push_back(result(name, reader));
  while (!n.outputs.empty() && n.outputs.back() == kNone) n.outputs.pop_back();
  n.op = find_op(n.domain, n.type);
  if (n.op == nullptr) return;
  const auto opset = opsets_.find(n.domain);
  n.version = opset == opsets_.end() ? -1 : n.op->version_index(opset->second);
  if (n.version < 0) {  // younger than the model's operator set, or a function of the model: inference says so
    n.op = nullptr;
    n.version = 0;
    return;
  }
  const Schema& schema = n.schema();
  const int in = static_cast<int>(n.inputs.size()), out = static_cast<int>(n.outputs.size());
  if (in < schema.min_inputs() || in > schema.max_inputs()) {
    throw Error(Code::bad_input, fmt::format("{}: {} operands given, version {} takes {} to {}", n.type, in,
                                             schema.since, schema.min_inputs(), schema.max_inputs()));
  }
  if (out > schema.max_outputs()) {
    throw Error(Code::bad_input, fmt::format("{}: {} outputs asked for, version {} has at most {}", n.type, out,
                                             schema.since, schema.max_outputs()));
  }
}

void GraphReader::add_node(std::string_view message) {
  source_.spend_node("graphs and nodes");
  Node n;
  n.file_offset = source_.offset(message);
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
      case kDetailField: break;
      default: n.raw_fields.append(field.raw); break;
    }
  }
  const std::string where = fmt::format("node \"{}\" ({}), file offset {}", n.name, n.type, n.file_offset);
  try {
    connect(n, inputs, outputs, attributes, reader);
    graph_->add_node(std::move(n));
  } catch (const Error& error) {
    throw error.at(where);
  }
}

void GraphReader::add_nodes(std::span<const std::string_view> nodes) {
  for (later_ = nodes; !later_.empty(); later_ = later_.subspan(1)) add_node(later_.front());
}

// An output that is an input or a constant too has two descriptions: the second is kept beside the graph.
void GraphReader::add_output(std::string_view message) {
  Info info = read_info(message);
  const wire::Reader reader = source_.reader(message);
  const ValueId id = operand(info.name, reader);
  if (id == kNone) reader.fail("an output of the graph has no name");
  graph_->add_output(id);
  const GraphValue& v = graph_->value(id);
  if (v.is_input || v.is_constant())
    add_detail(graph_->raw_fields, {DetailKind::output_info, v.name, 0, message});
  else if (v.times_output == 1)
    describe(id, std::move(info));
}

// Descriptions of values in between. One that has no place (of a constant, of a name that is not there) goes on as it is, `field`
// being its number in the message around it.
void GraphReader::add_info(std::string_view message, int field) {
  Info info = read_info(message);
  const ValueId id = find(info.name);
  if (id != kNone && !graph_->value(id).is_constant()) {
    if (!graph_->value(id).declared) describe(id, std::move(info));
    return;
  }
  wire::Writer kept;
  kept.bytes(field, message);
  graph_->raw_fields += kept.str();
}

std::shared_ptr<Graph> GraphReader::read_graph(std::string_view message) {
  const Depth depth(source_);
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
      case kDetailField: break;
      default: graph_->raw_fields.append(field.raw); break;
    }
  }
  for (std::string_view input : inputs) {
    Info info = read_info(input);
    if (info.name.empty()) reader.fail("an input of the graph has no name");
    if (find(info.name) != kNone) reader.fail(fmt::format("input \"{}\" is listed twice", info.name));
    source_.spend_values(1, info.name);
    const ValueId id = graph_->add_input(info.name, {});
    names_.emplace(info.name, id);
    describe(id, std::move(info));
  }
  for (std::string_view tensor : initializers) add_initializer(tensor);
  for (std::string_view tensor : sparse) add_sparse_initializer(tensor);
  add_nodes(nodes);
  for (std::string_view output : outputs) add_output(output);
  for (std::string_view info : infos) add_info(info, 13);
  return graph_;
}

std::shared_ptr<Graph> GraphReader::read_function_body(const std::vector<std::string_view>& inputs,
                                                       const std::vector<std::string_view>& outputs,
                                                       const std::vector<std::string_view>& nodes,
                                                       const std::vector<std::string_view>& infos) {
  const Depth depth(source_);
  for (std::string_view name : inputs) {
    if (find(name) != kNone)
      throw Error(Code::bad_input, fmt::format("input \"{}\" of a function is listed twice", name));
    source_.spend_values(1, name);
    names_.emplace(std::string(name), graph_->add_input(std::string(name), {}));
  }
  add_nodes(nodes);
  for (std::string_view name : outputs) {
    const ValueId id = find(name);
    if (id == kNone)
      throw Error(Code::bad_input, fmt::format("output \"{}\" of a function is made by nothing in it", name));
    graph_->add_output(id);
  }
  for (std::string_view info : infos) add_info(info, 12);
  return graph_;
}

Function read_function(std::string_view message, Source& source, const Opsets& model_opsets) {
  Function f;
  Opsets opsets;
  std::string unknown;
  std::vector<std::string_view> inputs, outputs, nodes, infos, defaults;
  wire::Reader reader = source.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    switch (field.number) {
      case 1: f.name = wire::text(field, reader, "name"); break;
      case 4: inputs.push_back(wire::text(field, reader, "input")); break;
      case 5: outputs.push_back(wire::text(field, reader, "output")); break;
      case 6: f.attributes.emplace_back(wire::text(field, reader, "attribute")); break;
      case 7: nodes.push_back(wire::text(field, reader, "node")); break;
      case 8: f.doc = wire::text(field, reader, "doc_string"); break;
      case 9: add_opset(opsets, field, reader, source); break;
      case 10: f.domain = normal_domain(wire::text(field, reader, "domain")); break;
      case 11: defaults.push_back(wire::text(field, reader, "attribute_proto")); break;
      case 12: infos.push_back(wire::text(field, reader, "value_info")); break;
      case 13: f.overload = wire::text(field, reader, "overload"); break;
      case 14: f.metadata.push_back(parse_entry(wire::text(field, reader, "metadata_props"), source)); break;
      case kDetailField: break;
      default: unknown.append(field.raw); break;
    }
  }
  if (opsets.empty()) opsets = model_opsets;
  if (defaults.size() > kMostAttributes)
    reader.fail(fmt::format("a function has {} attributes, more than {}", defaults.size(), kMostAttributes));
  try {
    GraphReader body(source, opsets, nullptr);
    body.raw_fields() = std::move(unknown);
    for (std::string_view attribute : defaults) {
      std::string name;
      AttrValue value = body.read_attribute(attribute, name, body.raw_fields());
      if (f.defaults.find(name) != nullptr) reader.fail(fmt::format("attribute \"{}\" is given twice", name));
      f.defaults.set(name, std::move(value));
    }
    f.body = body.read_function_body(inputs, outputs, nodes, infos);
  } catch (const Error& error) {
    throw error.at(fmt::format("function \"{}.{}\", file offset {}", f.domain, f.name, source.offset(message)));
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
      case 1: model.ir_version = wire::integer(field, reader, "ir_version"); break;
      case 2: model.producer_name = wire::text(field, reader, "producer_name"); break;
      case 3: model.producer_version = wire::text(field, reader, "producer_version"); break;
      case 4: model.domain = wire::text(field, reader, "domain"); break;
      case 5: model.model_version = wire::integer(field, reader, "model_version"); break;
      case 6: model.doc = wire::text(field, reader, "doc_string"); break;
      case 7:
        graph = wire::text(field, reader, "graph");
        has_graph = true;
        break;
      case 8: add_opset(opsets, field, reader, source); break;
      case 14: model.metadata.push_back(parse_entry(wire::text(field, reader, "metadata_props"), source)); break;
      case 25: functions.push_back(wire::text(field, reader, "functions")); break;
      default: model.raw_fields.append(field.raw); break;
    }
  }
  if (!has_graph) throw Error(Code::bad_input, "the file holds no ONNX graph", {}, "give a model file (.onnx)");
  if (opsets.empty()) opsets.emplace("", 1);  // IR versions 1 and 2 had no operator sets
  for (std::string_view f : functions) model.functions.push_back(read_function(f, source, opsets));
  GraphReader reader_of_graph(source, opsets, nullptr);
  model.graph = reader_of_graph.read_graph(graph);
  return model;
}

}  // namespace

Model read_model(std::string_view bytes, std::shared_ptr<const void> owner, const std::string& folder,
                 const std::string& name, const ReadLimits& limits, ExternalFiles* external) {
  Source source;
  source.base = bytes.data();
  source.owner = std::move(owner);
  source.folder = folder;
  source.limits = limits;
  if (static_cast<int64_t>(bytes.size()) > limits.file_bytes) {
    throw Error(Code::budget, fmt::format("the model has {} bytes; the limit is {}", bytes.size(), limits.file_bytes),
                name);
  }
  try {
    Model model = read(bytes, source, name);
    if (external != nullptr) {
      for (const auto& [location, file] : source.external)
        external->emplace_back(source.folder + "/" + location, file->identity());
    }
    return model;
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
