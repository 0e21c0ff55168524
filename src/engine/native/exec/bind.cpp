// bind: numbers for all dimensions, places for all tensors, argument blocks for all steps. Linear in the nodes; no code is generated.
#include <core/convert.h>
#include <engine/native/exec/instance.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace chorus::native {

std::span<const int64_t> NativeInstance::dims_of(int t) const {
  return {binding_.dims.data() + binding_.dims_at[static_cast<size_t>(t)], static_cast<size_t>(tensor(t).rank)};
}

void NativeInstance::check_input(size_t port, DType dtype, std::span<const int64_t> dims) const {
  const Port& p = program_->inputs()[port];
  if (p.type.dtype != DType::undefined && dtype != p.type.dtype) {
    throw Error(
        Code::type,
        fmt::format("input \"{}\" is {} but the model takes {}", p.name, dtype_name(dtype), dtype_name(p.type.dtype)),
        {}, "convert the data, or let the predictor's copy() convert it");
  }
  if (!p.type.has_rank) return;
  bool fits = dims.size() == p.type.dims.size();
  for (size_t d = 0; fits && d < dims.size(); ++d)
    fits = !p.type.dims[d].is_number() || p.type.dims[d].number() == dims[d];
  if (!fits) {
    throw Error(Code::shape,
                fmt::format("input \"{}\" has shape {} but the model takes {}", p.name, shape_str(dims), p.type.str()),
                {}, "give data of that shape");
  }
}

bool NativeInstance::same_symbols(std::span<const Value> inputs) const noexcept {
  if (!binding_.valid) return false;
  for (size_t i = 0; i < plan_.symbols.size(); ++i) {
    const SymbolSource& s = plan_.symbols[i];
    const Value& v = inputs[static_cast<size_t>(s.input)];
    if (s.axis >= v.rank() || v.shape()[s.axis] != binding_.symbols[i]) return false;
  }
  return true;
}

void NativeInstance::bind_dims(const std::function<std::span<const int64_t>(size_t)>& dims) {
  Binding& b = binding_;
  b.valid = false;
  for (size_t i = 0; i < plan_.symbols.size(); ++i) {
    const SymbolSource& s = plan_.symbols[i];
    const auto given = dims(static_cast<size_t>(s.input));
    b.symbols[i] = static_cast<size_t>(s.axis) < given.size() ? given[static_cast<size_t>(s.axis)] : 0;
  }
  if (!plan_.dims.run(b.symbols.data(), b.slots.data())) {
    throw Error(Code::shape, "a dimension of the model overflows or divides by zero for these input shapes");
  }
  for (const Plan::Check& check : plan_.checks) {
    const int64_t x = b.slots[static_cast<size_t>(check.a)], y = b.slots[static_cast<size_t>(check.b)];
    if (x != y) throw Error(Code::shape, fmt::format("{}: {} and {} differ for these input shapes", check.what, x, y));
  }
  const auto fits = [budget = program_->options().memory_budget](int64_t bytes) {
    return bytes >= 0 && bytes <= budget;
  };
  for (size_t t = 0; t < plan_.tensors.size(); ++t) {
    const PlanTensor& tensor = plan_.tensors[t];
    int64_t* out = b.dims.data() + b.dims_at[t];
    int64_t count = 1;
    for (size_t d = 0; d < tensor.dim_slots.size(); ++d) {
      out[d] = b.slots[static_cast<size_t>(tensor.dim_slots[d])];
      if (out[d] < 0) {
        throw Error(Code::shape, fmt::format("value \"{}\" would have extent {} on axis {} for these input shapes",
                                             tensor.name, out[d], d));
      }
      count = checked_mul(count, out[d]);
    }
    if (tensor.place == Place::dynamic || tensor.place == Place::constant) continue;
    b.bytes[t] = count < 0 ? -1 : dtype_bytes(tensor.dtype, count);
    if (tensor.layout.channel_block > 1 && count > 0 && fits(b.bytes[t])) {
      const int64_t padded = (out[1] + kChannelBlock - 1) / kChannelBlock * kChannelBlock;
      count = checked_mul(count / out[1], padded);
      b.bytes[t] = count < 0 ? -1 : dtype_bytes(tensor.dtype, count);
    }
    if (!fits(b.bytes[t])) {
      const NodeId made = tensor.value == kNone ? kNone : plan_.graph->value(tensor.value).producer;
      throw Error(Code::budget,
                  fmt::format("value \"{}\" of {} elements does not fit the memory budget of {} bytes", tensor.name,
                              count, program_->options().memory_budget),
                  made == kNone ? std::string() : plan_.graph->where(made),
                  "smaller inputs, or a larger memory budget");
    }
  }
}

