// A graph in the C structs of chorus/engine_abi.h.
#pragma once
#include <chorus/engine_abi.h>
#include <engine/plugin/values.h>
#include <graph/graph.h>

#include <deque>
#include <vector>

/// What the host remembers of a graph that it showed.
struct ch_host_graph {
  chorus::Model model;
  std::vector<chorus::NodeId> order;   ///< by index of ch_graph.nodes
};

namespace chorus::plugin {

/// Holds the model, so it stays valid on its own. Values of the weights are shared, not copied.
class GraphView {
 public:
  explicit GraphView(Model model);
  GraphView(const GraphView&) = delete;
  GraphView& operator=(const GraphView&) = delete;
  const ch_graph* get() const noexcept { return main_; }
  const Model& model() const noexcept { return host_.model; }
  const Graph& graph() const noexcept { return *host_.model.graph; }
  const std::vector<NodeId>& order() const noexcept { return host_.order; }

 private:
  ch_graph* show(const Graph& graph, const std::vector<NodeId>& order);
  const ch_type* show(const Type& type);
  const ch_attribute* show(const Attributes::Item& item);
  const ch_node* show(const Node& node, const std::vector<int32_t>& index);
  template <class T>
  const T* keep(std::deque<std::vector<T>>& store, std::vector<T> list) {
    return store.emplace_back(std::move(list)).data();
  }

  ch_host_graph host_;
  ch_graph* main_ = nullptr;
  ValueViews views_;
  std::deque<ch_graph> graphs_;
  std::deque<ch_type> types_;
  std::deque<ch_attribute> attributes_;
  std::deque<ch_node> nodes_;
  std::deque<ch_value_info> infos_;
  std::deque<std::vector<int64_t>> dims_;
  std::deque<std::vector<int32_t>> indices_;
  std::deque<std::vector<ch_str>> strings_;
  std::deque<std::vector<const ch_value*>> value_lists_;
  std::deque<std::vector<const ch_node*>> node_lists_;
  std::deque<std::vector<const ch_value_info*>> info_lists_;
  std::deque<std::vector<const ch_attribute*>> attribute_lists_;
  std::deque<std::vector<const ch_graph*>> graph_lists_;
};

}  // namespace chorus::plugin
