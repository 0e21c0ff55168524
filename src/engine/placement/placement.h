// Placement: which engine runs which node of a model, as a value; and programs that are cut over several engines.
#pragma once
#include <engine/engine.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace chorus::placement {

/// Where a node of the model runs.
struct Placed {
  NodeId node = kNone;         ///< of the model's graph
  std::string engine;          ///< "a+b" for a node that was rewritten by simpler ones which lie on both
  std::string device = "cpu";
  std::string type;            ///< of its first output, as far as it is known
  std::string reason;          ///< why it is not where it was asked to be; empty: it is
};

/// Nodes that one engine runs in one go.
struct Part {
  std::string engine;
  std::vector<NodeId> nodes;   ///< of the cut graph, producers first
};

enum class Passing : uint8_t { lent, copied };

/// A value that one part makes and another one reads.
struct Crossing {
  std::string value;
  int from = 0, to = 0;        ///< parts
  std::string type;
  int64_t bytes = -1;          ///< -1: its size is not known before the run
  Passing passing = Passing::lent;  ///< lent: by pointer; copied: strings that a plug-in made, and what holds such
};

struct Placement {
  std::string asked;           ///< the engine that was asked for
  std::vector<Placed> nodes;   ///< of the model, producers first
  std::vector<Part> parts;     ///< in the order in which they run
  std::vector<Crossing> crossings;

  /// Nodes that run, wholly or in part, on another engine than the one that was asked for.
  size_t elsewhere() const noexcept;
  size_t copies() const noexcept;
};

/// An engine and those that take over what it refuses, in the order of preference.
using Engines = std::vector<std::shared_ptr<Engine>>;

/// A program of several parts, each compiled by its engine.
class PlacedProgram : public Program {
 public:
  virtual const Placement& placement() const = 0;
};

/// Compiles for engines[0]; what it refuses is computed by simpler operators where it takes all of those, else by the next engine that
/// takes it. Nodes that draw random numbers run on the last engine, whose generator is the same under every one. Bodies of If, Loop
/// and Scan stay whole. A model that engines[0] takes whole is its own program, any other a PlacedProgram. Throws Error(unsupported)
/// with the sentences of nodes that no engine takes.
std::shared_ptr<Program> compile(const Model& model, const Engines& engines, const CompileOptions& options);

/// The placement of a program that `compile` made of `model` for an engine called `asked`.
Placement placement_of(const Program& program, const Model& model, std::string_view asked);

/// `engines[0]` under its own name with compile() above in the place of its own; the first use of another engine for an operator is
/// said once in the log (warning). Fallback::none leaves the others out.
std::shared_ptr<Engine> with_fallback(Engines engines);

/// Nodes of a graph by engines: `engine_of[node]` is an index, -1 for dead nodes. As few parts as a greedy order finds; parts follow each
/// other, so no part waits for a later one.
struct Cut {
  std::vector<int> engine;  ///< of each part
  std::vector<std::vector<NodeId>> nodes;  ///< of each part, producers first
};
Cut cut(const Graph& graph, std::span<const int> engine_of);

/// The nodes as a model of their own: what they read is an input or a constant, what others read or the graph gives is an output.
Model part_of(const Model& model, const Graph& graph, std::span<const NodeId> nodes);

}  // namespace chorus::placement
