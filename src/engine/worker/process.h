// The life of one worker: started by exec, never by fork alone; it ends with this process, and is waited for whenever it ends.
#pragma once
#include <engine/worker/channel.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace chorus::worker {

/// What goes over the socket from host to worker, with a descriptor beside it or without.
struct Letter {
  enum Kind : uint32_t { file = 1, stop = 2 };
  uint32_t magic = kMagic, kind = 0;
  uint64_t token = 0;  ///< file: its name from now on; stop: that of the channel whose run is to end
  uint32_t code = 0;  ///< stop: cancelled or timeout
  uint32_t turn = 0;  ///< stop: of the request that is meant
  static constexpr uint32_t kMagic = 0x63687731;
};

inline constexpr int kSocket = 3;  ///< the worker's end, by number

class Process {
 public:
  /// Starts `program`. Throws Error(unavailable) where it cannot be.
  explicit Process(const std::string& program);
  /// Closes the socket, which ends a worker that is well, and kills one that does not end.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  int64_t pid() const noexcept { return pid_.load(); }
  bool alive() const noexcept { return !dead_.load(std::memory_order_acquire); }
  /// "died by SIGSEGV", "ended with status 1"; for one that is dead.
  std::string end() const;
  /// Ends it now; comes back when it is gone.
  void kill() noexcept;
  /// Comes back when it is gone or after that time; whether it is.
  bool wait_for_end(int64_t milliseconds) noexcept;

  uint64_t next_token() noexcept { return token_.fetch_add(1); }
  /// Where nobody reads, ends it and throws Error(device_lost).
  void send(const Letter& letter, const Descriptor* file = nullptr);

  /// The channel for what is no run: opening, claims, compiling. One caller at a time: hold `lock`.
  std::mutex lock;
  std::unique_ptr<Channel> control;
  Descriptor control_file;

 private:
  void live(const std::string& program, Descriptor theirs);
  Descriptor socket_;
  std::atomic<int64_t> pid_{0};
  std::atomic<uint64_t> token_{1};
  std::atomic<bool> dead_{false}, started_{false};
  int status_ = 0;
  std::string why_not_;
  mutable std::mutex state_;
  std::condition_variable changed_;
  std::thread keeper_;
};

}  // namespace chorus::worker
