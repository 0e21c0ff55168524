// Where the time of a run goes: each step with the operators fused into it and its share of what this machine can do.
#pragma once
#include <chorus/predictor.h>
#include <nlohmann/json.hpp>

#include <map>
#include <string>

namespace chorus::app {

/// Operator of every named node of the model file.
std::map<std::string, std::string> operators_of(const std::string& model_file);

/// "Conv + Add + Relu": the operators of the file that a step computes, in their order, equal neighbours counted ("Transpose × 2"). The
/// step's own operator where it covers no node of the file.
std::string fused_operators(const api::StepProfile& step, const std::map<std::string, std::string>& operators);

/// Least time that the measured limits of this machine allow, over the time taken, of all steps together (0..1). 0: limits not measured.
double roofline_share(const std::vector<api::StepProfile>& steps);

/// Text: steps from the longest to the shortest, then the sum.
std::string step_table(const api::Profile& profile, const std::map<std::string, std::string>& operators);

/// "steps": [{name, op, fused, kernel, shapes, ms, share, gflops, gbytes, roofline}], "roofline", "peak_gflops", "peak_gbytes".
nlohmann::ordered_json step_json(const api::Profile& profile, const std::map<std::string, std::string>& operators);

}  // namespace chorus::app
