// What a build keeps of a table of operators or kernels: everything, or in the edge profile (CHORUS_LITE) the operators that the CMake
// option CHORUS_OPERATORS names, without what only tools read and, where they have a kernel, what they are made of. Nothing refers to the
// rules and kernels of the other rows, so the compiler and the linker drop them.
#pragma once
#include <ops/op_def.h>

#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>

#ifdef CHORUS_LITE
#include <chorus_operators.h>  // kChosenOperators, written by cmake/Lite.cmake

#include <algorithm>
#include <array>
#endif

namespace chorus {

/// Whether this build has the operator; `domain` "" is ai.onnx.
constexpr bool is_chosen([[maybe_unused]] std::string_view domain, [[maybe_unused]] std::string_view name) {
#ifdef CHORUS_LITE
  for (std::string_view kept : kChosenOperators) {
    if (domain.empty()
            ? kept == name
            : kept.size() == domain.size() + 1 + name.size() && kept.starts_with(domain) && kept.ends_with(name))
      return true;
  }
  return false;
#else
  return true;
#endif
}

#ifdef CHORUS_LITE

template <class Row>
constexpr bool is_chosen_row(const Row& row) {
  if constexpr (std::is_same_v<Row, OpDef>) {
    return is_chosen(row.domain, row.name);
  } else {
    return is_chosen(row.domain, row.op);
  }
}

/// A row as a program on a device needs it.
template <class Row>
constexpr Row slim(Row row) {
  if constexpr (std::is_same_v<Row, OpDef>) {
    row.doc = {}, row.grid = {};
    row.gradient = Gradient{NotDerived{}};
    if (row.domain.empty() &&
        std::find(std::begin(kOwnKernels), std::end(kOwnKernels), row.name) != std::end(kOwnKernels))
      row.meaning = Primitive{"it has a kernel"};
  }
  return row;
}

template <const auto& table>
constexpr auto chosen_rows() {
  using Row = std::remove_cvref_t<decltype(table[0])>;
  constexpr size_t count = static_cast<size_t>(std::count_if(std::begin(table), std::end(table), is_chosen_row<Row>));
  std::array<Row, count> rows{};
  if constexpr (count > 0) {
    size_t next = 0;
    for (const Row& row : table) {
      if (is_chosen_row(row)) rows[next++] = slim(row);
    }
  }
  return rows;
}

/// `chorus convert --lite` has brought every node to its newest version: no other is kept, nor the steps between them.
template <const auto& table>
constexpr auto newest_versions() {
  constexpr auto rows = chosen_rows<table>();
  std::array<Version, rows.size()> versions{};
  for (size_t i = 0; i < rows.size(); ++i)
    versions[i] = {rows[i].versions.back().since, rows[i].versions.back().signature};
  return versions;
}
template <const auto& table>
inline constexpr auto kNewestVersions = newest_versions<table>();

template <const auto& table>
constexpr auto newest_rows() {
  auto rows = chosen_rows<table>();
  if constexpr (std::is_same_v<std::remove_cvref_t<decltype(table[0])>, OpDef>) {
    for (size_t i = 0; i < rows.size(); ++i) rows[i].versions = std::span(kNewestVersions<table>).subspan(i, 1);
  }
  return rows;
}

template <const auto& table>
inline constexpr auto kChosenRows = newest_rows<table>();

#endif

/// The rows of a constexpr table of OpDef or KernelRow that this build keeps.
template <const auto& table>
constexpr auto chosen() {
  using Row = std::remove_cvref_t<decltype(table[0])>;
#ifdef CHORUS_LITE
  return std::span<const Row>(kChosenRows<table>);
#else
  return std::span<const Row>(table);
#endif
}

}  // namespace chorus
