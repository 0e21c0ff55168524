// docs/engine_matrix.md: what each engine does with each operator, found by asking and running it on the cases of the operator's grid. Answers of
// PyTorch and PaddlePaddle are compared with the reference kernels on the way. CHORUS_WRITE_MATRIX=1 writes the page; else it must be as these tests find it.
#include <core/convert.h>
#include <engine/native/native_engine.h>
#include <ops/grid.h>
#include <ops/table.h>

#include <cmath>
#include <complex>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "engine/engine_case.h"

namespace chorus {
namespace {

using testing::message_of;

constexpr const char* kPage = "docs/engine_matrix.md";
constexpr const char* kEngines[] = {"native", "mindspore",  "onnxruntime", "openvino",
                                    "paddle", "tensorflow", "torch",       "tvm"};

struct OneNode {
  Model model;
  std::vector<Value> all, inputs;  // operands, and those that are inputs of the model
};

// Operands that the shape rule reads are constants, as models have them.
OneNode one_node(const OpDef& def, const GridCase& one) {
  OneNode made;
  auto graph = std::make_shared<Graph>();
  for (const char* domain : {"", "ai.onnx.ml", "chorus"}) graph->opsets[domain] = newest_opset(domain);
  if (const int preview = newest_opset(def.domain); preview > 0) graph->opsets[std::string(def.domain)] = preview;
  Node n;
  n.op = &def;
  n.version = one.version;
  n.domain = std::string(def.domain);
  n.type = std::string(def.name);
  n.attributes = one.attributes;
  made.all = make_inputs(one, 1);
  const Schema& schema = def.newest();
  for (size_t i = 0; i < made.all.size(); ++i) {
    const Value& v = made.all[i];
    const Param* p = schema.input(static_cast<int>(i));
    if (!v) {
      n.inputs.push_back(kNone);
    } else if (v.is_tensor() && p != nullptr && p->host_value) {
      n.inputs.push_back(graph->add_constant("c" + std::to_string(i), v));
    } else {
      n.inputs.push_back(graph->add_input("x" + std::to_string(i), Type::of(v)));
      made.inputs.push_back(v);
    }
  }
  for (int o = 0; o < one.outputs; ++o) n.outputs.push_back(graph->add_value("y" + std::to_string(o), {}));
  const std::vector<ValueId> outputs = n.outputs;
  graph->add_node(std::move(n));
  for (ValueId id : outputs) graph->add_output(id);
  infer_types(*graph);
  made.model.graph = std::move(graph);
  made.model.ir_version = 13;
  return made;
}

enum class Answer : uint8_t { native, decomposed, refuses };

// The types narrow the bound: engines round to them between the steps of an operator.
double bound_of(DType type) {
  return type == DType::float64 || type == DType::complex128 ? 1e-9
         : type == DType::float16                            ? 4e-3
         : type == DType::bfloat16                           ? 4e-2
         : is_float(type) && dtype_bytes(type, 1) == 1       ? 0.13
                                                             : 2e-5;
}

std::string difference(const Value& got, const Value& wanted) {
  if (got.kind() != wanted.kind()) return "another kind of value";
  if (!wanted.is_tensor()) {
    if (got.items().size() != wanted.items().size()) return "another number of items";
    for (size_t i = 0; i < wanted.items().size(); ++i) {
      if (auto why = difference(got.items()[i], wanted.items()[i]); !why.empty()) return why;
    }
    return {};
  }
  if (got.dtype() != wanted.dtype() || !(got.shape() == wanted.shape())) return "another type or shape";
  for (int64_t i = 0; i < wanted.numel(); ++i) {
    std::complex<double> a, b;
    load_c128(got.dtype(), got.data(), i, 1, &a);
    load_c128(wanted.dtype(), wanted.data(), i, 1, &b);
    for (auto [x, y] : {std::pair(a.real(), b.real()), std::pair(a.imag(), b.imag())}) {
      if (x == y || (std::isnan(x) && std::isnan(y))) continue;
      if (std::isinf(y) || !(std::fabs(x - y) <= bound_of(wanted.dtype()) * (1 + std::fabs(y)))) {
        return "element " + std::to_string(i) + " is " + std::to_string(x) + " instead of " + std::to_string(y);
      }
    }
  }
  return {};
}

class Matrix : public ::testing::Test {
 protected:
  // What an engine computes must be what the reference kernel does.
  void compare(const OpDef& def, const GridCase& one, const OneNode& node, Program& program) {
    std::vector<Value> got, wanted;
    Code code = Code::ok;
    const auto instance = program.instance();  // sequences borrow from it
    got.resize(program.outputs().size());
    const std::string said = message_of([&] { instance->run(node.inputs, got, {}); }, &code);
    const std::string name = std::string(def.name) + " \"" + std::string(one.text) + "\": ";
    std::unique_ptr<Instance> reference;
    const std::string native = message_of([&] {
      reference = native_->compile(node.model, {})->instance();
      wanted.resize(got.size());
      reference->run(node.inputs, wanted, {});
    });
    if (!native.empty()) return;  // an error there may be one here
    if (code == Code::unsupported) return void(lacks_.push_back(name + said));
    EXPECT_EQ(said, "") << name;
    for (size_t i = 0; i < got.size() && i < wanted.size(); ++i)
      EXPECT_EQ(difference(got[i], wanted[i]), "") << name << "output " << i;
    ++compared_;
  }
  Answer ask(Engine& engine, const OpDef& def, const GridCase& one) {
    const OneNode node = one_node(def, one);
    if (engine.name() == "native") {
      return native::has_kernel(node.model.graph->node(node.model.graph->order().back())) ? Answer::native
                                                                                          : Answer::decomposed;
    }
    // These compile for the processor at once, which takes long: they are asked only, without decomposition.
    if (engine.name() == "openvino" || engine.name() == "tvm") {
      std::vector<Claim> claims;
      if (!message_of([&] { claims = engine.claim(*node.model.graph, {}); }).empty()) return Answer::refuses;
      return claims.empty() || claims[0].verdict == Verdict::no ? Answer::refuses : Answer::native;
    }
    for (Fallback fallback : {Fallback::none, Fallback::decompose}) {
      CompileOptions options;
      options.fallback = fallback;
      std::shared_ptr<Program> program;
      if (!message_of([&] { program = engine.compile(node.model, options); }).empty()) continue;
      if (engine.name() == "torch" || engine.name() == "paddle" || engine.name() == "mindspore")
        compare(def, one, node, *program);
      return fallback == Fallback::none ? Answer::native : Answer::decomposed;
    }
    return Answer::refuses;
  }
  std::string cell(Engine& engine, const OpDef& def) {
    int counts[3] = {}, total = 0;
    for (const GridCase& one : parse_grid(def)) {
      if (one.version + 1 != static_cast<int>(def.versions.size()))
        continue;  // older versions are brought up by Chorus
      // The grid has types that no file can have, for kernels that other operators are computed by.
      if (!message_of([&] { one_node(def, one); }).empty()) continue;
      ++counts[static_cast<int>(ask(engine, def, one))];
      ++total;
    }
    static constexpr const char* kWords[] = {"native", "decomposed", "refuses"};
    std::string text;
    for (int a = 0; a < 3; ++a) {
      if (counts[a] == 0) continue;
      text += (text.empty() ? "" : ", ") + std::string(kWords[a]) +
              (counts[a] < total ? " " + std::to_string(counts[a]) : "");
    }
    return text.empty() ? "-" : text;
  }

