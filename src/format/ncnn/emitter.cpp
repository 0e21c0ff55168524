#include <format/ncnn/emitter.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace chorus::ncnn {
namespace {

constexpr int64_t kMostElements = INT32_MAX;
constexpr size_t kMostAxes = 4;

Params shape_params(const Extents& d) {
  Params p;
  const size_t n = d.size();
  p.integer(0, d[n - 1]);
  if (n > 1) p.integer(1, d[n - 2]);
  if (n > 3) p.integer(11, d[1]);
  if (n > 2) p.integer(2, d[0]);
  return p;
}

// Sizes of broadcasting: axes that behave alike become one, until there are four.
struct Broadcast {
  Extents a, b, out;
};

Broadcast broadcast(const Extents& a, const Extents& b, const Extents& out) {
  Broadcast full;
  full.out = out;
  full.a.assign(out.size() - a.size(), 1);
  full.a.insert(full.a.end(), a.begin(), a.end());
  full.b.assign(out.size() - b.size(), 1);
  full.b.insert(full.b.end(), b.begin(), b.end());
  while (full.out.size() > 1 && full.out[0] == 1) {  // leading ones
    for (Extents* dims : {&full.a, &full.b, &full.out}) dims->erase(dims->begin());
  }
  if (full.out.empty()) return {{1}, {1}, {1}};
  if (full.out.size() <= kMostAxes) return full;
  Broadcast merged;
  for (size_t i = 0; i < full.out.size(); ++i) {
    if (full.out[i] == 1) continue;
    const bool a_one = full.a[i] == 1, b_one = full.b[i] == 1;
    const bool alike = !merged.out.empty() && (merged.a.back() == 1) == a_one && (merged.b.back() == 1) == b_one;
    if (alike) {
      merged.a.back() *= full.a[i], merged.b.back() *= full.b[i], merged.out.back() *= full.out[i];
    } else {
      merged.a.push_back(full.a[i]), merged.b.push_back(full.b[i]), merged.out.push_back(full.out[i]);
    }
  }
  if (merged.out.size() > kMostAxes)
    refuse(fmt::format("{} with {} is broadcast along more than its four axes", shape_str(a), shape_str(b)));
  return merged;
}

void check_carried(const GraphValue& value) {
  if (value.type.is_tensor() && !is_carried(value.type.dtype))
    refuse(fmt::format("its blobs are float32, which cannot carry {}", dtype_name(value.type.dtype)));
}

// ncnn's numbers of permutations: the axes of the input that become width, height, depth, channels of the result.
constexpr std::array<std::string_view, 6> kOrders3 = {"whc", "hwc", "wch", "cwh", "hcw", "chw"};
constexpr std::array<std::string_view, 24> kOrders4 = {"whdc", "hwdc", "wdhc", "dwhc", "hdwc", "dhwc", "whcd", "hwcd",
                                                       "wchd", "cwhd", "hcwd", "chwd", "wdch", "dwch", "wcdh", "cwdh",
                                                       "dcwh", "cdwh", "hdcw", "dhcw", "hcdw", "chdw", "dchw", "cdhw"};

}  // namespace

bool is_carried(DType type) {
  switch (type) {
    case DType::float32:
    case DType::boolean:
    case DType::uint8:
    case DType::int8:
    case DType::uint16:
    case DType::int16:
    case DType::int32:
    case DType::int64: return true;
    default: return false;
  }
}

void refuse(std::string sentence) { throw Refusal{std::move(sentence)}; }

int64_t product(std::span<const int64_t> dims) {
  const int64_t n = checked_numel(dims);
  if (n < 0 || n > kMostElements) refuse(fmt::format("{} is more than a blob holds", shape_str(dims)));
  return n;
}

Extents natural(std::span<const int64_t> dims) {
  Extents d(dims.begin(), dims.end());
  if (product(d) == 0) refuse(fmt::format("ncnn has no empty blobs such as {}", shape_str(dims)));
  if (d.empty()) return {1};
  if (d.size() > 1 && d[0] == 1) d.erase(d.begin());
  while (d.size() > kMostAxes) {
    const auto one = std::find(d.begin(), d.end(), 1);
    if (one != d.end()) {
      d.erase(one);
    } else {
      const int64_t last = d.back();
      d.pop_back();
      d.back() *= last;
    }
  }
  return d;
}

bool Emitter::wanted(size_t i) const {
  if (i >= node_->outputs.size() || node_->outputs[i] == kNone) return false;
  const GraphValue& v = graph_.value(node_->outputs[i]);
  return !v.uses.empty() || v.times_output > 0;
}

const Extents& Emitter::shape_of(ValueId id) {
  if (const auto found = shapes_.find(id); found != shapes_.end()) return found->second;
  const GraphValue& v = graph_.value(id);
  if (!v.type.is_tensor()) refuse("ncnn has tensors only, no sequences, maps or optional values");
  if (!v.type.is_static()) refuse(fmt::format("the sizes of \"{}\" are not known before the run", v.name));
  Extents dims;
  for (const Dim& d : v.type.dims) dims.push_back(d.number());
  product(dims);
  return shapes_.emplace(id, std::move(dims)).first->second;
}

