// The text of --help: what a command is for, how it is called, its options with values, ranges and defaults, examples.
#pragma once
#include <string>

namespace CLI {
class App;
}

namespace chorus::app {

enum class Style { plain, coloured };

/// Coloured when the descriptor is a terminal, TERM is not "dumb" and NO_COLOR is not set.
[[nodiscard]] Style style_of(int descriptor);

/// Help of one command in lines of at most `width` columns, but for lines of examples.
[[nodiscard]] std::string help_text(const CLI::App& command, const std::string& full_name, int width, Style style);

/// What goes to standard error: "chorus …: what is wrong", "where:", "fix:"; the words before the colons stand out on a terminal.
void print_error(const std::string& text);

}  // namespace chorus::app
