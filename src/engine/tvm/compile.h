// From tensor expressions to functions of the processor: TVM's passes and its LLVM, in this process.
#pragma once
#include <string>
#include <vector>

#include "expr.h"

namespace chorus_tvm {

/// A function of tensors, reads first, then what it makes; `folds` are those in it.
Value prim_func(const std::vector<T>& reads, const std::vector<T>& makes, const std::vector<FoldBlock>& folds);
/// Two functions that do the same.
bool same_func(const Value& a, const Value& b);
int64_t hash_of(const Value& func);
/// Compiles functions for this processor; a compiled function for each, to call with tensor views.
struct Module {
  Value module;   ///< must outlive the functions
  std::vector<Value> functions;
};
Module compile_funcs(const std::vector<Value>& funcs);
/// As TVMScript.
std::string script_of(const Value& func);

}  // namespace chorus_tvm
