// The portable level: its vectors, then the algorithms written over them.
#include <engine/native/fast/portable/vec.h>

#include <engine/native/fast/generic/table.h>
