// The native engine as a whole: what a bound run may not do, shapes that were never seen, and answers against the plain kernels.
#include "support/proves.h"
#include "support/sanitized.h"

#include <core/clock.h>
#include <engine/native/native_engine.h>
#include <engine/native/plan/plan.h>
#include <graph/infer.h>

#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <random>
#include <thread>

namespace {
std::atomic<int64_t> g_allocations{0};
}  // namespace

// Every C++ allocation of this program is counted; weak, as the thread sanitizer brings its own.
__attribute__((noinline, weak)) void* operator new(std::size_t size) {
  g_allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
__attribute__((noinline, weak)) void operator delete(void* p) noexcept { std::free(p); }
__attribute__((noinline, weak)) void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace chorus {
namespace {

Value random_tensor(const Shape& shape, uint32_t seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  Value v = Value::tensor(DType::float32, shape);
  for (float& x : v.as_mutable<float>()) x = normal(random);
  return v;
}

// x [batch, 3, height, width] → Conv, Relu, Conv + residual, shape arithmetic, Reshape, MatMul, Softmax.
Model small_network() {
  auto g = std::make_shared<Graph>();
  g->name = "small";
  g->opsets[""] = newest_opset("");
  const ValueId x = g->add_input(
      "x", Type::tensor(DType::float32, {Dim::symbol("batch"), 3, Dim::symbol("height"), Dim::symbol("width")}));
  auto op = [&](std::string_view name, std::vector<ValueId> in, Attributes attributes = {}) {
    return g->node(g->add_node(name, in, std::move(attributes))).outputs[0];
  };
  const ValueId w1 = g->add_constant("w1", random_tensor({16, 3, 3, 3}, 1, 0.2f)),
                b1 = g->add_constant("b1", random_tensor({16}, 2));
  const ValueId w2 = g->add_constant("w2", random_tensor({16, 16, 1, 1}, 3, 0.2f)),
                w3 = g->add_constant("w3", random_tensor({16, 10}, 4, 0.3f));
  const ValueId conv = op("Conv", {x, w1, b1}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  const ValueId relu = op("Relu", {conv});
  const ValueId again = op("Relu", {op("Add", {op("Conv", {relu, w2}), relu})});
  const ValueId rows = op("Transpose", {again}, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
  const ValueId shape = op("Shape", {x}), zero = g->add_constant("zero", Value::of<int64_t>(Shape{1}, {0}));
  const ValueId batch = op("Gather", {shape, zero}, {{"axis", 0}});
  const ValueId tail = g->add_constant("tail", Value::of<int64_t>(Shape{2}, {-1, 16}));
  const ValueId target = op("Concat", {batch, tail}, {{"axis", 0}});
  const ValueId y = op("Softmax", {op("MatMul", {op("Reshape", {rows, target}), w3})}, {{"axis", -1}});
  g->rename(y, "y");
  g->add_output(y);
  infer_types(*g);
  Model model;
  model.graph = g;
  return model;
}

std::vector<float> run(const Model& model, const Value& x, const CompileOptions& options) {
  const auto instance = native::make_native_engine()->compile(model, options)->instance();
  std::vector<Value> outputs(1);
  instance->run(std::vector<Value>{x}, outputs, {});
  const auto y = outputs[0].as<float>();
  return {y.begin(), y.end()};
}

int64_t resident_bytes() {
  long pages = 0, ignored = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%ld %ld", &ignored, &pages) != 2) pages = 0;
    std::fclose(file);
  }
  return pages * static_cast<int64_t>(sysconf(_SC_PAGESIZE));
}

TEST(NativeEngine, FusedPlanAnswersAsThePlainKernels) {
  const Model model = small_network();
  CompileOptions plain;
  plain.optimize = 0;
  plain.reference_kernels = true;
  for (const Shape& shape : {Shape{1, 3, 8, 9}, Shape{2, 3, 1, 1}, Shape{3, 3, 5, 33}}) {
    const Value x = random_tensor(shape, 7);
    const auto fast = run(model, x, {}), slow = run(model, x, plain);
    ASSERT_EQ(fast.size(), slow.size());
    for (size_t i = 0; i < fast.size(); ++i) EXPECT_NEAR(fast[i], slow[i], 2e-6) << shape.str() << " element " << i;
  }
}

TEST(NativeEngine, PlansAreVerifiedAndTheVerifierFindsDamage) {
  const auto graph = native::optimize(small_network(), {});
  native::PlanOptions options;
  options.cpu = &cpu();
  native::Plan plan = native::build_plan(graph, options);
  EXPECT_NO_THROW(native::verify_plan(plan));
  std::swap(plan.steps.front(), plan.steps.back());  // reads before writes
  EXPECT_THROW(native::verify_plan(plan), Error);
}

TEST(NativeEngine, ResultsAreBitEqualForAnyNumberOfThreads) {
  const Model model = small_network();
  const Value x = random_tensor({2, 3, 40, 41}, 11);
  CompileOptions options;
  const auto one = run(model, x, options);
  for (int threads : {2, 4}) {
    options.threads = threads;
    EXPECT_EQ(one, run(model, x, options)) << threads << " threads";
  }
  testing::part_of({"E-DEV-03"});
}

TEST(NativeEngine, ABoundRunAllocatesNothing) {
  const auto instance = native::make_native_engine()->compile(small_network(), {})->instance();
  const std::vector<Value> inputs{random_tensor({1, 3, 32, 48}, 5)};
  std::vector<Value> outputs(1);
  instance->run(inputs, outputs, {});
  std::vector<Value> into{Value::tensor(DType::float32, outputs[0].shape())};
  instance->run(inputs, into, {});
  const int64_t before = g_allocations.load();
  for (int i = 0; i < 20; ++i) instance->run(inputs, into, {});
  EXPECT_EQ(g_allocations.load() - before, 0);
  const auto a = into[0].as<float>(), b = outputs[0].as<float>();
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin()));
}

TEST(NativeEngine, TwoHundredRandomWidthsLeaveMemoryFlat) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer's own bookkeeping grows with every allocation";
  const auto instance = native::make_native_engine()->compile(small_network(), {})->instance();
  std::mt19937 random(3);
  std::uniform_int_distribution<int64_t> width(16, 320);
  auto once = [&](int64_t w) {
    std::vector<Value> outputs(1);
    instance->run(std::vector<Value>{random_tensor({1, 3, 32, w}, 1)}, outputs, {});
  };
  once(320);
  malloc_trim(0);
  const int64_t before = resident_bytes();
  for (int i = 0; i < 200; ++i) once(width(random));
  malloc_trim(0);
  EXPECT_LT(resident_bytes() - before, int64_t{4} << 20);
}

TEST(NativeEngine, LoadRunUnloadLeavesMemoryFlat) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer's own bookkeeping grows with every allocation";
  const Model model = small_network();
  const Value x = random_tensor({1, 3, 8, 8}, 1);
  for (int i = 0; i < 50; ++i) run(model, x, {});
  malloc_trim(0);
  const int64_t before = resident_bytes();
  for (int i = 0; i < 1000; ++i) run(model, x, {});
  malloc_trim(0);
  EXPECT_LT(resident_bytes() - before, int64_t{1} << 20);
  testing::part_of({"E-MOD-05"});
}

