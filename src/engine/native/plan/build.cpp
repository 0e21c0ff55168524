// From graph to Plan: which values are known from shapes, which need memory, which kernel runs each node, what is shared.
#include <engine/native/plan/estimate.h>
#include <engine/native/plan/layout.h>
#include <engine/native/plan/plan.h>
#include <engine/native/plan/quantized.h>
#include <engine/native/plan/share.h>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unordered_set>

namespace chorus::native {
namespace {

constexpr double kNeverNs = 1e12;  // a form that there is not

class Builder {
 public:
  Builder(std::shared_ptr<const Graph> graph, const PlanOptions& options) : g_(*graph), options_(options) {
    plan_.graph = std::move(graph);
  }

  Plan build() {
    order_ = g_.order();
    tensor_of_.assign(static_cast<size_t>(g_.value_capacity()), -1);
    absorbed_.assign(static_cast<size_t>(g_.node_capacity()), false);
    emit_at_.assign(static_cast<size_t>(g_.node_capacity()), kNone);
    add_inputs();
    choose_steps();
    do find_needed();
    while (!find_dynamic());
    choose_forms();
    for (NodeId id : order_) {
      // A fused step stands where its last node stood: its residual may be made after its own operands.
      const NodeId owner = emit_at_[static_cast<size_t>(id)];
      if (owner != kNone && needed_[static_cast<size_t>(id)]) add_step(owner);
    }
    add_outputs();
    share_memory(plan_);
    add_checks();
    return std::move(plan_);
  }

 private:
  struct Choice {
    const Candidate* candidate = nullptr;
    const Candidate* blocked = nullptr;  ///< the alternative over channel blocks
    std::vector<EpilogueItem> epilogues;
    ValueId result = kNone;  ///< fused: value made instead of output 0
    std::shared_ptr<const QuantizedStep> quantized;  ///< the step computes in bytes what these nodes mean
    bool runs_blocked = false;
    bool dynamic = false;
  };

  // Whether bind can give the number: a file may name symbols for values in between that no input has.
  bool is_known(const Dim& d) const {
    if (d.is_number() || d.is_unknown()) return d.is_number();
    std::vector<std::string> names;
    d.collect_symbols(names);
    return std::all_of(names.begin(), names.end(), [&](const std::string& name) { return symbols_.contains(name); });
  }
  bool are_known(const Dims& dims) const {
    return std::all_of(dims.begin(), dims.end(), [&](const Dim& d) { return is_known(d); });
  }
  bool is_host(const GraphValue& v) const {
    return v.symbolic && !v.is_constant() && !v.is_input && v.type.is_static() && are_known(*v.symbolic);
  }
  bool is_sized(const Type& t) const {
    return t.is_tensor() && t.has_rank && t.dtype != DType::undefined && t.dtype != DType::string && are_known(t.dims);
  }

  void add_inputs() {
    const auto inputs = g_.inputs();
    for (ValueId id : inputs) {
      for (const Dim& d : g_.value(id).type.dims) {
        if (const auto symbol = d.as_symbol()) symbols_.emplace(*symbol);
      }
    }
    for (size_t i = 0; i < inputs.size(); ++i) {
      const GraphValue& v = g_.value(inputs[i]);
      const int t = new_tensor(inputs[i]);
      plan_.inputs.push_back(t);
      PlanTensor& tensor = plan_.tensors[static_cast<size_t>(t)];
      tensor.port = static_cast<int>(i);
      tensor.place = is_sized(v.type) ? Place::input : Place::dynamic;
      for (size_t d = 0; d < v.type.dims.size(); ++d) {
        const auto symbol = v.type.dims[d].as_symbol();
        if (!symbol) continue;
        const int index = plan_.dims.symbol(*symbol);
        if (index == static_cast<int>(plan_.symbols.size()))
          plan_.symbols.push_back({static_cast<int>(i), static_cast<int>(d)});
      }
    }
  }

