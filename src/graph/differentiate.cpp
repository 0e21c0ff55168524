#include <core/convert.h>
#include <graph/infer.h>
#include <graph/node_context.h>
#include <graph/sweep.h>

#include <fmt/format.h>

#include <algorithm>

namespace chorus {
namespace {

// What a rule sees. Refs are value ids of the graph.
class RuleContext final : public GraphNodeContext<GradContext> {
 public:
  RuleContext(Graph& graph, NodeId id, Sweep& sweep, std::vector<ValueId> out_gradients)
      : GraphNodeContext(graph, id), target_(graph), sweep_(sweep), out_gradients_(std::move(out_gradients)),
        gradients_(graph.node(id).inputs.size(), kNone) {}

  Ref in(int i) override { return {operand(i)}; }
  const Type& type_of(Ref ref) const override { return graph_.value(ref.id).type; }
  using GraphNodeContext::constant;
  Ref constant(Value value) override { return {target_.add_constant("constant", std::move(value))}; }
  void next(std::string_view domain, int version) override {
    domain_ = std::string(domain);
    version_ = version;
  }
  std::vector<Ref> emit(std::string_view name, std::span<const Ref> inputs, Attributes attributes,
                        int outputs) override;

  Ref out(int i) override {
    const bool there = has_output(i);
    const ValueId made = target_.make_output(id_, i);
    if (!there) infer_node(target_, id_);
    return {made};
  }
  Ref out_gradient(int i) override {
    return {i >= 0 && static_cast<size_t>(i) < out_gradients_.size() ? out_gradients_[static_cast<size_t>(i)] : kNone};
  }
  bool wanted(int i) const override { return operand(i) != kNone && sweep_.depends(operand(i)); }
  void set_gradient(int i, Ref gradient) override;
  void through(Expansion (*meaning)(OpBuilder&)) override;
  void through_bodies() override;

