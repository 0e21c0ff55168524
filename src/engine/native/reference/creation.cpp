// Tensors out of nothing: constants, ranges, random numbers.
#include <chorus/error.h>
#include <core/random.h>
#include <engine/native/reference/support.h>
#include <ops/chosen.h>
#include <ops/constant.h>

#include <bit>
#include <cmath>

namespace chorus::native::reference {
namespace {

using namespace support;

/// Executors put the value of a Constant in its place before a run; this is for those that do not.
Status constant(KernelContext& ctx) noexcept {
  try {
    Value v = constant_value(ctx.attrs->all());
    TensorView& y = ctx.out[0];
    if (y.dtype == DType::undefined) return ctx.services->set_value(0, std::move(v));
    if (y.count > 0) std::memcpy(y.data, v.data(), static_cast<size_t>(dtype_bytes(y.dtype, y.count)));
    return {};
  } catch (const Error& e) {
    return Status::error(e.code(), "%s", e.message().c_str());
  } catch (const std::exception& e) {
    return Status::error(Code::budget, "%s", e.what());
  }
}

Status constant_of_shape(KernelContext& ctx) noexcept {
  const Value* value = ctx.attrs->tensor("value");
  TensorView& y = ctx.out[0];
  if (value == nullptr) {
    if (y.count > 0) std::memset(y.data, 0, static_cast<size_t>(dtype_bytes(y.dtype, y.count)));
    return {};
  }
  return parallel(ctx, y.count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) copy_elements(y.dtype, value->data(), 0, y.data, i, 1);
  });
}

template <class T>
Status count_up(KernelContext& ctx) noexcept {
  T v[3];
  for (int i = 0; i < 3; ++i) {
    const TensorView& x = ctx.in[i];
    if (x.count != 1)
      return Status::error(Code::shape, "operand %d has %lld elements, not one", i, static_cast<long long>(x.count));
    load(x.dtype, x.data, 0, 1, v + i);
  }
  const auto [start, limit, delta] = v;
  if (delta == 0) return Status::error(Code::bad_input, "delta is 0");
  int64_t n = 0;
  if constexpr (std::is_same_v<T, double>) {
    const double exact = std::max(0.0, std::ceil((limit - start) / delta));
    if (!(exact < 0x1p53))
      return Status::error(Code::bad_input, "from %g to %g by %g there is no end", start, limit, delta);
    n = static_cast<int64_t>(exact);
  } else if ((delta > 0) == (limit > start) && limit != start) {
    // Distances of int64 need uint64; at least one element.
    const uint64_t distance = delta > 0 ? static_cast<uint64_t>(limit) - static_cast<uint64_t>(start)
                                        : static_cast<uint64_t>(start) - static_cast<uint64_t>(limit);
    const uint64_t step = delta > 0 ? static_cast<uint64_t>(delta) : uint64_t{0} - static_cast<uint64_t>(delta);
    const uint64_t count = (distance - 1) / step + 1;
    if (count > static_cast<uint64_t>(INT64_MAX))
      return Status::error(Code::budget, "the range has more than 2^63 elements");
    n = static_cast<int64_t>(count);
  }
  TensorView y;
  if (Status s = ctx.services->allocate(0, ctx.in[0].dtype, {&n, 1}, &y); !s.ok()) return s;
  return parallel(ctx, n, kGrain, [&](int64_t begin, int64_t end) {
    T out[kRun];
    for (int64_t i = begin; i < end; i += kRun) {
      const int64_t run = std::min(kRun, end - i);
      for (int64_t k = 0; k < run; ++k) {
        if constexpr (std::is_same_v<T, double>) {
          out[k] = start + static_cast<double>(i + k) * delta;
        } else {
          out[k] = wrap_add(start, wrap_mul(i + k, delta));
        }
      }
      store(y.dtype, y.data, i, run, out);
    }
  });
}

Status range(KernelContext& ctx) noexcept {
  return is_float(ctx.in[0].dtype) ? count_up<double>(ctx) : count_up<int64_t>(ctx);
}

