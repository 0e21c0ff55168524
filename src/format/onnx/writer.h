// What the parts of the ONNX writer share.
#pragma once
#include <format/onnx/details.h>
#include <format/onnx/onnx.h>
#include <format/onnx/proto.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace chorus::onnx {

using Opsets = std::map<std::string, int, std::less<>>;

/// Where large initializers go: returns the offset of the bytes in the file `location`.
struct ExternalData {
  int64_t least_bytes = 0;                                  ///< of a tensor that goes there; 0: none does
  std::string location;                                     ///< name of the file beside the model
  std::function<int64_t(std::string_view)> append;
};

/// Writes one graph and what is nested in it. Names of values are unique over all graphs that see each other; a value that a body
/// captured (open or closed form) stands under the name that it has outside.
class GraphWriter {
 public:
  /// `owner`: the node of the graph around whose body this is, null for a main graph or a function.
  GraphWriter(const Graph& graph, const Opsets& opsets, ExternalData* external, const GraphWriter* outer,
              const Node* owner);
  wire::Writer graph_message();
  wire::Writer function_message(const Function& function);

 private:
  void name_values(const Node* owner);
  std::string own_name(const std::string& wanted);
  bool taken(const std::string& name) const;
  const std::string& outer_name(const std::string& name) const;
  std::string_view name_of(ValueId id) const {
    return id == kNone ? std::string_view() : std::string_view(names_[static_cast<size_t>(id)]);
  }

  void write_nodes(wire::Writer& out, int field);
  wire::Writer node_message(NodeId id);
  wire::Writer attribute_message(const std::string& name, const AttrValue& value, const Details& details,
                                 const Node* owner);
  void write_attribute_data(wire::Writer& out, const std::string& name, const AttrValue& value, const Details& details,
                            const Node* owner);
  wire::Writer info_message(ValueId id) const;
  wire::Writer type_of(const GraphValue& v) const;
  void write_outputs(wire::Writer& out);
  void write_infos(wire::Writer& out, int field) const;
  void write_constants(wire::Writer& out);
  wire::Writer initializer_message(ValueId id);
  const std::string_view* sparse_form(const GraphValue& v) const;
  bool is_initializer(ValueId id) const;

  const Graph& graph_;
  const Opsets& opsets_;
  ExternalData* external_;
  const GraphWriter* outer_;
  size_t formal_inputs_ = 0;
  Details details_;
  std::vector<std::string> names_;  ///< by ValueId
  std::unordered_set<std::string> used_;
  std::vector<bool> from_outside_;  ///< by ValueId
  std::vector<std::pair<std::string, std::string>> copies_;  ///< Identity nodes: from, to
};

/// A graph whose nodes all are of the versions that `opset` of ai.onnx means, functions inlined where need be. Throws Error(unsupported)
/// with a sentence where the older or newer opset cannot say what a node does.
std::shared_ptr<const Graph> graph_at_opset(const Model& model, int opset);
/// Whether every node of the graph and of its bodies is of the version that the opsets mean.
bool fits_opsets(const Graph& graph, const Opsets& opsets);
/// The least IR version whose files may hold the model.
int64_t least_ir_version(const Model& model, const Graph& graph);
/// The IR version that came with an ai.onnx opset.
int64_t ir_version_of_opset(int opset);

}  // namespace chorus::onnx
