#include <autograd/history.h>

#include <graph/infer.h>

#include <string>

namespace chorus::autograd {
namespace {

constexpr int64_t kSmall = 64;

struct Step {
  std::shared_ptr<Expr> expr;
  size_t next = 0;
};

// Whether the operands are still there and gradients may pass.
bool continues(const Expr& e) {
  return e.op != nullptr && !e.stops_gradient && !e.custom &&
         (!e.done.load(std::memory_order_acquire) || e.keeps_history);
}

// Expressions in an order in which operands come first.
std::vector<std::shared_ptr<Expr>> walk(std::span<const Tensor> outputs) {
  std::vector<std::shared_ptr<Expr>> order;
  std::unordered_map<const Expr*, bool> seen;
  std::vector<Step> stack;
  const std::lock_guard lock(graph_mutex());
  const auto enter = [&](const Tensor& t) {
    if (t.defined() && seen.emplace(t.expr().get(), true).second) stack.push_back({t.expr(), 0});
  };
  for (const Tensor& t : outputs) {
    enter(t);
    while (!stack.empty()) {
      Step& top = stack.back();
      if (continues(*top.expr) && top.next < top.expr->inputs.size()) {
        const Tensor input = top.expr->inputs[top.next++];
        enter(input);
        continue;
      }
      order.push_back(std::move(top.expr));
      stack.pop_back();
    }
  }
  return order;
}

class Builder {
 public:
  Builder(History& history, Extents extents) : h_(history), extents_(extents) {}
  void add(const std::shared_ptr<Expr>& expr) {
    if (!continues(*expr)) return leaf(expr);
    Node node;
    node.op = expr->op;
    node.version = static_cast<int>(expr->op->versions.size()) - 1;
    node.domain = std::string(expr->op->domain);
    node.type = std::string(expr->op->name);
    node.attributes = expr->attributes;
    for (const Tensor& input : expr->inputs) node.inputs.push_back(h_.value_of(input));
    for (size_t i = 0; i < expr->outputs.size(); ++i) {
      const ValueId id = value(expr, i, h_.graph.add_value({}));
      if (i == 0) h_.first.emplace(expr.get(), id);
      node.outputs.push_back(id);
    }
    if (!node.domain.empty())
      h_.graph.opsets.emplace(node.domain, std::max(newest_opset(node.domain), expr->op->newest_version()));
    infer_node(h_.graph, h_.graph.add_node(std::move(node)));
  }

 private:
  ValueId value(const std::shared_ptr<Expr>& expr, size_t output, ValueId id) {
    h_.tensors.resize(static_cast<size_t>(id) + 1);
    h_.tensors[static_cast<size_t>(id)] = Tensor(expr, static_cast<int32_t>(output));
    return id;
  }
  Type type_of(const Type& exact) {
    Type type = exact;
    if (!type.is_tensor() || extents_ == Extents::numbers) return type;
    for (Dim& d : type.dims) {
      if (d.is_number() && d.number() != 1) d = Dim::symbol("d" + std::to_string(d.number()));
    }
    return type;
  }
  void leaf(const std::shared_ptr<Expr>& expr) {
    const bool done = expr->done.load(std::memory_order_acquire);
    for (size_t i = 0; i < expr->outputs.size(); ++i) {
      const ExprOutput& out = expr->outputs[i];
      const Value* v = done ? &out.value : nullptr;
      // Small integers are values that rules read.
      const bool known = v != nullptr && v->is_tensor() && (is_integer(v->dtype()) || v->dtype() == DType::boolean) &&
                         v->numel() <= kSmall;
      const ValueId id = known ? h_.graph.add_constant({}, *v)
                               : h_.graph.add_input({}, type_of(v != nullptr ? Type::of(*v) : out.full_type()));
      value(expr, i, id);
      if (i == 0) h_.first.emplace(expr.get(), id);
    }
  }
  History& h_;
  Extents extents_;
};

}  // namespace

ValueId History::value_of(const Tensor& tensor) const {
  if (!tensor.defined()) return kNone;
  const auto found = first.find(tensor.expr().get());
  return found == first.end() ? kNone : found->second + tensor.output();
}

Leaves leaves_of(std::span<const Tensor> outputs) {
  Leaves leaves;
  for (const auto& expr : walk(outputs)) {
    if (expr->custom) leaves.customs.push_back(expr);
    if (!expr->gradient_of_variable.expired()) leaves.required.emplace_back(expr, 0);
  }
  return leaves;
}

History history_of(std::span<const Tensor> outputs, Extents extents) {
  History history;
  history.graph.name = "history";
  history.graph.opsets[""] = newest_opset("");
  Builder builder(history, extents);
  for (const auto& expr : walk(outputs)) builder.add(expr);
  history.nodes = history.graph.node_capacity();
  return history;
}

}  // namespace chorus::autograd
