// What a candidate knows of its node.
#include <engine/native/candidate.h>

namespace chorus::native {

const Type& StepDescription::in(int i) const {
  static const Type none;
  const auto& inputs = n().inputs;
  if (i < 0 || static_cast<size_t>(i) >= inputs.size() || inputs[static_cast<size_t>(i)] == kNone) return none;
  return graph->value(inputs[static_cast<size_t>(i)]).type;
}

const Type& StepDescription::out(int i) const {
  static const Type none;
  const auto& outputs = n().outputs;
  if (i < 0 || static_cast<size_t>(i) >= outputs.size() || outputs[static_cast<size_t>(i)] == kNone) return none;
  return graph->value(outputs[static_cast<size_t>(i)]).type;
}

const Value* StepDescription::constant(int i) const {
  const auto& inputs = n().inputs;
  if (i < 0 || static_cast<size_t>(i) >= inputs.size() || inputs[static_cast<size_t>(i)] == kNone) return nullptr;
  const GraphValue& v = graph->value(inputs[static_cast<size_t>(i)]);
  return v.is_constant() && !v.is_input ? &v.constant : nullptr;
}

Buffer StepDescription::pack(int operand, std::string_view form, size_t bytes,
                             FunctionRef<void(std::byte*)> fill) const {
  if (packs != nullptr) return packs->take(*graph, node, operand, form, bytes, fill);
  Buffer buffer = Buffer::allocate(bytes);
  fill(buffer.mutable_data());
  return buffer;
}

}  // namespace chorus::native
