#include "call.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "program.h"

namespace chorus_mindspore {

const ch_node& Call::node() const { return *step_.node; }
size_t Call::inputs() const { return step_.in.size(); }
size_t Call::outputs() const { return step_.out.size(); }
bool Call::has(size_t i) const { return i < step_.in.size() && step_.in[i] >= 0 && !slots_[step_.in[i]].empty(); }
bool Call::wants(size_t i) const { return i < step_.out.size() && step_.out[i] >= 0; }
Slot& Call::slot_in(size_t i) const { return slots_[step_.in[i]]; }

Tensor Call::in(size_t i) const {
  if (!has(i)) return {};
  const Tensor& t = slots_[step_.in[i]].tensor;
  return step_.narrow != kNoType && t.type() == step_.narrow ? cast(t, step_.wide) : t;
}

const Tensors& Call::list(size_t i) const {
  static const Tensors none;
  return has(i) && slot_in(i).list ? *slot_in(i).list : none;
}

Tensors Call::all() const {
  Tensors list;
  for (size_t i = 0; i < inputs(); ++i) list.push_back(in(i));
  return list;
}

Ints Call::ints(size_t i) const { return has(i) ? to_ints(slots_[step_.in[i]].tensor) : Ints(); }
double Call::number(size_t i, double otherwise) const {
  return has(i) ? to_number(slots_[step_.in[i]].tensor) : otherwise;
}

void Call::out(size_t i, Tensor value) const {
  if (!wants(i)) return;
  const int type = step_.out_types[i];
  if (type != kNoType && value.type() != type) value = cast(value, type);
  Slot& slot = slots_[step_.out[i]];
  slot.tensor = std::move(value);
  slot.list.reset();
}

void Call::out_list(size_t i, Tensors value) const {
  if (wants(i)) out_slot(i, {{}, std::make_shared<const Tensors>(std::move(value))});
}
void Call::out_slot(size_t i, Slot value) const {
  if (wants(i)) slots_[step_.out[i]] = std::move(value);
}
int Call::out_type(size_t i) const { return wants(i) ? step_.out_types[i] : kNoType; }

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
  if (value < -least || value >= least)
    fail(CH_BAD_INPUT, "axis " + std::to_string(value) + " is out of range for rank " + std::to_string(rank));
  return value < 0 ? value + least : value;
}

Ints Call::axes(Ints values, int64_t rank) const {
  for (int64_t& v : values) v = axis(v, rank);
  return values;
}

void Call::room(const Ints& shape, int type) const {
  auto bytes = static_cast<double>(type_bytes(type));
  for (int64_t d : shape) {
    require(d >= 0, "an extent is negative");
    bytes *= static_cast<double>(d);
  }
  if (bytes > static_cast<double>(run_.budget))
    fail(CH_BUDGET, "the result would have " + std::to_string(static_cast<uint64_t>(std::min(bytes, 1e18))) + " bytes");
}

void Call::fail(ch_code code, const std::string& what) const {
  throw Failure(code, std::string(view(node().op)) + ": " + what,
                code == CH_UNSUPPORTED ? "use another engine, such as native" : "", step_.index);
}

Tensor Call::kept(size_t i) const {
  if (step_.constant != step_.in[i]) return {};
  std::lock_guard guard(step_.prepared->lock);
  return step_.prepared->tensor;
}
void Call::keep(size_t i, const Tensor& made) const {
  if (step_.constant != step_.in[i]) return;
  std::lock_guard guard(step_.prepared->lock);
  step_.prepared->tensor = made;
}

namespace {

// Integers of the same size, for kernels that only move.
Tensor raw(const Tensor& x) {
  switch (type_bytes(x.type())) {
    case 1: return x.viewed(kInt8);
    case 2: return x.viewed(kInt16);
    case 4: return x.viewed(kInt32);
    case 8: return x.viewed(kInt64);
    default: return x.viewed(kComplex128);
  }
}

}  // namespace

namespace {

double least_of(int type) {
  switch (type) {
    case kInt8: return INT8_MIN;
    case kInt16: return INT16_MIN;
    case kInt32: return INT32_MIN;
    case kInt64: return static_cast<double>(INT64_MIN);
    default: return is_unsigned(type) || type == kBool ? 0 : -std::numeric_limits<double>::infinity();
  }
}

// A reduction of no elements, for which kernels write nothing.
Tensor of_nothing(std::string_view name, int type) {
  if (name == "ReduceProd" || name == "ReduceAll") return scalar_of(1, type);
  if (name == "ReduceMax") return scalar_of(least_of(type), type);
  if (name == "ReduceMean") return scalar_of(std::numeric_limits<double>::quiet_NaN(), type);
  if (name != "ReduceMin") return scalar_of(0, type);
  if (is_float(type)) return scalar_of(std::numeric_limits<double>::infinity(), type);
  const Tensor most(type, {});   // the least one's other bits; a sign's alone for types that have one
  std::memset(most.data(), 0xff, most.bytes());
  if (!is_unsigned(type)) static_cast<uint8_t*>(most.data())[most.bytes() - 1] = 0x7f;
  return most;
}

}  // namespace

