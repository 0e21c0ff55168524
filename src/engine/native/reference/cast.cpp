// Conversions: Cast, CastLike, BitCast and linear quantisation.
#include <engine/native/reference/support.h>
#include <ops/chosen.h>

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <memory>

namespace chorus::native::reference {
namespace {

using namespace support;

// Strings ------------------------------------------------------------------------------------------------------------------------

bool same_word(std::string_view text, std::string_view word) noexcept {
  return text.size() == word.size() && std::equal(text.begin(), text.end(), word.begin(), [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(a)) == b;
         });
}

std::string_view trimmed(std::string_view s) noexcept {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
}

template <class T>
bool read_whole(std::string_view s, T* out) noexcept {
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), *out);
  return error == std::errc() && end == s.data() + s.size();
}

bool read_real(std::string_view s, double* out) noexcept {
  const bool negative = s.starts_with('-');
  if (negative || s.starts_with('+')) s.remove_prefix(1);
  if (same_word(s, "inf") || same_word(s, "infinity")) {
    *out = std::numeric_limits<double>::infinity();
  } else if (same_word(s, "nan")) {
    *out = std::numeric_limits<double>::quiet_NaN();
  } else {
    if (s.empty() || s.front() == '-' || s.front() == '+') return false;
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), *out);
    if (end != s.data() + s.size()) return false;
    if (error == std::errc::result_out_of_range) {
      // Too large or too small: the sign of the exponent tells which.
      const size_t e = s.find_first_of("eE");
      *out = e != std::string_view::npos && e + 1 < s.size() && s[e + 1] == '-'
                 ? 0
                 : std::numeric_limits<double>::infinity();
    } else if (error != std::errc()) {
      return false;
    }
  }
  if (negative) *out = -*out;
  return true;
}

Status from_strings(KernelContext& ctx, bool saturate) noexcept {
  const Strings& x = ctx.strings(0);
  TensorView& y = ctx.out[0];
  for (int64_t i = 0; i < y.count; ++i) {
    const std::string_view text = trimmed(x[i]);
    double real = 0;
    int64_t whole = 0;
    uint64_t large = 0;
    if (is_integer(y.dtype) && read_whole(text, &whole)) {
      set_i64(y.dtype, y.data, i, whole);
    } else if (y.dtype == DType::uint64 && read_whole(text, &large)) {
      set_i64(y.dtype, y.data, i, static_cast<int64_t>(large));
    } else if (read_real(text, &real)) {
      cast_elements(DType::float64, &real, 0, y.dtype, y.data, i, 1, saturate);
    } else if (y.dtype == DType::boolean && (same_word(text, "true") || same_word(text, "false"))) {
      set_i64(y.dtype, y.data, i, same_word(text, "true") ? 1 : 0);
    } else {
      return Status::error(Code::bad_input, "element %lld, \"%.60s\", is not a number", static_cast<long long>(i),
                           std::string(text).c_str());
    }
  }
  return {};
}

/// Shortest decimal form that reads back as the same number; NaN, INF and -INF.
void write_real(fmt::memory_buffer& text, DType type, double v) {
  if (std::isnan(v)) {
    fmt::format_to(std::back_inserter(text), "NaN");
  } else if (std::isinf(v)) {
    fmt::format_to(std::back_inserter(text), "{}", v > 0 ? "INF" : "-INF");
  } else if (type == DType::float64) {
    fmt::format_to(std::back_inserter(text), "{}", v);
  } else {
    fmt::format_to(std::back_inserter(text), "{}", static_cast<float>(v));
  }
}

Status to_strings(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  try {
    auto out = std::make_shared<Strings>();
    fmt::memory_buffer text;
    for (int64_t i = 0; i < x.count; ++i) {
      text.clear();
      if (is_float(x.dtype)) {
        write_real(text, x.dtype, get_f64(x.dtype, x.data, i));
      } else if (x.dtype == DType::uint64) {
        fmt::format_to(std::back_inserter(text), "{}", static_cast<uint64_t>(get_i64(x.dtype, x.data, i)));
      } else {
        fmt::format_to(std::back_inserter(text), "{}", get_i64(x.dtype, x.data, i));
      }
      out->push_back({text.data(), text.size()});
    }
    return ctx.services->set_value(0, Value::strings(Shape(x.shape()), std::move(out)));
  } catch (const std::exception& e) {
    return Status::error(Code::budget, "%s", e.what());
  }
}

// Casts --------------------------------------------------------------------------------------------------------------------------

