#include <tensor/call.h>

#include <core/convert.h>
#include <graph/infer_call.h>
#include <tensor/expr.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace chorus {
namespace {

using List = std::vector<Tensor>;

DType dtype_of_tensor(const Tensor& t) { return t.expr()->outputs[static_cast<size_t>(t.output())].dtype; }
bool is_weak(const Tensor& t) { return t.defined() && t.expr()->weak != Weak::no; }
bool is_number(DType t) { return is_integer(t) || is_float(t) || t == DType::boolean; }

// Type that a bare number has when nothing else decides.
DType weak_default(Weak weak) {
  return weak == Weak::boolean ? DType::boolean : weak == Weak::integer ? DType::int64 : DType::float32;
}

// Type of a bare number next to a tensor.
DType beside(Weak weak, DType strong, Promote promote) {
  if (strong == DType::undefined) return weak_default(weak);
  const bool may_change = promote == Promote::common_type || promote == Promote::to_float;
  if (weak == Weak::real && (is_integer(strong) || strong == DType::boolean))
    return may_change ? DType::float32 : strong;
  if (weak == Weak::integer && strong == DType::boolean && may_change) return DType::int64;
  return strong;
}

// Operands by the letter of their type in the signature.
struct Group {
  DType common = DType::undefined;    // of the tensors, before bare numbers
  DType target = DType::undefined;    // what all are cast to; undefined: as they are
  DType original = DType::undefined;  // what results of this letter are cast back to after a widening
};

DType widened(DType type, uint32_t allowed) {
  static constexpr DType kSigned[] = {DType::int8, DType::int16, DType::int32, DType::int64};
  static constexpr DType kUnsigned[] = {DType::uint8, DType::uint16, DType::uint32, DType::uint64};
  static constexpr DType kFloat[] = {DType::float32, DType::float64};
  const auto first_of = [&](std::span<const DType> list, int bits) {
    for (DType t : list) {
      if (dtype_bits(t) > bits && dtype_in(t, allowed)) return t;
    }
    return DType::undefined;
  };
  const int bits = dtype_bits(type);
  if (is_float(type)) return first_of(kFloat, bits);
  if (is_signed_integer(type)) return first_of(kSigned, bits);
  if (!is_unsigned_integer(type)) return DType::undefined;
  const DType same = first_of(kUnsigned, bits);
  return same != DType::undefined ? same : first_of(kSigned, bits);
}

void decide(const OpDef& op, const Schema& schema, const List& inputs, std::vector<Group>& groups) {
  const Promote promote = op.api.promote;
  const auto each = [&](auto&& f) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Param* p = schema.input(static_cast<int>(i));
      if (!inputs[i].defined() || p == nullptr || (p->count == Count::variadic && p->mixed_types)) continue;
      if (inputs[i].expr()->outputs[static_cast<size_t>(inputs[i].output())].kind != ValueKind::tensor) continue;
      f(inputs[i], groups[static_cast<size_t>(p->type_set)]);
    }
  };
  each([&](const Tensor& t, Group& g) {
    if (is_weak(t)) return;
    const DType type = dtype_of_tensor(t);
    if (g.common == DType::undefined)
      g.common = type;
    else if (promote == Promote::common_type && g.common != type) {
      const DType both = promote_types(g.common, type);
      if (both != DType::undefined) g.common = both;
    }
  });
  for (Group& g : groups) {
    if (promote == Promote::common_type) g.target = g.common;
  }
  each([&](const Tensor& t, Group& g) {
    if (!is_weak(t)) return;
    const DType base = g.target != DType::undefined ? g.target : g.common;
    const DType wants = beside(t.expr()->weak, base, promote);
    g.target = base == DType::undefined || base == wants ? wants : promote_types(base, wants);
  });
  for (size_t s = 0; s < groups.size(); ++s) {
    Group& g = groups[s];
    const DType now = g.target != DType::undefined ? g.target : g.common;
    if (now == DType::undefined) continue;
    const uint32_t allowed = schema.types[s].tensor;
    const bool integral = is_integer(now) || now == DType::boolean;
    // Functions of real numbers take integers as float32: by the row, or because they know floats only.
    const bool real = promote == Promote::to_float || (op.layout == Layout::elementwise && (allowed & ~kFloats) == 0);
    if (real && integral && dtype_in(DType::float32, allowed)) g.target = DType::float32;
    if (promote == Promote::sum_to_int64 && integral && dtype_in(DType::int64, allowed)) g.target = DType::int64;
    if (allowed == dtype_bit(DType::boolean) && is_number(now)) g.target = DType::boolean;
    const DType wanted = g.target != DType::undefined ? g.target : now;
    if (dtype_in(wanted, allowed)) continue;
    const DType wide = widened(wanted, allowed);
    if (wide == DType::undefined) continue;   // the check of types says what is wrong
    g.original = wanted;
    g.target = wide;
  }
}

