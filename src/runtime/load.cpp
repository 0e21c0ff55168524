#include <core/cpu.h>
#include <core/file.h>
#include <engine/native/native_engine.h>
#include <engine/placement/auto.h>
#include <engine/registry/registry.h>
#include <graph/image.h>
#include <graph/pass.h>
#include <runtime/custom_op.h>
#include <runtime/load.h>
#include <runtime/process.h>
#include <runtime/tuning_log.h>

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

std::shared_ptr<ThreadPool> make_pool(int threads, const std::vector<int>& affinity, ExternalThreads external,
                                      void* user) {
  if (external != nullptr) return std::make_shared<ThreadPool>(external, user, threads);
  return std::make_shared<ThreadPool>(ThreadPool::Options{threads, affinity, 50});
}

namespace {
std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

Model from_image(std::string_view bytes, std::shared_ptr<const void> owner, const std::string& source,
                 const onnx::ReadLimits& limits) {
  ImageLimits bounds;
  bounds.nodes = limits.nodes;
  bounds.values = limits.values;
  bounds.depth = limits.depth;
  try {
    Model model = load_image(bytes, std::move(owner), bounds);
    model.source = source;
    return model;
  } catch (const Error& error) {
    throw error.at(source);
  }
}

std::shared_ptr<const Model> with_functions(Model model) {
  add_registered_functions(model);
  return std::make_shared<const Model>(std::move(model));
}
}  // namespace

std::shared_ptr<const Model> load_model(const std::string& path, const std::string& params,
                                        const onnx::ReadLimits& limits, onnx::ExternalFiles* external) {
  load_plugins_of_environment();
  if (!params.empty()) MappedFile{params};  // absent: say so now, with its own name
  FileOptions options;
  options.max_bytes = limits.file_bytes;
  auto file = std::make_shared<MappedFile>(path, options);
  const std::string_view bytes(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  if (is_image(bytes)) return std::make_shared<const Model>(from_image(bytes, file, path, limits));
  return with_functions(
      onnx::read_model(bytes, file, folder_of(params.empty() ? path : params), path, limits, external));
}

std::shared_ptr<const Model> load_model(std::string_view bytes, std::shared_ptr<const void> owner,
                                        const std::string& params, const onnx::ReadLimits& limits) {
  load_plugins_of_environment();
  if (is_image(bytes)) return std::make_shared<const Model>(from_image(bytes, std::move(owner), "memory", limits));
  return with_functions(
      onnx::read_model(bytes, std::move(owner), params.empty() ? std::string() : folder_of(params), "memory", limits));
}

namespace {
std::vector<std::string> inputs_with_defaults(const Model& model) {
  std::vector<std::string> names;
  for (ValueId id : model.graph->inputs()) {
    if (model.graph->value(id).is_constant()) names.push_back(model.graph->value(id).name);
  }
  return names;
}
}  // namespace

Compiled::Compiled(std::shared_ptr<const Model> model, std::shared_ptr<Engine> engine, CompileOptions options,
                   const std::vector<std::string>& outputs, std::shared_ptr<Program> program)
    : model_(std::move(model)), defaults_(inputs_with_defaults(*model_)), engine_(std::move(engine)),
      engine_name_(engine_->name()), options_(std::move(options)), outputs_(outputs),
      program_(program ? std::move(program) : compile(outputs)) {}

Compiled::Compiled(std::shared_ptr<Program> program, Reader reader, std::vector<std::string> defaults,
                   std::shared_ptr<Engine> engine, CompileOptions options, const std::vector<std::string>& outputs)
    : reader_(std::move(reader)), defaults_(std::move(defaults)), engine_(std::move(engine)),
      engine_name_(engine_->name()), options_(std::move(options)), outputs_(outputs), program_(std::move(program)) {}

std::shared_ptr<const Model> Compiled::model() const {
  std::lock_guard guard(model_lock_);
  if (!model_) model_ = reader_();
  return model_;
}

Model Compiled::part(const std::vector<std::string>& outputs) const {
  Model part = *model();
  if (outputs.empty()) return part;
  auto graph = std::make_shared<Graph>(*part.graph);
  std::vector<std::string> known;
  for (ValueId id : graph->outputs()) known.push_back(graph->value(id).name);
  for (const std::string& name : outputs) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw Error(Code::not_found, "the model has no output \"" + name + "\"", {},
                  "its outputs are " + quoted_list(known));
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
    const std::string source = model()->source;
    if (error.where().find(source) != std::string::npos) throw;
    throw error.at(source);
  }
}

Model Compiled::optimized() const {
  Model result = part(outputs_);
  result.graph = native::optimize(result, options_);
  result.functions.clear();
  return result;
}

