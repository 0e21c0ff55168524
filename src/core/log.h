// Messages for people: the library says nothing unless the application sets a sink. Not for errors (see chorus/error.h)
// and never called inside a run.
#pragma once
#include <chorus/export.h>

#include <cstdint>
#include <string_view>

namespace chorus {

enum class LogLevel : int32_t { trace, debug, info, warning, error, off };

/// "trace" … "error", "off".
CHORUS_API std::string_view log_level_name(LogLevel level) noexcept;

/// Gets each message of `level` or above; one call at a time. Messages that it causes are dropped, exceptions too.
using LogSink = void (*)(void* user, LogLevel level, std::string_view message);

/// Sets the sink of the process, or none (nullptr, the default). When it returns, the sink before is no longer running.
/// Error(bad_input) from inside a sink.
CHORUS_API void set_log_sink(LogSink sink, void* user, LogLevel level = LogLevel::info);

/// Whether a message of this level goes anywhere: one relaxed load.
CHORUS_API bool log_enabled(LogLevel level) noexcept;

/// printf-style; never allocates; cut at 1023 bytes; when the level is off, nothing is formatted.
CHORUS_API void log(LogLevel level, const char* format, ...) noexcept __attribute__((format(printf, 2, 3)));

}  // namespace chorus
