#include <engine/plugin/plugin.h>

#include <engine/plugin/host.h>
#include <engine/plugin/prepare.h>
#include <engine/plugin/program.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace chorus::plugin {
namespace {

constexpr size_t kMinorZero = offsetof(ch_engine_api, describe);   // bytes of a table of minor 0
constexpr size_t kMinorOne = offsetof(ch_engine_api, wants);
constexpr size_t kMostText = 4096;                                 // of name and version
constexpr size_t kMostRefusals = 8;                                // listed in one error

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw Error(Code::unavailable, what, where,
              "build the plug-in again with the header of this version (chorus/engine_abi.h)");
}

std::string text_of(ch_str s) {
  return s.p == nullptr ? std::string() : std::string(s.p, std::min<uint64_t>(s.n, kMostText));
}

// The table, copied so far as both sides know it, zero behind.
ch_engine_api checked_table(const ch_engine_api* given, std::string_view name, const std::string& where) {
  if (given == nullptr) refuse(where, "the plug-in says that it cannot work in this process");
  if (given->major != CH_ABI_MAJOR) {
    refuse(where,
           fmt::format("the plug-in speaks version {}.{} of the engine interface, this Chorus {}.{}", given->major,
                       given->minor, static_cast<int>(CH_ABI_MAJOR), static_cast<int>(CH_ABI_MINOR)));
  }
  if (given->size < kMinorZero || given->size > (1u << 20)) {
    refuse(where, fmt::format("the plug-in's table has {} bytes; version 1.0 has {}", given->size, kMinorZero));
  }
  const size_t known = given->minor == 0 ? kMinorZero : given->minor == 1 ? kMinorOne : sizeof(ch_engine_api);
  if (given->size < known) {
    refuse(where, fmt::format("the plug-in says version {}.{}, but its table has {} bytes instead of {}", given->major,
                              given->minor, given->size, known));
  }
  ch_engine_api api{};
  std::memcpy(&api, given, known);
  if (api.open == nullptr || api.close == nullptr || api.claim == nullptr || api.compile == nullptr ||
      api.instance == nullptr || api.run == nullptr || api.free_instance == nullptr || api.free_program == nullptr) {
    refuse(where, "a function that every engine must have is missing in the plug-in's table");
  }
  if (api.name.n > kMostText || api.version.n > kMostText)
    refuse(where, fmt::format("the plug-in's name has {} bytes", api.name.n));
  if (text_of(api.name) != name)
    refuse(where, fmt::format("the plug-in calls itself \"{}\", not \"{}\"", text_of(api.name), name));
  return api;
}

class PluginEngine final : public Engine {
 public:
  PluginEngine(const ch_engine_api& api, const std::string& folder) : handle_(std::make_shared<Handle>()) {
    handle_->api = api;
    handle_->name = text_of(api.name);
    ch_open open{};
    open.size = sizeof open;
    open.folder = str_of(folder);
    ch_error error = empty_error();
    const ch_code code = api.open(host(), &open, &handle_->engine, &error);
    if (code != CH_OK) throw error_of(code, error, "engine " + handle_->name, nullptr);
    if (handle_->engine == nullptr) throw Error(Code::internal, "engine " + handle_->name + " opened nothing");
    version_ = text_of(api.version);
    if (api.describe != nullptr) {
      std::string own;
      api.describe(handle_->engine, sink, &own);
      if (!own.empty()) version_ = own;
    }
  }

  std::string_view name() const noexcept override { return handle_->name; }
  std::string version() const override { return version_; }

  std::vector<Claim> claim(const Graph& graph, const CompileOptions& options) override {
    Model model;
    model.graph = std::shared_ptr<const Graph>(&graph, [](const Graph*) {});   // for this call
    if (walks()) {
      return claims_of_original(graph, *prepared(model, options, asker(options)).graph, asker(options));
    }
    return claims(GraphView(std::move(model)), options);
  }

