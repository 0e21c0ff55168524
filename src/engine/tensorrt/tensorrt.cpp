#include "tensorrt.h"

#include <dlfcn.h>

#include <cstdlib>

namespace chorus_tensorrt {
namespace {

constexpr int kMajor = 10;

template <class F>
bool find(void* handle, const char* name, F& to, std::string& reason) {
  to = reinterpret_cast<F>(::dlsym(handle, name));
  if (to == nullptr) reason = std::string("the library has no ") + name;
  return to != nullptr;
}

// The library that the variable names, else that of the folder, else the system's.
void* open_library(const char* variable, const std::string& folder, const char* name, std::string& reason) {
  const char* named = std::getenv(variable);
  if (named != nullptr && *named != 0) {
    void* handle = ::dlopen(named, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) reason = ::dlerror();
    return handle;
  }
  void* handle = folder.empty() ? nullptr : ::dlopen((folder + "/lib/" + name).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) handle = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) reason = std::string("the library ") + name + " is not installed";
  return handle;
}

bool load_cuda(const std::string& folder, Functions& f, std::string& reason) {
  void* cuda = nullptr;
  for (const char* name : {"libcudart.so.13", "libcudart.so.12", "libcudart.so"}) {
    if (cuda == nullptr) cuda = open_library("CHORUS_CUDART_LIBRARY", folder, name, reason);
  }
  return cuda != nullptr && find(cuda, "cudaMalloc", f.malloc, reason) && find(cuda, "cudaFree", f.free, reason) &&
         find(cuda, "cudaMemcpyAsync", f.copy, reason) && find(cuda, "cudaStreamCreate", f.create_stream, reason) &&
         find(cuda, "cudaStreamDestroy", f.destroy_stream, reason) &&
         find(cuda, "cudaStreamSynchronize", f.wait, reason) &&
         find(cuda, "cudaGetDeviceCount", f.device_count, reason) &&
         find(cuda, "cudaGetErrorString", f.error_text, reason);
}

}  // namespace

bool load_tensorrt(const std::string& folder, Functions& f, std::string& version, std::string& reason) {
  void* const infer = open_library("CHORUS_TENSORRT_LIBRARY", folder, "libnvinfer.so.10", reason);
  if (infer == nullptr || !find(infer, "createInferBuilder_INTERNAL", f.create_builder, reason) ||
      !find(infer, "createInferRuntime_INTERNAL", f.create_runtime, reason) ||
      !find(infer, "getInferLibVersion", f.version, reason))
    return false;
  const int32_t number = f.version();
  version =
      std::to_string(number / 10000) + "." + std::to_string(number / 100 % 100) + "." + std::to_string(number % 100);
  if (number / 10000 != kMajor) {
    reason = "TensorRT " + version + " was found; 10 is needed: others have other tables of functions";
    return false;
  }
  void* const parser = open_library("CHORUS_TENSORRT_PARSER", folder, "libnvonnxparser.so.10", reason);
  if (parser == nullptr || !find(parser, "createNvOnnxParser_INTERNAL", f.create_parser, reason) ||
      !find(parser, "getNvOnnxParserVersion", f.parser_version, reason))
    return false;
  if (!load_cuda(folder, f, reason)) return false;
  int devices = 0;
  const int status = f.device_count(&devices);
  if (status != 0 || devices == 0) {
    reason = std::string("there is no CUDA device: ") + (status != 0 ? f.error_text(status) : "none is listed");
    return false;
  }
  return true;
}

int to_onnx(int32_t type) {
  constexpr int kOnnx[] = {1, 10, 3, 6, 9, 2, 0, 16, 7};
  return type >= 0 && type < 9 ? kOnnx[type] : 0;
}

int32_t from_onnx(int type) {
  for (int32_t t = 0; t < 9; ++t) {
    if (type != 0 && to_onnx(t) == type) return t;
  }
  return -1;
}

}  // namespace chorus_tensorrt
