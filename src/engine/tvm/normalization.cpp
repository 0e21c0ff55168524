#include <algorithm>
#include <cmath>

#include "table.h"

namespace chorus_tvm {
namespace {

E root(const E& x) { return intrinsic("tirx.sqrt", x); }

void make_batch_norm(Call& c) {
  c.require(c.i("training_mode", 0) == 0, "training mode is left to others");
  const T x = c.in(0), scale = c.in(1), bias = c.in(2), mean = c.in(3), variance = c.in(4);
  const double epsilon = c.f("epsilon", 1e-5f);
  const int wide = variance.type == kDouble || x.type == kDouble ? kDouble : kFloat;
  c.out(0, compute(x.dims, c.out_type(0), [&](const Index& at) {
          const E channel = at.size() > 1 ? at[1] : whole(0);
          const Index own = {channel};
          auto of = [&](const T& t) { return cast(t(own), wide); };
          return (cast(x(at), wide) - of(mean)) / root(of(variance) + number(epsilon, wide)) * of(scale) + of(bias);
        }));
}

struct Moments {
  T mean, variance;
};

// Over the axes from `from` on, in two passes; both keep these axes with size 1. `mean` null: 0.
Moments moments(const T& x, size_t from, bool centred) {
  Dims dims = x.dims, over(x.dims.begin() + static_cast<int64_t>(from), x.dims.end());
  std::fill(dims.begin() + static_cast<int64_t>(from), dims.end(), 1);
  double count = 1;
  for (int64_t d : over) count *= static_cast<double>(d);
  const int wide = computed(x.type);
  auto at_of = [&](const Index& at, const Index& inner) {
    Index own(at.begin(), at.begin() + static_cast<int64_t>(from));
    own.insert(own.end(), inner.begin(), inner.end());
    return own;
  };
  Moments made;
  if (centred) {
    const T sum = fold(Fold::sum, dims, wide, over, [&](const Index& at, const Index& k) { return x(at_of(at, k)); });
    made.mean = compute(dims, wide, [&](const Index& at) { return sum(at) / number(count, wide); });
  }
  const T squares = fold(Fold::sum, dims, wide, over, [&](const Index& at, const Index& k) {
    const E e = x(at_of(at, k)), d = centred ? e - made.mean(at) : e;
    return d * d;
  });
  made.variance = compute(dims, wide, [&](const Index& at) { return squares(at) / number(count, wide); });
  return made;
}

void make_layer_norm(Call& c) {
  const T x = c.in(0), scale = c.in(1);
  const bool centred = c.op() == "LayerNormalization";
  const auto from = static_cast<size_t>(c.axis(c.i("axis", -1), x.rank()));
  const double epsilon = c.f("epsilon", 1e-5f);
  c.require(c.i("stash_type", 1) == 1 || x.type == kDouble, "another stash type than float32 is left to others");
  c.require(x.type != kDouble || c.i("stash_type", 1) != 1, "float64 through a float32 stash is left to others");
  const Moments m = moments(x, from, centred);
  T bias;
  if (c.has(2)) bias = c.in(2);
  auto row = [&](const Index& at) {
    Index own = at;
    std::fill(own.begin() + static_cast<int64_t>(from), own.end(), whole(0));
    return own;
  };
  const T inverse = compute(m.variance.dims, kFloat, [&](const Index& at) {
    return number(1, kFloat) / root(m.variance(at) + number(epsilon, kFloat));
  });
  c.out(0, compute(x.dims, c.out_type(0), [&](const Index& at) {
          const E d = centred ? x(at) - m.mean(row(at)) : x(at);
          const E made = d * inverse(row(at)) * cast(spread(scale, at), kFloat);
          return c.has(2) ? made + cast(spread(bias, at), kFloat) : made;
        }));
  if (c.wants(1)) c.out(1, compute(m.mean.dims, c.out_type(1), [&](const Index& at) { return m.mean(at); }));
  if (c.wants(2)) c.out(2, compute(inverse.dims, c.out_type(2), [&](const Index& at) { return inverse(at); }));
}

void make_instance_norm(Call& c) {
  const T x = c.in(0), scale = c.in(1), bias = c.in(2);
  c.require(x.rank() >= 3, "its input has no axis behind the channels");
  const Moments m = moments(x, 2, true);
  const double epsilon = c.f("epsilon", 1e-5f);
  c.out(0, compute(x.dims, c.out_type(0), [&](const Index& at) {
          Index row(at.size(), whole(0));
          row[0] = at[0], row[1] = at[1];
          const E variance = m.variance(row);
          return (x(at) - m.mean(row)) / root(variance + like(epsilon, variance)) * scale({at[1]}) + bias({at[1]});
        }));
}

void make_lrn(Call& c) {
  const T x = c.in(0);
  c.require(x.rank() >= 2, "its input has no channels");
  const int64_t size = c.i("size", 1), before = (size - 1) / 2;
  const int wide = computed(x.type);
  const T squares = fold(Fold::sum, x.dims, wide, {size}, [&](const Index& at, const Index& k) {
    Index from = at;
    from[1] = at[1] + k[0] - whole(before);
    const E e = choose(from[1] >= whole(0) && from[1] < whole(x.dims[1]), x(from), number(0, x.type));
    return e * e;
  });
  const double alpha = c.f("alpha", 0.0001f), beta = c.f("beta", 0.75), bias = c.f("bias", 1);
  c.out(0, compute(x.dims, c.out_type(0), [&](const Index& at) {
          const E s = number(bias, wide) + number(alpha / static_cast<double>(size), wide) * squares(at);
          return x(at) / library("pow", {s, number(beta, wide)});
        }));
}

void make_lp_norm(Call& c) {
  const T x = c.in(0);
  const auto axis = static_cast<size_t>(c.axis(c.i("axis", -1), x.rank()));
  const bool ones = c.i("p", 2) == 1;
  Dims dims = x.dims;
  dims[axis] = 1;
  const T sum = fold(Fold::sum, dims, computed(x.type), {x.dims[axis]}, [&](Index at, const Index& k) {
    at[axis] = k[0];
    const E e = x(at);
    return ones ? select(e < like(0, e), like(0, e) - e, e) : e * e;
  });
  c.out(0, compute(x.dims, c.out_type(0), [&](const Index& at) {
          Index row = at;
          row[axis] = whole(0);
          const E size = ones ? sum(row) : root(sum(row));
          return select(size == like(0, size), like(0, size), x(at) / size);
        }));
}

constexpr Row kRows[] = {
    {"BatchNormalization", make_batch_norm},
    {"LayerNormalization", make_layer_norm},
    {"RMSNormalization", make_layer_norm},
    {"InstanceNormalization", make_instance_norm},
    {"LRN", make_lrn},
    {"LpNormalization", make_lp_norm},
};

}  // namespace

std::span<const Row> normalization_rows() { return kRows; }

}  // namespace chorus_tvm
