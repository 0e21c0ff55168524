// Steps before and after a model against plain loops, and embedded against apart.
#include <runtime/process.h>

#include "fixture.h"
#include "support/proves.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace chorus {
namespace {

using testing::error_of;

std::vector<uint8_t> picture(int64_t n, int64_t h, int64_t w) {
  std::vector<uint8_t> pixels(static_cast<size_t>(n * h * w * 3));
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(philox_uniform(5, 1, i) * 256);
  return pixels;
}

struct Result {
  std::vector<int64_t> shape;
  std::vector<float> data;
};

Result run_alone(const std::string& steps, const std::vector<uint8_t>& pixels, std::vector<int64_t> shape) {
  Predictor predictor(testing::config_of_bytes(onnx::write_model(*processing_alone(steps))));
  InputTensor& input = *predictor.GetInputTensor("picture");
  input.Reshape(shape);
  input.copy(pixels);
  predictor.Run();
  OutputTensor& output = *predictor.GetOutputTensor("result");
  return {output.shape(), output.to_vector<float>()};
}

/// Bilinear with half-pixel centres of one channel, in float64.
double sample(const std::vector<uint8_t>& pixels, int64_t h, int64_t w, int64_t c, double y, double x) {
  y = std::clamp(y, 0.0, static_cast<double>(h - 1));
  x = std::clamp(x, 0.0, static_cast<double>(w - 1));
  const auto y0 = static_cast<int64_t>(y), x0 = static_cast<int64_t>(x);
  const int64_t y1 = std::min(y0 + 1, h - 1), x1 = std::min(x0 + 1, w - 1);
  const auto at = [&](int64_t i, int64_t j) {
    return static_cast<double>(pixels[static_cast<size_t>((i * w + j) * 3 + c)]);
  };
  const double fy = y - static_cast<double>(y0), fx = x - static_cast<double>(x0);
  return (at(y0, x0) * (1 - fx) + at(y0, x1) * fx) * (1 - fy) + (at(y1, x0) * (1 - fx) + at(y1, x1) * fx) * fy;
}

constexpr const char* kChain =
    R"([{"resize": {"height": 40, "width": 36}}, {"center_crop": {"height": 32, "width": 32}}, {"colour": "bgr"},
  {"scale": 0.00392156862745098}, {"mean": [0.485, 0.456, 0.406]}, {"std": [0.229, 0.224, 0.225]}])";

TEST(Process, ChainIsThatOfPlainLoopsAndTheSameInsideTheModel) {
  const int64_t h = 57, w = 43;
  const std::vector<uint8_t> pixels = picture(1, h, w);
  const Result got = run_alone(kChain, pixels, {1, h, w, 3});
  ASSERT_EQ(got.shape, (std::vector<int64_t>{1, 3, 32, 32}));
  const double mean[] = {0.485, 0.456, 0.406}, deviation[] = {0.229, 0.224, 0.225};
  double worst = 0;
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t y = 0; y < 32; ++y) {
      for (int64_t x = 0; x < 32; ++x) {
        const double from =
            sample(pixels, h, w, 2 - c, (static_cast<double>(y + 4) + 0.5) * static_cast<double>(h) / 40 - 0.5,
                   (static_cast<double>(x + 2) + 0.5) * static_cast<double>(w) / 36 - 0.5);
        const double truth = (from / 255 - mean[c]) / deviation[c];
        worst = std::max(worst, std::fabs(truth - got.data[static_cast<size_t>((c * 32 + y) * 32 + x)]));
      }
    }
  }
  EXPECT_LE(worst, 1e-5);

  Config config = testing::fixture_config("convbnrelu");
  Predictor apart(config);
  apart.GetInputTensor("x")->copy(got.data);
  apart.Run();
  config.SetProcessing(std::string(R"({"inputs": {"x": )") + kChain + "}}");
  Predictor whole(config);
  ASSERT_EQ(whole.GetInputNames(), std::vector<std::string>{"x"});
  EXPECT_EQ(whole.GetInputTensor("x")->dtype(), DType::uint8);
  whole.GetInputTensor("x")->Reshape({1, h, w, 3});
  whole.GetInputTensor("x")->copy(pixels);
  whole.Run();
  EXPECT_EQ(whole.GetOutputTensor("y")->to_vector<float>(), apart.GetOutputTensor("y")->to_vector<float>());
  testing::proves("I-API-06");
}

