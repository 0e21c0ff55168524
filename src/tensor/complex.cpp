// Arithmetic of complex tensors on pairs of real ones: no operator of ONNX takes complex numbers.
#include <chorus/ops.h>
#include <tensor/complex.h>

namespace chorus {
namespace {

DType part_type(DType complex) { return complex == DType::complex64 ? DType::float32 : DType::float64; }

struct Parts {
  Tensor real, imaginary;
};

Parts parts_of(const Tensor& t, DType part) {
  if (!is_complex(t.dtype())) return {t.to(part), zeros(t.shape(), part)};
  const Tensor pairs = view_as_real(t).to(part);
  return {pairs[{Index::ellipsis(), 0}], pairs[{Index::ellipsis(), 1}]};
}

Tensor join(const Tensor& real, const Tensor& imaginary) { return view_as_complex(stack({real, imaginary}, -1)); }

}  // namespace

Tensor complex_arithmetic(ComplexOp op, const Tensor& a, const Tensor& b) {
  const DType type = promote_types(a.dtype(), b.dtype());
  if (!is_complex(type))
    throw Error(Code::type, "complex numbers and " + std::string(dtype_name(b.dtype())) + " have no common type");
  const auto [ar, ai] = parts_of(a, part_type(type));
  const auto [br, bi] = parts_of(b, part_type(type));
  switch (op) {
    case ComplexOp::add: return join(ar + br, ai + bi);
    case ComplexOp::sub: return join(ar - br, ai - bi);
    case ComplexOp::mul: return join(ar * br - ai * bi, ar * bi + ai * br);
    case ComplexOp::div: {
      const Tensor scale = br * br + bi * bi;
      return join((ar * br + ai * bi) / scale, (ai * br - ar * bi) / scale);
    }
    case ComplexOp::equal: return logical_and(ar == br, ai == bi);
  }
  return {};
}

}  // namespace chorus
