#include <format/protobuf/wire.h>

#include <fmt/format.h>

namespace chorus::wire {

void Reader::fail(const std::string& what) const {
  throw Error(Code::bad_input, what, fmt::format("file offset {}", offset()),
              "the file is damaged or not of this format");
}

uint64_t Reader::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (at_ == end_) fail("the message ends inside a number");
    const auto byte = static_cast<uint8_t>(*at_++);
    if (shift == 63 && byte > 1) fail("a number has more than 64 bits");
    value |= static_cast<uint64_t>(byte & 127) << shift;
    if (byte < 128) return value;
  }
  fail("a number has more than ten bytes");
}

bool Reader::next(Field& field) {
  if (at_ == end_) return false;
  const char* begin = at_;
  const uint64_t tag = varint();
  const uint64_t number = tag >> 3;
  if (number == 0 || number > 0x1fffffff) fail(fmt::format("field number {} does not exist", number));
  field = {};
  field.number = static_cast<int>(number);
  field.type = static_cast<WireType>(tag & 7);
  const auto left = static_cast<uint64_t>(end_ - at_);
  switch (field.type) {
    case WireType::varint: field.value = varint(); break;
    case WireType::fixed64:
      if (left < 8) fail("the message ends inside an 8-byte number");
      std::memcpy(&field.value, at_, 8);
      at_ += 8;
      break;
    case WireType::fixed32:
      if (left < 4) fail("the message ends inside a 4-byte number");
      std::memcpy(&field.value, at_, 4);
      at_ += 4;
      break;
    case WireType::bytes: {
      const uint64_t length = varint();
      if (length > static_cast<uint64_t>(end_ - at_)) {
        fail(fmt::format("field {} has {} bytes but only {} are left", field.number, length, end_ - at_));
      }
      field.bytes = std::string_view(at_, length);
      at_ += length;
      break;
    }
    default:
      fail(fmt::format("field {} has wire type {}, which ONNX does not use", field.number,
                       static_cast<int>(field.type)));
  }
  field.raw = std::string_view(begin, static_cast<size_t>(at_ - begin));
  return true;
}

void want(const Field& field, WireType type, const Reader& reader, std::string_view name) {
  if (field.type != type)
    reader.fail(fmt::format("field \"{}\" has wire type {} instead of {}", name, static_cast<int>(field.type),
                            static_cast<int>(type)));
}

std::string_view text(const Field& field, const Reader& reader, std::string_view name) {
  want(field, WireType::bytes, reader, name);
  return field.bytes;
}

void append_varints(const Field& field, std::vector<int64_t>& out, const Reader& reader) {
  if (field.type == WireType::varint) {
    out.push_back(field.as_int());
    return;
  }
  std::string_view rest = text(field, reader, "repeated integer");
  size_t at = 0;
  while (at < rest.size()) {
    uint64_t value = 0;
    int shift = 0;
    for (;;) {
      if (at == rest.size() || shift > 63) reader.fail("a packed number is cut off");
      const auto byte = static_cast<uint8_t>(rest[at++]);
      if (shift == 63 && byte > 1) reader.fail("a number has more than 64 bits");
      value |= static_cast<uint64_t>(byte & 127) << shift;
      shift += 7;
      if (byte < 128) break;
    }
    out.push_back(static_cast<int64_t>(value));
  }
}

namespace {
template <class T>
void append_fixed(const Field& field, std::vector<T>& out, const Reader& reader, WireType single) {
  if (field.type == single) {
    T v;
    std::memcpy(&v, &field.value, sizeof v);
    out.push_back(v);
    return;
  }
  const std::string_view rest = text(field, reader, "repeated number");
  if (rest.size() % sizeof(T) != 0) reader.fail("packed numbers have an odd length");
  const size_t before = out.size();
  out.resize(before + rest.size() / sizeof(T));
  if (!rest.empty()) std::memcpy(out.data() + before, rest.data(), rest.size());
}
}  // namespace

void append_floats(const Field& field, std::vector<float>& out, const Reader& reader) {
  append_fixed(field, out, reader, WireType::fixed32);
}
void append_doubles(const Field& field, std::vector<double>& out, const Reader& reader) {
  append_fixed(field, out, reader, WireType::fixed64);
}

int64_t integer(const Field& field, const Reader& reader, std::string_view name) {
  want(field, WireType::varint, reader, name);
  return field.as_int();
}

void Writer::borrowed(int number, std::string_view content) {
  tag(number, WireType::bytes);
  raw_varint(content.size());
  pieces_.push_back({out_.size(), content});
  borrowed_bytes_ += static_cast<int64_t>(content.size());
}

void Writer::message(int number, const Writer& inner) {
  tag(number, WireType::bytes);
  raw_varint(static_cast<uint64_t>(inner.size()));
  for (const Piece& piece : inner.pieces_) pieces_.push_back({out_.size() + piece.at, piece.content});
  borrowed_bytes_ += inner.borrowed_bytes_;
  out_.append(inner.out_);
}

std::string Writer::str() const {
  std::string result;
  result.reserve(static_cast<size_t>(size()));
  pieces([&](std::string_view part) { result.append(part); });
  return result;
}

}  // namespace chorus::wire
