// What must hold of every plan: nothing is read before it is written, parents hold their parts, layouts are what kernels expect.
#include <engine/native/plan/plan.h>
#include <engine/native/plan/quantized.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

namespace chorus::native {
namespace {

[[noreturn]] void broken(const std::string& what) { throw Error(Code::internal, "broken plan: " + what); }

class Verifier {
 public:
  explicit Verifier(const Plan& plan) : plan_(plan) {
    for (const Plan::Check& check : plan_.checks) same_[first_of(check.a)] = first_of(check.b);
  }

  void run() {
    for (size_t t = 0; t < plan_.tensors.size(); ++t) check_tensor(static_cast<int>(t));
    for (size_t t = 0; t < plan_.tensors.size(); ++t) {
      const Place place = tensor(static_cast<int>(t)).place;
      if (place == Place::input || place == Place::constant || place == Place::host) write(static_cast<int>(t));
    }
    for (int t : plan_.inputs) write(t);
    for (const PlanStep& step : plan_.steps) check_step(step);
    for (int t : plan_.outputs) {
      if (!is_written(t)) broken("output " + tensor(t).name + " is never written");
      if (is_blocked(t)) broken("output " + tensor(t).name + " is in channel blocks");
    }
  }

 private:
  const PlanTensor& tensor(int t) const { return plan_.tensors[static_cast<size_t>(t)]; }
  bool is_blocked(int t) const { return tensor(t).layout.channel_block > 1; }
  int64_t channels(int t) const { return plan_.graph->value(tensor(t).value).type.dims[1].number(); }

  void check_tensor(int t) const {
    const PlanTensor& p = tensor(t);
    if (p.place != Place::dynamic && p.place != Place::constant && static_cast<int>(p.dim_slots.size()) != p.rank)
      broken("tensor " + p.name + " has no sizes");
    if (is_blocked(t)) {
      const bool element = p.dtype == DType::float32 || p.dtype == DType::uint8 || p.dtype == DType::int8;
      const bool fits = p.layout.channel_block == kChannelBlock && p.rank >= 3 && element && p.place == Place::arena;
      if (!fits || !plan_.graph->value(p.value).type.dims[1].is_number())
        broken("tensor " + p.name + " cannot be in channel blocks");
    }
    if (p.parent >= static_cast<int>(plan_.tensors.size())) broken("tensor " + p.name + " has no parent");
    size_t up = 0;
    for (int i = p.parent; i >= 0; i = tensor(i).parent) {
      if (++up > plan_.tensors.size()) broken("tensor " + p.name + " is its own parent");
    }
    if (p.parent < 0) {
      if (p.first_channel != 0) broken("tensor " + p.name + " begins inside of nothing");
      return;
    }
    if (is_blocked(t) && is_blocked(p.parent)) {
      const bool inside = p.first_channel >= 0 && p.first_channel % kChannelBlock == 0 &&
                          p.first_channel + channels(t) <= padded(channels(p.parent));
      if (!inside) broken("tensor " + p.name + " is not inside of " + tensor(p.parent).name);
      if (!is_same_but_channels(p, tensor(p.parent))) {
        broken("tensor " + p.name + " and its parent " + tensor(p.parent).name + " differ in more than the channels");
      }
    } else if (p.first_channel != 0) {
      broken("plain tensor " + p.name + " begins inside of " + tensor(p.parent).name);
    }
  }
  /// The slot that stands for all that bind finds equal to this one, or refuses.
  int first_of(int slot) const {
    for (auto i = same_.find(slot); i != same_.end() && i->second != slot; i = same_.find(slot)) slot = i->second;
    return slot;
  }
  bool is_same_but_channels(const PlanTensor& a, const PlanTensor& b) const {
    if (a.dim_slots.size() != b.dim_slots.size()) return false;
    for (size_t d = 0; d < a.dim_slots.size(); ++d) {
      if (d != 1 && first_of(a.dim_slots[d]) != first_of(b.dim_slots[d])) return false;
    }
    return true;
  }
  static int64_t padded(int64_t channels) { return (channels + kChannelBlock - 1) / kChannelBlock * kChannelBlock; }

  /// The nodes that a step of bytes stands for.
  std::optional<QuantizedStep> quantized_step(const PlanStep& step) const {
    const auto all = quantized_candidates(plan_.graph->node(step.node).type);
    if (std::find(all.begin(), all.end(), step.candidate) == all.end()) return std::nullopt;
    return find_quantized(*plan_.graph, step.node);
  }

  void check_step(const PlanStep& step) {
    for (int t : step.inputs) {
      if (t >= 0 && !is_written(t)) broken("step " + step.name + " reads " + tensor(t).name + " before it is written");
    }
    const bool reorder = step.covers.empty();
    uint32_t blocked = 0;
    LayoutForm output = LayoutForm::plain;
    if (step.candidate != nullptr && step.candidate->blocked_operands != nullptr) {
      StepDescription description{plan_.graph.get(), step.node, nullptr, step.epilogues, nullptr};
      const auto quantized = quantized_step(step);
      if (quantized) description.quantized = &*quantized;
      blocked = step.candidate->blocked_operands(description);
      output = step.candidate->output;
    }
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      const bool wants = i < 32 && (blocked >> i & 1) != 0;
      if (step.inputs[i] >= 0 && !reorder && is_blocked(step.inputs[i]) != wants)
        broken("step " + step.name + " reads " + tensor(step.inputs[i]).name + " in another layout");
    }
    if (reorder && is_blocked(step.inputs[0]) == is_blocked(step.outputs[0]))
      broken("a reorder of " + step.name + " changes nothing");
    for (int t : step.outputs) {
      if (t < 0) continue;
      const Place place = tensor(t).place;
      if (place == Place::input || place == Place::constant || place == Place::host)
        broken("step " + step.name + " writes to what is not its own");
      if (step.dynamic != (place == Place::dynamic))
        broken("step " + step.name + " and the place of its output disagree");
      if (!reorder && is_blocked(t) != (output == LayoutForm::blocked))
        broken("step " + step.name + " writes " + tensor(t).name + " in another layout");
      write(t);
    }
  }

  struct Range {
    int root;
    int64_t first, last;  // channels of the root
  };
  // Tensors that are not ranges of a blocked parent are all of their root.
  Range range(int t) const {
    bool part = is_blocked(t);
    int64_t first = 0;
    int at = t;
    for (; tensor(at).parent >= 0; at = tensor(at).parent) {
      first += tensor(at).first_channel;
      part = part && is_blocked(tensor(at).parent);
    }
    if (!part) return {at, 0, is_blocked(at) ? padded(channels(at)) : 1};
    return {at, first, first + padded(channels(t))};
  }
  void write(int t) {
    const Range r = range(t);
    auto& list = written_[r.root];
    list[r.first] = std::max(list[r.first], r.last);
  }
  bool is_written(int t) const {
    const Range r = range(t);
    const auto found = written_.find(r.root);
    if (found == written_.end()) return false;
    int64_t at = r.first;
    for (const auto& [first, last] : found->second) {
      if (first > at) break;
      at = std::max(at, last);
    }
    return at >= r.last;
  }

  const Plan& plan_;
  std::map<int, int> same_;  // slot → one that a check of bind says is equal
  std::map<int, std::map<int64_t, int64_t>> written_;  // root → begin → end of what was written
};

}  // namespace

void verify_plan(const Plan& plan) { Verifier(plan).run(); }

}  // namespace chorus::native
