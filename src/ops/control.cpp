// Control flow: If, Loop and Scan. Bodies are closed graphs; what they read of the graph around them is added by the
// caller.
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/movement_shape.h>
#include <ops/rules.h>
#include <ops/table.h>
#include <fmt/format.h>

#include <algorithm>

namespace chorus {
namespace {
using movement::named;

/// Work of bodies is counted where they are costed.
Cost cost_body(const CostContext& ctx) { return rules::cost_traffic(ctx); }

void require_outputs(const ShapeContext& ctx, size_t have, size_t wanted, std::string_view body) {
  if (have != wanted) {
    ctx.fail(Code::bad_input, fmt::format("{} has {} outputs, the node needs {}", body, have, wanted),
             "let the body give one value per output");
  }
}

/// Types of a branch that may never run: one that contradicts the shapes of this call says nothing instead of failing.
std::vector<Type> branch_types(ShapeContext& ctx, std::string_view name, size_t outputs) {
  try {
    return ctx.infer_body(name, {});
  } catch (const Error& error) {
    if (error.code() != Code::shape) throw;
    return std::vector<Type>(outputs);
  }
}

void infer_if(ShapeContext& ctx) {
  const auto outputs = static_cast<size_t>(ctx.outputs());
  if (const int64_t n = rules::known_count(ctx, 0); n >= 0 && n != 1) {
    ctx.fail(Code::shape, fmt::format("cond has {} elements", n), "give a single bool");
  }
  if (const auto known = rules::known_ints(ctx, 0);
      known && known->size() == 1) {  // a decided branch says more than both
    const std::string_view name = (*known)[0] != 0 ? "then_branch" : "else_branch";
    const auto types = ctx.infer_body(name, {});
    require_outputs(ctx, types.size(), outputs, name);
    for (size_t i = 0; i < outputs; ++i) ctx.set_output(static_cast<int>(i), types[i]);
    return;
  }
  const auto yes = branch_types(ctx, "then_branch", outputs), no = branch_types(ctx, "else_branch", outputs);
  require_outputs(ctx, yes.size(), outputs, "then_branch");
  require_outputs(ctx, no.size(), outputs, "else_branch");
  for (size_t i = 0; i < outputs; ++i) {
    if (yes[i].is_tensor() && no[i].is_tensor() && yes[i].dtype != no[i].dtype && yes[i].dtype != DType::undefined &&
        no[i].dtype != DType::undefined) {
      ctx.fail(Code::type,
               fmt::format("output {} is {} in then_branch and {} in else_branch", i, yes[i].str(), no[i].str()));
    }
    ctx.set_output(static_cast<int>(i), Type::join(yes[i], no[i]));
  }
}

/// Types of carried values that hold before and after every iteration: joined until nothing changes, then without
/// what still does.
std::vector<Type> steady(ShapeContext& ctx, std::vector<Type> carried, const std::vector<Type>& before,
                         const std::vector<Type>& behind, size_t first, std::vector<Type>* body_outputs) {
  for (int round = 0;; ++round) {
    std::vector<Type> inputs = before;
    inputs.insert(inputs.end(), carried.begin(), carried.end());
    inputs.insert(inputs.end(), behind.begin(), behind.end());
    *body_outputs = ctx.infer_body("body", inputs);
    if (body_outputs->size() < first + carried.size()) {
      ctx.fail(Code::bad_input,
               fmt::format("the body has {} outputs for {} carried values", body_outputs->size(), carried.size()));
    }
    bool changed = false;
    for (size_t i = 0; i < carried.size(); ++i) {
      Type joined = Type::join(carried[i], (*body_outputs)[first + i]);
      if (joined.kind == ValueKind::none || joined.same(carried[i])) continue;
      if (round >= 2 && joined.is_tensor()) joined = Type::tensor(joined.dtype);
      changed = true;
      carried[i] = std::move(joined);
    }
    if (!changed || round >= 4) return carried;
  }
}

void infer_loop(ShapeContext& ctx) {
  if (!ctx.has_input(0) && !ctx.has_input(1)) {
    ctx.fail(Code::bad_input, "neither a trip count nor a condition: the loop never ends", "give M or cond");
  }
  std::vector<Type> initial;
  for (int i = 2; i < ctx.inputs(); ++i) initial.push_back(ctx.input(i));
  const std::vector<Type> before{Type::tensor(DType::int64, Dims{}), Type::tensor(DType::boolean, Dims{})};
  std::vector<Type> body;
  const auto carried = steady(ctx, initial, before, {}, 1, &body);
  const auto outputs = static_cast<size_t>(ctx.outputs());
  if (body.size() < outputs + 1) require_outputs(ctx, body.size(), outputs + 1, "body");
  Dim trips = ctx.fresh();
  if (!ctx.has_input(1)) {  // a counted loop
    if (const auto m = movement::small_values(ctx, 0); m && m->size() == 1) {
      trips = (*m)[0].is_number() ? Dim(std::max<int64_t>((*m)[0].number(), 0)) : named(ctx, (*m)[0]);
    }
  }
  for (size_t i = 0; i < outputs; ++i) {
    if (i < carried.size()) {
      ctx.set_output(static_cast<int>(i), carried[i]);
      continue;
    }
    const Type& item = body[i + 1];
    if (!item.is_tensor()) continue;
    Type stacked = Type::tensor(item.dtype);
    if (item.has_rank) {
      Dims dims{trips};
      for (const Dim& d : item.dims) dims.push_back(named(ctx, d));
      stacked = Type::tensor(item.dtype, std::move(dims));
    }
    ctx.set_output(static_cast<int>(i), std::move(stacked));
  }
}

int64_t listed(const NodeContext& ctx, std::string_view name, size_t i) {
  const auto v = ctx.attrs().integers(name);
  return i < v.size() ? v[i] : 0;
}

void infer_scan(ShapeContext& ctx) {
  const int64_t scans = ctx.attrs().integer("num_scan_inputs");
  if (scans < 1 || scans > ctx.inputs())
    ctx.fail(Code::bad_input, fmt::format("num_scan_inputs is {} for {} operands", scans, ctx.inputs()));
  if (ctx.attrs().schema().since < 9) return;  // batched: see the version step
  const auto states = static_cast<size_t>(ctx.inputs() - scans), outputs = static_cast<size_t>(ctx.outputs());
  std::vector<Type> initial, items;
  for (size_t i = 0; i < states; ++i) initial.push_back(ctx.input(static_cast<int>(i)));
  Dim length = Dim::unknown();
  for (size_t i = 0; i < static_cast<size_t>(scans); ++i) {
    const Type& x = rules::tensor_input(ctx, static_cast<int>(states + i));
    if (!x.has_rank) {
      items.push_back(Type::tensor(x.dtype));
      continue;
    }
    const int axis = rules::normalize_axis(ctx, listed(ctx, "scan_input_axes", i), x.rank(), "scan_input_axes");
    Dims dims = x.dims;
    const Dim d = dims[static_cast<size_t>(axis)];
    length = length.is_unknown() ? d
             : d.is_unknown()    ? length
                                 : ctx.require_equal(length, d, "lengths of the scan inputs");
    dims.erase(dims.begin() + axis);
    items.push_back(Type::tensor(x.dtype, std::move(dims)));
  }
  std::vector<Type> body;
  const auto carried = steady(ctx, initial, {}, items, 0, &body);
  if (body.size() < outputs) require_outputs(ctx, body.size(), outputs, "body");
  for (size_t i = 0; i < outputs; ++i) {
    if (i < states) {
      ctx.set_output(static_cast<int>(i), carried[i]);
      continue;
    }
    const Type& item = body[i];
    if (!item.has_rank) {
      ctx.set_output(static_cast<int>(i), Type::tensor(item.dtype));
      continue;
    }
    Dims dims;
    for (const Dim& d : item.dims) dims.push_back(named(ctx, d));
    const int axis =
        rules::normalize_axis(ctx, listed(ctx, "scan_output_axes", i - states), item.rank() + 1, "scan_output_axes");
    dims.insert(dims.begin() + axis, named(ctx, length));
    ctx.set_output(static_cast<int>(i), Type::tensor(item.dtype, std::move(dims)));
  }
}

/// Version 8 scans every sample of a batch by itself (axis 0: batch, axis 1: steps): one Scan per sample, stacked.
Expansion scan_8(OpBuilder& b) {
  const int64_t scans = b.attrs().integer("num_scan_inputs");
  if (b.has_input(0)) return Expansion::refuse("Scan-8 with sequence_lens has no form in version 9");
  const Type& first = b.input(1);
  if (!first.has_rank || first.rank() < 1 || !first.dims[0].is_number() || first.dims[0].number() < 1 ||
      first.dims[0].number() > 256) {
    return Expansion::refuse("Scan-8 has a form in version 9 only for a known batch of 1 to 256 samples");
  }
  Attributes attributes{{"body", b.attrs().graph("body")}, {"num_scan_inputs", scans}};
  const auto directions = b.attrs().integers("directions");
  attributes.set("scan_input_directions", std::vector<int64_t>(directions.begin(), directions.end()));
  if (directions.empty()) attributes.erase("scan_input_directions");
  std::vector<std::vector<Ref>> parts(static_cast<size_t>(b.outputs()));
  for (int64_t sample = 0; sample < first.dims[0].number(); ++sample) {
    std::vector<Ref> inputs;
    for (int i = 1; i < b.inputs(); ++i) {
      inputs.push_back(b.op("Gather", {b.in(i), b.constant(Value::scalar<int64_t>(sample))}, {{"axis", 0}}));
    }
    rules::next_version(b);
    const auto outs = b.emit("Scan", inputs, attributes, b.outputs());
    for (size_t o = 0; o < outs.size(); ++o) parts[o].push_back(b.op("Unsqueeze", {outs[o], b.ints({0})}));
  }
  std::vector<Ref> results;
  for (const auto& p : parts) results.push_back(b.emit("Concat", p, {{"axis", 0}}, 1)[0]);
  return Expansion(std::move(results));
}

constexpr Version kIf[] = {
    {1, "(B cond) -> (V+~ outputs) {else_branch: graph!, then_branch: graph!}; V = all; B = bool"},
    {11, "(B cond) -> (V+~ outputs) {else_branch: graph!, then_branch: graph!}; V = all; B = bool"},
    {13, "(B cond) -> (V+~ outputs) {else_branch: graph!, then_branch: graph!}; V = all seq.all; B = bool"},
    {16,
     "(B cond) -> (V+~ outputs) {else_branch: graph!, then_branch: graph!}; V = all13 seq.all13 opt.all13 "
     "opt.seq.all13; B = bool"},
    {19,
     "(B cond) -> (V+~ outputs) {else_branch: graph!, then_branch: graph!}; V = all19 seq.all19 opt.all19 "
     "opt.seq.all13; B = bool"},
    {21,
     "(B cond) -> (V+~ outputs) {else_branch: graph!, then_branch: graph!}; V = all21 seq.all21 opt.all21 "
     "opt.seq.all13; B = bool"},
    {23,
     "(B cond) -> (V+~ outputs) {else_branch: graph!, then_branch: graph!}; V = all23 seq.all23 opt.all23 "
     "opt.seq.all13; B = bool"},
    {24,
     "(B cond) -> (V+~ outputs) {else_branch: graph!, then_branch: graph!}; V = all24 seq.all24 opt.all24 "
     "opt.seq.all13; B = bool"},
    {25,
     "(B cond) -> (V+~ outputs) {else_branch: graph!, then_branch: graph!}; V = all25 seq.all25 opt.all25 "
     "opt.seq.all13; B = bool"},
};
constexpr Version kLoop[] = {
    {1, "(I? M, B? cond, V+~ v_initial) -> (V+~ v_final_and_scan_outputs) {body: graph!}; V = all; I = i64; B = bool"},
    {11, "(I? M, B? cond, V*~ v_initial) -> (V+~ v_final_and_scan_outputs) {body: graph!}; V = all; I = i64; B = bool"},
    {13,
     "(I? M, B? cond, V*~ v_initial) -> (V+~ v_final_and_scan_outputs) {body: graph!}; V = all seq.all; I = i64; B = "
     "bool"},
    {16,
     "(I? M, B? cond, V*~ v_initial) -> (V+~ v_final_and_scan_outputs) {body: graph!}; V = all13 seq.all13 opt.all13 "
     "opt.seq.all13; I = i64; B = bool"},
    {19,
     "(I? M, B? cond, V*~ v_initial) -> (V+~ v_final_and_scan_outputs) {body: graph!}; V = all19 seq.all19 opt.all19 "
     "opt.seq.all13; I = i64; B = bool"},
    {21,
     "(I? M, B? cond, V*~ v_initial) -> (V+~ v_final_and_scan_outputs) {body: graph!}; V = all21 seq.all21 opt.all21 "
     "opt.seq.all13; I = i64; B = bool"},
    {23,
     "(I? M, B? cond, V*~ v_initial) -> (V+~ v_final_and_scan_outputs) {body: graph!}; V = all23 seq.all23 opt.all23 "
     "opt.seq.all13; I = i64; B = bool"},
    {24,
     "(I? M, B? cond, V*~ v_initial) -> (V+~ v_final_and_scan_outputs) {body: graph!}; V = all24 seq.all24 opt.all24 "
     "opt.seq.all13; I = i64; B = bool"},
    {25,
     "(I? M, B? cond, V*~ v_initial) -> (V+~ v_final_and_scan_outputs) {body: graph!}; V = all25 seq.all25 opt.all25 "
     "opt.seq.all13; I = i64; B = bool"},
};
constexpr Version kScan[] = {
    {8,
     "(I? sequence_lens, V+~ initial_state_and_scan_inputs) -> (V+~ final_state_and_scan_outputs) {body: graph!, "
     "directions: ints, num_scan_inputs: int!}; I = i64; V = all",
     scan_8},
    {9,
     "(V+~ initial_state_and_scan_inputs) -> (V+~ final_state_and_scan_outputs) {body: graph!, num_scan_inputs: int!, "
     "scan_input_axes: ints, scan_input_directions: ints, scan_output_axes: ints, scan_output_directions: ints}; V = "
     "all"},
    {11,
     "(V+~ initial_state_and_scan_inputs) -> (V+~ final_state_and_scan_outputs) {body: graph!, num_scan_inputs: int!, "
     "scan_input_axes: ints, scan_input_directions: ints, scan_output_axes: ints, scan_output_directions: ints}; V = "
     "all"},
    {16,
     "(V+~ initial_state_and_scan_inputs) -> (V+~ final_state_and_scan_outputs) {body: graph!, num_scan_inputs: int!, "
     "scan_input_axes: ints, scan_input_directions: ints, scan_output_axes: ints, scan_output_directions: ints}; V = "
     "all13"},
    {19,
     "(V+~ initial_state_and_scan_inputs) -> (V+~ final_state_and_scan_outputs) {body: graph!, num_scan_inputs: int!, "
     "scan_input_axes: ints, scan_input_directions: ints, scan_output_axes: ints, scan_output_directions: ints}; V = "
     "all19"},
    {21,
     "(V+~ initial_state_and_scan_inputs) -> (V+~ final_state_and_scan_outputs) {body: graph!, num_scan_inputs: int!, "
     "scan_input_axes: ints, scan_input_directions: ints, scan_output_axes: ints, scan_output_directions: ints}; V = "
     "all21"},
    {23,
     "(V+~ initial_state_and_scan_inputs) -> (V+~ final_state_and_scan_outputs) {body: graph!, num_scan_inputs: int!, "
     "scan_input_axes: ints, scan_input_directions: ints, scan_output_axes: ints, scan_output_directions: ints}; V = "
     "all23"},
    {24,
     "(V+~ initial_state_and_scan_inputs) -> (V+~ final_state_and_scan_outputs) {body: graph!, num_scan_inputs: int!, "
     "scan_input_axes: ints, scan_input_directions: ints, scan_output_axes: ints, scan_output_directions: ints}; V = "
     "all24"},
    {25,
     "(V+~ initial_state_and_scan_inputs) -> (V+~ final_state_and_scan_outputs) {body: graph!, num_scan_inputs: int!, "
     "scan_input_axes: ints, scan_input_directions: ints, scan_output_axes: ints, scan_output_directions: ints}; V = "
     "all25"},
};

constexpr OpDef kTable[] = {
    row({.name = "If",
         .api = {"if_else"},
         .versions = kIf,
         .infer = infer_if,
         .sizes = Sizes::known_after_run,
         .meaning = Primitive{"chooses between graphs"},
         .cost = cost_body,
         .grid = "bool(1); bool(0); bool{1}",
         .doc = "The outputs of then_branch when `cond` (one bool) is true, else those of else_branch. Both give as "
                "many values as the node has outputs; their shapes may differ."}),
    row({.name = "Loop",
         .api = {"loop"},
         .versions = kLoop,
         .infer = infer_loop,
         .sizes = Sizes::known_after_run,
         .meaning = Primitive{"repeats a graph"},
         .cost = cost_body,
         .grid = "i64(3) bool(1) f32[2]; i64(0) - f32[2]; - bool(0) f32[]",
         .doc = "Runs body(i, cond, carried...) -> (cond, carried..., items...) at most M times while the condition "
                "holds; M or cond may be omitted (an omitted cond: the body's condition is ignored). Outputs: the "
                "last carried values, then the items of all iterations stacked on a new first axis."}),
    row({.name = "Scan",
         .api = {"scan"},
         .versions = kScan,
         .infer = infer_scan,
         .sizes = Sizes::known_after_run,
         .meaning = Primitive{"repeats a graph"},
         .cost = cost_body,
         .grid = "f32[2] f32[3,2] num_scan_inputs=1; f32[2,3] num_scan_inputs=1 scan_input_axes=[1]; f32[] f32[0] "
                 "num_scan_inputs=1",
         .doc = "Runs body(states..., items...) -> (states..., outputs...) once per step of the scan inputs along "
                "scan_input_axes (backwards where the direction is 1). Outputs: the last states, then the outputs of "
                "all steps stacked along scan_output_axes (in reverse where the direction is 1)."}),
};

}  // namespace

std::span<const OpDef> families::control_ops() {
  static constexpr auto kAll = gradients::differentiable(kTable, gradients::kControl);
  return chosen<kAll>();
}

}  // namespace chorus
