// Types of results: one table for all engines (AMB-03 of the requirements), and the numbers with them.
#include <chorus/ops.h>
#include <chorus/tensor.h>
#include <engine/registry/registry.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "engine/engine_case.h"
#include "support/proves.h"

namespace chorus {
namespace {

struct Row {
  const char* what;
  std::function<Tensor()> compute;
  DType type;
  std::vector<double> values;
};

Tensor of(std::initializer_list<NestedList<Number>> v, DType type) { return initialize(NestedList<Number>(v), type); }

// Integers and truth values add up to int64; their means, roots, exponentials, quotients and sines are float32; mixed types meet by one
// rule; the greatest and the least of what holds a NaN is NaN.
std::vector<Row> table() {
  std::vector<Row> rows;
  for (const DType t : {DType::int8, DType::uint8, DType::int16, DType::uint16, DType::int32, DType::int64}) {
    rows.push_back({"sum", [t] { return sum(of({100, 27}, t)); }, DType::int64, {127}});
    rows.push_back({"mean", [t] { return mean(of({1, 2}, t)); }, DType::float32, {1.5}});
    rows.push_back({"sqrt", [t] { return sqrt(of({4, 9}, t)); }, DType::float32, {2, 3}});
    rows.push_back({"exp", [t] { return exp(of({0, 1}, t)); }, DType::float32, {1, std::exp(1.0)}});
    rows.push_back({"sin", [t] { return sin(of({0, 1}, t)); }, DType::float32, {0, std::sin(1.0)}});
    rows.push_back({"/", [t] { return of({1, 2}, t) / of({4, 4}, t); }, DType::float32, {0.25, 0.5}});
    rows.push_back({"*", [t] { return of({3, 2}, t) * of({4, 4}, t); }, t, {12, 8}});
    rows.push_back({"max", [t] { return max(of({3, 2}, t)); }, t, {3}});
    rows.push_back({"int + float32",
                    [t] {
                      return of({1, 2}, t) + of({0.5, 0.5}, DType::float32);
                    },
                    DType::float32,
                    {1.5, 2.5}});
  }
  rows.push_back({"sum of bool", [] { return sum(of({1, 1, 0}, DType::boolean)); }, DType::int64, {2}});
  rows.push_back(
      {"int8 + uint8", [] { return of({100}, DType::int8) + of({200}, DType::uint8); }, DType::int16, {300}});
  rows.push_back(
      {"float32 + float64", [] { return of({1}, DType::float32) + of({0.1}, DType::float64); }, DType::float64, {1.1}});
  rows.push_back({"matmul of int8",
                  [] {
                    return matmul(of({{1, 2}}, DType::int8), of({{3}, {4}}, DType::int8));
                  },
                  DType::int8,
                  {11}});
  rows.push_back({"compare",
                  [] {
                    return of({1, 3}, DType::int32) > of({2, 2}, DType::int32);
                  },
                  DType::boolean,
                  {0, 1}});
  rows.push_back({"max of NaN", [] { return max(of({1, NAN, 2}, DType::float32)); }, DType::float32, {NAN}});
  rows.push_back({"min of NaN", [] { return min(of({1, 2, NAN}, DType::float32)); }, DType::float32, {NAN}});
  return rows;
}

std::vector<std::string> engines_here() {
  std::vector<std::string> names;
  for (const EngineInfo& info : list_engines()) {
    const bool ours = info.name == "native" || info.name == "example";
    const bool theirs =
        info.name == "onnxruntime" || info.name == "openvino" || info.name == "tensorflow" || info.name == "torch";
    if (info.available && (ours || (theirs && !testing::kSanitized))) names.push_back(info.name);
  }
  return names;
}

// ReduceMax and ReduceMin of ONNX Runtime and OpenVINO pass over a NaN that is not the first element.
bool loses_nan(const std::string& engine) { return engine == "onnxruntime" || engine == "openvino"; }

TEST(ResultTypes, AreThoseOfTheTableOnEveryEngine) {
  for (const std::string& name : engines_here()) {
    Evaluator evaluator(open_complete_engine(name));
    const EvaluateOn scope(evaluator);
    for (const Row& row : table()) {
      SCOPED_TRACE(name + ": " + row.what);
      if (loses_nan(name) && std::string_view(row.what).ends_with("of NaN")) continue;
      const Tensor t = row.compute();
      EXPECT_EQ(t.dtype(), row.type);  // before it is computed
      EXPECT_EQ(t.value().dtype(), row.type);
      const std::vector<double> got = t.to_doubles();
      ASSERT_EQ(got.size(), row.values.size());
      for (size_t i = 0; i < got.size(); ++i) {
        if (std::isnan(row.values[i])) {
          EXPECT_TRUE(std::isnan(got[i])) << got[i];
        } else {
          EXPECT_NEAR(got[i], row.values[i], 1e-5);
        }
      }
    }
    const Tensor yes = ones({2}, DType::boolean), complex = initialize({std::complex<float>(1, 2)});
    EXPECT_THROW((void)(yes + yes), Error);
    EXPECT_THROW((void)(yes * yes), Error);
    EXPECT_THROW((void)(complex < complex), Error);
  }
}

TEST(ResultTypes, TheSameSeedGivesTheSameTensorsOnEveryEngine) {
  std::vector<double> wanted;
  for (const std::string& name : engines_here()) {  // the native one first
    SCOPED_TRACE(name);
    Evaluator evaluator(open_complete_engine(name));
    const EvaluateOn scope(evaluator);
    Generator generator(7);
    std::vector<double> got = rand({50}, generator).to_doubles();
    const std::vector<double> more = randn({50}, generator).to_doubles();
    got.insert(got.end(), more.begin(), more.end());
    if (wanted.empty()) wanted = got;
    EXPECT_EQ(got, wanted);
  }
}

}  // namespace
}  // namespace chorus
