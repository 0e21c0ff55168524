#include "call.h"

#include <algorithm>
#include <cmath>

#include "program.h"

namespace chorus_tensorflow {

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

Tensor Call::cast(const Tensor& x, int type) const {
  return x.type() == type ? x : op("Cast").in(x).type("DstT", type).one();
}
Tensor Call::reshape(const Tensor& x, const Ints& shape) const {
  return x.dims() == shape ? x : op("Reshape").in(x).in(vector_of(shape)).one();
}
Tensor Call::transpose(const Tensor& x, const Ints& order) const {
  return op("Transpose").in(x).in(vector_of(order, kInt32)).one();
}
Tensor Call::where(const Tensor& condition, const Tensor& x, const Tensor& y) const {
  return op("SelectV2").in(condition).in(x).in(y).one();
}
Tensor Call::fill(const Ints& shape, double value, int type) const {
  room(shape, type);
  return op("Fill").in(vector_of(shape)).in(scalar_of(value, type)).one();
}
Tensor Call::reduce(const char* name, const Tensor& x, const Ints& axes, bool keep) const {
  return op(name).in(x).in(vector_of(axes, kInt32)).flag("keep_dims", keep).one();
}
Tensor Call::concat(const Tensors& parts, int64_t axis) const {
  if (parts.size() == 1) return parts[0];
  return op("ConcatV2").in(parts).in(scalar_of(static_cast<double>(axis), kInt32)).one();
}
Tensor Call::slice(const Tensor& x, const Ints& begin, const Ints& size) const {
  return op("Slice").in(x).in(vector_of(begin)).in(vector_of(size)).one();
}

Tensor Call::pad(const Tensor& x, const Ints& before, const Ints& after, double value) const {
  Ints begin, size, pads;
  bool cuts = false, grows = false;
  for (size_t d = 0; d < before.size(); ++d) {
    begin.push_back(std::max<int64_t>(0, -before[d]));
    size.push_back(x.dim(static_cast<int64_t>(d)) - begin.back() - std::max<int64_t>(0, -after[d]));
    require(size.back() >= 0, "more is cut off than there is");
    pads.push_back(std::max<int64_t>(0, before[d]));
    pads.push_back(std::max<int64_t>(0, after[d]));
    cuts = cuts || before[d] < 0 || after[d] < 0;
    grows = grows || before[d] > 0 || after[d] > 0;
  }
  const Tensor kept = cuts ? slice(x, begin, size) : x;
  if (!grows) return kept;
  Ints shape;
  for (size_t d = 0; d < size.size(); ++d) shape.push_back(size[d] + pads[2 * d] + pads[2 * d + 1]);
  room(shape, x.type());
  const Tensor paddings = reshape(vector_of(pads), {static_cast<int64_t>(size.size()), 2});
  return op("PadV2").in(kept).in(paddings).in(scalar_of(value, x.type())).one();
}

Tensor Call::broadcast(const Tensor& x, const Ints& shape) const {
  if (x.dims() == shape) return x;
  room(shape, x.type());
  return op("BroadcastTo").in(x).in(vector_of(shape)).one();
}

Tensor Call::range(int64_t n, Type type) const {
  return op("Range").in(scalar_of(0, type)).in(scalar_of(static_cast<double>(n), type)).in(scalar_of(1, type)).one();
}

}  // namespace chorus_tensorflow
