// TensorRT behind the plug-in interface: the whole model as ONNX bytes, one engine of TensorRT's per program, device memory per instance.
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <vector>

#include "tensorrt.h"

namespace chorus_tensorrt {

// Its errors, until somebody asks; from any thread.
class Messages final : public Logger {
 public:
  void log(Severity severity, const char* message) noexcept override {
    if (severity > Severity::error || message == nullptr) return;
    try {
      const std::lock_guard lock(mutex_);
      last_ = message;
    } catch (const std::exception&) {  // then without its words
    }
  }
  std::string take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(last_, {});
  }

 private:
  std::mutex mutex_;
  std::string last_;
};

}  // namespace chorus_tensorrt

struct ch_engine {
  const ch_host* host = nullptr;
  chorus_tensorrt::Functions f;
  std::string version;
  chorus_tensorrt::Messages messages;  // outlives what is made with it
  chorus_tensorrt::Object runtime;
};

struct ch_program {
  ch_engine* engine = nullptr;
  const ch_graph* graph = nullptr;  // the host keeps it as long as the program
  chorus_tensorrt::Object made;
  std::vector<std::string> inputs, outputs;  // names; empty: TensorRT has left it out
};

struct ch_instance {
  ch_program* program = nullptr;
  chorus_tensorrt::Object context;
  void* stream = nullptr;
  struct Room {
    void* data = nullptr;
    uint64_t bytes = 0;
  };
  std::vector<Room> inputs, outputs;  // on the device
  std::vector<std::vector<char>> results;
  std::vector<std::vector<int64_t>> dims;
  ~ch_instance() {
    const auto& f = program->engine->f;
    context.reset();
    for (const auto* rooms : {&inputs, &outputs}) {
      for (const Room& room : *rooms) {
        if (room.data != nullptr) f.free(room.data);
      }
    }
    if (stream != nullptr) f.destroy_stream(stream);
  }
};

