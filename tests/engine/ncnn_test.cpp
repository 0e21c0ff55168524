// ncnn through the plug-in interface. Truth: numbers computed here in double, and properties. See InstalledEngine.
#include <cmath>

#include "engine/engine_case.h"

namespace chorus {
namespace {

using testing::GraphCase;
using testing::message_of;
using testing::model_of;
using testing::noise;

class Ncnn : public testing::InstalledEngine {
 protected:
  Ncnn() : InstalledEngine("ncnn") {}
};

// y = relu(conv(x, w)), 3×3 with padding 1, for each of a batch, in double.
double convolved(const Value& x, const Value& w, int64_t n, int64_t o, int64_t row, int64_t column) {
  const Shape& s = x.shape();
  double sum = 0;
  for (int64_t i = 0; i < s[1]; ++i) {
    for (int64_t a = 0; a < 3; ++a) {
      for (int64_t b = 0; b < 3; ++b) {
        const int64_t y = row + a - 1, z = column + b - 1;
        if (y < 0 || z < 0 || y >= s[2] || z >= s[3]) continue;
        sum += static_cast<double>(x.as<float>()[static_cast<size_t>(((n * s[1] + i) * s[2] + y) * s[3] + z)]) *
               w.as<float>()[static_cast<size_t>(((o * s[1] + i) * 3 + a) * 3 + b)];
      }
    }
  }
  return std::max(sum, 0.0);
}

// 16 and 64 channels in 8 and more rows are what ncnn computes by Winograd's method.
TEST_F(Ncnn, ConvolutionOfAnyBatchAndSize) {
  GraphCase c;
  const Value w = noise(Shape{16, 16, 3, 3}, 3);
  const Attributes pads = {{"pads", std::vector<int64_t>{1, 1, 1, 1}}};
  c.out(c.op("Relu", {c.op("Conv", {c.in("x", {Dim::symbol("n"), 16, Dim::symbol("h"), 20}), c.constant(w)}, pads)}),
        "y");
  const Model model = model_of(c);
  for (int threads : {1, 3}) {
    CompileOptions options;
    options.threads = threads;
    const auto program = engine_->compile(model, options);
    const auto instance = program->instance();
    for (const auto& [n, h] : {std::pair<int64_t, int64_t>{1, 20}, {3, 5}, {1, 1}, {1, 20}}) {
      const Value x = noise(Shape{n, 16, h, 20}, static_cast<uint64_t>(n * 100 + h));
      std::vector<Value> y(1);
      instance->run(std::vector<Value>{x}, y, {});
      ASSERT_EQ(y[0].shape(), Shape({n, 16, h, 20}));
      double largest = 0, worst = 0;
      for (int64_t i = 0; i < y[0].numel(); ++i) {
        const double wanted = convolved(x, w, i / (16 * h * 20), i / (h * 20) % 16, i / 20 % h, i % 20);
        largest = std::max(largest, std::abs(wanted));
        worst = std::max(worst, std::abs(wanted - y[0].as<float>()[static_cast<size_t>(i)]));
      }
      EXPECT_LT(worst, 1e-5 * largest);
    }
  }
}

TEST_F(Ncnn, RowsOfATableByIntegerInputs) {
  GraphCase c;
  const Value table = noise(Shape{5, 3}, 1);
  c.out(c.op("Gather", {c.constant(table), c.in("ids", {4}, DType::int64)}), "y");
  const Value y = run(c, {Value::of<int64_t>({4}, {4, 0, -1, 2})})[0];
  const int64_t rows[] = {4, 0, 4, 2};
  for (size_t i = 0; i < 12; ++i)
    EXPECT_EQ(y.as<float>()[i], table.as<float>()[static_cast<size_t>(rows[i / 3]) * 3 + i % 3]);
  Code code = Code::ok;
  EXPECT_NE(message_of(
                [&] {
                  run(c, {Value::of<int64_t>({4}, {0, 0, 5, 0})});
                },
                &code)
                .find("index 5 is outside"),
            std::string::npos);
  EXPECT_EQ(code, Code::bad_input);
}

// Integers that are only moved pass through float32; what it cannot hold is an error, not another number.
TEST_F(Ncnn, CarriesIntegersExactlyOrNotAtAll) {
  GraphCase c;
  c.out(c.op("Transpose", {c.in("x", {2, 3}, DType::int64)}), "y");
  const Value y = run(c, {Value::of<int64_t>({2, 3}, {1, -2, 3, 16777216, 5, -16777216})})[0];
  EXPECT_TRUE(y.identical(Value::of<int64_t>({3, 2}, {1, 16777216, -2, 5, 3, -16777216})));
  Code code = Code::ok;
  EXPECT_NE(message_of(
                [&] {
                  run(c, {Value::of<int64_t>({2, 3}, {0, 0, 0, 16777217, 0, 0})});
                },
                &code)
                .find("16777217"),
            std::string::npos);
  EXPECT_EQ(code, Code::unsupported);
}

TEST_F(Ncnn, RefusesWithASentence) {
  const Model model = testing::one_node("Det", 1, {3, 3});
  EXPECT_NE(message_of([&] { engine_->compile(model, {}); }).find("ncnn: Det: it has no layer for Det"),
            std::string::npos);
}

}  // namespace
}  // namespace chorus
