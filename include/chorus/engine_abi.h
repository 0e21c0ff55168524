/* The plug-in interface of Chorus: what an engine implements and what the host offers it. C11, no dependency; from C++: C++17 or later.
 *
 * A plug-in is libchorus_engine_<name>.so. It exports one symbol, chorus_engine_v1, and is built with -fvisibility=hidden
 * -fno-gnu-unique. It is loaded RTLD_NOW | RTLD_LOCAL and never unloaded. src/engine/example is a whole one to copy from.
 *
 * Versions. Same major = compatible. Every struct begins with `size`, the bytes that its writer knew; members are appended, never moved or
 * reused. A reader takes min(size, its own sizeof) and zero for the rest. Lists of structs are lists of pointers, so that a struct may grow.
 * Minor 0 ends at ch_engine_api.free_program, minor 1 at explain; each appends the members behind the one before. Whoever allocates a struct sets its `size` first.
 *
 * Ownership. Who made memory frees it. Nothing is kept after a call returns unless it is marked "kept". Strings are UTF-8 with a length,
 * not ended by NUL. ch_engine, ch_program and ch_instance are the plug-in's, ch_owner, ch_task and ch_host_graph the host's.
 *
 * Threads. Every function may be called from several threads at once, except those marked [1]: one caller at a time per object.
 *
 * Errors. No call throws, aborts, exits or prints. A failing call returns a code and fills *error (never null): what is wrong with the
 * values, where, how to fix it. CH_OK leaves it alone. The host checks every size, count and index that a plug-in returns. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CH_ABI_MAJOR = 1, CH_ABI_MINOR = 2 };
enum { CH_NO_INDEX = -1 }; /* an omitted operand, a value that is no constant */
enum { CH_MAX_RANK = 32 };

typedef struct ch_engine ch_engine;
typedef struct ch_program ch_program;
typedef struct ch_instance ch_instance;
typedef struct ch_owner ch_owner;
typedef struct ch_task ch_task;
typedef struct ch_host_graph ch_host_graph;

typedef struct ch_str {
  const char* p;
  uint64_t n;
} ch_str;

typedef int32_t ch_code; /* the numbers of chorus::Code */
enum {
  CH_OK,
  CH_UNSUPPORTED,
  CH_BAD_INPUT,
  CH_BUDGET,
  CH_CANCELLED,
  CH_TIMEOUT,
  CH_DEVICE_LOST,
  CH_INTERNAL,
  CH_NOT_FOUND,
  CH_ALREADY_EXISTS,
  CH_UNAVAILABLE,
  CH_SHAPE,
  CH_TYPE
};

/* The caller's; texts end with NUL and are cut at their room. */
typedef struct ch_error {
  uint32_t size;
  int32_t node;
  char what[400], where[200], fix[200];
} ch_error;

enum { CH_CPU = 0, CH_CUDA = 1, CH_VULKAN = 2, CH_OPENCL = 3 };
enum { CH_MEMORY_HOST = 0, CH_MEMORY_PINNED = 1, CH_MEMORY_SHARED = 2, CH_MEMORY_DEVICE = 3 };
typedef struct ch_device {
  uint32_t size;
  uint16_t kind, memory;
  int32_t index;
  uint32_t reserved;
} ch_device;

enum { CH_READ_ONLY = 1, CH_DONATED = 2 }; /* DONATED: the engine may overwrite it during the run */
typedef struct ch_buffer {
  uint32_t size, flags;
  ch_device device;
  void* data; /* may be null when bytes is 0 */
  uint64_t bytes;
  uint32_t align; /* bytes; the host's own memory: 64, with 64 readable bytes behind the end */
  int32_t fd; /* shared memory or mapped file behind it, -1: none */
  uint64_t fd_offset;
  ch_owner* owner; /* null: valid during the call. Else ch_host.retain to keep it, release when done */
} ch_buffer;