namespace {

using namespace chorus_tensorrt;
using chorus_adapter::answer;
using chorus_adapter::guarded;
using chorus_adapter::onnx_bytes;
using chorus_adapter::require_host;
using chorus_adapter::table_of;

constexpr int kMaxOpset = 20, kMaxIr = 10;  // that its parser reads
constexpr const char* kInstall =
    "install NVIDIA TensorRT 10 and a CUDA driver, or name the libraries in CHORUS_TENSORRT_LIBRARY, "
    "CHORUS_TENSORRT_PARSER and CHORUS_CUDART_LIBRARY";

[[noreturn]] void refuse(ch_engine& engine, const std::string& what) {
  const std::string said = engine.messages.take();
  throw Failure(CH_UNSUPPORTED, "TensorRT " + what + (said.empty() ? "" : ": " + said),
                "use another engine, such as native");
}

void check_cuda(const Functions& f, int status, const char* what) {
  if (status != 0) throw Failure(CH_DEVICE_LOST, std::string(what) + ": " + f.error_text(status));
}

ch_code open(const ch_host* host, const ch_open* options, ch_engine** out, ch_error* error) {
  return guarded(error, [&] {
    require_host(host);
    auto engine = std::make_unique<ch_engine>();
    engine->host = host;
    std::string reason;
    if (!load_tensorrt(std::string(view(options->folder)), engine->f, engine->version, reason))
      throw Failure(CH_UNAVAILABLE, reason, kInstall);
    engine->runtime.reset(engine->f.create_runtime(&engine->messages, engine->f.version()));
    if (!engine->runtime)
      throw Failure(CH_UNAVAILABLE, "TensorRT does not start: " + engine->messages.take(), kInstall);
    *out = engine.release();
  });
}

void describe(ch_engine* engine, ch_sink sink, void* user) {
  sink(user, engine->version.data(), engine->version.size());
}

// What the parser makes of a model: builder, network and what it said. The parser goes before its network.
struct Parsed {
  Object builder, network;
  Parser parser;
  bool whole = false;
};

Parsed parse(ch_engine& engine, const std::string& bytes) {
  Parsed made;
  made.builder.reset(engine.f.create_builder(&engine.messages, engine.f.version()));
  if (!made.builder) refuse(engine, "makes no builder");
  made.network.reset(builder_network(made.builder.get()));
  if (!made.network) refuse(engine, "makes no network");
  made.parser.reset(engine.f.create_parser(made.network.get(), &engine.messages, engine.f.parser_version()));
  if (!made.parser) refuse(engine, "makes no parser");
  made.whole = parser_parse(made.parser.get(), bytes.data(), bytes.size());
  return made;
}

// What can be told from types and sizes.
std::string type_refusal(const ch_graph& graph, const ch_node& node) {
  for (const auto& [list, n] : {std::pair(node.inputs, node.n_inputs), std::pair(node.outputs, node.n_outputs)}) {
    for (uint32_t i = 0; i < n; ++i) {
      if (list[i] == CH_NO_INDEX) continue;
      const ch_type& type = *graph.values[list[i]]->type;
      const std::string op(view(node.op));
      if (type.kind > CH_TENSOR) return op + ": TensorRT has tensors alone, no sequences, optional values or maps";
      if (type.kind == CH_TENSOR && type.dtype != 0 && from_onnx(type.dtype) < 0)
        return op + ": TensorRT has no element type of ONNX's number " + std::to_string(type.dtype);
      if (type.has_rank != 0 && type.rank > static_cast<uint32_t>(Dims::kMost))
        return op + ": TensorRT's tensors have at most 8 axes";
    }
  }
  for (uint32_t i = 0; i < node.n_inputs; ++i) {
    if (node.inputs[i] == CH_NO_INDEX) continue;
    const auto end = graph.inputs + graph.n_inputs;
    const ch_type& type = *graph.values[node.inputs[i]]->type;
    const bool open =
        type.has_rank == 0 || std::any_of(type.dims, type.dims + type.rank, [](int64_t d) { return d < 0; });
    if (open && std::find(graph.inputs, end, node.inputs[i]) != end)
      return std::string(view(node.op)) +
             ": an input's size is not known before the run, and engines are built for sizes";
  }
  return {};
}

void mark(const ch_graph& graph, void* parser, std::vector<std::string>& reasons) {
  bool any = false;
  std::string first = "the parser gives no reason";
  for (int i = 0; i < parser_errors(parser); ++i) {
    void* const error = parser_error(parser, i);
    const int node = error_node(error);
    const char* const text = error_text(error);
    if (i == 0 && text != nullptr) first = text;
    if (node < 0 || node >= static_cast<int>(graph.n_nodes)) continue;
    any = true;
    std::string& reason = reasons[static_cast<size_t>(node)];
    if (reason.empty())
      reason = std::string(view(graph.nodes[node]->op)) + ": TensorRT: " + (text == nullptr ? "" : text);
  }
  if (any) return;
  for (std::string& reason : reasons) reason = "TensorRT does not read the model: " + first;
}

std::vector<std::string> refusals(ch_engine& engine, const ch_graph& graph) {
  std::vector<std::string> reasons(graph.n_nodes);
  bool refused = false;
  for (uint32_t i = 0; i < graph.n_nodes; ++i) {
    reasons[i] = type_refusal(graph, *graph.nodes[i]);
    refused = refused || !reasons[i].empty();
  }
  if (refused) return reasons;
  try {
    const Parsed parsed = parse(engine, onnx_bytes(*engine.host, graph, kMaxOpset, kMaxIr));
    if (!parsed.whole) mark(graph, parsed.parser.get(), reasons);
  } catch (const Failure& failure) {
    if (failure.code != CH_UNSUPPORTED) throw;
    for (std::string& reason : reasons) reason = failure.what();
  }
  return reasons;
}

ch_code claim(ch_engine* engine, const ch_graph* graph, const ch_options*, ch_claim* const* claims, uint32_t n,
              ch_error* error) {
  return guarded(error, [&] {
    const std::vector<std::string> reasons = refusals(*engine, *graph);
    for (uint32_t i = 0; i < n && i < reasons.size(); ++i) answer(*claims[i], reasons[i]);
  });
}

// Of the model's bytes and of what else an engine depends on (FNV-1a).
std::string key_of(const ch_engine& engine, const std::string& bytes, int precision) {
  uint64_t hash = 1469598103934665603u;
  for (unsigned char c : bytes) hash = (hash ^ c) * 1099511628211u;
  return "tensorrt-" + engine.version + "-" + std::to_string(precision) + "-" + std::to_string(bytes.size()) + "-" +
         std::to_string(hash);
}

std::string read_cache(const ch_host& host, const std::string& key) {
  std::string bytes;
  int32_t fd = -1;
  ch_error error{};
  error.size = sizeof error;
  if (host.size <= offsetof(ch_host, cache_file) || host.cache_file == nullptr) return bytes;
  if (host.cache_file({key.data(), key.size()}, 0, &fd, &error) != CH_OK) return bytes;
  char piece[65536];
  for (ssize_t n = 0; (n = ::read(fd, piece, sizeof piece)) > 0;) bytes.append(piece, static_cast<size_t>(n));
  ::close(fd);
  return bytes;
}

void write_cache(const ch_host& host, const std::string& key, const std::string& bytes) {
  int32_t fd = -1;
  ch_error error{};
  error.size = sizeof error;
  if (host.size <= offsetof(ch_host, cache_file) || host.cache_file == nullptr) return;
  if (host.cache_file({key.data(), key.size()}, 1, &fd, &error) != CH_OK) return;
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = ::write(fd, bytes.data() + at, bytes.size() - at);
    if (n <= 0) break;  // what is cut short does not load, and is built again
    at += static_cast<size_t>(n);
  }
  ::close(fd);
}

