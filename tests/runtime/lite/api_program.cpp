// The interface that both profiles have, used by one program: compiled from this file, with the installed headers, for the full library and
// for that of the edge profile.
//   api_program MODEL.chorus: a network with one input and one output of float32. Prints the outputs; exit status 1 when a call misbehaves.
#include <chorus/lite.h>

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace {

int failures = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "wrong: %s\n", what);
  ++failures;
}

void expect_error(chorus::Code code, const char* what, const std::function<void()>& call) {
  try {
    call();
  } catch (const chorus::Error& error) {
    expect(error.code() == code, what);
    expect(!error.message().empty(), what);
    return;
  }
  expect(false, what);
}

std::vector<char> read(const char* path) {
  std::vector<char> bytes;
  std::FILE* file = std::fopen(path, "rb");
  if (file == nullptr) return bytes;
  char part[4096];
  for (size_t n; (n = std::fread(part, 1, sizeof part, file)) > 0;) bytes.insert(bytes.end(), part, part + n);
  std::fclose(file);
  return bytes;
}

std::vector<float> run(chorus::LiteModel& model) {
  std::vector<int64_t> shape = model.inputs().at(0).shape;
  size_t count = 1;
  for (int64_t& extent : shape) count *= static_cast<size_t>(extent = extent < 1 ? 1 : extent);
  std::vector<float> pixels(count);
  for (size_t i = 0; i < count; ++i) pixels[i] = static_cast<float>(i * 7 % 31) / 31 - 0.5f;
  model.set_input(0, pixels.data(), count * sizeof(float), shape);
  model.run();
  const chorus::LiteTensor result = model.output(0);
  expect(result.dtype == chorus::DType::float32 && result.bytes > 0 && result.data != nullptr, "an output of float32");
  const auto* scores = static_cast<const float*>(result.data);
  return std::vector<float>(scores, scores + result.bytes / sizeof(float));
}

}  // namespace

int main(int, char** argv) {
  using chorus::Code;
  using chorus::LiteModel;
  try {
    LiteModel model(argv[1]);
    expect(model.inputs().size() == 1 && model.outputs().size() == 1, "one input, one output");
    expect_error(Code::bad_input, "output before the first run", [&] { model.output(0); });
    expect_error(Code::not_found, "an input that is not there", [&] { model.set_input(3, nullptr, 0); });
    expect_error(Code::not_found, "a file that is not there", [] { LiteModel none("/nowhere/model.chorus"); });
    expect_error(Code::bad_input, "no model", [] { LiteModel::from_memory("no model", 8); });
    const std::vector<float> scores = run(model);
    expect(run(model) == scores, "the same again");
    const std::vector<char> bytes = read(argv[1]);
    LiteModel other = LiteModel::from_memory(bytes.data(), bytes.size(), 2);
    expect(run(other) == scores, "from memory, with two threads");
    const LiteModel moved = std::move(other);
    expect(moved.outputs().size() == 1, "moved");
    for (const float score : scores) std::printf("%.9g\n", static_cast<double>(score));
  } catch (const chorus::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return failures == 0 ? 0 : 1;
}
