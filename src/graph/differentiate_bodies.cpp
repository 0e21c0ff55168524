// Gradients of If, Loop, Scan and SequenceMap: a node of the same kind whose bodies run the forward body once more for one step and go
// back through it. A loop keeps the states at the beginning of its steps stacked; where their shapes change from step to step it runs
// the first steps again instead.
#include <graph/infer.h>
#include <graph/passes/bodies.h>
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

/// A loop that goes back: states that carry a gradient, then sums for the captured values that are wanted.
struct Back {
  Graph& graph;
  const BodyNode& of;
  const Node n;
  const std::shared_ptr<Graph> forward, body;
  const size_t states, first;  ///< operand of the first state
  std::vector<char> moving;
  Ids starts, state_gradients, sums;

  Back(Graph& g, const BodyNode& one, size_t count, size_t first_operand)
      : graph(g), of(one), n(g.node(one.node)), forward(body_of(g, one.node, "body")),
        body(new_body(*forward, "gradient")), states(count), first(first_operand), moving(count) {
    for (size_t i = 0; i < states; ++i) {
      moving[i] = is_differentiable(state_type(i)) && is_differentiable(graph.value(n.inputs[first + i]).type);
    }
  }
  const Type& state_type(size_t i) const { return forward->value(forward->inputs()[first + i]).type; }
  const Type& output_type(size_t i) const { return forward->value(forward->outputs()[i]).type; }
  ValueId out_gradient(size_t i) const { return i < of.out_gradients.size() ? of.out_gradients[i] : kNone; }

  /// Inputs of the body for what is carried. exact: states keep their shapes.
  void carry(bool exact) {
    for (size_t i = 0; i < states; ++i) {
      if (moving[i] == 0) continue;
      const ValueId last = graph.make_output(of.node, static_cast<int>(i));
      infer_node(graph, of.node);
      starts.push_back(or_zeros(graph, out_gradient(i), last));
      const Type& type = state_type(i);
      state_gradients.push_back(
          body->add_input("gradient", exact || !type.is_tensor() ? type : Type::tensor(type.dtype)));
    }
    for (size_t i = 0; i < n.captured.size(); ++i) {
      if (of.wanted_captured[i] == 0) continue;
      starts.push_back(zeros_like(graph, n.captured[i]));
      sums.push_back(body->add_input("sum", graph.value(n.captured[i]).type));
    }
  }
  void seed_states(Ids& seeds, size_t first_output) const {
    for (size_t i = 0, next = 0; i < states; ++i) {
      if (moving[i] != 0) seeds[first_output + i] = state_gradients[next++];
    }
  }
  /// Gradients of the states before the step, the sums with theirs added, then what else was asked for.
  void add_results(Ids& results, const Ids& of_values, const Ids& gradients) {
    const size_t first_sum = state_gradients.size(), behind = first_sum + sums.size();
    for (size_t i = 0; i < of_values.size(); ++i) {
      results.push_back(i >= first_sum && i < behind ? sum_of(*body, sums[i - first_sum], gradients[i])
                                                     : or_zeros(*body, gradients[i], of_values[i]));
    }
  }
  BodyGradients found(const Ids& made) const {
    BodyGradients result{Ids(n.inputs.size(), kNone), Ids(n.captured.size(), kNone)};
    size_t next = 0;
    for (size_t i = 0; i < states; ++i) {
      if (moving[i] != 0) result.inputs[first + i] = made[next++];
    }
    result.captured = placed(made, next, of.wanted_captured);
    return result;
  }
};

/// The operands of the loop that goes back besides what it carries: values of the graph that its body reads.
struct Outside {
  const Graph& graph;
  Graph& body;
  Ids captured;
  ValueId bring(ValueId id) {
    if (id == kNone) return kNone;
    captured.push_back(id);
    return body.add_input(graph.value(id).name, graph.value(id).type);
  }
};

