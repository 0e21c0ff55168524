#include <engine/plugin/values.h>

#include <chorus/error.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace chorus::plugin {
namespace {

constexpr int kMaxDepth = 16;                       // of values in values
constexpr uint64_t kMaxItems = uint64_t{1} << 24;   // of one sequence

[[noreturn]] void lie(const std::string& who, const std::string& what) {
  throw Error(Code::internal, who + " " + what, {}, "report this to the makers of the engine's plug-in");
}

Shape checked_shape(const ch_value& v, const std::string& who) {
  if (v.rank > static_cast<uint32_t>(kMaxRank)) lie(who, fmt::format("has rank {}; the most is {}", v.rank, kMaxRank));
  if (v.rank > 0 && v.dims == nullptr) lie(who, fmt::format("has rank {} but no extents", v.rank));
  const std::span<const int64_t> dims(v.dims, v.rank);
  if (v.rank > 0 && checked_numel(dims) < 0) lie(who, "has the impossible shape " + shape_str(dims));
  return v.rank == 0 ? Shape() : Shape(dims);
}

// The bytes behind `offset`, at least `need` of them.
const std::byte* checked_bytes(const ch_value& v, uint64_t need, const std::string& who) {
  if (v.offset > v.buffer.bytes || v.buffer.bytes - v.offset < need) {
    lie(who, fmt::format("needs {} bytes from {} on, but its buffer has {}", need, v.offset, v.buffer.bytes));
  }
  if (need > 0 && v.buffer.data == nullptr) lie(who, fmt::format("needs {} bytes, but its buffer is null", need));
  if (v.buffer.device.kind != CH_CPU) lie(who, "does not lie in host memory");
  return need == 0 ? nullptr : static_cast<const std::byte*>(v.buffer.data) + v.offset;
}

Value checked_strings(const ch_value& v, const Shape& shape, const std::string& who) {
  const int64_t count = shape.numel();
  if (count > 0 && v.string_ends == nullptr) lie(who, "has strings without ends");
  if (static_cast<uint64_t>(count) > kMaxItems * 16) lie(who, fmt::format("has {} strings", count));
  int64_t last = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (v.string_ends[i] < last)
      lie(who, fmt::format("has string {} ending at {}, before it begins at {}", i, v.string_ends[i], last));
    last = v.string_ends[i];
  }
  const std::byte* bytes = checked_bytes(v, static_cast<uint64_t>(last), who);
  auto strings = std::make_shared<Strings>();
  if (last > 0) strings->bytes.assign(reinterpret_cast<const char*>(bytes), static_cast<size_t>(last));
  if (count > 0) strings->ends.assign(v.string_ends, v.string_ends + count);
  return Value::strings(shape, std::move(strings));
}

Value checked_tensor(const ch_value& v, const std::string& who) {
  if (v.dtype == 0 || v.dtype >= kDTypeCount) lie(who, fmt::format("has the unknown element type {}", v.dtype));
  const auto dtype = static_cast<DType>(v.dtype);
  if (v.layout != 0) lie(who, fmt::format("has the private layout {}", v.layout));
  const Shape shape = checked_shape(v, who);
  if (v.strides != nullptr) {
    int64_t dense = 1;
    for (int i = shape.rank() - 1; i >= 0; --i) {
      if (shape[i] != 1 && v.strides[i] != dense)
        lie(who, fmt::format("is not dense: stride {} of axis {} is not {}", v.strides[i], i, dense));
      dense *= shape[i];
    }
  }
  if (dtype == DType::string) return checked_strings(v, shape, who);
  const int64_t need = dtype_bytes(dtype, shape.numel());
  if (need < 0) lie(who, "has the impossible shape " + shape.str());
  const std::byte* data = checked_bytes(v, static_cast<uint64_t>(need), who);
  const auto size = static_cast<size_t>(need);
  std::shared_ptr<const void> keep;
  if (v.buffer.owner != nullptr) {
    retain(v.buffer.owner);
    keep = std::shared_ptr<const void>(data, [owner = v.buffer.owner](const void*) { release(owner); });
  }
  static std::byte nothing[1];   // an empty tensor still has a place
  auto* place = data == nullptr ? nothing : const_cast<std::byte*>(data);
  return Value::tensor(dtype, shape, Buffer::borrow(place, size, std::move(keep)));
}

