// The functions of the API: one per row, a second one where outputs may be left out or their number varies.
//
// Parameters: operands that are required, required attributes, optional operands, attributes with defaults. `keepdims` is 0 unless
// asked for, as in NumPy; attributes that name an element type are a DType.
#include "gen.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

namespace chorus::gen {
namespace {

std::string lower(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    const bool capital = name[i] >= 'A' && name[i] <= 'Z';
    const bool after_small = i > 0 && name[i - 1] >= 'a' && name[i - 1] <= 'z';
    if (capital && after_small) out += '_';
    out += capital ? static_cast<char>(name[i] - 'A' + 'a') : name[i];
  }
  return out;
}

bool names_a_type(std::string_view attribute) {
  static const std::set<std::string_view> kNames = {
      "to", "dtype", "output_dtype", "output_datatype", "stash_type", "softmax_precision"};
  return kNames.count(attribute) > 0;
}

struct Parameter {
  std::string type, name, fallback;  // fallback empty: required
};

std::string number(float v) {
  std::string s = fmt::format("{}", v);
  if (s.find_first_of(".en") == std::string::npos) s += ".0";
  return s + "f";
}

template <class T, class F>
std::string braces(const std::vector<T>& list, F text) {
  std::string out = "{";
  for (const T& v : list) out += (out.size() > 1 ? ", " : "") + text(v);
  return out + "}";
}
std::string quoted(std::string_view s) { return fmt::format("\"{}\"", s); }

// A function under construction.
class Function {
 public:
  explicit Function(const OpDef& def) : def_(def), schema_(def.newest()) {
    for (const Param& p : schema_.inputs) {
      if (is_required(p)) operand(p);
    }
    for (const Attr& a : schema_.attributes) {
      if (a.required) attribute(a);
    }
    for (const Param& p : schema_.inputs) {
      if (!is_required(p)) operand(p);
    }
    for (const Attr& a : schema_.attributes) {
      if (!a.required) attribute(a);
    }
  }

  bool may_drop_outputs() const {
    const auto& o = schema_.outputs;
    return std::any_of(o.begin(), o.end(), [](const Param& p) { return p.count == Count::variadic; }) ||
           (o.size() > 1 && std::any_of(o.begin(), o.end(), [](const Param& p) { return p.count == Count::optional; }));
  }
  bool has_single() const {
    return !schema_.outputs.empty() && schema_.outputs[0].count != Count::variadic &&
           (schema_.outputs.size() == 1 || may_drop_outputs());
  }
  size_t fixed_outputs() const {
    return schema_.outputs.size() > 1 && !may_drop_outputs() ? schema_.outputs.size() : 0;
  }

  std::string head(bool many, bool defaults) const {
    const std::string result = many                  ? "std::vector<Tensor>"
                               : fixed_outputs() > 0 ? fmt::format("std::array<Tensor, {}>", fixed_outputs())
                                                     : "Tensor";
    std::string list = many ? "int outputs" : "";
    for (const Parameter& p : parameters_) {
      list += fmt::format("{}{} {}", list.empty() ? "" : ", ", p.type, p.name);
      if (defaults && !p.fallback.empty()) list += " = " + p.fallback;
    }
    return fmt::format("{} {}{}({})", result, def_.api.cpp, many ? "_outputs" : "", list);
  }

  std::string body(bool many) const {
    std::string text = fmt::format("  static const OpDef& op_ = builtin_op(\"{}\", \"{}\");\n", def_.domain, def_.name);
    std::string attributes = "{}";
    if (!setters_.empty()) {
      text += "  Attributes attributes_;\n" + setters_;
      attributes = "std::move(attributes_)";
    }
    std::string operands;
    if (has_variadic()) {
      text += "  Operands operands_;\n";
      for (const Param& p : schema_.inputs) text += fmt::format("  operands_.add({});\n", lower(p.name));
      operands = "operands_";
    } else {
      for (const Param& p : schema_.inputs) operands += (operands.empty() ? "&" : ", &") + lower(p.name);
      operands = "{" + operands + "}";
    }
    if (!many && fixed_outputs() == 0)
      return text + fmt::format("  return call_one(op_, {}, {});\n", operands, attributes);
    if (!has_variadic()) {
      text += schema_.inputs.empty() ? "  const std::span<const Tensor* const> operands_;\n"
                                     : fmt::format("  const Tensor* const operands_[] = {};\n", operands);
    }
    if (many) return text + fmt::format("  return call_many(op_, operands_, {}, outputs);\n", attributes);
    return text +
           fmt::format("  return as_array<{0}>(call_many(op_, operands_, {1}, {0}));\n", fixed_outputs(), attributes);
  }

