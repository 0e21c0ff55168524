// Programs and instances whose work a worker does.
#include <engine/worker/engine.h>

#include <core/clock.h>
#include <core/log.h>
#include <engine/plugin/values.h>
#include <fmt/format.h>

#include <algorithm>

namespace chorus::worker {
namespace {

constexpr int64_t kRunDeadline = 60'000;  // milliseconds
constexpr int64_t kMostRetryPause =
    600'000;  // milliseconds before a model that ended a worker in compile is tried again
constexpr int64_t kFreeDeadline = 10'000;
constexpr size_t kKeepBytes = size_t{16} << 20;  // of a channel's memory between runs

class WorkerProgram final : public Program, public std::enable_shared_from_this<WorkerProgram> {
 public:
  WorkerProgram(std::shared_ptr<WorkerEngine> engine, const Model& model, const CompileOptions& options)
      : engine_(std::move(engine)), model_(model), options_(options), image_(image_of(model)) {
    const Graph& graph = *model_.graph;
    for (ValueId id : graph.inputs()) inputs_.push_back({graph.value(id).name, graph.value(id).type});
    for (ValueId id : graph.outputs()) outputs_.push_back({graph.value(id).name, graph.value(id).type});
    try {
      const auto process = engine_->acquire(WorkerEngine::Wait::yes);
      if (process) id_in(process);
    } catch (const Lost& lost) {
      engine_->lost(lost.why);
      if (!can_go_on()) fail(lost.why);
      next();
    }
  }
  ~WorkerProgram() override {
    const auto process = home_.lock();
    if (!process || !process->alive()) return;
    try {
      std::lock_guard guard(process->lock);
      exchange(
          *process, *process->control, {"freed a program", kFreeDeadline, nullptr, 0},
          [&](Writer& w) {
            w.number(static_cast<uint64_t>(Ask::free_program));
            w.number(id_);
          },
          [](Reader&) {});
    } catch (const Lost&) {  // so it is free
    } catch (const std::exception&) {
    }
  }
  WorkerProgram(const WorkerProgram&) = delete;
  WorkerProgram& operator=(const WorkerProgram&) = delete;

  std::span<const Port> inputs() const override { return inputs_; }
  std::span<const Port> outputs() const override { return outputs_; }
  std::unique_ptr<Instance> instance() override;
  std::string str(std::string_view level) const override;

  /// Its number in this worker, compiled there if it is not yet. Throws Lost.
  uint64_t id_in(const std::shared_ptr<Process>& process);
  /// The same model on the first of the next engines that can. Throws Error.
  std::shared_ptr<Program> next();
  bool can_go_on() const noexcept { return !options_.next_engines.empty() && options_.fallback != Fallback::none; }
  [[noreturn]] void fail(const std::string& why) const {
    throw Error(Code::device_lost, engine_->who() + " " + why, model_.source,
                "it is started again for the next request; name engines that finish such requests, or use another one");
  }
  /// Why no worker gets the model now: it has ended one while it was compiled. Empty: one may.
  std::string doomed() {
    std::lock_guard own(lock_);
    return now_ns() < retry_at_ns_ ? doomed_ : std::string();
  }
  WorkerEngine& engine() const noexcept { return *engine_; }
  const Graph& graph() const noexcept { return *model_.graph; }
  int64_t deadline_ms() const noexcept {
    return options_.worker_deadline_ms > 0 ? options_.worker_deadline_ms : kRunDeadline;
  }

