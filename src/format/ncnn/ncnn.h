// ncnn's files: .param, the net as text, and .bin, its weights.
#pragma once
#include <format/ncnn/emitter.h>
#include <graph/graph.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace chorus::ncnn {

/// A written net. Inputs name the graph's inputs by index, outputs follow the graph's order; extents are those of the blobs.
struct Net {
  std::string param, weights;
  std::vector<InputPort> inputs;
  std::vector<OutputPort> outputs;
};

/// The graph with these sizes for its inputs (nothing: as the graph has it), every type inferred again. Throws Error(shape) where a size
/// contradicts the graph.
std::shared_ptr<const Graph> with_sizes(const Graph& graph, std::span<const std::optional<Shape>> inputs);
/// The same with sizes assumed where the graph leaves them open: what can be said of a model before its sizes are known. Null where no
/// assumption fits.
std::shared_ptr<const Graph> with_assumed_sizes(const Graph& graph);

/// One sentence for each node of `order` that has no form in ncnn, empty for the others. Nodes have their newest versions and known sizes.
std::vector<std::string> refusals(const Graph& graph, std::span<const NodeId> order);

/// The net of a graph whose nodes have their newest versions and known sizes. Throws Error(unsupported) with the sentence of the first node
/// that has no form.
Net write_net(const Graph& graph);

/// Writes `path` (….param) and its weights beside it (….bin). The model is optimised first. Throws Error.
void write_files(const Model& model, const std::string& path);

}  // namespace chorus::ncnn
