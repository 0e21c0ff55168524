// Device and Buffer: memory that knows where it lies, who owns it and whether it may be written.
#pragma once
#include <chorus/export.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace chorus {

enum class DeviceKind : uint8_t { cpu = 0, cuda = 1, vulkan = 2, opencl = 3 };

struct CHORUS_API Device {
  DeviceKind kind = DeviceKind::cpu;
  int32_t index = 0;
  bool operator==(const Device&) const = default;
  std::string str() const;                       ///< "cpu", "cuda:0"
  static Device parse(std::string_view name);    ///< throws Error(bad_input) naming the known kinds
};

/// A shared handle to bytes. Copies share; the memory lives until the last handle goes. Alignment of own memory: 64 bytes.
class CHORUS_API Buffer {
 public:
  Buffer() noexcept = default;
  /// `bytes` of uninitialised memory, aligned to 64 bytes, with 64 readable bytes behind the end. Throws Error(budget) when there is none.
  static Buffer allocate(size_t bytes);
  /// Somebody else's memory; `owner` is kept until the last handle goes (may be null: the caller sees to it).
  static Buffer borrow(void* data, size_t bytes, std::shared_ptr<const void> owner = nullptr);
  static Buffer borrow_read_only(const void* data, size_t bytes, std::shared_ptr<const void> owner = nullptr);

  const std::byte* data() const noexcept { return data_; }
  /// Throws Error(bad_input) for read-only memory.
  std::byte* mutable_data();
  size_t bytes() const noexcept { return bytes_; }
  bool read_only() const noexcept { return read_only_; }
  Device device() const noexcept { return device_; }
  /// True when no other handle shares the owner (so an in-place write disturbs nobody).
  bool unique() const noexcept { return owner_ && owner_.use_count() == 1; }
  explicit operator bool() const noexcept { return data_ != nullptr; }
  /// A part of this buffer that keeps the whole alive. Throws Error(shape) when it does not lie inside.
  Buffer slice(size_t offset, size_t bytes) const;

 private:
  std::shared_ptr<const void> owner_;
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
  Device device_;
  bool read_only_ = false;
};

}  // namespace chorus
