#include <tensor/capture.h>

#include <utility>

namespace chorus {
namespace {

constexpr int32_t kUnseen = -1, kOpen = -2;

class Walk {
 public:
  explicit Walk(Capture& out) : out_(out) {}
  ~Walk() {
    for (Expr* e : marked_) e->mark = kUnseen;
  }
  void add(const Tensor& target) {
    if (!target.defined()) return;
    enter(target.expr());
    while (!stack_.empty()) {
      Step& step = stack_.back();
      const std::vector<Tensor>& inputs = step.expr->inputs;
      if (step.next == inputs.size()) {
        leave(std::move(step.expr));
        continue;
      }
      const Tensor& input = inputs[step.next++];
      if (input.defined()) enter(input.expr());
    }
  }
  std::vector<int64_t>& references() { return references_; }

 private:
  struct Step {
    std::shared_ptr<Expr> expr;
    size_t next = 0;
  };
  void enter(const std::shared_ptr<Expr>& expr) {
    if (expr->mark != kUnseen) return;
    marked_.push_back(expr.get());
    if (expr->done.load(std::memory_order_acquire)) {
      expr->mark = static_cast<int32_t>(out_.leaves.size());
      for (const ExprOutput& o : expr->outputs) out_.leaves.push_back(o.value);
      return;
    }
    expr->mark = kOpen;
    stack_.push_back({expr, 0});
  }
  void leave(std::shared_ptr<Expr> expr) {
    stack_.pop_back();
    CapturedNode node;
    node.operands = static_cast<int32_t>(out_.operands.size());
    node.operand_count = static_cast<int32_t>(expr->inputs.size());
    node.value = out_.values;
    for (const Tensor& input : expr->inputs) {
      if (!input.defined()) {
        out_.operands.push_back(kOmitted);
        continue;
      }
      const Expr& source = *input.expr();
      if (source.done.load(std::memory_order_acquire)) {
        out_.operands.push_back(leaf_operand(source.mark + input.output()));
      } else {
        const auto at = static_cast<size_t>(source.mark);
        out_.operands.push_back(out_.nodes[at].value + input.output());
        ++references_[at];
      }
    }
    out_.values += static_cast<int32_t>(expr->outputs.size());
    expr->mark = static_cast<int32_t>(out_.nodes.size());
    node.expr = std::move(expr);
    out_.nodes.push_back(std::move(node));
    references_.push_back(1);   // ours
  }
  Capture& out_;
  std::vector<Expr*> marked_;
  std::vector<Step> stack_;
  std::vector<int64_t> references_;
};

}  // namespace

Capture capture(std::span<const Tensor> targets) {
  Capture captured;
  const std::lock_guard lock(graph_mutex());
  Walk walk(captured);
  for (const Tensor& t : targets) walk.add(t);
  for (size_t i = 0; i < captured.nodes.size(); ++i) {
    captured.nodes[i].kept = captured.nodes[i].expr.use_count() > walk.references()[i];
  }
  for (const Tensor& t : targets) {
    if (t.defined() && !t.expr()->done.load(std::memory_order_acquire))
      captured.nodes[static_cast<size_t>(t.expr()->mark)].kept = true;
  }
  return captured;
}

void commit(Capture& captured, std::vector<Value>& values) {
  std::vector<std::vector<Tensor>> dropped;
  {
    const std::lock_guard lock(graph_mutex());
    for (CapturedNode& node : captured.nodes) {
      Expr& expr = *node.expr;
      if (!node.kept || expr.done.load(std::memory_order_acquire)) continue;   // another thread was first
      for (size_t i = 0; i < expr.outputs.size(); ++i) {
        expr.outputs[i].value = std::move(values[static_cast<size_t>(node.value) + i]);
      }
      expr.done.store(true, std::memory_order_release);
      if (!expr.keeps_history) dropped.push_back(std::exchange(expr.inputs, {}));
    }
  }
  // Users first, so that what only they hold goes without being walked twice.
  for (size_t i = captured.nodes.size(); i-- > 0;) captured.nodes[i].expr.reset();
  for (std::vector<Tensor>& edges : dropped) release_edges(edges);
}

}  // namespace chorus
