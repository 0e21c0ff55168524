// ONNX files: reader and writer without libprotobuf. Field numbers and meanings: onnx.proto of onnx 1.23.2 (IR version 14).
#pragma once
#include <core/file.h>
#include <graph/graph.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace chorus::onnx {

/// Bounds for what comes from outside; a file that would exceed one is Error(budget) with the numbers.
struct ReadLimits {
  int64_t file_bytes = int64_t{1} << 40;
  int64_t tensor_bytes = int64_t{64} << 30;  ///< of all tensors together that are not in the file itself
  int64_t nodes = int64_t{1} << 20;  ///< in all graphs and functions together
  int64_t values = int64_t{1} << 22;
  int64_t name_bytes = int64_t{1} << 16;  ///< of one name of a value
  int depth = 64;  ///< nested graphs and types
};

/// Opens a model. Weights are used in place from the mapped file (the Values keep it open); external data is read from files beneath the
/// model's folder only. Types of values are as declared: run infer_types() next. Errors name the node, its operator and the file offset.
Model read_model(const std::string& path, const ReadLimits& limits = {});
/// Files with external data that a model took tensors from, as they were then.
using ExternalFiles = std::vector<std::pair<std::string, FileIdentity>>;
/// From memory that `owner` keeps; `folder`: where external data may be read, empty: nowhere.
Model read_model(std::string_view bytes, std::shared_ptr<const void> owner, const std::string& folder = {},
                 const std::string& source = "memory", const ReadLimits& limits = {},
                 ExternalFiles* external = nullptr);

/// A TensorProto, SequenceProto, OptionalProto or MapProto as the test cases of the onnx package hold them; `type` says which (from the model's input).
Value read_value(std::string_view bytes, const Type& type, std::shared_ptr<const void> owner = nullptr,
                 const ReadLimits& limits = {});
std::string write_tensor(const Value& value, std::string_view name);
/// The same for tensors, sequences of tensors and maps of scalars. Error(unsupported) for others.
std::string write_value(const Value& value, std::string_view name);

struct WriteOptions {
  int opset = 0;  ///< 0: every node as it is, at the graph's own opset
  int64_t ir_version = 0;  ///< 0: the model's own, or the least that the opset needs
  int64_t external_bytes = 0;  ///< tensors from this size on go to `<name>.data` beside the file; 0: none
};
std::string write_model(const Model& model, const WriteOptions& options = {});
void write_model_file(const Model& model, const std::string& path, const WriteOptions& options = {});

}  // namespace chorus::onnx