  int new_tensor(ValueId id) {
    const GraphValue& v = g_.value(id);
    PlanTensor t;
    t.value = id;
    t.name = v.name;
    t.dtype = v.type.is_tensor() ? v.type.dtype : DType::undefined;
    t.place = Place::dynamic;
    if (v.is_constant()) {
      t.place = v.is_input ? Place::input : Place::constant;
      t.constant = v.constant;
    }
    if (is_sized(v.type)) {
      t.rank = v.type.rank();
      for (const Dim& d : v.type.dims) t.dim_slots.push_back(plan_.dims.add(d));
      if (!v.is_constant()) t.place = Place::arena;
    }
    if (!v.is_constant() && is_host(v)) {
      t.place = Place::host;
      for (const Dim& d : *v.symbolic) t.host_slots.push_back(plan_.dims.add(d));
    }
    plan_.tensors.push_back(std::move(t));
    const int index = static_cast<int>(plan_.tensors.size()) - 1;
    tensor_of_[static_cast<size_t>(id)] = index;
    return index;
  }
  int tensor(ValueId id) {
    if (id == kNone) return -1;
    const int known = tensor_of_[static_cast<size_t>(id)];
    return known >= 0 ? known : new_tensor(id);
  }

  void choose_steps() {
    choices_.resize(static_cast<size_t>(g_.node_capacity()));
    if (!options_.reference_only && options_.fuse && options_.blocking != Blocking::never) choose_quantized();
    for (NodeId id : order_) {
      if (absorbed_[static_cast<size_t>(id)]) continue;
      emit_at_[static_cast<size_t>(id)] = id;
      if (options_.reference_only) continue;
      // Fast kernels write their first output always; the plain ones ask which are wanted.
      const std::vector<ValueId>& made = g_.node(id).outputs;
      if (made.empty() || made[0] == kNone || !used(made[0])) continue;
      Choice& choice = choices_[static_cast<size_t>(id)];
      choice.candidate = first_that_accepts(id, LayoutForm::plain, {});
      if (choice.candidate != nullptr && options_.fuse && choice.candidate->epilogues != 0) take_epilogues(id, choice);
      if (options_.blocking != Blocking::never)
        choice.blocked = first_that_accepts(id, LayoutForm::blocked, choice.epilogues);
    }
  }

  // Operators between tensors of bytes: their nodes belong to one step, at the place of the QuantizeLinear.
  void choose_quantized() {
    for (NodeId id : order_) {
      if (absorbed_[static_cast<size_t>(id)] || quantized_candidates(g_.node(id).type).empty()) continue;
      auto step = find_quantized(g_, id);
      if (!step) continue;
      StepDescription description{&g_, id, options_.cpu, {}, nullptr};
      description.quantized = &*step;
      const auto blocks = [&](ValueId v) { return can_be_blocked(g_.value(v)); };
      Choice choice;
      for (const Candidate* c : quantized_candidates(g_.node(id).type)) {
        const bool plain = c->blocked_operands == nullptr;
        const Candidate*& slot = plain ? choice.candidate : choice.blocked;
        if (slot != nullptr || !c->accepts(description) || !is_sized(g_.value(step->result).type)) continue;
        const uint32_t blocked = plain ? 0 : c->blocked_operands(description);
        bool fits = plain || blocks(step->result);
        for (size_t i = 0; i < step->operands.size(); ++i)
          fits = fits && (blocked >> i & 1 ? blocks(step->operands[i]) : is_sized(g_.value(step->operands[i]).type));
        if (fits) slot = c;
      }
      if (choice.candidate == nullptr && choice.blocked == nullptr) continue;
      choice.result = step->result;
      for (NodeId covered : step->covers) absorbed_[static_cast<size_t>(covered)] = true;
      emit_at_[static_cast<size_t>(step->covers.back())] = id;
      choice.quantized = std::make_shared<QuantizedStep>(std::move(*step));
      choices_[static_cast<size_t>(id)] = std::move(choice);
    }
  }
  // Its nodes run one by one after all.
  void take_apart(Choice& choice) {
    for (NodeId covered : choice.quantized->covers) {
      absorbed_[static_cast<size_t>(covered)] = false;
      emit_at_[static_cast<size_t>(covered)] = covered;
    }
    choice = Choice();
  }

