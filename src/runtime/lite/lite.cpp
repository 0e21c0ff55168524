#include <chorus/lite.h>
#include <core/cpu.h>
#include <core/file.h>
#include <engine/native/native_engine.h>
#include <graph/image.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

namespace chorus {
namespace {

LitePort lite_port(const Port& port) {
  LitePort made{port.name, port.type.dtype, {}, port.type.has_rank};
  for (const Dim& d : port.type.dims) made.shape.push_back(d.is_number() ? d.number() : -1);
  return made;
}

[[noreturn]] void no_such(const char* kind, size_t index, size_t count) {
  throw Error(Code::not_found, fmt::format("the model has no {} {}", kind, index), {},
              fmt::format("it has {}, counted from 0", count));
}

Model read(std::string_view bytes, std::shared_ptr<const void> owner, const std::string& source) {
  if (!is_image(bytes)) {
    throw Error(Code::bad_input, "this is no .chorus file", source,
                "write one: chorus convert model.onnx model.chorus");
  }
  try {
    Model model = load_image(bytes, std::move(owner));
    model.source = source;
    return model;
  } catch (const Error& error) {
    throw error.at(source);
  }
}

}  // namespace

struct LiteModel::Impl {
  std::shared_ptr<Program> program;
  std::unique_ptr<chorus::Instance> instance;
  std::vector<LitePort> inputs, outputs;
  std::vector<Value> given, made;  ///< operands and results; kind none: not given, not run
  bool has_run = false;

  Impl(const Model& model, int threads) {
    CompileOptions options;
    options.threads = threads > 0 ? threads : usable_processors();
    try {
      program = native::compile(model, options);
    } catch (const Error& error) {
      throw error.at(model.source);
    }
    instance = program->instance();
    for (const Port& port : program->inputs()) inputs.push_back(lite_port(port));
    for (const Port& port : program->outputs()) outputs.push_back(lite_port(port));
    given.resize(inputs.size());
    made.resize(outputs.size());
  }
};

LiteModel::LiteModel(const std::string& path, int threads) {
  auto file = std::make_shared<MappedFile>(path);
  const std::string_view bytes(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  impl_ = std::make_unique<Impl>(read(bytes, file, path), threads);
}

LiteModel::LiteModel(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}

LiteModel LiteModel::from_memory(const void* bytes, size_t size, int threads) {
  const std::shared_ptr<const void> borrowed(bytes, [](const void*) {});
  return LiteModel(std::make_unique<Impl>(read({static_cast<const char*>(bytes), size}, borrowed, "memory"), threads));
}

LiteModel::~LiteModel() = default;
LiteModel::LiteModel(LiteModel&&) noexcept = default;
LiteModel& LiteModel::operator=(LiteModel&&) noexcept = default;

const std::vector<LitePort>& LiteModel::inputs() const noexcept { return impl_->inputs; }
const std::vector<LitePort>& LiteModel::outputs() const noexcept { return impl_->outputs; }

void LiteModel::set_input(size_t index, const void* data, size_t bytes, const std::vector<int64_t>& shape) {
  if (index >= impl_->inputs.size()) no_such("input", index, impl_->inputs.size());
  const LitePort& port = impl_->inputs[index];
  const std::string where = fmt::format("input \"{}\"", port.name);
  if (dtype_bits(port.dtype) == 0)
    throw Error(Code::type, "the input is not a tensor of numbers", where, "use the full library");
  const bool open = !port.has_rank || std::find(port.shape.begin(), port.shape.end(), -1) != port.shape.end();
  if (shape.empty() && open)
    throw Error(Code::shape, "the model leaves the extents open", where, "give them to set_input");
  const Shape extents(shape.empty() ? port.shape : shape);
  const int64_t wanted = dtype_bytes(port.dtype, extents.numel());
  if (wanted < 0 || static_cast<uint64_t>(wanted) != bytes) {
    throw Error(Code::shape,
                fmt::format("{} bytes are given, {} {} has {}", bytes, dtype_name(port.dtype), extents.str(), wanted),
                where, "give all elements, dense, in the input's type");
  }
  Value value = Value::tensor(port.dtype, extents);
  if (bytes > 0) std::memcpy(value.mutable_data(), data, bytes);
  impl_->given[index] = std::move(value);
}

void LiteModel::run() {
  impl_->has_run = false;
  for (Value& value : impl_->made) value = Value();
  impl_->instance->run(impl_->given, impl_->made, {});
  impl_->has_run = true;
}

LiteTensor LiteModel::output(size_t index) const {
  if (index >= impl_->made.size()) no_such("output", index, impl_->made.size());
  const std::string where = fmt::format("output \"{}\"", impl_->outputs[index].name);
  if (!impl_->has_run) throw Error(Code::bad_input, "there is no result before a run", where, "call run()");
  const Value& value = impl_->made[index];
  if (!value.is_tensor() || dtype_bits(value.dtype()) == 0)
    throw Error(Code::type, "the output is not a tensor of numbers", where, "use the full library");
  LiteTensor tensor{value.dtype(),
                    {},
                    value.bytes() > 0 ? value.data() : nullptr,
                    static_cast<size_t>(dtype_bytes(value.dtype(), value.numel()))};
  for (int axis = 0; axis < value.rank(); ++axis) tensor.shape.push_back(value.shape()[axis]);
  return tensor;
}

}  // namespace chorus
