// Elements that only move: shapes, joins, parts, borders.
#include "table.h"

#include <algorithm>
#include <numeric>

namespace chorus_paddle {
namespace {

void reshape(Call& c) {
  const Tensor x = c.in(0);
  Ints shape = c.ints(1);
  if (c.i("allowzero", 0) == 0) {
    for (size_t d = 0; d < shape.size(); ++d) {
      if (shape[d] != 0) continue;
      c.require(d < static_cast<size_t>(x.dim()), "a 0 of the shape stands for an axis that the input has not");
      shape[d] = x.size(static_cast<int64_t>(d));
    }
  }
  c.out(0, x.reshape(shape));
}

void flatten(Call& c) {
  const Tensor x = c.in(0);
  const int64_t given = c.i("axis", 1), axis = given < 0 ? given + x.dim() : given;
  c.require(axis >= 0 && axis <= x.dim(), "the axis is out of range");
  int64_t rows = 1, columns = 1;
  for (int64_t d = 0; d < x.dim(); ++d) (d < axis ? rows : columns) *= x.size(d);
  c.out(0, x.reshape({rows, columns}));
}

Tensor dropped(const Tensor& x) {
  Ints shape = x.sizes();
  std::erase(shape, 1);
  return x.reshape(shape);
}

void squeeze(Call& c) {
  const Tensor x = c.in(0);
  if (!c.has(1)) return c.out(0, dropped(x));
  const Ints axes = c.axes(c.ints(1), x.dim());
  for (int64_t a : axes) c.require(x.dim() > 0 && x.size(a) == 1, "an axis to be removed has another extent than 1");
  Ints shape;
  for (int64_t d = 0; d < x.dim(); ++d) {
    if (std::find(axes.begin(), axes.end(), d) == axes.end()) shape.push_back(x.size(d));
  }
  c.out(0, x.reshape(shape));
}

void unsqueeze(Call& c) {
  const Tensor x = c.in(0);
  Ints axes = c.ints(1);
  axes = c.axes(axes, x.dim() + static_cast<int64_t>(axes.size()));
  std::sort(axes.begin(), axes.end());
  c.require(std::adjacent_find(axes.begin(), axes.end()) == axes.end(), "an axis is named twice");
  Ints shape = x.sizes();
  for (int64_t a : axes) shape.insert(shape.begin() + a, 1);
  c.out(0, x.reshape(shape));
}

void transpose(Call& c) {
  const Tensor x = c.in(0);
  Ints perm = c.is("perm");
  if (perm.empty()) {
    for (int64_t d = x.dim(); d-- > 0;) perm.push_back(d);
  }
  c.out(0, x.permute(c.axes(perm, x.dim())));
}

void expand(Call& c) {
  const Tensor x = c.in(0);
  const Ints shape = broadcast_shape(x.sizes(), c.ints(1));
  c.room(shape, x.type());
  c.out(0, x.expand(shape));
}

void tile(Call& c) {
  const Tensor x = c.in(0);
  const Ints repeats = c.ints(1);
  c.require(repeats.size() == static_cast<size_t>(x.dim()), "there must be one number of repeats for each axis");
  Ints shape = x.sizes();
  for (size_t d = 0; d < shape.size(); ++d) {
    c.require(repeats[d] >= 0 && repeats[d] < (int64_t{1} << 40), "a number of repeats is out of range");
    shape[d] *= repeats[d];
  }
  c.room(shape, x.type());
  c.out(0, repeat(x, repeats));
}

void concat(Call& c) {
  Tensors parts = c.all();
  c.out(0, concat(parts, c.axis(c.i("axis", 0), parts.at(0).dim())));
}

void split(Call& c) {
  const Tensor x = c.in(0);
  const int64_t axis = c.axis(c.i("axis", 0), x.dim());
  Ints sizes = c.ints(1);
  if (!c.has(1)) {
    const int64_t n = c.i("num_outputs", static_cast<int64_t>(c.outputs())),
                  each = (x.size(axis) + n - 1) / std::max<int64_t>(n, 1);
    for (int64_t i = 0, left = x.size(axis); i < n; ++i) {
      sizes.push_back(std::min(each, left));
      left -= sizes.back();
    }
  }
  int64_t begin = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    c.require(sizes[i] >= 0 && sizes[i] <= x.size(axis) - begin, "the parts are more than there is");
    c.out(i, x.narrow(axis, begin, sizes[i]));
    begin += sizes[i];
  }
  c.require(begin == x.size(axis), "the parts are not all that there is");
}

// Steps may be negative, and ends lie behind the axis.
void slice(Call& c) {
  Tensor x = c.in(0);
  const Ints starts = c.ints(1), ends = c.ints(2), steps = c.ints(4);
  Ints axes = c.ints(3);
  if (!c.has(3)) {
    axes.resize(starts.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  c.require(ends.size() == starts.size() && axes.size() == starts.size(), "starts, ends and axes differ in number");
  for (size_t k = 0; k < starts.size(); ++k) {
    const int64_t a = c.axis(axes[k], x.dim()), n = x.size(a), step = c.has(4) ? steps.at(k) : 1;
    c.require(step != 0, "a step is 0");
    auto bound = [n](int64_t v, int64_t low, int64_t high) { return std::clamp(v < 0 ? v + n : v, low, high); };
    if (step > 0) {
      const int64_t begin = bound(starts[k], 0, n), end = bound(ends[k], 0, n);
      x = x.slice(a, begin, std::max(begin, end), step);
      continue;
    }
    const int64_t begin = bound(starts[k], -1, n - 1), end = ends[k] < -n ? -1 : bound(ends[k], -1, n - 1);
    const int64_t stride = step == INT64_MIN ? INT64_MAX : -step;
    if (begin <= end) {
      x = x.slice(a, 0, 0);
    } else {
      x = flip(x.slice(a, end + 1, begin + 1), a).slice(a, 0, begin - end, stride);
    }
  }
  c.out(0, x);
}

// Indices of the elements that a padded axis shows.
Tensor border_indices(int64_t n, int64_t before, int64_t after, std::string_view mode) {
  Ints at;
  for (int64_t i = -before; i < n + after; ++i) {
    if (mode == "edge") {
      at.push_back(std::clamp<int64_t>(i, 0, n - 1));
    } else if (mode == "wrap") {
      at.push_back(((i % n) + n) % n);
    } else {
      const int64_t period = std::max<int64_t>(2 * n - 2, 1), j = ((i % period) + period) % period;
      at.push_back(n == 1 ? 0 : j < n ? j : period - j);
    }
  }
  return of_ints(at);
}

void pad(Call& c) {
  Tensor x = c.in(0);
  const Ints pads = c.ints(1);
  Ints axes = c.ints(3);
  if (!c.has(3)) {
    axes.resize(static_cast<size_t>(x.dim()));
    std::iota(axes.begin(), axes.end(), 0);
  }
  axes = c.axes(axes, x.dim());
  c.require(pads.size() == 2 * axes.size(), "there must be two pads for each axis");
  Ints begin(static_cast<size_t>(x.dim()), 0), end = begin;
  for (size_t k = 0; k < axes.size(); ++k) {
    begin[static_cast<size_t>(axes[k])] = pads[k];
    end[static_cast<size_t>(axes[k])] = pads[k + axes.size()];
  }
  Ints shape = x.sizes();
  for (size_t d = 0; d < shape.size(); ++d) {
    shape[d] += begin[d] + end[d];
    c.require(shape[d] >= 0, "a negative pad takes away more than there is");
  }
  c.room(shape, x.type());
  const std::string_view mode = c.s("mode", "constant");
  if (mode == "constant") {
    const Tensor value = c.in(2);
    return c.out(0, value.defined() && value.numel() > 0 ? chorus_paddle::pad(x, begin, end, value)
                                                         : chorus_paddle::pad(x, begin, end, 0.0));
  }
  for (size_t d = 0; d < begin.size(); ++d) {
    const auto axis = static_cast<int64_t>(d);
    if (begin[d] == 0 && end[d] == 0) continue;
    c.require(x.size(axis) > 0, "there is nothing to repeat at the border of an empty axis");
    x = x.index_select(axis, border_indices(x.size(axis), begin[d], end[d], mode));
  }
  c.out(0, x);
}

void depth_to_space(Call& c) {
  const Tensor x = c.in(0);
  const int64_t b = c.i("blocksize", 1);
  if (c.s("mode", "DCR") == "CRD")
    return c.out(0, x.reshape({x.size(0), x.size(1) / (b * b), b, b, x.size(2), x.size(3)})
                        .permute({0, 1, 4, 2, 5, 3})
                        .reshape({x.size(0), x.size(1) / (b * b), x.size(2) * b, x.size(3) * b}));
  const int64_t n = x.size(0), ch = x.size(1), h = x.size(2), w = x.size(3);
  c.out(0,
        x.reshape({n, b, b, ch / (b * b), h, w}).permute({0, 3, 4, 1, 5, 2}).reshape({n, ch / (b * b), h * b, w * b}));
}

void space_to_depth(Call& c) {
  const Tensor x = c.in(0);
  const int64_t b = c.i("blocksize", 1), n = x.size(0), ch = x.size(1), h = x.size(2) / b, w = x.size(3) / b;
  if (c.s("mode", "DCR") == "CRD")
    return c.out(0, x.reshape({n, ch, h, b, w, b}).permute({0, 1, 3, 5, 2, 4}).reshape({n, ch * b * b, h, w}));
  c.out(0, x.reshape({n, ch, h, b, w, b}).permute({0, 3, 5, 1, 2, 4}).reshape({n, ch * b * b, h, w}));
}

void reverse_sequence(Call& c) {
  const Tensor x = c.in(0);
  const int64_t batch = c.i("batch_axis", 1), time = c.i("time_axis", 0);
  c.require(x.dim() >= 2 && batch + time == 1, "batch and time must be the first two axes");
  const Ints lengths = c.ints(1);
  const int64_t steps = x.size(time);
  c.require(static_cast<int64_t>(lengths.size()) == x.size(batch), "there must be one length for each sequence");
  Ints places;
  for (int64_t length : lengths) {
    c.require(length >= 0 && length <= steps, "a length is out of range");
    for (int64_t t = 0; t < steps; ++t) places.push_back(t < length ? length - 1 - t : t);
  }
  Ints shape(static_cast<size_t>(x.dim()), 1);
  shape[0] = static_cast<int64_t>(lengths.size());
  shape[1] = steps;
  Tensor at = of_ints(places).reshape(shape);
  if (time == 0) at = at.transpose(0, 1);
  c.out(0, take_along(x, time, at.expand(x.sizes())));
}

void center_crop_pad(Call& c) {
  Tensor x = c.in(0);
  const Ints wanted = c.ints(1);
  Ints axes = c.is("axes");
  if (axes.empty()) {
    axes.resize(wanted.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  axes = c.axes(axes, x.dim());
  c.require(axes.size() == wanted.size(), "there must be one extent for each axis");
  for (size_t k = 0; k < axes.size(); ++k) {
    const int64_t a = axes[k], n = x.size(a), less = n - wanted[k];
    if (less >= 0) {
      x = x.narrow(a, less / 2, wanted[k]);
      continue;
    }
    Ints begin(static_cast<size_t>(x.dim()), 0), end = begin;
    begin[static_cast<size_t>(a)] = -less / 2;
    end[static_cast<size_t>(a)] = -less - -less / 2;
    x = chorus_paddle::pad(x, begin, end, 0.0);
  }
  c.out(0, x);
}

void trilu(Call& c) {
  const Tensor x = c.in(0);
  const Ints given = c.ints(1);
  const int64_t k = given.empty() ? 0 : given[0];
  c.require(x.dim() >= 2, "the operand is no matrix");
  if (x.numel() == 0) return c.out(0, x);
  const Tensor row = arange(x.size(-2)).reshape({-1, 1}), column = arange(x.size(-1)), at = add(row, scalar_long(k));
  c.out(0, where(c.i("upper", 1) != 0 ? ge(column, at) : le(column, at), x, zeros({}, x.type())));
}

void col2im(Call& c) {
  const Tensor x = c.in(0);
  const Ints image = c.ints(1), block = c.ints(2), pads = c.is("pads");
  Ints strides = c.is("strides"), dilations = c.is("dilations");
  if (strides.empty()) strides = {1, 1};
  if (dilations.empty()) dilations = {1, 1};
  c.require(image.size() == 2 && block.size() == 2 && (pads.empty() || pads.size() == 4),
            "it makes pictures of two axes");
  Ints padded = image, begin(2, 0);
  for (size_t d = 0; d < 2 && !pads.empty(); ++d) {
    padded[d] += pads[d] + pads[d + 2];
    begin[d] = pads[d];
  }
  auto narrow = [](const Ints& v) { return std::vector<int>(v.begin(), v.end()); };
  const Tensor y =
      paddle::experimental::fold(x, narrow(padded), narrow(block), narrow(strides), {0, 0, 0, 0}, narrow(dilations));
  c.out(0, y.narrow(2, begin[0], image[0]).narrow(3, begin[1], image[1]));
}

std::string col2im_refusal(const Node& node) {
  const ch_type* image = node.type(1);
  if (image == nullptr || image->has_rank == 0 || image->rank != 1 || image->dims[0] != 2)
    return "fold makes pictures of two axes only";
  return {};
}

constexpr Row kRows[] = {
    {"Reshape", reshape, kAll, "(the tensor itself)"},
    {"Flatten", flatten, kAll, "(the tensor itself)"},
    {"Squeeze", squeeze, kAll, "(the tensor itself)"},
    {"Unsqueeze", unsqueeze, kAll, "(the tensor itself)"},
    {"Transpose", transpose, kAll, "transpose"},
    {"Expand", expand, kAll, "expand", "an extent of 1 where there are more is an error there: both sides broadcast"},
    {"Tile", tile, kAll, "tile"},
    {"Concat", concat, kAll, "concat"},
    {"Split", split, kAll, "slice"},
    {"Slice", slice, kAll, "slice, strided_slice, flip"},
    {"Pad", pad, kAll, "pad, index_select",
     "no negative pads, and borders of pictures only: cut before, and by indices"},
    {"DepthToSpace", depth_to_space, kAll, "transpose"},
    {"SpaceToDepth", space_to_depth, kAll, "transpose"},
    {"ReverseSequence", reverse_sequence, kAll, "take_along_axis"},
    {"CenterCropPad", center_crop_pad, kAll, "slice, pad"},
    {"Trilu", trilu, kAll, "where", "triu and tril have no kernels for small types: a mask"},
    {"Col2Im", col2im, kDoubles, "fold", {}, col2im_refusal},
};

}  // namespace

std::span<const Row> movement_rows() { return kRows; }

}  // namespace chorus_paddle
