#include <chorus/error.h>

#include <cstdarg>
#include <cstdio>
#include <utility>

namespace chorus {
namespace {

// A name taken from a hostile file may be gigabytes long or hold terminal escapes; the text shown to a person does not.
constexpr size_t kPartLimit = 64 * 1024;

void append_shown(std::string& out, std::string_view part) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (char c : part.substr(0, kPartLimit)) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= 0x20 && byte != 0x7f) || c == '\n' || c == '\t') {
      out += c;
    } else {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  if (part.size() > kPartLimit) out += "... (" + std::to_string(part.size()) + " bytes)";
}

}  // namespace

std::string_view code_name(Code code) noexcept {
  switch (code) {
    case Code::ok: return "ok";
    case Code::unsupported: return "unsupported";
    case Code::bad_input: return "bad_input";
    case Code::budget: return "budget";
    case Code::cancelled: return "cancelled";
    case Code::timeout: return "timeout";
    case Code::device_lost: return "device_lost";
    case Code::internal: return "internal";
    case Code::not_found: return "not_found";
    case Code::already_exists: return "already_exists";
    case Code::unavailable: return "unavailable";
    case Code::shape: return "shape";
    case Code::type: return "type";
  }
  return "unknown";  // a number from an engine built against a later header
}

Error::Error(Code code, std::string what, std::string where, std::string fix)
    : code_(code), what_(std::move(what)), where_(std::move(where)), fix_(std::move(fix)) {
  compose();
}

Error::~Error() = default;
Error::Error(const Error&) = default;
Error& Error::operator=(const Error&) = default;

void Error::compose() {
  text_.clear();
  append_shown(text_, what_);
  if (!where_.empty()) {
    text_ += "\n  where: ";
    append_shown(text_, where_);
  }
  if (!fix_.empty()) {
    text_ += "\n  fix:   ";
    append_shown(text_, fix_);
  }
}

Error Error::at(std::string_view outer) const {
  if (outer.empty()) return *this;
  std::string where = where_;
  if (!where.empty()) where += "; ";
  where += outer;
  return Error(code_, what_, std::move(where), fix_);
}

Status Status::error(Code code, const char* format, ...) noexcept {
  Status status;
  status.code = code;
  std::va_list args;
  va_start(args, format);
  const int length = std::vsnprintf(status.text, sizeof status.text, format, args);
  va_end(args);
  if (length < 0) {
    status.text[0] = '\0';
  } else if (static_cast<size_t>(length) >= sizeof status.text) {
    // Do not leave half of a UTF-8 character at the cut: step back over its continuation bytes, then look at the lead.
    size_t end = sizeof status.text - 1;
    size_t lead = end;
    while (lead > 0 && end - lead < 4 && (static_cast<unsigned char>(status.text[lead - 1]) & 0xC0) == 0x80) --lead;
    if (lead > 0) {
      const auto byte = static_cast<unsigned char>(status.text[lead - 1]);
      const size_t want = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
      if (want > 1 && end - (lead - 1) < want) status.text[lead - 1] = '\0';
    }
  }
  return status;
}

}  // namespace chorus
