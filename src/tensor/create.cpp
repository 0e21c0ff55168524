// Tensors from numbers, lists, ranges and random sequences.
#include <core/convert.h>
#include <core/random.h>
#include <tensor/expr.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace chorus {
namespace {

constexpr int64_t kMaxTrials = 100'000;
constexpr int64_t kBlock = 1024;

template <class T>
void measure(const NestedList<T>& list, size_t depth, std::vector<int64_t>& dims, bool& leaves,
             std::vector<const T*>& flat) {
  if (list.is_leaf()) {
    if (flat.empty()) {
      leaves = true;
    } else if (depth != dims.size()) {
      throw Error(Code::shape,
                  fmt::format("ragged data: a number stands at depth {} where lists of {} dimensions stand elsewhere",
                              depth, dims.size()),
                  {}, "give every list at one depth the same length");
    }
    flat.push_back(&list.leaf());
    return;
  }
  if (depth > static_cast<size_t>(kMaxRank))
    throw Error(Code::shape, fmt::format("lists are nested deeper than {}", kMaxRank));
  const auto n = static_cast<int64_t>(list.items().size());
  if (depth >= dims.size()) {
    if (leaves)
      throw Error(Code::shape,
                  fmt::format("ragged data: a list stands at depth {} where numbers stand elsewhere", depth));
    dims.push_back(n);
  } else if (dims[depth] != n) {
    throw Error(Code::shape, fmt::format("ragged data: lists of {} and of {} items at depth {}", dims[depth], n, depth),
                {}, "give every list at one depth the same length");
  }
  for (const auto& item : list.items()) measure(item, depth + 1, dims, leaves, flat);
}

DType default_type(Number::Kind kind) {
  switch (kind) {
    case Number::Kind::boolean: return DType::boolean;
    case Number::Kind::integer: return DType::int64;
    case Number::Kind::real: return DType::float32;
    case Number::Kind::complex: return DType::complex64;
  }
  return DType::float32;
}

[[noreturn]] void unfit(const std::string& number, DType type) {
  throw Error(Code::bad_input, fmt::format("{} does not fit element type {}", number, dtype_name(type)), {},
              "give a wider type");
}

void store(Value& made, int64_t i, const Number& n) {
  const DType type = made.dtype();
  if (is_complex(type)) {
    const std::complex<double> c(n.real(), n.imaginary());
    store_c128(type, made.mutable_data(), i, 1, &c);
    return;
  }
  if (n.kind() == Number::Kind::complex) unfit(fmt::format("{}{:+}i", n.real(), n.imaginary()), type);
  if (is_integer(type)) {
    if (n.kind() == Number::Kind::real && (n.real() != std::trunc(n.real()) || std::abs(n.real()) > 9.2e18))
      unfit(fmt::format("{}", n.real()), type);
    const int64_t v = n.integer();
    set_i64(type, made.mutable_data(), i, v);
    if (get_i64(type, made.data(), i) != v || (v < 0 && is_unsigned_integer(type))) unfit(fmt::format("{}", v), type);
    return;
  }
  if (type == DType::boolean && n.kind() == Number::Kind::integer && n.integer() != 0 && n.integer() != 1)
    unfit(fmt::format("{}", n.integer()), type);
  set_f64(type, made.mutable_data(), i, n.real());
}

// A new tensor of numbers, checked.
Value make(const Shape& shape, DType type) {
  if (type == DType::string || type == DType::undefined) {
    throw Error(Code::type, fmt::format("a tensor of numbers cannot have element type {}", dtype_name(type)), {},
                "use initialize for strings");
  }
  return Value::tensor(type, shape);
}

void fill(Value& v, const Number& number) {
  const int64_t n = v.numel();
  if (n == 0) return;
  const int bits = dtype_bits(v.dtype());
  if (bits < 8 || bits % 8 != 0) {
    for (int64_t i = 0; i < n; ++i) store(v, i, number);
    return;
  }
  store(v, 0, number);
  auto* data = static_cast<std::byte*>(v.mutable_data());
  const size_t size = static_cast<size_t>(bits) / 8, all = static_cast<size_t>(n) * size;
  for (size_t done = size; done < all; done *= 2) std::memcpy(data + done, data, std::min(done, all - done));
}

// Elements in blocks through float64 or int64.
template <class T, class F>
Tensor generate(const Shape& shape, DType type, F element) {
  Value made = make(shape, type);
  T block[kBlock];
  const int64_t n = made.numel();
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t count = std::min(kBlock, n - begin);
    for (int64_t i = 0; i < count; ++i) block[i] = element(begin + i);
    if constexpr (std::is_same_v<T, double>)
      store_f64(type, made.mutable_data(), begin, count, block);
    else
      store_i64(type, made.mutable_data(), begin, count, block);
  }
  return make_leaf(std::move(made));
}

void require_float(DType type, const char* what) {
  if (!is_float(type))
    throw Error(Code::type, fmt::format("{}: element type {} is no float type", what, dtype_name(type)));
}

void require_range(DType type, int64_t low, int64_t high, const char* what) {
  if (!is_integer(type) && !is_float(type))
    throw Error(Code::type, fmt::format("{}: element type {} cannot hold integers", what, dtype_name(type)));
  if (!is_integer(type)) return;
  Value probe = Value::tensor(type, Shape{});
  for (int64_t v : {low, high}) store(probe, 0, v);
}

}  // namespace

