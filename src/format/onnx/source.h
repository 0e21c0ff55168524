// What the parts of the ONNX reader share: the bytes, who keeps them, and what has been spent of the limits.
#pragma once
#include <core/file.h>
#include <format/onnx/onnx.h>
#include <format/protobuf/wire.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace chorus::onnx {

struct Source {
  const char* base = nullptr;
  std::shared_ptr<const void> owner;
  std::optional<Jail> jail;                        ///< folder of external data; empty: none may be read
  std::string folder;
  std::map<std::string, std::shared_ptr<MappedFile>, std::less<>> external;
  ReadLimits limits;
  int64_t nodes = 0, values = 0, tensor_bytes = 0;
  int depth = 0;

  wire::Reader reader(std::string_view message) const { return {message, base}; }
  void spend_bytes(int64_t bytes, std::string_view what);
};

/// Counts nesting; throws Error(budget) past the limit.
class Depth {
 public:
  explicit Depth(Source& source);
  ~Depth() { --source_.depth; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;

 private:
  Source& source_;
};

struct NamedTensor {
  std::string name, doc;
  Metadata metadata;
  Value value;
};

NamedTensor parse_tensor(std::string_view message, Source& source);
SparseValue parse_sparse_tensor(std::string_view message, Source& source, std::string* name);
/// Dense form, zeros where nothing is said; Error(budget) past `budget` bytes.
Value sparse_to_dense(const SparseValue& sparse, int64_t budget);
Type parse_type(std::string_view message, Source& source);
std::pair<std::string, std::string> parse_entry(std::string_view message, const Source& source);

}  // namespace chorus::onnx
