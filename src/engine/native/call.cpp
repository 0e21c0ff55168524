#include <engine/native/call.h>
#include <graph/infer.h>

#include <fmt/format.h>

#include <algorithm>
#include <new>

namespace chorus::native {

void* ScratchArena::take(int64_t bytes) noexcept {
  const int64_t rounded = (std::max<int64_t>(bytes, 1) + 63) / 64 * 64;
  if (!blocks_.empty() && blocks_.back().used + rounded <= static_cast<int64_t>(blocks_.back().memory.bytes())) {
    Block& block = blocks_.back();
    void* data = block.memory.mutable_data() + block.used;
    block.used += rounded;
    return data;
  }
  try {
    blocks_.push_back({Buffer::allocate(static_cast<size_t>(rounded)), rounded});
    total_ += rounded;
    return blocks_.back().memory.mutable_data();
  } catch (...) {
    return nullptr;
  }
}

void ScratchArena::reset() noexcept {
  if (blocks_.size() > 1) {
    const int64_t all = total_;
    blocks_.clear();
    total_ = 0;
    static_cast<void>(reserve(all));
  }
  for (Block& block : blocks_) block.used = 0;
}

bool ScratchArena::reserve(int64_t bytes) noexcept {
  if (total_ >= bytes && blocks_.size() <= 1) return true;
  try {
    blocks_.clear();
    blocks_.push_back({Buffer::allocate(static_cast<size_t>(bytes)), 0});
    total_ = bytes;
    return true;
  } catch (...) {
    blocks_.clear();
    total_ = 0;
    return false;
  }
}

namespace {

constexpr int kMaxCallDepth = 64;

class CallServices final : public KernelServices {
 public:
  CallServices(CallEnvironment& environment, const Attributes& attributes, std::span<const Value> captured,
               std::vector<Value>& outputs)
      : env_(environment), attributes_(attributes), captured_(captured), outputs_(outputs) {}
  ThreadPool& pool() noexcept override { return *env_.pool; }
  void* scratch(int64_t bytes) noexcept override {
    return bytes > env_.memory_budget ? nullptr : env_.scratch->take(bytes);
  }
  Status allocate(int output, DType dtype, std::span<const int64_t> dims, TensorView* view) noexcept override {
    const int64_t count = checked_numel(dims);
    const int64_t bytes = count < 0 ? -1 : dtype_bytes(dtype, count);
    if (bytes < 0 || bytes > env_.memory_budget) {
      return Status::error(Code::budget, "output %d would need %lld bytes; the budget is %lld", output,
                           static_cast<long long>(bytes), static_cast<long long>(env_.memory_budget));
    }
    try {
      Value& value = outputs_[static_cast<size_t>(output)];
      value = Value::tensor(dtype, Shape(dims));
      *view = {value.mutable_data(), value.shape().data(), value.rank(), dtype, count};
      return {};
    } catch (const std::exception& e) {
      return Status::error(Code::budget, "%s", e.what());
    }
  }
  Status set_value(int output, Value value) noexcept override {
    outputs_[static_cast<size_t>(output)] = std::move(value);
    return {};
  }
  Status run_body(std::string_view name, std::span<const Value> inputs, std::vector<Value>& outputs) noexcept override {
    const AttrValue* attribute = attributes_.find(name);
    const GraphPtr* body = attribute == nullptr ? nullptr : attribute->get<GraphPtr>();
    if (body == nullptr)
      return Status::error(Code::internal, "no body \"%.*s\"", static_cast<int>(name.size()), name.data());
    if (env_.depth >= kMaxCallDepth)
      return Status::error(Code::budget, "bodies are nested deeper than %d", kMaxCallDepth);
    try {
      std::vector<Value> all(inputs.begin(), inputs.end());
      all.insert(all.end(), captured_.begin(), captured_.end());
      CallEnvironment inner = env_;
      ScratchArena own;                       // the caller's temporaries stay valid while the body runs
      inner.scratch = &own;
      inner.depth = env_.depth + 1;
      std::vector<Value> results = call_graph(**body, all, inner);
      env_.stream = inner.stream;
      for (Value& result : results) outputs.push_back(std::move(result));
      return {};
    } catch (const Error& e) {
      return Status::error(e.code(), "%s (%s)", e.message().c_str(), e.where().c_str());
    } catch (const std::exception& e) {
      return Status::error(Code::internal, "%s", e.what());
    }
  }
  bool stop() noexcept override { return env_.stop != nullptr && env_.stop->state() != Code::ok; }

