// chorus bench: the time of a model's run, as one line.
#include "command.h"
#include "model_options.h"

#include <core/clock.h>
#include <core/progress.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>

namespace chorus::app {
namespace {

struct Options {
  ModelOptions model;
  std::vector<std::string> inputs, shapes;
  double seconds = 3;
  bool json = false;
};

/// Nearest rank.
double percentile(const std::vector<double>& sorted, double share) {
  const auto rank = static_cast<size_t>(share * static_cast<double>(sorted.size()) + 0.999999);
  return sorted[std::min(sorted.size(), std::max<size_t>(rank, 1)) - 1];
}

double median(const std::vector<double>& sorted) {
  const size_t n = sorted.size();
  return n % 2 != 0 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

std::vector<double> measure(Predictor& predictor, double seconds, ProgressSink* sink) {
  constexpr int kWarm = 3, kLeast = 5;
  const auto budget = static_cast<int64_t>(seconds * 1e9);
  const int64_t begin = now_ns();
  for (int i = 0; i < kWarm && (i == 0 || now_ns() - begin < budget / 4); ++i) predictor.Run();
  std::vector<double> times;
  Progress progress(sink, "bench", static_cast<int64_t>(seconds * 1000));
  const int64_t start = now_ns();
  int64_t shown = 0;
  while (static_cast<int>(times.size()) < kLeast || now_ns() - start < budget) {
    const int64_t from = now_ns();
    predictor.Run();
    const int64_t to = now_ns();
    times.push_back(elapsed_ms(from, to));
    const int64_t done = std::min<int64_t>((to - start) / 1'000'000, static_cast<int64_t>(seconds * 1000));
    progress.advance(done - shown);
    shown = done;
    if (seconds * 10 < static_cast<double>(to - start) * 1e-9) break;  // a slow model: no more than ten times the time asked for
  }
  std::sort(times.begin(), times.end());
  return times;
}

int bench(const Options& options) {
  const int64_t empty = resident_bytes();
  TerminalBar bar;
  const int64_t begin = now_ns();
  Predictor predictor(config_of(options.model));
  const double load_ms = elapsed_ms(begin, now_ns());
  set_inputs(predictor, options.inputs);
  fill_inputs(predictor, options.shapes, 7);
  const std::vector<double> times = measure(predictor, options.seconds, &bar);
  bar.clear();
  const double rss = static_cast<double>(std::max<int64_t>(resident_bytes() - empty, 0)) / (1 << 20);
  const char* form = options.json ? "{{\"ms\": {:.4f}, \"min\": {:.4f}, \"p99\": {:.4f}, \"load_ms\": {:.2f}, \"rss_mb\": {:.1f}, \"engine\": \"{}\", \"runs\": {}}}\n"
                                  : "ms={:.4f} min={:.4f} p99={:.4f} load_ms={:.2f} rss_mb={:.1f} engine={}\n";
  const std::string line = fmt::format(fmt::runtime(form), median(times), times.front(), percentile(times, 0.99), load_ms, rss, predictor.EngineName(), times.size());
  std::fputs(line.c_str(), stdout);
  return kDone;
}

}  // namespace

void add_bench(CLI::App& app, Outcome& outcome) {
  CLI::App* sub = app.add_subcommand("bench", "measures the time of a model's run, as one line");
  auto options = std::make_shared<Options>();
  add_model_options(*sub, options->model);
  sub->add_option("--input", options->inputs, "feeds.npz, or name=file.npy|.npz|.pb; may be repeated (default: random)")->allow_extra_args(false);
  sub->add_option("--shape", options->shapes, "name=1,3,224,224: extents of a random input; may be repeated")->allow_extra_args(false);
  sub->add_option("--seconds", options->seconds, "how long to measure")->check(CLI::Range(0.01, 3600.0))->capture_default_str();
  sub->add_flag("--json", options->json, "print as JSON");
  sub->footer("Prints: ms=<median> min=<min> p99=<p99> load_ms=<load and compile> rss_mb=<growth over the empty process> engine=<E>\n"
              "Examples:\n  chorus bench model.onnx --input feeds.npz --threads 1\n  chorus bench model.onnx --shape x=8,3,224,224 --seconds 10");
  sub->callback([options, &outcome] { outcome.status = bench(*options); });
}

}  // namespace chorus::app
