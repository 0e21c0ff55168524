// Gradients of sequences: sequences of as many tensors.
#include <engine/native/reference/gradient.h>
#include <engine/native/reference/value_ops.h>

#include <cstring>

namespace chorus::native::gradient {
namespace {
using move::guarded;
using move::value_of;

Value zeros(const Value& like) {
  Value v = Value::tensor(like.dtype(), like.shape());
  std::memset(v.mutable_data(), 0, v.bytes());
  return v;
}

Status set(KernelContext& ctx, const Value& like, std::vector<Value> items) {
  return ctx.services->set_value(0, Value::sequence(like.dtype(), std::move(items)));
}

}  // namespace

Status sequence_zeros(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const Value s = value_of(ctx, 0);
    std::vector<Value> items;
    for (const Value& item : s.items()) items.push_back(zeros(item));
    return set(ctx, s, std::move(items));
  });
}

Status sequence_sum(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const Value first = value_of(ctx, 0);
    std::vector<Value> items(first.items().begin(), first.items().end());
    for (int i = 1; i < ctx.n_in; ++i) {
      const Value other = value_of(ctx, i);
      if (other.items().size() != items.size())
        return Status::error(Code::shape, "sequences of %zu and %zu items", items.size(), other.items().size());
      for (size_t k = 0; k < items.size(); ++k) {
        const Value& more = other.items()[k];
        if (!(more.shape() == items[k].shape()) || more.dtype() != items[k].dtype())
          return Status::error(Code::shape, "items %zu of the sequences differ in shape or type", k);
        Value sum = Value::tensor(more.dtype(), more.shape());
        double a[support::kRun], b[support::kRun];
        for (int64_t at = 0; at < sum.numel(); at += support::kRun) {
          const int64_t n = std::min(support::kRun, sum.numel() - at);
          load_f64(more.dtype(), more.data(), at, n, a);
          load_f64(more.dtype(), items[k].data(), at, n, b);
          for (int64_t j = 0; j < n; ++j) a[j] += b[j];
          store_f64(more.dtype(), sum.mutable_data(), at, n, a);
        }
        items[k] = std::move(sum);
      }
    }
    return set(ctx, first, std::move(items));
  });
}

Status sequence_at_grad(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const Value dy = value_of(ctx, 0), s = value_of(ctx, 1);
    const auto count = static_cast<int64_t>(s.items().size());
    int64_t at = value_of(ctx, 2).to_int64s().at(0);
    if (at < 0) at += count;
    if (at < 0 || at >= count)
      return Status::error(Code::bad_input, "position %lld in a sequence of %lld", static_cast<long long>(at),
                           static_cast<long long>(count));
    std::vector<Value> items;
    for (int64_t i = 0; i < count; ++i) items.push_back(i == at ? dy : zeros(s.items()[static_cast<size_t>(i)]));
    return set(ctx, s, std::move(items));
  });
}

Status concat_from_sequence_grad(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const Value dy = value_of(ctx, 0), s = value_of(ctx, 1);
    const bool new_axis = ctx.attrs->integer("new_axis") != 0;
    int64_t axis = ctx.attrs->integer("axis");
    if (axis < 0) axis += dy.rank();
    if (axis < 0 || axis >= dy.rank())
      return Status::error(Code::bad_input, "axis %lld of rank %d", static_cast<long long>(axis), dy.rank());
    std::vector<Value> items;
    int64_t begin = 0;
    for (const Value& item : s.items()) {
      if (!new_axis && item.rank() != dy.rank())
        return Status::error(Code::shape, "an item of rank %d for a gradient of rank %d", item.rank(), dy.rank());
      const int64_t length = new_axis ? 1 : item.shape()[static_cast<int>(axis)];
      if (begin + length > dy.shape()[static_cast<int>(axis)])
        return Status::error(Code::shape, "the gradient is shorter than the items together");
      items.push_back(new_axis ? move::take(dy, static_cast<int>(axis), begin)
                               : move::part(dy, static_cast<int>(axis), begin, length));
      begin += length;
    }
    return set(ctx, s, std::move(items));
  });
}

}  // namespace chorus::native::gradient
