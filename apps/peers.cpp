#include "peers.h"

#include <core/clock.h>
#include <core/cpu.h>
#include <engine/engine.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "difference.h"

namespace chorus::app {
namespace {

constexpr int kWarm = 3;              // runs before the first round
constexpr double kLongRunMs = 50;     // longer ones fill the caches themselves: no run before a turn
constexpr int kMostRunsOfATurn = 1000;

double run_ms(Predictor& predictor) {
  const int64_t begin = now_ns();
  predictor.Run();
  return elapsed_ms(begin, now_ns());
}

Peer open_peer(const PeerOptions& options, const std::string& engine, const NamedValues& inputs) {
  Peer peer;
  peer.engine = engine;
  ModelOptions own = options.model;
  own.engine = engine;
  for (const std::string& other : options.engines) {
    if (engine == "auto" && other != engine) own.engines.push_back(other);
  }
  own.strict = engine != "auto";   // engines are compared, not what is made of several
  const int64_t begin = now_ns();
  peer.predictor = std::make_unique<Predictor>(config_of(own));
  peer.load_ms = elapsed_ms(begin, now_ns());
  for (const auto& [name, value] : inputs) {
    InputTensor* input = peer.predictor->GetInputTensor(name);
    if (input == nullptr) throw Error(Code::unsupported, "the engine does not know the input \"" + name + "\"");
    input->set(value);
  }
  peer.predictor->Run();
  return peer;
}

double largest_of(const Value& value) {
  double largest = 0;
  for (double x : value.to_doubles()) {
    if (std::isfinite(x)) largest = std::max(largest, std::fabs(x));
  }
  return largest;
}

/// The time of a run in one turn.
double turn(Peer& peer, double last_ms, double turn_ms) {
  // Threads of another engine may still spin for a moment, and its data lies in the caches: neither is this engine's time.
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  if (last_ms < kLongRunMs) peer.predictor->Run();
  const int runs = std::clamp(static_cast<int>(std::ceil(turn_ms / std::max(last_ms, 1e-3))), 1, kMostRunsOfATurn);
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) times.push_back(run_ms(*peer.predictor));
  return median(std::move(times));
}

}  // namespace

std::vector<int> keep_to_processors(int threads) {
  std::vector<int> chosen;
  cpu_set_t mine, wanted;
  if (sched_getaffinity(0, sizeof(mine), &mine) != 0) return chosen;
  const int most = threads > 0 ? threads : usable_processors();
  CPU_ZERO(&wanted);
  for (int i = 0; i < CPU_SETSIZE && static_cast<int>(chosen.size()) < most; ++i) {
    if (!CPU_ISSET(i, &mine)) continue;
    CPU_SET(i, &wanted);
    chosen.push_back(i);
  }
  if (sched_setaffinity(0, sizeof(wanted), &wanted) != 0) chosen.clear();
  return chosen;
}

std::vector<Peer> open_peers(const PeerOptions& options, const NamedValues& inputs) {
  const std::vector<EngineInfo> known = list_engines();
  std::vector<Peer> peers;
  for (const std::string& engine : options.engines) {
    Peer peer;
    try {
      peer = open_peer(options, engine, inputs);
    } catch (const Error& error) {
      const bool callers =
          error.code() == Code::bad_input || error.code() == Code::shape || error.code() == Code::not_found;
      if (callers || peers.empty()) throw;
      peer.engine = engine;
      peer.reason = error.message().substr(0, error.message().find('\n'));
    }
    for (const EngineInfo& info : known) {
      if (info.name == engine) peer.version = info.version;
    }
    peers.push_back(std::move(peer));
  }
  return peers;
}

void judge_peers(std::vector<Peer>& peers, const NamedValues& truth) {
  for (Peer& peer : peers) {
    if (!peer.reason.empty()) continue;
    for (const std::string& name : peer.predictor->GetOutputNames()) {
      const auto known =
          std::find_if(truth.begin(), truth.end(), [&](const auto& entry) { return entry.first == name; });
      if (known == truth.end()) throw Error(Code::not_found, "the oracle has no output \"" + name + "\"");
      const Difference d = difference(peer.predictor->GetOutputTensor(name)->value(), known->second);
      const double largest = d.absolute > 0 && std::isfinite(d.absolute) ? largest_of(known->second) : 1;
      const double share = largest > 0 ? d.absolute / largest : d.absolute;
      peer.difference = std::max(peer.difference, share);
      if (peer.wrong.empty() && !(share <= kPeerTolerance)) peer.wrong = name;
    }
  }
}

void time_peers(std::vector<Peer>& peers, const PeerOptions& options, ProgressSink* sink) {
  std::vector<Peer*> able;
  for (Peer& peer : peers) {
    if (peer.reason.empty()) able.push_back(&peer);
  }
  std::vector<double> last(able.size());
  for (size_t i = 0; i < able.size(); ++i) {
    for (int warm = 0; warm < kWarm; ++warm) last[i] = run_ms(*able[i]->predictor);
  }
  Progress progress(sink, "bench", options.rounds);
  for (int round = 0; round < options.rounds; ++round) {
    for (size_t k = 0; k < able.size(); ++k) {
      const size_t i = (k + static_cast<size_t>(round)) % able.size();
      last[i] = turn(*able[i], last[i], options.turn_ms);
      able[i]->ms.push_back(last[i]);
    }
    progress.advance();
  }
  // Ratios within rounds: what slows the machine for a second slows both sides of a ratio.
  for (Peer* peer : able) {
    if (!peer->counts() || !able[0]->counts()) continue;
    std::vector<double> ratios;
    for (size_t r = 0; r < peer->ms.size(); ++r) ratios.push_back(able[0]->ms[r] / std::max(peer->ms[r], 1e-9));
    peer->interval = interval_of_median(ratios);
    peer->ratio = median(std::move(ratios));
  }
}

}  // namespace chorus::app
