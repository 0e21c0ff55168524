#include <engine/native/kernel.h>
#include <ops/op_def.h>
#include <runtime/custom_op.h>
#include <runtime/custom_record.h>

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <exception>
#include <mutex>
#include <unordered_map>

namespace chorus {
namespace {

using custom::Record;

struct Records {
  std::mutex lock;
  std::unordered_map<const OpDef*, const Record*> by_def;
  std::unordered_map<const Schema*, const Record*> by_schema;
};

Records& records() {
  static auto* const all = new Records;
  return *all;
}

template <class Map, class Key>
const Record* look_up(const Map& map, const Key& key) {
  std::lock_guard guard(records().lock);
  const auto it = map.find(key);
  return it == map.end() ? nullptr : it->second;
}

}  // namespace

namespace custom {

const Record* find(const OpDef& def) { return look_up(records().by_def, &def); }
const Record* find(const Schema& schema) { return look_up(records().by_schema, &schema); }

api::CustomOp::Numbers numbers_of(const AttrReader& attrs) {
  return [&attrs](const std::string& name) -> double {
    const AttrValue* value = attrs.find(name);
    if (value == nullptr) return 0;
    return value->kind() == AttrKind::integer ? static_cast<double>(attrs.integer(name))
                                              : static_cast<double>(attrs.real(name));
  };
}

api::CustomTensor tensor_of(const native::TensorView& view) {
  api::CustomTensor t;
  t.dtype = view.dtype;
  t.shape.assign(view.dims, view.dims + view.rank);
  return t;
}

}  // namespace custom

namespace {

using custom::numbers_of;
using custom::tensor_of;

/// Type of an output: that of an input with the same type letter, else the only member of its set.
DType output_dtype(const Schema& schema, int output, const std::function<DType(int)>& input, int inputs) {
  const Param* p = schema.output(output);
  if (p == nullptr) return DType::undefined;
  for (int i = 0; i < inputs; ++i) {
    const Param* q = schema.input(i);
    if (q != nullptr && q->type_set == p->type_set && input(i) != DType::undefined) return input(i);
  }
  const uint32_t set = schema.types[static_cast<size_t>(p->type_set)].tensor;
  for (int t = 1; t < kDTypeCount; ++t) {
    if (set == dtype_bit(static_cast<DType>(t))) return static_cast<DType>(t);
  }
  return DType::undefined;
}

using Extents = std::vector<std::vector<int64_t>>;

Extents call_shape(const Record& record, const Extents& inputs, const AttrReader& attrs, size_t outputs) {
  Extents result = record.op.shape(inputs, numbers_of(attrs));
  if (result.size() < outputs) {
    throw Error(Code::bad_input, fmt::format("{}.{}: its shape function gave {} shapes for {} outputs",
                                             record.op.domain, record.op.name, result.size(), outputs));
  }
  return result;
}

void infer_custom(ShapeContext& c) {
  const Record* record = custom::find(c.op());
  if (record == nullptr) c.fail(Code::internal, "the custom operator has no record");
  const Schema& schema = c.attrs().schema();
  bool ranks = true;
  Extents inputs;
  for (int i = 0; i < c.inputs(); ++i) {
    inputs.emplace_back();
    ranks = ranks && (!c.has_input(i) || c.input(i).has_rank);
    for (const Dim& d : c.input(i).dims) inputs.back().push_back(d.is_number() ? d.number() : -1);
  }
  Extents shapes;
  if (record->op.shape && ranks) shapes = call_shape(*record, inputs, c.attrs(), static_cast<size_t>(c.outputs()));
  for (int i = 0; i < c.outputs(); ++i) {
    const DType dtype = output_dtype(
        schema, i, [&](int k) { return c.input(k).dtype; }, c.inputs());
    if (!record->op.shape) {
      Type type = c.input(0);
      type.dtype = dtype;
      c.set_output(i, std::move(type));
    } else if (!ranks) {
      c.set_output(i, Type::tensor(dtype));
    } else {
      Dims dims;
      for (int64_t d : shapes[static_cast<size_t>(i)]) dims.push_back(d < 0 ? c.fresh() : Dim(d));
      c.set_output(i, Type::tensor(dtype, std::move(dims)));
    }
  }
}

Cost cost_custom(const CostContext& c) {
  Cost cost;
  for (int i = 0; i < c.inputs(); ++i) cost.bytes_read += c.count(false, i) * dtype_bits(c.dtype(false, i)) / 8;
  for (int i = 0; i < c.outputs(); ++i) cost.bytes_written += c.count(true, i) * dtype_bits(c.dtype(true, i)) / 8;
  return cost;
}

Status run_custom_record(const Record& record, native::KernelContext& c) {
  std::vector<api::CustomTensor> inputs, outputs;
  Extents extents;
  for (int i = 0; i < c.n_in; ++i) {
    inputs.push_back(tensor_of(c.in[i]));
    inputs.back().data = c.in[i].data;
    extents.push_back(inputs.back().shape);
  }
  Extents shapes;
  if (record.op.shape) shapes = call_shape(record, extents, *c.attrs, static_cast<size_t>(c.n_out));
  for (int i = 0; i < c.n_out; ++i) {
    native::TensorView view = c.out[i];
    if (record.op.shape) {
      const DType dtype = output_dtype(
          c.attrs->schema(), i, [&](int k) { return c.in[k].dtype; }, c.n_in);
      const Status status = c.services->allocate(i, dtype, shapes[static_cast<size_t>(i)], &view);
      if (!status.ok()) return status;
    }
    outputs.push_back(tensor_of(view));
    outputs.back().out = view.data;
  }
  const std::string problem = record.op.compute(inputs, outputs, numbers_of(*c.attrs));
  return problem.empty() ? Status{} : Status::error(Code::bad_input, "%s", problem.c_str());
}

Status run_custom(native::KernelContext& c) noexcept {
  try {
    const Record* record = custom::find(c.attrs->schema());
    if (record == nullptr) return Status::error(Code::internal, "the custom operator has no record");
    return run_custom_record(*record, c);
  } catch (const Error& error) {
    return Status::error(error.code(), "%s", error.message().c_str());
  } catch (const std::exception& error) {
    return Status::error(Code::internal, "the custom operator threw: %s", error.what());
  } catch (...) {
    return Status::error(Code::internal, "the custom operator threw");
  }
}

bool has_custom(const Graph& graph) {
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    if (n.op != nullptr && n.op->infer == &infer_custom) return true;
    for (const auto& item : n.attributes.items()) {
      if (const auto* body = item.value.get<GraphPtr>(); body != nullptr && *body && has_custom(**body)) return true;
    }
  }
  return false;
}

}  // namespace

