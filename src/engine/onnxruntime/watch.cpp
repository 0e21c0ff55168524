#include "watch.h"

#include <algorithm>
#include <chrono>

namespace chorus_ort {
namespace {

constexpr std::chrono::milliseconds kPeriod{2};

}  // namespace

Watch::~Watch() {
  {
    std::lock_guard lock(lock_);
    end_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Watch::add(ch_task* task, OrtRunOptions* options) {
  std::lock_guard lock(lock_);
  runs_.push_back({task, options});
  if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
  if (runs_.size() == 1) changed_.notify_all();
}

void Watch::remove(ch_task* task) {
  std::lock_guard lock(lock_);
  runs_.erase(std::remove_if(runs_.begin(), runs_.end(), [&](const Run& r) { return r.task == task; }), runs_.end());
}

void Watch::loop() {
  std::unique_lock lock(lock_);
  while (!end_) {
    for (const Run& r : runs_) {
      if (host_->stop(r.task) == CH_OK) continue;
      if (OrtStatus* status = ort_.RunOptionsSetTerminate(r.options)) ort_.ReleaseStatus(status);
    }
    if (runs_.empty())
      changed_.wait(lock);
    else
      changed_.wait_for(lock, kPeriod);
  }
}

}  // namespace chorus_ort
