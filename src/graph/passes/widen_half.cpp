// Chains of float16 or bfloat16 nodes are computed in float32 from end to end: one rounding at each result of the chain in place of
// one per node, and the kernels of float32, which are faster. Only values that leave the chain have the narrow type.
#include <core/convert.h>
#include <graph/infer.h>
#include <graph/passes/bodies.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>
#include <unordered_map>

namespace chorus::passes {
namespace {

constexpr int64_t kMostConstantBytes = int64_t{1} << 30;  ///< of float32 copies of constants, in all

// Nodes that round. Not among them: comparisons and whatever makes steps of its operand (Round, Floor, ArgMax, quantisation), for
// which the rounded operand is part of the meaning.
constexpr auto kRounding = std::to_array<std::string_view>({"Add",
                                                            "Attention",
                                                            "AveragePool",
                                                            "BatchNormalization",
                                                            "Conv",
                                                            "ConvTranspose",
                                                            "Cos",
                                                            "Div",
                                                            "Elu",
                                                            "Erf",
                                                            "Exp",
                                                            "Gelu",
                                                            "Gemm",
                                                            "GlobalAveragePool",
                                                            "GroupNormalization",
                                                            "HardSigmoid",
                                                            "HardSwish",
                                                            "InstanceNormalization",
                                                            "LayerNormalization",
                                                            "LeakyRelu",
                                                            "Log",
                                                            "LogSoftmax",
                                                            "MatMul",
                                                            "Mean",
                                                            "Mish",
                                                            "Mul",
                                                            "PRelu",
                                                            "Pow",
                                                            "RMSNormalization",
                                                            "Reciprocal",
                                                            "ReduceL2",
                                                            "ReduceMean",
                                                            "ReduceSum",
                                                            "ReduceSumSquare",
                                                            "Selu",
                                                            "Sigmoid",
                                                            "Sin",
                                                            "Softmax",
                                                            "Softplus",
                                                            "Softsign",
                                                            "Sqrt",
                                                            "Sub",
                                                            "Sum",
                                                            "Swish",
                                                            "Tanh"});
// Nodes that hand elements on as they are: they keep a chain together and begin or end none.
constexpr auto kCarrying = std::to_array<std::string_view>(
    {"Abs",     "Clip",  "Concat",  "Expand", "Flatten",   "Gather",    "GlobalMaxPool", "Max",
     "MaxPool", "Min",   "Neg",     "Pad",    "ReduceMax", "ReduceMin", "Relu",          "Reshape",
     "Slice",   "Split", "Squeeze", "Tile",   "Transpose", "Unsqueeze", "Where"});
static_assert(std::ranges::is_sorted(kRounding) && std::ranges::is_sorted(kCarrying));

bool is_half(DType type) { return type == DType::float16 || type == DType::bfloat16; }

class Widening {
 public:
  explicit Widening(Graph& graph) : g_(graph), order_(graph.order()) {}

  int run() {
    name_types();
    find_members();
    join();
    const auto rounding = [&](NodeId id) { return kind_[at(id)] == Kind::rounding ? 1 : 0; };
    std::unordered_map<NodeId, int> length;  // of a chain, by its first node
    for (const NodeId id : order_) {
      if (member(id)) length[chain(id)] += rounding(id);
    }
    // A chain of one node is rounded once already.
    for (const NodeId id : order_) {
      if (member(id) && length[chain(id)] < 2) kind_[at(id)] = Kind::none;
    }
    if (constant_bytes() > kMostConstantBytes) return changes_;
    for (const NodeId id : order_) {
      if (member(id)) rebuild(id);
    }
    finish();
    return changes_;
  }

 private:
  enum class Kind : uint8_t { none, carrying, rounding };

  static size_t at(int32_t id) { return static_cast<size_t>(id); }
  bool member(NodeId id) const { return id != kNone && at(id) < kind_.size() && kind_[at(id)] != Kind::none; }
  DType dtype(ValueId id) const {
    const Type& type = g_.value(id).type;
    return type.is_tensor() ? type.dtype : DType::undefined;
  }
  bool half(ValueId id) const { return id != kNone && is_half(dtype(id)); }

  /// CastLike to a known type is Cast: else its second operand would keep a narrow copy of a value alive for its type's sake.
  void name_types() {
    for (NodeId& id : order_) {
      const Node& n = g_.node(id);
      if (!is_newest(n, "CastLike") || n.inputs[1] == kNone || !half(n.inputs[1])) continue;
      const ValueId operands[] = {n.inputs[0]};
      const DType to = dtype(n.inputs[1]);
      Attributes attributes = n.attributes;
      attributes.set("to", static_cast<int64_t>(to));
      const NodeId made = g_.add_node("Cast", operands, std::move(attributes), 1, "", std::string(n.name));
      infer_node(g_, made);
      take_place(g_.node(id).outputs[0], g_.node(made).outputs[0]);
      g_.remove_node(id);
      id = made;
      ++changes_;
    }
  }

  Kind kind_of(const Node& n) const {
    if (n.op == nullptr || !is_newest(n, n.type) || n.outputs.empty() || !half(n.outputs[0]) || !n.captured.empty())
      return Kind::none;
    const bool rounding = std::ranges::binary_search(kRounding, std::string_view(n.type));
    if (!rounding && !std::ranges::binary_search(kCarrying, std::string_view(n.type))) return Kind::none;
    // Other element types beside the chain's own come from attributes (stash_type) or mixed operands.
    for (const auto& ids : {n.inputs, n.outputs}) {
      for (const ValueId id : ids) {
        if (half(id) && dtype(id) != dtype(n.outputs[0])) return Kind::none;
      }
    }
    if (n.attrs().given("stash_type") && n.attrs().integer("stash_type") != static_cast<int64_t>(DType::float32))
      return Kind::none;
    if (n.type == "BatchNormalization" && n.attrs().integer("training_mode") != 0) return Kind::none;
    return rounding ? Kind::rounding : Kind::carrying;
  }

