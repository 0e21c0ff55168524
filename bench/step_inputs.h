// Random inputs of a compiled model and a thread's processor time, for the programs that measure steps.
#pragma once
#include <engine/engine.h>

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace chorus::bench {

inline int64_t thread_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * int64_t{1'000'000'000} + t.tv_nsec;
}

/// Open extents are 1 where none is given.
inline Value random_input(const Type& type, const std::vector<int64_t>& given) {
  std::vector<int64_t> dims;
  for (size_t i = 0; i < type.dims.size(); ++i) {
    dims.push_back(type.dims[i].is_number() ? type.dims[i].number() : i < given.size() ? given[i] : 1);
  }
  Value v = Value::tensor(type.dtype, Shape(dims));
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 1);
  if (type.dtype == DType::float32) {
    for (float& x : v.as_mutable<float>()) x = normal(random);
  } else {
    std::memset(v.mutable_data(), 0, static_cast<size_t>(dtype_bytes(type.dtype, v.numel())));
  }
  return v;
}

using Shapes = std::map<std::string, std::vector<int64_t>>;

/// "name=1,3,224,224" from argument `first` on.
inline Shapes shapes_of(int argc, char** argv, int first) {
  Shapes shapes;
  for (int i = first; i < argc; ++i) {
    const std::string text = argv[i];
    const size_t eq = text.find('=');
    for (size_t at = eq + 1; eq != std::string::npos && at < text.size();
         at = std::min(text.find(',', at), text.size() - 1) + 1) {
      shapes[text.substr(0, eq)].push_back(std::atoll(text.c_str() + at));
    }
  }
  return shapes;
}

inline std::vector<Value> random_inputs(const Program& program, Shapes shapes) {
  std::vector<Value> inputs;
  for (const Port& port : program.inputs()) inputs.push_back(random_input(port.type, shapes[port.name]));
  return inputs;
}

}  // namespace chorus::bench
