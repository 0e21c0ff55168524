// chorus run: runs a model once on data from files.
#include "command.h"
#include "difference.h"
#include "model_options.h"

#include <core/clock.h>
#include <core/file.h>
#include <core/progress.h>
#include <format/npz/npz.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <set>

namespace chorus::app {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  ModelOptions model;
  std::vector<std::string> inputs, shapes, taps, outputs;
  std::string output, trace;
  bool explain = false, profile = false, roofline = false, json = false, random = false;
  int64_t timeout_ms = 0;
  uint64_t seed = 0;
  int repeat = 1;
};

Value copied(const Value& value) {
  if (!value.is_tensor() || value.dtype() == DType::string) return value;  // those own their data
  return Value::copy_of(value.dtype(), value.shape(), value.data(),
                        static_cast<size_t>(dtype_bytes(value.dtype(), value.numel())));
}

/// Collects the values that were asked for, by name; the last one of a name counts.
class Taps {
 public:
  explicit Taps(const std::vector<std::string>& names)
      : names_(names.begin(), names.end()), all_(names_.contains("all")) {}
  void operator()(const std::string& name, const Value& value) {
    if (!all_ && !names_.contains(name)) return;
    if (!value.is_tensor()) return;  // an .npz holds tensors only
    seen_.insert(name);
    values_.emplace_back(name, copied(value));
  }
  const NamedValues& values() const { return values_; }
  /// Names asked for that no step made.
  std::vector<std::string> missing() const {
    std::vector<std::string> list;
    for (const std::string& name : names_) {
      if (name != "all" && !seen_.contains(name)) list.push_back(name);
    }
    return list;
  }
  void clear() { values_.clear(); }

 private:
  std::set<std::string> names_, seen_;
  bool all_;
  NamedValues values_;
};

NamedValues collect(Predictor& predictor, const Taps& taps) {
  NamedValues entries;
  std::set<std::string> have;
  for (const std::string& name : predictor.GetOutputNames()) {
    if (have.insert(name).second) entries.emplace_back(name, predictor.GetOutputTensor(name)->value());
  }
  for (const auto& [name, value] : taps.values()) {
    if (have.insert(name).second) entries.emplace_back(name, value);
  }
  return entries;
}

constexpr int64_t kMostPrinted = 1000;  // numbers of an output in JSON; --output writes all

/// Elements in row-major order; null for NaN and infinities, which JSON does not have.
Json elements(const Value& value) {
  Json list = Json::array();
  if (value.dtype() == DType::string) {
    for (int64_t i = 0; i < value.numel(); ++i) list.push_back(std::string(value.strings()[i]));
  } else if (value.dtype() == DType::int64) {
    for (const int64_t v : value.as<int64_t>()) list.push_back(v);
  } else if (value.dtype() == DType::boolean) {
    for (const double v : value.to_doubles()) list.push_back(v != 0);
  } else if (is_integer(value.dtype())) {
    for (const double v : value.to_doubles()) list.push_back(static_cast<int64_t>(v));
  } else {
    for (const double v : value.to_doubles()) list.push_back(v);
  }
  return list;
}

Json described(const std::string& name, const Value& value) {
  if (!value.is_tensor()) return {{"name", name}, {"text", value.str(12)}};
  Json json = {{"name", name},
               {"dtype", dtype_name(value.dtype())},
               {"shape", std::vector<int64_t>(value.shape().begin(), value.shape().end())}};
  const bool plain = is_integer(value.dtype()) || is_float(value.dtype()) || value.dtype() == DType::boolean ||
                     value.dtype() == DType::string;
  if (plain && value.dtype() != DType::uint64 && value.numel() <= kMostPrinted) json["values"] = elements(value);
  return json;
}

void print_outputs(Predictor& predictor, const Options& options, double ms) {
  if (!options.json) {
    for (const std::string& name : predictor.GetOutputNames()) {
      std::printf("%s: %s\n", name.c_str(), predictor.GetOutputTensor(name)->value().str(12).c_str());
    }
    return;
  }
  Json outputs = Json::array();
  for (const std::string& name : predictor.GetOutputNames()) {
    outputs.push_back(described(name, predictor.GetOutputTensor(name)->value()));
  }
  const Json json = {{"outputs", outputs}, {"ms", ms}, {"engine", predictor.EngineName()}};
  std::printf("%s\n", json.dump(1, ' ', false, Json::error_handler_t::replace).c_str());
}

// Says how an input gets its data where one has none.
void run_once(Predictor& predictor) {
  try {
    predictor.Run();
  } catch (const Error& error) {
    for (const std::string& name : predictor.GetInputNames()) {
      if (predictor.GetInputTensor(name)->ready()) continue;
      throw Error(error.code(), error.message(), error.where(),
                  error.fix() + "; --input " + name + "=FILE.npy gives data, --random random numbers");
    }
    throw;
  }
}

