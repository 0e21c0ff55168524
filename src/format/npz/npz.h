// NumPy's files: .npy (one array; https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html) and .npz (a zip of them).
// Element types that NumPy has no name for are written as a record with one field named like the type ("bfloat16": its bits as
// unsigned numbers, "int4": one number per element), which numpy.load opens. Arrays of Python objects are refused: they are code.
#pragma once
#include <chorus/value.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace chorus {

/// Bounds for what comes from outside; a file that would exceed one is Error(budget) with the numbers, before memory is taken.
struct NpzLimits {
  int64_t file_bytes = int64_t{1} << 40;
  int64_t array_bytes = int64_t{64} << 30;  ///< of all arrays of the file together, unpacked
  int64_t entries = int64_t{1} << 20;
};

using NamedValues = std::vector<std::pair<std::string, Value>>;

/// All arrays by name (without ".npy"), in the file's order. Stored arrays are used in place where their alignment allows (the Values
/// keep the file open); checksums are verified. Error(bad_input) names the entry for damage, encryption and unknown methods.
NamedValues read_npz(const std::string& path, const NpzLimits& limits = {});
NamedValues read_npz(std::string_view bytes, std::shared_ptr<const void> owner, const NpzLimits& limits = {});
Value read_npy(const std::string& path, const NpzLimits& limits = {});
Value read_npy(std::string_view bytes, std::shared_ptr<const void> owner, const NpzLimits& limits = {});

enum class Packing : uint8_t { stored, deflate };
/// Tensors only (Error(unsupported) names a sequence or map). Arrays begin at multiples of 64 bytes. The file appears complete or not at all.
void write_npz(const std::string& path, const NamedValues& entries, Packing packing = Packing::stored);
std::string write_npz_bytes(const NamedValues& entries, Packing packing = Packing::stored);
void write_npy(const std::string& path, const Value& value);

}  // namespace chorus