 private:
  Graph& target_;
  Sweep& sweep_;
  std::vector<ValueId> out_gradients_;
  std::vector<ValueId> gradients_;
  std::string domain_;
  int version_ = 0;
  std::vector<NodeId> made_;
};

std::vector<Ref> RuleContext::emit(std::string_view name, std::span<const Ref> inputs, Attributes attributes,
                                   int outputs) {
  Node n;
  n.op = find_op(domain_, name);
  if (n.op == nullptr)
    throw Error(Code::internal, fmt::format("a gradient rule emits \"{}\", which has no row", name), graph_.where(id_));
  n.version = version_ > 0 ? n.op->version_index(version_) : static_cast<int>(n.op->versions.size()) - 1;
  n.domain = std::string(n.op->domain);
  n.type = std::string(name);
  n.name = node().name.empty() ? std::string() : fmt::format("{}/gradient/{}", node().name, name);
  n.file_offset = node().file_offset;
  for (const Ref ref : inputs) n.inputs.push_back(ref ? ref.id : kNone);
  while (!n.inputs.empty() && n.inputs.back() == kNone) n.inputs.pop_back();
  n.attributes = std::move(attributes);
  std::vector<Ref> refs;
  for (int i = 0; i < outputs; ++i) {
    refs.push_back({target_.add_value(n.type)});
    n.outputs.push_back(refs.back().id);
  }
  if (!n.domain.empty() && target_.opsets.find(n.domain) == target_.opsets.end()) {
    target_.opsets[n.domain] = std::max(newest_opset(n.domain), n.op->newest_version());
  }
  domain_.clear();
  version_ = 0;
  made_.push_back(target_.add_node(std::move(n)));
  infer_node(target_, made_.back());
  return refs;
}

void RuleContext::set_gradient(int i, Ref gradient) {
  if (!gradient || !wanted(i)) return;
  const Type &is = graph_.value(gradient.id).type, &should = graph_.value(operand(i)).type;
  const auto wrong = [&] {
    fail(Code::internal, fmt::format("the gradient of operand {} is {}, the operand {}", i, is.str(), should.str()),
         {});
  };
  if (is.kind != should.kind) wrong();
  if (is.is_tensor()) {
    if (is.dtype != should.dtype && is.dtype != DType::undefined && should.dtype != DType::undefined) wrong();
    if (is.has_rank && should.has_rank) {
      if (is.rank() != should.rank()) wrong();
      for (size_t d = 0; d < is.dims.size(); ++d) {
        if (Dim::equal(is.dims[d], should.dims[d]) == Dim::Truth::no) wrong();
      }
    }
  }
  sweep_.add(operand(i), gradient.id);
}

void RuleContext::through(Expansion (*meaning)(OpBuilder&)) {
  std::vector<NodeId> before = std::exchange(made_, {});
  const Expansion form = meaning(*this);
  if (!form.ok()) fail(Code::unsupported, "no gradient: " + form.refusal, {});
  std::vector<ValueId> sources;
  for (int i = 0; i < inputs(); ++i) {
    if (wanted(i) && std::find(sources.begin(), sources.end(), operand(i)) == sources.end())
      sources.push_back(operand(i));
  }
  Sweep inner(target_, std::exchange(made_, std::move(before)), sources);
  for (size_t i = 0; i < out_gradients_.size() && i < form.outputs.size(); ++i) {
    if (out_gradients_[i] != kNone && form.outputs[i]) inner.add(form.outputs[i].id, out_gradients_[i]);
  }
  inner.run();
  // An operand that stands twice in the node got the gradients of both places.
  for (const ValueId source : sources) {
    if (const ValueId g = inner.total(source); g != kNone) sweep_.add(source, g);
  }
}

void RuleContext::through_bodies() {
  BodyNode one;
  one.node = id_;
  one.out_gradients = out_gradients_;
  for (const ValueId id : node().inputs) one.wanted.push_back(id != kNone && sweep_.depends(id));
  for (const ValueId id : node().captured) one.wanted_captured.push_back(sweep_.depends(id));
  const std::vector<ValueId> inputs = node().inputs, captured = node().captured;
  const BodyGradients found = differentiate_bodies(target_, one);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (found.inputs[i] != kNone) sweep_.add(inputs[i], found.inputs[i]);
  }
  for (size_t i = 0; i < captured.size(); ++i) {
    if (found.captured[i] != kNone) sweep_.add(captured[i], found.captured[i]);
  }
}

ValueId filled_like(Graph& graph, ValueId like, double number) {
  const Type type = graph.value(like).type;
  if (type.kind == ValueKind::sequence && number == 0) return emit_node(graph, "SequenceZeros", {like}, {}, "chorus");
  if (type.kind == ValueKind::optional && number == 0) {
    return emit_node(graph, "Optional", {filled_like(graph, emit_node(graph, "OptionalGetElement", {like}), 0)});
  }
  if (!type.is_tensor())
    throw Error(Code::unsupported, "a gradient of " + type.str() + " has no default", graph.value(like).name);
  const ValueId shape = emit_node(graph, "Shape", {like});
  if (type.dtype == DType::undefined || is_complex(type.dtype)) {
    Value one = Value::tensor(DType::float32, Shape{1});
    set_f64(DType::float32, one.mutable_data(), 0, number);
    const ValueId filled = emit_node(graph, "ConstantOfShape", {shape}, {{"value", std::move(one)}});
    if (!is_complex(type.dtype)) return emit_node(graph, "CastLike", {filled, like});
    const ValueId zero = emit_node(graph, "Sub", {filled, filled});
    const ValueId axis = graph.add_constant("axis", Value::of<int64_t>(Shape{1}, {-1}));
    const ValueId re = emit_node(graph, "Unsqueeze", {filled, axis}), im = emit_node(graph, "Unsqueeze", {zero, axis});
    ValueId pairs = emit_node(graph, "Concat", {re, im}, {{"axis", -1}});
    if (type.dtype == DType::complex128)
      pairs = emit_node(graph, "Cast", {pairs}, {{"to", static_cast<int64_t>(DType::float64)}});
    return emit_node(graph, "ViewAsComplex", {pairs}, {}, "chorus");
  }
  Value value = Value::tensor(type.dtype, Shape{1});
  set_f64(type.dtype, value.mutable_data(), 0, number);
  return emit_node(graph, "ConstantOfShape", {shape}, {{"value", std::move(value)}});
}

}  // namespace

ValueId emit_node(Graph& graph, std::string_view op, std::vector<ValueId> inputs, Attributes attributes,
                  std::string_view domain) {
  const NodeId id = graph.add_node(op, inputs, std::move(attributes), 1, domain);
  if (!domain.empty() && graph.opsets.find(domain) == graph.opsets.end())
    graph.opsets[std::string(domain)] = newest_opset(domain);
  infer_node(graph, id);
  return graph.node(id).outputs[0];
}

ValueId zeros_like(Graph& graph, ValueId like) { return filled_like(graph, like, 0); }
ValueId ones_like(Graph& graph, ValueId like) { return filled_like(graph, like, 1); }

bool is_differentiable(const Type& type) noexcept {
  switch (type.kind) {
    case ValueKind::tensor: return is_float(type.dtype) || is_complex(type.dtype) || type.dtype == DType::undefined;
    case ValueKind::sequence:
    case ValueKind::optional: return type.elem != nullptr && is_differentiable(*type.elem);
    default: return false;
  }
}

