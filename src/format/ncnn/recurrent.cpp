// LSTM, GRU and RNN over one sequence.
#include <format/ncnn/table.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace chorus::ncnn {
namespace {

struct Cell {
  int64_t steps, batch, input, hidden, directions;
};

// What all three have in common; `gates` of ONNX's weights.
Cell cell_of(Emitter& e, int64_t gates) {
  const Extents x = e.shape(0), w = e.shape(1);
  const AttrReader attrs = e.attrs();
  if (attrs.integer("layout", 0) != 0) refuse("layout 1");
  if (attrs.given("clip")) refuse("ncnn's cells do not clip");
  if (e.has(4)) {
    const Value* lengths = e.constant(4);
    if (lengths == nullptr) refuse("lengths of sequences");
    for (int64_t one : lengths->to_int64s()) {
      if (one != x[0]) refuse("lengths of sequences");
    }
  }
  for (const std::string& name : attrs.strings("activations")) {
    if (name != "Sigmoid" && name != "Tanh") refuse(fmt::format("ncnn's cells know no {}", name));
  }
  const auto names = attrs.strings("activations");
  for (size_t i = 0; i < names.size(); ++i) {
    const bool first = gates > 1 && i % (gates == 4 ? 3 : 2) == 0;
    if ((names[i] == "Sigmoid") != first) refuse("ncnn's cells have their own order of functions");
  }
  if (x[1] != 1) refuse("ncnn's cells take one sequence");
  return {x[0], x[1], x[2], w[1] / gates, w[0]};
}

int64_t direction_of(Emitter& e) {
  const std::string_view name = e.attrs().string("direction", "forward");
  return name == "bidirectional" ? 2 : name == "reverse" ? 1 : 0;
}

// Blocks of rows in another order: of each direction `order.size()` blocks of `size` numbers.
std::vector<float> ordered(std::span<const float> from, int64_t directions, int64_t size,
                           std::span<const int64_t> order) {
  std::vector<float> to(from.size());
  const auto blocks = static_cast<int64_t>(order.size());
  for (int64_t d = 0; d < directions; ++d) {
    for (int64_t i = 0; i < blocks; ++i) {
      const auto begin = from.begin() + (d * blocks + order[static_cast<size_t>(i)]) * size;
      std::copy(begin, begin + size, to.begin() + (d * blocks + i) * size);
    }
  }
  return to;
}

// ONNX's bias [directions, 2 × gates × hidden] or zeros.
std::vector<float> bias_of(Emitter& e, const Cell& c, int64_t gates) {
  if (e.has(3)) return e.floats(3, "the bias");
  return std::vector<float>(static_cast<size_t>(c.directions * 2 * gates * c.hidden), 0.0F);
}

struct Weights {
  std::vector<float> input, bias, hidden;
};

void run_cell(Emitter& e, std::string_view type, const Cell& c, const Weights& weights, bool has_cell) {
  Params p;
  p.integer(0, c.hidden).integer(1, static_cast<int64_t>(weights.input.size())).integer(2, direction_of(e));
  std::vector<Blob> inputs = {e.in(0, {c.steps, c.input})};
  const Extents state = {c.directions, c.hidden};
  const bool starts = e.has(5) || (has_cell && e.has(6));
  const bool ends = e.wanted(1) || (has_cell && e.wanted(2));
  const std::vector<float> zeros(static_cast<size_t>(c.directions * c.hidden), 0.0F);
  if (starts || ends) {
    inputs.push_back(e.has(5) ? e.in(5, state) : e.data(state, zeros));
    if (has_cell) inputs.push_back(e.has(6) ? e.in(6, state) : e.data(state, zeros));
  }
  std::vector<Extents> outputs = {{c.steps, c.directions * c.hidden}};
  if (ends) outputs.insert(outputs.end(), has_cell ? 2 : 1, state);
  const auto made = e.layers(type, p, inputs, outputs);
  e.weights(Tag::float32, weights.input);
  e.weights(Tag::float32, weights.bias);
  e.weights(Tag::float32, weights.hidden);
  if (e.wanted(0)) e.out(0, made[0]);
  for (size_t i = 1; i < made.size(); ++i) {
    if (e.wanted(i)) e.out(i, made[i]);
  }
}

}  // namespace

void write_lstm(Emitter& e) {
  const Cell c = cell_of(e, 4);
  if (e.has(7)) refuse("ncnn's LSTM has no peepholes");
  if (e.attrs().integer("input_forget", 0) != 0) refuse("ncnn's LSTM does not couple its gates");
  constexpr std::array<int64_t, 4> kOrder = {0, 2, 1, 3};  // ONNX: i o f c; ncnn: i f o g
  const std::vector<float> bias = bias_of(e, c, 4);
  Weights weights;
  weights.input = ordered(e.floats(1, "the weights"), c.directions, c.hidden * c.input, kOrder);
  weights.hidden = ordered(e.floats(2, "the weights"), c.directions, c.hidden * c.hidden, kOrder);
  for (int64_t d = 0; d < c.directions; ++d) {
    for (int64_t gate : kOrder) {
      for (int64_t i = 0; i < c.hidden; ++i) {
        const auto at = static_cast<size_t>((d * 8 + gate) * c.hidden + i);
        weights.bias.push_back(bias[at] + bias[at + static_cast<size_t>(4 * c.hidden)]);
      }
    }
  }
  run_cell(e, "LSTM", c, weights, true);
}

void write_gru(Emitter& e) {
  const Cell c = cell_of(e, 3);
  if (e.attrs().integer("linear_before_reset", 0) == 0) refuse("ncnn's GRU resets behind the product");
  constexpr std::array<int64_t, 3> kOrder = {1, 0, 2};  // ONNX: z r h; ncnn: r u n
  const std::vector<float> bias = bias_of(e, c, 3);
  Weights weights;
  weights.input = ordered(e.floats(1, "the weights"), c.directions, c.hidden * c.input, kOrder);
  weights.hidden = ordered(e.floats(2, "the weights"), c.directions, c.hidden * c.hidden, kOrder);
  for (int64_t d = 0; d < c.directions; ++d) {
    const auto of = [&](int64_t row, int64_t i) { return bias[static_cast<size_t>((d * 6 + row) * c.hidden + i)]; };
    for (int64_t gate : {int64_t{1}, int64_t{0}}) {
      for (int64_t i = 0; i < c.hidden; ++i) weights.bias.push_back(of(gate, i) + of(gate + 3, i));
    }
    for (int64_t row : {int64_t{2}, int64_t{5}}) {
      for (int64_t i = 0; i < c.hidden; ++i) weights.bias.push_back(of(row, i));
    }
  }
  run_cell(e, "GRU", c, weights, false);
}

void write_rnn(Emitter& e) {
  const Cell c = cell_of(e, 1);
  const std::vector<float> bias = bias_of(e, c, 1);
  Weights weights;
  weights.input = e.floats(1, "the weights");
  weights.hidden = e.floats(2, "the weights");
  for (int64_t d = 0; d < c.directions; ++d) {
    for (int64_t i = 0; i < c.hidden; ++i) {
      const auto at = static_cast<size_t>(d * 2 * c.hidden + i);
      weights.bias.push_back(bias[at] + bias[at + static_cast<size_t>(c.hidden)]);
    }
  }
  run_cell(e, "RNN", c, weights, false);
}

}  // namespace chorus::ncnn
