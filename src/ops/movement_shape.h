// Shape and value rules of the operators that move elements; the rows are in movement.cpp and movement_view.cpp.
#pragma once
#include <ops/context.h>
#include <ops/op_def.h>

#include <vector>

namespace chorus::movement {

void infer_reshape(ShapeContext& ctx);
void infer_flatten(ShapeContext& ctx);
void infer_squeeze(ShapeContext& ctx);
void infer_unsqueeze(ShapeContext& ctx);
void infer_shape(ShapeContext& ctx);
void infer_size(ShapeContext& ctx);
void infer_transpose(ShapeContext& ctx);
void infer_concat(ShapeContext& ctx);
void infer_split(ShapeContext& ctx);
void infer_slice(ShapeContext& ctx);
void infer_expand(ShapeContext& ctx);
void infer_tile(ShapeContext& ctx);
void infer_pad(ShapeContext& ctx);
void infer_depth_to_space(ShapeContext& ctx);
void infer_space_to_depth(ShapeContext& ctx);
void infer_reverse_sequence(ShapeContext& ctx);
void infer_trilu(ShapeContext& ctx);

void value_shape(ShapeContext& ctx);
void value_size(ShapeContext& ctx);
void value_transpose(ShapeContext& ctx);
void value_concat(ShapeContext& ctx);
void value_split(ShapeContext& ctx);
void value_slice(ShapeContext& ctx);
void value_expand(ShapeContext& ctx);
void value_tile(ShapeContext& ctx);

/// Value rules work on operands of at most so many elements.
inline constexpr int64_t kMostValues = 1024;
/// known_values of an operand that is small enough; nullopt otherwise.
std::optional<Dims> small_values(ShapeContext& ctx, int i);
/// The operand's dimensions as numbers; nullopt unless all are.
std::optional<std::vector<int64_t>> static_dims(const Type& type);
/// Output i gets operand 0's element type with these dimensions.
void set_dims(ShapeContext& ctx, Dims dims, int output = 0);
/// Output i gets operand 0's element type, rank unknown.
void set_unranked(ShapeContext& ctx, int output = 0);
/// A dimension that is unknown becomes a fresh one.
Dim named(ShapeContext& ctx, Dim dim);
/// Extent that a slice [start, end) by `step` takes of an axis; unknown where nothing is known. Ends of INT32_MAX,
/// INT64_MAX and their
/// negatives mean the axis' end, as ONNX recommends for slices to the end.
Dim slice_extent(const Dim& start, const Dim& end, int64_t step, const Dim& extent);
/// First index of a slice, clamped as NumPy does it.
int64_t slice_start(int64_t start, int64_t step, int64_t extent);

}  // namespace chorus::movement
