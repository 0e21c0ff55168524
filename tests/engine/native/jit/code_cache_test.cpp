// Executable memory: made once per key, never writable and executable, and convolutions that go on without it.
#include "conv_case.h"

#include <array>
#include <fstream>
#include <sstream>
#include <thread>

namespace chorus::jit::test {
namespace {

Code nothing() {
  Code c;
  c.level = Level::avx2;
  c.finish();
  return c;
}

std::string permissions(const void* address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    uintptr_t from = 0, to = 0;
    char dash = 0;
    std::string rights;
    words >> std::hex >> from >> dash >> to >> rights;
    const auto at = reinterpret_cast<uintptr_t>(address);
    if (at >= from && at < to) return rights;
  }
  return "";
}

TEST(JitCodeCache, OneKernelPerKey) {
  if (!code_allowed()) GTEST_SKIP() << "no code is generated here";
  const std::array<int32_t, 1> key{12345}, other{12346};
  int made = 0;
  const auto make = [&] { return ++made, nothing(); };
  const int64_t before = code_bytes();
  const Kernel first = find_kernel(std::as_bytes(std::span(key)), make);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(find_kernel(std::as_bytes(std::span(key)), make), first);
  EXPECT_EQ(made, 1);
  EXPECT_NE(find_kernel(std::as_bytes(std::span(other)), make), first);
  EXPECT_EQ(made, 2);
  EXPECT_GT(code_bytes(), before);
  first(nullptr);
}

TEST(JitCodeCache, NeverWritableAndExecutable) {
  if (!code_allowed()) GTEST_SKIP() << "no code is generated here";
  const std::array<int32_t, 1> key{777};
  const Kernel kernel = find_kernel(std::as_bytes(std::span(key)), nothing);
  EXPECT_EQ(permissions(reinterpret_cast<const void*>(kernel)), "r-xp");
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) EXPECT_EQ(line.find(" rwx"), std::string::npos) << line;
}

TEST(JitCodeCache, ManyThreadsGetTheSameKernel) {
  if (!code_allowed()) GTEST_SKIP() << "no code is generated here";
  const std::array<int32_t, 1> key{4242};
  std::array<Kernel, 8> found{};
  std::vector<std::thread> threads;
  for (Kernel& f : found) threads.emplace_back([&] { f = find_kernel(std::as_bytes(std::span(key)), nothing); });
  for (std::thread& t : threads) t.join();
  for (const Kernel f : found) EXPECT_EQ(f, found[0]);
}

TEST(JitCodeCache, WithoutExecutableMemoryConvolutionsStillRun) {
  set_code_limit(0);
  EXPECT_EQ(level(cpu()), Level::plain);
  const std::array<int32_t, 1> key{999};
  EXPECT_EQ(find_kernel(std::as_bytes(std::span(key)), nothing), nullptr);
  for (const Method m : {Method::direct, Method::winograd4}) {
    ConvProblem p = square(20, 24, 3, 1, 1);
    p.method = m;
    const auto call = ConvCall::make(p, {1, 5, 5}, Level::avx512);
    EXPECT_STREQ(call->name(), "plain");
    check(p, {1, 5, 5}, Level::plain, Guard::behind);
  }
  set_code_limit(kCodeLimit);
}

TEST(JitCodeCache, AFullCacheRefuses) {
  if (!code_allowed()) GTEST_SKIP() << "no code is generated here";
  set_code_limit(code_bytes() + 1);
  ConvProblem p = square(37, 24, 3, 1, 1);
  p.activation = fast::Activation::leaky_relu;
  EXPECT_STREQ(ConvCall::make(p, {1, 5, 23}, level(cpu()))->name(), "plain");
  EXPECT_LE(code_bytes(), kCodeLimit);
  set_code_limit(kCodeLimit);
  EXPECT_STRNE(ConvCall::make(p, {1, 5, 23}, level(cpu()))->name(), "plain");
}

}  // namespace
}  // namespace chorus::jit::test
