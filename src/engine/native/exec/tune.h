// Times the forms in which the steps of a program could be computed on this machine: what a tuning log is made from.
#pragma once
#include <core/progress.h>
#include <engine/engine.h>

#include <string>
#include <vector>

namespace chorus::native {

/// What was found for the steps of one signature.
struct TunedStep {
  std::string name, shapes;  ///< of the first of them
  std::string signature;
  std::string model_choice, choice;  ///< of the cost model; the best, in the words of a tuning log
  int steps = 1;  ///< of this signature in the program
  int timed = 0;  ///< choices
  double before_us = 0,
         after_us = 0;  ///< one step, one thread, least processor time: by the cost model, by the best choice
};

struct TuneOptions {
  double seconds = 30;  ///< about, of processor time, for all steps; at least three rounds of each are run
  ProgressSink* progress = nullptr;
};

/// `instance` has run at the sizes that count, so it is bound; it and `program` are of the native engine (others have no such steps).
/// Every choice is timed alone on one thread by processor time, in turns, with weights that come from memory as they do in a run of the
/// whole model; another choice than the cost model's needs a gain of 3 %, one that rounds more (Winograd) 10 %.
/// What is found depends on the machine's mood; what a compile does with it does not.
std::vector<TunedStep> tune_steps(const Program& program, const Instance& instance, const TuneOptions& options);

}  // namespace chorus::native
