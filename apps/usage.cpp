#include "usage.h"

#include "help.h"

#include <CLI/CLI.hpp>

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace chorus::app {
namespace {

// Restricted Damerau-Levenshtein distance (insert, delete, change, swap of neighbours): three rows of the table suffice.
size_t typing_errors(std::string_view a, std::string_view b) {
  std::vector<size_t> before, last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return last[b.size()];
}

// The sub-command that was being read when the error was met; `app` itself before one was named.
const CLI::App& innermost(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return *at;
}

std::string full_name(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent ? full_name(*parent) + " " + command.get_name() : command.get_name();
}

int terminal_width() {
  winsize size{};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? std::min<int>(size.ws_col, 130) : 110;
}

class HelpFormatter : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* command, std::string, CLI::AppFormatMode) const override {
    return help_text(*command, full_name(*command), terminal_width(), style_of(STDOUT_FILENO));
  }
};

// What may stand where `word` stood: the options of the command, or its sub-commands.
std::vector<std::string> known_names(const CLI::App& command, std::string_view word) {
  std::vector<std::string> names;
  if (word.starts_with("-")) {
    for (const CLI::Option* option : command.get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  } else {
    for (const CLI::App* sub : command.get_subcommands([](const CLI::App*) { return true; }))
      names.push_back(sub->get_name());
  }
  return names;
}

// CLI11 keeps what it could not place; the first of it is where the user went wrong.
std::string first_unplaced(const CLI::App& app) {
  const std::vector<std::string> rest = app.remaining(true);
  const auto option = std::ranges::find_if(rest, [](const std::string& word) { return word.starts_with("-"); });
  if (option != rest.end()) return *option;
  return rest.empty() ? std::string() : rest.front();
}

std::string what_is_unknown(const CLI::App& command, std::string_view word) {
  if (word.starts_with("-")) return "unknown option " + std::string(word);
  if (!command.get_subcommands([](const CLI::App*) { return true; }).empty())
    return "unknown command \"" + std::string(word) + "\"";
  return "one argument too many: \"" + std::string(word) + "\"";
}

// One line that says what is wrong and one that says how to mend it.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = innermost(app);
  const std::string name = full_name(command);
  std::string word = first_unplaced(app);
  word = word.substr(0, word.find('='));
  // A command line without a known sub-command also lacks one: the unknown word is what to tell of.
  std::string what = word.empty() ? std::string(error.what()) : what_is_unknown(command, word);
  std::replace(what.begin(), what.end(), '\n', ' ');
  const std::string likely = word.empty() ? std::string() : likely_name(word, known_names(command, word));
  const std::string mend = likely.empty() ? "" : "did you mean " + likely + "? ";
  return name + ": " + what + "\n  fix:   " + mend + "`" + name + " --help` shows what it takes";
}

}  // namespace

std::string likely_name(std::string_view word, const std::vector<std::string>& names) {
  const std::string* best = nullptr;
  size_t fewest = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& name : names) {
    const size_t errors = typing_errors(word, name);
    if (errors < fewest) {
      fewest = errors;
      best = &name;
    }
  }
  return best ? *best : std::string();
}

CommandLine::CommandLine(const std::string& name, const std::string& description, const std::string& version)
    : app_(std::make_unique<CLI::App>(description, name)) {
  app_->set_help_flag("-h,--help", "shows this help");
  app_->set_version_flag("--version", version, "shows the version");
  app_->formatter(std::make_shared<HelpFormatter>());
}

CommandLine::~CommandLine() = default;

Arguments CommandLine::arguments() const { return Arguments(app_.get()); }

Reading CommandLine::read(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
    return Reading::done;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      app_->exit(error);
      return Reading::help_shown;
    }
    // Nothing but the name of a command that has further ones: an overview helps more than an error.
    const CLI::App& command = innermost(*app_);
    if (!command.get_subcommands({}).empty() && first_unplaced(*app_).empty()) {
      std::printf("%s", command.help().c_str());
      return Reading::help_shown;
    }
    print_error(usage_message(*app_, error));
    return Reading::refused;
  }
}

}  // namespace chorus::app
