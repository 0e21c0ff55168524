#include <core/convert.h>
#include <runtime/io.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace chorus {
namespace {

/// Limits of an integer type as int64 and uint64 (high).
void integer_limits(DType type, int64_t& low, uint64_t& high) {
  const int bits = dtype_bits(type);
  if (is_unsigned_integer(type)) {
    low = 0;
    high = bits == 64 ? std::numeric_limits<uint64_t>::max() : (uint64_t{1} << bits) - 1;
  } else {
    high = (uint64_t{1} << (bits - 1)) - 1;
    low = -static_cast<int64_t>(high) - 1;
  }
}

int64_t saturated(double v, int64_t low, uint64_t high) {
  if (std::isnan(v)) return 0;
  if (v <= static_cast<double>(low)) return low;
  if (v >= static_cast<double>(high)) return static_cast<int64_t>(high);
  return v >= 0x1p63 ? static_cast<int64_t>(static_cast<uint64_t>(v)) : static_cast<int64_t>(v);
}

constexpr int64_t kChunk = 1024;

void to_integers(DType from, const void* source, DType to, void* target, int64_t count) {
  int64_t low = 0;
  uint64_t high = 0;
  integer_limits(to, low, high);
  double reals[kChunk];
  int64_t integers[kChunk];
  for (int64_t at = 0; at < count; at += kChunk) {
    const int64_t n = std::min(kChunk, count - at);
    if (is_float(from)) {
      load_f64(from, source, at, n, reals);
      for (int64_t i = 0; i < n; ++i) integers[i] = saturated(reals[i], low, high);
    } else {
      load_i64(from, source, at, n, integers);
      for (int64_t i = 0; i < n; ++i) {
        if (from == DType::uint64 || integers[i] > 0) {  // non-negative: uint64 holds it
          integers[i] = static_cast<int64_t>(std::min(static_cast<uint64_t>(integers[i]), high));
        } else {
          integers[i] = std::max(integers[i], low);
        }
      }
    }
    store_i64(to, target, at, n, integers);
  }
}

}  // namespace

void convert_saturating(DType from, const void* source, DType to, void* target, int64_t count) {
  if (dtype_bits(from) == 0 || dtype_bits(to) == 0 || (is_complex(from) && !is_complex(to))) {
    throw Error(Code::type, fmt::format("{} cannot be converted to {}", dtype_name(from), dtype_name(to)));
  }
  if (count <= 0) return;
  if (from == to) {
    copy_elements(from, source, 0, target, 0, count);
  } else if (is_integer(to)) {
    to_integers(from, source, to, target, count);
  } else {
    cast_elements(from, source, 0, to, target, 0, count, true);
  }
}

namespace api {
namespace {

std::vector<int64_t> extents_of(const Type& type) {
  std::vector<int64_t> dims;
  for (const Dim& d : type.dims) dims.push_back(d.is_number() ? d.number() : -1);
  return dims;
}

std::vector<int64_t> extents_of(const Shape& shape) { return {shape.begin(), shape.end()}; }

/// [N,] H, W, C → [N,] C, H, W for elements of `size` bytes; `shape` is the target's.
void channels_first(const std::byte* source, std::byte* target, const Shape& shape, size_t size) {
  const int r = shape.rank();
  const int64_t images = r == 4 ? shape[0] : 1, channels = shape[r - 3], pixels = shape[r - 2] * shape[r - 1];
  for (int64_t n = 0; n < images; ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t p = 0; p < pixels; ++p) {
        std::memcpy(target, source + static_cast<size_t>((n * pixels + p) * channels + c) * size, size);
        target += size;
      }
    }
  }
}

}  // namespace

InputTensor::InputTensor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
InputTensor::~InputTensor() = default;
const std::string& InputTensor::name() const noexcept { return impl_->name; }
DType InputTensor::dtype() const noexcept { return impl_->type.dtype; }
bool InputTensor::ready() const noexcept { return static_cast<bool>(impl_->value) || impl_->has_default; }

std::vector<int64_t> InputTensor::shape() const {
  if (impl_->shape_set) return extents_of(impl_->shape);
  return extents_of(impl_->type);
}

void InputTensor::Reshape(const std::vector<int64_t>& shape) {
  const Type& type = impl_->type;
  if (type.has_rank && shape.size() != type.dims.size()) {
    throw Error(Code::shape,
                fmt::format("input \"{}\" takes {} axes, {} were given: {}", name(), type.dims.size(), shape.size(),
                            shape_str(shape)),
                {}, "the model says " + type.str());
  }
  const Shape wanted(shape);
  for (size_t i = 0; i < shape.size() && type.has_rank; ++i) {
    if (type.dims[i].is_number() && type.dims[i].number() != shape[i]) {
      throw Error(
          Code::shape,
          fmt::format("input \"{}\": extent {} on axis {} given, the model takes {}", name(), shape[i], i, type.str()),
          {},
          fmt::format("give extent {} on axis {}; other sizes need a model that declares the axis open",
                      type.dims[i].number(), i));
    }
  }
  impl_->shape = wanted;
  impl_->shape_set = true;
  impl_->shape_derived = false;
  if (impl_->value && !(impl_->value.is_tensor() && impl_->value.shape() == wanted)) impl_->value = Value();
}