Sweep::Sweep(Graph& graph, std::vector<NodeId> nodes, std::span<const ValueId> sources)
    : graph_(graph), nodes_(std::move(nodes)) {
  for (const ValueId id : sources) {
    if (is_differentiable(graph.value(id).type)) depends_.insert(id);
  }
  for (const NodeId id : nodes_) {
    const Node& n = graph_.node(id);
    const auto hit = [&](ValueId v) { return v != kNone && depends(v); };
    if (std::none_of(n.inputs.begin(), n.inputs.end(), hit) && std::none_of(n.captured.begin(), n.captured.end(), hit))
      continue;
    // Behind a node without gradient nothing depends any more.
    if (n.op != nullptr && std::holds_alternative<NoGradient>(n.op->gradient)) {
      blocked_.push_back(id);
      continue;
    }
    for (const ValueId out : n.outputs) {
      if (out != kNone && is_differentiable(graph_.value(out).type)) depends_.insert(out);
    }
  }
}

void Sweep::add(ValueId value, ValueId gradient) {
  if (depends(value)) parts_[value].push_back(gradient);
}

ValueId Sweep::total(ValueId value) {
  const auto it = parts_.find(value);
  if (it == parts_.end()) return kNone;
  std::vector<ValueId>& parts = it->second;
  if (parts.size() > 1) {
    const Type type = graph_.value(value).type;
    ValueId sum = kNone;
    if (type.kind == ValueKind::sequence) {
      sum = emit_node(graph_, "SequenceSum", parts, {}, "chorus");
    } else if (type.kind == ValueKind::optional) {
      std::vector<ValueId> inside;
      for (const ValueId part : parts) inside.push_back(emit_node(graph_, "OptionalGetElement", {part}));
      const bool sequence = type.elem->kind == ValueKind::sequence;
      sum = emit_node(graph_, "Optional",
                      {emit_node(graph_, sequence ? "SequenceSum" : "Sum", inside, {}, sequence ? "chorus" : "")});
    } else if (is_complex(type.dtype)) {
      std::vector<ValueId> pairs;
      for (const ValueId part : parts) pairs.push_back(emit_node(graph_, "ViewAsReal", {part}, {}, "chorus"));
      sum = emit_node(graph_, "ViewAsComplex", {emit_node(graph_, "Sum", pairs)}, {}, "chorus");
    } else {
      sum = emit_node(graph_, parts.size() == 2 ? "Add" : "Sum", parts);
    }
    parts.assign(1, sum);
  }
  return parts[0];
}

void Sweep::visit(NodeId id) {
  std::vector<ValueId> gradients;
  bool any = false;
  const std::vector<ValueId> outputs = graph_.node(id).outputs;
  for (const ValueId out : outputs) {
    gradients.push_back(out == kNone ? kNone : total(out));
    any = any || gradients.back() != kNone;
  }
  if (!any) return;
  const Node& n = graph_.node(id);
  if (n.op == nullptr)
    throw Error(Code::unsupported, fmt::format("{}: a call of a function has no gradient", n.type), graph_.where(id),
                "inline the functions of the model first");
  const auto* vjp = std::get_if<Vjp>(&n.op->gradient);
  if (vjp == nullptr) {
    throw Error(Code::unsupported, fmt::format("{}: its gradient is not known", n.type), graph_.where(id),
                "give the operator a gradient rule, or detach its operands");
  }
  RuleContext context(graph_, id, *this, std::move(gradients));
  vjp->rule(context);
}

void Sweep::run() {
  for (size_t i = nodes_.size(); i-- > 0;) visit(nodes_[i]);
}

Gradients add_gradients(Graph& graph, std::span<const ValueId> outputs, std::span<const ValueId> seeds,
                        std::span<const ValueId> inputs) {
  if (!seeds.empty() && seeds.size() != outputs.size()) {
    throw Error(Code::bad_input, fmt::format("gradients: {} outputs and {} seeds", outputs.size(), seeds.size()));
  }
  Sweep sweep(graph, graph.order(), inputs);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!sweep.depends(outputs[i])) continue;
    const ValueId seed = i < seeds.size() ? seeds[i] : kNone;
    sweep.add(outputs[i], seed == kNone ? ones_like(graph, outputs[i]) : seed);
  }
  sweep.run();
  Gradients found;
  for (const ValueId id : inputs) found.of.push_back(sweep.total(id));
  found.blocked = sweep.blocked();
  return found;
}

std::string why_blocked(const Graph& graph, NodeId node) {
  const auto* none = std::get_if<NoGradient>(&graph.node(node).op->gradient);
  return fmt::format("{}: {}", graph.where(node), none == nullptr ? "no gradient rule" : none->reason);
}

}  // namespace chorus
