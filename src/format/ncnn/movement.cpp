// Operators that move elements: most work on (before the axis, along the axis, behind it), so that every rank fits.
#include <format/ncnn/table.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>
#include <utility>

namespace chorus::ncnn {
namespace {

constexpr size_t kMostPieces = 64;  // of a Gather that is written as crops

struct Around {
  int64_t outer, extent, inner;
  Extents dims() const { return {outer, extent, inner}; }
};

Around around(const Extents& shape, int64_t axis) {
  const auto at = static_cast<size_t>(axis);
  return {product(std::span(shape).first(at)), shape[at], product(std::span(shape).subspan(at + 1))};
}

// The tensor with its axis where a layer can work on it: in its natural extents if the axis is among them, else in three.
struct Placed {
  Extents dims;
  int64_t axis;
};

Placed place(const Extents& shape, int64_t axis) {
  const bool dropped = shape.size() > 1 && shape[0] == 1;
  const auto rank = static_cast<int64_t>(shape.size()) - (dropped ? 1 : 0);
  if (rank <= kMaxDims && rank > 0 && (!dropped || axis > 0)) return {natural(shape), axis - (dropped ? 1 : 0)};
  return {around(shape, axis).dims(), 1};
}

}  // namespace

void write_alias(Emitter& e) { e.out(0, e.in(0)); }

void write_cast(Emitter& e) {
  const DType from = e.graph().value(e.node().inputs[0]).type.dtype,
              to = e.graph().value(e.node().outputs[0]).type.dtype;
  const bool widens = from == to || (to == DType::float32 && from != DType::float64 && from != DType::string &&
                                     from != DType::undefined && dtype_bits(from) >= 8 && from != DType::complex64 &&
                                     from != DType::complex128);
  if (!widens) refuse(fmt::format("ncnn's blobs are float32: no {} becomes {}", dtype_name(from), dtype_name(to)));
  e.out(0, e.in(0));
}

void write_transpose(Emitter& e) {
  const Extents x = e.shape(0);
  const auto rank = static_cast<int64_t>(x.size());
  std::vector<int64_t> order;
  const auto given = e.attrs().integers("perm");
  for (int64_t i = 0; i < rank; ++i) order.push_back(given.empty() ? rank - 1 - i : given[static_cast<size_t>(i)]);
  std::erase_if(order, [&](int64_t axis) { return x[static_cast<size_t>(axis)] == 1; });
  // Axes that stay neighbours are one.
  std::vector<std::vector<int64_t>> runs;
  for (int64_t axis : order) {
    bool follows = !runs.empty();
    if (follows) {
      int64_t before = axis - 1;
      while (before >= 0 && x[static_cast<size_t>(before)] == 1) --before;
      follows = before == runs.back().back();
    }
    if (follows)
      runs.back().push_back(axis);
    else
      runs.push_back({axis});
  }
  if (runs.size() < 2) return e.out(0, e.in(0));
  if (runs.size() > 4) refuse(fmt::format("a transposition of {} moves more than four axes", shape_str(x)));
  std::vector<size_t> sorted(runs.size());
  std::iota(sorted.begin(), sorted.end(), size_t{0});
  std::sort(sorted.begin(), sorted.end(), [&](size_t a, size_t b) { return runs[a][0] < runs[b][0]; });
  Extents dims;
  std::vector<int64_t> to(runs.size());
  for (size_t i = 0; i < sorted.size(); ++i) {
    int64_t extent = 1;
    for (int64_t axis : runs[sorted[i]]) extent *= x[static_cast<size_t>(axis)];
    dims.push_back(extent);
    to[sorted[i]] = static_cast<int64_t>(i);
  }
  e.out(0, e.permute(e.in(0, dims), to));
}

void write_concat(Emitter& e) {
  const Extents y = e.out_shape();
  const int64_t axis = e.axis(e.attrs().integer("axis"), static_cast<int64_t>(y.size()));
  const Placed to = place(y, axis);
  std::vector<Blob> blobs;
  for (size_t i = 0; i < e.node().inputs.size(); ++i) {
    const int64_t extent = e.shape(i)[static_cast<size_t>(axis)];
    if (extent == 0) continue;
    Extents dims = to.dims;
    dims[static_cast<size_t>(to.axis)] = extent;
    blobs.push_back(e.in(i, dims));
  }
  e.out(0, e.concat(std::move(blobs), to.axis));
}

void write_split(Emitter& e) {
  const Extents x = e.shape(0);
  const int64_t axis = e.axis(e.attrs().integer("axis", 0), static_cast<int64_t>(x.size()));
  const Placed from = place(x, axis);
  const Blob whole = e.in(0, from.dims);
  std::vector<int64_t> sizes;
  std::vector<Extents> dims;
  for (size_t i = 0; i < e.node().outputs.size(); ++i) {
    if (e.node().outputs[i] == kNone) refuse("an output of Split that is left out");
    sizes.push_back(e.out_shape(i)[static_cast<size_t>(axis)]);
    dims.push_back(from.dims);
    dims.back()[static_cast<size_t>(from.axis)] = sizes.back();
  }
  if (sizes.size() == 1) return e.out(0, whole);
  if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end()) refuse("ncnn has no empty blobs");
  const auto parts = e.layers("Slice", Params().integers(0, sizes).integer(1, from.axis), {whole}, dims);
  for (size_t i = 0; i < parts.size(); ++i) e.out(i, parts[i]);
}

