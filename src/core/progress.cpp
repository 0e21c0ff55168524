#include <core/progress.h>

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace chorus {
namespace {

constexpr int64_t kReportNs = 50'000'000;

// "0:07", "12:30", "3:05:00"
std::string duration(double seconds) {
  char text[32];
  const auto whole = static_cast<int64_t>(std::min(std::ceil(seconds), 359'999.0));  // 99:59:59
  const auto hours = static_cast<int>(whole / 3600), minutes = static_cast<int>(whole / 60 % 60);
  const auto rest = static_cast<int>(whole % 60);
  if (hours > 0) {
    std::snprintf(text, sizeof text, "%d:%02d:%02d", hours, minutes, rest);
  } else {
    std::snprintf(text, sizeof text, "%d:%02d", minutes, rest);
  }
  return text;
}

// "7.0", "1.2k", "35M"
std::string short_number(double value) {
  static constexpr const char* kUnits[] = {"", "k", "M", "G", "T"};
  int unit = 0;
  while (value >= 999.5 && unit < 4) {
    value /= 1000;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, value < 9.95 ? "%.1f%s" : "%.0f%s", value, kUnits[unit]);
  return text;
}

// At most `columns` characters of UTF-8, control characters shown as '?'.
std::string shown(std::string_view text, int columns) {
  std::string result;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) != 0x80 && --columns < 0) break;
    result += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  return result;
}

int terminal_width(int descriptor) {
  struct winsize size {};
  return ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

ProgressSink::~ProgressSink() = default;

// ---- Progress ----

Progress::Progress(ProgressSink* sink, std::string stage, int64_t total)
    : sink_(sink), stage_(std::move(stage)), total_(std::max<int64_t>(total, 0)) {
  report();
}

Progress::~Progress() { finish(); }

void Progress::advance(int64_t units) noexcept {
  if (sink_ == nullptr || units <= 0) return;
  done_.fetch_add(units, std::memory_order_relaxed);
  if (now_ns() >= next_report_ns_.load(std::memory_order_relaxed)) report();
}

void Progress::report() noexcept {
  if (sink_ == nullptr) return;
  const std::unique_lock lock(mutex_, std::try_to_lock);  // somebody else reports: this count will be in a later call
  if (!lock.owns_lock() || finished_) return;
  next_report_ns_.store(now_ns() + kReportNs, std::memory_order_relaxed);
  try {
    sink_->update(stage_, done(), total_);
  } catch (...) {  // the work matters more than its display
  }
}

void Progress::finish() noexcept {
  if (sink_ == nullptr) return;
  const std::lock_guard lock(mutex_);
  if (std::exchange(finished_, true)) return;
  try {
    sink_->update(stage_, done(), total_);
  } catch (...) {
  }
}

// ---- TerminalBar ----

TerminalBar::TerminalBar() : TerminalBar(Options{}) {}

TerminalBar::TerminalBar(const Options& options) : options_(options) {
  const char* kind = std::getenv("TERM");
  terminal_ = ::isatty(options.descriptor) == 1 && (kind == nullptr || std::string_view(kind) != "dumb");
}

TerminalBar::~TerminalBar() { clear(); }

void TerminalBar::put(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t n = ::write(options_.descriptor, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // a display that cannot be written to is not an error of the work
    text.remove_prefix(static_cast<size_t>(n));
  }
}

void TerminalBar::update(std::string_view stage, int64_t done, int64_t total) {
  if (!terminal_) return;
  const std::lock_guard lock(mutex_);
  const int64_t now = options_.clock();
  if (first_ns_ < 0) first_ns_ = now;
  const bool fresh = stage_ != stage;
  if (fresh) {
    stage_ = stage;
    stage_ns_ = now;
  }
  if (now - first_ns_ < options_.delay_ns) return;
  if (visible_ && !fresh && now - drawn_ns_ < options_.redraw_ns) return;
  // One column is left free: a full line would wrap on some terminals.
  const double seconds = static_cast<double>(now - stage_ns_) * 1e-9;
  put("\r" + progress_line(stage_, done, total, seconds, terminal_width(options_.descriptor) - 1) + "\x1b[K");
  visible_ = true;
  drawn_ns_ = now;
}

void TerminalBar::clear() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(visible_, false)) put("\r\x1b[K");
}

std::string progress_line(std::string_view stage, int64_t done, int64_t total, double seconds, int width) {
  done = std::max<int64_t>(done, 0);
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  std::string tail;
  if (total > 0) {
    done = std::min(done, total);
    const double fraction = static_cast<double>(done) / static_cast<double>(total);
    char percent[16];
    std::snprintf(percent, sizeof percent, "%3d%%", static_cast<int>(fraction * 100));
    tail = std::string(" ") + percent;
    if (rate > 0) tail += "  " + short_number(rate) + "/s";
    if (rate > 0 && done < total) tail += "  " + duration(static_cast<double>(total - done) / rate) + " left";
    const int room = width - static_cast<int>(tail.size()) - 3;
    const std::string name = shown(stage, std::max(room / 2, 0));
    const auto name_columns = static_cast<int>(
        std::count_if(name.begin(), name.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
    const int bar = std::min(room - name_columns, 40);
    if (bar < 4) return shown(std::string(stage) + tail, std::max(width, 0));
    const int full = static_cast<int>(fraction * bar);
    return name + " [" + std::string(static_cast<size_t>(full), '#') +
           std::string(static_cast<size_t>(bar - full), '.') + "]" + tail;
  }
  tail = "  " + short_number(static_cast<double>(done));
  if (rate > 0) tail += "  " + short_number(rate) + "/s";
  return shown(std::string(stage) + tail, std::max(width, 0));
}

}  // namespace chorus
