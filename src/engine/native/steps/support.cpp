#include <engine/native/steps/support.h>

#include <core/convert.h>

#include <list>
#include <mutex>
#include <string>

namespace chorus::native::steps {

const fast::FastKernels& table() noexcept {
  static const fast::FastKernels& kernels = fast::kernels(cpu());
  return kernels;
}

std::string_view at_level(std::string_view stem) {
  static std::mutex mutex;
  static std::list<std::string> names;
  const std::lock_guard lock(mutex);
  return names.emplace_back(std::string(stem) + "." + table().name);
}

bool is_float32(const Type& type) noexcept {
  return type.is_tensor() && !type.sparse && type.has_rank && type.dtype == DType::float32;
}
bool is_float32(const Type& type, int rank) noexcept { return is_float32(type) && type.rank() == rank; }

bool has_numbers(const Type& type, size_t first) noexcept {
  for (size_t i = first; i < type.dims.size(); ++i) {
    if (!type.dims[i].is_number() || type.dims[i].number() < 1) return false;
  }
  return true;
}

bool same_dims(const Type& a, const Type& b) {
  if (a.dims.size() != b.dims.size()) return false;
  for (size_t i = 0; i < a.dims.size(); ++i) {
    if (Dim::equal(a.dims[i], b.dims[i]) != Dim::Truth::yes) return false;
  }
  return true;
}

bool constant_float(const StepDescription& step, int operand, float* out) {
  const Value* v = step.constant(operand);
  if (v == nullptr || !v->is_tensor() || v->numel() != 1 || !is_float(v->dtype())) return false;
  *out = static_cast<float>(get_f64(v->dtype(), v->data(), 0));
  return true;
}

bool constant_integers(const StepDescription& step, int operand, std::vector<int64_t>* out) {
  const Value* v = step.constant(operand);
  if (v == nullptr || !v->is_tensor() || (v->dtype() != DType::int64 && v->dtype() != DType::int32)) return false;
  *out = v->to_int64s();
  return true;
}

int64_t from_front(int64_t axis, int rank) noexcept {
  if (axis < 0) axis += rank;
  return axis < 0 || axis >= rank ? -1 : axis;
}

namespace {

// Several scales and biases in a row are one of each: the products in float64.
struct Affine {
  std::vector<double> scale, shift;
  bool scaled = false, shifted = false;
};

void add_item(const EpilogueItem& item, Affine& a) {
  const std::span<const float> v = item.constant.as<float>();
  const bool scales = item.kind == EpilogueKind::scale_channel;
  (scales ? a.scaled : a.shifted) = true;
  for (size_t i = 0; i < v.size(); ++i) {
    if (scales) {
      a.scale[i] *= v[i];
      a.shift[i] *= v[i];
    } else {
      a.shift[i] += v[i];
    }
  }
}

void set_activation(const EpilogueItem& item, PreparedEpilogue& p) {
  p.alpha = item.alpha;
  p.beta = item.beta;
  switch (item.kind) {
    case EpilogueKind::relu: p.activation = fast::Activation::relu; return;
    case EpilogueKind::clip: p.activation = fast::Activation::clip; return;
    case EpilogueKind::leaky_relu: p.activation = fast::Activation::leaky_relu; return;
    case EpilogueKind::hard_swish: p.activation = fast::Activation::hard_swish; return;
    case EpilogueKind::hard_sigmoid: p.activation = fast::Activation::hard_sigmoid; return;
    case EpilogueKind::sigmoid: p.activation = fast::Activation::sigmoid; return;
    case EpilogueKind::silu: p.activation = fast::Activation::silu; return;
    case EpilogueKind::tanh: p.activation = fast::Activation::tanh; return;
    case EpilogueKind::gelu: p.activation = fast::Activation::gelu_erf; return;
    case EpilogueKind::gelu_tanh: p.activation = fast::Activation::gelu_tanh; return;
    default: return;
  }
}

std::vector<float> narrow(const std::vector<double>& v) {
  std::vector<float> out;
  for (double x : v) out.push_back(static_cast<float>(x));
  return out;
}

}  // namespace

PreparedEpilogue prepare_epilogue(const StepDescription& step, OwnBias own, std::span<const float> bias) {
  PreparedEpilogue p;
  Affine affine;
  int residuals = 0;
  for (const EpilogueItem& item : step.epilogues) {
    if (item.kind == EpilogueKind::bias_channel || item.kind == EpilogueKind::scale_channel) {
      const auto channels = static_cast<size_t>(item.constant.numel());
      if (affine.scale.empty()) affine.scale.assign(channels, 1.0), affine.shift.assign(channels, 0.0);
      add_item(item, affine);
    } else if (item.kind == EpilogueKind::residual) {
      p.residual = static_cast<int>(step.n().inputs.size()) + residuals++;
    } else {
      set_activation(item, p);
    }
  }
  if (own == OwnBias::constant) p.bias.assign(bias.begin(), bias.end());
  if (!affine.scaled && own != OwnBias::at_run) {
    if (affine.shifted && p.bias.empty()) p.bias.assign(affine.shift.size(), 0.0F);
    for (size_t i = 0; affine.shifted && i < p.bias.size(); ++i)
      p.bias[i] = static_cast<float>(p.bias[i] + affine.shift[i]);
  } else if (affine.scaled || affine.shifted) {
    p.scale = narrow(affine.scale);
    if (affine.shifted) p.shift = narrow(affine.shift);
  }
  return p;
}

fast::Epilogue make_epilogue(const PreparedEpilogue& p, const KernelContext& ctx) noexcept {
  fast::Epilogue e;
  if (!p.bias.empty()) e.bias = p.bias.data();
  if (!p.scale.empty()) e.scale = p.scale.data();
  if (!p.shift.empty()) e.shift = p.shift.data();
  if (p.residual >= 0) e.residual = ctx.in[p.residual].as<const float>();
  e.activation = p.activation;
  e.alpha = p.alpha;
  e.beta = p.beta;
  return e;
}

uint32_t all_epilogues() noexcept {
  uint32_t mask = 0;
  for (EpilogueKind k :
       {EpilogueKind::bias_channel, EpilogueKind::scale_channel, EpilogueKind::residual, EpilogueKind::relu,
        EpilogueKind::clip, EpilogueKind::leaky_relu, EpilogueKind::hard_swish, EpilogueKind::hard_sigmoid,
        EpilogueKind::sigmoid, EpilogueKind::silu, EpilogueKind::tanh, EpilogueKind::gelu, EpilogueKind::gelu_tanh}) {
    mask |= epilogue_bit(k);
  }
  return mask;
}

Split split(std::span<const int64_t> dims, int64_t first, int64_t end) noexcept {
  Split s;
  for (size_t i = 0; i < dims.size(); ++i) {
    (static_cast<int64_t>(i) < first ? s.outer : static_cast<int64_t>(i) < end ? s.n : s.inner) *= dims[i];
  }
  return s;
}

}  // namespace chorus::native::steps
