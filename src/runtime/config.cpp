#include <chorus/buffer.h>
#include <core/cpu.h>
#include <core/json_depth.h>
#include <runtime/config_impl.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>

namespace chorus {
namespace {

constexpr std::array<std::string_view, 4> kPrecisions = {"f32", "bf16", "f16", "int8"};  // in the order of Precision
constexpr std::array<std::string_view, 3> kModes = {"high", "balanced", "low"};         // in the order of PowerMode

void refuse(const std::string& what, const std::string& fix = {}) {
  throw Error(Code::bad_input, "config: " + what, {}, fix);
}

void check_threads(int n) {
  if (n < 1 || n > 1024) refuse(fmt::format("{} threads asked for", n), "give a number from 1 to 1024");
}

}  // namespace

Precision parse_precision(std::string_view name) {
  const auto it = std::find(kPrecisions.begin(), kPrecisions.end(), name);
  if (it == kPrecisions.end())
    refuse(fmt::format("precision \"{}\" is not known", name), fmt::format("one of {}", fmt::join(kPrecisions, ", ")));
  return static_cast<Precision>(it - kPrecisions.begin());
}

int threads_in_mode(int threads, PowerMode mode) noexcept {
  return mode == PowerMode::high ? threads : mode == PowerMode::balanced ? (threads + 1) / 2 : 1;
}

std::string engine_of_environment() {
  const char* name = std::getenv("CHORUS_ENGINE");
  return name != nullptr ? name : "";
}

std::string default_engine() {
  const std::string name = engine_of_environment();
  return name.empty() ? "native" : name;
}

Config::Config() : impl_(std::make_unique<Impl>()) {}
Config::Config(std::string_view model) : Config() { SetModel(model); }
Config::~Config() = default;
Config::Config(const Config& other) : impl_(std::make_unique<Impl>(*other.impl_)) {}
Config& Config::operator=(const Config& other) {
  if (this != &other) impl_ = std::make_unique<Impl>(*other.impl_);
  return *this;
}

void Config::SetModel(std::string_view path) { SetModel(path, {}); }
void Config::SetModel(std::string_view graph, std::string_view params) {
  if (graph.empty()) refuse("the model's path is empty");
  impl_->model = graph;
  impl_->params = params;
  impl_->buffer = {};
  impl_->buffer_owner = nullptr;
}

void Config::SetModelBuffer(const void* data, size_t bytes, std::shared_ptr<const void> owner) {
  if (data == nullptr || bytes == 0) refuse("the model in memory is empty");
  if (!owner) {
    auto copy =
        std::make_shared<std::vector<char>>(static_cast<const char*>(data), static_cast<const char*>(data) + bytes);
    data = copy->data();
    owner = copy;
  }
  impl_->buffer = {static_cast<const char*>(data), bytes};
  impl_->buffer_owner = std::move(owner);
  impl_->model.clear();
  impl_->params.clear();
}

void Config::SetEngine(std::string_view name) {
  if (name.empty()) refuse("the engine's name is empty", "\"native\", or one of `chorus engines`");
  impl_->engine = name;
}
void Config::SetWorker(bool on) { impl_->worker = on; }
void Config::SetWorkerDeadline(int64_t milliseconds) {
  if (milliseconds < 0) refuse(fmt::format("a worker's deadline of {} ms", milliseconds), "give 0 (a minute) or more");
  impl_->worker_deadline_ms = milliseconds;
}
void Config::SetNextEngines(std::vector<std::string> names) {
  for (const std::string& name : names) {
    if (name.empty()) refuse("the name of a next engine is empty", "\"native\", or one of `chorus engines`");
  }
  impl_->next_engines = std::move(names);
}
void Config::SetEngines(std::vector<std::string> names) {
  for (const std::string& name : names) {
    if (name.empty() || name == "auto") refuse(fmt::format("\"{}\" is no engine to choose from", name));
  }
  impl_->engines = std::move(names);
}
void Config::SetAccuracyBound(double share) {
  if (!(share > 0) || !std::isfinite(share))
    refuse(fmt::format("an accuracy bound of {}", share), "give a number above 0");
  impl_->accuracy_bound = share;
}
void Config::SetStrict(bool on) { impl_->strict = on; }
void Config::SetDevice(std::string_view name) {
  Device::parse(name);
  impl_->device = name;
}
void Config::SetThreads(int n) {
  check_threads(n);
  impl_->threads = n;
  impl_->external = nullptr;
}
void Config::SetAffinity(std::vector<int> processors) {
  for (int p : processors) {
    if (p < 0) refuse(fmt::format("processor {} does not exist", p));
  }
  impl_->affinity = std::move(processors);
}
void Config::SetThreadPool(ExternalThreads run, void* user, int threads) {
  check_threads(threads);
  if (run == nullptr) refuse("the thread pool has no function");
  impl_->external = run;
  impl_->external_user = user;
  impl_->threads = threads;
}
void Config::SetPrecision(std::string_view name) {
  parse_precision(name);
  impl_->precision = name;
}
void Config::SwitchIrOptim(bool on) { impl_->ir_optim = on; }
void Config::SetReferenceKernels(bool on) { impl_->reference_kernels = on; }
void Config::SetPowerMode(PowerMode mode) { impl_->power_mode = mode; }
void Config::SetCacheDir(std::string_view folder, int64_t most_bytes) {
  if (most_bytes <= 0) refuse(fmt::format("a cache of {} bytes", most_bytes), "give a positive number");
  impl_->cache_dir = folder;
  impl_->cache_bytes = most_bytes;
}
void Config::SetTuningLog(std::string_view path) { impl_->tuning_log = path; }
void Config::SetMemoryLimit(int64_t bytes) {
  if (bytes <= 0) refuse(fmt::format("a memory limit of {} bytes", bytes), "give a positive number");
  impl_->memory_limit = bytes;
}
void Config::EnableProfile(bool on) { impl_->profile = on; }
void Config::SetOutputs(std::vector<std::string> names) { impl_->outputs = std::move(names); }
void Config::SetProcessing(std::string_view json) { impl_->processing = json; }
void Config::SetTimeout(int64_t milliseconds) {
  if (milliseconds < 0) refuse(fmt::format("a time-out of {} ms", milliseconds), "give 0 (none) or more");
  impl_->timeout_ms = milliseconds;
}
void Config::SetFallback(bool on) { impl_->fallback = on; }

const std::string& Config::model() const noexcept { return impl_->model; }
const std::string& Config::params() const noexcept { return impl_->params; }
std::string_view Config::buffer() const noexcept { return impl_->buffer; }
const std::string& Config::engine() const noexcept { return impl_->engine; }
bool Config::worker() const noexcept { return impl_->worker; }
int64_t Config::worker_deadline_ms() const noexcept { return impl_->worker_deadline_ms; }
const std::vector<std::string>& Config::next_engines() const noexcept { return impl_->next_engines; }
const std::vector<std::string>& Config::engines() const noexcept { return impl_->engines; }
double Config::accuracy_bound() const noexcept { return impl_->accuracy_bound; }
bool Config::strict() const noexcept { return impl_->strict; }
const std::string& Config::device() const noexcept { return impl_->device; }
int Config::threads() const noexcept { return impl_->threads; }
const std::vector<int>& Config::affinity() const noexcept { return impl_->affinity; }
const std::string& Config::precision() const noexcept { return impl_->precision; }
bool Config::ir_optim() const noexcept { return impl_->ir_optim; }
bool Config::reference_kernels() const noexcept { return impl_->reference_kernels; }
PowerMode Config::power_mode() const noexcept { return impl_->power_mode; }
const std::string& Config::cache_dir() const noexcept { return impl_->cache_dir; }
int64_t Config::cache_bytes() const noexcept { return impl_->cache_bytes; }
const std::string& Config::tuning_log() const noexcept { return impl_->tuning_log; }
int64_t Config::memory_limit() const noexcept { return impl_->memory_limit; }
bool Config::profile() const noexcept { return impl_->profile; }
const std::vector<std::string>& Config::outputs() const noexcept { return impl_->outputs; }
const std::string& Config::processing() const noexcept { return impl_->processing; }
int64_t Config::timeout_ms() const noexcept { return impl_->timeout_ms; }
bool Config::fallback() const noexcept { return impl_->fallback; }
int Config::effective_threads() const {
  return threads_in_mode(impl_->threads > 0 ? impl_->threads : usable_processors(), impl_->power_mode);
}

std::string Config::ToJson() const {
  if (!impl_->buffer.empty())
    throw Error(Code::unsupported, "config: a model in memory cannot be written as JSON", {},
                "write the model to a file");
  nlohmann::ordered_json json;
  json["model"] = model();
  json["params"] = params();
  json["engine"] = engine();
  json["worker"] = worker();
  json["worker_deadline_ms"] = worker_deadline_ms();
  json["next_engines"] = next_engines();
  json["engines"] = engines();
  json["accuracy_bound"] = accuracy_bound();
  json["strict"] = strict();
  json["device"] = device();
  json["threads"] = threads();
  json["affinity"] = affinity();
  json["precision"] = precision();
  json["ir_optim"] = ir_optim();
  json["reference_kernels"] = reference_kernels();
  json["power_mode"] = kModes[static_cast<size_t>(power_mode())];
  json["cache_dir"] = cache_dir();
  json["cache_bytes"] = cache_bytes();
  json["tuning_log"] = tuning_log();
  json["memory_limit"] = memory_limit();
  json["profile"] = profile();
  json["outputs"] = outputs();
  json["processing"] = processing();
  json["timeout_ms"] = timeout_ms();
  json["fallback"] = fallback();
  return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace);
}

