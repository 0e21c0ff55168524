#include <chorus/dtype.h>
#include <engine/worker/message.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace chorus::worker {
namespace {

constexpr size_t kMostText = size_t{1} << 20;
constexpr size_t kAlign = 64;
constexpr int kMostDepth = 16;                      // of values in values
constexpr uint64_t kMostItems = uint64_t{1} << 20;  // of one sequence

}  // namespace

void Writer::align(size_t to) {
  const size_t next = (at_ + to - 1) / to * to;
  if (next > room_.size()) bytes(nullptr, room_.size() + 1);
  at_ = next;
}

void Writer::bytes(const void* from, size_t n) {
  if (n > room_.size() - at_) {
    throw Error(Code::budget, fmt::format("the values of one run of a worker are more than {} bytes", room_.size()), {},
                "run the engine in this process, or give it less at once");
  }
  if (n > 0) std::memcpy(room_.data() + at_, from, n);
  at_ += n;
}

void Writer::number(uint64_t n) { bytes(&n, sizeof n); }

void Writer::text(std::string_view text) {
  text = text.substr(0, kMostText);
  number(text.size());
  bytes(text.data(), text.size());
}

void Writer::value(const Value& value) {
  number(static_cast<uint64_t>(value.kind()));
  if (!value) return;
  number(static_cast<uint64_t>(value.dtype()));
  if (!value.is_tensor()) {
    number(value.items().size());
    for (const Value& item : value.items()) this->value(item);
    return;
  }
  number(static_cast<uint64_t>(value.rank()));
  for (int64_t d : value.shape()) number(static_cast<uint64_t>(d));
  if (value.dtype() == DType::string) {
    const Strings& s = value.strings();
    number(s.bytes.size());
    bytes(s.ends.data(), s.ends.size() * sizeof(int64_t));
    bytes(s.bytes.data(), s.bytes.size());
    return;
  }
  align(kAlign);
  bytes(value.data(), static_cast<size_t>(dtype_bytes(value.dtype(), value.numel())));
}

void Writer::options(const CompileOptions& o) {
  number(static_cast<uint64_t>(o.threads));
  number(static_cast<uint64_t>(o.precision));
  number(static_cast<uint64_t>(o.fallback));
  number(static_cast<uint64_t>(o.optimize));
  number(o.profile ? 1 : 0);
  number(static_cast<uint64_t>(o.memory_budget));
  text(o.more);
}

void Writer::error(const Error& error) {
  number(static_cast<uint64_t>(error.code()));
  text(error.message());
  text(error.where());
  text(error.fix());
}

void Reader::lie(const std::string& what) const { throw Error(Code::internal, who_ + " " + what); }

const std::byte* Reader::take(uint64_t n, const char* what) {
  if (n > room_.size() - at_) lie(fmt::format("has {} of {} bytes where {} are left", what, n, room_.size() - at_));
  const std::byte* place = room_.data() + at_;
  at_ += n;
  return place;
}

uint64_t Reader::number() {
  uint64_t n = 0;
  std::memcpy(&n, take(sizeof n, "a number"), sizeof n);
  return n;
}

uint64_t Reader::number_below(uint64_t bound, const char* what) {
  const uint64_t n = number();
  if (n >= bound) lie(fmt::format("has the {} {}", what, n));
  return n;
}

std::string Reader::text() {
  const uint64_t n = number_below(kMostText + 1, "text length");
  return {reinterpret_cast<const char*>(take(n, "a text")), n};
}

Value Reader::value(Elements elements, Value* reuse) { return value_at(elements, reuse, 0); }

