#include <chorus/error.h>
#include <engine/native/exec/arena.h>
#include <sys/mman.h>

#include <algorithm>
#include <string>

namespace chorus::native {
namespace {

constexpr int64_t kPage = 4096, kHugePage = int64_t{2} << 20, kReadableTail = 64;
constexpr int64_t kLeast = int64_t{1} << 20;   // address space for models of any size
constexpr int64_t kAhead = 8;                  // times what the first size needs

std::byte* reserve(int64_t bytes) noexcept {
  void* data = ::mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return data == MAP_FAILED ? nullptr : static_cast<std::byte*>(data);
}

}  // namespace

Arena::~Arena() { release(); }

void Arena::release() noexcept {
  if (data_ != nullptr) ::munmap(data_, static_cast<size_t>(reserved_));
  data_ = nullptr;
  bytes_ = reserved_ = 0;
}

void Arena::grow(int64_t bytes, int64_t most) {
  if (bytes <= bytes_) return;
  if (bytes + kReadableTail <= reserved_) {
    bytes_ = bytes;
    return;
  }
  release();   // the old one goes before the new one comes
  const int64_t exact = (bytes + kReadableTail + kPage - 1) / kPage * kPage;
  const int64_t ahead =
      std::max(exact, std::min(std::max(kLeast, bytes > most / kAhead ? most : bytes * kAhead), most) / kPage * kPage);
  reserved_ = ahead;
  data_ = reserve(ahead);
  if (data_ == nullptr) data_ = reserve(reserved_ = exact);   // address space is limited here
  if (data_ == nullptr) {
    reserved_ = 0;
    throw Error(Code::budget, "no memory for " + std::to_string(bytes) + " bytes of intermediate values", {},
                "smaller inputs, or a machine with more memory");
  }
  if (bytes >= 2 * kHugePage)
    ::madvise(data_, static_cast<size_t>(reserved_), MADV_HUGEPAGE);   // a hint: its failure changes nothing
  bytes_ = bytes;
}

}  // namespace chorus::native
