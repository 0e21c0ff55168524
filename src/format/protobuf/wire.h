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
  uint64_t value = 0;  ///< varint, fixed32, fixed64
  std::string_view bytes;  ///< bytes
  std::string_view raw;  ///< tag and content, for fields that are kept unread
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
  Reader(std::string_view message, const char* base)
      : at_(message.data()), end_(message.data() + message.size()), base_(base) {}
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

/// A number; throws with the field's name for another wire type.
int64_t integer(const Field& field, const Reader& reader, std::string_view name);

/// Builds a message. Large contents can be borrowed: they are copied when the message is taken or passed on, not before.
class Writer {
 public:
  void varint(int number, uint64_t value) {
    tag(number, WireType::varint);
    raw_varint(value);
  }
  void integer(int number, int64_t value) { varint(number, static_cast<uint64_t>(value)); }
  /// Proto3-style: nothing is written for 0.
  void nonzero(int number, int64_t value) {
    if (value != 0) integer(number, value);
  }
  void real(int number, float value) {
    tag(number, WireType::fixed32);
    out_.append(reinterpret_cast<const char*>(&value), 4);
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
  /// `content` must stay until the message has been taken.
  void borrowed(int number, std::string_view content);
  void message(int number, const Writer& inner);
  void raw(std::string_view fields) { out_.append(fields); }

  int64_t size() const noexcept { return static_cast<int64_t>(out_.size()) + borrowed_bytes_; }
  bool empty() const noexcept { return size() == 0; }
  std::string str() const;
  /// The message in order, piece by piece.
  template <class Sink>
  void pieces(Sink&& sink) const {
    size_t at = 0;
    for (const Piece& piece : pieces_) {
      sink(std::string_view(out_).substr(at, piece.at - at));
      sink(piece.content);
      at = piece.at;
    }
    sink(std::string_view(out_).substr(at));
  }

 private:
  struct Piece {
    size_t at;  ///< in out_: the content stands before this byte
    std::string_view content;
  };
  void tag(int number, WireType type) { raw_varint(static_cast<uint64_t>(number) << 3 | static_cast<uint64_t>(type)); }
  void raw_varint(uint64_t value) {
    while (value >= 128) {
      out_.push_back(static_cast<char>(value | 128));
      value >>= 7;
    }
    out_.push_back(static_cast<char>(value));
  }
  std::string out_;
  std::vector<Piece> pieces_;
  int64_t borrowed_bytes_ = 0;
};

}  // namespace chorus::wire
