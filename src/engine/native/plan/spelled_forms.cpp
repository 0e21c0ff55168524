// What exporters spell out in simple operators, and ONNX has one for: Gelu by tanh, LayerNormalization, RMSNormalization.
#include <core/convert.h>
#include <engine/native/plan/spelled_forms.h>
#include <graph/infer.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace chorus::native {
namespace {

class Matcher {
 public:
  explicit Matcher(Graph& g) : g_(g) {}
  bool at(NodeId id) { return gelu(id) || layer_norm(id) || rms_norm(id); }

 private:
  Graph& g_;

  const Node* made_by(ValueId v, std::string_view type) const {
    const NodeId id = v == kNone ? kNone : g_.value(v).producer;
    return id != kNone && is(g_.node(id), type) ? &g_.node(id) : nullptr;
  }
  static bool is(const Node& n, std::string_view type) {
    return n.domain.empty() && n.op != nullptr && n.type == type && n.outputs.size() == 1 && n.outputs[0] != kNone &&
           n.version + 1 == static_cast<int>(n.op->versions.size());
  }
  const Value* fixed(ValueId v) const {
    if (v == kNone || !g_.value(v).is_constant() || g_.value(v).is_input) return nullptr;
    const Value& c = g_.value(v).constant;
    return c.is_tensor() && c.dtype() == DType::float32 ? &c : nullptr;
  }
  std::optional<double> scalar(ValueId v) const {
    const Value* c = fixed(v);
    return c != nullptr && c->numel() == 1 && c->rank() <= 1 ? std::optional<double>(c->as<float>()[0]) : std::nullopt;
  }
  static bool near(double a, double b) { return std::abs(a - b) <= 1e-6 * std::abs(b); }

  /// The other operand of a sum with one number.
  std::optional<double> plus(ValueId v, ValueId* other) const {
    const Node* n = made_by(v, "Add");
    if (n == nullptr) return std::nullopt;
    for (size_t i = 0; i < 2; ++i) {
      if (const auto c = scalar(n->inputs[i])) {
        *other = n->inputs[1 - i];
        return c;
      }
    }
    return std::nullopt;
  }

  /// A product of numbers and values, taken apart as far as it has no other readers.
  struct Product {
    double number = 1;
    std::vector<ValueId> values;
  };
  void take_apart(ValueId v, bool root, int depth, Product* p) const {
    if (const auto c = scalar(v)) {
      p->number *= *c;
      return;
    }
    const bool inner = root || g_.value(v).uses.size() == 1;
    const Node* n = inner && depth < 6 ? made_by(v, "Mul") : nullptr;
    if (n != nullptr) {
      for (ValueId in : n->inputs) take_apart(in, false, depth + 1, p);
      return;
    }
    n = inner ? made_by(v, "Pow") : nullptr;
    const auto power = n != nullptr ? scalar(n->inputs[1]) : std::nullopt;
    if (power && (*power == 2 || *power == 3)) {
      p->values.insert(p->values.end(), static_cast<size_t>(*power), n->inputs[0]);
      return;
    }
    p->values.push_back(v);
  }
  Product product(ValueId v) const {
    Product p;
    take_apart(v, true, 0, &p);
    return p;
  }

  bool is_real(ValueId v) const {
    const Type& t = g_.value(v).type;
    return t.is_tensor() && t.has_rank && t.dtype == DType::float32 && t.rank() >= 1;
  }
  bool same_type(ValueId a, ValueId b) const {
    const Type &x = g_.value(a).type, &y = g_.value(b).type;
    if (!is_real(a) || !is_real(b) || x.rank() != y.rank()) return false;
    return std::equal(x.dims.begin(), x.dims.end(), y.dims.begin(),
                      [](const Dim& d, const Dim& e) { return Dim::equal(d, e) == Dim::Truth::yes; });
  }

