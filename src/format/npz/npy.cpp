#include <chorus/error.h>
#include <format/npz/npy.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace chorus::npy {
namespace {

constexpr size_t kHeaderBytes = 65536;   // NumPy itself refuses more than 10,000 unless told to trust the file

[[noreturn]] void fail(const std::string& label, const std::string& what) {
  throw Error(Code::bad_input, fmt::format("array \"{}\": {}", label, what), {},
              "write the file with numpy.save or numpy.savez");
}

/// The dictionary of the header: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
struct Header {
  std::string descr;         ///< "<f4"
  std::string field;         ///< name of the one field of a record, else empty
  bool fortran = false;
  std::vector<int64_t> shape;
  size_t bytes = 0;          ///< where the elements begin
};

// The few Python literals that NumPy writes; anything else is refused.
class Literals {
 public:
  Literals(std::string_view text, const std::string& label) : text_(text), label_(label) {}
  bool take(char c) {
    spaces();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void want(char c) {
    if (!take(c)) fail(label_, fmt::format("the header has no '{}' at byte {}", c, at_));
  }
  std::string quoted() {
    spaces();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') fail(label_, fmt::format("the header has no text at byte {}", at_));
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail(label_, "the header ends inside a text");
    std::string result(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return result;
  }
  bool boolean() {
    spaces();
    for (const auto& [word, value] : {std::pair<std::string_view, bool>{"True", true}, {"False", false}}) {
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return value;
      }
    }
    fail(label_, fmt::format("the header has no True or False at byte {}", at_));
  }
  std::vector<int64_t> tuple() {
    std::vector<int64_t> numbers;
    want('(');
    while (!take(')')) {
      spaces();
      int64_t n = -1;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), n);
      if (error != std::errc() || n < 0) fail(label_, fmt::format("the header has no extent at byte {}", at_));
      at_ = static_cast<size_t>(end - text_.data());
      if (at_ < text_.size() && text_[at_] == 'L') ++at_;   // Python 2
      numbers.push_back(n);
      if (static_cast<int>(numbers.size()) > kMaxRank) fail(label_, fmt::format("the rank is above {}", kMaxRank));
      if (!take(',')) {
        want(')');
        break;
      }
    }
    return numbers;
  }

 private:
  void spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  std::string_view text_;
  const std::string& label_;
  size_t at_ = 0;
};

void parse_descr(Literals& in, Header& header, const std::string& label) {
  if (!in.take('[')) {
    header.descr = in.quoted();
    return;
  }
  in.want('(');
  header.field = in.quoted();
  in.want(',');
  header.descr = in.quoted();
  in.take(',');
  in.want(')');
  in.take(',');
  if (!in.take(']')) fail(label, "a record with several fields is not a tensor");
}

Header parse_header(std::string_view bytes, const std::string& label) {
  if (bytes.size() < 10 || bytes.substr(0, 6) != "\x93NUMPY") fail(label, "it does not begin with NumPy's magic");
  const int major = static_cast<uint8_t>(bytes[6]);
  if (major < 1 || major > 3) fail(label, fmt::format("version {} of the array format is not known", major));
  const size_t width = major == 1 ? 2 : 4;
  if (bytes.size() < 8 + width) fail(label, "it ends inside the header");
  size_t length = 0;
  for (size_t i = 0; i < width; ++i) length |= static_cast<size_t>(static_cast<uint8_t>(bytes[8 + i])) << (8 * i);
  if (length > kHeaderBytes) fail(label, fmt::format("the header has {} bytes, more than {}", length, kHeaderBytes));
  if (length > bytes.size() - 8 - width) fail(label, "it ends inside the header");
  Header header;
  header.bytes = 8 + width + length;
  Literals in(bytes.substr(8 + width, length), label);
  bool have_descr = false, have_order = false, have_shape = false;
  in.want('{');
  while (!in.take('}')) {
    const std::string key = in.quoted();
    in.want(':');
    if (key == "descr") {
      parse_descr(in, header, label);
      have_descr = true;
    } else if (key == "fortran_order") {
      header.fortran = in.boolean();
      have_order = true;
    } else if (key == "shape") {
      header.shape = in.tuple();
      have_shape = true;
    } else
      fail(label, fmt::format("the header has the unknown key \"{}\"", key));
    if (!in.take(',')) {
      in.want('}');
      break;
    }
  }
  if (!have_descr || !have_order || !have_shape) fail(label, "the header lacks descr, fortran_order or shape");
  return header;
}

