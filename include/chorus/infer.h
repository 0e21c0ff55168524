// Running a model: the interface class "inference" of the inference-engine API. C++17.
#pragma once
#include <chorus/io.h>
#include <chorus/model.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace chorus {

class Session;  // behind it all; not public

namespace api {

/// A run that was started by RunAsync. Copies are the same run. The last run of an instance is waited for when the instance goes.
class CHORUS_API RunHandle {
 public:
  bool done() const;
  /// True when the run has ended within the time; milliseconds < 0: no limit.
  bool wait(int64_t milliseconds = -1) const;
  /// Waits, and throws what the run threw.
  void get() const;
  /// Asks the run to end; it then throws Error(cancelled), unless it was done already. Returns at once.
  void cancel() const noexcept;

  struct State;
  explicit RunHandle(std::shared_ptr<State> state);
  ~RunHandle();
  RunHandle(const RunHandle&);
  RunHandle& operator=(const RunHandle&);

 private:
  std::shared_ptr<State> state_;
};

/// What one executed step cost, over all runs since the profile was cleared.
struct StepProfile {
  std::string name, op, kernel;  ///< of the first node; what ran
  std::vector<std::string> nodes;  ///< all nodes that the step covers
  std::string shapes;  ///< of the last run
  int64_t calls = 0;
  double total_ms = 0, min_ms = 0;
  double flops = 0, bytes = 0;  ///< of one call
  double roofline = 0;  ///< time that this machine's measured limits allow / time taken (0..1); 0: not known
};

struct CHORUS_API Profile {
  std::vector<StepProfile> steps;
  double run_ms = 0;  ///< of all runs together, from begin to end of Run
  int64_t runs = 0;
  double peak_gflops = 0, peak_gbytes = 0;  ///< measured on this machine when asked for, else 0: 10⁹ per second
  std::string table() const;  ///< text, longest step first
  std::string json() const;
  std::string chrome_trace;  ///< JSON for chrome://tracing or Perfetto; the last 100,000 steps
};

struct InstanceOptions {
  int64_t timeout_ms = 0;  ///< of one run; 0: none
  bool profile = false;
};

/// One run at a time; instances of a CompiledModel share its weights and own their buffers.
class CHORUS_API Instance {
 public:
  std::vector<std::string> input_names() const;
  std::vector<std::string> output_names() const;
  InputTensor& input(const std::string& name);  ///< Error(not_found) names the known ones
  InputTensor& input(size_t index);
  OutputTensor& output(const std::string& name);
  OutputTensor& output(size_t index);

  /// Runs on the data given to the inputs. Throws Error: bad_input (missing input, a run goes on), shape, type, budget, timeout …
  void Run();
  /// Computes only these outputs and what they need (compiled when first asked for, then kept).
  void Run(const std::vector<std::string>& outputs);
  RunHandle RunAsync();

  /// Called in a run with every value that comes to lie in memory (data: during the call); unoptimised, that is every one. Null: none.
  using Hook =
      std::function<void(const std::string& name, DType type, const std::vector<int64_t>& shape, const void* data)>;
  void SetHook(Hook hook);
  void SetTimeout(int64_t milliseconds);
  void SetSeed(uint64_t seed);  ///< of random operators; default 0
  Profile GetProfile(bool measure_peaks = false) const;
  int64_t arena_bytes() const noexcept;  ///< memory of intermediate values

  explicit Instance(std::unique_ptr<Session> session);
  ~Instance();
  Instance(Instance&&) noexcept;
  Instance& operator=(Instance&&) noexcept;

 private:
  std::unique_ptr<Session> session_;
};

}  // namespace api
}  // namespace chorus
