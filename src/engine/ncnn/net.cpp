#include "net.h"

#include <cmath>
#include <cstring>
#include <sstream>
#include <utility>

namespace chorus_ncnn {
namespace {

// ONNX's numbers of element types.
enum {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kBool = 9,
  kHalf = 10,
  kBfloat = 16
};
constexpr int64_t kMostExact = int64_t{1} << 24;

struct ReleaseMat {
  const Functions* f;
  void operator()(NcnnMat* mat) const { f->mat_destroy(mat); }
};
using MatPointer = std::unique_ptr<NcnnMat, ReleaseMat>;

int size_of(int dtype) {
  switch (dtype) {
    case kUint8:
    case kInt8:
    case kBool: return 1;
    case kUint16:
    case kInt16:
    case kHalf:
    case kBfloat: return 2;
    case kInt64: return 8;
    default: return 4;
  }
}

float from_half(uint16_t bits) {
  const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  float value = exponent == 0    ? std::ldexp(static_cast<float>(fraction), -24)
                : exponent == 31 ? (fraction != 0 ? NAN : INFINITY)
                                 : std::ldexp(static_cast<float>(fraction | 1024), exponent - 25);
  return (bits & 0x8000) != 0 ? -value : value;
}

// Of a value that is one of float16: it was carried, not computed.
uint16_t to_half(float value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const float a = std::fabs(value);
  if (std::isnan(a)) return static_cast<uint16_t>(sign | 0x7E00);
  if (std::isinf(a)) return static_cast<uint16_t>(sign | 0x7C00);
  if (a == 0) return sign;
  int exponent = 0;
  std::frexp(a, &exponent);
  if (exponent < -13) return static_cast<uint16_t>(sign | static_cast<int>(std::ldexp(a, 24)));
  const int fraction = static_cast<int>(std::ldexp(a, 11 - exponent)) - 1024;
  return static_cast<uint16_t>(sign | (exponent + 14) << 10 | fraction);
}

template <class T>
T read_as(const char* from, int64_t i) {
  T value;
  std::memcpy(&value, from + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

int64_t integer_at(const char* from, int dtype, int64_t i) {
  switch (dtype) {
    case kUint8:
    case kBool: return read_as<uint8_t>(from, i);
    case kInt8: return read_as<int8_t>(from, i);
    case kUint16: return read_as<uint16_t>(from, i);
    case kInt16: return read_as<int16_t>(from, i);
    case kInt32: return read_as<int32_t>(from, i);
    default: return read_as<int64_t>(from, i);
  }
}

float float_at(const char* from, int dtype, int64_t i) {
  if (dtype == kFloat) return read_as<float>(from, i);
  if (dtype == kHalf) return from_half(read_as<uint16_t>(from, i));
  if (dtype == kBfloat) {
    const uint32_t bits = static_cast<uint32_t>(read_as<uint16_t>(from, i)) << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  const int64_t value = integer_at(from, dtype, i);
  if (value > kMostExact || value < -kMostExact) {
    throw Failure(CH_UNSUPPORTED, "ncnn holds numbers as float32, which has no " + std::to_string(value),
                  "use another engine, such as native");
  }
  return static_cast<float>(value);
}

void put(char* to, int dtype, int64_t i, float value) {
  const auto store = [&](auto element) {
    std::memcpy(to + i * static_cast<int64_t>(sizeof element), &element, sizeof element);
  };
  switch (dtype) {
    case kUint8:
    case kBool: return store(static_cast<uint8_t>(value));
    case kInt8: return store(static_cast<int8_t>(value));
    case kUint16: return store(static_cast<uint16_t>(value));
    case kInt16: return store(static_cast<int16_t>(value));
    case kInt32: return store(static_cast<int32_t>(value));
    case kInt64: return store(static_cast<int64_t>(value));
    case kHalf: return store(to_half(value));
    case kBfloat: {
      uint32_t bits;
      std::memcpy(&bits, &value, sizeof bits);
      return store(static_cast<uint16_t>(bits >> 16));
    }
    default: return store(value);
  }
}

int64_t product(const std::vector<int64_t>& dims) {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

// Blobs of three and four extents have room between their channels.
struct Steps {
  int64_t outer, inner, step;
};
Steps steps_of(const Functions& f, const NcnnMat* mat, const std::vector<int64_t>& dims) {
  const int64_t all = product(dims);
  if (dims.size() < 3) return {1, all, all};
  return {dims[0], all / dims[0], static_cast<int64_t>(f.mat_get_cstep(mat))};
}

MatPointer make_mat(const Functions& f, const std::vector<int64_t>& d) {
  const size_t n = d.size();
  const auto at = [&](size_t from_end) { return static_cast<int>(d[n - from_end]); };
  NcnnMat* made = n == 1   ? f.mat_create_1d(at(1), nullptr)
                  : n == 2 ? f.mat_create_2d(at(1), at(2), nullptr)
                  : n == 3 ? f.mat_create_3d(at(1), at(2), at(3), nullptr)
                           : f.mat_create_4d(at(1), at(2), at(3), at(4), nullptr);
  MatPointer mat(made, ReleaseMat{&f});
  if (made == nullptr || f.mat_get_data(made) == nullptr) throw std::bad_alloc();
  return mat;
}

MatPointer to_mat(const Functions& f, const Port& port, const ch_value& v) {
  int64_t count = 1;
  for (uint32_t d = 0; d < v.rank; ++d) count *= v.dims[d];
  if (v.kind != CH_TENSOR || count != product(port.dims))
    throw Failure(CH_SHAPE, "an input has other sizes than the net was made for");
  MatPointer mat = make_mat(f, port.dims);
  const char* from = static_cast<const char*>(v.buffer.data) + v.offset;
  const Steps s = steps_of(f, mat.get(), port.dims);
  auto* to = static_cast<char*>(f.mat_get_data(mat.get()));
  for (int64_t o = 0; o < s.outer; ++o) {
    char* row = to + o * s.step * 4;
    if (port.rows == 0 && v.dtype == kFloat) {
      std::memcpy(row, from + o * s.inner * 4, static_cast<size_t>(s.inner) * 4);
      continue;
    }
    for (int64_t i = 0; i < s.inner; ++i) {
      if (port.rows == 0) {
        const float value = float_at(from, v.dtype, o * s.inner + i);
        std::memcpy(row + i * 4, &value, 4);
        continue;
      }
      int64_t index = integer_at(from, v.dtype, o * s.inner + i);
      if (index < 0) index += port.rows;
      if (index < 0 || index >= port.rows)
        throw Failure(CH_BAD_INPUT, "index " + std::to_string(index) + " is outside of a table of " +
                                        std::to_string(port.rows) + " rows");
      const auto narrow = static_cast<int32_t>(index);
      std::memcpy(row + i * 4, &narrow, 4);
    }
  }
  return mat;
}

}  // namespace

size_t Net::read(std::string_view image, std::string& param) {
  const auto line = [&] {
    const size_t end = image.find('\n');
    if (end == std::string_view::npos) throw Failure(CH_INTERNAL, "the host's net ends early");
    std::string text(image.substr(0, end));
    image.remove_prefix(end + 1);
    return text;
  };
  for (;;) {
    std::istringstream words(line());
    std::string kind;
    words >> kind;
    if (kind == "in" || kind == "out") {
      Port port;
      if (kind == "in") words >> port.index >> port.blob >> port.rows;
      size_t rank = 0;
      if (kind == "out") words >> port.blob >> rank;
      for (size_t i = 0; i < rank && i < CH_MAX_RANK; ++i) words >> port.shape.emplace_back();
      for (int64_t d = 0; words >> d;) port.dims.push_back(d);
      if (port.dims.empty() || port.dims.size() > 4)
        throw Failure(CH_INTERNAL, "the host's net has a blob without extents");
      (kind == "in" ? inputs_ : outputs_).push_back(std::move(port));
      continue;
    }
    size_t bytes = 0;
    words >> bytes;
    if (bytes > image.size()) throw Failure(CH_INTERNAL, "the host's net ends early");
    if (kind == "weights") {
      weights_.resize(bytes / 4 + 1);
      std::memcpy(weights_.data(), image.data(), bytes);
      return bytes;
    }
    if (kind != "param") throw Failure(CH_INTERNAL, "the host's net has an unknown part");
    param = image.substr(0, bytes);
    image.remove_prefix(bytes);
  }
}

Net::Net(const Functions& functions, std::string image, int threads) : f_(functions) {
  std::string param;
  const size_t weight_bytes = read(image, param);
  image = {};
  net_ = f_.net_create();
  NcnnOption* option = f_.option_create();
  f_.option_set_num_threads(option, threads);
  f_.option_set_use_fp16_packed(option, 0);
  f_.option_set_use_fp16_storage(option, 0);
  f_.option_set_use_fp16_arithmetic(option, 0);
  f_.option_set_use_bf16_storage(option, 0);
  f_.net_set_option(net_, option);
  f_.option_destroy(option);
  const auto* text = reinterpret_cast<const unsigned char*>(param.c_str());
  NcnnReader* reader = f_.datareader_create_from_memory(&text);
  const int status = f_.net_load_param_datareader(net_, reader);
  f_.datareader_destroy(reader);
  if (status != 0) {
    f_.net_destroy(net_);
    throw Failure(CH_INTERNAL, "ncnn does not read the net that was written for it");
  }
  const size_t bytes = f_.net_load_model_memory(net_, reinterpret_cast<const unsigned char*>(weights_.data()));
  if (bytes != weight_bytes) {
    f_.net_destroy(net_);
    throw Failure(CH_INTERNAL, "ncnn reads " + std::to_string(bytes) + " bytes of weights, " +
                                   std::to_string(weight_bytes) + " were written");
  }
}

Net::~Net() {
  if (net_ != nullptr) f_.net_destroy(net_);
}

void Net::run(const ch_run& run, const std::vector<int>& types, std::vector<std::vector<char>>& results) const {
  const std::unique_ptr<NcnnExtractor, void (*)(NcnnExtractor*)> extractor(f_.extractor_create(net_),
                                                                           f_.extractor_destroy);
  for (const Port& port : inputs_) {
    const MatPointer mat = to_mat(f_, port, *run.inputs[port.index]);
    if (f_.extractor_input(extractor.get(), port.blob.c_str(), mat.get()) != 0)
      throw Failure(CH_INTERNAL, "ncnn does not take input " + std::to_string(port.index));
  }
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (run.outputs[i]->mode == CH_OUT_SKIP) continue;
    const Port& port = outputs_[i];
    NcnnMat* made = nullptr;
    const int status = f_.extractor_extract(extractor.get(), port.blob.c_str(), &made);
    const MatPointer mat(made, ReleaseMat{&f_});
    if (status != 0 || made == nullptr) {
      throw Failure(status == -100 ? CH_BUDGET : CH_INTERNAL,
                    "ncnn failed with " + std::to_string(status) + " on output " + std::to_string(i));
    }
    const int64_t count = product(port.dims), wanted = static_cast<int64_t>(port.dims.size());
    const int64_t have = int64_t{f_.mat_get_w(made)} * f_.mat_get_h(made) * f_.mat_get_d(made) * f_.mat_get_c(made);
    if (have != count || f_.mat_get_dims(made) != wanted || f_.mat_get_elempack(made) != 1 ||
        f_.mat_get_elemsize(made) != 4) {
      throw Failure(CH_INTERNAL, "ncnn made another size than the net says: " + std::to_string(f_.mat_get_dims(made)) +
                                     " extents, " + std::to_string(have) + " elements instead of " +
                                     std::to_string(count));
    }
    const Steps s = steps_of(f_, made, port.dims);
    const auto* from = static_cast<const char*>(f_.mat_get_data(made));
    const int dtype = types[i];
    results[i].resize(static_cast<size_t>(count * size_of(dtype)));
    for (int64_t o = 0; o < s.outer; ++o) {
      const char* row = from + o * s.step * 4;
      if (dtype == kFloat) {
        std::memcpy(results[i].data() + o * s.inner * 4, row, static_cast<size_t>(s.inner) * 4);
        continue;
      }
      for (int64_t k = 0; k < s.inner; ++k) put(results[i].data(), dtype, o * s.inner + k, read_as<float>(row, k));
    }
  }
}

}  // namespace chorus_ncnn
