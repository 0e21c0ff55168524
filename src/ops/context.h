// What the rules of a row see of a node: contexts and builders, declared here and implemented by graph/ and engine/.
#pragma once
#include <chorus/error.h>
#include <core/type.h>
#include <ops/attribute.h>
#include <ops/schema.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chorus {

struct OpDef;

/// Typed access to attributes with the row's defaults filled in. Names are those of the schema; asking for a name that the schema
/// lacks, or that has neither value nor default, gives the zero value (has() tells).
class AttrReader {
 public:
  AttrReader(const Attributes& attributes, const Schema& schema) : attributes_(&attributes), schema_(&schema) {}
  bool has(std::string_view name) const noexcept { return find(name) != nullptr; }  ///< given or defaulted
  bool given(std::string_view name) const noexcept { return attributes_->find(name) != nullptr; }
  int64_t integer(std::string_view name, int64_t otherwise = 0) const noexcept;
  float real(std::string_view name, float otherwise = 0) const noexcept;
  std::string_view string(std::string_view name, std::string_view otherwise = {}) const noexcept;
  std::span<const int64_t> integers(std::string_view name) const noexcept;
  std::span<const float> reals(std::string_view name) const noexcept;
  std::span<const std::string> strings(std::string_view name) const noexcept;
  const Value* tensor(std::string_view name) const noexcept;
  GraphPtr graph(std::string_view name) const noexcept;
  const AttrValue* find(std::string_view name) const noexcept;
  const Attributes& all() const noexcept { return *attributes_; }
  const Schema& schema() const noexcept { return *schema_; }

 private:
  const Attributes* attributes_;
  const Schema* schema_;
};

/// A node as every rule sees it.
class NodeContext {
 public:
  virtual ~NodeContext() = default;
  virtual const OpDef& op() const = 0;
  virtual const AttrReader& attrs() const = 0;
  virtual int inputs() const = 0;  ///< operands written in the node, trailing omitted ones not counted
  virtual int outputs() const = 0;
  virtual bool has_input(int i) const = 0;  ///< false: omitted
  virtual bool has_output(int i) const = 0;  ///< false: nobody wants it
  virtual const Type& input(int i) const = 0;  ///< kind none when omitted or out of range
  virtual const Value* constant(int i) const = 0;  ///< the value of a constant operand, else null
  /// "Softmax: " + what, with the node's place. Throws Error(code).
  [[noreturn]] virtual void fail(Code code, std::string what, std::string fix = {}) const = 0;
};

/// Shape and value rule: sets types of the outputs; throws on proof of an error, adds a run-time check where it can prove neither.
class ShapeContext : public NodeContext {
 public:
  virtual void set_output(int i, Type type) = 0;
  /// Declares outputs' own type when the rule needs it (asked dtype etc. of the file), kind none if nothing.
  /// Known elements of a small integer (or bool) tensor operand, flat in row-major order: symbolic values; null when not known.
  virtual const Dims* value(int i) const = 0;
  virtual void set_value(int i, Dims value) = 0;
  /// a and b must be equal: throws Error(shape, what) when proved different, otherwise returns the better known of the two and,
  /// where unproved, leaves a check for bind that names the node.
  virtual Dim require_equal(const Dim& a, const Dim& b, std::string_view what) = 0;
  /// A new dimension about which only its bounds are known (size of NonZero).
  virtual Dim fresh() = 0;
  /// Types of the outputs of a body for given inputs (If, Loop, Scan). Empty when the attribute is absent.
  virtual std::vector<Type> infer_body(std::string_view attribute, std::span<const Type> inputs) = 0;
};

/// A value inside an expansion that is being built.
struct Ref {
  int32_t id = -1;
  explicit operator bool() const noexcept { return id >= 0; }
};

/// Builds nodes of the newest versions: decompositions, version steps, gradients. An empty Ref is an omitted operand.
class OpBuilder : public NodeContext {
 public:
  virtual Ref in(int i) = 0;  ///< operand i of the node being expanded
  virtual std::vector<Ref> emit(std::string_view op, std::span<const Ref> inputs, Attributes attributes,
                                int outputs) = 0;
  using NodeContext::constant;
  virtual Ref constant(Value value) = 0;
  virtual const Type& type_of(Ref ref) const = 0;
  /// Name for a node of another domain or version than the newest of "": set before emit, holds for the next emit only.
  virtual void next(std::string_view domain, int version) = 0;

  using NodeContext::op;
  Ref op(std::string_view name, std::initializer_list<Ref> inputs, Attributes attributes = {}) {
    return emit(name, std::span<const Ref>(inputs.begin(), inputs.size()), std::move(attributes), 1)[0];
  }
  Ref ints(std::initializer_list<int64_t> v) {
    return constant(Value::of<int64_t>(Shape{static_cast<int64_t>(v.size())}, v));
  }
  Ref ints(std::span<const int64_t> v) {
    return constant(Value::of<int64_t>(Shape{static_cast<int64_t>(v.size())}, v));
  }
};

/// Result of a decomposition or a version step: one Ref per output (empty: output not produced), or a refusal.
struct Expansion {
  std::vector<Ref> outputs;
  std::string refusal;  ///< a sentence; outputs are empty then
  Expansion() = default;
  Expansion(Ref single) : outputs{single} {}  // NOLINT(google-explicit-constructor)
  Expansion(std::vector<Ref> all) : outputs(std::move(all)) {}  // NOLINT(google-explicit-constructor)
  static Expansion refuse(std::string why) {
    Expansion e;
    e.refusal = std::move(why);
    return e;
  }
  bool ok() const noexcept { return refusal.empty(); }
};

/// Gradient rule: given the gradients of the outputs it says those of the operands. What it emits stands next to the node, which
/// stays; rules see the newest version. A gradient has the type of its operand. See docs/architecture.md, "Gradients".
class GradContext : public OpBuilder {
 public:
  virtual Ref out(int i) = 0;  ///< an output of the node; one that nobody wanted is made
  virtual Ref out_gradient(int i) = 0;  ///< empty when no gradient flows from output i
  virtual bool wanted(int input) const = 0;  ///< whether anybody asks for the gradient of operand i
  virtual void set_gradient(int input, Ref gradient) = 0;  ///< once per operand; empty: none
  /// By the rules of the nodes that `meaning` builds from in(i): for operators that are best differentiated in simpler ones.
  /// A refusal becomes the error.
  virtual void through(Expansion (*meaning)(OpBuilder&)) = 0;
  /// By differentiating the bodies of the node: If, Loop, Scan, SequenceMap.
  virtual void through_bodies() = 0;
};

/// Work of one execution, for roofline, placement and tuning. Sizes are concrete.
struct Cost {
  double flops = 0;  ///< multiply and add count one each
  double transcendental = 0;  ///< exp, log, tanh … evaluations
  double bytes_read = 0, bytes_written = 0;
};
class CostContext {
 public:
  virtual ~CostContext() = default;
  virtual const AttrReader& attrs() const = 0;
  virtual int inputs() const = 0;
  virtual int outputs() const = 0;
  virtual DType dtype(bool output, int i) const = 0;
  virtual std::span<const int64_t> dims(bool output, int i) const = 0;  ///< empty for omitted, non-tensors and scalars
  double count(bool output, int i) const;  ///< elements
};

}  // namespace chorus
