#include <tensor/node_by_node.h>

#include <engine/native/kernel.h>
#include <fmt/format.h>

#include <algorithm>
#include <new>

namespace chorus {
namespace {

constexpr size_t kFewViews = 8;

// Kernels with fixed shapes ask for temporaries and threads only.
class PlainServices final : public native::KernelServices {
 public:
  explicit PlainServices(native::CallEnvironment& environment) : env_(environment) {}
  ThreadPool& pool() noexcept override { return *env_.pool; }
  void* scratch(int64_t bytes) noexcept override {
    return bytes > env_.memory_budget ? nullptr : env_.scratch->take(bytes);
  }
  Status allocate(int output, DType, std::span<const int64_t>, native::TensorView*) noexcept override {
    return Status::error(Code::internal, "a kernel of fixed sizes asked for the memory of output %d", output);
  }
  Status set_value(int output, Value) noexcept override {
    return Status::error(Code::internal, "a kernel of fixed sizes set output %d", output);
  }
  Status run_body(std::string_view, std::span<const Value>, std::vector<Value>&) noexcept override {
    return Status::error(Code::internal, "a kernel of fixed sizes ran a body");
  }
  bool stop() noexcept override { return env_.stop != nullptr && env_.stop->state() != Code::ok; }

 private:
  native::CallEnvironment& env_;
};

native::TensorView view_of(const Value& v) {
  return {const_cast<void*>(v.data()), v.shape().data(), v.rank(), v.dtype(), v.numel()};
}

bool is_plain(const Value& v) { return v.is_tensor() && v.dtype() != DType::string; }

class Runner {
 public:
  Runner(const Capture& captured, std::vector<Value>& values, native::CallEnvironment& env)
      : captured_(captured), values_(values), env_(env), services_(env), uses_(static_cast<size_t>(captured.values)) {
    for (int32_t operand : captured.operands) {
      if (operand >= 0) ++uses_[static_cast<size_t>(operand)];
    }
    values_.resize(static_cast<size_t>(captured.values));
  }
  void run() {
    for (const CapturedNode& node : captured_.nodes) {
      const Expr& expr = *node.expr;
      if (!run_plain(node, expr)) run_any(node, expr);
      release(node);
    }
  }

 private:
  const Value& operand(int32_t id) const {
    static const Value none{};
    if (id == kOmitted) return none;
    return is_leaf_operand(id) ? captured_.leaves[static_cast<size_t>(leaf_of(id))] : values_[static_cast<size_t>(id)];
  }

  // Operands and results are dense tensors of known shapes: straight to the kernel.
  bool run_plain(const CapturedNode& node, const Expr& expr) {
    if (expr.op->sizes != Sizes::by_shapes || expr.op->effect != Effect::pure) return false;
    const native::KernelFn kernel = find(expr.op);
    const auto operands = captured_.operands_of(node);
    if (kernel == nullptr || operands.size() > kFewViews || expr.outputs.size() > kFewViews) return false;
    native::TensorView in[kFewViews], out[kFewViews];
    const Value* in_values[kFewViews];
    bool wanted[kFewViews];
    for (size_t i = 0; i < operands.size(); ++i) {
      const Value& v = operand(operands[i]);
      in_values[i] = v ? &v : nullptr;
      if (!v) continue;
      if (!is_plain(v)) return false;
      in[i] = view_of(v);
    }
    for (const ExprOutput& o : expr.outputs) {
      if (!o.fixed || o.dtype == DType::string) return false;
    }
    for (size_t i = 0; i < expr.outputs.size(); ++i) {
      Value& made = values_[static_cast<size_t>(node.value) + i];
      made = allocate(expr, expr.outputs[i], i);
      out[i] = view_of(made);
      wanted[i] = true;
    }
    const AttrReader attrs(expr.attributes, expr.op->newest());
    native::KernelContext context;
    context.attrs = &attrs;
    context.n_in = static_cast<int>(operands.size());
    context.n_out = static_cast<int>(expr.outputs.size());
    context.in = in;
    context.out = out;
    context.values = in_values;
    context.wanted = wanted;
    context.services = &services_;
    const Status status = kernel(context);
    env_.scratch->reset();
    if (!status.ok()) throw Error(status.code, std::string(expr.op->name) + ": " + status.text);
    return true;
  }

  Value allocate(const Expr& expr, const ExprOutput& o, size_t i) const {
    const int64_t count = checked_numel(o.shape.dims()), bytes = count < 0 ? -1 : dtype_bytes(o.dtype, count);
    if (bytes < 0 || bytes > env_.memory_budget) {
      throw Error(Code::budget, fmt::format("{}: output {} of type {}{} does not fit the memory budget of {} bytes",
                                            expr.op->name, i, dtype_name(o.dtype), o.shape.str(), env_.memory_budget));
    }
    return Value::tensor(o.dtype, o.shape);
  }

  void run_any(const CapturedNode& node, const Expr& expr) {
    std::vector<Value> inputs;
    for (int32_t id : captured_.operands_of(node)) inputs.push_back(operand(id));
    std::vector<Value> results =
        native::call_op(*expr.op, expr.attributes, inputs, static_cast<int>(expr.outputs.size()), env_);
    for (size_t i = 0; i < results.size(); ++i) values_[static_cast<size_t>(node.value) + i] = std::move(results[i]);
  }

  void release(const CapturedNode& node) {
    for (int32_t id : captured_.operands_of(node)) {
      if (id >= 0 && --uses_[static_cast<size_t>(id)] == 0 && !is_kept(id)) values_[static_cast<size_t>(id)] = Value();
    }
  }
  bool is_kept(int32_t value) const {
    auto it = std::upper_bound(captured_.nodes.begin(), captured_.nodes.end(), value,
                               [](int32_t v, const CapturedNode& n) { return v < n.value; });
    return std::prev(it)->kept;
  }
  native::KernelFn find(const OpDef* op) {
    if (op != last_op_) {
      last_op_ = op;
      last_kernel_ = native::find_reference(op->domain, op->name);
    }
    return last_kernel_;
  }

  const Capture& captured_;
  std::vector<Value>& values_;
  native::CallEnvironment& env_;
  PlainServices services_;
  std::vector<int32_t> uses_;
  const OpDef* last_op_ = nullptr;
  native::KernelFn last_kernel_ = nullptr;
};

}  // namespace

void run_node_by_node(const Capture& captured, std::vector<Value>& values, native::CallEnvironment& environment) {
  try {
    Runner(captured, values, environment).run();
  } catch (const std::bad_alloc&) {
    throw Error(Code::budget, "out of memory while tensors were computed");
  }
}

}  // namespace chorus
