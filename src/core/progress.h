// Progress of long work: the library reports to a sink that the caller gives; without one nothing is shown.
#pragma once
#include <chorus/export.h>
#include <core/clock.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace chorus {

/// Where progress goes. Calls for one Progress come one at a time, `done` never falls; several Progress objects may
/// call at the same time.
struct CHORUS_API ProgressSink {
  virtual ~ProgressSink();
  /// `done` of `total` units of `stage`; total 0: not known. The last call of a stage has the final count.
  virtual void update(std::string_view stage, int64_t done, int64_t total) = 0;
};

/// One stage of work. advance() may be called by any thread and costs one atomic addition; the sink is called at most
/// every 50 ms, and once at the end (finish() or destruction). With a null sink it does nothing.
class CHORUS_API Progress {
 public:
  Progress(ProgressSink* sink, std::string stage, int64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(int64_t units = 1) noexcept;
  /// Reports the final count; later calls do nothing.
  void finish() noexcept;
  int64_t done() const noexcept { return done_.load(std::memory_order_relaxed); }

 private:
  void report() noexcept;

  ProgressSink* sink_;
  std::string stage_;
  int64_t total_;
  std::atomic<int64_t> done_{0};
  std::atomic<int64_t> next_report_ns_{0};
  std::mutex mutex_;
  bool finished_ = false;
};

/// A line on a terminal that redraws itself: stage, bar, per cent, rate, remaining time. Shows nothing when the
/// descriptor is no terminal (or TERM is "dumb") or the work ends within the delay; wipes itself at the end.
class CHORUS_API TerminalBar : public ProgressSink {
 public:
  struct Options {
    int descriptor = 2;  ///< standard error
    int64_t delay_ns = 1'000'000'000;  ///< from the first update
    int64_t redraw_ns = 100'000'000;
    int64_t (*clock)() noexcept = now_ns;  ///< another one for tests
  };
  TerminalBar();
  explicit TerminalBar(const Options& options);
  ~TerminalBar() override;
  void update(std::string_view stage, int64_t done, int64_t total) override;
  /// Removes the line, before other text goes to the terminal; the next update draws it again.
  void clear();

 private:
  void put(std::string_view text) const;

  Options options_;
  bool terminal_ = false;
  std::mutex mutex_;
  std::string stage_;
  int64_t first_ns_ = -1, stage_ns_ = 0, drawn_ns_ = 0;
  bool visible_ = false;
};

/// The line as TerminalBar draws it, at most `width` columns: "load [#####.....]  50%  1.2k/s  0:07 left". Control
/// characters of `stage` become '?'.
CHORUS_API std::string progress_line(std::string_view stage, int64_t done, int64_t total, double seconds, int width);

}  // namespace chorus
