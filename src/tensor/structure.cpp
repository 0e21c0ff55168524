#include <tensor/structure.h>

#include <graph/infer.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>

namespace chorus {
namespace {

constexpr int64_t kMaxBaked = 64;
constexpr int64_t kMaxAttributeBytes = 4096;

class KeyWriter {
 public:
  explicit KeyWriter(Structure& s) : s_(s) {}
  template <class T>
  void raw(T v) {
    s_.key.append(reinterpret_cast<const char*>(&v), sizeof v);
  }
  void text(std::string_view t) {
    raw(static_cast<uint32_t>(t.size()));
    s_.key.append(t);
  }
  void value(const Value& v) {
    raw(static_cast<uint8_t>(v.dtype()));
    text({reinterpret_cast<const char*>(v.shape().data()), static_cast<size_t>(v.rank()) * sizeof(int64_t)});
    text({static_cast<const char*>(v.data()), static_cast<size_t>(dtype_bytes(v.dtype(), v.numel()))});
  }
  void attribute(const AttrValue& a) {
    raw(static_cast<uint8_t>(a.kind()));
    if (const auto* i = a.get<int64_t>())
      raw(*i);
    else if (const auto* f = a.get<float>())
      raw(*f);
    else if (const auto* s = a.get<std::string>())
      text(*s);
    else if (const auto* g = a.get<GraphPtr>())
      raw(g->get());   // the program holds it, so nothing else gets its address
    else if (const auto* is = a.get<std::vector<int64_t>>())
      list(*is);
    else if (const auto* fs = a.get<std::vector<float>>())
      list(*fs);
    else if (const auto* ss = a.get<std::vector<std::string>>()) {
      raw(static_cast<uint32_t>(ss->size()));
      for (const std::string& one : *ss) text(one);
    } else if (const auto* v = a.get<Value>(); v != nullptr && v->is_tensor() && v->dtype() != DType::string &&
                                               dtype_bytes(v->dtype(), v->numel()) <= kMaxAttributeBytes) {
      value(*v);
    } else {
      s_.cacheable = false;
    }
  }

 private:
  template <class T>
  void list(const std::vector<T>& v) {
    text({reinterpret_cast<const char*>(v.data()), v.size() * sizeof(T)});
  }
  Structure& s_;
};

bool is_small_integer(const Value& v) {
  return v.is_tensor() && (is_integer(v.dtype()) || v.dtype() == DType::boolean) && v.numel() <= kMaxBaked;
}

// Leaves whose values shape rules may read: operands marked so, and small integers that such operands are computed from.
void find_baked(const Capture& captured, Structure& s) {
  std::vector<char> feeds(static_cast<size_t>(captured.values));
  for (size_t n = captured.nodes.size(); n-- > 0;) {
    const CapturedNode& node = captured.nodes[n];
    const Expr& expr = *node.expr;
    const Schema& schema = expr.op->newest();
    bool wanted = false;
    for (size_t i = 0; i < expr.outputs.size(); ++i) wanted = wanted || feeds[static_cast<size_t>(node.value) + i] != 0;
    if (expr.op->name == "Shape" || expr.op->name == "Size") wanted = false;  // sizes, not values
    const auto operands = captured.operands_of(node);
    for (size_t i = 0; i < operands.size(); ++i) {
      if (operands[i] == kOmitted) continue;
      const Param* p = schema.input(static_cast<int>(i));
      const bool host = p != nullptr && p->host_value;
      if (!is_leaf_operand(operands[i])) {
        if (host || wanted) feeds[static_cast<size_t>(operands[i])] = 1;
        continue;
      }
      const auto leaf = static_cast<size_t>(leaf_of(operands[i]));
      s.used[leaf] = 1;
      const Value& v = captured.leaves[leaf];
      if ((host && v.is_tensor() && v.dtype() != DType::string) || (wanted && is_small_integer(v))) s.baked[leaf] = 1;
    }
  }
}

// Equal extents get one symbol, extent 1 stays a number: what broadcasts is then known when the graph is compiled.
class Extents {
 public:
  int32_t of(int64_t extent) {
    if (extent == 1) return -1;
    return seen_.emplace(extent, static_cast<int32_t>(seen_.size())).first->second;
  }

