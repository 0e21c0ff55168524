// ai.onnx.ml: encoders, and what reads or makes maps. Models: linear.cpp, tree.cpp; n-grams: ngram.cpp.
#include <engine/native/reference/ml_ops.h>
#include <engine/native/reference/score.h>
#include <engine/native/reference/value_ops.h>
#include <ops/chosen.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace chorus::native {
namespace {
using move::guarded;
using move::view;
using score::Rows;

using Texts = std::unordered_map<std::string_view, int64_t>;
using Numbers = std::unordered_map<int64_t, int64_t>;

/// Bits of a float as a key: NaNs are one, and the two zeros are.
int64_t float_key(double v) noexcept {
  if (std::isnan(v)) return INT64_MAX;
  if (v == 0) return 0;
  int64_t bits;
  std::memcpy(&bits, &v, sizeof bits);
  return bits;
}

/// From keys of one type to their places in the list; of equal keys the last.
class Index {
 public:
  void add(std::string_view key) { texts_[key] = count_++; }
  void add(int64_t key) { numbers_[key] = count_++; }
  /// Element i of a tensor; -1: not found.
  int64_t find(const KernelContext& ctx, int operand, const TensorView& x, int64_t i) const {
    if (x.dtype == DType::string) {
      const auto it = texts_.find(ctx.strings(operand)[i]);
      return it == texts_.end() ? -1 : it->second;
    }
    const auto it = numbers_.find(key_of(x, i));
    return it == numbers_.end() ? -1 : it->second;
  }
  static int64_t key_of(const TensorView& x, int64_t i) noexcept {
    return is_float(x.dtype) ? float_key(get_f64(x.dtype, x.data, i)) : get_i64(x.dtype, x.data, i);
  }

 private:
  Texts texts_;
  Numbers numbers_;
  int64_t count_ = 0;
};

/// Output 0 of X's shape from places: strings (place -1: `otherwise`) …
Status write_texts(KernelContext& ctx, const TensorView& x, const Index& index,
                   FunctionRef<std::string_view(int64_t place)> text) noexcept {
  return guarded([&] {
    auto out = std::make_shared<Strings>();
    for (int64_t i = 0; i < x.count; ++i) out->push_back(text(index.find(ctx, 0, x, i)));
    return ctx.services->set_value(0, Value::strings(Shape(x.shape()), std::move(out)));
  });
}
/// … or numbers.
template <class Write>
Status write_numbers(KernelContext& ctx, const TensorView& x, const Index& index, DType type, Write&& write) {
  TensorView y;
  if (Status s = move::output(ctx, 0, type, move::Extents(x.shape()), &y); !s.ok()) return s;
  return support::parallel(ctx, x.count, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) write(y, i, index.find(ctx, 0, x, i));
  });
}

Status category_mapper(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const TensorView x = view(ctx, 0);
    const auto numbers = ctx.attrs->integers("cats_int64s");
    const auto texts = ctx.attrs->strings("cats_strings");
    Index index;
    for (size_t i = 0; i < numbers.size(); ++i) {
      if (x.dtype == DType::string) {
        index.add(texts[i]);
      } else {
        index.add(numbers[i]);
      }
    }
    if (x.dtype == DType::string) {
      const int64_t otherwise = ctx.attrs->integer("default_int64", -1);
      return write_numbers(ctx, x, index, DType::int64, [&](TensorView& y, int64_t i, int64_t place) {
        y.as<int64_t>()[i] = place < 0 ? otherwise : numbers[static_cast<size_t>(place)];
      });
    }
    return write_texts(ctx, x, index, [&](int64_t place) -> std::string_view {
      return place < 0 ? ctx.attrs->string("default_string") : std::string_view(texts[static_cast<size_t>(place)]);
    });
  });
}

/// The keys of a LabelEncoder.
Index label_keys(const AttrReader& attrs) {
  Index index;
  for (const std::string& k : attrs.strings("keys_strings")) index.add(std::string_view(k));
  for (const int64_t k : attrs.integers("keys_int64s")) index.add(k);
  for (const float k : attrs.reals("keys_floats")) index.add(float_key(static_cast<double>(k)));
  if (const Value* t = attrs.tensor("keys_tensor"); t != nullptr) {
    for (int64_t i = 0; i < t->numel(); ++i) {
      if (t->dtype() == DType::string) {
        index.add(t->strings()[i]);
      } else {
        index.add(is_float(t->dtype()) ? float_key(get_f64(t->dtype(), t->data(), i))
                                       : get_i64(t->dtype(), t->data(), i));
      }
    }
  }
  return index;
}

