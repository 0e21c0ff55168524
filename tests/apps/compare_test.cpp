// One unchanged command, one model, every engine that is here, and a mock that shares no code with the library.
#include "command.h"
#include "support/proves.h"
#include "support/sanitized.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>

namespace chorus::testing {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// Builds tests/engine/plugins/mock.cpp into a folder of its own, which is returned; `error` is what it adds to its results.
std::string build_mock(const std::string& folder, const std::string& error) {
  std::ifstream file(fs::path(CHORUS_INCLUDE).parent_path() / "tests/engine/plugins/mock.cpp");
  std::string source((std::istreambuf_iterator<char>(file)), {});
  const size_t at = source.find("kError = 0.0f");
  EXPECT_NE(at, std::string::npos);
  source.replace(at, std::string("kError = 0.0f").size(), "kError = " + error);
  const fs::path place = scratch() / folder;
  fs::create_directories(place);
  std::ofstream(place / "mock.cpp") << source;
  const std::string line =
      "'" CHORUS_COMPILER "' -std=c++17 -O1 -fPIC -shared -fvisibility=hidden -I'" CHORUS_INCLUDE "' '" +
      (place / "mock.cpp").string() + "' -o '" + (place / "libchorus_engine_mock.so").string() + "'";
  EXPECT_EQ(std::system(line.c_str()), 0) << line;
  return place.string();
}

TEST(Compare, EveryEngineAgreesAndAWrongOneIsNamedLong) {
  if (kSanitized) GTEST_SKIP() << "a plug-in built without the sanitizer";
  ASSERT_EQ(chorus_command("gen lenet").status, 0);
  std::string engines = "native,mock";
  for (const Json& e : Json::parse(chorus_command("engines --json").out)) {
    const std::string name = e["name"];
    if (e["available"] == true && name != "native" && name != "example")
      engines += "," + name;  // the example knows three operators
  }
  const Done sound = chorus_command("compare lenet.onnx --json --engines " + engines,
                                    "CHORUS_ENGINE_PATH='" + build_mock("mock_sound", "0.0f") + "'");
  EXPECT_EQ(sound.status, 0) << engines << sound.out << sound.err;
  const Json json = Json::parse(sound.out);
  EXPECT_EQ(json["tolerance"], 1e-4);
  EXPECT_EQ(static_cast<long>(json["engines"].size()), std::count(engines.begin(), engines.end(), ','));
  for (const Json& e : json["engines"]) EXPECT_EQ(e["agrees"], true) << e;

  const std::string wrong = "CHORUS_ENGINE_PATH='" + build_mock("mock_wrong", "0.01f") + "'";
  const Done caught = chorus_command("compare lenet.onnx --engines native,mock", wrong);
  EXPECT_EQ(caught.status, 1) << caught.out << caught.err;
  EXPECT_NE(caught.out.find("mock differs first in \"probabilities\""), std::string::npos) << caught.out;
  EXPECT_EQ(chorus_command("compare lenet.onnx --engines native,mock --tolerance 0.02", wrong).status, 0);
  proves("E-GEN-04");
}

}  // namespace
}  // namespace chorus::testing
