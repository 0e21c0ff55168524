// Plug-ins of other versions, and plug-ins that lie: they work, or are refused with a sentence; the process never dies of one.
#include <engine/plugin/plugin.h>

#include <fstream>

#include "engine/engine_case.h"

namespace chorus {
namespace {

using testing::message_of;
using testing::one_node;

std::shared_ptr<Engine> open(const std::string& name) {
  return plugin::load_engine(std::string(CHORUS_TEST_PLUGINS) + "/libchorus_engine_" + name + ".so", name, "");
}

const std::vector<Value> kInput = {Value::of<float>(Shape{3}, {1.5f, -2.f, 0.25f})};

void expect_negated(const Value& y) {
  ASSERT_EQ(y.dtype(), DType::float32);
  ASSERT_EQ(y.shape(), Shape({3}));
  EXPECT_EQ(y.as<float>()[0], -1.5f);
  EXPECT_EQ(y.as<float>()[1], 2.f);
  EXPECT_EQ(y.as<float>()[2], -0.25f);
}

TEST(Plugin, OlderAndNewerMinorWork) {
  for (const char* name : {"older_minor", "newer_minor", "liar"}) {
    const auto engine = open(name);
    const auto program = engine->compile(one_node("Neg", 1, {Dim::symbol("n")}), {});
    expect_negated(testing::run_program(*program, kInput)[0]);
    EXPECT_EQ(program->instance()->arena_bytes(), 0) << name;  // what minor 1 added is not called in an older table
    EXPECT_FALSE(program->str("plan").empty());
  }
}

TEST(Plugin, FoundInGivenFolders) {
  set_engine_folders({CHORUS_TEST_PLUGINS});
  EXPECT_EQ(open_engine("older_minor"), open_engine("older_minor"));  // once per process
  bool listed = false;
  for (const EngineInfo& info : list_engines())
    listed |= info.name == "older_minor" && info.available && info.version == "0.1";
  EXPECT_TRUE(listed);
  EXPECT_EQ(list_engines().front().name, "native");
  Code code = Code::ok;
  const std::string unknown = message_of([] { open_engine("nonesuch"); }, &code);
  EXPECT_EQ(code, Code::not_found);
  EXPECT_NE(unknown.find("known engines: native"), std::string::npos) << unknown;
  EXPECT_NE(unknown.find("older_minor"), std::string::npos) << unknown;
  for (const char* bad : {"", "../x", "Native", "a/b"}) {
    message_of([&] { open_engine(bad); }, &code);
    EXPECT_EQ(code, Code::not_found) << bad;
  }
}

TEST(InstalledEngine, IsAskedForByNameOrAll) {
  EXPECT_FALSE(testing::asks_for(nullptr, "openvino"));
  for (const char* none : {"", "onnxruntime", "openvino2", "open", ",", "onnxruntime,openvino-dev"}) {
    EXPECT_FALSE(testing::asks_for(none, "openvino")) << none;
  }
  for (const char* asked : {"all", "openvino", "onnxruntime,openvino", "openvino, onnxruntime", "onnxruntime, all"}) {
    EXPECT_TRUE(testing::asks_for(asked, "openvino")) << asked;
  }
}

TEST(Plugin, FilesThatAreNone) {
  const std::string path = ::testing::TempDir() + "libchorus_engine_text.so";
  std::ofstream(path) << "not a library";
  Code code = Code::ok;
  EXPECT_NE(message_of([&] { plugin::load_engine(path, "text", ""); }, &code).find("cannot be loaded"),
            std::string::npos);
  EXPECT_EQ(code, Code::unavailable);
  EXPECT_NE(message_of([&] { plugin::load_engine("libm.so.6", "m", ""); }, &code).find("chorus_engine_v1"),
            std::string::npos);
  EXPECT_EQ(code, Code::unavailable);
}

TEST(Plugin, LiesAboutOutputsAreRefused) {
  const auto engine = open("liar");
  for (const char* lie : {"rank",  "no dims",     "negative", "huge", "longer", "short buffer", "offset", "null data",
                          "dtype", "other dtype", "strings",  "kind", "size",   "strides",      "layout", "device",
                          "items", "null items",  "map",      "mode", "skip",   "code of run"}) {
    CompileOptions options;
    options.more = lie;
    const auto program = engine->compile(one_node("Neg", 1, {Dim::symbol("n")}), options);
    Code code = Code::ok;
    const std::string said = message_of([&] { testing::run_program(*program, kInput); }, &code);
    EXPECT_EQ(code, Code::internal) << lie << ": " << said;
    EXPECT_NE(said.find("engine liar"), std::string::npos) << lie << ": " << said;
  }
}

TEST(Plugin, LiesAboutProgramsAreRefused) {
  const auto engine = open("liar");
  const Model model = one_node("Neg", 1, {3});
  auto said = [&](const char* lie, Code wanted) {
    CompileOptions options;
    options.more = lie;
    Code code = Code::ok;
    std::string text = message_of([&] { engine->compile(model, options)->instance(); }, &code);
    EXPECT_EQ(code, wanted) << lie << ": " << text;
    return text;
  };
  EXPECT_NE(said("no program", Code::internal).find("compiled nothing"), std::string::npos);
  EXPECT_NE(said("no instance", Code::internal).find("no instance"), std::string::npos);
  EXPECT_NE(said("verdict", Code::internal).find("verdict 9"), std::string::npos);
  EXPECT_NE(said("code", Code::internal).find("unknown code 77"), std::string::npos);
  const std::string mute = said("mute", Code::unsupported);  // a reason of 200 bytes without an end
  EXPECT_NE(mute.find("refuses 1 of 1 nodes"), std::string::npos);
  EXPECT_NE(mute.find(": " + std::string(200, 'x') + "\n"), std::string::npos) << mute;
}

TEST(Plugin, GivenBuffersAreWrittenInPlace) {
  const auto program = open("liar")->compile(one_node("Neg", 1, {3}), {});
  const auto instance = program->instance();
  std::vector<Value> outputs = {Value::tensor(DType::float32, Shape{3})};
  const void* place = outputs[0].data();
  instance->run(kInput, outputs, {});
  EXPECT_EQ(outputs[0].data(), place);
  expect_negated(outputs[0]);
}

TEST(Plugin, WrongInputsAreNamed) {
  const auto program = open("liar")->compile(one_node("Neg", 1, {3}), {});
  Code code = Code::ok;
  auto said = [&](std::vector<Value> inputs) {
    return message_of([&] { testing::run_program(*program, inputs); }, &code);
  };
  EXPECT_NE(said({Value()}).find("\"a\" is missing"), std::string::npos);
  EXPECT_EQ(code, Code::bad_input);
  said({Value::of<int32_t>(Shape{3}, {1, 2, 3})});
  EXPECT_EQ(code, Code::type);
  EXPECT_NE(said({Value::of<float>(Shape{2}, {1, 2})}).find("float32[2]"), std::string::npos);
  EXPECT_EQ(code, Code::shape);
  said({});
  EXPECT_EQ(code, Code::bad_input);
}

}  // namespace
}  // namespace chorus
