#include <chorus/autograd.h>
#include <chorus/ops.h>
#include <autograd/history.h>

#include <graph/differentiate.h>
#include <tensor/call.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

namespace chorus {
namespace {

using autograd::Extents;
using autograd::History;
using List = std::vector<Tensor>;

struct Part {
  List gradients;                    ///< one per target; empty: none
  std::vector<std::string> blocked;  ///< why nothing passes some operators
};

// What a value of the gradient graph is as a tensor. New nodes become calls, only those that are needed.
class Calls {
 public:
  explicit Calls(History& history) : h_(history) { h_.tensors.resize(static_cast<size_t>(h_.graph.value_capacity())); }
  void make(std::span<const ValueId> wanted) {
    std::vector<char> needed(static_cast<size_t>(h_.graph.node_capacity()));
    std::vector<NodeId> stack;
    const auto need = [&](ValueId id) {
      if (id == kNone || at(id).defined()) return;
      const NodeId producer = h_.graph.value(id).producer;
      if (producer == kNone) {
        at(id) = Tensor(h_.graph.value(id).constant);
      } else if (needed[static_cast<size_t>(producer)] == 0) {
        needed[static_cast<size_t>(producer)] = 1;
        stack.push_back(producer);
      }
    };
    for (const ValueId id : wanted) need(id);
    while (!stack.empty()) {
      const Node& n = h_.graph.node(stack.back());
      stack.pop_back();
      if (!n.captured.empty())
        throw Error(
            Code::unsupported,
            fmt::format("{}: gradients of tensors through bodies that read other values are not offered", n.type));
      for (const ValueId id : n.inputs) need(id);
    }
    for (NodeId id = 0; id < h_.graph.node_capacity(); ++id) {
      if (needed[static_cast<size_t>(id)] != 0) call(h_.graph.node(id));
    }
  }
  Tensor& at(ValueId id) { return h_.tensors[static_cast<size_t>(id)]; }

