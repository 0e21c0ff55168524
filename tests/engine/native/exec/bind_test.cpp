// A size that was never seen: what bind costs (processor time of this thread), and that memory stays as it is.
#include <engine/native/native_engine.h>
#include <format/onnx/onnx.h>
#include <graph/graph.h>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "support/sanitized.h"

namespace chorus::native {
namespace {

int64_t thread_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * int64_t{1'000'000'000} + t.tv_nsec;
}

long page_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

Value filled(const Shape& shape, float with) {
  Value v = Value::tensor(DType::float32, shape);
  std::fill_n(v.as_mutable<float>().data(), static_cast<size_t>(v.numel()), with);
  return v;
}

// As a recognition network: convolutions with residuals over [1, 3, 48, width], then blocks that take the width apart and together by
// Shape, Gather, Concat, Reshape, and multiply over it. 602 nodes.
Model recogniser() {
  auto g = std::make_shared<Graph>();
  g->name = "recogniser";
  g->opsets[""] = newest_opset("");
  const auto op = [&](std::string_view name, std::vector<ValueId> in, Attributes attributes = {}) {
    return g->node(g->add_node(name, in, std::move(attributes))).outputs[0];
  };
  const auto ints = [&](std::initializer_list<int64_t> v) {
    return g->add_constant("i", Value::of<int64_t>(Shape{static_cast<int64_t>(v.size())}, v));
  };
  const std::vector<int64_t> pads{1, 1, 1, 1}, halved{2, 2};
  ValueId x = g->add_input("x", Type::tensor(DType::float32, {1, 3, 48, Dim::symbol("width")}));
  const auto conv = [&](ValueId in, int64_t from, std::vector<int64_t> strides) {
    return op(
        "Relu",
        {op("Conv", {in, g->add_constant("w", filled({8, from, 3, 3}, 0.02f)), g->add_constant("b", filled({8}, 0.1f))},
            {{"pads", pads}, {"strides", std::move(strides)}})});
  };
  x = conv(conv(x, 3, halved), 8, halved);
  for (int i = 0; i < 100; ++i) x = op("Add", {conv(x, 8, {1, 1}), x});  // 300 nodes
  for (int i = 0; i < 37; ++i) {  // 8 nodes each
    const ValueId width = op("Gather", {op("Shape", {x}), ints({3})}, {{"axis", 0}});
    const ValueId rows = op("Reshape", {x, op("Concat", {ints({1, 8 * 12}), width}, {{"axis", 0}})});
    const ValueId mixed = op("Sigmoid", {op("MatMul", {g->add_constant("m", filled({8 * 12, 8 * 12}, 0.01f)), rows})});
    x = op("Reshape", {mixed, op("Concat", {ints({1, 8, 12}), width}, {{"axis", 0}})});
  }
  const ValueId y = op("Relu", {op("Sigmoid", {x})});
  g->rename(y, "y");
  g->add_output(y);
  Model model;
  model.graph = std::move(g);
  return model;
}

struct Costs {
  double median_us = 0, most_us = 0;
  int64_t arena = 0;
};

Costs bind_widths(Program& program, int64_t step) {
  const auto instance = program.instance();
  std::vector<int64_t> ns;
  for (int64_t i = 0; i < 200; ++i) {
    const std::vector<Type> types{Type::tensor(DType::float32, {1, 3, 48, 160 + step * i})};
    const int64_t begin = thread_ns();
    instance->bind(types);
    ns.push_back(thread_ns() - begin);
  }
  std::sort(ns.begin(), ns.end());
  Costs costs{static_cast<double>(ns[100]) * 1e-3, static_cast<double>(ns.back()) * 1e-3, instance->arena_bytes()};
  std::printf("bind of 200 widths: median %.1f us, most %.1f us, arena %.1f MiB\n", costs.median_us, costs.most_us,
              static_cast<double>(costs.arena) / (1 << 20));
  return costs;
}

TEST(Bind, AWidthNeverSeenTakesLessThanAMillisecond) {
  const Model model = recogniser();
  ASSERT_GE(model.graph->node_count(), 600);
  const auto program = make_native_engine()->compile(model, {});
  const Costs costs = bind_widths(*program, 8);
  if (!testing::kSanitized) {
    EXPECT_LT(costs.median_us, 1000);
  }
}

TEST(Bind, AWidthNeverSeenOfTheRecognitionModel) {
  const std::string path = ".cache/models/ocr/ch_PP-OCRv4_rec_infer.onnx";
  if (access(path.c_str(), R_OK) != 0) GTEST_SKIP() << "no recognition model: ./dev demo fetches it";
  const auto program = make_native_engine()->compile(onnx::read_model(path), {});
  const Costs costs = bind_widths(*program, 8);
  if (!testing::kSanitized) {
    EXPECT_LT(costs.median_us, 1000);
  }
}

TEST(Bind, GrowingSizesTouchOnlyWhatTheyAdd) {
  const auto program = make_native_engine()->compile(recogniser(), {});
  const auto instance = program->instance();
  const auto faults_of = [&](int64_t width) {
    const Value x = filled({1, 3, 48, width}, 0.5f);
    std::vector<Value> outputs(1);
    const long before = page_faults();
    instance->run(std::vector<Value>{x}, outputs, {});
    return page_faults() - before;
  };
  faults_of(160);
  faults_of(160);  // whatever only the very first run touches
  std::vector<long> faults;
  for (int64_t width = 168; width < 168 + 8 * 60; width += 8) faults.push_back(faults_of(width));
  std::sort(faults.begin(), faults.end());
  const long whole = static_cast<long>(instance->arena_bytes() / sysconf(_SC_PAGESIZE));
  EXPECT_GT(whole, 50);
  if (!testing::kSanitized) {
    EXPECT_LT(faults[faults.size() / 2], std::max(10L, whole / 4)) << "the arena is taken anew for every size";
  }
  const int64_t most = instance->arena_bytes();
  for (int64_t width = 168; width < 168 + 8 * 60; width += 40) faults_of(width);
  EXPECT_EQ(instance->arena_bytes(), most) << "sizes that were seen take more memory";
}

}  // namespace
}  // namespace chorus::native
