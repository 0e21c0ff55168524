// Normalisations, by their formulas: MindSpore's own want channels last, or one form of statistics.
#include <array>

#include "table.h"

namespace chorus_mindspore {
namespace {

// [C] beside [N, C, spatial …].
Tensor per_channel(Call& c, const Tensor& v, int64_t rank) {
  Ints shape(static_cast<size_t>(rank), 1);
  shape[rank > 1 ? 1 : 0] = v.count();
  return c.reshape(v, shape);
}

Ints from(int64_t first, int64_t rank) {
  Ints axes;
  for (int64_t d = first; d < rank; ++d) axes.push_back(d);
  return axes;
}

Tensor computed(Call& c, const Tensor& x) { return x.type() == kDouble ? x : c.cast(x, kFloat); }

struct Moments {
  Tensor mean, variance;
};
Moments moments(Call& c, const Tensor& x, const Ints& axes) {
  const Tensor mean = c.reduce("ReduceMean", x, axes, true);
  return {mean, c.reduce("ReduceMean", c.bin("SquaredDifference", x, mean), axes, true)};
}

Tensor inverse_root(Call& c, const Tensor& variance, double epsilon) {
  return c.un("Rsqrt", c.bin("Add", variance, epsilon));
}

void batch(Call& c) {
  const Tensor x = computed(c, c.in(0));
  auto like = [&](size_t i) { return c.cast(c.in(i), x.type()); };
  const double epsilon = c.f("epsilon", 1e-5F), momentum = c.f("momentum", 0.9F);
  Tensor mean = like(3), variance = like(4);
  if (c.i("training_mode", 0) != 0) {
    Ints axes = {0};
    for (int64_t d = 2; d < x.rank(); ++d) axes.push_back(d);
    const Moments now = moments(c, x, axes);
    auto blend = [&](const Tensor& old, const Tensor& fresh) {
      return c.bin("Add", c.bin("Mul", old, momentum), c.bin("Mul", fresh, 1 - momentum));
    };
    const Tensor fresh_mean = c.reshape(now.mean, mean.dims()), fresh_variance = c.reshape(now.variance, mean.dims());
    c.out(1, blend(mean, fresh_mean));
    c.out(2, blend(variance, fresh_variance));
    mean = fresh_mean, variance = fresh_variance;
  }
  const Tensor scale = c.bin("Mul", like(1), inverse_root(c, variance, epsilon));
  const Tensor shift = c.bin("Sub", like(2), c.bin("Mul", mean, scale));
  c.out(0, c.bin("Add", c.bin("Mul", x, per_channel(c, scale, x.rank())), per_channel(c, shift, x.rank())));
}

void instance(Call& c) {
  const Tensor x = computed(c, c.in(0));
  const Moments m = moments(c, x, from(2, x.rank()));
  const Tensor scaled = c.bin("Mul", c.bin("Sub", x, m.mean), inverse_root(c, m.variance, c.f("epsilon", 1e-5F)));
  const Tensor scale = per_channel(c, c.cast(c.in(1), x.type()), x.rank()),
               shift = per_channel(c, c.cast(c.in(2), x.type()), x.rank());
  c.out(0, c.bin("Add", c.bin("Mul", scaled, scale), shift));
}

void group(Call& c) {
  const Tensor x = computed(c, c.in(0));
  const int64_t groups = c.i("num_groups", 1);
  c.require(x.rank() >= 2 && groups > 0 && x.dim(1) % groups == 0, "the channels are no multiple of the groups");
  const Tensor rows = c.reshape(x, {x.dim(0), groups, x.count() / std::max<int64_t>(1, x.dim(0) * groups)});
  const Moments m = moments(c, rows, {2});
  const Tensor scaled = c.bin("Mul", c.bin("Sub", rows, m.mean), inverse_root(c, m.variance, c.f("epsilon", 1e-5F)));
  const Tensor scale = per_channel(c, c.cast(c.in(1), x.type()), x.rank()),
               shift = per_channel(c, c.cast(c.in(2), x.type()), x.rank());
  const Tensor whole = c.cast(c.cast(c.reshape(scaled, x.dims()), c.in(0).type()), x.type());
  c.out(0, c.bin("Add", c.bin("Mul", whole, scale), shift));
}

void layer(Call& c) {
  const Tensor given = c.in(0), x = computed(c, given);
  const Ints axes = from(c.axis(c.i("axis", -1), x.rank()), x.rank());
  const Moments m = moments(c, x, axes);
  const Tensor inverse = inverse_root(c, m.variance, c.f("epsilon", 1e-5F));
  Tensor y = c.cast(c.bin("Mul", c.bin("Sub", x, m.mean), inverse), given.type());
  y = c.bin("Mul", y, c.in(1));
  if (c.has(2)) y = c.bin("Add", y, c.in(2));
  c.out(0, y);
  c.out(1, m.mean);
  c.out(2, inverse);
}

void root_mean_square(Call& c) {
  const Tensor given = c.in(0), x = computed(c, given);
  const Ints axes = from(c.axis(c.i("axis", -1), x.rank()), x.rank());
  const Tensor squares = c.reduce("ReduceMean", c.bin("Mul", x, x), axes, true);
  const Tensor y = c.bin("Mul", x, inverse_root(c, squares, c.f("epsilon", 1e-5F)));
  c.out(0, c.bin("Mul", y, c.cast(c.in(1), x.type())));   // not rounded to the operand's type before
}

void mean_variance(Call& c) {
  const Tensor x = computed(c, c.in(0));
  Ints axes = c.is("axes");
  if (!c.given("axes")) axes = {0, 2, 3};
  const Moments m = moments(c, x, c.axes(axes, x.rank()));
  c.out(0, c.bin("Div", c.bin("Sub", x, m.mean), c.bin("Add", c.un("Sqrt", m.variance), 1e-9)));
}

void lp(Call& c) {
  const Tensor x = c.in(0);
  const Ints axis = {c.axis(c.i("axis", -1), x.rank())};
  const bool first = c.i("p", 2) == 1;
  const Tensor sum = c.reduce("ReduceSum", first ? c.un("Abs", x) : c.bin("Mul", x, x), axis, true);
  c.out(0, c.bin("DivNoNan", x, first ? sum : c.un("Sqrt", sum)));
}

// The sum of squares over neighbouring channels.
void local_response(Call& c) {
  const Tensor x = c.in(0);
  const int64_t size = c.i("size", 1), channels = x.dim(1);
  c.require(size > 0, "size must be positive");
  Ints before(x.dims().size(), 0), after = before, begin = before, extent = x.dims();
  before[1] = std::min((size - 1) / 2, channels);
  after[1] = std::min(size - 1 - (size - 1) / 2, channels);
  const Tensor squares = c.pad(c.bin("Mul", x, x), before, after, 0.0);
  Tensor sum;
  for (int64_t k = 0; k <= before[1] + after[1]; ++k) {
    begin[1] = k;
    const Tensor part = c.slice(squares, begin, extent);
    sum = sum ? c.bin("Add", sum, part) : part;
  }
  const Tensor base = c.bin("Add", c.bin("Mul", sum, c.f("alpha", 1e-4F) / static_cast<double>(size)), c.f("bias", 1));
  c.out(0, c.bin("Div", x, c.bin("Pow", base, c.f("beta", 0.75F))));
}

constexpr std::array kRows = std::to_array<Row>({
    {"BatchNormalization", batch, "",
     "BatchNorm keeps a running variance of another kind and takes float32 of four axes: by its formula"},
    {"InstanceNormalization", instance, ""},
    {"GroupNormalization", group, ""},
    {"LayerNormalization", layer, ""},
    {"RMSNormalization", root_mean_square, ""},
    {"MeanVarianceNormalization", mean_variance, ""},
    {"LpNormalization", lp, "DivNoNan,ReduceSum,Mul,Abs", "0 / 0 is 0", Widen::sums},
    {"LRN", local_response, "Pow,Mul,Add,PadV3", "MindSpore's LRN wants an odd window", Widen::sums},
});

}  // namespace

std::span<const Row> normalization_rows() { return kRows; }

}  // namespace chorus_mindspore
