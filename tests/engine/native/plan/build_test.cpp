// Networks over channel blocks against the plain kernels, node by node: every step that has a blocked form takes it.
#include <engine/native/exec/instance.h>

#include <algorithm>
#include <random>

#include "graph/graph_case.h"
#include "support/proves.h"

namespace chorus::testing {
namespace {

class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}
  int64_t roll(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1));
  }
  bool coin() { return roll(0, 1) == 1; }
  Value floats(const Shape& shape, float scale = 1) {
    Value v = noise(shape, engine_());
    for (float& x : v.as_mutable<float>()) x *= scale;
    return v;
  }

 private:
  std::mt19937_64 engine_;
};

std::shared_ptr<native::NativeProgram> compile(const Graph& graph, native::Blocking blocking, int threads = 1) {
  auto copy = std::make_shared<Graph>(graph);
  infer_types(*copy);
  CompileOptions options;
  options.threads = threads;
  native::PlanOptions plan;
  plan.cpu = &cpu();
  plan.blocking = blocking;
  return std::make_shared<native::NativeProgram>(std::move(copy), options, plan);
}

native::Plan blocked_plan(const Graph& graph) {
  auto copy = std::make_shared<Graph>(graph);
  infer_types(*copy);
  native::PlanOptions options;
  options.cpu = &cpu();
  options.blocking = native::Blocking::everywhere;
  return native::build_plan(std::move(copy), options);
}

int count(const native::Plan& plan, std::string_view kernel) {
  return static_cast<int>(std::count_if(plan.steps.begin(), plan.steps.end(), [&](const native::PlanStep& s) {
    return s.candidate != nullptr && s.candidate->name.starts_with(kernel);
  }));
}

// Same answers as the plain kernels, equal bits for any number of threads and from run to run, and a plan that the verifier passes.
void expect_blocked(const GraphCase& c, const std::vector<Value>& inputs, double tolerance, const std::string& what) {
  Graph graph(c.graph);
  infer_types(graph);
  const std::vector<Value> wanted = run_graph(graph, inputs);
  std::vector<std::vector<float>> first;
  for (int threads : {1, 3}) {
    const auto program = compile(c.graph, native::Blocking::everywhere, threads);
    ASSERT_NO_THROW(native::verify_plan(program->plan())) << what << "\n" << program->str("plan");
    const auto instance = program->instance();
    for (int run = 0; run < 2; ++run) {
      std::vector<Value> outputs(wanted.size());
      instance->run(inputs, outputs, {});
      for (size_t i = 0; i < wanted.size(); ++i) {
        const auto y = outputs[i].as<float>();
        if (first.size() <= i) {
          expect_close(outputs[i], wanted[i], tolerance, what);
          first.emplace_back(y.begin(), y.end());
        }
        EXPECT_TRUE(std::equal(y.begin(), y.end(), first[i].begin(), first[i].end()))
            << what << ": " << threads << " threads, run " << run;
      }
    }
    if (::testing::Test::HasFailure()) {
      ADD_FAILURE() << program->str("plan");
      return;
    }
  }
}

ValueId conv(GraphCase& c, Dice& dice, ValueId x, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1,
             int64_t groups = 1) {
  const float scale = 0.7F / std::sqrt(static_cast<float>(in / groups * kernel * kernel));
  const ValueId w = c.constant(dice.floats({out, in / groups, kernel, kernel}, scale)),
                b = c.constant(dice.floats({out}));
  const int64_t pad = kernel / 2;
  return c.op("Conv", {x, w, b},
              {{"pads", std::vector<int64_t>{pad, pad, pad, pad}},
               {"strides", std::vector<int64_t>{stride, stride}},
               {"group", groups}});
}

// A random network of one picture size at a time: what networks are made of, in any order.
struct Network {
  GraphCase c;
  Dice dice;
  int64_t batch, channels, size;
  std::vector<std::pair<ValueId, int64_t>> same;  // values of this size with their channels
  ValueId at;

  Network(uint64_t seed)
      : dice(seed), batch(dice.roll(1, 3)), channels(dice.roll(0, 2) == 0 ? 3 : dice.roll(1, 40)),
        size(dice.roll(5, 19)), at(c.in("x", {batch, channels, size, size})) {}

