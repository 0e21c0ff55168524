// DynamicQuantizeLinear, and Cast from int32 to float32: what stands around integer products of dynamic quantisation.
#include <engine/native/steps/quantized.h>

#include <algorithm>
#include <cmath>

namespace chorus::native::steps {
namespace {

using jit::ByteMap;

constexpr int64_t kMostTasks = 32, kTaskElements = 16 << 10;

struct PreparedKernels final : Prepared {
  jit::Kernel range = nullptr, quantize = nullptr, to_real = nullptr;
};

bool accepts_dynamic(const StepDescription& step) {
  return is_float32(step.in(0)) && step.out(0).dtype == DType::uint8;
}

std::shared_ptr<const Prepared> prepare_dynamic(const StepDescription& step) {
  auto p = std::make_shared<PreparedKernels>();
  p->range = find_byte_code(step, ByteMap::range);
  p->quantize = find_byte_code(step, ByteMap::quantize);
  return p;
}

struct Range {
  float low = 0, high = 0;  // zero belongs to every range
};

/// Least and largest of all; the order in which parts meet does not matter.
Range range_of(const PreparedKernels& p, const float* x, int64_t count, ThreadPool& pool) noexcept {
  alignas(64) float parts[kMostTasks][32] = {};
  const int64_t tasks = std::clamp<int64_t>(count / kTaskElements, 1, kMostTasks);
  const int64_t size = (count / tasks + 15) / 16 * 16;
  pool.parallel_for(tasks, [&](int64_t task, int) {
    const int64_t first = std::min(task * size, count), end = task + 1 == tasks ? count : std::min(first + size, count);
    jit::ByteMapArgs args{x + first, nullptr, parts[task], nullptr, (end - first) / 16};
    const jit::ByteMapArgs begin = args;
    const int64_t whole = p.range != nullptr ? args.vectors * 16 : 0;
    if (whole > 0) p.range(&args);
    jit::run_byte_map_plain(ByteMap::range, begin, whole, end - first - whole);
  });
  Range r;
  for (int64_t t = 0; t < tasks; ++t) {
    for (int lane = 0; lane < 16; ++lane)
      r.low = std::min(r.low, parts[t][lane]), r.high = std::max(r.high, parts[t][lane + 16]);
  }
  return r;
}

Status run_dynamic(KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedKernels*>(ctx.prepared);
  const TensorView& x = ctx.in[0];
  if (x.count == 0) return Status::error(Code::bad_input, "an empty tensor has no range");
  const Range r = range_of(p, x.as<const float>(), x.count, ctx.services->pool());
  const float scale = (r.high == r.low ? 1.0F : r.high - r.low) / 255.0F;
  const float zero = std::nearbyint(std::min(255.0F, std::max(0.0F, 0.0F - r.low / scale)));
  if (ctx.wants(1)) *ctx.out[1].as<float>() = scale;
  if (ctx.wants(2)) *ctx.out[2].as<uint8_t>() = static_cast<uint8_t>(zero);
  jit::ByteMapParams params{};
  jit::fill(params.step, scale);
  jit::fill(params.out.zero, zero);
  jit::fill(params.out.beta, 255.0F);
  run_byte_map(ByteMap::quantize, p.quantize, params, x.data, nullptr, ctx.out[0].data, x.count, ctx.services->pool());
  return {};
}

bool accepts_cast(const StepDescription& step) {
  const Type& x = step.in(0);
  return x.is_tensor() && x.dtype == DType::int32 && is_float32(step.out(0));
}

std::shared_ptr<const Prepared> prepare_cast(const StepDescription& step) {
  auto p = std::make_shared<PreparedKernels>();
  p->to_real = find_byte_code(step, ByteMap::to_real);
  return p;
}

Status run_cast(KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedKernels*>(ctx.prepared);
  const TensorView& x = ctx.in[0];
  const jit::ByteMapParams none{};
  if (x.count > 0)
    run_byte_map(ByteMap::to_real, p.to_real, none, x.data, nullptr, ctx.out[0].data, x.count, ctx.services->pool());
  return {};
}

}  // namespace

std::span<const Candidate> dynamic_quantize_steps() {
  static const Candidate list[] = {
      {"DynamicQuantizeLinear", "dynamic_quantize", accepts_dynamic, 0, prepare_dynamic, nullptr, run_dynamic},
      {"Cast", "cast.integers", accepts_cast, 0, prepare_cast, nullptr, run_cast},
  };
  return list;
}

}  // namespace chorus::native::steps
