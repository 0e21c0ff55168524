#include <engine/native/plan/layout.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace chorus::native {
namespace {

// Maximum flow by shortest augmenting levels; what the source still reaches afterwards is its side of the minimum cut.
class Cut {
 public:
  int add_node() {
    heads_.push_back(-1);
    return static_cast<int>(heads_.size()) - 1;
  }
  void add_edge(int from, int to, int64_t capacity) {
    if (capacity <= 0 || from == to) return;
    edges_.push_back({to, heads_[at(from)], capacity});
    heads_[at(from)] = static_cast<int>(edges_.size()) - 1;
    edges_.push_back({from, heads_[at(to)], 0});
    heads_[at(to)] = static_cast<int>(edges_.size()) - 1;
  }
  /// False when the bound of work was passed.
  bool solve(int source, int sink, int64_t work) {
    work_ = work;
    while (find_levels(source, sink)) {
      next_ = heads_;
      while (push(source, sink) > 0) {
      }
      if (work_ < 0) return false;
    }
    return work_ >= 0;
  }
  /// After solve: on the source's side.
  bool with_source(int node) const { return level_[at(node)] >= 0; }

 private:
  struct Edge {
    int to, next;
    int64_t capacity;
  };
  static size_t at(int i) { return static_cast<size_t>(i); }

  bool find_levels(int source, int sink) {
    level_.assign(heads_.size(), -1);
    level_[at(source)] = 0;
    queue_.assign(1, source);
    for (size_t i = 0; i < queue_.size(); ++i) {
      for (int e = heads_[at(queue_[i])]; e >= 0; e = edges_[at(e)].next) {
        const Edge& edge = edges_[at(e)];
        --work_;
        if (edge.capacity <= 0 || level_[at(edge.to)] >= 0) continue;
        level_[at(edge.to)] = level_[at(queue_[i])] + 1;
        queue_.push_back(edge.to);
      }
    }
    return work_ >= 0 && level_[at(sink)] >= 0;
  }

  // One path along the levels, depth first without recursion.
  int64_t push(int source, int sink) {
    std::vector<int>& path = path_;
    path.clear();
    int node = source;
    while (node != sink) {
      int& e = next_[at(node)];
      while (e >= 0 && !(edges_[at(e)].capacity > 0 && level_[at(edges_[at(e)].to)] == level_[at(node)] + 1)) {
        e = edges_[at(e)].next;
        --work_;
      }
      if (work_ < 0) return 0;
      if (e >= 0) {
        path.push_back(e);
        node = edges_[at(e)].to;
        --work_;
        continue;
      }
      if (path.empty()) return 0;
      node = edges_[at(path.back() ^ 1)].to;   // a dead end: its edge is not tried again
      path.pop_back();
      next_[at(node)] = edges_[at(next_[at(node)])].next;
    }
    int64_t flow = std::numeric_limits<int64_t>::max();
    for (int e : path) flow = std::min(flow, edges_[at(e)].capacity);
    for (int e : path) {
      edges_[at(e)].capacity -= flow;
      edges_[at(e ^ 1)].capacity += flow;
    }
    return flow;
  }

  std::vector<int> heads_, next_, level_, queue_, path_;
  std::vector<Edge> edges_;
  int64_t work_ = 0;
};

constexpr int64_t kNever = int64_t{1} << 50;   // picoseconds; sums of thousands of them stay inside int64
constexpr int64_t kWork = 200'000'000;

int64_t picoseconds(double ns) { return std::clamp<int64_t>(std::llround(std::min(ns, 1e12) * 1000), 0, kNever / 4); }

}  // namespace

// Source: blocked, sink: plain. A reorder of a value is paid once, whichever readers need it: an auxiliary node stands for them.
std::vector<bool> choose_layouts(const LayoutProblem& problem) {
  const size_t steps = problem.steps.size(), values = problem.reorder_ns.size();
  Cut cut;
  const int source = cut.add_node(), sink = cut.add_node();
  std::vector<int> step_node(steps, sink), maker(values, sink), to_plain(values, -1), to_blocked(values, -1);
  for (size_t s = 0; s < steps; ++s) {
    const LayoutStep& step = problem.steps[s];
    if (step.blocked_ns < 0) continue;
    const int node = step_node[s] = cut.add_node();
    cut.add_edge(source, node, picoseconds(step.plain_ns));
    cut.add_edge(node, sink, picoseconds(step.blocked_ns));
    for (int v : step.makes) maker[static_cast<size_t>(v)] = node;
  }
  auto read = [&](int value, int reader) {
    const auto v = static_cast<size_t>(value);
    if (maker[v] == reader || (maker[v] == sink && reader == sink)) return;
    const int64_t cost = picoseconds(problem.reorder_ns[v]);
    if (maker[v] != sink) {  // made blocked, read plain
      if (to_plain[v] < 0) {
        to_plain[v] = cut.add_node();
        cut.add_edge(maker[v], to_plain[v], cost);
      }
      cut.add_edge(to_plain[v], reader, kNever);
    }
    if (reader != sink) {  // made plain, read blocked
      if (to_blocked[v] < 0) {
        to_blocked[v] = cut.add_node();
        cut.add_edge(to_blocked[v], maker[v], cost);
      }
      cut.add_edge(reader, to_blocked[v], kNever);
    }
  };
  for (size_t s = 0; s < steps; ++s) {
    for (int v : problem.steps[s].follows) read(v, step_node[s]);
    for (int v : problem.steps[s].plain) read(v, sink);
  }
  for (size_t v = 0; v < values; ++v) {
    if (problem.read_plain[v]) read(static_cast<int>(v), sink);
  }
  std::vector<bool> blocked(steps, false);
  if (!cut.solve(source, sink, kWork)) return blocked;
  for (size_t s = 0; s < steps; ++s) blocked[s] = step_node[s] != sink && cut.with_source(step_node[s]);
  return blocked;
}

}  // namespace chorus::native
