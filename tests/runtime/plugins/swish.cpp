// A plug-in with one operator, my.Swish6: x · relu6(x + 3) / 6. It needs the public header and nothing else.
#include <chorus/model.h>

#include <algorithm>

extern "C" __attribute__((visibility("default"))) void chorus_register_ops(void (*add)(chorus::api::CustomOp)) {
  chorus::api::CustomOp op;
  op.domain = "my";
  op.name = "Swish6";
  op.signature = "(T x) -> (T y); T = f32";
  op.compute = [](const std::vector<chorus::api::CustomTensor>& in, std::vector<chorus::api::CustomTensor>& out,
                  const chorus::api::CustomOp::Numbers&) {
    int64_t count = 1;
    for (int64_t d : in[0].shape) count *= d;
    const auto* x = static_cast<const float*>(in[0].data);
    auto* y = static_cast<float*>(out[0].out);
    for (int64_t i = 0; i < count; ++i) y[i] = x[i] * std::min(std::max(x[i] + 3.0f, 0.0f), 6.0f) / 6.0f;
    return std::string();
  };
  // dy / 6 · (relu6(x + 3) + x where that rises)
  op.gradient = [](const std::vector<chorus::api::CustomTensor>& in, const std::vector<chorus::api::CustomTensor>&,
                   const std::vector<chorus::api::CustomTensor>& from, std::vector<chorus::api::CustomTensor>& to,
                   const chorus::api::CustomOp::Numbers&) {
    int64_t count = 1;
    for (int64_t d : in[0].shape) count *= d;
    const auto *x = static_cast<const float*>(in[0].data), *dy = static_cast<const float*>(from[0].data);
    auto* dx = static_cast<float*>(to[0].out);
    for (int64_t i = 0; dx != nullptr && i < count; ++i)
      dx[i] = dy[i] * (std::min(std::max(x[i] + 3.0f, 0.0f), 6.0f) + (x[i] > -3 && x[i] < 3 ? x[i] : 0)) / 6.0f;
    return std::string();
  };
  op.cases = "f32[3,8]; f32[]; f32[0,2]; f32[5]@-6..6";
  add(op);
}
