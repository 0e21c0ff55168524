#include <core/convert.h>
#include <graph/infer.h>
#include <graph/node_context.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace chorus {
namespace {

// Elements of a small constant as Dims.
std::shared_ptr<const Dims> constant_dims(const Value& value, int64_t limit) {
  if (!value.is_tensor() || !(is_integer(value.dtype()) || value.dtype() == DType::boolean)) return nullptr;
  const int64_t n = value.numel();
  if (n > limit) return nullptr;
  auto dims = std::make_shared<Dims>();
  dims->reserve(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) dims->push_back(get_i64(value.dtype(), value.data(), i));
  return dims;
}

// What one call may still spend on bodies, and where it notes the types of the bodies of one node.
struct Work {
  int64_t left = 0;
  NodeId watched = kNone;
  std::map<std::string, std::vector<Type>, std::less<>> seen;
};

class InferContext final : public GraphNodeContext<ShapeContext> {
 public:
  InferContext(Graph& graph, NodeId id, const InferOptions& options, Work& work, int depth)
      : GraphNodeContext(graph, id), mutable_graph_(graph), options_(options), work_(work), depth_(depth),
        types_(graph.node(id).outputs.size()), values_(graph.node(id).outputs.size()) {}

  void set_output(int i, Type type) override {
    if (i >= 0 && static_cast<size_t>(i) < types_.size()) types_[static_cast<size_t>(i)] = std::move(type);
  }
  const Dims* value(int i) const override {
    const ValueId id = operand(i);
    if (id == kNone) return nullptr;
    GraphValue& v = mutable_graph_.value(id);
    if (!v.symbolic && v.is_constant() && !v.is_input)
      v.symbolic = constant_dims(v.constant, options_.max_value_elements);
    return v.symbolic.get();
  }
  void set_value(int i, Dims value) override {
    if (i >= 0 && static_cast<size_t>(i) < values_.size() &&
        static_cast<int64_t>(value.size()) <= options_.max_value_elements) {
      values_[static_cast<size_t>(i)] = std::make_shared<const Dims>(std::move(value));
    }
  }
  Dim require_equal(const Dim& a, const Dim& b, std::string_view what) override {
    const Dim::Truth truth = Dim::equal(a, b);
    if (truth == Dim::Truth::no) fail(Code::shape, fmt::format("{}: {} and {} differ", what, a.str(), b.str()), {});
    if (truth == Dim::Truth::maybe && !a.is_unknown() && !b.is_unknown()) {
      mutable_graph_.checks.push_back({a, b, id_, std::string(what)});
    }
    if (a.is_number() || b.is_unknown()) return a;
    return b.is_number() || a.is_unknown() ? b : a;
  }
  Dim fresh() override { return Dim::unknown(); }
  std::vector<Type> infer_body(std::string_view attribute, std::span<const Type> inputs) override {
    const GraphPtr body = attrs_.graph(attribute);
    if (!body) return {};
    if (depth_ >= options_.max_depth) {
      fail(Code::budget, fmt::format("bodies are nested deeper than {}", options_.max_depth),
           "raise the depth limit if the model is trusted");
    }
    std::vector<Type> all(inputs.begin(), inputs.end());
    for (ValueId id : node().captured) all.push_back(graph_.value(id).type);
    if (depth_ == 0 && work_.watched == id_) work_.seen.insert_or_assign(std::string(attribute), all);
    return infer_nested(*body, all);
  }
  void commit();

