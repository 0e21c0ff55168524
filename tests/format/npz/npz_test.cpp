// NumPy's files: bytes that NumPy wrote, headers by hand after its format description, and every kind of damage.
#include <chorus/error.h>
#include <format/npz/npz.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>

namespace chorus {
namespace {

std::string hex(std::string_view digits) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    out.push_back(static_cast<char>(digit(digits[i]) << 4 | digit(digits[i + 1])));
  return out;
}

// numpy.savez_compressed(a = float32 [[1.5, -2], [0.25, 3]], n = int64 [-3, 2**40]), written by NumPy 2.4.6
std::string of_numpy() {
  return hex(
      "504b03042d000000080000002100a49b3cceffffffffffffffff05001400612e6e7079010010009000000000000000550000"
      "00000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a2aea3a09e965f54529498179f5f94920a12774bcc"
      "294e058a17672416a402f91a463a0a469a3a0ab50a64032e068603f60c408281a1c18e81c1c10100504b03042d0000000800"
      "000021008ea85d14ffffffffffffffff050014006e2e6e70790100100090000000000000004d000000000000009bec17ea1b"
      "10c9c850c650ad9e925a9c5ca46ea5a06e9369a1aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402"
      "f91a463a9a3a0ab50a1400aebfff2180010418191800504b01022d032d000000080000002100a49b3cce5500000090000000"
      "050000000000000000000000800100000000612e6e7079504b01022d032d0000000800000021008ea85d144d000000900000"
      "0005000000000000000000000080018c0000006e2e6e7079504b0506000000000200020066000000100100000000");
}

// Version 1.0 of the format: magic, length of the header as two bytes, a Python dictionary padded to 64 bytes, the elements.
std::string npy(std::string dictionary, std::string_view elements) {
  while ((10 + dictionary.size() + 1) % 64 != 0) dictionary.push_back(' ');
  dictionary.push_back('\n');
  std::string out = "\x93NUMPY\x01";
  out.push_back('\0');
  out.push_back(static_cast<char>(dictionary.size() & 255));
  out.push_back(static_cast<char>(dictionary.size() >> 8));
  return out + dictionary + std::string(elements);
}

std::shared_ptr<const std::string> kept(std::string bytes) {
  return std::make_shared<const std::string>(std::move(bytes));
}

Value parse(std::string bytes, const NpzLimits& limits = {}) {
  const auto owner = kept(std::move(bytes));
  return read_npy(*owner, owner, limits);
}

Code code_of(std::string bytes, const NpzLimits& limits = {}) {
  try {
    const auto owner = kept(std::move(bytes));
    read_npz(*owner, owner, limits);
  } catch (const Error& error) {
    return error.code();
  }
  return Code::ok;
}

Code npy_code(std::string bytes, const NpzLimits& limits = {}) {
  try {
    parse(std::move(bytes), limits);
  } catch (const Error& error) {
    return error.code();
  }
  return Code::ok;
}

template <class T>
std::vector<T> items(const Value& value) {
  const auto elements = value.as<T>();
  return {elements.begin(), elements.end()};
}

void expect_numpys_arrays(const NamedValues& found) {
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].first, "a");
  EXPECT_EQ(found[0].second.shape(), (Shape{2, 2}));
  EXPECT_EQ(items<float>(found[0].second), (std::vector<float>{1.5f, -2.0f, 0.25f, 3.0f}));
  EXPECT_EQ(found[1].first, "n");
  EXPECT_EQ(items<int64_t>(found[1].second), (std::vector<int64_t>{-3, int64_t{1} << 40}));
}

TEST(Npz, ReadsWhatNumPyWrote) {
  const auto owner = kept(of_numpy());
  expect_numpys_arrays(read_npz(*owner, owner));
}

TEST(Npz, WhatIsWrittenComesBack) {
  const auto owner = kept(of_numpy());
  const NamedValues arrays = read_npz(*owner, owner);
  for (Packing packing : {Packing::stored, Packing::deflate}) {
    const auto again = kept(write_npz_bytes(arrays, packing));
    expect_numpys_arrays(read_npz(*again, again));
  }
}

