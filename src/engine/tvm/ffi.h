// The C interface of TVM's FFI (libtvm_ffi 0.1), declared by hand: values that it passes, global functions that the compiler registers by
// name. Everything of TVM is reached through these: there is no header of it, and no Python.
#pragma once
#include <engine/adapter/adapter.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace chorus_tvm {

using chorus_adapter::Failure;
using chorus_adapter::view;

/// Bits, code and lanes of DLPack.
struct DataType {
  uint8_t code, bits;
  uint16_t lanes;
};

/// A tensor as DLPack has it; what compiled functions take.
struct DlTensor {
  void* data;
  int32_t device_type, device_id;
  int32_t ndim;
  DataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};

/// 16 bytes: what kind of value, and the value; objects are counted references.
struct Any {
  enum Kind : int32_t {
    none = 0,
    integer = 1,
    boolean = 2,
    real = 3,
    data_type = 5,
    tensor_view = 7,
    small_string = 11
  };
  static constexpr int32_t kObjects = 64, kString = 65;
  int32_t kind = none;
  uint32_t length = 0;  ///< of a small string
  union {
    int64_t i = 0;
    double f;
    void* object;
    DataType type;
    char small[8];
  };
};
static_assert(sizeof(Any) == 16);

/// An owned Any.
class Value {
 public:
  Value() = default;
  explicit Value(const Any& owned) : any_(owned) {}
  Value(int64_t v) { any_.kind = Any::integer, any_.i = v; }
  Value(int v) : Value(static_cast<int64_t>(v)) {}
  Value(bool v) { any_.kind = Any::boolean, any_.i = v ? 1 : 0; }
  Value(double v) { any_.kind = Any::real, any_.f = v; }
  Value(DataType t) { any_.kind = Any::data_type, any_.type = t; }
  Value(std::string_view text);
  Value(const char* text) : Value(std::string_view(text)) {}
  Value(const Value& other);
  Value(Value&& other) noexcept : any_(other.any_) { other.any_ = Any{}; }
  Value& operator=(Value other) noexcept;
  ~Value();
  const Any& any() const { return any_; }
  explicit operator bool() const { return any_.kind != Any::none; }
  int64_t number() const { return any_.i; }
  std::string text() const;

 private:
  Any any_{};
};

/// Opens libtvm_compiler.so of `folder`, or what CHORUS_TVM_LIBRARY names; once per process. False: `reason` says why.
bool load_tvm(const std::string& folder, std::string& version, std::string& reason);

/// Calls a function that TVM registers by name. Throws Failure(CH_INTERNAL) with TVM's sentence.
Value call(std::string_view name, std::initializer_list<Value> arguments);
/// Calls an object that is a function.
Value call(const Value& function, const Any* arguments, int32_t count);
Value call_list(std::string_view name, const std::vector<Value>& arguments);
Value array(const std::vector<Value>& items);
std::vector<Value> items_of(const Value& array);

}  // namespace chorus_tvm
