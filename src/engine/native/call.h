// Node by node: one operator on concrete values. Used for structures seen for the first time, for bodies of control flow, for steps whose
// sizes are only known in the run, and for constant folding.
#pragma once
#include <engine/engine.h>
#include <engine/native/kernel.h>

#include <memory>
#include <span>
#include <vector>

namespace chorus::native {

/// Memory for temporaries of one kernel at a time; blocks are kept, so a warm run allocates nothing.
class ScratchArena {
 public:
  void* take(int64_t bytes) noexcept;  ///< 64-byte aligned; null when the system has none
  void reset() noexcept;  ///< between steps: one block as large as all that was needed
  bool reserve(int64_t bytes) noexcept;
  int64_t bytes() const noexcept { return total_; }

 private:
  struct Block {
    Buffer memory;
    int64_t used = 0;
  };
  std::vector<Block> blocks_;
  int64_t total_ = 0;
};

/// What a run shares between its calls.
struct CallEnvironment {
  ThreadPool* pool = nullptr;
  ScratchArena* scratch = nullptr;
  StopToken* stop = nullptr;
  uint64_t seed = 0;
  uint64_t stream = 0;  ///< counts random nodes
  int64_t memory_budget = int64_t{16} << 30;  ///< bytes of one output
  bool reference_only = true;  ///< fast kernels are a matter of the Plan
  int depth = 0;
};

/// Throws Error(timeout|cancelled) once the run shall end.
void throw_if_stopped(const StopToken& stop, std::string where);

/// Runs one node of a graph whose operands are given (kind none: omitted). `captured` are the values that its bodies see besides their
/// formal inputs. `read`, one per output, says which are read by anybody (null: all that the node has): a loop does not collect items
/// that nobody wants. Throws Error with the node's place.
std::vector<Value> call_node(const Graph& graph, NodeId node, std::span<const Value> inputs,
                             std::span<const Value> captured, CallEnvironment& environment, const bool* read = nullptr);
/// One operator by its row.
std::vector<Value> call_op(const OpDef& op, const Attributes& attributes, std::span<const Value> inputs, int outputs,
                           CallEnvironment& environment);
/// A whole graph, node by node. `inputs` in the order of graph.inputs().
std::vector<Value> call_graph(const Graph& graph, std::span<const Value> inputs, CallEnvironment& environment);

}  // namespace chorus::native
