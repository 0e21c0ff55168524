// OpDef: the row of the operator table. One row says everything about an operator but its kernels; functions, bindings,
// import and export, documentation, fuzzers, gradient tests and the engine matrix come from it. See docs/how_to_add_an_operator.md.
#pragma once
#include <ops/context.h>
#include <ops/schema.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

namespace chorus {

/// One version of the meaning, oldest first; the last is the one that kernels, gradients and adapters know.
struct Version {
  int since = 1;
  std::string_view signature;  ///< grammar: ops/schema.h
  Expansion (*to_next)(OpBuilder&) =
      nullptr;  ///< exact: as nodes of the next version. null: the node is valid there as it is (a pure extension)
  Expansion (*to_previous)(OpBuilder&) =
      nullptr;  ///< of the next-newer kind of node, or a refusal. null: as it is, if types and attributes allow
};

struct NoGradient {
  std::string_view reason;
};  ///< mathematically none: "piecewise constant", "indices"
struct Vjp {
  void (*rule)(GradContext&);
  uint32_t saves_in = 0, saves_out = 0;
};
struct NotDerived {};  ///< differentiable, rule not in the table yet; counted by `chorus ops`
struct Primitive {
  std::string_view reason;
};  ///< why it is not expressed by simpler operators
using Decompose = Expansion (*)(OpBuilder&);
/// Whole variants are assigned in constant expressions (d.gradient = Gradient{NoGradient{…}}): clang with libstdc++ 12 refuses
/// the assignment of one alternative there.
using Gradient = std::variant<NotDerived, Vjp, NoGradient>;
using Meaning = std::variant<Primitive, Decompose>;

enum class Sizes : uint8_t {
  by_shapes,
  known_after_run
};  ///< Add | NonZero, NonMaxSuppression, Loop, strings, sequences
enum class Alias : uint8_t { may_overwrite, is_view, updates_state };
struct Hint {
  uint8_t out, in;
  Alias kind;
};
enum class Effect : uint8_t {
  pure,
  random,
  ordered
};  ///< ordered (HostCall, AllReduce, Print): runs once, in program order
enum class Layout : uint8_t {
  opaque,
  elementwise,
  follows_axes,
  channels_first,
  moves_axes
};  ///< how transposes and blocked layouts pass
enum class Origin : uint8_t { onnx, chorus_public, chorus_gradient, chorus_lowered };
enum class Promote : uint8_t {
  same_type,
  common_type,
  to_float,
  sum_to_int64,
  to_bool
};  ///< AMB-03, done by the API function
enum class Accumulate : uint8_t { same, float32, float64, int32, int64 };
enum class Form : uint8_t { function, hidden };  ///< hidden: no function of its own in the API (Constant)
struct Api {
  std::string_view cpp;
  Form form = Form::function;
  Promote promote = Promote::same_type;
};

struct OpDef {
  std::string_view name;
  std::string_view domain = "";  ///< "" is ai.onnx
  Origin origin = Origin::onnx;
  Api api;  ///< And → logical_and, Max → maximum
  std::span<const Version> versions;
  void (*infer)(ShapeContext&) =
      nullptr;  ///< types and dims of all outputs; of every version: attrs().schema() tells which
  void (*value)(ShapeContext&) = nullptr;  ///< propagates small integer values; null: none
  Sizes sizes = Sizes::by_shapes;
  Effect effect = Effect::pure;
  Layout layout = Layout::opaque;
  std::span<const Hint> aliases = {};
  Gradient gradient = NotDerived{};
  Meaning meaning = Primitive{""};
  Cost (*cost)(const CostContext&) = nullptr;
  Accumulate accumulate = Accumulate::same;
  double ulp = 0;  ///< promised error of float32 kernels against the float64 oracle, units in the last place; 0: exact
  std::string_view grid =
      "";  ///< cases, ';' between: "f32[2,3,4] f32[4] axis=1 mode='linear'"; '-' is an omitted operand,
  ///< i64{1,-1} a constant operand; grammar in ops/grid.h
  std::string_view doc = "";

  /// Parsed signature of versions[i]; parsed once, then shared.
  const Schema& schema(int index) const;
  const Schema& newest() const { return schema(static_cast<int>(versions.size()) - 1); }
  int newest_version() const { return versions.back().since; }
  /// Index of the version that an opset means: the largest since ≤ opset; -1 when the operator is younger.
  int version_index(int opset) const noexcept;
};

/// Compile-time check of a built-in row: a row without versions, shape rule, cost, grid or doc does not compile.
consteval OpDef row(OpDef def) {
  if (def.name.empty()) throw "operator row: no name";
  if (def.versions.empty()) throw "operator row: no versions";
  if (def.infer == nullptr) throw "operator row: no shape rule";
  if (def.cost == nullptr) throw "operator row: no cost";
  if (def.doc.empty()) throw "operator row: no documentation";
  if (def.grid.empty()) throw "operator row: no case grid";
  if (def.api.cpp.empty()) throw "operator row: no API name";
  if (const auto* p = std::get_if<Primitive>(&def.meaning); p && p->reason.empty())
    throw "operator row: neither decomposition nor a reason";
  return def;
}

/// All rows, in the order of the families.
std::span<const OpDef* const> all_ops();
/// The row, or null. Domains "" and "ai.onnx" are one. Registered custom rows are found too.
const OpDef* find_op(std::string_view domain, std::string_view name);
/// Adds a row at run time (a plug-in's or a program's custom operator); the same checks as for built-in rows, with a sentence.
/// The OpDef and what it points to must live for the rest of the process. Throws Error(already_exists) for a second one.
void register_op(const OpDef& def);
/// The newest opset of a domain that the table knows (26 … for ""); 0 for unknown domains.
int newest_opset(std::string_view domain);
/// Next to rows: ai.onnx opset in force for the table, = newest released in onnx 1.23.2.

}  // namespace chorus
