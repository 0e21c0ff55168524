// MindSpore behind the plug-in interface: the graph is walked operator by operator inside the plug-in.
#include <chorus/engine_abi.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "program.h"

struct ch_engine {
  const ch_host* host = nullptr;
};

struct ch_program {
  ch_engine* engine = nullptr;
  int threads = 1;
  uint64_t budget = 0;
  std::shared_ptr<const chorus_mindspore::Walk> walk;
};

namespace chorus_mindspore {
// Memory behind the ch_values of one run; cleared by the next.
struct Shown {
  std::deque<Tensor> tensors;
  std::deque<ch_value> values;
  std::deque<std::vector<const ch_value*>> lists;
  void clear() { *this = Shown(); }
};
}  // namespace chorus_mindspore

struct ch_instance {
  ch_program* program = nullptr;
  chorus_mindspore::Runner runner;
  chorus_mindspore::Shown shown;
  std::vector<chorus_mindspore::Slot> slots;
  explicit ch_instance(ch_program* p) : program(p), runner(p->threads) {}
};

namespace {

using namespace chorus_mindspore;

constexpr uint32_t kMostThreads = 256;
constexpr uint64_t kNoBudget = uint64_t{1} << 46;
constexpr const char* kVersion = CHORUS_MINDSPORE_VERSION;

ch_code open(const ch_host* host, const ch_open*, ch_engine** out, ch_error* error) {
  return guarded(error, [&] {
    require_host(host);
    start_mindspore();
    if (kernel_types("Add") == 0)
      throw Failure(CH_UNAVAILABLE, "MindSpore's library has no kernels for the processor", "./dev engines mindspore");
    auto engine = std::make_unique<ch_engine>();
    engine->host = host;
    *out = engine.release();
  });
}

void describe(ch_engine*, ch_sink sink, void* user) { sink(user, kVersion, std::strlen(kVersion)); }

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
    program->threads = static_cast<int>(std::clamp<uint32_t>(options->threads, 1, kMostThreads));
    program->budget = options->memory_budget != 0 ? options->memory_budget : kNoBudget;
    program->walk = make_walk(*graph, true);
    *out = program.release();
  });
}

ch_code instance(ch_program* program, ch_instance** out, ch_error* error) {
  return guarded(error, [&] { *out = std::make_unique<ch_instance>(program).release(); });
}

// Memory of the host (inputs) or of the program (constants) is not handed out as a result.
const ch_value* show_tensor(Shown& shown, const Tensor& given) {
  const Tensor& tensor =
      shown.tensors.emplace_back(given.owns() ? given : copy_of(given.type(), given.dims(), given.data()));
  ch_value& out = shown.values.emplace_back();
  out.size = sizeof out;
  out.kind = CH_TENSOR;
  out.dtype = static_cast<uint16_t>(tensor.type());
  out.rank = static_cast<uint32_t>(tensor.rank());
  out.dims = tensor.dims().data();
  out.buffer.size = sizeof out.buffer;
  out.buffer.fd = -1;
  out.buffer.bytes = tensor.bytes();
  out.buffer.data = tensor.data();
  return &out;
}

const ch_value* show(Shown& shown, const Slot& slot, const ch_type& type) {
  const bool optional = type.kind == CH_OPTIONAL;
  if (!optional && slot.tensor) return show_tensor(shown, slot.tensor);
  std::vector<const ch_value*> items;
  int dtype = type.dtype;
  if (optional && !slot.empty()) items.push_back(show(shown, slot, *type.elem));
  if (!optional && slot.list) {
    for (const Tensor& t : *slot.list) items.push_back(show_tensor(shown, t));
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
    throw Failure(CH_UNSUPPORTED, "MindSpore has no maps", "use another engine, such as native");
  Tensors items;
  for (uint64_t k = 0; k < value.count; ++k) items.push_back(view_of(*value.items[k]));
  return {{}, std::make_shared<const Tensors>(std::move(items))};
}

void give_output(Shown& shown, const Slot& slot, const ch_type& type, ch_output& out) {
  if (out.mode != CH_OUT_GIVEN) {
    out.mode = CH_OUT_BORROW;
    out.value = *show(shown, slot, type);
    return;
  }
  if (!slot.tensor) throw Failure(CH_INTERNAL, "a buffer was given for what is no tensor");
  const Tensor& made = slot.tensor;
  const Ints wanted(out.value.dims, out.value.dims + out.value.rank);
  if (made.type() != out.value.dtype || wanted != made.dims() ||
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
      give_output(self->shown, self->slots[static_cast<size_t>(walk.outputs[i])], *walk.output_types[i], out);
    }
  });
  self->slots.clear();   // the host's memory of the inputs is borrowed for this call only
  return code;
}

uint64_t memory(ch_instance* self) {
  uint64_t bytes = 0;
  for (const Tensor& t : self->shown.tensors) bytes += t.bytes();
  return bytes;
}

// A line per step: what it calls, and where that means something else.
void explain(ch_program* program, ch_str, ch_sink sink, void* user) {
  for (const Step& step : program->walk->steps) {
    std::string line(view(step.node->op));
    if (!step.row->kernels.empty()) line.append(" -> ").append(step.row->kernels);
    if (!step.row->difference.empty()) line.append("; differs: ").append(step.row->difference);
    line += '\n';
    sink(user, line.data(), line.size());
  }
}

}  // namespace

extern "C" const ch_engine_api* chorus_engine_v1(void) {
  static const ch_engine_api api = [] {
    auto a = table_of<ch_engine, ch_program, ch_instance>("mindspore", kVersion, kVersion);
    a.open = open, a.claim = claim, a.compile = compile, a.instance = instance, a.run = run, a.describe = describe;
    a.memory = memory, a.explain = explain;
    a.wants = CH_WANTS_NEWEST;
    return a;
  }();
  return &api;
}
