#include <engine/native/jit/choice.h>
#include <engine/native/jit/geometry.h>
#include <engine/native/jit/tile_code.h>
#include <engine/native/jit/winograd.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace chorus::jit {
namespace {

constexpr std::array<std::string_view, 3> kMethods = {"direct", "winograd4", "winograd2"};  // in the order of Method
constexpr std::array<std::string_view, 3> kLevels = {"plain", "avx2", "avx512"};
constexpr std::array<std::string_view, 3> kElements = {"f32", "bf16", "bytes"};
constexpr std::array<std::string_view, 3> kSources = {"blocked", "planar", "rows"};
constexpr int kMostPixels = 64, kMostChunk = 1 << 20;

/// Tiles of input channels times output blocks: the forms whose cut is a matter of choice.
bool has_tiles(const ConvProblem& p, Level level) noexcept {
  return level != Level::plain && p.element != Element::bytes && p.unit == Unit::vectors &&
         p.direction == Direction::forward && form_of(p.shape, p.source) != Form::depthwise;
}

bool can_be_winograd(const ConvProblem& p) noexcept { return p.element == Element::f32 && winograd_fits(p); }

int most_out_blocks(const ConvProblem& p) noexcept {
  return static_cast<int>(std::min<int64_t>(geometry(p).blocks_per_group, 4));
}

/// "pixels=14": the number behind the name.
bool read_number(std::string_view word, std::string_view name, int most, int* number) {
  if (!word.starts_with(name)) return false;
  const char* const first = word.data() + name.size();
  const char* const last = word.data() + word.size();
  const auto [end, error] = std::from_chars(first, last, *number);
  return error == std::errc() && end == last && *number >= 1 && *number <= most;
}

}  // namespace

std::string str(const Choice& choice) {
  std::string text(kMethods[static_cast<size_t>(choice.method)]);
  const Tiling& t = choice.tiling;
  if (t.out_blocks > 0) text += fmt::format(" blocks={}", t.out_blocks);
  if (t.pixels > 0) text += fmt::format(" pixels={}", t.pixels);
  if (t.chunk > 0) text += fmt::format(" chunk={}", t.chunk);
  return text;
}

std::optional<Choice> parse_choice(std::string_view text, const ConvProblem& problem, Level level) {
  if (!has_tiles(problem, level)) return std::nullopt;
  Choice choice;
  bool first = true;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    Tiling& t = choice.tiling;
    if (first) {
      const auto* const method = std::find(kMethods.begin(), kMethods.end(), word);
      if (method == kMethods.end()) return std::nullopt;
      choice.method = static_cast<Method>(method - kMethods.begin());
      first = false;
    } else if (!read_number(word, "blocks=", most_out_blocks(problem), &t.out_blocks) &&
               !read_number(word, "pixels=", kMostPixels, &t.pixels) &&
               !read_number(word, "chunk=", kMostChunk, &t.chunk)) {
      return std::nullopt;
    }
  }
  if (first || (choice.method != Method::direct && !can_be_winograd(problem))) return std::nullopt;
  if (choice.tiling.out_blocks > 0 && most_pixels(level, choice.tiling.out_blocks) == 0) return std::nullopt;
  return choice;
}

std::string signature(const ConvProblem& p, const fast::ConvSizes& z, Level level) {
  const fast::ConvShape& s = p.shape;
  std::string text =
      fmt::format("{} {} {}>{}", kLevels[static_cast<size_t>(level)], kElements[static_cast<size_t>(p.element)],
                  kSources[static_cast<size_t>(p.source)], p.target == Target::rows ? "rows" : "blocked");
  if (p.direction == Direction::transposed) text += " transposed";
  text += fmt::format(" {}>{} g{} k{}x{} s{}x{} d{}x{} p{}.{}.{}.{}", s.in_channels, s.out_channels, s.groups,
                      s.kernel_h, s.kernel_w, s.stride_h, s.stride_w, s.dilation_h, s.dilation_w, s.pad_top, s.pad_left,
                      s.pad_bottom, s.pad_right);
  if (is_volume(p)) {
    const Depth& d = p.depth;
    text += fmt::format(" depth k{} s{} d{} p{}.{}", d.kernel, d.stride, d.dilation, d.pad_front, d.pad_back);
    if (p.extents == Extents::fixed) text += fmt::format(" {}", d.size);
  }
  text += p.extents == Extents::open ? " open" : fmt::format(" {}x{}", z.height, z.width);
  if (p.unit == Unit::matrices) text += " matrices";
  if (p.bias) text += " bias";
  if (p.residual) text += p.residual_place == fast::ResidualPlace::before_activation ? " residual" : " last-residual";
  if (p.activation != fast::Activation::none) text += fmt::format(" activation{}", static_cast<int>(p.activation));
  return text;
}

std::vector<Choice> choices(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level) {
  const Method preferred = can_be_winograd(problem) ? preferred_method(problem, sizes, level) : Method::direct;
  std::vector<Choice> all = {{preferred, {}}};
  if (!has_tiles(problem, level)) return all;
  const auto add = [&](const Choice& choice) {
    if (std::find(all.begin(), all.end(), choice) == all.end()) all.push_back(choice);
  };
  add({Method::direct, {}});
  for (int blocks = 1; blocks <= most_out_blocks(problem); ++blocks) {
    if (most_pixels(level, blocks) > 0) add({Method::direct, {blocks, 0, 0}});
  }
  if (can_be_winograd(problem)) add({Method::winograd4, {}}), add({Method::winograd2, {}});
  return all;
}

std::vector<Choice> refinements(const Choice& best, const ConvProblem& problem, Level level) {
  std::vector<Choice> all;
  if (!has_tiles(problem, level)) return all;
  const auto chunks = best.method == Method::direct ? std::array{128, 768, 1536} : std::array{28, 84, 112};
  for (const int chunk : chunks) {
    all.push_back(best);
    all.back().tiling.chunk = chunk;
  }
  if (best.tiling.out_blocks > 0) {
    const int most = most_pixels(level, best.tiling.out_blocks);
    for (const int pixels : {most * 3 / 4, most / 2}) {
      if (pixels < 2) continue;
      all.push_back(best);
      all.back().tiling.pixels = pixels;
    }
  }
  return all;
}

ConvProblem with_choice(ConvProblem problem, const Choice& choice) noexcept {
  problem.method = choice.method;
  problem.tiling = choice.tiling;
  return problem;
}

}  // namespace chorus::jit
