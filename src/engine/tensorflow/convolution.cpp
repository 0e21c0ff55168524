// Convolutions and their transposes. TensorFlow's kernels for the processor want the channels last, so pictures are transposed on both sides;
// one spatial axis goes as two, the first of extent 1.
#include <algorithm>
#include <array>

#include "table.h"
#include "window.h"

namespace chorus_tensorflow {

Window window_of(const Call& c, const Tensor& x, Ints kernel) {
  const size_t n = kernel.size();
  c.require(n > 0 && x.dims().size() == n + 2,
            "the input must have a batch, channels and one axis for each extent of the kernel");
  Window w{std::move(kernel), c.is("strides"), c.is("dilations"), Ints(n, 0), Ints(n, 0)};
  if (w.strides.empty()) w.strides.assign(n, 1);
  if (w.dilations.empty()) w.dilations.assign(n, 1);
  const Ints pads = c.is("pads");
  c.require(w.strides.size() == n && w.dilations.size() == n && (pads.empty() || pads.size() == 2 * n),
            "strides, dilations and pads must be given for each axis");
  const std::string_view automatic = c.s("auto_pad", "NOTSET");
  constexpr int64_t kMost = int64_t{1} << 31;
  for (size_t d = 0; d < n; ++d) {
    c.require(w.kernel[d] > 0 && w.strides[d] > 0 && w.dilations[d] > 0,
              "kernel, strides and dilations must be positive");
    c.require(w.kernel[d] < kMost && w.strides[d] < kMost && w.dilations[d] < kMost,
              "a kernel, stride or dilation is out of range");
    if (automatic == "NOTSET" && !pads.empty()) {
      c.require(std::abs(pads[d]) < kMost && std::abs(pads[d + n]) < kMost, "a pad is out of range");
      w.begin[d] = pads[d];
      w.end[d] = pads[d + n];
    } else if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
      const int64_t in = x.dims()[d + 2], out = (in + w.strides[d] - 1) / w.strides[d];
      const int64_t total = std::max<int64_t>(0, (out - 1) * w.strides[d] + w.reach(d) - in);
      w.begin[d] = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
      w.end[d] = total - w.begin[d];
    }
  }
  return w;
}

Tensor padded(const Call& c, const Tensor& x, const Ints& begin, const Ints& end, double value) {
  Ints before = {0, 0}, after = {0, 0};
  before.insert(before.end(), begin.begin(), begin.end());
  after.insert(after.end(), end.begin(), end.end());
  return c.pad(x, before, after, value);
}

Ints channels_last(int64_t rank) {
  Ints order = {0};
  for (int64_t d = 2; d < rank; ++d) order.push_back(d);
  order.push_back(1);
  return order;
}

Ints channels_first(int64_t rank) {
  Ints order = {0, rank - 1};
  for (int64_t d = 1; d < rank - 1; ++d) order.push_back(d);
  return order;
}

