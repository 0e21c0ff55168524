// OpenVINO behind the plug-in interface: whole models as ONNX bytes, one compiled model per program.
#include <chorus/engine_abi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "claims.h"
#include "infinities.h"
#include "values.h"

struct ch_engine {
  chorus_openvino::Functions ov{};
  std::string version;
  const ch_host* host = nullptr;
  OvCore* core = nullptr;
  ~ch_engine() {
    if (core != nullptr) ov.core_free(core);
  }
};

namespace chorus_openvino {
struct Input {
  std::string name;
  OvPort* port = nullptr;               // null: OpenVINO does not take it
  const ch_value* constant = nullptr;   // its default, which OpenVINO has as a constant
};

// A buffer of the host's may hold an output whose shape and type are known before the run; OpenVINO does not check the others.
struct Output {
  bool fixed = false;
  int dtype = 0;
  std::vector<int64_t> dims;
};
}  // namespace chorus_openvino

struct ch_program {
  ch_engine* engine = nullptr;
  OvCompiled* compiled = nullptr;
  std::vector<chorus_openvino::Input> inputs;
  std::vector<chorus_openvino::Output> outputs;
  ~ch_program() {
    for (const auto& input : inputs) {
      if (input.port != nullptr) engine->ov.output_const_port_free(input.port);
    }
    if (compiled != nullptr) engine->ov.compiled_model_free(compiled);
  }
};

struct ch_instance {
  ch_program* program = nullptr;
  OvRequest* request = nullptr;
  std::vector<char> lent;  // outputs that lie in a buffer of the host's, as the last run asked
  chorus_openvino::Results results;
  explicit ch_instance(ch_program* p) : program(p), lent(p->outputs.size(), 0), results(p->engine->ov) {}
  ~ch_instance() {
    results.clear();
    if (request != nullptr) program->engine->ov.infer_request_free(request);
  }
};

