#include <core/dim_expr.h>
#include <core/file.h>
#include <graph/hollow.h>
#include <graph/image_generated.h>
#include <graph/image_layout.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>

namespace chorus {
namespace {

namespace fb = flatbuffers;
using Ints = std::vector<int32_t>;

constexpr size_t kMostStructure = (size_t{1} << 31) - (size_t{1} << 16);
constexpr int kMostDepth = 1000;

// As Type::same, but that an unknown dimension equals another.
bool equal(const Type& a, const Type& b) {
  if (a.kind != b.kind || a.dtype != b.dtype || a.has_rank != b.has_rank || a.sparse != b.sparse || !a.elem != !b.elem)
    return false;
  auto dim = [](const Dim& x, const Dim& y) { return x.same(y) || (x.is_unknown() && y.is_unknown()); };
  return std::ranges::equal(a.dims, b.dims, dim) && (!a.elem || equal(*a.elem, *b.elem));
}

class Saver {
 public:
  void save(const Model& model, FunctionRef<void(std::span<const std::byte>)> sink);

 private:
  using Text = fb::Offset<fb::String>;
  template <class T>
  using List = fb::Offset<fb::Vector<T>>;
  template <class T>
  using Tables = std::vector<fb::Offset<T>>;

  Text text(const std::string& s) { return s.empty() ? Text() : b_.CreateString(s); }
  template <class T>
  List<T> list(const std::vector<T>& v) {
    return v.empty() ? List<T>() : b_.CreateVector(v);
  }
  template <class T>
  List<fb::Offset<T>> tables(const Tables<T>& v) {
    return v.empty() ? List<fb::Offset<T>>() : b_.CreateVector(v);
  }
  List<int64_t> extents(const Shape& shape) { return list(std::vector<int64_t>(shape.begin(), shape.end())); }
  List<Text> texts(const std::vector<std::string>& v) {
    std::vector<Text> all;
    for (const std::string& s : v) all.push_back(b_.CreateString(s));
    return all.empty() ? List<Text>() : b_.CreateVector(all);
  }
  List<fb::Offset<image::Entry>> entries(const Metadata& metadata) {
    Tables<image::Entry> all;
    for (const auto& [key, value] : metadata) {
      const Text k = text(key), v = text(value);
      all.push_back(image::CreateEntry(b_, k, v));
    }
    return tables(all);
  }

  int32_t push_dim(image::DimKind kind, int64_t value, int32_t a, int32_t b, const std::string& name) {
    const Text n = text(name);
    dims_.push_back(image::CreateDim(b_, kind, value, a, b, n));
    return static_cast<int32_t>(dims_.size()) - 1;
  }
  int32_t dim(const Dim& d);
  int32_t atom(const DimAtom& a);
  int32_t type(const Type& t);
  int32_t data(const Value& v);
  uint64_t place(std::string_view bytes);
  int32_t graph(const Graph& g, int depth);
  fb::Offset<image::Attribute> attribute(const std::string& name, const AttrValue& value, int depth);
  List<fb::Offset<image::Attribute>> attributes(const Attributes& all, int depth) {
    Tables<image::Attribute> made;
    for (const auto& item : all.items()) made.push_back(attribute(item.name, item.value, depth));
    return tables(made);
  }
  fb::Offset<image::Sparse> sparse(const SparseValue& s) {
    const int32_t values = data(s.values), indices = data(s.indices);
    const auto dims = extents(s.shape);
    return image::CreateSparse(b_, values, indices, dims);
  }
  fb::Offset<image::GraphValue> value(const GraphValue& v);
  fb::Offset<image::Node> node(const Node& n, const Ints& value_ids, int depth);
  fb::Offset<image::Function> function(const Function& f);
  void check_size() const {
    if (b_.GetSize() > kMostStructure)
      throw Error(Code::budget, "the structure of the model takes more than 2 GiB without its weights");
  }

