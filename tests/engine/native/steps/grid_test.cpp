// Every candidate on the case grid of its operator's row, operands given in the run and as constants.
#include <ops/grid.h>
#include <ops/table.h>

#include <map>

#include "step_case.h"

namespace chorus::testing {
namespace {

enum class Operands { at_run, constant };

/// The case as a graph of one node; nullopt for what a graph cannot hold that way.
bool build(const OpDef& op, const GridCase& one, const std::vector<Value>& made, Operands operands, GraphCase& c,
           std::vector<Value>& inputs) {
  std::vector<ValueId> ids;
  for (size_t i = 0; i < made.size(); ++i) {
    if (made[i] && (!made[i].is_tensor() || made[i].dtype() == DType::string)) return false;
    const bool fixed = one.operands[i].kind == GridOperand::Kind::constant || (operands == Operands::constant && i > 0);
    if (!made[i]) {
      ids.push_back(kNone);
    } else if (fixed) {
      ids.push_back(c.constant(made[i]));
    } else {
      Dims dims;
      for (int64_t d : made[i].shape()) dims.push_back(d);
      ids.push_back(c.in("x" + std::to_string(i), dims, made[i].dtype()));
      inputs.push_back(made[i]);
    }
  }
  if (inputs.empty()) return false;
  const ValueId first = c.op(op.name, ids, one.attributes, one.outputs, 0, op.domain);
  for (int i = 0; i < one.outputs; ++i) c.out(c.other(first, i), "y" + std::to_string(i));
  return true;
}

TEST(StepGrids, EveryCandidateEqualsItsReference) {
  std::map<std::string, int> ran;
  int cases = 0;
  for (auto* family :
       {&native::steps::convolution_steps, &native::steps::matrix_steps, &native::steps::elementwise_steps,
        &native::steps::activation_steps, &native::steps::normalization_steps, &native::steps::pooling_steps,
        &native::steps::movement_steps, &native::steps::reduction_steps, &native::steps::tree_steps,
        &native::steps::attention_steps}) {
    for (const native::Candidate& candidate : (*family)()) {
      const OpDef* op = find_op(candidate.domain, candidate.op);
      ASSERT_NE(op, nullptr) << candidate.op;
      uint64_t seed = 0;
      for (const GridCase& one : parse_grid(*op)) {
        if (one.version + 1 != static_cast<int>(op->versions.size())) continue;
        const std::vector<Value> made = make_inputs(one, ++seed);
        for (Operands operands : {Operands::at_run, Operands::constant}) {
          GraphCase c;
          std::vector<Value> inputs;
          if (!build(*op, one, made, operands, c, inputs)) continue;
          const auto kernels =
              expect_steps(c, inputs, 1e-4, "", std::string(candidate.op) + ": " + std::string(one.text));
          ++cases;
          if (!kernels.empty() && kernels[0] == candidate.name)
            ++ran[std::string(candidate.op) + " " + std::string(candidate.name)];
        }
      }
      // The grids of these have no pair of float32 operands: elementwise_test.cpp runs them.
      if (candidate.op == "Max" || candidate.op == "Min" || candidate.op == "Sum") continue;
      if (candidate.name.ends_with(".tiles")) continue;  // whole blocks of columns: product_test.cpp
      EXPECT_GT(ran[std::string(candidate.op) + " " + std::string(candidate.name)], 0)
          << candidate.op << " by " << candidate.name << " ran in no case";
    }
  }
  EXPECT_GT(cases, 200);
}

}  // namespace
}  // namespace chorus::testing
