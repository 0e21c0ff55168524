// chorus conformance: runs every ONNX test-case folder below a directory and counts what passes.
#include "command.h"

#include <core/convert.h>
#include <core/file.h>
#include <core/log.h>
#include <core/progress.h>
#include <engine/engine.h>
#include <engine/registry/registry.h>
#include <format/onnx/onnx.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

namespace chorus::app {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string folder, engine = "native", json;
  bool no_fallback = false, strict = false, verbose = false, worker = false;
  int optimize = 1;
};

struct Tolerance {
  double relative = 1e-3, absolute = 1e-7;   // the defaults of onnx.backend.test
};

struct Report {
  std::vector<std::string> passed;
  std::vector<std::pair<std::string, std::string>> failed, skipped;
};

Value read_file(const fs::path& path, const Type& type) {
  auto file = std::make_shared<MappedFile>(path.string());
  const auto bytes = file->bytes();
  const Value value = onnx::read_value({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, type, file);
  const bool disguised =
      value.is_tensor() && value.dtype() == DType::uint16 && type.is_tensor() && type.dtype == DType::bfloat16;
  if (!disguised) return value;
  // Releases of the onnx package up to 1.17 wrote the bits of bfloat16 data as uint16: NumPy had no such type.
  Value real = Value::tensor(DType::bfloat16, value.shape());
  std::memcpy(real.mutable_data(), value.data(), static_cast<size_t>(dtype_bytes(DType::bfloat16, value.numel())));
  return real;
}

// input_0.pb, input_1.pb … as far as they go.
std::vector<fs::path> numbered(const fs::path& folder, const std::string& stem) {
  std::vector<fs::path> files;
  for (int i = 0; fs::exists(folder / fmt::format("{}_{}.pb", stem, i)); ++i)
    files.push_back(folder / fmt::format("{}_{}.pb", stem, i));
  return files;
}

std::optional<std::string> compare(const Value& got, const Value& wanted, const Tolerance& tolerance);

std::optional<std::string> compare_numbers(const Value& got, const Value& wanted, const Tolerance& tolerance) {
  const int64_t n = wanted.numel();
  // The onnx package compares bfloat16 at two units in the last place, in every release.
  const double relative = wanted.dtype() == DType::bfloat16 ? std::max(tolerance.relative, 0x1p-6) : tolerance.relative;
  double worst = 0;
  int64_t at = -1;
  auto check = [&](double a, double b, int64_t i) {
    if (std::isnan(a) && std::isnan(b)) return;
    if (a == b) return;
    const double error = std::fabs(a - b), bound = tolerance.absolute + relative * std::fabs(b);
    // An infinite answer allows nothing but itself: its relative bound would allow everything.
    if ((!(error <= bound) || std::isinf(b)) && (at < 0 || error > worst || std::isnan(error))) {
      worst = error;
      at = i;
    }
  };
  if (is_complex(wanted.dtype())) {
    for (int64_t i = 0; i < n; ++i) {
      std::complex<double> a, b;
      load_c128(got.dtype(), got.data(), i, 1, &a);
      load_c128(wanted.dtype(), wanted.data(), i, 1, &b);
      check(a.real(), b.real(), i);
      check(a.imag(), b.imag(), i);
    }
  } else if (is_integer(wanted.dtype()) || wanted.dtype() == DType::boolean) {
    for (int64_t i = 0; i < n; ++i) {
      const int64_t a = get_i64(got.dtype(), got.data(), i), b = get_i64(wanted.dtype(), wanted.data(), i);
      if (a != b) check(static_cast<double>(a), static_cast<double>(b), i);
    }
  } else {
    for (int64_t i = 0; i < n; ++i)
      check(get_f64(got.dtype(), got.data(), i), get_f64(wanted.dtype(), wanted.data(), i), i);
  }
  if (at < 0) return std::nullopt;
  return fmt::format("element {} is {} instead of {} (error {:.3g}, allowed {:.3g} + {:.3g} relative)", at,
                     get_f64(got.dtype(), got.data(), at), get_f64(wanted.dtype(), wanted.data(), at), worst,
                     tolerance.absolute, relative);
}

std::optional<std::string> compare(const Value& got, const Value& wanted, const Tolerance& tolerance) {
  if (got.kind() != wanted.kind()) {
    // An optional with a value and the value itself are written alike in the data files.
    if (got.kind() == ValueKind::optional && got.items().size() == 1) return compare(got.items()[0], wanted, tolerance);
    if (wanted.kind() == ValueKind::optional && wanted.items().size() == 1)
      return compare(got, wanted.items()[0], tolerance);
    return fmt::format("kind {} instead of {}", static_cast<int>(got.kind()), static_cast<int>(wanted.kind()));
  }
  if (!wanted.is_tensor()) {
    if (got.items().size() != wanted.items().size())
      return fmt::format("{} items instead of {}", got.items().size(), wanted.items().size());
    for (size_t i = 0; i < wanted.items().size(); ++i) {
      if (auto why = compare(got.items()[i], wanted.items()[i], tolerance)) return fmt::format("item {}: {}", i, *why);
    }
    return std::nullopt;
  }
  if (got.dtype() != wanted.dtype())
    return fmt::format("type {} instead of {}", dtype_name(got.dtype()), dtype_name(wanted.dtype()));
  if (!(got.shape() == wanted.shape()))
    return fmt::format("shape {} instead of {}", got.shape().str(), wanted.shape().str());
  if (wanted.dtype() == DType::string) {
    for (int64_t i = 0; i < wanted.numel(); ++i) {
      if (got.strings()[i] != wanted.strings()[i])
        return fmt::format("element {} is \"{}\" instead of \"{}\"", i, got.strings()[i], wanted.strings()[i]);
    }
    return std::nullopt;
  }
  return compare_numbers(got, wanted, tolerance);
}

Tolerance tolerance_of(const fs::path& folder) {
  Tolerance tolerance;
  std::ifstream file(folder / "tolerance.json");
  if (!file) return tolerance;
  const auto json = nlohmann::json::parse(file, nullptr, false);
  if (json.is_object()) {
    tolerance.relative = json.value("rtol", tolerance.relative);
    tolerance.absolute = json.value("atol", tolerance.absolute);
  }
  return tolerance;
}

// Operators of the model (bodies and functions too) without a row: the only reason to skip on the native engine.
void unknown_operators(const Graph& graph, const Model& model, std::vector<std::string>& unknown) {
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    const bool local = std::any_of(model.functions.begin(), model.functions.end(),
                                   [&](const Function& f) { return f.domain == n.domain && f.name == n.type; });
    if (n.op == nullptr && !local) unknown.push_back(n.domain.empty() ? n.type : n.domain + "." + n.type);
    for (const auto& item : n.attributes.items()) {
      if (item.value.kind() == AttrKind::graph) unknown_operators(**item.value.get<GraphPtr>(), model, unknown);
    }
  }
}

