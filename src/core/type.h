// Type: what is known of a value before it is computed: kind, element type, rank and (symbolic) dimensions.
#pragma once
#include <chorus/dtype.h>
#include <chorus/value.h>
#include <core/dim.h>

#include <memory>
#include <string>
#include <vector>

namespace chorus {

using Dims = std::vector<Dim>;

struct CHORUS_API Type {
  ValueKind kind = ValueKind::none;   ///< none: nothing known, or an omitted value
  DType dtype = DType::undefined;     ///< tensor: element type; map: type of the keys; undefined: unknown
  bool has_rank = false;              ///< tensor: whether dims is meaningful
  Dims dims;
  std::shared_ptr<const Type> elem;   ///< sequence, optional: of the items; map: of the values
  bool sparse = false;                ///< sparse tensor (dtype, dims as for a tensor)

  static Type tensor(DType dtype) { return {ValueKind::tensor, dtype, false, {}, nullptr}; }
  static Type tensor(DType dtype, Dims dims) { return {ValueKind::tensor, dtype, true, std::move(dims), nullptr}; }
  static Type sequence(Type elem) {
    return {ValueKind::sequence, DType::undefined, false, {}, std::make_shared<const Type>(std::move(elem))};
  }
  static Type optional(Type elem) {
    return {ValueKind::optional, DType::undefined, false, {}, std::make_shared<const Type>(std::move(elem))};
  }
  static Type map(DType key, Type value) {
    return {ValueKind::map, key, false, {}, std::make_shared<const Type>(std::move(value))};
  }
  static Type of(const Value& value);

  bool is_tensor() const noexcept { return kind == ValueKind::tensor; }
  int rank() const noexcept { return has_rank ? static_cast<int>(dims.size()) : -1; }
  /// Every dimension a number.
  bool is_static() const noexcept;
  std::string str() const;            ///< "float32[batch, 3, ?]", "sequence(int64[?])", "float32" (rank unknown)
  /// Same kind and types, dims of the same normal form.
  bool same(const Type& other) const noexcept;
  /// What holds of both (join of two branches): different dims become unknown.
  static Type join(const Type& a, const Type& b);
  /// The more exact of what both say (declared and inferred). Throws Error(type|shape) naming both where they contradict.
  static Type meet(const Type& a, const Type& b, std::string_view what);
};

}  // namespace chorus