std::string build(ch_engine& engine, const ch_graph& graph, const std::string& bytes, int precision) {
  const Parsed parsed = parse(engine, bytes);
  if (!parsed.whole) {
    std::vector<std::string> reasons(graph.n_nodes);
    mark(graph, parsed.parser.get(), reasons);
    const auto first = std::find_if(reasons.begin(), reasons.end(), [](const std::string& r) { return !r.empty(); });
    refuse(engine, "does not take the model: " + (first == reasons.end() ? std::string() : *first));
  }
  const Object config(builder_config(parsed.builder.get()));
  if (!config) refuse(engine, "makes no configuration");
  config_clear(config.get(), Flag::tf32);  // float32 means float32
  if (precision == CH_F16) config_set(config.get(), Flag::fp16);
  if (precision == CH_BF16) config_set(config.get(), Flag::bf16);
  const Object plan(builder_build(parsed.builder.get(), parsed.network.get(), config.get()));
  if (!plan) refuse(engine, "builds no engine");
  return {static_cast<const char*>(memory_data(plan.get())), memory_size(plan.get())};
}

void take_names(ch_program& program) {
  auto known = [&](const std::string& name, Place place) {
    for (int32_t i = 0; i < engine_tensors(program.made.get()); ++i) {
      const char* own = engine_tensor(program.made.get(), i);
      if (own != nullptr && name == own) return engine_place(program.made.get(), own) == place;
    }
    return false;
  };
  const ch_graph& graph = *program.graph;
  for (uint32_t i = 0; i < graph.n_inputs; ++i) {
    const std::string name(view(graph.values[graph.inputs[i]]->name));
    program.inputs.push_back(known(name, Place::input) ? name : std::string());
  }
  for (uint32_t i = 0; i < graph.n_outputs; ++i) {
    const std::string name(view(graph.values[graph.outputs[i]]->name));
    if (!known(name, Place::output))
      throw Failure(CH_UNSUPPORTED, "TensorRT's engine has no output \"" + name + "\"",
                    "use another engine, such as native");
    program.outputs.push_back(name);
  }
}

