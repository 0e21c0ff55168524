// What the host offers a plug-in, and errors across the C interface.
#pragma once
#include <chorus/engine_abi.h>
#include <engine/engine.h>
#include <engine/plugin/graph_view.h>

#include <atomic>
#include <functional>
#include <mutex>

/// One run, as the services see it.
struct ch_task {
  std::function<chorus::ThreadPool&()> pool;
  const chorus::RunOptions* options = nullptr;
  const chorus::plugin::GraphView* view = nullptr;
  std::atomic<int64_t> budget_left{0};   ///< bytes that alloc may still give
  std::mutex lock;                       ///< of times and tap
};

namespace chorus::plugin {

/// The table given to every plug-in; one for the process.
const ch_host* host() noexcept;
/// tap of a ch_run for tasks whose options have one.
void tap(ch_task* task, uint32_t node, uint32_t output, const ch_value* value);

ch_error empty_error() noexcept;
/// The failure that a plug-in reported. `who`: "engine x".
Error error_of(ch_code code, const ch_error& error, const std::string& who, const GraphView* view);
ch_code fill(ch_error* error, const Error& from) noexcept;

}  // namespace chorus::plugin
