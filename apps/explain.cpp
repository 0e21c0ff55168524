// chorus explain: which engine and kernel runs every node of a model, and why.
#include "command.h"
#include "model_options.h"

#include <core/log.h>
#include <engine/placement/placement.h>
#include <engine/registry/registry.h>
#include <format/onnx/onnx.h>
#include <graph/infer.h>
#include <runtime/custom_op.h>
#include <runtime/tuning_log.h>
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
  std::string node, op, engine, kernel, device, type, reason;
};

std::string type_of(const Graph& graph, const Node& n) {
  return n.outputs.empty() || n.outputs[0] == kNone ? "" : graph.value(n.outputs[0]).type.str();
}

std::string name_of(const Node& n, NodeId id) { return n.name.empty() ? fmt::format("{}_{}", n.type, id) : n.name; }

std::string operator_of(const Node& n) {
  const std::string domain = n.domain.empty() ? "" : n.domain + ".";
  return n.op == nullptr ? domain + n.type : fmt::format("{}{}-{}", domain, n.type, n.schema().since);
}

/// What explain says besides the rows.
struct Explained {
  std::string engine;
  std::vector<Row> rows;
  std::vector<placement::Part> parts;   ///< empty: nothing runs
  std::vector<placement::Crossing> crossings;
  size_t elsewhere = 0, refused = 0;
};

using Steps = std::map<std::string, StepInfo>;

/// Steps of the compiled program by the nodes that they cover.
Steps steps_by_node(Program& program) {
  Steps result;
  for (const StepInfo& step : program.instance()->steps()) {
    for (const std::string& node : step.nodes) result.emplace(node, step);
    result.emplace(step.name, step);
  }
  return result;
}

/// The step of a node, or of the first of the simpler nodes in its place ("name/…").
Steps::const_iterator step_of(const Steps& steps, const std::string& node) {
  const auto own = steps.find(node);
  if (own != steps.end()) return own;
  const auto made = steps.lower_bound(node + "/");
  return made != steps.end() && made->first.starts_with(node + "/") ? made : steps.end();
}

/// The engine's sentences for nodes that it takes, and for those that it refuses.
std::map<NodeId, Claim> claims_of(Engine& engine, const Model& model, const CompileOptions& compile) {
  const Graph& graph = *model.graph;
  std::map<NodeId, Claim> claims;
  for (Claim& claim : engine.claim(graph, compile)) {
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
    claims[claim.node] = std::move(claim);
  }
  return claims;
}

/// No engine takes the whole: which nodes are refused, and why. Throws `error` where all had been claimed.
Explained refused_model(Engine& engine, const Model& model, const CompileOptions& compile, const Error& error) {
  Explained result{std::string(engine.name()), {}, {}, {}};
  const auto claims = claims_of(engine, model, compile);
  for (NodeId id : model.graph->order()) {
    const Node& n = model.graph->node(id);
    Row row{name_of(n, id), operator_of(n), result.engine, "", "cpu", type_of(*model.graph, n), ""};
    const auto claim = claims.find(id);
    if (claim != claims.end()) row.reason = claim->second.reason;
    if (claim != claims.end() && claim->second.verdict == Verdict::no) {
      row.engine = "none";
      ++result.refused;
    }
    result.rows.push_back(std::move(row));
  }
  if (result.refused == 0) throw error;
  return result;
}

Explained explain(const Model& model, const Options& options, std::shared_ptr<const Tuning> tuning) {
  CompileOptions compile;
  compile.threads = std::max(options.model.threads, 1);
  compile.optimize = options.model.optimize;
  compile.reference_kernels = options.model.reference;
  compile.tuning = std::move(tuning);
  const auto engine = open_complete_engine(options.model.opened(engine_of(options.model)));
  std::shared_ptr<Program> program;
  try {
    program = engine->compile(model, compile);
  } catch (const Error& error) {
    if (error.code() != Code::unsupported) throw;
    return refused_model(*engine, model, compile, error);
  }
  const placement::Placement placed = placement::placement_of(*program, model, engine->name());
  const bool cut = placed.elsewhere() > 0 || placed.parts.size() > 1;
  const auto claims = cut ? std::map<NodeId, Claim>() : claims_of(*engine, model, compile);
  const Steps steps = steps_by_node(*program);
  Explained result{placed.asked, {}, placed.parts, placed.crossings, placed.elsewhere()};
  for (const placement::Placed& p : placed.nodes) {
    const Node& n = model.graph->node(p.node);
    Row row{name_of(n, p.node), operator_of(n), p.engine, "-", p.device, p.type, p.reason};
    const auto claim = claims.find(p.node);
    const auto step = step_of(steps, row.node);
    if (step != steps.end()) {
      row.kernel = step->second.kernel;
      if (row.reason.empty() && step->second.name != row.node && !step->second.name.starts_with(row.node + "/"))
        row.reason = fmt::format("in the step of node \"{}\"", step->second.name);
    } else if (row.reason.empty()) {
      row.reason = "no step: folded into a constant, rewritten by a pass, or a view of its operand";
    }
    if (row.reason.empty() && claim != claims.end()) row.reason = claim->second.reason;
    result.rows.push_back(std::move(row));
  }
  return result;
}

