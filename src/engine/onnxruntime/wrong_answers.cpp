#include "wrong_answers.h"

#include <engine/adapter/wrong_answers.h>

#include <algorithm>

namespace chorus_ort {
namespace {

using namespace chorus_adapter;

bool pads_with_zero_point(const Operands& o) {
  if (!o.has_input(2)) return false;
  const ch_attribute* pads = attribute(o.node(), "pads");
  const bool pads_any =
      pads != nullptr && std::any_of(pads->ints, pads->ints + pads->count, [](int64_t p) { return p != 0; });
  const std::string_view automatic = o.text("auto_pad", "NOTSET");
  return pads_any || automatic == "SAME_UPPER" || automatic == "SAME_LOWER";
}

// A mask for fewer keys than there are.
bool has_short_mask(const Operands& o) {
  const ch_type* mask = o.input_shape(3);
  const ch_type* keys = o.input_shape(1);
  if (mask == nullptr || keys == nullptr || mask->rank == 0 || keys->rank < 2) return false;
  const int64_t covered = mask->dims[mask->rank - 1], length = keys->dims[keys->rank - 2];
  return !o.has_input(4) && covered >= 0 && length >= 0 && covered < length;
}

bool takes_a_fed_collection(const Operands& o) {
  for (uint32_t i = 0; i < o.node().n_inputs; ++i) {
    const int32_t v = o.input(i);
    if (v == CH_NO_INDEX || o.graph().values[v]->type->kind <= CH_TENSOR) continue;
    const int32_t* end = o.graph().inputs + o.graph().n_inputs;
    if (std::find(o.graph().inputs, end, v) != end) return true;
  }
  return false;
}

bool takes_halves(const Operands& o) { return o.input_type(0) == 10 || o.input_type(0) == 16; }

const WrongAnswer kWrong[] = {
    {{"Attention"},
     "1.31 has the version of opset 24 alone, without windows of keys",
     [](const Operands& o) { return o.has("left_window_size") || o.has("right_window_size"); }},
    {{"Attention"},
     "rounds to the half type between the steps, and does not type its own expansion in bfloat16",
     takes_halves},
    {{"Attention"}, "refuses a mask that is shorter than the keys when it runs", has_short_mask},
    {{"Attention"},
     "shows the least float32 in place of minus infinity in qk_matmul_output",
     [](const Operands& o) { return o.has_output(3) && (o.is_set("is_causal") || o.has_input(3)); }},
    {{"DFT", "STFT"}, "sums a slow transform in float32: errors of 1e-4", always},
    {{"MaxUnpool"},
     "places elements by the inferred shape in place of output_shape",
     [](const Operands& o) { return o.has_input(2); }},
    {{"ReduceMax", "ReduceMin"},
     "refuses bool without elements when it runs",
     [](const Operands& o) { return o.input_type(0) == 9; }},
    {{"ReduceMean"}, "has 0 as the mean of no elements", [](const Operands& o) { return o.is_empty(0); }},
    {{"ConvInteger"}, "refuses padding together with a zero point when it runs", pads_with_zero_point},
    {{"Resize"}, "takes the length of the output before rounding for the last corner", has_corners_by_scales},
    {{"Mod"},
     "gives a rest of zero the sign of the dividend, not of the divisor",
     [](const Operands& o) { return is_float(o.input_type(0)) && !o.is_set("fmod"); }},
    {{"StringSplit"},
     "splits at a delimiter otherwise",
     [](const Operands& o) { return !o.text("delimiter").empty(); }},
    {{"Cast", "CastLike"},
     "writes numbers with other digits",
     [](const Operands& o) { return o.output_type(0) == 8 && is_float(o.input_type(0)); }},
    {{"TreeEnsemble"},
     "passes over post_transform",
     [](const Operands& o) { return o.number("post_transform", 0) != 0; },
     "ai.onnx.ml"},
    {{"SequenceAt", "SequenceInsert", "SequenceErase", "SequenceLength", "ConcatFromSequence", "SequenceMap", "Loop",
      "If", "Scan", "Identity", "OptionalHasElement", "OptionalGetElement", "SplitToSequence", "Optional"},
     "cannot be handed an empty sequence or optional value, and whether one comes is known in the run only",
     takes_a_fed_collection},
};

}  // namespace

std::string wrong_refusal(const ch_graph& graph, const ch_node& node) {
  return wrong_answer(kWrong, "ONNX Runtime", graph, node);
}

}  // namespace chorus_ort