  std::shared_ptr<Engine> native_ = open_engine("native");
  std::vector<std::string> lacks_;  // taken by claim and compile, refused by a kernel in the run
  int compared_ = 0;
};

using Rows = std::map<std::string, std::map<std::string, std::string>>;  // operator → engine → cell

Rows read_page() {
  Rows rows;
  std::ifstream file(kPage);
  std::vector<std::string> columns;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("| ", 0) != 0) continue;
    std::vector<std::string> cells;
    std::stringstream parts(line.substr(1));
    for (std::string cell; std::getline(parts, cell, '|');) {
      const size_t begin = cell.find_first_not_of(' '), end = cell.find_last_not_of(' ');
      cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1));
    }
    if (columns.empty()) {
      columns = cells;
      continue;
    }
    for (size_t i = 1; i < cells.size() && i < columns.size(); ++i) rows[cells[0]][columns[i]] = cells[i];
  }
  return rows;
}

void write_page(const Rows& rows) {
  std::ofstream file(kPage);
  file << "# What each engine does with each operator\n\nWritten by `CHORUS_WRITE_MATRIX=1 build/bin/test_engine "
          "--gtest_filter='Matrix.*'`, which asks "
          "every\ninstalled engine about the cases of each operator's grid; the same test fails where this page says "
          "something else. *native*: by the "
          "engine's own\nmeans; *decomposed*: by simpler operators that Chorus puts in its place; *refuses*: with a "
          "sentence (`chorus explain`). Numbers "
          "are counts of cases where\nthey differ, by type most of the time.\n\n| operator |";
  for (const char* engine : kEngines) file << " " << engine << " |";
  file << "\n|---|";
  for (size_t i = 0; i < std::size(kEngines); ++i) file << "---|";
  file << "\n";
  for (const auto& [op, cells] : rows) {
    file << "| " << op << " |";
    for (const char* engine : kEngines) file << " " << (cells.count(engine) != 0 ? cells.at(engine) : "?") << " |";
    file << "\n";
  }
}

TEST_F(Matrix, IsAsThePageSaysLong) {
  const Rows page = read_page();
  Rows rows = page;
  for (const char* name : kEngines) {
    std::shared_ptr<Engine> engine;
    if (!message_of([&] { engine = open_engine(name); }).empty()) continue;  // its column cannot be checked here
    for (const OpDef* def : built_in_ops()) {
      const std::string op =
          def->domain.empty() ? std::string(def->name) : std::string(def->domain) + "." + std::string(def->name);
      rows[op][name] = cell(*engine, *def);
    }
  }
  std::printf("%d cases of PyTorch compared\n", compared_);
  for (const std::string& lack : lacks_) std::printf("refused by a kernel in the run: %s\n", lack.c_str());
  if (std::getenv("CHORUS_WRITE_MATRIX") != nullptr) return write_page(rows);
  for (const auto& [op, cells] : rows) {
    for (const auto& [engine, cell] : cells) {
      const auto row = page.find(op);
      const std::string said = row == page.end() || row->second.count(engine) == 0 ? "" : row->second.at(engine);
      EXPECT_EQ(said, cell) << kPage << " is stale for " << op << " on " << engine
                            << "; CHORUS_WRITE_MATRIX=1 writes it";
    }
  }
}

}  // namespace
}  // namespace chorus
