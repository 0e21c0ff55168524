// Signal processing: Fourier transforms, window functions, the mel matrix.
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/rules.h>
#include <ops/table.h>

#include <fmt/format.h>

#include <cmath>
#include <numbers>

namespace chorus::families {
namespace {

using namespace rules;

// Shape rules --------------------------------------------------------------------------------------------------------------------

/// The only element of an integer operand; unknown where it is not known.
Dim known_scalar(ShapeContext& ctx, int i) {
  const auto v = known_values(ctx, i);
  if (v && v->size() != 1)
    ctx.fail(Code::shape, fmt::format("operand {} has {} elements, one is needed", i, v->size()));
  return v ? (*v)[0] : Dim();
}

Dim bins_of(const Dim& length, bool onesided) { return onesided ? floordiv(length, 2) + Dim(1) : length; }

void infer_dft(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  require_rank_at_least(ctx, 0, 2);
  if (!x.has_rank) return ctx.set_output(0, Type::tensor(x.dtype));
  const bool inverse = ctx.attrs().integer("inverse") != 0, onesided = ctx.attrs().integer("onesided") != 0;
  Dims dims = x.dims;
  dims.back() = inverse && onesided ? 1 : 2;
  Dim axis = ctx.attrs().schema().since < 20 ? Dim(ctx.attrs().integer("axis", 1))
             : ctx.has_input(2)              ? known_scalar(ctx, 2)
                                             : Dim(-2);
  if (!axis.is_number()) {
    for (size_t i = 0; i + 1 < dims.size(); ++i) dims[i] = ctx.fresh();
    return ctx.set_output(0, Type::tensor(x.dtype, std::move(dims)));
  }
  const int at = normalize_axis(ctx, axis.number(), x.rank());
  if (at == x.rank() - 1)
    ctx.fail(Code::bad_input, fmt::format("axis {} is the last, which has real and imaginary parts", axis.number()));
  if (const Dim& parts = x.dims.back(); parts.is_number() && parts.number() != 1 && parts.number() != 2) {
    ctx.fail(Code::shape, fmt::format("{}: the last axis has real and imaginary parts, extent 1 or 2", x.str()));
  }
  Dim& d = dims[static_cast<size_t>(at)];
  Dim length = inverse && onesided ? (d - Dim(1)) * Dim(2) : d;
  if (ctx.has_input(1)) length = known_scalar(ctx, 1);
  if (length.is_number() && length.number() < 1 && !d.is(0))
    ctx.fail(Code::bad_input, fmt::format("a transform of length {}", length.number()));
  d = length.is_unknown() ? ctx.fresh() : bins_of(length, onesided && !inverse);
  ctx.set_output(0, Type::tensor(x.dtype, std::move(dims)));
}

void infer_stft(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  require_rank_at_least(ctx, 0, 2);
  const Dim step = known_scalar(ctx, 1);
  if (step.is_number() && step.number() < 1)
    ctx.fail(Code::bad_input, fmt::format("frame_step {} is not positive", step.number()));
  Dim length = x.has_rank ? x.dims[1] : Dim(), frame = length;
  if (ctx.has_input(2)) {
    require_rank(ctx, 2, 1);
    frame = ctx.input(2).has_rank ? ctx.input(2).dims[0] : Dim();
  }
  if (ctx.has_input(3)) frame = known_scalar(ctx, 3);
  if (frame.is_number() && frame.number() < 1)
    ctx.fail(Code::bad_input, fmt::format("frame_length {} is not positive", frame.number()));
  const bool known = !length.is_unknown() && !frame.is_unknown() && !step.is_unknown();
  Dim frames = known ? floordiv(length - frame, step) + Dim(1) : ctx.fresh();
  if (frames.is_number() && frames.number() < 0)
    ctx.fail(Code::shape, fmt::format("a frame of {} does not fit a signal of {}", frame.str(), length.str()));
  const Dim bins = frame.is_unknown() ? ctx.fresh() : bins_of(frame, ctx.attrs().integer("onesided", 1) != 0);
  ctx.set_output(0, Type::tensor(x.dtype, {x.has_rank ? x.dims[0] : ctx.fresh(), frames, bins, 2}));
}

DType asked_type(const NodeContext& ctx) {
  const int64_t number = ctx.attrs().integer("output_datatype", 1);
  const Schema& schema = ctx.attrs().schema();
  const auto type = static_cast<DType>(number);
  if (number < 1 || number >= kDTypeCount ||
      !dtype_in(type, schema.types[static_cast<size_t>(schema.outputs[0].type_set)].tensor)) {
    ctx.fail(Code::type, fmt::format("output_datatype {} is no type that this operator can produce", number));
  }
  return type;
}

void infer_window(ShapeContext& ctx) {
  Dim size = known_scalar(ctx, 0);
  if (size.is_number() && size.number() < 0)
    ctx.fail(Code::bad_input, fmt::format("size {} is negative", size.number()));
  if (size.is_unknown()) size = ctx.fresh();
  ctx.set_output(0, Type::tensor(asked_type(ctx), {size}));
}

void infer_mel(ShapeContext& ctx) {
  Dim bands = known_scalar(ctx, 0), length = known_scalar(ctx, 1);
  if ((bands.is_number() && bands.number() < 0) || (length.is_number() && length.number() < 0)) {
    ctx.fail(Code::bad_input,
             fmt::format("num_mel_bins {} and dft_length {} cannot be negative", bands.str(), length.str()));
  }
  if (bands.is_unknown()) bands = ctx.fresh();
  ctx.set_output(0, Type::tensor(asked_type(ctx), {length.is_unknown() ? ctx.fresh() : bins_of(length, true), bands}));
}

// Version steps ------------------------------------------------------------------------------------------------------------------

Expansion dft_17(OpBuilder& b) {
  const Ref axis = b.constant(Value::scalar<int64_t>(b.attrs().integer("axis", 1)));
  return reissue(b, {b.in(0), b.has_input(1) ? b.in(1) : Ref{}, axis}, {"axis"});
}

Expansion dft_20_to_17(OpBuilder& b) {
  const auto axis = b.has_input(2) ? known_ints(b, 2) : std::vector<int64_t>{-2};
  if (!axis || axis->size() != 1)
    return Expansion::refuse("DFT along an axis that is not constant has no form below opset 20");
  if ((*axis)[0] < 0 && !b.input(0).has_rank)
    return Expansion::refuse("DFT of unknown rank along a negative axis has no form below opset 20");
  Attributes attributes = b.attrs().all();
  attributes.set("axis", (*axis)[0] < 0 ? (*axis)[0] + b.input(0).rank() : (*axis)[0]);
  const Ref inputs[] = {b.in(0), b.has_input(1) ? b.in(1) : Ref{}};
  previous_version(b);
  return Expansion(b.emit("DFT", inputs, std::move(attributes), 1));
}

// Meanings by simpler operators --------------------------------------------------------------------------------------------------

Ref cast(OpBuilder& b, Ref x, DType to) { return b.op("Cast", {x}, {{"to", static_cast<int64_t>(to)}}); }

/// a - b cos(t) + c cos(2 t), t = 2 pi k / length.
Expansion window_meaning(OpBuilder& b, double a, double b1, double c) {
  const DType wide =
      b.attrs().integer("output_datatype", 1) == static_cast<int64_t>(DType::float32) ? DType::float32 : DType::float64;
  const Ref size = cast(b, b.in(0), DType::int64), one = scalar(b, DType::int64, 1);
  const Ref less = b.attrs().integer("periodic", 1) != 0 ? size : b.op("Sub", {size, one});
  const Ref length = cast(b, b.op("Max", {less, one}), wide);
  const Ref k = cast(b, b.op("Range", {scalar(b, DType::int64, 0), size, one}), wide);
  const auto wave = [&](double turns) {
    return b.op("Cos", {b.op("Div", {b.op("Mul", {k, scalar(b, wide, 2 * std::numbers::pi * turns)}), length})});
  };
  Ref y = b.op("Sub", {scalar(b, wide, a), b.op("Mul", {wave(1), scalar(b, wide, b1)})});
  if (c != 0) y = b.op("Add", {y, b.op("Mul", {wave(2), scalar(b, wide, c)})});
  return cast(b, y, static_cast<DType>(b.attrs().integer("output_datatype", 1)));
}
Expansion hann_meaning(OpBuilder& b) { return window_meaning(b, 0.5, 0.5, 0); }
Expansion hamming_meaning(OpBuilder& b) { return window_meaning(b, 25.0 / 46, 21.0 / 46, 0); }
Expansion blackman_meaning(OpBuilder& b) { return window_meaning(b, 0.42, 0.5, 0.08); }

// Costs --------------------------------------------------------------------------------------------------------------------------

Cost cost_dft(const CostContext& ctx) {
  const double n = ctx.count(true, 0);
  return cost_flops(ctx, n > 1 ? 5 * std::log2(n) : 1);
}
Cost cost_window(const CostContext& ctx) { return cost_flops(ctx, 6, 2); }

// Rows ---------------------------------------------------------------------------------------------------------------------------

constexpr Version kDFT[] = {
    {17,
     "(T1 input, @T2? dft_length) -> (T1 output) {axis: int = 1, inverse: int = 0, onesided: int = 0}; T1 = "
     "floats; T2 = i32 i64",
     dft_17, dft_20_to_17},
    {20,
     "(T1 input, @T2? dft_length, @i64? axis) -> (T1 output) {inverse: int = 0, onesided: int = 0}; T1 = floats; "
     "T2 = i32 i64"},
};
constexpr Version kSTFT[] = {
    {17,
     "(T1 signal, @T2 frame_step, T1? window, @T2? frame_length) -> (T1 output) {onesided: int = 1}; T1 = floats; "
     "T2 = i32 i64"},
};
constexpr Version kHannWindow[] = {
    {17, "(@T1 size) -> (T2 output) {output_datatype: int = 1, periodic: int = 1}; T1 = i32 i64; T2 = num bf16"},
};
constexpr Version kHammingWindow[] = {
    {17, "(@T1 size) -> (T2 output) {output_datatype: int = 1, periodic: int = 1}; T1 = i32 i64; T2 = num bf16"},
};
constexpr Version kBlackmanWindow[] = {
    {17, "(@T1 size) -> (T2 output) {output_datatype: int = 1, periodic: int = 1}; T1 = i32 i64; T2 = num bf16"},
};
constexpr Version kMelWeightMatrix[] = {
    {17,
     "(@T1 num_mel_bins, @T1 dft_length, T1 sample_rate, T2 lower_edge_hertz, T2 upper_edge_hertz) -> (T3 output) "
     "{output_datatype: int = 1}; T1 = i32 i64; T2 = floats; T3 = num bf16"},
};

constexpr OpDef kTable[] = {
    row({.name = "DFT",
         .api = {"dft"},
         .versions = kDFT,
         .infer = infer_dft,
         .meaning = Primitive{"a Fourier transform"},
         .cost = cost_dft,
         .accumulate = Accumulate::float32,
         .ulp = 256,
         .grid = "f32[2,10,1]; f32[2,8,2] - i64(1); f32[2,3,8,2] i64(5) i64(1) inverse=1; f32[1,9,1] onesided=1; "
                 "f32[1,5,2] inverse=1 onesided=1; f32[1,5,2] i64(9) inverse=1 onesided=1; "
                 "f64[1,4,1] i32(6); f32[2,10,1] axis=1 onesided=1 v=17; f16[1,4,1]",
         .doc = "Discrete Fourier transform along `axis` (default: the last before the parts) of input [..., n, …, 1 "
                "or 2] of real or complex numbers, cut or padded with zeros to "
                "dft_length; inverse=1 divides by the length. onesided=1 keeps the first floor(n / 2) + 1 bins; with "
                "inverse=1 it takes such bins and gives a real signal."}),
    row({.name = "STFT",
         .api = {"stft"},
         .versions = kSTFT,
         .infer = infer_stft,
         .meaning = Primitive{"Fourier transforms of frames"},
         .cost = cost_dft,
         .accumulate = Accumulate::float32,
         .ulp = 256,
         .grid = "f32[1,16,1] i64(4) - i64(8); f32[2,16,1] i64(3) f32[5]; f32[1,16,1] i64(4) f32[8] i64(8) onesided=0; "
                 "f32[1,12,2] i32(4) - i32(6) onesided=0; f64[1,9,1] i64(2) f64[4] i64(4)",
         .doc = "Fourier transforms of frames of frame_length elements, every frame_step elements, times `window`: "
                "signal [b, n, 1 or 2] to [b, 1 + floor((n - frame_length) / "
                "frame_step), bins, 2]; onesided=1 (default) keeps floor(frame_length / 2) + 1 bins."}),
    row({.name = "HannWindow",
         .api = {"hann_window"},
         .versions = kHannWindow,
         .infer = infer_window,
         .gradient = NoGradient{"no operand is differentiable"},
         .meaning = Decompose{hann_meaning},
         .cost = cost_window,
         .ulp = 8,
         .grid = "i64(10); i32(7) periodic=0; i64(0); i64(1) periodic=0; i64(8) output_datatype=11; i64(5) "
                 "output_datatype=10",
         .doc = "0.5 - 0.5 cos(2 pi k / n) for k in [0, size), n = size or, with periodic=0, size - 1 (at least 1)."}),
    row({.name = "HammingWindow",
         .api = {"hamming_window"},
         .versions = kHammingWindow,
         .infer = infer_window,
         .gradient = NoGradient{"no operand is differentiable"},
         .meaning = Decompose{hamming_meaning},
         .cost = cost_window,
         .ulp = 8,
         .grid = "i64(10); i32(7) periodic=0; i64(0); i64(8) output_datatype=11",
         .doc =
             "25/46 - 21/46 cos(2 pi k / n) for k in [0, size), n = size or, with periodic=0, size - 1 (at least 1)."}),
    row({.name = "BlackmanWindow",
         .api = {"blackman_window"},
         .versions = kBlackmanWindow,
         .infer = infer_window,
         .gradient = NoGradient{"no operand is differentiable"},
         .meaning = Decompose{blackman_meaning},
         .cost = cost_window,
         .ulp = 8,
         .grid = "i64(10); i32(7) periodic=0; i64(0); i64(8) output_datatype=11",
         .doc = "0.42 - 0.5 cos(2 pi k / n) + 0.08 cos(4 pi k / n) for k in [0, size), n = size or, with periodic=0, "
                "size - 1 (at least 1)."}),
    row({.name = "MelWeightMatrix",
         .api = {"mel_weight_matrix"},
         .versions = kMelWeightMatrix,
         .infer = infer_mel,
         .gradient = NoGradient{"steps at the edges of the bands"},
         .meaning = Primitive{"triangles on the mel scale"},
         .cost = cost_window,
         .ulp = 8,
         .grid = "i64(8) i64(16) i64(8192) f32(0.0) f32(4096.0); i32(4) i32(32) i32(16000) f32(20.0) f32(7000.0) "
                 "output_datatype=11",
         .doc = "Weights [dft_length / 2 + 1, num_mel_bins] that turn a spectrum into mel bands: triangles between "
                "neighbouring ones of num_mel_bins + 2 points that divide "
                "[lower_edge_hertz, upper_edge_hertz) evenly on the mel scale 2595 log10(1 + f / 700), rounded down to "
                "bins of a transform at sample_rate."}),
};

}  // namespace

std::span<const OpDef> signal_ops() {
  static constexpr auto kAll = gradients::differentiable(kTable, gradients::kSignal);
  return chosen<kAll>();
}

}  // namespace chorus::families
