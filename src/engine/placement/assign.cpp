#include <engine/placement/assign.h>

#include <graph/infer.h>
#include <graph/pass.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace chorus::placement {
namespace {

constexpr int kMaxRounds = 8;          // decompositions in decompositions
constexpr size_t kMostAlone = 512;     // nodes that are asked for one by one
constexpr int kMaxNodes = 1 << 20;
constexpr size_t kMostRefusals = 8;    // listed in one error

size_t index(NodeId id) { return static_cast<size_t>(id); }

// Plain questions: what is placed here is rewritten here.
CompileOptions asking(const CompileOptions& options) {
  CompileOptions plain = options;
  plain.optimize = 0;
  plain.fallback = Fallback::none;
  return plain;
}

/// By node: the sentence of every node that the engine does not take.
std::map<NodeId, std::string> refusals(Engine& engine, const Graph& graph, const CompileOptions& options, bool random) {
  std::map<NodeId, std::string> refused;
  std::vector<Claim> claims = engine.claim(graph, asking(options));
  std::map<int32_t, bool> whole;   // groups that nobody has to leave
  for (const Claim& c : claims) {
    if (c.group < 0) continue;
    const bool here = c.verdict != Verdict::no && (random || !draws(graph.node(c.node)));
    const auto [it, added] = whole.emplace(c.group, here);
    it->second = it->second && here;
  }
  for (Claim& c : claims) {
    if (c.verdict == Verdict::no) {
      refused[c.node] = std::move(c.reason);
    } else if (!random && draws(graph.node(c.node))) {
      refused[c.node] = "random numbers are drawn by the same generator whatever the engine";
    } else if (c.verdict == Verdict::only_in_group && !whole[c.group]) {
      refused[c.node] = fmt::format("{} takes it with its whole group only", engine.name());
    }
  }
  return refused;
}

// Some engines answer for a node by the whole graph that it stands in: what is refused there is asked alone.
void ask_alone(Engine& engine, const Model& model, const Graph& graph, const CompileOptions& options,
               std::map<NodeId, std::string>& refused) {
  size_t asked = 0;
  for (auto it = refused.begin(); it != refused.end() && asked < kMostAlone;) {
    const NodeId id = it->first;
    const Node& node = graph.node(id);
    bool taken = false;
    if (node.op != nullptr && !draws(node)) {
      ++asked;
      try {
        taken = refusals(engine, *part_of(model, graph, {&id, 1}).graph, options, false).empty();
      } catch (const Error&) {   // then not
      }
    }
    it = taken ? refused.erase(it) : std::next(it);
  }
}

const Decompose* rule_of(const Node& node) {
  return node.op == nullptr || !node.captured.empty() ? nullptr : std::get_if<Decompose>(&node.op->meaning);
}

void bring_to_newest(Graph& graph) {
  PassContext context;
  passes::to_newest(graph, context);   // a rule may build older versions
  infer_types(graph);
}

// Whether the engine takes everything that the node becomes by its decomposition.
bool taken_by_simpler(Engine& engine, const Model& model, const Graph& graph, NodeId id,
                      const CompileOptions& options) {
  if (rule_of(graph.node(id)) == nullptr) return false;
  try {
    Graph alone(*part_of(model, graph, {&id, 1}).graph);
    for (int round = 0; round < kMaxRounds; ++round) {
      const auto refused = refusals(engine, alone, options, false);
      if (refused.empty()) return round > 0;
      for (const auto& [node, why] : refused) {
        const Decompose* rule = rule_of(alone.node(node));
        if (rule == nullptr || !Expander::expand(alone, node, *rule, nullptr)) return false;
      }
      bring_to_newest(alone);
    }
  } catch (const Error&) {   // then not
  }
  return false;
}

// Nodes that the engine refuses, after those were rewritten which it takes in simpler operators.
std::map<NodeId, std::string> refused_by_first(Engine& engine, const Model& model, Graph& graph,
                                               const CompileOptions& options) {
  for (int round = 0;; ++round) {
    auto refused = refusals(engine, graph, options, false);
    ask_alone(engine, model, graph, options, refused);
    int changes = 0;
    for (auto it = refused.begin(); it != refused.end() && round < kMaxRounds && graph.node_count() < kMaxNodes; ++it) {
      if (!taken_by_simpler(engine, model, graph, it->first, options)) continue;
      changes += Expander::expand(graph, it->first, *rule_of(graph.node(it->first)), nullptr);
    }
    if (changes == 0) return refused;
    bring_to_newest(graph);
  }
}

// Streams of random numbers count over the whole graph, however it is cut.
void number_streams(Graph& graph) {
  int stream = 0;
  for (NodeId id : graph.order()) {
    Node& node = graph.node(id);
    if (node.op == nullptr || node.op->effect != Effect::random) continue;
    std::erase_if(node.metadata, [](const auto& entry) { return entry.first == "chorus.stream"; });
    node.metadata.emplace_back("chorus.stream", std::to_string(stream++));
  }
}

// The next engines for nodes that those before them refuse.
void take_over(Assignment& a, const Engines& engines, const CompileOptions& options, std::vector<NodeId> nodes,
               std::vector<int> from, const std::string& source) {
  std::string nobody;
  size_t count = 0;
  std::map<int, std::map<NodeId, std::string>> asked;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const NodeId id = nodes[i];
    std::string last = a.reason[index(id)];
    int engine = from[i];
    for (; engine < static_cast<int>(engines.size()); ++engine) {
      const bool random = engine + 1 == static_cast<int>(engines.size());
      if (!asked.contains(engine))
        asked[engine] = refusals(*engines[static_cast<size_t>(engine)], *a.graph, options, random);
      const auto refused = asked[engine].find(id);
      if (refused == asked[engine].end()) break;
      last = refused->second;
    }
    a.engine[index(id)] = engine;
    if (engine < static_cast<int>(engines.size())) continue;
    const std::string both = last == a.reason[index(id)] ? last : a.reason[index(id)] + "; " + last;
    if (++count <= kMostRefusals) nobody += "\n  " + a.graph->where(id) + ": " + both;
  }
  if (count == 0) return;
  if (count > kMostRefusals) nobody += fmt::format("\n  and {} more", count - kMostRefusals);
  throw Error(Code::unsupported, fmt::format("no engine takes {} of {} nodes:{}", count, a.graph->node_count(), nobody),
              source, "register a custom operator, or rewrite these nodes");
}

}  // namespace

