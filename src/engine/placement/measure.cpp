#include <engine/placement/assign.h>
#include <engine/placement/measure.h>
#include <engine/placement/placement.h>

#include <core/clock.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <unordered_map>

namespace chorus::placement {
namespace {

constexpr int kTurns = 5, kMoreTurns = 16;          // of every candidate; of those that are near the fastest
constexpr double kNear = 1.2;                       // times the fastest
constexpr double kCutGain = 0.97;                   // a cut must be this much faster than the best engine alone
constexpr int64_t kTurnNs = 4'000'000;              // least length of a turn: short runs are repeated
constexpr int64_t kMostNs = 20'000'000'000;         // of all turns; and of the reference
constexpr int kMostRuns = 64;                       // of one turn
constexpr double kInfinite = std::numeric_limits<double>::infinity();

Value own_copy(const Value& v) {
  if (!v.is_tensor() || v.dtype() == DType::string) return v;
  return Value::copy_of(v.dtype(), v.shape(), v.data(), static_cast<size_t>(dtype_bytes(v.dtype(), v.numel())));
}

std::vector<Value> run_once(Instance& instance, size_t outputs, std::span<const Value> inputs, const RunOptions& run) {
  std::vector<Value> made(outputs);
  instance.run(inputs, made, run);
  return made;
}

double lower_quartile(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return times.empty() ? 0 : times[times.size() / 4];
}

// A run as it is repeated in earnest: warm, and the shortest of a few, for other programs take the processor away in between.
double turn(Instance& instance, size_t outputs, std::span<const Value> inputs, const RunOptions& run) {
  run_once(instance, outputs, inputs, run);
  const int64_t begin = now_ns();
  int64_t least = INT64_MAX, now = begin;
  for (int runs = 0; runs < kMostRuns && now - begin < kTurnNs; ++runs) {
    const int64_t before = now;
    run_once(instance, outputs, inputs, run);
    now = now_ns();
    least = std::min(least, now - before);
  }
  return static_cast<double>(least) * 1e-6;
}

struct Runner {
  std::shared_ptr<Program> program;
  std::unique_ptr<Instance> instance;
  std::vector<double> times;
  void take_turn(std::span<const Value> inputs, const RunOptions& run) {
    times.push_back(turn(*instance, program->outputs().size(), inputs, run));
  }
};

std::string sentence(const std::exception& error) {
  const auto* own = dynamic_cast<const Error*>(&error);
  const std::string text = own != nullptr ? own->message() : error.what();
  return text.substr(0, std::min<size_t>(text.find('\n', text.ends_with(':') ? text.size() : 0), 300));
}

CompileOptions plain(const CompileOptions& options) {
  CompileOptions own = options;
  own.more.clear();
  return own;
}

std::string note_of(const Program& program) {
  const auto* cut = dynamic_cast<const PlacedProgram*>(&program);
  if (cut == nullptr || cut->placement().elsewhere() == 0) return {};
  const Placement& p = cut->placement();
  return fmt::format("{} of {} nodes run elsewhere, {} parts, {} values cross", p.elsewhere(), p.nodes.size(),
                     p.parts.size(), p.crossings.size());
}

// The reference: plain native kernels, or where these take too long the fast ones without fusion.
std::vector<Value> reference(const Model& model, Engine& native, const CompileOptions& options,
                             std::span<const Value> inputs, const RunOptions& run) {
  for (const bool slow : {true, false}) {
    CompileOptions own = plain(options);
    own.precision = Precision::f32;
    own.reference_kernels = slow;
    own.optimize = slow ? 1 : 0;
    StopToken stop;
    RunOptions timed;
    timed.seed = run.seed;
    if (slow) {
      stop.set_deadline(now_ns() + kMostNs);
      timed.stop = &stop;
    }
    try {
      const auto program = native.compile(model, own);
      const auto instance = program->instance();
      std::vector<Value> made = run_once(*instance, program->outputs().size(), inputs, timed);
      for (Value& v : made) v = own_copy(v);
      return made;
    } catch (const Error& error) {
      if (!slow || error.code() != Code::timeout) throw;
    }
  }
  return {};
}

// All candidates so far, measured in turns: what slows the machine for a while slows all of them.
class Field {
 public:
  Field(std::span<const Value> inputs, const RunOptions& run, const std::vector<Value>& wanted, double bound)
      : inputs_(inputs), wanted_(wanted), bound_(bound) {
    run_.seed = run.seed;
    run_.stop = run.stop;
  }

