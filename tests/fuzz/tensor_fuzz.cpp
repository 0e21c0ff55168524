// TensorProto, SequenceProto, OptionalProto, MapProto, as feeds of test cases hold them. The first byte says which is expected.
#include "fuzz/target.h"

#include <core/type.h>
#include <format/onnx/onnx.h>

#include <iterator>

namespace chorus::fuzz {
namespace {

std::vector<Type> types() {
  const Type plain = Type::tensor(DType::float32);
  return {plain,
          Type::sequence(plain),
          Type::optional(plain),
          Type::optional(Type::sequence(plain)),
          Type::map(DType::int64, plain),
          Type::map(DType::string, plain),
          Type::sequence(Type::map(DType::int64, plain))};
}

void run(std::string_view bytes) {
  if (bytes.empty()) return;
  const std::vector<Type> all = types();
  onnx::ReadLimits limits;
  limits.tensor_bytes = int64_t{64} << 20;
  const auto owner = std::make_shared<const std::string>(bytes.substr(1));
  const Value value = onnx::read_value(*owner, all[static_cast<unsigned char>(bytes[0]) % all.size()], owner, limits);
  static_cast<void>(value.str(4));
}

std::vector<Seed> seeds() {
  std::vector<Seed> found;
  const Value floats = Value::of<float>(Shape{2, 2}, {1.f, -2.f, 3.f, 0.5f});
  const Value many[] = {floats,
                        Value::of<int64_t>(Shape{3}, {1, -1, int64_t{1} << 40}),
                        Value::of<uint8_t>(Shape{4}, {0, 1, 2, 255}),
                        Value::scalar<bool>(true),
                        Value::scalar(2.5),
                        Value::strings(Shape{2}, std::vector<std::string>{"one", ""})};
  for (size_t i = 0; i < std::size(many); ++i)
    found.push_back({"tensor" + std::to_string(i), std::string(1, '\0') + onnx::write_value(many[i], "x")});
  found.push_back(
      {"sequence", std::string(1, '\1') + onnx::write_value(Value::sequence(DType::float32, {floats, floats}), "s")});
  return found;
}

}  // namespace

const Target tensor{"tensor",
                    "tensors, sequences and maps in protobuf",
                    [](std::string_view bytes) { bounded(run, bytes); },
                    seeds,
                    nullptr,
                    2};
}  // namespace chorus::fuzz
