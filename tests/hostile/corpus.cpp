#include "hostile/corpus.h"

#include "../../apps/fixtures.h"

#include <chorus/error.h>
#include <format/onnx/onnx.h>
#include <ops/grid.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

namespace chorus::testing {
namespace {

constexpr size_t kLargest = 65536;

ValueId add(Graph& g, std::string_view op, std::vector<ValueId> in, Attributes attributes = {},
            std::string_view domain = "") {
  return g.node(g.add_node(op, in, std::move(attributes), 1, domain)).outputs[0];
}

void finish(Graph& g, ValueId out, const std::string& name) {
  g.rename(out, name);
  g.add_output(out);
}

ValueId int_constant(Graph& g, std::initializer_list<int64_t> v) {
  return g.add_constant("c", Value::of<int64_t>(Shape{static_cast<int64_t>(v.size())}, v));
}

Graph new_graph(std::string name) {
  Graph g;
  g.name = std::move(name);
  g.opsets[""] = newest_opset("");
  return g;
}

Seed written(std::string name, Graph&& graph, std::vector<Function> functions = {}) {
  Model model;
  model.graph = std::make_shared<const Graph>(std::move(graph));
  model.functions = std::move(functions);
  model.ir_version = 10;
  return {std::move(name), onnx::write_model(model)};
}

GraphPtr shared(Graph&& g) { return std::make_shared<const Graph>(std::move(g)); }
ValueId capture(Graph& body, const std::string& name) {
  const ValueId id = body.add_value(name);
  body.captures.emplace_back(id, name);
  return id;
}

// One node; operands that rules read as values are constants, every other one an input.
Seed one_node(const OpDef& op, const GridCase& one, int number) {
  Graph g = new_graph(std::string(op.name));
  g.opsets[std::string(op.domain)] = op.versions[static_cast<size_t>(one.version)].since;
  Node n;
  n.op = &op;
  n.version = one.version;
  n.domain = std::string(op.domain);
  n.type = std::string(op.name);
  n.name = "node";
  n.attributes = one.attributes;
  const std::vector<Value> values = make_inputs(one, static_cast<uint64_t>(number));
  for (size_t i = 0; i < one.operands.size(); ++i) {
    const std::string name = fmt::format("in{}", i);
    switch (one.operands[i].kind) {
      case GridOperand::Kind::omitted: n.inputs.push_back(kNone); break;
      case GridOperand::Kind::constant: n.inputs.push_back(g.add_constant(name, values[i])); break;
      default: n.inputs.push_back(g.add_input(name, Type::of(values[i]))); g.value(n.inputs.back()).declared = true;
    }
  }
  while (!n.inputs.empty() && n.inputs.back() == kNone) n.inputs.pop_back();
  for (int i = 0; i < one.outputs; ++i) {
    n.outputs.push_back(g.add_value(fmt::format("out{}", i)));
    g.add_output(n.outputs.back());
  }
  g.add_node(std::move(n));
  return written(fmt::format("{}_{}", op.name, number), std::move(g));
}

Seed conditional() {
  Graph g = new_graph("conditional"), yes = new_graph("yes"), no = new_graph("no");
  const ValueId x = g.add_input("x", Type::tensor(DType::float32, {Dim::symbol("n"), 3}));
  finish(yes, add(yes, "Neg", {capture(yes, "x")}), "y");
  finish(no, add(no, "Add", {capture(no, "x"), capture(no, "x")}), "z");
  const ValueId sum = add(g, "ReduceSum", {x, int_constant(g, {0, 1})}, {{"keepdims", 0}});
  const ValueId positive = add(g, "Greater", {sum, g.add_constant("zero", Value::scalar(0.f))});
  finish(g, add(g, "If", {positive}, {{"then_branch", shared(std::move(yes))}, {"else_branch", shared(std::move(no))}}),
         "out");
  return written("conditional", std::move(g));
}

Graph loop_body(bool grows) {
  Graph body = new_graph("body");
  body.add_input("i", Type::tensor(DType::int64, {}));
  const ValueId go = body.add_input("go", Type::tensor(DType::boolean, {}));
  const ValueId state = body.add_input("state", Type::tensor(DType::float32, {Dim::symbol("n")}));
  finish(body, add(body, "Identity", {go}), "go_on");
  finish(body,
         grows ? add(body, "Concat", {state, state}, {{"axis", 0}}) : add(body, "Mul", {state, capture(body, "x")}),
         "next");
  finish(body, add(body, "Neg", {state}), "item");
  return body;
}

Seed loop(bool grows) {
  Graph g = new_graph("loop");
  const ValueId x = g.add_input("x", Type::tensor(DType::float32, {4}));
  const ValueId trips = g.add_constant("trips", Value::scalar<int64_t>(grows ? 3 : 5));
  const ValueId go = g.add_constant("go", Value::scalar<bool>(true));
  const std::vector<ValueId> in{trips, go, x};
  const NodeId node = g.add_node("Loop", in, {{"body", shared(loop_body(grows))}}, grows ? 1 : 2);
  finish(g, g.node(node).outputs[0], "last");
  if (!grows) finish(g, g.node(node).outputs[1], "all");
  return written(grows ? "loop_that_grows" : "loop", std::move(g));
}

Seed scan() {
  Graph body = new_graph("body"), g = new_graph("scan");
  const ValueId state = body.add_input("state", Type::tensor(DType::float32, {3}));
  const ValueId row = body.add_input("row", Type::tensor(DType::float32, {3}));
  const ValueId sum = add(body, "Add", {state, row});
  finish(body, sum, "sum");
  finish(body, add(body, "Relu", {sum}), "item");
  const std::vector<ValueId> in{g.add_constant("zero", Value::of<float>(Shape{3}, {0.f, 0.f, 0.f})),
                                g.add_input("x", Type::tensor(DType::float32, {Dim::symbol("n"), 3}))};
  const NodeId node = g.add_node("Scan", in, {{"body", shared(std::move(body))}, {"num_scan_inputs", 1}}, 2);
  finish(g, g.node(node).outputs[0], "last");
  finish(g, g.node(node).outputs[1], "all");
  return written("scan", std::move(g));
}

Seed sequences() {
  Graph g = new_graph("sequences");
  const ValueId x = g.add_input("x", Type::tensor(DType::float32, {6, 2}));
  const ValueId parts = add(g, "SplitToSequence", {x, int_constant(g, {2, 4})}, {{"axis", 0}});
  const ValueId more = add(g, "SequenceInsert", {parts, x});
  finish(g, add(g, "ConcatFromSequence", {more}, {{"axis", 0}}), "y");
  return written("sequences", std::move(g));
}

// Shapes that are computed: Shape, Gather, Concat, Reshape, Slice, Expand, Range over symbolic dimensions.
Seed shape_arithmetic() {
  Graph g = new_graph("shapes");
  const ValueId x = g.add_input("x", Type::tensor(DType::float32, {Dim::symbol("batch"), 4, Dim::symbol("width")}));
  const ValueId shape = add(g, "Shape", {x});
  const ValueId width = add(g, "Gather", {shape, int_constant(g, {2})}, {{"axis", 0}});
  const ValueId flat = add(g, "Reshape", {x, add(g, "Concat", {int_constant(g, {-1}), width}, {{"axis", 0}})});
  const ValueId half =
      add(g, "Slice", {flat, int_constant(g, {0}), add(g, "Div", {width, int_constant(g, {2})}), int_constant(g, {1})});
  const ValueId wide = add(g, "Tile", {half, int_constant(g, {1, 3})});
  finish(g, add(g, "Pad", {wide, int_constant(g, {0, 1, 0, 1})}), "y");
  finish(g, add(g, "ConstantOfShape", {shape}), "zeros");
  return written("shape_arithmetic", std::move(g));
}

Seed with_function() {
  Graph body = new_graph("body"), g = new_graph("main");
  const ValueId a = body.add_input("a", {});
  finish(body, add(body, "Mul", {a, add(body, "Sigmoid", {a})}), "b");
  Function f;
  f.domain = "local";
  f.name = "Swish";
  f.body = shared(std::move(body));
  g.opsets["local"] = 1;
  const ValueId x = g.add_input("x", Type::tensor(DType::float32, {2, 3}));
  ValueId y = x;
  for (int i = 0; i < 2; ++i) {   // no row: a node of its own making
    Node n;
    n.domain = f.domain;
    n.type = f.name;
    n.inputs = {y};
    n.outputs = {y = g.add_value("y")};
    g.add_node(std::move(n));
  }
  g.add_output(y);
  std::vector<Function> functions;
  functions.push_back(std::move(f));
  return written("function", std::move(g), std::move(functions));
}

std::vector<Seed> of_rows() {
  std::vector<Seed> seeds;
  for (const OpDef* op : all_ops()) {
    if (op->origin != Origin::onnx) continue;
    int number = 0;
    for (const GridCase& one : parse_grid(*op)) {
      try {
        Seed seed = one_node(*op, one, number++);
        if (seed.bytes.size() <= kLargest) seeds.push_back(std::move(seed));
      } catch (const Error&) {   // a case that no file can hold
      }
    }
  }
  return seeds;
}

}  // namespace

std::vector<Seed> make_corpus(const std::string& folder) {
  std::vector<Seed> seeds = of_rows();
  for (int times = 0; times < 20; ++times) {   // as often as an operator with many cases
    for (auto make : {&conditional, &scan, &sequences, &shape_arithmetic, &with_function}) seeds.push_back(make());
    for (bool grows : {false, true}) seeds.push_back(loop(grows));
    for (const char* name : {"branch3", "dyn", "dropout", "convbnrelu"}) {
      seeds.push_back({name, onnx::write_model(app::make_fixture(name))});
      if (seeds.back().bytes.size() > kLargest) seeds.pop_back();
    }
  }
  std::vector<std::filesystem::path> files;
  std::error_code error;
  if (!folder.empty() && std::filesystem::is_directory(folder, error)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
      if (entry.path().extension() == ".onnx" && entry.file_size() <= kLargest) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  for (const auto& path : files) {
    std::ifstream file(path, std::ios::binary);
    seeds.push_back({path.parent_path().filename().string(), {std::istreambuf_iterator<char>(file), {}}});
  }
  return seeds;
}

}  // namespace chorus::testing
