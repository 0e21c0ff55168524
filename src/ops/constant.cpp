#include <chorus/error.h>
#include <core/convert.h>
#include <ops/constant.h>

#include <fmt/format.h>

#include <cstring>

namespace chorus {
namespace {

constexpr int64_t kMostSparseBytes = int64_t{4} << 30;

/// Position in the dense tensor of entry i.
int64_t linear_index(const SparseValue& s, const std::vector<int64_t>& indices, int64_t i) {
  if (s.indices.rank() == 1) return indices[static_cast<size_t>(i)];
  int64_t at = 0;
  for (int d = 0; d < s.shape.rank(); ++d) {
    const int64_t index = indices[static_cast<size_t>(i * s.shape.rank() + d)];
    if (index < 0 || index >= s.shape[d]) return -1;
    at = at * s.shape[d] + index;
  }
  return at;
}

Value densify(const SparseValue& s) {
  const auto wrong = [](const std::string& what) { throw Error(Code::bad_input, "Constant: sparse_value: " + what); };
  if (!s.values.is_tensor() || s.values.rank() != 1 || s.values.dtype() == DType::string)
    wrong("the values are not a vector of numbers");
  const int64_t n = s.values.numel(), total = checked_numel(s.shape.dims());
  const bool flat = s.indices.is_tensor() && s.indices.rank() == 1 && s.indices.numel() == n;
  const bool rows = s.indices.is_tensor() && s.indices.rank() == 2 && s.indices.shape()[0] == n &&
                    s.indices.shape()[1] == s.shape.rank();
  if (s.indices.dtype() != DType::int64 || !(flat || rows))
    wrong(fmt::format("indices {} do not fit {} values", s.indices.shape().str(), n));
  const DType type = s.values.dtype();
  const int64_t bytes = dtype_bytes(type, total);
  if (bytes < 0 || bytes > kMostSparseBytes)
    throw Error(Code::budget, "Constant: a dense tensor of shape " + s.shape.str() + " is too large");
  Value dense = Value::tensor(type, s.shape);
  if (bytes > 0) std::memset(dense.mutable_data(), 0, static_cast<size_t>(bytes));
  const auto indices = s.indices.to_int64s();
  for (int64_t i = 0; i < n; ++i) {
    const int64_t at = linear_index(s, indices, i);
    if (at < 0 || at >= total) wrong(fmt::format("entry {} lies outside the shape {}", i, s.shape.str()));
    copy_elements(type, s.values.data(), i, dense.mutable_data(), at, 1);
  }
  return dense;
}

Value value_of(const AttrValue& a, std::string_view name) {
  if (name == "value") {
    if (const auto* v = a.get<Value>()) return *v;
  } else if (name == "sparse_value") {
    if (const auto* v = a.get<SparseValue>()) return densify(*v);
  } else if (const auto* i = a.get<int64_t>()) {
    return Value::scalar(*i);
  } else if (const auto* f = a.get<float>()) {
    return Value::scalar(*f);
  } else if (const auto* s = a.get<std::string>()) {
    return Value::strings(Shape(), std::span<const std::string>(s, 1));
  } else if (const auto* is = a.get<std::vector<int64_t>>()) {
    return Value::of<int64_t>(Shape{static_cast<int64_t>(is->size())}, std::span<const int64_t>(*is));
  } else if (const auto* fs = a.get<std::vector<float>>()) {
    return Value::of<float>(Shape{static_cast<int64_t>(fs->size())}, std::span<const float>(*fs));
  } else if (const auto* ss = a.get<std::vector<std::string>>()) {
    return Value::strings(Shape{static_cast<int64_t>(ss->size())}, *ss);
  }
  throw Error(Code::bad_input, fmt::format("Constant: attribute {} is a {}", name, attr_kind_name(a.kind())));
}

}  // namespace

Value constant_value(const Attributes& attributes) {
  static constexpr std::string_view kNames[] = {"value",       "sparse_value", "value_int",    "value_ints",
                                                "value_float", "value_floats", "value_string", "value_strings"};
  const AttrValue* found = nullptr;
  std::string_view name;
  for (const std::string_view candidate : kNames) {
    const AttrValue* a = attributes.find(candidate);
    if (a == nullptr) continue;
    if (found != nullptr)
      throw Error(Code::bad_input, fmt::format("Constant: both {} and {} are given", name, candidate));
    found = a;
    name = candidate;
  }
  if (found == nullptr)
    throw Error(Code::bad_input, "Constant: no value is given", {}, "give one of value, value_int, value_floats …");
  return value_of(*found, name);
}

}  // namespace chorus
