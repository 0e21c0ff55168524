// PaddlePaddle behind the plug-in interface: the graph is walked here, one call of the interface per run.
#include <dlfcn.h>

#include <cstring>
#include <deque>
#include <fstream>

#include "program.h"

struct ch_engine {
  const ch_host* host = nullptr;
  std::string version;
};

struct ch_program {
  const ch_engine* engine = nullptr;
  const ch_graph* graph = nullptr;   // the host keeps it as long as the program
  std::shared_ptr<const chorus_paddle::Walk> walk;
  int threads = 1;
  int64_t budget = INT64_MAX;
  bool timed = false;
};

struct ch_instance {
  const ch_program* program = nullptr;
  std::vector<chorus_paddle::Slot> slots;
  std::deque<chorus_paddle::Tensor> results;   // what the host borrows until the next run
  std::deque<ch_value> items;
  std::deque<std::vector<const ch_value*>> lists;
};

namespace {

using namespace chorus_paddle;

// Its headers and the libraries that are loaded must be of one version: what is used of them promises nothing across versions.
constexpr const char* kVersion = "3.3.1";
constexpr const char* kInstall = "./dev engines paddle";

// Of the installation whose libraries this process has: paddle/version beside paddle/libs.
std::string installed_version() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&paddle::experimental::reshape), &info) == 0 || info.dli_fname == nullptr)
    return {};
  const std::string library = info.dli_fname;
  const size_t name = library.rfind('/');
  if (name == std::string::npos) return {};
  std::ifstream file(library.substr(0, name) + "/../version/__init__.py");
  for (std::string line; std::getline(file, line);) {
    const size_t quote = line.find('\'');
    if (line.rfind("full_version", 0) == 0 && quote != std::string::npos)
      return line.substr(quote + 1, line.find('\'', quote + 1) - quote - 1);
  }
  return {};
}

ch_code open(const ch_host* host, const ch_open*, ch_engine** out, ch_error* error) {
  return guarded(error, [&] {
    require_host(host);
    auto engine = std::make_unique<ch_engine>();
    engine->host = host;
    engine->version = installed_version();
    if (engine->version != kVersion) {
      throw Failure(CH_UNAVAILABLE,
                    "PaddlePaddle " + (engine->version.empty() ? "of an unknown version" : engine->version) +
                        " was found; " + kVersion + " is needed",
                    kInstall);
    }
    start_paddle();
    *out = engine.release();
  });
}

void describe(ch_engine* engine, ch_sink sink, void* user) {
  sink(user, engine->version.data(), engine->version.size());
}

ch_code claim(ch_engine*, const ch_graph* graph, const ch_options*, ch_claim* const* claims, uint32_t n,
              ch_error* error) {
  return guarded(error, [&] {
    for (uint32_t i = 0; i < n && i < graph->n_nodes; ++i) answer(*claims[i], refusal(*graph, *graph->nodes[i]));
  });
}

ch_code compile(ch_engine* engine, const ch_graph* graph, const ch_options* options, ch_program** out,
                ch_error* error) {
  return guarded(error, [&] {
    use_threads(static_cast<int>(options->threads));
    auto program = std::make_unique<ch_program>();
    program->engine = engine;
    program->graph = graph;
    program->threads = static_cast<int>(options->threads);
    program->budget = static_cast<int64_t>(std::min<uint64_t>(options->memory_budget, INT64_MAX));
    program->timed = (options->flags & CH_PROFILE) != 0;
    program->walk = make_walk(*graph, true);
    *out = program.release();
  });
}

ch_code instance(ch_program* program, ch_instance** out, ch_error* error) {
  return guarded(error, [&] {
    auto made = std::make_unique<ch_instance>();
    made->program = program;
    made->slots = program->walk->start;
    *out = made.release();
  });
}

void give_input(Slot& slot, const ch_value& value) {
  slot.clear();
  if (value.kind == CH_TENSOR) {
    slot.tensor = view_of(value);
    return;
  }
  if (value.kind == CH_MAP)
    throw Failure(CH_UNSUPPORTED, "PaddlePaddle has no maps", "use another engine, such as native");
  slot.list = std::make_shared<Tensors>();
  for (uint64_t i = 0; i < value.count; ++i) slot.list->push_back(view_of(*value.items[i]));
}

void describe_tensor(const Tensor& t, ch_value& out) {
  out = ch_value{};
  out.size = sizeof out;
  out.kind = CH_TENSOR;
  out.dtype = static_cast<uint16_t>(to_onnx(t.type()));
  if (out.dtype == 0) throw Failure(CH_INTERNAL, "PaddlePaddle made a tensor of a type that ONNX has not");
  out.rank = static_cast<uint32_t>(t.dim());
  out.dims = t.dense().dims().Get();
  out.buffer.size = sizeof out.buffer;
  out.buffer.fd = -1;
  out.buffer.data = t.numel() == 0 ? nullptr : const_cast<void*>(t.data());
  out.buffer.bytes = t.nbytes();
}

void show(ch_instance& self, const Tensor& t, bool shared, ch_value& out) {
  Tensor plain = t.contiguous();
  if (shared || is_borrowed(plain)) plain = plain.copy();
  describe_tensor(self.results.emplace_back(std::move(plain)), out);
}

