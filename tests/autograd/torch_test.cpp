// Gradients of one-node models against those of PyTorch: tools/truth/torch_gradients.py writes the cases, CHORUS_GRADIENT_CASES names
// their folder. `tools/truth/run.py gradients` does both.
#include <format/npz/npz.h>
#include <format/onnx/onnx.h>
#include <graph/differentiate.h>
#include <graph/infer.h>
#include <graph/pass.h>
#include <runtime/differences.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

namespace chorus::testing {
namespace {

using Arrays = std::map<std::string, Value>;

Arrays arrays_of(const std::filesystem::path& file) {
  Arrays arrays;
  for (auto& [name, value] : read_npz(file.string())) arrays.emplace(name, value);
  return arrays;
}

// The greatest relative deviation of any element.
double deviation(const Value& got, const Value& wanted) {
  if (!(got.shape() == wanted.shape())) return INFINITY;
  const std::vector<double> a = got.to_doubles(), b = wanted.to_doubles();
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i)
    most = std::max(most, std::isnan(a[i]) ? INFINITY : std::abs(a[i] - b[i]) / (1 + std::abs(b[i])));
  return most;
}

// Returns the number of gradients compared.
int compare(const std::filesystem::path& folder) {
  const Arrays arrays = arrays_of(folder / "values.npz");
  const Model model = onnx::read_model((folder / "model.onnx").string());
  Graph graph(*model.graph);
  PassContext context;
  run_passes(graph, default_passes(0), context);
  std::vector<ValueId> inputs(graph.inputs().begin(), graph.inputs().end()), outputs, seeds;
  std::vector<Value> values;
  for (const ValueId id : inputs) values.push_back(arrays.at("in_" + graph.value(id).name));
  for (const ValueId id : graph.outputs()) {
    outputs.push_back(id);
    seeds.push_back(graph.add_input("seed", graph.value(id).type));
    values.push_back(arrays.at("seed_" + graph.value(id).name));
  }
  const Gradients found = add_gradients(graph, outputs, seeds, inputs);
  std::vector<ValueId> results;
  for (const ValueId id : found.of) {
    if (id != kNone) results.push_back(id);
  }
  graph.set_outputs(results);
  const std::vector<Value> got = run_once(graph, values);
  size_t next = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string name = graph.value(inputs[i]).name;
    if (found.of[i] == kNone) {
      ADD_FAILURE() << folder.filename().string() << ": no gradient of " << name;
      continue;
    }
    // float64 on both sides; attributes such as epsilon are float32 numbers in the model.
    const double apart = deviation(got[next++], arrays.at("grad_" + name));
    EXPECT_LE(apart, 1e-6) << folder.filename().string() << ": the gradient of " << name;
  }
  return static_cast<int>(inputs.size());
}

TEST(GradientTorch, TheSameGradients) {
  const char* folder = std::getenv("CHORUS_GRADIENT_CASES");
  if (folder == nullptr)
    GTEST_SKIP() << "CHORUS_GRADIENT_CASES names no folder of cases: tools/truth/run.py gradients makes one";
  std::set<std::filesystem::path> cases;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) cases.insert(entry.path());
  int gradients = 0;
  for (const auto& one : cases) {
    try {
      gradients += compare(one);
    } catch (const Error& error) {
      ADD_FAILURE() << one.filename().string() << ": " << error.what();
    }
  }
  std::printf("%zu cases, %d gradients\n", cases.size(), gradients);
  EXPECT_GE(cases.size(), 50U);
}

}  // namespace
}  // namespace chorus::testing
