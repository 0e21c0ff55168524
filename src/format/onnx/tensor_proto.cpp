#include <core/convert.h>
#include <format/onnx/source.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace chorus::onnx {

Depth::Depth(Source& source) : source_(source) {
  if (++source_.depth > source_.limits.depth) {
    --source_.depth;
    throw Error(Code::budget, fmt::format("graphs or types are nested deeper than {}", source_.limits.depth), {},
                "raise the depth limit if the file is trusted");
  }
}

void Source::spend_bytes(int64_t bytes, std::string_view what) {
  if (bytes < 0 || bytes > limits.tensor_bytes - tensor_bytes) {
    throw Error(Code::budget, fmt::format("{} would take {} bytes; {} of {} are spent", what, bytes, tensor_bytes,
                                          limits.tensor_bytes));
  }
  tensor_bytes += bytes;
}

void Source::spend_node(std::string_view what) {
  if (++nodes > limits.nodes)
    throw Error(Code::budget, fmt::format("the file has more than {} {}", limits.nodes, what), {},
                "raise the limit if the file is trusted");
}

void Source::spend_values(int64_t count, std::string_view name) {
  if (static_cast<int64_t>(name.size()) > limits.name_bytes) {
    throw Error(Code::budget, fmt::format("a name has {} bytes; the limit is {}", name.size(), limits.name_bytes),
                fmt::format("file offset {}", offset(name)));
  }
  values += count;
  if (values > limits.values)
    throw Error(Code::budget, fmt::format("the file has more than {} values", limits.values), {},
                "raise the limit if the file is trusted");
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
    throw Error(Code::bad_input,
                fmt::format("tensor \"{}\" has element type {}, which ONNX does not define", name, type));
  }
  return static_cast<DType>(type);
}

int64_t parse_number(const std::string& text, std::string_view key, const std::string& name) {
  int64_t v = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size() || v < 0) {
    throw Error(Code::bad_input,
                fmt::format("external data of tensor \"{}\": {} is \"{}\", not a number", name, key, text));
  }
  return v;
}

// Elements where they lie when their alignment allows, else a copy. Truth values other than 0 and 1 become 1: kernels read them as bool.
Value place(std::string_view data, DType dtype, const Shape& shape, const std::string& name, Source& source,
            const std::shared_ptr<const void>& owner) {
  const auto align = static_cast<uintptr_t>(std::max(1, dtype_bits(dtype) / 8));
  const bool strange = dtype == DType::boolean && std::ranges::any_of(data, [](char c) { return (c & ~1) != 0; });
  if (owner && !data.empty() && !strange && reinterpret_cast<uintptr_t>(data.data()) % align == 0) {
    return Value::tensor(dtype, shape, Buffer::borrow_read_only(data.data(), data.size(), owner));
  }
  source.spend_bytes(static_cast<int64_t>(data.size()), "tensor \"" + name + "\"");
  Value value = Value::copy_of(dtype, shape, data.data(), data.size());
  if (strange) {
    auto* truth = static_cast<char*>(value.mutable_data());
    std::transform(truth, truth + data.size(), truth, [](char c) { return static_cast<char>(c != 0); });
  }
  return value;
}

