// Scores and labels of the classifiers and regressors of ai.onnx.ml.
#pragma once
#include <engine/native/reference/move.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace chorus::native::score {

enum class Transform : uint8_t { none, softmax, logistic, softmax_zero, probit };  ///< the numbers of TreeEnsemble-5
/// By the name of the attribute post_transform; none for an unknown one (the shape rule refuses it).
Transform transform_of(std::string_view name) noexcept;
/// In place over one row.
void apply(Transform t, std::span<double> row) noexcept;
/// Position of the first greatest element; 0 for none.
int64_t first_greatest(std::span<const double> row) noexcept;

/// A table of features: [N, C], or [C] as [1, C].
struct Rows {
  const TensorView* x;
  int64_t rows, columns;
  explicit Rows(const TensorView& t) noexcept
      : x(&t), rows(t.rank == 2 ? t.dims[0] : 1), columns(t.rank == 0 ? 1 : t.dims[t.rank - 1]) {}
  /// The rank, where the shape rule did not know it.
  Status check() const noexcept {
    return x->rank == 1 || x->rank == 2 ? Status{}
                                        : Status::error(Code::shape, "X has rank %d, [N, C] or [C] is needed", x->rank);
  }
  void read(int64_t row, double* out) const noexcept { load_f64(x->dtype, x->data, row * columns, columns, out); }
};

/// Choices that are no member of the label lists: 1 and 0, or their texts.
inline constexpr int64_t kPositive = -1, kNegative = -2;
/// Output 0: the labels of the choices (places in the list, kPositive or kNegative), [n].
Status write_labels(KernelContext& ctx, std::span<const int64_t> choices, std::string_view integers,
                    std::string_view strings) noexcept;

}  // namespace chorus::native::score