 private:
  std::unordered_map<int64_t, int32_t> seen_;
};

}  // namespace

Structure describe(const Capture& captured) {
  Structure s;
  s.baked.resize(captured.leaves.size());
  s.used.resize(captured.leaves.size());
  find_baked(captured, s);
  KeyWriter key(s);
  Extents extents;
  for (size_t i = 0; i < captured.leaves.size(); ++i) {
    const Value& v = captured.leaves[i];
    if (!s.used[i]) continue;
    key.raw(static_cast<uint8_t>(s.baked[i] ? 'c' : 'i'));
    if (s.baked[i]) {
      key.value(v);
      continue;
    }
    s.leaf_at.push_back(static_cast<int32_t>(i));
    if (!v.is_tensor()) {
      key.text(Type::of(v).str());
      continue;
    }
    key.raw(static_cast<uint8_t>(v.dtype()));
    key.raw(static_cast<uint8_t>(v.rank()));
    for (int64_t d : v.shape()) key.raw(extents.of(d));
  }
  // Leaves that no node reads shift the indices below but not the key's meaning: they are numbered anew.
  std::vector<int32_t> number(captured.leaves.size());
  int32_t next = 0;
  for (size_t i = 0; i < number.size(); ++i) number[i] = s.used[i] ? next++ : -1;
  for (const CapturedNode& node : captured.nodes) {
    const Expr& expr = *node.expr;
    key.raw(expr.op);
    key.raw(static_cast<uint16_t>(expr.outputs.size()));
    key.raw(static_cast<uint8_t>(node.kept));
    for (int32_t o : captured.operands_of(node))
      key.raw(is_leaf_operand(o) ? leaf_operand(number[static_cast<size_t>(leaf_of(o))]) : o);
    key.raw(static_cast<uint32_t>(expr.attributes.items().size()));
    for (const auto& item : expr.attributes.items()) {
      key.text(item.name);
      key.attribute(item.value);
    }
    if (!node.kept) continue;
    for (size_t i = 0; i < expr.outputs.size(); ++i) s.outputs.push_back(node.value + static_cast<int32_t>(i));
  }
  return s;
}

std::shared_ptr<const Graph> to_graph(const Capture& captured, const Structure& s) {
  auto graph = std::make_shared<Graph>();
  graph->name = "tensors";
  graph->opsets[""] = newest_opset("");
  Extents extents;
  std::vector<ValueId> leaves(captured.leaves.size(), kNone), values(static_cast<size_t>(captured.values), kNone);
  for (size_t i = 0; i < leaves.size(); ++i) {
    const Value& v = captured.leaves[i];
    if (!s.used[i]) continue;
    const std::string name = (s.baked[i] ? "c" : "x") + std::to_string(i);
    if (s.baked[i]) {
      leaves[i] = graph->add_constant(name, v);
    } else if (v.is_tensor()) {
      Dims dims;
      for (int64_t d : v.shape()) {
        const int32_t symbol = extents.of(d);
        dims.push_back(symbol < 0 ? Dim(1) : Dim::symbol("d" + std::to_string(symbol)));
      }
      leaves[i] = graph->add_input(name, Type::tensor(v.dtype(), std::move(dims)));
    } else {
      leaves[i] = graph->add_input(name, Type::of(v));
    }
  }
  for (const CapturedNode& captured_node : captured.nodes) {
    const Expr& expr = *captured_node.expr;
    Node node;
    node.op = expr.op;
    node.version = static_cast<int>(expr.op->versions.size()) - 1;
    node.domain = std::string(expr.op->domain);
    node.type = std::string(expr.op->name);
    node.attributes = expr.attributes;
    if (!node.domain.empty() && graph->opsets.find(node.domain) == graph->opsets.end()) {
      graph->opsets[node.domain] = std::max(newest_opset(node.domain), expr.op->newest_version());
    }
    for (int32_t o : captured.operands_of(captured_node)) {
      node.inputs.push_back(o == kOmitted        ? kNone
                            : is_leaf_operand(o) ? leaves[static_cast<size_t>(leaf_of(o))]
                                                 : values[static_cast<size_t>(o)]);
    }
    for (size_t i = 0; i < expr.outputs.size(); ++i) {
      const auto number = static_cast<size_t>(captured_node.value) + i;
      values[number] = graph->add_value("v" + std::to_string(number));
      node.outputs.push_back(values[number]);
    }
    node.name = "n" + std::to_string(captured_node.value);
    graph->add_node(std::move(node));
  }
  for (int32_t number : s.outputs) graph->add_output(values[static_cast<size_t>(number)]);
  infer_types(*graph);
  return graph;
}

}  // namespace chorus
