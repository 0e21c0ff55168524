#include <engine/native/reference/forest.h>
#include <engine/native/reference/value_ops.h>
#include <ops/chosen.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace chorus::native {
namespace {
using forest::Mode;
using forest::Source;
using score::Rows;
using score::Transform;

constexpr int64_t kTogether = 16;   ///< rows that walk a tree at the same time: their loads overlap
constexpr int64_t kBlock = 128;  ///< rows of a task: their features stay in the first cache while trees come and go
constexpr int32_t kMissingBit = INT32_MIN;

/// A node as the walk reads it. A leaf leads to itself, so that rows may walk on while others are not there yet.
template <class T>
struct Flat {
  T threshold;  ///< of a leaf with one vote: its weight
  int32_t feature;  ///< with kMissingBit where NaN goes the true way
  int32_t child[2];
};

/// Longest way from each root, in branches. Throws where children lead back to where they came from.
std::vector<int32_t> depths(const Source& s) {
  const size_t n = s.nodes.size();
  std::vector<int32_t> depth(n, -1);
  std::vector<char> open(n, 0);
  std::vector<std::pair<int64_t, int>> stack;
  for (const int64_t root : s.roots) {
    if (depth[static_cast<size_t>(root)] >= 0) continue;
    stack.emplace_back(root, 0);
    open[static_cast<size_t>(root)] = 1;
    while (!stack.empty()) {
      auto& [id, next] = stack.back();
      const Source::Node& node = s.nodes[static_cast<size_t>(id)];
      if (node.mode == Mode::leaf || next == 2) {
        int32_t longest = 0;
        if (node.mode != Mode::leaf)
          longest = 1 + std::max(depth[static_cast<size_t>(node.child[0])], depth[static_cast<size_t>(node.child[1])]);
        depth[static_cast<size_t>(id)] = longest;
        open[static_cast<size_t>(id)] = 0;
        stack.pop_back();
        continue;
      }
      const auto child = static_cast<size_t>(node.child[next++]);
      if (open[child]) throw Error(Code::bad_input, fmt::format("node {} leads back to itself", child));
      if (depth[child] >= 0) continue;
      open[child] = 1;
      stack.emplace_back(static_cast<int64_t>(child), 0);
    }
  }
  std::vector<int32_t> of_roots;
  for (const int64_t root : s.roots) of_roots.push_back(depth[static_cast<size_t>(root)]);
  return of_roots;
}

template <Mode mode, class T>
inline bool holds(T x, T threshold) noexcept {
  if constexpr (mode == Mode::leq) return x <= threshold;
  if constexpr (mode == Mode::lt) return x < threshold;
  if constexpr (mode == Mode::gte) return x >= threshold;
  if constexpr (mode == Mode::gt) return x > threshold;
  if constexpr (mode == Mode::eq) return x == threshold;
  return x != threshold;
}

template <class T>
class FlatForest final : public Forest {
 public:
  FlatForest(TreeOp op, const Source& s)
      : op_(op), roots_(s.roots.begin(), s.roots.end()), depths_(depths(s)), base_(s.base), targets_(s.targets),
        aggregate_(s.aggregate), transform_(s.transform), missing_first_(s.missing_before_mode) {
    if (s.nodes.size() > static_cast<size_t>(INT32_MAX)) throw Error(Code::budget, "too many nodes");
    single_ = targets_ == 1 && aggregate_ <= 1;
    bool first = true;
    for (size_t i = 0; i < s.nodes.size(); ++i) add(s, i, &first);
    for (const Source::Vote& v : s.votes) votes_.push_back({static_cast<int32_t>(v.target), v.weight});
    for (const double m : s.members) members_.push_back(static_cast<T>(m));
    std::vector<bool> voted(static_cast<size_t>(targets_));
    for (const Source::Vote& v : s.votes) {
      voted[static_cast<size_t>(v.target)] = true;
      positive_ = positive_ && v.weight >= 0;
    }
    voters_ = std::count(voted.begin(), voted.end(), true);
    only_voter_ = std::find(voted.begin(), voted.end(), true) - voted.begin();
  }

  int64_t bytes() const noexcept override {
    return static_cast<int64_t>(nodes_.size() * (sizeof(Flat<T>) + sizeof(Mode) + sizeof(Range)) +
                                votes_.size() * sizeof(Vote));
  }

