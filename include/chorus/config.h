// Config: everything that a Predictor is made from. A plain value: a Predictor copies it, later changes have no effect on it.
#pragma once
#include <chorus/export.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace chorus {

/// How much of the machine a run may take: high all threads, balanced half of them (rounded up), low one.
enum class PowerMode : uint8_t { high, balanced, low };

/// Runs body(arg, task, worker) for every task in [0, n), worker in [0, threads), on the application's own threads; returns when
/// all are done. Calls with the same worker must not overlap.
using ExternalThreads = void (*)(void* user, int64_t n, void (*body)(void* arg, int64_t task, int worker), void* arg);

/// Setters check at once and throw Error(bad_input) that names the value; whether files exist is seen by Predictor.
class CHORUS_API Config {
 public:
  Config();
  explicit Config(std::string_view model);
  ~Config();
  Config(const Config&);
  Config& operator=(const Config&);

  /// An .onnx file.
  void SetModel(std::string_view path);
  /// `graph`: an .onnx file whose tensors are external; they are read from `params`, which has the name that the tensors say.
  void SetModel(std::string_view graph, std::string_view params);
  /// A model in memory, kept alive by `owner`; null: the bytes are copied. External tensors are refused.
  void SetModelBuffer(const void* data, size_t bytes, std::shared_ptr<const void> owner = nullptr);
  const std::string& model() const noexcept;
  const std::string& params() const noexcept;
  std::string_view buffer() const noexcept;  ///< empty: none

  /// Default: the environment variable CHORUS_ENGINE, else what FromJson read, else "native". What it refuses of a model runs natively
  /// (said in the log; Predictor::Print and `chorus explain` show where). "auto": at the first run those of SetEngines are measured on its
  /// inputs, and the fastest within SetAccuracyBound is kept; the answer is remembered in SetCacheDir.
  void SetEngine(std::string_view name);
  void SetEngines(
      std::vector<std::string> names);  ///< of "auto"; empty (default): native and those that this process has opened
  /// Largest difference from the plain native kernels, as a share of their largest value, that "auto" allows; > 0, default 1e-4.
  void SetAccuracyBound(double share);
  void SetStrict(bool on);  ///< a model that the engine does not take whole is an Error(unsupported); default off
  /// The engine works in a process of its own and cannot take this one with it; default off, and for engines that CHORUS_ENGINE_WORKER names.
  void SetWorker(bool on);
  void SetWorkerDeadline(
      int64_t milliseconds);  ///< a worker that does not finish a run in this time is ended; 0 (default): a minute
  /// Engines that finish a request when the worker dies, hangs or answers nonsense, in this order; default {"native"}; empty: Error(device_lost).
  void SetNextEngines(std::vector<std::string> names);
  void SetDevice(std::string_view name);  ///< "cpu" (default), "cuda:0" …; unknown kinds: Error(bad_input)
  void SetThreads(int n);  ///< compute threads, 1..1024; default: what this process may use
  void SetAffinity(std::vector<int> processors);  ///< workers are pinned to these, in turn; empty (default): none
  void SetThreadPool(ExternalThreads run, void* user, int threads);  ///< the application's own threads in place of ours
  void SetPrecision(
      std::string_view
          name);  ///< "f32" (default), "bf16" (operands of products, where the processor can); "f16", "int8": not by every engine
  void SwitchIrOptim(bool on);  ///< off: the nodes of the file, one by one; default on
  void SetReferenceKernels(bool on);  ///< plain kernels only: slow, the oracle; default off
  void SetPowerMode(PowerMode mode);  ///< default high
  /// Where compiled programs are kept, so that the next Predictor of the same model file (same file, options, processor, build) only maps
  /// them; made when needed; empty (default): nowhere. `most_bytes` (> 0): the programs unused for longest go when all would hold more.
  void SetCacheDir(std::string_view folder, int64_t most_bytes = int64_t{4} << 30);
  /// The file of `chorus tune`: kernels are chosen by what was timed on this machine. Empty (default): the one in the cache's folder, if
  /// both are there. What is wrong with it is a warning to the log, and the cost model chooses.
  void SetTuningLog(std::string_view path);
  void SetMemoryLimit(int64_t bytes);  ///< of one run's intermediate values, > 0; default 16 GiB
  void EnableProfile(bool on);  ///< times of every node; default off
  void SetOutputs(std::vector<std::string> names);  ///< only these outputs and what they need; empty (default): all
  /// Steps before and after the model as part of its runs, declared in JSON: docs/processing.md. Inputs with steps then take pictures
  /// uint8 [N, H, W, 3]. What is wrong with it is said by Predictor. Empty (default): none.
  void SetProcessing(std::string_view json);
  void SetTimeout(int64_t milliseconds);  ///< of one run; 0 (default): none
  void SetFallback(bool on);  ///< a device that is absent is replaced by the cpu; default off

  const std::string& engine() const noexcept;
  bool worker() const noexcept;
  int64_t worker_deadline_ms() const noexcept;
  const std::vector<std::string>& next_engines() const noexcept;
  const std::vector<std::string>& engines() const noexcept;
  double accuracy_bound() const noexcept;
  bool strict() const noexcept;
  const std::string& device() const noexcept;
  int threads() const noexcept;  ///< 0: not set
  const std::vector<int>& affinity() const noexcept;
  const std::string& precision() const noexcept;
  bool ir_optim() const noexcept;
  bool reference_kernels() const noexcept;
  PowerMode power_mode() const noexcept;
  const std::string& cache_dir() const noexcept;
  int64_t cache_bytes() const noexcept;
  const std::string& tuning_log() const noexcept;
  int64_t memory_limit() const noexcept;
  bool profile() const noexcept;
  const std::vector<std::string>& outputs() const noexcept;
  const std::string& processing() const noexcept;
  int64_t timeout_ms() const noexcept;
  bool fallback() const noexcept;
  /// Compute threads after defaults and power mode.
  int effective_threads() const;

  /// JSON object with every field but memory and threads of the application (a model in memory: Error(unsupported)).
  std::string ToJson() const;
  /// Keys as ToJson writes them; all may be missing. Error(bad_input) names an unknown key or a wrong value.
  static Config FromJson(std::string_view text);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
  friend struct ConfigAccess;
};

}  // namespace chorus