 private:
  std::vector<Type> infer_nested(const Graph& body, std::span<const Type> inputs);
  Graph& mutable_graph_;
  const InferOptions& options_;
  Work& work_;
  int depth_;
  std::vector<Type> types_;
  std::vector<std::shared_ptr<const Dims>> values_;
};

void infer_one(Graph& graph, NodeId id, const InferOptions& options, Work& work, int depth) {
  const Node& n = graph.node(id);
  if (n.op == nullptr) {
    throw Error(
        Code::unsupported,
        fmt::format("operator \"{}\" of domain \"{}\" is not known", n.type, n.domain.empty() ? "ai.onnx" : n.domain),
        graph.where(id), "register it as a custom operator, or define it as a function in the model");
  }
  check_node(graph, n, id);
  InferContext context(graph, id, options, work, depth);
  n.op->infer(context);
  if (n.op->value != nullptr) n.op->value(context);
  context.commit();
}

std::vector<Type> InferContext::infer_nested(const Graph& body, std::span<const Type> inputs) {
  if (body.inputs().size() != inputs.size()) {
    fail(Code::bad_input,
         fmt::format("a body takes {} inputs, the node gives it {}", body.inputs().size(), inputs.size()), {});
  }
  work_.left -= body.node_capacity() + body.value_capacity();
  if (work_.left < 0) {
    fail(Code::budget, fmt::format("types of nested loops take more than {} steps", options_.max_body_work),
         "raise max_body_work if the model is trusted");
  }
  Graph copy(body);
  for (size_t i = 0; i < inputs.size(); ++i) {
    GraphValue& v = copy.value(copy.inputs()[i]);
    if (inputs[i].kind != ValueKind::none)
      v.type = v.type.kind == ValueKind::none ? inputs[i] : Type::meet(v.type, inputs[i], v.name);
  }
  for (NodeId id : copy.order()) infer_one(copy, id, options_, work_, depth_ + 1);
  std::vector<Type> result;
  for (ValueId id : copy.outputs()) result.push_back(copy.value(id).type);
  return result;
}

void InferContext::commit() {
  const std::vector<ValueId>& outputs = node().outputs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] == kNone) continue;
    GraphValue& v = mutable_graph_.value(outputs[i]);
    if (types_[i].kind == ValueKind::none) {
      if (v.type.kind == ValueKind::none) v.type = Type::tensor(DType::undefined);
      continue;
    }
    // A value that is an optional before a loop and its content after the first turn: the file's word decides.
    const bool unwrapped =
        v.declared && types_[i].kind == ValueKind::optional && types_[i].elem && types_[i].elem->kind == v.type.kind;
    if (unwrapped) continue;
    try {
      v.type = v.type.kind == ValueKind::none || !v.declared ? types_[i] : Type::meet(types_[i], v.type, v.name);
    } catch (const Error& error) {
      throw error.at(graph_.where(id_));
    }
    if (values_[i]) v.symbolic = values_[i];
  }
}

bool allowed(const TypeSet& set, const Type& type) {
  switch (type.kind) {
    case ValueKind::none: return true;
    case ValueKind::tensor: return type.dtype == DType::undefined || dtype_in(type.dtype, set.tensor);
    case ValueKind::sequence:
      if (!type.elem || type.elem->kind != ValueKind::tensor) return set.sequence != 0 || set.any_map;
      return type.elem->dtype == DType::undefined ? set.sequence != 0 : dtype_in(type.elem->dtype, set.sequence);
    case ValueKind::optional:
      if (!type.elem) return (set.optional | set.optional_sequence) != 0;
      if (type.elem->kind == ValueKind::sequence) return set.optional_sequence != 0;
      return type.elem->dtype == DType::undefined ? set.optional != 0 : dtype_in(type.elem->dtype, set.optional);
    case ValueKind::map: return set.any_map;
  }
  return false;
}

std::string allowed_names(const TypeSet& set) {
  std::string text;
  auto add = [&](uint32_t mask, const char* before, const char* after) {
    for (int t = 1; t < kDTypeCount; ++t) {
      if (mask & (1u << t))
        text += fmt::format("{}{}{}{}", text.empty() ? "" : ", ", before, dtype_name(static_cast<DType>(t)), after);
    }
  };
  add(set.tensor, "", "");
  add(set.sequence, "sequence(", ")");
  add(set.optional, "optional(", ")");
  return text;
}

void check_attributes(const Graph& graph, const Node& n, NodeId id, const Schema& schema) {
  for (const auto& item : n.attributes.items()) {
    const Attr* attr = schema.attribute(item.name);
    if (attr == nullptr) {
      throw Error(Code::bad_input,
                  fmt::format("{}: unknown attribute \"{}\" in version {}", n.type, item.name, schema.since),
                  graph.where(id), "attributes of this version: " + schema.str());
    }
    const AttrKind kind = item.value.kind();
    // An empty list has no kind of its own in the file when the exporter left the type field out.
    if (kind != attr->kind && kind != AttrKind::undefined && item.value.ref_name.empty()) {
      throw Error(Code::bad_input,
                  fmt::format("{}: attribute \"{}\" is a {} but must be a {}", n.type, item.name, attr_kind_name(kind),
                              attr_kind_name(attr->kind)),
                  graph.where(id));
    }
  }
  for (const Attr& attr : schema.attributes) {
    if (attr.required && n.attributes.find(attr.name) == nullptr) {
      throw Error(Code::bad_input, fmt::format("{}: required attribute \"{}\" is missing", n.type, attr.name),
                  graph.where(id));
    }
  }
}

