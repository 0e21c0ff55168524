// bench: several engines in turns, what counts among them, and where the time of a run goes.
#include "../../apps/statistics.h"

#include <core/random.h>
#include <format/npz/npz.h>
#include <format/onnx/onnx.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "command.h"
#include "support/proves.h"

namespace chorus::testing {
namespace {

using Json = nlohmann::json;

const std::string kFaulty = "CHORUS_ENGINE_PATH='" CHORUS_FAULTY_ENGINES "'";

std::vector<double> count_to(int n) {
  std::vector<double> values;
  for (int i = 1; i <= n; ++i) values.push_back(i);
  std::reverse(values.begin(), values.end());
  return values;
}

TEST(Statistics, IntervalsAreThoseOfTheSignTest) {
  // Ranks and confidence from the usual tables of the distribution-free interval of a median.
  struct Row {
    int n, low, high;
    double confidence;
  };
  for (const Row& r : {Row{6, 1, 6, 0.9688}, Row{10, 2, 9, 0.9785}, Row{15, 4, 12, 0.9648}, Row{20, 6, 15, 0.9586},
                       Row{30, 10, 21, 0.9572}, Row{50, 18, 33, 0.9672}}) {
    const app::Interval interval = app::interval_of_median(count_to(r.n));
    EXPECT_EQ(interval.low, r.low) << r.n;
    EXPECT_EQ(interval.high, r.high) << r.n;
    EXPECT_NEAR(interval.confidence, r.confidence, 5e-4) << r.n;
  }
  EXPECT_NEAR(app::interval_of_median(count_to(5)).confidence, 0.9375, 1e-9);  // five values cannot be surer
  EXPECT_EQ(app::interval_of_median({3}).confidence, 0);
  EXPECT_EQ(app::median({4, 1, 3}), 3);
  EXPECT_EQ(app::median({4, 1, 3, 2}), 2.5);
  EXPECT_EQ(app::percentile({1, 2, 3, 4}, 0.5), 2);
  EXPECT_EQ(app::percentile({1, 2, 3, 4}, 0.99), 4);
}

TEST(Statistics, IntervalsHoldTheMedianAsOftenAsTheySay) {
  constexpr int kTrials = 2000, kValues = 30;
  int hits = 0;
  for (uint64_t trial = 0; trial < kTrials; ++trial) {
    std::vector<double> values;  // skewed as times are; the median is 1
    for (uint64_t i = 0; i < kValues; ++i) values.push_back(std::exp(philox_normal(5, trial, i)));
    const app::Interval interval = app::interval_of_median(values);
    hits += interval.low <= 1 && 1 <= interval.high;
  }
  EXPECT_NEAR(hits / static_cast<double>(kTrials), 0.957, 0.02);  // three deviations are 0.014
}

/// product = a · b. The faulty engine adds 0.01 to it.
std::string product_model() {
  auto graph = std::make_shared<Graph>();
  graph->opsets[""] = 17;
  const Type type = Type::tensor(DType::float32, {Dim(4), Dim(8)});
  const ValueId operands[] = {graph->add_input("a", type), graph->add_input("b", type)};
  const NodeId node = graph->add_node("Mul", operands);
  graph->node(node).name = "times";
  const ValueId out = graph->node(node).outputs[0];
  graph->value(out).name = "product";
  graph->value(out).type = type;
  graph->add_output(out);
  Model model;
  model.graph = graph;
  model.ir_version = 8;
  const std::string path = (scratch() / "product.onnx").string();
  onnx::write_model_file(model, path);
  return path;
}

/// Writes product.npz (the inputs) and truth.npz (the output and `off`); returns the largest |output|.
double write_feeds(double off) {
  std::vector<float> a, b;
  std::vector<double> product;
  double largest = 0;
  for (uint64_t i = 0; i < 32; ++i) {
    a.push_back(static_cast<float>(philox_normal(1, 1, i)));
    b.push_back(static_cast<float>(philox_normal(1, 2, i)));
    product.push_back(static_cast<double>(a[i]) * b[i] + off);
    largest = std::max(largest, std::fabs(product[i]));
  }
  write_npz((scratch() / "product.npz").string(),
            {{"a", Value::of<float>({4, 8}, a)}, {"b", Value::of<float>({4, 8}, b)}});
  write_npz((scratch() / "truth.npz").string(), {{"product", Value::of<double>({4, 8}, product)}});
  write_npz((scratch() / "other.npz").string(), {{"sum", Value::of<double>({4, 8}, product)}});
  return largest;
}

TEST(Bench, PeersTakeTurnsAndAWrongOneDoesNotCount) {
  const std::string model = product_model(),
                    common = "bench " + model + " --input product.npz --threads 1 --peers --pairs 7 ";
  const double largest = write_feeds(0);
  const Done done = chorus_command(common + "--engines native,example,faulty --json", kFaulty);
  ASSERT_EQ(done.status, 0) << done.err;
  const Json json = Json::parse(done.out);
  EXPECT_EQ(json["oracle"], "float64");
  EXPECT_EQ(json["processors"].size(), 1u);
  EXPECT_EQ(json["threads"], 1);
  EXPECT_TRUE(json["processor"].is_string());
  ASSERT_EQ(json["engines"].size(), 3u);
  for (const Json& e : json["engines"]) {
    ASSERT_EQ(e["rounds"].size(), 7u) << e["engine"];
    auto rounds = e["rounds"].get<std::vector<double>>();
    std::sort(rounds.begin(), rounds.end());
    EXPECT_EQ(e["ms"], rounds[3]);
    EXPECT_NE(e["version"], "");
    EXPECT_EQ(e["min"], rounds[0]);
    EXPECT_GT(rounds[0], 0);
  }
  const Json &native = json["engines"][0], &example = json["engines"][1], &faulty = json["engines"][2];
  EXPECT_EQ(native["ratio"], 1.0);
  std::vector<double> ratios;
  for (size_t i = 0; i < 7; ++i)
    ratios.push_back(native["rounds"][i].get<double>() / example["rounds"][i].get<double>());
  std::sort(ratios.begin(), ratios.end());
  EXPECT_DOUBLE_EQ(example["ratio"].get<double>(), ratios[3]);
  EXPECT_DOUBLE_EQ(example["low"].get<double>(), ratios[0]);
  EXPECT_DOUBLE_EQ(example["high"].get<double>(), ratios[6]);
  EXPECT_LE(example["difference"].get<double>(), 1e-7);
  EXPECT_EQ(example["wrong"], "");
  EXPECT_EQ(faulty["wrong"], "product");
  EXPECT_NEAR(faulty["difference"].get<double>(), 0.01 / largest, 1e-5);
  EXPECT_FALSE(faulty.contains("ratio"));

  const Done text = chorus_command(common + "--engines native,faulty", kFaulty);
  EXPECT_EQ(text.status, 0);
  EXPECT_NE(text.out.find("does not count: \"product\" is wrong"), std::string::npos) << text.out;
  const Done first = chorus_command(common + "--engines faulty,native --json", kFaulty);
  EXPECT_EQ(first.status, 1);
  const Json first_found = Json::parse(first.out);
  for (const Json& e : first_found["engines"]) EXPECT_FALSE(e.contains("ratio")) << e["engine"];
  part_of("S-TNN-04");
}

TEST(Bench, TheOracleMayBeAFile) {
  const std::string common =
      "bench " + product_model() + " --input product.npz --threads 1 --peers --pairs 6 --engines native,example ";
  write_feeds(0);
  EXPECT_EQ(chorus_command(common + "--oracle truth.npz").status, 0);
  EXPECT_EQ(chorus_command(common + "--oracle first").status, 0);
  EXPECT_EQ(chorus_command(common + "--oracle other.npz").status, 3);
  EXPECT_EQ(chorus_command(common + "--oracle nowhere.npz").status, 3);
  write_feeds(0.05);
  const Done off = chorus_command(common + "--oracle truth.npz --json");
  EXPECT_EQ(off.status, 1);
  const Json off_found = Json::parse(off.out);
  for (const Json& e : off_found["engines"]) EXPECT_EQ(e["wrong"], "product") << e["engine"];
}

TEST(Bench, WrongUseIsToldApart) {
  const std::string common = "bench " + product_model() + " --peers ";
  EXPECT_EQ(chorus_command(common + "--pairs 5").status, 2);  // too few for an interval
  EXPECT_EQ(chorus_command(common + "--seconds 1").status, 2);
  EXPECT_EQ(chorus_command("bench " + product_model() + " --engines native").status, 2);
  EXPECT_EQ(chorus_command(common + "--pairs 6 --engines native,nobody").status, 3);
  const Done cannot = chorus_command("gen lenet -o lenet.onnx && '" CHORUS_COMMAND
                                     "' bench lenet.onnx --peers --pairs 6 --engines native,example --json");
  EXPECT_EQ(cannot.status, 4);
  const Json json = Json::parse(cannot.out.substr(cannot.out.find('{')));
  EXPECT_NE(json["engines"][1]["reason"].get<std::string>().find("refuses"), std::string::npos);
  EXPECT_FALSE(json["engines"][1].contains("ms"));
}

TEST(Bench, StepsSayWhatWasFused) {
  ASSERT_EQ(chorus_command("gen convbnrelu -o convbnrelu.onnx").status, 0);
  const Done done = chorus_command("bench convbnrelu.onnx --threads 1 --seconds 0.05 --steps --json");
  ASSERT_EQ(done.status, 0) << done.err;
  const Json profile = Json::parse(done.out)["profile"];
  int blocks = 0;
  double share = 0, before = 1e9;
  for (const Json& s : profile["steps"]) {
    blocks += s["fused"] == "Conv + Relu";  // the normalisation went into the weights
    share += s["share"].get<double>();
    EXPECT_LE(s["ms"].get<double>(), before);
    before = s["ms"];
    EXPECT_GT(s["roofline"].get<double>(), 0);
    EXPECT_LE(s["roofline"].get<double>(), 1);
  }
  EXPECT_EQ(blocks, 3);
  EXPECT_NEAR(share, 1, 1e-9);
  EXPECT_GT(profile["roofline"].get<double>(), 0);
  EXPECT_NE(chorus_command("bench convbnrelu.onnx --threads 1 --seconds 0.05 --steps").out.find("Conv + Relu; conv2;"),
            std::string::npos);
}

}  // namespace
}  // namespace chorus::testing
