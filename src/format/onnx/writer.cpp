#include <core/file.h>
#include <format/onnx/writer.h>
#include <fmt/format.h>

#include <algorithm>

namespace chorus::onnx {
namespace {

constexpr int64_t kMostBytes = (int64_t{1} << 31) - 1;   // protobuf reads no larger message
constexpr int64_t kDataAlignment = 4096;                 // so that readers can map a tensor
constexpr int64_t kAutomaticBytes = 1024;                // of a tensor that leaves a model which is too large

// Calls `visit` with the graph, and with every graph in the attributes of its nodes.
void for_each_graph(const Graph& graph, const std::function<void(const Graph&)>& visit) {
  visit(graph);
  for (NodeId id = 0; id < graph.node_capacity(); ++id) {
    if (!graph.node(id).alive) continue;
    for (const auto& item : graph.node(id).attributes.items()) {
      if (const GraphPtr* body = item.value.get<GraphPtr>()) for_each_graph(**body, visit);
      if (const auto* bodies = item.value.get<std::vector<GraphPtr>>()) {
        for (const GraphPtr& body : *bodies) for_each_graph(*body, visit);
      }
    }
  }
}

int64_t ir_version_of_type(DType type) {
  switch (type) {
    case DType::bfloat16: return 4;
    case DType::float8e4m3fn:
    case DType::float8e4m3fnuz:
    case DType::float8e5m2:
    case DType::float8e5m2fnuz: return 9;
    case DType::uint4:
    case DType::int4: return 10;
    case DType::float4e2m1: return 11;
    case DType::float8e8m0: return 12;
    case DType::uint2:
    case DType::int2: return 13;
    case DType::float6e2m3:
    case DType::float6e3m2: return 14;
    default: return 3;
  }
}

int64_t ir_version_of_type(const Type& type) {
  const int64_t own = type.kind == ValueKind::optional ? 8 : type.sparse ? 5 : ir_version_of_type(type.dtype);
  return type.elem ? std::max(own, ir_version_of_type(*type.elem)) : own;
}

// The operator sets that the file imports: the graph's, and one for every domain that a node is of.
Opsets imported_opsets(const Graph& graph) {
  Opsets opsets = graph.opsets;
  for_each_graph(graph, [&](const Graph& g) {
    for (NodeId id = 0; id < g.node_capacity(); ++id) {
      if (g.node(id).alive) opsets.try_emplace(g.node(id).domain, std::max(1, newest_opset(g.node(id).domain)));
    }
  });
  return opsets;
}

wire::Writer model_message(const Model& model, const Graph& graph, const std::vector<Function>& functions,
                           const WriteOptions& options, ExternalData* external) {
  const Opsets opsets = imported_opsets(graph);
  wire::Writer out;
  int64_t ir = options.ir_version;
  if (ir == 0) {
    ir = least_ir_version(model, graph);
    if (options.opset == 0) ir = std::max(ir, model.ir_version);
    if (options.opset != 0 || model.ir_version == 0) {
      const auto ai_onnx = opsets.find("");
      ir = std::max(ir, ir_version_of_opset(ai_onnx == opsets.end() ? 0 : ai_onnx->second));
    }
  }
  out.integer(1, ir);
  out.text(2, model.producer_name);
  out.text(3, model.producer_version);
  out.text(4, model.domain);
  out.nonzero(5, model.model_version);
  out.text(6, model.doc);
  out.message(7, GraphWriter(graph, opsets, external, nullptr, nullptr).graph_message());
  for (const auto& [domain, version] : opsets) {
    wire::Writer opset;
    opset.bytes(1, domain);
    opset.integer(2, version);
    out.message(8, opset);
  }
  write_entries(out, 14, model.metadata);
  for (const Function& f : functions)
    out.message(25, GraphWriter(*f.body, f.body->opsets, nullptr, nullptr, nullptr).function_message(f));
  out.raw(Details(model.raw_fields).rest());
  return out;
}

struct Prepared {
  std::shared_ptr<const Graph> graph;
  std::vector<Function> functions;
};

Prepared prepare(const Model& model, const WriteOptions& options) {
  if (!model.graph) throw Error(Code::bad_input, "the model has no graph");
  const auto own = model.graph->opsets.find("");
  const int opset = options.opset != 0 ? options.opset : own != model.graph->opsets.end() ? own->second : 0;
  if (options.opset < 0 || options.opset > newest_opset("")) {
    throw Error(Code::unsupported,
                fmt::format("operator set {} does not exist; the newest is {}", options.opset, newest_opset("")));
  }
  const bool other = own != model.graph->opsets.end() && opset != own->second;
  if (!other && fits_opsets(*model.graph, imported_opsets(*model.graph))) return {model.graph, model.functions};
  return {graph_at_opset(model, opset != 0 ? opset : newest_opset("")), {}};
}

void check_size(const wire::Writer& message) {
  if (message.size() > kMostBytes) {
    throw Error(Code::budget,
                fmt::format("the model has {} bytes; an ONNX file may have {}", message.size(), kMostBytes), {},
                "write large tensors into a file beside it (external data)");
  }
}

}  // namespace

int64_t ir_version_of_opset(int opset) {
  static constexpr int kFirst[] = {1, 9, 10, 11, 12, 15, 19, 21, 23, 24, 25, 28};   // of IR version 3, 4, 5 …
  return 2 + (std::upper_bound(std::begin(kFirst), std::end(kFirst), std::max(opset, 1)) - std::begin(kFirst));
}

int64_t least_ir_version(const Model& model, const Graph& graph) {
  int64_t ir = model.functions.empty() ? 3 : 8;
  for_each_graph(graph, [&](const Graph& g) {
    if (!g.metadata.empty()) ir = std::max<int64_t>(ir, 10);
    for (ValueId id = 0; id < g.value_capacity(); ++id) {
      const GraphValue& v = g.value(id);
      if (!v.alive) continue;
      ir = std::max(ir, v.is_constant() ? ir_version_of_type(v.constant.dtype()) : ir_version_of_type(v.type));
      if (v.is_constant() && !v.is_input) ir = std::max<int64_t>(ir, 4);   // before, initializers had to be inputs
    }
    for (NodeId id = 0; id < g.node_capacity(); ++id) {
      if (g.node(id).alive && (!g.node(id).metadata.empty() || !g.node(id).overload.empty()))
        ir = std::max<int64_t>(ir, 10);
    }
  });
  return ir;
}

bool fits_opsets(const Graph& graph, const Opsets& opsets) {
  bool fits = true;
  for_each_graph(graph, [&](const Graph& g) {
    for (NodeId id = 0; id < g.node_capacity() && fits; ++id) {
      const Node& n = g.node(id);
      if (!n.alive || n.op == nullptr) continue;
      const auto opset = opsets.find(n.domain);
      fits = opset != opsets.end() && n.op->version_index(opset->second) == n.version;
    }
  });
  return fits;
}

std::string write_model(const Model& model, const WriteOptions& options) {
  const Prepared ready = prepare(model, options);
  const wire::Writer message = model_message(model, *ready.graph, ready.functions, options, nullptr);
  check_size(message);
  return message.str();
}

void write_model_file(const Model& model, const std::string& path, const WriteOptions& options) {
  const Prepared ready = prepare(model, options);
  ExternalData external;
  external.least_bytes = options.external_bytes;
  const size_t slash = path.find_last_of('/');
  external.location = path.substr(slash == std::string::npos ? 0 : slash + 1) + ".data";
  std::optional<AtomicFile> data;
  external.append = [&](std::string_view bytes) {
    if (!data) data.emplace(path + ".data");
    data->align(kDataAlignment);
    const int64_t offset = data->written();
    data->write(bytes);
    return offset;
  };
  wire::Writer message = model_message(model, *ready.graph, ready.functions, options, &external);
  if (message.size() > kMostBytes && external.least_bytes == 0) {
    external.least_bytes = kAutomaticBytes;
    message = model_message(model, *ready.graph, ready.functions, options, &external);
  }
  check_size(message);
  AtomicFile file(path);
  message.pieces([&](std::string_view part) { file.write(part); });
  // The tensors first: a model under its name always finds its data.
  if (data) data->commit();
  file.commit();
}

}  // namespace chorus::onnx
