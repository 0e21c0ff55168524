// Sequences and optionals: values that share their items. Strings: string.cpp.
#include <engine/native/reference/string_ops.h>
#include <engine/native/reference/value_ops.h>
#include <ops/chosen.h>

namespace chorus::native {
namespace {
using move::guarded;
using move::value_of;

/// Position of operand i, `otherwise` when it is omitted; counted from the end when negative.
Status position(KernelContext& ctx, int i, int64_t size, int64_t most, int64_t otherwise, int64_t* at) {
  if (!ctx.has(i)) {
    *at = otherwise;
  } else {
    const Value v = value_of(ctx, i);
    if (v.numel() != 1)
      return Status::error(Code::shape, "position has %lld elements", static_cast<long long>(v.numel()));
    *at = v.to_int64s()[0];
  }
  if (*at < -size || *at > most || (*at < 0 && *at + size < 0)) {
    return Status::error(Code::bad_input, "position %lld is out of range for a sequence of %lld",
                         static_cast<long long>(*at), static_cast<long long>(size));
  }
  if (*at < 0) *at += size;
  return {};
}

std::vector<Value> items(const Value& v) { return {v.items().begin(), v.items().end()}; }
Value sequence(DType type, std::vector<Value> all) {
  return Value::sequence(all.empty() || !all[0].is_tensor() ? type : all[0].dtype(), std::move(all));
}
Status no_sequence() noexcept { return Status::error(Code::type, "the operand is not a sequence"); }

Status sequence_empty(KernelContext& ctx) noexcept {
  return guarded([&] {
    const auto dtype = static_cast<DType>(ctx.attrs->integer("dtype", static_cast<int64_t>(DType::float32)));
    return ctx.services->set_value(0, Value::sequence(dtype, {}));
  });
}

Status sequence_construct(KernelContext& ctx) noexcept {
  return guarded([&] {
    std::vector<Value> all;
    for (int i = 0; i < ctx.n_in; ++i) all.push_back(value_of(ctx, i));
    return ctx.services->set_value(0, sequence(DType::undefined, std::move(all)));
  });
}

Status sequence_at(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const Value s = value_of(ctx, 0);
    if (s.kind() != ValueKind::sequence) return no_sequence();
    const auto n = static_cast<int64_t>(s.items().size());
    int64_t at;
    if (Status bad = position(ctx, 1, n, n - 1, 0, &at); !bad.ok()) return bad;
    return ctx.services->set_value(0, s.items()[static_cast<size_t>(at)]);
  });
}

Status sequence_insert(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const Value s = value_of(ctx, 0), item = value_of(ctx, 1);
    if (s.kind() != ValueKind::sequence) return no_sequence();
    std::vector<Value> all = items(s);
    if (!all.empty() && all[0].is_tensor() && all[0].dtype() != item.dtype())
      return Status::error(Code::type, "the item has another element type");
    const auto n = static_cast<int64_t>(all.size());
    int64_t at;
    if (Status bad = position(ctx, 2, n, n, n, &at); !bad.ok()) return bad;
    all.insert(all.begin() + at, item);
    return ctx.services->set_value(0, sequence(s.dtype(), std::move(all)));
  });
}

Status sequence_erase(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const Value s = value_of(ctx, 0);
    if (s.kind() != ValueKind::sequence) return no_sequence();
    std::vector<Value> all = items(s);
    const auto n = static_cast<int64_t>(all.size());
    int64_t at;
    if (Status bad = position(ctx, 1, n, n - 1, n - 1, &at); !bad.ok()) return bad;
    if (n == 0) return Status::error(Code::bad_input, "the sequence is empty");
    all.erase(all.begin() + at);
    return ctx.services->set_value(0, sequence(s.dtype(), std::move(all)));
  });
}

Status sequence_length(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const Value s = value_of(ctx, 0);
    if (s.kind() != ValueKind::sequence) return no_sequence();
    return ctx.services->set_value(0, Value::scalar(static_cast<int64_t>(s.items().size())));
  });
}

Status concat_from_sequence(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const Value s = value_of(ctx, 0);
    if (s.kind() != ValueKind::sequence) return no_sequence();
    if (s.items().empty()) return Status::error(Code::bad_input, "the sequence is empty");
    const bool stacked = ctx.attrs->integer("new_axis") != 0;
    const int rank = s.items()[0].rank() + (stacked ? 1 : 0);
    const int64_t axis = move::wrap_index(ctx.attrs->integer("axis"), rank);
    if (axis < 0 || axis >= rank)
      return Status::error(Code::bad_input, "axis is out of range for items of rank %d", s.items()[0].rank());
    return ctx.services->set_value(
        0, stacked ? move::stack(s.items(), static_cast<int>(axis)) : move::join(s.items(), static_cast<int>(axis)));
  });
}

