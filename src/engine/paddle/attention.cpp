// Attention over heads, and the rotation of positions.
#include <cmath>
#include <limits>

#include "table.h"

namespace chorus_paddle {
namespace {

constexpr double kNegativeInfinity = -std::numeric_limits<double>::infinity();

// [batch, length, heads * size] as [batch, heads, length, size].
Tensor heads_of(Call& c, const Tensor& x, int64_t heads) {
  if (x.dim() == 4) return x;
  c.require(x.dim() == 3 && heads > 0 && x.size(2) % heads == 0,
            "rank 3 needs a number of heads that divides the last axis");
  return x.reshape({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

Tensor packed(const Tensor& y, bool rank3) {
  return rank3 ? y.transpose(1, 2).reshape({y.size(0), y.size(2), y.size(1) * y.size(3)}) : y;
}

struct Operands {
  Tensor q, k, v;      // [batch, heads, length, size], caches before the new keys
  int64_t past = 0;
  bool packed = false;
};

Operands operands(Call& c) {
  Operands o;
  o.packed = c.in(0).dim() == 3;
  o.q = heads_of(c, c.in(0), c.i("q_num_heads", 0));
  o.k = heads_of(c, c.in(1), c.i("kv_num_heads", 0));
  o.v = heads_of(c, c.in(2), c.i("kv_num_heads", 0));
  if (c.has(4)) {
    o.past = c.in(4).size(2);
    o.k = concat({c.in(4), o.k}, 2);
    o.v = concat({c.in(5), o.v}, 2);
  }
  c.require(o.k.size(1) > 0 && o.q.size(1) % o.k.size(1) == 0,
            "the heads of the queries are no multiple of those of the keys");
  return o;
}

// 0 and -infinity (and the mask's numbers), [batch or 1, heads or 1, queries, keys]; undefined: nothing is masked.
Tensor bias_of(Call& c, const Operands& o, Type type) {
  const int64_t queries = o.q.size(2), keys = o.k.size(2), left = c.i("left_window_size", -1),
                right = c.i("right_window_size", -1);
  const bool causal = c.i("is_causal", 0) != 0, lengths = c.has(6);
  Tensor masked;   // true: not seen
  auto also = [&](const Tensor& more) { masked = masked.defined() ? either(masked, more) : more; };
  const Tensor key = arange(keys);
  Tensor query = arange(queries).unsqueeze(1);
  if (lengths) {
    const Tensor used = c.in(6).to(kLong).reshape({-1, 1, 1, 1});
    also(ge(key, used));
    query = add(query, c.has(4) ? scalar_long(o.past) : sub(used, static_cast<double>(queries)));
  } else {
    query = add(query, static_cast<double>(o.past));
  }
  const Tensor distance = sub(query, key);
  if (causal) also(lt(distance, 0));
  if (left >= 0) also(gt(distance, static_cast<double>(left)));
  if (right >= 0) also(lt(distance, static_cast<double>(-right)));
  Tensor bias;
  if (c.has(3)) {
    Tensor mask = c.in(3);
    const bool flags = mask.type() == kBool;
    if (const int64_t missing = keys - mask.size(-1); missing > 0 && mask.size(-1) != keys) {
      Ints none(static_cast<size_t>(mask.dim()), 0), more = none;
      more.back() = missing;
      mask = pad(mask, none, more, flags ? 0 : kNegativeInfinity);
    }
    if (flags)
      also(inverted(mask));
    else
      bias = mask.to(type);
  }
  if (!masked.defined()) return bias;
  const Tensor none = bias.defined() ? bias : zeros({}, type);
  return where(masked, full({}, kNegativeInfinity, type), none);
}

void attention(Call& c) {
  const Operands o = operands(c);
  const Type given = o.q.type();
  const double scale = c.f("scale", 1 / std::sqrt(static_cast<double>(o.q.size(3))));
  c.out(1, o.k);
  c.out(2, o.v);
  const int64_t group = o.q.size(1) / o.k.size(1);
  const Type type = given == kDouble ? kDouble : kFloat;
  const Tensor q = o.q.to(type);
  Tensor k = o.k.to(type), v = o.v.to(type);
  if (group > 1) {
    k = repeat_each(k, group, 1);
    v = repeat_each(v, group, 1);
  }
  const int64_t mode = c.i("qk_matmul_output_mode", 0);
  Tensor scores = mul(matmul(q, k.transpose(2, 3)), scale);
  if (mode == 0) c.out(3, scores);
  if (const double cap = c.f("softcap", 0); cap > 0) scores = mul(paddle::experimental::tanh(div(scores, cap)), cap);
  if (mode == 1) c.out(3, scores);
  if (const Tensor bias = bias_of(c, o, type); bias.defined()) scores = add(scores, bias);
  if (mode == 2) c.out(3, scores);
  const Type rounded = c.given("softmax_precision") ? to_paddle(static_cast<int>(c.i("softmax_precision", 1))) : type;
  if (rounded != type) scores = scores.to(rounded).to(type);
  Tensor shares = scores.numel() == 0 ? scores : Tensor(paddle::experimental::softmax(scores, -1));
  if (scores.numel() > 0)
    shares = where(eq(largest(scores, {3}, true), kNegativeInfinity), 0, shares);   // a query that sees no key
  if (rounded != type) shares = shares.to(rounded).to(type);
  if (mode == 3) c.out(3, shares);
  c.out(0, packed(matmul(shares, v), o.packed));
}

std::string attention_refusal(const Node& node) {
  return node.given("softmax_precision") && to_paddle(static_cast<int>(node.i("softmax_precision", 1))) == kUndefined
             ? "PaddlePaddle has not the type of softmax_precision"
             : std::string();
}

void rotary(Call& c) {
  const Tensor given = c.in(0);
  const bool rank3 = given.dim() == 3, pairs = c.i("interleaved", 0) != 0;
  const Tensor x = heads_of(c, given, c.i("num_heads", 0));
  const int64_t size = x.size(3), wanted = c.i("rotary_embedding_dim", 0), turned = wanted == 0 ? size : wanted;
  c.require(turned <= size && turned % 2 == 0, "the rotated elements do not fit the heads");
  Tensor cosines = c.in(1), sines = c.in(2);
  if (c.has(3)) {
    const Tensor at = c.in(3).to(kLong);
    const Tensor wrapped = where(lt(at, 0), add(at, static_cast<double>(cosines.size(0))), at).reshape({-1});
    const Ints shape = {at.size(0), at.size(1), turned / 2};
    cosines = cosines.index_select(0, wrapped).reshape(shape);
    sines = sines.index_select(0, wrapped).reshape(shape);
  }
  cosines = cosines.unsqueeze(1);
  sines = sines.unsqueeze(1);
  const Tensor part = x.narrow(3, 0, turned);
  const Tensor a = pairs ? part.slice(3, 0, turned, 2) : part.narrow(3, 0, turned / 2);
  const Tensor b = pairs ? part.slice(3, 1, turned, 2) : part.narrow(3, turned / 2, turned / 2);
  const Tensor first = sub(mul(cosines, a), mul(sines, b)), second = add(mul(sines, a), mul(cosines, b));
  Tensor y = pairs ? stack({first, second}, -1).flatten(3) : concat({first, second}, 3);
  if (turned < size) y = concat({y, x.narrow(3, turned, size - turned)}, 3);
  c.out(0, packed(y, rank3));
}

constexpr Row kRows[] = {
    {"Attention", attention, kDoubles, "matmul, softmax",
     "flash_attn is of graphics processors only: computed step by step", attention_refusal},
    {"RotaryEmbedding", rotary, kDoubles, "multiply, concat"},
};

}  // namespace

std::span<const Row> attention_rows() { return kRows; }

}  // namespace chorus_paddle
