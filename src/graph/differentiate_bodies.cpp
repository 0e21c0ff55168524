// Gradients of If, Loop, Scan and SequenceMap: a node of the same kind whose bodies run the forward body once more for one step and go
// back through it. A loop keeps the states at the beginning of its steps stacked; where their shapes change from step to step it runs
// the first steps again instead.
#include <graph/infer.h>
#include <graph/pass.h>
#include <graph/sweep.h>

#include <fmt/format.h>

#include <algorithm>

namespace chorus {
namespace {

using Ids = std::vector<ValueId>;

Ids emit(Graph& graph, std::string_view op, Ids inputs, Ids captured, Attributes attributes, int outputs) {
  Node n;
  n.op = find_op("", op);
  n.version = static_cast<int>(n.op->versions.size()) - 1;
  n.type = std::string(op);
  n.inputs = std::move(inputs);
  n.captured = std::move(captured);
  n.attributes = std::move(attributes);
  for (int i = 0; i < outputs; ++i) n.outputs.push_back(graph.add_value(n.type));
  const NodeId id = graph.add_node(std::move(n));
  infer_node(graph, id);
  return graph.node(id).outputs;
}

ValueId whole(Graph& graph, int64_t v) { return graph.add_constant("n", Value::scalar<int64_t>(v)); }

ValueId sum_of(Graph& graph, ValueId a, ValueId b) {
  if (a == kNone || b == kNone) return a == kNone ? b : a;
  const bool sequence = graph.value(a).type.kind == ValueKind::sequence;
  return emit_node(graph, sequence ? "SequenceSum" : "Add", {a, b}, {}, sequence ? "chorus" : "");
}

/// The body of a node, with the types that its inputs have there.
std::shared_ptr<Graph> body_of(Graph& graph, NodeId node, std::string_view attribute) {
  const GraphPtr* body = graph.node(node).attributes.find(attribute)->get<GraphPtr>();
  auto copy = std::make_shared<Graph>(**body);
  const std::vector<Type> types = body_input_types(graph, node, attribute);
  for (size_t i = 0; i < types.size() && i < copy->inputs().size(); ++i) {
    Type& type = copy->value(copy->inputs()[i]).type;
    if (types[i].kind != ValueKind::none) type = types[i];
  }
  infer_body_graph(*copy);
  return copy;
}

std::shared_ptr<Graph> new_body(const Graph& like, std::string_view name) {
  auto body = std::make_shared<Graph>();
  body->name = std::string(name);
  body->opsets = like.opsets;
  return body;
}

/// Adds the nodes of `body` to `into`, its inputs standing for `inputs`; returns what its outputs are there.
Ids splice(Graph& into, const Graph& body, const Ids& inputs) {
  Ids at(static_cast<size_t>(body.value_capacity()), kNone);
  for (size_t i = 0; i < inputs.size(); ++i) at[static_cast<size_t>(body.inputs()[i])] = inputs[i];
  const auto value = [&](ValueId id) {
    if (id == kNone) return kNone;
    ValueId& there = at[static_cast<size_t>(id)];
    if (there == kNone && body.value(id).is_constant())
      there = into.add_constant(body.value(id).name, body.value(id).constant);
    return there;
  };
  for (const NodeId id : body.order()) {
    Node n = body.node(id);
    for (ValueId& v : n.inputs) v = value(v);
    for (ValueId& v : n.captured) v = value(v);
    for (ValueId& v : n.outputs) {
      if (v == kNone) continue;
      at[static_cast<size_t>(v)] = into.add_value(body.value(v).name);
      v = at[static_cast<size_t>(v)];
    }
    if (!n.domain.empty() && into.opsets.find(n.domain) == into.opsets.end())
      into.opsets[n.domain] = newest_opset(n.domain);
    infer_node(into, into.add_node(std::move(n)));
  }
  Ids outputs;
  for (const ValueId id : body.outputs()) outputs.push_back(value(id));
  return outputs;
}

/// Inputs of a new body, one for each value of the node: typed like those of the forward body.
Ids add_inputs_like(Graph& body, const Graph& forward, size_t first, size_t count) {
  Ids ids;
  for (size_t i = first; i < first + count; ++i) {
    const GraphValue& v = forward.value(forward.inputs()[i]);
    ids.push_back(body.add_input(v.name, v.type));
  }
  return ids;
}

/// Gradients of `of` by the outputs that have seeds, through the nodes from `first` on: what stands before them (states that were run up
/// to here again) counts as given, though it may depend on the captured values too.
Ids back_through(Graph& body, const Ids& outputs, const Ids& seeds, const Ids& of, NodeId first = 0) {
  std::vector<NodeId> nodes;
  for (const NodeId id : body.order()) {
    if (id >= first) nodes.push_back(id);
  }
  Sweep sweep(body, std::move(nodes), of);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (seeds[i] != kNone) sweep.add(outputs[i], seeds[i]);
  }
  sweep.run();
  Ids gradients;
  for (const ValueId id : of) gradients.push_back(sweep.total(id));
  return gradients;
}
ValueId or_zeros(Graph& graph, ValueId gradient, ValueId like) {
  return gradient == kNone ? zeros_like(graph, like) : gradient;
}

/// A graph's outputs are values of their own.
void set_outputs(Graph& body, const Ids& ids) {
  Ids own;
  for (const ValueId id : ids) {
    const bool plain = body.value(id).producer != kNone && std::find(own.begin(), own.end(), id) == own.end();
    own.push_back(plain ? id : emit_node(body, "Identity", {id}));
  }
  body.set_outputs(own);
  PassContext context;
  passes::eliminate_dead(body, context);
}

Ids chosen(const Ids& ids, const std::vector<char>& flags) {
  Ids list;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (flags[i] != 0) list.push_back(ids[i]);
  }
  return list;
}
/// Results for the flagged ones in their places.
Ids placed(const Ids& found, size_t first, const std::vector<char>& flags) {
  Ids list(flags.size(), kNone);
  for (size_t i = 0; i < flags.size(); ++i) {
    if (flags[i] != 0) list[i] = found[first++];
  }
  return list;
}
size_t count_of(const std::vector<char>& flags) {
  return static_cast<size_t>(std::count_if(flags.begin(), flags.end(), [](char f) { return f != 0; }));
}
Ids given(const Ids& ids) {
  Ids list;
  for (const ValueId id : ids) {
    if (id != kNone) list.push_back(id);
  }
  return list;
}

