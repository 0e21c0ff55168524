// Shapes and places: what moves elements without computing, and tensors that are made of nothing.
#include <algorithm>
#include <array>
#include <cmath>

#include "table.h"

namespace chorus_mindspore {
namespace {

void reshape(Call& c) {
  const Tensor x = c.in(0);
  Ints shape = c.ints(1);
  const bool zero_is_zero = c.i("allowzero", 0) != 0;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] != 0 || zero_is_zero) continue;
    c.require(static_cast<int64_t>(d) < x.rank(), "0 in the shape stands where the operand has no extent");
    shape[d] = x.dim(static_cast<int64_t>(d));
  }
  const int64_t known = -count_of(shape);
  for (int64_t& d : shape) {
    if (d == -1 && known > 0) d = x.count() / known;
  }
  c.out(0, c.reshape(x, shape));
}

void transpose(Call& c) {
  const Tensor x = c.in(0);
  Ints order = c.is("perm");
  if (order.empty()) {
    for (int64_t d = x.rank(); d-- > 0;) order.push_back(d);
  }
  c.out(0, c.transpose(x, c.axes(order, x.rank())));
}

void concat(Call& c) {
  const Tensors parts = c.all();
  c.require(!parts.empty(), "it has no operands");
  c.out(0, c.concat(parts, c.axis(c.i("axis", 0), parts[0].rank())));
}

void split(Call& c) {
  const Tensor x = c.in(0);
  const int64_t axis = c.axis(c.i("axis", 0), x.rank()), n = x.dim(axis), count = static_cast<int64_t>(c.outputs());
  Ints sizes = c.ints(1);
  if (sizes.empty()) {
    const int64_t each = (n + count - 1) / count;
    for (int64_t k = 0; k < count; ++k) sizes.push_back(std::max<int64_t>(0, std::min(each, n - k * each)));
  }
  c.require(static_cast<int64_t>(sizes.size()) == count, "it has another number of sizes than of results");
  Ints begin(x.dims().size(), 0), size = x.dims();
  for (size_t k = 0; k < sizes.size(); ++k) {
    const auto a = static_cast<size_t>(axis);
    c.require(sizes[k] >= 0 && sizes[k] <= n - begin[a], "the sizes are more than there is");
    size[a] = sizes[k];
    if (c.wants(k)) c.out(k, c.slice(x, begin, size));
    begin[a] += sizes[k];
  }
  c.require(begin[static_cast<size_t>(axis)] == n, "the sizes are not all that there is");
}

// Ranges of step 1 by Slice, others by their positions: StridedSlice has no way to say "before the first" going down.
void slice(Call& c) {
  Tensor x = c.in(0);
  const Ints starts = c.ints(1), ends = c.ints(2), steps = c.ints(4);
  Ints axes = c.ints(3);
  if (!c.has(3)) {
    for (size_t d = 0; d < starts.size(); ++d) axes.push_back(static_cast<int64_t>(d));
  }
  axes = c.axes(axes, x.rank());
  c.require(
      starts.size() == ends.size() && axes.size() == starts.size() && (steps.empty() || steps.size() == starts.size()),
      "starts, ends, axes and steps have different lengths");
  Ints begin(x.dims().size(), 0), size = x.dims();
  std::vector<std::pair<int64_t, Ints>> picked;   // (axis, positions)
  for (size_t k = 0; k < axes.size(); ++k) {
    const auto d = static_cast<size_t>(axes[k]);
    const int64_t n = x.dims()[d], step = steps.empty() ? 1 : steps[k];
    c.require(step != 0, "a step is 0");
    const int64_t least = step > 0 ? 0 : -1, most = step > 0 ? n : n - 1;
    auto bound = [&](int64_t v) {
      return std::clamp(v < 0 ? (v < -n ? int64_t{-1} : v + n) : v, least, std::max(least, most));
    };
    const int64_t first = bound(starts[k]), last = step < 0 && ends[k] < -n ? -1 : bound(ends[k]);
    const int64_t distance = step > 0 ? last - first : first - last;
    const auto stride = static_cast<uint64_t>(step > 0 ? step : -(step + 1)) + (step > 0 ? 0 : 1);
    const int64_t count =
        n == 0 || distance <= 0 ? 0 : 1 + static_cast<int64_t>(static_cast<uint64_t>(distance - 1) / stride);
    if (step == 1 || count <= 1) {
      begin[d] = count == 0 ? 0 : first;
      size[d] = count;
      continue;
    }
    Ints positions;
    for (int64_t i = 0; i < count; ++i) positions.push_back(first + i * step);
    picked.emplace_back(axes[k], std::move(positions));
  }
  x = c.slice(x, begin, size);
  for (const auto& [axis, positions] : picked) x = c.gather(x, positions, axis);
  c.out(0, x);
}

