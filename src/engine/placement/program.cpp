// Programs of several parts.
#include <engine/placement/assign.h>
#include <engine/placement/placement.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_map>

namespace chorus::placement {
namespace {

constexpr int kMaxAttempts = 16;   // compiles of a graph whose engines refuse more than they had said

struct CompiledPart {
  std::shared_ptr<Program> program;
  std::vector<int> inputs, outputs;   // slots, in the order of the program's ports
};

// Everything that instances share.
struct Parts {
  Placement placement;
  std::vector<CompiledPart> parts;
  std::vector<Port> inputs, outputs;
  std::vector<int> input_slots, output_slots;
  std::vector<std::pair<int, Value>> constants;   // slots of outputs that nothing computes
  std::vector<Value> defaults;                    // of the inputs
  int slots = 0;
};

class PlacedInstance final : public Instance {
 public:
  explicit PlacedInstance(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {
    for (const CompiledPart& part : parts_->parts) instances_.push_back(part.program->instance());
  }

  void run(std::span<const Value> inputs, std::span<Value> outputs, const RunOptions& options) override;
  std::vector<Type> bind(std::span<const Type> inputs) override;
  std::vector<StepInfo> steps() const override {
    std::vector<StepInfo> all;
    for (const auto& instance : instances_) {
      for (StepInfo& step : instance->steps()) all.push_back(std::move(step));
    }
    return all;
  }
  int64_t arena_bytes() const noexcept override {
    int64_t bytes = 0;
    for (const auto& instance : instances_) bytes += instance->arena_bytes();
    return bytes;
  }

 private:
  void run_part(size_t p, std::vector<Value>& slots, std::span<Value> outputs, const RunOptions& options);
  std::shared_ptr<const Parts> parts_;
  std::vector<std::unique_ptr<Instance>> instances_;
};

// A caller's buffer goes to the part that makes the output; further places of the same value get copies.
void PlacedInstance::run_part(size_t p, std::vector<Value>& slots, std::span<Value> outputs,
                              const RunOptions& options) {
  const CompiledPart& part = parts_->parts[p];
  std::vector<Value> in, out(part.outputs.size());
  for (int slot : part.inputs) in.push_back(slots[static_cast<size_t>(slot)]);
  for (size_t i = 0; i < out.size(); ++i) {
    const auto first = std::find(parts_->output_slots.begin(), parts_->output_slots.end(), part.outputs[i]);
    const auto at = static_cast<size_t>(first - parts_->output_slots.begin());
    if (at < outputs.size()) out[i] = outputs[at];
  }
  std::vector<NodeTime> times;
  RunOptions own = options;
  if (options.times != nullptr) own.times = &times;
  instances_[p]->run(in, out, own);
  for (size_t i = 0; i < out.size(); ++i) slots[static_cast<size_t>(part.outputs[i])] = std::move(out[i]);
  if (times.empty()) return;
  int32_t before = 0;
  for (size_t q = 0; q < p; ++q) before += static_cast<int32_t>(instances_[q]->steps().size());
  for (NodeTime& t : times) {
    t.step += before;
    options.times->push_back(t);
  }
}

void PlacedInstance::run(std::span<const Value> inputs, std::span<Value> outputs, const RunOptions& options) {
  const Parts& all = *parts_;
  if (inputs.size() != all.inputs.size())
    throw Error(Code::bad_input, fmt::format("{} inputs given, the model takes {}", inputs.size(), all.inputs.size()));
  if (outputs.size() > all.outputs.size())
    throw Error(Code::bad_input,
                fmt::format("{} outputs wanted, the model makes {}", outputs.size(), all.outputs.size()));
  std::vector<Value> slots(static_cast<size_t>(all.slots));
  for (const auto& [slot, value] : all.constants) slots[static_cast<size_t>(slot)] = value;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Value& value = inputs[i] ? inputs[i] : all.defaults[i];
    if (!value)
      throw Error(Code::bad_input, "input \"" + all.inputs[i].name + "\" is missing", {},
                  "give every input of the model");
    slots[static_cast<size_t>(all.input_slots[i])] = value;
  }
  for (size_t p = 0; p < all.parts.size(); ++p) {
    const Code stopped = options.stop != nullptr ? options.stop->state() : Code::ok;
    if (stopped != Code::ok)
      throw Error(stopped,
                  stopped == Code::timeout ? "the run took longer than its time-out" : "the run was cancelled");
    run_part(p, slots, outputs, options);
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Value& made = slots[static_cast<size_t>(all.output_slots[i])];
    Value& wanted = outputs[i];
    if (wanted.is_tensor() && wanted.dtype() != DType::string && made.is_tensor()) {
      if (wanted.dtype() != made.dtype() || !(wanted.shape() == made.shape()))
        throw Error(Code::shape, fmt::format("output \"{}\" is {}{}; the buffer given for it is {}{}",
                                             all.outputs[i].name, dtype_name(made.dtype()), made.shape().str(),
                                             dtype_name(wanted.dtype()), wanted.shape().str()));
      const auto bytes = static_cast<size_t>(dtype_bytes(made.dtype(), made.numel()));
      if (bytes > 0 && wanted.data() != made.data()) std::memcpy(wanted.mutable_data(), made.data(), bytes);
    } else {
      wanted = made;
    }
  }
}

std::vector<Type> PlacedInstance::bind(std::span<const Type> inputs) {
  const Parts& all = *parts_;
  std::vector<Type> slots(static_cast<size_t>(all.slots));
  for (const auto& [slot, value] : all.constants) slots[static_cast<size_t>(slot)] = Type::of(value);
  for (size_t i = 0; i < inputs.size() && i < all.inputs.size(); ++i)
    slots[static_cast<size_t>(all.input_slots[i])] = inputs[i];
  for (size_t p = 0; p < all.parts.size(); ++p) {
    const CompiledPart& part = all.parts[p];
    std::vector<Type> in;
    for (int slot : part.inputs) in.push_back(slots[static_cast<size_t>(slot)]);
    const bool known = std::all_of(in.begin(), in.end(), [](const Type& t) { return t.is_tensor() && t.is_static(); });
    std::vector<Type> out;
    if (known) {
      out = instances_[p]->bind(in);
    } else {   // sizes that only the run knows: planned there
      for (const Port& port : part.program->outputs()) out.push_back(port.type);
    }
    for (size_t i = 0; i < out.size(); ++i) slots[static_cast<size_t>(part.outputs[i])] = out[i];
  }
  std::vector<Type> types;
  for (int slot : all.output_slots) types.push_back(slots[static_cast<size_t>(slot)]);
  return types;
}

class CutProgram final : public PlacedProgram {
 public:
  explicit CutProgram(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}
  std::span<const Port> inputs() const override { return parts_->inputs; }
  std::span<const Port> outputs() const override { return parts_->outputs; }
  std::unique_ptr<Instance> instance() override { return std::make_unique<PlacedInstance>(parts_); }
  const Placement& placement() const override { return parts_->placement; }
  std::string str(std::string_view level) const override {
    std::string text;
    const Placement& p = parts_->placement;
    for (size_t i = 0; i < parts_->parts.size(); ++i) {
      text += fmt::format("part {} of {}: {}, {} nodes\n", i + 1, parts_->parts.size(), p.parts[i].engine,
                          p.parts[i].nodes.size());
      for (const Crossing& c : p.crossings) {
        if (c.to == static_cast<int>(i))
          text += fmt::format("  \"{}\" {} from part {}, {}\n", c.value, c.type, c.from + 1,
                              c.passing == Passing::lent ? "by pointer" : "copied");
      }
      text += parts_->parts[i].program->str(level);
      if (!text.ends_with('\n')) text += '\n';
    }
    return text;
  }

