// Attention over heads, and the rotation of positions.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "table.h"

namespace chorus_mindspore {
namespace {

constexpr double kNegativeInfinity = -std::numeric_limits<double>::infinity();

// [batch, length, heads * size] as [batch, heads, length, size].
Tensor heads_of(Call& c, const Tensor& x, int64_t heads) {
  if (x.rank() == 4) return x;
  c.require(x.rank() == 3 && heads > 0 && x.dim(2) % heads == 0,
            "rank 3 needs a number of heads that divides the last axis");
  return c.transpose(c.reshape(x, {x.dim(0), x.dim(1), heads, x.dim(2) / heads}), {0, 2, 1, 3});
}

Tensor packed(Call& c, const Tensor& y, bool rank3) {
  return rank3 ? c.reshape(c.transpose(y, {0, 2, 1, 3}), {y.dim(0), y.dim(2), y.dim(1) * y.dim(3)}) : y;
}

struct Operands {
  Tensor q, k, v;   // [batch, heads, length, size], caches before the new keys
  int64_t past = 0;
  bool packed = false;
};

Operands operands(Call& c) {
  Operands o;
  o.packed = c.in(0).rank() == 3;
  o.q = heads_of(c, c.in(0), c.i("q_num_heads", 0));
  o.k = heads_of(c, c.in(1), c.i("kv_num_heads", 0));
  o.v = heads_of(c, c.in(2), c.i("kv_num_heads", 0));
  c.require(o.q.rank() == 4 && o.k.rank() == 4 && o.v.rank() == 4, "queries, keys and values have three or four axes");
  if (c.has(4) && c.has(5)) {
    c.require(c.in(4).rank() == 4 && c.in(5).rank() == 4, "the caches have four axes");
    o.past = c.in(4).dim(2);
    o.k = c.concat({c.in(4), o.k}, 2);
    o.v = c.concat({c.in(5), o.v}, 2);
  }
  c.require(o.k.dim(1) > 0 && o.q.dim(1) % o.k.dim(1) == 0,
            "the heads of the queries are no multiple of those of the keys");
  return o;
}

// Keys or values of each group of query heads.
Tensor repeated(Call& c, const Tensor& x, int64_t group) {
  if (group == 1) return x;
  const Tensor one = c.reshape(x, {x.dim(0), x.dim(1), 1, x.dim(2), x.dim(3)});
  const Tensor all = c.broadcast(one, {x.dim(0), x.dim(1), group, x.dim(2), x.dim(3)});
  return c.reshape(all, {x.dim(0), x.dim(1) * group, x.dim(2), x.dim(3)});
}

// What a query does not see, [batch or 1, 1, queries, keys]; undefined: it sees all.
Tensor unseen(Call& c, const Operands& o) {
  const int64_t queries = o.q.dim(2), keys = o.k.dim(2), left = c.i("left_window_size", -1),
                right = c.i("right_window_size", -1);
  Tensor masked;
  auto also = [&](const Tensor& more) { masked = masked ? c.bin("LogicalOr", masked, more) : more; };
  const Tensor key = c.range(keys);
  Tensor query = c.reshape(c.range(queries), {queries, 1});
  if (c.has(6)) {
    const Tensor lengths = c.cast(c.in(6), kInt64), used = c.reshape(lengths, {lengths.count(), 1, 1, 1});
    also(c.bin("GreaterEqual", key, used));
    query = c.has(4) ? c.bin("Add", query, static_cast<double>(o.past))
                     : c.bin("Add", query, c.bin("Sub", used, static_cast<double>(queries)));
  } else {
    query = c.bin("Add", query, static_cast<double>(o.past));
  }
  const Tensor distance = c.bin("Sub", query, key);
  if (c.i("is_causal", 0) != 0) also(c.bin("Less", distance, 0.0));
  if (left >= 0) also(c.bin("Greater", distance, static_cast<double>(left)));
  if (right >= 0) also(c.bin("Less", distance, -static_cast<double>(right)));
  return masked;
}

// 0 and -infinity (and the mask's numbers), to be added; undefined: nothing is masked.
Tensor bias_of(Call& c, const Operands& o, int type) {
  Tensor masked = unseen(c, o), bias;
  if (c.has(3)) {
    Tensor mask = c.in(3);
    c.require(mask.rank() >= 1, "the mask is a scalar");
    const bool flags = mask.type() == kBool;
    const int64_t missing = o.k.dim(2) - mask.dims().back();
    if (!flags) mask = c.cast(mask, type);
    if (missing > 0) {
      Ints before(mask.dims().size(), 0), after = before;
      after.back() = missing;
      mask = c.pad(mask, before, after, flags ? 0 : kNegativeInfinity);
    }
    if (flags) {
      const Tensor hidden = c.un("LogicalNot", mask);
      masked = masked ? c.bin("LogicalOr", masked, hidden) : hidden;
    } else {
      bias = mask;
    }
  }
  if (!masked) return bias;
  return c.where(masked, scalar_of(kNegativeInfinity, type), bias ? bias : scalar_of(0, type));
}

// [batch, heads, n, k] by [batch, heads, k, m], or by its transpose.
Tensor product(Call& c, const Tensor& x, const Tensor& y, bool turned) {
  Ints shape = x.dims();
  shape[3] = y.dim(turned ? 2 : 3);
  c.require(x.dim(0) == y.dim(0) && x.dim(1) == y.dim(1) && x.dim(3) == y.dim(turned ? 3 : 2),
            "queries, keys and values do not fit together");
  c.room(shape, x.type());
  if (x.count() == 0 || y.count() == 0) return c.fill(shape, 0, x.type());
  return c.op("BatchMatMul").in(x).in(y).flag(false).flag(turned).one(x.type(), shape);
}

void attention(Call& c) {
  const Operands o = operands(c);
  const double scale = c.f("scale", 1 / std::sqrt(static_cast<double>(o.q.dim(3))));
  c.out(1, o.k);
  c.out(2, o.v);
  const int type = o.q.type() == kDouble ? kDouble : kFloat;
  const int64_t group = o.q.dim(1) / o.k.dim(1), mode = c.i("qk_matmul_output_mode", 0);
  const Tensor q = c.bin("Mul", c.cast(o.q, type), scale), k = repeated(c, c.cast(o.k, type), group),
               v = repeated(c, c.cast(o.v, type), group);
  Tensor scores = product(c, q, k, true);
  if (mode == 0) c.out(3, scores);
  if (const double cap = c.f("softcap", 0); cap > 0)
    scores = c.bin("Mul", c.un("Tanh", c.bin("Div", scores, cap)), cap);
  if (mode == 1) c.out(3, scores);
  if (const Tensor bias = bias_of(c, o, type)) scores = c.bin("Add", scores, bias);
  if (mode == 2) c.out(3, scores);
  const int rounded = c.given("softmax_precision") ? known_type(static_cast<int>(c.i("softmax_precision", 1))) : type;
  if (rounded != type) scores = c.cast(c.cast(scores, rounded), type);
  // A query that sees no key has no shares: its softmax is 0 / 0 there.
  const Tensor best = c.reduce("ReduceMax", scores, {3}, true);
  Tensor shares = c.where(c.bin("Equal", best, kNegativeInfinity), scalar_of(0, type), c.softmax(scores));
  if (rounded != type) shares = c.cast(c.cast(shares, rounded), type);
  if (mode == 3) c.out(3, shares);
  c.out(0, packed(c, product(c, shares, v, false), o.packed));
}

std::string attention_form(const Node& n) {
  const bool known = known_type(static_cast<int>(n.i("softmax_precision", 1))) != kNoType;
  return known ? "" : "MindSpore is not given the type of softmax_precision";
}

// Every second element of the last axis, from the first or the second on.
Tensor every_second(Call& c, const Tensor& x, int64_t from) {
  const Tensor pairs = c.reshape(x, {x.dim(0), x.dim(1), x.dim(2), x.dim(3) / 2, 2});
  Ints begin(5, 0), size = pairs.dims();
  begin[4] = from;
  size[4] = 1;
  return c.reshape(c.slice(pairs, begin, size), {x.dim(0), x.dim(1), x.dim(2), x.dim(3) / 2});
}

Tensor columns(Call& c, const Tensor& x, int64_t from, int64_t n) {
  Ints begin(4, 0), size = x.dims();
  begin[3] = from;
  size[3] = n;
  return c.slice(x, begin, size);
}

void rotary(Call& c) {
  const Tensor given = c.in(0), x = heads_of(c, given, c.i("num_heads", 0));
  const bool pairs = c.i("interleaved", 0) != 0;
  const int64_t size = x.dim(3), wanted = c.i("rotary_embedding_dim", 0), turned = wanted == 0 ? size : wanted;
  c.require(turned > 0 && turned <= size && turned % 2 == 0, "the rotated elements do not fit the heads");
  const int64_t half = turned / 2;
  auto angles = [&](size_t operand) {
    Tensor table = c.in(operand);
    if (c.has(3)) {
      const Ints at = to_ints(c.in(3));
      c.require(table.rank() == 2 && c.in(3).rank() == 2, "tables and positions have two axes");
      for (int64_t p : at) c.require(p >= 0 && p < table.dim(0), "a position is out of range");
      table = c.gather(table, c.in(3), 0);
    }
    c.require(table.rank() == 3 && table.dim(2) == half, "the tables do not fit the rotated elements");
    return c.reshape(table, {table.dim(0), 1, table.dim(1), half});
  };
  const Tensor cosines = angles(1), sines = angles(2), part = columns(c, x, 0, turned);
  const Tensor a = pairs ? every_second(c, part, 0) : columns(c, part, 0, half),
               b = pairs ? every_second(c, part, 1) : columns(c, part, half, half);
  const Tensor first = c.bin("Sub", c.bin("Mul", cosines, a), c.bin("Mul", sines, b));
  const Tensor second = c.bin("Add", c.bin("Mul", sines, a), c.bin("Mul", cosines, b));
  Tensor y = pairs ? c.reshape(c.stack(Tensors{first, second}, 4), part.dims()) : c.concat({first, second}, 3);
  if (turned < size) y = c.concat({y, columns(c, x, turned, size - turned)}, 3);
  c.out(0, packed(c, y, given.rank() == 3));
}

constexpr std::array kRows = std::to_array<Row>({
    {"Attention", attention, "",
     "no such operator: products, masks and a softmax in float32; a query that sees no key gets 0", Widen::none,
     attention_form},
    {"RotaryEmbedding", rotary, "Mul,Sub,Add", "no such operator: by its formula", Widen::sums},
});

}  // namespace

std::span<const Row> attention_rows() { return kRows; }

}  // namespace chorus_mindspore