void show_list(ch_instance& self, const Slot& slot, const ch_type& type, bool shared, ch_value& out) {
  Tensors items;
  if (slot.list)
    items = *slot.list;
  else if (slot.tensor.defined())
    items = {slot.tensor};  // an optional that is full
  out = ch_value{};
  out.size = sizeof out;
  out.kind = type.kind;
  out.dtype = type.dtype;
  out.buffer.size = sizeof out.buffer;
  out.buffer.fd = -1;
  std::vector<const ch_value*> list;
  for (const Tensor& t : items) {
    ch_value& item = self.items.emplace_back();
    show(self, t, shared, item);
    out.dtype = item.dtype;
    list.push_back(&item);
  }
  out.items = self.lists.emplace_back(std::move(list)).data();
  out.count = items.size();
}

void write_given(const Tensor& t, const ch_value& to) {
  if (to_onnx(t.type()) != to.dtype || t.sizes() != Ints(to.dims, to.dims + to.rank)) {
    throw Failure(CH_SHAPE, "an output has another shape than the buffer that was given for it");
  }
  if (t.numel() > 0) std::memcpy(static_cast<char*>(to.buffer.data) + to.offset, t.contiguous().data(), t.nbytes());
}

void take_output(ch_instance& self, uint32_t i, ch_output& out) {
  if (out.mode == CH_OUT_SKIP) return;
  const ch_program& program = *self.program;
  const int32_t at = program.walk->outputs[i];
  const Slot& slot = self.slots[static_cast<size_t>(at)];
  const ch_type& type = *program.graph->values[at]->type;
  const Slot& start = program.walk->start[static_cast<size_t>(at)];
  const bool shared = start.tensor.defined() || start.list;  // belongs to the program
  if (type.kind == CH_SEQUENCE || type.kind == CH_OPTIONAL) {
    out.mode = CH_OUT_BORROW;
    return show_list(self, slot, type, shared, out.value);
  }
  if (!slot.tensor.defined()) throw Failure(CH_INTERNAL, "output " + std::to_string(i) + " was not computed");
  if (out.mode == CH_OUT_GIVEN) return write_given(slot.tensor, out.value);
  out.mode = CH_OUT_BORROW;
  show(self, slot.tensor, shared, out.value);
}

// Every result of a step, for the host's tap.
void show_step(const RunContext& context, const Step& step, Slot* slots) {
  for (uint32_t o = 0; o < step.out.size(); ++o) {
    if (step.out[o] < 0 || !slots[step.out[o]].tensor.defined()) continue;
    const Tensor plain = slots[step.out[o]].tensor.contiguous();
    ch_value value;
    describe_tensor(plain, value);
    context.run->tap(context.run->task, static_cast<uint32_t>(step.index), o, &value);
  }
}

void clear_results(ch_instance& self) {
  self.results.clear();
  self.items.clear();
  self.lists.clear();
}

ch_code run(ch_instance* self, const ch_run* run, ch_error* error) {
  return guarded(error, [&] {
    const ch_program& program = *self->program;
    use_threads(program.threads);
    clear_results(*self);
    RunContext context;
    context.budget = program.budget;
    context.host = program.engine->host;
    context.run = run;
    context.timed = program.timed;
    if (run->tap != nullptr) context.show = show_step;
    try {
      for (uint32_t i = 0; i < run->n_inputs; ++i)
        give_input(self->slots[static_cast<size_t>(program.walk->inputs[i])], *run->inputs[i]);
      program.walk->run(self->slots.data(), context);
      for (uint32_t i = 0; i < run->n_outputs; ++i) take_output(*self, i, *run->outputs[i]);
    } catch (...) {
      self->slots = program.walk->start;
      throw;
    }
    // Inputs may not be kept, outputs are among the results.
    for (const auto* list : {&program.walk->inputs, &program.walk->outputs}) {
      for (int32_t v : *list) self->slots[static_cast<size_t>(v)] = program.walk->start[static_cast<size_t>(v)];
    }
  });
}

// A line per step: what it calls, and where that means something else.
void explain(ch_program* program, ch_str, ch_sink sink, void* user) {
  for (const Step& step : program->walk->steps) {
    std::string line(view(step.node->op));
    line.append(" -> ").append(step.row->calls);
    if (!step.row->difference.empty()) line.append("; differs: ").append(step.row->difference);
    line += '\n';
    sink(user, line.data(), line.size());
  }
}

uint64_t memory(ch_instance* self) {
  uint64_t bytes = 0;
  for (const Tensor& t : self->results) bytes += t.nbytes();
  return bytes;
}

}  // namespace

extern "C" const ch_engine_api* chorus_engine_v1(void) {
  static const ch_engine_api api = [] {
    auto a = table_of<ch_engine, ch_program, ch_instance>("paddle", kVersion, kVersion);
    a.open = open, a.claim = claim, a.compile = compile, a.instance = instance, a.run = run, a.describe = describe;
    a.memory = memory, a.explain = explain;
    a.wants = CH_WANTS_NEWEST;
    return a;
  }();
  return &api;
}
