// Attention that an exporter spells out: softmax(scale · Q Kᵀ + mask) V in simple operators becomes the operator. Where heads are cut out of
// rows and put back (Reshape and Transpose), the operator reads and writes the rows themselves.
#include <engine/native/candidate.h>
#include <engine/native/plan/spelled_forms.h>
#include <graph/infer.h>

#include <algorithm>
#include <optional>

namespace chorus::native {
namespace {

constexpr int64_t kHeadsBehind[] = {0, 2, 1, 3}, kTurned[] = {0, 1, 3, 2}, kHeadsAndTurned[] = {0, 2, 3, 1};

class Matcher {
 public:
  explicit Matcher(Graph& g) : g_(g) {}

  bool at(NodeId id) {
    if (!is(g_.node(id), "MatMul")) return false;
    const ValueId weights = g_.node(id).inputs[0], v = g_.node(id).inputs[1];
    const Node* softmax = alone(weights, "Softmax");
    if (softmax == nullptr || !is_heads(weights) || !is_heads(v)) return false;
    const int64_t axis = softmax->attrs().integer("axis", -1);
    if (axis != -1 && axis != 3) return false;
    Found f;
    f.v = v;
    return read_scores(softmax->inputs[0], f) && fits(f) && (replace_rows(id, f) || replace_heads(id, f));
  }

 private:
  struct Found {
    ValueId q = kNone, v = kNone, mask = kNone;
    ValueId turned = kNone;  // Kᵀ, made by a Transpose
    ValueId k = kNone;  // what that reads: heads, or [batch, keys, heads, size]
    bool behind = false;  // the latter
    double scale = 1;
  };

  static bool is(const Node& n, std::string_view type) {
    return n.domain.empty() && n.op != nullptr && n.type == type && n.outputs.size() == 1 && n.outputs[0] != kNone &&
           n.version + 1 == static_cast<int>(n.op->versions.size());
  }
  const Node* made_by(ValueId v, std::string_view type) const {
    const NodeId id = v == kNone ? kNone : g_.value(v).producer;
    return id != kNone && is(g_.node(id), type) ? &g_.node(id) : nullptr;
  }
  bool has_one_reader(ValueId v) const { return g_.value(v).uses.size() == 1 && !g_.is_output(v); }
  const Node* alone(ValueId v, std::string_view type) const { return has_one_reader(v) ? made_by(v, type) : nullptr; }

  const Dims& dims(ValueId v) const { return g_.value(v).type.dims; }
  bool is_heads(ValueId v) const {
    const Type& t = g_.value(v).type;
    return t.is_tensor() && t.has_rank && t.dtype == DType::float32 && t.rank() == 4;
  }
  static bool same(const Dim& a, const Dim& b) { return Dim::equal(a, b) == Dim::Truth::yes; }

  std::optional<double> number(ValueId v) const {
    if (v == kNone || !g_.value(v).is_constant() || g_.value(v).is_input) return std::nullopt;
    const Value& c = g_.value(v).constant;
    if (!c.is_tensor() || c.dtype() != DType::float32 || c.numel() != 1 || c.rank() > 4) return std::nullopt;
    return c.as<float>()[0];
  }
  /// Takes products and quotients with numbers off a value that nobody else reads.
  ValueId without_factors(ValueId v, double* factor) const {
    for (int depth = 0; depth < 4; ++depth) {
      const Node* n = alone(v, "Mul");
      if (n == nullptr) n = alone(v, "Div");
      if (n == nullptr) return v;
      const bool divides = n->type == "Div";
      auto c = number(n->inputs[1]);
      ValueId rest = n->inputs[0];
      if (!c && !divides) c = number(n->inputs[0]), rest = n->inputs[1];
      if (!c || *c == 0 || !is_heads(rest)) return v;
      *factor *= divides ? 1 / *c : *c;
      v = rest;
    }
    return v;
  }

  /// scale · Q Kᵀ + mask
  bool read_scores(ValueId x, Found& f) const {
    if (const Node* sum = alone(x, "Add")) {
      for (size_t i = 0; i < 2; ++i) {
        double factor = 1;
        const ValueId product = without_factors(sum->inputs[i], &factor);
        if (alone(product, "MatMul") == nullptr) continue;
        f.mask = sum->inputs[1 - i];
        return read_product(product, factor, f);
      }
      return false;
    }
    double factor = 1;
    const ValueId product = without_factors(x, &factor);
    return alone(product, "MatMul") != nullptr && read_product(product, factor, f);
  }
  bool read_product(ValueId product, double factor, Found& f) const {
    const Node& n = g_.node(g_.value(product).producer);
    if (!is_heads(product) || !is_heads(n.inputs[0]) || !is_heads(n.inputs[1])) return false;
    f.scale = factor;
    f.q = without_factors(n.inputs[0], &f.scale);
    f.turned = without_factors(n.inputs[1], &f.scale);
    const Node* turn = made_by(f.turned, "Transpose");
    if (turn == nullptr) return false;
    const auto perm = turn->attrs().integers("perm");
    f.behind = std::ranges::equal(perm, kHeadsAndTurned);
    f.k = without_factors(turn->inputs[0], &f.scale);
    return f.behind || std::ranges::equal(perm, kTurned);
  }

