// Who shares whose bytes: views, parts of a larger tensor's channels, results written over an operand that dies; then lifetimes.
#pragma once
#include <engine/native/plan/plan.h>

namespace chorus::native {

/// Sets parents, first_channel, first and last of the plan's tensors; drops the steps that need not run any more.
void share_memory(Plan& plan);

}  // namespace chorus::native
