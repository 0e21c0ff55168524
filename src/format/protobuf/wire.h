// Protocol Buffers wire format, read in place and bounded (https://protobuf.dev/programming-guides/encoding). A message is a span of
// bytes; a Reader walks its fields. Errors are Error(bad_input) with the offset in the file.
#pragma once
#include <chorus/error.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::wire {

enum class WireType : uint8_t { varint = 0, fixed64 = 1, bytes = 2, group_begin = 3, group_end = 4, fixed32 = 5 };

/// One field as it stands in the message.
struct Field {
  int number = 0;
  WireType type = WireType::varint;
  uint64_t value = 0;                 ///< varint, fixed32, fixed64
  std::string_view bytes;             ///< bytes
  std::string_view raw;               ///< tag and content, for fields that are kept unread
  float as_float() const noexcept {
    const auto bits = static_cast<uint32_t>(value);
    float f;
    std::memcpy(&f, &bits, 4);
    return f;
  }
  int64_t as_int() const noexcept { return static_cast<int64_t>(value); }
};

class Reader {
 public:
  /// `base` is the first byte of the file, for offsets in messages.
  Reader(std::string_view message, const char* base) : at_(message.data()), end_(message.data() + message.size()), base_(base) {}
  /// Next field; false at the end.
  bool next(Field& field);
  int64_t offset() const noexcept { return at_ - base_; }
  const char* base() const noexcept { return base_; }
  [[noreturn]] void fail(const std::string& what) const;

 private:
  uint64_t varint();
  const char* at_;
  const char* end_;
  const char* base_;
};

/// Repeated numbers, packed or not: appends to `out`. `limit` bounds the elements.
void append_varints(const Field& field, std::vector<int64_t>& out, const Reader& reader);
void append_floats(const Field& field, std::vector<float>& out, const Reader& reader);
void append_doubles(const Field& field, std::vector<double>& out, const Reader& reader);
/// Wants a length-delimited field. Throws with the field's name otherwise.
std::string_view text(const Field& field, const Reader& reader, std::string_view name);
void want(const Field& field, WireType type, const Reader& reader, std::string_view name);

/// Builds a message.
class Writer {
 public:
  void varint(int number, uint64_t value) {
    tag(number, WireType::varint);
    raw_varint(value);
  }
  void integer(int number, int64_t value) { varint(number, static_cast<uint64_t>(value)); }
  void real(int number, float value) {
    tag(number, WireType::fixed32);
    append(&value, 4);
  }
  void bytes(int number, std::string_view content) {
    tag(number, WireType::bytes);
    raw_varint(content.size());
    out_.append(content);
  }
  /// Proto3-style: nothing is written for empty text.
  void text(int number, std::string_view content) {
    if (!content.empty()) bytes(number, content);
  }
  void packed_integers(int number, std::span<const int64_t> values);
  void packed_reals(int number, std::span<const float> values);
  void raw(std::string_view fields) { out_.append(fields); }
  /// The header of a length-delimited field whose content the caller writes elsewhere.
  void begin_bytes(int number, uint64_t length) {
    tag(number, WireType::bytes);
    raw_varint(length);
  }
  const std::string& str() const noexcept { return out_; }
  std::string take() { return std::move(out_); }

 private:
  void tag(int number, WireType type) { raw_varint(static_cast<uint64_t>(number) << 3 | static_cast<uint64_t>(type)); }
  void raw_varint(uint64_t value) {
    while (value >= 128) {
      out_.push_back(static_cast<char>(value | 128));
      value >>= 7;
    }
    out_.push_back(static_cast<char>(value));
  }
  void append(const void* data, size_t n) { out_.append(static_cast<const char*>(data), n); }
  std::string out_;
};

}  // namespace chorus::wire