bool draws(const Node& node) {
  if (node.op != nullptr && node.op->effect == Effect::random) return true;
  for (const auto& item : node.attributes.items()) {
    if (item.value.kind() != AttrKind::graph) continue;
    const Graph& body = **item.value.get<GraphPtr>();
    for (NodeId id = 0; id < body.node_capacity(); ++id) {
      if (body.node(id).alive && draws(body.node(id))) return true;
    }
  }
  return false;
}

std::unique_ptr<Graph> normal_form(const Model& model, Versions versions) {
  auto graph = std::make_unique<Graph>(*model.graph);
  for (NodeId id : graph->order()) {
    Node& node = graph->node(id);
    if (node.name.empty()) node.name = fmt::format("{}_{}", node.type, id);
  }
  PassContext context;
  context.functions = &model.functions;
  std::vector<Pass> list;
  for (const Pass& pass : default_passes(0)) {
    if (versions == Versions::newest || (pass.name != "to_newest" && pass.name != "decompose_missing"))
      list.push_back(pass);
  }
  run_passes(*graph, list, context);
  if (versions == Versions::newest) {
    for (auto& [domain, version] : graph->opsets) {
      if (const int newest = newest_opset(domain); newest > 0) version = newest;
    }
    graph->opsets.try_emplace("", newest_opset(""));
  }
  number_streams(*graph);
  return graph;
}

Assignment assign_as_wished(const Model& model, const Engines& engines, const CompileOptions& options,
                            const std::vector<int>& wished) {
  Assignment a;
  a.graph = normal_form(model, Versions::of_the_file);
  a.engine.assign(index(a.graph->node_capacity()), -1);
  a.reason.resize(a.engine.size());
  const int last = static_cast<int>(engines.size()) - 1;
  std::vector<std::map<NodeId, std::string>> refused(engines.size());
  for (int e = 0; e < last; ++e) {
    if (std::find(wished.begin(), wished.end(), e) == wished.end()) continue;
    refused[index(e)] = refusals(*engines[index(e)], *a.graph, options, false);
    ask_alone(*engines[index(e)], model, *a.graph, options, refused[index(e)]);
  }
  for (NodeId id : a.graph->order()) {
    const int wish = index(id) < wished.size() && wished[index(id)] >= 0 ? wished[index(id)] : last;
    const auto why = refused[index(wish)].find(id);
    a.engine[index(id)] = why == refused[index(wish)].end() ? wish : last;
    if (why != refused[index(wish)].end()) a.reason[index(id)] = why->second;
  }
  return a;
}

Assignment assign(const Model& model, const Engines& engines, const CompileOptions& options) {
  Assignment a;
  a.graph = normal_form(model, Versions::newest);
  const auto refused = refused_by_first(*engines[0], model, *a.graph, options);
  a.engine.assign(index(a.graph->node_capacity()), -1);
  a.reason.resize(a.engine.size());
  std::vector<NodeId> over;
  for (NodeId id : a.graph->order()) {
    const auto why = refused.find(id);
    a.engine[index(id)] = why == refused.end() ? 0 : 1;
    if (why == refused.end()) continue;
    a.reason[index(id)] = why->second;
    over.push_back(id);
  }
  take_over(a, engines, options, over, std::vector<int>(over.size(), 1), model.source);
  return a;
}

void move_on(Assignment& a, const Engines& engines, const CompileOptions& options,
             const std::vector<std::pair<NodeId, std::string>>& refused) {
  std::vector<NodeId> nodes;
  std::vector<int> from;
  for (const auto& [id, why] : refused) {
    if (a.reason[index(id)].empty()) a.reason[index(id)] = why;
    nodes.push_back(id);
    from.push_back(a.engine[index(id)] + 1);
  }
  take_over(a, engines, options, std::move(nodes), std::move(from), {});
}

}  // namespace chorus::placement
