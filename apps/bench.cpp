// chorus bench: the time of a model's run, as one line.
#include "command.h"
#include "engine_runs.h"
#include "model_options.h"
#include "peers.h"
#include "step_table.h"

#include <core/clock.h>
#include <core/cpu.h>
#include <core/progress.h>
#include <engine/engine.h>
#include <format/onnx/onnx.h>
#include <graph/infer.h>
#include <runtime/custom_op.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace chorus::app {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  ModelOptions model;
  std::vector<std::string> inputs, shapes, engines;
  std::string oracle = "float64";
  double seconds = 3;
  int pairs = 30;
  bool json = false, peers = false, steps = false;
};

void print(const Json& json) { std::printf("%s\n", json.dump(1, ' ', false, Json::error_handler_t::replace).c_str()); }

constexpr uint64_t kSeed = 7;  // of random inputs

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
    if (seconds * 10 < static_cast<double>(to - start) * 1e-9)
      break;  // a slow model: no more than ten times the time asked for
  }
  std::sort(times.begin(), times.end());
  return times;
}

/// Times of the steps, from runs of their own: the clock between steps costs time that no other number shall hold.
api::Profile profile_of(const Options& options, ProgressSink* sink) {
  Config config = config_of(options.model);
  config.EnableProfile(true);
  Predictor predictor(config);
  set_inputs(predictor, options.inputs);
  fill_inputs(predictor, options.shapes, kSeed);
  measure(predictor, std::min(options.seconds, 2.0), sink);
  return predictor.GetProfile(true);
}

int bench_one(const Options& options) {
  const int64_t empty = resident_bytes();
  TerminalBar bar;
  const int64_t begin = now_ns();
  Predictor predictor(config_of(options.model));
  const double load_ms = elapsed_ms(begin, now_ns());
  set_inputs(predictor, options.inputs);
  fill_inputs(predictor, options.shapes, kSeed);
  const std::vector<double> times = measure(predictor, options.seconds, &bar);
  const double rss = static_cast<double>(std::max<int64_t>(resident_bytes() - empty, 0)) / (1 << 20);
  api::Profile profile;
  if (options.steps) profile = profile_of(options, &bar);
  bar.clear();
  const double p99 = percentile(times, 0.99);
  if (options.json) {
    Json json = {{"ms", median(times)}, {"min", times.front()}, {"p99", p99},
                 {"load_ms", load_ms},  {"rss_mb", rss},        {"engine", predictor.EngineName()},
                 {"runs", times.size()}};
    if (options.steps) json["profile"] = step_json(profile, operators_of(options.model.model));
    print(json);
    return kDone;
  }
  std::printf("ms=%.4f min=%.4f p99=%.4f load_ms=%.2f rss_mb=%.1f engine=%s\n", median(times), times.front(), p99,
              load_ms, rss, predictor.EngineName().c_str());
  if (options.steps) std::printf("%s", step_table(profile, operators_of(options.model.model)).c_str());
  return kDone;
}

/// What all engines that are here and compute for themselves are called, the native one first.
std::vector<std::string> all_peers() {
  std::vector<std::string> names = {"native"};
  for (const EngineInfo& e : list_engines()) {
    const bool template_only = e.name == "example";  // shows how to write an engine; knows few operators
    if (e.available && e.name != "native" && !template_only) names.push_back(e.name);
  }
  return names;
}

struct Truth {
  std::string name;
  NamedValues values;
};

Truth truth_of(const Options& options, const NamedValues& inputs, std::vector<Peer>& peers) {
  Truth truth{options.oracle, {}};
  if (options.oracle == "first") {
    Predictor& first = *peers.front().predictor;
    truth.name = peers.front().engine;
    for (const std::string& name : first.GetOutputNames())
      truth.values.emplace_back(name, first.GetOutputTensor(name)->value());
    return truth;
  }
  if (options.oracle != "float64") {
    truth.values = read_npz(options.oracle);
    return truth;
  }
  Model model = onnx::read_model(options.model.model);
  auto graph = std::make_shared<Graph>(*model.graph);
  infer_types(*graph);
  model.graph = graph;
  EngineRun run = run_oracle(model, inputs, options.model, Watched::outputs);
  if (!run.reason.empty())
    throw Error(Code::unsupported, "no oracle for this model: " + run.reason, options.model.model,
                "--oracle FILE.npz, or --oracle first");
  truth.name = run.engine;
  for (auto& [name, value] : run.values) truth.values.emplace_back(name, std::move(value));
  return truth;
}
double load_average() {
  double load = 0;
  return getloadavg(&load, 1) == 1 ? load : 0;
}