  bool fits(const Found& f) const {
    const Dims &q = dims(f.q), &kt = dims(f.turned), &v = dims(f.v);
    if (!same(q[0], kt[0]) || !same(q[0], v[0]) || !same(q[1], kt[1]) || !same(q[1], v[1]) || !same(kt[3], v[2]))
      return false;
    if (f.mask == kNone) return true;
    const Type& m = g_.value(f.mask).type;
    if (!m.is_tensor() || !m.has_rank || m.dtype != DType::float32 || m.rank() < 1 || m.rank() > 4) return false;
    const Dim* wanted[] = {&q[0], &q[1], &q[2], &kt[3]};
    for (int i = 0; i < m.rank(); ++i) {
      const Dim& d = m.dims[static_cast<size_t>(i)];
      const bool last = i + 1 == m.rank();
      if (!same(d, *wanted[4 - m.rank() + i]) && (last || !d.is(1))) return false;
    }
    return true;
  }

  /// `v` is heads that were cut out of rows [batch, length, heads · size]: these rows.
  ValueId rows_of(ValueId v) const {
    const Node* turn = made_by(v, "Transpose");
    return turn != nullptr && std::ranges::equal(turn->attrs().integers("perm"), kHeadsBehind)
               ? cut_from(turn->inputs[0])
               : kNone;
  }
  /// `v` [batch, length, heads, size] is a Reshape of rows.
  ValueId cut_from(ValueId v) const {
    const Node* cut = made_by(v, "Reshape");
    return cut != nullptr && are_rows_of(cut->inputs[0], v) ? cut->inputs[0] : kNone;
  }
  bool are_rows_of(ValueId rows, ValueId cut) const {
    const Type& t = g_.value(rows).type;
    const Dims& d = dims(cut);
    return t.is_tensor() && t.has_rank && t.rank() == 3 && d.size() == 4 && d[2].is_number() && d[2].number() > 0 &&
           d[3].is_number() && d[3].number() > 0 && t.dims[2].is(d[2].number() * d[3].number()) &&
           same(t.dims[0], d[0]) && same(t.dims[1], d[1]);
  }
  /// The value behind the Transpose and Reshape that put heads beside one another again.
  ValueId joined(ValueId heads) const {
    const ValueId turned = only_reader(heads, "Transpose");
    if (turned == kNone ||
        !std::ranges::equal(g_.node(g_.value(turned).producer).attrs().integers("perm"), kHeadsBehind))
      return kNone;
    const ValueId rows = only_reader(turned, "Reshape");
    return rows != kNone && are_rows_of(rows, turned) ? rows : kNone;
  }
  ValueId only_reader(ValueId v, std::string_view type) const {
    if (!has_one_reader(v)) return kNone;
    const Use& use = g_.value(v).uses[0];
    const Node& n = g_.node(use.node);
    return use.operand == 0 && is(n, type) ? n.outputs[0] : kNone;
  }

  void replace(NodeId named, ValueId old, const Found& f, std::vector<ValueId> operands, Attributes attributes) {
    attributes.set("scale", static_cast<float>(f.scale));
    if (f.mask != kNone) operands.push_back(f.mask);
    const NodeId made =
        g_.add_node("Attention", operands, std::move(attributes), 1, "", std::string(g_.node(named).name));
    g_.node(made).metadata.emplace_back(kEmptyRows, "nan");
    infer_node(g_, made);
    const ValueId to = g_.node(made).outputs[0];
    const std::string name = g_.value(old).name;
    const NodeId last = g_.value(old).producer;
    g_.replace_uses(old, to);
    g_.remove_node(last);
    g_.rename(to, name);
  }

  bool replace_rows(NodeId id, const Found& f) {
    const ValueId q = rows_of(f.q), k = f.behind ? cut_from(f.k) : rows_of(f.k), v = rows_of(f.v),
                  y = joined(g_.node(id).outputs[0]);
    if (q == kNone || k == kNone || v == kNone || y == kNone) return false;
    Attributes attributes;
    attributes.set("q_num_heads", dims(f.q)[1].number());
    attributes.set("kv_num_heads", dims(f.q)[1].number());
    const NodeId turn = g_.value(g_.node(g_.value(y).producer).inputs[0]).producer;
    replace(id, y, f, {q, k, v}, std::move(attributes));
    g_.remove_node(turn);
    g_.remove_node(id);
    return true;
  }

  bool replace_heads(NodeId id, const Found& f) {
    ValueId k = f.k;
    if (f.behind) {
      Attributes perm;
      perm.set("perm", std::vector<int64_t>(std::begin(kHeadsBehind), std::end(kHeadsBehind)));
      const ValueId operands[] = {k};
      const NodeId turn = g_.add_node("Transpose", operands, std::move(perm), 1, "", g_.unique_name("keys"));
      infer_node(g_, turn);
      k = g_.node(turn).outputs[0];
    }
    replace(id, g_.node(id).outputs[0], f, {f.q, k, f.v}, {});
    return true;
  }

  Graph& g_;
};

}  // namespace

int spelled_attention(Graph& graph, PassContext&) {
  int changes = 0;
  Matcher matcher(graph);
  for (NodeId id : graph.order()) {
    if (graph.node(id).alive && matcher.at(id)) ++changes;
  }
  return changes;
}

}  // namespace chorus::native
