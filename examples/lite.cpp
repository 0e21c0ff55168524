// A model on a device: the program of the edge profile (docs/lite.md).
//   example_lite MODEL.chorus INPUT... [--output FILE]: every INPUT is a file of raw elements, one per input of the model. Prints the
//   largest element of the first output and the time of a run; FILE gets its raw elements.
#include <chorus/lite.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

std::vector<char> read(const std::string& path) {
  std::vector<char> bytes;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) throw chorus::Error(chorus::Code::not_found, "cannot open \"" + path + "\"");
  char part[4096];
  for (size_t n; (n = std::fread(part, 1, sizeof part, file)) > 0;) bytes.insert(bytes.end(), part, part + n);
  std::fclose(file);
  return bytes;
}

void write(const std::string& path, const chorus::LiteTensor& tensor) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  const bool whole = file != nullptr && std::fwrite(tensor.data, 1, tensor.bytes, file) == tensor.bytes;
  if (file == nullptr || std::fclose(file) != 0 || !whole)
    throw chorus::Error(chorus::Code::bad_input, "cannot write \"" + path + "\"");
}

void run(chorus::LiteModel& model, const std::vector<std::string>& files, const std::string& output) {
  for (size_t i = 0; i < files.size(); ++i) {
    const std::vector<char> bytes = read(files[i]);
    model.set_input(i, bytes.data(), bytes.size());
  }
  model.run();  // plans the memory
  const auto begin = std::chrono::steady_clock::now();
  model.run();
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  const chorus::LiteTensor result = model.output(0);
  if (result.dtype == chorus::DType::float32) {
    const auto* scores = static_cast<const float*>(result.data);
    const auto* best = std::max_element(scores, scores + result.bytes / sizeof(float));
    std::printf("best %d of %d: %g\n", static_cast<int>(best - scores), static_cast<int>(result.bytes / sizeof(float)),
                static_cast<double>(*best));
  }
  std::printf("ms=%.2f\n", ms);
  if (!output.empty()) write(output, result);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> files;
  std::string output;
  for (int i = 2; i < argc; ++i) {
    if (std::strcmp(argv[i], "--output") == 0 && i + 1 < argc)
      output = argv[++i];
    else
      files.emplace_back(argv[i]);
  }
  if (argc < 3) {
    std::fprintf(stderr, "usage: example_lite MODEL.chorus INPUT... [--output FILE]\n");
    return 2;
  }
  try {
    chorus::LiteModel model(argv[1]);
    run(model, files, output);
  } catch (const chorus::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 3;
  }
  return 0;
}
