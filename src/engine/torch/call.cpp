#include "call.h"

#include <array>

#include "program.h"

namespace chorus_torch {
namespace {

struct Pair {
  int onnx;
  ScalarType torch;
};
constexpr Pair kTypes[] = {{1, at::kFloat},
                           {2, at::kByte},
                           {3, at::kChar},
                           {4, at::kUInt16},
                           {5, at::kShort},
                           {6, at::kInt},
                           {7, at::kLong},
                           {9, at::kBool},
                           {10, at::kHalf},
                           {11, at::kDouble},
                           {12, at::kUInt32},
                           {13, at::kUInt64},
                           {14, at::kComplexFloat},
                           {15, at::kComplexDouble},
                           {16, at::kBFloat16},
                           {17, at::kFloat8_e4m3fn},
                           {18, at::kFloat8_e4m3fnuz},
                           {19, at::kFloat8_e5m2},
                           {20, at::kFloat8_e5m2fnuz}};

bool is_wide(ScalarType t) { return t == at::kUInt16 || t == at::kUInt32 || t == at::kUInt64; }
constexpr int64_t kHighest = INT64_MIN;

Tensor widened(const Tensor& x, Widen how) {
  if (!x.defined() || !is_wide(x.scalar_type())) return x;
  if (x.scalar_type() != at::kUInt64) return x.to(at::kLong);
  if (how == Widen::value)
    throw Failure(CH_UNSUPPORTED, "PyTorch has no kernel for uint64 here", "use another engine, such as native");
  const Tensor bits = x.view(at::kLong);
  return how == Widen::order ? bits.bitwise_xor(kHighest) : bits;
}

Tensor narrowed(const Tensor& x, ScalarType to, Widen how) {
  if (to != at::kUInt64 || x.scalar_type() != at::kLong) return x.to(to);
  return (how == Widen::order ? x.bitwise_xor(kHighest) : x).contiguous().view(at::kUInt64);
}

}  // namespace

ScalarType to_torch(int dtype) noexcept {
  for (const Pair& p : kTypes) {
    if (p.onnx == dtype) return p.torch;
  }
  return ScalarType::Undefined;
}

int to_onnx(ScalarType type) noexcept {
  for (const Pair& p : kTypes) {
    if (p.torch == type) return p.onnx;
  }
  return 0;
}

Tensor view_of(const ch_value& v) {
  const ScalarType type = v.kind == CH_TENSOR ? to_torch(v.dtype) : ScalarType::Undefined;
  if (type == ScalarType::Undefined) {
    throw Failure(CH_UNSUPPORTED, "PyTorch has no element type of ONNX's number " + std::to_string(v.dtype),
                  "use another engine, such as native");
  }
  static char nothing[16];
  void* data = v.buffer.data == nullptr ? nothing : static_cast<char*>(v.buffer.data) + v.offset;
  return at::from_blob(data, at::IntArrayRef(v.dims, v.rank), at::TensorOptions(type));
}

void RunContext::check_stop() const {
  if (run == nullptr || (run->flags & CH_MAY_STOP) == 0) return;
  const ch_code code = host->stop(run->task);
  if (code != CH_OK) throw Failure(code, "the run was ended");
}

const ch_node& Call::node() const { return *step_.node; }
bool Call::step_is_wide() const { return step_.widen != Widen::none; }
size_t Call::inputs() const { return step_.in.size(); }
size_t Call::outputs() const { return step_.out.size(); }
bool Call::has(size_t i) const {
  if (i >= step_.in.size() || step_.in[i] < 0) return false;
  return true;
}
bool Call::wants(size_t i) const { return i < step_.out.size() && step_.out[i] >= 0; }
Slot& Call::slot_in(size_t i) const { return slots_[step_.in[i]]; }

const ch_type* Call::type_in(size_t i) const { return step_.graph->values[step_.in[i]]->type; }
const ch_type& Call::type_out(size_t i) const { return *step_.graph->values[step_.out[i]]->type; }

Tensor Call::in(size_t i) const {
  if (!has(i)) return {};
  const Tensor& t = slots_[step_.in[i]].tensor;
  return step_.widen == Widen::none ? t : widened(t, step_.widen);
}

const Tensors& Call::list(size_t i) const {
  static const Tensors kNone;
  return has(i) && slot_in(i).list ? *slot_in(i).list : kNone;
}

Tensors Call::all() const {
  Tensors list;
  for (size_t i = 0; i < inputs(); ++i) list.push_back(in(i));
  return list;
}

Ints Call::ints(size_t i) const {
  if (!has(i)) return {};
  const Tensor t = slots_[step_.in[i]].tensor.to(at::kLong).contiguous();
  const int64_t* data = t.const_data_ptr<int64_t>();
  return {data, data + t.numel()};
}

double Call::number(size_t i, double otherwise) const {
  if (!has(i)) return otherwise;
  const Tensor& t = slots_[step_.in[i]].tensor;
  require(t.numel() == 1, "an operand that must be one number has another size");
  return t.to(at::kDouble).item<double>();
}

void Call::out(size_t i, Tensor value) const {
  if (!wants(i)) return;
  const ScalarType type = step_.out_types[i];
  if (type != ScalarType::Undefined && value.scalar_type() != type) {
    value = step_.widen == Widen::none ? value.to(type) : narrowed(value, type, step_.widen);
  }
  Slot& slot = slots_[step_.out[i]];
  slot.tensor = std::move(value);
  slot.list.reset();
}

void Call::out_list(size_t i, Tensors value) const {
  if (!wants(i)) return;
  Slot& slot = slots_[step_.out[i]];
  slot.tensor.reset();
  slot.list = std::make_shared<Tensors>(std::move(value));
}

void Call::out_none(size_t i) const {
  if (wants(i)) out_list(i, {});
}

ScalarType Call::out_type(size_t i) const { return wants(i) ? step_.out_types[i] : ScalarType::Undefined; }

int64_t Call::i(std::string_view name, int64_t otherwise) const {
  const ch_attribute* a = attribute(node(), name);
  return a == nullptr ? otherwise : a->i;
}
double Call::f(std::string_view name, double otherwise) const {
  const ch_attribute* a = attribute(node(), name);
  return a == nullptr ? otherwise : static_cast<double>(a->f);
}
std::string_view Call::s(std::string_view name, std::string_view otherwise) const {
  const ch_attribute* a = attribute(node(), name);
  return a == nullptr ? otherwise : view(a->s);
}
Ints Call::is(std::string_view name) const {
  const ch_attribute* a = attribute(node(), name);
  return a == nullptr ? Ints() : Ints(a->ints, a->ints + a->count);
}

int64_t Call::axis(int64_t value, int64_t rank) const {
  const int64_t least = std::max<int64_t>(rank, 1);
  if (value < -least || value >= least) {
    fail(CH_BAD_INPUT, "axis " + std::to_string(value) + " is out of range for rank " + std::to_string(rank));
  }
  return value < 0 ? value + least : value;
}

Ints Call::axes(Ints values, int64_t rank) const {
  for (int64_t& v : values) v = axis(v, rank);
  return values;
}

void Call::room(Ints const& shape, ScalarType type) const {
  auto bytes = static_cast<double>(c10::elementSize(type));
  for (int64_t d : shape) {
    require(d >= 0, "an extent is negative");
    bytes *= static_cast<double>(d);
  }
  if (bytes > static_cast<double>(context_.budget))
    fail(CH_BUDGET, "the result would have " + std::to_string(bytes) + " bytes");
}

void Call::fail(ch_code code, const std::string& what) const {
  throw Failure(code, std::string(view(node().op)) + ": " + what,
                code == CH_UNSUPPORTED ? "use another engine, such as native" : "", step_.index);
}

}  // namespace chorus_torch