 private:
  void call(const Node& n) {
    std::vector<const Tensor*> operands;
    static const Tensor none;
    for (const ValueId id : n.inputs) operands.push_back(id == kNone ? &none : &at(id));
    const List made = call_many(*n.op, operands, n.attributes, static_cast<int>(n.outputs.size()));
    for (size_t i = 0; i < made.size(); ++i) {
      if (n.outputs[i] != kNone && !at(n.outputs[i]).defined()) at(n.outputs[i]) = made[i];
    }
  }
  History& h_;
};

// Gradients of outputs by targets, custom functions being leaves.
Part plain_gradients(const List& outputs, const List& seeds, const List& targets, Extents extents) {
  List from = outputs;
  History h = autograd::history_of(from, extents);
  Part part;
  std::vector<ValueId> ids, with, of;
  std::vector<size_t> place;
  part.gradients.resize(targets.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const ValueId id = h.value_of(outputs[i]);
    ids.push_back(id);
    with.push_back(h.graph.add_input({}, h.graph.value(id).type));
    h.tensors.resize(static_cast<size_t>(with.back()) + 1);
    h.tensors.back() = seeds[i];
  }
  for (size_t i = 0; i < targets.size(); ++i) {
    const ValueId id = h.value_of(targets[i]);
    if (id == kNone || !is_differentiable(h.graph.value(id).type)) continue;
    of.push_back(id);
    place.push_back(i);
  }
  const Gradients found = add_gradients(h.graph, ids, with, of);
  for (const NodeId id : found.blocked) part.blocked.push_back(why_blocked(h.graph, id));
  std::vector<ValueId> wanted;
  for (const ValueId id : found.of) {
    if (id != kNone) wanted.push_back(id);
  }
  Calls calls(h);
  calls.make(wanted);
  for (size_t i = 0; i < of.size(); ++i) {
    if (found.of[i] != kNone) part.gradients[place[i]] = calls.at(found.of[i]);
  }
  return part;
}

// Rules that need known extents get them when unknown ones do not do.
Part gradients_between(const List& outputs, const List& seeds, const List& targets) {
  try {
    return plain_gradients(outputs, seeds, targets, Extents::symbols);
  } catch (const Error& error) {
    if (error.code() != Code::unsupported && error.code() != Code::shape) throw;
    return plain_gradients(outputs, seeds, targets, Extents::numbers);
  }
}

void accumulate(Tensor& sum, const Tensor& more) {
  if (more.defined()) sum = sum.defined() ? sum + more : more;
}

// Outputs of custom functions from the last to the first: each is through when all that depends on it is.
Part all_gradients(const List& outputs, const List& seeds, const List& targets) {
  std::vector<std::shared_ptr<Expr>> customs;
  List roots = outputs;
  for (size_t i = 0; i < roots.size(); ++i) {
    const autograd::Leaves h = autograd::leaves_of(std::span<const Tensor>(&roots[i], 1));
    for (const auto& expr : h.customs) {
      const auto same = [&](const std::shared_ptr<Expr>& e) { return e->custom.get() == expr->custom.get(); };
      if (std::any_of(customs.begin(), customs.end(), same)) continue;
      customs.push_back(expr);
      roots.insert(roots.end(), expr->custom->inputs.begin(), expr->custom->inputs.end());
    }
  }
  if (customs.empty()) return gradients_between(outputs, seeds, targets);
  // Later calls have larger numbers.
  std::sort(customs.begin(), customs.end(),
            [](const auto& a, const auto& b) { return a->custom->number > b->custom->number; });
  List all = targets;
  std::map<const CustomCall*, size_t> begin;
  for (const auto& expr : customs) {
    begin[expr->custom.get()] = all.size();
    for (const auto& one : expr->custom->results) {
      const auto alive = one.lock();
      all.push_back(alive ? Tensor(alive, 0) : Tensor());
    }
  }
  Part total = gradients_between(outputs, seeds, all);
  for (const auto& expr : customs) {
    CustomCall& call = *expr->custom;
    const auto first = total.gradients.begin() + static_cast<std::ptrdiff_t>(begin[&call]);
    const List arrived(first, first + static_cast<std::ptrdiff_t>(call.results.size()));
    if (std::none_of(arrived.begin(), arrived.end(), [](const Tensor& t) { return t.defined(); })) continue;
    const List given = call.backward(arrived);
    if (given.size() != call.inputs.size()) {
      throw Error(Code::bad_input,
                  fmt::format("a custom function with {} inputs gave {} gradients", call.inputs.size(), given.size()),
                  {}, "return one per input, empty where there is none");
    }
    List from, with;
    for (size_t i = 0; i < given.size(); ++i) {
      if (!given[i].defined() || !call.inputs[i].defined()) continue;
      from.push_back(call.inputs[i]);
      with.push_back(given[i]);
    }
    const Part part = gradients_between(from, with, all);
    for (size_t i = 0; i < all.size(); ++i) accumulate(total.gradients[i], part.gradients[i]);
    total.blocked.insert(total.blocked.end(), part.blocked.begin(), part.blocked.end());
  }
  total.gradients.resize(targets.size());
  return total;
}

Tensor seed_for(const Tensor& output, const Tensor& given) {
  if (!given.defined()) {
    const bool one = output.kind() == ValueKind::tensor && output.numel() == 1;
    if (!one)
      throw Error(Code::bad_input,
                  fmt::format("an output of shape {} needs a seed",
                              output.kind() == ValueKind::tensor ? output.shape().str() : "none (it is a sequence)"),
                  {}, "give GradOptions::seeds, or sum the output first");
    return ones(output.shape(), output.dtype());
  }
  const Tensor seed = given.expr()->weak != Weak::no ? given.to(output.dtype()) : given;
  if (output.kind() == ValueKind::tensor && (!(seed.shape() == output.shape()) || seed.dtype() != output.dtype())) {
    throw Error(Code::shape, fmt::format("a seed of {}{} for an output of {}{}", dtype_name(seed.dtype()),
                                         seed.shape().str(), dtype_name(output.dtype()), output.shape().str()));
  }
  return seed;
}

std::shared_ptr<GradientCell> cell_of(const Tensor& tensor) {
  if (!tensor.defined()) return nullptr;
  return tensor.expr()->gradient ? tensor.expr()->gradient : tensor.expr()->gradient_of_variable.lock();
}

std::string reasons(const std::vector<std::string>& blocked) {
  std::string text;
  for (size_t i = 0; i < blocked.size() && i < 3; ++i) text += (i == 0 ? "" : "; ") + blocked[i];
  return text;
}

}  // namespace

std::vector<Tensor> grad(std::span<const Tensor> outputs, std::span<const Tensor> inputs, const GradOptions& options) {
  if (!options.seeds.empty() && options.seeds.size() != outputs.size())
    throw Error(Code::bad_input, fmt::format("grad: {} outputs and {} seeds", outputs.size(), options.seeds.size()));
  List from, seeds;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].defined()) throw Error(Code::bad_input, fmt::format("grad: output {} is an empty tensor", i));
    from.push_back(graph_leaf(outputs[i]));
    seeds.push_back(seed_for(outputs[i], i < options.seeds.size() ? options.seeds[i] : Tensor()));
  }
  List targets;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].defined()) throw Error(Code::bad_input, fmt::format("grad: input {} is an empty tensor", i));
    targets.push_back(graph_leaf(inputs[i]));
  }
  Part part;
  {
    std::optional<NoGrad> plain;
    if (!options.differentiable && !history_is_kept()) plain.emplace();
    part = all_gradients(from, seeds, targets);
  }
  for (size_t i = 0; i < targets.size(); ++i) {
    if (part.gradients[i].defined() || options.unused == Unused::empty) continue;
    if (options.unused == Unused::error) {
      const std::string why = reasons(part.blocked);
      throw Error(Code::bad_input, fmt::format("grad: no output depends on input {} in a differentiable way", i), why,
                  "compute the outputs from it inside a KeepHistory scope or from a tensor that requires gradients, or "
                  "ask for Unused::zeros");
    }
    part.gradients[i] = zeros(targets[i].shape(), targets[i].dtype());
  }
  return part.gradients;
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const GradOptions& options) {
  return grad(std::span<const Tensor>(outputs), std::span<const Tensor>(inputs), options);
}

