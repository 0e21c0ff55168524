// The table as JSON: what `chorus ops --json` prints and tools/truth/check_table.py compares with the onnx package.
#include <core/type.h>
#include <ops/gradients/rules.h>
#include <ops/op_def.h>
#include <ops/table.h>

#include <fmt/format.h>

#include <iterator>

namespace chorus {
namespace {

std::string quote(std::string_view s) {
  std::string out = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string_view onnx_name(DType type) {
  return type == DType::float32 ? "float" : type == DType::float64 ? "double" : dtype_name(type);
}

std::string joined(const std::vector<std::string>& items) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : ", ") + item;
  return out;
}

/// "tensor(float)", "seq(tensor(int64))" … of a set, as ONNX spells them.
std::vector<std::string> spelled(const TypeSet& set) {
  std::vector<std::string> out;
  const auto add = [&](uint32_t bits, std::string_view before, std::string_view after) {
    for (int i = 1; i < kDTypeCount; ++i) {
      const auto type = static_cast<DType>(i);
      if (dtype_in(type, bits)) out.push_back(fmt::format("{}tensor({}){}", before, onnx_name(type), after));
    }
  };
  add(set.tensor, "", "");
  add(set.sequence, "seq(", ")");
  add(set.optional, "optional(", ")");
  add(set.optional_sequence, "optional(seq(", "))");
  out.insert(out.end(), set.maps.begin(), set.maps.end());
  return out;
}

/// A parameter with a type of its own has that type's spelling in place of a letter.
bool is_letter(const TypeSet& set) {
  const auto all = spelled(set);
  return all.size() != 1 ||
         (parse_short_dtype(set.letter) == DType::undefined && set.letter.find('.') == std::string::npos);
}

std::string params_json(const Schema& schema, const std::vector<Param>& params) {
  std::vector<std::string> items;
  for (const Param& p : params) {
    const TypeSet& set = schema.types[static_cast<size_t>(p.type_set)];
    const char* option = p.count == Count::one ? "single" : p.count == Count::optional ? "optional" : "variadic";
    items.push_back(fmt::format(
        R"({{"name": {}, "option": "{}", "type_str": {}, "min_arity": {}, "homogeneous": {}, "host_value": {}, "differentiable": {}}})",
        quote(p.name), option, quote(is_letter(set) ? set.letter : spelled(set)[0]),
        p.count == Count::variadic ? p.at_least : 1, !p.mixed_types, p.host_value, p.differentiable));
  }
  return "[" + joined(items) + "]";
}

std::string default_json(const AttrValue& v) {
  const auto list = [](const auto& values, auto&& item) {
    std::vector<std::string> items;
    for (const auto& x : values) items.push_back(item(x));
    return "[" + joined(items) + "]";
  };
  const auto number = [](auto x) { return fmt::format("{}", x); };
  if (const auto* x = v.get<int64_t>()) return number(*x);
  if (const auto* x = v.get<float>()) return number(*x);
  if (const auto* x = v.get<std::string>()) return quote(*x);
  if (const auto* x = v.get<std::vector<int64_t>>()) return list(*x, number);
  if (const auto* x = v.get<std::vector<float>>()) return list(*x, number);
  if (const auto* x = v.get<std::vector<std::string>>()) return list(*x, [](const std::string& s) { return quote(s); });
  return "null";
}

std::string version_json(const Schema& schema) {
  std::vector<std::string> attributes, types;
  for (const Attr& a : schema.attributes) {
    attributes.push_back(fmt::format(R"({{"name": {}, "type": "{}", "required": {}, "default": {}}})", quote(a.name),
                                     attr_kind_name(a.kind), a.required, default_json(a.fallback)));
  }
  for (const TypeSet& set : schema.types) {
    if (!is_letter(set)) continue;
    std::vector<std::string> allowed;
    for (const auto& t : spelled(set)) allowed.push_back(quote(t));
    types.push_back(quote(set.letter) + ": [" + joined(allowed) + "]");
  }
  return fmt::format(
      R"({{"since": {}, "deprecated": {}, "inputs": {}, "outputs": {}, "attributes": [{}], "types": {{{}}}}})",
      schema.since, schema.deprecated, params_json(schema, schema.inputs), params_json(schema, schema.outputs),
      joined(attributes), joined(types));
}

std::string gradient_json(const OpDef& def) {
  if (gradients::is_not_derived(def)) return R"("gradient": "not derived")";
  if (std::holds_alternative<Vjp>(def.gradient)) return R"("gradient": "rule")";
  if (const auto* none = std::get_if<NoGradient>(&def.gradient)) {
    return R"("gradient": "none", "gradient_reason": )" + quote(none->reason);
  }
  return R"("gradient": "not derived")";
}

}  // namespace

std::string table_json() {
  std::string out = "[";
  for (const OpDef* def : all_ops()) {
    std::vector<std::string> versions;
    for (size_t i = 0; i < def->versions.size(); ++i)
      versions.push_back(version_json(def->schema(static_cast<int>(i))));
    const auto* primitive = std::get_if<Primitive>(&def->meaning);
    out += out.size() > 1 ? ",\n " : "\n ";
    out += fmt::format(
        R"({{"name": {}, "domain": {}, "api": {}, {}, "decomposition": {}, "primitive_reason": {}, "doc": {},)"
        "\n  \"versions\": [{}]}}",
        quote(def->name), quote(def->domain), quote(def->api.cpp), gradient_json(*def), primitive == nullptr,
        primitive ? quote(primitive->reason) : "null", quote(def->doc), joined(versions));
  }
  return out + "\n]\n";
}

}  // namespace chorus