TEST(Process, OtherSteps) {
  const std::vector<uint8_t> pixels = picture(2, 20, 30);
  const Result rows = run_alone(R"([{"layout": "NHWC"}])", pixels, {2, 20, 30, 3});
  EXPECT_EQ(rows.shape, (std::vector<int64_t>{2, 20, 30, 3}));
  EXPECT_EQ(rows.data, std::vector<float>(pixels.begin(), pixels.end()));
  EXPECT_EQ(
      run_alone(R"([{"resize": {"height": 10, "width": 10, "keep_aspect": "cover"}}])", pixels, {2, 20, 30, 3}).shape,
      (std::vector<int64_t>{2, 3, 10, 15}));
  EXPECT_EQ(run_alone(R"([{"resize": {"height": 10, "width": 10, "keep_aspect": "fit", "mode": "nearest"}}])", pixels,
                      {2, 20, 30, 3})
                .shape,
            (std::vector<int64_t>{2, 3, 7, 10}));
  const Result grey = run_alone(R"([{"colour": "grey"}])", pixels, {2, 20, 30, 3});
  ASSERT_EQ(grey.shape, (std::vector<int64_t>{2, 1, 20, 30}));
  EXPECT_NEAR(grey.data[0], 0.299 * pixels[0] + 0.587 * pixels[1] + 0.114 * pixels[2], 1e-3);
}

/// boxes [1, m, 4] and scores [1, classes, m] as they come in.
std::string detector(int64_t classes, int64_t m) {
  auto graph = std::make_shared<Graph>();
  graph->opsets[""] = 17;
  for (const auto& [name, dims] : std::vector<std::pair<std::string, Dims>>{
           {"boxes", {Dim(1), Dim(m), Dim(4)}}, {"scores", {Dim(1), Dim(classes), Dim(m)}}}) {
    const ValueId in = graph->add_input(name + "_in", Type::tensor(DType::float32, dims));
    const ValueId out = graph->node(graph->add_node("Abs", std::span(&in, 1))).outputs[0];
    graph->rename(out, name);
    graph->value(out).type = Type::tensor(DType::float32, dims);
    graph->add_output(out);
  }
  return testing::bytes_of(graph);
}

double overlap(const float* a, const float* b) {
  const double h = std::max(0.0f, std::min(a[2], b[2]) - std::max(a[0], b[0])),
               w = std::max(0.0f, std::min(a[3], b[3]) - std::max(a[1], b[1]));
  const double both = h * w, all = static_cast<double>(a[2] - a[0]) * (a[3] - a[1]) +
                                   static_cast<double>(b[2] - b[0]) * (b[3] - b[1]) - both;
  return all > 0 ? both / all : 0;
}

TEST(Process, CropGivesTheKnownPixelsAndSuppressionIsThatOfPairs) {
  const std::vector<uint8_t> pixels = picture(1, 24, 31);
  const Result cut = run_alone(R"([{"crop": {"x": 7, "y": 5, "height": 9, "width": 11}}, {"layout": "NHWC"}])", pixels,
                               {1, 24, 31, 3});
  ASSERT_EQ(cut.shape, (std::vector<int64_t>{1, 9, 11, 3}));
  for (int64_t y = 0; y < 9; ++y) {
    for (int64_t i = 0; i < 33; ++i)
      EXPECT_EQ(cut.data[static_cast<size_t>(y * 33 + i)], pixels[static_cast<size_t>(((y + 5) * 31 + 7) * 3 + i)]);
  }

  constexpr int64_t kBoxes = 120, kClasses = 3;
  std::vector<float> boxes, scores;
  for (int64_t i = 0; i < kBoxes; ++i) {
    const auto r = [&](int64_t k) {
      return static_cast<float>(philox_uniform(9, 2, static_cast<uint64_t>(i * 4 + k)));
    };
    const float y = r(0), x = r(1);
    boxes.insert(boxes.end(), {y, x, y + 0.1f + r(2) * 0.5f, x + 0.1f + r(3) * 0.5f});
  }
  for (int64_t i = 0; i < kBoxes * kClasses; ++i)
    scores.push_back(static_cast<float>(philox_uniform(9, 3, static_cast<uint64_t>(i))));
  Config config = testing::config_of_bytes(detector(kClasses, kBoxes));
  config.SetProcessing(
      R"({"detections": {"boxes": "boxes", "scores": "scores", "iou": 0.45, "score": 0.3, "most": 50}})");
  Predictor predictor(config);
  predictor.GetInputTensor("boxes_in")->copy(boxes);
  predictor.GetInputTensor("scores_in")->copy(scores);
  predictor.Run();
  // Every pair of every class, best first: the plain definition.
  std::vector<std::pair<int64_t, int64_t>> truth;
  for (int64_t c = 0; c < kClasses; ++c) {
    std::vector<int64_t> order(kBoxes), kept;
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return scores[static_cast<size_t>(c * kBoxes + a)] > scores[static_cast<size_t>(c * kBoxes + b)];
    });
    for (int64_t i : order) {
      if (scores[static_cast<size_t>(c * kBoxes + i)] <= 0.3f || kept.size() == 50) continue;
      const bool free = std::none_of(kept.begin(), kept.end(), [&](int64_t k) {
        return overlap(&boxes[static_cast<size_t>(i * 4)], &boxes[static_cast<size_t>(k * 4)]) > 0.45;
      });
      if (free) kept.push_back(i);
    }
    for (int64_t i : kept) truth.emplace_back(c, i);
  }
  const auto classes = predictor.GetOutputTensor("detection_classes")->to_vector<int64_t>();
  const auto found = predictor.GetOutputTensor("detection_boxes")->to_vector<float>(),
             sure = predictor.GetOutputTensor("detection_scores")->to_vector<float>();
  ASSERT_EQ(classes.size(), truth.size());
  ASSERT_GT(truth.size(), 20u);
  for (size_t i = 0; i < truth.size(); ++i) {
    const auto [c, b] = truth[i];
    EXPECT_EQ(classes[i], c);
    EXPECT_EQ(sure[i], scores[static_cast<size_t>(c * kBoxes + b)]);
    for (size_t k = 0; k < 4; ++k) EXPECT_EQ(found[i * 4 + k], boxes[static_cast<size_t>(b) * 4 + k]);
  }
  testing::proves("I-API-15");
}

