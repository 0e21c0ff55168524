// Messages built by hand, independent of the library's writer (https://protobuf.dev/programming-guides/encoding).
#pragma once
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>

namespace chorus::testing {

inline std::string number(uint64_t v) {
  std::string out;
  for (; v >= 128; v >>= 7) out.push_back(static_cast<char>(v | 128));
  out.push_back(static_cast<char>(v));
  return out;
}
inline std::string varint(int field, int64_t v) {
  return number(static_cast<uint64_t>(field) << 3) + number(static_cast<uint64_t>(v));
}
inline std::string bytes(int field, std::string_view content) {
  return number(static_cast<uint64_t>(field) << 3 | 2) + number(content.size()) + std::string(content);
}

// GraphProto and its parts; field numbers of onnx.proto.
inline std::string info(std::string_view name, int type, std::initializer_list<int64_t> dims) {
  std::string shape;
  for (int64_t d : dims) shape += bytes(1, varint(1, d));
  return bytes(1, name) + bytes(2, bytes(1, varint(1, type) + bytes(2, shape)));
}
inline std::string node(std::string_view op, std::initializer_list<std::string_view> in,
                        std::initializer_list<std::string_view> out, std::string_view rest = {}) {
  std::string n;
  for (auto name : in) n += bytes(1, name);
  for (auto name : out) n += bytes(2, name);
  return n + bytes(4, op) + std::string(rest);
}
inline std::string floats(std::string_view name, std::initializer_list<int64_t> dims,
                          std::initializer_list<float> values) {
  std::string t, raw;
  for (int64_t d : dims) t += varint(1, d);
  for (float v : values) raw.append(reinterpret_cast<const char*>(&v), 4);
  return t + varint(2, 1) + bytes(8, name) + bytes(9, raw);
}
inline std::string graph_attribute(std::string_view name, std::string_view graph) {
  return bytes(5, bytes(1, name) + bytes(6, graph) + varint(20, 5));
}
inline std::string model(std::string_view graph, int opset = 21, int ir = 10) {
  return varint(1, ir) + bytes(7, graph) + bytes(8, bytes(1, "") + varint(2, opset));
}

}  // namespace chorus::testing
