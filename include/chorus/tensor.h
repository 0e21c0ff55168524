// Tensor: a cheap handle to an expression. Calling an operator checks shapes and types at once and computes nothing; looking at the
// data (`item`, `data`, printing, `eval`) computes what it needs. The operators themselves are in chorus/ops.h, made from the table.
#pragma once
#include <chorus/buffer.h>
#include <chorus/dtype.h>
#include <chorus/error.h>
#include <chorus/export.h>
#include <chorus/shape.h>
#include <chorus/value.h>

#include <array>
#include <complex>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace chorus {

struct Expr;
class Engine;
class Evaluator;
class Index;

/// What may be an element in C++.
template <class T>
concept Element =
    std::is_arithmetic_v<T> || std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>;

/// A handle may be copied freely; copies stand for the same expression. An empty Tensor is an omitted operand.
/// Threads: different threads may use different handles of one expression at the same time (also evaluate it); one handle object
/// must not be assigned to while another thread reads it, like a shared_ptr.
/// Memory: an evaluated expression keeps its value and lets go of its operands. A chain of pending calls longer than
/// kMaxPendingDepth evaluates itself, except inside a KeepHistory scope.
class CHORUS_API Tensor {
 public:
  Tensor() noexcept = default;
  /// The data of `value`, shared. Any kind of value: also sequences, optionals and maps.
  explicit Tensor(Value value);
  /// A number next to tensors: takes their type. Alone it is int64, float32 or bool. `x + 1`, `clip(x, 0, 6)`.
  template <class T>
    requires(std::is_arithmetic_v<T>)
  Tensor(T number) {  // NOLINT(google-explicit-constructor)
    if constexpr (std::is_same_v<T, bool>)
      *this = of_bool(number);
    else if constexpr (std::is_floating_point_v<T>)
      *this = of_real(static_cast<double>(number));
    else
      *this = of_integer(static_cast<int64_t>(number));
  }
  /// int64 of rank 1, for operands like shapes and axes: `reshape(x, {2, 3})`.
  Tensor(std::initializer_list<int64_t> numbers);  // NOLINT(google-explicit-constructor)
  Tensor(const std::vector<int64_t>& numbers);  // NOLINT(google-explicit-constructor)

  /// Whether this is a tensor, not an omitted operand.
  bool defined() const noexcept { return expr_ != nullptr; }
  /// The only element, as in `if (a < b)`; computes. Throws Error(shape) unless there is exactly one.
  explicit operator bool() const { return item<bool>(); }

  /// Known without computing, but for operators whose sizes only the data tell (non_zero …): these are evaluated.
  Shape shape() const;
  DType dtype() const;
  DType type() const { return dtype(); }
  int rank() const;
  int64_t numel() const { return shape().numel(); }
  Device device() const;
  ValueKind kind() const;
  /// Whether the value is there already.
  bool evaluated() const noexcept;

  /// Computes, in the scope's evaluator or the given one, and returns itself.
  const Tensor& eval() const;
  const Tensor& eval(Evaluator& evaluator) const;
  /// The data; computes. Immutable: shared by all who ask.
  const Value& value() const;
  /// Dense elements in row-major order; computes. Throws Error(type) when T is not the element type.
  template <class T>
  std::span<const T> data() const {
    return value().as<T>();
  }
  std::span<const std::complex<float>> complex_data() const;
  /// The only element, converted. Throws Error(shape) unless there is exactly one, Error(type) for strings.
  template <class T>
  T item() const {
    if constexpr (std::is_floating_point_v<T>)
      return static_cast<T>(item_real());
    else if constexpr (std::is_same_v<T, bool>)
      return item_real() != 0;
    else
      return static_cast<T>(item_integer());
  }
  std::vector<double> to_doubles() const { return value().to_doubles(); }
  std::vector<int64_t> to_int64s() const { return value().to_int64s(); }
  std::vector<std::string> to_strings() const;
  /// As NumPy prints it; more than 1,000 elements are cut to three at each end of an axis.
  std::string str() const;

  /// Converted to an element type (the same one: itself).
  Tensor to(DType type) const;
  /// On a device. Only "cpu" is there yet; throws Error(unavailable) naming any other.
  Tensor to(const Device& device) const;
  /// A part: see index().
  Tensor index(std::initializer_list<Index> at) const;
  Tensor index(std::span<const Index> at) const;
  Tensor operator[](const Index& at) const;
  Tensor operator[](std::initializer_list<Index> at) const;

