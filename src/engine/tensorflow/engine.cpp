// TensorFlow behind the plug-in interface: the graph is walked operator by operator inside the plug-in.
#include <chorus/engine_abi.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "program.h"

struct ch_engine {
  const ch_host* host = nullptr;
  std::mutex lock;
  std::map<int, TfeContext*> contexts;   // by number of threads
  int freed = 0;                         // programs since the kernels were dropped
  ~ch_engine() {
    for (const auto& [threads, context] : contexts) chorus_tensorflow::tf()->delete_context(context);
  }
};

struct ch_program {
  ch_engine* engine = nullptr;
  TfeContext* context = nullptr;
  uint64_t budget = 0;
  std::shared_ptr<const chorus_tensorflow::Walk> walk;
};

namespace chorus_tensorflow {
// Memory behind the ch_values of one run; cleared by the next.
struct Shown {
  std::deque<Elements> elements;
  std::deque<Tensor> tensors;
  std::deque<ch_value> values;
  std::deque<std::vector<const ch_value*>> lists;
  void clear() { *this = Shown(); }
};
}  // namespace chorus_tensorflow

struct ch_instance {
  ch_program* program = nullptr;
  chorus_tensorflow::Runner runner;
  chorus_tensorflow::Shown shown;
  std::vector<chorus_tensorflow::Slot> slots;
  explicit ch_instance(ch_program* p) : program(p), runner(p->context) {}
};

namespace {

using namespace chorus_tensorflow;

constexpr const char* kInstall = "./dev engines tensorflow";
constexpr int kMostThreads = 1024;
constexpr size_t kMostContexts = 8;      // each has threads of its own
constexpr int kProgramsPerCleaning = 64;  // its cache of kernels has no bound of its own
constexpr uint64_t kNoBudget = uint64_t{1} << 46;

TfeContext* new_context(int threads) {
  // ConfigProto: intra_op_parallelism_threads (2), inter_op_parallelism_threads (5) = 1.
  std::string config = {0x10};
  for (auto rest = static_cast<unsigned>(threads);; rest >>= 7) {
    config += static_cast<char>((rest & 127) | (rest > 127 ? 128 : 0));
    if (rest <= 127) break;
  }
  config += {0x28, 1};
  TfStatus* status = tf()->new_status();
  TfeOptions* options = tf()->new_options();
  tf()->set_config(options, config.data(), config.size(), status);
  TfeContext* made = tf()->new_context(options, status);
  tf()->delete_options(options);
  const bool failed = tf()->get_code(status) != 0 || made == nullptr;
  const std::string said = tf()->message(status);
  tf()->delete_status(status);
  if (failed) throw Failure(CH_INTERNAL, "TensorFlow does not start: " + said);
  return made;
}

TfeContext* context_for(ch_engine& engine, uint32_t asked) {
  const int threads = static_cast<int>(std::clamp<uint32_t>(asked, 1, kMostThreads));
  std::lock_guard guard(engine.lock);
  const auto found = engine.contexts.find(threads);
  if (found != engine.contexts.end()) return found->second;
  if (engine.contexts.size() >= kMostContexts) {
    throw Failure(CH_BUDGET, "TensorFlow runs with " + std::to_string(kMostContexts) + " numbers of threads already",
                  "use one of these numbers of threads again");
  }
  return engine.contexts[threads] = new_context(threads);
}

ch_code open(const ch_host* host, const ch_open* options, ch_engine** out, ch_error* error) {
  return guarded(error, [&] {
    require_host(host);
    std::string reason;
    if (!load_tensorflow(std::string(view(options->folder)), reason))
      throw Failure(CH_UNAVAILABLE, reason,
                    std::string(kInstall) + ", or name the library in CHORUS_TENSORFLOW_LIBRARY");
    auto engine = std::make_unique<ch_engine>();
    engine->host = host;
    *out = engine.release();
  });
}

void describe(ch_engine*, ch_sink sink, void* user) {
  const char* version = tf()->version();
  sink(user, version, std::strlen(version));
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
    auto program = std::make_unique<ch_program>();
    program->engine = engine;
    program->context = context_for(*engine, options->threads);
    program->budget = options->memory_budget != 0 ? options->memory_budget : kNoBudget;
    program->walk = make_walk(*graph, true);
    *out = program.release();
  });
}

void free_program(ch_program* program) {
  ch_engine& engine = *program->engine;
  TfeContext* context = program->context;
  delete program;
  std::lock_guard guard(engine.lock);
  if (++engine.freed < kProgramsPerCleaning) return;
  engine.freed = 0;
  tf()->clear_caches(context);
}

ch_code instance(ch_program* program, ch_instance** out, ch_error* error) {
  return guarded(error, [&] { *out = std::make_unique<ch_instance>(program).release(); });
}

// Inside the host's memory of an input, which is borrowed for the call only.
bool is_borrowed(const void* data, const ch_run& run) {
  for (uint32_t i = 0; i < run.n_inputs; ++i) {
    const ch_buffer& buffer = run.inputs[i]->buffer;
    const auto* begin = static_cast<const char*>(buffer.data);
    if (data >= begin && data < begin + buffer.bytes) return true;
    for (uint64_t k = 0; k < run.inputs[i]->count; ++k) {
      const ch_buffer& item = run.inputs[i]->items[k]->buffer;
      const auto* at = static_cast<const char*>(item.data);
      if (data >= at && data < at + item.bytes) return true;
    }
  }
  return false;
}

