// One operator in a run, as a mapping sees it: operands, attributes, results.
#pragma once
#include <engine/adapter/adapter.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ops.h"

namespace chorus_paddle {

struct Step;
struct Walk;

/// A value in a run: a tensor, a sequence or optional (its items), or nothing.
struct Slot {
  Tensor tensor;
  std::shared_ptr<Tensors> list;
  void clear() {
    tensor.reset();
    list.reset();
  }
};

/// How operands of types that a row does not compute with come to the mapping. A wider type holds every number of theirs.
enum class Widen : uint8_t {
  none,  ///< refused
  value,  ///< in a wider type; uint64 has none
  bits,  ///< and uint64 as the bits that it has, in int64: right for +, -, * and logic
  order,  ///< and uint64 with the highest bit turned: right for comparisons and extremes
};

/// What holds for all steps of a run.
struct RunContext {
  int64_t budget = INT64_MAX;  ///< bytes
  const ch_host* host =
      nullptr;  ///< asked whether to go on when the run may be ended; null: while constants are folded
  const ch_run* run = nullptr;
  bool timed = false;  ///< each step's time goes to the host
  void (*show)(const RunContext&, const Step&, Slot*) = nullptr;  ///< null, or sees every step's results
  /// Throws Failure(CH_CANCELLED or CH_TIMEOUT).
  void check_stop() const;
};

class Call {
 public:
  Call(const Step& step, Slot* slots, const RunContext& context) : step_(step), slots_(slots), context_(context) {}
  const ch_node& node() const;
  const Step& step() const { return step_; }
  Slot* slots() { return slots_; }
  bool is_unsigned() const;  ///< operands of an unsigned type were widened
  const RunContext& context() const { return context_; }

  size_t inputs() const;
  size_t outputs() const;
  bool has(size_t i) const;  ///< operand i is given
  bool wants(size_t i) const;  ///< result i is read by somebody
  /// Operand i; undefined where it is omitted. Widened as the row says.
  Tensor in(size_t i) const;
  Slot& slot_in(size_t i) const;
  const ch_type* type_in(size_t i) const;  ///< what the graph says of operand i
  const ch_type& type_out(size_t i) const;
  const Tensors& list(size_t i) const;  ///< of a sequence
  Tensors all() const;  ///< every operand of a variadic operator
  Ints ints(size_t i) const;  ///< operand i as integers, empty where it is omitted
  double number(size_t i, double otherwise) const;  ///< its only element
  /// Sets result i in the type that the graph says: PaddlePaddle's own promotion is undone here.
  void out(size_t i, Tensor value) const;
  void out_list(size_t i, Tensors value) const;
  void out_none(size_t i) const;  ///< an empty optional
  Type out_type(size_t i) const;  ///< Undefined: not known before

  bool given(std::string_view name) const { return attribute(node(), name) != nullptr; }
  int64_t i(std::string_view name, int64_t otherwise) const;
  double f(std::string_view name, double otherwise) const;
  std::string_view s(std::string_view name, std::string_view otherwise) const;
  Ints is(std::string_view name) const;  ///< empty where it is not given
  /// An axis of ONNX as one of [0, rank). Throws Failure(CH_BAD_INPUT) outside.
  int64_t axis(int64_t value, int64_t rank) const;
  Ints axes(Ints values, int64_t rank) const;
  /// Throws Failure(CH_BUDGET) when so many elements do not fit into the run's budget; before they are made.
  void room(Ints const& shape, Type type) const;
  [[noreturn]] void fail(ch_code code, const std::string& what) const;
  void require(bool holds, const char* what) const {
    if (!holds) fail(CH_BAD_INPUT, what);
  }

 private:
  const Step& step_;
  Slot* slots_;
  const RunContext& context_;
};

}  // namespace chorus_paddle
