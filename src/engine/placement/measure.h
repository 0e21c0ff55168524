// Candidates of "auto" on the inputs of one run.
#pragma once
#include <engine/placement/auto.h>

#include <memory>
#include <span>
#include <vector>

namespace chorus::placement {

struct Measurement {
  Answer answer;
  std::shared_ptr<Program> program;   ///< of the chosen one
};

/// Tries the engines one by one, then the cut over segments that their times on these suggest. Throws the error of the first engine
/// when none can.
Measurement measure(const Model& model, const std::vector<std::string>& names, const AutoEngines& engines,
                    const CompileOptions& options, double bound, std::span<const Value> inputs, const RunOptions& run);

/// The program of an answer.
std::shared_ptr<Program> compile_candidate(const Model& model, const Candidate& candidate, const AutoEngines& engines,
                                           const CompileOptions& options);

}  // namespace chorus::placement
