// An engine with known faults, for the doctor: plain loops for a few operators of float32, right unless CHORUS_SEEDED_FAULT names what is wrong.
// It shares nothing with the library but the interface.
#include <chorus/engine_abi.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <string>
#include <vector>

struct ch_engine {};
struct ch_program {
  const ch_graph* graph;
};
struct Tensor {
  std::vector<int64_t> dims;
  std::vector<float> data;
  std::vector<uint16_t> half;  // of a float16 tensor, whose data is the same widened
};
struct ch_instance {
  const ch_graph* graph;
  std::map<int32_t, Tensor> values;
};

namespace {

std::string text(ch_str s) { return std::string(s.p, s.n); }
bool fault(const char* name) {
  const char* asked = std::getenv("CHORUS_SEEDED_FAULT");
  return asked != nullptr && std::strcmp(asked, name) == 0;
}

const ch_attribute* attribute(const ch_node& node, const char* name) {
  for (uint32_t i = 0; i < node.n_attributes; ++i) {
    if (text(node.attributes[i]->name) == name) return node.attributes[i];
  }
  return nullptr;
}
int64_t integer(const ch_node& node, const char* name, int64_t otherwise) {
  const ch_attribute* a = attribute(node, name);
  return a == nullptr ? otherwise : a->i;
}
std::vector<int64_t> list(const ch_node& node, const char* name, std::vector<int64_t> otherwise) {
  const ch_attribute* a = attribute(node, name);
  return a == nullptr ? otherwise : std::vector<int64_t>(a->ints, a->ints + a->count);
}

Tensor made(std::vector<int64_t> dims) {
  int64_t count = 1;
  for (const int64_t d : dims) count *= d;
  return {std::move(dims), std::vector<float>(static_cast<size_t>(count)), {}};
}

/// Places of a window of 3 pads 1 …: calls body(output, input, weight) for every place inside, and border(output) for those outside.
template <class Body, class Border>
void windows(const ch_node& node, const Tensor& x, Tensor& y, int64_t height, int64_t width, Body body, Border border) {
  const auto stride = list(node, "strides", {1, 1}), pad = list(node, "pads", {0, 0, 0, 0});
  for (int64_t o = 0; o < static_cast<int64_t>(y.data.size()); ++o) {
    const int64_t column = o % y.dims[3], row = o / y.dims[3] % y.dims[2];
    for (int64_t k = 0; k < height * width; ++k) {
      const int64_t h = row * stride[0] - pad[0] + k / width, w = column * stride[1] - pad[1] + k % width;
      const bool inside = h >= 0 && h < x.dims[2] && w >= 0 && w < x.dims[3];
      if (inside)
        body(o, h * x.dims[3] + w, k);
      else
        border(o);
    }
  }
}

int64_t extent(const ch_node& node, const Tensor& x, int axis, int64_t kernel) {
  const auto stride = list(node, "strides", {1, 1}), pad = list(node, "pads", {0, 0, 0, 0});
  const auto a = static_cast<size_t>(axis);
  return (x.dims[a + 2] + pad[a] + pad[a + 2] - kernel) / stride[a] + 1;
}

float short_digits(float v) {  // eight digits, as a Winograd form in bfloat16 would have
  uint32_t bits = 0;
  std::memcpy(&bits, &v, 4);
  bits &= 0xFFFF0000u;
  std::memcpy(&v, &bits, 4);
  return v;
}

Tensor conv(const ch_node& node, const Tensor& x, const Tensor& w) {
  const int64_t kh = w.dims[2], kw = w.dims[3], channels = x.dims[1], plane = x.dims[2] * x.dims[3];
  Tensor y = made({x.dims[0], w.dims[0], extent(node, x, 0, kh), extent(node, x, 1, kw)});
  const int64_t out_plane = y.dims[2] * y.dims[3];
  std::vector<double> sums(y.data.size());
  windows(
      node, x, y, kh, kw,
      [&](int64_t o, int64_t at, int64_t k) {
        const int64_t out_channel = o / out_plane % y.dims[1], image = o / out_plane / y.dims[1];
        for (int64_t c = 0; c < channels; ++c) {
          const float weight = w.data[static_cast<size_t>(((out_channel * channels) + c) * kh * kw + k)];
          const double used = fault("winograd") ? short_digits(weight) : weight;
          sums[static_cast<size_t>(o)] += used * x.data[static_cast<size_t>((image * channels + c) * plane + at)];
        }
      },
      [](int64_t) {});
  for (size_t i = 0; i < sums.size(); ++i) y.data[i] = static_cast<float>(sums[i]);
  return y;
}

Tensor average_pool(const ch_node& node, const Tensor& x) {
  const auto kernel = list(node, "kernel_shape", {});
  Tensor y = made({x.dims[0], x.dims[1], extent(node, x, 0, kernel[0]), extent(node, x, 1, kernel[1])});
  const int64_t plane = x.dims[2] * x.dims[3], out_plane = y.dims[2] * y.dims[3];
  const bool all = (integer(node, "count_include_pad", 0) != 0) != fault("count_include_pad");
  std::vector<double> sums(y.data.size()), counts(y.data.size());
  windows(
      node, x, y, kernel[0], kernel[1],
      [&](int64_t o, int64_t at, int64_t) {
        sums[static_cast<size_t>(o)] += x.data[static_cast<size_t>(o / out_plane * plane + at)];
        counts[static_cast<size_t>(o)] += 1;
      },
      [&](int64_t o) { counts[static_cast<size_t>(o)] += all ? 1 : 0; });
  for (size_t i = 0; i < sums.size(); ++i) y.data[i] = static_cast<float>(sums[i] / counts[i]);
  return y;
}

/// [..., M, K] × [K, N], in tiles of four along K.
Tensor matmul(const Tensor& a, const Tensor& b) {
  const int64_t depth = b.dims[0], columns = b.dims[1], rows = static_cast<int64_t>(a.data.size()) / depth;
  std::vector<int64_t> dims = a.dims;
  dims.back() = columns;
  Tensor y = made(dims);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      double sum = 0;
      const bool last = r == rows - 1 && c == columns - 1;
      const int64_t end =
          fault("last_tile") && last ? depth / 4 * 4 : depth;  // what does not fill a tile is lost there
      for (int64_t k = 0; k < end; ++k)
        sum += static_cast<double>(a.data[static_cast<size_t>(r * depth + k)]) *
               b.data[static_cast<size_t>(k * columns + c)];
      y.data[static_cast<size_t>(r * columns + c)] = static_cast<float>(sum);
    }
  }
  return y;
}

