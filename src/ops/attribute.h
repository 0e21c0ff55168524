// Attributes of a node: named values of the kinds that ONNX knows.
#pragma once
#include <chorus/value.h>
#include <core/type.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace chorus {

class Graph;  // bodies of If, Loop, Scan …: opaque to this layer

/// The numbers are ONNX's AttributeProto.AttributeType.
enum class AttrKind : uint8_t {
  undefined = 0,
  real = 1,
  integer = 2,
  string = 3,
  tensor = 4,
  graph = 5,
  reals = 6,
  integers = 7,
  strings = 8,
  tensors = 9,
  graphs = 10,
  sparse_tensor = 11,
  sparse_tensors = 12,
  type = 13,
  types = 14,
};
std::string_view attr_kind_name(AttrKind kind) noexcept;

using GraphPtr = std::shared_ptr<const Graph>;
/// A sparse tensor: values (rank 1), indices (rank 1 linear or rank 2), dense shape.
struct SparseValue {
  Value values, indices;
  Shape shape;
};

struct AttrValue {
  std::variant<std::monostate, float, int64_t, std::string, Value, GraphPtr, std::vector<float>, std::vector<int64_t>,
               std::vector<std::string>, std::vector<Value>, std::vector<GraphPtr>, SparseValue,
               std::vector<SparseValue>, Type, std::vector<Type>>
      data;
  std::string doc;       ///< doc_string of the attribute in the file
  std::string ref_name;  ///< inside a model-local function: name of the caller's attribute (kind says of what kind)
  AttrKind declared = AttrKind::undefined;  ///< kind of a reference

  AttrValue() = default;
  AttrValue(float v) : data(v) {}                              // NOLINT(google-explicit-constructor)
  AttrValue(double v) : data(static_cast<float>(v)) {}         // NOLINT(google-explicit-constructor)
  AttrValue(int64_t v) : data(v) {}                            // NOLINT(google-explicit-constructor)
  AttrValue(int v) : data(static_cast<int64_t>(v)) {}          // NOLINT(google-explicit-constructor)
  AttrValue(std::string v) : data(std::move(v)) {}             // NOLINT(google-explicit-constructor)
  AttrValue(std::string_view v) : data(std::string(v)) {}      // NOLINT(google-explicit-constructor)
  AttrValue(const char* v) : data(std::string(v)) {}           // NOLINT(google-explicit-constructor)
  AttrValue(Value v) : data(std::move(v)) {}                   // NOLINT(google-explicit-constructor)
  AttrValue(GraphPtr v) : data(std::move(v)) {}                // NOLINT(google-explicit-constructor)
  AttrValue(std::vector<float> v) : data(std::move(v)) {}      // NOLINT(google-explicit-constructor)
  AttrValue(std::vector<int64_t> v) : data(std::move(v)) {}    // NOLINT(google-explicit-constructor)
  AttrValue(std::vector<std::string> v) : data(std::move(v)) {}  // NOLINT(google-explicit-constructor)
  AttrValue(Type v) : data(std::move(v)) {}                    // NOLINT(google-explicit-constructor)

  AttrKind kind() const noexcept;
  template <class T>
  const T* get() const noexcept {
    return std::get_if<T>(&data);
  }
  bool operator==(const AttrValue& other) const;  ///< tensors by bytes, graphs by identity
  std::string str() const;
};

/// In the order of the file; looked up by name (a node has few).
class Attributes {
 public:
  struct Item {
    std::string name;
    AttrValue value;
  };
  Attributes() = default;
  Attributes(std::initializer_list<Item> items) : items_(items) {}
  const AttrValue* find(std::string_view name) const noexcept;
  void set(std::string_view name, AttrValue value);
  bool erase(std::string_view name);
  std::span<const Item> items() const noexcept { return items_; }
  std::span<Item> items() noexcept { return items_; }
  bool empty() const noexcept { return items_.empty(); }
  bool operator==(const Attributes& other) const;  ///< as sets

 private:
  std::vector<Item> items_;
};

}  // namespace chorus
