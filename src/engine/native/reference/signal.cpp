// Signal processing: DFT, STFT, window functions, the mel matrix. Transforms in complex float64: by halves while the length is even,
// then by the definition.
#include <engine/native/reference/wide.h>

#include <cmath>
#include <numbers>

namespace chorus::native {
namespace {
using support::Complex;
using support::no_memory;
using support::temporary;
using support::widen;

// Transforms ---------------------------------------------------------------------------------------------------------------------

/// exp(sign * 2 pi i k / n) for k in [0, n).
void fill_roots(int64_t n, double sign, Complex* roots) noexcept {
  for (int64_t k = 0; k < n; ++k) {
    const double angle = sign * 2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n);
    roots[k] = {std::cos(angle), std::sin(angle)};
  }
}

/// out[k] = sum of in[j * step] * root^(j * k), n elements; `roots` of the whole length n * stride. `room`: n elements.
void transform(const Complex* in, int64_t step, int64_t n, const Complex* roots, int64_t stride, Complex* out, Complex* room) noexcept {
  if (n % 2 != 0) {
    for (int64_t k = 0; k < n; ++k) {
      Complex sum = 0;
      for (int64_t j = 0; j < n; ++j) sum += in[j * step] * roots[j * k % n * stride];
      out[k] = sum;
    }
    return;
  }
  const int64_t half = n / 2;
  transform(in, 2 * step, half, roots, 2 * stride, room, out);
  transform(in + step, 2 * step, half, roots, 2 * stride, room + half, out);
  for (int64_t k = 0; k < half; ++k) {
    const Complex turned = roots[k * stride] * room[half + k];
    out[k] = room[k] + turned;
    out[k + half] = room[k] - turned;
  }
}

/// A tensor [outer, extent, inner, parts]: lines along the axis, parts 1 (real) or 2.
struct LineView {
  int64_t outer = 1, extent = 1, inner = 1, parts = 1;
};
LineView line_view(const TensorView& t, int64_t axis) noexcept {
  LineView v;
  v.parts = t.dim(-1);
  for (int i = 0; i + 1 < t.rank; ++i) (i < axis ? v.outer : i == axis ? v.extent : v.inner) *= t.dims[i];
  return v;
}

struct Room {
  Complex *roots, *lines;  // lines: three of length n per task
  bool make(KernelContext& ctx, int64_t n, int64_t tasks, double sign) noexcept {
    roots = temporary<Complex>(ctx, n);
    lines = temporary<Complex>(ctx, checked_mul(checked_mul(n, 3), tasks));
    if (roots == nullptr || lines == nullptr) return false;
    fill_roots(n, sign, roots);
    return true;
  }
};

/// Lines per task: rooms are per task, so that there are few of them.
constexpr int64_t kTasks = 64;

/// The axis: operand 2, default -2.
Status dft_axis(const KernelContext& ctx, int64_t* axis) noexcept {
  const TensorView& x = ctx.in[0];
  const int64_t given = ctx.has(2) ? get_i64(ctx.in[2].dtype, ctx.in[2].data, 0) : -2;
  *axis = given < 0 ? given + x.rank : given;
  if (*axis >= 0 && *axis < x.rank - 1) return {};
  return Status::error(Code::bad_input, "axis %lld is out of range for rank %d (the last axis has real and imaginary parts)",
                       static_cast<long long>(given), x.rank);
}

Status dft(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  int64_t axis;
  if (Status s = dft_axis(ctx, &axis); !s.ok()) return s;
  const bool inverse = ctx.attrs->integer("inverse") != 0, onesided = ctx.attrs->integer("onesided") != 0;
  const LineView from = line_view(x, axis), to = line_view(y, axis);
  if (from.parts != 1 && from.parts != 2) return Status::error(Code::shape, "the last axis has %lld parts, not 1 or 2", static_cast<long long>(from.parts));
  const bool real_again = inverse && onesided;
  int64_t n = real_again ? 2 * (from.extent - 1) : from.extent;
  if (ctx.has(1) && ctx.in[1].count > 0) n = get_i64(ctx.in[1].dtype, ctx.in[1].data, 0);
  if (n < 1) return Status::error(Code::bad_input, "a transform of length %lld", static_cast<long long>(n));
  const double* data = widen<double>(ctx, x);
  const int64_t lines = from.outer * from.inner, tasks = std::min(lines, kTasks);
  Room room;
  if (data == nullptr || !room.make(ctx, n, std::max<int64_t>(tasks, 1), inverse ? 1 : -1)) return no_memory();
  return support::parallel(ctx, tasks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      Complex *in = room.lines + task * 3 * n, *out = in + n, *spare = out + n;
      for (int64_t line = task; line < lines; line += tasks) {
        const int64_t outer = line / from.inner, inner = line % from.inner;
        const auto element = [&](int64_t k) -> Complex {
          if (k >= from.extent) return 0;
          const double* p = data + ((outer * from.extent + k) * from.inner + inner) * from.parts;
          return {p[0], from.parts == 2 ? p[1] : 0};
        };
        // One side of a spectrum stands for the other: element n - k is the conjugate of element k.
        for (int64_t k = 0; k < n; ++k) in[k] = real_again && k > n / 2 ? std::conj(element(n - k)) : element(k);
        transform(in, 1, n, room.roots, 1, out, spare);
        for (int64_t k = 0; k < to.extent && k < n; ++k) {
          double v[2] = {out[k].real(), out[k].imag()};
          if (inverse) v[0] /= static_cast<double>(n), v[1] /= static_cast<double>(n);
          store_f64(y.dtype, y.data, ((outer * to.extent + k) * to.inner + inner) * to.parts, to.parts, v);
        }
      }
    }
  });
}

