#include <runtime/differences.h>

#include <core/convert.h>
#include <engine/native/call.h>
#include <graph/differentiate.h>
#include <graph/infer.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace chorus {
namespace {

using Values = std::vector<Value>;
using Ids = std::vector<ValueId>;

// Tensors inside a value: itself, or the items of a sequence or optional.
void leaves_of(const Value& v, Values* out) {
  if (v.is_tensor()) return out->push_back(v);
  for (const Value& item : v.items()) leaves_of(item, out);
}
double inner_product(const Value& a, const Value& b) {
  Values x, y;
  leaves_of(a, &x);
  leaves_of(b, &y);
  if (x.size() != y.size()) return NAN;
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!(x[i].shape() == y[i].shape())) return NAN;
    if (is_complex(x[i].dtype())) {
      for (int64_t k = 0; k < x[i].numel(); ++k) {
        std::complex<double> p, q;
        load_c128(x[i].dtype(), x[i].data(), k, 1, &p);
        load_c128(y[i].dtype(), y[i].data(), k, 1, &q);
        sum += p.real() * q.real() + p.imag() * q.imag();
      }
      continue;
    }
    for (int64_t k = 0; k < x[i].numel(); ++k) {
      const double weight = get_f64(y[i].dtype(), y[i].data(), k);
      sum += weight == 0 ? 0 : weight * get_f64(x[i].dtype(), x[i].data(), k);
    }
  }
  return sum;
}

Value random_like(const Value& like, std::mt19937_64& random) {
  if (!like.is_tensor()) {
    Values items;
    for (const Value& item : like.items()) items.push_back(random_like(item, random));
    return like.kind() == ValueKind::sequence ? Value::sequence(like.dtype(), items)
                                              : Value::optional(like.dtype(), items);
  }
  Value v = Value::tensor(like.dtype(), like.shape());
  std::uniform_real_distribution<double> draw(-1, 1);
  const int64_t parts = is_complex(like.dtype()) ? 2 : 1;
  const DType part = like.dtype() == DType::complex64    ? DType::float32
                     : like.dtype() == DType::complex128 ? DType::float64
                                                         : like.dtype();
  for (int64_t i = 0; i < v.numel() * parts; ++i) set_f64(part, v.mutable_data(), i, draw(random));
  return v;
}

int64_t elements(const Value& v);
// A copy in which element `at` of one tensor inside has moved.
Value moved(const Value& v, int64_t at, double by) {
  if (!v.is_tensor()) {
    Values items;
    for (const Value& item : v.items()) {
      const int64_t n = elements(item);
      items.push_back(at >= 0 && at < n ? moved(item, at, by) : item);
      at -= n;
    }
    return v.kind() == ValueKind::sequence ? Value::sequence(v.dtype(), items) : Value::optional(v.dtype(), items);
  }
  Value copy = Value::copy_of(v.dtype(), v.shape(), v.data(), v.bytes());
  const DType part = v.dtype() == DType::complex64    ? DType::float32
                     : v.dtype() == DType::complex128 ? DType::float64
                                                      : v.dtype();
  const int64_t place = is_complex(v.dtype()) ? 2 * at : at;
  set_f64(part, copy.mutable_data(), place, get_f64(part, copy.data(), place) + by);
  return copy;
}
double element(const Value& v, int64_t at) {
  Values parts;
  leaves_of(v, &parts);
  for (const Value& p : parts) {
    if (at < p.numel()) {
      if (!is_complex(p.dtype())) return get_f64(p.dtype(), p.data(), at);
      std::complex<double> c;
      load_c128(p.dtype(), p.data(), at, 1, &c);
      return c.real();
    }
    at -= p.numel();
  }
  return NAN;
}
int64_t elements(const Value& v) {
  Values parts;
  leaves_of(v, &parts);
  int64_t n = 0;
  for (const Value& p : parts) n += p.numel();
  return n;
}

int narrowest_bits(const Values& values) {
  int bits = 64;
  Values parts;
  for (const Value& v : values) leaves_of(v, &parts);
  for (const Value& p : parts) {
    if (is_float(p.dtype())) bits = std::min(bits, dtype_bits(p.dtype()));
    if (is_complex(p.dtype())) bits = std::min(bits, dtype_bits(p.dtype()) / 2);
  }
  return bits;
}
struct Precision {
  double step, tolerance;
};
bool all_finite(const Values& values) {
  for (const Value& v : values) {
    for (int64_t i = 0; i < elements(v); ++i) {
      if (is_differentiable(Type::of(v)) && !std::isfinite(element(v, i))) return false;
    }
  }
  return true;
}
Precision precision_of(const Values& values, int most) {
  const int bits = std::min(narrowest_bits(values), most);
  return bits == 64 ? Precision{1e-5, 2e-6} : bits == 32 ? Precision{2e-2, 2e-2} : Precision{0.25, 0.1};
}

