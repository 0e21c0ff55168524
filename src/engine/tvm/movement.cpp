#include <algorithm>

#include "table.h"

namespace chorus_tvm {
namespace {

void make_reshape(Call& c) {
  Dims dims = c.ints(1);
  const bool zeros = c.i("allowzero", 0) != 0;
  int64_t known = 1;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (dims[d] == 0 && !zeros) {
      c.require(d < c.dims(0).size(), "a size of 0 has no size to copy");
      dims[d] = c.dims(0)[d];
    }
    if (dims[d] >= 0) known *= dims[d];
  }
  int64_t size = 1;
  for (int64_t d : c.dims(0)) size *= d;
  for (int64_t& d : dims) {
    if (d < 0) c.require(known > 0, "a size cannot be told from no elements"), d = size / known;
  }
  c.same(0, 0, dims);
}

void make_flatten(Call& c) {
  int64_t axis = c.i("axis", 1);
  if (axis < 0) axis += c.rank(0);
  Dims dims = {1, 1};
  for (size_t d = 0; d < c.dims(0).size(); ++d) dims[static_cast<int64_t>(d) < axis ? 0 : 1] *= c.dims(0)[d];
  c.same(0, 0, dims);
}

void make_squeeze(Call& c) {
  const Dims axes = c.axes(c.ints(1), c.rank(0));
  Dims dims;
  for (size_t d = 0; d < c.dims(0).size(); ++d) {
    const bool named = std::count(axes.begin(), axes.end(), static_cast<int64_t>(d)) > 0;
    if (axes.empty() ? c.dims(0)[d] != 1 : !named) dims.push_back(c.dims(0)[d]);
  }
  c.same(0, 0, dims);
}

void make_unsqueeze(Call& c) {
  const Dims given = c.ints(1);
  const int64_t rank = c.rank(0) + static_cast<int64_t>(given.size());
  const Dims axes = c.axes(given, rank);
  Dims dims;
  size_t from = 0;
  for (int64_t d = 0; d < rank; ++d)
    dims.push_back(std::count(axes.begin(), axes.end(), d) > 0 ? 1 : c.dims(0).at(from++));
  c.same(0, 0, dims);
}

void make_transpose(Call& c) {
  const T x = c.in(0);
  Dims order = c.is("perm");
  if (!c.given("perm")) {
    for (int64_t d = x.rank(); d-- > 0;) order.push_back(d);
  }
  c.require(static_cast<int64_t>(order.size()) == x.rank(), "perm is of another rank than its input");
  Dims dims;
  for (int64_t& d : order) d = c.axis(d, x.rank()), dims.push_back(x.dims[static_cast<size_t>(d)]);
  c.out(0, compute(dims, x.type, [&](const Index& at) {
          Index from(at.size());
          for (size_t d = 0; d < at.size(); ++d) from[static_cast<size_t>(order[d])] = at[d];
          return x(from);
        }));
}

// A function per piece would copy as well; one expression chooses among all.
void make_concat(Call& c) {
  std::vector<T> all;
  for (size_t i = 0; i < c.inputs(); ++i) all.push_back(c.in(i));
  c.require(all.size() <= 32, "more than 32 pieces are left to others");
  const auto axis = static_cast<size_t>(c.axis(c.i("axis", 0), c.rank(0)));
  Dims dims = all[0].dims;
  dims[axis] = 0;
  for (const T& t : all) dims[axis] += t.dims.at(axis);
  c.out(0, compute(dims, all[0].type, [&](const Index& at) {
          int64_t end = dims[axis];
          E made;
          for (size_t i = all.size(); i-- > 0;) {
            const int64_t begin = end - all[i].dims[axis];
            Index from = at;
            from[axis] = at[axis] - whole(begin);
            const E piece = all[i](from);
            made = made.v ? choose(at[axis] < whole(end), piece, made) : piece;
            end = begin;
          }
          return made;
        }));
}

T part(const T& x, const Dims& begin, const Dims& step, const Dims& dims) {
  return compute(dims, x.type, [&](const Index& at) {
    Index from;
    for (size_t d = 0; d < at.size(); ++d) from.push_back(at[d] * whole(step[d]) + whole(begin[d]));
    return x(from);
  });
}

void make_split(Call& c) {
  const T x = c.in(0);
  const auto axis = static_cast<size_t>(c.axis(c.i("axis", 0), x.rank()));
  Dims sizes = c.ints(1);
  const int64_t n = c.has(1) ? 0 : c.i("num_outputs", static_cast<int64_t>(c.outputs()));
  const int64_t each = n == 0 ? 0 : (x.dims[axis] + n - 1) / n;
  for (int64_t k = 0; k < n; ++k) sizes.push_back(std::min(each, x.dims[axis] - k * each));
  Dims begin(x.dims.size(), 0), dims = x.dims;
  const Dims step(x.dims.size(), 1);
  for (size_t i = 0; i < c.outputs(); ++i) {
    dims[axis] = sizes.at(i);
    c.require(dims[axis] >= 0, "a piece has no size");
    if (c.wants(i)) c.out(i, part(x, begin, step, dims));
    begin[axis] += sizes[i];
  }
}

void make_slice(Call& c) {
  const T x = c.in(0);
  const Dims starts = c.ints(1), ends = c.ints(2), steps = c.ints(4);
  Dims axes = c.axes(c.ints(3), x.rank());
  if (!c.has(3)) {
    for (size_t d = 0; d < starts.size(); ++d) axes.push_back(static_cast<int64_t>(d));
  }
  Dims begin(x.dims.size(), 0), step(x.dims.size(), 1), dims = x.dims;
  for (size_t k = 0; k < axes.size(); ++k) {
    const auto d = static_cast<size_t>(axes[k]);
    const int64_t by = c.has(4) ? steps.at(k) : 1, size = x.dims.at(d);
    c.require(by != 0 && by > -(int64_t{1} << 62), "a step of 0");
    int64_t from = starts.at(k), to = ends.at(k);
    from = std::clamp<int64_t>(from < 0 ? from + size : from, 0, by > 0 ? size : size - 1);
    to = std::clamp<int64_t>(to < 0 ? std::max<int64_t>(to, -size - 1) + size : to, by > 0 ? 0 : -1, size);
    begin[d] = from, step[d] = by;
    dims[d] = by > 0 ? (to > from ? (to - from - 1) / by + 1 : 0) : (from > to ? (from - to - 1) / -by + 1 : 0);
  }
  c.out(0, part(x, begin, step, dims));
}

void make_pad(Call& c) {
  const T x = c.in(0);
  const Dims pads = c.ints(1);
  const std::string_view mode = c.s("mode", "constant");
  Dims axes = c.axes(c.ints(3), x.rank());
  if (!c.has(3)) {
    for (int64_t d = 0; d < x.rank(); ++d) axes.push_back(d);
  }
  c.require(pads.size() == 2 * axes.size(), "pads are of another rank than its input");
  Dims begin(x.dims.size(), 0), dims = x.dims;
  for (size_t k = 0; k < axes.size(); ++k) {
    const auto d = static_cast<size_t>(axes[k]);
    begin[d] = pads[k];
    dims[d] += pads[k] + pads[axes.size() + k];
    c.require(dims[d] >= 0, "more is cut off than there is");
    c.require(mode != "reflect" || x.dims[d] > 1, "one element reflects nothing");
  }
  T value;
  if (c.has(2) && mode == "constant") value = c.in(2);
  c.out(0, compute(dims, x.type, [&](const Index& at) {
          Index from;
          E inside = whole(1, kBool);
          for (size_t d = 0; d < at.size(); ++d) {
            const E n = whole(x.dims[d]);
            E own = at[d] - whole(begin[d]);
            if (mode == "constant") {
              if (begin[d] > 0) inside = inside && own >= whole(0);
              if (dims[d] - begin[d] > x.dims[d]) inside = inside && own < n;
            } else if (mode == "edge") {
              own = select(own < whole(0), whole(0), select(own >= n, n - whole(1), own));
            } else if (mode == "wrap") {
              own = floor_mod(own, n);
            } else {
              const E turn = floor_mod(own, whole(2 * x.dims[d] - 2));
              own = select(turn < n, turn, whole(2 * x.dims[d] - 2) - turn);
            }
            from.push_back(own);
          }
          if (mode != "constant") return x(from);
          const E filled = c.has(2) ? value(Index(value.dims.size(), whole(0))) : number(0, x.type);
          return choose(inside, x(from), filled);
        }));
}

void make_expand(Call& c) {
  const T x = c.in(0);
  const Dims dims = broadcast(x.dims, c.ints(1));
  c.out(0, compute(dims, x.type, [&](const Index& at) { return spread(x, at); }));
}

void make_tile(Call& c) {
  const T x = c.in(0);
  const Dims times = c.ints(1);
  c.require(times.size() == x.dims.size(), "repeats are of another rank than its input");
  Dims dims = x.dims;
  for (size_t d = 0; d < dims.size(); ++d) dims[d] *= times[d];
  c.out(0, compute(dims, x.type, [&](const Index& at) {
          Index from;
          for (size_t d = 0; d < at.size(); ++d) from.push_back(floor_mod(at[d], whole(x.dims[d])));
          return x(from);
        }));
}

// An index that may count from the end. One outside cannot be told by a compiled function: known ones are looked at.
void check_indices(const Call& c, size_t operand, int64_t size) {
  c.require(c.is_known(operand),
            "TVM's compiled functions cannot tell an index that lies outside, and these are not known before the run");
  for (int64_t v : c.ints(operand)) c.require(v >= -size && v < size, "an index lies outside");
}

E from_end(const E& index, int64_t size) {
  const E wide = cast(index, kLong);
  return select(wide < whole(0), wide + whole(size), wide);
}

void make_gather(Call& c) {
  const T x = c.in(0), indices = c.in(1);
  const auto axis = static_cast<size_t>(c.axis(c.i("axis", 0), x.rank()));
  check_indices(c, 1, x.dims[axis]);
  Dims dims(x.dims.begin(), x.dims.begin() + static_cast<int64_t>(axis));
  dims.insert(dims.end(), indices.dims.begin(), indices.dims.end());
  dims.insert(dims.end(), x.dims.begin() + static_cast<int64_t>(axis) + 1, x.dims.end());
  c.out(0, compute(dims, x.type, [&](const Index& at) {
          const auto middle = at.begin() + static_cast<int64_t>(axis), behind = middle + indices.rank();
          Index from(at.begin(), middle);
          from.push_back(from_end(indices(Index(middle, behind)), x.dims[axis]));
          from.insert(from.end(), behind, at.end());
          return x(from);
        }));
}

void make_gather_elements(Call& c) {
  const T x = c.in(0), indices = c.in(1);
  const auto axis = static_cast<size_t>(c.axis(c.i("axis", 0), x.rank()));
  check_indices(c, 1, x.dims[axis]);
  c.out(0, compute(indices.dims, x.type, [&](const Index& at) {
          Index from = at;
          from[axis] = from_end(indices(at), x.dims[axis]);
          return x(from);
        }));
}

void make_depth_to_space(Call& c) {
  const T x = c.in(0);
  const int64_t b = c.i("blocksize", 1);
  const bool columns = c.s("mode", "DCR") == "CRD";
  c.require(x.rank() == 4 && b > 0 && x.dims[1] % (b * b) == 0, "its channels do not fill blocks");
  const int64_t channels = x.dims[1] / (b * b);
  c.out(0, compute({x.dims[0], channels, x.dims[2] * b, x.dims[3] * b}, x.type, [&](const Index& at) {
          const E row = floor_mod(at[2], whole(b)), column = floor_mod(at[3], whole(b)),
                  block = row * whole(b) + column;
          const E channel = columns ? at[1] * whole(b * b) + block : block * whole(channels) + at[1];
          return x({at[0], channel, floor_div(at[2], whole(b)), floor_div(at[3], whole(b))});
        }));
}

void make_space_to_depth(Call& c) {
  const T x = c.in(0);
  const int64_t b = c.i("blocksize", 1);
  c.require(x.rank() == 4 && b > 0 && x.dims[2] % b == 0 && x.dims[3] % b == 0, "its sizes do not fill blocks");
  const bool columns = c.s("mode", "DCR") == "CRD";
  const int64_t depth = x.dims[1];
  c.out(0, compute({x.dims[0], depth * b * b, x.dims[2] / b, x.dims[3] / b}, x.type, [&](const Index& at) {
          const E block = columns ? floor_mod(at[1], whole(b * b)) : floor_div(at[1], whole(depth));
          const E channel = columns ? floor_div(at[1], whole(b * b)) : floor_mod(at[1], whole(depth));
          return x({at[0], channel, at[2] * whole(b) + floor_div(block, whole(b)),
                    at[3] * whole(b) + floor_mod(block, whole(b))});
        }));
}

void make_trilu(Call& c) {
  const T x = c.in(0);
  c.require(x.rank() >= 2, "a matrix is needed");
  const bool upper = c.i("upper", 1) != 0;
  const Dims shift = c.ints(1);
  const int64_t k = shift.empty() ? 0 : shift[0];
  const size_t r = x.dims.size() - 2;
  c.out(0, compute(x.dims, x.type, [&](const Index& at) {
          const E distance = at[r + 1] - at[r], zero = x.type == kBool ? whole(0, kBool) : number(0, x.type);
          return select(upper ? distance >= whole(k) : distance <= whole(k), x(at), zero);
        }));
}

void make_eye(Call& c) {
  const Dims& dims = c.dims(0);
  c.require(dims.size() == 2, "a matrix is needed");
  const int64_t k = c.i("k", 0);
  const int type = c.out_type(0);
  c.out(0, compute(dims, type, [&](const Index& at) {
          const E on = at[1] - at[0] == whole(k);
          return type == kBool ? on : select(on, number(1, type), number(0, type));
        }));
}

void make_constant_of_shape(Call& c) {
  const ch_attribute* a = chorus_adapter::attribute(c.node(), "value");
  const int type = c.out_type(0);
  c.require(
      a == nullptr || a->tensors[0]->dtype == kFloat || a->tensors[0]->dtype == kLong || a->tensors[0]->dtype == kInt,
      "a value of this type is left to others");
  E value = number(0, type);
  if (a != nullptr) {
    const ch_value& v = *a->tensors[0];
    const char* data = static_cast<const char*>(v.buffer.data) + v.offset;
    if (v.dtype == kFloat) value = number(static_cast<double>(*reinterpret_cast<const float*>(data)), type);
    if (v.dtype == kLong) value = whole(*reinterpret_cast<const int64_t*>(data), type);
    if (v.dtype == kInt) value = whole(*reinterpret_cast<const int32_t*>(data), type);
  }
  c.out(0, compute(c.ints(0), type, [&](const Index&) { return value; }));
}

void make_shape(Call& c) {
  const Dims& dims = c.dims(0);
  const int64_t rank = c.rank(0);
  auto bound = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + rank : v, 0, rank); };
  const int64_t begin = bound(c.i("start", 0)), end = std::max(begin, bound(c.i("end", rank)));
  c.out(0, compute({end - begin}, kLong, [&](const Index& at) {
          E made = whole(0);
          for (int64_t d = begin; d < end; ++d)
            made = select(at[0] == whole(d - begin), whole(dims[static_cast<size_t>(d)]), made);
          return made;
        }));
}