 private:
  static bool is_required(const Param& p) {
    return p.count == Count::one || (p.count == Count::variadic && p.at_least > 0);
  }
  bool has_variadic() const {
    return std::any_of(schema_.inputs.begin(), schema_.inputs.end(),
                       [](const Param& p) { return p.count == Count::variadic; });
  }
  void operand(const Param& p) {
    if (p.count == Count::variadic)
      parameters_.push_back({"const std::vector<Tensor>&", lower(p.name), p.at_least > 0 ? "" : "{}"});
    else
      parameters_.push_back({"const Tensor&", lower(p.name), p.count == Count::optional ? "{}" : ""});
  }
  void set(const std::string& condition, std::string_view name, const std::string& value) {
    setters_ += condition.empty() ? fmt::format("  attributes_.set(\"{}\", {});\n", name, value)
                                  : fmt::format("  if ({}) attributes_.set(\"{}\", {});\n", condition, name, value);
  }
  // A kind of one value: `type` with a default, std::optional without.
  void single(const Attr& a, const std::string& type, const std::string& fallback, const std::string& value) {
    const std::string name = lower(a.name);
    if (a.required) {
      parameters_.push_back({type, name, ""});
      set("", a.name, fmt::format(fmt::runtime(value), name));
    } else if (!fallback.empty()) {
      parameters_.push_back({type, name, fallback});
      set(name + " != " + fallback, a.name, fmt::format(fmt::runtime(value), name));
    } else {
      parameters_.push_back({fmt::format("std::optional<{}>", type), name, "{}"});
      set(name + ".has_value()", a.name, fmt::format(fmt::runtime(value), "*" + name));
    }
  }
  template <class T, class F>
  void list(const Attr& a, const std::string& element, F text) {
    const std::string name = lower(a.name), type = fmt::format("const std::vector<{}>&", element);
    const auto* fallback = a.fallback.get<std::vector<T>>();
    if (a.required) {
      parameters_.push_back({type, name, ""});
      set("", a.name, name);
      return;
    }
    parameters_.push_back({type, name, fallback == nullptr ? "{}" : braces(*fallback, text)});
    set(fallback == nullptr ? "!" + name + ".empty()"
                            : fmt::format("{} != std::vector<{}>{}", name, element, braces(*fallback, text)),
        a.name, name);
  }
  void element_type(const Attr& a) {
    const std::string name = lower(a.name), value = fmt::format("static_cast<int64_t>({})", name);
    const auto* fallback = a.fallback.get<int64_t>();
    if (a.required) {
      parameters_.push_back({"DType", name, ""});
      set("", a.name, value);
      return;
    }
    const std::string otherwise = fallback == nullptr || *fallback == 0
                                      ? "DType::undefined"
                                      : fmt::format("DType::{}", dtype_name(static_cast<DType>(*fallback)));
    parameters_.push_back({"DType", name, otherwise});
    set(name + " != " + otherwise, a.name, value);
  }
  void attribute(const Attr& a) {
    switch (a.kind) {
      case AttrKind::integer: {
        if (names_a_type(a.name)) return element_type(a);
        const auto* v = a.fallback.get<int64_t>();
        const std::string own = v == nullptr ? "" : fmt::format("{}", *v);
        if (a.name != "keepdims") return single(a, "int64_t", own, "{}");
        parameters_.push_back({"int64_t", a.name, "0"});
        return set(a.name + " != " + own, a.name, a.name);
      }
      case AttrKind::real: {
        const auto* v = a.fallback.get<float>();
        return single(a, "float", v == nullptr ? "" : number(*v), "{}");
      }
      case AttrKind::string: {
        const auto* v = a.fallback.get<std::string>();
        return single(a, "std::string_view", v == nullptr ? "" : quoted(*v), "{}");
      }
      case AttrKind::tensor:
        parameters_.push_back({"const Tensor&", lower(a.name), a.required ? "" : "{}"});
        return set(a.required ? "" : lower(a.name) + ".defined()", a.name, lower(a.name) + ".value()");
      case AttrKind::graph:
        parameters_.push_back({"const std::shared_ptr<const Graph>&", lower(a.name), a.required ? "" : "{}"});
        return set(a.required ? "" : lower(a.name), a.name, lower(a.name));
      case AttrKind::integers: return list<int64_t>(a, "int64_t", [](int64_t v) { return fmt::format("{}", v); });
      case AttrKind::reals: return list<float>(a, "float", number);
      case AttrKind::strings:
        return list<std::string>(a, "std::string", [](const std::string& s) { return quoted(s); });
      default: return;  // types and sparse tensors have no C++ form in the public API
    }
  }

