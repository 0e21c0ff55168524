// What the parts of the ONNX reader share: the bytes, who keeps them, and what has been spent of the limits.
#pragma once
#include <core/file.h>
#include <format/onnx/onnx.h>
#include <format/protobuf/wire.h>

#include <functional>
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
  int64_t offset(std::string_view part) const noexcept { return part.data() == nullptr ? 0 : part.data() - base; }
  void spend_bytes(int64_t bytes, std::string_view what);
  void spend_node(std::string_view what);
  void spend_values(int64_t count, std::string_view name);
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
  std::string said;                                ///< wire bytes of name, text, metadata and unknown fields
};

NamedTensor parse_tensor(std::string_view message, Source& source);
struct NamedSparse {
  SparseValue value;
  std::string name;                                ///< that of its values
  std::string said_values, said_indices;           ///< as NamedTensor::said
};
/// Shapes, number and range of the indices are checked.
NamedSparse parse_sparse_tensor(std::string_view message, Source& source);
/// Dense form, zeros where nothing is said. Error(budget) for one that is out of all proportion to what the file holds of it.
Value sparse_to_dense(const SparseValue& sparse, Source& source);
/// Reads an attribute; what AttrValue cannot hold of it goes to `details`. `graph` reads a body.
AttrValue parse_attribute(std::string_view message, Source& source, std::string& name, std::string& details,
                          const std::function<GraphPtr(std::string_view)>& graph);
Type parse_type(std::string_view message, Source& source);
std::pair<std::string, std::string> parse_entry(std::string_view message, const Source& source);

}  // namespace chorus::onnx
