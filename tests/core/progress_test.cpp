#include <core/progress.h>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace chorus {
namespace {

struct Recorder : ProgressSink {
  std::vector<std::tuple<std::string, int64_t, int64_t>> calls;
  void update(std::string_view stage, int64_t done, int64_t total) override {
    calls.emplace_back(std::string(stage), done, total);
  }
};

TEST(Progress, WithoutASinkNothingHappens) {
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  {
    Progress progress(nullptr, "load", 10);
    progress.advance(3);
    progress.finish();
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

TEST(Progress, ReportsBeginAndEndAndNotTooOften) {
  Recorder recorder;
  {
    Progress progress(&recorder, "load", 100'000);
    for (int i = 0; i < 100'000; ++i) progress.advance();
    progress.advance(-5);  // ignored
  }
  ASSERT_GE(recorder.calls.size(), 2u);
  EXPECT_LT(recorder.calls.size(), 50u);
  EXPECT_EQ(recorder.calls.front(), std::make_tuple("load", int64_t{0}, int64_t{100'000}));
  EXPECT_EQ(recorder.calls.back(), std::make_tuple("load", int64_t{100'000}, int64_t{100'000}));
}

TEST(Progress, ThreadsAddUpAndDoneNeverFalls) {
  Recorder recorder;
  Progress progress(&recorder, "work", 4 * 20'000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        progress.advance();
        if (i % 5000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(30));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  progress.finish();
  progress.finish();
  const size_t calls = recorder.calls.size();
  progress.advance();
  EXPECT_EQ(recorder.calls.size(), calls);
  EXPECT_EQ(std::get<1>(recorder.calls.back()), 80'000);
  EXPECT_GE(calls, 3u);
  for (size_t i = 1; i < calls; ++i) EXPECT_GE(std::get<1>(recorder.calls[i]), std::get<1>(recorder.calls[i - 1]));
}

TEST(Progress, ASinkThatThrowsDoesNotStopTheWork) {
  struct Bad : ProgressSink {
    void update(std::string_view, int64_t, int64_t) override { throw std::runtime_error("display"); }
  } bad;
  Progress progress(&bad, "x", 1);
  progress.advance();
  progress.finish();
  EXPECT_EQ(progress.done(), 1);
}

TEST(ProgressLine, ShowsBarPercentRateAndRemainingTime) {
  EXPECT_EQ(progress_line("load", 50, 100, 7.0, 44), "load [#######.......]  50%  7.1/s  0:07 left");
  EXPECT_EQ(progress_line("load", 100, 100, 10.0, 38), "load [####################] 100%  10/s");
  EXPECT_EQ(progress_line("n", 1'234'567, 0, 1.0, 80), "n  1.2M  1.2M/s");
  EXPECT_EQ(progress_line("n", 0, 0, 0.0, 80), "n  0.0");
  EXPECT_NE(progress_line("x", 1, 36'001, 1.0, 80).find("10:00:00 left"), std::string::npos);
  EXPECT_NE(progress_line("x", 1, 91, 1.0, 80).find(" 1:30 left"), std::string::npos);
  EXPECT_EQ(progress_line("x", 0, 10, 5.0, 80).find("left"), std::string::npos);  // nothing is known yet
  EXPECT_NE(progress_line("x", 100, 100, 10.0, 80).find("100%  10/s"), std::string::npos);
  EXPECT_EQ(progress_line("a\x1b[2Jb\n", 1, 0, 0.0, 80), "a?[2Jb?  1.0");
}

int columns(const std::string& text) {
  int count = 0;
  for (char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

TEST(ProgressLine, NeverWiderThanTheTerminal) {
  for (int width = -1; width < 130; ++width) {
    for (const std::string& stage :
         {std::string(), std::string("load"), std::string(200, 'x'), std::string("模型加载中")}) {
      for (int64_t total : {int64_t{0}, int64_t{1}, int64_t{1000}, INT64_MAX}) {
        for (int64_t done : {int64_t{-1}, int64_t{0}, int64_t{1}, int64_t{999}, INT64_MAX}) {
          for (double seconds : {0.0, 1e-9, 1.0, 1e9}) {
            ASSERT_LE(columns(progress_line(stage, done, total, seconds, width)), std::max(width, 0));
          }
        }
      }
    }
  }
}

int64_t g_time = 0;
int64_t test_clock() noexcept { return g_time; }
constexpr int64_t kSecond = 1'000'000'000;

// A pseudo terminal of 60 columns; `said()` is what the bar wrote since the last call.
class Bar : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("TERM", "xterm", 1);
    master_ = posix_openpt(O_RDWR | O_NOCTTY);
    if (master_ < 0 || grantpt(master_) != 0 || unlockpt(master_) != 0) GTEST_SKIP() << "no pseudo terminal here";
    terminal_ = open(ptsname(master_), O_RDWR | O_NOCTTY);
    ASSERT_GE(terminal_, 0);
    struct winsize size {};
    size.ws_col = 60;
    size.ws_row = 20;
    ioctl(terminal_, TIOCSWINSZ, &size);
    options_.descriptor = terminal_;
    options_.clock = test_clock;
    g_time = 1000 * kSecond;
  }
  void TearDown() override {
    if (terminal_ >= 0) close(terminal_);
    if (master_ >= 0) close(master_);
  }
  std::string said() const {
    std::string text;
    char buffer[4096];
    for (pollfd ready{master_, POLLIN, 0}; poll(&ready, 1, 20) == 1;) {
      const ssize_t n = read(master_, buffer, sizeof buffer);
      if (n <= 0) break;
      text.append(buffer, static_cast<size_t>(n));
    }
    return text;
  }
  int master_ = -1, terminal_ = -1;
  TerminalBar::Options options_;
};

TEST_F(Bar, AppearsAfterASecondRedrawsAndWipesItself) {
  {
    TerminalBar bar(options_);
    bar.update("load", 0, 100);
    g_time += kSecond * 9 / 10;
    bar.update("load", 20, 100);
    EXPECT_EQ(said(), "");  // short work shows nothing
    g_time += kSecond * 11 / 10;
    bar.update("load", 50, 100);
    EXPECT_EQ(said(), "\r" + progress_line("load", 50, 100, 2.0, 59) + "\x1b[K");
    g_time += kSecond / 100;
    bar.update("load", 51, 100);
    EXPECT_EQ(said(), "");  // too soon
    g_time += kSecond;
    bar.update("load", 75, 100);
    EXPECT_NE(said().find(" 75%"), std::string::npos);
    bar.clear();
    EXPECT_EQ(said(), "\r\x1b[K");
    bar.clear();
    EXPECT_EQ(said(), "");
    g_time += kSecond;
    bar.update("compile", 1, 4);
    EXPECT_NE(said().find("compile ["), std::string::npos);
  }
  EXPECT_EQ(said(), "\r\x1b[K");
}

TEST_F(Bar, ShowsNothingWithoutATerminal) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  options_.descriptor = ends[1];
  {
    TerminalBar bar(options_);
    bar.update("load", 0, 100);
    g_time += 5 * kSecond;
    bar.update("load", 50, 100);
  }
  close(ends[1]);
  char byte;
  EXPECT_EQ(read(ends[0], &byte, 1), 0);
  close(ends[0]);
  options_.descriptor = terminal_;
  setenv("TERM", "dumb", 1);
  TerminalBar bar(options_);
  bar.update("load", 0, 100);
  g_time += 5 * kSecond;
  bar.update("load", 50, 100);
  EXPECT_EQ(said(), "");
}

}  // namespace
}  // namespace chorus
