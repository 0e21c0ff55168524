#include <graph/infer_call.h>

#include <core/convert.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace chorus {
namespace {

constexpr int64_t kMaxValueElements = InferOptions{}.max_value_elements;

const Dims* dims_of_constant(const Value& value, Dims& out) {
  if (!value.is_tensor() || !(is_integer(value.dtype()) || value.dtype() == DType::boolean)) return nullptr;
  const int64_t n = value.numel();
  if (n > kMaxValueElements) return nullptr;
  out.reserve(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) out.push_back(get_i64(value.dtype(), value.data(), i));
  return &out;
}

class CallContext final : public ShapeContext {
 public:
  CallContext(const OpDef& op, const Attributes& attributes, std::span<const CallOperand> operands,
              std::span<CallResult> results, std::string_view where)
      : op_(op), attrs_(attributes, op.newest()), operands_(operands), results_(results), where_(where) {}
  const OpDef& op() const override { return op_; }
  const AttrReader& attrs() const override { return attrs_; }
  int inputs() const override { return static_cast<int>(operands_.size()); }
  int outputs() const override { return static_cast<int>(results_.size()); }
  bool has_input(int i) const override { return at(i) != nullptr && at(i)->type != nullptr; }
  bool has_output(int i) const override { return i >= 0 && i < outputs(); }
  const Type& input(int i) const override {
    static const Type none;
    return has_input(i) ? *at(i)->type : none;
  }
  const Value* constant(int i) const override { return has_input(i) ? at(i)->constant : nullptr; }
  [[noreturn]] void fail(Code code, std::string what, std::string fix) const override {
    throw Error(code, std::string(op_.name) + ": " + what, place(op_, where_), std::move(fix));
  }
  void set_output(int i, Type type) override {
    if (has_output(i)) results_[static_cast<size_t>(i)].type = std::move(type);
  }
  const Dims* value(int i) const override {
    if (!has_input(i)) return nullptr;
    if (at(i)->known != nullptr || at(i)->constant == nullptr) return at(i)->known;
    if (read_.empty()) read_.resize(operands_.size());
    Read& read = read_[static_cast<size_t>(i)];
    if (!read.done) {
      read.found = dims_of_constant(*at(i)->constant, read.dims) != nullptr;
      read.done = true;
    }
    return read.found ? &read.dims : nullptr;
  }
  void set_value(int i, Dims value) override {
    if (has_output(i) && static_cast<int64_t>(value.size()) <= kMaxValueElements) {
      results_[static_cast<size_t>(i)].known = std::make_shared<const Dims>(std::move(value));
    }
  }
  Dim require_equal(const Dim& a, const Dim& b, std::string_view what) override {
    if (Dim::equal(a, b) == Dim::Truth::no)
      fail(Code::shape, fmt::format("{}: {} and {} differ", what, a.str(), b.str()), {});
    if (a.is_number() || b.is_unknown()) return a;
    return b.is_number() || a.is_unknown() ? b : a;
  }
  Dim fresh() override { return Dim::unknown(); }
  std::vector<Type> infer_body(std::string_view, std::span<const Type>) override {
    fail(Code::internal, "a call with bodies was inferred without a graph", {});
  }

  static std::string place(const OpDef& op, std::string_view where) {
    const std::string name = op.domain.empty() ? std::string(op.name) : fmt::format("{}.{}", op.domain, op.name);
    return where.empty() ? name : fmt::format("node \"{}\" ({})", where, name);
  }