  bool replace(NodeId old, std::string_view op, std::vector<ValueId> inputs, Attributes attributes) {
    const std::string name = g_.node(old).name;
    const NodeId made = g_.add_node(op, inputs, std::move(attributes), 1, "", name);
    infer_node(g_, made);
    const ValueId from = g_.node(old).outputs[0], to = g_.node(made).outputs[0];
    const std::string result = g_.value(from).name;
    g_.replace_uses(from, to);
    g_.remove_node(old);
    g_.rename(to, result);
    return true;
  }

  /// x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))
  bool gelu(NodeId id) {
    if (!is(g_.node(id), "Mul")) return false;
    const ValueId y = g_.node(id).outputs[0];
    const Product whole = product(y);
    if (whole.values.size() != 2 || !near(whole.number, 0.5)) return false;
    for (size_t i = 0; i < 2; ++i) {
      const ValueId x = whole.values[1 - i];
      ValueId inner = kNone;
      const auto one = plus(whole.values[i], &inner);
      const Node* tanh = one && *one == 1 ? made_by(inner, "Tanh") : nullptr;
      if (tanh == nullptr || !same_type(x, y)) continue;
      const Product scaled = product(tanh->inputs[0]);
      if (scaled.values.size() != 1 || !near(scaled.number, 0.7978845608028654)) continue;
      const Node* sum = made_by(scaled.values[0], "Add");
      if (sum == nullptr) continue;
      const ValueId cube = sum->inputs[0] == x ? sum->inputs[1] : sum->inputs[1] == x ? sum->inputs[0] : kNone;
      if (cube == kNone) continue;
      const Product third = product(cube);
      if (third.values != std::vector<ValueId>(3, x) || !near(third.number, 0.044715)) continue;
      Attributes approximate;
      approximate.set("approximate", std::string("tanh"));
      return replace(id, "Gelu", {x}, std::move(approximate));
    }
    return false;
  }

  /// The operand of a mean along the last axis that stays an axis.
  ValueId mean_of(ValueId v) const {
    const Node* n = made_by(v, "ReduceMean");
    if (n == nullptr || n->inputs.size() < 2 || n->inputs[1] == kNone || n->attrs().integer("keepdims", 1) != 1)
      return kNone;
    const GraphValue& axes = g_.value(n->inputs[1]);
    if (!axes.is_constant() || axes.is_input || axes.constant.dtype() != DType::int64 || axes.constant.numel() != 1 ||
        !is_real(n->inputs[0]))
      return kNone;
    const int64_t axis = axes.constant.as<int64_t>()[0], rank = g_.value(n->inputs[0]).type.rank();
    return axis == -1 || axis == rank - 1 ? n->inputs[0] : kNone;
  }
  /// v is √(mean(x²) + ε): ε.
  std::optional<double> root_mean_square(ValueId v, ValueId x) const {
    const Node* root = made_by(v, "Sqrt");
    ValueId mean = kNone;
    const auto epsilon = root != nullptr ? plus(root->inputs[0], &mean) : std::nullopt;
    const ValueId square = epsilon ? mean_of(mean) : kNone;
    if (square == kNone) return std::nullopt;
    const Product p = product(square);
    return p.number == 1 && p.values == std::vector<ValueId>(2, x) ? epsilon : std::nullopt;
  }
  /// v is x / root_mean_square(x); x is found.
  std::optional<double> normalised(ValueId v, ValueId* x) const {
    if (const Node* n = made_by(v, "Div")) {
      *x = n->inputs[0];
      return root_mean_square(n->inputs[1], *x);
    }
    const Node* n = made_by(v, "Mul");
    for (size_t i = 0; n != nullptr && i < 2; ++i) {
      *x = n->inputs[1 - i];
      const ValueId factor = n->inputs[i];
      const Node* inverse = made_by(factor, "Reciprocal");
      if (inverse != nullptr) {
        if (const auto epsilon = root_mean_square(inverse->inputs[0], *x)) return epsilon;
      }
      inverse = made_by(factor, "Div");
      if (inverse != nullptr && scalar(inverse->inputs[0]) == std::optional<double>(1)) {
        if (const auto epsilon = root_mean_square(inverse->inputs[1], *x)) return epsilon;
      }
    }
    return std::nullopt;
  }
  bool is_row(ValueId v, ValueId x) const {
    const Value* c = fixed(v);
    return c != nullptr && c->rank() == 1 && g_.value(x).type.dims.back().is(c->numel());
  }

