// The pages of the operators: docs/operators/<Operator>.md, and an index. What engines do comes from docs/engine_matrix.md.
#include "gen.h"

#include <ops/gradients/rules.h>
#include <fmt/format.h>

#include <sstream>
#include <stdexcept>
#include <vector>

namespace chorus::gen {
namespace {

std::string page_name(const OpDef& def) {
  return def.domain.empty() ? fmt::format("{}.md", def.name) : fmt::format("{}.{}.md", def.domain, def.name);
}

std::string types_of(const TypeSet& set) {
  std::string out;
  const auto add = [&](uint32_t mask, std::string_view before, std::string_view after) {
    for (int t = 1; t < kDTypeCount; ++t) {
      if (mask & (1u << t))
        out += fmt::format("{}{}{}{}", out.empty() ? "" : ", ", before, dtype_name(static_cast<DType>(t)), after);
    }
  };
  add(set.tensor, "", "");
  add(set.sequence, "sequence(", ")");
  add(set.optional, "optional(", ")");
  add(set.optional_sequence, "optional(sequence(", "))");
  for (const std::string& m : set.maps) out += (out.empty() ? "" : ", ") + m;
  return out;
}

std::string parameters(const Schema& schema, const std::vector<Param>& list) {
  std::string out;
  for (const Param& p : list) {
    const char* count = p.count == Count::one        ? ""
                        : p.count == Count::optional ? ", optional"
                        : p.at_least > 0             ? ", one or more"
                                                     : ", any number";
    out += fmt::format("| `{}` | {}{}{}{} |\n", p.name, schema.types[static_cast<size_t>(p.type_set)].letter, count,
                       p.host_value ? ", read by the shape rule" : "", p.mixed_types ? ", types may differ" : "");
  }
  return out;
}

std::string gradient(const OpDef& def) {
  if (gradients::is_not_derived(def)) return "Not known: a derivative through it is refused.";
  if (std::holds_alternative<Vjp>(def.gradient)) return "By the row's rule.";
  if (const auto* none = std::get_if<NoGradient>(&def.gradient)) return fmt::format("None: {}.", none->reason);
  return "The row has no rule yet.";
}

std::string meaning(const OpDef& def) {
  if (const auto* p = std::get_if<Primitive>(&def.meaning)) return fmt::format("Primitive: {}.", p->reason);
  return "The row expresses it by simpler operators.";
}

std::string cases(std::string_view grid) {
  std::string out;
  bool quoted = false;
  size_t from = 0;
  for (size_t i = 0; i <= grid.size(); ++i) {
    if (i < grid.size() && grid[i] == '\'') quoted = !quoted;
    if (i < grid.size() && (grid[i] != ';' || quoted)) continue;
    std::string_view one = grid.substr(from, i - from);
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
    if (!one.empty()) out += fmt::format("    {}\n", one);
    from = i + 1;
  }
  return out;
}

/// The cells of a line "| a | b |".
std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::stringstream parts(line.substr(1));
  for (std::string cell; std::getline(parts, cell, '|');) {
    const size_t begin = cell.find_first_not_of(' '), end = cell.find_last_not_of(' ');
    cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1));
  }
  return cells;
}

std::string engines(const OpDef& def, const Matrix& matrix) {
  const std::string name = def.domain.empty() ? std::string(def.name) : fmt::format("{}.{}", def.domain, def.name);
  const auto row = matrix.rows.find(name);
  if (row == matrix.rows.end()) return "Not asked yet: [the matrix](../../../docs/engine_matrix.md) has no row.\n";
  std::string head = "|", rule = "|", line = "|";
  for (size_t i = 0; i < matrix.engines.size() && i < row->second.size(); ++i) {
    head += fmt::format(" {} |", matrix.engines[i]);
    rule += "---|";
    line += fmt::format(" {} |", row->second[i]);
  }
  return head + "\n" + rule + "\n" + line + "\n\n" +
         wrapped(
             "Of the cases below that are of the newest version; what the words mean stands in "
             "[the matrix](../../../docs/engine_matrix.md).",
             "");
}

std::string page(const OpDef& def, const Matrix& matrix) {
  const Schema& schema = def.newest();
  std::string text = fmt::format("# {}\n\n{}\n", def.name, wrapped(def.doc, ""));
  if (const std::string c = declaration_of(def); !c.empty()) text += fmt::format("```cpp\n{};\n```\n\n", c);
  text += "| operand | type |\n|---|---|\n" + parameters(schema, schema.inputs);
  text += "\n| result | type |\n|---|---|\n" + parameters(schema, schema.outputs);
  if (!schema.attributes.empty()) {
    text += "\n| attribute | kind | default |\n|---|---|---|\n";
    for (const Attr& a : schema.attributes) {
      const std::string fallback = a.required                                 ? "required"
                                   : a.fallback.kind() == AttrKind::undefined ? "none"
                                                                              : "`" + a.fallback.str() + "`";
      text += fmt::format("| `{}` | {} | {} |\n", a.name, attr_kind_name(a.kind), fallback);
    }
  }
  text += "\n";
  for (const TypeSet& set : schema.types) text += fmt::format("- {}: {}\n", set.letter, types_of(set));
  text += fmt::format("\nDomain {}; versions", def.domain.empty() ? std::string_view("ai.onnx") : def.domain);
  for (const Version& v : def.versions) text += fmt::format(" {}", v.since);
  text += fmt::format(". Promised error of float32: {}.\n",
                      def.ulp == 0 ? "none" : fmt::format("{} units in the last place", def.ulp));
  if (def.sizes == Sizes::known_after_run) text += "Sizes of the results are known only after the run.\n";
  text += fmt::format("\n## Gradient\n\n{}\n\n## Decomposition\n\n{}\n\n## Engines\n\n{}\n## Cases\n\n{}",
                      gradient(def), meaning(def), engines(def, matrix), cases(def.grid));
  return text;
}

}  // namespace

Matrix Matrix::parse(const std::string& page) {
  Matrix matrix;
  std::stringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("| ", 0) != 0) continue;
    std::vector<std::string> cells = cells_of(line);
    const std::string name = cells[0];
    cells.erase(cells.begin());
    if (matrix.engines.empty())
      matrix.engines = std::move(cells);
    else
      matrix.rows[name] = std::move(cells);
  }
  if (matrix.rows.empty()) throw std::runtime_error("docs/engine_matrix.md is missing, or has no table");
  return matrix;
}

void add_docs(Files& files, const Matrix& matrix) {
  std::string index = "# Operators\n\nWritten by chorus-gen from the operator table and docs/engine_matrix.md.\n\n";
  for (const OpDef* def : all_ops()) {
    files["docs/operators/" + page_name(*def)] = page(*def, matrix);
    index += fmt::format("- [{}]({}){}\n", def->name, page_name(*def),
                         has_function(*def) ? fmt::format(" `{}`", def->api.cpp) : "");
  }
  files["docs/operators/README.md"] = index;
}

}  // namespace chorus::gen