/// States before step `step`: from the stacks, or by running the first steps once more.
Ids states_before(const Back& back, const Recorded& recorded, ValueId step, const Ids& captured, Outside& outside) {
  Ids before;
  for (const ValueId id : recorded.stacks) {
    before.push_back(emit_node(*back.body, "Gather", {outside.bring(id), step}, {{"axis", 0}}));
  }
  if (before.size() == back.states) return before;
  Ids operands{step, outside.bring(back.n.inputs[1])};
  for (size_t i = 0; i < back.states; ++i) operands.push_back(outside.bring(back.n.inputs[2 + i]));
  auto steps = std::make_shared<Graph>(*back.forward);
  const auto outputs = back.forward->outputs();
  steps->set_outputs(Ids(outputs.begin(), outputs.begin() + static_cast<std::ptrdiff_t>(1 + back.states)));
  return emit(*back.body, "Loop", operands, captured, {{"body", GraphPtr(steps)}}, static_cast<int>(back.states));
}

BodyGradients of_loop(Graph& graph, const BodyNode& of) {
  const size_t operands_given = graph.node(of.node).inputs.size();
  Back back(graph, of, operands_given > 2 ? operands_given - 2 : 0, 2);
  Graph& body = *back.body;
  bool stack = true;
  for (size_t i = 0; i < back.states; ++i) {
    stack = stack && stackable(back.state_type(i)) && stackable(back.output_type(1 + i));
  }
  const Recorded recorded = record_loop(graph, of.node, *back.forward, back.states, stack);
  const ValueId iteration = body.add_input("iteration", Type::tensor(DType::int64, Dims{}));
  const ValueId go = body.add_input("go", Type::tensor(DType::boolean, Dims{}));
  back.carry(stack);
  const Ids captured = add_inputs_like(body, *back.forward, 2 + back.states, back.n.captured.size());
  Outside outside{graph, body, back.n.captured};
  const ValueId count = outside.bring(recorded.count);
  const ValueId step = emit_node(body, "Sub", {emit_node(body, "Sub", {count, whole(body, 1)}), iteration});
  const Ids before = states_before(back, recorded, step, captured, outside);
  Ids inputs{step, body.add_constant("go", Value::scalar(true))};
  inputs.insert(inputs.end(), before.begin(), before.end());
  inputs.insert(inputs.end(), captured.begin(), captured.end());
  const NodeId first = body.node_capacity();
  const Ids outputs = splice(body, *back.forward, inputs);
  Ids seeds(outputs.size(), kNone);
  back.seed_states(seeds, 1);
  for (size_t i = back.states; i < of.out_gradients.size(); ++i) {
    if (of.out_gradients[i] == kNone) continue;
    seeds[1 + i] = emit_node(body, "Gather", {outside.bring(of.out_gradients[i]), step}, {{"axis", 0}});
  }
  Ids of_values = chosen(before, back.moving);
  const Ids wanted = chosen(captured, of.wanted_captured);
  of_values.insert(of_values.end(), wanted.begin(), wanted.end());
  Ids results{go};
  back.add_results(results, of_values, back_through(body, outputs, seeds, of_values, first));
  set_outputs(body, results);
  if (back.starts.empty()) return {Ids(back.n.inputs.size(), kNone), Ids(back.n.captured.size(), kNone)};
  Ids operands{recorded.count, kNone};
  operands.insert(operands.end(), back.starts.begin(), back.starts.end());
  return back.found(emit(graph, "Loop", operands, outside.captured, {{"body", GraphPtr(back.body)}},
                         static_cast<int>(back.starts.size())));
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

/// Scan inputs of the scan that goes back.
struct Scans {
  const Graph& graph;
  Graph& body;
  Ids values;
  std::vector<int64_t> axes, directions;
  ValueId add(ValueId value, int64_t axis, int64_t direction, const Type& item) {
    values.push_back(value);
    axes.push_back(axis);
    directions.push_back(direction);
    return body.add_input(graph.value(value).name, item);
  }
};

/// The axes and directions of the stacked gradients of the scan inputs.
void set_item_axes(const Node& n, const std::vector<char>& items, Attributes& attributes) {
  std::vector<int64_t> axes, directions;
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i] == 0) continue;
    axes.push_back(listed(n, "scan_input_axes", i));
    directions.push_back(1 - listed(n, "scan_input_directions", i));
  }
  if (axes.empty()) return;
  attributes.set("scan_output_axes", axes);
  attributes.set("scan_output_directions", directions);
}

