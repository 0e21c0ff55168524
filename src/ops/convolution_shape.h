// Shape rules of windowed operators, for the rows in convolution.cpp.
#pragma once
#include <ops/context.h>

namespace chorus::convolution {

void infer_conv(ShapeContext& ctx);
void infer_conv_integer(ShapeContext& ctx);
void infer_qlinear_conv(ShapeContext& ctx);
void infer_deform_conv(ShapeContext& ctx);
void infer_conv_transpose(ShapeContext& ctx);
void infer_causal_conv(ShapeContext& ctx);
void infer_pool(ShapeContext& ctx);       ///< MaxPool (with indices), AveragePool, LpPool
void infer_global_pool(ShapeContext& ctx);
void infer_max_unpool(ShapeContext& ctx);
void infer_max_roi_pool(ShapeContext& ctx);
void infer_resize(ShapeContext& ctx);
void infer_upsample(ShapeContext& ctx);
void infer_grid_sample(ShapeContext& ctx);
void infer_affine_grid(ShapeContext& ctx);
void infer_col2im(ShapeContext& ctx);

}  // namespace chorus::convolution