 private:
  CallEnvironment& env_;
  const Attributes& attributes_;
  std::span<const Value> captured_;
  std::vector<Value>& outputs_;
};

TensorView view_of(const Value& value) {
  if (!value.is_tensor() || value.dtype() == DType::string) return {};
  return {const_cast<void*>(value.data()), value.shape().data(), value.rank(), value.dtype(), value.numel()};
}

struct CallFrame {
  const OpDef* op;
  const Attributes* attributes;
  std::span<const Value> inputs, captured;
  int outputs;
  const bool* wanted;
  std::string where;
};

bool makes_tensors_by_shape(const OpDef& op, const std::vector<Type>& types) {
  if (op.sizes != Sizes::by_shapes) return false;
  return std::all_of(types.begin(), types.end(),
                     [](const Type& t) { return t.kind == ValueKind::none || (t.is_static() && t.is_tensor()); });
}

void preallocate(const CallFrame& frame, const std::vector<Type>& types, CallEnvironment& env,
                 std::vector<Value>& outputs, std::vector<TensorView>& views) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Type& type = types[i];
    if (!frame.wanted[i] || type.kind != ValueKind::tensor || type.dtype == DType::string || !type.is_static())
      continue;
    Shape shape;
    std::vector<int64_t> dims;
    for (const Dim& d : type.dims) dims.push_back(d.number());
    const int64_t count = checked_numel(dims);
    const int64_t bytes = count < 0 ? -1 : dtype_bytes(type.dtype, count);
    if (bytes < 0 || bytes > env.memory_budget) {
      throw Error(Code::budget,
                  fmt::format("{}: output {} of type {} does not fit the memory budget of {} bytes", frame.op->name, i,
                              type.str(), env.memory_budget),
                  frame.where, "raise the memory budget if the model is trusted");
    }
    outputs[i] = Value::tensor(type.dtype, Shape(dims));
    views[i] = view_of(outputs[i]);
  }
}

std::vector<Value> call_kernel(const CallFrame& frame, KernelFn kernel, CallEnvironment& env) {
  std::vector<Type> in_types;
  std::vector<const Value*> constants;
  std::vector<TensorView> in_views;
  std::vector<const Value*> in_values;
  for (const Value& v : frame.inputs) {
    in_types.push_back(v ? Type::of(v) : Type{});
    constants.push_back(v ? &v : nullptr);
    in_views.push_back(v ? view_of(v) : TensorView{});
    in_values.push_back(v ? &v : nullptr);
  }
  std::vector<Type> captured_types;
  for (const Value& v : frame.captured) captured_types.push_back(v ? Type::of(v) : Type{});
  std::vector<Type> types =
      infer_call(*frame.op, *frame.attributes, in_types, constants, frame.outputs, frame.where, captured_types);
  std::vector<Value> outputs(static_cast<size_t>(frame.outputs));
  std::vector<TensorView> out_views(outputs.size());
  if (makes_tensors_by_shape(*frame.op, types)) preallocate(frame, types, env, outputs, out_views);
  const AttrReader attrs(*frame.attributes, frame.op->newest());
  CallServices services(env, *frame.attributes, frame.captured, outputs);
  KernelContext context;
  context.attrs = &attrs;
  context.n_in = static_cast<int>(frame.inputs.size());
  context.n_out = frame.outputs;
  context.in = in_views.data();
  context.out = out_views.data();
  context.values = in_values.data();
  context.wanted = frame.wanted;
  context.out_types = types.data();
  context.services = &services;
  context.random_seed = env.seed;
  context.random_stream = frame.op->effect == Effect::random ? env.stream++ : 0;
  const Status status = kernel(context);
  env.scratch->reset();
  if (!status.ok() && env.stop != nullptr) throw_if_stopped(*env.stop, frame.where);
  if (!status.ok()) throw Error(status.code, std::string(frame.op->name) + ": " + status.text, frame.where);
  return outputs;
}

}  // namespace

void throw_if_stopped(const StopToken& stop, std::string where) {
  const Code why = stop.state();
  if (why == Code::ok) return;
  throw Error(why, why == Code::timeout ? "the run took longer than its time-out" : "the run was cancelled",
              std::move(where));
}

std::vector<Value> call_op(const OpDef& op, const Attributes& attributes, std::span<const Value> inputs, int outputs,
                           CallEnvironment& env) {
  Graph graph;
  graph.opsets[std::string(op.domain)] = op.newest_version();
  Node n;
  n.op = &op;
  n.version = static_cast<int>(op.versions.size()) - 1;
  n.domain = std::string(op.domain);
  n.type = std::string(op.name);
  n.attributes = attributes;
  std::vector<Value> operands(inputs.begin(), inputs.end());
  while (!operands.empty() && !operands.back()) operands.pop_back();
  for (const Value& v : operands) n.inputs.push_back(v ? graph.add_input("x", Type::of(v)) : kNone);
  for (int i = 0; i < outputs; ++i) n.outputs.push_back(graph.add_value("y"));
  const NodeId id = graph.add_node(std::move(n));
  return call_node(graph, id, operands, {}, env);
}

