#include <format/ncnn/net.h>

#include <format/ncnn/emitter.h>
#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <map>

namespace chorus::ncnn {
namespace {

constexpr int kMagic = 7767517;           // first line of every .param file
constexpr uint32_t kFloat32 = 0x0002C056;  // before weights of 32-bit floats
constexpr int kArray = 23300;              // an id of an array is written as -23300 - id

}  // namespace

Params& Params::integer(int id, int64_t value) {
  if (value < INT32_MIN || value > INT32_MAX) refuse(fmt::format("the number {} does not fit into 32 bits", value));
  text_ += fmt::format(" {}={}", id, value);
  return *this;
}

Params& Params::real(int id, double value) {
  if (!std::isfinite(static_cast<float>(value)))
    refuse(fmt::format("a parameter is {}, which its files cannot say", value));
  text_ += fmt::format(" {}={:.9e}", id, value);
  return *this;
}

Params& Params::integers(int id, std::span<const int64_t> values) {
  text_ += fmt::format(" -{}={}", kArray + id, values.size());
  for (int64_t v : values) {
    if (v < INT32_MIN || v > INT32_MAX) refuse(fmt::format("the number {} does not fit into 32 bits", v));
    text_ += fmt::format(",{}", v);
  }
  return *this;
}

std::vector<Blob> NetWriter::add(std::string_view type, const Params& params, std::span<const Blob> inputs,
                                 std::span<const Extents> outputs) {
  Layer& layer = layers_.emplace_back();
  layer.type = type;
  layer.params = params.text();
  for (const Blob& blob : inputs) layer.inputs.push_back(blob.id);
  std::vector<Blob> made;
  for (const Extents& dims : outputs) {
    layer.outputs.push_back(blobs_);
    made.push_back({blobs_++, dims});
  }
  return made;
}

void NetWriter::add_weights(Tag tag, std::span<const float> values) {
  if (!keep_) return;
  std::string& to = layers_.back().weights;
  if (tag == Tag::float32) to.append(reinterpret_cast<const char*>(&kFloat32), sizeof kFloat32);
  to.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

void NetWriter::add_output(const Blob& blob, std::string name) { outputs_.push_back({blob.id, std::move(name)}); }

// ncnn gives a blob away to its one reader, so that what has several goes through Split, which lends it to each.
std::string NetWriter::param_text() {
  std::vector<int> readers(static_cast<size_t>(blobs_), 0);
  std::vector<std::string> names(static_cast<size_t>(blobs_));
  for (const Layer& layer : layers_) {
    for (int id : layer.inputs) ++readers[static_cast<size_t>(id)];
  }
  for (const Output& output : outputs_) ++readers[static_cast<size_t>(output.blob)];
  for (const Output& output : outputs_) {
    if (readers[static_cast<size_t>(output.blob)] == 1) names[static_cast<size_t>(output.blob)] = output.name;
  }
  std::vector<int> taken(static_cast<size_t>(blobs_), 0);
  const auto name = [&](int id) {
    const std::string& given = names[static_cast<size_t>(id)];
    return given.empty() ? fmt::format("b{}", id) : given;
  };
  std::string lines;
  size_t layers = 0, blobs = 0;
  const auto line = [&](std::string_view type, const std::vector<std::string>& in, const std::vector<std::string>& out,
                        std::string_view params) {
    lines += fmt::format("{} l{} {} {}", type, layers++, in.size(), out.size());
    for (const std::string& one : in) lines += " " + one;
    for (const std::string& one : out) lines += " " + one;
    lines += params;
    lines += "\n";
    blobs += out.size();
  };
  std::map<int, std::vector<std::string>> asked;  // outputs of blobs that others read too
  for (const Output& output : outputs_) {
    if (readers[static_cast<size_t>(output.blob)] > 1) asked[output.blob].push_back(output.name);
  }
  for (const Layer& layer : layers_) {
    std::vector<std::string> in, out;
    for (int id : layer.inputs) {
      const auto at = static_cast<size_t>(id);
      in.push_back(readers[at] > 1 ? fmt::format("b{}_{}", id, taken[at]++) : name(id));
    }
    for (int id : layer.outputs) out.push_back(name(id));
    line(layer.type, in, out, layer.params);
    for (int id : layer.outputs) {
      const int count = readers[static_cast<size_t>(id)];
      if (count < 2) continue;
      std::vector<std::string> copies;
      const auto own = asked.find(id);
      const size_t outside = own == asked.end() ? 0 : own->second.size();
      for (int i = 0; i < count - static_cast<int>(outside); ++i) copies.push_back(fmt::format("b{}_{}", id, i));
      if (own != asked.end()) copies.insert(copies.end(), own->second.begin(), own->second.end());
      line("Split", {name(id)}, copies, "");
    }
  }
  return fmt::format("{}\n{} {}\n{}", kMagic, layers, blobs, lines);
}

std::string NetWriter::weight_bytes() {
  size_t bytes = 0;
  for (const Layer& layer : layers_) bytes += layer.weights.size();
  std::string all;
  all.reserve(bytes);
  for (Layer& layer : layers_) {
    all += layer.weights;
    layer.weights = {};
  }
  return all;
}

}  // namespace chorus::ncnn
