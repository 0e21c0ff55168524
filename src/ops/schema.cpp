#include <chorus/error.h>
#include <ops/schema.h>

#include <fmt/format.h>

#include <charconv>
#include <climits>
#include <cstdlib>
#include <utility>

namespace chorus {
namespace {

constexpr std::string_view kShort[kDTypeCount] = {
    "",           "f32", "u8",  "i8",     "u16",    "i16",  "i32",  "i64",      "str",        "bool",
    "f16",        "f64", "u32", "u64",    "c64",    "c128", "bf16", "f8e4m3fn", "f8e4m3fnuz", "f8e5m2",
    "f8e5m2fnuz", "u4",  "i4",  "f4e2m1", "f8e8m0", "u2",   "i2",   "f6e2m3",   "f6e3m2"};

template <class... T>
constexpr uint32_t mask(T... types) {
  return (dtype_bit(types) | ...);
}
constexpr uint32_t kIeee = mask(DType::float16, DType::float32, DType::float64);
constexpr uint32_t kInts = mask(DType::int8, DType::int16, DType::int32, DType::int64);
constexpr uint32_t kUints = mask(DType::uint8, DType::uint16, DType::uint32, DType::uint64);
constexpr uint32_t kF8 = mask(DType::float8e4m3fn, DType::float8e4m3fnuz, DType::float8e5m2, DType::float8e5m2fnuz);
constexpr uint32_t kNum = kIeee | kInts | kUints;
constexpr uint32_t kAll = kNum | kComplex | mask(DType::boolean, DType::string);
constexpr uint32_t kAll13 = kAll | mask(DType::bfloat16);
constexpr uint32_t kAll19 = kAll13 | kF8;
constexpr uint32_t kAll21 = kAll19 | mask(DType::int4, DType::uint4);
constexpr uint32_t kAll23 = kAll21 | mask(DType::float4e2m1);
constexpr uint32_t kAll24 = kAll23 | mask(DType::float8e8m0);
constexpr uint32_t kAll25 = kAll24 | mask(DType::int2, DType::uint2);
constexpr uint32_t kAll28 = kAll25 | mask(DType::float6e2m3, DType::float6e3m2);

constexpr std::pair<std::string_view, uint32_t> kGroups[] = {
    {"ieee", kIeee},       {"floats", kIeee | mask(DType::bfloat16)},
    {"ints", kInts},       {"uints", kUints},
    {"complex", kComplex}, {"f8", kF8},
    {"num", kNum},         {"all", kAll},
    {"all13", kAll13},     {"all19", kAll19},
    {"all21", kAll21},     {"all23", kAll23},
    {"all24", kAll24},     {"all25", kAll25},
    {"all28", kAll28},     {"any", kAll28}};

constexpr std::pair<std::string_view, AttrKind> kKinds[] = {
    {"int", AttrKind::integer},          {"float", AttrKind::real},
    {"string", AttrKind::string},        {"tensor", AttrKind::tensor},
    {"graph", AttrKind::graph},          {"type", AttrKind::type},
    {"sparse", AttrKind::sparse_tensor}, {"ints", AttrKind::integers},
    {"floats", AttrKind::reals},         {"strings", AttrKind::strings},
    {"tensors", AttrKind::tensors},      {"graphs", AttrKind::graphs},
    {"types", AttrKind::types},          {"sparses", AttrKind::sparse_tensors}};

/// ONNX's own spelling inside map types.
std::string_view onnx_name(DType type) {
  switch (type) {
    case DType::float32: return "float";
    case DType::float64: return "double";
    default: return dtype_name(type);
  }
}

bool word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

class Parser {
 public:
  Parser(int since, std::string_view text) : text_(text) { schema_.since = since; }

  Schema run() {
    schema_.inputs = parameters();
    expect('-');
    expect('>');
    schema_.outputs = parameters();
    if (accept('{')) attributes();
    while (accept(';')) types();
    space();
    if (at_ != text_.size()) fail("the end");
    resolve(schema_.inputs, 0);
    resolve(schema_.outputs, schema_.inputs.size());
    return std::move(schema_);
  }

