#include <engine/plugin/program.h>

#include <engine/plugin/host.h>
#include <fmt/format.h>

#include <algorithm>
#include <mutex>

namespace chorus::plugin {
namespace {

class PluginProgram final : public Program, public std::enable_shared_from_this<PluginProgram> {
 public:
  PluginProgram(std::shared_ptr<Handle> handle, std::unique_ptr<GraphView> view, const CompileOptions& options)
      : handle_(std::move(handle)), view_(std::move(view)), options_(options), pool_(options.pool) {
    const Graph& graph = view_->graph();
    for (ValueId id : graph.inputs()) inputs_.push_back({graph.value(id).name, graph.value(id).type});
    for (ValueId id : graph.outputs()) outputs_.push_back({graph.value(id).name, graph.value(id).type});
    const ch_options given = options_of(options_);
    ch_error error = empty_error();
    const ch_code code = api().compile(handle_->engine, view_->get(), &given, &program_, &error);
    if (code != CH_OK) throw error_of(code, error, who(), view_.get());
    if (program_ == nullptr) throw Error(Code::internal, who() + " compiled nothing and called it done");
  }
  ~PluginProgram() override {
    if (program_ != nullptr) api().free_program(program_);
  }
  PluginProgram(const PluginProgram&) = delete;
  PluginProgram& operator=(const PluginProgram&) = delete;

  std::span<const Port> inputs() const override { return inputs_; }
  std::span<const Port> outputs() const override { return outputs_; }
  std::unique_ptr<Instance> instance() override;
  std::string str(std::string_view level) const override {
    std::string text;
    if (api().explain != nullptr) api().explain(program_, str_of(level), sink, &text);
    if (!text.empty()) return text;
    return fmt::format("{}: {} nodes as one program\n{}", handle_->name, view_->order().size(), view_->graph().str());
  }

  const ch_engine_api& api() const noexcept { return handle_->api; }
  const GraphView& view() const noexcept { return *view_; }
  const CompileOptions& options() const noexcept { return options_; }
  ch_program* get() const noexcept { return program_; }
  std::string who() const { return "engine " + handle_->name; }
  const std::string& engine_name() const noexcept { return handle_->name; }
  /// Made when the engine first asks: many bring threads of their own.
  ThreadPool& pool() {
    std::lock_guard lock(pool_lock_);
    if (!pool_) pool_ = std::make_shared<ThreadPool>(ThreadPool::Options{options_.threads, {}, 50});
    return *pool_;
  }

 private:
  std::shared_ptr<Handle> handle_;
  std::unique_ptr<GraphView> view_;
  CompileOptions options_;
  std::vector<Port> inputs_, outputs_;
  ch_program* program_ = nullptr;
  std::mutex pool_lock_;
  std::shared_ptr<ThreadPool> pool_;
};

class PluginInstance final : public Instance {
 public:
  explicit PluginInstance(std::shared_ptr<PluginProgram> program)
      : program_(std::move(program)), api_(program_->api()) {
    ch_error error = empty_error();
    const ch_code code = api_.instance(program_->get(), &instance_, &error);
    if (code != CH_OK) throw error_of(code, error, program_->who(), &program_->view());
    if (instance_ == nullptr) throw Error(Code::internal, program_->who() + " made no instance and called it done");
  }
  ~PluginInstance() override { api_.free_instance(instance_); }
  PluginInstance(const PluginInstance&) = delete;
  PluginInstance& operator=(const PluginInstance&) = delete;

  void run(std::span<const Value> inputs, std::span<Value> outputs, const RunOptions& options) override;
  std::vector<Type> bind(std::span<const Type> inputs) override;
  std::vector<StepInfo> steps() const override;
  int64_t arena_bytes() const noexcept override {
    return api_.memory == nullptr ? 0 : static_cast<int64_t>(std::min<uint64_t>(api_.memory(instance_), INT64_MAX));
  }

 private:
  const Value& input_or_default(std::span<const Value> inputs, size_t i) const;
  void take_output(size_t i, const ch_output& made, Value& output) const;

