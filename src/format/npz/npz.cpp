#include <chorus/error.h>
#include <core/file.h>
#include <format/npz/npy.h>
#include <format/npz/zip.h>
#include <fmt/format.h>

#include <unordered_set>

namespace chorus {
namespace {

std::pair<std::string_view, std::shared_ptr<const MappedFile>> open(const std::string& path, const NpzLimits& limits) {
  FileOptions options;
  options.max_bytes = limits.file_bytes;
  auto file = std::make_shared<const MappedFile>(path, options);
  const auto bytes = file->bytes();
  return {std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), std::move(file)};
}

std::string array_name(std::string_view member) {
  if (member.ends_with(".npy")) member.remove_suffix(4);
  return std::string(member);
}

void write_all(const NamedValues& entries, Packing packing, zip::Writer::Sink sink) {
  zip::Writer writer(std::move(sink));
  std::unordered_set<std::string_view> names;
  for (const auto& [name, value] : entries) {
    if (!names.insert(name).second) throw Error(Code::bad_input, fmt::format("two arrays have the name \"{}\"", name));
    npy::Encoded encoded;
    npy::encode(value, name, encoded);
    writer.add(name + ".npy", {encoded.header, encoded.elements}, packing == Packing::deflate);
  }
  writer.finish();
}

}  // namespace

NamedValues read_npz(std::string_view bytes, std::shared_ptr<const void> owner, const NpzLimits& limits) {
  NamedValues result;
  std::unordered_set<std::string> names;
  int64_t budget = limits.array_bytes;
  for (const zip::Member& member : zip::directory(bytes, limits.entries, limits.array_bytes)) {
    std::string name = array_name(member.name);
    if (!names.insert(name).second) throw Error(Code::bad_input, fmt::format("the file holds \"{}\" twice", name));
    if (member.deflated) {
      auto unpacked = std::make_shared<const std::string>(zip::inflate(member));
      Value value = npy::parse(*unpacked, unpacked, budget, name);
      result.emplace_back(std::move(name), std::move(value));
    } else {
      zip::verify(member);
      Value value = npy::parse(member.packed, owner, budget, name);
      result.emplace_back(std::move(name), std::move(value));
    }
  }
  return result;
}

NamedValues read_npz(const std::string& path, const NpzLimits& limits) {
  auto [bytes, file] = open(path, limits);
  try {
    return read_npz(bytes, file, limits);
  } catch (const Error& error) {
    throw error.at(path);
  }
}

Value read_npy(std::string_view bytes, std::shared_ptr<const void> owner, const NpzLimits& limits) {
  int64_t budget = limits.array_bytes;
  return npy::parse(bytes, std::move(owner), budget, "npy");
}

Value read_npy(const std::string& path, const NpzLimits& limits) {
  auto [bytes, file] = open(path, limits);
  try {
    return read_npy(bytes, file, limits);
  } catch (const Error& error) {
    throw error.at(path);
  }
}

std::string write_npz_bytes(const NamedValues& entries, Packing packing) {
  std::string out;
  write_all(entries, packing, [&](std::string_view bytes) { out.append(bytes); });
  return out;
}

void write_npz(const std::string& path, const NamedValues& entries, Packing packing) {
  AtomicFile file(path);
  write_all(entries, packing, [&](std::string_view bytes) { file.write(bytes); });
  file.commit();
}

void write_npy(const std::string& path, const Value& value) {
  npy::Encoded encoded;
  npy::encode(value, path, encoded);
  AtomicFile file(path);
  file.write(encoded.header);
  file.write(encoded.elements);
  file.commit();
}

}  // namespace chorus