 private:
  [[noreturn]] void fail(std::string_view expected) const {
    throw Error(Code::internal, fmt::format("signature: expected {} at position {} of \"{}\", found \"{}\"", expected,
                                            at_, text_, text_.substr(std::min(at_, text_.size()), 12)));
  }
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(fmt::format("'{}'", c));
  }
  std::string word(std::string_view expected, bool dots = false) {
    space();
    const size_t begin = at_;
    while (at_ < text_.size() && (word_char(text_[at_]) || (dots && text_[at_] == '.'))) ++at_;
    if (begin == at_) fail(expected);
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::vector<Param> parameters() {
    std::vector<Param> list;
    expect('(');
    if (accept(')')) return list;
    do {
      list.push_back(parameter());
    } while (accept(','));
    expect(')');
    return list;
  }

  Param parameter() {
    Param p;
    p.host_value = accept('@');
    pending_.push_back({word("a type", true), at_});
    if (accept('?')) {
      p.count = Count::optional;
      p.at_least = 0;
    } else if (accept('*')) {
      p.count = Count::variadic;
      p.at_least = 0;
    } else if (accept('+')) {
      p.count = Count::variadic;
    }
    p.mixed_types = accept('~');
    p.name = word("a parameter's name", true);  // Split-1 calls its result "outputs..."
    if (accept('!')) {
      if (word("'d'") != "d") fail("'!d'");
      p.differentiable = false;
    }
    return p;
  }

  void attributes() {
    if (accept('}')) return;
    do {
      Attr a;
      a.name = word("an attribute's name");
      expect(':');
      const std::string kind = word("an attribute's kind");
      for (const auto& [name, value] : kKinds) {
        if (name == kind) a.kind = value;
      }
      if (a.kind == AttrKind::undefined) fail("a kind of attribute before");
      a.required = accept('!');
      if (accept('=')) a.fallback = default_value(a.kind);
      schema_.attributes.push_back(std::move(a));
    } while (accept(','));
    expect('}');
  }

  AttrValue default_value(AttrKind kind) {
    switch (kind) {
      case AttrKind::integer: return integer();
      case AttrKind::real: return real();
      case AttrKind::string: return text();
      case AttrKind::integers: return list<int64_t>([&] { return integer(); });
      case AttrKind::reals: return list<float>([&] { return real(); });
      case AttrKind::strings: return list<std::string>([&] { return text(); });
      default: fail("no default for this kind");
    }
  }
  template <class T, class Item>
  std::vector<T> list(Item&& item) {
    std::vector<T> out;
    expect('[');
    if (accept(']')) return out;
    do {
      out.push_back(item());
    } while (accept(','));
    expect(']');
    return out;
  }
  int64_t integer() {
    space();
    int64_t v = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), v);
    if (error != std::errc()) fail("an integer");
    at_ = static_cast<size_t>(end - text_.data());
    return v;
  }
  float real() {
    space();
    float v = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), v);
    if (error != std::errc()) fail("a number");
    at_ = static_cast<size_t>(end - text_.data());
    return v;
  }
  std::string text() {
    expect('\'');
    const size_t end = text_.find('\'', at_);
    if (end == std::string_view::npos) fail("a closing quote");
    std::string s(text_.substr(at_, end - at_));
    at_ = end + 1;
    return s;
  }

  void types() {
    TypeSet set;
    set.letter = word("a type letter");
    if (set.letter == "deprecated") {
      schema_.deprecated = true;
      return;
    }
    expect('=');
    for (space(); at_ < text_.size() && word_char(text_[at_]); space()) {
      const std::string member = word("a type", true);
      if (!add_member(set, member)) fail("a known type before");
    }
    schema_.types.push_back(std::move(set));
  }

  static uint32_t member_mask(std::string_view name) {
    if (const DType d = parse_short_dtype(name); d != DType::undefined) return dtype_bit(d);
    return dtype_group(name);
  }

  static bool add_map(TypeSet& set, std::string_view rest, bool sequence) {
    const size_t dot = rest.find('.');
    if (dot == std::string_view::npos) return false;
    const DType key = parse_short_dtype(rest.substr(0, dot)), value = parse_short_dtype(rest.substr(dot + 1));
    if (key == DType::undefined || value == DType::undefined) return false;
    const std::string map = fmt::format("map({}, {})", onnx_name(key), onnx_name(value));
    set.maps.push_back(sequence ? "seq(" + map + ")" : map);
    set.any_map = true;
    return true;
  }

  static bool add_member(TypeSet& set, std::string_view member) {
    uint32_t* field = &set.tensor;
    const auto strip = [&](std::string_view prefix, uint32_t* target) {
      if (!member.starts_with(prefix)) return false;
      member.remove_prefix(prefix.size());
      field = target;
      return true;
    };
    if (member.starts_with("map.")) return add_map(set, member.substr(4), false);
    if (member.starts_with("seq.map.")) return add_map(set, member.substr(8), true);
    strip("opt.seq.", &set.optional_sequence) || strip("opt.", &set.optional) || strip("seq.", &set.sequence);
    const uint32_t bits = member_mask(member);
    *field |= bits;
    return bits != 0;
  }

  /// Letters stand before the type sections: they are looked up when all is read.
  void resolve(std::vector<Param>& list, size_t first) {
    for (size_t i = 0; i < list.size(); ++i) {
      const auto& [letter, position] = pending_[first + i];
      list[i].type_set = type_index(letter, position);
    }
  }
  int type_index(const std::string& letter, size_t position) {
    for (size_t i = 0; i < schema_.types.size(); ++i) {
      if (schema_.types[i].letter == letter) return static_cast<int>(i);
    }
    TypeSet set;
    set.letter = letter;
    if (!add_member(set, letter)) {
      // Long names of element types ("int64") are as good as the short ones.
      try {
        set.tensor = dtype_bit(parse_dtype(letter));
      } catch (const Error&) {
        at_ = position;
        fail(fmt::format("'{}' to be a type letter or an element type", letter));
      }
    }
    schema_.types.push_back(std::move(set));
    return static_cast<int>(schema_.types.size()) - 1;
  }

  std::string_view text_;
  size_t at_ = 0;
  Schema schema_;
  std::vector<std::pair<std::string, size_t>> pending_;
};

