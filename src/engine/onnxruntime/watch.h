// Ends runs that the host no longer wants: ONNX Runtime asks nobody, so one thread asks for all of them.
#pragma once
#include <chorus/engine_abi.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "ort.h"

namespace chorus_ort {

class Watch {
 public:
  Watch(const ch_host* host, const Ort& ort) : host_(host), ort_(ort) {}
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  void add(ch_task* task, OrtRunOptions* options);
  void remove(ch_task* task);

 private:
  struct Run {
    ch_task* task;
    OrtRunOptions* options;
  };
  void loop();
  const ch_host* host_;
  const Ort& ort_;
  std::mutex lock_;
  std::condition_variable changed_;
  std::vector<Run> runs_;
  bool end_ = false;
  std::thread thread_;   // started by the first run that may be stopped
};

}  // namespace chorus_ort
