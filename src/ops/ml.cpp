// ai.onnx.ml: encoders, scalers and maps; TfIdfVectorizer. Models: linear.cpp, tree.cpp.
#include <core/convert.h>
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/label.h>
#include <ops/rules.h>
#include <ops/table.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace chorus::families {
namespace {

using namespace rules;
using ml::read_table;
using ml::require_label_sets;
using ml::Table;

// Shape rules --------------------------------------------------------------------------------------------------------------------

void infer_extractor(ShapeContext& ctx) {
  const Type &x = tensor_input(ctx, 0), &y = tensor_input(ctx, 1);
  require_rank_at_least(ctx, 0, 1);
  if (!x.has_rank) return ctx.set_output(0, Type::tensor(x.dtype));
  Dims dims = x.dims;
  dims.back() = y.has_rank ? product(y.dims) : ctx.fresh();
  if (x.rank() == 1) dims.insert(dims.begin(), Dim(1));
  ctx.set_output(0, Type::tensor(x.dtype, std::move(dims)));
}

/// One vector of the values of a map: [1, n].
void infer_cast_map(ShapeContext& ctx) {
  const Type& x = ctx.input(0);
  if (x.kind != ValueKind::none && x.kind != ValueKind::map)
    ctx.fail(Code::type, fmt::format("the operand is {}, a map is needed", x.str()));
  const std::string_view to = ctx.attrs().string("cast_to"), form = ctx.attrs().string("map_form");
  if (to != "TO_FLOAT" && to != "TO_STRING" && to != "TO_INT64")
    ctx.fail(Code::bad_input, fmt::format("cast_to '{}' does not exist", to), "use TO_FLOAT, TO_STRING or TO_INT64");
  if (form != "DENSE" && form != "SPARSE")
    ctx.fail(Code::bad_input, fmt::format("map_form '{}' does not exist", form), "use DENSE or SPARSE");
  const int64_t most = ctx.attrs().integer("max_map", 1);
  if (form == "SPARSE" && (most < 1 || most > ml::kMostCategories)) {
    ctx.fail(Code::bad_input, fmt::format("max_map is {}", most), fmt::format("use 1 to {}", ml::kMostCategories));
  }
  const DType type = to == "TO_FLOAT" ? DType::float32 : to == "TO_STRING" ? DType::string : DType::int64;
  ctx.set_output(0, Type::tensor(type, {1, form == "SPARSE" ? Dim(most) : ctx.fresh()}));
}

void infer_category_mapper(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  const auto numbers = ctx.attrs().integers("cats_int64s").size(), texts = ctx.attrs().strings("cats_strings").size();
  if (numbers != texts) {
    ctx.fail(Code::bad_input, fmt::format("cats_int64s has {} members, cats_strings {}", numbers, texts),
             "give pairs of a number and a text");
  }
  Type y = x;
  if (x.dtype != DType::undefined) y.dtype = x.dtype == DType::string ? DType::int64 : DType::string;
  ctx.set_output(0, std::move(y));
}

void infer_dict_vectorizer(ShapeContext& ctx) {
  const Type& x = ctx.input(0);
  if (x.kind != ValueKind::none && x.kind != ValueKind::map)
    ctx.fail(Code::type, fmt::format("the operand is {}, a map is needed", x.str()));
  const auto numbers = ctx.attrs().integers("int64_vocabulary").size();
  const auto texts = ctx.attrs().strings("string_vocabulary").size();
  if ((numbers > 0) == (texts > 0)) {
    ctx.fail(Code::bad_input, fmt::format("int64_vocabulary has {} members, string_vocabulary {}", numbers, texts),
             "give exactly one vocabulary");
  }
  if (x.dtype != DType::undefined && (x.dtype == DType::string) != (texts > 0)) {
    ctx.fail(Code::type, fmt::format("the keys of {} do not fit the vocabulary", x.str()));
  }
  const DType type = x.elem && x.elem->is_tensor() ? x.elem->dtype : DType::undefined;
  ctx.set_output(0, Type::tensor(type, {static_cast<int64_t>(std::max(numbers, texts))}));
}

void infer_feature_vectorizer(ShapeContext& ctx) {
  const auto widths = ctx.attrs().integers("inputdimensions");
  if (!widths.empty() && widths.size() != static_cast<size_t>(ctx.inputs())) {
    ctx.fail(Code::bad_input,
             fmt::format("inputdimensions has {} members for {} operands", widths.size(), ctx.inputs()));
  }
  Dim rows = Dim::unknown(), columns = 0;
  for (int i = 0; i < ctx.inputs(); ++i) {
    const Table t = read_table(ctx, i);
    rows = rows.is_unknown()     ? t.rows
           : t.rows.is_unknown() ? rows
                                 : ctx.require_equal(rows, t.rows, "rows of the operands");
    if (!widths.empty()) {
      const int64_t w = widths[static_cast<size_t>(i)];
      if (w < 0 || w > ml::kMostCategories) ctx.fail(Code::bad_input, fmt::format("inputdimensions has {}", w));
      columns = columns + Dim(w);
    } else {
      columns = columns + t.columns;
    }
  }
  ctx.set_output(0, Type::tensor(DType::float32, {rows.is_unknown() ? ctx.fresh() : rows,
                                                  columns.is_unknown() ? ctx.fresh() : columns}));
}

void infer_imputer(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  const bool whole = is_integer(x.dtype);
  const auto n =
      whole ? ctx.attrs().integers("imputed_value_int64s").size() : ctx.attrs().reals("imputed_value_floats").size();
  if (x.dtype != DType::undefined && n == 0) {
    ctx.fail(Code::bad_input,
             fmt::format("no {} for {}", whole ? "imputed_value_int64s" : "imputed_value_floats", x.str()),
             "give one value, or one per feature");
  }
  if (x.has_rank && n > 1) {
    require_rank_at_least(ctx, 0, 1);
    ctx.require_equal(x.dims.back(), static_cast<int64_t>(n), "features and imputed values");
  }
  ctx.set_output(0, x);
}

void infer_label_encoder(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  Type y = x;
  if (ctx.attrs().schema().since == 1) {
    if (x.dtype != DType::undefined) y.dtype = x.dtype == DType::string ? DType::int64 : DType::string;
    return ctx.set_output(0, std::move(y));
  }
  const ml::Labels keys = ml::read_labels(ctx, "keys"), values = ml::read_labels(ctx, "values");
  if (keys.count != values.count) {
    ctx.fail(Code::bad_input, fmt::format("{} keys and {} values", keys.count, values.count), "give one value per key");
  }
  if (x.dtype != DType::undefined && x.dtype != keys.type) {
    ctx.fail(Code::type, fmt::format("X is {}, the keys are {}", x.str(), dtype_name(keys.type)));
  }
  y.dtype = values.type;
  ctx.set_output(0, std::move(y));
}

void infer_to_float(ShapeContext& ctx) {
  Type t = tensor_input(ctx, 0);
  t.dtype = DType::float32;
  ctx.set_output(0, std::move(t));
}

void infer_normalizer(ShapeContext& ctx) {
  const std::string_view norm = ctx.attrs().string("norm");
  if (norm != "MAX" && norm != "L1" && norm != "L2")
    ctx.fail(Code::bad_input, fmt::format("norm '{}' does not exist", norm), "use MAX, L1 or L2");
  read_table(ctx, 0);
  infer_to_float(ctx);
}

void infer_scaler(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  for (const std::string_view name : {"offset", "scale"}) {
    const auto n = static_cast<int64_t>(ctx.attrs().reals(name).size());
    if (n > 1 && x.has_rank) {
      require_rank_at_least(ctx, 0, 1);
      ctx.require_equal(x.dims.back(), n, fmt::format("features and members of {}", name));
    }
  }
  infer_to_float(ctx);
}

void infer_one_hot_encoder(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  const int64_t n = require_label_sets(ctx, "cats_int64s", "cats_strings");
  const bool texts = !ctx.attrs().strings("cats_strings").empty();
  if (x.dtype != DType::undefined && (x.dtype == DType::string) != texts)
    ctx.fail(Code::type, fmt::format("X is {}, the categories are {}", x.str(), texts ? "strings" : "integers"));
  if (!x.has_rank) return ctx.set_output(0, Type::tensor(DType::float32));
  Dims dims = x.dims;
  dims.push_back(n);
  ctx.set_output(0, Type::tensor(DType::float32, std::move(dims)));
}

void infer_zip_map(ShapeContext& ctx) {
  const Table t = read_table(ctx, 0);
  const int64_t keys = require_label_sets(ctx, "classlabels_int64s", "classlabels_strings");
  if (!t.columns.is_unknown()) ctx.require_equal(t.columns, keys, "columns of X and keys");
  const bool texts = !ctx.attrs().strings("classlabels_strings").empty();
  ctx.set_output(0,
                 Type::sequence(Type::map(texts ? DType::string : DType::int64, Type::tensor(DType::float32, Dims{}))));
}

void infer_tfidf(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  const AttrReader& a = ctx.attrs();
  const std::string_view mode = a.string("mode");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF")
    ctx.fail(Code::bad_input, fmt::format("mode '{}' does not exist", mode), "use TF, IDF or TFIDF");
  const int64_t least = a.integer("min_gram_length"), most = a.integer("max_gram_length"),
                skips = a.integer("max_skip_count");
  if (least < 1 || most < least || skips < 0) {
    ctx.fail(Code::bad_input, fmt::format("n-grams of {} to {} with up to {} skips", least, most, skips));
  }
  const size_t numbers = a.integers("pool_int64s").size(), texts = a.strings("pool_strings").size();
  if ((numbers > 0) == (texts > 0)) ctx.fail(Code::bad_input, "one of pool_int64s and pool_strings is needed");
  if (x.dtype != DType::undefined && (x.dtype == DType::string) != (texts > 0))
    ctx.fail(Code::type, fmt::format("X is {}, the pool holds {}", x.str(), texts > 0 ? "strings" : "integers"));
  const auto starts = a.integers("ngram_counts");
  if (starts.empty() || !std::is_sorted(starts.begin(), starts.end()) || starts[0] < 0 ||
      starts.back() > static_cast<int64_t>(std::max(numbers, texts))) {
    ctx.fail(Code::bad_input, "ngram_counts are not growing positions in the pool");
  }
  const auto places = a.integers("ngram_indexes");
  int64_t width = 0, grams = 0;
  for (const int64_t p : places) {
    if (p < 0 || p >= ml::kMostCategories) ctx.fail(Code::bad_input, fmt::format("ngram_indexes has {}", p));
    width = std::max(width, p + 1);
  }
  for (size_t i = 0; i < starts.size(); ++i) {
    const int64_t end = i + 1 < starts.size() ? starts[i + 1] : static_cast<int64_t>(std::max(numbers, texts));
    grams += (end - starts[i]) / static_cast<int64_t>(i + 1);
  }
  if (static_cast<int64_t>(places.size()) < grams || width == 0)
    ctx.fail(Code::bad_input, fmt::format("{} ngram_indexes for {} n-grams", places.size(), grams));
  if (const auto w = a.reals("weights"); !w.empty() && mode != "TF" && static_cast<int64_t>(w.size()) < width)
    ctx.fail(Code::bad_input, fmt::format("{} weights for {} coordinates", w.size(), width));
  if (!x.has_rank) return ctx.set_output(0, Type::tensor(DType::float32));
  if (x.rank() > 2) ctx.fail(Code::shape, fmt::format("X has shape {}, [C] or [N, C] is needed", x.str()));
  ctx.set_output(0, Type::tensor(DType::float32, x.rank() == 2 ? Dims{x.dims[0], width} : Dims{width}));
}

// Version steps ------------------------------------------------------------------------------------------------------------------

/// Version 1 maps between texts and their positions in one list.
Expansion label_encoder_1(OpBuilder& b) {
  const DType type = b.input(0).dtype;
  if (type == DType::undefined)
    return Expansion::refuse("LabelEncoder-1 of an unknown element type has no form in version 2");
  const auto texts = b.attrs().strings("classes_strings");
  std::vector<std::string> classes(texts.begin(), texts.end());
  std::vector<int64_t> places(classes.size());
  for (size_t i = 0; i < places.size(); ++i) places[i] = static_cast<int64_t>(i);
  Attributes attributes;
  attributes.set(type == DType::string ? "keys_strings" : "keys_int64s",
                 type == DType::string ? AttrValue(classes) : AttrValue(places));
  attributes.set(type == DType::string ? "values_int64s" : "values_strings",
                 type == DType::string ? AttrValue(places) : AttrValue(classes));
  if (type == DType::string) {
    attributes.set("default_int64", b.attrs().integer("default_int64", -1));
  } else {
    attributes.set("default_string", std::string(b.attrs().string("default_string")));
  }
  const Ref inputs[] = {b.in(0)};
  next_version(b);
  return Expansion(b.emit("LabelEncoder", inputs, std::move(attributes), 1));
}

Expansion label_encoder_2_to_1(OpBuilder&) {
  return Expansion::refuse("LabelEncoder with keys and values has no form in version 1");
}

Expansion label_encoder_4_to_2(OpBuilder& b) {
  for (const std::string_view name : {"keys_tensor", "values_tensor", "default_tensor"}) {
    if (b.attrs().given(name))
      return Expansion::refuse(fmt::format("LabelEncoder with {} has no form below version 4", name));
  }
  const Ref inputs[] = {b.in(0)};
  previous_version(b);
  return Expansion(b.emit("LabelEncoder", inputs, b.attrs().all(), 1));
}

// Meanings by simpler operators --------------------------------------------------------------------------------------------------

Ref cast(OpBuilder& b, Ref x, DType to) { return b.op("Cast", {x}, {{"to", static_cast<int64_t>(to)}}); }

Expansion extractor_meaning(OpBuilder& b) {
  const Type& x = b.input(0);
  if (!x.has_rank) return Expansion::refuse("ArrayFeatureExtractor of unknown rank");
  const Ref places = b.op("Reshape", {b.in(1), b.ints({-1})});
  const Ref taken = b.op("Gather", {b.in(0), places}, {{"axis", static_cast<int64_t>(-1)}});
  return x.rank() == 1 ? Expansion(b.op("Unsqueeze", {taken, b.ints({0})})) : Expansion(taken);
}

/// x > t of integers is x > floor(t).
Expansion binarizer_meaning(OpBuilder& b) {
  const DType type = b.input(0).dtype;
  if (type == DType::undefined) return Expansion::refuse("Binarizer of an unknown element type");
  const double t = static_cast<double>(b.attrs().real("threshold"));
  if (!is_integer(type)) return cast(b, b.op("Greater", {b.in(0), scalar(b, type, t)}), type);
  const double low = type == DType::int32 ? std::numeric_limits<int32_t>::min() : -0x1.0p63;
  const double high = type == DType::int32 ? std::numeric_limits<int32_t>::max() : 0x1.0p63;
  if (std::isnan(t) || t >= high) return b.op("Sub", {b.in(0), b.in(0)});  // nothing is greater
  const Ref zero = b.op("Sub", {b.in(0), b.in(0)});
  if (t < low)
    return b.op("Add",
                {zero, b.constant(type == DType::int32 ? Value::scalar<int32_t>(1) : Value::scalar<int64_t>(1))});
  const auto whole = static_cast<int64_t>(std::floor(t));
  const Ref bound =
      b.constant(type == DType::int32 ? Value::scalar(static_cast<int32_t>(whole)) : Value::scalar(whole));
  return cast(b, b.op("Greater", {b.in(0), bound}), type);
}

Ref reals(OpBuilder& b, std::span<const float> v, DType type) {
  Value out = Value::tensor(type, v.size() == 1 ? Shape() : Shape{static_cast<int64_t>(v.size())});
  for (size_t i = 0; i < v.size(); ++i)
    set_f64(type, out.mutable_data(), static_cast<int64_t>(i), static_cast<double>(v[i]));
  return b.constant(std::move(out));
}

Expansion imputer_meaning(OpBuilder& b) {
  const DType type = b.input(0).dtype;
  if (type == DType::undefined) return Expansion::refuse("Imputer of an unknown element type");
  if (is_integer(type)) {
    const auto v = b.attrs().integers("imputed_value_int64s");
    const Ref values = cast(
        b, b.constant(Value::of<int64_t>(v.size() == 1 ? Shape() : Shape{static_cast<int64_t>(v.size())}, v)), type);
    const Ref old = cast(b, b.constant(Value::scalar(b.attrs().integer("replaced_value_int64"))), type);
    return b.op("Where", {b.op("Equal", {b.in(0), old}), values, b.in(0)});
  }
  const float old = b.attrs().real("replaced_value_float");
  const Ref found =
      std::isnan(old) ? b.op("IsNaN", {b.in(0)}) : b.op("Equal", {b.in(0), scalar(b, type, static_cast<double>(old))});
  return b.op("Where", {found, reals(b, b.attrs().reals("imputed_value_floats"), type), b.in(0)});
}

/// Wide enough that neither offset nor scale loses what float32 would keep.
DType working_type(DType x) { return x == DType::float32 ? DType::float32 : DType::float64; }

Expansion scaler_meaning(OpBuilder& b) {
  const DType type = b.input(0).dtype, wide = working_type(type);
  Ref y = type == wide ? b.in(0) : cast(b, b.in(0), wide);
  if (const auto v = b.attrs().reals("offset"); !v.empty()) y = b.op("Sub", {y, reals(b, v, wide)});
  if (const auto v = b.attrs().reals("scale"); !v.empty()) y = b.op("Mul", {y, reals(b, v, wide)});
  return cast(b, y, DType::float32);
}

Expansion normalizer_meaning(OpBuilder& b) {
  const Ref x = b.input(0).dtype == DType::float64 ? b.in(0) : cast(b, b.in(0), DType::float64);
  const std::string_view norm = b.attrs().string("norm");
  const std::string_view op = norm == "MAX" ? "ReduceMax" : norm == "L1" ? "ReduceL1" : "ReduceL2";
  const Ref divisor = b.op(op, {x, b.ints({-1})}, {{"keepdims", static_cast<int64_t>(1)}});
  const Ref zero = scalar(b, DType::float64, 0), one = scalar(b, DType::float64, 1);
  const Ref safe = b.op("Where", {b.op("Equal", {divisor, zero}), one, divisor});
  return cast(b, b.op("Div", {x, safe}), DType::float32);
}

// Costs --------------------------------------------------------------------------------------------------------------------------

Cost cost_lookup(const CostContext& ctx) { return cost_flops(ctx, 8); }

// Rows ---------------------------------------------------------------------------------------------------------------------------

constexpr std::string_view kMl = "ai.onnx.ml";

constexpr Version kArrayFeatureExtractor[] = {{1, "(T X, i64 Y) -> (T Z); T = f32 f64 str i32 i64"}};
constexpr Version kBinarizer[] = {{1, "(T X) -> (T Y) {threshold: float = 0}; T = f32 f64 i32 i64"}};
constexpr Version kCastMap[] = {
    {1,
     "(T1 X) -> (T2 Y) {cast_to: string = 'TO_FLOAT', map_form: string = 'DENSE', max_map: int = 1}; T1 = "
     "map.i64.f32 map.i64.str; T2 = f32 str i64"},
};
constexpr Version kCategoryMapper[] = {
    {1,
     "(T1 X) -> (T2 Y) {cats_int64s: ints, cats_strings: strings, default_int64: int = -1, default_string: string "
     "= '_Unused'}; T1 = str i64; T2 = str i64"},
};
constexpr Version kDictVectorizer[] = {
    {1,
     "(T1 X) -> (T2 Y) {int64_vocabulary: ints, string_vocabulary: strings}; T1 = map.i64.f64 map.i64.f32 "
     "map.i64.str map.str.f64 map.str.f32 map.str.i64; T2 = f32 f64 str i64"},
};
constexpr Version kFeatureVectorizer[] = {{1, "(T1+ X) -> (f32 Y) {inputdimensions: ints}; T1 = f32 f64 i32 i64"}};
constexpr Version kImputer[] = {
    {1,
     "(T X) -> (T Y) {imputed_value_floats: floats, imputed_value_int64s: ints, replaced_value_float: float = 0, "
     "replaced_value_int64: int = 0}; T = f32 f64 i32 i64"},
};
constexpr Version kLabelEncoder[] = {
    {1,
     "(T1 X) -> (T2 Y) {classes_strings: strings, default_int64: int = -1, default_string: string = '_Unused'}; "
     "T1 = str i64; T2 = str i64",
     label_encoder_1, label_encoder_2_to_1},
    {2,
     "(T1 X) -> (T2 Y) {default_float: float = -0, default_int64: int = -1, default_string: string = '_Unused', "
     "keys_floats: floats, keys_int64s: ints, keys_strings: strings, values_floats: floats, values_int64s: ints, "
     "values_strings: strings}; T1 = f32 str i64; T2 = f32 str i64",
     nullptr, label_encoder_4_to_2},
    {4,
     "(T1 X) -> (T2 Y) {default_float: float = -0, default_int64: int = -1, default_string: string = '_Unused', "
     "default_tensor: tensor, keys_floats: floats, keys_int64s: ints, keys_strings: strings, keys_tensor: tensor, "
     "values_floats: floats, values_int64s: ints, values_strings: strings, values_tensor: tensor}; T1 = f32 f64 "
     "str i16 i32 i64; T2 = f32 f64 str i16 i32 i64"},
};
constexpr Version kNormalizer[] = {{1, "(T X) -> (f32 Y) {norm: string = 'MAX'}; T = f32 f64 i32 i64"}};
constexpr Version kOneHotEncoder[] = {
    {1, "(T X) -> (f32 Y) {cats_int64s: ints, cats_strings: strings, zeros: int = 1}; T = f32 f64 str i32 i64"},
};
constexpr Version kScaler[] = {{1, "(T X) -> (f32 Y) {offset: floats, scale: floats}; T = f32 f64 i32 i64"}};
constexpr Version kZipMap[] = {
    {1,
     "(f32 X) -> (T Z) {classlabels_int64s: ints, classlabels_strings: strings}; T = seq.map.i64.f32 "
     "seq.map.str.f32"},
};
constexpr Version kTfIdfVectorizer[] = {
    {9,
     "(T X) -> (T1 Y) {max_gram_length: int!, max_skip_count: int!, min_gram_length: int!, mode: string!, "
     "ngram_counts: ints!, ngram_indexes: ints!, pool_int64s: ints, pool_strings: strings, weights: floats}; T = "
     "str i32 i64; T1 = f32"},
};

constexpr OpDef kTable[] = {
    row({.name = "ArrayFeatureExtractor",
         .domain = kMl,
         .api = {"array_feature_extractor"},
         .versions = kArrayFeatureExtractor,
         .infer = infer_extractor,
         .meaning = Decompose{extractor_meaning},
         .cost = cost_traffic,
         .grid = "f32[3,4] i64{1,3}; f64[4] i64{0}; str[2,3] i64{2,2,0}; i32[2,2,3] i64{1,2:0,2}; i64[0,3] i64{1}",
         .doc = "The elements of the last axis of X at the indices Y (from 0), in their order. X [..., N], Y of K "
                "elements in any shape; Z [..., K], [1, K] for X [N]."}),
    row({.name = "Binarizer",
         .domain = kMl,
         .api = {"binarizer"},
         .versions = kBinarizer,
         .infer = infer_same,
         .gradient = NoGradient{"piecewise constant"},
         .meaning = Decompose{binarizer_meaning},
         .cost = cost_elementwise,
         .grid = "f32[3,4] threshold=0.5; f64[4]; i32[2,3] threshold=1.5; i64[5] threshold=-1.0; i32[4] "
                 "threshold=1e20; i64[4] threshold=-1e30; f32[0]; f32[]",
         .doc = "1 where X > threshold, else 0; element-wise, of X's type."}),
    row({.name = "CastMap",
         .domain = kMl,
         .api = {"cast_map"},
         .versions = kCastMap,
         .infer = infer_cast_map,
         .sizes = Sizes::known_after_run,
         .gradient = NoGradient{"reads a map"},
         .meaning = Primitive{"reads a map"},
         .cost = cost_free,
         .grid =
             "map(i64{3,1} f32{0.5,2.0}); map(i64{3,1} f32{0.5,2.0}) cast_to='TO_INT64' map_form='SPARSE' max_map=5; "
             "map(i64{0} str{'1.5'}) cast_to='TO_FLOAT'; map(i64{2,1} f32{1.5,-2.0}) cast_to='TO_STRING'",
         .doc = "The values of a map as [1, n] in ascending order of the keys: n of them (DENSE), or max_map with each "
                "at the place of its key and zeros "
                "(empty texts) between (SPARSE; keys in [0, max_map)). cast_to TO_FLOAT, TO_INT64 or TO_STRING; "
                "numbers as text have six decimals."}),
    row({.name = "CategoryMapper",
         .domain = kMl,
         .api = {"category_mapper"},
         .versions = kCategoryMapper,
         .infer = infer_category_mapper,
         .gradient = NoGradient{"labels"},
         .meaning = Primitive{"a lookup by hash"},
         .cost = cost_lookup,
         .grid = "str{2,2:'a','b','q','b'} cats_strings=['a','b'] cats_int64s=[7,9]; i64{9,1,7} cats_strings=['a','b'] "
                 "cats_int64s=[7,9] default_string='none'; "
                 "str[0] cats_strings=['a'] cats_int64s=[1]; i64(1) cats_strings=['a'] cats_int64s=[1]",
         .doc = "Texts to numbers or numbers to texts by the pairs of cats_strings and cats_int64s (of equal ones the "
                "last); what is in no pair becomes default_int64 or default_string."}),
    row({.name = "DictVectorizer",
         .domain = kMl,
         .api = {"dict_vectorizer"},
         .versions = kDictVectorizer,
         .infer = infer_dict_vectorizer,
         .sizes = Sizes::known_after_run,
         .gradient = NoGradient{"reads a map"},
         .meaning = Primitive{"reads a map"},
         .cost = cost_free,
         .grid = "map(str{'a','c'} f32{4.0,8.0}) string_vocabulary=['a','c','b']; map(i64{5} f64{2.5}) "
                 "int64_vocabulary=[1,5]; "
                 "map(str{'z'} i64{3}) string_vocabulary=['z']; map(i64{1} str{'x'}) int64_vocabulary=[2,1]",
         .doc = "The values of a map at the places of their keys in the vocabulary, zeros (empty texts) elsewhere: [n] "
                "for n words. A key that is no word is an error."}),
    row({.name = "FeatureVectorizer",
         .domain = kMl,
         .api = {"feature_vectorizer"},
         .versions = kFeatureVectorizer,
         .infer = infer_feature_vectorizer,
         .meaning = Primitive{"joins columns and pads them"},
         .cost = cost_traffic,
         .grid = "f32[2,2] f32[2,3] inputdimensions=[2,3]; i64[2,2] i64[2,1] inputdimensions=[3,1]; f64[3] f64[2]; "
                 "i32[2,4] inputdimensions=[2]; f32[0,2] f32[0,1]",
         .doc = "The columns of all operands side by side as float32 [N, sum]: the first inputdimensions[i] of operand "
                "i, zeros where it has fewer (default: all). [C] counts as [1, C]."}),
    row({.name = "Imputer",
         .domain = kMl,
         .api = {"imputer"},
         .versions = kImputer,
         .infer = infer_imputer,
         .meaning = Decompose{imputer_meaning},
         .cost = cost_elementwise,
         .grid = "f32{2,2:1.0,nan,3.0,nan} imputed_value_floats=[0.5,9.0] replaced_value_float=nan; f64[2,3] "
                 "imputed_value_floats=[1.5]; "
                 "i64{4,0,-1} imputed_value_int64s=[8] replaced_value_int64=-1; i32[2,3] imputed_value_int64s=[1,2,3] "
                 "replaced_value_int64=1; f32[0,3] imputed_value_floats=[1.0]",
         .doc = "X with every element equal to replaced_value_* (NaN equals NaN) replaced by imputed_value_*: one "
                "value, or one per feature (last axis)."}),
    row({.name = "LabelEncoder",
         .domain = kMl,
         .api = {"label_encoder"},
         .versions = kLabelEncoder,
         .infer = infer_label_encoder,
         .gradient = NoGradient{"labels"},
         .meaning = Primitive{"a lookup by hash"},
         .cost = cost_lookup,
         .grid =
             "str{'a','q','b'} keys_strings=['a','b'] values_int64s=[4,5]; i64{2,2:1,2,3,1} keys_int64s=[1,3] "
             "values_strings=['x','y'] default_string='none'; "
             "f32{nan,-0.0,7.0} keys_floats=[nan,0.0,1.0] values_floats=[1.0,2.0,3.0]; i16{3,9} keys_tensor=i16{3,4} "
             "values_tensor=f64{0.5,1.5} default_tensor=f64{9.0}; "
             "str{'b','z'} classes_strings=['a','b'] v=1; i64{1,7} classes_strings=['a','b'] v=1; i64{5} "
             "keys_int64s=[5] values_floats=[2.5] v=2; "
             "f64{0.5} keys_tensor=f64{0.5} values_tensor=str{'half'}; i32{1} keys_tensor=i32{1} values_tensor=i32{6}",
         .doc = "Each element looked up among keys_* and replaced by its partner in values_*, or by the default of the "
                "values' type. Of equal keys the last counts; NaN equals NaN."}),
    row({.name = "Normalizer",
         .domain = kMl,
         .api = {"normalizer"},
         .versions = kNormalizer,
         .infer = infer_normalizer,
         .meaning = Decompose{normalizer_meaning},
         .cost = cost_reduction,
         .accumulate = Accumulate::float64,
         .ulp = 4,
         .grid = "f32[3,4]; f64[3,4] norm='L1'; i32[3,4] norm='L2'; i64[5] norm='L1'; f32{2,2:0.0,0.0,-1.0,-2.0}; "
                 "f32[0,3] norm='L2'",
         .doc = "Each row divided by its greatest element (MAX), the sum of absolute values (L1) or the Euclidean norm "
                "(L2); a row whose divisor is 0 stays. X [N, C] or [C]."}),
    row({.name = "OneHotEncoder",
         .domain = kMl,
         .api = {"one_hot_encoder"},
         .versions = kOneHotEncoder,
         .infer = infer_one_hot_encoder,
         .gradient = NoGradient{"indicators"},
         .meaning = Primitive{"a lookup by hash"},
         .cost = cost_lookup,
         .grid =
             "f32{2,2:1.0,2.5,3.0,9.0} cats_int64s=[1,2,3]; str{'a','q'} cats_strings=['q','a']; i64{3,1} "
             "cats_int64s=[1,3] zeros=0; i32[4] cats_int64s=[0,1,2]; f64[0,2] cats_int64s=[1]; i64(2) cats_int64s=[2]",
         .doc = "Y [..., E]: 1 at the place of the element's category (floats are cut to integers), else 0. An element "
                "of no category is a row of zeros, or an error with zeros=0."}),
    row({.name = "Scaler",
         .domain = kMl,
         .api = {"scaler"},
         .versions = kScaler,
         .infer = infer_scaler,
         .meaning = Decompose{scaler_meaning},
         .cost = cost_elementwise,
         .accumulate = Accumulate::same,
         .ulp = 2,
         .grid = "f32[3,2] offset=[0.5,1.0] scale=[2.0,0.5]; f64[3,2] offset=[0.5] scale=[2.0]; i32[4] offset=[1.0] "
                 "scale=[0.25]; i64[2,2,2] scale=[0.5,3.0]; f32[0,2] offset=[1.0,2.0]",
         .doc = "(X - offset) * scale as float32; offset and scale have one member, or one per feature (last axis)."}),
    row({.name = "ZipMap",
         .domain = kMl,
         .api = {"zip_map"},
         .versions = kZipMap,
         .infer = infer_zip_map,
         .sizes = Sizes::known_after_run,
         .gradient = NoGradient{"makes maps"},
         .meaning = Primitive{"makes maps"},
         .cost = cost_free,
         .grid = "f32[2,3] classlabels_int64s=[1,2,3]; f32[3] classlabels_strings=['a','b','c']; f32[0,1] "
                 "classlabels_int64s=[1]; f32[1,2] classlabels_strings=['x','y']",
         .doc = "One map per row of X [N, E]: from the E labels to the row's elements."}),
    row({.name = "TfIdfVectorizer",
         .api = {"tf_idf_vectorizer"},
         .versions = kTfIdfVectorizer,
         .infer = infer_tfidf,
         .gradient = NoGradient{"counts"},
         .meaning = Primitive{"counts of n-grams by hash"},
         .cost = cost_lookup,
         .grid = "i32{1,1,3,3,3,7,8,6,7,5,6,8} mode='TF' min_gram_length=2 max_gram_length=2 max_skip_count=0 "
                 "ngram_counts=[0,4] ngram_indexes=[0,1,2,3,4,5,6] pool_int64s=[2,3,5,4,5,6,7,8,6,7]; "
                 "i64[2,6]@0..3 mode='TFIDF' min_gram_length=1 max_gram_length=2 max_skip_count=3 ngram_counts=[0,2] "
                 "ngram_indexes=[0,1,2,3] pool_int64s=[1,2,1,2,2,3] weights=[0.5,1.0,2.0,3.0]; "
                 "str{'a','b','a','b'} mode='IDF' min_gram_length=1 max_gram_length=2 max_skip_count=0 "
                 "ngram_counts=[0,1] ngram_indexes=[1,0] pool_strings=['a','a','b']; "
                 "i32[0] mode='TF' min_gram_length=1 max_gram_length=1 max_skip_count=0 ngram_counts=[0] "
                 "ngram_indexes=[2] pool_int64s=[1]",
         .doc = "Counts of the pool's n-grams in X [C] or the rows of X [N, C], with 0 to max_skip_count elements "
                "skipped between members: Y[ngram_indexes[i]] counts n-gram i. mode IDF: 1 (times weight) "
                "where it occurs; TFIDF: count times weight; weights by coordinate of Y. ngram_counts[k] is where the "
                "(k+1)-grams begin in the pool."}),
};

}  // namespace

std::span<const OpDef> ml_ops() {
  static constexpr auto kAll = gradients::differentiable(kTable, gradients::kMl);
  return chosen<kAll>();
}

}  // namespace chorus::families
