// What the rules of ai.onnx.ml share: tables of features, labels, post transforms.
#pragma once
#include <ops/context.h>

#include <cstdint>
#include <string_view>

namespace chorus::ml {

/// Bound of every extent that an attribute states.
inline constexpr int64_t kMostCategories = int64_t{1} << 28;

/// Operand i as rows of features: [N, C], or [C] as [1, C]. Unknown dims where the rank is not known. Fails for other ranks.
struct Table {
  Dim rows, columns;
};
Table read_table(ShapeContext& ctx, int i);

/// One of NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO, PROBIT.
void require_post_transform(const NodeContext& ctx);
/// Exactly one of the two lists has members; their number.
int64_t require_label_sets(const NodeContext& ctx, std::string_view integers, std::string_view strings);
/// string where the attribute has members, else int64.
DType label_type(const NodeContext& ctx, std::string_view strings);

/// Keys or values of a LabelEncoder: `<stem>_strings`, `_int64s`, `_floats` or `_tensor`, of which one must be there.
struct Labels {
  DType type = DType::undefined;
  int64_t count = 0;
};
Labels read_labels(const NodeContext& ctx, std::string_view stem);

}  // namespace chorus::ml