void squeeze(Call& c) {
  const Tensor x = c.in(0);
  const Ints axes = c.axes(c.ints(1), x.rank());
  Ints shape;
  for (int64_t d = 0; d < x.rank(); ++d) {
    const bool named = std::find(axes.begin(), axes.end(), d) != axes.end();
    c.require(!named || x.dim(d) == 1, "an axis to remove has another extent than 1");
    if (!(named || (!c.has(1) && x.dim(d) == 1))) shape.push_back(x.dim(d));
  }
  c.out(0, c.reshape(x, shape));
}

void unsqueeze(Call& c) {
  const Tensor x = c.in(0);
  Ints axes = c.ints(1);
  const int64_t rank = x.rank() + static_cast<int64_t>(axes.size());
  axes = c.axes(axes, rank);
  Ints shape(static_cast<size_t>(rank), -1);
  for (int64_t a : axes) {
    c.require(shape[static_cast<size_t>(a)] < 0, "an axis is named twice");
    shape[static_cast<size_t>(a)] = 1;
  }
  size_t next = 0;
  for (int64_t& d : shape) {
    if (d < 0) d = x.dims()[next++];
  }
  c.out(0, c.reshape(x, shape));
}

void flatten(Call& c) {
  const Tensor x = c.in(0);
  int64_t axis = c.i("axis", 1);
  c.require(axis >= -x.rank() && axis <= x.rank(), "the axis is out of range");
  if (axis < 0) axis += x.rank();
  Ints shape = {1, 1};
  for (int64_t d = 0; d < x.rank(); ++d) shape[d < axis ? 0 : 1] *= x.dim(d);
  c.out(0, c.reshape(x, shape));
}

void expand(Call& c) {
  const Tensor x = c.in(0);
  Ints shape = c.ints(1);
  while (shape.size() < x.dims().size()) shape.insert(shape.begin(), 1);
  const size_t lead = shape.size() - x.dims().size();
  for (size_t d = lead; d < shape.size(); ++d) {
    const int64_t have = x.dims()[d - lead];
    c.require(have == shape[d] || have == 1 || shape[d] == 1, "the shapes cannot be broadcast");
    if (shape[d] == 1) shape[d] = have;
  }
  c.out(0, c.broadcast(x, shape));
}

void tile(Call& c) {
  const Tensor x = c.in(0);
  const Ints repeats = c.ints(1);
  c.require(static_cast<int64_t>(repeats.size()) == x.rank(), "it needs one number of repeats per axis");
  Ints shape = x.dims();
  for (size_t d = 0; d < shape.size(); ++d) {
    c.require(repeats[d] >= 0 && repeats[d] < (int64_t{1} << 40), "a number of repeats is out of range");
    shape[d] *= repeats[d];
  }
  c.room(shape, x.type());
  if (repeats.empty()) return c.out(0, x);
  const Tensor raw = x.viewed(type_bytes(x.type()) == 1   ? kInt8
                              : type_bytes(x.type()) == 2 ? kInt16
                              : type_bytes(x.type()) == 4 ? kInt32
                              : type_bytes(x.type()) == 8 ? kInt64
                                                          : kComplex128);
  c.out(0, c.op("Tile").in(raw).ints(repeats).one(raw.type(), shape).viewed(x.type()));
}

void shape_of(Call& c) {
  const Ints& dims = c.slot_in(0).tensor.dims();
  const auto rank = static_cast<int64_t>(dims.size());
  auto bound = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + rank : v, 0, rank); };
  const int64_t from = bound(c.i("start", 0)), to = std::max(from, bound(c.i("end", rank)));
  c.out(0, vector_of(Ints(dims.begin() + from, dims.begin() + to)));
}

