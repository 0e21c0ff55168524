#include "model_options.h"

#include "command.h"

#include <core/file.h>
#include <core/random.h>
#include <format/npz/npz.h>
#include <format/onnx/onnx.h>
#include <runtime/tuning_log.h>
#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace chorus::app {

void add_model_options(Arguments command, ModelOptions& options) {
  command.option("MODEL", options.model, "the model, an .onnx or .chorus file").required();
  command
      .option("--engine", options.engine,
              "what computes: see `chorus engines` (default: $CHORUS_ENGINE, else that of --config, else native)")
      .value("NAME");
  command
      .option("--config", options.config, "settings as JSON, as Config::ToJson writes them; options come before them")
      .value("FILE");
  command.flag("--worker", options.worker,
               "the engine works in a process of its own: what kills it does not end this one");
  command
      .option("--worker-deadline", options.worker_ms,
              "milliseconds after which a worker that does not answer is ended (default: a minute)")
      .range(1, 1 << 30);
  command.option("--next", options.next, "engines that finish what a worker does not, or none (default: native)")
      .value("NAMES")
      .comma_separated();
  command.option("--threads", options.threads, "compute threads (default: all that this process may use)")
      .range(1, 1024);
  command.option("--precision", options.precision, "of the computation")
      .one_of({"f32", "bf16", "f16", "int8"})
      .show_default();
  command.option("--device", options.device, "where it runs: see `chorus devices`").value("NAME").show_default();
  command.option("--optimize", options.optimize, "0: the nodes of the file, one by one; 1: all passes and fusion")
      .range(0, 1)
      .show_default();
  command.flag("--reference", options.reference, "plain kernels only: slow, the oracle");
  command.flag("--no-cache", options.no_cache,
               "neither use nor keep a compiled form in $CHORUS_CACHE or $XDG_CACHE_HOME/chorus");
  command
      .option("--tuning-log", options.tuning_log,
              "what `chorus tune` found on this machine (default: beside the compiled forms)")
      .value("FILE");
  command.option("--memory", options.memory_mb, "most MiB for intermediate values").range(int64_t{1}, int64_t{1} << 30);
}

void add_auto_options(Arguments command, ModelOptions& options) {
  command.option("--engines", options.engines, "from which --engine auto chooses (default: native and what is open)")
      .value("NAMES")
      .comma_separated();
  command
      .option("--bound", options.bound,
              "of --engine auto: largest difference from the plain native kernels, as a share of their largest value "
              "(default: 1e-4)")
      .range(0.0, 1e30);
}

void add_strict_option(Arguments command, ModelOptions& options) {
  command.flag("--strict", options.strict, "a model that the engine does not take whole is refused (exit status 4)");
}

std::string cache_folder() {
  const auto variable = [](const char* name) {
    const char* text = std::getenv(name);
    return std::string(text != nullptr ? text : "");
  };
  if (const std::string own = variable("CHORUS_CACHE"); !own.empty()) return own;
  const std::string shared = variable("XDG_CACHE_HOME");
  return shared.empty() ? shared : shared + "/chorus";
}

