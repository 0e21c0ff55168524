#include "ops/op_case.h"

#include <chorus/error.h>
#include <core/convert.h>
#include <engine/native/kernel.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <optional>

namespace chorus::testing {
namespace {

const OpDef& row_of(std::string_view domain, std::string_view name) {
  const OpDef* def = find_op(domain, name);
  if (def == nullptr) throw Error(Code::internal, fmt::format("op_case: there is no row {}", name));
  return *def;
}

int index_of(const OpDef& def, int version) {
  return version == 0 ? static_cast<int>(def.versions.size()) - 1 : def.version_index(version);
}

/// What node contexts share: operands as types and, where they have one, values.
template <class Base>
class Context : public Base {
 public:
  Context(const OpDef& def, int version, const Attributes& attributes, std::vector<Type> types,
          std::vector<Value> values, std::vector<bool> wanted)
      : def_(def), attributes_(attributes), attrs_(attributes_, def.schema(version)), types_(std::move(types)),
        values_(std::move(values)), wanted_(std::move(wanted)) {
    while (!types_.empty() && types_.back().kind == ValueKind::none) types_.pop_back();
    values_.resize(types_.size());
  }
  const OpDef& op() const override { return def_; }
  const AttrReader& attrs() const override { return attrs_; }
  int inputs() const override { return static_cast<int>(types_.size()); }
  int outputs() const override { return static_cast<int>(wanted_.size()); }
  bool has_input(int i) const override { return i >= 0 && i < inputs() && types_[at(i)].kind != ValueKind::none; }
  bool has_output(int i) const override { return i >= 0 && i < outputs() && wanted_[at(i)]; }
  const Type& input(int i) const override {
    static const Type nothing;
    return i >= 0 && i < inputs() ? types_[at(i)] : nothing;
  }
  using Base::constant;
  const Value* constant(int i) const override { return has_input(i) && values_[at(i)] ? &values_[at(i)] : nullptr; }
  [[noreturn]] void fail(Code code, std::string what, std::string fix) const override {
    throw Error(code, std::string(def_.name) + ": " + what, {}, std::move(fix));
  }

 protected:
  static size_t at(int i) { return static_cast<size_t>(i); }
  const OpDef& def_;
  Attributes attributes_;
  AttrReader attrs_;
  std::vector<Type> types_;
  std::vector<Value> values_;
  std::vector<bool> wanted_;
};

class Rule final : public Context<ShapeContext> {
 public:
  using Context::Context;
  void set_output(int i, Type type) override {
    if (i >= 0 && i < outputs()) result.types[at(i)] = std::move(type);
  }
  const Dims* value(int i) const override {
    if (!has_input(i)) return nullptr;
    for (const auto& [index, dims] : known) {
      if (index == i) return &dims;
    }
    return nullptr;
  }
  void set_value(int i, Dims value) override {
    if (i >= 0 && i < outputs()) result.values[at(i)] = std::move(value);
  }
  Dim require_equal(const Dim& a, const Dim& b, std::string_view what) override {
    const Dim::Truth truth = Dim::equal(a, b);
    if (truth == Dim::Truth::no) fail(Code::shape, fmt::format("{}: {} is not {}", what, a.str(), b.str()), {});
    if (truth == Dim::Truth::maybe) ++result.checks;
    return a.is_number() || b.is_unknown() ? a : b;
  }
  Dim fresh() override { return Dim::symbol(fmt::format("fresh{}", fresh_++)); }
  std::vector<Type> infer_body(std::string_view, std::span<const Type>) override { return {}; }

  RuleResult run() {
    result.types.resize(wanted_.size());
    result.values.resize(wanted_.size());
    def_.infer(*this);
    if (def_.value != nullptr) def_.value(*this);
    return std::move(result);
  }
  RuleResult result;
  std::vector<std::pair<int, Dims>> known;

