// Attention over heads, and the rotation of positions.
#include <cmath>
#include <limits>

#include "table.h"

namespace chorus_torch {
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
    o.k = at::cat({c.in(4), o.k}, 2);
    o.v = at::cat({c.in(5), o.v}, 2);
  }
  c.require(o.k.size(1) > 0 && o.q.size(1) % o.k.size(1) == 0,
            "the heads of the queries are no multiple of those of the keys");
  return o;
}

// 0 and -infinity (and the mask's numbers), [batch or 1, heads or 1, queries, keys]; undefined: nothing is masked.
Tensor bias_of(Call& c, const Operands& o, ScalarType type) {
  const int64_t queries = o.q.size(2), keys = o.k.size(2), left = c.i("left_window_size", -1),
                right = c.i("right_window_size", -1);
  const bool causal = c.i("is_causal", 0) != 0, lengths = c.has(6);
  const auto ints = at::TensorOptions(at::kLong);
  Tensor masked;   // true: not seen
  auto also = [&](const Tensor& more) { masked = masked.defined() ? at::logical_or(masked, more) : more; };
  const Tensor key = at::arange(keys, ints);
  Tensor query = at::arange(queries, ints).unsqueeze(1);
  if (lengths) {
    const Tensor used = c.in(6).to(at::kLong).reshape({-1, 1, 1, 1});
    also(at::ge(key, used));
    query = at::add(query, c.has(4) ? at::full({}, o.past, ints) : at::sub(used, queries));
  } else {
    query = at::add(query, o.past);
  }
  const Tensor distance = at::sub(query, key);
  if (causal) also(at::lt(distance, 0));
  if (left >= 0) also(at::gt(distance, left));
  if (right >= 0) also(at::lt(distance, -right));
  Tensor bias;
  if (c.has(3)) {
    Tensor mask = c.in(3);
    const bool flags = mask.scalar_type() == at::kBool;
    if (const int64_t missing = keys - mask.size(-1); missing > 0 && mask.size(-1) != keys) {
      mask = flags ? at::constant_pad_nd(mask, {0, missing}, 0)
                   : at::constant_pad_nd(mask, {0, missing}, kNegativeInfinity);
    }
    if (flags)
      also(at::logical_not(mask));
    else
      bias = mask.to(type);
  }
  if (!masked.defined()) return bias;
  const Tensor none = bias.defined() ? bias : at::zeros({}, at::TensorOptions(type));
  return at::where(masked, kNegativeInfinity, none);
}

bool is_plain(const Call& c) {
  return !c.has(3) && !c.has(4) && !c.has(6) && !c.wants(3) && c.f("softcap", 0) == 0 &&
         !c.given("softmax_precision") && c.i("left_window_size", -1) < 0 && c.i("right_window_size", -1) < 0;
}

void attention(Call& c) {
  const Operands o = operands(c);
  const ScalarType given = o.q.scalar_type();
  const double scale = c.f("scale", 1 / std::sqrt(static_cast<double>(o.q.size(3))));
  c.out(1, o.k);
  c.out(2, o.v);
  const int64_t group = o.q.size(1) / o.k.size(1);
  const ScalarType type = given == at::kDouble ? at::kDouble : at::kFloat;
  const Tensor q = o.q.to(type);
  Tensor k = o.k.to(type), v = o.v.to(type);
  if (group > 1) {
    k = k.repeat_interleave(group, 1);
    v = v.repeat_interleave(group, 1);
  }
  if (is_plain(c)) {
    const Tensor y = at::scaled_dot_product_attention(q, k, v, std::nullopt, 0.0, c.i("is_causal", 0) != 0, scale);
    return c.out(0, packed(y, o.packed));
  }
  const int64_t mode = c.i("qk_matmul_output_mode", 0);
  Tensor scores = at::mul(at::matmul(q, k.transpose(2, 3)), scale);
  if (mode == 0) c.out(3, scores);
  if (const double cap = c.f("softcap", 0); cap > 0) scores = at::mul(at::tanh(at::div(scores, cap)), cap);
  if (mode == 1) c.out(3, scores);
  if (const Tensor bias = bias_of(c, o, type); bias.defined()) scores = at::add(scores, bias);
  if (mode == 2) c.out(3, scores);
  const ScalarType rounded =
      c.given("softmax_precision") ? to_torch(static_cast<int>(c.i("softmax_precision", 1))) : type;
  if (rounded != type) scores = scores.to(rounded).to(type);
  Tensor shares = at::softmax(scores, -1);
  shares = at::where(at::isneginf(scores).all(-1, true), 0, shares);   // a query that sees no key
  if (rounded != type) shares = shares.to(rounded).to(type);
  if (mode == 3) c.out(3, shares);
  c.out(0, packed(at::matmul(shares, v), o.packed));
}

std::string attention_refusal(const Node& node) {
  return node.given("softmax_precision") &&
                 to_torch(static_cast<int>(node.i("softmax_precision", 1))) == ScalarType::Undefined
             ? "PyTorch has not the type of softmax_precision"
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
    const Tensor at = c.in(3).to(at::kLong);
    const Tensor wrapped = at::where(at::lt(at, 0), at::add(at, cosines.size(0)), at).flatten();
    const Ints shape = {at.size(0), at.size(1), turned / 2};
    cosines = cosines.index_select(0, wrapped).reshape(shape);
    sines = sines.index_select(0, wrapped).reshape(shape);
  }
  cosines = cosines.unsqueeze(1);
  sines = sines.unsqueeze(1);
  const Tensor part = x.narrow(3, 0, turned);
  const Tensor a = pairs ? part.slice(3, 0, turned, 2) : part.narrow(3, 0, turned / 2);
  const Tensor b = pairs ? part.slice(3, 1, turned, 2) : part.narrow(3, turned / 2, turned / 2);
  const Tensor first = at::sub(at::mul(cosines, a), at::mul(sines, b)),
               second = at::add(at::mul(sines, a), at::mul(cosines, b));
  Tensor y = pairs ? at::stack({first, second}, -1).flatten(3) : at::cat({first, second}, 3);
  if (turned < size) y = at::cat({y, x.narrow(3, turned, size - turned)}, 3);
  c.out(0, packed(y, rank3));
}

constexpr Row kRows[] = {
    {"Attention", attention, kFloats, "scaled_dot_product_attention, matmul, softmax",
     "has no caches, caps, windows or scores as results, and NaN where a query sees no key: computed step by step then",
     attention_refusal},
    {"RotaryEmbedding", rotary, kFloats, "mul, cat"},
};

}  // namespace

std::span<const Row> attention_rows() { return kRows; }

}  // namespace chorus_torch