Tensor grad(const Tensor& output, const Tensor& input, const GradOptions& options) {
  return grad(std::span<const Tensor>(&output, 1), std::span<const Tensor>(&input, 1), options)[0];
}

Tensor requires_grad(const Tensor& tensor) {
  if (!is_differentiable(Type::of(tensor.value())))
    throw Error(Code::type, fmt::format("a tensor of {} has no gradients", dtype_name(tensor.dtype())), {},
                "convert it to a float type");
  Tensor leaf = make_leaf(tensor.value()), variable = make_leaf(tensor.value());
  const auto cell = std::make_shared<GradientCell>();
  leaf.expr()->tracks = variable.expr()->tracks = true;
  variable.expr()->gradient_of_variable = cell;
  leaf.expr()->gradient = cell;
  cell->variable = std::move(variable);
  return leaf;
}

bool tracks_gradients(const Tensor& tensor) noexcept { return tensor.defined() && tensor.expr()->tracks; }

Tensor detach(const Tensor& tensor) {
  if (tensor.evaluated()) return make_leaf(tensor.value());
  static const OpDef& op = builtin_op("", "Identity");
  const NoGrad plain;
  const Tensor same = call_one(op, {&tensor});
  same.expr()->stops_gradient = true;
  return same;
}

void backward(const Tensor& output, const Tensor& seed) {
  if (!tracks_gradients(output)) {
    throw Error(Code::bad_input, "backward: the tensor does not depend on one that requires gradients", {},
                "make the parameters with requires_grad before they are used");
  }
  List required;
  List roots{graph_leaf(output)};
  std::vector<const CustomCall*> seen;
  for (size_t i = 0; i < roots.size(); ++i) {
    const autograd::Leaves h = autograd::leaves_of(std::span<const Tensor>(&roots[i], 1));
    for (const Tensor& t : h.required) {
      const auto same = [&](const Tensor& other) { return other.expr() == t.expr(); };
      if (std::none_of(required.begin(), required.end(), same)) required.push_back(t);
    }
    for (const auto& expr : h.customs) {
      if (std::find(seen.begin(), seen.end(), expr->custom.get()) != seen.end()) continue;
      seen.push_back(expr->custom.get());
      for (const Tensor& t : expr->custom->inputs) {
        if (t.defined()) roots.push_back(t);
      }
    }
  }
  GradOptions options;
  options.seeds = {seed_for(output, seed)};
  options.unused = Unused::empty;
  const List found = grad(std::span<const Tensor>(&output, 1), required, options);
  for (size_t i = 0; i < required.size(); ++i) {
    const auto cell = cell_of(required[i]);
    if (!cell) continue;  // nobody can ask for it any more
    const std::lock_guard lock(cell->mutex);
    const NoGrad plain;
    accumulate(cell->sum, found[i]);
  }
}

Tensor gradient(const Tensor& tensor) {
  const auto cell = cell_of(tensor);
  if (!cell) return {};
  const std::lock_guard lock(cell->mutex);
  return cell->sum;
}

void set_gradient(const Tensor& tensor, const Tensor& gradient) {
  const auto cell = cell_of(tensor);
  if (!cell) throw Error(Code::bad_input, "set_gradient: the tensor does not require gradients");
  if (gradient.defined() && (!(gradient.shape() == tensor.shape()) || gradient.dtype() != tensor.dtype())) {
    throw Error(gradient.dtype() != tensor.dtype() ? Code::type : Code::shape,
                fmt::format("a gradient of {}{} for a tensor of {}{}", dtype_name(gradient.dtype()),
                            gradient.shape().str(), dtype_name(tensor.dtype()), tensor.shape().str()));
  }
  const std::lock_guard lock(cell->mutex);
  cell->sum = gradient;
}

}  // namespace chorus
