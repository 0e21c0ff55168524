#include <core/log.h>

#include <chorus/error.h>

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <mutex>

namespace chorus {
namespace {

// The one piece of state of the process in this layer: where the application wants its messages.
constinit std::atomic<LogLevel> g_level{LogLevel::off};
constinit std::mutex g_mutex;
constinit LogSink g_sink = nullptr;
constinit void* g_user = nullptr;
constinit thread_local bool t_inside = false;

}  // namespace

std::string_view log_level_name(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::trace: return "trace";
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: return "warning";
    case LogLevel::error: return "error";
    case LogLevel::off: return "off";
  }
  return "unknown";
}

void set_log_sink(LogSink sink, void* user, LogLevel level) {
  if (t_inside) throw Error(Code::bad_input, "set_log_sink was called by a log sink", {}, "set it from outside");
  std::lock_guard lock(g_mutex);
  g_sink = sink;
  g_user = user;
  g_level.store(sink != nullptr ? level : LogLevel::off, std::memory_order_relaxed);
}

bool log_enabled(LogLevel level) noexcept {
  return level != LogLevel::off && level >= g_level.load(std::memory_order_relaxed);
}

void log(LogLevel level, const char* format, ...) noexcept {
  if (!log_enabled(level) || t_inside) return;
  char text[1024];
  std::va_list args;
  va_start(args, format);
  const int length = std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (length < 0) return;
  const std::string_view message(text, std::min(static_cast<size_t>(length), sizeof text - 1));
  std::lock_guard lock(g_mutex);
  if (g_sink == nullptr || !log_enabled(level)) return;  // changed meanwhile
  t_inside = true;
  try {
    g_sink(g_user, level, message);
  } catch (...) {  // a message is not worth an application's end
  }
  t_inside = false;
}

}  // namespace chorus
