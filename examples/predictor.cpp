// The inference program of the standard: configure, create, give input, run, take output.
//   predictor MODEL [VALUE…]: runs a model with float inputs on the given numbers (else on zeros) and prints the best class.
#include <chorus/predictor.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

using namespace chorus;

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: predictor MODEL [VALUE...]\n");
    return 2;
  }
  try {
    Config config(argv[1]);
    config.SetDevice("cpu");
    config.SwitchIrOptim(true);
    auto predictor = std::make_shared<Predictor>(config);

    auto input_names = predictor->GetInputNames();
    for (size_t i = 0; i < input_names.size(); ++i) {
      auto tensor = predictor->GetInputTensor(input_names[i]);
      int64_t count = 1;
      for (int64_t extent : tensor->shape()) count *= std::max<int64_t>(extent, 1);
      std::vector<float> data(static_cast<size_t>(count));
      for (size_t k = 0; k < data.size() && k + 2 < static_cast<size_t>(argc); ++k)
        data[k] = std::strtof(argv[k + 2], nullptr);
      tensor->copy(data);
    }
    predictor->Run();

    auto out_names = predictor->GetOutputNames();
    for (size_t i = 0; i < out_names.size(); ++i) {
      auto tensor = predictor->GetOutputTensor(out_names[i]);
      std::vector<float> data(static_cast<size_t>(tensor->count()));
      tensor->copy(data.data());
      const auto best = std::max_element(data.begin(), data.end());
      std::printf("%s: best class %d (%.4f)\n", out_names[i].c_str(), static_cast<int>(best - data.begin()),
                  static_cast<double>(*best));
    }
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 3;
  }
}
