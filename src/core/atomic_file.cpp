// AtomicFile of file.h: write aside, sync, rename.
#include <chorus/error.h>
#include <core/file.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace chorus {
namespace {

std::string random_name() {
  std::array<unsigned char, 12> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    throw Error(Code::unavailable, "the system gives no random bytes for a temporary file's name");
  }
  static constexpr char kHex[] = "0123456789abcdef";
  std::string name = ".chorus-";
  for (unsigned char byte : random) {
    name += kHex[byte >> 4];
    name += kHex[byte & 15];
  }
  return name + ".tmp";
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path, Existing existing) : path_(path), existing_(existing) {
  const size_t slash = path.rfind('/');
  name_ = slash == std::string::npos ? path : path.substr(slash + 1);
  const std::string parent = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  if (name_.empty() || name_ == "." || name_ == ".." || path.find('\0') != std::string::npos) {
    throw Error(Code::bad_input, "not a file name: \"" + path + "\"", {}, "name a file in an existing folder");
  }
  folder_ = ::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder_ < 0) fail(errno, "open the folder of");
  create();
}

AtomicFile::AtomicFile(int folder, std::string name, std::string path, Existing existing)
    : folder_(folder), name_(std::move(name)), path_(std::move(path)), existing_(existing) {
  create();
}

AtomicFile::~AtomicFile() { abandon(); }

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : folder_(std::exchange(other.folder_, -1)), descriptor_(std::exchange(other.descriptor_, -1)),
      name_(std::move(other.name_)), temporary_(std::exchange(other.temporary_, {})), path_(std::move(other.path_)),
      existing_(other.existing_), written_(other.written_) {}

void AtomicFile::create() {
  try {
    struct stat before {};
    const bool exists = ::fstatat(folder_, name_.c_str(), &before, AT_SYMLINK_NOFOLLOW) == 0;
    if (exists && existing_ == Existing::refuse) fail(EEXIST, "write");
    if (exists && S_ISDIR(before.st_mode)) fail(EISDIR, "write");
    const std::string name = random_name();
    descriptor_ = ::openat(folder_, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (descriptor_ < 0) fail(errno, "write");
    temporary_ = name;
    if (exists && S_ISREG(before.st_mode) && ::fchmod(descriptor_, before.st_mode & 0777) != 0) fail(errno, "write");
  } catch (...) {
    abandon();  // the destructor does not run for a constructor that throws
    throw;
  }
}

void AtomicFile::abandon() noexcept {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlinkat(folder_, temporary_.c_str(), 0);
  if (folder_ >= 0) ::close(folder_);
  descriptor_ = folder_ = -1;
  temporary_.clear();
}

void AtomicFile::fail(int error, const char* action) const {
  const std::string what =
      std::string("cannot ") + action + " " + path_ + ": " + std::generic_category().message(error);
  switch (error) {
    case EEXIST: throw Error(Code::already_exists, path_ + " exists already", {}, "remove it or choose another name");
    case ENOENT:
    case ENOTDIR: throw Error(Code::not_found, "no such folder: that of " + path_, {}, "make the folder first");
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      throw Error(Code::budget, what + " (after " + std::to_string(written_) + " bytes)", {}, "free disk space");
    default: throw Error(Code::bad_input, what, {}, "check that the folder may be written to");
  }
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (descriptor_ < 0) throw Error(Code::bad_input, "write after commit: " + path_);
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor_, bytes.data(), std::min(bytes.size(), size_t{1} << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail(n < 0 ? errno : ENOSPC, "write");
    written_ += n;
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
}

void AtomicFile::align(int64_t alignment) {
  if (alignment <= 0) throw Error(Code::bad_input, "alignment of " + std::to_string(alignment) + " bytes", path_);
  static constexpr std::array<std::byte, 4096> kZeros{};
  int64_t left = (alignment - written_ % alignment) % alignment;
  while (left > 0) {
    const auto step = static_cast<size_t>(std::min<int64_t>(left, kZeros.size()));
    write(std::span(kZeros).first(step));
    left -= static_cast<int64_t>(step);
  }
}

void AtomicFile::commit() {
  if (descriptor_ < 0) throw Error(Code::bad_input, "second commit: " + path_);
  if (::fsync(descriptor_) != 0) fail(errno, "sync");
  // Checked: some file systems report a failed write only here.
  if (::close(std::exchange(descriptor_, -1)) != 0) fail(errno, "close");
  if (existing_ == Existing::replace) {
    if (::renameat(folder_, temporary_.c_str(), folder_, name_.c_str()) != 0) fail(errno, "rename to");
  } else {
    // Fails, whoever made the file meanwhile. linkat also works on file systems without RENAME_NOREPLACE.
    if (::linkat(folder_, temporary_.c_str(), folder_, name_.c_str(), 0) != 0) fail(errno, "link to");
    ::unlinkat(folder_, temporary_.c_str(), 0);
  }
  temporary_.clear();
  // The name itself must survive a power cut too; the folder is open as O_PATH, which cannot be synced.
  const int folder = ::openat(folder_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
  abandon();
}

}  // namespace chorus