  const Candidate* first_that_accepts(NodeId id, LayoutForm form, std::span<const EpilogueItem> epilogues) const {
    const StepDescription description{&g_, id, options_.cpu, epilogues, nullptr};
    for (const Candidate* c : candidates(g_.node(id).type, form)) {
      if (c->domain != g_.node(id).domain) continue;
      const bool takes = std::all_of(epilogues.begin(), epilogues.end(), [&](const EpilogueItem& item) {
        return (c->epilogues & epilogue_bit(item.kind)) != 0;
      });
      if (takes && c->accepts(description)) return c;
    }
    return nullptr;
  }

  void take_epilogues(NodeId id, Choice& choice) {
    FusionChoice fusion = choose_epilogues(g_, id, choice.candidate->epilogues);
    // The sum of two products belongs to the first that took it.
    const auto taken = [&](NodeId n) { return absorbed_[static_cast<size_t>(n)]; };
    for (size_t i = 0; i < fusion.epilogues.size(); ++i) {
      const EpilogueItem& item = fusion.epilogues[i];
      if (!taken(item.node) && std::none_of(item.inner.begin(), item.inner.end(), taken)) continue;
      fusion.epilogues.resize(i);
      fusion.result = i > 0 ? g_.node(fusion.epilogues.back().node).outputs[0] : kNone;
    }
    for (const EpilogueItem& item : fusion.epilogues) {
      absorbed_[static_cast<size_t>(item.node)] = true;
      for (NodeId inner : item.inner) absorbed_[static_cast<size_t>(inner)] = true;
    }
    choice.epilogues = std::move(fusion.epilogues);
    choice.result = choice.epilogues.empty() ? kNone : fusion.result;
    if (choice.epilogues.empty()) return;
    emit_at_[static_cast<size_t>(id)] = kNone;
    emit_at_[static_cast<size_t>(choice.epilogues.back().node)] = id;
  }

  // Backward from the outputs: a node is needed when somebody needs one of its outputs as computed bytes.
  void find_needed() {
    needed_.assign(static_cast<size_t>(g_.node_capacity()), false);
    std::vector<bool> wanted(static_cast<size_t>(g_.value_capacity()), false);
    for (ValueId id : g_.outputs()) wanted[static_cast<size_t>(id)] = true;
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
      const Node& n = g_.node(*it);
      bool needed = n.op != nullptr && n.op->effect == Effect::ordered;
      for (ValueId out : n.outputs) {
        needed = needed ||
                 (out != kNone && wanted[static_cast<size_t>(out)] && (!is_host(g_.value(out)) || g_.is_output(out)));
      }
      if (!needed) continue;
      needed_[static_cast<size_t>(*it)] = true;
      const NodeId owner = emit_at_[static_cast<size_t>(*it)];
      const bool quantized = owner != kNone && choices_[static_cast<size_t>(owner)].quantized != nullptr;
      for (ValueId in : quantized ? operands(owner) : n.inputs) {
        if (in != kNone) wanted[static_cast<size_t>(in)] = true;
      }
      for (ValueId in : n.captured) wanted[static_cast<size_t>(in)] = true;
    }
  }

  // Whether a step's sizes are known only in the run: in the order of the steps, since it spreads from value to value.
  // False: a step of bytes was among them and is taken apart; what is needed has changed.
  bool find_dynamic() {
    dynamic_value_.assign(static_cast<size_t>(g_.value_capacity()), false);
    for (NodeId at : order_) {
      const NodeId id = emit_at_[static_cast<size_t>(at)];
      if (id == kNone || !needed_[static_cast<size_t>(at)]) continue;
      Choice& choice = choices_[static_cast<size_t>(id)];
      choice.dynamic = must_be_dynamic(g_.node(id), choice);
      if (!choice.dynamic) continue;
      if (choice.quantized != nullptr) {
        take_apart(choice);
        return false;
      }
      for (ValueId out : results(id)) {
        if (out != kNone) dynamic_value_[static_cast<size_t>(out)] = true;
      }
    }
    return true;
  }

