#include <core/cpu.h>

#include <chorus/error.h>

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace chorus {
namespace {

using Flag = bool CpuFeatures::*;
using F = CpuFeatures;

struct Feature {
  std::string_view name;
  Flag flag;
  std::array<Flag, 3> needs;  // all of them stand above in the table: one pass from the top settles everything
};

constexpr Feature kFeatures[] = {
    {"sse42", &F::sse42, {}},
    {"avx", &F::avx, {&F::sse42}},
    {"avx2", &F::avx2, {&F::avx}},
    {"fma", &F::fma, {&F::avx}},
    {"f16c", &F::f16c, {&F::avx}},
    {"bmi2", &F::bmi2, {}},
    {"avx512f", &F::avx512f, {&F::avx2, &F::fma, &F::f16c}},
    {"avx512bw", &F::avx512bw, {&F::avx512f}},
    {"avx512cd", &F::avx512cd, {&F::avx512f}},
    {"avx512dq", &F::avx512dq, {&F::avx512f}},
    {"avx512vl", &F::avx512vl, {&F::avx512f}},
    {"avx512_vbmi", &F::avx512_vbmi, {&F::avx512bw}},
    {"avx512_vnni", &F::avx512_vnni, {&F::avx512f}},
    {"avx_vnni", &F::avx_vnni, {&F::avx2}},
    {"avx512_bf16", &F::avx512_bf16, {&F::avx512bw}},
    {"avx512_fp16", &F::avx512_fp16, {&F::avx512bw}},
    {"amx_tile", &F::amx_tile, {&F::avx512f}},
    {"amx_int8", &F::amx_int8, {&F::amx_tile}},
    {"amx_bf16", &F::amx_bf16, {&F::amx_tile}},
};

struct Group {
  std::string_view name;
  std::array<Flag, 3> flags;
};

constexpr Group kGroups[] = {
    {"avx512", {&F::avx512f}},
    {"vnni", {&F::avx512_vnni, &F::avx_vnni}},
    {"bf16", {&F::avx512_bf16, &F::amx_bf16}},
    {"fp16", {&F::avx512_fp16}},
    {"amx", {&F::amx_tile}},
};

// A feature without what it needs (odd virtual machines show that) is off.
void settle(CpuFeatures& features) {
  for (const Feature& feature : kFeatures) {
    for (Flag need : feature.needs) {
      if (need != nullptr && !(features.*need)) features.*feature.flag = false;
    }
  }
}

bool turn_off(CpuFeatures& features, std::string_view name) {
  for (const Feature& feature : kFeatures) {
    if (feature.name != name) continue;
    features.*feature.flag = false;
    return true;
  }
  for (const Group& group : kGroups) {
    if (group.name != name) continue;
    for (Flag flag : group.flags) {
      if (flag != nullptr) features.*flag = false;
    }
    return true;
  }
  return false;
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\n") - begin + 1);
}

#if defined(__x86_64__)

constexpr uint64_t kXcrAvx = 0x6;             // SSE and AVX state
constexpr uint64_t kXcrAvx512 = kXcrAvx | 0xE0;  // opmask, upper halves, upper registers
constexpr uint64_t kXcrAmx = 0x60000;         // tile configuration and data

struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(uint32_t leaf, uint32_t subleaf = 0) {
  Registers r;
  if (__get_cpuid_max(leaf & 0x80000000u, nullptr) >= leaf) __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
  return r;
}

constexpr bool bit(uint32_t value, int index) { return (value >> index & 1) != 0; }

// Written as an instruction, so that no file needs -mxsave.
uint64_t xcr0() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

CpuFeatures detect() {
  CpuFeatures f;
  const Registers one = cpuid(1);
  const Registers seven = cpuid(7, 0);
  const Registers seven_one = seven.eax >= 1 ? cpuid(7, 1) : Registers{};
  const uint64_t saved = bit(one.ecx, 27) ? xcr0() : 0;  // OSXSAVE
  f.sse42 = bit(one.ecx, 20);
  f.bmi2 = bit(seven.ebx, 8);
  if ((saved & kXcrAvx) == kXcrAvx) {
    f.avx = bit(one.ecx, 28);
    f.fma = bit(one.ecx, 12);
    f.f16c = bit(one.ecx, 29);
    f.avx2 = bit(seven.ebx, 5);
    f.avx_vnni = bit(seven_one.eax, 4);
  }
  if ((saved & kXcrAvx512) == kXcrAvx512) {
    f.avx512f = bit(seven.ebx, 16);
    f.avx512dq = bit(seven.ebx, 17);
    f.avx512cd = bit(seven.ebx, 28);
    f.avx512bw = bit(seven.ebx, 30);
    f.avx512vl = bit(seven.ebx, 31);
    f.avx512_vbmi = bit(seven.ecx, 1);
    f.avx512_vnni = bit(seven.ecx, 11);
    f.avx512_fp16 = bit(seven.edx, 23);
    f.avx512_bf16 = bit(seven_one.eax, 5);
  }
  if ((saved & kXcrAmx) == kXcrAmx) {
    f.amx_bf16 = bit(seven.edx, 22);
    f.amx_tile = bit(seven.edx, 24);
    f.amx_int8 = bit(seven.edx, 25);
  }
  return f;
}

#else

CpuFeatures detect() { return {}; }

#endif

}  // namespace

CpuFeatures detect_cpu() noexcept {
  CpuFeatures features = detect();
  settle(features);
  return features;
}

const CpuFeatures& cpu() {
  static const CpuFeatures features = [] {
    const char* off = std::getenv("CHORUS_CPU_OFF");
    return masked(detect_cpu(), off != nullptr ? off : "");
  }();
  return features;
}

CpuFeatures masked(const CpuFeatures& features, std::string_view off_list) {
  CpuFeatures result = features;
  while (!off_list.empty()) {
    const size_t comma = off_list.find(',');
    const std::string_view name = trimmed(off_list.substr(0, comma));
    off_list.remove_prefix(comma == std::string_view::npos ? off_list.size() : comma + 1);
    if (name.empty() || turn_off(result, name)) continue;
    std::string known;
    for (const Feature& feature : kFeatures) known += std::string(feature.name) + ", ";
    for (const Group& group : kGroups) known += std::string(group.name) + ", ";
    known.resize(known.size() - 2);
    throw Error(Code::bad_input, "unknown processor feature \"" + std::string(name) + "\"", "CHORUS_CPU_OFF",
                "use names of this list: " + known);
  }
  settle(result);
  return result;
}

std::string to_string(const CpuFeatures& features) {
  std::string text;
  for (const Feature& feature : kFeatures) {
    if (!(features.*feature.flag)) continue;
    if (!text.empty()) text += ' ';
    text += feature.name;
  }
  return text;
}

std::vector<std::string_view> cpu_feature_names() {
  std::vector<std::string_view> names;
  for (const Feature& feature : kFeatures) names.push_back(feature.name);
  return names;
}

bool request_amx() noexcept {
#if defined(__x86_64__)
  static const bool granted = [] {
    constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM (Linux 5.16)
    constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
    return detect_cpu().amx_tile && ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  }();
  return granted;
#else
  return false;
#endif
}

// ---- CpuInfo's part that needs CPUID; the rest is in cpu_topology.cpp ----

std::string cpu_brand() {
#if defined(__x86_64__)
  std::array<char, 49> text{};
  for (uint32_t i = 0; i < 3; ++i) {
    const Registers r = cpuid(0x80000002u + i);
    std::memcpy(text.data() + 16 * i, &r, 16);
  }
  return std::string(trimmed(text.data()));
#else
  return {};
#endif
}

}  // namespace chorus