  void set(ValueId v, int64_t now) {
    at = v;
    channels = now;
    same.emplace_back(v, now);
  }
  void activation() {
    switch (dice.roll(0, 6)) {
      case 0: return set(c.op("Relu", {at}), channels);
      case 1: return set(c.op("Clip", {at, c.floats(Shape{}, {-0.5}), c.floats(Shape{}, {1.5})}), channels);
      case 2: return set(c.op("Mul", {at, c.op("Sigmoid", {at})}), channels);
      case 3: return set(c.op("HardSwish", {at}), channels);
      case 4: return set(c.op("Sigmoid", {at}), channels);
      case 5: return set(c.op("Tanh", {at}), channels);
      default: return set(c.op("LeakyRelu", {at}, {{"alpha", 0.1F}}), channels);
    }
  }
  int64_t some_channels() { return dice.coin() ? 16 * dice.roll(1, 3) : dice.roll(1, 40); }
  /// Another size: what was made before cannot be joined any more.
  void pool() {
    const int64_t kernel = dice.roll(2, 3);
    if (size < 4) return activation();
    same.clear();
    const Attributes a{{"kernel_shape", std::vector<int64_t>{kernel, kernel}},
                       {"strides", std::vector<int64_t>{2, 2}},
                       {"pads", std::vector<int64_t>{0, 0, 1, 1}}};
    at = c.op(dice.coin() ? "MaxPool" : "AveragePool", {at}, a);
    size = (size + 1 - kernel) / 2 + 1;
    set(at, channels);
  }
  void block() {
    switch (dice.roll(0, 11)) {
      case 0:
      case 1: {
        const int64_t out = some_channels();
        return set(conv(c, dice, at, channels, out, dice.coin() ? 1 : 3), out);
      }
      case 2:
        return set(conv(c, dice, at, channels, channels, dice.coin() ? 3 : 5, 1, channels), channels);  // depthwise
      case 3: return activation();
      case 4: return pool();
      case 5:
      case 6: {  // Concat of what there is
        std::vector<ValueId> parts{at};
        int64_t sum = channels;
        for (int64_t n = dice.roll(1, 3); n > 0 && !same.empty(); --n) {
          const auto& [v, more] = same[static_cast<size_t>(dice.roll(0, static_cast<int64_t>(same.size()) - 1))];
          parts.push_back(v);
          sum += more;
        }
        return set(c.op("Concat", parts, {{"axis", 1}}), sum);
      }
      case 7: {  // the sum with another of the same channels
        for (const auto& [v, n] : same) {
          if (n == channels && v != at) return set(c.op(dice.coin() ? "Add" : "Mul", {at, v}), channels);
        }
        return set(conv(c, dice, at, channels, channels, 1), channels);
      }
      case 8: {  // squeeze and excite
        const int64_t few = dice.roll(2, 9);
        ValueId s = c.op("GlobalAveragePool", {at});
        s = c.op("Relu", {conv(c, dice, s, channels, few, 1)});
        s = c.op("Sigmoid", {conv(c, dice, s, few, channels, 1)});
        return set(dice.coin() ? c.op("Mul", {at, s}) : c.op("Mul", {s, at}), channels);
      }
      case 9: {  // a part of the channels
        if (channels < 2) return activation();
        const int64_t first = channels > 16 && dice.coin() ? 16 : dice.roll(0, channels / 2),
                      end = dice.roll(first + 1, channels);
        return set(c.op("Slice", {at, c.ints({first}), c.ints({end}), c.ints({1})}), end - first);
      }
      case 10: {  // constants per channel and for all
        const ValueId per = c.constant(dice.floats({1, channels, 1, 1})), one = c.constant(dice.floats({1}));
        return set(c.op("Add", {c.op("Mul", {per, at}), one}), channels);
      }
      default: {
        const ValueId scale = c.constant(dice.floats({channels})), bias = c.constant(dice.floats({channels})),
                      mean = c.constant(dice.floats({channels}));
        Value variance = dice.floats({channels});
        for (float& v : variance.as_mutable<float>()) v = std::abs(v) + 0.5F;
        return set(c.op("BatchNormalization", {at, scale, bias, mean, c.constant(std::move(variance))}), channels);
      }
    }
  }
};

