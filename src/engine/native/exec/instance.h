// The executor: a Plan bound to sizes is a flat array of function and argument block; running it is a loop over that array.
#pragma once
#include <engine/engine.h>
#include <engine/native/call.h>
#include <engine/native/exec/arena.h>
#include <engine/native/plan/plan.h>

#include <memory>
#include <string>
#include <vector>

namespace chorus::native {

/// Weights and code of one compiled graph; shared by its instances.
class NativeProgram final : public Program, public std::enable_shared_from_this<NativeProgram> {
 public:
  NativeProgram(std::shared_ptr<const Graph> graph, const CompileOptions& options);
  /// Owns the graph: constants that the steps have packed lose their elements (they are hollow then). `packs`: of an earlier compile.
  NativeProgram(std::unique_ptr<Graph> graph, const CompileOptions& options, Packs packs);
  NativeProgram(std::shared_ptr<const Graph> graph, const CompileOptions& options, const PlanOptions& plan);
  std::span<const Port> inputs() const override { return inputs_; }
  std::span<const Port> outputs() const override { return outputs_; }
  std::unique_ptr<Instance> instance() override;
  std::string str(std::string_view level) const override;

  const Plan& plan() const noexcept { return plan_; }
  const CompileOptions& options() const noexcept { return options_; }
  ThreadPool& pool() const noexcept { return *pool_; }
  const Packs& packs() const noexcept { return packs_; }

 private:
  void build(std::shared_ptr<const Graph> graph, PlanOptions plan);
  CompileOptions options_;
  std::shared_ptr<ThreadPool> pool_;
  Packs packs_;
  Plan plan_;
  std::vector<Port> inputs_, outputs_;
};

/// Everything that one set of input sizes decides. Vectors keep their memory from bind to bind.
struct Binding {
  std::vector<int64_t> symbols, slots;
  std::vector<int64_t> dims;  ///< extents of all tensors, one after the other
  std::vector<int64_t> dims_at;  ///< per tensor: begin in `dims`
  std::vector<int64_t> bytes, offset;  ///< per tensor (root): size and place in the arena
  std::vector<int64_t> part;  ///< per tensor: bytes from the begin of its root
  std::vector<std::shared_ptr<const void>> bound;  ///< per step: what its candidate made for these sizes
  std::vector<std::byte*> data;  ///< per tensor
  std::vector<TensorView> views;  ///< of all steps, inputs then outputs
  std::vector<std::unique_ptr<bool[]>> wanted;
  std::vector<KernelContext> contexts;  ///< per step
  std::vector<size_t> view_at;  ///< per step: begin in `views`
  std::vector<AttrReader> attrs;  ///< per step
  struct Patch {
    size_t view;
    int tensor;
    int64_t part;
  };
  std::vector<Patch> patches;  ///< views whose data changes from run to run (inputs and outputs)
  std::vector<int64_t> host;  ///< values of host tensors, 8 bytes per element
  int64_t arena_bytes = 0;
  bool valid = false;
};

class NativeInstance final : public Instance, private KernelServices {
 public:
  explicit NativeInstance(std::shared_ptr<NativeProgram> program);
  void run(std::span<const Value> inputs, std::span<Value> outputs, const RunOptions& options) override;
  std::vector<Type> bind(std::span<const Type> inputs) override;
  std::vector<StepInfo> steps() const override;
  int64_t arena_bytes() const noexcept override { return arena_.bytes(); }
  /// Of a step, as the last bind made it; for those who time it alone.
  const KernelContext& context(size_t step) const { return binding_.contexts[step]; }

 private:
  // KernelServices of static steps
  ThreadPool& pool() noexcept override { return program_->pool(); }
  void* scratch(int64_t bytes) noexcept override { return scratch_.take(bytes); }
  Status allocate(int, DType, std::span<const int64_t>, TensorView*) noexcept override;
  Status set_value(int, Value) noexcept override;
  Status run_body(std::string_view, std::span<const Value>, std::vector<Value>&) noexcept override;
  bool stop() noexcept override { return stop_ != nullptr && stop_->state() != Code::ok; }

  const PlanTensor& tensor(int t) const { return plan_.tensors[static_cast<size_t>(t)]; }
  std::span<const int64_t> dims_of(int t) const;
  bool same_symbols(std::span<const Value> inputs) const noexcept;
  void check_input(size_t port, DType dtype, std::span<const int64_t> dims) const;
  void bind_dims(const std::function<std::span<const int64_t>(size_t)>& dims);
  void place_tensors();
  void fill_host(int t);
  int64_t pixels(int t) const;  ///< product of the extents behind the channels
  int64_t image_stride(int t) const;  ///< of a tensor in channel blocks
  void bind_steps();
  void make_contexts();
  void set_data(int t, std::byte* data) { binding_.data[static_cast<size_t>(t)] = data; }
  void prepare_outputs(std::span<Value> outputs);
  void run_dynamic(size_t step, const RunOptions& options);
  Value value_of(int t) const;  ///< borrows; for dynamic steps, taps and outputs
  Value plain_copy(int t, const std::byte* data, const Shape& shape) const;
  void tap(size_t list, const RunOptions& options);
  [[noreturn]] void fail(const PlanStep& step, const Status& status) const;

  std::shared_ptr<NativeProgram> program_;
  const Plan& plan_;
  Binding binding_;
  Arena arena_;
  ScratchArena scratch_;
  std::vector<Buffer> own_outputs_;
  std::vector<Value> dynamic_;  ///< per tensor
  std::vector<std::vector<int>> taps_;  ///< taps_of(plan); empty until somebody asks
  StopToken* stop_ = nullptr;
  bool has_dynamic_ = false;  ///< steps that take memory in the run
};

}  // namespace chorus::native