  Status run(KernelContext& ctx) const noexcept override {
    return move::guarded([&]() -> Status {
      const Rows in(ctx.in[0]);
      if (Status s = in.check(); !s.ok()) return s;
      if (in.columns <= greatest_feature_)
        return Status::error(Code::shape, "X has %lld features, a node reads feature %lld",
                             static_cast<long long>(in.columns), static_cast<long long>(greatest_feature_));
      const int scores = op_ == TreeOp::classifier ? 1 : 0;
      TensorView y;
      std::vector<int64_t> choices(op_ == TreeOp::classifier ? static_cast<size_t>(in.rows) : 0);
      if (ctx.wants(scores)) {
        const int64_t dims[] = {in.rows, targets_};
        const DType type = op_ == TreeOp::ensemble ? ctx.in[0].dtype : DType::float32;
        if (Status s = move::output(ctx, scores, type, move::Extents(dims), &y); !s.ok()) return s;
      }
      const int64_t tasks = (in.rows + kBlock - 1) / kBlock, threads = ctx.services->pool().threads();
      const int64_t sizes[] = {threads, kBlock, targets_ + (ctx.in[0].dtype == kType ? 0 : in.columns), 8};
      const int64_t bytes = checked_numel(sizes);
      auto* memory = bytes < 0 ? nullptr : static_cast<double*>(ctx.services->scratch(std::max<int64_t>(bytes, 8)));
      if (memory == nullptr)
        return Status::error(Code::budget, "no memory for rows of %lld scores", static_cast<long long>(targets_));
      ctx.services->pool().parallel_for(tasks, [&](int64_t task, int worker) {
        const int64_t begin = task * kBlock, end = std::min(in.rows, begin + kBlock);
        double* const sums = memory + worker * (bytes / 8 / threads);
        const T* x = static_cast<const T*>(in.x->data) + begin * in.columns;
        if (in.x->dtype != kType) {
          T* const copy = reinterpret_cast<T*>(sums + kBlock * targets_);
          support::load(in.x->dtype, in.x->data, begin * in.columns, (end - begin) * in.columns, copy);
          x = copy;
        }
        block(x, in.columns, end - begin, sums);
        for (int64_t r = begin; r < end; ++r) {
          const std::span<double> row(sums + (r - begin) * targets_, static_cast<size_t>(targets_));
          if (op_ == TreeOp::classifier) {
            choices[static_cast<size_t>(r)] = classify(row);
          } else {
            score::apply(transform_, row);
          }
          if (y.data != nullptr) store_f64(y.dtype, y.data, r * targets_, targets_, row.data());
        }
      });
      if (op_ != TreeOp::classifier) return {};
      return score::write_labels(ctx, choices, "classlabels_int64s", "classlabels_strings");
    });
  }

 private:
  static constexpr DType kType = std::is_same_v<T, float> ? DType::float32 : DType::float64;
  struct Vote {
    int32_t target;
    double weight;
  };
  struct Range {
    int32_t first, count;  ///< votes of a leaf, members of a set
  };

  void add(const Source& s, size_t i, bool* first) {
    const Source::Node& n = s.nodes[i];
    Flat<T> flat{static_cast<T>(n.threshold), 0, {static_cast<int32_t>(i), static_cast<int32_t>(i)}};
    if (n.mode == Mode::leaf) {
      ranges_.push_back({static_cast<int32_t>(n.first_vote), static_cast<int32_t>(n.votes)});
      double weight = 0;
      for (int64_t v = 0; v < n.votes; ++v) weight += s.votes[static_cast<size_t>(n.first_vote + v)].weight;
      flat.threshold = static_cast<T>(weight);
      single_ = single_ && static_cast<double>(flat.threshold) == weight;
    } else {
      if (n.feature < 0 || n.feature >= INT32_MAX)
        throw Error(Code::bad_input, fmt::format("a node reads feature {}", n.feature));
      greatest_feature_ = std::max(greatest_feature_, n.feature);
      flat.feature = static_cast<int32_t>(n.feature) | (n.missing_is_true ? kMissingBit : 0);
      flat.child[0] = static_cast<int32_t>(n.child[0]);
      flat.child[1] = static_cast<int32_t>(n.child[1]);
      ranges_.push_back({static_cast<int32_t>(n.first_member), static_cast<int32_t>(n.members)});
      if (*first) common_ = n.mode;
      mixed_ = mixed_ || n.mode != common_;
      missing_ = missing_ || n.missing_is_true;
      *first = false;
    }
    modes_.push_back(n.mode);
    nodes_.push_back(flat);
  }

