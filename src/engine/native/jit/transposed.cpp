#include <engine/native/jit/direct.h>
#include <engine/native/jit/transposed.h>

#include <core/thread_pool.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

namespace chorus::jit {
namespace {

using fast::ConvShape;
using fast::ConvSizes;

/// Along one axis: output o = stride * j + residue meets input j + shift - i at filter position first + stride * i, i < count.
struct Phase {
  int64_t first, count, shift;
};
Phase phase(int64_t kernel, int64_t stride, int64_t pad, int64_t residue) noexcept {
  const int64_t first = (residue + pad) % stride;
  return {first, first < kernel ? (kernel - first + stride - 1) / stride : 0, (residue + pad - first) / stride};
}

struct Part {
  ConvProblem problem;  ///< direct; sizes of the pads only in `sized`
  Phase y, x;
  int64_t weights;  ///< floats before its own
};

/// The direct convolution of residues (ry, rx), without pads.
Part part(const ConvProblem& p, int64_t ry, int64_t rx) noexcept {
  const ConvShape& s = p.shape;
  Part out{p, phase(s.kernel_h, s.stride_h, s.pad_top, ry), phase(s.kernel_w, s.stride_w, s.pad_left, rx), 0};
  out.problem.direction = Direction::forward;
  ConvShape& d = out.problem.shape;
  d.kernel_h = out.y.count, d.kernel_w = out.x.count;
  d.stride_h = d.stride_w = 1;
  d.pad_top = d.pad_left = d.pad_bottom = d.pad_right = d.output_pad_h = d.output_pad_w = 0;
  return out;
}

/// Calls body(ry, rx, part) for all residues, with the places of their weights.
template <class Body>
void for_parts(const ConvProblem& p, Body&& body) {
  int64_t weights = 0;
  for (int64_t ry = 0; ry < p.shape.stride_h; ++ry) {
    for (int64_t rx = 0; rx < p.shape.stride_w; ++rx) {
      Part a = part(p, ry, rx);
      a.weights = weights;
      body(ry, rx, a);
      const Geometry g = geometry(a.problem);
      weights += g.out_blocks * g.out_block_floats;
    }
  }
}

/// Pads (or crops, where negative) so that `count` pixels come out of `in`.
void pads(const Phase& f, int64_t in, int64_t count, int64_t* before, int64_t* after) noexcept {
  *before = f.count - 1 - f.shift;
  *after = count - in - *before + f.count - 1;
}

/// Calls body(direct problem, its sizes' grid, weights) for the residues that have pixels at these sizes.
template <class Body>
void for_sized_parts(const ConvProblem& p, const ConvSizes& z, Body&& body) {
  const ConvShape& s = p.shape;
  const int64_t height = out_height(p, z), width = out_width(p, z);
  for_parts(p, [&](int64_t ry, int64_t rx, Part a) {
    ConvShape& d = a.problem.shape;
    const int64_t rows = (height - ry + s.stride_h - 1) / s.stride_h,
                  columns = (width - rx + s.stride_w - 1) / s.stride_w;
    if (rows <= 0 || columns <= 0) return;
    pads(a.y, z.height, rows, &d.pad_top, &d.pad_bottom);
    pads(a.x, z.width, columns, &d.pad_left, &d.pad_right);
    body(a.problem, Grid{ry * width + rx, s.stride_w, s.stride_h * width, height * width}, a.weights);
  });
}

class TransposedCall final : public ConvCall {
 public:
  TransposedCall(const ConvProblem& problem, const ConvSizes& sizes) : p_(problem), z_(sizes) {}
  bool generate(Level level);
  size_t scratch_bytes(int) const noexcept override { return 0; }
  void run(const ConvBuffers& buffers, ThreadPool& pool) const noexcept override;
  const char* name() const noexcept override { return name_; }

