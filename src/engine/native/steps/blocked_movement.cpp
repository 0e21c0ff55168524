// What moves data in channel blocks: reorders, Transpose of channels to the end and back, Concat, Split and Slice of channels, Resize. Ranges that begin at a block are shared
// by the plan (plan/share.cpp); the kernels here copy what could not be.
#include <engine/native/steps/resize.h>

#include <algorithm>
#include <cstring>

namespace chorus::native::steps {
namespace {

bool is_picture(const Type& x) {
  return is_float32(x) && x.rank() >= 3 && x.rank() <= 5 && x.dims[1].is_number() && x.dims[1].number() > 0;
}
uint32_t first_operand(const StepDescription&) { return 1; }
uint32_t all_operands(const StepDescription& step) { return (1U << step.n().inputs.size()) - 1; }

int64_t pixels(const TensorView& t) noexcept {
  int64_t n = 1;
  for (int i = 2; i < t.rank; ++i) n *= t.dims[i];
  return n;
}

// Reorders ------------------------------------------------------------------------------------------------------------

/// Of bytes: signed ones have their sign bit turned in blocks.
template <LayoutForm to>
void reorder_bytes(const TensorView& x, const TensorView& y, ThreadPool& pool) noexcept {
  constexpr bool in = to == LayoutForm::blocked;
  constexpr int64_t kLanes = fast::channel_block;
  const int64_t area = pixels(y), channels = y.dims[1], blocks = fast::channel_blocks(channels);
  const auto flip = static_cast<uint8_t>(y.dtype == DType::int8 ? 0x80 : 0);
  pool.parallel_for(y.dims[0] * blocks, [&](int64_t task, int) {
    const int64_t n = task / blocks, first = task % blocks * kLanes, count = std::min(kLanes, channels - first);
    const int64_t plain = (n * channels + first) * area, block = n * (in ? y : x).image_stride + first * area;
    for (int64_t l = 0; l < count; ++l) {
      for (int64_t i = 0; i < area; ++i) {
        const int64_t a = plain + l * area + i, b = block + i * kLanes + l;
        y.as<uint8_t>()[in ? b : a] = static_cast<uint8_t>(x.as<const uint8_t>()[in ? a : b] ^ flip);
      }
    }
  });
}

template <LayoutForm to>
Status run_reorder(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  if (y.count == 0) return {};
  if (y.dtype != DType::float32) {
    reorder_bytes<to>(x, y, ctx.services->pool());
    return {};
  }
  fast::ReorderArgs args;
  args.x = x.as<const float>();
  args.y = y.as<float>();
  args.images = y.dims[0];
  args.channels = y.dims[1];
  args.pixels = pixels(y);
  args.plain_image = args.channels * args.pixels;
  args.blocked_image = to == LayoutForm::blocked ? y.image_stride : x.image_stride;
  (to == LayoutForm::blocked ? table().block_channels : table().unblock_channels)(args, ctx.services->pool());
  return {};
}

// Concat, Split and Slice of channels ---------------------------------------------------------------------------------

/// Copies whole blocks of every image; nothing where the plan shares them already.
void copy_blocks(const float* from, int64_t from_image, float* to, int64_t to_image, int64_t images, int64_t count,
                 ThreadPool& pool) noexcept {
  if (from == to || count == 0) return;
  const int64_t piece = 1 << 14, pieces = (count - 1) / piece + 1;
  pool.parallel_for(images * pieces, [&](int64_t task, int) {
    const int64_t at = task % pieces * piece, n = std::min(piece, count - at), image = task / pieces;
    std::memcpy(to + image * to_image + at, from + image * from_image + at, static_cast<size_t>(n) * sizeof(float));
  });
}

bool accepts_concat(const StepDescription& step) {
  const auto count = static_cast<int>(step.n().inputs.size());
  if (!is_picture(step.out(0)) || count > 32 || from_front(step.n().attrs().integer("axis"), step.out(0).rank()) != 1)
    return false;
  for (int i = 0; i < count; ++i) {
    if (!is_picture(step.in(i)) || step.in(i).rank() != step.out(0).rank() || step.constant(i) != nullptr) return false;
    if (i + 1 < count && step.in(i).dims[1].number() % fast::channel_block != 0) return false;
  }
  return true;
}

Status run_concat(KernelContext& ctx) noexcept {
  const TensorView& y = ctx.out[0];
  if (y.count == 0) return {};
  const int64_t area = pixels(y);
  float* to = y.as<float>();
  for (int i = 0; i < ctx.n_in; ++i) {
    const TensorView& x = ctx.in[i];
    const int64_t count = fast::channel_blocks(x.dims[1]) * fast::channel_block * area;
    if (pixels(x) != area || x.dims[0] != y.dims[0])
      return Status::error(Code::shape, "operand %d differs in another axis", i);
    copy_blocks(x.as<const float>(), x.image_stride, to, y.image_stride, y.dims[0], count, ctx.services->pool());
    to += count;
  }
  return {};
}

// Channels that do not begin at blocks: lane by lane, after a table that is made once.
struct PreparedLanes final : Prepared {
  std::vector<fast::ChannelSource> from;  // [channels of the result]
  int64_t bytes() const noexcept override { return static_cast<int64_t>(from.size() * sizeof(fast::ChannelSource)); }
};
constexpr int kMostOperands = 32;

bool accepts_any_concat(const StepDescription& step) {
  const auto count = static_cast<int>(step.n().inputs.size());
  if (!is_picture(step.out(0)) || count > kMostOperands ||
      from_front(step.n().attrs().integer("axis"), step.out(0).rank()) != 1)
    return false;
  int64_t channels = 0;
  for (int i = 0; i < count; ++i) {
    if (!is_picture(step.in(i)) || step.in(i).rank() != step.out(0).rank() || step.constant(i) != nullptr) return false;
    channels += step.in(i).dims[1].number();
  }
  return channels == step.out(0).dims[1].number() && channels < (1 << 24);
}

std::shared_ptr<const Prepared> prepare_any_concat(const StepDescription& step) {
  auto p = std::make_shared<PreparedLanes>();
  for (int32_t i = 0; i < static_cast<int32_t>(step.n().inputs.size()); ++i) {
    const auto channels = static_cast<int32_t>(step.in(i).dims[1].number());
    for (int32_t c = 0; c < channels; ++c) p->from.push_back({i, c});
  }
  return p;
}

Status run_lanes(KernelContext& ctx) noexcept {
  const TensorView& y = ctx.out[0];
  if (y.count == 0) return {};
  const auto& p = *static_cast<const PreparedLanes*>(ctx.prepared);
  const float* x[kMostOperands];
  int64_t images[kMostOperands];
  fast::ChannelMapArgs args;
  args.pixels = pixels(y);
  for (int i = 0; i < std::min(ctx.n_in, kMostOperands); ++i) {
    const TensorView& v = ctx.in[i];
    x[i] = v.as<const float>();
    images[i] = v.image_stride;
    if (v.image_stride > 0 && (pixels(v) != args.pixels || v.dims[0] != y.dims[0]))
      return Status::error(Code::shape, "operand %d differs in another axis", i);
  }
  args.x = x;
  args.x_image = images;
  args.y = y.as<float>();
  args.from = p.from.data();
  args.images = y.dims[0];
  args.channels = y.dims[1];
  args.y_image = y.image_stride;
  table().channel_map_run(args, ctx.services->pool());
  return {};
}

int64_t split_first(const StepDescription&) { return 0; }

bool accepts_split(const StepDescription& step) {
  const Type& x = step.in(0);
  if (!is_picture(x) || from_front(step.n().attrs().integer("axis"), x.rank()) != 1) return false;
  int64_t at = 0;
  for (int i = 0; i < static_cast<int>(step.n().outputs.size()); ++i) {
    if (step.n().outputs[static_cast<size_t>(i)] == kNone || !is_picture(step.out(i)) || at % fast::channel_block != 0)
      return false;
    at += step.out(i).dims[1].number();
  }
  return at == x.dims[1].number();
}

/// One range of channels with step 1; false otherwise.
bool read_slice(const StepDescription& step, int64_t* first) {
  const Type &x = step.in(0), &y = step.out(0);
  std::vector<int64_t> starts, ends, axes, strides;
  if (!is_picture(x) || !is_picture(y) || !constant_integers(step, 1, &starts) || !constant_integers(step, 2, &ends))
    return false;
  if (starts.size() != 1 || ends.size() != 1 || !step.has(3) || !constant_integers(step, 3, &axes) || axes.size() != 1)
    return false;
  if (step.has(4) && (!constant_integers(step, 4, &strides) || strides.size() != 1 || strides[0] != 1)) return false;
  if (from_front(axes[0], x.rank()) != 1) return false;
  const int64_t channels = x.dims[1].number();
  *first = std::clamp<int64_t>(starts[0] < 0 ? starts[0] + channels : starts[0], 0, channels);
  return *first + y.dims[1].number() <= channels && channels < (1 << 24);
}
int64_t slice_first(const StepDescription& step) {
  int64_t first = 0;
  read_slice(step, &first);
  return first;
}
bool accepts_any_slice(const StepDescription& step) {
  int64_t first = 0;
  return read_slice(step, &first);
}
bool accepts_slice(const StepDescription& step) {
  return accepts_any_slice(step) && slice_first(step) % fast::channel_block == 0;
}

std::shared_ptr<const Prepared> prepare_any_slice(const StepDescription& step) {
  auto p = std::make_shared<PreparedLanes>();
  const auto first = static_cast<int32_t>(slice_first(step));
  const auto channels = static_cast<int32_t>(step.out(0).dims[1].number());
  for (int32_t c = 0; c < channels; ++c) p->from.push_back({0, first + c});
  return p;
}

struct PreparedParts final : Prepared {
  int64_t first = 0;
  std::vector<int64_t> channels;  // per output, also of those that nobody reads
};
template <int64_t (*first)(const StepDescription&)>
std::shared_ptr<const Prepared> prepare_parts(const StepDescription& step) {
  auto p = std::make_shared<PreparedParts>();
  p->first = first(step);
  for (int i = 0; i < static_cast<int>(step.n().outputs.size()); ++i) {
    p->channels.push_back(step.out(i).dims[1].number());
  }
  return p;
}

Status run_parts(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  const int64_t area = pixels(x);
  const auto& p = *static_cast<const PreparedParts*>(ctx.prepared);
  int64_t at = p.first;
  for (int i = 0; i < ctx.n_out; at += p.channels[static_cast<size_t>(i++)]) {
    const TensorView& y = ctx.out[i];
    if (!ctx.wants(i)) continue;
    if (pixels(y) != area || y.dims[0] != x.dims[0])
      return Status::error(Code::shape, "result %d differs in another axis", i);
    const int64_t count = fast::channel_blocks(y.dims[1]) * fast::channel_block * area;
    copy_blocks(x.as<const float>() + at * area, x.image_stride, y.as<float>(), y.image_stride, y.dims[0], count,
                ctx.services->pool());
  }
  return {};
}

// Transpose -----------------------------------------------------------------------------------------------------------

uint32_t no_operand(const StepDescription&) { return 0; }

/// Whole blocks of channels go behind the spatial axes (`to` plain) or come from there: pixels of 16 channels move as they are.
template <LayoutForm to>
bool accepts_channels_last(const StepDescription& step) {
  const Type& picture = to == LayoutForm::plain ? step.in(0) : step.out(0);
  if (!is_picture(picture) || !is_float32(step.in(0)) || !is_float32(step.out(0)) ||
      picture.dims[1].number() % fast::channel_block != 0)
    return false;
  const auto perm = step.n().attrs().integers("perm");
  const auto rank = static_cast<int64_t>(perm.size());
  if (rank != picture.rank() || perm[0] != 0) return false;
  for (int64_t i = 1; i < rank; ++i) {
    const int64_t wanted = to == LayoutForm::plain ? (i + 1 < rank ? i + 1 : 1) : (i == 1 ? rank - 1 : i - 1);
    if (perm[static_cast<size_t>(i)] != wanted) return false;
  }
  return true;
}

template <LayoutForm to>
Status run_channels_last(KernelContext& ctx) noexcept {
  constexpr bool out = to == LayoutForm::plain;
  const TensorView &x = ctx.in[0], &y = ctx.out[0], &picture = out ? x : y;
  if (y.count == 0) return {};
  const int64_t area = pixels(picture), channels = picture.dims[1], blocks = channels / fast::channel_block;
  const int64_t few = std::max<int64_t>(1, 8192 / channels), parts = (area + few - 1) / few;  // pixels of a task
  ctx.services->pool().parallel_for(picture.dims[0] * parts, [&](int64_t task, int) {
    const int64_t n = task / parts, first = task % parts * few, last = std::min(first + few, area);
    for (int64_t b = 0; b < blocks; ++b) {
      for (int64_t i = first; i < last; ++i) {
        const int64_t block = n * picture.image_stride + (b * area + i) * fast::channel_block;
        const int64_t row = (n * area + i) * channels + b * fast::channel_block;
        std::memcpy(y.as<float>() + (out ? row : block), x.as<const float>() + (out ? block : row),
                    fast::channel_block * sizeof(float));
      }
    }
  });
  return {};
}

// Resize --------------------------------------------------------------------------------------------------------------

bool accepts_pictures(const StepDescription& step) { return is_picture(step.in(0)) && accepts_resize(step); }

int64_t resize_scratch(const KernelContext& ctx) { return resize_table_bytes(resize_args(ctx)); }

Status run_resize(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  if (y.count == 0) return {};
  if (x.count == 0) return Status::error(Code::shape, "an axis without elements cannot grow");
  fast::BlockedResizeArgs args;
  args.resize = resize_args(ctx);
  void* memory = ctx.services->scratch(resize_scratch(ctx));
  if (memory == nullptr) return no_scratch();
  fill_resize_tables(ctx, memory, &args.resize);
  args.resize.planes = fast::channel_blocks(x.dims[1]);
  args.images = x.dims[0];
  args.x_image = x.image_stride;
  args.y_image = y.image_stride;
  table().blocked_resize_run(args, ctx.services->pool());
  return {};
}

}  // namespace

std::span<const Candidate> blocked_movement_steps() {
  static const std::vector<Candidate> list = [] {
    std::vector<Candidate> all;
    const auto add = [&](Candidate c, uint32_t (*blocked)(const StepDescription&),
                         int64_t (*first)(const StepDescription&) = nullptr) {
      c.blocked_operands = blocked;
      c.first_channel = first;
      c.parts_share = c.run == run_concat || c.run == run_parts;
      all.push_back(c);
    };
    add({"Concat", "concat.blocked", accepts_concat, 0, nullptr, nullptr, run_concat}, all_operands);
    add({"Split", "split.blocked", accepts_split, 0, prepare_parts<split_first>, nullptr, run_parts}, first_operand,
        split_first);
    add({"Slice", "slice.blocked", accepts_slice, 0, prepare_parts<slice_first>, nullptr, run_parts}, first_operand,
        slice_first);
    add({"Concat", at_level("concat.lanes"), accepts_any_concat, 0, prepare_any_concat, nullptr, run_lanes},
        all_operands);
    add({"Slice", at_level("slice.lanes"), accepts_any_slice, 0, prepare_any_slice, nullptr, run_lanes}, first_operand);
    add({"Resize", at_level("resize.blocked"), accepts_pictures, 0, prepare_resize, resize_scratch, run_resize},
        first_operand);
    Candidate last{"Transpose", "channels_last", accepts_channels_last<LayoutForm::plain>, 0,
                   nullptr,     nullptr,         run_channels_last<LayoutForm::plain>};
    last.output = LayoutForm::plain;
    add(last, first_operand);
    add({"Transpose", "channels_first", accepts_channels_last<LayoutForm::blocked>, 0, nullptr, nullptr,
         run_channels_last<LayoutForm::blocked>},
        no_operand);
    return all;
  }();
  return list;
}

}  // namespace chorus::native::steps

namespace chorus::native {

const Candidate& reorder_candidate(LayoutForm to) {
  static const Candidate in{"",      steps::at_level("reorder.to_blocks"),   nullptr, 0, nullptr,
                            nullptr, steps::run_reorder<LayoutForm::blocked>};
  static const Candidate out{"",      steps::at_level("reorder.to_plain"),  nullptr, 0, nullptr,
                             nullptr, steps::run_reorder<LayoutForm::plain>};
  return to == LayoutForm::blocked ? in : out;
}

}  // namespace chorus::native
