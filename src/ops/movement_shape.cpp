#include <ops/movement_shape.h>

#include <ops/rules.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace chorus::movement {
using rules::fresh_dims;
using rules::known_ints;
using rules::known_values;
using rules::normalize_axis;
using rules::tensor_input;

std::optional<Dims> small_values(ShapeContext& ctx, int i) {
  if (const Dims* dims = ctx.has_input(i) ? ctx.value(i) : nullptr) return *dims;
  const int64_t n = rules::known_count(ctx, i);
  if (n < 0 || n > kMostValues) return std::nullopt;
  return known_values(ctx, i);
}

std::optional<std::vector<int64_t>> static_dims(const Type& type) {
  if (!type.has_rank) return std::nullopt;
  std::vector<int64_t> out;
  for (const Dim& d : type.dims) {
    if (!d.is_number()) return std::nullopt;
    out.push_back(d.number());
  }
  return out;
}

void set_dims(ShapeContext& ctx, Dims dims, int output) {
  if (dims.size() > static_cast<size_t>(kMaxRank)) {
    ctx.fail(Code::shape, fmt::format("the result would have rank {}", dims.size()),
             fmt::format("the largest rank is {}", kMaxRank));
  }
  ctx.set_output(output, Type::tensor(ctx.input(0).dtype, std::move(dims)));
}
void set_unranked(ShapeContext& ctx, int output) { ctx.set_output(output, Type::tensor(ctx.input(0).dtype)); }

Dim named(ShapeContext& ctx, Dim dim) { return dim.is_unknown() ? ctx.fresh() : dim; }

namespace {

/// Rank that a rank-1 operand of shape values gives; -1 when unknown.
int64_t length_of(ShapeContext& ctx, int i) {
  const Type& t = ctx.input(i);
  if (!t.has_rank) return -1;
  if (t.rank() != 1) ctx.fail(Code::shape, fmt::format("operand {} must have rank 1, it is {}", i, t.str()));
  return t.dims[0].is_number() ? t.dims[0].number() : -1;
}

/// Checks that a rank from a file is one that exists, before memory for it is taken.
int bounded_rank(ShapeContext& ctx, int64_t rank) {
  if (rank > kMaxRank) {
    ctx.fail(Code::shape, fmt::format("the result would have rank {}", rank),
             fmt::format("the largest rank is {}", kMaxRank));
  }
  return static_cast<int>(rank);
}

/// Removes what both lists have: equal dimensions and common divisors of the numbers. What is left are the products'
/// quotients.
void cancel(Dims& a, Dims& b) {
  for (auto i = a.begin(); i != a.end();) {
    const auto j =
        i->is_unknown() ? b.end() : std::find_if(b.begin(), b.end(), [&](const Dim& d) { return d.same(*i); });
    if (j == b.end()) {
      ++i;
      continue;
    }
    b.erase(j);
    i = a.erase(i);
  }
  for (Dim& x : a) {
    for (Dim& y : b) {
      if (!x.is_number() || !y.is_number() || x.number() <= 0 || y.number() <= 0) continue;
      const int64_t g = std::gcd(x.number(), y.number());
      x = Dim(x.number() / g);
      y = Dim(y.number() / g);
    }
  }
}

Dim all(const Dims& dims) { return rules::product(dims); }

std::vector<Dim> reshape_target(ShapeContext& ctx, const Dims& wanted, const Type& x, int* inferred) {
  const bool zero_is_zero = ctx.attrs().integer("allowzero") != 0;
  Dims out;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const Dim& d = wanted[i];
    if (d.is(-1)) {
      if (*inferred >= 0)
        ctx.fail(Code::shape, "the shape has more than one -1", "leave at most one dimension to be inferred");
      *inferred = static_cast<int>(i);
      out.push_back(Dim::unknown());
    } else if (d.is(0) && !zero_is_zero) {
      if (x.has_rank && i >= x.dims.size()) {
        ctx.fail(
            Code::shape,
            fmt::format("0 at position {} copies a dimension that the input of shape {} does not have", i, x.str()),
            "set allowzero=1 for an extent of zero");
      }
      out.push_back(x.has_rank ? named(ctx, x.dims[i]) : ctx.fresh());
    } else if (d.is_number() && d.number() < 0) {
      ctx.fail(Code::shape, fmt::format("the shape has {} at position {}", d.number(), i),
               "use -1 for an inferred dimension");
    } else {
      out.push_back(d);
    }
  }
  return out;
}

