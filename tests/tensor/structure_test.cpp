// Random expressions over random shapes against the same arithmetic on vectors of doubles, written here.
#include "tensor/tensor_case.h"

#include <functional>
#include <random>

namespace chorus::testing {
namespace {

// A row-major array of doubles.
struct Array {
  std::vector<int64_t> dims;
  std::vector<double> data;
};

Array broadcast(const Array& a, const Array& b, const std::function<double(double, double)>& f) {
  Array out;
  const size_t rank = std::max(a.dims.size(), b.dims.size());
  const auto extent = [&](const Array& x, size_t axis) {
    return axis + x.dims.size() < rank ? 1 : x.dims[axis + x.dims.size() - rank];
  };
  int64_t count = 1;
  for (size_t i = 0; i < rank; ++i) {
    out.dims.push_back(std::max(extent(a, i), extent(b, i)));
    count *= out.dims.back();
  }
  const auto element = [&](const Array& x, int64_t flat) {
    int64_t at = 0, step = 1;
    for (size_t i = rank; i-- > 0;) {
      const int64_t index = flat % out.dims[i];
      flat /= out.dims[i];
      const int64_t have = extent(x, i);
      if (have != 1) at += index * step;
      step *= have;
    }
    return x.data[static_cast<size_t>(at)];
  };
  for (int64_t i = 0; i < count; ++i) out.data.push_back(f(element(a, i), element(b, i)));
  return out;
}

Array map(Array a, const std::function<double(double)>& f) {
  for (double& v : a.data) v = f(v);
  return a;
}

Array sum_of_last(const Array& a) {
  Array out{a.dims, {}};
  const int64_t n = out.dims.back();
  out.dims.pop_back();
  for (size_t i = 0; i < a.data.size(); i += static_cast<size_t>(n)) {
    double total = 0;
    for (int64_t k = 0; k < n; ++k) total += a.data[i + static_cast<size_t>(k)];
    out.data.push_back(total);
  }
  return out;
}

struct Pair {
  Tensor tensor;
  Array array;
};

Pair leaf(std::mt19937_64& random, const std::vector<int64_t>& dims) {
  Array a{dims, {}};
  int64_t count = 1;
  for (int64_t d : dims) count *= d;
  for (int64_t i = 0; i < count; ++i)
    a.data.push_back(static_cast<double>(static_cast<int64_t>(random() % 2001) - 1000) / 1000);
  return {from_data<double>(Shape(dims), a.data), a};
}

// One more expression over those before it; every value stays within [-1, 1] but for sums, so that errors stay small.
Pair grow(std::mt19937_64& random, const std::vector<Pair>& all) {
  const Pair &a = all[random() % all.size()], &b = all[random() % all.size()];
  switch (random() % 7) {
    case 0:
      return {(a.tensor + b.tensor) * 0.5,
              broadcast(a.array, b.array, [](double x, double y) { return (x + y) * 0.5; })};
    case 1:
      return {(a.tensor - b.tensor) / 2, broadcast(a.array, b.array, [](double x, double y) { return (x - y) / 2; })};
    case 2: return {a.tensor * b.tensor, broadcast(a.array, b.array, [](double x, double y) { return x * y; })};
    case 3:
      return {maximum({a.tensor, b.tensor}),
              broadcast(a.array, b.array, [](double x, double y) { return std::max(x, y); })};
    case 4: return {tanh(a.tensor), map(a.array, [](double x) { return std::tanh(x); })};
    case 5:
      return {where(a.tensor < b.tensor, a.tensor, -b.tensor),
              broadcast(a.array, b.array, [](double x, double y) { return x < y ? x : -y; })};
    default:
      if (a.array.dims.empty() || a.array.dims.back() == 0)
        return {neg(a.tensor), map(a.array, [](double x) { return -x; })};
      return {tanh(sum(a.tensor, {-1})), map(sum_of_last(a.array), [](double x) { return std::tanh(x); })};
  }
}

// The second and third round of one seed have other sizes and other values, but the same structure: they run compiled.
TEST(Properties, RandomExpressionsAgreeWithDoubles) {
  const auto engine = Evaluator::open("native");
  const EvaluateOn scope(*engine);
  for (uint64_t seed = 0; seed < 60; ++seed) {
    for (int64_t round = 0; round < 3; ++round) {
      std::mt19937_64 random(seed);
      const int64_t n = 2 + round, m = 5 + round * 3;
      std::vector<Pair> all = {leaf(random, {n, m}), leaf(random, {m}), leaf(random, {n, 1}), leaf(random, {})};
      std::mt19937_64 choice(seed + 1000);
      std::vector<Pair> made = all;
      for (int step = 0; step < 12; ++step) {
        const Pair next = grow(choice, made);
        const bool fits = next.array.dims.empty() || next.array.dims.size() == 2 ||
                          next.array.dims.back() == m;   // sums over rows do not broadcast
        if (fits) made.push_back(next);
      }
      const Pair& last = made.back();
      expect_values(last.tensor, Shape(last.array.dims), last.array.data, 1e-12);
      for (const Pair& p : made) expect_values(p.tensor, Shape(p.array.dims), p.array.data, 1e-12);
    }
  }
  EXPECT_GT(engine->counts().from_cache + engine->counts().compiled, 100);
}

TEST(Properties, SlicesAndReshapesKeepElements) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 100; ++round) {
    const auto a = static_cast<int64_t>(1 + random() % 5), b = static_cast<int64_t>(1 + random() % 5),
               c = static_cast<int64_t>(1 + random() % 5);
    const Tensor t = reshape(arange(a * b * c), {a, b, c});
    const auto i = static_cast<int64_t>(random() % static_cast<uint64_t>(a)),
               k = static_cast<int64_t>(random() % static_cast<uint64_t>(c));
    const Tensor row = permute(t, {2, 0, 1})[{k, i}];
    std::vector<double> wanted;
    for (int64_t j = 0; j < b; ++j) wanted.push_back(static_cast<double>((i * b + j) * c + k));
    expect_values(row, Shape{b}, wanted);
  }
}

}  // namespace
}  // namespace chorus::testing
