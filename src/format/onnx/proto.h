// Messages of onnx.proto that both reader and writer need: the reader compares what it understood with what the file says.
#pragma once
#include <format/protobuf/wire.h>
#include <graph/graph.h>

#include <string_view>

namespace chorus::onnx {

/// TypeProto, without denotations. Dimensions that are expressions are written as their text, unknown ones as nothing.
wire::Writer type_message(const Type& type);
/// StringStringEntryProto fields of number `field`.
void write_entries(wire::Writer& out, int field, const Metadata& entries);
/// Element type, dims and elements of a TensorProto, without its name; the elements are borrowed from `value`. Throws Error(unsupported)
/// for what is no tensor.
wire::Writer tensor_message(const Value& value);

}  // namespace chorus::onnx
