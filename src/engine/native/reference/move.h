// Helpers of the kernels that only move elements: every element type, strings and those below a byte too.
#pragma once
#include <engine/native/reference/support.h>

#include <cstdint>
#include <cstring>

namespace chorus::native::move {

/// Shape of a result, as the kernel computes it from its operands (tensors of strings come without a prepared view).
struct Extents {
  int rank = 0;
  int64_t dims[kMaxRank] = {};
  Extents() = default;
  explicit Extents(std::span<const int64_t> d) noexcept : rank(static_cast<int>(d.size())) {
    std::copy(d.begin(), d.end(), dims);
  }
  std::span<const int64_t> span() const noexcept { return {dims, static_cast<size_t>(rank)}; }
  int64_t count() const noexcept { return checked_numel(span()); }
};

/// Operand i with its shape; strings: data is null, dtype string.
TensorView view(const KernelContext& ctx, int i) noexcept;

/// Where a run of elements comes from: an element of operand `input`; input -1: zeros, false or empty strings.
struct Source {
  int input;
  int64_t offset;
};
using SourceOf = FunctionRef<Source(int64_t run)>;

/// A new output value that shares nothing; catches what allocation may throw.
Status set_value(KernelContext& ctx, int o, FunctionRef<Value()> make) noexcept;
/// Output `o` as a tensor of strings from runs, in order.
Status copy_strings(KernelContext& ctx, int o, const Extents& shape, int64_t runs, int64_t run,
                    SourceOf source_of) noexcept;
/// The output's memory: prepared by the executor, or allocated now (rows whose sizes are known after the run). Checks
/// the count.
Status output(KernelContext& ctx, int o, DType dtype, const Extents& shape, TensorView* view) noexcept;

namespace detail {
template <class U>
inline void copy_one(void* dst, const void* src) noexcept {
  std::memcpy(dst, src, sizeof(U));
}
inline void copy_bytes(std::byte* dst, const std::byte* src, int64_t n) noexcept {
  switch (n) {
    case 1: return copy_one<uint8_t>(dst, src);
    case 2: return copy_one<uint16_t>(dst, src);
    case 4: return copy_one<uint32_t>(dst, src);
    case 8: return copy_one<uint64_t>(dst, src);
    default: std::memcpy(dst, src, static_cast<size_t>(n));
  }
}
}  // namespace detail

/// Output `o` of type `dtype` and `shape`, made of `runs` runs of `run` elements; run r is copied from source_of(r).
template <class F>
Status copy(KernelContext& ctx, int o, DType dtype, const Extents& shape, int64_t runs, int64_t run,
            F&& source_of) noexcept {
  if (dtype == DType::string) return copy_strings(ctx, o, shape, runs, run, source_of);
  TensorView y;
  if (Status s = output(ctx, o, dtype, shape, &y); !s.ok()) return s;
  if (y.count == 0) return {};
  const int bits = dtype_bits(dtype);
  if (bits % 8 != 0) {  // packed: one task, neighbours share bytes
    std::memset(y.data, 0, static_cast<size_t>(dtype_bytes(dtype, y.count)));
    for (int64_t r = 0; r < runs; ++r) {
      const Source s = source_of(r);
      if (s.input >= 0) copy_elements(dtype, ctx.in[s.input].data, s.offset, y.data, r * run, run);
    }
    return {};
  }
  const int64_t size = bits / 8, bytes = run * size;
  return support::parallel(ctx, runs, support::grain_for(run), [&](int64_t begin, int64_t end) {
    std::byte* dst = y.as<std::byte>() + begin * bytes;
    for (int64_t r = begin; r < end; ++r, dst += bytes) {
      const Source s = source_of(r);
      if (s.input < 0) {
        std::memset(dst, 0, static_cast<size_t>(bytes));
      } else {
        detail::copy_bytes(dst, ctx.in[s.input].as<std::byte>() + s.offset * size, bytes);
      }
    }
  });
}

/// A walk over an operand: extents outermost first with strides in elements (0: repeated, negative: backwards). Rows
/// may have more
/// axes than the result (Tile cuts each in two).
struct Strided {
  static constexpr int kAxes = 2 * kMaxRank;
  int rank = 0;
  int64_t dims[kAxes];
  int64_t strides[kAxes];
  int64_t offset = 0;
  void add(int64_t extent, int64_t stride) noexcept {
    dims[rank] = extent;
    strides[rank++] = stride;
  }
};
/// Output `o` (of operand i's type, of `shape`) from operand i by that walk.
Status copy_strided(KernelContext& ctx, int i, int o, const Extents& shape, const Strided& walk) noexcept;

/// Same elements, new shape.
Status reshape(KernelContext& ctx, int i, int o, const Extents& shape) noexcept;

/// An integer element of an operand of indices.
inline int64_t index_at(const TensorView& t, int64_t i) noexcept {
  if (t.dtype == DType::int64) return t.as<int64_t>()[i];
  if (t.dtype == DType::int32) return t.as<int32_t>()[i];
  return get_i64(t.dtype, t.data, i);
}
inline int64_t wrap_index(int64_t i, int64_t extent) noexcept { return i < 0 ? i + extent : i; }
/// Every index in [-extent, extent), else Error(bad_input) with the first one that is not.
Status check_indices(const TensorView& indices, int64_t extent, const char* what) noexcept;

}  // namespace chorus::native::move
