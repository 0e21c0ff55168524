#include "infinities.h"

#include <engine/adapter/adapter.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <limits>
#include <set>

namespace chorus_openvino {
namespace {

using namespace chorus_adapter;

// Fields of ONNX's messages (onnx.proto3) that are touched.
enum : uint32_t { kModelGraph = 7, kGraphNode = 1, kGraphInitializer = 5 };
enum : uint32_t { kNodeInput = 1, kNodeOutput = 2, kNodeOperator = 4 };
enum : uint32_t { kTensorType = 2, kTensorName = 8, kTensorBytes = 9 };
enum : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  uint32_t number = 0;
  std::string_view whole, payload;   // with its tag and length; what is inside
};

// Reads one field after another of a message.
class Fields {
 public:
  explicit Fields(std::string_view message) : rest_(message) {}
  bool next(Field& field) {
    if (rest_.empty()) return false;
    const std::string_view before = rest_;
    const uint64_t tag = varint();
    const uint64_t skipped = length_of(static_cast<uint32_t>(tag & 7));
    if (skipped > rest_.size()) fail();
    field.number = static_cast<uint32_t>(tag >> 3);
    field.payload = rest_.substr(0, skipped);
    rest_.remove_prefix(skipped);
    field.whole = before.substr(0, before.size() - rest_.size());
    return true;
  }

 private:
  [[noreturn]] static void fail() {
    throw Failure(CH_INTERNAL, "the host's ONNX bytes end within a field", "report this with the model");
  }
  uint64_t length_of(uint32_t wire) {
    if (wire == kVarint) {
      varint();
      return 0;
    }
    return wire == kBytes     ? varint()
           : wire == kFixed64 ? 8
           : wire == kFixed32 ? 4
                              : std::numeric_limits<uint64_t>::max();
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) fail();
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    fail();
  }
  std::string_view rest_;
};

void put_varint(std::string& to, uint64_t value) {
  for (; value >= 0x80; value >>= 7) to.push_back(static_cast<char>(value | 0x80));
  to.push_back(static_cast<char>(value));
}

void put(std::string& to, uint32_t number, std::string_view payload) {
  put_varint(to, number << 3 | kBytes);
  put_varint(to, payload.size());
  to.append(payload);
}

std::string node_bytes(std::string_view op, std::initializer_list<std::string_view> inputs, std::string_view output) {
  std::string node;
  for (const std::string_view input : inputs) put(node, kNodeInput, input);
  put(node, kNodeOutput, output);
  put(node, kNodeOperator, op);
  return node;
}

std::string scalar_bytes(std::string_view name, float value) {
  std::string tensor;
  put_varint(tensor, kTensorType << 3 | kVarint);
  put_varint(tensor, 1);  // float32
  put(tensor, kTensorName, name);
  const auto bits = std::bit_cast<uint32_t>(value);
  const char raw[4] = {static_cast<char>(bits), static_cast<char>(bits >> 8), static_cast<char>(bits >> 16),
                       static_cast<char>(bits >> 24)};
  put(tensor, kTensorBytes, {raw, 4});
  return tensor;
}

struct Names {
  std::string_view op, result;
};

Names names_of(std::string_view node) {
  Names found;
  Fields fields(node);
  for (Field f; fields.next(f);) {
    if (f.number == kNodeOperator) found.op = f.payload;
    if (f.number == kNodeOutput && found.result.empty()) found.result = f.payload;
  }
  return found;
}

// "m" = ReduceMax becomes "m/finite" = ReduceMax; "m/is" = LessOrEqual("m/finite", least); "m" = Where("m/is", -inf, "m/finite").
void put_mended(std::string& graph, std::string_view node, const Names& names) {
  const bool is_max = names.op == "ReduceMax";
  const float infinity = std::numeric_limits<float>::infinity();
  const std::string result(names.result), finite = result + "/finite", is = result + "/is", bound = result + "/bound",
                                          infinite = result + "/infinite";
  std::string renamed;
  Fields fields(node);
  for (Field f; fields.next(f);) {
    if (f.number == kNodeOutput)
      put(renamed, kNodeOutput, finite);
    else
      renamed.append(f.whole);
  }
  put(graph, kGraphNode, renamed);
  put(graph, kGraphInitializer, scalar_bytes(bound, is_max ? -FLT_MAX : FLT_MAX));
  put(graph, kGraphInitializer, scalar_bytes(infinite, is_max ? -infinity : infinity));
  // Types of values between are not always known: the constants take theirs from the result.
  const std::string bound_like = bound + "/like", infinite_like = infinite + "/like";
  put(graph, kGraphNode, node_bytes("CastLike", {bound, finite}, bound_like));
  put(graph, kGraphNode, node_bytes("CastLike", {infinite, finite}, infinite_like));
  put(graph, kGraphNode, node_bytes(is_max ? "LessOrEqual" : "GreaterOrEqual", {finite, bound_like}, is));
  put(graph, kGraphNode, node_bytes("Where", {is, infinite_like, finite}, result));
}

std::string mended_graph(std::string_view graph, const std::set<std::string_view>& wanted) {
  std::string out;
  out.reserve(graph.size() + 512 * wanted.size());
  Fields fields(graph);
  for (Field f; fields.next(f);) {
    const Names names = f.number == kGraphNode ? names_of(f.payload) : Names{};
    if ((names.op == "ReduceMax" || names.op == "ReduceMin") && wanted.count(names.result) > 0)
      put_mended(out, f.payload, names);
    else
      out.append(f.whole);
  }
  return out;
}

}  // namespace

bool needs_infinities(const ch_graph& graph, const ch_node& node) {
  const std::string_view op = view(node.op);
  if (!view(node.domain).empty() || (op != "ReduceMax" && op != "ReduceMin") || node.n_outputs != 1) return false;
  for (uint32_t i = 0; i < graph.n_nodes; ++i) {
    const ch_node& reader = *graph.nodes[i];
    const bool asks = view(reader.op) == "Equal" || view(reader.op) == "IsInf";
    const int32_t* end = reader.inputs + reader.n_inputs;
    if (asks && std::find(reader.inputs, end, node.outputs[0]) != end) return true;
  }
  return false;
}

std::string with_infinities(const ch_graph& graph, std::string model) {
  std::set<std::string_view> wanted;
  for (uint32_t i = 0; i < graph.n_nodes; ++i) {
    if (needs_infinities(graph, *graph.nodes[i])) wanted.insert(view(graph.values[graph.nodes[i]->outputs[0]]->name));
  }
  if (wanted.empty()) return model;
  std::string out;
  out.reserve(model.size() + 512 * wanted.size());
  Fields fields(model);
  for (Field f; fields.next(f);) {
    if (f.number == kModelGraph)
      put(out, kModelGraph, mended_graph(f.payload, wanted));
    else
      out.append(f.whole);
  }
  return out;
}

}  // namespace chorus_openvino