// If -----------------------------------------------------------------------------------------------------------------------------

BodyGradients of_if(Graph& graph, const BodyNode& of) {
  const Ids captured = graph.node(of.node).captured, seeds = given(of.out_gradients);
  Attributes attributes;
  for (const std::string_view name : {"then_branch", "else_branch"}) {
    const auto forward = body_of(graph, of.node, name);
    Graph& body = *forward;
    const Ids outside(body.inputs().begin(), body.inputs().end()),
        outputs(body.outputs().begin(), body.outputs().end());
    Ids with(outputs.size(), kNone);
    for (size_t i = 0; i < outputs.size() && i < of.out_gradients.size(); ++i) {
      if (of.out_gradients[i] != kNone) with[i] = body.add_input("seed", graph.value(of.out_gradients[i]).type);
    }
    const Ids wanted = chosen(outside, of.wanted_captured);
    Ids gradients = back_through(body, outputs, with, wanted);
    for (size_t i = 0; i < wanted.size(); ++i) gradients[i] = or_zeros(body, gradients[i], wanted[i]);
    set_outputs(body, gradients);
    attributes.set(name, GraphPtr(forward));
  }
  Ids all = captured;
  all.insert(all.end(), seeds.begin(), seeds.end());
  const Ids found = emit(graph, "If", {graph.node(of.node).inputs[0]}, all, std::move(attributes),
                         static_cast<int>(count_of(of.wanted_captured)));
  return {Ids(of.wanted.size(), kNone), placed(found, 0, of.wanted_captured)};
}

// Loop and Scan ------------------------------------------------------------------------------------------------------------------

bool stackable(const Type& type) {
  if (!type.is_tensor() || !type.has_rank || type.dtype == DType::string) return false;
  return std::none_of(type.dims.begin(), type.dims.end(), [](const Dim& d) { return d.is_unknown(); });
}

/// The loop once more, with the number of its iterations and, where they can be stacked, the states before each.
struct Recorded {
  ValueId count = kNone;
  Ids stacks;  ///< empty: not stacked
};