enum { CH_NONE = 0, CH_TENSOR = 1, CH_SEQUENCE = 2, CH_OPTIONAL = 3, CH_MAP = 4 };
/* What flows along an edge. `dtype` is ONNX's TensorProto.DataType number (8: strings); of a sequence or optional that of the tensors
   inside. Types under 8 bits are packed densely, first element in the low bits (ONNX raw_data). */
typedef struct ch_value {
  uint32_t size;
  uint16_t kind, dtype;
  uint32_t rank;
  uint32_t layout; /* 0: plain, row-major; others are private to one engine and never cross to the host */
  const int64_t* dims; /* rank extents */
  const int64_t* strides; /* in elements; null: dense. The host gives dense ones and takes dense ones */
  ch_buffer buffer; /* the elements; strings: the bytes of all of them */
  uint64_t offset; /* bytes from buffer.data to element 0 */
  const int64_t* string_ends; /* strings: where each ends, in bytes from buffer.data + offset; the first begins at 0 */
  const struct ch_value* const* items; /* sequence; optional: 0 or 1; map: keys, values */
  uint64_t count;
} ch_value;

/* What is known of a value before a run. dims[i] is -1 where it is not a number. */
typedef struct ch_type {
  uint32_t size;
  uint16_t kind, dtype; /* 0: unknown */
  uint32_t has_rank, rank;
  const int64_t* dims;
  const struct ch_type* elem; /* of a sequence or optional; of a map's values (dtype: its keys) */
} ch_type;

struct ch_graph;
typedef struct ch_attribute {
  uint32_t size;
  uint16_t kind,
      reserved; /* AttributeProto.AttributeType: 1 f, 2 i, 3 s, 4 tensor, 5 graph, 6 floats, 7 ints, 8 strings … */
  ch_str name;
  float f;
  int64_t i;
  ch_str s;
  uint64_t count; /* of the lists */
  const float* floats;
  const int64_t* ints;
  const ch_str* strings;
  const ch_value* const* tensors; /* of kind 4 (one) and 9 */
  const struct ch_graph* const* graphs; /* of kind 5 (one) and 10 */
} ch_attribute;

typedef struct ch_node {
  uint32_t size;
  int32_t since; /* version of the operator; 0: a call of one of the model's functions, or not known to the host */
  ch_str domain, op, name; /* domain "" is ai.onnx */
  const int32_t *inputs, *outputs; /* indices of values, CH_NO_INDEX: omitted */
  uint32_t n_inputs, n_outputs;
  const ch_attribute* const* attributes; /* as the file has them: defaults are not filled in */
  uint32_t n_attributes, reserved;
  const int32_t*
      captured; /* minor 2, CH_WANTS_NEWEST: values that its bodies take as their last inputs, behind those of ONNX */
  uint32_t n_captured, reserved2;
} ch_node;

typedef struct ch_value_info {
  uint32_t size;
  int32_t constant; /* index in ch_graph.constants, or CH_NO_INDEX */
  ch_str name;
  const ch_type* type;
} ch_value_info;

/* A graph: values, and nodes in an order in which producers come first. The whole lives as long as the program made of it (kept). Bodies
   of If, Loop and Scan are graphs of their own; a value of theirs with neither producer nor constant that is no input is captured by name. */
typedef struct ch_graph {
  uint32_t size;
  uint32_t n_values, n_nodes, n_inputs, n_outputs, n_constants;
  const ch_value_info* const* values;
  const ch_node* const* nodes;
  const int32_t *inputs, *outputs; /* indices of values; ch_run follows their order */
  const ch_value* const* constants;
  const uint8_t*
      image; /* the graph as bytes; null where the host makes them on request only (export_model, "chorus") */
  uint64_t image_bytes;
  uint64_t hash; /* of graph and constants; 0: not computed */
  ch_host_graph* host; /* null in bodies */
} ch_graph;

