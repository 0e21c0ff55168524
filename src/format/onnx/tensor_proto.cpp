#include <core/convert.h>
#include <fmt/format.h>
#include <format/onnx/source.h>

#include <charconv>

namespace chorus::onnx {

Depth::Depth(Source& source) : source_(source) {
  if (++source_.depth > source_.limits.depth) {
    --source_.depth;
    throw Error(Code::budget, fmt::format("graphs or types are nested deeper than {}", source_.limits.depth), {}, "raise the depth limit if the file is trusted");
  }
}

void Source::spend_bytes(int64_t bytes, std::string_view what) {
  if (bytes < 0 || bytes > limits.tensor_bytes - tensor_bytes) {
    throw Error(Code::budget, fmt::format("{} would take {} bytes; {} of {} are spent", what, bytes, tensor_bytes, limits.tensor_bytes));
  }
  tensor_bytes += bytes;
}

std::pair<std::string, std::string> parse_entry(std::string_view message, const Source& source) {
  std::pair<std::string, std::string> entry;
  wire::Reader reader = source.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    if (field.number == 1) entry.first = wire::text(field, reader, "key");
    if (field.number == 2) entry.second = wire::text(field, reader, "value");
  }
  return entry;
}

namespace {

// The fields of a TensorProto before they are made into a Value.
struct RawTensor {
  std::vector<int64_t> dims;
  int64_t type = 0;
  std::vector<float> floats;
  std::vector<int64_t> int32s, int64s, uint64s;
  std::vector<double> doubles;
  std::vector<std::string_view> strings;
  std::string_view raw;
  bool has_raw = false, external = false;
  std::vector<std::pair<std::string, std::string>> external_data;
};

DType checked_type(int64_t type, const std::string& name) {
  if (type <= 0 || type >= kDTypeCount) {
    throw Error(Code::bad_input, fmt::format("tensor \"{}\" has element type {}, which ONNX does not define", name, type));
  }
  return static_cast<DType>(type);
}

int64_t parse_number(const std::string& text, std::string_view key, const std::string& name) {
  int64_t v = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size() || v < 0) {
    throw Error(Code::bad_input, fmt::format("external data of tensor \"{}\": {} is \"{}\", not a number", name, key, text));
  }
  return v;
}

// External data: only the keys that the format defines, only files beneath the model's folder, only bytes inside the file.
Value external_tensor(const RawTensor& t, DType dtype, const Shape& shape, int64_t bytes, const std::string& name, Source& source) {
  std::string location;
  int64_t offset = 0, length = -1;
  for (const auto& [key, value] : t.external_data) {
    if (key == "location") location = value;
    else if (key == "offset") offset = parse_number(value, key, name);
    else if (key == "length") length = parse_number(value, key, name);
    else if (key != "checksum" && key != "basepath") {
      throw Error(Code::bad_input, fmt::format("external data of tensor \"{}\" has the unknown key \"{}\"", name, key), {}, "known keys: location, offset, length, checksum");
    }
  }
  if (!source.jail) {
    if (source.folder.empty()) throw Error(Code::bad_input, fmt::format("tensor \"{}\" lies in the file \"{}\", but a model from memory has no folder", name, location));
    source.jail.emplace(source.folder);
  }
  std::shared_ptr<MappedFile>& file = source.external[location];
  if (!file) file = std::make_shared<MappedFile>(source.jail->open(location, source.limits.file_bytes));
  if (length < 0) length = bytes;
  if (length != bytes) throw Error(Code::bad_input, fmt::format("external data of tensor \"{}\" has {} bytes, but {}{} needs {}", name, length, dtype_name(dtype), shape.str(), bytes));
  const auto range = file->range(offset, length, "tensor \"" + name + "\"");
  const auto align = static_cast<uintptr_t>(std::max(1, dtype_bits(dtype) / 8));
  if (reinterpret_cast<uintptr_t>(range.data()) % align == 0) {
    return Value::tensor(dtype, shape, Buffer::borrow_read_only(range.data(), range.size(), file));
  }
  source.spend_bytes(bytes, "tensor \"" + name + "\"");
  return Value::copy_of(dtype, shape, range.data(), range.size());
}

