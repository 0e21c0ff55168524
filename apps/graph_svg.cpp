#include "graph_svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace chorus::app {
namespace {

constexpr double kWidth = 150, kHeight = 34, kGapX = 24, kGapY = 46, kMargin = 20;

struct Box {
  std::string title, subtitle, kind;    // kind: node, input, output
  std::vector<int> from;                // boxes whose values it reads
  int layer = 0;
  double order = 0, x = 0, y = 0;
};

std::string escaped(const std::string& text, size_t most) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i >= most && (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return result + "…";
    const char c = text[i];
    if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (c == '&')
      result += "&amp;";
    else if (c == '"')
      result += "&quot;";
    else
      result += static_cast<unsigned char>(c) < 32 ? '?' : c;
  }
  return result;
}

std::string type_of(const api::PortInfo& port) {
  std::string text(dtype_name(port.dtype));
  if (port.has_rank) {
    text += "[";
    for (size_t i = 0; i < port.dims.size(); ++i) text += (i ? ", " : "") + port.dims[i];
    text += "]";
  }
  return text;
}

/// Inputs, nodes in order, outputs; `from` by the names of values.
std::vector<Box> boxes_of(const api::Model& model) {
  std::vector<Box> boxes;
  std::map<std::string, int> maker;
  for (const api::PortInfo& port : model.inputs()) {
    maker[port.name] = static_cast<int>(boxes.size());
    boxes.push_back({port.name, type_of(port), "input", {}});
  }
  for (const api::NodeInfo& node : model.nodes()) {
    Box box{node.domain.empty() ? node.op : node.domain + "." + node.op, node.name, "node", {}};
    for (const std::string& name : node.inputs) {
      if (const auto it = maker.find(name); it != maker.end()) box.from.push_back(it->second);
    }
    for (const std::string& name : node.outputs) maker[name] = static_cast<int>(boxes.size());
    boxes.push_back(std::move(box));
  }
  for (const api::PortInfo& port : model.outputs()) {
    Box box{port.name, type_of(port), "output", {}};
    if (const auto it = maker.find(port.name); it != maker.end()) box.from.push_back(it->second);
    boxes.push_back(std::move(box));
  }
  return boxes;
}

/// Longest path from above gives the layer; the mean of what a box reads gives its place in the layer.
std::vector<std::vector<int>> layers_of(std::vector<Box>& boxes) {
  std::vector<std::vector<int>> layers;
  for (size_t i = 0; i < boxes.size(); ++i) {
    Box& box = boxes[i];
    for (int f : box.from) box.layer = std::max(box.layer, boxes[static_cast<size_t>(f)].layer + 1);
    if (static_cast<size_t>(box.layer) >= layers.size()) layers.resize(static_cast<size_t>(box.layer) + 1);
    layers[static_cast<size_t>(box.layer)].push_back(static_cast<int>(i));
  }
  for (auto& layer : layers) {
    for (int i : layer) {
      Box& box = boxes[static_cast<size_t>(i)];
      for (int f : box.from) box.order += boxes[static_cast<size_t>(f)].x / static_cast<double>(box.from.size());
    }
    std::stable_sort(layer.begin(), layer.end(), [&](int a, int b) {
      return boxes[static_cast<size_t>(a)].order < boxes[static_cast<size_t>(b)].order;
    });
    const double width = static_cast<double>(layer.size()) * (kWidth + kGapX) - kGapX;
    double x = -width / 2;
    for (int i : layer) {
      Box& box = boxes[static_cast<size_t>(i)];
      box.x = x;
      box.y = kMargin + box.layer * (kHeight + kGapY);
      x += kWidth + kGapX;
    }
  }
  return layers;
}

}  // namespace

std::string graph_svg(const api::Model& model) {
  constexpr size_t kMost = 5000;
  std::vector<Box> boxes = boxes_of(model);
  if (boxes.size() > kMost)
    throw Error(Code::budget,
                fmt::format("a picture of {} nodes would be too large (the most is {})", boxes.size(), kMost));
  const auto layers = layers_of(boxes);
  size_t widest = 1;
  for (const auto& layer : layers) widest = std::max(widest, layer.size());
  const double width = static_cast<double>(widest) * (kWidth + kGapX) - kGapX + 2 * kMargin;
  const double height = static_cast<double>(layers.size()) * (kHeight + kGapY) - kGapY + 2 * kMargin;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
      width, height);
  for (Box& box : boxes) box.x += width / 2;
  for (const Box& box : boxes) {
    for (int f : box.from) {
      const Box& from = boxes[static_cast<size_t>(f)];
      const double x0 = from.x + kWidth / 2, y0 = from.y + kHeight, x1 = box.x + kWidth / 2, y1 = box.y,
                   middle = (y0 + y1) / 2;
      svg += fmt::format(
          "<path d=\"M{:.1f},{:.1f} C{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}\" fill=\"none\" stroke=\"#8a8f98\"/>\n",
          x0, y0, x0, middle, x1, middle, x1, y1);
    }
  }
  for (const Box& box : boxes) {
    const char* fill = box.kind == "node" ? "#e8eefc" : box.kind == "input" ? "#e6f6ea" : "#fdeee2";
    svg += fmt::format(
        "<g><title>{}</title><rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{}\" height=\"{}\" rx=\"6\" fill=\"{}\" "
        "stroke=\"#5b6472\"/>"
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\" font-weight=\"bold\">{}</text>"
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\" font-size=\"9\" fill=\"#555\">{}</text></g>\n",
        escaped(box.title + " " + box.subtitle, 400), box.x, box.y, kWidth, kHeight, fill, box.x + kWidth / 2,
        box.y + 15, escaped(box.title, 22), box.x + kWidth / 2, box.y + 27, escaped(box.subtitle, 30));
  }
  return svg + "</svg>\n";
}

}  // namespace chorus::app
