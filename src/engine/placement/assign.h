// Which engine takes which node.
#pragma once
#include <engine/placement/placement.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace chorus::placement {

/// A graph of newest versions without calls and with closed bodies, and who takes each of its nodes.
struct Assignment {
  std::unique_ptr<Graph> graph;
  std::vector<int> engine;           ///< by node: index of the engine, -1 for dead nodes
  std::vector<std::string> reason;   ///< by node: why not the first engine
};

/// Whether the node draws random numbers, itself or in a body.
bool draws(const Node& node);

/// Throws Error(unsupported) with the sentences for nodes that nobody takes.
Assignment assign(const Model& model, const Engines& engines, const CompileOptions& options);
/// Moves nodes to the next engine that takes them: `refused` by node, with the sentence.
void move_on(Assignment& assignment, const Engines& engines, const CompileOptions& options,
             const std::vector<std::pair<NodeId, std::string>>& refused);

/// Cuts and compiles; what an engine refuses although it had claimed it moves on.
std::shared_ptr<Program> compile_assigned(const Model& model, Assignment assignment, const Engines& engines,
                                          const CompileOptions& options);
enum class Versions : uint8_t { newest, of_the_file };
/// Without calls, bodies closed, nodes named, streams of random numbers counted. Versions of the file: engines that read files know those
/// better than newer ones.
std::unique_ptr<Graph> normal_form(const Model& model, Versions versions);
/// Nodes of the normal form on the engines that are wished (an index each, by node), or on the last engine where those refuse them.
Assignment assign_as_wished(const Model& model, const Engines& engines, const CompileOptions& options,
                            const std::vector<int>& wished);

}  // namespace chorus::placement
