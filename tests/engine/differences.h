// Cases with answers worked out by hand, where engines that walk the graph mean something else than ONNX: each fails when the row calls the
// engine without its conversion. Whatever an engine takes of them must have these answers.
#pragma once
#include <core/convert.h>
#include <ops/grid.h>
#include <ops/table.h>

#include <cmath>
#include <limits>
#include <set>
#include <span>

#include "engine/engine_case.h"

namespace chorus::testing {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Difference {
  std::string_view op, text;  // operands and attributes as a case of a grid
  std::vector<double> wanted;
  size_t output = 0;
};

inline const Difference kDifferences[] = {
    // No kernels for unsigned types of more than 8 bits.
    {"Add", "u32{4000000000} u32{500000000}", {205032704}},
    {"Sub", "u16{1} u16{2}", {65535}},
    {"Mul", "u32{65536} u32{65537}", {65536}},
    {"Mod", "u16{7} u16{4}", {3}},
    {"Max", "u32{4000000000} u32{1}", {4000000000}},
    {"Min", "u32{4000000000} u32{1}", {1}},
    {"Clip", "u32{5,8} u32(7) u32(9)", {7, 8}},
    {"Equal", "u32{5,6} u32{5,7}", {1, 0}},
    {"Greater", "u16{5,65535} u16{6,1}", {0, 1}},
    {"GreaterOrEqual", "u16{5,65535} u16{5,1}", {1, 1}},
    {"Less", "u16{5,65535} u16{6,1}", {1, 0}},
    {"LessOrEqual", "u16{5,65535} u16{5,1}", {1, 0}},
    {"BitwiseAnd", "u16{65535} u16{255}", {255}},
    {"BitwiseOr", "u16{65280} u16{255}", {65535}},
    {"BitwiseXor", "u16{65535} u16{255}", {65280}},
    {"BitwiseNot", "u16{1}", {65534}},
    {"BitShift", "u32{4000000000} u32{1} direction='RIGHT'", {2000000000}},
    {"Where", "bool{1,0} u16{1,2} u16{3,4}", {1, 4}},
    {"Abs", "u32{4000000000}", {4000000000}},
    // Types of results, and numbers at the edges.
    {"Div", "i32{7,-7} i32{2,2}", {3, -3}},
    {"Pow", "i32{3} f32{2.5}", {15}},
    {"Cast", "f32{1e6,-1e6} to=f8e5m2", {57344, -57344}},
    {"CastLike", "f32{1e6} f8e5m2[1]", {57344}},
    {"PRelu", "f32{2,2:-1.0,-2.0,-3.0,-4.0} f32{2,1:1.0,10.0}", {-1, -2, -30, -40}},
    {"Selu", "f32{-1.0,1.0} alpha=2.0 gamma=3.0", {6 * (std::exp(-1.0) - 1), 3}},
    {"HardSigmoid", "f32{1.0} alpha=0.5 beta=0.25", {0.75}},
    {"Softplus", "f64{21.0}", {21 + std::log1p(std::exp(-21.0))}},
    {"Shrink", "f32{-2.0,2.0,0.5} lambd=1.0 bias=0.5", {-1.5, 1.5, 0}},
    // Reductions.
    {"ReduceSum", "i32{1,2} i64{0}", {3}},
    {"ReduceMean", "i32{1,2} i64{0}", {1}},
    {"ReduceMax", "f32[0,2] i64{0}", {-kInfinity, -kInfinity}},
    {"ReduceMin", "f32[0,2] i64{0}", {kInfinity, kInfinity}},
    {"ReduceProd", "i32{2,2:1,2,3,4}", {24}},
    {"ReduceL1", "i32{-1,2}", {3}},
    {"ReduceL2", "i32{3,4}", {5}},
    {"ReduceSumSquare", "i32{1,2}", {5}},
    {"ArgMax", "f32{1.0,1.0} select_last_index=1", {1}},
    {"ArgMin", "f32{1.0,1.0} select_last_index=1", {1}},
    {"TopK", "f32{1.0,3.0,3.0,1.0} i64{3}", {1, 2, 0}, 1},
    {"CumSum", "f32{1.0,2.0,3.0} i64(0) exclusive=1 reverse=1", {5, 3, 0}},
    {"CumProd", "f32{1.0,2.0,3.0} i64(0) exclusive=1 reverse=1", {6, 3, 1}},
    {"Unique", "f32{2.0,1.0,2.0} sorted=0 out=4", {2, 1}},
    {"Unique", "f32{2.0,1.0,2.0} out=4", {1, 0}, 1},
    // Places.
    {"Reshape", "f32{2,2:1.0,2.0,3.0,4.0} i64{0,2}", {1, 2, 3, 4}},
    {"Flatten", "f32{2,1,2:1.0,2.0,3.0,4.0} axis=2", {1, 2, 3, 4}},
    {"Unsqueeze", "f32{5.0} i64{0,2}", {5}},
    {"Expand", "f32{2,1:1.0,2.0} i64{1,2}", {1, 1, 2, 2}},
    {"Slice", "f32{1.0,2.0,3.0} i64{2} i64{-4} i64{0} i64{-1}", {3, 2, 1}},
    {"Pad", "f32{1.0,2.0} i64{4,0} mode='reflect'", {1, 2, 1, 2, 1, 2}},
    {"DepthToSpace", "f32{1,8,1,1:0.0,1.0,2.0,3.0,4.0,5.0,6.0,7.0} blocksize=2", {0, 2, 4, 6, 1, 3, 5, 7}},
    {"SpaceToDepth", "f32{1,2,2,2:0.0,1.0,2.0,3.0,4.0,5.0,6.0,7.0} blocksize=2", {0, 4, 1, 5, 2, 6, 3, 7}},
    {"Col2Im", "f32{1,1,3:1.0,2.0,3.0} i64{1,2} i64{1,1} pads=[0,0,0,1]", {1, 2}},
    {"Gather", "f32{1.0,2.0} i64{-1}", {2}},
    {"GatherElements", "f32{1.0,2.0} i64{-1}", {2}},
    {"GatherND", "f32{2,2:1.0,2.0,3.0,4.0} i64{1,2:-1,0}", {3}},
    {"ScatterElements", "f32{1.0,2.0} i64{-1} f32{9.0}", {1, 9}},
    {"ScatterND", "f32{1.0,2.0} i64{1,1:-1} f32{9.0}", {1, 9}},
    {"OneHot", "i64{-1} i64(3) f32{0.5,2.0}", {0.5, 0.5, 2}},
    {"NonZero", "f32{2,2:0.0,1.0,1.0,1.0}", {0, 1, 1, 1, 0, 1}},
    {"EyeLike", "f32[2,3] k=1", {0, 1, 0, 0, 0, 1}},
    {"Range", "f32(1.0) f32(2.0) f32(0.25)", {1, 1.25, 1.5, 1.75}},
    // Products and windows.
    {"MatMul", "f16{1,3:2048.0,1.0,1.0} f16{3,1:1.0,1.0,1.0}", {2050}},
    {"Gemm", "i32{1,1:3} i32{1,1:5} i32{1,1:1} alpha=0.5", {8}},
    {"Conv", "f32{1,1,2:1.0,2.0} f32{1,1,2:1.0,1.0} pads=[1,0]", {1, 3}},
    {"ConvTranspose", "f32{1,1,2:1.0,2.0} f32{1,1,2:1.0,1.0} pads=[1,0]", {3, 2}},
    {"MaxPool", "f32{1,1,2:-1.0,-2.0} kernel_shape=[2] pads=[1,0]", {-1, -1}},
    {"AveragePool", "f32{1,1,2:1.0,2.0} kernel_shape=[2] pads=[1,0]", {1, 1.5}},
    {"LpPool", "f32{1,1,2:-3.0,4.0} kernel_shape=[2] p=1", {7}},
    {"MaxUnpool", "f32{2,1,1:5.0,6.0} i64{2,1,1:1,2} kernel_shape=[2]", {0, 5, 6, 0}},
    {"Resize",
     "f32{1,1,1,2:1.0,2.0} - - i64{1,1,1,4} coordinate_transformation_mode='asymmetric' nearest_mode='ceil'",
     {1, 2, 2, 2}},
    // Normalisations, whole numbers with scales, attention.
    {"BatchNormalization",
     "f32{2,1:1.0,3.0} f32{1.0} f32{0.0} f32{0.0} f32{0.0} training_mode=1 momentum=0.5 out=3",
     {0.5},
     2},
    {"LayerNormalization", "f32{1,2:1.0,3.0} f32{1.0,1.0} - out=2", {2}, 1},
    {"LpNormalization", "f32{0.0,0.0}", {0, 0}},
    {"LRN", "f32{1,2,1,1:1.0,2.0} size=2 alpha=2.0 beta=1.0 bias=0.0", {0.2, 0.5}},
    {"QuantizeLinear", "f32{300.0} f32(1.0) i16(0)", {300}},
    {"DequantizeLinear", "i16{300} f32(0.5)", {150}},
    {"MatMulInteger", "u8{1,1:255} u8{1,1:255}", {65025}},
    {"QLinearMatMul", "u8{1,1:3} f32(0.5) u8(1) u8{1,1:5} f32(2.0) u8(1) f32(1.0) u8(2)", {10}},
    {"ConvInteger", "u8{1,1,1:255} u8{1,1,1:255}", {65025}},
    {"QLinearConv", "u8{1,1,1:3} f32(0.5) u8(1) u8{1,1,1:5} f32(2.0) u8(1) f32(1.0) u8(2)", {10}},
    {"Attention", "f32{1,1,1,1:1.0} f32{1,1,1,1:1.0} f32{1,1,1,1:7.0} bool{1,1:0}", {0}},
};

struct OneNode {
  GraphCase c;
  std::vector<Value> inputs;
  OneNode(const OpDef& def, const GridCase& one) {
    const std::vector<Value> values = make_inputs(one, 1);
    std::vector<ValueId> operands;
    for (const Value& v : values) {
      if (!v) {
        operands.push_back(kNone);
        continue;
      }
      const Param* p = def.newest().input(static_cast<int>(operands.size()));
      if (p != nullptr && p->host_value) {
        operands.push_back(c.constant(v));
        continue;
      }
      Dims dims;
      for (int d = 0; d < v.rank(); ++d) dims.emplace_back(v.shape()[d]);
      operands.push_back(c.in("x" + std::to_string(inputs.size()), dims, v.dtype()));
      inputs.push_back(v);
    }
    const ValueId first = c.op(def.name, operands, one.attributes, one.outputs, 0, def.domain);
    for (int o = 0; o < one.outputs; ++o) c.out(o == 0 ? first : c.other(first, o), "y" + std::to_string(o));
  }
};

inline GridCase parse(const OpDef& def, std::string_view text) {
  OpDef own = def;
  own.grid = text;
  return parse_grid(own).at(0);
}

/// The engine's answers are those of the cases; what it refuses is counted. Returns how many it took.
inline int expect_converted(Engine& engine, std::span<const Difference> cases, bool may_refuse) {
  CompileOptions options;
  options.fallback = Fallback::none;
  options.optimize = 0;
  int taken = 0;
  for (const Difference& d : cases) {
    SCOPED_TRACE(std::string(d.op) + " " + std::string(d.text));
    const OpDef& def = *find_op("", d.op);
    std::vector<Value> out;
    Code code = Code::ok;
    const std::string said = message_of(
        [&] {
          OneNode node(def, parse(def, d.text));
          const auto program = engine.compile(model_of(node.c), options);
          out = run_program(*program, node.inputs);
        },
        &code);
    if (may_refuse && code == Code::unsupported) continue;
    EXPECT_EQ(said, "");
    if (out.size() <= d.output) continue;
    ++taken;
    const std::vector<double> got = out[d.output].to_doubles();
    EXPECT_EQ(got.size(), d.wanted.size());
    const double bound = out[d.output].dtype() == DType::float64 ? 1e-13 : 1e-6;
    for (size_t i = 0; i < std::min(got.size(), d.wanted.size()); ++i) {
      if (got[i] == d.wanted[i] || (std::isnan(got[i]) && std::isnan(d.wanted[i]))) continue;
      EXPECT_NEAR(got[i], d.wanted[i], bound * (1 + std::fabs(d.wanted[i]))) << "element " << i;
    }
  }
  return taken;
}

/// Operators of which the engine's plan speaks of a difference and no case is in `cases`; `seen` counts those with one.
inline std::string without_case(Engine& engine, const std::set<std::string_view>& cases, int& seen) {
  CompileOptions options;
  options.fallback = Fallback::none;
  options.optimize = 0;
  std::string missing;
  for (const OpDef* def : built_in_ops()) {
    if (!def->domain.empty()) continue;
    for (const GridCase& one : parse_grid(*def)) {
      if (one.outputs < 1) continue;
      std::string text;
      message_of([&] {
        OneNode node(*def, one);
        text = engine.compile(model_of(node.c), options)->str("kernel");
      });
      if (text.find("differs:") == std::string::npos) continue;
      if (cases.count(def->name) == 0) missing += std::string(def->name) + ": " + text;
      ++seen;
      break;
    }
  }
  return missing;
}

}  // namespace chorus::testing