void size_of(Call& c) {
  const int64_t n = c.slot_in(0).tensor.count();
  c.out(0, copy_of(kInt64, {}, &n));
}

// Mirrors as often as the padding asks: MindSpore's MirrorPad mirrors once.
Tensor mirrored(Call& c, Tensor x, size_t axis, int64_t before, int64_t after, bool edge) {
  Ints at;
  const int64_t n = x.dims()[axis], total = n + before + after;
  c.require(n > 0 && total >= 0, "there is nothing to repeat");
  c.room({total}, kInt64);
  for (int64_t i = -before; i < n + after; ++i) {
    if (edge) {
      at.push_back(std::clamp<int64_t>(i, 0, n - 1));
      continue;
    }
    const int64_t period = std::max<int64_t>(1, 2 * (n - 1));
    const int64_t p = ((i % period) + period) % period;
    at.push_back(p < n ? p : period - p);
  }
  return c.gather(x, at, static_cast<int64_t>(axis));
}

Tensor wrapped(Call& c, const Tensor& x, size_t axis, int64_t before, int64_t after) {
  Ints at;
  const int64_t n = x.dims()[axis];
  c.require(n > 0 && n + before + after >= 0, "there is nothing to repeat");
  c.room({n + before + after}, kInt64);
  for (int64_t i = -before; i < n + after; ++i) at.push_back(((i % n) + n) % n);
  return c.gather(x, at, static_cast<int64_t>(axis));
}

void pad(Call& c) {
  Tensor x = c.in(0);
  const Ints pads = c.ints(1);
  Ints axes = c.axes(c.ints(3), x.rank());
  if (!c.has(3)) {
    for (int64_t d = 0; d < x.rank(); ++d) axes.push_back(d);
  }
  c.require(pads.size() == 2 * axes.size(), "it needs two numbers per axis");
  Ints before(x.dims().size(), 0), after = before;
  for (size_t k = 0; k < axes.size(); ++k) {
    before[static_cast<size_t>(axes[k])] = pads[k];
    after[static_cast<size_t>(axes[k])] = pads[k + axes.size()];
    c.require(std::abs(pads[k]) < (int64_t{1} << 40) && std::abs(pads[k + axes.size()]) < (int64_t{1} << 40),
              "a padding is out of range");
  }
  const std::string_view mode = c.s("mode", "constant");
  if (mode == "constant") {
    const bool given = c.has(2);
    if (!given) return c.out(0, c.pad(x, before, after, 0.0));
    const Tensor value = c.in(2);
    c.require(value.count() >= 1 && value.type() == x.type(), "the value is not one element of the operand's type");
    return c.out(0, c.pad(x, before, after, value.viewed(Ints{})));
  }
  for (size_t d = 0; d < before.size(); ++d) {
    if (before[d] == 0 && after[d] == 0) continue;
    x = mode == "wrap" ? wrapped(c, x, d, before[d], after[d]) : mirrored(c, x, d, before[d], after[d], mode == "edge");
  }
  c.out(0, x);
}

void depth_to_space(Call& c) {
  const Tensor x = c.in(0);
  const int64_t b = c.i("blocksize", 1);
  c.require(x.rank() == 4 && b > 0 && x.dim(1) % (b * b) == 0, "the channels are no multiple of the block");
  const int64_t n = x.dim(0), k = x.dim(1) / (b * b), h = x.dim(2), w = x.dim(3);
  const bool columns = c.s("mode", "DCR") == "CRD";
  const Tensor split = c.reshape(x, columns ? Ints{n, k, b, b, h, w} : Ints{n, b, b, k, h, w});
  c.out(0,
        c.reshape(c.transpose(split, columns ? Ints{0, 1, 4, 2, 5, 3} : Ints{0, 3, 4, 1, 5, 2}), {n, k, h * b, w * b}));
}

