// A net as ncnn's text form has it: layers in order, blobs that each have one producer and one consumer, weights in the order of the layers.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace chorus::ncnn {

using Extents = std::vector<int64_t>;  ///< of a blob, outermost first: channels, depth, height, width; one to four

/// A blob while a net is built. Its elements are those of a tensor in row-major order.
struct Blob {
  int id = -1;
  Extents dims;
};

/// The parameters of a layer: id=value, as the text form has them.
class Params {
 public:
  Params& integer(int id, int64_t value);
  /// Throws Refusal for a value that is not finite: the text form has no word for it.
  Params& real(int id, double value);
  Params& integers(int id, std::span<const int64_t> values);
  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

enum class Tag : uint8_t { none, float32 };  ///< what stands before weights: nothing, or a word that says their type

/// Collects layers and writes the two files.
class NetWriter {
 public:
  /// Without weights the net is only measured: sizes and parameters are checked, no weight is copied.
  enum class Weights : uint8_t { keep, drop };
  explicit NetWriter(Weights weights) : keep_(weights == Weights::keep) {}

  bool keeps_weights() const noexcept { return keep_; }
  /// A layer with `outputs.size()` new blobs of these extents.
  std::vector<Blob> add(std::string_view type, const Params& params, std::span<const Blob> inputs,
                        std::span<const Extents> outputs);
  /// Weights of the layer that was added last.
  void add_weights(Tag tag, std::span<const float> values);
  /// Marks the blob as read from outside and returns its name in the file.
  void add_output(const Blob& blob, std::string name);
  /// The two files. Blobs with several readers go through a Split layer.
  std::string param_text();
  std::string weight_bytes();

 private:
  struct Layer {
    std::string type, params, weights;
    std::vector<int> inputs, outputs;
  };
  struct Output {
    int blob;
    std::string name;
  };
  bool keep_;
  int blobs_ = 0;
  std::vector<Layer> layers_;
  std::vector<Output> outputs_;
};

}  // namespace chorus::ncnn
