#include "engine_runs.h"

#include <engine/engine.h>
#include <engine/native/native_engine.h>
#include <format/onnx/onnx.h>
#include <graph/infer.h>
#include <fmt/format.h>

#include <algorithm>

namespace chorus::app {
namespace {

bool is_wide_candidate(DType type) noexcept {
  return type == DType::float32 || type == DType::float16 || type == DType::bfloat16;
}

Value widened(const Value& value) {
  const std::vector<double> numbers = value.to_doubles();
  return Value::of<double>(value.shape(), numbers);
}

Value converted(const Value& value, const Type& type) {
  const bool widen =
      value.is_tensor() && type.is_tensor() && type.dtype == DType::float64 && is_wide_candidate(value.dtype());
  return widen ? widened(value) : value;
}

constexpr int64_t kDouble = 11, kFloat = 1;   // TensorProto.DataType

/// Attributes that name an element type, or are a tensor of one.
void widen_attributes(Node& node) {
  for (const char* name : {"to", "dtype", "output_datatype"}) {
    const auto* v = node.attributes.find(name);
    const auto* number = v != nullptr ? v->get<int64_t>() : nullptr;
    if (number != nullptr && *number > 0 && *number < kDTypeCount && is_wide_candidate(static_cast<DType>(*number)))
      node.attributes.set(name, kDouble);
  }
  const auto* v = node.attributes.find("value");
  const auto* tensor = v != nullptr ? v->get<Value>() : nullptr;
  if (tensor != nullptr && tensor->is_tensor() && is_wide_candidate(tensor->dtype()))
    node.attributes.set("value", widened(*tensor));
}

void forget_outputs(Graph& graph, NodeId id) {
  for (ValueId out : graph.node(id).outputs) {
    if (out == kNone) continue;
    GraphValue& v = graph.value(out);
    v.type = {};
    v.symbolic = nullptr;
    v.declared = false;
  }
}

ValueId cast_to(Graph& graph, ValueId value, int64_t type) {
  const NodeId id = graph.add_node("Cast", std::span(&value, 1), {{"to", type}});
  infer_node(graph, id);
  return graph.node(id).outputs[0];
}

/// For operators that take no float64: float32 in, and back behind it.
void surround_with_casts(Graph& graph, NodeId id) {
  const std::vector<ValueId> inputs = graph.node(id).inputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] != kNone && graph.value(inputs[i]).type.dtype == DType::float64)
      graph.set_operand(id, static_cast<int>(i), cast_to(graph, inputs[i], kFloat));
  }
  forget_outputs(graph, id);
  infer_node(graph, id);
  const std::vector<ValueId> outputs = graph.node(id).outputs;
  for (ValueId out : outputs) {
    if (out == kNone || !graph.value(out).type.is_tensor() || !is_wide_candidate(graph.value(out).type.dtype)) continue;
    const std::vector<Use> uses = graph.value(out).uses;
    const ValueId wide = cast_to(graph, out, kDouble);
    for (const Use& use : uses) graph.set_operand(use.node, use.operand, wide);
  }
}

void refuse_bodies(const Graph& graph) {
  for (NodeId id : graph.order()) {
    for (const auto& item : graph.node(id).attributes.items()) {
      if (item.value.kind() == AttrKind::graph) {
        throw Error(Code::unsupported, "the float64 oracle does not widen bodies (" + graph.node(id).type + ")",
                    graph.where(id));
      }
    }
  }
}

CompileOptions compile_options(const ModelOptions& options) {
  CompileOptions compile;
  compile.threads = options.threads > 0 ? options.threads : 1;
  compile.optimize = options.optimize;
  compile.worker_deadline_ms = options.worker_ms;
  if (options.no_fallback) compile.fallback = Fallback::none;
  compile.reference_kernels = options.reference;
  return compile;
}

/// What is borrowed from an instance dies with it, inside sequences too.
Value own_copy(const Value& v) {
  if (!v || (v.is_tensor() && v.dtype() == DType::string)) return v;
  if (v.is_tensor())
    return Value::copy_of(v.dtype(), v.shape(), v.data(), static_cast<size_t>(dtype_bytes(v.dtype(), v.numel())));
  std::vector<Value> items;
  for (const Value& item : v.items()) items.push_back(own_copy(item));
  if (v.kind() == ValueKind::sequence) return Value::sequence(v.dtype(), std::move(items));
  if (v.kind() == ValueKind::optional) return Value::optional(v.dtype(), std::move(items));
  return Value::map(std::move(items[0]), std::move(items[1]));
}

