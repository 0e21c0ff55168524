#include <chorus/error.h>
#include <chorus/value.h>
#include <core/convert.h>
#include <core/memory_meter.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace chorus {
namespace {

int64_t bytes_needed(DType dtype, const Shape& shape) {
  if (dtype_bits(dtype) == 0) {
    throw Error(Code::type, "a dense tensor of element type " + std::string(dtype_name(dtype)) + " does not exist", {},
                "use a numeric type, or Value::strings for strings");
  }
  const int64_t bytes = dtype_bytes(dtype, shape.numel());
  if (bytes < 0) {
    throw Error(Code::shape,
                "a tensor " + std::string(dtype_name(dtype)) + shape.str() + " has more bytes than can be counted", {},
                "use smaller extents");
  }
  return bytes;
}

std::string number_str(double v) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, v).ptr;
  return {text, end};
}

template <class Integer>
std::string integer_str(Integer v) {
  return std::to_string(v);
}

std::string element_str(const Value& value, int64_t i) {
  const DType t = value.dtype();
  if (t == DType::string) {
    std::string out = "\"";
    const std::string_view s = value.strings()[i];
    out += s.substr(0, 64);
    if (s.size() > 64) out += "...";
    return out + "\"";
  }
  if (t == DType::boolean) return get_i64(t, value.data(), i) != 0 ? "true" : "false";
  if (t == DType::uint64) return integer_str(static_cast<uint64_t>(get_i64(t, value.data(), i)));
  if (is_integer(t)) return integer_str(get_i64(t, value.data(), i));
  if (is_complex(t)) {
    std::complex<double> c;
    load_c128(t, value.data(), i, 1, &c);
    return "(" + number_str(c.real()) + ", " + number_str(c.imag()) + ")";
  }
  if (t == DType::float32) {  // shortest digits of the float itself, not of its double
    char text[32];
    float f;
    load_f32(t, value.data(), i, 1, &f);
    return {text, std::to_chars(text, text + sizeof text, f).ptr};
  }
  return number_str(get_f64(t, value.data(), i));
}

/// Nested brackets around the first `limit` elements.
void append_elements(const Value& value, int limit, std::string& out) {
  const Shape& shape = value.shape();
  const int rank = shape.rank();
  const int64_t count = value.numel();
  if (rank == 0) {
    out += limit > 0 ? element_str(value, 0) : "...";
    return;
  }
  if (count == 0) {
    out += "[]";
    return;
  }
  int64_t index[kMaxRank] = {};
  out.append(static_cast<size_t>(rank), '[');
  for (int64_t i = 0; i < count; ++i) {
    if (i >= limit) {
      out += "...";
      out.append(static_cast<size_t>(rank), ']');
      return;
    }
    out += element_str(value, i);
    int closed = 0;
    for (int d = rank - 1; d >= 0 && ++index[d] == shape[d]; --d, ++closed) index[d] = 0;
    out.append(static_cast<size_t>(closed), ']');
    if (i + 1 < count) {
      out += ", ";
      out.append(static_cast<size_t>(closed), '[');
    }
  }
}

constexpr int kMaxNesting = 32;

int nesting(std::span<const Value> items) {
  // Values are built bottom-up and each level checks, so the recursion is bounded by kMaxNesting.
  int deepest = 0;
  for (const Value& item : items) {
    if (item.kind() != ValueKind::tensor && item.kind() != ValueKind::none) {
      deepest = std::max(deepest, nesting(item.items()));
    }
  }
  return deepest + 1;
}

std::shared_ptr<const std::vector<Value>> shared_items(std::vector<Value> items) {
  if (nesting(items) > kMaxNesting) {
    throw Error(Code::budget, "a value nested deeper than " + std::to_string(kMaxNesting) + " levels", {},
                "use flatter sequences");
  }
  const auto bytes = static_cast<int64_t>(items.capacity() * sizeof(Value));
  return with_charge(std::make_shared<const std::vector<Value>>(std::move(items)), bytes);
}

bool same_bits(const Value& a, const Value& b) {
  const size_t bits = static_cast<size_t>(a.numel()) * static_cast<size_t>(dtype_bits(a.dtype()));
  if (bits == 0) return true;
  if (std::memcmp(a.data(), b.data(), bits / 8) != 0) return false;
  if (bits % 8 == 0) return true;
  // Bits behind the last element of a sub-byte tensor mean nothing.
  const auto last = [&](const Value& v) { return static_cast<const unsigned char*>(v.data())[bits / 8]; };
  return ((last(a) ^ last(b)) & ((1u << (bits % 8)) - 1)) == 0;
}

}  // namespace