void space_to_depth(Call& c) {
  const Tensor x = c.in(0);
  const int64_t b = c.i("blocksize", 1);
  c.require(x.rank() == 4 && b > 0 && x.dim(2) % b == 0 && x.dim(3) % b == 0,
            "the extents are no multiple of the block");
  const int64_t n = x.dim(0), k = x.dim(1), h = x.dim(2) / b, w = x.dim(3) / b;
  const Tensor split = c.reshape(x, {n, k, h, b, w, b});
  const bool columns = c.s("mode", "DCR") == "CRD";
  c.out(0,
        c.reshape(c.transpose(split, columns ? Ints{0, 1, 3, 5, 2, 4} : Ints{0, 3, 5, 1, 2, 4}), {n, k * b * b, h, w}));
}

void constant(Call& c) {
  for (uint32_t a = 0; a < c.node().n_attributes; ++a) {
    const ch_attribute& at = *c.node().attributes[a];
    const std::string_view name = view(at.name);
    const auto n = static_cast<int64_t>(at.count);
    if (name == "value") return c.out(0, view_of(*at.tensors[0]));
    if (name == "value_float") return c.out(0, copy_of(kFloat, {}, &at.f));
    if (name == "value_int") return c.out(0, copy_of(kInt64, {}, &at.i));
    if (name == "value_floats") return c.out(0, copy_of(kFloat, {n}, at.floats));
    if (name == "value_ints") return c.out(0, copy_of(kInt64, {n}, at.ints));
  }
  c.fail(CH_UNSUPPORTED, "its value is of a kind that MindSpore is not given");
}

void constant_of_shape(Call& c) {
  const Ints shape = c.ints(0);
  const ch_attribute* value = attribute(c.node(), "value");
  const Tensor one = value == nullptr ? scalar_of(0, kFloat) : view_of(*value->tensors[0]);
  c.room(shape, one.type());
  c.out(0, c.broadcast(one.viewed(Ints{}), shape));
}

void range(Call& c) {
  const Tensor start = c.in(0), limit = c.in(1), delta = c.in(2);
  const double from = to_number(start), to = to_number(limit), step = to_number(delta);
  c.require(step != 0, "delta is 0");
  const double n = std::max(0.0, std::ceil((to - from) / step));
  c.require(n < 1e15, "it has too many elements");
  c.room({static_cast<int64_t>(n)}, start.type());
  c.out(0, c.bin("Add", c.bin("Mul", c.range(static_cast<int64_t>(n), start.type()), delta.viewed(Ints{})),
                 start.viewed(Ints{})));
}

// Rows of a matrix [h, w], columns, and their difference.
Tensor diagonal(Call& c, int64_t h, int64_t w) {
  return c.bin("Sub", c.reshape(c.range(w), {1, w}), c.reshape(c.range(h), {h, 1}));
}

void eye_like(Call& c) {
  const Ints& dims = c.slot_in(0).tensor.dims();
  c.require(dims.size() == 2, "the operand is no matrix");
  const int type = c.out_type(0) == kNoType ? c.slot_in(0).tensor.type() : c.out_type(0);
  c.room(dims, kInt64);
  c.out(0, c.cast(c.bin("Equal", diagonal(c, dims[0], dims[1]), scalar_of(static_cast<double>(c.i("k", 0)), kInt64)),
                  type));
}

void trilu(Call& c) {
  const Tensor x = c.in(0);
  c.require(x.rank() >= 2, "the operand is no matrix");
  const Ints k = c.ints(1);
  const int64_t h = x.dim(x.rank() - 2), w = x.dim(x.rank() - 1);
  const Tensor limit = vector_of({k.empty() ? 0 : k[0]});
  const bool upper = c.i("upper", 1) != 0;
  const Tensor kept = c.bin(upper ? "GreaterEqual" : "LessEqual", diagonal(c, h, w), limit);
  c.out(0, c.where(kept, x, scalar_of(0, x.type())));
}

void center_crop_pad(Call& c) {
  const Tensor x = c.in(0);
  const Ints wanted = c.ints(1);
  Ints axes = c.axes(c.is("axes"), x.rank());
  if (!c.given("axes")) {
    for (int64_t d = 0; d < x.rank(); ++d) axes.push_back(d);
  }
  c.require(axes.size() == wanted.size(), "it needs one extent per axis");
  Ints before(x.dims().size(), 0), after = before;
  for (size_t k = 0; k < axes.size(); ++k) {
    const auto d = static_cast<size_t>(axes[k]);
    const int64_t have = x.dims()[d], more = wanted[k] - have;
    c.require(wanted[k] >= 0, "an extent is negative");
    before[d] = more >= 0 ? more / 2 : -((have - wanted[k]) / 2);
    after[d] = more - before[d];
  }
  c.out(0, c.pad(x, before, after, 0.0));
}

