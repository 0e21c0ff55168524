// Errors: what is wrong, where, and how to fix it, with the values.
// Three failure channels, no fourth: Error (caller's mistake, impossible request), Result/Status (expected outcomes,
// kernels), assert (our own bug, never reachable from a file or a request).
#pragma once
#include <chorus/export.h>

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

namespace chorus {

/// Kind of failure; the numbers equal ch_code of engine_abi.h for the shared ones.
enum class Code : int32_t {
  ok = 0,
  unsupported = 1,  ///< no engine can do this (a sentence says why)
  bad_input = 2,  ///< a file, request or argument is wrong
  budget = 3,  ///< a bound on bytes, nodes, depth or time would be exceeded
  cancelled = 4,
  timeout = 5,
  device_lost = 6,
  internal = 7,  ///< our fault
  not_found = 8,  ///< a file, name or engine does not exist
  already_exists = 9,
  unavailable = 10,  ///< known but not usable here (engine not installed, device absent)
  shape = 11,  ///< shapes do not fit each other
  type = 12,  ///< element type or kind of value does not fit
};

/// "shape", "bad_input", … for JSON and logs.
CHORUS_API std::string_view code_name(Code code) noexcept;

/// What – where – how to fix. `what()` is the three on lines of their own; empty parts are left out. Names from hostile
/// files are safe to show: what() writes control characters as \xNN and cuts each part at 64 KiB; message(), where()
/// and fix() give the parts as they are.
///   Softmax: axis 3 is out of range for x of shape [2, 5, 7] (rank 3)
///     where: node "head/softmax", model.onnx, opset 13
///     fix:   use an axis in [-3, 2]
class CHORUS_API Error : public std::exception {
 public:
  Error(Code code, std::string what, std::string where = {}, std::string fix = {});
  ~Error() override;
  Error(const Error&);
  Error& operator=(const Error&);

  const char* what() const noexcept override { return text_.c_str(); }
  Code code() const noexcept { return code_; }
  const std::string& message() const noexcept { return what_; }  ///< the first line alone
  const std::string& where() const noexcept { return where_; }
  const std::string& fix() const noexcept { return fix_; }
  /// The same error with a place added; an inner place stays first: "node a; model.onnx".
  Error at(std::string_view outer) const;

 private:
  void compose();
  Code code_;
  std::string what_, where_, fix_, text_;
};

/// Outcome of a kernel or another function that may not throw. Trivially cheap when ok: the text is a fixed array.
/// `node` is the index of the node in its Program, or -1.
struct Status {
  Code code = Code::ok;
  int32_t node = -1;
  char text[224] = {};
  bool ok() const noexcept { return code == Code::ok; }
  /// printf-style, cut at the array's end (never inside a UTF-8 character), never allocates.
  CHORUS_API static Status error(Code code, const char* format, ...) noexcept __attribute__((format(printf, 2, 3)));
};

}  // namespace chorus