Status cast_to(KernelContext& ctx, bool to_text) noexcept {
  const bool saturate = ctx.attrs->integer("saturate", 1) != 0;
  const auto mode = ctx.attrs->string("round_mode", "up");
  if (is_strings(ctx, 0)) return to_text ? pass_through(ctx, 0, 0) : from_strings(ctx, saturate);
  if (to_text) return to_strings(ctx);
  const RoundMode round = mode == "down" ? RoundMode::down : mode == "nearest" ? RoundMode::nearest : RoundMode::up;
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  return parallel(ctx, y.count, kGrain, [&](int64_t begin, int64_t end) {
    cast_elements(x.dtype, x.data, begin, y.dtype, y.data, begin, end - begin, saturate, round);
  });
}

Status cast(KernelContext& ctx) noexcept {
  return cast_to(ctx, ctx.attrs->integer("to") == static_cast<int64_t>(DType::string));
}
Status cast_like(KernelContext& ctx) noexcept { return cast_to(ctx, is_strings(ctx, 1)); }

Status bit_cast(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  if (y.count > 0) std::memcpy(y.data, x.data, static_cast<size_t>(dtype_bytes(x.dtype, x.count)));
  return {};
}

// Quantisation -------------------------------------------------------------------------------------------------------------------

/// Where the scale (or zero point) of element i stands.
struct ScaleIndex {
  enum class Form : uint8_t { one, axis, blocks } form = Form::one;
  AxisSplit split;
  int64_t block = 1, blocks = 1;
  int64_t operator()(int64_t i) const noexcept {
    if (form == Form::one) return 0;
    const int64_t e = i / split.inner % split.extent;
    if (form == Form::axis) return e;
    return (i / split.inner / split.extent * blocks + e / block) * split.inner + i % split.inner;
  }
};

Status scale_index(const KernelContext& ctx, const TensorView& s, ScaleIndex* out) noexcept {
  if (s.count == 1) return {};
  const TensorView& x = ctx.in[0];
  const int64_t given = ctx.attrs->integer("axis", 1);
  out->split = split_axis(x.shape(), x.rank == 1 && given == 1 ? 0 : given);
  out->form = s.rank == 1 && ctx.attrs->integer("block_size") == 0 ? ScaleIndex::Form::axis : ScaleIndex::Form::blocks;
  if (out->form == ScaleIndex::Form::blocks) {
    out->block = std::max<int64_t>(1, ctx.attrs->integer("block_size"));
    out->blocks = (out->split.extent + out->block - 1) / out->block;
  }
  const int64_t needed =
      out->form == ScaleIndex::Form::axis ? out->split.extent : out->split.outer * out->blocks * out->split.inner;
  if (s.count == needed) return {};
  return Status::error(Code::shape, "%lld scales, %lld are needed", static_cast<long long>(s.count),
                       static_cast<long long>(needed));
}

/// Rounds to the precision of a float type.
void round_to(DType type, double* v, int64_t n) noexcept {
  if (type == DType::float64) return;
  alignas(16) unsigned char narrow[kRun * 8];
  store_f64(type, narrow, 0, n, v);
  load_f64(type, narrow, 0, n, v);
}

void gather_scales(const TensorView& s, const ScaleIndex& index, int64_t begin, int64_t n, double* out) noexcept {
  if (index.form == ScaleIndex::Form::one) {
    std::fill(out, out + n, get_f64(s.dtype, s.data, 0));
    return;
  }
  for (int64_t k = 0; k < n; ++k) out[k] = get_f64(s.dtype, s.data, index(begin + k));
}

/// Precision of the division: asked for, or that of the scale.
DType division_type(const KernelContext& ctx) noexcept {
  if (const int64_t asked = ctx.attrs->integer("precision"); asked > 0 && asked < kDTypeCount)
    return static_cast<DType>(asked);
  const DType s = ctx.in[1].dtype, x = ctx.in[0].dtype;
  if (s == DType::float32 || s == DType::float16 || s == DType::bfloat16) return s;
  return is_float(x) ? x : DType::float32;
}

