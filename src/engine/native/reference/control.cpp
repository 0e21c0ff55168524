// If, Loop and Scan: bodies are run by the executor, this decides which and how often.
#include <core/memory_meter.h>
#include <engine/native/reference/value_ops.h>
#include <ops/chosen.h>

#include <algorithm>

namespace chorus::native {
namespace {
using move::guarded;
using move::value_of;

bool truth(const Value& v) {
  return v.is_tensor() && v.dtype() == DType::boolean && v.numel() == 1 && *static_cast<const uint8_t*>(v.data()) != 0;
}

Status missing(size_t have, int wanted) noexcept {
  return Status::error(Code::bad_input, "the body gives %zu values, the node needs %d", have, wanted);
}

Status if_else(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const Value condition = value_of(ctx, 0);
    if (condition.numel() != 1)
      return Status::error(Code::shape, "cond has %lld elements", static_cast<long long>(condition.numel()));
    std::vector<Value> outputs;
    if (Status s = ctx.services->run_body(truth(condition) ? "then_branch" : "else_branch", {}, outputs); !s.ok())
      return s;
    if (outputs.size() < static_cast<size_t>(ctx.n_out)) return missing(outputs.size(), ctx.n_out);
    for (int o = 0; o < ctx.n_out; ++o) {
      if (!ctx.wants(o)) continue;
      if (Status s = ctx.services->set_value(o, std::move(outputs[static_cast<size_t>(o)])); !s.ok()) return s;
    }
    return {};
  });
}

/// Items of all iterations along a new axis; without any the rule's type tells element type and the other extents.
Status set_stacked(KernelContext& ctx, int o, std::vector<Value>& items, int64_t axis, bool backwards) {
  if (!ctx.wants(o)) return {};
  if (!items.empty()) {
    if (backwards) std::reverse(items.begin(), items.end());
    return ctx.services->set_value(o,
                                   move::stack(items, static_cast<int>(axis < 0 ? axis + items[0].rank() + 1 : axis)));
  }
  const Type* type = ctx.out_types == nullptr ? nullptr : &ctx.out_types[o];
  if (type == nullptr || !type->is_tensor() || type->dtype == DType::undefined) {
    return Status::error(Code::unsupported, "output %d has no iteration and no declared element type", o);
  }
  std::vector<int64_t> dims;
  for (const Dim& d : type->dims) dims.push_back(d.is_number() ? d.number() : 0);
  if (!type->has_rank) dims.push_back(0);
  const auto at = static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(dims.size()) : axis);
  if (at < dims.size()) dims[at] = 0;
  const Shape shape(dims);
  return ctx.services->set_value(o, type->dtype == DType::string
                                        ? Value::strings(shape, std::make_shared<const Strings>())
                                        : Value::tensor(type->dtype, shape));
}

Status loop(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const bool counted = ctx.has(0), conditional = ctx.has(1);
    if (counted && value_of(ctx, 0).numel() != 1) {
      return Status::error(Code::bad_input, "the trip count has %lld elements, not one",
                           static_cast<long long>(value_of(ctx, 0).numel()));
    }
    const int64_t trips = counted ? value_of(ctx, 0).to_int64s().at(0) : 0;
    bool go = conditional ? truth(value_of(ctx, 1)) : true;
    if (!counted && !conditional)
      return Status::error(Code::bad_input, "neither a trip count nor a condition: the loop never ends");
    std::vector<Value> carried;
    for (int i = 2; i < ctx.n_in; ++i) carried.push_back(value_of(ctx, i));
    const size_t states = carried.size();
    std::vector<std::vector<Value>> items(static_cast<size_t>(std::max(0, ctx.n_out - static_cast<int>(states))));
    MemoryCharge kept;   // of the lists: what the items hold is charged by itself
    for (int64_t i = 0; go && (!counted || i < trips); ++i) {
      if (ctx.services->stop())
        return Status::error(Code::cancelled, "stopped in iteration %lld", static_cast<long long>(i));
      std::vector<Value> inputs{Value::scalar<int64_t>(i), Value::scalar<bool>(go)}, outputs;
      inputs.insert(inputs.end(), carried.begin(), carried.end());
      if (Status s = ctx.services->run_body("body", inputs, outputs); !s.ok()) return s;
      if (outputs.size() < 1 + states + items.size())
        return missing(outputs.size(), static_cast<int>(1 + states + items.size()));
      if (conditional) go = truth(outputs[0]);
      for (size_t k = 0; k < states; ++k) carried[k] = std::move(outputs[1 + k]);
      for (size_t k = 0; k < items.size(); ++k) {
        if (!ctx.wants(static_cast<int>(states + k))) continue;
        kept.add(sizeof(Value));
        items[k].push_back(std::move(outputs[1 + states + k]));
      }
    }
    for (size_t k = 0; k < states; ++k) {
      if (!ctx.wants(static_cast<int>(k))) continue;
      if (Status s = ctx.services->set_value(static_cast<int>(k), std::move(carried[k])); !s.ok()) return s;
    }
    for (size_t k = 0; k < items.size(); ++k) {
      if (Status s = set_stacked(ctx, static_cast<int>(states + k), items[k], 0, false); !s.ok()) return s;
    }
    return {};
  });
}

