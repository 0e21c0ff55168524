// An engine with others behind it.
#include <engine/placement/placement.h>

#include <core/log.h>
#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <set>

namespace chorus::placement {
namespace {

constexpr size_t kMostSaid = 4096;   // sentences that are remembered, so that each is said once

class FallbackEngine final : public Engine {
 public:
  explicit FallbackEngine(Engines engines) : engines_(std::move(engines)) {}

  std::string_view name() const noexcept override { return engines_[0]->name(); }
  std::string version() const override { return engines_[0]->version(); }
  std::vector<Claim> claim(const Graph& graph, const CompileOptions& options) override {
    return engines_[0]->claim(graph, options);
  }
  std::shared_ptr<Program> compile(const Model& model, const CompileOptions& options) override {
    auto program = placement::compile(model, engines_, options);
    if (const auto* cut = dynamic_cast<const PlacedProgram*>(program.get())) say(model, cut->placement());
    return program;
  }
  bool save(const Program& program, FunctionRef<void(std::span<const std::byte>)> sink) override {
    return dynamic_cast<const PlacedProgram*>(&program) == nullptr && engines_[0]->save(program, sink);
  }
  std::shared_ptr<Program> load(std::string_view bytes, std::shared_ptr<const void> owner,
                                const CompileOptions& options) override {
    return engines_[0]->load(bytes, std::move(owner), options);
  }

 private:
  // Each reason once; log messages are cut at about a thousand bytes.
  void say(const Model& model, const Placement& placement) {
    std::string reasons, first;
    size_t fresh = 0;
    {
      const std::lock_guard lock(mutex_);
      for (const Placed& p : placement.nodes) {
        if (p.engine == placement.asked || said_.size() >= kMostSaid) continue;
        const std::string& type = model.graph->node(p.node).type;
        if (!said_.insert(type + " " + p.engine + " " + p.reason).second) continue;
        if (++fresh <= 3) reasons += fmt::format("{}{} ({})", fresh == 1 ? "" : "; ", type, p.reason);
      }
    }
    if (fresh == 0) return;
    if (fresh > 3) reasons += fmt::format("; and {} more", fresh - 3);
    log(LogLevel::warning, "engine %s: %zu of %zu nodes run elsewhere, in %zu parts with %zu values between: %s",
        placement.asked.c_str(), placement.elsewhere(), placement.nodes.size(), placement.parts.size(),
        placement.crossings.size(), reasons.c_str());
  }

  Engines engines_;
  std::mutex mutex_;
  std::set<std::string> said_;
};

}  // namespace

std::shared_ptr<Engine> with_fallback(Engines engines) { return std::make_shared<FallbackEngine>(std::move(engines)); }

}  // namespace chorus::placement
