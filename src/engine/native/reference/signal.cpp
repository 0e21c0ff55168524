// Signal processing: DFT, STFT, window functions, the mel matrix. Transforms of complex float32 signals in float32, all others in
// float64: so does NumPy, whose roundings the answers of the ONNX cases carry where the exact value is 0.
#include <engine/native/reference/fourier.h>
#include <engine/native/reference/wide.h>
#include <ops/chosen.h>

#include <cmath>
#include <numbers>

namespace chorus::native {
namespace {
using fourier::Transform;
using fourier::Way;
using support::no_memory;
using support::temporary;
using support::widen;

// Transforms ---------------------------------------------------------------------------------------------------------------------

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

/// A prepared transform, and per task one line with room to work in.
template <class T>
struct Room {
  using C = std::complex<T>;
  explicit Room(int64_t n) noexcept : transform(n), line_size(n + transform.room_size()) {}
  Transform<T> transform;
  int64_t line_size;
  C* lines = nullptr;

  bool make(KernelContext& ctx, int64_t tasks) noexcept {
    C* tables = temporary<C>(ctx, transform.table_size());
    lines = temporary<C>(ctx, checked_mul(line_size, tasks));
    if (tables == nullptr || lines == nullptr) return false;
    transform.prepare(tables);
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
  return Status::error(Code::bad_input,
                       "axis %lld is out of range for rank %d (the last axis has real and imaginary parts)",
                       static_cast<long long>(given), x.rank);
}

template <class T>
Status dft_lines(KernelContext& ctx, const LineView& from, const LineView& to, int64_t n) noexcept {
  using C = std::complex<T>;
  TensorView& y = ctx.out[0];
  const bool inverse = ctx.attrs->integer("inverse") != 0, real_again = inverse && ctx.attrs->integer("onesided") != 0;
  const T* data = widen<T>(ctx, ctx.in[0]);
  const int64_t lines = from.outer * from.inner, tasks = std::min(lines, kTasks);
  Room<T> room(n);
  if (data == nullptr || !room.make(ctx, std::max<int64_t>(tasks, 1))) return no_memory();
  return support::parallel(ctx, tasks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      C* in = room.lines + task * room.line_size;
      for (int64_t line = task; line < lines; line += tasks) {
        const int64_t outer = line / from.inner, inner = line % from.inner;
        const auto element = [&](int64_t k) -> C {
          if (k >= from.extent) return 0;
          const T* p = data + ((outer * from.extent + k) * from.inner + inner) * from.parts;
          return {p[0], from.parts == 2 ? p[1] : 0};
        };
        // One side of a spectrum stands for the other: element n - k is the conjugate of element k.
        for (int64_t k = 0; k < n; ++k) in[k] = real_again && k > n / 2 ? std::conj(element(n - k)) : element(k);
        room.transform.run(in, in + n, inverse ? Way::backward : Way::forward,
                           inverse ? T(1) / static_cast<T>(n) : T(1));
        for (int64_t k = 0; k < to.extent && k < n; ++k) {
          const T v[2] = {in[k].real(), in[k].imag()};
          support::store(y.dtype, y.data, ((outer * to.extent + k) * to.inner + inner) * to.parts, to.parts, v);
        }
      }
    }
  });
}

Status dft(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  int64_t axis;
  if (Status s = dft_axis(ctx, &axis); !s.ok()) return s;
  const LineView from = line_view(x, axis), to = line_view(ctx.out[0], axis);
  if (from.parts != 1 && from.parts != 2)
    return Status::error(Code::shape, "the last axis has %lld parts, not 1 or 2", static_cast<long long>(from.parts));
  const bool real_again = ctx.attrs->integer("inverse") != 0 && ctx.attrs->integer("onesided") != 0;
  int64_t n = real_again ? 2 * (from.extent - 1) : from.extent;
  if (ctx.has(1) && ctx.in[1].count > 0) n = get_i64(ctx.in[1].dtype, ctx.in[1].data, 0);
  if (n < 1) return Status::error(Code::bad_input, "a transform of length %lld", static_cast<long long>(n));
  if (n > fourier::kLongest) return no_memory();
  return x.dtype == DType::float32 && from.parts == 2 ? dft_lines<float>(ctx, from, to, n)
                                                      : dft_lines<double>(ctx, from, to, n);
}

template <class T>
Status stft_lines(KernelContext& ctx, int64_t n, int64_t step, int64_t window_length) noexcept {
  using C = std::complex<T>;
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  const int64_t length = x.dims[1], parts = x.rank == 3 ? x.dims[2] : 1, frames = y.dims[1], bins = y.dims[2];
  const T *data = widen<T>(ctx, x), *window = ctx.has(2) ? widen<T>(ctx, ctx.in[2]) : nullptr;
  const int64_t lines = x.dims[0] * frames, tasks = std::min(lines, kTasks);
  Room<T> room(n);
  if (data == nullptr || (ctx.has(2) && window == nullptr) || !room.make(ctx, std::max<int64_t>(tasks, 1)))
    return no_memory();
  return support::parallel(ctx, tasks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      C* in = room.lines + task * room.line_size;
      for (int64_t line = task; line < lines; line += tasks) {
        const int64_t image = line / frames, first = line % frames * step;
        for (int64_t k = 0; k < n; ++k) {
          const bool inside = first + k < length && (window == nullptr || k < window_length);
          const T* p = data + (image * length + first + k) * parts;
          in[k] = inside ? C(p[0], parts == 2 ? p[1] : 0) * (window != nullptr ? window[k] : 1) : C(0);
        }
        room.transform.run(in, in + n, Way::forward);
        for (int64_t k = 0; k < bins && k < n; ++k) {
          const T v[2] = {in[k].real(), in[k].imag()};
          support::store(y.dtype, y.data, (line * bins + k) * 2, 2, v);
        }
      }
    }
  });
}

