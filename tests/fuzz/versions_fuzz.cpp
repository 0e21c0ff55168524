// Version conversion and the writer: to an operator set that the bytes choose; what was written is read again.
#include "fuzz/models.h"

#include <format/onnx/onnx.h>
#include <graph/infer.h>

namespace chorus::fuzz {
namespace {
void run(std::string_view bytes) {
  const Model model = read(bytes);
  uint64_t hash = 0;
  for (const char c : bytes) hash = hash * 31 + static_cast<unsigned char>(c);
  onnx::WriteOptions options;
  options.opset = static_cast<int>(hash % 28);   // 0: as it is
  static_cast<void>(read(onnx::write_model(model, options)));
}
}  // namespace

const Target versions{"versions",
                      "version conversion and the ONNX writer",
                      [](std::string_view bytes) { bounded(run, bytes); },
                      model_seeds,
                      change_model,
                      2};
}  // namespace chorus::fuzz
