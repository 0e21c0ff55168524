// TfIdfVectorizer: n-grams of a pool, counted in rows of integers or texts.
#include <engine/native/reference/ml_ops.h>
#include <engine/native/reference/value_ops.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace chorus::native {
namespace {

/// The pool as a trie over numbered words.
class Pool {
 public:
  explicit Pool(const AttrReader& attrs) {
    const auto numbers = attrs.integers("pool_int64s");
    const auto texts = attrs.strings("pool_strings");
    std::vector<int32_t> words;
    for (const int64_t v : numbers)
      words.push_back(numbers_.emplace(v, static_cast<int32_t>(numbers_.size())).first->second);
    for (const std::string& s : texts)
      words.push_back(texts_.emplace(s, static_cast<int32_t>(texts_.size())).first->second);
    const auto starts = attrs.integers("ngram_counts");
    const int64_t least = attrs.integer("min_gram_length"), most = attrs.integer("max_gram_length");
    int64_t gram = 0;
    for (size_t i = 0; i < starts.size(); ++i) {
      const auto length = static_cast<int64_t>(i + 1);
      const int64_t end = i + 1 < starts.size() ? starts[i + 1] : static_cast<int64_t>(words.size());
      for (int64_t at = starts[i]; at + length <= end; at += length, ++gram) {
        if (length >= least && length <= most) add(words.data() + at, length, gram);
      }
    }
  }
  int32_t word(int64_t v) const { return find(numbers_, v); }
  int32_t word(std::string_view s) const { return find(texts_, s); }
  /// The node behind `node` (0: the root) by a word; -1: none.
  int32_t step(int32_t node, int32_t word) const {
    if (word < 0) return -1;
    const auto it = edges_.find(key(node, word));
    return it == edges_.end() ? -1 : it->second;
  }
  int64_t gram(int32_t node) const { return grams_[static_cast<size_t>(node)]; }  ///< -1: only a beginning

 private:
  template <class Map, class Key>
  static int32_t find(const Map& map, const Key& k) {
    const auto it = map.find(k);
    return it == map.end() ? -1 : it->second;
  }
  static uint64_t key(int32_t node, int32_t word) {
    return static_cast<uint64_t>(static_cast<uint32_t>(node)) << 32 | static_cast<uint32_t>(word);
  }
  void add(const int32_t* words, int64_t length, int64_t gram) {
    int32_t node = 0;
    for (int64_t i = 0; i < length; ++i) {
      const auto [it, fresh] = edges_.emplace(key(node, words[i]), static_cast<int32_t>(grams_.size()));
      if (fresh) grams_.push_back(-1);
      node = it->second;
    }
    grams_[static_cast<size_t>(node)] = gram;
  }

  std::unordered_map<int64_t, int32_t> numbers_;
  std::unordered_map<std::string_view, int32_t> texts_;
  std::unordered_map<uint64_t, int32_t> edges_;
  std::vector<int64_t> grams_{-1};
};

/// Counts of one row's n-grams into `counts`.
void count(const Pool& pool, std::span<const int32_t> row, int64_t least, int64_t most, int64_t skips,
           std::span<const int64_t> places, double* counts) {
  const auto n = static_cast<int64_t>(row.size());
  for (int64_t distance = 1; distance - 1 <= skips; ++distance) {
    // Single words do not depend on the distance: they are counted with the first.
    const int64_t shortest = distance == 1 ? least : std::max<int64_t>(least, 2);
    if (shortest > most || (distance > 1 && distance >= n)) return;
    for (int64_t start = 0; start < n; ++start) {
      int32_t node = 0;
      int64_t at = start;
      for (int64_t length = 1; length <= most && at < n; ++length, at += distance) {
        node = pool.step(node, row[static_cast<size_t>(at)]);
        if (node < 0) break;
        if (length >= shortest && pool.gram(node) >= 0) counts[places[static_cast<size_t>(pool.gram(node))]] += 1;
      }
    }
  }
}

}  // namespace

Status tf_idf_vectorizer(KernelContext& ctx) noexcept {
  return move::guarded([&]() -> Status {
    const TensorView x = move::view(ctx, 0);
    const AttrReader& attrs = *ctx.attrs;
    const auto places = attrs.integers("ngram_indexes");
    const auto weights = attrs.reals("weights");
    const std::string_view mode = attrs.string("mode");
    const int64_t width = *std::max_element(places.begin(), places.end()) + 1;
    const int64_t rows = x.rank == 2 ? x.dims[0] : 1, columns = rows == 0 ? 0 : x.count / rows;
    const Pool pool(attrs);
    std::vector<int32_t> words(static_cast<size_t>(x.count));
    for (int64_t i = 0; i < x.count; ++i) {
      words[static_cast<size_t>(i)] =
          x.dtype == DType::string ? pool.word(ctx.strings(0)[i]) : pool.word(move::index_at(x, i));
    }
    const int64_t dims[] = {rows, width};
    TensorView y;
    if (Status s = move::output(ctx, 0, DType::float32,
                                x.rank == 2 ? move::Extents(dims) : move::Extents(std::span(dims + 1, 1)), &y);
        !s.ok())
      return s;
    std::vector<double> counts(static_cast<size_t>(width));
    for (int64_t r = 0; r < rows; ++r) {
      std::fill(counts.begin(), counts.end(), 0);
      count(pool, std::span(words).subspan(static_cast<size_t>(r * columns), static_cast<size_t>(columns)),
            attrs.integer("min_gram_length"), attrs.integer("max_gram_length"), attrs.integer("max_skip_count"), places,
            counts.data());
      for (size_t i = 0; i < counts.size(); ++i) {
        if (mode == "IDF") counts[i] = counts[i] > 0 ? 1 : 0;
        if (mode != "TF" && !weights.empty()) counts[i] *= static_cast<double>(weights[i]);
      }
      store_f64(DType::float32, y.data, r * width, width, counts.data());
    }
    return {};
  });
}

}  // namespace chorus::native
