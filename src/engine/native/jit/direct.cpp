// Direct convolutions: rows are cut into tiles, the work into tasks, from sizes only.
#include <engine/native/jit/code_cache.h>
#include <engine/native/jit/direct.h>
#include <engine/native/jit/matrix_code.h>
#include <engine/native/jit/row.h>

#include <core/thread_pool.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

namespace chorus::jit {
namespace {

using fast::ConvShape;
using fast::ConvSizes;

constexpr int64_t parts(int64_t n, int64_t size) { return (n + size - 1) / size; }
/// Where part i of n things begins: parts differ by one at most, larger ones lie between smaller ones.
constexpr int64_t begin_of(int64_t i, int64_t n, int64_t parts) {
  const int64_t rest = n % parts;
  const bool safe = parts < int64_t{1} << 31;  // sizes in files need not be meant
  return i * (n / parts) + (safe ? i * rest / parts : std::min(i, rest));
}
constexpr int64_t kInputChunk = 384 << 10;
constexpr int64_t kPanelBytes = 36 << 10, kPassBytes = 32 << 10;  // weights that stay in the first cache
constexpr int64_t kPassTiles = 8;
constexpr int64_t kTaskProducts = 2 << 20;   // a task is worth some ten microseconds
constexpr int64_t kLeastProducts = 1 << 20;     // below, another thread takes longer to begin and to hand over
constexpr double kNearCycles = 0.03,
                 kFarCycles = 0.2;  // per byte of weights from the second cache, and from behind it
constexpr int64_t kMostTasks = 12;   // of one image, beyond what caches want
constexpr double kInputCycles = 0.06;  // per byte of an input that does not stay in the second cache
constexpr double kFewTasks = 0.01;  // share of the work, for every task that is wanted beside one that is there
constexpr double kTaskCycles = 300;
constexpr int64_t kWideRow = 2520;  // pixels: tiles of any size divide it
constexpr int64_t kColdWeights = 256 << 10;  // bytes of weights that open problems prefetch

struct Kernels {
  Kernel of[4] = {};  // by output blocks - 1
};

class DirectCall final : public TaskCall {
 public:
  DirectCall(const ConvProblem& problem, const ConvSizes& sizes, Level level, More more, const Grid& grid);
  /// False: memory for code was refused.
  bool generate();
  /// The code of all widths, of open extents.
  bool generate_all();
  size_t scratch_bytes(int) const noexcept override { return 0; }
  void run(const ConvBuffers& buffers, ThreadPool& pool) const noexcept override;
  const char* name() const noexcept override { return name_; }
  int64_t tasks() const noexcept override { return runs_.empty() ? 0 : z_.batch * chunks_ * k_parts_; }
  void task(const ConvBuffers& b, int64_t index, Turn turn) const noexcept override {
    task(b, images(p_, z_, b), index, turn);
  }

 private:
  ConvProblem p_;
  ConvSizes z_;
  Level level_;
  More more_;
  Grid grid_;                       // of the output
  Geometry g_;
  int64_t height_, width_;          // of the output; one row where rows need not be told apart
  int64_t in_height_, in_width_;
  int64_t pixel_floats_ = kBlock;   // of the input: to the next pixel
  int64_t in_plane_ = 0;            // floats to the next input block
  int64_t out_pixel_ = kBlock, out_plane_ = 0;  // floats to the output's next pixel, to its next block
  int out_blocks_ = 1;              // of a tile
  int pixels_ = 1;
  std::vector<Run> runs_;           // of a row
  std::vector<Kernels> kernels_;    // of each run
  int64_t tiles_ = 0;               // of a row
  int64_t chunks_ = 1, chunk_ = 1;  // along rows, or along tiles where there is one row; units of the largest
  int64_t k_parts_ = 1;             // parts of the groups of output blocks
  int64_t in_step_ = 1;             // input blocks of a pass over a part of the rows
  int64_t unit_step_ = 1;           // rows or tiles of that part
  int64_t pass_tiles_ = 1;          // of that part
  int prefetch_ = 0;
  EpilogueParams params_;
  char name_[48] = {};

