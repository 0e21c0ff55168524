#include <ops/convolution_shape.h>
#include <ops/rules.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace chorus::convolution {
namespace {

using namespace rules;

/// Fails where a window proves too large for its input.
Dim checked_extent(const NodeContext& ctx, const Dim& d, const Dim& in, int64_t kernel, int axis) {
  if (d.is_number() && d.number() < 0) {
    ctx.fail(Code::shape, fmt::format("a window of {} does not fit spatial axis {} of extent {} with its padding",
                                      kernel, axis, in.str()));
  }
  return d;
}

/// Kernel extents of a filter operand [m, c, kernel…]: attribute and filter must agree. Empty: not known.
std::vector<int64_t> filter_kernel(ShapeContext& ctx, const Type& w, int spatial) {
  const auto given = ctx.attrs().integers("kernel_shape");
  std::vector<int64_t> kernel(given.begin(), given.end());
  if (!kernel.empty() && static_cast<int>(kernel.size()) != spatial) {
    ctx.fail(Code::shape, fmt::format("kernel_shape {} has {} numbers for {} spatial axes", shape_str(kernel),
                                      kernel.size(), spatial));
  }
  if (!w.has_rank) return kernel;
  for (int i = 0; i < spatial; ++i) {
    const Dim& d = w.dims[static_cast<size_t>(i) + 2];
    if (static_cast<int>(kernel.size()) > i) {
      ctx.require_equal(d, kernel[static_cast<size_t>(i)],
                        fmt::format("kernel_shape and the filter {}, axis {}", w.str(), i + 2));
    }
  }
  if (!kernel.empty()) return kernel;
  for (int i = 0; i < spatial; ++i) {
    const Dim& d = w.dims[static_cast<size_t>(i) + 2];
    if (!d.is_number()) return {};
    kernel.push_back(d.number());
  }
  return kernel;
}

/// X [n, c, …], W [m, c / group, kernel…] → [n, m, …] at operands x, w, bias (-1: none).
void infer_filter(ShapeContext& ctx, int x_at, int w_at, int bias_at, DType dtype) {
  const Type &x = tensor_input(ctx, x_at), &w = tensor_input(ctx, w_at);
  require_rank_at_least(ctx, x_at, 3);
  if (!x.has_rank) return ctx.set_output(0, Type::tensor(dtype));
  const int spatial = x.rank() - 2;
  require_rank(ctx, w_at, x.rank());
  const int64_t group = ctx.attrs().integer("group", 1);
  if (group < 1) ctx.fail(Code::bad_input, fmt::format("group {} is not positive", group));
  const Dim filters = w.has_rank ? w.dims[0] : ctx.fresh();
  if (w.has_rank) {
    ctx.require_equal(x.dims[1], w.dims[1] * Dim(group),
                      fmt::format("{} and the filter {} with group={}: the channels", x.str(), w.str(), group));
    if (filters.is_number() && filters.number() % group != 0) {
      ctx.fail(Code::shape, fmt::format("{} filters are not a multiple of group={}", filters.number(), group));
    }
  }
  if (bias_at >= 0 && ctx.has_input(bias_at)) {
    require_rank(ctx, bias_at, 1);
    if (ctx.input(bias_at).has_rank) ctx.require_equal(ctx.input(bias_at).dims[0], filters, "bias and filters");
  }
  Dims dims{x.dims[0], filters};
  const std::vector<int64_t> kernel = filter_kernel(ctx, w, spatial);
  if (kernel.empty()) {
    for (int i = 0; i < spatial; ++i) dims.push_back(ctx.fresh());
  } else {
    const Window window = read_window(ctx, spatial, kernel);
    for (int i = 0; i < spatial; ++i) {
      const Dim& in = x.dims[static_cast<size_t>(i) + 2];
      dims.push_back(checked_extent(ctx, window_output(window, i, in), in, kernel[static_cast<size_t>(i)], i));
    }
  }
  ctx.set_output(0, Type::tensor(dtype, std::move(dims)));
}

/// in * scale rounded down, as float32 computes it; symbolic where scale is a fraction of few bits (exact for any extent then).
Dim scaled(ShapeContext& ctx, const Dim& in, float scale) {
  if (scale == 1) return in;
  if (in.is_number()) {
    const float extent = std::floor(static_cast<float>(in.number()) * scale);
    if (!(extent < 9e15F))
      ctx.fail(Code::budget, fmt::format("scale {} makes an extent of {} from {}", scale, extent, in.number()));
    return static_cast<int64_t>(extent);
  }
  int exponent = 0;
  const double mantissa = std::frexp(static_cast<double>(scale), &exponent);
  for (int bits = 0; bits <= 12; ++bits) {
    const double whole = std::ldexp(mantissa, exponent + bits);
    if (whole == std::floor(whole) && whole < 4096)
      return floordiv(in * Dim(static_cast<int64_t>(whole)), Dim(int64_t{1} << bits));
  }
  return ctx.fresh();
}

std::optional<std::vector<double>> known_floats(const NodeContext& ctx, int i) {
  const Value* v = ctx.constant(i);
  if (v == nullptr || !v->is_tensor()) return std::nullopt;
  return v->to_doubles();
}

float checked_scale(const NodeContext& ctx, double scale) {
  if (!(scale > 0) || !std::isfinite(scale))
    ctx.fail(Code::bad_input, fmt::format("scale {} is not a positive number", scale));
  return static_cast<float>(scale);
}

void require_count(const NodeContext& ctx, size_t have, size_t want, std::string_view what) {
  if (have != want) ctx.fail(Code::shape, fmt::format("{} has {} numbers, {} axes are resized", what, have, want));
}

/// Extents by sizes with keep_aspect_ratio_policy: one factor for all named axes.
void keep_aspect(ShapeContext& ctx, const Dims& in, const std::vector<int>& axes, const Dims& sizes, bool larger,
                 Dims* out) {
  double factor = larger ? 0 : INFINITY;
  bool known = true;
  for (size_t i = 0; i < axes.size() && known; ++i) {
    const Dim& extent = in[static_cast<size_t>(axes[i])];
    known = extent.is_number() && extent.number() > 0 && sizes[i].is_number();
    if (!known) break;
    const double one = static_cast<double>(sizes[i].number()) / static_cast<double>(extent.number());
    factor = larger ? std::max(factor, one) : std::min(factor, one);
  }
  for (const int axis : axes) {
    Dim& d = (*out)[static_cast<size_t>(axis)];
    const double extent = known ? factor * static_cast<double>(d.number()) + 0.5 : 0;
    if (!(extent < 9e15)) ctx.fail(Code::budget, fmt::format("factor {} makes an extent of {}", factor, extent));
    d = known ? Dim(static_cast<int64_t>(extent)) : ctx.fresh();
  }
}

void check_resize_words(const NodeContext& ctx) {
  const auto one_of = [&](std::string_view name, std::string_view otherwise,
                          std::initializer_list<std::string_view> words) {
    const std::string_view given = ctx.attrs().string(name, otherwise);
    if (std::ranges::find(words, given) == words.end())
      ctx.fail(Code::bad_input, fmt::format("{} '{}' is not known", name, given));
  };
  one_of("mode", "nearest", {"nearest", "linear", "cubic"});
  one_of("nearest_mode", "round_prefer_floor", {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"});
  one_of("keep_aspect_ratio_policy", "stretch", {"stretch", "not_larger", "not_smaller"});
  // The last one is brought to another by the version steps; the newest version does not know it.
  const bool newest = ctx.attrs().schema().since == ctx.op().versions.back().since;
  if (newest)
    one_of("coordinate_transformation_mode", "half_pixel",
           {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
            "tf_crop_and_resize"});
  else
    one_of("coordinate_transformation_mode", "half_pixel",
           {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize",
            "tf_half_pixel_for_nn"});
}

}  // namespace

void infer_conv(ShapeContext& ctx) { infer_filter(ctx, 0, 1, 2, tensor_input(ctx, 0).dtype); }
void infer_conv_integer(ShapeContext& ctx) { infer_filter(ctx, 0, 1, -1, DType::int32); }
void infer_qlinear_conv(ShapeContext& ctx) { infer_filter(ctx, 0, 3, 8, tensor_input(ctx, 7).dtype); }

void infer_deform_conv(ShapeContext& ctx) {
  infer_filter(ctx, 0, 1, 3, tensor_input(ctx, 0).dtype);
  const int64_t shifts = ctx.attrs().integer("offset_group", 1);
  if (shifts < 1) ctx.fail(Code::bad_input, fmt::format("offset_group {} is not positive", shifts));
  tensor_input(ctx, 2);
  if (ctx.input(0).has_rank) require_rank(ctx, 2, ctx.input(0).rank());
}

void infer_conv_transpose(ShapeContext& ctx) {
  const Type &x = tensor_input(ctx, 0), &w = tensor_input(ctx, 1);
  require_rank_at_least(ctx, 0, 3);
  if (!x.has_rank) return ctx.set_output(0, Type::tensor(x.dtype));
  const int spatial = x.rank() - 2;
  require_rank(ctx, 1, x.rank());
  const int64_t group = ctx.attrs().integer("group", 1);
  if (group < 1) ctx.fail(Code::bad_input, fmt::format("group {} is not positive", group));
  const Dim filters = w.has_rank ? w.dims[1] * Dim(group) : ctx.fresh();
  if (w.has_rank)
    ctx.require_equal(x.dims[1], w.dims[0], fmt::format("{} and the filter {}: the channels", x.str(), w.str()));
  if (ctx.has_input(2)) {
    require_rank(ctx, 2, 1);
    if (ctx.input(2).has_rank) ctx.require_equal(ctx.input(2).dims[0], filters, "bias and output channels");
  }
  Dims dims{x.dims[0], filters};
  const std::vector<int64_t> kernel = filter_kernel(ctx, w, spatial);
  const auto shape = ctx.attrs().integers("output_shape"), extra = ctx.attrs().integers("output_padding");
  const auto n = static_cast<size_t>(spatial);
  if (!shape.empty() && shape.size() != n && shape.size() != n + 2) {
    ctx.fail(Code::shape,
             fmt::format("output_shape {} has {} numbers for {} spatial axes", shape_str(shape), shape.size(), n));
  }
  if (!extra.empty() && extra.size() != n) {
    ctx.fail(Code::shape,
             fmt::format("output_padding {} has {} numbers for {} spatial axes", shape_str(extra), extra.size(), n));
  }
  const Window window = kernel.empty() ? Window() : read_window(ctx, spatial, kernel);
  for (size_t i = 0; i < n; ++i) {
    const Dim& in = x.dims[i + 2];
    if (!shape.empty()) {
      dims.emplace_back(shape[shape.size() - n + i]);
    } else if (kernel.empty()) {
      dims.push_back(ctx.fresh());
    } else if (window.auto_pad.starts_with("SAME")) {
      dims.push_back(in * Dim(window.strides[i]));
    } else {
      const Dim reach = Dim(window.kernel[i] - 1) * Dim(window.dilations[i]) + Dim(1);
      const Dim out = (in - Dim(1)) * Dim(window.strides[i]) + Dim(extra.empty() ? 0 : extra[i]) + reach -
                      Dim(window.pads_begin[i]) - Dim(window.pads_end[i]);
      dims.push_back(checked_extent(ctx, out, in, window.kernel[i], static_cast<int>(i)));
    }
  }
  ctx.set_output(0, Type::tensor(x.dtype, std::move(dims)));
}

void infer_causal_conv(ShapeContext& ctx) {
  const Type &x = tensor_input(ctx, 0), &w = tensor_input(ctx, 1);
  require_rank(ctx, 0, 3);
  require_rank(ctx, 1, 3);
  const auto activation = ctx.attrs().string("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish") {
    ctx.fail(Code::bad_input, fmt::format("activation '{}' is none of 'none', 'silu', 'swish'", activation));
  }
  ctx.set_output(0, x);
  Dims state(3);
  if (x.has_rank && w.has_rank) ctx.require_equal(x.dims[1], w.dims[0], "channels of input and filter");
  state[0] = x.has_rank ? x.dims[0] : ctx.fresh();
  state[1] = x.has_rank ? x.dims[1] : w.has_rank ? w.dims[0] : ctx.fresh();
  state[2] = w.has_rank ? w.dims[2] - Dim(1) : ctx.fresh();
  if (ctx.has_input(3) && ctx.input(3).has_rank) {
    require_rank(ctx, 3, 3);
    for (size_t i = 0; i < 3; ++i)
      state[i] = ctx.require_equal(state[i], ctx.input(3).dims[i], fmt::format("past_state, axis {}", i));
  }
  if (ctx.outputs() > 1) ctx.set_output(1, Type::tensor(x.dtype, std::move(state)));
}

void infer_pool(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  require_rank_at_least(ctx, 0, 3);
  Type y = Type::tensor(x.dtype);
  if (x.has_rank) {
    const Window window = read_window(ctx, x.rank() - 2);
    Dims dims{x.dims[0], x.dims[1]};
    for (int i = 0; i < x.rank() - 2; ++i) {
      const Dim& in = x.dims[static_cast<size_t>(i) + 2];
      dims.push_back(checked_extent(ctx, window_output(window, i, in), in, window.kernel[static_cast<size_t>(i)], i));
    }
    y = Type::tensor(x.dtype, std::move(dims));
  }
  if (ctx.outputs() > 1) {
    Type indices = y;
    indices.dtype = DType::int64;
    ctx.set_output(1, std::move(indices));
  }
  ctx.set_output(0, std::move(y));
}

void infer_global_pool(ShapeContext& ctx) {
  Type y = tensor_input(ctx, 0);
  require_rank_at_least(ctx, 0, 2);
  for (size_t i = 2; i < y.dims.size(); ++i) y.dims[i] = 1;
  ctx.set_output(0, std::move(y));
}

void infer_max_unpool(ShapeContext& ctx) {
  const Type &x = tensor_input(ctx, 0), &indices = tensor_input(ctx, 1);
  require_rank_at_least(ctx, 0, 3);
  if (!x.has_rank) return ctx.set_output(0, Type::tensor(x.dtype));
  require_rank(ctx, 1, x.rank());
  for (size_t i = 0; indices.has_rank && i < x.dims.size(); ++i)
    ctx.require_equal(x.dims[i], indices.dims[i], fmt::format("elements and indices, axis {}", i));
  const Window window = read_window(ctx, x.rank() - 2);
  Dims dims{x.dims[0], x.dims[1]};
  for (size_t i = 0; i + 2 < x.dims.size(); ++i) {
    dims.push_back((x.dims[i + 2] - Dim(1)) * Dim(window.strides[i]) - Dim(window.pads_begin[i]) -
                   Dim(window.pads_end[i]) + Dim(window.kernel[i]));
  }
  if (ctx.has_input(2)) {
    if (auto shape = known_values(ctx, 2)) {
      require_count(ctx, shape->size(), dims.size(), "output_shape");
      dims = std::move(*shape);
    } else {
      dims = fresh_dims(ctx, x.rank());
    }
  }
  ctx.set_output(0, Type::tensor(x.dtype, std::move(dims)));
}

void infer_max_roi_pool(ShapeContext& ctx) {
  const Type &x = tensor_input(ctx, 0), &rois = tensor_input(ctx, 1);
  require_rank(ctx, 0, 4);
  require_rank(ctx, 1, 2);
  const auto pooled = ctx.attrs().integers("pooled_shape");
  if (pooled.size() != 2 || pooled[0] < 1 || pooled[1] < 1)
    ctx.fail(Code::bad_input, fmt::format("pooled_shape {} is not two positive numbers", shape_str(pooled)));
  if (rois.has_rank) ctx.require_equal(rois.dims[1], 5, "numbers of a region");
  ctx.set_output(0, Type::tensor(x.dtype, {rois.has_rank ? rois.dims[0] : ctx.fresh(),
                                           x.has_rank ? x.dims[1] : ctx.fresh(), pooled[0], pooled[1]}));
}

void infer_resize(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  check_resize_words(ctx);
  if (!x.has_rank) return ctx.set_output(0, Type::tensor(x.dtype));
  std::vector<int> axes = normalize_axes(ctx, ctx.attrs().integers("axes"), x.rank(), "axes");
  for (int i = 0; ctx.attrs().integers("axes").empty() && i < x.rank(); ++i) axes.push_back(i);
  // Resize-10 has its scales in operand 1.
  const bool first_form = ctx.attrs().schema().since < 11;
  const int scales_at = first_form ? 1 : 2;
  const auto scales = ctx.has_input(scales_at) ? known_floats(ctx, scales_at) : std::nullopt;
  const auto sizes = !first_form && ctx.has_input(3) ? known_values(ctx, 3) : std::nullopt;
  const bool by_sizes = !first_form && ctx.has_input(3) && !(sizes && sizes->empty());
  Dims dims = x.dims;
  if (by_sizes && sizes) {
    require_count(ctx, sizes->size(), axes.size(), "sizes");
    for (size_t i = 0; i < axes.size(); ++i) {
      if ((*sizes)[i].is_number() && (*sizes)[i].number() < 0)
        ctx.fail(Code::bad_input, fmt::format("size {} of axis {} is negative", (*sizes)[i].number(), axes[i]));
    }
    const auto policy = ctx.attrs().string("keep_aspect_ratio_policy", "stretch");
    if (policy != "stretch") {
      keep_aspect(ctx, x.dims, axes, *sizes, policy == "not_smaller", &dims);
    } else {
      for (size_t i = 0; i < axes.size(); ++i) dims[static_cast<size_t>(axes[i])] = (*sizes)[i];
    }
  } else if (!by_sizes && scales) {
    require_count(ctx, scales->size(), axes.size(), "scales");
    for (size_t i = 0; i < axes.size(); ++i) {
      Dim& d = dims[static_cast<size_t>(axes[i])];
      d = scaled(ctx, d, checked_scale(ctx, (*scales)[i]));
    }
  } else {
    if (!ctx.has_input(scales_at) && !by_sizes)
      ctx.fail(Code::bad_input, "neither scales nor sizes are given", "give one of them");
    for (const int axis : axes) dims[static_cast<size_t>(axis)] = ctx.fresh();
  }
  ctx.set_output(0, Type::tensor(x.dtype, std::move(dims)));
}

void infer_upsample(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  if (!x.has_rank) return ctx.set_output(0, Type::tensor(x.dtype));
  std::optional<std::vector<double>> scales;
  if (ctx.attrs().schema().since < 7) {
    require_rank(ctx, 0, 4);
    scales = {1.0, 1.0, static_cast<double>(ctx.attrs().real("height_scale")),
              static_cast<double>(ctx.attrs().real("width_scale"))};
  } else if (ctx.attrs().schema().since < 9) {
    const auto given = ctx.attrs().reals("scales");
    scales = std::vector<double>(given.begin(), given.end());
  } else {
    scales = known_floats(ctx, 1);
  }
  Dims dims;
  if (scales) require_count(ctx, scales->size(), x.dims.size(), "scales");
  for (size_t i = 0; i < x.dims.size(); ++i)
    dims.push_back(scales ? scaled(ctx, x.dims[i], checked_scale(ctx, (*scales)[i])) : ctx.fresh());
  ctx.set_output(0, Type::tensor(x.dtype, std::move(dims)));
}

void infer_grid_sample(ShapeContext& ctx) {
  const Type &x = tensor_input(ctx, 0), &grid = tensor_input(ctx, 1);
  require_rank_at_least(ctx, 0, 3);
  const auto padding = ctx.attrs().string("padding_mode", "zeros"), mode = ctx.attrs().string("mode", "linear");
  if (padding != "zeros" && padding != "border" && padding != "reflection")
    ctx.fail(Code::bad_input, fmt::format("padding_mode '{}' is not known", padding));
  if (mode != "nearest" && mode != "linear" && mode != "cubic" && mode != "bilinear" && mode != "bicubic")
    ctx.fail(Code::bad_input, fmt::format("mode '{}' is not known", mode));
  if (!x.has_rank) return ctx.set_output(0, Type::tensor(x.dtype));
  require_rank(ctx, 1, x.rank());
  if (!grid.has_rank) {
    Dims dims = fresh_dims(ctx, x.rank());
    dims[0] = x.dims[0];
    dims[1] = x.dims[1];
    return ctx.set_output(0, Type::tensor(x.dtype, std::move(dims)));
  }
  ctx.require_equal(grid.dims.back(), x.rank() - 2, fmt::format("coordinates of a place in {}", x.str()));
  Dims dims{ctx.require_equal(x.dims[0], grid.dims[0], "images and grids"), x.dims[1]};
  dims.insert(dims.end(), grid.dims.begin() + 1, grid.dims.end() - 1);
  ctx.set_output(0, Type::tensor(x.dtype, std::move(dims)));
}

void infer_affine_grid(ShapeContext& ctx) {
  const Type& theta = tensor_input(ctx, 0);
  require_rank(ctx, 0, 3);
  auto size = known_values(ctx, 1);
  const int64_t count = size ? static_cast<int64_t>(size->size()) : known_count(ctx, 1);
  if (count < 0) return ctx.set_output(0, Type::tensor(theta.dtype));
  if (count != 4 && count != 5)
    ctx.fail(Code::shape, fmt::format("size has {} numbers: [n, c, h, w] or [n, c, d, h, w] are possible", count));
  if (!size) size = fresh_dims(ctx, static_cast<int>(count));
  Dims dims{(*size)[0]};
  dims.insert(dims.end(), size->begin() + 2, size->end());
  dims.emplace_back(count - 2);
  if (theta.has_rank) {
    ctx.require_equal(theta.dims[1], count - 2, "rows of theta");
    ctx.require_equal(theta.dims[2], count - 1, "columns of theta");
  }
  ctx.set_output(0, Type::tensor(theta.dtype, std::move(dims)));
}

void infer_col2im(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  require_rank(ctx, 0, 3);
  auto image = known_values(ctx, 1);
  const auto block = known_ints(ctx, 2);
  const int64_t spatial = image ? static_cast<int64_t>(image->size()) : known_count(ctx, 1);
  if (spatial < 0) return ctx.set_output(0, Type::tensor(x.dtype));
  if (!image) image = fresh_dims(ctx, static_cast<int>(spatial));
  Dims dims{x.has_rank ? x.dims[0] : ctx.fresh(), ctx.fresh()};
  if (block) {
    if (static_cast<int64_t>(block->size()) != spatial)
      ctx.fail(Code::shape, fmt::format("block_shape {} for an image of {} axes", shape_str(*block), spatial));
    read_window(ctx, static_cast<int>(spatial), *block);
    const int64_t elements = checked_numel(*block);
    if (elements < 1) ctx.fail(Code::bad_input, fmt::format("block_shape {} has no elements", shape_str(*block)));
    if (x.has_rank) {
      dims[1] = floordiv(x.dims[1], Dim(elements));
      ctx.require_equal(dims[1] * Dim(elements), x.dims[1],
                        fmt::format("{}: rows, and a whole number of blocks {}", x.str(), shape_str(*block)));
    }
  }
  dims.insert(dims.end(), image->begin(), image->end());
  ctx.set_output(0, Type::tensor(x.dtype, std::move(dims)));
}

}  // namespace chorus::convolution
