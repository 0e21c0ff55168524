#include "expr.h"

#include <cmath>
#include <limits>
#include <utility>

namespace chorus_tvm {
namespace {

Value prim_type(DataType t) { return call("ir.PrimType", {t}); }

// Of scalars, also while they are computed: bool has lanes of its own kind.
DataType plain(int type) { return stored(type); }

E two(const char* name, const E& a, const E& b, int type) { return {call(name, {a.v, b.v, Value()}), type}; }

Value op_call(const char* op, int type, const std::vector<Value>& arguments) {
  return call("ir.Call",
              {prim_type(plain(type)), call("ir.GetOp", {op}), array(arguments), Value(), array({}), Value()});
}

struct Axes {
  std::vector<Value> axes;
  Index at;
};

Axes axes_of(const Dims& dims, const char* prefix, int kind) {
  Axes made;
  for (size_t d = 0; d < dims.size(); ++d) {
    const std::string name = prefix + std::to_string(d);
    const Value range = call("ir.Range", {whole(0).v, whole(dims[d]).v, Value()});
    const Value var = call("ir.Var", {std::string_view(name), prim_type(plain(kLong)), Value()});
    made.axes.push_back(call("tirx.IterVar", {range, var, kind, "", Value()}));
    made.at.push_back({var, kLong});
  }
  return made;
}

// From the computation's type to the memory's.
E to_memory(const E& e, int type) {
  if (type != kBfloat16) {
    if (e.type == type) return e;
    return {call("prim._cast", {prim_type(stored(type)), e.v, Value()}), type};
  }
  const E bits{call("tirx.reinterpret", {prim_type(stored(kUint)), cast(e, kFloat).v, Value()}), kUint};
  const E odd = bits_and(shift_right(bits, whole(16, kUint)), whole(1, kUint));
  const E rounded = shift_right(bits + whole(0x7fff, kUint) + odd, whole(16, kUint));
  const E quiet = bits_or(shift_right(bits, whole(16, kUint)), whole(0x40, kUint));
  return cast(select(is_nan(e), quiet, rounded), kUint16);
}

T tensor_of(const std::string& name, const Axes& axes, const std::vector<E>& bodies, const Dims& dims, int type) {
  std::vector<Value> values;
  for (const E& body : bodies) values.push_back(body.v);
  const Value op = call("te.ComputeOp", {std::string_view(name), "", Value(), array(axes.axes), array(values)});
  return {call("te.OpGetOutput", {op, 0}), dims, type};
}

std::vector<FoldBlock>& folds() {
  static thread_local std::vector<FoldBlock> written;
  return written;
}

E unit_of(Fold how, int type) {
  switch (how) {
    case Fold::sum: return number(0, type);
    case Fold::product: return number(1, type);
    case Fold::largest: return lowest(type);
    case Fold::smallest: return highest(type);
    case Fold::all: return whole(1, kBool);
    case Fold::any: return whole(0, kBool);
  }
  return {};
}

E folded(Fold how, const E& a, const E& b) {
  switch (how) {
    case Fold::sum: return a + b;
    case Fold::product: return a * b;
    case Fold::largest: return larger(a, b);
    case Fold::smallest: return smaller(a, b);
    case Fold::all: return a && b;
    case Fold::any: return a || b;
  }
  return {};
}

}  // namespace

bool has_type(int type) {
  switch (type) {
    case kFloat:
    case kUint8:
    case kInt8:
    case kUint16:
    case kInt16:
    case kInt:
    case kLong:
    case kBool:
    case kHalf:
    case kDouble:
    case kUint:
    case kUlong:
    case kBfloat16: return true;
    default: return false;
  }
}

bool is_float(int type) { return type == kFloat || type == kDouble || type == kHalf || type == kBfloat16; }
bool is_signed(int type) { return type == kInt8 || type == kInt16 || type == kInt || type == kLong; }
bool is_whole(int type) { return has_type(type) && !is_float(type) && type != kBool; }

int bits_of(int type) {
  switch (type) {
    case kUint8:
    case kInt8:
    case kBool: return 8;
    case kUint16:
    case kInt16:
    case kHalf:
    case kBfloat16: return 16;
    case kFloat:
    case kInt:
    case kUint: return 32;
    default: return 64;
  }
}

DataType stored(int type) {
  const auto bits = static_cast<uint8_t>(bits_of(type));
  if (type == kBool) return {6, 8, 1};
  if (type == kBfloat16) return {1, 16, 1};
  if (is_float(type)) return {2, bits, 1};
  return {static_cast<uint8_t>(is_signed(type) ? 0 : 1), bits, 1};
}

int computed(int type) { return type == kHalf || type == kBfloat16 ? kFloat : type; }

int64_t T::size() const {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

E T::operator()(const Index& at) const {
  std::vector<Value> indices;
  for (const E& e : at) indices.push_back(e.v);
  const Value loaded = call("te.TensorLoad", {v, array(indices)});
  if (type == kHalf) return {call("prim._cast", {prim_type(stored(kFloat)), loaded, Value()}), kFloat};
  if (type != kBfloat16) return {loaded, type};
  const E wide{call("prim._cast", {prim_type(stored(kUint)), loaded, Value()}), kUint};
  const E bits = shift_left(wide, whole(16, kUint));
  return {call("tirx.reinterpret", {prim_type(stored(kFloat)), bits.v, Value()}), kFloat};
}

E whole(int64_t value, int type) { return {call("ir.IntImm", {plain(type), value, Value()}), type}; }

E number(double value, int type) {
  type = computed(type);
  if (!is_float(type)) return whole(static_cast<int64_t>(value), type);
  if (std::isfinite(value)) return {call("ir.FloatImm", {plain(type), value, Value()}), type};
  // Its constants are finite.
  const E bits = type == kDouble ? whole(std::isnan(value) ? 0x7ff8000000000000 : 0x7ff0000000000000, kLong)
                                 : whole(std::isnan(value) ? 0x7fc00000 : 0x7f800000, kInt);
  const E made{call("tirx.reinterpret", {prim_type(plain(type)), bits.v, Value()}), type};
  return value < 0 ? number(0, type) - made : made;
}

E operator+(const E& a, const E& b) { return two("prim._OpAdd", a, b, a.type); }
E operator-(const E& a, const E& b) { return two("prim._OpSub", a, b, a.type); }
E operator*(const E& a, const E& b) { return two("prim._OpMul", a, b, a.type); }

E operator/(const E& a, const E& b) { return two(is_float(a.type) ? "prim._OpDiv" : "prim._OpTruncDiv", a, b, a.type); }

E operator%(const E& a, const E& b) { return two("prim._OpTruncMod", a, b, a.type); }
E operator<(const E& a, const E& b) { return two("prim._OpLT", a, b, kBool); }
E operator<=(const E& a, const E& b) { return two("prim._OpLE", a, b, kBool); }
E operator==(const E& a, const E& b) { return two("prim._OpEQ", a, b, kBool); }
E operator!=(const E& a, const E& b) { return two("prim._OpNE", a, b, kBool); }
E operator&&(const E& a, const E& b) { return two("prim._OpAnd", a, b, kBool); }
E operator||(const E& a, const E& b) { return two("prim._OpOr", a, b, kBool); }
E operator!(const E& a) { return {call("prim.Not", {a.v, Value()}), kBool}; }
E bits_and(const E& a, const E& b) { return two("prim.bitwise_and", a, b, a.type); }
E bits_or(const E& a, const E& b) { return two("prim.bitwise_or", a, b, a.type); }
E bits_xor(const E& a, const E& b) { return two("prim.bitwise_xor", a, b, a.type); }
E bits_not(const E& a) { return {call("prim.bitwise_not", {a.v, Value()}), a.type}; }
E shift_left(const E& a, const E& b) { return two("prim.left_shift", a, b, a.type); }
E shift_right(const E& a, const E& b) { return two("prim.right_shift", a, b, a.type); }
E floor_div(const E& a, const E& b) { return two("prim._OpFloorDiv", a, b, a.type); }
E floor_mod(const E& a, const E& b) { return two("prim._OpFloorMod", a, b, a.type); }

E select(const E& condition, const E& yes, const E& no) {
  return {call("prim.Select", {condition.v, yes.v, no.v, Value()}), yes.type};
}

E choose(const E& condition, const E& yes, const E& no) {
  return {call("prim._OpIfThenElse", {condition.v, yes.v, no.v, Value()}), yes.type};
}

E cast(const E& e, int type) {
  type = computed(type);
  if (e.type == type) return e;
  if (type == kBool) return e != number(0, e.type);
  return {call("prim._cast", {prim_type(plain(type)), e.v, Value()}), type};
}

E intrinsic(const char* name, const E& x) { return {op_call(name, x.type, {x.v}), x.type}; }

E library(const std::string& name, const std::vector<E>& arguments) {
  const int type = arguments[0].type;
  std::vector<Value> values = {call("ir.StringImm", {std::string_view(type == kFloat ? name + "f" : name), Value()})};
  for (const E& e : arguments) values.push_back(e.v);
  return {op_call("tirx.call_pure_extern", type, values), type};
}

// x != x is simplified away.
E is_nan(const E& x) { return is_float(x.type) ? E{call("tirx.isnan", {x.v, Value()}), kBool} : whole(0, kBool); }

E larger(const E& a, const E& b) {
  if (!is_float(a.type)) return select(b > a, b, a);
  return select(b > a || is_nan(b), b, a);
}

E smaller(const E& a, const E& b) {
  if (!is_float(a.type)) return select(b < a, b, a);
  return select(b < a || is_nan(b), b, a);
}

E lowest(int type) {
  type = computed(type);
  if (is_float(type)) return number(-std::numeric_limits<double>::infinity(), type);
  if (!is_signed(type)) return whole(0, type);
  return whole(bits_of(type) == 64 ? std::numeric_limits<int64_t>::min() : -(int64_t{1} << (bits_of(type) - 1)), type);
}

E highest(int type) {
  type = computed(type);
  if (is_float(type)) return number(std::numeric_limits<double>::infinity(), type);
  if (type == kUlong) return bits_not(whole(0, kUlong));
  const int bits = bits_of(type) - (is_signed(type) ? 1 : 0);
  return whole(bits == 63 ? std::numeric_limits<int64_t>::max() : (int64_t{1} << bits) - 1, type);
}

T operand(const Dims& dims, int type, const std::string& name) {
  std::vector<Value> shape;
  for (int64_t d : dims) shape.push_back(whole(d).v);
  return {call("te.Placeholder", {array(shape), prim_type(stored(type)), std::string_view(name)}), dims, type};
}

T compute(const Dims& dims, int type, const std::function<E(const Index&)>& element) {
  const Axes axes = axes_of(dims, "i", 0);
  return tensor_of("made", axes, {to_memory(element(axes.at), type)}, dims, type);
}

T fold(Fold how, const Dims& dims, int type, const Dims& over,
       const std::function<E(const Index& at, const Index& inner)>& element) {
  const Axes axes = axes_of(dims, "i", 0);
  const Axes inner = axes_of(over, "k", 2);
  const E source = element(axes.at, inner.at);
  const int in = source.type;
  if (over.empty()) return tensor_of("fold", axes, {to_memory(source, type)}, dims, type);
  const E x{call("ir.Var", {"x", prim_type(plain(in)), Value()}), in};
  const E y{call("ir.Var", {"y", prim_type(plain(in)), Value()}), in};
  const Value reducer = call("te.CommReducer", {array({x.v}), array({y.v}), array({folded(how, x, y).v}),
                                                array({unit_of(how, in).v}), Value()});
  const E made{
      call("te.Reduce", {reducer, array({source.v}), array(inner.axes), whole(1, kBool).v, 0, array({}), Value()}), in};
  const std::string name = "fold" + std::to_string(folds().size());
  folds().push_back({name, dims, over});
  const T sum = tensor_of(name, axes, {made}, dims, in);
  if (in == type) return sum;
  return compute(dims, type, [&](const Index& at) { return sum(at); });
}

std::vector<FoldBlock> take_folds() { return std::exchange(folds(), {}); }

E offset_of(const Index& at, const Dims& dims) {
  E offset = whole(0);
  for (size_t d = 0; d < dims.size(); ++d) offset = offset * whole(dims[d]) + at[d];
  return offset;
}

Index index_of(const E& offset, const Dims& dims) {
  Index at(dims.size());
  int64_t stride = 1;
  for (size_t d = dims.size(); d-- > 0;) {
    E digit = stride == 1 ? offset : floor_div(offset, whole(stride));
    at[d] = d == 0 ? digit : floor_mod(digit, whole(dims[d]));
    stride *= dims[d];
  }
  return at;
}

}  // namespace chorus_tvm
