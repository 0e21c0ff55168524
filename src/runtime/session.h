// Session: one instance of a compiled model with its inputs and outputs, runs (at once or behind), cancelling, profile.
// What Predictor and api::Instance are made of.
#pragma once
#include <chorus/infer.h>
#include <runtime/io.h>
#include <runtime/load.h>
#include <runtime/profile.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace chorus {

struct api::RunHandle::State {
  std::mutex lock;
  std::condition_variable ended;
  bool done = false;
  std::exception_ptr error;
  StopToken stop;
};

class Session {
 public:
  explicit Session(std::shared_ptr<Compiled> compiled);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  std::vector<std::string> input_names() const;
  std::vector<std::string> output_names() const;
  api::InputTensor* find_input(std::string_view name) noexcept;
  api::OutputTensor* find_output(std::string_view name) noexcept;
  std::deque<api::InputTensor>& inputs() noexcept { return inputs_; }
  std::deque<api::OutputTensor>& outputs() noexcept { return outputs_; }

  void run();
  void run(const std::vector<std::string>& outputs);
  api::RunHandle run_async();

  using Tap = std::function<void(const std::string&, const Value&)>;
  void set_tap(Tap tap) { tap_ = std::move(tap); }
  void set_timeout(int64_t milliseconds);
  void set_seed(uint64_t seed) noexcept { seed_ = seed; }
  void set_profile(bool on) noexcept { profiling_ = on; }
  int64_t timeout() const noexcept { return timeout_ms_; }
  bool profiling() const noexcept { return profiling_; }
  api::Profile profile(bool measure_peaks) const;
  int64_t arena_bytes() const noexcept { return instance_->arena_bytes(); }
  const std::shared_ptr<Compiled>& compiled() const noexcept { return compiled_; }

 private:
  struct Part {  // a program for some of the outputs
    std::vector<std::string> names;
    std::shared_ptr<Program> program;
    std::unique_ptr<Instance> instance;
  };
  void begin();  // throws when a run goes on
  std::vector<Value> gather(const Program& program) const;
  void execute(Program& program, Instance& instance, std::span<const Value> inputs, StopToken& stop,
               Recorder* recorder);
  void join() noexcept;

  std::shared_ptr<Compiled> compiled_;
  std::unique_ptr<Instance> instance_;
  std::shared_ptr<RunState> state_;
  std::deque<api::InputTensor> inputs_;  // deque: pointers stay
  std::deque<api::OutputTensor> outputs_;
  std::vector<Part> parts_;
  std::vector<Value> results_;
  Tap tap_;
  int64_t timeout_ms_ = 0;
  uint64_t seed_ = 0;
  bool profiling_ = false;
  Recorder recorder_;
  std::thread worker_;
  std::shared_ptr<api::RunHandle::State> pending_;
};

}  // namespace chorus
