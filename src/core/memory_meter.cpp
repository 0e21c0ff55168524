#include <chorus/error.h>
#include <core/memory_meter.h>

#include <string>

namespace chorus {
namespace {
thread_local const MemoryScope* g_innermost = nullptr;
}  // namespace

bool MemoryMeter::charge(int64_t bytes) noexcept {
  int64_t used = used_.load(std::memory_order_relaxed);
  do {
    if (bytes < 0 || bytes > limit_ - used) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  return true;
}

MemoryScope::MemoryScope(std::shared_ptr<MemoryMeter> meter) noexcept : meter_(std::move(meter)), outer_(g_innermost) {
  g_innermost = this;
}
MemoryScope::~MemoryScope() { g_innermost = outer_; }
std::shared_ptr<MemoryMeter> MemoryScope::current() noexcept {
  return g_innermost == nullptr ? nullptr : g_innermost->meter_;
}

void MemoryCharge::add(int64_t bytes) {
  if (!meter_) return;
  if (!meter_->charge(bytes)) {
    throw Error(Code::budget,
                "the run holds " + std::to_string(meter_->used()) + " bytes and asks for " + std::to_string(bytes) +
                    " more; its memory budget is " + std::to_string(meter_->limit()),
                {}, "smaller inputs, or a larger memory budget");
  }
  bytes_ += bytes;
}

bool memory_allows(int64_t bytes) noexcept {
  const std::shared_ptr<MemoryMeter> meter = MemoryScope::current();
  return !meter || (bytes >= 0 && bytes <= meter->limit() - meter->used());
}

}  // namespace chorus