  std::vector<ValueId> results(NodeId id) const {
    std::vector<ValueId> values = g_.node(id).outputs;
    for (ValueId& v : values) {
      if (v != kNone && !used(v)) v = kNone;
    }
    const Choice& choice = choices_[static_cast<size_t>(id)];
    if (choice.result != kNone) values[0] = choice.result;
    return values;
  }
  std::vector<ValueId> operands(NodeId id) const {
    if (choices_[static_cast<size_t>(id)].quantized != nullptr)
      return choices_[static_cast<size_t>(id)].quantized->operands;
    std::vector<ValueId> values = g_.node(id).inputs;
    for (const EpilogueItem& item : choices_[static_cast<size_t>(id)].epilogues) {
      if (item.operand != kNone) values.push_back(item.operand);
    }
    return values;
  }

  bool can_be_blocked(const GraphValue& v) const {
    const Type& t = v.type;
    const bool type = t.dtype == DType::float32 || t.dtype == DType::int8 || t.dtype == DType::uint8;
    return is_sized(t) && type && t.rank() >= 3 && t.rank() <= 5 && t.dims[1].is_number() && t.dims[1].number() > 0 &&
           !v.is_constant() && !is_host(v);
  }

  // Which steps run over channel blocks: weighs the time of all steps and the reorders between them.
  void choose_forms() {
    const Estimate estimate(g_);
    LayoutProblem problem;
    problem.reorder_ns.assign(static_cast<size_t>(g_.value_capacity()), 0);
    problem.read_plain.assign(static_cast<size_t>(g_.value_capacity()), false);
    for (ValueId id : g_.outputs()) problem.read_plain[static_cast<size_t>(id)] = true;
    std::vector<NodeId> ids;
    for (NodeId at : order_) {
      const NodeId id = emit_at_[static_cast<size_t>(at)];
      if (id == kNone || !needed_[static_cast<size_t>(at)]) continue;
      const Choice& choice = choices_[static_cast<size_t>(id)];
      StepDescription description{&g_, id, options_.cpu, choice.epilogues, nullptr};
      description.quantized = choice.quantized.get();
      LayoutStep step;
      uint32_t blocked = 0;
      if (choice.blocked != nullptr && !choice.dynamic) {
        blocked = choice.blocked->blocked_operands(description);
        step.plain_ns = estimate.step_ns(id, choice.candidate, LayoutForm::plain);
        step.blocked_ns = estimate.step_ns(id, choice.blocked, LayoutForm::blocked);
        if (choice.quantized != nullptr && choice.candidate == nullptr) step.plain_ns = kNeverNs;
        for (ValueId result : results(id)) {
          if (result == kNone || choice.blocked->output == LayoutForm::plain) continue;
          if (!can_be_blocked(g_.value(result))) step.blocked_ns = -1;
          step.makes.push_back(result);
        }
      }
      const std::vector<ValueId> read = operands(id);
      for (size_t i = 0; i < read.size(); ++i) {
        if (read[i] == kNone || g_.value(read[i]).is_constant()) continue;
        const bool follows = i < 32 && (blocked >> i & 1) != 0;
        if (follows && !can_be_blocked(g_.value(read[i]))) step.blocked_ns = -1;
        if (follows && g_.value(read[i]).producer == kNone)
          problem.reorder_ns[static_cast<size_t>(read[i])] = estimate.reorder_ns(read[i]);
        (follows ? step.follows : step.plain).push_back(read[i]);
      }
      for (ValueId in : g_.node(id).captured) step.plain.push_back(in);
      if (step.blocked_ns < 0) step.makes.clear();
      for (ValueId made : step.makes) problem.reorder_ns[static_cast<size_t>(made)] = estimate.reorder_ns(made);
      problem.steps.push_back(std::move(step));
      ids.push_back(id);
    }
    if (options_.blocking == Blocking::everywhere) {
      for (LayoutStep& step : problem.steps)
        step.plain_ns = step.plain_ns == kNeverNs ? kNeverNs
                        : step.blocked_ns >= 0    ? 1e6
                                                  : 0,
        step.blocked_ns = std::min(step.blocked_ns, 0.0);
      std::fill(problem.reorder_ns.begin(), problem.reorder_ns.end(), 0);
    }
    const std::vector<bool> blocked = choose_layouts(problem);
    for (size_t i = 0; i < ids.size(); ++i) {
      Choice& choice = choices_[static_cast<size_t>(ids[i])];
      choice.runs_blocked =
          choice.blocked != nullptr && (blocked[i] || (choice.quantized != nullptr && choice.candidate == nullptr));
    }
  }

