#include <core/file.h>

#include <chorus/error.h>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace chorus {
namespace {

constexpr int kReadFlags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;  // O_NONBLOCK: opening a pipe does not hang
constexpr size_t kMaxPath = 4096;
constexpr size_t kMaxComponent = 255;
constexpr int kMaxDepth = 128;

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }
  void reset(int value) {
    if (value_ >= 0) ::close(value_);
    value_ = value;
  }

 private:
  int value_;
};

std::string reason(int error) { return std::generic_category().message(error); }

const char* kind(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISLNK(mode)) return "a symbolic link";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "not a regular file";
}

[[noreturn]] void throw_open(int error, const std::string& path) {
  switch (error) {
    case ENOENT:
    case ENOTDIR: throw Error(Code::not_found, "no such file: " + path, {}, "check the path");
    case ELOOP: throw Error(Code::bad_input, "a symbolic link is in the way: " + path, {}, "name the file itself");
    case EXDEV:
      throw Error(Code::bad_input, "the path leaves its folder: " + path, {}, "keep the file inside the folder");
    case ENAMETOOLONG:
      throw Error(Code::bad_input, "path too long (" + std::to_string(path.size()) + " bytes): " + path, {},
                  "use at most 255 bytes per name and 4095 in all");
    case EACCES:
    case EPERM:
      throw Error(Code::bad_input, "no permission to open " + path, {},
                  "check owner and mode of the file and its folders");
    case ENXIO:  // a socket, or a pipe without a reader
      throw Error(Code::bad_input, path + " is not a regular file", {}, "name a regular file");
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      throw Error(Code::budget, "cannot open " + path + ": " + reason(error), {}, "close files, or raise ulimit -n");
    default: throw Error(Code::bad_input, "cannot open " + path + ": " + reason(error));
  }
}

int open_read(const std::string& path, Symlinks symlinks) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    throw Error(Code::bad_input, path.empty() ? "empty file name" : "file name with a NUL byte: " + path);
  }
  const int flags = kReadFlags | (symlinks == Symlinks::refuse ? O_NOFOLLOW : 0);
  int descriptor;
  do descriptor = ::open(path.c_str(), flags);
  while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) throw_open(errno, path);
  return descriptor;
}

struct stat checked_stat(int descriptor, const std::string& path, const FileOptions& options) {
  struct stat info {};
  if (::fstat(descriptor, &info) != 0) throw_open(errno, path);
  if (!S_ISREG(info.st_mode)) {
    throw Error(Code::bad_input, path + " is " + kind(info.st_mode), {}, "name a regular file");
  }
  if (options.hard_links == HardLinks::refuse && info.st_nlink > 1) {
    throw Error(Code::bad_input, path + " has " + std::to_string(info.st_nlink) + " hard links", {},
                "copy the file: one with a second name may be a window to another folder");
  }
  if (info.st_size > options.max_bytes) {
    throw Error(
        Code::budget,
        path + " has " + std::to_string(info.st_size) + " bytes, the limit is " + std::to_string(options.max_bytes), {},
        "raise the limit if the file is trusted");
  }
  return info;
}

FileIdentity identity_of(const struct stat& info) {
  return {static_cast<uint64_t>(info.st_dev), static_cast<uint64_t>(info.st_ino), static_cast<int64_t>(info.st_size),
          static_cast<int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec};
}

bool is_link(int folder, const char* name) {
  struct stat info {};
  return ::fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode);
}

// Reads up to `size` bytes; fewer only at the end of the file.
size_t read_some(int descriptor, char* target, size_t size, const std::string& path) {
  size_t got = 0;
  while (got < size) {
    const ssize_t n = ::read(descriptor, target + got, std::min(size - got, size_t{1} << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      throw Error(Code::bad_input, "cannot read " + path + " at byte " + std::to_string(got) + ": " + reason(errno));
    if (n == 0) break;
    got += static_cast<size_t>(n);
  }
  return got;
}

}  // namespace

// ---- MappedFile ----

MappedFile::MappedFile(const std::string& path, const FileOptions& options) : path_(path) {
  take(open_read(path, options.symlinks), options);
}

MappedFile MappedFile::adopt(int descriptor, std::string path, const FileOptions& options) {
  MappedFile file;
  file.path_ = std::move(path);
  file.take(descriptor, options);
  return file;
}

MappedFile::~MappedFile() { release(); }

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this == &other) return *this;
  release();
  path_ = std::exchange(other.path_, {});
  identity_ = std::exchange(other.identity_, {});
  data_ = std::exchange(other.data_, nullptr);
  mapped_bytes_ = std::exchange(other.mapped_bytes_, 0);
  descriptor_ = std::exchange(other.descriptor_, -1);
  return *this;
}