ch_code compile(ch_engine* engine, const ch_graph* graph, const ch_options* options, ch_program** out,
                ch_error* error) {
  return guarded(error, [&] {
    auto program = std::make_unique<ch_program>();
    program->engine = engine;
    program->graph = graph;
    const std::string bytes = onnx_bytes(*engine->host, *graph, kMaxOpset, kMaxIr);
    const std::string key = key_of(*engine, bytes, options->precision);
    const std::string kept = read_cache(*engine->host, key);
    if (!kept.empty()) program->made.reset(runtime_load(engine->runtime.get(), kept.data(), kept.size()));
    if (!program->made) {  // none, or of another device
      const std::string plan = build(*engine, *graph, bytes, options->precision);
      program->made.reset(runtime_load(engine->runtime.get(), plan.data(), plan.size()));
      if (!program->made) refuse(*engine, "does not load the engine that it built");
      write_cache(*engine->host, key, plan);
    }
    take_names(*program);
    *out = program.release();
  });
}

ch_code instance(ch_program* program, ch_instance** out, ch_error* error) {
  return guarded(error, [&] {
    auto made = std::make_unique<ch_instance>();
    made->program = program;
    made->context.reset(engine_context(program->made.get()));
    if (!made->context) refuse(*program->engine, "makes no context");
    check_cuda(program->engine->f, program->engine->f.create_stream(&made->stream), "making a stream");
    made->inputs.resize(program->inputs.size());
    made->outputs.resize(program->outputs.size());
    *out = made.release();
  });
}

void* room_of(const Functions& f, ch_instance::Room& room, uint64_t bytes) {
  bytes = std::max<uint64_t>(bytes, 1);  // an address is wanted for no elements as well
  if (room.bytes >= bytes) return room.data;
  if (room.data != nullptr) f.free(std::exchange(room.data, nullptr));
  room.bytes = 0;
  if (f.malloc(&room.data, bytes) != 0)
    throw Failure(CH_BUDGET, "the device has no room for " + std::to_string(bytes) + " bytes", "use smaller inputs");
  room.bytes = bytes;
  return room.data;
}

void give_inputs(ch_instance& self, const ch_run& run) {
  const ch_program& program = *self.program;
  const Functions& f = program.engine->f;
  for (uint32_t i = 0; i < run.n_inputs; ++i) {
    if (program.inputs[i].empty()) continue;  // nobody reads it
    const char* const name = program.inputs[i].c_str();
    const ch_value& value = *run.inputs[i];
    if (value.kind != CH_TENSOR || value.rank > static_cast<uint32_t>(Dims::kMost) ||
        to_onnx(engine_type(program.made.get(), name)) != value.dtype)
      throw Failure(CH_TYPE, "input \"" + program.inputs[i] + "\" is of another type than TensorRT's engine takes");
    Dims dims;
    dims.rank = static_cast<int32_t>(value.rank);
    std::copy(value.dims, value.dims + value.rank, dims.extents);
    if (!context_set_shape(self.context.get(), name, &dims))
      throw Failure(CH_SHAPE, "input \"" + program.inputs[i] + "\" has another shape than TensorRT's engine takes: " +
                                  program.engine->messages.take());
    const uint64_t bytes = value.buffer.bytes - value.offset;
    void* const to = room_of(f, self.inputs[i], bytes);
    if (bytes > 0)
      check_cuda(
          f,
          f.copy(to, static_cast<const char*>(value.buffer.data) + value.offset, bytes, Copy::to_device, self.stream),
          "giving an input");
    if (!context_set_address(self.context.get(), name, to)) refuse(*program.engine, "does not take an input's address");
  }
}

uint64_t bytes_of(const ch_instance& self, size_t i, int dtype) {
  uint64_t n = dtype == 7 ? 8 : dtype == 1 || dtype == 6 ? 4 : dtype == 10 || dtype == 16 ? 2 : 1;
  for (int64_t d : self.dims[i]) n *= static_cast<uint64_t>(d);
  return n;
}