// Best fit over a list of free ranges, in the order of the steps.
void NativeInstance::place_tensors() {
  Binding& b = binding_;
  const size_t steps = plan_.steps.size();
  std::vector<std::vector<int>> born(steps), dies(steps);
  for (size_t t = 0; t < plan_.tensors.size(); ++t) {
    const PlanTensor& p = plan_.tensors[t];
    if (p.place != Place::arena || p.parent >= 0 || p.first < 0) continue;
    born[static_cast<size_t>(p.first)].push_back(static_cast<int>(t));
    dies[static_cast<size_t>(p.last)].push_back(static_cast<int>(t));
  }
  std::map<int64_t, int64_t> free_ranges;  // offset → size
  int64_t end = 0;
  auto rounded = [&](int t) { return (b.bytes[static_cast<size_t>(t)] + 63) / 64 * 64 + 64; };
  for (size_t s = 0; s < steps; ++s) {
    for (int t : born[s]) {
      const int64_t need = rounded(t);
      auto best = free_ranges.end();
      for (auto it = free_ranges.begin(); it != free_ranges.end(); ++it) {
        if (it->second >= need && (best == free_ranges.end() || it->second < best->second)) best = it;
      }
      if (best == free_ranges.end()) {
        // Grow the last range when it touches the end, so that a slightly larger tensor does not leave a hole.
        int64_t at = end;
        if (!free_ranges.empty() && free_ranges.rbegin()->first + free_ranges.rbegin()->second == end) {
          at = free_ranges.rbegin()->first;
          free_ranges.erase(at);
        }
        b.offset[static_cast<size_t>(t)] = at;
        end = at + need;
        continue;
      }
      b.offset[static_cast<size_t>(t)] = best->first;
      const int64_t left = best->second - need, at = best->first + need;
      free_ranges.erase(best);
      if (left > 0) free_ranges[at] = left;
    }
    for (int t : dies[s]) {
      int64_t at = b.offset[static_cast<size_t>(t)], size = rounded(t);
      auto next = free_ranges.lower_bound(at);
      if (next != free_ranges.end() && at + size == next->first) {
        size += next->second;
        next = free_ranges.erase(next);
      }
      if (next != free_ranges.begin()) {
        auto before = std::prev(next);
        if (before->first + before->second == at) {
          at = before->first;
          size += before->second;
          free_ranges.erase(before);
        }
      }
      free_ranges[at] = size;
    }
  }
  b.arena_bytes = end;
  if (end > program_->options().memory_budget) {
    throw Error(Code::budget,
                fmt::format("the run needs {} bytes for intermediate values; the budget is {}", end,
                            program_->options().memory_budget),
                {}, "smaller inputs, or a larger memory budget");
  }
  arena_.grow(end, program_->options().memory_budget);
}

void NativeInstance::fill_host(int t) {
  const PlanTensor& p = tensor(t);
  std::byte* data = binding_.data[static_cast<size_t>(t)];
  for (size_t i = 0; i < p.host_slots.size(); ++i) {
    set_i64(p.dtype, data, static_cast<int64_t>(i), binding_.slots[static_cast<size_t>(p.host_slots[i])]);
  }
}

int64_t NativeInstance::pixels(int t) const {
  int64_t count = 1;
  for (int64_t d : dims_of(t).subspan(2)) count *= d;
  return count;
}

// A range of a larger tensor's channels keeps that one's distance from image to image.
int64_t NativeInstance::image_stride(int t) const {
  while (tensor(t).parent >= 0 && tensor(tensor(t).parent).layout.channel_block > 1) t = tensor(t).parent;
  return (dims_of(t)[1] + kChannelBlock - 1) / kChannelBlock * kChannelBlock * pixels(t);
}

