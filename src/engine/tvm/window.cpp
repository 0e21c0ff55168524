// Convolutions and pooling: a window slides over the axes behind the first two.
#include <algorithm>
#include <cmath>

#include "table.h"

namespace chorus_tvm {
namespace {

struct Window {
  Dims size, stride, dilation, begin, end;   // per axis
  Dims out;
};

int64_t spanned(const Window& w, size_t d) { return (w.size[d] - 1) * w.dilation[d] + 1; }

Window window_of(Call& c, const Dims& input, const Dims& size) {
  const size_t n = size.size();
  Window w;
  w.size = size;
  w.stride = c.given("strides") ? c.is("strides") : Dims(n, 1);
  w.dilation = c.given("dilations") ? c.is("dilations") : Dims(n, 1);
  Dims pads = c.given("pads") ? c.is("pads") : Dims(2 * n, 0);
  c.require(w.stride.size() == n && w.dilation.size() == n && pads.size() == 2 * n && input.size() == n,
            "its attributes are of another rank than its input");
  const std::string_view how = c.s("auto_pad", "NOTSET");
  const bool ceil = c.i("ceil_mode", 0) != 0;
  for (size_t d = 0; d < n; ++d) {
    if (how == "SAME_UPPER" || how == "SAME_LOWER") {
      const int64_t out = (input[d] + w.stride[d] - 1) / w.stride[d];
      const int64_t total = std::max<int64_t>(0, (out - 1) * w.stride[d] + spanned(w, d) - input[d]);
      pads[d] = how == "SAME_UPPER" ? total / 2 : total - total / 2;
      pads[n + d] = total - pads[d];
    } else if (how == "VALID") {
      pads[d] = pads[n + d] = 0;
    }
    w.begin.push_back(pads[d]);
    w.end.push_back(pads[n + d]);
    const int64_t room = input[d] + pads[d] + pads[n + d] - spanned(w, d);
    c.require(room >= 0, "the window is larger than its input");
    int64_t out = (ceil ? (room + w.stride[d] - 1) / w.stride[d] : room / w.stride[d]) + 1;
    if (ceil && (out - 1) * w.stride[d] >= input[d] + pads[d]) --out;   // no window begins behind the input
    w.out.push_back(out);
  }
  return w;
}

// Where a window's element lies in the input, and whether it does.
struct Spot {
  Index at;
  E inside;
};

Spot spot(const Window& w, const Dims& input, const Index& out, size_t first, const Index& k, size_t first_k) {
  Spot s;
  s.inside = whole(1, kBool);
  for (size_t d = 0; d < w.size.size(); ++d) {
    const E at = out[first + d] * whole(w.stride[d]) + k[first_k + d] * whole(w.dilation[d]) - whole(w.begin[d]);
    const int64_t furthest = (w.out[d] - 1) * w.stride[d] + (w.size[d] - 1) * w.dilation[d] - w.begin[d];
    if (w.begin[d] > 0) s.inside = s.inside && at >= whole(0);
    if (furthest >= input[d]) s.inside = s.inside && at < whole(input[d]);
    s.at.push_back(at);
  }
  return s;
}

Dims spatial(const Dims& dims) { return {dims.begin() + 2, dims.end()}; }

Dims joined(std::initializer_list<int64_t> first, const Dims& rest) {
  Dims made = first;
  made.insert(made.end(), rest.begin(), rest.end());
  return made;
}

// The picture with zeros around it, so that no window reaches out of it: then whole rows are read at once.
T padded(const T& x, Window& w, bool floats) {
  Dims dims = x.dims;
  bool any = false;
  for (size_t d = 0; d < w.size.size(); ++d) {
    dims[2 + d] = std::max(dims[2 + d] + w.begin[d], (w.out[d] - 1) * w.stride[d] + spanned(w, d));
    any = any || dims[2 + d] != x.dims[2 + d];
  }
  if (!any || !floats) return x;
  const Window before = w;
  w.begin.assign(w.size.size(), 0);
  return compute(dims, x.type, [&](const Index& at) {
    Index from = at;
    E inside = whole(1, kBool);
    for (size_t d = 0; d < before.size.size(); ++d) {
      from[2 + d] = at[2 + d] - whole(before.begin[d]);
      if (before.begin[d] > 0) inside = inside && from[2 + d] >= whole(0);
      if (dims[2 + d] - before.begin[d] > x.dims[2 + d]) inside = inside && from[2 + d] < whole(x.dims[2 + d]);
    }
    return choose(inside, x(from), number(0, x.type));
  });
}

E zero_point(const T& t) { return cast(t(Index(t.dims.size(), whole(0))), kInt); }

void make_conv(Call& c) {
  const bool integers = c.op() == "ConvInteger";
  const T x = c.in(0), filter = c.in(1);
  c.require(x.rank() >= 3 && x.rank() == filter.rank(), "its input has no axis for a window");
  const Window w = window_of(c, spatial(x.dims), spatial(filter.dims));
  const int64_t groups = c.i("group", 1);
  c.require(groups > 0 && x.dims[1] == filter.dims[1] * groups && filter.dims[0] % groups == 0,
            "channels and groups do not fit");
  const int64_t per_group = filter.dims[0] / groups, depth = filter.dims[1];
  const int type = c.out_type(0);
  T zx, zf;
  if (integers && c.has(2)) zx = c.in(2);
  if (integers && c.has(3)) zf = c.in(3);
  c.require(zx.size() == 1 && zf.size() == 1, "a zero point for each channel is left to others");
  const Dims dims = joined({x.dims[0], filter.dims[0]}, w.out);
  Window inside = w;
  const T picture = padded(x, inside, !integers);
  const T sum = fold(Fold::sum, dims, computed(type), joined({depth}, w.size), [&](const Index& at, const Index& k) {
    const Spot s = spot(inside, spatial(picture.dims), at, 2, k, 1);
    const E channel = groups == 1 ? k[0] : floor_div(at[1], whole(per_group)) * whole(depth) + k[0];
    Index from = {at[0], channel};
    from.insert(from.end(), s.at.begin(), s.at.end());
    Index tap = {at[1], k[0]};
    tap.insert(tap.end(), k.begin() + 1, k.end());
    if (!integers) return picture(from) * filter(tap);
    const E e = cast(x(from), kInt), f = cast(filter(tap), kInt);
    return choose(s.inside, c.has(2) ? e - zero_point(zx) : e, whole(0, kInt)) * (c.has(3) ? f - zero_point(zf) : f);
  });
  if (integers || !c.has(2)) {
    c.out(0, sum.type == type ? sum : compute(dims, type, [&](const Index& at) { return sum(at); }));
    return;
  }
  const T bias = c.in(2);
  c.out(0, compute(dims, type, [&](const Index& at) { return sum(at) + bias({at[1]}); }));
}

// Each result gathers what falls on it.
void make_conv_transpose(Call& c) {
  const T x = c.in(0), filter = c.in(1);
  c.require(x.rank() >= 3, "its input has no axis for a window");
  const Dims input = spatial(x.dims), size = spatial(filter.dims);
  const size_t n = size.size();
  const Dims stride = c.given("strides") ? c.is("strides") : Dims(n, 1);
  const Dims dilation = c.given("dilations") ? c.is("dilations") : Dims(n, 1);
  const Dims more = c.given("output_padding") ? c.is("output_padding") : Dims(n, 0);
  Dims pads = c.given("pads") ? c.is("pads") : Dims(2 * n, 0);
  Dims out = c.is("output_shape");
  const std::string_view how = c.s("auto_pad", "NOTSET");
  c.require(stride.size() == n && dilation.size() == n && more.size() == n && pads.size() == 2 * n,
            "its attributes are of another rank than its input");
  c.require(out.empty() || out.size() == n, "output_shape is of another rank than its input");
  Dims made;
  for (size_t d = 0; d < n; ++d) {
    const int64_t full = stride[d] * (input[d] - 1) + more[d] + (size[d] - 1) * dilation[d] + 1;
    const bool same = how == "SAME_UPPER" || how == "SAME_LOWER";
    if (!out.empty() || same) {
      const int64_t wanted = out.empty() ? input[d] * stride[d] : out[d];
      const int64_t total = full - wanted;
      c.require(total >= 0, "its output is larger than its windows reach");
      pads[d] = how == "SAME_UPPER" ? total / 2 : total - total / 2;
      pads[n + d] = total - pads[d];
    } else if (how == "VALID") {
      pads[d] = pads[n + d] = 0;
    }
    made.push_back(full - pads[d] - pads[n + d]);
  }
  const int64_t groups = c.i("group", 1), per_group = filter.dims[1], depth = x.dims[1] / groups;
  const int type = c.out_type(0);
  const Dims dims = joined({x.dims[0], per_group * groups}, made);
  const T sum = fold(Fold::sum, dims, computed(type), joined({depth}, size), [&](const Index& at, const Index& k) {
    E inside = whole(1, kBool);
    const E group = floor_div(at[1], whole(per_group));
    const E channel = groups == 1 ? k[0] : group * whole(depth) + k[0];
    Index from = {at[0], channel}, tap = {channel, groups == 1 ? at[1] : floor_mod(at[1], whole(per_group))};
    for (size_t d = 0; d < n; ++d) {
      const E reached = at[2 + d] + whole(pads[d]) - k[1 + d] * whole(dilation[d]);
      const E place = floor_div(reached, whole(stride[d]));
      inside = inside && reached >= whole(0) && place < whole(input[d]);
      if (stride[d] > 1) inside = inside && floor_mod(reached, whole(stride[d])) == whole(0);
      from.push_back(place);
      tap.push_back(k[1 + d]);
    }
    return choose(inside, x(from), number(0, x.type)) * filter(tap);
  });
  T bias;
  if (c.has(2)) bias = c.in(2);
  c.out(0, compute(dims, type, [&](const Index& at) { return c.has(2) ? sum(at) + bias({at[1]}) : sum(at); }));
}

Index behind(const Index& at, const Index& rest) {
  Index made = {at[0], at[1]};
  made.insert(made.end(), rest.begin(), rest.end());
  return made;
}

void make_max_pool(Call& c) {
  c.require(!c.wants(1), "the indices of the largest elements are left to others");
  const T x = c.in(0);
  c.require(x.rank() >= 3, "its input has no axis for a window");
  const Window w = window_of(c, spatial(x.dims), c.is("kernel_shape"));
  c.out(0, fold(Fold::largest, joined({x.dims[0], x.dims[1]}, w.out), c.out_type(0), w.size,
                [&](const Index& at, const Index& k) {
                  const Spot s = spot(w, spatial(x.dims), at, 2, k, 0);
                  return choose(s.inside, x(behind(at, s.at)), lowest(x.type));
                }));
}

void make_average_pool(Call& c) {
  const T x = c.in(0);
  c.require(x.rank() >= 3, "its input has no axis for a window");
  const Window w = window_of(c, spatial(x.dims), c.is("kernel_shape"));
  const bool pads_count = c.i("count_include_pad", 0) != 0;
  const int type = c.out_type(0), wide = computed(type);
  const Dims dims = joined({x.dims[0], x.dims[1]}, w.out), input = spatial(x.dims);
  const T sum = fold(Fold::sum, dims, wide, w.size, [&](const Index& at, const Index& k) {
    const Spot s = spot(w, input, at, 2, k, 0);
    return choose(s.inside, x(behind(at, s.at)), number(0, x.type));
  });
  // With ceil_mode a window reaches beyond the padding as well: that never counts.
  Dims wider = input;
  Window padded = w;
  if (pads_count) {
    for (size_t d = 0; d < wider.size(); ++d) wider[d] += w.begin[d] + w.end[d], padded.begin[d] = 0;
  }
  const T count = fold(Fold::sum, w.out, wide, w.size, [&](const Index& at, const Index& k) {
    const Spot s = spot(padded, wider, at, 0, k, 0);
    return select(s.inside, number(1, wide), number(0, wide));
  });
  c.out(0, compute(dims, type, [&](const Index& at) { return sum(at) / count(Index(at.begin() + 2, at.end())); }));
}

void make_lp_pool(Call& c) {
  const T x = c.in(0);
  c.require(x.rank() >= 3, "its input has no axis for a window");
  const bool global = c.op() == "GlobalLpPool";
  const Dims input = spatial(x.dims);
  const double p = static_cast<double>(c.i("p", 2));
  const Window w = window_of(c, input, global ? input : c.is("kernel_shape"));
  const int type = c.out_type(0), wide = computed(type);
  const Dims dims = joined({x.dims[0], x.dims[1]}, w.out);
  const T sum = fold(Fold::sum, dims, wide, w.size, [&](const Index& at, const Index& k) {
    const Spot s = spot(w, input, at, 2, k, 0);
    const E e = x(behind(at, s.at)), size = select(e < like(0, e), like(0, e) - e, e);
    return choose(s.inside, p == 1 ? size : p == 2 ? size * size : library("pow", {size, like(p, size)}), like(0, e));
  });
  c.out(0, compute(dims, type, [&](const Index& at) {
          const E e = sum(at);
          return p == 1 ? e : p == 2 ? intrinsic("tirx.sqrt", e) : library("pow", {e, like(1 / p, e)});
        }));
}

void make_global_pool(Call& c) {
  const T x = c.in(0);
  c.require(x.rank() >= 3, "its input has no axis for a window");
  const Dims over = spatial(x.dims), dims = joined({x.dims[0], x.dims[1]}, Dims(over.size(), 1));
  const bool largest = c.op() == "GlobalMaxPool";
  const T made = fold(largest ? Fold::largest : Fold::sum, dims, largest ? c.out_type(0) : computed(x.type), over,
                      [&](const Index& at, const Index& k) { return x(behind(at, k)); });
  if (largest) return c.out(0, made);
  double count = 1;
  for (int64_t d : over) count *= static_cast<double>(d);
  c.out(0, compute(dims, c.out_type(0), [&](const Index& at) { return made(at) / like(count, made(at)); }));
}

constexpr Row kRows[] = {
    {"Conv", make_conv},
    {"ConvInteger", make_conv},
    {"ConvTranspose", make_conv_transpose},
    {"MaxPool", make_max_pool},
    {"AveragePool", make_average_pool},
    {"LpPool", make_lp_pool},
    {"GlobalLpPool", make_lp_pool},
    {"GlobalAveragePool", make_global_pool},
    {"GlobalMaxPool", make_global_pool},
};

}  // namespace

std::span<const Row> window_rows() { return kRows; }

}  // namespace chorus_tvm
