#include <core/clock.h>
#include <core/cpu.h>
#include <engine/native/native_engine.h>
#include <graph/graph.h>
#include <runtime/profile.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>

namespace chorus {
namespace {

using Json = nlohmann::ordered_json;
constexpr size_t kEvents = 100'000;

std::string dump(const Json& json, int indent) { return json.dump(indent, ' ', false, Json::error_handler_t::replace); }

/// Best of several within about 0.2 s, at least three times.
template <class Work>
int64_t best_ns(Work&& work) {
  int64_t best = INT64_MAX;
  const int64_t begin = now_ns();
  for (int i = 0; i < 3 || (i < 50 && now_ns() - begin < 200'000'000); ++i) {
    const int64_t start = now_ns();
    work();
    best = std::min(best, std::max<int64_t>(now_ns() - start, 1));
  }
  return best;
}

double product_gflops(int threads) {
  constexpr int64_t n = 512;
  auto graph = std::make_shared<Graph>();
  graph->opsets[""] = 13;
  const Type type = Type::tensor(DType::float32, {Dim(n), Dim(n)});
  const ValueId operands[] = {graph->add_input("a", type),
                              graph->add_constant("b", Value::tensor(DType::float32, {n, n}))};
  std::fill_n(static_cast<float*>(graph->value(operands[1]).constant.mutable_data()), n * n, 0.5f);
  const NodeId node = graph->add_node("MatMul", operands);
  graph->add_output(graph->node(node).outputs[0]);
  Model model;
  model.graph = graph;
  CompileOptions options;
  options.threads = threads;
  const auto program = native::make_native_engine()->compile(model, options);
  const auto instance = program->instance();
  Value input = Value::tensor(DType::float32, {n, n});
  std::fill_n(static_cast<float*>(input.mutable_data()), n * n, 0.25f);
  const int64_t ns = best_ns([&] {
    Value output;
    instance->run({&input, 1}, {&output, 1}, {});
  });
  return 2.0 * n * n * n / static_cast<double>(ns);
}

/// Copies within `bytes` of data, read and written together, each thread its part and always the same one.
double copy_gbytes(ThreadPool& pool, double bytes) {
  constexpr double kLeastMoved = 64 << 20;   // of a measurement: many times what starting the threads costs
  const int threads = pool.threads();
  const auto part = static_cast<size_t>(bytes / 2 / threads);
  const int rounds = std::max(1, static_cast<int>(kLeastMoved / bytes));
  std::vector<char> from(part * static_cast<size_t>(threads), 1), to(from.size(), 2);
  const int64_t ns = best_ns([&] {
    pool.parallel_for(threads, [&](int64_t task, int) {
      const size_t at = static_cast<size_t>(task) * part;
      for (int i = 0; i < rounds; ++i) {
        std::memcpy(to.data() + at, from.data() + at, part);
        std::atomic_signal_fence(std::memory_order_seq_cst);   // every copy is made
      }
    });
  });
  return 2.0 * static_cast<double>(part) * threads * rounds / static_cast<double>(ns);
}

std::vector<Peaks::Level> cache_levels(ThreadPool& pool) {
  const CpuInfo& info = cpu_info();
  const double second = static_cast<double>(info.l2_bytes > 0 ? info.l2_bytes : 256 << 10) * pool.threads();
  const double third = std::max(static_cast<double>(info.l3_bytes), 2 * second);
  const double memory = std::clamp(2 * third, 64.0 * (1 << 20), 256.0 * (1 << 20));
  std::vector<Peaks::Level> levels;
  for (double bytes : {second, third, memory}) {
    const double used = bytes == memory ? bytes : bytes / 2;   // half of a cache, for it holds other things too
    levels.push_back({bytes, copy_gbytes(pool, used)});
  }
  // Data that fits a small cache fits the larger ones: no level is slower than the one behind it.
  for (size_t i = levels.size() - 1; i-- > 0;) levels[i].gbytes = std::max(levels[i].gbytes, levels[i + 1].gbytes);
  return levels;
}

}  // namespace

Peaks measured_peaks(ThreadPool& pool) {
  static std::mutex lock;
  static auto* const known = new std::map<int, Peaks>;
  std::lock_guard guard(lock);
  auto [it, fresh] = known->try_emplace(pool.threads());
  if (fresh) {
    it->second.gflops = product_gflops(pool.threads());
    it->second.levels = cache_levels(pool);
    it->second.gbytes = it->second.levels.back().gbytes;
  }
  return it->second;
}

double Peaks::gbytes_of(double bytes) const {
  for (const Level& level : levels) {
    if (bytes <= level.bytes) return level.gbytes;
  }
  return gbytes;
}

void Recorder::add(Instance&, std::span<const NodeTime> times, int64_t begin_ns, int64_t end_ns) {
  if (runs_++ == 0) first_ns_ = begin_ns;
  run_ns_ += end_ns - begin_ns;
  for (const NodeTime& t : times) {
    if (t.step < 0) continue;
    if (static_cast<size_t>(t.step) >= sums_.size()) sums_.resize(static_cast<size_t>(t.step) + 1);
    Sum& sum = sums_[static_cast<size_t>(t.step)];
    const int64_t ns = t.end_ns - t.begin_ns;
    sum.min_ns = sum.calls == 0 ? ns : std::min(sum.min_ns, ns);
    sum.total_ns += ns;
    ++sum.calls;
    events_.push_back({t.step, t.begin_ns, t.end_ns});
    if (events_.size() > kEvents) events_.pop_front();
  }
}

api::Profile Recorder::profile(const Instance& instance, const Peaks& peaks) const {
  api::Profile result;
  result.runs = runs_;
  result.run_ms = elapsed_ms(0, run_ns_);
  result.peak_gflops = peaks.gflops;
  result.peak_gbytes = peaks.gbytes;
  const std::vector<StepInfo> steps = instance.steps();
  for (size_t i = 0; i < steps.size(); ++i) {
    if (i >= sums_.size() || sums_[i].calls == 0) continue;
    const StepInfo& info = steps[i];
    api::StepProfile p;
    p.name = info.name;
    p.op = info.op;
    p.kernel = info.kernel;
    p.nodes = info.nodes;
    p.shapes = info.shapes;
    p.calls = sums_[i].calls;
    p.total_ms = elapsed_ms(0, sums_[i].total_ns);
    p.min_ms = elapsed_ms(0, sums_[i].min_ns);
    p.flops = info.cost.flops;
    p.bytes = info.cost.bytes_read + info.cost.bytes_written;
    if (peaks.gflops > 0 && peaks.gbytes > 0 && sums_[i].min_ns > 0) {
      const double least_ns = std::max(p.flops / peaks.gflops, p.bytes / peaks.gbytes_of(p.bytes));
      p.roofline = std::min(1.0, least_ns / static_cast<double>(sums_[i].min_ns));
    }
    result.steps.push_back(std::move(p));
  }
  Json events = Json::array();
  for (const Event& e : events_) {
    if (static_cast<size_t>(e.step) >= steps.size()) continue;
    const StepInfo& info = steps[static_cast<size_t>(e.step)];
    events.push_back({{"name", info.name.empty() ? info.op : info.name},
                      {"cat", info.op},
                      {"ph", "X"},
                      {"pid", 1},
                      {"tid", 1},
                      {"ts", static_cast<double>(e.begin_ns - first_ns_) * 1e-3},
                      {"dur", static_cast<double>(e.end_ns - e.begin_ns) * 1e-3},
                      {"args", {{"kernel", info.kernel}, {"shapes", info.shapes}}}});
  }
  result.chrome_trace = dump({{"traceEvents", std::move(events)}, {"displayTimeUnit", "ms"}}, -1);
  return result;
}

namespace api {

std::string Profile::table() const {
  std::vector<const StepProfile*> order;
  double sum = 0;
  for (const StepProfile& s : steps) {
    order.push_back(&s);
    sum += s.total_ms;
  }
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->total_ms > b->total_ms; });
  const bool limits = peak_gflops > 0;
  std::string text = fmt::format("{:>9} {:>6} {:>9} {:>9} {}{:<18} {:<28} {}\n", "ms", "%", "GFLOP/s", "GB/s",
                                 limits ? " roof " : "", "operator", "kernel", "name and shapes");
  for (const StepProfile* s : order) {
    const double ms = s->total_ms / static_cast<double>(std::max<int64_t>(s->calls, 1));
    const double seconds = std::max(ms, 1e-9) * 1e-3;
    text +=
        fmt::format("{:>9.4f} {:>6.2f} {:>9.2f} {:>9.2f} {}{:<18} {:<28} {}  {}\n", ms,
                    sum > 0 ? 100 * s->total_ms / sum : 0, s->flops / seconds * 1e-9, s->bytes / seconds * 1e-9,
                    limits ? fmt::format("{:>4.0f}% ", 100 * s->roofline) : "", s->op, s->kernel, s->name, s->shapes);
  }
  const double runs_d = static_cast<double>(std::max<int64_t>(runs, 1));
  text += fmt::format("{} steps, {:.4f} ms of {:.4f} ms per run, {} runs", steps.size(), sum / runs_d, run_ms / runs_d,
                      runs);
  if (limits) text += fmt::format("; this machine: {:.1f} GFLOP/s, {:.1f} GB/s", peak_gflops, peak_gbytes);
  return text + "\n";
}

std::string Profile::json() const {
  Json list = Json::array();
  for (const StepProfile& s : steps) {
    list.push_back({{"name", s.name},
                    {"op", s.op},
                    {"kernel", s.kernel},
                    {"nodes", s.nodes},
                    {"shapes", s.shapes},
                    {"calls", s.calls},
                    {"total_ms", s.total_ms},
                    {"min_ms", s.min_ms},
                    {"flops", s.flops},
                    {"bytes", s.bytes},
                    {"roofline", s.roofline}});
  }
  return dump({{"steps", std::move(list)},
               {"runs", runs},
               {"run_ms", run_ms},
               {"peak_gflops", peak_gflops},
               {"peak_gbytes", peak_gbytes}},
              1);
}

}  // namespace api
}  // namespace chorus
