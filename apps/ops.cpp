// chorus ops: the operator table.
#include "command.h"
#include "op_cases.h"

#include <ops/table.h>

#include <cstdio>
#include <memory>

namespace chorus::app {

void add_ops(Arguments app, Outcome&) {
  Arguments sub = app.command("ops", "the operators that Chorus knows, from the table");
  auto json = std::make_shared<bool>(false);
  auto cases = std::make_shared<std::string>();
  auto per_operator = std::make_shared<int>(50);
  sub.flag("--json", *json, "everything that the rows say, as JSON");
  sub.option("--cases", *cases, "write the case grids as ONNX models with inputs below this folder").value("FOLDER");
  sub.option("--per-operator", *per_operator, "data sets of --cases, at least so many for each operator")
      .range(1, 10000)
      .show_default();
  sub.footer("Examples:\n  chorus ops | grep Pool\n  chorus ops --json\n  chorus ops --cases cases --per-operator 60");
  sub.action([json, cases, per_operator] {
    if (!cases->empty()) {
      std::printf("%d models\n", write_op_cases(*cases, *per_operator));
      return;
    }
    if (*json) {
      std::printf("%s\n", table_json().c_str());
      return;
    }
    for (const OpDef* def : all_ops()) {
      std::printf(
          "%s%s%-28s %2d  %.*s\n", std::string(def->domain).c_str(), def->domain.empty() ? "" : ".",
          std::string(def->name).c_str(), def->newest_version(),
          static_cast<int>(def->doc.find('\n') == std::string_view::npos ? def->doc.size() : def->doc.find('\n')),
          def->doc.data());
    }
  });
}

}  // namespace chorus::app