  /// For the layers above: the expression and which of its outputs.
  Tensor(std::shared_ptr<Expr> expr, int32_t output) noexcept : expr_(std::move(expr)), output_(output) {}
  const std::shared_ptr<Expr>& expr() const noexcept { return expr_; }
  int32_t output() const noexcept { return output_; }

 private:
  static Tensor of_bool(bool v);
  static Tensor of_integer(int64_t v);
  static Tensor of_real(double v);
  double item_real() const;
  int64_t item_integer() const;
  std::shared_ptr<Expr> expr_;
  int32_t output_ = 0;
};

/// Longest chain of pending calls that is kept before it evaluates itself.
inline constexpr int32_t kMaxPendingDepth = 10000;

/// A nested list of data: {1, 2}, {{1, 2}, {3, 4}} … Its shape follows from nesting and lengths; ragged lists throw Error(shape).
template <class T>
class NestedList {
 public:
  template <class U>
    requires(std::is_convertible_v<U, T>)
  NestedList(U leaf) : leaf_(static_cast<T>(leaf)), is_leaf_(true) {}  // NOLINT(google-explicit-constructor)
  NestedList(std::initializer_list<NestedList> items) : items_(items) {}  // NOLINT(google-explicit-constructor)
  bool is_leaf() const noexcept { return is_leaf_; }
  const T& leaf() const noexcept { return leaf_; }
  const std::vector<NestedList>& items() const noexcept { return items_; }

 private:
  T leaf_{};
  bool is_leaf_ = false;
  std::vector<NestedList> items_;
};

/// One number of a list whose kind decides the default type.
class Number {
 public:
  Number() = default;
  template <class T>
    requires(std::is_arithmetic_v<T>)
  Number(T v)  // NOLINT(google-explicit-constructor)
      : kind_(std::is_same_v<T, bool>       ? Kind::boolean
              : std::is_floating_point_v<T> ? Kind::real
                                            : Kind::integer),
        real_(static_cast<double>(v)) {
    if constexpr (!std::is_floating_point_v<T>) integer_ = static_cast<int64_t>(v);
  }
  Number(std::complex<float> v)
      : kind_(Kind::complex), real_(v.real()), imaginary_(v.imag()) {}  // NOLINT(google-explicit-constructor)
  Number(std::complex<double> v)
      : kind_(Kind::complex), real_(v.real()), imaginary_(v.imag()) {}  // NOLINT(google-explicit-constructor)
  enum class Kind : uint8_t { boolean, integer, real, complex };
  Kind kind() const noexcept { return kind_; }
  double real() const noexcept { return kind_ == Kind::integer ? static_cast<double>(integer_) : real_; }
  double imaginary() const noexcept { return imaginary_; }
  /// Of a real number: cut toward zero, the nearest of the type's range outside it, 0 of NaN.
  int64_t integer() const noexcept {
    if (kind_ != Kind::real) return integer_;
    constexpr double kEnd = 0x1p63;
    if (real_ >= -kEnd && real_ < kEnd) return static_cast<int64_t>(real_);
    return real_ > 0 ? std::numeric_limits<int64_t>::max() : real_ < 0 ? std::numeric_limits<int64_t>::min() : 0;
  }

 private:
  Kind kind_ = Kind::integer;
  double real_ = 0, imaginary_ = 0;
  int64_t integer_ = 0;
};

/// A tensor from given content: a number or nested lists. Default type: int64 for integers, float32 for reals, bool for bools,
/// complex64 for complex numbers. Throws Error(shape) for ragged lists, Error(bad_input) for a number that the type cannot hold.
CHORUS_API Tensor initialize(const NestedList<Number>& data, DType type = DType::undefined);
/// Strings; `type` must be string.
CHORUS_API Tensor initialize(const NestedList<std::string>& data, DType type = DType::string);
/// Flat data of a shape, copied. Throws Error(shape) when the counts differ.
template <class T>
  requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>)
Tensor from_data(const Shape& shape, std::span<const T> data) {
  return Tensor(Value::of<T>(shape, data));
}
template <class T>
  requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>)
