// Where PyTorch means something else than ONNX: one case for each row of the mapping that says so, with the answer worked out by hand. Each fails
// when the row calls PyTorch without its conversion.
#include "engine/differences.h"

#include <cmath>
#include <set>

namespace chorus {
namespace {

using testing::GraphCase;
using testing::message_of;

// Tested below by themselves.
const std::set<std::string_view> kElsewhere = {"Sign", "Squeeze", "NegativeLogLikelihoodLoss",
                                               "SoftmaxCrossEntropyLoss"};

class TorchDifferences : public testing::InstalledEngine {
 protected:
  TorchDifferences() : InstalledEngine("torch") {}
};

TEST_F(TorchDifferences, AreConverted) { testing::expect_converted(*engine_, testing::kDifferences, false); }

// A row that speaks of a difference needs a case here.
TEST_F(TorchDifferences, EachHasACase) {
  std::set<std::string_view> cases = kElsewhere;
  for (const testing::Difference& d : testing::kDifferences) cases.insert(d.op);
  int seen = 0;
  EXPECT_EQ(testing::without_case(*engine_, cases, seen), "");
  EXPECT_GT(seen, 60);
}

TEST_F(TorchDifferences, SignKeepsNan) {
  GraphCase c;
  c.out(c.op("Sign", {c.in("x", {2})}), "y");
  const Value y = run(c, {Value::of<float>(Shape{2}, {std::nanf(""), -3.0F})})[0];
  EXPECT_TRUE(std::isnan(y.as<float>()[0]));
  EXPECT_EQ(y.as<float>()[1], -1);
}

TEST_F(TorchDifferences, SqueezeOfALongAxisIsAnError) {
  GraphCase c;
  c.out(c.op("Squeeze", {c.in("x", {Dim::symbol("n"), 2}), c.ints({0})}), "y");
  Code code = Code::ok;
  message_of([&] { run(c, {testing::noise(Shape{3, 2})}); }, &code);
  EXPECT_EQ(code, Code::bad_input);
}

TEST_F(TorchDifferences, NoLabelIsIgnoredUnasked) {
  for (const char* op : {"NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"}) {
    GraphCase c;
    c.out(c.op(op, {c.in("x", {2, 3}), c.in("labels", {2}, DType::int64)}), "y");
    Code code = Code::ok;
    message_of([&] { run(c, {testing::noise(Shape{2, 3}), Value::of<int64_t>(Shape{2}, {-100, 1})}); }, &code);
    EXPECT_EQ(code, Code::bad_input) << op;
  }
}

}  // namespace
}  // namespace chorus
