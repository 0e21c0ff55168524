#include <core/file.h>
#include <graph/hollow.h>
#include <graph/image_generated.h>
#include <graph/image_layout.h>
#include <graph/verify.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace chorus {
namespace {

#ifdef CHORUS_LITE
constexpr const char* kMakeAgain = "the edge profile reads what `chorus convert --lite` of the same version writes";
#else
constexpr const char* kMakeAgain = "make the image again";
#endif

namespace fb = flatbuffers;

[[noreturn]] void fail(const std::string& what) {
  throw Error(Code::bad_input, "image: " + what, {}, "the file is damaged; make it again");
}

template <class Vector>
uint32_t count(const Vector* list) {
  return list == nullptr ? 0 : list->size();
}
std::string text(const fb::String* s) { return s == nullptr ? std::string() : s->str(); }

/// Pools are filled in order: what refers to an index refers to one that is there already.
class Loader {
 public:
  Loader(std::string_view data, std::shared_ptr<const void> owner, const ImageLimits& limits)
      : data_bytes_(data), owner_(std::move(owner)), limits_(limits) {}
  Model load(const image::Model& m);

 private:
  template <class T>
  const T& at(const std::vector<T>& pool, int32_t index, const char* what) const {
    if (index < 0 || static_cast<size_t>(index) >= pool.size()) fail(fmt::format("there is no {} {}", what, index));
    return pool[static_cast<size_t>(index)];
  }
  Dim dim(int32_t index) const { return index == -1 ? Dim() : at(dims_, index, "dimension"); }
  Type type(int32_t index) const { return index == -1 ? Type() : at(types_, index, "type"); }
  Value value(int32_t index) const { return index == -1 ? Value() : at(data_, index, "constant"); }
  GraphPtr graph(int32_t index);
  static const fb::Vector<int64_t>* numbers(const fb::Vector<int64_t>* list);
  Shape shape(const fb::Vector<int64_t>* dims) const;
  Metadata metadata(const fb::Vector<fb::Offset<image::Entry>>* entries) const;

  void load_dim(const image::Dim& d);
  void load_type(const image::Type& t);
  void load_data(const image::Data& d);
  void load_hollow(const image::Data& d, DType dtype);
  Value load_strings(const image::Data& d, std::string_view bytes) const;
  void load_graph(const image::Graph& g);
  void load_values(const image::Graph& g, Graph& out);
  void load_nodes(const image::Graph& g, Graph& out);
  AttrValue attribute(const image::Attribute& a, std::string& name);
  Attributes attributes(const fb::Vector<fb::Offset<image::Attribute>>* list);
  SparseValue sparse(const image::Sparse& s) const;
  std::vector<int32_t> ids(const fb::Vector<int32_t>* list, int32_t limit, bool may_be_omitted, const char* what) const;