/// How far the outputs are from those of float32, as a share of the largest value of each; to the error stream.
void report_accuracy(const Options& options, Predictor& predictor) {
  Options exact = options;
  exact.model.precision = "f32";
  Config config = config_of(exact.model);
  config.SetOutputs(options.outputs);
  Predictor truth(config);
  set_inputs(truth, options.inputs);
  if (options.random || !options.shapes.empty()) fill_inputs(truth, options.shapes, options.seed);
  truth.SetSeed(options.seed);
  truth.Run();
  for (const std::string& name : predictor.GetOutputNames()) {
    const Value &a = predictor.GetOutputTensor(name)->value(), &b = truth.GetOutputTensor(name)->value();
    const Difference d = difference(a, b);
    double largest = 0;
    if (d.reason.empty() && b.dtype() == DType::float32) {
      for (const float x : b.as<float>()) largest = std::max(largest, std::fabs(static_cast<double>(x)));
    }
    if (largest > 0)
      std::fprintf(stderr, "chorus: precision %s: \"%s\" differs from f32 by at most %.2g of its largest value\n",
                   options.model.precision.c_str(), name.c_str(), d.absolute / largest);
  }
}

std::string explained(const Predictor& predictor, const ModelOptions& options) {
  if (predictor.EngineName() == "auto") return predictor.Print("auto");
  return fmt::format("engine {}: `chorus explain {} --engine {}` says what runs where\n", predictor.EngineName(),
                     options.model, predictor.EngineName());
}

int run(const Options& options) {
  TerminalBar bar;
  Config config = config_of(options.model);
  config.EnableProfile(options.profile || options.roofline || !options.trace.empty());
  config.SetTimeout(options.timeout_ms);
  config.SetOutputs(options.outputs);
  Predictor predictor(config);
  set_inputs(predictor, options.inputs);
  if (options.random || !options.shapes.empty()) fill_inputs(predictor, options.shapes, options.seed);
  predictor.SetSeed(options.seed);
  Taps taps(options.taps);
  if (!options.taps.empty()) predictor.SetTap([&](const std::string& name, const Value& value) { taps(name, value); });
  const int64_t begin = now_ns();
  {
    Progress progress(&bar, "run", options.repeat);
    for (int i = 0; i < options.repeat; ++i) {
      taps.clear();
      run_once(predictor);
      progress.advance();
    }
  }
  const double ms = elapsed_ms(begin, now_ns()) / options.repeat;
  bar.clear();
  for (const std::string& name : taps.missing()) {
    std::fprintf(stderr, "chorus: no step makes the value \"%s\" (it was folded or fused; --optimize 0 keeps all)\n",
                 name.c_str());
  }
  if (options.model.precision != "f32") report_accuracy(options, predictor);
  if (options.explain) std::fprintf(options.json ? stderr : stdout, "%s", explained(predictor, options.model).c_str());
  if (!options.output.empty()) {
    write_npz(options.output, collect(predictor, taps));
    if (!options.json) std::printf("%s\n", options.output.c_str());
  }
  if (options.output.empty() || options.json) print_outputs(predictor, options, ms);
  if (options.profile || options.roofline || !options.trace.empty()) {
    const Profile profile = predictor.GetProfile(options.roofline);
    if (options.profile || options.roofline)
      std::printf("%s", options.json ? (profile.json() + "\n").c_str() : profile.table().c_str());
    if (!options.trace.empty()) {
      AtomicFile file(options.trace);
      file.write(profile.chrome_trace);
      file.commit();
    }
  }
  return kDone;
}

}  // namespace

void add_run(Arguments app, Outcome& outcome) {
  Arguments sub = app.command("run", "runs a model once on data from files");
  auto options = std::make_shared<Options>();
  add_model_options(sub, options->model);
  add_strict_option(sub, options->model);
  sub.option("--input", options->inputs, "feeds.npz, or name=file.npy|.npz|.pb; may be repeated")
      .value("DATA")
      .one_at_a_time();
  sub.option("--output", options->output, "write all outputs to this .npz file").value("FILE");
  sub.option("--outputs", options->outputs, "compute only these outputs (names, commas between)")
      .value("NAMES")
      .comma_separated()
      .one_at_a_time();
  sub.option("--tap", options->taps, "write these intermediate values too: all, or names with commas between")
      .value("NAMES")
      .comma_separated()
      .one_at_a_time();
  sub.flag("--random", options->random, "inputs that get no data: random numbers (integers: 0)");
  sub.option("--shape", options->shapes, "name=1,3,224,224: extents of a random input; may be repeated")
      .value("NAME=SIZES")
      .one_at_a_time();
  sub.option("--seed", options->seed, "of random inputs and random operators").show_default();
  sub.option("--repeat", options->repeat, "runs").range(1, 1'000'000).show_default();
  sub.option("--timeout", options->timeout_ms, "most milliseconds of one run").range(int64_t{0}, int64_t{1} << 40);
  add_auto_options(sub, options->model);
  sub.flag("--explain", options->explain, "with --engine auto: what was measured, and what was chosen");
  sub.flag("--profile", options->profile, "print the time of every executed node");
  sub.flag("--roofline", options->roofline, "as --profile, with each node's share of what this machine can do");
  sub.option("--trace", options->trace, "write the steps as a trace for chrome://tracing").value("FILE");
  sub.flag("--json", options->json, "print as JSON; outputs of at most 1000 elements with their values");
  sub.footer(
      "Examples:\n  chorus run model.onnx --input feeds.npz --output out.npz\n  chorus run model.onnx --input x=x.npy "
      "--threads 2 --profile\n"
      "  chorus run model.onnx --random --shape x=1,3,224,224 --tap all --output out.npz");
  sub.action([options, &outcome] { outcome.status = run(*options); });
}

}  // namespace chorus::app
