// chorus check: whether a model is sound, and with --run whether every engine here answers as a float64 oracle does; where one does
// not, the first node that goes wrong, as a model of its own.
#include "command.h"
#include "engine_runs.h"
#include "upstream_report.h"

#include <core/file.h>
#include <core/progress.h>
#include <engine/engine.h>
#include <engine/native/native_engine.h>
#include <format/onnx/onnx.h>
#include <graph/infer.h>
#include <graph/pass.h>
#include <graph/verify.h>
#include <runtime/custom_op.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

namespace chorus::app {
namespace {

using Json = nlohmann::ordered_json;

struct Options : ComparisonOptions {
  std::string write;
  bool run = false;
};

struct NodeError {
  NodeId id = kNone;
  std::string value, node, op;
  Difference total;  ///< against the oracle of the whole model
  Difference own;  ///< against the oracle of this node alone, on the values that the engine gave it
};

/// Half-width types cannot be as near to the oracle as the tolerance asks: they are measured in units of their own last place, of which a
/// conversion is allowed half a one (the hundredth is for operands that differ within the tolerance) and a computation a few.
bool is_narrow(const Difference& d) { return d.narrow; }
bool agrees(const NodeError& e, const Difference& d, double tolerance) {
  if (!is_narrow(d)) return d.within(tolerance);
  return d.reason.empty() && d.units <= (e.op == "Cast" || e.op == "CastLike" ? 0.51 : 4.0);
}

struct Report {
  std::string engine, reason;
  std::vector<std::pair<std::string, Difference>> outputs;
  std::vector<NodeError> nodes;  ///< in the order of the graph
  const NodeError* first = nullptr;
};

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
void measure_own(const Model& model, const EngineRun& run, const NamedValues& inputs, const Options& options,
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

Report examine(const Model& model, const EngineRun& run, const EngineRun& oracle, const NamedValues& inputs,
               const Options& options) {
  Report report{run.engine, run.reason, {}, {}, nullptr};
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
    if (agrees(e, e.total, options.tolerance)) continue;
    measure_own(model, run, inputs, options, e);
    // Through a chain of half-width values errors add up: there a node is wrong by what it does itself.
    if (is_narrow(e.total) && agrees(e, e.own, options.tolerance)) continue;
    report.first = &e;
    break;
  }
  return report;
}

std::string number(double x) { return std::isinf(x) ? "inf" : fmt::format("{:.3g}", x); }
std::string figures(const Difference& d) {
  return d.reason.empty()
             ? fmt::format("absolute {} relative {} ulp {}", number(d.absolute), number(d.relative), number(d.units))
             : d.reason;
}
Json figures_json(const Difference& d) {
  const auto finite = [](double x) { return std::isfinite(x) ? Json(x) : Json("inf"); };
  return {{"absolute", finite(d.absolute)},
          {"relative", finite(d.relative)},
          {"ulp", finite(d.units)},
          {"reason", d.reason}};
}

void print_report(const Report& r, const Options& options) {
  if (!r.reason.empty()) {
    std::printf("%s: cannot run it: %s\n", r.engine.c_str(), r.reason.c_str());
    return;
  }
  std::printf("%s:\n", r.engine.c_str());
  for (const auto& [name, d] : r.outputs)
    std::printf("  output \"%s\": %s%s\n", name.c_str(), figures(d).c_str(),
                d.within(options.tolerance) ? "" : "  WRONG");
  if (r.first == nullptr) {
    std::printf("  every node agrees with the oracle within %g\n", options.tolerance);
    return;
  }
  const bool own = !agrees(*r.first, r.first->own, options.tolerance);
  std::printf(
      "  first node that differs: \"%s\" (%s), value \"%s\": %s\n  the node alone: %s: %s\n", r.first->node.c_str(),
      r.first->op.c_str(), r.first->value.c_str(), figures(r.first->total).c_str(), figures(r.first->own).c_str(),
      own ? "the engine computes it wrongly" : "it enlarges the rounding errors of its operands (badly conditioned)");
}

Json report_json(const Report& r, const Options& options) {
  Json outputs = Json::array(), nodes = Json::array(), first;
  for (const auto& [name, d] : r.outputs)
    outputs.push_back({{"output", name}, {"agrees", d.within(options.tolerance)}, {"error", figures_json(d)}});
  for (const NodeError& e : r.nodes)
    nodes.push_back({{"node", e.node}, {"op", e.op}, {"value", e.value}, {"error", figures_json(e.total)}});
  if (r.first != nullptr) {
    first = {{"node", r.first->node},
             {"op", r.first->op},
             {"value", r.first->value},
             {"error", figures_json(r.first->total)},
             {"own", figures_json(r.first->own)}};
  }
  return {{"engine", r.engine}, {"reason", r.reason}, {"outputs", outputs}, {"first", first}, {"nodes", nodes}};
}

/// The first wrong node as FILE, its inputs as FILE's name with .npz, and a text about it with .md.
void write_minimal(const Model& model, const Report& report, const EngineRun& run, const NamedValues& inputs,
                   const Options& options) {
  const std::string& path = options.write;
  NamedValues feeds;
  const Model alone = single_node(model, report.first->id, run, inputs, &feeds);
  if (!alone.graph)
    throw Error(Code::unsupported,
                "node \"" + report.first->node + "\" cannot stand alone: its operands were not seen");
  onnx::write_model_file(alone, path);
  const std::string stem = path.size() > 5 && path.ends_with(".onnx") ? path.substr(0, path.size() - 5) : path;
  write_npz(stem + ".npz", feeds);
  const auto name = [](const std::string& file) { return file.substr(file.rfind('/') + 1); };
  Finding finding{report.engine,       open_engine(options.model.opened(report.engine))->version(),
                  name(path),          name(stem + ".npz"),
                  report.first->value, report.first->own};
  AtomicFile text(stem + ".md");
  text.write(upstream_report(alone, feeds, finding));
  text.commit();
  std::fprintf(stderr, "chorus: wrote %s, %s.npz and %s.md\n", path.c_str(), stem.c_str(), stem.c_str());
}

int examine_all(const Model& model, const Options& options, Json* json) {
  std::vector<std::string> engines = options.engines;
  if (engines.empty()) {
    for (const EngineInfo& e : list_engines()) {
      if (e.available) engines.push_back(e.name);
    }
  }
  TerminalBar bar;
  Progress progress(&bar, "check", static_cast<int64_t>(engines.size()) + 1);
  const NamedValues inputs = input_values(options.model, options.inputs, options.shapes, options.seed);
  const EngineRun oracle = run_oracle(model, inputs, options.model);
  if (!oracle.reason.empty())
    throw Error(Code::unsupported, "the oracle cannot run the model: " + oracle.reason, options.model.model);
  progress.advance();
  const Model shown = with_all_outputs(model);
  int status = kDone;
  if (json == nullptr) std::printf("oracle: %s\n", oracle.engine.c_str());
  for (const std::string& engine : engines) {
    const EngineRun run = run_on(engine, shown, inputs, options.model);
    progress.advance();
    const Report report = examine(model, run, oracle, inputs, options);
    if (json != nullptr)
      json->push_back(report_json(report, options));
    else
      print_report(report, options);
    if (report.first != nullptr && status != kOurFault && !options.write.empty())
      write_minimal(model, report, run, inputs, options);
    if (report.first != nullptr)
      status = kOurFault;
    else if (!run.reason.empty() && !options.engines.empty() && status == kDone)
      status = kEngineCannot;
  }
  return status;
}

int check(Options options) {
  load_plugins_of_environment();
  options.run = options.run || !options.inputs.empty() || !options.shapes.empty() || !options.engines.empty() ||
                !options.write.empty();
  Model model = onnx::read_model(options.model.model);
  verify(*model.graph);
  for (const Function& function : model.functions) verify(*function.body);
  const auto optimized = native::optimize(model, {});
  verify(*optimized, true);
  const std::string sound = fmt::format("{}: sound; {} nodes, {} after the passes", options.model.model,
                                        model.graph->node_count(), optimized->node_count());
  if (!options.json) std::printf("%s\n", sound.c_str());
  auto graph = std::make_shared<Graph>(*model.graph);
  for (NodeId id : graph->order()) {
    Node& n = graph->node(id);
    if (n.name.empty()) n.name = fmt::format("{}_{}", n.type, id);
  }
  infer_types(*graph);
  model.graph = graph;
  Json engines = Json::array();
  const int status = options.run ? examine_all(model, options, options.json ? &engines : nullptr) : kDone;
  if (options.json) {
    const Json json = {{"model", options.model.model},       {"sound", true},
                       {"nodes", model.graph->node_count()}, {"nodes_after_passes", optimized->node_count()},
                       {"tolerance", options.tolerance},     {"engines", engines}};
    std::printf("%s\n", json.dump(1, ' ', false, Json::error_handler_t::replace).c_str());
  }
  return status;
}

}  // namespace

void add_check(Arguments app, Outcome& outcome) {
  Arguments sub = app.command("check", "whether a model is sound and all engines compute it rightly");
  auto options = std::make_shared<Options>();
  add_comparison_options(sub, *options, "only these, with commas between");
  sub.flag("--run", options->run,
           "run it on every engine that is here and on a float64 oracle (implied by the options below)");
  sub.option("--write", options->write,
             "the first wrong node as a model in this file, beside it its inputs as .npz and a report for the engine's "
             "makers as .md")
      .value("FILE");
  sub.flag("--json", options->json, "print as JSON: every node's error");
  sub.footer(
      "Exit status 1 when an engine answers wrongly.\nExamples:\n  chorus check model.onnx\n  chorus check model.onnx "
      "--run\n"
      "  chorus check model.onnx --engines onnxruntime --input feeds.npz --write wrong.onnx");
  sub.action([options, &outcome] { outcome.status = check(*options); });
}

}  // namespace chorus::app
