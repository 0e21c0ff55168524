// Whether this build runs under a sanitizer, whose own memory and time say nothing of ours.
#pragma once

namespace chorus::testing {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

/// Thins a grid of samples: builds with sanitizers take the first of every `one_of`, others take all. With a number that has no
/// divisor in common with the grid's sides, every value of each side is still met.
class Thinned {
 public:
  explicit Thinned(int one_of) : one_of_(one_of) {}
  bool takes_next() { return !kSanitized || next_++ % one_of_ == 0; }

 private:
  int one_of_, next_ = 0;
};

}  // namespace chorus::testing