Recorded record_loop(Graph& graph, NodeId id, const Graph& forward, size_t states, bool stack) {
  const Node n = graph.node(id);
  auto body = std::make_shared<Graph>(forward);
  const Ids inputs(body->inputs().begin(), body->inputs().end());
  const ValueId count = body->add_input("count", Type::tensor(DType::int64, Dims{}));
  // Formal inputs, the count, captured ones.
  Ids order(inputs.begin(), inputs.begin() + static_cast<std::ptrdiff_t>(2 + states));
  order.push_back(count);
  order.insert(order.end(), inputs.begin() + static_cast<std::ptrdiff_t>(2 + states), inputs.end());
  body->set_inputs(order);
  Ids outputs(body->outputs().begin(), body->outputs().begin() + static_cast<std::ptrdiff_t>(1 + states));
  outputs.push_back(emit_node(*body, "Add", {count, whole(*body, 1)}));
  for (size_t i = 0; stack && i < states; ++i) outputs.push_back(emit_node(*body, "Identity", {inputs[2 + i]}));
  set_outputs(*body, outputs);
  Ids operands = n.inputs;
  operands.resize(2 + states, kNone);
  operands.push_back(whole(graph, 0));
  const Ids made = emit(graph, "Loop", operands, n.captured, {{"body", GraphPtr(body)}},
                        static_cast<int>(1 + states + (stack ? states : 0)));
  return {made[states], stack ? Ids(made.begin() + static_cast<std::ptrdiff_t>(states + 1), made.end()) : Ids{}};
}

