// If, Loop and Scan with bodies that the test runs itself.
#include <engine/native/kernel.h>
#include <ops/table.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ops/op_case.h"

namespace chorus {
namespace {
using testing::make;
using Body = std::function<std::vector<Value>(std::string_view name, std::span<const Value> inputs)>;

/// An executor for one node whose bodies are C++ functions.
class Services final : public native::KernelServices {
 public:
  Services(Body body, size_t outputs) : made(outputs), body_(std::move(body)) {}
  ThreadPool& pool() noexcept override { return pool_; }
  void* scratch(int64_t) noexcept override { return nullptr; }
  Status allocate(int, DType, std::span<const int64_t>, native::TensorView*) noexcept override {
    return Status::error(Code::internal, "unused");
  }
  Status set_value(int output, Value value) noexcept override {
    made[static_cast<size_t>(output)] = std::move(value);
    return {};
  }
  Status run_body(std::string_view name, std::span<const Value> inputs, std::vector<Value>& outputs) noexcept override {
    ++runs;
    for (Value& v : body_(name, inputs)) outputs.push_back(std::move(v));
    return {};
  }
  bool stop() noexcept override { return runs >= stop_after; }
  std::vector<Value> made;
  int runs = 0, stop_after = 1 << 20;

 private:
  Body body_;
  ThreadPool pool_{ThreadPool::Options{.threads = 1, .affinity = {}, .spin_us = 0}};
};

struct Outcome {
  Status status;
  std::vector<Value> values;
  int runs;
};
Outcome run(std::string_view op, const std::vector<Value>& inputs, int outputs, const Attributes& attributes, Body body,
            int stop_after = 1 << 20, std::vector<Type> types = {}) {
  const OpDef* def = find_op("", op);
  Services services(std::move(body), static_cast<size_t>(outputs));
  services.stop_after = stop_after;
  const AttrReader reader(attributes, def->newest());
  std::vector<native::TensorView> in(inputs.size()), out(static_cast<size_t>(outputs));
  std::vector<const Value*> values;
  for (size_t i = 0; i < inputs.size(); ++i) {
    values.push_back(inputs[i] ? &inputs[i] : nullptr);
    if (!inputs[i].is_tensor() || inputs[i].dtype() == DType::string) continue;
    in[i] = {const_cast<void*>(inputs[i].data()), inputs[i].shape().data(), inputs[i].rank(), inputs[i].dtype(),
             inputs[i].numel()};
  }
  const auto wanted = std::make_unique<bool[]>(static_cast<size_t>(outputs));
  std::fill(wanted.get(), wanted.get() + outputs, true);
  native::KernelContext ctx;
  ctx.attrs = &reader;
  ctx.n_in = static_cast<int>(inputs.size());
  ctx.n_out = outputs;
  ctx.in = in.data();
  ctx.out = out.data();
  ctx.values = values.data();
  ctx.wanted = wanted.get();
  ctx.out_types = types.empty() ? nullptr : types.data();
  ctx.services = &services;
  const Status status = native::find_reference("", op)(ctx);
  return {status, services.made, services.runs};
}

double number(const Value& v) { return v.to_doubles().at(0); }

TEST(Control, RowsAreWhole) {
  for (const OpDef& def : families::control_ops()) {
    EXPECT_FALSE(parse_grid(def).empty()) << def.name;
    for (size_t i = 0; i < def.versions.size(); ++i) EXPECT_GT(def.schema(static_cast<int>(i)).attributes.size(), 0u);
  }
}

TEST(Control, IfRunsOneBranch) {
  const Body body = [](std::string_view name, std::span<const Value>) {
    return std::vector<Value>{Value::scalar<float>(name == "then_branch" ? 1 : 2)};
  };
  EXPECT_EQ(number(run("If", {Value::scalar<bool>(true)}, 1, {}, body).values[0]), 1);
  EXPECT_EQ(number(run("If", {Value::scalar<bool>(false)}, 1, {}, body).values[0]), 2);
  EXPECT_FALSE(run("If", {make(DType::boolean, {2}, {1, 1})}, 1, {}, body).status.ok());
}

/// Sums the iteration numbers; stops after the fourth; gives the sum as an item.
std::vector<Value> count_up(std::string_view, std::span<const Value> in) {
  const float sum = static_cast<float>(number(in[2]) + number(in[0]));
  return {Value::scalar<bool>(number(in[0]) < 3), Value::scalar<float>(sum), Value::scalar<float>(sum)};
}

TEST(Control, LoopEndsByCountAndByCondition) {
  const Value zero = Value::scalar<float>(0), yes = Value::scalar<bool>(true);
  auto r = run("Loop", {Value::scalar<int64_t>(3), yes, zero}, 2, {}, count_up);
  EXPECT_EQ(number(r.values[0]), 3);
  EXPECT_EQ(r.values[1].to_doubles(), (std::vector<double>{0, 1, 3}));
  r = run("Loop", {Value(), yes, zero}, 2, {}, count_up);
  EXPECT_EQ(r.values[1].to_doubles(), (std::vector<double>{0, 1, 3, 6}));
  r = run("Loop", {Value::scalar<int64_t>(6), Value(), zero}, 2, {}, count_up);  // the body's condition is ignored
  EXPECT_EQ(r.values[1].shape(), (Shape{6}));
  r = run("Loop", {Value::scalar<int64_t>(6), Value::scalar<bool>(false), zero}, 2, {}, count_up, 1 << 20,
          {Type::tensor(DType::float32, Dims{}), Type::tensor(DType::float32, {Dim::unknown()})});
  EXPECT_EQ(r.runs, 0);
  EXPECT_EQ(r.values[1].shape(), (Shape{0}));
  EXPECT_FALSE(run("Loop", {Value(), Value(), zero}, 2, {}, count_up).status.ok());
}

TEST(Control, EndlessLoopsCanBeStopped) {
  const Body endless = [](std::string_view, std::span<const Value> in) {
    return std::vector<Value>{Value::scalar<bool>(true), in[2]};
  };
  const auto r = run("Loop", {Value(), Value::scalar<bool>(true), Value::scalar<float>(0)}, 1, {}, endless, 50);
  EXPECT_EQ(r.status.code, Code::cancelled);
  EXPECT_EQ(r.runs, 50);
}

TEST(Control, ScanFollowsAxesAndDirections) {
  const Body sum = [](std::string_view, std::span<const Value> in) {
    const auto a = in[0].to_doubles(), b = in[1].to_doubles();
    const Value s = make(DType::float32, {2}, {a[0] + b[0], a[1] + b[1]});
    return std::vector<Value>{s, s};
  };
  const Value zero = make(DType::float32, {2}, {0, 0}), x = make(DType::float32, {3, 2}, {1, 2, 3, 4, 5, 6});
  auto r = run("Scan", {zero, x}, 2, {{"num_scan_inputs", 1}}, sum);
  EXPECT_EQ(r.values[0].to_doubles(), (std::vector<double>{9, 12}));
  EXPECT_EQ(r.values[1].to_doubles(), (std::vector<double>{1, 2, 4, 6, 9, 12}));
  const std::vector<int64_t> one{1};
  r = run("Scan", {zero, x}, 2,
          {{"num_scan_inputs", 1},
           {"scan_input_directions", one},
           {"scan_output_directions", one},
           {"scan_output_axes", std::vector<int64_t>{-1}}},
          sum);
  EXPECT_EQ(r.values[1].shape(), (Shape{2, 3}));
  EXPECT_EQ(r.values[1].to_doubles(), (std::vector<double>{9, 8, 5, 12, 10, 6}));
}

}  // namespace
}  // namespace chorus
