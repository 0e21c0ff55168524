// Options that every sub-command with a model has, and its data from files.
#pragma once
#include "arguments.h"

#include <chorus/predictor.h>
#include <chorus/value.h>

#include <string>
#include <vector>

namespace chorus::app {

struct ModelOptions {
  std::string model, precision = "f32", device = "cpu", tuning_log;
  std::string engine;  ///< empty: CHORUS_ENGINE of the environment, else that of `config`, else native
  std::string config;  ///< a file as Config::ToJson writes it
  std::vector<std::string> engines;  ///< from which --engine auto chooses
  double bound = 0;  ///< of auto; 0: Config's default
  int threads = 0, optimize = 1;
  bool reference = false, no_cache = false, strict = false, worker = false;
  bool no_fallback = false;  ///< of what an engine refuses: no simpler operators in its place
  int worker_ms = 0;
  std::vector<std::string> next;
  /// What open_engine takes for an engine of this name.
  std::string opened(const std::string& name) const { return worker && name != "native" ? "worker:" + name : name; }
  int64_t memory_mb = 0;
};

void add_model_options(Arguments command, ModelOptions& options);
/// For commands that run a model: --engines and --bound of --engine auto; --strict.
void add_auto_options(Arguments command, ModelOptions& options);
void add_strict_option(Arguments command, ModelOptions& options);
Config config_of(const ModelOptions& options);
/// The engine that `options` mean.
std::string engine_of(const ModelOptions& options);

/// feeds.npz (all arrays by name), name=file.npy, name=file.npz, name=file.pb (an ONNX TensorProto). Elements are converted to the
/// type that the input takes. Error names the input or the file.
void set_inputs(Predictor& predictor, const std::vector<std::string>& inputs);
/// Inputs that got no data: random floats in [0, 1) from `seed`, zeros for others; unknown extents from `shapes` ("name=1,3,224,224") or 1.
void fill_inputs(Predictor& predictor, const std::vector<std::string>& shapes, uint64_t seed);

/// Where the command keeps compiled programs: $CHORUS_CACHE, else chorus below $XDG_CACHE_HOME; empty: nowhere.
std::string cache_folder();
/// The tuning log that these options name: --tuning-log, else the one beside compiled programs; empty: none.
std::string tuning_file(const ModelOptions& options);

/// Resident memory of this process in bytes; 0: not known.
int64_t resident_bytes();

}  // namespace chorus::app
