// Expressions of TVM's tensor language, as mappings write them: scalars E, tensors T that are computed element by element.
#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "ffi.h"

namespace chorus_tvm {

using Dims = std::vector<int64_t>;

/// Element types, by ONNX's numbers.
enum Type : int {
  kUndefined = 0,
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt = 6,
  kLong = 7,
  kString = 8,
  kBool = 9,
  kHalf = 10,
  kDouble = 11,
  kUint = 12,
  kUlong = 13,
  kBfloat16 = 16
};

bool has_type(int type);  ///< TVM computes with it
bool is_float(int type);
bool is_signed(int type);  ///< a signed whole number
bool is_whole(int type);  ///< a whole number; not bool
int bits_of(int type);
/// As memory holds it: bfloat16 is uint16.
DataType stored(int type);
/// In which it is computed: float16 and bfloat16 in float32.
int computed(int type);

/// A scalar. Its type is that of the computation, never float16 or bfloat16.
struct E {
  Value v;
  int type = kUndefined;
};

using Index = std::vector<E>;

/// A tensor of an operator: an operand, or an expression of others.
struct T {
  Value v;
  Dims dims;
  int type = kUndefined;
  int64_t rank() const { return static_cast<int64_t>(dims.size()); }
  int64_t size() const;
  /// An element, in the type in which it is computed.
  E operator()(const Index& at) const;
};

E number(double value, int type);
E whole(int64_t value, int type = kLong);
inline E like(double value, const E& e) { return number(value, e.type); }

E operator+(const E& a, const E& b);
E operator-(const E& a, const E& b);
E operator*(const E& a, const E& b);
E operator/(const E& a, const E& b);  ///< whole numbers: towards zero
E operator%(const E& a, const E& b);  ///< with the sign of a
E operator<(const E& a, const E& b);
E operator<=(const E& a, const E& b);
E operator==(const E& a, const E& b);
E operator!=(const E& a, const E& b);
inline E operator>(const E& a, const E& b) { return b < a; }
inline E operator>=(const E& a, const E& b) { return b <= a; }
E operator&&(const E& a, const E& b);
E operator||(const E& a, const E& b);
E operator!(const E& a);
E bits_and(const E& a, const E& b);
E bits_or(const E& a, const E& b);
E bits_xor(const E& a, const E& b);
E bits_not(const E& a);
E shift_left(const E& a, const E& b);
E shift_right(const E& a, const E& b);
E floor_div(const E& a, const E& b);
E floor_mod(const E& a, const E& b);
/// Both are computed.
E select(const E& condition, const E& yes, const E& no);
/// Only one is read: for indices that may lie outside.
E choose(const E& condition, const E& yes, const E& no);
/// As C converts; floats to whole numbers towards zero. No change of meaning where the types are equal.
E cast(const E& e, int type);
/// An operator of TVM's: "tirx.exp".
E intrinsic(const char* name, const E& x);
/// A function of the C library, by its name for double: with an f behind it for float.
E library(const std::string& name, const std::vector<E>& arguments);
E is_nan(const E& x);
/// The larger; NaN where one is NaN.
E larger(const E& a, const E& b);
E smaller(const E& a, const E& b);
E lowest(int type);
E highest(int type);

T operand(const Dims& dims, int type, const std::string& name);
/// element(index) for each index of dims, stored as `type`.
T compute(const Dims& dims, int type, const std::function<E(const Index&)>& element);

enum class Fold { sum, product, largest, smallest, all, any };
/// The fold of element(index, inner) over every `inner` of `over`; computed in `type`'s computation.
T fold(Fold how, const Dims& dims, int type, const Dims& over,
       const std::function<E(const Index& at, const Index& inner)>& element);

/// A fold as a block of the function that it becomes: which of its axes the result has.
struct FoldBlock {
  std::string name;
  Dims dims, over;
};
/// The folds that this thread wrote since the last call.
std::vector<FoldBlock> take_folds();

/// Row-major offset of an index, and the index of an offset.
E offset_of(const Index& at, const Dims& dims);
Index index_of(const E& offset, const Dims& dims);

}  // namespace chorus_tvm