 private:
  struct Piece {
    std::shared_ptr<const TaskCall> call;
    int64_t weights, first_task;
  };
  ConvProblem p_;
  ConvSizes z_;
  std::vector<Piece> pieces_;
  int64_t tasks_ = 0;
  char name_[48] = "transposed";
};

bool TransposedCall::generate(Level level) {
  if (out_height(p_, z_) <= 0 || out_width(p_, z_) <= 0 || z_.batch <= 0) return true;
  bool all = true;
  for_sized_parts(p_, z_, [&](const ConvProblem& problem, const Grid& grid, int64_t weights) {
    auto call = make_direct(problem, z_, level, More::nothing, grid);
    all = all && call != nullptr;
    if (call == nullptr) return;
    if (pieces_.empty()) std::snprintf(name_, sizeof name_, "transposed %s", call->name());
    pieces_.push_back({call, weights, tasks_});
    tasks_ += call->tasks();
  });
  return all;
}

void TransposedCall::run(const ConvBuffers& buffers, ThreadPool& pool) const noexcept {
  if (tasks_ == 0) return;
  const Images image = images(p_, z_, buffers);
  ConvBuffers b = buffers;
  b.input_image = image.input, b.output_image = image.output, b.residual_image = image.residual;
  pool.parallel_for(tasks_, [&](int64_t task, int) {
    size_t i = 0;
    while (i + 1 < pieces_.size() && pieces_[i + 1].first_task <= task) ++i;
    ConvBuffers own = b;
    own.weights += pieces_[i].weights;
    pieces_[i].call->task(own, task - pieces_[i].first_task);
  });
}

}  // namespace

const char* transposed_refusal(const ConvProblem& p) noexcept {
  const ConvShape& s = p.shape;
  if (p.source != Source::blocked || p.method != Method::direct) return "a transposed convolution of another form";
  if (s.dilation_h != 1 || s.dilation_w != 1) return "a dilated transposed convolution";
  if (s.stride_h > s.kernel_h || s.stride_w > s.kernel_w) return "strides beyond the filter's size";
  if (s.pad_top < 0 || s.pad_left < 0) return "negative pads";
  const Form form = form_of(s, p.source);
  return form == Form::dense || form == Form::grouped ? nullptr : "groups that do not fill blocks of 16";
}

size_t transposed_packed_bytes(const ConvProblem& p) noexcept {
  size_t floats = 0;
  for_parts(p, [&](int64_t, int64_t, const Part& a) {
    const Geometry g = geometry(a.problem);
    floats += static_cast<size_t>(g.out_blocks * g.out_block_floats);
  });
  return floats * sizeof(float);
}

void transposed_pack(const ConvProblem& p, const float* weights, const float* scale, float* packed) noexcept {
  const ConvShape& s = p.shape;
  const int64_t in_group = s.in_channels / s.groups, out_group = s.out_channels / s.groups;
  std::memset(packed, 0, transposed_packed_bytes(p));
  for_parts(p, [&](int64_t, int64_t, const Part& a) {
    const Geometry g = geometry(a.problem);
    const int64_t taps = a.y.count * a.x.count;
    for (int64_t o = 0; o < s.out_channels; ++o) {
      const float factor = scale != nullptr ? scale[o] : 1.0f;
      for (int64_t i = 0; i < in_group; ++i) {
        const int64_t c = o / out_group * in_group + i, at = c - g.first_in(o / kBlock) * kBlock;
        const float* from = weights + (c * out_group + o % out_group) * s.kernel_h * s.kernel_w;
        float* to = packed + a.weights + o / kBlock * g.out_block_floats + at / kBlock * taps * g.tap +
                    at % kBlock * kBlock + o % kBlock;
        for (int64_t t = 0; t < taps; ++t) {  // the last position of the filter meets the first input
          const int64_t ky = a.y.first + (a.y.count - 1 - t / a.x.count) * s.stride_h;
          const int64_t kx = a.x.first + (a.x.count - 1 - t % a.x.count) * s.stride_w;
          to[t * g.tap] = from[ky * s.kernel_w + kx] * factor;
        }
      }
    }
  });
}

std::shared_ptr<const ConvCall> make_transposed(const ConvProblem& problem, const ConvSizes& sizes, Level level) {
  auto call = std::make_shared<TransposedCall>(problem, sizes);
  if (!call->generate(level)) return nullptr;
  return call;
}

void generate_transposed(const ConvProblem& problem, const ConvSizes& sizes, Level level) {
  // The pads of open problems are the same at all sizes that have pixels of all residues.
  constexpr int64_t any = 4096 + 64;
  const ConvSizes z = problem.extents == Extents::open ? ConvSizes{1, any, any} : sizes;
  if (out_height(problem, z) <= 0 || out_width(problem, z) <= 0) return;
  for_sized_parts(problem, z, [&](const ConvProblem& part, const Grid& grid, int64_t) {
    generate_direct(part, z, level, More::nothing, grid);
  });
}

void run_transposed_plain(const ConvProblem& p, const ConvSizes& z, const ConvBuffers& b, ThreadPool& pool) noexcept {
  const ConvShape& s = p.shape;
  const int64_t height = out_height(p, z), width = out_width(p, z), out_blocks = blocks(s.out_channels);
  if (height <= 0 || width <= 0 || z.batch <= 0) return;
  const Images image = images(p, z, b);
  pool.parallel_for(z.batch * out_blocks * height, [&](int64_t task, int) {
    const int64_t n = task / height / out_blocks, k = task / height % out_blocks, y = task % height;
    for (int64_t x = 0; x < width; ++x) {
      float acc[kBlock] = {};
      for_parts(p, [&](int64_t ry, int64_t rx, const Part& a) {
        if (y % s.stride_h != ry || x % s.stride_w != rx) return;
        const Geometry g = geometry(a.problem);
        const float* w = b.weights + a.weights + k * g.out_block_floats;
        for (int64_t c = 0; c < g.in_blocks; ++c) {
          const float* plane = b.input + n * image.input + (g.first_in(k) + c) * z.height * z.width * kBlock;
          const int64_t lanes = c + 1 == g.in_blocks ? g.last_lanes : kBlock;
          for (int64_t t = 0; t < a.y.count * a.x.count; ++t, w += g.tap) {
            const int64_t iy = y / s.stride_h + a.y.shift - (a.y.count - 1 - t / a.x.count);
            const int64_t ix = x / s.stride_w + a.x.shift - (a.x.count - 1 - t % a.x.count);
            if (iy < 0 || ix < 0 || iy >= z.height || ix >= z.width) continue;
            for (int64_t i = 0; i < lanes * kBlock; ++i)
              acc[i % kBlock] += plane[(iy * z.width + ix) * kBlock + i / kBlock] * w[i];
          }
        }
      });
      for (int64_t o = 0; o < kBlock; ++o) {
        const int64_t at = ((k * height + y) * width + x) * kBlock + o;
        b.output[n * image.output + at] = finish_plain(p, acc[o] + (p.bias ? b.bias[k * kBlock + o] : 0.0f),
                                                       p.residual ? b.residual[n * image.residual + at] : 0.0f);
      }
    }
  });
}

}  // namespace chorus::jit
