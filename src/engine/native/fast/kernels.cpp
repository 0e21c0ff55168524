#include <engine/native/fast/kernels.h>

namespace chorus::fast {

namespace portable {
const FastKernels& table() noexcept;
}
#if defined(__x86_64__)
namespace avx2 {
const FastKernels& table() noexcept;
}
namespace avx512 {
const FastKernels& table() noexcept;
}
#endif

const FastKernels& kernels([[maybe_unused]] const CpuFeatures& features) noexcept {
#if defined(__x86_64__) && defined(CHORUS_LITE)
  return avx2::table();  // the only one, for size; where it cannot run there are no candidates (engine/native/lite)
#else
#if defined(__x86_64__)
  const bool has_avx2 = features.avx2 && features.fma;
  if (has_avx2 && features.avx512f && features.avx512bw && features.avx512dq && features.avx512vl)
    return avx512::table();
  if (has_avx2) return avx2::table();
#endif
  return portable::table();
#endif
}

}  // namespace chorus::fast
