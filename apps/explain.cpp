// chorus explain: which engine and kernel runs every node of a model, and why.
#include "command.h"
#include "model_options.h"

#include <engine/engine.h>
#include <format/onnx/onnx.h>
#include <graph/infer.h>
#include <runtime/custom_op.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <map>
#include <memory>

namespace chorus::app {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  ModelOptions model;
  bool json = false, strict = false;
};

/// What happens to a node of the file.
struct Row {
  std::string node, op, engine, kernel, type, reason;
};

std::string type_of(const Graph& graph, const Node& n) {
  return n.outputs.empty() || n.outputs[0] == kNone ? "" : graph.value(n.outputs[0]).type.str();
}

std::string name_of(const Node& n, NodeId id) { return n.name.empty() ? fmt::format("{}_{}", n.type, id) : n.name; }

std::string operator_of(const Node& n) {
  const std::string domain = n.domain.empty() ? "" : n.domain + ".";
  return n.op == nullptr ? domain + n.type : fmt::format("{}{}-{}", domain, n.type, n.schema().since);
}

/// Steps of the compiled program by the nodes that they cover.
std::map<std::string, StepInfo> steps_by_node(const Model& model, const Options& options) {
  CompileOptions compile;
  compile.threads = std::max(options.model.threads, 1);
  compile.optimize = options.model.optimize;
  compile.reference_kernels = options.model.reference;
  const auto instance = open_engine(options.model.opened(options.model.engine))->compile(model, compile)->instance();
  std::map<std::string, StepInfo> result;
  for (const StepInfo& step : instance->steps()) {
    for (const std::string& node : step.nodes) result.emplace(node, step);
    result.emplace(step.name, step);
  }
  return result;
}

std::vector<Row> explain(const Model& model, const Options& options) {
  const auto engine = open_engine(options.model.opened(options.model.engine));
  CompileOptions compile;
  compile.optimize = options.model.optimize;
  const Graph& graph = *model.graph;
  std::map<NodeId, Claim> claims;
  bool all = true;
  for (Claim& claim : engine->claim(graph, compile)) {
    const Node& n = graph.node(claim.node);
    // A call of a function of the file is computed as its body.
    const bool called =
        n.op == nullptr && std::any_of(model.functions.begin(), model.functions.end(), [&](const Function& f) {
          return f.name == n.type && f.domain == n.domain && f.overload == n.overload;
        });
    if (called) {
      claim.verdict = Verdict::yes;
      claim.reason = "a function of the model: its body runs";
    }
    all = all && claim.verdict != Verdict::no;
    claims[claim.node] = std::move(claim);
  }
  const auto steps = all ? steps_by_node(model, options) : std::map<std::string, StepInfo>();
  std::vector<Row> rows;
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    Row row{name_of(n, id), operator_of(n), options.model.engine, "", type_of(graph, n), ""};
    const auto claim = claims.find(id);
    const auto step = steps.find(row.node);
    if (claim != claims.end() && claim->second.verdict == Verdict::no) {
      row.engine = "none";
      row.reason = claim->second.reason;
    } else if (step != steps.end()) {
      row.kernel = step->second.kernel;
      if (step->second.name != row.node) row.reason = fmt::format("in the step of node \"{}\"", step->second.name);
    } else if (all) {
      row.kernel = "-";
      row.reason = "no step: folded into a constant, rewritten by a pass, or a view of its operand";
    }
    if (row.reason.empty() && claim != claims.end()) row.reason = claim->second.reason;
    rows.push_back(std::move(row));
  }
  return rows;
}

void print(const std::vector<Row>& rows, const Options& options) {
  size_t taken = 0;
  for (const Row& r : rows) taken += r.engine != "none";
  if (options.json) {
    Json nodes = Json::array();
    for (const Row& r : rows) {
      nodes.push_back({{"node", r.node},
                       {"op", r.op},
                       {"engine", r.engine},
                       {"kernel", r.kernel},
                       {"type", r.type},
                       {"reason", r.reason}});
    }
    const Json json = {{"model", options.model.model},
                       {"engine", options.model.engine},
                       {"taken", taken},
                       {"refused", rows.size() - taken},
                       {"nodes", nodes}};
    std::printf("%s\n", json.dump(1, ' ', false, Json::error_handler_t::replace).c_str());
    return;
  }
  size_t wide[4] = {4, 8, 6, 6};
  for (const Row& r : rows) {
    const std::string* cells[] = {&r.node, &r.op, &r.engine, &r.kernel};
    for (size_t i = 0; i < 4; ++i) wide[i] = std::max(wide[i], std::min<size_t>(cells[i]->size(), 48));
  }
  const auto line = [&](const std::string& a, const std::string& b, const std::string& c, const std::string& d,
                        const std::string& e, const std::string& f) {
    std::printf("%s\n", fmt::format("{:<{}}  {:<{}}  {:<{}}  {:<{}}  {}{}{}", a, wide[0], b, wide[1], c, wide[2], d,
                                    wide[3], e, f.empty() ? "" : "  ", f)
                            .c_str());
  };
  line("node", "operator", "engine", "kernel", "type", "reason");
  for (const Row& r : rows) line(r.node, r.op, r.engine, r.kernel, r.type, r.reason);
  std::printf("%zu of %zu nodes run on %s\n", taken, rows.size(), options.model.engine.c_str());
}

int run(const Options& options) {
  load_plugins_of_environment();
  Model model = onnx::read_model(options.model.model);
  auto graph = std::make_shared<Graph>(*model.graph);
  for (NodeId id : graph->order()) {
    if (graph->node(id).name.empty()) graph->node(id).name = name_of(graph->node(id), id);
  }
  try {
    infer_types(*graph);
  } catch (const Error& error) {
    if (error.code() != Code::unsupported) throw;   // operators without a row: the table says so node by node
  }
  model.graph = graph;
  const std::vector<Row> rows = explain(model, options);
  print(rows, options);
  const bool refused = std::any_of(rows.begin(), rows.end(), [](const Row& r) { return r.engine == "none"; });
  return options.strict && refused ? kEngineCannot : kDone;
}

}  // namespace

void add_explain(Arguments app, Outcome& outcome) {
  Arguments sub = app.command("explain", "which engine and kernel runs every node of a model, and why");
  auto options = std::make_shared<Options>();
  add_model_options(sub, options->model);
  sub.flag("--strict", options->strict, "exit status 4 when the engine refuses a node");
  sub.flag("--json", options->json, "print as JSON");
  sub.footer(
      "Examples:\n  chorus explain model.onnx\n  chorus explain model.onnx --engine onnxruntime --strict\n  chorus "
      "explain model.onnx --json");
  sub.action([options, &outcome] { outcome.status = run(*options); });
}

}  // namespace chorus::app
