// docs/accuracy.md: the errors of the native engine's fast steps at every instruction level, against the same graph in float64 by
// reference kernels. Each level is a process of its own. CHORUS_WRITE_ERRORS=1 writes the page; else no error may exceed it.
#include <core/convert.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "step_case.h"

namespace chorus::testing {
namespace {

constexpr const char* kPage = "docs/accuracy.md";
constexpr const char* kLevels[] = {"avx512", "avx2", "portable"};
constexpr const char* kOff[] = {"", "avx512", "avx512, avx2"};

/// What an error is measured in: roundings of the element type at …
enum class Unit : uint8_t {
  magnitudes,  ///< … the sum of the magnitudes that were added, found by the same graph over absolute operands
  row,  ///< … the greatest number of its row (last axis)
};

using Numbers = std::vector<double>;
/// What an element type's numbers are measured against where float64 is not enough: operands first, then constants.
using Truth = std::function<Numbers(std::span<const Value>)>;

/// A graph that can be built of any element type; operands are drawn once.
struct ErrorCase {
  std::string name;
  Unit unit = Unit::magnitudes;
  std::vector<Shape> inputs, constants;
  std::function<ValueId(GraphCase&, std::span<const ValueId> inputs, std::span<const ValueId> constants)> build;
  DType type = DType::float32;
  double low = -2;  ///< of inputs and constants; the greatest is 2
  Precision precision = Precision::f32;  ///< of the products
  Truth truth = {};  ///< null: the graph in float64
  DType rounding() const { return precision == Precision::bf16 ? DType::bfloat16 : type; }
};

enum class Operands : uint8_t { signed_numbers, absolute };

Value drawn(const ErrorCase& c, const Shape& shape, uint64_t seed, DType type, Operands operands) {
  const Value base = noise(shape, seed);
  Value narrow = Value::tensor(c.type, shape), v = Value::tensor(type, shape);
  for (int64_t i = 0; i < shape.numel(); ++i) {
    double x = double{base.as<float>()[static_cast<size_t>(i)]};
    x = c.low + (x + 2) / 4 * (2 - c.low);
    if (c.type == DType::float64)
      x *= 0.70710678118654757;  // more digits than float32 has: its products are exact in float64
    set_f64(c.type, narrow.mutable_data(), i, x);  // all types see the number that the case's own type holds
    x = get_f64(c.type, narrow.data(), i);
    set_f64(type, v.mutable_data(), i, operands == Operands::absolute ? std::fabs(x) : x);
  }
  return v;
}

/// Inputs, then constants.
std::vector<Value> operands_of(const ErrorCase& c, DType type, Operands operands) {
  std::vector<Value> all;
  uint64_t seed = 0;
  for (const Shape& s : c.inputs) all.push_back(drawn(c, s, ++seed, type, operands));
  for (const Shape& s : c.constants) all.push_back(drawn(c, s, 100 + ++seed, type, operands));
  return all;
}

GraphCase graph_of(const ErrorCase& c, DType type, Operands operands, std::vector<Value>& feeds) {
  GraphCase g;
  std::vector<ValueId> ins, fixed;
  std::vector<Value> values = operands_of(c, type, operands);
  for (size_t i = 0; i < values.size(); ++i) {
    if (i >= c.inputs.size()) {
      fixed.push_back(g.constant(std::move(values[i])));
      continue;
    }
    Dims dims;
    for (int64_t d : c.inputs[i]) dims.push_back(d);
    ins.push_back(g.in("x" + std::to_string(i), dims, type));
    feeds.push_back(std::move(values[i]));
  }
  g.out(c.build(g, ins, fixed), "y");
  return g;
}

Numbers numbers(const Value& v) {
  Numbers n(static_cast<size_t>(v.numel()));
  for (size_t i = 0; i < n.size(); ++i) n[i] = get_f64(v.dtype(), v.data(), static_cast<int64_t>(i));
  return n;
}

Numbers in_float64(const ErrorCase& c, Operands operands) {
  std::vector<Value> feeds;
  GraphCase g = graph_of(c, DType::float64, operands, feeds);
  infer_types(g.graph);
  return numbers(run_graph(g.graph, feeds)[0]);
}

struct Measured {
  std::string kernels;
  double error = 0;
};

double worst(const Numbers& got, const Numbers& want, const Numbers& scale, DType type) {
  const double rounding = type == DType::float16    ? 0x1p-11
                          : type == DType::bfloat16 ? 0x1p-8
                          : type == DType::float64  ? 0x1p-53
                                                    : 0x1p-24;
  double error = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    if (got[i] == want[i]) continue;
    const double one = std::fabs(got[i] - want[i]) / (rounding * scale[i]);
    error = std::isfinite(one) ? std::max(error, one) : 1e30;
  }
  return error;
}

Numbers row_tops(const Numbers& y, int64_t length) {
  Numbers tops(y.size());
  const auto n = static_cast<size_t>(std::max<int64_t>(length, 1));
  for (size_t row = 0; row + n <= y.size(); row += n) {
    double top = 0;
    for (size_t i = row; i < row + n; ++i) top = std::max(top, std::fabs(y[i]));
    std::fill_n(tops.begin() + static_cast<int64_t>(row), n, top);
  }
  return tops;
}

Measured measure(const ErrorCase& c) {
  std::vector<Value> feeds;
  const GraphCase g = graph_of(c, c.type, Operands::signed_numbers, feeds);
  auto graph = std::make_shared<Graph>(g.graph);
  infer_types(*graph);
  CompileOptions options;
  options.precision = c.precision;
  const auto program = std::make_shared<native::NativeProgram>(std::move(graph), options);
  const auto instance = program->instance();
  std::vector<Value> out(1);
  instance->run(feeds, out, {});
  const Numbers want =
      c.truth ? c.truth(operands_of(c, c.type, Operands::signed_numbers)) : in_float64(c, Operands::signed_numbers);
  const Numbers scale = c.unit == Unit::magnitudes ? in_float64(c, Operands::absolute)
                                                   : row_tops(want, out[0].shape()[out[0].shape().rank() - 1]);
  Measured m;
  for (const StepInfo& step : instance->steps()) {
    std::string kernel(step.kernel);
    for (const char* level : {".avx512", ".avx2", ".portable"}) {
      if (kernel.ends_with(level)) kernel.resize(kernel.size() - std::string_view(level).size());
    }
    if (kernel.find("reorder") != std::string::npos || kernel.starts_with("block") || kernel.starts_with("unblock"))
      continue;
    m.kernels += (m.kernels.empty() ? "" : "+") + kernel;
  }
  m.error = worst(numbers(out[0]), want, scale, c.rounding());
  return m;
}

// The cases -----------------------------------------------------------------------------------------------------------

using Ids = std::span<const ValueId>;
std::vector<int64_t> list(std::initializer_list<int64_t> v) { return v; }

std::vector<ErrorCase> products() {
  const auto matmul = [](GraphCase& g, Ids x, Ids w) { return g.op("MatMul", {x[0], w.empty() ? x[1] : w[0]}); };
  return {
      {"matrix product, both given", Unit::magnitudes, {{37, 300}, {300, 70}}, {}, matmul},
      {"matrix product, constant", Unit::magnitudes, {{40, 300}}, {{300, 96}}, matmul},
      {"matrix product of long rows", Unit::magnitudes, {{16, 3000}}, {{3000, 32}}, matmul},
      {"matrix times vector", Unit::magnitudes, {{50, 500}, {500}}, {}, matmul},
      {"batches of products", Unit::magnitudes, {{3, 20, 64}, {3, 64, 24}}, {}, matmul},
      {"Gemm, transposed",
       Unit::magnitudes,
       {{24, 200}},
       {{64, 200}, {64}},
       [](GraphCase& g, Ids x, Ids w) {
         return g.op("Gemm", {x[0], w[0], w[1]}, {{"transB", int64_t{1}}});
       }},
      {"matrix product of float16", Unit::magnitudes, {{24, 200}}, {{200, 32}}, matmul, DType::float16},
      {"matrix product of bfloat16", Unit::magnitudes, {{24, 200}}, {{200, 32}}, matmul, DType::bfloat16},
  };
}

ErrorCase convolution(std::string name, Shape x, Shape w, int64_t stride, int64_t pad, int64_t group = 1,
                      const char* op = "Conv", DType type = DType::float32) {
  const size_t axes = static_cast<size_t>(x.rank()) - 2;
  const Attributes attributes{
      {"strides", std::vector<int64_t>(axes, stride)}, {"pads", std::vector<int64_t>(2 * axes, pad)}, {"group", group}};
  return {std::move(name),
          Unit::magnitudes,
          {std::move(x)},
          {std::move(w)},
          [attributes, op](GraphCase& g, Ids in, Ids k) {
            return g.op(op, {in[0], k[0]}, attributes);
          },
          type};
}

std::vector<ErrorCase> convolutions() {
  return {
      convolution("convolution 3x3, few channels", {1, 5, 20, 21}, {7, 5, 3, 3}, 1, 1),
      convolution("convolution 1x1", {1, 64, 14, 14}, {64, 64, 1, 1}, 1, 0),
      convolution("convolution 3x3", {1, 64, 28, 28}, {64, 64, 3, 3}, 1, 1),
      convolution("convolution 3x3, stride 2", {1, 64, 29, 29}, {64, 64, 3, 3}, 2, 1),
      convolution("convolution 7x7 of three channels", {1, 3, 40, 40}, {32, 3, 7, 7}, 2, 3),
      convolution("convolution in groups", {1, 64, 15, 15}, {64, 16, 3, 3}, 1, 1, 4),
      convolution("depthwise convolution", {1, 64, 30, 30}, {64, 1, 3, 3}, 1, 1, 64),
      convolution("convolution along a line", {1, 32, 200}, {48, 32, 5}, 1, 2),
      convolution("convolution in space", {1, 16, 8, 9, 10}, {32, 16, 3, 3, 3}, 1, 1),
      convolution("transposed convolution", {1, 32, 12, 12}, {32, 16, 4, 4}, 2, 1, 1, "ConvTranspose"),
      convolution("transposed convolution, few channels", {1, 6, 9, 9}, {6, 5, 3, 3}, 2, 0, 1, "ConvTranspose"),
      convolution("convolution of float16", {1, 8, 9, 9}, {8, 8, 3, 3}, 1, 1, 1, "Conv", DType::float16),
      convolution("convolution of bfloat16", {1, 8, 9, 9}, {8, 8, 3, 3}, 1, 1, 1, "Conv", DType::bfloat16),
  };
}

std::vector<ErrorCase> windows() {
  const auto resize = [](const char* mode, const char* where) {
    return [mode, where](GraphCase& g, Ids x, Ids) {
      return g.op("Resize", {x[0], kNone, g.floats(Shape{4}, {1, 1, 1.7, 2.3})},
                  {{"mode", mode}, {"coordinate_transformation_mode", where}});
    };
  };
  return {
      {"average pooling",
       Unit::magnitudes,
       {{1, 20, 30, 31}},
       {},
       [](GraphCase& g, Ids x, Ids) {
         return g.op("AveragePool", {x[0]},
                     {{"kernel_shape", list({3, 3})}, {"strides", list({2, 2})}, {"pads", list({1, 1, 1, 1})}});
       }},
      {"maximum pooling",
       Unit::magnitudes,
       {{1, 20, 30, 31}},
       {},
       [](GraphCase& g, Ids x, Ids) {
         return g.op("MaxPool", {x[0]}, {{"kernel_shape", list({3, 3})}, {"strides", list({2, 2})}});
       },
       DType::float32,
       0},
      {"global average",
       Unit::magnitudes,
       {{2, 20, 30, 31}},
       {},
       [](GraphCase& g, Ids x, Ids) { return g.op("GlobalAveragePool", {x[0]}); }},
      {"resize, linear", Unit::magnitudes, {{1, 20, 13, 17}}, {}, resize("linear", "half_pixel")},
      {"resize, linear, corners aligned", Unit::magnitudes, {{1, 20, 13, 17}}, {}, resize("linear", "align_corners")},
      {"resize, cubic", Unit::row, {{1, 4, 13, 17}}, {}, resize("cubic", "half_pixel")},
  };
}

std::vector<ErrorCase> rows() {
  const auto attention = [](GraphCase& g, Ids x, Ids) { return g.op("Attention", {x[0], x[1], x[2]}); };
  const auto spelled = [](GraphCase& g, Ids x, Ids) {
    const ValueId scores = g.op("MatMul", {x[0], g.op("Transpose", {x[1]}, {{"perm", list({0, 1, 3, 2})}})});
    return g.op("MatMul",
                {g.op("Softmax", {g.op("Mul", {scores, g.op("CastLike", {g.floats(Shape{}, {0.125}), x[0]})})}), x[2]});
  };
  const auto cell = [](const char* op, int64_t hidden) {
    return [op, hidden](GraphCase& g, Ids x, Ids w) {
      return g.op(op, {x[0], w[0], w[1], w[2]}, {{"hidden_size", hidden}});
    };
  };
  return {
      {"softmax", Unit::row, {{30, 400}}, {}, [](GraphCase& g, Ids x, Ids) { return g.op("Softmax", {x[0]}); }},
      {"log-softmax", Unit::row, {{30, 400}}, {}, [](GraphCase& g, Ids x, Ids) { return g.op("LogSoftmax", {x[0]}); }},
      {"layer normalisation",
       Unit::row,
       {{30, 400}},
       {{400}, {400}},
       [](GraphCase& g, Ids x, Ids w) {
         return g.op("LayerNormalization", {x[0], w[0], w[1]});
       }},
      {"root mean square normalisation",
       Unit::row,
       {{30, 400}},
       {{400}},
       [](GraphCase& g, Ids x, Ids w) {
         return g.op("RMSNormalization", {x[0], w[0]});
       }},
      {"batch normalisation",
       Unit::row,
       {{2, 24, 9, 40}},
       {{24}, {24}, {24}, {24}},
       [](GraphCase& g, Ids x, Ids w) {
         return g.op("BatchNormalization", {x[0], w[0], w[1], w[2], w[3]});
       },
       DType::float32,
       0.5},
      {"instance normalisation",
       Unit::row,
       {{2, 6, 9, 40}},
       {{6}, {6}},
       [](GraphCase& g, Ids x, Ids w) {
         return g.op("InstanceNormalization", {x[0], w[0], w[1]});
       }},
      {"group normalisation",
       Unit::row,
       {{2, 8, 9, 40}},
       {{8}, {8}},
       [](GraphCase& g, Ids x, Ids w) {
         return g.op("GroupNormalization", {x[0], w[0], w[1]}, {{"num_groups", int64_t{4}}});
       }},
      {"attention", Unit::row, {{1, 4, 32, 64}, {1, 4, 40, 64}, {1, 4, 40, 64}}, {}, attention},
      {"attention, spelled out", Unit::row, {{1, 4, 32, 64}, {1, 4, 40, 64}, {1, 4, 40, 64}}, {}, spelled},
      {"RNN", Unit::row, {{12, 2, 20}}, {{1, 24, 20}, {1, 24, 24}, {1, 48}}, cell("RNN", 24)},
      {"LSTM", Unit::row, {{12, 2, 20}}, {{1, 96, 20}, {1, 96, 24}, {1, 192}}, cell("LSTM", 24)},
      {"GRU", Unit::row, {{12, 2, 20}}, {{1, 72, 20}, {1, 72, 24}, {1, 144}}, cell("GRU", 24)},
  };
}

/// As tiles compute where `--precision bf16` is asked for; without such instructions they are those of float32.
std::vector<ErrorCase> rounded_products() {
  std::vector<ErrorCase> all{
      {"matrix product, to bfloat16",
       Unit::magnitudes,
       {{40, 320}},
       {{320, 96}},
       [](GraphCase& g, Ids x, Ids w) {
         return g.op("MatMul", {x[0], w[0]});
       }},
      convolution("convolution 3x3, to bfloat16", {1, 64, 28, 28}, {64, 64, 3, 3}, 1, 1),
  };
  for (ErrorCase& c : all) c.precision = Precision::bf16;
  return all;
}

// In the widest type that C++ has.
using Wide = long double;

Numbers wide_product(std::span<const Value> v) {
  const int64_t m = v[0].shape()[0], k = v[0].shape()[1], n = v[1].shape()[1];
  Numbers y;
  for (int64_t i = 0; i < m * n; ++i) {
    Wide sum = 0;
    for (int64_t j = 0; j < k; ++j)
      sum += Wide{v[0].as<double>()[static_cast<size_t>(i / n * k + j)]} *
             Wide{v[1].as<double>()[static_cast<size_t>(j * n + i % n)]};
    y.push_back(static_cast<double>(sum));
  }
  return y;
}

/// Filters without pads and strides.
Numbers wide_convolution(std::span<const Value> v) {
  const Shape &x = v[0].shape(), &w = v[1].shape();
  const int64_t oh = x[2] - w[2] + 1, ow = x[3] - w[3] + 1;
  Numbers y;
  for (int64_t i = 0; i < w[0] * oh * ow; ++i) {
    Wide sum = 0;
    for (int64_t t = 0; t < w[1] * w[2] * w[3]; ++t) {
      const int64_t c = t / (w[2] * w[3]), row = i / ow % oh + t / w[3] % w[2], column = i % ow + t % w[3];
      sum += Wide{v[0].as<double>()[static_cast<size_t>((c * x[2] + row) * x[3] + column)]} *
             Wide{v[1].as<double>()[static_cast<size_t>(i / (oh * ow) * w[1] * w[2] * w[3] + t)]};
    }
    y.push_back(static_cast<double>(sum));
  }
  return y;
}

Numbers wide_softmax(std::span<const Value> v) {
  const int64_t n = v[0].shape()[1];
  Numbers y;
  for (int64_t row = 0; row < v[0].shape()[0]; ++row) {
    const double* x = v[0].as<double>().data() + row * n;
    const Wide top = Wide{*std::max_element(x, x + n)};
    Wide sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += std::exp(Wide{x[i]} - top);
    for (int64_t i = 0; i < n; ++i) y.push_back(static_cast<double>(std::exp(Wide{x[i]} - top) / sum));
  }
  return y;
}

Numbers wide_layer_norm(std::span<const Value> v) {
  const int64_t n = v[0].shape()[1];
  Numbers y;
  for (int64_t row = 0; row < v[0].shape()[0]; ++row) {
    const double* x = v[0].as<double>().data() + row * n;
    Wide mean = 0, square = 0;
    for (int64_t i = 0; i < n; ++i) mean += Wide{x[i]} / static_cast<Wide>(n);
    for (int64_t i = 0; i < n; ++i) square += (Wide{x[i]} - mean) * (Wide{x[i]} - mean) / static_cast<Wide>(n);
    const Wide root = std::sqrt(square + Wide{1e-5F});
    for (int64_t i = 0; i < n; ++i) {
      const auto at = static_cast<size_t>(i);
      y.push_back(
          static_cast<double>((Wide{x[i]} - mean) / root * Wide{v[1].as<double>()[at]} + Wide{v[2].as<double>()[at]}));
    }
  }
  return y;
}

std::vector<ErrorCase> in_wide_numbers() {
  std::vector<ErrorCase> all{
      {"matrix product of float64",
       Unit::magnitudes,
       {{24, 300}},
       {{300, 32}},
       [](GraphCase& g, Ids x, Ids w) {
         return g.op("MatMul", {x[0], w[0]});
       }},
      convolution("convolution of float64", {1, 24, 9, 9}, {16, 24, 3, 3}, 1, 0),
      {"softmax of float64",
       Unit::row,
       {{10, 400}},
       {},
       [](GraphCase& g, Ids x, Ids) { return g.op("Softmax", {x[0]}); }},
      {"layer normalisation of float64",
       Unit::row,
       {{10, 400}},
       {{400}, {400}},
       [](GraphCase& g, Ids x, Ids w) {
         return g.op("LayerNormalization", {x[0], w[0], w[1]});
       }},
  };
  const Truth truths[] = {wide_product, wide_convolution, wide_softmax, wide_layer_norm};
  for (size_t i = 0; i < all.size(); ++i) all[i].type = DType::float64, all[i].truth = truths[i];
  return all;
}

std::vector<ErrorCase> every_case() {
  std::vector<ErrorCase> all;
  for (auto family : {products, convolutions, windows, rows, rounded_products, in_wide_numbers}) {
    for (ErrorCase& c : family()) all.push_back(std::move(c));
  }
  return all;
}

// The page ------------------------------------------------------------------------------------------------------------

struct Row {
  std::string unit;
  std::map<std::string, Measured> at;  // by level
};
using Page = std::map<std::string, Row>;

Page read_page() {
  Page page;
  std::ifstream file(kPage);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("| ") || line.starts_with("| case")) continue;
    std::vector<std::string> cells;
    std::stringstream parts(line.substr(2));
    for (std::string cell; std::getline(parts, cell, '|');) {
      const size_t begin = cell.find_first_not_of(' '), end = cell.find_last_not_of(' ');
      cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1));
    }
    if (cells.size() != 2 + std::size(kLevels)) continue;
    Row& row = page[cells[0]];
    row.unit = cells[1];
    for (size_t l = 0; l < std::size(kLevels); ++l) {
      const size_t blank = cells[l + 2].rfind(' ');
      if (blank == std::string::npos) continue;
      row.at[kLevels[l]] = {cells[l + 2].substr(0, blank), std::atof(cells[l + 2].c_str() + blank)};
    }
  }
  return page;
}

