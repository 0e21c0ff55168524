// Normalisations over batch, instance, group, layer and neighbours; softmax.
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/rules.h>
#include <ops/table.h>

#include <fmt/format.h>

#include <climits>

namespace chorus::families {
namespace {

using namespace rules;

// Shape rules --------------------------------------------------------------------------------------------------------------------

void infer_axis(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  // A scalar has one line of one element.
  if (x.has_rank && x.rank() > 0) normalize_axis(ctx, ctx.attrs().integer("axis", -1), x.rank());
  infer_same(ctx);
}

void infer_old_softmax_or_axis(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  const int64_t axis = ctx.attrs().integer("axis", -1);
  // Below opset 13 `axis` is where the tensor is cut into a matrix: the rank itself is allowed.
  if (ctx.attrs().schema().since < 13 && x.has_rank && axis == x.rank()) return infer_same(ctx);
  infer_axis(ctx);
}

void infer_lp(ShapeContext& ctx) {
  const int64_t p = ctx.attrs().integer("p", 2);
  if (p != 1 && p != 2) ctx.fail(Code::bad_input, fmt::format("p {} is neither 1 nor 2", p));
  infer_axis(ctx);
}

void infer_mean_variance(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  if (x.has_rank) normalize_axes(ctx, ctx.attrs().integers("axes"), x.rank(), "axes");
  infer_same(ctx);
}

void infer_lrn(ShapeContext& ctx) {
  require_rank_at_least(ctx, 0, 2);
  if (ctx.attrs().integer("size") < 1)
    ctx.fail(Code::bad_input, fmt::format("size {} is not positive", ctx.attrs().integer("size")));
  infer_same(ctx);
}

Dim channels_of(const Type& x) { return x.rank() > 1 ? x.dims[1] : x.has_rank ? Dim(1) : Dim(); }

/// Operand i is a vector of one number per channel.
void require_per_channel(ShapeContext& ctx, int i, const Dim& channels, std::string_view what) {
  tensor_input(ctx, i);
  require_rank(ctx, i, 1);
  if (ctx.input(i).has_rank) ctx.require_equal(ctx.input(i).dims[0], channels, fmt::format("{} and channels", what));
}

void infer_batch(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  if (ctx.attrs().integer("spatial", 1) != 0) {
    const std::string_view names[] = {"scale", "B", "mean", "var"};
    for (int i = 1; i < 5; ++i) require_per_channel(ctx, i, channels_of(x), names[i - 1]);
  }
  ctx.set_output(0, x);
  for (int i = 1; i < ctx.outputs(); ++i) {
    const Type& like = tensor_input(ctx, i % 2 == 1 ? 3 : 4);
    ctx.set_output(i, like);
  }
}

void infer_instance(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  require_rank_at_least(ctx, 0, 2);
  require_per_channel(ctx, 1, channels_of(x), "scale");
  require_per_channel(ctx, 2, channels_of(x), "B");
  infer_same(ctx);
}

void infer_group(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  require_rank_at_least(ctx, 0, 2);
  const int64_t groups = ctx.attrs().integer("num_groups");
  if (groups < 1) ctx.fail(Code::bad_input, fmt::format("num_groups {} is not positive", groups));
  const Dim channels = channels_of(x);
  if (channels.is_number() && channels.number() % groups != 0) {
    ctx.fail(Code::shape, fmt::format("{} channels do not make {} groups", channels.number(), groups),
             "let num_groups divide the channels");
  }
  const Dim each = ctx.attrs().schema().since < 21 ? Dim(groups) : channels;
  require_per_channel(ctx, 1, each, "scale");
  require_per_channel(ctx, 2, each, "bias");
  infer_same(ctx);
}

void infer_layer(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  const bool bfloat = ctx.attrs().integer("stash_type", 1) == static_cast<int64_t>(DType::bfloat16);
  Type statistics = Type::tensor(bfloat ? DType::bfloat16 : DType::float32);
  if (x.has_rank) {
    const int axis = normalize_axis(ctx, ctx.attrs().integer("axis", -1), x.rank());
    for (int i = 1; i < 3; ++i) {
      if (ctx.has_input(i) && ctx.input(i).has_rank)
        require_broadcasts_to(ctx, ctx.input(i).dims, x.dims, i == 1 ? "Scale" : "B");
    }
    statistics = Type::tensor(statistics.dtype, x.dims);
    for (size_t i = static_cast<size_t>(axis); i < x.dims.size(); ++i) statistics.dims[i] = 1;
  }
  for (int i = 1; i < ctx.outputs(); ++i) ctx.set_output(i, statistics);
  infer_same(ctx);
}

void infer_rms(ShapeContext& ctx) {
  Type y = tensor_input(ctx, 0);
  const Type& scale = tensor_input(ctx, 1);
  if (y.has_rank) {
    normalize_axis(ctx, ctx.attrs().integer("axis", -1), y.rank());
    if (scale.has_rank) require_broadcasts_to(ctx, scale.dims, y.dims, "scale");
  }
  y.dtype = scale.dtype;
  ctx.set_output(0, std::move(y));
}

// Meanings by simpler operators --------------------------------------------------------------------------------------------------

Ref cast(OpBuilder& b, Ref x, DType to) { return b.op("Cast", {x}, {{"to", static_cast<int64_t>(to)}}); }

bool is_narrow(DType t) { return t == DType::float16 || t == DType::bfloat16; }
/// 16-bit floats are computed in float32.
Ref wide(OpBuilder& b, Ref x) { return is_narrow(b.type_of(x).dtype) ? cast(b, x, DType::float32) : x; }
Ref narrow(OpBuilder& b, Ref x, Ref like) {
  return is_narrow(b.type_of(like).dtype) ? cast(b, x, b.type_of(like).dtype) : x;
}

Ref reduce(OpBuilder& b, std::string_view op, Ref x, std::span<const int64_t> axes) {
  return b.op(op, {x, b.ints(axes)}, {{"keepdims", 1}, {"noop_with_empty_axes", 1}});
}
Ref reduce(OpBuilder& b, std::string_view op, Ref x, std::initializer_list<int64_t> axes) {
  return reduce(b, op, x, std::span<const int64_t>(axes.begin(), axes.size()));
}

struct Standardized {
  Ref mean, variance, inverse, value;
};
Standardized standardize(OpBuilder& b, Ref x, std::span<const int64_t> axes, double epsilon) {
  Standardized s;
  s.mean = reduce(b, "ReduceMean", x, axes);
  const Ref left = b.op("Sub", {x, s.mean});
  s.variance = reduce(b, "ReduceMean", b.op("Mul", {left, left}), axes);
  s.inverse = b.op("Reciprocal", {b.op("Sqrt", {b.op("Add", {s.variance, scalar_like(b, x, epsilon)})})});
  s.value = b.op("Mul", {left, s.inverse});
  return s;
}

/// A vector along axis 1 of a tensor of this rank.
Ref along_channels(OpBuilder& b, Ref v, int rank) {
  std::vector<int64_t> axes;
  for (int i = 1; i + 1 < rank; ++i) axes.push_back(i);
  return axes.empty() ? v : b.op("Unsqueeze", {v, b.ints(axes)});
}

Expansion no_rank(OpBuilder& b) {
  return Expansion::refuse(fmt::format("{} of unknown rank has no expansion", b.op().name));
}

Expansion batch_meaning(OpBuilder& b) {
  const int rank = b.input(0).rank();
  if (rank < 2) return no_rank(b);
  const double epsilon = b.attrs().real("epsilon", 1e-5F), momentum = b.attrs().real("momentum", 0.9F);
  const bool training = b.attrs().integer("training_mode") != 0;
  // All in the widest of the operands' types.
  DType type = DType::float32;
  for (int i = 0; i < 5; ++i) {
    if (b.input(i).dtype == DType::float64) type = DType::float64;
  }
  const auto operand = [&](int i) { return b.input(i).dtype == type ? b.in(i) : cast(b, b.in(i), type); };
  const Ref x = operand(0);
  Ref mean = operand(3), variance = operand(4), running_mean, running_variance;
  if (training) {
    std::vector<int64_t> axes{0};
    for (int i = 2; i < rank; ++i) axes.push_back(i);
    const Standardized s = standardize(b, x, axes, epsilon);
    const Ref now_mean = b.op("Squeeze", {s.mean, b.ints(axes)}),
              now_variance = b.op("Squeeze", {s.variance, b.ints(axes)});
    const auto mixed = [&](Ref old, Ref now, Ref like) {
      const Ref sum = b.op(
          "Add", {b.op("Mul", {old, scalar(b, type, momentum)}), b.op("Mul", {now, scalar(b, type, 1 - momentum)})});
      return b.op("CastLike", {sum, like});
    };
    running_mean = mixed(mean, now_mean, b.in(3));
    running_variance = mixed(variance, now_variance, b.in(4));
    mean = now_mean;
    variance = now_variance;
  }
  const auto aligned = [&](Ref v) { return along_channels(b, v, rank); };
  const Ref deviation = b.op("Sqrt", {b.op("Add", {aligned(variance), scalar(b, type, epsilon)})});
  const Ref standard = b.op("Div", {b.op("Sub", {x, aligned(mean)}), deviation});
  Ref y = b.op("Add", {b.op("Mul", {standard, aligned(operand(1))}), aligned(operand(2))});
  if (b.input(0).dtype != type) y = b.op("CastLike", {y, b.in(0)});
  std::vector<Ref> outputs{y};
  if (b.outputs() > 1) outputs.push_back(running_mean);
  if (b.outputs() > 2) outputs.push_back(running_variance);
  return Expansion(std::move(outputs));
}

Ref scale_channels(OpBuilder& b, Ref value, int rank) {
  const Ref scale = along_channels(b, wide(b, b.in(1)), rank), bias = along_channels(b, wide(b, b.in(2)), rank);
  return narrow(b, b.op("Add", {b.op("Mul", {value, scale}), bias}), b.in(0));
}

Expansion instance_meaning(OpBuilder& b) {
  const int rank = b.input(0).rank();
  if (rank < 2) return no_rank(b);
  std::vector<int64_t> axes;
  for (int i = 2; i < rank; ++i) axes.push_back(i);
  return scale_channels(b, standardize(b, wide(b, b.in(0)), axes, b.attrs().real("epsilon", 1e-5F)).value, rank);
}

Expansion group_meaning(OpBuilder& b) {
  const int rank = b.input(0).rank();
  if (rank < 2) return no_rank(b);
  const Ref x = wide(b, b.in(0));
  const Ref grouped = b.op("Reshape", {x, b.ints({0, b.attrs().integer("num_groups"), -1})});
  const int64_t axes[] = {2};
  const Ref value = standardize(b, grouped, axes, b.attrs().real("epsilon", 1e-5F)).value;
  return scale_channels(b, b.op("Reshape", {value, b.op("Shape", {x})}, {{"allowzero", 1}}), rank);
}

/// The axes from attribute `axis` to the last.
std::vector<int64_t> last_axes(OpBuilder& b) {
  std::vector<int64_t> axes;
  for (int i = normalize_axis(b, b.attrs().integer("axis", -1), b.input(0).rank()); i < b.input(0).rank(); ++i)
    axes.push_back(i);
  return axes;
}

Expansion layer_meaning(OpBuilder& b) {
  if (!b.input(0).has_rank) return no_rank(b);
  const Standardized s = standardize(b, wide(b, b.in(0)), last_axes(b), b.attrs().real("epsilon", 1e-5F));
  Ref y = b.op("Mul", {s.value, wide(b, b.in(1))});
  if (b.has_input(2)) y = b.op("Add", {y, wide(b, b.in(2))});
  const bool bfloat = b.attrs().integer("stash_type", 1) == static_cast<int64_t>(DType::bfloat16);
  const DType stash = bfloat ? DType::bfloat16 : DType::float32;
  std::vector<Ref> outputs{narrow(b, y, b.in(0))};
  if (b.outputs() > 1) outputs.push_back(cast(b, s.mean, stash));
  if (b.outputs() > 2) outputs.push_back(cast(b, s.inverse, stash));
  return Expansion(std::move(outputs));
}

Expansion rms_meaning(OpBuilder& b) {
  if (!b.input(0).has_rank) return no_rank(b);
  const Ref x = wide(b, b.in(0));
  const Ref mean = reduce(b, "ReduceMean", b.op("Mul", {x, x}), last_axes(b));
  const Ref root = b.op("Sqrt", {b.op("Add", {mean, scalar_like(b, x, b.attrs().real("epsilon", 1e-5F))})});
  return b.op("Mul", {b.op("CastLike", {b.op("Div", {x, root}), b.in(1)}), b.in(1)});
}

Expansion lrn_meaning(OpBuilder& b) {
  const int rank = b.input(0).rank();
  if (rank < 2) return no_rank(b);
  // Channels become the first spatial axis of an average pooling over squares.
  const Ref x = wide(b, b.in(0));
  const int64_t size = b.attrs().integer("size");
  std::vector<int64_t> pads(2 * static_cast<size_t>(rank + 1), 0), kernel(static_cast<size_t>(rank) - 1, 1);
  pads[2] = (size - 1) / 2;
  pads[static_cast<size_t>(rank) + 3] = size / 2;
  kernel[0] = size;
  const Ref squares = b.op("Pad", {b.op("Unsqueeze", {b.op("Mul", {x, x}), b.ints({1})}), b.ints(pads)});
  const Ref means =
      b.op("Squeeze", {b.op("AveragePool", {squares}, {{"kernel_shape", std::move(kernel)}}), b.ints({1})});
  const Ref base = b.op("Add", {b.op("Mul", {means, scalar_like(b, x, b.attrs().real("alpha", 1e-4F))}),
                                scalar_like(b, x, b.attrs().real("bias", 1))});
  return narrow(b, b.op("Div", {x, b.op("Pow", {base, scalar_like(b, x, b.attrs().real("beta", 0.75F))})}), b.in(0));
}

Expansion lp_meaning(OpBuilder& b) {
  const Ref x = wide(b, b.in(0));
  const Ref norm =
      reduce(b, b.attrs().integer("p", 2) == 1 ? "ReduceL1" : "ReduceL2", x, {b.attrs().integer("axis", -1)});
  // A line of zeros stays zeros.
  const Ref zero = b.op("Equal", {norm, scalar_like(b, x, 0)});
  return narrow(b, b.op("Div", {x, b.op("Where", {zero, scalar_like(b, x, 1), norm})}), b.in(0));
}

Expansion mean_variance_meaning(OpBuilder& b) {
  const Ref x = wide(b, b.in(0));
  const auto axes = b.attrs().integers("axes");
  const Ref left = b.op("Sub", {x, reduce(b, "ReduceMean", x, axes)});
  const Ref deviation = b.op("Sqrt", {reduce(b, "ReduceMean", b.op("Mul", {left, left}), axes)});
  return narrow(b, b.op("Div", {left, b.op("Add", {deviation, scalar_like(b, x, 1e-9)})}), b.in(0));
}

Expansion softmax_meaning(OpBuilder& b) {
  if (b.input(0).rank() == 0) return no_rank(b);
  const int64_t axis = b.attrs().integer("axis", -1);
  const Ref x = wide(b, b.in(0));
  const Ref e = b.op("Exp", {b.op("Sub", {x, reduce(b, "ReduceMax", x, {axis})})});
  return narrow(b, b.op("Div", {e, reduce(b, "ReduceSum", e, {axis})}), b.in(0));
}

Expansion log_softmax_meaning(OpBuilder& b) {
  if (b.input(0).rank() == 0) return no_rank(b);
  const int64_t axis = b.attrs().integer("axis", -1);
  const Ref x = wide(b, b.in(0));
  const Ref left = b.op("Sub", {x, reduce(b, "ReduceMax", x, {axis})});
  return narrow(b, b.op("Sub", {left, b.op("Log", {reduce(b, "ReduceSum", b.op("Exp", {left}), {axis})})}), b.in(0));
}

// Version steps ------------------------------------------------------------------------------------------------------------------

/// Below opset 13 the tensor is cut before `axis` into a matrix whose rows are normalised.
Expansion softmax_11(OpBuilder& b) {
  const int64_t axis = b.attrs().integer("axis", 1);
  const Type& x = b.input(0);
  const bool last = axis == -1 || (x.has_rank && axis == x.rank() - 1);
  const Ref flat = last ? b.in(0) : b.op("Flatten", {b.in(0)}, {{"axis", axis}});
  const Ref shape = last ? Ref{} : b.op("Shape", {b.in(0)});
  next_version(b);
  const Ref y = b.op(b.op().name, {flat}, {{"axis", -1}});
  return last ? y : b.op("Reshape", {y, shape}, {{"allowzero", 1}});
}

Expansion softmax_13_to_11(OpBuilder& b) {
  const int64_t axis = b.attrs().integer("axis", -1);
  if (axis != -1 && !(b.input(0).has_rank && axis == b.input(0).rank() - 1)) {
    return Expansion::refuse(
        fmt::format("{} along an axis that is not the last has no form below opset 13", b.op().name));
  }
  previous_version(b);
  return b.op(b.op().name, {b.in(0)}, {{"axis", -1}});
}

Expansion batch_again(OpBuilder& b, Attributes attributes, std::vector<Ref> inputs, int outputs) {
  next_version(b);
  return Expansion(b.emit("BatchNormalization", inputs, std::move(attributes), outputs));
}
std::vector<Ref> five_inputs(OpBuilder& b) { return {b.in(0), b.in(1), b.in(2), b.in(3), b.in(4)}; }

Expansion batch_normalization_1(OpBuilder& b) { return drop_consumed_inputs(b); }

/// From opset 7 on the number of outputs tells whether statistics of the batch are used.
Expansion batch_normalization_6(OpBuilder& b) {
  Attributes attributes = b.attrs().all();
  attributes.erase("is_test");
  const bool test = b.attrs().integer("is_test") != 0;
  Expansion e = batch_again(b, std::move(attributes), five_inputs(b), test ? 1 : b.outputs());
  e.outputs.resize(static_cast<size_t>(b.outputs()));
  return e;
}

/// spatial=0: every element of an image has statistics of its own.
Expansion batch_normalization_7(OpBuilder& b) {
  Attributes attributes = b.attrs().all();
  attributes.erase("spatial");
  if (b.attrs().integer("spatial", 1) != 0) return batch_again(b, std::move(attributes), five_inputs(b), b.outputs());
  std::vector<Ref> inputs{b.op("Flatten", {b.in(0)}, {{"axis", 1}})};
  const Ref all = b.ints({-1}), shape = b.op("Shape", {b.in(0)});
  for (int i = 1; i < 5; ++i) inputs.push_back(b.op("Reshape", {b.in(i), all}));
  Expansion e = batch_again(b, std::move(attributes), std::move(inputs), b.outputs());
  e.outputs[0] = b.op("Reshape", {e.outputs[0], shape}, {{"allowzero", 1}});
  for (size_t i = 1; i < e.outputs.size(); ++i) {
    if (e.outputs[i]) e.outputs[i] = b.op("Reshape", {e.outputs[i], b.op("Shape", {b.in(3)})});
  }
  return e;
}

Expansion batch_normalization_9(OpBuilder& b) {
  bool training = false;
  for (int i = 1; i < b.outputs(); ++i) training |= b.has_output(i);
  if (b.has_output(3) || b.has_output(4)) {
    return Expansion::refuse(
        "BatchNormalization-9 with saved_mean or saved_var has no form in opset 14, which lacks these outputs");
  }
  Attributes attributes = b.attrs().all();
  attributes.set("training_mode", int64_t{training ? 1 : 0});
  Expansion e = batch_again(b, std::move(attributes), five_inputs(b), training ? 3 : 1);
  e.outputs.resize(static_cast<size_t>(b.outputs()));
  return e;
}

Expansion batch_normalization_14_to_9(OpBuilder& b) {
  if (b.attrs().integer("training_mode") != 0)
    return Expansion::refuse("BatchNormalization in training mode has no exact form below opset 14");
  Attributes attributes = b.attrs().all();
  attributes.erase("training_mode");
  const std::vector<Ref> inputs = five_inputs(b);
  previous_version(b);
  return Expansion(b.emit("BatchNormalization", inputs, std::move(attributes), 1));
}

/// Scale and bias were one number per group.
Expansion group_normalization_18(OpBuilder& b) {
  const int64_t groups = b.attrs().integer("num_groups");
  const Ref count = b.ints({groups});
  const Ref each = b.op("Div", {b.op("Shape", {b.in(0)}, {{"start", 1}, {"end", 2}}), count});
  const Ref shape = b.op("Concat", {count, each}, {{"axis", 0}});
  const auto per_channel = [&](int i) {
    return b.op("Reshape", {b.op("Expand", {b.op("Unsqueeze", {b.in(i), b.ints({1})}), shape}), b.ints({-1})});
  };
  const Ref scale = per_channel(1), bias = per_channel(2);
  return reissue(b, {b.in(0), scale, bias});
}

// Costs --------------------------------------------------------------------------------------------------------------------------

Cost cost_normalize(const CostContext& ctx) { return cost_flops(ctx, 8); }
Cost cost_softmax(const CostContext& ctx) { return cost_flops(ctx, 4, 1); }
Cost cost_lrn(const CostContext& ctx) {
  return cost_flops(ctx, 2.0 * static_cast<double>(ctx.attrs().integer("size", 1)), 1);
}

// Rows ---------------------------------------------------------------------------------------------------------------------------

constexpr Hint kOverwrite[] = {{0, 0, Alias::may_overwrite}};

constexpr Version kBatchNormalization[] = {
    {1,
     "(T X, T scale, T B, T mean, T var) -> (T Y, T? mean, T? var, T? saved_mean, T? saved_var) {consumed_inputs: "
     "ints!, epsilon: float = 1e-05, is_test: int = 0, momentum: float = 0.9, spatial: int = 1}; T = ieee",
     batch_normalization_1},
    {6,
     "(T X, T scale, T B, T mean, T var) -> (T Y, T? mean, T? var, T? saved_mean, T? saved_var) {epsilon: float = "
     "1e-05, is_test: int = 0, momentum: float = 0.9, spatial: int = 1}; T = ieee",
     batch_normalization_6},
    {7,
     "(T X, T scale, T B, T mean, T var) -> (T Y, T? mean, T? var, T? saved_mean, T? saved_var) {epsilon: float = "
     "1e-05, momentum: float = 0.9, spatial: int = 1}; T = ieee",
     batch_normalization_7},
    {9,
     "(T X, T scale, T B, T mean, T var) -> (T Y, T? mean, T? var, T? saved_mean, T? saved_var) {epsilon: float = "
     "1e-05, momentum: float = 0.9}; T = ieee",
     batch_normalization_9, batch_normalization_14_to_9},
    {14,
     "(T X, T scale, T B, U input_mean, U input_var) -> (T Y, U? running_mean, U? running_var) {epsilon: float = "
     "1e-05, momentum: float = 0.9, training_mode: int = 0}; T = floats; U = floats"},
    {15,
     "(T X, T1 scale, T1 B, T2 input_mean, T2 input_var) -> (T Y, T2? running_mean, T2? running_var) {epsilon: "
     "float = 1e-05, momentum: float = 0.9, training_mode: int = 0}; T = floats; T1 = floats; T2 = floats"},
};
constexpr Version kInstanceNormalization[] = {
    {1, "(T input, T scale, T B) -> (T output) {consumed_inputs: ints, epsilon: float = 1e-05}; T = ieee",
     drop_consumed_inputs},
    {6, "(T input, T scale, T B) -> (T output) {epsilon: float = 1e-05}; T = ieee"},
    {22, "(T input, T scale, T B) -> (T output) {epsilon: float = 1e-05}; T = floats"},
};
constexpr Version kGroupNormalization[] = {
    {18, "(T X, T scale, T bias) -> (T Y) {epsilon: float = 1e-05, num_groups: int!}; T = floats; deprecated",
     group_normalization_18},
    {21, "(T X, T scale, T bias) -> (T Y) {epsilon: float = 1e-05, num_groups: int!, stash_type: int = 1}; T = floats"},
};
constexpr Version kLayerNormalization[] = {
    {17,
     "(T X, T Scale, T? B) -> (T Y, U? Mean, U? InvStdDev) {axis: int = -1, epsilon: float = 1e-05, stash_type: "
     "int = 1}; T = floats; U = f32 bf16"},
};
constexpr Version kRMSNormalization[] = {
    {23,
     "(T X, V scale) -> (V Y) {axis: int = -1, epsilon: float = 1e-05, stash_type: int = 1}; T = floats; V = "
     "floats"},
};
constexpr Version kLRN[] = {
    {1, "(T X) -> (T Y) {alpha: float = 0.0001, beta: float = 0.75, bias: float = 1, size: int!}; T = ieee"},
    {13, "(T X) -> (T Y) {alpha: float = 0.0001, beta: float = 0.75, bias: float = 1, size: int!}; T = floats"},
};
constexpr Version kLpNormalization[] = {
    {1, "(T input) -> (T output) {axis: int = -1, p: int = 2}; T = ieee"},
    {22, "(T input) -> (T output) {axis: int = -1, p: int = 2}; T = floats"},
};
constexpr Version kMeanVarianceNormalization[] = {
    {9, "(T X) -> (T Y) {axes: ints = [0, 2, 3]}; T = ieee"},
    {13, "(T X) -> (T Y) {axes: ints = [0, 2, 3]}; T = floats"},
};
constexpr Version kSoftmax[] = {
    {1, "(T input) -> (T output) {axis: int = 1}; T = ieee"},
    {11, "(T input) -> (T output) {axis: int = 1}; T = ieee", softmax_11, softmax_13_to_11},
    {13, "(T input) -> (T output) {axis: int = -1}; T = floats"},
};
constexpr Version kLogSoftmax[] = {
    {1, "(T input) -> (T output) {axis: int = 1}; T = ieee"},
    {11, "(T input) -> (T output) {axis: int = 1}; T = ieee", softmax_11, softmax_13_to_11},
    {13, "(T input) -> (T output) {axis: int = -1}; T = floats"},
};

constexpr OpDef kTable[] = {
    row({.name = "BatchNormalization",
         .api = {"batch_normalization"},
         .versions = kBatchNormalization,
         .infer = infer_batch,
         .layout = Layout::channels_first,
         .meaning = Decompose{batch_meaning},
         .cost = cost_normalize,
         .accumulate = Accumulate::float32,
         .ulp = 32,
         .grid = "f32[2,3,4,5] f32[3] f32[3] f32[3] f32[3]@0.1..2.0; f32[2,3,4] f32[3] f32[3] f32[3] f32[3]@0.1..2.0 "
                 "training_mode=1 momentum=0.5 out=3; "
                 "f32[4,3] f32[3] f32[3] f32[3] f32[3]@0.1..2.0 epsilon=0.01; f16[2,3,4] f32[3] f32[3] f32[3] "
                 "f32[3]@0.1..2.0; "
                 "f32[2,3,4] f32[3] f32[3] f32[3] f32[3]@0.1..2.0 v=9; f32[2,3,2] f32[3,2] f32[3,2] f32[3,2] "
                 "f32[3,2]@0.1..2.0 spatial=0 v=7; "
                 "f64[2,3,4] f64[3] f64[3] f64[3] f64[3]@0.1..2.0",
         .doc = "Y = (X - mean) / sqrt(var + epsilon) * scale + B per channel: X [n, c, …], the others [c]. With "
                "training_mode=1 mean and (population) variance are "
                "those of X over all axes but 1, and running = input * momentum + current * (1 - momentum) comes out "
                "as well."}),
    row({.name = "InstanceNormalization",
         .api = {"instance_normalization"},
         .versions = kInstanceNormalization,
         .infer = infer_instance,
         .layout = Layout::channels_first,
         .meaning = Decompose{instance_meaning},
         .cost = cost_normalize,
         .accumulate = Accumulate::float32,
         .ulp = 64,
         .grid = "f32[2,3,4,5] f32[3] f32[3]; f32[1,2,7] f32[2] f32[2] epsilon=0.01; f64[2,1,3] f64[1] f64[1]; "
                 "f16[1,2,4] f16[2] f16[2]",
         .doc = "(x - mean) / sqrt(variance + epsilon) * scale + B with the statistics of each plane of each image: "
                "input [n, c, …], scale and B [c]."}),
    row({.name = "GroupNormalization",
         .api = {"group_normalization"},
         .versions = kGroupNormalization,
         .infer = infer_group,
         .layout = Layout::channels_first,
         .meaning = Decompose{group_meaning},
         .cost = cost_normalize,
         .accumulate = Accumulate::float32,
         .ulp = 64,
         .grid = "f32[2,4,3,3] f32[4] f32[4] num_groups=2; f32[1,6,5] f32[6] f32[6] num_groups=3 epsilon=0.01; "
                 "f16[2,4,3] f16[4] f16[4] num_groups=1; "
                 "f32[2,4,3] f32[2] f32[2] num_groups=2 v=18",
         .doc = "(x - mean) / sqrt(variance + epsilon) * scale + bias with the statistics of each of num_groups groups "
                "of channels of each image: X [n, c, …], scale and bias [c]."}),
    row({.name = "LayerNormalization",
         .api = {"layer_normalization"},
         .versions = kLayerNormalization,
         .infer = infer_layer,
         .meaning = Decompose{layer_meaning},
         .cost = cost_normalize,
         .accumulate = Accumulate::float32,
         .ulp = 64,
         .grid = "f32[2,3,4] f32[4]; f32[2,3,4] f32[3,4] f32[3,4] axis=1 out=3; f32[2,3,4] f32[2,3,4] f32[4] axis=0 "
                 "epsilon=0.1 out=3; f32[2,3,4] f32[] axis=-2; "
                 "f16[3,4] f16[4] f16[4]; f64[3,4] f64[4] f64[1] out=2; f32[0,4] f32[4]",
         .doc = "(X - Mean) * InvStdDev * Scale + B with the statistics over the axes from `axis` to the last; Scale "
                "and B broadcast to X. Mean and "
                "InvStdDev = 1 / sqrt(variance + epsilon) have extent 1 there."}),
    row({.name = "RMSNormalization",
         .api = {"rms_normalization"},
         .versions = kRMSNormalization,
         .infer = infer_rms,
         .meaning = Decompose{rms_meaning},
         .cost = cost_normalize,
         .accumulate = Accumulate::float32,
         .ulp = 32,
         .grid = "f32[2,3,4] f32[4]; f32[2,3,4] f32[3,4] axis=1; f16[2,4] f16[4]; f16[2,4] f32[4]; f64[2,3] f64[] "
                 "epsilon=0.1",
         .doc = "X / sqrt(mean(X^2) + epsilon) * scale, the mean over the axes from `axis` to the last; scale "
                "broadcasts to X and gives the type of Y."}),
    row({.name = "LRN",
         .api = {"lrn"},
         .versions = kLRN,
         .infer = infer_lrn,
         .layout = Layout::channels_first,
         .meaning = Decompose{lrn_meaning},
         .cost = cost_lrn,
         .accumulate = Accumulate::float32,
         .ulp = 32,
         .grid = "f32[2,5,3,3] size=3; f32[1,5,4] size=4 alpha=0.5 beta=0.5 bias=2.0; f64[1,3,2] size=9; f16[1,4,2] "
                 "size=1; f32[2,6] size=3",
         .doc = "X / (bias + alpha / size * s)^beta, where s sums the squares of the channels c - floor((size - 1) / "
                "2) … c + ceil((size - 1) / 2) at the same place."}),
    row({.name = "LpNormalization",
         .api = {"lp_normalization"},
         .versions = kLpNormalization,
         .infer = infer_lp,
         .meaning = Decompose{lp_meaning},
         .cost = cost_normalize,
         .accumulate = Accumulate::float32,
         .ulp = 16,
         .grid = "f32[2,3,4]; f32[2,3,4] axis=1 p=1; f32{0.0,0.0,0.0}; f64[3,2] axis=0; f16[2,4]",
         .doc = "input / (sum |x|^p)^(1/p) along `axis`, p 1 or 2; zeros stay zeros."}),
    row({.name = "MeanVarianceNormalization",
         .api = {"mean_variance_normalization"},
         .versions = kMeanVarianceNormalization,
         .infer = infer_mean_variance,
         .meaning = Decompose{mean_variance_meaning},
         .cost = cost_normalize,
         .accumulate = Accumulate::float32,
         .ulp = 64,
         .grid = "f32[2,3,4,5]; f32[3,4] axes=[1]; f64[2,3,4] axes=[0,-1]; f16[2,4] axes=[0,1]",
         .doc =
             "(X - mean) / (standard deviation + 1e-9), the statistics over `axes` (default [0, 2, 3]: per channel)."}),
    row({.name = "Softmax",
         .api = {"softmax"},
         .versions = kSoftmax,
         .infer = infer_old_softmax_or_axis,
         .layout = Layout::follows_axes,
         .aliases = kOverwrite,
         .meaning = Decompose{softmax_meaning},
         .cost = cost_softmax,
         .accumulate = Accumulate::float32,
         .ulp = 16,
         .grid = "f32[2,3,4]; f32[2,3,4] axis=1; f32[2,3,4] axis=0; f32{1000.0,-1000.0,0.0}; f16[2,5]; f64[3,3] "
                 "axis=-2; f32[2,0]; f32[2,3,4] v=11; f32[2,3,4] axis=2 v=1",
         .doc = "exp(x) / sum(exp(x)) along `axis` (default: the last), computed less the maximum. Below opset 13 over "
                "all axes from `axis` (default 1) on together."}),
    row({.name = "LogSoftmax",
         .api = {"log_softmax"},
         .versions = kLogSoftmax,
         .infer = infer_old_softmax_or_axis,
         .layout = Layout::follows_axes,
         .aliases = kOverwrite,
         .meaning = Decompose{log_softmax_meaning},
         .cost = cost_softmax,
         .accumulate = Accumulate::float32,
         .ulp = 16,
         .grid = "f32[2,3,4]; f32[2,3,4] axis=1; f32{1000.0,-1000.0,0.0}; f16[2,5]; f64[3,3] axis=-2; f32[2,3,4] "
                 "axis=0 v=11",
         .doc = "x - max - log(sum(exp(x - max))) along `axis` (default: the last). Below opset 13 over all axes from "
                "`axis` (default 1) on together."}),
};

}  // namespace

std::span<const OpDef> normalization_ops() {
  static constexpr auto kAll = gradients::differentiable(kTable, gradients::kNormalization);
  return chosen<kAll>();
}

}  // namespace chorus::families
