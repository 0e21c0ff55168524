// Times of one model on several engines in one run, in turns, so that what else the machine does meets all of them alike.
#pragma once
#include "model_options.h"
#include "statistics.h"

#include <core/progress.h>
#include <format/npz/npz.h>

#include <memory>
#include <string>
#include <vector>

namespace chorus::app {

/// Output differences up to this share of an output's largest value are rounding; beyond it an engine computes something else.
constexpr double kPeerTolerance = 2e-3;

struct Peer {
  std::string engine, version;
  std::string reason;  ///< why it cannot run the model; empty: it does
  std::unique_ptr<Predictor> predictor;
  double load_ms = 0;  ///< to load and compile
  std::vector<double> ms;  ///< per round: median of the runs of that turn
  double difference = 0;  ///< largest |a - truth| of an output as a share of that output's largest |truth|
  std::string wrong;  ///< output that differs by more than kPeerTolerance; empty: none
  double ratio = 0;  ///< median over the rounds of the first engine's time / this one's; 0: does not count
  Interval interval;  ///< of `ratio`
  bool counts() const noexcept { return reason.empty() && wrong.empty(); }
};

struct PeerOptions {
  ModelOptions model;  ///< `threads` > 0
  std::vector<std::string> engines;  ///< the first is what the others are compared with
  int rounds = 30;
  double turn_ms = 5;  ///< least time of a turn
};

/// Keeps this thread, and those that it starts, on the first `threads` of the processors it may use; returns them. 0: on all of those.
std::vector<int> keep_to_processors(int threads);

/// Loads the model on every engine and gives it the inputs. Errors of an engine other than the first become its reason; what is
/// the caller's fault (an unknown name, bad input) is thrown.
std::vector<Peer> open_peers(const PeerOptions& options, const NamedValues& inputs);

/// Runs every peer once and measures its outputs against `truth`. Error(not_found) when `truth` lacks an output.
void judge_peers(std::vector<Peer>& peers, const NamedValues& truth);

/// The rounds: in each every peer has one turn, another peer begins each time. Sets ms, ratio and interval.
void time_peers(std::vector<Peer>& peers, const PeerOptions& options, ProgressSink* sink);

}  // namespace chorus::app
