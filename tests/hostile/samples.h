// One file or more per class of attack that reached a released system, as far as files are read here; each is made by a script.
// docs/security.md tells the classes; samples_test.cpp checks that both agree.
#pragma once
#include <span>
#include <string>
#include <vector>

namespace chorus::testing {

struct HostileSample {
  std::string name;  ///< of the file
  std::string content;
  const char* says;  ///< part of what is said of it: what is wrong, or the name of the place
  const char* how = "scan FILE --json";  ///< the command that opens it
};

struct HostileClass {
  const char* name;  ///< as in docs/security.md
  std::vector<HostileSample> (*samples)();  ///< null: nothing of the kind is read here
};

std::span<const HostileClass> hostile_classes();

/// The parts of the table.
std::vector<HostileSample> external_reads(), external_writes(), external_links(), side_doors(), external_attributes(),
    networks();
std::vector<HostileSample> overflows(), indices(), confusions(), recursions(), wires(), arities(), numbers(),
    python_operators();
std::vector<HostileSample> hdf5_files(), shape_bombs(), zip_bombs(), archives(), pickles(), code_in_files(),
    picture_bombs();

}  // namespace chorus::testing
