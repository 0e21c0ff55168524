// The part of ONNX Runtime's C interface that is used. OrtApi is an append-only table of functions; slots 0..101 are frozen since its
// version 1 (onnxruntime_c_api.h of 1.31.1). Only these numbers and signatures are needed, no header and no link.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

struct OrtStatus;
struct OrtEnv;
struct OrtMemoryInfo;
struct OrtSession;
struct OrtValue;
struct OrtRunOptions;
struct OrtSessionOptions;
struct OrtTensorInfo;
struct OrtAllocator;

namespace chorus_ort {

enum class Fault : int { fail = 1, invalid_argument = 2, not_implemented = 9, invalid_graph = 10 };  // OrtErrorCode
enum class Kind : int { unknown = 0, tensor = 1, sequence = 2, map = 3 };  // ONNXType

struct Ort {
  int (*GetErrorCode)(const OrtStatus*);
  const char* (*GetErrorMessage)(const OrtStatus*);
  OrtStatus* (*CreateEnv)(int severity, const char* id, OrtEnv**);
  OrtStatus* (*CreateSessionFromArray)(const OrtEnv*, const void*, size_t, const OrtSessionOptions*, OrtSession**);
  OrtStatus* (*Run)(OrtSession*, const OrtRunOptions*, const char* const* input_names, const OrtValue* const*, size_t,
                    const char* const* output_names, size_t, OrtValue**);
  OrtStatus* (*CreateSessionOptions)(OrtSessionOptions**);
  OrtStatus* (*SetSessionLogSeverityLevel)(OrtSessionOptions*, int);
  OrtStatus* (*SetSessionGraphOptimizationLevel)(OrtSessionOptions*, int);
  OrtStatus* (*SetIntraOpNumThreads)(OrtSessionOptions*, int);
  OrtStatus* (*SetInterOpNumThreads)(OrtSessionOptions*, int);
  OrtStatus* (*SessionGetOutputCount)(const OrtSession*, size_t*);
  OrtStatus* (*SessionGetOutputName)(const OrtSession*, size_t, OrtAllocator*, char**);
  OrtStatus* (*CreateRunOptions)(OrtRunOptions**);
  OrtStatus* (*RunOptionsSetRunLogSeverityLevel)(OrtRunOptions*, int);
  OrtStatus* (*RunOptionsSetTerminate)(OrtRunOptions*);
  OrtStatus* (*RunOptionsUnsetTerminate)(OrtRunOptions*);
  OrtStatus* (*CreateTensorAsOrtValue)(OrtAllocator*, const int64_t*, size_t, int dtype, OrtValue**);
  OrtStatus* (*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo*, void*, size_t bytes, const int64_t*, size_t,
                                               int dtype, OrtValue**);
  OrtStatus* (*GetTensorMutableData)(OrtValue*, void**);
  OrtStatus* (*FillStringTensor)(OrtValue*, const char* const*, size_t);
  OrtStatus* (*GetStringTensorDataLength)(const OrtValue*, size_t*);
  OrtStatus* (*GetStringTensorContent)(const OrtValue*, void*, size_t bytes, size_t* offsets, size_t count);
  OrtStatus* (*GetTensorElementType)(const OrtTensorInfo*, int*);
  OrtStatus* (*GetDimensionsCount)(const OrtTensorInfo*, size_t*);
  OrtStatus* (*GetDimensions)(const OrtTensorInfo*, int64_t*, size_t);
  OrtStatus* (*GetTensorTypeAndShape)(const OrtValue*, OrtTensorInfo**);
  OrtStatus* (*GetValueType)(const OrtValue*, int*);
  OrtStatus* (*CreateCpuMemoryInfo)(int allocator, int memory, OrtMemoryInfo**);
  OrtStatus* (*AllocatorFree)(OrtAllocator*, void*);
  OrtStatus* (*GetAllocatorWithDefaultOptions)(OrtAllocator**);
  OrtStatus* (*GetValue)(const OrtValue*, int index, OrtAllocator*, OrtValue**);
  OrtStatus* (*GetValueCount)(const OrtValue*, size_t*);
  OrtStatus* (*CreateValue)(const OrtValue* const*, size_t, int kind, OrtValue**);
  void (*ReleaseEnv)(OrtEnv*);
  void (*ReleaseStatus)(OrtStatus*);
  void (*ReleaseMemoryInfo)(OrtMemoryInfo*);
  void (*ReleaseSession)(OrtSession*);
  void (*ReleaseValue)(OrtValue*);
  void (*ReleaseRunOptions)(OrtRunOptions*);
  void (*ReleaseTensorInfo)(OrtTensorInfo*);
  void (*ReleaseSessionOptions)(OrtSessionOptions*);
};

/// The functions and the version ("1.31.1") of the library that was found: CHORUS_ORT_LIBRARY, then below `folder`, then the loader's
/// own path. Returns false with the reason. The library is never closed.
bool load_ort(const std::string& folder, Ort& ort, std::string& version, std::string& reason);

}  // namespace chorus_ort
