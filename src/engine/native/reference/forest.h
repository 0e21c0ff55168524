// Forest: the trees of TreeEnsemble, TreeEnsembleClassifier and TreeEnsembleRegressor as flat arrays, built once from the
// attributes of a node and walked for many rows at a time.
#pragma once
#include <engine/native/kernel.h>
#include <engine/native/reference/score.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace chorus::native {

enum class TreeOp : uint8_t { ensemble, classifier, regressor };

class Forest {
 public:
  virtual ~Forest() = default;
  /// Throws Error(bad_input) for nodes that are no trees: missing or repeated ids, children that lead back, indices out of range.
  /// `x`: element type of the operand; float32 and float16 against float32 thresholds are compared in float32, all others in float64.
  static std::unique_ptr<const Forest> build(TreeOp op, const AttrReader& attrs, DType x);
  /// The whole operator.
  virtual Status run(KernelContext& ctx) const noexcept = 0;
  virtual int64_t bytes() const noexcept = 0;
};

namespace forest {

/// Node modes, in the numbers of TreeEnsemble-5.
enum class Mode : uint8_t { leq = 0, lt = 1, gte = 2, gt = 3, eq = 4, neq = 5, member = 6, leaf = 7 };

/// What the attributes of all three operators come to. Children are places in `nodes`; a leaf is a node too.
struct Source {
  struct Node {
    Mode mode = Mode::leaf;
    bool missing_is_true = false;
    int64_t feature = 0;
    double threshold = 0;
    int64_t child[2] = {0, 0};  ///< [0]: where the comparison holds
    int64_t first_vote = 0, votes = 0;  ///< leaves
    int64_t first_member = 0, members = 0;  ///< of the set
  };
  struct Vote {
    int64_t target;
    double weight;
  };
  std::vector<Node> nodes;
  std::vector<Vote> votes;
  std::vector<double> members;
  std::vector<int64_t> roots;
  std::vector<double> base;  ///< [targets], or empty
  int64_t targets = 1;
  int aggregate = 1;  ///< 0 average, 1 sum, 2 least, 3 greatest
  score::Transform transform = score::Transform::none;
  bool narrow = true;  ///< every threshold is a float32 (or float16)
  bool missing_before_mode = false;  ///< NaN is looked at before the comparison: != does not hold for it
};
Source read(TreeOp op, const AttrReader& attrs);

}  // namespace forest
}  // namespace chorus::native
