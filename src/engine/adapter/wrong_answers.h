// What an engine is known to answer wrongly and can be told before a run: a table of each adapter, so that the host computes these
// nodes another way (a simpler form, another engine) in place of passing on a wrong answer. Evidence: docs/engine_findings.md.
#pragma once
#include <chorus/engine_abi.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapter.h"

namespace chorus_adapter {

/// One node with what a rule asks about it.
class Operands {
 public:
  Operands(const ch_graph& graph, const ch_node& node) : graph_(graph), node_(node) {}
  const ch_graph& graph() const noexcept { return graph_; }
  const ch_node& node() const noexcept { return node_; }

  /// The value of input i, or CH_NO_INDEX.
  int32_t input(uint32_t i) const noexcept { return i < node_.n_inputs ? node_.inputs[i] : CH_NO_INDEX; }
  int32_t output(uint32_t i) const noexcept { return i < node_.n_outputs ? node_.outputs[i] : CH_NO_INDEX; }
  bool has_input(uint32_t i) const noexcept { return input(i) != CH_NO_INDEX; }
  bool has_output(uint32_t i) const noexcept { return output(i) != CH_NO_INDEX; }
  /// ONNX's number of the element type; 0 where it is not known or there is no such operand.
  uint16_t input_type(uint32_t i) const noexcept { return type_of(input(i)); }
  uint16_t output_type(uint32_t i) const noexcept { return type_of(output(i)); }
  /// Null where the rank is not known.
  const ch_type* input_shape(uint32_t i) const noexcept {
    const int32_t v = input(i);
    return v == CH_NO_INDEX || graph_.values[v]->type->has_rank == 0 ? nullptr : graph_.values[v]->type;
  }
  /// Whether an input is known to have no elements.
  bool is_empty(uint32_t i) const noexcept {
    const ch_type* shape = input_shape(i);
    return shape != nullptr && std::count(shape->dims, shape->dims + shape->rank, 0) > 0;
  }
  /// The constant behind input i, or null.
  const ch_value* constant(uint32_t i) const noexcept {
    const int32_t v = input(i);
    return v == CH_NO_INDEX || graph_.values[v]->constant == CH_NO_INDEX ? nullptr
                                                                         : graph_.constants[graph_.values[v]->constant];
  }
  std::string_view text(std::string_view name, std::string_view otherwise = {}) const noexcept {
    const ch_attribute* a = attribute(node_, name);
    return a == nullptr ? otherwise : view(a->s);
  }
  int64_t number(std::string_view name, int64_t otherwise) const noexcept {
    const ch_attribute* a = attribute(node_, name);
    return a == nullptr ? otherwise : a->i;
  }
  bool is_set(std::string_view name) const noexcept { return chorus_adapter::is_set(node_, name); }
  bool has(std::string_view name) const noexcept { return attribute(node_, name) != nullptr; }

 private:
  uint16_t type_of(int32_t v) const noexcept { return v == CH_NO_INDEX ? 0 : graph_.values[v]->type->dtype; }
  const ch_graph& graph_;
  const ch_node& node_;
};

/// Operators of `domain` whose answer is wrong where `applies`; `what` continues "Softmax: <engine> …".
struct WrongAnswer {
  std::vector<std::string_view> operators;
  std::string_view what;
  bool (*applies)(const Operands&);
  std::string_view domain = {};
};

/// The sentence of the first rule that applies to the node or to one in a body of it; empty where none does.
inline std::string wrong_answer(std::span<const WrongAnswer> rules, std::string_view engine, const ch_graph& graph,
                                const ch_node& node) {
  const std::string_view op = view(node.op), domain = view(node.domain);
  for (const WrongAnswer& rule : rules) {
    const bool named =
        rule.domain == domain && std::find(rule.operators.begin(), rule.operators.end(), op) != rule.operators.end();
    if (named && rule.applies(Operands(graph, node)))
      return std::string(op) + ": " + std::string(engine) + " " + std::string(rule.what);
  }
  for (uint32_t a = 0; a < node.n_attributes; ++a) {
    const ch_attribute& body = *node.attributes[a];
    if (body.kind != 5 && body.kind != 10) continue;
    for (uint64_t g = 0; g < (body.kind == 5 ? 1 : body.count); ++g) {
      for (uint32_t i = 0; i < body.graphs[g]->n_nodes; ++i) {
        const std::string inside = wrong_answer(rules, engine, *body.graphs[g], *body.graphs[g]->nodes[i]);
        if (!inside.empty()) return std::string(op) + ": inside it: " + inside;
      }
    }
  }
  return {};
}

// Rules of more than one engine.
inline bool always(const Operands&) { return true; }
inline bool is_float(uint16_t t) noexcept { return t == 1 || t == 10 || t == 11 || t == 16; }
inline bool is_integer(uint16_t t) noexcept { return (t >= 2 && t <= 7) || t == 12 || t == 13; }
inline bool has_corners_by_scales(const Operands& o) {
  return o.text("coordinate_transformation_mode") == "align_corners" && !o.has_input(3);
}

}  // namespace chorus_adapter
