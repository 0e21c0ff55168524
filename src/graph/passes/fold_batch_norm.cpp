#include <core/convert.h>
#include <graph/passes/bodies.h>

#include <cmath>

namespace chorus::passes {
namespace {

/// y = scale[c] * x + shift[c] for every channel c, in float64.
struct Affine {
  std::vector<double> scale, shift;
};

const Value* floats(const Graph& graph, const Node& n, size_t operand) {
  const Value* v = constant_operand(graph, n, operand);
  return v != nullptr && v->is_tensor() && (v->dtype() == DType::float32 || v->dtype() == DType::float64) ? v : nullptr;
}

// The inference form of batch normalisation with constant statistics.
bool read_batch_norm(const Graph& graph, const Node& n, Affine& affine) {
  if (n.inputs.size() != 5 || n.outputs.size() != 1 || n.attrs().integer("training_mode") != 0) return false;
  std::vector<double> p[4];
  for (size_t i = 0; i < 4; ++i) {
    const Value* v = floats(graph, n, i + 1);
    if (v == nullptr || v->rank() != 1) return false;
    p[i] = v->to_doubles();
    if (p[i].size() != p[0].size()) return false;
  }
  const double epsilon = n.attrs().real("epsilon");
  for (size_t c = 0; c < p[0].size(); ++c) {
    const double scale = p[0][c] / std::sqrt(p[3][c] + epsilon);
    affine.scale.push_back(scale);
    affine.shift.push_back(p[1][c] - p[2][c] * scale);
  }
  return true;
}

/// Where the output channel of a weight element is: weights are [outer, channels, inner] with `groups` outer blocks of their own channels.
struct Channels {
  int64_t outer = 1, count = 1, inner = 1, groups = 1;
  int64_t all() const { return count * groups; }
};

/// `weight`, every output channel times its scale. False when a product is not finite.
template <class T>
bool scale_channels(const Value& weight, const Channels& c, const std::vector<double>& scale, Value* scaled) {
  const T* from = weight.as<T>().data();
  T* to = scaled->as_mutable<T>().data();
  bool finite = true;
  for (int64_t o = 0; o < c.outer; ++o) {
    const double* of = scale.data() + o / (c.outer / c.groups) * c.count;
    for (int64_t k = 0; k < c.count; ++k, from += c.inner, to += c.inner) {
      for (int64_t i = 0; i < c.inner; ++i) {
        to[i] = static_cast<T>(static_cast<double>(from[i]) * of[k]);
        finite = finite & std::isfinite(to[i]);
      }
    }
  }
  return finite;
}

bool weight_channels(const Node& n, const Shape& w, Channels& c) {
  if (w.numel() == 0) return false;
  if (n.type == "Gemm") {
    if (w.rank() != 2) return false;
    const bool transposed = n.attrs().integer("transB") != 0;
    c = transposed ? Channels{1, w[0], w[1], 1} : Channels{w[0], w[1], 1, 1};
    return true;
  }
  if (w.rank() < 3) return false;
  const int64_t groups = n.attrs().integer("group", 1);
  if (n.type == "Conv") {
    c = {1, w[0], w.numel() / w[0], 1};
    return true;
  }
  if (groups < 1 || w[0] % groups != 0) return false;
  c = {w[0], w[1], w.numel() / (w[0] * w[1]), groups};
  return true;
}

bool all_finite(const std::vector<double>& v, DType type) {
  for (double x : v) {
    if (!std::isfinite(type == DType::float32 ? static_cast<double>(static_cast<float>(x)) : x)) return false;
  }
  return true;
}

Value stored(DType type, const Shape& shape, const std::vector<double>& v) {
  Value value = Value::tensor(type, shape);
  store_f64(type, value.mutable_data(), 0, static_cast<int64_t>(v.size()), v.data());
  return value;
}

// The bias after the change; a Gemm's third operand may broadcast and is scaled by beta.
bool new_bias(const Graph& graph, const Node& n, const Affine& affine, std::vector<double>& bias) {
  bias = affine.shift;
  if (n.inputs.size() < 3 || n.inputs[2] == kNone) return true;
  const Value* old = floats(graph, n, 2);
  if (old == nullptr) return false;
  const std::vector<double> values = old->to_doubles();
  const int64_t last = old->rank() == 0 ? 1 : old->shape()[old->rank() - 1];
  if (values.size() != static_cast<size_t>(last) || (values.size() != bias.size() && values.size() != 1)) return false;
  if (n.type != "Gemm" && values.size() != bias.size()) return false;
  const double beta = n.type == "Gemm" ? n.attrs().real("beta", 1) : 1.0;
  for (size_t c = 0; c < bias.size(); ++c) bias[c] += affine.scale[c] * beta * values[values.size() == 1 ? 0 : c];
  return true;
}

bool fold_into(Graph& graph, NodeId into, const Affine& affine) {
  const Node& n = graph.node(into);
  const Value* weight = floats(graph, n, 1);
  Channels channels;
  std::vector<double> bias;
  if (weight == nullptr || !weight_channels(n, weight->shape(), channels) ||
      channels.all() != static_cast<int64_t>(affine.scale.size()))
    return false;
  if (!new_bias(graph, n, affine, bias)) return false;
  const DType type = weight->dtype();
  Value new_weight = Value::tensor(type, weight->shape());
  const bool finite = type == DType::float32 ? scale_channels<float>(*weight, channels, affine.scale, &new_weight)
                                             : scale_channels<double>(*weight, channels, affine.scale, &new_weight);
  if (!finite || !all_finite(bias, type)) return false;
  const std::string stem = graph.value(n.inputs[1]).name;
  graph.set_operand(into, 1, graph.add_constant(stem + ".folded", std::move(new_weight)));
  graph.set_operand(into, 2,
                    graph.add_constant(stem + ".bias", stored(type, Shape{static_cast<int64_t>(bias.size())}, bias)));
  if (graph.node(into).type == "Gemm") graph.node(into).attributes.set("beta", 1.0F);
  return true;
}

// Mul, Div, Add, Sub by one number or by one per channel: `rank` is that of x, the channels are in axis `axis` of it.
bool read_arithmetic(const Graph& graph, const Node& n, size_t x, int rank, int axis, size_t channels, Affine& affine) {
  const Value* c = floats(graph, n, 1 - x);
  if (c == nullptr || c->rank() > rank || n.inputs.size() != 2) return false;
  for (int d = 0; d < c->rank(); ++d) {
    const bool here = d + rank - c->rank() == axis;
    if (c->shape()[d] != 1 && !(here && c->shape()[d] == static_cast<int64_t>(channels))) return false;
  }
  const std::vector<double> values = c->to_doubles();
  const bool product = n.type == "Mul" || n.type == "Div";
  if (x == 1 && n.type == "Div") return false;
  for (size_t i = 0; i < channels; ++i) {
    const double v = values[values.size() == 1 ? 0 : i];
    // c - x is -x + c.
    const double scale = n.type == "Mul" ? v : n.type == "Div" ? 1 / v : n.type == "Sub" && x == 1 ? -1.0 : 1.0;
    affine.scale.push_back(scale);
    affine.shift.push_back(product ? 0.0 : n.type == "Sub" && x == 0 ? -v : v);
  }
  return !values.empty();
}

/// What `n` does to the channels of its operand x, which a convolution or Gemm makes and nobody else reads.
bool read_affine(const Graph& graph, const Node& n, size_t x, Affine& affine) {
  const ValueId in = n.inputs[x];
  if (in == kNone || graph.value(in).uses.size() != 1 || graph.is_output(in)) return false;
  const NodeId before = graph.value(in).producer;
  if (before == kNone) return false;
  const Node& p = graph.node(before);
  if (!is_newest(p, "Conv") && !is_newest(p, "ConvTranspose") && !is_newest(p, "Gemm")) return false;
  if (n.type == "BatchNormalization") return x == 0 && read_batch_norm(graph, n, affine);
  const Value* weight = floats(graph, p, 1);
  Channels channels;
  if (weight == nullptr || !weight_channels(p, weight->shape(), channels)) return false;
  return read_arithmetic(graph, n, x, weight->rank(), 1, static_cast<size_t>(channels.all()), affine);
}

bool may_fold(const Node& n) {
  const bool known = is_newest(n, "BatchNormalization") || is_newest(n, "Mul") || is_newest(n, "Div") ||
                     is_newest(n, "Add") || is_newest(n, "Sub");
  return known && n.inputs.size() >= 2 && n.outputs.size() == 1 && n.outputs[0] != kNone;
}

}  // namespace

// Weights and bias take a normalisation, or a product and sum by channel, in: computed in float64 and rounded once. The convolution then
// makes another sum, so results differ from the unfolded graph by rounding: a few units in the last place of the largest term.
int fold_batch_norm(Graph& graph, PassContext&) {
  int changes = 0;
  for (NodeId id : graph.order()) {
    if (!graph.node(id).alive || !may_fold(graph.node(id))) continue;
    for (size_t x = 0; x < 2; ++x) {
      const Node& n = graph.node(id);
      Affine affine;
      if (!read_affine(graph, n, x, affine)) continue;
      const ValueId before = n.inputs[x], after = n.outputs[0];
      if (graph.value(before).type.dtype != graph.value(after).type.dtype ||
          !fold_into(graph, graph.value(before).producer, affine))
        continue;
      const std::string name = graph.value(after).name;
      graph.replace_uses(after, before);
      graph.remove_node(id);
      // The convolution's own numbers are gone: its output is called what it now is.
      if (graph.find_value(name) == kNone) graph.rename(before, name);
      ++changes;
      break;
    }
  }
  return changes;
}

}  // namespace chorus::passes