// The gradient graph: inputs, then seeds; outputs are gradients of the wanted inputs.
struct Derived {
  Graph graph;
  std::vector<int> of;    ///< which input each output belongs to
  std::vector<int> none;  ///< differentiable inputs without a gradient
};
Derived derive(const Graph& from, const Values& inputs, const Values& outputs, bool symbolic) {
  Derived d{Graph(from), {}, {}};
  Graph& g = d.graph;
  if (symbolic) {
    for (size_t i = 0; i < g.inputs().size(); ++i) {
      GraphValue& v = g.value(g.inputs()[i]);
      if (!v.type.is_tensor() || !v.type.has_rank) continue;
      for (size_t k = 0; k < v.type.dims.size(); ++k) v.type.dims[k] = Dim::symbol(fmt::format("s{}_{}", i, k));
    }
    for (const NodeId id : g.order()) {
      for (const ValueId out : g.node(id).outputs) {
        if (out == kNone) continue;
        g.value(out).type = Type{};
        g.value(out).symbolic = nullptr;
      }
    }
    infer_types(g);
  }
  Ids outs, seeds, wanted;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const ValueId id = g.outputs()[i];
    if (!is_differentiable(Type::of(outputs[i]))) continue;
    outs.push_back(id);
    Type type = Type::of(outputs[i]);
    if (symbolic && type.is_tensor()) type = g.value(id).type;
    seeds.push_back(g.add_input("seed", type));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (is_differentiable(Type::of(inputs[i]))) wanted.push_back(g.inputs()[i]);
  }
  const Gradients found = add_gradients(g, outs, seeds, wanted);
  Ids results;
  size_t next = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!is_differentiable(Type::of(inputs[i]))) continue;
    const ValueId id = found.of[next++];
    if (id == kNone) {
      d.none.push_back(static_cast<int>(i));
      continue;
    }
    d.of.push_back(static_cast<int>(i));
    results.push_back(g.value(id).producer == kNone || std::find(results.begin(), results.end(), id) != results.end()
                          ? g.node(g.add_node("Identity", std::vector<ValueId>{id})).outputs[0]
                          : id);
    if (g.value(results.back()).type.kind == ValueKind::none) infer_node(g, g.value(results.back()).producer);
  }
  g.set_outputs(results);
  return d;
}

struct Probe {
  const Graph& graph;
  const Values& inputs;
  const Values& seeds;
  Precision precision;
  // The weighted sum of the outputs with one element moved.
  double at(size_t input, int64_t element_at, double by) const {
    Values moved_inputs = inputs;
    moved_inputs[input] = moved(inputs[input], element_at, by);
    const Values outputs = run_once(graph, moved_inputs);
    double sum = 0;
    size_t next = 0;
    for (const Value& out : outputs) {
      if (is_differentiable(Type::of(out))) sum += inner_product(out, seeds[next++]);
    }
    return sum;
  }
};

enum class Verdict { equal, not_smooth, different };
// Compared at two steps, so that a kink or a jump between the points shows itself.
Verdict judge(const Probe& probe, size_t input, int64_t at, double analytic, double* numeric) {
  const double x = element(probe.inputs[input], at);
  double h = probe.precision.step * std::max(1.0, std::abs(x)), slopes[3] = {};
  double left = 0, right = 0, middle = 0;
  try {
    if (!std::isfinite(x)) return Verdict::not_smooth;
    middle = probe.at(input, at, 0);
    for (int i = 0; i < 2; ++i, h /= 4) {
      const double up = probe.at(input, at, h), down = probe.at(input, at, -h);
      slopes[i] = (up - down) / (2 * h);
      right = (up - middle) / h;
      left = (middle - down) / h;
      if (i == 0 && std::abs(slopes[0] - analytic) <= probe.precision.tolerance * (1 + std::abs(slopes[0]))) {
        *numeric = slopes[0];
        return Verdict::equal;
      }
    }
  } catch (const Error&) {
    return Verdict::not_smooth;   // out of the operator's range
  }
  *numeric = slopes[1];
  if (!std::isfinite(slopes[0]) || !std::isfinite(slopes[1])) return Verdict::not_smooth;
  const double scale = 1 + std::abs(slopes[1]);
  if (std::abs(slopes[1] - analytic) <= probe.precision.tolerance * 2 * scale) return Verdict::equal;
  const double bend = probe.precision.tolerance * 50 * scale;
  if (std::abs(right - left) > bend || std::abs(slopes[0] - slopes[1]) > bend) return Verdict::not_smooth;
  return Verdict::different;
}

