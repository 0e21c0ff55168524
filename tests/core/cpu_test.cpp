#include <core/cpu.h>

#include <chorus/error.h>

#include "support/proves.h"

#include <gtest/gtest.h>

#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

namespace chorus {
namespace {

namespace fs = std::filesystem;

std::set<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), std::istream_iterator<std::string>()};
}

std::string cpuinfo_line(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (colon != std::string::npos && line.rfind(key, 0) == 0) return line.substr(std::min(colon + 2, line.size()));
  }
  return {};
}

#if defined(__x86_64__)
// The kernel found its list by itself: an independent witness, flag by flag.
TEST(Cpu, FlagsEqualTheKernels) {
  const std::map<std::string, std::string> kernel_names = {
      {"sse42", "sse4_2"}, {"avx512_vbmi", "avx512vbmi"}};  // all others are spelled alike
  const auto kernel = words(cpuinfo_line("flags"));
  ASSERT_FALSE(kernel.empty());
  const auto ours = words(to_string(detect_cpu()));
  ASSERT_EQ(cpu_feature_names().size(), sizeof(CpuFeatures));  // every member has its row in the table
  for (std::string_view name : cpu_feature_names()) {
    const auto other = kernel_names.find(std::string(name));
    const std::string kernel_name = other != kernel_names.end() ? other->second : std::string(name);
    EXPECT_EQ(ours.count(std::string(name)), kernel.count(kernel_name)) << name;
  }
}

TEST(Cpu, BrandEqualsTheKernels) { EXPECT_EQ(cpu_info().brand, cpuinfo_line("model name")); }
#endif

CpuFeatures everything() {
  CpuFeatures all;
  auto* flags = reinterpret_cast<bool*>(&all);
  for (size_t i = 0; i < sizeof all; ++i) flags[i] = true;
  return all;
}

TEST(Cpu, MaskingALevelTurnsOffAllThatNeedIt) {
  const CpuFeatures all = everything();
  EXPECT_EQ(masked(all, ""), all);
  EXPECT_EQ(masked(all, " , "), all);
  EXPECT_EQ(to_string(masked(all, "avx512f")), "sse42 avx avx2 fma f16c bmi2 avx_vnni");
  EXPECT_EQ(masked(all, "avx512"), masked(all, "avx512f"));
  EXPECT_EQ(to_string(masked(all, "avx")), "sse42 bmi2");
  EXPECT_EQ(to_string(masked(all, "sse42")), "bmi2");
  EXPECT_EQ(to_string(masked(all, "fma, avx_vnni")), "sse42 avx avx2 f16c bmi2");
  CpuFeatures want = all;
  want.avx512_vnni = want.avx_vnni = false;
  EXPECT_EQ(masked(all, "vnni"), want);
  want.amx_tile = want.amx_int8 = want.amx_bf16 = false;
  EXPECT_EQ(masked(all, "\tamx , vnni,"), want);
  want = all;
  want.amx_bf16 = want.avx512_bf16 = false;
  EXPECT_EQ(masked(all, "bf16"), want);
  want = all;
  want.avx512bw = want.avx512_vbmi = want.avx512_bf16 = want.avx512_fp16 = false;
  EXPECT_EQ(masked(all, "avx512bw"), want);
  // Every name alone turns itself off and nothing on.
  for (std::string_view name : cpu_feature_names()) {
    const auto left = words(to_string(masked(all, name)));
    EXPECT_EQ(left.count(std::string(name)), 0u) << name;
    EXPECT_EQ(masked(CpuFeatures{}, name), CpuFeatures{});
  }
}

TEST(Cpu, UnknownNamesAreAnErrorThatListsTheKnown) {
  try {
    masked(everything(), "avx2,avx1024");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::bad_input);
    EXPECT_STREQ(
        error.what(),
        "unknown processor feature \"avx1024\"\n"
        "  where: CHORUS_CPU_OFF\n"
        "  fix:   use names of this list: sse42, avx, avx2, fma, f16c, bmi2, avx512f, avx512bw, avx512cd, "
        "avx512dq, avx512vl, avx512_vbmi, avx512_vnni, avx_vnni, avx512_bf16, avx512_fp16, amx_tile, amx_int8, "
        "amx_bf16, avx512, vnni, bf16, fp16, amx");
  }
}