TEST(BlockedPlans, RandomNetworksAnswerAsThePlainKernels) {
  int joined = 0, reorders = 0, kernels = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    Network n(seed);
    const Shape shape{n.batch, n.channels, n.size, n.size};
    const std::vector<Value> inputs{n.dice.floats(shape)};
    for (int64_t i = n.dice.roll(3, 14); i > 0; --i) n.block();
    n.c.out(n.at, "y");
    if (n.dice.coin() && n.same.size() > 2 && !n.c.graph.is_output(n.same[1].first)) n.c.out(n.same[1].first, "z");
    expect_blocked(n.c, inputs, 5e-4, "seed " + std::to_string(seed));
    if (HasFailure()) return;
    const auto program = compile(n.c.graph, native::Blocking::everywhere);
    for (const native::PlanTensor& t : program->plan().tensors) joined += t.first_channel > 0;
    reorders += count(program->plan(), "reorder");
    kernels += count(program->plan(), "conv.blocked") + count(program->plan(), "chain.blocked");
  }
  // The cases are worth something: ranges of larger tensors, reorders and blocked kernels were met.
  EXPECT_GT(joined, 50);
  EXPECT_GT(reorders, 100);
  EXPECT_GT(kernels, 400);
}

// Features joined again and again, as in densely connected networks: one buffer, and no copy.
TEST(BlockedPlans, FeaturesThatAreJoinedStepByStepLieInOneTensor) {
  for (int64_t batch : {1, 2}) {
    GraphCase c;
    Dice dice(3);
    ValueId first = conv(c, dice, c.in("x", {batch, 3, 9, 9}), 3, 32, 3);
    std::vector<ValueId> features{first};
    int64_t channels = 32;
    for (int i = 0; i < 4; ++i) {
      const ValueId all = features.size() == 1 ? first : c.op("Concat", features, {{"axis", 1}});
      features.push_back(conv(c, dice, c.op("Relu", {all}), channels, 16, 3));
      channels += 16;
    }
    c.out(c.op("GlobalAveragePool", {c.op("Concat", features, {{"axis", 1}})}), "y");
    expect_blocked(c, {dice.floats({batch, 3, 9, 9})}, 2e-4, "dense");
    const auto program = compile(c.graph, native::Blocking::everywhere);
    EXPECT_EQ(count(program->plan(), "concat"), 0) << program->str("plan");
  }
}

TEST(BlockedPlans, PartsOfAPowerOfTwoAreSharedAndOthersCopied) {
  for (int64_t batch : {1, 3}) {
    GraphCase c;
    Dice dice(4);
    const ValueId x = conv(c, dice, c.in("x", {batch, 3, 6, 7}), 3, 48, 1);
    const ValueId parts = c.op("Split", {x, c.ints({16, 32})}, {{"axis", 1}}, 2);
    const ValueId odd = c.op("Slice", {x, c.ints({5}), c.ints({40}), c.ints({1})});
    c.out(c.op("Add", {conv(c, dice, c.other(parts, 1), 32, 16, 3), parts}), "y");
    c.out(conv(c, dice, odd, 35, 8, 1), "z");
    expect_blocked(c, {dice.floats({batch, 3, 6, 7})}, 2e-4, "split");
    EXPECT_EQ(count(compile(c.graph, native::Blocking::everywhere)->plan(), "split"), 0);
  }
}