  fb::FlatBufferBuilder b_{size_t{1} << 16};
  Tables<image::Dim> dims_;
  Tables<image::Type> types_;
  Tables<image::Data> data_;
  Tables<image::Graph> graphs_;
  std::unordered_multimap<size_t, std::pair<Dim, int32_t>> known_dims_;         // by hash
  std::unordered_multimap<std::string, std::pair<Type, int32_t>> known_types_;  // by text
  std::unordered_map<const void*, size_t>
      placed_;     // index into pieces_: one copy of weights that several constants share
  std::vector<std::pair<uint64_t, std::string_view>> pieces_;
  uint64_t data_bytes_ = 0;
};

int32_t Saver::atom(const DimAtom& a) {
  if (a.op == DimOp::symbol) return push_dim(image::DimKind_symbol, 0, -1, -1, a.name);
  const int32_t x = dim(a.a), y = dim(a.b);
  const image::DimKind kind = a.op == DimOp::floordiv ? image::DimKind_floordiv
                              : a.op == DimOp::mod    ? image::DimKind_mod
                              : a.op == DimOp::min    ? image::DimKind_min
                                                      : image::DimKind_max;
  return push_dim(kind, 0, x, y, {});
}

int32_t Saver::dim(const Dim& d) {
  if (d.is_unknown()) return -1;
  for (auto [it, end] = known_dims_.equal_range(d.hash()); it != end; ++it) {
    if (it->second.first.same(d)) return it->second.second;
  }
  int32_t sum = -1;
  if (d.is_number()) {
    sum = push_dim(image::DimKind_number, d.number(), -1, -1, {});
  } else {
    for (const DimTerm& term : d.expr()->terms) {
      int32_t product = term.coefficient == 1 && !term.factors.empty()
                            ? -1
                            : push_dim(image::DimKind_number, term.coefficient, -1, -1, {});
      for (const DimAtomPtr& factor : term.factors) {
        const int32_t f = atom(*factor);
        product = product < 0 ? f : push_dim(image::DimKind_multiply, 0, product, f, {});
      }
      sum = sum < 0 ? product : push_dim(image::DimKind_add, 0, sum, product, {});
    }
  }
  known_dims_.emplace(d.hash(), std::pair(d, sum));
  return sum;
}

int32_t Saver::type(const Type& t) {
  if (t.kind == ValueKind::none) return -1;
  const std::string key = t.str();
  for (auto [it, end] = known_types_.equal_range(key); it != end; ++it) {
    if (equal(it->second.first, t)) return it->second.second;
  }
  const int32_t elem = t.elem ? type(*t.elem) : -1;
  Ints dims;
  for (const Dim& d : t.dims) dims.push_back(dim(d));
  const auto dim_list = list(dims);
  types_.push_back(image::CreateType(b_, static_cast<uint8_t>(t.kind), static_cast<uint8_t>(t.dtype), t.has_rank,
                                     t.sparse, dim_list, elem));
  known_types_.emplace(key, std::pair(t, static_cast<int32_t>(types_.size()) - 1));
  return static_cast<int32_t>(types_.size()) - 1;
}

uint64_t Saver::place(std::string_view bytes) {
  if (bytes.empty()) return 0;
  const auto [known, is_new] = placed_.try_emplace(bytes.data(), pieces_.size());
  if (!is_new && pieces_[known->second].second.size() >= bytes.size()) return pieces_[known->second].first;
  known->second = pieces_.size();
  data_bytes_ = image_align(data_bytes_, bytes.size() >= kImagePage ? kImagePage : kImageAlign);
  const uint64_t at = data_bytes_;
  pieces_.emplace_back(at, bytes);
  data_bytes_ += bytes.size();
  return at;
}

int32_t Saver::data(const Value& v) {
  if (!v) return -1;
  Ints items;
  List<int64_t> dims, ends;
  std::string_view bytes;
  if (v.kind() != ValueKind::tensor) {
    for (const Value& item : v.items()) items.push_back(data(item));
  } else if (v.dtype() == DType::string) {
    dims = extents(v.shape());
    ends = list(v.strings().ends);
    bytes = v.strings().bytes;
  } else {
    dims = extents(v.shape());
    bytes = {static_cast<const char*>(v.data()), static_cast<size_t>(dtype_bytes(v.dtype(), v.numel()))};
  }
  const uint64_t at = is_hollow(v) ? kHollowOffset : place(bytes);
  const auto item_list = list(items);
  data_.push_back(image::CreateData(b_, static_cast<uint8_t>(v.kind()), static_cast<uint8_t>(v.dtype()), dims, at,
                                    bytes.size(), ends, item_list));
  return static_cast<int32_t>(data_.size()) - 1;
}

fb::Offset<image::Attribute> Saver::attribute(const std::string& name, const AttrValue& value, int depth) {
  Ints values, graphs, types;
  Tables<image::Sparse> sparses;
  Text s;
  List<float> floats;
  List<int64_t> ints;
  List<Text> strings;
  if (const auto* v = value.get<std::string>()) s = b_.CreateString(*v);
  if (const auto* v = value.get<Value>()) values.push_back(data(*v));
  if (const auto* v = value.get<GraphPtr>()) graphs.push_back(graph(**v, depth + 1));
  if (const auto* v = value.get<std::vector<float>>()) floats = list(*v);
  if (const auto* v = value.get<std::vector<int64_t>>()) ints = list(*v);
  if (const auto* v = value.get<std::vector<std::string>>()) strings = texts(*v);
  if (const auto* v = value.get<std::vector<Value>>())
    for (const Value& one : *v) values.push_back(data(one));
  if (const auto* v = value.get<std::vector<GraphPtr>>())
    for (const GraphPtr& one : *v) graphs.push_back(graph(*one, depth + 1));
  if (const auto* v = value.get<SparseValue>()) sparses.push_back(sparse(*v));
  if (const auto* v = value.get<std::vector<SparseValue>>())
    for (const SparseValue& one : *v) sparses.push_back(sparse(one));
  if (const auto* v = value.get<Type>()) types.push_back(type(*v));
  if (const auto* v = value.get<std::vector<Type>>())
    for (const Type& one : *v) types.push_back(type(one));
  const Text n = text(name), doc = text(value.doc), reference = text(value.ref_name);
  const auto value_list = list(values), graph_list = list(graphs), type_list = list(types);
  const auto sparse_list = tables(sparses);
  image::AttributeBuilder out(b_);
  out.add_name(n);
  out.add_form(static_cast<uint8_t>(value.data.index()));
  out.add_declared(static_cast<uint8_t>(value.declared));
  out.add_doc(doc);
  out.add_reference(reference);
  if (const auto* v = value.get<float>()) out.add_f(*v);
  if (const auto* v = value.get<int64_t>()) out.add_i(*v);
  out.add_s(s);
  out.add_floats(floats);
  out.add_ints(ints);
  out.add_strings(strings);
  out.add_values(value_list);
  out.add_graphs(graph_list);
  out.add_sparse(sparse_list);
  out.add_types(type_list);
  return out.Finish();
}

fb::Offset<image::GraphValue> Saver::value(const GraphValue& v) {
  const Text name = text(v.name), doc = text(v.doc);
  const int32_t t = type(v.type), constant = data(v.constant);
  Ints elements;
  if (v.symbolic)
    for (const Dim& d : *v.symbolic) elements.push_back(dim(d));
  const auto element_list = list(elements);
  const auto metadata = entries(v.metadata);
  return image::CreateGraphValue(b_, name, t, constant, v.symbolic != nullptr, element_list, v.declared, doc, metadata);
}

fb::Offset<image::Node> Saver::node(const Node& n, const Ints& value_ids, int depth) {
  auto ids = [&](const std::vector<ValueId>& values) {
    Ints mapped;
    for (ValueId id : values) mapped.push_back(id == kNone ? -1 : value_ids[static_cast<size_t>(id)]);
    return list(mapped);
  };
  const auto inputs = ids(n.inputs), outputs = ids(n.outputs), captured = ids(n.captured);
  const auto attrs = attributes(n.attributes, depth);
  const auto metadata = entries(n.metadata);
  const Text kind = text(n.type), domain = text(n.domain), overload = text(n.overload), name = text(n.name),
             doc = text(n.doc), raw = text(n.raw_fields);
  const int since = n.op == nullptr ? 0 : n.op->versions[static_cast<size_t>(n.version)].since;
  return image::CreateNode(b_, kind, domain, since, overload, name, doc, inputs, outputs, captured, attrs, metadata,
                           raw, n.file_offset);
}

int32_t Saver::graph(const Graph& g, int depth) {
  if (depth > kMostDepth) throw Error(Code::budget, fmt::format("graphs are nested deeper than {}", kMostDepth));
  check_size();
  Ints value_ids(static_cast<size_t>(g.value_capacity()), -1), node_ids(static_cast<size_t>(g.node_capacity()), -1);
  Tables<image::GraphValue> values;
  for (ValueId id = 0; id < g.value_capacity(); ++id) {
    if (!g.value(id).alive) continue;
    value_ids[static_cast<size_t>(id)] = static_cast<int32_t>(values.size());
    values.push_back(value(g.value(id)));
  }
  Tables<image::Node> nodes;
  for (NodeId id : g.order()) {
    node_ids[static_cast<size_t>(id)] = static_cast<int32_t>(nodes.size());
    nodes.push_back(node(g.node(id), value_ids, depth));
  }
  Tables<image::Check> checks;
  for (const DimCheck& c : g.checks) {
    const int32_t a = dim(c.a), b = dim(c.b);
    const Text what = text(c.what);
    checks.push_back(image::CreateCheck(b_, a, b, c.node == kNone ? -1 : node_ids[static_cast<size_t>(c.node)], what));
  }
  Tables<image::Capture> captures;
  for (const auto& [id, name] : g.captures) {
    const Text n = text(name);
    captures.push_back(image::CreateCapture(b_, value_ids[static_cast<size_t>(id)], n));
  }
  Tables<image::Opset> opsets;
  for (const auto& [domain, version] : g.opsets) {
    const Text d = text(domain);
    opsets.push_back(image::CreateOpset(b_, d, version));
  }
  auto ids = [&](std::span<const ValueId> list_of) {
    Ints mapped;
    for (ValueId id : list_of) mapped.push_back(value_ids[static_cast<size_t>(id)]);
    return list(mapped);
  };
  const auto inputs = ids(g.inputs()), outputs = ids(g.outputs());
  const Text name = text(g.name), doc = text(g.doc), raw = text(g.raw_fields);
  const auto metadata = entries(g.metadata);
  const auto opset_list = tables(opsets);
  const auto value_list = tables(values);
  const auto node_list = tables(nodes);
  const auto check_list = tables(checks);
  const auto capture_list = tables(captures);
  graphs_.push_back(image::CreateGraph(b_, name, doc, metadata, raw, opset_list, value_list, node_list, inputs, outputs,
                                       check_list, capture_list));
  return static_cast<int32_t>(graphs_.size()) - 1;
}

fb::Offset<image::Function> Saver::function(const Function& f) {
  const Text domain = text(f.domain), name = text(f.name), overload = text(f.overload), doc = text(f.doc);
  const auto names = texts(f.attributes);
  const auto defaults = attributes(f.defaults, 0);
  const int32_t body = f.body ? graph(*f.body, 0) : -1;
  const auto metadata = entries(f.metadata);
  return image::CreateFunction(b_, domain, name, overload, doc, names, defaults, body, metadata);
}

void Saver::save(const Model& m, FunctionRef<void(std::span<const std::byte>)> sink) {
  Tables<image::Function> functions;
  for (const Function& f : m.functions) functions.push_back(function(f));
  const int32_t root = m.graph ? graph(*m.graph, 0) : -1;
  const Text producer = text(m.producer_name), version = text(m.producer_version), domain = text(m.domain),
             doc = text(m.doc), raw = text(m.raw_fields), source = text(m.source);
  const auto metadata = entries(m.metadata);
  const auto dim_list = tables(dims_);
  const auto type_list = tables(types_);
  const auto data_list = tables(data_);
  const auto graph_list = tables(graphs_);
  const auto function_list = tables(functions);
  check_size();
  b_.Finish(image::CreateModel(b_, dim_list, type_list, data_list, graph_list, function_list, root, m.ir_version,
                               producer, version, domain, doc, m.model_version, metadata, raw, source));
  ImageHeader header;
  std::memcpy(header.magic, kImageMagic, sizeof header.magic);
  header.structure_at = sizeof header;
  header.structure_bytes = b_.GetSize();
  header.data_at = image_align(header.structure_at + header.structure_bytes, kImagePage);
  header.data_bytes = data_bytes_;
  static constexpr std::byte kZeros[kImagePage] = {};
  sink(std::as_bytes(std::span(&header, 1)));
  sink(std::as_bytes(std::span(b_.GetBufferPointer(), b_.GetSize())));
  sink(std::span(kZeros, header.data_at - header.structure_at - header.structure_bytes));
  uint64_t at = 0;
  for (const auto& [begin, bytes] : pieces_) {
    sink(std::span(kZeros, begin - at));
    sink(std::as_bytes(std::span(bytes.data(), bytes.size())));
    at = begin + bytes.size();
  }
}

}  // namespace

void save_image(const Model& model, FunctionRef<void(std::span<const std::byte>)> sink) { Saver().save(model, sink); }

std::string save_image_bytes(const Model& model) {
  std::string out;
  save_image(model, [&](std::span<const std::byte> bytes) {
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  return out;
}

void save_image_file(const Model& model, const std::string& path) {
  AtomicFile file(path);
  save_image(model, [&](std::span<const std::byte> bytes) { file.write(bytes); });
  file.commit();
}

}  // namespace chorus