  void add(Candidate c, const std::function<std::shared_ptr<Program>()>& compile) {
    Runner r;
    try {
      r.program = compile();
      r.instance = r.program->instance();
      c.note = note_of(*r.program);
      c.error = error_of(run_once(*r.instance, r.program->outputs().size(), inputs_, run_), wanted_);
      if (!(c.error <= bound_)) c.reason = fmt::format("differs by {:.2g} of the largest value", c.error);
    } catch (const std::exception& error) {
      stop_if_asked();
      c.reason = sentence(error);
      if (!first_error_) first_error_ = std::current_exception();
    }
    if (!c.reason.empty()) r = {};
    candidates_.push_back(std::move(c));
    runners_.push_back(std::move(r));
  }

  void take_turns(int turns, double near) {
    const int64_t begin = now_ns();
    const double best = best_ms();
    std::vector<size_t> able;
    for (size_t i = 0; i < runners_.size(); ++i) {
      if (runners_[i].instance && (near == 0 || lower_quartile(runners_[i].times) <= near * best)) able.push_back(i);
    }
    if (near > 0 && able.size() < 2) return;
    for (int t = 0; t < turns && (t < 1 || now_ns() - begin < kMostNs); ++t) {
      for (size_t k = 0; k < able.size(); ++k) {
        const size_t i = able[(k + static_cast<size_t>(t)) % able.size()];
        try {
          runners_[i].take_turn(inputs_, run_);
          candidates_[i].ms = lower_quartile(runners_[i].times);
        } catch (const std::exception& error) {
          stop_if_asked();
          candidates_[i].reason = sentence(error);
          runners_[i] = {};
          able.erase(std::find(able.begin(), able.end(), i));
          break;
        }
      }
    }
  }

  Measurement result() {
    size_t chosen = candidates_.size();
    for (size_t i = 0; i < candidates_.size(); ++i) {
      if (!runners_[i].instance) continue;
      const auto weight = [&](size_t c) { return candidates_[c].ms / (candidates_[c].cut.empty() ? 1 : kCutGain); };
      if (chosen == candidates_.size() || weight(i) < weight(chosen)) chosen = i;
    }
    if (chosen == candidates_.size()) {
      if (first_error_ && candidates_.size() == 1) std::rethrow_exception(first_error_);
      std::string all;
      for (const Candidate& c : candidates_) all += "\n  " + c.name + ": " + c.reason;
      throw Error(Code::unsupported, "engine auto: no engine can run the model within the bound:" + all, {},
                  "name more engines, or a wider bound");
    }
    Measurement m;
    m.program = std::move(runners_[chosen].program);
    m.answer.candidates = std::move(candidates_);
    m.answer.chosen = chosen;
    return m;
  }

  const std::vector<Candidate>& candidates() const { return candidates_; }
  const RunOptions& run() const { return run_; }

 private:
  double best_ms() const {
    double best = kInfinite;
    for (size_t i = 0; i < runners_.size(); ++i) {
      if (runners_[i].instance && !runners_[i].times.empty()) best = std::min(best, lower_quartile(runners_[i].times));
    }
    return best;
  }
  // The caller's own wish to end is no fault of a candidate.
  void stop_if_asked() const {
    if (run_.stop != nullptr && run_.stop->state() != Code::ok) throw;
  }
  std::span<const Value> inputs_;
  RunOptions run_;
  const std::vector<Value>& wanted_;
  double bound_;
  std::vector<Candidate> candidates_;
  std::vector<Runner> runners_;
  std::exception_ptr first_error_;
};

// Times of every engine on every segment, whose inputs the first engine that can makes.
class SegmentTimes {
 public:
  SegmentTimes(const Model& model, const Segments& segments, std::span<const Value> inputs) {
    const Graph& graph = *segments.graph;
    for (size_t i = 0; i < inputs.size() && i < graph.inputs().size(); ++i) {
      const GraphValue& v = graph.value(graph.inputs()[i]);
      values_[v.name] = inputs[i] ? inputs[i] : v.constant;
    }
    for (const auto& nodes : segments.nodes) models_.push_back(part_of(model, graph, nodes));
  }