void place_outputs(ch_instance& self, const ch_run& run) {
  const ch_program& program = *self.program;
  self.dims.resize(run.n_outputs);
  self.results.resize(run.n_outputs);
  for (uint32_t i = 0; i < run.n_outputs; ++i) {
    const char* const name = program.outputs[i].c_str();
    const Dims dims = context_shape(self.context.get(), name);
    if (dims.rank < 0 || dims.rank > Dims::kMost ||
        std::any_of(dims.extents, dims.extents + dims.rank, [](int64_t d) { return d < 0; }))
      throw Failure(CH_UNSUPPORTED, "output \"" + program.outputs[i] + "\" has a size that only the run knows",
                    "use another engine, such as native");
    self.dims[i].assign(dims.extents, dims.extents + dims.rank);
    const int dtype = to_onnx(engine_type(program.made.get(), name));
    if (dtype == 0) throw Failure(CH_INTERNAL, "TensorRT's engine makes an element type that ONNX has not");
    void* const room = room_of(program.engine->f, self.outputs[i], bytes_of(self, i, dtype));
    if (!context_set_address(self.context.get(), name, room))
      refuse(*program.engine, "does not take an output's address");
  }
}

void take_outputs(ch_instance& self, const ch_run& run) {
  const ch_program& program = *self.program;
  const Functions& f = program.engine->f;
  for (uint32_t i = 0; i < run.n_outputs; ++i) {
    ch_output& out = *run.outputs[i];
    if (out.mode == CH_OUT_SKIP) continue;
    const int dtype = to_onnx(engine_type(program.made.get(), program.outputs[i].c_str()));
    const uint64_t bytes = bytes_of(self, i, dtype);
    char* to = nullptr;
    if (out.mode == CH_OUT_GIVEN) {
      if (out.value.dtype != dtype ||
          std::vector<int64_t>(out.value.dims, out.value.dims + out.value.rank) != self.dims[i])
        throw Failure(CH_SHAPE, "an output has another shape than the buffer that was given for it");
      to = static_cast<char*>(out.value.buffer.data) + out.value.offset;
    } else {
      self.results[i].resize(bytes);
      to = self.results[i].data();
      out.mode = CH_OUT_BORROW;
      out.value = ch_value{};
      out.value.size = sizeof out.value;
      out.value.kind = CH_TENSOR;
      out.value.dtype = static_cast<uint16_t>(dtype);
      out.value.rank = static_cast<uint32_t>(self.dims[i].size());
      out.value.dims = self.dims[i].data();
      out.value.buffer.size = sizeof out.value.buffer;
      out.value.buffer.fd = -1;
      out.value.buffer.data = bytes == 0 ? nullptr : to;
      out.value.buffer.bytes = bytes;
    }
    if (bytes > 0)
      check_cuda(f, f.copy(to, self.outputs[i].data, bytes, Copy::to_host, self.stream), "reading an output");
  }
}

ch_code run(ch_instance* self, const ch_run* run, ch_error* error) {
  return guarded(error, [&] {
    ch_engine& engine = *self->program->engine;
    try {
      give_inputs(*self, *run);
      place_outputs(*self, *run);
      if (!context_enqueue(self->context.get(), self->stream)) refuse(engine, "does not run");
      take_outputs(*self, *run);
    } catch (...) {
      engine.f.wait(self->stream);  // nothing may still read or write what the host owns
      throw;
    }
    check_cuda(engine.f, engine.f.wait(self->stream), "running the model");
  });
}

uint64_t memory(ch_instance* self) {
  uint64_t bytes = 0;
  for (const auto* rooms : {&self->inputs, &self->outputs}) {
    for (const auto& room : *rooms) bytes += room.bytes;
  }
  for (const auto& result : self->results) bytes += result.size();
  return bytes;
}

}  // namespace

extern "C" const ch_engine_api* chorus_engine_v1(void) {
  static const ch_engine_api api = [] {
    auto a = table_of<ch_engine, ch_program, ch_instance>("tensorrt", "10", "");
    a.open = open, a.claim = claim, a.compile = compile, a.instance = instance, a.run = run, a.describe = describe;
    a.memory = memory;
    return a;
  }();
  return &api;
}
