// Whole operands in the type of computing, for kernels that read each element many times (products, windows, recurrences).
#pragma once
#include <engine/native/reference/support.h>

namespace chorus::native::support {

/// Element type in which T is stored as it is.
template <class T>
constexpr DType plain_type() noexcept {
  if constexpr (std::is_same_v<T, double>) return DType::float64;
  if constexpr (std::is_same_v<T, float>) return DType::float32;
  if constexpr (std::is_same_v<T, uint64_t>) return DType::uint64;
  return DType::int64;
}

inline Status no_memory() noexcept {
  return Status::error(Code::budget, "no room for temporaries within the memory budget");
}

/// `n` elements of scratch memory, not initialised; null: no room.
template <class T>
T* temporary(KernelContext& ctx, int64_t n) noexcept {
  const int64_t bytes = checked_mul(std::max<int64_t>(n, 1), static_cast<int64_t>(sizeof(T)));
  return bytes < 0 || ctx.services == nullptr ? nullptr : static_cast<T*>(ctx.services->scratch(bytes));
}

/// The operand itself where it is of type T, else a widened copy in scratch memory. Null: no room.
template <class T>
const T* widen(KernelContext& ctx, const TensorView& from) noexcept {
  if (from.dtype == plain_type<T>() && from.data != nullptr) return from.as<const T>();
  T* copy = temporary<T>(ctx, from.count);
  if (copy == nullptr) return nullptr;
  parallel(ctx, from.count, kGrain,
           [&](int64_t begin, int64_t end) { load(from.dtype, from.data, begin, end - begin, copy + begin); });
  return copy;
}

/// out[i] = f(i) for every element; T is the type of computing, `each` the work per element in operations.
template <class T, class F>
Status each_output(KernelContext& ctx, TensorView& out, int64_t each, F f) noexcept {
  // Elements below a byte share bytes: tasks begin at multiples of eight.
  const int64_t grain = (grain_for(each) + 7) / 8 * 8;
  return parallel(ctx, out.count, grain, [&](int64_t begin, int64_t end) {
    T r[kRun];
    for (int64_t i = begin; i < end; i += kRun) {
      const int64_t n = std::min(kRun, end - i);
      for (int64_t k = 0; k < n; ++k) r[k] = f(i + k);
      store(out.dtype, out.data, i, n, r);
    }
  });
}

}  // namespace chorus::native::support
