#include <engine/registry/registry.h>

#include <engine/engine.h>
#include <engine/native/native_engine.h>
#include <engine/placement/auto.h>
#include <engine/placement/placement.h>
#include <engine/plugin/plugin.h>
#include <engine/registry/workers.h>
#include <engine/worker/worker.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>

namespace chorus {
namespace {

namespace fs = std::filesystem;

// Engines that this version has a plug-in for, so that a missing one is named with the command that helps.
constexpr std::string_view kKnown[] = {"mindspore", "ncnn",       "onnxruntime", "openvino",
                                       "paddle",    "tensorflow", "torch",       "tvm"};
constexpr std::string_view kPrefix = "libchorus_engine_", kSuffix = ".so";
constexpr std::string_view kAuto = "auto";   // chooses among others: no plug-in

struct Registry {
  std::mutex lock;
  std::vector<std::string> folders;
  std::map<std::string, std::shared_ptr<Engine>, std::less<>> open, complete;
};

// Engines live as long as the process: they leave threads and libraries behind.
Registry& registry() {
  static auto* one = new Registry;
  return *one;
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string_view::npos;
}

std::string install_command(std::string_view name) { return fmt::format("./dev engines {}", name); }

// Folders of the file that holds this code (libchorus.so or a program that has it inside) and of the program.
std::vector<fs::path> own_folders() {
  std::vector<fs::path> folders;
  std::error_code error;
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&install_command), &info) != 0 && info.dli_fname != nullptr) {
    const fs::path file = fs::canonical(info.dli_fname, error);
    if (!error) folders.push_back(file.parent_path());
  }
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error && (folders.empty() || folders[0] != program.parent_path())) folders.push_back(program.parent_path());
  return folders;
}

std::vector<fs::path> plugin_folders(const Registry& r) {
  std::vector<fs::path> folders(r.folders.begin(), r.folders.end());
  if (const char* listed = std::getenv("CHORUS_ENGINE_PATH")) {
    std::string_view rest = listed;
    while (!rest.empty()) {
      const size_t colon = rest.find(':');
      const std::string_view one = rest.substr(0, colon);
      if (!one.empty()) folders.emplace_back(one);
      rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
    }
  }
  for (const fs::path& own : own_folders()) {
    for (const char* beside :
         {"engines", "chorus/engines", "../lib/engines", "../lib/chorus/engines", "../lib64/chorus/engines",
          "../lib/x86_64-linux-gnu/chorus/engines", "../lib/aarch64-linux-gnu/chorus/engines"}) {
      folders.push_back((own / beside).lexically_normal());
    }
  }
  return folders;
}

std::optional<fs::path> find_plugin(const Registry& r, std::string_view name) {
  std::error_code error;
  for (const fs::path& folder : plugin_folders(r)) {
    const fs::path file = folder / fmt::format("{}{}{}", kPrefix, name, kSuffix);
    if (fs::is_regular_file(file, error)) return file;
  }
  return std::nullopt;
}

// Where `./dev engines` puts an engine's own libraries: .engines/<name> in a folder above the plug-in, or CHORUS_ENGINES_DIR/<name>.
std::string installation(const fs::path& plugin, std::string_view name) {
  std::error_code error;
  if (const char* root = std::getenv("CHORUS_ENGINES_DIR")) {
    const fs::path folder = fs::path(root) / name;
    return fs::is_directory(folder, error) ? folder.string() : std::string();
  }
  fs::path above = fs::canonical(plugin, error).parent_path();
  for (int level = 0; level < 6 && !error && above.has_relative_path(); ++level, above = above.parent_path()) {
    const fs::path folder = above / ".engines" / name;
    if (fs::is_directory(folder, error)) return folder.string();
    error.clear();
  }
  return {};
}