 private:
  std::shared_ptr<WorkerEngine> engine_;
  Model model_;
  CompileOptions options_;
  Descriptor image_;
  std::vector<Port> inputs_, outputs_;
  std::mutex lock_;
  std::weak_ptr<Process> home_;
  uint64_t id_ = 0;
  std::string doomed_;  // why no worker gets it again before that time
  int64_t retry_ms_ = 0, retry_at_ns_ = 0;
  std::shared_ptr<Program> next_;
};

uint64_t WorkerProgram::id_in(const std::shared_ptr<Process>& process) {
  std::lock_guard own(lock_);
  if (home_.lock() == process) return id_;
  std::lock_guard guard(process->lock);
  Letter letter;
  letter.kind = Letter::file;
  letter.token = process->next_token();
  try {
    process->send(letter, &image_);
    exchange(
        *process, *process->control, {"compiled the model", engine_->settings().compile_ms, nullptr, 0},
        [&](Writer& w) {
          w.number(static_cast<uint64_t>(Ask::compile));
          w.number(letter.token);
          w.options(options_);
        },
        [&](Reader& r) { id_ = r.number(); });
  } catch (const Lost& lost) {
    doomed_ = lost.why;
    retry_ms_ = std::min(retry_ms_ == 0 ? 40 * engine_->settings().first_pause_ms : 4 * retry_ms_, kMostRetryPause);
    retry_at_ns_ = now_ns() + retry_ms_ * 1'000'000;
    throw;
  } catch (const Error& error) {
    if (error.code() != Code::device_lost) throw;
    throw Lost{error.message()};
  }
  home_ = process;
  doomed_.clear();
  retry_ms_ = 0;
  return id_;
}

std::shared_ptr<Program> WorkerProgram::next() {
  std::lock_guard own(lock_);
  if (next_) return next_;
  std::string reasons;
  CompileOptions options = options_;
  options.next_engines.clear();
  for (const std::string& name : options_.next_engines) {
    try {
      next_ = engine_->settings().open_next(name)->compile(model_, options);
      log(LogLevel::warning, "%s finishes what %s in a worker does not", name.c_str(), engine_->who().c_str());
      return next_;
    } catch (const Error& error) {
      reasons += "\n  " + name + ": " + error.message();
    }
  }
  throw Error(Code::device_lost, engine_->who() + " was lost, and the next engines cannot go on:" + reasons,
              model_.source);
}

std::string WorkerProgram::str(std::string_view level) const {
  std::string text;
  const auto process = home_.lock();
  try {
    if (process && process->alive()) {
      std::lock_guard guard(process->lock);
      exchange(
          *process, *process->control, {"printed a program", engine_->settings().compile_ms, nullptr, 0},
          [&](Writer& w) {
            w.number(static_cast<uint64_t>(Ask::text));
            w.number(id_);
            w.text(level);
          },
          [&](Reader& r) { text = r.text(); });
    }
  } catch (const Lost& lost) {
    engine_->lost(lost.why);
  }
  return text.empty() ? fmt::format("{}: in a worker\n{}", engine_->who(), graph().str()) : text;
}

class WorkerInstance final : public Instance {
 public:
  explicit WorkerInstance(std::shared_ptr<WorkerProgram> program) : program_(std::move(program)) {
    lent_.resize(program_->outputs().size());
  }
  ~WorkerInstance() override { leave(); }
  WorkerInstance(const WorkerInstance&) = delete;
  WorkerInstance& operator=(const WorkerInstance&) = delete;

  void run(std::span<const Value> inputs, std::span<Value> outputs, const RunOptions& options) override;
  /// What is declared: sizes are found out by the run.
  std::vector<Type> bind(std::span<const Type>) override {
    std::vector<Type> types;
    for (const Port& port : program_->outputs()) types.push_back(port.type);
    return types;
  }
  std::vector<StepInfo> steps() const override;
  int64_t arena_bytes() const noexcept override { return arena_bytes_; }

 private:
  void join();
  void leave() noexcept;
  void run_there(std::span<const Value> inputs, std::span<Value> outputs, const RunOptions& options);
  void take(Reader& reader, std::span<Value> outputs);

