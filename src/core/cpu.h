// What this processor can do: instruction sets (by CPUID and XGETBV, so only those that the system saves registers
// for), cache sizes, cores, and how many processors this process may use.
#pragma once
#include <chorus/export.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace chorus {

/// Instruction sets beyond the x86-64 baseline; all false on other processors.
struct CpuFeatures {
  bool sse42 = false;
  bool avx = false;
  bool avx2 = false;
  bool fma = false;
  bool f16c = false;
  bool bmi2 = false;
  bool avx512f = false;
  bool avx512bw = false;
  bool avx512cd = false;
  bool avx512dq = false;
  bool avx512vl = false;
  bool avx512_vbmi = false;
  bool avx512_vnni = false;
  bool avx_vnni = false;
  bool avx512_bf16 = false;
  bool avx512_fp16 = false;
  bool amx_tile = false;  ///< the processor and the system have it; see request_amx() before the first tile instruction
  bool amx_int8 = false;
  bool amx_bf16 = false;
  bool operator==(const CpuFeatures&) const = default;
};

/// The features to use, found once: those of the processor less those in the environment variable CHORUS_CPU_OFF (a
/// list for masked()). Throws what masked() throws.
CHORUS_API const CpuFeatures& cpu();

/// The features of the processor, whatever the environment says; CPUID runs on each call (slow under a hypervisor).
CHORUS_API CpuFeatures detect_cpu() noexcept;

/// `features` without those named in `off_list` and without all that need them: "avx512f, vnni". Names are the members
/// of CpuFeatures and the groups avx512 (= avx512f), vnni, bf16, fp16, amx. An unknown name is Error(bad_input) that
/// lists the known ones. Every AVX-512 and AMX set counts as needing avx512f, avx512f as needing avx2, fma and f16c, for
/// the kernels do: no processor has one without the other.
CHORUS_API CpuFeatures masked(const CpuFeatures& features, std::string_view off_list);

/// The names of the features that are on, in the order of the struct: "sse42 avx avx2 …".
CHORUS_API std::string to_string(const CpuFeatures& features);
/// The names of all features, in the order of the struct.
CHORUS_API std::vector<std::string_view> cpu_feature_names();

/// Asks the system, once per process, for permission to use AMX tile data (8 KiB more state per thread that uses it).
/// False when there is no AMX or the system refuses. Does not look at CHORUS_CPU_OFF: test cpu().amx_tile first.
CHORUS_API bool request_amx() noexcept;

struct CpuInfo {
  std::string brand;  ///< "AMD EPYC 9B45 64-Core Processor"; empty when unknown
  int64_t l1d_bytes = 0;  ///< per core; 0: unknown
  int64_t l2_bytes = 0;  ///< per core or cluster; 0: unknown
  int64_t l3_bytes = 0;  ///< of one cache, shared by several cores; 0: none or unknown
  int logical_processors = 1;  ///< on-line in the system
  int physical_cores = 1;  ///< on-line cores: without the second hardware threads
};
/// Found once.
CHORUS_API const CpuInfo& cpu_info();

/// How many processors this process may keep busy: the least of its affinity mask and the quotas of its control groups
/// (v1 and v2, rounded down, for a throttled thread stalls all others), at least 1. Read anew on each call.
CHORUS_API int usable_processors();

/// The quota part of usable_processors(), in whole processors; 0: no quota. `membership` is the text of
/// /proc/self/cgroup, `root` the mount point (/sys/fs/cgroup).
CHORUS_API int cgroup_processors(std::string_view membership, const std::string& root);

}  // namespace chorus