TEST(NativeEngine, WrongInputsAreNamed) {
  const auto instance = native::make_native_engine()->compile(small_network(), {})->instance();
  std::vector<Value> outputs(1);
  auto message = [&](std::vector<Value> inputs) -> std::string {
    try {
      instance->run(inputs, outputs, {});
    } catch (const Error& error) {
      return error.message();
    }
    return "no error";
  };
  EXPECT_EQ(message({}), "0 inputs given, the model takes 1");
  EXPECT_EQ(message({Value::tensor(DType::int32, {1, 3, 4, 4})}), "input \"x\" is int32 but the model takes float32");
  EXPECT_EQ(message({random_tensor({1, 4, 4, 4}, 1)}),
            "input \"x\" has shape [1, 4, 4, 4] but the model takes float32[batch, 3, height, width]");
  EXPECT_EQ(message({random_tensor({1, 3, 4}, 1)}),
            "input \"x\" has shape [1, 3, 4] but the model takes float32[batch, 3, height, width]");
  std::vector<Value> good{random_tensor({1, 3, 4, 4}, 1)};
  instance->run(good, outputs, {});  // still usable
  EXPECT_EQ(outputs[0].shape(), (Shape{1, 16, 10}));
}

TEST(NativeEngine, ARunThatIsStoppedLeavesTheInstanceUsable) {
  const auto instance = native::make_native_engine()->compile(small_network(), {})->instance();
  std::vector<Value> inputs{random_tensor({1, 3, 16, 16}, 1)}, outputs(1);
  StopToken stop;
  RunOptions options;
  options.stop = &stop;
  stop.request();
  try {
    instance->run(inputs, outputs, options);
    FAIL() << "a cancelled run returned";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::cancelled);
  }
  stop.reset();
  stop.set_deadline(now_ns() - 1);
  try {
    instance->run(inputs, outputs, options);
    FAIL() << "a run past its deadline returned";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::timeout);
  }
  stop.reset();
  instance->run(inputs, outputs, options);
  EXPECT_EQ(outputs[0].shape(), (Shape{1, 256, 10}));
}

TEST(NativeEngine, InstancesShareWeightsAndRunSideBySide) {
  const auto program = native::make_native_engine()->compile(small_network(), {});
  const Value x = random_tensor({1, 3, 24, 24}, 9);
  std::vector<std::vector<float>> answers(4);
  std::vector<std::thread> threads;
  for (auto& answer : answers) {
    threads.emplace_back([&program, &x, &answer] {
      const auto instance = program->instance();
      for (int i = 0; i < 10; ++i) {
        std::vector<Value> outputs(1);
        instance->run(std::vector<Value>{x}, outputs, {});
        const auto y = outputs[0].as<float>();
        answer.assign(y.begin(), y.end());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& answer : answers) EXPECT_EQ(answer, answers[0]);
  testing::part_of({"E-INF-01"});
}

}  // namespace
}  // namespace chorus
