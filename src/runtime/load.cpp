#include <core/cpu.h>
#include <core/file.h>
#include <engine/native/native_engine.h>
#include <graph/pass.h>
#include <runtime/custom_op.h>
#include <runtime/load.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace chorus {

std::string quoted_list(const std::vector<std::string>& names) {
  constexpr size_t kMost = 20;
  std::string text;
  for (size_t i = 0; i < names.size() && i < kMost; ++i) text += (i ? ", \"" : "\"") + names[i] + "\"";
  if (names.size() > kMost) text += fmt::format(" and {} more", names.size() - kMost);
  return text.empty() ? "none" : text;
}

void require_device(const std::string& name, bool fallback) {
  const Device device = Device::parse(name);
  if (device.kind == DeviceKind::cpu && device.index == 0) return;
  if (fallback) return;
  throw Error(Code::unavailable, "device \"" + name + "\" is not available: no engine of this build drives it", {},
              "use \"cpu\", or allow the fallback to it");
}

std::shared_ptr<ThreadPool> make_pool(int threads, const std::vector<int>& affinity, ExternalThreads external, void* user) {
  if (external != nullptr) return std::make_shared<ThreadPool>(external, user, threads);
  return std::make_shared<ThreadPool>(ThreadPool::Options{threads, affinity, 50});
}

namespace {
std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}
}  // namespace

std::shared_ptr<const Model> load_model(const std::string& path, const std::string& params, const onnx::ReadLimits& limits) {
  load_plugins_of_environment();
  if (params.empty()) return std::make_shared<const Model>(onnx::read_model(path, limits));
  MappedFile{params};  // absent: say so now, with its own name
  FileOptions options;
  options.max_bytes = limits.file_bytes;
  auto file = std::make_shared<MappedFile>(path, options);
  const auto bytes = file->bytes();
  return std::make_shared<const Model>(
      onnx::read_model({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file, folder_of(params), path, limits));
}

std::shared_ptr<const Model> load_model(std::string_view bytes, std::shared_ptr<const void> owner, const std::string& params, const onnx::ReadLimits& limits) {
  load_plugins_of_environment();
  return std::make_shared<const Model>(onnx::read_model(bytes, std::move(owner), params.empty() ? std::string() : folder_of(params), "memory", limits));
}

Compiled::Compiled(std::shared_ptr<const Model> model, std::shared_ptr<Engine> engine, CompileOptions options, const std::vector<std::string>& outputs)
    : model_(std::move(model)), engine_(std::move(engine)), engine_name_(engine_->name()), options_(std::move(options)), outputs_(outputs), program_(compile(outputs)) {}

Model Compiled::part(const std::vector<std::string>& outputs) const {
  Model part = *model_;
  if (outputs.empty()) return part;
  auto graph = std::make_shared<Graph>(*model_->graph);
  std::vector<std::string> known;
  for (ValueId id : graph->outputs()) known.push_back(graph->value(id).name);
  for (const std::string& name : outputs) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw Error(Code::not_found, "the model has no output \"" + name + "\"", {}, "its outputs are " + quoted_list(known));
    }
  }
  select_outputs(*graph, outputs);
  const std::vector<ValueId> inputs(graph->inputs().begin(), graph->inputs().end());
  for (ValueId id : inputs) {  // what the outputs do not need, nobody has to give
    if (graph->value(id).uses.empty() && !graph->is_output(id)) graph->remove_value(id);
  }
  part.graph = std::move(graph);
  return part;
}

std::shared_ptr<Program> Compiled::compile(const std::vector<std::string>& outputs) const {
  try {
    return engine_->compile(part(outputs), options_);
  } catch (const Error& error) {
    if (error.where().find(model_->source) != std::string::npos) throw;
    throw error.at(model_->source);
  }
}

Model Compiled::optimized() const {
  Model result = part(outputs_);
  result.graph = native::optimize(result, options_);
  result.functions.clear();
  return result;
}

bool Compiled::has_default(std::string_view input) const noexcept {
  const ValueId id = model_->graph->find_value(input);
  return id != kNone && model_->graph->value(id).is_constant();
}

std::shared_ptr<Program> Compiled::subset(const std::vector<std::string>& outputs) {
  constexpr size_t kKept = 8;
  std::lock_guard guard(lock_);
  for (const auto& [names, program] : subsets_) {
    if (names == outputs) return program;
  }
  auto program = compile(outputs);
  if (subsets_.size() >= kKept) subsets_.erase(subsets_.begin());
  subsets_.emplace_back(outputs, program);
  return program;
}

std::shared_ptr<Compiled> compile(const Config::Impl& config) {
  if (config.model.empty() && config.buffer.empty()) throw Error(Code::bad_input, "config: no model is set", {}, "call SetModel or SetModelBuffer");
  require_device(config.device, config.fallback);
  auto engine = open_engine(config.engine);
  auto model = config.buffer.empty() ? load_model(config.model, config.params) : load_model(config.buffer, config.buffer_owner);
  CompileOptions options;
  const int threads = threads_in_mode(config.threads > 0 ? config.threads : usable_processors(), config.power_mode);
  options.threads = threads;
  options.precision = parse_precision(config.precision);
  options.optimize = config.ir_optim ? 1 : 0;
  options.reference_kernels = config.reference_kernels;
  options.profile = config.profile;
  options.memory_budget = config.memory_limit;
  options.pool = make_pool(threads, config.affinity, config.external, config.external_user);
  return std::make_shared<Compiled>(std::move(model), std::move(engine), std::move(options), config.outputs);
}

}  // namespace chorus
