// What `chorus scan` collects, and its look at an ONNX file's bytes that goes on where the reader refuses.
#pragma once
#include <chorus/error.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::app {

using Json = nlohmann::ordered_json;

enum class Severity : uint8_t { note, warning, error };
inline const char* name_of(Severity s) {
  return s == Severity::error ? "error" : s == Severity::warning ? "warning" : "note";
}

struct Finding {
  Severity severity = Severity::note;
  std::string what, where, fix;
};

struct Report {
  std::string file, kind = "unknown";
  int64_t bytes = 0;
  Json contents = Json::object();
  std::vector<Finding> findings;      ///< at most kMostFindings

  static constexpr size_t kMostFindings = 50;
  void add(Severity severity, std::string what, std::string where, std::string fix) {
    if (findings.size() < kMostFindings)
      findings.push_back({severity, std::move(what), std::move(where), std::move(fix)});
  }
  void add(const Error& error) {
    add(Severity::error, error.message(), error.where().empty() ? file : error.where(), error.fix());
  }
  const Finding& worst() const {
    const Finding* found = &findings.front();
    for (const Finding& f : findings) {
      if (f.severity > found->severity) found = &f;
    }
    return *found;
  }
  const char* verdict() const {
    if (findings.empty()) return "good";
    const Severity s = worst().severity;
    return s == Severity::error ? "refused" : s == Severity::warning ? "warning" : "good";
  }
};

/// Domains that are not ONNX's, and tensors that lie in other files: names that leave the folder, files that are not there or too short.
/// Never throws for what the bytes hold; the reader says what is wrong with the message itself.
void look_at_onnx(std::string_view bytes, Report& report);

}  // namespace chorus::app
