// From graph to Plan: which values are known from shapes, which need memory, which kernel runs each node, what is shared.
#include <engine/native/plan/plan.h>

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace chorus::native {
namespace {

class Builder {
 public:
  Builder(std::shared_ptr<const Graph> graph, const PlanOptions& options) : g_(*graph), options_(options) { plan_.graph = std::move(graph); }

  Plan build() {
    order_ = g_.order();
    tensor_of_.assign(static_cast<size_t>(g_.value_capacity()), -1);
    absorbed_.assign(static_cast<size_t>(g_.node_capacity()), false);
    emit_at_.assign(static_cast<size_t>(g_.node_capacity()), kNone);
    add_inputs();
    choose_steps();
    find_needed();
    for (NodeId id : order_) {
      // A fused step stands where its last node stood: its residual may be made after its own operands.
      const NodeId owner = emit_at_[static_cast<size_t>(id)];
      if (owner != kNone && needed_[static_cast<size_t>(id)]) add_step(owner);
    }
    add_outputs();
    share_memory();
    set_lifetimes();
    add_checks();
    return std::move(plan_);
  }

 private:
  struct Choice {
    const Candidate* candidate = nullptr;
    std::vector<EpilogueItem> epilogues;
    ValueId result = kNone;        ///< fused: value made instead of output 0
  };

  static bool is_host(const GraphValue& v) {
    if (!v.symbolic || v.is_constant() || v.is_input || !v.type.is_static()) return false;
    return std::none_of(v.symbolic->begin(), v.symbolic->end(), [](const Dim& d) { return d.is_unknown(); });
  }
  static bool is_sized(const Type& t) {
    return t.is_tensor() && t.has_rank && t.dtype != DType::undefined && t.dtype != DType::string &&
           std::none_of(t.dims.begin(), t.dims.end(), [](const Dim& d) { return d.is_unknown(); });
  }

  void add_inputs() {
    const auto inputs = g_.inputs();
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
        if (index == static_cast<int>(plan_.symbols.size())) plan_.symbols.push_back({static_cast<int>(i), static_cast<int>(d)});
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
    for (NodeId id : order_) {
      if (absorbed_[static_cast<size_t>(id)]) continue;
      emit_at_[static_cast<size_t>(id)] = id;
      if (options_.reference_only) continue;
      const Node& n = g_.node(id);
      StepDescription description{&g_, id, options_.cpu, {}, nullptr};
      for (const Candidate* c : candidates(n.type)) {
        if (!n.domain.empty() || !c->accepts(description)) continue;
        Choice& choice = choices_[static_cast<size_t>(id)];
        choice.candidate = c;
        if (options_.fuse && c->epilogues != 0) {
          FusionChoice fusion = choose_epilogues(g_, id, c->epilogues);
          // The sum of two products belongs to the first that took it.
          for (size_t i = 0; i < fusion.epilogues.size(); ++i) {
            const EpilogueItem& item = fusion.epilogues[i];
            const auto taken = [&](NodeId n) { return absorbed_[static_cast<size_t>(n)]; };
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
          if (!choice.epilogues.empty()) {
            emit_at_[static_cast<size_t>(id)] = kNone;
            emit_at_[static_cast<size_t>(choice.epilogues.back().node)] = id;
          }
        }
        break;
      }
    }
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
        needed = needed || (out != kNone && wanted[static_cast<size_t>(out)] && (!is_host(g_.value(out)) || g_.is_output(out)));
      }
      if (!needed) continue;
      needed_[static_cast<size_t>(*it)] = true;
      for (ValueId in : n.inputs) {
        if (in != kNone) wanted[static_cast<size_t>(in)] = true;
      }
      for (ValueId in : n.captured) wanted[static_cast<size_t>(in)] = true;
    }
  }

  void add_step(NodeId id) {
    const Node& n = g_.node(id);
    Choice& choice = choices_[static_cast<size_t>(id)];
    PlanStep step;
    step.node = id;
    step.name = n.name.empty() ? n.type + "_" + std::to_string(id) : n.name;
    step.covers.push_back(id);
    for (ValueId in : n.inputs) step.inputs.push_back(tensor(in));
    for (ValueId in : n.captured) step.captured.push_back(tensor(in));
    for (ValueId out : n.outputs) step.outputs.push_back(out != kNone && used(out) ? tensor(out) : -1);
    if (choice.result != kNone) step.outputs[0] = tensor(choice.result);
    for (const EpilogueItem& item : choice.epilogues) {
      step.covers.insert(step.covers.end(), item.inner.begin(), item.inner.end());
      step.covers.push_back(item.node);
      if (item.operand != kNone) step.inputs.push_back(tensor(item.operand));
    }
    const bool newest = n.op != nullptr && n.version + 1 == static_cast<int>(n.op->versions.size());
    step.run = newest ? find_reference(n.op->domain, n.op->name) : nullptr;
    step.dynamic = step.run == nullptr || must_be_dynamic(n, step);
    if (!step.dynamic && choice.candidate != nullptr) {
      step.candidate = choice.candidate;
      step.run = choice.candidate->run;
      step.epilogues = choice.epilogues;
      if (choice.candidate->prepare != nullptr) step.prepared = choice.candidate->prepare({&g_, id, options_.cpu, step.epilogues, options_.packs});
    }
    if (n.op != nullptr && n.op->effect == Effect::random) step.stream = random_count_++;
    if (step.dynamic) {
      for (int out : step.outputs) {
        if (out >= 0) make_dynamic(out);
      }
    }
    plan_.steps.push_back(std::move(step));
  }

  bool used(ValueId id) const { return !g_.value(id).uses.empty() || g_.is_output(id); }

  void make_dynamic(int t) {
    PlanTensor& tensor = plan_.tensors[static_cast<size_t>(t)];
    tensor.place = Place::dynamic;
  }

  bool must_be_dynamic(const Node& n, const PlanStep& step) {
    if (n.op->sizes != Sizes::by_shapes || !n.captured.empty()) return true;
    for (const auto& item : n.attributes.items()) {
      if (item.value.kind() == AttrKind::graph) return true;
    }
    for (int in : step.inputs) {
      if (in < 0) continue;
      const PlanTensor& t = plan_.tensors[static_cast<size_t>(in)];
      if (t.place == Place::dynamic || t.dtype == DType::string || t.dtype == DType::undefined) return true;
    }
    for (size_t i = 0; i < step.outputs.size(); ++i) {
      if (step.outputs[i] < 0) continue;
      const PlanTensor& t = plan_.tensors[static_cast<size_t>(step.outputs[i])];
      if (t.place == Place::dynamic) return true;
    }
    return escapes(step);
  }
  // A value that ends inside a sequence or body outlives its step: it must own its memory.
  bool escapes(const PlanStep& step) const {
    for (int out : step.outputs) {
      if (out < 0) continue;
      for (const Use& use : g_.value(plan_.tensors[static_cast<size_t>(out)].value).uses) {
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
    }
    return false;
  }

  void add_outputs() {
    const auto outputs = g_.outputs();
    for (size_t i = 0; i < outputs.size(); ++i) {
      const int t = tensor(outputs[i]);
      PlanTensor& out = plan_.tensors[static_cast<size_t>(t)];
      plan_.outputs.push_back(t);
      if (out.place == Place::arena || out.place == Place::host) out.place = Place::output;
      if (out.place == Place::output && out.port < 0) out.port = static_cast<int>(i);
    }
  }

  // Views take their operand's bytes without a step; element-wise steps write over an operand that dies.
  void share_memory() {
    std::vector<int> last_read(plan_.tensors.size(), -1);
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      for (int in : plan_.steps[s].inputs) {
        if (in >= 0) last_read[static_cast<size_t>(in)] = static_cast<int>(s);
      }
      for (int in : plan_.steps[s].captured) last_read[static_cast<size_t>(in)] = static_cast<int>(s);
    }
    std::vector<PlanStep> kept;
    std::vector<int> root_last = last_read;   // over views
    // A view's readers keep its operand alive: walk backwards to fold them in.
    for (size_t s = plan_.steps.size(); s-- > 0;) {
      const PlanStep& step = plan_.steps[s];
      if (is_view(step)) {
        int& of = root_last[static_cast<size_t>(step.inputs[0])];
        of = std::max(of, root_last[static_cast<size_t>(step.outputs[0])]);
      }
    }
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      PlanStep& step = plan_.steps[s];
      if (is_view(step)) {
        plan_.tensors[static_cast<size_t>(step.outputs[0])].parent = step.inputs[0];
        continue;
      }
      if (!step.dynamic) overwrite(step, static_cast<int>(s), root_last);
      kept.push_back(std::move(step));
    }
    plan_.steps = std::move(kept);
  }

  bool is_view(const PlanStep& step) const {
    if (step.dynamic || step.inputs.empty() || step.inputs[0] < 0 || step.outputs.size() != 1 || step.outputs[0] < 0) return false;
    const Node& n = g_.node(step.node);
    const bool hinted = std::any_of(n.op->aliases.begin(), n.op->aliases.end(), [](const Hint& h) { return h.kind == Alias::is_view && h.out == 0 && h.in == 0; });
    const PlanTensor& from = plan_.tensors[static_cast<size_t>(step.inputs[0])];
    const PlanTensor& to = plan_.tensors[static_cast<size_t>(step.outputs[0])];
    return hinted && step.epilogues.empty() && to.place == Place::arena && from.dtype == to.dtype &&
           (from.place == Place::arena || from.place == Place::input || from.place == Place::constant);
  }

  void overwrite(const PlanStep& step, int index, std::vector<int>& root_last) {
    const Node& n = g_.node(step.node);
    for (const Hint& hint : n.op->aliases) {
      if (hint.kind != Alias::may_overwrite || hint.in >= step.inputs.size() || hint.out >= step.outputs.size()) continue;
      const int in = step.inputs[hint.in], out = step.outputs[hint.out];
      if (in < 0 || out < 0) continue;
      PlanTensor& to = plan_.tensors[static_cast<size_t>(out)];
      const int root = plan_.root(in);
      const PlanTensor& from = plan_.tensors[static_cast<size_t>(in)];
      if (to.place != Place::arena || plan_.tensors[static_cast<size_t>(root)].place != Place::arena) continue;
      if (to.parent >= 0 || from.dtype != to.dtype || from.dim_slots != to.dim_slots) continue;
      // The memory must die here: no later reader of it, through whatever view, and no second operand in it.
      int last = root_last[static_cast<size_t>(root)];
      for (size_t t = 0; t < plan_.tensors.size(); ++t) {
        if (plan_.root(static_cast<int>(t)) == root) last = std::max(last, root_last[t]);
      }
      int readers = 0;
      for (int other : step.inputs) readers += other >= 0 && plan_.root(other) == root;
      if (last > index || readers > 1) continue;
      to.parent = in;
      return;
    }
  }

  void set_lifetimes() {
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      auto touch = [&](int t) {
        if (t < 0) return;
        PlanTensor& r = plan_.tensors[static_cast<size_t>(plan_.root(t))];
        if (r.first < 0) r.first = static_cast<int>(s);
        r.last = static_cast<int>(s);
      };
      for (int t : plan_.steps[s].inputs) touch(t);
      for (int t : plan_.steps[s].captured) touch(t);
      for (int t : plan_.steps[s].outputs) touch(t);
    }
  }

  void add_checks() {
    for (const DimCheck& check : g_.checks) {
      const int a = plan_.dims.add(check.a), b = plan_.dims.add(check.b);
      if (a >= 0 && b >= 0) plan_.checks.push_back({a, b, check.what + " of " + (check.node == kNone ? g_.name : g_.where(check.node))});
    }
  }

  const Graph& g_;
  PlanOptions options_;
  Plan plan_;
  std::vector<NodeId> order_;
  std::vector<int> tensor_of_;
  std::vector<bool> absorbed_, needed_;
  std::vector<NodeId> emit_at_;   // node → the node whose step is made at its place
  std::vector<Choice> choices_;
  uint64_t random_count_ = 0;
};

}  // namespace

