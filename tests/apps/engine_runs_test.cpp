// explain, compare and check: who runs what, and which node of which engine is wrong.
#include "command.h"
#include "support/proves.h"

#include "../../apps/difference.h"

#include <core/random.h>
#include <format/npz/npz.h>
#include <format/onnx/onnx.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <limits>

namespace chorus::testing {
namespace {

using Json = nlohmann::json;

const std::string kFaulty = "CHORUS_ENGINE_PATH='" CHORUS_FAULTY_ENGINES "'";

ValueId add(Graph& graph, const std::string& type, const std::string& name, std::vector<ValueId> inputs) {
  Node node;
  node.op = find_op("", type);
  node.version = node.op->version_index(17);
  node.type = type;
  node.name = name;
  node.inputs = std::move(inputs);
  node.outputs = {graph.add_value(name + "_out")};
  return graph.node(graph.add_node(std::move(node))).outputs[0];
}

/// out = relu(a + b) * c + a; the third node is the one that the faulty engine gets wrong.
std::string small_model() {
  auto graph = std::make_shared<Graph>();
  graph->opsets[""] = 17;
  const Type type = Type::tensor(DType::float32, {Dim(2), Dim(5)});
  const ValueId a = graph->add_input("a", type), b = graph->add_input("b", type), c = graph->add_input("c", type);
  const ValueId sum = add(*graph, "Add", "sum", {a, b}), positive = add(*graph, "Relu", "positive", {sum});
  const ValueId product = add(*graph, "Mul", "product", {positive, c}), last = add(*graph, "Add", "last", {product, a});
  graph->value(last).type = type;
  graph->add_output(last);
  Model model;
  model.graph = graph;
  model.ir_version = 8;
  const std::string path = (scratch() / "small.onnx").string();
  onnx::write_model_file(model, path);
  return path;
}

TEST(Difference, MeasuresWhatItSays) {
  const auto floats = [](std::initializer_list<float> v) {
    return Value::of<float>(Shape{static_cast<int64_t>(v.size())}, v);
  };
  app::Difference d = app::difference(floats({1, 100, -3}), floats({1, 101, -3}));
  EXPECT_DOUBLE_EQ(d.absolute, 1);
  EXPECT_DOUBLE_EQ(d.relative, 1.0 / 101);
  EXPECT_DOUBLE_EQ(d.units, 1 / std::ldexp(1.0, -17));   // floats between 64 and 128 are 2^-17 apart
  EXPECT_EQ(d.at, 1);
  EXPECT_TRUE(d.within(0.01));
  EXPECT_FALSE(d.within(0.009));
  const float next = std::nextafter(1.0f, 2.0f), nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  EXPECT_DOUBLE_EQ(app::difference(floats({next}), floats({1})).units, 1);
  EXPECT_TRUE(app::difference(floats({nan, inf}), floats({nan, inf})).within(0));
  EXPECT_FALSE(app::difference(floats({nan}), floats({1})).within(1e30));
  EXPECT_FALSE(app::difference(floats({inf}), floats({-inf})).within(1e30));
  EXPECT_FALSE(app::difference(floats({1, 2}), floats({1})).within(1e30));
  EXPECT_FALSE(app::difference(floats({1}), Value::of<int64_t>(Shape{1}, {1})).within(1e30));
}

TEST(Compare, AFaultyEngineIsCaughtAndTheNodeIsNamed) {
  const std::string model = small_model();
  const Done bad = chorus_command("compare " + model + " --engines native,example,faulty --tap all --json", kFaulty);
  EXPECT_EQ(bad.status, 1) << bad.err;
  const Json json = Json::parse(bad.out);
  EXPECT_EQ(json["engines"][0]["engine"], "example");
  EXPECT_EQ(json["engines"][0]["agrees"], true);
  EXPECT_EQ(json["engines"][1]["agrees"], false);
  EXPECT_EQ(json["engines"][1]["first"]["node"], "product");
  EXPECT_NEAR(json["engines"][1]["first"]["absolute"].get<double>(), 0.01, 1e-6);
  EXPECT_EQ(json["engines"][1]["values"].size(), 4u);
  const Done text = chorus_command("compare " + model + " --engines native,faulty", kFaulty);
  EXPECT_EQ(text.status, 1);
  EXPECT_NE(text.out.find("faulty differs first in \"last_out\""), std::string::npos) << text.out;   // outputs alone
  EXPECT_EQ(chorus_command("compare " + model + " --engines native,example --tap all").status, 0);
  EXPECT_EQ(chorus_command("compare " + model + " --engines native,faulty --tolerance 0.1", kFaulty).status, 0);
}

TEST(Check, TheFirstWrongNodeBecomesAModelOfItsOwn) {
  const std::string model = small_model();
  const Done bad = chorus_command("check " + model + " --engines native,faulty --write wrong.onnx --json", kFaulty);
  EXPECT_EQ(bad.status, 1) << bad.err;
  const Json json = Json::parse(bad.out);
  EXPECT_TRUE(json["engines"][0]["first"].is_null());
  EXPECT_EQ(json["engines"][1]["first"]["node"], "product");
  EXPECT_NEAR(json["engines"][1]["first"]["own"]["absolute"].get<double>(), 0.01, 1e-6);
  EXPECT_EQ(json["engines"][1]["nodes"].size(), 4u);   // an error for every node
  // The small model shows the same by itself.
  const Model alone = onnx::read_model((scratch() / "wrong.onnx").string());
  EXPECT_EQ(alone.graph->node_count(), 1);
  EXPECT_EQ(chorus_command("compare wrong.onnx --engines native,faulty --input wrong.npz", kFaulty).status, 1);
  EXPECT_EQ(chorus_command("compare wrong.onnx --engines native,example --input wrong.npz").status, 0);
  // And the engine without the fault is found sound.
  EXPECT_EQ(chorus_command("check " + model + " --engines native,example").status, 0);
}

TEST(Check, TheOracleIsInDouble) {
  // y = (x + 1e7) - 1e7: float32 loses x, float64 does not. No engine's fault, and that is said.
  auto graph = std::make_shared<Graph>();
  graph->opsets[""] = 17;
  const Type type = Type::tensor(DType::float32, {Dim(3)});
  const ValueId x = graph->add_input("x", type), big = graph->add_constant("big", Value::of<float>(Shape{}, {1e7f}));
  const ValueId y = add(*graph, "Sub", "minus", {add(*graph, "Add", "plus", {x, big}), big});
  graph->value(y).type = type;
  graph->add_output(y);
  Model model;
  model.graph = graph;
  model.ir_version = 8;
  onnx::write_model_file(model, (scratch() / "lost.onnx").string());
  write_npy((scratch() / "lost.npy").string(), Value::of<float>(Shape{3}, {0.25f, 0.3f, 0.125f}));
  const Done done = chorus_command("check lost.onnx --engines native --optimize 0 --input x=lost.npy --json");
  EXPECT_EQ(done.status, 1) << done.err;
  const Json first = Json::parse(done.out)["engines"][0]["first"];
  EXPECT_EQ(first["node"], "minus");
  EXPECT_GT(first["error"]["absolute"].get<double>(), 0.1);
  EXPECT_EQ(first["own"]["absolute"].get<double>(), 0);   // on its own operands it is right
}

Value fractions(const Shape& shape, int step) {
  Value v = Value::tensor(DType::float32, shape);
  for (int64_t i = 0; i < v.numel(); ++i)
    v.as_mutable<float>()[static_cast<size_t>(i)] = static_cast<float>(i * step % 97 + 1) / 97;
  return v;
}

Node node_of(const std::string& type, const std::string& name, std::vector<ValueId> inputs, Attributes attributes) {
  Node node;
  node.op = find_op("", type);
  node.version = node.op->version_index(17);
  node.type = type;
  node.name = name;
  node.inputs = std::move(inputs);
  node.attributes = std::move(attributes);
  return node;
}

/// Convolution, pooling, product, sum, softmax and a conversion to half, one after the other, and a maximum with a NaN beside them.
void write_doctors_model(const std::string& path) {
  auto graph = std::make_shared<Graph>();
  graph->opsets[""] = 17;
  const auto put = [&](const std::string& type, const std::string& name, std::vector<ValueId> inputs,
                       Attributes attributes = {}) {
    Node node = node_of(type, name, std::move(inputs), std::move(attributes));
    node.outputs = {graph->add_value(name + "_out")};
    return graph->node(graph->add_node(std::move(node))).outputs[0];
  };
  const auto constant = [&](const std::string& name, const Value& v) { return graph->add_constant(name, v); };
  using Ints = std::vector<int64_t>;
  const ValueId x = graph->add_input("x", Type::tensor(DType::float32, {Dim(1), Dim(2), Dim(9), Dim(9)}));
  const ValueId conv =
      put("Conv", "conv", {x, constant("weights", fractions({4, 2, 3, 3}, 31))}, {{"pads", Ints{1, 1, 1, 1}}});
  const ValueId pool = put("AveragePool", "pool", {conv},
                           {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}});
  const ValueId product = put("MatMul", "product", {pool, constant("matrix", fractions({5, 5}, 13))});
  const ValueId sum = put("Add", "sum", {product, constant("column", fractions({5, 1}, 29))});
  const ValueId soft = put("Softmax", "soft", {sum}, {{"axis", int64_t{1}}});
  const ValueId half = put("Cast", "half", {soft}, {{"to", int64_t{10}}});
  Value limit = fractions({5}, 7);
  limit.as_mutable<float>()[3] = std::nanf("");
  const ValueId most = put("Max", "most", {sum, constant("limit", limit)});
  graph->value(half).type = Type::tensor(DType::float16, {Dim(1), Dim(4), Dim(5), Dim(5)});
  graph->value(most).type = Type::tensor(DType::float32, {Dim(1), Dim(4), Dim(5), Dim(5)});
  graph->add_output(half);
  graph->add_output(most);
  Model model;
  model.graph = graph;
  model.ir_version = 8;
  onnx::write_model_file(model, path);
}

TEST(Check, SeededFaultsAreFoundAndNamed) {
  write_doctors_model((scratch() / "doctor.onnx").string());
  const Done sound = chorus_command("check doctor.onnx --engines native,seeded", kFaulty);
  EXPECT_EQ(sound.status, 0) << sound.out << sound.err;
  const std::vector<std::array<std::string, 3>> faults = {{"winograd", "conv", "Conv"},
                                                          {"count_include_pad", "pool", "AveragePool"},
                                                          {"last_tile", "product", "MatMul"},
                                                          {"broadcast", "sum", "Add"},
                                                          {"axis", "soft", "Softmax"},
                                                          {"half", "half", "Cast"},
                                                          {"nan", "most", "Max"}};
  for (const auto& [fault, node, op] : faults) {
    const Done bad = chorus_command("check doctor.onnx --engines native,seeded --write found.onnx --json",
                                    kFaulty + " CHORUS_SEEDED_FAULT=" + fault);
    EXPECT_EQ(bad.status, 1) << fault << bad.err;
    const Json json = Json::parse(bad.out);
    EXPECT_TRUE(json["engines"][0]["first"].is_null()) << fault << ": native";
    EXPECT_EQ(json["engines"][1]["first"]["node"], node) << fault;
    EXPECT_EQ(json["engines"][1]["first"]["op"], op) << fault;
    // The small model is that node alone, and shows the fault by itself; without the fault it is right.
    const Model alone = onnx::read_model((scratch() / "found.onnx").string());
    ASSERT_EQ(alone.graph->node_count(), 1) << fault;
    EXPECT_EQ(alone.graph->node(alone.graph->order()[0]).type, op);
    const std::string again = "check found.onnx --engines seeded --input found.npz";
    EXPECT_EQ(chorus_command(again, kFaulty + " CHORUS_SEEDED_FAULT=" + fault).status, 1) << fault;
    EXPECT_EQ(chorus_command(again, kFaulty).status, 0) << fault;
    // The same through a worker.
    EXPECT_EQ(chorus_command(again + " --worker", kFaulty + " CHORUS_SEEDED_FAULT=" + fault).status, 1) << fault;
    const std::string report = text_of(scratch() / "found.md");
    for (const std::string& wanted : {"# seeded 1.2.3: " + op + " gives a wrong result", std::string("found.onnx"),
                                      std::string("found.npz"), "`" + node + "_out`"})
      EXPECT_NE(report.find(wanted), std::string::npos) << fault << ": " << wanted << " is not in\n" << report;
  }
}

TEST(Explain, EveryNodeHasAnEngineOrAReason) {
  const std::string model = small_model();
  ASSERT_EQ(chorus_command("gen lenet").status, 0);
  ASSERT_EQ(chorus_command("gen customop").status, 0);
  const Json native = Json::parse(chorus_command("explain lenet.onnx --json").out);
  EXPECT_EQ(native["taken"], 13);
  for (const Json& n : native["nodes"]) {
    EXPECT_EQ(n["engine"], "native");
    EXPECT_FALSE(n["kernel"].get<std::string>().empty()) << n;
    EXPECT_NE(n["type"].get<std::string>().find("float32["), std::string::npos);
  }
  EXPECT_EQ(native["nodes"][1]["kernel"], native["nodes"][0]["kernel"]);  // relu1 in the step of conv1
  EXPECT_NE(native["nodes"][1]["reason"].get<std::string>().find("conv1"), std::string::npos);
  const Done example = chorus_command("explain lenet.onnx --engine example --json");
  EXPECT_EQ(example.status, 0);
  const Json cut = Json::parse(example.out);
  EXPECT_EQ(cut["refused"], 0);
  EXPECT_EQ(cut["elsewhere"], 9);
  for (const Json& n : cut["nodes"]) {
    EXPECT_NE(n["engine"] == "native", n["reason"].get<std::string>().empty()) << n;
  }
  EXPECT_EQ(chorus_command("explain lenet.onnx --engine example --strict").status, 4);
  EXPECT_EQ(chorus_command("explain " + model + " --engine example --strict").status, 0);
  const Done custom = chorus_command("explain customop.onnx --strict");
  EXPECT_EQ(custom.status, 4);
  EXPECT_NE(custom.out.find("Swish6"), std::string::npos);
  EXPECT_EQ(chorus_command("explain customop.onnx --strict", "CHORUS_PLUGIN='" CHORUS_TEST_PLUGIN "'").status, 0);
}

}  // namespace
}  // namespace chorus::testing
