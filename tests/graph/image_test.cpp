// The binary image of a graph: it comes back equal, its weights in place, and no damage gets through as anything but an Error.
#include <chorus/error.h>
#include <format/onnx/mutate.h>
#include <graph/image.h>
#include <gtest/gtest.h>

#include <cstring>

namespace chorus {
namespace {

// A loop with a body that captures, symbolic dims, a function, every form of attribute, constants of all kinds.
Model full_model() {
  auto body = std::make_shared<Graph>();
  body->name = "body";
  const ValueId b = body->add_value("outer");
  body->captures.emplace_back(b, "x");
  body->add_output(body->node(body->add_node("Relu", std::span(&b, 1))).outputs[0]);
  auto g = std::make_shared<Graph>();
  g->name = "main";
  g->doc = "text";
  g->opsets = {{"", 21}, {"example", 1}};
  g->metadata = {{"key", "value"}};
  g->raw_fields = std::string("\x0a\x00", 2);
  const Dim n = Dim::symbol("n"), m = Dim::symbol("m");
  const ValueId x =
      g->add_input("x", Type::tensor(DType::float32, {n, floordiv(n * 2 + 1, m), min(n, m), Dim(), Dim(7)}));
  const ValueId w = g->add_constant("w", Value::of<float>(Shape{3}, {1, 2, 3}));
  g->add_constant("s", Value::strings(Shape{2}, std::vector<std::string>{"one", "two"}));
  g->add_constant("q", Value::sequence(DType::int64, {Value::scalar<int64_t>(4), Value::scalar<int64_t>(5)}));
  Node call;
  call.type = "Everything";
  call.domain = "example";
  call.name = "call";
  call.inputs = {x, kNone, w};
  call.outputs = {g->add_value("y", Type::optional(Type::sequence(Type::tensor(DType::int8))))};
  const ValueId y = call.outputs[0];
  call.attributes = {{"f", 0.5},
                     {"i", int64_t{-3}},
                     {"s", "text"},
                     {"t", Value::scalar<double>(2.5)},
                     {"g", GraphPtr(body)},
                     {"fs", std::vector<float>{1, 2}},
                     {"is", std::vector<int64_t>{3}},
                     {"ss", std::vector<std::string>{"a", ""}},
                     {"tp", Type::map(DType::int64, Type::tensor(DType::string))}};
  g->add_node(std::move(call));
  g->value(x).symbolic = std::make_shared<const Dims>(Dims{n + 1, Dim(3)});
  g->checks.push_back({n, m, 0, "they differ"});
  g->add_output(y);
  Function f;
  f.name = "Everything";
  f.domain = "example";
  f.attributes = {"f"};
  f.defaults = {{"alpha", 0.25}};
  f.body = std::make_shared<const Graph>(*body);
  return {.graph = g,
          .functions = {f},
          .ir_version = 10,
          .producer_name = "test",
          .model_version = 3,
          .metadata = {{"a", "b"}},
          .source = "here"};
}

Model load(const std::string& bytes, size_t shift = 0, Inferred inferred = Inferred::forget) {
  auto owner = std::make_shared<const std::string>(std::string(shift, '\0') + bytes);
  ImageLimits limits;
  limits.inferred = inferred;
  return load_image(std::string_view(*owner).substr(shift), owner, limits);
}

TEST(Image, ComesBackEqual) {
  const Model m = full_model();
  const std::string bytes = save_image_bytes(m);
  for (size_t shift : {0, 1, 8}) {
    const Model back = load(bytes, shift, Inferred::believe);
    EXPECT_EQ(back.graph->str(), m.graph->str());
    EXPECT_EQ(save_image_bytes(back), bytes);
    const GraphValue& x = back.graph->value(back.graph->find_value("x"));
    EXPECT_EQ(x.type.str(), m.graph->value(m.graph->find_value("x")).type.str());
    ASSERT_TRUE(x.symbolic);
    EXPECT_EQ((*x.symbolic)[0].str(), (Dim::symbol("n") + 1).str());
    ASSERT_EQ(back.graph->node(0).attributes.items().size(), m.graph->node(0).attributes.items().size());
    for (const auto& item : m.graph->node(0).attributes.items()) {
      const AttrValue* found = back.graph->node(0).attributes.find(item.name);
      ASSERT_NE(found, nullptr) << item.name;
      if (const GraphPtr* inner = item.value.get<GraphPtr>()) {
        EXPECT_EQ((*found->get<GraphPtr>())->str(), (*inner)->str());
      } else {
        EXPECT_EQ(*found, item.value) << item.name;
      }
    }
    EXPECT_TRUE(back.graph->value(back.graph->find_value("q"))
                    .constant.identical(m.graph->value(m.graph->find_value("q")).constant));
    EXPECT_EQ(back.functions.at(0).body->captures.at(0).second, "x");
    EXPECT_EQ(back.functions[0].defaults, m.functions[0].defaults);
  }
}

TEST(Image, WeightsAreAlignedAndUsedInPlace) {
  auto g = std::make_shared<Graph>();
  std::vector<float> many(5000, 2.0f);
  const Value shared = Value::of<float>(Shape{5000}, many);
  g->add_constant("a", shared);
  g->add_constant("b", shared);  // one copy
  g->add_constant("c", Value::scalar<float>(1));
  const std::string bytes = save_image_bytes({.graph = g});
  EXPECT_LT(bytes.size(), 2 * 20000u + 4096u);
  Buffer aligned = Buffer::allocate(bytes.size());
  std::memcpy(aligned.mutable_data(), bytes.data(), bytes.size());
  auto owner = std::make_shared<const Buffer>(aligned);
  const auto* begin = reinterpret_cast<const char*>(owner->data());
  const Model back = load_image({begin, bytes.size()}, owner);
  for (const char* name : {"a", "b", "c"}) {
    const auto* data = static_cast<const char*>(back.graph->value(back.graph->find_value(name)).constant.data());
    EXPECT_TRUE(data >= begin && data < begin + bytes.size()) << name;
    EXPECT_EQ((data - begin) % 64, 0) << name;
  }
  const auto* a = static_cast<const char*>(back.graph->value(back.graph->find_value("a")).constant.data());
  EXPECT_EQ((a - begin) % 4096, 0);
}

TEST(Image, DamageGivesErrors) {
  const std::string bytes = save_image_bytes(full_model());
  const size_t structure = bytes.size() < 4096 ? bytes.size() : 4096;
  int good = 0;
  for (uint64_t seed = 0; seed < 10000; ++seed) {
    // Mostly the structure, so that the damage is not all behind it.
    std::string damaged = testing::Mutator(seed).damaged(bytes.substr(0, structure));
    damaged.resize(structure);
    damaged += bytes.substr(structure);
    try {
      const Model m = load(damaged);
      ++good;
      (void)save_image_bytes(m);
    } catch (const Error& error) {
      EXPECT_NE(error.code(), Code::internal) << error.what();
    }
  }
  EXPECT_GT(good, 10);
  for (size_t length = 0; length < bytes.size(); length += 97)
    EXPECT_THROW(load(bytes.substr(0, length)), Error) << length;
}

// The list of a damaged file may begin anywhere; reading eight bytes there is undefined.
TEST(Image, MisalignedNumbersAreRefused) {
  auto g = std::make_shared<Graph>();
  g->opsets[""] = 21;
  constexpr int64_t kExtent = 1234567;
  g->add_constant("w", Value::tensor(DType::float32, Shape{kExtent, 0, 1, 0, 0}));
  std::string bytes = save_image_bytes({.graph = g});
  const std::string extent(reinterpret_cast<const char*>(&kExtent), sizeof kExtent);
  const size_t list = bytes.find(std::string("\5\0\0\0", 4) + extent);  // its length, then the numbers
  ASSERT_NE(list, std::string::npos);
  ASSERT_EQ(list % 8, 4u);
  // Every field that leads to the list leads into it: the third number is taken for the length of a list of one.
  int fields = 0;
  for (size_t at = 64; at < list; at += 4) {
    uint32_t distance = 0;
    std::memcpy(&distance, bytes.data() + at, 4);
    if (at + distance != list) continue;
    distance += 20, ++fields;
    std::memcpy(bytes.data() + at, &distance, 4);
  }
  ASSERT_GE(fields, 1);
  try {
    load(bytes);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("misaligned"), std::string::npos) << error.what();
  }
}

// Memory is sized by types and known elements: those that no rule has confirmed are not taken from a file.
TEST(Image, WhatNobodyDeclaredIsForgotten) {
  auto g = std::make_shared<Graph>();
  g->opsets[""] = 21;
  const ValueId n = g->add_input("n", Type::tensor(DType::int64, {Dim(1)}));
  const ValueId c = g->add_constant("c", Value::of<int64_t>(Shape{1}, {7}));
  const std::vector<ValueId> operands{n, c};
  const ValueId sum = g->node(g->add_node("Add", operands)).outputs[0];
  const ValueId y = g->node(g->add_node("Neg", std::span(&sum, 1))).outputs[0];
  g->value(sum).type = Type::tensor(DType::float32, {Dim(1000)});
  g->value(y).type = Type::tensor(DType::int64, {Dim(1)});
  g->value(y).declared = true;
  for (const ValueId id : {n, c, sum}) g->value(id).symbolic = std::make_shared<const Dims>(Dims{Dim(3)});
  g->add_output(y);
  const std::string bytes = save_image_bytes({.graph = g});
  const Graph loaded(*load(bytes).graph), believed(*load(bytes, 0, Inferred::believe).graph);
  EXPECT_EQ(loaded.value(sum).type.kind, ValueKind::none);
  EXPECT_EQ(believed.value(sum).type.str(), "float32[1000]");
  EXPECT_EQ(loaded.value(y).type.str(), "int64[1]");
  EXPECT_EQ(loaded.value(n).type.str(), "int64[1]");
  for (const ValueId id : {n, c, sum}) {
    EXPECT_EQ(loaded.value(id).symbolic, nullptr) << id;
    EXPECT_NE(believed.value(id).symbolic, nullptr) << id;
  }
}

TEST(Image, OperandsAndOutputsThatNobodyMakesAreRefused) {
  for (const bool of_node : {true, false}) {
    auto g = std::make_shared<Graph>();
    g->opsets[""] = 21;
    const ValueId ghost = g->add_value("ghost", Type::tensor(DType::float32, {Dim(1)}));
    const ValueId out = of_node ? g->node(g->add_node("Neg", std::span(&ghost, 1))).outputs[0] : ghost;
    g->add_output(out);
    try {
      load(save_image_bytes({.graph = g}));
      ADD_FAILURE() << of_node;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::bad_input) << error.what();
      EXPECT_NE(std::string(error.what()).find("\"ghost\""), std::string::npos) << error.what();
    }
  }
}

TEST(Image, AnotherVersionIsRefused) {
  std::string bytes = save_image_bytes(full_model());
  bytes[8] = 99;
  try {
    load(bytes);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
  }
}

}  // namespace
}  // namespace chorus
