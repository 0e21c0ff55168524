// An engine plug-in in one file: Add, Mul and Relu of float32. Duties are marked (D), threads (T), ownership (O).
#include <chorus/engine_abi.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string_view>
#include <vector>

// (O) These three are ours; the host only holds the pointers and gives them back to close, free_program and free_instance.
struct ch_engine {
  const ch_host* host;  // (O) the host's, valid for the whole process
};
struct Step {
  enum class Op { add, mul, relu } op;
  int32_t a, b, out;  // indices of values; b is -1 for Relu
};
// (T) A program is never changed after compile: many instances read it at once.
struct ch_program {
  ch_engine* engine;
  const ch_graph* graph;  // (O) the host keeps it as long as the program
  std::vector<Step> steps;
};
struct Tensor {
  const float* data = nullptr;
  std::vector<float> own;
};
// (T) An instance has one caller at a time, so nothing in it is locked.
struct ch_instance {
  ch_program* program;
  std::vector<Tensor> values;  // (O) outputs that the host borrows live here until the next run
};

namespace {

ch_str str(std::string_view s) { return {s.data(), s.size()}; }
std::string_view view(ch_str s) { return s.n == 0 ? std::string_view() : std::string_view(s.p, s.n); }

// (D) An error says what is wrong with the values and how to fix it.
ch_code fail(ch_error* error, ch_code code, int32_t node, const char* what, const char* fix) {
  error->node = node;
  std::snprintf(error->what, sizeof error->what, "%s", what);
  std::snprintf(error->fix, sizeof error->fix, "%s", fix);
  return code;
}

// (D) Nothing may be thrown into the host: every function that can throw runs inside this.
template <class F>
ch_code guarded(ch_error* error, F&& body) noexcept {
  try {
    return body();
  } catch (const std::exception& e) {
    return fail(error, CH_INTERNAL, -1, e.what(), "");
  }
}

// (D) One sentence why not, or null.
const char* refusal(const ch_graph& graph, const ch_node& node) {
  const std::string_view op = view(node.op);
  if (!view(node.domain).empty() || (op != "Add" && op != "Mul" && op != "Relu"))
    return "the example engine knows Add, Mul and Relu only";
  const ch_type& out = *graph.values[node.outputs[0]]->type;
  for (uint32_t i = 0; i < node.n_inputs; ++i) {
    const ch_type& in = *graph.values[node.inputs[i]]->type;
    if (in.kind != CH_TENSOR || in.dtype != 1) return "the example engine computes float32 only";
    if (in.has_rank == 0 || out.has_rank == 0 ||
        !std::equal(in.dims, in.dims + in.rank, out.dims, out.dims + out.rank) ||
        std::count(in.dims, in.dims + in.rank, -1) > 0)
      return "the example engine takes operands of one known shape only";
  }
  return nullptr;
}

ch_code open(const ch_host* host, const ch_open*, ch_engine** out, ch_error* error) {
  if (host->size < offsetof(ch_host, log))  // (D) use no member of the host that its size does not cover
    return fail(error, CH_UNSUPPORTED, -1, "the host is too old", "use a newer Chorus");
  return guarded(error, [&] {
    *out = new ch_engine{host};
    return static_cast<ch_code>(CH_OK);
  });
}

// (T) Called from any thread. (D) Every node gets a verdict; `claims` is the host's memory.
ch_code claim(ch_engine*, const ch_graph* graph, const ch_options*, ch_claim* const* claims, uint32_t n, ch_error*) {
  for (uint32_t i = 0; i < n && i < graph->n_nodes; ++i) {
    const char* why = refusal(*graph, *graph->nodes[i]);
    claims[i]->verdict = why == nullptr ? CH_CLAIM_YES : CH_CLAIM_NO;
    if (why != nullptr) std::snprintf(claims[i]->reason, sizeof claims[i]->reason, "%s", why);
  }
  return CH_OK;
}

ch_code compile(ch_engine* engine, const ch_graph* graph, const ch_options*, ch_program** out, ch_error* error) {
  return guarded(error, [&] {
    std::vector<Step> steps;
    for (uint32_t i = 0; i < graph->n_nodes; ++i) {
      const ch_node& node = *graph->nodes[i];
      if (const char* why = refusal(*graph, node))
        return fail(error, CH_UNSUPPORTED, static_cast<int32_t>(i), why, "use another engine");
      const Step::Op op = view(node.op) == "Add"   ? Step::Op::add
                          : view(node.op) == "Mul" ? Step::Op::mul
                                                   : Step::Op::relu;
      steps.push_back({op, node.inputs[0], node.n_inputs > 1 ? node.inputs[1] : -1, node.outputs[0]});
    }
    *out = new ch_program{engine, graph, std::move(steps)};
    return static_cast<ch_code>(CH_OK);
  });
}

ch_code instance(ch_program* program, ch_instance** out, ch_error* error) {
  return guarded(error, [&] {
    *out = new ch_instance{program, std::vector<Tensor>(program->graph->n_values)};
    return static_cast<ch_code>(CH_OK);
  });
}

const float* elements(const ch_value& v) {
  return reinterpret_cast<const float*>(static_cast<const char*>(v.buffer.data) + v.offset);
}

size_t count(const ch_type& type) {  // the host has checked that shapes do not overflow
  int64_t n = 1;
  for (uint32_t d = 0; d < type.rank; ++d) n *= type.dims[d];
  return static_cast<size_t>(n);
}

struct Work {
  Step::Op op;
  const float *a, *b;
  float* out;
  size_t n;
};
constexpr size_t kChunk = 1 << 14;  // elements of one task: pieces depend on sizes only, never on the number of threads

// (T) Runs on the host's pool, several at once, each on its own elements; must not throw.
void chunk(void* user, uint64_t task, uint32_t) {
  const Work& w = *static_cast<const Work*>(user);
  for (size_t i = task * kChunk; i < std::min(w.n, (task + 1) * kChunk); ++i) {
    w.out[i] = w.op == Step::Op::add   ? w.a[i] + w.b[i]
               : w.op == Step::Op::mul ? w.a[i] * w.b[i]
               : w.a[i] < 0            ? 0
                                       : w.a[i];
  }
}

void compute(ch_instance* self, const Step& step, ch_task* task) {
  Tensor& out = self->values[step.out];
  out.own.resize(count(*self->program->graph->values[step.out]->type));
  out.data = out.own.data();
  Work work{step.op, self->values[step.a].data, step.b < 0 ? nullptr : self->values[step.b].data, out.own.data(),
            out.own.size()};
  self->program->engine->host->parallel(task, (work.n + kChunk - 1) / kChunk, chunk, &work);
}

ch_code give(const Tensor& from, const ch_type& type, ch_output& out, ch_error* error) {
  ch_value& v = out.value;
  if (out.mode == CH_OUT_GIVEN) {  // (O) the caller's buffer: fill it, or say that the shape is another one
    if (v.dtype != 1 || !std::equal(type.dims, type.dims + type.rank, v.dims, v.dims + v.rank)) {
      return fail(error, CH_SHAPE, -1, "the buffer given for an output has another type or shape",
                  "give one of the output's");
    }
    if (count(type) > 0)
      std::memcpy(static_cast<char*>(v.buffer.data) + v.offset, from.data, count(type) * sizeof(float));
  } else if (out.mode != CH_OUT_SKIP) {
    out.mode = CH_OUT_BORROW;  // (O) our memory, unchanged until the next run of this instance
    v.kind = CH_TENSOR;
    v.dtype = 1;
    v.rank = type.rank;
    v.dims = type.dims;
    v.buffer.data = const_cast<float*>(from.data);
    v.buffer.bytes = count(type) * sizeof(float);
  }
  return CH_OK;
}

ch_code run(ch_instance* self, const ch_run* run, ch_error* error) {
  return guarded(error, [&] {
    const ch_graph& graph = *self->program->graph;
    for (uint32_t i = 0; i < graph.n_values; ++i) {
      if (graph.values[i]->constant >= 0) self->values[i].data = elements(*graph.constants[graph.values[i]->constant]);
    }
    for (uint32_t i = 0; i < run->n_inputs; ++i) self->values[graph.inputs[i]].data = elements(*run->inputs[i]);
    for (const Step& step : self->program->steps) {
      // (D) Ask whether the caller still wants the answer.
      if (const ch_code stopped = self->program->engine->host->stop(run->task); stopped != CH_OK) return stopped;
      compute(self, step, run->task);
    }
    for (uint32_t i = 0; i < run->n_outputs; ++i) {
      const int32_t v = graph.outputs[i];
      if (const ch_code code = give(self->values[v], *graph.values[v]->type, *run->outputs[i], error); code != CH_OK)
        return code;
    }
    return static_cast<ch_code>(CH_OK);
  });
}

}  // namespace

extern "C" const ch_engine_api* chorus_engine_v1(void) {
  static const ch_engine_api api = [] {
    ch_engine_api a{};  // (D) null for everything optional that is not offered
    a.size = sizeof a;
    a.major = CH_ABI_MAJOR;
    a.minor = CH_ABI_MINOR;
    a.name = str("example");
    a.version = str("1.0");
    a.open = open, a.claim = claim, a.compile = compile, a.instance = instance, a.run = run;
    a.close = [](ch_engine* e) { delete e; };
    a.free_instance = [](ch_instance* i) { delete i; };
    a.free_program = [](ch_program* p) { delete p; };
    return a;
  }();
  return &api;
}