  /// Which way row `x` goes at a node, whatever the mode.
  int way(int32_t at, const T* x) const noexcept {
    const Flat<T>& n = nodes_[static_cast<size_t>(at)];
    const T v = x[n.feature & ~kMissingBit];
    if (std::isnan(v) && (missing_first_ || n.feature < 0)) return n.feature < 0 ? 0 : 1;
    switch (modes_[static_cast<size_t>(at)]) {
      case Mode::leq: return v <= n.threshold ? 0 : 1;
      case Mode::lt: return v < n.threshold ? 0 : 1;
      case Mode::gte: return v >= n.threshold ? 0 : 1;
      case Mode::gt: return v > n.threshold ? 0 : 1;
      case Mode::eq: return v == n.threshold ? 0 : 1;
      case Mode::neq: return v != n.threshold ? 0 : 1;
      case Mode::leaf: return 0;
      case Mode::member: break;
    }
    const Range set = ranges_[static_cast<size_t>(at)];
    const T* const begin = members_.data() + set.first;
    return std::find(begin, begin + set.count, v) != begin + set.count ? 0 : 1;
  }

  bool arrived(const int32_t* at, int64_t rows) const noexcept {
    bool all = true;
    for (int64_t r = 0; r < rows; ++r)
      all = all && nodes_[static_cast<size_t>(at[r])].child[0] == at[r] &&
            nodes_[static_cast<size_t>(at[r])].child[1] == at[r];
    return all;
  }

  template <Mode mode, bool missing>
  void walk_same(int32_t depth, const T* x, int64_t stride, int64_t rows, int32_t* at) const noexcept {
    const Flat<T>* const nodes = nodes_.data();
    const auto step = [&](int64_t r) {
      const Flat<T>& n = nodes[at[r]];
      const T v = x[r * stride + (missing ? n.feature & ~kMissingBit : n.feature)];
      bool yes = holds<mode>(v, n.threshold);
      if constexpr (missing) yes = yes || (n.feature < 0 && v != v);
      at[r] = n.child[yes ? 0 : 1];
    };
    for (int32_t level = 0; level < depth; ++level) {
      if (rows == kTogether) {
        for (int64_t r = 0; r < kTogether; ++r) step(r);
      } else {
        for (int64_t r = 0; r < rows; ++r) step(r);
      }
      if (level % 4 == 3 && level + 1 < depth && arrived(at, rows)) return;
    }
  }
  template <Mode mode>
  void walk_mode(int32_t depth, const T* x, int64_t stride, int64_t rows, int32_t* at) const noexcept {
    missing_ ? walk_same<mode, true>(depth, x, stride, rows, at) : walk_same<mode, false>(depth, x, stride, rows, at);
  }

  /// From the root in at[r] to the leaf of row r.
  void walk(int32_t depth, const T* x, int64_t stride, int64_t rows, int32_t* at) const noexcept {
    const bool plain = !mixed_ && common_ != Mode::member && !(common_ == Mode::neq && missing_first_);
    switch (plain ? common_ : Mode::leaf) {
      case Mode::leq: return walk_mode<Mode::leq>(depth, x, stride, rows, at);
      case Mode::lt: return walk_mode<Mode::lt>(depth, x, stride, rows, at);
      case Mode::gte: return walk_mode<Mode::gte>(depth, x, stride, rows, at);
      case Mode::gt: return walk_mode<Mode::gt>(depth, x, stride, rows, at);
      case Mode::eq: return walk_mode<Mode::eq>(depth, x, stride, rows, at);
      case Mode::neq: return walk_mode<Mode::neq>(depth, x, stride, rows, at);
      default: break;
    }
    for (int64_t r = 0; r < rows; ++r) {
      for (int32_t level = 0; level < depth && modes_[static_cast<size_t>(at[r])] != Mode::leaf; ++level)
        at[r] = nodes_[static_cast<size_t>(at[r])].child[way(at[r], x + r * stride)];
    }
  }

