#include "ops/op_case.h"

#include <chorus/error.h>
#include <core/convert.h>
#include <engine/native/kernel.h>
#include <ops/grid.h>
#include <ops/op_def.h>
#include <ops/table.h>

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <cstdlib>
#include <fstream>
#include <optional>
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

// A number that the types of a case can hold all; texts and truth values are drawn.
Value converted(const Value& value, DType type) {
  Value out = Value::tensor(type, value.shape());
  const std::vector<double> numbers = value.to_doubles();
  for (size_t i = 0; i < numbers.size(); ++i) {
    const std::complex<double> number(numbers[i]);
    const auto at = static_cast<int64_t>(i);
    if (is_complex(type)) {
      store_c128(type, out.mutable_data(), at, 1, &number);
    } else if (is_integer(type) || type == DType::boolean) {
      set_i64(type, out.mutable_data(), at, std::abs(numbers[i]) < 9e18 ? static_cast<int64_t>(numbers[i]) : 1);
    } else {
      set_f64(type, out.mutable_data(), at, numbers[i]);
    }
  }
  return out;
}

GridOperand retyped(GridOperand operand, DType type) {
  if (operand.kind == GridOperand::Kind::omitted || operand.dtype == type) return operand;
  if (operand.kind == GridOperand::Kind::constant && !operand.value.is_tensor()) return operand;  // a map
  const auto drawn = [](DType t) { return t == DType::string || t == DType::boolean || is_complex(t); };
  if (operand.kind == GridOperand::Kind::constant && (type == DType::string || drawn(operand.dtype))) {
    operand.kind = GridOperand::Kind::made;
    operand.shape = operand.value.shape();
  }
  operand.dtype = type;
  if (operand.kind == GridOperand::Kind::constant) operand.value = converted(operand.value, type);
  if (operand.low < 0 && is_unsigned_integer(type)) operand.ranged = false;
  for (GridOperand& item : operand.items) item = retyped(std::move(item), type);
  return operand;
}

enum class Retype : uint8_t { letter, all };

/// A case with `type` in the place of a letter, of operands and of the attribute that chooses a result's type; nullopt where it has none.
std::optional<GridCase> with_type(const OpDef& def, GridCase one, int letter, DType type, Retype which) {
  const Schema& schema = def.newest();
  bool met = false;
  for (size_t i = 0; i < one.operands.size(); ++i) {
    const Param* param = schema.input(static_cast<int>(i));
    GridOperand& operand = one.operands[i];
    if (param == nullptr || operand.kind == GridOperand::Kind::omitted) continue;
    met |= param->type_set == letter;
    const TypeSet& set = schema.types[static_cast<size_t>(param->type_set)];
    const bool fits = dtype_in(type, set.tensor | set.sequence) && param->name != "position";
    if (param->type_set == letter || (which == Retype::all && fits)) operand = retyped(std::move(operand), type);
  }
  const Param* result = schema.output(0);
  for (const char* name : {"to", "dtype", "output_dtype"}) {
    const AttrValue* chosen = one.attributes.find(name);
    const bool chooses = result != nullptr && result->type_set == letter && !met;
    if (chosen == nullptr || !(chooses || def.name == "BitCast")) continue;
    one.attributes.set(name, static_cast<int64_t>(type));
    if (chooses) return one;
  }
  return met ? std::optional(one) : std::nullopt;
}

/// Whether one of the cases runs with the type; `why` is the first refusal, empty where no case has the letter.
bool runs(const OpDef& def, std::span<const GridCase> cases, int letter, DType type, std::string& why) {
  for (const Retype which : {Retype::letter, Retype::all}) {
    for (const GridCase& original : cases) {
      const std::optional<GridCase> one = with_type(def, original, letter, type, which);
      if (!one) continue;
      try {
        testing::run_op({.op = def.name,
                         .inputs = make_inputs(*one, 5),
                         .attributes = one->attributes,
                         .outputs = one->outputs,
                         .domain = def.domain});
        return true;
      } catch (const Error& e) {
        if (why.empty()) why = std::string(one->text) + ": " + e.what();
      }
    }
  }
  return false;
}

// Nothing can be computed of them, or what is computed is in bodies, in other nodes, or in a decoder that is not linked here.
bool computes(const OpDef& def, DType type) {
  static const std::set<std::string_view> elsewhere = {"If", "Loop", "Scan", "SequenceMap", "ImageDecoder", "Gradient"};
  if (elsewhere.contains(def.name)) return false;
  return type != DType::string || (def.name != "GridSample" && def.name != "Col2Im");
}

TEST(Table, EveryDeclaredTypeRuns) {
  int ran = 0;
  for (const OpDef* def : all_ops()) {
    if (def->origin != Origin::onnx || def->domain == "com.example") continue;
    std::vector<GridCase> cases = parse_grid(*def);
    std::erase_if(cases, [&](const GridCase& c) { return c.version + 1 != static_cast<int>(def->versions.size()); });
    const auto& sets = def->newest().types;
    for (size_t letter = 0; letter < sets.size(); ++letter) {
      for (int number = 1; number < kDTypeCount; ++number) {
        const auto type = static_cast<DType>(number);
        if (!dtype_in(type, sets[letter].tensor | sets[letter].sequence) || !computes(*def, type)) continue;
        std::string why;
        const bool done = runs(*def, cases, static_cast<int>(letter), type, why);
        ran += done ? 1 : 0;
        EXPECT_TRUE(done || why.empty()) << def->domain << " " << def->name << " " << sets[letter].letter << " = "
                                         << dtype_name(type) << ": " << why;
      }
    }
  }
  EXPECT_GT(ran, 2000);
  std::string why;
  const OpDef* refuses = find_op("", "GridSample");
  EXPECT_FALSE(runs(*refuses, parse_grid(*refuses), 0, DType::string, why));
  EXPECT_NE(why.find("strings cannot be sampled"), std::string::npos) << why;
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
