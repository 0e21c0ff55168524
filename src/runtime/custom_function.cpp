// Functions of ONNX that every model of the process may call: a model that is read gets those that it calls, and from there on they
// are its own, so that types, engines and gradients know nothing of where they came from.
#include <chorus/error.h>
#include <runtime/custom_op.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace chorus {
namespace {

struct Library {
  std::mutex lock;
  std::deque<Function> functions;  // never removed: models share the bodies
};
/// Never destroyed: other threads may still load models when the process ends.
Library& library() {
  static auto* const all = new Library;
  return *all;
}

std::string label_of(std::string_view domain, std::string_view name) {
  return (domain.empty() ? "ai.onnx" : std::string(domain)) + "." + std::string(name);
}

template <class Functions>
const Function* find_function(const Functions& functions, std::string_view domain, std::string_view name,
                              std::string_view overload) {
  const auto it = std::find_if(functions.begin(), functions.end(), [&](const Function& f) {
    return f.domain == domain && f.name == name && f.overload == overload;
  });
  return it == functions.end() ? nullptr : &*it;
}

/// Calls for which the model has no function yet, in a graph and its bodies, go to `calls`.
struct Call {
  std::string domain, name, overload;
};
void collect_calls(const Graph& top, std::vector<Call>* calls) {
  std::vector<const Graph*> graphs{&top};
  while (!graphs.empty()) {
    const Graph& graph = *graphs.back();
    graphs.pop_back();
    for (NodeId id = 0; id < graph.node_capacity(); ++id) {
      const Node& n = graph.node(id);
      if (!n.alive) continue;
      if (n.op == nullptr) calls->push_back({n.domain, n.type, n.overload});
      for (const auto& item : n.attributes.items()) {
        if (const auto* body = item.value.get<GraphPtr>(); body != nullptr && *body) graphs.push_back(body->get());
      }
    }
  }
}

}  // namespace

int register_functions(const Model& model) {
  if (model.functions.empty())
    throw Error(Code::bad_input, "RegisterFunctions: the model has no functions", model.source,
                "give a model with FunctionProtos");
  Library& all = library();
  std::lock_guard guard(all.lock);
  for (const Function& f : model.functions) {
    if (find_op(f.domain, f.name) != nullptr || find_function(all.functions, f.domain, f.name, f.overload) != nullptr) {
      throw Error(Code::already_exists, "RegisterFunctions: there is " + label_of(f.domain, f.name) + " already",
                  model.source, "choose another name or domain");
    }
  }
  all.functions.insert(all.functions.end(), model.functions.begin(), model.functions.end());
  return static_cast<int>(model.functions.size());
}

void add_registered_functions(Model& model) {
  Library& all = library();
  std::lock_guard guard(all.lock);
  if (all.functions.empty()) return;
  std::vector<Call> calls;
  collect_calls(*model.graph, &calls);
  for (const Function& f : model.functions) collect_calls(*f.body, &calls);
  while (!calls.empty()) {
    const Call call = std::move(calls.back());
    calls.pop_back();
    if (find_function(model.functions, call.domain, call.name, call.overload) != nullptr) continue;
    const Function* f = find_function(all.functions, call.domain, call.name, call.overload);
    if (f == nullptr) continue;  // said when the model is compiled
    model.functions.push_back(*f);
    collect_calls(*f->body, &calls);
  }
}

}  // namespace chorus
