// Compiled programs that were saved: what a file states is checked before kernels are chosen by it.
#include <engine/native/exec/instance.h>
#include <engine/native/native_engine.h>
#include <graph/graph.h>

#include <chorus/error.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace chorus::native {
namespace {

Model product() {
  auto g = std::make_shared<Graph>();
  g->name = "product";
  g->opsets[""] = newest_opset("");
  const ValueId x = g->add_input("x", Type::tensor(DType::float32, {2, 3}));
  const ValueId w = g->add_constant("w", Value::of<float>(Shape{3, 4}, std::vector<float>(12, 0.5f)));
  const ValueId c = g->add_constant("c", Value::of<float>(Shape{4}, std::vector<float>(4, 1.0f)));
  const ValueId in[] = {x, w, c};
  const ValueId y = g->node(g->add_node("Gemm", in)).outputs[0];
  g->add_output(y);
  Model model;
  model.graph = g;
  return model;
}

std::string saved(Engine& engine, Program& program) {
  std::string bytes;
  engine.save(program, [&](std::span<const std::byte> part) {
    bytes.append(reinterpret_cast<const char*>(part.data()), part.size());
  });
  return bytes;
}

std::shared_ptr<Program> loaded(Engine& engine, const std::string& bytes) {
  constexpr size_t kLine = 64;  // packs are used in place, at a multiple of 64 as in a mapped file
  auto owner = std::make_shared<std::string>(bytes.size() + kLine, '\0');
  char* const at = owner->data() + (kLine - reinterpret_cast<uintptr_t>(owner->data()) % kLine) % kLine;
  std::memcpy(at, bytes.data(), bytes.size());
  return engine.load({at, bytes.size()}, owner, {});
}

TEST(Stored, TypesAreThoseOfTheRules) {
  const auto engine = make_native_engine();
  const auto program = engine->compile(product(), {});
  EXPECT_NO_THROW(loaded(*engine, saved(*engine, *program)));

  // As a damaged file would state it, with sums that are right: the product's rows alone. A kernel would read the second extent.
  auto& native = dynamic_cast<NativeProgram&>(*program);
  auto& graph = const_cast<Graph&>(*native.plan().graph);
  graph.value(graph.outputs()[0]).type = Type::tensor(DType::float32, {2});
  const std::string damaged = saved(*engine, *program);
  const auto again = loaded(*engine, damaged);
  ASSERT_EQ(again->outputs().size(), 1U);
  EXPECT_EQ(again->outputs()[0].type.dims.size(), 2U);  // found out anew

  graph.value(graph.inputs()[0]).type = Type::tensor(DType::float32, {2, 5});
  try {
    loaded(*engine, saved(*engine, *program));
    FAIL() << "a product of [2, 5] and [3, 4] was believed";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("inner dimensions: 5 and 3"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace chorus::native
