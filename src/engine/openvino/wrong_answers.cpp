// What OpenVINO answers wrongly without a word, as far as it can be told before a run. What stays is in docs/engine_findings.md.
#include <engine/adapter/wrong_answers.h>

#include <algorithm>

#include "claims.h"
#include "infinities.h"

namespace chorus_openvino {
namespace {

// A constant condition that selects no element.
bool selects_nothing(const Operands& o) {
  const ch_value* v = o.constant(1);
  if (v == nullptr) return false;
  const auto* bytes = static_cast<const unsigned char*>(v->buffer.data) + v->offset;
  int64_t count = 1;
  for (uint32_t d = 0; d < v->rank; ++d) count *= v->dims[d];
  return std::none_of(bytes, bytes + count, [](unsigned char b) { return b != 0; });
}

// Below version 13 the operator is over all axes from `axis` on; where that is the last alone, both mean the same.
bool is_over_several_axes(const Operands& o) {
  if (o.node().since >= 13) return false;
  const ch_type* shape = o.input_shape(0);
  const int64_t axis = o.number("axis", 1);
  // Exporters of these versions name the last axis (others they transpose), so that one that is named is taken for it; the default is 1.
  if (shape == nullptr) return !o.has("axis");
  const int64_t from = axis < 0 ? axis + shape->rank : axis;
  for (int64_t d = from + 1; d < shape->rank; ++d) {
    if (shape->dims[d] != 1) return true;
  }
  return false;
}

// What is left of a reduction over no axes is the magnitude, the square, the logarithm.
bool has_no_axes(const Operands& o) {
  if (!o.is_set("noop_with_empty_axes")) return false;
  if (!o.has_input(1)) return true;
  const ch_value* axes = o.constant(1);
  return axes == nullptr || axes->rank == 0 || axes->dims[0] == 0;
}

std::vector<int64_t> ints_of(const Operands& o, std::string_view name, size_t n, int64_t otherwise) {
  const ch_attribute* a = attribute(o.node(), name);
  if (a == nullptr || a->count != n) return std::vector<int64_t>(n, otherwise);
  return {a->ints, a->ints + a->count};
}

// Rounded up, the number of windows holds one that begins behind the picture and the padding before it; ONNX leaves it out.
bool has_window_behind(const Operands& o) {
  const ch_attribute* kernel = attribute(o.node(), "kernel_shape");
  if (!o.is_set("ceil_mode") || kernel == nullptr) return false;
  const auto n = static_cast<size_t>(kernel->count);
  const ch_type* shape = o.input_shape(0);
  const std::vector<int64_t> pads = ints_of(o, "pads", 2 * n, 0), strides = ints_of(o, "strides", n, 1);
  const std::vector<int64_t> dilations = ints_of(o, "dilations", n, 1);
  for (size_t d = 0; d < n; ++d) {
    const int64_t size = shape != nullptr && shape->rank == n + 2 ? shape->dims[2 + d] : -1;
    const int64_t spanned = (kernel->ints[d] - 1) * dilations[d] + 1, end = pads[n + d],
                  stride = std::max<int64_t>(1, strides[d]);
    if (size < 0 && end + stride > spanned) return true;  // may have one
    const int64_t last = (size + pads[d] + end - spanned + stride - 1) / stride * stride;
    if (size >= 0 && last >= size + pads[d]) return true;
  }
  return false;
}

bool is_small_integer(uint16_t t) noexcept { return t >= 2 && t <= 5; }  // 8 and 16 bits
bool takes_small_integers(const Operands& o) { return is_small_integer(o.input_type(0)); }
bool takes_integers(const Operands& o) { return is_integer(o.input_type(0)); }
bool takes_uint64(const Operands& o) { return o.input_type(0) == 13; }
bool takes_nothing(const Operands& o) { return o.is_empty(0); }
bool has_ceil_mode(const Operands& o) { return o.is_set("ceil_mode"); }
bool saturates_on_cast(const Operands& o) {
  const uint16_t to = o.output_type(0);
  return to == 17 || to == 19 || to == 23 || to == 24;
}

// Of float32 with_infinities() mends it; types between are not always known, so halves anywhere in the graph count.
bool is_compared_half(const Operands& o) {
  if (!needs_infinities(o.graph(), o.node())) return false;
  if (o.input_type(0) != 0) return o.input_type(0) != 1;
  const auto* values = o.graph().values;
  return std::any_of(values, values + o.graph().n_values,
                     [](const ch_value_info* v) { return v->type->dtype == 10 || v->type->dtype == 16; });
}

const WrongAnswer kWrong[] = {
    {{"Attention"},
     "passes over windows of keys",
     [](const Operands& o) { return o.has("left_window_size") || o.has("right_window_size"); }},
    {{"Attention"},
     "aligns the causal triangle with the first key, not behind the past",
     [](const Operands& o) { return o.is_set("is_causal") && o.has_input(4); }},
    {{"ReduceMax", "ReduceMin"},
     "has the greatest number of the type in place of infinity, and the graph compares the result",
     is_compared_half},
    {{"Softmax", "LogSoftmax", "Hardmax"},
     "takes versions before 13 over one axis, not over all from `axis` on",
     is_over_several_axes},
    {{"Resize"},
     "passes over antialias and exclude_outside",
     [](const Operands& o) { return o.is_set("antialias") || o.is_set("exclude_outside"); }},
    {{"Resize"},
     "passes over keep_aspect_ratio_policy",
     [](const Operands& o) { return o.text("keep_aspect_ratio_policy", "stretch") != "stretch"; }},
    {{"Resize"}, "takes the length of the output before rounding for the last corner", has_corners_by_scales},
    {{"RNN", "GRU", "LSTM"}, "passes over layout = 1", [](const Operands& o) { return o.is_set("layout"); }},
    {{"LSTM"}, "passes over the peepholes P", [](const Operands& o) { return o.has_input(7); }},
    {{"DFT"}, "passes over the input axis", [](const Operands& o) { return o.node().since >= 20 && o.has_input(2); }},
    {{"DFT"},
     "gives one-sided results another shape before version 20, and sums a slow transform in float32",
     [](const Operands& o) { return o.node().since < 20; }},
    {{"Cast", "CastLike"}, "neither saturates nor rounds to float8 and float4 as ONNX does", saturates_on_cast},
    {{"Tile"},
     "reads beyond the input where the repeats are no constant",
     [](const Operands& o) { return o.has_input(1) && o.constant(1) == nullptr; }},
    {{"Gather"},
     "divides by zero when it compiles this operator for no elements",
     [](const Operands& o) { return o.is_empty(0) || o.is_empty(1); }},
    {{"Compress"},
     "divides by zero when it compiles this operator for no elements",
     [](const Operands& o) { return o.is_empty(0) || o.is_empty(1) || selects_nothing(o); }},
    {{"RoiAlign"}, "takes samples outside of the picture otherwise, and another maximum", always},
    {{"MaxPool"}, "keeps a window that begins behind the picture (ceil_mode)", has_window_behind},
    {{"LpPool"}, "divides by the length of a window that reaches behind the picture (ceil_mode)", has_ceil_mode},
    {{"AveragePool"},
     "counts places behind the padding (ceil_mode with count_include_pad)",
     [](const Operands& o) { return has_ceil_mode(o) && o.is_set("count_include_pad"); }},
    {{"Mod"},
     "has another remainder of infinities, by infinity and by zero",
     [](const Operands& o) { return is_float(o.input_type(0)); }},
    {{"NonMaxSuppression"}, "takes a box whose overlap equals the threshold away", always},
    {{"TopK"}, "takes of equal values the last one, and no NaN", always},
    {{"DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"}, "rounds ties away from even", always},
    {{"QuantizeLinear"},
     "rounds ties away from even and divides otherwise where the scale is no constant",
     [](const Operands& o) { return o.constant(1) == nullptr; }},
    {{"Abs", "Neg", "Add", "Sub", "Mul", "Pow"}, "saturates integers of 8 and 16 bits", takes_small_integers},
    {{"BitShift"},
     "saturates integers of 8 and 16 bits in place of shifting bits out",
     [](const Operands& o) { return takes_small_integers(o) && o.text("direction") == "LEFT"; }},
    {{"Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Max", "Min"},
     "compares uint64 as if it had a sign",
     takes_uint64},
    {{"Erf", "Shrink", "ReduceLogSum", "ReduceLogSumExp"}, "rounds integers where ONNX cuts", takes_integers},
    {{"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"},
     "gives the input back, without its magnitude, logarithm or square (noop_with_empty_axes)",
     has_no_axes},
    {{"ReduceMax", "ReduceMin", "ReduceMean"}, "has another answer for no elements", takes_nothing},
    {{"LRN"},
     "shifts windows of even size by one channel",
     [](const Operands& o) { return o.number("size", 1) % 2 == 0; }},
    {{"Normalizer"},
     "divides by the largest magnitude where ONNX Runtime takes the largest element",
     [](const Operands& o) { return o.text("norm", "MAX") == "MAX"; },
     "ai.onnx.ml"},
};

// Its CPU plug-in holds float64 as float32: 1e200 is the greatest float32 then, and so is infinity.
std::string float64_refusal(const ch_graph& graph, const ch_node& node) {
  for (const auto& [list, n] : {std::pair(node.inputs, node.n_inputs), std::pair(node.outputs, node.n_outputs)}) {
    for (uint32_t i = 0; i < n; ++i) {
      if (list[i] != CH_NO_INDEX && graph.values[list[i]]->type->dtype == 11)
        return std::string(view(node.op)) + ": OpenVINO computes float64 in float32";
    }
  }
  return {};
}

}  // namespace

std::string silent_refusal(const ch_graph& graph, const ch_node& node) {
  const std::string reason = wrong_answer(kWrong, "OpenVINO", graph, node);
  return reason.empty() ? float64_refusal(graph, node) : reason;
}

}  // namespace chorus_openvino
