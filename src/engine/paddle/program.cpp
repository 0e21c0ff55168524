#include "program.h"

#include <algorithm>
#include <chrono>

namespace chorus_paddle {
namespace {

constexpr int64_t kFoldBytes = int64_t{64} << 20;   // of one value that is computed ahead

// Values of a body that nothing in it makes would be captured by name; closed bodies have none.
class Builder {
 public:
  Builder(const ch_graph& graph, bool top) : graph_(graph), top_(top), walk_(std::make_shared<Walk>()) {}
  std::shared_ptr<const Walk> build();

 private:
  Step step_of(uint32_t index) const;
  bool folds(const Step& step);
  void mark_ends();

  const ch_graph& graph_;
  bool top_;
  std::shared_ptr<Walk> walk_;
  std::vector<char> known_;   // slots whose value is in walk_->start
};

Type type_of(const ch_value_info& info) {
  return info.type->kind == CH_TENSOR ? to_paddle(info.type->dtype) : kUndefined;
}

Step Builder::step_of(uint32_t index) const {
  const ch_node& node = *graph_.nodes[index];
  Step step;
  step.row = find_row(view(node.domain), view(node.op));
  step.node = &node;
  step.graph = &graph_;
  step.index = top_ ? static_cast<int32_t>(index) : -1;
  if (step.row == nullptr)
    throw Failure(CH_UNSUPPORTED, refusal(graph_, node), "use another engine, such as native", step.index);
  step.in.assign(node.inputs, node.inputs + node.n_inputs);
  step.out.assign(node.outputs, node.outputs + node.n_outputs);
  step.captured.assign(node.captured, node.captured + node.n_captured);
  bool wide = false;
  for (int32_t v : step.in) {
    const Type type = v < 0 ? kUndefined : type_of(*graph_.values[v]);
    wide = wide || wider(type, step.row->types, step.row->widen) != type;
  }
  for (int32_t v : step.out) step.out_types.push_back(v < 0 ? kUndefined : type_of(*graph_.values[v]));
  if (wide || step.row->widen == Widen::bits || step.row->widen == Widen::order) step.widen = step.row->widen;
  for (uint32_t a = 0; a < node.n_attributes; ++a) {
    const ch_attribute& attribute = *node.attributes[a];
    if (attribute.kind != 5) continue;
    step.bodies.push_back(make_walk(*attribute.graphs[0], false));
    step.body_names.push_back(view(attribute.name));
  }
  return step;
}

// Whether the step was computed ahead. What fails or grows large is left to the run.
bool Builder::folds(const Step& step) {
  if (!top_ || !step.bodies.empty()) return false;
  if (!std::all_of(step.in.begin(), step.in.end(),
                   [&](int32_t v) { return v < 0 || known_[static_cast<size_t>(v)] != 0; }))
    return false;
  RunContext context;
  context.budget = kFoldBytes;
  try {
    Call call(step, walk_->start.data(), context);
    step.row->run(call);
  } catch (const std::exception&) {
    for (int32_t v : step.out) {
      if (v >= 0) walk_->start[static_cast<size_t>(v)].clear();
    }
    return false;
  }
  for (int32_t v : step.out) {
    if (v >= 0) known_[static_cast<size_t>(v)] = 1;
  }
  return true;
}

void Builder::mark_ends() {
  std::vector<char> keep = known_;
  for (int32_t v : walk_->outputs) {
    if (v >= 0) keep[static_cast<size_t>(v)] = 1;
  }
  for (auto step = walk_->steps.rbegin(); step != walk_->steps.rend(); ++step) {
    auto mark = [&](int32_t v) {
      if (v < 0 || keep[static_cast<size_t>(v)] != 0) return;
      keep[static_cast<size_t>(v)] = 1;
      step->ends.push_back(v);
    };
    std::for_each(step->in.begin(), step->in.end(), mark);
    std::for_each(step->captured.begin(), step->captured.end(), mark);
    std::for_each(step->out.begin(), step->out.end(), mark);   // results that nobody reads
  }
}

std::shared_ptr<const Walk> Builder::build() {
  walk_->inputs.assign(graph_.inputs, graph_.inputs + graph_.n_inputs);
  walk_->outputs.assign(graph_.outputs, graph_.outputs + graph_.n_outputs);
  walk_->start.resize(graph_.n_values);
  known_.assign(graph_.n_values, 0);
  for (uint32_t v = 0; v < graph_.n_values; ++v) {
    const int32_t constant = graph_.values[v]->constant;
    const bool is_input =
        std::find(walk_->inputs.begin(), walk_->inputs.end(), static_cast<int32_t>(v)) != walk_->inputs.end();
    if (constant == CH_NO_INDEX || is_input) continue;   // a default of an input comes with every run
    walk_->start[v].tensor = view_of(*graph_.constants[constant]);
    known_[v] = 1;
  }
  for (uint32_t n = 0; n < graph_.n_nodes; ++n) {
    Step step = step_of(n);
    if (!folds(step)) walk_->steps.push_back(std::move(step));
  }
  mark_ends();
  return std::move(walk_);
}

uint64_t now() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

// What PaddlePaddle says, without its stack: the line behind the summary's heading, and not where in its sources.
std::string words_of(const std::string& said) {
  static constexpr std::string_view kHeading = "Error Message Summary:";
  std::string words = said;
  if (const size_t heading = said.find(kHeading); heading != std::string::npos) {
    words = said.substr(heading + kHeading.size());
    words.erase(0, words.find_first_not_of("-\n "));
  }
  words.resize(std::min(words.find("\n  [Hint"), words.size()));
  words.resize(std::min(words.find(" (at "), words.size()));
  for (char& c : words) c = c == '\n' ? ' ' : c;
  return words;
}

}  // namespace

std::shared_ptr<const Walk> make_walk(const ch_graph& graph, bool top) { return Builder(graph, top).build(); }

void rethrow(const Step& step) {
  const std::string op(view(step.node->op));
  const char* const other = "use another engine, such as native";
  try {
    throw;
  } catch (const Failure& failure) {
    if (failure.node >= 0 || step.index < 0) throw;
    throw Failure(failure.code, op + ": " + failure.what(), failure.fix, step.index);
  } catch (const std::bad_alloc&) {
    throw Failure(CH_BUDGET, op + ": there is no memory left", "use a smaller model or smaller inputs", step.index);
  } catch (const std::exception& e) {
    const std::string said = words_of(e.what());
    if (said.find("ResourceExhausted") != std::string::npos || said.find("Out of memory") != std::string::npos)
      throw Failure(CH_BUDGET, op + ": " + said, "use a smaller model or smaller inputs", step.index);
    const bool missing = said.find("not registered") != std::string::npos ||
                         said.find("Unimplemented") != std::string::npos || said.find("NotFound") != std::string::npos;
    throw Failure(missing ? CH_UNSUPPORTED : CH_BAD_INPUT, op + ": PaddlePaddle refuses: " + said, missing ? other : "",
                  step.index);
  }
}

void Walk::run(Slot* slots, const RunContext& context) const {
  for (const Step& step : steps) {
    context.check_stop();
    const uint64_t begin = context.timed ? now() : 0;
    try {
      Call call(step, slots, context);
      step.row->run(call);
    } catch (...) {
      rethrow(step);
    }
    if (context.timed && step.index >= 0)
      context.host->span(context.run->task, static_cast<uint32_t>(step.index), begin, now());
    if (context.show != nullptr && step.index >= 0) context.show(context, step, slots);
    for (int32_t v : step.ends) slots[v].clear();
  }
}

}  // namespace chorus_paddle
