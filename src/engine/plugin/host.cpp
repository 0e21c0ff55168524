#include <engine/plugin/host.h>

#include <core/log.h>
#include <engine/plugin/convert.h>
#include <format/onnx/writer.h>
#include <graph/image.h>
#include <graph/infer.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace chorus::plugin {
namespace {

template <size_t N>
std::string text(const char (&chars)[N]) {
  return {chars, strnlen(chars, N)};
}

template <size_t N>
void put(char (&room)[N], std::string_view text) noexcept {
  const size_t n = std::min(text.size(), N - 1);
  std::memcpy(room, text.data(), n);
  room[n] = 0;
}

// Runs a service's body; nothing is thrown across the interface.
template <class F>
ch_code guarded(ch_error* error, F&& body) noexcept {
  try {
    body();
    return CH_OK;
  } catch (const Error& e) {
    return fill(error, e);
  } catch (const std::exception& e) {
    return fill(error, Error(Code::internal, e.what()));
  }
}

std::string_view view(ch_str s) noexcept { return s.p == nullptr ? std::string_view() : std::string_view(s.p, s.n); }

ch_code alloc(ch_task* task, uint64_t bytes, uint64_t align, ch_buffer* out, ch_error* error) {
  return guarded(error, [&] {
    if (align > 64)
      throw Error(Code::unsupported, fmt::format("alignment {} was asked for; the host's memory has 64", align));
    if (bytes > static_cast<uint64_t>(INT64_MAX))
      throw Error(Code::budget, fmt::format("{} bytes were asked for", bytes));
    if (task != nullptr && task->budget_left.fetch_sub(static_cast<int64_t>(bytes)) < static_cast<int64_t>(bytes)) {
      task->budget_left.fetch_add(static_cast<int64_t>(bytes));
      throw Error(Code::budget, fmt::format("{} bytes are more than what is left of the run's budget", bytes), {},
                  "raise the memory budget");
    }
    auto owner = std::make_unique<ch_owner>();
    owner->buffer = Buffer::allocate(std::max<uint64_t>(bytes, 1));
    *out = buffer_view(owner->buffer.data(), bytes, 0);
    out->owner = owner.release();
  });
}

uint32_t workers(ch_task* task) {
  try {
    return task == nullptr ? 1u : static_cast<uint32_t>(task->pool().threads());
  } catch (const std::exception&) {
    return 1;   // no pool could be made
  }
}

void parallel(ch_task* task, uint64_t n, void (*body)(void*, uint64_t, uint32_t), void* user) {
  auto one = [&](int64_t i, int worker) { body(user, static_cast<uint64_t>(i), static_cast<uint32_t>(worker)); };
  ThreadPool* pool = nullptr;
  try {
    if (task != nullptr && n > 1) pool = &task->pool();
  } catch (const std::exception&) {
  }
  if (pool != nullptr && n <= static_cast<uint64_t>(INT64_MAX)) {
    pool->parallel_for(static_cast<int64_t>(n), one);
  } else {
    for (uint64_t i = 0; i < n; ++i) body(user, i, 0);
  }
}

ch_code stop(ch_task* task) {
  if (task == nullptr || task->options == nullptr || task->options->stop == nullptr) return CH_OK;
  return static_cast<ch_code>(task->options->stop->state());
}

void log_message(int32_t level, ch_str message) {
  const auto known = static_cast<LogLevel>(std::clamp<int32_t>(level, 0, CH_LOG_ERROR));
  log(known, "%.*s", static_cast<int>(std::min<uint64_t>(message.n, 1000)), message.p == nullptr ? "" : message.p);
}

void span(ch_task* task, uint32_t node, uint64_t t0, uint64_t t1) {
  if (task == nullptr || task->options == nullptr || task->options->times == nullptr) return;
  if (node >= task->view->order().size()) return;
  std::lock_guard lock(task->lock);
  try {
    task->options->times->push_back({static_cast<int32_t>(node), static_cast<int64_t>(t0), static_cast<int64_t>(t1)});
  } catch (const std::exception&) {   // a lost time is not worth a run
  }
}

const ch_host_graph& host_graph(const ch_graph* graph) {
  if (graph == nullptr || graph->host == nullptr)
    throw Error(Code::bad_input, "a body cannot be exported or decomposed by itself");
  return *graph->host;
}

ch_code export_model(const ch_graph* graph, ch_str format, int32_t max_opset, int32_t max_ir, ch_sink sink, void* user,
                     ch_error* error) {
  return guarded(error, [&] {
    if (view(format) == "chorus") {
      save_image(host_graph(graph).model,
                 [&](std::span<const std::byte> part) { sink(user, part.data(), part.size()); });
      return;
    }
    if (view(format) != "onnx") {
      throw Error(Code::unsupported, "format \"" + std::string(view(format)) + "\" is not known", {},
                  "ask for \"onnx\" or \"chorus\"");
    }
    Model model = host_graph(graph).model;
    if (!model.graph->opsets.contains("")) {   // built here: its nodes are of the newest versions
      auto dated = std::make_shared<Graph>(*model.graph);
      dated->opsets[""] = newest_opset("");
      model.graph = std::move(dated);
    }
    onnx::WriteOptions options;
    int opset = model.graph->opsets.at("");
    if (max_opset > 0 && opset > max_opset) options.opset = opset = max_opset;
    if (max_ir > 0) {
      const int64_t least = onnx::least_ir_version(model, *model.graph);
      if (least > max_ir) {
        throw Error(Code::unsupported,
                    fmt::format("the model needs IR version {}, the engine reads up to {}", least, max_ir));
      }
      // Below IR version 4 ONNX Runtime takes the default of an input for a constant; the versions mean the same.
      const int64_t wanted = model.ir_version != 0 ? model.ir_version : onnx::ir_version_of_opset(opset);
      options.ir_version = std::clamp<int64_t>(std::max<int64_t>(wanted, 4), least, max_ir);
    }
    const std::string bytes = onnx::write_model(model, options);
    sink(user, bytes.data(), bytes.size());
  });
}

// One node with its operands as inputs (constants stay constants), rewritten by its row.
Model decomposed(const ch_host_graph& from, uint32_t index) {
  if (index >= from.order.size())
    throw Error(Code::bad_input, fmt::format("the graph has {} nodes, none of index {}", from.order.size(), index));
  const Graph& graph = *from.model.graph;
  const Node& node = graph.node(from.order[index]);
  const Decompose* rule = node.op == nullptr ? nullptr : std::get_if<Decompose>(&node.op->meaning);
  if (rule == nullptr || node.version + 1 != static_cast<int>(node.op->versions.size()) || !node.captured.empty()) {
    throw Error(Code::unsupported, node.type + ": there is no decomposition of this version of the operator",
                graph.where(from.order[index]));
  }
  auto part = std::make_shared<Graph>();
  part->opsets = graph.opsets;
  Node copy = node;
  std::vector<std::pair<ValueId, ValueId>> known;
  for (ValueId& id : copy.inputs) {
    if (id == kNone) continue;
    const auto seen = std::find_if(known.begin(), known.end(), [&](const auto& pair) { return pair.first == id; });
    if (seen != known.end()) {
      id = seen->second;
      continue;
    }
    const GraphValue& v = graph.value(id);
    const ValueId own = v.is_constant() ? part->add_constant(v.name, v.constant) : part->add_input(v.name, v.type);
    known.emplace_back(id, own);
    id = own;
  }
  for (ValueId& id : copy.outputs) {
    if (id != kNone) id = part->add_value(graph.value(id).name, graph.value(id).type);
  }
  const std::vector<ValueId> outputs = copy.outputs;
  const NodeId made = part->add_node(std::move(copy));
  for (ValueId id : outputs) {
    if (id != kNone) part->add_output(id);
  }
  std::string reason;
  if (!Expander::expand(*part, made, *rule, &reason)) throw Error(Code::unsupported, node.type + ": " + reason);
  infer_types(*part);
  Model model;
  model.graph = std::move(part);
  model.ir_version = from.model.ir_version;
  return model;
}

ch_code decompose(const ch_graph* graph, uint32_t node, const ch_graph** out, ch_owner** keep, ch_error* error) {
  return guarded(error, [&] {
    auto made = std::make_shared<GraphView>(decomposed(host_graph(graph), node));
    auto owner = std::make_unique<ch_owner>();
    *out = made->get();
    owner->any = std::move(made);
    *keep = owner.release();
  });
}

ch_code cache_file(ch_str key, int32_t writing, int32_t* fd, ch_error* error) {
  return guarded(error, [&] {
    const std::string name(view(key));
    const bool fits = !name.empty() && name.size() <= 120 && name[0] != '.' &&
                      name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
                          std::string::npos;
    if (!fits)
      throw Error(Code::bad_input, "\"" + name + "\" is no key of the cache", {}, "use up to 120 of A-Z a-z 0-9 . _ -");
    const char* folder = std::getenv("CHORUS_CACHE_DIR");
    if (folder == nullptr || *folder == 0)
      throw Error(Code::unavailable, "there is no cache folder", {}, "set CHORUS_CACHE_DIR");
    const std::string path = std::string(folder) + "/" + name;
    const int flags = (writing != 0 ? O_RDWR | O_CREAT | O_EXCL : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    *fd = ::open(path.c_str(), flags, 0600);
    if (*fd >= 0) return;
    const Code code = errno == EEXIST ? Code::already_exists : errno == ENOENT ? Code::not_found : Code::bad_input;
    throw Error(code, fmt::format("the cache file \"{}\" cannot be opened: {}", path, std::strerror(errno)));
  });
}

const void* extension(ch_str name) { return conversion(name); }

constexpr ch_host kHost = {sizeof(ch_host), CH_ABI_MAJOR, CH_ABI_MINOR, retain,      release, alloc,
                           workers,         parallel,     stop,         log_message, span,    export_model,
                           decompose,       cache_file,   extension};

}  // namespace

const ch_host* host() noexcept { return &kHost; }

void tap(ch_task* task, uint32_t node, uint32_t output, const ch_value* value) {
  if (task == nullptr || task->options->tap == nullptr || value == nullptr || node >= task->view->order().size())
    return;
  const Graph& graph = task->view->graph();
  const Node& n = graph.node(task->view->order()[node]);
  if (output >= n.outputs.size() || n.outputs[output] == kNone) return;
  const std::string& name = graph.value(n.outputs[output]).name;
  std::lock_guard lock(task->lock);
  try {
    (*task->options->tap)(name, checked_value(*value, "value \"" + name + "\""));
  } catch (const std::exception& error) {
    log(LogLevel::warning, "the tap of value \"%s\" failed: %s", name.c_str(), error.what());
  }
}

ch_error empty_error() noexcept {
  ch_error error{};
  error.size = sizeof error;
  error.node = -1;
  return error;
}

Error error_of(ch_code code, const ch_error& error, const std::string& who, const GraphView* view) {
  std::string what = text(error.what), where = text(error.where);
  if (code < CH_OK || code > CH_TYPE) {
    return Error(Code::internal, fmt::format("{} returned the unknown code {}: {}", who, code, what), where,
                 text(error.fix));
  }
  if (what.empty()) what = fmt::format("failed ({}) without a reason", code_name(static_cast<Code>(code)));
  if (where.empty() && view != nullptr && error.node >= 0 && static_cast<size_t>(error.node) < view->order().size()) {
    where = view->graph().where(view->order()[static_cast<size_t>(error.node)]);
  }
  return Error(static_cast<Code>(code), who + ": " + what, where, text(error.fix));
}

ch_code fill(ch_error* error, const Error& from) noexcept {
  if (error != nullptr) {
    put(error->what, from.message());
    put(error->where, from.where());
    put(error->fix, from.fix());
  }
  return static_cast<ch_code>(from.code());
}

}  // namespace chorus::plugin
