// proves("A-TEN-013"): the assertions of the row's whole acceptance cell stand above this call; part_of("…"): some of them.
// The ids of tests that passed are written to the file named by CHORUS_TRACE_FILE, one line each: "proves|part <id> <test>".
#pragma once
#include <initializer_list>

namespace chorus::testing {
void proves(std::initializer_list<const char*> rows);
void part_of(std::initializer_list<const char*> rows);
inline void proves(const char* row) { proves({row}); }
inline void part_of(const char* row) { part_of({row}); }
}  // namespace chorus::testing
