#include "program.h"

#include <algorithm>
#include <map>

namespace chorus_tvm {
namespace {

constexpr int64_t kAlign = 64;
constexpr int64_t kSample = 64;   // large enough for windows over pictures

uint64_t bytes_of(const Known& k) {
  int64_t n = 1;
  for (int64_t d : k.dims) n *= d;
  return static_cast<uint64_t>(n * bits_of(k.type) / 8);
}

// Sizes that the graph knows are those that were made; without a rank any are.
bool fits(const Known& known, const Dims& made) {
  if (!known.fixed && known.dims.empty()) return true;
  if (known.dims.size() != made.size()) return false;
  for (size_t d = 0; d < made.size(); ++d) {
    if (known.dims[d] >= 0 && known.dims[d] != made[d]) return false;
  }
  return true;
}

class Planner {
 public:
  Planner(const ch_graph& graph, const std::vector<Dims>& inputs) : graph_(graph), plan_(std::make_shared<Plan>()) {
    plan_->graph = &graph;
    plan_->input_dims = inputs;
    plan_->values = known_values(graph, &inputs);
    plan_->places.resize(graph.n_values);
  }
  std::shared_ptr<const Plan> build();

 private:
  void place_ends();
  void add(uint32_t node);
  size_t function(const Value& func);
  void lay_out();

