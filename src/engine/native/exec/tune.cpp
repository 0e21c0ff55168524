#include <chorus/buffer.h>
#include <core/clock.h>
#include <core/cpu.h>
#include <engine/native/exec/instance.h>
#include <engine/native/exec/tune.h>
#include <engine/native/steps/tunable.h>

#include <time.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <span>

namespace chorus::native {
namespace {

using steps::TunablePrepared;

constexpr double kGain = 0.97, kRoundingGain = 0.9;
constexpr double kLeastGainNs = 300;  // less is the clock's
constexpr float kMostError = 1e-4F;  // of the largest value
constexpr int kLeastRounds = 3, kMostRounds = 200;
constexpr int64_t kMostBytes = int64_t{2} << 30;  // of one step's operands

int64_t processor_ns() noexcept {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * int64_t{1'000'000'000} + t.tv_nsec;
}

int64_t out_floats(const jit::ConvProblem& p, const fast::ConvSizes& z) {
  const bool volume = p.depth.size > 0;
  const fast::ConvShape& s = p.shape;
  const int64_t depth = volume ? fast::conv_extent(p.depth.size, p.depth.kernel, p.depth.stride, p.depth.dilation,
                                                   p.depth.pad_front, p.depth.pad_back)
                               : 1;
  return depth * jit::blocked_count(z.batch, s.out_channels, fast::conv_out_height(s, z), fast::conv_out_width(s, z));
}
int64_t in_floats(const jit::ConvProblem& p, const fast::ConvSizes& z) {
  const int64_t depth = std::max<int64_t>(p.depth.size, 1);
  return depth * jit::blocked_count(z.batch, p.shape.in_channels, z.height, z.width);
}

/// Operands of small numbers: what a choice computes is compared with what the first one does.
class Operands {
 public:
  Operands(const jit::ConvProblem& p, const fast::ConvSizes& z)
      : filters_(filled(p.shape.out_channels * (p.shape.in_channels / p.shape.groups) * p.shape.kernel_h *
                        p.shape.kernel_w * (p.depth.size > 0 ? p.depth.kernel : 1))),
        input_(filled(in_floats(p, z))), output_(filled(out_floats(p, z))),
        residual_(filled(p.residual ? out_floats(p, z) : 0)), bias_(filled(jit::bias_count(p.shape.out_channels))) {}

  jit::ConvBuffers buffers(const Buffer& weights, Buffer& scratch) {
    jit::ConvBuffers b;
    b.input = floats(input_), b.weights = floats(weights), b.bias = floats(bias_), b.residual = floats(residual_);
    b.output = reinterpret_cast<float*>(output_.mutable_data());
    b.scratch = scratch.mutable_data();
    return b;
  }
  Buffer packed(const jit::ConvProblem& p) const {
    Buffer buffer = Buffer::allocate(jit::packed_weight_bytes(p) + 64);
    jit::pack_weights(p, floats(filters_), nullptr, reinterpret_cast<float*>(buffer.mutable_data()));
    return buffer;
  }
  const Buffer& output() const noexcept { return output_; }
  static Buffer filled(int64_t count) {
    Buffer buffer = Buffer::allocate(static_cast<size_t>(std::max<int64_t>(count, 0) + 64) * sizeof(float));
    auto* to = reinterpret_cast<float*>(buffer.mutable_data());
    for (int64_t i = 0; i < count + 64; ++i) to[i] = 0.01F * static_cast<float>(i % 97 - 48);
    return buffer;
  }

 private:
  static const float* floats(const Buffer& b) { return reinterpret_cast<const float*>(b.data()); }
  Buffer filters_, input_, output_, residual_, bias_;
};

/// Reads more than the second cache holds, so that weights come from where they are in a run: behind it.
class Sweep {
 public:
  explicit Sweep(int64_t weights_of_program) {
    const CpuInfo& info = cpu_info();
    const int64_t near = 2 * std::max<int64_t>(info.l2_bytes, 1 << 20);
    // Weights that do not stay in the last cache come from memory.
    const bool far = weights_of_program > std::max<int64_t>(info.l3_bytes, 1) && info.l3_bytes > 0;
    bytes_ = Operands::filled(near / 4);
    far_ = far;
  }
  void operator()(const Buffer& weights) const noexcept {
    const auto* at = reinterpret_cast<const volatile float*>(bytes_.data());
    for (size_t i = 0; i < bytes_.bytes() / sizeof(float); i += 16) (void)at[i];
#if defined(__x86_64__)
    for (size_t i = 0; far_ && i < weights.bytes(); i += 64) __builtin_ia32_clflush(weights.data() + i);
#else
    (void)weights;
#endif
  }

 private:
  Buffer bytes_;
  bool far_ = false;
};

struct Trial {
  jit::Choice choice;
  Buffer weights, scratch;
  std::shared_ptr<const jit::ConvCall> call;
  int64_t least = std::numeric_limits<int64_t>::max();
};

class Stage {
 public:
  Stage(const TunablePrepared::Sized& sized, jit::Level level, const Sweep& sweep)
      : sized_(sized), level_(level), sweep_(sweep), operands_(sized.problem, sized.sizes) {}

  void add(const jit::Choice& choice) {
    Trial t;
    t.choice = choice;
    const jit::ConvProblem p = jit::with_choice(sized_.problem, choice);
    jit::generate(p, sized_.sizes, level_);
    t.call = jit::ConvCall::make(p, sized_.sizes, level_);
    t.weights = operands_.packed(p);
    t.scratch = Buffer::allocate(t.call->scratch_bytes(1) + 64);
    t.call->run(operands_.buffers(t.weights, t.scratch), alone_);
    const auto* out = reinterpret_cast<const float*>(operands_.output().data());
    const auto count = static_cast<size_t>(out_floats(sized_.problem, sized_.sizes));
    if (trials_.empty()) truth_.assign(out, out + count);
    if (agrees(std::span(out, count))) trials_.push_back(std::move(t));
  }
  /// All in turns, from the `first` on.
  void time(size_t first, double seconds) {
    const int64_t begin = processor_ns();
    for (int round = 0; round < kMostRounds; ++round) {
      if (round >= kLeastRounds && static_cast<double>(processor_ns() - begin) > seconds * 1e9) break;
      for (size_t i = first; i < trials_.size(); ++i) run(trials_[i]);
    }
  }
  const Trial& best() const {
    return *std::min_element(trials_.begin(), trials_.end(),
                             [](const Trial& a, const Trial& b) { return a.least < b.least; });
  }
  const std::vector<Trial>& trials() const noexcept { return trials_; }

 private:
  /// A choice that computes something else is none, however fast.
  bool agrees(std::span<const float> out) const {
    float largest = 0, error = 0;
    for (size_t i = 0; i < out.size(); ++i) {
      largest = std::max(largest, std::abs(truth_[i]));
      error = std::max(error, std::abs(out[i] - truth_[i]));
      if (!std::isfinite(out[i])) return false;
    }
    return error <= kMostError * largest;
  }
  void run(Trial& t) {
    sweep_(t.weights);
    const jit::ConvBuffers buffers = operands_.buffers(t.weights, t.scratch);
    const int64_t begin = processor_ns();
    t.call->run(buffers, alone_);
    t.least = std::min(t.least, processor_ns() - begin);
  }

  const TunablePrepared::Sized& sized_;
  jit::Level level_;
  const Sweep& sweep_;
  Operands operands_;
  ThreadPool alone_{ThreadPool::Options{}};
  std::vector<float> truth_;  // of the first
  std::vector<Trial> trials_;
};

/// The fastest that is worth leaving the cost model's choice for; the first trial is that one.
const Trial& worthwhile(const std::vector<Trial>& trials) {
  const Trial* best = &trials.front();
  const auto first = static_cast<double>(best->least);
  double least = std::min(first * kGain, first - kLeastGainNs);
  for (const Trial& t : trials) {
    const bool rounds_more = t.choice.method != jit::Method::direct && t.choice.method != trials.front().choice.method;
    const double cost = static_cast<double>(t.least) * (rounds_more ? kGain / kRoundingGain : 1.0);
    if (cost < least) best = &t, least = cost;
  }
  return *best;
}

void tune_one(const TunablePrepared& prepared, const TunablePrepared::Sized& sized, const Sweep& sweep, double seconds,
              TunedStep* found) {
  auto candidates = jit::choices(jit::with_choice(sized.problem, {}), sized.sizes, prepared.level);
  if (candidates.size() < 2) return;
  // A compile may know less of the sizes: its own choice comes first.
  const jit::Choice own{prepared.problem.method, {}};
  const auto place = std::find(candidates.begin(), candidates.end(), own);
  if (place != candidates.end()) std::rotate(candidates.begin(), place, place + 1);
  Stage stage(sized, prepared.level, sweep);
  for (const jit::Choice& c : candidates) stage.add(c);
  stage.time(0, seconds * 0.5);
  const size_t known = stage.trials().size();
  const jit::Choice best = stage.best().choice;
  for (const jit::Choice& c : jit::refinements(best, sized.problem, prepared.level)) stage.add(c);
  stage.time(known, seconds * 0.2);
  // The two that count once more, side by side.
  const jit::Choice winner = worthwhile(stage.trials()).choice;
  Stage last(sized, prepared.level, sweep);
  last.add(candidates.front());
  if (!(winner == candidates.front())) last.add(winner);
  last.time(0, seconds * 0.3);
  const Trial& chosen = worthwhile(last.trials());
  found->timed = static_cast<int>(stage.trials().size());
  found->model_choice = jit::str(candidates.front());
  found->choice = jit::str(chosen.choice);
  found->before_us = static_cast<double>(last.trials().front().least) * 1e-3;
  found->after_us = static_cast<double>(chosen.least) * 1e-3;
}

/// The share of the time that a kind of step gets: by its part of the model, with something for the small ones.
double weight_of(const StepInfo& info, int count) { return 1e6 + info.cost.flops * count; }

}  // namespace

std::vector<TunedStep> tune_steps(const Program& program, const Instance& instance, const TuneOptions& options) {
  std::vector<TunedStep> found;
  const auto* own = dynamic_cast<const NativeProgram*>(&program);
  const auto* bound = dynamic_cast<const NativeInstance*>(&instance);
  if (own == nullptr || bound == nullptr) return found;
  const std::vector<PlanStep>& steps = own->plan().steps;
  const std::vector<StepInfo> infos = bound->steps();
  struct Work {
    size_t step;
    const TunablePrepared* prepared;
    TunablePrepared::Sized sized;
    int count;
  };
  std::map<std::string, Work> work;  // by signature, so equal steps are timed once
  int64_t weights = 0;
  for (size_t s = 0; s < steps.size(); ++s) {
    if (steps[s].prepared != nullptr) weights += steps[s].prepared->bytes();
    const auto* prepared = dynamic_cast<const TunablePrepared*>(steps[s].prepared.get());
    if (prepared == nullptr || steps[s].dynamic) continue;
    const auto known = work.find(prepared->signature);
    if (known != work.end()) {
      ++known->second.count;
      continue;
    }
    const auto sized = prepared->sized(bound->context(s));
    if (!sized) continue;
    const int64_t bytes = (in_floats(sized->problem, sized->sizes) + 2 * out_floats(sized->problem, sized->sizes)) * 4;
    if (bytes <= kMostBytes) work.emplace(prepared->signature, Work{s, prepared, *sized, 1});
  }
  const Sweep sweep(weights);
  // Time goes where the model spends it.
  double all = 0;
  for (const auto& [signature, w] : work) all += weight_of(infos[w.step], w.count);
  Progress progress(options.progress, "tune", static_cast<int64_t>(work.size()));
  for (const auto& [signature, w] : work) {
    TunedStep step;
    step.name = steps[w.step].name;
    step.shapes = infos[w.step].shapes;
    step.signature = signature;
    step.steps = w.count;
    tune_one(*w.prepared, w.sized, sweep, options.seconds * weight_of(infos[w.step], w.count) / all, &step);
    if (step.timed > 0) found.push_back(std::move(step));
    progress.advance();
  }
  return found;
}

}  // namespace chorus::native