BodyGradients of_scan(Graph& graph, const BodyNode& of) {
  const auto scanned = static_cast<size_t>(graph.node(of.node).attrs().integer("num_scan_inputs"));
  Back back(graph, of, graph.node(of.node).inputs.size() - scanned, 0);
  const Node& n = back.n;
  Graph& body = *back.body;
  const size_t states = back.states;
  const std::vector<char> items(of.wanted.begin() + static_cast<std::ptrdiff_t>(states), of.wanted.end());
  const Ids stacks = states == 0 ? Ids{} : record_scan(graph, n, *back.forward, states);
  back.carry(true);
  Scans scans{graph, body, {}, {}, {}};
  Ids before, item_inputs;
  for (size_t i = 0; i < states; ++i) before.push_back(scans.add(stacks[i], 0, 1, back.state_type(i)));
  for (size_t i = 0; i < scanned; ++i) {
    item_inputs.push_back(scans.add(n.inputs[states + i], listed(n, "scan_input_axes", i),
                                    1 - listed(n, "scan_input_directions", i), back.state_type(states + i)));
  }
  Ids seeds(back.forward->outputs().size(), kNone);
  back.seed_states(seeds, 0);
  for (size_t i = states; i < of.out_gradients.size(); ++i) {
    if (of.out_gradients[i] == kNone) continue;
    seeds[i] = scans.add(of.out_gradients[i], listed(n, "scan_output_axes", i - states),
                         1 - listed(n, "scan_output_directions", i - states), back.output_type(i));
  }
  const Ids captured = add_inputs_like(body, *back.forward, n.inputs.size(), n.captured.size());
  Ids inputs = before;
  inputs.insert(inputs.end(), item_inputs.begin(), item_inputs.end());
  inputs.insert(inputs.end(), captured.begin(), captured.end());
  const NodeId first = body.node_capacity();
  const Ids outputs = splice(body, *back.forward, inputs);
  Ids of_values = chosen(before, back.moving), results;
  const size_t carried = back.starts.size();
  for (const Ids& more : {chosen(captured, of.wanted_captured), chosen(item_inputs, items)}) {
    of_values.insert(of_values.end(), more.begin(), more.end());
  }
  back.add_results(results, of_values, back_through(body, outputs, seeds, of_values, first));
  set_outputs(body, results);
  if (results.empty()) return {Ids(n.inputs.size(), kNone), Ids(n.captured.size(), kNone)};
  Attributes attributes{{"body", GraphPtr(back.body)}, {"num_scan_inputs", static_cast<int64_t>(scans.values.size())}};
  attributes.set("scan_input_axes", scans.axes);
  attributes.set("scan_input_directions", scans.directions);
  set_item_axes(n, items, attributes);
  Ids operands = back.starts;
  operands.insert(operands.end(), scans.values.begin(), scans.values.end());
  const Ids made = emit(graph, "Scan", operands, n.captured, std::move(attributes), static_cast<int>(results.size()));
  BodyGradients found = back.found(made);
  for (size_t i = 0, next = carried; i < scanned; ++i) {
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
  if (passes::effect_of(graph.node(of.node)) != Effect::pure) {
    throw Error(Code::unsupported,
                type + ": a body with random numbers or effects would have others when it is run again",
                graph.where(of.node), "draw the numbers before the loop");
  }
  if (type == "If") return of_if(graph, of);
  if (type == "Loop") return of_loop(graph, of);
  if (type == "Scan") return of_scan(graph, of);
  if (type == "SequenceMap") return of_sequence_map(graph, of);
  throw Error(Code::unsupported, fmt::format("{}: its bodies cannot be differentiated", type), graph.where(of.node));
}

}  // namespace chorus
