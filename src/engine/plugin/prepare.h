// Graphs for engines that walk them operator by operator (CH_WANTS_NEWEST).
#pragma once
#include <engine/engine.h>

#include <functional>
#include <vector>

namespace chorus::plugin {

/// What the engine says of a graph's nodes.
using Asker = std::function<std::vector<Claim>(const Graph&)>;

/// The model with every operator in its newest version, functions inlined and bodies closed; with Fallback::decompose also with
/// simpler operators in place of those that `ask` refuses, as far as the table has such. Throws Error.
Model prepared(const Model& model, const CompileOptions& options, const Asker& ask);

/// One claim per node of `graph`, from what `ask` says of `made`, its prepared form: a node that was rewritten is taken when all that
/// stands in the places of rewritten nodes is.
std::vector<Claim> claims_of_original(const Graph& graph, const Graph& made, const Asker& ask);

}  // namespace chorus::plugin
