#include <engine/native/exec/instance.h>
#include <engine/native/exec/taps.h>

#include <core/clock.h>
#include <core/memory_meter.h>
#include <graph/infer.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace chorus::native {

NativeInstance::NativeInstance(std::shared_ptr<NativeProgram> program)
    : program_(std::move(program)), plan_(program_->plan()) {
  Binding& b = binding_;
  const size_t tensors = plan_.tensors.size(), steps = plan_.steps.size();
  b.symbols.resize(plan_.symbols.size());
  b.slots.resize(static_cast<size_t>(plan_.dims.slot_count()));
  b.bytes.resize(tensors);
  b.offset.resize(tensors);
  b.part.resize(tensors);
  b.bound.resize(steps);
  b.data.resize(tensors);
  size_t dims = 0, host = 0;
  for (const PlanTensor& t : plan_.tensors) {
    b.dims_at.push_back(static_cast<int64_t>(dims));
    dims += t.dim_slots.size();
    if (t.place == Place::host) host += std::max<size_t>(t.host_slots.size(), 1);
  }
  b.dims.resize(dims);
  b.host.resize(host);
  size_t views = 0;
  for (const PlanStep& s : plan_.steps) {
    b.view_at.push_back(views);
    views += s.inputs.size() + s.outputs.size();
  }
  b.views.resize(views);
  b.contexts.resize(steps);
  b.wanted.resize(steps);
  b.attrs.reserve(steps);
  for (size_t s = 0; s < steps; ++s) {
    const PlanStep& step = plan_.steps[s];
    has_dynamic_ = has_dynamic_ || step.dynamic;
    const Node& node = plan_.graph->node(step.node);
    b.attrs.push_back(node.attrs());
    b.wanted[s] = std::make_unique<bool[]>(step.outputs.size() + 1);
    for (size_t i = 0; i < step.outputs.size(); ++i) b.wanted[s][i] = step.outputs[i] >= 0;
    KernelContext& c = b.contexts[s];
    c.attrs = &b.attrs[s];
    c.n_in = static_cast<int>(step.inputs.size());
    c.n_out = static_cast<int>(step.outputs.size());
    c.in = b.views.data() + b.view_at[s];
    c.out = b.views.data() + b.view_at[s] + step.inputs.size();
    c.wanted = b.wanted[s].get();
    c.services = this;
    c.prepared = step.prepared.get();
    c.random_stream = step.stream;
  }
  own_outputs_.resize(plan_.outputs.size());
  dynamic_.resize(tensors);
}

Status NativeInstance::allocate(int output, DType, std::span<const int64_t>, TensorView*) noexcept {
  return Status::error(Code::internal, "a planned step asked for the memory of output %d", output);
}
Status NativeInstance::set_value(int output, Value) noexcept {
  return Status::error(Code::internal, "a planned step set output %d", output);
}
Status NativeInstance::run_body(std::string_view, std::span<const Value>, std::vector<Value>&) noexcept {
  return Status::error(Code::internal, "a planned step ran a body");
}

void NativeInstance::fail(const PlanStep& step, const Status& status) const {
  if (stop_ != nullptr) throw_if_stopped(*stop_, plan_.graph->where(step.node));
  throw Error(status.code, plan_.graph->node(step.node).type + ": " + status.text, plan_.graph->where(step.node));
}

Value NativeInstance::value_of(int t) const {
  const PlanTensor& p = tensor(t);
  if (p.place == Place::dynamic) return dynamic_[static_cast<size_t>(t)];
  if (p.place == Place::constant) return p.constant;
  std::byte* data = binding_.data[static_cast<size_t>(plan_.root(t))] + binding_.part[static_cast<size_t>(t)];
  const Shape shape(dims_of(t));
  if (p.layout.channel_block > 1) return plain_copy(t, data, shape);
  const auto bytes = static_cast<size_t>(dtype_bytes(p.dtype, shape.numel()));
  return Value::tensor(p.dtype, shape, Buffer::borrow(data, bytes));
}

// For taps only: a program's inputs and outputs are plain.
Value NativeInstance::plain_copy(int t, const std::byte* data, const Shape& shape) const {
  const DType type = tensor(t).dtype;
  Value copy = Value::tensor(type, shape);
  const auto size = static_cast<int64_t>(dtype_bytes(type, 1));
  auto* to = static_cast<std::byte*>(copy.mutable_data());
  const int64_t images = shape[0], channels = shape[1], area = pixels(t), stride = image_stride(t);
  for (int64_t n = 0; n < images; ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t block = n * stride + c / kChannelBlock * area * kChannelBlock + c % kChannelBlock;
      for (int64_t i = 0; i < area; ++i, to += size)
        std::memcpy(to, data + (block + i * kChannelBlock) * size, static_cast<size_t>(size));
    }
  }
  if (type == DType::int8) {  // in blocks the sign bit is turned
    for (to = static_cast<std::byte*>(copy.mutable_data());
         shape.numel() > 0 && to < static_cast<std::byte*>(copy.mutable_data()) + shape.numel(); ++to)
      *to ^= std::byte{0x80};
  }
  return copy;
}