void make_size(Call& c) {
  int64_t size = 1;
  for (int64_t d : c.dims(0)) size *= d;
  c.out(0, compute({}, kLong, [&](const Index&) { return whole(size); }));
}

void make_one_hot(Call& c) {
  const T indices = c.in(0), values = c.in(2);
  const int64_t depth = c.ints(1).at(0), rank = indices.rank() + 1;
  c.require(is_whole(indices.type) && is_signed(indices.type), "indices of this type are left to others");
  const auto axis = static_cast<size_t>(c.axis(c.i("axis", -1), rank));
  Dims dims = indices.dims;
  dims.insert(dims.begin() + static_cast<int64_t>(axis), depth);
  c.out(0, compute(dims, values.type, [&](const Index& at) {
          Index own = at;
          own.erase(own.begin() + static_cast<int64_t>(axis));
          return select(from_end(indices(own), depth) == at[axis], values({whole(1)}), values({whole(0)}));
        }));
}

constexpr Row kRows[] = {
    {"Reshape", make_reshape},
    {"Flatten", make_flatten},
    {"Squeeze", make_squeeze},
    {"Unsqueeze", make_unsqueeze},
    {"Transpose", make_transpose},
    {"Concat", make_concat},
    {"Split", make_split},
    {"Slice", make_slice},
    {"Pad", make_pad},
    {"Expand", make_expand},
    {"Tile", make_tile},
    {"Gather", make_gather},
    {"GatherElements", make_gather_elements},
    {"DepthToSpace", make_depth_to_space},
    {"SpaceToDepth", make_space_to_depth},
    {"Trilu", make_trilu},
    {"EyeLike", make_eye},
    {"ConstantOfShape", make_constant_of_shape},
    {"Shape", make_shape},
    {"Size", make_size},
    {"OneHot", make_one_hot},
};

}  // namespace

std::span<const Row> movement_rows() { return kRows; }

}  // namespace chorus_tvm