void compare_elements(const Probe& probe, const Derived& d, const Values& gradients, const DifferenceOptions& options,
                      const std::string& what, std::mt19937_64& random, Differences* total) {
  const auto check = [&](size_t input, const Value* gradient) {
    const int64_t n = elements(probe.inputs[input]);
    for (int64_t s = 0; s < std::min<int64_t>(n, options.samples); ++s) {
      const int64_t at = n <= options.samples ? s : static_cast<int64_t>(random() % static_cast<uint64_t>(n));
      const double analytic = gradient == nullptr ? 0 : element(*gradient, at);
      double numeric = 0;
      switch (judge(probe, input, at, analytic, &numeric)) {
        case Verdict::equal: ++total->checked; break;
        case Verdict::not_smooth: ++total->skipped; break;
        case Verdict::different:
          total->failures.push_back(fmt::format("{}: input {} element {}: {} but differences say {} (x = {})", what,
                                                input, at,
                                                gradient == nullptr ? "no gradient" : fmt::format("{}", analytic),
                                                numeric, element(probe.inputs[input], at)));
          return;
      }
    }
  };
  for (size_t i = 0; i < d.of.size(); ++i) {
    const Value &x = probe.inputs[static_cast<size_t>(d.of[i])], &g = gradients[i];
    if (x.is_tensor() && !(g.shape() == x.shape() && g.dtype() == x.dtype())) {
      total->failures.push_back(fmt::format("{}: the gradient of input {} is {}, the input {}", what, d.of[i],
                                            Type::of(g).str(), Type::of(x).str()));
      continue;
    }
    check(static_cast<size_t>(d.of[i]), &g);
  }
  for (const int i : d.none) {
    if (std::find(options.ignored.begin(), options.ignored.end(), i) == options.ignored.end())
      check(static_cast<size_t>(i), nullptr);
  }
}

bool close_values(const Value& a, const Value& b, double tolerance) {
  if (elements(a) != elements(b)) return false;
  for (int64_t i = 0; i < elements(a); ++i) {
    const double x = element(a, i), y = element(b, i);
    if (!(x == y || (std::isnan(x) && std::isnan(y)) || std::abs(x - y) <= tolerance * (1 + std::abs(y)))) return false;
  }
  return true;
}

}  // namespace

Differences& Differences::operator+=(const Differences& o) {
  checked += o.checked;
  skipped += o.skipped;
  refused += o.refused;
  failures.insert(failures.end(), o.failures.begin(), o.failures.end());
  return *this;
}

std::vector<Value> run_once(const Graph& graph, const std::vector<Value>& inputs) {
  static ThreadPool pool(ThreadPool::Options{1, {}, 0});
  static native::ScratchArena scratch;
  native::CallEnvironment environment;
  environment.pool = &pool;
  environment.scratch = &scratch;
  environment.seed = 42;
  return native::call_graph(graph, inputs, environment);
}

Differences compare_with_differences(const Graph& graph, const std::vector<Value>& inputs,
                                     const DifferenceOptions& options, const std::string& what) {
  Differences total;
  std::mt19937_64 random(options.seed);
  try {
    const Values outputs = run_once(graph, inputs);
    Values seeds, all = inputs;
    for (const Value& out : outputs) {
      if (is_differentiable(Type::of(out))) seeds.push_back(random_like(out, random));
    }
    all.insert(all.end(), seeds.begin(), seeds.end());
    Values used = all;
    used.insert(used.end(), outputs.begin(), outputs.end());
    const Derived d = derive(graph, inputs, outputs, false);
    const Values gradients = run_once(d.graph, all);
    const Probe probe{graph, inputs, seeds, precision_of(used, options.bits)};
    compare_elements(probe, d, gradients, options, what, random, &total);
    if (options.symbolic) {
      try {
        const Derived s = derive(graph, inputs, outputs, true);
        const Values again = run_once(s.graph, all);
        for (size_t i = 0; i < again.size(); ++i) {
          if (s.of != d.of || !close_values(again[i], gradients[i], 1e-6))
            total.failures.push_back(
                fmt::format("{}: symbolic shapes give another gradient of input {}", what, s.of[i]));
        }
      } catch (const Error& error) {
        if (error.code() != Code::unsupported) throw;
        ++total.refused;
      }
    }
    // Sums over nothing may have no number as their result: there is no second derivative to compare.
    if (options.order > 1 && !d.of.empty() && all_finite(inputs) && all_finite(outputs)) {
      DifferenceOptions next = options;
      next.order = 1;
      next.symbolic = false;
      next.ignored = d.none;
      std::erase_if(next.ignored, [&](int i) {
        return std::find(options.ignored.begin(), options.ignored.end(), i) == options.ignored.end();
      });
      next.samples = 4;
      total += compare_with_differences(d.graph, all, next, what + " (second)");
    }
  } catch (const Error& error) {
    total.failures.push_back(what + ": " + error.what());
  }
  return total;
}

}  // namespace chorus