namespace {

// A node without a kernel of its own, or of an older version: by its expansion, on a graph of its own.
std::vector<Value> call_expanded(const Graph& graph, NodeId id, std::span<const Value> inputs, CallEnvironment& env) {
  const Node& n = graph.node(id);
  Graph small;
  small.opsets = graph.opsets;
  Node copy;
  copy.op = n.op;
  copy.version = n.version;
  copy.domain = n.domain;
  copy.type = n.type;
  copy.name = n.name;
  copy.attributes = n.attributes;
  copy.file_offset = n.file_offset;
  std::vector<Value> graph_inputs;
  for (const Value& v : inputs) {
    // Constants, so that rules which read operands' values see them.
    copy.inputs.push_back(v ? small.add_constant("x", v) : kNone);
  }
  for (ValueId out : n.outputs) copy.outputs.push_back(out == kNone ? kNone : small.add_value(graph.value(out).name));
  const std::vector<ValueId> wanted = copy.outputs;
  NodeId made = small.add_node(std::move(copy));
  std::vector<size_t> slots;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == kNone) continue;
    small.add_output(wanted[i]);
    slots.push_back(i);
  }
  Node& target = small.node(made);
  const bool newest = target.version + 1 == static_cast<int>(target.op->versions.size());
  if (newest) {
    infer_node(small, made);
    std::string reason;
    const auto* decompose = std::get_if<Decompose>(&target.op->meaning);
    if (decompose == nullptr || !Expander::expand(small, made, *decompose, &reason)) {
      throw Error(Code::unsupported,
                  fmt::format("{}: the native engine has no kernel{}", n.type, reason.empty() ? "" : ": " + reason),
                  graph.where(id));
    }
  } else if (auto* step = target.op->versions[static_cast<size_t>(target.version)].to_next; step != nullptr) {
    infer_node(small, made);
    std::string reason;
    if (!Expander::expand(small, made, step, &reason))
      throw Error(Code::unsupported, n.type + ": " + reason, graph.where(id));
  } else {
    ++target.version;
  }
  std::vector<Value> compact = call_graph(small, graph_inputs, env);
  std::vector<Value> outputs(wanted.size());
  for (size_t i = 0; i < slots.size(); ++i) outputs[slots[i]] = std::move(compact[i]);
  return outputs;
}

}  // namespace

std::vector<Value> call_node(const Graph& graph, NodeId id, std::span<const Value> inputs,
                             std::span<const Value> captured, CallEnvironment& env, const bool* read) {
  const Node& n = graph.node(id);
  if (n.op == nullptr) throw Error(Code::unsupported, "operator \"" + n.type + "\" is not known", graph.where(id));
  const bool newest = n.version + 1 == static_cast<int>(n.op->versions.size());
  const KernelFn kernel = newest ? find_reference(n.op->domain, n.op->name) : nullptr;
  if (kernel == nullptr) return call_expanded(graph, id, inputs, env);
  std::vector<Value> operands(inputs.begin(), inputs.end());
  bool wanted[256];
  const int outputs = static_cast<int>(std::min<size_t>(n.outputs.size(), 256));
  for (int i = 0; i < outputs; ++i)
    wanted[i] = n.outputs[static_cast<size_t>(i)] != kNone && (read == nullptr || read[i]);
  try {
    return call_kernel({n.op, &n.attributes, operands, captured, outputs, wanted, graph.where(id)}, kernel, env);
  } catch (const std::bad_alloc&) {
    throw Error(Code::budget, n.type + ": out of memory", graph.where(id));
  }
}

std::vector<Value> call_graph(const Graph& graph, std::span<const Value> inputs, CallEnvironment& env) {
  std::vector<Value> values(static_cast<size_t>(graph.value_capacity()));
  std::vector<int32_t> uses(values.size());
  for (ValueId id = 0; id < graph.value_capacity(); ++id) {
    const GraphValue& v = graph.value(id);
    if (v.alive && v.is_constant()) values[static_cast<size_t>(id)] = v.constant;
    uses[static_cast<size_t>(id)] = static_cast<int32_t>(v.uses.size());
  }
  const auto formal = graph.inputs();
  if (inputs.size() > formal.size())
    throw Error(Code::bad_input,
                fmt::format("graph \"{}\" has {} inputs, {} given", graph.name, formal.size(), inputs.size()));
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i]) values[static_cast<size_t>(formal[i])] = inputs[i];
  }
  for (ValueId id : graph.outputs()) ++uses[static_cast<size_t>(id)];
  for (NodeId id : graph.order()) {
    if (env.stop != nullptr && env.stop->state() != Code::ok) throw_if_stopped(*env.stop, graph.where(id));
    const Node& n = graph.node(id);
    auto gather = [&](const std::vector<ValueId>& ids) {
      std::vector<Value> result;
      for (ValueId in : ids) result.push_back(in == kNone ? Value() : values[static_cast<size_t>(in)]);
      return result;
    };
    const std::vector<Value> operands = gather(n.inputs), captured = gather(n.captured);
    std::vector<Value> results = call_node(graph, id, operands, captured, env);
    for (size_t i = 0; i < n.outputs.size(); ++i) {
      if (n.outputs[i] != kNone && i < results.size())
        values[static_cast<size_t>(n.outputs[i])] = std::move(results[i]);
    }
    auto release = [&](const std::vector<ValueId>& ids) {
      for (ValueId in : ids) {
        if (in != kNone && --uses[static_cast<size_t>(in)] == 0 && !graph.value(in).is_constant())
          values[static_cast<size_t>(in)] = Value();
      }
    };
    release(n.inputs);
    release(n.captured);
  }
  std::vector<Value> outputs;
  for (ValueId id : graph.outputs()) outputs.push_back(values[static_cast<size_t>(id)]);
  return outputs;
}

}  // namespace chorus::native
