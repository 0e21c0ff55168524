// ONNX Runtime behind the plug-in interface: whole models as ONNX bytes, one session per program.
#include <chorus/engine_abi.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "values.h"
#include "watch.h"
#include "wrong_answers.h"

struct ch_engine {
  chorus_ort::Context context;
  const ch_host* host = nullptr;
  std::unique_ptr<chorus_ort::Watch> watch;
  ~ch_engine() {
    watch.reset();
    if (context.memory != nullptr) context.ort.ReleaseMemoryInfo(context.memory);
    if (context.env != nullptr) context.ort.ReleaseEnv(context.env);
  }
};

struct ch_program {
  ch_engine* engine = nullptr;
  OrtSession* session = nullptr;
  std::vector<std::string> inputs, outputs;
  ~ch_program() {
    if (session != nullptr) engine->context.ort.ReleaseSession(session);
  }
};

// Sessions are safe to share; what a run leaves behind is not.
struct ch_instance {
  ch_program* program = nullptr;
  OrtRunOptions* options = nullptr;
  chorus_ort::Results results;
  explicit ch_instance(ch_program* p) : program(p), results(p->engine->context) {}
  ~ch_instance() {
    results.clear();
    if (options != nullptr) program->engine->context.ort.ReleaseRunOptions(options);
  }
};

namespace {

using namespace chorus_ort;

// Of release 1.31; it refuses models that say more.
constexpr int kMaxOpset = 26, kMaxMlOpset = 5, kMaxIr = 13;
constexpr int kQuiet = 4;   // log only what is fatal: errors come as statuses
constexpr std::string_view kInstall = "./dev engines onnxruntime";

ch_code open(const ch_host* host, const ch_open* options, ch_engine** out, ch_error* error) {
  return guarded(error, [&] {
    require_host(host);
    auto engine = std::make_unique<ch_engine>();
    engine->host = host;
    Context& c = engine->context;
    std::string reason;
    if (!load_ort(std::string(view(options->folder)), c.ort, c.version, reason)) {
      throw Failure(CH_UNAVAILABLE, reason, std::string(kInstall) + ", or name the library in CHORUS_ORT_LIBRARY");
    }
    check(c.ort, c.ort.CreateEnv(kQuiet, "chorus", &c.env), "opening ONNX Runtime");
    check(c.ort, c.ort.CreateCpuMemoryInfo(0, 0, &c.memory), "opening ONNX Runtime");
    check(c.ort, c.ort.GetAllocatorWithDefaultOptions(&c.allocator), "opening ONNX Runtime");
    engine->watch = std::make_unique<Watch>(host, c.ort);
    *out = engine.release();
  });
}

void describe(ch_engine* engine, ch_sink sink, void* user) {
  sink(user, engine->context.version.data(), engine->context.version.size());
}

// Versions that ONNX Runtime does not know: often an older one says the same, which only the host's conversion can tell. Asked once for a
// graph, and only where there is such a node. Empty: the conversion works.
class Conversion {
 public:
  Conversion(const ch_host* host, const ch_graph& graph) : host_(host), graph_(graph) {}
  const std::string& refusal() {
    if (asked_) return reason_;
    asked_ = true;
    try {
      onnx_bytes(*host_, graph_, kMaxOpset, kMaxIr);
    } catch (const Failure& failure) {
      reason_ = failure.what();
    }
    return reason_;
  }