  static KernelFn reference_of(const Node& n) {
    const bool newest = n.op != nullptr && n.version + 1 == static_cast<int>(n.op->versions.size());
    return newest ? find_reference(n.op->domain, n.op->name) : nullptr;
  }

  void add_step(NodeId id) {
    const Node& n = g_.node(id);
    Choice& choice = choices_[static_cast<size_t>(id)];
    PlanStep step;
    step.node = id;
    step.name = n.name.empty() ? n.type + "_" + std::to_string(id) : n.name;
    step.covers.push_back(id);
    for (const EpilogueItem& item : choice.epilogues) {
      step.covers.insert(step.covers.end(), item.inner.begin(), item.inner.end());
      step.covers.push_back(item.node);
    }
    if (choice.quantized != nullptr) step.covers = choice.quantized->covers;
    step.run = reference_of(n);
    step.dynamic = choice.dynamic;
    const Candidate* candidate = choice.runs_blocked ? choice.blocked : choice.candidate;
    uint32_t blocked = 0;
    if (!step.dynamic && candidate != nullptr) {
      step.candidate = candidate;
      step.run = candidate->run;
      step.epilogues = choice.epilogues;
      StepDescription description{&g_, id, options_.cpu, step.epilogues, options_.packs};
      description.precision = options_.precision;
      description.quantized = choice.quantized.get();
      description.tuning = options_.tuning;
      if (candidate->prepare != nullptr) step.prepared = candidate->prepare(description);
      if (choice.runs_blocked) blocked = candidate->blocked_operands(description);
    }
    const std::vector<ValueId> read = operands(id);
    for (size_t i = 0; i < read.size(); ++i)
      step.inputs.push_back(
          in_form(read[i], i < 32 && (blocked >> i & 1) != 0 ? LayoutForm::blocked : LayoutForm::plain, id));
    for (ValueId in : n.captured) step.captured.push_back(in_form(in, LayoutForm::plain, id));
    for (ValueId out : results(id)) step.outputs.push_back(tensor(out));
    if (choice.runs_blocked && candidate->output == LayoutForm::blocked) {
      for (int out : step.outputs) {
        if (out >= 0) plan_.tensors[static_cast<size_t>(out)].layout.channel_block = kChannelBlock;
      }
    }
    if (n.op != nullptr && n.op->effect == Effect::random) step.stream = stream_of(n);
    if (step.dynamic) {
      for (int out : step.outputs) {
        if (out >= 0) plan_.tensors[static_cast<size_t>(out)].place = Place::dynamic;
      }
    }
    plan_.steps.push_back(std::move(step));
  }

  // A part of a graph draws what the whole would (engine/placement numbers the nodes).
  uint64_t stream_of(const Node& n) {
    for (const auto& [key, value] : n.metadata) {
      uint64_t stream = 0;
      if (key == "chorus.stream" &&
          std::from_chars(value.data(), value.data() + value.size(), stream).ec == std::errc())
        return stream;
    }
    return random_count_++;
  }

  // The tensor of a value in the layout that a reader wants; a step that brings it there stands before its first reader.
  int in_form(ValueId id, LayoutForm form, NodeId reader) {
    const int made = tensor(id);
    if (made < 0) return made;
    const bool is_blocked = plan_.tensors[static_cast<size_t>(made)].layout.channel_block > 1;
    if (is_blocked == (form == LayoutForm::blocked)) return made;
    const auto known = reordered_.find(id);
    if (known != reordered_.end()) return known->second;
    PlanTensor other = plan_.tensors[static_cast<size_t>(made)];
    other.layout.channel_block = is_blocked ? 1 : kChannelBlock;
    other.place = Place::arena;
    other.port = -1;
    other.constant = Value();
    PlanStep step;
    step.node = reader;
    step.name = other.name;
    step.candidate = &reorder_candidate(form);
    step.run = step.candidate->run;
    step.inputs.push_back(made);
    plan_.tensors.push_back(std::move(other));
    const int index = static_cast<int>(plan_.tensors.size()) - 1;
    step.outputs.push_back(index);
    plan_.steps.push_back(std::move(step));
    reordered_.emplace(id, index);
    return index;
  }

