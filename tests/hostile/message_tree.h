// An ONNX file as a tree of protobuf messages, independent of the library's reader and writer: taken apart, changed, put together again.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::testing {

/// Messages of onnx.proto; leaf: bytes without messages inside.
enum class Kind : uint8_t {
  leaf,
  model,
  graph,
  node,
  attribute,
  tensor,
  sparse,
  value_info,
  type,
  tensor_type,
  shape,
  dim,
  sequence_type,
  map_type,
  opset,
  function,
  entry,
};

struct Message;

struct Field {
  int number = 0;
  int wire = 0;  ///< 0 number, 1 eight bytes, 2 bytes or message, 5 four bytes
  uint64_t number_value = 0;
  std::string bytes;
  std::unique_ptr<Message> message;  ///< in place of bytes
};

struct Message {
  Kind kind = Kind::leaf;
  std::vector<Field> fields;

  Field* find(int number);
  const Field* find(int number) const;
  std::vector<Field*> all(int number);
  std::string text(int number) const;  ///< empty: absent
  Field& set_number(int number, int64_t value);  ///< replaces or adds
  Field& set_text(int number, std::string value);
  Field& add_number(int number, int64_t value);
  Field& add_text(int number, std::string value);
  Message& add_message(int number, Message message);
  void remove(int number);
  void erase(const Field* field);
  void collect(Kind wanted, std::vector<Message*>& out);  ///< itself and everything below
};

/// Empty (kind leaf, no fields) where the bytes are no message. Packed numbers of dims and ints are taken apart.
Message parse_message(std::string_view bytes, Kind kind);
std::string bytes_of(const Message& message);
Message copy_of(const Message& message);

}  // namespace chorus::testing