bool Compiled::has_default(std::string_view input) const noexcept {
  return std::find(defaults_.begin(), defaults_.end(), input) != defaults_.end();
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

namespace {

/// Everything that a program depends on; empty: it is not to be kept.
std::string cache_key(const std::string& model, const Engine& engine, const CompileOptions& options,
                      const std::vector<std::string>& outputs) {
  if (build_identity().empty()) return {};
  std::string key = fmt::format(
      "build {}\nengine {} {}\nprocessor {} {}\noptimize {} reference {} precision {} more {} tuning {}\n{}\noutputs",
      build_identity(), engine.name(), engine.version(), cpu_info().brand, to_string(cpu()), options.optimize,
      options.reference_kernels, static_cast<int>(options.precision), options.more,
      options.tuning ? options.tuning->identity() : "none", model);
  for (const std::string& name : outputs) key += fmt::format(" {}:{}", name.size(), name);
  return key;
}

/// The kept program; null: there is none that this build can use.
std::shared_ptr<Program> find_program(const CompileCache& cache, const std::string& key, Engine& engine,
                                      const CompileOptions& options, CacheNotes* notes) {
  auto found = cache.find(key);
  if (!found) return nullptr;
  try {
    auto program = engine.load(found->program, found->owner, options);
    *notes = std::move(found->notes);
    return program;
  } catch (const Error&) {  // made by a build that chose otherwise: compiled anew
    cache.remove(key);
    return nullptr;
  }
}

void keep_program(const CompileCache& cache, const std::string& key, Engine& engine, const Program& program,
                  const CacheNotes& notes) {
  cache.put(key, notes, [&](CompileCache::Sink sink) { return engine.save(program, sink); });
}

}  // namespace

std::shared_ptr<Compiled> compile_model(std::shared_ptr<const Model> model, std::shared_ptr<Engine> engine,
                                        CompileOptions options, const std::vector<std::string>& outputs,
                                        const CacheSettings& settings) {
  const bool keep = !settings.folder.empty() && !has_custom_operators(*model);
  const std::string key = keep ? cache_key(content_key(*model), *engine, options, outputs) : std::string();
  if (key.empty()) return std::make_shared<Compiled>(std::move(model), std::move(engine), std::move(options), outputs);
  const CompileCache cache(settings.folder, settings.most_bytes);
  CacheNotes notes;
  auto program = find_program(cache, key, *engine, options, &notes);
  const bool found = program != nullptr;
  auto compiled = std::make_shared<Compiled>(std::move(model), engine, std::move(options), outputs, std::move(program));
  if (!found) keep_program(cache, key, *engine, compiled->program(), {});
  return compiled;
}

std::string auto_settings_of(const std::vector<std::string>& engines, double bound, const std::string& cache_dir) {
  return placement::to_json({engines, bound, cache_dir, build_identity()});
}

std::shared_ptr<const Tuning> tuning_of(const std::string& file, const std::string& cache_folder) {
  if (file.empty() && cache_folder.empty()) return nullptr;
  return TuningLog::find(file.empty() ? TuningLog::path_in(cache_folder) : file);
}

namespace {

CompileOptions options_of(const Config::Impl& config) {
  CompileOptions options;
  if (config.engine == "auto") options.more = auto_settings_of(config.engines, config.accuracy_bound, config.cache_dir);
  const int threads = threads_in_mode(config.threads > 0 ? config.threads : usable_processors(), config.power_mode);
  options.threads = threads;
  options.precision = parse_precision(config.precision);
  options.optimize = config.ir_optim ? 1 : 0;
  options.reference_kernels = config.reference_kernels;
  options.profile = config.profile;
  options.next_engines = config.next_engines;
  options.worker_deadline_ms = config.worker_deadline_ms;
  options.memory_budget = config.memory_limit;
  options.tuning = tuning_of(config.tuning_log, config.cache_dir);
  options.pool = make_pool(threads, config.affinity, config.external, config.external_user);
  return options;
}

std::shared_ptr<const Model> processed(std::shared_ptr<const Model> model, const std::string& declaration) {
  return declaration.empty() ? model : with_processing(*model, declaration);
}

/// A model from a file: the file stays what the program depends on, its weights need not stay in memory.
std::shared_ptr<Compiled> compile_file(const Config::Impl& config, std::shared_ptr<Engine> engine,
                                       CompileOptions options) {
  load_plugins_of_environment();
  const std::string path = config.model, params = config.params;
  auto reader = [path, params] { return load_model(path, params); };
  std::string key;
  if (!config.cache_dir.empty()) {
    key = cache_key(file_key(MappedFile(path)) + "\nparams " + (params.empty() ? "" : file_key(MappedFile(params))),
                    *engine, options, config.outputs);
  }
  const CompileCache cache(config.cache_dir, config.cache_bytes);
  CacheNotes notes;
  if (!key.empty()) {
    if (auto program = find_program(cache, key, *engine, options, &notes)) {
      return std::make_shared<Compiled>(std::move(program), std::move(reader), std::move(notes.defaults),
                                        std::move(engine), std::move(options), config.outputs);
    }
  }
  onnx::ExternalFiles external;
  auto model = load_model(path, params, {}, &external);
  Compiled whole(model, engine, options, config.outputs);
  notes.files = std::move(external);
  notes.defaults = inputs_with_defaults(*model);
  if (!key.empty() && !has_custom_operators(*model)) keep_program(cache, key, *engine, whole.program(), notes);
  return std::make_shared<Compiled>(whole.shared_program(), std::move(reader), std::move(notes.defaults),
                                    std::move(engine), std::move(options), config.outputs);
}

}  // namespace

std::shared_ptr<Compiled> compile(const Config::Impl& config) {
  if (config.model.empty() && config.buffer.empty())
    throw Error(Code::bad_input, "config: no model is set", {}, "call SetModel or SetModelBuffer");
  require_device(config.device, config.fallback);
  const std::string name = (config.worker ? "worker:" : "") + config.engine;
  auto engine = config.strict ? open_engine(name) : open_complete_engine(name);
  CompileOptions options = options_of(config);
  // Steps may bring in files of their own (labels): what such a program depends on is all that it holds.
  if (config.buffer.empty() && config.processing.empty())
    return compile_file(config, std::move(engine), std::move(options));
  return compile_model(processed(config.buffer.empty() ? load_model(config.model, config.params)
                                                       : load_model(config.buffer, config.buffer_owner),
                                 config.processing),
                       std::move(engine), std::move(options), config.outputs, {config.cache_dir, config.cache_bytes});
}

}  // namespace chorus