void* InputTensor::mutable_data() {
  if (!impl_->shape_set) {
    for (const Dim& d : impl_->type.dims) {
      if (!d.is_number()) {
        throw Error(Code::shape,
                    fmt::format("input \"{}\" is {}: its extents are not known yet", name(), impl_->type.str()), {},
                    "call Reshape first");
      }
    }
    if (!impl_->type.has_rank)
      throw Error(Code::shape, "the model does not say the shape of input \"" + name() + "\"", {},
                  "call Reshape first");
    impl_->shape = Shape(extents_of(impl_->type));
    impl_->shape_set = true;
  }
  if (impl_->type.dtype == DType::undefined || !impl_->type.is_tensor()) {
    throw Error(Code::type, fmt::format("input \"{}\" is {}: it takes no plain elements", name(), impl_->type.str()));
  }
  if (impl_->type.dtype == DType::string)
    throw Error(Code::type, "input \"" + name() + "\" takes strings", {}, "call copy with strings");
  Value& value = impl_->value;
  // A run that goes on holds the value too: then the new data gets memory of its own.
  const bool reuse = impl_->own && value && value.shape() == impl_->shape && value.buffer().unique();
  if (!reuse) value = Value::tensor(impl_->type.dtype, impl_->shape);
  impl_->own = true;
  return value.mutable_data();
}

void InputTensor::copy(const void* data, DType from, int64_t count, DataLayout layout) {
  if ((!impl_->shape_set || impl_->shape_derived) && count >= 0 &&
      impl_->type.has_rank) {  // one open extent follows from the count
    std::vector<int64_t> dims = extents_of(impl_->type);
    const auto open = std::count(dims.begin(), dims.end(), -1);
    int64_t known = 1;
    for (int64_t d : dims) known = d < 0 ? known : checked_mul(known, d);
    if (open == 1 && known > 0 && count % known == 0) {
      *std::find(dims.begin(), dims.end(), -1) = count / known;
      Reshape(dims);
      impl_->shape_derived = true;
    }
  }
  void* target = mutable_data();
  const int64_t wanted = impl_->shape.numel();
  const auto refuse = [&](Code code, const std::string& what, const std::string& fix = {}) {
    clear();
    throw Error(code, "input \"" + name() + "\" " + what, {}, fix);
  };
  if (count >= 0 && count != wanted) {
    refuse(Code::shape, fmt::format("takes {} elements (shape {}), {} were given", wanted, impl_->shape.str(), count),
           "give that many, or call Reshape");
  }
  if (data == nullptr && wanted > 0) refuse(Code::bad_input, "was given no data (null)");
  const DType to = impl_->type.dtype;
  if (dtype_bits(from) == 0 || (is_complex(from) && !is_complex(to))) {
    refuse(Code::type, fmt::format("takes {}, {} cannot be converted to it", dtype_name(to), dtype_name(from)));
  }
  if (layout == DataLayout::as_is) {
    convert_saturating(from, data, to, target, wanted);
    return;
  }
  if (impl_->shape.rank() < 3 || impl_->shape.rank() > 4 || dtype_bits(to) < 8) {
    refuse(Code::shape,
           fmt::format("has shape {}: channels-last data needs [N,] C, H, W of whole bytes", impl_->shape.str()));
  }
  Value converted = Value::tensor(to, impl_->shape);
  convert_saturating(from, data, to, converted.mutable_data(), wanted);
  channels_first(static_cast<const std::byte*>(converted.data()), static_cast<std::byte*>(target), impl_->shape,
                 static_cast<size_t>(dtype_bits(to)) / 8);
}

void InputTensor::copy(const std::vector<std::string>& strings) {
  if (impl_->type.dtype != DType::string) {
    throw Error(Code::type, fmt::format("input \"{}\" takes {}, strings were given", name(), impl_->type.str()));
  }
  if (!impl_->shape_set) {
    std::vector<int64_t> dims = extents_of(impl_->type);
    if (!impl_->type.has_rank || (dims.size() == 1 && dims[0] < 0)) dims = {static_cast<int64_t>(strings.size())};
    Reshape(dims);
  }
  if (impl_->shape.numel() != static_cast<int64_t>(strings.size())) {
    throw Error(Code::shape, fmt::format("input \"{}\" takes {} strings (shape {}), {} were given", name(),
                                         impl_->shape.numel(), impl_->shape.str(), strings.size()));
  }
  impl_->value = Value::strings(impl_->shape, strings);
  impl_->own = false;
}

void InputTensor::borrow(const void* data, DType from, const std::vector<int64_t>& shape,
                         std::shared_ptr<const void> owner) {
  if (from != dtype() || dtype_bits(from) == 0) {
    throw Error(Code::type,
                fmt::format("input \"{}\" takes {}, borrowed memory of {} cannot be used in place", name(),
                            dtype_name(dtype()), dtype_name(from)),
                {}, "use copy, which converts");
  }
  Reshape(shape);
  const int64_t bytes = dtype_bytes(from, impl_->shape.numel());
  if (data == nullptr && bytes > 0) throw Error(Code::bad_input, "input \"" + name() + "\" was given no data (null)");
  impl_->value =
      Value::tensor(from, impl_->shape, Buffer::borrow_read_only(data, static_cast<size_t>(bytes), std::move(owner)));
  impl_->own = false;
}

