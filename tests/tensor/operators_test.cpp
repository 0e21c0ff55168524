#include "support/proves.h"
#include "tensor/tensor_case.h"

#include <fstream>
#include <limits>
#include <numbers>
#include <regex>

namespace chorus::testing {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();
constexpr double kPi = std::numbers::pi;
constexpr double kClose = 1e-5;

void expect_bools(const Tensor& got, const std::vector<double>& wanted) {
  EXPECT_EQ(got.dtype(), DType::boolean);
  expect_values(got, wanted);
}

TEST(Operators, Logic) {
  const Tensor a = initialize({1, 1, 0, 0}), b = initialize({1, 0, 1, 0});
  expect_bools(logical_and(a, b), {1, 0, 0, 0});
  expect_bools(logical_or(a, b), {1, 1, 1, 0});
  expect_bools(logical_not(initialize({1, 0})), {0, 1});
  expect_bools(logical_xor(a, b), {0, 1, 1, 0});
  part_of({"A-ADP-010", "A-ADP-011", "A-ADP-012", "A-ADP-013"});
}

TEST(Operators, Trigonometry) {
  for (DType type : {DType::float32, DType::float64}) {
    const double close = type == DType::float32 ? kClose : 1e-12;
    const auto of = [&](std::initializer_list<NestedList<Number>> v) {
      return initialize(NestedList<Number>(v), type);
    };
    expect_values(sin(of({0, kPi / 6, kPi / 2})), {0, 0.5, 1}, close);
    expect_values(cos(of({0, kPi / 3, kPi})), {1, 0.5, -1}, close);
    expect_values(tan(of({0, kPi / 4})), {0, 1}, close);
    expect_values(asin(of({0, 0.5, 1, 2})), {0, kPi / 6, kPi / 2, kNan}, close);
    expect_values(acos(of({1, 0.5, 0, 2})), {0, kPi / 3, kPi / 2, kNan}, close);
    expect_values(atan(of({0, 1})), {0, kPi / 4}, close);
    expect_values(sinh(of({1})), {std::sinh(1.0)}, close);
    expect_values(cosh(of({1})), {std::cosh(1.0)}, close);
    expect_values(tanh(of({1})), {std::tanh(1.0)}, close);
  }
  EXPECT_EQ(sin(initialize({0, 1})).dtype(), DType::float32);
  part_of({"A-ADP-014", "A-ADP-015", "A-ADP-016", "A-ADP-017", "A-ADP-018", "A-ADP-019", "A-ADP-020", "A-ADP-021",
           "A-ADP-022"});
}

TEST(Operators, Comparisons) {
  const Tensor a = initialize({1, 2, 3}), b = initialize({2, 2, 2}), nan = initialize({kNan}), one = initialize({1.0});
  expect_bools(a > b, {0, 0, 1});
  expect_bools(a < b, {1, 0, 0});
  expect_bools(a == b, {0, 1, 0});
  expect_bools(a <= b, {1, 1, 0});
  expect_bools(a >= b, {0, 1, 1});
  expect_bools(a != b, {1, 0, 1});
  expect_bools(nan == nan, {0});
  expect_bools(nan <= one, {0});
  expect_bools(nan >= one, {0});
  const Tensor c = initialize({std::complex<float>(1, 2)});
  EXPECT_TRUE(mentions(error_of([&] { (void)(c > c); }), "complex64"));
  EXPECT_THROW((void)(c <= c), Error);
  part_of({"A-ADP-023", "A-ADP-024", "A-ADP-025", "A-ADP-026", "A-ADP-027", "A-ADP-028"});
}

TEST(Operators, Arithmetic) {
  const Tensor a = initialize({1, 2}), b = initialize({3, 4});
  static_assert(std::is_same_v<decltype(a + b), Tensor>);
  expect_values(a + b, {4, 6});
  proves("A-TEN-002");
  expect_values(a - initialize({3, 5}), {-2, -3});
  expect_values(a * b, {3, 8});
  const Tensor ratio = initialize({1, 2}, DType::int32) / initialize({4, 4}, DType::int32);
  EXPECT_EQ(ratio.dtype(), DType::float32);
  expect_values(ratio, {0.25, 0.5});
  expect_values(initialize({1.0}) / initialize({0.0}), {kInf});
  expect_values(-initialize({1, -2}), {-1, 2});
  EXPECT_TRUE(mentions(error_of([&] { a + initialize({1, 2, 3}); }), "Add"));
  expect_values(square(initialize({-3, 2})), {9, 4});
  expect_values(sqrt(initialize({4, 9, -1})), {2, 3, kNan});
  EXPECT_EQ(sqrt(initialize({4, 9})).dtype(), DType::float32);
  expect_values(exp(initialize({0, 1})), {1, std::numbers::e}, kClose);
  expect_values(log(initialize({1.0, std::numbers::e, 0.0, -1.0})), {0, 1, -kInf, kNan}, kClose);
  part_of({"A-ADP-029", "A-ADP-030", "A-ADP-031", "A-ADP-032", "A-TEN-016", "A-TEN-017", "A-TEN-018", "A-TEN-019",
           "A-TEN-020", "A-TEN-021", "A-TEN-022"});
}

TEST(Operators, TypesArePromotedByOneRule) {
  const auto of = [](DType type) { return ones({2}, type); };
  EXPECT_EQ((of(DType::int8) + of(DType::uint8)).dtype(), DType::int16);
  EXPECT_EQ((of(DType::uint32) + of(DType::int8)).dtype(), DType::int64);
  EXPECT_EQ((of(DType::int64) + of(DType::float32)).dtype(), DType::float32);
  EXPECT_EQ((of(DType::float32) + of(DType::float64)).dtype(), DType::float64);
  EXPECT_EQ((of(DType::float16) + of(DType::bfloat16)).dtype(), DType::float32);
  EXPECT_EQ((of(DType::int32) + of(DType::float16)).dtype(), DType::float16);
  EXPECT_EQ((of(DType::int8) + 1).dtype(), DType::int8);
  EXPECT_EQ((of(DType::int8) + 1.5).dtype(), DType::float32);
  EXPECT_EQ((of(DType::float64) * 0.1).dtype(), DType::float64);
  EXPECT_EQ((of(DType::float64) * 0.1).data<double>()[0], 0.1);
  EXPECT_EQ(sum(of(DType::boolean)).dtype(), DType::int64);
  EXPECT_THROW(of(DType::int8) + 300, Error);
  EXPECT_TRUE(mentions(error_of([&] { of(DType::boolean) + of(DType::boolean); }), "bool"));
  EXPECT_THROW(of(DType::boolean) * of(DType::boolean), Error);
  EXPECT_THROW(of(DType::boolean) / of(DType::boolean), Error);
  // int16 is no type of ReduceMax: it is widened and comes back.
  const Tensor narrow = max(initialize({{1, 2}, {3, 4}}, DType::int16));
  EXPECT_EQ(narrow.dtype(), DType::int16);
  expect_values(narrow, Shape{}, {4});
  EXPECT_EQ(matmul(ones({2, 2}, DType::int8), ones({2, 2}, DType::int8)).dtype(), DType::int8);
}

TEST(Operators, PromotionIsCommutativeAndKeepsValues) {
  const DType types[] = {DType::boolean, DType::int8,  DType::uint8,   DType::int16,   DType::uint16,   DType::int32,
                         DType::uint32,  DType::int64, DType::float32, DType::float64, DType::complex64};
  for (DType a : types) {
    EXPECT_EQ(promote_types(a, a), a);
    for (DType b : types) {
      EXPECT_EQ(promote_types(a, b), promote_types(b, a)) << dtype_name(a) << " " << dtype_name(b);
      for (DType c : types) {
        EXPECT_EQ(promote_types(promote_types(a, b), c), promote_types(a, promote_types(b, c)))
            << dtype_name(a) << " " << dtype_name(b) << " " << dtype_name(c);
      }
    }
  }
}

TEST(Operators, Aggregation) {
  const Tensor x = initialize({{1, 2}, {3, 4}}), y = initialize({1.0, kNan, 2.0});
  expect_values(max(x), Shape{}, {4});
  expect_values(max(x, {0}), {2}, {3, 4});
  expect_values(max(y), {kNan});
  expect_values(min(x), Shape{}, {1});
  expect_values(min(x, {0}), {2}, {1, 2});
  expect_values(min(y), {kNan});
  expect_values(sum(x), Shape{}, {10});
  expect_values(sum(x, {0}), {2}, {4, 6});
  const Tensor wide = sum(initialize({100, 100}, DType::int8));
  EXPECT_EQ(wide.dtype(), DType::int64);
  expect_values(wide, {200});
  expect_values(mean(initialize({{1.0, 2.0}, {3.0, 4.0}})), Shape{}, {2.5});
  expect_values(mean(initialize({{1.0, 2.0}, {3.0, 4.0}}), {0}), {2}, {2, 3});
  const Tensor half = mean(initialize({1, 2}, DType::int32));
  EXPECT_EQ(half.dtype(), DType::float32);
  expect_values(half, {1.5});
  expect_values(sum(x, {0}, 1), {1, 2}, {4, 6});
  part_of({"A-ADP-038", "A-ADP-039", "A-ADP-040", "A-ADP-041"});
}

TEST(Operators, ActivationsAndMatrices) {
  expect_values(sigmoid(initialize({0.0, 1.0})), {0.5, 1 / (1 + std::exp(-1.0))}, kClose);
  expect_values(relu(initialize({-1, 0, 2})), {0, 0, 2});
  expect_values(tanh(initialize({0.0, 1.0})), {0, std::tanh(1.0)}, kClose);
  part_of({"A-ADP-042", "A-ADP-043", "A-ADP-044"});
  expect_values(matmul(initialize({{1, 2}, {3, 4}}), initialize({{5, 6}, {7, 8}})), {2, 2}, {19, 22, 43, 50});
  EXPECT_TRUE(mentions(error_of([] { matmul(zeros({2, 3}), zeros({4, 2})); }), "MatMul"));
  part_of("A-ADP-045");
}

TEST(Operators, ShapesOfData) {
  expect_values(reshape(arange(6), {3, 2}), {3, 2}, {0, 1, 2, 3, 4, 5});
  expect_values(concat({initialize({1, 2}), initialize({3, 4})}, 0), {4}, {1, 2, 3, 4});
  expect_values(stack({initialize({1, 2}), initialize({3, 4})}, 0), {2, 2}, {1, 2, 3, 4});
  const std::vector<Tensor> parts = split(arange(6), 3, 0);
  ASSERT_EQ(parts.size(), 3U);
  for (int i = 0; i < 3; ++i) expect_values(parts[static_cast<size_t>(i)], {2}, {2.0 * i, 2.0 * i + 1});
  expect_values(concat(parts, 0), {0, 1, 2, 3, 4, 5});
  part_of({"A-ADP-046", "A-ADP-047", "A-ADP-048", "A-ADP-049"});
  EXPECT_EQ(zeros({2, 3}).shape(), Shape({2, 3}));
  EXPECT_EQ(initialize(1).shape(), Shape{});
  EXPECT_EQ(zeros({1}, DType::int16).dtype(), DType::int16);
  EXPECT_EQ(zeros({1}).device().str(), "cpu");
  part_of({"A-ADP-033", "A-ADP-034", "A-ADP-035"});
}

TEST(Operators, Conversions) {
  const Tensor cut = initialize({1.7, -1.7}).to(DType::int64);
  EXPECT_EQ(cut.dtype(), DType::int64);
  expect_values(cut, {1, -1});
  const DType types[] = {DType::float16, DType::bfloat16, DType::float32, DType::float64, DType::int8,
                         DType::uint8,   DType::int16,    DType::uint16,  DType::int32,   DType::uint32,
                         DType::int64,   DType::uint64,   DType::boolean};
  for (DType from : types) {
    for (DType to : types) {
      const Tensor x = initialize({0, 1, 1}, from), y = x.to(to).to(from);
      EXPECT_TRUE(x.value().identical(y.value())) << dtype_name(from) << " " << dtype_name(to);
    }
  }
  part_of("A-ADP-036");
  const Tensor here = zeros({2});
  EXPECT_TRUE(here.to(Device{}).value().identical(here.value()));
  EXPECT_TRUE(mentions(error_of([&] { here.to(Device{DeviceKind::cuda, 3}); }), "cuda:3"));
  part_of("A-ADP-037");
}

// Every parameter that carries data is a Tensor; the rest are attributes.
TEST(Operators, FunctionsTakeAndGiveTensors) {
  std::ifstream in("gen/include/chorus/ops.h");
  ASSERT_TRUE(in.good());
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::regex declaration(R"(CHORUS_API (Tensor|std::vector<Tensor>|std::array<Tensor, \d+>)\s+\w+\(([^;]*)\);)");
  int functions = 0;
  for (auto it = std::sregex_iterator(text.begin(), text.end(), declaration); it != std::sregex_iterator(); ++it) {
    ++functions;
    const std::string parameters = (*it)[2].str();
    EXPECT_EQ(parameters.find("Value"), std::string::npos) << parameters;
    EXPECT_EQ(parameters.find("void"), std::string::npos) << parameters;
  }
  size_t all = 0;
  for (size_t at = text.find("CHORUS_API "); at != std::string::npos; at = text.find("CHORUS_API ", at + 1)) ++all;
  EXPECT_EQ(static_cast<size_t>(functions), all);
  EXPECT_GT(functions, 190);
  proves({"A-TEN-001", "A-TEN-004"});
}

}  // namespace
}  // namespace chorus::testing
