// The verifier: run after every pass in tests and debug builds.
#pragma once
#include <graph/graph.h>

namespace chorus {
/// Throws Error(internal) naming the first broken invariant: use lists agree with operands, single producers, order exists, names unique,
/// outputs produced, operand counts within the schema, inferred types present where asked.
CHORUS_API void verify(const Graph& graph, bool types = false);
}  // namespace chorus
