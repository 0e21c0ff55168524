#include <chorus/error.h>
#include <core/convert.h>
#include <ops/grid.h>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace chorus {
namespace {

/// splitmix64: small, and good enough for test data.
uint64_t mix(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

struct Reader {
  const OpDef& def;
  std::string_view text;

  [[noreturn]] void fail(std::string_view why, std::string_view at) const {
    throw Error(Code::internal, fmt::format("{}: grid case \"{}\": {} at \"{}\"", def.name, text, why, at));
  }

  /// Pieces between `separator`s that stand outside quotes, brackets, braces and parentheses.
  static std::vector<std::string_view> split(std::string_view s, char separator) {
    std::vector<std::string_view> parts;
    int depth = 0;
    bool quoted = false;
    size_t begin = 0;
    for (size_t i = 0; i <= s.size(); ++i) {
      if (i == s.size() || (s[i] == separator && depth == 0 && !quoted)) {
        std::string_view part = s.substr(begin, i - begin);
        while (!part.empty() && (part.front() == ' ' || part.front() == '\n')) part.remove_prefix(1);
        while (!part.empty() && (part.back() == ' ' || part.back() == '\n')) part.remove_suffix(1);
        if (!part.empty()) parts.push_back(part);
        begin = i + 1;
        continue;
      }
      if (s[i] == '\'') quoted = !quoted;
      if (quoted) continue;
      if (s[i] == '[' || s[i] == '{' || s[i] == '(') ++depth;
      if (s[i] == ']' || s[i] == '}' || s[i] == ')') --depth;
    }
    return parts;
  }

  int64_t integer(std::string_view s) const {
    int64_t v = 0;
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v);
    if (error != std::errc() || end != s.data() + s.size()) fail("an integer is expected", s);
    return v;
  }
  double real(std::string_view s) const {
    const std::string copy(s);
    char* end = nullptr;
    const double v = std::strtod(copy.c_str(), &end);  // knows inf and nan too
    if (copy.empty() || end != copy.c_str() + copy.size()) fail("a number is expected", s);
    return v;
  }
  std::string quoted(std::string_view s) const {
    if (s.size() < 2 || s.front() != '\'' || s.back() != '\'') fail("a quoted text is expected", s);
    return std::string(s.substr(1, s.size() - 2));
  }
  Shape shape(std::string_view s) const {
    std::vector<int64_t> dims;
    for (const auto part : split(s, ',')) dims.push_back(integer(part));
    return Shape(dims);
  }

  Value constant(DType type, const Shape& shape, std::string_view list) const {
    const auto items = split(list, ',');
    if (static_cast<int64_t>(items.size()) != shape.numel())
      fail("as many elements as the shape has are expected", list);
    if (type == DType::string) {
      std::vector<std::string> texts;
      for (const auto item : items) texts.push_back(quoted(item));
      return Value::strings(shape, texts);
    }
    Value v = Value::tensor(type, shape);
    for (size_t i = 0; i < items.size(); ++i) {
      if (is_integer(type) || type == DType::boolean) {
        // Numbers above int64's largest are written as uint64.
        uint64_t u = 0;
        const auto [end, error] = std::from_chars(items[i].data(), items[i].data() + items[i].size(), u);
        const bool plain = error == std::errc() && end == items[i].data() + items[i].size();
        set_i64(type, v.mutable_data(), static_cast<int64_t>(i), plain ? static_cast<int64_t>(u) : integer(items[i]));
      } else {
        set_f64(type, v.mutable_data(), static_cast<int64_t>(i), real(items[i]));
      }
    }
    return v;
  }

  GridOperand operand(std::string_view word) const {
    GridOperand o;
    if (word == "-") return o;
    if (word.starts_with("seq(") && word.back() == ')') {
      o.kind = GridOperand::Kind::sequence;
      for (const auto item : split(word.substr(4, word.size() - 5), ' ')) o.items.push_back(operand(item));
      if (!o.items.empty()) o.dtype = o.items[0].dtype;
      return o;
    }
    if (word.starts_with("map(") && word.back() == ')') {
      const auto both = split(word.substr(4, word.size() - 5), ' ');
      if (both.size() != 2) fail("keys and values are expected", word);
      const GridOperand keys = operand(both[0]), values = operand(both[1]);
      if (!keys.value || !values.value) fail("constants are expected", word);
      o.kind = GridOperand::Kind::constant;
      o.dtype = keys.dtype;
      o.value = Value::map(keys.value, values.value);
      return o;
    }
    const size_t open = word.find_first_of("[{(");
    if (open == std::string_view::npos) fail("an operand is expected", word);
    o.dtype = parse_short_dtype(word.substr(0, open));
    if (o.dtype == DType::undefined) fail("an element type is expected", word);
    const char closing = word[open] == '[' ? ']' : word[open] == '{' ? '}' : ')';
    const size_t close = word.rfind(closing);
    if (close == std::string_view::npos || close < open) fail("a closing bracket is expected", word);
    const std::string_view inner = word.substr(open + 1, close - open - 1), rest = word.substr(close + 1);
    if (word[open] == '[') {
      o.kind = GridOperand::Kind::made;
      o.shape = shape(inner);
      if (rest.empty()) return o;
      const size_t dots = rest.find("..");
      if (rest[0] != '@' || dots == std::string_view::npos) fail("a range @low..high is expected", rest);
      o.ranged = true;
      o.low = real(rest.substr(1, dots - 1));
      o.high = real(rest.substr(dots + 2));
      return o;
    }
    if (!rest.empty()) fail("a blank is expected", rest);
    o.kind = GridOperand::Kind::constant;
    const size_t colon = inner.find(':');
    const bool shaped = colon != std::string_view::npos && inner.find('\'') > colon;
    if (word[open] == '(') {
      o.shape = Shape();
    } else {
      o.shape = shaped ? shape(inner.substr(0, colon)) : Shape{static_cast<int64_t>(split(inner, ',').size())};
    }
    o.value = constant(o.dtype, o.shape, shaped ? inner.substr(colon + 1) : inner);
    return o;
  }

  AttrValue number(std::string_view s, AttrKind kind) const {
    if (kind == AttrKind::real) return static_cast<float>(real(s));
    if (const DType type = parse_short_dtype(s); type != DType::undefined) return static_cast<int64_t>(type);
    if (kind == AttrKind::integer) return integer(s);
    fail("an attribute of this kind cannot be written in a grid", s);
  }

  AttrValue attribute(const Attr& attr, std::string_view s) const {
    if (attr.kind == AttrKind::string) return quoted(s);
    if (attr.kind == AttrKind::tensor) return operand(s).value;
    if (s.front() != '[') return number(s, attr.kind);
    if (s.back() != ']') fail("a closing bracket is expected", s);
    const auto items = split(s.substr(1, s.size() - 2), ',');
    if (attr.kind == AttrKind::integers) {
      std::vector<int64_t> v;
      for (const auto i : items) v.push_back(integer(i));
      return v;
    }
    if (attr.kind == AttrKind::reals) {
      std::vector<float> v;
      for (const auto i : items) v.push_back(static_cast<float>(real(i)));
      return v;
    }
    if (attr.kind != AttrKind::strings) fail("a list does not fit the attribute's kind", s);
    std::vector<std::string> v;
    for (const auto i : items) v.push_back(quoted(i));
    return v;
  }

  GridCase read() const {
    GridCase out;
    out.text = text;
    out.version = static_cast<int>(def.versions.size()) - 1;
    const auto words = split(text, ' ');
    const auto setting = [](std::string_view word) {
      const size_t equal = word.find('=');
      return equal != std::string_view::npos && word.substr(0, equal).find_first_of("[{(") == std::string_view::npos
                 ? equal
                 : std::string_view::npos;
    };
    for (const auto word : words) {
      if (word.starts_with("v=")) out.version = def.version_index(static_cast<int>(integer(word.substr(2))));
    }
    if (out.version < 0) fail("there is no such version", text);
    const Schema& schema = def.schema(out.version);
    out.outputs = schema.min_outputs();
    for (const auto word : words) {
      const size_t equal = setting(word);
      if (equal == std::string_view::npos) {
        out.operands.push_back(operand(word));
        continue;
      }
      const std::string_view name = word.substr(0, equal), value = word.substr(equal + 1);
      const Attr* attr = schema.attribute(name);
      if (attr != nullptr && !value.empty()) {
        out.attributes.set(name, attribute(*attr, value));
      } else if (name == "out") {
        out.outputs = static_cast<int>(integer(value));
      } else if (name != "v") {
        fail("the signature has no such attribute", word);
      }
    }
    const int given = static_cast<int>(out.operands.size());
    if (given < schema.min_inputs() || given > schema.max_inputs())
      fail("the number of operands does not fit the signature", text);
    return out;
  }
};

Value make_strings(const Shape& shape, uint64_t state) {
  std::vector<std::string> texts;
  for (int64_t i = 0; i < shape.numel(); ++i) {
    std::string s;
    for (uint64_t n = mix(state) % 6; n > 0; --n) s += static_cast<char>('a' + mix(state) % 26);
    texts.push_back(std::move(s));
  }
  return Value::strings(shape, texts);
}

}  // namespace

