// ai.onnx.ml: ensembles of decision trees.
#include <ops/chosen.h>
#include <ops/label.h>
#include <ops/rules.h>
#include <ops/table.h>

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace chorus::families {
namespace {

using namespace rules;
using ml::read_table;
using ml::Table;

void require_same_length(const NodeContext& ctx, int64_t n, int64_t have, std::string_view name) {
  if (have != n) ctx.fail(Code::bad_input, fmt::format("{} has {} members for {} nodes", name, have, n));
}

/// Members of a float attribute or of its tensor form, of which one may be given.
int64_t count_reals(const NodeContext& ctx, std::string_view name) {
  const auto plain = static_cast<int64_t>(ctx.attrs().reals(name).size());
  const Value* tensor = ctx.attrs().tensor(fmt::format("{}_as_tensor", name));
  if (tensor == nullptr) return plain;
  if (plain != 0)
    ctx.fail(Code::bad_input, fmt::format("{0} and {0}_as_tensor are both given", name), "give one of them");
  if (!is_float(tensor->dtype()))
    ctx.fail(Code::type, fmt::format("{}_as_tensor is {}", name, dtype_name(tensor->dtype())));
  return tensor->numel();
}

/// Nodes and votes of the versions with node ids; `voters` is class or target. The structure is checked when it is built.
void require_nodes(ShapeContext& ctx, std::string_view voters) {
  const AttrReader& a = ctx.attrs();
  const auto n = static_cast<int64_t>(a.strings("nodes_modes").size());
  if (n < 1) ctx.fail(Code::bad_input, "there are no nodes", "give nodes_modes");
  for (const std::string_view name :
       {"nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids"})
    require_same_length(ctx, n, static_cast<int64_t>(a.integers(name).size()), name);
  require_same_length(ctx, n, count_reals(ctx, "nodes_values"), "nodes_values");
  if (const auto m = static_cast<int64_t>(a.integers("nodes_missing_value_tracks_true").size()); m != 0)
    require_same_length(ctx, n, m, "nodes_missing_value_tracks_true");
  const int64_t votes = count_reals(ctx, fmt::format("{}_weights", voters));
  for (const std::string_view name : {"treeids", "nodeids", "ids"}) {
    const std::string full = fmt::format("{}_{}", voters, name);
    const auto have = static_cast<int64_t>(a.integers(full).size());
    if (have != votes) ctx.fail(Code::bad_input, fmt::format("{} has {} members for {} weights", full, have, votes));
  }
}

void require_base(ShapeContext& ctx, int64_t scores) {
  const int64_t n = count_reals(ctx, "base_values");
  if (n != 0 && n != scores && n != 1)
    ctx.fail(Code::bad_input, fmt::format("{} base_values for {} scores", n, scores));
}

void infer_tree_classifier(ShapeContext& ctx) {
  const Table t = read_table(ctx, 0);
  ml::require_post_transform(ctx);
  require_nodes(ctx, "class");
  const int64_t labels = ml::require_label_sets(ctx, "classlabels_int64s", "classlabels_strings");
  require_base(ctx, labels);
  ctx.set_output(0, Type::tensor(ml::label_type(ctx, "classlabels_strings"), {t.rows}));
  if (ctx.has_output(1)) ctx.set_output(1, Type::tensor(DType::float32, {t.rows, labels}));
}

int64_t require_targets(ShapeContext& ctx) {
  const int64_t n = ctx.attrs().integer("n_targets", 1);
  if (n < 1 || n > ml::kMostCategories) ctx.fail(Code::bad_input, fmt::format("n_targets is {}", n), "use 1 or more");
  return n;
}

void infer_tree_regressor(ShapeContext& ctx) {
  const Table t = read_table(ctx, 0);
  ml::require_post_transform(ctx);
  require_nodes(ctx, "target");
  const std::string_view f = ctx.attrs().string("aggregate_function");
  if (f != "SUM" && f != "AVERAGE" && f != "MIN" && f != "MAX")
    ctx.fail(Code::bad_input, fmt::format("aggregate_function '{}' does not exist", f), "use SUM, AVERAGE, MIN or MAX");
  const int64_t targets = require_targets(ctx);
  require_base(ctx, targets);
  ctx.set_output(0, Type::tensor(DType::float32, {t.rows, targets}));
}

void infer_tree_ensemble(ShapeContext& ctx) {
  const AttrReader& a = ctx.attrs();
  const Table t = read_table(ctx, 0);
  const auto n = static_cast<int64_t>(a.integers("nodes_featureids").size());
  for (const std::string_view name : {"nodes_truenodeids", "nodes_falsenodeids", "nodes_trueleafs", "nodes_falseleafs"})
    require_same_length(ctx, n, static_cast<int64_t>(a.integers(name).size()), name);
  for (const std::string_view name : {"nodes_modes", "nodes_splits"}) {
    const Value* v = a.tensor(name);
    require_same_length(ctx, n, v == nullptr ? 0 : v->numel(), name);
    if (v != nullptr && is_float(v->dtype()) != (name == "nodes_splits"))
      ctx.fail(Code::type, fmt::format("{} is {}", name, dtype_name(v->dtype())));
  }
  const Value* weights = a.tensor("leaf_weights");
  if (weights == nullptr || !is_float(weights->dtype()) ||
      weights->numel() != static_cast<int64_t>(a.integers("leaf_targetids").size()))
    ctx.fail(Code::bad_input, "leaf_weights are not one float for each of leaf_targetids");
  if (const auto m = static_cast<int64_t>(a.integers("nodes_missing_value_tracks_true").size()); m != 0)
    require_same_length(ctx, n, m, "nodes_missing_value_tracks_true");
  if (const int64_t f = a.integer("aggregate_function", 1); f < 0 || f > 3)
    ctx.fail(Code::bad_input, fmt::format("aggregate_function is {}", f), "use 0 to 3");
  if (const int64_t p = a.integer("post_transform"); p < 0 || p > 4)
    ctx.fail(Code::bad_input, fmt::format("post_transform is {}", p), "use 0 to 4");
  ctx.set_output(0, Type::tensor(ctx.input(0).dtype, {t.rows, require_targets(ctx)}));
}

/// Two operations per level and tree, of trees that are taken to be balanced.
Cost cost_trees(const CostContext& ctx) {
  Cost c = cost_traffic(ctx);
  const auto x = ctx.dims(false, 0);
  const double rows = x.size() == 2 ? static_cast<double>(x[0]) : 1;
  const double nodes = static_cast<double>(ctx.attrs().integers("nodes_featureids").size());
  double trees = static_cast<double>(ctx.attrs().integers("tree_roots").size());
  if (const auto ids = ctx.attrs().integers("nodes_treeids"); !ids.empty()) {
    trees = 1;
    for (size_t i = 1; i < ids.size(); ++i) trees += ids[i] != ids[i - 1] ? 1 : 0;
  }
  double depth = 1;
  for (double n = nodes / std::max(trees, 1.0); n > 2; n /= 2) ++depth;
  c.flops = 2 * rows * trees * depth;
  return c;
}

Expansion without_tensors(OpBuilder& b) {
  for (const auto& item : b.attrs().all().items()) {
    if (std::string_view(item.name).ends_with("_as_tensor"))
      return Expansion::refuse(fmt::format("{} with {} has no form below version 3", b.op().name, item.name));
  }
  const Ref inputs[] = {b.in(0)};
  previous_version(b);
  return Expansion(b.emit(b.op().name, inputs, b.attrs().all(), b.outputs()));
}

constexpr Version kTreeEnsemble[] = {
    {5,
     "(T X) -> (T Y) {aggregate_function: int = 1, leaf_targetids: ints!, leaf_weights: tensor!, "
     "membership_values: tensor, n_targets: int, nodes_falseleafs: ints!, nodes_falsenodeids: ints!, "
     "nodes_featureids: ints!, nodes_hitrates: tensor, nodes_missing_value_tracks_true: ints, nodes_modes: "
     "tensor!, nodes_splits: tensor!, nodes_trueleafs: ints!, nodes_truenodeids: ints!, post_transform: int = 0, "
     "tree_roots: ints!}; T = ieee"},
};
constexpr Version kTreeEnsembleClassifier[] = {
    {1,
     "(T1 X) -> (T2 Y, f32 Z) {base_values: floats, class_ids: ints, class_nodeids: ints, class_treeids: ints, "
     "class_weights: floats, classlabels_int64s: ints, classlabels_strings: strings, nodes_falsenodeids: ints, "
     "nodes_featureids: ints, nodes_hitrates: floats, nodes_missing_value_tracks_true: ints, nodes_modes: "
     "strings, nodes_nodeids: ints, nodes_treeids: ints, nodes_truenodeids: ints, nodes_values: floats, "
     "post_transform: string = 'NONE'}; T1 = f32 f64 i32 i64; T2 = str i64",
     nullptr, without_tensors},
    {3,
     "(T1 X) -> (T2 Y, f32 Z) {base_values: floats, base_values_as_tensor: tensor, class_ids: ints, "
     "class_nodeids: ints, class_treeids: ints, class_weights: floats, class_weights_as_tensor: tensor, "
     "classlabels_int64s: ints, classlabels_strings: strings, nodes_falsenodeids: ints, nodes_featureids: ints, "
     "nodes_hitrates: floats, nodes_hitrates_as_tensor: tensor, nodes_missing_value_tracks_true: ints, "
     "nodes_modes: strings, nodes_nodeids: ints, nodes_treeids: ints, nodes_truenodeids: ints, nodes_values: "
     "floats, nodes_values_as_tensor: tensor, post_transform: string = 'NONE'}; T1 = f32 f64 i32 i64; T2 = str i64"},
    {5,
     "(T1 X) -> (T2 Y, f32 Z) {base_values: floats, base_values_as_tensor: tensor, class_ids: ints, "
     "class_nodeids: ints, class_treeids: ints, class_weights: floats, class_weights_as_tensor: tensor, "
     "classlabels_int64s: ints, classlabels_strings: strings, nodes_falsenodeids: ints, nodes_featureids: ints, "
     "nodes_hitrates: floats, nodes_hitrates_as_tensor: tensor, nodes_missing_value_tracks_true: ints, "
     "nodes_modes: strings, nodes_nodeids: ints, nodes_treeids: ints, nodes_truenodeids: ints, nodes_values: "
     "floats, nodes_values_as_tensor: tensor, post_transform: string = 'NONE'}; T1 = f32 f64 i32 i64; T2 = str "
     "i64; deprecated"},
};
constexpr Version kTreeEnsembleRegressor[] = {
    {1,
     "(T X) -> (f32 Y) {aggregate_function: string = 'SUM', base_values: floats, n_targets: int, "
     "nodes_falsenodeids: ints, nodes_featureids: ints, nodes_hitrates: floats, nodes_missing_value_tracks_true: "
     "ints, nodes_modes: strings, nodes_nodeids: ints, nodes_treeids: ints, nodes_truenodeids: ints, "
     "nodes_values: floats, post_transform: string = 'NONE', target_ids: ints, target_nodeids: ints, "
     "target_treeids: ints, target_weights: floats}; T = f32 f64 i32 i64",
     nullptr, without_tensors},
    {3,
     "(T X) -> (f32 Y) {aggregate_function: string = 'SUM', base_values: floats, base_values_as_tensor: tensor, "
     "n_targets: int, nodes_falsenodeids: ints, nodes_featureids: ints, nodes_hitrates: floats, "
     "nodes_hitrates_as_tensor: tensor, nodes_missing_value_tracks_true: ints, nodes_modes: strings, "
     "nodes_nodeids: ints, nodes_treeids: ints, nodes_truenodeids: ints, nodes_values: floats, "
     "nodes_values_as_tensor: tensor, post_transform: string = 'NONE', target_ids: ints, target_nodeids: ints, "
     "target_treeids: ints, target_weights: floats, target_weights_as_tensor: tensor}; T = f32 f64 i32 i64"},
    {5,
     "(T X) -> (f32 Y) {aggregate_function: string = 'SUM', base_values: floats, base_values_as_tensor: tensor, "
     "n_targets: int, nodes_falsenodeids: ints, nodes_featureids: ints, nodes_hitrates: floats, "
     "nodes_hitrates_as_tensor: tensor, nodes_missing_value_tracks_true: ints, nodes_modes: strings, "
     "nodes_nodeids: ints, nodes_treeids: ints, nodes_truenodeids: ints, nodes_values: floats, "
     "nodes_values_as_tensor: tensor, post_transform: string = 'NONE', target_ids: ints, target_nodeids: ints, "
     "target_treeids: ints, target_weights: floats, target_weights_as_tensor: tensor}; T = f32 f64 i32 i64; "
     "deprecated"},
};

constexpr std::string_view kMl = "ai.onnx.ml";

constexpr OpDef kTable[] = {
    row({.name = "TreeEnsemble",
         .domain = kMl,
         .api = {"tree_ensemble"},
         .versions = kTreeEnsemble,
         .infer = infer_tree_ensemble,
         .gradient = NoGradient{"piecewise constant"},
         .meaning = Primitive{"a walk through trees"},
         .cost = cost_trees,
         .accumulate = Accumulate::float64,
         .ulp = 2,
         .grid = "f32[5,2] n_targets=2 tree_roots=[0,2] nodes_featureids=[0,1,1] nodes_modes=u8{0,3,4} "
                 "nodes_splits=f32{0.5,-0.5,0.0} nodes_truenodeids=[1,0,3] nodes_trueleafs=[0,1,1] "
                 "nodes_falsenodeids=[2,1,4] nodes_falseleafs=[1,1,1] leaf_targetids=[0,1,0,1,1] "
                 "leaf_weights=f32{1.0,2.0,3.0,4.0,5.0}; "
                 "f64[4,1]@0..3 n_targets=1 aggregate_function=2 post_transform=2 tree_roots=[0] nodes_featureids=[0] "
                 "nodes_modes=u8{6} nodes_splits=f64{0.0} membership_values=f64{1.0,2.0,nan} nodes_truenodeids=[0] "
                 "nodes_trueleafs=[1] nodes_falsenodeids=[1] nodes_falseleafs=[1] leaf_targetids=[0,0] "
                 "leaf_weights=f64{0.25,-0.5}; "
                 "f16[3,1] n_targets=1 aggregate_function=0 tree_roots=[0] nodes_featureids=[0] nodes_modes=u8{1} "
                 "nodes_splits=f16{0.5} nodes_truenodeids=[0] nodes_trueleafs=[1] nodes_falsenodeids=[0] "
                 "nodes_falseleafs=[1] "
                 "leaf_targetids=[0] leaf_weights=f16{0.25}; "
                 "f32[0,1] n_targets=1 aggregate_function=3 tree_roots=[0] nodes_featureids=[0] nodes_modes=u8{5} "
                 "nodes_splits=f32{0.5} nodes_truenodeids=[0] nodes_trueleafs=[1] nodes_falsenodeids=[1] "
                 "nodes_falseleafs=[1] "
                 "leaf_targetids=[0,0] leaf_weights=f32{0.25,1.0}",
         .doc = "Per row of X [N, F] the leaf of every tree; per target the leaves' weights summed (1), averaged over "
                "the trees (0), or their least (2) or greatest (3); then post_transform. Y [N, n_targets]. Node modes: "
                "0 <=, 1 <, 2 >=, 3 >, 4 ==, 5 != nodes_splits, 6 member of the node's set in membership_values (sets "
                "end with NaN). NaN goes the true way where nodes_missing_value_tracks_true is 1, else the false way "
                "(5: true). A target without a leaf is 0."}),
    row({.name = "TreeEnsembleClassifier",
         .domain = kMl,
         .api = {"tree_ensemble_classifier"},
         .versions = kTreeEnsembleClassifier,
         .infer = infer_tree_classifier,
         .gradient = NoGradient{"labels"},
         .meaning = Primitive{"a walk through trees"},
         .cost = cost_trees,
         .accumulate = Accumulate::float64,
         .ulp = 2,
         .grid =
             "f32[5,1] nodes_treeids=[0,0,0] nodes_nodeids=[0,1,2] nodes_featureids=[0,0,0] nodes_values=[0.5,0.0,0.0] "
             "nodes_modes=['BRANCH_LEQ','LEAF','LEAF'] nodes_truenodeids=[1,0,0] nodes_falsenodeids=[2,0,0] "
             "class_treeids=[0,0] class_nodeids=[1,2] class_ids=[0,1] class_weights=[0.25,0.75] "
             "classlabels_int64s=[4,5] out=2; "
             "f64[4,1] nodes_treeids=[0,0,0] nodes_nodeids=[0,1,2] nodes_featureids=[0,0,0] "
             "nodes_values_as_tensor=f64{0.5,0.0,0.0} nodes_modes=['BRANCH_GT','LEAF','LEAF'] "
             "nodes_truenodeids=[1,0,0] nodes_falsenodeids=[2,0,0] "
             "class_treeids=[0,0] class_nodeids=[1,2] class_ids=[0,0] class_weights_as_tensor=f64{-0.25,0.75} "
             "classlabels_strings=['a','b'] post_transform='LOGISTIC' out=2 v=3; "
             "i64[3,1] nodes_treeids=[7] nodes_nodeids=[3] nodes_featureids=[0] nodes_values=[0.0] "
             "nodes_modes=['LEAF'] nodes_truenodeids=[0] nodes_falsenodeids=[0] class_treeids=[7,7] "
             "class_nodeids=[3,3] class_ids=[0,2] "
             "class_weights=[1.0,2.0] base_values=[0.5,0.5,0.5] classlabels_int64s=[1,2,3] post_transform='SOFTMAX' "
             "out=2 v=1; "
             "i32[2] nodes_treeids=[0] nodes_nodeids=[0] nodes_featureids=[0] nodes_values=[0.0] nodes_modes=['LEAF'] "
             "nodes_truenodeids=[0] nodes_falsenodeids=[0] class_treeids=[0] class_nodeids=[0] class_ids=[0] "
             "class_weights=[1.0] classlabels_int64s=[1] out=2",
         .doc = "Per row of X [N, F] the weights of the leaves of all trees summed per class, plus base_values: Z [N, "
                "E] after post_transform, and the label Y [N] of the greatest sum. Weights of one class id alone with "
                "two labels "
                "are the score s of the second: scores (1-s, s) where no weight is negative and no transform but "
                "PROBIT follows, else (-s, s). One label: 1 where s > 0, else 0."}),
    row({.name = "TreeEnsembleRegressor",
         .domain = kMl,
         .api = {"tree_ensemble_regressor"},
         .versions = kTreeEnsembleRegressor,
         .infer = infer_tree_regressor,
         .gradient = NoGradient{"piecewise constant"},
         .meaning = Primitive{"a walk through trees"},
         .cost = cost_trees,
         .accumulate = Accumulate::float64,
         .ulp = 2,
         .grid =
             "f32[5,2] n_targets=2 nodes_treeids=[0,0,0] nodes_nodeids=[0,1,2] nodes_featureids=[1,0,0] "
             "nodes_values=[0.5,0.0,0.0] nodes_modes=['BRANCH_LT','LEAF','LEAF'] nodes_truenodeids=[1,0,0] "
             "nodes_falsenodeids=[2,0,0] "
             "target_treeids=[0,0,0] target_nodeids=[1,2,2] target_ids=[0,0,1] target_weights=[0.25,0.75,1.5] "
             "base_values=[1.0,2.0]; "
             "f64[4,1] n_targets=1 nodes_treeids=[0,0,0] nodes_nodeids=[0,1,2] nodes_featureids=[0,0,0] "
             "nodes_values_as_tensor=f64{0.5,0.0,0.0} nodes_modes=['BRANCH_EQ','LEAF','LEAF'] "
             "nodes_truenodeids=[1,0,0] "
             "nodes_falsenodeids=[2,0,0] target_treeids=[0,0] target_nodeids=[1,2] target_ids=[0,0] "
             "target_weights_as_tensor=f64{0.25,0.75} aggregate_function='AVERAGE' v=3; "
             "i64[3,1] n_targets=1 nodes_treeids=[0] nodes_nodeids=[0] nodes_featureids=[0] nodes_values=[0.0] "
             "nodes_modes=['LEAF'] nodes_truenodeids=[0] nodes_falsenodeids=[0] target_treeids=[0] target_nodeids=[0] "
             "target_ids=[0] target_weights=[2.0] aggregate_function='MIN' post_transform='LOGISTIC' v=1; "
             "i32[2] n_targets=1 nodes_treeids=[0] nodes_nodeids=[0] nodes_featureids=[0] nodes_values=[0.0] "
             "nodes_modes=['LEAF'] nodes_truenodeids=[0] nodes_falsenodeids=[0] target_treeids=[0] target_nodeids=[0] "
             "target_ids=[0] target_weights=[2.0] aggregate_function='MAX'",
         .doc = "Per row of X [N, F] the leaf of every tree; per target the leaves' weights summed, averaged over the "
                "trees, or their least or greatest; plus base_values; then post_transform. Y [N, n_targets]. "
                "NaN goes the true way where nodes_missing_value_tracks_true is 1, else the false way. A target "
                "without a weight is its base value."}),
};

}  // namespace

std::span<const OpDef> tree_ops() { return chosen<kTable>(); }

}  // namespace chorus::families
