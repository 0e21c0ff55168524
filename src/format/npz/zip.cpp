#include <chorus/error.h>
#include <format/npz/zip.h>
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace chorus::zip {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw Error(Code::bad_input, "zip: " + what, {}, "the file is damaged or no .npz");
}

uint64_t get(std::string_view bytes, size_t at, size_t width) {
  if (at > bytes.size() || width > bytes.size() - at) fail(fmt::format("it ends inside a record at byte {}", at));
  uint64_t v = 0;
  for (size_t i = 0; i < width; ++i) v |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[at + i])) << (8 * i);
  return v;
}

std::string_view part(std::string_view file, uint64_t at, uint64_t length, const char* what) {
  if (at > file.size() || length > file.size() - at)
    fail(fmt::format("{} lies outside the file (at {}, {} bytes, file {})", what, at, length, file.size()));
  return file.substr(at, length);
}

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kLocator64 = 0x07064b50;

struct End {
  uint64_t entries = 0, bytes = 0, at = 0;
};

// The end record is the last one of its signature whose comment fills the file exactly.
End find_end(std::string_view file) {
  if (file.size() < 22) fail("it is too short");
  const size_t lowest = file.size() > 22 + 65535 ? file.size() - 22 - 65535 : 0;
  for (size_t at = file.size() - 22;; --at) {
    if (get(file, at, 4) == kEnd && at + 22 + get(file, at + 20, 2) == file.size()) {
      End end{get(file, at + 10, 2), get(file, at + 12, 4), get(file, at + 16, 4)};
      const bool large = end.entries == 0xffff || end.bytes == 0xffffffff || end.at == 0xffffffff;
      if (large && at >= 20 && get(file, at - 20, 4) == kLocator64) {
        const std::string_view record = part(file, get(file, at - 12, 8), 56, "the end record");
        if (get(record, 0, 4) != kEnd64) fail("there is no ZIP64 end record where its locator says");
        end = {get(record, 32, 8), get(record, 40, 8), get(record, 48, 8)};
      }
      return end;
    }
    if (at == lowest) break;
  }
  fail("there is no end record");
}

// Sizes and offset that did not fit 32 bits follow in the extra field 1, in this order, each only when its short form is all ones.
void read_zip64(std::string_view extra, uint64_t& size, uint64_t& packed, uint64_t& at) {
  while (extra.size() >= 4) {
    const uint64_t id = get(extra, 0, 2), length = get(extra, 2, 2);
    const std::string_view field = part(extra, 4, length, "an extra field");
    if (id == 1) {
      size_t k = 0;
      for (uint64_t* v : {&size, &packed, &at}) {
        if (*v != 0xffffffff) continue;
        *v = get(field, k, 8);
        k += 8;
      }
    }
    extra.remove_prefix(4 + length);
  }
}

void put(std::string& out, uint64_t v, int width) {
  for (int i = 0; i < width; ++i) out.push_back(static_cast<char>(v >> (8 * i) & 255));
}

