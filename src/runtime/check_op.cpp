// CheckOp: what the tests of the operator table check of a row, for any row, also one that a program registered.
#include <chorus/model.h>
#include <core/convert.h>
#include <engine/native/kernel.h>
#include <graph/differentiate.h>
#include <graph/infer.h>
#include <ops/gradients/rules.h>
#include <ops/grid.h>
#include <ops/op_def.h>
#include <runtime/differences.h>

#include <fmt/format.h>

#include <cmath>
#include <cstring>

namespace chorus {
namespace {

using Problems = std::vector<std::string>;

/// One node; operands that a gradient can flow to, and those whose values no rule reads, are inputs, the others constants.
struct OneNode {
  Graph graph;
  NodeId id = kNone;
  std::vector<Value> inputs;
  OneNode(const OpDef& def, const GridCase& one, const std::vector<Value>& values, bool known_extents) {
    graph.opsets[""] = newest_opset("");
    graph.opsets[std::string(def.domain)] = newest_opset(def.domain);
    Node n;
    n.op = &def;
    n.version = one.version;
    n.domain = std::string(def.domain);
    n.type = std::string(def.name);
    n.attributes = one.attributes;
    const Schema& schema = def.schema(one.version);
    for (size_t i = 0; i < values.size(); ++i) {
      if (!values[i]) {
        n.inputs.push_back(kNone);
        continue;
      }
      const Param* p = schema.input(static_cast<int>(i));
      if (values[i].is_tensor() && p != nullptr && p->host_value) {
        n.inputs.push_back(graph.add_constant("c", values[i]));
        continue;
      }
      Type type = Type::of(values[i]);
      if (!known_extents && type.is_tensor()) {
        for (size_t d = 0; d < type.dims.size(); ++d) type.dims[d] = Dim::symbol(fmt::format("n{}_{}", i, d));
      }
      n.inputs.push_back(graph.add_input("x", type));
      inputs.push_back(values[i]);
    }
    for (int i = 0; i < one.outputs; ++i) n.outputs.push_back(graph.add_value("y"));
    id = graph.add_node(std::move(n));
    infer_node(graph, id);
    for (const ValueId out : graph.node(id).outputs) graph.add_output(out);
  }
};

/// Where the type that a rule says and a value contradict each other; empty: nowhere.
std::string contradiction(const Type& said, const Value& got) {
  const Type is = Type::of(got);
  bool fits = said.kind == ValueKind::none || said.kind == is.kind;
  if (fits && said.is_tensor()) {
    fits = (said.dtype == DType::undefined || said.dtype == is.dtype) && (!said.has_rank || said.rank() == is.rank());
    for (size_t d = 0; fits && said.has_rank && d < said.dims.size(); ++d)
      fits = !said.dims[d].is_number() || said.dims[d].number() == got.shape()[static_cast<int>(d)];
  }
  return fits ? std::string() : fmt::format("the shape rule says {}, the kernel gives {}", said.str(), is.str());
}

bool same_bits(const Value& a, const Value& b) {
  if (a.kind() != b.kind() || a.dtype() != b.dtype()) return false;
  if (!a.is_tensor()) {
    if (a.items().size() != b.items().size()) return false;
    for (size_t i = 0; i < a.items().size(); ++i) {
      if (!same_bits(a.items()[i], b.items()[i])) return false;
    }
    return true;
  }
  if (!(a.shape() == b.shape()) || a.dtype() == DType::string) return a.shape() == b.shape();
  if (dtype_bits(a.dtype()) < 8) {  // the last byte may be half used
    for (int64_t i = 0; i < a.numel(); ++i) {
      if (get_f64(a.dtype(), a.data(), i) != get_f64(b.dtype(), b.data(), i)) return false;
    }
    return true;
  }
  return a.bytes() == 0 || std::memcmp(a.data(), b.data(), static_cast<size_t>(a.bytes())) == 0;
}

/// The greatest |a - b| / (1 + |b|) of numbers; infinity where types, shapes or what is finite differ.
double distance(const Value& a, const Value& b) {
  if (!a.is_tensor() || !is_float(a.dtype())) return same_bits(a, b) ? 0 : INFINITY;
  if (a.dtype() != b.dtype() || !(a.shape() == b.shape())) return INFINITY;
  double most = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    const double x = get_f64(a.dtype(), a.data(), i), y = get_f64(b.dtype(), b.data(), i);
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const double off = std::abs(x - y) / (1 + std::abs(y));
    most = std::isnan(off) ? INFINITY : std::max(most, off);
  }
  return most;
}

/// float64 in place of narrower floats, of sequences item by item.
Value widened(const Value& v) {
  if (v.kind() == ValueKind::sequence) {
    std::vector<Value> items;
    for (const Value& item : v.items()) items.push_back(widened(item));
    return Value::sequence(items.empty() ? v.dtype() : items[0].dtype(), items);
  }
  if (!v.is_tensor() || !is_float(v.dtype()) || v.dtype() == DType::float64) return v;
  Value made = Value::tensor(DType::float64, v.shape());
  load_f64(v.dtype(), v.data(), 0, v.numel(), static_cast<double*>(made.mutable_data()));
  return made;
}

class Checker {
 public:
  Checker(const OpDef& def, uint64_t seed) : def_(def), seed_(seed) {}
  Problems run() {
    if (def_.doc.empty()) say("it has no documentation");
    if (gradients::is_not_derived(def_)) say("it has neither a gradient nor a reason for having none");
    std::vector<GridCase> cases;
    try {
      cases = parse_grid(def_);
    } catch (const Error& error) {
      say(error.message());
      return problems_;
    }
    if (cases.empty()) say("it has no cases: nothing was checked");
    for (const GridCase& one : cases) {
      ++seed_;
      what_ = std::string(one.text);
      try {
        check(one);
      } catch (const Error& error) {
        say(error.message());
      }
    }
    return problems_;
  }

