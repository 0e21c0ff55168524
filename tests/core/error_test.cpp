#include <chorus/error.h>
#include <chorus/result.h>

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>
#include <string>

namespace chorus {
namespace {

TEST(Error, TextIsWhatWhereFix) {
  const Error error(Code::shape, "Softmax: axis 3 is out of range for x of shape [2, 5, 7] (rank 3)",
                    "node \"head/softmax\", model.onnx, opset 13", "use an axis in [-3, 2]");
  EXPECT_STREQ(error.what(),
               "Softmax: axis 3 is out of range for x of shape [2, 5, 7] (rank 3)\n"
               "  where: node \"head/softmax\", model.onnx, opset 13\n"
               "  fix:   use an axis in [-3, 2]");
  EXPECT_EQ(error.code(), Code::shape);
  EXPECT_EQ(error.where(), "node \"head/softmax\", model.onnx, opset 13");
}

TEST(Error, EmptyPartsAreLeftOut) {
  EXPECT_STREQ(Error(Code::internal, "a").what(), "a");
  EXPECT_STREQ(Error(Code::internal, "a", "b").what(), "a\n  where: b");
  EXPECT_STREQ(Error(Code::internal, "a", "", "c").what(), "a\n  fix:   c");
}

TEST(Error, AtAddsTheOuterPlaceBehind) {
  const Error inner(Code::bad_input, "a", "node n", "c");
  const Error outer = inner.at("model.onnx").at("");
  EXPECT_EQ(outer.where(), "node n; model.onnx");
  EXPECT_STREQ(outer.what(), "a\n  where: node n; model.onnx\n  fix:   c");
  EXPECT_EQ(outer.code(), Code::bad_input);
  EXPECT_EQ(Error(Code::bad_input, "a").at("x").where(), "x");
}

TEST(Error, HostileNamesCannotDriveTheTerminalOrFillIt) {
  const Error error(Code::bad_input, std::string("name \x1b[2J\0\x7f é\tend", 18));
  EXPECT_STREQ(error.what(), "name \\x1b[2J\\x00\\x7f é\tend");
  EXPECT_EQ(error.message().size(), 18u);  // the raw text stays for programs
  const Error big(Code::bad_input, std::string(10 << 20, 'x'));
  EXPECT_LT(std::string(big.what()).size(), 70'000u);
  EXPECT_NE(std::string(big.what()).find("... (10485760 bytes)"), std::string::npos);
}

TEST(Error, EveryCodeHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Code::type); ++i) names.insert(code_name(static_cast<Code>(i)));
  EXPECT_EQ(names.size(), static_cast<size_t>(Code::type) + 1);
  EXPECT_EQ(names.count("unknown"), 0u);
  EXPECT_EQ(code_name(Code::shape), "shape");
  EXPECT_EQ(code_name(Code::bad_input), "bad_input");
  EXPECT_EQ(code_name(static_cast<Code>(-7)), "unknown");
}

TEST(Error, CopiesAreIndependent) {
  Error a(Code::type, "a");
  const Error b(Code::shape, "b", "w");
  const Error c(a);
  a = b;
  EXPECT_STREQ(a.what(), "b\n  where: w");
  EXPECT_STREQ(c.what(), "a");
}

TEST(Status, FormatsAndCuts) {
  EXPECT_TRUE(Status{}.ok());
  const Status status = Status::error(Code::bad_input, "Gather: index %d of %s is out of [0, %lld)", 9, "x", 5LL);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.node, -1);
  EXPECT_STREQ(status.text, "Gather: index 9 of x is out of [0, 5)");
  const Status cut = Status::error(Code::internal, "%s", std::string(1000, 'y').c_str());
  EXPECT_EQ(std::string(cut.text), std::string(sizeof cut.text - 1, 'y'));
}

TEST(Status, NeverEndsInHalfACharacter) {
  for (const std::string& character : {std::string("é"), std::string("中"), std::string("😀")}) {
    for (size_t shift = 0; shift < 4; ++shift) {
      std::string text(shift, 'a');
      while (text.size() < 400) text += character;
      const Status status = Status::error(Code::internal, "%s", text.c_str());
      const std::string got = status.text;
      EXPECT_EQ((got.size() - shift) % character.size(), 0u) << character << " after " << shift;
      EXPECT_GT(got.size(), sizeof status.text - 1 - character.size());
      EXPECT_EQ(text.compare(0, got.size(), got), 0);
    }
  }
}

TEST(Result, HoldsAValueOrTheError) {
  Result<int> good(3);
  EXPECT_TRUE(good.ok());
  EXPECT_EQ(good.value(), 3);
  Result<int> bad(Error(Code::not_found, "no file"));
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.error().code(), Code::not_found);
  EXPECT_THROW(bad.value(), Error);
}

}  // namespace
}  // namespace chorus