namespace {

// [N, C, W] as [N, C, 1, W].
Tensor two_axes(Call& c, const Tensor& x) {
  return x.rank() != 3 ? x : c.reshape(x, {x.dim(0), x.dim(1), 1, x.dim(2)});
}

// A list for all axes of [N, spatial …, C], 1 for batch and channels; two spatial axes at least.
Ints whole(const Ints& spatial) {
  Ints list = spatial.size() == 1 ? Ints{1, 1} : Ints{1};
  list.insert(list.end(), spatial.begin(), spatial.end());
  list.push_back(1);
  return list;
}

// Weights with the zeros of a dilation between them, on axes `first` and further.
Tensor dilated(Call& c, Tensor w, const Ints& dilations, size_t first) {
  for (size_t d = 0; d < dilations.size(); ++d) {
    if (dilations[d] == 1) continue;
    const Ints dims = w.dims();
    Ints split = dims;
    split.insert(split.begin() + static_cast<std::ptrdiff_t>(first + d + 1), 1);
    Ints none(split.size(), 0), more = none;
    more[first + d + 1] = dilations[d] - 1;
    Ints joined = dims;
    joined[first + d] = dims[first + d] * dilations[d];
    w = c.reshape(c.pad(c.reshape(w, split), none, more, 0), joined);
    Ints size = joined;
    size[first + d] -= dilations[d] - 1;
    w = c.slice(w, Ints(size.size(), 0), size);
  }
  return w;
}

Tensor part(Call& c, const Tensor& x, int64_t axis, int64_t at, int64_t n) {
  Ints begin(x.dims().size(), 0), size = x.dims();
  begin[static_cast<size_t>(axis)] = at;
  size[static_cast<size_t>(axis)] = n;
  return c.slice(x, begin, size);
}

// What its kernel makes of a picture without elements has the picture's own shape.
Tensor nothing(Call& c, const Tensor& x, const Tensor& w, const Ints& strides, const Ints& dilations) {
  Ints shape = x.dims();
  const size_t lead = x.dims().size() - 2 - strides.size();  // an axis of extent 1 before the only one
  for (size_t d = 0; d < strides.size(); ++d) {
    int64_t& extent = shape[1 + lead + d];
    extent = (extent - (w.dims()[lead + d] - 1) * dilations[d] - 1) / strides[d] + 1;
  }
  shape.back() = w.dims().back();
  return c.fill(shape, 0, x.type());
}

// x [N, spatial …, C], w [spatial …, C / group, M].
Tensor convolve(Call& c, const Tensor& x, const Tensor& w, const Ints& strides, const Ints& dilations, int64_t group) {
  if (x.count() == 0 || w.count() == 0) return nothing(c, x, w, strides, dilations);
  const char* name = x.rank() == 4 ? "Conv2D" : "Conv3D";
  if (group == 1 || x.rank() == 4) {
    return c.op(name)
        .in(x)
        .in(w)
        .ints("strides", whole(strides))
        .ints("dilations", whole(dilations))
        .text("padding", "VALID")
        .one();
  }
  Tensors parts;
  const int64_t last = x.rank() - 1, channels = x.dim(last) / group, results = w.dim(last) / group;
  for (int64_t g = 0; g < group; ++g) {
    parts.push_back(convolve(c, part(c, x, last, g * channels, channels), part(c, w, last, g * results, results),
                             strides, dilations, 1));
  }
  return c.concat(parts, last);
}

Tensor with_bias(Call& c, const Tensor& y, size_t operand) {
  return c.has(operand) ? c.bin("BiasAdd", y, c.in(operand)) : y;
}

// Channels first again, and the axis of extent 1 away.
void give(Call& c, const Tensor& y, int64_t rank) {
  const Tensor made = c.transpose(y, channels_first(y.rank()));
  c.out(0, rank == 3 ? c.reshape(made, {made.dim(0), made.dim(1), made.dim(3)}) : made);
}

// Weights [M, C, spatial …] as [spatial …, C, M].
Tensor weights_last(Call& c, const Tensor& w) {
  Ints order;
  for (int64_t d = 2; d < w.rank(); ++d) order.push_back(d);
  order.push_back(1);
  order.push_back(0);
  return c.transpose(w, order);
}

void check_channels(Call& c, const Tensor& x, const Tensor& w, int64_t group) {
  c.require(w.rank() >= 3 && x.rank() == w.rank(),
            "input and weights must have the same number of axes, at least three");
  c.require(group > 0 && x.dim(1) == w.dim(1) * group && w.dim(0) % group == 0,
            "the channels do not fit the weights and groups");
}

void conv(Call& c) {
  const Tensor x = c.in(0), w = c.in(1);
  const int64_t group = c.i("group", 1);
  check_channels(c, x, w, group);
  Window window = window_of(c, x, Ints(w.dims().begin() + 2, w.dims().end()));
  for (size_t d = 0; d < window.axes(); ++d)
    c.require(x.dims()[d + 2] + window.begin[d] + window.end[d] >= window.reach(d),
              "the window is larger than the picture");
  const bool volume = x.rank() == 5;
  const Tensor weights =
      c.prepared(1, [&] { return weights_last(c, two_axes(c, volume ? dilated(c, w, window.dilations, 2) : w)); });
  if (volume) window.dilations.assign(3, 1);
  const Tensor pictures = two_axes(c, padded(c, x, window.begin, window.end, 0));
  const Tensor y = convolve(c, c.transpose(pictures, channels_last(pictures.rank())), weights, window.strides,
                            window.dilations, group);
  give(c, with_bias(c, y, 2), x.rank());
}

// Where the result of a transposed convolution lies in the full one.
struct Cut {
  Ints begin, extent, full;  ///< full: without output_padding
};

Cut cut_of(Call& c, const Tensor& x, const Ints& kernel, const Ints& strides, const Ints& dilations) {
  const size_t n = kernel.size();
  const Ints shape = c.is("output_shape"), pads = c.is("pads");
  Ints more = c.is("output_padding");
  if (more.empty()) more.assign(n, 0);
  c.require(more.size() == n && (shape.empty() || shape.size() >= n),
            "output_padding and output_shape must be given for each axis");
  const std::string_view automatic = c.s("auto_pad", "NOTSET");
  Cut cut{Ints(n, 0), Ints(n, 0), Ints(n, 0)};
  for (size_t d = 0; d < n; ++d) {
    const int64_t in = x.dims()[d + 2];
    cut.full[d] = (in - 1) * strides[d] + (kernel[d] - 1) * dilations[d] + 1;
    const int64_t all = cut.full[d] + more[d];
    if (!shape.empty() || automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
      cut.extent[d] = shape.empty() ? in * strides[d] : shape[shape.size() - n + d];
      const int64_t total = all - cut.extent[d], half = total >= 0 ? total / 2 : (total - 1) / 2;
      cut.begin[d] = automatic == "SAME_UPPER" ? half : total - half;
    } else {
      const bool given = automatic == "NOTSET" && pads.size() == 2 * n;
      cut.begin[d] = given ? pads[d] : 0;
      cut.extent[d] = all - cut.begin[d] - (given ? pads[d + n] : 0);
    }
    c.require(in > 0 && cut.extent[d] >= 0, "the pads take away more than there is");
  }
  return cut;
}

// The full transpose [N, spatial …, M] of x [N, spatial …, C] with w [spatial …, M, C].
Tensor spread(Call& c, const Tensor& x, const Tensor& w, const Ints& strides, const Ints& full) {
  Ints sizes = {x.dim(0)};
  if (full.size() == 1) sizes.push_back(1);
  sizes.insert(sizes.end(), full.begin(), full.end());
  sizes.push_back(w.dim(w.rank() - 2));
  c.room(sizes, x.type());
  if (x.count() == 0 || w.count() == 0) return c.fill(sizes, 0, x.type());
  const char* name = x.rank() == 4 ? "Conv2DBackpropInput" : "Conv3DBackpropInputV2";
  return c.op(name)
      .in(vector_of(sizes, kInt32))
      .in(w)
      .in(x)
      .ints("strides", whole(strides))
      .text("padding", "VALID")
      .one();
}

void conv_transpose(Call& c) {
  const Tensor x = c.in(0), w = c.in(1);
  const int64_t group = c.i("group", 1);
  c.require(w.rank() >= 3 && x.rank() == w.rank(),
            "input and weights must have the same number of axes, at least three");
  c.require(group > 0 && x.dim(1) == w.dim(0) && w.dim(0) % group == 0,
            "the channels do not fit the weights and groups");
  const size_t n = w.dims().size() - 2;
  const Ints kernel(w.dims().begin() + 2, w.dims().end());
  Ints strides = c.is("strides"), dilations = c.is("dilations");
  if (strides.empty()) strides.assign(n, 1);
  if (dilations.empty()) dilations.assign(n, 1);
  c.require(strides.size() == n && dilations.size() == n, "strides and dilations must be given for each axis");
  for (size_t d = 0; d < n; ++d)
    c.require(strides[d] > 0 && dilations[d] > 0 && strides[d] < (1 << 30) && dilations[d] < (1 << 30),
              "strides and dilations must be positive");
  const Cut cut = cut_of(c, x, kernel, strides, dilations);
  const Tensor wide = two_axes(c, dilated(c, w, dilations, 2));
  const Tensor pictures = two_axes(c, x), last = c.transpose(pictures, channels_last(pictures.rank()));
  const int64_t channels = x.dim(1) / group, axis = last.rank() - 1;
  Tensors parts;
  for (int64_t g = 0; g < group; ++g) {
    parts.push_back(spread(c, part(c, last, axis, g * channels, channels),
                           weights_last(c, part(c, wide, 0, g * channels, channels)), strides, cut.full));
  }
  Tensor y = c.concat(parts, axis);
  Ints before(y.dims().size(), 0), after = before;
  for (size_t d = 0; d < n; ++d) {
    const size_t at = d + (n == 1 ? 2 : 1);
    before[at] = -cut.begin[d];
    after[at] = cut.begin[d] + cut.extent[d] - cut.full[d];
  }
  y = c.pad(y, before, after, 0);
  give(c, with_bias(c, y, 2), x.rank());
}

std::string three_axes(const Node& n) { return n.rank(0) > 5 ? "TensorFlow has three spatial axes at most" : ""; }

// Integers: int32 after the zero points, as a convolution in float64, which is exact below 2^53.
void conv_integer(Call& c) {
  auto centred = [&](size_t i, size_t zero) {
    const Tensor x = c.cast(c.in(i), kDouble);
    if (!c.has(zero)) return x;
    Tensor point = c.cast(c.in(zero), kDouble);
    if (point.rank() == 1 && point.dim(0) > 1) {
      Ints shape(x.dims().size(), 1);
      shape[0] = point.dim(0);
      point = c.reshape(point, shape);
    }
    return c.bin("Sub", x, point);
  };
  const Tensor x = centred(0, 2), w = centred(1, 3);
  const int64_t group = c.i("group", 1);
  check_channels(c, x, w, group);
  if (x.rank() == 5) c.fail(CH_UNSUPPORTED, "volumes of integers are not computed");
  const Window window = window_of(c, x, Ints(w.dims().begin() + 2, w.dims().end()));
  const Tensor pictures = two_axes(c, padded(c, x, window.begin, window.end, 0));
  const Tensor y = convolve(c, c.transpose(pictures, channels_last(4)), weights_last(c, two_axes(c, w)), window.strides,
                            window.dilations, group);
  give(c, c.cast(y, kInt32), x.rank());
}

constexpr std::array kRows = std::to_array<Row>({
    {"Conv", conv, "Conv2D,BiasAdd",
     "channels last on the processor: transposed on both sides; pads are made before; groups of volumes one by one",
     Widen::sums, three_axes},
    {"ConvTranspose", conv_transpose, "Conv2DBackpropInput,BiasAdd",
     "the full transpose is cut; no dilations there: zeros between the weights", Widen::sums, three_axes},
    {"ConvInteger", conv_integer, "", "no convolution of integers: float64, which is exact below 2^53"},
});

}  // namespace

std::span<const Row> convolution_rows() { return kRows; }

}  // namespace chorus_tensorflow