namespace {

Ints axes_of(const Tensor& x) {
  Ints axes;
  for (int64_t d = 0; d < x.rank(); ++d) axes.push_back(d);
  return axes;
}

}  // namespace

Ints Call::common(const Ints& x, const Ints& y) const {
  const Ints& longer = x.size() >= y.size() ? x : y;
  const Ints& shorter = x.size() >= y.size() ? y : x;
  Ints shape = longer;
  const size_t lead = longer.size() - shorter.size();
  for (size_t d = 0; d < shorter.size(); ++d) {
    const int64_t have = shape[lead + d], other = shorter[d];
    require(have == other || have == 1 || other == 1, "the shapes cannot be broadcast");
    if (have == 1) shape[lead + d] = other;
  }
  return shape;
}

Tensor Call::un(const char* name, const Tensor& x) const {
  const int type = kernel_result(name, x.type());
  if (type == kNoType)
    fail(CH_UNSUPPORTED, std::string("MindSpore has no kernel ") + name + " for " + type_name(x.type()));
  return op(name).in(x).one(type, x.dims());
}

Tensor Call::bin(const char* name, const Tensor& x, const Tensor& y) const {
  const int type = kernel_result(name, x.type());
  if (type == kNoType)
    fail(CH_UNSUPPORTED, std::string("MindSpore has no kernel ") + name + " for " + type_name(x.type()));
  const Ints shape = common(x.dims(), y.dims());
  room(shape, type);
  return op(name).in(x).in(y).one(type, shape);
}

Tensor Call::extreme(const char* name, const Tensor& x, const Tensor& y) const {
  const Tensor made = bin(name, x, y);
  if (!is_float(x.type())) return made;
  return where(un("IsNan", x), x, where(un("IsNan", y), y, made));
}

Tensor Call::cast(const Tensor& x, int type) const {
  return x.type() == type ? x : op("Cast").in(x).i(type).one(type, x.dims());
}
Tensor Call::reshape(const Tensor& x, const Ints& shape) const {
  if (x.dims() == shape) return x;
  require(count_of(shape) == x.count(), "the shape has another number of elements");
  return x.viewed(shape);
}
Tensor Call::where(const Tensor& condition, const Tensor& x, const Tensor& y) const {
  const Ints shape = common(condition.dims(), common(x.dims(), y.dims()));
  room(shape, x.type());
  return op("Select")
      .in(broadcast(condition, shape))
      .in(raw(broadcast(x, shape)))
      .in(raw(broadcast(y, shape)))
      .one(raw(x).type(), shape)
      .viewed(x.type());
}
Tensor Call::fill(const Ints& shape, double value, int type) const {
  room(shape, type);
  return broadcast(scalar_of(value, type), shape);
}
Tensor Call::reduce(const char* name, const Tensor& x, const Ints& axes, bool keep) const {
  Ints shape;
  for (int64_t d = 0; d < x.rank(); ++d) {
    const bool gone = std::find(axes.begin(), axes.end(), d) != axes.end();
    if (!gone || keep) shape.push_back(gone ? 1 : x.dim(d));
  }
  if (axes.empty()) return reshape(x, shape);
  if (x.count() == 0) return broadcast(of_nothing(name, x.type()), shape);
  Op made = op(name);
  made.in(x).ints(axes).flag(keep);
  if (std::string_view(name) == "ReduceSum") made.flag(false);   // skip_mode: no axes are all axes
  return made.one(kernel_result(name, x.type()), shape);
}

// Its kernel leaves a row whose numbers are all -infinity, or one of them +infinity or NaN, and the rows behind it unwritten: such tensors
// go by the formula.
Tensor Call::softmax(const Tensor& x) const {
  if (x.count() == 0) return x;
  const Ints last = {x.rank() - 1};
  const Tensor best = reduce("ReduceMax", x, last, true);
  if (to_number(reduce("ReduceSum", bin("Mul", best, 0.0), axes_of(best), false)) == 0)
    return op("Softmax").in(x).ints({-1}).one(x.type(), x.dims());
  const Tensor powers = un("Exp", bin("Sub", x, best));
  return bin("Div", powers, reduce("ReduceSum", powers, last, true));
}

Tensor Call::transpose(const Tensor& x, const Ints& order) const {
  Ints shape;
  for (int64_t d : order) shape.push_back(x.dim(d));
  bool moves = false;  // an axis of more than one element
  int64_t last = -1;
  for (int64_t d : order) {
    if (x.dim(d) == 1) continue;
    moves = moves || d < last;
    last = d;
  }
  if (!moves) return x.viewed(shape);
  return op("Transpose").in(raw(x)).ints(order).one(raw(x).type(), shape).viewed(x.type());
}

