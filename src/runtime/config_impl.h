// The fields of a Config, for the code that builds from it.
#pragma once
#include <chorus/config.h>
#include <engine/engine.h>

namespace chorus {

/// The environment variable CHORUS_ENGINE; empty: not set.
std::string engine_of_environment();
/// That, else "native".
std::string default_engine();

struct Config::Impl {
  std::string model, params, engine = default_engine(), device = "cpu", precision = "f32", cache_dir, tuning_log,
                             processing;
  std::shared_ptr<const void> buffer_owner;
  std::string_view buffer;
  int threads = 0;
  std::vector<int> affinity;
  ExternalThreads external = nullptr;
  void* external_user = nullptr;
  bool ir_optim = true, reference_kernels = false, profile = false, fallback = false, strict = false;
  double accuracy_bound = 1e-4;
  PowerMode power_mode = PowerMode::high;
  int64_t memory_limit = int64_t{16} << 30, timeout_ms = 0, cache_bytes = int64_t{4} << 30;
  std::vector<std::string> outputs, engines;
  bool worker = false;
  int64_t worker_deadline_ms = 0;
  std::vector<std::string> next_engines = {"native"};
};

struct ConfigAccess {
  static const Config::Impl& of(const Config& config) { return *config.impl_; }
};

/// "f32" … ; Error(bad_input) naming the known ones.
Precision parse_precision(std::string_view name);
/// Workers left by a power mode.
int threads_in_mode(int threads, PowerMode mode) noexcept;

}  // namespace chorus
