// Tensors of TensorFlow and the calls that make them.
#pragma once
#include <engine/adapter/adapter.h>

#include <array>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tensorflow.h"

namespace chorus_tensorflow {

using namespace chorus_adapter;
using Ints = std::vector<int64_t>;

/// TensorFlow's type of ONNX's number; kNoType where it has none that this adapter gives it (types below a byte, float8).
Type to_tensorflow(int dtype) noexcept;
/// ONNX's number of TensorFlow's type, 0 where it has none.
int to_onnx(int type) noexcept;
/// "float32", "int8" … of TensorFlow's type.
const char* type_name(int type) noexcept;
size_t type_bytes(int type) noexcept;
inline bool is_float(int t) { return t == kFloat || t == kDouble || t == kHalf || t == kBfloat16; }
inline bool is_unsigned(int t) { return t == kUint8 || t == kUint16 || t == kUint32 || t == kUint64; }
inline bool is_complex(int t) { return t == kComplex64 || t == kComplex128; }
inline bool is_integer(int t) { return is_unsigned(t) || t == kInt8 || t == kInt16 || t == kInt32 || t == kInt64; }

/// A tensor of TensorFlow, shared; undefined when made by default.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(TfeHandle* owned) : held_(std::make_shared<Held>(owned)) {}
  explicit operator bool() const { return held_ != nullptr; }
  TfeHandle* get() const { return held_->handle; }
  int type() const { return held_->type; }
  int64_t rank() const { return static_cast<int64_t>(dims().size()); }
  const Ints& dims() const;
  int64_t dim(int64_t axis) const { return dims()[static_cast<size_t>(axis)]; }
  int64_t count() const;

 private:
  struct Held {
    explicit Held(TfeHandle* h) : handle(h), type(tf()->handle_type(h)) {}
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() { tf()->delete_handle(handle); }
    TfeHandle* handle;
    int type;
    bool known = false;  // dims
    Ints dims;
  };
  std::shared_ptr<Held> held_;
};
using Tensors = std::vector<Tensor>;

/// The elements of a tensor in the host's memory, as long as it lives.
class Elements {
 public:
  explicit Elements(const Tensor& tensor);
  Elements(const Elements&) = delete;
  Elements& operator=(const Elements&) = delete;
  Elements(Elements&& other) noexcept : tensor_(other.tensor_) { other.tensor_ = nullptr; }
  Elements& operator=(Elements&&) = delete;
  ~Elements() {
    if (tensor_ != nullptr) tf()->delete_tensor(tensor_);
  }
  const void* data() const { return tf()->tensor_data(tensor_); }
  size_t bytes() const { return tf()->tensor_byte_size(tensor_); }

 private:
  TfTensor* tensor_;
};

/// A tensor over the host's memory, which nothing writes; it must outlive the tensor. Throws Failure for a type that TensorFlow lacks.
Tensor view_of(const ch_value& value);
/// A tensor with a copy of these elements.
Tensor copy_of(int type, const Ints& dims, const void* data);
/// [n] of int32 or int64.
Tensor vector_of(const Ints& values, Type type = kInt64);
/// A number in any type.
Tensor scalar_of(double value, int type);
/// Elements as integers; of an integer or boolean tensor.
Ints to_ints(const Tensor& tensor);
/// The first element as a number.
double to_number(const Tensor& tensor);

/// Throws Failure with TensorFlow's sentence.
void check(const TfStatus* status);

/// Makes calls of TensorFlow's operators in one context; one caller at a time.
class Runner {
 public:
  explicit Runner(TfeContext* context);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  /// An operation ready for inputs and attributes; give it back.
  TfeOp* take(const char* name);
  void give(TfeOp* op) { free_.push_back(op); }
  TfStatus* status() const { return status_; }
  /// Lets go of the operands of earlier calls.
  void forget();

 private:
  TfeContext* context_;
  TfStatus* status_;
  std::vector<TfeOp*> free_;
};

/// One call of an operator: inputs and attributes, then the results.
class Op {
 public:
  Op(Runner& runner, const char* name) : runner_(runner), op_(runner.take(name)) {}
  Op(const Op&) = delete;
  Op& operator=(const Op&) = delete;
  ~Op() { runner_.give(op_); }

  Op& in(const Tensor& t);
  Op& in(const Tensors& list);  ///< one operand that is a list
  Op& text(const char* name, const std::string& value) {
    tf()->set_string(op_, name, value.data(), value.size());
    return *this;
  }
  Op& flag(const char* name, bool value) {
    tf()->set_bool(op_, name, value ? 1 : 0);
    return *this;
  }
  Op& i(const char* name, int64_t value) {
    tf()->set_int(op_, name, value);
    return *this;
  }
  Op& f(const char* name, float value) {
    tf()->set_float(op_, name, value);
    return *this;
  }
  Op& type(const char* name, int value) {
    tf()->set_type(op_, name, value);
    return *this;
  }
  Op& ints(const char* name, const Ints& value) {
    tf()->set_ints(op_, name, value.data(), static_cast<int>(value.size()));
    return *this;
  }
  Tensor one();
  Tensors some(int most);  ///< all results, at most so many

 private:
  Runner& runner_;
  TfeOp* op_;
};

}  // namespace chorus_tensorflow