 private:
  void say(const std::string& problem) { problems_.push_back(what_.empty() ? problem : what_ + ": " + problem); }

  void check(const GridCase& one) {
    const std::vector<Value> values = make_inputs(one, seed_);
    const OneNode known(def_, one, values, true);
    const std::vector<Value> got = run_once(known.graph, known.inputs);
    check_types(known, got);
    check_types(OneNode(def_, one, values, false), got);
    if (def_.effect == Effect::pure) {
      const std::vector<Value> again = run_once(known.graph, known.inputs);
      for (size_t i = 0; i < got.size(); ++i) {
        if (!same_bits(got[i], again[i])) say(fmt::format("output {} differs from run to run", i));
      }
    }
    check_decomposition(known, got);
    if (!gradients::is_not_derived(def_) && one.version + 1 == static_cast<int>(def_.versions.size()))
      check_gradient(one, values);
  }

  void check_types(const OneNode& node, const std::vector<Value>& got) {
    for (size_t i = 0; i < got.size(); ++i) {
      if (!got[i]) continue;
      const std::string wrong = contradiction(node.graph.value(node.graph.outputs()[i]).type, got[i]);
      if (!wrong.empty()) say(fmt::format("output {}: {}", i, wrong));
    }
  }

  void check_decomposition(const OneNode& node, const std::vector<Value>& got) {
    const auto* meaning = std::get_if<Decompose>(&def_.meaning);
    if (meaning == nullptr || native::find_reference(def_.domain, def_.name) == nullptr || def_.effect != Effect::pure)
      return;
    if (node.graph.node(node.id).version + 1 != static_cast<int>(def_.versions.size()))
      return;  // it is the meaning of the newest
    Graph expanded(node.graph);
    std::string reason;
    std::vector<Value> other;
    try {
      if (!Expander::expand(expanded, node.id, *meaning, &reason)) return;
      other = run_once(expanded, node.inputs);
    } catch (const Error& error) {
      if (error.code() == Code::type) return;  // simpler operators that lack the type
      throw;
    }
    for (size_t i = 0; i < got.size(); ++i) {
      if (!got[i]) continue;
      const int bits = dtype_bits(got[i].dtype());
      const double off = distance(got[i], other[i]), allowed = bits >= 32 ? 1e-4 : bits == 16 ? 3e-2 : 0.3;
      if (!(off <= allowed)) say(fmt::format("output {} is {} from that of its decomposition", i, off));
    }
  }

  /// In float64 where the operator takes it: differences of narrower numbers tell little.
  void check_gradient(const GridCase& one, const std::vector<Value>& values) {
    try {
      check_gradient_of(one, values, true);
    } catch (const Error& error) {
      if (error.code() == Code::internal) throw;
      check_gradient_of(one, values, false);  // types that belong together, or that an attribute names
    }
  }

  void check_gradient_of(const GridCase& one, std::vector<Value> values, bool wide) {
    DifferenceOptions options;
    options.seed = seed_;
    bool any = false;
    const Schema& schema = def_.schema(one.version);
    for (size_t i = 0, input = 0; i < values.size(); ++i) {
      if (!values[i]) continue;
      const Param* p = schema.input(static_cast<int>(i));
      any = any || is_differentiable(Type::of(values[i]));
      if (p == nullptr) continue;
      if (wide && dtype_in(DType::float64, schema.types[static_cast<size_t>(p->type_set)].tensor))
        values[i] = widened(values[i]);
      if (values[i].is_tensor() && p->host_value) continue;  // a constant of the node
      if (!p->differentiable) options.ignored.push_back(static_cast<int>(input));
      ++input;
    }
    if (!any) return;
    const OneNode node(def_, one, values, true);
    for (const ValueId id : node.graph.outputs()) {
      const Type& type = node.graph.value(id).type;
      if (type.is_tensor() && is_float(type.dtype) && dtype_bits(type.dtype) <= 8) return;  // results in steps
    }
    if (const AttrValue* inside = one.attributes.find("softmax_precision");
        inside != nullptr && inside->kind() == AttrKind::integer)
      options.bits = 16;
    for (const std::string& failure :
         compare_with_differences(node.graph, node.inputs, options, "its gradient").failures)
      say(failure);
  }

  const OpDef& def_;
  uint64_t seed_;
  std::string what_;
  Problems problems_;
};

}  // namespace

namespace api {

std::vector<std::string> CheckOp(const std::string& domain, const std::string& name, uint64_t seed) {
  const OpDef* def = find_op(domain, name);
  if (def == nullptr)
    throw Error(Code::not_found, "CheckOp: there is no operator " + domain + "." + name, {}, "register it first");
  return Checker(*def, seed).run();
}

}  // namespace api
}  // namespace chorus
