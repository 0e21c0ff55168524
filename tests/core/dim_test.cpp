#include <core/dim.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace chorus {
namespace {

using Wide = __int128;
constexpr const char* kNames[] = {"a", "b", "c", "d"};
using Values = std::array<int64_t, 4>;

/// An expression kept as it was written, with its meaning in plain 128-bit arithmetic: knows nothing of Dim.
struct Tree {
  char op = 'n';  // n: number, s: symbol, else + - * / (floordiv) ^ (ceildiv) % < (min) > (max)
  int64_t value = 0;
  std::vector<Tree> kids;
};

std::optional<Wide> meaning(const Tree& t, const Values& values) {
  if (t.op == 'n') return t.value;
  if (t.op == 's') return values[static_cast<size_t>(t.value)];
  const auto x = meaning(t.kids[0], values);
  const auto y = meaning(t.kids[1], values);
  if (!x || !y) return std::nullopt;
  const Wide limit = static_cast<Wide>(1) << 60;
  if (*x > limit || *x < -limit || *y > limit || *y < -limit) return std::nullopt;
  const auto floor_of = [](Wide p, Wide q) { return p / q - (p % q != 0 && (p < 0) != (q < 0) ? 1 : 0); };
  switch (t.op) {
    case '+': return *x + *y;
    case '-': return *x - *y;
    case '*': return *x * *y;
    case '/': return *y == 0 ? std::nullopt : std::optional<Wide>(floor_of(*x, *y));
    case '^': return *y == 0 ? std::nullopt : std::optional<Wide>(-floor_of(-*x, *y));
    case '%': return *y == 0 ? std::nullopt : std::optional<Wide>(*x - *y * floor_of(*x, *y));
    case '<': return *x < *y ? *x : *y;
    default: return *x > *y ? *x : *y;
  }
}

Dim build(const Tree& t) {
  if (t.op == 'n') return Dim(t.value);
  if (t.op == 's') return Dim::symbol(kNames[t.value]);
  const Dim x = build(t.kids[0]);
  const Dim y = build(t.kids[1]);
  switch (t.op) {
    case '+': return x + y;
    case '-': return x - y;
    case '*': return x * y;
    case '/': return floordiv(x, y);
    case '^': return ceildiv(x, y);
    case '%': return mod(x, y);
    case '<': return min(x, y);
    default: return max(x, y);
  }
}

Tree random_tree(std::mt19937& rng, int depth) {
  const auto roll = [&](int n) { return static_cast<int>(rng() % static_cast<unsigned>(n)); };
  if (depth == 0 || roll(6) == 0) {
    if (roll(2) == 0) return {'n', roll(20) - 6, {}};
    return {'s', roll(4), {}};
  }
  const char op = "++--**//^%<>"[roll(12)];
  Tree t{op, 0, {random_tree(rng, depth - 1), random_tree(rng, depth - 1)}};
  if ((op == '/' || op == '%' || op == '^') && roll(4) != 0) t.kids[1] = {'n', roll(9) - 2, {}};
  return t;
}

Values random_values(std::mt19937& rng) {
  Values v;
  for (int64_t& x : v) x = static_cast<int64_t>(rng() % 4 == 0 ? rng() % 3 : rng() % 40);
  return v;
}

auto lookup_in(const Values& values) {
  return [&values](std::string_view name) -> std::optional<int64_t> {
    for (size_t i = 0; i < 4; ++i) {
      if (name == kNames[i]) return values[i];
    }
    return std::nullopt;
  };
}

TEST(Dim, RandomExpressionsKeepTheirMeaning) {
  std::mt19937 rng(7);
  int compared = 0;
  int unknown = 0;
  for (int i = 0; i < 8000; ++i) {
    const Tree tree = random_tree(rng, 1 + static_cast<int>(rng() % 5));
    const Dim dim = build(tree);
    if (dim.is_unknown()) {
      ++unknown;
      continue;
    }
    DimProgram program;
    const int slot = program.add(dim);
    std::vector<int64_t> slots(static_cast<size_t>(program.slot_count()));
    for (int k = 0; k < 8; ++k) {
      const Values values = random_values(rng);
      const auto expected = meaning(tree, values);
      const auto got = dim.evaluate(lookup_in(values));
      std::vector<int64_t> symbols;
      for (int s = 0; s < program.symbol_count(); ++s) symbols.push_back(*lookup_in(values)(program.symbol_name(s)));
      const bool ran = program.run(symbols.data(), slots.data());
      ASSERT_EQ(ran, got.has_value()) << dim.str();
      if (ran) {
        ASSERT_EQ(slots[static_cast<size_t>(slot)], *got) << dim.str();
      }
      if (!expected || !got) continue;
      ++compared;
      ASSERT_EQ(*got, static_cast<int64_t>(*expected))
          << dim.str() << " for a=" << values[0] << " b=" << values[1] << " c=" << values[2] << " d=" << values[3];
    }
  }
  EXPECT_GT(compared, 30000);
  EXPECT_LT(unknown, 1500);  // mostly divisions by the number 0
}

TEST(Dim, VerdictsHoldForAllSamples) {
  std::mt19937 rng(11);
  int decided = 0;
  for (int i = 0; i < 20000; ++i) {
    const Tree s = random_tree(rng, 1 + static_cast<int>(rng() % 3));
    const Tree t = rng() % 3 == 0 ? Tree{'+', 0, {s, {'n', static_cast<int>(rng() % 5) - 2, {}}}}
                                  : random_tree(rng, 1 + static_cast<int>(rng() % 3));
    const Dim x = build(s);
    const Dim y = build(t);
    const Dim::Truth same = Dim::equal(x, y);
    const Dim::Truth less = Dim::less_equal(x, y);
    decided += same != Dim::Truth::maybe;
    ASSERT_EQ(same, Dim::equal(y, x));
    for (int k = 0; k < 12; ++k) {
      const Values values = random_values(rng);
      const auto p = meaning(s, values);
      const auto q = meaning(t, values);
      if (!p || !q) continue;
      ASSERT_TRUE(same != Dim::Truth::yes || *p == *q) << x.str() << " == " << y.str();
      ASSERT_TRUE(same != Dim::Truth::no || *p != *q) << x.str() << " != " << y.str();
      ASSERT_TRUE(less != Dim::Truth::yes || *p <= *q) << x.str() << " <= " << y.str();
      ASSERT_TRUE(less != Dim::Truth::no || *p > *q) << x.str() << " > " << y.str();
    }
  }
  EXPECT_GT(decided, 5000);
}

TEST(Dim, SubstitutionIsEvaluationOfTheReplaced) {
  std::mt19937 rng(13);
  int compared = 0;
  for (int i = 0; i < 3000; ++i) {
    const Tree tree = random_tree(rng, 4);
    const Tree by = random_tree(rng, 2);
    const Dim replaced = build(tree).substitute(
        [&](std::string_view name) { return name == "a" ? std::optional<Dim>(build(by)) : std::nullopt; });
    Values values = random_values(rng);
    const auto got = replaced.evaluate(lookup_in(values));
    const auto inner = meaning(by, values);
    if (!got || !inner || *inner < 0) continue;  // symbols stand for non-negative numbers
    values[0] = static_cast<int64_t>(*inner);
    const auto expected = meaning(tree, values);
    if (!expected) continue;
    ++compared;
    ASSERT_EQ(*got, static_cast<int64_t>(*expected)) << replaced.str();
  }
  EXPECT_GT(compared, 500);
}

TEST(Dim, NormalFormMakesEqualThingsTheSame) {
  const Dim a = Dim::symbol("a"), b = Dim::symbol("b"), c = Dim::symbol("c");
  const auto same = [](const Dim& x, const Dim& y) {
    EXPECT_TRUE(x.same(y)) << x.str() << " and " << y.str();
    EXPECT_EQ(x.hash(), y.hash());
    EXPECT_EQ(x.str(), y.str());
  };
  same((a + b) * (a - b), a * a - b * b);
  same(a * b * c, c * a * b);
  same(a + b + Dim(2) - b, a + Dim(2));
  same(floordiv(a * Dim(4) + b, Dim(4)), a + floordiv(b, Dim(4)));
  same(mod(a * Dim(4) + b, Dim(4)), mod(b, Dim(4)));
  same(floordiv(floordiv(a, Dim(3)), Dim(5)), floordiv(a, Dim(15)));
  same(floordiv(a * Dim(6) + Dim(5), Dim(4)), floordiv(a * Dim(3) + Dim(2), Dim(2)));
  same(floordiv(a * b, b), a);
  same(floordiv(a * b * c + b * c, b * c), a + Dim(1));
  same(floordiv((a + Dim(1)) * (b + Dim(2)), a + Dim(1)), b + Dim(2));
  same(ceildiv(a * Dim(8), Dim(4)), a * Dim(2));
  same(ceildiv(a, Dim(2)), floordiv(a + Dim(1), Dim(2)));
  same(mod(mod(a, Dim(12)), Dim(4)), mod(a, Dim(4)));
  same(mod(a, b) * Dim(1), mod(a, b));
  same(floordiv(mod(a, Dim(4)), Dim(4)), Dim(0));
  same(min(a, min(b, a)), min(b, a));
  same(max(max(a, b), c), max(a, max(c, b)));
  same(max(a, Dim(0)), a);
  same(min(a, Dim(-1)), Dim(-1));
  same(min(a, a + b), a);
  same(max(Dim(3), max(a, Dim(5))), max(a, Dim(5)));
  EXPECT_FALSE(a.same(b));
  EXPECT_FALSE(Dim().same(Dim()));
}

TEST(Dim, Verdicts) {
  using T = Dim::Truth;
  const Dim a = Dim::symbol("a"), b = Dim::symbol("b");
  EXPECT_EQ(Dim::equal(a, a + Dim(1)), T::no);
  EXPECT_EQ(Dim::equal(a + b + Dim(1), Dim(0)), T::no);
  EXPECT_EQ(Dim::equal(a * Dim(2), b * Dim(4) + Dim(1)), T::no);  // even and odd
  EXPECT_EQ(Dim::equal(a, b), T::maybe);
  EXPECT_EQ(Dim::equal(a, Dim(0)), T::maybe);
  EXPECT_EQ(Dim::equal(Dim(), Dim()), T::maybe);
  EXPECT_EQ(Dim::equal(floordiv(a, Dim(4)) * Dim(4) + mod(a, Dim(4)), a), T::yes);
  EXPECT_EQ(Dim::less_equal(floordiv(a, Dim(3)) * Dim(3), a), T::yes);
  EXPECT_EQ(Dim::less_equal(a, max(a, b)), T::yes);
  EXPECT_EQ(Dim::less_equal(min(a, b), b), T::yes);
  EXPECT_EQ(Dim::less_equal(a + Dim(1), a), T::no);
  EXPECT_EQ(Dim::less_equal(a, b), T::maybe);
  EXPECT_EQ(Dim::less_equal(Dim(0), a * b), T::yes);
}

TEST(Dim, TextAndSymbols) {
  const Dim batch = Dim::symbol("batch"), width = Dim::symbol("width");
  EXPECT_EQ((batch * Dim(2) + floordiv(width, Dim(4))).str(), "2*batch + floordiv(width, 4)");
  EXPECT_EQ((batch - width * batch - Dim(3)).str(), "-batch*width + batch - 3");
  EXPECT_EQ(Dim().str(), "?");
  EXPECT_EQ(Dim(-4).str(), "-4");
  EXPECT_EQ(batch.as_symbol(), "batch");
  EXPECT_FALSE((batch + Dim(1)).as_symbol());
  EXPECT_FALSE(Dim(3).as_symbol());
  std::vector<std::string> names;
  (max(batch, width) * batch).collect_symbols(names);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"batch", "width"}));
}