 private:
  int fresh_ = 0;
};

/// Constants of few integers are known elements too, as they are in a graph.
void know_constants(Rule& rule, const std::vector<Value>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    const Value& v = values[i];
    if (!v.is_tensor() || !(is_integer(v.dtype()) || v.dtype() == DType::boolean) || v.numel() > 1024) continue;
    const auto ints = v.to_int64s();
    rule.known.emplace_back(static_cast<int>(i), Dims(ints.begin(), ints.end()));
  }
}

std::vector<Type> types_of(const std::vector<Value>& values) {
  std::vector<Type> types;
  for (const Value& v : values) types.push_back(Type::of(v));
  return types;
}

class Services final : public native::KernelServices {
 public:
  Services(int threads, size_t outputs, std::vector<native::TensorView>& views)
      : pool_(ThreadPool::Options{.threads = threads, .affinity = {}, .spin_us = 0}), made(outputs), dims(outputs),
        views_(views) {}
  ThreadPool& pool() noexcept override { return pool_; }
  void* scratch(int64_t bytes) noexcept override {
    blocks_.emplace_back(std::aligned_alloc(64, static_cast<size_t>((bytes + 64) / 64 * 64)), &std::free);
    return blocks_.back().get();
  }
  Status allocate(int output, DType dtype, std::span<const int64_t> shape, native::TensorView* view) noexcept override {
    const auto o = static_cast<size_t>(output);
    made[o] = Value::tensor(dtype, Shape(shape));
    fill(o);
    *view = views_[o];
    return {};
  }
  Status set_value(int output, Value value) noexcept override {
    made[static_cast<size_t>(output)] = std::move(value);
    return {};
  }
  Status run_body(std::string_view, std::span<const Value>, std::vector<Value>&) noexcept override {
    return Status::error(Code::unsupported, "op_case runs no bodies");
  }
  bool stop() noexcept override { return false; }
  void fill(size_t o) {
    dims[o] = made[o].shape();
    views_[o] = {made[o].mutable_data(), dims[o].data(), dims[o].rank(), made[o].dtype(), made[o].numel()};
  }

 private:
  ThreadPool pool_;
  std::vector<std::unique_ptr<void, void (*)(void*)>> blocks_;

 public:
  std::vector<Value> made;
  std::vector<Shape> dims;

 private:
  std::vector<native::TensorView>& views_;
};

std::vector<bool> wanted_of(const OpCall& call) {
  std::vector<bool> wanted = call.wanted;
  wanted.resize(static_cast<size_t>(call.outputs), call.wanted.empty());
  return wanted;
}

RuleResult rule_of(const OpDef& def, const OpCall& call, int version) {
  Rule rule(def, version, call.attributes, types_of(call.inputs), call.inputs, wanted_of(call));
  know_constants(rule, call.inputs);
  return rule.run();
}

void check_types(const OpDef& def, const RuleResult& rule, const std::vector<Value>& made,
                 const std::vector<bool>& wanted) {
  for (size_t i = 0; i < made.size(); ++i) {
    if (!wanted[i]) continue;
    if (!made[i]) throw Error(Code::internal, fmt::format("{}: output {} was not made", def.name, i));
    try {
      if (rule.types[i].kind == ValueKind::none) throw Error(Code::internal, "the rule says nothing");
      const Type got = Type::of(made[i]);
      const Type both = Type::meet(rule.types[i], got, "rule and kernel");
      if (both.dtype == DType::undefined && got.is_tensor()) throw Error(Code::internal, "no element type");
    } catch (const Error& e) {
      throw Error(Code::internal, fmt::format("{}: output {}: {}", def.name, i, e.message()));
    }
  }
}

std::vector<Value> run_kernel(const OpDef& def, native::KernelFn kernel, const OpCall& call) {
  const std::vector<bool> wanted = wanted_of(call);
  const RuleResult rule = rule_of(def, call, static_cast<int>(def.versions.size()) - 1);
  std::vector<Value> inputs = call.inputs;
  while (!inputs.empty() && !inputs.back()) inputs.pop_back();
  std::vector<native::TensorView> in(inputs.size()), out(wanted.size());
  std::vector<const Value*> values(inputs.size());
  std::vector<Shape> shapes(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    values[i] = inputs[i] ? &inputs[i] : nullptr;
    if (!inputs[i].is_tensor() || inputs[i].dtype() == DType::string) continue;
    shapes[i] = inputs[i].shape();
    in[i] = {const_cast<void*>(inputs[i].data()), shapes[i].data(), shapes[i].rank(), inputs[i].dtype(),
             inputs[i].numel()};
  }
  Services services(call.threads, wanted.size(), out);
  const auto flags = std::make_unique<bool[]>(wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    flags[i] = wanted[i];
    const Type& t = rule.types[i];
    if (!wanted[i] || def.sizes == Sizes::known_after_run || !t.is_tensor() || t.dtype == DType::string) continue;
    if (!t.is_static())
      throw Error(Code::internal,
                  fmt::format("{}: the rule leaves output {} as {} for known operands", def.name, i, t.str()));
    std::vector<int64_t> dims;
    for (const Dim& d : t.dims) dims.push_back(d.number());
    services.made[i] = Value::tensor(t.dtype, Shape(dims));
    services.fill(i);
  }
  const Attributes attributes = call.attributes;
  const AttrReader reader(attributes, def.newest());
  native::KernelContext ctx;
  ctx.attrs = &reader;
  ctx.n_in = static_cast<int>(in.size());
  ctx.n_out = static_cast<int>(out.size());
  ctx.in = in.data();
  ctx.out = out.data();
  ctx.values = values.data();
  ctx.wanted = flags.get();
  ctx.out_types = rule.types.data();
  ctx.services = &services;
  ctx.random_seed = call.seed;
  const Status status = kernel(ctx);
  if (!status.ok()) throw Error(status.code, fmt::format("{}: {}", def.name, status.text));
  check_types(def, rule, services.made, wanted);
  return services.made;
}

/// Runs every node at the moment when it is emitted.
class Eager final : public Context<OpBuilder> {
 public:
  Eager(const OpDef& def, int version, const OpCall& call)
      : Context(def, version, call.attributes, types_of(call.inputs), call.inputs, wanted_of(call)), call_(call) {}
  Ref in(int i) override { return has_input(i) ? add(values_[at(i)]) : Ref{}; }
  std::vector<Ref> emit(std::string_view op, std::span<const Ref> inputs, Attributes attributes, int outputs) override {
    OpCall call = call_;
    call.op = op;
    call.domain = next_domain_;
    call.version = next_version_;
    call.way = OpCall::Way::kernel_or_decomposition;
    call.attributes = std::move(attributes);
    call.outputs = outputs;
    call.wanted.clear();
    call.inputs.clear();
    for (const Ref r : inputs) call.inputs.push_back(r ? made_[at(r.id)] : Value());
    next_domain_ = "";
    next_version_ = 0;
    std::vector<Ref> refs;
    for (Value& v : run_op(call)) refs.push_back(add(std::move(v)));
    return refs;
  }
  using Context::constant;
  Ref constant(Value value) override { return add(std::move(value)); }
  const Type& type_of(Ref ref) const override { return made_types_[at(ref.id)]; }
  void next(std::string_view domain, int version) override {
    next_domain_ = domain;
    next_version_ = version;
  }

