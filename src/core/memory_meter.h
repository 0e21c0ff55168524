// Memory that a run may hold: what buffers, strings and sequences made on a thread while a MemoryScope is open take is charged to its
// meter until they are freed, wherever that happens. So no kernel can forget to ask.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

namespace chorus {

class MemoryMeter {
 public:
  explicit MemoryMeter(int64_t limit) noexcept : limit_(limit) {}
  /// False, and nothing is charged, where the limit would be exceeded.
  bool charge(int64_t bytes) noexcept;
  void release(int64_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  int64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
  int64_t limit() const noexcept { return limit_; }

 private:
  const int64_t limit_;
  std::atomic<int64_t> used_{0};
};

/// While it lives, what this thread makes is charged to `meter` (null: to none). Scopes nest; the innermost counts.
class MemoryScope {
 public:
  explicit MemoryScope(std::shared_ptr<MemoryMeter> meter) noexcept;
  ~MemoryScope();
  MemoryScope(const MemoryScope&) = delete;
  MemoryScope& operator=(const MemoryScope&) = delete;
  /// Of this thread; null where no scope is open.
  static std::shared_ptr<MemoryMeter> current() noexcept;

 private:
  std::shared_ptr<MemoryMeter> meter_;
  const MemoryScope* outer_;
};

/// Bytes charged to the meter of this thread until it is destroyed.
class MemoryCharge {
 public:
  MemoryCharge() noexcept : meter_(MemoryScope::current()) {}
  /// Throws Error(budget) with the numbers where the limit would be exceeded.
  explicit MemoryCharge(int64_t bytes) : MemoryCharge() { add(bytes); }
  MemoryCharge(MemoryCharge&& other) noexcept : meter_(std::move(other.meter_)), bytes_(other.bytes_) {
    other.bytes_ = 0;
  }
  MemoryCharge& operator=(MemoryCharge&&) = delete;
  ~MemoryCharge() {
    if (meter_) meter_->release(bytes_);
  }
  void add(int64_t bytes);
  void release() noexcept {
    if (meter_) meter_->release(bytes_);
    bytes_ = 0;
  }
  bool metered() const noexcept { return meter_ != nullptr; }

 private:
  std::shared_ptr<MemoryMeter> meter_;
  int64_t bytes_ = 0;
};

/// Whether this thread's meter has room for so many bytes more; true where there is none. For loops that build something large.
bool memory_allows(int64_t bytes) noexcept;

/// `object` with a charge of `bytes` that goes when it does. Throws Error(budget).
template <class T>
std::shared_ptr<const T> with_charge(std::shared_ptr<const T> object, int64_t bytes) {
  MemoryCharge charge(bytes);
  if (!charge.metered()) return object;
  struct Kept {
    std::shared_ptr<const T> object;
    MemoryCharge charge;
  };
  auto kept = std::make_shared<Kept>(Kept{std::move(object), std::move(charge)});
  const T* inside = kept->object.get();
  return std::shared_ptr<const T>(std::move(kept), inside);
}

}  // namespace chorus
