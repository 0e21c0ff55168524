// Natural-language processing: what does a sentence ask for?
//   intent MODEL WORD...: MODEL takes the numbers of 16 words [1, 16] (of 1000, 0: none) and gives a probability for each of five intents.
#include <chorus/predictor.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace {

constexpr size_t kTokens = 16;
constexpr uint64_t kVocabulary = 1000;
constexpr const char* kIntents[] = {"play music", "set a timer", "ask the weather", "call somebody", "something else"};

/// The number of a word: a hash of its lower-case letters (FNV-1a), never 0.
int64_t number_of(const std::string& word) {
  uint64_t hash = 14695981039346656037u;
  for (const char c : word)
    hash = (hash ^ static_cast<uint64_t>(std::tolower(static_cast<unsigned char>(c)))) * 1099511628211u;
  return static_cast<int64_t>(1 + hash % (kVocabulary - 1));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: intent MODEL WORD...\n");
    return 2;
  }
  std::vector<int64_t> tokens;
  for (int i = 2; i < argc && tokens.size() < kTokens; ++i) tokens.push_back(number_of(argv[i]));
  tokens.resize(kTokens);
  try {
    chorus::Config config(argv[1]);
    chorus::Predictor predictor(config);
    predictor.GetInputTensor("input_ids")->copy(tokens);
    predictor.Run();
    const std::vector<float> probabilities = predictor.GetOutputTensor("probabilities")->to_vector<float>();
    for (size_t i = 0; i < std::min(probabilities.size(), std::size(kIntents)); ++i)
      std::printf("%-16s %.6f\n", kIntents[i], static_cast<double>(probabilities[i]));
    return 0;
  } catch (const chorus::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 3;
  }
}
