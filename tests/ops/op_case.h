// One node run by itself: shape rule on concrete types, then the reference kernel, or the decomposition node by node when the row has
// no kernel. For tests of rows and kernels, without graph and executor.
#pragma once
#include <ops/grid.h>
#include <ops/op_def.h>

#include <string>
#include <string_view>
#include <vector>

namespace chorus::testing {

struct OpCall {
  std::string_view op;
  std::vector<Value> inputs;  ///< kind none: omitted
  Attributes attributes = {};
  int outputs = 1;
  std::string_view domain = "";
  int version = 0;  ///< the `since` of a version; 0: newest. Older ones run through the row's to_next steps
  int threads = 1;
  enum class Way { kernel_or_decomposition, kernel, decomposition } way = Way::kernel_or_decomposition;
  uint64_t seed = 0;  ///< of random kernels
  std::vector<bool> wanted = {};  ///< outputs that somebody reads; empty: all
};

/// Outputs, of the types and shapes that the shape rule says (checked, and reported as Error(internal) where kernel and rule differ).
/// Throws Error as rules and kernels report it: Error(internal) when the row does not exist or has neither kernel nor decomposition.
std::vector<Value> run_op(const OpCall& call);
inline Value run_one(const OpCall& call) { return run_op(call)[0]; }

/// Only the shape rule, on any types (symbolic too). `constants` may be shorter than `inputs`; kind none: not constant.
struct RuleCall {
  std::string_view op;
  std::vector<Type> inputs;
  Attributes attributes = {};
  int outputs = 1;
  std::vector<Value> constants = {};
  std::vector<std::pair<int, Dims>> values = {};  ///< symbolic elements of operands
  std::string_view domain = "";
  int version = 0;
};
struct RuleResult {
  std::vector<Type> types;
  std::vector<std::optional<Dims>> values;  ///< by the value rule
  int checks = 0;  ///< require_equal that were neither proved nor disproved
};
RuleResult infer_op(const RuleCall& call);
/// "float32[2, n]" of output 0.
inline std::string infer_str(const RuleCall& call) { return infer_op(call).types[0].str(); }

/// All grid cases of a row through run_op; kernel against decomposition when it has both (elements within `tolerance`, relative plus
/// absolute, for floats of 32 and 64 bits, a few roundings for narrower ones, and equal for integers). Failures as GoogleTest expectations. Returns the number of cases.
int run_grid(std::string_view op, double tolerance = 1e-5, std::string_view domain = "");

/// float32 / float64 / int64 … tensors from lists, values from doubles.
Value make(DType type, const Shape& shape, std::initializer_list<double> elements);
/// Fails the test where shapes, types or elements (|a-b| <= tolerance * (1 + |b|), NaN equals NaN) differ.
void expect_close(const Value& got, const Value& wanted, double tolerance = 0, std::string_view what = "");

}  // namespace chorus::testing
