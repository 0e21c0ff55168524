// A mistyped command line: one line says what is wrong, one how to mend it, exit status 2.
#include "command.h"

#include <gtest/gtest.h>

#include <algorithm>

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
  expect_usage("", "chorus: A subcommand is required", "`chorus --help`");
}

}  // namespace
}  // namespace chorus::testing
