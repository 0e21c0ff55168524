#include <engine/native/reference/value_ops.h>
#include <fmt/format.h>

#include <exception>
#include <new>

namespace chorus::native::move {

Value value_of(const KernelContext& ctx, int i) {
  if (i >= ctx.n_in) return {};
  if (ctx.values != nullptr && ctx.values[i] != nullptr && *ctx.values[i]) return *ctx.values[i];
  const TensorView& x = ctx.in[i];
  if (x.dtype == DType::undefined) return {};
  return Value::copy_of(x.dtype, Shape(x.shape()), x.data, static_cast<size_t>(dtype_bytes(x.dtype, x.count)));
}

Status guarded(FunctionRef<Status()> work) noexcept {
  try {
    return work();
  } catch (const Error& e) {
    return Status::error(e.code(), "%s", e.message().c_str());
  } catch (const std::bad_alloc&) {
    return Status::error(Code::budget, "out of memory");
  } catch (const std::exception& e) {
    return Status::error(Code::internal, "%s", e.what());
  }
}

Value part(const Value& from, int axis, int64_t begin, int64_t length) {
  std::vector<int64_t> dims(from.shape().begin(), from.shape().end());
  const auto split = support::split_axis(dims, axis);
  dims[static_cast<size_t>(axis)] = length;
  const int64_t row = split.extent * split.inner, run = length * split.inner, start = begin * split.inner;
  if (from.dtype() == DType::string) {
    auto out = std::make_shared<Strings>();
    for (int64_t o = 0; o < split.outer; ++o) {
      for (int64_t k = 0; k < run; ++k) out->push_back(from.strings()[o * row + start + k]);
    }
    return Value::strings(Shape(dims), std::move(out));
  }
  Value out = Value::tensor(from.dtype(), Shape(dims));
  for (int64_t o = 0; o < split.outer && run > 0; ++o) {
    copy_elements(from.dtype(), from.data(), o * row + start, out.mutable_data(), o * run, run);
  }
  return out;
}

Value take(const Value& from, int axis, int64_t index) {
  std::vector<int64_t> dims(from.shape().begin(), from.shape().end());
  dims.erase(dims.begin() + axis);
  return part(from, axis, index, 1).reshaped(Shape(dims));
}

Value with_axis(const Value& from, int axis) {
  std::vector<int64_t> dims(from.shape().begin(), from.shape().end());
  dims.insert(dims.begin() + axis, 1);
  return from.reshaped(Shape(dims));
}

Value join(std::span<const Value> parts, int axis) {
  const Value& first = parts[0];
  std::vector<int64_t> dims(first.shape().begin(), first.shape().end());
  int64_t extent = 0;
  for (const Value& p : parts) {
    bool fits = p.is_tensor() && p.dtype() == first.dtype() && p.rank() == first.rank();
    for (int a = 0; fits && a < p.rank(); ++a) fits = a == axis || p.shape()[a] == dims[static_cast<size_t>(a)];
    if (!fits) {
      throw Error(Code::shape, fmt::format("{}{} and {}{} cannot be joined along axis {}", dtype_name(first.dtype()),
                                           first.shape().str(), dtype_name(p.dtype()), p.shape().str(), axis));
    }
    extent += p.shape()[axis];
  }
  dims[static_cast<size_t>(axis)] = extent;
  const auto split = support::split_axis(dims, axis);
  if (first.dtype() == DType::string) {
    auto out = std::make_shared<Strings>();
    for (int64_t o = 0; o < split.outer; ++o) {
      for (const Value& p : parts) {
        const int64_t run = p.shape()[axis] * split.inner;
        for (int64_t k = 0; k < run; ++k) out->push_back(p.strings()[o * run + k]);
      }
    }
    return Value::strings(Shape(dims), std::move(out));
  }
  Value out = Value::tensor(first.dtype(), Shape(dims));
  for (int64_t o = 0, at = 0; o < split.outer; ++o) {
    for (const Value& p : parts) {
      const int64_t run = p.shape()[axis] * split.inner;
      if (run > 0) copy_elements(first.dtype(), p.data(), o * run, out.mutable_data(), at, run);
      at += run;
    }
  }
  return out;
}

Value stack(std::span<const Value> items, int axis) {
  std::vector<Value> parts;
  parts.reserve(items.size());
  for (const Value& item : items) {
    if (!item.is_tensor() || item.rank() + 1 < axis)
      throw Error(Code::shape, fmt::format("{} cannot be stacked", item.shape().str()));
    parts.push_back(with_axis(item, axis));
  }
  return join(parts, axis);
}

}  // namespace chorus::native::move
