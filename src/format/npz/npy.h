// One array in NumPy's form: header and elements apart, so that large arrays are written without a copy.
#pragma once
#include <format/npz/npz.h>

namespace chorus::npy {

/// `label` names the array in errors. `budget`: bytes that the array may take; what it took is subtracted.
Value parse(std::string_view bytes, std::shared_ptr<const void> owner, int64_t& budget, const std::string& label);

struct Encoded {
  std::string header;        ///< magic to the end of the text, a multiple of 64 bytes
  std::string owned;         ///< elements that had to be converted
  std::string_view elements; ///< of the value's memory or of `owned`
};
void encode(const Value& value, const std::string& label, Encoded& out);

}  // namespace chorus::npy
