#include <chorus/error.h>
#include <core/cpu.h>
#include <core/file.h>
#include <core/json_depth.h>
#include <core/log.h>
#include <runtime/tuning_log.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace chorus {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "chorus tuning log";
constexpr int kVersion = 1;

/// FNV-1a: against damage, not against malice.
uint64_t sum_of(std::string_view text) noexcept {
  uint64_t sum = 0xcbf29ce484222325ULL;
  for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return sum;
}

bool is_plain(std::string_view text) noexcept {
  return !text.empty() && text.size() <= TuningLog::kMostText &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

Json steps_json(const std::vector<TuningLog::Step>& steps) {
  Json list = Json::array();
  for (const TuningLog::Step& s : steps)
    list.push_back({{"step", s.signature}, {"choice", s.choice}, {"before_us", s.before_us}, {"after_us", s.after_us}});
  return list;
}

std::string checksum_of(const Json& steps) { return fmt::format("{:016x}", sum_of(steps.dump())); }

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error(Code::bad_input, "the tuning log " + why, path, "`chorus tune` writes a new one; remove this file");
}

double microseconds(const Json& j, const std::string& path) {
  if (!j.is_number()) refuse(path, "is damaged: a time is not a number");
  const auto us = j.get<double>();
  if (!std::isfinite(us) || us < 0) refuse(path, "is damaged: a time is negative");
  return us;
}

TuningLog::Step step_of(const Json& j, const std::string& path) {
  if (!j.is_object() || j.size() != 4) refuse(path, "is damaged: a step has other fields");
  const auto text = [&](const char* key) {
    const auto found = j.find(key);
    if (found == j.end() || !found->is_string()) refuse(path, std::string("is damaged: a step lacks its ") + key);
    auto value = found->get<std::string>();
    if (!is_plain(value)) refuse(path, std::string("is damaged: a step has a bad ") + key);
    return value;
  };
  if (!j.contains("before_us") || !j.contains("after_us")) refuse(path, "is damaged: a step lacks its times");
  return {text("step"), text("choice"), microseconds(j["before_us"], path), microseconds(j["after_us"], path)};
}

void check_header(const Json& json, const std::string& path) {
  const auto text = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  if (text("format") != kFormat) refuse(path, "is another kind of file");
  if (json.value("version", Json()) != Json(kVersion)) refuse(path, "has another version of the format");
  if (text("processor") != cpu_info().brand || text("features") != to_string(cpu()))
    refuse(path, fmt::format("was made for another processor (\"{:.60}\")", text("processor")));
  if (text("library") != CHORUS_VERSION)
    refuse(path, fmt::format("was made by version {:.20} of this library", text("library")));
}

}  // namespace

std::string TuningLog::path_in(const std::string& folder) {
  return fmt::format("{}/tuning-{:016x}.json", folder,
                     sum_of(cpu_info().brand + "\n" + to_string(cpu()) + "\n" + CHORUS_VERSION));
}

TuningLog TuningLog::read(const std::string& path) {
  const std::string text = read_whole(path, kMostBytes);
  if (json_depth(text) > 4) refuse(path, "is damaged: it is nested too deep");
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) refuse(path, "is damaged: it is no JSON object");
  check_header(json, path);
  const auto list = json.find("steps");
  if (list == json.end() || !list->is_array()) refuse(path, "is damaged: it has no steps");
  if (list->size() > kMostSteps) refuse(path, fmt::format("has {} steps, more than {}", list->size(), kMostSteps));
  if (json.value("checksum", Json()) != Json(checksum_of(*list))) refuse(path, "is damaged: its checksum is wrong");
  TuningLog log;
  for (const Json& j : *list) log.steps_.push_back(step_of(j, path));
  log.index();
  if (log.by_signature_.size() != log.steps_.size()) refuse(path, "is damaged: a step is there twice");
  return log;
}

std::shared_ptr<const TuningLog> TuningLog::find(const std::string& path) noexcept {
  try {
    std::error_code error;
    if (!std::filesystem::exists(path, error)) return nullptr;
    return std::make_shared<const TuningLog>(read(path));
  } catch (const Error& error) {
    log(LogLevel::warning, "%s: %s; the cost model chooses", path.c_str(), error.message().c_str());
  } catch (const std::exception& error) {
    log(LogLevel::warning, "%s: the tuning log cannot be read: %s; the cost model chooses", path.c_str(), error.what());
  }
  return nullptr;
}

void TuningLog::index() {
  by_signature_.clear();
  for (size_t i = 0; i < steps_.size(); ++i) by_signature_.emplace(steps_[i].signature, i);
  identity_ = steps_.empty() ? std::string() : checksum_of(steps_json(steps_));
}

void TuningLog::put(Step step) {
  if (!is_plain(step.signature) || !is_plain(step.choice))
    throw Error(Code::bad_input, "a step of a tuning log has an empty, long or unprintable text");
  const auto known = by_signature_.find(step.signature);
  if (known != by_signature_.end()) steps_.erase(steps_.begin() + static_cast<std::ptrdiff_t>(known->second));
  steps_.push_back(std::move(step));
  if (steps_.size() > kMostSteps) steps_.erase(steps_.begin());
  index();
}

void TuningLog::drop(std::string_view signature) {
  const auto known = by_signature_.find(signature);
  if (known == by_signature_.end()) return;
  steps_.erase(steps_.begin() + static_cast<std::ptrdiff_t>(known->second));
  index();
}

void TuningLog::write(const std::string& path) const {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder);
  const Json steps = steps_json(steps_);
  const Json json = {{"format", kFormat},
                     {"version", kVersion},
                     {"processor", cpu_info().brand},
                     {"features", to_string(cpu())},
                     {"library", CHORUS_VERSION},
                     {"checksum", checksum_of(steps)},
                     {"steps", steps}};
  AtomicFile file(path);
  file.write(json.dump(1) + "\n");
  file.commit();
}

std::string_view TuningLog::choice(std::string_view signature) const noexcept {
  const auto found = by_signature_.find(signature);
  return found == by_signature_.end() ? std::string_view() : std::string_view(steps_[found->second].choice);
}

}  // namespace chorus
