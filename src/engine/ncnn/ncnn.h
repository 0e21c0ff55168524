// ncnn's C interface, declared by hand (c_api.h of 1.0.20261020), looked up at run time: neither a header nor a link is needed.
#pragma once
#include <cstddef>
#include <string>

// Handles of ncnn: opaque here.
struct NcnnOption;
struct NcnnReader;
struct NcnnMat;
struct NcnnNet;
struct NcnnExtractor;

namespace chorus_ncnn {

struct Functions {
  const char* (*version)();
  NcnnOption* (*option_create)();
  void (*option_destroy)(NcnnOption*);
  void (*option_set_num_threads)(NcnnOption*, int);
  void (*option_set_use_winograd_convolution)(NcnnOption*, int);
  void (*option_set_use_fp16_packed)(NcnnOption*, int);
  void (*option_set_use_fp16_storage)(NcnnOption*, int);
  void (*option_set_use_fp16_arithmetic)(NcnnOption*, int);
  void (*option_set_use_bf16_storage)(NcnnOption*, int);
  NcnnReader* (*datareader_create_from_memory)(const unsigned char**);  // text to a byte of 0
  void (*datareader_destroy)(NcnnReader*);
  NcnnNet* (*net_create)();
  void (*net_destroy)(NcnnNet*);
  void (*net_set_option)(NcnnNet*, NcnnOption*);
  int (*net_load_param_datareader)(NcnnNet*, NcnnReader*);
  size_t (*net_load_model_memory)(NcnnNet*, const unsigned char*);
  NcnnExtractor* (*extractor_create)(NcnnNet*);
  void (*extractor_destroy)(NcnnExtractor*);
  int (*extractor_input)(NcnnExtractor*, const char* blob, const NcnnMat*);
  int (*extractor_extract)(NcnnExtractor*, const char* blob, NcnnMat**);
  NcnnMat* (*mat_create_1d)(int w, void* allocator);
  NcnnMat* (*mat_create_2d)(int w, int h, void* allocator);
  NcnnMat* (*mat_create_3d)(int w, int h, int c, void* allocator);
  NcnnMat* (*mat_create_4d)(int w, int h, int d, int c, void* allocator);
  void (*mat_destroy)(NcnnMat*);
  int (*mat_get_dims)(const NcnnMat*);
  int (*mat_get_w)(const NcnnMat*);
  int (*mat_get_h)(const NcnnMat*);
  int (*mat_get_d)(const NcnnMat*);
  int (*mat_get_c)(const NcnnMat*);
  size_t (*mat_get_elemsize)(const NcnnMat*);
  int (*mat_get_elempack)(const NcnnMat*);
  size_t (*mat_get_cstep)(const NcnnMat*);
  void* (*mat_get_data)(const NcnnMat*);
};

/// The functions of the library that was found: CHORUS_NCNN_LIBRARY, else in `folder`, else by the loader's own path. False with the reason.
/// The library is never closed.
bool load_ncnn(const std::string& folder, Functions& functions, std::string& version, std::string& reason);

}  // namespace chorus_ncnn