std::vector<GridCase> parse_grid(const OpDef& def) {
  std::vector<GridCase> cases;
  // A case without operands and attributes (Constant has none of the first) is written as "v=…" or "out=1".
  for (const auto text : Reader::split(def.grid, ';')) cases.push_back(Reader{def, text}.read());
  return cases;
}

Value make_input(const GridOperand& operand, uint64_t seed) {
  switch (operand.kind) {
    case GridOperand::Kind::omitted: return {};
    case GridOperand::Kind::constant: return operand.value;
    case GridOperand::Kind::sequence: {
      std::vector<Value> items;
      for (const GridOperand& item : operand.items) items.push_back(make_input(item, mix(seed)));
      return Value::sequence(operand.dtype, std::move(items));
    }
    case GridOperand::Kind::made: break;
  }
  uint64_t state = seed;
  if (operand.dtype == DType::string) return make_strings(operand.shape, state);
  Value v = Value::tensor(operand.dtype, operand.shape);
  const int64_t n = operand.shape.numel();
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t r = mix(state);
    const double unit = static_cast<double>(r >> 11) * 0x1.0p-53;
    if (operand.dtype == DType::boolean) {
      set_i64(operand.dtype, v.mutable_data(), i, static_cast<int64_t>(r & 1));
    } else if (is_integer(operand.dtype)) {
      double low = operand.low, high = operand.high;
      if (!operand.ranged) {
        // Ranges that the narrow types can hold.
        const int bits = dtype_bits(operand.dtype);
        low = is_unsigned_integer(operand.dtype) ? 0 : -std::min(8, 1 << (bits > 8 ? 8 : bits - 1));
        high = is_unsigned_integer(operand.dtype) ? std::min(16, (1 << (bits > 8 ? 8 : bits)) - 1)
                                                  : std::min(8, (1 << (bits > 8 ? 8 : bits - 1)) - 1);
      }
      const auto span = static_cast<uint64_t>(high - low) + 1;
      set_i64(operand.dtype, v.mutable_data(), i, static_cast<int64_t>(low) + static_cast<int64_t>(r % span));
    } else {
      const double low = operand.ranged ? operand.low : -2, high = operand.ranged ? operand.high : 2;
      const std::complex<double> value(
          low + (high - low) * unit,
          is_complex(operand.dtype) ? low + (high - low) * (static_cast<double>(mix(state) >> 11) * 0x1.0p-53) : 0);
      if (is_complex(operand.dtype)) {
        store_c128(operand.dtype, v.mutable_data(), i, 1, &value);
      } else {
        set_f64(operand.dtype, v.mutable_data(), i, value.real());
      }
    }
  }
  return v;
}

std::vector<Value> make_inputs(const GridCase& one, uint64_t seed) {
  std::vector<Value> out;
  for (const GridOperand& operand : one.operands) out.push_back(make_input(operand, mix(seed)));
  return out;
}

}  // namespace chorus
