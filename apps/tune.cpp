// chorus tune: times the forms of a model's steps on this machine and writes what it found where compiles read it.
#include "command.h"
#include "engine_runs.h"
#include "model_options.h"

#include <core/progress.h>
#include <engine/native/exec/tune.h>
#include <engine/native/native_engine.h>
#include <runtime/custom_op.h>
#include <runtime/load.h>
#include <runtime/tuning_log.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <memory>

namespace chorus::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kSeed = 7;  // of random inputs

struct Options {
  ModelOptions model;
  std::vector<std::string> inputs, shapes;
  double seconds = 30;
  bool json = false;
};

double processor_ms() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) * 1e-6;
}

/// A compiled form of the model on one thread.
struct Form {
  std::shared_ptr<Program> program;
  std::unique_ptr<Instance> instance;
  std::vector<double> ms;
  Form(const Model& model, CompileOptions options, std::shared_ptr<const Tuning> tuning) {
    options.tuning = std::move(tuning);
    program = native::compile(model, options);
    instance = program->instance();
  }
  void run(const NamedValues& inputs) {
    std::vector<Value> given;
    for (const Port& port : program->inputs()) {
      const auto found =
          std::find_if(inputs.begin(), inputs.end(), [&](const auto& i) { return i.first == port.name; });
      given.push_back(found == inputs.end() ? Value() : found->second);
    }
    std::vector<Value> outputs(program->outputs().size());
    const double begin = processor_ms();
    instance->run(given, outputs, {});
    ms.push_back(processor_ms() - begin);
  }
  double best() const { return *std::min_element(ms.begin(), ms.end()); }
};

/// Both in turns; the first round of each is not counted.
void time_forms(Form& before, Form& after, const NamedValues& inputs, double seconds) {
  before.ms.clear();
  for (Form* form : {&before, &after}) form->run(inputs), form->ms.clear();
  const double begin = processor_ms();
  for (int round = 0; round < 5 || (round < 200 && processor_ms() - begin < seconds * 1e3); ++round) {
    before.run(inputs);
    after.run(inputs);
  }
}

struct Outcomes {
  std::vector<native::TunedStep> steps;
  double before_ms = 0, after_ms = 0;
  bool found = false, written = false;  // something that the log does not hold yet; and it is there now
  std::string log;
};

Outcomes tune(const Options& options, const std::string& path) {
  load_plugins_of_environment();
  ModelOptions plain = options.model;
  plain.no_cache = true;
  const NamedValues inputs = input_values(plain, options.inputs, options.shapes, kSeed);
  const auto model = load_model(options.model.model);
  CompileOptions compile;
  compile.precision = options.model.precision == "bf16" ? Precision::bf16 : Precision::f32;
  Form before(*model, compile, nullptr);
  before.run(inputs);
  TerminalBar bar;
  native::TuneOptions tuning;
  tuning.progress = &bar;
  tuning.seconds = options.seconds;
  Outcomes out{native::tune_steps(*before.program, *before.instance, tuning), 0, 0, false, false, path};
  const auto known = TuningLog::find(path);
  auto log = std::make_shared<TuningLog>();
  if (known != nullptr) {
    for (const TuningLog::Step& s : known->steps()) log->put(s);
  }
  for (const native::TunedStep& s : out.steps) {
    if (s.choice != s.model_choice)
      log->put({s.signature, s.choice, s.before_us, s.after_us});
    else
      log->drop(s.signature);
  }
  Form after(*model, compile, log);
  time_forms(before, after, inputs, std::min(options.seconds / 4, 5.0));
  bar.clear();
  out.before_ms = before.best();
  out.after_ms = after.best();
  // Steps are timed alone: when the whole has not become faster, the choices stay out.
  out.found = log->identity() != (known != nullptr ? known->identity() : std::string_view());
  out.written = out.found && out.after_ms <= out.before_ms;
  if (out.written) log->write(path);
  return out;
}