  /// ms[engine][segment]; infinite where the engine cannot.
  std::vector<std::vector<double>> measure(const std::vector<std::shared_ptr<Engine>>& engines,
                                           const CompileOptions& options, const RunOptions& run) {
    std::vector<std::vector<double>> ms(engines.size(), std::vector<double>(models_.size(), kInfinite));
    for (size_t s = 0; s < models_.size(); ++s) {
      std::vector<Runner> runners(engines.size());
      bool made = false;
      std::vector<Value> inputs;
      for (ValueId id : models_[s].graph->inputs()) inputs.push_back(values_[models_[s].graph->value(id).name]);
      for (size_t e = 0; e < engines.size(); ++e) {
        try {
          Runner r;
          r.program = engines[e]->compile(models_[s], options);
          r.instance = r.program->instance();
          const std::vector<Value> own = in_order(*r.program, inputs, s);
          const auto outputs = run_once(*r.instance, r.program->outputs().size(), own, run);
          for (size_t i = 0; !made && i < outputs.size(); ++i)
            values_[r.program->outputs()[i].name] = own_copy(outputs[i]);
          made = true;
          runners[e] = std::move(r);
        } catch (const std::exception&) {  // it runs somewhere else
        }
      }
      if (!made) return {};
      for (int t = 0; t < kTurns; ++t) {
        for (size_t e = 0; e < engines.size(); ++e) {
          if (runners[e].instance) runners[e].take_turn(in_order(*runners[e].program, inputs, s), run);
        }
      }
      for (size_t e = 0; e < engines.size(); ++e) {
        if (runners[e].instance) ms[e][s] = lower_quartile(runners[e].times);
      }
    }
    return ms;
  }

