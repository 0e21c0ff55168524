// Pooling over windows and over everything.
#include <format/ncnn/table.h>
#include <format/ncnn/window.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace chorus::ncnn {
namespace {

std::string layer_name(size_t axes) { return axes == 1 ? "Pooling1D" : axes == 3 ? "Pooling3D" : "Pooling"; }

}  // namespace

void write_pool(Emitter& e) {
  const Extents x = e.shape(0), y = e.out_shape();
  if (x.size() < 3 || x.size() > 5) refuse(fmt::format("ncnn pools one to three axes, not those of {}", shape_str(x)));
  if (e.wanted(1)) refuse("ncnn's pooling does not say where a maximum was");
  const size_t axes = x.size() - 2;
  const bool average = e.node().type == "AveragePool";
  const bool count_padding = average && e.attrs().integer("count_include_pad", 0) != 0;
  const Extents in(x.begin() + 2, x.end()), out(y.begin() + 2, y.end());
  const auto kernel = e.attrs().integers("kernel_shape");
  Window w = window_of(e, axes, in, out, kernel);
  for (size_t i = 0; i < axes; ++i) {
    if (w.dilation[i] != 1) refuse("ncnn's pooling has no dilation");
    // The padding at the end that makes exactly the output's size; what ceil_mode adds is padding like any other.
    const int64_t need = (out[i] - 1) * w.stride[i] + w.kernel[i] - in[i] - w.begin[i];
    if (need > w.end[i] && count_padding) refuse("ncnn counts what ceil_mode adds to a window as padding");
    if (need > w.end[i] && average && w.end[i] + w.begin[i] > 0) refuse("ceil_mode with padding in an average");
    w.end[i] = std::max<int64_t>(need, 0);
    if (w.begin[i] >= w.kernel[i] || w.end[i] >= w.kernel[i]) refuse("a window of padding alone");
  }
  Params p;
  const size_t n = axes;
  p.integer(0, average ? 1 : 0).integer(1, w.kernel[n - 1]).integer(2, w.stride[n - 1]);
  p.integer(3, w.begin[n - 1]).integer(14, w.end[n - 1]).integer(5, 1);
  if (n > 1)
    p.integer(11, w.kernel[n - 2]).integer(12, w.stride[n - 2]).integer(13, w.begin[n - 2]).integer(15, w.end[n - 2]);
  if (n > 2)
    p.integer(21, w.kernel[n - 3]).integer(22, w.stride[n - 3]).integer(23, w.begin[n - 3]).integer(16, w.end[n - 3]);
  if (average) p.integer(6, count_padding ? 1 : 0);
  // Channels are pooled alike: a batch is more of them.
  Extents wide = in, result = out;
  wide.insert(wide.begin(), x[0] * x[1]);
  result.insert(result.begin(), x[0] * x[1]);
  e.out(0, e.layer(layer_name(axes), p, {e.in(0, wide)}, result));
}

void write_global_pool(Emitter& e) {
  const Extents x = e.shape(0);
  if (x.size() < 3) refuse("ncnn pools images");
  const int64_t channels = x[0] * x[1], inner = product(std::span(x).subspan(2));
  const bool average = e.node().type == "GlobalAveragePool";
  const Extents image = x.size() == 4 ? Extents{channels, x[2], x[3]} : Extents{channels, 1, inner};
  e.out(0, e.layer("Pooling", Params().integer(0, average ? 1 : 0).integer(4, 1), {e.in(0, image)}, {channels}));
}

}  // namespace chorus::ncnn