BodyGradients of_loop(Graph& graph, const BodyNode& of) {
  const Node n = graph.node(of.node);
  const size_t states = n.inputs.size() > 2 ? n.inputs.size() - 2 : 0;
  const auto forward = body_of(graph, of.node, "body");
  std::vector<char> moving(states);
  bool stack = true;
  for (size_t i = 0; i < states; ++i) {
    const Type& type = forward->value(forward->inputs()[2 + i]).type;
    moving[i] = is_differentiable(type) && is_differentiable(graph.value(n.inputs[2 + i]).type);
    stack = stack && stackable(type) && stackable(forward->value(forward->outputs()[1 + i]).type);
  }
  const Recorded recorded = record_loop(graph, of.node, *forward, states, stack);
  // The loop back: inputs are the iteration, its condition, gradients of states, sums for captured values.
  const auto body_ptr = new_body(*forward, "gradient");
  Graph& body = *body_ptr;
  const ValueId iteration = body.add_input("iteration", Type::tensor(DType::int64, Dims{})),
                go = body.add_input("go", Type::tensor(DType::boolean, Dims{}));
  Ids state_gradients, sums, starts;
  const auto carry = [&](Ids& list, const Type& type, ValueId start) {
    list.push_back(body.add_input("gradient", type.is_tensor() ? Type::tensor(type.dtype) : type));
    starts.push_back(start);
  };
  for (size_t i = 0; i < states; ++i) {
    if (moving[i] == 0) continue;
    const ValueId final = graph.make_output(of.node, static_cast<int>(i)),
                  g = of.out_gradients.size() > i ? of.out_gradients[i] : kNone;
    carry(state_gradients, graph.value(n.inputs[2 + i]).type, or_zeros(graph, g, final));
  }
  for (size_t i = 0; i < n.captured.size(); ++i) {
    if (of.wanted_captured[i] != 0) carry(sums, graph.value(n.captured[i]).type, zeros_like(graph, n.captured[i]));
  }
  // Captured: what the forward body captures, the count, the stacks or the initial operands, gradients of the stacked items.
  Ids outside = n.captured;
  const Ids captured = add_inputs_like(body, *forward, 2 + states, n.captured.size());
  const auto bring = [&](ValueId id) {
    if (id == kNone) return kNone;
    outside.push_back(id);
    return body.add_input(graph.value(id).name, graph.value(id).type);
  };
  const ValueId count = bring(recorded.count);
  const ValueId step = emit_node(body, "Sub", {emit_node(body, "Sub", {count, whole(body, 1)}), iteration});
  Ids before;
  if (stack) {
    for (const ValueId id : recorded.stacks)
      before.push_back(emit_node(body, "Gather", {bring(id), step}, {{"axis", 0}}));
  } else {
    Ids operands{step, bring(n.inputs.size() > 1 ? n.inputs[1] : kNone)};
    for (size_t i = 0; i < states; ++i) operands.push_back(bring(n.inputs[2 + i]));
    auto steps = std::make_shared<Graph>(*forward);
    steps->set_outputs(
        Ids(forward->outputs().begin(), forward->outputs().begin() + static_cast<std::ptrdiff_t>(1 + states)));
    before = emit(body, "Loop", operands, captured, {{"body", GraphPtr(steps)}}, static_cast<int>(states));
  }
  Ids inputs{step, body.add_constant("go", Value::scalar(true))};
  inputs.insert(inputs.end(), before.begin(), before.end());
  inputs.insert(inputs.end(), captured.begin(), captured.end());
  const NodeId first = body.node_capacity();
  const Ids outputs = splice(body, *forward, inputs);
  Ids seeds(outputs.size(), kNone), of_values;
  size_t next = 0;
  for (size_t i = 0; i < states; ++i) {
    if (moving[i] != 0) seeds[1 + i] = state_gradients[next++];
  }
  for (size_t i = states; i < of.out_gradients.size(); ++i) {
    if (of.out_gradients[i] != kNone)
      seeds[1 + i] = emit_node(body, "Gather", {bring(of.out_gradients[i]), step}, {{"axis", 0}});
  }
  for (size_t i = 0; i < states; ++i) {
    if (moving[i] != 0) of_values.push_back(before[i]);
  }
  const Ids wanted = chosen(captured, of.wanted_captured);
  of_values.insert(of_values.end(), wanted.begin(), wanted.end());
  const Ids gradients = back_through(body, outputs, seeds, of_values, first);
  Ids results{go};
  for (size_t i = 0; i < state_gradients.size(); ++i) results.push_back(or_zeros(body, gradients[i], of_values[i]));
  for (size_t i = 0; i < sums.size(); ++i)
    results.push_back(sum_of(body, sums[i], gradients[state_gradients.size() + i]));
  set_outputs(body, results);
  Ids operands{recorded.count, kNone};
  operands.insert(operands.end(), starts.begin(), starts.end());
  BodyGradients found{Ids(n.inputs.size(), kNone), Ids(n.captured.size(), kNone)};
  if (starts.empty()) return found;
  const Ids made =
      emit(graph, "Loop", operands, outside, {{"body", GraphPtr(body_ptr)}}, static_cast<int>(starts.size()));
  next = 0;
  for (size_t i = 0; i < states; ++i) {
    if (moving[i] != 0) found.inputs[2 + i] = made[next++];
  }
  found.captured = placed(made, next, of.wanted_captured);
  return found;
}

int64_t listed(const Node& n, std::string_view name, size_t i) {
  const auto v = n.attrs().integers(name);
  return i < v.size() ? v[i] : 0;
}

/// The states before every step, stacked along axis 0.
Ids record_scan(Graph& graph, const Node& n, const Graph& forward, size_t states) {
  auto body = std::make_shared<Graph>(forward);
  Ids outputs(body->outputs().begin(), body->outputs().begin() + static_cast<std::ptrdiff_t>(states));
  for (size_t i = 0; i < states; ++i) outputs.push_back(emit_node(*body, "Identity", {body->inputs()[i]}));
  set_outputs(*body, outputs);
  Attributes attributes = n.attributes;
  attributes.set("body", GraphPtr(body));
  attributes.erase("scan_output_axes");
  attributes.erase("scan_output_directions");
  const Ids made = emit(graph, "Scan", n.inputs, n.captured, std::move(attributes), static_cast<int>(2 * states));
  return Ids(made.begin() + static_cast<std::ptrdiff_t>(states), made.end());
}

