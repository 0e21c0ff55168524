// Which engines run in workers, and where the program for them is.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace chorus {

inline constexpr std::string_view kWorkerPrefix = "worker:";

/// "torch" for "worker:torch", and for "torch" when CHORUS_ENGINE_WORKER names it or says "all"; empty: the engine runs in this process.
std::string_view engine_in_worker(std::string_view name);

/// The file chorus-worker beside the library or the program. Throws Error(unavailable) naming where it was looked for.
std::string worker_program(const std::vector<std::filesystem::path>& own_folders);

}  // namespace chorus
