// Convolution and its transpose, of one to three axes, in groups, in batches; pooling windows share the padding.
#include <format/ncnn/window.h>

#include <format/ncnn/table.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace chorus::ncnn {
namespace {

constexpr int64_t kMostBatch = 64;  // of a convolution that is written once for each of a batch

// Layers count from the width outwards: ids of kernel, dilation, stride.
struct Ids {
  int width, height, depth;
};

void set(Params& p, const Ids& ids, const std::vector<int64_t>& by_axis) {
  const size_t n = by_axis.size();
  p.integer(ids.width, by_axis[n - 1]);
  if (n > 1) p.integer(ids.height, by_axis[n - 2]);
  if (n > 2) p.integer(ids.depth, by_axis[n - 3]);
}

std::string layer_name(std::string_view stem, bool grouped, size_t axes) {
  return fmt::format("{}{}{}", stem, grouped ? "DepthWise" : "", axes == 1 ? "1D" : axes == 3 ? "3D" : "");
}

void set_pads(Params& p, const Window& w) {
  const size_t n = w.kernel.size();
  set(p, {4, 14, 24}, w.begin);
  p.integer(15, w.end[n - 1]);
  if (n > 1) p.integer(16, w.end[n - 2]);
  if (n > 2) p.integer(17, w.end[n - 3]);
}

Blob weight_blob(Emitter& e, const Extents& shape) {
  if (shape.size() > 4) refuse("the weights of a 3-D convolution must be constants");
  return e.in(1, shape);
}

}  // namespace

Blob per_batch(Emitter& e, size_t operand, const Extents& out_one, const std::function<Blob(const Blob&)>& one) {
  const Extents x = e.shape(operand);
  const int64_t batch = x[0];
  Extents item(x.begin() + 1, x.end());
  if (item.size() > 4) refuse(fmt::format("{} has more axes than ncnn's layer", shape_str(x)));
  if (batch == 1) return one(e.in(operand, item));
  if (batch > kMostBatch)
    refuse(fmt::format("a batch of {}: ncnn computes one after the other, at most {}", batch, kMostBatch));
  const int64_t size = product(item), made = product(out_one);
  const Blob all = e.in(operand, {batch, size});
  std::vector<Blob> results;
  for (int64_t b = 0; b < batch; ++b) {
    const Blob row = e.crop(all, 0, b, b + 1);
    results.push_back(e.reshape(one(e.reshape(row, item)), {1, made}));
  }
  return e.concat(std::move(results), 0);
}

Window window_of(Emitter& e, size_t axes, const Extents& in, const Extents& out, std::span<const int64_t> kernel) {
  const AttrReader attrs = e.attrs();
  Window w;
  w.kernel.assign(kernel.begin(), kernel.end());
  const auto list = [&](std::string_view name) {
    const auto given = attrs.integers(name);
    return given.empty() ? std::vector<int64_t>(axes, 1) : std::vector<int64_t>(given.begin(), given.end());
  };
  w.stride = list("strides");
  w.dilation = list("dilations");
  w.begin.assign(axes, 0);
  w.end.assign(axes, 0);
  const std::string_view mode = attrs.string("auto_pad", "NOTSET");
  const auto pads = attrs.integers("pads");
  for (size_t i = 0; i < axes; ++i) {
    const int64_t reach = (w.kernel[i] - 1) * w.dilation[i] + 1;
    if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
      const int64_t need = std::max<int64_t>((out[i] - 1) * w.stride[i] + reach - in[i], 0);
      w.begin[i] = mode == "SAME_LOWER" ? need - need / 2 : need / 2;
      w.end[i] = need - w.begin[i];
    } else if (mode != "VALID" && pads.size() == 2 * axes) {
      w.begin[i] = pads[i], w.end[i] = pads[axes + i];
    }
    if (w.begin[i] < 0 || w.end[i] < 0) refuse("ncnn does not cut borders in a window");
  }
  return w;
}

