// The case grid of a row: text in the row → cases of operands and attributes, and deterministic operands for them.
//
//   "f32[2,3,4] f32[4] axis=1 mode='linear'; f32[] - i64{1,-1}; i64{2,3:0,1,2,3,4,5}; s:f32[2] x=[1,2]"
//
// Cases are split by ';', words by blanks (not inside quotes, brackets or braces). An operand is `dtype[dims]` (made by make_input),
// `dtype{1,-1}` a constant of rank 1, `dtype{}` an empty one, `dtype{5}` one element of rank 1, `dtype(5)` a constant scalar,
// `dtype{2,3:…}` a constant of shape [2,3]; strings in constants stand in single quotes; '-' is an omitted operand.
// `dtype[dims]@lo..hi` gives the range of made values (default: see make_input). `seq(f32[2] f32[3])` is a sequence,
// `map(i64{1,2} f32{0.5,3.0})` a map of constant keys and values.
// Attributes are name=value: 1, -1.5, 1e-3 (a point or exponent makes it a float), 'text', [1,2], [1.0,2.5], ['a','b'],
// dtype names stay text unless the attribute is an int: to=f16 becomes the ONNX number of the type.
// `out=3` asks for 3 outputs (default: those that the schema requires); `v=11` names a version (default: the newest).
#pragma once
#include <ops/op_def.h>

#include <string_view>
#include <vector>

namespace chorus {

struct GridOperand {
  enum class Kind : uint8_t { omitted, made, constant, sequence };
  Kind kind = Kind::omitted;
  DType dtype = DType::undefined;
  Shape shape;
  Value value;  ///< constant
  bool ranged = false;  ///< made: low and high are given
  double low = 0, high = 0;
  std::vector<GridOperand> items;  ///< sequence
};
struct GridCase {
  std::string_view text;  ///< for messages
  std::vector<GridOperand> operands;
  Attributes attributes;
  int outputs = 0;
  int version = 0;  ///< index into def.versions
};

/// Throws Error(internal) with the case's text where it does not follow the grammar or the signature.
std::vector<GridCase> parse_grid(const OpDef& def);

/// Elements for an operand, the same on every machine for the same seed. Made values: floats uniform in [low, high) (default [-2, 2)),
/// integers in [low, high] (default [-8, 8], unsigned [0, 16]), bool 0 or 1, strings of letters; constants and sequences as they are.
Value make_input(const GridOperand& operand, uint64_t seed);
std::vector<Value> make_inputs(const GridCase& one, uint64_t seed);

}  // namespace chorus
