#include <engine/native/jit/code_cache.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <unordered_map>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace chorus::jit {
namespace {

struct Cache {
  std::mutex mutex;
  std::unordered_map<std::string, Kernel> kernels;
  int64_t bytes = 0;
  std::atomic<int64_t> limit{kCodeLimit};
  std::atomic<Assemble> assembler{assemble};
};

/// Lives as long as the process: programs that hold its kernels may outlive any static object.
Cache& cache() {
  static auto* all = new Cache;
  return *all;
}

/// Pages that are written first and made executable after; null when the system refuses.
void* publish(const std::vector<uint8_t>& code, int64_t* bytes) noexcept {
#if defined(__linux__)
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t size = (code.size() + page - 1) / page * page;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  std::memcpy(memory, code.data(), code.size());
  if (mprotect(memory, size, PROT_READ | PROT_EXEC) != 0) {
    munmap(memory, size);
    return nullptr;
  }
  *bytes = static_cast<int64_t>(size);
  return memory;
#else
  (void)code, (void)bytes;
  return nullptr;
#endif
}

bool switched_off() noexcept {
  const char* value = std::getenv("CHORUS_JIT");
  return value != nullptr && std::strcmp(value, "off") == 0;
}

/// A function that only returns shows whether the system lets code be made.
bool try_code() noexcept {
  Code probe;
  probe.level = Level::avx2;
  probe.finish();
  const std::vector<uint8_t> bytes = assemble(probe);
  int64_t size = 0;
  void* memory = bytes.empty() ? nullptr : publish(bytes, &size);
#if defined(__linux__)
  if (memory != nullptr) munmap(memory, static_cast<size_t>(size));
#endif
  return memory != nullptr;
}

}  // namespace

bool code_allowed() noexcept {
  static const bool allowed = !switched_off() && try_code();
  return allowed && cache().limit.load(std::memory_order_relaxed) > 0;
}

void set_code_limit(int64_t bytes) noexcept { cache().limit = bytes; }

Assemble set_assembler(Assemble assembler) noexcept { return cache().assembler.exchange(assembler); }

int64_t code_bytes() noexcept {
  const std::lock_guard lock(cache().mutex);
  return cache().bytes;
}

int64_t code_count() noexcept {
  const std::lock_guard lock(cache().mutex);
  return static_cast<int64_t>(cache().kernels.size());
}

Kernel find_kernel(std::span<const std::byte> key, const std::function<Code()>& make) {
  if (!code_allowed()) return nullptr;
  Cache& c = cache();
  const std::lock_guard lock(c.mutex);
  std::string name(reinterpret_cast<const char*>(key.data()), key.size());
  if (const auto found = c.kernels.find(name); found != c.kernels.end()) return found->second;
  const std::vector<uint8_t> code = c.assembler.load(std::memory_order_relaxed)(make());
  if (code.empty() || c.bytes + static_cast<int64_t>(code.size()) > c.limit) return nullptr;
  int64_t size = 0;
  void* memory = publish(code, &size);
  if (memory == nullptr) return nullptr;
  c.bytes += size;
  const auto kernel = reinterpret_cast<Kernel>(memory);
  c.kernels.emplace(std::move(name), kernel);
  return kernel;
}

}  // namespace chorus::jit