  std::shared_ptr<Program> compile(const Model& given, const CompileOptions& options) override {
    const Model model = walks() ? prepared(given, options, asker(options)) : given;
    auto view = std::make_unique<GraphView>(model);
    std::string refusals;
    size_t count = 0;
    for (const Claim& c : claims(*view, options)) {
      if (c.verdict != Verdict::no) continue;
      if (++count <= kMostRefusals) refusals += "\n  " + model.graph->where(c.node) + ": " + c.reason;
    }
    if (count > kMostRefusals) refusals += fmt::format("\n  and {} more", count - kMostRefusals);
    if (count > 0) {
      throw Error(
          Code::unsupported,
          fmt::format("engine {} refuses {} of {} nodes:{}", handle_->name, count, view->order().size(), refusals),
          model.source, "use another engine, such as native");
    }
    return make_program(handle_, std::move(view), options);
  }

 private:
  bool walks() const noexcept { return (handle_->api.wants & CH_WANTS_NEWEST) != 0; }
  Asker asker(const CompileOptions& options) {
    return [this, &options](const Graph& graph) {
      Model model;
      model.graph = std::shared_ptr<const Graph>(&graph, [](const Graph*) {});   // for this call
      return claims(GraphView(std::move(model)), options);
    };
  }
  std::vector<Claim> claims(const GraphView& view, const CompileOptions& options) {
    const auto n = static_cast<uint32_t>(view.order().size());
    std::vector<ch_claim> room(n);
    std::vector<ch_claim*> list;
    for (ch_claim& c : room) {
      c = ch_claim{};
      c.size = sizeof c;
      c.group = -1;
      list.push_back(&c);
    }
    const ch_options given = options_of(options);
    ch_error error = empty_error();
    const ch_code code = handle_->api.claim(handle_->engine, view.get(), &given, list.data(), n, &error);
    const std::string who = "engine " + handle_->name;
    if (code != CH_OK) throw error_of(code, error, who, &view);
    std::vector<Claim> claims;
    for (uint32_t i = 0; i < n; ++i) {
      const ch_claim& c = room[i];
      if (c.verdict > CH_CLAIM_ONLY_IN_GROUP) {
        throw Error(Code::internal, fmt::format("{} answered the unknown verdict {} for node {}", who, c.verdict, i),
                    {}, "report this to the makers of the engine's plug-in");
      }
      Claim claim{view.order()[i]};
      claim.verdict = static_cast<Verdict>(c.verdict);
      claim.group = c.verdict == CH_CLAIM_ONLY_IN_GROUP ? c.group : -1;
      claim.reason.assign(c.reason, strnlen(c.reason, sizeof c.reason));
      if (claim.verdict == Verdict::no && claim.reason.empty()) claim.reason = who + " gives no reason";
      claims.push_back(std::move(claim));
    }
    return claims;
  }

  std::shared_ptr<Handle> handle_;
  std::string version_;
};

}  // namespace

void sink(void* user, const void* bytes, uint64_t n) {
  auto* text = static_cast<std::string*>(user);
  try {
    if (bytes != nullptr && n <= (uint64_t{1} << 31)) text->append(static_cast<const char*>(bytes), n);
  } catch (const std::exception&) {   // what does not fit is not shown
  }
}

std::shared_ptr<Engine> open_table(const ch_engine_api* table, std::string_view name, const std::string& folder,
                                   const std::string& where) {
  const ch_engine_api api = checked_table(table, name, where);
  try {
    return std::make_shared<PluginEngine>(api, folder);
  } catch (const Error& error) {
    throw error.at(where);
  }
}

std::shared_ptr<Engine> load_engine(const std::string& path, std::string_view name, const std::string& folder) {
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);   // never closed: engines leave threads behind
  if (library == nullptr) {
    const char* why = ::dlerror();
    throw Error(Code::unavailable,
                fmt::format("the plug-in cannot be loaded: {}", why == nullptr ? "no reason given" : why), path);
  }
  const auto entry = reinterpret_cast<const ch_engine_api* (*)()>(::dlsym(library, "chorus_engine_v1"));
  if (entry == nullptr) refuse(path, "the file has no symbol chorus_engine_v1: it is no plug-in of this version");
  return open_table(entry(), name, folder, path);
}

}  // namespace chorus::plugin
