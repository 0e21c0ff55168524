// Tensors without elements: they cost no memory, are told from others, and come through an image only where they are allowed.
#include <graph/hollow.h>

#include <chorus/error.h>
#include <graph/image.h>
#include <gtest/gtest.h>

namespace chorus {
namespace {

TEST(Hollow, HasATypeAndNoMemory) {
  const Value value = hollow_value(DType::float32, Shape{1 << 14, 1 << 15});  // 2 GiB
  ASSERT_TRUE(value.is_tensor());
  EXPECT_EQ(value.dtype(), DType::float32);
  EXPECT_EQ(value.shape(), (Shape{1 << 14, 1 << 15}));
  EXPECT_TRUE(is_hollow(value));
  EXPECT_EQ(value.as<float>()[(int64_t{1} << 29) - 1], 0.0f);  // reading is safe
  EXPECT_FALSE(is_hollow(Value::of<float>(Shape{2}, {1, 2})));
  EXPECT_FALSE(is_hollow(Value()));
  EXPECT_FALSE(hollow_value(DType::float64, Shape{int64_t{1} << 50}));  // past every address: none, no crash
}

TEST(Hollow, AnImageHoldsItOnlyWhereItIsAllowed) {
  Model model;
  auto graph = std::make_shared<Graph>();
  graph->add_input("x", Type::tensor(DType::float32, {Dim(2)}));
  graph->add_constant("w", hollow_value(DType::float32, Shape{1000, 1000}));
  graph->add_constant("b", Value::of<float>(Shape{2}, {3, 4}));
  graph->add_output(graph->find_value("x"));
  model.graph = graph;
  const std::string bytes = save_image_bytes(model);
  EXPECT_LT(bytes.size(), 10'000u);  // not the four million of its elements
  EXPECT_THROW(load_image(bytes, nullptr), Error);
  ImageLimits limits;
  limits.hollow = HollowTensors::allow;
  const Model loaded = load_image(bytes, nullptr, limits);
  const Value& w = loaded.graph->value(loaded.graph->find_value("w")).constant;
  EXPECT_TRUE(is_hollow(w));
  EXPECT_EQ(w.shape(), (Shape{1000, 1000}));
  EXPECT_EQ(loaded.graph->value(loaded.graph->find_value("b")).constant.as<float>()[1], 4.0f);
}

}  // namespace
}  // namespace chorus