bool has_custom_operators(const chorus::Model& model) {
  return has_custom(*model.graph) || std::any_of(model.functions.begin(), model.functions.end(),
                                                 [](const Function& f) { return f.body && has_custom(*f.body); });
}

namespace {

/// The record is there before the row: a model compiled by another thread never sees the row alone.
void add_row(const Record& r, const OpDef& def, native::KernelFn kernel) {
  {
    std::lock_guard guard(records().lock);
    records().by_def.emplace(&def, &r);
  }
  try {
    register_op(def);
  } catch (...) {
    std::lock_guard guard(records().lock);
    records().by_def.erase(&def);
    throw;
  }
  const Schema* schema = &def.newest();
  std::lock_guard guard(records().lock);
  records().by_schema.emplace(schema, &r);
  native::register_reference(def.domain, def.name, kernel);
}

}  // namespace

namespace api {

void RegisterOp(CustomOp op) {
  if (!op.compute)
    throw Error(Code::bad_input, "RegisterOp: " + op.domain + "." + op.name + " has no compute function");
  if (op.doc.empty()) op.doc = "Custom operator.";
  auto owned = std::make_unique<Record>();
  owned->op = std::move(op);
  Record& r = *owned;
  r.version.since = r.op.version;
  r.version.signature = r.op.signature;
  r.def.name = r.op.name;
  r.def.domain = r.op.domain;
  r.def.origin = Origin::chorus_public;
  r.def.api = {r.op.name, Form::hidden};
  r.def.versions = {&r.version, 1};
  r.def.infer = &infer_custom;
  r.def.sizes = r.op.shape ? Sizes::known_after_run : Sizes::by_shapes;
  r.def.meaning = Primitive{"a custom operator"};
  r.def.cost = &cost_custom;
  r.def.doc = r.op.doc;
  r.def.grid = r.op.cases;
  custom::complete_gradient(r);
  add_row(r, r.def, &run_custom);
  owned.release();  // the table points into it from here on
  if (r.op.gradient) add_row(r, r.gradient_def, &custom::run_gradient);
}

namespace {
void add_from_plugin(CustomOp op) { RegisterOp(std::move(op)); }
}  // namespace

void LoadPlugin(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = dlerror();
    throw Error(Code::unavailable,
                "plug-in \"" + path + "\" cannot be opened: " + (why != nullptr ? why : "no reason given"));
  }
  using Register = void (*)(void (*)(CustomOp));
  auto* enter = reinterpret_cast<Register>(dlsym(handle, "chorus_register_ops"));
  if (enter == nullptr) throw Error(Code::bad_input, "plug-in \"" + path + "\" has no function chorus_register_ops");
  enter(&add_from_plugin);  // stays open: the operators' code is in it
}

}  // namespace api

void load_plugins_of_environment() {
  static std::once_flag once;
  std::call_once(once, [] {
    const char* list = std::getenv("CHORUS_PLUGIN");
    if (list == nullptr) return;
    std::string_view rest(list);
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(':'), rest.size());
      if (end > 0) api::LoadPlugin(std::string(rest.substr(0, end)));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  });
}

}  // namespace chorus
