#include "call.h"

#include <array>

#include "program.h"

namespace chorus_paddle {
namespace {

constexpr int64_t kHighest = INT64_MIN;
bool is_wide(Type t) { return t == Type::UINT16 || t == Type::UINT32 || t == Type::UINT64; }

Tensor turned(const Tensor& x) { return paddle::experimental::bitwise_xor(x, copy_of(kLong, {}, &kHighest)); }

Tensor widened(const Tensor& x, Types types, Widen how) {
  if (!x.defined()) return x;
  const Type to = wider(x.type(), types, how);
  if (x.type() != Type::UINT64 || to != kLong) return x.to(to);
  const Tensor bits = x.reinterpret(kLong);
  return how == Widen::order && x.numel() > 0 ? turned(bits) : bits;
}

Tensor narrowed(const Tensor& x, Type to, Widen how) {
  if (to != Type::UINT64 || x.type() != kLong || how == Widen::value) return x.to(to);
  return (how == Widen::order && x.numel() > 0 ? turned(x) : x).reinterpret(Type::UINT64);
}

}  // namespace

void RunContext::check_stop() const {
  if (run == nullptr || (run->flags & CH_MAY_STOP) == 0) return;
  const ch_code code = host->stop(run->task);
  if (code != CH_OK) throw Failure(code, "the run was ended");
}

const ch_node& Call::node() const { return *step_.node; }
bool Call::is_unsigned() const {
  return has(0) && slots_[step_.in[0]].tensor.defined() &&
         (is_wide(slots_[step_.in[0]].tensor.type()) || slots_[step_.in[0]].tensor.type() == kByte);
}
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
  return step_.widen == Widen::none ? t : widened(t, step_.row->types, step_.widen);
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
  return to_ints(slots_[step_.in[i]].tensor);
}

double Call::number(size_t i, double otherwise) const {
  if (!has(i)) return otherwise;
  const Tensor& t = slots_[step_.in[i]].tensor;
  require(t.numel() == 1, "an operand that must be one number has another size");
  return to_number(t);
}

void Call::out(size_t i, Tensor value) const {
  if (!wants(i)) return;
  const Type type = step_.out_types[i];
  if (type != kUndefined && value.type() != type) {
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

Type Call::out_type(size_t i) const { return wants(i) ? step_.out_types[i] : kUndefined; }

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

void Call::room(Ints const& shape, Type type) const {
  auto bytes = static_cast<double>(bytes_of(type));
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

}  // namespace chorus_paddle
