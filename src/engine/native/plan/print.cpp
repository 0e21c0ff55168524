#include <engine/native/plan/plan.h>

#include <fmt/format.h>

namespace chorus::native {
namespace {

std::string_view place_name(Place place) {
  switch (place) {
    case Place::input: return "input";
    case Place::output: return "output";
    case Place::constant: return "constant";
    case Place::arena: return "arena";
    case Place::host: return "host";
    case Place::dynamic: return "dynamic";
  }
  return "?";
}

std::string_view epilogue_name(EpilogueKind kind) {
  constexpr std::string_view names[] = {"bias", "scale", "residual", "relu", "clip", "leaky_relu", "hard_swish", "hard_sigmoid", "sigmoid", "silu", "tanh", "gelu", "gelu_tanh"};
  return names[static_cast<size_t>(kind)];
}

}  // namespace

std::string Plan::str() const {
  std::string text = fmt::format("plan: {} steps, {} tensors, {} symbols\n", steps.size(), tensors.size(), symbols.size());
  for (size_t s = 0; s < steps.size(); ++s) {
    const PlanStep& step = steps[s];
    const Node& n = graph->node(step.node);
    text += fmt::format("  {:4} {} [{}]", s, n.type, step.dynamic ? "node by node" : step.candidate != nullptr ? step.candidate->name : "reference");
    for (const EpilogueItem& item : step.epilogues) text += fmt::format(" +{}", epilogue_name(item.kind));
    text += " (";
    for (size_t i = 0; i < step.inputs.size(); ++i) text += fmt::format("{}{}", i ? ", " : "", step.inputs[i]);
    text += ") -> (";
    for (size_t i = 0; i < step.outputs.size(); ++i) text += fmt::format("{}{}", i ? ", " : "", step.outputs[i]);
    text += fmt::format(")  # {}\n", step.name);
  }
  for (size_t t = 0; t < tensors.size(); ++t) {
    const PlanTensor& p = tensors[t];
    text += fmt::format("  t{:<4} {:8} {}", t, place_name(p.place), graph->value(p.value).type.str());
    if (p.layout.channel_block > 1) text += fmt::format(" blocked by {}", p.layout.channel_block);
    if (p.parent >= 0) text += fmt::format(" in t{}", p.parent);
    if (p.place == Place::arena && p.parent < 0) text += fmt::format(" alive {}..{}", p.first, p.last);
    text += "  # " + p.name + "\n";
  }
  return text;
}

void verify_plan(const Plan& plan) {
  auto broken = [](const std::string& what) { throw Error(Code::internal, "broken plan: " + what); };
  std::vector<bool> written(plan.tensors.size(), false);
  for (size_t t = 0; t < plan.tensors.size(); ++t) {
    const PlanTensor& p = plan.tensors[t];
    if (p.place == Place::input || p.place == Place::constant || p.place == Place::host || p.port >= 0) written[t] = true;
    if (p.place == Place::output) written[t] = false;
    if (p.place != Place::dynamic && p.place != Place::constant && static_cast<int>(p.dim_slots.size()) != p.rank) broken("tensor " + p.name + " has no sizes");
    if (p.parent >= 0 && p.parent >= static_cast<int>(plan.tensors.size())) broken("tensor " + p.name + " has no parent");
  }
  for (int t : plan.inputs) written[static_cast<size_t>(t)] = true;
  auto is_written = [&](int t) {
    for (; t >= 0; t = plan.tensors[static_cast<size_t>(t)].parent) {
      if (written[static_cast<size_t>(t)]) return true;
    }
    return false;
  };
  for (const PlanStep& step : plan.steps) {
    for (int t : step.inputs) {
      if (t >= 0 && !is_written(t)) broken("step " + step.name + " reads " + plan.tensors[static_cast<size_t>(t)].name + " before it is written");
    }
    for (int t : step.outputs) {
      if (t < 0) continue;
      const Place place = plan.tensors[static_cast<size_t>(t)].place;
      if (place == Place::input || place == Place::constant || place == Place::host) broken("step " + step.name + " writes " + std::string(place_name(place)));
      if (step.dynamic != (place == Place::dynamic)) broken("step " + step.name + " and the place of its output disagree");
      written[static_cast<size_t>(t)] = true;
    }
  }
  for (int t : plan.outputs) {
    if (!is_written(t)) broken("output " + plan.tensors[static_cast<size_t>(t)].name + " is never written");
  }
}

}  // namespace chorus::native
