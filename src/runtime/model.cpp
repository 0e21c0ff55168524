#include <chorus/infer.h>
#include <chorus/model.h>

#include <core/cpu.h>
#include <engine/registry/registry.h>
#include <graph/image.h>
#include <runtime/custom_op.h>
#include <runtime/device.h>
#include <runtime/session.h>

#include <fmt/format.h>

#include <cstring>

namespace chorus::api {

struct Model::Impl {
  std::shared_ptr<const chorus::Model> model;
};

struct CompiledModel::Impl {
  std::shared_ptr<Compiled> compiled;
};

Model::Model(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Model::~Model() = default;
Model::Model(const Model&) = default;
Model& Model::operator=(const Model&) = default;
CompiledModel::CompiledModel(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
CompiledModel::~CompiledModel() = default;
CompiledModel::CompiledModel(const CompiledModel&) = default;
CompiledModel& CompiledModel::operator=(const CompiledModel&) = default;

namespace {

onnx::ReadLimits limits_of(const LoadOptions& options) {
  onnx::ReadLimits limits;
  limits.file_bytes = options.max_bytes;
  limits.tensor_bytes = options.max_tensor_bytes;
  return limits;
}

std::string_view kind_name(ValueKind kind) {
  switch (kind) {
    case ValueKind::tensor: return "tensor";
    case ValueKind::sequence: return "sequence";
    case ValueKind::optional: return "optional";
    case ValueKind::map: return "map";
    case ValueKind::none: break;
  }
  return "unknown";
}

/// "NCHW" when an operator whose row says channels first reads or writes the value.
std::string layout_of(const Graph& graph, ValueId id) {
  const GraphValue& v = graph.value(id);
  const auto channels_first = [&](NodeId n) {
    const Node& node = graph.node(n);
    return node.op != nullptr && node.op->layout == Layout::channels_first;
  };
  bool yes = v.producer != kNone && channels_first(v.producer);
  for (const Use& use : v.uses) yes = yes || (use.operand == 0 && channels_first(use.node));
  if (!yes || !v.type.has_rank) return "";
  return v.type.rank() == 3 ? "NCW" : v.type.rank() == 4 ? "NCHW" : v.type.rank() == 5 ? "NCDHW" : "";
}

std::vector<PortInfo> ports(const Graph& graph, std::span<const ValueId> ids) {
  std::vector<PortInfo> list;
  for (ValueId id : ids) {
    const GraphValue& v = graph.value(id);
    PortInfo port;
    port.name = v.name;
    port.kind = kind_name(v.type.kind);
    port.dtype = v.type.dtype;
    port.has_rank = v.type.has_rank;
    for (const Dim& d : v.type.dims) {
      port.shape.push_back(d.is_number() ? d.number() : -1);
      port.dims.push_back(d.str());
    }
    port.layout = layout_of(graph, id);
    list.push_back(std::move(port));
  }
  return list;
}

/// FNV-1a, eight bytes at a time.
class Hash {
 public:
  void add(const void* data, size_t bytes) {
    const auto* p = static_cast<const unsigned char*>(data);
    for (; bytes >= 8; bytes -= 8, p += 8) {
      uint64_t word;
      std::memcpy(&word, p, 8);
      mix(word);
    }
    uint64_t tail = 0;
    std::memcpy(&tail, p, bytes);
    mix(tail ^ (uint64_t{bytes} << 56));
  }
  uint64_t value() const { return state_ ^ (state_ >> 29); }

 private:
  void mix(uint64_t word) { state_ = (state_ ^ word ^ (word >> 32)) * 0x100000001b3ULL; }
  uint64_t state_ = 0xcbf29ce484222325ULL;
};

template <class Function>
void for_each_parameter(const Graph& graph, Function&& function) {
  for (ValueId id = 0; id < graph.value_capacity(); ++id) {
    const GraphValue& v = graph.value(id);
    if (v.alive && v.is_constant()) function(v);
  }
}

}  // namespace

Model Model::Load(const std::string& path, const LoadOptions& options) {
  return Model(std::make_shared<const Impl>(Impl{load_model(path, options.params, limits_of(options))}));
}

Model Model::LoadBuffer(const void* data, size_t bytes, std::shared_ptr<const void> owner, const LoadOptions& options) {
  if (data == nullptr) throw Error(Code::bad_input, "the model in memory is empty (null)");
  if (!owner) {
    auto copy =
        std::make_shared<std::vector<char>>(static_cast<const char*>(data), static_cast<const char*>(data) + bytes);
    data = copy->data();
    owner = copy;
  }
  return Model(std::make_shared<const Impl>(
      Impl{load_model({static_cast<const char*>(data), bytes}, std::move(owner), options.params, limits_of(options))}));
}

Model Model::LoadCallback(const Reader& read, const LoadOptions& options) {
  constexpr size_t kBlock = 1 << 20;
  auto bytes = std::make_shared<std::vector<char>>();
  for (;;) {
    const size_t at = bytes->size();
    bytes->resize(at + kBlock);
    const size_t got = read(bytes->data() + at, kBlock);
    if (got > kBlock)
      throw Error(Code::bad_input, fmt::format("the callback gave {} bytes into a buffer of {}", got, kBlock));
    bytes->resize(at + got);
    if (got == 0) break;
    if (static_cast<int64_t>(bytes->size()) > options.max_bytes) {
      throw Error(Code::budget, fmt::format("the model of the callback is larger than {} bytes", options.max_bytes));
    }
  }
  return LoadBuffer(bytes->data(), bytes->size(), bytes, options);
}

std::vector<PortInfo> Model::inputs() const { return ports(*impl_->model->graph, impl_->model->graph->inputs()); }
std::vector<PortInfo> Model::outputs() const { return ports(*impl_->model->graph, impl_->model->graph->outputs()); }

std::vector<NodeInfo> Model::nodes() const {
  const Graph& graph = *impl_->model->graph;
  std::vector<NodeInfo> list;
  const auto names = [&](const std::vector<ValueId>& ids) {
    std::vector<std::string> result;
    for (ValueId id : ids) result.push_back(id == kNone ? "" : graph.value(id).name);
    return result;
  };
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    list.push_back(
        {n.name, n.domain, n.type, n.op != nullptr ? n.schema().since : 0, names(n.inputs), names(n.outputs)});
  }
  return list;
}

std::vector<ParameterInfo> Model::parameters() const {
  std::vector<ParameterInfo> list;
  for_each_parameter(*impl_->model->graph, [&](const GraphValue& v) {
    const Value& c = v.constant;
    const int64_t bytes = c.dtype() == DType::string || !c.is_tensor() ? 0 : dtype_bytes(c.dtype(), c.numel());
    list.push_back({v.name, c.dtype(), {c.shape().begin(), c.shape().end()}, bytes});
  });
  return list;
}

std::pair<const void*, size_t> Model::parameter_data(const std::string& name) const {
  const Graph& graph = *impl_->model->graph;
  const ValueId id = graph.find_value(name);
  if (id == kNone || !graph.value(id).is_constant())
    throw Error(Code::not_found, "the model has no parameter \"" + name + "\"", impl_->model->source);
  const Value& c = graph.value(id).constant;
  if (!c.is_tensor() || c.dtype() == DType::string) return {nullptr, 0};
  return {c.data(), static_cast<size_t>(dtype_bytes(c.dtype(), c.numel()))};
}

const std::string& Model::source() const noexcept { return impl_->model->source; }
std::vector<std::pair<std::string, std::string>> Model::metadata() const { return impl_->model->metadata; }
std::vector<std::pair<std::string, int64_t>> Model::opsets() const {
  const auto& all = impl_->model->graph->opsets;
  return {all.begin(), all.end()};
}
std::string Model::producer() const {
  const chorus::Model& m = *impl_->model;
  return m.producer_version.empty() ? m.producer_name : m.producer_name + " " + m.producer_version;
}
int64_t Model::ir_version() const noexcept { return impl_->model->ir_version; }
std::string Model::graph() const { return impl_->model->graph->str(); }

uint64_t Model::graph_hash() const {
  Hash hash;
  const std::string text = graph();
  hash.add(text.data(), text.size());
  for_each_parameter(*impl_->model->graph, [&](const GraphValue& v) {
    hash.add(v.name.data(), v.name.size());
    const auto [data, bytes] = parameter_data(v.name);
    if (bytes > 0) hash.add(data, bytes);
    if (v.constant.dtype() == DType::string)
      hash.add(v.constant.strings().bytes.data(), v.constant.strings().bytes.size());
  });
  return hash.value();
}

int64_t Model::weight_bytes() const {
  int64_t sum = 0;
  for (const ParameterInfo& p : parameters()) sum += p.bytes;
  return sum;
}

namespace {
std::shared_ptr<Compiled> compile_for(std::shared_ptr<const chorus::Model> model, const CompileOptions& options,
                                      const Device& device) {
  const DeviceSettings settings = DeviceAccess::of(device);
  chorus::CompileOptions compile;
  compile.threads = settings.threads;
  compile.precision = parse_precision(options.precision);
  compile.optimize = options.optimize ? 1 : 0;
  compile.reference_kernels = options.reference_kernels;
  compile.memory_budget = options.memory_limit;
  compile.pool = make_pool(settings.threads, settings.affinity, settings.external, settings.external_user);
  const std::string engine = options.engine.empty() ? default_engine() : options.engine;
  if (engine == "auto") compile.more = auto_settings_of({}, Config::Impl().accuracy_bound, options.cache_dir);
  return compile_model(std::move(model), open_complete_engine(engine), std::move(compile), options.outputs,
                       {options.cache_dir, options.cache_bytes});
}
}  // namespace

int Model::RegisterFunctions() const { return register_functions(*impl_->model); }

CompiledModel Model::Compile(const CompileOptions& options) const { return Compile(options, Device::Open("cpu")); }

CompiledModel Model::Compile(const CompileOptions& options, const Device& device) const {
  return CompiledModel(
      std::make_shared<CompiledModel::Impl>(CompiledModel::Impl{compile_for(impl_->model, options, device)}));
}

void CompiledModel::Save(const std::string& path) const { save_image_file(impl_->compiled->optimized(), path); }

CompiledModel CompiledModel::Load(const std::string& path, const CompileOptions& options) {
  return Load(path, options, Device::Open("cpu"));
}

CompiledModel CompiledModel::Load(const std::string& path, const CompileOptions& options, const Device& device) {
  load_plugins_of_environment();
  auto model = std::make_shared<const chorus::Model>(load_image_file(path));
  return CompiledModel(std::make_shared<Impl>(Impl{compile_for(std::move(model), options, device)}));
}

Instance CompiledModel::CreateInstance() const { return CreateInstance(InstanceOptions{}); }

Instance CompiledModel::CreateInstance(const InstanceOptions& options) const {
  auto session = std::make_unique<Session>(impl_->compiled);
  session->set_timeout(options.timeout_ms);
  session->set_profile(options.profile);
  return Instance(std::move(session));
}

int64_t CompiledModel::step_count() const {
  return static_cast<int64_t>(impl_->compiled->program().instance()->steps().size());
}
std::string CompiledModel::Print(const std::string& level) const { return impl_->compiled->program().str(level); }

}  // namespace chorus::api
