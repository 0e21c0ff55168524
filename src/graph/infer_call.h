// Types of one call without a graph: what the eager API runs for every operator, so it costs about a microsecond.
#pragma once
#include <graph/infer.h>

#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace chorus {

/// An operand of a call. An omitted one has type null.
struct CallOperand {
  const Type* type = nullptr;
  const Value* constant = nullptr;   ///< data that rules may read; null: not known
  const Dims* known = nullptr;       ///< elements of a small integer tensor, flat, where the data is not there yet
};
struct CallResult {
  Type type;
  std::shared_ptr<const Dims> known; ///< elements that the value rule found, else null
};

/// Output types of the newest version of `op`. `results` has one item per output that is asked for.
/// Throws Error like infer_types; `where` names the node in it.
void infer_call(const OpDef& op, const Attributes& attributes, std::span<const CallOperand> operands,
                std::span<CallResult> results, std::string_view where = {});

}  // namespace chorus
