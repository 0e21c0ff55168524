// Programs and instances of a plug-in.
#pragma once
#include <chorus/engine_abi.h>
#include <engine/engine.h>
#include <engine/plugin/graph_view.h>

#include <memory>
#include <string>

namespace chorus::plugin {

/// An opened engine; programs keep it.
struct Handle {
  ch_engine_api api{};
  ch_engine* engine = nullptr;
  std::string name;
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    if (engine != nullptr) api.close(engine);
  }
};

ch_options options_of(const CompileOptions& options) noexcept;
/// Appends to the std::string that `user` points to.
void sink(void* user, const void* bytes, uint64_t n);
std::shared_ptr<Program> make_program(std::shared_ptr<Handle> handle, std::unique_ptr<GraphView> view,
                                      const CompileOptions& options);

}  // namespace chorus::plugin
