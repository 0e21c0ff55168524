// If, Loop and Scan: their bodies are walks of their own, run here.
#include "program.h"

namespace chorus_paddle {
namespace {

const Walk& body(Call& c, std::string_view name) {
  for (size_t i = 0; i < c.step().bodies.size(); ++i) {
    if (c.step().body_names[i] == name) return *c.step().bodies[i];
  }
  c.fail(CH_INTERNAL, "there is no body \"" + std::string(name) + "\"");
}

// Results of a body for its own inputs, with what it takes from outside behind them.
std::vector<Slot> run_body(Call& c, const Walk& walk, std::vector<Slot> inputs) {
  for (int32_t v : c.step().captured) inputs.push_back(c.slots()[v]);
  c.require(inputs.size() == walk.inputs.size(), "the body takes another number of inputs");
  std::vector<Slot> slots = walk.start;
  for (size_t i = 0; i < inputs.size(); ++i) slots[static_cast<size_t>(walk.inputs[i])] = std::move(inputs[i]);
  RunContext inside = c.context();
  inside.timed = false;
  inside.show = nullptr;
  walk.run(slots.data(), inside);
  std::vector<Slot> results;
  for (int32_t v : walk.outputs) results.push_back(slots[static_cast<size_t>(v)]);
  return results;
}

void give(Call& c, size_t i, Slot value) {
  if (value.list) return c.out_list(i, *value.list);
  c.out(i, value.tensor);
}

void branch(Call& c) {
  const bool yes = c.number(0, 0) != 0;
  std::vector<Slot> results = run_body(c, body(c, yes ? "then_branch" : "else_branch"), {});
  for (size_t i = 0; i < c.outputs(); ++i) give(c, i, std::move(results.at(i)));
}

Tensor stacked(Call& c, const Tensors& parts, size_t output, int64_t axis) {
  if (!parts.empty()) return stack(parts, axis);
  const Type type = c.out_type(output);
  const ch_type& known = c.type_out(output);
  Ints shape;   // no iteration: what is known of the shape, with no element
  for (uint32_t d = 0; d < (known.has_rank != 0 ? known.rank : 1); ++d)
    shape.push_back(known.has_rank != 0 ? std::max<int64_t>(0, known.dims[d]) : 0);
  shape.at(static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(shape.size()) : axis)) = 0;
  return fresh(shape, type == kUndefined ? kFloat : type);
}

void loop(Call& c) {
  const Walk& walk = body(c, "body");
  const int64_t trips = c.has(0) ? c.ints(0).at(0) : INT64_MAX;
  bool go_on = !c.has(1) || c.number(1, 1) != 0;
  const size_t states = c.inputs() - 2, scans = walk.outputs.size() - 1 - states;
  std::vector<Slot> state;
  for (size_t i = 0; i < states; ++i) state.push_back(c.slot_in(i + 2));
  std::vector<Tensors> parts(scans);
  for (int64_t trip = 0; go_on && trip < trips; ++trip) {
    c.context().check_stop();   // a body may have no step that asks
    std::vector<Slot> inputs(2);
    inputs[0].tensor = scalar_long(trip);
    inputs[1].tensor = scalar(1, kBool);
    inputs.insert(inputs.end(), state.begin(), state.end());
    std::vector<Slot> results = run_body(c, walk, std::move(inputs));
    go_on = to_number(results[0].tensor) != 0;
    for (size_t i = 0; i < states; ++i) state[i] = results[i + 1];
    for (size_t i = 0; i < scans; ++i) parts[i].push_back(results[i + 1 + states].tensor);
  }
  for (size_t i = 0; i < states; ++i) give(c, i, std::move(state[i]));
  for (size_t i = 0; i < scans && states + i < c.outputs(); ++i) {
    if (c.wants(states + i)) c.out(states + i, stacked(c, parts[i], states + i, 0));
  }
}

int64_t entry(const Ints& list, size_t i, int64_t otherwise) { return i < list.size() ? list[i] : otherwise; }

void scan(Call& c) {
  const Walk& walk = body(c, "body");
  const auto scanned = static_cast<size_t>(c.i("num_scan_inputs", 1));
  c.require(scanned >= 1 && scanned <= c.inputs(), "num_scan_inputs is out of range");
  const size_t states = c.inputs() - scanned, made = walk.outputs.size() - states;
  const Ints in_axes = c.is("scan_input_axes"), out_axes = c.is("scan_output_axes"),
             in_turns = c.is("scan_input_directions"), out_turns = c.is("scan_output_directions");
  std::vector<Slot> state;
  for (size_t i = 0; i < states; ++i) state.push_back(c.slot_in(i));
  Ints axes;
  int64_t steps = -1;
  for (size_t i = 0; i < scanned; ++i) {
    const Tensor x = c.in(states + i);
    axes.push_back(c.axis(entry(in_axes, i, 0), x.dim()));
    c.require(steps < 0 || steps == x.size(axes.back()), "the scanned inputs differ in length");
    steps = x.size(axes.back());
  }
  std::vector<Tensors> parts(made);
  for (int64_t t = 0; t < steps; ++t) {
    std::vector<Slot> inputs = state;
    for (size_t i = 0; i < scanned; ++i)
      inputs.emplace_back().tensor = c.in(states + i).select(axes[i], entry(in_turns, i, 0) != 0 ? steps - 1 - t : t);
    std::vector<Slot> results = run_body(c, walk, std::move(inputs));
    for (size_t i = 0; i < states; ++i) state[i] = results[i];
    for (size_t i = 0; i < made; ++i) parts[i].push_back(results[states + i].tensor);
  }
  for (size_t i = 0; i < states; ++i) give(c, i, std::move(state[i]));
  for (size_t i = 0; i < made; ++i) {
    if (!c.wants(states + i)) continue;
    if (entry(out_turns, i, 0) != 0) std::reverse(parts[i].begin(), parts[i].end());
    c.out(states + i, stacked(c, parts[i], states + i, entry(out_axes, i, 0)));
  }
}

constexpr Row kRows[] = {
    {"If", branch, kAll, "(walk)"},
    {"Loop", loop, kAll, "(walk), stack"},
    {"Scan", scan, kAll, "(walk), select, stack"},
};

}  // namespace

std::span<const Row> control_rows() { return kRows; }

}  // namespace chorus_paddle
