// The binary image of a model: what the compile cache, workers and .chorus files share. A header of 64 bytes, the structure
// (FlatBuffers, image.fbs), then the weights from a page boundary on, each at a multiple of 64 bytes. All offsets are relative and of
// 64 bits, so an image works where it is mapped; weights are used in place. Little-endian.
#pragma once
#include <core/function_ref.h>
#include <graph/graph.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace chorus {

/// Raised whenever the structure changes its meaning; an image of another version is refused (Error(unsupported)).
inline constexpr uint32_t kImageVersion = 1;

/// Gives the bytes of the image to `sink`, in order. Dead nodes and values are left out, so ids are those of a compacted graph.
/// Equal models give equal bytes. Throws Error(budget) when the structure without weights passes 2 GiB.
void save_image(const Model& model, FunctionRef<void(std::span<const std::byte>)> sink);
std::string save_image_bytes(const Model& model);
/// Atomically under `path`.
void save_image_file(const Model& model, const std::string& path);

/// Hollow tensors (graph/hollow.h) have no elements; only a compile cache, which keeps the packed ones beside, may hold them.
enum class HollowTensors : uint8_t { refuse, allow };
/// What rules had found out when the image was made (types that no file declared, elements of small tensors): a stranger may have
/// written otherwise, and memory is sized by it, so it is found out anew. Only a compile cache, which asks no rules again, believes it.
enum class Inferred : uint8_t { forget, believe };
/// Whether bytes begin as an image does.
bool is_image(std::string_view bytes) noexcept;

struct ImageLimits {
  int64_t nodes = int64_t{1} << 20;  ///< in all graphs together
  int64_t values = int64_t{1} << 22;
  int depth = 64;  ///< nested graphs and types
  HollowTensors hollow = HollowTensors::refuse;
  Inferred inferred = Inferred::forget;
};

/// The model of an image that `owner` keeps in memory (its weights are used in place when `bytes` begins at a multiple of 64, else
/// copied as a whole). Nothing of the bytes is trusted: every count, index, offset and enumeration is checked, Error(bad_input) otherwise.
Model load_image(std::string_view bytes, std::shared_ptr<const void> owner, const ImageLimits& limits = {});
Model load_image_file(const std::string& path, const ImageLimits& limits = {});

}  // namespace chorus
