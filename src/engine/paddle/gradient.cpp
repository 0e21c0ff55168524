// What gradients of graphs are made of, by PaddlePaddle's own backward kernels.
#include "table.h"
#include "window.h"

namespace paddle::experimental {
// As libphi_core exports it; the headers of the wheel do not declare it.
void conv2d_grad(const Tensor& input, const Tensor& filter, const Tensor& out_grad, const std::vector<int>& strides,
                 const std::vector<int>& paddings, const std::string& padding_algorithm,
                 const std::vector<int>& dilations, int groups, const std::string& data_format, Tensor* input_grad,
                 Tensor* filter_grad);
}  // namespace paddle::experimental

namespace chorus_paddle {
namespace {

// dY [N, M, places …] of the convolution of x [N, C, spatial …] with w; one axis is a picture of height 1.
Tensor backward(Call& c, const Tensor& given_x, const Tensor& given_w, const Tensor& given_dy, bool of_data) {
  Tensor x = given_x, w = given_w, dy = given_dy;
  const Ints extents = w.sizes();
  c.require(w.dim() == x.dim() && dy.dim() == x.dim(), "the operands differ in rank");
  const Window window = window_of(c, x, Ints(extents.begin() + 2, extents.end()));
  if (x.numel() == 0 || w.numel() == 0 || dy.numel() == 0) return zeros((of_data ? x : w).sizes(), x.type());
  std::vector<int> pads, strides = narrow(window.strides), dilations = narrow(window.dilations);
  for (size_t d = 0; d < window.axes(); ++d) {
    c.require(window.begin[d] >= 0 && window.end[d] >= 0, "a pad is negative");
    pads.push_back(static_cast<int>(window.begin[d]));
    pads.push_back(static_cast<int>(window.end[d]));
  }
  const bool line = window.axes() == 1;
  if (line) {
    x = x.unsqueeze(2), w = w.unsqueeze(2), dy = dy.unsqueeze(2);
    strides.insert(strides.begin(), 1);
    dilations.insert(dilations.begin(), 1);
    pads.insert(pads.begin(), {0, 0});
  }
  paddle::Tensor made;
  paddle::experimental::conv2d_grad(x.contiguous(), w.contiguous(), dy.contiguous(), strides, pads, "EXPLICIT",
                                    dilations, static_cast<int>(c.i("group", 1)), "NCHW", of_data ? &made : nullptr,
                                    of_data ? nullptr : &made);
  return line ? Tensor(made).squeeze(2) : Tensor(made);
}

void of_data(Call& c) {
  const Tensor dy = c.in(0);
  const Ints shape = c.ints(2);
  c.room(shape, dy.type());
  c.out(0, backward(c, zeros(shape, dy.type()), c.in(1), dy, true));  // the kernel looks at its extents alone
}

void of_weights(Call& c) {
  const Tensor dy = c.in(0);
  const Ints shape = c.ints(2);
  c.room(shape, dy.type());
  c.out(0, backward(c, c.in(1), zeros(shape, dy.type()), dy, false));
}

std::string gradient_refusal(const Node& node) {
  return node.rank(0) == 3 || node.rank(0) == 4 ? std::string() : "conv2d_grad is mapped for one and two axes";
}

void sum_to(Call& c) {
  const Tensor x = c.in(0);
  const Ints shape = c.ints(1);
  c.require(static_cast<int64_t>(shape.size()) <= x.dim(), "the shape has more axes than the operand");
  const int64_t lead = x.dim() - static_cast<int64_t>(shape.size());
  Ints axes;
  for (int64_t d = 0; d < x.dim(); ++d) {
    const int64_t wanted = d < lead ? 1 : shape[static_cast<size_t>(d - lead)];
    c.require(wanted == 1 || wanted == x.size(d), "the operand does not broadcast to the shape");
    if (d < lead || wanted != x.size(d)) axes.push_back(d);
  }
  c.out(0, (axes.empty() ? x : sum(x, axes, true)).reshape(shape));
}

constexpr Row kRows[] = {
    {"ConvGradData", of_data, kDoubles, "conv2d_grad", {}, gradient_refusal, Widen::value, 0, "chorus"},
    {"ConvGradWeights", of_weights, kDoubles, "conv2d_grad", {}, gradient_refusal, Widen::value, 0, "chorus"},
    {"SumTo", sum_to, kDoubles | kComplexes, "sum", {}, nullptr, Widen::value, 0, "chorus"},
};

}  // namespace

std::span<const Row> gradient_rows() { return kRows; }

}  // namespace chorus_paddle
