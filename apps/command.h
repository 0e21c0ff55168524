// The `chorus` command: one file per sub-command, each adding itself to the application in a fixed order (main.cpp).
#pragma once
#include "arguments.h"

namespace chorus::app {

/// Exit status of the command (design): 0 done, 1 our fault, 2 usage, 3 bad input, 4 an engine cannot.
enum ExitStatus : int { kDone = 0, kOurFault = 1, kUsage = 2, kBadInput = 3, kEngineCannot = 4 };

/// What a sub-command did; set by its callback, returned by main.
struct Outcome {
  int status = kDone;
};

void add_run(Arguments app, Outcome& outcome);
void add_bench(Arguments app, Outcome& outcome);
void add_tune(Arguments app, Outcome& outcome);
void add_inspect(Arguments app, Outcome& outcome);
void add_scan(Arguments app, Outcome& outcome);
void add_ir(Arguments app, Outcome& outcome);
void add_check(Arguments app, Outcome& outcome);
void add_convert(Arguments app, Outcome& outcome);
void add_gen(Arguments app, Outcome& outcome);
void add_task(Arguments app, Outcome& outcome);
void add_engines(Arguments app, Outcome& outcome);
void add_devices(Arguments app, Outcome& outcome);
void add_ops(Arguments app, Outcome& outcome);
void add_conformance(Arguments app, Outcome& outcome);
void add_compare(Arguments app, Outcome& outcome);
void add_eval(Arguments app, Outcome& outcome);
void add_explain(Arguments app, Outcome& outcome);
void add_completion(Arguments app, Outcome& outcome);

}  // namespace chorus::app