Tensor Call::concat(const Tensors& parts, int64_t axis) const {
  Ints shape = parts[0].dims();
  shape[static_cast<size_t>(axis)] = 0;
  Tensors some;
  for (const Tensor& part : parts) {
    require(part.rank() == parts[0].rank() && part.type() == parts[0].type(), "the parts do not fit together");
    for (int64_t d = 0; d < part.rank(); ++d)
      require(d == axis || part.dim(d) == parts[0].dim(d), "the parts do not fit together");
    shape[static_cast<size_t>(axis)] += part.dim(axis);
    if (part.count() > 0) some.push_back(part);
  }
  room(shape, parts[0].type());
  if (some.size() == 1) return some[0];
  Op made = op("Concat");
  for (const Tensor& part : some) made.in(raw(part));
  return made.i(axis).one(raw(parts[0]).type(), shape).viewed(parts[0].type());
}

Tensor Call::stack(const Tensors& parts, int64_t axis) const {
  Tensors longer;
  for (const Tensor& part : parts) {
    Ints shape = part.dims();
    shape.insert(shape.begin() + axis, 1);
    longer.push_back(part.viewed(shape));
  }
  return concat(longer, axis);
}

Tensor Call::slice(const Tensor& x, const Ints& begin, const Ints& size) const {
  if (size == x.dims()) return x;
  return op("Slice").in(raw(x)).ints(begin).ints(size).one(raw(x).type(), size).viewed(x.type());
}

Tensor Call::pad(const Tensor& x, const Ints& before, const Ints& after, double value) const {
  return pad(x, before, after, scalar_of(value, x.type()));
}

Tensor Call::pad(const Tensor& x, const Ints& before, const Ints& after, const Tensor& value) const {
  Ints begin, size, shape, pads;
  bool cuts = false, grows = false;
  for (size_t d = 0; d < before.size(); ++d) {
    begin.push_back(std::max<int64_t>(0, -before[d]));
    size.push_back(x.dim(static_cast<int64_t>(d)) - begin.back() - std::max<int64_t>(0, -after[d]));
    require(size.back() >= 0, "more is cut off than there is");
    shape.push_back(size.back() + std::max<int64_t>(0, before[d]) + std::max<int64_t>(0, after[d]));
    cuts = cuts || before[d] < 0 || after[d] < 0;
    grows = grows || before[d] > 0 || after[d] > 0;
  }
  const Tensor kept = cuts ? slice(x, begin, size) : x;
  if (!grows) return kept;
  room(shape, x.type());
  if (kept.count() == 0) return broadcast(reshape(value, {}), shape);
  for (size_t d = before.size(); d-- > 0;) {  // the last axis first
    pads.push_back(std::max<int64_t>(0, before[d]));
    pads.push_back(std::max<int64_t>(0, after[d]));
  }
  return op("PadV3")
      .in(raw(kept))
      .in(vector_of(pads))
      .in(raw(reshape(value, {})))
      .set_text("mode", "constant")
      .set_flag("paddings_contiguous", true)
      .one(raw(x).type(), shape)
      .viewed(x.type());
}

Tensor Call::broadcast(const Tensor& x, const Ints& shape) const {
  if (x.dims() == shape) return x;
  room(shape, x.type());
  if (count_of(shape) == x.count()) return x.viewed(shape);
  Ints padded(shape.size() - x.dims().size(), 1);
  padded.insert(padded.end(), x.dims().begin(), x.dims().end());
  return op("BroadcastTo").in(raw(x.viewed(padded))).ints(shape).one(raw(x).type(), shape).viewed(x.type());
}

Tensor Call::gather(const Tensor& x, const Ints& at, int64_t axis) const { return gather(x, vector_of(at), axis); }

Tensor Call::gather(const Tensor& x, const Tensor& at, int64_t axis) const {
  Ints shape(x.dims().begin(), x.dims().begin() + axis);
  shape.insert(shape.end(), at.dims().begin(), at.dims().end());
  shape.insert(shape.end(), x.dims().begin() + axis + 1, x.dims().end());
  room(shape, x.type());
  return op("Gather").in(raw(x)).in(cast(at, kInt32)).i(axis).i(0).one(raw(x).type(), shape).viewed(x.type());
}

Tensor Call::reverse(const Tensor& x, int64_t axis) const {
  return op("ReverseV2").in(raw(x)).ints({axis}).one(raw(x).type(), x.dims()).viewed(x.type());
}

Tensor Call::range(int64_t n, int type) const {
  room({n}, kInt64);
  Ints list(static_cast<size_t>(n));
  for (size_t i = 0; i < list.size(); ++i) list[i] = static_cast<int64_t>(i);
  const bool wide = is_float(type) && type != kDouble && type != kFloat;
  return wide ? cast(vector_of(list), type) : vector_of(list, type);
}

}  // namespace chorus_mindspore
