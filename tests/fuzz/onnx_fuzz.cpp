// The ONNX reader: bytes to a graph whose invariants hold.
#include "fuzz/models.h"

#include <graph/verify.h>

namespace chorus::fuzz {
namespace {
void run(std::string_view bytes) {
  const Model model = read(bytes);
  verify(*model.graph);
}
}  // namespace

const Target onnx{"onnx",      "the ONNX reader", [](std::string_view bytes) { bounded(run, bytes); },
                  model_seeds, change_model,      2};
}  // namespace chorus::fuzz
