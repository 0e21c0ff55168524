#include <chorus/buffer.h>
#include <chorus/error.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>

namespace chorus {
namespace {

TEST(Buffer, IsAlignedWritableAndReadableBehindTheEnd) {
  const size_t mebi = size_t{1} << 20;
  for (size_t bytes : {size_t{0}, size_t{1}, size_t{63}, size_t{64}, size_t{65}, 4 * mebi, 8 * mebi + 3}) {
    Buffer buffer = Buffer::allocate(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u);
    EXPECT_EQ(buffer.bytes(), bytes);
    EXPECT_TRUE(static_cast<bool>(buffer));
    if (bytes > 0) std::memset(buffer.mutable_data(), 0xab, bytes);
    char tail[64];
    std::memcpy(tail, buffer.data() + bytes, sizeof tail);  // a sanitizer would see a read outside
    if (bytes > 0) {
      EXPECT_EQ(std::to_integer<int>(buffer.data()[bytes - 1]), 0xab);
    }
  }
}

TEST(Buffer, HugeSizesAreAnErrorWithTheNumber) {
  for (size_t bytes : {std::numeric_limits<size_t>::max(), std::numeric_limits<size_t>::max() / 2, size_t{1} << 62}) {
    try {
      Buffer::allocate(bytes);
      ADD_FAILURE() << bytes;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Code::budget);
      EXPECT_NE(e.message().find(std::to_string(bytes)), std::string::npos);
    }
  }
}

TEST(Buffer, SharesAndKeepsTheOwnerAlive) {
  auto owner = std::make_shared<int>(5);
  const std::weak_ptr<int> watch = owner;
  Buffer slice;
  {
    int* data = owner.get();
    const Buffer whole = Buffer::borrow(data, sizeof(int), std::move(owner));
    EXPECT_TRUE(whole.unique());
    slice = whole.slice(1, 2);
    EXPECT_FALSE(whole.unique());
    EXPECT_EQ(slice.data(), whole.data() + 1);
  }
  EXPECT_TRUE(slice.unique());
  EXPECT_FALSE(watch.expired());
  slice = Buffer();
  EXPECT_TRUE(watch.expired());
}

TEST(Buffer, ReadOnlyRefusesWriting) {
  const int value = 3;
  Buffer buffer = Buffer::borrow_read_only(&value, sizeof value);
  EXPECT_TRUE(buffer.read_only());
  EXPECT_FALSE(buffer.unique());
  EXPECT_THROW(buffer.mutable_data(), Error);
  EXPECT_THROW(buffer.slice(0, 2).mutable_data(), Error);
}

TEST(Buffer, SliceMustLieInside) {
  const Buffer buffer = Buffer::allocate(10);
  EXPECT_EQ(buffer.slice(10, 0).bytes(), 0u);
  EXPECT_THROW(buffer.slice(11, 0), Error);
  EXPECT_THROW(buffer.slice(5, 6), Error);
  EXPECT_THROW(buffer.slice(5, std::numeric_limits<size_t>::max()), Error);
}

TEST(Device, ParsesWhatItPrints) {
  EXPECT_EQ(Device::parse("cpu").str(), "cpu");
  EXPECT_EQ(Device::parse("cuda:3").str(), "cuda:3");
  EXPECT_EQ(Device::parse("vulkan").str(), "vulkan:0");
  EXPECT_EQ(Device::parse("opencl:0"), (Device{DeviceKind::opencl, 0}));
  for (const char* bad : {"", "tpu", "cuda:", "cuda:-1", "cuda:1x", "cuda:99999999999", ":0"}) {
    EXPECT_THROW(Device::parse(bad), Error) << bad;
  }
}

}  // namespace
}  // namespace chorus