Status quantize(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &s = ctx.in[1];
  TensorView& y = ctx.out[0];
  ScaleIndex index, zero_index;
  if (Status status = scale_index(ctx, s, &index); !status.ok()) return status;
  const bool has_zero = ctx.has(2), integers = is_integer(y.dtype);
  if (has_zero) {
    if (Status status = scale_index(ctx, ctx.in[2], &zero_index); !status.ok()) return status;
  }
  const DType precision = division_type(ctx);
  if (!is_float(precision))
    return Status::error(Code::type, "precision %d is not a float type", static_cast<int>(precision));
  const bool saturate = ctx.attrs->integer("saturate", 1) != 0;
  const int bits = dtype_bits(y.dtype);
  const double low = is_signed_integer(y.dtype) ? -std::ldexp(1, bits - 1) : 0;
  const double high = std::ldexp(1, is_signed_integer(y.dtype) ? bits - 1 : bits) - 1;
  return parallel(ctx, x.count, kGrain, [&](int64_t begin, int64_t end) {
    double v[kRun], by[kRun], zero[kRun];
    for (int64_t i = begin; i < end; i += kRun) {
      const int64_t n = std::min(kRun, end - i);
      load(x.dtype, x.data, i, n, v);
      gather_scales(s, index, i, n, by);
      round_to(precision, v, n);
      round_to(precision, by, n);
      for (int64_t k = 0; k < n; ++k) v[k] /= by[k];
      round_to(precision, v, n);
      std::fill(zero, zero + n, 0.0);
      if (has_zero) gather_scales(ctx.in[2], zero_index, i, n, zero);
      for (int64_t k = 0; k < n; ++k) {
        v[k] = (integers ? std::nearbyint(v[k]) : v[k]) + zero[k];
        if (integers) v[k] = v[k] > high ? high : v[k] >= low ? v[k] : low;  // NaN becomes the lowest
      }
      if (integers) {
        store(y.dtype, y.data, i, n, v);
      } else {
        cast_elements(DType::float64, v, 0, y.dtype, y.data, i, n, saturate);
      }
    }
  });
}

Status dequantize(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &s = ctx.in[1];
  TensorView& y = ctx.out[0];
  ScaleIndex index, zero_index;
  if (Status status = scale_index(ctx, s, &index); !status.ok()) return status;
  const bool has_zero = ctx.has(2);
  if (has_zero) {
    if (Status status = scale_index(ctx, ctx.in[2], &zero_index); !status.ok()) return status;
  }
  return parallel(ctx, x.count, kGrain, [&](int64_t begin, int64_t end) {
    double v[kRun], by[kRun], zero[kRun];
    for (int64_t i = begin; i < end; i += kRun) {
      const int64_t n = std::min(kRun, end - i);
      load(x.dtype, x.data, i, n, v);
      gather_scales(s, index, i, n, by);
      std::fill(zero, zero + n, 0.0);
      if (has_zero) gather_scales(ctx.in[2], zero_index, i, n, zero);
      // The difference is a float32 as ONNX's reference has it.
      for (int64_t k = 0; k < n; ++k) v[k] = static_cast<double>(static_cast<float>(v[k] - zero[k])) * by[k];
      store(y.dtype, y.data, i, n, v);
    }
  });
}

Status dynamic_quantize(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  if (x.count == 0) return Status::error(Code::bad_input, "an empty tensor has no range");
  float low = 0, high = 0, v[kRun];
  for (int64_t i = 0; i < x.count; i += kRun) {
    const int64_t n = std::min(kRun, x.count - i);
    load(x.dtype, x.data, i, n, v);
    for (int64_t k = 0; k < n; ++k) {
      low = std::min(low, v[k]);
      high = std::max(high, v[k]);
    }
  }
  const float scale = (high == low ? 1.0F : high - low) / 255.0F;
  const float point = std::nearbyint(std::min(255.0F, std::max(0.0F, 0.0F - low / scale)));
  if (ctx.wants(1)) store_f32(DType::float32, ctx.out[1].data, 0, 1, &scale);
  if (ctx.wants(2)) store_f32(DType::uint8, ctx.out[2].data, 0, 1, &point);
  if (!ctx.wants(0)) return {};
  return map<float>(ctx, [=](float e) {
    const float q = std::nearbyint(e / scale) + point;
    return q > 255 ? 255.0F : q >= 0 ? q : 0.0F;
  });
}

constexpr KernelRow kRows[] = {
    {"Cast", cast},
    {"CastLike", cast_like},
    {"BitCast", bit_cast},
    {"ViewAsReal", bit_cast, "chorus"},
    {"ViewAsComplex", bit_cast, "chorus"},
    {"QuantizeLinear", quantize},
    {"DequantizeLinear", dequantize},
    {"DynamicQuantizeLinear", dynamic_quantize},
};

}  // namespace

std::span<const KernelRow> cast_kernels() { return chosen<kRows>(); }

}  // namespace chorus::native::reference