namespace {

using namespace chorus_openvino;

using PortPointer = std::unique_ptr<OvPort, void (*)(OvPort*)>;

constexpr const char* kInstall = "./dev engines openvino";
constexpr int64_t kPeriod = 2;  // milliseconds between two questions whether the host still wants the run

ch_code open(const ch_host* host, const ch_open* options, ch_engine** out, ch_error* error) {
  return guarded(error, [&] {
    require_host(host);
    auto engine = std::make_unique<ch_engine>();
    engine->host = host;
    std::string reason;
    if (!load_openvino(std::string(view(options->folder)), engine->ov, engine->version, reason)) {
      throw Failure(CH_UNAVAILABLE, reason, std::string(kInstall) + ", or name the library in CHORUS_OPENVINO_LIBRARY");
    }
    check(engine->ov, engine->ov.core_create(&engine->core), "opening OpenVINO");
    *out = engine.release();
  });
}

void describe(ch_engine* engine, ch_sink sink, void* user) {
  sink(user, engine->version.data(), engine->version.size());
}

ch_code claim(ch_engine* engine, const ch_graph* graph, const ch_options*, ch_claim* const* claims, uint32_t n,
              ch_error* error) {
  return guarded(error, [&] {
    const std::vector<std::string> reasons = refusals(engine->ov, engine->core, *engine->host, *graph);
    for (uint32_t i = 0; i < n && i < reasons.size(); ++i) answer(*claims[i], reasons[i]);
  });
}

std::string name_of(const Functions& ov, const OvPort* port) {
  char* text = nullptr;
  if (ov.port_get_any_name(port, &text) != Status::ok || text == nullptr) return {};  // it may have none
  std::string name = text;
  ov.free(text);
  return name;
}

// OpenVINO leaves out inputs that its operators do not read, and calls one that is passed through by its output's name: what is left after
// the names goes by the order.
void take_inputs(const ch_graph& graph, ch_program& program) {
  const Functions& ov = program.engine->ov;
  for (uint32_t i = 0; i < graph.n_inputs; ++i) {
    const ch_value_info& info = *graph.values[graph.inputs[i]];
    Input& input = program.inputs.emplace_back();
    input.name = view(info.name);
    if (info.constant != CH_NO_INDEX) input.constant = graph.constants[info.constant];
  }
  size_t count = 0;
  check(ov, ov.compiled_model_inputs_size(program.compiled, &count), "reading the model");
  std::vector<PortPointer> unnamed;
  for (size_t i = 0; i < count; ++i) {
    OvPort* made = nullptr;
    check(ov, ov.compiled_model_input_by_index(program.compiled, i, &made), "reading the model");
    PortPointer port(made, ov.output_const_port_free);
    const std::string name = name_of(ov, made);
    const auto same = [&](const Input& input) { return input.name == name && input.port == nullptr; };
    const auto found = std::find_if(program.inputs.begin(), program.inputs.end(), same);
    if (found != program.inputs.end())
      found->port = port.release();
    else
      unnamed.push_back(std::move(port));
  }
  std::vector<Input*> rest;
  for (Input& input : program.inputs) {
    if (input.port == nullptr && input.constant == nullptr && is_used(graph, input.name)) rest.push_back(&input);
  }
  if (rest.size() != unnamed.size()) {
    throw Failure(CH_UNSUPPORTED,
                  "OpenVINO passes over an input that the model uses, one of " + std::to_string(rest.size()) +
                      (rest.empty() ? "" : " such as \"" + rest[0]->name + "\""),
                  "use another engine, such as native");
  }
  for (size_t i = 0; i < rest.size(); ++i) rest[i]->port = unnamed[i].release();
}

void take_outputs_of(const ch_graph& graph, ch_program& program) {
  const Functions& ov = program.engine->ov;
  size_t count = 0;
  check(ov, ov.compiled_model_outputs_size(program.compiled, &count), "reading the model");
  if (count != graph.n_outputs) {
    throw Failure(CH_UNSUPPORTED,
                  "OpenVINO sees " + std::to_string(count) + " outputs of " + std::to_string(graph.n_outputs),
                  "use another engine, such as native");
  }
  for (size_t i = 0; i < count; ++i) {
    Output& output = program.outputs.emplace_back();
    OvPort* made = nullptr;
    check(ov, ov.compiled_model_output_by_index(program.compiled, i, &made), "reading the model");
    const PortPointer port(made, ov.output_const_port_free);
    int type = 0;
    check(ov, ov.port_get_element_type(made, &type), "reading the model");
    output.dtype = to_onnx_type(type);
    OvShape shape{};
    if (ov.const_port_get_shape(made, &shape) != Status::ok) continue;
    output.fixed = true;
    output.dims.assign(shape.dims, shape.dims + shape.rank);
    ov.shape_free(&shape);
  }
}

// One stream: a run alone has all threads. Its threads are TBB's, which sleep between runs.
OvCompiled* compile_for(const Functions& ov, const OvCore* core, const OvModel* model, const ch_options& options) {
  const std::string threads = std::to_string(options.threads);
  std::vector<OvProperty> properties = {
      {"INFERENCE_PRECISION_HINT", options.precision == CH_BF16 ? "bf16" : "f32"},
      {"EXECUTION_MODE_HINT", "ACCURACY"},  // no dynamic quantisation of weights
      {"PERFORMANCE_HINT", "LATENCY"},
      {"NUM_STREAMS", "1"},
      {"INFERENCE_NUM_THREADS", threads.c_str()},
      {"ENABLE_CPU_PINNING", "NO"},
  };
  // The folder that the host names for what plug-ins keep; OpenVINO finds its files by the model's hash there.
  const char* folder = std::getenv("CHORUS_CACHE_DIR");
  if (folder != nullptr && *folder != 0) properties.push_back({"CACHE_DIR", folder});
  OvCompiled* compiled = nullptr;
  check(ov, ov.core_compile_model_props(core, model, "CPU", properties.size(), properties.data(), &compiled),
        "compiling the model");
  return compiled;
}

ch_code compile(ch_engine* engine, const ch_graph* graph, const ch_options* options, ch_program** out,
                ch_error* error) {
  return guarded(error, [&] {
    const Functions& ov = engine->ov;
    auto program = std::make_unique<ch_program>();
    program->engine = engine;
    {
      OvModel* made = nullptr;
      const std::string bytes = with_infinities(*graph, onnx_bytes(*engine->host, *graph, kMaxOpset, kMaxIr));
      check(ov, ov.core_read_model_from_memory_buffer(engine->core, bytes.data(), bytes.size(), nullptr, &made),
            "loading the model");
      const std::unique_ptr<OvModel, void (*)(OvModel*)> model(made, ov.model_free);
      program->compiled = compile_for(ov, engine->core, made, *options);
    }
    take_inputs(*graph, *program);
    take_outputs_of(*graph, *program);
    *out = program.release();
  });
}

void new_request(ch_instance& self) {
  const Functions& ov = self.program->engine->ov;
  if (self.request != nullptr) ov.infer_request_free(std::exchange(self.request, nullptr));
  std::fill(self.lent.begin(), self.lent.end(), 0);
  check(ov, ov.compiled_model_create_infer_request(self.program->compiled, &self.request), "preparing a run");
}

ch_code instance(ch_program* program, ch_instance** out, ch_error* error) {
  return guarded(error, [&] {
    auto made = std::make_unique<ch_instance>(program);
    new_request(*made);
    *out = made.release();
  });
}

bool same_bytes(const ch_value& a, const ch_value& b) {
  return a.buffer.bytes == b.buffer.bytes && a.kind == CH_TENSOR && b.kind == CH_TENSOR &&
         (a.buffer.data == b.buffer.data ||
          (a.dtype != 8 &&
           std::memcmp(static_cast<const char*>(a.buffer.data) + a.offset,
                       static_cast<const char*>(b.buffer.data) + b.offset, a.buffer.bytes - a.offset) == 0));
}

void give_inputs(ch_instance& self, const ch_run& run, std::vector<TensorPointer>& held) {
  const ch_program& program = *self.program;
  const Functions& ov = program.engine->ov;
  for (uint32_t i = 0; i < run.n_inputs; ++i) {
    const Input& input = program.inputs[i];
    const ch_value& value = *run.inputs[i];
    if (input.port == nullptr) {
      if (input.constant == nullptr || same_bytes(value, *input.constant)) continue;
      throw Failure(
          CH_UNSUPPORTED,
          "input \"" + input.name + "\" has a default, which OpenVINO keeps as a constant: no other value can be given",
          "leave the input out, or use another engine, such as native");
    }
    held.push_back(to_openvino(ov, value));
    check(ov, ov.infer_request_set_tensor_by_const_port(self.request, input.port, held.back().get()),
          "giving an input");
  }
}

std::vector<int64_t> dims_of(const ch_value& value) { return {value.dims, value.dims + value.rank}; }

void give_outputs(ch_instance& self, const ch_run& run, std::vector<TensorPointer>& held) {
  const Functions& ov = self.program->engine->ov;
  for (uint32_t i = 0; i < run.n_outputs; ++i) {
    const ch_output& out = *run.outputs[i];
    const Output& known = self.program->outputs[i];
    if (out.mode != CH_OUT_GIVEN || !known.fixed || out.value.dtype == 8) continue;
    if (known.dtype != out.value.dtype || known.dims != dims_of(out.value)) {
      throw Failure(CH_SHAPE,
                    "output " + std::to_string(i) + " has another shape than the buffer that was given for it");
    }
    held.push_back(to_openvino(ov, out.value));
    self.lent[i] = 1;
    check(ov, ov.infer_request_set_output_tensor_by_index(self.request, i, held.back().get()),
          "giving memory for an output");
  }
}

// A run that the host may end goes on in a thread of OpenVINO's, and this one asks.
void infer(ch_instance& self, const ch_run& run) {
  const ch_engine& engine = *self.program->engine;
  const Functions& ov = engine.ov;
  if ((run.flags & CH_MAY_STOP) == 0) return check(ov, ov.infer_request_infer(self.request), "running the model");
  check(ov, ov.infer_request_start_async(self.request), "running the model");
  Status status = Status::result_not_ready;
  ch_code stopped = CH_OK;
  while (stopped == CH_OK && status == Status::result_not_ready) {
    status = ov.infer_request_wait_for(self.request, kPeriod);
    if (status == Status::result_not_ready) stopped = engine.host->stop(run.task);
  }
  if (stopped != CH_OK) {
    ov.infer_request_cancel(self.request);
    ov.infer_request_wait(
        self.request);  // says that it was cancelled, or that it was done in time: either way it is ended
    throw Failure(stopped, "the run was ended");
  }
  check(ov, status, "running the model");
}

// Into the host's buffer, once it is known that it fits.
void copy_output(ch_instance& self, TensorPointer tensor, ch_output& out) {
  if (out.value.dtype == 8) throw Failure(CH_INTERNAL, "a buffer was given for strings");
  ch_value made{};
  self.results.show(std::move(tensor), made);
  if (made.dtype != out.value.dtype || dims_of(made) != dims_of(out.value) ||
      made.buffer.bytes > out.value.buffer.bytes - out.value.offset) {
    throw Failure(CH_SHAPE, "an output has another shape than the buffer that was given for it");
  }
  if (made.buffer.bytes > 0)
    std::memcpy(static_cast<char*>(out.value.buffer.data) + out.value.offset, made.buffer.data, made.buffer.bytes);
}

void take_outputs(ch_instance& self, const ch_run& run) {
  const Functions& ov = self.program->engine->ov;
  for (uint32_t i = 0; i < run.n_outputs; ++i) {
    ch_output& out = *run.outputs[i];
    if (out.mode == CH_OUT_SKIP) continue;
    OvTensor* made = nullptr;
    check(ov, ov.infer_request_get_output_tensor_by_index(self.request, i, &made), "reading an output");
    TensorPointer tensor(made, ReleaseTensor{&ov});
    if (self.lent[i] != 0) continue;  // in the host's buffer already
    if (out.mode == CH_OUT_GIVEN) {
      copy_output(self, std::move(tensor), out);
      continue;
    }
    out.mode = CH_OUT_BORROW;
    self.results.show(std::move(tensor), out.value);
  }
}

ch_code run(ch_instance* self, const ch_run* run, ch_error* error) {
  return guarded(error, [&] {
    self->results.clear();
    if (self->request == nullptr) new_request(*self);
    for (uint32_t i = 0; i < run->n_outputs; ++i) {
      if (self->lent[i] != 0 && run->outputs[i]->mode != CH_OUT_GIVEN)
        new_request(*self);  // the host's buffer may be gone
    }
    std::vector<TensorPointer> held;
    try {
      give_inputs(*self, *run, held);
      give_outputs(*self, *run, held);
      infer(*self, *run);
      take_outputs(*self, *run);
    } catch (...) {  // what a failed run leaves behind is not known: the next begins afresh
      self->results.clear();
      self->program->engine->ov.infer_request_free(std::exchange(self->request, nullptr));
      throw;
    }
  });
}

}  // namespace

extern "C" const ch_engine_api* chorus_engine_v1(void) {
  static const ch_engine_api api = [] {
    auto a = table_of<ch_engine, ch_program, ch_instance>("openvino", "2026.4", "2026.4.1");
    a.open = open, a.claim = claim, a.compile = compile, a.instance = instance, a.run = run, a.describe = describe;
    return a;
  }();
  return &api;
}