 private:
  std::vector<Value> in_order(const Program& program, const std::vector<Value>& inputs, size_t s) const {
    std::vector<Value> own;
    const Graph& graph = *models_[s].graph;
    for (const Port& port : program.inputs()) {
      size_t i = 0;
      while (i < inputs.size() && graph.value(graph.inputs()[i]).name != port.name) ++i;
      own.push_back(i < inputs.size() ? inputs[i] : Value());
    }
    return own;
  }
  std::vector<Model> models_;
  std::unordered_map<std::string, Value> values_;
};

// The cheapest engine of each segment; a change of engine must save more than `change` ms.
std::vector<size_t> cheapest(const std::vector<std::vector<double>>& ms, double change) {
  const size_t n = ms.empty() ? 0 : ms[0].size();
  std::vector<std::vector<double>> cost(n, std::vector<double>(ms.size(), kInfinite));
  std::vector<std::vector<size_t>> from(n, std::vector<size_t>(ms.size(), 0));
  for (size_t s = 0; s < n; ++s) {
    for (size_t e = 0; e < ms.size(); ++e) {
      double least = s == 0 ? 0 : kInfinite;
      for (size_t b = 0; s > 0 && b < ms.size(); ++b) {
        const double before = cost[s - 1][b] + (b == e ? 0 : change);
        if (before < least) {
          least = before;
          from[s][e] = b;
        }
      }
      cost[s][e] = least + ms[e][s];
    }
  }
  std::vector<size_t> path(n);
  if (n == 0) return path;
  path[n - 1] = static_cast<size_t>(std::min_element(cost[n - 1].begin(), cost[n - 1].end()) - cost[n - 1].begin());
  for (size_t s = n - 1; s > 0; --s) path[s - 1] = from[s][path[s]];
  return path;
}

std::string joined(const std::vector<std::string>& cut) {
  std::string text;
  for (size_t i = 0; i < cut.size(); ++i) text += (i == 0 ? "" : "|") + cut[i];
  return text;
}

// The cut that the times of segments suggest; empty where one engine is best on all.
std::vector<std::string> suggested_cut(const Model& model, const std::vector<std::string>& names,
                                       const AutoEngines& engines, const CompileOptions& options,
                                       std::span<const Value> inputs, const RunOptions& run) {
  const Segments segments = segments_of(model);
  if (segments.nodes.size() < 2 || names.size() < 2) return {};
  std::vector<std::shared_ptr<Engine>> opened;
  for (const std::string& name : names) opened.push_back(engines.open(name));
  const auto ms = SegmentTimes(model, segments, inputs).measure(opened, options, run);
  if (ms.empty()) return {};
  constexpr double kChange = 0.005;  // ms: what a further call costs
  const std::vector<size_t> path = cheapest(ms, kChange);
  std::vector<std::string> cut;
  for (size_t e : path) cut.push_back(names[e]);
  return std::all_of(cut.begin(), cut.end(), [&](const std::string& name) { return name == cut[0]; })
             ? std::vector<std::string>()
             : cut;
}

}  // namespace

std::shared_ptr<Program> compile_candidate(const Model& model, const Candidate& candidate, const AutoEngines& engines,
                                           const CompileOptions& options) {
  if (candidate.cut.empty()) return engines.open(candidate.name)->compile(model, plain(options));
  const Segments segments = segments_of(model);
  if (segments.nodes.size() != candidate.cut.size())
    throw Error(Code::bad_input, "the remembered cut has another number of segments");
  Engines used;
  std::map<std::string, int> at;
  for (const std::string& name : candidate.cut) {
    if (name == "native" || !at.emplace(name, static_cast<int>(used.size())).second) continue;
    used.push_back(engines.open(name));
  }
  at["native"] = static_cast<int>(used.size());
  used.push_back(engines.open("native"));
  std::vector<int> wished(static_cast<size_t>(segments.graph->node_capacity()), -1);
  for (size_t s = 0; s < segments.nodes.size(); ++s) {
    for (NodeId id : segments.nodes[s]) wished[static_cast<size_t>(id)] = at[candidate.cut[s]];
  }
  const CompileOptions own = plain(options);
  return compile_assigned(model, assign_as_wished(model, used, own, wished), used, own);
}

double error_of(std::span<const Value> got, std::span<const Value> wanted) {
  if (got.size() != wanted.size()) return kInfinite;
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const Value &a = got[i], &b = wanted[i];
    if (a.kind() != b.kind()) return kInfinite;
    if (!b) continue;
    if (!b.is_tensor()) {
      worst = std::max(worst, error_of(a.items(), b.items()));
      continue;
    }
    if (a.dtype() != b.dtype() || !(a.shape() == b.shape())) return kInfinite;
    if (b.dtype() == DType::string) {
      for (int64_t k = 0; k < b.numel(); ++k) {
        if (a.strings()[k] != b.strings()[k]) return kInfinite;
      }
      continue;
    }
    const std::vector<double> x = a.to_doubles(), y = b.to_doubles();
    double largest = 0, most = 0;
    for (size_t k = 0; k < y.size(); ++k) {
      if (x[k] == y[k] || (std::isnan(x[k]) && std::isnan(y[k]))) {
        if (std::isfinite(y[k])) largest = std::max(largest, std::fabs(y[k]));
        continue;
      }
      if (!std::isfinite(x[k]) || !std::isfinite(y[k])) return kInfinite;
      largest = std::max(largest, std::fabs(y[k]));
      most = std::max(most, std::fabs(x[k] - y[k]));
    }
    if (most > 0) worst = std::max(worst, largest > 0 ? most / largest : kInfinite);
  }
  return worst;
}

Measurement measure(const Model& model, const std::vector<std::string>& names, const AutoEngines& engines,
                    const CompileOptions& options, double bound, std::span<const Value> inputs, const RunOptions& run) {
  const std::vector<Value> wanted = reference(model, *engines.open("native"), options, inputs, run);
  Field field(inputs, run, wanted, bound);
  std::vector<std::string> able;
  for (const std::string& name : names) {
    Candidate c;
    c.name = name;
    field.add(c, [&] { return compile_candidate(model, c, engines, options); });
    if (field.candidates().back().reason.empty()) able.push_back(name);
  }
  try {
    Candidate c;
    c.cut = suggested_cut(model, able, engines, plain(options), inputs, field.run());
    c.name = joined(c.cut);
    if (!c.cut.empty()) field.add(c, [&] { return compile_candidate(model, c, engines, options); });
  } catch (const Error& error) {  // then no cut, unless the caller asked for an end
    if (run.stop != nullptr && run.stop->state() != Code::ok) throw;
  }
  field.take_turns(kTurns, 0);
  field.take_turns(kMoreTurns, kNear);
  return field.result();
}

}  // namespace chorus::placement
