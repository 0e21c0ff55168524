// Products of bytes: exact, on the processor, in plain C++, and interpreted, with every operand at the edge of mapped memory.
#include "conv_case.h"
#include "interpreter.h"

#include <engine/native/jit/bytes.h>
#include <engine/native/jit/tile_code.h>

#include <random>

namespace chorus::jit::test {
namespace {

struct Bytes {
  int64_t rows, k, n;
  std::vector<uint8_t> a;  // [rows, k]
  std::vector<int8_t> b;  // [n, k]
  Bytes(int64_t m, int64_t depth, int64_t columns, uint32_t seed) : rows(m), k(depth), n(columns) {
    std::mt19937 random(seed);
    for (int64_t i = 0; i < m * k; ++i) a.push_back(static_cast<uint8_t>(random()));
    for (int64_t i = 0; i < n * k; ++i) b.push_back(static_cast<int8_t>(static_cast<uint8_t>(random())));
    for (int64_t i = 0; i < k; ++i)
      a[static_cast<size_t>(i)] = 255, b[static_cast<size_t>(i)] = -128;  // the largest sum
  }
  ConvProblem problem(Extents extents) const {
    ConvProblem p = square(k, n, 1, 1, 0);
    p.element = Element::bytes, p.target = Target::rows, p.extents = extents;
    p.bias = false, p.activation = fast::Activation::none;
    return p;
  }
  int64_t sum(int64_t r, int64_t c) const {
    int64_t s = 0;
    for (int64_t i = 0; i < k; ++i) s += int64_t{a[static_cast<size_t>(r * k + i)]} * b[static_cast<size_t>(c * k + i)];
    return s;
  }
};

void check_bytes(const Bytes& d, Level level, Guard guard, Extents extents) {
  const ConvProblem p = d.problem(extents);
  ASSERT_EQ(refusal(p), nullptr);
  Guarded in(blocks(d.k) * d.rows * 4, guard), packed(static_cast<int64_t>(packed_weight_bytes(p) / 4), guard);
  Guarded out(d.rows * d.n, guard);
  auto* x = reinterpret_cast<uint8_t*>(in.data());
  std::memset(x, 0, static_cast<size_t>(in.count()) * 4);
  for (int64_t i = 0; i < d.rows * d.k; ++i)
    x[(i % d.k / 16 * d.rows + i / d.k) * 16 + i % d.k % 16] = d.a[static_cast<size_t>(i)];
  pack_byte_weights(p, d.b.data(), packed.data());
  std::vector<int32_t> first(static_cast<size_t>(d.rows * d.n));
  for (size_t i = 0; i < first.size(); ++i) first[i] = static_cast<int32_t>(i) * 37 - 4000;
  std::memcpy(out.data(), first.data(), first.size() * 4);
  const auto call = make_generated(p, {1, 1, d.rows}, level);
  ThreadPool pool({.threads = 2});
  call->run({in.data(), packed.data(), nullptr, out.data(), out.data(), nullptr}, pool);
  for (int64_t i = 0; i < d.rows * d.n; ++i) {
    int32_t got = 0;
    std::memcpy(&got, out.data() + i, 4);
    ASSERT_EQ(got, d.sum(i / d.n, i % d.n) + first[static_cast<size_t>(i)])
        << "row " << i / d.n << " column " << i % d.n;
  }
}

TEST(JitBytes, ProductsAreExact) {
  const bool has = cpu().avx512_vnni && level(cpu()) == Level::avx512;
  std::mt19937 random(8);
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (uint32_t i = 0; i < 80; ++i) {
    const Bytes d(pick(1, 70), pick(1, i % 10 == 0 ? 3000 : 150), 16 * pick(1, 9), i);
    const Extents extents = i % 2 == 0 ? Extents::fixed : Extents::open;
    check_bytes(d, Level::plain, Guard::behind, extents);
    if (!has) continue;
    for (const Guard g : {Guard::before, Guard::behind}) check_bytes(d, Level::avx512, g, extents);
  }
}

/// Results as bytes: pictures, filters, borders.
struct Picture {
  ConvProblem p;
  fast::ConvSizes z;
  std::vector<uint8_t> x;  // plain, unsigned
  std::vector<int8_t> w;
  std::vector<ByteChannels> channels;

