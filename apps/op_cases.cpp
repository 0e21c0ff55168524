#include "op_cases.h"

#include <chorus/error.h>
#include <format/onnx/onnx.h>
#include <graph/infer.h>
#include <ops/grid.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace chorus::app {
namespace {

namespace fs = std::filesystem;

/// Thousands of small files that only a test reads: none is brought to the disk by itself, as AtomicFile would.
void write_file(const fs::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file)
    throw Error(Code::unavailable, "the file cannot be written", path.string(),
                "check the folder and the space on its disk");
}

/// Operands written in the grid become constants of the model, unless they are all that there is to feed.
bool is_fed(const GridOperand& o, bool feed_constants) {
  if (o.kind == GridOperand::Kind::omitted) return false;
  return feed_constants || o.kind != GridOperand::Kind::constant || !o.value.is_tensor();
}

Model model_of(const OpDef& def, const GridCase& one, std::span<const Value> operands, bool feed_constants) {
  const auto built = std::make_shared<Graph>();
  Graph& graph = *built;
  const int since = def.versions[static_cast<size_t>(one.version)].since;
  graph.opsets[std::string(def.domain)] = since;
  if (!def.domain.empty()) graph.opsets[""] = 17;
  Node node;
  node.op = &def;
  node.version = one.version;
  node.domain = def.domain;
  node.type = def.name;
  node.attributes = one.attributes;
  for (size_t i = 0; i < operands.size(); ++i) {
    const std::string name = fmt::format("x{}", i);
    if (one.operands[i].kind == GridOperand::Kind::omitted) {
      node.inputs.push_back(kNone);
    } else if (!is_fed(one.operands[i], feed_constants)) {
      node.inputs.push_back(graph.add_constant(name, operands[i]));
    } else {
      const ValueId id = graph.add_input(name, Type::of(operands[i]));
      graph.value(id).declared = true;
      node.inputs.push_back(id);
    }
  }
  while (!node.inputs.empty() && node.inputs.back() == kNone) node.inputs.pop_back();
  for (int o = 0; o < one.outputs; ++o) node.outputs.push_back(graph.add_value(fmt::format("y{}", o)));
  const std::vector<ValueId> outputs = node.outputs;
  graph.add_node(std::move(node));
  for (const ValueId id : outputs) graph.add_output(id);
  infer_types(graph);
  Model model;
  model.graph = built;
  return model;
}

int write_row(const OpDef& def, const fs::path& folder, int per_operator) {
  const auto cases = parse_grid(def);
  const int draws = (per_operator + static_cast<int>(cases.size()) - 1) / static_cast<int>(cases.size());
  int number = 0, models = 0;
  for (const GridCase& one : cases) {
    const fs::path here =
        folder / fmt::format("{}.{}", def.domain.empty() ? "ai.onnx" : def.domain, def.name) / std::to_string(number++);
    const bool feed_constants =
        std::none_of(one.operands.begin(), one.operands.end(), [](const GridOperand& o) { return is_fed(o, false); });
    try {
      const auto first = make_inputs(one, 1);
      const Model model = model_of(def, one, first, feed_constants);
      fs::create_directories(here);
      write_file(here / "model.onnx", onnx::write_model(model));
    } catch (const Error& e) {  // a body that a grid cannot write, a case that only a kernel can refuse
      fs::remove_all(here);
      std::fprintf(stderr, "%s: %s\n", here.string().c_str(), e.what());
      continue;
    }
    ++models;
    for (int k = 0; k < draws; ++k) {
      const auto values = make_inputs(one, 1 + static_cast<uint64_t>(k));
      const fs::path set = here / fmt::format("test_data_set_{}", k);
      fs::create_directories(set);
      int at = 0;
      for (size_t i = 0; i < values.size(); ++i) {
        if (!is_fed(one.operands[i], feed_constants)) continue;
        write_file(set / fmt::format("input_{}.pb", at++), onnx::write_value(values[i], fmt::format("x{}", i)));
      }
    }
  }
  return models;
}

}  // namespace

int write_op_cases(const std::string& folder, int per_operator) {
  int models = 0;
  for (const OpDef* def : all_ops()) {
    if (def->origin == Origin::onnx) models += write_row(*def, folder, per_operator);
  }
  return models;
}

}  // namespace chorus::app
