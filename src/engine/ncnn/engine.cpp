// ncnn behind the plug-in interface: a net of fixed sizes for each set of input sizes, written by the host.
#include <chorus/engine_formats.h>

#include <algorithm>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "net.h"

struct ch_engine {
  chorus_ncnn::Functions ncnn{};
  std::string version;
  const ch_host* host = nullptr;
  ch_export_sized export_sized = nullptr;
  ch_format_claims format_claims = nullptr;
};

namespace chorus_ncnn {
namespace {

constexpr const char* kInstall = "./dev engines ncnn";
constexpr size_t kMostNets = 16;  // of one program, for different sizes
constexpr ch_str kFormat = {"ncnn", 4};

using Sizes = std::vector<std::vector<int64_t>>;

}  // namespace
}  // namespace chorus_ncnn

struct ch_program {
  ch_engine* engine = nullptr;
  const ch_graph* graph = nullptr;  // lives as long as the program
  int threads = 1;
  std::vector<int> output_types;
  std::mutex lock;
  std::list<std::pair<chorus_ncnn::Sizes, std::shared_ptr<const chorus_ncnn::Net>>> nets;  // the last used first
};

struct ch_instance {
  ch_program* program = nullptr;
  std::shared_ptr<const chorus_ncnn::Net> net;  // of the results
  std::vector<std::vector<char>> results;
};