  std::shared_ptr<WorkerProgram> program_;
  std::shared_ptr<Process> process_;
  Descriptor file_;
  std::unique_ptr<Channel> channel_;
  uint64_t token_ = 0;
  std::vector<Value> lent_, made_;
  std::vector<std::pair<std::string, Value>> tapped_;
  std::vector<NodeTime> times_;
  int64_t arena_bytes_ = 0;
  std::unique_ptr<Instance> next_;
};

/// Gets an instance in the worker that lives now; without a process when none may be started yet.
void WorkerInstance::join() {
  WorkerEngine& engine = program_->engine();
  const bool goes_on = program_->can_go_on();
  const auto process = engine.acquire(goes_on ? WorkerEngine::Wait::no : WorkerEngine::Wait::yes);
  if (process == process_ && process) return;
  leave();
  if (!process) return;
  const uint64_t id = program_->id_in(process);
  Descriptor file = memory_file("chorus-channel", Channel::file_bytes(engine.settings().room));
  auto channel = std::make_unique<Channel>(file);
  std::lock_guard guard(process->lock);
  Letter letter;
  letter.kind = Letter::file;
  letter.token = process->next_token();
  try {
    process->send(letter, &file);
  } catch (const Error& error) {
    throw Lost{error.message()};
  }
  exchange(
      *process, *process->control, {"made an instance", engine.settings().compile_ms, nullptr, 0},
      [&](Writer& w) {
        w.number(static_cast<uint64_t>(Ask::instance));
        w.number(id);
        w.number(letter.token);
      },
      [](Reader&) {});
  process_ = process;
  file_ = std::move(file);
  channel_ = std::move(channel);
  token_ = letter.token;
}

void WorkerInstance::leave() noexcept {
  if (process_ && process_->alive() && channel_) {
    try {
      exchange(
          *process_, *channel_, {"freed an instance", kFreeDeadline, nullptr, token_},
          [](Writer& w) { w.number(static_cast<uint64_t>(Ask::end)); }, [](Reader&) {});
    } catch (const Lost&) {  // so it is free
    } catch (const std::exception&) {
    }
  }
  channel_.reset();
  file_.reset();
  process_.reset();
}

void WorkerInstance::take(Reader& reader, std::span<Value> outputs) {
  arena_bytes_ = static_cast<int64_t>(reader.number_below(uint64_t{1} << 62, "size"));
  made_.assign(outputs.size(), {});
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Port& port = program_->outputs()[i];
    const bool given = outputs[i].is_tensor() && outputs[i].dtype() != DType::string;
    made_[i] = reader.value(Elements::copied, given ? &outputs[i] : &lent_[i]);
    if (!made_[i]) throw Error(Code::internal, "the answer has no output \"" + port.name + "\"");
    plugin::check_type(made_[i], port.type, "output \"" + port.name + "\"");
  }
  tapped_.clear();
  const uint64_t taps = reader.number_below(uint64_t{1} << 24, "number of values");
  for (uint64_t i = 0; i < taps; ++i) {
    const std::string name = reader.text();
    tapped_.emplace_back(name, reader.value(Elements::copied));
  }
  times_.clear();
  const uint64_t times = reader.number_below(uint64_t{1} << 24, "number of times");
  for (uint64_t i = 0; i < times; ++i) {
    NodeTime time;
    time.step = static_cast<int32_t>(reader.number_below(uint64_t{1} << 30, "step"));
    time.begin_ns = static_cast<int64_t>(reader.number());
    time.end_ns = static_cast<int64_t>(reader.number());
    times_.push_back(time);
  }
}

void WorkerInstance::run_there(std::span<const Value> inputs, std::span<Value> outputs, const RunOptions& options) {
  size_t used = 0;
  exchange(
      *process_, *channel_, {"ran the model", program_->deadline_ms(), options.stop, token_},
      [&](Writer& w) {
        w.number(static_cast<uint64_t>(Ask::run));
        w.number(options.seed);
        w.number((options.tap != nullptr ? 1 : 0) + (options.times != nullptr ? 2 : 0));
        w.number(inputs.size());
        for (const Value& v : inputs) w.value(v);
        w.number(outputs.size());
        used = w.size();
      },
      [&](Reader& r) { take(r, outputs); });
  // All of the answer is sound: now others may see it.
  for (const auto& [name, value] : tapped_) {
    if (options.tap != nullptr && value) (*options.tap)(name, value);
  }
  if (options.times != nullptr) options.times->insert(options.times->end(), times_.begin(), times_.end());
  tapped_.clear();
  for (size_t i = 0; i < outputs.size(); ++i) {
    const bool given = outputs[i].is_tensor() && outputs[i].dtype() != DType::string;
    if (given && made_[i].data() != outputs[i].data()) {
      throw Error(Code::shape,
                  fmt::format("output \"{}\" is {}{}, the tensor given for it {}{}", program_->outputs()[i].name,
                              dtype_name(made_[i].dtype()), made_[i].shape().str(), dtype_name(outputs[i].dtype()),
                              outputs[i].shape().str()));
    }
    if (!given) outputs[i] = lent_[i] = made_[i];
  }
  if (used > kKeepBytes) channel_->shrink(kKeepBytes);
}

void WorkerInstance::run(std::span<const Value> inputs, std::span<Value> outputs, const RunOptions& options) {
  const size_t takes = program_->inputs().size(), makes = program_->outputs().size();
  if (inputs.size() != takes)
    throw Error(Code::bad_input, fmt::format("{} inputs given, the model takes {}", inputs.size(), takes));
  if (outputs.size() > makes)
    throw Error(Code::bad_input, fmt::format("{} outputs wanted, the model makes {}", outputs.size(), makes));
  const Code stopped = options.stop != nullptr ? options.stop->state() : Code::ok;
  if (stopped != Code::ok)
    throw Error(stopped, stopped == Code::timeout ? "the run took longer than its time-out" : "the run was cancelled");
  const std::string doomed = program_->doomed();
  if (!doomed.empty() && !program_->can_go_on()) program_->fail(doomed);
  try {
    if (doomed.empty()) join();
    if (process_) {
      run_there(inputs, outputs, options);
      program_->engine().works();
      return;
    }
  } catch (const Lost& lost) {
    leave();
    program_->engine().lost(lost.why);
    if (!program_->can_go_on()) program_->fail(lost.why);
  }
  if (!next_) next_ = program_->next()->instance();
  next_->run(inputs, outputs, options);
  program_->engine().finished_elsewhere();
}

std::vector<StepInfo> WorkerInstance::steps() const {
  std::vector<StepInfo> steps;
  const Graph& graph = program_->graph();
  for (NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    StepInfo step;
    step.name = node.name;
    step.op = node.type;
    step.kernel = std::string(program_->engine().name());
    step.nodes = {node.name};
    steps.push_back(std::move(step));
  }
  return steps;
}

std::unique_ptr<Instance> WorkerProgram::instance() { return std::make_unique<WorkerInstance>(shared_from_this()); }

}  // namespace

std::shared_ptr<Program> make_program(std::shared_ptr<WorkerEngine> engine, const Model& model,
                                      const CompileOptions& options) {
  return std::make_shared<WorkerProgram>(std::move(engine), model, options);
}

}  // namespace chorus::worker
