// Segments of a model that suit different engines.
#include <engine/placement/assign.h>
#include <engine/placement/auto.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace chorus::placement {
namespace {

enum Kind : int { kLight = -1, kConvolution, kProduct, kTree, kCell, kSampling, kBody, kData };

Kind kind_of(const Graph& graph, const Node& node) {
  constexpr std::array<std::string_view, 5> kConvolutions = {"Conv", "ConvTranspose", "ConvInteger", "QLinearConv",
                                                             "DeformConv"};
  constexpr std::array<std::string_view, 7> kProducts = {"MatMul",    "Gemm",   "MatMulInteger", "QLinearMatMul",
                                                         "Attention", "Einsum", "FlexAttention"};
  constexpr std::array<std::string_view, 3> kCells = {"LSTM", "GRU", "RNN"};
  constexpr std::array<std::string_view, 8> kSamplings = {"RoiAlign", "MaxRoiPool", "GridSample", "NonMaxSuppression",
                                                          "TopK",     "Unique",     "DFT",        "STFT"};
  const auto in = [&](const auto& list) { return std::find(list.begin(), list.end(), node.type) != list.end(); };
  for (const auto& item : node.attributes.items()) {
    if (item.value.kind() == AttrKind::graph) return kBody;
  }
  if (node.domain == "ai.onnx.ml") return kTree;
  for (ValueId out : node.outputs) {
    if (out == kNone) continue;
    const Type& type = graph.value(out).type;
    if (!type.is_tensor() || type.dtype == DType::string) return kData;
  }
  if (!node.domain.empty()) return kLight;
  return in(kConvolutions) ? kConvolution
         : in(kProducts)   ? kProduct
         : in(kCells)      ? kCell
         : in(kSamplings)  ? kSampling
                           : kLight;
}

template <class F>
void each_operand(const Node& node, F&& body) {
  for (ValueId id : node.inputs) {
    if (id != kNone) body(id);
  }
  for (ValueId id : node.captured) body(id);
}

// What is light goes with what comes before it, else with what comes behind it.
std::vector<int> kinds(const Graph& graph, const std::vector<NodeId>& order) {
  std::vector<int> kind(static_cast<size_t>(graph.node_capacity()), kLight);
  const auto of = [&](NodeId id) -> int& { return kind[static_cast<size_t>(id)]; };
  for (NodeId id : order) {
    of(id) = kind_of(graph, graph.node(id));
    if (of(id) != kLight) continue;
    each_operand(graph.node(id), [&](ValueId in) {
      const NodeId producer = graph.value(in).producer;
      if (producer != kNone && of(producer) != kLight) of(id) = of(producer);
    });
  }
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    if (of(*it) != kLight) continue;
    for (ValueId out : graph.node(*it).outputs) {
      if (out == kNone) continue;
      for (const Use& use : graph.value(out).uses) of(*it) = std::max(of(*it), of(use.node));
    }
  }
  for (NodeId id : order) of(id) = std::max<int>(of(id), kConvolution);
  return kind;
}

}  // namespace

Segments segments_of(const Model& model) {
  Segments made;
  std::shared_ptr<Graph> graph = normal_form(model, Versions::of_the_file);
  const std::vector<NodeId> order = graph->order();
  std::vector<int> kind = kinds(*graph, order);
  Cut parts = cut(*graph, kind);
  if (parts.nodes.size() > kMostSegments) {   // convolutions and products take turns in many networks: one of both
    for (int& k : kind) k = k == kProduct ? static_cast<int>(kConvolution) : k;
    parts = cut(*graph, kind);
  }
  made.nodes = std::move(parts.nodes);
  if (made.nodes.size() > kMostSegments) made.nodes = {order};
  made.graph = std::move(graph);
  return made;
}

}  // namespace chorus::placement
