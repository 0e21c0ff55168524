#include "tensor.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace chorus_tensorflow {
namespace {

struct TypeRow {
  int onnx;
  Type type;
  size_t bytes;
  const char* name;
};
constexpr TypeRow kTypes[] = {{1, kFloat, 4, "float32"},
                              {2, kUint8, 1, "uint8"},
                              {3, kInt8, 1, "int8"},
                              {4, kUint16, 2, "uint16"},
                              {5, kInt16, 2, "int16"},
                              {6, kInt32, 4, "int32"},
                              {7, kInt64, 8, "int64"},
                              {9, kBool, 1, "bool"},
                              {10, kHalf, 2, "float16"},
                              {11, kDouble, 8, "float64"},
                              {12, kUint32, 4, "uint32"},
                              {13, kUint64, 8, "uint64"},
                              {14, kComplex64, 8, "complex64"},
                              {15, kComplex128, 16, "complex128"},
                              {16, kBfloat16, 2, "bfloat16"}};

const TypeRow* row_of(int type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

struct Status {
  TfStatus* status = tf()->new_status();
  Status() = default;
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;
  ~Status() { tf()->delete_status(status); }
};

// "{{function_node __wrapped__X_device_/job:…}} the sentence [Op:X] name: ": the sentence.
std::string sentence(std::string said) {
  if (said.rfind("{{function_node", 0) == 0) {
    const size_t end = said.find("}} ");
    if (end != std::string::npos) said.erase(0, end + 3);
  }
  said.resize(std::min({said.size(), said.find(" [Op:"), said.find('\n')}));
  return said;
}

Tensor of_tensor(TfTensor* tensor) {
  const Status status;
  TfeHandle* handle = tensor == nullptr ? nullptr : tf()->new_handle(tensor, status.status);
  if (tensor != nullptr) tf()->delete_tensor(tensor);
  if (handle == nullptr)
    throw Failure(CH_BUDGET, "TensorFlow cannot make a tensor", "use a smaller model or smaller inputs");
  return Tensor(handle);
}

template <class T>
int64_t integer(const void* data, size_t i) {
  T value;
  std::memcpy(&value, static_cast<const char*>(data) + i * sizeof(T), sizeof(T));
  return static_cast<int64_t>(value);
}

double half(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31) return fraction != 0 ? __builtin_nan("") : sign * __builtin_inf();
  return sign * (exponent == 0 ? __builtin_ldexp(fraction, -24) : __builtin_ldexp(fraction + 1024, exponent - 25));
}

uint16_t half_bits(double value) {
  const auto f = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  if (f != f) return static_cast<uint16_t>(sign | 0x7e00);
  const double size = __builtin_fabs(value);
  if (size < 0x1p-25) return sign;
  if (size >= 65520) return static_cast<uint16_t>(sign | 0x7c00);
  int exponent = 0;
  __builtin_frexp(size, &exponent);
  const int scale = std::max(exponent - 11, -24);
  const auto units = static_cast<uint32_t>(__builtin_nearbyint(__builtin_ldexp(size, -scale)));
  return static_cast<uint16_t>(sign | (units + (static_cast<uint32_t>(scale + 24) << 10)));
}

template <class T>
Tensor number(double value, int type) {
  // A conversion out of range is undefined; the ends stand for what lies behind them.
  const double low = static_cast<double>(std::numeric_limits<T>::lowest()),
               high = static_cast<double>(std::numeric_limits<T>::max());
  T made;
  if constexpr (std::is_integral_v<T>) {
    made = value >= high  ? std::numeric_limits<T>::max()
           : value <= low ? std::numeric_limits<T>::lowest()
                          : static_cast<T>(value);
  } else {
    made = static_cast<T>(value);
  }
  return copy_of(type, {}, &made);
}

}  // namespace

Type to_tensorflow(int dtype) noexcept {
  for (const TypeRow& row : kTypes) {
    if (row.onnx == dtype) return row.type;
  }
  return kNoType;
}
int to_onnx(int type) noexcept {
  const TypeRow* row = row_of(type);
  return row == nullptr ? 0 : row->onnx;
}
const char* type_name(int type) noexcept {
  const TypeRow* row = row_of(type);
  return row == nullptr ? "a type of its own" : row->name;
}
size_t type_bytes(int type) noexcept {
  const TypeRow* row = row_of(type);
  return row == nullptr ? 0 : row->bytes;
}