namespace {

using namespace chorus_ncnn;

template <class F>
F extension(const ch_host& host, std::string_view name) {
  if (host.size < offsetof(ch_host, extension) + sizeof host.extension) return nullptr;
  return reinterpret_cast<F>(const_cast<void*>(host.extension({name.data(), name.size()})));
}

ch_code open(const ch_host* host, const ch_open* options, ch_engine** out, ch_error* error) {
  return guarded(error, [&] {
    require_host(host);
    auto engine = std::make_unique<ch_engine>();
    engine->host = host;
    engine->export_sized = extension<ch_export_sized>(*host, "export_sized");
    engine->format_claims = extension<ch_format_claims>(*host, "format_claims");
    if (engine->export_sized == nullptr || engine->format_claims == nullptr)
      throw Failure(CH_UNSUPPORTED, "the host writes no nets of ncnn", "use a newer Chorus");
    std::string reason;
    if (!load_ncnn(std::string(view(options->folder)), engine->ncnn, engine->version, reason))
      throw Failure(CH_UNAVAILABLE, reason, std::string(kInstall) + ", or name the library in CHORUS_NCNN_LIBRARY");
    *out = engine.release();
  });
}

void describe(ch_engine* engine, ch_sink sink, void* user) {
  sink(user, engine->version.data(), engine->version.size());
}

void check(ch_code code, const ch_error& error) {
  if (code != CH_OK) throw Failure(code, error.what[0] != 0 ? error.what : "the host failed", error.fix, error.node);
}

ch_code claim(ch_engine* engine, const ch_graph* graph, const ch_options*, ch_claim* const* claims, uint32_t n,
              ch_error* error) {
  return engine->format_claims(graph, kFormat, claims, n, error);
}

std::shared_ptr<const Net> make_net(const ch_program& program, const Sizes& sizes) {
  const ch_graph& graph = *program.graph;
  std::vector<ch_value> values(graph.n_inputs);
  std::vector<const ch_value*> list;
  for (uint32_t i = 0; i < graph.n_inputs; ++i) {
    ch_value& v = values[i];
    v = ch_value{};
    v.size = sizeof v;
    v.kind = CH_TENSOR;
    v.rank = static_cast<uint32_t>(sizes[i].size());
    v.dims = sizes[i].data();
    list.push_back(&v);
  }
  struct Bytes {
    std::string text;
    bool lost = false;
  } bytes;
  const ch_sink append = [](void* user, const void* piece, uint64_t n) {
    auto& to = *static_cast<Bytes*>(user);
    try {
      to.text.append(static_cast<const char*>(piece), n);
    } catch (const std::exception&) {
      to.lost = true;
    }
  };
  ch_error error{};
  error.size = sizeof error;
  error.node = -1;
  check(program.engine->export_sized(&graph, kFormat, list.data(), graph.n_inputs, append, &bytes, &error), error);
  if (bytes.lost) throw Failure(CH_BUDGET, "there is no memory for the net", "use a smaller model");
  return std::make_shared<const Net>(program.engine->ncnn, std::move(bytes.text), program.threads);
}

std::shared_ptr<const Net> net_for(ch_program& program, Sizes sizes) {
  const std::lock_guard lock(program.lock);
  auto& nets = program.nets;
  const auto known = std::find_if(nets.begin(), nets.end(), [&](const auto& one) { return one.first == sizes; });
  if (known != nets.end()) {
    nets.splice(nets.begin(), nets, known);
  } else {
    auto made = make_net(program, sizes);
    nets.emplace_front(std::move(sizes), std::move(made));
    if (nets.size() > kMostNets) nets.pop_back();
  }
  return nets.front().second;
}

// The sizes, where the model says them all.
bool fixed_sizes(const ch_graph& graph, Sizes& sizes) {
  for (uint32_t i = 0; i < graph.n_inputs; ++i) {
    const ch_type* type = graph.values[graph.inputs[i]]->type;
    if (type == nullptr || type->kind != CH_TENSOR || type->has_rank == 0) return false;
    sizes.emplace_back(type->dims, type->dims + type->rank);
    if (std::find(sizes.back().begin(), sizes.back().end(), -1) != sizes.back().end()) return false;
  }
  return true;
}

ch_code compile(ch_engine* engine, const ch_graph* graph, const ch_options* options, ch_program** out,
                ch_error* error) {
  return guarded(error, [&] {
    auto program = std::make_unique<ch_program>();
    program->engine = engine;
    program->graph = graph;
    program->threads = static_cast<int>(std::clamp<uint32_t>(options->threads, 1, 1024));
    for (uint32_t i = 0; i < graph->n_outputs; ++i) {
      const ch_type* type = graph->values[graph->outputs[i]]->type;
      program->output_types.push_back(type != nullptr ? type->dtype : 1);
    }
    Sizes sizes;
    if (fixed_sizes(*graph, sizes)) net_for(*program, std::move(sizes));
    *out = program.release();
  });
}

ch_code instance(ch_program* program, ch_instance** out, ch_error* error) {
  return guarded(error, [&] {
    auto made = std::make_unique<ch_instance>();
    made->program = program;
    made->results.resize(program->graph->n_outputs);
    *out = made.release();
  });
}

void give(const Port& port, int dtype, std::vector<char>& bytes, ch_output& out) {
  if (out.mode == CH_OUT_GIVEN) {
    const bool fits = out.value.dtype == dtype && out.value.rank == port.shape.size() &&
                      std::equal(port.shape.begin(), port.shape.end(), out.value.dims) &&
                      bytes.size() <= out.value.buffer.bytes - out.value.offset;
    if (!fits) throw Failure(CH_SHAPE, "an output has another shape than the buffer that was given for it");
    std::memcpy(static_cast<char*>(out.value.buffer.data) + out.value.offset, bytes.data(), bytes.size());
    return;
  }
  out.mode = CH_OUT_BORROW;
  ch_value& v = out.value;
  v = ch_value{};
  v.size = sizeof v;
  v.kind = CH_TENSOR;
  v.dtype = static_cast<uint16_t>(dtype);
  v.rank = static_cast<uint32_t>(port.shape.size());
  v.dims = port.shape.data();
  v.buffer.size = sizeof v.buffer;
  v.buffer.fd = -1;
  v.buffer.data = bytes.data();
  v.buffer.bytes = bytes.size();
}

ch_code run(ch_instance* self, const ch_run* run, ch_error* error) {
  return guarded(error, [&] {
    ch_program& program = *self->program;
    Sizes sizes;
    for (uint32_t i = 0; i < run->n_inputs; ++i)
      sizes.emplace_back(run->inputs[i]->dims, run->inputs[i]->dims + run->inputs[i]->rank);
    self->net = net_for(program, std::move(sizes));
    self->net->run(*run, program.output_types, self->results);
    if ((run->flags & CH_MAY_STOP) != 0) {
      const ch_code stopped = program.engine->host->stop(run->task);
      if (stopped != CH_OK) throw Failure(stopped, "the run was ended");
    }
    for (uint32_t i = 0; i < run->n_outputs; ++i) {
      if (run->outputs[i]->mode != CH_OUT_SKIP)
        give(self->net->outputs()[i], program.output_types[i], self->results[i], *run->outputs[i]);
    }
  });
}

}  // namespace

extern "C" const ch_engine_api* chorus_engine_v1(void) {
  static const ch_engine_api api = [] {
    auto a = table_of<ch_engine, ch_program, ch_instance>("ncnn", "1.0.20261020", "");
    a.open = open, a.claim = claim, a.compile = compile, a.instance = instance, a.run = run, a.describe = describe;
    a.wants = CH_WANTS_NEWEST;
    return a;
  }();
  return &api;
}
