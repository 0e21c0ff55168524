// The mapping table: operators of ONNX, of their newest versions, to expressions of TVM's tensor language.
#pragma once
#include <span>
#include <string_view>

#include "expr.h"

namespace chorus_tvm {

/// What is known of a value while a program is made for given sizes.
struct Known {
  bool fixed = false;                    ///< dims are known
  Dims dims;
  int type = kUndefined;
  const ch_value* constant = nullptr;    ///< its elements, where they are known
};

/// One operator while it is translated: operands, attributes, results.
class Call {
 public:
  Call(const ch_graph& graph, const ch_node& node, const std::vector<Known>& known);
  const ch_node& node() const { return node_; }
  std::string_view op() const { return view(node_.op); }
  size_t inputs() const { return node_.n_inputs; }
  size_t outputs() const { return node_.n_outputs; }
  bool has(size_t i) const { return i < node_.n_inputs && node_.inputs[i] != CH_NO_INDEX; }
  bool wants(size_t i) const { return i < node_.n_outputs && node_.outputs[i] != CH_NO_INDEX; }
  /// Operand i; a compiled function reads it.
  const T& in(size_t i);
  const Dims& dims(size_t i) const { return known(i).dims; }
  int64_t rank(size_t i) const { return static_cast<int64_t>(known(i).dims.size()); }
  int type(size_t i) const { return known(i).type; }
  int out_type(size_t i) const;
  bool is_known(size_t i) const { return has(i) && known(i).constant != nullptr; }
  /// Operand i as integers; throws Failure(CH_UNSUPPORTED) where it is not known before the run. Empty where it is omitted.
  Dims ints(size_t i) const;
  /// Its first element.
  double real(size_t i, double otherwise) const;
  std::vector<double> reals(size_t i) const;

  bool given(std::string_view name) const { return chorus_adapter::attribute(node_, name) != nullptr; }
  int64_t i(std::string_view name, int64_t otherwise) const;
  double f(std::string_view name, double otherwise) const;
  std::string_view s(std::string_view name, std::string_view otherwise) const;
  Dims is(std::string_view name) const;
  /// An axis of ONNX as one of [0, rank).
  int64_t axis(int64_t value, int64_t rank) const;
  Dims axes(const Dims& values, int64_t rank) const;

  void out(size_t i, T made) { results_.at(i) = std::move(made); }
  /// Result i has the elements of operand `from`, in their order.
  void same(size_t i, size_t from, Dims dims);
  /// A refusal: the sentence without the operator's name.
  [[noreturn]] void refuse(const std::string& why) const;
  void require(bool holds, const char* why) const {
    if (!holds) refuse(why);
  }

  const std::vector<std::pair<size_t, T>>& read() const { return read_; }
  const T& result(size_t i) const { return results_[i]; }
  int alias(size_t i) const { return aliases_[i]; }

 private:
  const Known& known(size_t i) const { return known_[static_cast<size_t>(node_.inputs[i])]; }
  const ch_graph& graph_;
  const ch_node& node_;
  const std::vector<Known>& known_;
  std::vector<std::pair<size_t, T>> read_;  // in the order in which mappings asked for them
  std::vector<T> results_;
  std::vector<int> aliases_;  // of each result: the operand whose elements it has, or -1
};

struct Row {
  std::string_view op;
  void (*make)(Call&);
  std::string_view difference = {};  ///< where TVM means something else, and what the mapping does about it
};

std::span<const Row> elementwise_rows();
std::span<const Row> reduction_rows();
std::span<const Row> matrix_rows();
std::span<const Row> window_rows();
std::span<const Row> movement_rows();
std::span<const Row> normalization_rows();
std::span<const Row> quantization_rows();

const Row* find_row(std::string_view domain, std::string_view op);
/// Numpy's common shape; throws Failure.
Dims broadcast(const Dims& a, const Dims& b);
/// The element of t that falls on `at`, an index of a shape to which t's is broadcast.
E spread(const T& t, const Index& at);
/// Translates a node. Throws Failure with the operator's name and the sentence.
void translate(Call& c, const ch_graph& graph, const std::vector<Known>& known);

}  // namespace chorus_tvm
