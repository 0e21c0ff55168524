#include <engine/native/plan/share.h>

#include <algorithm>

namespace chorus::native {
namespace {

class Sharing {
 public:
  explicit Sharing(Plan& plan) : plan_(plan), g_(*plan.graph), dropped_(plan.steps.size(), false) {}

  void run() {
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      if (!is_view(plan_.steps[s])) continue;
      tensor(plan_.steps[s].outputs[0]).parent = plan_.steps[s].inputs[0];
      dropped_[s] = true;
    }
    count_children();
    // From the last to the first: what is joined step by step becomes ranges of the largest.
    for (size_t s = plan_.steps.size(); s-- > 0;) {
      if (!dropped_[s] && is_join(plan_.steps[s])) dropped_[s] = join(plan_.steps[s]);
    }
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      if (!dropped_[s] && is_part(plan_.steps[s])) dropped_[s] = part(plan_.steps[s]);
    }
    find_last_reads();
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      if (!dropped_[s] && !plan_.steps[s].dynamic) overwrite(plan_.steps[s], static_cast<int>(s));
    }
    std::vector<PlanStep> kept;
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      if (!dropped_[s]) kept.push_back(std::move(plan_.steps[s]));
    }
    plan_.steps = std::move(kept);
    set_lifetimes();
  }

 private:
  PlanTensor& tensor(int t) { return plan_.tensors[static_cast<size_t>(t)]; }
  const PlanTensor& tensor(int t) const { return plan_.tensors[static_cast<size_t>(t)]; }
  const Type& type(int t) const { return g_.value(tensor(t).value).type; }
  int64_t channels(int t) const { return type(t).dims[1].number(); }
  bool is_blocked(int t) const { return tensor(t).layout.channel_block > 1; }
  static bool is_reorder(const PlanStep& step) { return step.covers.empty(); }

  // Channel blocks of one pixel are the plain bytes when no lane is left over, or when nobody reads beyond the last channel.
  bool is_same_bytes(const PlanStep& step) const {
    const int from = step.inputs[0];
    const Type& t = type(from);
    const bool one_pixel = std::all_of(t.dims.begin() + 2, t.dims.end(), [](const Dim& d) { return d.is(1); });
    // Signed bytes change their sign bit on the way.
    return one_pixel && t.dtype != DType::int8 &&
           (channels(from) % kChannelBlock == 0 || (is_blocked(from) && t.dims[0].is(1)));
  }

  bool is_view(const PlanStep& step) const {
    if (step.dynamic || step.inputs.empty() || step.inputs[0] < 0 || step.outputs.size() != 1 || step.outputs[0] < 0)
      return false;
    const PlanTensor& from = tensor(step.inputs[0]);
    const PlanTensor& to = tensor(step.outputs[0]);
    if (is_reorder(step)) return is_same_bytes(step) && to.place == Place::arena && from.place == Place::arena;
    const Node& n = g_.node(step.node);
    const bool hinted = std::any_of(n.op->aliases.begin(), n.op->aliases.end(),
                                    [](const Hint& h) { return h.kind == Alias::is_view && h.out == 0 && h.in == 0; });
    return hinted && step.epilogues.empty() && to.place == Place::arena && from.dtype == to.dtype &&
           !is_blocked(step.outputs[0]) &&
           (from.place == Place::arena || from.place == Place::input || from.place == Place::constant);
  }

  void count_children() {
    children_.assign(plan_.tensors.size(), 0);
    for (const PlanTensor& t : plan_.tensors) {
      if (t.parent >= 0) ++children_[static_cast<size_t>(t.parent)];
    }
  }

  /// A step over ranges that begin at blocks; others ("….lanes") move lanes and cannot share.
  bool is_over_channels(const PlanStep& step, std::string_view op) const {
    return !step.dynamic && !is_reorder(step) && step.candidate != nullptr &&
           step.candidate->blocked_operands != nullptr && step.candidate->parts_share && g_.node(step.node).type == op;
  }
  bool is_join(const PlanStep& step) const { return is_over_channels(step, "Concat"); }
  bool is_part(const PlanStep& step) const {
    return is_over_channels(step, "Split") || is_over_channels(step, "Slice");
  }

  /// Operands become ranges of the result's channels, where they are written. True when nothing is left to copy.
  bool join(const PlanStep& step) {
    const int whole = step.outputs[0];
    if (lies_together(step, whole)) return true;
    int64_t at = 0;
    bool all = true;
    for (int in : step.inputs) {
      PlanTensor& t = tensor(in);
      const bool free =
          t.place == Place::arena && t.parent < 0 && children_[static_cast<size_t>(in)] == 0 && at % kChannelBlock == 0;
      if (free) {
        t.parent = whole;
        t.first_channel = at;
      }
      all = all && free;
      at += channels(in);
    }
    return all;
  }

  /// The operands are neighbours in a tensor already: the result is that range of it.
  bool lies_together(const PlanStep& step, int whole) {
    const int parent = tensor(step.inputs[0]).parent;
    if (parent < 0 || tensor(whole).parent >= 0 || children_[static_cast<size_t>(whole)] > 0) return false;
    int64_t at = tensor(step.inputs[0]).first_channel;
    const int64_t first = at;
    for (int in : step.inputs) {
      const PlanTensor& t = tensor(in);
      if (t.parent != parent || t.first_channel != at || !is_blocked(parent) || !is_blocked(in)) return false;
      at += channels(in);
    }
    tensor(whole).parent = parent;
    tensor(whole).first_channel = first;
    return true;
  }

  /// Results are ranges of the operand's channels.
  bool part(const PlanStep& step) {
    int64_t at = step.candidate->first_channel(StepDescription{&g_, step.node, nullptr, {}, nullptr});
    for (int out : step.outputs) {
      if (out < 0) continue;
      if (tensor(out).parent >= 0 || children_[static_cast<size_t>(out)] > 0 || tensor(out).place != Place::arena)
        return false;
    }
    for (size_t i = 0; i < step.outputs.size(); ++i) {
      if (step.outputs[i] >= 0) {
        tensor(step.outputs[i]).parent = step.inputs[0];
        tensor(step.outputs[i]).first_channel = at;
      }
      at += g_.value(g_.node(step.node).outputs[i]).type.dims[1].number();
    }
    return true;
  }

  void find_last_reads() {
    last_.assign(plan_.tensors.size(), -1);
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      if (dropped_[s]) continue;
      const auto touch = [&](int t) {
        if (t >= 0) last_[static_cast<size_t>(plan_.root(t))] = static_cast<int>(s);
      };
      for (int in : plan_.steps[s].inputs) touch(in);
      for (int in : plan_.steps[s].captured) touch(in);
    }
  }

  void overwrite(const PlanStep& step, int index) {
    if (is_reorder(step)) return;
    const Node& n = g_.node(step.node);
    for (const Hint& hint : n.op->aliases) {
      if (hint.kind == Alias::may_overwrite && hint.in < n.inputs.size() && hint.out < step.outputs.size() &&
          overwrite(step, index, step.inputs[hint.in], step.outputs[hint.out]))
        return;
    }
    if (step.candidate == nullptr || !step.candidate->residual_in_place) return;
    for (size_t i = n.inputs.size(); i < step.inputs.size(); ++i) {
      if (overwrite(step, index, step.inputs[i], step.outputs[0])) return;
    }
  }

  bool overwrite(const PlanStep& step, int index, int in, int out) {
    if (in < 0 || out < 0) return false;
    PlanTensor& to = tensor(out);
    const int root = plan_.root(in);
    const PlanTensor& from = tensor(in);
    if (to.place != Place::arena || tensor(root).place != Place::arena || to.parent >= 0) return false;
    if (from.dtype != to.dtype || from.dim_slots != to.dim_slots || !(from.layout == to.layout)) return false;
    // The memory must die here: no later reader of it, through whatever view, and no second operand in it.
    int readers = 0;
    for (int other : step.inputs) readers += other >= 0 && plan_.root(other) == root;
    if (last_[static_cast<size_t>(root)] > index || readers > 1) return false;
    last_[static_cast<size_t>(root)] = std::max(last_[static_cast<size_t>(root)], last_[static_cast<size_t>(out)]);
    to.parent = in;
    return true;
  }

  void set_lifetimes() {
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      auto touch = [&](int t) {
        if (t < 0) return;
        PlanTensor& r = tensor(plan_.root(t));
        if (r.first < 0) r.first = static_cast<int>(s);
        r.last = static_cast<int>(s);
      };
      for (int t : plan_.steps[s].inputs) touch(t);
      for (int t : plan_.steps[s].captured) touch(t);
      for (int t : plan_.steps[s].outputs) touch(t);
    }
  }

  Plan& plan_;
  const Graph& g_;
  std::vector<bool> dropped_;
  std::vector<int> children_;  // per tensor: views of it
  std::vector<int> last_;  // per root: the last step that reads it
};

}  // namespace

void share_memory(Plan& plan) { Sharing(plan).run(); }

}  // namespace chorus::native