bool any_unknown(const Dims& dims) {
  return std::any_of(dims.begin(), dims.end(), [](const Dim& d) { return d.is_unknown(); });
}
std::string dims_text(const Dims& dims) { return Type::tensor(DType::undefined, dims).str(); }

Dim inferred_dim(ShapeContext& ctx, const Dims& out, const Type& x, int at) {
  Dims rest;
  for (size_t i = 0; i < out.size(); ++i) {
    if (static_cast<int>(i) != at) rest.push_back(out[i]);
  }
  if (!x.has_rank || any_unknown(x.dims) || any_unknown(rest)) return ctx.fresh();
  if (ctx.attrs().integer("allowzero") != 0 &&
      std::any_of(rest.begin(), rest.end(), [](const Dim& d) { return d.is(0); })) {
    ctx.fail(Code::shape, "the shape has both 0 and -1 with allowzero=1: the inferred dimension could be anything");
  }
  Dims from = x.dims;
  cancel(from, rest);
  const Dim total = all(from), known = all(rest);
  if (known.is(1)) return named(ctx, total);
  if (known.is(0)) return total.is(0) ? Dim(0) : ctx.fresh();
  if (Dim::equal(mod(total, known), Dim(0)) == Dim::Truth::no) {
    ctx.fail(
        Code::shape,
        fmt::format("input of shape {} cannot be reshaped to {}: its elements do not divide", x.str(), dims_text(out)),
        "choose a shape with the same number of elements");
  }
  const Dim quotient = floordiv(total, known);
  if (quotient.is_unknown()) return ctx.fresh();
  ctx.require_equal(quotient * known, total, "elements of the input and of the shape");
  return quotient;
}

}  // namespace

void infer_reshape(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  const auto wanted = small_values(ctx, 1);
  if (!wanted) {
    const int64_t rank = length_of(ctx, 1);
    if (rank < 0) return set_unranked(ctx);
    return set_dims(ctx, fresh_dims(ctx, bounded_rank(ctx, rank)));
  }
  int inferred = -1;
  Dims out = reshape_target(ctx, *wanted, x, &inferred);
  if (inferred >= 0) {
    out[static_cast<size_t>(inferred)] = inferred_dim(ctx, out, x, inferred);
  } else if (x.has_rank && !any_unknown(x.dims) && !any_unknown(out)) {
    Dims from = x.dims, to = out;
    cancel(from, to);
    const Dim a = all(from), b = all(to);
    if (Dim::equal(a, b) == Dim::Truth::no && !(all(x.dims).is(0) && all(out).is(0))) {
      ctx.fail(Code::shape,
               fmt::format("input of shape {} cannot be reshaped to {}: the numbers of elements differ, {} and {}",
                           x.str(), dims_text(out), all(x.dims).str(), all(out).str()),
               "choose a shape with the same number of elements");
    }
    if (!a.is_unknown() && !b.is_unknown())
      ctx.require_equal(all(x.dims), all(out), "elements of the input and of the shape");
  }
  for (Dim& d : out) d = named(ctx, d);
  set_dims(ctx, std::move(out));
}

void infer_flatten(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  if (!x.has_rank) return set_dims(ctx, fresh_dims(ctx, 2));
  const int64_t axis = ctx.attrs().integer("axis", 1), rank = x.rank();
  if (axis < -rank || axis > rank) {
    ctx.fail(Code::shape, fmt::format("axis {} is out of range for x of shape {} (rank {})", axis, x.str(), rank),
             fmt::format("use an axis in [{}, {}]", -rank, rank));
  }
  const int at = static_cast<int>(axis < 0 ? axis + rank : axis);
  set_dims(ctx,
           {named(ctx, rules::product(x.dims, 0, at)), named(ctx, rules::product(x.dims, at, static_cast<int>(rank)))});
}

