// Helpers of the reference kernels: typed runs of at most kRun elements, broadcasting, parallel loops, axis splits.
// Nothing here throws or allocates.
#pragma once
#include <core/convert.h>
#include <engine/native/kernel.h>

#include <algorithm>
#include <atomic>
#include <complex>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace chorus::native::support {

/// Elements per typed run (on the stack), and per task of a parallel loop. Sub-byte types: both begin at whole bytes.
inline constexpr int64_t kRun = 256;
inline constexpr int64_t kGrain = 16384;

// Typed runs ---------------------------------------------------------------------------------------------------------------------

using Complex = std::complex<double>;
inline void load(DType t, const void* p, int64_t i, int64_t n, double* out) noexcept { load_f64(t, p, i, n, out); }
inline void load(DType t, const void* p, int64_t i, int64_t n, float* out) noexcept { load_f32(t, p, i, n, out); }
inline void load(DType t, const void* p, int64_t i, int64_t n, int64_t* out) noexcept { load_i64(t, p, i, n, out); }
inline void load(DType t, const void* p, int64_t i, int64_t n, Complex* out) noexcept { load_c128(t, p, i, n, out); }
inline void load(DType t, const void* p, int64_t i, int64_t n, uint64_t* out) noexcept {
  load_i64(t, p, i, n, reinterpret_cast<int64_t*>(out));  // the bits of uint64 are kept
}
inline void store(DType t, void* p, int64_t i, int64_t n, const double* in) noexcept { store_f64(t, p, i, n, in); }
inline void store(DType t, void* p, int64_t i, int64_t n, const float* in) noexcept { store_f32(t, p, i, n, in); }
inline void store(DType t, void* p, int64_t i, int64_t n, const int64_t* in) noexcept { store_i64(t, p, i, n, in); }
inline void store(DType t, void* p, int64_t i, int64_t n, const Complex* in) noexcept { store_c128(t, p, i, n, in); }
inline void store(DType t, void* p, int64_t i, int64_t n, const uint64_t* in) noexcept {
  store_i64(t, p, i, n, reinterpret_cast<const int64_t*>(in));
}

template <class T>
struct Tag {
  using type = T;
};
/// Calls f(Tag<T>) with the type in which elements of `t` are computed: double for all floats, int64_t and uint64_t (bool too)
/// for integers, Complex. Wrapping of narrow integers happens in store.
template <class F>
Status by_class(DType t, F&& f) noexcept {
  if (is_float(t)) return f(Tag<double>{});
  if (is_signed_integer(t)) return f(Tag<int64_t>{});
  if (is_unsigned_integer(t) || t == DType::boolean) return f(Tag<uint64_t>{});
  if (is_complex(t)) return f(Tag<Complex>{});
  return Status::error(Code::type, "no arithmetic for element type %d", static_cast<int>(t));
}
/// The same without complex numbers (ordering, remainders …).
template <class F>
Status by_real_class(DType t, F&& f) noexcept {
  if (is_float(t)) return f(Tag<double>{});
  if (is_signed_integer(t)) return f(Tag<int64_t>{});
  if (is_unsigned_integer(t) || t == DType::boolean) return f(Tag<uint64_t>{});
  return Status::error(Code::type, "no ordered arithmetic for element type %d", static_cast<int>(t));
}