Status split_to_sequence(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const Value x = value_of(ctx, 0);
    const int axis = static_cast<int>(move::wrap_index(ctx.attrs->integer("axis"), x.rank()));
    if (axis < 0 || axis >= x.rank())
      return Status::error(Code::bad_input, "axis is out of range for rank %d", x.rank());
    const int64_t extent = x.shape()[axis];
    std::vector<Value> parts;
    if (!ctx.has(1)) {
      const bool keep = ctx.attrs->integer("keepdims", 1) != 0;
      for (int64_t i = 0; i < extent; ++i) parts.push_back(keep ? move::part(x, axis, i, 1) : move::take(x, axis, i));
      return ctx.services->set_value(0, Value::sequence(x.dtype(), std::move(parts)));
    }
    const Value split = value_of(ctx, 1);
    const std::vector<int64_t> lengths = split.to_int64s();
    const bool chunks = split.rank() == 0;
    int64_t at = 0;
    for (size_t i = 0; chunks ? at < extent : i < lengths.size(); ++i) {
      const int64_t wanted = lengths[chunks ? 0 : i];
      if (wanted < (chunks ? 1 : 0) || (!chunks && wanted > extent - at)) {
        return Status::error(Code::bad_input, "a part of length %lld of an axis of extent %lld",
                             static_cast<long long>(wanted), static_cast<long long>(extent));
      }
      const int64_t length = std::min(wanted, extent - at);
      parts.push_back(move::part(x, axis, at, length));
      at += length;
    }
    if (at != extent)
      return Status::error(Code::bad_input, "the parts cover %lld of %lld", static_cast<long long>(at),
                           static_cast<long long>(extent));
    return ctx.services->set_value(0, Value::sequence(x.dtype(), std::move(parts)));
  });
}

Status sequence_map(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    std::vector<Value> operands;
    for (int i = 0; i < ctx.n_in; ++i) operands.push_back(value_of(ctx, i));
    if (operands.empty() || operands[0].kind() != ValueKind::sequence) return no_sequence();
    const size_t n = operands[0].items().size();
    std::vector<std::vector<Value>> results(static_cast<size_t>(ctx.n_out));
    for (size_t i = 0; i < n; ++i) {
      if (ctx.services->stop()) return Status::error(Code::cancelled, "stopped at item %zu", i);
      std::vector<Value> inputs, outputs;
      for (const Value& v : operands) {
        if (v.kind() == ValueKind::sequence && v.items().size() != n)
          return Status::error(Code::shape, "sequences of %zu and %zu items", n, v.items().size());
        inputs.push_back(v.kind() == ValueKind::sequence ? v.items()[i] : v);
      }
      if (Status s = ctx.services->run_body("body", inputs, outputs); !s.ok()) return s;
      if (outputs.size() < results.size())
        return Status::error(Code::bad_input, "the body gives %zu values, the node needs %zu", outputs.size(),
                             results.size());
      for (size_t o = 0; o < results.size(); ++o) results[o].push_back(std::move(outputs[o]));
    }
    for (int o = 0; o < ctx.n_out; ++o) {
      if (!ctx.wants(o)) continue;
      const Type* type = ctx.out_types == nullptr ? nullptr : ctx.out_types[o].elem.get();
      const Status s = ctx.services->set_value(
          o, sequence(type == nullptr ? DType::undefined : type->dtype, std::move(results[static_cast<size_t>(o)])));
      if (!s.ok()) return s;
    }
    return {};
  });
}

Status optional(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const Value v = value_of(ctx, 0);
    if (v) return ctx.services->set_value(0, Value::optional(v.dtype(), {v}));
    const AttrValue* type = ctx.attrs->find("type");
    const Type* t = type == nullptr ? nullptr : type->get<Type>();
    while (t != nullptr && t->elem) t = t->elem.get();
    return ctx.services->set_value(0, Value::optional(t == nullptr ? DType::undefined : t->dtype, {}));
  });
}

Status optional_get(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const Value v = value_of(ctx, 0);
    if (v.kind() != ValueKind::optional) return ctx.services->set_value(0, v);
    if (v.items().empty()) return Status::error(Code::bad_input, "the optional is empty");
    return ctx.services->set_value(0, v.items()[0]);
  });
}

Status optional_has(KernelContext& ctx) noexcept {
  return guarded([&] {
    const Value v = value_of(ctx, 0);
    return ctx.services->set_value(
        0, Value::scalar(v.kind() == ValueKind::optional ? !v.items().empty() : static_cast<bool>(v)));
  });
}

constexpr KernelRow kRows[] = {
    {"SequenceEmpty", sequence_empty},
    {"SequenceConstruct", sequence_construct},
    {"SequenceAt", sequence_at},
    {"SequenceInsert", sequence_insert},
    {"SequenceErase", sequence_erase},
    {"SequenceLength", sequence_length},
    {"SplitToSequence", split_to_sequence},
    {"ConcatFromSequence", concat_from_sequence},
    {"SequenceMap", sequence_map},
    {"Optional", optional},
    {"OptionalGetElement", optional_get},
    {"OptionalHasElement", optional_has},
    {"StringConcat", string_concat},
    {"StringSplit", string_split},
    {"StringNormalizer", string_normalizer},
    {"RegexFullMatch", regex_full_match},
};

}  // namespace

std::span<const KernelRow> reference::sequence_kernels() { return chosen<kRows>(); }

}  // namespace chorus::native
