// The reference kernels of all families. A new family turns its line in `all` into code.
#include <engine/native/kernel.h>

#include <mutex>
#include <shared_mutex>
#include <string_view>
#include <unordered_map>

namespace chorus::native {
namespace {

struct Key {
  std::string_view domain, op;
  bool operator==(const Key&) const = default;
};
struct KeyHash {
  size_t operator()(const Key& k) const noexcept {
    return std::hash<std::string_view>()(k.op) * 31 + std::hash<std::string_view>()(k.domain);
  }
};
using Map = std::unordered_map<Key, KernelFn, KeyHash>;

Map all() {
  Map map;
  [[maybe_unused]] const auto list = [&](std::span<const KernelRow> family) {
    for (const KernelRow& row : family) map.emplace(Key{row.domain, row.op}, row.run);
  };
  list(reference::elementwise_kernels());
  list(reference::unary_kernels());
  list(reference::activation_kernels());
  list(reference::reduction_kernels());
  list(reference::movement_kernels());
  list(reference::indexing_kernels());
  list(reference::creation_kernels());
  list(reference::cast_kernels());
  list(reference::matrix_kernels());
  list(reference::convolution_kernels());
  list(reference::normalization_kernels());
  list(reference::recurrent_kernels());
  list(reference::attention_kernels());
  list(reference::control_kernels());
  list(reference::sequence_kernels());
  list(reference::loss_kernels());
  list(reference::vision_kernels());
  list(reference::signal_kernels());
  list(reference::ml_kernels());
  list(reference::linear_kernels());
  list(reference::tree_kernels());
  list(reference::training_kernels());
  list(reference::gradient_kernels());
  return map;
}

/// Kernels of custom operators, added at run time.
struct Registered {
  std::shared_mutex lock;
  Map map;
};
Registered& registered() {
  static auto* const all = new Registered;
  return *all;
}

}  // namespace

KernelFn find_reference(std::string_view domain, std::string_view op) noexcept {
  static const Map* const map = new Map(all());  // never destroyed: runs may outlive static destructors
  const auto it = map->find(Key{domain == "ai.onnx" ? std::string_view() : domain, op});
  if (it != map->end()) return it->second;
  Registered& more = registered();
  std::shared_lock guard(more.lock);
  const auto found = more.map.find(Key{domain, op});
  return found == more.map.end() ? nullptr : found->second;
}

void register_reference(std::string_view domain, std::string_view op, KernelFn run) {
  Registered& more = registered();
  std::unique_lock guard(more.lock);
  more.map.emplace(Key{domain, op}, run);
}

}  // namespace chorus::native
