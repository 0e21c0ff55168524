// Gradients of operators over windows. The linear ones have their transposes as rows of the domain `chorus`.
#include <ops/gradients/rules.h>
#include <ops/gradients/support.h>

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace chorus::gradients {
namespace {

Attributes with(GradContext& b, std::initializer_list<Attributes::Item> more = {},
                std::initializer_list<std::string_view> less = {}) {
  Attributes attributes = b.attrs().all();
  for (const auto& item : more) attributes.set(item.name, item.value);
  for (const std::string_view name : less) attributes.erase(name);
  return attributes;
}

std::vector<int64_t> all_but_channels(int rank) {
  std::vector<int64_t> axes{0};
  for (int i = 2; i < rank; ++i) axes.push_back(i);
  return axes;
}

/// One number per channel was added everywhere.
void bias_rule(GradContext& b, int input) {
  if (!b.wanted(input)) return;
  const std::vector<int64_t> axes = all_but_channels(known_rank(b, 0));
  b.set_gradient(input, b.op("ReduceSum", {b.out_gradient(0), b.ints(axes)}, {{"keepdims", 0}}));
}

/// Attributes of the Conv that a ConvTranspose is the transpose of: its pads are decided.
Attributes conv_of_transpose(GradContext& b) {
  Attributes attributes = with(b, {}, {"auto_pad", "output_padding", "output_shape"});
  const std::string_view mode = b.attrs().string("auto_pad", "NOTSET");
  const auto shape = b.attrs().integers("output_shape"), extra = b.attrs().integers("output_padding");
  if (shape.empty() && mode == "NOTSET") return attributes;
  const int spatial = known_rank(b, 0) - 2;
  const auto n = static_cast<size_t>(spatial);
  std::vector<int64_t> kernel, pads(2 * n, 0);
  for (size_t i = 0; i < n; ++i) {
    const Dim& k = b.input(1).has_rank ? b.input(1).dims[i + 2] : Dim::unknown();
    if (!k.is_number())
      b.fail(Code::unsupported, "its gradient needs the extents of the filter, which decide the pads",
             "give pads instead of auto_pad");
    kernel.push_back(k.number());
  }
  const rules::Window w = rules::read_window(b, spatial, kernel);
  for (size_t i = 0; i < n && (mode.starts_with("SAME") || !shape.empty()); ++i) {
    const int64_t reach = (w.kernel[i] - 1) * w.dilations[i] + 1 + (extra.empty() ? 0 : extra[i]);
    int64_t total = reach - w.strides[i];   // SAME_*: output = input * stride
    if (!shape.empty()) {
      const Dim& in = b.input(0).dims[i + 2];
      if (!in.is_number())
        b.fail(Code::unsupported, "its gradient with output_shape needs the extents of the input",
               "give pads instead of output_shape");
      total = w.strides[i] * (in.number() - 1) + reach - shape[shape.size() - n + i];
    }
    const int64_t half = total >= 0 ? total / 2 : -((1 - total) / 2);
    pads[i] = mode == "SAME_UPPER" ? half : total - half;
    pads[n + i] = total - pads[i];
  }
  attributes.set("pads", std::move(pads));
  return attributes;
}

// LpPool -------------------------------------------------------------------------------------------------------------------------

/// (sum of |x|^p)^(1/p) by an average over full windows: with ceil_mode zeros are put behind the input until the last window is full.
Expansion lp_form(OpBuilder& b) {
  const int rank = b.input(0).rank();
  if (rank < 3) return Expansion::refuse("LpPool of unknown rank");
  const rules::Window w = rules::read_window(b, rank - 2);
  const auto p = static_cast<double>(b.attrs().integer("p", 2));
  double elements = 1;
  for (const int64_t k : w.kernel) elements *= static_cast<double>(k);
  Attributes attributes = b.attrs().all();
  attributes.erase("p");
  attributes.erase("ceil_mode");
  attributes.set("count_include_pad", int64_t{1});
  Ref x = b.op("Abs", {b.in(0)});
  if (p != 1) x = b.op("Pow", {x, number(b, x, p)});
  if (w.ceil_mode && !w.auto_pad.starts_with("SAME")) {
    std::vector<int64_t> reach, stride, begin;
    for (size_t i = 0; i < w.kernel.size(); ++i) {
      reach.push_back((w.kernel[i] - 1) * w.dilations[i] + 1 - w.pads_begin[i]);
      stride.push_back(w.strides[i]);
      begin.push_back(w.pads_begin[i]);
    }
    // (outputs - 1) · stride + reach - pad - extent, but at least the pads that are there.
    const Ref outputs = static_cast<GradContext&>(b).out(0);
    const Ref spatial = b.op("Shape", {b.in(0)}, {{"start", 2}}),
              windows = sub(b, b.op("Shape", {outputs}, {{"start", 2}}), b.ints({1}));
    const Ref end = b.op("Max", {sub(b, add(b, mul(b, windows, b.ints(stride)), b.ints(reach)), spatial), b.ints({0})});
    x = b.op("Pad", {x, joined(b, {b.ints({0, 0}), b.ints(begin), b.ints({0, 0}), end})});
    attributes.erase("pads");
    attributes.erase("auto_pad");
  }
  const Ref sums = mul(b, b.op("AveragePool", {x}, std::move(attributes)), number(b, x, elements));
  if (p == 1) return sums;
  const Ref zero = number(b, x, 0), none = equal(b, sums, zero);
  return where(b, none, zero, b.op("Pow", {where(b, none, number(b, x, 1), sums), number(b, x, 1 / p)}));
}

// DeformConv as sampling and a product -------------------------------------------------------------------------------------------

struct Deform {
  OpBuilder& b;
  int64_t groups, offsets;
  std::vector<int64_t> kernel, strides, dilations, pads;
  int spatial;
};

/// Positions o * stride - pad + k * dilation of one axis, [kernel, outputs].
Ref base_positions(const Deform& d, int axis) {
  OpBuilder& b = d.b;
  const auto i = static_cast<size_t>(axis);
  const Ref n = b.op("Squeeze", {extent_of(b, b.in(2), axis + 2), b.ints({0})});
  const Ref windows =
      add(b, mul(b, b.op("Range", {whole(b, 0), n, whole(b, 1)}), whole(b, d.strides[i])), whole(b, -d.pads[i]));
  std::vector<int64_t> steps;
  for (int64_t k = 0; k < d.kernel[i]; ++k) steps.push_back(k * d.dilations[i]);
  return add(b, b.op("Unsqueeze", {b.ints(steps), b.ints({1})}), b.op("Unsqueeze", {windows, b.ints({0})}));
}

/// Places in the coordinates of GridSample (x first), [n · offset groups, k1 … · o1 …, 2].
Ref places(const Deform& d) {
  OpBuilder& b = d.b;
  int64_t count = 1;
  for (const int64_t k : d.kernel) count *= k;
  // offset [n, offsets · count · 2, o1, o2] as [n · offsets, count, 2, o1, o2].
  const Ref outputs = b.op("Shape", {b.in(2)}, {{"start", 2}});
  const Ref offset =
      b.op("Reshape", {b.in(2), joined(b, {b.ints({-1, count, d.spatial}), outputs})}, {{"allowzero", 0}});
  std::vector<Ref> columns;
  for (int axis = d.spatial - 1; axis >= 0; --axis) {
    // [k_axis, o_axis] to [1, k1, k2, o1, o2] to [1, count, o1, o2].
    std::vector<int64_t> gone{0};
    for (int i = 0; i < d.spatial; ++i) {
      if (i != axis) gone.push_back(1 + i);
    }
    for (int i = 0; i < d.spatial; ++i) {
      if (i != axis) gone.push_back(1 + d.spatial + i);
    }
    const Ref at = b.op("Unsqueeze", {base_positions(d, axis), b.ints(gone)});
    const Ref full = joined(b, {b.ints({1}), b.ints(d.kernel), outputs});
    const Ref base = b.op("Reshape", {b.op("Expand", {at, full}), joined(b, {b.ints({1, count}), outputs})});
    const Ref moved = b.op("Gather", {offset, whole(b, axis)}, {{"axis", 2}});
    const Ref place = add(b, moved, cast_like(b, base, moved));
    // ((v + 1) · extent - 1) / 2 = place.
    const Ref extent = cast_like(b, b.op("Squeeze", {extent_of(b, b.in(0), axis + 2), b.ints({0})}), moved);
    const Ref v =
        sub(b, div(b, add(b, mul(b, place, number(b, moved, 2)), number(b, moved, 1)), extent), number(b, moved, 1));
    columns.push_back(b.op("Unsqueeze", {v, b.ints({-1})}));
  }
  return b.emit("Concat", columns, {{"axis", -1}}, 1)[0];
}

Expansion deform_form(OpBuilder& b) {
  const Type &x = b.input(0), &w = b.input(1), &offset = b.input(2);
  if (!x.has_rank || x.rank() != 4 || !w.has_rank || !offset.has_rank)
    return Expansion::refuse("DeformConv of other than two spatial axes");
  Deform d{b, b.attrs().integer("group", 1), b.attrs().integer("offset_group", 1), {}, {}, {}, {}, 2};
  const auto given = b.attrs().integers("kernel_shape");
  for (size_t i = 0; i < 2; ++i) {
    if (!w.dims[i + 2].is_number() && given.size() != 2)
      return Expansion::refuse("DeformConv with a filter of unknown extents");
    d.kernel.push_back(given.size() == 2 ? given[i] : w.dims[i + 2].number());
  }
  const rules::Window window = rules::read_window(b, 2, d.kernel);
  d.strides = window.strides;
  d.dilations = window.dilations;
  d.pads = window.pads_begin;
  const int64_t count = d.kernel[0] * d.kernel[1];
  const Ref outputs = b.op("Shape", {b.in(2)}, {{"start", 2}}), batch = extent_of(b, b.in(0), 0);
  // Channels of an offset group share their places.
  const Ref image = b.op("Shape", {b.in(0)}, {{"start", 2}});
  const Ref folded = b.op("Reshape", {b.in(0), joined(b, {mul(b, batch, b.ints({d.offsets})), b.ints({-1}), image})});
  const Ref grid = places(d);  // [n · offsets, count, o1, o2, 2]
  const Ref flat = b.op("Reshape", {grid, joined(b, {b.ints({0, count, -1, 2})})});
  Ref sampled =
      b.op("GridSample", {folded, flat}, {{"mode", "linear"}, {"padding_mode", "zeros"}, {"align_corners", 0}});
  if (b.has_input(4)) {
    // mask [n, offsets · count, o1, o2] as [n · offsets, 1, count, o1 · o2].
    sampled = mul(b, sampled,
                  b.op("Reshape", {b.in(4), joined(b, {mul(b, batch, b.ints({d.offsets})), b.ints({1, count, -1})})}));
  }
  // [n, groups, c / groups, count, places] and w as [groups, m / groups, c / groups, count].
  const Ref columns = b.op(
      "Reshape",
      {sampled, joined(b, {batch, b.ints({d.groups, -1, count}), b.op("ReduceProd", {outputs}, {{"keepdims", 1}})})});
  const Ref filters =
      b.op("Reshape", {b.in(1), joined(b, {b.ints({d.groups, -1}), extent_of(b, b.in(1), 1), b.ints({count})})});
  const Ref sums = b.op("Einsum", {columns, filters}, {{"equation", "ngckp,gmck->ngmp"}});
  Ref y = b.op("Reshape", {sums, joined(b, {batch, b.ints({-1}), outputs})});
  if (b.has_input(3)) y = add(b, y, b.op("Unsqueeze", {b.in(3), b.ints({1, 2})}));
  return y;
}

/// Im2Col as a convolution with filters that have a single one.
Ref image_to_columns(GradContext& b, Ref image) {
  const auto block = rules::known_ints(static_cast<const NodeContext&>(b), 2);
  const Type& type = b.input(0);
  if (!block || !type.has_rank || !type.dims[1].is_number()) {
    b.fail(Code::unsupported, "its gradient needs a constant block_shape and a known number of channels",
           "declare the shape of the input");
  }
  const int64_t count = std::accumulate(block->begin(), block->end(), int64_t{1}, std::multiplies<>());
  const int64_t channels = count == 0 ? 0 : type.dims[1].number() / count;
  std::vector<int64_t> filter{count, 1};
  filter.insert(filter.end(), block->begin(), block->end());
  const Ref unit = b.op("EyeLike", {filled(b, b.ints({count, count}), image, 0)});
  std::vector<int64_t> repeats(filter.size(), 1);
  repeats[0] = channels;
  const Ref filters = b.op("Tile", {b.op("Reshape", {unit, b.ints(filter)}), b.ints(repeats)});
  return b.op("Conv", {image, filters}, with(b, {{"group", channels}}));
}

}  // namespace

void conv_rule(GradContext& b) {
  const Ref dy = b.out_gradient(0);
  if (b.wanted(0)) b.set_gradient(0, own(b, "ConvGradData", {dy, b.in(1), shape_of(b, b.in(0))}, with(b)));
  if (b.wanted(1)) b.set_gradient(1, own(b, "ConvGradWeights", {dy, b.in(0), shape_of(b, b.in(1))}, with(b)));
  bias_rule(b, 2);
}
void conv_grad_data_rule(GradContext& b) {
  const Ref g = b.out_gradient(0);
  if (b.wanted(0)) b.set_gradient(0, b.op("Conv", {g, b.in(1)}, with(b)));
  if (b.wanted(1)) b.set_gradient(1, own(b, "ConvGradWeights", {b.in(0), g, shape_of(b, b.in(1))}, with(b)));
}
void conv_grad_weights_rule(GradContext& b) {
  const Ref g = b.out_gradient(0);
  if (b.wanted(0)) b.set_gradient(0, b.op("Conv", {b.in(1), g}, with(b)));
  if (b.wanted(1)) b.set_gradient(1, own(b, "ConvGradData", {b.in(0), g, shape_of(b, b.in(1))}, with(b)));
}
void conv_transpose_rule(GradContext& b) {
  const Ref dy = b.out_gradient(0);
  const Attributes attributes = conv_of_transpose(b);
  if (b.wanted(0)) {
    const Ref dx = b.op("Conv", {dy, b.in(1)}, attributes);
    // An output_padding of a whole stride gives one window more.
    const Ref spatial = b.op("Shape", {b.in(0)}, {{"start", 2}});
    std::vector<int64_t> axes, zeros;
    for (int i = 2; i < known_rank(b, 0); ++i) {
      axes.push_back(i);
      zeros.push_back(0);
    }
    const bool more = !b.attrs().integers("output_padding").empty();
    b.set_gradient(0, more ? b.op("Slice", {dx, b.ints(zeros), spatial, b.ints(axes)}) : dx);
  }
  if (b.wanted(1)) b.set_gradient(1, own(b, "ConvGradWeights", {b.in(0), dy, shape_of(b, b.in(1))}, attributes));
  bias_rule(b, 2);
}
void deform_conv_rule(GradContext& b) { b.through(deform_form); }

/// dy goes where the maximum came from.
void max_pool_rule(GradContext& b) {
  Ref indices;
  if (b.attrs().integer("storage_order") == 0) {
    indices = b.out(1);
  } else {
    const Ref x = b.in(0);
    indices = b.emit("MaxPool", {&x, 1}, with(b, {}, {"storage_order"}), 2)[1];
  }
  const Ref all = b.ints({-1}),
            zeros = filled(b, b.op("Unsqueeze", {b.op("Size", {b.in(0)}), b.ints({0})}), b.in(0), 0);
  const Ref flat = b.op("ScatterElements", {zeros, reshape(b, indices, all), reshape(b, b.out_gradient(0), all)},
                        {{"axis", 0}, {"reduction", "add"}});
  b.set_gradient(0, reshape(b, flat, shape_of(b, b.in(0))));
}

void average_pool_rule(GradContext& b) {
  b.set_gradient(0, own(b, "AveragePoolGrad", {b.out_gradient(0), shape_of(b, b.in(0))}, with(b)));
}
void average_pool_grad_rule(GradContext& b) { b.set_gradient(0, b.op("AveragePool", {b.out_gradient(0)}, with(b))); }
void lp_pool_rule(GradContext& b) { b.through(lp_form); }

/// The elements that were placed; the rest of the output is constant.
void max_unpool_rule(GradContext& b) {
  const int rank = known_rank(b, 0);
  const auto kernel = b.attrs().integers("kernel_shape"), strides = b.attrs().integers("strides"),
             pads = b.attrs().integers("pads");
  std::vector<int64_t> steps, rest, starts, axes;
  const size_t n = kernel.size();
  for (size_t i = 0; i < n; ++i) {
    steps.push_back(strides.empty() ? 1 : strides[i]);
    rest.push_back(kernel[i] - (pads.size() == 2 * n ? pads[i] + pads[n + i] : 0));
  }
  Ref dy = b.out_gradient(0);
  if (b.has_input(2)) {
    // Indices count in the tensor of the inferred shape, which stands in the corner of the output.
    const Ref spatial = b.op("Shape", {b.in(0)}, {{"start", 2}});
    const Ref extents = add(b, mul(b, sub(b, spatial, b.ints({1})), b.ints(steps)), b.ints(rest));
    for (int i = 2; i < rank; ++i) {
      starts.push_back(0);
      axes.push_back(i);
    }
    dy = b.op("Slice", {dy, b.ints(starts), extents, b.ints(axes)});
  }
  const Ref all = b.ints({-1});
  const Ref chosen = b.op("Gather", {reshape(b, dy, all), reshape(b, b.in(1), all)}, {{"axis", 0}});
  b.set_gradient(0, reshape(b, chosen, shape_of(b, b.in(0))));
}

void max_roi_pool_rule(GradContext& b) {
  b.set_gradient(0, own(b, "MaxRoiPoolGrad", {b.out_gradient(0), b.in(0), b.in(1)}, with(b)));
}

void resize_rule(GradContext& b) {
  const auto operand = [&](int i) { return b.has_input(i) ? b.in(i) : Ref{}; };
  b.set_gradient(
      0, own(b, "ResizeGrad", {b.out_gradient(0), shape_of(b, b.in(0)), operand(1), operand(2), operand(3)}, with(b)));
}
void resize_grad_rule(GradContext& b) {
  const auto operand = [&](int i) { return b.has_input(i) ? b.in(i) : Ref{}; };
  b.set_gradient(0, b.op("Resize", {b.out_gradient(0), operand(2), operand(3), operand(4)},
                         with(b, {{"extrapolation_value", 0.0F}})));
}

void grid_sample_rule(GradContext& b) {
  b.next("chorus", 0);
  const Ref inputs[] = {b.out_gradient(0), b.in(0), b.in(1)};
  const auto both = b.emit("GridSampleGrad", inputs, with(b), b.wanted(1) ? 2 : 1);
  b.set_gradient(0, both[0]);
  if (b.wanted(1)) b.set_gradient(1, both[1]);
}

/// The part of the gradient that goes to X is linear in dY, and its product with anything is a sample of that.
void grid_sample_grad_rule(GradContext& b) {
  if (b.out_gradient(1))
    b.fail(Code::unsupported, "the second derivative of what flows to the grid is not known", "detach the grid");
  const Ref v = b.out_gradient(0);
  if (b.wanted(0)) b.set_gradient(0, b.op("GridSample", {v, b.in(2)}, with(b)));
  if (!b.wanted(2)) return;
  b.next("chorus", 0);
  const Ref inputs[] = {b.in(0), v, b.in(2)};
  b.set_gradient(2, b.emit("GridSampleGrad", inputs, with(b), 2)[1]);
}

/// The grid is linear in theta, with the coordinates of the grid of the identity.
void affine_grid_rule(GradContext& b) {
  const Type& grid = b.type_of(b.out(0));
  if (!grid.has_rank)
    b.fail(Code::unsupported, "its gradient needs the rank of the grid", "give a size of known length");
  const int64_t rank = grid.rank() - 2;
  const Ref dy = b.out_gradient(0), batch = extent_of(b, b.in(0), 0);
  const Ref unit = b.op("Unsqueeze", {b.op("EyeLike", {filled(b, b.ints({rank, rank + 1}), dy, 0)}), b.ints({0})});
  const Ref place = b.op("AffineGrid", {b.op("Expand", {unit, joined(b, {batch, b.ints({1, 1})})}), b.in(1)}, with(b));
  const Ref points = joined(b, {batch, b.ints({-1, rank})});
  const Ref flat = b.op("Reshape", {place, points}), from = b.op("Reshape", {dy, points});
  const Ref ones = filled(b, joined(b, {b.op("Shape", {flat}, {{"end", 2}}), b.ints({1})}), dy, 1);
  b.set_gradient(0, b.op("MatMul", {transposed(b, from, {0, 2, 1}), b.op("Concat", {flat, ones}, {{"axis", 2}})}));
}

void col2im_rule(GradContext& b) {
  // A block shape with more than one axis gives Conv as many axes; the blocks are one.
  b.set_gradient(0, reshape(b, image_to_columns(b, b.out_gradient(0)), shape_of(b, b.in(0))));
}

/// Averages are linear in X; of maxima the places follow from X.
void roi_align_grad_rule(GradContext& b) {
  if (b.attrs().string("mode") == "max") not_derived(b);
  b.set_gradient(0, b.op("RoiAlign", {b.out_gradient(0), b.in(2), b.in(3)}, with(b)));
}
void roi_align_rule(GradContext& b) {
  b.set_gradient(0, own(b, "RoiAlignGrad", {b.out_gradient(0), b.in(0), b.in(1), b.in(2)}, with(b)));
}

}  // namespace chorus::gradients
