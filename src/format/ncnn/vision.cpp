// Interpolation.
#include <format/ncnn/table.h>
#include <format/ncnn/window.h>
#include <fmt/format.h>

#include <cmath>
#include <string_view>

namespace chorus::ncnn {
namespace {

// Whether the scale that the node names is the ratio of the sizes, which is what ncnn computes with.
void check_scale(Emitter& e, size_t axis, int64_t in, int64_t out) {
  if (!e.has(2)) return;
  const Value* given = e.constant(2);
  if (given == nullptr) refuse("the scales of Resize must be constants");
  if (given->numel() == 0) return;
  const auto scales = given->to_doubles();
  const size_t rank = e.shape(0).size();
  const double scale = scales[scales.size() == rank ? axis : scales.size() - (rank - axis)];
  if (std::abs(scale * static_cast<double>(in) - static_cast<double>(out)) > 1e-4)
    refuse("ncnn's scale is the ratio of the sizes, Resize names another one");
}

}  // namespace

void write_resize(Emitter& e) {
  const Extents x = e.shape(0), y = e.out_shape();
  const AttrReader attrs = e.attrs();
  const std::string_view mode = attrs.string("mode", "nearest"),
                         place = attrs.string("coordinate_transformation_mode", "half_pixel");
  if (attrs.integer("antialias", 0) != 0) refuse("ncnn's Interp has no antialias");
  if (attrs.integer("exclude_outside", 0) != 0) refuse("ncnn's Interp repeats what lies outside");
  if (!attrs.integers("axes").empty() && attrs.integers("axes").size() != x.size()) refuse("axes of Resize");
  if (attrs.string("keep_aspect_ratio_policy", "stretch") != "stretch")
    refuse("ncnn's Interp does not keep the ratio of the sides");
  if (x.size() < 3 || x.size() > 4 || x[0] != y[0] || x[1] != y[1])
    refuse("ncnn's Interp resizes the last one or two of three or four axes");
  const int64_t channels = x[0] * x[1], h = x.size() == 4 ? x[2] : 1, w = x.back();
  const int64_t out_h = y.size() == 4 ? y[2] : 1, out_w = y.back();
  for (size_t i = 2; i < x.size(); ++i) check_scale(e, i, x[i], y[i]);
  int type = 0, align = 0;
  if (mode == "nearest") {
    const std::string_view rounding = attrs.string("nearest_mode", "round_prefer_floor");
    const bool whole = out_w % w == 0 && out_h % h == 0;  // then all ways of rounding but upwards mean the same pixel
    const bool floor = place == "asymmetric" && rounding == "floor";
    const bool half =
        place == "half_pixel" && whole && (rounding == "round_prefer_floor" || rounding == "round_prefer_ceil");
    const bool asymmetric = place == "asymmetric" && out_w == w && out_h == h;
    if (!floor && !half && !asymmetric) refuse("ncnn's nearest pixel is the one below, from the corner");
    if (!whole && !(w % out_w == 0 && h % out_h == 0)) refuse("ncnn's nearest pixel is found in 32-bit floats");
    type = 1;
  } else {
    type = mode == "linear" ? 2 : 3;
    align = place == "align_corners" ? 1 : 0;
    const bool half =
        place == "half_pixel" || (place == "pytorch_half_pixel" && out_w > 1 && (out_h > 1 || x.size() == 3));
    if (!half && align == 0) refuse(fmt::format("ncnn's Interp has no {}", place));
    if (type == 3 && std::abs(attrs.real("cubic_coeff_a", -0.75F) + 0.75F) > 1e-6F)
      refuse("ncnn's cubic has the coefficient -0.75");
  }
  Params p;
  p.integer(0, type).integer(3, out_h).integer(4, out_w).integer(6, align);
  e.out(0, e.layer("Interp", p, {e.in(0, {channels, h, w})}, {channels, out_h, out_w}));
}

}  // namespace chorus::ncnn