std::vector<std::string> plugin_names(const Registry& r) {
  std::vector<std::string> names(std::begin(kKnown), std::end(kKnown));
  std::error_code error;
  for (const fs::path& folder : plugin_folders(r)) {
    for (auto it = fs::directory_iterator(folder, error); !error && it != fs::directory_iterator();
         it.increment(error)) {
      const std::string file = it->path().filename().string();
      if (file.size() <= kPrefix.size() + kSuffix.size() || !file.starts_with(kPrefix) || !file.ends_with(kSuffix))
        continue;
      const std::string name = file.substr(kPrefix.size(), file.size() - kPrefix.size() - kSuffix.size());
      if (is_name(name) && name != "native") names.push_back(name);
    }
    error.clear();
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::shared_ptr<Engine> load_plugin(const fs::path& file, std::string_view name, bool in_worker) {
  const std::string folder = installation(file, name);
  if (!in_worker) return plugin::load_engine(file.string(), name, folder);
  worker::Settings settings;
  settings.program = worker_program(own_folders());
  settings.plugin = fs::absolute(file).string();
  settings.name = name;
  settings.folder = folder;
  settings.open_next = open_engine;
  return worker::make_engine(std::move(settings));
}

std::shared_ptr<Engine> open_plugin(const Registry& r, std::string_view name, bool in_worker) {
  const auto file = find_plugin(r, name);
  const bool known = std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown);
  if (file) {
    try {
      return load_plugin(*file, name, in_worker);
    } catch (const Error& error) {
      // A plug-in that is linked to its engine's libraries cannot even be loaded without them.
      if (!known || error.code() != Code::unavailable || !error.fix().empty()) throw;
      throw Error(error.code(), error.message(), error.where(), install_command(name));
    }
  }
  if (known) {
    throw Error(Code::unavailable, fmt::format("the plug-in {}{}{} was not found", kPrefix, name, kSuffix), {},
                install_command(name) + ", or name its folder in CHORUS_ENGINE_PATH");
  }
  throw Error(Code::not_found, fmt::format("engine \"{}\" is not known", name), {},
              fmt::format("known engines: native, {}", fmt::join(plugin_names(r), ", ")));
}

// Those that are open, the native one first.
std::vector<std::string> opened_names() {
  Registry& r = registry();
  const std::lock_guard lock(r.lock);
  std::vector<std::string> names = {"native"};
  for (const auto& [name, engine] : r.open) {
    if (name != "native" && name != kAuto) names.push_back(name);
  }
  return names;
}

std::shared_ptr<Engine> open_locked(Registry& r, std::string_view asked) {
  const std::string_view in_worker = engine_in_worker(asked);
  const std::string_view name = in_worker.empty() ? asked : in_worker;
  const std::string key = std::string(in_worker.empty() ? "" : kWorkerPrefix) + std::string(name);
  if (const auto known = r.open.find(key); known != r.open.end()) return known->second;
  if (key == kAuto)
    return r.open.emplace(key, placement::make_auto_engine({open_complete_engine, opened_names})).first->second;
  if (!is_name(name)) {
    throw Error(Code::not_found, fmt::format("\"{}\" is no name of an engine", name.substr(0, 80)), {},
                fmt::format("known engines: native, {}", fmt::join(plugin_names(r), ", ")));
  }
  std::shared_ptr<Engine> engine =
      key == "native" ? native::make_native_engine() : open_plugin(r, name, !in_worker.empty());
  r.open.emplace(key, engine);
  return engine;
}

}  // namespace

std::shared_ptr<Engine> open_engine(std::string_view name) {
  Registry& r = registry();
  std::lock_guard lock(r.lock);
  return open_locked(r, name);
}

std::shared_ptr<Engine> open_complete_engine(std::string_view name) {
  Registry& r = registry();
  std::lock_guard lock(r.lock);
  if (const auto known = r.complete.find(name); known != r.complete.end()) return known->second;
  std::shared_ptr<Engine> engine = open_locked(r, name);
  if (name != "native" && name != kAuto)
    engine = placement::with_fallback({std::move(engine), open_locked(r, "native")});
  r.complete.emplace(std::string(name), engine);
  return engine;
}

std::vector<EngineInfo> list_engines() {
  Registry& r = registry();
  std::lock_guard lock(r.lock);
  std::vector<std::string> names = {"native"};
  for (std::string& name : plugin_names(r)) names.push_back(std::move(name));
  std::vector<EngineInfo> list;
  for (const std::string& name : names) {
    EngineInfo info;
    info.name = name;
    try {
      info.version = open_locked(r, name)->version();
      info.available = true;
    } catch (const Error& error) {
      info.reason = error.message() + (error.fix().empty() ? "" : "; " + error.fix());
    } catch (const std::exception& error) {
      info.reason = error.what();
    }
    list.push_back(std::move(info));
  }
  return list;
}

void set_engine_folders(std::vector<std::string> folders) {
  Registry& r = registry();
  std::lock_guard lock(r.lock);
  r.folders = std::move(folders);
}

}  // namespace chorus
