// Packs: constants in the form that a kernel wants them, made once at compile; what a compile cache keeps beside the graph, so that
// a program comes back without its source weights.
#pragma once
#include <chorus/buffer.h>
#include <core/function_ref.h>
#include <graph/graph.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::native {

struct Pack {
  std::string name;  ///< unique in its program
  Buffer bytes;
};

class Packs {
 public:
  Packs() = default;
  /// Packs of an earlier compile: they are handed out again by their names.
  explicit Packs(std::vector<Pack> kept);

  /// `bytes` of packed elements of operand `operand` of `node`, filled by `fill` or kept from an earlier compile. `form` tells the
  /// packings of one operand apart. Throws Error(bad_input) when the elements are neither kept nor there (hollow).
  Buffer take(const Graph& graph, NodeId node, int operand, std::string_view form, size_t bytes,
              FunctionRef<void(std::byte*)> fill);

  /// In the order of taking.
  const std::vector<Pack>& taken() const noexcept { return taken_; }
  /// Constants all of whose uses took a pack: nobody reads their elements any more.
  std::vector<ValueId> released(const Graph& graph) const;

 private:
  std::map<std::string, Buffer, std::less<>> kept_;
  std::vector<Pack> taken_;
  std::map<ValueId, size_t> uses_;  // packed ones of a constant
};

}  // namespace chorus::native
