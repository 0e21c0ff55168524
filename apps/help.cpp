#include "help.h"

#include <CLI/CLI.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace chorus::app {
namespace {

constexpr size_t kIndent = 2, kColumn = 26;  // where descriptions begin

std::string bold(const std::string& text, Style style) {
  return style == Style::coloured ? "\033[1m" + text + "\033[0m" : text;
}

// Columns of UTF-8 text, each character taken for one.
size_t columns(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

// Words of `text` in lines of at most `width` columns; all but the first begin at `column`.
std::string wrapped(std::string_view text, size_t column, size_t width) {
  std::string lines;
  size_t at = column;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    if (at > column && at + 1 + columns(word) > width) {
      lines += "\n" + std::string(column, ' ');
      at = column;
    }
    if (at > column) {
      lines += ' ';
      ++at;
    }
    lines += word;
    at += columns(word);
    begin = end + 1;
  }
  return lines;
}

std::string row(const std::string& left, const std::string& right, size_t width, Style style) {
  std::string line = std::string(kIndent, ' ') + bold(left, style);
  const size_t at = kIndent + columns(left);
  line += at + 2 <= kColumn ? std::string(kColumn - at, ' ') : "\n" + std::string(kColumn, ' ');
  return line + wrapped(right, kColumn, width) + "\n";
}

// The type that CLI11 prints, "INT:INT in [1 - 1024]" or "TEXT:{a,b}": what stands for the value, and the range in words.
struct ValueText {
  std::string name, range;
};

ValueText value_text(const CLI::Option& option) {
  if (option.get_type_size() == 0) return {};  // a flag
  const std::string type = option.get_type_name();
  const size_t colon = type.find(':');
  ValueText text{type.substr(0, colon), ""};
  if (text.name == "INT" || text.name == "UINT" || text.name == "FLOAT") text.name = "N";
  if (colon == std::string::npos) return text;
  const std::string check = type.substr(colon + 1);
  const size_t open = check.find('['), between = check.find(" - "), close = check.find(']');
  if (check.starts_with("{")) {
    text.name = check.substr(1, check.size() - 2);
    std::ranges::replace(text.name, ',', '|');
  } else if (open < between && between < close) {
    const std::string least = check.substr(open + 1, between - open - 1),
                      most = check.substr(between + 3, close - between - 3);
    // Bounds that nobody meets only keep numbers finite.
    const bool open_ended = std::strtod(most.c_str(), nullptr) >= 1e6;
    text.range = open_ended ? "at least " + least : least + " to " + most;
  }
  return text;
}

std::string option_row(const CLI::Option& option, size_t width, Style style) {
  const ValueText value = value_text(option);
  std::string names = option.get_positional() ? option.get_name(true, false) : option.get_name(false, true);
  if (const size_t comma = names.find(','); comma != std::string::npos) names.insert(comma + 1, " ");
  if (!option.get_positional() && !value.name.empty()) names += " " + value.name;
  std::string text = option.get_description(), more;
  const auto add = [&more](const std::string& part) { more += (more.empty() ? "" : "; ") + part; };
  if (option.get_required() && !option.get_positional()) add("required");
  if (!value.range.empty()) add(value.range);
  if (!option.get_default_str().empty()) add("default " + option.get_default_str());
  if (!more.empty()) text += " [" + more + "]";
  return row(names, text, width, style);
}

using Options = std::vector<const CLI::Option*>;

std::string option_rows(const std::string& heading, const Options& options, size_t width, Style style) {
  if (options.empty()) return {};
  std::string text = "\n" + bold(heading, style) + "\n";
  for (const CLI::Option* option : options) text += option_row(*option, width, style);
  return text;
}

std::string command_rows(const CLI::App& command, size_t width, Style style) {
  std::vector<std::string> headings;
  for (const CLI::App* sub : command.get_subcommands({})) {
    if (std::ranges::find(headings, sub->get_group()) == headings.end()) headings.push_back(sub->get_group());
  }
  std::string text;
  for (const std::string& heading : headings) {
    text += "\n" + bold(heading, style) + "\n";
    for (const CLI::App* sub : command.get_subcommands({})) {
      if (sub->get_group() == heading) text += row(sub->get_name(), sub->get_description(), width, style);
    }
  }
  return text;
}

// Lines that are indented (examples) stay as they are; headings of examples stand out.
std::string footer_lines(const std::string& footer, size_t width, Style style) {
  std::string text;
  for (size_t begin = 0; begin < footer.size();) {
    const size_t end = std::min(footer.find('\n', begin), footer.size());
    const std::string line = footer.substr(begin, end - begin);
    const bool heading = line == "Example:" || line == "Examples:";
    text += heading ? bold(line, style) : line.starts_with(" ") ? line : wrapped(line, 0, width);
    text += "\n";
    begin = end + 1;
  }
  return text.empty() ? text : "\n" + text;
}

}  // namespace

Style style_of(int descriptor) {
  const char* terminal = std::getenv("TERM");
  const char* none = std::getenv("NO_COLOR");
  const bool dumb = terminal == nullptr || std::string_view(terminal) == "dumb";
  return isatty(descriptor) == 1 && !dumb && (none == nullptr || *none == '\0') ? Style::coloured : Style::plain;
}

std::string help_text(const CLI::App& command, const std::string& full_name, int columns_of_terminal, Style style) {
  const auto width = static_cast<size_t>(std::max(columns_of_terminal, 60));
  const Options positionals = command.get_options([](const CLI::Option* o) { return o->get_positional(); });
  const Options options = command.get_options([](const CLI::Option* o) { return o->nonpositional(); });
  std::string usage = full_name;
  for (const CLI::Option* option : positionals) {
    const std::string name = option->get_name(true, false);
    usage += option->get_required() ? " " + name : " [" + name + "]";
  }
  const bool has_commands = !command.get_subcommands({}).empty();
  if (has_commands) usage += " COMMAND";
  usage += has_commands ? " …" : " [OPTION …]";
  std::string text = wrapped(command.get_description(), 0, width) + "\n\n" + bold("Usage:", style) + " " + usage + "\n";
  text += command_rows(command, width, style);
  text += option_rows("Arguments:", positionals, width, style);
  text += option_rows("Options:", options, width, style);
  return text + footer_lines(command.get_footer(), width, style);
}

void print_error(const std::string& text) {
  std::string shown = text;
  if (style_of(STDERR_FILENO) == Style::coloured) {
    if (const size_t colon = shown.find(": "); colon < shown.find('\n'))
      shown = "\033[1;31m" + shown.substr(0, colon + 1) + "\033[0m" + shown.substr(colon + 1);
    for (const std::string_view word : {"\n  where:", "\n  fix:"}) {
      if (const size_t at = shown.find(word); at != std::string::npos) {
        shown.insert(at + word.size(), "\033[0m");
        shown.insert(at + 3, "\033[1m");
      }
    }
  }
  std::fprintf(stderr, "%s\n", shown.c_str());
}

}  // namespace chorus::app