  std::shared_ptr<PluginProgram> program_;
  const ch_engine_api& api_;
  ch_instance* instance_ = nullptr;
};

const Value& PluginInstance::input_or_default(std::span<const Value> inputs, size_t i) const {
  const Graph& graph = program_->view().graph();
  const Port& port = program_->inputs()[i];
  const Value& value = inputs[i] ? inputs[i] : graph.value(graph.inputs()[i]).constant;
  if (!value)
    throw Error(Code::bad_input, "input \"" + port.name + "\" is missing", {}, "give every input of the model");
  auto wrong = [&](Code code) {
    const std::string have =
        value.is_tensor() ? std::string(dtype_name(value.dtype())) + value.shape().str() : Type::of(value).str();
    throw Error(code, fmt::format("input \"{}\" is {}; the model takes {}", port.name, have, port.type.str()), {},
                "give a value of that type");
  };
  if (port.type.kind == ValueKind::none) return value;
  if (value.kind() != port.type.kind) wrong(Code::type);
  if (!port.type.is_tensor()) return value;
  if (port.type.dtype != DType::undefined && value.dtype() != port.type.dtype) wrong(Code::type);
  if (!port.type.has_rank) return value;
  if (port.type.rank() != value.rank()) wrong(Code::shape);
  for (int d = 0; d < value.rank(); ++d) {
    const Dim& wanted = port.type.dims[static_cast<size_t>(d)];
    if (wanted.is_number() && wanted.number() != value.shape()[d]) wrong(Code::shape);
  }
  return value;
}

void PluginInstance::take_output(size_t i, const ch_output& made, Value& output) const {
  const Port& port = program_->outputs()[i];
  const std::string who = fmt::format("{}: output \"{}\"", program_->who(), port.name);
  Value value = checked_value(made.value, who);
  check_type(value, port.type, who);
  if (made.mode == CH_OUT_GIVEN) {
    // The engine wrote into the caller's memory: nothing to take over, but it must have meant that shape.
    if (value.dtype() != output.dtype() || !(value.shape() == output.shape()) || value.data() != output.data()) {
      throw Error(
          Code::internal,
          who + fmt::format(" was to be written in place as {}{}", dtype_name(output.dtype()), output.shape().str()),
          {}, "report this to the makers of the engine's plug-in");
    }
    return;
  }
  output = std::move(value);
}

namespace {

/// What the engine is asked for each of the program's outputs: to fill the caller's tensor, to lend its own, or nothing.
std::vector<ch_output> room_for(std::span<Value> outputs, size_t ports) {
  std::vector<ch_output> room(ports);
  for (size_t i = 0; i < ports; ++i) {
    ch_output& o = room[i];
    o = ch_output{};
    o.size = sizeof o;
    o.value.size = sizeof o.value;
    o.mode = i >= outputs.size() ? CH_OUT_SKIP : CH_OUT_BORROW;
    if (i < outputs.size() && outputs[i].is_tensor() && outputs[i].dtype() != DType::string) {
      o.mode = CH_OUT_GIVEN;
      tensor_view(o.value, outputs[i].dtype(), outputs[i].shape().dims(), outputs[i].mutable_data(), outputs[i].bytes(),
                  0);
    }
  }
  return room;
}

}  // namespace

void PluginInstance::run(std::span<const Value> inputs, std::span<Value> outputs, const RunOptions& options) {
  const auto ports = program_->outputs();
  if (inputs.size() != program_->inputs().size()) {
    throw Error(Code::bad_input,
                fmt::format("{} inputs given, the model takes {}", inputs.size(), program_->inputs().size()));
  }
  if (outputs.size() > ports.size()) {
    throw Error(Code::bad_input, fmt::format("{} outputs wanted, the model makes {}", outputs.size(), ports.size()));
  }
  ch_task task;
  task.pool = [this]() -> ThreadPool& { return program_->pool(); };
  task.options = &options;
  task.view = &program_->view();
  task.budget_left = program_->options().memory_budget;
  ValueViews views;
  std::vector<const ch_value*> in;
  for (size_t i = 0; i < inputs.size(); ++i) in.push_back(views.add(input_or_default(inputs, i)));
  std::vector<ch_output> room = room_for(outputs, ports.size());
  std::vector<ch_output*> out;
  for (ch_output& o : room) out.push_back(&o);
  ch_run run{};
  run.size = sizeof run;
  run.n_inputs = static_cast<uint32_t>(in.size());
  run.n_outputs = static_cast<uint32_t>(out.size());
  run.inputs = in.data();
  run.outputs = out.data();
  run.flags = options.stop != nullptr ? CH_MAY_STOP : 0;
  run.task = &task;
  run.seed = options.seed;
  run.tap = options.tap != nullptr ? tap : nullptr;
  ch_error error = empty_error();
  const ch_code stopped = host()->stop(&task);
  const ch_code code = stopped != CH_OK ? stopped : api_.run(instance_, &run, &error);
  // References of buffers that the engine had allocated are the host's now, whatever else is wrong with the outputs.
  std::vector<std::unique_ptr<ch_owner, void (*)(ch_owner*)>> owned;
  for (const ch_output& o : room) {
    if (o.mode == CH_OUT_ALLOCATE) owned.emplace_back(o.value.buffer.owner, release);
  }
  if (code == CH_CANCELLED || code == CH_TIMEOUT) {
    throw Error(static_cast<Code>(code),
                code == CH_TIMEOUT ? "the run took longer than its time-out" : "the run was cancelled");
  }
  if (code != CH_OK) throw error_of(code, error, program_->who(), &program_->view());
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (room[i].mode == CH_OUT_SKIP || room[i].mode > CH_OUT_ALLOCATE) {
      throw Error(Code::internal, fmt::format("{}: output \"{}\" was not made", program_->who(), ports[i].name), {},
                  "report this to the makers of the engine's plug-in");
    }
    take_output(i, room[i], outputs[i]);
  }
}

std::vector<Type> PluginInstance::bind(std::span<const Type> inputs) {
  std::vector<Type> known;
  for (const Port& port : program_->outputs()) known.push_back(port.type);
  const bool shapes =
      std::all_of(inputs.begin(), inputs.end(), [](const Type& t) { return t.is_tensor() && t.is_static(); });
  if (api_.bind == nullptr || !shapes || inputs.size() != program_->inputs().size()) return known;
  std::vector<std::vector<int64_t>> dims;
  for (const Type& t : inputs) {
    auto& list = dims.emplace_back();
    for (const Dim& d : t.dims) list.push_back(d.number());
  }
  std::vector<ch_value> values(inputs.size() + known.size());
  std::vector<ch_value*> list;
  for (size_t i = 0; i < values.size(); ++i) {
    const bool is_input = i < inputs.size();
    if (!is_input) dims.emplace_back(CH_MAX_RANK, -1);
    tensor_view(values[i], is_input ? inputs[i].dtype : DType::undefined, dims[i], nullptr, 0, 0);
    if (!is_input) values[i].rank = 0;
    list.push_back(&values[i]);
  }
  ch_error error = empty_error();
  const ch_code code = api_.bind(instance_, list.data(), static_cast<uint32_t>(inputs.size()),
                                 list.data() + inputs.size(), static_cast<uint32_t>(known.size()), &error);
  if (code != CH_OK) throw error_of(code, error, program_->who(), &program_->view());
  for (size_t i = 0; i < known.size(); ++i) {
    const ch_value& v = values[inputs.size() + i];
    if (v.kind != CH_TENSOR || v.dtype == 0) continue;  // not known before the run
    if (v.rank > CH_MAX_RANK || v.dtype >= kDTypeCount) {
      throw Error(Code::internal, fmt::format("{}: bind gave output \"{}\" type {} and rank {}", program_->who(),
                                              program_->outputs()[i].name, v.dtype, v.rank));
    }
    Dims extents;
    for (uint32_t d = 0; d < v.rank; ++d) {
      const int64_t extent = dims[inputs.size() + i][d];
      extents.push_back(extent < 0 ? Dim::unknown() : Dim(extent));
    }
    known[i] = Type::meet(known[i], Type::tensor(static_cast<DType>(v.dtype), std::move(extents)),
                          program_->outputs()[i].name);
  }
  return known;
}

std::vector<StepInfo> PluginInstance::steps() const {
  std::vector<StepInfo> steps;
  const GraphView& view = program_->view();
  for (NodeId id : view.order()) {
    const Node& node = view.graph().node(id);
    StepInfo step;
    step.name = node.name;
    step.op = node.type;
    step.kernel = program_->engine_name();
    step.nodes = {node.name};
    steps.push_back(std::move(step));
  }
  return steps;
}

std::unique_ptr<Instance> PluginProgram::instance() { return std::make_unique<PluginInstance>(shared_from_this()); }

}  // namespace

ch_options options_of(const CompileOptions& options) noexcept {
  ch_options out{};
  out.size = sizeof out;
  out.threads = static_cast<uint32_t>(std::max(1, options.threads));
  out.flags = (options.optimize == 0 ? CH_STRICT : 0) | (options.profile ? CH_PROFILE : 0);
  out.precision = static_cast<uint16_t>(options.precision);
  out.memory_budget = static_cast<uint64_t>(std::max<int64_t>(0, options.memory_budget));
  out.device.size = sizeof out.device;
  out.more_json = str_of(options.more);
  return out;
}

std::shared_ptr<Program> make_program(std::shared_ptr<Handle> handle, std::unique_ptr<GraphView> view,
                                      const CompileOptions& options) {
  return std::make_shared<PluginProgram>(std::move(handle), std::move(view), options);
}

}  // namespace chorus::plugin