const Ints& Tensor::dims() const {
  if (held_->known) return held_->dims;
  const Status status;
  const int rank = tf()->handle_rank(held_->handle, status.status);
  check(status.status);
  Ints dims(static_cast<size_t>(rank));
  for (int d = 0; d < rank; ++d) dims[static_cast<size_t>(d)] = tf()->handle_dim(held_->handle, d, status.status);
  check(status.status);
  held_->dims = std::move(dims);
  held_->known = true;
  return held_->dims;
}

int64_t Tensor::count() const {
  int64_t n = 1;
  for (int64_t d : dims()) n *= d;
  return n;
}

Elements::Elements(const Tensor& tensor) {
  const Status status;
  tensor_ = tf()->resolve(tensor.get(), status.status);
  check(status.status);
}

Tensor view_of(const ch_value& v) {
  const Type type = v.kind == CH_TENSOR ? to_tensorflow(v.dtype) : kNoType;
  if (type == kNoType) {
    throw Failure(CH_UNSUPPORTED, "TensorFlow is given no element type of ONNX's number " + std::to_string(v.dtype),
                  "use another engine, such as native");
  }
  size_t bytes = type_bytes(type);
  for (uint32_t d = 0; d < v.rank; ++d)
    bytes *= static_cast<size_t>(v.dims[d]);  // the host has checked that it does not overflow
  static char nothing[64];
  void* data = bytes == 0 ? nothing : static_cast<char*>(v.buffer.data) + v.offset;
  return of_tensor(tf()->new_tensor(
      type, v.dims, static_cast<int>(v.rank), data, bytes, [](void*, size_t, void*) {}, nullptr));
}

Tensor copy_of(int type, const Ints& dims, const void* data) {
  size_t bytes = type_bytes(type);
  for (int64_t d : dims) bytes *= static_cast<size_t>(d);
  TfTensor* tensor = tf()->allocate_tensor(type, dims.data(), static_cast<int>(dims.size()), bytes);
  if (tensor != nullptr && bytes > 0) std::memcpy(tf()->tensor_data(tensor), data, bytes);
  return of_tensor(tensor);
}

Tensor vector_of(const Ints& values, Type type) {
  const Ints dims = {static_cast<int64_t>(values.size())};
  if (type == kInt64) return copy_of(kInt64, dims, values.data());
  std::vector<int32_t> narrow;
  for (int64_t v : values) {
    if (v < INT32_MIN || v > INT32_MAX)
      throw Failure(CH_UNSUPPORTED, "TensorFlow takes 32 bits for an extent or position here");
    narrow.push_back(static_cast<int32_t>(v));
  }
  return copy_of(kInt32, dims, narrow.data());
}