 private:
  std::shared_ptr<const Parts> parts_;
};

// ---- making one

bool holds_strings(const Type& type) {
  return type.kind == ValueKind::none || type.dtype == DType::string || (type.elem && holds_strings(*type.elem));
}

int64_t bytes_of(const Type& type) {
  if (!type.is_tensor() || !type.is_static() || type.dtype == DType::undefined || type.dtype == DType::string)
    return -1;
  int64_t count = 1;
  for (const Dim& d : type.dims) count *= d.number();
  return dtype_bytes(type.dtype, count);
}

std::vector<Crossing> crossings(const Graph& graph, const Cut& cut, const Engines& engines) {
  std::unordered_map<NodeId, int> part_of;
  for (size_t p = 0; p < cut.nodes.size(); ++p) {
    for (NodeId id : cut.nodes[p]) part_of[id] = static_cast<int>(p);
  }
  std::vector<Crossing> list;
  for (size_t p = 0; p < cut.nodes.size(); ++p) {
    const bool plugin = engines[static_cast<size_t>(cut.engine[p])]->name() != "native";
    for (NodeId id : cut.nodes[p]) {
      for (ValueId out : graph.node(id).outputs) {
        if (out == kNone) continue;
        const GraphValue& v = graph.value(out);
        std::vector<int> readers;
        for (const Use& use : v.uses) readers.push_back(part_of.at(use.node));
        std::sort(readers.begin(), readers.end());
        readers.erase(std::unique(readers.begin(), readers.end()), readers.end());
        for (int to : readers) {
          if (to == static_cast<int>(p)) continue;
          const Passing how = plugin && holds_strings(v.type) ? Passing::copied : Passing::lent;
          list.push_back({v.name, static_cast<int>(p), to, v.type.str(), bytes_of(v.type), how});
        }
      }
    }
  }
  return list;
}

// The node of the model that a node of the cut graph stands for: its own, or the one whose name its name begins with.
class Origins {
 public:
  explicit Origins(const Graph& model) : model_(model) {
    for (NodeId id : model.order()) {
      const Node& n = model.node(id);
      by_name_.emplace(n.name.empty() ? fmt::format("{}_{}", n.type, id) : n.name, id);
      for (ValueId out : n.outputs) {
        if (out != kNone) by_value_.emplace(model.value(out).name, id);
      }
    }
  }
  NodeId find(const Graph& cut, NodeId id) const {
    const Node& n = cut.node(id);
    if (id < model_.node_capacity() && model_.node(id).alive && model_.node(id).type == n.type) return id;
    for (std::string name = n.name; !name.empty();) {
      if (const auto it = by_name_.find(name); it != by_name_.end()) return it->second;
      const size_t slash = name.rfind('/');
      name.resize(slash == std::string::npos ? 0 : slash);
    }
    for (ValueId out : n.outputs) {
      if (out == kNone) continue;
      for (std::string name = cut.value(out).name; !name.empty();) {
        if (const auto it = by_value_.find(name); it != by_value_.end()) return it->second;
        const size_t slash = name.find_last_of("/.");
        name.resize(slash == std::string::npos ? 0 : slash);
      }
    }
    return kNone;
  }

