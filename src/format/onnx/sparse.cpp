#include <core/convert.h>
#include <fmt/format.h>
#include <format/onnx/source.h>

#include <cstring>

namespace chorus::onnx {

Value sparse_to_dense(const SparseValue& sparse, int64_t budget) {
  const int64_t count = sparse.shape.numel();
  const DType dtype = sparse.values.dtype();
  const int64_t bytes = dtype_bytes(dtype, count);
  if (bytes < 0 || bytes > budget) throw Error(Code::budget, fmt::format("a sparse tensor of shape {} would take {} bytes", sparse.shape.str(), bytes));
  Value dense = Value::tensor(dtype, sparse.shape);
  if (bytes > 0) std::memset(dense.mutable_data(), 0, static_cast<size_t>(bytes));
  const int64_t n = sparse.values.numel();
  const std::vector<int64_t> indices = sparse.indices.to_int64s();
  const bool linear = sparse.indices.rank() == 1;
  const auto rank = static_cast<int64_t>(sparse.shape.rank());
  if (static_cast<int64_t>(indices.size()) != (linear ? n : n * rank)) throw Error(Code::bad_input, fmt::format("a sparse tensor has {} values but {} indices", n, indices.size()));
  for (int64_t i = 0; i < n; ++i) {
    int64_t at = linear ? indices[static_cast<size_t>(i)] : 0;
    for (int64_t d = 0; !linear && d < rank; ++d) {
      const int64_t index = indices[static_cast<size_t>(i * rank + d)];
      if (index < 0 || index >= sparse.shape[static_cast<int>(d)]) throw Error(Code::bad_input, fmt::format("index {} of a sparse tensor lies outside {}", index, sparse.shape.str()));
      at = at * sparse.shape[static_cast<int>(d)] + index;
    }
    if (at < 0 || at >= count) throw Error(Code::bad_input, fmt::format("index {} of a sparse tensor lies outside {}", at, sparse.shape.str()));
    copy_elements(dtype, sparse.values.data(), i, dense.mutable_data(), at, 1);
  }
  return dense;
}

}  // namespace chorus::onnx
