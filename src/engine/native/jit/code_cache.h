// Executable memory and the kernels in it: generated once per key, kept for the process, bounded.
#pragma once
#include <engine/native/jit/ir.h>

#include <functional>
#include <span>

namespace chorus::jit {

using Kernel = void (*)(void* arguments);

/// Bytes of code that are kept at most; a kernel beyond it is refused.
inline constexpr int64_t kCodeLimit = int64_t{64} << 20;

/// The kernel of this key (any bytes that say all it depends on); `make` writes it when it is new. Null when memory for code is
/// refused or used up. Takes a lock and may allocate: for bind, not for a run.
Kernel find_kernel(std::span<const std::byte> key, const std::function<Code()>& make);

/// False when the system refuses executable memory, CHORUS_JIT=off, or no code is generated for this processor.
bool code_allowed() noexcept;
/// For tests: refuse memory for code from now on, or allow it again. Kernels made before stay.
enum class CodeMemory : uint8_t { allowed, refused };
void set_code_memory(CodeMemory) noexcept;

/// Bytes of code held.
int64_t code_bytes() noexcept;

}  // namespace chorus::jit
