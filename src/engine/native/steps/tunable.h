// Steps whose kernel has several forms: the cost model chooses, a tuning log that knows the step chooses better.
#pragma once
#include <engine/native/candidate.h>
#include <engine/native/jit/choice.h>

#include <optional>
#include <string>

namespace chorus::native::steps {

struct TunablePrepared : Prepared {
  jit::ConvProblem problem;
  jit::Level level = jit::Level::plain;
  std::string signature;  ///< what a tuning log knows the step by

  struct Sized {
    jit::ConvProblem problem;
    fast::ConvSizes sizes;
  };
  /// The problem at the sizes of a bound step; nothing when they do not fit it.
  virtual std::optional<Sized> sized(const KernelContext& context) const = 0;

  /// Method and tiling of `problem`, which is complete but for them. `typical`: sizes, 0 where they are not known.
  void choose(const StepDescription& step, const fast::ConvSizes& typical) {
    if (problem.element == jit::Element::f32) problem.method = jit::preferred_method(problem, typical, level);
    signature = jit::signature(problem, typical, level);
    const std::string_view text = step.tuning != nullptr ? step.tuning->choice(signature) : std::string_view();
    const auto choice = text.empty() ? std::nullopt : jit::parse_choice(text, problem, level);
    if (!choice) return;
    problem = jit::with_choice(problem, *choice);
    tuned = jit::str(*choice);
  }
};

}  // namespace chorus::native::steps
