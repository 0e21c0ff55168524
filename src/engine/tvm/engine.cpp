// TVM behind the plug-in interface: graphs become its tensor expressions, its compiler makes functions of them in this process.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "program.h"

struct ch_engine {
  const ch_host* host = nullptr;
  std::string version;
};

struct ch_program {
  const ch_engine* engine = nullptr;
  const ch_graph* graph = nullptr;  // the host keeps it as long as the program
  uint64_t budget = UINT64_MAX;
  bool timed = false;
  std::mutex mutex;
  std::vector<std::shared_ptr<const chorus_tvm::Plan>> plans;  // the last used first
};

struct ch_instance {
  ch_program* program = nullptr;
  std::shared_ptr<const chorus_tvm::Plan> plan;
  std::vector<char> arena;
  std::vector<std::vector<char>> results;  // of outputs that the host borrows
  std::vector<std::vector<char>> moved;  // inputs and constants that do not lie as TVM wants
  std::vector<void*> data;  // of each value
};

namespace {

using namespace chorus_tvm;
using chorus_adapter::answer;
using chorus_adapter::guarded;
using chorus_adapter::require_host;
using chorus_adapter::table_of;

constexpr const char* kVersion = "0.27.0";
constexpr const char* kInstall = "./dev engines tvm";
constexpr size_t kPlans = 8;
constexpr uintptr_t kAlign = 64;  // compiled functions count on it

ch_code open(const ch_host* host, const ch_open* options, ch_engine** out, ch_error* error) {
  return guarded(error, [&] {
    require_host(host);
    auto engine = std::make_unique<ch_engine>();
    engine->host = host;
    std::string reason;
    if (!load_tvm(std::string(view(options->folder)), engine->version, reason))
      throw Failure(CH_UNAVAILABLE, reason,
                    std::string(kInstall) + ", or name libtvm_compiler.so in CHORUS_TVM_LIBRARY");
    *out = engine.release();
  });
}

void describe(ch_engine* engine, ch_sink sink, void* user) {
  sink(user, engine->version.data(), engine->version.size());
}

ch_code claim(ch_engine*, const ch_graph* graph, const ch_options*, ch_claim* const* claims, uint32_t n,
              ch_error* error) {
  return guarded(error, [&] {
    const std::vector<std::string> reasons = refusals(*graph);
    for (uint32_t i = 0; i < n && i < reasons.size(); ++i) answer(*claims[i], reasons[i]);
  });
}

std::shared_ptr<const Plan> plan_for(ch_program& program, const std::vector<Dims>& dims) {
  const std::lock_guard lock(program.mutex);
  const auto known = std::find_if(program.plans.begin(), program.plans.end(),
                                  [&](const auto& plan) { return plan->input_dims == dims; });
  if (known != program.plans.end()) {
    std::rotate(program.plans.begin(), known, known + 1);
    return program.plans.front();
  }
  auto made = make_plan(*program.graph, dims);
  if (made->arena > program.budget)
    throw Failure(CH_BUDGET, "the values between operators need " + std::to_string(made->arena) + " bytes",
                  "allow more memory, or use smaller inputs");
  program.plans.insert(program.plans.begin(), made);
  if (program.plans.size() > kPlans) program.plans.pop_back();
  return made;
}

ch_code compile(ch_engine* engine, const ch_graph* graph, const ch_options* options, ch_program** out,
                ch_error* error) {
  return guarded(error, [&] {
    auto program = std::make_unique<ch_program>();
    program->engine = engine;
    program->graph = graph;
    program->budget = options->memory_budget;
    program->timed = (options->flags & CH_PROFILE) != 0;
    std::vector<Dims> dims;
    bool fixed = true;
    const std::vector<Known> known = known_values(*graph, nullptr);
    for (uint32_t i = 0; i < graph->n_inputs; ++i) {
      const Known& input = known[static_cast<size_t>(graph->inputs[i])];
      fixed = fixed && input.fixed;
      dims.push_back(input.dims);
    }
    if (fixed) plan_for(*program, dims);
    *out = program.release();
  });
}

ch_code instance(ch_program* program, ch_instance** out, ch_error* error) {
  return guarded(error, [&] {
    auto made = std::make_unique<ch_instance>();
    made->program = program;
    *out = made.release();
  });
}

bool is_aligned(const void* p) { return reinterpret_cast<uintptr_t>(p) % kAlign == 0; }

char* aligned(std::vector<char>& room, uint64_t bytes) {
  room.resize(bytes + kAlign);
  char* p = room.data();
  return p + (kAlign - reinterpret_cast<uintptr_t>(p) % kAlign) % kAlign;
}

uint64_t bytes_of(const Known& k) {
  int64_t n = 1;
  for (int64_t d : k.dims) n *= d;
  return static_cast<uint64_t>(n * bits_of(k.type) / 8);
}

void* place_value(ch_instance& self, const ch_value& value, uint64_t bytes) {
  char* data = static_cast<char*>(value.buffer.data) + value.offset;
  if (value.buffer.data == nullptr || is_aligned(data)) return data;
  char* to = aligned(self.moved.emplace_back(), bytes);
  std::memcpy(to, data, bytes);
  return to;
}

void place_constants(ch_instance& self) {
  const Plan& plan = *self.plan;
  self.data.assign(plan.places.size(), nullptr);
  self.moved.clear();
  char* const arena = aligned(self.arena, plan.arena);
  for (size_t v = 0; v < plan.places.size(); ++v) {
    const Place& place = plan.places[v];
    if (place.kind == Place::Kind::arena) self.data[v] = arena + place.at;
    if (place.kind == Place::Kind::constant)
      self.data[v] = place_value(self, *plan.values[v].constant, bytes_of(plan.values[v]));
  }
}

void bind_sizes(ch_instance& self, const ch_run& run) {
  std::vector<Dims> dims;
  for (uint32_t i = 0; i < run.n_inputs; ++i) {
    const ch_value& input = *run.inputs[i];
    if (input.kind != CH_TENSOR)
      throw Failure(CH_UNSUPPORTED, "TVM's compiled functions take tensors alone",
                    "use another engine, such as native");
    dims.emplace_back(input.dims, input.dims + input.rank);
  }
  if (self.plan != nullptr && self.plan->input_dims == dims) return;
  self.plan = plan_for(*self.program, dims);
  place_constants(self);
}

void give_outputs(ch_instance& self, const ch_run& run) {
  const Plan& plan = *self.plan;
  self.results.resize(run.n_outputs);
  for (uint32_t i = 0; i < run.n_outputs; ++i) {
    const int32_t v = plan.graph->outputs[i];
    const Known& known = plan.values[static_cast<size_t>(v)];
    const ch_output& out = *run.outputs[i];
    const uint64_t bytes = bytes_of(known);
    if (out.mode == CH_OUT_GIVEN &&
        (out.value.dtype != known.type || Dims(out.value.dims, out.value.dims + out.value.rank) != known.dims))
      throw Failure(CH_SHAPE, "an output has another shape than the buffer that was given for it");
    const int32_t root = plan.places[static_cast<size_t>(v)].root;
    const Place& place = plan.places[static_cast<size_t>(root)];
    if (place.kind != Place::Kind::output || place.at != i) continue;
    char* given = out.mode == CH_OUT_GIVEN ? static_cast<char*>(out.value.buffer.data) + out.value.offset : nullptr;
    self.data[static_cast<size_t>(root)] =
        given != nullptr && is_aligned(given) ? given : aligned(self.results[i], bytes);
  }
}

void* data_of(const ch_instance& self, int32_t v) {
  return self.data[static_cast<size_t>(self.plan->places[static_cast<size_t>(v)].root)];
}

void take_outputs(ch_instance& self, const ch_run& run) {
  const Plan& plan = *self.plan;
  for (uint32_t i = 0; i < run.n_outputs; ++i) {
    ch_output& out = *run.outputs[i];
    if (out.mode == CH_OUT_SKIP) continue;
    const int32_t v = plan.graph->outputs[i];
    const Known& known = plan.values[static_cast<size_t>(v)];
    const uint64_t bytes = bytes_of(known);
    void* made = data_of(self, v);
    if (out.mode == CH_OUT_GIVEN) {
      void* to = static_cast<char*>(out.value.buffer.data) + out.value.offset;
      if (to != made && bytes > 0) std::memcpy(to, made, bytes);
      continue;
    }
    const Place& place = plan.places[static_cast<size_t>(plan.places[static_cast<size_t>(v)].root)];
    if (bytes > 0 &&
        (place.kind != Place::Kind::output || place.at != i)) {  // an input's, a constant's or another output's
      char* own = aligned(self.results[i], bytes);
      std::memcpy(own, made, bytes);
      made = own;
    }
    out.mode = CH_OUT_BORROW;
    out.value = ch_value{};
    out.value.size = sizeof out.value;
    out.value.kind = CH_TENSOR;
    out.value.dtype = static_cast<uint16_t>(known.type);
    out.value.rank = static_cast<uint32_t>(known.dims.size());
    out.value.dims = known.dims.data();
    out.value.buffer.size = sizeof out.value.buffer;
    out.value.buffer.fd = -1;
    out.value.buffer.data = bytes == 0 ? nullptr : made;
    out.value.buffer.bytes = bytes;
  }
}

uint64_t now() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

void tap_step(const ch_instance& self, const ch_run& run, const Step& step) {
  const ch_node& node = *self.plan->graph->nodes[step.node];
  for (uint32_t o = 0; o < node.n_outputs; ++o) {
    const int32_t v = node.outputs[o];
    if (v == CH_NO_INDEX || data_of(self, v) == nullptr) continue;
    const Known& known = self.plan->values[static_cast<size_t>(v)];
    ch_value value{};
    value.size = sizeof value;
    value.kind = CH_TENSOR;
    value.dtype = static_cast<uint16_t>(known.type);
    value.rank = static_cast<uint32_t>(known.dims.size());
    value.dims = known.dims.data();
    value.buffer.size = sizeof value.buffer;
    value.buffer.fd = -1;
    value.buffer.data = data_of(self, v);
    value.buffer.bytes = bytes_of(known);
    run.tap(run.task, static_cast<uint32_t>(step.node), o, &value);
  }
}

void run_steps(ch_instance& self, const ch_run& run) {
  const Plan& plan = *self.plan;
  const ch_host& host = *self.program->engine->host;
  std::vector<DlTensor> views;
  std::vector<Any> arguments;
  for (const Step& step : plan.steps) {
    if ((run.flags & CH_MAY_STOP) != 0) {
      const ch_code stopped = host.stop(run.task);
      if (stopped != CH_OK) throw Failure(stopped, "the run was ended");
    }
    const uint64_t begin = self.program->timed ? now() : 0;
    views.resize(step.values.size());
    arguments.resize(step.values.size());
    for (size_t k = 0; k < step.values.size(); ++k) {
      const Known& known = plan.values[static_cast<size_t>(step.values[k])];
      views[k] = {data_of(self, step.values[k]),
                  1,
                  0,
                  static_cast<int32_t>(known.dims.size()),
                  stored(known.type),
                  const_cast<int64_t*>(known.dims.data()),
                  nullptr,
                  0};
      arguments[k].kind = Any::tensor_view;
      arguments[k].object = &views[k];
    }
    call(plan.module.functions[step.function], arguments.data(), static_cast<int32_t>(arguments.size()));
    if (self.program->timed) host.span(run.task, static_cast<uint32_t>(step.node), begin, now());
    if (run.tap != nullptr) tap_step(self, run, step);
  }
}

ch_code run(ch_instance* self, const ch_run* run, ch_error* error) {
  return guarded(error, [&] {
    bind_sizes(*self, *run);
    const size_t kept = self->moved.size();
    const Plan& plan = *self->plan;
    for (uint32_t i = 0; i < run->n_inputs; ++i) {
      const auto v = static_cast<size_t>(plan.graph->inputs[i]);
      if (run->inputs[i]->dtype != plan.values[v].type)
        throw Failure(CH_TYPE, "an input has another element type than the graph says");
      self->data[v] = place_value(*self, *run->inputs[i], bytes_of(plan.values[v]));
    }
    give_outputs(*self, *run);
    run_steps(*self, *run);
    take_outputs(*self, *run);
    self->moved.resize(kept);
  });
}

// The functions as TVM's script, after a line of the nodes that call each.
void explain(ch_program* program, ch_str, ch_sink sink, void* user) {
  const std::lock_guard lock(program->mutex);
  if (program->plans.empty()) return;
  const Plan& plan = *program->plans.front();
  std::string text;
  for (const Step& step : plan.steps)
    text += std::string(view(plan.graph->nodes[step.node]->op)) + " -> k" + std::to_string(step.function) + "\n";
  for (size_t k = 0; k < plan.funcs.size(); ++k) {
    text += "k" + std::to_string(k) + ":\n";
    try {
      text += script_of(plan.funcs[k]) + "\n";
    } catch (const std::exception& e) {
      text += std::string(e.what()) + "\n";
    }
  }
  sink(user, text.data(), text.size());
}

uint64_t memory(ch_instance* self) {
  uint64_t bytes = self->arena.size();
  for (const auto& result : self->results) bytes += result.size();
  for (const auto& moved : self->moved) bytes += moved.size();
  return bytes;
}

}  // namespace

extern "C" const ch_engine_api* chorus_engine_v1(void) {
  static const ch_engine_api api = [] {
    auto a = table_of<ch_engine, ch_program, ch_instance>("tvm", "0.27", kVersion);
    a.open = open, a.claim = claim, a.compile = compile, a.instance = instance, a.run = run, a.describe = describe;
    a.memory = memory, a.explain = explain;
    a.wants = CH_WANTS_NEWEST;
    return a;
  }();
  return &api;
}
