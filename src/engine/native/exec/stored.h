// A compiled program as bytes: the optimised graph (constants that were packed are hollow) and the packs, each at a page or a multiple
// of 64 bytes. For a compile cache of this build on this processor; used in place.
#pragma once
#include <engine/native/exec/instance.h>

#include <memory>
#include <span>
#include <string_view>

namespace chorus::native {

void save_program(const NativeProgram& program, FunctionRef<void(std::span<const std::byte>)> sink);
/// Throws Error(bad_input) for bytes that save_program did not write, or whose packs are not those that this build asks for.
std::shared_ptr<Program> load_program(std::string_view bytes, std::shared_ptr<const void> owner,
                                      const CompileOptions& options);

}  // namespace chorus::native
