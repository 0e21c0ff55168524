#include <engine/native/exec/taps.h>

#include <algorithm>

namespace chorus::native {
namespace {

constexpr int kNever = -2;

/// Per tensor the step after which its whole value is there (-1: before the first), or kNever.
class Readiness {
 public:
  explicit Readiness(const Plan& plan)
      : plan_(plan), ready_(plan.tensors.size(), kNever), writer_(plan.tensors.size(), kNever) {}

  std::vector<int> find() {
    for (size_t t = 0; t < plan_.tensors.size(); ++t) {
      const PlanTensor& p = plan_.tensors[t];
      if (p.parent < 0 && (p.place == Place::input || p.place == Place::host)) ready_[t] = writer_[t] = -1;
    }
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      for (const int t : plan_.steps[s].outputs) {
        if (t >= 0) ready_[static_cast<size_t>(t)] = writer_[static_cast<size_t>(t)] = static_cast<int>(s);
      }
    }
    views();
    wholes();
    views();
    return std::move(ready_);
  }

 private:
  /// A view is there with the tensor whose bytes it shares.
  void views() {
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t t = 0; t < ready_.size(); ++t) {
        const int parent = plan_.tensors[t].parent;
        if (parent < 0 || ready_[t] != kNever || ready_[static_cast<size_t>(parent)] == kNever) continue;
        ready_[t] = ready_[static_cast<size_t>(parent)];
        changed = true;
      }
    }
  }
  /// What is written in parts is there with the last of them.
  void wholes() {
    std::vector<bool> open(ready_.size());
    for (size_t t = 0; t < ready_.size(); ++t) open[t] = ready_[t] == kNever;
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t t = 0; t < ready_.size(); ++t) {
        const int whole = plan_.tensors[t].parent;
        if (whole < 0 || !open[static_cast<size_t>(whole)] || ready_[t] <= ready_[static_cast<size_t>(whole)] ||
            overwrites(t, whole))
          continue;
        ready_[static_cast<size_t>(whole)] = ready_[t];
        changed = true;
      }
    }
  }
  /// The step that writes `t` reads what lies there: no part, but a result in the operand's place.
  bool overwrites(size_t t, int whole) const {
    if (writer_[t] < 0) return false;
    for (int in : plan_.steps[static_cast<size_t>(writer_[t])].inputs) {
      for (; in >= 0; in = plan_.tensors[static_cast<size_t>(in)].parent) {
        if (in == whole) return true;
      }
    }
    return false;
  }

  const Plan& plan_;
  std::vector<int> ready_, writer_;
};

}  // namespace

std::vector<std::vector<int>> taps_of(const Plan& plan) {
  const std::vector<int> ready = Readiness(plan).find();
  std::vector<std::vector<int>> lists(plan.steps.size() + 1);
  std::vector<ValueId> seen;
  for (const int t : plan.inputs) seen.push_back(plan.tensors[static_cast<size_t>(t)].value);
  std::vector<int> order;
  for (size_t t = 0; t < ready.size(); ++t) {
    if (ready[t] != kNever && plan.tensors[t].value != kNone) order.push_back(static_cast<int>(t));
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return ready[static_cast<size_t>(a)] < ready[static_cast<size_t>(b)]; });
  std::sort(seen.begin(), seen.end());
  for (const int t : order) {
    const ValueId value = plan.tensors[static_cast<size_t>(t)].value;
    const auto at = std::lower_bound(seen.begin(), seen.end(), value);
    if (at != seen.end() && *at == value) continue;   // the same value in another layout
    seen.insert(at, value);
    lists[static_cast<size_t>(ready[static_cast<size_t>(t)] + 1)].push_back(t);
  }
  return lists;
}

}  // namespace chorus::native
