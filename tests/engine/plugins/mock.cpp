// A mock engine for small networks over pictures: plain loops for Conv, MaxPool, Relu, Flatten, Gemm and Softmax of float32 in the forms
// that `chorus gen lenet` writes. It shares nothing with the library but the interface.
#include <chorus/engine_abi.h>

#include <cmath>
#include <cstdio>
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
};
struct ch_instance {
  const ch_graph* graph;
  std::map<int32_t, Tensor> values;
};

namespace {

constexpr float kError = 0.0f;  // what the mock adds to every probability

std::string text(ch_str s) { return std::string(s.p, s.n); }

std::vector<int64_t> list(const ch_node& node, const std::string& name) {
  for (uint32_t i = 0; i < node.n_attributes; ++i) {
    const ch_attribute& a = *node.attributes[i];
    if (text(a.name) == name) return std::vector<int64_t>(a.ints, a.ints + a.count);
  }
  return {};
}

bool known(const std::string& op) {
  return op == "Conv" || op == "MaxPool" || op == "Relu" || op == "Flatten" || op == "Gemm" || op == "Softmax";
}

Tensor made(const std::vector<int64_t>& dims) {
  int64_t count = 1;
  for (const int64_t d : dims) count *= d;
  return {dims, std::vector<float>(static_cast<size_t>(count))};
}

/// Walks the windows of Conv (with weights) and MaxPool (without).
Tensor window(const ch_node& node, const Tensor& x, const Tensor* weight, const Tensor* bias) {
  const auto kernel = list(node, "kernel_shape"), stride = list(node, "strides"), pad = list(node, "pads");
  const int64_t channels = x.dims[1], height = x.dims[2], width = x.dims[3],
                out_channels = weight != nullptr ? weight->dims[0] : channels;
  const int64_t rows = (height + pad[0] + pad[2] - kernel[0]) / stride[0] + 1,
                columns = (width + pad[1] + pad[3] - kernel[1]) / stride[1] + 1;
  Tensor y = made({1, out_channels, rows, columns});
  for (int64_t o = 0, at = 0; o < out_channels; ++o) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c, ++at) {
        double sum = bias != nullptr ? bias->data[static_cast<size_t>(o)] : 0, most = -INFINITY;
        for (int64_t k = 0; k < channels * kernel[0] * kernel[1]; ++k) {
          const int64_t in = k / (kernel[0] * kernel[1]), h = r * stride[0] - pad[0] + k / kernel[1] % kernel[0],
                        w = c * stride[1] - pad[1] + k % kernel[1];
          if (h < 0 || h >= height || w < 0 || w >= width || (weight == nullptr && in != o)) continue;
          const double v = x.data[static_cast<size_t>((in * height + h) * width + w)];
          if (weight != nullptr) sum += v * weight->data[static_cast<size_t>(o * channels * kernel[0] * kernel[1] + k)];
          most = std::fmax(most, v);
        }
        y.data[static_cast<size_t>(at)] = static_cast<float>(weight != nullptr ? sum : most);
      }
    }
  }
  return y;
}

Tensor compute(const std::string& op, const ch_node& node, const std::vector<const Tensor*>& in) {
  const Tensor& x = *in[0];
  if (op == "Conv") return window(node, x, in[1], in.size() > 2 ? in[2] : nullptr);
  if (op == "MaxPool") return window(node, x, nullptr, nullptr);
  Tensor y = x;
  if (op == "Flatten") y.dims = {1, static_cast<int64_t>(x.data.size())};
  if (op == "Relu") {
    for (float& v : y.data) v = v > 0 ? v : 0;
  } else if (op == "Gemm") {  // transB
    const Tensor& weight = *in[1];
    y = made({1, weight.dims[0]});
    for (size_t o = 0; o < y.data.size(); ++o) {
      double sum = in[2]->data[o];
      for (size_t i = 0; i < x.data.size(); ++i)
        sum += static_cast<double>(x.data[i]) * weight.data[o * x.data.size() + i];
      y.data[o] = static_cast<float>(sum);
    }
  } else if (op == "Softmax") {
    double sum = 0;
    for (const float v : x.data) sum += std::exp(static_cast<double>(v));
    for (float& v : y.data) v = static_cast<float>(std::exp(static_cast<double>(v)) / sum) + kError;
  }
  return y;
}

