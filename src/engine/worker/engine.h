// The host's side: the engine that owns the worker, and how something is asked of it.
#pragma once
#include <core/function_ref.h>
#include <engine/worker/message.h>
#include <engine/worker/process.h>
#include <engine/worker/worker.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace chorus::worker {

/// The worker is gone, or as good as gone; `why` goes behind "engine x": "died by SIGSEGV while it ran the model".
struct Lost {
  std::string why;
};

struct Call {
  const char* what = "";  ///< "compiled the model"
  int64_t deadline_ms = 0;
  StopToken* stop = nullptr;
  uint64_t token = 0;  ///< of the channel, for stop
};

/// One question and its answer. Throws Lost, the engine's own Error, or Error(budget) when the question is too large.
void exchange(Process& process, Channel& channel, const Call& call, FunctionRef<void(Writer&)> fill,
              FunctionRef<void(Reader&)> take);

class WorkerEngine final : public Engine, public std::enable_shared_from_this<WorkerEngine> {
 public:
  explicit WorkerEngine(Settings settings);
  ~WorkerEngine() override;
  WorkerEngine(const WorkerEngine&) = delete;
  WorkerEngine& operator=(const WorkerEngine&) = delete;

  std::string_view name() const noexcept override { return settings_.name; }
  std::string version() const override { return version_; }
  std::vector<Claim> claim(const Graph& graph, const CompileOptions& options) override;
  std::shared_ptr<Program> compile(const Model& model, const CompileOptions& options) override;

  enum class Wait : uint8_t {
    no,  ///< where there is no worker now, one is started behind the caller's back, once the pause is over: null
    yes,  ///< for the pause and the start; throws Lost where it does not start
  };
  std::shared_ptr<Process> acquire(Wait wait);
  void lost(const std::string& why);
  void works() noexcept { failures_.store(0, std::memory_order_relaxed); }
  void finished_elsewhere() noexcept { elsewhere_.fetch_add(1, std::memory_order_relaxed); }
  const Settings& settings() const noexcept { return settings_; }
  std::string who() const { return "engine " + settings_.name; }
  Counts counts() const;

 private:
  std::shared_ptr<Process> start(std::string* version);
  void start_behind();
  void notice_end(std::unique_lock<std::mutex>& guard);
  Settings settings_;
  std::string version_;
  mutable std::mutex lock_;
  std::shared_ptr<Process> process_;
  std::thread starter_;
  bool starting_ = false;
  int64_t not_before_ns_ = 0;
  std::atomic<int64_t> started_ns_{0};
  std::atomic<int> failures_{0};
  std::atomic<int64_t> started_{0}, lost_{0}, elsewhere_{0};
};

/// A file of memory with the model's image. Throws Error(budget).
Descriptor image_of(const Model& model);

std::shared_ptr<Program> make_program(std::shared_ptr<WorkerEngine> engine, const Model& model,
                                      const CompileOptions& options);

}  // namespace chorus::worker