TEST(Process, BestClassesAndTheirNames) {
  Config config = testing::fixture_config("lenet");
  Predictor plain(config);
  const std::vector<float> all = testing::run_on_noise(plain)[0];
  config.SetProcessing(
      R"({"outputs": {"probabilities": [{"top_k": 3}, {"labels": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]}]}})");
  Predictor predictor(config);
  EXPECT_EQ(predictor.GetOutputNames(),
            (std::vector<std::string>{"probabilities", "probabilities_classes", "probabilities_labels"}));
  predictor.GetInputTensor("image")->copy(testing::noise(784, 1));
  predictor.Run();
  std::vector<int64_t> order(10);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return all[static_cast<size_t>(a)] > all[static_cast<size_t>(b)]; });
  const char* names[] = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"};
  const auto classes = predictor.GetOutputTensor("probabilities_classes")->to_vector<int64_t>();
  const auto labels = predictor.GetOutputTensor("probabilities_labels")->strings();
  const auto scores = predictor.GetOutputTensor("probabilities")->to_vector<float>();
  ASSERT_EQ(classes.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(classes[i], order[i]);
    EXPECT_EQ(labels[i], names[order[i]]);
    EXPECT_EQ(scores[i], all[static_cast<size_t>(order[i])]);
  }
}

TEST(Process, WrongDeclarationsAreNamed) {
  struct Wrong {
    const char* text;
    const char* said;
    Code code = Code::bad_input;
  };
  const Wrong all[] = {
      {"{", "not JSON"},
      {R"([])", "not an object"},
      {R"({"input": {}})", "\"input\""},
      {R"({"inputs": {"y": []}})", "no input \"y\"", Code::not_found},
      {R"({"outputs": {"x": []}})", "no output \"x\"", Code::not_found},
      {R"({"inputs": {"x": {}}})", "not a list"},
      {R"({"inputs": {"x": [{"blur": 3}]}})", "\"blur\""},
      {R"({"inputs": {"x": [{"resize": {"height": 0, "width": 3}}]}})", "height 0"},
      {R"({"inputs": {"x": [{"resize": {"height": 3}}]}})", "width"},
      {R"({"inputs": {"x": [{"resize": {"height": 3, "width": 99999999}}]}})", "99999999"},
      {R"({"inputs": {"x": [{"resize": {"height": 3, "width": 3, "mode": "magic"}}]}})", "magic"},
      {R"({"inputs": {"x": [{"std": 0}]}})", "std is 0"},
      {R"({"inputs": {"x": [{"mean": "grey"}]}})", "mean"},
      {R"({"outputs": {"probabilities": [{"top_k": 0}]}})", "top_k"},
      {R"({"outputs": {"probabilities": [{"labels": ["a"]}]}})", "behind top_k"},
      {R"({"outputs": {"probabilities": ["argmax", {"labels": "/nowhere/names"}]}})", "/nowhere/names",
       Code::not_found},
      {R"({"detections": {"boxes": "nothing"}})", "nothing", Code::not_found},
  };
  for (const Wrong& w : all) {
    Config config = testing::fixture_config("mlp");
    config.SetProcessing(w.text);
    const Error error = error_of([&] { Predictor p(config); });
    EXPECT_EQ(error.code(), w.code) << w.text << ": " << error.what();
    EXPECT_NE(std::string(error.what()).find(w.said), std::string::npos) << w.text << ": " << error.what();
  }
}

}  // namespace
}  // namespace chorus