 private:
  const Graph& model_;
  std::unordered_map<std::string, NodeId> by_name_, by_value_;
};

Placed whole(const Graph& graph, NodeId id, std::string_view engine) {
  Placed p;
  p.node = id;
  p.engine = engine;
  const Node& n = graph.node(id);
  if (!n.outputs.empty() && n.outputs[0] != kNone) p.type = graph.value(n.outputs[0]).type.str();
  return p;
}

std::vector<Placed> placed_nodes(const Graph& model, const Assignment& a, const Engines& engines) {
  std::map<NodeId, Placed> found;
  const Origins origins(model);
  for (NodeId id : a.graph->order()) {
    const NodeId origin = origins.find(*a.graph, id);
    if (origin == kNone) continue;
    const std::string engine(engines[static_cast<size_t>(a.engine[static_cast<size_t>(id)])]->name());
    const auto [it, added] = found.emplace(origin, whole(model, origin, engine));
    Placed& p = it->second;
    if (!added && ("+" + p.engine + "+").find("+" + engine + "+") == std::string::npos) p.engine += "+" + engine;
    if (p.type.empty() || model.value(model.node(origin).outputs[0]).type.kind == ValueKind::none) {
      for (ValueId out : a.graph->node(id).outputs) {
        if (out != kNone && !model.node(origin).outputs.empty() && model.node(origin).outputs[0] != kNone &&
            a.graph->value(out).name == model.value(model.node(origin).outputs[0]).name)
          p.type = a.graph->value(out).type.str();
      }
    }
    const std::string& why = a.reason[static_cast<size_t>(id)];
    if (p.reason.empty() && !why.empty()) p.reason = why;
  }
  std::vector<Placed> list;
  for (NodeId id : model.order()) {
    const auto it = found.find(id);
    if (it != found.end()) {
      list.push_back(it->second);
      continue;
    }
    list.push_back(whole(model, id, engines[0]->name()));
    list.back().reason = "no step: folded into a constant, rewritten by a pass, or not needed";
  }
  return list;
}

// Slots of the whole, and each part's share of them.
class Assembly {
 public:
  Assembly(const Model& model, const Graph& graph) {
    for (ValueId id : model.graph->inputs()) {
      const GraphValue& v = model.graph->value(id);
      parts_->inputs.push_back({v.name, v.type});
      parts_->input_slots.push_back(slot(v.name));
      parts_->defaults.push_back(v.constant);
    }
    for (ValueId id : model.graph->outputs()) {
      const std::string& name = model.graph->value(id).name;
      const ValueId own = graph.find_value(name);
      parts_->outputs.push_back({name, own == kNone ? model.graph->value(id).type : graph.value(own).type});
      parts_->output_slots.push_back(slot(name));
      if (own != kNone && graph.value(own).is_constant() && !graph.value(own).is_input)
        parts_->constants.emplace_back(slot(name), graph.value(own).constant);
    }
  }
  void add(std::shared_ptr<Program> program) {
    CompiledPart part;
    for (const Port& port : program->inputs()) part.inputs.push_back(slot(port.name));
    for (const Port& port : program->outputs()) part.outputs.push_back(slot(port.name));
    part.program = std::move(program);
    parts_->parts.push_back(std::move(part));
  }
  std::shared_ptr<const Parts> done(Placement placement) {
    parts_->placement = std::move(placement);
    parts_->slots = static_cast<int>(slots_.size());
    return parts_;
  }

