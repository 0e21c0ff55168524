#include <tensor/capture.h>
#include <tensor/node_by_node.h>
#include <tensor/structure.h>

#include <engine/engine.h>
#include <engine/native/native_engine.h>

#include <algorithm>
#include <list>
#include <unordered_map>
#include <unordered_set>

namespace chorus {
namespace {

constexpr size_t kMaxCachedNodes = 4096;     // larger captures run node by node: they hardly come twice
constexpr size_t kMaxSeen = 16384;
thread_local Evaluator* scope = nullptr;

struct Entry {
  std::string key;
  std::shared_ptr<Program> program;          // null: the engine could not, the structure runs node by node
  std::vector<std::unique_ptr<Instance>> idle;
  int64_t bytes = 0;
};
using EntryPtr = std::shared_ptr<Entry>;

class Sizes final : public CostContext {
 public:
  Sizes(const Capture& c, const CapturedNode& n) : c_(c), node_(n), attrs_(n.expr->attributes, n.expr->op->newest()) {}
  const AttrReader& attrs() const override { return attrs_; }
  int inputs() const override { return node_.operand_count; }
  int outputs() const override { return static_cast<int>(node_.expr->outputs.size()); }
  DType dtype(bool output, int i) const override {
    if (output) return node_.expr->outputs[static_cast<size_t>(i)].dtype;
    const Tensorish t = input(i);
    return t.leaf != nullptr ? t.leaf->dtype() : t.made != nullptr ? t.made->dtype : DType::undefined;
  }
  std::span<const int64_t> dims(bool output, int i) const override {
    if (output) return node_.expr->outputs[static_cast<size_t>(i)].shape.dims();
    const Tensorish t = input(i);
    return t.leaf != nullptr   ? t.leaf->shape().dims()
           : t.made != nullptr ? t.made->shape.dims()
                               : std::span<const int64_t>();
  }

 private:
  struct Tensorish {
    const Value* leaf;
    const ExprOutput* made;
  };
  Tensorish input(int i) const {
    if (i < 0 || i >= node_.operand_count) return {nullptr, nullptr};
    const int32_t o = c_.operands_of(node_)[static_cast<size_t>(i)];
    if (o == kOmitted) return {nullptr, nullptr};
    if (is_leaf_operand(o)) return {&c_.leaves[static_cast<size_t>(leaf_of(o))], nullptr};
    const auto it = std::prev(std::upper_bound(c_.nodes.begin(), c_.nodes.end(), o,
                                               [](int32_t v, const CapturedNode& n) { return v < n.value; }));
    return {nullptr, &it->expr->outputs[static_cast<size_t>(o - it->value)]};
  }
  const Capture& c_;
  const CapturedNode& node_;
  AttrReader attrs_;
};

// Operations of all nodes whose sizes are known.
double work_of(const Capture& captured, double enough) {
  double work = 0;
  for (const CapturedNode& node : captured.nodes) {
    const auto& outputs = node.expr->outputs;
    if (!std::all_of(outputs.begin(), outputs.end(), [](const ExprOutput& o) { return o.fixed; })) continue;
    const Cost cost = node.expr->op->cost(Sizes(captured, node));
    work += cost.flops + 10 * cost.transcendental;
    if (work >= enough) break;
  }
  return work;
}

bool runs_once(const Capture& captured) {   // random numbers and effects: see call.cpp
  return std::any_of(captured.nodes.begin(), captured.nodes.end(),
                     [](const CapturedNode& n) { return n.expr->op->effect != Effect::pure; });
}

Value own_copy(const Value& v) {
  if (!v.is_tensor() || v.dtype() == DType::string) return v;
  Value made = Value::tensor(v.dtype(), v.shape());
  const auto* from = static_cast<const std::byte*>(v.data());
  std::copy(from, from + dtype_bytes(v.dtype(), v.numel()), static_cast<std::byte*>(made.mutable_data()));
  return made;
}

}  // namespace

struct Evaluator::Impl {
  std::shared_ptr<Engine> engine;
  Options options;
  bool native = false;
  std::shared_ptr<ThreadPool> pool;
  mutable std::mutex mutex;                  // of all below
  std::list<EntryPtr> recent;                // most recently used first
  std::unordered_map<std::string_view, std::list<EntryPtr>::iterator> entries;
  std::unordered_set<size_t> seen;
  std::vector<std::unique_ptr<native::ScratchArena>> scratch;
  Counts counts;
  uint64_t stream = 0;