Status stft(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  if ((x.rank != 3 && x.rank != 2) || ctx.out[0].rank != 4)
    return Status::error(Code::shape, "a signal of rank %d", x.rank);
  const int64_t step = get_i64(ctx.in[1].dtype, ctx.in[1].data, 0), window_length = ctx.has(2) ? ctx.in[2].count : 0;
  const int64_t n = ctx.has(3) ? get_i64(ctx.in[3].dtype, ctx.in[3].data, 0) : ctx.has(2) ? window_length : x.dims[1];
  if (step < 1 || n < 1 || window_length > n) {
    return Status::error(Code::bad_input, "frames of %lld every %lld elements with a window of %lld",
                         static_cast<long long>(n), static_cast<long long>(step),
                         static_cast<long long>(window_length));
  }
  if (n > fourier::kLongest) return no_memory();
  return x.dtype == DType::float32 && x.rank == 3 && x.dims[2] == 2 ? stft_lines<float>(ctx, n, step, window_length)
                                                                    : stft_lines<double>(ctx, n, step, window_length);
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
    return Status::error(Code::bad_input, "sample rate %lld, edges %g and %g make no mel scale",
                         static_cast<long long>(rate), low, high);
  }
  const auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double first = mel(low), spacing = (mel(high) - first) / static_cast<double>(bins + 2);
  const auto point = [&](int64_t i) {
    const double hertz = 700 * (std::pow(10.0, (first + static_cast<double>(i) * spacing) / 2595) - 1);
    return std::floor(static_cast<double>(length + 1) * hertz / static_cast<double>(rate));
  };
  for (int64_t i = 0; i < bins + 2; ++i) {
    if (const double p = point(i); !(p >= 0 && p <= static_cast<double>(rows))) {
      return Status::error(Code::bad_input, "edge %g of mel band %lld is outside of the %lld bins of the spectrum", p,
                           static_cast<long long>(i), static_cast<long long>(rows));
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
    {"DFT", dft},
    {"STFT", stft},
    {"HannWindow", hann_window},
    {"HammingWindow", hamming_window},
    {"BlackmanWindow", blackman_window},
    {"MelWeightMatrix", mel_weight_matrix},
};

}  // namespace

std::span<const KernelRow> reference::signal_kernels() { return chosen<kKernels>(); }

}  // namespace chorus::native
