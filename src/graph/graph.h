// Graph: the one form that imported models, traced modules, gradients and quantised models share. Indexed nodes and values with
// use lists. A finished graph is handled as shared_ptr<const Graph>; only the code that builds one and the passes change it.
#pragma once
#include <ops/op_def.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace chorus {

using NodeId = int32_t;
using ValueId = int32_t;
inline constexpr int32_t kNone = -1;

using Metadata = std::vector<std::pair<std::string, std::string>>;

inline constexpr int32_t kCapturedOperand = 1 << 24;  ///< Use::operand of Node::captured[0]

struct Use {
  NodeId node = kNone;
  int32_t operand = 0;
  bool operator==(const Use&) const = default;
};

/// A value: graph input, constant (initializer), or output of a node.
struct GraphValue {
  std::string name;  ///< unique in its graph; empty only while it is being built
  Type type;  ///< declared by the file or inferred
  Value constant;  ///< data of a constant, else kind none
  std::shared_ptr<const Dims> symbolic;  ///< known elements of a small integer tensor, flat
  NodeId producer = kNone;
  int32_t output = 0;  ///< which output of the producer
  std::vector<Use> uses;
  bool is_input = false;
  bool declared = false;  ///< the type was written in the file (value_info, input or output): kept by the writer
  int32_t times_output = 0;  ///< how often it stands in the list of graph outputs; kept by Graph
  bool alive = true;
  std::string doc;
  Metadata metadata;
  bool is_constant() const noexcept { return static_cast<bool>(constant); }
};

struct Node {
  const OpDef* op = nullptr;  ///< null: call of a model-local function (until inlined) or an operator without a row
  int version = 0;  ///< index into op->versions
  std::string domain, type, overload, name, doc;  ///< domain "" is ai.onnx; type: operator name
  std::vector<ValueId> inputs, outputs;  ///< kNone: omitted
  std::vector<ValueId>
      captured;  ///< outer values that the bodies of this node read, after close_bodies: every body has them as further
  ///< inputs after its formal ones, all bodies the same list in the same order. They count as uses
  ///< (Use::operand = kCapturedOperand + index)
  Attributes attributes;
  Metadata metadata;
  std::string
      raw_fields;  ///< wire bytes of fields that Chorus does not interpret (device configurations), kept for the writer
  int64_t file_offset = -1;  ///< in the model file, -1: made by us
  bool alive = true;
  const Schema& schema() const { return op->schema(version); }
  AttrReader attrs() const { return AttrReader(attributes, schema()); }
};

/// A condition that inference could not prove; bind checks it with numbers.
struct DimCheck {
  Dim a, b;  ///< must be equal
  NodeId node = kNone;
  std::string what;
};

struct Function;

class CHORUS_API Graph {
 public:
  Graph();
  ~Graph();
  Graph(const Graph&);  ///< deep in structure, shallow in weights
  Graph& operator=(const Graph&) = delete;
  Graph(Graph&&) noexcept;

  std::string name, doc;
  Metadata metadata;
  std::string raw_fields;  ///< wire bytes of graph fields that are kept as they are (quantization_annotation …)
  std::map<std::string, int, std::less<>> opsets;  ///< domain → version in force for nodes without their own
  std::vector<DimCheck> checks;
  /// A body as it is read: its values that stand for names of the graph around it. close_bodies makes inputs of them.
  std::vector<std::pair<ValueId, std::string>> captures;

  // ---- reading
  int node_capacity() const noexcept { return static_cast<int>(nodes_.size()); }  ///< ids are below; some may be dead
  int value_capacity() const noexcept { return static_cast<int>(values_.size()); }
  int node_count() const noexcept { return live_nodes_; }
  const Node& node(NodeId id) const { return nodes_[static_cast<size_t>(id)]; }
  const GraphValue& value(ValueId id) const { return values_[static_cast<size_t>(id)]; }
  std::span<const ValueId> inputs() const noexcept { return inputs_; }
  std::span<const ValueId> outputs() const noexcept { return outputs_; }
  /// Live nodes, producers before users. Throws Error(bad_input) naming a node on a cycle when none exists.
  std::vector<NodeId> order() const;
  ValueId find_value(std::string_view name) const noexcept;
  /// "node \"conv1\" (Conv), file offset 1234"
  std::string where(NodeId id) const;
  std::string str() const;  ///< printed form, stable, for tests and `chorus ir`
  /// True when the value is an output of the graph.
  bool is_output(ValueId id) const noexcept { return value(id).times_output > 0; }

  // ---- building and passes
  Node& node(NodeId id) { return nodes_[static_cast<size_t>(id)]; }  ///< do not change inputs/outputs directly
  GraphValue& value(ValueId id) { return values_[static_cast<size_t>(id)]; }
  ValueId add_value(std::string name, Type type = {});  ///< renamed "name_1" … when taken
  ValueId add_input(std::string name, Type type);
  ValueId add_constant(std::string name, Value value);
  /// Makes the bodies of `node` read `value` besides their own (see Node::captured).
  void add_captured(NodeId node, ValueId value);
  void set_captured(NodeId node, std::vector<ValueId> values);
  void add_output(ValueId id);
  void set_outputs(std::vector<ValueId> ids);
  void set_inputs(std::vector<ValueId> ids);
  /// Adds a node at the end; outputs are values that have no producer yet. Throws Error(bad_input) when one has.
  NodeId add_node(Node node);
  /// Newest version of an operator, with n new output values named after it.
  NodeId add_node(std::string_view op, std::span<const ValueId> inputs, Attributes attributes = {}, int outputs = 1,
                  std::string_view domain = "", std::string_view name = {});
  void remove_node(NodeId id);  ///< its outputs must be unused; they die
  void set_operand(NodeId node, int operand, ValueId value);  ///< kNone: omitted
  void replace_uses(ValueId from, ValueId to);  ///< operands and graph outputs (names of outputs are kept)
  /// Whether replace_uses(from, to) keeps the graph's interface: an output's name cannot move to an input or to another output.
  bool can_replace(ValueId from, ValueId to) const noexcept;
  void drop_output(NodeId node, int output);  ///< marks an unused output as omitted
  ValueId make_output(NodeId node, int output);  ///< the value of an output, which may have been omitted
  void remove_value(ValueId id);  ///< unused constants and inputs
  std::string unique_name(std::string_view stem);
  void rename(ValueId id, std::string name);
  /// Drops dead nodes and values and renumbers; invalidates ids.
  void compact();

 private:
  std::deque<Node> nodes_;  // deques: rules hold references while they add nodes
  std::deque<GraphValue> values_;
  std::vector<ValueId> inputs_, outputs_;
  struct Names;
  std::unique_ptr<Names> names_;
  int live_nodes_ = 0;
  void unlink_operand(ValueId value, Use use);
};

/// A model-local function of a file.
struct Function {
  std::string domain, name, overload, doc;
  std::vector<std::string> attributes;  ///< required names
  Attributes defaults;
  std::shared_ptr<const Graph> body;  ///< inputs and outputs are the formal parameters; has its own opsets
  Metadata metadata;
};

/// What a file says besides its graph.
struct Model {
  std::shared_ptr<const Graph> graph;
  std::vector<Function> functions;
  int64_t ir_version = 0;
  std::string producer_name, producer_version, domain, doc;
  int64_t model_version = 0;
  Metadata metadata;  ///< metadata_props
  std::string raw_fields;  ///< training_info, configuration: kept as wire bytes
  std::string source;  ///< path for messages
};

}  // namespace chorus
