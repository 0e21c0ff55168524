// Kernels of ai.onnx.ml that stand in files of their own; the rows are in ml.cpp.
#pragma once
#include <engine/native/kernel.h>

namespace chorus::native {

Status tf_idf_vectorizer(KernelContext& ctx) noexcept;    // ngram.cpp

}  // namespace chorus::native
