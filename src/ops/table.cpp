// The families, in the order of the house. A new family turns its line into code.
#include <ops/table.h>

namespace chorus {

std::vector<const OpDef*> built_in_ops() {
  std::vector<const OpDef*> rows;
  [[maybe_unused]] const auto list = [&](std::span<const OpDef> family) {
    for (const OpDef& def : family) rows.push_back(&def);
  };
  list(families::elementwise_ops());
  list(families::unary_ops());
  list(families::activation_ops());
  list(families::reduction_ops());
  list(families::movement_ops());
  list(families::indexing_ops());
  list(families::creation_ops());
  list(families::cast_ops());
  list(families::matrix_ops());
  list(families::convolution_ops());
  list(families::normalization_ops());
  list(families::recurrent_ops());
  list(families::attention_ops());
  list(families::control_ops());
  list(families::sequence_ops());
  list(families::loss_ops());
  list(families::vision_ops());
  list(families::signal_ops());
  list(families::ml_ops());
  list(families::linear_ops());
  list(families::tree_ops());
  list(families::training_ops());
  list(families::gradient_ops());
  return rows;
}

}  // namespace chorus
