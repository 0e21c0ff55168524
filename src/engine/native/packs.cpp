#include <engine/native/packs.h>

#include <chorus/error.h>
#include <graph/hollow.h>
#include <fmt/format.h>

#include <cstring>

namespace chorus::native {

Packs::Packs(std::vector<Pack> kept) {
  for (Pack& pack : kept) kept_.emplace(std::move(pack.name), std::move(pack.bytes));
}

Buffer Packs::take(const Graph& graph, NodeId node, int operand, std::string_view form, size_t bytes,
                   FunctionRef<void(std::byte*)> fill) {
  const Node& n = graph.node(node);
  const ValueId value = n.inputs[static_cast<size_t>(operand)];
  const std::string result =
      n.outputs.empty() || n.outputs[0] == kNone ? std::to_string(node) : graph.value(n.outputs[0]).name;
  std::string name = fmt::format("{}/{}/{}", form, operand, result);
  Buffer buffer;
  if (const auto kept = kept_.find(name); kept != kept_.end() && kept->second.bytes() == bytes) {
    buffer = kept->second;
  } else if (is_hollow(graph.value(value).constant)) {
    throw Error(Code::bad_input, fmt::format("the packed form \"{}\" of {} bytes is missing", name, bytes), {},
                "compile the model anew");
  } else {
    buffer = Buffer::allocate(bytes);
    std::memset(buffer.mutable_data(), 0, bytes);   // gaps of a form are bytes of a file too: the same each time
    fill(buffer.mutable_data());
  }
  ++uses_[value];
  taken_.push_back({std::move(name), buffer});
  return buffer;
}

std::vector<ValueId> Packs::released(const Graph& graph) const {
  constexpr size_t kLeast = 4096;   // small ones are not worth a hole
  std::vector<ValueId> list;
  for (const auto& [id, uses] : uses_) {
    const GraphValue& v = graph.value(id);
    if (v.is_constant() && !v.is_input && v.uses.size() == uses && !graph.is_output(id) && v.constant.bytes() >= kLeast)
      list.push_back(id);
  }
  return list;
}

}  // namespace chorus::native
