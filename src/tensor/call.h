// How expressions are made; gen/src/ops.cpp calls these for every operator.
#pragma once
#include <chorus/tensor.h>
#include <ops/op_def.h>

#include <initializer_list>
#include <span>
#include <vector>

namespace chorus {

/// The row; Error(internal) when the table lacks it.
const OpDef& builtin_op(std::string_view domain, std::string_view name);

/// Checks, promotes the operands as the row says, and makes the expression. Throws Error with the values.
Tensor call_one(const OpDef& op, std::span<const Tensor* const> inputs, Attributes attributes = {});
inline Tensor call_one(const OpDef& op, std::initializer_list<const Tensor*> inputs, Attributes attributes = {}) {
  return call_one(op, std::span<const Tensor* const>(inputs.begin(), inputs.size()), std::move(attributes));
}
std::vector<Tensor> call_many(const OpDef& op, std::span<const Tensor* const> inputs, Attributes attributes,
                              int outputs);
/// Converted to a type; numbers that stand alone are made in it.
Tensor cast_to(const Tensor& tensor, DType type);

/// Operands of a call with variadic parameters.
class Operands {
 public:
  Operands& add(const Tensor& t) {
    list_.push_back(&t);
    return *this;
  }
  Operands& add(std::span<const Tensor> ts) {
    for (const Tensor& t : ts) list_.push_back(&t);
    return *this;
  }
  operator std::span<const Tensor* const>() const noexcept { return list_; }  // NOLINT(google-explicit-constructor)

 private:
  std::vector<const Tensor*> list_;
};

/// Outputs 0 … N - 1 as an array, for structured bindings.
template <size_t N>
std::array<Tensor, N> as_array(std::vector<Tensor> list) {
  std::array<Tensor, N> out;
  for (size_t i = 0; i < N && i < list.size(); ++i) out[i] = std::move(list[i]);
  return out;
}

}  // namespace chorus