/// Element of `b` for element i of `a`'s shape, the shapes lined up at their ends.
size_t lined_up(const Tensor& a, const Tensor& b, size_t i) {
  std::vector<int64_t> dims = b.dims;
  if (fault("broadcast") && dims.size() == 2) std::swap(dims[0], dims[1]);  // a column taken for a row
  size_t at = 0, step = 1;
  for (size_t d = 0; d < dims.size(); ++d) {
    const auto have = static_cast<size_t>(dims[dims.size() - 1 - d]);
    const auto extent_here = static_cast<size_t>(a.dims[a.dims.size() - 1 - d]);
    if (have != 1) at += i % extent_here * step;
    step *= have;
    i /= extent_here;
  }
  return at;
}

float largest(float x, float y) {
  if (fault("nan")) return std::fmax(x, y);  // drops a NaN, where ONNX keeps it
  return std::isnan(x) || std::isnan(y) ? NAN : std::max(x, y);
}

Tensor pairwise(const std::string& op, const Tensor& a, const Tensor& b) {
  Tensor y = made(a.dims);
  for (size_t i = 0; i < y.data.size(); ++i) {
    const float other = b.data[lined_up(a, b, i)];
    y.data[i] = op == "Add" ? a.data[i] + other : largest(a.data[i], other);
  }
  return y;
}

Tensor softmax(const ch_node& node, const Tensor& x) {
  int64_t axis = integer(node, "axis", -1);
  const auto rank = static_cast<int64_t>(x.dims.size());
  if (fault("axis")) axis = -1;
  if (axis < 0) axis += rank;
  size_t inner = 1;
  for (int64_t d = axis + 1; d < rank; ++d) inner *= static_cast<size_t>(x.dims[static_cast<size_t>(d)]);
  const auto count = static_cast<size_t>(x.dims[static_cast<size_t>(axis)]);
  Tensor y = made(x.dims);
  for (size_t i = 0; i < x.data.size(); ++i) {
    const size_t first = i / (count * inner) * (count * inner) + i % inner;
    double most = -INFINITY, sum = 0;
    for (size_t k = 0; k < count; ++k) most = std::max(most, static_cast<double>(x.data[first + k * inner]));
    for (size_t k = 0; k < count; ++k) sum += std::exp(x.data[first + k * inner] - most);
    y.data[i] = static_cast<float>(std::exp(x.data[i] - most) / sum);
  }
  return y;
}

/// Numbers that float16 has in full: 2^-14 to 65504.
Tensor to_half(const Tensor& x) {
  Tensor y = made(x.dims);
  for (const float v : x.data) {
    uint32_t bits = 0;
    std::memcpy(&bits, &v, 4);
    uint32_t kept = bits >> 13, lost = bits & 0x1FFF;
    if (!fault("half") && (lost > 0x1000 || (lost == 0x1000 && (kept & 1) != 0))) ++kept;  // to nearest, even
    y.half.push_back(static_cast<uint16_t>(((bits >> 16) & 0x8000) | ((kept - (112u << 10)) & 0x7FFF)));
  }
  return y;
}

