#include "ncnn.h"

#include <dlfcn.h>

#include <cstdlib>
#include <fstream>
#include <string_view>

namespace chorus_ncnn {
namespace {

constexpr std::string_view kVersion = "1.0.20261020";

class Names {
 public:
  explicit Names(void* library) : library_(library) {}
  template <class F>
  void take(const char* name, F& function) {
    function = reinterpret_cast<F>(::dlsym(library_, name));
    if (function == nullptr && missing_.empty()) missing_ = name;
  }
  const std::string& missing() const { return missing_; }

 private:
  void* library_;
  std::string missing_;
};

void fill(Names& names, Functions& f) {
  names.take("ncnn_option_create", f.option_create);
  names.take("ncnn_option_destroy", f.option_destroy);
  names.take("ncnn_option_set_num_threads", f.option_set_num_threads);
  names.take("ncnn_option_set_use_winograd_convolution", f.option_set_use_winograd_convolution);
  names.take("ncnn_option_set_use_fp16_packed", f.option_set_use_fp16_packed);
  names.take("ncnn_option_set_use_fp16_storage", f.option_set_use_fp16_storage);
  names.take("ncnn_option_set_use_fp16_arithmetic", f.option_set_use_fp16_arithmetic);
  names.take("ncnn_option_set_use_bf16_storage", f.option_set_use_bf16_storage);
  names.take("ncnn_datareader_create_from_memory", f.datareader_create_from_memory);
  names.take("ncnn_datareader_destroy", f.datareader_destroy);
  names.take("ncnn_net_create", f.net_create);
  names.take("ncnn_net_destroy", f.net_destroy);
  names.take("ncnn_net_set_option", f.net_set_option);
  names.take("ncnn_net_load_param_datareader", f.net_load_param_datareader);
  names.take("ncnn_net_load_model_memory", f.net_load_model_memory);
  names.take("ncnn_extractor_create", f.extractor_create);
  names.take("ncnn_extractor_destroy", f.extractor_destroy);
  names.take("ncnn_extractor_input", f.extractor_input);
  names.take("ncnn_extractor_extract", f.extractor_extract);
  names.take("ncnn_mat_create_1d", f.mat_create_1d);
  names.take("ncnn_mat_create_2d", f.mat_create_2d);
  names.take("ncnn_mat_create_3d", f.mat_create_3d);
  names.take("ncnn_mat_create_4d", f.mat_create_4d);
  names.take("ncnn_mat_destroy", f.mat_destroy);
  names.take("ncnn_mat_get_dims", f.mat_get_dims);
  names.take("ncnn_mat_get_w", f.mat_get_w);
  names.take("ncnn_mat_get_h", f.mat_get_h);
  names.take("ncnn_mat_get_d", f.mat_get_d);
  names.take("ncnn_mat_get_c", f.mat_get_c);
  names.take("ncnn_mat_get_elemsize", f.mat_get_elemsize);
  names.take("ncnn_mat_get_elempack", f.mat_get_elempack);
  names.take("ncnn_mat_get_cstep", f.mat_get_cstep);
  names.take("ncnn_mat_get_data", f.mat_get_data);
}

// The library is built for the processor that it was installed on: the file `processor` beside it says what it needs.
bool processor_fits(const std::string& folder, std::string& reason) {
#if defined(__x86_64__)
  std::ifstream file(folder + "/processor");
  std::string needed;
  file >> needed;
  const bool fits = needed.empty() ||
                    (needed == "avx512" ? __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                                              __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd")
                                        : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
  if (!fits) reason = "the library was built for a processor with " + needed;
  return fits;
#else
  (void)folder, (void)reason;
  return true;
#endif
}

}  // namespace

bool load_ncnn(const std::string& folder, Functions& f, std::string& version, std::string& reason) {
  const char* named = std::getenv("CHORUS_NCNN_LIBRARY");
  std::string path = named != nullptr ? named : "";
  const bool anywhere = path.empty() && folder.empty();
  if (path.empty() && !folder.empty() && !processor_fits(folder, reason)) return false;
  if (path.empty()) path = folder.empty() ? std::string("libncnn.so.1") : folder + "/libncnn.so";
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    reason = anywhere ? "the library " + path + " is not installed"
                      : std::string("the library cannot be loaded: ") + (why != nullptr ? why : path);
    return false;
  }
  Names names(library);
  names.take("ncnn_version", f.version);
  if (!names.missing().empty()) {
    reason = path + " does not say its version: it is no ncnn with a C interface";
    return false;
  }
  version = f.version();
  if (version != kVersion) {
    reason = "ncnn " + version + " was found; " + std::string(kVersion) + " is needed";
    return false;
  }
  fill(names, f);
  if (!names.missing().empty()) {
    reason = path + " has no function " + names.missing();
    return false;
  }
  return true;
}

}  // namespace chorus_ncnn
