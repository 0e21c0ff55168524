#include <engine/placement/auto.h>

#include <core/cpu.h>
#include <core/log.h>
#include <engine/placement/measure.h>
#include <graph/image.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

namespace chorus::placement {
namespace {

// Two numbers of 64 bits over everything that is added: against chance, not against malice.
class Hash {
 public:
  void add(std::span<const std::byte> bytes) {
    for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
      uint64_t word;
      std::memcpy(&word, bytes.data(), 8);
      mix(word);
    }
    uint64_t rest = bytes.size();
    std::memcpy(&rest, bytes.data(), bytes.size());
    mix(rest + (uint64_t{bytes.size()} << 56));
  }
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
  std::string str() const { return fmt::format("{:016x}{:016x}", a_, b_); }

 private:
  void mix(uint64_t word) {
    a_ = (a_ ^ word) * 0x9e3779b185ebca87ULL;
    a_ ^= a_ >> 29;
    b_ = (b_ + word) * 0xc2b2ae3d27d4eb4fULL;
    b_ ^= b_ >> 31;
  }
  uint64_t a_ = 1, b_ = 2;
};

class AutoProgram final : public Program, public std::enable_shared_from_this<AutoProgram> {
 public:
  AutoProgram(const Model& model, const CompileOptions& options, AutoSettings settings, AutoEngines engines)
      : model_(model), options_(options), settings_(std::move(settings)), engines_(std::move(engines)) {
    if (settings_.engines.empty()) settings_.engines = engines_.opened();
    if (!options_.pool) options_.pool = std::make_shared<ThreadPool>(ThreadPool::Options{options_.threads, {}, 50});
    for (ValueId id : model_.graph->inputs())
      inputs_.push_back({model_.graph->value(id).name, model_.graph->value(id).type});
    for (ValueId id : model_.graph->outputs())
      outputs_.push_back({model_.graph->value(id).name, model_.graph->value(id).type});
    std::vector<Type> types;
    for (const Port& port : inputs_) types.push_back(port.type);
    recall(types);
  }

  std::span<const Port> inputs() const override { return inputs_; }
  std::span<const Port> outputs() const override { return outputs_; }
  std::unique_ptr<Instance> instance() override;
  std::string str(std::string_view level) const override {
    const std::lock_guard lock(mutex_);
    if (level == "auto") return table();
    return program_ ? program_->str(level) : "auto: nothing is measured before the first run\n";
  }

  /// The chosen program; measures when there is no answer yet.
  std::shared_ptr<Program> decided(std::span<const Value> inputs, const RunOptions& run) {
    const std::lock_guard lock(mutex_);
    if (program_) return program_;
    std::vector<Type> types;
    for (size_t i = 0; i < inputs.size(); ++i) types.push_back(inputs[i] ? Type::of(inputs[i]) : inputs_.at(i).type);
    if (recall_locked(types)) return program_;
    Measurement m = measure(model_, settings_.engines, engines_, options_, settings_.bound, inputs, run);
    answer_ = std::move(m.answer);
    if (!settings_.folder.empty()) AutoLog(settings_.folder).put(key(types), answer_);
    program_ = std::move(m.program);
    said_for_ = described(types);
    return program_;
  }
  /// The chosen program if there is an answer for such inputs.
  std::shared_ptr<Program> recall(std::span<const Type> types) {
    const std::lock_guard lock(mutex_);
    recall_locked(types);
    return program_;
  }

