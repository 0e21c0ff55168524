// The avx2 level: its vectors, then the algorithms written over them.
#if defined(__x86_64__)
#include <engine/native/fast/avx2/vec.h>

#include <engine/native/fast/generic/table.h>
#endif  // x86-64
