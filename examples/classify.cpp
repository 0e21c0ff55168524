// Image recognition: which digit is drawn?
//   classify MODEL [PICTURE]: MODEL takes [1, 1, 28, 28] and gives a probability for each class; PICTURE is a file of 784 raw float32, ink 0 to 1.
//   Without it a drawn seven is looked at. Prints the three likeliest classes.
#include <chorus/predictor.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <vector>

namespace {

constexpr int kSide = 28;

std::vector<float> drawn_seven() {
  std::vector<float> picture(kSide * kSide);
  for (int i = 0; i < 16; ++i) {
    for (int width = 0; width < 2; ++width) {
      picture[static_cast<size_t>((6 + width) * kSide + 6 + i)] = 1;  // the bar
      picture[static_cast<size_t>((6 + i) * kSide + 21 - i / 2 + width)] = 1;  // the stroke down
    }
  }
  return picture;
}

bool read(const char* path, std::vector<float>& picture) {
  std::FILE* file = std::fopen(path, "rb");
  if (file == nullptr) return false;
  const size_t got = std::fread(picture.data(), sizeof(float), picture.size(), file);
  std::fclose(file);
  return got == picture.size();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: classify MODEL [PICTURE]\n");
    return 2;
  }
  std::vector<float> picture = drawn_seven();
  if (argc == 3 && !read(argv[2], picture)) {
    std::fprintf(stderr, "%s has no 784 numbers of float32\n", argv[2]);
    return 3;
  }
  try {
    chorus::Config config(argv[1]);
    chorus::Predictor predictor(config);
    predictor.GetInputTensor(predictor.GetInputNames()[0])->copy(picture);
    predictor.Run();
    const std::vector<float> probabilities =
        predictor.GetOutputTensor(predictor.GetOutputNames()[0])->to_vector<float>();
    std::vector<size_t> order(probabilities.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return probabilities[a] > probabilities[b]; });
    for (size_t i = 0; i < std::min<size_t>(order.size(), 3); ++i)
      std::printf("digit %zu: %.6f\n", order[i], static_cast<double>(probabilities[order[i]]));
    return 0;
  } catch (const chorus::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 3;
  }
}
