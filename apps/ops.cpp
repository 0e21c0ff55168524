// chorus ops: the operator table.
#include "command.h"
#include "op_cases.h"
#include "usage.h"

#include <chorus/error.h>
#include <ops/table.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace chorus::app {
namespace {

std::string full_name(const OpDef& def) {
  return def.domain.empty() ? std::string(def.name) : std::string(def.domain) + "." + std::string(def.name);
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

void print_line(const OpDef& def) {
  const std::string_view line = def.doc.substr(0, def.doc.find('\n'));
  std::printf("%-28s %2d  %.*s\n", full_name(def).c_str(), def.newest_version(), static_cast<int>(line.size()),
              line.data());
}

// All that the row says to a reader: meaning, versions, the newest signature.
void print_whole(const OpDef& def) {
  std::string versions;
  for (const Version& v : def.versions) versions += (versions.empty() ? "" : ", ") + std::to_string(v.since);
  const std::string_view signature = def.versions.back().signature;
  std::printf("%s\n%.*s\nversions   %s\nsignature  %.*s\n", full_name(def).c_str(), static_cast<int>(def.doc.size()),
              def.doc.data(), versions.c_str(), static_cast<int>(signature.size()), signature.data());
}

// The operator of that name in full, else every one whose name holds the word, a line each; letters of either case.
void list_ops(const std::string& word) {
  std::vector<const OpDef*> found;
  std::vector<std::string> names;
  for (const OpDef* def : all_ops()) {
    names.push_back(full_name(*def));
    if (!word.empty() && lower(word) == lower(names.back())) return print_whole(*def);
    if (lower(names.back()).find(lower(word)) != std::string::npos) found.push_back(def);
  }
  if (found.empty()) {
    const std::string likely = likely_name(word, names);
    throw Error(Code::not_found, "no operator is named \"" + word + "\"", {},
                (likely.empty() ? "" : "did you mean " + likely + "? ") + std::string("`chorus ops` lists all"));
  }
  for (const OpDef* def : found) print_line(*def);
}

}  // namespace

void add_ops(Arguments app, Outcome&) {
  Arguments sub = app.command("ops", "the operators that Chorus knows, from the table");
  auto json = std::make_shared<bool>(false);
  auto cases = std::make_shared<std::string>();
  auto per_operator = std::make_shared<int>(50);
  auto name = std::make_shared<std::string>();
  sub.option("NAME", *name, "only this operator, with its versions; or all whose names hold the word");
  sub.flag("--json", *json, "everything that the rows say, as JSON");
  sub.option("--cases", *cases, "write the case grids as ONNX models with inputs below this folder").value("FOLDER");
  sub.option("--per-operator", *per_operator, "data sets of --cases, at least so many for each operator")
      .range(1, 10000)
      .show_default();
  sub.footer(
      "Examples:\n  chorus ops Conv\n  chorus ops pool\n  chorus ops --json\n  chorus ops --cases cases --per-operator "
      "60");
  sub.action([name, json, cases, per_operator] {
    if (!cases->empty()) {
      std::printf("%d models\n", write_op_cases(*cases, *per_operator));
      return;
    }
    if (*json) {
      std::printf("%s\n", table_json().c_str());
      return;
    }
    list_ops(*name);
  });
}

}  // namespace chorus::app
