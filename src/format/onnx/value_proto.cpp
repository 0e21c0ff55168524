// Values as the test cases of the onnx package store them: TensorProto, SequenceProto, OptionalProto (onnx-data.proto); and back.
#include <format/onnx/proto.h>
#include <format/onnx/source.h>

namespace chorus::onnx {
namespace {

Value parse_value(std::string_view message, const Type& type, Source& source);

// SequenceProto: 1 name, 2 elem_type, 3 tensors, 4 sparse, 5 sequences, 6 maps, 7 optionals.
Value parse_sequence(std::string_view message, const Type& type, Source& source) {
  const Depth depth(source);
  static const Type any = Type::tensor(DType::undefined);
  const Type& elem = type.elem ? *type.elem : any;
  std::vector<Value> items;
  wire::Reader reader = source.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    if (field.number == 3) items.push_back(parse_tensor(wire::text(field, reader, "tensor_values"), source).value);
    else if (field.number == 5) items.push_back(parse_sequence(wire::text(field, reader, "sequence_values"), elem, source));
    else if (field.number == 6 || field.number == 7) items.push_back(parse_value(wire::text(field, reader, "values"), elem, source));
  }
  return Value::sequence(elem.is_tensor() ? elem.dtype : DType::undefined, std::move(items));
}

// OptionalProto: 1 name, 2 elem_type, 3 tensor, 4 sparse, 5 sequence, 6 map, 7 optional.
Value parse_optional(std::string_view message, const Type& type, Source& source) {
  const Depth depth(source);
  static const Type any = Type::tensor(DType::undefined);
  const Type& elem = type.elem ? *type.elem : any;
  std::vector<Value> items;
  wire::Reader reader = source.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    if (field.number == 3) items.push_back(parse_tensor(wire::text(field, reader, "tensor_value"), source).value);
    if (field.number == 5) items.push_back(parse_sequence(wire::text(field, reader, "sequence_value"), elem, source));
  }
  return Value::optional(elem.is_tensor() ? elem.dtype : DType::undefined, std::move(items));
}

Value parse_value(std::string_view message, const Type& type, Source& source) {
  switch (type.kind) {
    case ValueKind::sequence: return parse_sequence(message, type, source);
    case ValueKind::optional: return parse_optional(message, type, source);
    case ValueKind::map: throw Error(Code::unsupported, "maps in data files are not read");
    default: return parse_tensor(message, source).value;
  }
}

}  // namespace

Value read_value(std::string_view bytes, const Type& type, std::shared_ptr<const void> owner, const ReadLimits& limits) {
  Source source;
  source.base = bytes.data();
  source.owner = std::move(owner);
  source.limits = limits;
  return parse_value(bytes, type, source);
}

std::string write_tensor(const Value& value, std::string_view name) {
  wire::Writer w = tensor_message(value);
  w.text(8, name);
  return w.str();
}

}  // namespace chorus::onnx
