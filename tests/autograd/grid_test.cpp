// The gradient of every differentiable row, on the cases of its grid, against central differences.
#include <chorus/error.h>
#include <core/convert.h>
#include <graph/differentiate.h>
#include <graph/infer.h>
#include <ops/gradients/rules.h>
#include <ops/grid.h>
#include <ops/op_def.h>
#include <ops/table.h>
#include <runtime/differences.h>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>

namespace chorus::testing {
namespace {

// float64 where the signature has it, else float32: for all operands of a letter alike.
DType wide_type(const Schema& schema, int operand, DType now) {
  const Param* p = schema.input(operand);
  if (p == nullptr || !is_float(now)) return now;
  const uint32_t allowed = schema.types[static_cast<size_t>(p->type_set)].tensor;
  return dtype_in(DType::float64, allowed) ? DType::float64 : dtype_in(DType::float32, allowed) ? DType::float32 : now;
}
Value in_type(const Value& v, DType type) {
  if (!v.is_tensor()) {
    std::vector<Value> items;
    for (const Value& item : v.items())
      items.push_back(in_type(item, is_float(item.dtype()) ? DType::float64 : item.dtype()));
    return v.kind() == ValueKind::sequence ? Value::sequence(items.empty() ? v.dtype() : items[0].dtype(), items) : v;
  }
  if (v.dtype() == type || !is_float(v.dtype())) return v;
  Value made = Value::tensor(type, v.shape());
  for (int64_t i = 0; i < v.numel(); ++i) set_f64(type, made.mutable_data(), i, get_f64(v.dtype(), v.data(), i));
  return made;
}

struct Case {
  Graph graph;
  std::vector<Value> inputs;
  std::vector<int> ignored;
};
// One node; operands that can carry a gradient are inputs, the others constants.
Case make_case(const OpDef& def, const GridCase& one, uint64_t seed) {
  Case c;
  c.graph.opsets[""] = newest_opset("");
  c.graph.opsets["chorus"] = newest_opset("chorus");
  c.graph.opsets[std::string(def.domain)] = newest_opset(def.domain);
  const Schema& schema = def.newest();
  Node n;
  n.op = &def;
  n.version = one.version;
  n.domain = std::string(def.domain);
  n.type = std::string(def.name);
  n.attributes = one.attributes;
  const std::vector<Value> values = make_inputs(one, seed);
  for (size_t i = 0; i < values.size(); ++i) {
    if (!values[i]) {
      n.inputs.push_back(kNone);
      continue;
    }
    const Value v = in_type(values[i], wide_type(schema, static_cast<int>(i), values[i].dtype()));
    const Param* p = schema.input(static_cast<int>(i));
    const bool fixed =
        !is_differentiable(Type::of(v)) || (p != nullptr && p->host_value && def.sizes == Sizes::by_shapes);
    if (fixed && v.is_tensor()) {
      n.inputs.push_back(c.graph.add_constant("c", v));
      continue;
    }
    n.inputs.push_back(c.graph.add_input("x", Type::of(v)));
    c.inputs.push_back(v);
  }
  if (c.inputs.empty()) return c;
  for (size_t i = 0, at = 0; i < values.size(); ++i) {
    if (n.inputs[i] == kNone || c.graph.value(n.inputs[i]).is_constant()) continue;
    // What ONNX marks as not differentiable may have a gradient or none.
    if (const Param* p = schema.input(static_cast<int>(i)); p != nullptr && !p->differentiable)
      c.ignored.push_back(static_cast<int>(at));
    ++at;
  }
  for (int i = 0; i < one.outputs; ++i) n.outputs.push_back(c.graph.add_value("y"));
  const NodeId id = c.graph.add_node(std::move(n));
  infer_node(c.graph, id);
  for (const ValueId out : c.graph.node(id).outputs) c.graph.add_output(out);
  return c;
}

// Results in a type of a byte or less are steps.
bool rounds_coarsely(const Graph& graph) {
  for (const ValueId id : graph.outputs()) {
    const Type& type = graph.value(id).type;
    if (type.is_tensor() && is_float(type.dtype) && dtype_bits(type.dtype) < 16) return true;
  }
  return false;
}

// Operators whose cases in the grid have no bodies: control_test.cpp makes some. Gradient has a test below.
const std::set<std::string_view> kBodies = {"If", "Loop", "Scan", "SequenceMap", "Gradient"};
// Operands whose gradient is defined nowhere: docs/gradients.md says why.
const std::map<std::string_view, std::set<int>> kWithout = {{"RoiAlign", {1}}, {"Resize", {1}}};
// Rows whose gradient goes through a row of the class gradient that refuses the next one: docs/gradients.md names them.
bool twice(const OpDef& def, const GridCase& one) {
  static const std::set<std::string_view> kOnce = {
      "GridSample", "GridSampleGrad", "DeformConv", "MaxRoiPool", "RNN", "GRU", "LSTM", "LinearAttention"};
  if (def.name == "RoiAlign" || def.name == "RoiAlignGrad") {
    const AttrValue* mode = one.attributes.find("mode");
    return mode == nullptr || std::get<std::string>(mode->data) != "max";
  }
  return kOnce.count(def.name) == 0;
}
// What flows to the grid has no second derivative.
bool refuses(const OpDef& def, const GridCase& one) { return def.name == "GridSampleGrad" && one.outputs == 2; }

uint64_t seed_of_run() {
  if (const char* given = std::getenv("CHORUS_TEST_SEED")) return std::strtoull(given, nullptr, 10);
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()) % 1000000;
}

TEST(GradientGrid, EveryRowAgainstDifferences) {
  const uint64_t seed = seed_of_run();
  std::printf("CHORUS_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  const char* only = std::getenv("CHORUS_TEST_OP");
  Differences all;
  int rows = 0;
  for (const OpDef* def : built_in_ops()) {
    if (def->domain == "my") continue;  // of custom_test.cpp
    if (!std::holds_alternative<Vjp>(def->gradient) || kBodies.count(def->name) != 0) continue;
    if (gradients::is_not_derived(*def)) continue;
    if (only != nullptr && def->name != only) continue;
    ++rows;
    Differences sum;
    // Results of ai.onnx.ml are float32 whatever the operands are: differences need steps that reach the next kink of most draws.
    uint64_t at = def->domain == "ai.onnx.ml" ? 7919 : seed;
    for (const GridCase& one : parse_grid(*def)) {
      ++at;
      if (one.version + 1 != static_cast<int>(def->versions.size())) continue;  // becomes a case of the newest version
      const std::string what = std::string(def->name) + " " + std::string(one.text);
      try {
        const Case c = make_case(*def, one, at);
        if (c.inputs.empty() || rounds_coarsely(c.graph) || refuses(*def, one)) continue;
        DifferenceOptions options;
        options.seed = at;
        options.ignored = c.ignored;
        if (const AttrValue* precision = one.attributes.find("softmax_precision")) {
          const auto type = static_cast<DType>(std::get<int64_t>(precision->data));
          if (type == DType::float16 || type == DType::bfloat16) continue;  // steps as coarse as the differences
          options.bits = 32;
        }
        options.order = twice(*def, one) ? 2 : 1;
        if (const auto without = kWithout.find(def->name); without != kWithout.end())
          options.ignored.insert(options.ignored.end(), without->second.begin(), without->second.end());
        sum += compare_with_differences(c.graph, c.inputs, options, what);
      } catch (const Error& error) {
        sum.failures.push_back(what + ": " + error.what());
      }
    }
    std::printf("%-26s %5lld derivatives, %4lld not smooth, %lld need known shapes\n", std::string(def->name).c_str(),
                static_cast<long long>(sum.checked), static_cast<long long>(sum.skipped),
                static_cast<long long>(sum.refused));
    EXPECT_GT(sum.checked, 0) << def->name << ": no derivative was compared";
    EXPECT_LE(sum.skipped, 2 * sum.checked + 4) << def->name << ": most points were skipped";
    for (const std::string& failure : sum.failures) ADD_FAILURE() << failure;
    all += sum;
  }
  std::printf("%d rows: %lld derivatives, %lld not smooth, %lld need known shapes\n", rows,
              static_cast<long long>(all.checked), static_cast<long long>(all.skipped),
              static_cast<long long>(all.refused));
  EXPECT_TRUE(only != nullptr || rows >= 140);
}

// A Gradient node that is still there is said, not taken for a constant.
TEST(GradientGrid, ANodeGradientIsExpandedFirst) {
  const OpDef* def = find_op("ai.onnx.preview.training", "Gradient");
  ASSERT_NE(def, nullptr);
  Case c = make_case(*def, parse_grid(*def).front(), 1);
  try {
    add_gradients(c.graph, c.graph.outputs(), {}, c.graph.inputs());
    FAIL() << "the node had a gradient";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
    EXPECT_NE(std::string(error.what()).find("expand_gradient"), std::string::npos) << error.what();
  }
}

// What is not derived is said by name, never taken for zero.
TEST(GradientGrid, UnknownDerivativesAreRefused) {
  std::set<std::string_view> names;
  for (const OpDef* def : built_in_ops()) {
    if (def->domain == "my") continue;  // of custom_test.cpp
    for (const GridCase& one : parse_grid(*def)) {
      if (!gradients::is_not_derived(*def) && !refuses(*def, one)) continue;
      const Case c = make_case(*def, one, 1);
      std::vector<ValueId> outputs;
      for (const ValueId id : c.graph.outputs()) {
        if (is_differentiable(c.graph.value(id).type)) outputs.push_back(id);
      }
      if (outputs.empty() || c.inputs.empty()) continue;
      names.insert(def->name);
      Graph graph(c.graph);
      try {
        add_gradients(graph, outputs, {}, graph.inputs());
        ADD_FAILURE() << def->name << " " << one.text << ": there was a gradient";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::unsupported) << error.what();
        EXPECT_NE(std::string(error.what()).find(def->name), std::string::npos) << error.what();
      }
    }
  }
  EXPECT_EQ(names, (std::set<std::string_view>{"SVMClassifier", "GridSampleGrad", "MaxRoiPoolGrad", "RNNGrad",
                                               "GRUGrad", "LSTMGrad", "LinearAttentionGrad"}));
}

// A row says that it has no gradient, or has one: nothing is left open.
TEST(GradientGrid, NoRowIsLeftOut) {
  for (const OpDef* def : built_in_ops()) {
    if (def->domain == "my") continue;  // of custom_test.cpp
    EXPECT_FALSE(std::holds_alternative<NotDerived>(def->gradient)) << def->name;
  }
}

}  // namespace
}  // namespace chorus::testing
