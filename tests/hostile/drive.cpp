#include "hostile/drive.h"

#include <chorus/error.h>
#include <core/clock.h>
#include <engine/native/native_engine.h>
#include <format/onnx/onnx.h>
#include <graph/image.h>
#include <graph/infer.h>

#include <cstring>
#include <functional>
#include <optional>
#include <stdexcept>

namespace chorus::testing {
namespace {

constexpr int64_t kMostElements = 1 << 16;

/// Data for an input; nothing where its type asks for what a test cannot make.
std::optional<Value> feed(const Type& type) {
  if (!type.is_tensor() || type.dtype == DType::undefined) return std::nullopt;
  std::vector<int64_t> dims;
  int64_t count = 1;
  for (const Dim& d : type.dims) {
    dims.push_back(d.is_number() ? d.number() : 2);
    if (dims.back() < 0 || dims.back() > kMostElements || (count *= dims.back()) > kMostElements) return std::nullopt;
  }
  if (dims.size() > 32) return std::nullopt;
  if (type.dtype == DType::string)
    return Value::strings(Shape(dims), std::vector<std::string>(static_cast<size_t>(count), "ab c"));
  Value value = Value::tensor(type.dtype, Shape(dims));
  std::memset(value.mutable_data(), type.dtype == DType::boolean ? 1 : 0, value.bytes());
  if (type.dtype == DType::float32) {
    auto data = value.as_mutable<float>();
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i % 7) - 3;
  }
  return value;
}

void run(Program& program, Journey& journey) {
  std::vector<Value> inputs;
  for (const Port& port : program.inputs()) {
    auto value = feed(port.type);
    if (!value) {
      journey.error = "no data for input " + port.name;
      return;
    }
    inputs.push_back(std::move(*value));
  }
  const auto instance = program.instance();
  std::vector<Value> outputs(program.outputs().size());
  StopToken stop;
  stop.set_deadline(now_ns() + kTimeLimit * 1'000'000'000);
  RunOptions options;
  options.stop = &stop;
  journey.started = true;
  instance->run(inputs, outputs, options);
  for (const Value& v : outputs) static_cast<void>(v.str(4));
  journey.ran = true;
}

/// Compiles and runs what `read` gives.
Journey journey_of(const std::function<Model()>& read) {
  Journey journey;
  try {
    const Model model = read();
    journey.read = true;
    const std::string image = save_image_bytes(model);
    static_cast<void>(load_image(image, nullptr));
    CompileOptions options;
    options.memory_budget = kMemoryBudget;
    const auto program = native::make_native_engine()->compile(model, options);
    journey.inferred = journey.compiled = true;
    run(*program, journey);
  } catch (const Error& error) {
    journey.error = error.what();
    if (error.code() == Code::internal) throw std::logic_error("internal error: " + journey.error);
    if (error.message().empty()) throw std::logic_error("an error without a sentence");
  } catch (const std::bad_alloc&) {
    throw std::logic_error("out of memory");
  }
  return journey;
}

}  // namespace

Journey drive(std::string_view bytes) {
  return journey_of([bytes] {
    onnx::ReadLimits limits;
    limits.tensor_bytes = kMemoryBudget;
    const auto owner = std::make_shared<std::string>(bytes);
    return onnx::read_model(*owner, owner, {}, "mutant", limits);
  });
}

Journey drive_image(std::string_view bytes) {
  return journey_of([bytes] {
    const auto owner = std::make_shared<std::string>(bytes);
    ImageLimits limits;
    limits.nodes = limits.values = 1 << 16;
    return load_image(*owner, owner, limits);
  });
}

}  // namespace chorus::testing
