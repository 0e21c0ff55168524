// The command line as a whole, and what a user is told who typed something that it does not know.
#pragma once
#include "arguments.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::app {

/// The member of `names` that `word` was most likely meant to be: at most a third of its letters (at least one) typed, left out, changed
/// or swapped with a neighbour by mistake. Empty when none is that near.
[[nodiscard]] std::string likely_name(std::string_view word, const std::vector<std::string>& names);

enum class Reading {
  done,  ///< read; the command's action ran
  help_shown,  ///< --help or --version was asked for and printed
  refused,  ///< one line on stderr says what is wrong, one how to mend it
};

class CommandLine {
 public:
  CommandLine(const std::string& name, const std::string& description, const std::string& version);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;
  /// The main command, to which options and sub-commands are added.
  [[nodiscard]] Arguments arguments() const;
  /// Reads the words and calls the action of the sub-command that they name; what an action throws passes through.
  [[nodiscard]] Reading read(int argc, char** argv);

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace chorus::app
