// Normalisations, with constant scale and shift.
#include <format/ncnn/table.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace chorus::ncnn {

void write_batch_norm(Emitter& e) {
  const Extents x = e.shape(0);
  if (e.node().outputs.size() > 1 && e.wanted(1)) refuse("ncnn's BatchNorm does not train");
  if (x.size() < 2 || e.attrs().integer("training_mode", 0) != 0) refuse("ncnn's BatchNorm does not train");
  const std::vector<float> scale = e.floats(1, "the scale"), bias = e.floats(2, "the bias");
  const std::vector<float> mean = e.floats(3, "the mean"), variance = e.floats(4, "the variance");
  const double epsilon = e.attrs().real("epsilon", 1e-5F);
  const int64_t channels = x[1], inner = product(std::span(x).subspan(2));
  if (x[0] == 1) {
    const Extents dims = inner == 1      ? Extents{channels}
                         : x.size() == 3 ? Extents{channels, inner}
                         : x.size() == 4 ? Extents{channels, x[2], x[3]}
                                         : Extents{channels, 1, inner};
    e.out(0, e.layer("BatchNorm", Params().integer(0, channels).real(1, epsilon), {e.in(0, dims)}, dims));
    for (const auto* list : {&scale, &mean, &variance, &bias}) e.weights(Tag::none, *list);
    return;
  }
  std::vector<float> factor, shift;
  for (size_t i = 0; i < scale.size(); ++i) {
    const double f = scale[i] / std::sqrt(variance[i] + epsilon);
    factor.push_back(static_cast<float>(f));
    shift.push_back(static_cast<float>(bias[i] - f * mean[i]));
  }
  const Extents dims = {x[0], channels, inner}, across = {1, channels, 1};
  const Blob scaled = e.binary(2, e.in(0, dims), dims, e.data(across, factor), across, dims);
  e.out(0, e.binary(0, scaled, dims, e.data(across, shift), across, dims));
}

namespace {

// LayerNorm and RMSNorm over the last axes; scale and shift of as many elements, or none.
void normalize_last(Emitter& e, std::string_view type, int64_t from, bool has_shift) {
  const Extents x = e.shape(0);
  const int64_t size = product(std::span(x).subspan(static_cast<size_t>(from)));
  const int64_t outer = product(std::span(x).first(static_cast<size_t>(from)));
  const std::vector<float> scale = e.floats(1, "the scale");
  if (static_cast<int64_t>(scale.size()) != size) refuse("the scale has not one element for each that is normalised");
  std::vector<float> shift;
  if (has_shift) {
    shift = e.has(2) ? e.floats(2, "the shift") : std::vector<float>(scale.size(), 0.0F);
    if (shift.size() != scale.size()) refuse("the shift has not one element for each that is normalised");
  }
  Params p;
  p.integer(0, size).real(1, e.attrs().real("epsilon", 1e-5F)).integer(2, 1);
  const Extents dims = {outer, size};
  e.out(0, e.layer(type, p, {e.in(0, dims)}, dims));
  e.weights(Tag::none, scale);
  if (has_shift) e.weights(Tag::none, shift);
}

}  // namespace

void write_layer_norm(Emitter& e) {
  if (e.wanted(1) || e.wanted(2)) refuse("ncnn's LayerNorm does not give mean and deviation");
  normalize_last(e, "LayerNorm", e.axis(e.attrs().integer("axis", -1), e.rank(0)), true);
}

void write_rms_norm(Emitter& e) {
  normalize_last(e, "RMSNorm", e.axis(e.attrs().integer("axis", -1), e.rank(0)), false);
}

void write_instance_norm(Emitter& e) {
  const Extents x = e.shape(0);
  if (x.size() < 3) refuse("InstanceNorm of ncnn wants images");
  const std::vector<float> scale = e.floats(1, "the scale"), shift = e.floats(2, "the shift");
  const int64_t inner = product(std::span(x).subspan(2));
  std::vector<float> all_scale, all_shift;  // a batch is more channels
  for (int64_t b = 0; b < x[0]; ++b) {
    all_scale.insert(all_scale.end(), scale.begin(), scale.end());
    all_shift.insert(all_shift.end(), shift.begin(), shift.end());
  }
  const int64_t channels = x[0] * x[1];
  const Extents dims = x.size() == 4 ? Extents{channels, x[2], x[3]} : Extents{channels, 1, inner};
  Params p;
  p.integer(0, channels).real(1, e.attrs().real("epsilon", 1e-5F)).integer(2, 1);
  e.out(0, e.layer("InstanceNorm", p, {e.in(0, dims)}, dims));
  e.weights(Tag::none, all_scale);
  e.weights(Tag::none, all_shift);
}

void write_group_norm(Emitter& e) {
  const Extents x = e.shape(0);
  if (x.size() < 3) refuse("GroupNorm of ncnn wants images");
  const std::vector<float> scale = e.floats(1, "the scale"), shift = e.floats(2, "the shift");
  const int64_t groups = e.attrs().integer("num_groups", 1), inner = product(std::span(x).subspan(2));
  if (static_cast<int64_t>(scale.size()) != x[1]) refuse("the scale has not one element for each channel");
  std::vector<float> all_scale, all_shift;  // a batch is more groups
  for (int64_t b = 0; b < x[0]; ++b) {
    all_scale.insert(all_scale.end(), scale.begin(), scale.end());
    all_shift.insert(all_shift.end(), shift.begin(), shift.end());
  }
  const int64_t channels = x[0] * x[1];
  const Extents dims = x.size() == 4 ? Extents{channels, x[2], x[3]} : Extents{channels, 1, inner};
  Params p;
  p.integer(0, groups * x[0]).integer(1, channels).real(2, e.attrs().real("epsilon", 1e-5F)).integer(3, 1);
  e.out(0, e.layer("GroupNorm", p, {e.in(0, dims)}, dims));
  e.weights(Tag::none, all_scale);
  e.weights(Tag::none, all_shift);
}

void write_lrn(Emitter& e) {
  const Extents x = e.shape(0);
  if (x.size() != 4 || x[0] != 1) refuse("ncnn's LRN takes one image");
  const AttrReader attrs = e.attrs();
  if (attrs.integer("size") % 2 == 0) refuse("ncnn's LRN has its element in the middle of an odd number of channels");
  Params p;
  p.integer(0, 0)
      .integer(1, attrs.integer("size"))
      .real(2, attrs.real("alpha", 0.0001F))
      .real(3, attrs.real("beta", 0.75F));
  p.real(4, attrs.real("bias", 1.0F));
  const Extents dims = {x[1], x[2], x[3]};
  e.out(0, e.layer("LRN", p, {e.in(0, dims)}, dims));
}

}  // namespace chorus::ncnn