Status stft(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  if ((x.rank != 3 && x.rank != 2) || y.rank != 4) return Status::error(Code::shape, "a signal of rank %d", x.rank);
  const int64_t length = x.dims[1], parts = x.rank == 3 ? x.dims[2] : 1, frames = y.dims[1], bins = y.dims[2];
  const int64_t step = get_i64(ctx.in[1].dtype, ctx.in[1].data, 0), window_length = ctx.has(2) ? ctx.in[2].count : 0;
  const int64_t n = ctx.has(3) ? get_i64(ctx.in[3].dtype, ctx.in[3].data, 0) : ctx.has(2) ? window_length : length;
  if (step < 1 || n < 1 || window_length > n) {
    return Status::error(Code::bad_input, "frames of %lld every %lld elements with a window of %lld", static_cast<long long>(n), static_cast<long long>(step),
                         static_cast<long long>(window_length));
  }
  const double *data = widen<double>(ctx, x), *window = ctx.has(2) ? widen<double>(ctx, ctx.in[2]) : nullptr;
  const int64_t lines = x.dims[0] * frames, tasks = std::min(lines, kTasks);
  Room room;
  if (data == nullptr || (ctx.has(2) && window == nullptr) || !room.make(ctx, n, std::max<int64_t>(tasks, 1), -1)) return no_memory();
  return support::parallel(ctx, tasks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      Complex *in = room.lines + task * 3 * n, *out = in + n, *spare = out + n;
      for (int64_t line = task; line < lines; line += tasks) {
        const int64_t image = line / frames, first = line % frames * step;
        for (int64_t k = 0; k < n; ++k) {
          const bool inside = first + k < length && (window == nullptr || k < window_length);
          const double* p = data + (image * length + first + k) * parts;
          in[k] = inside ? Complex(p[0], parts == 2 ? p[1] : 0) * (window != nullptr ? window[k] : 1) : Complex(0);
        }
        transform(in, 1, n, room.roots, 1, out, spare);
        for (int64_t k = 0; k < bins && k < n; ++k) {
          const double v[2] = {out[k].real(), out[k].imag()};
          store_f64(y.dtype, y.data, (line * bins + k) * 2, 2, v);
        }
      }
    }
  });
}

// Windows ------------------------------------------------------------------------------------------------------------------------

/// a - b cos(t) + c cos(2 t), t = 2 pi k / length; the length of a symmetric window is one less.
Status window(KernelContext& ctx, double a, double b, double c) noexcept {
  TensorView& y = ctx.out[0];
  const int64_t length = std::max<int64_t>(ctx.attrs->integer("periodic", 1) != 0 ? y.count : y.count - 1, 1);
  return support::each_output<double>(ctx, y, 32, [&](int64_t k) {
    const double t = 2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(length);
    return a - b * std::cos(t) + c * std::cos(2 * t);
  });
}
Status hann_window(KernelContext& ctx) noexcept { return window(ctx, 0.5, 0.5, 0); }
Status hamming_window(KernelContext& ctx) noexcept { return window(ctx, 25.0 / 46, 21.0 / 46, 0); }
Status blackman_window(KernelContext& ctx) noexcept { return window(ctx, 0.42, 0.5, 0.08); }

/// Triangles between neighbouring points that are evenly spaced on the mel scale.
Status mel_weight_matrix(KernelContext& ctx) noexcept {
  TensorView& y = ctx.out[0];
  const auto whole = [&](int i) { return get_i64(ctx.in[i].dtype, ctx.in[i].data, 0); };
  const int64_t bins = whole(0), length = whole(1), rate = whole(2), rows = y.dims[0];
  const double low = get_f64(ctx.in[3].dtype, ctx.in[3].data, 0), high = get_f64(ctx.in[4].dtype, ctx.in[4].data, 0);
  if (rate < 1 || bins != y.dims[1] || !(low > -700) || !(high > -700)) {
    return Status::error(Code::bad_input, "sample rate %lld, edges %g and %g make no mel scale", static_cast<long long>(rate), low, high);
  }
  const auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double first = mel(low), spacing = (mel(high) - first) / static_cast<double>(bins + 2);
  const auto point = [&](int64_t i) {
    const double hertz = 700 * (std::pow(10.0, (first + static_cast<double>(i) * spacing) / 2595) - 1);
    return std::floor(static_cast<double>(length + 1) * hertz / static_cast<double>(rate));
  };
  for (int64_t i = 0; i < bins + 2; ++i) {
    if (const double p = point(i); !(p >= 0 && p <= static_cast<double>(rows))) {
      return Status::error(Code::bad_input, "edge %g of mel band %lld is outside of the %lld bins of the spectrum", p, static_cast<long long>(i), static_cast<long long>(rows));
    }
  }
  return support::each_output<double>(ctx, y, 64, [&](int64_t i) {
    const auto j = static_cast<double>(i / bins);
    const int64_t band = i % bins;
    const double left = point(band), centre = point(band + 1), right = point(band + 2);
    if (j >= centre && j < right) return (right - j) / (right - centre);
    if (left == centre) return j == centre ? 1.0 : 0.0;
    return j >= left && j <= centre ? (j - left) / (centre - left) : 0.0;
  });
}

constexpr KernelRow kKernels[] = {
    {"DFT", dft}, {"STFT", stft}, {"HannWindow", hann_window}, {"HammingWindow", hamming_window}, {"BlackmanWindow", blackman_window}, {"MelWeightMatrix", mel_weight_matrix},
};

}  // namespace

std::span<const KernelRow> reference::signal_kernels() { return kKernels; }

}  // namespace chorus::native