/// The values of a LabelEncoder as a tensor with the default as the last element.
Value label_values(const AttrReader& attrs) {
  const Value* given = attrs.tensor("values_tensor");
  const Value* fallback = attrs.tensor("default_tensor");
  const auto texts = attrs.strings("values_strings");
  if (!texts.empty() || (given != nullptr && given->dtype() == DType::string)) {
    auto out = std::make_shared<Strings>();
    for (const std::string& s : texts) out->push_back(s);
    for (int64_t i = 0; texts.empty() && i < given->numel(); ++i) out->push_back(given->strings()[i]);
    const bool tensor = fallback != nullptr && fallback->dtype() == DType::string && fallback->numel() == 1;
    out->push_back(tensor ? fallback->strings()[0] : attrs.string("default_string"));
    const int64_t n = out->size();
    return Value::strings(Shape{n}, std::move(out));
  }
  const auto numbers = attrs.integers("values_int64s");
  const auto reals = attrs.reals("values_floats");
  const DType type = given != nullptr ? given->dtype() : numbers.empty() ? DType::float32 : DType::int64;
  const int64_t n = given != nullptr ? given->numel() : static_cast<int64_t>(std::max(numbers.size(), reals.size()));
  Value out = Value::tensor(type, Shape{n + 1});
  if (given != nullptr) copy_elements(type, given->data(), 0, out.mutable_data(), 0, n);
  for (size_t i = 0; i < numbers.size(); ++i) set_i64(type, out.mutable_data(), static_cast<int64_t>(i), numbers[i]);
  for (size_t i = 0; i < reals.size(); ++i)
    set_f64(type, out.mutable_data(), static_cast<int64_t>(i), static_cast<double>(reals[i]));
  if (fallback != nullptr && fallback->dtype() == type && fallback->numel() == 1) {
    copy_elements(type, fallback->data(), 0, out.mutable_data(), n, 1);
  } else if (is_float(type)) {
    set_f64(type, out.mutable_data(), n, static_cast<double>(attrs.real("default_float", -0.0F)));
  } else {
    set_i64(type, out.mutable_data(), n, attrs.integer("default_int64", -1));
  }
  return out;
}

Status label_encoder(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const TensorView x = view(ctx, 0);
    const Index index = label_keys(*ctx.attrs);
    const Value values = label_values(*ctx.attrs);
    const int64_t n = values.numel() - 1;
    if (values.dtype() == DType::string) {
      return write_texts(ctx, x, index, [&](int64_t place) { return values.strings()[place < 0 ? n : place]; });
    }
    return write_numbers(ctx, x, index, values.dtype(), [&](TensorView& y, int64_t i, int64_t place) {
      copy_elements(y.dtype, values.data(), place < 0 ? n : place, y.data, i, 1);
    });
  });
}

Status one_hot_encoder(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const TensorView x = view(ctx, 0);
    const auto numbers = ctx.attrs->integers("cats_int64s");
    const auto texts = ctx.attrs->strings("cats_strings");
    const auto n = static_cast<int64_t>(std::max(numbers.size(), texts.size()));
    Index index;
    for (const int64_t k : numbers) index.add(k);
    for (const std::string& k : texts) index.add(std::string_view(k));
    move::Extents shape(x.shape());
    if (shape.rank == kMaxRank) return Status::error(Code::shape, "X has %d axes, one more is not possible", x.rank);
    shape.dims[shape.rank++] = n;
    TensorView y;
    if (Status s = move::output(ctx, 0, DType::float32, shape, &y); !s.ok()) return s;
    if (y.count == 0) return {};
    std::memset(y.data, 0, static_cast<size_t>(y.count) * sizeof(float));
    const bool strict = ctx.attrs->integer("zeros", 1) == 0;
    for (int64_t i = 0; i < x.count; ++i) {
      // Floats are cut to integers before they are looked up.
      TensorView one = x;
      int64_t whole = 0;
      if (x.dtype != DType::string) {
        load_i64(x.dtype, x.data, i, 1, &whole);
        one.dtype = DType::int64;
        one.data = &whole;
      }
      const int64_t place = index.find(ctx, 0, one, x.dtype == DType::string ? i : 0);
      if (place >= 0) y.as<float>()[i * n + place] = 1;
      if (place < 0 && strict)
        return Status::error(Code::bad_input, "element %lld is of no category", static_cast<long long>(i));
    }
    return {};
  });
}

