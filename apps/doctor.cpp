#include "doctor.h"

#include "upstream_report.h"

#include <core/file.h>
#include <engine/engine.h>
#include <format/onnx/onnx.h>
#include <graph/infer.h>
#include <fmt/format.h>

#include <algorithm>

namespace chorus::app {
namespace {

/// The node alone: its operands as inputs, or constants where the model has them. Empty when a value was not seen.
Model single_node(const Model& model, NodeId id, const EngineRun& run, const NamedValues& inputs, NamedValues* feeds) {
  const Graph& from = *model.graph;
  const Node& n = from.node(id);
  auto graph = std::make_shared<Graph>();
  graph->name = n.name;
  graph->opsets = from.opsets;
  Node copy = n;
  copy.captured.clear();
  for (ValueId& in : copy.inputs) {
    if (in == kNone) continue;
    const GraphValue& v = from.value(in);
    if (const ValueId known = graph->find_value(v.name); known != kNone) {
      in = known;
      continue;
    }
    Value value = v.constant;
    if (const auto seen = run.values.find(v.name); seen != run.values.end()) value = seen->second;
    for (const auto& [name, given] : inputs) {
      if (name == v.name) value = given;
    }
    if (!value || (!v.is_constant() && !value.is_tensor())) return {};
    if (v.is_constant()) {
      in = graph->add_constant(v.name, value);
      continue;
    }
    Dims dims;
    for (int64_t d : value.shape()) dims.push_back(Dim(d));
    in = graph->add_input(v.name, Type::tensor(value.dtype(), dims));
    feeds->emplace_back(v.name, value);
  }
  for (ValueId& out : copy.outputs) {
    if (out != kNone) out = graph->add_value(from.value(out).name);
  }
  const NodeId made = graph->add_node(std::move(copy));
  for (ValueId out : graph->node(made).outputs) {
    if (out != kNone) graph->add_output(out);
  }
  infer_types(*graph);
  Model result;
  result.graph = std::move(graph);
  result.functions = model.functions;
  result.ir_version = model.ir_version;
  result.producer_name = "chorus check";
  result.source = model.source;
  return result;
}

/// What the node itself adds: the engine's answer to its own operands against the oracle's.
void measure_own(const Model& model, const EngineRun& run, const NamedValues& inputs, const ComparisonOptions& options,
                 NodeError& error) {
  NamedValues feeds;
  const Model alone = single_node(model, error.id, run, inputs, &feeds);
  if (!alone.graph) {
    error.own.reason = "its operands were not seen";
    return;
  }
  const EngineRun oracle = run_oracle(alone, feeds, options.model);
  const auto a = run.values.find(error.value), b = oracle.values.find(error.value);
  if (a == run.values.end() || b == oracle.values.end())
    error.own.reason = oracle.reason.empty() ? "it was not seen" : oracle.reason;
  else
    error.own = difference(a->second, b->second);
}

}  // namespace

// Half-width types cannot be as near to the oracle as the tolerance asks: they are measured in units of their own last place, of which a
// conversion is allowed half a one (the hundredth is for operands that differ within the tolerance) and a computation a few.
bool agrees(const std::string& op, const Difference& d, double tolerance) {
  if (!d.narrow) return d.within(tolerance);
  return d.reason.empty() && d.units <= (op == "Cast" || op == "CastLike" ? 0.51 : 4.0);
}

Diagnosis examine(const Model& model, const EngineRun& run, const EngineRun& oracle, const NamedValues& inputs,
                  const ComparisonOptions& options) {
  Diagnosis report{run.engine, run.reason, {}, {}, nullptr};
  const Graph& graph = *model.graph;
  for (NodeId id : graph.order()) {
    for (ValueId out : graph.node(id).outputs) {
      if (out == kNone) continue;
      const std::string& name = graph.value(out).name;
      const auto a = run.values.find(name), b = oracle.values.find(name);
      if (a == run.values.end() || b == oracle.values.end()) continue;
      NodeError error{id, name, graph.node(id).name, graph.node(id).type, difference(a->second, b->second), {}};
      if (graph.is_output(out)) report.outputs.emplace_back(name, error.total);
      report.nodes.push_back(std::move(error));
    }
  }
  for (NodeError& e : report.nodes) {
    if (agrees(e.op, e.total, options.tolerance)) continue;
    measure_own(model, run, inputs, options, e);
    // Through a chain of half-width values errors add up: there a node is wrong by what it does itself.
    if (e.total.narrow && agrees(e.op, e.own, options.tolerance)) continue;
    report.first = &e;
    break;
  }
  return report;
}

void write_minimal(const Model& model, const Diagnosis& report, const EngineRun& run, const NamedValues& inputs,
                   const ComparisonOptions& options, const std::string& path) {
  NamedValues feeds;
  const Model alone = single_node(model, report.first->id, run, inputs, &feeds);
  if (!alone.graph)
    throw Error(Code::unsupported,
                "node \"" + report.first->node + "\" cannot stand alone: its operands were not seen");
  onnx::write_model_file(alone, path);
  const std::string stem = path.size() > 5 && path.ends_with(".onnx") ? path.substr(0, path.size() - 5) : path;
  write_npz(stem + ".npz", feeds);
  const auto name = [](const std::string& file) { return file.substr(file.rfind('/') + 1); };
  WrongNode finding{report.engine,       open_engine(options.model.opened(report.engine))->version(),
                    name(path),          name(stem + ".npz"),
                    report.first->value, report.first->own};
  AtomicFile text(stem + ".md");
  text.write(upstream_report(alone, feeds, finding));
  text.commit();
}

Model with_node_names(const Model& model) {
  auto graph = std::make_shared<Graph>(*model.graph);
  for (NodeId id : graph->order()) {
    Node& n = graph->node(id);
    if (n.name.empty()) n.name = fmt::format("{}_{}", n.type, id);
  }
  infer_types(*graph);
  Model named = model;
  named.graph = std::move(graph);
  return named;
}

}  // namespace chorus::app
