#include <core/json_depth.h>

#include <gtest/gtest.h>

#include <string>

namespace chorus {
namespace {

TEST(JsonDepth, CountsOpenBracketsOutsideTexts) {
  EXPECT_EQ(json_depth(""), 0);
  EXPECT_EQ(json_depth("12"), 0);
  EXPECT_EQ(json_depth("[1, {\"a\": []}, [[]]]"), 3);
  EXPECT_EQ(json_depth(R"({"[[[[": "{\"[[", "b": "\\"})"), 1);
  EXPECT_EQ(json_depth(R"({"a": "\\", "b": [1]})"), 2);
  EXPECT_EQ(json_depth("]]][[[["), 1);
  EXPECT_EQ(json_depth("\"[["), 0);
  EXPECT_EQ(json_depth("\"\\"), 0);
  EXPECT_EQ(json_depth(std::string(1'000'000, '[')), 1'000'000);
}

}  // namespace
}  // namespace chorus
