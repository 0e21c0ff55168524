// If, Loop, Scan: the bodies are walks of their own, in the same context.
#include <algorithm>
#include <array>
#include <limits>

#include "program.h"

namespace chorus_mindspore {
namespace {

const Walk& body(Call& c, std::string_view name) {
  const Step& step = c.step();
  for (size_t i = 0; i < step.bodies.size(); ++i) {
    if (step.body_names[i] == name) return *step.bodies[i];
  }
  c.fail(CH_BAD_INPUT, "it has no body \"" + std::string(name) + "\"");
}

// The body's results for its own inputs, what it captures behind them.
std::vector<Slot> run_body(Call& c, const Walk& walk, std::vector<Slot> given) {
  for (int32_t v : c.step().captured) given.push_back(c.slots()[v]);
  c.require(given.size() == walk.inputs.size(), "its body takes another number of inputs");
  std::vector<Slot> slots = walk.start;
  for (size_t i = 0; i < given.size(); ++i) slots[static_cast<size_t>(walk.inputs[i])] = std::move(given[i]);
  walk.run(slots.data(), c.run());
  std::vector<Slot> made;
  for (int32_t v : walk.outputs) made.push_back(slots[static_cast<size_t>(v)]);
  return made;
}

void branch(Call& c) {
  const bool taken = c.number(0, 0) != 0;
  std::vector<Slot> made = run_body(c, body(c, taken ? "then_branch" : "else_branch"), {});
  c.require(made.size() >= c.outputs(), "its body makes fewer results");
  for (size_t i = 0; i < c.outputs(); ++i) c.out_slot(i, std::move(made[i]));
}

// Pieces of the rounds, one after the other along a new axis.
Tensor stacked(Call& c, const Tensors& pieces, int64_t axis) { return c.stack(pieces, axis); }

// What no round made has the element type of the graph, and no rows.
Tensor no_rows(Call& c, size_t output) {
  const int type = c.out_type(output);
  if (type == kNoType) c.fail(CH_UNSUPPORTED, "no round was made, and the type of a result is not known");
  const ch_type* declared = c.step().out_declared[output];
  Ints shape = {0};
  for (uint32_t d = 1; d < declared->rank; ++d) shape.push_back(std::max<int64_t>(0, declared->dims[d]));
  return Tensor(type, shape);
}

void loop(Call& c) {
  const Walk& walk = body(c, "body");
  const size_t carried = c.inputs() > 2 ? c.inputs() - 2 : 0;
  const int64_t most = c.has(0) ? c.ints(0).at(0) : std::numeric_limits<int64_t>::max();
  bool on = !c.has(1) || c.number(1, 1) != 0;
  std::vector<Slot> state;
  for (size_t i = 0; i < carried; ++i) state.push_back(c.slot_in(i + 2));
  const size_t scans = walk.outputs.size() - std::min(walk.outputs.size(), carried + 1);
  std::vector<Tensors> rows(scans);
  uint64_t kept = 0;
  for (int64_t round = 0; on && round < most; ++round) {
    std::vector<Slot> given = {{copy_of(kInt64, {}, &round), nullptr}, {scalar_of(1, kBool), nullptr}};
    given.insert(given.end(), state.begin(), state.end());
    std::vector<Slot> made = run_body(c, walk, std::move(given));
    c.require(made.size() == carried + 1 + scans && made[0].tensor, "its body makes another number of results");
    on = to_number(made[0].tensor) != 0;
    for (size_t i = 0; i < carried; ++i) state[i] = made[i + 1];
    for (size_t k = 0; k < scans; ++k) {
      const Tensor& row = made[carried + 1 + k].tensor;
      kept += static_cast<uint64_t>(row.count()) * type_bytes(row.type()) + sizeof(Tensor);
      rows[k].push_back(row);
    }
    if (kept > c.run().budget) c.fail(CH_BUDGET, "the rows of its results need more memory than there is");
  }
  for (size_t i = 0; i < carried && i < c.outputs(); ++i) c.out_slot(i, state[i]);
  for (size_t k = 0; k < scans && carried + k < c.outputs(); ++k) {
    if (c.wants(carried + k)) c.out(carried + k, rows[k].empty() ? no_rows(c, carried + k) : stacked(c, rows[k], 0));
  }
}

Tensor row_of(Call& c, const Tensor& x, int64_t axis, int64_t at) {
  Ints begin(x.dims().size(), 0), size = x.dims();
  begin[static_cast<size_t>(axis)] = at;
  size[static_cast<size_t>(axis)] = 1;
  Ints shape = x.dims();
  shape.erase(shape.begin() + axis);
  return c.reshape(c.slice(x, begin, size), shape);
}

void scan(Call& c) {
  const Walk& walk = body(c, "body");
  const auto scanned = static_cast<size_t>(c.i("num_scan_inputs", 0));
  c.require(scanned >= 1 && scanned <= c.inputs(), "num_scan_inputs is out of range");
  const size_t carried = c.inputs() - scanned;
  c.require(walk.outputs.size() >= carried, "its body makes fewer results");
  const size_t scans = walk.outputs.size() - carried;
  const Ints in_axes = c.is("scan_input_axes"), out_axes = c.is("scan_output_axes");
  const Ints in_turns = c.is("scan_input_directions"), out_turns = c.is("scan_output_directions");
  auto at = [](const Ints& list, size_t k) { return k < list.size() ? list[k] : 0; };
  std::vector<Slot> state;
  for (size_t i = 0; i < carried; ++i) state.push_back(c.slot_in(i));
  int64_t rounds = -1;
  for (size_t k = 0; k < scanned; ++k) {
    const Tensor x = c.in(carried + k);
    const int64_t n = x.dim(c.axis(at(in_axes, k), x.rank()));
    c.require(rounds < 0 || rounds == n, "what it scans has different lengths");
    rounds = n;
  }
  std::vector<Tensors> rows(scans);
  for (int64_t round = 0; round < rounds; ++round) {
    std::vector<Slot> given = state;
    for (size_t k = 0; k < scanned; ++k) {
      const Tensor x = c.in(carried + k);
      given.push_back(
          {row_of(c, x, c.axis(at(in_axes, k), x.rank()), at(in_turns, k) != 0 ? rounds - 1 - round : round), nullptr});
    }
    std::vector<Slot> made = run_body(c, walk, std::move(given));
    for (size_t i = 0; i < carried; ++i) state[i] = made[i];
    for (size_t k = 0; k < scans; ++k) rows[k].push_back(made[carried + k].tensor);
  }
  for (size_t i = 0; i < carried && i < c.outputs(); ++i) c.out_slot(i, state[i]);
  for (size_t k = 0; k < scans && carried + k < c.outputs(); ++k) {
    if (!c.wants(carried + k)) continue;
    if (at(out_turns, k) != 0) std::reverse(rows[k].begin(), rows[k].end());
    if (rows[k].empty()) {
      c.out(carried + k, no_rows(c, carried + k));
    } else {
      c.out(carried + k, stacked(c, rows[k], c.axis(at(out_axes, k), rows[k][0].rank() + 1)));
    }
  }
}

constexpr std::array kRows = std::to_array<Row>({
    {"If", branch, ""},
    {"Loop", loop, ""},
    {"Scan", scan, ""},
});

}  // namespace

std::span<const Row> control_rows() { return kRows; }

}  // namespace chorus_mindspore