/// How the elements lie in the file.
struct Layout {
  DType dtype = DType::undefined;
  int64_t item = 0;          ///< bytes of one element
  int64_t swap = 1;          ///< bytes of the unit whose order is turned when `big`
  bool big = false;
  char text = '\0';          ///< 'U' or 'S'
};

Layout layout_of(const Header& header, const std::string& label) {
  const std::string& d = header.descr;
  Layout layout;
  size_t at = 0;
  if (!d.empty() && (d[0] == '<' || d[0] == '>' || d[0] == '|' || d[0] == '=')) {
    layout.big = d[0] == '>';
    at = 1;
  }
  const char kind = at < d.size() ? d[at] : '\0';
  int64_t size = -1;
  if (at + 1 < d.size()) {
    const auto [end, error] = std::from_chars(d.data() + at + 1, d.data() + d.size(), size);
    if (error != std::errc() || end != d.data() + d.size() || size < 0 || size > (int64_t{1} << 31)) size = -1;
  }
  if (kind == 'O') {
    throw Error(Code::unsupported,
                fmt::format("array \"{}\" holds Python objects, which only a program could make again", label), {},
                "save it with a numeric or text element type");
  }
  if (size >= 0 && (kind == 'U' || kind == 'S')) {
    layout.dtype = DType::string;
    layout.text = kind;
    layout.item = kind == 'U' ? 4 * size : size;
    layout.swap = kind == 'U' ? 4 : 1;
    return layout;
  }
  struct Row {
    char kind;
    int64_t size;
    DType dtype;
    int64_t unit;
  };
  static constexpr Row rows[] = {
      {'f', 2, DType::float16, 2},   {'f', 4, DType::float32, 4},
      {'f', 8, DType::float64, 8},   {'i', 1, DType::int8, 1},
      {'i', 2, DType::int16, 2},     {'i', 4, DType::int32, 4},
      {'i', 8, DType::int64, 8},     {'u', 1, DType::uint8, 1},
      {'u', 2, DType::uint16, 2},    {'u', 4, DType::uint32, 4},
      {'u', 8, DType::uint64, 8},    {'b', 1, DType::boolean, 1},
      {'c', 8, DType::complex64, 4}, {'c', 16, DType::complex128, 8},
      {'V', 2, DType::bfloat16, 2},   // how NumPy writes ml_dtypes.bfloat16; one byte could be any of many types
  };
  for (const Row& row : rows) {
    if (row.kind == kind && row.size == size) layout = {row.dtype, size, row.unit, layout.big, '\0'};
  }
  if (layout.dtype == DType::undefined) {
    throw Error(Code::unsupported,
                fmt::format("array \"{}\" has the element type \"{}\", which no tensor has", label, d));
  }
  if (header.field.empty()) return layout;
  const DType named = parse_dtype(header.field);
  if (dtype_bits(named) == 0 || (dtype_bits(named) + 7) / 8 != layout.item)
    fail(label, fmt::format("the field \"{}\" does not hold \"{}\"", header.field, d));
  layout.dtype = named;
  return layout;
}

