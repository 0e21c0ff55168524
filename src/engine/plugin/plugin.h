// Plug-ins as engines: loads a shared object with the C interface of chorus/engine_abi.h.
#pragma once
#include <engine/engine.h>

#include <memory>
#include <string>
#include <string_view>

struct ch_engine_api;

namespace chorus::plugin {

/// Opens the plug-in at `path` (RTLD_LOCAL, never closed) and the engine in it. `name`: what the table must call itself. `folder`: where the
/// engine's own libraries are installed, may be empty. Throws Error(unavailable) with the reason and the command that helps.
std::shared_ptr<Engine> load_engine(const std::string& path, std::string_view name, const std::string& folder);

/// The same for a table in this process. Throws Error(unavailable) when versions or the table do not fit; `where` is for messages.
std::shared_ptr<Engine> open_table(const ch_engine_api* table, std::string_view name, const std::string& folder,
                                   const std::string& where);

}  // namespace chorus::plugin