void infer_squeeze(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  if (!ctx.has_input(1) && ctx.attrs().given("axes"))
    return set_unranked(ctx);  // before version 13: see the version step
  if (!ctx.has_input(1)) {
    // Which axes go is known only when every extent is a number.
    const auto dims = static_dims(x);
    if (!dims) return set_unranked(ctx);
    Dims out;
    for (const int64_t d : *dims) {
      if (d != 1) out.push_back(d);
    }
    return set_dims(ctx, std::move(out));
  }
  const auto axes = known_ints(ctx, 1);
  if (!axes) {
    const int64_t n = length_of(ctx, 1);
    if (n < 0 || !x.has_rank || n > x.rank()) return set_unranked(ctx);
    return set_dims(ctx, fresh_dims(ctx, x.rank() - static_cast<int>(n)));
  }
  if (!x.has_rank) return set_unranked(ctx);
  const std::vector<int> at = rules::normalize_axes(ctx, *axes, x.rank());
  Dims out;
  for (int i = 0; i < x.rank(); ++i) {
    const Dim& d = x.dims[static_cast<size_t>(i)];
    if (std::find(at.begin(), at.end(), i) == at.end()) {
      out.push_back(d);
    } else if (Dim::equal(d, Dim(1)) == Dim::Truth::no) {
      ctx.fail(Code::shape,
               fmt::format("axis {} of x of shape {} has extent {}, only 1 can be squeezed", i, x.str(), d.str()));
    } else if (!d.is(1) && !d.is_unknown()) {
      ctx.require_equal(d, Dim(1), fmt::format("extent of squeezed axis {}", i));
    }
  }
  set_dims(ctx, std::move(out));
}

void infer_unsqueeze(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  const auto axes = known_ints(ctx, 1);
  const int64_t n = axes                                                  ? static_cast<int64_t>(axes->size())
                    : (ctx.input(1).has_rank && ctx.input(1).rank() == 0) ? 1
                                                                          : length_of(ctx, 1);
  if (!x.has_rank || n < 0) return set_unranked(ctx);
  const int rank = bounded_rank(ctx, x.rank() + n);
  if (!axes) return set_dims(ctx, fresh_dims(ctx, rank));
  const std::vector<int> at = rules::normalize_axes(ctx, *axes, rank);
  Dims out;
  size_t next = 0;
  for (int i = 0; i < rank; ++i) {
    out.push_back(std::find(at.begin(), at.end(), i) != at.end() ? Dim(1) : x.dims[next++]);
  }
  set_dims(ctx, std::move(out));
}

namespace {
/// [start, end) of Shape's attributes for an operand of this rank.
std::pair<int64_t, int64_t> shape_range(const AttrReader& attrs, int64_t rank) {
  const auto clamp = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + rank : v, 0, rank); };
  const int64_t start = clamp(attrs.integer("start", 0)), end = attrs.has("end") ? clamp(attrs.integer("end")) : rank;
  return {start, std::max(start, end)};
}
}  // namespace

void infer_shape(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  if (!x.has_rank) return ctx.set_output(0, Type::tensor(DType::int64, {ctx.fresh()}));
  const auto [start, end] = shape_range(ctx.attrs(), x.rank());
  ctx.set_output(0, Type::tensor(DType::int64, {Dim(end - start)}));
}
void value_shape(ShapeContext& ctx) {
  const Type& x = ctx.input(0);
  if (!x.has_rank) return;
  const auto [start, end] = shape_range(ctx.attrs(), x.rank());
  ctx.set_value(0, Dims(x.dims.begin() + start, x.dims.begin() + end));
}
void infer_size(ShapeContext& ctx) {
  tensor_input(ctx, 0);
  ctx.set_output(0, Type::tensor(DType::int64, Dims{}));
}
void value_size(ShapeContext& ctx) {
  if (ctx.input(0).has_rank) ctx.set_value(0, {all(ctx.input(0).dims)});
}

