// What stands behind InputTensor and OutputTensor: one port of a Session.
#pragma once
#include <chorus/io.h>
#include <chorus/value.h>
#include <core/type.h>

#include <atomic>
#include <memory>
#include <string>

namespace chorus {

/// Shared by a Session and what it hands out: which run the outputs are from, and whether one goes on.
struct RunState {
  std::atomic<uint64_t> generation{0};   // counts runs begun
  std::atomic<bool> running{false};
};

namespace api {

struct InputTensor::Impl {
  std::string name;
  Type type;
  bool has_default = false;
  Value value;                  ///< kind none: nothing given
  bool own = false;             ///< value's memory is ours, and nobody else was given it
  Shape shape;                  ///< as set by Reshape or by the data
  bool shape_set = false;
  bool shape_derived = false;   ///< from the number of elements: the next copy may change it
  std::shared_ptr<RunState> state;
};

struct OutputTensor::Impl {
  std::string name;
  Type type;
  Value value;                  ///< of the last run
  Value buffer;                 ///< the caller's
  uint64_t generation = 0;      ///< of the run that made `value`; 0: none
  std::shared_ptr<RunState> state;
};

struct OutputView::Impl {
  Value value;
  uint64_t generation = 0;
  std::shared_ptr<RunState> state;
  std::string name;
};

struct IoAccess {
  static InputTensor::Impl& of(InputTensor& t) { return *t.impl_; }
  static OutputTensor::Impl& of(OutputTensor& t) { return *t.impl_; }
};

}  // namespace api

/// Elements from one type to another: to integers saturated (floats truncated, NaN 0), to floats rounded to nearest even, to bool != 0.
/// Throws Error(type) for strings, and for complex numbers to others.
void convert_saturating(DType from, const void* source, DType to, void* target, int64_t count);

}  // namespace chorus