namespace {

// Every step-th element from `begin`, `count` of them; a negative step turns the axis round first.
Blob take(Emitter& e, Blob blob, const Extents& shape, int64_t axis, int64_t begin, int64_t count, int64_t step) {
  const Around a = around(shape, axis);
  blob = e.reshape(blob, a.dims());
  if (step < 0) {
    const std::array axes = {int64_t{1}};
    blob = e.layer("Flip", Params().integers(0, axes), {blob}, a.dims());
    begin = a.extent - 1 - begin;
    step = -step;
  }
  if (step == 1) return e.crop(blob, 1, begin, begin + count);
  const int64_t room = count * step, missing = begin + room - a.extent;
  if (missing > 0) {  // the last step reaches past the end: filled up, never taken
    Params p;
    p.integer(0, 0).integer(1, missing).integer(2, 0).integer(3, 0).integer(4, 0).real(5, 0);
    blob = e.layer("Padding", p, {blob}, {a.outer, a.extent + missing, a.inner});
  }
  blob = e.crop(blob, 1, begin, begin + room);
  blob = e.reshape(blob, {a.outer * count, step, a.inner});
  return e.reshape(e.crop(blob, 1, 0, 1), {a.outer, count, a.inner});
}

}  // namespace

void write_slice(Emitter& e) {
  Extents x = e.shape(0);
  const auto rank = static_cast<int64_t>(x.size());
  const auto starts = e.integers(1).value_or(std::vector<int64_t>()),
             ends = e.integers(2).value_or(std::vector<int64_t>());
  std::vector<int64_t> all(starts.size());
  std::iota(all.begin(), all.end(), 0);
  const auto axes = e.integers(3).value_or(all);
  const auto steps = e.integers(4).value_or(std::vector<int64_t>(starts.size(), 1));
  if (product(e.out_shape()) == 0) refuse("ncnn has no empty blobs");
  Blob blob = e.in(0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t axis = e.axis(axes[i], rank), extent = x[static_cast<size_t>(axis)], step = steps[i];
    const int64_t count = e.out_shape()[static_cast<size_t>(axis)];
    const int64_t from = starts[i] < 0 ? std::max<int64_t>(starts[i] + extent, step < 0 ? -1 : 0) : starts[i];
    const int64_t begin = std::clamp<int64_t>(from, 0, extent - 1);
    if (count == extent && step == 1) continue;
    const Placed at = place(x, axis);
    blob = step == 1 ? e.crop(e.reshape(blob, at.dims), at.axis, begin, begin + count)
                     : take(e, blob, x, axis, begin, count, step);
    x[static_cast<size_t>(axis)] = count;
  }
  e.out(0, blob);
}

void write_pad(Emitter& e) {
  Extents x = e.shape(0);
  const std::string_view mode = e.attrs().string("mode", "constant");
  if (mode == "wrap") refuse("ncnn's Padding does not wrap round");
  const int type = mode == "constant" ? 0 : mode == "edge" ? 1 : 2;
  double value = 0;
  if (e.has(2)) {
    const auto given = e.scalar(2);
    if (!given) refuse("the value of Pad must be a constant");
    value = *given;
  }
  const auto pads = *e.integers(1);
  std::vector<int64_t> all(x.size());
  std::iota(all.begin(), all.end(), 0);
  const auto axes = e.integers(3).value_or(all);
  Blob blob = e.in(0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t axis = e.axis(axes[i], static_cast<int64_t>(x.size()));
    const int64_t before = pads[i], behind = pads[axes.size() + i];
    if (before == 0 && behind == 0) continue;
    if (before < 0 || behind < 0) refuse("ncnn's Padding does not cut");
    const Around a = around(x, axis);
    if (type == 2 && std::max(before, behind) >= a.extent) refuse("a reflection reaches past the other end");
    Params p;
    Extents dims = {a.outer, a.extent, a.inner};
    p.integer(0, before).integer(1, behind).integer(2, 0).integer(3, 0).integer(4, type).real(5, value);
    blob = e.reshape(blob, dims);
    dims[1] += before + behind;
    blob = e.layer("Padding", p, {blob}, dims);
    x[static_cast<size_t>(axis)] += before + behind;
  }
  e.out(0, blob);
}

