// What a size that was never seen adds: bind of a model on many sizes of one axis, against sizes that were just bound.
//   bind_bench MODEL 1,3,48,W FROM STEP [count = 200]       shape of the first input, W being what changes
// prints processor time of bind per new size, with the page faults and the memory in use after the first and the last size; then what the
// first run of a size that was never seen takes more than the second (one thread; medians, because kernels' times vary).
#include <chorus/error.h>
#include <engine/engine.h>
#include <format/onnx/onnx.h>

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace {

int64_t thread_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * int64_t{1'000'000'000} + t.tv_nsec;
}

long faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

int64_t resident_kib() {
  std::ifstream file("/proc/self/statm");
  int64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * 4;
}

chorus::Dims dims_of(const std::string& shape, int64_t w) {
  chorus::Dims dims;
  for (size_t at = 0; at <= shape.size();) {
    const size_t comma = std::min(shape.find(',', at), shape.size());
    const std::string one = shape.substr(at, comma - at);
    dims.emplace_back(one == "W" ? w : std::atoll(one.c_str()));
    at = comma + 1;
  }
  return dims;
}

struct Difference {
  int64_t ns, noise;  ///< noise: between the second and the third
  long faults;
};

/// The first run of a size against the second.
Difference first_run(chorus::Program& program, chorus::Instance& instance, const chorus::Dims& dims) {
  using namespace chorus;
  std::vector<int64_t> numbers;
  for (const Dim& d : dims) numbers.push_back(d.number());
  Value x = Value::tensor(program.inputs()[0].type.dtype, Shape(numbers));
  std::fill_n(static_cast<std::byte*>(x.mutable_data()), x.bytes(), std::byte{0});
  const std::vector<Value> inputs{x};
  int64_t ns[3];
  long faulted = 0;
  for (int i = 0; i < 3; ++i) {
    std::vector<Value> outputs(program.outputs().size());
    const long before = faults();
    const int64_t begin = thread_ns();
    instance.run(inputs, outputs, {});
    ns[i] = thread_ns() - begin;
    if (i == 0) faulted = faults() - before;
  }
  return {ns[0] - ns[1], ns[1] - ns[2], faulted};
}

int run(const std::string& path, const std::string& shape, int64_t from, int64_t step, int count) {
  using namespace chorus;
  CompileOptions options;
  const auto program = open_engine("native")->compile(onnx::read_model(path), options);
  const auto instance = program->instance();
  std::vector<int64_t> times;
  int64_t first_kib = 0;
  long before = faults();
  for (int i = 0; i < count; ++i) {
    std::vector<Type> types;
    types.push_back(Type::tensor(program->inputs()[0].type.dtype, dims_of(shape, from + step * i)));
    const int64_t begin = thread_ns();
    instance->bind(types);
    times.push_back(thread_ns() - begin);
    if (i == 0) first_kib = resident_kib();
  }
  const int64_t first = times.front();
  std::sort(times.begin(), times.end());
  std::printf(
      "bind of %d sizes: first %.1f us, median %.1f us, p99 %.1f us, max %.1f us; %ld page faults; resident %lld KiB "
      "after the first, %lld after the last; arena %lld KiB\n",
      count, first * 1e-3, times[times.size() / 2] * 1e-3, times[times.size() * 99 / 100] * 1e-3, times.back() * 1e-3,
      faults() - before, static_cast<long long>(first_kib), static_cast<long long>(resident_kib()),
      static_cast<long long>(instance->arena_bytes() / 1024));
  const auto fresh = program->instance();
  std::vector<int64_t> more, noise;
  std::vector<long> faulted;
  for (int i = 0; i < count; ++i) {
    const Difference d = first_run(*program, *fresh, dims_of(shape, from + step * i));
    more.push_back(d.ns);
    noise.push_back(d.noise);
    faulted.push_back(d.faults);
  }
  std::printf("first run of a size against its second: %.1f us for the very first, ", more[0] * 1e-3);
  std::sort(more.begin() + 1, more.end());
  std::sort(faulted.begin() + 1, faulted.end());
  std::sort(noise.begin(), noise.end());
  std::printf(
      "then median %.1f us, p90 %.1f us, max %.1f us; page faults median %ld, max %ld; "
      "the second against the third: median %.1f us, p90 %.1f us\n",
      more[more.size() / 2] * 1e-3, more[more.size() * 9 / 10] * 1e-3, more.back() * 1e-3, faulted[faulted.size() / 2],
      faulted.back(), noise[noise.size() / 2] * 1e-3, noise[noise.size() * 9 / 10] * 1e-3);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: bind_bench MODEL SHAPE FROM STEP [COUNT]\n");
    return 2;
  }
  try {
    return run(argv[1], argv[2], std::atoll(argv[3]), std::atoll(argv[4]), argc > 5 ? std::atoi(argv[5]) : 200);
  } catch (const chorus::Error& error) {
    std::fprintf(stderr, "bind_bench: %s\n", error.what());
    return 3;
  }
}