// Stored answers that are one draw of NumPy's generator: what can be said of another draw is checked instead. The rate of the
// generator itself is measured by a test over 1e6 draws.
constexpr std::string_view kDraws[] = {"test_bernoulli",
                                       "test_bernoulli_expanded",
                                       "test_bernoulli_double",
                                       "test_bernoulli_double_expanded",
                                       "test_bernoulli_seed",
                                       "test_bernoulli_seed_expanded",
                                       "test_training_dropout",
                                       "test_training_dropout_mask",
                                       "test_training_dropout_default",
                                       "test_training_dropout_default_mask"};

// Type and shape as stored, and for Bernoulli zeros and ones, certain where the probability is 0 or 1; for Dropout every element
// dropped or scaled, in agreement with the mask.
std::string compare_draw(std::span<const Value> inputs, std::span<const Value> outputs, std::span<const Value> wanted) {
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (outputs[i].dtype() != wanted[i].dtype() || !(outputs[i].shape() == wanted[i].shape()))
      return fmt::format("output {} has another type or shape", i);
  }
  const std::vector<double> x = inputs[0].to_doubles(), y = outputs[0].to_doubles();
  if (inputs.size() == 1) {
    for (size_t i = 0; i < y.size(); ++i) {
      if ((y[i] != 0 && y[i] != 1) || (x[i] <= 0 && y[i] != 0) || (x[i] >= 1 && y[i] != 1))
        return fmt::format("element {} is {} for probability {}", i, y[i], x[i]);
    }
    return {};
  }
  const double scale = 1 / (1 - (inputs[1] ? inputs[1].to_doubles()[0] : 0.5));
  for (size_t i = 0; i < y.size(); ++i) {
    const bool kept = std::fabs(y[i] - x[i] * scale) <= 1e-5 * std::fabs(x[i] * scale);
    if (!kept && y[i] != 0) return fmt::format("element {} is {}, neither 0 nor {} scaled by {}", i, y[i], x[i], scale);
    if (outputs.size() > 1 && x[i] != 0 && (outputs[1].to_int64s()[i] != 0) != kept)
      return fmt::format("the mask disagrees with element {}", i);
  }
  return {};
}

