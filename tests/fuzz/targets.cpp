#include "fuzz/target.h"

namespace chorus::fuzz {

std::span<const Target* const> all_targets() {
  static constexpr const Target* kAll[] = {&onnx,    &shapes, &passes, &plan,     &versions,   &image,
                                           &program, &tensor, &arrays, &pictures, &processing, &config};
  return kAll;
}

}  // namespace chorus::fuzz