// Casts the operands; returns what each output is to be cast to afterwards (undefined: nothing).
std::vector<DType> promote_operands(const OpDef& op, List& inputs, int outputs) {
  const Schema& schema = op.newest();
  std::vector<Group> groups(schema.types.size());
  decide(op, schema, inputs, groups);
  std::vector<DType> back;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Param* p = schema.input(static_cast<int>(i));
    if (!inputs[i].defined() || p == nullptr) continue;
    const bool mixed = p->count == Count::variadic && p->mixed_types;
    DType target = mixed ? DType::undefined : groups[static_cast<size_t>(p->type_set)].target;
    if (target == DType::undefined && is_weak(inputs[i])) target = weak_default(inputs[i].expr()->weak);
    if (target == DType::undefined || (!is_weak(inputs[i]) && !is_number(dtype_of_tensor(inputs[i])))) continue;
    if (inputs[i].expr()->outputs[static_cast<size_t>(inputs[i].output())].kind != ValueKind::tensor) continue;
    inputs[i] = cast_to(inputs[i], target);
  }
  for (int i = 0; i < outputs; ++i) {
    const Param* p = schema.output(i);
    const DType original = p == nullptr ? DType::undefined : groups[static_cast<size_t>(p->type_set)].original;
    if (original == DType::undefined) continue;
    if (back.empty()) back.resize(static_cast<size_t>(outputs), DType::undefined);
    back[static_cast<size_t>(i)] = original;
  }
  return back;
}

// Whether anything has to be promoted at all: the common case, operands of one allowed type, is over quickly.
bool all_fit(const OpDef& op, const List& inputs) {
  const Schema& schema = op.newest();
  const Promote promote = op.api.promote;
  DType first = DType::undefined;
  int first_set = -1;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].defined()) continue;
    const Param* p = schema.input(static_cast<int>(i));
    if (p == nullptr || is_weak(inputs[i])) return false;
    const DType type = dtype_of_tensor(inputs[i]);
    if (!dtype_in(type, schema.types[static_cast<size_t>(p->type_set)].tensor)) return false;
    if (promote == Promote::sum_to_int64 && type != DType::int64 && !is_float(type)) return false;
    if (promote == Promote::to_float && !is_float(type)) return false;
    if (first_set < 0) {
      first = type;
      first_set = p->type_set;
    } else if (p->type_set == first_set && type != first) {
      return false;
    }
  }
  return true;
}

constexpr int64_t kSmallConstant = 64;

// What the rules may know of an operand. A value that a rule needs is computed now.
CallOperand operand_of(const Tensor& t, const Param* param, Type& type) {
  const ExprOutput& out = t.expr()->outputs[static_cast<size_t>(t.output())];
  const bool host = param != nullptr && param->host_value;
  bool done = t.expr()->done.load(std::memory_order_acquire);
  if (host && !done && out.known == nullptr) {
    t.eval();
    done = true;
  }
  CallOperand operand;
  if (done) {
    type = Type::of(out.value);
    const bool small = (is_integer(out.dtype) || out.dtype == DType::boolean) && out.value.is_tensor() &&
                       out.value.numel() <= kSmallConstant;
    if (host || small) operand.constant = &out.value;
  } else {
    type = out.full_type();
    operand.known = out.known.get();
  }
  operand.type = &type;
  return operand;
}

void set_output(ExprOutput& out, CallResult& result) {
  out.kind = result.type.kind;
  out.dtype = result.type.kind == ValueKind::tensor ? result.type.dtype : DType::undefined;
  out.known = std::move(result.known);
  out.fixed = result.type.kind == ValueKind::tensor && result.type.dtype != DType::undefined && result.type.is_static();
  if (!out.fixed) {
    out.type = std::make_shared<const Type>(std::move(result.type));
    return;
  }
  int64_t dims[kMaxRank + 1];
  size_t rank = 0;
  for (const Dim& d : result.type.dims) {
    if (rank > static_cast<size_t>(kMaxRank)) break;
    dims[rank++] = d.number();
  }
  out.shape = Shape(std::span<const int64_t>(dims, rank));
}

std::shared_ptr<Expr> make_expr(const OpDef& op, List inputs, Attributes attributes, int outputs) {
  while (!inputs.empty() && !inputs.back().defined()) inputs.pop_back();
  const Schema& schema = op.newest();
  bool tracks = false;
  for (const Tensor& t : inputs) tracks = tracks || (t.defined() && t.expr()->tracks);
  tracks = tracks && !gradients_are_off();
  // Gradients of random operators need what was drawn: their masks.
  if ((tracks || history_is_kept()) && op.effect == Effect::random) outputs = std::max(outputs, schema.max_outputs());
  std::vector<Type> types(inputs.size());
  std::vector<CallOperand> operands(inputs.size());
  auto expr = std::make_shared<Expr>();
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].defined()) continue;
    operands[i] = operand_of(inputs[i], schema.input(static_cast<int>(i)), types[i]);
    if (!inputs[i].expr()->done.load(std::memory_order_acquire))
      expr->depth = std::max(expr->depth, inputs[i].expr()->depth);
  }
  ++expr->depth;
  std::vector<CallResult> results(static_cast<size_t>(outputs));
  infer_call(op, attributes, operands, results);
  expr->outputs.resize(results.size());
  for (size_t i = 0; i < results.size(); ++i) set_output(expr->outputs[i], results[i]);
  expr->op = &op;
  expr->attributes = std::move(attributes);
  expr->inputs = std::move(inputs);
  expr->tracks = tracks;
  expr->keeps_history = tracks || history_is_kept();
  return expr;
}