struct Setting {
  std::vector<int> processors;
  double load = 0;
  std::string truth;
  Json steps;
};

Json number(double x) { return std::isfinite(x) ? Json(x) : Json("inf"); }

Json peer_json(const Peer& p) {
  Json json = {{"engine", p.engine}, {"version", p.version}, {"reason", p.reason}};
  if (!p.reason.empty()) return json;
  json["ms"] = median(p.ms);
  json["min"] = *std::min_element(p.ms.begin(), p.ms.end());
  json["load_ms"] = p.load_ms;
  json["difference"] = number(p.difference);
  json["wrong"] = p.wrong;
  if (p.ratio > 0)
    json.update({{"ratio", p.ratio},
                 {"low", p.interval.low},
                 {"high", p.interval.high},
                 {"confidence", p.interval.confidence}});
  json["rounds"] = p.ms;
  return json;
}

void print_peers_json(const std::vector<Peer>& peers, const PeerOptions& options, const Setting& setting) {
  Json list = Json::array();
  for (const Peer& p : peers) list.push_back(peer_json(p));
  Json json = {{"model", options.model.model}, {"threads", options.model.threads}, {"processor", cpu_info().brand},
               {"features", to_string(cpu())}, {"processors", setting.processors}, {"load", setting.load},
               {"pairs", options.rounds},      {"oracle", setting.truth},          {"tolerance", kPeerTolerance},
               {"engines", std::move(list)}};
  if (!setting.steps.is_null()) json["profile"] = setting.steps;
  print(json);
}

void print_peers(const std::vector<Peer>& peers, const PeerOptions& options, const Setting& setting) {
  std::printf("%d thread%s, %s, %d rounds in turns, truth: %s\n", options.model.threads,
              options.model.threads == 1 ? "" : "s", cpu_info().brand.c_str(), options.rounds, setting.truth.c_str());
  constexpr double kBusy = 3;  // what ran a minute ago counts in part
  if (setting.load > kBusy) std::printf("this machine is busy (load %.1f): ratios count, times do not\n", setting.load);
  std::printf("%-12s %-10s %10s %10s %10s %10s  %s/engine, %.0f %% interval\n", "engine", "version", "ms", "min",
              "load_ms", "difference", peers[0].engine.c_str(), 100 * std::max(peers[0].interval.confidence, 0.95));
  for (const Peer& p : peers) {
    if (!p.reason.empty()) {
      std::printf("%-12s %-10s cannot run it: %s\n", p.engine.c_str(), p.version.c_str(), p.reason.c_str());
      continue;
    }
    std::printf("%-12s %-10s %10.4f %10.4f %10.1f %10.2e  ", p.engine.c_str(), p.version.c_str(), median(p.ms),
                *std::min_element(p.ms.begin(), p.ms.end()), p.load_ms, p.difference);
    if (!p.wrong.empty())
      std::printf("does not count: \"%s\" is wrong\n", p.wrong.c_str());
    else if (p.ratio <= 0)
      std::printf("does not count: %s is wrong\n", peers[0].engine.c_str());
    else if (&p == &peers[0])
      std::printf("1\n");
    else
      std::printf("%.3f  [%.3f, %.3f]\n", p.ratio, p.interval.low, p.interval.high);
  }
  if (peers.size() == 1)
    std::printf("no other engine is here: ./dev engines onnxruntime installs one; `chorus engines` lists them\n");
}