namespace {
std::vector<int> permutation(const NodeContext& ctx, int rank) {
  std::vector<int> perm(static_cast<size_t>(rank));
  const auto given = ctx.attrs().integers("perm");
  if (!ctx.attrs().given("perm")) {
    for (int i = 0; i < rank; ++i) perm[static_cast<size_t>(i)] = rank - 1 - i;
    return perm;
  }
  if (static_cast<int>(given.size()) != rank) {
    ctx.fail(Code::shape,
             fmt::format("perm has {} axes, x has shape {} (rank {})", given.size(), ctx.input(0).str(), rank));
  }
  return rules::normalize_axes(ctx, given, rank, "perm");
}
}  // namespace

void infer_transpose(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  if (!x.has_rank) {
    if (!ctx.attrs().given("perm")) return set_unranked(ctx);
    return set_dims(ctx, fresh_dims(ctx, bounded_rank(ctx, static_cast<int64_t>(ctx.attrs().integers("perm").size()))));
  }
  Dims out;
  for (const int axis : permutation(ctx, x.rank())) out.push_back(x.dims[static_cast<size_t>(axis)]);
  set_dims(ctx, std::move(out));
}

void value_transpose(ShapeContext& ctx) {
  const auto v = small_values(ctx, 0);
  const auto dims = static_dims(ctx.input(0));
  if (!v || !dims) return;
  const std::vector<int> perm = permutation(ctx, static_cast<int>(dims->size()));
  Dims out;
  std::vector<int64_t> at(dims->size(), 0), strides(dims->size(), 1);
  for (size_t i = dims->size(); i-- > 1;) strides[i - 1] = strides[i] * (*dims)[i];
  for (size_t n = 0; n < v->size(); ++n) {
    int64_t from = 0;
    for (size_t i = 0; i < perm.size(); ++i) from += at[i] * strides[static_cast<size_t>(perm[i])];
    out.push_back((*v)[static_cast<size_t>(from)]);
    for (size_t i = perm.size(); i-- > 0 && ++at[i] == (*dims)[static_cast<size_t>(perm[i])];) at[i] = 0;
  }
  ctx.set_value(0, std::move(out));
}

void infer_concat(ShapeContext& ctx) {
  int rank = -1;
  for (int i = 0; i < ctx.inputs(); ++i) {
    const Type& t = tensor_input(ctx, i);
    if (!t.has_rank) continue;
    if (rank >= 0 && t.rank() != rank) {
      ctx.fail(Code::shape, fmt::format("operands have different ranks: {} and {}", ctx.input(0).str(), t.str()));
    }
    rank = t.rank();
  }
  if (rank < 0) return set_unranked(ctx);
  const int axis = normalize_axis(ctx, ctx.attrs().integer("axis", 1), rank);  // 1: default of version 1
  Dims out(static_cast<size_t>(rank), Dim::unknown());
  Dim sum = 0;
  for (int i = 0; i < ctx.inputs(); ++i) {
    const Type& t = ctx.input(i);
    if (!t.has_rank) {
      sum = Dim::unknown();
      continue;
    }
    for (int a = 0; a < rank; ++a) {
      Dim& have = out[static_cast<size_t>(a)];
      const Dim& d = t.dims[static_cast<size_t>(a)];
      if (a == axis) {
        sum = sum + d;
      } else if (have.is_unknown()) {
        have = d;
      } else if (!d.is_unknown()) {
        have = ctx.require_equal(have, d, fmt::format("extent of axis {} of operands 0 and {}", a, i));
      }
    }
  }
  out[static_cast<size_t>(axis)] = sum;
  for (Dim& d : out) d = named(ctx, d);
  set_dims(ctx, std::move(out));
}

