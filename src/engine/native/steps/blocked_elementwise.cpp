// Element-wise operators over channel blocks, with what follows them: one pass over memory.
#include <engine/native/steps/chain.h>

#include <algorithm>
#include <cmath>

namespace chorus::native::steps {
namespace {

using fast::Binary;
using fast::ChainStep;
using fast::Meets;
using fast::Unary;

constexpr int kLongest = 12;   // operations of a chain: the node's own and its epilogues

ChainStep function(Unary op, float alpha = 0, float beta = 0) {
  ChainStep s;
  s.unary = op;
  s.alpha = alpha;
  s.beta = beta;
  return s;
}

ChainStep operation(Binary op, Meets meets) {
  ChainStep s;
  s.kind = ChainStep::Kind::binary;
  s.binary = op;
  s.meets = meets;
  return s;
}

std::vector<float> padded(std::span<const float> v) {
  std::vector<float> out(v.begin(), v.end());
  out.resize(static_cast<size_t>(fast::channel_blocks(static_cast<int64_t>(v.size())) * fast::channel_block));
  return out;
}

/// How operand `i` meets a blocked result [N, C, …]; nullopt: not at all.
std::optional<Meets> meeting(const StepDescription& step, int i) {
  const Type &x = step.in(i), &y = step.out(0);
  if (!is_float32(x) || x.rank() > y.rank()) return std::nullopt;
  if (std::all_of(x.dims.begin(), x.dims.end(), [](const Dim& d) { return d.is(1); })) return Meets::number;
  if (same_dims(x, y)) {
    if (step.constant(i) != nullptr) return std::nullopt;   // it would be reordered in every run
    return Meets::element;
  }
  const int skip = y.rank() - x.rank();
  if (skip > 1 || (skip > 0 && step.constant(i) == nullptr)) return std::nullopt;
  for (int axis = skip; axis < y.rank(); ++axis) {
    const Dim& d = x.dims[static_cast<size_t>(axis - skip)];
    if (axis == 0 && !d.is(1) && Dim::equal(d, y.dims[0]) != Dim::Truth::yes) return std::nullopt;
    if (axis == 1 && (!d.is_number() || Dim::equal(d, y.dims[1]) != Dim::Truth::yes)) return std::nullopt;
    if (axis > 1 && !d.is(1)) return std::nullopt;
  }
  return Meets::channel;
}

bool is_picture(const Type& y) {
  return is_float32(y) && y.rank() >= 3 && y.rank() <= 5 && y.dims[1].is_number() && y.dims[1].number() > 0;
}

// Functions of one operand --------------------------------------------------------------------------------------------

bool accepts_unary(const StepDescription& step) {
  ChainStep s;
  return is_picture(step.out(0)) && is_float32(step.in(0)) && same_dims(step.in(0), step.out(0)) && unary_of(step, &s);
}

std::shared_ptr<const Prepared> prepare_unary(const StepDescription& step) {
  auto p = std::make_shared<PreparedChain>();
  PreparedChainStep own;
  unary_of(step, &own.step);
  p->steps.push_back(std::move(own));
  add_epilogues(step, p.get());
  return p;
}

// Two operands --------------------------------------------------------------------------------------------------------

struct Pair {
  int source = 0;
  Meets meets = Meets::number;
};

std::optional<Pair> read_pair(const StepDescription& step) {
  if (step.n().inputs.size() != 2 || !is_picture(step.out(0)) || !binary_of(step.n().type)) return std::nullopt;
  for (int source : {0, 1}) {
    if (meeting(step, source) != Meets::element) continue;
    const auto other = meeting(step, 1 - source);
    if (other) return Pair{source, *other};
  }
  return std::nullopt;
}

bool accepts_binary(const StepDescription& step) { return read_pair(step).has_value(); }

std::shared_ptr<const Prepared> prepare_binary(const StepDescription& step) {
  auto p = std::make_shared<PreparedChain>();
  const auto pair = read_pair(step);
  p->source = pair->source;
  PreparedChainStep own;
  own.step = operation(*binary_of(step.n().type), pair->meets);
  own.step.place = pair->source == 0 ? fast::Place::right : fast::Place::left;
  const int other = 1 - pair->source;
  const Value* constant = step.constant(other);
  if (constant != nullptr) {
    own.constant = padded(constant->as<float>());
    p->constants_used |= 1U << other;
  } else {
    own.input = other;
  }
  p->steps.push_back(std::move(own));
  add_epilogues(step, p.get());
  return p;
}

uint32_t residuals(const StepDescription& step) {
  uint32_t mask = 0;
  auto operand = static_cast<unsigned>(step.n().inputs.size());
  for (const EpilogueItem& item : step.epilogues) {
    if (item.operand != kNone) mask |= 1U << operand++;
  }
  return mask;
}

uint32_t blocked_unary(const StepDescription& step) { return 1U | residuals(step); }
uint32_t blocked_binary(const StepDescription& step) {
  const auto pair = read_pair(step);
  uint32_t mask = residuals(step);
  mask |= 1U << pair->source;
  if (pair->meets != Meets::number && step.constant(1 - pair->source) == nullptr) mask |= 1U << (1 - pair->source);
  return mask;
}

// BatchNormalization --------------------------------------------------------------------------------------------------

bool accepts_batch(const StepDescription& step) {
  if (!is_picture(step.out(0)) || !same_dims(step.in(0), step.out(0)) || step.n().attrs().integer("training_mode") != 0)
    return false;
  for (size_t i = 1; i < step.n().outputs.size(); ++i) {
    if (step.n().outputs[i] != kNone) return false;
  }
  for (int i = 1; i < 5; ++i) {
    const Value* v = step.constant(i);
    if (v == nullptr || v->dtype() != DType::float32 || v->numel() != step.out(0).dims[1].number()) return false;
  }
  return true;
}

std::shared_ptr<const Prepared> prepare_batch(const StepDescription& step) {
  auto p = std::make_shared<PreparedChain>();
  const double epsilon = step.n().attrs().real("epsilon", 1e-5F);
  const auto scale = step.constant(1)->as<float>(), bias = step.constant(2)->as<float>();
  const auto mean = step.constant(3)->as<float>(), variance = step.constant(4)->as<float>();
  std::vector<float> factors, shifts;
  for (size_t i = 0; i < scale.size(); ++i) {
    const double factor = scale[i] / std::sqrt(variance[i] + epsilon);
    factors.push_back(static_cast<float>(factor));
    shifts.push_back(static_cast<float>(bias[i] - mean[i] * factor));
  }
  p->steps.push_back({operation(Binary::mul, Meets::channel), -1, padded(factors)});
  p->steps.push_back({operation(Binary::add, Meets::channel), -1, padded(shifts)});
  add_epilogues(step, p.get());
  p->constants_used = 0x1E;
  return p;
}

}  // namespace

bool unary_of(const StepDescription& step, ChainStep* out) {
  static constexpr std::pair<std::string_view, Unary> names[] = {{"Exp", Unary::exp},
                                                                 {"Log", Unary::log},
                                                                 {"Tanh", Unary::tanh},
                                                                 {"Sigmoid", Unary::sigmoid},
                                                                 {"Erf", Unary::erf},
                                                                 {"Sqrt", Unary::sqrt},
                                                                 {"HardSwish", Unary::hard_swish},
                                                                 {"Reciprocal", Unary::reciprocal},
                                                                 {"Relu", Unary::relu},
                                                                 {"Sin", Unary::sin},
                                                                 {"Softplus", Unary::softplus},
                                                                 {"Cos", Unary::cos}};
  const std::string_view op = step.n().type;
  const AttrReader attrs = step.n().attrs();
  for (const auto& [name, unary] : names) {
    if (op == name) return *out = function(unary), true;
  }
  if (op == "Gelu") {
    *out = function(attrs.string("approximate", "none") == "tanh" ? Unary::gelu_tanh : Unary::gelu_erf);
  } else if (op == "LeakyRelu") {
    *out = function(Unary::leaky_relu, attrs.real("alpha", 0.01F));
  } else if (op == "HardSigmoid") {
    *out = function(Unary::hard_sigmoid, attrs.real("alpha", 0.2F), attrs.real("beta", 0.5F));
  } else if (op == "Clip") {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    float low = -infinity, high = infinity;
    if (step.has(1) && (!constant_float(step, 1, &low) || std::isnan(low))) return false;
    if (step.has(2) && (!constant_float(step, 2, &high) || std::isnan(high))) return false;
    *out = function(Unary::clip, low, high);
  } else {
    return false;
  }
  return true;
}

std::optional<Binary> binary_of(std::string_view op) noexcept {
  static constexpr std::pair<std::string_view, Binary> names[] = {
      {"Add", Binary::add}, {"Sub", Binary::sub}, {"Mul", Binary::mul}, {"Div", Binary::div},
      {"Max", Binary::max}, {"Min", Binary::min}, {"Pow", Binary::pow}, {"Sum", Binary::add}};
  for (const auto& [name, binary] : names) {
    if (op == name) return binary;
  }
  return std::nullopt;
}

uint32_t chain_epilogues() noexcept { return all_epilogues(); }

void add_epilogues(const StepDescription& step, PreparedChain* chain) {
  int operand = static_cast<int>(step.n().inputs.size());
  for (const EpilogueItem& item : step.epilogues) {
    PreparedChainStep next;
    const auto is = [&](Unary op) { next.step = function(op, item.alpha, item.beta); };
    switch (item.kind) {
      case EpilogueKind::bias_channel:
      case EpilogueKind::scale_channel:
        next.step = operation(item.kind == EpilogueKind::bias_channel ? Binary::add : Binary::mul, Meets::channel);
        next.constant = padded(item.constant.as<float>());
        break;
      case EpilogueKind::residual:
        next.step = operation(Binary::add, Meets::element);
        next.input = operand++;
        break;
      case EpilogueKind::relu: is(Unary::relu); break;
      case EpilogueKind::clip: is(Unary::clip); break;
      case EpilogueKind::leaky_relu: is(Unary::leaky_relu); break;
      case EpilogueKind::hard_swish: is(Unary::hard_swish); break;
      case EpilogueKind::hard_sigmoid: is(Unary::hard_sigmoid); break;
      case EpilogueKind::sigmoid: is(Unary::sigmoid); break;
      case EpilogueKind::silu: is(Unary::silu); break;
      case EpilogueKind::tanh: is(Unary::tanh); break;
      case EpilogueKind::gelu: is(Unary::gelu_erf); break;
      case EpilogueKind::gelu_tanh: is(Unary::gelu_tanh); break;
    }
    chain->steps.push_back(std::move(next));
  }
}

Status run_chain_blocked(KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedChain*>(ctx.prepared);
  const TensorView &x = ctx.in[p.source], &y = ctx.out[0];
  if (y.count == 0) return {};
  if (p.steps.size() > kLongest) return Status::error(Code::internal, "a chain of %zu operations", p.steps.size());
  ChainStep steps[kLongest];
  for (size_t i = 0; i < p.steps.size(); ++i) {
    steps[i] = p.steps[i].step;
    if (!p.steps[i].constant.empty()) {
      steps[i].operand = p.steps[i].constant.data();
    } else if (p.steps[i].input >= 0) {
      const TensorView& v = ctx.in[p.steps[i].input];
      steps[i].operand = v.as<const float>();
      steps[i].operand_image = steps[i].meets != Meets::number && v.dims[0] != 1 ? v.image_stride : 0;
    }
  }
  fast::ChainArgs args;
  args.x = x.as<const float>();
  args.y = y.as<float>();
  args.images = y.dims[0];
  args.lines = fast::channel_blocks(y.dims[1]);
  args.length = y.count / (y.dims[0] * y.dims[1]) * fast::channel_block;
  args.width = fast::channel_block;
  args.x_image = x.image_stride;
  args.y_image = y.image_stride;
  args.steps = steps;
  args.count = static_cast<int>(p.steps.size());
  table().chain_run(args, ctx.services->pool());
  return {};
}

std::span<const Candidate> blocked_elementwise_steps() {
  static const std::string_view name = at_level("chain.blocked");
  static const std::vector<Candidate> list = [] {
    std::vector<Candidate> all;
    const auto add = [&](std::string_view op, auto accepts, auto prepare, auto blocked) {
      Candidate c{op, name, accepts, chain_epilogues(), prepare, nullptr, run_chain_blocked};
      c.blocked_operands = blocked;
      all.push_back(c);
    };
    for (std::string_view op : {"Exp", "Log", "Tanh", "Sigmoid", "Erf", "Sqrt", "HardSwish", "Reciprocal", "Relu",
                                "Sin", "Softplus", "Cos", "Gelu", "LeakyRelu", "HardSigmoid", "Clip"}) {
      add(op, accepts_unary, prepare_unary, blocked_unary);
    }
    for (std::string_view op : {"Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Sum"}) {
      add(op, accepts_binary, prepare_binary, blocked_binary);
    }
    add("BatchNormalization", accepts_batch, prepare_batch, blocked_unary);
    return all;
  }();
  return list;
}

}  // namespace chorus::native::steps
