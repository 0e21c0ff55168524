#include <core/clock.h>
#include <core/memory_meter.h>
#include <engine/native/call.h>
#include <engine/native/exec/instance.h>
#include <engine/native/exec/stored.h>
#include <engine/native/jit/conv.h>
#include <engine/native/native_engine.h>
#include <engine/native/plan/quantized.h>
#include <engine/native/plan/spelled_forms.h>
#include <graph/hollow.h>
#include <graph/infer.h>

#include <fmt/format.h>

#include <algorithm>

namespace chorus::native {
namespace {

std::unique_ptr<Graph> optimized_copy(const Model& model, const CompileOptions& options);

constexpr int64_t kFoldMemory = int64_t{1} << 30;
constexpr int64_t kFoldTime = int64_t{5'000'000'000};

class Evaluator final : public ConstantEvaluator {
 public:
  Result<std::vector<Value>> evaluate(const Graph& graph, NodeId node, std::span<const Value> inputs) override {
    CallEnvironment environment;
    environment.pool = &pool_;
    environment.scratch = &scratch_;
    environment.memory_budget = kFoldMemory;
    const MemoryScope scope(std::make_shared<MemoryMeter>(kFoldMemory));
    StopToken stop;   // what takes longer is left to the run
    stop.set_deadline(now_ns() + kFoldTime);
    environment.stop = &stop;
    try {
      return call_node(graph, node, inputs, {}, environment);
    } catch (const Error& error) {
      return error;
    }
  }

 private:
  ThreadPool pool_{ThreadPool::Options{}};
  ScratchArena scratch_;
};

// What a file declares of a value is a claim: a size that the rules do not prove would give a kernel too little memory. So the types are
// the rules' own, and a declared number becomes a check at bind; a size that no rule gives is known in the run only.
void believe_rules(Graph& graph) {
  std::vector<std::pair<ValueId, Type>> claims;
  for (ValueId id = 0; id < graph.value_capacity(); ++id) {
    GraphValue& v = graph.value(id);
    if (!v.alive || v.is_input || v.is_constant() || !v.declared) continue;
    v.declared = false;
    claims.emplace_back(id, std::move(v.type));
    v.type = Type();
  }
  if (claims.empty()) return;
  infer_types(graph);
  for (const auto& [id, claim] : claims) {
    GraphValue& v = graph.value(id);
    if (v.type.kind == ValueKind::none) v.type = claim.is_tensor() ? Type::tensor(claim.dtype) : claim;
    if (!v.type.is_tensor() || !v.type.has_rank || !claim.has_rank || claim.dims.size() != v.type.dims.size()) continue;
    for (size_t d = 0; d < claim.dims.size(); ++d) {
      if (claim.dims[d].is_number() && v.type.dims[d].is_symbolic()) {
        graph.checks.push_back({v.type.dims[d], claim.dims[d], v.producer,
                                fmt::format("axis {} of \"{}\" and what the file declares", d, v.name)});
      }
    }
  }
}

class NativeEngine final : public Engine {
 public:
  std::string_view name() const noexcept override { return "native"; }
  std::string version() const override { return CHORUS_VERSION; }
  std::vector<Claim> claim(const Graph& graph, const CompileOptions&) override {
    std::vector<Claim> claims;
    for (NodeId id : graph.order()) {
      const Node& n = graph.node(id);
      Claim claim{id};
      const bool decomposes = n.op != nullptr && std::holds_alternative<Decompose>(n.op->meaning);
      if (n.op == nullptr) {
        claim.verdict = Verdict::no;
        claim.reason =
            fmt::format("native: operator \"{}\" of domain \"{}\" has no row in the table", n.type, n.domain);
      } else if (find_reference(n.op->domain, n.op->name) == nullptr && !decomposes) {
        claim.verdict = Verdict::no;
        claim.reason = fmt::format("native: {} has neither a kernel nor a decomposition", n.type);
      }
      claims.push_back(std::move(claim));
    }
    return claims;
  }
  std::shared_ptr<Program> compile(const Model& model, const CompileOptions& options) override {
    return native::compile(model, options);
  }
  bool save(const Program& program, FunctionRef<void(std::span<const std::byte>)> sink) override {
    const auto* native = dynamic_cast<const NativeProgram*>(&program);
    if (native != nullptr) save_program(*native, sink);
    return native != nullptr;
  }
  std::shared_ptr<Program> load(std::string_view bytes, std::shared_ptr<const void> owner,
                                const CompileOptions& options) override {
    return load_program(bytes, std::move(owner), options);
  }
};

}  // namespace

bool has_kernel(const Node& node) {
  return node.op != nullptr && find_reference(node.op->domain, node.op->name) != nullptr;
}

std::unique_ptr<ConstantEvaluator> make_evaluator() { return std::make_unique<Evaluator>(); }
std::shared_ptr<Engine> make_native_engine() { return std::make_shared<NativeEngine>(); }
std::shared_ptr<Program> compile(const Model& model, const CompileOptions& options) {
  auto graph = optimized_copy(model, options);
  believe_rules(*graph);
  return std::make_shared<NativeProgram>(std::move(graph), options, Packs());
}

namespace {
/// Constants that a step of bytes reads on this processor.
bool stays_in_bytes(const Graph& graph, NodeId dequantize) {
  if (!quantized_user(graph, dequantize)) return false;
  const NodeId user = graph.value(graph.node(dequantize).outputs[0]).uses[0].node;
  const auto step = find_quantized(graph, user);
  StepDescription description{&graph, user, &cpu(), {}, nullptr};
  description.quantized = &*step;
  const auto list = quantized_candidates(graph.node(user).type);
  return std::any_of(list.begin(), list.end(), [&](const Candidate* c) { return c->accepts(description); });
}

bool any_kept(const Graph& graph) {
  const auto ids = graph.order();
  return std::any_of(ids.begin(), ids.end(), [&](NodeId id) { return may_be_quantized(graph, id); });
}

std::unique_ptr<Graph> optimized_copy(const Model& model, const CompileOptions& options) {
  auto graph = std::make_unique<Graph>(*model.graph);
  const auto evaluator = make_evaluator();
  PassContext context;
  context.evaluator = evaluator.get();
  context.functions = &model.functions;
  context.runs = &has_kernel;
  // Weights of bytes stay bytes where a step may compute with them; the others are folded in the end.
  const bool bytes = options.optimize > 0 && !options.reference_kernels && jit::level(cpu()) == jit::Level::avx512;
  if (bytes && cpu().avx512_vnni) context.keeps = &may_be_quantized;
  run_passes(*graph, default_passes(options.optimize), context);
#ifndef CHORUS_LITE
  if (options.optimize > 0 && !options.reference_kernels) {
    constexpr Pass kSpelled{"spelled_forms", spelled_forms, "what is spelled out becomes the operator for it"};
    run_passes(*graph, {&kSpelled, 1}, context);
    constexpr Pass kAttention{"spelled_attention", spelled_attention,
                              "attention that is spelled out becomes the operator"};
    run_passes(*graph, {&kAttention, 1}, context);
  }
  if (context.keeps != nullptr) {
    constexpr Pass kForms{"quantized_forms", quantized_forms,
                          "operators of bytes in the form that steps of bytes know"};
    run_passes(*graph, {&kForms, 1}, context);
  }
#endif
  if (context.keeps != nullptr && any_kept(*graph)) {
    context.keeps = &stays_in_bytes;
    run_passes(*graph, default_passes(options.optimize), context);
  }
  if (options.optimize > 0) run_passes(*graph, widening_passes(), context);
  infer_types(*graph);
  return graph;
}
}  // namespace

std::shared_ptr<const Graph> optimize(const Model& model, const CompileOptions& options) {
  return optimized_copy(model, options);
}

Model lite_form(const Model& model) {
  CompileOptions options;
  options.optimize = 0;
  std::unique_ptr<Graph> graph = optimized_copy(model, options);
  for (auto& [domain, version] : graph->opsets) {
    if (const int newest = newest_opset(domain); newest > 0) version = newest;
  }
  Model made = model;
  made.graph = std::move(graph);
  made.functions.clear();
  return made;
}

namespace {

PlanOptions plan_options(const CompileOptions& options) {
  PlanOptions plan;
  plan.fuse = options.optimize > 0;
  plan.reference_only = options.reference_kernels;
  plan.cpu = &cpu();
  if (options.precision != Precision::f32 && options.precision != Precision::bf16) {
    throw Error(Code::unsupported, "the native engine computes in f32 and bf16, not in f16 and int8", {},
                "ask for f32 or bf16; operators that are quantised in the model run in integers at any precision");
  }
  plan.precision = options.precision;
  plan.tuning = options.tuning.get();
  if (plan.fuse && jit::level(cpu()) != jit::Level::plain) plan.blocking = Blocking::where_faster;
  return plan;
}

}  // namespace

NativeProgram::NativeProgram(std::shared_ptr<const Graph> graph, const CompileOptions& options)
    : NativeProgram(graph, options, plan_options(options)) {}

NativeProgram::NativeProgram(std::shared_ptr<const Graph> graph, const CompileOptions& options, const PlanOptions& plan)
    : options_(options),
      pool_(options.pool ? options.pool : std::make_shared<ThreadPool>(ThreadPool::Options{options.threads, {}, 50})) {
  build(std::move(graph), plan);
}

NativeProgram::NativeProgram(std::unique_ptr<Graph> graph, const CompileOptions& options, Packs packs)
    : options_(options),
      pool_(options.pool ? options.pool : std::make_shared<ThreadPool>(ThreadPool::Options{options.threads, {}, 50})),
      packs_(std::move(packs)) {
  Graph& own = *graph;
  build(std::move(graph), plan_options(options));
  for (ValueId id : packs_.released(own)) {
    Value hollow = hollow_value(own.value(id).constant.dtype(), own.value(id).constant.shape());
    if (!hollow) continue;
    for (PlanTensor& t : plan_.tensors) {
      if (t.value == id && t.constant) t.constant = hollow;
    }
    own.value(id).constant = std::move(hollow);
  }
}

void NativeProgram::build(std::shared_ptr<const Graph> graph, PlanOptions plan) {
  for (ValueId id : graph->inputs()) inputs_.push_back({graph->value(id).name, graph->value(id).type});
  for (ValueId id : graph->outputs()) outputs_.push_back({graph->value(id).name, graph->value(id).type});
  plan.packs = &packs_;
  plan_ = build_plan(std::move(graph), plan);
}

std::unique_ptr<Instance> NativeProgram::instance() { return std::make_unique<NativeInstance>(shared_from_this()); }

std::string NativeProgram::str(std::string_view) const { return plan_.str(); }

}  // namespace chorus::native