  struct Scaled {
    ValueId x = kNone, weights = kNone;
    double epsilon = 0;
  };
  /// weights · normalised(x)
  std::optional<Scaled> scaled(ValueId v) const {
    const Node* n = made_by(v, "Mul");
    for (size_t i = 0; n != nullptr && i < 2; ++i) {
      Scaled s;
      s.weights = n->inputs[i];
      const auto epsilon = fixed(s.weights) != nullptr ? normalised(n->inputs[1 - i], &s.x) : std::nullopt;
      if (!epsilon || !(*epsilon >= 0) || !is_real(s.x) || !is_row(s.weights, s.x)) continue;
      s.epsilon = *epsilon;
      return s;
    }
    return std::nullopt;
  }

  static Attributes last_axis(double epsilon) {
    Attributes a;
    a.set("axis", int64_t{-1});
    a.set("epsilon", static_cast<float>(epsilon));
    return a;
  }

  /// weights · (x - mean) / √(mean((x - mean)²) + ε) + bias
  bool layer_norm(NodeId id) {
    if (!is(g_.node(id), "Add")) return false;
    for (size_t i = 0; i < 2; ++i) {
      const ValueId bias = g_.node(id).inputs[i];
      const auto s = fixed(bias) != nullptr ? scaled(g_.node(id).inputs[1 - i]) : std::nullopt;
      const Node* centred = s ? made_by(s->x, "Sub") : nullptr;
      if (centred == nullptr || !is_row(bias, s->x) || mean_of(centred->inputs[1]) != centred->inputs[0]) continue;
      return replace(id, "LayerNormalization", {centred->inputs[0], s->weights, bias}, last_axis(s->epsilon));
    }
    return false;
  }

  /// The middle of a LayerNormalization: the sum behind it is looked at later.
  bool is_centred(ValueId x) const {
    const Node* centred = made_by(x, "Sub");
    return centred != nullptr && mean_of(centred->inputs[1]) == centred->inputs[0];
  }

  /// Whose weights are all one.
  std::optional<Scaled> without_weights(NodeId id) {
    Scaled s;
    const ValueId y = g_.node(id).outputs[0];
    if (g_.value(y).uses.empty() && !g_.is_output(y)) return std::nullopt;  // what a match has left
    const auto epsilon = normalised(y, &s.x);
    if (!epsilon || !(*epsilon >= 0) || !is_real(s.x) || is_centred(s.x) || !g_.value(s.x).type.dims.back().is_number())
      return std::nullopt;
    for (const Use& use : g_.value(y).uses) {  // weights that follow: the product with them is looked at later
      const Node& user = g_.node(use.node);
      if (is(user, "Mul") &&
          std::any_of(user.inputs.begin(), user.inputs.end(), [&](ValueId v) { return is_row(v, s.x); }))
        return std::nullopt;
    }
    const int64_t n = g_.value(s.x).type.dims.back().number();
    if (n < 1 || n > 1 << 20) return std::nullopt;
    const std::vector<float> ones(static_cast<size_t>(n), 1.0F);
    s.weights = g_.add_constant("ones", Value::of<float>(Shape{n}, std::span<const float>(ones)));
    s.epsilon = *epsilon;
    return s;
  }

  bool rms_norm(NodeId id) {
    if (!is(g_.node(id), "Mul") && !is(g_.node(id), "Div")) return false;
    auto s = scaled(g_.node(id).outputs[0]);
    if (!s) s = without_weights(id);
    if (!s) return false;
    return !is_centred(s->x) && replace(id, "RMSNormalization", {s->x, s->weights}, last_axis(s->epsilon));
  }
};

}  // namespace

int spelled_forms(Graph& graph, PassContext&) {
  int changes = 0;
  Matcher matcher(graph);
  for (NodeId id : graph.order()) {
    if (graph.node(id).alive && matcher.at(id)) ++changes;
  }
  return changes;
}

}  // namespace chorus::native