Value Reader::strings(const Shape& shape) {
  const auto count = static_cast<uint64_t>(shape.numel());
  const uint64_t length = number();
  if (count > room_.size() / sizeof(int64_t)) lie(fmt::format("has {} strings", count));
  auto made = std::make_shared<Strings>();
  made->ends.resize(count);
  if (count > 0) std::memcpy(made->ends.data(), take(count * sizeof(int64_t), "ends of strings"), count * 8);
  int64_t last = 0;
  for (const int64_t end : made->ends) {
    if (end < last) lie("has strings that end before they begin");
    last = end;
  }
  if (static_cast<uint64_t>(last) != length) lie(fmt::format("has {} bytes of strings that end at {}", length, last));
  made->bytes.assign(reinterpret_cast<const char*>(take(length, "strings")), length);
  return Value::strings(shape, std::move(made));
}

Value Reader::value_at(Elements elements, Value* reuse, int depth) {
  if (depth > kMostDepth) lie(fmt::format("is nested deeper than {} levels", kMostDepth));
  const auto kind = static_cast<ValueKind>(number_below(5, "kind"));
  if (kind == ValueKind::none) return {};
  const auto dtype = static_cast<DType>(number_below(kDTypeCount, "element type"));
  if (kind != ValueKind::tensor) {
    const uint64_t most = kind == ValueKind::optional ? 1 : kind == ValueKind::map ? 2 : kMostItems;
    const uint64_t count = number_below(most + 1, "number of items");
    std::vector<Value> items;
    for (uint64_t i = 0; i < count; ++i) items.push_back(value_at(elements, nullptr, depth + 1));
    if (kind == ValueKind::sequence) return Value::sequence(dtype, std::move(items));
    if (kind == ValueKind::optional) return Value::optional(dtype, std::move(items));
    if (items.size() != 2) lie("has a map without keys or values");
    return Value::map(std::move(items[0]), std::move(items[1]));
  }
  if (dtype == DType::undefined) lie("has a tensor of no element type");
  const uint64_t rank = number_below(kMaxRank + 1, "rank");
  std::array<int64_t, kMaxRank> dims{};
  for (uint64_t d = 0; d < rank; ++d) dims[d] = static_cast<int64_t>(number());
  const std::span<const int64_t> extents(dims.data(), rank);
  const int64_t count = checked_numel(extents);
  if (count < 0) lie("has the impossible shape " + shape_str(extents));
  const Shape shape = rank == 0 ? Shape() : Shape(extents);
  if (dtype == DType::string) return strings(shape);
  const int64_t need = dtype_bytes(dtype, count);
  if (need < 0) lie("has the impossible shape " + shape.str());
  take((kAlign - at_ % kAlign) % kAlign, "a gap");
  const std::byte* data = take(static_cast<uint64_t>(need), "elements");
  const auto size = static_cast<size_t>(need);
  if (elements == Elements::borrowed)
    return Value::tensor(dtype, shape, Buffer::borrow(const_cast<std::byte*>(data), size));
  const bool fits = reuse != nullptr && reuse->is_tensor() && reuse->dtype() == dtype && reuse->shape() == shape;
  if (!fits) return Value::copy_of(dtype, shape, data, size);
  if (size > 0) std::memcpy(reuse->mutable_data(), data, size);
  return *reuse;
}

CompileOptions Reader::options() {
  CompileOptions o;
  o.threads = static_cast<int>(number_below(1025, "number of threads"));
  o.precision = static_cast<Precision>(number_below(4, "precision"));
  o.fallback = static_cast<Fallback>(number_below(2, "fallback"));
  o.optimize = static_cast<int>(number_below(16, "optimisation"));
  o.profile = number_below(2, "profile flag") != 0;
  o.memory_budget = static_cast<int64_t>(number_below(uint64_t{1} << 62, "memory budget"));
  o.more = text();
  return o;
}

Error Reader::error() {
  const auto code = static_cast<Code>(number_below(static_cast<uint64_t>(Code::type) + 1, "code of an error"));
  if (code == Code::ok) lie("has an error that is none");
  const std::string what = text(), where = text();
  return Error(code, what, where, text());
}

void Reader::end() const {
  if (at_ != room_.size()) lie(fmt::format("has {} bytes more than it says", room_.size() - at_));
}

}  // namespace chorus::worker
