// Elements by their places.
#include "table.h"

namespace chorus_torch {
namespace {

// Negative places count from the end; PyTorch checks the others.
Tensor wrapped(const Tensor& indices, int64_t n) {
  const Tensor at = indices.to(at::kLong);
  return at::where(at::lt(at, 0), at::add(at, n), at);
}

void gather(Call& c) {
  const Tensor x = c.in(0), indices = c.in(1);
  const int64_t axis = c.axis(c.i("axis", 0), x.dim());
  Ints shape = x.sizes().vec();
  shape.erase(shape.begin() + axis);
  shape.insert(shape.begin() + axis, indices.sizes().begin(), indices.sizes().end());
  c.room(shape, x.scalar_type());
  c.out(0, x.index_select(axis, wrapped(indices, x.size(axis)).flatten()).reshape(shape));
}

void gather_elements(Call& c) {
  const Tensor x = c.in(0);
  const int64_t axis = c.axis(c.i("axis", 0), x.dim());
  c.out(0, at::gather(x, axis, wrapped(c.in(1), x.size(axis))));
}

// Places of tuples in the flattened leading axes [first, first + width) of x.
Tensor flat_places(Call& c, const Tensor& x, const Tensor& indices, int64_t first) {
  const int64_t width = indices.size(-1);
  c.require(first + width <= x.dim(), "an index has more parts than the data has axes");
  Ints shape = indices.sizes().vec();
  shape.pop_back();
  Tensor flat = at::zeros(shape, at::TensorOptions(at::kLong));
  for (int64_t k = 0; k < width; ++k) {
    const int64_t n = x.size(first + k);
    const Tensor part = wrapped(indices.select(-1, k), n);
    c.require(!at::logical_or(at::lt(part, 0), at::ge(part, n)).any().item<bool>(), "an index is out of range");
    flat = at::add(at::mul(flat, n), part);
  }
  return flat;
}

void gather_nd(Call& c) {
  const Tensor x = c.in(0), indices = c.in(1);
  const int64_t batch = c.i("batch_dims", 0), width = indices.size(-1);
  c.require(batch >= 0 && batch < indices.dim() && batch + width <= x.dim() && width > 0,
            "batch_dims or the width of the indices is out of range");
  const Tensor flat = flat_places(c, x, indices, batch);
  Ints tail(x.sizes().begin() + batch + width, x.sizes().end());
  Ints shape(indices.sizes().begin(), indices.sizes().end() - 1);
  shape.insert(shape.end(), tail.begin(), tail.end());
  const Tensor rows = x.flatten(batch, batch + width - 1);
  if (batch == 0) return c.out(0, rows.index_select(0, flat.flatten()).reshape(shape));
  int64_t groups = 1;
  for (int64_t d = 0; d < batch; ++d) groups *= x.size(d);
  const Tensor grouped = rows.flatten(0, batch - 1);   // [groups, places, tail …]
  const int64_t places = grouped.size(1);
  const Tensor offset = at::mul(at::arange(groups, at::TensorOptions(at::kLong)), places).unsqueeze(1);
  const Tensor at = at::add(flat.reshape({groups, -1}), offset).flatten();
  c.out(0, grouped.flatten(0, 1).index_select(0, at).reshape(shape));
}

const char* reduction_of(std::string_view name) {
  return name == "add" ? "sum" : name == "mul" ? "prod" : name == "max" ? "amax" : "amin";
}

void scatter_elements(Call& c) {
  const Tensor x = c.in(0), updates = c.in(2);
  const int64_t axis = c.axis(c.i("axis", 0), x.dim());
  const Tensor at = wrapped(c.in(1), x.size(axis));
  const std::string_view how = c.s("reduction", "none");
  if (how == "none") return c.out(0, at::scatter(x, axis, at, updates));
  c.out(0, at::scatter_reduce(x, axis, at, updates, reduction_of(how)));
}

void scatter_nd(Call& c) {
  const Tensor x = c.in(0), indices = c.in(1), updates = c.in(2);
  const int64_t width = indices.size(-1);
  const Tensor flat = flat_places(c, x, indices, 0).flatten();
  const Tensor rows = width == 0 ? x.unsqueeze(0) : x.flatten(0, width - 1);
  Ints shape = rows.sizes().vec();
  shape[0] = flat.numel();
  const Tensor given = updates.reshape(shape);
  const std::string_view how = c.s("reduction", "none");
  if (how == "none") return c.out(0, rows.index_copy(0, flat, given).reshape(x.sizes()));
  Ints ones(shape.size(), 1);
  ones[0] = -1;
  c.out(0, at::scatter_reduce(rows, 0, flat.reshape(ones).expand(shape), given, reduction_of(how)).reshape(x.sizes()));
}

void one_hot(Call& c) {
  const Tensor values = c.in(2);
  const auto depth = static_cast<int64_t>(c.number(1, 0));
  const Tensor indices = wrapped(c.in(0), depth);
  const int64_t axis = c.axis(c.i("axis", -1), indices.dim() + 1);
  Ints shape = indices.sizes().vec();
  shape.insert(shape.begin() + axis, depth);
  c.room(shape, values.scalar_type());
  Ints line(shape.size(), 1);
  line[static_cast<size_t>(axis)] = depth;
  const Tensor hit = at::eq(indices.unsqueeze(axis), at::arange(depth, at::TensorOptions(at::kLong)).reshape(line));
  c.out(0, at::where(hit, values.select(0, 1), values.select(0, 0)));
}

void compress(Call& c) {
  const Tensor given = c.in(0);
  const bool flat = !c.given("axis");
  const Tensor x = flat ? given.flatten() : given;
  const int64_t axis = flat ? 0 : c.axis(c.i("axis", 0), x.dim());
  c.require(c.in(1).numel() <= x.size(axis), "the condition is longer than the axis");
  c.out(0, x.index_select(axis, at::nonzero(c.in(1)).flatten()));
}

void non_zero(Call& c) {
  const Tensor x = c.in(0);
  c.out(0, at::nonzero(x).t());
}

void tensor_scatter(Call& c) {
  const Tensor cache = c.in(0), update = c.in(1);
  const int64_t axis = c.axis(c.i("axis", -2), cache.dim());
  const int64_t extent = cache.size(axis), length = update.size(axis), batch = cache.size(0);
  c.require(axis > 0, "the axis of the batch cannot be written along");
  Tensor start = c.has(2) ? c.in(2).to(at::kLong) : at::zeros({batch}, at::TensorOptions(at::kLong));
  Tensor at = at::add(start.unsqueeze(1), at::arange(length, at::TensorOptions(at::kLong)).unsqueeze(0));
  if (c.s("mode", "linear") == "circular") at = at::remainder(at, extent);
  Ints shape(static_cast<size_t>(cache.dim()), 1);
  shape[0] = batch;
  shape[static_cast<size_t>(axis)] = length;
  c.out(0, at::scatter(cache, axis, at.reshape(shape).expand(update.sizes()), update));
}

constexpr Types kMoved = kAll & ~kEighths & ~kWides;

constexpr Row kRows[] = {
    {"Gather", gather, kMoved, "index_select", "negative indices are errors there: the extent is added"},
    {"GatherElements", gather_elements, kMoved, "gather", "negative indices are errors there: the extent is added"},
    {"GatherND", gather_nd, kMoved, "index_select", "has no tuples of indices: places in the flattened axes"},
    {"ScatterElements", scatter_elements, kMoved, "scatter, scatter_reduce",
     "negative indices are errors there: the extent is added"},
    {"ScatterND", scatter_nd, kMoved, "index_copy, scatter_reduce",
     "has no tuples of indices: places in the flattened axes"},
    {"OneHot", one_hot, kMoved, "eq, where", "one_hot gives int64 zeros and ones at the last axis only", nullptr,
     Widen::none, 2},
    {"Compress", compress, kMoved, "nonzero, index_select"},
    {"NonZero", non_zero, kMoved, "nonzero", "one row an element there: transposed"},
    {"TensorScatter", tensor_scatter, kMoved, "scatter"},
};

}  // namespace

std::span<const Row> indexing_rows() { return kRows; }

}  // namespace chorus_torch
