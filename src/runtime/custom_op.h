// Operators registered at run time: see api::RegisterOp.
#pragma once
#include <chorus/model.h>
#include <graph/graph.h>

namespace chorus {

/// Opens the shared objects named in CHORUS_PLUGIN, once per process.
void load_plugins_of_environment();
/// Whether the model uses operators that were registered at run time: their meaning is not in the file.
bool has_custom_operators(const chorus::Model& model);

/// Adds the model's functions to those that every model may call; how many. Throws Error as api::Model::RegisterFunctions.
int register_functions(const chorus::Model& model);
/// Gives the model the registered functions that it calls and has not itself, and those that these call.
void add_registered_functions(chorus::Model& model);

}  // namespace chorus
