#include "command.h"
#include "usage.h"

#include <chorus/error.h>
#include <data/image/decode.h>

#include <cstdio>
#include <exception>

namespace chorus::app {
namespace {

int status_of(Code code) {
  switch (code) {
    case Code::internal: return kOurFault;
    case Code::unsupported:
    case Code::unavailable:
    case Code::device_lost: return kEngineCannot;
    default: return kBadInput;
  }
}

int run(int argc, char** argv) {
  CommandLine line("chorus",
                   "Chorus: one score, every engine. Runs, inspects, converts and serves deep-learning models.",
                   CHORUS_VERSION);
  const Arguments app = line.arguments();
  app.require_command();
  Outcome outcome;
  app.footer(
      "`chorus COMMAND --help` shows options and examples. Exit status: 0 done, 1 our fault, 2 usage, 3 bad input, 4 "
      "an engine cannot.");
  for (const auto add :
       {add_run, add_bench, add_inspect, add_scan, add_ir, add_check, add_convert, add_gen, add_task, add_engines,
        add_devices, add_ops, add_compare, add_eval, add_explain, add_conformance, add_completion}) {
    add(app, outcome);
  }
  try {
    switch (line.read(argc, argv)) {
      case Reading::done: break;
      case Reading::help_shown: return kDone;
      case Reading::refused: return kUsage;
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "chorus: %s\n", error.what());
    return status_of(error.code());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "chorus: out of memory\n");
    return kBadInput;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "chorus: internal error: %s\n", error.what());
    return kOurFault;
  }
  return outcome.status;
}

}  // namespace
}  // namespace chorus::app

int main(int argc, char** argv) {
  chorus::install_picture_decoder();
  return chorus::app::run(argc, argv);
}
