#include <chorus/buffer.h>
#include <chorus/error.h>
#include <core/memory_meter.h>
#include <sys/mman.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <new>

namespace chorus {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kReadableTail = 64;  // kernels may load whole vectors across the end
// Above this, memory comes from the system directly and returns to it at once, page aligned and able to use huge pages.
constexpr size_t kMapFrom = size_t{4} << 20;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr std::string_view kKindNames[] = {"cpu", "cuda", "vulkan", "opencl"};

[[noreturn]] void out_of_memory(size_t bytes) {
  throw Error(Code::budget, "no memory for a buffer of " + std::to_string(bytes) + " bytes", {},
              "use smaller shapes or a machine with more memory");
}

struct Block {
  void* data = nullptr;
  size_t mapped = 0;  // 0: from aligned_alloc
};

struct FreeBlock {
  size_t mapped;
  MemoryCharge charge;
  void operator()(void* data) const noexcept {
    if (mapped != 0) {
      ::munmap(data, mapped);
    } else {
      std::free(data);
    }
  }
};

Block take(size_t bytes) noexcept {
  if (bytes > static_cast<size_t>(std::numeric_limits<int64_t>::max()) - kHugePage) return {};
  const size_t wanted = (bytes + kReadableTail + kAlignment - 1) / kAlignment * kAlignment;
  if (wanted < kMapFrom) return {std::aligned_alloc(kAlignment, wanted), 0};
  void* data = ::mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return {};
  ::madvise(data, wanted, MADV_HUGEPAGE);  // a hint: its failure changes nothing
  return {data, wanted};
}

}  // namespace

std::string Device::str() const {
  const auto i = static_cast<size_t>(kind);
  std::string out(i < std::size(kKindNames) ? kKindNames[i] : std::string_view("device"));
  if (kind != DeviceKind::cpu || index != 0) out += ":" + std::to_string(index);
  return out;
}

Device Device::parse(std::string_view name) {
  const size_t colon = name.find(':');
  const std::string_view kind = name.substr(0, colon);
  for (size_t i = 0; i < std::size(kKindNames); ++i) {
    if (kKindNames[i] != kind) continue;
    Device device{static_cast<DeviceKind>(i), 0};
    if (colon == std::string_view::npos) return device;
    const std::string_view digits = name.substr(colon + 1);
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), device.index);
    if (failed == std::errc{} && end == digits.data() + digits.size() && device.index >= 0) return device;
    break;
  }
  throw Error(Code::bad_input, "\"" + std::string(name.substr(0, 64)) + "\" is not a device", {},
              "use cpu, cuda, vulkan or opencl, with an index as in cuda:0");
}

Buffer Buffer::allocate(size_t bytes) {
  MemoryCharge charge(bytes > static_cast<size_t>(std::numeric_limits<int64_t>::max())
                          ? -1
                          : static_cast<int64_t>(std::max(bytes, kAlignment)));
  const Block block = take(bytes);
  if (block.data == nullptr) out_of_memory(bytes);
  Buffer buffer;
  try {
    buffer.owner_ = std::shared_ptr<void>(
        block.data, FreeBlock{block.mapped, std::move(charge)});  // frees the block when it throws
  } catch (const std::bad_alloc&) {
    out_of_memory(bytes);
  }
  buffer.data_ = static_cast<std::byte*>(block.data);
  buffer.bytes_ = bytes;
  return buffer;
}

Buffer Buffer::borrow(void* data, size_t bytes, std::shared_ptr<const void> owner) {
  Buffer buffer;
  buffer.owner_ = std::move(owner);
  buffer.data_ = static_cast<std::byte*>(data);
  buffer.bytes_ = bytes;
  return buffer;
}

Buffer Buffer::borrow_read_only(const void* data, size_t bytes, std::shared_ptr<const void> owner) {
  Buffer buffer = borrow(const_cast<void*>(data), bytes, std::move(owner));
  buffer.read_only_ = true;
  return buffer;
}

std::byte* Buffer::mutable_data() {
  if (read_only_) {
    throw Error(Code::bad_input, "a buffer of " + std::to_string(bytes_) + " bytes is read-only", {},
                "copy it before writing");
  }
  return data_;
}

Buffer Buffer::slice(size_t offset, size_t bytes) const {
  if (offset > bytes_ || bytes > bytes_ - offset) {
    throw Error(Code::shape,
                "bytes " + std::to_string(offset) + " to " + std::to_string(offset) + " + " + std::to_string(bytes) +
                    " do not lie in a buffer of " + std::to_string(bytes_) + " bytes",
                {}, "use an offset and a length inside the buffer");
  }
  Buffer part = *this;
  if (part.data_ != nullptr) part.data_ += offset;
  part.bytes_ = bytes;
  return part;
}

}  // namespace chorus
