#include <core/convert.h>
#include <format/onnx/source.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace chorus::onnx {
namespace {

// A dense form may be this much larger than its sparse one without a question: initializers with few entries are common.
constexpr int64_t kFreeBytes = int64_t{64} << 20;
constexpr int64_t kLargestRatio = 1024;

[[noreturn]] void fail(const std::string& what, const std::string& name) {
  throw Error(Code::bad_input, fmt::format("sparse tensor \"{}\": {}", name, what));
}

// Flat position of entry i; -1 when it lies outside.
int64_t position(const SparseValue& sparse, const int64_t* indices, int64_t i, int64_t count) {
  if (sparse.indices.rank() == 1) return indices[i] < 0 || indices[i] >= count ? -1 : indices[i];
  int64_t at = 0;
  const int rank = sparse.shape.rank();
  for (int d = 0; d < rank; ++d) {
    const int64_t index = indices[i * rank + d];
    if (index < 0 || index >= sparse.shape[d]) return -1;
    at = at * sparse.shape[d] + index;
  }
  return at;
}

void check(const SparseValue& sparse, const std::string& name) {
  if (!sparse.values.is_tensor() || sparse.values.rank() != 1) fail("its values are not a tensor of rank 1", name);
  if (!sparse.indices.is_tensor() || sparse.indices.dtype() != DType::int64)
    fail("its indices are not a tensor of int64", name);
  const int64_t n = sparse.values.numel();
  const Shape& form = sparse.indices.shape();
  const bool linear = form.rank() == 1 && form[0] == n;
  const bool by_axis = form.rank() == 2 && form[0] == n && form[1] == sparse.shape.rank();
  if (!linear && !by_axis)
    fail(fmt::format("indices of shape {} do not fit {} values of a tensor {}", form.str(), n, sparse.shape.str()),
         name);
  const std::vector<int64_t> indices = sparse.indices.to_int64s();
  const int64_t count = sparse.shape.numel();
  for (int64_t i = 0; i < n; ++i) {
    if (position(sparse, indices.data(), i, count) < 0)
      fail(fmt::format("entry {} lies outside {}", i, sparse.shape.str()), name);
  }
}

}  // namespace

NamedSparse parse_sparse_tensor(std::string_view message, Source& source) {
  NamedSparse sparse;
  std::vector<int64_t> dims;
  wire::Reader reader = source.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    if (field.number == 1) {
      NamedTensor values = parse_tensor(wire::text(field, reader, "values"), source);
      sparse.name = std::move(values.name);
      sparse.value.values = std::move(values.value);
      sparse.said_values = std::move(values.said);
    } else if (field.number == 2) {
      NamedTensor indices = parse_tensor(wire::text(field, reader, "indices"), source);
      sparse.value.indices = std::move(indices.value);
      sparse.said_indices = std::move(indices.said);
    } else if (field.number == 3) {
      wire::append_varints(field, dims, reader);
    }
  }
  if (checked_numel(dims) < 0) reader.fail("a sparse tensor has an impossible shape");
  sparse.value.shape = Shape(dims);
  check(sparse.value, sparse.name);
  return sparse;
}

Value sparse_to_dense(const SparseValue& sparse, Source& source) {
  const int64_t count = sparse.shape.numel();
  const DType dtype = sparse.values.dtype();
  const int64_t bytes = dtype_bytes(dtype, count);
  if (dtype_bits(dtype) == 0) throw Error(Code::unsupported, "sparse tensors of text are not read");
  const auto stored = static_cast<int64_t>(sparse.values.bytes() + sparse.indices.bytes());
  if (bytes < 0 || bytes > std::max(kFreeBytes, checked_mul(stored, kLargestRatio))) {
    throw Error(Code::budget, fmt::format("a sparse tensor of shape {} would take {} bytes for {} stored ones",
                                          sparse.shape.str(), bytes, stored));
  }
  source.spend_bytes(bytes, "a sparse tensor");
  Value dense = Value::tensor(dtype, sparse.shape);
  if (bytes > 0) std::memset(dense.mutable_data(), 0, static_cast<size_t>(bytes));
  const std::vector<int64_t> indices = sparse.indices.to_int64s();
  for (int64_t i = 0; i < sparse.values.numel(); ++i) {
    copy_elements(dtype, sparse.values.data(), i, dense.mutable_data(), position(sparse, indices.data(), i, count), 1);
  }
  return dense;
}

}  // namespace chorus::onnx
