#include <format/ncnn/ncnn.h>

#include <format/ncnn/table.h>
#include <graph/infer.h>
#include <graph/pass.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>

namespace chorus::ncnn {
namespace {

constexpr std::string_view kWho = "ncnn";

void check_elements(const Emitter& e, const Graph& graph, const Node& node, const Row& row) {
  if (row.elements == Elements::own_check) return;
  const auto check = [&](ValueId id) {
    if (id == kNone || e.is_known(id)) return;
    const Type& type = graph.value(id).type;
    if (!type.is_tensor()) refuse("it has tensors only, no sequences, maps or optional values");
    const bool fits = row.elements == Elements::carried ? is_carried(type.dtype) : type.dtype == DType::float32;
    if (!fits) refuse(fmt::format("it computes in float32, not in {}", dtype_name(type.dtype)));
  };
  for (ValueId id : node.inputs) check(id);
  for (ValueId id : node.outputs) check(id);
}

// Nothing to write where all that the node makes is known already: sizes that were computed from sizes.
bool is_known_already(const Emitter& e, const Node& node) {
  return std::all_of(node.outputs.begin(), node.outputs.end(),
                     [&](ValueId id) { return id == kNone || e.is_known(id); });
}

void write_node(Emitter& e, NodeId id) {
  const Node& node = e.graph().node(id);
  e.set_node(id);
  if (is_known_already(e, node)) return;
  const Row* row = find_row(node);
  if (row == nullptr) refuse(fmt::format("it has no layer for {}", node.type));
  check_elements(e, e.graph(), node, *row);
  row->write(e);
}

std::string sentence(const Node& node, const std::string& what) {
  return fmt::format("{}: {}: {}", kWho, node.type, what);
}

}  // namespace

std::shared_ptr<const Graph> with_sizes(const Graph& given, std::span<const std::optional<Shape>> inputs) {
  auto graph = std::make_shared<Graph>(given);
  for (size_t i = 0; i < inputs.size() && i < graph->inputs().size(); ++i) {
    if (!inputs[i]) continue;
    GraphValue& v = graph->value(graph->inputs()[i]);
    if (!v.type.is_tensor()) continue;
    Dims dims;
    for (int64_t d : inputs[i]->dims()) dims.push_back(Dim(d));
    v.type = Type::tensor(v.type.dtype, std::move(dims));
  }
  for (ValueId id = 0; id < graph->value_capacity(); ++id) {
    GraphValue& v = graph->value(id);
    if (!v.alive || v.producer == kNone) continue;
    v.type = v.type.is_tensor() ? Type::tensor(v.type.dtype) : Type();
    v.symbolic = nullptr;
    v.declared = false;
  }
  graph->checks.clear();
  infer_types(*graph);
  return graph;
}

std::shared_ptr<const Graph> with_assumed_sizes(const Graph& graph) {
  bool all = true;
  for (ValueId id : graph.inputs())
    all = all && (!graph.value(id).type.is_tensor() || graph.value(id).type.is_static());
  if (all) return with_sizes(graph, {});
  for (const int64_t size : {int64_t{224}, int64_t{64}, int64_t{1}, int64_t{48}, int64_t{16}}) {
    std::vector<std::optional<Shape>> sizes;
    for (ValueId id : graph.inputs()) {
      const Type& type = graph.value(id).type;
      auto& one = sizes.emplace_back();
      if (!type.is_tensor() || !type.has_rank) continue;
      std::vector<int64_t> dims;
      for (size_t d = 0; d < type.dims.size(); ++d)
        dims.push_back(type.dims[d].is_number() ? type.dims[d].number() : d == 0 && type.dims.size() > 1 ? 1 : size);
      one = Shape(dims);
    }
    try {
      return with_sizes(graph, sizes);
    } catch (const Error&) {  // these sizes do not fit: the next
    }
  }
  return nullptr;
}

std::vector<std::string> refusals(const Graph& graph, std::span<const NodeId> order) {
  Emitter e(graph, NetWriter::Weights::drop);
  int index = 0;
  for (ValueId id : graph.inputs()) e.add_input(id, index++);
  std::vector<std::string> reasons;
  for (NodeId id : order) {
    std::string& reason = reasons.emplace_back();
    try {
      write_node(e, id);
    } catch (const Refusal& refusal) {
      reason = sentence(graph.node(id), refusal.sentence);
      for (ValueId made : graph.node(id).outputs) {
        if (made != kNone) e.add_input(made, -1);
      }
    }
  }
  return reasons;
}

Net write_net(const Graph& graph) {
  Emitter e(graph, NetWriter::Weights::keep);
  int index = 0;
  for (ValueId id : graph.inputs()) {
    if (!graph.value(id).is_constant() || graph.value(id).is_input) e.add_input(id, index);
    ++index;
  }
  NodeId at = kNone;
  try {
    for (NodeId id : graph.order()) write_node(e, at = id);
    at = kNone;
    index = 0;
    for (ValueId id : graph.outputs()) e.add_output(id, index++);
  } catch (const Refusal& refusal) {
    throw Error(
        Code::unsupported,
        at == kNone ? fmt::format("{}: {}", kWho, refusal.sentence) : sentence(graph.node(at), refusal.sentence),
        at == kNone ? std::string() : graph.where(at), "use another engine, such as native");
  }
  Net net;
  net.param = e.net().param_text();
  net.weights = e.net().weight_bytes();
  net.inputs = e.inputs();
  net.outputs = e.outputs();
  return net;
}

void write_files(const Model& model, const std::string& path) {
  auto graph = std::make_shared<Graph>(*model.graph);
  PassContext context;
  context.functions = &model.functions;
  run_passes(*graph, default_passes(1), context);
  const Net net = write_net(*with_sizes(*graph, {}));
  std::string beside = path.substr(0, path.rfind('.')) + ".bin";
  for (const auto& [file, text] : {std::pair(path, &net.param), std::pair(beside, &net.weights)}) {
    std::ofstream out(file, std::ios::binary);
    out.write(text->data(), static_cast<std::streamsize>(text->size()));
    if (!out.flush()) throw Error(Code::bad_input, "the file cannot be written", file);
  }
}

}  // namespace chorus::ncnn
