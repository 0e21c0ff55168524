#include "values.h"

#include <algorithm>
#include <array>

namespace chorus_openvino {
namespace {

constexpr int kString = 8;   // of ONNX

// By ONNX's number, ov_element_type_e of 2026.4.1: complex numbers, float8 *fnuz, int2 and 8-bit types of other kinds are not there.
constexpr std::array<int, 26> kTypes = {0,  // undefined
                                        4,  // float32
                                        16,  // uint8
                                        7,  // int8
                                        17,  // uint16
                                        8,  // int16
                                        9,  // int32
                                        10,  // int64
                                        23,  // string
                                        1,  // bool
                                        3,  // float16
                                        5,  // float64
                                        18,  // uint32
                                        19,  // uint64
                                        0,  0,
                                        2,  // bfloat16
                                        21,  // float8e4m3fn
                                        0,
                                        22,  // float8e5m2
                                        0,
                                        14,  // uint4
                                        6,  // int4
                                        24,  // float4e2m1
                                        25,  // float8e8m0
                                        0};

size_t count_of(const ch_value& v) {
  size_t n = 1;
  for (uint32_t d = 0; d < v.rank; ++d)
    n *= static_cast<size_t>(v.dims[d]);  // the host has checked that it does not overflow
  return n;
}

OvTensor* strings_to_openvino(const Functions& ov, const ch_value& v, const OvShape& shape) {
  const char* bytes = static_cast<const char*>(v.buffer.data) + v.offset;
  std::vector<std::string> texts;
  int64_t begin = 0;
  for (size_t i = 0; i < count_of(v); begin = v.string_ends[i++]) {
    texts.emplace_back(bytes + begin, static_cast<size_t>(v.string_ends[i] - begin));
    if (texts.back().find('\0') != std::string::npos) {
      throw Failure(CH_UNSUPPORTED, "a string with a NUL byte cannot be given to OpenVINO",
                    "use another engine, such as native");
    }
  }
  std::vector<const char*> pointers;
  for (const std::string& t : texts) pointers.push_back(t.c_str());
  OvTensor* made = nullptr;
  check(ov, ov.tensor_create_from_string_array(pointers.data(), pointers.size(), shape, &made),
        "making a tensor of strings");
  return made;
}

}  // namespace

std::string last_message(const Functions& ov) {
  const char* text = ov.get_last_err_msg();
  if (text == nullptr) return {};
  std::string said = text, kept;
  ov.free(text);
  for (size_t begin = 0; begin < said.size();) {
    const size_t end = std::min(said.find('\n', begin), said.size());
    std::string line = said.substr(begin, end - begin);
    begin = end + 1;
    const bool place = line.find("Exception from src/") == 0 || line.find("Check '") == 0 || line.empty();
    if (!place) kept += (kept.empty() ? "" : "; ") + line;
  }
  return kept.empty() ? said : kept;
}

void check(const Functions& ov, Status status, const char* doing) {
  if (status == Status::ok) return;
  const std::string said = last_message(ov);
  auto has = [&](const char* part) { return said.find(part) != std::string::npos; };
  const bool cannot = status == Status::not_implemented || has("upported") || has("n't support") ||
                      has("not implemented") || has("No conversion rule") || has("wasn't fully converted") ||
                      has("Not implemented");
  const ch_code code = cannot ? CH_UNSUPPORTED : status == Status::parameter_mismatch ? CH_BAD_INPUT : CH_INTERNAL;
  throw Failure(code, std::string(doing) + ": " + (said.empty() ? "OpenVINO failed and said nothing" : said));
}

int to_openvino_type(int dtype) noexcept {
  return dtype < 0 || dtype >= static_cast<int>(kTypes.size()) ? 0 : kTypes[static_cast<size_t>(dtype)];
}

int to_onnx_type(int type) noexcept {
  for (size_t i = 1; i < kTypes.size() && type != 0; ++i) {
    if (kTypes[i] == type) return static_cast<int>(i);
  }
  return 0;
}

TensorPointer to_openvino(const Functions& ov, const ch_value& v) {
  const int type = v.kind == CH_TENSOR ? to_openvino_type(v.dtype) : 0;
  if (type == 0) {
    throw Failure(CH_UNSUPPORTED,
                  v.kind != CH_TENSOR ? "OpenVINO takes tensors only, no sequences, maps or optional values"
                                      : "OpenVINO has no element type of ONNX's number " + std::to_string(v.dtype),
                  "use another engine, such as native");
  }
  std::array<int64_t, CH_MAX_RANK> dims{};
  for (uint32_t d = 0; d < v.rank; ++d) dims[d] = v.dims[d];
  const OvShape shape{v.rank, dims.data()};
  static char nothing[64];
  OvTensor* made = nullptr;
  if (v.dtype == kString) {
    made = strings_to_openvino(ov, v, shape);
  } else {
    void* data = v.buffer.data == nullptr ? nothing : static_cast<char*>(v.buffer.data) + v.offset;
    check(ov, ov.tensor_create_from_host_ptr(type, shape, data, &made), "describing a tensor");
  }
  return TensorPointer(made, ReleaseTensor{&ov});
}

void Results::clear() {
  tensors_.clear();
  numbers_.clear();
  texts_.clear();
}

std::vector<int64_t> Results::shape_of(const OvTensor* tensor) const {
  OvShape shape{};
  size_t count = 0;
  const Status status = ov_.tensor_get_shape(tensor, &shape);
  if (status != Status::ok && ov_.tensor_get_size(tensor, &count) == Status::ok && count == 1) return {};  // a scalar
  check(ov_, status, "reading a shape");
  std::vector<int64_t> dims(shape.dims, shape.dims + shape.rank);
  ov_.shape_free(&shape);
  return dims;
}

// The C interface has no reader of strings: the elements are std::string objects of the C++ library that both sides share.
void Results::show_strings(const void* data, size_t count, ch_value& out) {
  const auto* strings = static_cast<const std::string*>(data);
  std::string& text = texts_.emplace_back();
  auto& ends = numbers_.emplace_back();
  for (size_t i = 0; i < count; ++i) {
    text += strings[i];
    ends.push_back(static_cast<int64_t>(text.size()));
  }
  out.buffer.data = text.data();
  out.buffer.bytes = text.size();
  out.string_ends = ends.data();
}

void Results::show(TensorPointer tensor, ch_value& out) {
  out = ch_value{};
  out.size = sizeof out;
  out.buffer.size = sizeof out.buffer;
  out.buffer.fd = -1;
  const OvTensor* raw = tensors_.emplace_back(std::move(tensor)).get();
  int type = 0;
  check(ov_, ov_.tensor_get_element_type(raw, &type), "reading a type");
  const int dtype = to_onnx_type(type);
  if (dtype == 0) throw Failure(CH_UNSUPPORTED, "OpenVINO made a tensor of its element type " + std::to_string(type));
  const auto& dims = numbers_.emplace_back(shape_of(raw));
  out.kind = CH_TENSOR;
  out.dtype = static_cast<uint16_t>(dtype);
  out.rank = static_cast<uint32_t>(dims.size());
  out.dims = dims.data();
  size_t bytes = 0;
  check(ov_, ov_.tensor_get_byte_size(raw, &bytes), "reading a tensor");
  void* data = nullptr;
  if (bytes > 0) check(ov_, ov_.tensor_data(raw, &data), "reading a tensor");
  if (dtype == kString) return show_strings(data, count_of(out), out);
  out.buffer.data = data;
  out.buffer.bytes = bytes;
}

}  // namespace chorus_openvino
