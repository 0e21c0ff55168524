// The ONNX reader on files built byte by byte: what they mean, and every way to lie.
#include <chorus/error.h>
#include <format/onnx/mutate.h>
#include <format/onnx/onnx.h>
#include <format/onnx/wire_bytes.h>
#include <graph/image.h>
#include <gtest/gtest.h>

#include "support/proves.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace chorus {
namespace {

using testing::bytes;
using testing::floats;
using testing::graph_attribute;
using testing::info;
using testing::model;
using testing::node;
using testing::varint;

Model read(const std::string& file, const onnx::ReadLimits& limits = {}) {
  auto owner = std::make_shared<const std::string>(file);
  return onnx::read_model(*owner, owner, {}, "memory", limits);
}

// Code and message of the refusal; "read" when there was none.
std::string refusal(const std::string& file, const onnx::ReadLimits& limits = {}) {
  try {
    read(file, limits);
  } catch (const Error& error) {
    return std::string(code_name(error.code())) + ": " + error.what();
  }
  return "read";
}

#define EXPECT_REFUSED(file, part) EXPECT_NE(refusal(file).find(part), std::string::npos) << refusal(file)

// x [2] float + w [2] → y
std::string add_graph() {
  return bytes(1, node("Add", {"x", "w"}, {"y"}, bytes(3, "sum"))) + bytes(2, "g") +
         bytes(5, floats("w", {2}, {3, 4})) + bytes(11, info("x", 1, {2})) + bytes(12, info("y", 1, {2}));
}

TEST(OnnxReader, MakesGraphOfFile) {
  const Model m = read(model(add_graph()));
  EXPECT_EQ(m.ir_version, 10);
  const Graph& g = *m.graph;
  EXPECT_EQ(g.opsets.at(""), 21);
  ASSERT_EQ(g.inputs().size(), 1u);
  ASSERT_EQ(g.outputs().size(), 1u);
  const NodeId id = g.order().at(0);
  EXPECT_EQ(g.node(id).name, "sum");
  ASSERT_NE(g.node(id).op, nullptr);
  EXPECT_EQ(g.node(id).op->versions[static_cast<size_t>(g.node(id).version)].since, 14);   // of opset 21
  const Value& w = g.value(g.find_value("w")).constant;
  EXPECT_EQ(w.as<float>()[1], 4.0f);
  EXPECT_TRUE(g.value(g.inputs()[0]).type.dims[0].is(2));
}

TEST(OnnxReader, WeightsLieWhereTheFileIs) {
  // The elements are moved to a multiple of 4 by a name of the right length.
  for (int pad = 0; pad < 4; ++pad) {
    auto file = std::make_shared<const std::string>(
        varint(1, 10) + bytes(2, std::string(static_cast<size_t>(pad + 1), 'p')) + model(add_graph()));
    const Model m = onnx::read_model(*file, file);
    const auto* data = static_cast<const char*>(m.graph->value(m.graph->find_value("w")).constant.data());
    const size_t at = file->find(std::string("\x00\x00\x40\x40\x00\x00\x80\x40", 8));
    ASSERT_NE(at, std::string::npos);
    const bool aligned = reinterpret_cast<uintptr_t>(file->data() + at) % 4 == 0;
    EXPECT_EQ(data == file->data() + at, aligned) << pad;
  }
}

TEST(OnnxReader, BodiesCaptureOuterValues) {
  const std::string body = bytes(1, node("Add", {"x", "w"}, {"z"})) + bytes(2, "b") + bytes(12, info("z", 1, {2}));
  const std::string branch =
      node("If", {"c"}, {"y"}, graph_attribute("then_branch", body) + graph_attribute("else_branch", body));
  const std::string g = bytes(1, branch) + bytes(2, "g") + bytes(5, floats("w", {2}, {3, 4})) +
                        bytes(11, info("x", 1, {2})) + bytes(11, info("c", 9, {})) + bytes(12, info("y", 1, {2}));
  const Model m = read(model(g));
  const GraphPtr inner = *m.graph->node(0).attributes.find("then_branch")->get<GraphPtr>();
  ASSERT_EQ(inner->captures.size(), 2u);
  EXPECT_EQ(inner->captures[0].second, "x");
  EXPECT_EQ(inner->captures[1].second, "w");
}

// A graph has no cycles; loops and branches are graphs inside of a node.
TEST(OnnxReader, CyclesNameTheirNodes) {
  const std::string first = node("Add", {"x", "b"}, {"a"}, bytes(3, "first")),
                    second = node("Neg", {"a"}, {"b"}, bytes(3, "second"));
  const std::string rest = bytes(2, "g") + bytes(11, info("x", 1, {2})) + bytes(12, info("a", 1, {2}));
  try {
    read(model(bytes(1, first) + bytes(1, second) + rest));
    ADD_FAILURE() << "a cycle was read";
  } catch (const Error& error) {
    const std::string said = error.what();
    EXPECT_NE(said.find("node \"first\" (Add)"), std::string::npos) << said;
    EXPECT_NE(said.find("node \"second\" (Neg)"), std::string::npos) << said;
    EXPECT_NE(said.find("cycle"), std::string::npos) << said;
  }
  EXPECT_REFUSED(model(bytes(1, node("Add", {"x", "a"}, {"a"}, bytes(3, "own"))) + rest), "node \"own\" (Add) does");
  const std::string body = bytes(1, node("Neg", {"x"}, {"i"})) + bytes(2, "b") + bytes(12, info("i", 1, {2}));
  const std::string branch =
      node("If", {"c"}, {"a"}, graph_attribute("then_branch", body) + graph_attribute("else_branch", body));
  const Model m = read(model(bytes(1, branch) + rest + bytes(11, info("c", 9, {}))));
  ASSERT_EQ(m.graph->order().size(), 1U);
  for (const char* name : {"then_branch", "else_branch"}) {
    const AttrValue* region = m.graph->node(0).attributes.find(name);
    ASSERT_NE(region, nullptr);
    EXPECT_EQ((*region->get<GraphPtr>())->order().size(), 1U);
  }
  testing::proves("C-IR-06");
}

TEST(OnnxReader, RefusesGraphsThatAreNone) {
  EXPECT_REFUSED("", "holds no ONNX graph");
  EXPECT_REFUSED(std::string("\x0a\xff\xff\xff\xff\x0f", 6), "are left");
  EXPECT_REFUSED(model(bytes(1, node("Relu", {"nobody"}, {"y"})) + bytes(12, info("y", 1, {2}))),
                 "\"nobody\" is read but nothing before makes it");
  EXPECT_REFUSED(model(add_graph() + bytes(1, node("Relu", {"x"}, {"y"}))), "made a second time");
  EXPECT_REFUSED(model(add_graph() + bytes(1, node("Relu", {"y"}, {"x"}))), "made a second time");
  EXPECT_REFUSED(model(add_graph() + bytes(5, floats("w", {2}, {1, 2}))), "defined twice");
  EXPECT_REFUSED(model(add_graph() + bytes(1, node("", {"x"}, {"q"}))), "no operator");
  EXPECT_REFUSED(model(add_graph()) + bytes(8, bytes(1, "") + varint(2, 0)) + bytes(8, bytes(1, "a") + varint(2, -3)),
                 "does not exist");
  EXPECT_REFUSED(bytes(1, "ten") + model(add_graph()), "wire type");
}

TEST(OnnxReader, RefusesTensorsThatLie) {
  auto with = [](const std::string& tensor) { return model(bytes(5, tensor) + add_graph()); };
  EXPECT_REFUSED(with(floats("v", {3}, {1, 2})), "needs 12");
  EXPECT_REFUSED(with(varint(1, int64_t{1} << 40) + varint(1, int64_t{1} << 40) + varint(2, 1) + bytes(8, "v")),
                 "impossible shape");
  EXPECT_REFUSED(with(varint(1, -1) + varint(2, 1) + bytes(8, "v")), "impossible shape");
  EXPECT_REFUSED(with(varint(1, int64_t{1} << 33) + varint(2, 1) + bytes(8, "v")),
                 "has 0 numbers in float_data");   // no memory is taken
  EXPECT_REFUSED(with(varint(1, 2) + varint(2, 77) + bytes(8, "v")), "element type 77");
  EXPECT_REFUSED(with(varint(2, 1) + bytes(9, std::string(4, '\0'))), "has no name");
  EXPECT_REFUSED(with(varint(1, 2) + varint(2, 8) + bytes(6, "one") + bytes(8, "v")), "1 texts");
}

std::string entry(std::string_view key, std::string_view value) { return bytes(13, bytes(1, key) + bytes(2, value)); }
std::string external(std::string_view entries) {
  return model(bytes(5, varint(1, 2) + varint(2, 1) + bytes(8, "v") + std::string(entries) + varint(14, 1)) +
               add_graph());
}

class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "chorus-onnx-XXXXXX";
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

TEST(OnnxReader, ExternalDataStaysInItsFolder) {
  const Folder folder;
  std::filesystem::create_directory(folder.path() / "model");
  const float two[] = {5, 6};
  folder.write("secret", std::string(8, 'x'));
  folder.write("model/data", std::string(4, '\0') + std::string(reinterpret_cast<const char*>(two), 8));
  std::filesystem::create_symlink(folder.path() / "secret", folder.path() / "model/link");
  std::filesystem::create_hard_link(folder.path() / "secret", folder.path() / "model/hard");
  auto outcome = [&](const std::string& file) -> std::string {
    const std::string path = folder.write("model/m.onnx", file);
    try {
      const Model m = onnx::read_model(path);
      return m.graph->value(m.graph->find_value("v")).constant.str();
    } catch (const Error& error) {
      return std::string(code_name(error.code()));
    }
  };
  EXPECT_EQ(outcome(external(entry("location", "data") + entry("offset", "4") + entry("length", "8"))),
            "float32[2] [5, 6]");
  EXPECT_EQ(outcome(external(entry("location", "data") + entry("offset", "4"))), "float32[2] [5, 6]");
  for (const char* location : {"../secret", "link", "hard", "a/../../secret", ""})
    EXPECT_EQ(outcome(external(entry("location", location))), "bad_input") << location;
  EXPECT_EQ(outcome(external(entry("location", (folder.path() / "secret").string()))), "bad_input");
  EXPECT_EQ(outcome(external(entry("location", "absent"))), "not_found");
  EXPECT_EQ(outcome(external(entry("location", "data") + entry("offset", "8"))), "bad_input");  // past the end
  EXPECT_EQ(outcome(external(entry("location", "data") + entry("offset", "-4"))), "bad_input");
  EXPECT_EQ(outcome(external(entry("location", "data") + entry("length", "99999999999999999999"))), "bad_input");
  EXPECT_EQ(outcome(external(entry("location", "data") + entry("__class__", "x"))), "bad_input");
  EXPECT_REFUSED(external(entry("location", "data")), "from memory has no folder");
}

TEST(OnnxReader, BoundsNestingNodesAndValues) {
  std::string body = bytes(2, "b");
  for (int i = 0; i < 5000; ++i) body = bytes(1, node("If", {}, {}, graph_attribute("then_branch", body)));
  EXPECT_REFUSED(model(body), "nested deeper than 64");
  std::string type = varint(1, 1);
  for (int i = 0; i < 5000; ++i) type = bytes(4, bytes(1, type));
  EXPECT_REFUSED(model(bytes(11, bytes(1, "t") + bytes(2, type)) + add_graph()), "nested deeper than 64");
  onnx::ReadLimits limits;
  limits.nodes = 3;
  std::string many = add_graph();
  for (int i = 0; i < 5; ++i) many += bytes(1, node("Relu", {"x"}, {"r" + std::to_string(i)}));
  EXPECT_EQ(refusal(model(many), limits).substr(0, 6), "budget");
  limits = {};
  limits.values = 4;
  EXPECT_EQ(refusal(model(many), limits).substr(0, 6), "budget");
  limits = {};
  limits.name_bytes = 3;
  EXPECT_EQ(refusal(model(bytes(5, floats("long name", {2}, {3, 4})) + add_graph()), limits).substr(0, 6), "budget");
}

TEST(OnnxReader, SparseInitializersAreCheckedAndBounded) {
  auto sparse = [](int64_t size, int64_t index) {
    std::string raw(8, '\0');
    std::memcpy(raw.data(), &index, 8);
    const std::string values = varint(1, 1) + floats("s", {}, {7}),
                      indices = varint(1, 1) + varint(2, 7) + bytes(9, raw);
    return model(bytes(15, bytes(1, values) + bytes(2, indices) + varint(3, size)) + add_graph());
  };
  const Model m = read(sparse(4, 2));
  EXPECT_EQ(m.graph->value(m.graph->find_value("s")).constant.str(), "float32[4] [0, 0, 7, 0]");
  EXPECT_REFUSED(sparse(4, 4), "lies outside");
  EXPECT_REFUSED(sparse(4, -1), "lies outside");
  EXPECT_REFUSED(sparse(int64_t{1} << 32, 0), "stored ones");  // 16 GiB of zeros from a few bytes
}

TEST(OnnxReader, TruthValuesAreZeroOrOne) {
  const std::string t = varint(1, 3) + varint(2, 9) + bytes(8, "t") + bytes(9, std::string("\x00\x02\xff", 3));
  const Model m = read(model(bytes(5, t) + add_graph()));
  const auto* p = static_cast<const uint8_t*>(m.graph->value(m.graph->find_value("t")).constant.data());
  EXPECT_EQ(p[0], 0);
  EXPECT_EQ(p[1], 1);
  EXPECT_EQ(p[2], 1);
}

// Whatever stands in the bytes: a model or one Error, never anything else; what was read can be written, and read again.
TEST(OnnxReader, DamagedFilesGiveErrors) {
  const std::string body = bytes(1, node("Add", {"x", "w"}, {"z"})) + bytes(2, "b") + bytes(12, info("z", 1, {2}));
  const std::string branch =
      node("If", {"c"}, {"q"}, graph_attribute("then_branch", body) + graph_attribute("else_branch", body));
  const std::string file =
      model(add_graph() + bytes(11, info("c", 9, {})) + bytes(1, branch) + bytes(12, info("q", 1, {2})));
  int good = 0;
  for (uint64_t seed = 0; seed < 10000; ++seed) {
    const std::string damaged = testing::Mutator(seed).damaged(file);
    std::string written;
    try {
      const Model m = read(damaged);
      ++good;
      written = onnx::write_model(m);
    } catch (const Error& error) {
      EXPECT_NE(error.code(), Code::internal) << error.what();
    }
    if (!written.empty()) {
      EXPECT_EQ(refusal(written), "read") << seed;
    }
  }
  EXPECT_GT(good, 100);
}

}  // namespace
}  // namespace chorus
