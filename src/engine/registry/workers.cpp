#include <engine/registry/workers.h>

#include <chorus/error.h>

#include <cstdlib>
#include <system_error>

namespace chorus {

namespace fs = std::filesystem;

std::string_view engine_in_worker(std::string_view name) {
  if (name.starts_with(kWorkerPrefix)) return name.substr(kWorkerPrefix.size());
  if (name == "native") return {};
  const char* asked = std::getenv("CHORUS_ENGINE_WORKER");
  std::string_view rest = asked == nullptr ? "" : asked;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string_view one = rest.substr(0, comma);
    if (one == name || one == "all") return name;
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return {};
}

std::string worker_program(const std::vector<fs::path>& own_folders) {
  std::error_code error;
  for (const fs::path& own : own_folders) {
    for (const char* beside :
         {"chorus-worker", "../bin/chorus-worker", "chorus/chorus-worker", "../lib/chorus/chorus-worker",
          "../lib64/chorus/chorus-worker", "../lib/x86_64-linux-gnu/chorus/chorus-worker",
          "../lib/aarch64-linux-gnu/chorus/chorus-worker"}) {
      const fs::path file = (own / beside).lexically_normal();
      if (fs::is_regular_file(file, error)) return file.string();
    }
  }
  throw Error(Code::unavailable, "the program chorus-worker was not found beside the library",
              own_folders.empty() ? "" : own_folders.front().string(),
              "install Chorus whole, or run the engine without a worker");
}

}  // namespace chorus
