#include <chorus/error.h>
#include <core/cpu.h>
#include <graph/image.h>
#include <runtime/compile_cache.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <link.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>

namespace chorus {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::string_view kSuffix = ".chorus-program";
constexpr char kMagic[8] = {'C', 'H', 'O', 'R', 'U', 'S', 'C', '1'};

/// Behind the program: key, notes, then this.
struct Footer {
  char magic[8];
  uint64_t program_bytes = 0, key_bytes = 0, notes_bytes = 0;
  uint64_t program_sum = 0, text_sum = 0;      // of the program; of key, notes and the numbers above
};

/// A checksum against damage, not against malice: four lanes, as fast as memory.
class Sum {
 public:
  void add(const std::byte* data, size_t bytes) {
    total_ += bytes;
    while (bytes > 0 && filled_ > 0) {
      take_tail(data, bytes);
    }
    for (; bytes >= kBlock; bytes -= kBlock, data += kBlock) block(data);
    if (bytes > 0) take_tail(data, bytes);
  }
  void add(std::string_view text) { add(reinterpret_cast<const std::byte*>(text.data()), text.size()); }
  uint64_t value() {
    if (filled_ > 0) {
      std::memset(tail_.data() + filled_, 0, kBlock - filled_);
      block(tail_.data());
      filled_ = 0;
    }
    uint64_t sum = total_ * kPrime;
    for (uint64_t lane : lanes_) sum = (sum ^ lane ^ (lane >> 29)) * kPrime;
    return sum ^ (sum >> 32);
  }