TEST(Npz, StoredArraysAreNumPysFormByteByByte) {
  const std::string file = write_npz_bytes({{"x", Value::of<float>(Shape{2}, {1.0f, 2.0f})}});
  const size_t at = file.find("\x93NUMPY");
  ASSERT_NE(at, std::string::npos);
  const auto length = static_cast<size_t>(static_cast<uint8_t>(file[at + 8]) | static_cast<uint8_t>(file[at + 9]) << 8);
  EXPECT_EQ((10 + length) % 64, 0u);
  const std::string header = file.substr(at + 10, length);
  EXPECT_EQ(header.substr(0, header.find('}') + 1), "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }");
  EXPECT_EQ(file.substr(at + 10 + length, 8), hex("0000803f00000040"));
}

TEST(Npy, OrdersAndShapes) {
  const std::string two = hex("000100040002000500030006");  // numpy.asfortranarray([[1, 2, 3], [4, 5, 6]], '>i2')
  const Value turned = parse(npy("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }", two));
  EXPECT_EQ(turned.shape(), (Shape{2, 3}));
  EXPECT_EQ(items<int16_t>(turned), (std::vector<int16_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(items<uint8_t>(parse(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (), }", "\x07"))),
            std::vector<uint8_t>{7});
  EXPECT_EQ(parse(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 5), }", "")).numel(), 0);
}

TEST(Npy, RefusesWhatItCannotHold) {
  EXPECT_NE(npy_code(npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "\x80\x04]q.")), Code::ok);
  for (const char* header : {
           "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }",  // more than the file has
           "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9223372036854775807), }",
           "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,), }",
           "{'descr': '<f4', 'shape': (2,), }",
           "{'descr': '<q4', 'fortran_order': False, 'shape': (2,), }",
           "{'descr': __import__('os'), 'fortran_order': False, 'shape': (2,), }",
           "{",
           "",
       }) {
    const Code code = npy_code(npy(header, std::string(8, '\0')));
    EXPECT_TRUE(code == Code::bad_input || code == Code::budget || code == Code::unsupported) << header;
  }
  NpzLimits tight;
  tight.array_bytes = 7;
  EXPECT_EQ(npy_code(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", std::string(8, '\0')), tight),
            Code::budget);
}

TEST(Npz, EveryCutIsRefused) {
  const std::string whole = of_numpy();
  for (size_t n = 0; n < whole.size(); ++n)
    EXPECT_EQ(code_of(whole.substr(0, n)), Code::bad_input) << "cut after " << n << " bytes";
}

// A changed byte is refused or leaves the arrays as they were (some bytes of a ZIP mean nothing, as its time stamps); those of the
// contents, which the checksum covers, are always noticed.
TEST(Npz, ChangedContentsAreNoticed) {
  const std::string whole = of_numpy();
  int refused = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int bit : {1, 128}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ bit);
      try {
        const auto owner = kept(std::move(changed));
        const NamedValues found = read_npz(*owner, owner);
        if (found.size() != 2) continue;
        EXPECT_EQ(items<float>(found[0].second), (std::vector<float>{1.5f, -2.0f, 0.25f, 3.0f})) << at;
        EXPECT_EQ(items<int64_t>(found[1].second), (std::vector<int64_t>{-3, int64_t{1} << 40})) << at;
      } catch (const Error& error) {
        ++refused;
        EXPECT_TRUE(error.code() == Code::bad_input || error.code() == Code::budget ||
                    error.code() == Code::unsupported)
            << at << ": " << error.what();
      }
    }
  }
  EXPECT_GT(refused, 200) << "the compressed contents alone have 162 bytes";
}

TEST(Npz, LimitsComeBeforeMemory) {
  NpzLimits limits;
  limits.entries = 1;
  EXPECT_EQ(code_of(of_numpy(), limits), Code::budget);
  limits = {};
  limits.array_bytes = 100;  // the two members unpack to 144 bytes each
  EXPECT_EQ(code_of(of_numpy(), limits), Code::budget);
}

}  // namespace
}  // namespace chorus
