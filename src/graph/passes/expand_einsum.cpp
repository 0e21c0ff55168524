// Einsum of one or two operands → ReduceSum, Transpose, Reshape and one MatMul (or Mul), for which there are fast kernels. Every label is
// one of: batch (both operands and the result), summed (both operands), left or right (one operand and the result), alone (one operand).
#include <graph/infer.h>
#include <graph/passes/bodies.h>
#include <ops/equation.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace chorus::passes {
namespace {

using Labels = std::vector<uint8_t>;

bool holds(const Labels& labels, uint8_t label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}
Labels labels_of(const Equation::Term& term) { return {term.labels, term.labels + term.count}; }
bool repeats(Labels labels) {
  std::sort(labels.begin(), labels.end());
  return std::adjacent_find(labels.begin(), labels.end()) != labels.end();
}
Labels operator+(const Labels& a, const Labels& b) {
  Labels both = a;
  both.insert(both.end(), b.begin(), b.end());
  return both;
}

// A value with the label of each of its axes; axes of a group that were made one have the group's first label.
struct Operand {
  ValueId value = kNone;
  Labels labels;
};

class Expansion {
 public:
  Expansion(Graph& graph, NodeId node)
      : g_(graph), node_(node), name_(graph.node(node).name), offset_(graph.node(node).file_offset) {}

  bool run() {
    const Node& n = g_.node(node_);
    if (n.inputs.empty() || n.inputs.size() > 2 || !read(n)) return false;
    for (Operand& operand : operands_) sum_alone(operand);
    Operand result = operands_[0];
    if (operands_.size() == 2) {
      group();
      result = summed_.empty() && (left_.empty() || right_.empty()) ? multiply() : product();
    }
    transpose(result, out_);
    if (result.value == g_.node(node_).inputs[0]) result.value = add("Identity", {result.value});
    const ValueId before = g_.node(node_).outputs[0];
    const std::string called = g_.value(before).name;
    g_.replace_uses(before, result.value);
    g_.remove_node(node_);
    g_.rename(result.value, called);
    return true;
  }