namespace {
using Json = nlohmann::json;
using Setter = void (*)(Config&, const Json&);

PowerMode mode_of(const std::string& name) {
  const auto it = std::find(kModes.begin(), kModes.end(), name);
  if (it == kModes.end())
    refuse(fmt::format("power mode \"{}\" is not known", name), fmt::format("one of {}", fmt::join(kModes, ", ")));
  return static_cast<PowerMode>(it - kModes.begin());
}

/// Exact: neither 1.5 nor "1" nor 2^40 is an int.
template <class T>
T integer(const Json& j) {
  if (!j.is_number_integer()) throw Json::type_error::create(302, "type must be integer", &j);
  const bool large = j.is_number_unsigned() && j.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<T>::max());
  if (large || (!j.is_number_unsigned() && (j.get<int64_t>() > std::numeric_limits<T>::max() ||
                                            j.get<int64_t>() < std::numeric_limits<T>::min()))) {
    throw Json::type_error::create(302, "the number is out of range", &j);
  }
  return j.get<T>();
}

const std::map<std::string, Setter, std::less<>>& setters() {
  static const auto* const all = new std::map<std::string, Setter, std::less<>>{
      {"engine",
       [](Config& c, const Json& j) {
         Config file;
         file.SetEngine(j.get<std::string>());
         if (engine_of_environment().empty()) c.SetEngine(file.engine());   // the environment is before the file
       }},
      {"engines", [](Config& c, const Json& j) { c.SetEngines(j.get<std::vector<std::string>>()); }},
      {"accuracy_bound",
       [](Config& c, const Json& j) {
         if (!j.is_number()) throw Json::type_error::create(302, "type must be number", &j);
         c.SetAccuracyBound(j.get<double>());
       }},
      {"strict", [](Config& c, const Json& j) { c.SetStrict(j.get<bool>()); }},
      {"worker", [](Config& c, const Json& j) { c.SetWorker(j.get<bool>()); }},
      {"worker_deadline_ms", [](Config& c, const Json& j) { c.SetWorkerDeadline(integer<int64_t>(j)); }},
      {"next_engines", [](Config& c, const Json& j) { c.SetNextEngines(j.get<std::vector<std::string>>()); }},
      {"device", [](Config& c, const Json& j) { c.SetDevice(j.get<std::string>()); }},
      {"threads",
       [](Config& c, const Json& j) {
         if (integer<int>(j) != 0) c.SetThreads(integer<int>(j));
       }},
      {"affinity",
       [](Config& c, const Json& j) {
         std::vector<int> list;
         for (const Json& item : j.get<std::vector<Json>>()) list.push_back(integer<int>(item));
         c.SetAffinity(std::move(list));
       }},
      {"precision", [](Config& c, const Json& j) { c.SetPrecision(j.get<std::string>()); }},
      {"ir_optim", [](Config& c, const Json& j) { c.SwitchIrOptim(j.get<bool>()); }},
      {"reference_kernels", [](Config& c, const Json& j) { c.SetReferenceKernels(j.get<bool>()); }},
      {"power_mode", [](Config& c, const Json& j) { c.SetPowerMode(mode_of(j.get<std::string>())); }},
      {"cache_dir", [](Config& c, const Json& j) { c.SetCacheDir(j.get<std::string>(), c.cache_bytes()); }},
      {"cache_bytes", [](Config& c, const Json& j) { c.SetCacheDir(c.cache_dir(), integer<int64_t>(j)); }},
      {"tuning_log", [](Config& c, const Json& j) { c.SetTuningLog(j.get<std::string>()); }},
      {"memory_limit", [](Config& c, const Json& j) { c.SetMemoryLimit(integer<int64_t>(j)); }},
      {"profile", [](Config& c, const Json& j) { c.EnableProfile(j.get<bool>()); }},
      {"outputs", [](Config& c, const Json& j) { c.SetOutputs(j.get<std::vector<std::string>>()); }},
      // A text, or the object itself.
      {"processing",
       [](Config& c, const Json& j) {
         c.SetProcessing(j.is_string() ? j.get<std::string>() : j.dump(-1, ' ', false, Json::error_handler_t::replace));
       }},
      {"timeout_ms", [](Config& c, const Json& j) { c.SetTimeout(integer<int64_t>(j)); }},
      {"fallback", [](Config& c, const Json& j) { c.SetFallback(j.get<bool>()); }},
  };
  return *all;
}
}  // namespace

Config Config::FromJson(std::string_view text) {
  if (const int depth = json_depth(text); depth > kMostJsonDepth)
    refuse(fmt::format("the text is nested {} deep, more than {}", depth, kMostJsonDepth));
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) refuse("the text is not a JSON object");
  Config config;
  std::string model, params;
  for (const auto& [key, value] : json.items()) {
    try {
      if (key == "model") {
        model = value.get<std::string>();
      } else if (key == "params") {
        params = value.get<std::string>();
      } else if (const auto it = setters().find(key); it != setters().end()) {
        it->second(config, value);
      } else {
        std::vector<std::string> known = {"model", "params"};
        for (const auto& [name, setter] : setters()) known.push_back(name);
        refuse(fmt::format("key \"{}\" is not known", key), fmt::format("one of {}", fmt::join(known, ", ")));
      }
    } catch (const Json::exception&) {
      refuse(fmt::format("key \"{}\" has a value of the wrong kind: {}", key,
                         value.dump(-1, ' ', false, Json::error_handler_t::replace)));
    }
  }
  if (!model.empty()) config.SetModel(model, params);
  return config;
}

}  // namespace chorus
