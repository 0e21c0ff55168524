// Models come and go without leaving anything: a program against the shared library, by itself and under the leak sanitizer.
#include "command.h"
#include "support/proves.h"
#include "support/sanitized.h"

#include <gtest/gtest.h>

#include <set>

namespace chorus::testing {
namespace {

constexpr const char* kProgram = R"(
#include <chorus/infer.h>
#include <chorus/model.h>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

static long resident_kib() {
  long size = 0, pages = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr || std::fscanf(file, "%ld %ld", &size, &pages) != 2) std::exit(9);
  std::fclose(file);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

// A leak of a size that was never used before: the address of a smaller one may still stand in memory that was used again.
static void* volatile lost;

int main(int argc, char** argv) {
  using namespace chorus::api;
  Device device = Device::Open("cpu");
  device.SetNumThreads(1);
  long before = 0;
  for (int i = 0; i < 1100; ++i) {
    if (i == 100) before = resident_kib();
    const Model model = Model::Load(argv[1]);
    if (i % 10 == 0) {
      // Several of one model at once, released in another order than they were made in.
      auto first = model.Compile({}, device);
      auto second = Model::Load(argv[1]).Compile({}, device);
      Instance a = first.CreateInstance(), b = second.CreateInstance();
      { const auto gone = std::move(first); }
      for (Instance* instance : {&b, &a}) {
        instance->input(0).copy(std::vector<float>(28 * 28, 0.5f));
        instance->Run();
      }
    }
  }
  std::printf("%ld\n", resident_kib() - before);
  if (argc > 2) {
    lost = std::malloc(100'000'000);
    lost = nullptr;
  }
}
)";

/// Exit status and output of the program, built with `flags`.
Done run_program(const std::string& name, const std::string& flags, const std::string& arguments) {
  const std::string source = (scratch() / "loops.cpp").string(), program = (scratch() / name).string(),
                    out = (scratch() / "loops.out").string();
  std::ofstream(source) << kProgram;
  const std::string library = CHORUS_SHARED_LIBRARY, folder = library.substr(0, library.rfind('/'));
  const std::string build = "'" CHORUS_COMPILER "' -std=c++17 " + flags + " -I'" CHORUS_INCLUDE "' '" + source + "' '" +
                            library + "' -Wl,-rpath,'" + folder + "' -o '" + program + "'";
  EXPECT_EQ(std::system(build.c_str()), 0);
  const int status = std::system(
      ("LSAN_OPTIONS=exitcode=23 timeout 300 '" + program + "' " + arguments + " >'" + out + "' 2>&1").c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(out), {}};
}

TEST(Model, AThousandLoadsLeaveNothingLong) {
  if (kSanitized) GTEST_SKIP() << "the library under test is the release build";
  ASSERT_EQ(chorus_command("gen lenet").status, 0);
  const std::string model = "'" + (scratch() / "lenet.onnx").string() + "'";
  const Done plain = run_program("loops", "-O1", model);
  EXPECT_EQ(plain.status, 0) << plain.out;
  EXPECT_LT(std::stol(plain.out), 1024) << "KiB of growth in 1000 loops";
  const Done control = run_program("loops_leak", "-O0 -fsanitize=leak", model + " lose");
  if (control.out.find("LeakSanitizer has encountered a fatal error") != std::string::npos)
    GTEST_SKIP() << "the leak sanitizer may not look at this process: " << control.out.substr(0, 200);
  ASSERT_EQ(control.status, 23) << "a leak that was made is not found: " << control.out;
  EXPECT_NE(control.out.find("100000000 byte(s) leaked in 1 allocation(s)"), std::string::npos)
      << control.out;  // ours is the only one
  const Done clean = run_program("loops_leak", "-O0 -fsanitize=leak", model);
  EXPECT_EQ(clean.status, 0) << clean.out;
  proves("E-MOD-05");
}

/// The names of chorus that a program asks its libraries for.
std::set<std::string> undefined_names(const std::string& program) {
  const std::string list = (scratch() / "names").string();
  EXPECT_EQ(std::system(("nm -DC --undefined-only '" + program + "' >'" + list + "'").c_str()), 0);
  std::istringstream lines(text_of(list));
  std::set<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    if (const size_t at = line.find("chorus"); at != std::string::npos) names.insert(line.substr(at));
  }
  return names;
}

TEST(Model, ProgramsSeeTheFourInterfacesOnly) {
  if (kSanitized) GTEST_SKIP() << "the library under test is the release build";
  // The package for applications has no header for engines; that is a package of its own.
  const std::string prefix = (scratch() / "package").string();
  ASSERT_EQ(
      std::system(
          ("cmake --install '" CHORUS_BINARY "' --component library --prefix '" + prefix + "' >/dev/null").c_str()),
      0);
  size_t headers = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(prefix + "/include")) {
    if (!entry.is_regular_file()) continue;
    ++headers;
    EXPECT_EQ(entry.path().filename().string().find("engine"), std::string::npos) << entry.path();
    EXPECT_EQ(text_of(entry.path()).find("ch_engine_api"), std::string::npos) << entry.path();
  }
  EXPECT_GT(headers, 10u);
  ASSERT_EQ(std::system(
                ("cmake --install '" CHORUS_BINARY "' --component engine_sdk --prefix '" + prefix + "_sdk' >/dev/null")
                    .c_str()),
            0);
  EXPECT_TRUE(std::filesystem::exists(prefix + "_sdk/include/chorus/engine_abi.h"));

  // The sample program, built with that package as a stranger would.
  const std::string program = (scratch() / "four").string(), source = CHORUS_INCLUDE "/../examples/four_interfaces.cpp";
  ASSERT_EQ(std::system(("'" CHORUS_COMPILER "' -std=c++17 -O1 -I'" + prefix + "/include' '" + source + "' '" + prefix +
                         "/lib/libchorus.so' -Wl,-rpath,'" + prefix + "/lib' -o '" + program + "'")
                            .c_str()),
            0);
  ASSERT_EQ(chorus_command("gen lenet").status, 0);
  EXPECT_EQ(std::system(("'" + program + "' '" + (scratch() / "lenet.onnx").string() + "' >/dev/null").c_str()), 0);
  const std::set<std::string> names = undefined_names(program);
  EXPECT_GT(names.size(), 8u);
  for (const std::string& name : names) {
    // model.h, device.h, io.h and infer.h declare namespace chorus::api; dtype.h and error.h, which they include, the two other classes.
    const bool known = name.rfind("chorus::api::", 0) == 0 || name.rfind("chorus::Error", 0) == 0 ||
                       name.rfind("chorus::dtype_", 0) == 0;
    EXPECT_TRUE(known) << name;
  }
  proves("E-GEN-10");
}

}  // namespace
}  // namespace chorus::testing
