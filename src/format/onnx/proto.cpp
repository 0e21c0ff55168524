#include <chorus/error.h>
#include <format/onnx/proto.h>
#include <fmt/format.h>

namespace chorus::onnx {
namespace {

wire::Writer tensor_type(const Type& type) {
  wire::Writer out;
  out.nonzero(1, static_cast<int64_t>(type.dtype));
  if (!type.has_rank) return out;
  wire::Writer shape;
  for (const Dim& d : type.dims) {
    wire::Writer dim;
    if (d.is_number())
      dim.integer(1, d.number());
    else if (d.is_symbolic())
      dim.bytes(2, d.str());
    shape.message(1, dim);
  }
  out.message(2, shape);
  return out;
}

wire::Writer element(const Type& type) {
  wire::Writer out;
  if (type.elem) out.message(1, type_message(*type.elem));
  return out;
}

}  // namespace

wire::Writer type_message(const Type& type) {
  wire::Writer out;
  switch (type.kind) {
    case ValueKind::none: break;
    case ValueKind::tensor: out.message(type.sparse ? 8 : 1, tensor_type(type)); break;
    case ValueKind::sequence: out.message(4, element(type)); break;
    case ValueKind::optional: out.message(9, element(type)); break;
    case ValueKind::map: {
      wire::Writer map;
      map.nonzero(1, static_cast<int64_t>(type.dtype));
      if (type.elem) map.message(2, type_message(*type.elem));
      out.message(5, map);
      break;
    }
  }
  return out;
}

void write_entries(wire::Writer& out, int field, const Metadata& entries) {
  for (const auto& [key, value] : entries) {
    wire::Writer entry;
    entry.text(1, key);
    entry.text(2, value);
    out.message(field, entry);
  }
}

wire::Writer tensor_message(const Value& value) {
  if (!value.is_tensor())
    throw Error(Code::unsupported, "a constant that is a sequence, optional or map cannot be written as a tensor");
  wire::Writer out;
  for (int64_t d : value.shape()) out.integer(1, d);
  out.integer(2, static_cast<int64_t>(value.dtype()));
  if (value.dtype() == DType::string) {
    for (int64_t i = 0; i < value.strings().size(); ++i) out.bytes(6, value.strings()[i]);
    return out;
  }
  const int64_t bytes = dtype_bytes(value.dtype(), value.numel());
  if (bytes > 0)
    out.borrowed(9, {static_cast<const char*>(value.data()),
                     static_cast<size_t>(bytes)});   // the checker wants none for no elements
  return out;
}

}  // namespace chorus::onnx