  std::vector<Value> results(const Expansion& e) const {
    if (!e.ok()) throw Error(Code::unsupported, std::string(def_.name) + ": " + e.refusal);
    std::vector<Value> out;
    for (const Ref r : e.outputs) out.push_back(r ? made_[at(r.id)] : Value());
    out.resize(wanted_.size());
    return out;
  }

 private:
  Ref add(Value v) {
    made_types_.push_back(Type::of(v));
    made_.push_back(std::move(v));
    return Ref{static_cast<int32_t>(made_.size()) - 1};
  }
  const OpCall& call_;
  std::vector<Value> made_;
  std::vector<Type> made_types_;
  std::string_view next_domain_ = "";
  int next_version_ = 0;
};

double element(const Value& v, int64_t i) { return get_f64(v.dtype(), v.data(), i); }

void expect_sequence(const Value& got, const Value& wanted, double tolerance, std::string_view what) {
  ASSERT_EQ(got.items().size(), wanted.items().size()) << what;
  for (size_t i = 0; i < got.items().size(); ++i) expect_close(got.items()[i], wanted.items()[i], tolerance, what);
}

}  // namespace

std::vector<Value> run_op(const OpCall& call) {
  const OpDef& def = row_of(call.domain, call.op);
  const int index = index_of(def, call.version), newest = static_cast<int>(def.versions.size()) - 1;
  if (index < 0) throw Error(Code::internal, fmt::format("op_case: {} has no version {}", call.op, call.version));
  if (index < newest) {
    OpCall next = call;
    next.version = def.versions[static_cast<size_t>(index) + 1].since;
    const auto step = def.versions[static_cast<size_t>(index)].to_next;
    // Types of imported nodes are inferred before the nodes are brought up: the rule holds for every version.
    const RuleResult rule = rule_of(def, call, index);
    Eager builder(def, index, call);
    auto outputs = step == nullptr ? run_op(next) : builder.results(step(builder));
    check_types(def, rule, outputs, wanted_of(call));
    return outputs;
  }
  const native::KernelFn kernel = native::find_reference(call.domain, call.op);
  if (kernel != nullptr && call.way != OpCall::Way::decomposition) return run_kernel(def, kernel, call);
  const auto* decompose = std::get_if<Decompose>(&def.meaning);
  if (decompose == nullptr || call.way == OpCall::Way::kernel) {
    throw Error(Code::internal,
                fmt::format("op_case: {} has no {}", call.op, decompose == nullptr ? "decomposition" : "kernel"));
  }
  const RuleResult rule = rule_of(def, call, newest);
  Eager builder(def, newest, call);
  auto outputs = builder.results((*decompose)(builder));
  check_types(def, rule, outputs, wanted_of(call));
  return outputs;
}