const void* InputTensor::data() const noexcept { return impl_->value ? impl_->value.data() : nullptr; }

void InputTensor::clear() noexcept {
  impl_->value = Value();
  impl_->own = false;
  impl_->shape_set = impl_->shape_derived = false;
}

void InputTensor::set(Value value) {
  if (value.is_tensor()) {
    if (dtype() != DType::undefined && value.dtype() != dtype()) {
      throw Error(Code::type, fmt::format("input \"{}\" takes {}, {} was given", name(), impl_->type.str(),
                                          dtype_name(value.dtype())));
    }
    if (impl_->type.is_tensor()) Reshape(extents_of(value.shape()));
  }
  impl_->value = std::move(value);
  impl_->own = false;
}

OutputView::OutputView(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
OutputView::~OutputView() = default;
OutputView::OutputView(const OutputView&) = default;
OutputView& OutputView::operator=(const OutputView&) = default;

bool OutputView::stale() const noexcept { return impl_->state->generation.load() != impl_->generation; }

namespace {
const Value& fresh(const OutputView& view, const OutputView::Impl& impl) {
  if (view.stale()) {
    throw Error(Code::bad_input, "the view of output \"" + impl.name + "\" is stale: another run has begun since", {},
                "take a new view after each run, or copy");
  }
  return impl.value;
}
}  // namespace

const void* OutputView::data() const { return fresh(*this, *impl_).data(); }
size_t OutputView::bytes() const {
  const Value& v = fresh(*this, *impl_);
  return static_cast<size_t>(dtype_bytes(v.dtype(), v.numel()));
}
std::vector<int64_t> OutputView::shape() const { return extents_of(fresh(*this, *impl_).shape()); }
DType OutputView::dtype() const { return fresh(*this, *impl_).dtype(); }

OutputTensor::OutputTensor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OutputTensor::~OutputTensor() = default;
const std::string& OutputTensor::name() const noexcept { return impl_->name; }
DType OutputTensor::dtype() const noexcept { return impl_->type.dtype; }

const Value& OutputTensor::value() const {
  if (impl_->state->running.load())
    throw Error(Code::bad_input, "output \"" + name() + "\": a run goes on", {}, "wait for it first");
  if (impl_->generation == 0 || impl_->generation != impl_->state->generation.load()) {
    throw Error(Code::bad_input,
                "output \"" + name() + "\" has no value: " +
                    (impl_->generation == 0 ? "nothing was run" : "the last run did not finish or did not compute it"),
                {}, "call Run first");
  }
  return impl_->value;
}

std::vector<int64_t> OutputTensor::shape() const {
  if (impl_->generation == 0 && !impl_->state->running.load()) return extents_of(impl_->type);
  return extents_of(value().shape());
}

int64_t OutputTensor::count() const { return value().numel(); }

void OutputTensor::copy(void* data, DType to) const {
  const Value& v = value();
  if (!v.is_tensor() || v.dtype() == DType::string)
    throw Error(Code::type, fmt::format("output \"{}\" is {}: it has no plain elements", name(), impl_->type.str()));
  if (data == nullptr && v.numel() > 0)
    throw Error(Code::bad_input, "output \"" + name() + "\" cannot be copied to null");
  convert_saturating(v.dtype(), v.data(), to, data, v.numel());
}

std::vector<std::string> OutputTensor::strings() const {
  const Strings& all = value().strings();
  std::vector<std::string> result;
  for (int64_t i = 0; i < all.size(); ++i) result.emplace_back(all[i]);
  return result;
}

OutputView OutputTensor::view() const {
  auto impl = std::make_shared<OutputView::Impl>();
  impl->value = value();
  impl->generation = impl_->generation;
  impl->state = impl_->state;
  impl->name = name();
  return OutputView(std::move(impl));
}

void OutputTensor::use_buffer(void* data, DType type, const std::vector<int64_t>& shape, size_t bytes) {
  if (data == nullptr) {
    impl_->buffer = Value();
    return;
  }
  if (impl_->type.dtype != DType::undefined && type != impl_->type.dtype) {
    throw Error(Code::type, fmt::format("output \"{}\" is {}, the buffer given is {}", name(),
                                        dtype_name(impl_->type.dtype), dtype_name(type)));
  }
  const Shape wanted(shape);
  const int64_t need = dtype_bytes(type, wanted.numel());
  if (need < 0 || bytes < static_cast<size_t>(need)) {
    throw Error(Code::shape, fmt::format("output \"{}\": {} bytes given, {}{} needs {}", name(), bytes,
                                         dtype_name(type), wanted.str(), need));
  }
  impl_->buffer = Value::tensor(type, wanted, Buffer::borrow(data, static_cast<size_t>(need)));
}

}  // namespace api
}  // namespace chorus