// The type in whose form the answer is stored: what the file declares (an optional that is always full may be declared as its content).
const Type& output_type(const Model& model, const Program& program, size_t i) {
  const Type& declared = model.graph->value(model.graph->outputs()[i]).type;
  return declared.kind == ValueKind::none ? program.outputs()[i].type : declared;
}

// Empty: passed. Throws Error where the engine does.
std::string run_case(const fs::path& folder, const Model& model, Engine& engine, const Options& options) {
  const Tolerance tolerance = tolerance_of(folder);
  CompileOptions compile;
  compile.optimize = options.optimize;
  if (options.no_fallback) compile.fallback = Fallback::none;
  const auto program = engine.compile(model, compile);
  const auto instance = program->instance();
  int sets = 0;
  for (; fs::exists(folder / fmt::format("test_data_set_{}", sets)); ++sets) {
    const fs::path set = folder / fmt::format("test_data_set_{}", sets);
    std::vector<Value> inputs, outputs(program->outputs().size());
    const auto files = numbered(set, "input");
    for (size_t i = 0; i < program->inputs().size(); ++i)
      inputs.push_back(i < files.size() ? read_file(files[i], program->inputs()[i].type) : Value());
    instance->run(inputs, outputs, {});
    const auto wanted_files = numbered(set, "output");
    if (wanted_files.size() > outputs.size())
      return fmt::format("{} outputs instead of {}", outputs.size(), wanted_files.size());
    if (std::find(std::begin(kDraws), std::end(kDraws), folder.filename().string()) != std::end(kDraws)) {
      std::vector<Value> wanted;
      for (size_t i = 0; i < wanted_files.size(); ++i)
        wanted.push_back(read_file(wanted_files[i], output_type(model, *program, i)));
      if (auto why = compare_draw(inputs, outputs, wanted); !why.empty()) return why;
      continue;
    }
    for (size_t i = 0; i < wanted_files.size(); ++i) {
      const Value wanted = read_file(wanted_files[i], output_type(model, *program, i));
      if (auto why = compare(outputs[i], wanted, tolerance))
        return fmt::format("output {} (\"{}\"): {}", i, program->outputs()[i].name, *why);
    }
  }
  return sets == 0 ? "the case has no data" : "";
}

void run_folder(const fs::path& folder, Engine& engine, const Options& options, Report& report) {
  const std::string name = folder.filename().string();
  try {
    const Model model = onnx::read_model((folder / "model.onnx").string());
    std::vector<std::string> unknown;
    unknown_operators(*model.graph, model, unknown);
    for (const Function& f : model.functions) unknown_operators(*f.body, model, unknown);
    if (!unknown.empty()) {
      std::sort(unknown.begin(), unknown.end());
      unknown.erase(std::unique(unknown.begin(), unknown.end()), unknown.end());
      report.skipped.emplace_back(name, fmt::format("no row for {}", fmt::join(unknown, ", ")));
      return;
    }
    const std::string why = run_case(folder, model, engine, options);
    if (why.empty())
      report.passed.push_back(name);
    else
      report.failed.emplace_back(name, why);
  } catch (const Error& error) {
    const bool refused = error.code() == Code::unsupported && engine.name() != "native";
    (refused ? report.skipped : report.failed).emplace_back(name, error.what());
  } catch (const std::exception& error) {
    report.failed.emplace_back(name, error.what());
  }
}

