// chorus ops: the operator table.
#include "command.h"

#include <ops/table.h>

#include <cstdio>
#include <memory>

namespace chorus::app {

void add_ops(CLI::App& app, Outcome&) {
  CLI::App* sub = app.add_subcommand("ops", "the operators that Chorus knows, from the table");
  auto json = std::make_shared<bool>(false);
  sub->add_flag("--json", *json, "everything that the rows say, as JSON");
  sub->callback([json] {
    if (*json) {
      std::printf("%s\n", table_json().c_str());
      return;
    }
    for (const OpDef* def : all_ops()) {
      std::printf("%s%s%-28s %2d  %.*s\n", std::string(def->domain).c_str(), def->domain.empty() ? "" : ".", std::string(def->name).c_str(),
                  def->newest_version(), static_cast<int>(def->doc.find('\n') == std::string_view::npos ? def->doc.size() : def->doc.find('\n')),
                  def->doc.data());
    }
  });
}

}  // namespace chorus::app
