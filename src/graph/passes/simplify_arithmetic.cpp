#include <core/convert.h>
#include <graph/infer.h>
#include <graph/passes/bodies.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace chorus::passes {
namespace {

// The one number that all elements of a small constant are.
std::optional<double> uniform(const Graph& graph, const Node& n, size_t operand) {
  const Value* v = constant_operand(graph, n, operand);
  if (v == nullptr || !v->is_tensor() || !(is_integer(v->dtype()) || is_float(v->dtype()))) return std::nullopt;
  const int64_t count = v->numel();
  if (count < 1 || count > 4096) return std::nullopt;
  const double first = get_f64(v->dtype(), v->data(), 0);
  for (int64_t i = 1; i < count; ++i) {
    const double next = get_f64(v->dtype(), v->data(), i);
    if (next != first || std::signbit(next) != std::signbit(first)) return std::nullopt;
  }
  return first;
}

// Whether `x op c` is x for every x, bit for bit. x + 0 is not: it makes +0 of -0; x + -0 and x - 0 are.
bool neutral(const Node& n, size_t constant, double c, bool integer) {
  const bool second = constant == 1;
  if (n.type == "Add") return c == 0 && (integer || std::signbit(c));
  if (n.type == "Sub") return second && c == 0 && (integer || !std::signbit(c));
  if (n.type == "Mul") return c == 1;
  if (n.type == "Div" || n.type == "Pow") return second && c == 1;
  return false;
}

// The operand's type is the result's: the constant does not widen it and nothing is converted.
bool same_type(const Graph& graph, ValueId x, ValueId y) {
  const Type& in = graph.value(x).type;
  const Type& out = graph.value(y).type;
  if (!in.has_rank || !out.has_rank || in.dtype != out.dtype || in.dtype == DType::undefined) return false;
  return std::equal(in.dims.begin(), in.dims.end(), out.dims.begin(), out.dims.end(),
                    [](const Dim& a, const Dim& b) { return Dim::equal(a, b) == Dim::Truth::yes; });
}

bool drop_neutral(Graph& graph, NodeId id) {
  const Node& n = graph.node(id);
  for (size_t side = 0; side < 2; ++side) {
    const ValueId x = n.inputs[1 - side], y = n.outputs[0];
    const auto c = uniform(graph, n, side);
    if (!c || !same_type(graph, x, y) || !graph.can_replace(y, x)) continue;
    if (!neutral(n, side, *c, is_integer(graph.value(x).type.dtype))) continue;
    graph.replace_uses(y, x);
    graph.remove_node(id);
    return true;
  }
  return false;
}

// x to the power 2 is x times x: the product is rounded once, so it is the exact square rounded, which pow only promises nearly.
bool square(Graph& graph, NodeId id) {
  const ValueId x = graph.node(id).inputs[0], y = graph.node(id).outputs[0];
  const auto exponent = uniform(graph, graph.node(id), 1);
  if (graph.node(id).type != "Pow" || !exponent || *exponent != 2 || !is_float(graph.value(x).type.dtype) ||
      !same_type(graph, x, y))
    return false;
  const ValueId operands[] = {x, x};
  const std::string name = graph.node(id).name;
  const NodeId made = graph.add_node("Mul", operands, {}, 1, "", name);
  graph.node(made).file_offset = graph.node(id).file_offset;
  infer_node(graph, made);
  const ValueId product = graph.node(made).outputs[0];
  const std::string result = graph.value(y).name;
  graph.replace_uses(y, product);
  graph.remove_node(id);
  graph.rename(product, result);
  return true;
}

}  // namespace

int simplify_arithmetic(Graph& graph, PassContext&) {
  int changes = 0;
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    const bool binary =
        is_newest(n, "Add") || is_newest(n, "Sub") || is_newest(n, "Mul") || is_newest(n, "Div") || is_newest(n, "Pow");
    if (!binary || n.inputs.size() != 2 || n.inputs[0] == kNone || n.inputs[1] == kNone || n.outputs.size() != 1 ||
        n.outputs[0] == kNone)
      continue;
    if (drop_neutral(graph, id) || square(graph, id)) ++changes;
  }
  return changes;
}

}  // namespace chorus::passes
