// Kernels of MindSpore's processor back end, made by name, kept, and called. No header of MindSpore is seen here.
#pragma once
#include <string>
#include <string_view>

#include "tensor.h"

namespace chorus_mindspore {

using Types = uint64_t;   ///< set of element types
constexpr Types type_bit(int t) { return Types{1} << t; }

/// Types for which every one of these kernels ("Add,ReLU"; "Div|TruncateDiv": one of two) is registered, asked of the library; all for "".
/// The type is that of operand 0, or of the one behind a colon ("Select:1").
Types kernel_types(std::string_view kernels);
/// The type that a kernel makes of operands of `type`; kNoType: it does not take them.
int kernel_result(std::string_view kernel, int type);

/// Once, before the first kernel: silent log levels.
void start_mindspore();
/// Version of the headers that this was built with.
const char* built_version();

struct Kept;  ///< the kernels of a runner

/// Makes calls of kernels; one caller at a time. Keeps the kernels that it made, within a bound.
class Runner {
 public:
  explicit Runner(int threads);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  Kept& kept() { return *kept_; }

 private:
  std::unique_ptr<Kept> kept_;
};

/// An operand or attribute of a kernel that is no tensor.
struct Value {
  enum class Kind : uint8_t { none, flag, integer, real, text, list, tensor } kind = Kind::none;
  bool flag = false;
  int64_t integer = 0;
  float real = 0;
  std::string text;
  Ints list;
  Tensor tensor;
};

/// One call: operands and attributes in the order of the kernel, then the results.
class Op {
 public:
  Op(Runner& runner, const char* name) : runner_(runner), name_(name) {}
  Op& in(const Tensor& t);
  Op& none();
  Op& flag(bool value);
  Op& i(int64_t value);
  Op& f(double value);
  Op& text(std::string_view value);
  Op& ints(const Ints& value);  ///< a tuple
  Op& set_flag(const char* name, bool value);
  Op& set_i(const char* name, int64_t value);
  Op& set_f(const char* name, double value);
  Op& set_text(const char* name, std::string_view value);
  Op& set_ints(const char* name, const Ints& value);
  /// A further result.
  Op& makes(int type, const Ints& dims);
  Tensor one(int type, const Ints& dims);
  Tensors some();  ///< all results; where the kernel finds their shapes itself, with these

 private:
  Runner& runner_;
  const char* name_;
  std::vector<Value> operands_;
  std::vector<std::pair<const char*, Value>> attributes_;
  std::vector<std::pair<int, Ints>> results_;
  friend struct Kept;
};

}  // namespace chorus_mindspore
