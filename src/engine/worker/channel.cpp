#include <chorus/error.h>
#include <core/clock.h>
#include <engine/worker/channel.h>
#include <fmt/format.h>

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>

namespace chorus::worker {
namespace {

constexpr int64_t kSlice = 5'000'000;     // nanoseconds of sleep before the other side's life is looked at
constexpr int64_t kShort = 200'000;       // calls of this length are waited for awake …
constexpr int64_t kAwake = 20'000;        // … for so long
constexpr int kSeals = F_SEAL_GROW | F_SEAL_SHRINK;
constexpr uint64_t kMostBytes = uint64_t{1} << 46;

static_assert(std::atomic<uint32_t>::is_always_lock_free && sizeof(std::atomic<uint32_t>) == 4);

void sleep_while(std::atomic<uint32_t>& word, uint32_t value, const timespec* most) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAIT, value, most, nullptr, 0);
}
void wake(std::atomic<uint32_t>& word) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Waits awake until the word is no longer `value`, at most kAwake.
bool changes_soon(const std::atomic<uint32_t>& word, uint32_t value) noexcept {
  const int64_t until = now_ns() + kAwake;
  do {
    for (int i = 0; i < 32; ++i) {
      if (word.load(std::memory_order_acquire) != value) return true;
      pause();
    }
  } while (now_ns() < until);
  return false;
}

}  // namespace

void Descriptor::reset(int fd) noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Descriptor memory_file(const char* name, uint64_t bytes) {
  Descriptor file(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const bool made = file && bytes < kMostBytes && ::ftruncate(file.get(), static_cast<off_t>(bytes)) == 0 &&
                    ::fcntl(file.get(), F_ADD_SEALS, kSeals) == 0;
  if (!made)
    throw Error(Code::budget,
                fmt::format("the system gives no {} bytes of shared memory: {}", bytes, std::strerror(errno)));
  return file;
}

Mapping::Mapping(const Descriptor& file, Access access) {
  struct stat about {};
  const int seals = ::fcntl(file.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals || ::fstat(file.get(), &about) != 0)
    throw Error(Code::internal, "shared memory that could be cut short");
  size_ = static_cast<size_t>(about.st_size);
  const int allowed = access == Access::write ? PROT_READ | PROT_WRITE : PROT_READ;
  void* place = size_ == 0 ? MAP_FAILED : ::mmap(nullptr, size_, allowed, MAP_SHARED | MAP_NORESERVE, file.get(), 0);
  if (place == MAP_FAILED)
    throw Error(Code::budget,
                fmt::format("{} bytes of shared memory cannot be mapped: {}", size_, std::strerror(errno)));
  data_ = static_cast<std::byte*>(place);
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

/// Lies at the begin of the mapping. `asked` and `answered` count the turns; a side that sleeps says so, so that nobody is woken in vain.
struct Channel::Head {
  std::atomic<uint32_t> asked, worker_sleeps;
  std::atomic<uint64_t> request_bytes;
  alignas(64) std::atomic<uint32_t> answered;
  std::atomic<uint32_t> host_sleeps;
  std::atomic<uint64_t> answer_bytes;
};

Channel::Channel(const Descriptor& file) : memory_(file, Mapping::Access::write), file_(file.get()) {
  if (memory_.bytes().size() < kHead + 2 * kHead)
    throw Error(Code::internal, fmt::format("a channel of {} bytes", memory_.bytes().size()));
}

Channel::Head& Channel::head() const noexcept { return *reinterpret_cast<Head*>(memory_.bytes().data()); }

int64_t Channel::call(size_t bytes, FunctionRef<bool()> ended) {
  Head& h = head();
  const int64_t begin = now_ns();
  const uint32_t before = turn_;
  h.request_bytes.store(bytes, std::memory_order_relaxed);
  h.asked.store(++turn_, std::memory_order_seq_cst);
  if (h.worker_sleeps.load(std::memory_order_seq_cst) != 0) wake(h.asked);
  bool done = last_ns_ < kShort && changes_soon(h.answered, before);
  const timespec slice{0, kSlice};
  while (!done) {
    h.host_sleeps.store(1, std::memory_order_seq_cst);
    if (h.answered.load(std::memory_order_seq_cst) == before) sleep_while(h.answered, before, &slice);
    h.host_sleeps.store(0, std::memory_order_relaxed);
    done = h.answered.load(std::memory_order_acquire) != before;
    if (!done && ended()) return -1;
  }
  last_ns_ = now_ns() - begin;
  return static_cast<int64_t>(std::min<uint64_t>(h.answer_bytes.load(std::memory_order_relaxed), room()));
}

size_t Channel::wait() {
  Head& h = head();
  if (turn_ == 0 || !changes_soon(h.asked, turn_)) {
    while (h.asked.load(std::memory_order_acquire) == turn_) {
      h.worker_sleeps.store(1, std::memory_order_seq_cst);
      if (h.asked.load(std::memory_order_seq_cst) == turn_) sleep_while(h.asked, turn_, nullptr);
      h.worker_sleeps.store(0, std::memory_order_relaxed);
    }
  }
  ++turn_;
  return static_cast<size_t>(std::min<uint64_t>(h.request_bytes.load(std::memory_order_relaxed), room()));
}

void Channel::reply(size_t bytes) {
  Head& h = head();
  h.answer_bytes.store(bytes, std::memory_order_relaxed);
  h.answered.store(turn_, std::memory_order_seq_cst);
  if (h.host_sleeps.load(std::memory_order_seq_cst) != 0) wake(h.answered);
}

void Channel::shrink(size_t keep) noexcept {
  for (const std::span<std::byte> part : {request(), answer()}) {
    const auto begin = static_cast<off_t>(part.data() - memory_.bytes().data() + static_cast<ptrdiff_t>(keep));
    const auto length = static_cast<off_t>(part.size()) - static_cast<off_t>(keep);
    if (length > 0) ::fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, begin, length);
  }
}

}  // namespace chorus::worker
