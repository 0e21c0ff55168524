// The operators of the unified interface on every engine: the acceptance of the requirement rows A-ADP, natively and by
// PyTorch, TensorFlow, PaddlePaddle and MindSpore. A row is proved where all of them are installed.
#include <chorus/autograd.h>
#include <engine/registry/registry.h>

#include <numbers>
#include <set>

#include "engine/engine_case.h"
#include "support/proves.h"
#include "tensor/tensor_case.h"

namespace chorus::testing {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();
constexpr double kPi = std::numbers::pi, kClose = 1e-5;
constexpr const char* kFrameworks[] = {"torch", "tensorflow", "paddle", "mindspore"};

class AdapterRows : public ::testing::Test {
 protected:
  /// Runs `body` on every engine that is here, then says what is proved by it.
  void on_every_engine(std::initializer_list<const char*> rows, void (*body)()) {
    for (const std::string& name : engines_) {
      SCOPED_TRACE(name);
      Evaluator evaluator(open_complete_engine(name));
      const EvaluateOn scope(evaluator);
      body();
    }
    engines_.size() == 1 + std::size(kFrameworks) ? proves(rows) : part_of(rows);
  }
  void SetUp() override {
    std::set<std::string> here;
    for (const EngineInfo& info : list_engines()) {
      if (info.available && !kSanitized) here.insert(info.name);
    }
    for (const char* name : kFrameworks) {
      if (here.count(name) > 0) engines_.emplace_back(name);
    }
  }
  std::vector<std::string> engines_{"native"};
};

Tensor of(std::initializer_list<NestedList<Number>> v, DType type = DType::undefined) {
  return initialize(NestedList<Number>(v), type);
}
Tensor reals(std::initializer_list<NestedList<Number>> v) { return of(v, DType::float32); }
void expect_bools(const Tensor& got, const std::vector<double>& wanted) {
  EXPECT_EQ(got.dtype(), DType::boolean);
  expect_values(got, wanted);
}

// Numeric types of A-TEN-029 … 038 that have an order or a value 1: whole numbers, bool, floats and complex numbers.
constexpr DType kNumeric[] = {DType::float16, DType::float32, DType::float64, DType::int8,
                              DType::int16,   DType::int32,   DType::int64,   DType::uint8,
                              DType::boolean, DType::uint16,  DType::uint32,  DType::uint64};

TEST_F(AdapterRows, FilledTensors) {
  on_every_engine({"A-ADP-002", "A-ADP-003", "A-ADP-004", "A-ADP-005", "A-ADP-006"}, [] {
    const Tensor e = empty({2, 3}, DType::float32);
    e.eval();
    EXPECT_EQ(e.shape(), Shape({2, 3}));
    EXPECT_EQ(e.dtype(), DType::float32);
    EXPECT_EQ(e.numel(), 6);
    for (const DType type : kNumeric) {
      SCOPED_TRACE(dtype_name(type));
      expect_values(zeros({2, 3}, type), {2, 3}, std::vector<double>(6, 0));
      EXPECT_EQ(zeros({2, 3}, type).eval().dtype(), type);
    }
    for (const DType type : {DType::complex64, DType::complex128}) {
      const Value zero = zeros({2, 3}, type).value();
      ASSERT_EQ(zero.dtype(), type);
      const auto* bytes = static_cast<const char*>(zero.data());
      EXPECT_TRUE(std::all_of(bytes, bytes + zero.bytes(), [](char b) { return b == 0; }));
    }
    expect_values(ones({2, 3}), {2, 3}, std::vector<double>(6, 1));
    expect_values(full({2, 2}, 3.5), {2, 2}, {3.5, 3.5, 3.5, 3.5});
    float source[] = {1, 2, 3, 4};
    const Tensor from(Value::tensor(DType::float32, {2, 2}, Buffer::borrow(source, sizeof source)));
    const Tensor own = copy(from);
    expect_values(own, {2, 2}, {1, 2, 3, 4});
    source[0] = 99;
    expect_values(own, {2, 2}, {1, 2, 3, 4});
    EXPECT_NE(own.value().data(), from.value().data());
  });
}

TEST_F(AdapterRows, Logic) {
  on_every_engine({"A-ADP-010", "A-ADP-011", "A-ADP-012", "A-ADP-013"}, [] {
    const Tensor a = of({1, 1, 0, 0}), b = of({1, 0, 1, 0});
    expect_bools(logical_and(a, b), {1, 0, 0, 0});
    expect_bools(logical_or(a, b), {1, 1, 1, 0});
    expect_bools(logical_not(of({1, 0})), {0, 1});
    expect_bools(logical_xor(a, b), {0, 1, 1, 0});
  });
}

TEST_F(AdapterRows, Trigonometry) {
  on_every_engine({"A-ADP-014", "A-ADP-015", "A-ADP-016", "A-ADP-017", "A-ADP-018", "A-ADP-019", "A-ADP-020",
                   "A-ADP-021", "A-ADP-022"},
                  [] {
                    expect_values(sin(reals({0, kPi / 6, kPi / 2})), {0, 0.5, 1}, kClose);
                    expect_values(cos(reals({0, kPi / 3, kPi})), {1, 0.5, -1}, kClose);
                    expect_values(tan(reals({0, kPi / 4})), {0, 1}, kClose);
                    expect_values(asin(reals({0, 0.5, 1, 2})), {0, 0.523599, 1.570796, kNan}, kClose);
                    expect_values(acos(reals({1, 0.5, 0, 2})), {0, 1.047198, 1.570796, kNan}, kClose);
                    expect_values(atan(reals({0, 1})), {0, 0.785398}, kClose);
                    expect_values(sinh(reals({1})), {1.175201}, kClose);
                    expect_values(cosh(reals({1})), {1.543081}, kClose);
                    expect_values(tanh(reals({1})), {0.761594}, kClose);
                  });
}

TEST_F(AdapterRows, Comparisons) {
  on_every_engine({"A-ADP-024", "A-ADP-025", "A-ADP-026", "A-ADP-027", "A-ADP-028"}, [] {
    const Tensor a = of({1, 2, 3}), b = of({2, 2, 2}), nan = reals({kNan}), one = reals({1.0});
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
  });
}

TEST_F(AdapterRows, Powers) {
  on_every_engine({"A-ADP-029", "A-ADP-030", "A-ADP-031", "A-ADP-032"}, [] {
    expect_values(square(reals({-3, 2})), {9, 4}, kClose);
    expect_values(square(of({-3, 2})), {9, 4});
    expect_values(sqrt(reals({4, 9, -1})), {2, 3, kNan}, kClose);
    expect_values(exp(reals({0, 1})), {1, 2.718282}, kClose);
    expect_values(log(reals({1.0, std::numbers::e, 0.0, -1.0})), {0, 1, -kInf, kNan}, kClose);
  });
}

TEST_F(AdapterRows, Arithmetic) {
  on_every_engine({"A-TEN-016", "A-TEN-017", "A-TEN-018", "A-TEN-019", "A-TEN-020", "A-TEN-021", "A-TEN-022"}, [] {
    for (const DType type : {DType::float32, DType::int32}) {
      const Tensor a = of({1, 2}, type);
      expect_values(-of({1, -2}, type), {-1, 2});
      expect_values(sqrt(of({4, 9}, type)), {2, 3}, kClose);
      expect_values(square(of({-3}, type)), {9});
      expect_values(a + of({3, 4}, type), {4, 6});
      expect_values(a - of({3, 5}, type), {-2, -3});
      expect_values(a * of({3, 4}, type), {3, 8});
      const Tensor ratio = a / of({4, 4}, type);
      EXPECT_EQ(ratio.eval().dtype(), DType::float32);
      expect_values(ratio, {0.25, 0.5});
    }
    EXPECT_TRUE(mentions(error_of([] { (reals({1, 2}) + reals({1, 2, 3})).eval(); }), "Add"));
    expect_values(reals({1.0}) / reals({0.0}), {kInf});
  });
}

TEST_F(AdapterRows, FactsOfTensors) {
  on_every_engine({"A-ADP-033", "A-ADP-034", "A-ADP-035"}, [] {
    EXPECT_EQ(zeros({2, 3}).eval().shape(), Shape({2, 3}));
    EXPECT_EQ(initialize(1).eval().shape(), Shape{});
    EXPECT_EQ(zeros({1}, DType::int16).eval().dtype(), DType::int16);
    EXPECT_EQ(zeros({1}).device().str(), "cpu");
    EXPECT_EQ((zeros({1}) + ones({1})).eval().device().str(), "cpu");
  });
}

TEST_F(AdapterRows, TypesAreConverted) {
  on_every_engine({"A-ADP-036"}, [] {
    const Tensor cut = reals({1.7, -1.7}).to(DType::int64);
    EXPECT_EQ(cut.dtype(), DType::int64);
    expect_values(cut, {1, -1});
    const DType types[] = {DType::float16, DType::bfloat16, DType::float32, DType::float64, DType::int8,
                           DType::uint8,   DType::int16,    DType::uint16,  DType::int32,   DType::uint32,
                           DType::int64,   DType::uint64,   DType::boolean};
    for (const DType from : types) {
      for (const DType to : types) {
        // Numbers that both hold; bool holds 0 and 1 alone, and 100 and -100 what has a sign or room.
        std::vector<double> numbers{0, 1};
        if (from != DType::boolean && to != DType::boolean) numbers.push_back(100);
        const bool whole_from =
            from == DType::uint8 || from == DType::uint16 || from == DType::uint32 || from == DType::uint64;
        const bool whole_to = to == DType::uint8 || to == DType::uint16 || to == DType::uint32 || to == DType::uint64;
        if (numbers.size() == 3 && !whole_from && !whole_to) numbers.push_back(-100);
        const Tensor x = from_data<double>(Shape{static_cast<int64_t>(numbers.size())}, numbers).to(from);
        const Tensor there = x.to(to), back = there.to(from);
        EXPECT_EQ(there.eval().dtype(), to);
        expect_values(there, numbers);
        EXPECT_EQ(back.eval().dtype(), from);
        expect_values(back, numbers);
      }
    }
  });
}

TEST_F(AdapterRows, Aggregation) {
  on_every_engine({"A-ADP-038", "A-ADP-039", "A-ADP-040", "A-ADP-041"}, [] {
    const Tensor x = of({{1, 2}, {3, 4}}), y = reals({1.0, kNan, 2.0});
    for (const Tensor& m : {x, x.to(DType::float32)}) {
      expect_values(max(m), Shape{}, {4});
      expect_values(max(m, {0}), {2}, {3, 4});
      expect_values(min(m), Shape{}, {1});
      expect_values(min(m, {0}), {2}, {1, 2});
      expect_values(sum(m), Shape{}, {10});
      expect_values(sum(m, {0}), {2}, {4, 6});
      expect_values(mean(m), Shape{}, {2.5});
      expect_values(mean(m, {0}), {2}, {2, 3});
    }
    expect_values(max(y), {kNan});
    expect_values(min(y), {kNan});
    const Tensor wide = sum(of({100, 100}, DType::int8));
    EXPECT_EQ(wide.eval().dtype(), DType::int64);
    expect_values(wide, {200});
    const Tensor half = mean(of({1, 2}, DType::int32));
    EXPECT_EQ(half.eval().dtype(), DType::float32);
    expect_values(half, {1.5});
  });
}

std::vector<double> slope(Tensor (*f)(const Tensor&), std::initializer_list<NestedList<Number>> at) {
  const Tensor x = requires_grad(reals(at));
  return grad(sum(f(x)), x).to_doubles();
}

TEST_F(AdapterRows, Activations) {
  on_every_engine({"A-ADP-042", "A-ADP-043", "A-ADP-044"}, [] {
    expect_values(sigmoid(reals({0, 1})), {0.5, 0.731059}, kClose);
    expect_values(relu(reals({-1, 0, 2})), {0, 0, 2});
    expect_values(tanh(reals({0, 1})), {0, 0.761594}, kClose);
    EXPECT_NEAR(slope([](const Tensor& t) { return sigmoid(t); }, {0})[0], 0.25, kClose);
    EXPECT_EQ(slope([](const Tensor& t) { return relu(t); }, {-1, 0, 2}), (std::vector<double>{0, 0, 1}));
    EXPECT_NEAR(slope([](const Tensor& t) { return tanh(t); }, {0})[0], 1, kClose);
  });
}

TEST_F(AdapterRows, MatricesAndParts) {
  on_every_engine({"A-ADP-045", "A-ADP-046", "A-ADP-047", "A-ADP-048", "A-ADP-049"}, [] {
    for (const DType type : {DType::float32, DType::int64}) {
      expect_values(matmul(of({{1, 2}, {3, 4}}, type), of({{5, 6}, {7, 8}}, type)), {2, 2}, {19, 22, 43, 50});
    }
    EXPECT_TRUE(mentions(error_of([] { matmul(zeros({2, 3}), zeros({4, 2})).eval(); }), "MatMul"));
    expect_values(reshape(arange(6), {3, 2}), {3, 2}, {0, 1, 2, 3, 4, 5});
    expect_values(concat({of({1, 2}), of({3, 4})}, 0), {4}, {1, 2, 3, 4});
    expect_values(stack({of({1, 2}), of({3, 4})}, 0), {2, 2}, {1, 2, 3, 4});
    const std::vector<Tensor> parts = split(arange(6), 3, 0);
    ASSERT_EQ(parts.size(), 3U);
    for (int i = 0; i < 3; ++i) expect_values(parts[static_cast<size_t>(i)], {2}, {2.0 * i, 2.0 * i + 1});
    expect_values(concat(parts, 0), {6}, {0, 1, 2, 3, 4, 5});
  });
}

}  // namespace
}  // namespace chorus::testing