// Output buffers: the caller's where it gave a fitting one, else the instance's own, which only grow.
void NativeInstance::prepare_outputs(std::span<Value> outputs) {
  for (size_t i = 0; i < plan_.outputs.size(); ++i) {
    const int t = plan_.outputs[i];
    const PlanTensor& p = tensor(t);
    if (p.place != Place::output) continue;
    const auto need = static_cast<size_t>(binding_.bytes[static_cast<size_t>(t)]);
    if (p.port != static_cast<int>(i)) continue;   // the same value under a second port: copied at the end
    const bool given = i < outputs.size() && outputs[i];
    if (given) {
      Value& v = outputs[i];
      const auto dims = dims_of(t);
      if (v.dtype() != p.dtype || !std::equal(dims.begin(), dims.end(), v.shape().begin(), v.shape().end())) {
        throw Error(Code::shape,
                    fmt::format("the buffer given for output \"{}\" is {}{} but the output is {}{}", p.name,
                                dtype_name(v.dtype()), v.shape().str(), dtype_name(p.dtype), shape_str(dims)),
                    {}, "give a buffer of that type and shape");
      }
      set_data(t, static_cast<std::byte*>(v.mutable_data()));
      continue;
    }
    Buffer& own = own_outputs_[i];
    // Half as much again: sizes that grow step by step do not take new memory at every step.
    if (own.bytes() < need || !own) own = Buffer::allocate(std::max<size_t>(own ? need + need / 2 : need, 1));
    set_data(t, own.mutable_data());
  }
}

void NativeInstance::run(std::span<const Value> inputs, std::span<Value> outputs, const RunOptions& options) {
  if (inputs.size() != plan_.inputs.size()) {
    throw Error(Code::bad_input,
                fmt::format("{} inputs given, the model takes {}", inputs.size(), plan_.inputs.size()));
  }
  bool rebind = !binding_.valid;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const PlanTensor& p = tensor(plan_.inputs[i]);
    if (!inputs[i]) {
      if (!p.constant)
        throw Error(Code::bad_input, "input \"" + p.name + "\" is missing", {}, "give every input of the model");
      continue;
    }
    if (inputs[i].is_tensor()) check_input(i, inputs[i].dtype(), inputs[i].shape().dims());
  }
  auto input = [&](size_t i) -> const Value& { return inputs[i] ? inputs[i] : tensor(plan_.inputs[i]).constant; };
  if (!rebind) {
    for (size_t i = 0; !rebind && i < plan_.symbols.size(); ++i) {
      const SymbolSource& s = plan_.symbols[i];
      const Value& v = input(static_cast<size_t>(s.input));
      rebind = s.axis >= v.rank() || v.shape()[s.axis] != binding_.symbols[i];
    }
  }
  if (rebind) {
    bind_dims([&](size_t i) { return input(i).is_tensor() ? input(i).shape().dims() : std::span<const int64_t>(); });
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (tensor(plan_.inputs[i]).place != Place::input) continue;
      const auto want = dims_of(plan_.inputs[i]);
      const Shape& have = input(i).shape();
      if (!std::equal(want.begin(), want.end(), have.begin(), have.end())) {
        throw Error(Code::shape, fmt::format("input \"{}\" has shape {} but {} follows from the other inputs",
                                             tensor(plan_.inputs[i]).name, have.str(), shape_str(want)));
      }
    }
    place_tensors();
    make_contexts();
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int t = plan_.inputs[i];
    if (tensor(t).place == Place::dynamic)
      dynamic_[static_cast<size_t>(t)] = input(i);
    else
      set_data(t, const_cast<std::byte*>(static_cast<const std::byte*>(input(i).data())));
  }
  prepare_outputs(outputs);
  for (const Binding::Patch& patch : binding_.patches) {
    binding_.views[patch.view].data = binding_.data[static_cast<size_t>(patch.tensor)] + patch.part;
  }
  stop_ = options.stop;
  std::optional<MemoryScope> scope;   // static steps take nothing
  if (has_dynamic_)
    scope.emplace(std::make_shared<MemoryMeter>(program_->options().memory_budget - binding_.arena_bytes));
  if (options.tap != nullptr) tap(0, options);
  for (size_t s = 0; s < plan_.steps.size(); ++s) {
    if (stop_ != nullptr) throw_if_stopped(*stop_, {});
    const PlanStep& step = plan_.steps[s];
    const int64_t begin = options.times != nullptr ? now_ns() : 0;
    if (step.dynamic) {
      run_dynamic(s, options);
    } else {
      KernelContext& context = binding_.contexts[s];
      context.random_seed = options.seed;
      const Status status = step.run(context);
      scratch_.reset();
      if (!status.ok()) fail(step, status);
    }
    if (options.times != nullptr) options.times->push_back({static_cast<int32_t>(s), begin, now_ns()});
    if (options.tap != nullptr) tap(s + 1, options);
  }
  for (size_t i = 0; i < outputs.size() && i < plan_.outputs.size(); ++i) {
    const int t = plan_.outputs[i];
    if (!outputs[i]) {
      outputs[i] = value_of(t);
    } else if (tensor(t).place != Place::output || tensor(t).port != static_cast<int>(i)) {
      const Value made = value_of(t);
      if (made.dtype() != outputs[i].dtype() || !(made.shape() == outputs[i].shape())) {
        throw Error(Code::shape, fmt::format("the buffer given for output \"{}\" is {}{} but the output is {}{}",
                                             tensor(t).name, dtype_name(outputs[i].dtype()), outputs[i].shape().str(),
                                             dtype_name(made.dtype()), made.shape().str()));
      }
      const auto* from = static_cast<const std::byte*>(made.data());
      std::copy(from, from + dtype_bytes(made.dtype(), made.numel()),
                static_cast<std::byte*>(outputs[i].mutable_data()));
    }
  }
  for (size_t t = 0; t < dynamic_.size(); ++t) {
    if (dynamic_[t]) dynamic_[t] = Value();
  }
}