std::shared_ptr<Expr> call(const OpDef& op, std::span<const Tensor* const> given, Attributes attributes, int outputs,
                           std::vector<DType>& back) {
  List inputs;
  inputs.reserve(given.size());
  for (const Tensor* t : given) inputs.push_back(graph_leaf(*t));
  if (!all_fit(op, inputs)) back = promote_operands(op, inputs, outputs);
  auto expr = make_expr(op, std::move(inputs), std::move(attributes), outputs);
  // Random numbers and side effects happen once, at the call, whatever is looked at later.
  const bool now = op.effect != Effect::pure || (expr->depth > kMaxPendingDepth && !history_is_kept());
  if (now) Tensor(expr, 0).eval();
  return expr;
}

// A bare number in a type.
Tensor number_as(const Tensor& t, DType type) {
  const Value& v = t.value();
  Value made = Value::tensor(type, Shape{});
  if (t.expr()->weak == Weak::integer && is_integer(type)) {
    const int64_t n = v.as<int64_t>()[0];
    store_i64(type, made.mutable_data(), 0, 1, &n);
    int64_t read = 0;
    load_i64(type, made.data(), 0, 1, &read);
    if (read != n || (n < 0 && is_unsigned_integer(type))) {
      throw Error(Code::bad_input, fmt::format("{} does not fit {}", n, dtype_name(type)), {},
                  "convert the tensor first");
    }
    return make_leaf(std::move(made));
  }
  const double n = t.expr()->weak == Weak::real ? t.expr()->number : v.to_doubles()[0];
  if (is_integer(type) && n != std::trunc(n)) {
    throw Error(Code::bad_input, fmt::format("{} does not fit {}", n, dtype_name(type)), {},
                "convert the tensor first");
  }
  store_f64(type, made.mutable_data(), 0, 1, &n);
  return make_leaf(std::move(made));
}

}  // namespace

const OpDef& builtin_op(std::string_view domain, std::string_view name) {
  const OpDef* op = find_op(domain, name);
  if (op == nullptr) throw Error(Code::unsupported, fmt::format("operator \"{}\" is not part of this build", name));
  return *op;
}

Tensor cast_to(const Tensor& tensor, DType type) {
  if (is_weak(tensor) && is_number(type)) return number_as(tensor, type);
  if (dtype_of_tensor(tensor) == type) return tensor;
  static const OpDef& op = builtin_op("", "Cast");
  return call_one(op, {&tensor}, {{"to", static_cast<int64_t>(type)}});
}

Tensor call_one(const OpDef& op, std::span<const Tensor* const> inputs, Attributes attributes) {
  std::vector<DType> back;
  Tensor result(call(op, inputs, std::move(attributes), 1, back), 0);
  return back.empty() || back[0] == DType::undefined ? result : cast_to(result, back[0]);
}

std::vector<Tensor> call_many(const OpDef& op, std::span<const Tensor* const> inputs, Attributes attributes,
                              int outputs) {
  std::vector<DType> back;
  const auto expr = call(op, inputs, std::move(attributes), outputs, back);
  std::vector<Tensor> list;
  for (int i = 0; i < outputs; ++i) {
    Tensor result(expr, i);
    const DType type = back.empty() ? DType::undefined : back[static_cast<size_t>(i)];
    list.push_back(type == DType::undefined ? result : cast_to(result, type));
  }
  return list;
}

DType promote_types(DType a, DType b) noexcept {
  if (a == b) return a;
  if (a == DType::undefined || b == DType::undefined || a == DType::string || b == DType::string)
    return DType::undefined;
  if (a == DType::boolean) return b;
  if (b == DType::boolean) return a;
  if (is_complex(a) || is_complex(b)) {
    const auto wide = [](DType t) { return t == DType::complex128 || t == DType::float64; };
    return wide(a) || wide(b) ? DType::complex128 : DType::complex64;
  }
  if (is_float(a) != is_float(b)) return is_float(a) ? a : b;
  const int bits_a = dtype_bits(a), bits_b = dtype_bits(b);
  if (is_float(a)) {
    if (bits_a != bits_b && std::max(bits_a, bits_b) >= 16) return bits_a > bits_b ? a : b;
    return DType::float32;   // float16 with bfloat16, two different small ones
  }
  if (is_signed_integer(a) == is_signed_integer(b)) return bits_a > bits_b ? a : b;
  const DType with_sign = is_signed_integer(a) ? a : b;
  const int unsigned_bits = is_signed_integer(a) ? bits_b : bits_a, signed_bits = dtype_bits(with_sign);
  if (signed_bits > unsigned_bits) return with_sign;
  if (unsigned_bits < 8) return DType::int8;
  return unsigned_bits == 8    ? DType::int16
         : unsigned_bits == 16 ? DType::int32
         : unsigned_bits == 32 ? DType::int64
                               : DType::float64;
}

}  // namespace chorus
