#include <chorus/predictor.h>

#include <runtime/session.h>

namespace chorus {

Predictor::Predictor(const Config& config) : session_(std::make_unique<Session>(compile(ConfigAccess::of(config)))) {
  session_->set_timeout(config.timeout_ms());
  session_->set_profile(config.profile());
}
Predictor::Predictor(std::unique_ptr<Session> session) : session_(std::move(session)) {}
Predictor::~Predictor() = default;
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;

std::unique_ptr<Predictor> Predictor::Clone() const {
  auto session = std::make_unique<Session>(session_->compiled());
  session->set_timeout(session_->timeout());
  session->set_profile(session_->profiling());
  return std::unique_ptr<Predictor>(new Predictor(std::move(session)));
}

std::vector<std::string> Predictor::GetInputNames() const { return session_->input_names(); }
std::vector<std::string> Predictor::GetOutputNames() const { return session_->output_names(); }

InputTensor* Predictor::GetInputTensor(std::string_view name) {
  InputTensor* found = session_->find_input(name);
  message_ = found != nullptr ? ""
                              : "the model has no input \"" + std::string(name) + "\"; its inputs are " +
                                    quoted_list(GetInputNames());
  return found;
}

OutputTensor* Predictor::GetOutputTensor(std::string_view name) {
  OutputTensor* found = session_->find_output(name);
  message_ = found != nullptr ? ""
                              : "the model has no output \"" + std::string(name) + "\"; its outputs are " +
                                    quoted_list(GetOutputNames());
  return found;
}

const std::string& Predictor::LastMessage() const noexcept { return message_; }
void Predictor::Run() { session_->run(); }
RunHandle Predictor::RunAsync() { return session_->run_async(); }

void Predictor::SetTap(std::function<void(const std::string&, const Value&)> tap) { session_->set_tap(std::move(tap)); }

namespace {
Session::Tap tap_of(api::Instance::Hook hook) {
  if (!hook) return {};
  return [hook = std::move(hook)](const std::string& name, const Value& value) {
    if (value.is_tensor() && value.dtype() != DType::string)
      hook(name, value.dtype(), {value.shape().begin(), value.shape().end()}, value.data());
  };
}
}  // namespace

void Predictor::SetHook(api::Instance::Hook hook) { session_->set_tap(tap_of(std::move(hook))); }
void Predictor::SetSeed(uint64_t seed) { session_->set_seed(seed); }
Profile Predictor::GetProfile(bool measure_peaks) const { return session_->profile(measure_peaks); }
int64_t Predictor::ArenaBytes() const noexcept { return session_->arena_bytes(); }
std::string Predictor::Print(std::string_view level) const { return session_->compiled()->program().str(level); }

const std::string& Predictor::EngineName() const noexcept { return session_->compiled()->engine_name(); }

namespace api {

Instance::Instance(std::unique_ptr<Session> session) : session_(std::move(session)) {}
Instance::~Instance() = default;
Instance::Instance(Instance&&) noexcept = default;
Instance& Instance::operator=(Instance&&) noexcept = default;

std::vector<std::string> Instance::input_names() const { return session_->input_names(); }
std::vector<std::string> Instance::output_names() const { return session_->output_names(); }

namespace {
[[noreturn]] void no_port(const char* kind, const std::string& what, const std::vector<std::string>& known) {
  throw Error(Code::not_found, std::string("the model has no ") + kind + " " + what, {},
              std::string("its ") + kind + "s are " + quoted_list(known));
}
}  // namespace

InputTensor& Instance::input(const std::string& name) {
  InputTensor* found = session_->find_input(name);
  if (found == nullptr) no_port("input", "\"" + name + "\"", input_names());
  return *found;
}
InputTensor& Instance::input(size_t index) {
  if (index >= session_->inputs().size()) no_port("input", "number " + std::to_string(index), input_names());
  return session_->inputs()[index];
}
OutputTensor& Instance::output(const std::string& name) {
  OutputTensor* found = session_->find_output(name);
  if (found == nullptr) no_port("output", "\"" + name + "\"", output_names());
  return *found;
}
OutputTensor& Instance::output(size_t index) {
  if (index >= session_->outputs().size()) no_port("output", "number " + std::to_string(index), output_names());
  return session_->outputs()[index];
}

void Instance::Run() { session_->run(); }
void Instance::Run(const std::vector<std::string>& outputs) { session_->run(outputs); }
RunHandle Instance::RunAsync() { return session_->run_async(); }
void Instance::SetHook(Hook hook) { session_->set_tap(tap_of(std::move(hook))); }
void Instance::SetTimeout(int64_t milliseconds) { session_->set_timeout(milliseconds); }
void Instance::SetSeed(uint64_t seed) { session_->set_seed(seed); }
Profile Instance::GetProfile(bool measure_peaks) const { return session_->profile(measure_peaks); }
int64_t Instance::arena_bytes() const noexcept { return session_->arena_bytes(); }

}  // namespace api
}  // namespace chorus
