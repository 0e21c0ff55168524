// The native engine: the reference for all others, and the one that is always there.
#pragma once
#include <engine/engine.h>
#include <graph/pass.h>

#include <memory>

namespace chorus::native {

std::shared_ptr<Engine> make_native_engine();
/// What the engine's compile makes, for those who need no Engine.
std::shared_ptr<Program> compile(const Model& model, const CompileOptions& options);
/// Constant folding by the reference kernels.
std::unique_ptr<ConstantEvaluator> make_evaluator();
/// The graph as the native engine runs it: passes applied, types inferred. What `chorus ir --level graph` prints.
std::shared_ptr<const Graph> optimize(const Model& model, const CompileOptions& options);
/// The model as the edge profile reads it (docs/lite.md): functions written out, bodies closed, operators at their newest version.
Model lite_form(const Model& model);
/// Whether a node's newest version has a kernel of its own.
bool has_kernel(const Node& node);

}  // namespace chorus::native
