// Executable memory and the kernels in it: generated once per key, kept for the process, bounded.
#pragma once
#include <engine/native/jit/ir.h>

#include <functional>
#include <span>

namespace chorus::jit {

using Kernel = void (*)(void* arguments);

/// Bytes of code that are kept at most; a kernel beyond it is refused.
inline constexpr int64_t kCodeLimit = int64_t{64} << 20;
/// Another limit, for tests; 0 refuses all code from now on. Kernels made before stay.
void set_code_limit(int64_t bytes) noexcept;

/// The kernel of this key (any bytes that say all it depends on); `make` writes it when it is new. Null when memory for code is
/// refused or used up. Takes a lock and may allocate: for bind, not for a run.
Kernel find_kernel(std::span<const std::byte> key, const std::function<Code()>& make);

/// What writes machine code; another one, for tests that interpret what this processor lacks, until it is put back. Returns the former.
using Assemble = std::vector<uint8_t> (*)(const Code& code);
Assemble set_assembler(Assemble assembler) noexcept;

/// False when the system refuses executable memory, CHORUS_JIT=off, or no code is generated for this processor.
bool code_allowed() noexcept;
/// Bytes of code held.
int64_t code_bytes() noexcept;
/// Functions generated since the process began.
int64_t code_count() noexcept;

}  // namespace chorus::jit