Status feature_vectorizer(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const auto widths = ctx.attrs->integers("inputdimensions");
    int64_t rows = Rows(ctx.in[0]).rows, columns = 0;
    for (int i = 0; i < ctx.n_in; ++i) {
      const Rows in(ctx.in[i]);
      if (Status s = in.check(); !s.ok()) return s;
      if (in.rows != rows)
        return Status::error(Code::shape, "operands have %lld and %lld rows", static_cast<long long>(rows),
                             static_cast<long long>(in.rows));
      columns += widths.empty() ? in.columns : widths[static_cast<size_t>(i)];
    }
    const int64_t dims[] = {rows, columns};
    TensorView y;
    if (Status s = move::output(ctx, 0, DType::float32, move::Extents(dims), &y); !s.ok()) return s;
    if (y.count == 0) return {};
    std::memset(y.data, 0, static_cast<size_t>(y.count) * sizeof(float));
    int64_t at = 0;
    for (int i = 0; i < ctx.n_in; ++i) {
      const Rows in(ctx.in[i]);
      const int64_t width = widths.empty() ? in.columns : widths[static_cast<size_t>(i)];
      for (int64_t r = 0; r < rows; ++r)
        load_f32(in.x->dtype, in.x->data, r * in.columns, std::min(width, in.columns),
                 y.as<float>() + r * columns + at);
      at += width;
    }
    return {};
  });
}

// Maps ---------------------------------------------------------------------------------------------------------------------------

Status no_map() noexcept { return Status::error(Code::type, "the operand is not a map of tensors"); }

/// Value k of a map as text: six decimals, as std::to_string writes them.
std::string text_of(const Value& values, int64_t k) {
  if (values.dtype() == DType::string) return std::string(values.strings()[k]);
  if (is_integer(values.dtype())) return std::to_string(get_i64(values.dtype(), values.data(), k));
  return std::to_string(get_f64(values.dtype(), values.data(), k));
}
std::optional<double> number_of(std::string_view text) {
  double v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(v) : std::nullopt;
}

/// Places of the keys of a map in ascending order (integers only).
std::vector<int64_t> ascending(std::span<const int64_t> keys) {
  std::vector<int64_t> order(keys.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return keys[static_cast<size_t>(a)] < keys[static_cast<size_t>(b)]; });
  return order;
}

Status cast_map(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const Value map = move::value_of(ctx, 0);
    if (map.kind() != ValueKind::map || map.dtype() == DType::string || !map.items()[1].is_tensor()) return no_map();
    const std::vector<int64_t> keys = map.items()[0].to_int64s();
    const Value& values = map.items()[1];
    const bool sparse = ctx.attrs->string("map_form") == "SPARSE";
    const int64_t n = sparse ? ctx.attrs->integer("max_map", 1) : static_cast<int64_t>(keys.size());
    const std::vector<int64_t> order = ascending(keys);
    std::vector<int64_t> from(static_cast<size_t>(n), -1);
    for (size_t i = 0; i < order.size(); ++i) {
      const int64_t key = keys[static_cast<size_t>(order[i])], at = sparse ? key : static_cast<int64_t>(i);
      if (at < 0 || at >= n)
        return Status::error(Code::bad_input, "key %lld is outside [0, %lld)", static_cast<long long>(key),
                             static_cast<long long>(n));
      from[static_cast<size_t>(at)] = order[i];
    }
    const std::string_view to = ctx.attrs->string("cast_to");
    const Shape shape{1, n};
    if (to == "TO_STRING") {
      auto out = std::make_shared<Strings>();
      for (const int64_t k : from) out->push_back(k < 0 ? std::string() : text_of(values, k));
      return ctx.services->set_value(0, Value::strings(shape, std::move(out)));
    }
    Value out = Value::tensor(to == "TO_INT64" ? DType::int64 : DType::float32, shape);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t k = from[static_cast<size_t>(i)];
      double v = 0;
      if (k >= 0 && values.dtype() == DType::string) {
        const auto number = number_of(values.strings()[k]);
        if (!number)
          return Status::error(Code::bad_input, "the value of key %lld is no number",
                               static_cast<long long>(keys[static_cast<size_t>(k)]));
        v = *number;
      } else if (k >= 0) {
        v = get_f64(values.dtype(), values.data(), k);
      }
      if (out.dtype() == DType::int64) {
        load_i64(DType::float64, &v, 0, 1, out.as_mutable<int64_t>().data() + i);  // out of range: the nearest
      } else {
        out.as_mutable<float>()[static_cast<size_t>(i)] = static_cast<float>(v);
      }
    }
    return ctx.services->set_value(0, std::move(out));
  });
}