TEST(BlockedPlans, TransposedConvolutions) {
  struct Row {
    int64_t kernel, stride, pad, extra, dilation;
    int blocked;
  };
  for (const Row& r : {Row{2, 2, 0, 0, 1, 1}, Row{3, 2, 1, 1, 1, 1}, Row{4, 2, 1, 0, 1, 1}, Row{3, 1, 1, 0, 1, 1},
                       Row{3, 2, 1, 0, 2, 0}}) {
    for (int64_t batch : {1, 2}) {
      GraphCase c;
      Dice dice(5);
      const ValueId x = conv(c, dice, c.in("x", {batch, 3, 6, 7}), 3, 24, 3);
      const ValueId w = c.constant(dice.floats({24, 40, r.kernel, r.kernel}, 0.2F)), b = c.constant(dice.floats({40}));
      const std::vector<int64_t> pads(4, r.pad), strides(2, r.stride), extra(2, r.extra), dilations(2, r.dilation);
      const ValueId up =
          c.op("ConvTranspose", {x, w, b},
               {{"pads", pads}, {"strides", strides}, {"output_padding", extra}, {"dilations", dilations}});
      c.out(conv(c, dice, c.op("Mul", {up, c.op("Sigmoid", {up})}), 40, 5, 1), "y");
      expect_blocked(c, {dice.floats({batch, 3, 6, 7})}, 2e-4,
                     "kernel " + std::to_string(r.kernel) + " stride " + std::to_string(r.stride));
      const auto program = compile(c.graph, native::Blocking::everywhere);
      EXPECT_EQ(count(program->plan(), "conv_transpose.blocked"), r.blocked) << program->str("plan");
    }
  }
}

TEST(BlockedPlans, Volumes) {
  for (const int64_t kernel : {1, 3}) {
    for (int64_t batch : {1, 2}) {
      GraphCase c;
      Dice dice(8);
      const ValueId x = c.in("x", {batch, 3, 5, 6, 7});
      const auto volume = [&](ValueId v, int64_t in, int64_t out, int64_t k, int64_t stride) {
        const ValueId w = c.constant(dice.floats({out, in, k, k, k}, 0.2F)), b = c.constant(dice.floats({out}));
        return c.op("Conv", {v, w, b},
                    {{"pads", std::vector<int64_t>(6, k / 2)}, {"strides", std::vector<int64_t>{stride, 1, stride}}});
      };
      const ValueId first = c.op("Relu", {volume(x, 3, 20, 3, 1)});
      const ValueId sum = c.op("Relu", {c.op("Add", {volume(first, 20, 20, kernel, 1), first})});
      c.out(volume(sum, 20, 7, kernel, 2), "y");
      expect_blocked(c, {dice.floats({batch, 3, 5, 6, 7})}, 2e-4, "volume");
      EXPECT_EQ(count(compile(c.graph, native::Blocking::everywhere)->plan(), "conv.blocked"), 3);
    }
  }
}

TEST(BlockedPlans, AResidualIsWrittenOverAndTapsSeePlainTensors) {
  GraphCase c;
  Dice dice(6);
  const ValueId a = conv(c, dice, c.in("x", {1, 3, 8, 8}), 3, 20, 3);
  const ValueId b =
      c.op("Relu", {c.op("Add", {conv(c, dice, c.op("Relu", {conv(c, dice, a, 20, 24, 1)}), 24, 20, 3), a})});
  c.out(conv(c, dice, b, 20, 5, 1), "y");
  const Value x = dice.floats({1, 3, 8, 8});
  expect_blocked(c, {x}, 2e-4, "residual");
  const auto program = compile(c.graph, native::Blocking::everywhere);
  int over = 0;
  for (const native::PlanTensor& t : program->plan().tensors) over += t.parent >= 0 && t.layout.channel_block > 1;
  EXPECT_GE(over, 1) << program->str("plan");
  // What a tap sees is the value of the plain kernels, without the lanes behind the last channel.
  Graph taps(c.graph);
  taps.set_outputs({b});
  const std::vector<Value> wanted = run_graph(taps, {x});
  Value seen;
  std::function<void(const std::string&, const Value&)> tap = [&](const std::string& name, const Value& v) {
    if (name == c.graph.value(b).name)
      seen = Value::copy_of(v.dtype(), v.shape(), v.data(), static_cast<size_t>(v.numel()) * 4);
  };
  RunOptions options;
  options.tap = &tap;
  std::vector<Value> outputs(1);
  program->instance()->run(std::vector<Value>{x}, outputs, options);
  ASSERT_TRUE(seen);
  expect_close(seen, wanted[0], 2e-4, "tap");
}

