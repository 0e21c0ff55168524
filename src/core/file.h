// Files from outside: bounded, regular files only, never outside the folder that was named. Every read of a model, its
// external data, a request's file or a cache goes through here, and every file that the library writes too.
// Errors carry the path and the numbers: not_found (absent), bad_input (not a regular file, a link, no permission, a
// path that leaves its folder, changed while in use), budget (larger than the limit, disk full), already_exists.
#pragma once
#include <chorus/export.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace chorus {

enum class Symlinks { follow, refuse };  ///< of the path's last component; a Jail refuses them anywhere in the path
enum class HardLinks { allow, refuse };  ///< refuse: the file must have no second name (nlink 1)
enum class Backing {
  map,  ///< mmap, private and read-only: lazy, shared with the page cache. Another process that cuts the file short
  ///< while it is mapped can stop this one (SIGBUS): only for files that no stranger may write
  copy,  ///< read into memory of our own: safe against later changes, costs the file's size
};

/// Which file it was when it was opened, taken from the open descriptor (never from the path).
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t size = 0;  ///< bytes
  int64_t mtime_ns = 0;  ///< nanoseconds since 1970
  bool operator==(const FileIdentity&) const = default;
};

struct FileOptions {
  int64_t max_bytes = int64_t{1} << 40;  ///< a larger file is Error(budget) before anything is read
  Symlinks symlinks = Symlinks::follow;
  HardLinks hard_links = HardLinks::allow;
  Backing backing = Backing::map;
};

/// A whole file in memory, read-only. Movable; the bytes stay where they are when it moves. Opening never blocks (a
/// pipe is refused, not waited for) and reads nothing of a mapped file.
class CHORUS_API MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const std::string& path, const FileOptions& options = {});
  /// Takes over an open descriptor; `path` is for messages only. `options.symlinks` does not apply.
  static MappedFile adopt(int descriptor, std::string path, const FileOptions& options = {});
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const noexcept { return {data_, static_cast<size_t>(identity_.size)}; }
  int64_t size() const noexcept { return identity_.size; }
  const std::string& path() const noexcept { return path_; }
  const FileIdentity& identity() const noexcept { return identity_; }
  /// `length` bytes from `offset`; Error(bad_input) naming `what` when they are negative or do not lie inside the file.
  std::span<const std::byte> range(int64_t offset, int64_t length, std::string_view what) const;
  /// False when the open file's size or time of change is no longer that of the opening.
  bool unchanged() const;

 private:
  void take(int descriptor, const FileOptions& options);
  void map_or_copy(Backing backing);
  void release() noexcept;

  std::string path_;
  FileIdentity identity_;
  const std::byte* data_ = nullptr;
  size_t mapped_bytes_ = 0;  // 0: nothing to unmap
  int descriptor_ = -1;
};

/// All bytes of a regular file; more than `limit` bytes is Error(budget), also when it grows while it is read. Reads
/// files of unknown size (/proc) as well.
CHORUS_API std::string read_whole(const std::string& path, int64_t limit);

/// A file that appears under its name complete or not at all: written to a randomly named neighbour (O_EXCL,
/// O_NOFOLLOW), then synced and renamed by commit(). Without commit() nothing is left behind. A link under the name
/// is replaced, not followed; an existing file's permissions are kept.
class CHORUS_API AtomicFile {
 public:
  enum class Existing { replace, refuse };  ///< refuse: commit() throws already_exists
  explicit AtomicFile(const std::string& path, Existing existing = Existing::replace);
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  /// Fills with zero bytes up to the next multiple of `alignment` (bytes, > 0).
  void align(int64_t alignment);
  int64_t written() const noexcept { return written_; }
  void commit();

 private:
  friend class Jail;
  AtomicFile(int folder, std::string name, std::string path, Existing existing);
  void create();
  void abandon() noexcept;
  [[noreturn]] void fail(int error, const char* action) const;

  int folder_ = -1;  // the parent folder stays the one that was opened, whatever happens to its path
  int descriptor_ = -1;
  std::string name_, temporary_, path_;
  Existing existing_ = Existing::replace;
  int64_t written_ = 0;
};

/// A folder as a boundary: opens files by relative path beneath it and nothing else. Refused with a sentence: absolute
/// paths, "..", empty components, NUL, symbolic links anywhere, and (by default) files with a second hard link.
class CHORUS_API Jail {
 public:
  enum class Method {
    automatic,  ///< openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS); where the kernel lacks or forbids it, the walk
    walk,  ///< component by component with O_NOFOLLOW; as safe, slower
  };
  /// The folder's own path may contain symbolic links: its owner chose it.
  explicit Jail(const std::string& folder, HardLinks hard_links = HardLinks::refuse, Method method = Method::automatic);
  ~Jail();
  Jail(Jail&& other) noexcept;
  Jail& operator=(Jail&&) = delete;

  /// `relative` as found in a file or request, components separated by '/'; "." components are dropped.
  MappedFile open(std::string_view relative, int64_t max_bytes = int64_t{1} << 40,
                  Backing backing = Backing::map) const;
  /// A new file beneath the folder; its parent folder must exist.
  AtomicFile create(std::string_view relative, AtomicFile::Existing existing = AtomicFile::Existing::replace) const;
  const std::string& folder() const noexcept { return folder_; }
  /// The path without "." components; throws as open() for a path that is not plainly beneath.
  static std::string checked(std::string_view relative);

 private:
  int open_beneath(const std::string& relative, int flags) const;
  int walk(const std::string& relative, int flags) const;

  std::string folder_;
  int descriptor_ = -1;
  HardLinks hard_links_;
  Method method_;
};

}  // namespace chorus