// cpu() is settled once per process, so each value of the variable gets a process: this program, run for one test.
std::string cpu_in_child(const char* off) {
  char self[4096] = {};
  if (readlink("/proc/self/exe", self, sizeof self - 1) <= 0) return "no /proc";
  const std::string command = "CHORUS_TRACE_FILE= CHORUS_CPU_OFF='" + std::string(off) + "' '" + self +
                              "' --gtest_also_run_disabled_tests --gtest_filter=Cpu.DISABLED_Print 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  std::string text;
  char line[4096];
  while (fgets(line, sizeof line, pipe) != nullptr) {
    if (std::string_view(line).rfind("cpu: ", 0) == 0) text = std::string(line + 5);
  }
  pclose(pipe);
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

TEST(Cpu, DISABLED_Print) {
  try {
    std::printf("cpu: %s\n", to_string(cpu()).c_str());
  } catch (const Error& error) {
    std::printf("cpu: %s\n", error.message().c_str());
  }
}

TEST(Cpu, EnvironmentTurnsFeaturesOff) {
  EXPECT_EQ(cpu_in_child(""), to_string(detect_cpu()));
  EXPECT_EQ(cpu_in_child("avx2,bmi2"), to_string(masked(detect_cpu(), "avx2,bmi2")));
  EXPECT_EQ(cpu_in_child("sse42,bmi2"), "");
  EXPECT_EQ(cpu_in_child("nonsense"), "unknown processor feature \"nonsense\"");
}

TEST(Cpu, AmxIsAskedForOnlyWhereItIs) {
  if (!detect_cpu().amx_tile) {
    EXPECT_FALSE(request_amx());
  } else {
    EXPECT_EQ(request_amx(), request_amx());
  }
}

TEST(Cpu, CachesAndCoresArePlausibleAndAgreeWithTheSystem) {
  const CpuInfo& info = cpu_info();
  const auto agree = [](int64_t ours, int name) {
    const long system = sysconf(name);
    if (ours > 0 && system > 0) {
      EXPECT_EQ(ours, system);
    }
  };
  agree(info.l1d_bytes, _SC_LEVEL1_DCACHE_SIZE);
  agree(info.l2_bytes, _SC_LEVEL2_CACHE_SIZE);
  if (info.l1d_bytes > 0 && info.l2_bytes > 0) {
    EXPECT_LE(info.l1d_bytes, info.l2_bytes);
  }
  EXPECT_EQ(info.logical_processors, sysconf(_SC_NPROCESSORS_ONLN));
  EXPECT_GE(info.physical_cores, 1);
  EXPECT_LE(info.physical_cores, info.logical_processors);
  EXPECT_EQ(&cpu_info(), &info);
}

TEST(Cpu, UsableProcessorsFollowTheAffinity) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  EXPECT_GE(usable_processors(), 1);
  EXPECT_LE(usable_processors(), CPU_COUNT(&before));
  cpu_set_t one;
  CPU_ZERO(&one);
  for (size_t i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &before)) {
      CPU_SET(i, &one);
      break;
    }
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(usable_processors(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

class Cgroup : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/chorus_cgroup_test_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    root_ = name;
  }
  void TearDown() override { fs::remove_all(root_); }
  void put(const std::string& name, const std::string& text) {
    fs::create_directories(fs::path(root_ + name).parent_path());
    std::ofstream(root_ + name) << text;
  }
  std::string root_;
};

TEST_F(Cgroup, VersionTwoTakesTheLeastOfAllParents) {
  EXPECT_EQ(cgroup_processors("0::/a/b\n", root_), 0);
  put("/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(cgroup_processors("0::/a/b\n", root_), 0);
  put("/a/b/cpu.max", "450000 100000\n");
  EXPECT_EQ(cgroup_processors("0::/a/b\n", root_), 4);
  put("/a/cpu.max", "150000 100000\n");
  EXPECT_EQ(cgroup_processors("0::/a/b\n", root_), 1);
  put("/a/cpu.max", "800000 100000\n");
  EXPECT_EQ(cgroup_processors("0::/a/b\n", root_), 4);
  put("/cpu.max", "20000 100000\n");  // a fifth of a processor is still one thread
  EXPECT_EQ(cgroup_processors("0::/a/b\n", root_), 1);
  EXPECT_EQ(cgroup_processors("0::/not/visible/here\n", root_), 1);
  EXPECT_EQ(cgroup_processors("0::/\n", root_), 1);
}

TEST_F(Cgroup, VersionOne) {
  put("/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "300000\n");
  put("/cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n");
  put("/cpuset/docker/x/cpu.cfs_quota_us", "100000\n");  // another controller
  const std::string text = "5:cpuset:/docker/x\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/docker/x\n";
  EXPECT_EQ(cgroup_processors(text, root_), 3);
  put("/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(cgroup_processors(text, root_), 0);
}

TEST_F(Cgroup, NonsenseMeansNoQuota) {
  for (const char* text : {"", "0::/a", "garbage", ":::", "0:", "0::/../..", "\n\n\n"}) {
    EXPECT_EQ(cgroup_processors(text, root_), 0) << text;
  }
  for (const char* quota : {"", "100000", "100000 0", "-5 100000", "99999999999999999999999 1", "x y"}) {
    put("/a/cpu.max", quota);
    EXPECT_EQ(cgroup_processors("0::/a", root_), 0) << quota;
  }
}

}  // namespace
}  // namespace chorus
