#include <engine/plugin/convert.h>

#include <engine/plugin/host.h>
#include <format/ncnn/ncnn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace chorus::plugin {
namespace {

std::string_view view(ch_str s) noexcept { return s.p == nullptr ? std::string_view() : std::string_view(s.p, s.n); }

template <class F>
ch_code guarded(ch_error* error, F&& body) noexcept {
  try {
    body();
    return CH_OK;
  } catch (const Error& e) {
    return fill(error, e);
  } catch (const std::exception& e) {
    return fill(error, Error(Code::internal, e.what()));
  }
}

const ch_host_graph& checked(const ch_graph* graph, ch_str format) {
  if (graph == nullptr || graph->host == nullptr) throw Error(Code::bad_input, "a body cannot be exported by itself");
  if (view(format) != "ncnn") {
    throw Error(Code::unsupported, "format \"" + std::string(view(format)) + "\" is not known", {}, "ask for \"ncnn\"");
  }
  return *graph->host;
}

std::string manifest(const ncnn::Net& net) {
  std::string text;
  for (const ncnn::InputPort& port : net.inputs)
    text += fmt::format("in {} {} {} {}\n", port.index, port.blob, port.indices, fmt::join(port.dims, " "));
  for (const ncnn::OutputPort& port : net.outputs) {
    text += fmt::format("out {} {} {} {}\n", port.blob, port.shape.size(), fmt::join(port.shape, " "),
                        fmt::join(port.dims, " "));
  }
  return text;
}

ch_code export_sized(const ch_graph* graph, ch_str format, const ch_value* const* inputs, uint32_t n, ch_sink sink,
                     void* user, ch_error* error) {
  return guarded(error, [&] {
    const Graph& whole = *checked(graph, format).model.graph;
    std::vector<std::optional<Shape>> sizes;
    for (uint32_t i = 0; i < n; ++i) {
      const ch_value& v = *inputs[i];
      auto& one = sizes.emplace_back();
      if (v.kind == CH_TENSOR) one = Shape(std::span<const int64_t>(v.dims, v.rank));
    }
    const ncnn::Net net = ncnn::write_net(*ncnn::with_sizes(whole, sizes));
    const auto piece = [&](std::string_view text) { sink(user, text.data(), text.size()); };
    piece(manifest(net));
    piece(fmt::format("param {}\n", net.param.size()));
    piece(net.param);
    piece(fmt::format("weights {}\n", net.weights.size()));
    piece(net.weights);
  });
}

ch_code format_claims(const ch_graph* graph, ch_str format, ch_claim* const* claims, uint32_t n, ch_error* error) {
  return guarded(error, [&] {
    const ch_host_graph& from = checked(graph, format);
    const auto sized = ncnn::with_assumed_sizes(*from.model.graph);
    const std::vector<std::string> reasons = sized == nullptr
                                                 ? std::vector<std::string>(n, "the sizes of its inputs are not known")
                                                 : ncnn::refusals(*sized, from.order);
    for (uint32_t i = 0; i < n && i < reasons.size(); ++i) {
      claims[i]->verdict = reasons[i].empty() ? CH_CLAIM_YES : CH_CLAIM_NO;
      std::snprintf(claims[i]->reason, sizeof claims[i]->reason, "%s", reasons[i].c_str());
    }
  });
}

}  // namespace

const void* conversion(ch_str name) noexcept {
  if (view(name) == "export_sized") return reinterpret_cast<const void*>(static_cast<ch_export_sized>(export_sized));
  if (view(name) == "format_claims") return reinterpret_cast<const void*>(static_cast<ch_format_claims>(format_claims));
  return nullptr;
}

}  // namespace chorus::plugin