 private:
  static constexpr size_t kLanes = 4, kBlock = 8 * kLanes;
  static constexpr uint64_t kPrime = 0x9e3779b185ebca87ULL;
  void block(const std::byte* data) {
    std::array<uint64_t, kLanes> words;
    std::memcpy(words.data(), data, kBlock);
    for (size_t i = 0; i < kLanes; ++i) {
      const uint64_t mixed = (lanes_[i] ^ words[i]) * kPrime;
      lanes_[i] = mixed ^ (mixed >> 31);
    }
  }
  void take_tail(const std::byte*& data, size_t& bytes) {
    const size_t take = std::min(bytes, kBlock - filled_);
    std::memcpy(tail_.data() + filled_, data, take);
    filled_ += take;
    data += take;
    bytes -= take;
    if (filled_ == kBlock) {
      block(tail_.data());
      filled_ = 0;
    }
  }
  std::array<uint64_t, kLanes> lanes_ = {1, 2, 3, 4};
  std::array<std::byte, kBlock> tail_{};
  size_t filled_ = 0;
  uint64_t total_ = 0;
};

uint64_t sum_of(std::string_view bytes) {
  Sum sum;
  sum.add(bytes);
  return sum.value();
}

uint64_t text_sum(std::string_view key, std::string_view notes, const Footer& footer) {
  Sum sum;
  sum.add(key);
  sum.add(notes);
  sum.add({reinterpret_cast<const char*>(&footer), offsetof(Footer, text_sum)});
  return sum.value();
}

Json identity_json(const FileIdentity& id) { return {id.device, id.inode, id.size, id.mtime_ns}; }

std::string notes_text(const CacheNotes& notes) {
  Json files = Json::array();
  for (const auto& [path, id] : notes.files) files.push_back({{"path", path}, {"identity", identity_json(id)}});
  return Json{{"files", files}, {"defaults", notes.defaults}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// The notes, when all files are still what they were.
std::optional<CacheNotes> read_notes(std::string_view text) {
  const Json json = Json::parse(text);
  CacheNotes notes;
  for (const Json& file : json.at("files")) {
    const auto path = file.at("path").get<std::string>();
    const MappedFile now(path);
    if (identity_json(now.identity()) != file.at("identity")) return std::nullopt;
    notes.files.emplace_back(path, now.identity());
  }
  notes.defaults = json.at("defaults").get<std::vector<std::string>>();
  return notes;
}

struct Stored {
  fs::path path;
  int64_t bytes = 0;
  fs::file_time_type used;
};

}  // namespace

std::string CompileCache::path_of(const std::string& key) const {
  return fmt::format("{}/{:016x}{:016x}{}", folder_, sum_of(key), sum_of("second " + key), kSuffix);
}

std::optional<CompileCache::Found> CompileCache::read(const std::string& key) const {
  const std::string path = path_of(key);
  FileOptions options;
  options.symlinks = Symlinks::refuse;
  auto file = std::make_shared<MappedFile>(path, options);
  const std::string_view bytes(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  Footer footer;
  if (bytes.size() < sizeof footer) return std::nullopt;
  std::memcpy(&footer, bytes.data() + bytes.size() - sizeof footer, sizeof footer);
  const uint64_t room = bytes.size() - sizeof footer;
  if (std::memcmp(footer.magic, kMagic, sizeof kMagic) != 0 || footer.key_bytes != key.size() ||
      footer.key_bytes > room || footer.notes_bytes > room - footer.key_bytes ||
      footer.program_bytes != room - footer.key_bytes - footer.notes_bytes) {
    return std::nullopt;
  }
  const std::string_view program = bytes.substr(0, footer.program_bytes),
                         stored_key = bytes.substr(footer.program_bytes, footer.key_bytes),
                         notes = bytes.substr(footer.program_bytes + footer.key_bytes, footer.notes_bytes);
  if (stored_key != key || text_sum(stored_key, notes, footer) != footer.text_sum ||
      sum_of(program) != footer.program_sum)
    return std::nullopt;
  auto read = read_notes(notes);
  if (!read) return std::nullopt;
  utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);  // used now: the oldest go first
  return Found{program, std::move(file), std::move(*read)};
}

std::optional<CompileCache::Found> CompileCache::find(const std::string& key) const noexcept {
  try {
    std::error_code error;
    if (!fs::exists(path_of(key), error)) return std::nullopt;
    try {
      if (auto found = read(key)) return found;
    } catch (const std::exception&) {  // an unreadable or damaged file is no program
    }
    remove(key);
  } catch (const std::exception&) {
  }
  return std::nullopt;
}

void CompileCache::remove(const std::string& key) const noexcept {
  try {
    std::error_code error;
    fs::remove(path_of(key), error);
  } catch (const std::exception&) {
  }
}

void CompileCache::make_room(int64_t bytes) const {
  std::vector<Stored> all;
  int64_t sum = bytes;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    std::error_code error;
    const std::string name = entry.path().filename().string();
    const bool left =
        name.starts_with(".chorus-") && name.ends_with(".tmp");  // perhaps by a process that died while it wrote
    if ((!left && !name.ends_with(kSuffix)) || !entry.is_regular_file(error)) continue;
    const auto used = entry.last_write_time(error);
    if (error) continue;
    if (left) {
      if (fs::file_time_type::clock::now() - used > std::chrono::hours(1)) fs::remove(entry.path(), error);
      continue;
    }
    all.push_back({entry.path(), static_cast<int64_t>(entry.file_size(error)), used});
    sum += all.back().bytes;
  }
  std::sort(all.begin(), all.end(), [](const Stored& a, const Stored& b) { return a.used < b.used; });
  for (const Stored& s : all) {
    if (sum <= most_bytes_) return;
    std::error_code error;
    if (fs::remove(s.path, error)) sum -= s.bytes;
  }
}

bool CompileCache::put(const std::string& key, const CacheNotes& notes, FunctionRef<bool(Sink)> write) const noexcept {
  try {
    fs::create_directories(folder_);
    AtomicFile file(path_of(key));
    Sum sum;
    bool fits = true;
    const bool stored = write([&](std::span<const std::byte> bytes) {
      fits = fits && file.written() + static_cast<int64_t>(bytes.size()) <= most_bytes_;
      if (!fits) return;
      file.write(bytes);
      sum.add(bytes.data(), bytes.size());
    });
    if (!stored || !fits) return false;
    const std::string text = notes_text(notes);
    Footer footer;
    std::memcpy(footer.magic, kMagic, sizeof kMagic);
    footer.program_bytes = static_cast<uint64_t>(file.written());
    footer.key_bytes = key.size();
    footer.notes_bytes = text.size();
    footer.program_sum = sum.value();
    footer.text_sum = text_sum(key, text, footer);
    file.write(key);
    file.write(text);
    file.write(std::as_bytes(std::span(&footer, 1)));
    make_room(file.written());
    file.commit();
    return true;
  } catch (const std::exception&) {  // a full disk, a folder without permission: the program is compiled next time too
    return false;
  }
}

namespace {

struct BuildId {
  uintptr_t address = 0;
  std::string text;
};

/// The build id that the linker wrote into the object that holds an address.
int find_build_id(dl_phdr_info* info, size_t, void* user) {
  auto& found = *static_cast<BuildId*>(user);
  bool here = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& p = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + p.p_vaddr;
    here = here || (p.p_type == PT_LOAD && found.address >= begin && found.address < begin + p.p_memsz);
  }
  for (int i = 0; here && i < info->dlpi_phnum; ++i) {
    const auto& p = info->dlpi_phdr[i];
    if (p.p_type != PT_NOTE) continue;
    const auto* at = reinterpret_cast<const char*>(info->dlpi_addr + p.p_vaddr);
    const char* const end = at + p.p_memsz;
    while (end - at >= static_cast<ptrdiff_t>(sizeof(ElfW(Nhdr)))) {
      const auto* note = reinterpret_cast<const ElfW(Nhdr)*>(at);
      const char* name = at + sizeof *note;
      const char* content = name + (note->n_namesz + 3) / 4 * 4;
      if (note->n_type == NT_GNU_BUILD_ID) {
        for (uint32_t b = 0; b < note->n_descsz; ++b)
          found.text += fmt::format("{:02x}", static_cast<unsigned char>(content[b]));
        return 1;
      }
      at = content + (note->n_descsz + 3) / 4 * 4;
    }
  }
  return here ? 1 : 0;
}

}  // namespace

std::string build_identity() {
  static const std::string identity = [] {
    BuildId found;
    found.address = reinterpret_cast<uintptr_t>(&build_identity);
    dl_iterate_phdr(&find_build_id, &found);
    return found.text;
  }();
  return identity;
}

std::string file_key(const MappedFile& file) {
  constexpr size_t kEnd = 1 << 16;
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  const FileIdentity& id = file.identity();
  return fmt::format("file {} {} {} {} {:016x} {:016x}", id.device, id.inode, id.size, id.mtime_ns,
                     sum_of(bytes.substr(0, kEnd)), sum_of(bytes.substr(bytes.size() - std::min(bytes.size(), kEnd))));
}

std::string content_key(const Model& model) {
  Sum sum, second;
  second.add("second");
  int64_t bytes = 0;
  Model unnamed = model;
  unnamed.source.clear();
  save_image(unnamed, [&](std::span<const std::byte> part) {
    sum.add(part.data(), part.size());
    second.add(part.data(), part.size());
    bytes += static_cast<int64_t>(part.size());
  });
  return fmt::format("content {} {:016x} {:016x}", bytes, sum.value(), second.value());
}

}  // namespace chorus
