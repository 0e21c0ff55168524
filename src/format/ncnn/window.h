// Windows of convolutions and pooling, and layers that take one of a batch.
#pragma once
#include <format/ncnn/emitter.h>

#include <functional>
#include <span>
#include <vector>

namespace chorus::ncnn {

/// By spatial axis, outermost first.
struct Window {
  std::vector<int64_t> kernel, stride, dilation, begin, end;
};

/// From the node's attributes, with the padding that auto_pad means for these sizes. Throws Refusal for negative padding.
Window window_of(Emitter& e, size_t axes, const Extents& in, const Extents& out, std::span<const int64_t> kernel);

/// `one` for each of the batch of an operand [batch, …]; its result has extents `out_one`. The result: those of one where the batch is 1,
/// else [batch, elements].
Blob per_batch(Emitter& e, size_t operand, const Extents& out_one, const std::function<Blob(const Blob&)>& one);

}  // namespace chorus::ncnn