  bool depthwise() const { return g_.form == Form::depthwise; }
  bool matrices() const { return p_.unit == Unit::matrices; }
  void choose_tiles();
  void choose_tasks();
  void choose_parts(int64_t wanted, int64_t units, double work, int64_t in_bytes);
  double share_of_two(int64_t units, int64_t chunks, int64_t groups, int64_t k) const;
  /// Groups of output blocks that a tile computes together.
  int64_t groups() const { return parts(g_.blocks_per_group, out_blocks_) * (g_.out_blocks / g_.blocks_per_group); }
  void choose_passes();
  int lines_ahead() const;
  double cost(int64_t width, int out_blocks) const;
  /// Bytes of input that a task works on: they stay in the second cache.
  int64_t input_chunk() const {
    return p_.tiling.chunk > 0 && p_.method == Method::direct ? int64_t{p_.tiling.chunk} << 10 : kInputChunk;
  }
  bool open() const { return p_.extents == Extents::open; }
  void choose_tile_size();
  TileKey key_of(const Run& run, int out_blocks) const;
  void task(const ConvBuffers& b, const Images& image, int64_t index, Turn turn) const noexcept;
  void panel(const TileArgs& args, int64_t first, int64_t last, int out_blocks, int64_t next, Turn turn) const noexcept;
  void row(TileArgs args, int64_t oy, int64_t first_tile, int64_t last_tile, int out_blocks) const noexcept;
};

DirectCall::DirectCall(const ConvProblem& problem, const ConvSizes& sizes, Level level, More more, const Grid& grid)
    : p_(problem), z_(sizes), level_(level), more_(more), grid_(grid), g_(geometry(problem)) {
  const ConvShape& s = p_.shape;
  height_ = fast::conv_out_height(s, z_), width_ = fast::conv_out_width(s, z_);
  in_height_ = z_.height, in_width_ = z_.width;
  if (g_.form == Form::planar) pixel_floats_ = 1;
  if (p_.element != Element::f32) pixel_floats_ = depthwise() ? kBlock / 4 : g_.lanes;
  const bool points = s.kernel_h == 1 && s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_top == 0 &&
                      s.pad_bottom == 0 && s.pad_left == 0 && s.pad_right == 0 && grid_.plane == 0;
  if (points) width_ *= height_, in_width_ *= in_height_, height_ = in_height_ = 1;
  if (grid_.plane == 0) grid_ = {0, 1, width_, height_ * width_, 0};
  if (grid_.input_plane == 0) grid_.input_plane = in_height_ * in_width_;
  in_plane_ = grid_.input_plane * pixel_floats_, out_plane_ = grid_.plane * kBlock;
  if (p_.source == Source::rows) pixel_floats_ = s.in_channels, in_plane_ = kBlock;
  if (p_.requantize) out_pixel_ = kBlock / 4, out_plane_ = grid_.plane * out_pixel_;
  if (p_.target == Target::rows) {
    const int64_t in_a_float = p_.requantize ? 4 : 1;
    out_pixel_ = s.out_channels / in_a_float, out_plane_ = kBlock / in_a_float;
  }
  set_params(p_, &params_);
  const bool empty = height_ == 0 || width_ == 0;
  if (!empty || open()) choose_tile_size();
  if (empty || z_.batch <= 0) return;
  choose_tiles();
  // One image decides what is prefetched, so that code does not depend on the batch.
  z_.batch = 1;
  choose_tasks();
  choose_passes();
  if (!open()) prefetch_ = lines_ahead();
  if (sizes.batch == 1) return;
  z_.batch = sizes.batch;
  choose_tasks();
  choose_passes();
}

/// Cycles of a row over all output blocks of a group: sums, loads or latency, whichever is longest, and what a tile costs.
double DirectCall::cost(int64_t width, int out_blocks) const {
  const int halves = level_ == Level::avx512 ? 1 : 2;
  const double steps = static_cast<double>(g_.in_blocks * g_.lanes * p_.shape.kernel_h * p_.shape.kernel_w);
  double total = 0;
  for (int64_t k = 0; k < g_.blocks_per_group; k += out_blocks) {
    const auto n = static_cast<double>(std::min<int64_t>(out_blocks, g_.blocks_per_group - k) * halves);
    const int most = most_pixels(level_, out_blocks);
    const int64_t tiles = parts(width, most);
    const double pixels = static_cast<double>(width) / static_cast<double>(tiles);
    const double sums = pixels * n / 2, loads = (pixels + n) / 2;
    total += static_cast<double>(tiles) * (std::max({sums, loads, 1.0}) * steps + 2 * pixels * n + 16);
  }
  return total;
}

/// What code depends on beside the row's width: of open extents it follows from the problem alone.
void DirectCall::choose_tile_size() {
  if (depthwise()) {
    pixels_ = most_depthwise_pixels(level_, static_cast<int>(p_.shape.kernel_w));
    return;
  }
  if (matrices()) {
    out_blocks_ = static_cast<int>(std::min<int64_t>(kMatrixBlocks, g_.blocks_per_group));
    pixels_ = kMatrixPixels;
    return;
  }
  double best = 0;
  const Tiling& tiling = p_.tiling;
  for (int n = 1; n <= 4 && n <= g_.blocks_per_group; ++n) {
    if (most_pixels(level_, n) == 0) break;
    if (tiling.out_blocks == n) {
      out_blocks_ = n;
      break;
    }
    const double c = cost(open() ? kWideRow : width_, n);
    if (n == 1 || c < best) best = c, out_blocks_ = n;
  }
  pixels_ = most_pixels(level_, out_blocks_);
  if (tiling.pixels > 0) pixels_ = std::min(pixels_, tiling.pixels);
  if (open() && g_.lanes > 1 && g_.out_blocks * g_.out_block_floats * 4 > kColdWeights) prefetch_ = 2;
}

void DirectCall::choose_tiles() {
  runs_ = cut_row(p_.shape, width_, in_width_, pixels_, p_.extents);
  for (const Run& r : runs_) tiles_ += r.tiles;
  std::snprintf(name_, sizeof name_, "%s.%s %dx%d", depthwise() ? "depthwise" : "direct",
                matrices()                ? "amx"
                : level_ == Level::avx512 ? "avx512"
                                          : "avx2",
                runs_.front().pixels, out_blocks_);
}

void DirectCall::choose_tasks() {
  const ConvShape& s = p_.shape;
  const int64_t units = height_ > 1 ? height_ : tiles_;
  const int64_t in_floats = p_.source == Source::rows ? kBlock : pixel_floats_;  // of a pixel and block
  const int64_t rows_read = parts(in_height_ * std::min(s.kernel_h, s.stride_h), s.stride_h);
  const int64_t columns_read = parts(in_width_ * std::min(s.kernel_w, s.stride_w), s.stride_w);
  const int64_t in_bytes = rows_read * columns_read * in_floats * 4 * (depthwise() ? 1 : g_.in_blocks);
  const auto real = [](int64_t n) { return static_cast<double>(n); };  // sizes in files need not be meant
  const double all = real(height_) * real(width_) * real(z_.batch * g_.out_blocks) * kBlock *
                     real(g_.in_blocks * g_.lanes * s.kernel_h * s.kernel_w);
  // Several products that follow each other are many tasks without being cut.
  const bool alone = more_ == More::nothing;
  const double least = alone && all >= 2 * kLeastProducts ? 2 : 1;
  auto wanted = static_cast<int64_t>(std::clamp(all / (alone ? 1 : 4) / kTaskProducts, least, real(kMostTasks)));
  if (wanted > 1) wanted += wanted % 2;  // two threads end together
  if (depthwise()) {
    k_parts_ = g_.out_blocks;
    chunks_ = std::clamp<int64_t>(parts(wanted, z_.batch * k_parts_), 1, units);
  } else {
    chunks_ = std::clamp<int64_t>(parts(in_bytes, input_chunk()), 1, units);
    k_parts_ = 1;
    if (wanted > 1 || chunks_ > 1) choose_parts(wanted, units, all / 32, in_bytes);
  }
  chunk_ = parts(units, chunks_);
}

/// Of the cuts into enough tasks the one that two threads should end first with: equal shares, against weights that are read again by every
/// chunk, and what a task costs. `work` in cycles.
void DirectCall::choose_parts(int64_t wanted, int64_t units, double work, int64_t in_bytes) {
  const int64_t groups = this->groups(), least = chunks_;
  const int64_t bytes = g_.out_blocks * g_.out_block_floats * 4;
  const double weights = static_cast<double>(bytes) * (bytes > kColdWeights ? kFarCycles : kNearCycles);
  // Read again by every group of output blocks.
  const double input = static_cast<double>(in_bytes) * static_cast<double>(groups) * kInputCycles;
  double best = 0;
  for (int64_t k = 1; k <= std::min(groups, wanted); ++k) {
    // One chunk, as many as the cache wants, as many as make enough tasks, and one more: an even number of tasks.
    const int64_t enough = std::clamp<int64_t>(parts(wanted, z_.batch * k), least, units);
    for (const int64_t c : {int64_t{1}, least, enough, std::min(enough + 1, units)}) {
      const auto tasks = static_cast<double>(z_.batch * c * k);
      const double few = std::max(static_cast<double>(wanted) / tasks - 1, 0.0);  // more threads want more tasks
      const double cycles = work * (share_of_two(units, c, groups, k) + few * kFewTasks) +
                            (static_cast<double>(c) * weights + (c < least ? input : 0)) / 2 + tasks * kTaskCycles;
      if (best == 0 || cycles < best) best = cycles, chunks_ = c, k_parts_ = k;
    }
  }
}

/// The part of the work that the busier one of two threads does.
double DirectCall::share_of_two(int64_t units, int64_t chunks, int64_t groups, int64_t k) const {
  const auto of = [](int64_t i, int64_t all) { return static_cast<double>(i) / static_cast<double>(all); };
  // The first half of the tasks is one thread's: whole images, whole chunks of the next, parts of the next chunk.
  const int64_t half = parts(z_.batch * chunks * k, 2), rest = half % (chunks * k), chunk = rest / k;
  const int64_t begin = begin_of(chunk, units, chunks), end = begin_of(chunk + 1, units, chunks);
  const double image = of(begin, units) + of(end - begin, units) * of(begin_of(rest % k, groups, k), groups);
  const double first = of(half / (chunks * k), z_.batch) + image / static_cast<double>(z_.batch);
  const double most = of(parts(units, chunks), units) * of(parts(groups, k), groups) / static_cast<double>(z_.batch);
  return std::min(std::max(first, 1 - first), 0.5 + most / 2);  // whoever is done helps
}

/// Weights of a pass stay in the first cache while tiles stream past them; sums wait in the output in between.
void DirectCall::choose_passes() {
  const int64_t units = chunk_, tiles = height_ > 1 ? units * tiles_ : units;
  in_step_ = g_.in_blocks, unit_step_ = units;
  if (depthwise()) return;
  const int64_t per_block = out_blocks_ * p_.shape.kernel_h * p_.shape.kernel_w * g_.tap * 4;
  const bool in_place = p_.residual && p_.residual_place == fast::ResidualPlace::after_activation;
  pass_tiles_ = tiles;
  if (per_block * g_.in_blocks > kPanelBytes && tiles > 1 && tiles <= kPassTiles && !in_place && !p_.requantize) {
    const int64_t passes = parts(g_.in_blocks, std::max<int64_t>(kPassBytes / per_block, 1));
    in_step_ = parts(g_.in_blocks, passes);
    unit_step_ = std::min(units, parts(kPassTiles, height_ > 1 ? tiles_ : 1));
    unit_step_ = parts(units, parts(units, unit_step_));
    pass_tiles_ = height_ > 1 ? unit_step_ * tiles_ : unit_step_;
  }
}

/// Of weights used next, with each filter position.
int DirectCall::lines_ahead() const {
  if (depthwise() || matrices() || g_.lanes == 1 || pass_tiles_ <= 1 || pass_tiles_ > 2 * kPassTiles) return 0;
  return static_cast<int>(parts(g_.lanes, pass_tiles_));
}

TileKey DirectCall::key_of(const Run& run, int out_blocks) const {
  const ConvShape& s = p_.shape;
  TileKey k;
  k.level = level_;
  k.pixels = run.pixels;
  k.out_blocks = out_blocks;
  k.lanes = static_cast<int>(g_.lanes);
  k.last_lanes = static_cast<int>(g_.last_lanes);
  k.pixel_step = static_cast<int>(s.stride_w * pixel_floats_ * 4);
  k.output_step = static_cast<int>(grid_.column_step * out_pixel_ * 4);
  k.left = run.left, k.right = run.right;
  k.depthwise = depthwise();
  k.matrices = matrices();
  k.prefetch = prefetch_;
  if (k.left > 0 || k.right > 0 || k.lanes == 1) {
    k.columns = static_cast<int>(s.kernel_w);
    k.column_step = static_cast<int>(s.dilation_w * pixel_floats_ * 4);
  }
  k.epilogue = epilogue_key(p_);
  return k;
}

bool DirectCall::generate_all() {
  runs_ = open_kinds(p_.shape, pixels_);
  return generate();
}

bool DirectCall::generate() {
  for (const Run& run : runs_) {
    Kernels& kernels = kernels_.emplace_back();
    const int64_t rest = g_.blocks_per_group % out_blocks_;
    for (const int64_t n : {int64_t{out_blocks_}, rest}) {
      if (n == 0 || (n == out_blocks_ && g_.blocks_per_group < n)) continue;
      const TileKey key = key_of(run, static_cast<int>(n));
      const Kernel kernel = find_tile_kernel(key);
      if (kernel == nullptr) return false;
      kernels.of[n - 1] = kernel;
    }
  }
  return true;
}

void DirectCall::row(TileArgs args, int64_t oy, int64_t first_tile, int64_t last_tile, int out_blocks) const noexcept {
  const ConvShape& s = p_.shape;
  const int64_t iy = oy * s.stride_h - s.pad_top;
  const int64_t begin = iy < 0 ? std::min(parts(-iy, s.dilation_h), s.kernel_h) : 0;
  const int64_t end = std::clamp<int64_t>(parts(in_height_ - iy, s.dilation_h), begin, s.kernel_h);
  const int64_t tap_floats = g_.tap * s.kernel_w;
  args.rows = end - begin;
  args.skip = (s.kernel_h - args.rows) * tap_floats * 4;
  args.weights += begin * tap_floats;
  const float* input = args.input + ((iy + begin * s.dilation_h) * in_width_ - s.pad_left) * pixel_floats_;
  const TileArgs base = args;
  const auto at = [](const float* p, int64_t floats) { return p != nullptr ? p + floats : nullptr; };
  int64_t tile = 0;
  for (size_t i = 0; i < runs_.size(); ++i) {
    const Run& run = runs_[i];
    const int64_t from = std::max(first_tile - tile, int64_t{0}), to = std::min(last_tile - tile, run.tiles);
    tile += run.tiles;
    if (from >= to) continue;
    const int64_t ox = run.first_pixel + from * run.pixels,
                  out = (grid_.first + oy * grid_.row_step + ox * grid_.column_step) * out_pixel_;
    args.input = input + ox * s.stride_w * pixel_floats_;
    args.output = base.output + out;
    args.initial = at(base.initial, out);
    args.residual = at(base.residual, out);
    args.tiles = to - from;
    kernels_[i].of[out_blocks - 1](&args);
  }
}

/// All passes of one group of output blocks over rows (or tiles) [first, last). `next`: distance to the next group's weights.
void DirectCall::panel(const TileArgs& args, int64_t first, int64_t last, int out_blocks, int64_t next,
                       Turn turn) const noexcept {
  const bool onto = turn == Turn::middle || turn == Turn::last, more = turn == Turn::first || turn == Turn::middle;
  const int64_t block_floats = p_.shape.kernel_h * p_.shape.kernel_w * g_.tap;
  const bool tail = g_.last_lanes < g_.lanes;
  const bool rows = height_ > 1;
  for (int64_t unit = first; unit < last; unit += unit_step_) {
    const int64_t end = std::min(unit + unit_step_, last);
    for (int64_t c = 0; c < g_.in_blocks; c += in_step_) {
      const int64_t c_end = std::min(c + in_step_, g_.in_blocks);
      const bool final = c_end == g_.in_blocks;
      TileArgs a = args;
      a.input += c * in_plane_;
      a.weights += c * block_floats;
      if (c > 0 || onto) a.initial = a.output;
      a.partial = final && !more ? 0 : 1;
      a.last_block = final && tail ? 1 : 0;
      a.full_blocks = c_end - c - a.last_block;
      if (turn == Turn::nothing) a.full_blocks = a.last_block = 0;
      // What is used next: the weights of the next pass, at the end those of the next group.
      const int64_t ahead = !final ? in_step_ * block_floats * 4 : end == last ? next - c * block_floats * 4 : 0;
      for (int64_t i = unit, tile = 0; i < (rows ? end : unit + 1); ++i, tile += tiles_) {
        a.ahead = ahead != 0 && tile * prefetch_ < g_.lanes ? ahead + tile * prefetch_ * 64 : 0;
        if (rows)
          row(a, i, 0, tiles_, out_blocks);
        else
          row(a, 0, unit, end, out_blocks);
      }
    }
  }
}

void DirectCall::task(const ConvBuffers& b, const Images& image, int64_t index, Turn turn) const noexcept {
  const ConvShape& s = p_.shape;
  const int64_t part = index % k_parts_, chunk = index / k_parts_ % chunks_, n = index / k_parts_ / chunks_;
  const int64_t units = height_ > 1 ? height_ : tiles_;
  const int64_t first = begin_of(chunk, units, chunks_), last = begin_of(chunk + 1, units, chunks_);
  alignas(64) float sums[kMatrixSums];
  TileArgs args{};
  args.params = &params_;
  args.sums = sums;
  args.weight_block = g_.out_block_floats * 4;
  args.output_block = out_plane_ * 4;
  args.input_block = in_plane_ * 4;
  args.input_row = s.dilation_h * in_width_ * pixel_floats_ * 4;
  args.columns = s.kernel_w;
  args.column_step = s.dilation_w * pixel_floats_ * 4;
  const bool before = p_.residual_place == fast::ResidualPlace::before_activation;
  const int64_t per_group = parts(g_.blocks_per_group, out_blocks_);
  const int64_t end = begin_of(part + 1, groups(), k_parts_);
  for (int64_t i = begin_of(part, groups(), k_parts_); i < end; ++i) {
    const int64_t inner = i % per_group * out_blocks_;
    const int64_t k = i / per_group * g_.blocks_per_group + inner;
    const int count = static_cast<int>(std::min<int64_t>(out_blocks_, g_.blocks_per_group - inner));
    TileArgs a = args;
    a.input = b.input + n * image.input + g_.first_in(k) * in_plane_;
    a.weights = b.weights + k * g_.out_block_floats;
    constexpr auto kByteChannels = static_cast<int64_t>(sizeof(ByteChannels) / sizeof(float));
    a.bias = b.bias != nullptr ? b.bias + k * (p_.requantize ? kByteChannels : kBlock) : nullptr;
    a.output = b.output + n * image.output + k * out_plane_;
    const float* residual = p_.residual ? b.residual + n * image.residual + k * out_plane_ : nullptr;
    a.initial = before ? residual : nullptr;
    a.residual = before ? nullptr : residual;
    panel(a, first, last, count, i + 1 < end || more_ == More::weights ? count * g_.out_block_floats * 4 : 0, turn);
  }
}

void DirectCall::run(const ConvBuffers& b, ThreadPool& pool) const noexcept {
  const Images image = images(p_, z_, b);
  pool.parallel_for(tasks(), [&](int64_t index, int) { task(b, image, index, Turn::only); });
}

}  // namespace

Kernel find_tile_kernel(const TileKey& key) {
  int32_t words[20] = {};
  const EpilogueKey& e = key.epilogue;
  const int32_t all[] = {static_cast<int32_t>(key.level),
                         key.pixels,
                         key.out_blocks,
                         key.lanes,
                         key.last_lanes,
                         key.pixel_step,
                         key.columns,
                         key.column_step,
                         key.left,
                         key.right,
                         key.prefetch,
                         key.output_step,
                         key.depthwise ? 1 : 0,
                         key.matrices ? 1 : 0,
                         static_cast<int32_t>(e.activation),
                         e.bias ? 1 : 0,
                         e.residual ? 1 : 0,
                         e.requantize ? 1 : 0};
  std::memcpy(words, all, sizeof all);
  words[19] = 1;  // the family: other kernels have other numbers here
  return find_kernel(std::as_bytes(std::span(words)), [&] {
    return key.depthwise ? depthwise_code(key) : key.matrices ? matrix_code(key) : tile_code(key);
  });
}

std::shared_ptr<const TaskCall> make_direct(const ConvProblem& problem, const ConvSizes& sizes, Level level, More more,
                                            const Grid& grid) {
  auto call = std::make_shared<DirectCall>(problem, sizes, level, more, grid);
  if (!call->generate()) return nullptr;
  return call;
}

bool generate_direct(const ConvProblem& problem, const ConvSizes& sizes, Level level, More more, const Grid& grid) {
  DirectCall call(problem, sizes, level, more, grid);
  return problem.extents == Extents::open ? call.generate_all() : call.generate();
}

}  // namespace chorus::jit