  void run(Capture& captured);
  void run_nodes(Capture& captured, std::vector<Value>& values);
  void run_program(Entry& entry, const Capture& captured, const Structure& s, std::vector<Value>& values);
  bool run_or_refuse(Entry& entry, const Capture& captured, const Structure& s, std::vector<Value>& values);
  EntryPtr find(const std::string& key);
  EntryPtr compile(const Capture& captured, Structure& s);
  bool first_time(const std::string& key);
};

void Evaluator::Impl::run_nodes(Capture& captured, std::vector<Value>& values) {
  native::CallEnvironment environment;
  environment.pool = pool.get();
  environment.memory_budget = options.memory_budget;
  std::unique_ptr<native::ScratchArena> arena;
  {
    const std::lock_guard lock(mutex);
    if (!scratch.empty()) {
      arena = std::move(scratch.back());
      scratch.pop_back();
    }
    if (runs_once(captured)) environment.stream = stream += captured.nodes.size();
    ++counts.node_by_node;
  }
  if (!arena) arena = std::make_unique<native::ScratchArena>();
  environment.scratch = arena.get();
  run_node_by_node(captured, values, environment);
  const std::lock_guard lock(mutex);
  scratch.push_back(std::move(arena));
}

EntryPtr Evaluator::Impl::find(const std::string& key) {
  const std::lock_guard lock(mutex);
  const auto it = entries.find(key);
  if (it == entries.end()) return nullptr;
  recent.splice(recent.begin(), recent, it->second);
  return *it->second;
}

bool Evaluator::Impl::first_time(const std::string& key) {
  const std::lock_guard lock(mutex);
  if (seen.size() >= kMaxSeen) seen.clear();
  return seen.insert(std::hash<std::string>{}(key)).second;
}

EntryPtr Evaluator::Impl::compile(const Capture& captured, Structure& s) {
  auto entry = std::make_shared<Entry>();
  try {
    Model model;
    model.graph = to_graph(captured, s);
    CompileOptions how;
    how.threads = options.threads;
    how.memory_budget = options.memory_budget;
    how.pool = pool;
    entry->program = engine->compile(model, how);
  } catch (const Error&) {
    if (!native) throw;
    entry->program = nullptr;
  }
  entry->key = std::move(s.key);
  int64_t constants = 0;
  for (size_t i = 0; i < captured.leaves.size(); ++i)
    constants += s.baked[i] ? static_cast<int64_t>(captured.leaves[i].bytes()) : 0;
  entry->bytes = static_cast<int64_t>(entry->key.size() + captured.nodes.size() * 2048) + constants;
  const std::lock_guard lock(mutex);
  if (const auto it = entries.find(entry->key); it != entries.end()) return *it->second;  // another thread was first
  ++counts.compiled;
  counts.bytes += entry->bytes;
  recent.push_front(entry);
  entries.emplace(entry->key, recent.begin());
  while (counts.bytes > options.cache_bytes && recent.size() > 1) {
    counts.bytes -= recent.back()->bytes;
    entries.erase(recent.back()->key);
    recent.pop_back();
  }
  return entry;
}

void Evaluator::Impl::run_program(Entry& entry, const Capture& captured, const Structure& s,
                                  std::vector<Value>& values) {
  std::unique_ptr<Instance> instance;
  {
    const std::lock_guard lock(mutex);
    if (!entry.idle.empty()) {
      instance = std::move(entry.idle.back());
      entry.idle.pop_back();
    }
  }
  if (!instance) instance = entry.program->instance();
  std::vector<Value> inputs, outputs(s.outputs.size());
  for (int32_t leaf : s.leaf_at) inputs.push_back(captured.leaves[static_cast<size_t>(leaf)]);
  values.resize(static_cast<size_t>(captured.values));
  std::vector<char> given(outputs.size());
  size_t at = 0;
  for (const CapturedNode& node : captured.nodes) {
    if (!node.kept) continue;
    for (const ExprOutput& o : node.expr->outputs) {
      if (o.fixed && o.dtype != DType::string) {
        outputs[at] = Value::tensor(o.dtype, o.shape);
        given[at] = 1;
      }
      ++at;
    }
  }
  instance->run(inputs, outputs, RunOptions{});
  for (size_t i = 0; i < outputs.size(); ++i) {
    values[static_cast<size_t>(s.outputs[i])] = given[i] ? std::move(outputs[i]) : own_copy(outputs[i]);
  }
  const std::lock_guard lock(mutex);
  const int64_t arena = instance->arena_bytes();
  const bool kept = entries.find(entry.key) != entries.end() && entry.idle.size() < 4 && arena < options.cache_bytes;
  if (kept) entry.idle.push_back(std::move(instance));
}

// What was checked for these sizes at the calls may be more than a program for all sizes can prove: then node by node decides.
bool Evaluator::Impl::run_or_refuse(Entry& entry, const Capture& captured, const Structure& s,
                                    std::vector<Value>& values) {
  try {
    run_program(entry, captured, s, values);
    return true;
  } catch (const Error& error) {
    const bool sizes = error.code() == Code::shape || error.code() == Code::unsupported;
    if (!native || !sizes) throw;
    values.clear();
    return false;
  }
}

void Evaluator::Impl::run(Capture& captured) {
  std::vector<Value> values;
  const bool once = runs_once(captured) || captured.nodes.size() > kMaxCachedNodes;
  if (native && once) {
    run_nodes(captured, values);
    commit(captured, values);
    return;
  }
  Structure s = describe(captured);
  EntryPtr entry = s.cacheable ? find(s.key) : nullptr;
  const bool cached = entry != nullptr;
  if (!cached) {
    const bool compile_now =
        !native ||
        (s.cacheable && (!first_time(s.key) || work_of(captured, static_cast<double>(options.compile_work)) >=
                                                   static_cast<double>(options.compile_work)));
    if (compile_now) entry = compile(captured, s);
  }
  if (entry == nullptr || entry->program == nullptr || !run_or_refuse(*entry, captured, s, values)) {
    run_nodes(captured, values);
  } else if (cached) {
    const std::lock_guard lock(mutex);
    ++counts.from_cache;
  }
  commit(captured, values);
}

Evaluator::Evaluator(std::shared_ptr<Engine> engine) : Evaluator(std::move(engine), Options{}) {}
Evaluator::Evaluator(std::shared_ptr<Engine> engine, const Options& options) : impl_(std::make_unique<Impl>()) {
  if (!engine) throw Error(Code::bad_input, "an Evaluator needs an engine", {}, "open one by its name");
  if (options.threads < 1)
    throw Error(Code::bad_input, "an Evaluator needs at least one thread, not " + std::to_string(options.threads));
  impl_->native = engine->name() == "native";
  impl_->engine = std::move(engine);
  impl_->options = options;
  impl_->pool = std::make_shared<ThreadPool>(ThreadPool::Options{options.threads, {}, 50});
}
Evaluator::~Evaluator() = default;

std::unique_ptr<Evaluator> Evaluator::open(std::string_view engine) { return open(engine, Options{}); }
std::unique_ptr<Evaluator> Evaluator::open(std::string_view engine, const Options& options) {
  return std::make_unique<Evaluator>(open_engine(engine), options);
}

std::string_view Evaluator::engine_name() const noexcept { return impl_->engine->name(); }

Evaluator::Counts Evaluator::counts() const {
  const std::lock_guard lock(impl_->mutex);
  Counts c = impl_->counts;
  c.entries = static_cast<int64_t>(impl_->entries.size());
  return c;
}

void Evaluator::eval(std::span<const Tensor> tensors) {
  Capture captured = capture(tensors);
  if (!captured.nodes.empty()) impl_->run(captured);
}

Evaluator& Evaluator::current() {
  if (scope != nullptr) return *scope;
  static Evaluator* const standard =
      new Evaluator(native::make_native_engine());  // never destroyed: tensors may outlive statics
  return *standard;
}

EvaluateOn::EvaluateOn(Evaluator& evaluator) noexcept : before_(scope) { scope = &evaluator; }
EvaluateOn::~EvaluateOn() { scope = before_; }

void eval(std::span<const Tensor> tensors) { Evaluator::current().eval(tensors); }
void eval(std::initializer_list<Tensor> tensors) { Evaluator::current().eval(tensors); }

}  // namespace chorus
