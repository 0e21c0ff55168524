// Operators registered at run time: see api::RegisterOp.
#pragma once
#include <chorus/model.h>
#include <graph/graph.h>

namespace chorus {

/// Opens the shared objects named in CHORUS_PLUGIN, once per process.
void load_plugins_of_environment();
/// Whether the model uses operators that were registered at run time: their meaning is not in the file.
bool has_custom_operators(const chorus::Model& model);

}  // namespace chorus
