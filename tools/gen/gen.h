// What the writers of gen/ share.
#pragma once
#include <ops/op_def.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::gen {

using Files = std::map<std::string, std::string>;   ///< path below gen/ → content

/// docs/engine_matrix.md: what each engine does with an operator.
struct Matrix {
  std::vector<std::string> engines;
  std::map<std::string, std::vector<std::string>>
      rows;   ///< operator, with its domain but for ai.onnx → a cell per engine
  /// Throws std::runtime_error for a text without a table.
  static Matrix parse(const std::string& page);
};

void add_api(Files& files);
void add_docs(Files& files, const Matrix& matrix);
/// Whether a row has functions in the API.
bool has_function(const OpDef& def);
/// The function as C++ declares it, for the pages: without `;`. Empty when it has none.
std::string declaration_of(const OpDef& def);
/// Words of `text` in lines of at most 120 characters, each after `prefix`.
std::string wrapped(std::string_view text, std::string_view prefix);

}  // namespace chorus::gen
