#include <chorus/error.h>
#include <chorus/value.h>
#include <core/memory_meter.h>

#include <gtest/gtest.h>

namespace chorus {
namespace {

Value zeros(const Shape& shape) { return Value::tensor(DType::float32, shape); }

TEST(MemoryMeter, ChargesWhatLivesAndForgetsWhatIsFreed) {
  const auto meter = std::make_shared<MemoryMeter>(1 << 20);
  Value kept;
  {
    const MemoryScope scope(meter);
    kept = zeros({1024});
    EXPECT_GE(meter->used(), 4096);
    EXPECT_THROW(zeros({1 << 20}), Error);
    const Value list = Value::sequence(DType::float32, {kept, kept});
    EXPECT_GE(meter->used(), 4096 + static_cast<int64_t>(2 * sizeof(Value)));
  }
  const int64_t with = meter->used();
  EXPECT_GE(with, 4096);
  EXPECT_LT(with, 4096 + static_cast<int64_t>(2 * sizeof(Value)));
  kept = Value();
  EXPECT_EQ(meter->used(), 0);
  EXPECT_TRUE(memory_allows(int64_t{1} << 60)) << "no scope is open";
}

}  // namespace
}  // namespace chorus