  Picture(const fast::ConvShape& shape, const fast::ConvSizes& sizes, Source source, uint32_t seed) : z(sizes) {
    p.shape = shape, p.source = source, p.element = Element::bytes, p.requantize = true;
    std::mt19937 random(seed);
    p.zero = static_cast<float>(random() % 256), p.border = static_cast<uint8_t>(random());
    p.alpha = random() % 2 == 0 ? 0 : p.zero, p.beta = random() % 4 == 0 ? std::max(p.zero, 200.0f) : 255;
    p.flip = source == Source::planar && random() % 2 == 0 ? 0x80 : 0;
    const int64_t taps = shape.in_channels / shape.groups * shape.kernel_h * shape.kernel_w;
    x.resize(static_cast<size_t>(z.batch * shape.in_channels * z.height * z.width));
    w.resize(static_cast<size_t>(shape.out_channels * taps));
    for (uint8_t& v : x) v = static_cast<uint8_t>(random());
    for (int8_t& v : w) v = static_cast<int8_t>(static_cast<uint8_t>(random()));
    if (seed % 5 == 0) std::fill(x.begin(), x.end(), uint8_t{255}), std::fill(w.begin(), w.end(), int8_t{-128});
    channels.resize(static_cast<size_t>(blocks(shape.out_channels)));
    for (ByteChannels& c : channels) {
      for (int l = 0; l < 16; ++l) {
        c.start[l] = static_cast<int32_t>(random() % 20000) - 10000;
        c.factor[l] = 0.02f / std::sqrt(static_cast<float>(taps)) * (0.5f + static_cast<float>(random() % 100) / 100);
        c.shift[l] = static_cast<float>(random() % 100) / 10 - 5;
      }
    }
  }
  int64_t sum(int64_t n, int64_t o, int64_t oy, int64_t ox) const {
    const fast::ConvShape& s = p.shape;
    const int64_t ig = s.in_channels / s.groups, first = o / (s.out_channels / s.groups) * ig;
    int64_t total = 0;
    for (int64_t i = 0; i < ig * s.kernel_h * s.kernel_w; ++i) {
      const int64_t kx = i % s.kernel_w, ky = i / s.kernel_w % s.kernel_h, c = i / s.kernel_w / s.kernel_h;
      const int64_t iy = oy * s.stride_h - s.pad_top + ky * s.dilation_h;
      const int64_t ix = ox * s.stride_w - s.pad_left + kx * s.dilation_w;
      const bool inside = iy >= 0 && iy < z.height && ix >= 0 && ix < z.width;
      const auto at = static_cast<size_t>(((n * s.in_channels + first + c) * z.height + iy) * z.width + ix);
      total +=
          (inside ? int64_t{x[at]} : int64_t{p.border}) * w[static_cast<size_t>(o * ig * s.kernel_h * s.kernel_w + i)];
    }
    return total;
  }
};

/// Exact but where the real number lies within rounding of a tie.
void expect_byte(const Picture& d, int64_t o, int64_t sum, uint8_t bits, const std::string& what) {
  const int got = d.p.alpha < 0 ? int{static_cast<int8_t>(bits)} : int{bits};
  const ByteChannels& c = d.channels[static_cast<size_t>(o / 16)];
  const auto l = static_cast<size_t>(o % 16);
  const double product = static_cast<double>(sum + c.start[l]) * double{c.factor[l]};
  const double v = product + double{c.shift[l]};
  const double slack = (std::fabs(product) + std::fabs(v)) * 0x1p-23;
  const auto byte = [&](double r) {
    return std::min<double>(std::max<double>(std::nearbyint(r) + double{d.p.zero}, double{d.p.alpha}),
                            double{d.p.beta});
  };
  ASSERT_TRUE(byte(v - slack) <= got && got <= byte(v + slack)) << what << ": " << got << " of " << v;
}

void check_picture(const Picture& d, Level level, Guard guard) {
  ASSERT_EQ(refusal(d.p), nullptr);
  const fast::ConvShape& s = d.p.shape;
  const std::string what = text(d.p, d.z, level);
  const int64_t oh = fast::conv_out_height(s, d.z), ow = fast::conv_out_width(s, d.z), area = d.z.height * d.z.width;
  const bool planar = d.p.source == Source::planar;
  const int64_t in_bytes = planar ? static_cast<int64_t>(d.x.size()) : d.z.batch * blocks(s.in_channels) * area * 16;
  Guarded in((in_bytes + 3) / 4, guard), packed(static_cast<int64_t>(packed_weight_bytes(d.p) / 4), guard);
  Guarded out(d.z.batch * blocks(s.out_channels) * oh * ow * 4, guard);
  Guarded params(static_cast<int64_t>(d.channels.size() * sizeof(ByteChannels) / 4), guard);
  auto* x = reinterpret_cast<uint8_t*>(in.data());
  std::memset(x, 77, static_cast<size_t>(in_bytes));  // lanes behind the last channel hold anything
  for (size_t i = 0; i < d.x.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const int64_t pixel = at % area, c = at / area % s.in_channels, n = at / area / s.in_channels;
    const int64_t to = planar ? at : ((n * blocks(s.in_channels) + c / 16) * area + pixel) * 16 + c % 16;
    x[to] = static_cast<uint8_t>(d.x[i] ^ d.p.flip);
  }
  pack_byte_weights(d.p, d.w.data(), packed.data());
  std::memcpy(params.data(), d.channels.data(), d.channels.size() * sizeof(ByteChannels));
  const auto call = make_generated(d.p, d.z, level);
  ThreadPool pool({.threads = 2});
  Guarded scratch(static_cast<int64_t>(call->scratch_bytes(2) + 3) / 4, guard);
  call->run({in.data(), packed.data(), params.data(), nullptr, out.data(), scratch.data()}, pool);
  const auto* y = reinterpret_cast<const uint8_t*>(out.data());
  for (int64_t i = 0; i < d.z.batch * s.out_channels * oh * ow; ++i) {
    const int64_t ox = i % ow, oy = i / ow % oh, o = i / ow / oh % s.out_channels, n = i / ow / oh / s.out_channels;
    const int64_t at = d.p.target == Target::rows
                           ? (oy * ow + ox) * s.out_channels + o
                           : (((n * blocks(s.out_channels) + o / 16) * oh + oy) * ow + ox) * 16 + o % 16;
    expect_byte(d, o, d.sum(n, o, oy, ox), y[at], what);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(JitBytes, ConvolutionsToBytes) {
  const bool has = cpu().avx512_vnni && level(cpu()) == Level::avx512;
  std::mt19937 random(12);
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  Thinned some(5);
  for (uint32_t i = 0; i < 60; ++i) {
    const bool planar = i % 4 == 0;
    fast::ConvShape s;
    s.groups = !planar && i % 5 == 1 ? 2 : 1;
    s.in_channels = planar ? pick(1, 4) : s.groups == 2 ? 32 : pick(1, 50);
    s.out_channels = s.groups == 2 ? 32 * pick(1, 2) : pick(1, 90);
    if (i % 4 == 2) s.in_channels = s.out_channels = s.groups = pick(1, 50) + 1;  // single channels
    if (i % 8 == 3) s.in_channels = s.out_channels = 16 * pick(1, 3), s.groups = s.in_channels / (2 << pick(0, 2));
    s.kernel_h = pick(1, 4), s.kernel_w = i % 3 == 0 ? 1 : pick(1, 5);
    s.stride_h = pick(1, 2), s.stride_w = pick(1, 3), s.dilation_h = pick(1, 2), s.dilation_w = pick(1, 2);
    if (i % 3 != 0)
      s.pad_top = pick(0, 2), s.pad_left = pick(0, 3), s.pad_bottom = pick(0, 2), s.pad_right = pick(0, 3);
    const fast::ConvSizes z{pick(1, 2), pick(8, 20), pick(9, 40)};
    Picture d(s, z, planar ? Source::planar : Source::blocked, i);
    if (i % 2 == 1) d.p.extents = Extents::open;
    if (!some.takes_next()) continue;
    check_picture(d, Level::plain, Guard::behind);
    for (const Guard g : {Guard::before, Guard::behind}) {
      if (has) check_picture(d, Level::avx512, g);
    }
    if (HasFatalFailure()) return;
  }
}

void check_sums(const Picture& d, Level level, Guard guard) {
  ASSERT_EQ(refusal(d.p), nullptr);
  const fast::ConvShape& s = d.p.shape;
  const int64_t oh = fast::conv_out_height(s, d.z), ow = fast::conv_out_width(s, d.z), area = d.z.height * d.z.width;
  Guarded in(d.z.batch * blocks(s.in_channels) * area * 4, guard);
  Guarded packed(static_cast<int64_t>(packed_weight_bytes(d.p) / 4), guard);
  Guarded out(d.z.batch * blocks(s.out_channels) * oh * ow * 16, guard);
  auto* x = reinterpret_cast<uint8_t*>(in.data());
  std::memset(x, 77, static_cast<size_t>(in.count()) * 4);
  for (size_t i = 0; i < d.x.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const int64_t pixel = at % area, c = at / area % s.in_channels, n = at / area / s.in_channels;
    x[((n * blocks(s.in_channels) + c / 16) * area + pixel) * 16 + c % 16] = d.x[i];
  }
  pack_byte_weights(d.p, d.w.data(), packed.data());
  const auto call = make_generated(d.p, d.z, level);
  ThreadPool pool({.threads = 2});
  ConvBuffers b{in.data(), packed.data(), nullptr, nullptr, out.data(), nullptr};
  b.input_image = blocks(s.in_channels) * area * 4;
  call->run(b, pool);
  for (int64_t i = 0; i < d.z.batch * s.out_channels * oh * ow; ++i) {
    const int64_t ox = i % ow, oy = i / ow % oh, o = i / ow / oh % s.out_channels, n = i / ow / oh / s.out_channels;
    int32_t got = 0;
    std::memcpy(&got, out.data() + (((n * blocks(s.out_channels) + o / 16) * oh + oy) * ow + ox) * 16 + o % 16, 4);
    ASSERT_EQ(got, d.sum(n, o, oy, ox)) << text(d.p, d.z, level);
  }
}

TEST(JitBytes, ConvolutionsToSums) {
  const bool has = cpu().avx512_vnni && level(cpu()) == Level::avx512;
  std::mt19937 random(14);
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (uint32_t i = 0; i < 24; ++i) {
    fast::ConvShape s;
    s.groups = i % 5 == 1 ? 2 : 1;
    s.in_channels = s.groups == 2 ? 32 : pick(1, 50), s.out_channels = s.groups == 2 ? 32 : pick(1, 70);
    s.kernel_h = pick(1, 3), s.kernel_w = pick(1, 4), s.stride_h = pick(1, 2), s.stride_w = pick(1, 2);
    s.dilation_h = pick(1, 2), s.dilation_w = pick(1, 2);
    Picture d(s, {pick(1, 2), pick(6, 12), pick(8, 24)}, Source::blocked, i);
    d.p.requantize = false, d.p.zero = d.p.alpha = d.p.beta = 0;
    if (i % 2 == 1) d.p.extents = Extents::open;
    check_sums(d, Level::plain, Guard::behind);
    for (const Guard g : {Guard::before, Guard::behind}) {
      if (has) check_sums(d, Level::avx512, g);
    }
    if (HasFatalFailure()) return;
  }
}

TEST(JitBytes, RowsToBytes) {
  const bool has = cpu().avx512_vnni && level(cpu()) == Level::avx512;
  std::mt19937 random(13);
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (uint32_t i = 0; i < 30; ++i) {
    fast::ConvShape s;
    s.in_channels = pick(1, 90), s.out_channels = 16 * pick(1, 9);
    Picture d(s, {1, 1, pick(1, 60)}, Source::blocked, i);
    d.p.target = Target::rows;
    if (i % 2 == 0) d.p.zero -= 128, d.p.alpha -= 128, d.p.beta -= 128;  // signed bytes
    if (i % 3 == 1) d.p.extents = Extents::open;
    check_picture(d, Level::plain, Guard::behind);
    for (const Guard g : {Guard::before, Guard::behind}) {
      if (has) check_picture(d, Level::avx512, g);
    }
    if (HasFatalFailure()) return;
  }
}

TEST(JitBytes, SingleChannelsInterpreted) {
  // Filters whose rows stay in registers, and long ones.
  for (const int columns : {1, 3, 5, 9}) {
    for (const int pixels : {1, 4, most_depthwise_pixels(Level::avx512, columns)}) {
      fast::ConvShape s;
      s.in_channels = s.out_channels = s.groups = 16, s.kernel_h = 2, s.kernel_w = columns;
      const int width = pixels + columns - 1;
      const Picture d(s, {1, 2, width}, Source::blocked, 4 + static_cast<uint32_t>(pixels));
      std::vector<uint8_t> x(static_cast<size_t>(2 * width * 16)), out(static_cast<size_t>(pixels * 16));
      for (int64_t i = 0; i < static_cast<int64_t>(d.x.size()); ++i)
        x[static_cast<size_t>(i % (2 * width) * 16 + i / (2 * width))] = d.x[static_cast<size_t>(i)];
      std::vector<int32_t> packed(packed_weight_bytes(d.p) / 4);
      pack_byte_weights(d.p, d.w.data(), packed.data());
      EpilogueParams params;
      set_params(d.p, &params);
      TileKey key;
      key.pixels = pixels, key.lanes = key.last_lanes = 1, key.pixel_step = key.output_step = key.column_step = 16;
      key.columns = columns, key.depthwise = true, key.epilogue = epilogue_key(d.p);
      TileArgs a{};
      a.input = reinterpret_cast<const float*>(x.data()), a.weights = reinterpret_cast<const float*>(packed.data());
      a.bias = reinterpret_cast<const float*>(d.channels.data()), a.params = &params;
      a.output = reinterpret_cast<float*>(out.data());
      a.input_row = width * 16, a.rows = 2, a.tiles = 1;
      Interpreter interpreter;
      interpreter.allow(&a, sizeof a), interpreter.allow(&params, sizeof params);
      interpreter.allow(x.data(), x.size()), interpreter.allow(packed.data(), packed.size() * 4);
      interpreter.allow(out.data(), out.size());
      interpreter.allow(d.channels.data(), d.channels.size() * sizeof(ByteChannels));
      interpreter.run(depthwise_code(key), &a);
      for (int64_t i = 0; i < 16 * pixels; ++i)
        expect_byte(d, i % 16, d.sum(0, i % 16, 0, i / 16), out[static_cast<size_t>(i)], "tile");
    }
  }
}

TEST(JitBytes, TilesToBytesInterpreted) {
  for (int out_blocks = 1; out_blocks <= 4; ++out_blocks) {
    for (const int pixels : {1, 3, most_pixels(Level::avx512, out_blocks)}) {
      fast::ConvShape s;
      s.in_channels = 20, s.out_channels = out_blocks * 16, s.kernel_w = 2;
      const Picture d(s, {1, 1, pixels + 1}, Source::blocked, 3 + static_cast<uint32_t>(pixels));
      std::vector<uint8_t> x(static_cast<size_t>(2 * (pixels + 1) * 16)),
          out(static_cast<size_t>(out_blocks * pixels * 16));
      for (int64_t i = 0; i < static_cast<int64_t>(d.x.size()); ++i) {
        const int64_t c = i / (pixels + 1), pixel = i % (pixels + 1);
        x[static_cast<size_t>((c / 16 * (pixels + 1) + pixel) * 16 + c % 16)] = d.x[static_cast<size_t>(i)];
      }
      std::vector<int32_t> packed(packed_weight_bytes(d.p) / 4);
      pack_byte_weights(d.p, d.w.data(), packed.data());
      EpilogueParams params;
      set_params(d.p, &params);
      TileKey key;
      key.pixels = pixels, key.out_blocks = out_blocks, key.lanes = kFours, key.last_lanes = 1, key.pixel_step = 16;
      key.output_step = 16, key.epilogue = epilogue_key(d.p);
      TileArgs a{};
      a.input = reinterpret_cast<const float*>(x.data()), a.weights = reinterpret_cast<const float*>(packed.data());
      a.bias = reinterpret_cast<const float*>(d.channels.data()), a.params = &params;
      a.output = reinterpret_cast<float*>(out.data());
      a.weight_block = 2 * 2 * 256, a.output_block = pixels * 16, a.input_block = (pixels + 1) * 16;
      a.full_blocks = a.last_block = a.rows = a.tiles = 1, a.columns = 2, a.column_step = 16;
      Interpreter interpreter;
      interpreter.allow(&a, sizeof a), interpreter.allow(&params, sizeof params);
      interpreter.allow(x.data(), x.size()), interpreter.allow(packed.data(), packed.size() * 4);
      interpreter.allow(out.data(), out.size());
      interpreter.allow(d.channels.data(), d.channels.size() * sizeof(ByteChannels));
      interpreter.run(tile_code(key), &a);
      for (int64_t i = 0; i < s.out_channels * pixels; ++i) {
        const int64_t o = i / pixels, ox = i % pixels;
        expect_byte(d, o, d.sum(0, o, 0, ox), out[static_cast<size_t>((o / 16 * pixels + ox) * 16 + o % 16)], "tile");
      }
    }
  }
}

TEST(JitBytes, TilesInterpreted) {
  for (int out_blocks = 1; out_blocks <= 4; ++out_blocks) {
    for (const int pixels : {1, 3, most_pixels(Level::avx512, out_blocks)}) {
      const Bytes d(pixels, 11, out_blocks * 16, 3);
      const ConvProblem p = d.problem(Extents::fixed);
      std::vector<uint8_t> x(
          static_cast<size_t>((pixels - 1) * 16 + 12));  // fours behind the last channel are not read
      for (int64_t i = 0; i < d.rows * d.k; ++i)
        x[static_cast<size_t>(i / d.k * 16 + i % d.k)] = d.a[static_cast<size_t>(i)];
      std::vector<int32_t> packed(packed_weight_bytes(p) / 4), out(static_cast<size_t>(d.rows * d.n));
      pack_byte_weights(p, d.b.data(), packed.data());
      TileKey key;
      key.pixels = pixels, key.out_blocks = out_blocks, key.lanes = kFours, key.last_lanes = 3, key.pixel_step = 16;
      key.output_step = out_blocks * 64;
      TileArgs a{};
      a.input = reinterpret_cast<const float*>(x.data()), a.weights = reinterpret_cast<const float*>(packed.data());
      a.output = reinterpret_cast<float*>(out.data());
      a.weight_block = 256, a.output_block = 64;
      a.last_block = a.rows = a.columns = a.tiles = 1;
      Interpreter interpreter;
      interpreter.allow(&a, sizeof a);
      interpreter.allow(x.data(), x.size()), interpreter.allow(packed.data(), packed.size() * 4);
      interpreter.allow(out.data(), out.size() * 4);
      interpreter.run(tile_code(key), &a);
      for (int64_t i = 0; i < d.rows * d.n; ++i) ASSERT_EQ(out[static_cast<size_t>(i)], d.sum(i / d.n, i % d.n));
    }
  }
}

TEST(JitBytes, Refusals) {
  ConvProblem p = Bytes(2, 20, 16, 1).problem(Extents::fixed);
  p.shape.in_channels = 65'001;
  EXPECT_STREQ(refusal(p), "bytes of so many channels that int32 does not hold their sums");
  p.shape.in_channels = 20, p.bias = true;
  EXPECT_STREQ(refusal(p), "bytes with a bias or an activation");
  p.bias = false, p.shape.kernel_w = 3;
  EXPECT_STREQ(refusal(p), "rows of a convolution that is not a product");
}

}  // namespace
}  // namespace chorus::jit::test
