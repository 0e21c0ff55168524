// Convolution as a product: packed weights are A, input pixels are B. A 1x1 convolution of stride 1 reads its pixels
// where they lie; all others gather a block of B into scratch. Included after a level's vec.h.
#pragma once
#include <engine/native/fast/generic/depthwise.h>
#include <engine/native/fast/generic/gemm.h>

namespace chorus::fast::CHORUS_FAST_LEVEL {

constexpr int64_t merge_below = 96;  // output pixels below which the images of a batch share a block
constexpr int64_t gather_once = 1 << 20;  // floats of B that are gathered once for all tasks
constexpr int64_t merged_rows = 256;  // rows of a task whose results go through scratch

/// How a convolution is cut, from sizes only.
struct ConvPlan {
  int64_t m, k, n;  // of one group; n counts all images where they are merged
  int64_t images;  // tasks along the batch: 1 where merged
  int64_t k_block, columns, column_blocks, rows_per_part, row_parts;
  bool direct;  // B is the input itself
  bool merged;  // columns run through all images; results go through scratch
  bool once;  // B is gathered by a first pass
  bool skinny;
  int64_t ldb;  // of gathered B
  size_t shared, worker, result;  // floats: gathered B per image and group; scratch of a worker, its results' part
};

CHORUS_FAST_INLINE bool is_depthwise(const ConvShape& s) {
  return s.in_channels == s.groups && s.out_channels / s.groups <= 4;
}

inline ConvPlan conv_plan(const ConvShape& s, const ConvSizes& z) noexcept {
  ConvPlan p{};
  const int64_t pixels = conv_out_height(s, z) * conv_out_width(s, z);
  p.m = s.out_channels / s.groups;
  p.k = s.in_channels / s.groups * s.kernel_h * s.kernel_w;
  if (pixels == 0 || z.batch <= 0 || p.m == 0) return p;
  p.merged = z.batch > 1 && pixels < merge_below;
  p.images = p.merged ? 1 : z.batch;
  p.n = p.merged ? pixels * z.batch : pixels;
  const bool plain = s.kernel_h == 1 && s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_top == 0 &&
                     s.pad_left == 0 && s.pad_bottom == 0 && s.pad_right == 0;
  p.direct = plain && !p.merged;
  p.k_block = up(parts(most(p.k, 1), parts(most(p.k, 1), max_k)), 8);
  p.columns = block_columns(p.n, parts(wanted_blocks, p.images * s.groups));
  p.column_blocks = parts(p.n, p.columns);
  p.ldb = p.direct ? pixels : p.column_blocks == 1 ? up(p.n, 16) : p.columns;
  p.once = !p.direct && p.column_blocks == 1 && p.k * p.ldb <= gather_once;
  p.skinny = p.n <= skinny_columns && (p.direct || p.once);
  const int64_t tasks = p.images * s.groups * p.column_blocks;
  const int64_t wanted = least(most(p.m * p.k * p.n * p.images * s.groups / 500000, 1), 64);
  const int64_t panels = parts(p.m, MR);
  int64_t split = p.direct || p.once ? most(least(parts(wanted, tasks), panels / 4), 1) : 1;
  if (p.merged) split = most(split, parts(p.m, merged_rows));
  p.rows_per_part = parts(panels, split) * MR;
  p.row_parts = parts(panels * MR, p.rows_per_part);
  if (p.once) p.shared = static_cast<size_t>(up(p.k * p.ldb, 16));
  if (p.merged) p.result = static_cast<size_t>(up(p.rows_per_part * p.columns, 16));
  p.worker = p.result * 2 + (p.direct || p.once ? 0 : static_cast<size_t>(p.k_block * p.columns));
  return p;
}

inline size_t packed_group_floats(const ConvPlan& p) noexcept { return gemm_packed_a_bytes(p.m, p.k) / sizeof(float); }

inline size_t conv_packed_weight_bytes(const ConvShape& s) noexcept {
  const int64_t m = s.out_channels / s.groups, k = s.in_channels / s.groups * s.kernel_h * s.kernel_w;
  if (is_depthwise(s)) return static_cast<size_t>(up(s.out_channels * k, 16)) * sizeof(float);
  return gemm_packed_a_bytes(m, k) * static_cast<size_t>(s.groups);
}

inline void conv_pack_weights(const ConvShape& s, const float* weights, float* packed) noexcept {
  const int64_t m = s.out_channels / s.groups, k = s.in_channels / s.groups * s.kernel_h * s.kernel_w;
  if (is_depthwise(s)) {
    for (int64_t i = 0; i < s.out_channels * k; ++i) packed[i] = weights[i];
    return;
  }
  const size_t step = gemm_packed_a_bytes(m, k) / sizeof(float);
  for (int64_t g = 0; g < s.groups; ++g) {
    gemm_pack_a(m, k, weights + g * m * k, k, Form::normal, packed + static_cast<size_t>(g) * step);
  }
}

inline size_t conv_scratch_bytes(const ConvShape& s, const ConvSizes& z, int threads) noexcept {
  if (is_depthwise(s)) return depthwise_plan(s, z).worker * static_cast<size_t>(threads) * sizeof(float);
  const ConvPlan p = conv_plan(s, z);
  const size_t gathered = p.shared * static_cast<size_t>(p.images * s.groups);
  return (gathered + p.worker * static_cast<size_t>(threads)) * sizeof(float);
}

/// Copies columns between a block of results [rows, columns] and the images of a merged batch.
enum class Way : uint8_t { to_images, from_images };
inline void move_merged(const ConvArgs& a, const ConvPlan& p, float* block, float* images, int64_t channel,
                        int64_t rows, int64_t col, int64_t cols, Way way) noexcept {
  const int64_t pixels = p.n / a.sizes.batch;
  for (int64_t i = 0; i < rows; ++i) {
    float* line = block + i * p.columns;
    for (int64_t at = col; at < col + cols;) {
      const int64_t image = at / pixels, x = at % pixels, n = least(pixels - x, col + cols - at);
      float* out = images + (image * a.shape.out_channels + channel + i) * pixels + x;
      if (way == Way::to_images)
        copy_floats(line + (at - col), out, n);
      else
        copy_floats(out, line + (at - col), n);
      at += n;
    }
  }
}

struct ConvTask {
  int64_t image, group, block, row, rows;
  const float* gathered;  // B of this image and group, where p.once
  float* scratch;
};

inline void conv_task(const ConvArgs& a, const ConvPlan& p, const Im2col& gather, const ConvTask& t) noexcept {
  const ConvShape& s = a.shape;
  const int64_t pixels = gather.out_height * gather.out_width;
  const int64_t col = t.block * p.columns, channel = t.group * p.m + t.row;
  Epilogue e = a.epilogue;
  e.axis = ChannelAxis::row;
  Block b{};
  b.a_step = p.k * MR, b.rows = t.rows, b.cols = least(p.columns, p.n - col), b.alpha = 1.0f;
  b.row = channel, b.col = 0;
  float* pack = t.scratch + 2 * p.result;
  if (p.merged) {
    b.c = t.scratch, b.ldc = p.columns;
    if (e.residual != nullptr) {
      float* residual = t.scratch + p.result;
      move_merged(a, p, residual, const_cast<float*>(e.residual), channel, t.rows, col, b.cols, Way::from_images);
      b.residual = residual;
    }
  } else {
    const int64_t at = (t.image * s.out_channels + channel) * pixels + col;
    b.c = a.output + at, b.ldc = pixels;
    b.residual = e.residual != nullptr ? e.residual + at : nullptr;
  }
  const float* weights = a.weights + static_cast<size_t>(t.group) * packed_group_floats(p) + t.row * p.k;
  const float* in_place = p.direct ? gather.input + t.image * gather.image : t.gathered;
  if (in_place != nullptr) in_place += col;  // neither direct nor gathered at once: block by block below
  if (p.skinny) {
    b.a = weights, b.b = in_place, b.ldb = p.ldb, b.k = p.k, b.epilogue = &e;
    run_skinny(b, 1);
  } else {
    for (int64_t k = 0; k == 0 || k < p.k; k += p.k_block) {
      b.k = least(p.k_block, p.k - k);
      b.a = weights + k * MR;
      b.ldb = p.ldb, b.b_step = NR, b.b_padded = !p.direct;
      if (p.direct || p.once) {
        b.b = in_place + k * p.ldb;
      } else {
        Im2col from = gather;
        from.input += t.image * gather.image;
        im2col(from, k, b.k, col, b.cols, pack, p.ldb);
        b.b = pack;
      }
      b.c_scale = k == 0 ? 0.0f : 1.0f;
      b.epilogue = k + b.k >= p.k ? &e : nullptr;
      run_block(b);
    }
  }
  if (p.merged) move_merged(a, p, b.c, a.output, channel, t.rows, col, b.cols, Way::to_images);
}

inline void conv_run(const ConvArgs& a, ThreadPool& pool) noexcept {
  const ConvShape& s = a.shape;
  const ConvSizes& z = a.sizes;
  if (z.batch <= 0 || conv_out_height(s, z) == 0 || conv_out_width(s, z) == 0 || s.out_channels == 0) return;
  if (is_depthwise(s)) return depthwise_run(a, pool);
  const ConvPlan p = conv_plan(s, z);
  const int64_t in_group = s.in_channels / s.groups;
  float* shared = static_cast<float*>(a.scratch);
  float* workers = shared + p.shared * static_cast<size_t>(p.images * s.groups);
  const int64_t image = s.in_channels * z.height * z.width;
  const Im2col whole{s,
                     a.input,
                     image,
                     z.height,
                     z.width,
                     conv_out_height(s, z),
                     conv_out_width(s, z),
                     a.input,
                     a.input + z.batch * image};
  const auto group_of = [&](int64_t group) {
    Im2col g = whole;
    g.input += group * in_group * z.height * z.width;
    return g;
  };
  if (p.once) {
    const int64_t step = most(up(16384 / p.ldb, 8), 8), pieces = parts(p.k, step);
    pool.parallel_for(p.images * s.groups * pieces, [&](int64_t task, int) {
      const int64_t k = task % pieces * step, group = task / pieces % s.groups, image = task / pieces / s.groups;
      Im2col from = group_of(group);
      from.input += image * from.image;
      float* to = shared + static_cast<size_t>(image * s.groups + group) * p.shared;
      im2col(from, k, least(step, p.k - k), 0, p.n, to + k * p.ldb, p.ldb);
    });
  }
  pool.parallel_for(p.images * s.groups * p.column_blocks * p.row_parts, [&](int64_t task, int worker) {
    ConvTask t{};
    const int64_t part = task % p.row_parts;
    task /= p.row_parts;
    t.block = task % p.column_blocks, task /= p.column_blocks;
    t.group = task % s.groups, t.image = task / s.groups;
    t.row = part * p.rows_per_part, t.rows = least(p.rows_per_part, p.m - t.row);
    if (p.once) t.gathered = shared + static_cast<size_t>(t.image * s.groups + t.group) * p.shared;
    t.scratch = workers + static_cast<size_t>(worker) * p.worker;
    conv_task(a, p, group_of(t.group), t);
  });
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
