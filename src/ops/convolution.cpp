// Convolutions, pooling, Resize and sampling: operators over windows of spatial axes. Their shape rules: convolution_shape.cpp.
#include <ops/chosen.h>
#include <ops/convolution_shape.h>
#include <ops/gradients/rules.h>
#include <ops/rules.h>
#include <ops/table.h>

#include <fmt/format.h>

#include <cmath>

namespace chorus::families {
namespace {

using namespace convolution;
using namespace rules;

// Version steps ------------------------------------------------------------------------------------------------------------------

/// The node again as the version before or after, with attributes changed.
Expansion with(OpBuilder& b, Attributes attributes, bool older = false) {
  std::vector<Ref> inputs;
  for (int i = 0; i < b.inputs(); ++i) inputs.push_back(b.has_input(i) ? b.in(i) : Ref{});
  older ? previous_version(b) : next_version(b);
  return Expansion(b.emit(b.op().name, inputs, std::move(attributes), b.outputs()));
}

/// p was a float: whole numbers go on as integers.
Expansion whole_p(OpBuilder& b) {
  const float p = b.attrs().real("p", 2);
  if (p != std::floor(p) || !(std::abs(p) < 1e6F))
    return Expansion::refuse(
        fmt::format("{} with p={} has no form after opset 1, where p is an integer", b.op().name, p));
  Attributes attributes = b.attrs().all();
  attributes.set("p", static_cast<int64_t>(p));
  return with(b, std::move(attributes));
}
Expansion lp_pool_1(OpBuilder& b) {
  if (!b.attrs().given("kernel_shape")) return Expansion::refuse("LpPool-1 without kernel_shape has no meaning");
  return whole_p(b);
}
Expansion global_lp_pool_1(OpBuilder& b) { return whole_p(b); }

bool all_ones(std::span<const int64_t> v) {
  for (const int64_t x : v) {
    if (x != 1) return false;
  }
  return true;
}

/// Steps down to versions without ceil_mode or dilations.
Expansion without_dilations(OpBuilder& b, bool without_ceil) {
  if (!all_ones(b.attrs().integers("dilations")))
    return Expansion::refuse(fmt::format("{} with dilations is younger than the wanted opset", b.op().name));
  if (without_ceil && b.attrs().integer("ceil_mode") != 0)
    return Expansion::refuse(fmt::format("{} with ceil_mode=1 is younger than the wanted opset", b.op().name));
  Attributes attributes = b.attrs().all();
  attributes.erase("dilations");
  if (without_ceil) attributes.erase("ceil_mode");
  return with(b, std::move(attributes), true);
}
Expansion max_pool_10_to_8(OpBuilder& b) { return without_dilations(b, true); }
Expansion average_pool_19_to_11(OpBuilder& b) { return without_dilations(b, false); }
Expansion lp_pool_18_to_11(OpBuilder& b) { return without_dilations(b, true); }

/// Resize-10 and Upsample: asymmetric coordinates; the nearest neighbour is the one before, or, where an axis shrinks, the one after.
Ref resize_asymmetric(OpBuilder& b, Ref x, Ref scales, std::string_view mode, std::string_view nearest, int version) {
  const Ref no_roi = b.constant(Value::tensor(DType::float32, Shape{0}));
  if (version > 0) b.next("", version);
  const Ref inputs[] = {x, no_roi, scales};
  return b.emit("Resize", inputs,
                {{"mode", mode}, {"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", nearest}}, 1)[0];
}

Expansion resize_10(OpBuilder& b) {
  const std::string_view mode = b.attrs().string("mode", "nearest");
  const Value* scales = static_cast<const NodeContext&>(b).constant(1);
  bool grows = false, shrinks = false;
  std::vector<float> up, down;
  for (const double s : scales != nullptr ? scales->to_doubles() : std::vector<double>()) {
    grows |= s > 1;
    shrinks |= s < 1;
    up.push_back(s > 1 ? static_cast<float>(s) : 1);
    down.push_back(s < 1 ? static_cast<float>(s) : 1);
  }
  if (mode != "nearest" || !(grows && shrinks))
    return resize_asymmetric(b, b.in(0), b.in(1), mode, shrinks ? "ceil" : "floor", 11);
  const auto constant = [&](const std::vector<float>& v) {
    return b.constant(Value::of<float>(Shape{static_cast<int64_t>(v.size())}, std::span<const float>(v)));
  };
  const Ref smaller = resize_asymmetric(b, b.in(0), constant(down), mode, "ceil", 11);
  return resize_asymmetric(b, smaller, constant(up), mode, "floor", 11);
}

/// tf_half_pixel_for_nn ends with opset 11; exporters wrote it into files of later ones. Its position (x + 0.5) / scale is half_pixel's
/// plus a half, so that rounding down there is rounding to the nearest here, and rounding to the nearest there rounding up here.
Expansion resize_11(OpBuilder& b) {
  Attributes attributes = b.attrs().all();
  if (b.attrs().string("coordinate_transformation_mode") == "tf_half_pixel_for_nn") {
    const std::string_view nearest = b.attrs().string("nearest_mode");
    if (b.attrs().string("mode") != "nearest" || (nearest != "floor" && nearest != "round_prefer_floor")) {
      return Expansion::refuse(
          "Resize with tf_half_pixel_for_nn has a later form only with mode 'nearest' and nearest_mode 'floor' or "
          "'round_prefer_floor'");
    }
    attributes.set("coordinate_transformation_mode", "half_pixel");
    attributes.set("nearest_mode", nearest == "floor" ? "round_prefer_ceil" : "ceil");
  }
  return with(b, std::move(attributes));
}

/// Operands that may be omitted since 13 were empty ones.
Expansion resize_13_to_11(OpBuilder& b) {
  if (b.input(0).dtype == DType::bfloat16) return Expansion::refuse("Resize of bfloat16 has no form below opset 13");
  const Ref nothing = b.constant(Value::tensor(DType::float32, Shape{0}));
  std::vector<Ref> operands = {b.in(0), b.has_input(1) ? b.in(1) : nothing, b.has_input(2) ? b.in(2) : nothing};
  if (b.has_input(3)) operands.push_back(b.in(3));
  previous_version(b);
  return Expansion(b.emit("Resize", operands, b.attrs().all(), 1));
}

/// Version 10 has asymmetric coordinates alone, and of the nearest neighbours the one that resize_10 names.
Expansion resize_11_to_10(OpBuilder& b) {
  const std::string_view mode = b.attrs().string("mode", "nearest");
  if (mode == "cubic" || b.attrs().string("coordinate_transformation_mode", "half_pixel") != "asymmetric")
    return Expansion::refuse("Resize has asymmetric coordinates and no mode 'cubic' in version 10");
  if (b.has_input(3) && rules::known_count(b, 3) != 0)
    return Expansion::refuse("Resize has scales and no sizes in version 10");
  if (mode == "nearest") {
    const Value* scales = static_cast<const NodeContext&>(b).constant(2);
    if (scales == nullptr)
      return Expansion::refuse("Resize by scales that only the run knows has no form in version 10");
    bool grows = false, shrinks = false;
    for (const double s : scales->to_doubles()) {
      grows |= s > 1;
      shrinks |= s < 1;
    }
    if (grows && shrinks) return Expansion::refuse("Resize that grows and shrinks has no form in version 10");
    const std::string_view nearest = b.attrs().string("nearest_mode", "round_prefer_floor");
    if ((grows && nearest != "floor") || (shrinks && nearest != "ceil"))
      return Expansion::refuse(fmt::format("Resize with nearest_mode '{}' has no form in version 10", nearest));
  }
  const Ref operands[] = {b.in(0), b.in(2)};
  previous_version(b);
  return Expansion(b.emit("Resize", operands, {{"mode", mode}}, 1));
}

Expansion resize_18_to_13(OpBuilder& b) {
  if (b.attrs().integer("antialias") != 0 || b.attrs().given("axes") ||
      b.attrs().string("keep_aspect_ratio_policy", "stretch") != "stretch") {
    return Expansion::refuse("Resize-18 with antialias, axes or keep_aspect_ratio_policy has no form in version 13");
  }
  Attributes attributes = b.attrs().all();
  for (const auto* name : {"antialias", "keep_aspect_ratio_policy"}) attributes.erase(name);
  return with(b, std::move(attributes), true);
}

Expansion resize_19_to_18(OpBuilder& b) {
  if (b.attrs().string("coordinate_transformation_mode") == "half_pixel_symmetric")
    return Expansion::refuse("Resize with half_pixel_symmetric has no form in version 18");
  return with(b, b.attrs().all(), true);
}

Expansion upsample_1(OpBuilder& b) {
  const std::string_view mode = b.attrs().string("mode", "nearest");
  return with(b, {{"mode", mode == "bilinear" ? "linear" : mode},
                  {"scales", std::vector<float>{1, 1, b.attrs().real("height_scale"), b.attrs().real("width_scale")}}});
}

Expansion upsample_7(OpBuilder& b) {
  const auto scales = b.attrs().reals("scales");
  return reissue(b, {b.in(0), b.constant(Value::of<float>(Shape{static_cast<int64_t>(scales.size())}, scales))},
                 {"scales"});
}

Expansion grid_sample_renamed(OpBuilder& b, std::string_view from, std::string_view to, std::string_view from2,
                              std::string_view to2, bool older) {
  Attributes attributes = b.attrs().all();
  const std::string_view mode = b.attrs().string("mode");
  attributes.set("mode", mode == from ? to : mode == from2 ? to2 : mode);
  return with(b, std::move(attributes), older);
}
Expansion grid_sample_16(OpBuilder& b) {
  return grid_sample_renamed(b, "bilinear", "linear", "bicubic", "cubic", false);
}
Expansion grid_sample_20_to_16(OpBuilder& b) {
  if (b.input(0).rank() > 4) return Expansion::refuse("GridSample of volumes has no form in version 16");
  return grid_sample_renamed(b, "linear", "bilinear", "cubic", "bicubic", true);
}

// Meanings by simpler operators --------------------------------------------------------------------------------------------------

Ref cast(OpBuilder& b, Ref x, DType to) { return b.op("Cast", {x}, {{"to", static_cast<int64_t>(to)}}); }

/// One number per filter stands in a vector: along the first axis of the filter.
Ref per_filter(OpBuilder& b, int i, int filter) {
  const Type &v = b.input(i), &w = b.input(filter);
  if (!v.has_rank || v.rank() != 1 || !w.has_rank) return b.in(i);
  std::vector<int64_t> axes;
  for (int k = 1; k < w.rank(); ++k) axes.push_back(k);
  return b.op("Unsqueeze", {b.in(i), b.ints(axes)});
}

Attributes window_attributes(OpBuilder& b, std::initializer_list<std::string_view> dropped = {}) {
  Attributes attributes = b.attrs().all();
  for (const std::string_view name : dropped) attributes.erase(name);
  return attributes;
}

Expansion conv_integer_meaning(OpBuilder& b) {
  // float64 holds every sum of products exactly.
  Ref x = cast(b, b.in(0), DType::float64), w = cast(b, b.in(1), DType::float64);
  if (b.has_input(2)) x = b.op("Sub", {x, cast(b, b.in(2), DType::float64)});
  if (b.has_input(3)) w = b.op("Sub", {w, cast(b, per_filter(b, 3, 1), DType::float64)});
  return cast(b, b.op("Conv", {x, w}, window_attributes(b)), DType::int32);
}

Expansion qlinear_conv_meaning(OpBuilder& b) {
  const Ref x =
      b.op("Mul", {b.op("Sub", {cast(b, b.in(0), DType::float32), cast(b, b.in(2), DType::float32)}), b.in(1)});
  const Ref w =
      b.op("Mul", {b.op("Sub", {cast(b, b.in(3), DType::float32), cast(b, per_filter(b, 5, 3), DType::float32)}),
                   per_filter(b, 4, 3)});
  Ref bias;
  if (b.has_input(8)) bias = b.op("Mul", {cast(b, b.in(8), DType::float32), b.op("Mul", {b.in(1), b.in(4)})});
  const auto scalar_of = [&](int i) {
    return b.input(i).rank() == 0 ? b.in(i) : b.op("Reshape", {b.in(i), b.ints(std::span<const int64_t>())});
  };
  return b.op("QuantizeLinear", {b.op("Conv", {x, w, bias}, window_attributes(b)), scalar_of(6), scalar_of(7)});
}

Expansion causal_conv_meaning(OpBuilder& b) {
  const Type &x = b.input(0), &w = b.input(1);
  if (!x.has_rank || !w.has_rank || !x.dims[1].is_number() || !w.dims[2].is_number()) {
    return Expansion::refuse(
        "CausalConvWithState with channels or a filter length that are not known has no expansion");
  }
  const int64_t kept = w.dims[2].number() - 1, channels = x.dims[1].number();
  Ref joined;
  if (b.has_input(3)) {
    joined = b.op("Concat", {b.in(3), b.in(0)}, {{"axis", 2}});
  } else {
    joined = b.op("Pad", {b.in(0), b.ints({0, 0, kept, 0, 0, 0})});
  }
  Ref y = b.op("Conv", {joined, b.in(1), b.has_input(2) ? b.in(2) : Ref{}}, {{"group", channels}});
  if (b.attrs().string("activation", "none") != "none") y = b.op("Mul", {y, b.op("Sigmoid", {y})});
  if (b.outputs() < 2 || !b.has_output(1)) return y;
  const Ref state = kept > 0 ? b.op("Slice", {joined, b.ints({-kept}), b.ints({INT64_MAX}), b.ints({2})})
                             : b.op("Slice", {joined, b.ints({0}), b.ints({0}), b.ints({2})});
  return Expansion(std::vector<Ref>{y, state});
}

Expansion lp_pool_meaning(OpBuilder& b) {
  if (b.attrs().integer("ceil_mode") != 0)
    return Expansion::refuse("LpPool with ceil_mode=1 has no expansion: the last windows are smaller");
  const auto p = static_cast<double>(b.attrs().integer("p", 2));
  double elements = 1;
  for (const int64_t k : b.attrs().integers("kernel_shape")) elements *= static_cast<double>(k);
  Attributes attributes = window_attributes(b, {"p"});
  attributes.set("count_include_pad", int64_t{1});
  const Ref powers = b.op("Pow", {b.op("Abs", {b.in(0)}), scalar_like(b, b.in(0), p)});
  const Ref sums =
      b.op("Mul", {b.op("AveragePool", {powers}, std::move(attributes)), scalar_like(b, b.in(0), elements)});
  return b.op("Pow", {sums, scalar_like(b, b.in(0), 1 / p)});
}

/// The axes after the first two; empty where the rank is not known.
std::vector<int64_t> plane_axes(OpBuilder& b) {
  std::vector<int64_t> axes;
  for (int i = 2; i < b.input(0).rank(); ++i) axes.push_back(i);
  return axes;
}
Expansion over_planes(OpBuilder& b, std::string_view reduction) {
  if (!b.input(0).has_rank) return Expansion::refuse(fmt::format("{} of unknown rank has no expansion", b.op().name));
  return b.op(reduction, {b.in(0), b.ints(plane_axes(b))}, {{"keepdims", 1}, {"noop_with_empty_axes", 1}});
}
Expansion global_average_meaning(OpBuilder& b) { return over_planes(b, "ReduceMean"); }
Expansion global_max_meaning(OpBuilder& b) { return over_planes(b, "ReduceMax"); }
Expansion global_lp_meaning(OpBuilder& b) {
  const int64_t p = b.attrs().integer("p", 2);
  if (!b.input(0).has_rank) return Expansion::refuse("GlobalLpPool of unknown rank has no expansion");
  const Ref powers = b.op("Pow", {b.op("Abs", {b.in(0)}), scalar_like(b, b.in(0), static_cast<double>(p))});
  const Ref sums = b.op("ReduceSum", {powers, b.ints(plane_axes(b))}, {{"keepdims", 1}, {"noop_with_empty_axes", 1}});
  return b.op("Pow", {sums, scalar_like(b, b.in(0), 1 / static_cast<double>(p))});
}

Expansion upsample_meaning(OpBuilder& b) {
  return resize_asymmetric(b, b.in(0), b.in(1), b.attrs().string("mode", "nearest"), "floor", 0);
}

// Costs --------------------------------------------------------------------------------------------------------------------------

double taps_of_filter(const CostContext& ctx, int i) {
  const auto w = ctx.dims(false, i);
  double taps = 1;
  for (size_t k = 1; k < w.size(); ++k) taps *= static_cast<double>(w[k]);
  return taps;
}
Cost cost_conv(const CostContext& ctx) { return cost_flops(ctx, 2 * taps_of_filter(ctx, 1)); }
Cost cost_qlinear_conv(const CostContext& ctx) { return cost_flops(ctx, 2 * taps_of_filter(ctx, 3)); }
Cost cost_deform_conv(const CostContext& ctx) { return cost_flops(ctx, 12 * taps_of_filter(ctx, 1)); }
Cost cost_conv_transpose(const CostContext& ctx) {
  Cost c = cost_traffic(ctx);
  c.flops = 2 * ctx.count(false, 0) * taps_of_filter(ctx, 1);
  return c;
}
Cost cost_pool(const CostContext& ctx) {
  double taps = 1;
  for (const int64_t k : ctx.attrs().integers("kernel_shape")) taps *= static_cast<double>(k);
  return cost_flops(ctx, taps);
}
Cost cost_resize(const CostContext& ctx) {
  const auto mode = ctx.attrs().string("mode", "nearest");
  return cost_flops(ctx, mode == "nearest" ? 0 : mode == "cubic" || mode == "bicubic" ? 32 : 8);
}
Cost cost_affine_grid(const CostContext& ctx) { return cost_flops(ctx, 6); }
Cost cost_col2im(const CostContext& ctx) {
  Cost c = cost_traffic(ctx);
  c.flops = ctx.count(false, 0);
  return c;
}

// Rows ---------------------------------------------------------------------------------------------------------------------------

constexpr Version kConv[] = {
    {1,
     "(T X, T W, T? B) -> (T Y) {auto_pad: string = 'NOTSET', dilations: ints, group: int = 1, kernel_shape: "
     "ints, pads: ints, strides: ints}; T = ieee"},
    {11,
     "(T X, T W, T? B) -> (T Y) {auto_pad: string = 'NOTSET', dilations: ints, group: int = 1, kernel_shape: "
     "ints, pads: ints, strides: ints}; T = ieee"},
    {22,
     "(T X, T W, T? B) -> (T Y) {auto_pad: string = 'NOTSET', dilations: ints, group: int = 1, kernel_shape: "
     "ints, pads: ints, strides: ints}; T = floats"},
};
constexpr Version kConvTranspose[] = {
    {1,
     "(T X, T W, T? B) -> (T Y) {auto_pad: string = 'NOTSET', dilations: ints, group: int = 1, kernel_shape: "
     "ints, output_padding: ints, output_shape: ints, pads: ints, strides: ints}; T = ieee"},
    {11,
     "(T X, T W, T? B) -> (T Y) {auto_pad: string = 'NOTSET', dilations: ints, group: int = 1, kernel_shape: "
     "ints, output_padding: ints, output_shape: ints, pads: ints, strides: ints}; T = ieee"},
    {22,
     "(T X, T W, T? B) -> (T Y) {auto_pad: string = 'NOTSET', dilations: ints, group: int = 1, kernel_shape: "
     "ints, output_padding: ints, output_shape: ints, pads: ints, strides: ints}; T = floats"},
};
constexpr Version kConvInteger[] = {
    {10,
     "(T1 x, T2 w, T1? x_zero_point, T2? w_zero_point) -> (T3 y) {auto_pad: string = 'NOTSET', dilations: ints, "
     "group: int = 1, kernel_shape: ints, pads: ints, strides: ints}; T1 = i8 u8; T2 = i8 u8; T3 = i32"},
};
constexpr Version kQLinearConv[] = {
    {10,
     "(T1 x, f32 x_scale, T1 x_zero_point, T2 w, f32 w_scale, T2 w_zero_point, f32 y_scale, T3 y_zero_point, T4? "
     "B) -> (T3 y) {auto_pad: string = 'NOTSET', dilations: ints, group: int = 1, kernel_shape: ints, pads: "
     "ints, strides: ints}; T1 = i8 u8; T2 = i8 u8; T3 = i8 u8; T4 = i32"},
};
constexpr Version kDeformConv[] = {
    {19,
     "(T X, T W, T offset, T? B, T? mask) -> (T Y) {dilations: ints, group: int = 1, kernel_shape: ints, "
     "offset_group: int = 1, pads: ints, strides: ints}; T = ieee"},
    {22,
     "(T X, T W, T offset, T? B, T? mask) -> (T Y) {dilations: ints, group: int = 1, kernel_shape: ints, "
     "offset_group: int = 1, pads: ints, strides: ints}; T = floats"},
};
constexpr Version kCausalConvWithState[] = {
    {27,
     "(T input, T weight, T? bias, T? past_state) -> (T output, T present_state) {activation: string = 'none'}; "
     "T = f32 f16 bf16"},
};
constexpr Version kMaxPool[] = {
    {1, "(T X) -> (T Y) {auto_pad: string = 'NOTSET', kernel_shape: ints!, pads: ints, strides: ints}; T = ieee"},
    {8,
     "(T X) -> (T Y, I? Indices) {auto_pad: string = 'NOTSET', kernel_shape: ints!, pads: ints, storage_order: "
     "int = 0, strides: ints}; T = ieee; I = i64",
     nullptr, max_pool_10_to_8},
    {10,
     "(T X) -> (T Y, I? Indices) {auto_pad: string = 'NOTSET', ceil_mode: int = 0, dilations: ints, "
     "kernel_shape: ints!, pads: ints, storage_order: int = 0, strides: ints}; T = ieee; I = i64"},
    {11,
     "(T X) -> (T Y, I? Indices) {auto_pad: string = 'NOTSET', ceil_mode: int = 0, dilations: ints, "
     "kernel_shape: ints!, pads: ints, storage_order: int = 0, strides: ints}; T = ieee; I = i64"},
    {12,
     "(T X) -> (T Y, I? Indices) {auto_pad: string = 'NOTSET', ceil_mode: int = 0, dilations: ints, "
     "kernel_shape: ints!, pads: ints, storage_order: int = 0, strides: ints}; T = ieee i8 u8; I = i64"},
    {22,
     "(T X) -> (T Y, I? Indices) {auto_pad: string = 'NOTSET', ceil_mode: int = 0, dilations: ints, "
     "kernel_shape: ints!, pads: ints, storage_order: int = 0, strides: ints}; T = floats i8 u8; I = i64"},
};
constexpr Version kAveragePool[] = {
    {1, "(T X) -> (T Y) {auto_pad: string = 'NOTSET', kernel_shape: ints!, pads: ints, strides: ints}; T = ieee"},
    {7,
     "(T X) -> (T Y) {auto_pad: string = 'NOTSET', count_include_pad: int = 0, kernel_shape: ints!, pads: ints, "
     "strides: ints}; T = ieee"},
    {10,
     "(T X) -> (T Y) {auto_pad: string = 'NOTSET', ceil_mode: int = 0, count_include_pad: int = 0, kernel_shape: "
     "ints!, pads: ints, strides: ints}; T = ieee"},
    {11,
     "(T X) -> (T Y) {auto_pad: string = 'NOTSET', ceil_mode: int = 0, count_include_pad: int = 0, kernel_shape: "
     "ints!, pads: ints, strides: ints}; T = ieee",
     nullptr, average_pool_19_to_11},
    {19,
     "(T X) -> (T Y) {auto_pad: string = 'NOTSET', ceil_mode: int = 0, count_include_pad: int = 0, dilations: "
     "ints, kernel_shape: ints!, pads: ints, strides: ints}; T = ieee"},
    {22,
     "(T X) -> (T Y) {auto_pad: string = 'NOTSET', ceil_mode: int = 0, count_include_pad: int = 0, dilations: "
     "ints, kernel_shape: ints!, pads: ints, strides: ints}; T = floats"},
};
constexpr Version kLpPool[] = {
    {1,
     "(T X) -> (T Y) {auto_pad: string = 'NOTSET', kernel_shape: ints, p: float = 2, pads: ints, strides: ints}; "
     "T = ieee",
     lp_pool_1},
    {2,
     "(T X) -> (T Y) {auto_pad: string = 'NOTSET', kernel_shape: ints!, p: int = 2, pads: ints, strides: ints}; T "
     "= ieee"},
    {11,
     "(T X) -> (T Y) {auto_pad: string = 'NOTSET', kernel_shape: ints!, p: int = 2, pads: ints, strides: ints}; "
     "T = ieee",
     nullptr, lp_pool_18_to_11},
    {18,
     "(T X) -> (T Y) {auto_pad: string = 'NOTSET', ceil_mode: int = 0, dilations: ints, kernel_shape: ints!, p: "
     "int = 2, pads: ints, strides: ints}; T = ieee"},
    {22,
     "(T X) -> (T Y) {auto_pad: string = 'NOTSET', ceil_mode: int = 0, dilations: ints, kernel_shape: ints!, p: "
     "int = 2, pads: ints, strides: ints}; T = floats"},
};
constexpr Version kGlobalAveragePool[] = {
    {1, "(T X) -> (T Y); T = ieee"},
    {22, "(T X) -> (T Y); T = floats"},
};
constexpr Version kGlobalMaxPool[] = {
    {1, "(T X) -> (T Y); T = ieee"},
    {22, "(T X) -> (T Y); T = floats"},
};
constexpr Version kGlobalLpPool[] = {
    {1, "(T X) -> (T Y) {p: float = 2}; T = ieee", global_lp_pool_1},
    {2, "(T X) -> (T Y) {p: int = 2}; T = ieee"},
    {22, "(T X) -> (T Y) {p: int = 2}; T = floats"},
};
constexpr Version kMaxUnpool[] = {
    {9,
     "(T1 X, T2 I, @T2? output_shape) -> (T1 output) {kernel_shape: ints!, pads: ints, strides: ints}; T1 = ieee; "
     "T2 = i64"},
    {11,
     "(T1 X, T2 I, @T2? output_shape) -> (T1 output) {kernel_shape: ints!, pads: ints, strides: ints}; T1 = "
     "ieee; T2 = i64"},
    {22,
     "(T1 X, T2 I, @T2? output_shape) -> (T1 output) {kernel_shape: ints!, pads: ints, strides: ints}; T1 = "
     "floats; T2 = i64"},
};
constexpr Version kMaxRoiPool[] = {
    {1, "(T X, T rois) -> (T Y) {pooled_shape: ints!, spatial_scale: float = 1}; T = ieee"},
    {22, "(T X, T rois) -> (T Y) {pooled_shape: ints!, spatial_scale: float = 1}; T = floats"},
};
constexpr Version kResize[] = {
    {10, "(T X, @f32 scales) -> (T Y) {mode: string = 'nearest'}; T = all", resize_10, resize_11_to_10},
    {11,
     "(T1 X, T2 roi, @f32 scales, @i64? sizes) -> (T1 Y) {coordinate_transformation_mode: string = 'half_pixel', "
     "cubic_coeff_a: float = -0.75, exclude_outside: int = 0, extrapolation_value: float = 0, mode: string = "
     "'nearest', nearest_mode: string = 'round_prefer_floor'}; T1 = all; T2 = ieee",
     resize_11, resize_13_to_11},
    {13,
     "(T1 X, T2? roi, @f32? scales, @i64? sizes) -> (T1 Y) {coordinate_transformation_mode: string = "
     "'half_pixel', cubic_coeff_a: float = -0.75, exclude_outside: int = 0, extrapolation_value: float = 0, "
     "mode: string = 'nearest', nearest_mode: string = 'round_prefer_floor'}; T1 = all13; T2 = ieee",
     resize_11, resize_18_to_13},
    {18,
     "(T1 X, T2? roi, @f32? scales, @i64? sizes) -> (T1 Y) {antialias: int = 0, axes: ints, "
     "coordinate_transformation_mode: string = 'half_pixel', cubic_coeff_a: float = -0.75, exclude_outside: int "
     "= 0, extrapolation_value: float = 0, keep_aspect_ratio_policy: string = 'stretch', mode: string = "
     "'nearest', nearest_mode: string = 'round_prefer_floor'}; T1 = all13; T2 = ieee",
     resize_11, resize_19_to_18},
    {19,
     "(T1 X, T2? roi, @f32? scales, @i64? sizes) -> (T1 Y) {antialias: int = 0, axes: ints, "
     "coordinate_transformation_mode: string = 'half_pixel', cubic_coeff_a: float = -0.75, exclude_outside: int "
     "= 0, extrapolation_value: float = 0, keep_aspect_ratio_policy: string = 'stretch', mode: string = "
     "'nearest', nearest_mode: string = 'round_prefer_floor'}; T1 = all13; T2 = ieee"},
};
constexpr Version kUpsample[] = {
    {1, "(T X) -> (T Y) {height_scale: float!, mode: string = 'nearest', width_scale: float!}; T = ieee bool i32 i64",
     upsample_1},
    {7, "(T X) -> (T Y) {mode: string = 'nearest', scales: floats!}; T = all", upsample_7},
    {9, "(T X, @f32 scales) -> (T Y) {mode: string = 'nearest'}; T = all"},
    {10, "(T X, @f32 scales) -> (T Y) {mode: string = 'nearest'}; T = all; deprecated"},
};
constexpr Version kGridSample[] = {
    {16,
     "(T1 X, T2 grid) -> (T1 Y) {align_corners: int = 0, mode: string = 'bilinear', padding_mode: string = "
     "'zeros'}; T1 = all; T2 = ieee",
     grid_sample_16, grid_sample_20_to_16},
    {20,
     "(T1 X, T2 grid) -> (T1 Y) {align_corners: int = 0, mode: string = 'linear', padding_mode: string = "
     "'zeros'}; T1 = all; T2 = ieee"},
    {22,
     "(T1 X, T2 grid) -> (T1 Y) {align_corners: int = 0, mode: string = 'linear', padding_mode: string = "
     "'zeros'}; T1 = all13; T2 = floats"},
};
constexpr Version kAffineGrid[] = {
    {20, "(T1 theta, @T2 size) -> (T1 grid) {align_corners: int = 0}; T1 = floats; T2 = i64"},
};
constexpr Version kCol2Im[] = {
    {18,
     "(T input, @i64 image_shape, @i64 block_shape) -> (T output) {dilations: ints, pads: ints, strides: ints}; "
     "T = all13"},
};

constexpr OpDef kTable[] = {
    row({.name = "Conv",
         .api = {"conv"},
         .versions = kConv,
         .infer = infer_conv,
         .layout = Layout::channels_first,
         .meaning = Primitive{"products over a sliding window"},
         .cost = cost_conv,
         .accumulate = Accumulate::float32,
         .ulp = 32,
         .grid = "f32[1,2,5,5] f32[3,2,3,3]; f32[2,4,7] f32[4,2,3] f32[4] group=2 strides=[2] pads=[1,2]; f32[1,3,6,5] "
                 "f32[3,1,3,2] group=3 dilations=[2,1]; "
                 "f32[1,1,5,6] f32[2,1,3,3] auto_pad='SAME_UPPER' strides=[2,2]; f32[1,1,5,6] f32[2,1,2,2] "
                 "auto_pad='SAME_LOWER' strides=[2,2]; "
                 "f32[1,2,4,4,4] f32[2,2,2,2,2] f32[2]; f32[0,1,4,4] f32[1,1,2,2]; f16[1,1,4,4] f16[1,1,2,2]; "
                 "f64[1,2,5] f64[2,2,2]; bf16[1,1,4] bf16[1,1,3]",
         .doc = "Cross-correlation: Y[n, m, o] = B[m] + sum over c, k of X[n, c, o * stride - pad + k * dilation] * "
                "W[m, c, k]. X [n, c, d1 …], W [m, c / group, "
                "k1 …], B [m]; output extent floor((d + pads - dilation * (k - 1) - 1) / stride) + 1, with auto_pad "
                "SAME_* ceil(d / stride)."}),
    row({.name = "ConvTranspose",
         .api = {"conv_transpose"},
         .versions = kConvTranspose,
         .infer = infer_conv_transpose,
         .layout = Layout::channels_first,
         .meaning = Primitive{"the transpose of Conv's linear map"},
         .cost = cost_conv_transpose,
         .accumulate = Accumulate::float32,
         .ulp = 32,
         .grid =
             "f32[1,1,3,3] f32[1,2,3,3]; f32[1,2,3] f32[2,1,3] f32[2] group=2 strides=[2] pads=[1,1] "
             "output_padding=[1]; "
             "f32[1,1,3,3] f32[1,2,3,3] strides=[3,2] output_shape=[10,8]; f32[1,1,3,3] f32[1,1,2,2] dilations=[2,2]; "
             "f32[1,1,3,3] f32[1,2,3,3] auto_pad='SAME_UPPER' strides=[2,2]; f32[1,1,3,3] f32[1,2,3,3] "
             "auto_pad='SAME_LOWER' strides=[2,2]; "
             "f64[1,1,2,2,2] f64[1,1,2,2,2]; f16[1,1,3] f16[1,1,2]",
         .doc = "Gradient of Conv with respect to its input, as an operator: every input element spreads W over the "
                "output. X [n, c, d1 …], W [c, m / group, k1 …]; "
                "output extent stride * (d - 1) + output_padding + dilation * (k - 1) + 1 - pads, or output_shape, "
                "which then decides the pads."}),
    row({.name = "ConvInteger",
         .api = {"conv_integer"},
         .versions = kConvInteger,
         .infer = infer_conv_integer,
         .layout = Layout::channels_first,
         .gradient = NoGradient{"integers"},
         .meaning = Decompose{conv_integer_meaning},
         .cost = cost_conv,
         .accumulate = Accumulate::int32,
         .grid = "u8[1,1,3,3] u8[1,1,2,2] u8(1); u8[1,2,4,4] i8[2,2,3,3] u8(3) i8{-1,2} pads=[1,1,1,1]; i8[1,2,5] "
                 "i8[2,1,2] group=2",
         .doc = "Conv of x - x_zero_point and w - w_zero_point in int32; padding counts as x_zero_point. w_zero_point: "
                "one number or one per filter."}),
    row({.name = "QLinearConv",
         .api = {"qlinear_conv"},
         .versions = kQLinearConv,
         .infer = infer_qlinear_conv,
         .layout = Layout::channels_first,
         .gradient = NoGradient{"rounds to integers"},
         .meaning = Decompose{qlinear_conv_meaning},
         .cost = cost_qlinear_conv,
         .accumulate = Accumulate::int32,
         .grid = "u8[1,1,7,7] f32(0.00369) u8(132) u8[1,1,1,1] f32(0.00172) u8(255) f32(0.00162) u8(123); "
                 "i8[1,2,4,4] f32(0.5) i8(1) i8[2,2,2,2] f32{0.25,0.125} i8{0,0} f32(2.0) i8(-3) i32{10,-20}",
         .doc = "Conv of quantised x and w, its bias B in units of x_scale * w_scale, divided by y_scale, rounded half "
                "to even, plus y_zero_point, saturated. "
                "w_scale and w_zero_point: one number or one per filter."}),
    row({.name = "DeformConv",
         .api = {"deform_conv"},
         .versions = kDeformConv,
         .infer = infer_deform_conv,
         .layout = Layout::channels_first,
         .meaning = Primitive{"samples at computed places"},
         .cost = cost_deform_conv,
         .accumulate = Accumulate::float32,
         .ulp = 64,
         .grid = "f32[1,1,3,3] f32[1,1,2,2] f32[1,8,2,2]; f32[1,2,4,4] f32[2,1,2,2] f32[1,16,5,5] f32[2] f32[1,8,5,5] "
                 "group=2 offset_group=2 pads=[1,1,1,1]",
         .doc = "Conv whose window elements are moved by `offset` [n, offset_group * k1 * k2 * 2, o1, o2] (rows before "
                "columns) and weighted by `mask` "
                "[n, offset_group * k1 * k2, o1, o2]; between pixels linearly interpolated, zero outside."}),
    row({.name = "CausalConvWithState",
         .api = {"causal_conv_with_state"},
         .versions = kCausalConvWithState,
         .infer = infer_causal_conv,
         .meaning = Decompose{causal_conv_meaning},
         .cost = cost_conv,
         .accumulate = Accumulate::float32,
         .ulp = 32,
         .grid = "f32[1,3,5] f32[3,1,4]; f32[2,3,5] f32[3,1,4] f32[3] f32[2,3,3] activation='silu' out=2; f32[1,2,1] "
                 "f32[2,1,3] - f32[1,2,2] out=2; f32[1,2,4] f32[2,1,1] out=2",
         .doc = "Depthwise convolution along the last axis that sees only present and past: y[b, c, t] = bias[c] + sum "
                "over j of weight[c, 0, j] * s[b, c, t + j], where s is "
                "past_state [b, c, k - 1] (zeros when omitted) followed by input [b, c, length]; then SiLU for "
                "activation 'silu' or 'swish'. present_state: the last k - 1 of s."}),
    row({.name = "MaxPool",
         .api = {"max_pool"},
         .versions = kMaxPool,
         .infer = infer_pool,
         .layout = Layout::channels_first,
         .meaning = Primitive{"maxima over a sliding window"},
         .cost = cost_pool,
         .grid = "f32[1,2,5,5] kernel_shape=[3,3] pads=[1,1,1,1] strides=[2,2]; f32[1,1,4,4] kernel_shape=[3,3] "
                 "strides=[2,2] ceil_mode=1 out=2; "
                 "f32[1,1,5,5] kernel_shape=[2,2] dilations=[2,2]; f32[2,1,7] kernel_shape=[2] out=2; u8[1,1,5,5] "
                 "kernel_shape=[3,3] auto_pad='SAME_LOWER'; "
                 "f32[1,1,4,5] kernel_shape=[2,2] storage_order=1 out=2; f32[1,1,4,4,4] kernel_shape=[2,2,2]; "
                 "i8[1,1,4,4] kernel_shape=[2,2]; f16[1,1,4] kernel_shape=[3]",
         .doc = "Maximum over each window; padding never wins, NaN does. Indices: flat position of the (first) maximum "
                "in X [n, c, d1 …], with storage_order=1 column-major "
                "within the plane. ceil_mode=1 keeps a last, partial window that starts inside the input or the "
                "padding before it."}),
    row({.name = "AveragePool",
         .api = {"average_pool"},
         .versions = kAveragePool,
         .infer = infer_pool,
         .layout = Layout::channels_first,
         .meaning = Primitive{"sums over a sliding window"},
         .cost = cost_pool,
         .accumulate = Accumulate::float32,
         .ulp = 8,
         .grid = "f32[1,2,5,5] kernel_shape=[3,3] pads=[1,1,1,1]; f32[1,2,5,5] kernel_shape=[3,3] pads=[1,1,1,1] "
                 "count_include_pad=1 strides=[2,2]; "
                 "f32[1,1,4,4] kernel_shape=[3,3] strides=[2,2] ceil_mode=1; f32[1,1,4,4] kernel_shape=[3,3] "
                 "strides=[2,2] ceil_mode=1 count_include_pad=1 pads=[1,1,1,1]; "
                 "f32[1,1,5,5] kernel_shape=[2,2] dilations=[2,2]; f32[1,1,7] kernel_shape=[3] auto_pad='SAME_UPPER'; "
                 "f64[1,1,4,4,4] kernel_shape=[2,2,2]; f16[1,1,4] kernel_shape=[2]",
         .doc = "Mean over each window. With count_include_pad=0 the padding is left out of the mean; with 1 it counts "
                "as zeros (what lies beyond it, in a last partial window, does not)."}),
    row({.name = "LpPool",
         .api = {"lp_pool"},
         .versions = kLpPool,
         .infer = infer_pool,
         .layout = Layout::channels_first,
         .meaning = Decompose{lp_pool_meaning},
         .cost = cost_pool,
         .accumulate = Accumulate::float32,
         .ulp = 16,
         .grid = "f32[1,2,5,5] kernel_shape=[2,2]; f32[1,1,5,5] kernel_shape=[3,3] pads=[1,1,1,1] strides=[2,2] p=1; "
                 "f32[1,1,6] kernel_shape=[2] p=3 dilations=[2]; "
                 "f32[1,1,5] kernel_shape=[2] strides=[2] ceil_mode=1; f32[1,1,4,4] kernel_shape=[2,2] "
                 "auto_pad='SAME_UPPER'",
         .doc = "(sum of |x|^p over each window)^(1/p); padding counts as zeros."}),
    row({.name = "GlobalAveragePool",
         .api = {"global_average_pool"},
         .versions = kGlobalAveragePool,
         .infer = infer_global_pool,
         .layout = Layout::channels_first,
         .meaning = Decompose{global_average_meaning},
         .cost = cost_reduction,
         .accumulate = Accumulate::float32,
         .ulp = 8,
         .grid = "f32[2,3,4,5]; f32[1,2,7]; f64[1,1,2,2,2]; f32[0,2,3,3]; f16[1,2,3,3]",
         .doc = "Mean over all spatial axes: X [n, c, d1 …] to Y [n, c, 1 …]."}),
    row({.name = "GlobalMaxPool",
         .api = {"global_max_pool"},
         .versions = kGlobalMaxPool,
         .infer = infer_global_pool,
         .layout = Layout::channels_first,
         .meaning = Decompose{global_max_meaning},
         .cost = cost_reduction,
         .grid = "f32[2,3,4,5]; f32[1,2,7]; f64[1,1,2,2,2]; bf16[1,2,3,3]",
         .doc = "Maximum over all spatial axes: X [n, c, d1 …] to Y [n, c, 1 …]."}),
    row({.name = "GlobalLpPool",
         .api = {"global_lp_pool"},
         .versions = kGlobalLpPool,
         .infer = infer_global_pool,
         .layout = Layout::channels_first,
         .meaning = Decompose{global_lp_meaning},
         .cost = cost_reduction,
         .accumulate = Accumulate::float32,
         .ulp = 16,
         .grid = "f32[2,3,4,5]; f32[1,2,7] p=1; f64[1,1,2,2] p=3",
         .doc = "(sum of |x|^p over all spatial axes)^(1/p): X [n, c, d1 …] to Y [n, c, 1 …]."}),
    row({.name = "MaxUnpool",
         .api = {"max_unpool"},
         .versions = kMaxUnpool,
         .infer = infer_max_unpool,
         .layout = Layout::opaque,
         .meaning = Primitive{"scatters by the indices of a pooling"},
         .cost = cost_traffic,
         .grid = "f32[1,1,2,2] i64{1,1,2,2:5,7,13,15} kernel_shape=[2,2] strides=[2,2]; f32[1,1,2,2] "
                 "i64{1,1,2,2:5,7,13,15} i64{1,1,5,5} kernel_shape=[2,2] strides=[2,2]",
         .doc = "Zeros with the elements of X at the places I (flat positions in the tensor that MaxPool saw: extents "
                "(d - 1) * stride - pads + k). output_shape gives a larger "
                "result whose corner that tensor is."}),
    row({.name = "MaxRoiPool",
         .api = {"max_roi_pool"},
         .versions = kMaxRoiPool,
         .infer = infer_max_roi_pool,
         .meaning = Primitive{"maxima over windows at computed places"},
         .cost = cost_traffic,
         .grid = "f32[1,2,6,6] f32{2,5:0,0,0,3,3,0,1,2,5,4} pooled_shape=[2,2]; f32[2,1,8,8] f32{1,5:1,0,0,15,15} "
                 "pooled_shape=[3,2] spatial_scale=0.5",
         .doc = "Maxima over pooled_shape bins of each region: rois [r, 5] of (image, x1, y1, x2, y2) times "
                "spatial_scale, corners rounded and included; X [n, c, h, w] to "
                "Y [r, c, ph, pw]. Empty bins are 0."}),
    row({.name = "Resize",
         .api = {"resize"},
         .versions = kResize,
         .infer = infer_resize,
         .layout = Layout::follows_axes,
         .meaning = Primitive{"interpolation between neighbours"},
         .cost = cost_resize,
         .accumulate = Accumulate::float32,
         .ulp = 32,
         .grid =
             "f32[1,1,2,2] - f32{1.0,1.0,2.0,3.0}; f32[1,1,2,4] - f32{1.0,1.0,0.6,0.6} mode='linear'; f32[1,1,4,4] - "
             "f32{1.0,1.0,0.8,0.8} mode='cubic' antialias=1; "
             "f32[1,1,4,4] - - i64{1,1,9,3} mode='cubic' exclude_outside=1 cubic_coeff_a=-0.5; f32[1,1,4,4] - - "
             "i64{7,8} axes=[2,3] nearest_mode='ceil'; "
             "f32[1,1,4,6] - - i64{7,8} axes=[2,3] keep_aspect_ratio_policy='not_larger'; f32[1,1,4,4] - - "
             "i64{1,1,8,8} mode='linear' coordinate_transformation_mode='align_corners'; "
             "f32[1,1,4,4] f32{0.0,0.0,0.4,0.6,1.0,1.0,0.6,1.7} - i64{1,1,3,3} mode='linear' "
             "coordinate_transformation_mode='tf_crop_and_resize' extrapolation_value=10.0; "
             "f32[1,1,1,4] - f32{1.0,1.0,1.0,0.6} mode='linear' coordinate_transformation_mode='half_pixel_symmetric'; "
             "u8[1,2,2] - f32{1.0,2.0,2.0}; str[2,2] - f32{1.0,2.0}; "
             "f32[1,1,4,4] - f32{1.0,1.0,0.6,0.6} mode='linear' antialias=1; f32[1,1,2,2] f32{1.0,1.0,2.0,0.5} "
             "mode='nearest' v=10",
         .doc = "X sampled on a grid of other extents: scales (output extent floor(d * scale)) or sizes for `axes` "
                "(default: all). Modes nearest, linear, cubic (Keys, "
                "cubic_coeff_a); antialias=1 stretches the filter when shrinking; coordinates by "
                "coordinate_transformation_mode, default (x + 0.5) / scale - 0.5. Outside, "
                "the edge goes on; exclude_outside=1 renormalises the weights inside instead."}),
    row({.name = "Upsample",
         .api = {"upsample"},
         .versions = kUpsample,
         .infer = infer_upsample,
         .layout = Layout::follows_axes,
         .meaning = Decompose{upsample_meaning},
         .cost = cost_resize,
         .grid = "f32[1,1,2,2] f32{1.0,1.0,2.0,3.0}; f32[1,1,2,2] f32{1.0,1.0,2.0,2.0} mode='linear' v=9; f32[1,1,2,2] "
                 "scales=[1.0,1.0,2.0,2.0] v=7; "
                 "f32[1,1,2,2] height_scale=2.0 width_scale=3.0 mode='bilinear' v=1",
         .doc = "Resize with asymmetric coordinates (x / scale) and, for mode 'nearest', the neighbour before. "
                "Deprecated since opset 10: use Resize."}),
    row({.name = "GridSample",
         .api = {"grid_sample"},
         .versions = kGridSample,
         .infer = infer_grid_sample,
         .layout = Layout::channels_first,
         .meaning = Primitive{"interpolation at computed places"},
         .cost = cost_resize,
         .accumulate = Accumulate::float32,
         .ulp = 64,
         .grid = "f32[1,1,4,4] f32[1,3,2,2]@-1.2..1.2; f32[1,2,4,4] f32[1,3,2,2]@-1.2..1.2 mode='cubic' "
                 "padding_mode='border'; f32[1,1,3,3] f32[1,2,2,2]@-3.0..3.0 mode='nearest' "
                 "padding_mode='reflection' align_corners=1; f32[1,1,2,3,4] f32[1,2,2,2,3]@-1.0..1.0 mode='linear'; "
                 "i32[1,1,3,3] f32[1,2,2,2]@-1.0..1.0 mode='nearest'; "
                 "f32[1,1,4,4] f32[1,3,2,2]@-2.0..2.0 mode='bicubic' padding_mode='reflection' v=16",
         .doc = "Y[n, c, p] = X[n, c] at the place grid[n, p], coordinates (x, y …) in [-1, 1] from edge to edge "
                "(align_corners=0) or from centre to centre of the outermost "
                "pixels (1). X [n, c, d1 …], grid [n, o1 …, rank]. Outside: zeros, the border, or reflected."}),
    row({.name = "AffineGrid",
         .api = {"affine_grid"},
         .versions = kAffineGrid,
         .infer = infer_affine_grid,
         .meaning = Primitive{"coordinates of a transformed grid"},
         .cost = cost_affine_grid,
         .accumulate = Accumulate::float32,
         .ulp = 8,
         .grid = "f32[2,2,3] i64{2,3,4,5}; f32[1,2,3] i64{1,1,2,2} align_corners=1; f32[1,3,4] i64{1,2,2,3,4}; "
                 "f64[1,3,4] i64{1,1,2,2,2} align_corners=1",
         .doc = "theta [n, r, r + 1] applied to the normalised coordinates (x, y …, 1) of the pixels of an image of "
                "`size` [n, c, h, w] (r = 2) or [n, c, d, h, w] (r = 3): "
                "the grid [n, h, w, 2] for GridSample."}),
    row({.name = "Col2Im",
         .api = {"col2im"},
         .versions = kCol2Im,
         .infer = infer_col2im,
         .meaning = Primitive{"sums overlapping blocks"},
         .cost = cost_col2im,
         .accumulate = Accumulate::float32,
         .ulp = 8,
         .grid =
             "f32[1,5,5] i64{5,5} i64{1,5}; f32[1,8,4] i64{3,3} i64{2,2}; f32[1,9,4] i64{6,6} i64{3,3} strides=[2,2] "
             "pads=[0,0,0,0] dilations=[1,1]; "
             "f32[1,4,16] i64{4,4} i64{2,2} pads=[1,1,1,1] dilations=[2,2] strides=[1,1]; i32[1,5,5] i64{5,5} i64{1,5}",
         .doc = "Puts the columns of `input` [n, c * k1 * k2 …, blocks] back as blocks of an image [n, c, "
                "image_shape]; where blocks overlap they add up. The inverse walk of Conv's im2col."}),
};

}  // namespace

std::span<const OpDef> convolution_ops() {
  static constexpr auto kAll = gradients::differentiable(kTable, gradients::kConvolution);
  return chosen<kAll>();
}

}  // namespace chorus::families
