// Shared memory between host and worker through which one request at a time goes and its answer comes back. The file behind it has a fixed,
// sealed size: neither side can cut it short under the other. Pages that were never written take no memory.
#pragma once
#include <core/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace chorus::worker {

/// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset(int fd = -1) noexcept;

 private:
  int fd_;
};

/// A file in memory of exactly `bytes` bytes that can neither grow nor shrink. Throws Error(budget).
Descriptor memory_file(const char* name, uint64_t bytes);

/// A whole file of memory, mapped. Throws Error(internal) unless the file is sealed against growing and shrinking.
class Mapping {
 public:
  enum class Access : uint8_t { read, write };
  Mapping(const Descriptor& file, Access access);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  std::span<std::byte> bytes() const noexcept { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

class Channel {
 public:
  /// `room`: bytes for a request, and as many for an answer.
  static constexpr size_t kHead = 4096;
  static uint64_t file_bytes(uint64_t room) noexcept { return kHead + 2 * room; }
  explicit Channel(const Descriptor& file);

  std::span<std::byte> request() const noexcept { return memory_.bytes().subspan(kHead, room()); }
  std::span<std::byte> answer() const noexcept { return memory_.bytes().subspan(kHead + room(), room()); }
  /// Number of the request that goes on, or went on last: both sides count alike.
  uint32_t turn() const noexcept { return turn_; }
  size_t room() const noexcept { return (memory_.bytes().size() - kHead) / 2; }

  // The host's side.
  /// Hands over the first `bytes` of request(); comes back with the number of bytes of the answer, or -1 when `ended`, which is asked every
  /// few milliseconds, says so. The number is the other side's word, but never more than room().
  int64_t call(size_t bytes, FunctionRef<bool()> ended);

  // The worker's side.
  /// Waits for a request; its bytes.
  size_t wait();
  void reply(size_t bytes);
  /// Gives back the memory of pages above `keep` bytes of request and answer.
  void shrink(size_t keep) noexcept;

 private:
  struct Head;
  Head& head() const noexcept;
  Mapping memory_;
  int file_ = -1;  // for shrink; the caller's, valid as long as the channel
  uint32_t turn_ = 0;
  int64_t last_ns_ = 0;  // how long the last call took
};

}  // namespace chorus::worker
