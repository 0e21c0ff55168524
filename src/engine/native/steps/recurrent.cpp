// RNN, GRU and LSTM with constant weights and their usual functions: one product of all steps with W, then the cells.
#include <engine/native/steps/support.h>
#include <ops/cell.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace chorus::native::steps {
namespace {

using fast::Cell;

constexpr int kW = 1, kR = 2, kBias = 3, kLengths = 4, kH = 5, kC = 6, kPeephole = 7;

struct PreparedCell final : Prepared {
  Cell cell = Cell::lstm;
  int64_t input = 0, hidden = 0, directions = 1;
  int64_t columns = 0;  // of the product with W, per direction
  bool batch_first = false, reverse = false;
  Buffer w, r;
  std::vector<float> bias, reset_bias;  // [directions · columns], [directions · padded units] or empty
  int64_t bytes() const noexcept override {
    return static_cast<int64_t>(w.bytes() + r.bytes() + (bias.size() + reset_bias.size()) * sizeof(float));
  }
};

/// The cell that an operator is, where the kernels have it.
std::optional<Cell> cell_of(const Node& node) {
  const AttrReader attrs = node.attrs();
  const bool lstm = node.type == "LSTM", gru = node.type == "GRU";
  const int each = lstm ? 3 : gru ? 2 : 1;
  const int64_t directions = attrs.string("direction", "forward") == "bidirectional" ? 2 : 1;
  const std::string_view defaults[3] = {lstm || gru ? "Sigmoid" : "Tanh", "Tanh", "Tanh"};
  Activation functions[6];
  if (read_activations(attrs, each, directions, {defaults, static_cast<size_t>(each)}, functions) != nullptr ||
      attrs.real("clip") > 0 || attrs.integer("input_forget") != 0)
    return std::nullopt;
  const auto all = [&](int which, Activation::Kind kind) {
    for (int64_t d = 0; d < directions; ++d) {
      if (functions[d * each + which].kind != kind) return false;
    }
    return true;
  };
  using enum Activation::Kind;
  if (lstm || gru) {
    if (!all(0, sigmoid) || !all(1, Activation::Kind::tanh) || (lstm && !all(2, Activation::Kind::tanh)))
      return std::nullopt;
    return lstm ? Cell::lstm : attrs.integer("linear_before_reset") != 0 ? Cell::gru_reset_after : Cell::gru;
  }
  if (all(0, Activation::Kind::tanh)) return Cell::rnn_tanh;
  if (all(0, relu)) return Cell::rnn_relu;
  return std::nullopt;
}

/// A constant of exactly these extents.
bool is_constant(const StepDescription& step, int operand, const Shape& shape) {
  const Value* v = step.constant(operand);
  return v != nullptr && v->dtype() == DType::float32 && v->shape() == shape;
}

bool accepts(const StepDescription& step) {
  if (step.n().inputs.size() < 3 || !is_float32(step.in(0), 3) || step.constant(kW) == nullptr ||
      step.constant(kR) == nullptr)
    return false;
  const auto cell = cell_of(step.n());
  const Shape &w = step.constant(kW)->shape(), &r = step.constant(kR)->shape();
  if (!cell || w.rank() != 3 || r.rank() != 3) return false;
  const int64_t gates = fast::cell_gates(*cell), hidden = r[2], input = w[2];
  const int64_t directions = step.n().attrs().string("direction", "forward") == "bidirectional" ? 2 : 1;
  if (hidden < 1 || input < 1 || !step.in(0).dims[2].is(input) ||
      !is_constant(step, kW, Shape{directions, gates * hidden, input}) ||
      !is_constant(step, kR, Shape{directions, gates * hidden, hidden}) ||
      (step.has(kBias) && !is_constant(step, kBias, Shape{directions, 2 * gates * hidden})))
    return false;
  for (const int state : {kH, kC}) {
    if (step.has(state) && !is_float32(step.in(state), 3)) return false;
  }
  if (step.has(kLengths) && step.in(kLengths).dtype != DType::int32) return false;
  for (size_t i = 0; i < step.n().outputs.size(); ++i) {
    if (step.n().outputs[i] != kNone && !is_float32(step.out(static_cast<int>(i)))) return false;
  }
  return !step.has(kPeephole);
}

/// Rows of W in the order of the kernel's columns, zeros between, packed as a transposed right matrix per all directions.
void pack_input(const PreparedCell& p, const float* from, float* packed) {
  const int64_t gates = fast::cell_gates(p.cell), group = table().recurrent_group;
  std::vector<float> rows(static_cast<size_t>(p.directions * p.columns * p.input));
  for (int64_t d = 0; d < p.directions; ++d) {
    for (int64_t gate = 0; gate < gates; ++gate) {
      for (int64_t unit = 0; unit < p.hidden; ++unit) {
        const int64_t column = d * p.columns + fast::recurrent_column(gates, gate, unit, group);
        std::memcpy(rows.data() + column * p.input, from + ((d * gates + gate) * p.hidden + unit) * p.input,
                    static_cast<size_t>(p.input) * sizeof(float));
      }
    }
  }
  table().gemm_pack_b(p.input, p.directions * p.columns, rows.data(), p.input, fast::Form::transposed, packed);
}

void read_bias(std::span<const float> b, PreparedCell& p) {
  const int64_t gates = fast::cell_gates(p.cell), group = table().recurrent_group, rows = gates * p.hidden;
  const bool apart = p.cell == Cell::gru_reset_after;
  p.bias.assign(static_cast<size_t>(p.directions * p.columns), 0.0F);
  if (apart) p.reset_bias.assign(static_cast<size_t>(p.directions * p.columns / gates), 0.0F);
  for (int64_t d = 0; d < p.directions; ++d) {
    for (int64_t gate = 0; gate < gates; ++gate) {
      for (int64_t unit = 0; unit < p.hidden; ++unit) {
        const auto at = static_cast<size_t>(d * 2 * rows + gate * p.hidden + unit);
        const float own = b[at], recurrent = b[at + static_cast<size_t>(rows)];
        const bool last = apart && gate == 2;
        p.bias[static_cast<size_t>(d * p.columns + fast::recurrent_column(gates, gate, unit, group))] =
            last ? own : own + recurrent;
        if (last) p.reset_bias[static_cast<size_t>(d * (p.columns / gates) + unit)] = recurrent;
      }
    }
  }
}

std::shared_ptr<const Prepared> prepare(const StepDescription& step) {
  auto p = std::make_shared<PreparedCell>();
  p->cell = *cell_of(step.n());
  const AttrReader attrs = step.n().attrs();
  const Value &w = *step.constant(kW), &r = *step.constant(kR);
  const int64_t gates = fast::cell_gates(p->cell), group = table().recurrent_group;
  p->directions = w.shape()[0];
  p->input = w.shape()[2];
  p->hidden = r.shape()[2];
  p->columns = fast::recurrent_groups(p->hidden, group) * group * gates;
  p->batch_first = attrs.integer("layout") != 0;
  p->reverse = attrs.string("direction", "forward") == "reverse";
  p->w = step.pack(
      kW, "cell", table().gemm_packed_b_bytes(p->input, p->directions * p->columns),
      [&](std::byte* bytes) { pack_input(*p, static_cast<const float*>(w.data()), reinterpret_cast<float*>(bytes)); });
  const auto one = static_cast<int64_t>(table().recurrent_packed_floats(p->cell, p->hidden));
  p->r = step.pack(kR, "cell", static_cast<size_t>(p->directions * one) * sizeof(float), [&](std::byte* bytes) {
    for (int64_t d = 0; d < p->directions; ++d) {
      table().recurrent_pack(p->cell, p->hidden,
                             static_cast<const float*>(r.data()) + d * gates * p->hidden * p->hidden,
                             reinterpret_cast<float*>(bytes) + d * one);
    }
  });
  p->constants_used = 1U << kW | 1U << kR;
  if (step.has(kBias)) {
    read_bias(step.constant(kBias)->as<float>(), *p);
    p->constants_used |= 1U << kBias;
  }
  return p;
}

struct Sizes {
  int64_t steps, batch, rows, columns;  // rows of the product with W
};
Sizes sizes_of(const KernelContext& ctx, const PreparedCell& p) noexcept {
  const TensorView& x = ctx.in[0];
  const int64_t steps = x.dims[p.batch_first ? 1 : 0], batch = x.dims[p.batch_first ? 0 : 1];
  return {steps, batch, steps * batch, p.directions * p.columns};
}

fast::GemmArgs product_of(const KernelContext& ctx, const PreparedCell& p, const Sizes& z) noexcept {
  fast::GemmArgs g;
  g.shape = {z.rows, z.columns, p.input, fast::Form::normal, fast::Form::normal, fast::Packed::b, 1};
  g.a = ctx.in[0].as<const float>();
  g.b = reinterpret_cast<const float*>(p.w.data());
  g.lda = p.input;
  g.ldc = z.columns;
  if (!p.bias.empty()) g.epilogue.bias = p.bias.data();
  g.epilogue.axis = fast::ChannelAxis::column;
  return g;
}

fast::RecurrentArgs cells_of(const PreparedCell& p, const Sizes& z) noexcept {
  fast::RecurrentArgs a;
  a.cell = p.cell;
  a.steps = z.steps, a.batch = z.batch, a.hidden = p.hidden, a.directions = p.directions;
  a.reverse_first = p.reverse;
  a.weights = reinterpret_cast<const float*>(p.r.data());
  if (!p.reset_bias.empty()) a.reset_bias = p.reset_bias.data();
  const int64_t n = p.hidden, line = p.directions * n;
  a.projected_direction = p.columns;
  a.projected_step = (p.batch_first ? 1 : z.batch) * z.columns;
  a.projected_sequence = (p.batch_first ? z.steps : 1) * z.columns;
  a.y_direction = p.batch_first ? n : z.batch * n;
  a.y_step = p.batch_first ? line : z.batch * line;
  a.y_sequence = p.batch_first ? z.steps * line : n;
  a.state_direction = p.batch_first ? n : z.batch * n;
  a.state_sequence = p.batch_first ? line : n;
  return a;
}

/// Memory for temporaries: the product's result, and what the product or the cells need.
struct Room {
  int64_t projected, rest;
};
Room room_of(const KernelContext& ctx, const PreparedCell& p) noexcept {
  const Sizes z = sizes_of(ctx, p);
  const int threads = ctx.services->pool().threads();
  const auto product = static_cast<int64_t>(table().gemm_scratch_bytes(product_of(ctx, p, z).shape, threads));
  const auto cells = static_cast<int64_t>(table().recurrent_scratch_bytes(cells_of(p, z), threads));
  return {(z.rows * z.columns * static_cast<int64_t>(sizeof(float)) + 63) / 64 * 64, std::max(product, cells)};
}
int64_t scratch(const KernelContext& ctx) {
  const Room room = room_of(ctx, *static_cast<const PreparedCell*>(ctx.prepared));
  return room.projected + room.rest;
}

Status check(const KernelContext& ctx, const PreparedCell& p, const Sizes& z) noexcept {
  if (ctx.in[0].dim(-1) != p.input)
    return Status::error(Code::shape, "X has %lld numbers per step, W takes %lld",
                         static_cast<long long>(ctx.in[0].dim(-1)), static_cast<long long>(p.input));
  for (const int state : {kH, kC}) {
    if (!ctx.has(state)) continue;
    const TensorView& t = ctx.in[state];
    if (t.dims[p.batch_first ? 0 : 1] != z.batch || t.dims[p.batch_first ? 1 : 0] != p.directions ||
        t.dims[2] != p.hidden)
      return Status::error(Code::shape, "%s has not the shape that the other operands ask for",
                           state == kH ? "initial_h" : "initial_c");
  }
  if (!ctx.has(kLengths)) return {};
  if (ctx.in[kLengths].count != z.batch)
    return Status::error(Code::shape, "%lld sequence lengths for %lld sequences",
                         static_cast<long long>(ctx.in[kLengths].count), static_cast<long long>(z.batch));
  for (int64_t i = 0; i < z.batch; ++i) {
    const int32_t length = ctx.in[kLengths].as<const int32_t>()[i];
    if (length < 0 || length > z.steps)
      return Status::error(Code::bad_input, "sequence length %d at position %lld is not in [0, %lld]", length,
                           static_cast<long long>(i), static_cast<long long>(z.steps));
  }
  return {};
}

Status run(KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedCell*>(ctx.prepared);
  const Sizes z = sizes_of(ctx, p);
  if (Status s = check(ctx, p, z); !s.ok()) return s;
  const Room room = room_of(ctx, p);
  auto* memory = static_cast<std::byte*>(ctx.services->scratch(room.projected + room.rest));
  if (memory == nullptr) return no_scratch();
  fast::GemmArgs product = product_of(ctx, p, z);
  product.c = reinterpret_cast<float*>(memory);
  product.scratch = memory + room.projected;
  table().gemm_run(product, ctx.services->pool());
  fast::RecurrentArgs a = cells_of(p, z);
  a.projected = product.c;
  a.scratch = memory + room.projected;
  if (ctx.has(kH)) a.h = ctx.in[kH].as<const float>();
  if (p.cell == Cell::lstm && ctx.has(kC)) a.c = ctx.in[kC].as<const float>();
  if (ctx.has(kLengths)) a.lengths = ctx.in[kLengths].as<const int32_t>();
  if (ctx.wants(0)) a.y = ctx.out[0].as<float>();
  if (ctx.wants(1)) a.last_h = ctx.out[1].as<float>();
  if (ctx.wants(2)) a.last_c = ctx.out[2].as<float>();
  table().recurrent_run(a, ctx.services->pool());
  return {};
}

}  // namespace

std::span<const Candidate> recurrent_steps() {
  static const Candidate list[] = {
      {"LSTM", at_level("lstm"), accepts, 0, prepare, scratch, run},
      {"GRU", at_level("gru"), accepts, 0, prepare, scratch, run},
      {"RNN", at_level("rnn"), accepts, 0, prepare, scratch, run},
  };
  return list;
}

}  // namespace chorus::native::steps