Status eye_like(KernelContext& ctx) noexcept {
  TensorView& y = ctx.out[0];
  if (y.count > 0) std::memset(y.data, 0, static_cast<size_t>(dtype_bytes(y.dtype, y.count)));
  const int64_t k = ctx.attrs->integer("k"), rows = y.dims[0], columns = y.dims[1];
  if (k <= -rows || k >= columns) return {};
  for (int64_t i = std::max<int64_t>(0, -k); i < rows && i + k < columns; ++i)
    set_i64(y.dtype, y.data, i * columns + i + k, 1);
  return {};
}

// Random numbers -----------------------------------------------------------------------------------------------------------------

/// The node's own seed, or the run's.
uint64_t seed_of(const KernelContext& ctx) noexcept {
  return ctx.attrs->given("seed") ? std::bit_cast<uint32_t>(ctx.attrs->real("seed")) : ctx.random_seed;
}

template <class F>
Status draw(KernelContext& ctx, F f) noexcept {
  const uint64_t seed = seed_of(ctx), stream = ctx.random_stream;
  TensorView& y = ctx.out[0];
  return parallel(ctx, y.count, kGrain, [&](int64_t begin, int64_t end) {
    double v[kRun];
    for (int64_t i = begin; i < end; i += kRun) {
      const int64_t n = std::min(kRun, end - i);
      for (int64_t k = 0; k < n; ++k) v[k] = f(seed, stream, static_cast<uint64_t>(i + k));
      store(y.dtype, y.data, i, n, v);
    }
  });
}

Status random_normal(KernelContext& ctx) noexcept {
  const double mean = ctx.attrs->real("mean"), scale = ctx.attrs->real("scale");
  return draw(
      ctx, [=](uint64_t seed, uint64_t stream, uint64_t i) { return mean + scale * philox_normal(seed, stream, i); });
}
Status random_uniform(KernelContext& ctx) noexcept {
  const double low = ctx.attrs->real("low"), high = ctx.attrs->real("high");
  return draw(ctx, [=](uint64_t seed, uint64_t stream, uint64_t i) {
    return low + (high - low) * philox_uniform(seed, stream, i);
  });
}

Status bernoulli(KernelContext& ctx) noexcept {
  const TensorView& p = ctx.in[0];
  return draw(ctx, [&p](uint64_t seed, uint64_t stream, uint64_t i) {
    return philox_uniform(seed, stream, i) < get_f64(p.dtype, p.data, static_cast<int64_t>(i)) ? 1.0 : 0.0;
  });
}

Status multinomial(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  const int64_t batch = y.dims[0], samples = y.dims[1], classes = x.rank == 2 ? x.dims[1] : 0;
  if (batch * samples == 0) return {};
  if (classes == 0) return Status::error(Code::bad_input, "there are no classes to draw from");
  auto* sums = static_cast<double*>(ctx.services->scratch(classes * static_cast<int64_t>(sizeof(double))));
  if (sums == nullptr)
    return Status::error(Code::budget, "no memory for %lld classes", static_cast<long long>(classes));
  const uint64_t seed = seed_of(ctx);
  for (int64_t row = 0; row < batch; ++row) {
    load(x.dtype, x.data, row * classes, classes, sums);
    const double top = *std::max_element(sums, sums + classes);
    double total = 0;
    for (int64_t c = 0; c < classes; ++c) sums[c] = total += std::exp(sums[c] - top);
    if (!(total > 0) || std::isinf(total))
      return Status::error(Code::bad_input, "row %lld holds no probabilities", static_cast<long long>(row));
    for (int64_t s = 0; s < samples; ++s) {
      const double u = philox_uniform(seed, ctx.random_stream, static_cast<uint64_t>(row * samples + s)) * total;
      const int64_t c = std::upper_bound(sums, sums + classes, u) - sums;
      set_i64(y.dtype, y.data, row * samples + s, std::min(c, classes - 1));
    }
  }
  return {};
}

constexpr KernelRow kRows[] = {
    {"Constant", constant},
    {"ConstantOfShape", constant_of_shape},
    {"Range", range},
    {"EyeLike", eye_like},
    {"RandomNormal", random_normal},
    {"RandomNormalLike", random_normal},
    {"RandomUniform", random_uniform},
    {"RandomUniformLike", random_uniform},
    {"Multinomial", multinomial},
    {"Bernoulli", bernoulli},
};

}  // namespace

std::span<const KernelRow> creation_kernels() { return chosen<kRows>(); }

}  // namespace chorus::native::reference
