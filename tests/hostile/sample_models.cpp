// Hostile ONNX files, written by hand after onnx.proto.
#include "format/onnx/wire_bytes.h"
#include "hostile/samples.h"

#include <fmt/format.h>

namespace chorus::testing {
namespace {

using Samples = std::vector<HostileSample>;

// x [4] → op → y
std::string one_node(const std::string& n, const std::string& more = {}) {
  return bytes(1, n) + bytes(2, "g") + more + bytes(11, info("x", 1, {4})) + bytes(12, bytes(1, "y"));
}
std::string entry(std::string_view key, std::string_view value) { return bytes(13, bytes(1, key) + bytes(2, value)); }
std::string external(const std::string& entries) {
  return model(one_node(node("Add", {"x", "w"}, {"y"}),
                        bytes(5, varint(1, 4) + varint(2, 1) + bytes(8, "w") + entries + varint(14, 1))));
}
std::string at(std::string_view place) { return external(entry("location", place)); }
std::string integer(std::string_view name, int64_t v) {
  return bytes(5, bytes(1, name) + varint(3, v) + varint(20, 2));
}
std::string int64s(std::string_view name, std::vector<int64_t> v) {
  std::string raw(reinterpret_cast<const char*>(v.data()), v.size() * 8);
  return bytes(5, varint(1, static_cast<int64_t>(v.size())) + varint(2, 7) + bytes(8, name) + bytes(9, raw));
}
std::string weight(const std::string& dims, std::string_view raw = {}) {
  return bytes(5, dims + varint(2, 1) + bytes(8, "w") + (raw.empty() ? "" : bytes(9, raw)));
}
std::string with_weight(const std::string& w) { return model(one_node(node("Add", {"x", "w"}, {"y"}), w)); }

std::string ints(std::string_view name, std::initializer_list<int64_t> list) {
  std::string members;
  for (int64_t v : list) members += varint(8, v);
  return bytes(5, bytes(1, name) + members + varint(20, 7));
}
std::string reals(std::string_view name, std::initializer_list<float> list) {
  std::string members;
  for (float v : list) members += '\x3d' + std::string(reinterpret_cast<const char*>(&v), 4);
  return bytes(5, bytes(1, name) + members + varint(20, 6));
}
std::string texts(std::string_view name, std::initializer_list<std::string_view> list) {
  std::string members;
  for (auto v : list) members += bytes(9, v);
  return bytes(5, bytes(1, name) + members + varint(20, 8));
}
/// x [1, 2] → an operator of ai.onnx.ml
std::string ml(std::string_view op, const std::string& attributes,
               std::initializer_list<std::string_view> out = {"y"}) {
  return model(bytes(1, node(op, {"x"}, out, bytes(7, "ai.onnx.ml") + attributes)) + bytes(2, "g") +
               bytes(11, info("x", 1, {1, 2})) + bytes(12, bytes(1, "y"))) +
         bytes(8, bytes(1, "ai.onnx.ml") + varint(2, 3));
}
/// A root that goes to `yes` or to the leaf 2, and reads `feature`.
std::string tree(int64_t yes, int64_t feature) {
  return ml("TreeEnsembleRegressor", ints("nodes_treeids", {0, 0, 0}) + ints("nodes_nodeids", {0, 1, 2}) +
                                         ints("nodes_featureids", {feature, 0, 0}) +
                                         texts("nodes_modes", {"BRANCH_LEQ", "LEAF", "LEAF"}) +
                                         reals("nodes_values", {0.5F, 0, 0}) + ints("nodes_truenodeids", {yes, 0, 0}) +
                                         ints("nodes_falsenodeids", {2, 0, 0}) + ints("target_treeids", {0, 0}) +
                                         ints("target_nodeids", {1, 2}) + ints("target_ids", {0, 0}) +
                                         reals("target_weights", {1, 2}) + integer("n_targets", 1));
}
std::string vectors(std::initializer_list<int64_t> per_class) {
  return ml("SVMClassifier",
            ints("vectors_per_class", per_class) + ints("classlabels_ints", {0, 1}) +
                reals("support_vectors", {1, 2, 3, 4}) + reals("coefficients", {1, 1}) + reals("rho", {0.5F}) +
                reals("kernel_params", {0, 0, 0}),
            {"y", "z"});
}

/// A function of the domain "own": `in` → nodes → b.
std::string function(std::string_view name, const std::string& nodes,
                     std::initializer_list<std::string_view> in = {"a"}) {
  std::string f = bytes(1, name);
  for (auto i : in) f += bytes(4, i);
  return bytes(25, f + bytes(5, "b") + nodes + bytes(9, bytes(1, "own") + varint(2, 1)) +
                       bytes(9, bytes(1, "") + varint(2, 21)) + bytes(10, "own"));
}
std::string own(std::string_view op, std::initializer_list<std::string_view> in,
                std::initializer_list<std::string_view> out) {
  return bytes(7, node(op, in, out, bytes(7, "own")));
}
std::string calls(std::string_view op, const std::string& functions,
                  std::initializer_list<std::string_view> in = {"x"}) {
  return model(one_node(node(op, in, {"y"}, bytes(7, "own")))) + bytes(8, bytes(1, "own") + varint(2, 1)) + functions;
}

std::string nested(int depth) {
  std::string graph = one_node(node("Identity", {"x"}, {"y"}));
  for (int i = 0; i < depth; ++i)
    graph =
        one_node(node("If", {"x"}, {"y"}, graph_attribute("then_branch", graph) + graph_attribute("else_branch", "")));
  return model(graph);
}

/// 2^40 nodes once the functions are inlined.
std::string doubling() {
  std::string functions = function("f0", bytes(7, node("Neg", {"a"}, {"b"})));
  for (int i = 1; i <= 40; ++i) {
    const std::string below = fmt::format("f{}", i - 1);
    functions += function(fmt::format("f{}", i), own(below, {"a"}, {"c"}) + own(below, {"c"}, {"b"}));
  }
  return calls("f40", functions);
}

/// sequence(sequence(…)) as the type of an input.
std::string deep_type(int depth) {
  std::string type = bytes(1, varint(1, 1));
  for (int i = 0; i < depth; ++i) type = bytes(4, bytes(1, type));
  return model(bytes(1, node("Identity", {"s"}, {"y"})) + bytes(2, "g") + bytes(11, bytes(1, "s") + bytes(2, type)) +
               bytes(12, bytes(1, "y")));
}

constexpr const char* kRun = "run FILE --random --no-cache";

}  // namespace

Samples external_reads() {
  return {{"external_parent.onnx", at("../../../../etc/passwd"), "\"w\""},
          {"external_absolute.onnx", at("/etc/passwd"), "\"w\""},
          {"external_inside_parent.onnx", at("a/../../b"), "\"w\""},
          {"external_device.onnx", at("/dev/zero"), "\"w\""},
          {"external_nul.onnx", at(std::string("weights.bin\0.txt", 16)), "\"w\""},
          {"external_absent.onnx", at("absent.bin"), "absent.bin"}};
}

Samples external_writes() {
  return {{"convert_parent.onnx", at("../victim.bin"), "\"w\"", "convert FILE converted.onnx --external 1"}};
}

Samples external_links() {
  return {{"external_link.onnx", at("link.bin"), "link"},
          {"external_link_to_folder.onnx", at("linked/target.bin"), "link"},
          {"external_hard_link.onnx", at("hard.bin"), "hard.bin"}};
}

Samples side_doors() {
  return {
      {"engine_parent.onnx", at("../../../../etc/passwd"), "\"w\"", "run FILE --random --no-cache --engine example"}};
}

Samples external_attributes() {
  const std::string file = entry("location", "weights.bin");
  return {{"external_length.onnx", external(file + entry("length", "9223372036854775807")), "\"w\""},
          {"external_short.onnx", external(file + entry("offset", "56") + entry("length", "16")), "\"w\""},
          {"external_offset.onnx", external(file + entry("offset", "-1")), "\"w\""},
          {"external_key.onnx", external(file + entry("__class__", "x")), "__class__"}};
}

Samples networks() {
  return {{"external_http.onnx", at("http://127.0.0.1/weights.bin"), "\"w\""},
          {"external_url.onnx", at("file:///etc/passwd"), "\"w\""}};
}

Samples overflows() {
  const int64_t large = int64_t{1} << 40;
  const std::string sparse = bytes(15, bytes(1, varint(1, 1) + varint(2, 1) + bytes(8, "w") + bytes(9, "1234")) +
                                           bytes(2, varint(1, 1) + varint(2, 7) + bytes(9, std::string(8, '\0'))) +
                                           varint(3, large) + varint(3, 2));
  return {{"dims_overflow.onnx", with_weight(weight(varint(1, int64_t{1} << 62) + varint(1, 16))), "\"w\""},
          {"dims_negative.onnx", with_weight(weight(varint(1, -4))), "\"w\""},
          {"weights_short.onnx", with_weight(weight(varint(1, 1'000'000'000), "1234")), "\"w\""},
          {"sparse_dims.onnx", model(one_node(node("Add", {"x", "w"}, {"y"}), sparse)), "a sparse tensor"},
          {"shape_overflow.onnx", model(one_node(node("ConstantOfShape", {"s"}, {"y"}), int64s("s", {large, large}))),
           "ConstantOfShape"},
          {"expand.onnx", model(one_node(node("Expand", {"x", "s"}, {"y"}), int64s("s", {large, large, 4}))), "Expand"},
          {"tile.onnx", model(one_node(node("Tile", {"x", "s"}, {"y"}), int64s("s", {INT64_MAX}))), "Tile", kRun},
          {"fold.onnx",
           model(one_node(node("ConstantOfShape", {"s"}, {"c"}), int64s("s", {large}) +
                                                                     bytes(1, node("ReduceSum", {"c"}, {"r"})) +
                                                                     bytes(1, node("Add", {"x", "r"}, {"y"})))),
           "bytes", kRun}};
}

Samples indices() {
  return {{"axis_outside.onnx", model(one_node(node("Softmax", {"x"}, {"y"}, integer("axis", 99)))), "axis 99"},
          {"gather_outside.onnx", model(one_node(node("Gather", {"x", "i"}, {"y"}), int64s("i", {int64_t{1} << 33}))),
           "Gather", kRun},
          {"gather_nd_outside.onnx", model(one_node(node("GatherND", {"x", "i"}, {"y"}), int64s("i", {-5}))),
           "GatherND", kRun},
          {"scatter_outside.onnx",
           model(one_node(node("ScatterElements", {"x", "i", "u"}, {"y"}),
                          int64s("i", {4}) + bytes(5, floats("u", {1}, {9})))),
           "ScatterElements", kRun},
          {"unpool_outside.onnx",
           model(bytes(1, node("MaxUnpool", {"x", "i"}, {"y"},
                               bytes(5, bytes(1, "kernel_shape") + varint(8, 2) + varint(8, 2) + varint(20, 7)))) +
                 bytes(2, "g") +
                 bytes(5, varint(1, 1) + varint(1, 1) + varint(1, 1) + varint(1, 1) + varint(2, 7) + bytes(8, "i") +
                              bytes(9, std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8))) +
                 bytes(11, info("x", 1, {1, 1, 1, 1})) + bytes(12, bytes(1, "y"))),
           "MaxUnpool", kRun},
          {"tree_cycle.onnx", tree(0, 0), "leads back to itself", kRun},
          {"tree_outside.onnx", tree(99, 0), "no node 99", kRun},
          {"tree_feature.onnx", tree(1, 7), "feature 7", kRun},
          {"svm_more_vectors.onnx", vectors({1, 1 << 20}), "SVMClassifier"},
          {"svm_fewer_vectors.onnx", vectors({-1, 3}), "vectors_per_class has -1"}};
}

Samples confusions() {
  return {
      {"type_confusion.onnx",
       model(one_node(node("Softmax", {"x"}, {"y"}, bytes(5, bytes(1, "axis") + bytes(4, "text") + varint(20, 3))))),
       "axis"},
      {"element_type.onnx", with_weight(bytes(5, varint(1, 1) + varint(2, 4711) + bytes(8, "w"))), "4711"},
      {"strings_as_floats.onnx", with_weight(bytes(5, varint(1, 4) + varint(2, 1) + bytes(6, "text") + bytes(8, "w"))),
       "\"w\""}};
}

Samples recursions() {
  const std::string self = function("f", own("f", {"a"}, {"b"}));
  const std::string two = function("f", own("g", {"a"}, {"b"})) + function("g", own("f", {"a"}, {"b"}));
  return {{"self_call.onnx", calls("f", self), "f"},
          {"mutual_calls.onnx", calls("f", two), "f"},
          {"doubling_calls.onnx", doubling(), "nodes"},
          {"nested.onnx", nested(200), "deeper"},
          {"deep_type.onnx", deep_type(200), "deep"},
          {"cycle.onnx", model(one_node(node("Add", {"x", "y"}, {"y"}))), "\"y\""}};
}

Samples wires() {
  return {{"length_beyond.onnx", std::string("\x3a\xff\xff\xff\xff\x0f", 6), "left"},
          {"endless_number.onnx", std::string(64, '\xff'), "bits"},
          {"group.onnx", varint(1, 10) + "\x3b", "wire type"},
          {"empty.onnx", "", "no ONNX graph"}};
}

Samples arities() {
  return {
      {"function_arity.onnx", calls("f", function("f", bytes(7, node("Neg", {"a"}, {"b"}))), {"x", "x", "x"}), "f"},
      {"operator_arity.onnx", model(one_node(node("Neg", {"x", "x"}, {"y"}))), "Neg"},
      {"output_arity.onnx", model(one_node(node("Neg", {"x"}, {"y", "z"}))), "Neg"},
      {"two_makers.onnx", model(one_node(node("Neg", {"x"}, {"y"}), bytes(1, node("Abs", {"x"}, {"y"})))), "\"y\""}};
}

Samples numbers() {
  const std::string file = entry("location", "weights.bin");
  return {{"number_text.onnx", external(file + entry("offset", "1e3")), "\"w\""},
          {"number_range.onnx", external(file + entry("length", "99999999999999999999999")), "\"w\""},
          {"number_empty.onnx", external(file + entry("length", "")), "\"w\""}};
}

Samples python_operators() {
  return {{"python_operator.onnx",
           model(one_node(node(
               "PyOp", {"x"}, {"y"},
               bytes(7, "ai.onnx.contrib") + bytes(5, bytes(1, "code") + bytes(4, "import os") + varint(20, 3))))) +
               bytes(8, bytes(1, "ai.onnx.contrib") + varint(2, 1)),
           "PyOp", kRun}};
}

}  // namespace chorus::testing
