// A mistyped command line: one line says what is wrong, one how to mend it, exit status 2.
#include "command.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace chorus::testing {
namespace {

void expect_usage(const std::string& arguments, const std::string& what, const std::string& mend) {
  const Done done = chorus_command(arguments);
  EXPECT_EQ(done.status, 2) << arguments;
  EXPECT_NE(done.err.find(what), std::string::npos) << arguments << ": " << done.err;
  EXPECT_NE(done.err.find(mend), std::string::npos) << arguments << ": " << done.err;
  EXPECT_EQ(std::ranges::count(done.err, '\n'), 2) << done.err;
  EXPECT_TRUE(done.out.empty()) << done.out;
}

TEST(Usage, UnknownNamesGetTheLikelyOne) {
  expect_usage("rnu model.onnx", "chorus: unknown command \"rnu\"", "did you mean run?");
  expect_usage("bench model.onnx --thread 2", "chorus bench: unknown option --thread", "did you mean --threads?");
  expect_usage("bench model.onnx --thraeds=2", "chorus bench: unknown option --thraeds", "did you mean --threads?");
  expect_usage("task orc picture.png", "chorus task: unknown command \"orc\"", "did you mean ocr?");
}

TEST(Usage, WhatIsNearNothingGetsTheHelp) {
  expect_usage("run model.onnx --zzzzzzzz", "chorus run: unknown option --zzzzzzzz\n", "fix:   `chorus run --help`");
  expect_usage("run model.onnx second.onnx", "chorus run: one argument too many: \"second.onnx\"",
               "`chorus run --help`");
  expect_usage("xyzzy", "chorus: unknown command \"xyzzy\"\n", "fix:   `chorus --help`");
}

TEST(Usage, ValuesAndWhatIsMissing) {
  expect_usage("run model.onnx --threads 0", "--threads: Value 0 not in range 1 to 1024", "`chorus run --help`");
  expect_usage("run", "chorus run: MODEL is required", "`chorus run --help`");
}

TEST(Usage, NothingButTheNameGivesAnOverview) {
  for (const std::string name : {"", "task"}) {
    const Done done = chorus_command(name);
    EXPECT_EQ(done.status, 0);
    EXPECT_EQ(done.out, chorus_command(name + " --help").out);
    EXPECT_TRUE(done.err.empty()) << done.err;
  }
  const std::string overview = chorus_command("").out;
  for (const char* words :
       {"Use a model:\n  run  ", "Examples:\n  chorus gen lenet ", "chorus COMMAND …", "Exit status: 0 done"})
    EXPECT_NE(overview.find(words), std::string::npos) << words << "\n" << overview;
}

TEST(Usage, HelpNamesValuesRangesAndDefaults) {
  const std::string help = chorus_command("run --help").out;
  for (const char* words : {"Usage: chorus run MODEL [OPTION …]\n", "  --engine NAME           what computes",
                            "[default cpu]", "--threads N", "[1 to 1024]", "--precision bf16|f16|f32|int8",
                            "[at least 0]", "--shape NAME=SIZES", "-h, --help"})
    EXPECT_NE(help.find(words), std::string::npos) << words << "\n" << help;
  EXPECT_EQ(help.find("TEXT"), std::string::npos) << help;
  EXPECT_EQ(help.find('\033'), std::string::npos);  // no colours in a pipe
}

// Every line of every help fits a terminal, but for examples.
TEST(Usage, HelpLinesAreShort) {
  for (const std::string name :
       {"", "run", "bench", "check", "compare", "eval", "convert", "conformance", "task ocr"}) {
    std::istringstream lines(chorus_command(name + " --help").out);
    for (std::string line; std::getline(lines, line);) {
      const bool example = line.starts_with("  chorus ");
      EXPECT_TRUE(example || line.size() <= 114) << name << ": " << line;  // 110 columns, some of more than a byte
    }
  }
}

TEST(Usage, TerminalsGetColoursUnlessToldNotTo) {
  const auto in_terminal = [](const std::string& before) {
    return chorus_command("--version >/dev/null; " + before + " script -qec \"" CHORUS_COMMAND " rnu\" /dev/null").out;
  };
  if (std::system("command -v script >/dev/null") != 0)
    GTEST_SKIP() << "there is no program script, which makes a terminal";
  EXPECT_NE(in_terminal("TERM=xterm").find("\033[1;31mchorus:\033[0m unknown command"), std::string::npos)
      << in_terminal("TERM=xterm");
  EXPECT_EQ(in_terminal("TERM=dumb").find('\033'), std::string::npos);
  EXPECT_EQ(in_terminal("TERM=xterm NO_COLOR=1").find('\033'), std::string::npos);
}

TEST(Usage, TablesHaveHeadings) {
  const std::string engines = chorus_command("engines").out, devices = chorus_command("devices").out;
  EXPECT_TRUE(engines.starts_with("engine         version    state    reason\nnative ")) << engines;
  EXPECT_TRUE(devices.starts_with("device   state   description\ncpu ")) << devices;
}

TEST(Usage, OneOperatorOrThoseThatHoldAWord) {
  const std::string conv = chorus_command("ops conv").out;
  for (const char* words : {"Conv\n", "versions   1, 11, 22\n", "signature  (", "kernel_shape"})
    EXPECT_NE(conv.find(words), std::string::npos) << words << "\n" << conv;
  const std::string pools = chorus_command("ops pool").out;
  for (const char* name : {"AveragePool ", "GlobalMaxPool ", "MaxRoiPool "})
    EXPECT_NE(pools.find(name), std::string::npos) << pools;
  EXPECT_EQ(pools.find("Softmax "), std::string::npos);
  const Done unknown = chorus_command("ops Sofmax");
  EXPECT_EQ(unknown.status, 3);
  EXPECT_NE(unknown.err.find("did you mean Softmax?"), std::string::npos) << unknown.err;
}

TEST(Usage, AFolderWithoutCasesIsNoSuccess) {
  std::filesystem::create_directories(scratch() / "no_cases");
  const Done done = chorus_command("conformance no_cases");
  EXPECT_EQ(done.status, 3);
  EXPECT_NE(done.err.find("no test case lies below \"no_cases\""), std::string::npos) << done.err;
}

// The command of a checkout finds the models that ./dev demo has fetched there: damaged ones are named by their path.
TEST(Usage, ModelsOfTheCheckoutAreFound) {
  namespace fs = std::filesystem;
  const fs::path checkout = scratch() / "checkout", models = checkout / ".cache/models/ocr";
  fs::create_directories(checkout / "build/bin");
  fs::create_directories(models);
  fs::copy_file(CHORUS_COMMAND, checkout / "build/bin/chorus", fs::copy_options::overwrite_existing);
  for (const char* name :
       {"ch_PP-OCRv4_det_infer.onnx", "ch_PP-OCRv4_rec_infer.onnx", "ch_ppocr_mobile_v2.0_cls_infer.onnx"})
    std::ofstream(models / name) << "no model";
  std::ofstream(scratch() / "dot.ppm") << "P3 1 1 255 20 20 20";
  const Done done = chorus_command("--version >/dev/null; unset CHORUS_OCR_MODELS; " +
                                   (checkout / "build/bin/chorus").string() + " task ocr dot.ppm");
  EXPECT_EQ(done.status, 3);
  EXPECT_NE(done.err.find(models.string()), std::string::npos) << done.err;
  fs::remove_all(checkout);
}

}  // namespace
}  // namespace chorus::testing