int64_t Emitter::axis(int64_t given, int64_t rank) const {
  const int64_t from = given < 0 ? given + rank : given;
  if (from < 0 || from >= std::max<int64_t>(rank, 1)) refuse(fmt::format("axis {} of rank {}", given, rank));
  return from;
}

bool Emitter::is_known(ValueId id) const {
  const GraphValue& v = graph_.value(id);
  if (v.is_constant()) return !v.is_input;
  if (v.symbolic == nullptr) return false;
  return std::all_of(v.symbolic->begin(), v.symbolic->end(), [](const Dim& d) { return d.is_number(); });
}

const Value* Emitter::known(ValueId id) {
  if (const auto found = known_.find(id); found != known_.end()) return &found->second;
  if (!is_known(id)) return nullptr;
  const GraphValue& v = graph_.value(id);
  if (v.is_constant()) return &v.constant;
  std::vector<int64_t> numbers;
  for (const Dim& d : *v.symbolic) numbers.push_back(d.number());
  return &known_.emplace(id, Value::of<int64_t>(Shape(shape_of(id)), std::span<const int64_t>(numbers))).first->second;
}

const Value* Emitter::constant(size_t i) const {
  return has(i) ? const_cast<Emitter*>(this)->known(node_->inputs[i]) : nullptr;
}

std::vector<float> Emitter::floats(size_t i, std::string_view what) {
  const Value* value = constant(i);
  if (value == nullptr || value->dtype() != DType::float32) refuse(fmt::format("{} must be a constant", what));
  const auto all = value->as<float>();
  return {all.begin(), all.end()};
}

std::optional<double> Emitter::scalar(size_t i) {
  const Value* value = constant(i);
  if (value == nullptr || value->numel() != 1 || value->dtype() == DType::string) return std::nullopt;
  return value->to_doubles()[0];
}

std::optional<std::vector<int64_t>> Emitter::integers(size_t i) {
  if (!has(i)) return std::nullopt;
  const Value* value = constant(i);
  if (value == nullptr) refuse(fmt::format("operand {} says sizes and is known during the run only", i));
  return value->to_int64s();
}

Blob Emitter::constant_blob(ValueId id, const Extents& dims) {
  const auto key = std::make_pair(id, dims);
  if (const auto found = constants_.find(key); found != constants_.end()) return found->second;
  const Value& value = *known(id);
  Blob made;
  if (value.dtype() == DType::float32) {
    made = data(dims, value.as<float>());
  } else {
    if (dtype_bits(value.dtype()) == 0 || value.dtype() == DType::complex64 || value.dtype() == DType::complex128)
      refuse(fmt::format("ncnn has no {}", dtype_name(value.dtype())));
    std::vector<float> floats;
    for (double v : value.to_doubles()) {
      if (static_cast<double>(static_cast<float>(v)) != v)
        refuse(fmt::format("the constant {} is not exact in float32", v));
      floats.push_back(static_cast<float>(v));
    }
    made = data(dims, floats);
  }
  constants_.emplace(key, made);
  return made;
}

Blob Emitter::get(ValueId id) {
  if (const auto found = blobs_.find(id); found != blobs_.end()) return found->second;
  if (const auto input = input_index_.find(id); input != input_index_.end()) return input_blob(id, input->second);
  return get(id, natural(shape_of(id)));
}

Blob Emitter::input_blob(ValueId id, int index) {
  const Extents dims = natural(shape_of(id));
  check_carried(graph_.value(id));
  Blob made = layer("Input", Params(), {}, dims);
  InputPort& port = inputs_.emplace_back();
  port.blob = fmt::format("b{}", made.id);
  port.dims = dims;
  port.index = index;
  return blobs_[id] = made;
}

Blob Emitter::get(ValueId id, const Extents& dims) {
  if (dims.empty() || dims.size() > kMostAxes || product(dims) == 0) refuse("a blob has one to four extents");
  if (blobs_.contains(id) || input_index_.contains(id)) return reshape(get(id), dims);
  if (!is_known(id)) refuse(fmt::format("\"{}\" comes from a node that ncnn does not take", graph_.value(id).name));
  return constant_blob(id, dims);
}

void Emitter::out(size_t i, Blob blob) {
  if (product(blob.dims) != product(out_shape(i)))
    refuse(fmt::format("{} would come out as {}", shape_str(out_shape(i)), shape_str(blob.dims)));
  blobs_[node_->outputs[i]] = std::move(blob);
}

Blob Emitter::reshape(const Blob& blob, const Extents& dims) {
  if (blob.dims == dims) return blob;
  const auto key = std::make_pair(blob.id, dims);
  if (const auto found = reshaped_.find(key); found != reshaped_.end()) return found->second;
  return reshaped_.emplace(key, layer("Reshape", shape_params(dims), {blob}, dims)).first->second;
}