/// Two digits, a quarter above what was measured: other compilers order sums otherwise.
std::string bound_text(double error) {
  char text[32];
  if (error == 0) return "0";
  const double step = std::pow(10.0, std::floor(std::log10(error * 1.25)) - 1);
  std::snprintf(text, sizeof text, "%g", std::ceil(error * 1.25 / step) * step);
  return text;
}

const char* unit_text(Unit u) { return u == Unit::magnitudes ? "sum of magnitudes" : "top of the row"; }

void write_page(const std::map<std::string, Page>& found) {
  std::ofstream file(kPage);
  file << "# How exact the native engine is\n\nBounds of errors of the fast steps, by instruction level, in roundings "
          "(2^-24; float16 "
          "2^-11, bfloat16 and products rounded to it 2^-8, float64 2^-53)\nof the *sum of magnitudes* that an element "
          "adds up (the same operator over absolute "
          "operands), or of "
          "the *top of the row*, the\ngreatest number along the last axis. Truth is the same graph in float64 by "
          "reference kernels, of float64 C++'s widest type. "
          "Before each bound: the steps that\ncomputed it. `tests/engine/native/steps/error_test.cpp` measures on each "
          "run, fails above a "
          "bound and where a bound is four times\ntoo wide; `CHORUS_WRITE_ERRORS=1 build/bin/test_steps "
          "--gtest_filter='StepErrors.*'` "
          "writes the page. Element-wise functions stand "
          "in\n[math_error.h](../src/engine/native/fast/math_error.h).\n\n| case | unit |";
  for (const char* level : kLevels) file << " " << level << " |";
  file << "\n|---|---|---|---|---|\n";
  for (const ErrorCase& c : every_case()) {
    file << "| " << c.name << " | " << unit_text(c.unit) << " |";
    for (const char* level : kLevels) {
      const auto page = found.find(level);
      if (page == found.end()) {
        file << " |";
        continue;
      }
      const Measured& m = page->second.at(c.name).at.at(level);
      file << " " << m.kernels << " " << bound_text(m.error) << " |";
    }
    file << "\n";
  }
}

