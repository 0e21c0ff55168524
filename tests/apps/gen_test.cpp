// What chorus gen writes is what the samples run on: pictures and sentences.
#include "command.h"
#include "support/proves.h"

#include "../runtime/fixture.h"

#include <format/npz/npz.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

namespace chorus::testing {
namespace {

namespace fs = std::filesystem;

std::string sample(const std::string& arguments) {
  const auto out = scratch() / "sample";
  const std::string line =
      "cd '" + scratch().string() + "' && '" CHORUS_EXAMPLES "/example_" + arguments + " >'" + out.string() + "'";
  EXPECT_EQ(std::system(line.c_str()), 0) << line;
  return text_of(out);
}

/// Probabilities by the plain kernels.
std::vector<float> reference(const std::string& model, const std::string& input, const Value& value) {
  write_npy((scratch() / "sample.npy").string(), value);
  const Done done =
      chorus_command("run " + model + " --reference --optimize 0 --input " + input + "=sample.npy --output sample.npz");
  EXPECT_EQ(done.status, 0) << done.err;
  const NamedValues outputs = read_npz((scratch() / "sample.npz").string());
  const auto data = outputs.at(0).second.as<float>();
  return {data.begin(), data.end()};
}

TEST(Gen, DigitsAreThoseOfTheirLabels) {
  ASSERT_EQ(chorus_command("gen digits --count 300 --seed 3 -o a.npz").status, 0);
  ASSERT_EQ(chorus_command("gen digits --count 200 --seed 3 -o b.npz").status, 0);
  const NamedValues a = read_npz((scratch() / "a.npz").string()), b = read_npz((scratch() / "b.npz").string());
  EXPECT_EQ(a[0].second.shape(), (Shape{300, 1, 28, 28}));
  const auto pixels = a[0].second.as<float>(), fewer = b[0].second.as<float>();
  EXPECT_TRUE(std::equal(fewer.begin(), fewer.end(), pixels.begin()));   // picture i is the same in sets of any size
  std::vector<int> counts(10);
  for (const int64_t label : a[1].second.as<int64_t>()) ++counts.at(static_cast<size_t>(label));
  EXPECT_GT(*std::min_element(counts.begin(), counts.end()), 10);
  for (const float p : pixels) ASSERT_TRUE(p >= -0.15f && p <= 1.15f);
  EXPECT_EQ(chorus_command("gen digits --count 0").status, 2);
}

TEST(Gen, SamplesClassifyAndIntent) {
  ASSERT_EQ(chorus_command("gen lenet").status, 0);
  ASSERT_EQ(chorus_command("gen bert_l2").status, 0);
  ASSERT_EQ(chorus_command("gen digits --count 3").status, 0);
  const NamedValues digits = read_npz((scratch() / "digits.npz").string());
  for (size_t i = 0; i < 3; ++i) {
    const auto all = digits[0].second.as<float>().subspan(i * 784, 784);
    std::ofstream(scratch() / "picture.raw", std::ios::binary)
        .write(reinterpret_cast<const char*>(all.data()), 784 * sizeof(float));
    const std::vector<float> truth = reference(
        "lenet.onnx", "image", Value::of<float>(Shape{1, 1, 28, 28}, std::vector<float>(all.begin(), all.end())));
    std::istringstream lines(sample("classify' lenet.onnx picture.raw"));
    std::vector<float> sorted = truth;
    std::sort(sorted.rbegin(), sorted.rend());
    for (size_t k = 0; k < 3; ++k) {
      std::string word;
      size_t digit = 99;
      char colon = 0;
      float probability = -1;
      ASSERT_TRUE(lines >> word >> digit >> colon >> probability);
      EXPECT_NEAR(truth.at(digit), probability, 2e-5);
      EXPECT_NEAR(sorted[k], probability, 2e-5);
    }
  }
  EXPECT_NE(sample("classify' lenet.onnx").find("digit "), std::string::npos);

  // The words' numbers, worked out again.
  const std::vector<std::string> words = {"Will", "it", "rain", "tomorrow"};
  std::vector<int64_t> ids(16);
  for (size_t i = 0; i < words.size(); ++i) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : words[i]) {
      hash ^= static_cast<uint64_t>(std::tolower(c));
      hash *= 0x100000001b3u;
    }
    ids[i] = static_cast<int64_t>(1 + hash % 999);
  }
  const std::vector<float> truth = reference("bert_l2.onnx", "input_ids", Value::of<int64_t>(Shape{1, 16}, ids));
  ASSERT_EQ(truth.size(), 5u);
  std::istringstream lines(sample("intent' bert_l2.onnx Will it rain tomorrow"));
  double sum = 0;
  for (size_t i = 0; i < 5; ++i) {
    std::string line;
    ASSERT_TRUE(std::getline(lines, line));
    const double probability = std::stod(line.substr(line.rfind(' ')));
    EXPECT_NEAR(probability, truth[i], 2e-5) << line;
    sum += probability;
  }
  EXPECT_NEAR(sum, 1, 1e-5);
  proves("E-GEN-06");
}

}  // namespace
}  // namespace chorus::testing