  const OpDef& def_;
  const Schema& schema_;
  std::vector<Parameter> parameters_;
  std::string setters_;
};

// A declaration in lines of at most 120 characters.
std::string broken(const std::string& text, size_t first) {
  std::string out;
  size_t column = first, from = 0;
  while (from < text.size()) {
    size_t to = text.find(", ", from);
    to = to == std::string::npos ? text.size() : to + 2;
    std::string piece = text.substr(from, to - from);
    if (column + piece.size() > 119 && from > 0) {
      out.pop_back();
      out += "\n    ";
      column = 4;
    }
    out += piece;
    column += piece.size();
    from = to;
  }
  return out;
}

std::string comment(const OpDef& def) {
  std::string text = wrapped(def.doc, "/// ");
  std::string kinds = fmt::format("{}-{}.", def.name, def.newest_version());
  switch (def.api.promote) {
    case Promote::common_type: kinds += " Operands of different types are promoted to a common one."; break;
    case Promote::to_float: kinds += " Integers are computed as float32."; break;
    case Promote::sum_to_int64: kinds += " Integers and bools are summed as int64."; break;
    case Promote::to_bool: kinds += " Numbers are taken as true unless 0."; break;
    case Promote::same_type: break;
  }
  return text + wrapped(kinds, "/// ");
}

}  // namespace

bool has_function(const OpDef& def) {
  return def.api.form == Form::function && (def.origin == Origin::onnx || def.origin == Origin::chorus_public) &&
         !def.newest().deprecated;
}

std::string declaration_of(const OpDef& def) {
  if (!has_function(def)) return {};
  const Function f(def);
  std::string text;
  if (f.has_single() || f.fixed_outputs() > 0) text = broken(f.head(false, true), 0);
  if (f.may_drop_outputs()) text += (text.empty() ? "" : ";\n") + broken(f.head(true, true), 0);
  return text;
}

std::string wrapped(std::string_view text, std::string_view prefix) {
  std::string out, line(prefix);
  size_t from = 0;
  while (from < text.size()) {
    size_t to = std::min(text.find(' ', from), text.size());
    const std::string word(text.substr(from, to - from));
    if (line.size() > prefix.size() && line.size() + 1 + word.size() > 120) {
      out += line + "\n";
      line = prefix;
    }
    if (line.size() > prefix.size()) line += ' ';
    line += word;
    from = to + 1;
  }
  return line.size() > prefix.size() ? out + line + "\n" : out;
}

void add_api(Files& files) {
  std::string header =
      "// Written by chorus-gen from the operator table: do not edit. One function per operator; a second one, named "
      "_outputs, where\n"
      "// outputs may be left out or their number varies (`outputs` is how many are wanted). Empty Tensors are omitted "
      "operands.\n"
      "// All throw Error naming operator, operand and values for operands that do not fit.\n"
      "#pragma once\n#include <chorus/tensor.h>\n\n#include <array>\n#include <memory>\n#include <optional>\n#include "
      "<string>\n"
      "#include <string_view>\n#include <vector>\n\nnamespace chorus {\n\nclass Graph;\n";
  std::string source =
      "// Written by chorus-gen from the operator table: do not edit.\n#include <chorus/ops.h>\n#include "
      "<tensor/call.h>\n\n"
      "namespace chorus {\n";
  for (const OpDef* def : all_ops()) {
    if (!has_function(*def)) continue;
    const Function f(*def);
    header += "\n" + comment(*def);
    const auto add = [&](bool many) {
      header += "CHORUS_API " + broken(f.head(many, true), 11) + ";\n";
      source += "\n" + broken(f.head(many, false), 0) + " {\n" + f.body(many) + "}\n";
    };
    if (f.has_single() || f.fixed_outputs() > 0) add(false);
    if (f.may_drop_outputs()) add(true);
  }
  files["include/chorus/ops.h"] = header + "\n}  // namespace chorus\n";
  files["src/ops.cpp"] = source + "\n}  // namespace chorus\n";
}

}  // namespace chorus::gen
