// Sequences, optionals and tensors of strings.
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/movement_shape.h>
#include <ops/rules.h>
#include <ops/table.h>
#include <fmt/format.h>

#include <algorithm>

namespace chorus {
namespace {
using rules::cost_free;
using rules::cost_traffic;

// Sequences ---------------------------------------------------------------------------------------------------------

/// What is known of the items; kind none when nothing is.
Type items_of(const NodeContext& ctx, int i) {
  const Type& s = ctx.input(i);
  if (s.kind != ValueKind::none && s.kind != ValueKind::sequence) {
    ctx.fail(Code::type, fmt::format("operand {} is {}, a sequence is needed", i, s.str()));
  }
  return s.elem ? *s.elem : Type{};
}
Type joined(const Type& a, const Type& b) {
  if (a.kind == ValueKind::none || (a.is_tensor() && a.dtype == DType::undefined)) return b;
  return b.kind == ValueKind::none ? a : Type::join(a, b);
}
void set_scalar(ShapeContext& ctx, DType dtype) { ctx.set_output(0, Type::tensor(dtype, Dims{})); }

void infer_sequence_empty(ShapeContext& ctx) {
  const int64_t dtype = ctx.attrs().integer("dtype", static_cast<int64_t>(DType::float32));
  if (dtype < 1 || dtype >= kDTypeCount) ctx.fail(Code::bad_input, fmt::format("dtype {} does not exist", dtype));
  ctx.set_output(0, Type::sequence(Type::tensor(static_cast<DType>(dtype))));
}
void infer_sequence_construct(ShapeContext& ctx) {
  Type item = rules::tensor_input(ctx, 0);
  for (int i = 1; i < ctx.inputs(); ++i) {
    const Type& t = rules::tensor_input(ctx, i);
    if (t.dtype != item.dtype)
      ctx.fail(Code::type, fmt::format("items are {} and {}", item.str(), t.str()), "give tensors of one element type");
    item = Type::join(item, t);
  }
  ctx.set_output(0, Type::sequence(std::move(item)));
}
void infer_sequence_at(ShapeContext& ctx) { ctx.set_output(0, items_of(ctx, 0)); }
void infer_sequence_same(ShapeContext& ctx) {
  items_of(ctx, 0);
  ctx.set_output(0, ctx.input(0));
}
void infer_sequence_insert(ShapeContext& ctx) {
  const Type item = items_of(ctx, 0), &t = rules::tensor_input(ctx, 1);
  if (item.is_tensor() && item.dtype != DType::undefined && item.dtype != t.dtype) {
    ctx.fail(Code::type, fmt::format("{} cannot be put into a sequence of {}", t.str(), item.str()));
  }
  // An empty sequence says nothing of its items' shapes, so what is put in cannot be trusted to be all there is.
  ctx.set_output(0, Type::sequence(joined(item, t)));
}
void infer_sequence_length(ShapeContext& ctx) {
  items_of(ctx, 0);
  set_scalar(ctx, DType::int64);
}

void infer_concat_from_sequence(ShapeContext& ctx) {
  const Type item = items_of(ctx, 0);
  if (!item.has_rank) return ctx.set_output(0, item.is_tensor() ? Type::tensor(item.dtype) : Type{});
  const bool stacked = ctx.attrs().integer("new_axis") != 0;
  Dims dims = item.dims;
  const int axis = rules::normalize_axis(ctx, ctx.attrs().integer("axis"), item.rank() + (stacked ? 1 : 0));
  if (stacked) {
    dims.insert(dims.begin() + axis, ctx.fresh());
  } else {
    dims[static_cast<size_t>(axis)] = ctx.fresh();
  }
  for (Dim& d : dims) d = movement::named(ctx, d);
  ctx.set_output(0, Type::tensor(item.dtype, std::move(dims)));
}

void infer_split_to_sequence(ShapeContext& ctx) {
  const Type& x = rules::tensor_input(ctx, 0);
  if (!x.has_rank) return ctx.set_output(0, Type::sequence(Type::tensor(x.dtype)));
  const auto axis = static_cast<size_t>(rules::normalize_axis(ctx, ctx.attrs().integer("axis"), x.rank()));
  Dims dims = x.dims;
  if (!ctx.has_input(1)) {
    if (ctx.attrs().integer("keepdims", 1) == 0) {
      dims.erase(dims.begin() + static_cast<int64_t>(axis));
    } else {
      dims[axis] = Dim(1);
    }
  } else {
    const auto lengths = movement::small_values(ctx, 1);
    Dim part = Dim::unknown();
    if (lengths && !lengths->empty() &&
        (ctx.input(1).rank() == 1 ||
         (dims[axis].is_number() && (*lengths)[0].is_number() && (*lengths)[0].number() > 0 &&
          dims[axis].number() % (*lengths)[0].number() == 0))) {
      part = std::all_of(lengths->begin(), lengths->end(), [&](const Dim& d) { return d.same((*lengths)[0]); })
                 ? (*lengths)[0]
                 : Dim::unknown();
    }
    dims[axis] = part;
  }
  ctx.set_output(0, Type::sequence(Type::tensor(x.dtype, std::move(dims))));
}

void infer_sequence_map(ShapeContext& ctx) {
  std::vector<Type> inputs;
  for (int i = 0; i < ctx.inputs(); ++i) {
    const Type& t = ctx.input(i);
    inputs.push_back(t.kind == ValueKind::sequence && t.elem ? *t.elem : t.kind == ValueKind::sequence ? Type{} : t);
  }
  const auto types = ctx.infer_body("body", inputs);
  for (int o = 0; o < ctx.outputs() && o < static_cast<int>(types.size()); ++o)
    ctx.set_output(o, Type::sequence(types[static_cast<size_t>(o)]));
}

// Optionals ---------------------------------------------------------------------------------------------------------

void infer_optional(ShapeContext& ctx) {
  if (ctx.has_input(0)) return ctx.set_output(0, Type::optional(ctx.input(0)));
  const AttrValue* type = ctx.attrs().find("type");
  const Type* item = type == nullptr ? nullptr : type->get<Type>();
  if (item == nullptr)
    ctx.fail(Code::bad_input, "neither a value nor the attribute type", "give the type of what is missing");
  ctx.set_output(0, Type::optional(*item));
}
void infer_optional_get(ShapeContext& ctx) {
  const Type& x = ctx.input(0);
  ctx.set_output(0, x.kind != ValueKind::optional ? x : x.elem ? *x.elem : Type{});
}
void infer_optional_has(ShapeContext& ctx) { set_scalar(ctx, DType::boolean); }

// Strings -----------------------------------------------------------------------------------------------------------

void infer_string_split(ShapeContext& ctx) {
  const Type& x = rules::tensor_input(ctx, 0);
  if (ctx.attrs().given("maxsplit") && ctx.attrs().integer("maxsplit") < 0) {
    ctx.fail(Code::bad_input, fmt::format("maxsplit is {}", ctx.attrs().integer("maxsplit")), "use 0 or more");
  }
  if (ctx.has_output(1))
    ctx.set_output(1, x.has_rank ? Type::tensor(DType::int64, x.dims) : Type::tensor(DType::int64));
  if (!x.has_rank) return ctx.set_output(0, Type::tensor(DType::string));
  Dims dims = x.dims;
  dims.push_back(ctx.fresh());
  ctx.set_output(0, Type::tensor(DType::string, std::move(dims)));
}

void infer_string_normalizer(ShapeContext& ctx) {
  const Type& x = rules::tensor_input(ctx, 0);
  const std::string_view action = ctx.attrs().string("case_change_action", "NONE");
  if (action != "NONE" && action != "LOWER" && action != "UPPER") {
    ctx.fail(Code::bad_input, fmt::format("case_change_action '{}' does not exist", action),
             "use NONE, LOWER or UPPER");
  }
  if (!x.has_rank) return ctx.set_output(0, Type::tensor(DType::string));
  if (x.rank() != 1 && x.rank() != 2)
    ctx.fail(Code::shape, fmt::format("X has shape {}, [C] or [1, C] is needed", x.str()));
  if (x.rank() == 2) ctx.require_equal(x.dims[0], Dim(1), "first extent of X");
  Dims dims = x.dims;
  dims.back() = ctx.fresh();
  ctx.set_output(0, Type::tensor(DType::string, std::move(dims)));
}

void infer_regex(ShapeContext& ctx) {
  if (!ctx.attrs().given("pattern"))
    ctx.fail(Code::bad_input, "the attribute pattern is missing", "give a regular expression");
  rules::infer_same_bool(ctx);
}

constexpr Version kSequenceEmpty[] = {
    {11, "() -> (S output) {dtype: int}; S = seq.all"},
};
constexpr Version kSequenceConstruct[] = {
    {11, "(T+ inputs) -> (S output_sequence); T = all; S = seq.all"},
};
constexpr Version kSequenceAt[] = {
    {11, "(S input_sequence, I position) -> (T tensor); S = seq.all; T = all; I = i32 i64"},
};
constexpr Version kSequenceInsert[] = {
    {11, "(S input_sequence, T tensor, I? position) -> (S output_sequence); T = all; S = seq.all; I = i32 i64"},
};
constexpr Version kSequenceErase[] = {
    {11, "(S input_sequence, I? position) -> (S output_sequence); S = seq.all; I = i32 i64"},
};
constexpr Version kSequenceLength[] = {
    {11, "(S input_sequence) -> (I length); S = seq.all; I = i64"},
};
constexpr Version kConcatFromSequence[] = {
    {11, "(S input_sequence) -> (T concat_result) {axis: int!, new_axis: int = 0}; S = seq.all; T = all"},
};
constexpr Version kSplitToSequence[] = {
    {11,
     "(T input, @I? split) -> (S output_sequence) {axis: int = 0, keepdims: int = 1}; T = all; I = i32 i64; S = "
     "seq.all"},
    {24,
     "(T input, @I? split) -> (S output_sequence) {axis: int = 0, keepdims: int = 1}; T = all13; I = i32 i64; S = "
     "seq.all13"},
};
constexpr Version kSequenceMap[] = {
    {17,
     "(S input_sequence, V*~ additional_inputs) -> (S+~ out_sequence) {body: graph!}; S = seq.all; V = all seq.all"},
};
constexpr Version kOptional[] = {
    {15, "(V? input) -> (O output) {type: type}; V = all seq.all; O = opt.all opt.seq.all"},
    {28, "(V? input) -> (O output) {type: type}; V = all28 seq.all28; O = opt.all28 opt.seq.all28"},
};
constexpr Version kOptionalGetElement[] = {
    {15, "(O input) -> (V output); O = opt.all opt.seq.all; V = all seq.all"},
    {18, "(O input) -> (V output); O = all seq.all opt.all opt.seq.all; V = all seq.all"},
    {28, "(O input) -> (V output); O = all28 seq.all28 opt.all28 opt.seq.all28; V = all28 seq.all28"},
};
constexpr Version kOptionalHasElement[] = {
    {15, "(O input) -> (B output); O = opt.all opt.seq.all; B = bool"},
    {18, "(O? input) -> (B output); O = all seq.all opt.all opt.seq.all; B = bool"},
    {28, "(O? input) -> (B output); O = all28 seq.all28 opt.all28 opt.seq.all28; B = bool"},
};
constexpr Version kStringConcat[] = {
    {20, "(T X, T Y) -> (T Z); T = str"},
};
constexpr Version kStringSplit[] = {
    {20, "(T1 X) -> (T2 Y, T3 Z) {delimiter: string, maxsplit: int}; T1 = str; T2 = str; T3 = i64"},
};
constexpr Version kStringNormalizer[] = {
    {10,
     "(str X) -> (str Y) {case_change_action: string = 'NONE', is_case_sensitive: int = 0, locale: string, stopwords: "
     "strings}"},
};
constexpr Version kRegexFullMatch[] = {
    {20, "(T1 X) -> (T2 Y) {pattern: string}; T1 = str; T2 = bool"},
};

constexpr OpDef kTable[] = {
    row({.name = "SequenceEmpty",
         .api = {"sequence_empty"},
         .versions = kSequenceEmpty,
         .infer = infer_sequence_empty,
         .sizes = Sizes::known_after_run,
         .gradient = NoGradient{"holds nothing"},
         .meaning = Primitive{"makes a sequence"},
         .cost = cost_free,
         .grid = "dtype=7; dtype=str; dtype=f16",
         .doc = "A sequence without items, of tensors of element type `dtype` (default float32)."}),
    row({.name = "SequenceConstruct",
         .api = {"sequence_construct"},
         .versions = kSequenceConstruct,
         .infer = infer_sequence_construct,
         .sizes = Sizes::known_after_run,
         .meaning = Primitive{"makes a sequence"},
         .cost = cost_free,
         .grid = "f32[2] f32[3,1]; i64[2]; str[1] str[2] str[0]",
         .doc = "The sequence of the given tensors, which have one element type."}),
    row({.name = "SequenceAt",
         .api = {"sequence_at"},
         .versions = kSequenceAt,
         .infer = infer_sequence_at,
         .sizes = Sizes::known_after_run,
         .meaning = Primitive{"reads a sequence"},
         .cost = cost_free,
         .grid = "seq(f32[2] f32[3]) i64(1); seq(f32[2] f32[3]) i64(-2); seq(i64[2]) i32(0)",
         .doc = "The item at `position`, in [-n, n - 1]."}),
    row({.name = "SequenceInsert",
         .api = {"sequence_insert"},
         .versions = kSequenceInsert,
         .infer = infer_sequence_insert,
         .sizes = Sizes::known_after_run,
         .meaning = Primitive{"makes a sequence"},
         .cost = cost_free,
         .grid = "seq(f32[2] f32[3]) f32[1]; seq(f32[2] f32[3]) f32[1] i64(0); seq(f32[2] f32[3]) f32[1] i64(-1); "
                 "seq(f32[2]) f32[1] i32(1)",
         .doc = "The sequence with `tensor` put before `position` (in [-n, n]; default n: at the end)."}),
    row({.name = "SequenceErase",
         .api = {"sequence_erase"},
         .versions = kSequenceErase,
         .infer = infer_sequence_same,
         .sizes = Sizes::known_after_run,
         .meaning = Primitive{"makes a sequence"},
         .cost = cost_free,
         .grid = "seq(f32[2] f32[3]); seq(f32[2] f32[3]) i64(0); seq(f32[2] f32[3]) i32(-2)",
         .doc = "The sequence without the item at `position` (in [-n, n - 1]; default: the last)."}),
    row({.name = "SequenceLength",
         .api = {"sequence_length"},
         .versions = kSequenceLength,
         .infer = infer_sequence_length,
         .sizes = Sizes::known_after_run,
         .gradient = NoGradient{"a number of items"},
         .meaning = Primitive{"reads a sequence"},
         .cost = cost_free,
         .grid = "seq(f32[2] f32[3]); seq(i64[1]); seq(str[1])",
         .doc = "The number of items as an int64 scalar."}),
    row({.name = "ConcatFromSequence",
         .api = {"concat_from_sequence"},
         .versions = kConcatFromSequence,
         .infer = infer_concat_from_sequence,
         .sizes = Sizes::known_after_run,
         .meaning = Primitive{"reads a sequence"},
         .cost = cost_traffic,
         .grid = "seq(f32[2,1] f32[2,3]) axis=1; seq(f32[2] f32[2]) axis=0 new_axis=1; seq(f32[2] f32[2]) axis=-1 "
                 "new_axis=1; seq(str[2] str[1]) axis=-1",
         .doc = "All items joined along `axis`, or stacked along a new one (new_axis=1)."}),
    row({.name = "SplitToSequence",
         .api = {"split_to_sequence"},
         .versions = kSplitToSequence,
         .infer = infer_split_to_sequence,
         .sizes = Sizes::known_after_run,
         .meaning = Primitive{"makes a sequence"},
         .cost = cost_traffic,
         .grid = "f32[3,2]; f32[3,2] - keepdims=0; f32[5,2] i64(2); f32[5,2] i64{1,4}; f32[2,5] i32(2) axis=-1; "
                 "str[3] i64{2,1}",
         .doc = "Parts of `input` along `axis`: single slices (without that axis when keepdims=0), chunks of `split` "
                "(a scalar; the last may be smaller), or parts of the lengths `split`."}),
    row({.name = "SequenceMap",
         .api = {"sequence_map"},
         .versions = kSequenceMap,
         .infer = infer_sequence_map,
         .sizes = Sizes::known_after_run,
         .meaning = Primitive{"runs a graph per item"},
         .cost = cost_free,
         .grid = "seq(f32[2] f32[2]); seq(f32[2]) f32[2]; seq(f32[2]) seq(f32[1])",
         .doc = "Runs the body for every index of the first sequence: sequences give their item at it, tensors are "
                "given whole; output i is the sequence of the body's i-th results."}),
    row({.name = "Optional",
         .api = {"optional"},
         .versions = kOptional,
         .infer = infer_optional,
         .sizes = Sizes::known_after_run,
         .meaning = Primitive{"makes an optional"},
         .cost = cost_free,
         .grid = "f32[2]; i64[]; seq(f32[2])",
         .doc = "An optional that holds `input`, or (without input) nothing of the given type."}),
    row({.name = "OptionalGetElement",
         .api = {"optional_get_element"},
         .versions = kOptionalGetElement,
         .infer = infer_optional_get,
         .sizes = Sizes::known_after_run,
         .meaning = Primitive{"reads an optional"},
         .cost = cost_free,
         .grid = "f32[2]; i64[]; seq(f32[2])",
         .doc = "What the optional holds (an error when it is empty); a tensor or sequence is itself."}),
    row({.name = "OptionalHasElement",
         .api = {"optional_has_element"},
         .versions = kOptionalHasElement,
         .infer = infer_optional_has,
         .sizes = Sizes::known_after_run,
         .gradient = NoGradient{"a truth value"},
         .meaning = Primitive{"reads an optional"},
         .cost = cost_free,
         .grid = "f32[2]; -; seq(f32[2])",
         .doc = "A bool scalar: false for an empty optional and for an omitted input."}),
    row({.name = "StringConcat",
         .api = {"string_concat"},
         .versions = kStringConcat,
         .infer = rules::infer_broadcast,
         .gradient = NoGradient{"strings"},
         .meaning = Primitive{"joins strings"},
         .cost = cost_traffic,
         .grid = "str[2] str[2]; str[2,1] str[3]; str[] str[2]; str[0] str[1]",
         .doc = "X followed by Y, element by element with broadcasting."}),
    row({.name = "StringSplit",
         .api = {"string_split"},
         .versions = kStringSplit,
         .infer = infer_string_split,
         .sizes = Sizes::known_after_run,
         .gradient = NoGradient{"strings"},
         .meaning = Primitive{"its size depends on the data"},
         .cost = cost_traffic,
         .grid = "str{'a.b','c'} delimiter='.' out=2; str{' a  b ','c'} out=2; str{'a-b-c'} delimiter='-' maxsplit=1 "
                 "out=2; str[0] out=2; str[2,2] out=2; str{''} delimiter=',' out=2",
         .doc = "Pieces of every string in a new last axis, filled up with empty strings, and their numbers. Without "
                "delimiter: pieces between runs of white space. At most maxsplit cuts, from the left."}),
    row({.name = "StringNormalizer",
         .api = {"string_normalizer"},
         .versions = kStringNormalizer,
         .infer = infer_string_normalizer,
         .sizes = Sizes::known_after_run,
         .gradient = NoGradient{"strings"},
         .meaning = Primitive{"its size depends on the data"},
         .cost = cost_traffic,
         .grid = "str{'Monday','tuesday'} stopwords=['monday']; str{'Monday','tuesday'} stopwords=['monday'] "
                 "is_case_sensitive=1 case_change_action='UPPER'; str{1,2:'A','B'} stopwords=['a','b']; str{'AbC'} "
                 "case_change_action='LOWER'",
         .doc = "Removes the stop words, then changes the case. Nothing left: one empty string. Case is changed for "
                "Latin, Greek and Cyrillic letters (UTF-8), whatever the locale."}),
    row({.name = "RegexFullMatch",
         .api = {"regex_full_match"},
         .versions = kRegexFullMatch,
         .infer = infer_regex,
         .gradient = NoGradient{"a truth value"},
         .meaning = Primitive{"matches strings"},
         .cost = cost_traffic,
         .grid = "str{'www.google.com','x'} pattern='www.[a-z]+.com'; str{'a@b.cd','ab'} "
                 "pattern='(\\\\W|^)[\\\\w.\\\\-]{0,25}@b.cd'; str[0] pattern='a*'",
         .doc = "Whether each whole string matches the regular expression (RE2 syntax without back references; time "
                "linear in the string)."}),
};

}  // namespace

std::span<const OpDef> families::sequence_ops() {
  static constexpr auto kAll = gradients::differentiable(kTable, gradients::kSequence);
  return chosen<kAll>();
}

}  // namespace chorus
