// The four interface classes of the inference-engine API, in C++17: models, devices, input and output, inference.
//   four_interfaces MODEL: runs it on zeros and prints its outputs and their sum.
#include <chorus/device.h>
#include <chorus/infer.h>
#include <chorus/io.h>
#include <chorus/model.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: four_interfaces MODEL\n");
    return 2;
  }
  try {
    using namespace chorus::api;
    Device device = Device::Open("cpu");
    device.SetPowerMode(chorus::PowerMode::balanced);
    const Model model = Model::Load(argv[1]);
    Instance instance = model.Compile({}, device).CreateInstance();
    for (const std::string& name : instance.input_names()) {
      InputTensor& input = instance.input(name);
      int64_t count = 1;
      for (int64_t extent : input.shape()) count *= extent < 1 ? 1 : extent;
      input.copy(std::vector<float>(static_cast<size_t>(count)));
    }
    instance.Run();
    for (const std::string& name : instance.output_names()) {
      double sum = 0;
      for (float v : instance.output(name).to_vector<float>()) {
        std::printf("%.6f ", static_cast<double>(v));
        sum += static_cast<double>(v);
      }
      std::printf("\n%s: sum %.6f\n", name.c_str(), sum);
    }
    return 0;
  } catch (const chorus::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 3;
  }
}
