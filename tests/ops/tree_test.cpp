// Trees: modes, missing values, what is no tree, depth. Random forests against other evaluators: tools/truth/check_cases.py.
#include <ops/table.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "ops/op_case.h"

namespace chorus {
namespace {
using testing::expect_close;
using testing::make;
using testing::OpCall;
using testing::run_one;
using testing::run_op;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

OpCall ml(std::string_view op, std::vector<Value> inputs, Attributes attributes, int outputs = 1) {
  return {.op = op,
          .inputs = std::move(inputs),
          .attributes = std::move(attributes),
          .outputs = outputs,
          .domain = "ai.onnx.ml"};
}

TEST(Trees, GridsRun) {
  for (const OpDef& def : families::tree_ops()) EXPECT_GE(testing::run_grid(def.name, 1e-6, def.domain), 4) << def.name;
}

/// One branch on feature 0 and two leaves that vote for target 0.
Attributes stump(std::string_view mode, int64_t missing) {
  return {{"nodes_treeids", std::vector<int64_t>{0, 0, 0}},
          {"nodes_nodeids", std::vector<int64_t>{0, 1, 2}},
          {"nodes_featureids", std::vector<int64_t>{0, 0, 0}},
          {"nodes_values", std::vector<float>{2, 0, 0}},
          {"nodes_modes", std::vector<std::string>{std::string(mode), "LEAF", "LEAF"}},
          {"nodes_truenodeids", std::vector<int64_t>{1, 0, 0}},
          {"nodes_falsenodeids", std::vector<int64_t>{2, 0, 0}},
          {"nodes_missing_value_tracks_true", std::vector<int64_t>{missing, 0, 0}},
          {"target_treeids", std::vector<int64_t>{0, 0}},
          {"target_nodeids", std::vector<int64_t>{1, 2}},
          {"target_ids", std::vector<int64_t>{0, 0}},
          {"target_weights", std::vector<float>{1, -1}},
          {"n_targets", 1}};
}

TEST(Trees, EveryModeAndWayOfNan) {
  const Value x = make(DType::float32, {4, 1}, {1, 2, 3, kNan});
  const std::pair<std::string_view, std::vector<double>> modes[] = {
      {"BRANCH_LEQ", {1, 1, -1}}, {"BRANCH_LT", {1, -1, -1}}, {"BRANCH_GTE", {-1, 1, 1}},
      {"BRANCH_GT", {-1, -1, 1}}, {"BRANCH_EQ", {-1, 1, -1}}, {"BRANCH_NEQ", {1, -1, 1}}};
  for (const auto& [mode, wanted] : modes) {
    for (const int64_t missing : {0, 1}) {
      const Value got = run_one(ml("TreeEnsembleRegressor", {x}, stump(mode, missing)));
      expect_close(got, make(DType::float32, {4, 1}, {wanted[0], wanted[1], wanted[2], missing == 1 ? 1.0 : -1.0}), 0,
                   mode);
    }
  }
}

TEST(Trees, WhatIsNoTreeIsRefused) {
  const Value x = make(DType::float32, {1, 1}, {1});
  const auto refused = [&](std::string_view name, AttrValue value) {
    Attributes a = stump("BRANCH_LT", 0);
    a.set(name, std::move(value));
    EXPECT_THROW(run_one(ml("TreeEnsembleRegressor", {x}, a)), Error) << name;
  };
  refused("nodes_truenodeids", std::vector<int64_t>{0, 0, 0});  // leads back
  refused("nodes_falsenodeids", std::vector<int64_t>{7, 0, 0});  // nowhere
  refused("nodes_nodeids", std::vector<int64_t>{0, 1, 1});  // twice
  refused("nodes_featureids", std::vector<int64_t>{1, 0, 0});  // X has one feature
  refused("nodes_featureids", std::vector<int64_t>{-1, 0, 0});
  refused("nodes_modes", std::vector<std::string>{"BRANCH_NO", "LEAF", "LEAF"});
  refused("nodes_values", std::vector<float>{1});
  refused("target_ids", std::vector<int64_t>{0, 1});
  refused("target_nodeids", std::vector<int64_t>{1, 9});
  refused("base_values", std::vector<float>{1, 2});
  refused("n_targets", -1);
}

TEST(Trees, DeepUnevenTreesEnd) {
  // A chain: node i is left for x <= i, else right; depth 300, rows that leave it anywhere.
  constexpr int64_t kDepth = 300;
  std::vector<int64_t> trees(2 * kDepth + 1, 0), ids, feature(trees), yes, no, leaf_ids, targets;
  std::vector<float> values, weights;
  std::vector<std::string> modes;
  for (int64_t i = 0; i <= 2 * kDepth; ++i) {
    ids.push_back(i);
    const bool leaf = i >= kDepth;
    modes.emplace_back(leaf ? "LEAF" : "BRANCH_LEQ");
    values.push_back(static_cast<float>(i));
    yes.push_back(leaf ? 0 : kDepth + i);
    no.push_back(leaf ? 0 : i + 1 == kDepth ? 2 * kDepth : i + 1);
    if (!leaf) continue;
    leaf_ids.push_back(i);
    targets.push_back(0);
    weights.push_back(static_cast<float>(i - kDepth));
  }
  const std::vector<int64_t> zeros(leaf_ids.size(), 0);
  Value x = Value::tensor(DType::float32, Shape{1000, 1});
  for (int64_t i = 0; i < 1000; ++i) x.as_mutable<float>()[static_cast<size_t>(i)] = static_cast<float>((i * 37) % 400);
  const Attributes a{{"nodes_treeids", trees},   {"nodes_nodeids", ids},     {"nodes_featureids", feature},
                     {"nodes_values", values},   {"nodes_modes", modes},     {"nodes_truenodeids", yes},
                     {"nodes_falsenodeids", no}, {"target_treeids", zeros},  {"target_nodeids", leaf_ids},
                     {"target_ids", zeros},      {"target_weights", weights}};
  for (const int threads : {1, 4}) {
    OpCall call = ml("TreeEnsembleRegressor", {x}, a);
    call.threads = threads;
    const Value y = run_one(call);
    for (int64_t i = 0; i < 1000; ++i) {
      ASSERT_EQ(y.as<float>()[static_cast<size_t>(i)], static_cast<float>(std::min<int64_t>((i * 37) % 400, kDepth)))
          << i;
    }
  }
}

TEST(Trees, BinaryVotesForOneClass) {
  Attributes a = stump("BRANCH_GT", 0);
  for (const std::string_view part : {"treeids", "nodeids", "ids", "weights"}) {
    a.set("class_" + std::string(part), *a.find("target_" + std::string(part)));
    a.erase("target_" + std::string(part));
  }
  a.erase("n_targets");
  a.set("classlabels_int64s", std::vector<int64_t>{10, 20});
  const Value x = make(DType::float64, {2, 1}, {1, 3});
  auto out = run_op(ml("TreeEnsembleClassifier", {x}, a, 2));
  expect_close(out[0], make(DType::int64, {2}, {10, 20}));
  expect_close(out[1], make(DType::float32, {2, 2}, {1, -1, -1, 1}));
  a.set("class_weights", std::vector<float>{0.75F, 0.25F});
  out = run_op(ml("TreeEnsembleClassifier", {x}, a, 2));
  expect_close(out[0], make(DType::int64, {2}, {10, 20}));
  expect_close(out[1], make(DType::float32, {2, 2}, {0.75, 0.25, 0.25, 0.75}));
}

}  // namespace
}  // namespace chorus
