// Products of matrices.
#include <format/ncnn/table.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace chorus::ncnn {
namespace {

// The rows of `a` [m, k] times constant weights, given as [n, k]; bias of n or nothing.
Blob times_constant(Emitter& e, const Blob& a, int64_t m, int64_t k, int64_t n, std::span<const float> weights,
                    std::span<const float> bias, double alpha, double beta) {
  if (m == 1 && alpha == 1 && (bias.empty() || beta == 1)) {
    const Blob row = e.reshape(a, {k});
    const Blob made =
        e.layer("InnerProduct", Params().integer(0, n).integer(1, bias.empty() ? 0 : 1).integer(2, n * k), {row}, {n});
    e.weights(Tag::float32, weights);
    if (!bias.empty()) e.weights(Tag::none, bias);
    return made;
  }
  Params p;
  p.real(0, alpha).real(1, beta).integer(2, 0).integer(3, 1).integer(4, 0).integer(5, 1).integer(6, 1);
  p.integer(7, 0).integer(8, n).integer(9, k).integer(10, bias.empty() ? -1 : 4);
  const Blob made = e.layer("Gemm", p, {e.reshape(a, {m, k})}, {m, n});
  e.weights(Tag::float32, weights);
  if (!bias.empty()) e.weights(Tag::float32, bias);
  return made;
}

std::vector<float> transposed(std::span<const float> from, int64_t rows, int64_t columns) {
  std::vector<float> to(from.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c)
      to[static_cast<size_t>(c * rows + r)] = from[static_cast<size_t>(r * columns + c)];
  }
  return to;
}

}  // namespace

void write_matmul(Emitter& e) {
  Extents a = e.shape(0), b = e.shape(1);
  if (a.size() == 1) a.insert(a.begin(), 1);
  if (b.size() == 1) b.push_back(1);
  const int64_t m = a[a.size() - 2], k = a.back(), n = b.back();
  const Extents a_batch(a.begin(), a.end() - 2), b_batch(b.begin(), b.end() - 2);
  const int64_t batches_a = product(a_batch), batches_b = product(b_batch);
  if (batches_b == 1) {  // one matrix for all rows
    const Value* weights = e.constant(1);
    if (weights != nullptr && weights->dtype() == DType::float32) {
      const std::vector<float> turned =
          e.keeps_weights() ? transposed(weights->as<float>(), k, n) : std::vector<float>();
      return e.out(0, times_constant(e, e.in(0), batches_a * m, k, n, turned, {}, 1, 1));
    }
    const Blob rows = e.in(0, {batches_a * m, k}), matrix = e.in(1, {k, n});
    return e.out(0, e.layer("MatMul", Params(), {rows, matrix}, {batches_a * m, n}));
  }
  if (a_batch == b_batch || batches_a == 1) {
    const Blob first = e.in(0, {batches_a, m, k}), second = e.in(1, {batches_b, k, n});
    if (batches_a == batches_b) return e.out(0, e.layer("MatMul", Params(), {first, second}, {batches_b, m, n}));
    const std::array repeats = {batches_b, int64_t{1}, int64_t{1}};
    const Blob tiled = e.layer("Tile", Params().integers(2, repeats), {first}, {batches_b, m, k});
    return e.out(0, e.layer("MatMul", Params(), {tiled, second}, {batches_b, m, n}));
  }
  refuse(fmt::format("the batches of {} and {} are broadcast in both directions", shape_str(a), shape_str(b)));
}

void write_gemm(Emitter& e) {
  const AttrReader attrs = e.attrs();
  const bool turn_a = attrs.integer("transA", 0) != 0, turn_b = attrs.integer("transB", 0) != 0;
  const Extents a = e.shape(0), b = e.shape(1);
  const int64_t m = turn_a ? a[1] : a[0], k = turn_a ? a[0] : a[1], n = turn_b ? b[0] : b[1];
  const double alpha = attrs.real("alpha", 1.0F), beta = attrs.real("beta", 1.0F);
  const Value* weights = e.constant(1);
  const bool constant_bias =
      !e.has(2) || (e.constant(2) != nullptr && (e.shape(2) == Extents{n} || e.shape(2) == Extents{1, n}));
  if (weights != nullptr && !turn_a && constant_bias) {
    const auto given = weights->as<float>();
    std::vector<float> turned;
    if (!turn_b && e.keeps_weights()) turned = transposed(given, k, n);
    std::vector<float> bias;
    if (e.has(2)) bias = e.floats(2, "the bias");
    return e.out(
        0, times_constant(e, e.in(0), m, k, n, turn_b ? given : std::span<const float>(turned), bias, alpha, beta));
  }
  Params p;
  p.real(0, alpha).integer(2, turn_a ? 1 : 0).integer(3, turn_b ? 1 : 0);
  const Blob product_ab = e.layer("Gemm", p, {e.in(0, a), e.in(1, b)}, {m, n});
  if (!e.has(2) || beta == 0) return e.out(0, product_ab);
  Blob c = e.in(2);
  if (beta != 1) c = e.binary_scalar(2, c, beta);
  e.out(0, e.binary(0, product_ab, {m, n}, c, e.shape(2), {m, n}));
}

}  // namespace chorus::ncnn