void MappedFile::release() noexcept {
  if (mapped_bytes_ != 0) ::munmap(const_cast<std::byte*>(data_), mapped_bytes_);
  if (descriptor_ >= 0) ::close(descriptor_);
  data_ = nullptr;
  mapped_bytes_ = 0;
  descriptor_ = -1;
}

void MappedFile::take(int descriptor, const FileOptions& options) {
  Descriptor guard(descriptor);
  identity_ = identity_of(checked_stat(descriptor, path_, options));
  descriptor_ = guard.release();
  try {
    map_or_copy(options.backing);
  } catch (...) {
    release();  // the destructor does not run for a constructor that throws
    throw;
  }
}

void MappedFile::map_or_copy(Backing backing) {
  if (identity_.size == 0) return;
  const auto size = static_cast<size_t>(identity_.size);
  const bool copy = backing == Backing::copy;
  void* at = copy ? ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                  : ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor_, 0);
  if (at == MAP_FAILED) {
    throw Error(Code::budget, "cannot map " + path_ + " (" + std::to_string(size) + " bytes): " + reason(errno), {},
                "free memory or address space (ulimit -v)");
  }
  data_ = static_cast<const std::byte*>(at);
  mapped_bytes_ = size;
  if (!copy) return;
  const size_t got = read_some(descriptor_, static_cast<char*>(at), size, path_);
  if (got != size || !unchanged()) {
    throw Error(
        Code::bad_input,
        path_ + " changed while it was read (" + std::to_string(got) + " of " + std::to_string(size) + " bytes)", {},
        "read it when nothing writes to it");
  }
  ::mprotect(at, size, PROT_READ);
}

std::span<const std::byte> MappedFile::range(int64_t offset, int64_t length, std::string_view what) const {
  if (offset < 0 || length < 0 || offset > identity_.size || length > identity_.size - offset) {
    throw Error(Code::bad_input,
                std::string(what) + ": bytes at " + std::to_string(offset) + ", length " + std::to_string(length) +
                    ", do not lie in the file of " + std::to_string(identity_.size) + " bytes",
                path_, "the file is cut short or its offsets are wrong: get it again");
  }
  return bytes().subspan(static_cast<size_t>(offset), static_cast<size_t>(length));
}

bool MappedFile::unchanged() const {
  struct stat info {};
  return descriptor_ < 0 || (::fstat(descriptor_, &info) == 0 && identity_of(info) == identity_);
}

std::string read_whole(const std::string& path, int64_t limit) {
  FileOptions options;
  options.max_bytes = limit;
  const Descriptor file(open_read(path, Symlinks::follow));
  const struct stat info = checked_stat(file.get(), path, options);
  std::string text;
  // The size is a hint: files below /proc say 0, others may grow. One byte more than expected shows the end.
  size_t step = static_cast<size_t>(info.st_size) + 1;
  for (;;) {
    const size_t before = text.size();
    text.resize(before + step);
    const size_t got = read_some(file.get(), text.data() + before, step, path);
    text.resize(before + got);
    if (static_cast<int64_t>(text.size()) > limit) {
      throw Error(Code::budget, path + " has more than the limit of " + std::to_string(limit) + " bytes", {},
                  "raise the limit if the file is trusted");
    }
    if (got < step) return text;
    step = std::min<size_t>(std::max<size_t>(text.size(), 4096), static_cast<size_t>(limit) - text.size() + 1);
  }
}

// ---- Jail ----

Jail::Jail(const std::string& folder, HardLinks hard_links, Method method)
    : folder_(folder), hard_links_(hard_links), method_(method) {
  if (folder.find('\0') != std::string::npos) throw Error(Code::bad_input, "folder name with a NUL byte: " + folder);
  descriptor_ = ::open(folder.empty() ? "." : folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ >= 0) return;
  if (errno == ENOTDIR) throw Error(Code::bad_input, folder + " is not a folder");
  throw_open(errno, folder);
}

