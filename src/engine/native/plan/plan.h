// The Plan: what stands between Graph and code. Steps over physical tensors; a step is a kernel variant with prepared constants, an
// epilogue list and scratch. Fusion, aliasing and the memory plan work here; it has a verifier and a printed form. See docs/architecture.md.
#pragma once
#include <core/dim.h>
#include <engine/engine.h>
#include <engine/native/candidate.h>

#include <memory>
#include <string>
#include <vector>

namespace chorus::native {

/// Where the bytes of a tensor are.
enum class Place : uint8_t {
  input,  ///< the caller's memory
  output,  ///< the instance's output buffer, or the caller's
  constant,  ///< the program's
  arena,  ///< an offset decided at bind
  host,  ///< a small integer value known from the shapes: written at bind, never computed in the run
  dynamic,  ///< a Value made in the run: sizes, strings, sequences that only the run knows
};

/// Physical order of a tensor: the plain row-major form, or channels in blocks (N C/b … b). Blocked forms live inside a program only.
inline constexpr uint8_t kChannelBlock = 16;
struct TensorLayout {
  uint8_t channel_block = 1;
  bool operator==(const TensorLayout&) const = default;
};

struct PlanTensor {
  ValueId value = kNone;
  std::string name;
  DType dtype = DType::undefined;
  int rank = 0;
  std::vector<int> dim_slots;  ///< per axis: slot of Plan::dims
  TensorLayout layout;
  Place place = Place::arena;
  int port = -1;  ///< input or output number
  int parent = -1;  ///< shares the parent's bytes (view, part of its channels, or written in place)
  int64_t first_channel =
      0;  ///< in the parent: blocked tensors that are a range of its channels; a multiple of the block
  int first = -1, last = -1;  ///< steps that write and last read it, over all tensors that share it (of the root)
  Value constant;
  std::vector<int> host_slots;  ///< host: slot per element
};

struct PlanStep {
  NodeId node = kNone;  ///< the node that names it
  std::vector<NodeId> covers;  ///< all nodes it computes
  std::string name;
  const Candidate* candidate = nullptr;  ///< null: the reference kernel
  KernelFn run = nullptr;
  std::shared_ptr<const Prepared> prepared;
  std::vector<EpilogueItem> epilogues;
  std::vector<int> inputs, outputs;  ///< tensors, -1: omitted
  std::vector<int> captured;  ///< for bodies
  bool dynamic = false;  ///< runs through call_node: shapes known in the run
  uint64_t stream = 0;  ///< of random nodes
};

struct SymbolSource {
  int input = 0, axis = 0;
};

struct Plan {
  std::shared_ptr<const Graph> graph;
  std::vector<PlanTensor> tensors;
  std::vector<PlanStep> steps;
  std::vector<int> inputs, outputs;  ///< tensor of each port
  DimProgram dims;
  std::vector<SymbolSource> symbols;  ///< where each symbol's number is read
  struct Check {
    int a, b;
    std::string what;
  };
  std::vector<Check> checks;  ///< slots that must be equal at bind
  int root(int tensor) const noexcept {
    while (tensors[static_cast<size_t>(tensor)].parent >= 0) tensor = tensors[static_cast<size_t>(tensor)].parent;
    return tensor;
  }
  std::string str() const;
};

/// Layouts in channel blocks; `everywhere` they are possible: for tests.
enum class Blocking : uint8_t { never, where_faster, everywhere };

struct PlanOptions {
  bool fuse = true;
  Blocking blocking = Blocking::never;
  bool reference_only = false;
  const CpuFeatures* cpu = nullptr;
  Precision precision = Precision::f32;  ///< of products: bf16 where a candidate and the processor can
  const Tuning* tuning = nullptr;  ///< choices timed on this machine, read while the plan is built; null: none
  Packs* packs = nullptr;  ///< where the steps' packed constants come from; null: made and forgotten
};

/// The graph must be at newest versions with types inferred. Throws Error(unsupported) naming every node without a kernel.
Plan build_plan(std::shared_ptr<const Graph> graph, const PlanOptions& options);
/// Throws Error(internal) naming the first broken invariant: reads before writes, two live tensors in one place, aliases of different size …
void verify_plan(const Plan& plan);
/// Folds single-use successors (bias, residual, activation) into steps whose candidates take them in. Returns how many were folded.
/// `owner[node]` is the step that covers a node.
struct FusionChoice {
  NodeId node;
  std::vector<EpilogueItem> epilogues;
  ValueId result;  ///< the value that the fused step makes
};
FusionChoice choose_epilogues(const Graph& graph, NodeId node, uint32_t accepted);

}  // namespace chorus::native
