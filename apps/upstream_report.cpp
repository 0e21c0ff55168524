#include "upstream_report.h"

#include <fmt/format.h>

#include <cmath>

namespace chorus::app {
namespace {

/// "[0, 2, 1]": the place of element `at`.
std::string place(const Shape& shape, int64_t at) {
  std::vector<int64_t> index(static_cast<size_t>(shape.rank()));
  for (int d = shape.rank() - 1; d >= 0; --d) {
    if (shape[d] > 0) index[static_cast<size_t>(d)] = at % shape[d];
    at = shape[d] > 0 ? at / shape[d] : at;
  }
  return fmt::format("[{}]", fmt::join(index, ", "));
}

std::string number(double x) { return std::isnan(x) ? "NaN" : fmt::format("{:.9g}", x); }

}  // namespace

std::string upstream_report(const Model& alone, const NamedValues& feeds, const WrongNode& finding) {
  const Graph& graph = *alone.graph;
  const Node& node = graph.node(graph.order().back());
  const bool dies = finding.value.empty();
  const std::string what = graph.node_count() > 1
                               ? fmt::format("a model of {} nodes that ends in {}", graph.node_count(), node.type)
                               : node.type;
  std::string text = fmt::format("# {} {}: {} {}\n\n", finding.engine, finding.version, what,
                                 dies ? "ends the process" : "gives a wrong result");
  const auto opset = graph.opsets.find(node.domain);
  text += fmt::format("`{}` (opset {}){}", node.type, opset == graph.opsets.end() ? 0 : opset->second,
                      node.attributes.items().empty() ? "" : " with");
  std::string between = " ";
  for (const auto& item : node.attributes.items()) {
    text += between + item.name + " = " + item.value.str();
    between = ", ";
  }
  text += ".\n\n| value | |\n|---|---|\n";
  for (const auto& [name, value] : feeds)
    text +=
        fmt::format("| input `{}` | {} |\n", name,
                    value.numel() <= 16 ? value.str(16) : std::string(dtype_name(value.dtype())) + value.shape().str());
  for (ValueId id : node.inputs) {
    if (id == kNone || !graph.value(id).is_constant()) continue;
    const Value& v = graph.value(id).constant;
    text += fmt::format("| constant `{}` | {} |\n", graph.value(id).name,
                        v.is_tensor() && v.dtype() != DType::string ? v.str(8) : Type::of(v).str());
  }
  const Difference& d = finding.own;
  if (!d.reason.empty()) {
    text += dies ? "\n" + d.reason + "\n" : fmt::format("\nOutput `{}`: {}.\n", finding.value, d.reason);
  } else {
    const ValueId id = graph.find_value(finding.value);
    std::string where = fmt::format("element {}", d.at);
    if (id != kNone && graph.value(id).type.is_static()) {
      std::vector<int64_t> dims;
      for (const Dim& dim : graph.value(id).type.dims) dims.push_back(dim.number());
      where = "element " + place(Shape(dims), d.at);
    }
    text += fmt::format(
        "\nOutput `{}`, {}: the engine answers {}, computed in float64 it is {}. Largest error over {} elements: "
        "absolute {:.3g}, "
        "relative {:.3g}, {:.4g} units in the last place.\n",
        finding.value, where, number(d.a), number(d.b), d.elements, d.absolute, d.relative, d.units);
  }
  text += fmt::format(
      "\nTo reproduce: run `{0}` on the arrays of `{1}`; the reference of the onnx package "
      "answers\n\n```python\nimport numpy\n"
      "from onnx.reference import ReferenceEvaluator\n\nfeeds = dict(numpy.load(\"{1}\"))\n"
      "print(ReferenceEvaluator(\"{0}\").run(None, feeds))\n```\n",
      finding.model_file, finding.inputs_file);
  return text;
}

}  // namespace chorus::app
