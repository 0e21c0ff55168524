// Reductions, softmax, running sums: along axes of a tensor that is first made of at most four extents.
#include <format/ncnn/table.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

namespace chorus::ncnn {
namespace {

struct Reduction {
  std::string_view op;
  int number;
};
constexpr std::array kReductions = {Reduction{"ReduceSum", 0},    Reduction{"ReduceSumSquare", 2},
                                    Reduction{"ReduceMean", 3},   Reduction{"ReduceMax", 4},
                                    Reduction{"ReduceMin", 5},    Reduction{"ReduceProd", 6},
                                    Reduction{"ReduceL1", 7},     Reduction{"ReduceL2", 8},
                                    Reduction{"ReduceLogSum", 9}, Reduction{"ReduceLogSumExp", 10}};

}  // namespace

void write_reduce(Emitter& e) {
  const Extents x = e.shape(0);
  const auto rank = static_cast<int64_t>(x.size());
  if (e.node().type == "ReduceMax" || e.node().type == "ReduceMin")
    refuse("ncnn's starts at the largest finite number: infinities alone would become it");
  std::vector<bool> reduced(x.size(), false);
  const auto given = e.integers(1);
  const bool none = !given || given->empty();
  if (none && e.attrs().integer("noop_with_empty_axes", 0) != 0)
    refuse("without axes only the function inside is computed");
  for (size_t i = 0; i < reduced.size() && none; ++i) reduced[i] = true;
  for (int64_t one : given.value_or(std::vector<int64_t>())) reduced[static_cast<size_t>(e.axis(one, rank))] = true;
  // Neighbours that are reduced, or kept, together become one axis.
  Extents dims;
  std::vector<bool> kinds;
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] == 1) continue;
    if (!kinds.empty() && kinds.back() == reduced[i]) {
      dims.back() *= x[i];
    } else {
      dims.push_back(x[i]);
      kinds.push_back(reduced[i]);
    }
  }
  const auto found =
      std::find_if(kReductions.begin(), kReductions.end(), [&](const Reduction& r) { return r.op == e.node().type; });
  if (dims.empty()) dims.push_back(1), kinds.push_back(true);
  if (std::find(kinds.begin(), kinds.end(), true) == kinds.end()) dims.push_back(1), kinds.push_back(true);
  if (dims.size() > 4) refuse(fmt::format("the axes of a reduction of {} are more than four groups", shape_str(x)));
  std::vector<int64_t> axes;
  Extents left;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (kinds[i])
      axes.push_back(static_cast<int64_t>(i));
    else
      left.push_back(dims[i]);
  }
  Params p;
  p.integer(0, found->number).integer(1, left.empty() ? 1 : 0).integers(3, axes).integer(4, 0).integer(5, 1);
  e.out(0, e.layer("Reduction", p, {e.in(0, dims)}, left.empty() ? Extents{1} : left));
}

void write_softmax(Emitter& e) {
  const Extents x = e.shape(0);
  const int64_t axis = e.axis(e.attrs().integer("axis", -1), static_cast<int64_t>(x.size()));
  const int64_t outer = product(std::span(x).first(static_cast<size_t>(axis)));
  const int64_t extent = x.empty() ? 1 : x[static_cast<size_t>(axis)];
  const int64_t inner = x.empty() ? 1 : product(std::span(x).subspan(static_cast<size_t>(axis) + 1));
  const Extents dims = inner == 1   ? Extents{outer, extent}
                       : outer == 1 ? Extents{extent, inner}
                                    : Extents{outer, extent, inner};
  const int64_t at = inner != 1 && outer == 1 ? 0 : 1;
  Blob made = e.layer("Softmax", Params().integer(0, at).integer(1, 1), {e.in(0, dims)}, dims);
  e.out(0, made);
}

void write_cumsum(Emitter& e) {
  const Extents x = e.shape(0);
  const auto given = e.integers(1);
  if (e.attrs().integer("exclusive", 0) != 0 || e.attrs().integer("reverse", 0) != 0)
    refuse("ncnn's CumulativeSum has neither exclusive nor reverse");
  const int64_t axis = e.axis(given ? given->at(0) : 0, static_cast<int64_t>(x.size()));
  const int64_t outer = product(std::span(x).first(static_cast<size_t>(axis)));
  const int64_t extent = x[static_cast<size_t>(axis)],
                inner = product(std::span(x).subspan(static_cast<size_t>(axis) + 1));
  const Extents dims = {outer, extent, inner};
  e.out(0, e.layer("CumulativeSum", Params().integer(0, 1), {e.in(0, dims)}, dims));
}

}  // namespace chorus::ncnn
