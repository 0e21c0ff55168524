#include <core/memory_meter.h>
#include <engine/native/reference/move.h>

#include <exception>
#include <new>

namespace chorus::native::move {

TensorView view(const KernelContext& ctx, int i) noexcept {
  if (i >= ctx.n_in) return {};
  if (ctx.in[i].dtype != DType::undefined) return ctx.in[i];
  if (ctx.values == nullptr || ctx.values[i] == nullptr || !ctx.values[i]->is_tensor()) return {};
  const Value& v = *ctx.values[i];
  TensorView t;
  t.dims = v.shape().data();
  t.rank = v.shape().rank();
  t.dtype = v.dtype();
  t.count = checked_numel(v.shape().dims());
  return t;
}

Status set_value(KernelContext& ctx, int o, FunctionRef<Value()> make) noexcept {
  try {
    return ctx.services->set_value(o, make());
  } catch (const Error& e) {
    return Status::error(e.code(), "%s", e.message().c_str());
  } catch (const std::bad_alloc&) {
    return Status::error(Code::budget, "no memory for output %d", o);
  } catch (const std::exception& e) {
    return Status::error(Code::internal, "%s", e.what());
  }
}

Status copy_strings(KernelContext& ctx, int o, const Extents& shape, int64_t runs, int64_t run,
                    SourceOf source_of) noexcept {
  return set_value(ctx, o, [&] {
    auto out = std::make_shared<Strings>();
    MemoryCharge held;   // while it grows; then it is the Value's
    int64_t charged = 0;
    for (int64_t r = 0, made = 0; r < runs; ++r) {
      const Source s = source_of(r);
      for (int64_t k = 0; k < run; ++k, ++made) {
        if (made % 4096 == 0) {
          const auto bytes = static_cast<int64_t>(out->bytes.size() + 4096 * sizeof(int64_t)) +
                             made * static_cast<int64_t>(sizeof(int64_t));
          held.add(bytes - charged);
          charged = bytes;
          if (ctx.services->stop()) throw Error(Code::cancelled, "stopped");
        }
        out->push_back(s.input < 0 ? std::string_view() : ctx.strings(s.input)[s.offset + k]);
      }
    }
    held.release();
    return Value::strings(Shape(shape.span()), std::move(out));
  });
}

Status output(KernelContext& ctx, int o, DType dtype, const Extents& shape, TensorView* view) noexcept {
  const int64_t count = shape.count();
  if (count < 0) return Status::error(Code::shape, "the number of elements of output %d is not a 64-bit number", o);
  if (ctx.out[o].dtype == DType::undefined) return ctx.services->allocate(o, dtype, shape.span(), view);
  *view = ctx.out[o];
  if (view->count != count || view->dtype != dtype) {
    return Status::error(Code::shape, "output %d: %lld elements were expected, the operands give %lld", o,
                         static_cast<long long>(view->count), static_cast<long long>(count));
  }
  return {};
}

namespace {

/// Where the walk's element `i` (in the order of the result) lies.
int64_t locate(const Strided& w, int64_t i, int64_t* at) noexcept {
  int64_t from = w.offset;
  for (int a = w.rank - 1; a >= 0; --a) {
    at[a] = i % w.dims[a];
    i /= w.dims[a];
    from += at[a] * w.strides[a];
  }
  return from;
}

template <class U>
void walk_run(const Strided& w, const U* src, U* dst, int64_t begin, int64_t end) noexcept {
  int64_t at[Strided::kAxes];
  int64_t from = locate(w, begin, at);
  const int last = w.rank - 1;
  const int64_t inner = w.dims[last], step = w.strides[last];
  for (int64_t i = begin; i < end;) {
    const int64_t n = std::min(inner - at[last], end - i);
    if (step == 1) {
      std::memcpy(static_cast<void*>(dst + i), src + from, static_cast<size_t>(n) * sizeof(U));
    } else {
      for (int64_t k = 0; k < n; ++k) dst[i + k] = src[from + k * step];
    }
    i += n;
    at[last] += n;
    from += n * step;
    for (int a = last; a > 0 && at[a] == w.dims[a]; --a) {
      from += w.strides[a - 1] - at[a] * w.strides[a];
      at[a] = 0;
      ++at[a - 1];
    }
  }
}

struct Wide {
  uint64_t low, high;
};

/// Drops axes of extent 1 and merges neighbours that are one axis in memory.
Strided merged(const Strided& w) noexcept {
  Strided m;
  m.offset = w.offset;
  for (int a = 0; a < w.rank; ++a) {
    if (w.dims[a] == 1) continue;
    if (m.rank > 0 && m.strides[m.rank - 1] == w.dims[a] * w.strides[a]) {
      m.dims[m.rank - 1] *= w.dims[a];
      m.strides[m.rank - 1] = w.strides[a];
    } else {
      m.add(w.dims[a], w.strides[a]);
    }
  }
  if (m.rank == 0) m.add(1, 1);
  return m;
}

template <class U>
Status walk(KernelContext& ctx, const Strided& w, const TensorView& x, TensorView& y) noexcept {
  return support::parallel(ctx, y.count, support::kGrain,
                           [&](int64_t begin, int64_t end) { walk_run(w, x.as<const U>(), y.as<U>(), begin, end); });
}

}  // namespace

Status copy_strided(KernelContext& ctx, int i, int o, const Extents& shape, const Strided& raw) noexcept {
  const TensorView x = view(ctx, i);
  const int64_t count = shape.count();
  if (count == 0) return copy(ctx, o, x.dtype, shape, 0, 1, [](int64_t) { return Source{-1, 0}; });
  const Strided w = merged(raw);
  if (const int64_t walked = checked_numel({w.dims, static_cast<size_t>(w.rank)}); walked != count) {
    return Status::error(Code::internal, "a walk over %lld elements for a result of %lld",
                         static_cast<long long>(walked), static_cast<long long>(count));
  }
  const int bits = dtype_bits(x.dtype);
  if (x.dtype == DType::string || bits % 8 != 0) {
    return copy(ctx, o, x.dtype, shape, count, 1, [&](int64_t n) {
      int64_t at[Strided::kAxes];
      return Source{i, locate(w, n, at)};
    });
  }
  TensorView y;
  if (Status s = output(ctx, o, x.dtype, shape, &y); !s.ok()) return s;
  switch (bits) {
    case 8: return walk<uint8_t>(ctx, w, x, y);
    case 16: return walk<uint16_t>(ctx, w, x, y);
    case 32: return walk<uint32_t>(ctx, w, x, y);
    case 64: return walk<uint64_t>(ctx, w, x, y);
    default: return walk<Wide>(ctx, w, x, y);
  }
}

Status reshape(KernelContext& ctx, int i, int o, const Extents& shape) noexcept {
  const TensorView x = view(ctx, i);
  if (x.dtype == DType::string) {
    return set_value(ctx, o, [&] { return ctx.values[i]->reshaped(Shape(shape.span())); });
  }
  TensorView y = ctx.out[o];
  if (y.dtype == DType::undefined) {
    if (Status s = output(ctx, o, x.dtype, shape, &y); !s.ok()) return s;
  }
  if (x.count != y.count) {
    return Status::error(Code::shape, "a tensor of %lld elements cannot take a shape of %lld",
                         static_cast<long long>(x.count), static_cast<long long>(y.count));
  }
  if (x.data != y.data && x.count > 0) std::memcpy(y.data, x.data, static_cast<size_t>(dtype_bytes(x.dtype, x.count)));
  return {};
}

Status check_indices(const TensorView& indices, int64_t extent, const char* what) noexcept {
  for (int64_t i = 0; i < indices.count; ++i) {
    const int64_t v = index_at(indices, i);
    if (v < -extent || v >= extent) {
      return Status::error(Code::bad_input, "%s %lld (element %lld) is out of range for an axis of extent %lld", what,
                           static_cast<long long>(v), static_cast<long long>(i), static_cast<long long>(extent));
    }
  }
  return {};
}

}  // namespace chorus::native::move
