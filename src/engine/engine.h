// The interface between the framework and whatever computes: claim → compile → Program → Instance → run.
// The native engine implements it directly, plug-ins behind the C ABI of chorus/engine_abi.h through engine/plugin.
#pragma once
#include <chorus/result.h>
#include <chorus/value.h>
#include <core/function_ref.h>
#include <core/thread_pool.h>
#include <core/tuning.h>
#include <graph/graph.h>

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chorus {

enum class Precision : uint8_t { f32, bf16, f16, int8 };
/// What happens to operators that an engine refuses: an error, or simpler operators in their place where the table has a decomposition.
enum class Fallback : uint8_t { none, decompose };
enum class Verdict : uint8_t { no, yes, only_in_group };

/// Whether an engine takes a node, and why not.
struct Claim {
  NodeId node = kNone;
  Verdict verdict = Verdict::yes;
  int32_t group = -1;  ///< only_in_group: nodes of one number go together
  std::string reason;  ///< a sentence for every no
};

struct CompileOptions {
  int threads = 1;
  Precision precision = Precision::f32;
  Fallback fallback = Fallback::decompose;
  int optimize = 1;  ///< 0: the nodes of the file, one by one; 1: all passes and fusion
  bool reference_kernels = false;  ///< the plain kernels only: the oracle
  bool profile = false;
  int64_t memory_budget = int64_t{16} << 30;  ///< bytes that one instance may hold
  std::shared_ptr<ThreadPool> pool;  ///< null: one of `threads` threads is made per program
  std::string more;  ///< JSON for the engine itself
  /// Engines that finish what an engine in a worker does not, in this order; none: such a request is an error.
  std::vector<std::string> next_engines;
  int64_t worker_deadline_ms = 0;  ///< of one run in a worker; 0: a minute
  std::shared_ptr<const Tuning> tuning;  ///< what was timed on this machine; null: the cost model alone
};

/// Asks a run to end; shared between the caller and the run.
class StopToken {
 public:
  void request(Code why = Code::cancelled) noexcept { why_.store(static_cast<int>(why), std::memory_order_relaxed); }
  void reset() noexcept {
    why_.store(0, std::memory_order_relaxed);
    deadline_ns_.store(0, std::memory_order_relaxed);
  }
  void set_deadline(int64_t monotonic_ns) noexcept { deadline_ns_.store(monotonic_ns, std::memory_order_relaxed); }
  /// ok, cancelled or timeout. Reads the clock only when there is a deadline.
  Code state() const noexcept;

 private:
  std::atomic<int> why_{0};
  std::atomic<int64_t> deadline_ns_{0};
};

struct Port {
  std::string name;
  Type type;
};

/// One executed node of a run. Times in nanoseconds of the monotonic clock.
struct NodeTime {
  int32_t step = 0;
  int64_t begin_ns = 0, end_ns = 0;
};

struct StepInfo {
  std::string name, op, kernel;  ///< of the (first) node; what ran
  std::vector<std::string> nodes;  ///< all nodes that the step covers
  std::string shapes;  ///< "float32[1, 3, 224, 224] → float32[1, 64, 112, 112]" of the last run
  Cost cost;  ///< of the last run
};

struct RunOptions {
  StopToken* stop = nullptr;
  std::vector<NodeTime>* times = nullptr;  ///< appended when given
  /// Called with every value a step has made (name, value valid during the call).
  std::function<void(const std::string&, const Value&)>* tap = nullptr;
  uint64_t seed = 0;  ///< of random operators
};

/// Arena and states; one caller at a time. Instances of a program share its weights.
class Instance {
 public:
  virtual ~Instance() = default;
  /// Runs. `inputs` in the order of Program::inputs (kind none: use the default). `outputs[i]`: kind none → a value of the instance's
  /// own, valid until the next run or bind; a tensor with a large enough own buffer → written in place.
  /// Errors: bad_input (names the input), shape, budget, cancelled, timeout …
  virtual void run(std::span<const Value> inputs, std::span<Value> outputs, const RunOptions& options) = 0;
  /// Prepares for these input types (plans memory), so that the next run with them allocates nothing; returns the output types known.
  virtual std::vector<Type> bind(std::span<const Type> inputs) = 0;
  virtual std::vector<StepInfo> steps() const = 0;
  virtual int64_t arena_bytes() const noexcept = 0;
};

/// A compiled graph: weights and code, shared.
class Program {
 public:
  virtual ~Program() = default;
  virtual std::span<const Port> inputs() const = 0;
  virtual std::span<const Port> outputs() const = 0;
  virtual std::unique_ptr<Instance> instance() = 0;
  /// Printed form: "plan" or "kernel".
  virtual std::string str(std::string_view level) const = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::string_view name() const noexcept = 0;
  virtual std::string version() const = 0;
  virtual std::vector<Claim> claim(const Graph& graph, const CompileOptions& options) = 0;
  /// The model's graph with types inferred; functions are model-local. Throws Error(unsupported) with the sentences of all refused nodes.
  virtual std::shared_ptr<Program> compile(const Model& model, const CompileOptions& options) = 0;
  /// Gives the bytes that `load` makes this engine's program from again, on this processor and by this build of the library only: what a
  /// compile cache holds. False: the engine has no such form.
  virtual bool save(const Program&, FunctionRef<void(std::span<const std::byte>)>) { return false; }
  /// `bytes` begin at a page and are used in place as long as `owner` lives. Throws Error(bad_input) for bytes that are not such a form.
  virtual std::shared_ptr<Program> load(std::string_view bytes, std::shared_ptr<const void> owner,
                                        const CompileOptions& options);
};

/// What `chorus engines` shows.
struct EngineInfo {
  std::string name, version;
  bool available = false;
  std::string reason;  ///< why not, and the command that helps
};
std::vector<EngineInfo> list_engines();
/// Opens an engine once per process. "worker:NAME", or NAME when CHORUS_ENGINE_WORKER says so ("all", or names with commas between): in a
/// process of its own (engine/worker). Throws Error(unavailable|not_found) naming the known ones.
std::shared_ptr<Engine> open_engine(std::string_view name);
/// Folders searched for plug-ins (libchorus_engine_<name>.so) besides the one beside the library; from the application's settings.
void set_engine_folders(std::vector<std::string> folders);

}  // namespace chorus