 private:
  static std::string described(std::span<const Type> types) {
    std::string text;
    for (const Type& t : types) text += (text.empty() ? "" : ", ") + t.str();
    return text;
  }
  // Everything that an answer depends on.
  std::string key(std::span<const Type> types) {
    if (model_hash_.empty()) {
      Hash hash;
      Model unnamed = model_;
      unnamed.source.clear();
      save_image(unnamed, [&](std::span<const std::byte> part) { hash.add(part); });
      model_hash_ = hash.str();
    }
    std::string text =
        fmt::format("build {}\nprocessor {} {}\nthreads {} precision {} optimize {} bound {}\n{}", settings_.build,
                    cpu_info().brand, to_string(cpu()), options_.threads, static_cast<int>(options_.precision),
                    options_.optimize, settings_.bound, described(types));
    for (const std::string& name : settings_.engines) {
      text += "\nengine " + name;
      try {
        text += " " + engines_.open(name)->version();
      } catch (const Error& error) {
        text += " absent";
      }
    }
    Hash hash;
    hash.add(text);
    return model_hash_ + hash.str();
  }
  bool recall_locked(std::span<const Type> types) {
    const bool known =
        std::all_of(types.begin(), types.end(), [](const Type& t) { return !t.is_tensor() || t.is_static(); });
    if (program_ || settings_.folder.empty() || !known) return program_ != nullptr;
    Answer found;
    if (!AutoLog(settings_.folder).find(key(types), &found)) return false;
    try {
      program_ = compile_candidate(model_, found.candidates[found.chosen], engines_, options_);
      answer_ = std::move(found);
      said_for_ = described(types);
    } catch (const Error&) {   // measured anew
    }
    return program_ != nullptr;
  }
  std::string table() const {
    if (answer_.candidates.empty()) return "auto: nothing is measured before the first run\n";
    size_t wide = 6;
    for (const Candidate& c : answer_.candidates) wide = std::max(wide, c.name.size());
    std::string text = fmt::format("{:<{}}  {:>10}  {:>9}\n", "engine", wide, "ms", "error");
    for (size_t i = 0; i < answer_.candidates.size(); ++i) {
      const Candidate& c = answer_.candidates[i];
      text += fmt::format("{:<{}}  {:>10}  {:>9}", c.name, wide, c.ms > 0 ? fmt::format("{:.4f}", c.ms) : "-",
                          c.reason.empty() || c.error > 0 ? fmt::format("{:.2g}", c.error) : "-");
      if (i == answer_.chosen) text += "  chosen";
      if (!c.reason.empty()) text += "  " + c.reason;
      if (!c.note.empty()) text += "  " + c.note;
      text += "\n";
    }
    return text + fmt::format(
                      "error: of the largest value, from the plain native kernels; at most {:g} counts\n{} on {} "
                      "thread{}, {}\n",
                      settings_.bound, answer_.remembered ? "remembered: measured" : "measured", options_.threads,
                      options_.threads == 1 ? "" : "s", said_for_);
  }

  Model model_;
  CompileOptions options_;
  AutoSettings settings_;
  AutoEngines engines_;
  std::vector<Port> inputs_, outputs_;
  mutable std::mutex mutex_;   // of all below
  std::string model_hash_, said_for_;
  Answer answer_;
  std::shared_ptr<Program> program_;
};

class AutoInstance final : public Instance {
 public:
  explicit AutoInstance(std::shared_ptr<AutoProgram> program) : program_(std::move(program)) {}
  void run(std::span<const Value> inputs, std::span<Value> outputs, const RunOptions& options) override {
    if (!instance_) {
      if (inputs.size() != program_->inputs().size())
        throw Error(Code::bad_input,
                    fmt::format("{} inputs given, the model takes {}", inputs.size(), program_->inputs().size()));
      instance_ = program_->decided(inputs, options)->instance();
    }
    instance_->run(inputs, outputs, options);
  }
  std::vector<Type> bind(std::span<const Type> inputs) override {
    if (!instance_) {
      if (auto known = program_->recall(inputs)) instance_ = known->instance();
    }
    if (instance_) return instance_->bind(inputs);
    std::vector<Type> types;
    for (const Port& port : program_->outputs()) types.push_back(port.type);
    return types;
  }
  std::vector<StepInfo> steps() const override { return instance_ ? instance_->steps() : std::vector<StepInfo>(); }
  int64_t arena_bytes() const noexcept override { return instance_ ? instance_->arena_bytes() : 0; }

 private:
  std::shared_ptr<AutoProgram> program_;
  std::unique_ptr<Instance> instance_;
};

std::unique_ptr<Instance> AutoProgram::instance() { return std::make_unique<AutoInstance>(shared_from_this()); }

class AutoEngine final : public Engine {
 public:
  explicit AutoEngine(AutoEngines engines) : engines_(std::move(engines)) {}
  std::string_view name() const noexcept override { return "auto"; }
  std::string version() const override { return "1"; }
  std::vector<Claim> claim(const Graph& graph, const CompileOptions& options) override {
    CompileOptions own = options;
    own.more.clear();
    return engines_.open("native")->claim(graph, own);
  }
  std::shared_ptr<Program> compile(const Model& model, const CompileOptions& options) override {
    AutoSettings settings = auto_settings(options.more);
    for (const std::string& name : settings.engines) {
      if (name == "auto") throw Error(Code::bad_input, "engine auto cannot choose itself");
    }
    return std::make_shared<AutoProgram>(model, options, std::move(settings), engines_);
  }

 private:
  AutoEngines engines_;
};

}  // namespace

std::shared_ptr<Engine> make_auto_engine(AutoEngines engines) {
  return std::make_shared<AutoEngine>(std::move(engines));
}

}  // namespace chorus::placement
