// The attributes of the tree operators as one structure, checked: every tree ends, every index is in range.
#include <chorus/error.h>
#include <core/convert.h>
#include <engine/native/reference/forest.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>

namespace chorus::native::forest {
namespace {

[[noreturn]] void fail(std::string what) { throw Error(Code::bad_input, std::move(what)); }

struct Reals {
  std::vector<double> values;
  bool narrow = true;
};
/// A float attribute or its tensor form.
Reals reals(const AttrReader& attrs, const std::string& name) {
  Reals out;
  const auto plain = attrs.reals(name);
  out.values.assign(plain.begin(), plain.end());
  if (const Value* t = attrs.tensor(name + "_as_tensor"); t != nullptr) {
    out.values = t->to_doubles();
    out.narrow = t->dtype() != DType::float64;
  }
  return out;
}

Mode mode_of(std::string_view name) {
  static constexpr std::string_view kNames[] = {"BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE",    "BRANCH_GT",
                                                "BRANCH_EQ",  "BRANCH_NEQ", "BRANCH_MEMBER", "LEAF"};
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name && kNames[i] != "BRANCH_MEMBER") return static_cast<Mode>(i);
  }
  fail(fmt::format("nodes_modes has '{}'", name));
}

struct Id {
  int64_t tree, node;
  bool operator==(const Id&) const = default;
};
struct IdHash {
  size_t operator()(const Id& id) const noexcept {
    return std::hash<int64_t>()(id.tree * 0x9e3779b97f4a7c15LL) ^ std::hash<int64_t>()(id.node);
  }
};

/// Versions with node ids: every node, leaves included, has a line of its own.
class NodeIds {
 public:
  NodeIds(const AttrReader& attrs, Source& out) : attrs_(attrs), out_(out) {}

  void read_nodes() {
    const auto modes = attrs_.strings("nodes_modes");
    const auto trees = attrs_.integers("nodes_treeids"), ids = attrs_.integers("nodes_nodeids"),
               features = attrs_.integers("nodes_featureids"), yes = attrs_.integers("nodes_truenodeids"),
               no = attrs_.integers("nodes_falsenodeids"), missing = attrs_.integers("nodes_missing_value_tracks_true");
    const Reals thresholds = reals(attrs_, "nodes_values");
    out_.narrow = thresholds.narrow;
    std::unordered_map<int64_t, bool> seen;
    for (size_t i = 0; i < modes.size(); ++i) {
      if (!places_.emplace(Id{trees[i], ids[i]}, static_cast<int64_t>(i)).second)
        fail(fmt::format("tree {} has node {} twice", trees[i], ids[i]));
      if (seen.emplace(trees[i], true).second) out_.roots.push_back(static_cast<int64_t>(i));
      Source::Node n;
      n.mode = mode_of(modes[i]);
      n.feature = features[i];
      n.threshold = thresholds.values[i];
      n.missing_is_true = !missing.empty() && missing[i] != 0;
      out_.nodes.push_back(n);
    }
    for (size_t i = 0; i < modes.size(); ++i) {
      Source::Node& n = out_.nodes[i];
      if (n.mode == Mode::leaf) continue;
      n.child[0] = place({trees[i], yes[i]});
      n.child[1] = place({trees[i], no[i]});
    }
  }

  void read_votes(const std::string& stem) {
    const auto trees = attrs_.integers(stem + "_treeids"), ids = attrs_.integers(stem + "_nodeids"),
               targets = attrs_.integers(stem + "_ids");
    const Reals weights = reals(attrs_, stem + "_weights");
    std::vector<std::vector<Source::Vote>> of(out_.nodes.size());
    for (size_t i = 0; i < trees.size(); ++i) {
      if (targets[i] < 0 || targets[i] >= out_.targets)
        fail(fmt::format("{}_ids has {} of {}", stem, targets[i], out_.targets));
      of[static_cast<size_t>(place({trees[i], ids[i]}))].push_back({targets[i], weights.values[i]});
    }
    for (size_t i = 0; i < of.size(); ++i) {
      Source::Node& n = out_.nodes[i];
      if (n.mode != Mode::leaf) continue;  // a weight at a branch is never reached
      n.first_vote = static_cast<int64_t>(out_.votes.size());
      n.votes = static_cast<int64_t>(of[i].size());
      out_.votes.insert(out_.votes.end(), of[i].begin(), of[i].end());
    }
    out_.base = reals(attrs_, "base_values").values;
    if (out_.base.size() == 1) out_.base.resize(static_cast<size_t>(out_.targets), out_.base[0]);
  }