// Elements in C order and in this machine's byte order: `out` has count * item bytes.
void gather(const char* in, const Layout& layout, const std::vector<int64_t>& shape, bool fortran, int64_t count,
            char* out) {
  const auto item = static_cast<size_t>(layout.item);
  if (!fortran || shape.size() < 2) {
    if (count > 0 && item > 0) std::memcpy(out, in, static_cast<size_t>(count) * item);
  } else {
    std::vector<int64_t> index(shape.size(), 0), stride(shape.size(), 1);
    for (size_t d = 1; d < shape.size(); ++d) stride[d] = stride[d - 1] * shape[d - 1];
    int64_t from = 0;
    for (int64_t i = 0; i < count; ++i) {
      std::memcpy(out + static_cast<size_t>(i) * item, in + static_cast<size_t>(from) * item, item);
      for (size_t d = shape.size(); d-- > 0;) {
        from += stride[d];
        if (++index[d] < shape[d]) break;
        from -= stride[d] * shape[d];
        index[d] = 0;
      }
    }
  }
  if (!layout.big || layout.swap == 1) return;
  for (char* p = out; p != out + static_cast<size_t>(count) * item; p += layout.swap) std::reverse(p, p + layout.swap);
}

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xc0 | c >> 6));
    out.push_back(static_cast<char>(0x80 | (c & 63)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | c >> 12));
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 63)));
    out.push_back(static_cast<char>(0x80 | (c & 63)));
  } else {
    out.push_back(static_cast<char>(0xf0 | c >> 18));
    out.push_back(static_cast<char>(0x80 | (c >> 12 & 63)));
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 63)));
    out.push_back(static_cast<char>(0x80 | (c & 63)));
  }
}

Value text_tensor(const std::string& data, const Layout& layout, const Shape& shape, int64_t count,
                  const std::string& label) {
  auto strings = std::make_shared<Strings>();
  const auto item = static_cast<size_t>(layout.item);
  std::string one;
  for (int64_t i = 0; i < count; ++i) {
    std::string_view raw = std::string_view(data).substr(static_cast<size_t>(i) * item, item);
    if (layout.text == 'S') {
      const size_t end = raw.find_last_not_of('\0');
      strings->push_back(raw.substr(0, end == std::string_view::npos ? 0 : end + 1));
      continue;
    }
    one.clear();
    size_t keep = 0;   // NumPy pads with zeros and cannot tell them from zeros of the text
    for (size_t k = 0; k < item; k += 4) {
      uint32_t c = 0;
      std::memcpy(&c, raw.data() + k, 4);
      if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        fail(label, fmt::format("element {} holds {:#x}, which is no character", i, c));
      append_utf8(one, c);
      if (c != 0) keep = one.size();
    }
    strings->push_back(std::string_view(one).substr(0, keep));
  }
  return Value::strings(shape, std::move(strings));
}

// One element per byte in the file, several per byte in a Value.
bool is_packed(DType dtype) { return dtype_bits(dtype) > 0 && dtype_bits(dtype) < 8; }
DType byte_form(DType dtype) { return is_signed_integer(dtype) ? DType::int8 : DType::uint8; }

uint8_t get_bits(const void* data, int64_t index, int bits) {
  const auto* p = static_cast<const uint8_t*>(data);
  const int64_t first = index * bits;
  unsigned two = p[first / 8];
  if (first % 8 + bits > 8) two |= static_cast<unsigned>(p[first / 8 + 1]) << 8;
  return static_cast<uint8_t>(two >> (first % 8) & ((1u << bits) - 1));
}

void set_bits(void* data, int64_t index, int bits, unsigned value) {
  auto* p = static_cast<uint8_t*>(data);
  const int64_t first = index * bits;
  const auto shifted = (value & ((1u << bits) - 1)) << (first % 8);
  p[first / 8] = static_cast<uint8_t>(p[first / 8] | shifted);
  if (first % 8 + bits > 8) p[first / 8 + 1] = static_cast<uint8_t>(p[first / 8 + 1] | shifted >> 8);
}