Value checked(const ch_value& given, const std::string& who, int depth) {
  if (given.size < offsetof(ch_value, items))
    lie(who, fmt::format("says that its description has {} bytes", given.size));
  if (depth > kMaxDepth) lie(who, fmt::format("is nested deeper than {} levels", kMaxDepth));
  ch_value v{};
  std::memcpy(&v, &given, std::min<size_t>(given.size, sizeof v));
  if (v.kind == CH_TENSOR) return checked_tensor(v, who);
  if (v.kind != CH_SEQUENCE && v.kind != CH_OPTIONAL && v.kind != CH_MAP)
    lie(who, fmt::format("has the unknown kind {}", v.kind));
  const uint64_t most = v.kind == CH_OPTIONAL ? 1 : v.kind == CH_MAP ? 2 : kMaxItems;
  if (v.count > most || (v.kind == CH_MAP && v.count != 2)) lie(who, fmt::format("has {} items", v.count));
  if (v.count > 0 && v.items == nullptr) lie(who, fmt::format("has {} items but no list of them", v.count));
  if (v.dtype >= kDTypeCount) lie(who, fmt::format("has the unknown element type {}", v.dtype));
  std::vector<Value> items;
  for (uint64_t i = 0; i < v.count; ++i) {
    if (v.items[i] == nullptr) lie(who, fmt::format("has no item {} of {}", i, v.count));
    items.push_back(checked(*v.items[i], fmt::format("{}, item {}", who, i), depth + 1));
  }
  const auto elem = static_cast<DType>(v.dtype);
  if (v.kind == CH_SEQUENCE) return Value::sequence(elem, std::move(items));
  if (v.kind == CH_OPTIONAL) return Value::optional(elem, std::move(items));
  return Value::map(std::move(items[0]), std::move(items[1]));
}

}  // namespace

ch_buffer buffer_view(const void* data, size_t bytes, uint32_t flags) noexcept {
  ch_buffer b{};
  b.size = sizeof b;
  b.flags = flags;
  b.device.size = sizeof b.device;
  b.data = const_cast<void*>(data);
  b.bytes = bytes;
  const auto address = reinterpret_cast<uintptr_t>(data);
  b.align = address == 0 ? 64 : static_cast<uint32_t>(std::min<uintptr_t>(address & -address, 4096));
  b.fd = -1;
  return b;
}

void tensor_view(ch_value& out, DType dtype, std::span<const int64_t> dims, const void* data, size_t bytes,
                 uint32_t flags) noexcept {
  out = ch_value{};
  out.size = sizeof out;
  out.kind = CH_TENSOR;
  out.dtype = static_cast<uint16_t>(dtype);
  out.rank = static_cast<uint32_t>(dims.size());
  out.dims = dims.data();
  out.buffer = buffer_view(data, bytes, flags);
}

const ch_value* ValueViews::add(const Value& value) {
  ch_value& out = values_.emplace_back();
  if (value.is_tensor() && value.dtype() == DType::string) {
    const Strings& s = value.strings();
    tensor_view(out, DType::string, value.shape().dims(), s.bytes.data(), s.bytes.size(), CH_READ_ONLY);
    out.string_ends = s.ends.data();
    return &out;
  }
  if (value.is_tensor()) {
    tensor_view(out, value.dtype(), value.shape().dims(), value.data(), value.bytes(), CH_READ_ONLY);
    return &out;
  }
  out = ch_value{};
  out.size = sizeof out;
  out.kind = static_cast<uint16_t>(value.kind());
  out.dtype = static_cast<uint16_t>(value.dtype());
  out.buffer = buffer_view(nullptr, 0, CH_READ_ONLY);
  std::vector<const ch_value*> items;
  for (const Value& item : value.items()) items.push_back(add(item));
  const auto& list = lists_.emplace_back(std::move(items));
  out.items = list.data();
  out.count = list.size();
  return &out;
}

Value checked_value(const ch_value& value, const std::string& who) {
  try {
    return checked(value, who, 0);
  } catch (const Error& error) {
    if (error.code() == Code::internal) throw;
    lie(who, "is not valid: " + error.message());   // a map of unequal lengths and the like
  }
}

void check_type(const Value& value, const Type& type, const std::string& who) {
  if (type.kind == ValueKind::none) return;
  if (value.kind() != type.kind)
    lie(who, fmt::format("is of kind {}; the graph says {}", static_cast<int>(value.kind()), type.str()));
  if (!type.is_tensor()) return;
  const std::string have = std::string(dtype_name(value.dtype())) + value.shape().str();
  if (type.dtype != DType::undefined && value.dtype() != type.dtype)
    lie(who, "is " + have + "; the graph says " + type.str());
  if (!type.has_rank) return;
  bool fits = type.rank() == value.rank();
  for (int i = 0; fits && i < value.rank(); ++i) {
    const Dim& d = type.dims[static_cast<size_t>(i)];
    fits = !d.is_number() || d.number() == value.shape()[i];
  }
  if (!fits) lie(who, "is " + have + "; the graph says " + type.str());
}

void retain(ch_owner* owner) noexcept {
  if (owner != nullptr) owner->references.fetch_add(1, std::memory_order_relaxed);
}

void release(ch_owner* owner) noexcept {
  if (owner != nullptr && owner->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete owner;
}

void release_owner(const ch_value& value) noexcept { release(value.buffer.owner); }

}  // namespace chorus::plugin