Status dict_vectorizer(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const Value map = move::value_of(ctx, 0);
    if (map.kind() != ValueKind::map || !map.items()[1].is_tensor()) return no_map();
    const Value &keys = map.items()[0], &values = map.items()[1];
    const auto numbers = ctx.attrs->integers("int64_vocabulary");
    const auto texts = ctx.attrs->strings("string_vocabulary");
    if ((keys.dtype() == DType::string) != !texts.empty())
      return Status::error(Code::type, "the keys do not fit the vocabulary");
    const size_t n = std::max(numbers.size(), texts.size());
    Texts by_text;
    Numbers by_number;
    for (size_t i = 0; i < texts.size(); ++i) by_text[texts[i]] = static_cast<int64_t>(i);
    for (size_t i = 0; i < numbers.size(); ++i) by_number[numbers[i]] = static_cast<int64_t>(i);
    std::vector<int64_t> from(n, -1);
    for (int64_t k = 0; k < keys.numel(); ++k) {
      int64_t place = -1;
      if (!texts.empty()) {
        if (const auto it = by_text.find(keys.strings()[k]); it != by_text.end()) place = it->second;
      } else if (const auto it = by_number.find(get_i64(keys.dtype(), keys.data(), k)); it != by_number.end()) {
        place = it->second;
      }
      if (place < 0)
        return Status::error(Code::bad_input, "key %lld of the map is not in the vocabulary",
                             static_cast<long long>(k));
      from[static_cast<size_t>(place)] = k;
    }
    const Shape shape{static_cast<int64_t>(n)};
    if (values.dtype() == DType::string) {
      auto out = std::make_shared<Strings>();
      for (const int64_t k : from) out->push_back(k < 0 ? std::string_view() : values.strings()[k]);
      return ctx.services->set_value(0, Value::strings(shape, std::move(out)));
    }
    Value out = Value::tensor(values.dtype(), shape);
    std::memset(out.mutable_data(), 0, out.bytes());
    for (size_t i = 0; i < n; ++i) {
      if (from[i] >= 0)
        copy_elements(values.dtype(), values.data(), from[i], out.mutable_data(), static_cast<int64_t>(i), 1);
    }
    return ctx.services->set_value(0, std::move(out));
  });
}

Status zip_map(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const Rows in(ctx.in[0]);
    if (Status s = in.check(); !s.ok()) return s;
    const auto numbers = ctx.attrs->integers("classlabels_int64s");
    const auto texts = ctx.attrs->strings("classlabels_strings");
    const auto n = static_cast<int64_t>(std::max(numbers.size(), texts.size()));
    if (in.columns != n)
      return Status::error(Code::shape, "X has %lld columns for %lld keys", static_cast<long long>(in.columns),
                           static_cast<long long>(n));
    const Value keys = texts.empty() ? Value::of<int64_t>(Shape{n}, numbers) : Value::strings(Shape{n}, texts);
    std::vector<Value> maps;
    for (int64_t r = 0; r < in.rows; ++r) {
      maps.push_back(Value::map(keys, Value::copy_of(DType::float32, Shape{n}, ctx.in[0].as<float>() + r * n,
                                                     static_cast<size_t>(n) * sizeof(float))));
    }
    return ctx.services->set_value(0, Value::sequence(DType::undefined, std::move(maps)));
  });
}

constexpr std::string_view kMl = "ai.onnx.ml";
constexpr KernelRow kRows[] = {
    {"CastMap", cast_map, kMl},
    {"CategoryMapper", category_mapper, kMl},
    {"DictVectorizer", dict_vectorizer, kMl},
    {"FeatureVectorizer", feature_vectorizer, kMl},
    {"LabelEncoder", label_encoder, kMl},
    {"OneHotEncoder", one_hot_encoder, kMl},
    {"ZipMap", zip_map, kMl},
    {"TfIdfVectorizer", tf_idf_vectorizer},
};

}  // namespace

std::span<const KernelRow> reference::ml_kernels() { return chosen<kRows>(); }

}  // namespace chorus::native
