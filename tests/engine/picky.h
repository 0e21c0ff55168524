// An engine that knows the operators that it is told, computes them natively, and misbehaves as it is told.
#pragma once
#include <engine/engine.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "engine/engine_case.h"

namespace chorus::testing {

struct Habits {
  std::set<std::string> ops;               ///< that it takes; empty: all
  bool all_but = false;                    ///< takes all but those
  std::string refuses_at_compile;          ///< an operator that it claims, yet will not compile
  int slow_us = 0;                         ///< of processor time per run
  std::function<void(std::span<Value>)> spoil;   ///< of the outputs of a run
  bool fails_at_run = false;
};

class Picky final : public Engine {
 public:
  explicit Picky(std::string name, Habits habits)
      : name_(std::move(name)), habits_(std::make_shared<const Habits>(std::move(habits))),
        native_(open_engine("native")) {}
  int compiles = 0;

  std::string_view name() const noexcept override { return name_; }
  std::string version() const override { return "1"; }
  std::vector<Claim> claim(const Graph& graph, const CompileOptions&) override {
    std::vector<Claim> claims;
    for (NodeId id : graph.order()) {
      Claim c{id};
      if (!takes(graph.node(id))) {
        c.verdict = Verdict::no;
        c.reason = name_ + " does not know " + graph.node(id).type;
      }
      claims.push_back(c);
    }
    return claims;
  }
  std::shared_ptr<Program> compile(const Model& model, const CompileOptions& options) override {
    for (const Claim& c : claim(*model.graph, options)) {
      if (c.verdict == Verdict::no) throw Error(Code::unsupported, c.reason);
    }
    for (NodeId id : model.graph->order()) {
      if (model.graph->node(id).type == habits_->refuses_at_compile)
        throw Error(Code::unsupported, name_ + " cannot compile " + habits_->refuses_at_compile);
    }
    ++compiles;
    return std::make_shared<Run>(native_->compile(model, options), habits_);
  }

 private:
  bool takes(const Node& node) const {
    if (habits_->ops.empty()) return true;
    return habits_->ops.contains(node.type) != habits_->all_but;
  }
  class Once final : public Instance {
   public:
    Once(std::unique_ptr<Instance> inner, std::shared_ptr<const Habits> habits)
        : inner_(std::move(inner)), habits_(habits) {}
    void run(std::span<const Value> inputs, std::span<Value> outputs, const RunOptions& options) override {
      if (habits_->fails_at_run) throw Error(Code::internal, "it fell over");
      inner_->run(inputs, outputs, options);
      if (habits_->spoil) habits_->spoil(outputs);
      const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(habits_->slow_us);
      while (habits_->slow_us > 0 && std::chrono::steady_clock::now() < until) {
      }
    }
    std::vector<Type> bind(std::span<const Type> inputs) override { return inner_->bind(inputs); }
    std::vector<StepInfo> steps() const override { return inner_->steps(); }
    int64_t arena_bytes() const noexcept override { return inner_->arena_bytes(); }

   private:
    std::unique_ptr<Instance> inner_;
    std::shared_ptr<const Habits> habits_;
  };
  class Run final : public Program {
   public:
    Run(std::shared_ptr<Program> inner, std::shared_ptr<const Habits> habits)
        : inner_(std::move(inner)), habits_(habits) {}
    std::span<const Port> inputs() const override { return inner_->inputs(); }
    std::span<const Port> outputs() const override { return inner_->outputs(); }
    std::unique_ptr<Instance> instance() override { return std::make_unique<Once>(inner_->instance(), habits_); }
    std::string str(std::string_view level) const override { return inner_->str(level); }

   private:
    std::shared_ptr<Program> inner_;
    std::shared_ptr<const Habits> habits_;
  };
  std::string name_;
  std::shared_ptr<const Habits> habits_;
  std::shared_ptr<Engine> native_;
};

}  // namespace chorus::testing