Tensor initialize(const NestedList<Number>& data, DType type) {
  std::vector<int64_t> dims;
  std::vector<const Number*> flat;
  bool leaves = false;
  measure(data, 0, dims, leaves, flat);
  if (type == DType::undefined) {
    Number::Kind kind = flat.empty() ? Number::Kind::real : Number::Kind::boolean;
    for (const Number* n : flat) kind = std::max(kind, n->kind());
    type = default_type(kind);
  }
  Value made = make(Shape(dims), type);
  for (size_t i = 0; i < flat.size(); ++i) store(made, static_cast<int64_t>(i), *flat[i]);
  return make_leaf(std::move(made));
}

Tensor initialize(const NestedList<std::string>& data, DType type) {
  if (type != DType::string)
    throw Error(Code::type, fmt::format("strings cannot be stored as {}", dtype_name(type)), {},
                "cast the tensor of strings");
  std::vector<int64_t> dims;
  std::vector<const std::string*> flat;
  bool leaves = false;
  measure(data, 0, dims, leaves, flat);
  std::vector<std::string> items;
  for (const std::string* s : flat) items.push_back(*s);
  return from_strings(Shape(dims), items);
}

Tensor from_strings(const Shape& shape, std::span<const std::string> data) {
  return make_leaf(Value::strings(shape, data));
}

Tensor empty(const Shape& shape, DType type) { return make_leaf(make(shape, type)); }
Tensor zeros(const Shape& shape, DType type) { return full(shape, 0, type); }
Tensor ones(const Shape& shape, DType type) { return full(shape, 1, type); }
Tensor full(const Shape& shape, Number value, DType type) {
  Value made = make(shape, type == DType::undefined ? default_type(value.kind()) : type);
  fill(made, value);
  return make_leaf(std::move(made));
}

Tensor arange(Number end) { return arange(0, end); }
Tensor arange(Number begin, Number end, Number step, DType type) {
  const Number::Kind kind = std::max({begin.kind(), end.kind(), step.kind()});
  if (kind == Number::Kind::complex) throw Error(Code::type, "arange: complex numbers have no order");
  if (type == DType::undefined) type = kind == Number::Kind::real ? DType::float32 : DType::int64;
  const double span = (end.real() - begin.real()) / step.real();
  if (step.real() == 0 || !std::isfinite(span)) {
    throw Error(Code::bad_input,
                fmt::format("arange: no range from {} to {} by {}", begin.real(), end.real(), step.real()));
  }
  const double count = std::max(0.0, std::ceil(span));
  if (count > 1e15) throw Error(Code::budget, fmt::format("arange: {} elements are too many", count));
  const Shape shape{static_cast<int64_t>(count)};
  if (kind != Number::Kind::real) {
    // Without sign: the product alone may not fit where the range crosses zero.
    const auto first = static_cast<uint64_t>(begin.integer()), by = static_cast<uint64_t>(step.integer());
    return generate<int64_t>(shape, type,
                             [&](int64_t i) { return static_cast<int64_t>(first + static_cast<uint64_t>(i) * by); });
  }
  return generate<double>(shape, type, [&](int64_t i) { return begin.real() + static_cast<double>(i) * step.real(); });
}

// Floats are cut below 1: rounding must not make the 1 that [0, 1) excludes.
Tensor rand(const Shape& shape, Generator& generator, DType type) {
  require_float(type, "rand");
  const uint64_t seed = generator.seed(), stream = generator.next_stream();
  const int digits = type == DType::float64    ? 53
                     : type == DType::float32  ? 24
                     : type == DType::float16  ? 11
                     : type == DType::bfloat16 ? 8
                                               : 2;
  const double scale = std::ldexp(1.0, digits);
  return generate<double>(shape, type, [&](int64_t i) {
    return std::floor(philox_uniform(seed, stream, static_cast<uint64_t>(i)) * scale) / scale;
  });
}

Tensor randn(const Shape& shape, Generator& generator, DType type) {
  require_float(type, "randn");
  const uint64_t seed = generator.seed(), stream = generator.next_stream();
  return generate<double>(shape, type,
                          [&](int64_t i) { return philox_normal(seed, stream, static_cast<uint64_t>(i)); });
}

Tensor randint(int64_t low, int64_t high, const Shape& shape, Generator& generator, DType type) {
  if (low >= high)
    throw Error(Code::bad_input, fmt::format("randint: no integers from {} up to, not including, {}", low, high));
  require_range(type, low, high - 1, "randint");
  const uint64_t seed = generator.seed(), stream = generator.next_stream();
  const uint64_t span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  return generate<int64_t>(shape, type, [&](int64_t i) {
    // The high half of a 64-bit product: bias below span / 2^64.
    const auto w = philox4x32(seed, stream, static_cast<uint64_t>(i));
    const uint64_t bits = uint64_t{w[0]} << 32 | w[1];
    return static_cast<int64_t>(static_cast<uint64_t>(low) +
                                static_cast<uint64_t>((static_cast<unsigned __int128>(bits) * span) >> 64));
  });
}

Tensor binomial(int64_t n, double p, const Shape& shape, Generator& generator, DType type) {
  if (n < 0 || n > kMaxTrials || !(p >= 0 && p <= 1)) {
    throw Error(Code::bad_input, fmt::format("binomial: {} trials of probability {}", n, p), {},
                fmt::format("0 to {} trials, p in [0, 1]", kMaxTrials));
  }
  require_range(type, 0, n, "binomial");
  const uint64_t seed = generator.seed(), stream = generator.next_stream();
  return generate<int64_t>(shape, type, [&](int64_t i) {
    int64_t successes = 0;
    for (int64_t t = 0; t < n; ++t)
      successes += philox_uniform(seed, stream, static_cast<uint64_t>(i * n + t)) < p ? 1 : 0;
    return successes;
  });
}

}  // namespace chorus
