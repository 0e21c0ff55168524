// The operator Attention by blocks against its reference kernel, and what is left to the reference.
#include "step_case.h"

namespace chorus::testing {
namespace {

struct Form {
  int64_t rows = 70, keys = 90, past = 0, heads = 4, kv_heads = 2;
  int rank = 4;
  enum { none, bytes, numbers, short_numbers } mask = none;
  bool lengths = false;
  Attributes more;
};

struct Built {
  GraphCase graph;
  std::vector<Value> inputs;
  ValueId add(const char* name, Value v) {
    const ValueId id = graph.in(name, Dims(v.shape().begin(), v.shape().end()), v.dtype());
    inputs.push_back(std::move(v));
    return id;
  }
};

Value bytes(Dice& dice, const Shape& shape) {
  Value v = Value::tensor(DType::boolean, shape);
  for (int64_t i = 0; i < shape.numel(); ++i)
    static_cast<uint8_t*>(v.mutable_data())[i] = static_cast<uint8_t>(dice.roll(0, 1));
  return v;
}

Built build(const Form& f, Dice& dice, int outputs) {
  constexpr int64_t batch = 2, size = 24, value = 40;
  Built b;
  const auto heads = [&](const char* name, int64_t n, int64_t length, int64_t d) {
    return b.add(name, dice.floats(f.rank == 4 ? Shape{batch, n, length, d} : Shape{batch, length, n * d}));
  };
  const int64_t total = f.past + f.keys;
  std::vector<ValueId> in{heads("q", f.heads, f.rows, size),
                          heads("k", f.kv_heads, f.keys, size),
                          heads("v", f.kv_heads, f.keys, value),
                          kNone,
                          kNone,
                          kNone,
                          kNone};
  if (f.mask == Form::bytes) in[3] = b.add("mask", bytes(dice, Shape{batch, 1, f.rows, total}));
  if (f.mask == Form::numbers) in[3] = b.add("mask", dice.floats(Shape{f.heads, 1, total}));
  if (f.mask == Form::short_numbers) in[3] = b.add("mask", dice.floats(Shape{f.rows, total - 3}));
  if (f.past > 0) {
    in[4] = b.add("past_key", dice.floats(Shape{batch, f.kv_heads, f.past, size}));
    in[5] = b.add("past_value", dice.floats(Shape{batch, f.kv_heads, f.past, value}));
  }
  if (f.lengths) in[6] = b.add("lengths", Value::of<int64_t>(Shape{batch}, {f.keys, f.keys / 2}));
  Attributes attributes = f.more;
  attributes.set("q_num_heads", f.heads);
  attributes.set("kv_num_heads", f.kv_heads);
  const ValueId y = b.graph.op("Attention", in, std::move(attributes), outputs);
  for (int i = 0; i < outputs; ++i) b.graph.out(b.graph.other(y, i), "y" + std::to_string(i));
  return b;
}

void expect_blocks(const Form& f, int outputs, const std::string& what, std::string_view kernel = "attention.blocks") {
  Dice dice(11);
  Built b = build(f, dice, outputs);
  const auto kernels = expect_steps(b.graph, b.inputs, 2e-6, "", what);
  ASSERT_EQ(kernels.size(), 1U) << what;
  EXPECT_TRUE(kernels[0].starts_with(kernel)) << what << ": " << kernels[0];
}

TEST(AttentionSteps, RanksAndGroups) {
  for (const int rank : {3, 4}) {
    for (const int64_t rows : {1, 4, 5, 70}) {
      Form f;
      f.rank = rank, f.rows = rows;
      expect_blocks(f, 1, std::to_string(rank) + " " + std::to_string(rows));
    }
  }
}

TEST(AttentionSteps, Masks) {
  for (const auto mask : {Form::bytes, Form::numbers, Form::short_numbers}) {
    for (const int64_t rows : {3, 70}) {
      Form f;
      f.mask = mask, f.rows = rows;
      expect_blocks(f, 1, "mask " + std::to_string(mask));
      f.more.set("is_causal", int64_t{1});
      expect_blocks(f, 1, "causal mask " + std::to_string(mask));
    }
  }
}

TEST(AttentionSteps, Caches) {
  for (const int rank : {3, 4}) {
    for (const int64_t rows : {1, 30}) {
      Form f;
      f.rank = rank, f.rows = rows, f.keys = rows, f.past = 150;
      f.more.set("is_causal", int64_t{1});
      expect_blocks(f, 3, "past");
    }
  }
  Form first;
  first.past = 0;
  expect_blocks(first, 3, "nothing in the cache yet");
}

TEST(AttentionSteps, LengthsWindowsAndCaps) {
  for (const int64_t rows : {2, 50}) {
    Form f;
    f.rows = rows, f.lengths = true;
    f.more.set("is_causal", int64_t{1});
    expect_blocks(f, 1, "lengths");
    f.lengths = false;
    f.more = {};
    f.more.set("left_window_size", int64_t{9});
    f.more.set("right_window_size", int64_t{20});
    f.more.set("softcap", 1.25F);
    f.more.set("scale", 0.5F);
    expect_blocks(f, 1, "window");
  }
}

/// Sizes that no sequence reaches are no bound.
TEST(AttentionSteps, GreatestWindow) {
  Form f;
  f.more.set("left_window_size", std::numeric_limits<int64_t>::max());
  f.more.set("right_window_size", std::numeric_limits<int64_t>::max());
  expect_blocks(f, 1, "window");
}

TEST(AttentionSteps, OthersStayWithTheReference) {
  Form f;
  expect_blocks(f, 4, "scores are an output", "reference");
  f.more.set("softmax_precision", int64_t{16});
  expect_blocks(f, 1, "softmax in bfloat16", "reference");
}

}  // namespace
}  // namespace chorus::testing
