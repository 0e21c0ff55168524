// One net of ncnn's and its runs.
#pragma once
#include <chorus/engine_abi.h>
#include <engine/adapter/adapter.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "ncnn.h"

namespace chorus_ncnn {

using namespace chorus_adapter;

struct Port {
  std::string blob;
  std::vector<int64_t> dims;  ///< of the blob, outermost first
  std::vector<int64_t> shape;  ///< of an output's tensor
  uint32_t index = 0;          ///< of the graph's input
  int64_t rows = 0;            ///< above 0: 32-bit row numbers below it
};

class Net {
 public:
  /// Reads what ch_export_sized gives for "ncnn". Throws Failure.
  Net(const Functions& functions, std::string image, int threads);
  ~Net();
  Net(const Net&) = delete;
  Net& operator=(const Net&) = delete;
  const std::vector<Port>& outputs() const { return outputs_; }
  /// Elements of the outputs that are wanted, in their types. Throws Failure.
  void run(const ch_run& run, const std::vector<int>& types, std::vector<std::vector<char>>& results) const;

 private:
  size_t read(std::string_view image, std::string& param);  ///< bytes of weights
  const Functions& f_;
  std::vector<float> weights_;  ///< ncnn refers to them
  std::vector<Port> inputs_, outputs_;
  NcnnNet* net_ = nullptr;
};

}  // namespace chorus_ncnn