namespace {

Blob repeat(Emitter& e, Blob blob, Extents x, const std::vector<int64_t>& repeats) {
  for (size_t axis = 0; axis < x.size(); ++axis) {
    if (repeats[axis] == 1) continue;
    // Whole blocks from this axis on: (before, block) → (before, times × block).
    const int64_t outer = product(std::span(x).first(axis)), block = product(std::span(x).subspan(axis));
    const std::array times = {int64_t{1}, repeats[axis], int64_t{1}};
    blob = e.layer("Tile", Params().integers(2, times), {e.reshape(blob, {outer, 1, block})},
                   {outer, repeats[axis], block});
    x[axis] *= repeats[axis];
  }
  return blob;
}

}  // namespace

void write_expand(Emitter& e) {
  const Extents y = e.out_shape();
  Extents x(y.size() - e.shape(0).size(), 1);
  x.insert(x.end(), e.shape(0).begin(), e.shape(0).end());
  std::vector<int64_t> repeats;
  for (size_t i = 0; i < x.size(); ++i) repeats.push_back(y[i] / std::max<int64_t>(x[i], 1));
  e.out(0, repeat(e, e.in(0), x, repeats));
}

void write_tile(Emitter& e) {
  const auto repeats = *e.integers(1);
  if (product(e.out_shape()) == 0) refuse("ncnn has no empty blobs");
  e.out(0, repeat(e, e.in(0), e.shape(0), repeats));
}

void write_gather(Emitter& e) {
  const Extents x = e.shape(0);
  const int64_t axis = e.axis(e.attrs().integer("axis", 0), static_cast<int64_t>(x.size()));
  const Around a = around(x, axis);
  if (const Value* known = e.constant(1); known != nullptr) {
    std::vector<int64_t> wanted = known->to_int64s();
    for (int64_t& one : wanted) one += one < 0 ? a.extent : 0;
    const Blob whole = e.in(0, a.dims());
    std::vector<Blob> pieces;
    for (size_t i = 0; i < wanted.size();) {
      size_t end = i + 1;
      while (end < wanted.size() && wanted[end] == wanted[end - 1] + 1) ++end;
      if (wanted[i] < 0 || wanted[end - 1] >= a.extent) refuse("an index outside of the axis");
      pieces.push_back(e.crop(whole, 1, wanted[i], wanted[end - 1] + 1));
      i = end;
    }
    if (pieces.empty() || pieces.size() > kMostPieces) refuse("a Gather of more pieces than are written one by one");
    return e.out(0, e.concat(std::move(pieces), 1));
  }
  const Value* table = e.constant(0);
  if (table == nullptr || a.outer != 1 || table->dtype() != DType::float32)
    refuse("ncnn's Embed takes rows of a constant table only");
  const Blob rows = e.indices(1, a.extent);
  Params p;
  p.integer(0, a.inner).integer(1, a.extent).integer(2, 0).integer(3, a.extent * a.inner);
  e.out(0, e.layer("Embed", p, {rows}, {rows.dims[0], a.inner}));
  e.weights(Tag::float32, table->as<float>());
}

void write_depth_to_space(Emitter& e) {
  const Extents x = e.shape(0), y = e.out_shape();
  const int64_t block = e.attrs().integer("blocksize");
  if (x[0] != 1) refuse("ncnn's PixelShuffle takes one image");
  const int64_t mode = e.attrs().string("mode", "DCR") == "DCR" ? 1 : 0;
  e.out(0, e.layer("PixelShuffle", Params().integer(0, block).integer(1, mode), {e.in(0, {x[1], x[2], x[3]})},
                   {y[1], y[2], y[3]}));
}

void write_space_to_depth(Emitter& e) {
  const Extents x = e.shape(0), y = e.out_shape();
  if (x[0] != 1) refuse("ncnn's Reorg takes one image");
  if (e.attrs().string("mode", "DCR") != "DCR") refuse("the order of channels that mode CRD asks for");
  e.out(0, e.layer("Reorg", Params().integer(0, e.attrs().integer("blocksize")).integer(1, 1),
                   {e.in(0, {x[1], x[2], x[3]})}, {y[1], y[2], y[3]}));
}

}  // namespace chorus::ncnn
