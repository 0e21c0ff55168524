// Writes layers for the nodes of a graph: which blob holds which value, in which extents, and the steps that many operators share.
#pragma once
#include <format/ncnn/net.h>
#include <graph/graph.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace chorus::ncnn {

/// Why a node has no form in ncnn; caught where the node is written.
struct Refusal {
  std::string sentence;
};
[[noreturn]] void refuse(std::string sentence);

inline constexpr int64_t kMaxDims = 4;  ///< extents of a blob
inline constexpr int64_t kMostExact = int64_t{1} << 24;  ///< integers up to this magnitude are exact in float32

int64_t product(std::span<const int64_t> dims);
/// Whether a blob of float32 can carry these elements for operators that only move them.
bool is_carried(DType type);
/// The extents in which a tensor lies by itself: without a leading 1, which is ncnn's batch, and without further ones where there are more
/// than four; the last are one where more than four are left.
Extents natural(std::span<const int64_t> dims);

/// An input of the net.
struct InputPort {
  std::string blob;
  Extents dims;
  int index = 0;  ///< of the graph's input
  int64_t indices = 0;  ///< above 0: 32-bit integers below this bound (rows of a table), else 32-bit floats
};
struct OutputPort {
  std::string blob;
  Extents dims, shape;  ///< of the blob; of the tensor
};

class Emitter {
 public:
  Emitter(const Graph& graph, NetWriter::Weights weights) : graph_(graph), net_(weights) {}

  // ---- the node that is being written
  void set_node(NodeId id) { node_ = &graph_.node(id); }
  const Graph& graph() const noexcept { return graph_; }
  const Node& node() const noexcept { return *node_; }
  AttrReader attrs() const { return node_->attrs(); }
  bool has(size_t i) const { return i < node_->inputs.size() && node_->inputs[i] != kNone; }
  bool wanted(size_t i) const;  ///< whether somebody reads output i
  const Extents& shape(size_t i) { return shape_of(node_->inputs[i]); }
  const Extents& out_shape(size_t i = 0) { return shape_of(node_->outputs[i]); }
  int64_t rank(size_t i) { return static_cast<int64_t>(shape(i).size()); }
  /// The attribute `axis` (or what is given) from 0, for a tensor of that rank.
  int64_t axis(int64_t given, int64_t rank) const;
  /// The value where it is a constant, else null.
  const Value* constant(size_t i) const;
  /// Elements of a float constant. Throws Refusal with `what` where it is none.
  std::vector<float> floats(size_t i, std::string_view what);
  std::optional<double> scalar(size_t i);  ///< the one element of a constant
  /// Elements of an operand that says sizes; nothing where it is omitted. Throws Refusal where they are not known.
  std::optional<std::vector<int64_t>> integers(size_t i);

  // ---- blobs
  Blob in(size_t i) { return get(node_->inputs[i]); }  ///< in the extents that it has
  Blob in(size_t i, const Extents& dims) { return get(node_->inputs[i], dims); }
  Blob get(ValueId id);
  Blob get(ValueId id, const Extents& dims);
  void out(size_t i, Blob blob);  ///< in any extents with the right number of elements
  Blob reshape(const Blob& blob, const Extents& dims);
  Blob layer(std::string_view type, const Params& params, std::vector<Blob> inputs, Extents output);
  std::vector<Blob> layers(std::string_view type, const Params& params, std::vector<Blob> inputs,
                           std::span<const Extents> outputs);
  void weights(Tag tag, std::span<const float> values) { net_.add_weights(tag, values); }
  bool keeps_weights() const noexcept { return net_.keeps_weights(); }
  Blob data(const Extents& dims, std::span<const float> values);  ///< a constant
  /// A graph input whose elements are row numbers below `rows`: 32-bit integers. Throws Refusal for other values.
  Blob indices(size_t i, int64_t rows);

  // ---- steps that operators share
  Blob binary(int op, const Blob& a, const Extents& a_shape, const Blob& b, const Extents& b_shape, const Extents& out);
  Blob binary_scalar(int op, const Blob& a, double b);
  Blob unary(int op, const Blob& a);
  Blob crop(const Blob& blob, int64_t axis, int64_t begin, int64_t end);  ///< along one of its extents
  Blob concat(std::vector<Blob> blobs, int64_t axis);
  Blob permute(const Blob& blob, std::span<const int64_t> order);

  // ---- the whole
  /// An input of the graph; `index` -1: what a refused node makes, while claims are asked for.
  void add_input(ValueId id, int index) { input_index_[id] = index; }
  void add_output(ValueId id, int index);
  const std::vector<InputPort>& inputs() const noexcept { return inputs_; }
  const std::vector<OutputPort>& outputs() const noexcept { return outputs_; }
  NetWriter& net() noexcept { return net_; }
  /// Whether all elements of the value are known numbers without running anything.
  bool is_known(ValueId id) const;

 private:
  const Extents& shape_of(ValueId id);
  const Value* known(ValueId id);
  Blob constant_blob(ValueId id, const Extents& dims);
  Blob input_blob(ValueId id, int index);

  const Graph& graph_;
  NetWriter net_;
  const Node* node_ = nullptr;
  std::map<ValueId, Extents> shapes_;
  std::map<ValueId, Value> known_;
  std::map<ValueId, Blob> blobs_;
  std::map<std::pair<ValueId, Extents>, Blob> constants_;
  std::map<std::pair<int, Extents>, Blob> reshaped_;
  std::map<ValueId, Blob> index_blobs_;
  std::map<ValueId, int> input_index_;
  std::vector<InputPort> inputs_;
  std::vector<OutputPort> outputs_;
};

}  // namespace chorus::ncnn
