#include <task/ocr/detect.h>

#include <cmath>
#include <polyclipping/clipper.hpp>

namespace chorus::ocr_detail {

Contour unclip(const Quad& box, double ratio) {
  const double length = perimeter(box);
  if (!(length > 0)) return {};
  const double distance = std::fabs(signed_area(box)) * ratio / length;
  ClipperLib::Path path;
  for (const Point p : box) path.emplace_back(static_cast<ClipperLib::cInt>(p.x), static_cast<ClipperLib::cInt>(p.y));
  ClipperLib::ClipperOffset offset;
  offset.AddPath(path, ClipperLib::jtRound, ClipperLib::etClosedPolygon);
  ClipperLib::Paths grown;
  offset.Execute(grown, distance);
  Contour out;
  for (const ClipperLib::Path& part : grown)
    for (const ClipperLib::IntPoint& p : part) out.push_back({static_cast<int32_t>(p.X), static_cast<int32_t>(p.Y)});
  return out;
}

}  // namespace chorus::ocr_detail