  /// Aggregated scores [rows, targets] with base values.
  void block(const T* x, int64_t stride, int64_t rows, double* sums) const noexcept {
    const double start = aggregate_ == 2   ? std::numeric_limits<double>::infinity()
                         : aggregate_ == 3 ? -std::numeric_limits<double>::infinity()
                                           : 0;
    std::fill(sums, sums + rows * targets_, start);
    for (size_t tree = 0; tree < roots_.size(); ++tree) {
      for (int64_t r = 0; r < rows; r += kTogether) {
        const int64_t n = std::min(kTogether, rows - r);
        int32_t at[kTogether];
        std::fill(at, at + n, roots_[tree]);
        walk(depths_[tree], x + r * stride, stride, n, at);
        for (int64_t k = 0; k < n; ++k) vote(at[k], sums + (r + k) * targets_);
      }
    }
    const double trees = static_cast<double>(roots_.size());
    for (int64_t i = 0; i < rows * targets_; ++i) {
      if (aggregate_ == 0) sums[i] /= std::max(trees, 1.0);
      if (aggregate_ >= 2 && sums[i] == start) sums[i] = 0;  // no leaf speaks of this target
      if (!base_.empty()) sums[i] += base_[static_cast<size_t>(i % targets_)];
    }
  }

  void vote(int32_t leaf, double* sums) const noexcept {
    if (single_) {
      sums[0] += static_cast<double>(nodes_[static_cast<size_t>(leaf)].threshold);
      return;
    }
    const Range range = ranges_[static_cast<size_t>(leaf)];
    for (int32_t i = range.first; i < range.first + range.count; ++i) {
      const Vote& v = votes_[static_cast<size_t>(i)];
      double& sum = sums[v.target];
      sum = aggregate_ == 2 ? std::min(sum, v.weight) : aggregate_ == 3 ? std::max(sum, v.weight) : sum + v.weight;
    }
  }

  /// The label's place, and the scores after the transform in place.
  int64_t classify(std::span<double> row) const noexcept {
    int64_t choice;
    if (targets_ == 1) {
      choice = row[0] > 0 ? score::kPositive : score::kNegative;
    } else if (targets_ == 2 && voters_ == 1) {
      const double s = row[static_cast<size_t>(only_voter_)];
      const bool share = positive_ && (transform_ == Transform::none || transform_ == Transform::probit);
      row[0] = share ? 1 - s : -s;
      row[1] = s;
      choice = row[1] > row[0] ? 1 : 0;
    } else {
      choice = score::first_greatest(row);
    }
    score::apply(transform_, row);
    return choice;
  }

  TreeOp op_;
  std::vector<Flat<T>> nodes_;
  std::vector<Mode> modes_;
  std::vector<Range> ranges_;
  std::vector<Vote> votes_;
  std::vector<T> members_;
  std::vector<int32_t> roots_, depths_;
  std::vector<double> base_;
  int64_t targets_, greatest_feature_ = -1, voters_ = 0, only_voter_ = 0;
  int aggregate_;
  Transform transform_;
  Mode common_ = Mode::leq;
  bool missing_first_, mixed_ = false, missing_ = false, single_ = true, positive_ = true;
};

}  // namespace

std::unique_ptr<const Forest> Forest::build(TreeOp op, const AttrReader& attrs, DType x) {
  const Source source = forest::read(op, attrs);
  if (source.narrow && (x == DType::float32 || x == DType::float16))
    return std::make_unique<FlatForest<float>>(op, source);
  return std::make_unique<FlatForest<double>>(op, source);
}

namespace {

template <TreeOp op>
Status run_trees(KernelContext& ctx) noexcept {
  return move::guarded([&] { return Forest::build(op, *ctx.attrs, ctx.in[0].dtype)->run(ctx); });
}

constexpr KernelRow kRows[] = {
    {"TreeEnsemble", run_trees<TreeOp::ensemble>, "ai.onnx.ml"},
    {"TreeEnsembleClassifier", run_trees<TreeOp::classifier>, "ai.onnx.ml"},
    {"TreeEnsembleRegressor", run_trees<TreeOp::regressor>, "ai.onnx.ml"},
};

}  // namespace

std::span<const KernelRow> reference::tree_kernels() { return chosen<kRows>(); }

}  // namespace chorus::native
