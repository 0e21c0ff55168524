// The ONNX writer: what it writes is read again as the same graph; bodies, names, operator sets, external data.
#include <chorus/error.h>
#include <format/onnx/onnx.h>
#include <graph/infer.h>
#include <graph/pass.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace chorus {
namespace {

Model read(const std::string& file) {
  auto owner = std::make_shared<const std::string>(file);
  return onnx::read_model(*owner, owner);
}

Type f32(std::initializer_list<int64_t> dims) {
  Dims all;
  for (int64_t d : dims) all.push_back(Dim(d));
  return Type::tensor(DType::float32, all);
}

// Model of y = op(x), x [2, 3, 4], at the operator's own version for `opset`.
Model one_node(const char* op, int opset, Attributes attributes = {}) {
  auto g = std::make_shared<Graph>();
  g->name = "g";
  g->opsets[""] = opset;
  const ValueId x = g->add_input("x", f32({2, 3, 4}));
  Node n;
  n.op = find_op("", op);
  n.type = op;
  n.version = n.op->version_index(opset);
  n.inputs = {x};
  n.outputs = {g->add_value("y")};
  n.attributes = std::move(attributes);
  const ValueId y = n.outputs[0];
  g->add_node(std::move(n));
  infer_types(*g);
  g->add_output(y);
  return {.graph = g, .ir_version = 8};
}

std::string op_names(const Graph& g) {
  std::string names;
  for (NodeId id : g.order()) names += (names.empty() ? "" : " ") + g.node(id).type;
  return names;
}

TEST(OnnxWriter, TensorsOfEveryTypeComeBack) {
  for (int t = 1; t < kDTypeCount; ++t) {
    const auto dtype = static_cast<DType>(t);
    Value value;
    if (dtype == DType::string) {
      value = Value::strings(Shape{2}, std::vector<std::string>{"one", std::string("\0two", 4)});
    } else {
      value = Value::tensor(dtype, Shape{5});
      auto* p = static_cast<uint8_t*>(value.mutable_data());
      const int64_t n = dtype_bytes(dtype, 5);
      for (int64_t i = 0; i < n; ++i) p[i] = dtype == DType::boolean ? i % 2 : static_cast<uint8_t>(37 * i + 11);
    }
    const std::string file = onnx::write_tensor(value, "v");
    EXPECT_TRUE(onnx::read_value(file, Type::tensor(dtype)).identical(value)) << dtype_name(dtype);
  }
  const Value empty = Value::tensor(DType::float32, Shape{0, 3});
  EXPECT_TRUE(onnx::read_value(onnx::write_tensor(empty, "e"), Type::tensor(DType::float32)).identical(empty));
}

// Where a newer version means more, older nodes say the same. That they compute the same is checked in truth_writer, by other runtimes.
TEST(OnnxWriter, StepsDownByRewriting) {
  onnx::WriteOptions options;
  options.opset = 26;
  Model mod = one_node("Neg", 28);
  auto g = std::make_shared<Graph>(*mod.graph);
  const ValueId x = g->inputs()[0];
  const ValueId operands[] = {x, x};
  const NodeId made = g->add_node("Mod", operands);
  infer_types(*g);
  g->set_outputs({g->node(made).outputs[0]});
  mod.graph = g;
  EXPECT_EQ(op_names(*read(onnx::write_model(mod, options)).graph),
            "Neg Mod Less Less Xor Add Where Equal Where Where");
  g->node(made).attributes.set("fmod", int64_t{1});
  EXPECT_EQ(op_names(*read(onnx::write_model(mod, options)).graph), "Neg Mod");
  options.opset = 17;
  const Model mean = read(onnx::write_model(one_node("ReduceMean", 18), options));
  EXPECT_EQ(op_names(*mean.graph), "ReduceMean");
  EXPECT_EQ(mean.graph->node(mean.graph->order()[0]).schema().since, 13);
  EXPECT_THROW(onnx::write_model(one_node("ReduceMean", 18, {{"noop_with_empty_axes", 1}}), options), Error);
}

TEST(OnnxWriter, ValuesOfDataFilesAreReadAgain) {
  const Value numbers = Value::of<float>(Shape{2}, {0.5F, 2.0F});
  const Value texts = Value::strings(Shape{2}, std::vector<std::string>{"a", "bc"});
  const Type real = Type::tensor(DType::float32, Dims{}), text = Type::tensor(DType::string, Dims{});
  const std::pair<Value, Type> values[] = {
      {Value::map(Value::of<int64_t>(Shape{2}, {3, -1}), numbers), Type::map(DType::int64, real)},
      {Value::map(texts, numbers), Type::map(DType::string, real)},
      {Value::map(Value::of<int64_t>(Shape{2}, {1, 2}), texts), Type::map(DType::int64, text)},
      {Value::sequence(DType::float32, {numbers, numbers}), Type::sequence(Type::tensor(DType::float32))}};
  for (const auto& [value, type] : values) {
    const std::string file = onnx::write_value(value, "v");
    EXPECT_TRUE(onnx::read_value(file, type).identical(value)) << value.str();
    for (size_t n = 0; n < file.size(); ++n) {  // cut short: refused, or fewer members
      try {
        static_cast<void>(onnx::read_value(std::string_view(file).substr(0, n), type));
      } catch (const Error&) {
      }
    }
  }
  EXPECT_THROW(onnx::write_value(Value::optional(DType::float32, {}), "v"), Error);
}

// Softmax of opset 12 flattens to rank 2, that of 13 does not: on rank 3 the step needs nodes around it. NonZero came with opset 9.
TEST(OnnxWriter, StepsToAnotherOperatorSet) {
  onnx::WriteOptions options;
  options.opset = 13;
  const Model up = read(onnx::write_model(one_node("Softmax", 11, {{"axis", 1}}), options));
  EXPECT_EQ(up.graph->opsets.at(""), 13);
  EXPECT_NE(op_names(*up.graph), "Softmax");
  EXPECT_EQ(up.graph->value(up.graph->outputs()[0]).name, "y");
  EXPECT_EQ(up.graph->value(up.graph->inputs()[0]).type.str(), "float32[2, 3, 4]");
  options.opset = 15;
  EXPECT_EQ(op_names(*read(onnx::write_model(one_node("Softmax", 21), options)).graph), "Softmax");
  options.opset = 8;
  try {
    onnx::write_model(one_node("NonZero", 21), options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
    EXPECT_NE(std::string(error.what()).find("NonZero cannot be written at operator set 8"), std::string::npos)
        << error.what();
  }
  options.opset = 1000;
  EXPECT_THROW(onnx::write_model(one_node("Softmax", 21), options), Error);
}

// Files below operator set 11 count axes from the front; x is [2, 3, 4].
TEST(OnnxWriter, OldFilesCountAxesFromTheFront) {
  using List = std::vector<int64_t>;
  onnx::WriteOptions options;
  options.opset = 9;
  const struct {
    const char* op;
    int opset;
    const char* attribute;
    AttrValue axes, written;
  } cases[] = {
      {"ReduceMax", 12, "axes", List{-1, -3}, List{2, 0}},
      {"ReduceSum", 11, "axes", List{-2}, List{1}},
      {"ReduceLogSumExp", 13, "axes", List{0, -1}, List{0, 2}},
      {"ArgMax", 13, "axis", -2, 1},
      {"ArgMin", 12, "axis", -3, 0},
      {"Concat", 13, "axis", -1, 2},
      {"Softmax", 11, "axis", -1, 2},
      {"LogSoftmax", 11, "axis", -2, 1},
      {"Hardmax", 11, "axis", -3, 0},
      {"Split", 11, "axis", -2, 1},
      {"LpNormalization", 22, "axis", -2, 1},
      {"LpNormalization", 22, "axis", -1, -1},
      {"Flatten", 13, "axis", -1, 2},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.op);
    Model model = one_node(one.op, one.opset, {{one.attribute, one.axes}});
    const Model old = read(onnx::write_model(model, options));
    ASSERT_EQ(op_names(*old.graph), one.op);
    const AttrValue* got = old.graph->node(old.graph->order()[0]).attributes.find(one.attribute);
    ASSERT_NE(got, nullptr);
    EXPECT_EQ(*got, one.written) << got->str();
    auto free = std::make_shared<Graph>(*model.graph);  // a rank that nobody knows
    free->value(free->inputs()[0]).type = Type::tensor(DType::float32);
    for (const ValueId y : free->outputs()) free->value(y).type = Type::tensor(DType::float32);
    model.graph = free;
    if (one.written == one.axes) {
      EXPECT_NO_THROW(onnx::write_model(model, options));
    } else {
      EXPECT_THROW(onnx::write_model(model, options), Error);
    }
  }
}

// Of Scan every operand has axes of its own: one sum over the columns of a matrix, which are given out again.
TEST(OnnxWriter, OldScansCountAxesFromTheFront) {
  const auto add = [](Graph& g, const char* op, int opset, std::vector<ValueId> inputs, std::vector<ValueId> outputs,
                      Attributes attributes = {}) {
    Node n;
    n.op = find_op("", op);
    n.type = op;
    n.version = n.op->version_index(opset);
    n.inputs = std::move(inputs);
    n.outputs = std::move(outputs);
    n.attributes = std::move(attributes);
    g.add_node(std::move(n));
  };
  auto body = std::make_shared<Graph>();
  const ValueId sum = body->add_input("sum", f32({2})), column = body->add_input("column", f32({2}));
  const ValueId next = body->add_value("next"), same = body->add_value("same");
  body->opsets[""] = 11;
  add(*body, "Add", 11, {sum, column}, {next});
  add(*body, "Identity", 11, {column}, {same});
  body->add_output(next);
  body->add_output(same);
  auto g = std::make_shared<Graph>();
  g->name = "g";
  g->opsets[""] = 11;
  const ValueId start = g->add_input("start", f32({2})), x = g->add_input("x", f32({2, 3}));
  const ValueId total = g->add_value("total"), columns = g->add_value("columns");
  add(*g, "Scan", 11, {start, x}, {total, columns},
      {{"num_scan_inputs", int64_t{1}},
       {"scan_input_axes", std::vector<int64_t>{-1}},
       {"scan_output_axes", std::vector<int64_t>{-2}},
       {"body", GraphPtr(body)}});
  infer_types(*g);
  g->add_output(total);
  g->add_output(columns);
  onnx::WriteOptions options;
  options.opset = 10;
  const Model old = read(onnx::write_model({.graph = g, .ir_version = 8}, options));
  const Attributes& written = old.graph->node(old.graph->order()[0]).attributes;
  ASSERT_NE(written.find("scan_input_axes"), nullptr);
  ASSERT_NE(written.find("scan_output_axes"), nullptr);
  EXPECT_EQ(*written.find("scan_input_axes"), AttrValue(std::vector<int64_t>{1}));
  EXPECT_EQ(*written.find("scan_output_axes"), AttrValue(std::vector<int64_t>{0}));
}

// Resize-10 knows asymmetric coordinates alone, and scales.
TEST(OnnxWriter, ResizeOfVersion10) {
  onnx::WriteOptions options;
  options.opset = 10;
  const auto resize = [](const Attributes& attributes, float scale) {
    Model model = one_node("Identity", 13);
    auto g = std::make_shared<Graph>(*model.graph);
    const ValueId nothing = g->add_constant("roi", Value::tensor(DType::float32, Shape{0}));
    const ValueId scales = g->add_constant("scales", Value::of<float>(Shape{3}, {1, 1, scale}));
    const ValueId operands[] = {g->inputs()[0], nothing, scales};
    const NodeId made = g->add_node("Resize", operands, attributes);
    infer_types(*g);
    g->set_outputs({g->node(made).outputs[0]});
    model.graph = g;
    return model;
  };
  const auto old = [&](const char* coordinates, const char* mode, const char* nearest, float scale) {
    return op_names(
        *read(onnx::write_model(
                  resize({{"coordinate_transformation_mode", coordinates}, {"mode", mode}, {"nearest_mode", nearest}},
                         scale),
                  options))
             .graph);
  };
  EXPECT_EQ(old("asymmetric", "nearest", "floor", 2), "Identity Resize");
  EXPECT_EQ(old("asymmetric", "nearest", "ceil", 0.5F), "Identity Resize");
  EXPECT_EQ(old("asymmetric", "linear", "round_prefer_floor", 0.5F), "Identity Resize");
  EXPECT_THROW(old("asymmetric", "nearest", "ceil", 2), Error);
  EXPECT_THROW(old("asymmetric", "nearest", "floor", 0.5F), Error);
  EXPECT_THROW(old("asymmetric", "cubic", "floor", 2), Error);
  EXPECT_THROW(old("half_pixel", "linear", "floor", 2), Error);
}

// What a body means at another operator set is known only where its node is known.
TEST(OnnxWriter, BodiesOfUnknownOperatorsKeepTheirOperatorSet) {
  auto g = std::make_shared<Graph>();
  g->name = "g";
  g->opsets[""] = 28;
  const ValueId x = g->add_input("x", f32({2}));
  Node n;
  n.domain = "my";
  n.type = "Repeat";
  n.inputs = {x};
  n.outputs = {g->add_value("y")};
  n.attributes.set("body", GraphPtr(std::make_shared<Graph>(*one_node("Relu", 28).graph)));
  const ValueId y = n.outputs[0];
  g->add_node(std::move(n));
  g->add_output(y);
  Model model;
  model.graph = g;
  onnx::WriteOptions options;
  options.opset = 28;
  EXPECT_EQ(read(onnx::write_model(model, options)).graph->node_capacity(), 1);
  options.opset = 13;
  try {
    onnx::write_model(model, options);
    FAIL() << "Relu of a body was written at operator set 13 as it was at 28";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
    EXPECT_NE(std::string(error.what()).find("Repeat cannot be written at operator set 13"), std::string::npos)
        << error.what();
  }
}

TEST(OnnxWriter, FileSaysTheLeastIrVersionOfItsOperatorSet) {
  onnx::WriteOptions options;
  for (const auto& [opset, ir] :
       {std::pair{13, 7}, {15, 8}, {19, 9}, {21, 10}, {23, 11}, {24, 12}, {25, 13}, {28, 14}}) {
    options.opset = opset;
    EXPECT_EQ(read(onnx::write_model(one_node("Relu", 14), options)).ir_version, ir) << opset;
  }
  EXPECT_EQ(read(onnx::write_model(one_node("Relu", 14))).ir_version, 8);  // as it was
}

// Closed bodies (captured values as further inputs) are written open, under the names outside; a name of the body that is taken outside changes.
TEST(OnnxWriter, OpensClosedBodies) {
  auto body = [](const char* op) {
    auto b = std::make_shared<Graph>();
    b->name = op;
    const ValueId x = b->add_value("x");
    b->captures.emplace_back(x, "x");
    Node n;
    n.op = find_op("", op);
    n.type = op;
    n.version = n.op->version_index(21);
    n.inputs = {x};
    n.outputs = {b->add_value("taken")};
    const ValueId out = n.outputs[0];
    b->add_node(std::move(n));
    b->add_output(out);
    return GraphPtr(b);
  };
  auto g = std::make_shared<Graph>();
  g->name = "g";
  g->opsets[""] = 21;
  const ValueId c = g->add_input("c", Type::tensor(DType::boolean, {}));
  g->add_input("x", f32({2}));
  g->add_input("taken", f32({2}));
  Node n;
  n.op = find_op("", "If");
  n.type = "If";
  n.version = n.op->version_index(21);
  n.inputs = {c};
  n.outputs = {g->add_value("y")};
  n.attributes = {{"then_branch", body("Relu")}, {"else_branch", body("Neg")}};
  const ValueId y = n.outputs[0];
  g->add_node(std::move(n));
  g->value(y).type = f32({2});
  g->add_output(y);
  const Model open{.graph = g, .ir_version = 10};
  auto closed_graph = std::make_shared<Graph>(*g);
  PassContext context;
  ASSERT_GT(passes::close_bodies(*closed_graph, context), 0);
  const Model closed{.graph = closed_graph, .ir_version = 10};
  for (const Model* m : {&open, &closed}) {
    const Model back = read(onnx::write_model(*m));
    const GraphPtr inner = *back.graph->node(0).attributes.find("then_branch")->get<GraphPtr>();
    EXPECT_TRUE(inner->inputs().empty());
    ASSERT_EQ(inner->captures.size(), 1u);
    EXPECT_EQ(inner->captures[0].second, "x");
    EXPECT_EQ(inner->find_value("taken"), kNone);
  }
}

TEST(OnnxWriter, LargeTensorsGoBesideTheModel) {
  std::string folder = std::filesystem::temp_directory_path() / "chorus-writer-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  auto g = std::make_shared<Graph>();
  g->name = "g";
  g->opsets[""] = 21;
  std::vector<float> many(1000);
  for (size_t i = 0; i < many.size(); ++i) many[i] = static_cast<float>(i);
  g->add_constant("large", Value::of<float>(Shape{1000}, many));
  g->add_constant("small", Value::of<float>(Shape{2}, {1, 2}));
  onnx::WriteOptions options;
  options.external_bytes = 1024;
  const std::string path = folder + "/m.onnx";
  onnx::write_model_file({.graph = g, .ir_version = 10}, path, options);
  EXPECT_EQ(std::filesystem::file_size(path + ".data"), 4000u);
  EXPECT_LT(std::filesystem::file_size(path), 500u);
  const Model back = onnx::read_model(path);
  EXPECT_EQ(back.graph->value(back.graph->find_value("large")).constant.as<float>()[999], 999.0f);
  EXPECT_EQ(back.graph->value(back.graph->find_value("small")).constant.as<float>()[1], 2.0f);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace chorus