Blob Emitter::layer(std::string_view type, const Params& params, std::vector<Blob> inputs, Extents output) {
  return layers(type, params, std::move(inputs), std::array{std::move(output)})[0];
}

std::vector<Blob> Emitter::layers(std::string_view type, const Params& params, std::vector<Blob> inputs,
                                  std::span<const Extents> outputs) {
  for (const Extents& dims : outputs) {
    if (dims.empty() || dims.size() > kMostAxes || product(dims) == 0)
      refuse(fmt::format("{} is no blob of ncnn's", shape_str(dims)));
  }
  return net_.add(type, params, inputs, outputs);
}

Blob Emitter::data(const Extents& dims, std::span<const float> values) {
  Params p = shape_params(dims);
  Blob made = layer("MemoryData", p, {}, dims);
  weights(Tag::none, values);  // its default load_type is 1: without a word of their type
  return made;
}

Blob Emitter::indices(size_t i, int64_t rows) {
  const ValueId id = node_->inputs[i];
  const auto input = input_index_.find(id);
  if (input == input_index_.end())
    refuse("rows are chosen by inputs of the model only: ncnn's layers compute no integers");
  if (const auto found = index_blobs_.find(id); found != index_blobs_.end()) return found->second;
  const Extents dims = {product(shape_of(id))};
  Blob made = layer("Input", Params(), {}, dims);
  InputPort& port = inputs_.emplace_back();
  port.blob = fmt::format("b{}", made.id);
  port.dims = dims;
  port.index = input->second;
  port.indices = rows;
  return index_blobs_.emplace(id, made).first->second;
}

Blob Emitter::binary(int op, const Blob& a, const Extents& a_shape, const Blob& b, const Extents& b_shape,
                     const Extents& out) {
  if (a_shape == b_shape) {
    const Blob b2 = reshape(b, a.dims);
    return layer("BinaryOp", Params().integer(0, op), {a, b2}, a.dims);
  }
  const Broadcast to = broadcast(a_shape, b_shape, out);
  const Blob a2 = reshape(a, to.a), b2 = reshape(b, to.b);
  return layer("BinaryOp", Params().integer(0, op), {a2, b2}, to.out);
}

Blob Emitter::binary_scalar(int op, const Blob& a, double b) {
  return layer("BinaryOp", Params().integer(0, op).integer(1, 1).real(2, b), {a}, a.dims);
}

Blob Emitter::unary(int op, const Blob& a) { return layer("UnaryOp", Params().integer(0, op), {a}, a.dims); }

Blob Emitter::crop(const Blob& blob, int64_t axis, int64_t begin, int64_t end) {
  Extents dims = blob.dims;
  int64_t& extent = dims[static_cast<size_t>(axis)];
  if (begin == 0 && end == extent) return blob;
  extent = end - begin;
  const std::array starts = {begin}, ends = {end}, axes = {axis};
  return layer("Crop", Params().integers(9, starts).integers(10, ends).integers(11, axes), {blob}, dims);
}

Blob Emitter::concat(std::vector<Blob> blobs, int64_t axis) {
  if (blobs.size() == 1) return blobs[0];
  Extents dims = blobs[0].dims;
  int64_t& extent = dims[static_cast<size_t>(axis)];
  extent = 0;
  for (const Blob& blob : blobs) extent += blob.dims[static_cast<size_t>(axis)];
  return layer("Concat", Params().integer(0, axis), std::move(blobs), dims);
}

Blob Emitter::permute(const Blob& blob, std::span<const int64_t> order) {
  const size_t n = blob.dims.size();
  Extents dims;
  for (int64_t axis : order) dims.push_back(blob.dims[static_cast<size_t>(axis)]);
  std::string letters = n == 4 ? "cdhw" : n == 3 ? "chw" : "hw", wanted;  // by axis, outermost first
  for (size_t i = n; i-- > 0;) wanted += letters[static_cast<size_t>(order[i])];
  int number = 0;
  if (n == 2) number = wanted == "wh" ? 0 : 1;
  if (n == 3) number = static_cast<int>(std::find(kOrders3.begin(), kOrders3.end(), wanted) - kOrders3.begin());
  if (n == 4) number = static_cast<int>(std::find(kOrders4.begin(), kOrders4.end(), wanted) - kOrders4.begin());
  return number == 0 ? blob : layer("Permute", Params().integer(0, number), {blob}, dims);
}

void Emitter::add_output(ValueId id, int index) {
  check_carried(graph_.value(id));
  Blob blob = get(id);
  const bool is_input = std::any_of(inputs_.begin(), inputs_.end(),
                                    [&](const InputPort& in) { return in.blob == fmt::format("b{}", blob.id); });
  if (is_input) blob = layer("Split", Params(), {blob}, blob.dims);  // the blob of an input keeps its name
  OutputPort& port = outputs_.emplace_back();
  port.blob = fmt::format("out{}", index);
  port.dims = blob.dims;
  port.shape = shape_of(id);
  net_.add_output(blob, port.blob);
}

}  // namespace chorus::ncnn
