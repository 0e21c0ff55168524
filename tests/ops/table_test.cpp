#include "ops/op_case.h"

#include <chorus/error.h>
#include <engine/native/kernel.h>
#include <ops/grid.h>
#include <ops/op_def.h>
#include <ops/table.h>

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <thread>

namespace chorus {
namespace {

TEST(Table, EveryRowParses) {
  for (const OpDef* def : all_ops()) {
    for (size_t i = 0; i < def->versions.size(); ++i) {
      EXPECT_NO_THROW({
        const Schema& schema = def->schema(static_cast<int>(i));
        EXPECT_EQ(schema.since, def->versions[i].since) << def->name;
      }) << def->name
         << "-" << def->versions[i].since;
      if (i > 0) {
        EXPECT_LT(def->versions[i - 1].since, def->versions[i].since) << def->name;
      }
    }
  }
}

TEST(Table, EveryGridParsesAndFitsItsSignature) {
  for (const OpDef* def : all_ops()) {
    try {
      EXPECT_FALSE(parse_grid(*def).empty()) << def->name;
    } catch (const Error& e) {
      ADD_FAILURE() << e.what();
    }
  }
}

TEST(Table, NamesAndFunctionsAreUnique) {
  std::set<std::string> names, functions;
  for (const OpDef* def : all_ops()) {
    EXPECT_TRUE(names.insert(std::string(def->domain) + "." + std::string(def->name)).second) << def->name;
    if (def->api.form == Form::function) {
      EXPECT_TRUE(functions.insert(std::string(def->api.cpp)).second) << def->api.cpp;
    }
  }
}

TEST(Table, EveryRowHasAKernelOrADecomposition) {
  for (const OpDef* def : all_ops()) {
    if (def->domain == "com.example") continue;  // of the test that registers rows
    const bool kernel = native::find_reference(def->domain, def->name) != nullptr;
    const bool body = def->domain.empty() && (def->name == "If" || def->name == "Loop" || def->name == "Scan");
    EXPECT_TRUE(kernel || body || std::holds_alternative<Decompose>(def->meaning)) << def->name;
  }
}

TEST(Table, LooksUpByBothNamesOfTheDomain) {
  EXPECT_EQ(find_op("", "NoSuchOperator"), nullptr);
  for (const OpDef* def : all_ops()) {
    EXPECT_EQ(find_op(def->domain, def->name), def) << def->name;
    if (def->domain.empty()) {
      EXPECT_EQ(find_op("ai.onnx", def->name), def);
    }
  }
  EXPECT_EQ(newest_opset(""), 28);
  EXPECT_EQ(newest_opset("ai.onnx"), 28);
  EXPECT_EQ(newest_opset("ai.onnx.ml"), 5);
  EXPECT_EQ(newest_opset("no.such.domain"), 0);
}

Cost no_cost(const CostContext&) { return {}; }
void no_rule(ShapeContext&) {}

TEST(Table, RegistersRowsOfPrograms) {
  static constexpr Version kVersions[] = {{1, "(T x) -> (T y) {alpha: float = 0.5}; T = floats"},
                                          {3, "(T x) -> (T y); T = all13"}};
  static OpDef def;
  def.name = "Twice";
  def.domain = "com.example";
  def.origin = Origin::chorus_public;
  def.versions = kVersions;
  def.grid = "f32[2]";
  try {
    register_op(def);
    ADD_FAILURE() << "an incomplete row was accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "register_op: com.example.Twice: it has no shape rule");
  }
  def.infer = no_rule;
  def.cost = no_cost;
  def.doc = "y = 2 x";
  def.api.cpp = "twice";
  def.meaning = Primitive{"a test"};
  register_op(def);
  EXPECT_EQ(find_op("com.example", "Twice"), &def);
  EXPECT_EQ(newest_opset("com.example"), 3);
  EXPECT_THROW(register_op(def), Error);
  EXPECT_EQ(def.version_index(0), -1);
  EXPECT_EQ(def.version_index(2), 0);
  EXPECT_EQ(def.version_index(99), 1);

  static constexpr Version kBad[] = {{1, "(T x) -> T y)"}};
  static OpDef bad = def;
  bad.name = "Bad";
  bad.versions = kBad;
  try {
    register_op(bad);
    ADD_FAILURE() << "a bad signature was accepted";
  } catch (const Error& e) {
    EXPECT_EQ(
        e.message(),
        "register_op: com.example.Bad: signature: expected '(' at position 9 of \"(T x) -> T y)\", found \"T y)\"");
  }
}

TEST(Table, SchemasAreParsedOnceByAnyThread) {
  static constexpr Version kVersions[] = {{1, "(T x) -> (T y); T = all"}};
  static const OpDef def{.name = "Threads", .versions = kVersions};
  std::vector<const Schema*> seen(8);
  std::vector<std::thread> threads;
  for (auto& slot : seen) threads.emplace_back([&slot] { slot = &def.newest(); });
  for (auto& t : threads) t.join();
  for (const Schema* s : seen) EXPECT_EQ(s, seen[0]);
}

// For tools/truth/check_table.py, which compares the table with the onnx package: CHORUS_TABLE_FILE names the file to write.
TEST(Table, WritesItselfAsJson) {
  const std::string json = table_json();
  EXPECT_EQ(json.substr(0, 1), "[");
  if (const char* path = std::getenv("CHORUS_TABLE_FILE")) std::ofstream(path) << json;
}

}  // namespace
}  // namespace chorus