  std::string_view data_bytes_;
  std::shared_ptr<const void> owner_;
  const ImageLimits& limits_;
  std::vector<Dim> dims_;
  std::vector<Type> types_;
  std::vector<int> type_depth_, graph_depth_;
  std::vector<Value> data_;
  std::vector<bool> item_taken_, graph_taken_;
  std::vector<GraphPtr> graphs_;
  int64_t nodes_ = 0, values_ = 0;
  int deepest_ = 0;          // of the bodies that the graph being loaded holds
};

Metadata Loader::metadata(const fb::Vector<fb::Offset<image::Entry>>* entries) const {
  Metadata all;
  for (uint32_t i = 0; i < count(entries); ++i)
    all.emplace_back(text(entries->Get(i)->key()), text(entries->Get(i)->value()));
  return all;
}

/// The list itself: flatbuffers' verifier leaves it to us that numbers of eight bytes lie at a multiple of eight.
const fb::Vector<int64_t>* Loader::numbers(const fb::Vector<int64_t>* list) {
  if (list != nullptr && reinterpret_cast<uintptr_t>(list->Data()) % alignof(int64_t) != 0)
    fail("a list of numbers is misaligned");
  return list;
}

Shape Loader::shape(const fb::Vector<int64_t>* dims) const {
  std::vector<int64_t> extents;
  if (count(dims) > static_cast<uint32_t>(kMaxRank)) fail(fmt::format("a tensor of rank {}", count(dims)));
  for (uint32_t i = 0; i < count(dims); ++i) extents.push_back(numbers(dims)->Get(i));
  if (checked_numel(extents) < 0) fail(fmt::format("a tensor has the impossible shape {}", shape_str(extents)));
  return Shape(extents);
}

void Loader::load_dim(const image::Dim& d) {
  auto a = [&] { return at(dims_, d.a(), "dimension"); };
  auto b = [&] { return at(dims_, d.b(), "dimension"); };
  switch (d.kind()) {
    case image::DimKind_unknown: dims_.push_back(Dim()); break;
    case image::DimKind_number: dims_.push_back(Dim(d.value())); break;
    case image::DimKind_symbol: dims_.push_back(Dim::symbol(text(d.name()))); break;
    case image::DimKind_add: dims_.push_back(a() + b()); break;
    case image::DimKind_multiply: dims_.push_back(a() * b()); break;
    case image::DimKind_floordiv: dims_.push_back(floordiv(a(), b())); break;
    case image::DimKind_mod: dims_.push_back(mod(a(), b())); break;
    case image::DimKind_min: dims_.push_back(min(a(), b())); break;
    case image::DimKind_max: dims_.push_back(max(a(), b())); break;
    default: fail(fmt::format("dimensions of kind {} do not exist", static_cast<int>(d.kind())));
  }
}

void Loader::load_type(const image::Type& t) {
  if (t.kind() == 0 || t.kind() > static_cast<uint8_t>(ValueKind::map))
    fail(fmt::format("types of kind {} do not exist", t.kind()));
  if (t.dtype() >= kDTypeCount) fail(fmt::format("element type {} does not exist", t.dtype()));
  if (count(t.dims()) > static_cast<uint32_t>(kMaxRank)) fail(fmt::format("a type of rank {}", count(t.dims())));
  Type made;
  made.kind = static_cast<ValueKind>(t.kind());
  made.dtype = static_cast<DType>(t.dtype());
  made.has_rank = t.has_rank();
  made.sparse = t.sparse();
  for (uint32_t i = 0; i < count(t.dims()); ++i) made.dims.push_back(dim(t.dims()->Get(i)));
  int depth = 1;
  if (t.elem() != -1) {
    made.elem = std::make_shared<const Type>(at(types_, t.elem(), "type"));
    depth += type_depth_[static_cast<size_t>(t.elem())];
  }
  if (depth > limits_.depth) throw Error(Code::budget, fmt::format("types are nested deeper than {}", limits_.depth));
  types_.push_back(std::move(made));
  type_depth_.push_back(depth);
}

Value Loader::load_strings(const image::Data& d, std::string_view bytes) const {
  const Shape dims = shape(d.dims());
  if (dims.numel() != count(d.ends())) fail(fmt::format("a tensor {} has {} texts", dims.str(), count(d.ends())));
  auto strings = std::make_shared<Strings>();
  strings->bytes = bytes;
  int64_t last = 0;
  for (uint32_t i = 0; i < count(d.ends()); ++i) {
    const int64_t end = numbers(d.ends())->Get(i);
    if (end < last || end > static_cast<int64_t>(bytes.size())) fail("texts lie outside their bytes");
    strings->ends.push_back(end);
    last = end;
  }
  return Value::strings(dims, std::move(strings));
}

void Loader::load_hollow(const image::Data& d, DType dtype) {
  if (limits_.hollow == HollowTensors::refuse) fail("the elements of a tensor are missing");
  const Shape dims = shape(d.dims());
  if (static_cast<ValueKind>(d.kind()) != ValueKind::tensor || dtype_bits(dtype) == 0 || dtype == DType::string)
    fail("only plain tensors can be hollow");
  Value made = hollow_value(dtype, dims);
  if (!made) fail(fmt::format("a hollow tensor {}{} is too large", dtype_name(dtype), dims.str()));
  data_.push_back(std::move(made));
  item_taken_.push_back(false);
}

void Loader::load_data(const image::Data& d) {
  if (d.dtype() >= kDTypeCount) fail(fmt::format("element type {} does not exist", d.dtype()));
  const auto dtype = static_cast<DType>(d.dtype());
  if (d.offset() == kHollowOffset) return load_hollow(d, dtype);
  if (d.offset() > data_bytes_.size() || d.bytes() > data_bytes_.size() - d.offset()) {
    fail(fmt::format("weights lie outside the data ({} bytes at {} of {})", d.bytes(), d.offset(), data_bytes_.size()));
  }
  const std::string_view bytes = data_bytes_.substr(d.offset(), d.bytes());
  std::vector<Value> items;
  for (uint32_t i = 0; i < count(d.items()); ++i) {   // a tree: an item has one place
    const int32_t index = d.items()->Get(i);
    Value item = value(index);
    if (index >= 0) {
      if (item_taken_[static_cast<size_t>(index)]) fail("an item stands in two places");
      item_taken_[static_cast<size_t>(index)] = true;
    }
    items.push_back(std::move(item));
  }
  Value made;
  switch (static_cast<ValueKind>(d.kind())) {
    case ValueKind::tensor: {
      if (dtype == DType::string) {
        made = load_strings(d, bytes);
        break;
      }
      const Shape dims = shape(d.dims());
      if (dtype_bits(dtype) == 0 || dtype_bytes(dtype, dims.numel()) != static_cast<int64_t>(bytes.size())) {
        fail(fmt::format("a tensor {}{} has {} bytes", dtype_name(dtype), dims.str(), bytes.size()));
      }
      if (d.offset() % kImageAlign != 0) fail(fmt::format("weights at {} are not aligned", d.offset()));
      if (dtype == DType::boolean && std::ranges::any_of(bytes, [](char c) { return (c & ~1) != 0; }))
        fail("a truth value is neither 0 nor 1");
      made = Value::tensor(dtype, dims,
                           bytes.empty() ? Buffer() : Buffer::borrow_read_only(bytes.data(), bytes.size(), owner_));
      break;
    }
    case ValueKind::sequence: made = Value::sequence(dtype, std::move(items)); break;
    case ValueKind::optional: made = Value::optional(dtype, std::move(items)); break;
    case ValueKind::map:
      if (items.size() != 2) fail("a map has keys and values");
      made = Value::map(std::move(items[0]), std::move(items[1]));
      break;
    default: fail(fmt::format("constants of kind {} do not exist", d.kind()));
  }
  data_.push_back(std::move(made));
  item_taken_.push_back(false);
}

// Graphs form a tree: passes walk through bodies, and one in many places would cost more than its bytes.
GraphPtr Loader::graph(int32_t index) {
  const GraphPtr found = at(graphs_, index, "graph");
  if (graph_taken_[static_cast<size_t>(index)]) fail(fmt::format("graph {} stands in two places", index));
  graph_taken_[static_cast<size_t>(index)] = true;
  deepest_ = std::max(deepest_, graph_depth_[static_cast<size_t>(index)]);
  return found;
}

SparseValue Loader::sparse(const image::Sparse& s) const {
  return {value(s.values()), value(s.indices()), shape(s.dims())};
}

AttrValue Loader::attribute(const image::Attribute& a, std::string& name) {
  name = text(a.name());
  AttrValue v;
  v.doc = text(a.doc());
  v.ref_name = text(a.reference());
  if (a.declared() >= kAttributeForms) fail(fmt::format("attribute type {} does not exist", a.declared()));
  v.declared = static_cast<AttrKind>(a.declared());
  auto one = [&](const auto* list) {
    if (count(list) != 1) fail(fmt::format("attribute \"{}\" has {} values in place of one", name, count(list)));
    return list->Get(0);
  };
  std::vector<std::string> strings;
  for (uint32_t i = 0; i < count(a.strings()); ++i) strings.push_back(text(a.strings()->Get(i)));
  switch (a.form()) {
    case 0: break;
    case 1: v.data = a.f(); break;
    case 2: v.data = a.i(); break;
    case 3: v.data = text(a.s()); break;
    case 4: v.data = value(one(a.values())); break;
    case 5: v.data = graph(one(a.graphs())); break;
    case 6:
      v.data =
          a.floats() == nullptr ? std::vector<float>() : std::vector<float>(a.floats()->begin(), a.floats()->end());
      break;
    case 7:
      v.data = a.ints() == nullptr ? std::vector<int64_t>()
                                   : std::vector<int64_t>(numbers(a.ints())->begin(), a.ints()->end());
      break;
    case 8: v.data = std::move(strings); break;
    case 9: {
      std::vector<Value> all;
      for (uint32_t i = 0; i < count(a.values()); ++i) all.push_back(value(a.values()->Get(i)));
      v.data = std::move(all);
      break;
    }
    case 10: {
      std::vector<GraphPtr> all;
      for (uint32_t i = 0; i < count(a.graphs()); ++i) all.push_back(graph(a.graphs()->Get(i)));
      v.data = std::move(all);
      break;
    }
    case 11: v.data = sparse(*one(a.sparse())); break;
    case 12: {
      std::vector<SparseValue> all;
      for (uint32_t i = 0; i < count(a.sparse()); ++i) all.push_back(sparse(*a.sparse()->Get(i)));
      v.data = std::move(all);
      break;
    }
    case 13: v.data = type(one(a.types())); break;
    case 14: {
      std::vector<Type> all;
      for (uint32_t i = 0; i < count(a.types()); ++i) all.push_back(type(a.types()->Get(i)));
      v.data = std::move(all);
      break;
    }
    default: fail(fmt::format("attribute \"{}\" has the form {}, which does not exist", name, a.form()));
  }
  return v;
}

Attributes Loader::attributes(const fb::Vector<fb::Offset<image::Attribute>>* list) {
  static constexpr uint32_t kMost = 1024;   // they are searched one by one
  if (count(list) > kMost) fail(fmt::format("a node has {} attributes", count(list)));
  Attributes all;
  for (uint32_t i = 0; i < count(list); ++i) {
    std::string name;
    AttrValue v = attribute(*list->Get(i), name);
    if (all.find(name) != nullptr) fail(fmt::format("attribute \"{}\" is given twice", name));
    all.set(name, std::move(v));
  }
  return all;
}

std::vector<int32_t> Loader::ids(const fb::Vector<int32_t>* list, int32_t limit, bool may_be_omitted,
                                 const char* what) const {
  std::vector<int32_t> all;
  for (uint32_t i = 0; i < count(list); ++i) {
    const int32_t id = list->Get(i);
    if (id < (may_be_omitted ? -1 : 0) || id >= limit)
      fail(fmt::format("{} {} of a graph with {} values", what, id, limit));
    all.push_back(id);
  }
  return all;
}

void Loader::load_values(const image::Graph& g, Graph& out) {
  values_ += count(g.values());
  if (values_ > limits_.values)
    throw Error(Code::budget, fmt::format("the image has more than {} values", limits_.values));
  for (uint32_t i = 0; i < count(g.values()); ++i) {
    const image::GraphValue& v = *g.values()->Get(i);
    const std::string name = text(v.name());
    GraphValue& made = out.value(out.add_value(name, type(v.type())));
    if (made.name != name) fail(fmt::format("two values have the name \"{}\"", name));
    made.constant = value(v.constant());
    if (made.constant && made.type.kind != ValueKind::none)
      Type::meet(made.type, Type::of(made.constant), made.name);   // throws where they contradict
    made.declared = v.declared();
    made.doc = text(v.doc());
    made.metadata = metadata(v.metadata());
    if (!v.has_elements() || limits_.inferred == Inferred::forget) continue;
    Dims elements;
    for (uint32_t k = 0; k < count(v.elements()); ++k) elements.push_back(dim(v.elements()->Get(k)));
    made.symbolic = std::make_shared<const Dims>(std::move(elements));
  }
}

void Loader::load_nodes(const image::Graph& g, Graph& out) {
  nodes_ += count(g.nodes());
  if (nodes_ > limits_.nodes) throw Error(Code::budget, fmt::format("the image has more than {} nodes", limits_.nodes));
  const auto values = static_cast<int32_t>(count(g.values()));
  for (uint32_t i = 0; i < count(g.nodes()); ++i) {
    const image::Node& n = *g.nodes()->Get(i);
    Node made;
    made.type = text(n.type());
    made.domain = text(n.domain());
    made.overload = text(n.overload());
    made.name = text(n.name());
    made.doc = text(n.doc());
    made.raw_fields = text(n.raw_fields());
    made.metadata = metadata(n.metadata());
    made.file_offset = n.file_offset();
    if (n.since() != 0) {
      made.op = find_op(made.domain, made.type);
      if (made.op == nullptr) {
        throw Error(Code::unsupported,
                    fmt::format("image: operator \"{}{}{}\" is not in this build", made.domain,
                                made.domain.empty() ? "" : ".", made.type),
                    {},
                    "if it was left out, name it in the option CHORUS_OPERATORS of the build; if it is a custom "
                    "operator, register it first");
      }
      made.version = made.op->version_index(n.since());
      if (made.version < 0 || made.op->versions[static_cast<size_t>(made.version)].since != n.since()) {
        throw Error(Code::unsupported,
                    fmt::format("image: operator \"{}\" version {} is not known here", made.type, n.since()), {},
                    kMakeAgain);
      }
    }
    made.inputs = ids(n.inputs(), values, true, "operand");
    made.outputs = ids(n.outputs(), values, true, "output");
    made.captured = ids(n.captured(), values, false, "captured value");
    // A trailing omitted operand has no meaning, and a result stands in one place.
    if ((!made.inputs.empty() && made.inputs.back() == kNone) ||
        (!made.outputs.empty() && made.outputs.back() == kNone))
      fail("a list of operands ends with nothing");
    std::vector<int32_t> sorted = made.outputs;
    std::ranges::sort(sorted);
    for (size_t k = 1; k < sorted.size(); ++k) {
      if (sorted[k] != kNone && sorted[k] == sorted[k - 1]) fail("a node makes a value twice");
    }
    made.attributes = attributes(n.attributes());
    out.add_node(std::move(made));   // refuses a value with two producers
  }
}

/// Types that nobody declared, of values that nodes make or that come from the graph around.
void forget_types(Graph& graph) {
  for (ValueId id = 0; id < graph.value_capacity(); ++id) {
    GraphValue& v = graph.value(id);
    if (!v.declared && !v.is_input && !v.is_constant()) v.type = Type();
  }
}

void Loader::load_graph(const image::Graph& g) {
  auto made = std::make_shared<Graph>();
  deepest_ = 0;
  made->name = text(g.name());
  made->doc = text(g.doc());
  made->raw_fields = text(g.raw_fields());
  made->metadata = metadata(g.metadata());
  for (uint32_t i = 0; i < count(g.opsets()); ++i)
    made->opsets.insert_or_assign(text(g.opsets()->Get(i)->domain()), g.opsets()->Get(i)->version());
  load_values(g, *made);
  const auto values = static_cast<int32_t>(count(g.values()));
  std::vector<int32_t> inputs = ids(g.inputs(), values, false, "input");
  std::vector<int32_t> sorted = inputs;
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) != sorted.end()) fail("an input is listed twice");
  made->set_inputs(std::move(inputs));
  load_nodes(g, *made);
  made->set_outputs(ids(g.outputs(), values, false, "output"));
  for (uint32_t i = 0; i < count(g.captures()); ++i) {
    const image::Capture& c = *g.captures()->Get(i);
    if (c.value() < 0 || c.value() >= values || made->value(c.value()).producer != kNone)
      fail("a captured value that is none");
    made->captures.emplace_back(c.value(), text(c.name()));
  }
  for (uint32_t i = 0; i < count(g.checks()); ++i) {
    const image::Check& c = *g.checks()->Get(i);
    if (c.node() < -1 || c.node() >= made->node_capacity()) fail("a check of a node that is none");
    made->checks.push_back({dim(c.a()), dim(c.b()), c.node(), text(c.what())});
  }
  if (limits_.inferred == Inferred::forget) forget_types(*made);
  (void)made->order();   // throws where nodes wait for one another
  if (deepest_ + 1 > limits_.depth)
    throw Error(Code::budget, fmt::format("graphs are nested deeper than {}", limits_.depth));
  graphs_.push_back(std::move(made));
  graph_depth_.push_back(deepest_ + 1);
  graph_taken_.push_back(false);
}