void check_operands(const Graph& graph, const Node& n, NodeId id, const Schema& schema) {
  std::vector<DType> bound(schema.types.size(), DType::undefined);
  for (size_t i = 0; i < n.inputs.size(); ++i) {
    const Param* param = schema.input(static_cast<int>(i));
    if (n.inputs[i] == kNone) {
      if (param->count == Count::one) {
        throw Error(Code::bad_input,
                    fmt::format("{}: operand {} (\"{}\") is required but omitted", n.type, i, param->name),
                    graph.where(id));
      }
      continue;
    }
    const Type& type = graph.value(n.inputs[i]).type;
    const TypeSet& set = schema.types[static_cast<size_t>(param->type_set)];
    if (!allowed(set, type)) {
      throw Error(Code::type,
                  fmt::format("{}: operand {} (\"{}\") is {}, which version {} does not take", n.type, i, param->name,
                              type.str(), schema.since),
                  graph.where(id), fmt::format("allowed: {}", allowed_names(set)));
    }
    if (type.kind != ValueKind::tensor || type.dtype == DType::undefined ||
        (param->count == Count::variadic && param->mixed_types))
      continue;
    DType& first = bound[static_cast<size_t>(param->type_set)];
    if (first == DType::undefined) first = type.dtype;
    if (first != type.dtype) {
      throw Error(Code::type,
                  fmt::format("{}: operand {} (\"{}\") is {} but an operand before it of the same type {} is {}",
                              n.type, i, param->name, dtype_name(type.dtype), set.letter, dtype_name(first)),
                  graph.where(id), "cast one of them");
    }
  }
}

}  // namespace

void check_node(const Graph& graph, const Node& n, NodeId id) {
  const Schema& schema = n.schema();
  const int in = static_cast<int>(n.inputs.size()), out = static_cast<int>(n.outputs.size());
  if (in < schema.min_inputs() || in > schema.max_inputs()) {
    throw Error(Code::bad_input,
                fmt::format("{}: {} operands given, version {} takes {} to {}", n.type, in, schema.since,
                            schema.min_inputs(), schema.max_inputs()),
                graph.where(id));
  }
  if (out < schema.min_outputs() || out > schema.max_outputs()) {
    throw Error(Code::bad_input,
                fmt::format("{}: {} outputs asked for, version {} has {} to {}", n.type, out, schema.since,
                            schema.min_outputs(), schema.max_outputs()),
                graph.where(id));
  }
  check_attributes(graph, n, id, schema);
  check_operands(graph, n, id, schema);
}

void infer_node(Graph& graph, NodeId id, const InferOptions& options) {
  Work work{options.max_body_work, kNone, {}};
  infer_one(graph, id, options, work, 0);
}

std::vector<Type> body_input_types(Graph& graph, NodeId id, std::string_view attribute, const InferOptions& options) {
  Work work{options.max_body_work, id, {}};
  infer_one(graph, id, options, work, 0);
  if (auto it = work.seen.find(attribute); it != work.seen.end()) return it->second;
  // A branch that is never taken, or a version whose rule does not look inside: only the captured values are known.
  const Node& n = graph.node(id);
  const AttrValue* value = n.attributes.find(attribute);
  const GraphPtr* body = value == nullptr ? nullptr : value->get<GraphPtr>();
  if (body == nullptr || (*body)->inputs().size() < n.captured.size()) return {};
  std::vector<Type> types((*body)->inputs().size());
  const size_t formal = types.size() - n.captured.size();
  for (size_t i = 0; i < n.captured.size(); ++i) types[formal + i] = graph.value(n.captured[i]).type;
  return types;
}

void infer_body_graph(Graph& body, const InferOptions& options) {
  Work work{options.max_body_work, kNone, {}};
  body.checks.clear();
  for (NodeId id : body.order()) infer_one(body, id, options, work, 0);
}

void name_input_dims(Graph& graph) {
  for (ValueId id : graph.inputs()) {
    GraphValue& v = graph.value(id);
    if (!v.type.is_tensor()) continue;
    for (size_t d = 0; d < v.type.dims.size(); ++d) {
      if (v.type.dims[d].is_unknown()) v.type.dims[d] = Dim::symbol(v.name + "." + std::to_string(d));
    }
  }
}

void infer_types(Graph& graph, const InferOptions& options) {
  name_input_dims(graph);
  infer_body_graph(graph, options);
}

}  // namespace chorus
