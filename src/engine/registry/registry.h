// Engines by name beyond `open_engine` (engine/engine.h).
#pragma once
#include <engine/engine.h>

#include <memory>
#include <string_view>

namespace chorus {

/// The engine with the native one behind it for what it refuses (engine/placement). Throws as open_engine does.
std::shared_ptr<Engine> open_complete_engine(std::string_view name);

}  // namespace chorus
