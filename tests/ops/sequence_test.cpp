// Sequences, optionals, strings and regular expressions.
#include <engine/native/reference/string_ops.h>
#include <ops/table.h>
#include <gtest/gtest.h>

#include <regex>

#include "ops/op_case.h"

namespace chorus {
namespace {
using testing::make;
using testing::run_op;

TEST(Sequence, GridsRun) {
  for (const OpDef& def : families::sequence_ops()) {
    if (def.name == "SequenceMap") continue;  // needs a body
    EXPECT_GE(testing::run_grid(def.name), 3) << def.name;
  }
}

TEST(Sequence, InsertEraseAtAgree) {
  const Value a = make(DType::float32, {1}, {1}), b = make(DType::float32, {2}, {2, 3});
  const Value s = Value::sequence(DType::float32, {a, b});
  const auto inserted = run_op({.op = "SequenceInsert", .inputs = {s, b, Value::scalar<int64_t>(-2)}})[0];
  ASSERT_EQ(inserted.items().size(), 3u);
  EXPECT_TRUE(inserted.items()[0].identical(b));
  EXPECT_TRUE(run_op({.op = "SequenceErase", .inputs = {inserted, Value::scalar<int64_t>(0)}})[0].identical(s));
  EXPECT_THROW(run_op({.op = "SequenceAt", .inputs = {s, Value::scalar<int64_t>(2)}}), Error);
  EXPECT_THROW(run_op({.op = "SequenceAt", .inputs = {s, Value::scalar<int64_t>(INT64_MIN)}}), Error);
  EXPECT_THROW(run_op({.op = "SequenceErase", .inputs = {Value::sequence(DType::float32, {})}}), Error);
}

TEST(Sequence, SplittingAndJoiningIsTheIdentity) {
  const Value x = make(DType::int32, {2, 5}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  const auto parts =
      run_op({.op = "SplitToSequence", .inputs = {x, Value::scalar<int64_t>(2)}, .attributes = {{"axis", 1}}})[0];
  ASSERT_EQ(parts.items().size(), 3u);
  EXPECT_EQ(parts.items()[2].shape(), (Shape{2, 1}));
  EXPECT_TRUE(run_op({.op = "ConcatFromSequence", .inputs = {parts}, .attributes = {{"axis", 1}}})[0].identical(x));
  EXPECT_THROW(run_op({.op = "SplitToSequence", .inputs = {x, Value::scalar<int64_t>(0)}}), Error);
  EXPECT_THROW(run_op({.op = "SplitToSequence", .inputs = {x, Value::of<int64_t>({2}, {1, 2})}}), Error);
}

Value strings(std::vector<std::string> v) {
  const Shape shape{static_cast<int64_t>(v.size())};
  return Value::strings(shape, v);
}

TEST(Strings, SplitPadsWithEmptyStrings) {
  const auto out = run_op({.op = "StringSplit", .inputs = {strings({"  a bc  d ", "", "x"})}, .outputs = 2});
  EXPECT_EQ(out[0].shape(), (Shape{3, 3}));
  EXPECT_EQ(out[0].strings()[1], "bc");
  EXPECT_EQ(out[0].strings()[3], "");
  EXPECT_EQ(out[1].to_int64s(), (std::vector<int64_t>{3, 0, 1}));
  const auto cut = run_op({.op = "StringSplit",
                           .inputs = {strings({"a--b-c"})},
                           .attributes = {{"delimiter", "-"}, {"maxsplit", 2}},
                           .outputs = 2});
  EXPECT_EQ(cut[0].strings()[1], "");
  EXPECT_EQ(cut[0].strings()[2], "b-c");
}

TEST(Strings, NormalizerDropsStopWordsAndChangesCase) {
  const auto out =
      run_op({.op = "StringNormalizer",
              .inputs = {strings({"Ünder", "THE", "жук"})},
              .attributes = {{"case_change_action", "UPPER"}, {"stopwords", std::vector<std::string>{"the"}}}})[0];
  ASSERT_EQ(out.numel(), 2);
  EXPECT_EQ(out.strings()[0], "ÜNDER");
  EXPECT_EQ(out.strings()[1], "ЖУК");
}

TEST(Regex, AgreesWithTheStandardLibrary) {
  const char* patterns[] = {"a*b",       "(a|b)*abb",     "[a-c]+x?",  "a{2,3}b{0,2}", "\\d+\\.\\d*",
                            "[^ab]*",    "(ab|a)(bc|c)?", "a.c",       "^ab$",         "(?:a|bc){2}",
                            "\\w+@\\w+", "[\\w.\\-]+",    "a{0}b",     "x*|y",         "[]a]+",
                            "a{1,}",     "(a?){4}a{4}",   "\\s*a\\s*", "[a\\-z]+|"};
  const char* texts[] = {"",    "a",   "b",   "ab",   "abb",      "aab",  "aabb", "abc",  "bca", "abcbc",
                         "cab", "x",   "abx", "aaaa", "aaaaaaaa", "1.5",  "12.",  "a@b",  "a-c", "a.c",
                         "]a]", " a ", "yy",  "y",    "bcbc",     "abab", "az",   "a\nc", "-",   "aaabb"};
  for (const char* p : patterns) {
    if (std::string_view(p) == "[]a]+") continue;  // ECMAScript reads it as an empty class
    const native::Regex ours(p);
    const std::regex theirs(p);
    for (const char* t : texts) EXPECT_EQ(ours.full_match(t), std::regex_match(t, theirs)) << p << " on " << t;
  }
  EXPECT_TRUE(native::Regex("[]a]+").full_match("]a]"));
  EXPECT_TRUE(native::Regex("((a*)*)*b").full_match("aaaaaaaab"));  // exponential in the standard library
  EXPECT_TRUE(native::Regex("ж.к").full_match("жук"));
}

TEST(Regex, HostilePatternsAreBounded) {
  EXPECT_FALSE(native::Regex("(a*)*(a*)*(a*)*b").full_match(std::string(20000, 'a')));
  EXPECT_THROW(native::Regex("((((a{1000}){1000}){1000}){1000})"), Error);
  EXPECT_THROW(native::Regex("(((){1000}){1000}){1000}"), Error);
  EXPECT_THROW(native::Regex(std::string(100000, '(')), Error);
  for (const char* bad : {"(", ")", "[a", "*a", "a**", "\\", "[b-a]", "a{3,2}", "\\1", "(?=a)", "\\x", "[[:no:]]"}) {
    EXPECT_THROW(native::Regex{bad}, Error) << bad;
  }
}

}  // namespace
}  // namespace chorus