uint32_t checksum(std::string_view bytes, uint32_t crc = 0) {
  return static_cast<uint32_t>(crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// Owns the zlib stream so that an Error on the way frees it.
struct Stream {
  z_stream z{};
  int (*end)(z_streamp) = nullptr;
  ~Stream() {
    if (end != nullptr) end(&z);
  }
};

constexpr size_t kChunk = size_t{1} << 30;  // zlib counts in 32 bits

std::string deflate_parts(const std::vector<std::string_view>& parts) {
  Stream s;
  if (deflateInit2(&s.z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw Error(Code::budget, "zlib has no memory");
  s.end = deflateEnd;
  std::string out;
  std::string room(size_t{1} << 18, '\0');
  auto pump = [&](int flush) {
    do {
      s.z.next_out = reinterpret_cast<Bytef*>(room.data());
      s.z.avail_out = static_cast<uInt>(room.size());
      deflate(&s.z, flush);
      out.append(room, 0, room.size() - s.z.avail_out);
    } while (s.z.avail_out == 0);
  };
  for (std::string_view bytes : parts) {
    while (!bytes.empty()) {
      const size_t n = std::min(bytes.size(), kChunk);
      s.z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
      s.z.avail_in = static_cast<uInt>(n);
      pump(Z_NO_FLUSH);
      bytes.remove_prefix(n);
    }
  }
  s.z.avail_in = 0;
  pump(Z_FINISH);
  return out;
}

/// The extra field of numbers that have no room in 32 bits.
std::string wide_sizes(uint64_t size, uint64_t packed_size, std::optional<uint64_t> at = {}) {
  std::string field;
  put(field, 1, 2);
  put(field, at ? 24 : 16, 2);
  put(field, size, 8);
  put(field, packed_size, 8);
  if (at) put(field, *at, 8);
  return field;
}

/// An extra field that moves what begins behind it at `begin` to a multiple of 64.
void put_padding(std::string& extra, uint64_t begin) {
  const uint64_t pad = (64 - begin % 64) % 64;
  put(extra, 0xd935, 2);
  put(extra, pad, 2);
  extra.append(pad, '\0');
}

}  // namespace

std::vector<Member> directory(std::string_view file, int64_t entries, int64_t total_bytes) {
  const End end = find_end(file);
  std::string_view list = part(file, end.at, end.bytes, "the directory");
  if (end.entries > static_cast<uint64_t>(entries))
    throw Error(Code::budget, fmt::format("the zip has {} entries; the limit is {}", end.entries, entries));
  if (end.entries > end.bytes / 46)
    fail(fmt::format("{} entries do not fit into a directory of {} bytes", end.entries, end.bytes));
  std::vector<Member> members;
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  int64_t total = 0;
  for (uint64_t i = 0; i < end.entries; ++i) {
    if (get(list, 0, 4) != kCentral) fail(fmt::format("entry {} has no header", i));
    const uint64_t flags = get(list, 8, 2), method = get(list, 10, 2);
    const uint64_t name_bytes = get(list, 28, 2), extra_bytes = get(list, 30, 2), comment_bytes = get(list, 32, 2);
    uint64_t packed = get(list, 20, 4), size = get(list, 24, 4), at = get(list, 42, 4);
    Member m;
    m.name = part(list, 46, name_bytes, "a name");
    m.crc = static_cast<uint32_t>(get(list, 16, 4));
    read_zip64(part(list, 46 + name_bytes, extra_bytes, "an extra field"), size, packed, at);
    part(list, 46 + name_bytes + extra_bytes, comment_bytes, "a comment");
    list.remove_prefix(46 + name_bytes + extra_bytes + comment_bytes);
    if ((flags & 1) != 0) fail(fmt::format("\"{}\" is encrypted", m.name));
    if (method != 0 && method != 8)
      fail(fmt::format("\"{}\" is packed by method {}; stored and deflated are read", m.name, method));
    m.deflated = method == 8;
    const std::string_view local = part(file, at, 30, "a local header");
    if (get(local, 0, 4) != kLocal) fail(fmt::format("\"{}\" has no local header", m.name));
    const uint64_t begin = at + 30 + get(local, 26, 2) + get(local, 28, 2);
    m.packed = part(file, begin, packed, m.name.c_str());
    if (!m.deflated && size != packed)
      fail(fmt::format("\"{}\" is stored in {} bytes but says {}", m.name, packed, size));
    // Deflate cannot pack better than 1032 to 1: more is a lie that would only cost memory.
    if (size > uint64_t{1} << 62 || size / 1032 > packed + 1)
      fail(fmt::format("\"{}\" says {} bytes unpacked from {}", m.name, size, packed));
    m.size = static_cast<int64_t>(size);
    if (m.size > total_bytes - total)
      throw Error(Code::budget,
                  fmt::format("zip: \"{}\" unpacks to {} bytes; {} of {} are spent", m.name, size, total, total_bytes));
    total += m.size;
    ranges.emplace_back(at, begin + packed);
    members.push_back(std::move(m));
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) fail("two entries share bytes");
  }
  return members;
}

std::string inflate(const Member& member) {
  Stream s;
  if (inflateInit2(&s.z, -15) != Z_OK) throw Error(Code::budget, "zlib has no memory");
  s.end = inflateEnd;
  std::string out(static_cast<size_t>(member.size), '\0');
  std::string_view in = member.packed;
  size_t made = 0;
  int status = Z_OK;
  char one_more = 0;  // room for a byte too many, so that a lie about the size is seen
  while (status == Z_OK) {
    const size_t n = std::min(in.size(), kChunk), room = std::min(out.size() - made, kChunk);
    s.z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    s.z.avail_in = static_cast<uInt>(n);
    s.z.next_out = room > 0 ? reinterpret_cast<Bytef*>(out.data() + made) : reinterpret_cast<Bytef*>(&one_more);
    s.z.avail_out = room > 0 ? static_cast<uInt>(room) : 1;
    status = ::inflate(&s.z, Z_NO_FLUSH);
    in.remove_prefix(n - s.z.avail_in);
    if (room == 0 && s.z.avail_out == 0)
      fail(fmt::format("\"{}\" unpacks to more than {} bytes", member.name, member.size));
    if (room > 0) made += room - s.z.avail_out;
  }
  if (status != Z_STREAM_END || made != out.size())
    fail(fmt::format("\"{}\" is damaged: {} of {} bytes could be unpacked", member.name, made, member.size));
  if (checksum(out) != member.crc) fail(fmt::format("\"{}\" is damaged: the checksum differs", member.name));
  return out;
}

void verify(const Member& member) {
  if (checksum(member.packed) != member.crc) fail(fmt::format("\"{}\" is damaged: the checksum differs", member.name));
}

void Writer::add(const std::string& name, const std::vector<std::string_view>& parts, bool deflated) {
  if (name.size() > 65535) throw Error(Code::bad_input, "the name of an array has more than 65535 bytes");
  uint64_t size = 0;
  uint32_t crc = 0;
  for (std::string_view p : parts) {
    size += p.size();
    crc = checksum(p, crc);
  }
  const std::string packed = deflated ? deflate_parts(parts) : std::string();
  const uint64_t packed_size = deflated ? packed.size() : size;
  const auto at = static_cast<uint64_t>(written_);
  const bool large = size >= 0xffffffff || packed_size >= 0xffffffff;
  std::string extra = large ? wide_sizes(size, packed_size) : std::string();
  if (!deflated) put_padding(extra, at + 30 + name.size() + extra.size() + 4);
  auto common = [&](std::string& out, uint64_t short_size, uint64_t short_packed, uint64_t extra_bytes) {
    put(out, large ? 45 : 20, 2);
    put(out, 0x800, 2);  // the name is UTF-8
    put(out, deflated ? 8 : 0, 2);
    put(out, 0x00210000, 4);  // 1980-01-01: equal content gives equal files
    put(out, crc, 4);
    put(out, short_packed, 4);
    put(out, short_size, 4);
    put(out, name.size(), 2);
    put(out, extra_bytes, 2);
  };
  std::string header;
  put(header, kLocal, 4);
  common(header, large ? 0xffffffff : size, large ? 0xffffffff : packed_size, extra.size());
  emit(header + name + extra);
  if (deflated)
    emit(packed);
  else
    for (std::string_view p : parts) emit(p);

  const std::string wide = large || at >= 0xffffffff ? wide_sizes(size, packed_size, at) : std::string();
  const bool all_wide = !wide.empty();
  put(directory_, kCentral, 4);
  put(directory_, 45, 2);
  common(directory_, all_wide ? 0xffffffff : size, all_wide ? 0xffffffff : packed_size, wide.size());
  put(directory_, 0, 2);  // comment
  put(directory_, 0, 2);  // disk
  put(directory_, 0, 2);  // internal attributes
  put(directory_, 0, 4);  // external attributes
  put(directory_, all_wide ? 0xffffffff : at, 4);
  directory_ += name + wide;
  ++count_;
}

void Writer::finish() {
  const auto at = static_cast<uint64_t>(written_), count = static_cast<uint64_t>(count_);
  std::string end;
  if (count >= 0xffff || at >= 0xffffffff || directory_.size() >= 0xffffffff) {
    put(end, kEnd64, 4);
    put(end, 44, 8);
    put(end, 45, 2);
    put(end, 45, 2);
    put(end, 0, 8);  // disks
    put(end, count, 8);
    put(end, count, 8);
    put(end, directory_.size(), 8);
    put(end, at, 8);
    put(end, kLocator64, 4);
    put(end, 0, 4);
    put(end, at + directory_.size(), 8);
    put(end, 1, 4);
  }
  put(end, kEnd, 4);
  put(end, 0, 4);
  put(end, std::min<uint64_t>(count, 0xffff), 2);
  put(end, std::min<uint64_t>(count, 0xffff), 2);
  put(end, std::min<uint64_t>(directory_.size(), 0xffffffff), 4);
  put(end, std::min<uint64_t>(at, 0xffffffff), 4);
  put(end, 0, 2);
  emit(directory_);
  emit(end);
}

}  // namespace chorus::zip
