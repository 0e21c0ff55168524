// Values across the C interface: views of the host's, and checked copies or borrowings of an engine's.
#pragma once
#include <chorus/engine_abi.h>
#include <chorus/value.h>
#include <core/type.h>

#include <atomic>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Memory that both sides may hold: the host's reference count.
struct ch_owner {
  std::atomic<int64_t> references{1};
  chorus::Buffer buffer;
  std::shared_ptr<const void> any;
};

namespace chorus::plugin {

inline ch_str str_of(std::string_view s) noexcept { return {s.data(), s.size()}; }

/// C views of host values; valid while both the values and this object live.
class ValueViews {
 public:
  const ch_value* add(const Value& value);

 private:
  std::deque<ch_value> values_;
  std::deque<std::vector<const ch_value*>> lists_;
};

/// A buffer view of host memory that is valid during the call.
ch_buffer buffer_view(const void* data, size_t bytes, uint32_t flags) noexcept;
/// Fills `out` for a tensor's dtype, dims and data. `dims` must outlive it.
void tensor_view(ch_value& out, DType dtype, std::span<const int64_t> dims, const void* data, size_t bytes,
                 uint32_t flags) noexcept;

/// What an engine returned, as a host value: numbers are borrowed (an owner's reference is taken over), strings copied. Throws
/// Error(internal) with a sentence for anything that does not add up; `who` begins it: "engine x: output \"y\"".
Value checked_value(const ch_value& value, const std::string& who);
/// Throws Error(internal) unless the value is of the type that the graph says.
void check_type(const Value& value, const Type& type, const std::string& who);
/// Gives back the references that a value holds, without looking at anything else.
void release_owner(const ch_value& value) noexcept;

void retain(ch_owner* owner) noexcept;
void release(ch_owner* owner) noexcept;

}  // namespace chorus::plugin
