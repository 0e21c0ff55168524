// What is kept of an operator that was registered at run time, and how rules and kernels find it.
#pragma once
#include <chorus/model.h>
#include <engine/native/kernel.h>
#include <ops/op_def.h>

#include <string>
#include <vector>

namespace chorus::custom {

/// Lives for the rest of the process: the operator table points into it.
struct Record {
  api::CustomOp op;
  Version version;
  OpDef def;
  /// The row that computes the gradients: operands are the gradients of all outputs, all inputs, all outputs; results those of the
  /// inputs. In use where op.gradient is given.
  std::string gradient_name, gradient_signature;
  Version gradient_version;
  OpDef gradient_def;
};

/// By the row of the operator or of its gradient; null: none of these.
const Record* find(const OpDef& def);
/// By the schema that a kernel sees.
const Record* find(const Schema& schema);

/// A number of the node's attributes; 0 for a name that it has not.
api::CustomOp::Numbers numbers_of(const AttrReader& attrs);
api::CustomTensor tensor_of(const native::TensorView& view);

/// Fills the row of the gradient and the gradient of the operator's own row. Throws Error(bad_input).
void complete_gradient(Record& record);
/// The kernel of the gradient's row.
Status run_gradient(native::KernelContext& ctx) noexcept;

}  // namespace chorus::custom