BodyGradients of_scan(Graph& graph, const BodyNode& of) {
  const Node n = graph.node(of.node);
  const auto scanned = static_cast<size_t>(n.attrs().integer("num_scan_inputs"));
  const size_t states = n.inputs.size() - scanned;
  const auto forward = body_of(graph, of.node, "body");
  std::vector<char> moving(states), items(scanned);
  for (size_t i = 0; i < states; ++i) moving[i] = is_differentiable(graph.value(n.inputs[i]).type);
  for (size_t i = 0; i < scanned; ++i) items[i] = of.wanted[states + i];
  const Ids stacks = states == 0 ? Ids{} : record_scan(graph, n, *forward, states);
  const auto body_ptr = new_body(*forward, "gradient");
  Graph& body = *body_ptr;
  Ids starts, scans, state_gradients, sums;
  std::vector<int64_t> axes, directions;
  for (size_t i = 0; i < states; ++i) {
    if (moving[i] == 0) continue;
    const ValueId final = graph.make_output(of.node, static_cast<int>(i)),
                  g = of.out_gradients.size() > i ? of.out_gradients[i] : kNone;
    starts.push_back(or_zeros(graph, g, final));
    state_gradients.push_back(body.add_input("gradient", graph.value(starts.back()).type));
  }
  for (size_t i = 0; i < n.captured.size(); ++i) {
    if (of.wanted_captured[i] == 0) continue;
    starts.push_back(zeros_like(graph, n.captured[i]));
    sums.push_back(body.add_input("sum", graph.value(starts.back()).type));
  }
  const auto scan = [&](ValueId outside, int64_t axis, int64_t direction, const Type& type) {
    scans.push_back(outside);
    axes.push_back(axis);
    directions.push_back(direction);
    return body.add_input(graph.value(outside).name, type);
  };
  Ids inputs;
  for (size_t i = 0; i < states; ++i)
    inputs.push_back(scan(stacks[i], 0, 1, forward->value(forward->inputs()[i]).type));
  for (size_t i = 0; i < scanned; ++i) {
    inputs.push_back(scan(n.inputs[states + i], listed(n, "scan_input_axes", i),
                          1 - listed(n, "scan_input_directions", i),
                          forward->value(forward->inputs()[states + i]).type));
  }
  Ids seeds(forward->outputs().size(), kNone);
  for (size_t i = 0, next = 0; i < states; ++i) {
    if (moving[i] != 0) seeds[i] = state_gradients[next++];
  }
  for (size_t i = states; i < of.out_gradients.size(); ++i) {
    if (of.out_gradients[i] == kNone) continue;
    seeds[i] = scan(of.out_gradients[i], listed(n, "scan_output_axes", i - states),
                    1 - listed(n, "scan_output_directions", i - states), forward->value(forward->outputs()[i]).type);
  }
  const Ids captured = add_inputs_like(body, *forward, n.inputs.size(), n.captured.size());
  const Ids before(inputs.begin(), inputs.begin() + static_cast<std::ptrdiff_t>(states)),
      item_inputs(inputs.begin() + static_cast<std::ptrdiff_t>(states), inputs.end());
  inputs.insert(inputs.end(), captured.begin(), captured.end());
  const NodeId first = body.node_capacity();
  const Ids outputs = splice(body, *forward, inputs);
  Ids of_values = chosen(before, moving);
  for (const Ids& more : {chosen(captured, of.wanted_captured), chosen(item_inputs, items)})
    of_values.insert(of_values.end(), more.begin(), more.end());
  const Ids gradients = back_through(body, outputs, seeds, of_values, first);
  Ids results;
  const size_t first_sum = state_gradients.size(), first_item = first_sum + sums.size();
  for (size_t i = 0; i < of_values.size(); ++i) {
    results.push_back(i >= first_sum && i < first_item ? sum_of(body, sums[i - first_sum], gradients[i])
                                                       : or_zeros(body, gradients[i], of_values[i]));
  }
  set_outputs(body, results);
  Attributes attributes{{"body", GraphPtr(body_ptr)}, {"num_scan_inputs", static_cast<int64_t>(scans.size())}};
  attributes.set("scan_input_axes", axes);
  attributes.set("scan_input_directions", directions);
  std::vector<int64_t> out_axes, out_directions;
  for (size_t i = 0; i < scanned; ++i) {
    if (items[i] == 0) continue;
    out_axes.push_back(listed(n, "scan_input_axes", i));
    out_directions.push_back(1 - listed(n, "scan_input_directions", i));
  }
  if (!out_axes.empty()) {
    attributes.set("scan_output_axes", out_axes);
    attributes.set("scan_output_directions", out_directions);
  }
  Ids operands = starts;
  operands.insert(operands.end(), scans.begin(), scans.end());
  BodyGradients found{Ids(n.inputs.size(), kNone), Ids(n.captured.size(), kNone)};
  if (results.empty()) return found;
  const Ids made = emit(graph, "Scan", operands, n.captured, std::move(attributes), static_cast<int>(results.size()));
  for (size_t i = 0, next = 0; i < states; ++i) {
    if (moving[i] != 0) found.inputs[i] = made[next++];
  }
  found.captured = placed(made, first_sum, of.wanted_captured);
  for (size_t i = 0, next = first_item; i < scanned; ++i) {
    if (items[i] != 0) found.inputs[states + i] = made[next++];
  }
  return found;
}

