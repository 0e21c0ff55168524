// What a user is told who typed something that the command does not know.
#pragma once
#include <CLI/CLI.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace chorus::app {

/// The member of `names` that `word` was most likely meant to be: at most a third of its letters (at least one) typed, left out, changed
/// or swapped with a neighbour by mistake. Empty when none is that near.
[[nodiscard]] std::string likely_name(std::string_view word, const std::vector<std::string>& names);

/// One line that says what is wrong and one that says how to mend it, for a command line that `app` refused with `error`.
[[nodiscard]] std::string usage_message(const CLI::App& app, const CLI::ParseError& error);

}  // namespace chorus::app