 private:
  int64_t place(Id id) const {
    const auto it = places_.find(id);
    if (it == places_.end()) fail(fmt::format("tree {} has no node {}", id.tree, id.node));
    return it->second;
  }
  const AttrReader& attrs_;
  Source& out_;
  std::unordered_map<Id, int64_t, IdHash> places_;
};

/// TreeEnsemble-5: branches and leaves are lists of their own; here the leaves stand behind the branches.
void read_ensemble(const AttrReader& attrs, Source& out) {
  const auto features = attrs.integers("nodes_featureids"), yes = attrs.integers("nodes_truenodeids"),
             no = attrs.integers("nodes_falsenodeids"), yes_leaf = attrs.integers("nodes_trueleafs"),
             no_leaf = attrs.integers("nodes_falseleafs"), targets = attrs.integers("leaf_targetids"),
             missing = attrs.integers("nodes_missing_value_tracks_true");
  const std::vector<int64_t> modes = attrs.tensor("nodes_modes")->to_int64s();
  const std::vector<double> splits = attrs.tensor("nodes_splits")->to_doubles(),
                            weights = attrs.tensor("leaf_weights")->to_doubles();
  const auto branches = static_cast<int64_t>(features.size()), leaves = static_cast<int64_t>(targets.size());
  out.narrow = attrs.tensor("nodes_splits")->dtype() != DType::float64;
  if (const Value* m = attrs.tensor("membership_values"); m != nullptr) out.members = m->to_doubles();
  const auto place = [&](int64_t id, bool leaf) {
    const int64_t n = leaf ? leaves : branches;
    if (id < 0 || id >= n) fail(fmt::format("a node leads to {} {} of {}", leaf ? "leaf" : "node", id, n));
    return leaf ? branches + id : id;
  };
  size_t member = 0;
  for (size_t i = 0; i < features.size(); ++i) {
    Source::Node n;
    if (modes[i] < 0 || modes[i] > 6) fail(fmt::format("nodes_modes has {}", modes[i]));
    n.mode = static_cast<Mode>(modes[i]);
    n.feature = features[i];
    n.threshold = splits[i];
    n.missing_is_true = !missing.empty() && missing[i] != 0;
    n.child[0] = place(yes[i], yes_leaf[i] != 0);
    n.child[1] = place(no[i], no_leaf[i] != 0);
    if (n.mode == Mode::member) {
      n.first_member = static_cast<int64_t>(member);
      while (member < out.members.size() && !std::isnan(out.members[member])) ++member;
      n.members = static_cast<int64_t>(member) - n.first_member;
      if (member == out.members.size()) fail("membership_values has fewer sets than there are nodes of mode 6");
      ++member;  // the NaN behind the set
    }
    out.nodes.push_back(n);
  }
  for (size_t i = 0; i < targets.size(); ++i) {
    if (targets[i] < 0 || targets[i] >= out.targets)
      fail(fmt::format("leaf_targetids has {} of {}", targets[i], out.targets));
    Source::Node n;
    n.first_vote = static_cast<int64_t>(i);
    n.votes = 1;
    out.nodes.push_back(n);
    out.votes.push_back({targets[i], weights[i]});
  }
  for (const int64_t root : attrs.integers("tree_roots")) out.roots.push_back(place(root, false));
}

int aggregate_of(std::string_view name) { return name == "AVERAGE" ? 0 : name == "MIN" ? 2 : name == "MAX" ? 3 : 1; }

}  // namespace

Source read(TreeOp op, const AttrReader& attrs) {
  Source out;
  if (op == TreeOp::ensemble) {
    out.targets = attrs.integer("n_targets", 1);
    out.aggregate = static_cast<int>(attrs.integer("aggregate_function", 1));
    out.transform = static_cast<score::Transform>(attrs.integer("post_transform"));
    read_ensemble(attrs, out);
    return out;
  }
  const bool classifier = op == TreeOp::classifier;
  out.targets = classifier ? static_cast<int64_t>(std::max(attrs.integers("classlabels_int64s").size(),
                                                           attrs.strings("classlabels_strings").size()))
                           : attrs.integer("n_targets", 1);
  out.aggregate = classifier ? 1 : aggregate_of(attrs.string("aggregate_function"));
  out.transform = score::transform_of(attrs.string("post_transform"));
  out.missing_before_mode = true;
  NodeIds ids(attrs, out);
  ids.read_nodes();
  ids.read_votes(classifier ? "class" : "target");
  return out;
}

}  // namespace chorus::native::forest