void run_once(Program& program, const Model& model, const NamedValues& inputs, EngineRun& run) {
  std::vector<Value> values, outputs(program.outputs().size());
  for (const Port& port : program.inputs()) {
    const auto given =
        std::find_if(inputs.begin(), inputs.end(), [&](const auto& entry) { return entry.first == port.name; });
    const ValueId id = model.graph->find_value(port.name);
    values.push_back(given == inputs.end() || id == kNone ? Value()
                                                          : converted(given->second, model.graph->value(id).type));
  }
  const auto instance = program.instance();
  instance->run(values, outputs, {});
  for (size_t i = 0; i < outputs.size(); ++i) run.values[program.outputs()[i].name] = own_copy(outputs[i]);
}

}  // namespace

Model with_all_outputs(const Model& model) {
  auto graph = std::make_shared<Graph>(*model.graph);
  for (NodeId id : graph->order()) {
    for (ValueId out : graph->node(id).outputs) {
      if (out == kNone || graph->is_output(out)) continue;
      const Type& type = graph->value(out).type;
      if (type.is_tensor() && type.dtype != DType::undefined) graph->add_output(out);
    }
  }
  Model result = model;
  result.graph = std::move(graph);
  return result;
}

Model in_float64(const Model& model) {
  CompileOptions plain;
  plain.optimize = 0;
  auto graph = std::make_shared<Graph>(*native::optimize(model, plain));   // newest versions, functions inlined
  refuse_bodies(*graph);
  for (ValueId id = 0; id < graph->value_capacity(); ++id) {
    GraphValue& v = graph->value(id);
    if (!v.alive || !v.type.is_tensor() || !is_wide_candidate(v.type.dtype)) continue;
    if (v.is_constant()) v.constant = widened(v.constant);
    if (v.is_constant() || v.is_input) v.type.dtype = DType::float64;
  }
  for (NodeId id : graph->order()) {
    widen_attributes(graph->node(id));
    forget_outputs(*graph, id);
    try {
      infer_node(*graph, id);
    } catch (const Error& error) {
      if (error.code() != Code::type) throw;
      surround_with_casts(*graph, id);
    }
  }
  Model result = model;
  result.functions.clear();
  result.graph = std::move(graph);
  return result;
}

void add_comparison_options(Arguments command, ComparisonOptions& options, const std::string& which) {
  add_model_options(command, options.model);
  command.remove("--engine");
  command.remove("--next");  // what is looked at is that engine and no other
  command.option("--engines", options.engines, which).value("NAMES").comma_separated();
  command.option("--input", options.inputs, "feeds.npz, or name=file.npy|.npz|.pb; may be repeated (default: random)")
      .value("DATA")
      .one_at_a_time();
  command.option("--shape", options.shapes, "name=1,3,224,224: extents of a random input; may be repeated")
      .value("NAME=SIZES")
      .one_at_a_time();
  command.option("--tolerance", options.tolerance, "largest |a - b| / max(1, |b|) of a value")
      .range(0.0, 1e30)
      .show_default();
  command.option("--seed", options.seed, "of random inputs").show_default();
}

NamedValues input_values(const ModelOptions& options, const std::vector<std::string>& inputs,
                         const std::vector<std::string>& shapes, uint64_t seed) {
  ModelOptions plain = options;
  plain.engine = "native";
  Predictor predictor(config_of(plain));
  set_inputs(predictor, inputs);
  fill_inputs(predictor, shapes, seed);
  NamedValues values;
  for (const std::string& name : predictor.GetInputNames()) {
    const InputTensor& input = *predictor.GetInputTensor(name);
    if (input.data() == nullptr) continue;   // the model's default counts
    const Shape shape(input.shape());
    values.emplace_back(name, Value::copy_of(input.dtype(), shape, input.data(),
                                             static_cast<size_t>(dtype_bytes(input.dtype(), shape.numel()))));
  }
  return values;
}

EngineRun run_on(const std::string& engine, const Model& model, const NamedValues& inputs,
                 const ModelOptions& options) {
  EngineRun run;
  run.engine = engine;
  try {
    run_once(*open_engine(options.opened(engine))->compile(model, compile_options(options)), model, inputs, run);
  } catch (const Error& error) {
    if (error.code() == Code::bad_input || error.code() == Code::shape || error.code() == Code::not_found)
      throw;   // the caller's
    run.reason = error.message().substr(0, error.message().find('\n'));
    run.code = error.code();
  }
  return run;
}

EngineRun run_oracle(const Model& model, const NamedValues& inputs, const ModelOptions& options, Watched watched) {
  const auto shown = [&](Model m) { return watched == Watched::every_value ? with_all_outputs(m) : m; };
  ModelOptions plain = options;
  plain.optimize = 0;
  plain.reference = true;
  std::string why;
  try {
    EngineRun wide = run_on("native", shown(in_float64(model)), inputs, plain);
    wide.engine = "float64";
    if (wide.reason.empty()) return wide;
    why = wide.reason;
  } catch (const Error& error) {
    why = error.message();
  }
  EngineRun reference = run_on("native", shown(model), inputs, plain);
  reference.engine = "plain kernels (no float64: " + why + ")";
  return reference;
}

}  // namespace chorus::app
