// From a file or memory to a program: read, subset, compile.
#pragma once
#include <chorus/model.h>
#include <engine/engine.h>
#include <format/onnx/onnx.h>
#include <runtime/compile_cache.h>
#include <runtime/config_impl.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace chorus {

/// Weights and code with what they were made from; shared by Predictors and Instances.
class Compiled {
 public:
  Compiled(std::shared_ptr<const Model> model, std::shared_ptr<Engine> engine, CompileOptions options,
           const std::vector<std::string>& outputs, std::shared_ptr<Program> program = nullptr);
  /// A program whose model is read again only when somebody asks for it; `defaults`: inputs that have a default value.
  using Reader = std::function<std::shared_ptr<const Model>()>;
  Compiled(std::shared_ptr<Program> program, Reader reader, std::vector<std::string> defaults,
           std::shared_ptr<Engine> engine, CompileOptions options, const std::vector<std::string>& outputs);
  Program& program() const noexcept { return *program_; }
  const std::shared_ptr<Program>& shared_program() const noexcept { return program_; }
  const std::string& engine_name() const noexcept { return engine_name_; }
  ThreadPool& pool() const noexcept { return *options_.pool; }
  /// May read the file again: throws what load_model throws.
  std::shared_ptr<const Model> model() const;
  bool has_default(std::string_view input) const noexcept;
  /// The model as the native engine runs it: functions inlined, passes applied.
  Model optimized() const;
  /// The program that computes only these outputs; the last few are kept.
  std::shared_ptr<Program> subset(const std::vector<std::string>& outputs);

 private:
  std::shared_ptr<Program> compile(const std::vector<std::string>& outputs) const;
  Model part(const std::vector<std::string>& outputs) const;
  mutable std::mutex model_lock_;
  mutable std::shared_ptr<const Model> model_;  // null: not read, or released
  Reader reader_;
  std::vector<std::string> defaults_;
  std::shared_ptr<Engine> engine_;
  std::string engine_name_;
  CompileOptions options_;
  std::vector<std::string> outputs_;
  std::shared_ptr<Program> program_;
  std::mutex lock_;
  std::vector<std::pair<std::vector<std::string>, std::shared_ptr<Program>>> subsets_;
};

/// Opens an .onnx or .chorus file, whichever its bytes are (`params`: its external tensors, else beside it). Loads the plug-ins of CHORUS_PLUGIN first.
std::shared_ptr<const Model> load_model(const std::string& path, const std::string& params = {},
                                        const onnx::ReadLimits& limits = {}, onnx::ExternalFiles* external = nullptr);
std::shared_ptr<const Model> load_model(std::string_view bytes, std::shared_ptr<const void> owner,
                                        const std::string& params = {}, const onnx::ReadLimits& limits = {});
/// Where compiled programs are kept; an empty folder: nowhere.
struct CacheSettings {
  std::string folder;
  int64_t most_bytes = 0;
};
/// The program of a model that is in memory: from the cache when it is there, else compiled and kept there.
std::shared_ptr<Compiled> compile_model(std::shared_ptr<const Model> model, std::shared_ptr<Engine> engine,
                                        CompileOptions options, const std::vector<std::string>& outputs,
                                        const CacheSettings& cache);
/// Error(unavailable) with the reason when the device cannot be used and no fallback is allowed.
void require_device(const std::string& name, bool fallback);
std::shared_ptr<ThreadPool> make_pool(int threads, const std::vector<int>& affinity, ExternalThreads external,
                                      void* user);
/// CompileOptions::more for engine "auto".
std::string auto_settings_of(const std::vector<std::string>& engines, double bound, const std::string& cache_dir);
std::shared_ptr<Compiled> compile(const Config::Impl& config);
/// What was timed on this machine: of this file, else of the one in the cache's folder; null: there is none, or it is not good (a warning).
std::shared_ptr<const Tuning> tuning_of(const std::string& file, const std::string& cache_folder);
/// "a, b, c" for messages.
std::string quoted_list(const std::vector<std::string>& names);

}  // namespace chorus
