// Gradients of Fourier transforms: the transform back, by the transposed matrix.
#include <ops/gradients/rules.h>
#include <ops/gradients/support.h>

#include <climits>

namespace chorus::gradients {
namespace {

struct Transform {
  int64_t axis;
  Ref length;    ///< points, a scalar
  bool inverse, onesided;
};

Ref scalar_of(OpBuilder& b, Ref x) {
  if (b.type_of(x).dtype != DType::int64) x = b.op("Cast", {x}, {{"to", static_cast<int64_t>(DType::int64)}});
  return b.type_of(x).rank() == 0 ? x : b.op("Reshape", {x, b.ints(std::span<const int64_t>())});
}

Transform read(GradContext& b) {
  Transform t{};
  const int rank = known_rank(b, 0);
  t.inverse = b.attrs().integer("inverse") != 0;
  t.onesided = b.attrs().integer("onesided") != 0;
  t.axis = rank - 2;
  if (b.has_input(2)) {
    const auto given = rules::known_ints(static_cast<const NodeContext&>(b), 2);
    if (!given || given->size() != 1) b.fail(Code::unsupported, "its gradient needs a constant axis");
    t.axis = axis_of(b, (*given)[0], rank);
  }
  if (b.has_input(1)) {
    t.length = scalar_of(b, b.in(1));
  } else {
    t.length = b.op("Squeeze", {extent_of(b, b.in(0), t.axis), b.ints({0})});
    if (t.inverse && t.onesided) t.length = mul(b, sub(b, t.length, whole(b, 1)), whole(b, 2));
  }
  return t;
}

/// Zeros behind, or cut off, so that the extent is `wanted` (rank 1).
Ref fitted(OpBuilder& b, Ref x, int64_t axis, Ref wanted) {
  const Ref more = sub(b, wanted, extent_of(b, x, axis));
  return b.op("Pad", {x, joined(b, {b.ints({0}), more}), Ref{}, b.ints({axis})});
}

Ref transform(OpBuilder& b, Ref x, const Transform& t, int64_t inverse, int64_t onesided) {
  return b.op("DFT", {x, t.length, whole(b, t.axis)}, {{"inverse", inverse}, {"onesided", onesided}});
}

/// 1 for the first bin and, of an even length, the last; 2 between them: those stand for two bins.
Ref bins(GradContext& b, const Transform& t, Ref like) {
  const Ref k = b.op("Range", {whole(b, 0), add(b, b.op("Div", {t.length, whole(b, 2)}), whole(b, 1)), whole(b, 1)});
  const Ref twice = mul(b, k, whole(b, 2));
  const Ref alone = b.op("Or", {equal(b, k, whole(b, 0)), equal(b, twice, t.length)});
  const Ref m = where(b, alone, number(b, like, 1), number(b, like, 2));
  std::vector<int64_t> axes;
  for (int64_t i = t.axis + 1; i < known_rank(b, 0); ++i) axes.push_back(i - t.axis);
  return b.op("Unsqueeze", {m, b.ints(axes)});
}

/// The frames as a tensor, then one transform.
Expansion stft_form(OpBuilder& b) {
  const Type& x = b.input(0);
  if (!x.has_rank || x.rank() != 3) return Expansion::refuse("STFT of a signal that is not [batch, length, 1 or 2]");
  const Ref step = scalar_of(b, b.in(1));
  const Ref length = b.op("Squeeze", {extent_of(b, b.in(0), 1), b.ints({0})});
  Ref frame = length;
  if (b.has_input(2)) frame = b.op("Squeeze", {extent_of(b, b.in(2), 0), b.ints({0})});
  if (b.has_input(3)) frame = scalar_of(b, b.in(3));
  const Ref frames = add(b, div(b, sub(b, length, frame), step), whole(b, 1));
  const auto range = [&](Ref n) { return b.op("Range", {whole(b, 0), n, whole(b, 1)}); };
  const Ref begins = b.op("Unsqueeze", {mul(b, range(frames), step), b.ints({1})});
  const Ref at = add(b, begins, b.op("Unsqueeze", {range(frame), b.ints({0})}));
  Ref parts = b.op("Gather", {b.in(0), at}, {{"axis", 1}});
  if (b.has_input(2)) parts = mul(b, parts, b.op("Unsqueeze", {b.in(2), b.ints({1})}));
  return b.op("DFT", {parts, Ref{}, whole(b, 2)}, {{"onesided", b.attrs().integer("onesided", 1)}});
}

}  // namespace

void dft_rule(GradContext& b) {
  const Transform t = read(b);
  Ref g = b.out_gradient(0);
  const Ref points = cast_like(b, t.length, g);
  if (!t.inverse) {
    if (t.onesided) g = fitted(b, g, t.axis, b.op("Unsqueeze", {t.length, b.ints({0})}));
    g = mul(b, transform(b, g, t, 1, 0), points);
  } else if (!t.onesided) {
    g = div(b, transform(b, g, t, 0, 0), points);
  } else {
    g = mul(b, transform(b, g, t, 0, 1), div(b, bins(b, t, g), points));
  }
  g = fitted(b, g, t.axis, extent_of(b, b.in(0), t.axis));
  // A real signal: only the real part.
  b.set_gradient(0, b.op("Slice", {g, b.ints({0}), extent_of(b, b.in(0), -1), b.ints({-1})}));
}

void stft_rule(GradContext& b) { b.through(stft_form); }

}  // namespace chorus::gradients
