// Operators that move elements and change shapes. Their shape and value rules: movement_shape.cpp, movement_extent.cpp.
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/movement_shape.h>
#include <ops/rules.h>
#include <ops/table.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace chorus {
namespace {
using namespace movement;
using rules::cost_free;
using rules::cost_traffic;

// Version steps -----------------------------------------------------------------------------------------------------

const Value* constant_of(const NodeContext& ctx, int i) { return ctx.constant(i); }

/// An attribute of integers that became an operand.
Ref ints_attribute(OpBuilder& b, std::string_view name) {
  const auto v = b.attrs().integers(name);
  return b.ints(v);
}

Expansion reshape_1(OpBuilder& b) {
  if (!b.attrs().given("shape")) return Expansion::refuse("Reshape-1 without the attribute shape has no meaning");
  return rules::reissue(b, {b.in(0), ints_attribute(b, "shape")}, {"shape", "consumed_inputs"});
}

Expansion concat_1(OpBuilder& b) {
  std::vector<Ref> inputs;
  for (int i = 0; i < b.inputs(); ++i) inputs.push_back(b.in(i));
  rules::next_version(b);
  return Expansion(b.emit("Concat", inputs, {{"axis", b.attrs().integer("axis", 1)}}, 1));
}

Expansion split_1(OpBuilder& b) {
  Attributes attributes{{"axis", b.attrs().integer("axis", 0)}};
  if (b.attrs().given("split")) {
    const auto v = b.attrs().integers("split");
    attributes.set("split", std::vector<int64_t>(v.begin(), v.end()));
  } else if (b.has_input(1)) {
    const Value* v = constant_of(b, 1);
    if (v == nullptr)
      return Expansion::refuse("Split-1 with lengths that are not constant: version 2 knows them as an attribute only");
    attributes.set("split", v->to_int64s());
  }
  rules::next_version(b);
  const Ref x = b.in(0);
  return Expansion(b.emit("Split", {&x, 1}, std::move(attributes), b.outputs()));
}

Expansion split_11(OpBuilder& b) {
  return rules::reissue(b, {b.in(0), b.attrs().given("split") ? ints_attribute(b, "split") : Ref{}}, {"split"});
}

Expansion split_13(OpBuilder& b) {
  if (b.has_input(1)) return rules::reissue(b);
  rules::next_version(b);
  const Ref x = b.in(0);
  return Expansion(
      b.emit("Split", {&x, 1}, {{"axis", b.attrs().integer("axis")}, {"num_outputs", b.outputs()}}, b.outputs()));
}

/// Operands that were attributes: the step works where their values are known.
Expansion not_constant(OpBuilder& b, std::string_view what) {
  return Expansion::refuse(fmt::format("{} with {} that only the run knows has no older form", b.op().name, what));
}

Expansion emit_older(OpBuilder& b, Attributes attributes) {
  rules::previous_version(b);
  const Ref x = b.in(0);
  return Expansion(b.emit(b.op().name, {&x, 1}, std::move(attributes), b.outputs()));
}

/// Axes from the front: versions below 11 know no negative ones. `room` is the number of axes that they are counted in.
Expansion axes_from_front(OpBuilder& b, std::string_view name, int64_t room) {
  Attributes attributes = b.attrs().all();
  std::vector<int64_t> axes;
  if (name == "axis")
    axes.push_back(b.attrs().integer("axis"));
  else
    for (const int64_t axis : b.attrs().integers(name)) axes.push_back(axis);
  for (int64_t& axis : axes) {
    if (axis >= 0) continue;
    if (!b.input(0).has_rank)
      return Expansion::refuse(
          fmt::format("{} with axes from the end of an unknown rank has no older form", b.op().name));
    axis += room;
  }
  std::ranges::sort(axes);
  if (name == "axis")
    attributes.set("axis", axes[0]);
  else if (!axes.empty())
    attributes.set("axes", axes);
  return emit_older(b, std::move(attributes));
}
Expansion flatten_11_to_9(OpBuilder& b) { return axes_from_front(b, "axis", b.input(0).rank()); }
Expansion squeeze_11_to_1(OpBuilder& b) { return axes_from_front(b, "axes", b.input(0).rank()); }
Expansion unsqueeze_11_to_1(OpBuilder& b) {
  return axes_from_front(b, "axes", b.input(0).rank() + static_cast<int64_t>(b.attrs().integers("axes").size()));
}

Expansion axes_13_to_11(OpBuilder& b) {
  if (!b.has_input(1)) return emit_older(b, {});
  const auto axes = rules::known_ints(b, 1);
  if (!axes) return not_constant(b, "axes");
  return emit_older(b, {{"axes", *axes}});
}

Expansion slice_10_to_1(OpBuilder& b) {
  std::optional<std::vector<int64_t>> values[5];
  for (int i = 1; i < 5; ++i) {
    if (!b.has_input(i)) continue;
    values[i] = rules::known_ints(b, i);
    if (!values[i]) return not_constant(b, "bounds");
  }
  if (values[4] && std::ranges::any_of(*values[4], [](int64_t step) { return step != 1; }))
    return Expansion::refuse("Slice with steps has no form below opset 10");
  Attributes attributes{{"starts", *values[1]}, {"ends", *values[2]}};
  if (values[3]) attributes.set("axes", *values[3]);
  return emit_older(b, std::move(attributes));
}

/// Version 10 says nothing of axes from the end.
Expansion slice_11_to_10(OpBuilder& b) {
  Ref operands[5];
  for (int i = 0; i < 5; ++i) {
    if (b.has_input(i)) operands[i] = b.in(i);
  }
  const auto axes = b.has_input(3) ? rules::known_ints(b, 3) : std::nullopt;
  if (axes && std::ranges::any_of(*axes, [](int64_t axis) { return axis < 0; })) {
    if (!b.input(0).has_rank)
      return Expansion::refuse("Slice with axes from the end of an unknown rank has no form in version 10");
    const std::vector<int> front = rules::normalize_axes(b, *axes, b.input(0).rank());
    const Shape count{static_cast<int64_t>(front.size())};
    if (b.input(3).dtype == DType::int64) {
      const std::vector<int64_t> list(front.begin(), front.end());
      operands[3] = b.constant(Value::of<int64_t>(count, std::span<const int64_t>(list)));
    } else {  // all bounds have one type
      const std::vector<int32_t> list(front.begin(), front.end());
      operands[3] = b.constant(Value::of<int32_t>(count, std::span<const int32_t>(list)));
    }
  }
  rules::previous_version(b);
  return Expansion(b.emit("Slice", operands, {}, 1));
}

Expansion pad_11_to_2(OpBuilder& b) {
  const auto pads = rules::known_ints(b, 1);
  if (!pads) return not_constant(b, "pads");
  const Value* fill = b.has_input(2) ? constant_of(b, 2) : nullptr;
  if (b.has_input(2) && (fill == nullptr || fill->numel() != 1)) return not_constant(b, "constant_value");
  if (!is_float(b.input(0).dtype)) return Expansion::refuse("Pad of integers has no form below opset 11");
  Attributes attributes{{"mode", b.attrs().string("mode")}, {"pads", *pads}};
  if (fill != nullptr) attributes.set("value", static_cast<float>(fill->to_doubles()[0]));
  return emit_older(b, std::move(attributes));
}

Expansion split_18_to_13(OpBuilder& b) {
  const Type& x = b.input(0);
  Ref lengths = b.has_input(1) ? b.in(1) : Ref{};
  if (!lengths) {
    if (!x.has_rank)
      return Expansion::refuse("Split-18 by num_outputs on an axis of unknown extent has no form in version 13");
    const Dim& d = x.dims[static_cast<size_t>(rules::normalize_axis(b, b.attrs().integer("axis"), x.rank()))];
    const int64_t parts = b.outputs();
    if (!d.is_number()) {
      return Expansion::refuse(
          "Split-18 by num_outputs on an axis of symbolic extent has no form in version 13 (its parts may differ)");
    }
    std::vector<int64_t> v(static_cast<size_t>(parts), (d.number() + parts - 1) / parts);
    v.back() = d.number() - v[0] * (parts - 1);
    lengths = b.ints(v);
  }
  const Ref inputs[] = {b.in(0), lengths};
  rules::previous_version(b);
  return Expansion(b.emit("Split", inputs, {{"axis", b.attrs().integer("axis")}}, b.outputs()));
}

Expansion slice_1(OpBuilder& b) {
  const Ref axes = b.attrs().given("axes") ? ints_attribute(b, "axes") : Ref{};
  return rules::reissue(b, {b.in(0), ints_attribute(b, "starts"), ints_attribute(b, "ends"), axes},
                        {"starts", "ends", "axes"});
}

Expansion axes_attribute(OpBuilder& b) {
  return rules::reissue(b, {b.in(0), b.attrs().given("axes") ? ints_attribute(b, "axes") : Ref{}}, {"axes"});
}

Expansion pad_1(OpBuilder& b) {
  const auto pads = b.attrs().integers("paddings");
  Attributes attributes{{"mode", b.attrs().string("mode", "constant")},
                        {"pads", std::vector<int64_t>(pads.begin(), pads.end())},
                        {"value", b.attrs().real("value")}};
  rules::next_version(b);
  const Ref x = b.in(0);
  return Expansion(b.emit("Pad", {&x, 1}, std::move(attributes), 1));
}

Expansion pad_2(OpBuilder& b) {
  Ref value = b.constant(Value::scalar<float>(b.attrs().real("value")));
  if (b.input(0).dtype != DType::float32) value = b.op("CastLike", {value, b.in(0)});
  return rules::reissue(b, {b.in(0), ints_attribute(b, "pads"), value}, {"pads", "value"});
}

Expansion pad_18_to_13(OpBuilder& b) {
  std::vector<Ref> inputs{b.in(0), b.in(1)};
  if (b.has_input(3)) {
    const auto axes = rules::known_ints(b, 3), pads = rules::known_ints(b, 1);
    if (!axes || !pads || !b.input(0).has_rank || pads->size() != 2 * axes->size()) {
      return Expansion::refuse("Pad-18 with axes that are not constant has no form in version 13");
    }
    const auto rank = static_cast<size_t>(b.input(0).rank());
    std::vector<int64_t> all(2 * rank, 0);
    const std::vector<int> at = rules::normalize_axes(b, *axes, static_cast<int>(rank));
    for (size_t i = 0; i < at.size(); ++i) {
      all[static_cast<size_t>(at[i])] = (*pads)[i];
      all[rank + static_cast<size_t>(at[i])] = (*pads)[i + at.size()];
    }
    inputs[1] = b.ints(all);
  }
  if (b.has_input(2)) inputs.push_back(b.in(2));
  rules::previous_version(b);
  return Expansion(b.emit("Pad", inputs, b.attrs().all(), 1));
}

Expansion pad_19_to_18(OpBuilder& b) {
  if (b.attrs().string("mode") == "wrap") return Expansion::refuse("Pad-19 with mode 'wrap' has no form in version 18");
  std::vector<Ref> inputs;
  for (int i = 0; i < b.inputs(); ++i) inputs.push_back(b.has_input(i) ? b.in(i) : Ref{});
  rules::previous_version(b);
  return Expansion(b.emit("Pad", inputs, b.attrs().all(), 1));
}

/// The last operand of Tile-1 names one axis, the other its number of repeats.
Expansion tile_1(OpBuilder& b) {
  const Value *tiles = constant_of(b, 1), *axis = constant_of(b, 2);
  if (tiles == nullptr || axis == nullptr || !b.input(0).has_rank) {
    return Expansion::refuse("Tile-1 with tiles or axis that are not constant has no form in version 6");
  }
  const int rank = b.input(0).rank(), at = rules::normalize_axis(b, axis->to_int64s().at(0), rank);
  std::vector<int64_t> repeats(static_cast<size_t>(rank), 1);
  repeats[static_cast<size_t>(at)] = tiles->to_int64s().at(0);
  return rules::reissue(b, {b.in(0), b.ints(repeats)}, {});
}

// Decompositions ----------------------------------------------------------------------------------------------------

/// Extents [first, last) of operand 0 as a tensor of rank 1.
Ref extents(OpBuilder& b, int64_t first, int64_t last) {
  return b.op("Shape", {b.in(0)}, {{"start", first}, {"end", last}});
}
Ref product_of(OpBuilder& b, Ref dims, int keep) { return b.op("ReduceProd", {dims}, {{"keepdims", keep}}); }

Expansion size_of_shape(OpBuilder& b) { return product_of(b, b.op("Shape", {b.in(0)}), 0); }

Expansion flatten_reshape(OpBuilder& b) {
  const int64_t axis = b.attrs().integer("axis", 1);
  const Ref front = b.op("Shape", {b.in(0)}, {{"start", 0}, {"end", axis}}),
            back = b.op("Shape", {b.in(0)}, {{"start", axis}});
  if (b.input(0).has_rank && axis == -b.input(0).rank()) {  // -rank is axis 0
    return b.op("Reshape", {b.in(0), b.op("Concat", {b.ints({1}), product_of(b, back, 1)}, {{"axis", 0}})},
                {{"allowzero", 1}});
  }
  return b.op("Reshape", {b.in(0), b.op("Concat", {product_of(b, front, 1), product_of(b, back, 1)}, {{"axis", 0}})},
              {{"allowzero", 1}});
}

Ref join(OpBuilder& b, std::initializer_list<Ref> parts) { return b.op("Concat", parts, {{"axis", 0}}); }
Ref reshape_to(OpBuilder& b, Ref x, Ref shape) { return b.op("Reshape", {x, shape}, {{"allowzero", 1}}); }
Ref permute(OpBuilder& b, Ref x, std::vector<int64_t> perm) {
  return b.op("Transpose", {x}, {{"perm", std::move(perm)}});
}

Expansion depth_to_space(OpBuilder& b) {
  const int64_t block = b.attrs().integer("blocksize");
  const bool crd = b.attrs().string("mode", "DCR") == "CRD";
  const Ref n = extents(b, 0, 1), hw = extents(b, 2, 4), sizes = b.ints({block, block});
  const Ref c = b.op("Div", {extents(b, 1, 2), b.ints({block * block})});
  const Ref six = reshape_to(b, b.in(0), crd ? join(b, {n, c, sizes, hw}) : join(b, {n, sizes, c, hw}));
  const Ref moved =
      permute(b, six, crd ? std::vector<int64_t>{0, 1, 4, 2, 5, 3} : std::vector<int64_t>{0, 3, 4, 1, 5, 2});
  return reshape_to(b, moved, join(b, {n, c, b.op("Mul", {hw, sizes})}));
}

Expansion space_to_depth(OpBuilder& b) {
  const int64_t block = b.attrs().integer("blocksize");
  const bool crd = b.attrs().string("mode", "DCR") == "CRD";
  const Ref n = extents(b, 0, 1), c = extents(b, 1, 2), size = b.ints({block});
  const Ref h = b.op("Div", {extents(b, 2, 3), size}), w = b.op("Div", {extents(b, 3, 4), size});
  const Ref six = reshape_to(b, b.in(0), join(b, {n, c, h, size, w, size}));
  const Ref moved =
      permute(b, six, crd ? std::vector<int64_t>{0, 1, 3, 5, 2, 4} : std::vector<int64_t>{0, 3, 5, 1, 2, 4});
  return reshape_to(b, moved, join(b, {n, b.op("Mul", {c, b.ints({block * block})}), h, w}));
}

// Rows --------------------------------------------------------------------------------------------------------------

constexpr Hint kView[] = {{0, 0, Alias::is_view}};
constexpr Hint kOverwrite[] = {{0, 0, Alias::may_overwrite}};

constexpr Version kReshape[] = {
    {1, "(T data) -> (T reshaped) {consumed_inputs: ints, shape: ints}; T = ieee", reshape_1},
    {5, "(T data, @i64 shape) -> (T reshaped); T = all"},
    {13, "(T data, @i64 shape) -> (T reshaped); T = all13"},
    {14, "(T data, @i64 shape) -> (T reshaped) {allowzero: int = 0}; T = all13"},
    {19, "(T data, @i64 shape) -> (T reshaped) {allowzero: int = 0}; T = all19"},
    {21, "(T data, @i64 shape) -> (T reshaped) {allowzero: int = 0}; T = all21"},
    {23, "(T data, @i64 shape) -> (T reshaped) {allowzero: int = 0}; T = all23"},
    {24, "(T data, @i64 shape) -> (T reshaped) {allowzero: int = 0}; T = all24"},
    {25, "(T data, @i64 shape) -> (T reshaped) {allowzero: int = 0}; T = all25"},
};
constexpr Version kFlatten[] = {
    {1, "(T input) -> (T output) {axis: int = 1}; T = ieee"},
    {9, "(T input) -> (T output) {axis: int = 1}; T = all", nullptr, flatten_11_to_9},
    {11, "(T input) -> (T output) {axis: int = 1}; T = all"},
    {13, "(T input) -> (T output) {axis: int = 1}; T = all13"},
    {21, "(T input) -> (T output) {axis: int = 1}; T = all21"},
    {23, "(T input) -> (T output) {axis: int = 1}; T = all23"},
    {24, "(T input) -> (T output) {axis: int = 1}; T = all24"},
    {25, "(T input) -> (T output) {axis: int = 1}; T = all25"},
};
constexpr Version kSqueeze[] = {
    {1, "(T data) -> (T squeezed) {axes: ints}; T = all", nullptr, squeeze_11_to_1},
    {11, "(T data) -> (T squeezed) {axes: ints}; T = all", axes_attribute, axes_13_to_11},
    {13, "(T data, @i64? axes) -> (T squeezed); T = all13"},
    {21, "(T data, @i64? axes) -> (T squeezed); T = all21"},
    {23, "(T data, @i64? axes) -> (T squeezed); T = all23"},
    {24, "(T data, @i64? axes) -> (T squeezed); T = all24"},
    {25, "(T data, @i64? axes) -> (T squeezed); T = all25"},
};
constexpr Version kUnsqueeze[] = {
    {1, "(T data) -> (T expanded) {axes: ints!}; T = all", nullptr, unsqueeze_11_to_1},
    {11, "(T data) -> (T expanded) {axes: ints!}; T = all", axes_attribute, axes_13_to_11},
    {13, "(T data, @i64 axes) -> (T expanded); T = all13"},
    {21, "(T data, @i64 axes) -> (T expanded); T = all21"},
    {23, "(T data, @i64 axes) -> (T expanded); T = all23"},
    {24, "(T data, @i64 axes) -> (T expanded); T = all24"},
    {25, "(T data, @i64 axes) -> (T expanded); T = all25"},
};
constexpr Version kShape[] = {
    {1, "(T data) -> (T1 shape); T = all; T1 = i64"},
    {13, "(T data) -> (T1 shape); T = all13; T1 = i64"},
    {15, "(T data) -> (T1 shape) {end: int, start: int = 0}; T = all13; T1 = i64"},
    {19, "(T data) -> (T1 shape) {end: int, start: int = 0}; T = all19; T1 = i64"},
    {21, "(T data) -> (T1 shape) {end: int, start: int = 0}; T = all21; T1 = i64"},
    {23, "(T data) -> (T1 shape) {end: int, start: int = 0}; T = all23; T1 = i64"},
    {24, "(T data) -> (T1 shape) {end: int, start: int = 0}; T = all24; T1 = i64"},
    {25, "(T data) -> (T1 shape) {end: int, start: int = 0}; T = all25; T1 = i64"},
};
constexpr Version kSize[] = {
    {1, "(T data) -> (T1 size); T = all; T1 = i64"},    {13, "(T data) -> (T1 size); T = all13; T1 = i64"},
    {19, "(T data) -> (T1 size); T = all19; T1 = i64"}, {21, "(T data) -> (T1 size); T = all21; T1 = i64"},
    {23, "(T data) -> (T1 size); T = all23; T1 = i64"}, {24, "(T data) -> (T1 size); T = all24; T1 = i64"},
    {25, "(T data) -> (T1 size); T = all25; T1 = i64"},
};
constexpr Version kTranspose[] = {
    {1, "(T data) -> (T transposed) {perm: ints}; T = all"},
    {13, "(T data) -> (T transposed) {perm: ints}; T = all13"},
    {21, "(T data) -> (T transposed) {perm: ints}; T = all21"},
    {23, "(T data) -> (T transposed) {perm: ints}; T = all23"},
    {24, "(T data) -> (T transposed) {perm: ints}; T = all24"},
    {25, "(T data) -> (T transposed) {perm: ints}; T = all25"},
};
constexpr Version kConcat[] = {
    {1, "(T+ inputs) -> (T concat_result) {axis: int}; T = ieee", concat_1},
    {4, "(T+ inputs) -> (T concat_result) {axis: int!}; T = all"},
    {11, "(T+ inputs) -> (T concat_result) {axis: int!}; T = all"},
    {13, "(T+ inputs) -> (T concat_result) {axis: int!}; T = all13"},
};
constexpr Version kSplit[] = {
    {1, "(T input, @T? split) -> (T+ outputs...) {axis: int, split: ints}; T = ieee", split_1},
    {2, "(T input) -> (T+ outputs) {axis: int = 0, split: ints}; T = all"},
    {11, "(T input) -> (T+ outputs) {axis: int = 0, split: ints}; T = all", split_11},
    {13, "(T input, @i64? split) -> (T+ outputs) {axis: int = 0}; T = all13", split_13, split_18_to_13},
    {18, "(T input, @i64? split) -> (T+ outputs) {axis: int = 0, num_outputs: int}; T = all13"},
};
constexpr Version kSlice[] = {
    {1, "(T data) -> (T output) {axes: ints, ends: ints!, starts: ints!}; T = all", slice_1, slice_10_to_1},
    {10, "(T data, @Tind starts, @Tind ends, @Tind? axes, @Tind? steps) -> (T output); T = all; Tind = i32 i64",
     nullptr, slice_11_to_10},
    {11, "(T data, @Tind starts, @Tind ends, @Tind? axes, @Tind? steps) -> (T output); T = all; Tind = i32 i64"},
    {13, "(T data, @Tind starts, @Tind ends, @Tind? axes, @Tind? steps) -> (T output); T = all13; Tind = i32 i64"},
};
constexpr Version kExpand[] = {
    {8, "(T input, @i64 shape) -> (T output); T = all"},
    {13, "(T input, @i64 shape) -> (T output); T = all13"},
};
constexpr Version kTile[] = {
    {1, "(T input, @T tiles, @T axis) -> (T output); T = ieee; T1 = i64", tile_1},
    {6, "(T input, @T1 repeats) -> (T output); T = all; T1 = i64"},
    {13, "(T input, @T1 repeats) -> (T output); T = all13; T1 = i64"},
};
constexpr Version kPad[] = {
    {1, "(T data) -> (T output) {mode: string = 'constant', paddings: ints!, value: float = 0.0}; T = ieee", pad_1},
    {2, "(T data) -> (T output) {mode: string = 'constant', pads: ints!, value: float = 0.0}; T = ieee", pad_2,
     pad_11_to_2},
    {11, "(T data, @i64 pads, T? constant_value) -> (T output) {mode: string = 'constant'}; T = num"},
    {13, "(T data, @i64 pads, T? constant_value) -> (T output) {mode: string = 'constant'}; T = all13", nullptr,
     pad_18_to_13},
    {18,
     "(T data, @i64 pads, T? constant_value, @Tind? axes) -> (T output) {mode: string = 'constant'}; T = all13; Tind "
     "= i32 i64",
     nullptr, pad_19_to_18},
    {19,
     "(T data, @i64 pads, T? constant_value, @Tind? axes) -> (T output) {mode: string = 'constant'}; T = all13; Tind "
     "= i32 i64"},
    {21,
     "(T data, @i64 pads, T? constant_value, @Tind? axes) -> (T output) {mode: string = 'constant'}; T = all21; Tind "
     "= i32 i64"},
    {23,
     "(T data, @i64 pads, T? constant_value, @Tind? axes) -> (T output) {mode: string = 'constant'}; T = all23; Tind "
     "= i32 i64"},
    {24,
     "(T data, @i64 pads, T? constant_value, @Tind? axes) -> (T output) {mode: string = 'constant'}; T = all24; Tind "
     "= i32 i64"},
    {25,
     "(T data, @i64 pads, T? constant_value, @Tind? axes) -> (T output) {mode: string = 'constant'}; T = all25; Tind "
     "= i32 i64"},
};
constexpr Version kDepthToSpace[] = {
    {1, "(T input) -> (T output) {blocksize: int!}; T = all"},
    {11, "(T input) -> (T output) {blocksize: int!, mode: string = 'DCR'}; T = all"},
    {13, "(T input) -> (T output) {blocksize: int!, mode: string = 'DCR'}; T = all13"},
    {28, "(T input) -> (T output) {blocksize: int!, mode: string = 'DCR'}; T = all13"},
};
constexpr Version kSpaceToDepth[] = {
    {1, "(T input) -> (T output) {blocksize: int!}; T = all"},
    {13, "(T input) -> (T output) {blocksize: int!}; T = all13"},
    {28, "(T input) -> (T output) {blocksize: int!, mode: string = 'DCR'}; T = all13"},
};
constexpr Version kReverseSequence[] = {
    {10, "(T input, i64 sequence_lens) -> (T Y) {batch_axis: int = 1, time_axis: int = 0}; T = all"},
    {28, "(T input, i64 sequence_lens) -> (T Y) {batch_axis: int = 1, time_axis: int = 0}; T = all13"},
};
constexpr Version kTrilu[] = {
    {14, "(T input, i64? k) -> (T output) {upper: int = 1}; T = all13"},
};

constexpr OpDef kTable[] = {
    row({.name = "Reshape",
         .api = {"reshape"},
         .versions = kReshape,
         .infer = infer_reshape,
         .value = rules::value_same,
         .aliases = kView,
         .meaning = Primitive{"a new shape for the same memory"},
         .cost = cost_free,
         .grid = "f32[2,3,4] i64{4,6}; f32[2,3,4] i64{0,-1}; f32[2,3,4] i64{-1}; f32[0,3] i64{3,0} allowzero=1; "
                 "f32[1] i64{}; str[2,3] i64{3,2}; i4[3,5] i64{15}; f16[] i64{1,1}",
         .doc = "The elements of `data` in row-major order under a new shape. 0 in `shape` copies the extent at that "
                "place (with allowzero=1 it means an extent of zero), one -1 is inferred from the number of "
                "elements. data [...]; shape [r] int64; result of rank r."}),
    row({.name = "Flatten",
         .api = {"flatten"},
         .versions = kFlatten,
         .infer = infer_flatten,
         .value = rules::value_same,
         .aliases = kView,
         .meaning = Decompose{flatten_reshape},
         .cost = cost_free,
         .grid = "f32[2,3,4]; f32[2,3,4] axis=0; f32[2,3,4] axis=3; f32[2,3,4] axis=-1; f32[2,3,4] axis=-3; f32[]  "
                 "axis=0; f32[0,3]; i8[2,2] axis=1",
         .doc = "A matrix [d0*...*d(axis-1), d(axis)*...]: the axes before `axis` (default 1, in [-r, r]) become "
                "rows, the others columns."}),
    row({.name = "Squeeze",
         .api = {"squeeze"},
         .versions = kSqueeze,
         .infer = infer_squeeze,
         .value = rules::value_same,
         .aliases = kView,
         .meaning = Primitive{"a new shape for the same memory"},
         .cost = cost_free,
         .grid = "f32[1,3,1,2]; f32[1,3,1,2] i64{0}; f32[1,3,1,2] i64{-2,0}; f32[2,3]; f32[1]; str[1,2] i64{0}; "
                 "f32[1,3,1] axes=[0] v=11; f32[0,1] i64{1}",
         .doc = "Removes axes of extent 1: those in `axes` (negative ones count from the end), or all of them when "
                "`axes` is omitted."}),
    row({.name = "Unsqueeze",
         .api = {"unsqueeze"},
         .versions = kUnsqueeze,
         .infer = infer_unsqueeze,
         .value = rules::value_same,
         .aliases = kView,
         .meaning = Primitive{"a new shape for the same memory"},
         .cost = cost_free,
         .grid = "f32[3,2] i64{0}; f32[3,2] i64{-1}; f32[3,2] i64{3,0}; f32[] i64{0}; str[2] i64{1}; f32[3] "
                 "axes=[0,2] v=11; f32[0] i64{0}",
         .doc = "Inserts axes of extent 1 so that they stand at the positions `axes` of the result (negative ones "
                "count from its end)."}),
    row({.name = "Shape",
         .api = {"shape"},
         .versions = kShape,
         .infer = infer_shape,
         .value = value_shape,
         .gradient = NoGradient{"a shape does not depend on the elements"},
         .meaning = Primitive{"reads a shape"},
         .cost = cost_free,
         .grid = "f32[2,3,4]; f32[]; f32[2,3,4] start=1; f32[2,3,4] start=-2 end=-1; f32[2,3,4] start=5; f32[2,3,4] "
                 "end=-9; str[2,0]",
         .doc = "The extents of `data` as int64 [end - start]; start (default 0) and end (default: rank) may be "
                "negative and are clamped to [0, rank]."}),
    row({.name = "Size",
         .api = {"size"},
         .versions = kSize,
         .infer = infer_size,
         .value = value_size,
         .gradient = NoGradient{"a size does not depend on the elements"},
         .meaning = Decompose{size_of_shape},
         .cost = cost_free,
         .grid = "f32[2,3,4]; f32[]; f32[0,5]; str[3]; bool[7]",
         .doc = "The number of elements of `data` as an int64 scalar."}),
    row({.name = "Transpose",
         .api = {"transpose"},
         .versions = kTranspose,
         .infer = infer_transpose,
         .value = value_transpose,
         .layout = Layout::moves_axes,
         .meaning = Primitive{"the basic permutation of axes"},
         .cost = cost_traffic,
         .grid = "f32[2,3,4]; f32[2,3,4] perm=[0,2,1]; f32[2,3,4] perm=[1,0,2]; f32[]; f32[3,0,2] perm=[2,0,1]; "
                 "str[2,3]; i4[3,5]; c128[2,3]; bool[2,2,2,2] perm=[3,1,0,2]",
         .doc = "Permutes the axes: axis i of the result is axis perm[i] of `data`; without `perm` the order is "
                "reversed."}),
    row({.name = "Concat",
         .api = {"concat"},
         .versions = kConcat,
         .infer = infer_concat,
         .value = value_concat,
         .layout = Layout::follows_axes,
         .meaning = Primitive{"the basic joining of memory"},
         .cost = cost_traffic,
         .grid = "f32[2,3] f32[2,1] axis=1; f32[2,3] f32[4,3] f32[0,3] axis=0; f32[2,3] axis=-1; i64{1,2} i64{3} "
                 "axis=0; str[2,2] str[2,1] axis=1; f16[1,2,3] f16[1,2,3] axis=-2; f32[1,2] f32[1,3] v=1",
         .doc = "Joins tensors along `axis`; all other extents are equal. Extent of the result there: the sum."}),
    row({.name = "Split",
         .api = {"split"},
         .versions = kSplit,
         .infer = infer_split,
         .value = value_split,
         .layout = Layout::follows_axes,
         .meaning = Primitive{"several results: parts of memory"},
         .cost = cost_traffic,
         .grid = "f32[6,2] num_outputs=3 out=3; f32[7,2] num_outputs=3 out=3; f32[2,5] i64{2,3} axis=1 out=2; "
                 "f32[2,5] i64{0,5} axis=-1 out=2; str[4] num_outputs=2 out=2; f32[4] split=[1,3] v=11 out=2; f32[4] "
                 "v=13 out=2; f32[0] num_outputs=2 out=2",
         .doc = "Cuts `input` along `axis` into the lengths `split`, or into num_outputs parts of ceil(d / "
                "num_outputs), the last one smaller."}),
    row({.name = "Slice",
         .api = {"slice"},
         .versions = kSlice,
         .infer = infer_slice,
         .value = value_slice,
         .layout = Layout::follows_axes,
         .meaning = Primitive{"the basic choice of a part"},
         .cost = cost_traffic,
         .grid = "f32[5,6] i64{1,0} i64{4,6} i64{0,1} i64{1,2}; f32[5,6] i64{-1} i64{-9223372036854775807} i64{0} "
                 "i64{-1}; f32[5] i64{0} i64{9223372036854775807}; f32[5,6] i32{-3} i32{2147483647} i32{-1}; f32[5] "
                 "i64{3} i64{1}; f32[0,3] i64{0} i64{1} i64{0} i64{-1}; str[4] i64{1} i64{3}; f32[5,6] starts=[1] "
                 "ends=[3] axes=[1] v=1; i4[7] i64{6} i64{0} i64{0} i64{-3}",
         .doc = "Every steps[i]-th element of axis axes[i] from starts[i] to ends[i] (not included), clamped as "
                "NumPy does it; negative indices count from the end, negative steps go backwards. Defaults: axes 0, "
                "1, ..., steps 1."}),
    row({.name = "Expand",
         .api = {"expand"},
         .versions = kExpand,
         .infer = infer_expand,
         .value = value_expand,
         .layout = Layout::follows_axes,
         .meaning = Primitive{"the basic repetition of memory"},
         .cost = cost_traffic,
         .grid = "f32[3,1] i64{2,1,6}; f32[3,1] i64{3,4}; f32[] i64{2,3}; f32[2,3] i64{1}; f32[1,3] i64{0,3}; str[1] "
                 "i64{3}; bool[2,1] i64{2}; u4[3,1] i64{3,3}",
         .doc = "Broadcasts `input` with `shape` in both directions, as NumPy: an extent of 1 on either side takes "
                "the other's."}),
    row({.name = "Tile",
         .api = {"tile"},
         .versions = kTile,
         .infer = infer_tile,
         .value = value_tile,
         .layout = Layout::follows_axes,
         .meaning = Primitive{"the basic repetition along an axis"},
         .cost = cost_traffic,
         .grid = "f32[2,3] i64{2,1}; f32[2,3] i64{1,3}; f32[2,3] i64{0,2}; f32[] i64{}; str[2] i64{2}; f32[2,2,2] "
                 "i64{2,2,2}; f32[2,3] f32(2.0) f32(1.0) v=1",
         .doc = "Repeats `input` repeats[i] times along axis i: result extent d_i * repeats[i]."}),
    row({.name = "Pad",
         .api = {"pad"},
         .versions = kPad,
         .infer = infer_pad,
         .layout = Layout::follows_axes,
         .meaning = Primitive{"the basic framing of memory"},
         .cost = cost_traffic,
         .grid = "f32[2,3] i64{0,1,1,2} f32(1.5); f32[2,3] i64{1,1,0,2} mode='reflect'; f32[2,3] i64{1,2,2,0} "
                 "mode='edge'; f32[2,3] i64{3,4,1,5} mode='wrap'; f32[2,3,4] i64{1,2} - i64{-2} mode='constant'; "
                 "f32[4] i64{-1,-2}; str[2] i64{1,1}; f32[2,3] pads=[0,1,0,1] value=2.0 v=2; f32[] i64{}; i64[3] "
                 "i64{7,7} mode='reflect'; f32[0] i64{1,2}",
         .doc = "Adds pads[i] elements before and pads[i + n] behind axis axes[i] (all axes by default); negative "
                "numbers cut. mode constant: constant_value (default 0); reflect: mirrored without the border "
                "element; edge: the border element; wrap: periodic."}),
    row({.name = "DepthToSpace",
         .api = {"depth_to_space"},
         .versions = kDepthToSpace,
         .infer = infer_depth_to_space,
         .meaning = Decompose{depth_to_space},
         .cost = cost_traffic,
         .grid = "f32[1,8,2,3] blocksize=2; f32[2,8,2,3] blocksize=2 mode='CRD'; f32[1,9,1,1] blocksize=3; "
                 "f32[0,4,2,2] blocksize=2; i8[1,4,2,2] blocksize=1",
         .doc = "Moves channels into blocks of blocksize x blocksize pixels: [N, C, H, W] -> [N, C/b^2, H*b, W*b]. "
                "Channel order DCR: (row, column, c); CRD: (c, row, column)."}),
    row({.name = "SpaceToDepth",
         .api = {"space_to_depth"},
         .versions = kSpaceToDepth,
         .infer = infer_space_to_depth,
         .meaning = Decompose{space_to_depth},
         .cost = cost_traffic,
         .grid = "f32[1,2,4,6] blocksize=2; f32[2,2,4,6] blocksize=2 mode='CRD'; f32[1,1,3,3] blocksize=3; "
                 "f32[1,2,0,4] blocksize=2; u16[1,2,2,2] blocksize=1; f32[1,2,4,2] blocksize=2 v=1",
         .doc = "Moves blocks of blocksize x blocksize pixels into channels: [N, C, H, W] -> [N, C*b^2, H/b, W/b]; "
                "the inverse of DepthToSpace."}),
    row({.name = "ReverseSequence",
         .api = {"reverse_sequence"},
         .versions = kReverseSequence,
         .infer = infer_reverse_sequence,
         .meaning = Primitive{"a different permutation per sample"},
         .cost = cost_traffic,
         .grid = "f32[4,4] i64{4,3,2,1}; f32[4,4] i64{1,2,3,4} time_axis=1 batch_axis=0; f32[3,2,5] i64{3,2}; "
                 "str[2,2] i64{2,1}",
         .doc = "Reverses the first sequence_lens[i] steps of sample i, the rest stays. One of batch_axis and "
                "time_axis is 0, the other 1."}),
    row({.name = "Trilu",
         .api = {"trilu"},
         .versions = kTrilu,
         .infer = infer_trilu,
         .layout = Layout::opaque,
         .aliases = kOverwrite,
         .meaning = Primitive{"a mask by position"},
         .cost = cost_traffic,
         .grid = "f32[3,4]; f32[3,4] upper=0; f32[3,4] i64(1); f32[2,3,4] i64(-1) upper=0; f32[3,3] i64(9); f32[0,3]; "
                 "bool[3,3]; i64[2,3] i64(-9223372036854775807) upper=0",
         .doc = "Keeps the upper (upper=1) or lower triangle of the matrices in the last two axes, zeros elsewhere; "
                "k > 0 moves the diagonal right."}),
};

}  // namespace

std::span<const OpDef> families::movement_ops() {
  static constexpr auto kAll = gradients::differentiable(kTable, gradients::kMovement);
  return chosen<kAll>();
}

}  // namespace chorus