Value raw_tensor(const RawTensor& t, DType dtype, const Shape& shape, int64_t bytes, const std::string& name, Source& source) {
  if (static_cast<int64_t>(t.raw.size()) != bytes) {
    throw Error(Code::bad_input, fmt::format("tensor \"{}\" has {} bytes of data, but {}{} needs {}", name, t.raw.size(), dtype_name(dtype), shape.str(), bytes),
                fmt::format("file offset {}", t.raw.empty() ? 0 : t.raw.data() - source.base));
  }
  const auto align = static_cast<uintptr_t>(std::max(1, dtype_bits(dtype) / 8));
  if (source.owner && bytes > 0 && reinterpret_cast<uintptr_t>(t.raw.data()) % align == 0) {
    return Value::tensor(dtype, shape, Buffer::borrow_read_only(t.raw.data(), t.raw.size(), source.owner));
  }
  source.spend_bytes(bytes, "tensor \"" + name + "\"");
  return Value::copy_of(dtype, shape, t.raw.data(), t.raw.size());
}

template <class T>
void check_count(const std::vector<T>& data, int64_t wanted, const std::string& name, std::string_view field) {
  if (static_cast<int64_t>(data.size()) != wanted) {
    throw Error(Code::bad_input, fmt::format("tensor \"{}\" has {} numbers in {}, but its shape needs {}", name, data.size(), field, wanted));
  }
}

// The typed fields: which one holds which element type is fixed in onnx.proto.
Value typed_tensor(const RawTensor& t, DType dtype, const Shape& shape, int64_t bytes, const std::string& name, Source& source) {
  const int64_t count = shape.numel();
  source.spend_bytes(bytes, "tensor \"" + name + "\"");
  Value value = Value::tensor(dtype, shape);
  auto* out = static_cast<std::byte*>(value.mutable_data());
  switch (dtype) {
    case DType::float32:
    case DType::complex64:
      check_count(t.floats, dtype == DType::float32 ? count : 2 * count, name, "float_data");
      if (bytes > 0) std::memcpy(out, t.floats.data(), static_cast<size_t>(bytes));
      break;
    case DType::float64:
    case DType::complex128:
      check_count(t.doubles, dtype == DType::float64 ? count : 2 * count, name, "double_data");
      if (bytes > 0) std::memcpy(out, t.doubles.data(), static_cast<size_t>(bytes));
      break;
    case DType::int64:
      check_count(t.int64s, count, name, "int64_data");
      if (bytes > 0) std::memcpy(out, t.int64s.data(), static_cast<size_t>(bytes));
      break;
    case DType::uint32:
    case DType::uint64:
      check_count(t.uint64s, count, name, "uint64_data");
      store_i64(dtype, out, 0, count, t.uint64s.data());
      break;
    case DType::int32: case DType::int16: case DType::int8: case DType::uint16: case DType::uint8: case DType::boolean:
      check_count(t.int32s, count, name, "int32_data");
      store_i64(dtype, out, 0, count, t.int32s.data());
      break;
    case DType::float16: case DType::bfloat16:
      check_count(t.int32s, count, name, "int32_data");   // bits of the element in the low 16 bits
      store_i64(DType::uint16, out, 0, count, t.int32s.data());
      break;
    default:                                              // one packed byte per number: float8 and everything below a byte
      check_count(t.int32s, bytes, name, "int32_data");
      store_i64(DType::uint8, out, 0, bytes, t.int32s.data());
  }
  return value;
}

Value string_tensor(const RawTensor& t, const Shape& shape, const std::string& name) {
  check_count(t.strings, shape.numel(), name, "string_data");
  auto strings = std::make_shared<Strings>();
  for (std::string_view s : t.strings) strings->push_back(s);
  return Value::strings(shape, std::move(strings));
}

}  // namespace

NamedTensor parse_tensor(std::string_view message, Source& source) {
  NamedTensor result;
  RawTensor t;
  wire::Reader reader = source.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    switch (field.number) {
      case 1: wire::append_varints(field, t.dims, reader); break;
      case 2: t.type = field.as_int(); break;
      case 3: reader.fail("a tensor in segments is not supported");
      case 4: wire::append_floats(field, t.floats, reader); break;
      case 5: wire::append_varints(field, t.int32s, reader); break;
      case 6: t.strings.push_back(wire::text(field, reader, "string_data")); break;
      case 7: wire::append_varints(field, t.int64s, reader); break;
      case 8: result.name = wire::text(field, reader, "name"); break;
      case 9: t.raw = wire::text(field, reader, "raw_data"); t.has_raw = true; break;
      case 10: wire::append_doubles(field, t.doubles, reader); break;
      case 11: wire::append_varints(field, t.uint64s, reader); break;
      case 12: result.doc = wire::text(field, reader, "doc_string"); break;
      case 13: t.external_data.push_back(parse_entry(wire::text(field, reader, "external_data"), source)); break;
      case 14: t.external = field.as_int() == 1; break;
      case 16: result.metadata.push_back(parse_entry(wire::text(field, reader, "metadata_props"), source)); break;
      default: break;
    }
  }
  const DType dtype = checked_type(t.type, result.name);
  const int64_t count = checked_numel(t.dims);
  if (count < 0) throw Error(Code::bad_input, fmt::format("tensor \"{}\" has the impossible shape {}", result.name, shape_str(t.dims)));
  const Shape shape(t.dims);
  if (dtype == DType::string) {
    result.value = string_tensor(t, shape, result.name);
    return result;
  }
  const int64_t bytes = dtype_bytes(dtype, count);
  if (bytes < 0) throw Error(Code::budget, fmt::format("tensor \"{}\" of shape {} has too many bytes to count", result.name, shape.str()));
  if (t.external) result.value = external_tensor(t, dtype, shape, bytes, result.name, source);
  else if (t.has_raw) result.value = raw_tensor(t, dtype, shape, bytes, result.name, source);
  else result.value = typed_tensor(t, dtype, shape, bytes, result.name, source);
  return result;
}

