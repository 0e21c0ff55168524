// Elements by their places.
#include "table.h"

namespace chorus_paddle {
namespace {

// Negative places count from the end.
Tensor wrapped(const Tensor& indices, int64_t n) {
  const Tensor at = indices.to(kLong);
  return where(lt(at, 0), add(at, static_cast<double>(n)), at);
}

void gather(Call& c) {
  const Tensor x = c.in(0), indices = c.in(1);
  const int64_t axis = c.axis(c.i("axis", 0), x.dim());
  Ints shape = x.sizes();
  shape.erase(shape.begin() + axis);
  const Ints places = indices.sizes();
  shape.insert(shape.begin() + axis, places.begin(), places.end());
  c.room(shape, x.type());
  c.out(0, x.index_select(axis, indices.to(kLong).reshape({-1})).reshape(shape));
}

void gather_elements(Call& c) {
  const Tensor x = c.in(0);
  const int64_t axis = c.axis(c.i("axis", 0), x.dim());
  c.out(0, take_along(x, axis, wrapped(c.in(1), x.size(axis))));
}

// Places of tuples in the flattened leading axes [first, first + width) of x.
Tensor flat_places(Call& c, const Tensor& x, const Tensor& indices, int64_t first) {
  const int64_t width = indices.size(-1);
  c.require(first + width <= x.dim(), "an index has more parts than the data has axes");
  Ints shape = indices.sizes();
  shape.pop_back();
  Tensor flat = zeros(shape, kLong);
  for (int64_t k = 0; k < width; ++k) {
    const int64_t n = x.size(first + k);
    const Tensor part = wrapped(indices.select(-1, k), n);
    c.require(!any(either(lt(part, 0), ge(part, static_cast<double>(n)))), "an index is out of range");
    flat = add(mul(flat, static_cast<double>(n)), part);
  }
  return flat;
}

void gather_nd(Call& c) {
  const Tensor x = c.in(0), indices = c.in(1);
  const int64_t batch = c.i("batch_dims", 0), width = indices.size(-1);
  c.require(batch >= 0 && batch < indices.dim() && batch + width <= x.dim() && width > 0,
            "batch_dims or the width of the indices is out of range");
  const Tensor flat = flat_places(c, x, indices, batch);
  const Ints extents = x.sizes();
  const Ints tail(extents.begin() + batch + width, extents.end());
  Ints shape = indices.sizes();
  shape.pop_back();
  shape.insert(shape.end(), tail.begin(), tail.end());
  const Tensor rows = x.flatten(batch, batch + width - 1);
  if (batch == 0) return c.out(0, rows.index_select(0, flat.reshape({-1})).reshape(shape));
  int64_t groups = 1;
  for (int64_t d = 0; d < batch; ++d) groups *= x.size(d);
  const Tensor grouped = rows.flatten(0, batch - 1);   // [groups, places, tail …]
  const int64_t places = grouped.size(1);
  const Tensor offset = mul(arange(groups), static_cast<double>(places)).unsqueeze(1);
  const Tensor at = add(flat.reshape({groups, -1}), offset).reshape({-1});
  c.out(0, grouped.flatten(0, 1).index_select(0, at).reshape(shape));
}

const char* reduction_of(std::string_view name) {
  return name == "none" ? "assign" : name == "add" ? "add" : name == "mul" ? "mul" : name == "max" ? "amax" : "amin";
}

void scatter_elements(Call& c) {
  const Tensor x = c.in(0), updates = c.in(2);
  const int64_t axis = c.axis(c.i("axis", 0), x.dim());
  const Tensor at = wrapped(c.in(1), x.size(axis));
  c.out(0, put_along(x, axis, at, updates, reduction_of(c.s("reduction", "none"))));
}

void scatter_nd(Call& c) {
  const Tensor x = c.in(0), indices = c.in(1), updates = c.in(2);
  const int64_t width = indices.size(-1);
  const Tensor flat = flat_places(c, x, indices, 0).reshape({-1});
  const Tensor rows = width == 0 ? x.unsqueeze(0) : x.flatten(0, width - 1);
  Ints shape = rows.sizes();
  shape[0] = flat.numel();
  const Tensor given = updates.reshape(shape);
  Ints ones(shape.size(), 1);
  ones[0] = flat.numel();
  const Tensor at = flat.reshape(ones).expand(shape);
  c.out(0, put_along(rows, 0, at, given, reduction_of(c.s("reduction", "none"))).reshape(x.sizes()));
}

void one_hot(Call& c) {
  const Tensor values = c.in(2);
  const auto depth = static_cast<int64_t>(c.number(1, 0));
  const Tensor indices = wrapped(c.in(0), depth);
  const int64_t axis = c.axis(c.i("axis", -1), indices.dim() + 1);
  Ints shape = indices.sizes();
  shape.insert(shape.begin() + axis, depth);
  c.room(shape, values.type());
  Ints line(shape.size(), 1);
  line[static_cast<size_t>(axis)] = depth;
  const Tensor hit = eq(indices.unsqueeze(axis), arange(depth).reshape(line));
  c.out(0, where(hit, values.select(0, 1), values.select(0, 0)));
}

void compress(Call& c) {
  const Tensor given = c.in(0);
  const bool flat = !c.given("axis");
  const Tensor x = flat ? given.reshape({-1}) : given;
  const int64_t axis = flat ? 0 : c.axis(c.i("axis", 0), x.dim());
  c.require(c.in(1).numel() <= x.size(axis), "the condition is longer than the axis");
  c.out(0, x.index_select(axis, nonzero(c.in(1)).reshape({-1})));
}

void non_zero(Call& c) {
  const Tensor x = c.in(0);
  if (x.dim() == 0) return c.out(0, nonzero(x.reshape({1})).slice(1, 0, 0).transpose(0, 1));
  c.out(0, nonzero(x).transpose(0, 1));
}

void tensor_scatter(Call& c) {
  const Tensor cache = c.in(0), update = c.in(1);
  const int64_t axis = c.axis(c.i("axis", -2), cache.dim());
  const int64_t extent = cache.size(axis), length = update.size(axis), batch = cache.size(0);
  c.require(axis > 0, "the axis of the batch cannot be written along");
  Tensor start = c.has(2) ? c.in(2).to(kLong) : zeros({batch}, kLong);
  Tensor at = add(start.unsqueeze(1), arange(length).unsqueeze(0));
  if (c.s("mode", "linear") == "circular") at = wrapped_modulo(at, extent);
  Ints shape(static_cast<size_t>(cache.dim()), 1);
  shape[0] = batch;
  shape[static_cast<size_t>(axis)] = length;
  c.out(0, put_along(cache, axis, at.reshape(shape).expand(update.sizes()), update, "assign"));
}

constexpr Row kRows[] = {
    {"Gather", gather, kAll, "index_select"},
    {"GatherElements", gather_elements, kAll, "take_along_axis"},
    {"GatherND", gather_nd, kAll, "index_select", "gather_nd has no batch axes: places in the flattened axes"},
    {"ScatterElements", scatter_elements, kAll, "put_along_axis"},
    {"ScatterND", scatter_nd, kAll, "put_along_axis", "scatter_nd_add only adds: places in the flattened axes"},
    {"OneHot", one_hot, kAll, "eq, where", "one_hot gives zeros and ones at the last axis only", nullptr, Widen::none,
     2},
    {"Compress", compress, kAll, "nonzero, index_select"},
    {"NonZero", non_zero, kAll, "nonzero", "one row an element there: transposed"},
    {"TensorScatter", tensor_scatter, kAll, "put_along_axis"},
};

}  // namespace

std::span<const Row> indexing_rows() { return kRows; }

}  // namespace chorus_paddle