bool known(const std::string& op) {
  for (const char* one : {"Conv", "AveragePool", "MatMul", "Add", "Max", "Softmax", "Cast"}) {
    if (op == one) return true;
  }
  return false;
}

Tensor compute(const std::string& op, const ch_node& node, const std::vector<const Tensor*>& in) {
  const Tensor& x = *in[0];
  if (op == "Conv") return conv(node, x, *in[1]);
  if (op == "AveragePool") return average_pool(node, x);
  if (op == "MatMul") return matmul(x, *in[1]);
  if (op == "Softmax") return softmax(node, x);
  if (op == "Cast") return to_half(x);
  return pairwise(op, x, *in[1]);
}

Tensor taken(const ch_value& v) {
  Tensor t = made(std::vector<int64_t>(v.dims, v.dims + v.rank));
  std::memcpy(t.data.data(), static_cast<const char*>(v.buffer.data) + v.offset, t.data.size() * sizeof(float));
  return t;
}

void give(Tensor& from, ch_output& out) {
  if (out.mode == CH_OUT_SKIP) return;
  const bool half = !from.half.empty();
  void* data = half ? static_cast<void*>(from.half.data()) : from.data.data();
  const uint64_t bytes = half ? from.half.size() * 2 : from.data.size() * 4;
  if (out.mode == CH_OUT_GIVEN) {
    std::memcpy(static_cast<char*>(out.value.buffer.data) + out.value.offset, data, bytes);
    return;
  }
  out.mode = CH_OUT_BORROW;
  out.value.kind = CH_TENSOR;
  out.value.dtype = half ? 10 : 1;
  out.value.rank = static_cast<uint32_t>(from.dims.size());
  out.value.dims = from.dims.data();
  out.value.buffer.data = data;
  out.value.buffer.bytes = bytes;
}

ch_code open(const ch_host*, const ch_open*, ch_engine** out, ch_error*) {
  *out = new ch_engine;
  return CH_OK;
}
void close(ch_engine* engine) { delete engine; }

ch_code claim(ch_engine*, const ch_graph* graph, const ch_options*, ch_claim* const* claims, uint32_t n, ch_error*) {
  for (uint32_t i = 0; i < n && i < graph->n_nodes; ++i) {
    claims[i]->verdict = known(text(graph->nodes[i]->op)) ? CH_CLAIM_YES : CH_CLAIM_NO;
    std::snprintf(claims[i]->reason, sizeof claims[i]->reason, "the seeded engine knows seven operators only");
  }
  return CH_OK;
}

ch_code compile(ch_engine*, const ch_graph* graph, const ch_options*, ch_program** out, ch_error*) {
  *out = new ch_program{graph};
  return CH_OK;
}
void free_program(ch_program* program) { delete program; }
ch_code instance(ch_program* program, ch_instance** out, ch_error*) {
  *out = new ch_instance{program->graph, {}};
  return CH_OK;
}
void free_instance(ch_instance* self) { delete self; }

ch_code run(ch_instance* self, const ch_run* run, ch_error* error) {
  try {
    const ch_graph& graph = *self->graph;
    for (uint32_t v = 0; v < graph.n_values; ++v) {
      const int32_t constant = graph.values[v]->constant;
      if (constant >= 0) self->values[static_cast<int32_t>(v)] = taken(*graph.constants[constant]);
    }
    for (uint32_t i = 0; i < run->n_inputs; ++i) self->values[graph.inputs[i]] = taken(*run->inputs[i]);
    for (uint32_t n = 0; n < graph.n_nodes; ++n) {
      const ch_node& node = *graph.nodes[n];
      std::vector<const Tensor*> in;
      for (uint32_t i = 0; i < node.n_inputs; ++i) in.push_back(&self->values.at(node.inputs[i]));
      self->values[node.outputs[0]] = compute(text(node.op), node, in);
    }
    for (uint32_t i = 0; i < run->n_outputs; ++i) give(self->values.at(graph.outputs[i]), *run->outputs[i]);
    return CH_OK;
  } catch (const std::exception& e) {
    std::snprintf(error->what, sizeof error->what, "%s", e.what());
    return CH_INTERNAL;
  }
}

}  // namespace

extern "C" const ch_engine_api* chorus_engine_v1(void) {
  static ch_engine_api api = [] {
    ch_engine_api a{};
    a.size = sizeof a;
    a.major = CH_ABI_MAJOR;
    a.minor = CH_ABI_MINOR;
    a.name = {"seeded", 6};
    a.version = {"1.2.3", 5};
    a.open = open;
    a.close = close;
    a.claim = claim;
    a.compile = compile;
    a.instance = instance;
    a.run = run;
    a.free_instance = free_instance;
    a.free_program = free_program;
    return a;
  }();
  return &api;
}