std::string_view descr_of(DType dtype) {
  switch (dtype) {
    case DType::float16: return "<f2";
    case DType::float32: return "<f4";
    case DType::float64: return "<f8";
    case DType::int8: return "|i1";
    case DType::int16: return "<i2";
    case DType::int32: return "<i4";
    case DType::int64: return "<i8";
    case DType::uint8: return "|u1";
    case DType::uint16: return "<u2";
    case DType::uint32: return "<u4";
    case DType::uint64: return "<u8";
    case DType::boolean: return "|b1";
    case DType::complex64: return "<c8";
    case DType::complex128: return "<c16";
    default: return {};
  }
}

// Code points of a text; nothing when it is not UTF-8.
bool code_points(std::string_view text, std::vector<uint32_t>& out) {
  out.clear();
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const int more = lead < 0x80 ? 0 : lead >> 5 == 6 ? 1 : lead >> 4 == 14 ? 2 : lead >> 3 == 30 ? 3 : -1;
    if (more < 0 || i + static_cast<size_t>(more) >= text.size()) return false;
    uint32_t c = more == 0 ? lead : lead & (0x3fu >> more);
    for (int k = 1; k <= more; ++k) {
      const auto byte = static_cast<uint8_t>(text[i + static_cast<size_t>(k)]);
      if (byte >> 6 != 2) return false;
      c = c << 6 | (byte & 63);
    }
    static constexpr uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return false;
    out.push_back(c);
    i += static_cast<size_t>(more) + 1;
  }
  return true;
}

std::string encode_strings(const Strings& strings, std::string& out, const std::string& label) {
  std::vector<uint32_t> points;
  bool unicode = true;
  size_t most = 1;
  for (int64_t i = 0; i < strings.size() && unicode; ++i) {
    unicode = code_points(strings[i], points);
    most = std::max(most, points.size());
  }
  if (!unicode) {
    most = 1;
    for (int64_t i = 0; i < strings.size(); ++i) most = std::max(most, strings[i].size());
  }
  const int64_t item = static_cast<int64_t>(most) * (unicode ? 4 : 1);
  const int64_t bytes = checked_mul(item, strings.size());
  if (bytes < 0 || bytes > (int64_t{1} << 33)) {
    throw Error(
        Code::budget,
        fmt::format("array \"{}\": NumPy gives every text the room of the longest, {} bytes in all", label, bytes));
  }
  out.assign(static_cast<size_t>(bytes), '\0');
  for (int64_t i = 0; i < strings.size(); ++i) {
    char* at = out.data() + i * item;
    if (unicode) {
      code_points(strings[i], points);
      if (!points.empty()) std::memcpy(at, points.data(), points.size() * 4);
    } else if (!strings[i].empty()) {
      std::memcpy(at, strings[i].data(), strings[i].size());
    }
  }
  return fmt::format("'{}{}'", unicode ? "<U" : "|S", most);
}

std::string compose_header(const std::string& descr, const Shape& shape) {
  std::string dims;
  for (int64_t d : shape) dims += fmt::format("{}{}", dims.empty() ? "" : ", ", d);
  if (shape.rank() == 1) dims += ",";
  std::string text = fmt::format("{{'descr': {}, 'fortran_order': False, 'shape': ({}), }}", descr, dims);
  text.append(63 - (10 + text.size()) % 64, ' ');
  text.push_back('\n');
  std::string header("\x93NUMPY\x01\x00", 8);
  header.push_back(static_cast<char>(text.size() & 255));
  header.push_back(static_cast<char>(text.size() >> 8));
  return header + text;
}

}  // namespace

