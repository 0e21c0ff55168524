#include "hostile/message_tree.h"

#include <algorithm>

namespace chorus::testing {
namespace {

constexpr int kDepth = 100;

struct Child {
  Kind parent;
  int number;
  Kind kind;
};

// Field numbers: onnx.proto of onnx 1.23.2.
constexpr Child kChildren[] = {
    {Kind::model, 7, Kind::graph},
    {Kind::model, 8, Kind::opset},
    {Kind::model, 14, Kind::entry},
    {Kind::model, 25, Kind::function},
    {Kind::graph, 1, Kind::node},
    {Kind::graph, 5, Kind::tensor},
    {Kind::graph, 11, Kind::value_info},
    {Kind::graph, 12, Kind::value_info},
    {Kind::graph, 13, Kind::value_info},
    {Kind::graph, 15, Kind::sparse},
    {Kind::node, 5, Kind::attribute},
    {Kind::attribute, 5, Kind::tensor},
    {Kind::attribute, 6, Kind::graph},
    {Kind::attribute, 10, Kind::tensor},
    {Kind::attribute, 11, Kind::graph},
    {Kind::attribute, 14, Kind::type},
    {Kind::attribute, 15, Kind::type},
    {Kind::attribute, 22, Kind::sparse},
    {Kind::tensor, 13, Kind::entry},
    {Kind::sparse, 1, Kind::tensor},
    {Kind::sparse, 2, Kind::tensor},
    {Kind::value_info, 2, Kind::type},
    {Kind::type, 1, Kind::tensor_type},
    {Kind::type, 4, Kind::sequence_type},
    {Kind::type, 5, Kind::map_type},
    {Kind::type, 8, Kind::tensor_type},
    {Kind::type, 9, Kind::sequence_type},
    {Kind::tensor_type, 2, Kind::shape},
    {Kind::shape, 1, Kind::dim},
    {Kind::sequence_type, 1, Kind::type},
    {Kind::map_type, 2, Kind::type},
    {Kind::function, 7, Kind::node},
    {Kind::function, 9, Kind::opset},
    {Kind::function, 11, Kind::attribute},
    {Kind::function, 12, Kind::value_info},
};

Kind child_kind(Kind parent, int number) {
  for (const Child& c : kChildren) {
    if (c.parent == parent && c.number == number) return c.kind;
  }
  return Kind::leaf;
}

bool is_packed(Kind parent, int number) {
  return (parent == Kind::tensor && number == 1) || (parent == Kind::attribute && number == 8);
}

bool read_number(std::string_view bytes, size_t& at, uint64_t& value) {
  value = 0;
  for (int shift = 0; at < bytes.size() && shift < 64; shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes[at++]);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

void write_number(std::string& out, uint64_t v) {
  for (; v >= 128; v >>= 7) out.push_back(static_cast<char>(v | 128));
  out.push_back(static_cast<char>(v));
}

bool parse(std::string_view bytes, int depth, Message& out) {
  for (size_t at = 0; at < bytes.size();) {
    uint64_t tag = 0, size = 0;
    if (!read_number(bytes, at, tag) || tag >> 3 == 0 || tag >> 3 > 536870911) return false;
    Field field;
    field.number = static_cast<int>(tag >> 3);
    field.wire = static_cast<int>(tag & 7);
    if (field.wire == 0) {
      if (!read_number(bytes, at, field.number_value)) return false;
    } else {
      if (field.wire == 2 && !read_number(bytes, at, size)) return false;
      if (field.wire == 1) size = 8;
      if (field.wire == 5) size = 4;
      if ((field.wire != 1 && field.wire != 2 && field.wire != 5) || size > bytes.size() - at) return false;
      field.bytes = bytes.substr(at, size);
      at += size;
    }
    const Kind kind = child_kind(out.kind, field.number);
    if (field.wire == 2 && is_packed(out.kind, field.number)) {
      for (size_t k = 0; k < field.bytes.size();) {
        uint64_t value = 0;
        if (!read_number(field.bytes, k, value)) return false;
        out.add_number(field.number, static_cast<int64_t>(value));
      }
      continue;
    }
    if (field.wire == 2 && kind != Kind::leaf && depth < kDepth) {
      auto inner = std::make_unique<Message>();
      inner->kind = kind;
      if (parse(field.bytes, depth + 1, *inner)) {
        field.message = std::move(inner);
        field.bytes.clear();
      }
    }
    out.fields.push_back(std::move(field));
  }
  return true;
}

void write(const Message& message, std::string& out) {
  for (const Field& f : message.fields) {
    write_number(out, static_cast<uint64_t>(f.number) << 3 | static_cast<uint64_t>(f.wire));
    if (f.wire == 0) {
      write_number(out, f.number_value);
      continue;
    }
    std::string inner;
    if (f.message) write(*f.message, inner);
    const std::string& bytes = f.message ? inner : f.bytes;
    if (f.wire == 2) write_number(out, bytes.size());
    out += bytes;
  }
}

}  // namespace

Field* Message::find(int number) {
  const auto it = std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.number == number; });
  return it == fields.end() ? nullptr : &*it;
}

const Field* Message::find(int number) const { return const_cast<Message*>(this)->find(number); }

std::vector<Field*> Message::all(int number) {
  std::vector<Field*> found;
  for (Field& f : fields) {
    if (f.number == number) found.push_back(&f);
  }
  return found;
}

std::string Message::text(int number) const {
  const Field* f = find(number);
  return f == nullptr ? std::string() : f->bytes;
}

Field& Message::add_number(int number, int64_t value) {
  Field f;
  f.number = number;
  f.number_value = static_cast<uint64_t>(value);
  fields.push_back(std::move(f));
  return fields.back();
}

Field& Message::add_text(int number, std::string value) {
  Field f;
  f.number = number;
  f.wire = 2;
  f.bytes = std::move(value);
  fields.push_back(std::move(f));
  return fields.back();
}

Message& Message::add_message(int number, Message message) {
  Field& f = add_text(number, {});
  f.message = std::make_unique<Message>(std::move(message));
  return *f.message;
}

Field& Message::set_number(int number, int64_t value) {
  remove(number);
  return add_number(number, value);
}

Field& Message::set_text(int number, std::string value) {
  remove(number);
  return add_text(number, std::move(value));
}

void Message::remove(int number) {
  std::erase_if(fields, [&](const Field& f) { return f.number == number; });
}

void Message::erase(const Field* field) {
  std::erase_if(fields, [&](const Field& f) { return &f == field; });
}

void Message::collect(Kind wanted, std::vector<Message*>& out) {
  if (kind == wanted) out.push_back(this);
  for (Field& f : fields) {
    if (f.message) f.message->collect(wanted, out);
  }
}

Message parse_message(std::string_view bytes, Kind kind) {
  Message message;
  message.kind = kind;
  if (!parse(bytes, 0, message)) return {};
  return message;
}

std::string bytes_of(const Message& message) {
  std::string out;
  write(message, out);
  return out;
}

Message copy_of(const Message& message) {
  Message copy;
  copy.kind = message.kind;
  for (const Field& f : message.fields) {
    Field& g = copy.fields.emplace_back();
    g.number = f.number;
    g.wire = f.wire;
    g.number_value = f.number_value;
    g.bytes = f.bytes;
    if (f.message) g.message = std::make_unique<Message>(copy_of(*f.message));
  }
  return copy;
}

}  // namespace chorus::testing
