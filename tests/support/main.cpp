#include "support/proves.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

namespace {

std::mutex g_lock;
std::vector<std::string> g_rows;  // of the test that runs now

void note(const char* kind, std::initializer_list<const char*> rows) {
  std::lock_guard lock(g_lock);
  for (const char* row : rows) g_rows.push_back(std::string(kind) + " " + row);
}

// Writes the rows of a test only once it has passed: a claim of a failed or skipped test counts for nothing.
class TraceListener : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo&) override {
    std::lock_guard lock(g_lock);
    g_rows.clear();
  }
  void OnTestEnd(const ::testing::TestInfo& info) override {
    std::lock_guard lock(g_lock);
    const char* path = std::getenv("CHORUS_TRACE_FILE");
    if (path == nullptr || !info.result()->Passed() || info.result()->Skipped()) return;
    if (std::FILE* file = std::fopen(path, "a")) {
      for (const auto& row : g_rows) std::fprintf(file, "%s %s.%s\n", row.c_str(), info.test_suite_name(), info.name());
      std::fclose(file);
    }
  }
};

}  // namespace

namespace chorus::testing {
void proves(std::initializer_list<const char*> rows) { note("proves", rows); }
void part_of(std::initializer_list<const char*> rows) { note("part", rows); }
}  // namespace chorus::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  ::testing::UnitTest::GetInstance()->listeners().Append(new TraceListener);
  return RUN_ALL_TESTS();
}
