// Operators registered at run time: see api::RegisterOp.
#pragma once
#include <chorus/model.h>

namespace chorus {

/// Opens the shared objects named in CHORUS_PLUGIN, once per process.
void load_plugins_of_environment();

}  // namespace chorus
