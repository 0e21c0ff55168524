#include <chorus/error.h>
#include <core/type.h>
#include <gtest/gtest.h>

namespace chorus {
namespace {

const DType f32 = DType::float32;

TEST(Type, Text) {
  EXPECT_EQ(Type::tensor(f32, {Dim::symbol("batch"), 3, Dim()}).str(), "float32[batch, 3, ?]");
  EXPECT_EQ(Type::tensor(f32, {}).str(), "float32[]");
  EXPECT_EQ(Type::tensor(f32).str(), "float32");
  EXPECT_EQ(Type::sequence(Type::tensor(DType::int64, {Dim()})).str(), "sequence(int64[?])");
  EXPECT_EQ(Type::optional(Type::tensor(f32)).str(), "optional(float32)");
  EXPECT_EQ(Type::map(DType::string, Type::tensor(f32, {})).str(), "map(string, float32[])");
  EXPECT_EQ(Type().str(), "?");
}

TEST(Type, OfAValue) {
  EXPECT_TRUE(Type::of(Value::of<float>({2, 1}, {1, 2})).same(Type::tensor(f32, {2, 1})));
  EXPECT_TRUE(Type::of(Value()).same(Type()));
  const auto a = Value::of<float>({2, 1}, {1, 2});
  const auto b = Value::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(Type::of(Value::sequence(f32, {a, b})).str(), "sequence(float32[2, ?])");
  EXPECT_EQ(Type::of(Value::sequence(f32, {})).str(), "sequence(float32)");
  EXPECT_EQ(Type::of(Value::map(Value::of<int64_t>({2}, {1, 2}), b)).str(), "map(int64, float32[3])");
}

TEST(Type, StaticAndRank) {
  EXPECT_TRUE(Type::tensor(f32, {2, 3}).is_static());
  EXPECT_FALSE(Type::tensor(f32, {2, Dim::symbol("n")}).is_static());
  EXPECT_FALSE(Type::tensor(f32).is_static());
  EXPECT_EQ(Type::tensor(f32).rank(), -1);
  EXPECT_EQ(Type::tensor(f32, {}).rank(), 0);
}

TEST(Type, JoinKeepsWhatHoldsOfBoth) {
  const Dim n = Dim::symbol("n");
  EXPECT_EQ(Type::join(Type::tensor(f32, {2, n, 4}), Type::tensor(f32, {2, n, 5})).str(), "float32[2, n, ?]");
  EXPECT_EQ(Type::join(Type::tensor(f32, {2}), Type::tensor(f32, {2, 3})).str(), "float32");
  EXPECT_EQ(Type::join(Type::tensor(f32, {2}), Type::tensor(DType::int8, {2})).str(), "?[2]");
  EXPECT_EQ(Type::join(Type::tensor(f32), Type::sequence(Type::tensor(f32))).str(), "?");
  const auto s = Type::sequence(Type::tensor(f32, {2}));
  EXPECT_EQ(Type::join(s, Type::sequence(Type::tensor(f32, {3}))).str(), "sequence(float32[?])");
}

TEST(Type, MeetTakesTheSharper) {
  const Dim n = Dim::symbol("n"), m = Dim::symbol("m");
  EXPECT_EQ(Type::meet(Type::tensor(f32, {n, Dim(), 4}), Type::tensor(f32, {2, n, 4}), "y").str(), "float32[2, n, 4]");
  EXPECT_EQ(Type::meet(Type::tensor(f32), Type::tensor(f32, {2}), "y").str(), "float32[2]");
  EXPECT_EQ(Type::meet(Type(), Type::tensor(f32), "y").str(), "float32");
  EXPECT_EQ(Type::meet(Type::tensor(f32, {n}), Type::tensor(f32, {m * Dim(2)}), "y").str(), "float32[2*m]");
  EXPECT_EQ(Type::meet(Type::sequence(Type()), Type::sequence(Type::tensor(f32)), "y").str(), "sequence(float32)");
  const auto refuse = [](const Type& a, const Type& b, Code code) {
    try {
      Type::meet(a, b, "output y");
      ADD_FAILURE() << a.str() << " " << b.str();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code);
      EXPECT_NE(e.message().find("output y"), std::string::npos);
      EXPECT_NE(e.message().find(a.str()), std::string::npos);
      EXPECT_NE(e.message().find(b.str()), std::string::npos);
    }
  };
  refuse(Type::tensor(f32, {2}), Type::tensor(f32, {3}), Code::shape);
  refuse(Type::tensor(f32, {n}), Type::tensor(f32, {n + Dim(1)}), Code::shape);
  refuse(Type::tensor(f32, {n}), Type::tensor(f32, {n, n}), Code::shape);
  refuse(Type::tensor(f32), Type::tensor(DType::int8), Code::type);
  refuse(Type::tensor(f32), Type::sequence(Type::tensor(f32)), Code::type);
  EXPECT_THROW(Type::meet(Type::sequence(Type::tensor(f32)), Type::sequence(Type::tensor(DType::int8)), "y"), Error);
}

}  // namespace
}  // namespace chorus