// External data: only the keys that the format defines, only files beneath the model's folder, only bytes inside the file.
Value external_tensor(const RawTensor& t, DType dtype, const Shape& shape, int64_t bytes, const std::string& name,
                      Source& source) {
  std::string location;
  int64_t offset = 0, length = -1;
  for (const auto& [key, value] : t.external_data) {
    if (key == "location")
      location = value;
    else if (key == "offset")
      offset = parse_number(value, key, name);
    else if (key == "length")
      length = parse_number(value, key, name);
    else if (key != "checksum" && key != "basepath") {
      throw Error(Code::bad_input, fmt::format("external data of tensor \"{}\" has the unknown key \"{}\"", name, key),
                  {}, "known keys: location, offset, length, checksum");
    }
  }
  if (!source.jail) {
    if (source.folder.empty())
      throw Error(
          Code::bad_input,
          fmt::format("tensor \"{}\" lies in the file \"{}\", but a model from memory has no folder", name, location));
    source.jail.emplace(source.folder);
  }
  std::shared_ptr<MappedFile>& file = source.external[location];
  if (!file) {
    try {
      file = std::make_shared<MappedFile>(source.jail->open(location, source.limits.file_bytes));
    } catch (const Error& error) {
      throw error.at("external data of tensor \"" + name + "\"");
    }
  }
  if (length < 0) length = bytes;
  if (length != bytes)
    throw Error(Code::bad_input, fmt::format("external data of tensor \"{}\" has {} bytes, but {}{} needs {}", name,
                                             length, dtype_name(dtype), shape.str(), bytes));
  const auto range = file->range(offset, length, "tensor \"" + name + "\"");
  return place({reinterpret_cast<const char*>(range.data()), range.size()}, dtype, shape, name, source, file);
}

Value raw_tensor(const RawTensor& t, DType dtype, const Shape& shape, int64_t bytes, const std::string& name,
                 Source& source) {
  if (static_cast<int64_t>(t.raw.size()) != bytes) {
    throw Error(Code::bad_input,
                fmt::format("tensor \"{}\" has {} bytes of data, but {}{} needs {}", name, t.raw.size(),
                            dtype_name(dtype), shape.str(), bytes),
                fmt::format("file offset {}", t.raw.empty() ? 0 : t.raw.data() - source.base));
  }
  return place(t.raw, dtype, shape, name, source, source.owner);
}

// The typed fields: which one holds which element type is fixed in onnx.proto. Counts are compared before memory is taken.
struct Typed {
  std::string_view field;
  int64_t found = 0, wanted = 0;
  const void* data = nullptr;
  DType stored = DType::undefined;  ///< type of the elements that int64 numbers become; undefined: copied as they are
};

Typed typed_field(const RawTensor& t, DType dtype, int64_t count, int64_t bytes) {
  auto size = [](const auto& list) { return static_cast<int64_t>(list.size()); };
  switch (dtype) {
    case DType::float32: return {"float_data", size(t.floats), count, t.floats.data()};
    case DType::complex64: return {"float_data", size(t.floats), checked_mul(count, 2), t.floats.data()};
    case DType::float64: return {"double_data", size(t.doubles), count, t.doubles.data()};
    case DType::complex128: return {"double_data", size(t.doubles), checked_mul(count, 2), t.doubles.data()};
    case DType::int64: return {"int64_data", size(t.int64s), count, t.int64s.data()};
    case DType::uint32:
    case DType::uint64: return {"uint64_data", size(t.uint64s), count, t.uint64s.data(), dtype};
    case DType::int32:
    case DType::int16:
    case DType::int8:
    case DType::uint16:
    case DType::uint8:
    case DType::boolean: return {"int32_data", size(t.int32s), count, t.int32s.data(), dtype};
    case DType::float16:
    case DType::bfloat16:
      return {"int32_data", size(t.int32s), count, t.int32s.data(), DType::uint16};  // bits in the low half
    default: return {"int32_data", size(t.int32s), bytes, t.int32s.data(), DType::uint8};  // one packed byte per number
  }
}

Value typed_tensor(const RawTensor& t, DType dtype, const Shape& shape, int64_t bytes, const std::string& name,
                   Source& source) {
  const Typed typed = typed_field(t, dtype, shape.numel(), bytes);
  if (typed.found != typed.wanted) {
    throw Error(Code::bad_input, fmt::format("tensor \"{}\" has {} numbers in {}, but {}{} needs {}", name, typed.found,
                                             typed.field, dtype_name(dtype), shape.str(), typed.wanted));
  }
  source.spend_bytes(bytes, "tensor \"" + name + "\"");
  Value value = Value::tensor(dtype, shape);
  if (bytes == 0) return value;
  if (typed.stored == DType::undefined)
    std::memcpy(value.mutable_data(), typed.data, static_cast<size_t>(bytes));
  else
    store_i64(typed.stored, value.mutable_data(), 0, typed.wanted, static_cast<const int64_t*>(typed.data));
  return value;
}

