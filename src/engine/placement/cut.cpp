// Parts of a graph that follow each other, few of them.
#include <engine/placement/placement.h>

#include <algorithm>
#include <map>

namespace chorus::placement {
namespace {

constexpr int kNoPart = -1;

template <class F>
void each_operand(const Node& node, F&& body) {
  for (ValueId id : node.inputs) {
    if (id != kNone) body(id);
  }
  for (ValueId id : node.captured) body(id);
}

struct Schedule {
  std::vector<int> engine;    // of each part
  std::vector<int> part_of;   // of each node
};

// One engine at a time runs all that is ready for it, and what becomes ready by that; then the one for which most is ready.
Schedule schedule(const Graph& graph, std::span<const int> engine_of, std::span<const NodeId> order, int first) {
  Schedule made;
  made.part_of.assign(engine_of.size(), kNoPart);
  std::vector<int> waits(engine_of.size());
  std::map<int, std::vector<NodeId>> ready;
  for (NodeId id : order) {
    int& count = waits[static_cast<size_t>(id)];
    each_operand(graph.node(id), [&](ValueId in) { count += graph.value(in).producer != kNone; });
    if (count == 0) ready[engine_of[static_cast<size_t>(id)]].push_back(id);
  }
  int engine = first;
  for (;;) {
    std::vector<NodeId>& queue = ready[engine];
    if (!queue.empty()) {
      const int part = static_cast<int>(made.engine.size());
      made.engine.push_back(engine);
      while (!queue.empty()) {
        const NodeId id = queue.back();
        queue.pop_back();
        made.part_of[static_cast<size_t>(id)] = part;
        for (ValueId out : graph.node(id).outputs) {
          if (out == kNone) continue;
          for (const Use& use : graph.value(out).uses) {
            if (--waits[static_cast<size_t>(use.node)] == 0)
              ready[engine_of[static_cast<size_t>(use.node)]].push_back(use.node);
          }
        }
      }
    }
    const auto most = std::max_element(ready.begin(), ready.end(),
                                       [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
    if (most->second.empty()) return made;
    engine = most->first;
  }
}

// A node runs as late as in the part that first reads it, where that part is of the same engine and no more values cross then.
void run_late(const Graph& graph, std::span<const NodeId> order, Schedule& s) {
  const auto part = [&](NodeId id) { return s.part_of[static_cast<size_t>(id)]; };
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    const Node& node = graph.node(*it);
    const int own = part(*it);
    int reader = INT32_MAX, outputs = 0, inputs = 0;
    for (ValueId out : node.outputs) {
      if (out == kNone) continue;
      outputs += !graph.value(out).uses.empty();
      for (const Use& use : graph.value(out).uses) reader = std::min(reader, part(use.node));
    }
    if (reader == INT32_MAX || reader == own ||
        s.engine[static_cast<size_t>(reader)] != s.engine[static_cast<size_t>(own)])
      continue;
    each_operand(node, [&](ValueId in) {
      const GraphValue& v = graph.value(in);
      if (v.producer == kNone) return;
      const bool there = std::any_of(v.uses.begin(), v.uses.end(),
                                     [&](const Use& use) { return use.node != *it && part(use.node) == reader; });
      inputs += !there && part(v.producer) != reader;
    });
    if (inputs <= outputs) s.part_of[static_cast<size_t>(*it)] = reader;
  }
}

Cut collect(std::span<const NodeId> order, const Schedule& s) {
  std::vector<std::vector<NodeId>> nodes(s.engine.size());
  for (NodeId id : order) nodes[static_cast<size_t>(s.part_of[static_cast<size_t>(id)])].push_back(id);
  Cut made;
  for (size_t p = 0; p < nodes.size(); ++p) {
    if (nodes[p].empty()) continue;
    if (!made.engine.empty() && made.engine.back() == s.engine[p]) {  // what stood between has moved on
      auto& last = made.nodes.back();
      last.insert(last.end(), nodes[p].begin(), nodes[p].end());
      continue;
    }
    made.engine.push_back(s.engine[p]);
    made.nodes.push_back(std::move(nodes[p]));
  }
  return made;
}

}  // namespace

Cut cut(const Graph& graph, std::span<const int> engine_of) {
  const std::vector<NodeId> order = graph.order();
  std::vector<int> engines;
  for (NodeId id : order) engines.push_back(engine_of[static_cast<size_t>(id)]);
  std::sort(engines.begin(), engines.end());
  engines.erase(std::unique(engines.begin(), engines.end()), engines.end());
  Cut best;
  for (int first : engines) {
    Schedule s = schedule(graph, engine_of, order, first);
    run_late(graph, order, s);
    Cut made = collect(order, s);
    if (best.engine.empty() || made.engine.size() < best.engine.size()) best = std::move(made);
  }
  return best;
}

}  // namespace chorus::placement
