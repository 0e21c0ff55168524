#include <core/clock.h>
#include <runtime/session.h>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace chorus {

Session::Session(std::shared_ptr<Compiled> compiled)
    : compiled_(std::move(compiled)), instance_(compiled_->program().instance()), state_(std::make_shared<RunState>()) {
  for (const Port& port : compiled_->program().inputs()) {
    auto impl = std::make_unique<api::InputTensor::Impl>();
    impl->name = port.name;
    impl->type = port.type;
    impl->has_default = compiled_->has_default(port.name);
    impl->state = state_;
    inputs_.emplace_back(std::move(impl));
  }
  for (const Port& port : compiled_->program().outputs()) {
    auto impl = std::make_unique<api::OutputTensor::Impl>();
    impl->name = port.name;
    impl->type = port.type;
    impl->state = state_;
    outputs_.emplace_back(std::move(impl));
  }
}

Session::~Session() {
  if (pending_) pending_->stop.request();
  join();
}

void Session::join() noexcept {
  if (worker_.joinable()) worker_.join();
}

std::vector<std::string> Session::input_names() const {
  std::vector<std::string> names;
  for (const auto& t : inputs_) names.push_back(t.name());
  return names;
}

std::vector<std::string> Session::output_names() const {
  std::vector<std::string> names;
  for (const auto& t : outputs_) names.push_back(t.name());
  return names;
}

api::InputTensor* Session::find_input(std::string_view name) noexcept {
  for (auto& t : inputs_) {
    if (t.name() == name) return &t;
  }
  return nullptr;
}

api::OutputTensor* Session::find_output(std::string_view name) noexcept {
  for (auto& t : outputs_) {
    if (t.name() == name) return &t;
  }
  return nullptr;
}

void Session::set_timeout(int64_t milliseconds) {
  if (milliseconds < 0)
    throw Error(Code::bad_input, fmt::format("a time-out of {} ms", milliseconds), {}, "give 0 (none) or more");
  timeout_ms_ = milliseconds;
}

void Session::begin() {
  if (state_->running.exchange(true))
    throw Error(Code::bad_input, "a run goes on already", {},
                "wait for it, or use a clone (another instance) per thread");
}

// Names, not positions: a part of the model may have fewer inputs.
std::vector<Value> Session::gather(const Program& program) const {
  std::vector<Value> values;
  values.reserve(program.inputs().size());
  for (const Port& port : program.inputs()) {
    const auto it = std::find_if(inputs_.begin(), inputs_.end(), [&](const auto& t) { return t.name() == port.name; });
    if (it == inputs_.end())
      throw Error(Code::internal, "the program has an input \"" + port.name + "\" that the model lacks");
    const auto& impl = api::IoAccess::of(const_cast<api::InputTensor&>(*it));
    if (!impl.value && !impl.has_default) {
      throw Error(Code::bad_input, "input \"" + port.name + "\" was given no data", {},
                  "the model takes " + impl.type.str());
    }
    values.push_back(impl.value);
  }
  return values;
}

namespace {
/// Ends the run on every way out.
struct Running {
  RunState& state;
  ~Running() { state.running.store(false); }
};
}  // namespace

void Session::execute(Program& program, Instance& instance, std::span<const Value> inputs, StopToken& stop,
                      Recorder* recorder) {
  const uint64_t generation = state_->generation.fetch_add(1) + 1;
  std::vector<api::OutputTensor::Impl*> targets;
  results_.clear();
  for (const Port& port : program.outputs()) {
    targets.push_back(&api::IoAccess::of(*find_output(port.name)));
    results_.push_back(targets.back()->buffer);
  }
  if (timeout_ms_ > 0) stop.set_deadline(now_ns() + timeout_ms_ * 1'000'000);
  RunOptions options;
  options.stop = &stop;
  options.seed = seed_;
  if (tap_) options.tap = &tap_;
  std::vector<NodeTime> times;
  if (recorder != nullptr) options.times = &times;
  const int64_t start = now_ns();
  instance.run(inputs, results_, options);
  if (recorder != nullptr) recorder->add(instance, times, start, now_ns());
  for (size_t i = 0; i < targets.size(); ++i) {
    targets[i]->value = results_[i];
    targets[i]->generation = generation;
  }
  results_.clear();
}

void Session::run() {
  begin();
  Running running{*state_};
  const std::vector<Value> inputs = gather(compiled_->program());
  StopToken stop;
  execute(compiled_->program(), *instance_, inputs, stop, profiling_ ? &recorder_ : nullptr);
}

void Session::run(const std::vector<std::string>& outputs) {
  for (const std::string& name : outputs) {
    if (find_output(name) == nullptr) {
      throw Error(Code::not_found, "the model has no output \"" + name + "\"", {},
                  "its outputs are " + quoted_list(output_names()));
    }
  }
  if (outputs.empty() || outputs.size() == outputs_.size()) return run();
  begin();
  Running running{*state_};
  auto part = std::find_if(parts_.begin(), parts_.end(), [&](const Part& p) { return p.names == outputs; });
  if (part == parts_.end()) {
    constexpr size_t kKept = 8;
    if (parts_.size() >= kKept) parts_.erase(parts_.begin());
    auto program = compiled_->subset(outputs);
    auto instance = program->instance();
    part = parts_.insert(parts_.end(), Part{outputs, std::move(program), std::move(instance)});
  }
  const std::vector<Value> inputs = gather(*part->program);
  StopToken stop;
  execute(*part->program, *part->instance, inputs, stop, nullptr);
}

api::RunHandle Session::run_async() {
  begin();
  auto shared = std::make_shared<api::RunHandle::State>();
  try {
    join();  // the thread of the run before has nothing left to do
    std::vector<Value> inputs = gather(compiled_->program());
    pending_ = shared;
    worker_ = std::thread([this, shared, inputs = std::move(inputs)]() mutable {
      std::exception_ptr error;
      try {
        execute(compiled_->program(), *instance_, inputs, shared->stop, profiling_ ? &recorder_ : nullptr);
      } catch (...) {
        error = std::current_exception();
      }
      inputs.clear();
      state_->running.store(false);
      std::lock_guard guard(shared->lock);
      shared->error = error;
      shared->done = true;
      shared->ended.notify_all();
    });
  } catch (...) {
    state_->running.store(false);
    throw;
  }
  return api::RunHandle(shared);
}

api::Profile Session::profile(bool measure_peaks) const {
  Peaks peaks;
  if (measure_peaks) peaks = measured_peaks(compiled_->pool());
  return recorder_.profile(*instance_, peaks);
}

namespace api {

RunHandle::RunHandle(std::shared_ptr<State> state) : state_(std::move(state)) {}
RunHandle::~RunHandle() = default;
RunHandle::RunHandle(const RunHandle&) = default;
RunHandle& RunHandle::operator=(const RunHandle&) = default;

bool RunHandle::done() const {
  std::lock_guard guard(state_->lock);
  return state_->done;
}

bool RunHandle::wait(int64_t milliseconds) const {
  std::unique_lock guard(state_->lock);
  const auto ended = [this] { return state_->done; };
  if (milliseconds >= 0) return state_->ended.wait_for(guard, std::chrono::milliseconds(milliseconds), ended);
  state_->ended.wait(guard, ended);
  return true;
}

void RunHandle::get() const {
  wait();
  std::lock_guard guard(state_->lock);
  if (state_->error) std::rethrow_exception(state_->error);
}

void RunHandle::cancel() const noexcept { state_->stop.request(); }

}  // namespace api
}  // namespace chorus