  bool fed_by_member(const Node& n) const {
    return std::ranges::any_of(n.inputs, [&](ValueId in) { return half(in) && member(g_.value(in).producer); });
  }
  bool feeds_member(const Node& n) const {
    return std::ranges::any_of(n.outputs, [&](ValueId out) {
      return half(out) && std::ranges::any_of(g_.value(out).uses, [&](const Use& use) { return member(use.node); });
    });
  }

  void find_members() {
    kind_.assign(at(g_.node_capacity()), Kind::none);
    for (const NodeId id : order_) kind_[at(id)] = kind_of(g_.node(id));
    // Both ends are cut back to nodes that round: what carries narrow elements there moves half the bytes.
    for (const NodeId id : order_) {
      if (kind_[at(id)] == Kind::carrying && !fed_by_member(g_.node(id))) kind_[at(id)] = Kind::none;
    }
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
      if (kind_[at(*it)] == Kind::carrying && !feeds_member(g_.node(*it))) kind_[at(*it)] = Kind::none;
    }
  }

  NodeId chain(NodeId id) {
    while (parent_[at(id)] != id) id = parent_[at(id)] = parent_[at(parent_[at(id)])];
    return id;
  }
  void join() {
    parent_.resize(kind_.size());
    std::iota(parent_.begin(), parent_.end(), 0);
    for (const NodeId id : order_) {
      if (!member(id)) continue;
      for (const ValueId in : g_.node(id).inputs) {
        if (half(in) && member(g_.value(in).producer)) parent_[at(chain(id))] = chain(g_.value(in).producer);
      }
    }
  }

  int64_t constant_bytes() const {
    int64_t bytes = 0;
    for (const NodeId id : order_) {
      if (!member(id)) continue;
      for (const ValueId in : g_.node(id).inputs) {
        if (half(in) && g_.value(in).is_constant()) bytes += 4 * g_.value(in).constant.numel();
      }
    }
    return bytes;
  }

  NodeId cast(ValueId from, DType to, const std::string& name) {
    const ValueId operands[] = {from};
    const NodeId made = g_.add_node("Cast", operands, {{"to", static_cast<int64_t>(to)}}, 1, "", g_.unique_name(name));
    infer_node(g_, made);
    return made;
  }

  ValueId wide(ValueId id) {
    if (!half(id)) return id;
    if (const auto known = wide_.find(id); known != wide_.end()) return known->second;
    const GraphValue& v = g_.value(id);
    ValueId made;
    if (v.is_constant() && !v.is_input) {
      Value copy = Value::tensor(DType::float32, v.constant.shape());
      load_f32(v.constant.dtype(), v.constant.data(), 0, v.constant.numel(), copy.as_mutable<float>().data());
      made = g_.add_constant(v.name + ".wide", std::move(copy));
    } else {
      made = g_.node(cast(id, DType::float32, v.name + ".widen")).outputs[0];
    }
    return wide_[id] = made;
  }

  void rebuild(NodeId id) {
    std::vector<ValueId> operands;
    const Node& n = g_.node(id);
    for (const ValueId in : n.inputs) operands.push_back(wide(in));
    const NodeId made = g_.add_node(n.type, operands, n.attributes, static_cast<int>(n.outputs.size()), "", n.name);
    g_.node(made).file_offset = n.file_offset;
    for (size_t i = 0; i < n.outputs.size(); ++i) {
      if (n.outputs[i] == kNone) g_.drop_output(made, static_cast<int>(i));
    }
    infer_node(g_, made);
    for (size_t i = 0; i < n.outputs.size(); ++i) {
      if (n.outputs[i] == kNone) continue;
      results_.push_back({n.outputs[i], g_.node(made).outputs[i]});
      wide_[n.outputs[i]] = g_.node(made).outputs[i];
    }
    rebuilt_.push_back(id);
  }

  bool leaves_chain(ValueId id) const {
    return g_.is_output(id) ||
           std::ranges::any_of(g_.value(id).uses, [&](const Use& use) { return !member(use.node); });
  }

  void take_place(ValueId from, ValueId to) {
    const std::string name = g_.value(from).name;
    g_.replace_uses(from, to);
    g_.rename(from, name + ".narrow");
    g_.rename(to, name);
  }

  void finish() {
    for (const auto& [old, made] : results_) {
      const bool narrow = half(old) && leaves_chain(old);
      take_place(old, narrow ? g_.node(cast(made, dtype(old), g_.value(old).name + ".round")).outputs[0] : made);
    }
    for (auto it = rebuilt_.rbegin(); it != rebuilt_.rend(); ++it) g_.remove_node(*it);
    changes_ += static_cast<int>(rebuilt_.size());
  }

  Graph& g_;
  std::vector<NodeId> order_;
  std::vector<Kind> kind_;
  std::vector<NodeId> parent_;
  std::unordered_map<ValueId, ValueId> wide_;
  std::vector<std::pair<ValueId, ValueId>> results_;
  std::vector<NodeId> rebuilt_;
  int changes_ = 0;
};

}  // namespace

int widen_half(Graph& graph, PassContext&) { return Widening(graph).run(); }

}  // namespace chorus::passes