const Param* operand(const std::vector<Param>& list, int i) noexcept {
  if (i < 0 || list.empty()) return nullptr;
  if (i < static_cast<int>(list.size())) return &list[static_cast<size_t>(i)];
  return list.back().count == Count::variadic ? &list.back() : nullptr;
}

/// Operands up to the last one that must be there.
int least(const std::vector<Param>& list) noexcept {
  int n = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    const int needed = list[i].count == Count::one ? 1 : list[i].count == Count::variadic ? list[i].at_least : 0;
    if (needed > 0) n = static_cast<int>(i) + needed;
  }
  return n;
}
int most(const std::vector<Param>& list) noexcept {
  return !list.empty() && list.back().count == Count::variadic ? INT_MAX : static_cast<int>(list.size());
}

std::string params_str(const Schema& schema, const std::vector<Param>& list) {
  std::string out = "(";
  for (const Param& p : list) {
    if (out.size() > 1) out += ", ";
    if (p.host_value) out += "@";
    out += schema.types[static_cast<size_t>(p.type_set)].letter;
    if (p.count == Count::optional) out += "?";
    if (p.count == Count::variadic) out += p.at_least == 0 ? "*" : "+";
    if (p.mixed_types) out += "~";
    out += " " + p.name;
    if (!p.differentiable) out += " !d";
  }
  return out + ")";
}

std::string members_str(const TypeSet& set) {
  std::string out;
  const auto add = [&](std::string_view prefix, uint32_t bits) {
    for (int i = 1; i < kDTypeCount; ++i) {
      if (dtype_in(static_cast<DType>(i), bits)) out += fmt::format(" {}{}", prefix, kShort[i]);
    }
  };
  add("", set.tensor);
  add("seq.", set.sequence);
  add("opt.", set.optional);
  add("opt.seq.", set.optional_sequence);
  for (const std::string& map : set.maps) out += " " + map;
  return out;
}

}  // namespace

DType parse_short_dtype(std::string_view name) noexcept {
  for (int i = 1; i < kDTypeCount; ++i) {
    if (kShort[i] == name) return static_cast<DType>(i);
  }
  return DType::undefined;
}

std::string_view short_dtype(DType type) noexcept {
  const auto i = static_cast<size_t>(type);
  return i < kDTypeCount ? kShort[i] : std::string_view();
}

uint32_t dtype_group(std::string_view name) noexcept {
  for (const auto& [group, bits] : kGroups) {
    if (group == name) return bits;
  }
  return 0;
}

const Attr* Schema::attribute(std::string_view name) const noexcept {
  for (const Attr& a : attributes) {
    if (a.name == name) return &a;
  }
  return nullptr;
}

int Schema::min_inputs() const noexcept { return least(inputs); }
int Schema::max_inputs() const noexcept { return most(inputs); }
int Schema::min_outputs() const noexcept { return least(outputs); }
int Schema::max_outputs() const noexcept { return most(outputs); }
const Param* Schema::input(int i) const noexcept { return operand(inputs, i); }
const Param* Schema::output(int i) const noexcept { return operand(outputs, i); }

std::string Schema::str() const {
  std::string out = params_str(*this, inputs) + " -> " + params_str(*this, outputs);
  for (size_t i = 0; i < attributes.size(); ++i) {
    const Attr& a = attributes[i];
    out += fmt::format("{}{}: {}{}", i == 0 ? " {" : ", ", a.name, attr_kind_name(a.kind), a.required ? "!" : "");
    if (a.fallback.kind() != AttrKind::undefined) out += " = " + a.fallback.str();
  }
  if (!attributes.empty()) out += "}";
  for (const TypeSet& set : types) {
    const std::string members = members_str(set);
    if (members.substr(members.empty() ? 0 : 1) != set.letter) out += "; " + set.letter + " =" + members;
  }
  return deprecated ? out + "; deprecated" : out;
}

Schema parse_schema(int since, std::string_view text) { return Parser(since, text).run(); }

}  // namespace chorus