TEST(BlockedPlans, SizesAreOpenUntilBind) {
  GraphCase c;
  Dice dice(7);
  const ValueId x = c.in("x", {Dim::symbol("n"), 3, Dim::symbol("h"), Dim::symbol("w")});
  ValueId y = c.op("Relu", {conv(c, dice, x, 3, 24, 3, 2)});
  y = c.op("Concat", {conv(c, dice, y, 24, 16, 1), y}, {{"axis", 1}});
  y = c.op("Add", {conv(c, dice, y, 40, 40, 3, 1, 40), y});
  c.out(conv(c, dice, y, 40, 7, 1), "y");
  const auto program = compile(c.graph, native::Blocking::everywhere);
  const auto instance = program->instance();
  for (const Shape& shape :
       {Shape{1, 3, 9, 8}, Shape{3, 3, 5, 17}, Shape{1, 3, 1, 1}, Shape{2, 3, 30, 6}, Shape{0, 3, 9, 8}}) {
    const std::vector<Value> inputs{dice.floats(shape)};
    std::vector<Value> outputs(1);
    instance->run(inputs, outputs, {});
    Graph graph(c.graph);
    expect_close(outputs[0], run_graph(graph, inputs)[0], 2e-4, shape.str());
  }
}

TEST(BlockedPlans, TheVerifierFindsDamage) {
  GraphCase c;
  Dice dice(8);
  const ValueId a = conv(c, dice, c.in("x", {1, 3, 8, 8}), 3, 32, 3),
                b = c.op("MaxPool", {a}, {{"kernel_shape", std::vector<int64_t>{1, 1}}});
  c.out(conv(c, dice, c.op("Concat", {b, a}, {{"axis", 1}}), 64, 5, 1), "y");
  const auto plan = [&] { return blocked_plan(c.graph); };
  EXPECT_NO_THROW(native::verify_plan(plan()));
  const auto damaged = [&](auto damage) {
    native::Plan p = plan();
    EXPECT_TRUE(damage(p));
    EXPECT_THROW(native::verify_plan(p), Error);
  };
  damaged([](native::Plan& p) {  // a tensor in another layout than its step writes
    for (auto& t : p.tensors) {
      if (t.layout.channel_block > 1 && t.parent < 0) return t.layout.channel_block = 1, true;
    }
    return false;
  });
  for (int64_t first : {8, 48}) {  // not at a block; beyond the parent
    damaged([first](native::Plan& p) {
      for (auto& t : p.tensors) {
        if (t.first_channel > 0) return t.first_channel = first, true;
      }
      return false;
    });
  }
  damaged([](native::Plan& p) {  // a range that nobody writes
    for (auto& t : p.tensors) {
      if (t.first_channel > 0) return t.first_channel = 0, true;
    }
    return false;
  });
}

// Sizes by different names lie in one tensor because bind compares them before anything runs: the verifier asks for that comparison.
TEST(BlockedPlans, JoinedSizesOfDifferentNamesNeedACheckAtBind) {
  GraphCase c;
  Dice dice(9);
  const ValueId x = c.in("x", {1, 3, Dim::symbol("h"), 8}), z = c.in("z", {1, 3, Dim::symbol("k"), 8});
  const ValueId joined = c.op("Concat", {conv(c, dice, x, 3, 16, 3), conv(c, dice, z, 3, 16, 3)}, {{"axis", 1}});
  c.out(conv(c, dice, joined, 32, 5, 1), "y");
  const auto program = compile(c.graph, native::Blocking::everywhere);
  EXPECT_EQ(count(program->plan(), "concat"), 0) << program->str("plan");
  native::Plan plan = blocked_plan(c.graph);
  EXPECT_NO_THROW(native::verify_plan(plan));
  plan.checks.clear();
  EXPECT_THROW(native::verify_plan(plan), Error);
  const auto instance = program->instance();
  std::vector<Value> outputs(1);
  const std::vector<Value> equal{dice.floats({1, 3, 6, 8}), dice.floats({1, 3, 6, 8})};
  instance->run(equal, outputs, {});
  Graph graph(c.graph);
  expect_close(outputs[0], run_graph(graph, equal)[0], 2e-4, "equal heights");
  const std::vector<Value> different{dice.floats({1, 3, 6, 8}), dice.floats({1, 3, 7, 8})};
  EXPECT_THROW(instance->run(different, outputs, {}), Error);
}

}  // namespace
}  // namespace chorus::testing
