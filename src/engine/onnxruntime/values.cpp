#include "values.h"

namespace chorus_ort {
namespace {

ValuePointer own(const Context& c, OrtValue* value) { return ValuePointer(value, ReleaseValue{&c.ort}); }

size_t count_of(const ch_value& v) {
  size_t n = 1;
  for (uint32_t d = 0; d < v.rank; ++d)
    n *= static_cast<size_t>(v.dims[d]);   // the host has checked that it does not overflow
  return n;
}

ValuePointer strings_to_ort(const Context& c, const ch_value& v) {
  OrtValue* made = nullptr;
  check(c.ort, c.ort.CreateTensorAsOrtValue(c.allocator, v.dims, v.rank, 8, &made), "making a tensor of strings");
  ValuePointer value = own(c, made);
  const size_t n = count_of(v);
  const char* bytes = static_cast<const char*>(v.buffer.data) + v.offset;
  std::vector<std::string> texts;
  int64_t begin = 0;
  for (size_t i = 0; i < n; begin = v.string_ends[i++]) {
    texts.emplace_back(bytes + begin, static_cast<size_t>(v.string_ends[i] - begin));
    if (texts.back().find('\0') != std::string::npos) {
      throw Failure(CH_UNSUPPORTED, "a string with a NUL byte cannot be given to ONNX Runtime",
                    "use another engine, such as native");
    }
  }
  std::vector<const char*> pointers;
  for (const std::string& t : texts) pointers.push_back(t.c_str());
  if (n > 0) check(c.ort, c.ort.FillStringTensor(made, pointers.data(), n), "filling a tensor of strings");
  return value;
}

ValuePointer items_to_ort(const Context& c, const ch_value& v) {
  if (v.count == 0)
    throw Failure(CH_UNSUPPORTED, "an empty sequence cannot be given to ONNX Runtime",
                  "use another engine, such as native");
  if (v.kind == CH_OPTIONAL) return to_ort(c, *v.items[0]);
  std::vector<ValuePointer> items;
  std::vector<const OrtValue*> pointers;
  for (uint64_t i = 0; i < v.count; ++i) {
    items.push_back(to_ort(c, *v.items[i]));
    pointers.push_back(items.back().get());
  }
  OrtValue* made = nullptr;
  const Kind kind = v.kind == CH_MAP ? Kind::map : Kind::sequence;
  check(c.ort, c.ort.CreateValue(pointers.data(), pointers.size(), static_cast<int>(kind), &made), "making a sequence");
  return own(c, made);
}

}  // namespace

void check(const Ort& ort, OrtStatus* status, const char* doing) {
  if (status == nullptr) return;
  const auto fault = static_cast<Fault>(ort.GetErrorCode(status));
  const std::string said = ort.GetErrorMessage(status);
  ort.ReleaseStatus(status);
  auto has = [&](const char* part) { return said.find(part) != std::string::npos; };
  const bool cannot = fault == Fault::not_implemented || has("is not a registered function/op") ||
                      has("under development") || has("Unsupported") || has("Failed to construct locale") ||
                      has("NOT_IMPLEMENTED") || has("not supported");
  const ch_code code = cannot                                                              ? CH_UNSUPPORTED
                       : fault == Fault::invalid_argument || fault == Fault::invalid_graph ? CH_BAD_INPUT
                                                                                           : CH_INTERNAL;
  throw Failure(code, std::string(doing) + ": " + said);
}

int bits_of(int dtype) noexcept {
  constexpr int kBits[kLastType + 1] = {0,  32, 8,  8,   16, 16, 32, 64, 0, 8, 16, 64,
                                        32, 64, 64, 128, 16, 8,  8,  8,  8, 4, 4,  4};
  return dtype < 0 || dtype > kLastType ? 0 : kBits[dtype];
}

ValuePointer to_ort(const Context& c, const ch_value& v) {
  if (v.kind != CH_TENSOR) return items_to_ort(c, v);
  if (v.dtype == 8) return strings_to_ort(c, v);
  const int bits = bits_of(v.dtype);
  if (bits == 0) throw Failure(CH_UNSUPPORTED, "ONNX Runtime has no element type of number " + std::to_string(v.dtype));
  static char nothing[8];
  void* data = v.buffer.data == nullptr ? nothing : static_cast<char*>(v.buffer.data) + v.offset;
  const size_t bytes = (count_of(v) * static_cast<size_t>(bits) + 7) / 8;
  OrtValue* made = nullptr;
  check(c.ort, c.ort.CreateTensorWithDataAsOrtValue(c.memory, data, bytes, v.dims, v.rank, v.dtype, &made),
        "describing a tensor");
  return own(c, made);
}

void Results::clear() {
  values_.clear();
  numbers_.clear();
  texts_.clear();
  items_.clear();
  lists_.clear();
}

void Results::show_strings(OrtValue* value, size_t count, ch_value& out) {
  const Ort& ort = context_.ort;
  size_t bytes = 0;
  check(ort, ort.GetStringTensorDataLength(value, &bytes), "reading strings");
  std::string& text = texts_.emplace_back(bytes, '\0');
  std::vector<size_t> begins(count);
  if (count > 0)
    check(ort, ort.GetStringTensorContent(value, text.data(), bytes, begins.data(), count), "reading strings");
  auto& ends = numbers_.emplace_back();
  for (size_t i = 0; i < count; ++i) ends.push_back(static_cast<int64_t>(i + 1 < count ? begins[i + 1] : bytes));
  out.buffer.data = text.data();
  out.buffer.bytes = bytes;
  out.string_ends = ends.data();
}

void Results::show_tensor(OrtValue* value, ch_value& out) {
  const Ort& ort = context_.ort;
  OrtTensorInfo* made = nullptr;
  check(ort, ort.GetTensorTypeAndShape(value, &made), "reading a shape");
  const std::unique_ptr<OrtTensorInfo, void (*)(OrtTensorInfo*)> info(made, ort.ReleaseTensorInfo);
  int dtype = 0;
  size_t rank = 0;
  check(ort, ort.GetTensorElementType(made, &dtype), "reading a type");
  check(ort, ort.GetDimensionsCount(made, &rank), "reading a shape");
  auto& dims = numbers_.emplace_back(rank);
  check(ort, ort.GetDimensions(made, dims.data(), rank), "reading a shape");
  size_t count = 1;
  for (int64_t d : dims) count *= static_cast<size_t>(d);
  out.kind = CH_TENSOR;
  out.dtype = static_cast<uint16_t>(dtype);
  out.rank = static_cast<uint32_t>(rank);
  out.dims = dims.data();
  if (dtype == 8) return show_strings(value, count, out);
  const int bits = bits_of(dtype);
  if (bits == 0)
    throw Failure(CH_UNSUPPORTED, "ONNX Runtime made a tensor of the unknown element type " + std::to_string(dtype));
  check(ort, ort.GetTensorMutableData(value, &out.buffer.data), "reading a tensor");
  out.buffer.bytes = (count * static_cast<size_t>(bits) + 7) / 8;
}

void Results::show(ValuePointer value, ch_value& out) {
  const Ort& ort = context_.ort;
  out = ch_value{};
  out.size = sizeof out;
  out.buffer.size = sizeof out.buffer;
  out.buffer.fd = -1;
  OrtValue* raw = values_.emplace_back(std::move(value)).get();
  int kind = 0;
  check(ort, ort.GetValueType(raw, &kind), "reading a result");
  if (static_cast<Kind>(kind) == Kind::tensor) return show_tensor(raw, out);
  if (static_cast<Kind>(kind) != Kind::sequence && static_cast<Kind>(kind) != Kind::map) {
    throw Failure(CH_UNSUPPORTED, "ONNX Runtime made a value of the unknown kind " + std::to_string(kind));
  }
  out.kind = static_cast<Kind>(kind) == Kind::map ? CH_MAP : CH_SEQUENCE;
  size_t count = 0;
  check(ort, ort.GetValueCount(raw, &count), "reading a sequence");
  std::vector<const ch_value*> list;
  for (size_t i = 0; i < count; ++i) {
    OrtValue* item = nullptr;
    check(ort, ort.GetValue(raw, static_cast<int>(i), context_.allocator, &item), "reading a sequence");
    ch_value& shown = items_.emplace_back();
    show(own(context_, item), shown);
    list.push_back(&shown);
    if (out.kind == CH_SEQUENCE) out.dtype = shown.dtype;
  }
  out.items = lists_.emplace_back(std::move(list)).data();
  out.count = count;
}

}  // namespace chorus_ort
