#include <engine/plugin/prepare.h>

#include <graph/infer.h>
#include <graph/pass.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace chorus::plugin {
namespace {

constexpr int kMaxRounds = 32;            // decompositions in decompositions
constexpr int kMaxNodes = 1 << 20;

// One round over the refused nodes. Those whose rule does not apply are not tried again.
int decompose_refused(Graph& graph, const std::vector<Claim>& claims, std::set<NodeId>& tried) {
  int changes = 0;
  for (const Claim& claim : claims) {
    const Node& n = graph.node(claim.node);
    if (claim.verdict != Verdict::no || n.op == nullptr || !n.captured.empty() || !tried.insert(claim.node).second)
      continue;
    const auto* rule = std::get_if<Decompose>(&n.op->meaning);
    if (rule != nullptr && Expander::expand(graph, claim.node, *rule, nullptr)) ++changes;
  }
  return changes;
}

}  // namespace

Model prepared(const Model& model, const CompileOptions& options, const Asker& ask) {
  auto graph = std::make_shared<Graph>(*model.graph);
  PassContext context;
  context.functions = &model.functions;
  run_passes(*graph, default_passes(options.optimize), context);
  // On a processor such engines compute float16 in float32 too, and round after each operator.
  if (options.optimize > 0) run_passes(*graph, widening_passes(), context);
  std::set<NodeId> tried;
  for (int round = 0; options.fallback == Fallback::decompose && round < kMaxRounds; ++round) {
    const int changes = decompose_refused(*graph, ask(*graph), tried);
    if (changes == 0) break;
    if (graph->node_count() > kMaxNodes) {
      throw Error(Code::budget, fmt::format("decompositions grow the graph past {} nodes", kMaxNodes), model.source);
    }
    PassContext again;
    passes::to_newest(*graph, again);   // a rule may build older versions
    infer_types(*graph);
  }
  Model made = model;
  made.functions.clear();
  made.graph = std::move(graph);
  return made;
}

std::vector<Claim> claims_of_original(const Graph& graph, const Graph& made, const Asker& ask) {
  std::map<NodeId, Claim> kept;
  std::string reason;   // of the first refused node among those that rewriting added
  for (Claim& claim : ask(made)) {
    const bool original = claim.node < graph.node_capacity() && graph.node(claim.node).alive &&
                          graph.node(claim.node).type == made.node(claim.node).type;
    if (!original && claim.verdict == Verdict::no && reason.empty()) reason = claim.reason;
    if (original) kept.emplace(claim.node, std::move(claim));
  }
  std::vector<Claim> claims;
  for (NodeId id : graph.order()) {
    if (const auto found = kept.find(id); found != kept.end()) {
      claims.push_back(found->second);
      continue;
    }
    Claim claim{id};
    claim.verdict = reason.empty() ? Verdict::yes : Verdict::no;
    claim.reason = reason.empty() ? "rewritten by simpler operators, or not needed" : "by simpler operators: " + reason;
    claims.push_back(std::move(claim));
  }
  return claims;
}

}  // namespace chorus::plugin
