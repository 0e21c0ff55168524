// What host and worker say to each other: numbers, texts and values in a bounded range of shared memory. Whoever reads trusts nothing: every
// number is read once (the other side may still write), every size is checked before it is used.
#pragma once
#include <chorus/error.h>
#include <chorus/value.h>
#include <engine/engine.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace chorus::worker {

enum class Ask : uint32_t { open = 1, claim, compile, text, free_program, instance, run, end };

/// Writes to a range. Throws Error(budget) where it does not suffice.
class Writer {
 public:
  explicit Writer(std::span<std::byte> room) : room_(room) {}
  void number(uint64_t n);
  void text(std::string_view text);  ///< at most 1 MiB, cut there
  /// Elements begin at a multiple of 64 bytes of the range.
  void value(const Value& value);
  void options(const CompileOptions& options);
  void error(const Error& error);
  size_t size() const noexcept { return at_; }

 private:
  void bytes(const void* from, size_t n);
  void align(size_t to);
  std::span<std::byte> room_;
  size_t at_ = 0;
};

/// Where the elements of values that are read lie.
enum class Elements : uint8_t {
  borrowed,  ///< in the range itself: for the worker, whose host does not write during a run
  copied,  ///< in memory of their own: for the host
};

/// Reads from a range. Throws Error(internal) for what does not add up.
class Reader {
 public:
  Reader(std::span<const std::byte> room, std::string who) : room_(room), who_(std::move(who)) {}
  uint64_t number();
  uint64_t number_below(uint64_t bound, const char* what);
  std::string text();
  /// `reuse` (may be null): a tensor of this type and shape with memory of its own gets the elements instead of a new one.
  Value value(Elements elements, Value* reuse = nullptr);
  CompileOptions options();
  Error error();
  void end() const;  ///< throws unless all was read

 private:
  [[noreturn]] void lie(const std::string& what) const;
  const std::byte* take(uint64_t n, const char* what);
  Value value_at(Elements elements, Value* reuse, int depth);
  Value strings(const Shape& shape);
  std::span<const std::byte> room_;
  std::string who_;
  size_t at_ = 0;
};

}  // namespace chorus::worker
