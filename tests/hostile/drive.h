// One damaged model through everything: read, types, image, compile, run; an error or a result within the budgets.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace chorus::testing {

/// How far a model came.
struct Journey {
  bool read = false;        ///< types were asked for: it reached shape inference
  bool inferred = false;
  bool compiled = false;
  bool started = false;     ///< a run was begun
  bool ran = false;         ///< and gave a result
  std::string error;        ///< what stopped it
};

inline constexpr int64_t kMemoryBudget = int64_t{128} << 20;   ///< bytes that a run may hold
inline constexpr int64_t kTimeLimit = 2;                       ///< seconds of one run

/// Of an ONNX file. Throws what is not an Error of the library: a finding.
Journey drive(std::string_view bytes);
/// Of a binary image (.chorus).
Journey drive_image(std::string_view bytes);

}  // namespace chorus::testing