Value parse(std::string_view bytes, std::shared_ptr<const void> owner, int64_t& budget, const std::string& label) {
  const Header header = parse_header(bytes, label);
  const Layout layout = layout_of(header, label);
  const int64_t count = checked_numel(header.shape);
  const int64_t size = count < 0 ? -1 : checked_mul(count, layout.item);
  if (size < 0) fail(label, fmt::format("the shape {} is impossible", shape_str(header.shape)));
  const std::string_view data = bytes.substr(header.bytes);
  if (static_cast<int64_t>(data.size()) != size) {
    fail(label, fmt::format("{} bytes of elements, but {}{} needs {}", data.size(), header.descr,
                            shape_str(header.shape), size));
  }
  // A text of no width costs its entry in the table all the same.
  const int64_t cost = layout.text != '\0' ? checked_add(size, checked_mul(count, 8)) : size;
  if (cost < 0 || cost > budget)
    throw Error(Code::budget, fmt::format("array \"{}\" would take {} bytes; {} are left", label, cost, budget));
  budget -= cost;
  const Shape shape(header.shape);
  const bool turned = header.fortran && header.shape.size() > 1;
  if (layout.text != '\0') {
    std::string plain(static_cast<size_t>(size), '\0');
    gather(data.data(), layout, header.shape, turned, count, plain.data());
    return text_tensor(plain, layout, shape, count, label);
  }
  if (is_packed(layout.dtype)) {
    std::string plain(static_cast<size_t>(size), '\0');
    gather(data.data(), layout, header.shape, turned, count, plain.data());
    Value value = Value::tensor(layout.dtype, shape);
    auto* out = static_cast<uint8_t*>(value.mutable_data());
    std::fill_n(out, dtype_bytes(layout.dtype, count), uint8_t{0});
    for (int64_t i = 0; i < count; ++i)
      set_bits(out, i, dtype_bits(layout.dtype), static_cast<uint8_t>(plain[static_cast<size_t>(i)]));
    return value;
  }
  const bool as_it_is =
      !turned && !layout.big && reinterpret_cast<uintptr_t>(data.data()) % static_cast<uintptr_t>(layout.item) == 0;
  if (owner && size > 0 && as_it_is && layout.dtype != DType::boolean) {
    return Value::tensor(layout.dtype, shape, Buffer::borrow_read_only(data.data(), data.size(), std::move(owner)));
  }
  Value value = Value::tensor(layout.dtype, shape);
  if (size == 0) return value;
  auto* out = static_cast<char*>(value.mutable_data());
  gather(data.data(), layout, header.shape, turned, count, out);
  if (layout.dtype == DType::boolean)
    std::transform(out, out + size, out, [](char c) { return static_cast<char>(c != 0); });
  return value;
}

void encode(const Value& value, const std::string& label, Encoded& out) {
  if (!value.is_tensor())
    throw Error(Code::unsupported, fmt::format("\"{}\" is not a tensor; NumPy's files hold tensors only", label));
  const DType dtype = value.dtype();
  const int64_t count = value.numel();
  std::string descr;
  if (dtype == DType::string) {
    descr = encode_strings(value.strings(), out.owned, label);
    out.elements = out.owned;
  } else if (is_packed(dtype)) {
    const int bits = dtype_bits(dtype);
    const bool is_signed = byte_form(dtype) == DType::int8;
    out.owned.resize(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      unsigned v = get_bits(value.data(), i, bits);
      if (is_signed && (v >> (bits - 1)) != 0) v |= ~0u << bits;
      out.owned[static_cast<size_t>(i)] = static_cast<char>(v);
    }
    out.elements = out.owned;
    descr = fmt::format("[('{}', '{}')]", dtype_name(dtype), is_signed ? "|i1" : "|u1");
  } else {
    const std::string_view plain = descr_of(dtype);
    if (!plain.empty())
      descr = fmt::format("'{}'", plain);
    else
      descr = fmt::format("[('{}', '{}')]", dtype_name(dtype), dtype_bits(dtype) == 16 ? "<u2" : "|u1");
    out.elements = {static_cast<const char*>(value.data()), static_cast<size_t>(dtype_bytes(dtype, count))};
  }
  out.header = compose_header(descr, value.shape());
}

}  // namespace chorus::npy
