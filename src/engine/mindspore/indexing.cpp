// Reading and writing at positions. MindSpore counts no position from the end and some of its kernels do not look at what is out of range:
// positions are turned and checked here.
#include <algorithm>
#include <array>

#include "table.h"

namespace chorus_mindspore {
namespace {

// Integers of the same size, for kernels that only move.
Tensor raw(const Tensor& x) {
  const size_t bytes = type_bytes(x.type());
  return bytes == 16 ? x : x.viewed(bytes == 1 ? kInt8 : bytes == 2 ? kInt16 : bytes == 4 ? kInt32 : kInt64);
}

// Positions as int64 in [0, n); throws for others.
Tensor positions(Call& c, const Tensor& given, int64_t n) {
  const Tensor at = c.cast(given, kInt64);
  Ints list = to_ints(at);
  bool negative = false;
  for (int64_t& p : list) {
    if (p < -n || p >= n)
      c.fail(CH_BAD_INPUT, "position " + std::to_string(p) + " is out of range for " + std::to_string(n) + " elements");
    negative = negative || p < 0;
    if (p < 0) p += n;
  }
  return negative ? copy_of(kInt64, at.dims(), list.data()) : at;
}

void gather(Call& c) {
  const Tensor x = c.in(0);
  c.require(x.rank() > 0, "the operand is a scalar");
  const int64_t axis = c.axis(c.i("axis", 0), x.rank());
  const Tensor at = positions(c, c.in(1), x.dim(axis));
  c.out(0, c.gather(x, at, axis));
}

// [..., rank] positions in a tensor of x's shape for positions `at` along one axis.
Tensor along(Call& c, const Tensor& x, const Tensor& at, int64_t axis) {
  Tensors parts;
  const Ints& shape = at.dims();
  for (int64_t d = 0; d < x.rank(); ++d) {
    Ints line(shape.size(), 1);
    line[static_cast<size_t>(d)] = at.dim(d);
    parts.push_back(d == axis ? at : c.broadcast(c.reshape(c.range(at.dim(d)), line), shape));
  }
  return c.stack(parts, x.rank());
}

void fits(Call& c, const Tensor& x, const Tensor& at, int64_t axis) {
  c.require(at.rank() == x.rank(), "positions and operand have different ranks");
  for (int64_t d = 0; d < x.rank(); ++d)
    c.require(d == axis || at.dim(d) <= x.dim(d), "there are more positions than elements");
}

void gather_elements(Call& c) {
  const Tensor x = c.in(0);
  const int64_t axis = c.axis(c.i("axis", 0), x.rank());
  fits(c, x, c.in(1), axis);
  const Tensor at = positions(c, c.in(1), x.dim(axis)), seen = raw(x);
  c.out(0, c.op("GatherD").in(seen).i(axis).in(at).one(seen.type(), at.dims()).viewed(x.type()));
}

// Rows of positions in the axes [first, first + depth) of x, from the end where they are negative.
Tensor position_rows(Call& c, const Tensor& x, const Tensor& given, int64_t first) {
  const Tensor at = c.cast(given, kInt64);
  c.require(at.rank() >= 1, "the positions are a scalar");
  const int64_t depth = at.dims().back();
  c.require(first + depth <= x.rank(), "a position has more numbers than the operand axes");
  Ints list = to_ints(at);
  for (size_t k = 0; k < list.size(); ++k) {
    const int64_t n = x.dim(first + static_cast<int64_t>(k) % depth);
    if (list[k] < -n || list[k] >= n)
      c.fail(CH_BAD_INPUT,
             "position " + std::to_string(list[k]) + " is out of range for " + std::to_string(n) + " elements");
    if (list[k] < 0) list[k] += n;
  }
  return copy_of(kInt64, at.dims(), list.data());
}

void gather_nd(Call& c) {
  const Tensor x = c.in(0);
  const int64_t batch = c.i("batch_dims", 0);
  Tensor at = c.cast(c.in(1), kInt64);
  c.require(batch >= 0 && batch < at.rank() && batch <= x.rank(), "batch_dims is out of range");
  at = position_rows(c, x, at, batch);
  Tensors parts;
  Ints shape = at.dims();
  shape.back() = 1;
  for (int64_t d = 0; d < batch; ++d) {
    c.require(at.dim(d) == x.dim(d), "the batch extents differ");
    Ints line(shape.size(), 1);
    line[static_cast<size_t>(d)] = x.dim(d);
    parts.push_back(c.broadcast(c.reshape(c.range(x.dim(d)), line), shape));
  }
  parts.push_back(at);
  const Tensor all = c.concat(parts, at.rank() - 1), seen = raw(x);
  Ints made(all.dims().begin(), all.dims().end() - 1);
  made.insert(made.end(), x.dims().begin() + all.dims().back(), x.dims().end());
  c.out(0, c.op("GatherNd").in(seen).in(all).one(seen.type(), made).viewed(x.type()));
}

const char* scatter_name(std::string_view how) {
  return how == "add"   ? "TensorScatterAdd"
         : how == "max" ? "TensorScatterMax"
         : how == "min" ? "TensorScatterMin"
         : how == "mul" ? "TensorScatterMul"
                        : "TensorScatterUpdate";
}

std::string scatter_form(const Node& n) {
  const int type = known_type(n.dtype(0));
  const std::string_view how = n.s("reduction", "none");
  if (how != "none" && type != kNoType && (kernel_types(scatter_name(how)) & type_bit(type)) == 0)
    return "MindSpore has no " + std::string(scatter_name(how)) + " for " + type_name(type);
  return {};
}

// Rows of positions at, a row for each update (or slice of updates).
void scatter(Call& c, const Tensor& x, const Tensor& at, const Tensor& updates) {
  if (updates.count() == 0) return c.out(0, x);
  const std::string_view how = c.s("reduction", "none");
  const bool moves = how == "none";
  const Tensor to = moves ? raw(x) : x, from = moves ? raw(updates) : updates;
  c.out(0, c.op(scatter_name(how)).in(to).in(at).in(from).one(to.type(), x.dims()).viewed(x.type()));
}

void scatter_elements(Call& c) {
  const Tensor x = c.in(0), updates = c.in(2);
  const int64_t axis = c.axis(c.i("axis", 0), x.rank());
  fits(c, x, c.in(1), axis);
  c.require(updates.dims() == c.in(1).dims(), "updates and positions have different shapes");
  if (updates.count() == 0) return c.out(0, x);
  scatter(c, x, along(c, x, positions(c, c.in(1), x.dim(axis)), axis), updates);
}

void scatter_nd(Call& c) {
  const Tensor x = c.in(0), updates = c.in(2), at = position_rows(c, x, c.in(1), 0);
  Ints shape(at.dims().begin(), at.dims().end() - 1);
  shape.insert(shape.end(), x.dims().begin() + at.dims().back(), x.dims().end());
  c.require(updates.dims() == shape, "the updates do not have the shape of what they replace");
  scatter(c, x, at, updates);
}

void one_hot(Call& c) {
  const int64_t depth = static_cast<int64_t>(c.number(1, 0));
  c.require(depth >= 0, "the depth is negative");
  const Tensor values = c.in(2);
  c.require(values.count() == 2, "values are not two numbers");
  Tensor at = c.cast(c.in(0), kInt64);
  const int64_t rank = at.rank() + 1, axis = c.axis(c.i("axis", -1), rank);
  Ints shape = at.dims();
  shape.push_back(depth);
  c.room(shape, values.type());
  at = c.where(c.bin("Less", at, 0.0), c.bin("Add", at, static_cast<double>(depth)), at);
  Ints beside = at.dims(), line(static_cast<size_t>(rank), 1);
  beside.insert(beside.begin() + axis, 1);
  line[static_cast<size_t>(axis)] = depth;
  const Tensor off = c.reshape(c.slice(values, {0}, {1}), {}), on = c.reshape(c.slice(values, {1}, {1}), {});
  c.out(0, c.where(c.bin("Equal", c.reshape(at, beside), c.reshape(c.range(depth), line)), on, off));
}

void non_zero(Call& c) {
  const Tensor given = c.in(0), x = given.rank() == 0 ? c.reshape(given, {1}) : given;
  if (x.count() == 0) return c.out(0, Tensor(kInt64, {given.rank(), 0}));
  const Tensor at = c.op("NonZero").in(x).makes(kInt64, {x.count(), x.rank()}).some()[0];
  c.out(0, given.rank() == 0 ? Tensor(kInt64, {0, at.dim(0)}) : c.transpose(at, {1, 0}));
}

void compress(Call& c) {
  Tensor x = c.in(0);
  int64_t axis = 0;
  if (c.given("axis")) {
    axis = c.axis(c.i("axis", 0), x.rank());
  } else {
    x = c.reshape(x, {x.count()});
  }
  const Ints kept = c.ints(1);
  Ints at;
  for (size_t k = 0; k < kept.size() && static_cast<int64_t>(k) < x.dim(axis); ++k) {
    if (kept[k] != 0) at.push_back(static_cast<int64_t>(k));
  }
  c.out(0, c.gather(x, at, axis));
}

constexpr std::array kRows = std::to_array<Row>({
    {"Gather", gather, "Gather",
     "positions from the end are turned and others checked: its kernel writes zeros for them", Widen::moves},
    {"GatherElements", gather_elements, "GatherD", "positions from the end are turned", Widen::moves},
    {"GatherND", gather_nd, "GatherNd", "positions from the end are turned; batch_dims become positions", Widen::moves},
    {"ScatterElements", scatter_elements, "",
     "TensorScatterElements has two reductions: TensorScatter… with all positions", Widen::none, scatter_form},
    {"ScatterND", scatter_nd, "", "positions from the end are turned", Widen::none, scatter_form},
    {"OneHot", one_hot, "", "positions from the end are turned: there they are all off"},
    {"NonZero", non_zero, "NonZero", "positions as columns"},
    {"Compress", compress, "Gather", {}, Widen::moves},
});

}  // namespace

std::span<const Row> indexing_rows() { return kRows; }

}  // namespace chorus_mindspore