RuleResult infer_op(const RuleCall& call) {
  const OpDef& def = row_of(call.domain, call.op);
  const std::vector<bool> wanted(static_cast<size_t>(call.outputs), true);
  Rule rule(def, index_of(def, call.version), call.attributes, call.inputs, call.constants, wanted);
  know_constants(rule, call.constants);
  for (const auto& v : call.values) rule.known.push_back(v);
  return rule.run();
}

int run_grid(std::string_view op, double tolerance, std::string_view domain) {
  const OpDef& def = row_of(domain, op);
  int count = 0;
  for (const GridCase& one : parse_grid(def)) {
    ++count;
    OpCall call{.op = op,
                .inputs = make_inputs(one, 17 + static_cast<uint64_t>(count)),
                .attributes = one.attributes,
                .outputs = one.outputs,
                .domain = domain};
    call.version = def.versions[static_cast<size_t>(one.version)].since;
    const std::string what = fmt::format("{}: {}", op, one.text);
    try {
      const auto first = run_op(call);
      const bool newest = one.version + 1 == static_cast<int>(def.versions.size());
      const bool both = native::find_reference(domain, op) != nullptr && std::holds_alternative<Decompose>(def.meaning);
      if (!newest || !both || def.effect != Effect::pure) continue;
      call.way = OpCall::Way::decomposition;
      std::vector<Value> second;
      try {
        second = run_op(call);
      } catch (const Error& e) {
        if (e.code() == Code::unsupported) continue;  // the decomposition refuses this case with a sentence
        throw;
      }
      for (size_t i = 0; i < first.size(); ++i) {
        // Narrow floats are rounded after every node of a decomposition.
        const DType type = first[i].dtype();
        const double rounding = type == DType::float16 ? 8e-3 : type == DType::bfloat16 ? 6e-2 : 0;
        if (second[i]) expect_close(second[i], first[i], std::max(tolerance, rounding), what);
      }
    } catch (const Error& e) {
      ADD_FAILURE() << what << ": " << e.what();
    }
  }
  return count;
}

Value make(DType type, const Shape& shape, std::initializer_list<double> elements) {
  Value v = Value::tensor(type, shape);
  EXPECT_EQ(v.numel(), static_cast<int64_t>(elements.size()));
  int64_t i = 0;
  for (const double e : elements) {
    if (i < v.numel()) set_f64(type, v.mutable_data(), i++, e);
  }
  return v;
}

void expect_close(const Value& got, const Value& wanted, double tolerance, std::string_view what) {
  ASSERT_EQ(static_cast<int>(got.kind()), static_cast<int>(wanted.kind())) << what;
  if (!got.is_tensor()) return expect_sequence(got, wanted, tolerance, what);
  ASSERT_EQ(dtype_name(got.dtype()), dtype_name(wanted.dtype())) << what;
  ASSERT_EQ(got.shape().str(), wanted.shape().str()) << what;
  if (got.dtype() == DType::string || is_complex(got.dtype()) || tolerance == 0) {
    if (got.dtype() == DType::string || !is_float(got.dtype())) {
      EXPECT_TRUE(got.identical(wanted)) << what << ": got " << got.str() << ", wanted " << wanted.str();
      return;
    }
  }
  for (int64_t i = 0; i < got.numel(); ++i) {
    const double a = element(got, i), b = element(wanted, i);
    const bool near = std::isfinite(b) && std::abs(a - b) <= tolerance * (1 + std::abs(b));
    const bool same = (std::isnan(a) && std::isnan(b)) || a == b || near;
    ASSERT_TRUE(same) << what << ": element " << i << " is " << a << ", wanted " << b;
  }
}

}  // namespace chorus::testing
