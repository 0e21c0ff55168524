// What adapters share on their side of the plug-in interface: C structs in, C++ inside, no exception out. Header only: each plug-in has
// its own copy, with internal names hidden like all of its symbols.
#pragma once
#include <chorus/engine_abi.h>

#include <cstdio>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

namespace chorus_adapter {

/// Inside the plug-in only; turned into ch_error at its border.
struct Failure : std::runtime_error {
  ch_code code;
  int32_t node;  ///< index in ch_graph.nodes, -1: of no node
  std::string fix;
  Failure(ch_code c, const std::string& what, std::string f = {}, int32_t n = -1)
      : std::runtime_error(what), code(c), node(n), fix(std::move(f)) {}
};

inline std::string_view view(ch_str s) { return s.n == 0 ? std::string_view() : std::string_view(s.p, s.n); }

inline ch_code tell(ch_error* error, ch_code code, const char* what, const char* fix, int32_t node = -1) {
  error->node = node;
  std::snprintf(error->what, sizeof error->what, "%s", what);
  std::snprintf(error->fix, sizeof error->fix, "%s", fix);
  return code;
}

/// Runs what may throw; nothing is thrown into the host.
template <class F>
ch_code guarded(ch_error* error, F&& body) noexcept {
  try {
    body();
    return CH_OK;
  } catch (const Failure& failure) {
    return tell(error, failure.code, failure.what(), failure.fix.c_str(), failure.node);
  } catch (const std::bad_alloc&) {
    return tell(error, CH_BUDGET, "there is no memory left", "use a smaller model or smaller inputs");
  } catch (const std::exception& e) {
    return tell(error, CH_INTERNAL, e.what(), "");
  } catch (...) {
    return tell(error, CH_INTERNAL, "an exception of an unknown type", "");
  }
}

/// The members of the host up to export_model are there. Throws Failure for an older host.
inline void require_host(const ch_host* host) {
  if (host->size < offsetof(ch_host, decompose))
    throw Failure(CH_UNSUPPORTED, "the host is too old", "use a newer Chorus");
}

/// The attribute of that name, or null.
inline const ch_attribute* attribute(const ch_node& node, std::string_view name) {
  for (uint32_t i = 0; i < node.n_attributes; ++i) {
    if (view(node.attributes[i]->name) == name) return node.attributes[i];
  }
  return nullptr;
}

/// Whether an integer attribute is there and not 0.
inline bool is_set(const ch_node& node, std::string_view name) {
  const ch_attribute* a = attribute(node, name);
  return a != nullptr && a->i != 0;
}

/// Answers a claim: yes where `reason` is empty, else no with the sentence, cut at its room.
inline void answer(ch_claim& claim, const std::string& reason) {
  claim.verdict = reason.empty() ? CH_CLAIM_YES : CH_CLAIM_NO;
  std::snprintf(claim.reason, sizeof claim.reason, "%s", reason.c_str());
}

/// The graph as ONNX bytes of at most these versions. Throws Failure with the host's sentence.
inline std::string onnx_bytes(const ch_host& host, const ch_graph& graph, int max_opset, int max_ir) {
  struct Bytes {
    std::string text;
    bool lost = false;  // there was no memory for a piece
  } bytes;
  const ch_sink append = [](void* user, const void* piece, uint64_t n) {
    auto& to = *static_cast<Bytes*>(user);
    try {
      to.text.append(static_cast<const char*>(piece), n);
    } catch (const std::exception&) {
      to.lost = true;
    }
  };
  ch_error error{};
  error.size = sizeof error;
  const ch_code code = host.export_model(&graph, {"onnx", 4}, max_opset, max_ir, append, &bytes, &error);
  if (code != CH_OK) throw Failure(code, error.what[0] != 0 ? error.what : "the model cannot be converted", error.fix);
  if (bytes.lost) throw Failure(CH_BUDGET, "there is no memory for the model's bytes", "use a smaller model");
  return std::move(bytes.text);
}

/// The table of an engine with the members that every engine fills alike; the types are the plug-in's own.
template <class Engine, class Program, class Instance>
ch_engine_api table_of(std::string_view name, std::string_view version, std::string_view built_against) {
  ch_engine_api a{};
  a.size = sizeof a;
  a.major = CH_ABI_MAJOR;
  a.minor = CH_ABI_MINOR;
  a.name = {name.data(), name.size()};
  a.version = {version.data(), version.size()};
  a.built_against = {built_against.data(), built_against.size()};
  a.close = [](Engine* e) { delete e; };
  a.free_program = [](Program* p) { delete p; };
  a.free_instance = [](Instance* i) { delete i; };
  return a;
}

}  // namespace chorus_adapter