 private:
  // Whether the equation is one that this pass expands. Nothing is changed before it says yes.
  bool read(const Node& n) {
    std::array<int, 2> ranks{};
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      if (n.inputs[i] == kNone) return false;
      const Type& type = g_.value(n.inputs[i]).type;
      if (!type.is_tensor() || !type.has_rank || type.dtype != DType::float32) return false;
      ranks[i] = type.rank();
    }
    Equation e;
    if (parse_equation(n.attrs().string("equation"), {ranks.data(), n.inputs.size()}, &e) != nullptr) return false;
    out_ = labels_of(e.output);
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      operands_.push_back({n.inputs[i], labels_of(e.inputs[i])});
      if (repeats(operands_[i].labels)) return false;  // a diagonal
    }
    if (operands_.size() == 1) return true;
    for (const uint8_t label : operands_[0].labels) {
      if (!holds(operands_[1].labels, label)) continue;
      // One side of length 1 stands for the other's length: MatMul does that for leading axes only.
      if (!holds(out_, label) && !same(label)) return false;
    }
    group();
    const bool merges = left_.size() != 1 || right_.size() != 1 || summed_.size() != 1;
    if (summed_.empty() && (left_.empty() || right_.empty())) return true;
    return !merges || (known(left_) && known(right_) && known(summed_));
  }

  const Dim& dim(size_t operand, uint8_t label) const {
    const Labels& labels = operands_[operand].labels;
    const auto at = std::find(labels.begin(), labels.end(), label) - labels.begin();
    return g_.value(operands_[operand].value).type.dims[static_cast<size_t>(at)];
  }
  bool same(uint8_t label) const { return Dim::equal(dim(0, label), dim(1, label)) == Dim::Truth::yes; }
  int64_t length(uint8_t label) const {
    const Dim& d = dim(holds(operands_[0].labels, label) ? 0 : 1, label);
    return d.is_number() ? d.number() : -1;
  }
  bool known(const Labels& labels) const {
    return std::all_of(labels.begin(), labels.end(), [&](uint8_t l) { return length(l) > 0; });
  }
  int64_t extent(const Labels& labels) const {
    int64_t product = 1;
    for (const uint8_t l : labels) product = checked_mul(product, length(l));
    return product;
  }

  void group() {
    batch_ = left_ = right_ = summed_ = {};
    for (const uint8_t l : out_) {
      const bool in_left = holds(operands_[0].labels, l), in_right = holds(operands_[1].labels, l);
      (in_left && in_right ? batch_ : in_left ? left_ : right_).push_back(l);
    }
    for (const uint8_t l : operands_[0].labels) {
      if (!holds(out_, l) && holds(operands_[1].labels, l)) summed_.push_back(l);
    }
  }

  ValueId add(std::string_view type, std::initializer_list<ValueId> inputs, Attributes attributes = {}) {
    const NodeId made =
        g_.add_node(type, std::span<const ValueId>(inputs.begin(), inputs.size()), std::move(attributes), 1, "", name_);
    g_.node(made).file_offset = offset_;
    infer_node(g_, made);
    return g_.node(made).outputs[0];
  }
  ValueId numbers(std::vector<int64_t> values) {
    const Shape shape{static_cast<int64_t>(values.size())};
    return g_.add_constant("", Value::of<int64_t>(shape, values));
  }

  // Axes that only this operand has, and the result has not.
  void sum_alone(Operand& operand) {
    std::vector<int64_t> axes;
    Labels kept;
    for (size_t i = 0; i < operand.labels.size(); ++i) {
      const uint8_t label = operand.labels[i];
      const bool elsewhere = std::any_of(operands_.begin(), operands_.end(), [&](const Operand& other) {
        return &other != &operand && holds(other.labels, label);
      });
      if (elsewhere || holds(out_, label))
        kept.push_back(label);
      else
        axes.push_back(static_cast<int64_t>(i));
    }
    if (axes.empty()) return;
    Attributes attributes;
    attributes.set("keepdims", int64_t{0});
    operand = {add("ReduceSum", {operand.value, numbers(axes)}, std::move(attributes)), kept};
  }

  void transpose(Operand& operand, const Labels& order) {
    if (operand.labels == order) return;
    std::vector<int64_t> perm;
    for (const uint8_t label : order) {
      perm.push_back(std::find(operand.labels.begin(), operand.labels.end(), label) - operand.labels.begin());
    }
    Attributes attributes;
    attributes.set("perm", perm);
    operand = {add("Transpose", {operand.value}, std::move(attributes)), order};
  }

  // [batch…, rows…, columns…] → [batch…, rows, columns]; 0 copies a length that is not known.
  ValueId merge(const Operand& operand, const Labels& rows, const Labels& columns) {
    if (rows.size() == 1 && columns.size() == 1) return operand.value;
    std::vector<int64_t> shape(batch_.size(), 0);
    shape.push_back(extent(rows));
    shape.push_back(extent(columns));
    return add("Reshape", {operand.value, numbers(std::move(shape))});
  }

  Operand product() {
    const bool plain = left_.size() == 1 && right_.size() == 1;
    std::vector<int64_t> unfolded(batch_.size(), 0);
    if (!plain) {
      for (const Labels* labels : {&left_, &right_}) {
        for (const uint8_t l : *labels) unfolded.push_back(length(l));
      }
    }
    Operand a = operands_[0], b = operands_[1];
    transpose(a, batch_ + left_ + summed_);
    transpose(b, batch_ + summed_ + right_);
    const ValueId left = merge(a, left_, summed_), right = merge(b, summed_, right_);
    ValueId y = add("MatMul", {left, right});
    if (!plain) y = add("Reshape", {y, numbers(std::move(unfolded))});
    return {y, batch_ + left_ + right_};
  }

  // Nothing is summed: the operand with fewer axes gets ones at its end.
  Operand multiply() {
    Operand a = operands_[0], b = operands_[1];
    transpose(a, batch_ + left_);
    transpose(b, batch_ + right_);
    Operand& less = left_.empty() ? a : b;
    const size_t missing = left_.size() + right_.size();
    if (missing > 0) {
      std::vector<int64_t> axes(missing);
      std::iota(axes.begin(), axes.end(), static_cast<int64_t>(less.labels.size()));
      less.value = add("Unsqueeze", {less.value, numbers(std::move(axes))});
    }
    return {add("Mul", {a.value, b.value}), batch_ + left_ + right_};
  }

  Graph& g_;
  NodeId node_;
  std::string name_;
  int64_t offset_;
  std::vector<Operand> operands_;
  Labels out_, batch_, left_, right_, summed_;
};

}  // namespace

int expand_einsum(Graph& graph, PassContext&) {
  int changes = 0;
  for (NodeId id : graph.order()) {
    if (graph.node(id).alive && is_newest(graph.node(id), "Einsum") && Expansion(graph, id).run()) ++changes;
  }
  return changes;
}

}  // namespace chorus::passes
