// chorus eval against a count of our own.
#include "command.h"
#include "support/proves.h"

#include "../runtime/fixture.h"

#include <format/npz/npz.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>

namespace chorus::testing {
namespace {

using Json = nlohmann::json;

TEST(Eval, CountsAsAPlainLoopForAnyBatch) {
  constexpr int64_t kSamples = 130, kClasses = 32, kEach = 5 * 16;
  ASSERT_EQ(chorus_command("gen dyn").status, 0);
  const std::vector<float> tokens = noise(kSamples * kEach);
  std::vector<int64_t> classes;
  int64_t top1 = 0, top5 = 0;
  Predictor predictor(Config((scratch() / "dyn.onnx").string()));
  for (int64_t i = 0; i < kSamples; ++i) {
    InputTensor& input = *predictor.GetInputTensor("tokens");
    input.Reshape({1, 5, 16});
    input.copy(std::vector<float>(tokens.begin() + i * kEach, tokens.begin() + (i + 1) * kEach));
    predictor.Run();
    const auto scores = predictor.GetOutputTensor("pooled")->to_vector<float>();
    // The truth of a sample is the class of rank i mod 9: some hits, some among five, some neither.
    std::vector<int64_t> order(kClasses);
    for (int64_t c = 0; c < kClasses; ++c) order[static_cast<size_t>(c)] = c;
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
    });
    classes.push_back(order[static_cast<size_t>(i % 9)]);
    top1 += i % 9 < 1;
    top5 += i % 9 < 5;
  }
  write_npz((scratch() / "data.npz").string(), {{"tokens", Value::of<float>(Shape{kSamples, 5, 16}, tokens)},
                                                {"labels", Value::of<int64_t>(Shape{kSamples}, classes)}});
  for (const char* batch : {"1", "64"}) {
    const Done done =
        chorus_command(std::string("eval dyn.onnx --data data.npz --output pooled --json --batch ") + batch);
    ASSERT_EQ(done.status, 0) << done.err;
    const Json json = Json::parse(done.out);
    EXPECT_EQ(json["samples"], kSamples);
    EXPECT_EQ(json["top1_count"], top1) << batch;
    EXPECT_EQ(json["top5_count"], top5) << batch;
    int64_t counted = 0, right = 0;
    for (const Json& c : json["confusion"]) {
      counted += c["count"].get<int64_t>();
      if (c["truth"] == c["predicted"]) right += c["count"].get<int64_t>();
    }
    EXPECT_EQ(counted, kSamples);
    EXPECT_EQ(right, top1);
  }
  EXPECT_NE(chorus_command("eval dyn.onnx --data data.npz --output pooled").out.find("top1"), std::string::npos);
  part_of("I-API-14");
}

/// Scores by the distance to the mean picture of each class, as one linear layer: mean · x - |mean|² / 2.
struct Means {
  std::vector<float> weight = std::vector<float>(10 * 784), bias = std::vector<float>(10);

  explicit Means(const NamedValues& data) {
    const auto images = data[0].second.as<float>();
    const auto labels = data[1].second.as<int64_t>();
    std::vector<double> sums(10 * 784), counts(10);
    for (size_t i = 0; i < labels.size(); ++i) {
      const auto c = static_cast<size_t>(labels[i]);
      ++counts[c];
      for (size_t p = 0; p < 784; ++p) sums[c * 784 + p] += static_cast<double>(images[i * 784 + p]);
    }
    for (size_t c = 0; c < 10; ++c) {
      double square = 0;
      for (size_t p = 0; p < 784; ++p) {
        const double mean = sums[c * 784 + p] / std::max(counts[c], 1.0);
        weight[c * 784 + p] = static_cast<float>(mean);
        square += mean * mean;
      }
      bias[c] = static_cast<float>(-square / 2);
    }
  }
};

std::string write_linear(const Means& means) {
  auto graph = std::make_shared<Graph>();
  graph->opsets[""] = 25;
  const ValueId x =
      graph->add_input("image", Type::tensor(DType::float32, {Dim::symbol("batch"), Dim(1), Dim(28), Dim(28)}));
  const ValueId flat[] = {x};
  const NodeId flatten = graph->add_node("Flatten", flat, {{"axis", 1}});
  const ValueId operands[] = {graph->node(flatten).outputs[0],
                              graph->add_constant("weight", Value::of<float>(Shape{10, 784}, means.weight)),
                              graph->add_constant("bias", Value::of<float>(Shape{10}, means.bias))};
  const NodeId product = graph->add_node("Gemm", operands, {{"transB", 1}});
  const ValueId scores = graph->node(product).outputs[0];
  graph->value(scores).type = Type::tensor(DType::float32, {Dim::symbol("batch"), Dim(10)});
  graph->add_output(scores);
  std::ofstream(scratch() / "linear.onnx", std::ios::binary) << bytes_of(graph);
  return "linear.onnx";
}

