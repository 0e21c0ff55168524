#include "support/proves.h"
#include "tensor/tensor_case.h"

#include <cstring>
#include <limits>

namespace chorus::testing {
namespace {

constexpr DType kNumeric[] = {DType::float32, DType::float64, DType::int64, DType::int32,
                              DType::int16,   DType::int8,    DType::uint8, DType::boolean};

TEST(Create, FilledTensors) {
  const Tensor e = empty({2, 3}, DType::float32);
  EXPECT_EQ(e.shape(), Shape({2, 3}));
  EXPECT_EQ(e.dtype(), DType::float32);
  EXPECT_EQ(e.numel(), 6);
  part_of("A-ADP-002");
  for (DType type : kNumeric) {
    expect_values(zeros({2, 3}, type), {2, 3}, std::vector<double>(6, 0.0));
    EXPECT_EQ(zeros({2, 3}, type).dtype(), type);
    expect_values(ones({2, 3}, type), {2, 3}, std::vector<double>(6, 1.0));
  }
  EXPECT_EQ(zeros({2}, DType::complex64).complex_data()[1], std::complex<float>(0, 0));
  part_of({"A-ADP-003", "A-ADP-004"});
  expect_values(full({2, 2}, 3.5), {2, 2}, {3.5, 3.5, 3.5, 3.5});
  part_of("A-ADP-005");
  EXPECT_EQ(full({3}, 7).dtype(), DType::int64);
  expect_values(full({5}, 3, DType::int4), {3, 3, 3, 3, 3});
  EXPECT_THROW(full({2}, 300, DType::int8), Error);
  EXPECT_THROW(full({2}, -1, DType::uint64), Error);
  EXPECT_THROW(zeros({2}, DType::string), Error);
  EXPECT_THROW(zeros({-1}), Error);
  EXPECT_THROW(zeros({int64_t{1} << 40, int64_t{1} << 40}), Error);
  expect_values(zeros({0, 3}), Shape({0, 3}), std::vector<double>());
}

TEST(Create, NumbersOutsideTheRangeOfIntegersStayDefined) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max(), kLeast = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(Number(std::nan("")).integer(), 0);
  EXPECT_EQ(Number(1e300).integer(), kMost);
  EXPECT_EQ(Number(0x1p63).integer(), kMost);
  EXPECT_EQ(Number(-HUGE_VAL).integer(), kLeast);
  EXPECT_EQ(Number(-2.75).integer(), -2);
  EXPECT_EQ(Number(-0x1p63).integer(), kLeast);
  expect_values(full({2}, 1e300, DType::float64), {1e300, 1e300});
  expect_values(full({1}, -HUGE_VAL), {-HUGE_VAL});
  EXPECT_THROW(full({1}, 1e300, DType::int64), Error);
  EXPECT_THROW(full({1}, std::nan(""), DType::int32), Error);
  // 15 steps of 2^60 are more than an int64 holds; every element of the range fits.
  const Tensor wide = arange(kLeast, int64_t{7} << 60, int64_t{1} << 60);
  ASSERT_EQ(wide.numel(), 15);
  EXPECT_EQ(wide.to_doubles()[14], 6 * 0x1p60);
}

TEST(Create, CopiesHaveTheirOwnMemory) {
  float source[] = {1, 2, 3, 4};
  const Tensor t(Value::tensor(DType::float32, {2, 2}, Buffer::borrow(source, sizeof source)));
  const Tensor own = copy(t);
  source[0] = 99;
  expect_values(t, {99, 2, 3, 4});
  expect_values(own, {2, 2}, {1, 2, 3, 4});
  part_of("A-ADP-006");
}

TEST(Create, FormsOfData) {
  const Tensor scalar = initialize(3.0);
  EXPECT_EQ(scalar.rank(), 0);
  EXPECT_EQ(scalar.shape(), Shape{});
  EXPECT_EQ(scalar.numel(), 1);
  EXPECT_EQ(initialize({1, 2, 3}).shape(), Shape{3});
  EXPECT_EQ(initialize({{1, 2}, {3, 4}}).shape(), Shape({2, 2}));
  EXPECT_EQ(initialize({{1, 2}, {3, 4}}).rank(), 2);
  part_of({"A-TEN-005", "A-TEN-006", "A-TEN-007"});
  for (int rank = 3; rank <= 6; ++rank) {
    const std::vector<int64_t> dims(static_cast<size_t>(rank), 2);
    const int64_t n = int64_t{1} << rank;
    const Tensor t = reshape(arange(n), Tensor(dims));
    EXPECT_EQ(t.rank(), rank);
    EXPECT_EQ(sum(t).item<int64_t>(), n * (n - 1) / 2);
  }
  part_of("A-TEN-008");
  const std::vector<float> content = {1.5F, -2, 1e-30F, 3e30F};
  const Tensor back = from_vector(content);
  EXPECT_TRUE(std::equal(content.begin(), content.end(), back.data<float>().begin()));
  proves("A-TEN-009");
}

TEST(Create, InitializeFindsShapeAndType) {
  static_assert(std::is_same_v<decltype(initialize({1, 2})), Tensor>);
  EXPECT_EQ(initialize({{1, 2, 3}, {4, 5, 6}}).shape(), Shape({2, 3}));
  EXPECT_TRUE(mentions(error_of([] { initialize(NestedList<Number>({{1}, {2, 3}})); }), "ragged"));
  EXPECT_TRUE(mentions(error_of([] { initialize(NestedList<Number>({1, {2, 3}})); }), "ragged"));
  EXPECT_TRUE(mentions(error_of([] { initialize(NestedList<Number>({{2, 3}, 1})); }), "ragged"));
  proves({"A-TEN-026", "A-TEN-027", "A-TEN-039"});
  EXPECT_EQ(initialize({1, 2}, DType::int8).type(), DType::int8);
  EXPECT_EQ(initialize({1, 2}).type(), DType::int64);
  EXPECT_EQ(initialize({1.0, 2.0}).type(), DType::float32);
  EXPECT_EQ(initialize({1, 2.5}).type(), DType::float32);
  EXPECT_EQ(initialize({true, false}).type(), DType::boolean);
  EXPECT_THROW(initialize({1, 300}, DType::int8), Error);
  EXPECT_THROW(initialize({1.5}, DType::int32), Error);
  proves({"A-TEN-028", "A-TEN-023"});
  EXPECT_EQ(zeros({2, 3, 4}).rank(), 3);
  EXPECT_EQ(zeros({2, 3, 4}).shape(), Shape({2, 3, 4}));
  proves({"A-TEN-024", "A-TEN-025"});
}

template <class T>
void expect_ends(DType type) {
  const T ends[] = {std::numeric_limits<T>::lowest(), std::numeric_limits<T>::max()};
  const Tensor t = initialize({ends[0], ends[1]}, type);
  EXPECT_EQ(t.data<T>()[0], ends[0]);
  EXPECT_EQ(t.data<T>()[1], ends[1]);
  const Tensor through = identity(t);
  EXPECT_EQ(through.data<T>()[0], ends[0]);
  EXPECT_EQ(through.data<T>()[1], ends[1]);
}

TEST(Create, ElementTypes) {
  const Tensor third = initialize({1.0 / 3});
  uint32_t bits = 0;
  std::memcpy(&bits, third.value().data(), 4);
  EXPECT_EQ(bits, 0x3EAAAAABU);
  EXPECT_EQ(dtype_bits(DType::float32), 32);
  EXPECT_EQ(parse_dtype("double"), parse_dtype("float64"));
  EXPECT_EQ(dtype_bits(DType::float64), 64);
  EXPECT_EQ(initialize({1.0 / 3}, DType::float64).data<double>()[0], 1.0 / 3);
  part_of({"A-TEN-029", "A-TEN-030"});
  expect_ends<int64_t>(DType::int64);
  expect_ends<int32_t>(DType::int32);
  expect_ends<int16_t>(DType::int16);
  expect_ends<int8_t>(DType::int8);
  expect_ends<uint8_t>(DType::uint8);
  part_of({"A-TEN-031", "A-TEN-032", "A-TEN-033", "A-TEN-034", "A-TEN-035"});
  EXPECT_EQ((initialize({1}) < initialize({2})).dtype(), DType::boolean);
  expect_values(identity(initialize({true, false})), {1, 0});
  part_of("A-TEN-037");
}

TEST(Create, Strings) {
  const Tensor t = initialize({"a", "深"}, DType::string);
  EXPECT_EQ(t.shape(), Shape{2});
  EXPECT_EQ(t.to_strings(), (std::vector<std::string>{"a", "深"}));
  EXPECT_EQ(t[1].to_strings(), std::vector<std::string>{"深"});
  EXPECT_EQ(reshape(t, {2, 1}).shape(), Shape({2, 1}));
  const Tensor grid = from_strings({2, 2}, std::vector<std::string>{"a", "b", "c", "d"});
  EXPECT_EQ(permute(grid, {1, 0}).to_strings(), (std::vector<std::string>{"a", "c", "b", "d"}));
  EXPECT_TRUE(mentions(error_of([&] { t + t; }), "string"));
  part_of("A-TEN-036");
}

TEST(Create, ComplexNumbers) {
  using C = std::complex<float>;
  const Tensor a = initialize({C(1, 2)}), b = initialize({C(3, -1)});
  EXPECT_EQ(a.dtype(), DType::complex64);
  EXPECT_EQ(dtype_bits(a.dtype()), 64);
  EXPECT_EQ((a * b).complex_data()[0], C(5, 5));
  EXPECT_EQ((a + b).complex_data()[0], C(4, 1));
  EXPECT_EQ((a - b).complex_data()[0], C(-2, 3));
  EXPECT_EQ(((a * b) / b).complex_data()[0], C(1, 2));
  EXPECT_EQ((a * 2.0F).complex_data()[0], C(2, 4));
  EXPECT_TRUE((a == a).item<bool>());
  EXPECT_FALSE((a == b).item<bool>());
  part_of("A-TEN-038");
}

TEST(Create, Ranges) {
  expect_values(arange(5), {0, 1, 2, 3, 4});
  expect_values(arange(5, 0, -2), {5, 3, 1});
  expect_values(arange(0.0, 1.0, 0.25), {0, 0.25, 0.5, 0.75});
  EXPECT_EQ(arange(0.0, 1.0, 0.25).dtype(), DType::float32);
  EXPECT_EQ(arange(3, 3).numel(), 0);
  EXPECT_THROW(arange(0, 5, 0), Error);
  EXPECT_THROW(arange(0.0, 1e18, 1e-9), Error);
}

struct Moments {
  double mean, variance, least, most;
};
Moments moments(const Tensor& t) {
  const std::vector<double> v = t.to_doubles();
  double total = 0;
  for (double x : v) total += x;
  Moments m{total / static_cast<double>(v.size()), 0, v[0], v[0]};
  for (double x : v) {
    m.variance += (x - m.mean) * (x - m.mean);
    m.least = std::min(m.least, x);
    m.most = std::max(m.most, x);
  }
  m.variance /= static_cast<double>(v.size());
  return m;
}

TEST(Random, Uniform) {
  Generator g(42), same(42), other(43);
  const Tensor t = rand({1000000}, g);
  const Moments m = moments(t);
  EXPECT_NEAR(m.mean, 0.5, 0.002);
  EXPECT_NEAR(m.variance, 1.0 / 12, 0.001);
  EXPECT_GE(m.least, 0);
  EXPECT_LT(m.most, 1);
  EXPECT_TRUE(t.value().identical(rand({1000000}, same).value()));
  EXPECT_FALSE(t.value().identical(rand({1000000}, other).value()));
  EXPECT_FALSE(t.value().identical(rand({1000000}, g).value()));
  for (DType type : {DType::float16, DType::bfloat16, DType::float64})
    EXPECT_LT(moments(rand({100000}, g, type)).most, 1);
  proves({"A-ADP-007", "A-TEN-010"});
}

TEST(Random, Normal) {
  Generator g(7);
  const Moments m = moments(randn({1000000}, g));
  EXPECT_NEAR(m.mean, 0, 0.005);
  EXPECT_NEAR(std::sqrt(m.variance), 1, 0.005);
  EXPECT_NEAR(m.variance, 1, 0.01);
  proves({"A-ADP-009", "A-TEN-012"});
}

TEST(Random, Binomial) {
  Generator g(3);
  const Tensor t = binomial(10, 0.3, {1000000}, g);
  EXPECT_TRUE(is_integer(t.dtype()));
  const Moments m = moments(t);
  EXPECT_NEAR(m.mean, 3, 0.01);
  EXPECT_NEAR(m.variance, 2.1, 0.02);
  EXPECT_EQ(m.least, 0);
  EXPECT_LE(m.most, 10);
  EXPECT_THROW(binomial(10, 1.5, {2}, g), Error);
  proves("A-ADP-008");
}

TEST(Random, Integers) {
  Generator g(5);
  const Tensor t = randint(3, 7, {100000}, g);
  std::vector<int64_t> counts(10);
  for (int64_t v : t.to_int64s()) {
    ASSERT_GE(v, 3);
    ASSERT_LT(v, 7);
    ++counts[static_cast<size_t>(v)];
  }
  for (size_t v = 3; v < 7; ++v) EXPECT_NEAR(static_cast<double>(counts[v]) / 100000, 0.25, 0.01);
  EXPECT_THROW(randint(3, 3, {2}, g), Error);
  EXPECT_THROW(randint(0, 1000, {2}, g, DType::int8), Error);
  proves("A-TEN-011");
}

}  // namespace
}  // namespace chorus::testing
