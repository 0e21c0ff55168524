// Fixture models in memory, and small helpers for the tests of the runtime.
#pragma once
#include "../../apps/fixtures.h"

#include <chorus/predictor.h>
#include <core/random.h>
#include <format/onnx/onnx.h>

#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace chorus::testing {

/// Kept for the program: the random weights of a larger one take seconds under sanitizers.
inline const std::string& fixture_bytes(std::string_view name, uint64_t seed = 7) {
  static std::map<std::pair<std::string, uint64_t>, std::string> made;
  std::string& bytes = made[{std::string(name), seed}];
  if (bytes.empty()) bytes = onnx::write_model(app::make_fixture(name, seed));
  return bytes;
}
inline std::string bytes_of(std::shared_ptr<const Graph> graph) {
  Model model;
  model.graph = std::move(graph);
  model.ir_version = 8;
  return onnx::write_model(model);
}

inline Config config_of_bytes(const std::string& bytes, int threads = 1) {
  Config config;
  config.SetModelBuffer(bytes.data(), bytes.size());
  config.SetThreads(threads);
  return config;
}
inline Config fixture_config(std::string_view name, int threads = 1) {
  return config_of_bytes(fixture_bytes(name), threads);
}

inline std::vector<float> noise(int64_t count, uint64_t stream = 1) {
  std::vector<float> data(static_cast<size_t>(count));
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(philox_normal(3, stream, i));
  return data;
}

/// max |a - b| ≤ 1e-4 · max(1, |b|), the ≈32 of the rows.
inline bool close32(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(std::fabs(a[i] - b[i]) <= 1e-4f * std::max(1.0f, std::fabs(b[i])))) return false;
  }
  return true;
}

/// Every input of a model with known extents gets noise; the outputs of a run.
inline std::vector<std::vector<float>> run_on_noise(Predictor& predictor) {
  uint64_t stream = 0;
  for (const std::string& name : predictor.GetInputNames()) {
    InputTensor* input = predictor.GetInputTensor(name);
    input->copy(noise(Shape(input->shape()).numel(), ++stream));
  }
  predictor.Run();
  std::vector<std::vector<float>> outputs;
  for (const std::string& name : predictor.GetOutputNames())
    outputs.push_back(predictor.GetOutputTensor(name)->to_vector<float>());
  return outputs;
}

/// What the steps of a profile do: `blocks` compute nodes of the file, `layout` only bring a tensor into another layout; `covered` are
/// the names of all nodes that the steps stand for.
struct StepKinds {
  size_t blocks = 0, layout = 0;
  std::multiset<std::string> covered;
};
inline StepKinds kinds_of(const api::Profile& profile) {
  StepKinds kinds;
  for (const api::StepProfile& step : profile.steps) {
    ++(step.nodes.empty() ? kinds.layout : kinds.blocks);
    kinds.covered.insert(step.nodes.begin(), step.nodes.end());
  }
  return kinds;
}

template <class Call>
Error error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return Error(Code::ok, "nothing was thrown");
}

}  // namespace chorus::testing
