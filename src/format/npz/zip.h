// The part of ZIP (APPNOTE 6.3.10) that NumPy's files use: stored and deflated members, ZIP64. The central directory is the truth;
// members that overlap, leave the file, are encrypted or unpack to more than they say are refused.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::zip {

struct Member {
  std::string name;
  std::string_view packed;  ///< bytes in the file
  int64_t size = 0;  ///< unpacked
  uint32_t crc = 0;
  bool deflated = false;
};

/// At most `entries` members whose unpacked sizes sum to at most `total_bytes`; Error(budget) otherwise, before anything is unpacked.
std::vector<Member> directory(std::string_view file, int64_t entries, int64_t total_bytes);
/// The bytes of a deflated member; exactly `size` or Error(bad_input). The checksum is verified.
std::string inflate(const Member& member);
/// For stored members.
void verify(const Member& member);

/// Writes members one after the other through `sink`, then the directory.
class Writer {
 public:
  using Sink = std::function<void(std::string_view)>;
  explicit Writer(Sink sink) : sink_(std::move(sink)) {}
  /// The content is the parts in order. Stored content begins at a multiple of 64 bytes.
  void add(const std::string& name, const std::vector<std::string_view>& parts, bool deflated);
  void finish();

 private:
  void emit(std::string_view bytes) {
    sink_(bytes);
    written_ += static_cast<int64_t>(bytes.size());
  }
  Sink sink_;
  int64_t written_ = 0, count_ = 0;
  std::string directory_;
};

}  // namespace chorus::zip