void write_conv(Emitter& e) {
  const Extents x = e.shape(0), weight = e.shape(1), y = e.out_shape();
  if (x.size() < 3 || x.size() > 5)
    refuse(fmt::format("ncnn convolves one to three axes, not those of {}", shape_str(x)));
  const size_t axes = x.size() - 2;
  const int64_t group = e.attrs().integer("group", 1);
  const Extents in(x.begin() + 2, x.end()), out(y.begin() + 2, y.end());
  const Window w = window_of(e, axes, in, out, std::span(weight).subspan(2));
  const Value* constant = e.constant(1);
  if (e.has(2) && constant != nullptr && e.constant(2) == nullptr)
    refuse("a bias that is no constant beside constant weights");
  Params p;
  p.integer(0, weight[0]);
  set(p, {1, 11, 21}, w.kernel);
  set(p, {2, 12, 22}, w.dilation);
  set(p, {3, 13, 23}, w.stride);
  set_pads(p, w);
  p.integer(5, e.has(2) ? 1 : 0).integer(6, product(weight));
  if (group > 1) p.integer(7, group);
  if (constant == nullptr) p.integer(19, 1);
  const Extents one(y.begin() + 1, y.end());
  e.out(0, per_batch(e, 0, one, [&](const Blob& item) {
          std::vector<Blob> inputs = {item};
          if (constant == nullptr) {
            inputs.push_back(weight_blob(e, weight));
            if (e.has(2)) inputs.push_back(e.in(2, {weight[0]}));
          }
          const Blob made = e.layer(layer_name("Convolution", group > 1, axes), p, inputs, one);
          if (constant != nullptr) {
            e.weights(Tag::float32, constant->as<float>());
            if (e.has(2)) e.weights(Tag::none, e.floats(2, "the bias"));
          }
          return made;
        }));
}

void write_conv_transpose(Emitter& e) {
  const Extents x = e.shape(0), weight = e.shape(1), y = e.out_shape();
  if (x.size() < 3 || x.size() > 5)
    refuse(fmt::format("ncnn convolves one to three axes, not those of {}", shape_str(x)));
  const size_t axes = x.size() - 2;
  const int64_t group = e.attrs().integer("group", 1), made = y[1];
  const std::vector<float> given = e.floats(1, "the weights of ConvTranspose");
  const auto number = [&](std::string_view name, size_t i, int64_t otherwise) {
    const auto list = e.attrs().integers(name);
    return i < list.size() ? list[i] : otherwise;
  };
  Window w;
  // The full result is cut at both ends: what is left is the output's size, whatever rule the node names it by.
  const auto pads = e.attrs().integers("pads");
  const std::string_view mode = e.attrs().string("auto_pad", "NOTSET");
  std::vector<int64_t> extra(axes);
  for (size_t i = 0; i < axes; ++i) {
    w.kernel.push_back(weight[2 + i]);
    w.stride.push_back(number("strides", i, 1));
    w.dilation.push_back(number("dilations", i, 1));
    const int64_t full = (x[2 + i] - 1) * w.stride[i] + (w.kernel[i] - 1) * w.dilation[i] + 1;
    const int64_t cut = full + number("output_padding", i, 0) - y[2 + i];
    const bool by_shape = !e.attrs().integers("output_shape").empty() || mode == "SAME_UPPER" || mode == "SAME_LOWER";
    int64_t begin = pads.size() == 2 * axes && mode == "NOTSET" ? pads[i] : 0;
    if (by_shape) begin = mode == "SAME_UPPER" ? cut / 2 : cut - cut / 2;
    const int64_t end = full - begin - y[2 + i];
    if (begin < 0) refuse("ncnn does not widen the result of ConvTranspose at its beginning");
    w.begin.push_back(begin);
    w.end.push_back(std::max<int64_t>(end, 0));
    extra[i] = std::max<int64_t>(-end, 0);
  }
  Params p;
  p.integer(0, made);
  set(p, {1, 11, 21}, w.kernel);
  set(p, {2, 12, 22}, w.dilation);
  set(p, {3, 13, 23}, w.stride);
  set_pads(p, w);
  set(p, {18, 19, 20}, extra);
  p.integer(5, e.has(2) ? 1 : 0).integer(6, product(weight));
  if (group > 1) p.integer(7, group);
  // ONNX: (in, out / group, kernel); ncnn: for each group (out / group, in / group, kernel).
  const int64_t inner = product(std::span(weight).subspan(2)), in_group = x[1] / group, out_group = weight[1];
  std::vector<float> turned(given.size());
  for (int64_t g = 0; g < group; ++g) {
    for (int64_t i = 0; i < in_group; ++i) {
      for (int64_t o = 0; o < out_group; ++o) {
        const auto from = given.begin() + ((g * in_group + i) * out_group + o) * inner;
        std::copy(from, from + inner, turned.begin() + ((g * out_group + o) * in_group + i) * inner);
      }
    }
  }
  const Extents one(y.begin() + 1, y.end());
  e.out(0, per_batch(e, 0, one, [&](const Blob& item) {
          const Blob result = e.layer(layer_name("Deconvolution", group > 1, axes), p, {item}, one);
          e.weights(Tag::float32, turned);
          if (e.has(2)) e.weights(Tag::none, e.floats(2, "the bias"));
          return result;
        }));
}

}  // namespace chorus::ncnn
