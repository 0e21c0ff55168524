#include <chorus/autograd.h>
#include <tensor/call.h>
#include <tensor/expr.h>

#include <atomic>

namespace chorus {
namespace {

// A call of a user's function, kept by its outputs.
class Call final : public CustomCall {
 public:
  Call(std::shared_ptr<CustomFunction> function, std::vector<Tensor> given, std::vector<Tensor> made)
      : function_(std::move(function)), made_(std::move(made)) {
    inputs = std::move(given);
  }
  ~Call() override { release_edges(made_); }
  std::vector<Tensor> backward(const std::vector<Tensor>& gradients) override {
    return function_->backward(inputs, made_, gradients);
  }

 private:
  std::shared_ptr<CustomFunction> function_;
  std::vector<Tensor> made_;   // without history, so that the outputs are not kept by themselves
};

class Hook final : public CustomFunction {
 public:
  explicit Hook(std::function<Tensor(const Tensor&)> hook) : hook_(std::move(hook)) {}
  std::vector<Tensor> forward(std::span<const Tensor> inputs) override { return {inputs[0]}; }
  std::vector<Tensor> backward(std::span<const Tensor>, std::span<const Tensor>,
                               std::span<const Tensor> gradients) override {
    Tensor other = hook_(gradients[0]);
    return {other.defined() ? other : gradients[0]};
  }

 private:
  std::function<Tensor(const Tensor&)> hook_;
};

}  // namespace

std::vector<Tensor> apply(const std::shared_ptr<CustomFunction>& function, const std::vector<Tensor>& inputs) {
  static std::atomic<uint64_t> calls{0};
  if (!function) throw Error(Code::bad_input, "apply: no function");
  bool tracks = false;
  for (const Tensor& t : inputs) tracks = tracks || (t.defined() && t.expr()->tracks);
  const bool history = (tracks || history_is_kept()) && !gradients_are_off();
  std::vector<Tensor> made;
  {
    const NoGrad plain;
    made = function->forward(inputs);
  }
  if (!history) return made;
  std::vector<Tensor> given;
  for (const Tensor& t : inputs) given.push_back(graph_leaf(t));
  const auto call = std::make_shared<Call>(function, std::move(given), made);
  call->number = ++calls;
  static const OpDef& op = builtin_op("", "Identity");
  std::vector<Tensor> outputs;
  for (const Tensor& t : made) {
    const NoGrad plain;
    const Tensor same = call_one(op, {&t});
    same.expr()->custom = call;
    same.expr()->tracks = tracks;
    call->results.push_back(same.expr());
    outputs.push_back(same);
  }
  return outputs;
}

Tensor with_hook(const Tensor& tensor, std::function<Tensor(const Tensor& gradient)> hook) {
  return apply(std::make_shared<Hook>(std::move(hook)), {tensor})[0];
}

NoGrad::NoGrad() noexcept { turn_gradients_off(1); }
NoGrad::~NoGrad() { turn_gradients_off(-1); }

}  // namespace chorus