Value string_tensor(const RawTensor& t, const Shape& shape, const std::string& name) {
  if (static_cast<int64_t>(t.strings.size()) != shape.numel()) {
    throw Error(Code::bad_input, fmt::format("tensor \"{}\" has {} texts, but its shape {} needs {}", name,
                                             t.strings.size(), shape.str(), shape.numel()));
  }
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
      case 2: t.type = wire::integer(field, reader, "data_type"); break;
      case 3: reader.fail("a tensor in segments is not supported");
      case 4: wire::append_floats(field, t.floats, reader); break;
      case 5: wire::append_varints(field, t.int32s, reader); break;
      case 6: t.strings.push_back(wire::text(field, reader, "string_data")); break;
      case 7: wire::append_varints(field, t.int64s, reader); break;
      case 8:
        result.name = wire::text(field, reader, "name");
        result.said.append(field.raw);
        break;
      case 9:
        t.raw = wire::text(field, reader, "raw_data");
        t.has_raw = true;
        break;
      case 10: wire::append_doubles(field, t.doubles, reader); break;
      case 11: wire::append_varints(field, t.uint64s, reader); break;
      case 12:
        result.doc = wire::text(field, reader, "doc_string");
        result.said.append(field.raw);
        break;
      case 13: t.external_data.push_back(parse_entry(wire::text(field, reader, "external_data"), source)); break;
      case 14: t.external = wire::integer(field, reader, "data_location") == 1; break;
      case 16:
        result.metadata.push_back(parse_entry(wire::text(field, reader, "metadata_props"), source));
        result.said.append(field.raw);
        break;
      default: result.said.append(field.raw);
    }
  }
  const DType dtype = checked_type(t.type, result.name);
  const int64_t count = checked_numel(t.dims);
  if (count < 0)
    throw Error(Code::bad_input,
                fmt::format("tensor \"{}\" has the impossible shape {}", result.name, shape_str(t.dims)));
  const Shape shape(t.dims);
  if (dtype == DType::string) {
    result.value = string_tensor(t, shape, result.name);
    return result;
  }
  const int64_t bytes = dtype_bytes(dtype, count);
  if (bytes < 0)
    throw Error(Code::budget,
                fmt::format("tensor \"{}\" of shape {} has too many bytes to count", result.name, shape.str()));
  if (t.external)
    result.value = external_tensor(t, dtype, shape, bytes, result.name, source);
  else if (t.has_raw)
    result.value = raw_tensor(t, dtype, shape, bytes, result.name, source);
  else
    result.value = typed_tensor(t, dtype, shape, bytes, result.name, source);
  return result;
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
      if (part.number == 1) {
        const int64_t extent = wire::integer(part, inner, "dim_value");
        dim = extent < 0 ? Dim::unknown() : Dim(extent);
      }
      if (part.number == 2) {
        const std::string_view symbol = wire::text(part, inner, "dim_param");
        // "?" is written for any extent: two of them need not be equal.
        dim = symbol.empty() || symbol == "?" ? Dim::unknown() : Dim::symbol(symbol);
      }
    }
    if (static_cast<int>(dims.size()) >= kMaxRank)
      inner.fail(fmt::format("a type has more than {} dimensions", kMaxRank));
    dims.push_back(dim);
  }
  return dims;
}

DType parse_element_type(const wire::Field& field, const wire::Reader& reader) {
  const int64_t type = wire::integer(field, reader, "elem_type");
  if (type < 0 || type >= kDTypeCount) reader.fail(fmt::format("element type {} does not exist", type));
  return static_cast<DType>(type);
}

Type parse_tensor_type(std::string_view message, Source& source) {
  Type type = Type::tensor(DType::undefined);
  wire::Reader reader = source.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    if (field.number == 1) {
      type.dtype = parse_element_type(field, reader);
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
    if (field.number == 1) key = parse_element_type(field, reader);
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