 private:
  int slot(const std::string& name) { return slots_.emplace(name, static_cast<int>(slots_.size())).first->second; }
  std::unordered_map<std::string, int> slots_;
  std::shared_ptr<Parts> parts_ = std::make_shared<Parts>();
};

std::string first_line(const Error& error) {
  const std::string& text = error.message();
  return text.substr(0, text.find('\n'));
}

// What an engine says of a part that it would not compile: of its nodes, or of all of them.
std::vector<std::pair<NodeId, std::string>> refused_nodes(Engine& engine, const Model& part,
                                                          std::span<const NodeId> nodes, const CompileOptions& options,
                                                          const Error& error) {
  std::vector<std::pair<NodeId, std::string>> refused;
  try {
    for (const Claim& c : engine.claim(*part.graph, options)) {   // part_of adds the nodes in order
      if (c.verdict == Verdict::no && static_cast<size_t>(c.node) < nodes.size())
        refused.emplace_back(nodes[static_cast<size_t>(c.node)], c.reason);
    }
  } catch (const Error&) {   // then all of them
  }
  if (refused.empty()) {
    for (NodeId id : nodes) refused.emplace_back(id, first_line(error));
  }
  return refused;
}

CompileOptions options_for(const Engine& engine, const CompileOptions& options) {
  CompileOptions own = options;
  // Precision is the least that is wanted: what runs natively beside another engine's f16 or int8 is exact.
  if (engine.name() == "native" && (own.precision == Precision::f16 || own.precision == Precision::int8))
    own.precision = Precision::f32;
  return own;
}

CompileOptions with_pool(CompileOptions options) {
  if (!options.pool) options.pool = std::make_shared<ThreadPool>(ThreadPool::Options{options.threads, {}, 50});
  return options;
}

}  // namespace

std::shared_ptr<Program> compile_assigned(const Model& model, Assignment a, const Engines& engines,
                                          const CompileOptions& given) {
  const CompileOptions options = with_pool(given);
  for (int attempt = 0;; ++attempt) {
    const Cut made = cut(*a.graph, a.engine);
    Assembly assembly(model, *a.graph);
    std::vector<std::pair<NodeId, std::string>> refused;
    for (size_t p = 0; p < made.nodes.size(); ++p) {
      Engine& engine = *engines[static_cast<size_t>(made.engine[p])];
      const Model part = part_of(model, *a.graph, made.nodes[p]);
      try {
        assembly.add(engine.compile(part, options_for(engine, options)));
      } catch (const Error& error) {
        const bool last = made.engine[p] + 1 == static_cast<int>(engines.size());
        if (error.code() != Code::unsupported || last || attempt == kMaxAttempts) throw;
        const auto these = refused_nodes(engine, part, made.nodes[p], options, error);
        refused.insert(refused.end(), these.begin(), these.end());
      }
    }
    if (!refused.empty()) {
      move_on(a, engines, options, refused);
      continue;
    }
    Placement placement;
    placement.asked = engines[0]->name();
    placement.nodes = placed_nodes(*model.graph, a, engines);
    for (size_t p = 0; p < made.nodes.size(); ++p)
      placement.parts.push_back({std::string(engines[static_cast<size_t>(made.engine[p])]->name()), made.nodes[p]});
    placement.crossings = crossings(*a.graph, made, engines);
    return std::make_shared<CutProgram>(assembly.done(std::move(placement)));
  }
}

namespace {

bool draws_anywhere(const Model& model) {
  const auto any = [](const Graph& graph) {
    for (NodeId id = 0; id < graph.node_capacity(); ++id) {
      if (graph.node(id).alive && draws(graph.node(id))) return true;
    }
    return false;
  };
  return any(*model.graph) ||
         std::any_of(model.functions.begin(), model.functions.end(), [&](const Function& f) { return any(*f.body); });
}

}  // namespace

size_t Placement::elsewhere() const noexcept {
  return static_cast<size_t>(
      std::count_if(nodes.begin(), nodes.end(), [&](const Placed& p) { return p.engine != asked; }));
}

size_t Placement::copies() const noexcept {
  return static_cast<size_t>(std::count_if(crossings.begin(), crossings.end(),
                                           [](const Crossing& c) { return c.passing == Passing::copied; }));
}

std::shared_ptr<Program> compile(const Model& model, const Engines& engines, const CompileOptions& options) {
  if (engines.size() < 2 || options.fallback == Fallback::none) return engines[0]->compile(model, options);
  if (!draws_anywhere(model)) {
    try {
      return engines[0]->compile(model, options);
    } catch (const Error& error) {
      if (error.code() != Code::unsupported) throw;
    }
  }
  const CompileOptions shared = with_pool(options);
  return compile_assigned(model, assign(model, engines, shared), engines, shared);
}

Placement placement_of(const Program& program, const Model& model, std::string_view asked) {
  if (const auto* cut = dynamic_cast<const PlacedProgram*>(&program)) return cut->placement();
  Placement p;
  p.asked = asked;
  Part all{p.asked, model.graph->order()};
  for (NodeId id : all.nodes) p.nodes.push_back(whole(*model.graph, id, asked));
  p.parts.push_back(std::move(all));
  return p;
}

}  // namespace chorus::placement