SparseValue parse_sparse_tensor(std::string_view message, Source& source, std::string* name) {
  SparseValue sparse;
  std::vector<int64_t> dims;
  wire::Reader reader = source.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    if (field.number == 1) {
      NamedTensor values = parse_tensor(wire::text(field, reader, "values"), source);
      if (name != nullptr) *name = values.name;
      sparse.values = std::move(values.value);
    } else if (field.number == 2) {
      sparse.indices = parse_tensor(wire::text(field, reader, "indices"), source).value;
    } else if (field.number == 3) {
      wire::append_varints(field, dims, reader);
    }
  }
  if (checked_numel(dims) < 0) reader.fail("a sparse tensor has an impossible shape");
  sparse.shape = Shape(dims);
  return sparse;
}

namespace {

Dims parse_shape(std::string_view message, Source& source) {
  Dims dims;
  wire::Reader reader = source.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    if (field.number != 1) continue;
    Dim dim;
    wire::Reader inner = source.reader(wire::text(field, reader, "dim"));
    wire::Field part;
    while (inner.next(part)) {
      // A negative number is how some exporters write an unknown extent.
      if (part.number == 1) dim = part.as_int() < 0 ? Dim::unknown() : Dim(part.as_int());
      if (part.number == 2) {
        const std::string_view symbol = wire::text(part, inner, "dim_param");
        dim = symbol.empty() ? Dim::unknown() : Dim::symbol(symbol);
      }
    }
    if (static_cast<int>(dims.size()) >= kMaxRank) inner.fail(fmt::format("a type has more than {} dimensions", kMaxRank));
    dims.push_back(dim);
  }
  return dims;
}

Type parse_tensor_type(std::string_view message, Source& source) {
  Type type = Type::tensor(DType::undefined);
  wire::Reader reader = source.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    if (field.number == 1) {
      if (field.as_int() < 0 || field.as_int() >= kDTypeCount) reader.fail(fmt::format("element type {} does not exist", field.as_int()));
      type.dtype = static_cast<DType>(field.as_int());
    } else if (field.number == 2) {
      type.has_rank = true;
      type.dims = parse_shape(wire::text(field, reader, "shape"), source);
    }
  }
  return type;
}

Type parse_map_type(std::string_view message, Source& source) {
  DType key = DType::undefined;
  Type value;
  wire::Reader reader = source.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    if (field.number == 1) key = field.value < kDTypeCount ? static_cast<DType>(field.value) : DType::undefined;
    if (field.number == 2) value = parse_type(wire::text(field, reader, "value_type"), source);
  }
  return Type::map(key, std::move(value));
}

}  // namespace

Type parse_type(std::string_view message, Source& source) {
  const Depth depth(source);
  Type type;
  wire::Reader reader = source.reader(message);
  wire::Field field;
  auto elem = [&](std::string_view inner_message) {
    Type inner;
    wire::Reader inner_reader = source.reader(inner_message);
    wire::Field part;
    while (inner_reader.next(part)) {
      if (part.number == 1) inner = parse_type(wire::text(part, inner_reader, "elem_type"), source);
    }
    return inner;
  };
  while (reader.next(field)) {
    switch (field.number) {
      case 1: type = parse_tensor_type(wire::text(field, reader, "tensor_type"), source); break;
      case 4: type = Type::sequence(elem(wire::text(field, reader, "sequence_type"))); break;
      case 5: type = parse_map_type(wire::text(field, reader, "map_type"), source); break;
      case 8:
        type = parse_tensor_type(wire::text(field, reader, "sparse_tensor_type"), source);
        type.sparse = true;
        break;
      case 9: type = Type::optional(elem(wire::text(field, reader, "optional_type"))); break;
      default: break;
    }
  }
  return type;
}

}  // namespace chorus::onnx