// Measures in this process, whatever its level is; the parent reads the lines.
TEST(StepErrors, OfThisProcess) {
  for (const ErrorCase& c : every_case()) {
    const Measured m = measure(c);
    std::printf("error|%s|%s|%.6g\n", c.name.c_str(), m.kernels.c_str(), m.error);
    EXPECT_LT(m.error, 1e4) << c.name;
  }
}

/// What a process of that level finds; empty where the processor lacks it.
Page measured_at(const char* level, const char* off) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = "CHORUS_TRACE_FILE= CHORUS_JIT= CHORUS_CPU_OFF='" + std::string(off) + "' '" + self +
                              "' --gtest_filter=StepErrors.OfThisProcess";
  Page page;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return page;
  char line[512];
  while (std::fgets(line, sizeof line, pipe) != nullptr) {
    std::stringstream parts(line);
    std::string word, name, kernels, error;
    if (!std::getline(parts, word, '|') || word != "error") continue;
    std::getline(parts, name, '|'), std::getline(parts, kernels, '|'), std::getline(parts, error);
    page[name].at[level] = {kernels, std::atof(error.c_str())};
  }
  EXPECT_EQ(pclose(pipe), 0) << command;
  return page;
}

TEST(StepErrors, AreAsThePageSays) {
  const CpuFeatures all = detect_cpu();
  const bool has[] = {all.avx512f && all.avx512bw && all.avx512dq && all.avx512vl, all.avx2 && all.fma, true};
  std::map<std::string, Page> found;
  for (size_t l = 0; l < std::size(kLevels); ++l) {
    if (has[l]) found[kLevels[l]] = measured_at(kLevels[l], kOff[l]);
  }
  if (std::getenv("CHORUS_WRITE_ERRORS") != nullptr) return write_page(found);
  Page page = read_page();
  const std::vector<ErrorCase> cases = every_case();
  EXPECT_EQ(page.size(), cases.size()) << kPage << " has other cases";
  for (const ErrorCase& c : cases) {
    EXPECT_EQ(page[c.name].unit, unit_text(c.unit)) << c.name;
    for (auto& [level, measured] : found) {
      const Measured &m = measured[c.name].at[level], &said = page[c.name].at[level];
      EXPECT_EQ(m.kernels, said.kernels) << c.name << " at " << level;
      EXPECT_LE(m.error, said.error) << c.name << " at " << level << " by " << m.kernels;
      EXPECT_GE(m.error * 4, said.error) << c.name << " at " << level << ": the bound is wide";
    }
  }
}

TEST(StepErrors, TheMeasureSeesAnError) {
  EXPECT_EQ(worst({1 + 0x1p-24}, {1}, {1}, DType::float32), 1);
  EXPECT_GT(worst({NAN}, {1}, {1}, DType::float32), 1e9);
  EXPECT_GT(worst({0x1p-24}, {0}, {0}, DType::float32), 1e9);
  EXPECT_EQ(bound_text(1), "1.3");
}

}  // namespace
}  // namespace chorus::testing
