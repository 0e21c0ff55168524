// Resize of planes, nearest and linear: where each row and column of the result comes from.
#include <engine/native/steps/resize.h>

#include <algorithm>
#include <cmath>

namespace chorus::native::steps {
namespace {

enum class Coordinates : uint8_t { half_pixel, symmetric, pytorch, corners, asymmetric };
enum class Nearest : uint8_t { prefer_floor, prefer_ceil, floor, ceil };

struct PreparedResize final : Prepared {
  fast::Resize kind = fast::Resize::nearest;
  Coordinates coordinates = Coordinates::half_pixel;
  Nearest nearest = Nearest::prefer_floor;
  double scale[2] = {0, 0};  // of height and width; 0: by the sizes
};

bool read_modes(const AttrReader& attrs, PreparedResize* p) {
  const std::string_view mode = attrs.string("mode", "nearest"),
                         where = attrs.string("coordinate_transformation_mode", "half_pixel");
  const std::string_view nearest = attrs.string("nearest_mode", "round_prefer_floor");
  if (mode != "nearest" && mode != "linear") return false;
  p->kind = mode == "nearest" ? fast::Resize::nearest : fast::Resize::linear;
  if (where == "half_pixel")
    p->coordinates = Coordinates::half_pixel;
  else if (where == "half_pixel_symmetric")
    p->coordinates = Coordinates::symmetric;
  else if (where == "pytorch_half_pixel")
    p->coordinates = Coordinates::pytorch;
  else if (where == "align_corners")
    p->coordinates = Coordinates::corners;
  else if (where == "asymmetric")
    p->coordinates = Coordinates::asymmetric;
  else
    return false;
  if (nearest == "round_prefer_floor")
    p->nearest = Nearest::prefer_floor;
  else if (nearest == "round_prefer_ceil")
    p->nearest = Nearest::prefer_ceil;
  else if (nearest == "floor")
    p->nearest = Nearest::floor;
  else if (nearest == "ceil")
    p->nearest = Nearest::ceil;
  else
    return false;
  return true;
}

/// Pictures whose last two axes alone are resized, by constant scales or by sizes.
bool read_resize(const StepDescription& step, PreparedResize* p) {
  const Type &x = step.in(0), &y = step.out(0);
  const AttrReader attrs = step.n().attrs();
  if (!is_float32(x, 4) || !is_float32(y, 4) || !read_modes(attrs, p)) return false;
  if (attrs.integer("antialias") != 0 || attrs.integer("exclude_outside") != 0) return false;
  if (attrs.string("keep_aspect_ratio_policy", "stretch") != "stretch") return false;
  const auto axes = attrs.integers("axes");
  const bool two = axes.size() == 2 && from_front(axes[0], 4) == 2 && from_front(axes[1], 4) == 3;
  if (!axes.empty() && !two) return false;
  for (size_t i = 0; i < 2; ++i) {
    if (Dim::equal(x.dims[i], y.dims[i]) != Dim::Truth::yes) return false;
  }
  const bool by_sizes = step.has(3) && !(step.in(3).has_rank && step.in(3).rank() == 1 && step.in(3).dims[0].is(0));
  if (by_sizes) return true;
  const Value* scales = step.constant(2);
  if (scales == nullptr || scales->numel() != (two ? 2 : 4)) return false;
  const auto v = scales->to_doubles();
  const size_t at = two ? 0 : 2;
  if (!two && (v[0] != 1 || v[1] != 1)) return false;
  p->scale[0] = v[at];
  p->scale[1] = v[at + 1];
  return std::isfinite(v[at]) && v[at] > 0 && std::isfinite(v[at + 1]) && v[at + 1] > 0;
}

}  // namespace

bool accepts_resize(const StepDescription& step) {
  PreparedResize p;
  return read_resize(step, &p);
}

std::shared_ptr<const Prepared> prepare_resize(const StepDescription& step) {
  auto p = std::make_shared<PreparedResize>();
  read_resize(step, p.get());
  if (p->scale[0] > 0) p->constants_used = 1U << 2;
  return p;
}

namespace {

double position(Coordinates mode, double x, double scale, double in, double out) noexcept {
  const double length = scale * in, half = (x + 0.5) / scale - 0.5;
  switch (mode) {
    case Coordinates::corners: return length == 1 ? 0 : x * (in - 1) / (length - 1);
    case Coordinates::asymmetric: return x / scale;
    case Coordinates::pytorch: return length == 1 ? -0.5 : half;
    case Coordinates::symmetric: return in / 2 * (1 - out / length) + half;
    case Coordinates::half_pixel: break;
  }
  return half;
}

int32_t clamped(double v, int64_t extent) noexcept {
  if (!(v > 0)) return 0;
  return static_cast<int32_t>(v >= static_cast<double>(extent - 1) ? extent - 1 : static_cast<int64_t>(v));
}

void fill_axis(const PreparedResize& p, double scale, int64_t in, int64_t out, int32_t* low, int32_t* high,
               float* weight) noexcept {
  if (scale == 0) scale = static_cast<double>(out) / static_cast<double>(in);
  for (int64_t o = 0; o < out; ++o) {
    const double v = in == out && scale == 1 ? static_cast<double>(o)
                                             : position(p.coordinates, static_cast<double>(o), scale,
                                                        static_cast<double>(in), static_cast<double>(out));
    const double below = std::floor(v), fraction = v - below;
    if (p.kind == fast::Resize::linear) {
      low[o] = clamped(below, in);
      high[o] = clamped(below + 1, in);
      weight[o] = static_cast<float>(fraction);
      continue;
    }
    bool up = fraction > 0.5;
    if (p.nearest == Nearest::prefer_ceil) up = fraction >= 0.5;
    if (p.nearest == Nearest::floor) up = false;
    if (p.nearest == Nearest::ceil) up = fraction > 0;
    low[o] = clamped(below + (up ? 1 : 0), in);
  }
}

}  // namespace

fast::ResizeArgs resize_args(const KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  fast::ResizeArgs a;
  a.kind = static_cast<const PreparedResize*>(ctx.prepared)->kind;
  a.x = x.as<const float>();
  a.y = y.as<float>();
  a.planes = x.dims[0] * x.dims[1];
  a.height = x.dims[2], a.width = x.dims[3];
  a.out_height = y.dims[2], a.out_width = y.dims[3];
  return a;
}

/// Three numbers per row and column of the result.
int64_t resize_table_bytes(const fast::ResizeArgs& a) noexcept {
  return ((a.out_height + a.out_width) * 12 + 63) / 64 * 64;
}

void fill_resize_tables(const KernelContext& ctx, void* memory, fast::ResizeArgs* args) noexcept {
  const auto& p = *static_cast<const PreparedResize*>(ctx.prepared);
  fast::ResizeArgs& a = *args;
  auto* rows = static_cast<int32_t*>(memory);
  int32_t* columns = rows + 3 * a.out_height;
  fill_axis(p, p.scale[0], a.height, a.out_height, rows, rows + a.out_height,
            reinterpret_cast<float*>(rows + 2 * a.out_height));
  fill_axis(p, p.scale[1], a.width, a.out_width, columns, columns + a.out_width,
            reinterpret_cast<float*>(columns + 2 * a.out_width));
  a.rows = {rows, rows + a.out_height, reinterpret_cast<float*>(rows + 2 * a.out_height)};
  a.columns = {columns, columns + a.out_width, reinterpret_cast<float*>(columns + 2 * a.out_width)};
}

namespace {

int64_t resize_scratch(const KernelContext& ctx) {
  const fast::ResizeArgs a = resize_args(ctx);
  return resize_table_bytes(a) + static_cast<int64_t>(table().resize_scratch_bytes(a, ctx.services->pool().threads()));
}

Status run_resize(KernelContext& ctx) noexcept {
  fast::ResizeArgs a = resize_args(ctx);
  if (ctx.out[0].count == 0) return {};
  if (ctx.in[0].count == 0) return Status::error(Code::shape, "an axis without elements cannot grow");
  auto* memory = static_cast<std::byte*>(ctx.services->scratch(resize_scratch(ctx)));
  if (memory == nullptr) return no_scratch();
  fill_resize_tables(ctx, memory, &a);
  a.scratch = memory + resize_table_bytes(a);
  table().resize_run(a, ctx.services->pool());
  return {};
}

}  // namespace

Candidate resize_step() {
  return {"Resize", at_level("resize"), accepts_resize, 0, prepare_resize, resize_scratch, run_resize};
}

}  // namespace chorus::native::steps
