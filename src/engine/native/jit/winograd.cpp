#include <engine/native/jit/code_cache.h>
#include <engine/native/jit/direct.h>
#include <engine/native/jit/transform_code.h>
#include <engine/native/jit/winograd.h>

#include <core/thread_pool.h>

#include <algorithm>
#include <cstring>

namespace chorus::jit {
namespace {

using fast::ConvShape;
using fast::ConvSizes;

constexpr int64_t kChunkTiles = 56;       // tiles whose products are computed together
constexpr int64_t kManyChunks = 4;        // from here on chunks are tasks, below their parts are
constexpr int64_t kLeastTransforms = 4;   // tasks of the transforms of one chunk
constexpr int64_t kMost = 6 * 6 * kBlock; // floats of a tile

constexpr int64_t parts(int64_t n, int64_t size) { return (n + size - 1) / size; }
int tile_of(const ConvProblem& p) noexcept { return p.method == Method::winograd2 ? 2 : 4; }

class WinogradCall final : public ConvCall {
 public:
  WinogradCall(const ConvProblem& problem, const ConvSizes& sizes, Level level);
  bool generate(Level level);
  /// What calls at any sizes need, of open extents.
  void generate_all(Level level);
  size_t scratch_bytes(int threads) const noexcept override {
    return static_cast<size_t>(floats_ * (chunked() ? threads : 1)) * sizeof(float);
  }
  void run(const ConvBuffers& buffers, ThreadPool& pool) const noexcept override;
  const char* name() const noexcept override { return name_; }

 private:
  /// Tiles of one image that follow each other, row by row.
  struct Chunk {
    int64_t image, first, tiles;
    float *values, *products;
    const TaskCall* product;
  };

  ConvProblem p_;
  ConvSizes z_;
  int64_t m_, n_, height_, width_, in_blocks_, out_blocks_;
  int64_t tiles_, tile_columns_;                 // of an image
  int64_t chunks_, chunk_tiles_, large_chunks_;  // of an image; tiles of a large one, the others have one less
  int64_t floats_ = 0;  // scratch of one chunk
  Kernel input_ = nullptr, output_ = nullptr;
  std::shared_ptr<const TaskCall> product_, small_product_;
  EpilogueParams params_;
  const char* name_;

