#include "tensor.h"

#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace chorus_mindspore {
namespace {

struct Form {
  const char* name;
  size_t bytes;
};
constexpr std::array<Form, 17> kForms = {{{"nothing", 0},
                                          {"float32", 4},
                                          {"uint8", 1},
                                          {"int8", 1},
                                          {"uint16", 2},
                                          {"int16", 2},
                                          {"int32", 4},
                                          {"int64", 8},
                                          {"string", 0},
                                          {"bool", 1},
                                          {"float16", 2},
                                          {"float64", 8},
                                          {"uint32", 4},
                                          {"uint64", 8},
                                          {"complex64", 8},
                                          {"complex128", 16},
                                          {"bfloat16", 2}}};
constexpr size_t kAlignment = 64;
constexpr size_t kBehind = 64;   // readable bytes behind the end

Form form_of(int type) {
  return type > 0 && type < static_cast<int>(kForms.size()) ? kForms[static_cast<size_t>(type)]
                                                            : Form{"a type of its own", 0};
}

// float32 to the bits of float16, to nearest even.
uint16_t half_of(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, 4);
  const uint32_t sign = (bits >> 16) & 0x8000U, magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return static_cast<uint16_t>(sign | 0x7e00U);
  if (magnitude >= 0x47800000U) return static_cast<uint16_t>(sign | 0x7c00U);
  if (magnitude < 0x38800000U) {
    const auto small = static_cast<uint32_t>(std::nearbyint(std::fabs(value) * 16777216.0F));
    return static_cast<uint16_t>(sign | small);
  }
  const uint32_t rounded = magnitude + 0xfffU + ((magnitude >> 13) & 1U);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000U) >> 13));
}

uint16_t bfloat_of(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, 4);
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40U);
  return static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

double from_half(uint16_t bits) {
  const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  double value = 0;
  if (exponent == 31) {
    value = fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
  } else {
    value = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

float from_bfloat(uint16_t bits) {
  const uint32_t wide = uint32_t{bits} << 16;
  float value = 0;
  std::memcpy(&value, &wide, 4);
  return value;
}

// Calls f with a null pointer of the element type; false where it is none of C++'s.
template <class F>
bool with_type(int type, F&& f) {
  switch (type) {
    case kFloat: return f(static_cast<float*>(nullptr)), true;
    case kDouble: return f(static_cast<double*>(nullptr)), true;
    case kUint8: return f(static_cast<uint8_t*>(nullptr)), true;
    case kInt8: return f(static_cast<int8_t*>(nullptr)), true;
    case kUint16: return f(static_cast<uint16_t*>(nullptr)), true;
    case kInt16: return f(static_cast<int16_t*>(nullptr)), true;
    case kUint32: return f(static_cast<uint32_t*>(nullptr)), true;
    case kInt32: return f(static_cast<int32_t*>(nullptr)), true;
    case kUint64: return f(static_cast<uint64_t*>(nullptr)), true;
    case kInt64: return f(static_cast<int64_t*>(nullptr)), true;
    case kBool: return f(static_cast<bool*>(nullptr)), true;
    default: return false;
  }
}

[[noreturn]] void no_numbers(int type) {
  throw Failure(CH_UNSUPPORTED, std::string("numbers are not read from ") + type_name(type),
                "use another engine, such as native");
}

}  // namespace

bool has_type(int dtype) noexcept { return form_of(dtype).bytes != 0; }
const char* type_name(int type) noexcept { return form_of(type).name; }
size_t type_bytes(int type) noexcept { return form_of(type).bytes; }

int64_t count_of(const Ints& dims) noexcept {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

std::shared_ptr<char> new_memory(size_t bytes) {
  void* made = std::aligned_alloc(kAlignment, (bytes + kBehind + kAlignment - 1) / kAlignment * kAlignment);
  if (made == nullptr) throw std::bad_alloc();
  return {static_cast<char*>(made), [](char* p) { std::free(p); }};
}

Tensor::Tensor(int type, Ints dims) {
  const int64_t n = count_of(dims);
  std::shared_ptr<char> memory = new_memory(static_cast<size_t>(n) * type_bytes(type));
  void* data = memory.get();
  held_ = std::make_shared<const Held>(Held{type, std::move(dims), n, data, std::move(memory)});
}

Tensor::Tensor(int type, Ints dims, void* data, std::shared_ptr<char> owner) {
  const int64_t n = count_of(dims);
  held_ = std::make_shared<const Held>(Held{type, std::move(dims), n, data, std::move(owner)});
}

Tensor view_of(const ch_value& v) {
  if (v.kind != CH_TENSOR || !has_type(v.dtype)) {
    throw Failure(CH_UNSUPPORTED, "MindSpore has no element type of ONNX's number " + std::to_string(v.dtype),
                  "use another engine, such as native");
  }
  alignas(kAlignment) static char nothing[kBehind];
  void* data = v.buffer.data == nullptr ? nothing : static_cast<char*>(v.buffer.data) + v.offset;
  return {v.dtype, Ints(v.dims, v.dims + v.rank), data, nullptr};
}

Tensor copy_of(int type, const Ints& dims, const void* data) {
  Tensor made(type, dims);
  if (made.bytes() > 0) std::memcpy(made.data(), data, made.bytes());
  return made;
}

Tensor vector_of(const Ints& values, int type) {
  const Ints dims = {static_cast<int64_t>(values.size())};
  if (type == kInt64) return copy_of(kInt64, dims, values.data());
  Tensor made(type, dims);
  with_type(type, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    for (size_t i = 0; i < values.size(); ++i) made.as<T>()[i] = static_cast<T>(values[i]);
  });
  return made;
}

Tensor scalar_of(double value, int type) {
  Tensor made(type, {});
  if (type == kHalf) {
    *made.as<uint16_t>() = half_of(static_cast<float>(value));
  } else if (type == kBfloat16) {
    *made.as<uint16_t>() = bfloat_of(static_cast<float>(value));
  } else if (!with_type(type, [&](auto* t) {
               using T = std::remove_pointer_t<decltype(t)>;
               *made.as<T>() = static_cast<T>(value);
             })) {
    no_numbers(type);
  }
  return made;
}

Ints to_ints(const Tensor& tensor) {
  Ints made(static_cast<size_t>(tensor.count()));
  if (is_float(tensor.type()) || !with_type(tensor.type(), [&](auto* t) {
        using T = std::remove_pointer_t<decltype(t)>;
        for (size_t i = 0; i < made.size(); ++i) made[i] = static_cast<int64_t>(tensor.as<T>()[i]);
      })) {
    no_numbers(tensor.type());
  }
  return made;
}

double to_number(const Tensor& tensor) {
  if (tensor.count() < 1) throw Failure(CH_BAD_INPUT, "an operand that must be one number is empty");
  if (tensor.type() == kHalf) return from_half(*tensor.as<uint16_t>());
  if (tensor.type() == kBfloat16) return from_bfloat(*tensor.as<uint16_t>());
  double value = 0;
  if (!with_type(tensor.type(),
                 [&](auto* t) { value = static_cast<double>(*tensor.as<std::remove_pointer_t<decltype(t)>>()); }))
    no_numbers(tensor.type());
  return value;
}

}  // namespace chorus_mindspore
