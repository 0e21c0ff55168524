#include <format/onnx/details.h>
#include <format/onnx/proto.h>
#include <format/onnx/source.h>
#include <fmt/format.h>

namespace chorus::onnx {
namespace {

// All fields of an AttributeProto: files may fill more than the one that its type names.
struct Parts {
  float f = 0;
  int64_t i = 0;
  std::string s;
  Value t;
  GraphPtr g;
  SparseValue sparse_tensor;
  Type tp;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string> strings;
  std::vector<Value> tensors;
  std::vector<GraphPtr> graphs;
  std::vector<SparseValue> sparse_tensors;
  std::vector<Type> type_protos;
  AttrKind last = AttrKind::undefined;   ///< kind of the last field seen: files of IR version 1 leave the type out
};

class AttributeReader {
 public:
  AttributeReader(Source& source, std::string& details, const std::function<GraphPtr(std::string_view)>& graph)
      : source_(source), details_(details), graph_(graph) {}
  AttrValue read(std::string_view message, std::string& name);

 private:
  bool read_part(const wire::Field& field, const wire::Reader& reader);
  Value tensor(std::string_view message, int64_t index) {
    NamedTensor t = parse_tensor(message, source_);
    if (!t.said.empty()) kept_.push_back({DetailKind::attribute_tensor, index, std::move(t.said)});
    return std::move(t.value);
  }
  SparseValue sparse(std::string_view message, int64_t index) {
    NamedSparse s = parse_sparse_tensor(message, source_);
    if (!s.said_values.empty()) kept_.push_back({DetailKind::attribute_tensor, 2 * index, std::move(s.said_values)});
    if (!s.said_indices.empty())
      kept_.push_back({DetailKind::attribute_tensor, 2 * index + 1, std::move(s.said_indices)});
    return std::move(s.value);
  }
  Type type(std::string_view message, int64_t index) {
    Type t = parse_type(message, source_);
    if (type_message(t).str() != message) kept_.push_back({DetailKind::attribute_type, index, std::string(message)});
    return t;
  }
  void choose(AttrKind kind, AttrValue& value);

  struct Kept {
    DetailKind kind;
    int64_t index;
    std::string bytes;
  };
  Source& source_;
  std::string& details_;
  const std::function<GraphPtr(std::string_view)>& graph_;
  Parts parts_;
  std::vector<Kept> kept_;
};

bool AttributeReader::read_part(const wire::Field& field, const wire::Reader& reader) {
  Parts& p = parts_;
  auto count = [](const auto& list) { return static_cast<int64_t>(list.size()); };
  auto bytes = [&](std::string_view name) { return wire::text(field, reader, name); };
  auto is = [&](AttrKind kind) {
    p.last = kind;
    return true;
  };
  switch (field.number) {
    case 2:
      wire::want(field, wire::WireType::fixed32, reader, "f");
      p.f = field.as_float();
      return is(AttrKind::real);
    case 3: p.i = wire::integer(field, reader, "i"); return is(AttrKind::integer);
    case 4: p.s = bytes("s"); return is(AttrKind::string);
    case 5: p.t = tensor(bytes("t"), 0); return is(AttrKind::tensor);
    case 6: p.g = graph_(bytes("g")); return is(AttrKind::graph);
    case 7: wire::append_floats(field, p.floats, reader); return is(AttrKind::reals);
    case 8: wire::append_varints(field, p.ints, reader); return is(AttrKind::integers);
    case 9: p.strings.emplace_back(bytes("strings")); return is(AttrKind::strings);
    case 10: p.tensors.push_back(tensor(bytes("tensors"), count(p.tensors))); return is(AttrKind::tensors);
    case 11: p.graphs.push_back(graph_(bytes("graphs"))); return is(AttrKind::graphs);
    case 14: p.tp = type(bytes("tp"), 0); return is(AttrKind::type);
    case 15: p.type_protos.push_back(type(bytes("type_protos"), count(p.type_protos))); return is(AttrKind::types);
    case 22: p.sparse_tensor = sparse(bytes("sparse_tensor"), 0); return is(AttrKind::sparse_tensor);
    case 23:
      p.sparse_tensors.push_back(sparse(bytes("sparse_tensors"), count(p.sparse_tensors)));
      return is(AttrKind::sparse_tensors);
    default: return false;
  }
}

// The field that the type names. Protobuf does not write what is 0 or empty, so a missing number, text or list is one; a missing
// tensor, graph or type is an error.
void AttributeReader::choose(AttrKind kind, AttrValue& value) {
  Parts& p = parts_;
  switch (kind) {
    case AttrKind::undefined: break;
    case AttrKind::real: value.data = p.f; break;
    case AttrKind::integer: value.data = p.i; break;
    case AttrKind::string: value.data = std::move(p.s); break;
    case AttrKind::tensor:
      if (p.t) value.data = std::move(p.t);
      break;
    case AttrKind::graph:
      if (p.g) value.data = std::move(p.g);
      break;
    case AttrKind::sparse_tensor:
      if (p.sparse_tensor.values) value.data = std::move(p.sparse_tensor);
      break;
    case AttrKind::type: value.data = std::move(p.tp); break;
    case AttrKind::reals: value.data = std::move(p.floats); break;
    case AttrKind::integers: value.data = std::move(p.ints); break;
    case AttrKind::strings: value.data = std::move(p.strings); break;
    case AttrKind::tensors: value.data = std::move(p.tensors); break;
    case AttrKind::graphs: value.data = std::move(p.graphs); break;
    case AttrKind::sparse_tensors: value.data = std::move(p.sparse_tensors); break;
    case AttrKind::types: value.data = std::move(p.type_protos); break;
  }
}

AttrKind kind_of(int64_t type, const wire::Reader& reader) {
  if (type < 0 || type > static_cast<int64_t>(AttrKind::types))
    reader.fail(fmt::format("attribute type {} does not exist", type));
  return static_cast<AttrKind>(type);  // the numbers are those of AttributeProto
}

AttrValue AttributeReader::read(std::string_view message, std::string& name) {
  AttrValue value;
  AttrKind kind = AttrKind::undefined;
  wire::Reader reader = source_.reader(message);
  wire::Field field;
  while (reader.next(field)) {
    switch (field.number) {
      case 1: name = wire::text(field, reader, "name"); break;
      case 13: value.doc = wire::text(field, reader, "doc_string"); break;
      case 20: kind = kind_of(wire::integer(field, reader, "type"), reader); break;
      case 21: value.ref_name = wire::text(field, reader, "ref_attr_name"); break;
      default: read_part(field, reader);
    }
  }
  if (name.empty()) reader.fail("an attribute has no name");
  value.declared = kind;
  if (!value.ref_name.empty()) return value;
  choose(kind == AttrKind::undefined ? parts_.last : kind, value);
  if (kind != AttrKind::undefined && value.data.index() == 0)
    reader.fail(fmt::format("attribute \"{}\" says it is a {} but holds none", name, attr_kind_name(kind)));
  for (const Kept& kept : kept_) add_detail(details_, {kept.kind, name, kept.index, kept.bytes});
  return value;
}

}  // namespace

AttrValue parse_attribute(std::string_view message, Source& source, std::string& name, std::string& details,
                          const std::function<GraphPtr(std::string_view)>& graph) {
  return AttributeReader(source, details, graph).read(message, name);
}

}  // namespace chorus::onnx