TEST(Eval, DigitsAsAScriptCountsThem) {
  // Learnt on other digits than those that are counted.
  ASSERT_EQ(chorus_command("gen digits --count 2000 --seed 1 -o learn.npz").status, 0);
  ASSERT_EQ(chorus_command("gen digits --count 500 --seed 2 -o digits.npz").status, 0);
  const Means means(read_npz((scratch() / "learn.npz").string()));
  const std::string model = write_linear(means);
  write_npz((scratch() / "linear.npz").string(), {{"weight", Value::of<float>(Shape{10, 784}, means.weight)},
                                                  {"bias", Value::of<float>(Shape{10}, means.bias)}});
  const auto counted = scratch() / "counted.json";
  ASSERT_EQ(std::system(("python3 '" CHORUS_COUNT_ACCURACY "' '" + (scratch() / "digits.npz").string() + "' '" +
                         (scratch() / "linear.npz").string() + "' >'" + counted.string() + "'")
                            .c_str()),
            0);
  const Json truth = Json::parse(text_of(counted));
  EXPECT_GT(truth["top1_count"], 300);   // of 500: the digits can be told apart
  EXPECT_LT(truth["top1_count"], 500);   // and it is not too easy to count
  for (const char* batch : {"1", "64"}) {
    const Done done = chorus_command("eval " + model + " --data digits.npz --json --metric mAP --batch " + batch);
    ASSERT_EQ(done.status, 0) << done.err;
    const Json json = Json::parse(done.out);
    for (const char* key : {"samples", "top1_count", "top5_count", "predicted"})
      EXPECT_EQ(json[key], truth[key]) << key << ", batch " << batch;
    for (const char* key : {"f1", "mAP"}) EXPECT_NEAR(json[key].get<double>(), truth[key].get<double>(), 1e-12) << key;
    EXPECT_EQ(json["top1"].get<double>(), truth["top1_count"].get<double>() / 500);
  }
  for (const auto& [metric, wanted] : std::map<std::string, double>{{"top1", truth["top1_count"].get<double>() / 500},
                                                                    {"top5", truth["top5_count"].get<double>() / 500},
                                                                    {"f1", truth["f1"].get<double>()},
                                                                    {"mAP", truth["mAP"].get<double>()}}) {
    EXPECT_NEAR(std::stod(chorus_command("eval " + model + " --data digits.npz --batch 50 --metric " + metric).out),
                wanted, 1e-12)
        << metric;
  }
  proves("I-API-14");
}

struct Wrong {
  const char* arguments;
  int status;
  const char* said;
};

TEST(Eval, WrongData) {
  ASSERT_EQ(chorus_command("gen dyn").status, 0);
  write_npz((scratch() / "none.npz").string(), {{"tokens", Value::of<float>(Shape{1, 1, 16}, noise(16))}});
  write_npz((scratch() / "past.npz").string(),
            {{"tokens", Value::of<float>(Shape{1, 1, 16}, noise(16))}, {"labels", Value::of<int64_t>(Shape{1}, {99})}});
  write_npz((scratch() / "short.npz").string(), {{"tokens", Value::of<float>(Shape{1, 1, 16}, noise(16))},
                                                 {"labels", Value::of<int64_t>(Shape{2}, {1, 2})}});
  std::filesystem::create_directories(scratch() / "empty");
  const Wrong all[] = {
      {"eval dyn.onnx", 2, "--data"},
      {"eval dyn.onnx --data nowhere", 3, "nowhere"},
      {"eval dyn.onnx --data none.npz", 3, "\"labels\""},
      {"eval dyn.onnx --data past.npz --output pooled", 3, "class 99"},
      {"eval dyn.onnx --data short.npz", 3, "2 classes"},
      {"eval dyn.onnx --data empty", 3, "no folders"},
      {"eval dyn.onnx --data past.npz --output up", 3, "\"up\""},
      {"eval dyn.onnx --data past.npz --process nowhere.json", 3, "nowhere.json"},
      {"eval dyn.onnx --data past.npz --batch 0", 2, "--batch"},
  };
  for (const Wrong& w : all) {
    const Done done = chorus_command(w.arguments);
    EXPECT_EQ(done.status, w.status) << w.arguments << "\n" << done.err;
    EXPECT_NE(done.err.find(w.said), std::string::npos) << w.arguments << "\n" << done.err;
  }
}

}  // namespace
}  // namespace chorus::testing