enum { CH_STRICT = 1, CH_PROFILE = 2 }; /* STRICT: nodes as the file has them, no rewriting */
enum { CH_F32 = 0, CH_BF16 = 1, CH_F16 = 2, CH_INT8 = 3 };
typedef struct ch_options {
  uint32_t size, threads; /* threads that a run may use, the caller included */
  uint32_t flags;
  uint16_t precision, reserved; /* the least that is wanted; more is always allowed */
  uint64_t memory_budget; /* bytes that one instance may hold */
  ch_device device;
  ch_str more_json; /* the user's settings for this engine */
} ch_options;

enum { CH_CLAIM_NO = 0, CH_CLAIM_YES = 1, CH_CLAIM_ONLY_IN_GROUP = 2 };
typedef struct ch_claim {
  uint32_t size;
  uint8_t verdict, reserved[3];
  int32_t group; /* only in group: nodes of one number go together */
  float cost_us; /* 0: unknown */
  char reason[200]; /* a sentence for each no; ends with NUL */
} ch_claim;

/* GIVEN: value holds a buffer of the right type and shape, fill it or fail with CH_SHAPE. BORROW: set value to memory of the instance
   that stays as it is until its next run, bind or end. ALLOCATE: as BORROW, with a buffer of ch_host.alloc, whose reference goes to the
   host. SKIP: nobody reads it. */
enum { CH_OUT_SKIP = 0, CH_OUT_GIVEN = 1, CH_OUT_BORROW = 2, CH_OUT_ALLOCATE = 3 };
typedef struct ch_output {
  uint32_t size;
  uint16_t mode, reserved;
  ch_value value;
} ch_output;

enum { CH_MAY_STOP = 1 }; /* ch_host.stop may ask for an end of this run; without it, it will not */
typedef struct ch_run {
  uint32_t size, n_inputs, n_outputs, flags;
  const ch_value* const* inputs; /* borrowed for the call */
  ch_output* const* outputs; /* BORROW is asked for where the host has no buffer; an engine may answer with ALLOCATE */
  ch_task* task; /* for ch_host's functions */
  uint64_t seed; /* of random operators */
  void (*tap)(ch_task*, uint32_t node, uint32_t output,
              const ch_value*); /* null, or wants every value that is cheap to show */
} ch_run;

typedef void (*ch_sink)(void* user, const void* bytes, uint64_t n);

enum { CH_LOG_TRACE, CH_LOG_DEBUG, CH_LOG_INFO, CH_LOG_WARNING, CH_LOG_ERROR };
/* What the host offers; lives as long as the process (kept). `task` is that of the run. */
typedef struct ch_host {
  uint32_t size;
  uint16_t major, minor;
  void (*retain)(ch_owner*);
  void (*release)(ch_owner*);
  /* Memory of the host, aligned to at least 64 bytes, within the run's budget; *out owns one reference. task null: outside a run. */
  ch_code (*alloc)(ch_task*, uint64_t bytes, uint64_t align, ch_buffer* out, ch_error*);
  /* Threads of the host's pool, the caller included, and work on them: body(user, i, worker) once for each i < n; returns when all are
     done. An engine with loops of its own uses these, so that ten engines do not start ten pools. */
  uint32_t (*workers)(ch_task*);
  void (*parallel)(ch_task*, uint64_t n, void (*body)(void* user, uint64_t i, uint32_t worker), void* user);
  /* CH_OK, CH_CANCELLED or CH_TIMEOUT: ask between pieces of work of about a millisecond, and return that code. */
  ch_code (*stop)(ch_task*);
  void (*log)(int32_t level, ch_str message);
  /* Node (index in ch_graph.nodes) ran from t0 to t1, nanoseconds of CLOCK_MONOTONIC. */
  void (*span)(ch_task*, uint32_t node, uint64_t t0, uint64_t t1);
  /* The graph as a file of `format`, in pieces. "onnx": converted to at most this opset of ai.onnx and this IR version (0: as it is).
     "chorus": the binary image with all weights, for caches and worker processes. */
  ch_code (*export_model)(const ch_graph*, ch_str format, int32_t max_opset, int32_t max_ir, ch_sink, void* user,
                          ch_error*);
  /* The node by simpler operators, as a graph with the node's operands as inputs and its outputs as outputs; *keep owns it. */
  ch_code (*decompose)(const ch_graph*, uint32_t node, const ch_graph** out, ch_owner** keep, ch_error*);
  /* A file of the host's cache, for the engine to read, or to write once (already_exists); the engine closes it and checks what it reads:
     another process may have been stopped while writing. key: up to 120 of A-Z a-z 0-9 . _ -. CH_UNAVAILABLE: the user wants no cache. */
  ch_code (*cache_file)(ch_str key, int32_t writing, int32_t* fd, ch_error*);
  /* A host function by name, null when it has none of that name. */
  const void* (*extension)(ch_str name);
} ch_host;