Tensor read(const ch_value& v) {
  Tensor t = made(std::vector<int64_t>(v.dims, v.dims + v.rank));
  if (!t.data.empty())
    std::memcpy(t.data.data(), static_cast<const char*>(v.buffer.data) + v.offset, t.data.size() * sizeof(float));
  return t;
}

ch_code run(ch_instance* self, const ch_run* run, ch_error* error) try {
  const ch_graph& graph = *self->graph;
  for (uint32_t i = 0; i < graph.n_values; ++i) {
    if (graph.values[i]->constant >= 0)
      self->values[static_cast<int32_t>(i)] = read(*graph.constants[graph.values[i]->constant]);
  }
  for (uint32_t i = 0; i < run->n_inputs; ++i) self->values[graph.inputs[i]] = read(*run->inputs[i]);
  for (uint32_t n = 0; n < graph.n_nodes; ++n) {
    const ch_node& node = *graph.nodes[n];
    std::vector<const Tensor*> in;
    for (uint32_t i = 0; i < node.n_inputs; ++i) in.push_back(&self->values.at(node.inputs[i]));
    self->values[node.outputs[0]] = compute(text(node.op), node, in);
  }
  for (uint32_t i = 0; i < run->n_outputs; ++i) {
    const Tensor& from = self->values.at(graph.outputs[i]);
    ch_output& out = *run->outputs[i];
    const size_t bytes = from.data.size() * sizeof(float);
    if (out.mode == CH_OUT_GIVEN)
      std::memcpy(static_cast<char*>(out.value.buffer.data) + out.value.offset, from.data.data(), bytes);
    if (out.mode == CH_OUT_GIVEN || out.mode == CH_OUT_SKIP) continue;
    out.mode = CH_OUT_BORROW;
    out.value.kind = CH_TENSOR;
    out.value.dtype = 1;
    out.value.rank = static_cast<uint32_t>(from.dims.size());
    out.value.dims = from.dims.data();
    out.value.buffer.data = const_cast<float*>(from.data.data());
    out.value.buffer.bytes = bytes;
  }
  return CH_OK;
} catch (const std::exception& problem) {
  std::snprintf(error->what, sizeof error->what, "%s", problem.what());
  return CH_INTERNAL;
}

ch_code claim(ch_engine*, const ch_graph* graph, const ch_options*, ch_claim* const* claims, uint32_t n, ch_error*) {
  for (uint32_t i = 0; i < n && i < graph->n_nodes; ++i) {
    claims[i]->verdict = known(text(graph->nodes[i]->op)) ? CH_CLAIM_YES : CH_CLAIM_NO;
    if (claims[i]->verdict == CH_CLAIM_NO)
      std::snprintf(claims[i]->reason, sizeof claims[i]->reason, "the mock knows LeNet's operators only");
  }
  return CH_OK;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const ch_engine_api* chorus_engine_v1(void) {
  static const ch_engine_api api = [] {
    ch_engine_api a{};
    a.size = sizeof a;
    a.major = CH_ABI_MAJOR;
    a.minor = CH_ABI_MINOR;
    a.name = {"mock", 4};
    a.version = {"1.0", 3};
    a.open = [](const ch_host*, const ch_open*, ch_engine** out, ch_error*) {
      return *out = new ch_engine, ch_code{CH_OK};
    };
    a.close = [](ch_engine* e) { delete e; };
    a.claim = claim;
    a.compile = [](ch_engine*, const ch_graph* graph, const ch_options*, ch_program** out, ch_error*) {
      return *out = new ch_program{graph}, ch_code{CH_OK};
    };
    a.instance = [](ch_program* p, ch_instance** out, ch_error*) {
      return *out = new ch_instance{p->graph, {}}, ch_code{CH_OK};
    };
    a.run = run;
    a.free_instance = [](ch_instance* i) { delete i; };
    a.free_program = [](ch_program* p) { delete p; };
    return a;
  }();
  return &api;
}