const ch_value* show_tensor(Shown& shown, const Tensor& given, const ch_run& run) {
  Tensor tensor = given;
  shown.elements.emplace_back(tensor);
  if (is_borrowed(shown.elements.back().data(), run)) {
    tensor = copy_of(tensor.type(), tensor.dims(), shown.elements.back().data());
    shown.elements.emplace_back(tensor);
  }
  const int dtype = to_onnx(tensor.type());
  if (dtype == 0)
    throw Failure(CH_UNSUPPORTED, "TensorFlow made a tensor of its element type " + std::to_string(tensor.type()));
  ch_value& out = shown.values.emplace_back();
  out.size = sizeof out;
  out.kind = CH_TENSOR;
  out.dtype = static_cast<uint16_t>(dtype);
  const Ints& dims = shown.tensors.emplace_back(tensor).dims();
  out.rank = static_cast<uint32_t>(dims.size());
  out.dims = dims.data();
  out.buffer.size = sizeof out.buffer;
  out.buffer.fd = -1;
  out.buffer.bytes = shown.elements.back().bytes();
  out.buffer.data = const_cast<void*>(shown.elements.back().data());
  return &out;
}

const ch_value* show(Shown& shown, const Slot& slot, const ch_type& type, const ch_run& run) {
  const bool optional = type.kind == CH_OPTIONAL;
  if (!optional && slot.tensor) return show_tensor(shown, slot.tensor, run);
  std::vector<const ch_value*> items;
  int dtype = type.dtype;
  if (optional && !slot.empty()) items.push_back(show(shown, slot, *type.elem, run));
  if (!optional && slot.list) {
    for (const Tensor& t : *slot.list) items.push_back(show_tensor(shown, t, run));
  }
  if (!items.empty()) dtype = items[0]->dtype;
  ch_value& out = shown.values.emplace_back();
  out.size = sizeof out;
  out.buffer.size = sizeof out.buffer;
  out.kind = optional ? CH_OPTIONAL : CH_SEQUENCE;
  out.dtype = static_cast<uint16_t>(dtype != 0 || type.elem == nullptr ? dtype : type.elem->dtype);
  out.count = items.size();
  out.items = shown.lists.emplace_back(std::move(items)).data();
  return &out;
}

Slot slot_of(const ch_value& value) {
  if (value.kind == CH_NONE) return {};
  if (value.kind == CH_TENSOR) return {view_of(value), nullptr};
  if (value.kind == CH_OPTIONAL) return value.count == 0 ? Slot() : slot_of(*value.items[0]);
  if (value.kind != CH_SEQUENCE)
    throw Failure(CH_UNSUPPORTED, "TensorFlow has no maps", "use another engine, such as native");
  Tensors items;
  for (uint64_t k = 0; k < value.count; ++k) items.push_back(view_of(*value.items[k]));
  return {{}, std::make_shared<const Tensors>(std::move(items))};
}

void give_output(Shown& shown, const Slot& slot, const ch_type& type, const ch_run& run, ch_output& out) {
  if (out.mode != CH_OUT_GIVEN) {
    out.mode = CH_OUT_BORROW;
    out.value = *show(shown, slot, type, run);
    return;
  }
  if (!slot.tensor) throw Failure(CH_INTERNAL, "a buffer was given for what is no tensor");
  const Ints& dims = slot.tensor.dims();
  const Elements made(slot.tensor);
  const Ints wanted(out.value.dims, out.value.dims + out.value.rank);
  if (to_onnx(slot.tensor.type()) != out.value.dtype || wanted != dims ||
      made.bytes() > out.value.buffer.bytes - out.value.offset)
    throw Failure(CH_SHAPE, "an output has another shape than the buffer that was given for it");
  if (made.bytes() > 0)
    std::memcpy(static_cast<char*>(out.value.buffer.data) + out.value.offset, made.data(), made.bytes());
}

ch_code run(ch_instance* self, const ch_run* given, ch_error* error) {
  const ch_code code = guarded(error, [&] {
    self->shown.clear();
    const ch_program& program = *self->program;
    const Walk& walk = *program.walk;
    self->slots = walk.start;
    for (uint32_t i = 0; i < given->n_inputs; ++i)
      self->slots[static_cast<size_t>(walk.inputs[i])] = slot_of(*given->inputs[i]);
    const Run with{self->runner, program.budget, program.engine->host,
                   (given->flags & CH_MAY_STOP) != 0 ? given : nullptr};
    walk.run(self->slots.data(), with);
    for (uint32_t i = 0; i < given->n_outputs; ++i) {
      ch_output& out = *given->outputs[i];
      if (out.mode == CH_OUT_SKIP) continue;
      give_output(self->shown, self->slots[static_cast<size_t>(walk.outputs[i])], *walk.output_types[i], *given, out);
    }
  });
  // The host's memory of the inputs is borrowed for this call only.
  self->slots.clear();
  self->runner.forget();
  return code;
}

}  // namespace

extern "C" const ch_engine_api* chorus_engine_v1(void) {
  static const ch_engine_api api = [] {
    auto a = table_of<ch_engine, ch_program, ch_instance>("tensorflow", "2.21", "2.21.0");
    a.open = open, a.claim = claim, a.compile = compile, a.instance = instance, a.run = run, a.describe = describe;
    a.free_program = free_program;
    a.wants = CH_WANTS_NEWEST;
    return a;
  }();
  return &api;
}
