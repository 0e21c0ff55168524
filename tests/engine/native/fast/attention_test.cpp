// Attention at every level against float64, all operands between unmapped pages.
#include <algorithm>

#include "support.h"

namespace chorus::fast::testing {
namespace {

enum class Hidden { nothing, added, takes_part };

struct Case {
  int64_t batch, kv_heads, group, rows, keys, size, value_size;
  bool beside;  // heads lie beside one another in a row, else one after the other
  Hidden mask = Hidden::nothing;
  bool mask_batch = true, mask_head = true, mask_row = true;
  int64_t left = -1, right = -1, offset = 0;
  bool lengths = false;
  float cap = 0;
  int64_t heads() const { return kv_heads * group; }
};

HeadRows places(const Case& c, int64_t heads, int64_t length, int64_t size) {
  return c.beside ? HeadRows{length * heads * size, size, heads * size}
                  : HeadRows{heads * length * size, length * size, size};
}

struct Operands {
  Guarded q, k, v, added, bytes;  // bytes: the mask of bytes, at the end of whole floats
  std::vector<int64_t> keys_of;
  AttentionArgs a;
};

void fill_mask(const Case& c, Random& random, Operands& o) {
  AttentionMask& m = o.a.mask;
  m.row = c.mask_row ? c.keys : 0;
  const int64_t head = c.mask_row ? c.rows * c.keys : c.keys;
  m.head = c.mask_head ? head : 0;
  const int64_t one = head * (c.mask_head ? c.heads() : 1), count = one * (c.mask_batch ? c.batch : 1);
  m.batch = c.mask_batch ? one : 0;
  if (c.mask == Hidden::added) {
    o.added = random.fill(count, -2, 2);
    for (int64_t i = 0; i < count; ++i) {
      if (random.whole(0, 5) == 0) o.added[static_cast<size_t>(i)] = -std::numeric_limits<float>::infinity();
    }
    m.added = o.added.data();
    return;
  }
  o.bytes = Guarded(static_cast<size_t>((count + 3) / 4));
  auto* end = reinterpret_cast<uint8_t*>(o.bytes.data() + o.bytes.size());
  for (int64_t i = 0; i < count; ++i) end[i - count] = static_cast<uint8_t>(random.whole(0, 3));
  m.takes_part = end - count;
}

Operands make(const Case& c, Random& random) {
  Operands o{random.fill(c.batch * c.heads() * c.rows * c.size, -2, 2),
             random.fill(c.batch * c.kv_heads * c.keys * c.size, -2, 2),
             random.fill(c.batch * c.kv_heads * c.keys * c.value_size),
             Guarded(1),
             Guarded(1),
             {},
             {}};
  AttentionArgs& a = o.a;
  a.batch = c.batch, a.heads = c.heads(), a.group = c.group, a.rows = c.rows, a.keys = c.keys;
  a.size = c.size, a.value_size = c.value_size;
  a.q = o.q.data(), a.k = o.k.data(), a.v = o.v.data();
  a.q_at = places(c, c.heads(), c.rows, c.size);
  a.k_at = places(c, c.kv_heads, c.keys, c.size);
  a.v_at = places(c, c.kv_heads, c.keys, c.value_size);
  a.y_at = places(c, c.heads(), c.rows, c.value_size);
  a.scale = 1 / std::sqrt(static_cast<float>(std::max<int64_t>(c.size, 1)));
  a.cap = c.cap, a.left = c.left, a.right = c.right, a.offset = c.offset;
  if (c.mask != Hidden::nothing) fill_mask(c, random, o);
  for (int64_t b = 0; c.lengths && b < c.batch; ++b) o.keys_of.push_back(random.whole(0, c.keys));
  return o;
}

/// One row in float64: [value_size].
std::vector<double> want(const AttentionArgs& a, int64_t b, int64_t h, int64_t i) {
  const int64_t keys = a.keys_of != nullptr ? a.keys_of[b] : a.keys, kv = h / a.group,
                offset = a.keys_of != nullptr ? keys - a.rows : a.offset;
  std::vector<double> w(static_cast<size_t>(keys)), y(static_cast<size_t>(a.value_size), 0.0);
  double top = -std::numeric_limits<double>::infinity(), total = 0;
  for (int64_t j = 0; j < keys; ++j) {
    double s = 0;
    for (int64_t d = 0; d < a.size; ++d)
      s += static_cast<double>(a.q[b * a.q_at.batch + h * a.q_at.head + i * a.q_at.row + d]) *
           a.k[b * a.k_at.batch + kv * a.k_at.head + j * a.k_at.row + d];
    s *= a.scale;
    if (a.cap > 0) s = a.cap * std::tanh(s / a.cap);
    const int64_t at = b * a.mask.batch + h * a.mask.head + i * a.mask.row + j, distance = j - i - offset;
    if (a.mask.added != nullptr) s += static_cast<double>(a.mask.added[at]);
    const bool hidden = (a.mask.takes_part != nullptr && a.mask.takes_part[at] == 0) ||
                        (a.right >= 0 && distance > a.right) || (a.left >= 0 && -distance > a.left);
    w[static_cast<size_t>(j)] = hidden ? -std::numeric_limits<double>::infinity() : s;
    top = std::max(top, w[static_cast<size_t>(j)]);
  }
  for (double& x : w) total += x = std::isinf(top) ? 0 : std::exp(x - top);
  for (int64_t j = 0; j < keys && total > 0; ++j) {
    for (int64_t d = 0; d < a.value_size; ++d)
      y[static_cast<size_t>(d)] +=
          w[static_cast<size_t>(j)] / total * a.v[b * a.v_at.batch + kv * a.v_at.head + j * a.v_at.row + d];
  }
  return y;
}

void run(const FastKernels& f, Operands& o, int threads, Guarded& y) {
  Room scratch(f.attention_scratch_bytes(o.a, threads));
  o.a.scratch = scratch.data();
  o.a.y = y.data();
  f.attention_run(o.a, pool_of(threads));
}

void expect_right(const Case& c, Random& random, const std::string& what) {
  Operands o = make(c, random);
  if (!o.keys_of.empty()) o.a.keys_of = o.keys_of.data();
  const int64_t rows = c.batch * c.heads() * c.rows;
  const auto count = static_cast<size_t>(rows * c.value_size);
  std::vector<double> truth(count);  // where y has it
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t i = row % c.rows, h = row / c.rows % c.heads(), b = row / c.rows / c.heads();
    const std::vector<double> one = want(o.a, b, h, i);
    std::copy(one.begin(), one.end(), truth.begin() + b * o.a.y_at.batch + h * o.a.y_at.head + i * o.a.y_at.row);
  }
  for (const FastKernels* f : levels()) {
    Guarded first(count), again(count);
    run(*f, o, 1, first);
    run(*f, o, 3, again);
    ASSERT_EQ(std::memcmp(first.data(), again.data(), count * sizeof(float)), 0) << f->name << what;
    for (size_t i = 0; i < count; ++i) ASSERT_NEAR(first[i], truth[i], 2e-6) << f->name << what << " at " << i;
  }
}

TEST(FastAttention, RandomCasesAtEveryLevel) {
  Random random(83);
  for (int n = 0; n < (kSanitized ? 40 : 160); ++n) {
    Case c{random.whole(1, 2),
           random.whole(1, 2),
           random.whole(1, 2),
           random.whole(1, n % 5 == 0 ? 120 : 20),
           random.whole(1, n % 3 == 0 ? 400 : 40),
           random.whole(1, 70),
           random.whole(1, 70),
           random.whole(0, 1) == 0};
    c.mask = static_cast<Hidden>(random.whole(0, 2));
    c.mask_batch = random.whole(0, 1) == 0, c.mask_head = random.whole(0, 1) == 0, c.mask_row = random.whole(0, 2) > 0;
    if (random.whole(0, 2) == 0) c.right = random.whole(0, 9);
    if (random.whole(0, 2) == 0) c.left = random.whole(0, 150);
    if (random.whole(0, 2) == 0) c.offset = random.whole(0, c.keys);
    c.lengths = random.whole(0, 3) == 0;
    if (random.whole(0, 3) == 0) c.cap = 1.5F;
    expect_right(c, random, " case " + std::to_string(n));
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(FastAttention, ManyKeysInChunks) {
  Random random(84);
  Case c{1, 1, 1, kSanitized ? 30 : 300, 1500, 33, 65, true};
  expect_right(c, random, " all");
  c.right = 0, c.left = 300, c.offset = 800;
  expect_right(c, random, " in a window");
}

/// Rows without any key: zeros, or NaN where a spelled Softmax would give it; in the last place too.
TEST(FastAttention, RowsWithoutKeys) {
  Random random(85);
  for (const int64_t rows : {3, 20}) {
    Case c{1, 1, 1, rows, 150, 8, 8, false, Hidden::added};
    Operands o = make(c, random);
    for (int64_t j = 0; j < c.keys; ++j)
      o.added[static_cast<size_t>((rows - 1) * c.keys + j)] = -std::numeric_limits<float>::infinity();
    for (const FastKernels* f : levels()) {
      Guarded y(static_cast<size_t>(rows * 8));
      for (const EmptyRow empty : {EmptyRow::zero, EmptyRow::not_a_number}) {
        o.a.empty = empty;
        run(*f, o, 1, y);
        for (size_t d = 0; d < 8; ++d) {
          const float last = y[static_cast<size_t>(rows - 1) * 8 + d];
          EXPECT_TRUE(empty == EmptyRow::zero ? last == 0 : std::isnan(last)) << f->name << last;
          EXPECT_TRUE(std::isfinite(y[d])) << f->name;
        }
      }
    }
  }
}

/// What is not a number stays visible in the rows that meet it, and only there.
TEST(FastAttention, NotANumber) {
  Random random(86);
  for (const int64_t rows : {2, 60}) {
    Case c{1, 1, 1, rows, 200, 16, 16, false};
    Operands o = make(c, random);
    o.q[static_cast<size_t>(rows - 1) * 16 + 3] = std::nanf("");
    for (const FastKernels* f : levels()) {
      Guarded y(static_cast<size_t>(rows * 16));
      run(*f, o, 1, y);
      for (size_t d = 0; d < 16; ++d) {
        EXPECT_TRUE(std::isnan(y[static_cast<size_t>(rows - 1) * 16 + d])) << f->name;
        EXPECT_TRUE(std::isfinite(y[static_cast<size_t>(rows - 2) * 16 + d])) << f->name;
      }
    }
  }
}

}  // namespace
}  // namespace chorus::fast::testing