namespace {

Config read_config(const std::string& path) {
  if (path.empty()) return {};
  constexpr size_t kMostText = 1 << 20;
  const MappedFile file(path);
  const auto bytes = file.bytes();
  if (bytes.size() > kMostText) throw Error(Code::bad_input, "the settings have more than a MiB", path);
  try {
    return Config::FromJson({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  } catch (const Error& error) {
    throw error.at(path);
  }
}

}  // namespace

std::string engine_of(const ModelOptions& options) { return config_of(options).engine(); }

std::string tuning_file(const ModelOptions& options) {
  if (!options.tuning_log.empty()) return options.tuning_log;
  const std::string folder = options.no_cache ? std::string() : cache_folder();
  return folder.empty() ? folder : TuningLog::path_in(folder);
}

Config config_of(const ModelOptions& options) {
  const ModelOptions usual;
  Config config = read_config(options.config);
  config.SetModel(options.model);
  if (!options.engine.empty()) config.SetEngine(options.engine);
  if (options.worker && config.engine() != "native") config.SetWorker(true);
  if (options.worker_ms > 0) config.SetWorkerDeadline(options.worker_ms);
  if (!options.next.empty())
    config.SetNextEngines(options.next == std::vector<std::string>{"none"} ? std::vector<std::string>() : options.next);
  if (!options.engines.empty()) config.SetEngines(options.engines);
  if (options.bound > 0) config.SetAccuracyBound(options.bound);
  if (options.strict) config.SetStrict(true);
  if (options.device != usual.device) config.SetDevice(options.device);
  if (options.precision != usual.precision) config.SetPrecision(options.precision);
  if (options.optimize != usual.optimize) config.SwitchIrOptim(options.optimize > 0);
  if (options.reference) config.SetReferenceKernels(true);
  if (options.threads > 0) config.SetThreads(options.threads);
  if (options.no_cache)
    config.SetCacheDir("");
  else if (config.cache_dir().empty())
    config.SetCacheDir(cache_folder());
  if (!options.tuning_log.empty()) config.SetTuningLog(options.tuning_log);
  if (options.memory_mb > 0) config.SetMemoryLimit(options.memory_mb << 20);
  return config;
}

namespace {

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && std::string_view(text).substr(text.size() - end.size()) == end;
}

InputTensor& input_of(Predictor& predictor, const std::string& name, const std::string& from) {
  InputTensor* input = predictor.GetInputTensor(name);
  if (input == nullptr) throw Error(Code::not_found, predictor.LastMessage(), from);
  return *input;
}

void give(Predictor& predictor, const std::string& name, const Value& value, const std::string& from) {
  InputTensor& input = input_of(predictor, name, from);
  try {
    const bool convert = value.is_tensor() && value.dtype() != input.dtype() && value.dtype() != DType::string &&
                         input.dtype() != DType::string && input.dtype() != DType::undefined;
    if (!convert) {
      input.set(value);
      return;
    }
    input.Reshape({value.shape().begin(), value.shape().end()});
    input.copy(value.data(), value.dtype(), value.numel());
  } catch (const Error& error) {
    throw error.at(from);
  }
}

Value read_proto(const std::string& path) {
  auto file = std::make_shared<MappedFile>(path);
  const auto bytes = file->bytes();
  return onnx::read_value({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, Type::tensor(DType::undefined),
                          file);
}

Value read_one(const std::string& name, const std::string& path) {
  if (ends_with(path, ".pb")) return read_proto(path);
  if (!ends_with(path, ".npz")) return read_npy(path);
  NamedValues all = read_npz(path);
  for (auto& [key, value] : all) {
    if (key == name) return value;
  }
  throw Error(Code::not_found, "\"" + path + "\" has no array \"" + name + "\"");
}

}  // namespace

void set_inputs(Predictor& predictor, const std::vector<std::string>& inputs) {
  for (const std::string& text : inputs) {
    const size_t equals = text.find('=');
    if (ends_with(text, ".npz") && (equals == std::string::npos || access(text.c_str(), F_OK) == 0)) {
      for (const auto& [name, value] : read_npz(text)) give(predictor, name, value, text);
    } else if (equals != std::string::npos && equals > 0) {
      const std::string name = text.substr(0, equals), path = text.substr(equals + 1);
      input_of(predictor, name, "--input " + text);
      give(predictor, name, read_one(name, path), path);
    } else {
      throw Error(Code::bad_input, "--input \"" + text + "\" is neither an .npz file nor name=file", {},
                  "for example: --input feeds.npz, or --input x=x.npy");
    }
  }
}

namespace {

std::vector<int64_t> parse_shape(const std::string& text, const std::string& option) {
  std::vector<int64_t> shape;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    int64_t extent = 0;
    const auto [next, error] = std::from_chars(at, end, extent);
    if (error != std::errc() || extent < 0 || (next < end && *next != ',')) {
      throw Error(Code::bad_input, "--shape \"" + option + "\" is not name=1,3,224,224", {},
                  "give extents with commas between");
    }
    shape.push_back(extent);
    at = next + 1;
  }
  return shape;
}

}  // namespace

void fill_inputs(Predictor& predictor, const std::vector<std::string>& shapes, uint64_t seed) {
  for (const std::string& option : shapes) {
    const size_t equals = option.find('=');
    if (equals == std::string::npos) throw Error(Code::bad_input, "--shape \"" + option + "\" is not name=1,3,224,224");
    InputTensor& input = input_of(predictor, option.substr(0, equals), "--shape " + option);
    if (input.data() == nullptr) input.Reshape(parse_shape(option.substr(equals + 1), option));
  }
  uint64_t stream = 0;
  for (const std::string& name : predictor.GetInputNames()) {
    ++stream;
    InputTensor& input = *predictor.GetInputTensor(name);
    if (input.ready()) continue;
    std::vector<int64_t> shape = input.shape();
    for (int64_t& d : shape) d = d < 0 ? 1 : d;
    input.Reshape(shape);
    if (input.dtype() == DType::string) {
      input.copy(std::vector<std::string>(static_cast<size_t>(Shape(shape).numel())));
      continue;
    }
    std::vector<float> data(static_cast<size_t>(Shape(shape).numel()), 0.0f);
    if (is_float(input.dtype())) {
      for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(philox_uniform(seed, stream, i));
    }
    input.copy(data);
  }
}

int64_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  long long size = 0, resident = 0;
  const int got = std::fscanf(file, "%lld %lld", &size, &resident);
  std::fclose(file);
  return got == 2 ? resident * sysconf(_SC_PAGESIZE) : 0;
}

}  // namespace chorus::app
