// Schema: the signature of one version of an operator, parsed from the text in its row. The text reads like the ONNX document:
//
//   "(T data, int64? axes) -> (T reduced) {keepdims: int = 1, mode: string = 'linear', axes: ints, to: int!}"
//   "; T = f16 f32 f64 bf16"
//
// Parameters: type letter or element type, then name. Between them `?` optional, `*` variadic (0 or more), `+` variadic (1 or more),
// `~` after the star or plus: the variadic types may differ. `@` before a type: a rule reads the operand's *value* (Reshape.shape):
// it stays in host memory. `!d` after the name: not differentiable.
// Attributes: `name: kind [= default]`, `name: kind!` required; kinds int, float, string, tensor, graph, type, sparse and the plurals
// ints, floats, strings, tensors, graphs, types, sparses; strings in single quotes; list defaults [1, 2].
// Type sets, `;` before each: `T = members` with members dtypes in short form (f32 i64 u8 bool str c64 f8e4m3fn f4e2m1 i4 …) or groups:
//   ieee = f16 f32 f64        floats = ieee bf16       ints = i8 i16 i32 i64    uints = u8 u16 u32 u64   complex = c64 c128
//   f8 = f8e4m3fn f8e4m3fnuz f8e5m2 f8e5m2fnuz         num = ieee ints uints    all = num bool str complex (the types of opset 1)
//   all13 = all bf16   all19 = all13 f8   all21 = all19 i4 u4   all23 = all21 f4e2m1   all24 = all23 f8e8m0   all25 = all24 i2 u2
//   all28 = all25 f6e2m3 f6e3m2   any = every element type there is
// Each may be prefixed: seq. opt. opt.seq. ("opt.seq.all"); maps are map.i64.f32 and seq.map.str.f32. A parameter may name a single
// member in place of a letter: "(i64 x, seq.all s)". The last section `; deprecated` marks a version that is not to be written any more.
#pragma once
#include <ops/attribute.h>

#include <string>
#include <string_view>
#include <vector>

namespace chorus {

enum class Count : uint8_t { one, optional, variadic };

/// Element types allowed for a letter, by kind of value.
struct TypeSet {
  std::string letter;  ///< "T"; a parameter with a fixed type has a set of its own, named like the type
  uint32_t tensor = 0;  ///< dtype_bit masks
  uint32_t sequence = 0;  ///< sequence(tensor(x))
  uint32_t optional = 0;  ///< optional(tensor(x))
  uint32_t optional_sequence = 0;
  bool any_map = false;  ///< map or sequence(map): the ai.onnx.ml types
  std::vector<std::string> maps;  ///< which, as ONNX writes them: "map(int64, float)", "seq(map(string, float))"
};
struct Param {
  std::string name;
  int type_set = 0;  ///< index into Schema::types
  Count count = Count::one;
  int at_least = 1;  ///< variadic: least number
  bool mixed_types = false;  ///< variadic: types may differ
  bool host_value = false;  ///< a rule reads its value
  bool differentiable = true;
};
struct Attr {
  std::string name;
  AttrKind kind = AttrKind::undefined;
  bool required = false;
  AttrValue fallback;  ///< monostate: none
};
struct Schema {
  int since = 1;
  bool deprecated = false;
  std::vector<Param> inputs, outputs;
  std::vector<TypeSet> types;
  std::vector<Attr> attributes;

  const Attr* attribute(std::string_view name) const noexcept;
  int min_inputs() const noexcept;
  int max_inputs() const noexcept;  ///< INT_MAX for variadic
  int min_outputs() const noexcept;
  int max_outputs() const noexcept;
  /// The parameter that operand i belongs to (the last, variadic one takes the rest); null when out of range.
  const Param* input(int i) const noexcept;
  const Param* output(int i) const noexcept;
  std::string str() const;
};

/// Short form of a dtype in signatures and grids: f32, i64, bool, str, f8e4m3fn … Undefined for a name that is none.
DType parse_short_dtype(std::string_view name) noexcept;
std::string_view short_dtype(DType type) noexcept;
/// Members of a group as dtype_bit mask; 0 when `name` is none.
uint32_t dtype_group(std::string_view name) noexcept;

/// Parses a signature. Throws Error(internal) with the position for a text that does not follow the grammar (a test parses all rows).
Schema parse_schema(int since, std::string_view text);

}  // namespace chorus
