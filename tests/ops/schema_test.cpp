#include <chorus/error.h>
#include <ops/grid.h>
#include <ops/schema.h>

#include <gtest/gtest.h>

#include <climits>

namespace chorus {
namespace {

TEST(Schema, ReadsParametersAttributesAndTypes) {
  const Schema s =
      parse_schema(18,
                   "(T data, @int64? axes !d) -> (T reduced, T2* rest) {keepdims: int = 1, mode: string = 'linear', "
                   "scale: float = -1.5e-3, pads: ints = [1, -2], names: strings = ['a', 'b'], to: int!, body: graph}; "
                   "T = ieee bf16; T2 = seq.f32 opt.seq.str opt.i4 map.i64.f32");
  EXPECT_EQ(s.since, 18);
  ASSERT_EQ(s.inputs.size(), 2u);
  EXPECT_EQ(s.inputs[1].name, "axes");
  EXPECT_EQ(s.inputs[1].count, Count::optional);
  EXPECT_TRUE(s.inputs[1].host_value);
  EXPECT_FALSE(s.inputs[1].differentiable);
  EXPECT_TRUE(s.inputs[0].differentiable);
  EXPECT_EQ(s.types[static_cast<size_t>(s.inputs[1].type_set)].tensor, dtype_bit(DType::int64));
  const TypeSet& t = s.types[static_cast<size_t>(s.inputs[0].type_set)];
  EXPECT_EQ(t.tensor, dtype_bit(DType::float16) | dtype_bit(DType::float32) | dtype_bit(DType::float64) |
                          dtype_bit(DType::bfloat16));
  const TypeSet& t2 = s.types[static_cast<size_t>(s.outputs[1].type_set)];
  EXPECT_EQ(t2.sequence, dtype_bit(DType::float32));
  EXPECT_EQ(t2.optional_sequence, dtype_bit(DType::string));
  EXPECT_EQ(t2.optional, dtype_bit(DType::int4));
  EXPECT_TRUE(t2.any_map);
  EXPECT_EQ(t2.maps.at(0), "map(int64, float)");
  EXPECT_EQ(*s.attribute("keepdims")->fallback.get<int64_t>(), 1);
  EXPECT_EQ(*s.attribute("scale")->fallback.get<float>(), -1.5e-3F);
  EXPECT_EQ(*s.attribute("pads")->fallback.get<std::vector<int64_t>>(), (std::vector<int64_t>{1, -2}));
  EXPECT_EQ(*s.attribute("names")->fallback.get<std::vector<std::string>>(), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(s.attribute("to")->required);
  EXPECT_EQ(s.attribute("body")->kind, AttrKind::graph);
  EXPECT_EQ(s.attribute("none"), nullptr);
  EXPECT_EQ(s.min_inputs(), 1);
  EXPECT_EQ(s.max_inputs(), 2);
  EXPECT_EQ(s.min_outputs(), 1);
  EXPECT_EQ(s.max_outputs(), INT_MAX);
  EXPECT_EQ(s.output(7), &s.outputs[1]);
  EXPECT_EQ(s.input(2), nullptr);
}

TEST(Schema, CountsVariadics) {
  const Schema s = parse_schema(1, "(T+ a) -> (V*~ b); T = all; V = any");
  EXPECT_EQ(s.min_inputs(), 1);
  EXPECT_EQ(s.min_outputs(), 0);
  EXPECT_TRUE(s.outputs[0].mixed_types);
  EXPECT_FALSE(s.deprecated);
  EXPECT_TRUE(parse_schema(1, "() -> (f32 y); deprecated").deprecated);
}

TEST(Schema, NamesThePlaceOfAnError) {
  for (const char* text :
       {"", "(", "(T)", "(T x) -> (T y)", "(T x) -> (T y); T = f99", "(f32 x) -> (f32 y) {a: thing}",
        "(f32 x) -> (f32 y) {a: int = 'x'}", "(f32 x) -> (f32 y) {a: string = 'x", "(f32 x) -> (f32 y) }"}) {
    EXPECT_THROW(parse_schema(1, text), Error) << text;
  }
}

TEST(Schema, ShortNamesAreThoseOfTheTypes) {
  for (int i = 1; i < kDTypeCount; ++i) {
    const auto type = static_cast<DType>(i);
    EXPECT_FALSE(short_dtype(type).empty());
    EXPECT_EQ(parse_short_dtype(short_dtype(type)), type);
  }
  EXPECT_EQ(parse_short_dtype(""), DType::undefined);
}

TEST(Grid, ReadsOperandsAndAttributes) {
  static constexpr Version kVersions[] = {
      {1,
       "(T x, T? y, i64? z, S? s) -> (T r, T? q) {axis: int = 0, ratio: float, mode: string, list: ints, to: int}; "
       "T = all; S = seq.all"}};
  static const OpDef def{.name = "Grid",
                         .versions = kVersions,
                         .grid =
                             "f32[2,3] - i64{1,-1} axis=-2 mode='a b;c' ratio=0.5 list=[1,2] to=f16 out=2;"
                             "i32[4]@5..7; f64[]; str{'x','y z'} str{1,2:'a','b'}; f32(2.5); f32{inf,-inf,nan};"
                             "f32[1] - - seq(f32[2] f32[0,3])"};
  const auto cases = parse_grid(def);
  ASSERT_EQ(cases.size(), 7u);
  EXPECT_EQ(cases[0].outputs, 2);
  EXPECT_EQ(*cases[0].attributes.find("axis")->get<int64_t>(), -2);
  EXPECT_EQ(*cases[0].attributes.find("mode")->get<std::string>(), "a b;c");
  EXPECT_EQ(*cases[0].attributes.find("ratio")->get<float>(), 0.5F);
  EXPECT_EQ(*cases[0].attributes.find("to")->get<int64_t>(), 10);
  const auto first = make_inputs(cases[0], 3);
  ASSERT_EQ(first.size(), 3u);
  EXPECT_EQ(first[0].shape(), Shape({2, 3}));
  EXPECT_FALSE(first[1]);
  EXPECT_EQ(first[2].to_int64s(), (std::vector<int64_t>{1, -1}));
  EXPECT_TRUE(first[0].identical(make_inputs(cases[0], 3)[0]));
  EXPECT_FALSE(first[0].identical(make_inputs(cases[0], 4)[0]));
  for (const int64_t v : make_inputs(cases[1], 1)[0].to_int64s()) {
    EXPECT_GE(v, 5);
    EXPECT_LE(v, 7);
  }
  EXPECT_EQ(make_inputs(cases[2], 1)[0].rank(), 0);
  EXPECT_EQ(make_inputs(cases[3], 1)[0].strings()[1], "y z");
  EXPECT_EQ(make_inputs(cases[3], 1)[1].shape(), Shape({1, 2}));
  EXPECT_EQ(make_inputs(cases[4], 1)[0].to_doubles(), (std::vector<double>{2.5}));
  EXPECT_EQ(make_inputs(cases[6], 1)[3].items()[1].shape(), Shape({0, 3}));
}

TEST(Grid, RefusesWhatDoesNotFit) {
  static constexpr Version kVersions[] = {{1, "(T x) -> (T r) {axis: int = 0}; T = all"}};
  for (const char* text : {"f32[2] f32[2]", "-x", "f99[2]", "f32[2] other=1", "f32[2", "f32{2:1}", "f32[2] axis=x"}) {
    const OpDef def{.name = "Grid", .versions = kVersions, .grid = text};
    EXPECT_THROW(parse_grid(def), Error) << text;
  }
}

}  // namespace
}  // namespace chorus
