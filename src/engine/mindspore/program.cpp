#include "program.h"

#include <algorithm>

namespace chorus_mindspore {
namespace {

int static_type(const ch_graph& graph, int32_t value) {
  const ch_type* type = graph.values[value]->type;
  return type->kind == CH_TENSOR ? known_type(type->dtype) : static_cast<int>(kNoType);
}

Step make_step(const ch_graph& graph, uint32_t index, bool top) {
  const ch_node& node = *graph.nodes[index];
  Step step;
  step.node = &node;
  step.index = top ? static_cast<int32_t>(index) : -1;
  step.row = find_row(view(node.domain), view(node.op));
  if (step.row == nullptr) throw Failure(CH_INTERNAL, std::string(view(node.op)) + " was refused and is compiled");
  step.in.assign(node.inputs, node.inputs + node.n_inputs);
  step.out.assign(node.outputs, node.outputs + node.n_outputs);
  for (int32_t v : step.out) {
    step.out_types.push_back(v < 0 ? kNoType : static_type(graph, v));
    step.out_declared.push_back(v < 0 ? nullptr : graph.values[v]->type);
  }
  const bool constant = step.in.size() > 1 && step.in[1] >= 0 && graph.values[step.in[1]]->constant != CH_NO_INDEX;
  const bool fed =
      constant && std::find(graph.inputs, graph.inputs + graph.n_inputs, step.in[1]) != graph.inputs + graph.n_inputs;
  if (constant && !fed) step.constant = step.in[1];
  const size_t typed = step.row->typed;
  if (step.row->widen != Widen::none && step.row->widen != Widen::moves && typed < step.in.size() &&
      step.in[typed] >= 0) {
    const int type = static_type(graph, step.in[typed]);
    if (type != kNoType && (own_types(step.row->kernels, step.row->widen) & type_bit(type)) == 0) {
      step.narrow = type;
      step.wide = wider(type, kernel_types(step.row->kernels));
    }
  }
  for (uint32_t a = 0; a < node.n_attributes; ++a) {
    const ch_attribute& attribute = *node.attributes[a];
    if (attribute.kind != 5) continue;
    step.bodies.push_back(make_walk(*attribute.graphs[0], false));
    step.body_names.push_back(view(attribute.name));
  }
  if (!step.bodies.empty()) step.captured.assign(node.captured, node.captured + node.n_captured);
  return step;
}

// What a step reads: its operands and what its bodies capture.
template <class F>
void each_read(const Step& step, F&& f) {
  for (int32_t v : step.in) {
    if (v >= 0) f(v);
  }
  for (int32_t v : step.captured) {
    if (v >= 0) f(v);
  }
}

// Values that are neither constants nor outputs end where they are read last (or made, where nobody reads them).
void find_ends(const ch_graph& graph, Walk& walk) {
  std::vector<char> kept(graph.n_values, 0);
  for (uint32_t v = 0; v < graph.n_values; ++v) kept[v] = graph.values[v]->constant != CH_NO_INDEX ? 1 : 0;
  for (int32_t v : walk.outputs) kept[static_cast<size_t>(v)] = 1;
  for (size_t s = walk.steps.size(); s-- > 0;) {
    Step& step = walk.steps[s];
    auto end = [&](int32_t v) {
      char& seen = kept[static_cast<size_t>(v)];
      if (seen == 0) step.ends.push_back(v);
      seen = 1;
    };
    each_read(step, end);
    for (int32_t v : step.out) {
      if (v >= 0) end(v);
    }
  }
}

}  // namespace

std::shared_ptr<const Walk> make_walk(const ch_graph& graph, bool top) {
  auto walk = std::make_shared<Walk>();
  walk->inputs.assign(graph.inputs, graph.inputs + graph.n_inputs);
  walk->outputs.assign(graph.outputs, graph.outputs + graph.n_outputs);
  for (int32_t v : walk->outputs) walk->output_types.push_back(graph.values[v]->type);
  walk->start.resize(graph.n_values);
  for (uint32_t v = 0; v < graph.n_values; ++v) {
    const int32_t constant = graph.values[v]->constant;
    if (constant == CH_NO_INDEX) continue;
    const ch_value& value = *graph.constants[constant];
    if (value.kind == CH_TENSOR) walk->start[v].tensor = view_of(value);
  }
  for (uint32_t n = 0; n < graph.n_nodes; ++n) walk->steps.push_back(make_step(graph, n, top));
  find_ends(graph, *walk);
  return walk;
}

void Walk::run(Slot* slots, const Run& with) const {
  for (const Step& step : steps) {
    if (with.run != nullptr) {
      const ch_code stopped = with.host->stop(with.run->task);
      if (stopped != CH_OK) throw Failure(stopped, "the run was ended", {}, step.index);
    }
    Call call(step, slots, with);
    try {
      step.row->run(call);
    } catch (const Failure& failure) {
      if (failure.node >= 0 || step.index < 0) throw;
      throw Failure(failure.code, std::string(view(step.node->op)) + ": " + failure.what(), failure.fix, step.index);
    }
    for (int32_t v : step.ends) slots[v].clear();
  }
}

}  // namespace chorus_mindspore