// The rest of what graph code relies on: every operand and output is made by somebody, counts are the schema's.
void check_whole(const Graph& graph) {
  try {
    verify(graph);
  } catch (const Error& error) {
    throw Error(Code::bad_input, "image: " + error.message(), error.where(), "the file is damaged");
  }
}

Model Loader::load(const image::Model& m) {
  for (uint32_t i = 0; i < count(m.dims()); ++i) load_dim(*m.dims()->Get(i));
  for (uint32_t i = 0; i < count(m.types()); ++i) load_type(*m.types()->Get(i));
  for (uint32_t i = 0; i < count(m.data()); ++i) load_data(*m.data()->Get(i));
  for (uint32_t i = 0; i < count(m.graphs()); ++i) load_graph(*m.graphs()->Get(i));
  Model model;
  model.graph = graph(m.graph());
  for (uint32_t i = 0; i < count(m.functions()); ++i) {
    const image::Function& f = *m.functions()->Get(i);
    Function made;
    made.domain = text(f.domain());
    made.name = text(f.name());
    made.overload = text(f.overload());
    made.doc = text(f.doc());
    for (uint32_t k = 0; k < count(f.attributes()); ++k) made.attributes.push_back(text(f.attributes()->Get(k)));
    made.defaults = attributes(f.defaults());
    made.body = graph(f.body());
    made.metadata = metadata(f.metadata());
    model.functions.push_back(std::move(made));
  }
  check_whole(*model.graph);
  for (const Function& f : model.functions) check_whole(*f.body);
  model.ir_version = m.ir_version();
  model.producer_name = text(m.producer_name());
  model.producer_version = text(m.producer_version());
  model.domain = text(m.domain());
  model.doc = text(m.doc());
  model.model_version = m.model_version();
  model.metadata = metadata(m.metadata());
  model.raw_fields = text(m.raw_fields());
  model.source = text(m.source());
  return model;
}

}  // namespace

