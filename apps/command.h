// The `chorus` command: one file per sub-command, each adding itself to the application in a fixed order (main.cpp).
#pragma once
#include <CLI/CLI.hpp>

#include <functional>
#include <string>

namespace chorus::app {

/// Exit status of the command (design): 0 done, 1 our fault, 2 usage, 3 bad input, 4 an engine cannot.
enum ExitStatus : int { kDone = 0, kOurFault = 1, kUsage = 2, kBadInput = 3, kEngineCannot = 4 };

/// What a sub-command did; set by its callback, returned by main.
struct Outcome {
  int status = kDone;
};

void add_run(CLI::App& app, Outcome& outcome);
void add_bench(CLI::App& app, Outcome& outcome);
void add_inspect(CLI::App& app, Outcome& outcome);
void add_scan(CLI::App& app, Outcome& outcome);
void add_ir(CLI::App& app, Outcome& outcome);
void add_check(CLI::App& app, Outcome& outcome);
void add_convert(CLI::App& app, Outcome& outcome);
void add_gen(CLI::App& app, Outcome& outcome);
void add_task(CLI::App& app, Outcome& outcome);
void add_engines(CLI::App& app, Outcome& outcome);
void add_devices(CLI::App& app, Outcome& outcome);
void add_ops(CLI::App& app, Outcome& outcome);
void add_conformance(CLI::App& app, Outcome& outcome);
void add_compare(CLI::App& app, Outcome& outcome);
void add_eval(CLI::App& app, Outcome& outcome);
void add_explain(CLI::App& app, Outcome& outcome);
void add_completion(CLI::App& app, Outcome& outcome);

}  // namespace chorus::app
