// What "auto" found, in its settings and in its file.
#include <engine/placement/auto.h>

#include <core/file.h>
#include <core/json_depth.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <filesystem>

namespace chorus::placement {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostBytes = 1 << 20, kMostEntries = 128, kMostCandidates = 64, kMostText = 1000;
constexpr int kVersion = 1;

[[noreturn]] void refuse() { throw Error(Code::bad_input, "what was remembered is not what is written there"); }

// Exactly these names, of these kinds.
const Json& member(const Json& object, const char* name, Json::value_t kind) {
  const auto it = object.find(name);
  if (it == object.end()) refuse();
  const bool number = kind == Json::value_t::number_float && it->is_number();
  if (it->type() != kind && !number) refuse();
  return *it;
}

std::string text(const Json& object, const char* name) {
  auto value = member(object, name, Json::value_t::string).get<std::string>();
  if (value.size() > kMostText) refuse();
  return value;
}

std::vector<std::string> texts(const Json& object, const char* name) {
  std::vector<std::string> list;
  const Json& array = member(object, name, Json::value_t::array);
  if (array.size() > kMostCandidates) refuse();
  for (const Json& item : array) {
    if (!item.is_string() || item.get_ref<const std::string&>().size() > kMostText) refuse();
    list.push_back(item.get<std::string>());
  }
  return list;
}

double number(const Json& object, const char* name) {
  const double x = member(object, name, Json::value_t::number_float).get<double>();
  if (!std::isfinite(x) || x < 0) refuse();
  return x;
}

Json candidate_json(const Candidate& c) {
  return {{"name", c.name.substr(0, kMostText)},
          {"cut", c.cut},
          {"ms", c.ms},
          {"error", std::isfinite(c.error) ? c.error : 1e300},
          {"reason", c.reason.substr(0, kMostText)},
          {"note", c.note.substr(0, kMostText)}};
}

Candidate candidate_of(const Json& json) {
  if (!json.is_object() || json.size() != 6) refuse();
  return {text(json, "name"),    texts(json, "cut"),   number(json, "ms"),
          number(json, "error"), text(json, "reason"), text(json, "note")};
}

Answer answer_of(const Json& entry) {
  if (!entry.is_object() || entry.size() != 3) refuse();
  Answer answer;
  answer.remembered = true;
  const Json& candidates = member(entry, "candidates", Json::value_t::array);
  if (candidates.empty() || candidates.size() > kMostCandidates) refuse();
  for (const Json& c : candidates) answer.candidates.push_back(candidate_of(c));
  const Json& chosen = member(entry, "chosen", Json::value_t::number_unsigned);
  answer.chosen = chosen.get<size_t>();
  if (answer.chosen >= answer.candidates.size() || !answer.candidates[answer.chosen].reason.empty()) refuse();
  return answer;
}

// The entries, oldest first; none when any part of the file is not as it is written.
std::vector<std::pair<std::string, Answer>> read(const std::string& path) {
  std::error_code missing;
  if (!std::filesystem::exists(path, missing)) return {};
  FileOptions options;
  options.symlinks = Symlinks::refuse;
  options.max_bytes = kMostBytes;
  const MappedFile file(path, options);
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (json_depth(bytes) > 8) refuse();
  const Json json = Json::parse(bytes, nullptr, false);
  if (!json.is_object() || json.size() != 2) refuse();
  if (member(json, "version", Json::value_t::number_unsigned).get<int64_t>() != kVersion) refuse();
  const Json& entries = member(json, "entries", Json::value_t::array);
  if (entries.size() > kMostEntries) refuse();
  std::vector<std::pair<std::string, Answer>> list;
  for (const Json& entry : entries) list.emplace_back(text(entry, "key"), answer_of(entry));
  return list;
}

}  // namespace

std::string to_json(const AutoSettings& s) {
  return Json{{"engines", s.engines}, {"bound", s.bound}, {"folder", s.folder}, {"build", s.build}}.dump(
      -1, ' ', false, Json::error_handler_t::replace);
}

AutoSettings auto_settings(std::string_view json) {
  AutoSettings s;
  if (json.empty()) return s;
  const Json parsed = json_depth(json) > 8 ? Json() : Json::parse(json, nullptr, false);
  try {
    if (!parsed.is_object()) refuse();
    for (const auto& [key, value] : parsed.items()) {
      if (key == "engines")
        s.engines = texts(parsed, "engines");
      else if (key == "bound")
        s.bound = number(parsed, "bound");
      else if (key == "folder")
        s.folder = value.get<std::string>();
      else if (key == "build")
        s.build = value.get<std::string>();
      else
        refuse();
    }
  } catch (const std::exception&) {
    throw Error(Code::bad_input, "engine auto: its settings are not an object with engines, bound, folder and build");
  }
  return s;
}

bool AutoLog::find(const std::string& key, Answer* answer) const noexcept {
  try {
    for (auto& [known, entry] : read(path())) {
      if (known != key) continue;
      *answer = std::move(entry);
      return true;
    }
  } catch (const std::exception&) {   // measured anew
  }
  return false;
}

void AutoLog::put(const std::string& key, const Answer& answer) const noexcept {
  try {
    std::vector<std::pair<std::string, Answer>> all;
    try {
      all = read(path());
    } catch (const std::exception&) {   // replaced
    }
    std::erase_if(all, [&](const auto& entry) { return entry.first == key; });
    all.emplace_back(key, answer);
    std::string bytes;
    for (size_t drop = all.size() > kMostEntries ? all.size() - kMostEntries : 0;; drop = drop * 2 + 1) {
      if (drop >= all.size()) return;   // one answer that is too large
      Json entries = Json::array();
      for (size_t i = drop; i < all.size(); ++i) {
        Json candidates = Json::array();
        for (const Candidate& c : all[i].second.candidates) candidates.push_back(candidate_json(c));
        entries.push_back({{"key", all[i].first}, {"candidates", candidates}, {"chosen", all[i].second.chosen}});
      }
      bytes = Json{{"version", kVersion}, {"entries", entries}}.dump(-1, ' ', false, Json::error_handler_t::replace);
      if (bytes.size() <= kMostBytes) break;
    }
    std::filesystem::create_directories(folder_);
    AtomicFile file(path());
    file.write(bytes);
    file.commit();
  } catch (const std::exception&) {   // a full disk, a folder without permission: measured next time too
  }
}

}  // namespace chorus::placement
