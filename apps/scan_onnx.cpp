#include "scan_onnx.h"

#include <core/file.h>
#include <format/protobuf/wire.h>
#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <map>
#include <set>

namespace chorus::app {
namespace {

constexpr int kDepth = 64;
constexpr int64_t kMessages = 1 << 21;

class Look {
 public:
  Look(std::string_view file, Report& report) : base_(file.data()), report_(report) {}

  void model(std::string_view bytes) {
    each(bytes, [&](const wire::Field& f) {
      if (f.number == 7) graph(f.bytes, 0);
      if (f.number == 8) domain(f.bytes);
      if (f.number == 25)
        each(f.bytes, [&](const wire::Field& inner) {
          if (inner.number == 7) node(inner.bytes, 0);
        });
    });
    finish();
  }

 private:
  struct Other {
    int64_t tensors = 0, bytes = 0;
  };

  // Goes on to the first damage; the reader names that.
  template <class F>
  void each(std::string_view bytes, F visit) {
    try {
      wire::Reader reader(bytes, base_);
      wire::Field field;
      while (++messages_ < kMessages && reader.next(field)) visit(field);
    } catch (const Error&) {
    }
  }

  void graph(std::string_view bytes, int depth) {
    if (depth > kDepth) return;
    each(bytes, [&](const wire::Field& f) {
      if (f.number == 1) node(f.bytes, depth);
      if (f.number == 5) tensor(f.bytes);
    });
  }

  void node(std::string_view bytes, int depth) {
    each(bytes, [&](const wire::Field& f) {
      if (f.number != 5) return;
      each(f.bytes, [&](const wire::Field& a) {
        if (a.number == 5 || a.number == 10) tensor(a.bytes);
        if (a.number == 6 || a.number == 11) graph(a.bytes, depth + 1);
      });
    });
  }

  void domain(std::string_view bytes) {
    each(bytes, [&](const wire::Field& f) {
      if (f.number == 1 && !f.bytes.empty() && !f.bytes.starts_with("ai.onnx"))
        domains_.emplace(f.bytes.substr(0, 200));
    });
  }

  void tensor(std::string_view bytes) {
    bool external = false;
    std::string name, location, offset, length;
    each(bytes, [&](const wire::Field& f) {
      if (f.number == 8) name = f.bytes.substr(0, 200);
      if (f.number == 14) external = f.value == 1;
      if (f.number != 13) return;
      std::string key, value;
      each(f.bytes, [&](const wire::Field& e) { (e.number == 1 ? key : value) = e.bytes.substr(0, 4096); });
      if (key == "location") location = value;
      if (key == "offset") offset = value;
      if (key == "length") length = value;
    });
    if (!external) return;
    const std::string where = fmt::format("tensor \"{}\", file offset {}", name, bytes.data() - base_);
    check_place(location, where);
    check_extent(location, offset, length, where);
    Other& other = files_[location];
    ++other.tensors;
    other.bytes += number_of(length);
  }

  static int64_t number_of(const std::string& text) {
    int64_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    return failed == std::errc{} && end == text.data() + text.size() ? value : -1;
  }

  void check_place(const std::string& location, const std::string& where) {
    try {
      static_cast<void>(Jail::checked(location));
    } catch (const Error& error) {
      report_.add(Severity::error, "external data: " + error.message(), where,
                  "a model's tensors lie beneath its own folder");
    }
  }

  void check_extent(const std::string& location, const std::string& offset, const std::string& length,
                    const std::string& where) {
    for (const auto& [what, text] : {std::pair("offset", offset), std::pair("length", length)}) {
      if (!text.empty() && number_of(text) < 0) {
        report_.add(Severity::error,
                    fmt::format("external data: {} is \"{}\", not a number of bytes", what, text.substr(0, 80)), where,
                    "");
        return;
      }
    }
    std::error_code error;
    const auto folder = std::filesystem::path(report_.file).parent_path();
    const auto file = folder / location;
    if (location.empty() || location.find("..") != std::string::npos || location[0] == '/') return;
    if (std::filesystem::is_symlink(file, error)) {
      report_.add(Severity::error, "external data lies behind a symbolic link: " + location, where,
                  "put the file itself there");
      return;
    }
    const auto size = std::filesystem::file_size(file, error);
    if (error) {
      report_.add(Severity::error, fmt::format("external data: the file \"{}\" is not there", location), where,
                  "put it beside the model");
      return;
    }
    const int64_t begin = offset.empty() ? 0 : number_of(offset), bytes = length.empty() ? 0 : number_of(length);
    if (begin > static_cast<int64_t>(size) || bytes > static_cast<int64_t>(size) - begin) {
      report_.add(Severity::error,
                  fmt::format("external data: {} bytes from {} on, but \"{}\" has {}", bytes, begin, location, size),
                  where, "the file was cut, or the model lies");
    }
  }

  void finish() {
    if (!domains_.empty()) {
      report_.contents["custom_domains"] = domains_;
      for (const std::string& d : domains_)
        report_.add(Severity::note, "operators of a domain of its own: " + d, report_.file, "");
    }
    if (files_.empty()) return;
    report_.contents["external_data"] = Json::array();
    for (const auto& [file, other] : files_)
      report_.contents["external_data"].push_back({{"file", file}, {"tensors", other.tensors}, {"bytes", other.bytes}});
  }

  const char* base_;
  Report& report_;
  int64_t messages_ = 0;
  std::set<std::string> domains_;
  std::map<std::string, Other> files_;
};

}  // namespace

void look_at_onnx(std::string_view bytes, Report& report) { Look(bytes, report).model(bytes); }

}  // namespace chorus::app
