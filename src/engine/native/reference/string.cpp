// Operators on tensors of strings.
#include <core/memory_meter.h>
#include <engine/native/reference/string_ops.h>
#include <engine/native/reference/value_ops.h>

#include <algorithm>
#include <string>
#include <unordered_set>

namespace chorus::native {

using move::guarded;
using move::view;

Status string_concat(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const TensorView x = view(ctx, 0), y = view(ctx, 1);
    move::Extents shape;
    shape.rank = std::max(x.rank, y.rank);
    for (int i = 0; i < shape.rank; ++i) {
      const int a = i - (shape.rank - x.rank), b = i - (shape.rank - y.rank);
      const int64_t m = a < 0 ? 1 : x.dims[a], n = b < 0 ? 1 : y.dims[b];
      if (m != n && m != 1 && n != 1)
        return Status::error(Code::shape, "axis %d: %lld and %lld", i, static_cast<long long>(m),
                             static_cast<long long>(n));
      shape.dims[i] = m == 1 ? n : m;
    }
    support::Broadcast from_x, from_y;
    if (Status s = support::make_broadcast(x, shape.span(), &from_x); !s.ok()) return s;
    if (Status s = support::make_broadcast(y, shape.span(), &from_y); !s.ok()) return s;
    const auto at = [](const support::Broadcast& b, int64_t i) {
      return b.identity ? i : b.rank == 0 ? 0 : support::source_of(b, i);
    };
    auto out = std::make_shared<Strings>();
    for (int64_t i = 0, n = shape.count(); i < n; ++i) {
      out->bytes.append(ctx.strings(0)[at(from_x, i)]);
      out->push_back(ctx.strings(1)[at(from_y, i)]);
      if (i % 1024 == 0 && !memory_allows(static_cast<int64_t>(out->bytes.size() + out->ends.size() * sizeof(int64_t))))
        return Status::error(Code::budget, "%lld strings do not fit the memory budget", static_cast<long long>(n));
    }
    return ctx.services->set_value(0, Value::strings(Shape(shape.span()), std::move(out)));
  });
}

namespace {

bool is_space(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// Pieces between runs of white space; after `most` cuts the rest is one piece.
void split_space(std::string_view s, int64_t most, std::vector<std::string_view>* out) {
  for (size_t i = 0;;) {
    while (i < s.size() && is_space(s[i])) ++i;
    if (i == s.size()) return;
    if (most-- == 0) {
      size_t end = s.size();
      while (is_space(s[end - 1])) --end;
      out->push_back(s.substr(i, end - i));
      return;
    }
    const size_t begin = i;
    while (i < s.size() && !is_space(s[i])) ++i;
    out->push_back(s.substr(begin, i - begin));
  }
}

void split_at(std::string_view s, std::string_view delimiter, int64_t most, std::vector<std::string_view>* out) {
  for (size_t at; most != 0 && (at = s.find(delimiter)) != std::string_view::npos; --most) {
    out->push_back(s.substr(0, at));
    s.remove_prefix(at + delimiter.size());
  }
  out->push_back(s);
}

}  // namespace

Status string_split(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const TensorView x = view(ctx, 0);
    const std::string_view delimiter = ctx.attrs->string("delimiter");
    const int64_t most = ctx.attrs->given("maxsplit") ? ctx.attrs->integer("maxsplit") : -1;
    std::vector<std::string_view> pieces;
    std::vector<int64_t> ends, counts;
    int64_t widest = 0;
    for (int64_t i = 0; i < x.count; ++i) {
      const size_t before = pieces.size();
      const std::string_view s = ctx.strings(0)[i];
      if (delimiter.empty())
        split_space(s, most, &pieces);
      else
        split_at(s, delimiter, most, &pieces);
      counts.push_back(static_cast<int64_t>(pieces.size() - before));
      widest = std::max(widest, counts.back());
    }
    std::vector<int64_t> dims(x.dims, x.dims + x.rank);
    const Value lengths = Value::of<int64_t>(Shape(dims), std::span<const int64_t>(counts));
    dims.push_back(widest);
    // One long string makes all rows as wide: the table of empty strings has a bound of its own.
    if (const int64_t cells = checked_numel(dims);
        cells < 0 || cells > (int64_t{1} << 28) || !memory_allows(8 * cells)) {
      return Status::error(Code::budget, "%lld strings of up to %lld pieces are too many",
                           static_cast<long long>(x.count), static_cast<long long>(widest));
    }
    auto out = std::make_shared<Strings>();
    size_t at = 0;
    for (const int64_t n : counts) {
      for (int64_t k = 0; k < widest; ++k)
        out->push_back(k < n ? pieces[at + static_cast<size_t>(k)] : std::string_view());
      at += static_cast<size_t>(n);
    }
    if (ctx.wants(1)) {
      if (Status s = ctx.services->set_value(1, lengths); !s.ok()) return s;
    }
    return ctx.wants(0) ? ctx.services->set_value(0, Value::strings(Shape(dims), std::move(out))) : Status{};
  });
}

namespace {

/// Simple case of Latin (with Latin-1), Greek and Cyrillic letters; all others stay.
char32_t change_case(char32_t c, bool up) noexcept {
  struct Block {
    char32_t first, last;  // capitals
    char32_t distance;
  };
  static constexpr Block kBlocks[] = {{'A', 'Z', 32},     {0xC0, 0xD6, 32},   {0xD8, 0xDE, 32},  {0x391, 0x3A1, 32},
                                      {0x3A3, 0x3AB, 32}, {0x400, 0x40F, 80}, {0x410, 0x42F, 32}};
  for (const Block& b : kBlocks) {
    if (up && c >= b.first + b.distance && c <= b.last + b.distance) return c - b.distance;
    if (!up && c >= b.first && c <= b.last) return c + b.distance;
  }
  return c;
}

void append_utf8(std::string* out, char32_t c) {
  if (c < 0x80) {
    out->push_back(static_cast<char>(c));
  } else {  // change_case gives nothing beyond two bytes
    out->push_back(static_cast<char>(0xC0 | (c >> 6)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  }
}

std::string with_case(std::string_view s, bool up) {
  std::string out;
  for (size_t at = 0; at < s.size();) {
    const size_t begin = at;
    const char32_t c = next_code_point(s, &at), changed = change_case(c, up);
    if (changed == c)
      out.append(s.substr(begin, at - begin));
    else
      append_utf8(&out, changed);
  }
  return out;
}

}  // namespace

Status string_normalizer(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const TensorView x = view(ctx, 0);
    const std::string_view action = ctx.attrs->string("case_change_action", "NONE");
    const bool sensitive = ctx.attrs->integer("is_case_sensitive") != 0;
    const auto folded = [&](std::string_view s) { return sensitive ? std::string(s) : with_case(s, false); };
    std::unordered_set<std::string> stop;
    for (const std::string& word : ctx.attrs->strings("stopwords")) stop.insert(folded(word));
    auto out = std::make_shared<Strings>();
    for (int64_t i = 0; i < x.count; ++i) {
      const std::string_view s = ctx.strings(0)[i];
      if (!stop.empty() && stop.contains(folded(s))) continue;
      if (action == "NONE")
        out->push_back(s);
      else
        out->push_back(with_case(s, action == "UPPER"));
    }
    if (out->size() == 0) out->push_back("");
    const int64_t n = out->size();
    return ctx.services->set_value(0, Value::strings(x.rank == 2 ? Shape{1, n} : Shape{n}, std::move(out)));
  });
}

}  // namespace chorus::native
