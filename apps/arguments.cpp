#include "arguments.h"

#include <CLI/CLI.hpp>

#include <set>
#include <utility>

namespace chorus::app {

const Argument& Argument::required() const {
  option_->required();
  return *this;
}

const Argument& Argument::integers(int64_t least, int64_t most) const {
  option_->check(CLI::Range(least, most));
  return *this;
}

const Argument& Argument::range(double least, double most) const {
  option_->check(CLI::Range(least, most));
  return *this;
}

const Argument& Argument::one_of(std::initializer_list<const char*> words) const {
  option_->check(CLI::IsMember(std::set<std::string>(words.begin(), words.end())));
  return *this;
}

const Argument& Argument::value(const char* name) const {
  option_->type_name(name);
  return *this;
}

const Argument& Argument::show_default() const {
  option_->capture_default_str();
  return *this;
}

const Argument& Argument::comma_separated() const {
  option_->delimiter(',');
  return *this;
}

const Argument& Argument::one_at_a_time() const {
  option_->allow_extra_args(false);
  return *this;
}

const Argument& Argument::needs(const Argument& other) const {
  option_->needs(other.option_);
  return *this;
}

const Argument& Argument::excludes(const Argument& other) const {
  option_->excludes(other.option_);
  return *this;
}

Arguments Arguments::command(const std::string& name, const std::string& description) const {
  CLI::App* sub = app_->add_subcommand(name, description);
  sub->group("Commands:");
  sub->footer("");  // not that of the command above
  return Arguments(sub);
}

void Arguments::require_command() const { app_->require_subcommand(1); }

template <typename T>
Argument Arguments::option(const std::string& names, T& target, const std::string& description) const {
  return Argument(app_->add_option(names, target, description));
}

template Argument Arguments::option(const std::string&, std::string&, const std::string&) const;
template Argument Arguments::option(const std::string&, int&, const std::string&) const;
template Argument Arguments::option(const std::string&, int64_t&, const std::string&) const;
template Argument Arguments::option(const std::string&, uint64_t&, const std::string&) const;
template Argument Arguments::option(const std::string&, double&, const std::string&) const;
template Argument Arguments::option(const std::string&, std::vector<std::string>&, const std::string&) const;

Argument Arguments::flag(const std::string& names, bool& target, const std::string& description) const {
  return Argument(app_->add_flag(names, target, description));
}

Argument Arguments::at(const std::string& name) const { return Argument(app_->get_option(name)); }

void Arguments::remove(const std::string& name) const { app_->remove_option(app_->get_option(name)); }

void Arguments::group(const std::string& heading) const { app_->group(heading); }

void Arguments::footer(const std::string& text) const { app_->footer(text); }

void Arguments::action(std::function<void()> run) const { app_->callback(std::move(run)); }

std::string Arguments::name() const { return app_->get_name(); }

std::vector<Arguments> Arguments::commands() const {
  std::vector<Arguments> list;
  for (CLI::App* sub : app_->get_subcommands([](const CLI::App*) { return true; })) list.emplace_back(sub);
  return list;
}

std::vector<std::string> Arguments::option_names() const {
  std::vector<std::string> names;
  for (const CLI::Option* option : std::as_const(*app_).get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

}  // namespace chorus::app