TEST(Dim, UnknownAndOverflowNeverBecomeWrong) {
  const Dim a = Dim::symbol("a");
  const int64_t most = INT64_MAX;
  EXPECT_TRUE((Dim() + Dim(1)).is_unknown());
  EXPECT_TRUE((Dim() * Dim(0)).is(0));
  EXPECT_TRUE(floordiv(a, Dim(0)).is_unknown());
  EXPECT_TRUE(mod(Dim(3), Dim(0)).is_unknown());
  EXPECT_TRUE(ceildiv(Dim(3), Dim(0)).is_unknown());
  EXPECT_TRUE((Dim(most) + Dim(1)).is_unknown());
  EXPECT_TRUE((Dim(INT64_MIN) - Dim(1)).is_unknown());
  EXPECT_TRUE((a * Dim(most) * Dim(2)).is_unknown());
  EXPECT_TRUE(floordiv(Dim(INT64_MIN), Dim(-1)).is_unknown());
  EXPECT_TRUE((Dim(0) - Dim(INT64_MIN)).is_unknown());
  EXPECT_FALSE((a * Dim(most)).evaluate([](std::string_view) { return std::optional<int64_t>(2); }));
  EXPECT_FALSE(a.evaluate([](std::string_view) { return std::optional<int64_t>(); }));
  for (const int64_t extreme : {most, int64_t{INT64_MIN}, most - 1, int64_t{INT64_MIN} + 1}) {
    for (const Dim& other : {Dim(extreme), a * Dim(extreme), a + Dim(extreme)}) {  // no trap under a sanitizer
      for (const Dim& d : {a + other, a - other, a * other, floordiv(a, other), mod(a, other), ceildiv(a, other),
                           floordiv(other, Dim(3)), mod(other, Dim(-3)), min(a, other), max(other, a), other * other}) {
        Dim::equal(d, other);
        Dim::less_equal(other, d);
        d.str();
      }
    }
  }
}