Model load_image(std::string_view bytes, std::shared_ptr<const void> owner, const ImageLimits& limits) {
  static_assert(std::endian::native == std::endian::little);
  ImageHeader header;
  if (bytes.size() < sizeof header) fail(fmt::format("{} bytes are too few for a header", bytes.size()));
  if (reinterpret_cast<uintptr_t>(bytes.data()) % kImageAlign != 0 || !owner) {
    Buffer copy = Buffer::allocate(bytes.size());
    std::memcpy(copy.mutable_data(), bytes.data(), bytes.size());
    bytes = {reinterpret_cast<const char*>(copy.data()), bytes.size()};
    owner = std::make_shared<const Buffer>(std::move(copy));
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.magic, kImageMagic, sizeof kImageMagic) != 0) fail("it does not begin as an image does");
  if (header.version != kImageVersion) {
    throw Error(Code::unsupported,
                fmt::format("the image is of version {}; this library reads {}", header.version, kImageVersion), {},
                "make it again");
  }
  const uint64_t size = bytes.size();
  if (header.structure_at != sizeof header || header.structure_bytes > size - header.structure_at ||
      header.data_at % kImagePage != 0 || header.data_at > size || header.data_bytes > size - header.data_at ||
      header.data_at < header.structure_at + header.structure_bytes) {
    fail("the parts lie outside the file");
  }
  const auto* structure = reinterpret_cast<const uint8_t*>(bytes.data()) + header.structure_at;
  static constexpr fb::uoffset_t kDepth = 16, kTables = 1 << 26;
  fb::Verifier verifier(structure, header.structure_bytes, kDepth, kTables);
  if (header.structure_bytes < 8 || header.structure_bytes >= FLATBUFFERS_MAX_BUFFER_SIZE ||
      !image::VerifyModelBuffer(verifier))
    fail("the structure is damaged");
  return Loader(bytes.substr(header.data_at, header.data_bytes), std::move(owner), limits)
      .load(*image::GetModel(structure));
}

bool is_image(std::string_view bytes) noexcept {
  return bytes.size() >= sizeof kImageMagic && std::memcmp(bytes.data(), kImageMagic, sizeof kImageMagic) == 0;
}

Model load_image_file(const std::string& path, const ImageLimits& limits) {
  auto file = std::make_shared<MappedFile>(path);
  const auto bytes = file->bytes();
  try {
    return load_image({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file, limits);
  } catch (const Error& error) {
    throw error.at(path);
  }
}

}  // namespace chorus