void NativeInstance::make_contexts() {
  Binding& b = binding_;
  size_t host_at = 0;
  for (size_t t = 0; t < plan_.tensors.size(); ++t) {
    const PlanTensor& p = plan_.tensors[t];
    std::byte* data = nullptr;
    const int root = plan_.root(static_cast<int>(t));
    const PlanTensor& r = tensor(root);
    if (r.place == Place::constant) data = const_cast<std::byte*>(r.constant.buffer().data());
    if (r.place == Place::arena && r.first >= 0) data = arena_.data() + b.offset[static_cast<size_t>(root)];
    if (p.place == Place::host) {
      data = reinterpret_cast<std::byte*>(b.host.data() + host_at);
      host_at += std::max<size_t>(p.host_slots.size(), 1);
    }
    b.part[t] = 0;
    for (int i = static_cast<int>(t); i >= 0; i = tensor(i).parent) {
      if (tensor(i).first_channel > 0)
        b.part[t] += tensor(i).first_channel * pixels(i) * dtype_bytes(tensor(i).dtype, 1);
    }
    b.data[t] = data == nullptr ? nullptr : data + b.part[t];
    if (p.place == Place::host) fill_host(static_cast<int>(t));
  }
  b.patches.clear();
  for (size_t s = 0; s < plan_.steps.size(); ++s) {
    const PlanStep& step = plan_.steps[s];
    if (step.dynamic) continue;
    size_t at = b.view_at[s];
    auto add = [&](int t) {
      TensorView& view = b.views[at];
      view = {};
      if (t >= 0) {
        const auto dims = dims_of(t);
        view = {b.data[static_cast<size_t>(t)], dims.data(), static_cast<int32_t>(dims.size()), tensor(t).dtype,
                checked_numel(dims)};
        const Place place = tensor(plan_.root(t)).place;
        if (tensor(t).layout.channel_block > 1) view.image_stride = image_stride(t);
        if (place == Place::input || place == Place::output)
          b.patches.push_back({at, plan_.root(t), b.part[static_cast<size_t>(t)]});
      }
      ++at;
    };
    for (int t : step.inputs) add(t);
    for (int t : step.outputs) add(t);
  }
  bind_steps();
  b.valid = true;
}

void NativeInstance::bind_steps() {
  Binding& b = binding_;
  int64_t scratch = 0;
  for (size_t s = 0; s < plan_.steps.size(); ++s) {
    const PlanStep& step = plan_.steps[s];
    if (step.dynamic || step.candidate == nullptr) continue;
    if (step.candidate->bind != nullptr) {
      b.bound[s] = step.candidate->bind(b.contexts[s]);
      b.contexts[s].bound = b.bound[s].get();
    }
    if (step.candidate->scratch != nullptr) scratch = std::max(scratch, step.candidate->scratch(b.contexts[s]));
  }
  if (scratch > scratch_.bytes() && !scratch_.reserve(scratch)) {
    throw Error(Code::budget, fmt::format("{} bytes of scratch memory could not be had", scratch));
  }
}

std::vector<Type> NativeInstance::bind(std::span<const Type> inputs) {
  std::vector<std::vector<int64_t>> dims(plan_.inputs.size());
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i >= inputs.size() || inputs[i].kind == ValueKind::none) {
      const Value& fallback = tensor(plan_.inputs[i]).constant;
      if (!fallback) throw Error(Code::bad_input, "input \"" + program_->inputs()[i].name + "\" is missing");
      dims[i].assign(fallback.shape().begin(), fallback.shape().end());
      continue;
    }
    if (!inputs[i].is_tensor()) continue;
    for (const Dim& d : inputs[i].dims) {
      if (!d.is_number())
        throw Error(Code::shape, "bind: input \"" + program_->inputs()[i].name + "\" has the dimension " + d.str() +
                                     ", which is not a number");
      dims[i].push_back(d.number());
    }
    check_input(i, inputs[i].dtype, dims[i]);
  }
  bind_dims([&](size_t i) { return std::span<const int64_t>(dims[i]); });
  place_tensors();
  make_contexts();
  prepare_outputs({});
  std::vector<Type> types;
  for (int t : plan_.outputs) {
    const GraphValue& v = plan_.graph->value(tensor(t).value);
    if (tensor(t).place == Place::dynamic) {
      types.push_back(v.type);
      continue;
    }
    Dims numbers;
    for (int64_t d : dims_of(t)) numbers.push_back(d);
    types.push_back(Type::tensor(tensor(t).dtype, std::move(numbers)));
  }
  return types;
}

}  // namespace chorus::native