Jail::~Jail() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Jail::Jail(Jail&& other) noexcept
    : folder_(std::move(other.folder_)), descriptor_(std::exchange(other.descriptor_, -1)),
      hard_links_(other.hard_links_), method_(other.method_) {}

std::string Jail::checked(std::string_view relative) {
  const auto refuse = [&](const char* why) {
    throw Error(Code::bad_input, "path refused: \"" + std::string(relative.substr(0, kMaxPath)) + "\" " + why, {},
                "use a path of plain names below the model's folder, such as \"data/weights.bin\"");
  };
  if (relative.empty()) refuse("is empty");
  if (relative.size() >= kMaxPath) refuse("is longer than 4095 bytes");
  if (relative.find('\0') != std::string_view::npos) refuse("holds a NUL byte");
  if (relative.front() == '/') refuse("is absolute");
  std::string result;
  int depth = 0;
  for (size_t begin = 0; begin <= relative.size();) {
    const size_t end = std::min(relative.find('/', begin), relative.size());
    const std::string_view part = relative.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty()) refuse("has an empty component");
    if (part == "..") refuse("goes up with \"..\"");
    if (part.size() > kMaxComponent) refuse("has a name longer than 255 bytes");
    if (part == ".") continue;
    if (++depth > kMaxDepth) refuse("is deeper than 128 folders");
    if (!result.empty()) result += '/';
    result += part;
  }
  if (result.empty()) refuse("names no file");
  return result;
}

int Jail::open_beneath(const std::string& relative, int flags) const {
  if (method_ == Method::automatic) {
    struct open_how how {};
    how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    for (int attempt = 0; attempt < 8; ++attempt) {
      const auto descriptor = static_cast<int>(::syscall(SYS_openat2, descriptor_, relative.c_str(), &how, sizeof how));
      if (descriptor >= 0) return descriptor;
      if (errno != EAGAIN && errno != EINTR) break;  // EAGAIN: somebody renamed while the kernel looked
    }
    // ENOSYS: an old kernel; EPERM: a container's filter; E2BIG, EINVAL: a flag that this kernel does not know.
    if (errno != ENOSYS && errno != EPERM && errno != E2BIG && errno != EINVAL && errno != EAGAIN) return -1;
  }
  return walk(relative, flags);
}

int Jail::walk(const std::string& relative, int flags) const {
  Descriptor folder(::fcntl(descriptor_, F_DUPFD_CLOEXEC, 0));
  if (folder.get() < 0) return -1;
  size_t begin = 0;
  for (size_t end = relative.find('/'); end != std::string::npos; end = relative.find('/', begin)) {
    const std::string part = relative.substr(begin, end - begin);
    const int next = ::openat(folder.get(), part.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0) {
      const int error = errno;
      errno =
          is_link(folder.get(), part.c_str()) ? ELOOP : error;  // with O_DIRECTORY the kernel says ENOTDIR for a link
      return -1;
    }
    folder.reset(next);
    begin = end + 1;
  }
  const int descriptor = ::openat(folder.get(), relative.c_str() + begin, flags | O_NOFOLLOW | O_CLOEXEC);
  const int error = errno;
  errno = error == ENOTDIR && is_link(folder.get(), relative.c_str() + begin) ? ELOOP : error;
  return descriptor;
}

MappedFile Jail::open(std::string_view relative, int64_t max_bytes, Backing backing) const {
  const std::string path = checked(relative);
  const int descriptor = open_beneath(path, kReadFlags);
  if (descriptor < 0) throw_open(errno, folder_ + "/" + path);
  FileOptions options;
  options.max_bytes = max_bytes;
  options.hard_links = hard_links_;
  options.backing = backing;
  return MappedFile::adopt(descriptor, folder_ + "/" + path, options);
}

AtomicFile Jail::create(std::string_view relative, AtomicFile::Existing existing) const {
  const std::string path = checked(relative);
  const size_t slash = path.rfind('/');
  const int flags = O_PATH | O_DIRECTORY;
  const int parent = slash == std::string::npos ? ::fcntl(descriptor_, F_DUPFD_CLOEXEC, 0)
                                                : open_beneath(path.substr(0, slash), flags);
  if (parent < 0) throw_open(errno, folder_ + "/" + path);
  return AtomicFile(parent, path.substr(slash == std::string::npos ? 0 : slash + 1), folder_ + "/" + path, existing);
}

}  // namespace chorus