void reverse_sequence(Call& c) {
  const Tensor x = c.in(0), lengths = c.cast(c.in(1), kInt64);
  const int64_t time = c.i("time_axis", 0), batch = c.i("batch_axis", 1);
  c.require(x.rank() >= 2 && batch + time == 1 && batch * time == 0, "batch and time must be the first two axes");
  c.require(lengths.count() == x.dim(batch), "there must be one length for each sequence");
  for (int64_t n : to_ints(lengths)) c.require(n >= 0 && n <= x.dim(time), "a length is out of range");
  c.out(0, c.op("ReverseSequence")
               .in(x)
               .in(lengths)
               .set_i("seq_dim", time)
               .set_i("batch_dim", batch)
               .one(x.type(), x.dims()));
}

void dropout(Call& c) {
  const Tensor x = c.in(0);
  if (c.has(2) && c.number(2, 0) != 0 && c.number(1, 0.5) != 0)
    c.fail(CH_UNSUPPORTED, "random numbers are those of the native engine: training mode is not made here");
  c.out(0, x);
  if (c.wants(1)) c.out(1, c.fill(x.dims(), 1, kBool));
}

std::string dropout_mode(const Node& n) {
  if (!n.has(2)) return {};
  const int32_t constant = n.graph.values[n.node.inputs[2]]->constant;
  if (constant == CH_NO_INDEX) return {};
  const ch_value& mode = *n.graph.constants[constant];
  const bool trains = *(static_cast<const char*>(mode.buffer.data) + mode.offset) != 0;
  return trains ? "training mode draws random numbers, which the native engine makes for all" : "";
}

std::string constant_kind(const Node& n) {
  for (const char* name : {"value_string", "value_strings", "sparse_value"}) {
    if (n.given(name)) return std::string(name) + " is not given to MindSpore";
  }
  return {};
}

constexpr std::array kRows = std::to_array<Row>({
    {"Reshape", reshape, ""},
    {"Transpose", transpose, "Transpose", {}, Widen::moves},
    {"Concat", concat, "Concat", {}, Widen::moves},
    {"Split", split, "Slice", {}, Widen::moves},
    {"Slice", slice, "Slice,Gather",
     "bounds are cut to the extent first: a start or end before the first element has no number there", Widen::moves},
    {"Squeeze", squeeze, ""},
    {"Unsqueeze", unsqueeze, ""},
    {"Flatten", flatten, ""},
    {"Expand", expand, "BroadcastTo",
     "extents of 1 in the wanted shape leave those of the operand: BroadcastTo refuses them", Widen::moves},
    {"Tile", tile, "Tile", {}, Widen::moves},
    {"Shape", shape_of, ""},
    {"Size", size_of, ""},
    {"Pad", pad, "PadV3,Slice,Gather",
     "negative padding cuts; MirrorPad mirrors once only, so reflection, edges and wrapping are gathered",
     Widen::moves},
    {"DepthToSpace", depth_to_space, "Transpose", "by transposing: MindSpore's takes one order of the channels only",
     Widen::moves},
    {"SpaceToDepth", space_to_depth, "Transpose", {}, Widen::moves},
    {"Constant", constant, "", {}, Widen::none, constant_kind},
    {"ConstantOfShape", constant_of_shape, ""},
    {"Range", range, ""},
    {"EyeLike", eye_like, ""},
    {"Trilu", trilu, "Select", {}, Widen::moves},
    {"CenterCropPad", center_crop_pad, "PadV3,Slice", {}, Widen::moves},
    {"ReverseSequence", reverse_sequence, "ReverseSequence"},
    {"Dropout", dropout, "", {}, Widen::none, dropout_mode},
});

}  // namespace

std::span<const Row> movement_rows() { return kRows; }

}  // namespace chorus_mindspore
