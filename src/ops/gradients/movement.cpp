// Gradients of operators that move elements: the same elements moved back, zeros where nothing came from, sums where one went to
// several places.
#include <ops/gradients/rules.h>
#include <ops/gradients/support.h>

#include <fmt/format.h>

#include <algorithm>

namespace chorus::gradients {
namespace {

/// For rules as nodes: 0, 1 … extent - 1 of one axis.
Ref positions(OpBuilder& b, Ref x, int64_t axis) {
  const Ref n = b.op("Squeeze", {extent_of(b, x, axis), b.ints({0})});
  return b.op("Range", {whole(b, 0), n, whole(b, 1)});
}

/// Pad of another mode than constant chooses elements: along every axis a Gather at padded positions.
Expansion pad_by_gather(OpBuilder& b) {
  const int rank = b.input(0).rank();
  if (rank < 0) return Expansion::refuse("Pad of unknown rank");
  std::vector<int64_t> axes;
  for (int i = 0; i < rank; ++i) axes.push_back(i);
  if (b.has_input(3)) {
    const auto given = rules::known_ints(static_cast<const NodeContext&>(b), 3);
    if (!given) return Expansion::refuse("Pad with axes that are not constant");
    axes = *given;
  }
  Ref y = b.in(0);
  const auto count = static_cast<int64_t>(axes.size());
  for (int64_t i = 0; i < count; ++i) {
    const int64_t axis = rules::normalize_axis(b, axes[static_cast<size_t>(i)], rank);
    const Ref ends = b.op("Gather", {b.in(1), b.ints({i, count + i})}, {{"axis", 0}});
    const Ref from = b.op("Pad", {positions(b, b.in(0), axis), ends}, {{"mode", b.attrs().string("mode")}});
    y = b.op("Gather", {y, from}, {{"axis", axis}});
  }
  return y;
}

}  // namespace

void reshape_rule(GradContext& b) { b.set_gradient(0, reshape_like(b, b.out_gradient(0), b.in(0))); }

void transpose_rule(GradContext& b) {
  const auto perm = b.attrs().integers("perm");
  if (perm.empty()) return b.set_gradient(0, b.op("Transpose", {b.out_gradient(0)}));
  std::vector<int64_t> back(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) back[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  b.set_gradient(0, transposed(b, b.out_gradient(0), back));
}

void concat_rule(GradContext& b) {
  if (b.inputs() == 1) return pass_on(b);
  const int64_t axis = b.attrs().integer("axis");
  std::vector<Ref> extents;
  std::vector<int64_t> known;
  for (int i = 0; i < b.inputs(); ++i) {
    const Type& type = b.input(i);
    const Dim d = type.has_rank ? type.dims[static_cast<size_t>(axis_of(b, axis, type.rank()))] : Dim::unknown();
    if (d.is_number()) known.push_back(d.number());
  }
  Ref lengths;
  if (known.size() == static_cast<size_t>(b.inputs())) {
    lengths = b.ints(known);
  } else {
    for (int i = 0; i < b.inputs(); ++i) extents.push_back(extent_of(b, b.in(i), axis));
    lengths = b.emit("Concat", extents, {{"axis", 0}}, 1)[0];
  }
  const Ref inputs[] = {b.out_gradient(0), lengths};
  const auto parts = b.emit("Split", inputs, {{"axis", axis}}, b.inputs());
  for (int i = 0; i < b.inputs(); ++i) b.set_gradient(i, parts[static_cast<size_t>(i)]);
}

void split_rule(GradContext& b) {
  std::vector<Ref> parts;
  for (int i = 0; i < b.outputs(); ++i) parts.push_back(gradient_or_zeros(b, i));
  b.set_gradient(0,
                 parts.size() == 1 ? parts[0] : b.emit("Concat", parts, {{"axis", b.attrs().integer("axis")}}, 1)[0]);
}

void slice_rule(GradContext& b) {
  const auto operand = [&](int i) { return b.has_input(i) ? b.in(i) : Ref{}; };
  b.set_gradient(
      0, own(b, "SliceGrad", {b.out_gradient(0), shape_of(b, b.in(0)), b.in(1), b.in(2), operand(3), operand(4)}));
}

void slice_grad_rule(GradContext& b) {
  const auto operand = [&](int i) { return b.has_input(i) ? b.in(i) : Ref{}; };
  b.set_gradient(0, b.op("Slice", {b.out_gradient(0), b.in(2), b.in(3), operand(4), operand(5)}));
}

void expand_rule(GradContext& b) { set_summed(b, 0, b.out_gradient(0)); }

/// [r1 · d1, r2 · d2 …] as [r1, d1, r2, d2 …], summed over the repetitions.
void tile_rule(GradContext& b) {
  const int rank = known_rank(b, 0);
  if (rank == 0) return b.set_gradient(0, b.out_gradient(0));
  const Ref repeats = b.op("Unsqueeze", {b.in(1), b.ints({1})}),
            extents = b.op("Unsqueeze", {shape_of(b, b.in(0)), b.ints({1})});
  const Ref pairs = b.op("Reshape", {b.op("Concat", {repeats, extents}, {{"axis", 1}}), b.ints({-1})});
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < rank; ++i) axes.push_back(2 * i);
  b.set_gradient(0, b.op("ReduceSum", {reshape(b, b.out_gradient(0), pairs), b.ints(axes)}, {{"keepdims", 0}}));
}

/// The frame goes off again; a negative pad, which cut something off, comes back as zeros.
void pad_rule(GradContext& b) {
  const Ref dy = b.out_gradient(0);
  if (b.attrs().string("mode", "constant") != "constant") return b.through(pad_by_gather);
  const Ref axes = b.has_input(3) ? b.in(3) : Ref{};
  if (b.wanted(0)) b.set_gradient(0, b.op("Pad", {dy, neg(b, b.in(1)), Ref{}, axes}));
  if (b.wanted(2)) {
    const Ref frame = b.op("Pad", {zeros_like(b, b.in(0)), b.in(1), number(b, dy, 1), axes});
    b.set_gradient(2, reshape_like(b, b.op("ReduceSum", {mul(b, dy, frame)}, {{"keepdims", 0}}), b.in(2)));
  }
}

void depth_to_space_rule(GradContext& b) { by_meaning(b); }
void reverse_sequence_rule(GradContext& b) {
  b.set_gradient(0, b.op("ReverseSequence", {b.out_gradient(0), b.in(1)}, b.attrs().all()));
}
void trilu_rule(GradContext& b) {
  b.set_gradient(0, b.op("Trilu", {b.out_gradient(0), b.has_input(1) ? b.in(1) : Ref{}}, b.attrs().all()));
}

void sum_to_rule(GradContext& b) { b.set_gradient(0, b.op("Expand", {b.out_gradient(0), shape_of(b, b.in(0))})); }

}  // namespace chorus::gradients
