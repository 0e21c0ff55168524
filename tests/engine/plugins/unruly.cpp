// A plug-in that misbehaves when asked to: y = op(x) of float32, where the operator is Neg. The first element of an input that is 1000 and
// more, or the option more_json, says what it does instead.
#include <chorus/engine_abi.h>

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

struct ch_engine {
  const ch_host* host;
};
struct ch_program {
  ch_engine* engine;
};
struct ch_instance {
  ch_program* program;
  std::vector<float> data;
  std::vector<int64_t> dims;
};

namespace {

std::string asked(const ch_options* options) { return std::string(options->more_json.p, options->more_json.n); }

// What the rest of the process cannot prevent: the worker's own messages overwritten, wherever its channels are mapped.
void scribble(unsigned char with) {
  std::FILE* maps = std::fopen("/proc/self/maps", "r");
  char line[512];
  while (maps != nullptr && std::fgets(line, sizeof line, maps) != nullptr) {
    unsigned long begin = 0, end = 0;
    char access[8] = {};
    if (std::strstr(line, "memfd:chorus-channel") == nullptr) continue;
    if (std::sscanf(line, "%lx-%lx %7s", &begin, &end, access) != 3 || access[1] != 'w') continue;
    // The answer's half begins behind the head and the request's half; its first bytes are enough.
    const unsigned long room = (end - begin - 4096) / 2;
    std::memset(reinterpret_cast<void*>(begin + 4096 + room), with, 4096);
    // The head: request and answer are counted in its first words.
    auto* answered = reinterpret_cast<volatile uint32_t*>(begin + 64);
    *answered = *answered + 1;
    *reinterpret_cast<volatile uint64_t*>(begin + 72) = with == 0 ? UINT64_MAX : 4096;
  }
  if (maps != nullptr) std::fclose(maps);
}

/// Dies of the signal, whoever had a handler for it: a sanitizer's report would be taken for a fault of ours.
void die_of(int signal) {
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void misbehave(int what) {
  if (what == 1000) die_of(SIGSEGV);
  if (what == 1001) std::abort();
  if (what == 1002) ::_exit(7);
  while (what == 1003) ::pause();
  if (what == 1004) ::kill(::getpid(), SIGKILL);
  if (what == 1005 || what == 1006) {  // an answer of its own, before the right one
    scribble(what == 1005 ? 0xA5 : 0);
    while (true) ::pause();
  }
  if (what == 1007) ::raise(SIGSTOP);
  if (what == 1008) std::printf("an engine that prints\n"), std::fflush(stdout);
}

ch_code open(const ch_host* host, const ch_open*, ch_engine** out, ch_error*) {
  if (std::getenv("UNRULY_OPEN") != nullptr) die_of(SIGFPE);
  *out = new ch_engine{host};
  return CH_OK;
}
void close(ch_engine* engine) { delete engine; }

ch_code claim(ch_engine*, const ch_graph* graph, const ch_options* options, ch_claim* const* claims, uint32_t n,
              ch_error*) {
  if (asked(options) == "die in claim") die_of(SIGFPE);
  for (uint32_t i = 0; i < n && i < graph->n_nodes; ++i) {
    const ch_node& node = *graph->nodes[i];
    claims[i]->verdict = std::string(node.op.p, node.op.n) == "Neg" ? CH_CLAIM_YES : CH_CLAIM_NO;
    std::snprintf(claims[i]->reason, sizeof claims[i]->reason, "knows Neg only");
  }
  return CH_OK;
}

ch_code compile(ch_engine* engine, const ch_graph*, const ch_options* options, ch_program** out, ch_error*) {
  if (asked(options) == "die in compile") die_of(SIGFPE);
  *out = new ch_program{engine};
  return CH_OK;
}
void free_program(ch_program* program) { delete program; }

ch_code instance(ch_program* program, ch_instance** out, ch_error*) {
  *out = new ch_instance{program, {}, {}};
  return CH_OK;
}
void free_instance(ch_instance* self) { delete self; }

ch_code run(ch_instance* self, const ch_run* run, ch_error* error) {
  const ch_value& x = *run->inputs[0];
  const float* data = reinterpret_cast<const float*>(static_cast<const char*>(x.buffer.data) + x.offset);
  self->dims.assign(x.dims, x.dims + x.rank);
  int64_t count = 1;
  for (const int64_t d : self->dims) count *= d;
  const int what = count > 0 && data[0] >= 1000 && data[0] < 2000 ? static_cast<int>(data[0]) : 0;
  misbehave(what);
  if (what == 1010) {  // works on until it is told to stop
    while (self->program->engine->host->stop(run->task) == CH_OK) ::usleep(1000);
    return self->program->engine->host->stop(run->task);
  }
  if (what == 1011) {
    std::snprintf(error->what, sizeof error->what, "does not like 1011");
    return CH_BAD_INPUT;
  }
  self->data.resize(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) self->data[static_cast<size_t>(i)] = -data[i];
  ch_output& out = *run->outputs[0];
  if (out.mode == CH_OUT_SKIP) return CH_OK;
  if (out.mode == CH_OUT_GIVEN) {
    std::memcpy(out.value.buffer.data, self->data.data(), self->data.size() * sizeof(float));
    return CH_OK;
  }
  out.mode = CH_OUT_BORROW;
  out.value.kind = CH_TENSOR;
  out.value.dtype = 1;
  out.value.rank = static_cast<uint32_t>(self->dims.size());
  out.value.dims = self->dims.data();
  out.value.buffer.data = self->data.data();
  out.value.buffer.bytes = self->data.size() * sizeof(float);
  return CH_OK;
}

}  // namespace

extern "C" const ch_engine_api* chorus_engine_v1(void) {
  static ch_engine_api api = [] {
    ch_engine_api a{};
    a.size = sizeof a;
    a.major = CH_ABI_MAJOR;
    a.minor = CH_ABI_MINOR;
    a.name = {"unruly", 6};
    a.version = {"1", 1};
    a.open = open;
    a.close = close;
    a.claim = claim;
    a.compile = compile;
    a.instance = instance;
    a.run = run;
    a.free_instance = free_instance;
    a.free_program = free_program;
    return a;
  }();
  return &api;
}