void write_json(const Report& report, const std::string& path) {
  auto pairs = [](const auto& list) {
    auto array = nlohmann::json::array();
    for (const auto& [name, why] : list) array.push_back({{"name", name}, {"why", why}});
    return array;
  };
  const nlohmann::json json = {
      {"passed", report.passed}, {"failed", pairs(report.failed)}, {"skipped", pairs(report.skipped)}};
  AtomicFile file(path);
  file.write(json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  file.commit();
}

int conformance(const Options& options) {
  if (!fs::is_directory(options.folder))
    throw Error(Code::not_found, "\"" + options.folder + "\" is not a folder", {},
                "give a folder with ONNX test cases");
  std::vector<fs::path> folders;
  for (const auto& entry : fs::recursive_directory_iterator(options.folder)) {
    if (entry.path().filename() == "model.onnx") folders.push_back(entry.path().parent_path());
  }
  if (folders.empty())
    throw Error(Code::not_found, "no test case lies below \"" + options.folder + "\"", {},
                "a case is a folder with model.onnx and test_data_set_0, test_data_set_1 …");
  std::sort(folders.begin(), folders.end());
  const std::string name = (options.worker ? "worker:" : "") + options.engine;
  const bool alone = options.strict || options.no_fallback;
  const std::shared_ptr<Engine> engine = alone ? open_engine(name) : open_complete_engine(name);
  set_log_sink(nullptr, nullptr);  // what each of two thousand cases leaves to another engine is no news
  Report report;
  {
    TerminalBar bar;
    Progress progress(&bar, "conformance", static_cast<int64_t>(folders.size()));
    for (const fs::path& folder : folders) {
      run_folder(folder, *engine, options, report);
      progress.advance();
    }
  }
  for (const auto& [name, why] : report.failed) std::printf("FAILED  %s: %s\n", name.c_str(), why.c_str());
  if (options.verbose) {
    for (const auto& [name, why] : report.skipped) std::printf("SKIPPED %s: %s\n", name.c_str(), why.c_str());
  }
  if (!options.json.empty()) write_json(report, options.json);
  std::printf("%zu passed, %zu failed, %zu skipped\n", report.passed.size(), report.failed.size(),
              report.skipped.size());
  return report.failed.empty() ? kDone : kOurFault;
}

}  // namespace

void add_conformance(Arguments app, Outcome& outcome) {
  Arguments sub = app.command("conformance", "runs every ONNX test case below a folder and counts what passes");
  auto options = std::make_shared<Options>();
  sub.option("DIR", options->folder, "folder with test cases (model.onnx, test_data_set_*/), at any depth").required();
  sub.option("--engine", options->engine, "engine to test").value("NAME").show_default();
  sub.flag("--worker", options->worker,
           "the engine works in a process of its own: a case that kills it fails, the others go on");
  sub.flag("--no-fallback", options->no_fallback,
           "as --strict, and a node that the engine refuses is not computed by simpler operators instead");
  sub.flag("--strict", options->strict,
           "a case that the engine does not take whole is skipped, not run natively in part");
  sub.option("--json", options->json, "write names and reasons to this file").value("FILE");
  sub.option("--optimize", options->optimize, "0: nodes as they are; 1: all passes").show_default();
  sub.flag("-v,--verbose", options->verbose, "print why cases were skipped");
  sub.footer(
      "Exit status 1 when a case fails.\nExamples:\n  chorus conformance onnx/backend/test/data\n  chorus conformance "
      "cases --engine onnxruntime --json result.json");
  sub.action([options, &outcome] { outcome.status = conformance(*options); });
}

}  // namespace chorus::app
