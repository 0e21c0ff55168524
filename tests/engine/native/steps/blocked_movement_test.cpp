// Transposes between channel blocks and channels at the end, as networks of convolutions and products of pixels have them.
#include <engine/native/jit/conv.h>

#include <algorithm>
#include <string>

#include "step_case.h"

namespace chorus::testing {
namespace {

bool has(const std::vector<std::string>& kernels, std::string_view name) {
  return std::any_of(kernels.begin(), kernels.end(),
                     [&](const std::string& k) { return k.find(name) != std::string::npos; });
}

TEST(ChannelsLast, PixelsMoveBetweenBlocksAndRows) {
  Dice dice(81);
  for (int i = 0; i < 12; ++i) {
    GraphCase c;
    const int64_t n = dice.roll(1, 2), channels = 16 * dice.roll(1, 4), h = dice.roll(5, 20), w = dice.roll(5, 20);
    const ValueId x = c.in("x", {n, channels, h, w});
    const Attributes same{{"group", channels}, {"pads", std::vector<int64_t>{3, 3, 3, 3}}};
    const ValueId a = c.op("Conv", {x, c.constant(dice.floats(Shape{channels, 1, 7, 7}))}, same);
    const ValueId rows = c.op("Transpose", {a}, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
    const ValueId norm = c.op("LayerNormalization", {rows, c.constant(dice.floats(Shape{channels}))});
    const ValueId back = c.op("Transpose", {norm}, {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
    c.out(c.op("Conv", {back, c.constant(dice.floats(Shape{channels, 1, 7, 7}))}, same), "y");
    const auto kernels =
        expect_steps(c, {dice.floats(Shape{n, channels, h, w})}, 1e-3, "", "case " + std::to_string(i));
    if (jit::level(cpu()) == jit::Level::plain) continue;
    EXPECT_TRUE(has(kernels, "channels_last") && has(kernels, "channels_first")) << "case " << i;
  }
}

TEST(ChannelsLast, OtherPermutationsAndPartialBlocksAreReordered) {
  Dice dice(82);
  for (const int64_t channels : {24, 32}) {
    GraphCase c;
    const ValueId x = c.in("x", {1, channels, 12, 12});
    const Attributes same{{"group", channels}, {"pads", std::vector<int64_t>{3, 3, 3, 3}}};
    const ValueId a = c.op("Conv", {x, c.constant(dice.floats(Shape{channels, 1, 7, 7}))}, same);
    const std::vector<int64_t> perm =
        channels == 32 ? std::vector<int64_t>{0, 3, 2, 1} : std::vector<int64_t>{0, 2, 3, 1};
    c.out(c.op("Transpose", {a}, {{"perm", perm}}), "y");
    EXPECT_FALSE(has(expect_steps(c, {dice.floats(Shape{1, channels, 12, 12})}, 1e-3, ""), "channels_last"));
  }
}

}  // namespace
}  // namespace chorus::testing