void NativeInstance::run_dynamic(size_t s, const RunOptions& options) {
  const PlanStep& step = plan_.steps[s];
  std::vector<Value> inputs, captured;
  for (int t : step.inputs) inputs.push_back(t < 0 ? Value() : value_of(t));
  for (int t : step.captured) captured.push_back(value_of(t));
  CallEnvironment environment;
  environment.pool = &program_->pool();
  environment.scratch = &scratch_;
  environment.stop = options.stop;
  environment.seed = options.seed;
  environment.stream = step.stream;
  environment.memory_budget = program_->options().memory_budget;
  std::vector<Value> results =
      call_node(*plan_.graph, step.node, inputs, captured, environment, binding_.wanted[s].get());
  for (size_t i = 0; i < step.outputs.size() && i < results.size(); ++i) {
    if (step.outputs[i] >= 0) dynamic_[static_cast<size_t>(step.outputs[i])] = std::move(results[i]);
  }
  auto release = [&](int t) {
    if (t < 0 || tensor(t).place != Place::dynamic || tensor(t).last != static_cast<int>(s)) return;
    if (std::find(plan_.outputs.begin(), plan_.outputs.end(), t) == plan_.outputs.end())
      dynamic_[static_cast<size_t>(t)] = Value();
  };
  for (int t : step.inputs) release(t);
  for (int t : step.captured) release(t);
}

void NativeInstance::tap(size_t list, const RunOptions& options) {
  if (taps_.empty()) taps_ = taps_of(plan_);
  for (const int t : taps_[list]) {
    const Value v = value_of(t);
    if (v) (*options.tap)(tensor(t).name, v);
  }
}

namespace {
class Sizes final : public CostContext {
 public:
  Sizes(const KernelContext& context) : c_(context) {}
  const AttrReader& attrs() const override { return *c_.attrs; }
  int inputs() const override { return c_.n_in; }
  int outputs() const override { return c_.n_out; }
  DType dtype(bool output, int i) const override { return view(output, i).dtype; }
  std::span<const int64_t> dims(bool output, int i) const override { return view(output, i).shape(); }

 private:
  const TensorView& view(bool output, int i) const {
    static const TensorView none;
    if (i < 0 || i >= (output ? c_.n_out : c_.n_in)) return none;
    return output ? c_.out[i] : c_.in[i];
  }
  const KernelContext& c_;
};
}  // namespace

std::vector<StepInfo> NativeInstance::steps() const {
  std::vector<StepInfo> result;
  for (size_t s = 0; s < plan_.steps.size(); ++s) {
    const PlanStep& step = plan_.steps[s];
    const Node& node = plan_.graph->node(step.node);
    StepInfo info;
    info.name = step.name;
    info.op = step.covers.empty() ? "Reorder" : node.type;
    info.kernel = step.dynamic                ? "node by node"
                  : step.candidate != nullptr ? std::string(step.candidate->name)
                                              : "reference";
    if (step.prepared != nullptr && !step.prepared->tuned.empty()) info.kernel += ", tuned: " + step.prepared->tuned;
    for (NodeId id : step.covers) info.nodes.push_back(plan_.graph->node(id).name);
    if (!step.dynamic && binding_.valid) {
      const KernelContext& c = binding_.contexts[s];
      for (int i = 0; i < c.n_in; ++i) {
        if (c.in[i].dtype != DType::undefined)
          info.shapes +=
              (info.shapes.empty() ? "" : ", ") + std::string(dtype_name(c.in[i].dtype)) + shape_str(c.in[i].shape());
      }
      info.shapes += " -> ";
      for (int i = 0; i < c.n_out; ++i)
        info.shapes += (i ? ", " : "") + std::string(dtype_name(c.out[i].dtype)) + shape_str(c.out[i].shape());
      if (!step.covers.empty())
        info.cost = node.op->cost(Sizes(c));
      else
        info.cost.bytes_read = info.cost.bytes_written = static_cast<double>(c.in[0].count) * 4;
    }
    result.push_back(std::move(info));
  }
  return result;
}

}  // namespace chorus::native
