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
  constexpr std::string_view names[] = {"bias",       "scale",      "residual",     "relu",    "clip",
                                        "leaky_relu", "hard_swish", "hard_sigmoid", "sigmoid", "silu",
                                        "tanh",       "gelu",       "gelu_tanh"};
  return names[static_cast<size_t>(kind)];
}

bool is_tuned(const PlanStep& step) { return step.prepared != nullptr && !step.prepared->tuned.empty(); }

}  // namespace

std::string Plan::str() const {
  std::string text =
      fmt::format("plan: {} steps, {} tensors, {} symbols\n", steps.size(), tensors.size(), symbols.size());
  for (size_t s = 0; s < steps.size(); ++s) {
    const PlanStep& step = steps[s];
    const Node& n = graph->node(step.node);
    text += fmt::format("  {:4} {} [{}{}]", s, step.covers.empty() ? "Reorder" : n.type,
                        step.dynamic                ? "node by node"
                        : step.candidate != nullptr ? step.candidate->name
                                                    : "reference",
                        is_tuned(step) ? ", tuned: " + step.prepared->tuned : "");
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
    if (p.first_channel > 0) text += fmt::format(" from channel {}", p.first_channel);
    if (p.place == Place::arena && p.parent < 0) text += fmt::format(" alive {}..{}", p.first, p.last);
    text += "  # " + p.name + "\n";
  }
  return text;
}

}  // namespace chorus::native
