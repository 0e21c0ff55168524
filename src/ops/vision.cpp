// Detection: suppression of overlapping boxes, pooling of regions.
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/rules.h>
#include <ops/table.h>

#include <fmt/format.h>

namespace chorus::families {
namespace {

using namespace rules;

void infer_suppression(ShapeContext& ctx) {
  const Type &boxes = tensor_input(ctx, 0), &scores = tensor_input(ctx, 1);
  require_rank(ctx, 0, 3);
  require_rank(ctx, 1, 3);
  if (boxes.has_rank) ctx.require_equal(boxes.dims[2], 4, fmt::format("numbers of a box in {}", boxes.str()));
  if (boxes.has_rank && scores.has_rank) {
    ctx.require_equal(boxes.dims[0], scores.dims[0], "batches of boxes and scores");
    ctx.require_equal(boxes.dims[1], scores.dims[2], "boxes and scores");
  }
  const int64_t centre = ctx.attrs().integer("center_point_box");
  if (centre != 0 && centre != 1)
    ctx.fail(Code::bad_input, fmt::format("center_point_box {} is neither 0 nor 1", centre));
  ctx.set_output(0, Type::tensor(DType::int64, {ctx.fresh(), 3}));
}

void infer_roi_align(ShapeContext& ctx) {
  const Type &x = tensor_input(ctx, 0), &rois = tensor_input(ctx, 1), &images = tensor_input(ctx, 2);
  require_rank(ctx, 0, 4);
  require_rank(ctx, 1, 2);
  require_rank(ctx, 2, 1);
  const int64_t height = ctx.attrs().integer("output_height", 1), width = ctx.attrs().integer("output_width", 1);
  if (height < 1 || width < 1)
    ctx.fail(Code::bad_input, fmt::format("output_height {} and output_width {} are not positive", height, width));
  const std::string_view mode = ctx.attrs().string("mode", "avg"),
                         coordinates = ctx.attrs().string("coordinate_transformation_mode", "half_pixel");
  if (mode != "avg" && mode != "max")
    ctx.fail(Code::bad_input, fmt::format("mode '{}' is neither 'avg' nor 'max'", mode));
  if (coordinates != "half_pixel" && coordinates != "output_half_pixel")
    ctx.fail(Code::bad_input, fmt::format("coordinate_transformation_mode '{}' is not known", coordinates));
  Dim count = rois.has_rank ? rois.dims[0] : images.has_rank ? images.dims[0] : ctx.fresh();
  if (rois.has_rank) ctx.require_equal(rois.dims[1], 4, fmt::format("numbers of a region in {}", rois.str()));
  if (rois.has_rank && images.has_rank)
    count = ctx.require_equal(rois.dims[0], images.dims[0], "regions and batch_indices");
  ctx.set_output(0, Type::tensor(x.dtype, {count, x.has_rank ? x.dims[1] : ctx.fresh(), height, width}));
}

/// Below opset 16 regions began at the corner of a pixel, not at its centre.
Expansion roi_align_10(OpBuilder& b) {
  Attributes attributes = b.attrs().all();
  attributes.set("coordinate_transformation_mode", "output_half_pixel");
  const Ref inputs[] = {b.in(0), b.in(1), b.in(2)};
  next_version(b);
  return Expansion(b.emit("RoiAlign", inputs, std::move(attributes), 1));
}

Expansion roi_align_16_to_10(OpBuilder& b) {
  if (b.attrs().string("coordinate_transformation_mode", "half_pixel") != "output_half_pixel") {
    return Expansion::refuse("RoiAlign with half_pixel coordinates has no form below opset 16");
  }
  Attributes attributes = b.attrs().all();
  attributes.erase("coordinate_transformation_mode");
  const Ref inputs[] = {b.in(0), b.in(1), b.in(2)};
  previous_version(b);
  return Expansion(b.emit("RoiAlign", inputs, std::move(attributes), 1));
}

// CenterCropPad ------------------------------------------------------------------------------------------------------------------

/// The axes that `shape` speaks of: the attribute, else all.
std::vector<int> crop_axes(const NodeContext& ctx, int rank) {
  if (ctx.attrs().given("axes")) return normalize_axes(ctx, ctx.attrs().integers("axes"), rank);
  std::vector<int> all(static_cast<size_t>(rank));
  for (int i = 0; i < rank; ++i) all[static_cast<size_t>(i)] = i;
  return all;
}

void infer_center_crop_pad(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  require_rank(ctx, 1, 1);
  if (!x.has_rank) return ctx.set_output(0, Type::tensor(x.dtype));
  const std::vector<int> axes = crop_axes(ctx, x.rank());
  const auto wanted = known_values(ctx, 1);
  const Type& shape = ctx.input(1);
  if (shape.has_rank) ctx.require_equal(shape.dims[0], static_cast<int64_t>(axes.size()), "members of shape and axes");
  Dims dims = x.dims;
  for (size_t i = 0; i < axes.size(); ++i) {
    Dim d = wanted && i < wanted->size() ? (*wanted)[i] : Dim::unknown();
    if (d.is_number() && d.number() < 0)
      ctx.fail(Code::bad_input, fmt::format("shape has {}", d.number()), "use 0 or more");
    dims[static_cast<size_t>(axes[i])] = d.is_unknown() ? ctx.fresh() : d;
  }
  ctx.set_output(0, Type::tensor(x.dtype, std::move(dims)));
}

/// Slice to the smaller extents, then Pad to the larger: the odd element is cut and added at the end.
Expansion center_crop_pad_meaning(OpBuilder& b) {
  const bool chosen = b.attrs().given("axes");
  const auto list = b.attrs().integers("axes");
  if (chosen && list.empty()) return Expansion(b.op("Identity", {b.in(0)}));
  if (!chosen && !b.input(0).has_rank) return Expansion::refuse("CenterCropPad of unknown rank");
  if (!chosen && b.input(0).rank() == 0) return Expansion(b.op("Identity", {b.in(0)}));
  std::vector<int64_t> all(list.begin(), list.end());
  for (int64_t i = 0; !chosen && i < b.input(0).rank(); ++i) all.push_back(i);
  const Ref axes = b.ints(all), zero = b.ints({0}), two = b.ints({2});
  Ref have = b.op("Shape", {b.in(0)});
  if (chosen) have = b.op("Gather", {have, axes});
  const Ref want = b.op("Cast", {b.in(1)}, {{"to", static_cast<int64_t>(DType::int64)}});
  const Ref begin = b.op("Div", {b.op("Max", {b.op("Sub", {have, want}), zero}), two});
  const Ref end = b.op("Add", {begin, b.op("Min", {have, want})});
  const Ref part = b.op("Slice", {b.in(0), begin, end, axes});
  const Ref more = b.op("Max", {b.op("Sub", {want, have}), zero}), before = b.op("Div", {more, two});
  const Ref pads = b.op("Concat", {before, b.op("Sub", {more, before})}, {{"axis", 0}});
  return b.op("Pad", {part, pads, Ref{}, axes});
}

void infer_image_decoder(ShapeContext& ctx) {
  require_rank(ctx, 0, 1);
  const std::string_view format = ctx.attrs().string("pixel_format");
  if (format != "RGB" && format != "BGR" && format != "Grayscale")
    ctx.fail(Code::bad_input, fmt::format("pixel_format '{}' does not exist", format), "use RGB, BGR or Grayscale");
  ctx.set_output(0, Type::tensor(DType::uint8, {ctx.fresh(), ctx.fresh(), format == "Grayscale" ? 1 : 3}));
}

Cost cost_suppression(const CostContext& ctx) {
  Cost c = cost_traffic(ctx);
  c.flops = 16 * ctx.count(false, 1);
  return c;
}
Cost cost_roi_align(const CostContext& ctx) { return cost_flops(ctx, 32); }

constexpr Version kCenterCropPad[] = {
    {18, "(T input_data, @Tind shape) -> (T output_data) {axes: ints}; T = all13; Tind = i32 i64"},
};
constexpr Version kImageDecoder[] = {
    {20, "(T1 encoded_stream) -> (T2 image) {pixel_format: string = 'RGB'}; T1 = u8; T2 = u8"},
};
constexpr Version kNonMaxSuppression[] = {
    {10,
     "(f32 boxes, f32 scores, i64? max_output_boxes_per_class, f32? iou_threshold, f32? score_threshold) -> (i64 "
     "selected_indices) {center_point_box: int = 0}"},
    {11,
     "(f32 boxes, f32 scores, i64? max_output_boxes_per_class, f32? iou_threshold, f32? score_threshold) -> (i64 "
     "selected_indices) {center_point_box: int = 0}"},
};
constexpr Version kRoiAlign[] = {
    {10,
     "(T1 X, T1 rois, T2 batch_indices) -> (T1 Y) {mode: string = 'avg', output_height: int = 1, output_width: "
     "int = 1, sampling_ratio: int = 0, spatial_scale: float = 1}; T1 = ieee; T2 = i64",
     roi_align_10, roi_align_16_to_10},
    {16,
     "(T1 X, T1 rois, T2 batch_indices) -> (T1 Y) {coordinate_transformation_mode: string = 'half_pixel', mode: "
     "string = 'avg', output_height: int = 1, output_width: int = 1, sampling_ratio: int = 0, spatial_scale: "
     "float = 1}; T1 = ieee; T2 = i64"},
    {22,
     "(T1 X, T1 rois, T2 batch_indices) -> (T1 Y) {coordinate_transformation_mode: string = 'half_pixel', mode: "
     "string = 'avg', output_height: int = 1, output_width: int = 1, sampling_ratio: int = 0, spatial_scale: "
     "float = 1}; T1 = floats; T2 = i64"},
};

constexpr OpDef kTable[] = {
    row({.name = "CenterCropPad",
         .api = {"center_crop_pad"},
         .versions = kCenterCropPad,
         .infer = infer_center_crop_pad,
         .meaning = Decompose{center_crop_pad_meaning},
         .cost = cost_traffic,
         .grid = "f32[5,4] i64{2,7}; f32[3,8,7] i32{4,4} axes=[1,2]; u8[6,6,3] i64{5,5} axes=[-3,-2]; str[3] i64{5}; "
                 "bool[2,2] i64{0,3}; c64[3] i64{2}; f32[0,2] i64{2,2}",
         .doc = "The middle of input_data, cut or padded with zeros to the extents `shape` along `axes` (default: "
                "all). Of an odd difference the greater half is cut, or added, at the end."}),
    row({.name = "ImageDecoder",
         .api = {"image_decoder"},
         .versions = kImageDecoder,
         .infer = infer_image_decoder,
         .sizes = Sizes::known_after_run,
         .gradient = NoGradient{"reads a file"},
         .meaning = Primitive{"decodes a file"},
         .cost = cost_traffic,
         .grid = "u8{80,54,32,50,32,49,32,50,53,53,10,1,2,3,4,5,6}; u8{80,54,32,50,32,49,32,50,53,53,10,1,2,3,4,5,6} "
                 "pixel_format='BGR'; "
                 "u8{80,54,32,50,32,49,32,50,53,53,10,1,2,3,4,5,6} pixel_format='Grayscale'; u8[5]; u8[0]",
         .doc =
             "The pixels [height, width, channels] of the picture whose file is encoded_stream: BMP, JPEG, JPEG 2000, "
             "TIFF, PNG, WebP, PNM; pixel_format RGB, BGR or Grayscale (ITU-R 601 luma). Bytes that cannot be decoded "
             "give [0, 0, channels]. Without decoders in the process (core/picture.h) it is refused."}),
    row({.name = "NonMaxSuppression",
         .api = {"non_max_suppression"},
         .versions = kNonMaxSuppression,
         .infer = infer_suppression,
         .sizes = Sizes::known_after_run,
         .gradient = NoGradient{"indices"},
         .meaning = Primitive{"selects one after the other"},
         .cost = cost_suppression,
         .grid = "f32{1,3,4:0.0,0.0,1.0,1.0,0.0,0.1,1.0,1.1,0.0,10.0,1.0,11.0} f32{1,1,3:0.9,0.75,0.6} i64{3} f32{0.5} "
                 "f32{0.0}; "
                 "f32{1,2,4:0.5,0.5,1.0,1.0,0.5,0.6,1.0,1.0} f32{1,1,2:0.2,0.8} i64(1) f32(0.5) center_point_box=1; "
                 "f32[1,4,4] f32[1,2,4]; f32[1,0,4] f32[1,2,0] i64{3}",
         .doc = "Per image and class, boxes in the order of falling scores (above score_threshold) that overlap none "
                "selected before by more than iou_threshold, at most "
                "max_output_boxes_per_class (default 0). boxes [b, n, 4] as two corners (y, x, y, x) or, with "
                "center_point_box=1, (x, y, width, height); scores [b, c, n]. Result [k, 3]: "
                "image, class, box."}),
    row({.name = "RoiAlign",
         .api = {"roi_align"},
         .versions = kRoiAlign,
         .infer = infer_roi_align,
         .meaning = Primitive{"interpolation at computed places"},
         .cost = cost_roi_align,
         .accumulate = Accumulate::float32,
         .ulp = 64,
         .grid = "f32[2,2,6,6] f32{2,4:0.0,0.0,4.0,4.0,1.0,2.0,5.0,3.0} i64{0,1} output_height=2 output_width=2 "
                 "sampling_ratio=2; "
                 "f32[1,1,6,6] f32{1,4:0.0,0.0,11.0,7.0} i64{0} output_height=3 output_width=2 spatial_scale=0.5; "
                 "f32[1,1,6,6] f32{1,4:0.0,0.0,4.0,4.0} i64{0} mode='max' "
                 "coordinate_transformation_mode='output_half_pixel' output_height=2; "
                 "f32[1,1,6,6] f32{1,4:0.0,0.0,4.0,4.0} i64{0} output_height=2 output_width=2 v=10",
         .doc = "Each region (x1, y1, x2, y2) * spatial_scale of image batch_indices[i] as output_height x "
                "output_width bins, each the mean (or maximum of the weighted corners) of "
                "sampling_ratio^2 interpolated samples (0: as many as the bin has pixels). X [n, c, h, w], rois [r, "
                "4]; Y [r, c, oh, ow]."}),
};

}  // namespace

std::span<const OpDef> vision_ops() {
  static constexpr auto kAll = gradients::differentiable(kTable, gradients::kVision);
  return chosen<kAll>();
}

}  // namespace chorus::families