Tensor from_vector(const std::vector<T>& data) {
  return from_data<T>(Shape{static_cast<int64_t>(data.size())}, std::span<const T>(data));
}
CHORUS_API Tensor from_strings(const Shape& shape, std::span<const std::string> data);
/// The same content in new memory.
CHORUS_API Tensor copy(const Tensor& source);

CHORUS_API Tensor empty(const Shape& shape, DType type = DType::float32);  ///< content unspecified
CHORUS_API Tensor zeros(const Shape& shape, DType type = DType::float32);
CHORUS_API Tensor ones(const Shape& shape, DType type = DType::float32);
/// Default type: that of the number alone (int64, float32, bool).
CHORUS_API Tensor full(const Shape& shape, Number value, DType type = DType::undefined);
/// begin, begin + step … below end (above it for a negative step). Integers give int64, reals float32.
CHORUS_API Tensor arange(Number begin, Number end, Number step = 1, DType type = DType::undefined);
CHORUS_API Tensor arange(Number end);

/// Where random numbers come from: Philox4x32-10 at (seed, stream, counter), so that equal seeds give equal numbers on every machine
/// and engine. Each call takes the next stream. Not for two threads at once.
class CHORUS_API Generator {
 public:
  explicit Generator(uint64_t seed = 0) noexcept : seed_(seed) {}
  uint64_t seed() const noexcept { return seed_; }
  uint64_t next_stream() noexcept { return stream_++; }

 private:
  uint64_t seed_, stream_ = 0;
};
CHORUS_API Tensor rand(const Shape& shape, Generator& generator, DType type = DType::float32);  ///< uniform in [0, 1)
CHORUS_API Tensor randn(const Shape& shape, Generator& generator, DType type = DType::float32);  ///< mean 0, variance 1
/// Uniform integers, low ≤ x < high. Throws Error(bad_input) when there are none.
CHORUS_API Tensor randint(int64_t low, int64_t high, const Shape& shape, Generator& generator,
                          DType type = DType::int64);
/// Successes in n trials of probability p: integers 0 … n. n ≤ 100,000 (each trial is drawn).
CHORUS_API Tensor binomial(int64_t n, double p, const Shape& shape, Generator& generator, DType type = DType::int64);

/// First, last (not included) and step of a slice; absent: the ends of the dimension.
struct Slice {
  std::optional<int64_t> start, stop;
  int64_t step = 1;
};
/// One dimension's index: a number (the dimension goes), a slice, all(), new_axis() or ellipsis(); negative numbers count from the end.
class CHORUS_API Index {
 public:
  enum class Kind : uint8_t { number, slice, new_axis, ellipsis };
  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  Index(T at) noexcept
      : kind_(Kind::number), number_(static_cast<int64_t>(at)) {}  // NOLINT(google-explicit-constructor)
  Index(Slice slice) noexcept : kind_(Kind::slice), slice_(slice) {}  // NOLINT(google-explicit-constructor)
  static Index all() noexcept { return Index(Slice{}); }
  static Index new_axis() noexcept { return Index(Kind::new_axis); }
  static Index ellipsis() noexcept { return Index(Kind::ellipsis); }
  Kind kind() const noexcept { return kind_; }
  int64_t number() const noexcept { return number_; }
  const Slice& slice() const noexcept { return slice_; }

 private:
  explicit Index(Kind kind) noexcept : kind_(kind) {}
  Kind kind_;
  int64_t number_ = 0;
  Slice slice_;
};
/// T[i, j, …]: element i of dimension 0, element j of dimension 1 …; dimensions not named are kept whole. No index: the tensor itself.
/// Throws Error(shape) naming dimension and size for an index out of range, or for more indices than dimensions.
CHORUS_API Tensor index(const Tensor& tensor, std::initializer_list<Index> at = {});
/// Dimensions in another order: dimension i of the result is dimension dims[i]. Throws Error(shape) unless `dims` names each once.
CHORUS_API Tensor permute(const Tensor& tensor, const std::vector<int64_t>& dims);
/// Joined along a new axis.
CHORUS_API Tensor stack(const std::vector<Tensor>& tensors, int64_t axis = 0);
/// Equal parts along an axis (the last may be smaller), or parts of given lengths.
CHORUS_API std::vector<Tensor> split(const Tensor& tensor, int64_t parts, int64_t axis = 0);
CHORUS_API Tensor square(const Tensor& tensor);
/// Type that operands of two types are computed in: int8 and uint8 → int16, integer and float32 → float32, float32 and float64 → float64.
CHORUS_API DType promote_types(DType a, DType b) noexcept;

