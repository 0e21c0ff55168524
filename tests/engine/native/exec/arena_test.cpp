#include <chorus/error.h>
#include <engine/native/exec/arena.h>

#include <gtest/gtest.h>

namespace chorus::native {
namespace {

TEST(Arena, GrowsInPlaceWithinWhatItReserved) {
  Arena arena;
  EXPECT_EQ(arena.data(), nullptr);
  arena.grow(10'000, int64_t{1} << 30);
  std::byte* const first = arena.data();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
  first[9'999] = std::byte{1};
  arena.grow(40'000, int64_t{1} << 30);
  EXPECT_EQ(arena.data(), first);
  EXPECT_EQ(arena.bytes(), 40'000);
  arena.grow(20'000, int64_t{1} << 30);
  EXPECT_EQ(arena.bytes(), 40'000);
  arena.grow(int64_t{64} << 20, int64_t{1} << 30);   // beyond: a new place, all of it usable with the tail
  arena.data()[(int64_t{64} << 20) + 63] = std::byte{2};
  EXPECT_EQ(arena.bytes(), int64_t{64} << 20);
}

TEST(Arena, MoreThanThereIsIsAnError) {
  Arena arena;
  EXPECT_THROW(arena.grow(int64_t{1} << 62, int64_t{1} << 62), Error);
  EXPECT_EQ(arena.bytes(), 0);
  arena.grow(64, 64);   // and it still works
  EXPECT_NE(arena.data(), nullptr);
}

}  // namespace
}  // namespace chorus::native
