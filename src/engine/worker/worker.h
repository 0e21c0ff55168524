// Engines in processes of their own. See README.md.
#pragma once
#include <engine/engine.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace chorus::worker {

struct Settings {
  std::string program;  ///< the file chorus-worker
  std::string plugin, name, folder;  ///< the plug-in, what it calls itself, where its libraries are (may be empty)
  /// Milliseconds after which a worker that does not answer is ended; of runs: CompileOptions::worker_deadline_ms.
  int64_t open_ms = 120'000, compile_ms = 600'000;
  uint64_t room = uint64_t{2} << 30;  ///< bytes that the inputs of a run may have, and its outputs
  int64_t first_pause_ms = 100,
          most_pause_ms = 10'000;  ///< between the end of a worker and the next start: doubled each time
  std::function<std::shared_ptr<Engine>(std::string_view)> open_next;  ///< engines that finish what a worker does not
};

/// Starts the worker and opens the engine in it. Throws Error(unavailable) where one of them cannot be, as in this process.
/// compile and run: when the worker dies, does not answer in time or answers nonsense, the request is finished by the first of
/// CompileOptions::next_engines that can (Error(device_lost) when there is none) and said in the log; the worker is started again, with
/// pauses that grow. A model whose compilation ended one is
/// given to the next one later: after 40 pauses, then after four times as long each time, ten minutes at most.
std::shared_ptr<Engine> make_engine(Settings settings);

/// What happened so far; zeros for an engine that is in no worker.
struct Counts {
  int64_t pid = 0;  ///< of the worker that lives now; 0: none
  int64_t started = 0, lost = 0;  ///< workers
  int64_t elsewhere = 0;  ///< runs that another engine finished
};
Counts counts(const Engine& engine);

}  // namespace chorus::worker
