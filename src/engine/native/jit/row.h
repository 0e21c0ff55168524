// How a row of output pixels is cut into tiles.
#pragma once
#include <engine/native/jit/conv.h>

#include <vector>

namespace chorus::jit {

/// Neighbouring tiles of one kind.
struct Run {
  int64_t first_pixel, tiles;
  int pixels;
  int left, right;  ///< columns of the tile's window that lie outside the picture
};

/// Tiles have at most `most` pixels. Fixed extents: as even as can be. Open ones: `most` pixels but for a rest, which is made of powers
/// of two, so that few kinds of tiles serve all widths.
std::vector<Run> cut_row(const fast::ConvShape& shape, int64_t width, int64_t in_width, int most, Extents extents);

/// One run of each kind that cut_row makes of open extents, for all widths.
std::vector<Run> open_kinds(const fast::ConvShape& shape, int most);

}  // namespace chorus::jit