CHORUS_API Tensor operator+(const Tensor& a, const Tensor& b);
CHORUS_API Tensor operator-(const Tensor& a, const Tensor& b);
CHORUS_API Tensor operator*(const Tensor& a, const Tensor& b);
CHORUS_API Tensor operator/(const Tensor& a, const Tensor& b);  ///< of integers: float32
CHORUS_API Tensor operator%(const Tensor& a, const Tensor& b);  ///< with the sign of b
CHORUS_API Tensor operator-(const Tensor& a);
CHORUS_API Tensor operator==(const Tensor& a, const Tensor& b);
CHORUS_API Tensor operator!=(const Tensor& a, const Tensor& b);
CHORUS_API Tensor operator<(const Tensor& a, const Tensor& b);
CHORUS_API Tensor operator<=(const Tensor& a, const Tensor& b);
CHORUS_API Tensor operator>(const Tensor& a, const Tensor& b);
CHORUS_API Tensor operator>=(const Tensor& a, const Tensor& b);
CHORUS_API Tensor operator!(const Tensor& a);  ///< element by element; see Tensor::defined for empty handles
inline Tensor& operator+=(Tensor& a, const Tensor& b) { return a = a + b; }
inline Tensor& operator-=(Tensor& a, const Tensor& b) { return a = a - b; }
inline Tensor& operator*=(Tensor& a, const Tensor& b) { return a = a * b; }
inline Tensor& operator/=(Tensor& a, const Tensor& b) { return a = a / b; }
CHORUS_API std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

/// Computes expressions on one engine, with its own bounded cache of compiled programs. Safe for several threads at once.
/// The first time that a structure is seen on the native engine, it runs node by node; the second time it is compiled.
class CHORUS_API Evaluator {
 public:
  struct Options {
    int threads = 1;
    int64_t cache_bytes = int64_t{256} << 20;  ///< bound of the cache of programs; the least recently used go first
    int64_t compile_work = 4'000'000;  ///< operations from which on a structure is compiled when first seen
    int64_t memory_budget = int64_t{16} << 30;  ///< bytes of one value
  };
  struct Counts {
    int64_t node_by_node = 0, compiled = 0, from_cache = 0, entries = 0, bytes = 0;
  };
  explicit Evaluator(std::shared_ptr<Engine> engine);
  Evaluator(std::shared_ptr<Engine> engine, const Options& options);
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;
  /// By name: "native", "onnxruntime" … Throws Error(not_found) naming the known ones, Error(unavailable) with the reason.
  static std::unique_ptr<Evaluator> open(std::string_view engine);
  static std::unique_ptr<Evaluator> open(std::string_view engine, const Options& options);

  void eval(std::span<const Tensor> tensors);
  void eval(std::initializer_list<Tensor> tensors) { eval(std::span<const Tensor>(tensors.begin(), tensors.size())); }
  std::string_view engine_name() const noexcept;
  Counts counts() const;

  /// The one that this thread uses when none is named: that of the innermost EvaluateOn, else the process's default, the native
  /// engine with one thread.
  static Evaluator& current();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};
/// While it lives, this thread computes on `evaluator`.
class CHORUS_API EvaluateOn {
 public:
  explicit EvaluateOn(Evaluator& evaluator) noexcept;
  ~EvaluateOn();
  EvaluateOn(const EvaluateOn&) = delete;
  EvaluateOn& operator=(const EvaluateOn&) = delete;

 private:
  Evaluator* before_;
};
/// While it lives, expressions that this thread makes keep their operands after evaluation (for gradients), and long chains do not
/// evaluate themselves.
class CHORUS_API KeepHistory {
 public:
  KeepHistory() noexcept;
  ~KeepHistory();
  KeepHistory(const KeepHistory&) = delete;
  KeepHistory& operator=(const KeepHistory&) = delete;
};
/// Computes several expressions in one program.
CHORUS_API void eval(std::initializer_list<Tensor> tensors);
CHORUS_API void eval(std::span<const Tensor> tensors);

}  // namespace chorus