 private:
  const ch_host* host_;
  const ch_graph& graph_;
  bool asked_ = false;
  std::string reason_;
};

// A sentence why not, or nothing.
std::string refusal(const ch_graph& graph, const ch_node& node, Conversion& conversion) {
  const std::string op(view(node.op)), domain(view(node.domain));
  const int most = domain.empty() ? kMaxOpset : domain == "ai.onnx.ml" ? kMaxMlOpset : INT32_MAX;
  if (node.since > most && (!domain.empty() || !conversion.refusal().empty())) {
    return op + ": version " + std::to_string(node.since) + " is newer than " + std::to_string(most) +
           ", the last that ONNX Runtime 1.31 knows; " +
           (domain.empty() ? conversion.refusal() : "there is no conversion");
  }
  const bool own = node.since > 0 && !domain.empty() && domain != "ai.onnx.ml" && domain != "com.microsoft";
  if (own) return op + ": ONNX Runtime does not know the operators of domain \"" + domain + "\"";
  for (const auto& [list, n] : {std::pair(node.inputs, node.n_inputs), std::pair(node.outputs, node.n_outputs)}) {
    for (uint32_t i = 0; i < n; ++i) {
      if (list[i] == CH_NO_INDEX) continue;
      const ch_type* type = graph.values[list[i]]->type;
      if (type->dtype > kLastType)
        return op + ": ONNX Runtime has no element type of ONNX's number " + std::to_string(type->dtype);
    }
  }
  for (uint32_t i = 0; i < graph.n_outputs; ++i) {
    for (uint32_t o = 0; o < node.n_outputs; ++o) {
      if (node.outputs[o] == graph.outputs[i] && graph.values[graph.outputs[i]]->type->kind == CH_OPTIONAL) {
        return op + ": whether an optional output is empty cannot be asked of ONNX Runtime";
      }
    }
  }
  return wrong_refusal(graph, node);
}

ch_code claim(ch_engine* engine, const ch_graph* graph, const ch_options*, ch_claim* const* claims, uint32_t n,
              ch_error* error) {
  return guarded(error, [&] {
    Conversion conversion(engine->host, *graph);
    for (uint32_t i = 0; i < n && i < graph->n_nodes; ++i) {
      answer(*claims[i], refusal(*graph, *graph->nodes[i], conversion));
    }
  });
}

struct SessionOptions {
  const Ort& ort;
  OrtSessionOptions* get = nullptr;
  SessionOptions(const Ort& o, const ch_options& options) : ort(o) {
    check(ort, ort.CreateSessionOptions(&get), "preparing a session");
    check(ort, ort.SetSessionLogSeverityLevel(get, kQuiet), "preparing a session");
    check(ort, ort.SetIntraOpNumThreads(get, static_cast<int>(options.threads)), "preparing a session");
    check(ort, ort.SetInterOpNumThreads(get, 1), "preparing a session");
    if ((options.flags & CH_STRICT) != 0)
      check(ort, ort.SetSessionGraphOptimizationLevel(get, 0), "preparing a session");
  }
  ~SessionOptions() {
    if (get != nullptr) ort.ReleaseSessionOptions(get);
  }
  SessionOptions(const SessionOptions&) = delete;
  SessionOptions& operator=(const SessionOptions&) = delete;
};

// Names are the session's where they can be asked for; an input with a default is not among them.
void take_names(const ch_graph& graph, ch_program& program) {
  const Context& c = program.engine->context;
  for (uint32_t i = 0; i < graph.n_inputs; ++i) {
    const ch_value_info& info = *graph.values[graph.inputs[i]];
    program.inputs.emplace_back(view(info.name));
  }
  size_t count = 0;
  check(c.ort, c.ort.SessionGetOutputCount(program.session, &count), "reading the session");
  if (count != graph.n_outputs) {
    throw Failure(CH_INTERNAL,
                  "ONNX Runtime sees " + std::to_string(count) + " outputs of " + std::to_string(graph.n_outputs));
  }
  for (size_t i = 0; i < count; ++i) {
    char* name = nullptr;
    check(c.ort, c.ort.SessionGetOutputName(program.session, i, c.allocator, &name), "reading the session");
    program.outputs.emplace_back(name);
    if (OrtStatus* status = c.ort.AllocatorFree(c.allocator, name)) c.ort.ReleaseStatus(status);
  }
}

ch_code compile(ch_engine* engine, const ch_graph* graph, const ch_options* options, ch_program** out,
                ch_error* error) {
  return guarded(error, [&] {
    const std::string bytes = onnx_bytes(*engine->host, *graph, kMaxOpset, kMaxIr);
    const Ort& ort = engine->context.ort;
    const SessionOptions session(ort, *options);
    auto program = std::make_unique<ch_program>();
    program->engine = engine;
    check(ort,
          ort.CreateSessionFromArray(engine->context.env, bytes.data(), bytes.size(), session.get, &program->session),
          "loading the model");
    take_names(*graph, *program);
    *out = program.release();
  });
}

ch_code instance(ch_program* program, ch_instance** out, ch_error* error) {
  return guarded(error, [&] {
    auto made = std::make_unique<ch_instance>(program);
    const Ort& ort = program->engine->context.ort;
    check(ort, ort.CreateRunOptions(&made->options), "preparing a run");
    check(ort, ort.RunOptionsSetRunLogSeverityLevel(made->options, kQuiet), "preparing a run");
    *out = made.release();
  });
}

// Runs the session; outputs that are null get a value of ONNX Runtime's.
void run_session(ch_instance& self, const ch_run& run, const std::vector<ValuePointer>& inputs,
                 const std::vector<const char*>& names, std::vector<OrtValue*>& values) {
  const ch_program& program = *self.program;
  const Ort& ort = program.engine->context.ort;
  std::vector<const char*> input_names;
  std::vector<const OrtValue*> given;
  for (size_t i = 0; i < inputs.size(); ++i) {
    input_names.push_back(program.inputs[i].c_str());
    given.push_back(inputs[i].get());
  }
  const bool watched = (run.flags & CH_MAY_STOP) != 0;
  if (watched) program.engine->watch->add(run.task, self.options);
  OrtStatus* status = ort.Run(program.session, self.options, input_names.data(), given.data(), given.size(),
                              names.data(), names.size(), values.data());
  if (watched) {
    program.engine->watch->remove(run.task);
    if (OrtStatus* unset = ort.RunOptionsUnsetTerminate(self.options)) ort.ReleaseStatus(unset);
  }
  if (status != nullptr && watched) {
    if (const ch_code stopped = program.engine->host->stop(run.task); stopped != CH_OK) {
      ort.ReleaseStatus(status);
      throw Failure(stopped, "the run was ended");
    }
  }
  check(ort, status, "running the model");
}

ch_code run(ch_instance* self, const ch_run* run, ch_error* error) {
  return guarded(error, [&] {
    const ch_program& program = *self->program;
    const Context& c = program.engine->context;
    self->results.clear();
    std::vector<ValuePointer> inputs, given;  // `given`: over the host's buffers
    for (uint32_t i = 0; i < run->n_inputs; ++i) inputs.push_back(to_ort(c, *run->inputs[i]));
    std::vector<const char*> names;
    std::vector<OrtValue*> values;
    std::vector<uint32_t> index;
    for (uint32_t i = 0; i < run->n_outputs; ++i) {
      const ch_output& out = *run->outputs[i];
      if (out.mode == CH_OUT_SKIP) continue;
      names.push_back(program.outputs[i].c_str());
      index.push_back(i);
      values.push_back(nullptr);
      if (out.mode != CH_OUT_GIVEN) continue;
      given.push_back(to_ort(c, out.value));
      values.back() = given.back().get();
    }
    if (names.empty()) return;
    const std::vector<OrtValue*> before = values;
    // What ONNX Runtime makes is released even when a later output fails.
    std::vector<ValuePointer> made;
    auto take = [&] {
      for (size_t i = 0; i < values.size(); ++i)
        made.emplace_back(values[i] == before[i] ? nullptr : values[i], ReleaseValue{&c.ort});
    };
    try {
      run_session(*self, *run, inputs, names, values);
    } catch (...) {
      take();
      throw;
    }
    take();
    for (size_t i = 0; i < values.size(); ++i) {
      if (before[i] != nullptr) continue;  // in the host's buffer already
      if (made[i] == nullptr)
        throw Failure(CH_INTERNAL, "ONNX Runtime made no output \"" + program.outputs[index[i]] + "\"");
      ch_output& out = *run->outputs[index[i]];
      out.mode = CH_OUT_BORROW;
      self->results.show(std::move(made[i]), out.value);
    }
  });
}

}  // namespace

extern "C" const ch_engine_api* chorus_engine_v1(void) {
  static const ch_engine_api api = [] {
    auto a = table_of<ch_engine, ch_program, ch_instance>("onnxruntime", "1.31", "1.31.1");
    a.open = open, a.claim = claim, a.compile = compile, a.instance = instance, a.run = run, a.describe = describe;
    return a;
  }();
  return &api;
}
