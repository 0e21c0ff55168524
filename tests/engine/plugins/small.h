/* A plug-in in C for tests: one node, y = -x of float32 [n]. What it answers instead is chosen by the option more_json. */
#pragma once
#include <chorus/engine_abi.h>
#include <stdlib.h>
#include <string.h>

struct ch_engine {
  int unused;
};
struct ch_program {
  char lie[32];
};
struct ch_instance {
  struct ch_program* program;
  float* data;
  int64_t dims[2];
};

static int lies(const struct ch_program* p, const char* what) { return strcmp(p->lie, what) == 0; }

static ch_code small_open(const ch_host* host, const ch_open* options, ch_engine** out, ch_error* error) {
  static struct ch_engine engine;
  (void)host, (void)options, (void)error;
  *out = &engine;
  return CH_OK;
}
static void small_close(ch_engine* engine) { (void)engine; }

static ch_code small_claim(ch_engine* engine, const ch_graph* graph, const ch_options* options, ch_claim* const* claims,
                           uint32_t n, ch_error* error) {
  const int wrong = options->more_json.n == 7 && memcmp(options->more_json.p, "verdict", 7) == 0;
  const int mute = options->more_json.n == 4 && memcmp(options->more_json.p, "mute", 4) == 0;
  (void)engine, (void)graph, (void)error;
  for (uint32_t i = 0; i < n; ++i) {
    claims[i]->verdict = wrong ? 9 : mute ? CH_CLAIM_NO : CH_CLAIM_YES;
    if (mute) memset(claims[i]->reason, 'x', sizeof claims[i]->reason); /* no NUL */
  }
  return CH_OK;
}

static ch_code small_compile(ch_engine* engine, const ch_graph* graph, const ch_options* options, ch_program** out,
                             ch_error* error) {
  struct ch_program* p = (struct ch_program*)calloc(1, sizeof *p);
  (void)engine, (void)graph;
  if (options->more_json.n > 0 && options->more_json.n < sizeof p->lie)
    memcpy(p->lie, options->more_json.p, options->more_json.n);
  if (lies(p, "no program")) return free(p), CH_OK;
  if (lies(p, "code")) {
    memset(error->what, 'w', sizeof error->what);
    memset(error->fix, 'f', sizeof error->fix);
    return free(p), 77;
  }
  *out = p;
  return CH_OK;
}
static void small_free_program(ch_program* p) { free(p); }

static ch_code small_instance(ch_program* p, ch_instance** out, ch_error* error) {
  (void)error;
  if (lies(p, "no instance")) return CH_OK;
  *out = (struct ch_instance*)calloc(1, sizeof **out);
  (*out)->program = p;
  return CH_OK;
}
static void small_free_instance(ch_instance* i) {
  free(i->data);
  free(i);
}

static void small_lie(const struct ch_program* p, ch_output* o, int64_t* dims) {
  static const int64_t stride = 3;
  ch_value* v = &o->value;
  if (lies(p, "rank")) v->rank = 1000000;
  if (lies(p, "no dims")) v->dims = NULL;
  if (lies(p, "negative")) dims[0] = -5;
  if (lies(p, "huge")) dims[0] = INT64_MAX / 2;
  if (lies(p, "longer")) dims[0] *= 1000;
  if (lies(p, "short buffer")) v->buffer.bytes = 1;
  if (lies(p, "offset")) v->offset = UINT64_MAX - 8;
  if (lies(p, "null data")) v->buffer.data = NULL;
  if (lies(p, "dtype")) v->dtype = 99;
  if (lies(p, "other dtype")) v->dtype = 6;
  if (lies(p, "strings")) v->dtype = 8;
  if (lies(p, "kind")) v->kind = 9;
  if (lies(p, "size")) v->size = 3;
  if (lies(p, "strides")) v->strides = &stride;
  if (lies(p, "layout")) v->layout = 7;
  if (lies(p, "device")) v->buffer.device.kind = CH_CUDA;
  if (lies(p, "items")) v->kind = CH_SEQUENCE, v->count = UINT64_MAX;
  if (lies(p, "null items")) v->kind = CH_SEQUENCE, v->count = 2, v->items = NULL;
  if (lies(p, "map")) v->kind = CH_MAP, v->count = 0;
  if (lies(p, "mode")) o->mode = 9;
  if (lies(p, "skip")) o->mode = CH_OUT_SKIP;
}

static ch_code small_run(ch_instance* self, const ch_run* run, ch_error* error) {
  const ch_value* x = run->inputs[0];
  ch_output* out = run->outputs[0];
  const float* from = (const float*)((const char*)x->buffer.data + x->offset);
  const int64_t n = x->dims[0];
  float* to;
  if (lies(self->program, "code of run")) return 4242;
  (void)error;
  if (out->mode == CH_OUT_GIVEN) {
    to = (float*)out->value.buffer.data;
  } else {
    self->data = (float*)realloc(self->data, (size_t)n * sizeof(float) + 1);
    to = self->data;
    self->dims[0] = n;
    out->value.kind = CH_TENSOR;
    out->value.dtype = 1;
    out->value.rank = 1;
    out->value.dims = self->dims;
    out->value.buffer.data = to;
    out->value.buffer.bytes = (uint64_t)n * sizeof(float);
  }
  for (int64_t i = 0; i < n; ++i) to[i] = -from[i];
  small_lie(self->program, out, self->dims);
  return CH_OK;
}

static void small_table(ch_engine_api* api, const char* name) {
  memset(api, 0, sizeof *api);
  api->size = sizeof *api;
  api->major = CH_ABI_MAJOR;
  api->minor = CH_ABI_MINOR;
  api->name.p = name;
  api->name.n = strlen(name);
  api->version.p = "0.1";
  api->version.n = 3;
  api->open = small_open;
  api->close = small_close;
  api->claim = small_claim;
  api->compile = small_compile;
  api->instance = small_instance;
  api->run = small_run;
  api->free_instance = small_free_instance;
  api->free_program = small_free_program;
}