TEST(Dim, HostileExpressionsStayBounded) {
  const auto start = std::chrono::steady_clock::now();
  Dim wide(0);
  for (int i = 0; i < 200; ++i) wide = wide + Dim::symbol("s" + std::to_string(i));
  EXPECT_TRUE(wide.is_unknown());
  Dim deep = Dim::symbol("x");
  for (int i = 0; i < 100; ++i) {
    deep = floordiv(deep * deep + Dim::symbol("y"), Dim::symbol("z" + std::to_string(i)) + Dim(3));
  }
  EXPECT_TRUE(deep.is_unknown());
  Dim squares = Dim::symbol("p") + Dim::symbol("q") + Dim(1);
  for (int i = 0; i < 100; ++i) squares = squares * squares;
  EXPECT_TRUE(squares.is_unknown());
  Dim maxes(0);
  for (int i = 0; i < 100; ++i) maxes = max(maxes, Dim::symbol("m" + std::to_string(i)));
  EXPECT_LT(maxes.str().size(), 100'000u);
  EXPECT_TRUE(Dim::symbol(std::string(1'000'000, 'n')).is_unknown());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(DimProgram, SharesCommonParts) {
  const Dim a = Dim::symbol("a"), b = Dim::symbol("b");
  DimProgram program;
  const int first = program.add(floordiv(a + Dim(1), Dim(2)) * b);
  const int before = program.slot_count();
  EXPECT_EQ(program.add(b * floordiv(Dim(1) + a, Dim(2))), first);
  EXPECT_EQ(program.slot_count(), before);
  program.add(floordiv(a + Dim(1), Dim(2)) + Dim(7));
  EXPECT_EQ(program.slot_count(), before + 1);
  EXPECT_EQ(program.add(Dim()), -1);
  EXPECT_EQ(program.symbol_count(), 2);
  EXPECT_EQ(program.symbol_name(program.symbol("b")), "b");
  std::vector<int64_t> slots(static_cast<size_t>(program.slot_count()));
  std::vector<int64_t> symbols(2);
  symbols[static_cast<size_t>(program.symbol("a"))] = 6;
  symbols[static_cast<size_t>(program.symbol("b"))] = 5;
  ASSERT_TRUE(program.run(symbols.data(), slots.data()));
  EXPECT_EQ(slots[static_cast<size_t>(first)], 15);
}

}  // namespace
}  // namespace chorus
