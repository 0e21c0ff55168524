// The edge profile's candidates: the families that its operators need, over plain layouts. In place of steps/table.cpp, the blocked
// steps and jit/.
#include <chorus/error.h>
#include <engine/native/candidate.h>
#include <engine/native/exec/stored.h>
#include <engine/native/exec/taps.h>
#include <engine/native/jit/conv.h>
#include <engine/native/steps/product.h>
#include <ops/chosen.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace chorus::jit {

Level level(const CpuFeatures&) noexcept { return Level::plain; }  // no code is generated

}  // namespace chorus::jit

namespace chorus::native {

namespace {

Candidate never(std::string_view op) {
  return {op, "none", [](const StepDescription&) { return false; }, 0};
}

}  // namespace

Candidate steps::tile_step(std::string_view op) { return never(op); }
Candidate steps::byte_step() { return never("MatMulInteger"); }

namespace {

template <class... Names>
constexpr bool any_chosen(Names... names) {
  return (is_chosen("", names) || ...);
}

std::vector<const Candidate*> make_list() {
  std::vector<const Candidate*> list;
  [[maybe_unused]] const auto add = [&](std::span<const Candidate> family) {
    for (const Candidate& candidate : family) {
      if (is_chosen("", candidate.op)) list.push_back(&candidate);
    }
  };
  if constexpr (any_chosen("Conv", "ConvTranspose")) add(steps::convolution_steps());
  if constexpr (any_chosen("MatMul", "Gemm")) add(steps::matrix_steps());
  if constexpr (any_chosen("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")) add(steps::pooling_steps());
  if constexpr (any_chosen("Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization", "BatchNormalization")) {
    add(steps::normalization_steps());
  }
  if constexpr (any_chosen("LSTM", "GRU", "RNN")) add(steps::recurrent_steps());
  add(steps::elementwise_steps());
  add(steps::activation_steps());
  add(steps::movement_steps());
  if constexpr (any_chosen("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceSumSquare"))
    add(steps::reduction_steps());
  std::ranges::stable_sort(list, {},
                           [](const Candidate* c) { return c->op; });  // those of an operator side by side, in order
  return list;
}

[[noreturn]] void left_out(const char* what) {
  throw Error(Code::unsupported, std::string(what) + " is not in the edge profile", {}, "use the full library");
}

}  // namespace

std::span<const Candidate* const> candidates(std::string_view op, LayoutForm form) {
  static const std::vector<const Candidate*> list = make_list();
#if defined(__x86_64__)
  if (!cpu().avx2 || !cpu().fma)
    return {};  // the library has the vector kernels of AVX2 alone; the plain ones run everywhere
#endif
  size_t begin = 0;
  while (begin < list.size() && list[begin]->op != op) ++begin;
  size_t end = begin;
  while (end < list.size() && list[end]->op == op) ++end;
  if (form == LayoutForm::blocked) return {};
  return std::span(list).subspan(begin, end - begin);
}

std::span<const Candidate* const> quantized_candidates(std::string_view) { return {}; }

const Candidate& reorder_candidate(LayoutForm) { left_out("a layout in blocks of channels"); }

std::vector<std::vector<int>> taps_of(const Plan& plan) {
  return std::vector<std::vector<int>>(plan.steps.size() + 1);
}  // LiteModel has no hooks
std::string Plan::str() const { return {}; }

void save_program(const NativeProgram&, FunctionRef<void(std::span<const std::byte>)>) { left_out("a stored program"); }
std::shared_ptr<Program> load_program(std::string_view, std::shared_ptr<const void>, const CompileOptions&) {
  left_out("a stored program");
}

}  // namespace chorus::native