std::string_view how(const placement::Crossing& c) {
  return c.passing == placement::Passing::lent ? "pointer" : "copy";
}

void print_json(const Explained& e, const Options& options) {
  Json nodes = Json::array(), parts = Json::array(), crossings = Json::array();
  for (const Row& r : e.rows) {
    nodes.push_back({{"node", r.node},
                     {"op", r.op},
                     {"engine", r.engine},
                     {"device", r.device},
                     {"kernel", r.kernel},
                     {"type", r.type},
                     {"reason", r.reason}});
  }
  size_t copies = 0;
  for (const placement::Part& p : e.parts) parts.push_back({{"engine", p.engine}, {"nodes", p.nodes.size()}});
  for (const placement::Crossing& c : e.crossings) {
    copies += c.passing == placement::Passing::copied;
    crossings.push_back(
        {{"value", c.value}, {"from", c.from}, {"to", c.to}, {"type", c.type}, {"bytes", c.bytes}, {"by", how(c)}});
  }
  const Json json = {
      {"model", options.model.model}, {"engine", e.engine},   {"taken", e.rows.size() - e.refused - e.elsewhere},
      {"elsewhere", e.elsewhere},     {"refused", e.refused}, {"parts", parts},
      {"crossings", crossings},       {"copies", copies},     {"nodes", nodes}};
  std::printf("%s\n", json.dump(1, ' ', false, Json::error_handler_t::replace).c_str());
}

void print_table(const std::vector<Row>& rows) {
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
}

void print(const Explained& e, const Options& options) {
  if (options.json) return print_json(e, options);
  print_table(e.rows);
  std::printf("%zu of %zu nodes run on %s\n", e.rows.size() - e.refused - e.elsewhere, e.rows.size(), e.engine.c_str());
  if (e.elsewhere == 0) return;
  size_t copies = 0;
  for (const placement::Crossing& c : e.crossings) copies += c.passing == placement::Passing::copied;
  std::printf("%zu elsewhere; %zu parts, %zu values cross between them, %zu of them copied\n", e.elsewhere,
              e.parts.size(), e.crossings.size(), copies);
  for (size_t p = 0; p < e.parts.size(); ++p) {
    std::printf("part %zu: %s, %zu nodes\n", p + 1, e.parts[p].engine.c_str(), e.parts[p].nodes.size());
    for (const placement::Crossing& c : e.crossings) {
      if (c.to == static_cast<int>(p))
        std::printf("  from part %d by %s: \"%s\" %s\n", c.from + 1, std::string(how(c)).c_str(), c.value.c_str(),
                    c.type.c_str());
    }
  }
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
  const std::string log = tuning_file(options.model);
  const auto tuning = log.empty() ? nullptr : TuningLog::find(log);
  set_log_sink(nullptr, nullptr);  // what other engines get is said below
  const Explained explained = explain(model, options, tuning);
  print(explained, options);
  return options.strict && explained.refused + explained.elsewhere > 0 ? kEngineCannot : kDone;
}

}  // namespace

void add_explain(Arguments app, Outcome& outcome) {
  Arguments sub = app.command("explain", "which engine and kernel runs every node of a model, and why");
  auto options = std::make_shared<Options>();
  add_model_options(sub, options->model);
  sub.flag("--strict", options->strict, "exit status 4 when a node does not run on the engine");
  sub.flag("--json", options->json, "print as JSON");
  sub.footer(
      "Examples:\n  chorus explain model.onnx\n  chorus explain model.onnx --engine onnxruntime --strict\n  chorus "
      "explain model.onnx --json");
  sub.action([options, &outcome] { outcome.status = run(*options); });
}

}  // namespace chorus::app
