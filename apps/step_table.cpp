#include "step_table.h"

#include <chorus/model.h>

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace chorus::app {
namespace {

using Json = nlohmann::ordered_json;

struct Row {
  const api::StepProfile* step;
  double ms, share, gflops, gbytes;
};

/// Times are the shortest ones: what the machine does besides only adds to a step.
std::vector<Row> rows_of(const api::Profile& profile) {
  double sum = 0;
  for (const api::StepProfile& s : profile.steps) sum += s.min_ms;
  std::vector<Row> rows;
  for (const api::StepProfile& s : profile.steps) {
    const double ns = std::max(s.min_ms * 1e6, 1.0);
    rows.push_back({&s, s.min_ms, sum > 0 ? s.min_ms / sum : 0, s.flops / ns, s.bytes / ns});
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.ms > b.ms; });
  return rows;
}

}  // namespace

std::map<std::string, std::string> operators_of(const std::string& model_file) {
  std::map<std::string, std::string> operators;
  const api::Model model = api::Model::Load(model_file);
  for (const api::NodeInfo& node : model.nodes()) operators[node.name] = node.op;
  return operators;
}

std::string fused_operators(const api::StepProfile& step, const std::map<std::string, std::string>& operators) {
  std::vector<std::pair<std::string, int>> parts;
  for (const std::string& node : step.nodes) {
    const auto known = operators.find(node);
    if (known == operators.end()) continue;  // made by a pass
    if (!parts.empty() && parts.back().first == known->second)
      ++parts.back().second;
    else
      parts.emplace_back(known->second, 1);
  }
  if (parts.empty()) return step.op;
  std::string text;
  for (const auto& [op, count] : parts) {
    if (!text.empty()) text += " + ";
    text += count == 1 ? op : fmt::format("{} × {}", op, count);
  }
  return text;
}

double roofline_share(const std::vector<api::StepProfile>& steps) {
  double least = 0, taken = 0;
  for (const api::StepProfile& s : steps) {
    least += s.roofline * s.min_ms;
    taken += s.min_ms;
  }
  return taken > 0 ? least / taken : 0;
}

std::string step_table(const api::Profile& profile, const std::map<std::string, std::string>& operators) {
  std::string text = fmt::format("{:>9} {:>6} {:>9} {:>8} {:>5} {:<26} operators; name; shapes\n", "ms", "%", "GFLOP/s",
                                 "GB/s", "roof", "kernel");
  double sum = 0;
  for (const Row& r : rows_of(profile)) {
    sum += r.ms;
    text += fmt::format("{:>9.4f} {:>6.2f} {:>9.2f} {:>8.2f} {:>4.0f}% {:<26} {}; {}; {}\n", r.ms, 100 * r.share,
                        r.gflops, r.gbytes, 100 * r.step->roofline, r.step->kernel, fused_operators(*r.step, operators),
                        r.step->name, r.step->shapes);
  }
  text += fmt::format(
      "{} steps, {:.4f} ms: {:.0f} % of the roofline of {:.1f} GFLOP/s (a matrix product of 512³) and {:.1f} GB/s "
      "(from memory; more from caches), measured here\n",
      profile.steps.size(), sum, 100 * roofline_share(profile.steps), profile.peak_gflops, profile.peak_gbytes);
  return text;
}

Json step_json(const api::Profile& profile, const std::map<std::string, std::string>& operators) {
  Json steps = Json::array();
  for (const Row& r : rows_of(profile)) {
    steps.push_back({{"name", r.step->name},
                     {"op", r.step->op},
                     {"fused", fused_operators(*r.step, operators)},
                     {"kernel", r.step->kernel},
                     {"shapes", r.step->shapes},
                     {"ms", r.ms},
                     {"share", r.share},
                     {"gflops", r.gflops},
                     {"gbytes", r.gbytes},
                     {"roofline", r.step->roofline}});
  }
  return {{"steps", std::move(steps)},
          {"roofline", roofline_share(profile.steps)},
          {"peak_gflops", profile.peak_gflops},
          {"peak_gbytes", profile.peak_gbytes}};
}

}  // namespace chorus::app