void print_json(const Options& options, const Outcomes& out) {
  Json steps = Json::array();
  for (const native::TunedStep& s : out.steps) {
    steps.push_back({{"node", s.name},
                     {"shapes", s.shapes},
                     {"step", s.signature},
                     {"steps", s.steps},
                     {"timed", s.timed},
                     {"model_choice", s.model_choice},
                     {"choice", s.choice},
                     {"before_us", s.before_us},
                     {"after_us", s.after_us}});
  }
  const Json json = {{"model", options.model.model}, {"log", out.log},           {"written", out.written},
                     {"before_ms", out.before_ms},   {"after_ms", out.after_ms}, {"steps", steps}};
  std::printf("%s\n", json.dump(1, ' ', false, Json::error_handler_t::replace).c_str());
}

void print(const Outcomes& out) {
  std::vector<const native::TunedStep*> changed;
  int timed = 0;
  for (const native::TunedStep& s : out.steps) {
    timed += s.timed;
    if (s.choice != s.model_choice) changed.push_back(&s);
  }
  const auto gain = [](const native::TunedStep* s) { return (s->before_us - s->after_us) * s->steps; };
  std::sort(changed.begin(), changed.end(), [&](auto* a, auto* b) { return gain(a) > gain(b); });
  for (const native::TunedStep* s : changed) {
    std::printf("%9.1f us -> %9.1f us  x %-3d %-12s -> %-32s %s\n", s->before_us, s->after_us, s->steps,
                s->model_choice.c_str(), s->choice.c_str(), s->name.c_str());
  }
  std::printf("%zu kinds of steps, %d choices timed, %zu better than the cost model's\n", out.steps.size(), timed,
              changed.size());
  std::printf("before_ms=%.3f after_ms=%.3f ratio=%.3f\n", out.before_ms, out.after_ms, out.after_ms / out.before_ms);
  if (out.written)
    std::printf("written: %s\n", out.log.c_str());
  else if (!out.found)
    std::printf("nothing to write: the log holds all of this\n");
  else
    std::printf("not written: the whole model did not become faster; what was known before stays\n");
}

int run(const Options& options) {
  const std::string path = tuning_file(options.model);
  if (path.empty())
    throw Error(Code::bad_input, "there is no place for the tuning log", {},
                "set $CHORUS_CACHE or $XDG_CACHE_HOME, or name a file: --tuning-log FILE");
  if (!options.model.engine.empty() && options.model.engine != "native")
    throw Error(Code::unsupported, "engine " + options.model.engine + " chooses its kernels itself", {},
                "tune the native engine");
  const Outcomes out = tune(options, path);
  options.json ? print_json(options, out) : print(out);
  return kDone;
}

}  // namespace

void add_tune(Arguments app, Outcome& outcome) {
  Arguments sub = app.command("tune", "times the kernels of a model's steps on this machine, for all later compiles");
  auto options = std::make_shared<Options>();
  add_model_options(sub, options->model);
  for (const char* name : {"--engine", "--threads", "--device", "--optimize", "--reference", "--memory"})
    sub.remove(name);
  sub.option("--input", options->inputs, "feeds.npz, or name=file.npy|.npz|.pb; may be repeated (default: random)")
      .value("DATA")
      .one_at_a_time();
  sub.option("--shape", options->shapes, "name=1,3,224,224: extents of a random input; may be repeated")
      .value("NAME=SIZES")
      .one_at_a_time();
  sub.option("--seconds", options->seconds, "about how long, of processor time").range(0.01, 3600.0).show_default();
  sub.flag("--json", options->json, "print as JSON");
  sub.footer(
      "Every form of every kind of step is timed alone on one thread, in turns; then the whole model before and after. "
      "The log holds for this processor and this version; compiled forms are made anew. `chorus explain` and "
      "`chorus ir --level plan` say where it chose.\n"
      "Examples:\n  chorus tune model.onnx\n  chorus tune model.onnx --shape x=8,3,224,224 --seconds 120 --tuning-log "
      "here.json\n  chorus run model.onnx --random --tuning-log here.json");
  sub.action([options, &outcome] { outcome.status = run(*options); });
}

}  // namespace chorus::app
