#include <core/log.h>

#include <chorus/error.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace chorus {
namespace {

struct Sink {
  std::vector<std::string> lines;
  explicit Sink(LogLevel level = LogLevel::info) { set_log_sink(&Sink::take, this, level); }
  ~Sink() { set_log_sink(nullptr, nullptr); }
  static void take(void* user, LogLevel level, std::string_view message) {
    static_cast<Sink*>(user)->lines.push_back(std::string(log_level_name(level)) + ": " + std::string(message));
  }
};

TEST(Log, SaysNothingByDefault) {
  for (int level = 0; level <= static_cast<int>(LogLevel::off); ++level) {
    EXPECT_FALSE(log_enabled(static_cast<LogLevel>(level)));
  }
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  log(LogLevel::error, "nobody hears %d", 1);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

TEST(Log, LevelsAndText) {
  Sink sink(LogLevel::info);
  log(LogLevel::trace, "a");
  log(LogLevel::debug, "b");
  log(LogLevel::info, "load %s: %d nodes", "m.onnx", 12);
  log(LogLevel::warning, "c");
  log(LogLevel::error, "100%%");
  log(LogLevel::off, "never");
  EXPECT_EQ(sink.lines, (std::vector<std::string>{"info: load m.onnx: 12 nodes", "warning: c", "error: 100%"}));
  EXPECT_FALSE(log_enabled(LogLevel::debug));
  EXPECT_TRUE(log_enabled(LogLevel::info));
  EXPECT_FALSE(log_enabled(LogLevel::off));
}

TEST(Log, LongMessagesAreCut) {
  Sink sink;
  log(LogLevel::info, "%s", std::string(5000, 'x').c_str());
  EXPECT_EQ(sink.lines.at(0), "info: " + std::string(1023, 'x'));
}

TEST(Log, ASinkMayThrowAndLog) {
  static int calls = 0;
  calls = 0;
  set_log_sink(
      [](void*, LogLevel, std::string_view) {
        ++calls;
        log(LogLevel::error, "from the sink");  // dropped: no recursion, no deadlock
        EXPECT_THROW(set_log_sink(nullptr, nullptr), Error);
        throw std::runtime_error("sink");
      },
      nullptr);
  log(LogLevel::info, "x");
  log(LogLevel::info, "y");
  set_log_sink(nullptr, nullptr);
  log(LogLevel::error, "z");
  EXPECT_EQ(calls, 2);
}

TEST(Log, OneCallAtATimeAndNoneAfterTheSinkIsGone) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (; !stop.load(); std::this_thread::sleep_for(std::chrono::microseconds(20))) log(LogLevel::info, "message");
    });
  }
  for (int i = 0; i < 40; ++i) {
    Sink sink;  // its vector is not protected: the sanitizers see a call that overlaps or comes late
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  stop = true;
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace chorus