// SequenceMap --------------------------------------------------------------------------------------------------------------------

/// The sum of a sequence of gradients of one tensor, which may be empty.
ValueId sum_of_items(Graph& graph, ValueId sequence, ValueId like) {
  const ValueId with_zeros = emit_node(graph, "SequenceInsert", {sequence, zeros_like(graph, like)});
  const ValueId stacked = emit_node(graph, "ConcatFromSequence", {with_zeros}, {{"axis", 0}, {"new_axis", 1}});
  return emit_node(graph, "ReduceSum", {stacked, graph.add_constant("axes", Value::of<int64_t>(Shape{1}, {0}))},
                   {{"keepdims", 0}});
}

BodyGradients of_sequence_map(Graph& graph, const BodyNode& of) {
  const Node n = graph.node(of.node);
  const auto forward = body_of(graph, of.node, "body");
  Graph& body = *forward;
  const Ids all(body.inputs().begin(), body.inputs().end()), outputs(body.outputs().begin(), body.outputs().end());
  const Ids formal(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n.inputs.size())),
      captured(all.begin() + static_cast<std::ptrdiff_t>(n.inputs.size()), all.end());
  Ids operands = n.inputs, with(outputs.size(), kNone), order = formal;
  for (size_t i = 0; i < outputs.size() && i < of.out_gradients.size(); ++i) {
    if (of.out_gradients[i] == kNone) continue;
    operands.push_back(of.out_gradients[i]);
    with[i] = body.add_input("seed", body.value(outputs[i]).type);
    order.push_back(with[i]);
  }
  order.insert(order.end(), captured.begin(), captured.end());
  body.set_inputs(order);
  Ids of_values = chosen(formal, of.wanted);
  const Ids wanted_captured = chosen(captured, of.wanted_captured);
  of_values.insert(of_values.end(), wanted_captured.begin(), wanted_captured.end());
  Ids gradients = back_through(body, outputs, with, of_values);
  for (size_t i = 0; i < of_values.size(); ++i) gradients[i] = or_zeros(body, gradients[i], of_values[i]);
  set_outputs(body, gradients);
  const Ids made = emit(graph, "SequenceMap", operands, n.captured, {{"body", GraphPtr(forward)}},
                        static_cast<int>(gradients.size()));
  BodyGradients found{placed(made, 0, of.wanted), placed(made, count_of(of.wanted), of.wanted_captured)};
  for (size_t i = 0; i < n.inputs.size(); ++i) {
    if (found.inputs[i] != kNone && graph.value(n.inputs[i]).type.is_tensor())
      found.inputs[i] = sum_of_items(graph, found.inputs[i], n.inputs[i]);
  }
  for (size_t i = 0; i < n.captured.size(); ++i) {
    if (found.captured[i] != kNone) found.captured[i] = sum_of_items(graph, found.captured[i], n.captured[i]);
  }
  return found;
}

}  // namespace

BodyGradients differentiate_bodies(Graph& graph, const BodyNode& of) {
  const std::string type = graph.node(of.node).type;
  if (type == "If") return of_if(graph, of);
  if (type == "Loop") return of_loop(graph, of);
  if (type == "Scan") return of_scan(graph, of);
  if (type == "SequenceMap") return of_sequence_map(graph, of);
  throw Error(Code::unsupported, fmt::format("{}: its bodies cannot be differentiated", type), graph.where(of.node));
}

}  // namespace chorus