Tensor scalar_of(double value, int type) {
  switch (type) {
    case kFloat: return number<float>(value, type);
    case kDouble: return number<double>(value, type);
    case kInt8: return number<int8_t>(value, type);
    case kInt16: return number<int16_t>(value, type);
    case kInt32: return number<int32_t>(value, type);
    case kInt64: return number<int64_t>(value, type);
    case kUint8: return number<uint8_t>(value, type);
    case kUint16: return number<uint16_t>(value, type);
    case kUint32: return number<uint32_t>(value, type);
    case kUint64: return number<uint64_t>(value, type);
    case kBool: return number<uint8_t>(value != 0 ? 1 : 0, type);
    case kHalf: return number<uint16_t>(half_bits(value), type);
    case kComplex64: {
      const float pair[2] = {static_cast<float>(value), 0};
      return copy_of(type, {}, pair);
    }
    case kComplex128: {
      const double pair[2] = {value, 0};
      return copy_of(type, {}, pair);
    }
    default: break;
  }
  if (type != kBfloat16) throw Failure(CH_UNSUPPORTED, "a number of a type that TensorFlow is not given");
  const auto f = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  const bool nan = f != f;
  const auto upper = static_cast<uint16_t>(nan ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  return copy_of(type, {}, &upper);
}

Ints to_ints(const Tensor& tensor) {
  const Elements elements(tensor);
  const size_t n = elements.bytes() / std::max<size_t>(1, type_bytes(tensor.type()));
  Ints made(n);
  const void* data = elements.data();
  for (size_t i = 0; i < n; ++i) {
    switch (tensor.type()) {
      case kInt64: made[i] = integer<int64_t>(data, i); break;
      case kInt32: made[i] = integer<int32_t>(data, i); break;
      case kInt16: made[i] = integer<int16_t>(data, i); break;
      case kInt8: made[i] = integer<int8_t>(data, i); break;
      case kUint64: made[i] = integer<uint64_t>(data, i); break;
      case kUint32: made[i] = integer<uint32_t>(data, i); break;
      case kUint16: made[i] = integer<uint16_t>(data, i); break;
      case kBool:
      case kUint8: made[i] = integer<uint8_t>(data, i); break;
      default: throw Failure(CH_BAD_INPUT, "an operand that holds integers is of another type");
    }
  }
  return made;
}

double to_number(const Tensor& tensor) {
  const int type = tensor.type();
  if (!is_float(type)) {
    const Ints all = to_ints(tensor);
    if (all.empty()) throw Failure(CH_BAD_INPUT, "an operand that must be one number is empty");
    return static_cast<double>(all[0]);
  }
  const Elements elements(tensor);
  if (elements.bytes() < type_bytes(type)) throw Failure(CH_BAD_INPUT, "an operand that must be one number is empty");
  if (type == kDouble) {
    double value;
    std::memcpy(&value, elements.data(), 8);
    return value;
  }
  if (type == kHalf) return half(static_cast<uint16_t>(integer<uint16_t>(elements.data(), 0)));
  uint32_t bits = 0;
  if (type == kBfloat16) {
    bits = static_cast<uint32_t>(integer<uint16_t>(elements.data(), 0)) << 16;
  } else {
    std::memcpy(&bits, elements.data(), 4);
  }
  float value;
  std::memcpy(&value, &bits, 4);
  return static_cast<double>(value);
}

void check(const TfStatus* status) {
  const int code = tf()->get_code(status);  // of absl
  if (code == 0) return;
  const std::string said = sentence(tf()->message(status));
  const bool lacks = code == 12 || said.find("Could not find device for node") != std::string::npos ||
                     said.find("No OpKernel was registered") != std::string::npos ||
                     said.find("is not in the list of allowed values") != std::string::npos;
  if (lacks) throw Failure(CH_UNSUPPORTED, "TensorFlow: " + said, "use another engine, such as native");
  if (code == 8) throw Failure(CH_BUDGET, "TensorFlow: " + said, "use a smaller model or smaller inputs");
  throw Failure(code == 3 || code == 9 || code == 11 ? CH_BAD_INPUT : CH_INTERNAL, "TensorFlow: " + said);
}

Runner::Runner(TfeContext* context) : context_(context), status_(tf()->new_status()) {}

Runner::~Runner() {
  for (TfeOp* op : free_) tf()->delete_op(op);
  tf()->delete_status(status_);
}

TfeOp* Runner::take(const char* name) {
  if (free_.empty()) {
    TfeOp* made = tf()->new_op(context_, name, status_);
    check(status_);
    return made;
  }
  TfeOp* op = free_.back();
  free_.pop_back();
  tf()->reset_op(op, name, nullptr, status_);
  if (tf()->get_code(status_) != 0) {
    free_.push_back(op);
    check(status_);
  }
  return op;
}

void Runner::forget() {
  for (TfeOp* op : free_) tf()->reset_op(op, "NoOp", nullptr, status_);
}

Op& Op::in(const Tensor& t) {
  if (!t) throw Failure(CH_INTERNAL, "an operand of TensorFlow is missing");
  tf()->add_input(op_, t.get(), runner_.status());
  check(runner_.status());
  return *this;
}

Op& Op::in(const Tensors& list) {
  std::vector<TfeHandle*> handles;
  for (const Tensor& t : list) handles.push_back(t.get());
  tf()->add_input_list(op_, handles.data(), static_cast<int>(handles.size()), runner_.status());
  check(runner_.status());
  return *this;
}

Tensor Op::one() {
  TfeHandle* made = nullptr;
  int n = 1;
  tf()->execute(op_, &made, &n, runner_.status());
  check(runner_.status());
  if (n != 1 || made == nullptr) throw Failure(CH_INTERNAL, "TensorFlow made no result");
  return Tensor(made);
}

Tensors Op::some(int most) {
  std::vector<TfeHandle*> made(static_cast<size_t>(most), nullptr);
  int n = most;
  tf()->execute(op_, made.data(), &n, runner_.status());
  check(runner_.status());
  Tensors list;
  for (int k = 0; k < n; ++k) list.push_back(Tensor(made[static_cast<size_t>(k)]));
  return list;
}

}  // namespace chorus_tensorflow
