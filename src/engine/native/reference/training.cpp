// Gradient: no kernel can compute it, because it speaks of other nodes of its graph.
#include <engine/native/kernel.h>
#include <ops/chosen.h>

namespace chorus::native {
namespace {

Status gradient(KernelContext&) noexcept {
  return Status::error(Code::unsupported, "Gradient has to be replaced by nodes before a run: differentiate the graph");
}

constexpr KernelRow kRows[] = {{"Gradient", gradient, "ai.onnx.preview.training"}};

}  // namespace

std::span<const KernelRow> reference::training_kernels() { return chosen<kRows>(); }

}  // namespace chorus::native
