// The avx512 level: its vectors, then the algorithms written over them.
#if defined(__x86_64__)
#if !defined(__clang__)
// GCC 12 says so of its own _mm512_undefined_ps.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <engine/native/fast/avx512/vec.h>

#include <engine/native/fast/generic/table.h>
#endif  // x86-64