int bench_peers(Options options) {
  const bool asked = !options.engines.empty();
  Setting setting;
  setting.load = load_average();
  setting.processors = keep_to_processors(options.model.threads);
  if (options.model.threads == 0) options.model.threads = std::max(1, static_cast<int>(setting.processors.size()));
  load_plugins_of_environment();
  PeerOptions peer_options{options.model, asked ? options.engines : all_peers(), options.pairs};
  options.model.engine = peer_options.engines.front();
  const NamedValues inputs = input_values(options.model, options.inputs, options.shapes, kSeed);
  std::vector<Peer> peers = open_peers(peer_options, inputs);
  const Truth truth = truth_of(options, inputs, peers);
  setting.truth = truth.name;
  judge_peers(peers, truth.values);
  TerminalBar bar;
  time_peers(peers, peer_options, &bar);
  api::Profile profile;
  if (options.steps) profile = profile_of(options, &bar);
  bar.clear();
  const auto operators = options.steps ? operators_of(options.model.model) : std::map<std::string, std::string>();
  if (options.steps) setting.steps = step_json(profile, operators);
  options.json ? print_peers_json(peers, peer_options, setting) : print_peers(peers, peer_options, setting);
  if (options.steps && !options.json) std::printf("\n%s", step_table(profile, operators).c_str());
  if (!peers.front().wrong.empty()) return kOurFault;
  const bool absent = std::any_of(peers.begin(), peers.end(), [](const Peer& p) { return !p.reason.empty(); });
  return asked && absent ? kEngineCannot : kDone;
}

}  // namespace

void add_bench(Arguments app, Outcome& outcome) {
  Arguments sub = app.command("bench", "measures the time of a model's run, alone or against other engines");
  auto options = std::make_shared<Options>();
  add_model_options(sub, options->model);
  sub.option("--input", options->inputs, "feeds.npz, or name=file.npy|.npz|.pb; may be repeated (default: random)")
      .value("DATA")
      .one_at_a_time();
  sub.option("--shape", options->shapes, "name=1,3,224,224: extents of a random input; may be repeated")
      .value("NAME=SIZES")
      .one_at_a_time();
  const Argument seconds =
      sub.option("--seconds", options->seconds, "how long to measure").range(0.01, 3600.0).show_default();
  const Argument peers =
      sub.flag("--peers", options->peers,
               "several engines in turns, on as many processors as there are threads: times, ratios, differences");
  sub.option("--engines", options->engines,
             "with --peers: names with commas between; the first is what the others are compared with (default: "
             "native, then all that are here)")
      .value("NAMES")
      .comma_separated()
      .needs(peers);
  sub.option("--pairs", options->pairs, "with --peers: rounds, in each of which every engine has a turn")
      .range(6, 100'000)
      .show_default()
      .needs(peers);
  sub.option("--oracle", options->oracle,
             "with --peers: what outputs are measured against: float64 (computed here), first (the first engine), "
             "or a file .npz of outputs by name")
      .value("TRUTH")
      .show_default()
      .needs(peers);
  sub.flag("--steps", options->steps,
           "then the time of every step, the operators fused into it and its share of what this machine can do");
  sub.flag("--json", options->json, "print as JSON");
  peers.excludes(seconds);
  peers.excludes(sub.at("--engine"));
  sub.footer(
      "Prints: ms=<median> min=<min> p99=<p99> load_ms=<load and compile> rss_mb=<growth over the empty process> "
      "engine=<E>\n"
      "With --peers: one line per engine; one whose outputs differ by more than 0.002 of the largest value does not "
      "count. Ratios are medians "
      "over the rounds, below 1 where the first engine is faster. Exit status 1 when the first engine itself is "
      "wrong.\n"
      "Examples:\n  chorus bench model.onnx --input feeds.npz --threads 1\n  chorus bench model.onnx --shape "
      "x=8,3,224,224 --seconds 10 --steps\n"
      "  chorus bench model.onnx --input feeds.npz --peers --engines native,onnxruntime --threads 2");
  sub.action([options, &outcome] { outcome.status = options->peers ? bench_peers(*options) : bench_one(*options); });
}

}  // namespace chorus::app