/// Two's complement arithmetic without undefined behaviour.
inline int64_t wrap_add(int64_t a, int64_t b) noexcept {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
inline int64_t wrap_sub(int64_t a, int64_t b) noexcept {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
inline int64_t wrap_mul(int64_t a, int64_t b) noexcept {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

// Parallel loops -----------------------------------------------------------------------------------------------------------------

/// body(begin, end) over [0, n) in pieces of `grain`. The pieces depend on sizes only.
Status parallel(KernelContext& ctx, int64_t n, int64_t grain,
                FunctionRef<void(int64_t begin, int64_t end)> body) noexcept;
/// Pieces of about kGrain elements for n items of `each` elements.
inline int64_t grain_for(int64_t each) noexcept { return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, each)); }
/// The lowest position at which tasks found an error: the same with any number of threads.
class FirstError {
 public:
  void note(int64_t at) noexcept {
    int64_t seen = at_.load(std::memory_order_relaxed);
    while (at < seen && !at_.compare_exchange_weak(seen, at, std::memory_order_relaxed)) {
    }
  }
  bool found() const noexcept { return at_.load() != INT64_MAX; }
  int64_t at() const noexcept { return at_.load(); }

 private:
  std::atomic<int64_t> at_{INT64_MAX};
};

// Broadcasting -------------------------------------------------------------------------------------------------------------------

/// How a dense operand is read in the order of a result: axes of the same manner are merged, axes of extent 1 dropped.
/// `identity`: element i of the result is element i of the operand.
struct Broadcast {
  int rank = 0;
  bool identity = false;
  int64_t dims[kMaxRank];  ///< of the result
  int64_t strides[kMaxRank];  ///< in the operand, 0 where it is repeated
};
/// Error(shape) when the operand does not broadcast to the result's shape.
Status make_broadcast(const TensorView& from, std::span<const int64_t> to, Broadcast* out) noexcept;
/// Position in the operand of element `i` of the result.
int64_t source_of(const Broadcast& b, int64_t i) noexcept;

template <class T>
void load(const TensorView& from, const Broadcast& b, int64_t begin, int64_t n, T* out) noexcept {
  if (b.identity) return load(from.dtype, from.data, begin, n, out);
  if (b.rank == 0) {
    load(from.dtype, from.data, 0, 1, out);
    std::fill(out + 1, out + n, out[0]);
    return;
  }
  const int64_t inner = b.dims[b.rank - 1], stride = b.strides[b.rank - 1];
  for (int64_t done = 0; done < n;) {
    const int64_t at = begin + done, run = std::min(inner - at % inner, n - done), source = source_of(b, at);
    if (stride == 0) {
      load(from.dtype, from.data, source, 1, out + done);
      std::fill(out + done + 1, out + done + run, out[done]);
    } else {  // dense operands have stride 1 on the last axis that is not repeated
      load(from.dtype, from.data, source, run, out + done);
    }
    done += run;
  }
}

// Element-wise kernels -----------------------------------------------------------------------------------------------------------

/// out[0][i] = f(in[0][i]); In and Out are the types of computing.
template <class In, class Out = In, class F>
Status map(KernelContext& ctx, F f) noexcept {
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  return parallel(ctx, y.count, kGrain, [&](int64_t begin, int64_t end) {
    In a[kRun];
    Out r[kRun];
    for (int64_t i = begin; i < end; i += kRun) {
      const int64_t n = std::min(kRun, end - i);
      load(x.dtype, x.data, i, n, a);
      for (int64_t k = 0; k < n; ++k) r[k] = f(a[k]);
      store(y.dtype, y.data, i, n, r);
    }
  });
}

/// out[0] = f(in[first], in[first + 1]) with broadcasting.
template <class In, class Out = In, class F>
Status map2(KernelContext& ctx, F f, int first = 0) noexcept {
  const TensorView &x = ctx.in[first], &y = ctx.in[first + 1];
  TensorView& z = ctx.out[0];
  Broadcast bx, by;
  if (Status s = make_broadcast(x, z.shape(), &bx); !s.ok()) return s;
  if (Status s = make_broadcast(y, z.shape(), &by); !s.ok()) return s;
  return parallel(ctx, z.count, kGrain, [&](int64_t begin, int64_t end) {
    In a[kRun], b[kRun];
    Out r[kRun];
    for (int64_t i = begin; i < end; i += kRun) {
      const int64_t n = std::min(kRun, end - i);
      load(x, bx, i, n, a);
      load(y, by, i, n, b);
      for (int64_t k = 0; k < n; ++k) r[k] = f(a[k], b[k]);
      store(z.dtype, z.data, i, n, r);
    }
  });
}

/// out[0] = in[0] folded with all further operands: f(…f(f(in0, in1), in2)…), then g at the end; with broadcasting.
template <class T, class F, class G>
Status fold(KernelContext& ctx, F f, G g) noexcept {
  TensorView& z = ctx.out[0];
  for (int i = 0; i < ctx.n_in; ++i) {
    Broadcast b;
    if (Status s = make_broadcast(ctx.in[i], z.shape(), &b); !s.ok()) return s;
  }
  return parallel(ctx, z.count, kGrain, [&](int64_t begin, int64_t end) {
    T a[kRun], r[kRun];
    for (int64_t i = begin; i < end; i += kRun) {
      const int64_t n = std::min(kRun, end - i);
      for (int operand = 0; operand < ctx.n_in; ++operand) {
        Broadcast b;
        make_broadcast(ctx.in[operand], z.shape(), &b);
        load(ctx.in[operand], b, i, n, operand == 0 ? r : a);
        if (operand == 0) continue;
        for (int64_t k = 0; k < n; ++k) r[k] = f(r[k], a[k]);
      }
      for (int64_t k = 0; k < n; ++k) r[k] = g(r[k]);
      store(z.dtype, z.data, i, n, r);
    }
  });
}

// Axes and copies ----------------------------------------------------------------------------------------------------------------

/// A tensor as [outer, extent, inner] around one axis (negative counts from the end).
struct AxisSplit {
  int64_t outer = 1, extent = 1, inner = 1;
};
AxisSplit split_axis(std::span<const int64_t> dims, int64_t axis) noexcept;

/// Row-major strides of dims, in elements.
void row_strides(std::span<const int64_t> dims, int64_t* strides) noexcept;

/// Output `o` gets the elements of input `i` (same type and count): copied, or shared for what is not a tensor of numbers.
Status pass_through(KernelContext& ctx, int i, int o) noexcept;

/// Elements of a small integer operand into a fixed array; the number of them, or -1 when there are more than `most`.
int64_t read_ints(const TensorView& from, int64_t* out, int64_t most) noexcept;

/// Whether operand i is a tensor of strings.
bool is_strings(const KernelContext& ctx, int i) noexcept;

}  // namespace chorus::native::support
