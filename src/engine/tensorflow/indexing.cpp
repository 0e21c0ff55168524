// Reading and writing at positions. TensorFlow counts no position from the end and some of its kernels do not look at what is out of range:
// positions are turned and checked here.
#include <algorithm>
#include <array>

#include "table.h"

namespace chorus_tensorflow {
namespace {

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
  c.out(0, c.op("GatherV2").in(x).in(at).in(scalar_of(static_cast<double>(axis), kInt32)).one());
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
  return c.op("Pack").in(parts).i("axis", x.rank()).one();
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
  c.out(0, c.op("GatherNd").in(x).in(along(c, x, positions(c, c.in(1), x.dim(axis)), axis)).one());
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
  c.out(0, c.op("GatherNd").in(x).in(c.concat(parts, at.rank() - 1)).one());
}

const char* scatter_name(Call& c) {
  const std::string_view how = c.s("reduction", "none");
  return how == "add"   ? "TensorScatterAdd"
         : how == "max" ? "TensorScatterMax"
         : how == "min" ? "TensorScatterMin"
                        : "TensorScatterUpdate";
}

std::string scatter_form(const Node& n) {
  if (n.s("reduction", "none") == "mul") return "TensorFlow has no TensorScatterMul";
  const int type = to_tensorflow(n.dtype(0));
  const std::string_view how = n.s("reduction", "none");
  const char* kernel = how == "add"   ? "TensorScatterAdd:T"
                       : how == "max" ? "TensorScatterMax:T"
                       : how == "min" ? "TensorScatterMin:T"
                                      : "TensorScatterUpdate:T";
  if (type != kNoType && (kernel_types(kernel) & type_bit(type)) == 0)
    return "TensorFlow has no kernel of it for " + std::string(type_name(type)) + " with this reduction";
  return {};
}

void scatter_elements(Call& c) {
  const Tensor x = c.in(0), updates = c.in(2);
  const int64_t axis = c.axis(c.i("axis", 0), x.rank());
  fits(c, x, c.in(1), axis);
  c.require(updates.dims() == c.in(1).dims(), "updates and positions have different shapes");
  if (updates.count() == 0) return c.out(0, x);
  c.out(0, c.op(scatter_name(c)).in(x).in(along(c, x, positions(c, c.in(1), x.dim(axis)), axis)).in(updates).one());
}

void scatter_nd(Call& c) {
  const Tensor x = c.in(0), updates = c.in(2);
  if (updates.count() == 0) return c.out(0, x);
  c.out(0, c.op(scatter_name(c)).in(x).in(position_rows(c, x, c.in(1), 0)).in(updates).one());
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
  // TensorFlow counts nothing from the end.
  at = c.where(c.bin("Less", at, 0.0), c.bin("AddV2", at, static_cast<double>(depth)), at);
  const Tensor off = c.reshape(c.slice(values, {0}, {1}), {}), on = c.reshape(c.slice(values, {1}, {1}), {});
  c.out(0,
        c.op("OneHot").in(at).in(scalar_of(static_cast<double>(depth), kInt32)).in(on).in(off).i("axis", axis).one());
}

void non_zero(Call& c) {
  const Tensor x = c.in(0);
  const Tensor at = c.un("Where", c.reshape(x, x.rank() == 0 ? Ints{1} : x.dims()));
  c.out(0, x.rank() == 0 ? c.reshape(c.slice(at, {0, 0}, {-1, 0}), {0, at.dim(0)}) : c.transpose(at, {1, 0}));
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
  c.out(0, c.op("GatherV2").in(x).in(vector_of(at)).in(scalar_of(static_cast<double>(axis), kInt32)).one());
}

// Sorted, without an axis; TensorFlow keeps the order of appearance, so its results are put in order here.
void unique(Call& c) {
  const Tensor given = c.in(0), x = c.reshape(given, {given.count()});
  const Tensors found = c.op("UniqueWithCounts").in(x).type("out_idx", kInt64).some(3);
  Tensor values = found.at(0), places = found.at(1), counts = found.at(2);
  const int64_t n = values.count(), total = x.count();
  Tensor first = c.fill({n}, static_cast<double>(total), kInt64);
  if (n > 0) first = c.op("TensorScatterMin").in(first).in(c.reshape(places, {total, 1})).in(c.range(total)).one();
  if (c.i("sorted", 1) != 0 && n > 0) {
    const char* turn = is_float(values.type()) ? "Neg" : "Invert";
    const Tensor order = c.op("TopKV2")
                             .in(c.un(turn, values))
                             .in(scalar_of(static_cast<double>(n), kInt32))
                             .type("index_type", kInt64)
                             .some(2)
                             .at(1);
    auto ordered = [&](const Tensor& t) { return c.op("GatherV2").in(t).in(order).in(scalar_of(0, kInt32)).one(); };
    values = ordered(values), counts = ordered(counts), first = ordered(first);
    const Tensor rank = c.op("InvertPermutation").in(order).one();
    places = c.op("GatherV2").in(rank).in(places).in(scalar_of(0, kInt32)).one();
  }
  c.out(0, values);
  c.out(1, first);
  c.out(2, places);
  c.out(3, counts);
}

std::string unique_form(const Node& n) {
  if (n.given("axis")) return "TensorFlow's order of slices is that of their appearance, which cannot be sorted there";
  return {};
}

constexpr std::array kRows = std::to_array<Row>({
    {"Gather", gather, "GatherV2:Tparams",
     "positions from the end are turned; on the processor TensorFlow refuses them"},
    {"GatherElements", gather_elements, "GatherNd:Tparams", "no such operator: GatherNd with all positions"},
    {"GatherND", gather_nd, "GatherNd:Tparams", "positions from the end are turned; batch_dims become positions"},
    {"ScatterElements", scatter_elements, "", "no such operator: TensorScatterUpdate with all positions", Widen::none,
     scatter_form},
    {"ScatterND", scatter_nd, "", "positions from the end are turned", Widen::none, scatter_form},
    {"OneHot", one_hot, "", "positions from the end are turned: there they are all off"},
    {"NonZero", non_zero, "Where", "positions as columns"},
    {"Compress", compress, "GatherV2:Tparams"},
    {"Unique", unique, "UniqueWithCounts,TopKV2,Neg|Invert", "its values stand in the order of appearance: sorted here",
     Widen::value, unique_form},
});

}  // namespace

std::span<const Row> indexing_rows() { return kRows; }

}  // namespace chorus_tensorflow
