// What the candidates of Resize share in both layouts.
#pragma once
#include <engine/native/steps/support.h>

namespace chorus::native::steps {

bool accepts_resize(const StepDescription& step);
std::shared_ptr<const Prepared> prepare_resize(const StepDescription& step);
/// Planes are images times channels, pointers those of operand and result.
fast::ResizeArgs resize_args(const KernelContext& ctx) noexcept;
/// Bytes of the tables of rows and columns, a multiple of 64.
int64_t resize_table_bytes(const fast::ResizeArgs& args) noexcept;
/// Writes the tables to `memory` and points `args` to them.
void fill_resize_tables(const KernelContext& ctx, void* memory, fast::ResizeArgs* args) noexcept;

/// Planes of channels.
Candidate resize_step();

}  // namespace chorus::native::steps
