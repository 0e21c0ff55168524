// The avx512 level: its vectors, then the algorithms written over them.
#if defined(__x86_64__)
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12 says so of its own _mm512_undefined_ps
#endif
#include <engine/native/fast/avx512/vec.h>

#include <engine/native/fast/generic/table.h>
#endif  // x86-64
