// Values as the test cases of the onnx package store them: TensorProto, SequenceProto, OptionalProto, MapProto (onnx-data.proto); and back.
#include <core/convert.h>
#include <format/onnx/proto.h>
#include <format/onnx/source.h>

#include <algorithm>
#include <memory>

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
    if (field.number == 3)
      items.push_back(parse_tensor(wire::text(field, reader, "tensor_values"), source).value);
    else if (field.number == 5)
      items.push_back(parse_sequence(wire::text(field, reader, "sequence_values"), elem, source));
    else if (field.number == 6 || field.number == 7)
      items.push_back(parse_value(wire::text(field, reader, "values"), elem, source));
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

/// Scalars of one element type as one tensor of rank 1; other values stay a sequence.
Value values_of_map(const Value& sequence) {
  const auto items = sequence.items();
  const bool scalars = !items.empty() && std::all_of(items.begin(), items.end(), [&](const Value& v) {
    return v.is_tensor() && v.rank() == 0 && v.dtype() == items[0].dtype();
  });
  if (!scalars) return sequence;
  const Shape shape{static_cast<int64_t>(items.size())};
  if (items[0].dtype() == DType::string) {
    auto all = std::make_shared<Strings>();
    for (const Value& v : items) all->push_back(v.strings()[0]);
    return Value::strings(shape, std::move(all));
  }
  Value all = Value::tensor(items[0].dtype(), shape);
  for (size_t i = 0; i < items.size(); ++i)
    copy_elements(all.dtype(), items[i].data(), 0, all.mutable_data(), static_cast<int64_t>(i), 1);
  return all;
}

// MapProto: 1 name, 2 key_type, 3 keys, 4 string_keys, 5 values (a SequenceProto).
Value parse_map(std::string_view message, const Type& type, Source& source) {
  const Depth depth(source);
  std::vector<int64_t> keys;
  auto texts = std::make_shared<Strings>();
  Value values = Value::sequence(DType::undefined, {});
  DType key_type = DType::undefined;
  wire::Reader reader = source.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    if (field.number == 2) {
      const int64_t number = wire::integer(field, reader, "key_type");
      if (number < 1 || number >= kDTypeCount) reader.fail("the keys of a map have an unknown type");
      key_type = static_cast<DType>(number);
    }
    if (field.number == 3) wire::append_varints(field, keys, reader);
    if (field.number == 4) texts->push_back(wire::text(field, reader, "string_keys"));
    if (field.number == 5)
      values =
          parse_sequence(wire::text(field, reader, "values"), Type::sequence(type.elem ? *type.elem : Type{}), source);
  }
  if (key_type == DType::string) {
    const int64_t n = texts->size();
    return Value::map(Value::strings(Shape{n}, std::move(texts)), values_of_map(values));
  }
  if (!is_integer(key_type)) reader.fail("the keys of a map are neither integers nor texts");
  Value all = Value::tensor(key_type, Shape{static_cast<int64_t>(keys.size())});
  store_i64(key_type, all.mutable_data(), 0, static_cast<int64_t>(keys.size()), keys.data());
  return Value::map(std::move(all), values_of_map(values));
}

Value parse_value(std::string_view message, const Type& type, Source& source) {
  switch (type.kind) {
    case ValueKind::sequence: return parse_sequence(message, type, source);
    case ValueKind::optional: return parse_optional(message, type, source);
    case ValueKind::map: return parse_map(message, type, source);
    default: return parse_tensor(message, source).value;
  }
}

}  // namespace

Value read_value(std::string_view bytes, const Type& type, std::shared_ptr<const void> owner,
                 const ReadLimits& limits) {
  Source source;
  source.base = bytes.data();
  source.owner = std::move(owner);
  source.limits = limits;
  return parse_value(bytes, type, source);
}

namespace {

constexpr int64_t kTensors = 1;  // SequenceProto.DataType.TENSOR

/// Element i of a tensor of rank 1 as a scalar.
Value element(const Value& from, int64_t i) {
  if (from.dtype() == DType::string) {
    const std::string text(from.strings()[i]);
    return Value::strings(Shape(), std::span<const std::string>(&text, 1));
  }
  Value one = Value::tensor(from.dtype(), Shape());
  copy_elements(from.dtype(), from.data(), i, one.mutable_data(), 0, 1);
  return one;
}

wire::Writer sequence_message(std::span<const Value> items) {
  wire::Writer out;
  out.integer(2, kTensors);
  for (const Value& item : items) {
    if (!item.is_tensor()) throw Error(Code::unsupported, "only sequences of tensors are written to data files");
    out.bytes(3, tensor_message(item).str());
  }
  return out;
}

wire::Writer map_message(const Value& map) {
  const Value &keys = map.items()[0], &values = map.items()[1];
  wire::Writer out;
  out.integer(2, static_cast<int64_t>(keys.dtype()));
  std::vector<Value> items;
  for (int64_t i = 0; i < keys.numel(); ++i) {
    if (keys.dtype() == DType::string) {
      out.bytes(4, keys.strings()[i]);
    } else {
      out.integer(3, get_i64(keys.dtype(), keys.data(), i));
    }
    items.push_back(values.is_tensor() ? element(values, i) : values.items()[static_cast<size_t>(i)]);
  }
  out.message(5, sequence_message(items));
  return out;
}

}  // namespace

std::string write_value(const Value& value, std::string_view name) {
  if (value.is_tensor()) return write_tensor(value, name);
  if (value.kind() != ValueKind::sequence && value.kind() != ValueKind::map)
    throw Error(Code::unsupported, "only tensors, sequences and maps are written to data files");
  wire::Writer out;
  out.text(1, name);
  const wire::Writer inner = value.kind() == ValueKind::map ? map_message(value) : sequence_message(value.items());
  return out.str() + inner.str();
}

std::string write_tensor(const Value& value, std::string_view name) {
  wire::Writer w = tensor_message(value);
  w.text(8, name);
  return w.str();
}

}  // namespace chorus::onnx
