// The wire format against the examples of protobuf.dev/programming-guides/encoding, and against bytes that end too early.
#include <format/protobuf/wire.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

namespace chorus {
namespace {

std::string hex(std::string_view digits) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (size_t i = 0; i + 1 < digits.size(); ++i) {
    if (digits[i] == ' ') continue;
    out.push_back(static_cast<char>(digit(digits[i]) << 4 | digit(digits[i + 1])));
    ++i;
  }
  return out;
}

std::vector<wire::Field> fields_of(const std::string& message) {
  std::vector<wire::Field> fields;
  wire::Reader reader(message, message.data());
  for (wire::Field field; reader.next(field);) fields.push_back(field);
  return fields;
}

// Every field, and the numbers inside those of bytes: no call may end otherwise than well or by bad_input.
Code code_of(const std::string& message) {
  try {
    wire::Reader reader(message, message.data());
    for (wire::Field field; reader.next(field);) {
      std::vector<int64_t> numbers;
      if (field.type == wire::WireType::bytes) wire::append_varints(field, numbers, reader);
    }
  } catch (const Error& error) {
    return error.code();
  }
  return Code::ok;
}

TEST(Wire, ReadsTheExamplesOfItsGuide) {
  const std::string message = hex("08 96 01 12 07 74 65 73 74 69 6e 67 1a 03 08 96 01 32 06 03 8e 02 9e a7 05");
  const std::vector<wire::Field> fields = fields_of(message);
  ASSERT_EQ(fields.size(), 4u);
  EXPECT_EQ(fields[0].number, 1);
  EXPECT_EQ(fields[0].value, 150u);
  EXPECT_EQ(fields[1].number, 2);
  EXPECT_EQ(fields[1].bytes, "testing");
  EXPECT_EQ(fields[1].bytes.data(), message.data() + 5) << "a field of bytes is read in place";
  EXPECT_EQ(fields_of(std::string(fields[2].bytes)).at(0).value, 150u);
  wire::Reader reader(message, message.data());
  std::vector<int64_t> packed{1};
  wire::append_varints(fields[3], packed, reader);
  EXPECT_EQ(packed, (std::vector<int64_t>{1, 3, 270, 86942}));
  EXPECT_EQ(fields[3].raw, hex("32 06 03 8e 02 9e a7 05"));
}

TEST(Wire, NegativeAndWideNumbers) {
  const auto fields = fields_of(hex("08 fe ff ff ff ff ff ff ff ff 01 15 00 00 c0 3f 19 00 00 00 00 00 00 04 c0"));
  ASSERT_EQ(fields.size(), 3u);
  EXPECT_EQ(fields[0].as_int(), -2);
  EXPECT_EQ(fields[1].as_float(), 1.5f);
  const std::string empty;
  wire::Reader reader(empty, empty.data());
  std::vector<double> doubles;
  wire::append_doubles(fields[2], doubles, reader);
  EXPECT_EQ(doubles, std::vector<double>{-2.5});
}

TEST(Wire, RefusesWhatIsNoMessage) {
  for (const char* damaged : {
           "08",  // no number
           "08 96",  // ends inside a number
           "08 ff ff ff ff ff ff ff ff ff 02",  // more than 64 bits
           "08 ff ff ff ff ff ff ff ff ff ff 01",  // more than ten bytes
           "0d 00 00 00",  // ends inside four bytes
           "09 00 00 00 00 00 00 00",  // ends inside eight
           "12 07 74 65",  // a length beyond the end
           "12 ff ff ff ff ff ff ff ff ff 01",  // a length near 2^64
           "00 01",  // field number 0
           "0b 0c",  // a group
           "0e",  // wire type 6
       }) {
    EXPECT_EQ(code_of(hex(damaged)), Code::bad_input) << damaged;
  }
  EXPECT_EQ(code_of(hex("32 02 03 8e")), Code::bad_input) << "a packed number that ends early";
  const std::string whole = hex("08 96 01 15 00 00 c0 3f 12 07 74 65 73 74 69 6e 67");
  const size_t ends[] = {0, 3, 8, 17};
  for (size_t n = 0; n < whole.size(); ++n) {
    const bool between = std::find(std::begin(ends), std::end(ends), n) != std::end(ends);
    EXPECT_EQ(code_of(whole.substr(0, n)), between ? Code::ok : Code::bad_input) << "cut after " << n << " bytes";
  }
}

TEST(Wire, TypesOfFieldsAreChecked) {
  const std::string message = hex("08 01");
  wire::Reader reader(message, message.data());
  wire::Field field;
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(wire::integer(field, reader, "axis"), 1);
  try {
    wire::text(field, reader, "name");
    FAIL() << "a number was taken for text";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::bad_input);
    EXPECT_NE(std::string(error.what()).find("\"name\""), std::string::npos) << error.what();
  }
  std::vector<float> floats;
  EXPECT_THROW(wire::append_floats(field, floats, reader), Error);
}

TEST(Wire, WritesTheExamplesOfItsGuide) {
  wire::Writer inner, outer;
  inner.varint(1, 150);
  const std::string lent = "testing";
  outer.integer(1, -2);
  outer.nonzero(7, 0);
  outer.text(8, "");
  outer.message(3, inner);
  outer.borrowed(2, lent);
  outer.real(4, 1.5f);
  const std::string wanted =
      hex("08 fe ff ff ff ff ff ff ff ff 01 1a 03 08 96 01 12 07 74 65 73 74 69 6e 67 25 00 00 c0 3f");
  EXPECT_EQ(outer.str(), wanted);
  EXPECT_EQ(outer.size(), static_cast<int64_t>(wanted.size()));
  wire::Writer around;
  around.message(1, outer);  // borrowed contents stay at their place
  EXPECT_EQ(around.str(), hex("0a 1e") + wanted);
}

}  // namespace
}  // namespace chorus