  bool chunked() const noexcept { return z_.batch * chunks_ >= kManyChunks; }
  ConvProblem product_problem() const;
  bool generate_transforms(Level level);
  Chunk chunk(int64_t index, float* scratch) const noexcept;
  /// Tiles [from, to) of the chunk.
  void transform_inputs(const ConvBuffers& b, const Chunk& c, int64_t block, int64_t from, int64_t to) const noexcept;
  void multiply(const ConvBuffers& b, const Chunk& c, int64_t index) const noexcept;
  void transform_outputs(const ConvBuffers& b, const Chunk& c, int64_t block, int64_t from, int64_t to) const noexcept;
};

WinogradCall::WinogradCall(const ConvProblem& problem, const ConvSizes& sizes, Level level)
    : p_(problem), z_(sizes), m_(tile_of(problem)), n_(m_ + 2) {
  height_ = fast::conv_out_height(p_.shape, z_), width_ = fast::conv_out_width(p_.shape, z_);
  in_blocks_ = blocks(p_.shape.in_channels), out_blocks_ = blocks(p_.shape.out_channels);
  tile_columns_ = parts(width_, m_);
  tiles_ = parts(height_, m_) * tile_columns_;
  // Chunks are tasks: an even number that differ by one tile at most, so that threads end together.
  chunks_ = parts(tiles_, p_.tiling.chunk > 0 ? p_.tiling.chunk : kChunkTiles);
  if (chunks_ > 1) chunks_ += chunks_ % 2;
  chunk_tiles_ = chunks_ > 0 ? parts(tiles_, chunks_) : 0;
  large_chunks_ = chunks_ > 0 ? tiles_ - (chunk_tiles_ - 1) * chunks_ : 0;
  floats_ = n_ * n_ * chunk_tiles_ * (in_blocks_ + out_blocks_) * kBlock;
  set_params(p_, &params_);
  name_ = m_ == 2 ? (level == Level::avx512 ? "winograd2.avx512" : "winograd2.avx2")
                  : (level == Level::avx512 ? "winograd4.avx512" : "winograd4.avx2");
}

ConvProblem WinogradCall::product_problem() const {
  ConvProblem q;
  q.shape.in_channels = p_.shape.in_channels, q.shape.out_channels = p_.shape.out_channels;
  q.extents = p_.extents;
  q.tiling = {p_.tiling.out_blocks, p_.tiling.pixels, 0};
  return q;
}

bool WinogradCall::generate(Level level) {
  if (chunks_ == 0 || z_.batch <= 0) return true;
  if (!generate_transforms(level)) return false;
  product_ = make_direct(product_problem(), {1, 1, chunk_tiles_}, level, More::weights);
  small_product_ = large_chunks_ == chunks_
                       ? product_
                       : make_direct(product_problem(), {1, 1, chunk_tiles_ - 1}, level, More::weights);
  return product_ != nullptr && small_product_ != nullptr;
}

void WinogradCall::generate_all(Level level) {
  if (p_.extents == Extents::fixed)
    generate(level);
  else if (generate_transforms(level))
    generate_direct(product_problem(), {}, level, More::weights);
}

bool WinogradCall::generate_transforms(Level level) {
  TransformKey key{level, static_cast<int>(m_), {}};
  const auto find = [&](int family, Code (*make)(const TransformKey&)) {
    int32_t words[16] = {};
    words[0] = static_cast<int32_t>(level);
    words[1] = key.m;
    words[2] = static_cast<int32_t>(key.epilogue.activation);
    words[3] = key.epilogue.bias ? 1 : 0;
    words[4] = key.epilogue.residual ? 1 : 0;
    words[15] = family;
    return find_kernel(std::as_bytes(std::span(words)), [&] { return make(key); });
  };
  input_ = find(2, input_transform_code);
  key.epilogue = epilogue_key(p_);
  output_ = find(3, output_transform_code);
  return input_ != nullptr && output_ != nullptr;
}

WinogradCall::Chunk WinogradCall::chunk(int64_t index, float* scratch) const noexcept {
  Chunk c{};
  c.image = index / chunks_;
  const int64_t i = index % chunks_;
  c.first = i * chunk_tiles_ - std::max<int64_t>(i - large_chunks_, 0);
  c.tiles = i < large_chunks_ ? chunk_tiles_ : chunk_tiles_ - 1;
  c.values = scratch;
  c.products = scratch + n_ * n_ * c.tiles * in_blocks_ * kBlock;
  c.product = (i < large_chunks_ ? product_ : small_product_).get();
  return c;
}

void WinogradCall::transform_inputs(const ConvBuffers& b, const Chunk& c, int64_t block, int64_t from,
                                    int64_t to) const noexcept {
  alignas(64) float between[kMost];
  alignas(64) float patch[kMost];
  const int64_t plane = z_.height * z_.width * kBlock;
  const float* picture = b.input + c.image * images(p_, z_, b).input + block * plane;
  TransformArgs args{};
  args.between = between;
  args.target_step = in_blocks_ * c.tiles * kBlock * 4;
  for (int64_t t = from; t < to; ++t) {
    const int64_t y = (c.first + t) / tile_columns_ * m_ - p_.shape.pad_top;
    const int64_t x = (c.first + t) % tile_columns_ * m_ - p_.shape.pad_left;
    args.target = c.values + (block * c.tiles + t) * kBlock;
    if (y >= 0 && x >= 0 && y + n_ <= z_.height && x + n_ <= z_.width) {
      args.source = picture + (y * z_.width + x) * kBlock;
      args.source_step = z_.width * kBlock * 4;
    } else {
      std::memset(patch, 0, sizeof patch);
      const int64_t first = std::max<int64_t>(-x, 0), last = std::min(n_, z_.width - x);
      for (int64_t i = std::max<int64_t>(-y, 0); i < std::min(n_, z_.height - y) && first < last; ++i) {
        std::memcpy(patch + (i * n_ + first) * kBlock, picture + ((y + i) * z_.width + x + first) * kBlock,
                    static_cast<size_t>((last - first) * kBlock) * sizeof(float));
      }
      args.source = patch;
      args.source_step = n_ * kBlock * 4;
    }
    input_(&args);
  }
}

void WinogradCall::multiply(const ConvBuffers& b, const Chunk& c, int64_t index) const noexcept {
  const int64_t tasks = c.product->tasks(), point = index / tasks;
  ConvBuffers q;
  q.input = c.values + point * in_blocks_ * c.tiles * kBlock;
  q.weights = b.weights + point * in_blocks_ * out_blocks_ * kBlock * kBlock;
  q.output = c.products + point * out_blocks_ * c.tiles * kBlock;
  c.product->task(q, index % tasks);
}

void WinogradCall::transform_outputs(const ConvBuffers& b, const Chunk& c, int64_t block, int64_t from,
                                     int64_t to) const noexcept {
  alignas(64) float between[kMost];
  alignas(64) float patch[kMost];
  alignas(64) float residual_patch[kMost];
  const Images image = images(p_, z_, b);
  const bool before = p_.residual_place == fast::ResidualPlace::before_activation;
  TransformArgs args{};
  args.between = between;
  args.params = &params_;
  args.bias = b.bias != nullptr ? b.bias + block * kBlock : nullptr;
  args.source_step = out_blocks_ * c.tiles * kBlock * 4;
  for (int64_t t = from; t < to; ++t) {
    const int64_t y = (c.first + t) / tile_columns_ * m_, x = (c.first + t) % tile_columns_ * m_;
    const int64_t at = ((block * height_ + y) * width_ + x) * kBlock;
    const int64_t rows = std::min(m_, height_ - y);
    const auto bytes = static_cast<size_t>(std::min(m_, width_ - x) * kBlock) * sizeof(float);
    const bool whole = rows == m_ && x + m_ <= width_;
    float* to = b.output + c.image * image.output + at;
    const float* residual = p_.residual ? b.residual + c.image * image.residual + at : nullptr;
    const int64_t step = (whole ? width_ : m_) * kBlock;
    if (!whole && residual != nullptr) {
      std::memset(residual_patch, 0, sizeof residual_patch);
      for (int64_t i = 0; i < rows; ++i) std::memcpy(residual_patch + i * step, residual + i * width_ * kBlock, bytes);
      residual = residual_patch;
    }
    args.source = c.products + (block * c.tiles + t) * kBlock;
    args.target = whole ? to : patch;
    args.target_step = step * 4;
    args.initial = before ? residual : nullptr;
    args.residual = before ? nullptr : residual;
    output_(&args);
    for (int64_t i = 0; i < rows && !whole; ++i) std::memcpy(to + i * width_ * kBlock, patch + i * step, bytes);
  }
}

void WinogradCall::run(const ConvBuffers& b, ThreadPool& pool) const noexcept {
  if (product_ == nullptr) return;
  auto* scratch = static_cast<float*>(b.scratch);
  if (chunked()) {
    pool.parallel_for(z_.batch * chunks_, [&](int64_t index, int worker) {
      const Chunk c = chunk(index, scratch + worker * floats_);
      for (int64_t block = 0; block < in_blocks_; ++block) transform_inputs(b, c, block, 0, c.tiles);
      for (int64_t i = 0; i < n_ * n_ * c.product->tasks(); ++i) multiply(b, c, i);
      for (int64_t block = 0; block < out_blocks_; ++block) transform_outputs(b, c, block, 0, c.tiles);
    });
    return;
  }
  for (int64_t index = 0; index < z_.batch * chunks_; ++index) {
    const Chunk c = chunk(index, scratch);
    // Few blocks: their tiles are shared, too.
    const auto each = [&](int64_t all, auto transform) {
      const int64_t pieces = std::min(parts(kLeastTransforms, all), c.tiles), size = parts(c.tiles, pieces);
      pool.parallel_for(all * pieces, [&](int64_t i, int) {
        const int64_t from = std::min(i % pieces * size, c.tiles);
        transform(i / pieces, from, std::min(from + size, c.tiles));
      });
    };
    each(in_blocks_, [&](int64_t block, int64_t from, int64_t to) { transform_inputs(b, c, block, from, to); });
    pool.parallel_for(n_ * n_ * c.product->tasks(), [&](int64_t i, int) { multiply(b, c, i); });
    each(out_blocks_, [&](int64_t block, int64_t from, int64_t to) { transform_outputs(b, c, block, from, to); });
  }
}

}  // namespace

bool winograd_fits(const ConvProblem& p) noexcept {
  const ConvShape& s = p.shape;
  return p.source == Source::blocked && p.direction == Direction::forward && !is_volume(p) && s.groups == 1 &&
         s.kernel_h == 3 && s.kernel_w == 3 && s.stride_h == 1 && s.stride_w == 1 && s.dilation_h == 1 &&
         s.dilation_w == 1;
}

size_t winograd_packed_bytes(const ConvProblem& p) noexcept {
  const int64_t n = tile_of(p) + 2;
  return static_cast<size_t>(n * n * blocks(p.shape.in_channels) * blocks(p.shape.out_channels) * kBlock * kBlock) *
         sizeof(float);
}

namespace {

/// One filter: g * w * transposed g, n x n values `step` apart.
void transform_filter(std::span<const double> g, int64_t n, const float* w, double factor, float* to,
                      int64_t step) noexcept {
  double half[18];
  for (int64_t y = 0; y < n; ++y) {
    for (int64_t x = 0; x < 3; ++x) {
      double sum = 0;
      for (int64_t k = 0; k < 3; ++k) sum += g[static_cast<size_t>(y * 3 + k)] * static_cast<double>(w[k * 3 + x]);
      half[y * 3 + x] = sum * factor;
    }
  }
  for (int64_t y = 0; y < n; ++y) {
    for (int64_t x = 0; x < n; ++x) {
      double sum = 0;
      for (int64_t k = 0; k < 3; ++k) sum += half[y * 3 + k] * g[static_cast<size_t>(x * 3 + k)];
      to[(y * n + x) * step] = static_cast<float>(sum);
    }
  }
}

}  // namespace

void winograd_pack(const ConvProblem& p, const float* weights, const float* scale, float* packed) noexcept {
  constexpr int64_t square = kBlock * kBlock;
  const int64_t n = tile_of(p) + 2, in = p.shape.in_channels, out = p.shape.out_channels;
  const int64_t in_blocks = blocks(in), out_blocks = blocks(out);
  const std::span<const double> g = filter_transform(tile_of(p));
  float together[36 * square];  // of all points; each goes to a place of its own
  for (int64_t b = 0; b < out_blocks * in_blocks; ++b) {
    std::memset(together, 0, sizeof together);
    for (int64_t i = 0; i < square; ++i) {
      const int64_t o = b / in_blocks * kBlock + i % kBlock, c = b % in_blocks * kBlock + i / kBlock;
      if (o >= out || c >= in) continue;
      const double factor = scale != nullptr ? static_cast<double>(scale[o]) : 1.0;
      transform_filter(g, n, weights + (o * in + c) * 9, factor, together + i, square);
    }
    for (int64_t point = 0; point < n * n; ++point)
      std::memcpy(packed + (point * out_blocks * in_blocks + b) * square, together + point * square,
                  square * sizeof(float));
  }
}

std::shared_ptr<const ConvCall> make_winograd(const ConvProblem& problem, const ConvSizes& sizes, Level level) {
  auto call = std::make_shared<WinogradCall>(problem, sizes, level);
  if (!call->generate(level)) return nullptr;
  return call;
}

void generate_winograd(const ConvProblem& problem, const ConvSizes& sizes, Level level) {
  WinogradCall(problem, {1, sizes.height, sizes.width}, level).generate_all(level);
}

}  // namespace chorus::jit
