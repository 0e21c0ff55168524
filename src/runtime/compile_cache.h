// Compiled programs in a folder, so that a model that was compiled once is only mapped the next time. One file per program: its bytes,
// what it depends on, checksums. Several processes may use one folder: files appear complete (temporary name, rename), readers keep what
// they have mapped. What is damaged, of another build or out of date is a miss and is removed; nothing here throws.
#pragma once
#include <core/file.h>
#include <core/function_ref.h>
#include <graph/graph.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace chorus {

/// What a stored program was made from besides its key.
struct CacheNotes {
  std::vector<std::pair<std::string, FileIdentity>> files;  ///< with external data: they must still be the same
  std::vector<std::string> defaults;  ///< inputs that have a default value
};

class CompileCache {
 public:
  /// The folder is made when the first program is kept. `most_bytes`: the oldest programs (by their last use) go when all together
  /// would hold more.
  CompileCache(std::string folder, int64_t most_bytes) : folder_(std::move(folder)), most_bytes_(most_bytes) {}

  struct Found {
    std::string_view program;
    std::shared_ptr<const void> owner;
    CacheNotes notes;
  };
  std::optional<Found> find(const std::string& key) const noexcept;
  /// `write` gives the program's bytes to its argument; false: there is no stored form. Returns whether the program is kept now.
  using Sink = FunctionRef<void(std::span<const std::byte>)>;
  bool put(const std::string& key, const CacheNotes& notes, FunctionRef<bool(Sink)> write) const noexcept;
  void remove(const std::string& key) const noexcept;
  std::string path_of(const std::string& key) const;

 private:
  std::optional<Found> read(const std::string& key) const;
  void make_room(int64_t bytes) const;
  std::string folder_;
  int64_t most_bytes_;
};

/// The build of this library: a stored program is good for the same one only.
std::string build_identity();
/// Device, inode, size, time of change and a hash of both ends of a file: the file as it is, without reading all of it.
std::string file_key(const MappedFile& file);
/// Hash of everything that a model in memory holds.
std::string content_key(const Model& model);

}  // namespace chorus
