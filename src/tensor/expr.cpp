#include <tensor/expr.h>

#include <tensor/call.h>

#include <algorithm>

namespace chorus {
namespace {
thread_local int history_scopes = 0, no_gradient_scopes = 0;
thread_local std::vector<Tensor>* releasing = nullptr;
constinit std::mutex edges_mutex;
}  // namespace

std::mutex& graph_mutex() noexcept { return edges_mutex; }
bool history_is_kept() noexcept { return history_scopes > 0 && no_gradient_scopes == 0; }
bool gradients_are_off() noexcept { return no_gradient_scopes > 0; }
void turn_gradients_off(int by) noexcept { no_gradient_scopes += by; }
CustomCall::~CustomCall() { release_edges(inputs); }
KeepHistory::KeepHistory() noexcept { ++history_scopes; }
KeepHistory::~KeepHistory() { --history_scopes; }

Type ExprOutput::full_type() const {
  if (!fixed) return *type;
  return Type::tensor(dtype, Dims(shape.begin(), shape.end()));
}

Expr::~Expr() { release_edges(inputs); }

// What the destructor of an expression lets go joins the list of the outermost call, so that destructors do not nest.
void release_edges(std::vector<Tensor>& edges) noexcept {
  if (edges.empty()) return;
  if (releasing != nullptr) {
    for (Tensor& t : edges) releasing->push_back(std::move(t));
    edges.clear();
    return;
  }
  std::vector<Tensor> waiting = std::move(edges);
  edges.clear();
  releasing = &waiting;
  while (!waiting.empty()) {
    const Tensor last = std::move(waiting.back());
    waiting.pop_back();
  }
  releasing = nullptr;
}

Tensor make_leaf(Value value, Weak weak) {
  auto expr = std::make_shared<Expr>();
  ExprOutput out;
  out.kind = value.kind();
  out.dtype = value.dtype();
  if (value.is_tensor()) {
    out.fixed = true;
    out.shape = value.shape();
  } else {
    out.type = std::make_shared<const Type>(Type::of(value));
  }
  out.value = std::move(value);
  expr->outputs.push_back(std::move(out));
  expr->weak = weak;
  expr->done.store(true, std::memory_order_release);
  return Tensor(std::move(expr), 0);
}

namespace {
const ExprOutput& output_of(const Tensor& t) {
  if (!t.defined())
    throw Error(Code::bad_input, "an empty Tensor has no data", {}, "make one with zeros, initialize …");
  return t.expr()->outputs[static_cast<size_t>(t.output())];
}
bool is_done(const Tensor& t) noexcept { return t.expr()->done.load(std::memory_order_acquire); }
}  // namespace

Tensor::Tensor(Value value) : Tensor(make_leaf(std::move(value))) {}
Tensor::Tensor(std::initializer_list<int64_t> numbers)
    : Tensor(make_leaf(Value::of<int64_t>(Shape{static_cast<int64_t>(numbers.size())}, numbers))) {}
Tensor::Tensor(const std::vector<int64_t>& numbers)
    : Tensor(make_leaf(
          Value::of<int64_t>(Shape{static_cast<int64_t>(numbers.size())}, std::span<const int64_t>(numbers)))) {}
Tensor Tensor::of_bool(bool v) { return make_leaf(Value::scalar(v), Weak::boolean); }
Tensor Tensor::of_integer(int64_t v) { return make_leaf(Value::scalar(v), Weak::integer); }
Tensor Tensor::of_real(double v) {
  Tensor t = make_leaf(Value::scalar(static_cast<float>(v)), Weak::real);
  t.expr_->number = v;
  return t;
}

bool Tensor::evaluated() const noexcept { return expr_ != nullptr && is_done(*this); }

ValueKind Tensor::kind() const {
  const ExprOutput& out = output_of(*this);
  return is_done(*this) ? out.value.kind() : out.kind;
}

DType Tensor::dtype() const {
  const ExprOutput& out = output_of(*this);
  if (out.dtype != DType::undefined || is_done(*this))
    return out.dtype != DType::undefined ? out.dtype : out.value.dtype();
  return value().dtype();
}

Shape Tensor::shape() const {
  const ExprOutput& out = output_of(*this);
  if (out.fixed) return out.shape;
  const Value& v = value();
  if (!v.is_tensor()) throw Error(Code::type, "a sequence, optional or map has no shape: " + Type::of(v).str());
  return v.shape();
}

int Tensor::rank() const {
  const ExprOutput& out = output_of(*this);
  if (!out.fixed && !is_done(*this) && out.type->rank() >= 0) return out.type->rank();
  return shape().rank();
}

Device Tensor::device() const {
  const ExprOutput& out = output_of(*this);
  return is_done(*this) ? out.value.buffer().device() : Device{};
}

const Tensor& Tensor::eval() const { return eval(Evaluator::current()); }
const Tensor& Tensor::eval(Evaluator& evaluator) const {
  output_of(*this);
  if (!is_done(*this)) evaluator.eval({*this});
  return *this;
}

const Value& Tensor::value() const {
  eval();
  return output_of(*this).value;
}

Tensor copy(const Tensor& source) {
  const Value& v = source.value();
  if (!v.is_tensor() || v.dtype() == DType::string) return make_leaf(v);   // immutable
  Value made = Value::tensor(v.dtype(), v.shape());
  const auto* from = static_cast<const std::byte*>(v.data());
  std::copy(from, from + dtype_bytes(v.dtype(), v.numel()), static_cast<std::byte*>(made.mutable_data()));
  return make_leaf(std::move(made));
}

}  // namespace chorus