Value Value::tensor(DType dtype, const Shape& shape) {
  const int64_t bytes = bytes_needed(dtype, shape);
  return tensor(dtype, shape, Buffer::allocate(static_cast<size_t>(bytes)));
}

Value Value::tensor(DType dtype, const Shape& shape, Buffer buffer) {
  const auto bytes = static_cast<size_t>(bytes_needed(dtype, shape));
  if (buffer.bytes() < bytes) {
    throw Error(Code::shape,
                "a tensor " + std::string(dtype_name(dtype)) + shape.str() + " needs " + std::to_string(bytes) +
                    " bytes, its buffer has " + std::to_string(buffer.bytes()),
                {}, "give a buffer that holds the whole tensor");
  }
  Value value;
  value.kind_ = ValueKind::tensor;
  value.dtype_ = dtype;
  value.shape_ = shape;
  value.buffer_ = buffer.bytes() == bytes ? std::move(buffer) : buffer.slice(0, bytes);
  return value;
}

Value Value::strings(const Shape& shape, std::shared_ptr<const Strings> strings) {
  const int64_t count = strings ? strings->size() : 0;
  if (shape.numel() != count) {
    throw Error(Code::shape, "a tensor string" + shape.str() + " does not hold " + std::to_string(count) + " strings",
                {}, "give as many strings as the shape has elements");
  }
  if (!strings) strings = std::make_shared<const Strings>();
  int64_t begin = 0;
  for (int64_t end : strings->ends) {
    if (end < begin || end > static_cast<int64_t>(strings->bytes.size())) {
      throw Error(Code::bad_input, "string offsets do not rise within the text: " + std::to_string(begin) + " to " +
                                       std::to_string(end) + " of " + std::to_string(strings->bytes.size()) + " bytes");
    }
    begin = end;
  }
  Value value;
  value.kind_ = ValueKind::tensor;
  value.dtype_ = DType::string;
  value.shape_ = shape;
  const auto bytes = static_cast<int64_t>(strings->bytes.capacity() + strings->ends.capacity() * sizeof(int64_t));
  value.strings_ = strings.use_count() == 1 ? with_charge(std::move(strings), bytes) : std::move(strings);
  return value;
}

Value Value::strings(const Shape& shape, std::span<const std::string> items) {
  auto all = std::make_shared<Strings>();
  all->ends.reserve(items.size());
  for (const std::string& item : items) all->push_back(item);
  return strings(shape, std::move(all));
}

Value Value::sequence(DType elem, std::vector<Value> items) {
  Value value;
  value.kind_ = ValueKind::sequence;
  value.dtype_ = elem;
  value.items_ = shared_items(std::move(items));
  return value;
}

Value Value::optional(DType elem, std::vector<Value> items) {
  if (items.size() > 1) {
    throw Error(Code::shape, "an optional holds 0 or 1 values, not " + std::to_string(items.size()));
  }
  Value value = sequence(elem, std::move(items));
  value.kind_ = ValueKind::optional;
  return value;
}

Value Value::map(Value keys, Value values) {
  const bool key_type = keys.is_tensor() && (is_integer(keys.dtype()) || keys.dtype() == DType::string);
  if (!key_type || keys.rank() != 1) {
    throw Error(Code::type, "keys of a map are " + keys.str(4), {}, "use a rank-1 tensor of integers or strings");
  }
  if (!values.is_tensor() && values.kind() != ValueKind::sequence) {
    throw Error(Code::type, "values of a map are " + values.str(4), {}, "use a tensor or a sequence");
  }
  const int64_t count =
      values.is_tensor() ? (values.rank() > 0 ? values.shape()[0] : 1) : static_cast<int64_t>(values.items().size());
  if (count != keys.shape()[0]) {
    throw Error(Code::shape,
                "a map of " + std::to_string(keys.shape()[0]) + " keys has " + std::to_string(count) + " values", {},
                "give one value for each key");
  }
  Value value;
  value.kind_ = ValueKind::map;
  value.dtype_ = keys.dtype();
  std::vector<Value> both;
  both.push_back(std::move(keys));
  both.push_back(std::move(values));
  value.items_ = shared_items(std::move(both));
  return value;
}

