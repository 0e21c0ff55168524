#include "command.h"
#include "help.h"
#include "usage.h"

#include <chorus/error.h>
#include <core/log.h>
#include <data/image/decode.h>

#include <exception>
#include <initializer_list>
#include <string>
#include <vector>

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

struct Group {
  const char* heading;
  std::initializer_list<void (*)(Arguments, Outcome&)> commands;
};

void add_commands(const Arguments& app, Outcome& outcome) {
  const std::initializer_list<Group> groups = {
      {"Use a model:", {add_run, add_bench, add_tune, add_eval, add_task}},
      {"Look into a model:", {add_inspect, add_explain, add_check, add_compare, add_ir}},
      {"Files:", {add_convert, add_scan, add_gen}},
      {"What is here:", {add_engines, add_devices, add_ops, add_conformance, add_completion}}};
  for (const Group& group : groups) {
    const size_t before = app.commands().size();
    for (const auto add : group.commands) add(app, outcome);
    const std::vector<Arguments> all = app.commands();
    for (size_t i = before; i < all.size(); ++i) all[i].group(group.heading);
  }
}

void say(void*, LogLevel, std::string_view message) { print_error("chorus: " + std::string(message)); }

int run(int argc, char** argv) {
  set_log_sink(say, nullptr, LogLevel::warning);
  CommandLine line(
      "chorus", "Chorus: one score, every engine. Runs, measures, inspects, checks and converts deep-learning models.",
      CHORUS_VERSION);
  const Arguments app = line.arguments();
  app.require_command();
  Outcome outcome;
  app.footer(
      "Examples:\n"
      "  chorus gen lenet                              # a small network to play with: lenet.onnx\n"
      "  chorus run lenet.onnx --random                # its outputs on random numbers\n"
      "  chorus bench lenet.onnx --threads 1           # its time\n"
      "  chorus explain lenet.onnx                     # which kernel runs which node\n"
      "  chorus task ocr page.png --annotate read.png  # the text in a picture\n\n"
      "`chorus COMMAND --help` shows options and examples. Exit status: 0 done, 1 our fault or a wrong answer, 2 "
      "usage, "
      "3 bad input, 4 an engine cannot.");
  add_commands(app, outcome);
  try {
    switch (line.read(argc, argv)) {
      case Reading::done: break;
      case Reading::help_shown: return kDone;
      case Reading::refused: return kUsage;
    }
  } catch (const Error& error) {
    print_error(std::string("chorus: ") + error.what());
    return status_of(error.code());
  } catch (const std::bad_alloc&) {
    print_error("chorus: out of memory");
    return kBadInput;
  } catch (const std::exception& error) {
    print_error(std::string("chorus: internal error: ") + error.what());
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