 private:
  struct Read {
    bool done = false, found = false;
    Dims dims;
  };
  const CallOperand* at(int i) const {
    return i >= 0 && static_cast<size_t>(i) < operands_.size() ? &operands_[static_cast<size_t>(i)] : nullptr;
  }
  const OpDef& op_;
  AttrReader attrs_;
  std::span<const CallOperand> operands_;
  std::span<CallResult> results_;
  std::string_view where_;
  mutable std::vector<Read> read_;
};

/// Counts, attributes and element types of tensors agree with the schema. False for everything unusual: the long way says what is wrong.
bool plainly_valid(const Schema& schema, const Attributes& attributes, std::span<const CallOperand> operands,
                   size_t outputs) {
  const int in = static_cast<int>(operands.size()), out = static_cast<int>(outputs);
  if (in < schema.min_inputs() || in > schema.max_inputs() || out < schema.min_outputs() || out > schema.max_outputs())
    return false;
  size_t given = 0;
  for (const Attr& attr : schema.attributes) {
    const AttrValue* value = attributes.find(attr.name);
    if (value == nullptr && attr.required) return false;
    if (value == nullptr) continue;
    ++given;
    if (value->kind() != attr.kind || attr.kind == AttrKind::graph || attr.kind == AttrKind::graphs) return false;
  }
  if (given != attributes.items().size()) return false;
  std::array<DType, 16> bound{};
  if (schema.types.size() > bound.size()) return false;
  for (int i = 0; i < in; ++i) {
    const Param* param = schema.input(i);
    const Type* type = operands[static_cast<size_t>(i)].type;
    if (type == nullptr) {
      if (param->count == Count::one) return false;
      continue;
    }
    const auto letter = static_cast<size_t>(param->type_set);
    if (type->kind != ValueKind::tensor || !dtype_in(type->dtype, schema.types[letter].tensor)) return false;
    if (param->count == Count::variadic && param->mixed_types) continue;
    if (bound[letter] == DType::undefined) bound[letter] = type->dtype;
    if (bound[letter] != type->dtype) return false;
  }
  return true;
}

/// Through a graph of one node: bodies, sequences, and the sentences about wrong calls.
void infer_by_graph(const OpDef& op, const Attributes& attributes, std::span<const CallOperand> operands,
                    std::span<CallResult> results, std::string_view where, std::span<const Type> captured = {}) {
  Graph graph;
  Node n;
  n.op = &op;
  n.version = static_cast<int>(op.versions.size()) - 1;
  n.domain = std::string(op.domain);
  n.type = std::string(op.name);
  n.name = std::string(where);
  n.attributes = attributes;
  for (const CallOperand& operand : operands) {
    if (operand.type == nullptr || operand.type->kind == ValueKind::none) {
      n.inputs.push_back(kNone);
      continue;
    }
    const ValueId id =
        operand.constant != nullptr ? graph.add_constant("x", *operand.constant) : graph.add_input("x", *operand.type);
    if (operand.known != nullptr) graph.value(id).symbolic = std::make_shared<const Dims>(*operand.known);
    n.inputs.push_back(id);
  }
  for (const Type& type : captured) n.captured.push_back(graph.add_input("x", type));
  for (size_t i = 0; i < results.size(); ++i) n.outputs.push_back(graph.add_value("y"));
  const NodeId id = graph.add_node(std::move(n));
  infer_node(graph, id);
  for (size_t i = 0; i < results.size(); ++i) {
    const GraphValue& value = graph.value(graph.node(id).outputs[i]);
    results[i] = {value.type, value.symbolic};
  }
}

}  // namespace

void infer_call(const OpDef& op, const Attributes& attributes, std::span<const CallOperand> operands,
                std::span<CallResult> results, std::string_view where) {
  if (!plainly_valid(op.newest(), attributes, operands, results.size())) {
    infer_by_graph(op, attributes, operands, results, where);
    return;
  }
  CallContext context(op, attributes, operands, results, where);
  op.infer(context);
  if (op.value != nullptr) op.value(context);
  for (CallResult& result : results) {
    if (result.type.kind == ValueKind::none) result.type = Type::tensor(DType::undefined);
  }
}

std::vector<Type> infer_call(const OpDef& op, const Attributes& attributes, std::span<const Type> inputs,
                             std::span<const Value* const> constants, int outputs, std::string_view where,
                             std::span<const Type> captured) {
  std::vector<CallOperand> operands(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].kind == ValueKind::none) continue;
    operands[i] = {&inputs[i], i < constants.size() ? constants[i] : nullptr, nullptr};
  }
  std::vector<CallResult> results(static_cast<size_t>(outputs));
  if (captured.empty())
    infer_call(op, attributes, operands, results, where);
  else
    infer_by_graph(op, attributes, operands, results, where, captured);
  std::vector<Type> types;
  types.reserve(results.size());
  for (CallResult& result : results) types.push_back(std::move(result.type));
  return types;
}

}  // namespace chorus