void value_concat(ShapeContext& ctx) {
  Dims out;
  bool some = false;
  for (int i = 0; i < ctx.inputs(); ++i) {
    const Type& t = ctx.input(i);
    const int64_t n = rules::known_count(ctx, i);
    if (t.rank() != 1 || n < 0 || n > kMostValues || out.size() > static_cast<size_t>(kMostValues)) return;
    if (auto v = small_values(ctx, i)) {
      some = some || !v->empty();
      out.insert(out.end(), v->begin(), v->end());
    } else {
      out.insert(out.end(), static_cast<size_t>(n), Dim::unknown());  // part of a shape is better than none
    }
  }
  if (some && (ctx.input(0).dtype == DType::int64 || ctx.input(0).dtype == DType::int32))
    ctx.set_value(0, std::move(out));
}

namespace {
/// Extents of the parts, unknown where nothing is known.
Dims split_extents(ShapeContext& ctx, const Dim& extent) {
  const int parts = ctx.outputs();
  if (ctx.attrs().given("split")) {  // before version 13
    const auto lengths = ctx.attrs().integers("split");
    if (static_cast<int>(lengths.size()) == parts) return Dims(lengths.begin(), lengths.end());
  }
  if (ctx.has_input(1)) {
    const auto sizes = small_values(ctx, 1);
    if (!sizes) return Dims(static_cast<size_t>(parts), Dim::unknown());
    if (static_cast<int>(sizes->size()) != parts) {
      ctx.fail(Code::shape, fmt::format("split names {} parts, the node has {} outputs", sizes->size(), parts));
    }
    Dim sum = 0;
    for (const Dim& d : *sizes) {
      if (d.is_number() && d.number() < 0)
        ctx.fail(Code::shape, fmt::format("split has the negative length {}", d.number()));
      sum = sum + d;
    }
    if (!sum.is_unknown() && !extent.is_unknown())
      ctx.require_equal(sum, extent, "sum of split and extent of the axis");
    return *sizes;
  }
  if (ctx.attrs().given("num_outputs") && ctx.attrs().integer("num_outputs") != parts) {
    ctx.fail(Code::shape,
             fmt::format("num_outputs is {}, the node has {} outputs", ctx.attrs().integer("num_outputs"), parts));
  }
  const Dim chunk = ceildiv(extent, Dim(parts)), last = extent - chunk * Dim(parts - 1);
  if (last.is_number() && last.number() < 0) {
    ctx.fail(Code::shape,
             fmt::format("an axis of extent {} cannot be split into {} parts of {}", extent.str(), parts, chunk.str()),
             "give the lengths in the operand `split`");
  }
  Dims out(static_cast<size_t>(parts), chunk);
  if (parts > 0) out.back() = last;
  return out;
}
}  // namespace

void infer_split(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  if (!x.has_rank) {
    for (int i = 0; i < ctx.outputs(); ++i) set_unranked(ctx, i);
    return;
  }
  const int axis = normalize_axis(ctx, ctx.attrs().integer("axis"), x.rank());
  const Dims extents = split_extents(ctx, x.dims[static_cast<size_t>(axis)]);
  for (int i = 0; i < ctx.outputs(); ++i) {
    Dims out = x.dims;
    out[static_cast<size_t>(axis)] = named(ctx, extents[static_cast<size_t>(i)]);
    set_dims(ctx, std::move(out), i);
  }
}

void value_split(ShapeContext& ctx) {
  const auto v = small_values(ctx, 0);
  const auto dims = static_dims(ctx.input(0));
  if (!v || !dims || dims->size() != 1) return;
  size_t at = 0;
  const Dims extents = split_extents(ctx, Dim((*dims)[0]));
  for (int i = 0; i < ctx.outputs(); ++i) {
    const Dim& d = extents[static_cast<size_t>(i)];
    if (!d.is_number() || d.number() < 0 || at + static_cast<size_t>(d.number()) > v->size()) return;
    const auto begin = v->begin() + static_cast<int64_t>(at);
    ctx.set_value(i, Dims(begin, begin + d.number()));
    at += static_cast<size_t>(d.number());
  }
}

}  // namespace chorus::movement