  const ch_graph& graph_;
  std::shared_ptr<Plan> plan_;
  std::multimap<int64_t, size_t> hashes_;
};

void Planner::place_ends() {
  for (uint32_t v = 0; v < graph_.n_values; ++v) plan_->places[v].root = static_cast<int32_t>(v);
  for (uint32_t v = 0; v < graph_.n_values; ++v) {
    if (graph_.values[v]->constant != CH_NO_INDEX) plan_->places[v].kind = Place::Kind::constant;
  }
  for (uint32_t i = 0; i < graph_.n_inputs; ++i) {
    Place& place = plan_->places[graph_.inputs[i]];
    place.kind = Place::Kind::input, place.at = i;
  }
}

size_t Planner::function(const Value& func) {
  const int64_t hash = hash_of(func);
  for (auto [at, end] = hashes_.equal_range(hash); at != end; ++at) {
    if (same_func(plan_->funcs[at->second], func)) return at->second;
  }
  plan_->funcs.push_back(func);
  hashes_.emplace(hash, plan_->funcs.size() - 1);
  return plan_->funcs.size() - 1;
}

void Planner::add(uint32_t index) {
  const ch_node& node = *graph_.nodes[index];
  if (plan_->facts.compute(graph_, node, plan_->values)) {
    plan_->places[static_cast<size_t>(node.outputs[0])].kind = Place::Kind::constant;
    return;
  }
  Call c(graph_, node, plan_->values);
  translate(c, graph_, plan_->values);
  std::vector<T> reads, makes;
  Step step;
  step.node = static_cast<int32_t>(index);
  for (uint32_t o = 0; o < node.n_outputs; ++o) {
    if (!c.wants(o)) continue;
    const int32_t v = node.outputs[o];
    Known& known = plan_->values[static_cast<size_t>(v)];
    const T& made = c.result(o);
    if (!fits(known, made.dims))
      throw Failure(CH_INTERNAL, std::string(c.op()) + ": the mapping makes another shape than ONNX",
                    "use another engine, such as native");
    known.fixed = true, known.dims = made.dims;
    if (c.alias(o) >= 0) {
      plan_->places[static_cast<size_t>(v)].root = plan_->places[static_cast<size_t>(node.inputs[c.alias(o)])].root;
      continue;
    }
    if (made.size() == 0) continue;   // nothing to compute
    makes.push_back(made);
    step.values.push_back(v);
  }
  if (makes.empty()) return;
  std::vector<int32_t> read;
  for (const auto& [i, t] : c.read()) {
    reads.push_back(t);
    read.push_back(node.inputs[i]);
  }
  step.values.insert(step.values.begin(), read.begin(), read.end());
  step.function = function(prim_func(reads, makes, take_folds()));
  plan_->steps.push_back(std::move(step));
}

// First fit: memory of values that nobody reads any more is taken again.
void Planner::lay_out() {
  for (uint32_t i = 0; i < graph_.n_outputs; ++i) {
    const int32_t v = graph_.outputs[i];
    Place& root = plan_->places[static_cast<size_t>(plan_->places[static_cast<size_t>(v)].root)];
    if (root.kind == Place::Kind::none) root.kind = Place::Kind::output, root.at = i;
  }
  std::vector<size_t> last(graph_.n_values, 0);
  for (size_t s = 0; s < plan_->steps.size(); ++s) {
    for (int32_t v : plan_->steps[s].values) last[static_cast<size_t>(plan_->places[static_cast<size_t>(v)].root)] = s;
  }
  struct Taken {
    int64_t at, end;
    size_t last;
  };
  std::vector<Taken> taken;   // by place
  for (size_t s = 0; s < plan_->steps.size(); ++s) {
    taken.erase(std::remove_if(taken.begin(), taken.end(), [&](const Taken& t) { return t.last < s; }), taken.end());
    for (int32_t v : plan_->steps[s].values) {
      Place& place = plan_->places[static_cast<size_t>(v)];
      if (place.kind != Place::Kind::none || place.root != v) continue;
      const auto bytes =
          static_cast<int64_t>((bytes_of(plan_->values[static_cast<size_t>(v)]) + kAlign - 1) / kAlign * kAlign);
      int64_t at = 0;
      auto before = taken.begin();
      for (; before != taken.end() && before->at - at < bytes; ++before) at = std::max(at, before->end);
      taken.insert(before, {at, at + bytes, last[static_cast<size_t>(v)]});
      place.kind = Place::Kind::arena, place.at = at;
      plan_->arena = std::max(plan_->arena, static_cast<uint64_t>(at + bytes));
    }
  }
}

std::shared_ptr<const Plan> Planner::build() {
  place_ends();
  for (uint32_t n = 0; n < graph_.n_nodes; ++n) {
    try {
      add(n);
    } catch (const Failure& failure) {
      throw Failure(failure.code, failure.what(), failure.fix, static_cast<int32_t>(n));
    }
  }
  lay_out();
  if (!plan_->funcs.empty()) plan_->module = compile_funcs(plan_->funcs);
  return plan_;
}

}  // namespace

std::vector<Known> known_values(const ch_graph& graph, const std::vector<Dims>* inputs) {
  std::vector<Known> known(graph.n_values);
  for (uint32_t v = 0; v < graph.n_values; ++v) {
    const ch_value_info& info = *graph.values[v];
    const ch_type& type = *info.type;
    if (type.kind > CH_TENSOR) continue;
    known[v].type = type.dtype;
    if (info.constant != CH_NO_INDEX) {
      const ch_value& value = *graph.constants[info.constant];
      known[v].fixed = true, known[v].dims.assign(value.dims, value.dims + value.rank);
      known[v].constant = &value;
      continue;
    }
    if (type.has_rank == 0) continue;
    known[v].dims.assign(type.dims, type.dims + type.rank);
    known[v].fixed = std::none_of(known[v].dims.begin(), known[v].dims.end(), [](int64_t d) { return d < 0; });
  }
  for (uint32_t i = 0; i < graph.n_inputs; ++i) {
    Known& input = known[static_cast<size_t>(graph.inputs[i])];
    input.constant = nullptr;   // only a default
    if (inputs != nullptr) input.dims = (*inputs)[i], input.fixed = true;
  }
  return known;
}

std::vector<std::string> refusals(const ch_graph& graph) {
  std::vector<Known> known = known_values(graph, nullptr);
  // Inputs of any size: whether there is a program is told for one of them.
  for (uint32_t i = 0; i < graph.n_inputs; ++i) {
    Known& input = known[static_cast<size_t>(graph.inputs[i])];
    if (input.fixed || graph.values[graph.inputs[i]]->type->has_rank == 0) continue;
    std::replace_if(
        input.dims.begin(), input.dims.end(), [](int64_t d) { return d < 0; }, kSample);
    input.fixed = true;
  }
  std::vector<std::string> reasons(graph.n_nodes);
  Facts facts;
  for (uint32_t n = 0; n < graph.n_nodes; ++n) {
    const ch_node& node = *graph.nodes[n];
    try {
      if (facts.compute(graph, node, known)) continue;
      Call c(graph, node, known);
      translate(c, graph, known);
      for (uint32_t o = 0; o < node.n_outputs; ++o) {
        if (!c.wants(o)) continue;
        Known& made = known[static_cast<size_t>(node.outputs[o])];
        if (!fits(made, c.result(o).dims)) c.refuse("the mapping makes another shape than ONNX");
        made.fixed = true, made.dims = c.result(o).dims;
      }
    } catch (const Failure& failure) {
      reasons[n] = failure.what();
    }
  }
  return reasons;
}

std::shared_ptr<const Plan> make_plan(const ch_graph& graph, const std::vector<Dims>& inputs) {
  return Planner(graph, inputs).build();
}

}  // namespace chorus_tvm
