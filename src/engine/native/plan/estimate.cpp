#include <engine/native/plan/estimate.h>

#include <algorithm>

namespace chorus::native {
namespace {

constexpr double kFlopsPerNs = 250;      // multiply and add count one each
constexpr double kBytesPerNs = 16;       // through the second cache
constexpr double kReorderBytesPerNs = 8;
constexpr double kReferenceBytesPerNs = 0.5;
constexpr double kStepNs = 300;
constexpr double kPlainDepthwise =
    0.2;  // of what a plain convolution of many channels reaches: vectors run along short rows
constexpr int64_t kMostExtent = int64_t{1} << 31;   // more says no more, and products of two fit

double padding(int64_t channels) {
  return channels <= 0 ? 1 : static_cast<double>((channels + 15) / 16 * 16) / static_cast<double>(channels);
}

bool is_depthwise(const Node& node, std::span<const int64_t> out) {
  const int64_t groups = node.attrs().integer("group", 1);
  return groups > 1 && out.size() > 1 && out[1] == groups;
}

class NodeSizes final : public CostContext {
 public:
  NodeSizes(const Node& node, const Graph& graph, const Estimate& estimate) : attrs_(node.attrs()) {
    for (ValueId v : node.inputs) add(in_, v, graph, estimate);
    for (ValueId v : node.outputs) add(out_, v, graph, estimate);
  }
  const AttrReader& attrs() const override { return attrs_; }
  int inputs() const override { return static_cast<int>(in_.size()); }
  int outputs() const override { return static_cast<int>(out_.size()); }
  DType dtype(bool output, int i) const override { return at(output, i).dtype; }
  std::span<const int64_t> dims(bool output, int i) const override { return at(output, i).dims; }

 private:
  struct Operand {
    DType dtype = DType::undefined;
    std::vector<int64_t> dims;
  };
  static void add(std::vector<Operand>& to, ValueId v, const Graph& graph, const Estimate& estimate) {
    Operand o;
    if (v != kNone && graph.value(v).type.is_tensor() && graph.value(v).type.has_rank) {
      o.dtype = graph.value(v).type.dtype;
      o.dims = estimate.dims(graph.value(v).type);
    }
    to.push_back(std::move(o));
  }
  const Operand& at(bool output, int i) const {
    static const Operand none;
    const auto& list = output ? out_ : in_;
    return i < 0 || static_cast<size_t>(i) >= list.size() ? none : list[static_cast<size_t>(i)];
  }
  AttrReader attrs_;
  std::vector<Operand> in_, out_;
};

}  // namespace

Estimate::Estimate(const Graph& graph) : graph_(graph) {
  for (ValueId id : graph.inputs()) {
    const Type& type = graph.value(id).type;
    if (!type.has_rank || type.dims.empty()) continue;
    if (const auto name = type.dims[0].as_symbol()) symbols_.emplace(*name, 1);
  }
}

std::vector<int64_t> Estimate::dims(const Type& type) const {
  std::vector<int64_t> numbers;
  for (const Dim& d : type.dims) {
    const auto n = d.is_number() ? d.number() : d.evaluate([&](std::string_view name) -> std::optional<int64_t> {
      const auto known = symbols_.find(name);
      return known == symbols_.end() ? 64 : known->second;
    });
    numbers.push_back(std::clamp<int64_t>(n.value_or(1), 1, kMostExtent));
  }
  return numbers;
}

double Estimate::step_ns(NodeId id, const Candidate* candidate, LayoutForm form) const {
  const Node& node = graph_.node(id);
  const NodeSizes sizes(node, graph_, *this);
  const Cost cost = node.op->cost(sizes);
  const double bytes = cost.bytes_read + cost.bytes_written;
  if (candidate == nullptr) return kStepNs + bytes / kReferenceBytesPerNs + cost.flops;
  const auto out = sizes.dims(true, 0);
  const double more = form == LayoutForm::blocked && out.size() > 1 ? padding(out[1]) : 1;
  double efficiency = candidate->efficiency;
  if (form == LayoutForm::plain && node.type == "Conv" && is_depthwise(node, out)) efficiency *= kPlainDepthwise;
  const double products = efficiency > 0 ? cost.flops / (efficiency * kFlopsPerNs) : 0;
  return kStepNs + (products + bytes / kBytesPerNs) * more;
}

double Estimate::reorder_ns(ValueId value) const {
  const std::vector<int64_t> numbers = dims(graph_.value(value).type);
  double count = 1;
  for (int64_t d : numbers) count *= static_cast<double>(d);
  if (numbers.size() > 1 && numbers[1] % 16 == 0 &&
      count == static_cast<double>(numbers[0]) * static_cast<double>(numbers[1]))
    return 0;   // the same bytes
  const int64_t size = 2 * std::max<int64_t>(dtype_bytes(graph_.value(value).type.dtype, 1), 1);
  return kStepNs +
         static_cast<double>(size) * count * (numbers.size() > 1 ? padding(numbers[1]) : 1) / kReorderBytesPerNs;
}

}  // namespace chorus::native
