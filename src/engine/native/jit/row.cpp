#include <engine/native/jit/row.h>

#include <algorithm>

namespace chorus::jit {
namespace {

using fast::ConvShape;

constexpr int64_t parts(int64_t n, int64_t size) { return (n + size - 1) / size; }

/// Appends tiles and joins those of one kind.
class Cutter {
 public:
  Cutter(const ConvShape& shape, int64_t in_width) : s_(shape), in_width_(in_width) {}

  void add(int64_t pixels) {
    const int64_t first = at_ * s_.stride_w - s_.pad_left;
    const int64_t last = first + (pixels - 1) * s_.stride_w + (s_.kernel_w - 1) * s_.dilation_w;
    const Run run{at_, 1, static_cast<int>(pixels), static_cast<int>(std::max<int64_t>(-first, 0)),
                  static_cast<int>(std::max<int64_t>(last - in_width_ + 1, 0))};
    at_ += pixels;
    if (!runs_.empty() && same_kind(runs_.back(), run))
      ++runs_.back().tiles;
    else
      runs_.push_back(run);
  }
  /// `tiles` tiles of `pixels` each. Those inside the picture are all of one kind and are counted, not visited: a picture may be a
  /// billion pixels wide in a file that nobody means to run.
  void add(int64_t pixels, int64_t tiles) {
    while (tiles > 0) {
      add(pixels);
      --tiles;
      const Run& run = runs_.back();
      if (run.left != 0 || run.right != 0) continue;
      const int64_t last = (at_ + pixels - 1) * s_.stride_w - s_.pad_left + (s_.kernel_w - 1) * s_.dilation_w;
      if (last > in_width_ - 1) continue;
      const int64_t inside = std::min(tiles, (in_width_ - 1 - last) / (pixels * s_.stride_w) + 1);
      runs_.back().tiles += inside;
      at_ += inside * pixels;
      tiles -= inside;
    }
  }
  std::vector<Run> take() { return std::move(runs_); }

  static bool same_kind(const Run& a, const Run& b) {
    return a.pixels == b.pixels && a.left == b.left && a.right == b.right;
  }

 private:
  const ConvShape& s_;
  int64_t in_width_, at_ = 0;
  std::vector<Run> runs_;
};

/// The largest tile of a rest: a power of two, not nearly as large as the whole tile.
int64_t piece(int64_t rest, int64_t most) {
  int64_t size = 1;
  while (size * 2 <= rest && size * 2 * 4 <= most * 3) size *= 2;
  return size;
}

}  // namespace

std::vector<Run> cut_row(const ConvShape& shape, int64_t width, int64_t in_width, int most, Extents extents) {
  Cutter cutter(shape, in_width);
  if (extents == Extents::fixed) {
    const int64_t tiles = parts(width, most), low = width / tiles, more = width - tiles * low;
    cutter.add(low + 1, more);
    cutter.add(low, tiles - more);
    return cutter.take();
  }
  // The rest comes before the last whole tile: pieces rarely meet the borders then.
  const int64_t whole = width / most;
  cutter.add(most, whole - 1);
  for (int64_t rest = width - whole * most; rest > 0;) {
    const int64_t size = piece(rest, most);
    cutter.add(size);
    rest -= size;
  }
  if (whole > 0) cutter.add(most);
  return cutter.take();
}

std::vector<Run> open_kinds(const ConvShape& shape, int most) {
  // From here on another whole tile changes nothing: it stands between tiles at the left border and the rest.
  const int64_t borders = parts(std::max<int64_t>(shape.pad_left, 0), shape.stride_w) +
                          parts(std::max<int64_t>(shape.pad_right, 0), shape.stride_w);
  const int64_t enough = borders + 4 * int64_t{most};
  std::vector<Run> kinds;
  for (int64_t in_width = 1;; ++in_width) {
    const int64_t width =
        fast::conv_extent(in_width, shape.kernel_w, shape.stride_w, shape.dilation_w, shape.pad_left, shape.pad_right);
    if (width > enough) break;
    if (width <= 0) continue;
    for (const Run& run : cut_row(shape, width, in_width, most, Extents::open)) {
      const auto same = [&](const Run& k) { return Cutter::same_kind(k, run); };
      if (std::none_of(kinds.begin(), kinds.end(), same)) kinds.push_back(run);
    }
  }
  return kinds;
}

}  // namespace chorus::jit
