// Transpose and Concat of elements of four and eight bytes, and Resize of planes (nearest, linear).
#include <engine/native/steps/resize.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace chorus::native::steps {
namespace {

bool is_words(const Type& t) noexcept {
  return t.is_tensor() && !t.sparse && t.has_rank && (dtype_bits(t.dtype) == 32 || dtype_bits(t.dtype) == 64) &&
         t.dtype != DType::string;
}

// Transpose -----------------------------------------------------------------------------------------------------------

/// A permutation of merged axes, without those of extent one.
struct Turn {
  int rank = 0;
  int64_t dims[kMaxRank];  // of the operand
  int perm[kMaxRank];  // axis of the operand that is axis i of the result
};

Turn make_turn(const KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  const auto given = ctx.attrs->integers("perm");
  int order[kMaxRank], kept = 0, rename[kMaxRank];
  for (int i = 0; i < x.rank; ++i) {
    const int from = given.empty()
                         ? x.rank - 1 - i
                         : static_cast<int>(given[static_cast<size_t>(i)] < 0 ? given[static_cast<size_t>(i)] + x.rank
                                                                              : given[static_cast<size_t>(i)]);
    if (x.dims[from] != 1) order[kept++] = from;
  }
  // Neighbours that stay neighbours are one axis: `head[i]` begins a run of the result.
  bool joined[kMaxRank] = {};
  for (int i = 1; i < kept; ++i) {
    bool next = order[i] > order[i - 1];
    for (int a = order[i - 1] + 1; next && a < order[i]; ++a) next = x.dims[a] == 1;
    joined[order[i]] = next;
  }
  Turn t;
  for (int a = 0; a < x.rank; ++a) {
    if (x.dims[a] == 1) continue;
    if (joined[a])
      t.dims[t.rank - 1] *= x.dims[a];
    else
      t.dims[t.rank++] = x.dims[a];
    rename[a] = t.rank - 1;
  }
  int n = 0;
  for (int i = 0; i < kept; ++i) {
    if (!joined[order[i]]) t.perm[n++] = rename[order[i]];
  }
  return t;
}

/// Any permutation: rows of the result, each a run with one stride.
template <class Word>
void turn_any(const Turn& t, const Word* x, Word* y, ThreadPool& pool) noexcept {
  int64_t strides[kMaxRank], step = 1;
  for (int i = t.rank - 1; i >= 0; --i) strides[i] = step, step *= t.dims[i];
  const int last = t.perm[t.rank - 1];
  const int64_t run = t.dims[last], stride = strides[last], runs = step / run, grain = std::max<int64_t>(1, 8192 / run);
  pool.parallel_for((runs - 1) / grain + 1, [&](int64_t task, int) {
    const int64_t begin = task * grain, end = std::min(runs, begin + grain);
    int64_t index[kMaxRank], at = 0, rest = begin;
    for (int i = t.rank - 2; i >= 0; --i) {
      index[i] = rest % t.dims[t.perm[i]];
      rest /= t.dims[t.perm[i]];
      at += index[i] * strides[t.perm[i]];
    }
    for (int64_t r = begin; r < end; ++r) {
      Word* to = y + r * run;
      if (stride == 1)
        std::memcpy(to, x + at, static_cast<size_t>(run) * sizeof(Word));
      else
        for (int64_t k = 0; k < run; ++k) to[k] = x[at + k * stride];
      for (int i = t.rank - 2; i >= 0; --i) {
        at += strides[t.perm[i]];
        if (++index[i] < t.dims[t.perm[i]]) break;
        at -= index[i] * strides[t.perm[i]];
        index[i] = 0;
      }
    }
  });
}

Status run_transpose(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  if (y.count == 0) return {};
  const int64_t words = dtype_bits(x.dtype) / 32;
  ThreadPool& pool = ctx.services->pool();
  Turn t = make_turn(ctx);
  if (t.rank <= 1) {
    std::memcpy(y.data, x.data, static_cast<size_t>(x.count * words) * 4);
    return {};
  }
  // [batch, rows, columns, inner] with the two in the middle exchanged: what most permutations become by merging.
  const int first = t.perm[0] == 0 ? 1 : 0;
  const bool tail = t.perm[t.rank - 1] == t.rank - 1;
  if (t.rank - first - (tail ? 1 : 0) == 2) {
    fast::TransposeArgs args;
    args.x = x.as<const float>();
    args.out = y.as<float>();
    if (first == 1) args.batch = t.dims[0];
    args.rows = t.dims[first];
    args.columns = t.dims[first + 1];
    args.inner = words * (tail ? t.dims[t.rank - 1] : 1);
    table().transpose_run(args, pool);
    return {};
  }
  if (words == 1)
    turn_any(t, x.as<const uint32_t>(), y.as<uint32_t>(), pool);
  else
    turn_any(t, x.as<const uint64_t>(), y.as<uint64_t>(), pool);
  return {};
}

bool accepts_transpose(const StepDescription& step) {
  const Type& x = step.in(0);
  if (!is_words(x) || !is_words(step.out(0))) return false;
  const auto perm = step.n().attrs().integers("perm");
  if (perm.empty()) return true;
  if (static_cast<int>(perm.size()) != x.rank()) return false;
  return std::all_of(perm.begin(), perm.end(), [&](int64_t p) { return from_front(p, x.rank()) >= 0; });
}

// Concat --------------------------------------------------------------------------------------------------------------

bool accepts_concat(const StepDescription& step) {
  if (!is_words(step.out(0)) || from_front(step.n().attrs().integer("axis"), step.out(0).rank()) < 0) return false;
  for (int i = 0; i < static_cast<int>(step.n().inputs.size()); ++i) {
    if (!is_words(step.in(i)) || step.in(i).rank() != step.out(0).rank() || step.in(i).dtype != step.out(0).dtype)
      return false;
  }
  return !step.n().inputs.empty();
}

Status run_concat(KernelContext& ctx) noexcept {
  const TensorView& y = ctx.out[0];
  if (y.count == 0) return {};
  const int64_t axis = from_front(ctx.attrs->integer("axis"), y.rank), size = dtype_bits(y.dtype) / 8;
  const Split s = split(y.shape(), axis, axis + 1);
  int64_t at = 0;
  for (int i = 0; i < ctx.n_in; ++i) at += ctx.in[i].dims[axis];
  if (at != s.n)
    return Status::error(Code::shape, "operands of %lld together for a result of %lld", static_cast<long long>(at),
                         static_cast<long long>(s.n));
  at = 0;
  for (int i = 0; i < ctx.n_in; ++i) {
    const TensorView& x = ctx.in[i];
    const int64_t run = x.dims[axis] * s.inner * size, step = s.n * s.inner * size;
    if (x.count != s.outer * x.dims[axis] * s.inner)
      return Status::error(Code::shape, "operand %d differs in another axis", i);
    auto* to = y.as<std::byte>() + at * s.inner * size;
    const auto* from = x.as<const std::byte>();
    at += x.dims[axis];
    if (run == 0) continue;
    // Pieces of rows as long as a task is worth.
    const int64_t piece = std::min<int64_t>(run, 1 << 16), pieces = (run - 1) / piece + 1,
                  rows = std::max<int64_t>(1, (1 << 16) / run);
    ctx.services->pool().parallel_for(((s.outer - 1) / rows + 1) * pieces, [&](int64_t task, int) {
      const int64_t begin = task % pieces * piece, bytes = std::min(piece, run - begin), row = task / pieces * rows;
      for (int64_t r = row; r < std::min(s.outer, row + rows); ++r)
        std::memcpy(to + r * step + begin, from + r * run + begin, static_cast<size_t>(bytes));
    });
  }
  return {};
}

}  // namespace

std::span<const Candidate> movement_steps() {
  static const Candidate list[] = {
      {"Transpose", at_level("transpose"), accepts_transpose, 0, nullptr, nullptr, run_transpose},
      {"Concat", "concat.copy", accepts_concat, 0, nullptr, nullptr, run_concat},
      resize_step(),
  };
  return list;
}

}  // namespace chorus::native::steps
