#include "compile.h"

#include <algorithm>
#include <mutex>

namespace chorus_tvm {
namespace {

Value pass(const std::string& name) {
  if (name == "tirx.transform.NarrowDataType") return call(name, {32});
  if (name == "tirx.transform.VectorizeLoop") return call(name, {true});
  if (name == "s_tir.transform.CompactBufferAllocation") return call(name, {true});
  return call(name, {});
}

// The order of TVM's default pipeline, without what is of other devices.
constexpr const char* kPasses[] = {
    "s_tir.transform.CanonicalizeLoop",
    "s_tir.transform.LowerInitBlock",
    "s_tir.transform.PlanAndUpdateBufferAllocationLocation",
    "s_tir.transform.ConvertBlocksToOpaque",
    "s_tir.transform.CompactBufferAllocation",
    "s_tir.transform.LowerMatchBuffer",
    "s_tir.transform.StmtSimplify",
    "s_tir.transform.LowerOpaqueBlock",
    "tirx.transform.FlattenBuffer",
    "tirx.transform.NarrowDataType",
    "s_tir.transform.LoopPartition",
    "tirx.transform.VectorizeLoop",
    "tirx.transform.StorageRewrite",
    "s_tir.transform.HoistIfThenElse",
    "tirx.transform.UnrollLoop",
    "s_tir.transform.RenormalizeSplitPattern",
    "tirx.transform.StmtSimplify",
    "tirx.transform.RemoveNoOp",
    "s_tir.transform.RewriteUnsafeSelect",
    "tirx.transform.CommonSubexprElim",
    "tirx.transform.VerifyMemory",
    "tirx.transform.AnnotateEntryFunc",
    "tirx.transform.SplitHostDevice",
    "tirx.transform.MakePackedAPI",
    // Arguments are checked before a call. The messages' function would not be found: all is loaded RTLD_LOCAL.
    "tirx.transform.SkipAssert",
    "tirx.transform.LowerTVMBuiltin",
    "tirx.transform.LowerIntrin",
};

Value run_pass(const Value& pass, Value module) { return call("transform.RunPass", {pass, module}); }

// This processor's instructions.
const Value& target() {
  static const Value* const one = [] {
    const std::string cpu = call("target.llvm_get_system_cpu", {}).text();
    const Value plain = call("target.Target", {std::string_view("{\"kind\": \"llvm\", \"mcpu\": \"" + cpu + "\"}")});
    return new Value(call("target.WithHost", {plain, plain}));
  }();
  return *one;
}

int64_t count(const Dims& dims) {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

// The last axis of the result inside, so that LLVM makes vectors of it: many sums go on at once, instead of one that waits for each term.
void turn(const Value& schedule, const FoldBlock& fold) {
  if (fold.dims.empty() || fold.dims.back() < 4 || count(fold.over) < 2) return;
  const Value block = call("s_tir.schedule.ScheduleGetSBlock", {schedule, std::string_view(fold.name), "main"});
  std::vector<Value> loops = items_of(call("s_tir.schedule.ScheduleGetLoops", {schedule, block}));
  if (loops.size() != fold.dims.size() + fold.over.size()) return;
  const auto last = static_cast<std::ptrdiff_t>(fold.dims.size()) - 1;
  std::rotate(loops.begin() + last, loops.begin() + last + 1, loops.end());
  call("s_tir.schedule.ScheduleReorder", {schedule, array(loops)});
  call("s_tir.schedule.ScheduleDecomposeReduction", {schedule, block, loops[static_cast<size_t>(last)]});
}

std::mutex& compiling() {
  static std::mutex one;
  return one;
}

}  // namespace

Value prim_func(const std::vector<T>& reads, const std::vector<T>& makes, const std::vector<FoldBlock>& folds) {
  std::vector<Value> tensors;
  for (const T& t : reads) tensors.push_back(t.v);
  for (const T& t : makes) tensors.push_back(t.v);
  const Value func = call("te.CreatePrimFunc", {array(tensors), Value()});
  if (folds.empty()) return func;
  const Value module =
      call("ir.IRModule", {call("ffi.Map", {call("ir.GlobalVar", {"main"}), func}), Value(), call("ffi.Map", {})});
  const Value schedule = call("s_tir.schedule.ConcreteSchedule", {module, -1, 0, 0, true});
  for (const FoldBlock& fold : folds) turn(schedule, fold);
  return call("ir.Module_Lookup_str", {call("s_tir.schedule.ScheduleGetMod", {schedule}), "main"});
}

bool same_func(const Value& a, const Value& b) {
  return call("ffi.StructuralEqual", {a, b, false, false}).number() != 0;
}

int64_t hash_of(const Value& func) { return call("ffi.StructuralHash", {func, false, false}).number(); }

Module compile_funcs(const std::vector<Value>& funcs) {
  const std::lock_guard lock(compiling());
  Value module = call("ir.IRModule", {call("ffi.Map", {}), Value(), call("ffi.Map", {})});
  for (size_t i = 0; i < funcs.size(); ++i) {
    const std::string name = "k" + std::to_string(i);
    const Value named = call("ir.BaseFuncWithAttr", {funcs[i], "global_symbol", std::string_view(name)});
    call("ir.Module_Add", {module, call("ir.GlobalVar", {std::string_view(name)}), named, true});
  }
  module = run_pass(call("tirx.transform.BindTarget", {target()}), module);
  for (const char* name : kPasses) module = run_pass(pass(name), module);
  Module made;
  made.module = call("target.build.llvm", {module, target()});
  for (size_t i = 0; i < funcs.size(); ++i) {
    const std::string name = "k" + std::to_string(i);
    made.functions.push_back(call("ffi.ModuleGetFunction", {made.module, std::string_view(name), false}));
    if (!made.functions.back()) throw Failure(CH_INTERNAL, "TVM compiled a function that it does not have");
  }
  return made;
}

std::string script_of(const Value& func) { return call("node.TVMScriptPrinterScript", {func, Value()}).text(); }

}  // namespace chorus_tvm
