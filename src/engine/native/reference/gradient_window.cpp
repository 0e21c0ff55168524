// Gradients of Conv with regard to its input and its filter: the walk of the convolution, adding the other way round.
#include <engine/native/reference/gradient.h>
#include <engine/native/reference/window.h>

namespace chorus::native::gradient {
namespace {
using support::no_memory;
using support::widen;
using window::Geometry;
using window::place;

int64_t ceil_div(int64_t a, int64_t b) noexcept { return a >= 0 ? (a + b - 1) / b : -(-a / b); }

/// A convolution of x [n, c, in…] by w [m, c / groups, kernel…] to y [n, m, out…].
struct Convolution {
  Geometry g;
  int64_t n = 0, c = 0, m = 0, groups = 1;
  int64_t per_group() const noexcept { return c / groups; }
};

Status read(const KernelContext& ctx, const TensorView& x, const TensorView& w, const TensorView& y,
            Convolution* out) noexcept {
  if (x.rank < 3 || w.rank != x.rank || y.rank != x.rank)
    return Status::error(Code::shape, "ranks %d, %d and %d of a convolution", x.rank, w.rank, y.rank);
  if (Status s = window::read_geometry(ctx, x, y, w.shape().subspan(2), &out->g); !s.ok()) return s;
  out->n = x.dims[0];
  out->c = x.dims[1];
  out->m = w.dims[0];
  out->groups = ctx.attrs->integer("group", 1);
  if (out->groups < 1 || out->c % out->groups != 0 || out->m % out->groups != 0 || w.dims[1] != out->per_group() ||
      y.dims[0] != out->n || y.dims[1] != out->m) {
    return Status::error(
        Code::shape,
        "%lld channels, a filter of [%lld, %lld …], %lld groups and a gradient of [%lld, %lld …] do not fit each other",
        static_cast<long long>(out->c), static_cast<long long>(out->m), static_cast<long long>(w.dims[1]),
        static_cast<long long>(out->groups), static_cast<long long>(y.dims[0]), static_cast<long long>(y.dims[1]));
  }
  return {};
}

/// Calls row(first input element, first output element, filter element, number, ) for every run along the last axis in which one weight meets
/// consecutive outputs: input element first + i * stride belongs to output element first + i.
template <class F>
void walk(const Geometry& g, F row) noexcept {
  if (g.out_count == 0 || g.kernel_count == 0 || g.in_count == 0) return;
  const int last = g.rank - 1;
  const int64_t rows = g.out_count / g.out[last], filter_rows = g.kernel_count / g.kernel[last];
  for (int64_t r = 0; r < rows; ++r) {
    int64_t o[kMaxRank], k[kMaxRank] = {};
    place(r, g.out, last, o);
    for (int64_t f = 0; f < filter_rows; ++f, window::step(k, g.kernel, last)) {
      int64_t at = 0;
      bool inside = true;
      for (int i = 0; i < last && inside; ++i) {
        const int64_t p = o[i] * g.stride[i] - g.pad[i] + k[i] * g.dilation[i];
        inside = p >= 0 && p < g.in[i];
        at = at * g.in[i] + p;
      }
      if (!inside) continue;
      for (int64_t t = 0; t < g.kernel[last]; ++t) {
        const int64_t shift = t * g.dilation[last] - g.pad[last];
        const int64_t begin = std::max<int64_t>(0, ceil_div(-shift, g.stride[last]));
        const int64_t end = std::min(g.out[last], ceil_div(g.in[last] - shift, g.stride[last]));
        if (begin < end)
          row(at * g.in[last] + shift + begin * g.stride[last], r * g.out[last] + begin, f * g.kernel[last] + t,
              end - begin);
      }
    }
  }
}

}  // namespace

Status conv_grad_data(KernelContext& ctx) noexcept {
  const TensorView &dy = ctx.in[0], &w = ctx.in[1];
  TensorView& dx = ctx.out[0];
  Convolution v;
  if (Status s = read(ctx, dx, w, dy, &v); !s.ok()) return s;
  const double *from = widen<double>(ctx, dy), *filter = widen<double>(ctx, w);
  double* sums = sums_for(ctx, dx.count);
  if (from == nullptr || filter == nullptr || sums == nullptr) return no_memory();
  const int64_t stride = v.g.stride[v.g.rank - 1], filters = v.m / v.groups;
  const Status s = support::parallel(ctx, v.n * v.c, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t n = task / v.c, c = task % v.c, group = c / v.per_group();
      double* plane = sums + task * v.g.in_count;
      for (int64_t m = group * filters; m < (group + 1) * filters; ++m) {
        const double* weights = filter + (m * v.per_group() + c % v.per_group()) * v.g.kernel_count;
        const double* g = from + (n * v.m + m) * v.g.out_count;
        walk(v.g, [&](int64_t in, int64_t out, int64_t k, int64_t count) {
          for (int64_t i = 0; i < count; ++i) plane[in + i * stride] += weights[k] * g[out + i];
        });
      }
    }
  });
  store_sums(dx, sums);
  return s;
}

Status conv_grad_weights(KernelContext& ctx) noexcept {
  const TensorView &dy = ctx.in[0], &x = ctx.in[1];
  TensorView& dw = ctx.out[0];
  Convolution v;
  if (Status s = read(ctx, x, dw, dy, &v); !s.ok()) return s;
  const double *from = widen<double>(ctx, dy), *image = widen<double>(ctx, x);
  double* sums = sums_for(ctx, dw.count);
  if (from == nullptr || image == nullptr || sums == nullptr) return no_memory();
  const int64_t stride = v.g.stride[v.g.rank - 1], filters = v.m / v.groups;
  const Status s = support::parallel(ctx, v.m * v.per_group(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t m = task / v.per_group(), c = m / filters * v.per_group() + task % v.per_group();
      double* weights = sums + task * v.g.kernel_count;
      for (int64_t n = 0; n < v.n; ++n) {
        const double *plane = image + (n * v.c + c) * v.g.in_count, *g = from + (n * v.m + m) * v.g.out_count;
        walk(v.g, [&](int64_t in, int64_t out, int64_t k, int64_t count) {
          double sum = 0;
          for (int64_t i = 0; i < count; ++i) sum += plane[in + i * stride] * g[out + i];
          weights[k] += sum;
        });
      }
    }
  });
  store_sums(dw, sums);
  return s;
}

}  // namespace chorus::native::gradient
