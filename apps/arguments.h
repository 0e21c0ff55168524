// The arguments of a sub-command. A thin face of CLI11, whose header alone takes as long to compile as a whole sub-command.
#pragma once
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace chorus::app {

/// One option, flag or positional argument; what is said of it is checked while the command line is read.
class Argument {
 public:
  explicit Argument(CLI::Option* option) : option_(option) {}
  const Argument& required() const;
  /// Numbers outside [least, most] are refused.
  const Argument& range(std::integral auto least, std::integral auto most) const { return integers(least, most); }
  const Argument& range(double least, double most) const;
  const Argument& one_of(std::initializer_list<const char*> words) const;
  /// What --help writes for the value: "FILE", "NAMES". Numbers are N without it.
  const Argument& value(const char* name) const;
  /// --help shows the value that the target has now.
  const Argument& show_default() const;
  const Argument& comma_separated() const;
  /// Takes one word each time it is given, so that positional arguments may follow.
  const Argument& one_at_a_time() const;
  const Argument& needs(const Argument& other) const;
  const Argument& excludes(const Argument& other) const;

 private:
  const Argument& integers(int64_t least, int64_t most) const;

  CLI::Option* option_;
};

/// A command or sub-command; a handle that is copied freely.
class Arguments {
 public:
  explicit Arguments(CLI::App* app) : app_(app) {}
  /// A new sub-command below this one.
  [[nodiscard]] Arguments command(const std::string& name, const std::string& description) const;
  /// One of the sub-commands must be given.
  void require_command() const;
  /// `names` as "-o,--output", or "MODEL" for a positional argument; `target` lives until the command line was read.
  /// T: std::string, int, int64_t, uint64_t, double, std::vector<std::string>.
  template <typename T>
  Argument option(const std::string& names, T& target, const std::string& description) const;
  Argument flag(const std::string& names, bool& target, const std::string& description) const;
  /// One that was added before, by a name such as "--engine".
  [[nodiscard]] Argument at(const std::string& name) const;
  void remove(const std::string& name) const;
  /// The heading below which the overview of the command above lists this one.
  void group(const std::string& heading) const;
  /// Text below the options in --help: examples, what is printed, exit status.
  void footer(const std::string& text) const;
  /// What the command does; called when the whole command line was read.
  void action(std::function<void()> run) const;

  [[nodiscard]] std::string name() const;
  [[nodiscard]] std::vector<Arguments> commands() const;
  /// The long names, as "--engine".
  [[nodiscard]] std::vector<std::string> option_names() const;

 private:
  CLI::App* app_;
};

}  // namespace chorus::app