/* ch_engine_api.wants. NEWEST: for an engine that walks the graph itself. Operators have their newest versions, functions are inlined,
   bodies captured nothing by name, types are inferred; what the engine refuses was rewritten by simpler operators where there are such
   (unless the user wants no fallback), and asked again. Without it: nodes as the file has them. */
enum { CH_WANTS_NEWEST = 1 };

typedef struct ch_open {
  uint32_t size, reserved;
  ch_str folder /* where the engine's own libraries are installed; empty: nowhere known */;
  ch_str more_json;
} ch_open;

/* The table of an engine. Minor 0: all members up to free_program, none null. */
typedef struct ch_engine_api {
  uint32_t size;
  uint16_t major, minor;
  ch_str name; /* as in the file's name */
  ch_str version; /* asked before open: of the plug-in */
  ch_str built_against; /* "" or the version of the library that it was built for */
  ch_code (*open)(const ch_host*, const ch_open*, ch_engine**,
                  ch_error*); /* CH_UNAVAILABLE with the command that helps in fix */
  void (*close)(ch_engine*);
  /* One claim per node of graph->nodes. */
  ch_code (*claim)(ch_engine*, const ch_graph*, const ch_options*, ch_claim* const* claims, uint32_t n, ch_error*);
  ch_code (*compile)(ch_engine*, const ch_graph*, const ch_options*, ch_program**, ch_error*);
  ch_code (*instance)(ch_program*, ch_instance**, ch_error*); /* shares the weights, owns memory and states */
  ch_code (*run)(ch_instance*, const ch_run*, ch_error*); /* [1] returns when finished */
  void (*free_instance)(ch_instance*); /* before its program */
  void (*free_program)(ch_program*);
  /* Minor 1; each may be null. */
  void (*describe)(ch_engine*, ch_sink, void* user); /* version of the library in use */
  uint64_t (*memory)(ch_instance*); /* [1] bytes that it holds now */
  /* [1] Plans for these input shapes (values without data). outputs[i]: dims points to CH_MAX_RANK writable numbers; the engine sets
     kind, dtype, rank and the extents, -1 for what is known after the run only. */
  ch_code (*bind)(ch_instance*, const ch_value* const* inputs, uint32_t n, ch_value* const* outputs, uint32_t m,
                  ch_error*);
  ch_code (*save)(ch_program*, ch_sink, void* user, ch_error*);
  ch_code (*load)(ch_engine*, const void* bytes, uint64_t n, const ch_options*, ch_program**, ch_error*);
  ch_code (*set_constant)(ch_program*, uint32_t index, const ch_value*, ch_error*); /* [1] weights that change */
  uint32_t (*devices)(ch_engine*, ch_device* const*, uint32_t room);
  void (*explain)(ch_program*, ch_str level, ch_sink, void* user); /* the compiled form as text: "plan" or "kernel" */
  /* Minor 2. In which form graphs come to claim and compile. */
  uint32_t wants, reserved;
} ch_engine_api;

/* The only exported symbol. Null: this plug-in cannot work in this process. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const ch_engine_api*
chorus_engine_v1(void);

#ifdef __cplusplus
}
#endif