const Type& StepDescription::in(int i) const {
  static const Type none;
  const auto& inputs = n().inputs;
  if (i < 0 || static_cast<size_t>(i) >= inputs.size() || inputs[static_cast<size_t>(i)] == kNone) return none;
  return graph->value(inputs[static_cast<size_t>(i)]).type;
}

const Type& StepDescription::out(int i) const {
  static const Type none;
  const auto& outputs = n().outputs;
  if (i < 0 || static_cast<size_t>(i) >= outputs.size() || outputs[static_cast<size_t>(i)] == kNone) return none;
  return graph->value(outputs[static_cast<size_t>(i)]).type;
}

const Value* StepDescription::constant(int i) const {
  const auto& inputs = n().inputs;
  if (i < 0 || static_cast<size_t>(i) >= inputs.size() || inputs[static_cast<size_t>(i)] == kNone) return nullptr;
  const GraphValue& v = graph->value(inputs[static_cast<size_t>(i)]);
  return v.is_constant() && !v.is_input ? &v.constant : nullptr;
}

Buffer StepDescription::pack(int operand, std::string_view form, size_t bytes, FunctionRef<void(std::byte*)> fill) const {
  if (packs != nullptr) return packs->take(*graph, node, operand, form, bytes, fill);
  Buffer buffer = Buffer::allocate(bytes);
  fill(buffer.mutable_data());
  return buffer;
}

Plan build_plan(std::shared_ptr<const Graph> graph, const PlanOptions& options) { return Builder(std::move(graph), options).build(); }

}  // namespace chorus::native