Value Value::copy_of(DType dtype, const Shape& shape, const void* data, size_t bytes) {
  const auto needed = static_cast<size_t>(bytes_needed(dtype, shape));
  if (bytes != needed) {
    throw Error(Code::shape,
                "a tensor " + std::string(dtype_name(dtype)) + shape.str() + " needs " + std::to_string(needed) +
                    " bytes, " + std::to_string(bytes) + " were given",
                {}, "give data that fits the shape");
  }
  Value value = tensor(dtype, shape);
  if (bytes > 0) std::memcpy(value.mutable_data(), data, bytes);
  return value;
}

const Strings& Value::strings() const {
  if (!strings_) {
    throw Error(Code::type, "a value of element type " + std::string(dtype_name(dtype_)) + " holds no strings", {},
                "use a tensor of strings");
  }
  return *strings_;
}

std::span<const Value> Value::items() const noexcept {
  return items_ ? std::span<const Value>(*items_) : std::span<const Value>();
}

Value Value::reshaped(const Shape& shape) const {
  if (kind_ != ValueKind::tensor) throw Error(Code::type, "only a tensor can be reshaped, not " + str(4));
  if (shape.numel() != shape_.numel()) {
    throw Error(Code::shape,
                "shape " + shape_.str() + " (" + std::to_string(shape_.numel()) + " elements) cannot become " +
                    shape.str() + " (" + std::to_string(shape.numel()) + " elements)",
                {}, "use a shape of equal element count");
  }
  Value value = *this;
  value.shape_ = shape;
  return value;
}

std::vector<double> Value::to_doubles() const {
  if (kind_ != ValueKind::tensor || dtype_ == DType::string || is_complex(dtype_)) {
    throw Error(Code::type, "not a tensor of real numbers: " + str(4));
  }
  std::vector<double> out(static_cast<size_t>(numel()));
  load_f64(dtype_, data(), 0, static_cast<int64_t>(out.size()), out.data());
  return out;
}

std::vector<int64_t> Value::to_int64s() const {
  if (kind_ != ValueKind::tensor || dtype_ == DType::string || is_complex(dtype_)) {
    throw Error(Code::type, "not a tensor of real numbers: " + str(4));
  }
  std::vector<int64_t> out(static_cast<size_t>(numel()));
  load_i64(dtype_, data(), 0, static_cast<int64_t>(out.size()), out.data());
  return out;
}

bool Value::identical(const Value& other) const {
  if (kind_ != other.kind_ || dtype_ != other.dtype_) return false;
  if (kind_ == ValueKind::none) return true;
  if (kind_ == ValueKind::tensor) {
    if (!(shape_ == other.shape_)) return false;
    if (dtype_ != DType::string) return same_bits(*this, other);
    const auto text = [](const Strings& s) {
      return std::string_view(s.bytes).substr(0, s.ends.empty() ? 0 : static_cast<size_t>(s.ends.back()));
    };
    return std::ranges::equal(strings_->ends, other.strings_->ends) && text(*strings_) == text(*other.strings_);
  }
  return std::ranges::equal(items(), other.items(), [](const Value& a, const Value& b) { return a.identical(b); });
}

std::string Value::str(int limit) const {
  static constexpr std::string_view kKinds[] = {"none", "tensor", "sequence", "optional", "map"};
  if (kind_ == ValueKind::none) return "none";
  if (kind_ == ValueKind::tensor) {
    std::string out(dtype_name(dtype_));
    out += shape_.str() + " ";
    append_elements(*this, limit, out);
    return out;
  }
  std::string out(kKinds[static_cast<size_t>(kind_)]);
  out += "(";
  int64_t shown = 0;
  for (const Value& item : items()) {
    if (shown > 0) out += ", ";
    if (shown++ >= std::max(limit, 1)) {
      out += "... " + std::to_string(items().size()) + " items";
      break;
    }
    out += item.str(std::min(limit, 4));
  }
  return out + ")";
}

void Value::check_dtype(DType wanted) const {
  if (kind_ == ValueKind::tensor && dtype_ == wanted) return;
  throw Error(Code::type,
              "the data of " + (kind_ == ValueKind::tensor ? std::string(dtype_name(dtype_)) + shape_.str() : str(1)) +
                  " was asked for as " + std::string(dtype_name(wanted)),
              {}, "use the element type of the tensor, or convert it with Cast");
}

}  // namespace chorus
