#include "hostile/samples.h"

namespace chorus::testing {

std::span<const HostileClass> hostile_classes() {
  static constexpr HostileClass kClasses[] = {
      {"external data is read outside the folder", external_reads},
      {"external data is written outside the folder", external_writes},
      {"symbolic links, hard links, files exchanged while open", external_links},
      {"external data through an engine's side door", side_doors},
      {"length, offset and keys of external data", external_attributes},
      {"network, trust of a hub", networks},
      {"product of dimensions", overflows},
      {"index outside, from an attribute or a constant", indices},
      {"metadata of another type", confusions},
      {"recursion: calls, nesting, cycles", recursions},
      {"protobuf that never ends or lies", wires},
      {"HDF5: external storage, links", hdf5_files},
      {"shape far larger than what is stored", shape_bombs},
      {"zip and npz bombs", zip_bombs},
      {"archives with paths and links", archives},
      {"pickle", pickles},
      {"code in an operator", python_operators},
      {"code in a layer or a configuration", code_in_files},
      {"abort by a wrong number of operands", arities},
      {"server: chunked bodies", nullptr},
      {"server: names of shared memory", nullptr},
      {"server: paths, authentication, sizes", nullptr},
      {"numbers in texts", numbers},
      {"picture bombs", picture_bombs},
  };
  return kClasses;
}

}  // namespace chorus::testing
