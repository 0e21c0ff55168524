// What a file says beyond the fields of Graph: names and texts of tensors in attributes, denotations, sparse forms. Kept as records of
// our own in the raw_fields of graphs and nodes, so that nothing is lost between reader and writer; passes need not know of them.
#pragma once
#include <graph/graph.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::onnx {

/// The field that holds a record: the last number there is. The reader drops a file's own field of this number.
inline constexpr int kDetailField = 536870911;

enum class DetailKind : uint8_t {
  value_type = 1,  ///< TypeProto of a value, where Type says less
  sparse_initializer = 2,  ///< SparseTensorProto of a constant
  input_default = 3,  ///< name, text and metadata of the TensorProto that gives an input its default
  output_info = 4,  ///< ValueInfoProto of an output that is an input or a constant too
  attribute_type = 5,  ///< TypeProto `index` of an attribute
  attribute_tensor = 6,  ///< as input_default, of tensor `index` of an attribute (sparse ones: 2i values, 2i+1 indices)
};

struct Detail {
  DetailKind kind = DetailKind::value_type;
  std::string_view key;  ///< name of the value or attribute
  int64_t index = 0;
  std::string_view bytes;
};

void add_detail(std::string& raw_fields, const Detail& detail);
/// All records of a raw_fields, which must outlive them; `rest` gets the fields of the file, ready to be written.
class Details {
 public:
  Details() = default;
  explicit Details(std::string_view raw_fields);
  /// Null when there is none.
  const std::string_view* find(DetailKind kind, std::string_view key, int64_t index = 0) const;
  const std::string& rest() const noexcept { return rest_; }

 private:
  std::vector<Detail> sorted_;
  std::string rest_;
};

}  // namespace chorus::onnx