  bool used(ValueId id) const { return !g_.value(id).uses.empty() || g_.is_output(id); }

  bool is_dynamic(ValueId id) const {
    const GraphValue& v = g_.value(id);
    if (v.is_constant()) return v.is_input && !is_sized(v.type);
    return dynamic_value_[static_cast<size_t>(id)] || (!is_sized(v.type) && !is_host(v));
  }

  bool must_be_dynamic(const Node& n, const Choice& choice) {
    if (reference_of(n) == nullptr || n.op->sizes != Sizes::by_shapes || !n.captured.empty()) return true;
    for (const auto& item : n.attributes.items()) {
      if (item.value.kind() == AttrKind::graph) return true;
    }
    const NodeId id = static_cast<NodeId>(&choice - choices_.data());
    for (ValueId in : operands(id)) {
      if (in == kNone) continue;
      const Type& type = g_.value(in).type;
      const DType dtype = type.is_tensor() ? type.dtype : DType::undefined;
      if (is_dynamic(in) || dtype == DType::string || dtype == DType::undefined) return true;
    }
    const std::vector<ValueId> made = results(id);
    return std::any_of(made.begin(), made.end(),
                       [&](ValueId v) { return v != kNone && (is_dynamic(v) || escapes(v)); });
  }
  // A value that ends inside a sequence or body outlives its step: it must own its memory.
  bool escapes(ValueId value) const {
    for (const Use& use : g_.value(value).uses) {
      const Node& user = g_.node(use.node);
      if (use.operand >= kCapturedOperand) return true;
      if (user.op == nullptr || user.op->sizes == Sizes::by_shapes) continue;
      for (ValueId o : user.outputs) {
        if (o != kNone && g_.value(o).type.kind != ValueKind::tensor) return true;
      }
      for (const auto& item : user.attributes.items()) {
        if (item.value.kind() == AttrKind::graph) return true;
      }
    }
    return false;
  }

  void add_outputs() {
    const auto outputs = g_.outputs();
    for (size_t i = 0; i < outputs.size(); ++i) {
      const int t = in_form(outputs[i], LayoutForm::plain, g_.value(outputs[i]).producer);
      PlanTensor& out = plan_.tensors[static_cast<size_t>(t)];
      plan_.outputs.push_back(t);
      if (out.place == Place::arena || out.place == Place::host) out.place = Place::output;
      if (out.place == Place::output && out.port < 0) out.port = static_cast<int>(i);
    }
  }

  void add_checks() {
    for (const DimCheck& check : g_.checks) {
      if (!is_known(check.a) || !is_known(check.b)) continue;
      const int a = plan_.dims.add(check.a), b = plan_.dims.add(check.b);
      if (a >= 0 && b >= 0)
        plan_.checks.push_back({a, b, check.what + " of " + (check.node == kNone ? g_.name : g_.where(check.node))});
    }
  }

  const Graph& g_;
  PlanOptions options_;
  Plan plan_;
  std::vector<NodeId> order_;
  std::unordered_set<std::string> symbols_;  // of the inputs
  std::vector<int> tensor_of_;
  std::vector<bool> absorbed_, needed_, dynamic_value_;
  std::unordered_map<ValueId, int> reordered_;  // value → its tensor in the other layout
  std::vector<NodeId> emit_at_;  // node → the node whose step is made at its place
  std::vector<Choice> choices_;
  uint64_t random_count_ = 0;
};

}  // namespace

Plan build_plan(std::shared_ptr<const Graph> graph, const PlanOptions& options) {
  Plan plan = Builder(std::move(graph), options).build();
#ifndef NDEBUG  // debug and sanitizer builds
  verify_plan(plan);
#endif
  return plan;
}

}  // namespace chorus::native
