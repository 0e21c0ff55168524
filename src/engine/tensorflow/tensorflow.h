// TensorFlow's eager C interface, declared by hand (tensorflow/c/*.h of 2.21.0), looked up at run time: neither a header nor a link is needed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

// Handles of TensorFlow: opaque here.
struct TfStatus;
struct TfTensor;
struct TfBuffer {
  const void* data;
  size_t length;
  void (*data_deallocator)(void* data, size_t length);
};
struct TfeOptions;
struct TfeContext;
struct TfeHandle;
struct TfeOp;

namespace chorus_tensorflow {

/// TF_DataType.
enum Type : int {
  kNoType = 0,
  kFloat = 1,
  kDouble = 2,
  kInt32 = 3,
  kUint8 = 4,
  kInt16 = 5,
  kInt8 = 6,
  kString = 7,
  kComplex64 = 8,
  kInt64 = 9,
  kBool = 10,
  kBfloat16 = 14,
  kUint16 = 17,
  kComplex128 = 18,
  kHalf = 19,
  kUint32 = 22,
  kUint64 = 23,
};

struct Functions {
  const char* (*version)();
  TfStatus* (*new_status)();
  void (*delete_status)(TfStatus*);
  int (*get_code)(const TfStatus*);
  const char* (*message)(const TfStatus*);
  TfTensor* (*new_tensor)(int type, const int64_t* dims, int rank, void* data, size_t bytes,
                          void (*free)(void* data, size_t bytes, void* user), void* user);
  TfTensor* (*allocate_tensor)(int type, const int64_t* dims, int rank, size_t bytes);
  void (*delete_tensor)(TfTensor*);
  size_t (*tensor_byte_size)(const TfTensor*);
  void* (*tensor_data)(const TfTensor*);
  TfBuffer* (*registered_kernels)(const char* op, TfStatus*);
  void (*delete_buffer)(TfBuffer*);
  TfeOptions* (*new_options)();
  void (*set_config)(TfeOptions*, const void* proto, size_t bytes, TfStatus*);
  void (*delete_options)(TfeOptions*);
  TfeContext* (*new_context)(const TfeOptions*, TfStatus*);
  void (*delete_context)(TfeContext*);
  void (*clear_caches)(TfeContext*);
  TfeHandle* (*new_handle)(const TfTensor*, TfStatus*);
  void (*delete_handle)(TfeHandle*);
  int (*handle_type)(TfeHandle*);
  int (*handle_rank)(TfeHandle*, TfStatus*);
  int64_t (*handle_dim)(TfeHandle*, int axis, TfStatus*);
  TfTensor* (*resolve)(TfeHandle*, TfStatus*);
  TfeOp* (*new_op)(TfeContext*, const char* name, TfStatus*);
  void (*reset_op)(TfeOp*, const char* name, const char* device, TfStatus*);
  void (*delete_op)(TfeOp*);
  void (*add_input)(TfeOp*, TfeHandle*, TfStatus*);
  void (*add_input_list)(TfeOp*, TfeHandle**, int n, TfStatus*);
  void (*set_string)(TfeOp*, const char* name, const void* text, size_t bytes);
  void (*set_int)(TfeOp*, const char* name, int64_t);
  void (*set_float)(TfeOp*, const char* name, float);
  void (*set_bool)(TfeOp*, const char* name, unsigned char);
  void (*set_type)(TfeOp*, const char* name, int type);
  void (*set_ints)(TfeOp*, const char* name, const int64_t*, int n);
  void (*execute)(TfeOp*, TfeHandle** results, int* n, TfStatus*);
};

/// The functions of the one library of this process; null before load_tensorflow has succeeded.
const Functions* tf() noexcept;

/// Looks TensorFlow 2.21.0 up: in CHORUS_TENSORFLOW_LIBRARY (a path of libtensorflow_cc.so.2), then below `folder`, then on the loader's own
/// path. Returns false with the reason. The library is never closed.
bool load_tensorflow(const std::string& folder, std::string& reason);

}  // namespace chorus_tensorflow