int64_t listed(const KernelContext& ctx, std::string_view name, size_t i) {
  const auto v = ctx.attrs->integers(name);
  return i < v.size() ? v[i] : 0;
}

struct ScanInput {
  Value value;
  int axis = 0;
  bool backwards = false;
};

Status scan_inputs(KernelContext& ctx, int states, std::vector<ScanInput>* inputs, int64_t* length) {
  for (int i = states; i < ctx.n_in; ++i) {
    const auto k = static_cast<size_t>(i - states);
    ScanInput s{value_of(ctx, i), 0, listed(ctx, "scan_input_directions", k) == 1};
    const int64_t axis = move::wrap_index(listed(ctx, "scan_input_axes", k), s.value.rank());
    if (axis < 0 || axis >= s.value.rank())
      return Status::error(Code::bad_input, "scan input %d has no axis %lld", i, static_cast<long long>(axis));
    s.axis = static_cast<int>(axis);
    const int64_t n = s.value.shape()[s.axis];
    if (k > 0 && n != *length)
      return Status::error(Code::shape, "scan inputs have %lld and %lld steps", static_cast<long long>(*length),
                           static_cast<long long>(n));
    *length = n;
    inputs->push_back(std::move(s));
  }
  return {};
}

Status scan(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const int states = ctx.n_in - static_cast<int>(ctx.attrs->integer("num_scan_inputs"));
    if (states < 0) return Status::error(Code::bad_input, "num_scan_inputs exceeds the operands");
    std::vector<ScanInput> scanned;
    int64_t length = 0;
    if (Status s = scan_inputs(ctx, states, &scanned, &length); !s.ok()) return s;
    std::vector<Value> carried;
    for (int i = 0; i < states; ++i) carried.push_back(value_of(ctx, i));
    std::vector<std::vector<Value>> items(static_cast<size_t>(std::max(0, ctx.n_out - states)));
    MemoryCharge kept;
    for (int64_t step = 0; step < length; ++step) {
      if (ctx.services->stop())
        return Status::error(Code::cancelled, "stopped in step %lld", static_cast<long long>(step));
      std::vector<Value> inputs = carried, outputs;
      for (const ScanInput& s : scanned)
        inputs.push_back(move::take(s.value, s.axis, s.backwards ? length - 1 - step : step));
      if (Status s = ctx.services->run_body("body", inputs, outputs); !s.ok()) return s;
      if (outputs.size() < carried.size() + items.size())
        return missing(outputs.size(), states + static_cast<int>(items.size()));
      for (size_t k = 0; k < carried.size(); ++k) carried[k] = std::move(outputs[k]);
      kept.add(static_cast<int64_t>(items.size() * sizeof(Value)));
      for (size_t k = 0; k < items.size(); ++k) items[k].push_back(std::move(outputs[carried.size() + k]));
    }
    for (int k = 0; k < states; ++k) {
      if (!ctx.wants(k)) continue;
      if (Status s = ctx.services->set_value(k, std::move(carried[static_cast<size_t>(k)])); !s.ok()) return s;
    }
    for (size_t k = 0; k < items.size(); ++k) {
      const bool backwards = listed(ctx, "scan_output_directions", k) == 1;
      const Status s =
          set_stacked(ctx, states + static_cast<int>(k), items[k], listed(ctx, "scan_output_axes", k), backwards);
      if (!s.ok()) return s;
    }
    return {};
  });
}

constexpr KernelRow kRows[] = {{"If", if_else}, {"Loop", loop}, {"Scan", scan}};

}  // namespace

std::span<const KernelRow> reference::control_kernels() { return chosen<kRows>(); }

}  // namespace chorus::native
