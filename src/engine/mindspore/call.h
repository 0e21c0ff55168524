// One operator in a run, as a mapping sees it: operands, attributes, results, and the calls of MindSpore that it is made of.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernel.h"

namespace chorus_mindspore {

/// A value in a run: a tensor, a sequence (its items), or nothing. An optional is its content, or nothing.
struct Slot {
  Tensor tensor;
  std::shared_ptr<const Tensors> list;
  void clear() { *this = Slot(); }
  bool empty() const { return !tensor && !list; }
};

struct Step;

/// What a run may use, and whom it asks whether to go on.
struct Run {
  Runner& runner;
  uint64_t budget = 0;  ///< bytes that one tensor may have
  const ch_host* host = nullptr;
  const ch_run* run = nullptr;  ///< null: nobody is asked
};

class Call {
 public:
  Call(const Step& step, Slot* slots, const Run& run) : step_(step), slots_(slots), run_(run) {}
  const ch_node& node() const;
  const Step& step() const { return step_; }
  const Run& run() const { return run_; }
  Slot* slots() { return slots_; }

  size_t inputs() const;
  size_t outputs() const;
  bool has(size_t i) const;  ///< operand i is given
  bool wants(size_t i) const;  ///< result i is read by somebody
  /// Operand i; undefined where it is omitted. In the wider type where the row says so.
  Tensor in(size_t i) const;
  Slot& slot_in(size_t i) const;
  const Tensors& list(size_t i) const;  ///< of a sequence
  Tensors all() const;  ///< every operand of a variadic operator
  Ints ints(size_t i) const;  ///< operand i as integers, empty where it is omitted
  double number(size_t i, double otherwise) const;  ///< its only element
  /// Sets result i, in the type that the graph says.
  void out(size_t i, Tensor value) const;
  void out_list(size_t i, Tensors value) const;
  void out_slot(size_t i, Slot value) const;
  int out_type(size_t i) const;  ///< kNoType: not known before

  bool given(std::string_view name) const { return attribute(node(), name) != nullptr; }
  int64_t i(std::string_view name, int64_t otherwise) const;
  double f(std::string_view name, double otherwise) const;
  std::string_view s(std::string_view name, std::string_view otherwise) const;
  Ints is(std::string_view name) const;  ///< empty where it is not given
  /// An axis of ONNX as one of [0, rank). Throws Failure(CH_BAD_INPUT) outside.
  int64_t axis(int64_t value, int64_t rank) const;
  Ints axes(Ints values, int64_t rank) const;
  /// Throws Failure(CH_BUDGET) when so many elements do not fit; before they are made.
  void room(const Ints& shape, int type) const;
  [[noreturn]] void fail(ch_code code, const std::string& what) const;
  void require(bool holds, const char* what) const {
    if (!holds) fail(CH_BAD_INPUT, what);
  }

  /// What `make` makes of operand i: kept with the program where that is a constant.
  template <class F>
  Tensor prepared(size_t i, F&& make) const {
    Tensor made = kept(i);
    if (!made) keep(i, made = make());
    return made;
  }

  Op op(const char* name) const { return {run_.runner, name}; }
  /// The kernel's type for x, in x's shape.
  Tensor un(const char* name, const Tensor& x) const;
  /// Broadcasting; the operands have one type.
  Tensor bin(const char* name, const Tensor& x, const Tensor& y) const;
  Tensor bin(const char* name, const Tensor& x, double y) const { return bin(name, x, scalar_of(y, x.type())); }
  /// "Maximum" or "Minimum" of two; their kernels lose NaN, this keeps it.
  Tensor extreme(const char* name, const Tensor& x, const Tensor& y) const;
  Tensor cast(const Tensor& x, int type) const;  ///< cut towards zero, wrapping among integers
  Tensor reshape(const Tensor& x, const Ints& shape) const;
  Tensor where(const Tensor& condition, const Tensor& x, const Tensor& y) const;  ///< broadcasting
  Tensor fill(const Ints& shape, double value, int type) const;
  Tensor reduce(const char* name, const Tensor& x, const Ints& axes, bool keep) const;
  Tensor softmax(const Tensor& x) const;  ///< over the last axis
  Tensor range(int64_t n, int type = kInt64) const;  ///< 0 … n-1
  // What only moves elements takes every type: kernels see integers of the same size.
  Tensor transpose(const Tensor& x, const Ints& order) const;
  Tensor concat(const Tensors& parts, int64_t axis) const;
  Tensor stack(const Tensors& parts, int64_t axis) const;
  Tensor slice(const Tensor& x, const Ints& begin, const Ints& size) const;
  Tensor pad(const Tensor& x, const Ints& before, const Ints& after, double value) const;  ///< negative: cuts
  Tensor pad(const Tensor& x, const Ints& before, const Ints& after, const Tensor& value) const;
  Tensor broadcast(const Tensor& x, const Ints& shape) const;
  Tensor gather(const Tensor& x, const Ints& at, int64_t axis) const;  ///< positions in range
  Tensor gather(const Tensor& x, const Tensor& at, int64_t axis) const;
  Tensor reverse(const Tensor& x, int64_t axis) const;
  /// The shape that both broadcast to. Throws Failure(CH_BAD_INPUT).
  Ints common(const Ints& x, const Ints& y) const;

 private:
  Tensor kept(size_t i) const;
  void keep(size_t i, const Tensor& made) const;
  const Step& step_;
  Slot* slots_;
  const Run& run_;
};

}  // namespace chorus_mindspore
